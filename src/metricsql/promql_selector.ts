/** Parses selectors of PromQL, `m{a="b",c!~"d"}` and `{"my.metric", "my.label"="x"}`, and lists of label names. */
import type { LabelFilter, SelectorExpr } from "./ast.ts";
import { normalizeGroup } from "./filter_group.ts";
import type { Token } from "./lexer.ts";
import { onlyMetricsql } from "./promql_refusal.ts";
import { regexpProblem } from "./regexp_filter.ts";
import { unquote } from "./string_literal.ts";
import type { TokenStream } from "./token_stream.ts";

/** Words that cannot be the name of a metric without quotes, in lower case. */
export const reservedWords: ReadonlySet<string> = new Set(["bool", "on", "ignoring", "group_left", "group_right", "atan2", "inf", "nan"]);

/** Words that cannot be the name of a label without quotes in a list, in lower case. */
export const reservedLabels: ReadonlySet<string> = new Set(["without", "inf", "nan"]);

const filterOperators: ReadonlySet<string> = new Set(["=", "!=", "=~", "!~"]);

/** Parses `name`, `name{...}` or `{...}`. */
export function parsePromqlSelector(tokens: TokenStream): SelectorExpr {
  const position = tokens.peek().offset;
  const name = tokens.peek().kind === "identifier" ? tokens.take().text : undefined;
  const filters = name === undefined || tokens.isSymbol("{") ? parseFilters(tokens, name) : [];
  if (name === undefined) return { kind: "selector", position, groups: [normalizeGroup(filters)] };
  return { kind: "selector", position, groups: [normalizeGroup([metricName(name), ...filters])] };
}

function metricName(value: string): LabelFilter {
  return { name: "__name__", op: "=", value };
}

function parseFilters(tokens: TokenStream, name: string | undefined): LabelFilter[] {
  const filters: LabelFilter[] = [];
  tokens.expectSymbol("{", " or a metric name");
  while (!tokens.isSymbol("}")) {
    const { offset } = tokens.peek();
    const filter = parseFilter(tokens);
    if (name !== undefined && filter.name === "__name__") throw tokens.error(`metric name must not be set twice: "${name}" or "${filter.value}"`, offset);
    filters.push(filter);
    if (!tokens.acceptSymbol(",")) break;
  }
  if (tokens.isWord("or")) throw onlyMetricsql(tokens, '"or" between filters', tokens.peek().offset);
  tokens.expectSymbol("}", ' or ","');
  return filters;
}

function parseFilter(tokens: TokenStream): LabelFilter {
  const token = tokens.peek();
  const name = token.kind === "string" ? parsePromqlString(tokens) : token.kind === "identifier" ? tokens.take().text : undefined;
  if (name === undefined) throw tokens.unexpected('a label name or "}"');
  const op = tokens.peek();
  if (token.kind === "string" && !(op.kind === "symbol" && filterOperators.has(op.text))) return metricName(name);
  if (op.kind !== "symbol" || !filterOperators.has(op.text)) throw tokens.unexpected('"=", "!=", "=~" or "!~"');
  tokens.take();
  const value = parsePromqlString(tokens);
  const problem = op.text === "=~" || op.text === "!~" ? regexpProblem(value) : undefined;
  if (problem !== undefined) throw tokens.error(`invalid regular expression in ${name}${op.text}"${value}": ${problem}`, token.offset);
  return { name, op: op.text as LabelFilter["op"], value };
}

/** Parses a string. A byte that is no UTF-8 is a lone surrogate in it (see unquote). */
export function parsePromqlString(tokens: TokenStream): string {
  const token: Token = tokens.peek();
  if (token.kind !== "string") throw tokens.unexpected("a string");
  const value = unquote(token.text, "bytes");
  if (typeof value !== "string") throw tokens.error(value.problem, token.offset + value.index);
  tokens.take();
  return value;
}

/** Parses `(a, "b c")`. */
export function parsePromqlLabels(tokens: TokenStream): string[] {
  const labels: string[] = [];
  tokens.expectSymbol("(");
  if (tokens.isSymbol("*")) throw onlyMetricsql(tokens, '"*" for all labels', tokens.peek().offset);
  while (!tokens.isSymbol(")")) {
    labels.push(parseLabel(tokens));
    if (!tokens.acceptSymbol(",")) break;
  }
  tokens.expectSymbol(")", ' or ","');
  return labels;
}

function parseLabel(tokens: TokenStream): string {
  const { kind, text, offset } = tokens.peek();
  const isName = kind === "string" || (kind === "identifier" && !reservedLabels.has(text.toLowerCase()));
  if (!isName) throw tokens.unexpected('a label name or ")"');
  const label = kind === "string" ? parsePromqlString(tokens) : text;
  if (label === "" || !label.isWellFormed()) throw tokens.error(`invalid label name for grouping: ${text}`, offset);
  if (kind === "identifier") tokens.take();
  return label;
}
