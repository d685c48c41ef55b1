/** Computes what is constant: operations on two numbers, and `+` and comparisons of two strings. */
import type { BinaryExpr, Expr } from "./ast.ts";
import { compareBytewise } from "../model/labels.ts";
import { evaluateNumbers, isComparison } from "./binary_operator.ts";

/** The value of an operation whose operands are both numbers or both strings; else the operation itself. */
export function foldBinary(binary: BinaryExpr): Expr {
  const { left, right, op, bool, position } = binary;
  if (left.kind === "number" && right.kind === "number") {
    return { kind: "number", value: evaluateNumbers(op, left.value, right.value, bool), text: "", position };
  }
  if (left.kind !== "string" || right.kind !== "string") return binary;
  if (op === "+") return { kind: "string", value: left.value + right.value, position };
  if (!isComparison(op)) return binary;
  // Strings compare like the numbers -1, 0, 1 with 0; a comparison of strings that holds gives 1 with and without bool.
  const holds = evaluateNumbers(op, compareBytewise(left.value, right.value), 0, true) === 1;
  return { kind: "number", value: holds ? 1 : bool ? 0 : NaN, text: "", position };
}
