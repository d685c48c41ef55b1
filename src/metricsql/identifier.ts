/**
 * Names of metrics, labels and functions. A plain name is a letter (of any script), `_` or `:`, followed by letters,
 * digits, `_`, `:` and `.`; any other character is written after a backslash (`foo\-bar`, `\x20`, `\u202c`).
 */

const firstChar = /^[\p{L}_:]$/u;
const laterChar = /^[\p{L}_:.0-9]$/u;
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const plainIdentifier = /^[\p{L}_:][\p{L}_:.0-9]*$/u;

/** Whether `char` (one code point) may start a name. */
export function isFirstIdentifierChar(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 58;
  return firstChar.test(char);
}

/** Whether `char` (one code point) may follow in a name. */
export function isIdentifierChar(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 128) return (code >= 48 && code <= 58) || code === 46 || isFirstIdentifierChar(char);
  return laterChar.test(char);
}

/** Whether a code point is visible: letters, marks, digits, punctuation, symbols and the space. */
export function isPrintable(char: string): boolean {
  const code = char.charCodeAt(0);
  return code < 128 ? code >= 32 && code !== 127 : printable.test(char);
}

/** The code point at `index` of `text`; "" at the end. */
export function charAt(text: string, index: number): string {
  const code = text.codePointAt(index);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** What follows a backslash in a name: the character meant and how many UTF-16 units it takes; undefined if malformed. */
export function decodeIdentifierEscape(text: string, index: number): { char: string; size: number } | undefined {
  const first = charAt(text, index);
  const digitCount = first === "x" || first === "X" ? 2 : first === "u" || first === "U" ? 4 : 0;
  if (digitCount === 0) return first !== "" && isPrintable(first) ? { char: first, size: first.length } : undefined;
  const digits = text.slice(index + 1, index + 1 + digitCount);
  if (digits.length < digitCount || !/^[0-9a-fA-F]+$/.test(digits)) return undefined;
  return { char: String.fromCharCode(parseInt(digits, 16)), size: 1 + digitCount };
}

/** The name meant by an identifier as written; a malformed escape is kept as it is. */
export function unescapeIdentifier(text: string): string {
  if (!text.includes("\\")) return text;
  let name = "";
  for (let i = 0; i < text.length; ) {
    const escape = text[i] === "\\" ? decodeIdentifierEscape(text, i + 1) : undefined;
    name += escape === undefined ? text[i] : escape.char;
    i += escape === undefined ? 1 : 1 + escape.size;
  }
  return name;
}

/** Writes `name` so that it reads back as one identifier. */
export function escapeIdentifier(name: string): string {
  if (plainIdentifier.test(name)) return name;
  let text = "";
  for (const char of name) {
    const isPlain = text === "" ? isFirstIdentifierChar(char) : isIdentifierChar(char);
    text += isPlain ? char : escapeChar(char);
  }
  return text;
}

function escapeChar(char: string): string {
  // The letters x and u after a backslash begin a code, so they could not be escaped; they never need to be.
  if (isPrintable(char)) return "\\" + char;
  let text = "";
  for (let i = 0; i < char.length; i++) {
    const code = char.charCodeAt(i);
    text += code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
  }
  return text;
}

/** Whether `name` can be written without escapes or quotes. */
export function isPlainIdentifier(name: string): boolean {
  return plainIdentifier.test(name);
}
