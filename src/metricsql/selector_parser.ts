/** Parses selectors `m{a="b",c or d!~"e"}`, string chains and lists of label names: what needs no expressions. */
import type { LabelFilter } from "./ast.ts";
import { unescapeIdentifier } from "./identifier.ts";
import type { Token } from "./lexer.ts";
import { parseNumber } from "./number.ts";
import { unquote } from "./string_literal.ts";
import type { FilterSyntax, FilterTemplate, SelectorSyntax, StringPart, StringSyntax } from "./syntax.ts";
import type { TokenStream } from "./token_stream.ts";

type Filter = FilterSyntax | FilterTemplate;

const filterOperators: ReadonlySet<string> = new Set(["=", "!=", "=~", "!~"]);

/** Parses `name`, `name{...}` or `{...}`. A metric name is the first filter of each group. */
export function parseSelectorSyntax(tokens: TokenStream): SelectorSyntax {
  const position = tokens.peek().offset;
  const name = tokens.peek().kind === "identifier" ? nameFilter(unescapeIdentifier(tokens.peek().text), tokens.take()) : undefined;
  if (name !== undefined && !tokens.isSymbol("{")) return { kind: "selector", position, groups: [[name]] };
  tokens.expectSymbol("{", " or a metric name");
  const groups: Filter[][] = [];
  if (tokens.acceptSymbol("}")) return { kind: "selector", position, groups: [name === undefined ? [] : [name]] };
  let commonName = name;
  do {
    const group = parseGroup(tokens);
    // A quoted name in the first group is the name of the whole selector, as in `{"m",a="b" or c="d"}`.
    if (groups.length === 0) commonName ??= group.name;
    const groupName = group.name ?? commonName;
    if (name !== undefined && group.name !== undefined && group.name.value !== name.value) {
      throw tokens.error(`the metric name is given twice: ${String(name.value)} and ${String(group.name.value)}`, group.name.position ?? position);
    }
    groups.push(groupName === undefined ? group.filters : [groupName, ...group.filters]);
  } while (tokens.acceptWord("or"));
  tokens.expectSymbol("}", ', "," or "or"');
  return { kind: "selector", position, groups };
}

function nameFilter(name: string, token: Token): FilterSyntax {
  return { name: "__name__", op: "=", value: name, position: token.offset };
}

interface Group {
  readonly name: FilterSyntax | undefined;
  readonly filters: Filter[];
}

function parseGroup(tokens: TokenStream): Group {
  let name: FilterSyntax | undefined;
  const filters: Filter[] = [];
  do {
    if (filters.length > 0 || name !== undefined) {
      if (tokens.isSymbol("}")) break;
    }
    const token = tokens.peek();
    const label = parseName(tokens, "a label name");
    if (isFilterEnd(tokens)) {
      if (token.kind === "identifier") {
        filters.push({ template: label, position: token.offset });
      } else if (name === undefined) {
        name = nameFilter(label, token);
      } else {
        throw tokens.error(`the metric name is given twice: ${String(name.value)} and ${label}`, token.offset);
      }
      continue;
    }
    filters.push({ name: label, op: parseFilterOperator(tokens), value: parseFilterValue(tokens), position: token.offset });
  } while (tokens.acceptSymbol(","));
  return { name, filters };
}

function isFilterEnd(tokens: TokenStream): boolean {
  return tokens.isSymbol(",") || tokens.isSymbol("}") || tokens.isWord("or");
}

function parseFilterOperator(tokens: TokenStream): LabelFilter["op"] {
  const token = tokens.peek();
  if (token.kind !== "symbol" || !filterOperators.has(token.text)) throw tokens.unexpected('"=", "!=", "=~", "!~", ",", "or" or "}"');
  return tokens.take().text as LabelFilter["op"];
}

function parseFilterValue(tokens: TokenStream): StringSyntax {
  const kind = tokens.peek().kind;
  if (kind !== "string" && kind !== "identifier") throw tokens.unexpected("a string");
  return parseStrings(tokens);
}

/** Parses `"a" + "b" + name`; a name followed by `(` or `{` is not part of it. */
export function parseStrings(tokens: TokenStream): StringSyntax {
  const position = tokens.peek().offset;
  const parts: StringPart[] = [parseStringPart(tokens)];
  while (tokens.isSymbol("+")) {
    const next = tokens.peek(1);
    const isName = next.kind === "identifier" && parseNumber(next.text) === undefined;
    const isTemplate = isName && !tokens.isSymbol("(", 2) && !tokens.isSymbol("{", 2);
    if (next.kind !== "string" && !isTemplate) break;
    tokens.take();
    parts.push(parseStringPart(tokens));
  }
  return { kind: "string_parts", position, parts };
}

function parseStringPart(tokens: TokenStream): StringPart {
  const token = tokens.take();
  const value = token.kind === "string" ? unquoteToken(tokens, token, "utf8") : undefined;
  return { text: token.text, value, position: token.offset };
}

function unquoteToken(tokens: TokenStream, token: Token, bytesAs: "utf8" | "chars"): string {
  const value = unquote(token.text, bytesAs);
  if (typeof value === "string") return value;
  throw tokens.error(value.problem, token.offset + value.index);
}

/** Parses a name that may be quoted. */
export function parseName(tokens: TokenStream, expected: string): string {
  const token = tokens.peek();
  const name = token.kind === "identifier" ? unescapeIdentifier(token.text) : token.kind === "string" ? unquoteToken(tokens, token, "chars") : "";
  if (name === "") throw tokens.unexpected(expected); // escapes may leave nothing of what was written
  tokens.take();
  return name;
}

/** Parses `(a, b)`; with `allowStar` also `(*)`. */
export function parseLabelList(tokens: TokenStream, allowStar = false): string[] {
  tokens.expectSymbol("(");
  if (allowStar && tokens.acceptSymbol("*")) {
    tokens.expectSymbol(")");
    return ["*"];
  }
  const labels: string[] = [];
  while (!tokens.isSymbol(")")) {
    labels.push(parseName(tokens, labels.length === 0 ? 'a label name or ")"' : "a label name"));
    if (!tokens.acceptSymbol(",")) break;
  }
  tokens.expectSymbol(")", ' or ","');
  return labels;
}
