/**
 * Parses chains of operands and binary operators with a stack instead of recursion, so that a chain may be long. The
 * operands come from a callback. A leading minus is `0 - operand` and binds like a binary minus: `-a ^ 2` is 0 - (a ^ 2).
 */
import type { BinaryOperator } from "./ast.ts";
import { binaryOperators, findBinaryOperator, isComparison, minusPrecedence } from "./binary_operator.ts";
import { parseNumber } from "./number.ts";
import { parseLabelList, parseStrings } from "./selector_parser.ts";
import type { BinarySyntax, JoinSyntax, Syntax } from "./syntax.ts";
import type { TokenStream } from "./token_stream.ts";

/** What stands between the operands, modifiers included. */
type Operation = { -readonly [Key in Exclude<keyof BinarySyntax, "left" | "right" | "start">]: BinarySyntax[Key] };

interface Frame {
  readonly left: Syntax;
  readonly operation: Operation;
  /** Of a minus sign at least that of the operator before it, since it cannot reach over that one. */
  readonly precedence: number;
}

/** Parses `a + b * c ...`. */
export function parseOperatorChain(tokens: TokenStream, parseOperand: (tokens: TokenStream) => Syntax): Syntax {
  const frames: Frame[] = [];
  let last: Operation | undefined;
  for (;;) {
    parseSigns(tokens, frames);
    const operand = parseOperand(tokens);
    if (last !== undefined && tokens.acceptWord("keep_metric_names")) last.keepMetricNames = true;
    const token = tokens.peek();
    const op = token.kind === "symbol" || token.kind === "identifier" ? findBinaryOperator(token.text) : undefined;
    if (op === undefined) return reduce(frames, operand, -Infinity);
    const { precedence, isRightAssociative } = binaryOperators[op];
    const left = reduce(frames, operand, isRightAssociative ? precedence + 0.5 : precedence);
    last = parseOperation(tokens, op);
    frames.push({ left, operation: last, precedence });
  }
}

function parseSigns(tokens: TokenStream, frames: Frame[]): void {
  for (;;) {
    const position = tokens.peek().offset;
    if (tokens.acceptSymbol("-")) {
      const precedence = Math.max(minusPrecedence, frames.at(-1)?.precedence ?? -Infinity);
      frames.push({ left: { kind: "number", value: 0, text: "", position }, operation: plainOperation("-", position), precedence });
    } else if (!tokens.acceptSymbol("+")) {
      return;
    }
  }
}

/** Closes the operations on top of the stack that bind at least as tightly as `precedence`. */
function reduce(frames: Frame[], operand: Syntax, precedence: number): Syntax {
  let result = operand;
  for (let frame = frames.at(-1); frame !== undefined && frame.precedence >= precedence; frame = frames.at(-1)) {
    frames.pop();
    result = { ...frame.operation, left: frame.left, right: result };
  }
  return result;
}

/** An operation without modifiers. */
export function plainOperation(op: BinaryOperator, position: number): Operation {
  return {
    kind: "binary", op, position, bool: false, matching: undefined, join: undefined, fillLeft: undefined, fillRight: undefined,
    keepMetricNames: false,
  };
}

function parseOperation(tokens: TokenStream, op: BinaryOperator): Operation {
  const operation = plainOperation(op, tokens.take().offset);
  if (tokens.isWord("bool")) {
    if (!isComparison(op)) throw tokens.error(`"bool" needs a comparison, ${op} is none`, tokens.peek().offset);
    tokens.take();
    operation.bool = true;
  }
  const matching = acceptWordOf(tokens, ["on", "ignoring"]);
  if (matching !== undefined) {
    operation.matching = { op: matching, labels: parseLabelList(tokens) };
    operation.join = parseJoin(tokens, op);
  }
  parseFills(tokens, operation);
  return operation;
}

function acceptWordOf<Word extends string>(tokens: TokenStream, words: readonly Word[]): Word | undefined {
  return words.find((word) => tokens.acceptWord(word));
}

function parseJoin(tokens: TokenStream, op: BinaryOperator): JoinSyntax | undefined {
  const token = tokens.peek();
  const join = acceptWordOf(tokens, ["group_left", "group_right"]);
  if (join === undefined) return undefined;
  if (binaryOperators[op].family === "set") throw tokens.error(`"${join}" cannot be used with "${op}"`, token.offset);
  const labels = tokens.isSymbol("(") ? parseLabelList(tokens, true) : [];
  if (!tokens.acceptWord("prefix")) return { op: join, labels, prefix: "" };
  const kind = tokens.peek().kind;
  if (kind !== "string" && kind !== "identifier") throw tokens.unexpected("a string");
  return { op: join, labels, prefix: parseStrings(tokens) };
}

/** Parses `fill(0)`, `fill_left(0) fill_right(1)`. Without `(` such a word is a metric. */
function parseFills(tokens: TokenStream, operation: Operation): void {
  while (tokens.isSymbol("(", 1)) {
    const token = tokens.peek();
    const fill = acceptWordOf(tokens, ["fill", "fill_left", "fill_right"]);
    if (fill === undefined) return;
    if (binaryOperators[operation.op].family === "set") throw tokens.error(`"${fill}" cannot be used with "${operation.op}"`, token.offset);
    const value = parseFillValue(tokens);
    for (const side of ["fillLeft", "fillRight"] as const) {
      if (fill === (side === "fillLeft" ? "fill_right" : "fill_left")) continue;
      if (operation[side] !== undefined) throw tokens.error(`"${fill}" sets a value that is set already`, token.offset);
      operation[side] = value;
    }
  }
}

function parseFillValue(tokens: TokenStream): number {
  tokens.expectSymbol("(");
  const isNegative = tokens.acceptSymbol("-");
  if (!isNegative) tokens.acceptSymbol("+");
  const { kind, text } = tokens.peek();
  const value = kind === "number" || kind === "identifier" ? parseNumber(text) : undefined;
  if (value === undefined) throw tokens.unexpected("a number");
  tokens.take();
  tokens.expectSymbol(")");
  return isNegative ? -value : value;
}
