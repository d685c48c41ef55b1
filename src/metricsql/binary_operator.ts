/** The binary operators: one row each; and what they compute of two numbers, which folding and the evaluator share. */
import type { BinaryOperator } from "./ast.ts";

/** How an operator binds and which modifiers it takes. */
export interface OperatorFacts {
  /** Higher binds tighter. */
  readonly precedence: number;
  readonly family: "arithmetic" | "comparison" | "trim" | "set" | "condition";
  readonly isRightAssociative: boolean;
  readonly evaluate: (left: number, right: number) => number;
}

/** Numbers cannot be cut off; the value is never asked for. */
const trim: OperatorFacts = { precedence: 3, family: "trim", isRightAssociative: false, evaluate: () => NaN };

/** All operators by their lower case name. */
export const binaryOperators: Readonly<Record<BinaryOperator, OperatorFacts>> = {
  default: condition(-1, (left, right) => (Number.isNaN(left) ? right : left)),
  if: condition(0, (left, right) => (Number.isNaN(right) ? NaN : left)),
  ifnot: condition(0, (left, right) => (Number.isNaN(right) ? left : NaN)),
  or: set(1, (left, right) => (Number.isNaN(left) ? right : left)),
  and: set(2, (left, right) => (Number.isNaN(right) ? NaN : left)),
  unless: set(2, (left, right) => (Number.isNaN(right) ? left : NaN)),
  "==": comparison((left, right) => left === right || (Number.isNaN(left) && Number.isNaN(right))),
  "!=": comparison((left, right) => !(left === right || (Number.isNaN(left) && Number.isNaN(right)))),
  "<": comparison((left, right) => left < right),
  ">": comparison((left, right) => left > right),
  "<=": comparison((left, right) => left <= right),
  ">=": comparison((left, right) => left >= right),
  "</": trim,
  ">/": trim,
  "+": arithmetic(4, (left, right) => left + right),
  "-": arithmetic(4, (left, right) => left - right),
  "*": arithmetic(5, (left, right) => left * right),
  "/": arithmetic(5, (left, right) => left / right),
  "%": arithmetic(5, (left, right) => left % right),
  atan2: arithmetic(5, Math.atan2),
  "^": { ...arithmetic(6, power), isRightAssociative: true },
};

/** The precedence of a leading minus: `-a * b` is 0 - (a * b). */
export const minusPrecedence = binaryOperators["-"].precedence;

/** The operator written as `text` in any case, if it is one. */
export function findBinaryOperator(text: string): BinaryOperator | undefined {
  const lower = text.length > 7 ? text : text.toLowerCase();
  return Object.hasOwn(binaryOperators, lower) ? (lower as BinaryOperator) : undefined;
}

/** Whether `op` compares; only such operators take `bool`. */
export function isComparison(op: BinaryOperator): boolean {
  return binaryOperators[op].family === "comparison";
}

/** `left op right` for two numbers: NaN stands for no value; a comparison without `bool` keeps the left value. */
export function evaluateNumbers(op: BinaryOperator, left: number, right: number, isBool: boolean): number {
  const value = binaryOperators[op].evaluate(left, right);
  if (!isComparison(op) || isBool) return value;
  return value === 1 ? left : NaN;
}

/** As Go's math.Pow, except that NaN to any power is NaN. */
function power(left: number, right: number): number {
  if (left === 1) return 1;
  if (left === -1 && (right === Infinity || right === -Infinity)) return 1;
  return Number.isNaN(left) ? NaN : left ** right;
}

function arithmetic(precedence: number, evaluate: OperatorFacts["evaluate"]): OperatorFacts {
  return { precedence, family: "arithmetic", isRightAssociative: false, evaluate };
}

function comparison(holds: (left: number, right: number) => boolean): OperatorFacts {
  return { precedence: 3, family: "comparison", isRightAssociative: false, evaluate: (left, right) => (holds(left, right) ? 1 : 0) };
}

function set(precedence: number, evaluate: OperatorFacts["evaluate"]): OperatorFacts {
  return { precedence, family: "set", isRightAssociative: false, evaluate };
}

function condition(precedence: number, evaluate: OperatorFacts["evaluate"]): OperatorFacts {
  return { precedence, family: "condition", isRightAssociative: false, evaluate };
}
