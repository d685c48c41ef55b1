/**
 * A configuration file as a tree with positions, whatever its syntax was, and how it is read: a map is described by one row per key,
 *
 *   const fields = { job_name: textField, scrape_interval: durationField, relabel_configs: listField(readRelabelRule) };
 *   const job = readMap(value, fields, "scrape_configs[0]", problems);      job.job_name: string | undefined
 *
 * Reading never stops at the first mistake: what is wrong goes into ConfigProblems with position and path, and the key counts as
 * missing. An unknown key is a mistake. A key without value counts as missing, too.
 */
import { InputError } from "../base/errors.ts";
import { nearestName } from "../base/nearest_name.ts";
import { parseDurationMs } from "./config_duration.ts";

/** Line and column, counted from 1. */
export interface ConfigPosition {
  readonly line: number;
  readonly column: number;
}

export type ConfigValue = ConfigScalar | ConfigList | ConfigMap;

export interface ConfigScalar {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** As written, without quotes: `1m`, `0755`, `yes`. */
  readonly text: string;
  readonly position: ConfigPosition;
}

export interface ConfigList {
  readonly kind: "list";
  readonly items: readonly ConfigValue[];
  readonly position: ConfigPosition;
}

export interface ConfigMap {
  readonly kind: "map";
  readonly entries: readonly ConfigEntry[];
  readonly position: ConfigPosition;
}

export interface ConfigEntry {
  readonly key: string;
  readonly keyPosition: ConfigPosition;
  readonly value: ConfigValue;
}

const problemsMax = 50;

/** What is wrong with a file, in the order of its lines, and what deserves a warning. */
export class ConfigProblems {
  readonly file: string;
  readonly #problems: { position: ConfigPosition; message: string }[] = [];
  readonly #warnings: string[] = [];

  constructor(file: string) {
    this.file = file;
  }

  /** `path` names the key, as in `scrape_configs[0].scrape_interval`; "" is the file as a whole. */
  add(position: ConfigPosition, path: string, message: string): undefined {
    this.#problems.push({ position, message: this.#line(position, path, message) });
    return undefined;
  }

  warn(position: ConfigPosition, path: string, message: string): undefined {
    this.#warnings.push(this.#line(position, path, message));
    return undefined;
  }

