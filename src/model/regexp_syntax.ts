/**
 * The everyday part of RE2 syntax as a tree, so that patterns can be recognised: literals, `.`, simple classes, groups,
 * alternation, quantifiers, `^` and `$`. Everything else (flags, `\b`, `\p`, POSIX classes, `\Q`...) and everything that might
 * be an error is answered with undefined and left to the full engine: what this parser accepts is valid RE2 and means this.
 */

export type RegexpNode =
  | { readonly kind: "literal"; readonly text: string }
  /** Any code point, newline too: label patterns are compiled with the flag `s`. */
  | { readonly kind: "any" }
  /** Inclusive ranges of code points. */
  | { readonly kind: "class"; readonly ranges: readonly (readonly [number, number])[]; readonly negated: boolean }
  | { readonly kind: "concat"; readonly items: readonly RegexpNode[] }
  | { readonly kind: "alternate"; readonly items: readonly RegexpNode[] }
  | { readonly kind: "capture"; readonly item: RegexpNode }
  | { readonly kind: "repeat"; readonly item: RegexpNode; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: "begin" | "end" };

export interface RegexpTree {
  readonly root: RegexpNode;
  /** Name of each capture group, "" if it has none; group i of a match is at i - 1. */
  readonly groupNames: readonly string[];
}

const repeatMax = 1000;
const depthMax = 100;
const empty: RegexpNode = { kind: "concat", items: [] };

/** The tree of `pattern`, or undefined if it is not of the simple kind. */
export function parseSimpleRegexp(pattern: string): RegexpTree | undefined {
  if (!pattern.isWellFormed()) return undefined;
  const parser = new Parser(pattern);
  try {
    const root = parser.parseAlternate(0);
    return parser.isAtEnd() ? { root, groupNames: parser.groupNames } : undefined;
  } catch (error) {
    if (error instanceof NotSimple) return undefined;
    throw error;
  }
}

class NotSimple extends Error {}

const perlClasses: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  d: [[0x30, 0x39]],
  s: [[0x09, 0x0a], [0x0c, 0x0d], [0x20, 0x20]],
  w: [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]],
};
const controlEscapes: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

