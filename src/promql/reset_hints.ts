/**
 * What a histogram says of the one before it: whether the counter has been reset in between. Prometheus finds that out when it stores
 * histograms and gives "not_reset" for those that go on, but "unknown" at a reset, because what is read need not begin with the one before.
 * Where only counts and sums are asked for (histogram_count and its kin) it compares what it reads, and gives "reset" too.
 */
import type { Expr } from "../metricsql/ast.ts";
import { childrenOf } from "../metricsql/visit.ts";
import { isCounterReset, withResetHint } from "../model/histogram_arithmetic.ts";
import { type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";

/**
 * The histograms of one series, as they were stored one after the other, with the hints that Prometheus would give. `before` is the one
 * before the first, if there is one.
 */
export function withDetectedResets(histograms: readonly FloatHistogram[], before: FloatHistogram | undefined, tellsResets: boolean): FloatHistogram[] {
  return histograms.map((histogram, i) => {
    if (histogram === staleHistogram || histogram.resetHint === "gauge") return histogram;
    const unknown = withResetHint(histogram, "unknown");
    const previous = i === 0 ? (before ?? staleHistogram) : histograms[i - 1];
    if (previous === staleHistogram || previous.resetHint === "gauge") return unknown;
    const isReset = histogram.resetHint === "reset" || isCounterReset(unknown, previous);
    if (isReset) return tellsResets ? withResetHint(histogram, "reset") : unknown;
    const isContinued = previous.schema === histogram.schema && previous.zeroThreshold === histogram.zeroThreshold;
    return isContinued || tellsResets ? withResetHint(histogram, "not_reset") : unknown;
  });
}

const ofNumbers: ReadonlySet<string> = new Set(["histogram_count", "histogram_sum", "histogram_avg"]);
const ofBuckets: ReadonlySet<string> = new Set(["histogram_quantile", "histogram_quantiles", "histogram_fraction"]);

/** The selectors in a query of whose histograms only counts and sums are asked for. */
export function selectorsOfNumbers(expr: Expr): ReadonlySet<Expr> {
  const found = new Set<Expr>();
  collect(expr, false, found);
  return found;
}

function collect(expr: Expr, isOfNumbers: boolean, found: Set<Expr>): void {
  if (expr.kind === "selector") {
    if (isOfNumbers) found.add(expr);
    return;
  }
  let inner = isOfNumbers;
  if (expr.kind === "rollup" && (expr.step !== undefined || expr.inheritsStep)) inner = false;
  if (expr.kind === "function" && ofBuckets.has(expr.name)) inner = false;
  if (expr.kind === "function" && ofNumbers.has(expr.name)) inner = true;
  for (const child of childrenOf(expr)) collect(child, inner, found);
}
