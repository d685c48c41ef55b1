/**
 * The arguments of a request, from the query string and from a form body. Like Go's FormValue, the body comes first where an argument
 * may be given once; what enforces something (`extra_label`, `extra_filters[]`) is taken from the query string if it is there, so that a
 * proxy can set it.
 */
import { InputError } from "../base/errors.ts";
import type { Dialect } from "../metricsql/parser.ts";
import { QueryParameters } from "./query_parameters.ts";
import { parseDurationArgument, parseTimeArgument } from "./time_argument.ts";

export class RequestArguments {
  readonly #query: QueryParameters;
  readonly #form: QueryParameters | undefined;

  /** Both are texts in the form of a query string, without "?". */
  constructor(query: string, form?: string) {
    this.#query = new QueryParameters(query);
    this.#form = form === undefined ? undefined : new QueryParameters(form);
  }

  /** The first value, "" if there is none. */
  text(name: string): string {
    return this.#form?.get(name) ?? this.#query.get(name) ?? "";
  }

  /** Throws InputError "bad_argument" if it is missing or empty. */
  requiredText(name: string): string {
    const text = this.text(name);
    if (text === "") throw new InputError("bad_argument", `argument "${name}" is missing`);
    return text;
  }

  /** All values of all the names, body first. */
  texts(...names: readonly string[]): string[] {
    return [this.#form, this.#query].flatMap((source) => (source === undefined ? [] : names.flatMap((name) => source.getAll(name))));
  }

  /** All values of the names from the query string; from the body only if there is none. */
  enforcedTexts(...names: readonly string[]): string[] {
    const fromQuery = names.flatMap((name) => this.#query.getAll(name));
    return fromQuery.length > 0 || this.#form === undefined ? fromQuery : names.flatMap((name) => this.#form!.getAll(name));
  }

  /** Whether a switch such as nocache=1 is on. */
  isSet(name: string): boolean {
    return !["", "0", "f", "false", "no"].includes(this.text(name).toLowerCase());
  }

  /** A whole number of at least 0. */
  count(name: string, defaultValue: number): number {
    const text = this.text(name);
    if (text === "") return defaultValue;
    if (!/^\d{1,15}$/.test(text)) throw new InputError("bad_argument", `bad value ${JSON.stringify(text)} in argument "${name}"; allowed: a whole number`);
    return Number(text);
  }

  /** See time_argument.ts for what the dialect of the request changes. */
  timeMs(name: string, nowMs: number, defaultMs: number, dialect: Dialect = "metricsql"): number {
    const text = this.text(name);
    return text === "" ? defaultMs : parseTimeArgument(name, text, nowMs, dialect);
  }

  durationMs(name: string, defaultMs: number): number {
    const text = this.text(name);
    return text === "" ? defaultMs : parseDurationArgument(name, text);
  }
}