class Parser {
  readonly groupNames: string[] = [];
  readonly #pattern: string;
  #position = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  isAtEnd(): boolean {
    return this.#position >= this.#pattern.length;
  }

  parseAlternate(depth: number): RegexpNode {
    if (depth > depthMax) throw new NotSimple();
    const items = [this.#parseConcat(depth)];
    while (this.#take("|")) items.push(this.#parseConcat(depth));
    return items.length === 1 ? items[0] : { kind: "alternate", items };
  }

  #parseConcat(depth: number): RegexpNode {
    const items: RegexpNode[] = [];
    let literal = "";
    const endLiteral = (): void => {
      if (literal !== "") items.push({ kind: "literal", text: literal });
      literal = "";
    };
    while (!this.isAtEnd() && this.#peek() !== "|" && this.#peek() !== ")") {
      const item = this.#parseRepeat(this.#parseAtom(depth));
      if (item.kind === "literal") {
        literal += item.text;
        continue;
      }
      endLiteral();
      items.push(item);
    }
    endLiteral();
    return items.length === 0 ? empty : items.length === 1 ? items[0] : { kind: "concat", items };
  }

  #parseAtom(depth: number): RegexpNode {
    const char = this.#next();
    switch (char) {
      case ".": return { kind: "any" };
      case "^": return { kind: "begin" };
      case "$": return { kind: "end" };
      case "[": return this.#parseClass();
      case "(": return this.#parseGroup(depth);
      case "\\": return this.#parseEscape();
      case "*": case "+": case "?": throw new NotSimple();
      case "{":
        if (/^\d+(,\d*)?\}/.test(this.#pattern.slice(this.#position, this.#position + 32))) throw new NotSimple();
        return { kind: "literal", text: char };
      default: return { kind: "literal", text: char };
    }
  }

  #parseGroup(depth: number): RegexpNode {
    if (!this.#take("?")) return { kind: "capture", item: this.#parseGroupBody(depth, "") };
    if (this.#take(":")) return this.#parseGroupBody(depth, undefined);
    const name = /^P?<([A-Za-z_][A-Za-z0-9_]*)>/.exec(this.#pattern.slice(this.#position, this.#position + 256));
    if (name === null || this.groupNames.includes(name[1])) throw new NotSimple();
    this.#position += name[0].length;
    return { kind: "capture", item: this.#parseGroupBody(depth, name[1]) };
  }

  #parseGroupBody(depth: number, name: string | undefined): RegexpNode {
    if (name !== undefined) this.groupNames.push(name);
    const item = this.parseAlternate(depth + 1);
    if (!this.#take(")")) throw new NotSimple();
    return item;
  }

  #parseRepeat(item: RegexpNode): RegexpNode {
    const bounds = this.#parseBounds();
    if (bounds === undefined) return item;
    const lazy = this.#take("?");
    if (item.kind === "begin" || item.kind === "end" || this.#startsQuantifier()) throw new NotSimple();
    if (bounds.max !== 1 && bounds.max !== Infinity && hasBoundedRepeat(item)) throw new NotSimple(); // RE2 limits the product
    return { kind: "repeat", item, ...bounds, lazy };
  }

  #parseBounds(): { min: number; max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const match = /^\{(\d+)(,(\d*))?\}/.exec(this.#pattern.slice(this.#position, this.#position + 32));
    if (match === null) return undefined;
    this.#position += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === "" ? Infinity : Number(match[3]);
    if (min > repeatMax || min > max || (max !== Infinity && max > repeatMax)) throw new NotSimple();
    return { min, max };
  }

  #startsQuantifier(): boolean {
    return /^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(this.#pattern.slice(this.#position, this.#position + 32));
  }

  /** Behind the opening bracket. */
  #parseClass(): RegexpNode {
    const negated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    for (let first = true; first || this.#peek() !== "]"; first = false) {
      if (this.isAtEnd() || this.#peek() === "[") throw new NotSimple(); // an error, or maybe [:alpha:]
      const low = this.#parseClassItem();
      if (typeof low !== "number") {
        ranges.push(...low);
        if (this.#peek() === "-" && this.#pattern[this.#position + 1] !== "]") throw new NotSimple();
        continue;
      }
      if (this.#peek() !== "-" || this.#pattern[this.#position + 1] === "]") {
        // A bare "-" in the middle is left to the full engine.
        if (low === 0x2d && !first && this.#peek() !== "]" && this.#pattern[this.#position - 2] !== "\\") throw new NotSimple();
        ranges.push([low, low]);
        continue;
      }
      this.#next();
      const high = this.isAtEnd() || this.#peek() === "[" ? undefined : this.#parseClassItem();
      if (typeof high !== "number" || high < low) throw new NotSimple();
      ranges.push([low, high]);
    }
    this.#next();
    return { kind: "class", ranges, negated };
  }

  #parseClassItem(): number | readonly (readonly [number, number])[] {
    const char = this.#next();
    if (char !== "\\") return char.codePointAt(0)!;
    const node = this.#parseEscape();
    if (node.kind === "class" && !node.negated) return node.ranges;
    if (node.kind === "literal") return node.text.codePointAt(0)!;
    throw new NotSimple();
  }

  /** Behind the backslash. */
  #parseEscape(): RegexpNode {
    if (this.isAtEnd()) throw new NotSimple();
    const char = this.#next();
    if (Object.hasOwn(perlClasses, char)) return { kind: "class", ranges: perlClasses[char], negated: false };
    if (Object.hasOwn(perlClasses, char.toLowerCase())) return { kind: "class", ranges: perlClasses[char.toLowerCase()], negated: true };
    if (Object.hasOwn(controlEscapes, char)) return { kind: "literal", text: String.fromCharCode(controlEscapes[char]) };
    if (char > "~" || char < " " || /[A-Za-z0-9]/.test(char)) throw new NotSimple();
    return { kind: "literal", text: char };
  }

  /** The next code point, or "" at the end. */
  #peek(): string {
    return this.isAtEnd() ? "" : String.fromCodePoint(this.#pattern.codePointAt(this.#position)!);
  }

  #next(): string {
    const char = this.#peek();
    if (char === "") throw new NotSimple();
    this.#position += char.length;
    return char;
  }

  #take(char: string): boolean {
    if (this.#pattern[this.#position] !== char) return false;
    this.#position++;
    return true;
  }
}

function hasBoundedRepeat(node: RegexpNode): boolean {
  switch (node.kind) {
    case "repeat": return true;
    case "concat": case "alternate": return node.items.some(hasBoundedRepeat);
    case "capture": return hasBoundedRepeat(node.item);
    default: return false;
  }
}

/** Drops `^` where only the start and `$` where only the end of the text can be: they say nothing in an anchored pattern. */
export function dropAnchors(node: RegexpNode, atStart = true, atEnd = true): RegexpNode {
  switch (node.kind) {
    case "begin": return atStart ? empty : node;
    case "end": return atEnd ? empty : node;
    case "capture": return { kind: "capture", item: dropAnchors(node.item, atStart, atEnd) };
    case "alternate": return { kind: "alternate", items: node.items.map((item) => dropAnchors(item, atStart, atEnd)) };
    case "concat": {
      const firstText = node.items.findIndex((item) => item.kind !== "begin");
      const lastText = node.items.findLastIndex((item) => item.kind !== "end");
      const items = node.items.map((item, i) =>
        dropAnchors(item, atStart && i <= Math.max(firstText, 0), atEnd && i >= (lastText === -1 ? 0 : lastText)));
      return { kind: "concat", items };
    }
    default: return node;
  }
}

/** The pattern as a JavaScript regular expression for the flag `u`. Capture groups keep their numbers, not their names. */
export function printForJavaScript(node: RegexpNode): string {
  switch (node.kind) {
    case "literal": return node.text.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");
    case "any": return "[^]";
    case "class": {
      const ranges = node.ranges.map(([low, high]) => (low === high ? codePoint(low) : `${codePoint(low)}-${codePoint(high)}`));
      return `[${node.negated ? "^" : ""}${ranges.join("")}]`;
    }
    case "concat": return node.items.map((item) => (item.kind === "alternate" ? `(?:${printForJavaScript(item)})` : printForJavaScript(item))).join("");
    case "alternate": return node.items.map(printForJavaScript).join("|");
    case "capture": return `(${printForJavaScript(node.item)})`;
    case "begin": return "^";
    case "end": return "$";
    case "repeat": {
      const { min, max } = node;
      const bounds = max === Infinity ? (min === 0 ? "*" : min === 1 ? "+" : `{${min},}`) : min === max ? `{${min}}` : `{${min},${max}}`;
      return `(?:${printForJavaScript(node.item)})${bounds}${node.lazy ? "?" : ""}`;
    }
  }
}

function codePoint(value: number): string {
  return `\\u{${value.toString(16)}}`;
}