  #line({ line, column }: ConfigPosition, path: string, message: string): string {
    return `${this.file}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}`;
  }

  get count(): number {
    return this.#problems.length;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Throws InputError `bad_config` with one line per problem, if there is any. */
  throwIfAny(): void {
    if (this.#problems.length === 0) return;
    const sorted = this.#problems.toSorted((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
    const lines = sorted.slice(0, problemsMax).map(({ message }) => message);
    if (sorted.length > problemsMax) lines.push(`${this.file}: and ${sorted.length - problemsMax} more problems`);
    throw new InputError("bad_config", lines.join("\n"));
  }
}

/** Reads the value of one key. Answers undefined after it has reported what is wrong. */
export type ConfigField<T> = (value: ConfigValue, path: string, problems: ConfigProblems) => T | undefined;

export type ConfigFields = Readonly<Record<string, ConfigField<unknown>>>;

/** What readMap answers: every key of the description, undefined where it is missing or wrong. */
export type ConfigRecord<F extends ConfigFields> = { readonly [Key in keyof F]: F[Key] extends ConfigField<infer T> ? T | undefined : never };

/** Reads a map by its description; undefined if `value` is not a map. */
export function readMap<F extends ConfigFields>(value: ConfigValue, fields: F, path: string, problems: ConfigProblems): ConfigRecord<F> | undefined {
  if (value.kind !== "map") return problems.add(value.position, path, `expected a map with keys such as ${Object.keys(fields)[0]}, found ${describe(value)}`);
  const record: Record<string, unknown> = {};
  for (const entry of value.entries) {
    const keyPath = path === "" ? entry.key : `${path}.${entry.key}`;
    if (!Object.hasOwn(fields, entry.key)) {
      const nearest = nearestName(entry.key, Object.keys(fields));
      problems.add(entry.keyPosition, keyPath, `unknown key${nearest === undefined ? "" : `; did you mean ${nearest}?`}`);
    } else if (entry.value.kind !== "scalar" || entry.value.value !== null) {
      record[entry.key] = fields[entry.key](entry.value, keyPath, problems);
    }
  }
  return record as ConfigRecord<F>;
}

/** Where `key` stands, or where the map begins. */
export function keyPosition(value: ConfigValue, key: string): ConfigPosition {
  const entry = value.kind === "map" ? value.entries.find((item) => item.key === key) : undefined;
  return entry?.keyPosition ?? value.position;
}

/** Whether `key` is written, with a value. */
export function hasKey(value: ConfigValue, key: string): boolean {
  return value.kind === "map" && value.entries.some((item) => item.key === key && (item.value.kind !== "scalar" || item.value.value !== null));
}

/** The value as plain data, for comparing configurations. */
export function plainValue(value: ConfigValue): unknown {
  if (value.kind === "scalar") return value.value;
  if (value.kind === "list") return value.items.map(plainValue);
  return Object.fromEntries(value.entries.map((entry) => [entry.key, plainValue(entry.value)]));
}

function describe(value: ConfigValue): string {
  if (value.kind === "list") return "a list";
  if (value.kind === "map") return "a map";
  return value.value === null ? "nothing" : JSON.stringify(value.text);
}

function expected(value: ConfigValue, path: string, problems: ConfigProblems, allowed: string): undefined {
  return problems.add(value.position, path, value.kind === "scalar" ? `bad value ${describe(value)}; allowed: ${allowed}` : `expected ${allowed}, found ${describe(value)}`);
}

/** Any scalar, as it is written: label values may look like numbers. */
export const textField: ConfigField<string> = (value, path, problems) => (value.kind === "scalar" ? value.text : expected(value, path, problems, "a text"));

/** `yes`, `no`, `on` and `off` are the words of YAML 1.1, which Prometheus reads. */
export const booleanField: ConfigField<boolean> = (value, path, problems) => {
  const word = value.kind === "scalar" ? value.text.toLowerCase() : "";
  if (["true", "yes", "on"].includes(word)) return true;
  return ["false", "no", "off"].includes(word) ? false : expected(value, path, problems, "true or false");
};

export const durationField: ConfigField<number> = (value, path, problems) => {
  const durationMs = value.kind === "scalar" ? parseDurationMs(value.text) : undefined;
  return durationMs ?? expected(value, path, problems, "a duration such as 15s, 1m30s or 500ms");
};

/** A whole number in [min, max]. */
export function integerField(min: number, max: number): ConfigField<number> {
  return (value, path, problems) => {
    if (value.kind === "scalar" && typeof value.value === "number" && Number.isInteger(value.value) && value.value >= min && value.value <= max) return value.value;
    return expected(value, path, problems, `a whole number from ${min} to ${max}`);
  };
}

/** One of some words. */
export function wordField<Word extends string>(words: readonly Word[]): ConfigField<Word> {
  return (value, path, problems) => {
    const word = value.kind === "scalar" ? words.find((item) => item === value.text) : undefined;
    return word ?? expected(value, path, problems, words.join(", "));
  };
}

/** A list; items that are wrong are left out. */
export function listField<T>(item: ConfigField<T>): ConfigField<readonly T[]> {
  return (value, path, problems) => {
    if (value.kind !== "list") return problems.add(value.position, path, `expected a list, found ${describe(value)}`);
    const items: T[] = [];
    value.items.forEach((itemValue, i) => {
      const read = item(itemValue, `${path}[${i}]`, problems);
      if (read !== undefined) items.push(read);
    });
    return items;
  };
}

/** A map from any names to values of one kind, in the order of the file. */
export function namesField<T>(item: ConfigField<T>): ConfigField<ReadonlyMap<string, T>> {
  return (value, path, problems) => {
    if (value.kind !== "map") return problems.add(value.position, path, `expected a map, found ${describe(value)}`);
    const names = new Map<string, T>();
    for (const entry of value.entries) {
      const read = item(entry.value, `${path}.${entry.key}`, problems);
      if (read !== undefined) names.set(entry.key, read);
    }
    return names;
  };
}

/** A key that is known but cannot be obeyed: an error that says so. */
export function unsupportedField(hint = ""): ConfigField<never> {
  return (value, path, problems) => problems.add(value.position, path, `not supported yet${hint === "" ? "" : `; ${hint}`}`);
}

/** A key that is known and makes no difference to what is stored: a warning. */
export function ignoredField(reason: string): ConfigField<never> {
  return (value, path, problems) => problems.warn(value.position, path, `ignored: ${reason}`);
}
