/** What the evaluator asks of a checked tree: where an expression stands, whether its value depends on the step, what it selects. */
import type { Expr, LabelFilter, RollupExpr, SelectorExpr } from "../metricsql/ast.ts";
import { childrenOf, startOf } from "../metricsql/visit.ts";

/**
 * The place that annotations about an expression name: where its text begins, without parentheses around the whole of it, which Prometheus
 * takes away from arguments.
 */
export function placeOf(expr: Expr): number {
  if (expr.kind === "binary") return startOf(expr.left);
  return expr.kind === "rollup" ? startOf(expr.inner) : expr.position;
}

/** Functions whose value depends on the time of evaluation, whatever their arguments are. */
const timeDependent: ReadonlySet<string> = new Set([
  "days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year", "predict_linear", "time", "timestamp",
]);

/** Whether an expression has the same value at all points of the grid: all that it reads is pinned by `@`. */
export function isStepInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case "selector":
      return false;
    case "rollup":
      return expr.at !== undefined;
    case "function":
      return !timeDependent.has(expr.name) && expr.args.every(isStepInvariant);
    default:
      return childrenOf(expr).every(isStepInvariant);
  }
}

/** The filters of a selector, or of the selector within a range; undefined for other expressions. */
export function filtersOf(expr: Expr): readonly LabelFilter[] | undefined {
  const selector = selectorOf(expr);
  return selector === undefined ? undefined : (selector.groups[0] ?? []);
}

/** The selector that an expression is, apart from window, offset and @; undefined if it is something else. */
export function selectorOf(expr: Expr): SelectorExpr | undefined {
  if (expr.kind === "selector") return expr;
  return expr.kind === "rollup" && expr.inner.kind === "selector" && !isSubquery(expr) ? expr.inner : undefined;
}

/** Whether a rollup has a colon in its brackets. */
export function isSubquery(rollup: RollupExpr): boolean {
  return rollup.step !== undefined || rollup.inheritsStep;
}
