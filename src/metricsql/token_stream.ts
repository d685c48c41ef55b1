/** A view of the lexer with look-ahead, for the recursive descent parsers: what they expect, accept and refuse. */
import type { InputError } from "../base/errors.ts";
import { maxDepth } from "./expansion_budget.ts";
import { Lexer } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import { parseError } from "./parse_error.ts";

/**
 * How deep parentheses, calls and templates may nest; deeper queries are refused before they exhaust the stack. A printed
 * tree has up to two parentheses per level.
 */
export const maxNesting = 2 * maxDepth + 2;

/** What cuts a text into tokens: one lexer for each dialect. */
export interface TokenSource {
  readonly text: string;
  next(): Token;
}

/** Tokens of one query, with a cursor. */
export class TokenStream {
  readonly text: string;
  readonly #lexer: TokenSource;
  readonly #ahead: Token[] = [];
  #nesting = 0;

  constructor(source: string | TokenSource) {
    this.#lexer = typeof source === "string" ? new Lexer(source) : source;
    this.text = this.#lexer.text;
  }

  /** The token `count` after the next one, without taking it. */
  peek(count = 0): Token {
    while (this.#ahead.length <= count) this.#ahead.push(this.#lexer.next());
    return this.#ahead[count];
  }

  /** Takes the next token. */
  take(): Token {
    return this.#ahead.shift() ?? this.#lexer.next();
  }

  /** Whether the token at `count` is the symbol `text`. */
  isSymbol(text: string, count = 0): boolean {
    const token = this.peek(count);
    return token.kind === "symbol" && token.text === text;
  }

  /** Whether the token at `count` is the word `word` (lower case) in any case. */
  isWord(word: string, count = 0): boolean {
    const token = this.peek(count);
    return token.kind === "identifier" && token.text.length === word.length && token.text.toLowerCase() === word;
  }

  /** Takes the next token if it is the symbol `text`. */
  acceptSymbol(text: string): boolean {
    const isNext = this.isSymbol(text);
    if (isNext) this.take();
    return isNext;
  }

  /** Takes the next token if it is the word `word`. */
  acceptWord(word: string): boolean {
    const isNext = this.isWord(word);
    if (isNext) this.take();
    return isNext;
  }

  /** Takes the symbol `text` or refuses; `alternatives` says what else would have been right. */
  expectSymbol(text: string, alternatives = ""): Token {
    if (!this.isSymbol(text)) throw this.unexpected(`"${text}"${alternatives}`);
    return this.take();
  }

  /** The error for the next token when `expected` had to stand there. */
  unexpected(expected: string): InputError {
    const token = this.peek();
    const found = token.kind === "end" ? "the end of the query" : token.kind === "string" ? token.text : `"${token.text}"`;
    return this.error(`expected ${expected}, found ${found}`, token.offset);
  }

  /** An error at `offset`. */
  error(problem: string, offset: number): InputError {
    return parseError(this.text, offset, problem);
  }

  /** Goes one level deeper. After an error the stream is of no use any more. */
  enter(): void {
    if (this.#nesting === maxNesting) throw this.error(`the query is nested deeper than ${maxNesting} levels`, this.peek().offset);
    this.#nesting++;
  }

  /** Ends what enter began. */
  leave(): void {
    this.#nesting--;
  }
}
