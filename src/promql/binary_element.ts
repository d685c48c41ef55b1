/** What a binary operator makes of two samples, floats or native histograms. */
import { assert } from "../base/assert.ts";
import type { BinaryOperator } from "../metricsql/ast.ts";
import { addHistograms, divideHistogram, multiplyHistogram, subtractHistograms, withResetHint } from "../model/histogram_arithmetic.ts";
import { trimHistogram } from "../model/histogram_estimates.ts";
import { compactHistogram, equalHistograms, type FloatHistogram } from "../model/native_histogram.ts";
import type { Annotations } from "./annotations.ts";
import { power } from "./go_math.ts";

/** What is computed of two floats. */
export const arithmetic: Readonly<Partial<Record<BinaryOperator, (left: number, right: number) => number>>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
  "^": power,
  atan2: Math.atan2,
};

/** Comparisons of two floats; NaN is not equal to itself. */
export const comparisons: Readonly<Partial<Record<BinaryOperator, (left: number, right: number) => boolean>>> = {
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

export type Operand = number | FloatHistogram;

export interface BinaryResult {
  /** Of a comparison: the left operand. */
  readonly value: Operand;
  /** Whether the comparison holds; true for other operators. */
  readonly holds: boolean;
}

/** The operation, where it occurs and where it reports to. */
export interface BinaryCall {
  readonly op: BinaryOperator;
  readonly annotations: Annotations;
  readonly position: number;
}

/** undefined if the operands do not go together, which is reported. */
export function computeBinary(call: BinaryCall, left: Operand, right: Operand): BinaryResult | undefined {
  if (typeof left === "number") return typeof right === "number" ? computeFloats(call, left, right) : scaledRight(call, left, right);
  return typeof right === "number" ? computeWithFloat(call, left, right) : computeHistograms(call, left, right);
}

function computeFloats(call: BinaryCall, left: number, right: number): BinaryResult | undefined {
  const compute = arithmetic[call.op];
  if (compute !== undefined) return { value: compute(left, right), holds: true };
  const compare = comparisons[call.op];
  return compare === undefined ? refuse(call, "float", "float") : { value: left, holds: compare(left, right) };
}

function scaledRight(call: BinaryCall, left: number, right: FloatHistogram): BinaryResult | undefined {
  if (call.op !== "*") return refuse(call, "float", "histogram");
  return { value: compactHistogram(multiplyHistogram(right, left)), holds: true };
}

function computeWithFloat(call: BinaryCall, left: FloatHistogram, right: number): BinaryResult | undefined {
  switch (call.op) {
    case "*":
      return { value: compactHistogram(multiplyHistogram(left, right)), holds: true };
    case "/":
      return { value: compactHistogram(divideHistogram(left, right)), holds: true };
    case "</":
      return { value: trimHistogram(left, right, "lower"), holds: true };
    case ">/":
      return { value: trimHistogram(left, right, "upper"), holds: true };
    default:
      return refuse(call, "histogram", "float");
  }
}

function computeHistograms(call: BinaryCall, left: FloatHistogram, right: FloatHistogram): BinaryResult | undefined {
  switch (call.op) {
    case "+":
    case "-":
      return addOrSubtract(call, left, right);
    case "==":
      return { value: left, holds: equalHistograms(left, right) };
    case "!=":
      return { value: left, holds: !equalHistograms(left, right) };
    default:
      return refuse(call, "histogram", "histogram");
  }
}

function addOrSubtract({ op, annotations, position }: BinaryCall, left: FloatHistogram, right: FloatHistogram): BinaryResult | undefined {
  assert(op === "+" || op === "-");
  const result = op === "+" ? addHistograms(left, right) : subtractHistograms(left, right);
  if (result === undefined) {
    annotations.incompatibleBuckets(op, position);
    return undefined;
  }
  const operation = op === "+" ? "addition" : "subtraction";
  if (result.counterResetCollision) annotations.counterResetCollision(operation, position);
  if (result.boundsReconciled) annotations.reconciledBuckets(operation, position);
  return { value: compactHistogram(op === "+" ? result.histogram : withResetHint(result.histogram, "gauge")), holds: true };
}

function refuse({ op, annotations, position }: BinaryCall, left: string, right: string): undefined {
  annotations.incompatibleTypes(left, op, right, position);
  return undefined;
}
