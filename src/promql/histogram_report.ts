/** Arithmetic of histograms that tells the user what did not fit. */
import { addHistograms, isCounterReset, multiplyHistogram, subtractHistograms } from "../model/histogram_arithmetic.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { Annotations } from "./annotations.ts";

/** Whose histograms they are, and where in the query. */
export interface HistogramReport {
  readonly annotations: Annotations;
  readonly metricName: string;
  readonly position: number;
}

/** The sum of both; undefined if one has exponential and the other custom buckets. */
export function addReported(report: HistogramReport, left: FloatHistogram, right: FloatHistogram): FloatHistogram | undefined {
  const result = addHistograms(left, right);
  if (result === undefined) report.annotations.mixedSchemas(report.metricName, report.position);
  else if (result.boundsReconciled) report.annotations.reconciledBuckets("addition", report.position);
  return result?.histogram;
}

/** `left` without `right`; as addReported. */
export function subtractReported(report: HistogramReport, left: FloatHistogram, right: FloatHistogram): FloatHistogram | undefined {
  const result = subtractHistograms(left, right);
  if (result === undefined) report.annotations.mixedSchemas(report.metricName, report.position);
  else if (result.boundsReconciled) report.annotations.reconciledBuckets("subtraction", report.position);
  return result?.histogram;
}

/** A sample that is a histogram. */
export interface HistogramSample {
  readonly timeMs: number;
  readonly histogram: FloatHistogram;
}

/** The histogram at `timeMs` on the line between two samples. A counter that was reset begins at zero. */
export function histogramBetween(report: HistogramReport, earlier: HistogramSample, later: HistogramSample, timeMs: number, isCounter: boolean): FloatHistogram | undefined {
  if (timeMs === earlier.timeMs) return earlier.histogram;
  if (timeMs === later.timeMs) return later.histogram;
  const share = (timeMs - earlier.timeMs) / (later.timeMs - earlier.timeMs);
  if (isCounter && isCounterReset(later.histogram, earlier.histogram)) return multiplyHistogram(later.histogram, share);
  const difference = subtractReported(report, later.histogram, earlier.histogram);
  return difference === undefined ? undefined : addReported(report, multiplyHistogram(difference, share), earlier.histogram);
}
