/** Lengths of the durations of PromQL, whose formulas depend on the step and the range of the query. */
import { InputError } from "../base/errors.ts";
import type { DurationExpr, DurationOperation } from "./ast.ts";
import { promqlSeconds } from "./promql_duration.ts";

/** What `step()` and `range()` are; of an instant query the range is 0. */
export interface DurationGrid {
  readonly stepMs: number;
  readonly rangeMs: number;
}

const limitSeconds = 2 ** 63 / 1e9;

/**
 * The length of a window, subquery step or offset in whole milliseconds. Throws an InputError for a division by zero, a length
 * out of range and, unless it `canBeNegative` as an offset can, one that is not positive.
 */
export function durationLengthMs(duration: DurationExpr, grid: DurationGrid, canBeNegative: boolean): number {
  if (duration.formula === undefined) return duration.fixedMs + duration.steps * grid.stepMs;
  const seconds = secondsOf(duration, grid);
  if (!canBeNegative && seconds <= 0) throw badDuration("the duration in square brackets must be greater than 0", duration.position);
  if (!(Math.abs(seconds) < limitSeconds)) throw badDuration("the duration is out of range", duration.position);
  return Math.trunc(seconds * 1000) + 0;
}

function secondsOf(duration: DurationExpr, grid: DurationGrid): number {
  const { formula, text } = duration;
  if (formula !== undefined) return compute(formula, grid);
  return text.startsWith("-") ? -(promqlSeconds(text.slice(1)) ?? 0) : promqlSeconds(text) ?? 0;
}

function compute({ op, left, right, position }: DurationOperation, grid: DurationGrid): number {
  if (op === "step") return grid.stepMs / 1000;
  if (op === "range") return grid.rangeMs / 1000;
  const a = left === undefined ? 0 : secondsOf(left, grid);
  const b = right === undefined ? 0 : secondsOf(right, grid);
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return left === undefined ? -b : a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0) throw badDuration("division by zero", position);
      return a / b;
    case "%":
      if (b === 0) throw badDuration("modulo by zero", position);
      return a % b;
    case "^":
      return a === 1 ? 1 : a ** b;
    case "min_of":
      return Math.min(a, b);
    case "max_of":
      return Math.max(a, b);
  }
}

function badDuration(problem: string, offset: number): InputError {
  return new InputError("bad_arguments", problem, { offset });
}
