/**
 * rate, increase and delta of ranges that are `anchored` or `smoothed`: the difference between the values at the bounds of the window. At a
 * bound stands the last sample before it (anchored), or what lies on the line between the samples around it (smoothed).
 */
import { divideHistogram, isCounterReset, withResetHint } from "../model/histogram_arithmetic.ts";
import { compactHistogram, type FloatHistogram, hasCustomBuckets } from "../model/native_histogram.ts";
import { addReported, histogramBetween, subtractReported } from "./histogram_report.ts";
import type { Window } from "./window.ts";

/** REQUIRES: floats or histograms in the window, not both. */
export function extendedRate(window: Window, isCounter: boolean, isRate: boolean): number {
  return window.histogramCount > 0 ? extendedHistogramRate(window, isCounter, isRate) : extendedFloatRate(window, isCounter, isRate);
}

/** The samples that the bounds are computed from: those at or before the start and, if smoothed, at or after the end. */
interface Ends {
  first: number;
  last: number;
}

/** undefined if nothing is within reach. */
function endsOf(window: Window, timestampsMs: Float64Array, from: number, to: number): Ends | undefined {
  const isSmoothed = window.plan.modifier === "smoothed";
  let last = to - 1;
  const first = Math.max(from, firstIndex(timestampsMs, from, last, (timeMs) => timeMs > window.startMs) - 1);
  if (isSmoothed) last = firstIndex(timestampsMs, from, last, (timeMs) => timeMs >= window.endMs);
  if (timestampsMs[last] <= window.startMs) return undefined;
  if (isSmoothed && timestampsMs[first] > window.endMs) return undefined;
  return { first, last };
}

/** The first index of [from, to) whose time fulfils the test; `to` if none does. */
function firstIndex(timestampsMs: Float64Array, from: number, to: number, test: (timeMs: number) => boolean): number {
  let index = from;
  while (index < to && !test(timestampsMs[index])) index++;
  return index;
}

function extendedFloatRate(window: Window, isCounter: boolean, isRate: boolean): number {
  const { timestampsMs, values, from, to, startMs, endMs } = window;
  const ends = endsOf(window, timestampsMs, from, to);
  if (ends === undefined) return window.nothing();
  const isSmoothed = window.plan.modifier === "smoothed";
  let { first, last } = ends;
  const line = (index: number, timeMs: number): number =>
    interpolate(timestampsMs[index], values[index], timestampsMs[index + 1], values[index + 1], timeMs, isCounter);
  const left = isSmoothed && timestampsMs[first] < startMs ? line(first, startMs) : values[first];
  const right = isSmoothed && last > from && timestampsMs[last] > endMs ? line(last - 1, endMs) : values[last];
  let difference = right - left;
  if (isCounter) {
    if (timestampsMs[first] <= startMs) first++;
    if (timestampsMs[last] >= endMs) last--;
    difference += resetsBetween(left, right, values, first, last);
  }
  return isRate ? difference / (window.plan.rangeMs / 1000) : difference;
}

/** The value at `timeMs` on the line between two samples. A counter that was reset begins at zero. */
export function interpolate(leftMs: number, left: number, rightMs: number, right: number, timeMs: number, isCounter: boolean): number {
  const start = isCounter && right < left ? 0 : left;
  return start + ((right - start) * (timeMs - leftMs)) / (rightMs - leftMs);
}

/** What was counted before the resets among left, values[first..last], right. */
function resetsBetween(left: number, right: number, values: Float64Array, first: number, last: number): number {
  let sum = 0;
  let previous = left;
  for (let i = first; i <= last; i++) {
    if (values[i] < previous) sum += previous;
    previous = values[i];
  }
  return right < previous ? sum + previous : sum;
}

// ---- histograms ----

function extendedHistogramRate(window: Window, isCounter: boolean, isRate: boolean): number {
  const ends = endsOf(window, window.histogramTimesMs, window.histogramFrom, window.histogramTo);
  if (ends === undefined) return window.nothing();
  const difference = extendedDifference(window, ends, isCounter);
  if (difference === undefined) return window.nothing();
  const result = isRate ? divideHistogram(difference, window.plan.rangeMs / 1000) : difference;
  return window.give(compactHistogram(withResetHint(result, "gauge")));
}

/** undefined (and annotated) if the histograms do not fit. */
function extendedDifference(window: Window, { first, last }: Ends, isCounter: boolean): FloatHistogram | undefined {
  const { histograms, histogramTimesMs, startMs, endMs } = window;
  const { annotations, position, modifier } = window.plan;
  if (!checkRange(window, histograms.slice(first, last + 1), isCounter)) return undefined;
  const isSmoothed = modifier === "smoothed";
  const left = isSmoothed && histogramTimesMs[first] < startMs ? between(window, first, startMs, isCounter) : histograms[first];
  const isBeyond = isSmoothed && last > window.histogramFrom && histogramTimesMs[last] > endMs;
  const right = isBeyond ? between(window, last - 1, endMs, isCounter) : histograms[last];
  if (left === undefined || right === undefined) return undefined;
  if (!isCounter && (left.resetHint !== "gauge" || right.resetHint !== "gauge")) annotations.notGauge(window.metricName, position);
  const difference = subtractReported(window.report, right, left);
  if (difference === undefined || !isCounter) return difference;
  return withResets(window, { first, last }, left, right, difference);
}

/** Whether all histograms are of one kind of schema. */
function checkRange(window: Window, histograms: readonly FloatHistogram[], isCounter: boolean): boolean {
  const { annotations, position } = window.plan;
  for (const histogram of histograms) {
    if (hasCustomBuckets(histogram) !== hasCustomBuckets(histograms[0])) {
      annotations.mixedSchemas(window.metricName, position);
      return false;
    }
    if (isCounter && histogram.resetHint === "gauge") annotations.notCounter(window.metricName, position);
  }
  return true;
}

/** The histogram at `timeMs` on the line between sample `index` and the next. */
function between(window: Window, index: number, timeMs: number, isCounter: boolean): FloatHistogram | undefined {
  const [earlier, later] = [index, index + 1].map((i) => ({ timeMs: window.histogramTimesMs[i], histogram: window.histograms[i] }));
  return histogramBetween(window.report, earlier, later, timeMs, isCounter);
}

/** Adds what was counted before the resets between both ends. */
function withResets(window: Window, { first, last }: Ends, left: FloatHistogram, right: FloatHistogram, difference: FloatHistogram): FloatHistogram | undefined {
  const { histograms, histogramTimesMs } = window;
  let next = first + 1;
  let previous = left;
  const isWithinLine = window.plan.modifier === "smoothed" && histogramTimesMs[first] < window.startMs;
  // A reset on the line that gave the left end has been made up for.
  if (isWithinLine && isCounterReset(histograms[first + 1], histograms[first])) previous = histograms[next++];
  if (next > last) return difference;
  let result: FloatHistogram | undefined = difference;
  for (const current of [...histograms.slice(next, last), right]) {
    if (isCounterReset(current, previous)) result = addReported(window.report, result, previous);
    if (result === undefined) return undefined;
    previous = current;
  }
  return result;
}
