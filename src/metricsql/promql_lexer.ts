/**
 * Cuts a query of PromQL into tokens. Names are ASCII (others are quoted), strings have the escapes of Go and no line
 * breaks, numbers are decimal, octal or hexadecimal, durations are whole. Between braces names have no colons, between
 * square brackets the colon stands alone.
 */
import { scanDuration } from "./duration.ts";
import type { Token, TokenKind } from "./lexer.ts";
import { parseError } from "./parse_error.ts";

const spaceOrComment = /(?:[ \t\n\r]+|#[^\n\r]*)*/y;
const symbol = /==|=~|!=|!~|>=|<=|<\/|>\/|[{}[\](),@=<>+\-*/%^:]/y;
const name = /[A-Za-z_:][A-Za-z0-9_:]*/y;
const nameWithoutColon = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /(?:0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?)(?![A-Za-z0-9_.])/y;
const duration = /(?:\d+(?:ms|[smhdwy]))+(?![A-Za-z0-9_.])/y;
const numberLike = /\.?[0-9][A-Za-z0-9_.]*/y;
const variable = /\$(?:[A-Za-z0-9_]+|\{[A-Za-z0-9_]+\})/y;
const stringPart = /[^\\"'\n]+|\\[^\n]|["']/y;

/** Reads tokens from `text`; after the last one it returns the "end" token for ever. */
export class PromqlLexer {
  readonly text: string;
  #offset = 0;
  #bracket: "" | "{" | "[" = "";

  constructor(text: string) {
    this.text = text;
  }

  next(): Token {
    this.#offset += this.#match(spaceOrComment).length;
    const offset = this.#offset;
    const token = this.#read(offset);
    this.#offset = offset + token.text.length;
    if (token.kind === "symbol") this.#enterBracket(token.text);
    return token;
  }

  #enterBracket(text: string): void {
    if (text === "{" || text === "[") this.#bracket = text;
    else if (text === "}" || text === "]") this.#bracket = "";
  }

  #read(offset: number): Token {
    if (offset === this.text.length) return { kind: "end", text: "", offset };
    const first = this.text[offset];
    if (first === '"' || first === "'") return { kind: "string", text: this.#string(offset, first), offset };
    if (first === "`") return { kind: "string", text: this.#rawString(offset), offset };
    return this.#token("identifier", this.#bracket === "" ? name : nameWithoutColon)
      ?? this.#token("number", number)
      ?? this.#token("duration", duration)
      ?? this.#malformedNumber(offset)
      ?? this.#token("symbol", symbol)
      ?? this.#token("variable", variable)
      ?? this.#unexpected(offset);
  }

  #token(kind: TokenKind, pattern: RegExp): Token | undefined {
    const text = this.#match(pattern);
    return text === "" ? undefined : { kind, text, offset: this.#offset };
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.text)?.[0] ?? "";
  }

  #string(offset: number, quote: string): string {
    for (let end = offset + 1; end < this.text.length; ) {
      stringPart.lastIndex = end;
      const part = stringPart.exec(this.text)?.[0] ?? "";
      end += part.length;
      if (part === quote) return this.text.slice(offset, end);
      if (part === "") break;
    }
    throw parseError(this.text, offset, `expected closing ${quote} in the line of the string that starts`);
  }

  #rawString(offset: number): string {
    const end = this.text.indexOf("`", offset + 1);
    if (end < 0) throw parseError(this.text, offset, "expected closing ` of the string that starts");
    return this.text.slice(offset, end + 1);
  }

  /** Throws if a number or duration starts here, which is malformed then, or known to MetricsQL only. */
  #malformedNumber(offset: number): undefined {
    const text = this.#match(numberLike);
    if (text === "") return undefined;
    if (scanDuration(this.text, offset) >= offset + text.length) {
      throw parseError(this.text, offset, `"${text}" is a duration of MetricsQL; those of PromQL are whole and in ms, s, m, h, d, w or y`);
    }
    if (/^(?:[\d._]+[kmgt]i?b?|0[ob][\d_]+)$/i.test(text)) throw parseError(this.text, offset, `"${text}" is a number of MetricsQL, not of PromQL`);
    throw parseError(this.text, offset, `malformed number or duration "${text}"`);
  }

  #unexpected(offset: number): never {
    const char = String.fromCodePoint(this.text.codePointAt(offset) ?? 0);
    const hint = /[\p{L}\\.]/u.test(char) ? '; in PromQL a name with other characters than letters, digits, "_" and ":" is quoted: {"my.metric", "my.label"="x"}' : "";
    throw parseError(this.text, offset, `unexpected character ${JSON.stringify(char)}${hint}`);
  }
}
