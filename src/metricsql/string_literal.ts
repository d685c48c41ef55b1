/**
 * String literals: "double", 'single' and `back` quoted. Escapes are those of Go; back quoted strings have none.
 * `\x` and octal escapes are bytes of UTF-8 in a value, but characters in a quoted name of MetricsQL. In PromQL a byte that is
 * no UTF-8 becomes a lone surrogate, U+DC80 to U+DCFF, which no other text has: so it can be told and be printed again.
 */
import { isPrintable } from "./identifier.ts";

const simpleEscapes: Readonly<Record<string, string>> = {
  a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "\\": "\\",
};

const numericEscape = /[xX][0-9a-fA-F]{2}|[0-3][0-7]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/y;

/** A malformed literal: `index` counts from the opening quote. */
export interface LiteralError {
  readonly index: number;
  readonly problem: string;
}

/** What byte escapes make: text (with U+FFFD for what is no UTF-8), characters of that code, or text with lone surrogates. */
export type ByteMeaning = "utf8" | "chars" | "bytes";

/** The value of a literal with its quotes; `bytesAs` says what `\xff` means. */
export function unquote(literal: string, bytesAs: ByteMeaning = "utf8"): string | LiteralError {
  const quote = literal[0];
  const inner = literal.slice(1, -1);
  if (quote === "`") {
    const index = inner.indexOf("`");
    return index < 0 ? inner.replaceAll("\r", "") : { index: index + 1, problem: "a back quoted string cannot contain a back quote" };
  }
  const lineBreak = inner.indexOf("\n");
  if (lineBreak >= 0) return { index: lineBreak + 1, problem: "line break in a string; write \\n or use back quotes" };
  return inner.includes("\\") ? decodeEscapes(inner, quote, bytesAs) : inner;
}

function decodeEscapes(inner: string, quote: string, bytesAs: ByteMeaning): string | LiteralError {
  let value = "";
  let bytes: number[] = [];
  const flushBytes = (): void => {
    if (bytes.length > 0) value += bytesAs === "bytes" ? decodeBytes(bytes) : Buffer.from(bytes).toString("utf8");
    bytes = [];
  };
  for (let i = 0; i < inner.length; ) {
    const next = inner.indexOf("\\", i);
    if (next !== i) {
      flushBytes();
      value += inner.slice(i, next < 0 ? inner.length : next);
      i = next < 0 ? inner.length : next;
      continue;
    }
    const escape = decodeEscape(inner, i + 1, quote);
    if (escape === undefined) return unknownEscape(inner, i);
    if (escape.byte !== undefined && bytesAs !== "chars") {
      bytes.push(escape.byte);
    } else {
      flushBytes();
      value += escape.text;
    }
    i += 1 + escape.size;
  }
  flushBytes();
  return value;
}

const utf8Character = /[^\x80-\xff]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[^]/g;

function decodeBytes(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString("latin1").replace(utf8Character, (text) => {
    const isStray = text.length === 1 && text >= "\x80";
    return isStray ? String.fromCharCode(0xdc00 + text.charCodeAt(0)) : Buffer.from(text, "latin1").toString("utf8");
  });
}

interface Escape {
  readonly text: string;
  /** Set for escapes that mean one byte. */
  readonly byte: number | undefined;
  readonly size: number;
}

function decodeEscape(inner: string, index: number, quote: string): Escape | undefined {
  const char = inner[index];
  if (char === undefined) return undefined;
  if (char === quote) return { text: quote, byte: undefined, size: 1 };
  if (Object.hasOwn(simpleEscapes, char)) return { text: simpleEscapes[char], byte: undefined, size: 1 };
  numericEscape.lastIndex = index;
  const match = numericEscape.exec(inner)?.[0];
  if (match === undefined || match[0] === "X") return undefined;
  const isOctal = match[0] >= "0" && match[0] <= "9";
  const code = isOctal ? parseInt(match, 8) : parseInt(match.slice(1), 16);
  const isByte = isOctal || match[0] === "x";
  if (code > 0x10ffff || (!isByte && code >= 0xd800 && code <= 0xdfff)) return undefined;
  return { text: String.fromCodePoint(code), byte: isByte ? code : undefined, size: match.length };
}

function unknownEscape(inner: string, index: number): LiteralError {
  const written = inner.slice(index, index + 2);
  return { index: index + 1, problem: `unknown escape ${written} in a string; write \\${written} or use back quotes` };
}

const escapesByChar: Readonly<Record<string, string>> = {
  "\x07": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
};

/** Writes `value` as a double quoted literal of PromQL: lone surrogates that stand for bytes become escapes again. */
export function quotePromql(value: string): string {
  return quote(value).replace(/[\udc80-\udcff]/gu, (char) => "\\x" + (char.charCodeAt(0) - 0xdc00).toString(16));
}

/** Writes `value` as a double quoted literal that reads back the same. */
export function quote(value: string): string {
  if (/^[ !#-[\]-~]*$/.test(value)) return `"${value}"`;
  let text = '"';
  for (const char of value) text += escapesByChar[char] ?? (isPrintable(char) || isSurrogate(char) ? char : escapeCode(char));
  return text + '"';
}

function isSurrogate(char: string): boolean {
  const code = char.charCodeAt(0);
  return char.length === 1 && code >= 0xd800 && code <= 0xdfff;
}

function escapeCode(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 128) return "\\x" + code.toString(16).padStart(2, "0");
  return code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : "\\U" + code.toString(16).padStart(8, "0");
}
