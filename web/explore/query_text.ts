/**
 * A light reading of query text, enough for colours, completion and hints; whether a query is right is for the server to say. Works on
 * unfinished text, as it is while somebody types.
 */

/** What a piece of query text is; "space" is all that is not coloured. */
export type TokenKind = "comment" | "string" | "number" | "keyword" | "function" | "name" | "label" | "operator" | "space";

/** A piece of query text; the pieces of a text make it up without gaps. */
export interface QueryToken {
  readonly kind: TokenKind;
  readonly text: string;
  readonly from: number;
}

/** Words that are no names. Those before a list of labels are `groupingKeywords`. */
export const keywords: readonly string[] = [
  "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "and", "or", "unless", "if", "ifnot", "default", "bool", "limit", "keep_metric_names", "atan2",
];

const groupingKeywords: readonly string[] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

const pattern = new RegExp(
  [
    "(?<comment>#[^\\n]*)",
    "(?<string>\"(?:[^\"\\\\]|\\\\[\\s\\S])*\"?|'(?:[^'\\\\]|\\\\[\\s\\S])*'?|`[^`]*`?)",
    "(?<number>0[xX][\\da-fA-F]+|(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?(?:[a-zA-Z]+[\\d.]*)*)",
    "(?<name>[A-Za-z_:](?:[\\w:.]|\\\\.)*)",
    "(?<operator>[-+*/%^=!<>~@,(){}\\[\\]]+?)",
    "(?<space>[\\s\\S])",
  ].join("|"),
  "g",
);

/** Cuts `text` into tokens. */
export function tokenizeQuery(text: string): QueryToken[] {
  const tokens: QueryToken[] = [];
  let braces = 0;
  let groupList = false;
  for (const match of text.matchAll(pattern)) {
    const [word] = match;
    let kind = Object.entries(match.groups!).find(([, value]) => value !== undefined)![0] as TokenKind;
    if (word === "{") braces++;
    if (word === "}") braces = Math.max(0, braces - 1);
    if (word === ")") groupList = false;
    if (word === "(" && groupingKeywords.includes(lastWord(tokens))) groupList = true;
    if (kind === "name") kind = nameKind(word, text.slice(match.index + word.length), braces > 0 || groupList);
    tokens.push({ kind, text: word, from: match.index });
  }
  return tokens;
}

function lastWord(tokens: readonly QueryToken[]): string {
  return tokens.findLast((token) => token.text.trim() !== "")?.text.toLowerCase() ?? "";
}

function nameKind(word: string, after: string, inLabels: boolean): TokenKind {
  if (inLabels) return "label";
  if (keywords.includes(word.toLowerCase())) return "keyword";
  return /^\s*\(|^\s+(by|without)\s*\(/i.test(after) ? "function" : "name";
}

/** The metric names of a query, in order, each once; `{__name__="x"}` counts too. */
export function metricNames(text: string): string[] {
  const names = new Set<string>();
  for (const token of tokenizeQuery(text)) if (token.kind === "name") names.add(token.text);
  for (const match of text.matchAll(/__name__\s*=\s*(?:"([^"\\]+)"|'([^'\\]+)')/g)) names.add(match[1] ?? match[2]);
  return [...names];
}

/** What can be completed at a place in a query; `prefix` is typed already and begins at `from`. */
export type CompletionContext =
  | { readonly kind: "metric"; readonly prefix: string; readonly from: number }
  | { readonly kind: "label"; readonly prefix: string; readonly from: number; readonly metric: string | undefined }
  | { readonly kind: "value"; readonly prefix: string; readonly from: number; readonly metric: string | undefined; readonly label: string; readonly quote: string };

/** What can be completed at `caret`; undefined inside of numbers, ranges, comments and where an operator is due. */
export function completionContext(text: string, caret: number): CompletionContext | undefined {
  const tokens = tokenizeQuery(text.slice(0, caret));
  const last = tokens.at(-1);
  if (last?.kind === "comment" || last?.kind === "number") return undefined;
  const isWord = last !== undefined && ["name", "label", "function", "keyword"].includes(last.kind);
  const prefix = isWord ? last.text : "";
  const from = caret - prefix.length;
  const before = tokens.filter((token) => token.from < from && token.text.trim() !== "");
  if (last?.kind === "string") return valueContext(tokens, last);
  const opener = openBracket(before);
  if (opener?.text === "[") return undefined;
  const previous = before.at(-1);
  if (opener?.text === "{" || (opener?.text === "(" && groupingKeywords.includes(wordBefore(before, opener)))) {
    const isStart = previous === opener || previous?.text === "," || previous?.text.toLowerCase() === "or";
    return isStart ? { kind: "label", prefix, from, metric: opener.text === "{" ? metricBefore(before, opener) : firstMetric(text) } : undefined;
  }
  return { kind: "metric", prefix, from };
}

/** Inside of an unfinished string behind `label=`. */
function valueContext(tokens: readonly QueryToken[], last: QueryToken): CompletionContext | undefined {
  const quote = last.text[0];
  const isClosed = last.text.length > 1 && last.text.endsWith(quote) && !last.text.endsWith(`\\${quote}`);
  const before = tokens.filter((token) => token.from < last.from && token.text.trim() !== "");
  const opener = openBracket(before);
  const label = before.findLast((token) => token.kind !== "operator");
  if (isClosed || opener?.text !== "{" || label?.kind !== "label" || !/^[=!~]/.test(before.at(-1)?.text ?? "")) return undefined;
  return { kind: "value", prefix: last.text.slice(1), from: last.from + 1, label: label.text, quote, metric: metricBefore(before, opener) };
}

/** The innermost bracket that is still open at the end. */
function openBracket(tokens: readonly QueryToken[]): QueryToken | undefined {
  let closed = 0;
  for (const token of tokens.toReversed()) {
    if (token.kind !== "operator") continue;
    if (")}]".includes(token.text)) closed++;
    else if ("({[".includes(token.text) && closed-- === 0) return token;
  }
  return undefined;
}

function wordBefore(tokens: readonly QueryToken[], token: QueryToken): string {
  return (tokens[tokens.indexOf(token) - 1]?.text ?? "").toLowerCase();
}

function metricBefore(tokens: readonly QueryToken[], opener: QueryToken): string | undefined {
  const previous = tokens[tokens.indexOf(opener) - 1];
  return previous?.kind === "name" ? previous.text : undefined;
}

function firstMetric(text: string): string | undefined {
  return metricNames(text)[0];
}
