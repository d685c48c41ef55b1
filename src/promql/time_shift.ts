/** Where `@` and `offset` make parts of a query look. */
import { assert } from "../base/assert.ts";
import type { DurationExpr, Expr, RollupExpr } from "../metricsql/ast.ts";
import { durationLengthMs } from "../metricsql/duration_formula.ts";
import { childrenOf } from "../metricsql/visit.ts";
import type { PromContext } from "./context.ts";

/** The time that the first point looks at, and how far it moves from point to point. */
export interface TimeShift {
  readonly startMs: number;
  readonly stepMs: number;
}

/** The length of a duration, whose formula may depend on step and range of the query. */
export function lengthMs(context: PromContext, duration: DurationExpr, canBeNegative = false): number {
  return durationLengthMs(duration, { stepMs: context.stepMs, rangeMs: context.endMs - context.startMs }, canBeNegative);
}

/** `times` as `@` and `offset` of a rollup change them. */
export function shifted(context: PromContext, { at, offset }: Pick<RollupExpr, "at" | "offset">, times: TimeShift): TimeShift {
  const offsetMs = offset === undefined ? 0 : lengthMs(context, offset, true);
  if (at === undefined) return { startMs: times.startMs - offsetMs, stepMs: times.stepMs };
  return { startMs: atMs(context, at) - offsetMs, stepMs: 0 };
}

function atMs(context: PromContext, at: Expr): number {
  if (at.kind === "number") return Math.round(at.value * 1000);
  assert(at.kind === "function");
  return at.name === "start" ? context.startMs : context.endMs;
}

/** Where the first selector in an expression looks, in the end, for points that look at `times`; the times themselves if there is none. */
export function shiftOfFirstSelector(context: PromContext, expr: Expr, times: TimeShift): TimeShift {
  return findShift(context, expr, times) ?? times;
}

function findShift(context: PromContext, expr: Expr, times: TimeShift): TimeShift | undefined {
  if (expr.kind === "selector") return times;
  const inner = expr.kind === "rollup" ? shifted(context, expr, times) : times;
  for (const child of expr.kind === "rollup" ? [expr.inner] : childrenOf(expr)) {
    const found = findShift(context, child, inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
