/**
 * Cuts a query into tokens, one at a time, so that the first error reported is the first in the text. Between square
 * brackets `:` stands alone (`[1h:5m]`, `[w:w1]`); elsewhere it is part of names (`job:up:sum`).
 */
import { charAt, decodeIdentifierEscape, isFirstIdentifierChar, isIdentifierChar } from "./identifier.ts";
import { scanDuration } from "./duration.ts";
import { parseError } from "./parse_error.ts";

export type TokenKind = "identifier" | "string" | "number" | "duration" | "symbol" | "variable" | "end";

/** `text` is as written, with quotes and escapes; `offset` is where it starts in the query. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly offset: number;
}

const spaceOrComment = /(?:[ \t\n\v\f\r]+|#[^\n]*)*/y;
const symbol = /==|=~|!=|!~|>=|<=|[{}[\](),@=<>+\-*/%^]/y;
const plainIdentifier = /[A-Za-z_:][A-Za-z0-9_:.]*/y;
const number = /0[xX][0-9a-fA-F_]+|0[oObB][0-9_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[kKmMgGtT][iI]?[bB]?|[eE][+-]?\d+)?/y;
const variable = /\$(?:[A-Za-z0-9_]+|\{[A-Za-z0-9_]+\})/y;
const stringPart = /[^\\"'`]+|\\[^]?|["'`]/y;

/** Reads tokens from `text`; after the last one it returns the "end" token for ever. */
export class Lexer {
  readonly text: string;
  #offset = 0;
  #isInBrackets = false;

  constructor(text: string) {
    this.text = text;
  }

  next(): Token {
    this.#offset += this.#match(spaceOrComment).length;
    const offset = this.#offset;
    const token = this.#read(offset);
    this.#offset = offset + token.text.length;
    if (token.text === "[") this.#isInBrackets = true;
    if (token.text === "]") this.#isInBrackets = false;
    return token;
  }

  #read(offset: number): Token {
    if (offset === this.text.length) return { kind: "end", text: "", offset };
    const first = charAt(this.text, offset);
    if (this.#isInBrackets && first === ":") return { kind: "symbol", text: ":", offset };
    const name = this.#identifier(offset, first);
    if (name !== "") return { kind: "identifier", text: name, offset };
    if (first === '"' || first === "'" || first === "`") return { kind: "string", text: this.#string(offset, first), offset };
    const symbolText = this.#match(symbol);
    if (symbolText !== "") return { kind: "symbol", text: symbolText, offset };
    const durationEnd = scanDuration(this.text, offset);
    if (durationEnd > offset) return { kind: "duration", text: this.text.slice(offset, durationEnd), offset };
    const numberText = this.#number(offset);
    if (numberText !== "") return { kind: "number", text: numberText, offset };
    const variableText = this.#match(variable);
    if (variableText !== "") return { kind: "variable", text: variableText, offset };
    throw parseError(this.text, offset, `unexpected character ${JSON.stringify(first)}`);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.text)?.[0] ?? "";
  }

  #identifier(offset: number, first: string): string {
    // Almost all names are plain ASCII; the others are finished character by character.
    let end = offset + (first !== "\\" && first <= "z" ? this.#match(plainIdentifier).length : 0);
    for (;;) {
      const char = charAt(this.text, end);
      if (char === "") break;
      if (char === "\\") {
        const escape = decodeIdentifierEscape(this.text, end + 1);
        if (escape === undefined) break;
        end += 1 + escape.size;
      } else if (end === offset ? isFirstIdentifierChar(char) : isIdentifierChar(char)) {
        end += char.length;
      } else {
        break;
      }
    }
    const name = this.text.slice(offset, end);
    const colon = this.#isInBrackets ? name.indexOf(":") : -1;
    return colon < 0 ? name : name.slice(0, colon);
  }

  #number(offset: number): string {
    const text = this.#match(number);
    const end = offset + text.length;
    if (text !== "" && /[\d._]$/.test(text) && /^[eE]/.test(this.text.slice(end, end + 1))) {
      throw parseError(this.text, end, "expected digits after the exponent of a number");
    }
    return text;
  }

  #string(offset: number, quote: string): string {
    for (let end = offset + 1; end < this.text.length; ) {
      stringPart.lastIndex = end;
      const part = stringPart.exec(this.text)?.[0] ?? "";
      end += part.length;
      if (part === quote) return this.text.slice(offset, end);
    }
    throw parseError(this.text, offset, `expected closing ${quote} of the string that starts`);
  }
}
