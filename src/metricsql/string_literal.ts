/**
 * String literals: "double", 'single' and `back` quoted. Escapes are those of Go; back quoted strings have none.
 * `\x` and octal escapes are bytes of UTF-8 in a value, but characters in a quoted name.
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

/** The value of a literal with its quotes; `bytesAs` says what `\xff` means. */
export function unquote(literal: string, bytesAs: "utf8" | "chars" = "utf8"): string | LiteralError {
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

function decodeEscapes(inner: string, quote: string, bytesAs: "utf8" | "chars"): string | LiteralError {
  let value = "";
  let bytes: number[] = [];
  const flushBytes = (): void => {
    if (bytes.length > 0) value += Buffer.from(bytes).toString("utf8");
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
    if (escape.byte !== undefined && bytesAs === "utf8") {
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
