/** YAML (and JSON, which is YAML) as a ConfigValue. Anchors, aliases and merge keys are resolved; expansion is bounded. */
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import type { ConfigEntry, ConfigPosition, ConfigProblems, ConfigValue } from "../pipeline/config_value.ts";

const depthMax = 100;
/** Values that aliases may add to those that are written. */
const aliasedMax = 100_000;

/** Reads a document. Reports what is wrong with its syntax and answers undefined then. An empty file is an empty map. */
export function parseYamlConfig(text: string, problems: ConfigProblems): ConfigValue | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const positionAt = (offset: number): ConfigPosition => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  for (const error of document.errors) problems.add(positionAt(error.pos[0]), "", `bad YAML: ${firstLine(error.message)}`);
  if (document.errors.length > 0) return undefined;
  if (document.contents === null) return { kind: "map", entries: [], position: { line: 1, column: 1 } };
  return new Converter(positionAt, problems).convert(document.contents, 0);
}

function firstLine(text: string): string {
  return text.split("\n")[0].replace(/:$/, "");
}

class Converter {
  readonly #positionAt: (offset: number) => ConfigPosition;
  readonly #problems: ConfigProblems;
  /** The last node seen with each anchor: an alias means the one before it. */
  readonly #anchors = new Map<string, Node>();
  #aliasDepth = 0;
  #aliased = 0;

  constructor(positionAt: (offset: number) => ConfigPosition, problems: ConfigProblems) {
    this.#positionAt = positionAt;
    this.#problems = problems;
  }

  convert(node: Node, depth: number): ConfigValue {
    const position = this.#positionAt(node.range?.[0] ?? 0);
    if (this.#aliasDepth > 0) this.#aliased++;
    if (depth > depthMax || this.#aliased > aliasedMax) {
      const message = depth > depthMax ? `more than ${depthMax} levels` : `aliases stand for more than ${aliasedMax} values`;
      return this.#nothing(position, this.#problems.count === 0 ? message : undefined);
    }
    if (isAlias(node)) return this.#convertAlias(node, depth, position);
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isMap(node)) return { kind: "map", entries: this.#entries(node, depth), position };
    if (isSeq(node)) return { kind: "list", items: node.items.map((item) => this.convert(item as Node, depth + 1)), position };
    return { kind: "scalar", ...scalarOf(node), position };
  }

  #convertAlias(node: Alias, depth: number, position: ConfigPosition): ConfigValue {
    const target = this.#anchors.get(node.source);
    if (target === undefined) return this.#nothing(position, `there is no anchor &${node.source} before *${node.source}`);
    this.#aliasDepth++;
    const value = this.convert(target, depth + 1);
    this.#aliasDepth--;
    return value;
  }

  #nothing(position: ConfigPosition, problem: string | undefined): ConfigValue {
    if (problem !== undefined) this.#problems.add(position, "", problem);
    return { kind: "scalar", value: null, text: "", position };
  }

  #entries(map: YAMLMap, depth: number): ConfigEntry[] {
    const entries = new Map<string, ConfigEntry>();
    const merged: ConfigEntry[] = [];
    for (const pair of map.items) {
      const keyNode = pair.key as Node;
      const keyPosition = this.#positionAt(keyNode.range?.[0] ?? 0);
      const key = isScalar(keyNode) ? scalarOf(keyNode).text : undefined;
      const value: ConfigValue = pair.value === null ? { kind: "scalar", value: null, text: "", position: keyPosition } : this.convert(pair.value as Node, depth + 1);
      if (key === undefined) this.#problems.add(keyPosition, "", "a key has to be a text");
      else if (key === "<<") merged.push(...mergeEntries(value));
      else entries.set(key, { key, keyPosition, value });
    }
    for (const entry of merged) if (!entries.has(entry.key)) entries.set(entry.key, entry);
    return [...entries.values()];
  }
}

function mergeEntries(value: ConfigValue): readonly ConfigEntry[] {
  if (value.kind === "map") return value.entries;
  return value.kind === "list" ? value.items.flatMap(mergeEntries) : [];
}

function scalarOf(node: unknown): { value: string | number | boolean | null; text: string } {
  const { value, source } = node as { value: unknown; source?: string };
  const text = source ?? String(value ?? "");
  if (value === null || typeof value === "number" || typeof value === "boolean") return { value, text };
  return { value: String(value), text: String(value) };
}
