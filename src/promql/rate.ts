/**
 * rate, increase and delta: the difference between the ends of a window, with counter resets made up for and extrapolated to the bounds of the
 * window, as Prometheus does; irate and idelta of the last two samples. Ranges that are `anchored` or `smoothed` are in extended_rate.ts.
 */
import { divideHistogram, isCounterReset, multiplyHistogram, withResetHint } from "../model/histogram_arithmetic.ts";
import { compactHistogram, emptyHistogram, type FloatHistogram, hasCustomBuckets, reduceResolution } from "../model/native_histogram.ts";
import { extendedRate } from "./extended_rate.ts";
import { addReported, subtractReported } from "./histogram_report.ts";
import { hasOverlap, isResetBetween, isStartReset, type StartedSamples, startWithin } from "./start_times.ts";
import type { Window, WindowFunction } from "./window.ts";

export const rate: WindowFunction = (window) => extrapolatedRate(window, true, true);
export const increase: WindowFunction = (window) => extrapolatedRate(window, true, false);
export const delta: WindowFunction = (window) => extrapolatedRate(window, false, false);
export const irate: WindowFunction = (window) => lastDifference(window, true);
export const idelta: WindowFunction = (window) => lastDifference(window, false);

function extrapolatedRate(window: Window, isCounter: boolean, isRate: boolean): number {
  const { annotations, position } = window.plan;
  if (window.floatCount > 0 && window.histogramCount > 0) {
    annotations.mixedFloatsAndHistograms(window.metricName, position);
    return window.nothing();
  }
  if (window.plan.modifier !== undefined) return extendedRate(window, isCounter, isRate);
  if (window.histogramCount > 0) return rateOfHistograms(window, isCounter, isRate);
  if (isCounter && window.startedFloats !== undefined) return rateOfStarted(window, window.startedFloats, isRate);
  if (window.floatCount < 2) return window.nothing();
  const { values, timestampsMs, from, to } = window;
  let difference = values[to - 1] - values[from];
  if (isCounter && window.hasReset()) for (let i = from + 1; i < to; i++) if (values[i] < values[i - 1]) difference += values[i - 1];
  const first = isCounter && difference > 0 && values[from] >= 0 ? values[from] / difference : NaN;
  return difference * extrapolation(window, timestampsMs[from], timestampsMs[to - 1], to - from, first, isRate);
}

/** Of a counter with start timestamps. */
function rateOfStarted(window: Window, started: StartedSamples, isRate: boolean): number {
  const { values, timestampsMs, from, to } = window;
  if (hasOverlap(started, from, to)) window.plan.annotations.overlappingStart(window.metricName, window.plan.position);
  let difference = values[to - 1] - values[from];
  for (let i = from + 1; i < to; i++) if (values[i] < values[i - 1] || isStartReset(started, i)) difference += values[i - 1];
  const startMs = startWithin(started, from, window.startMs);
  if (!Number.isNaN(startMs)) return (difference + values[from]) * extrapolationFrom(window, startMs, timestampsMs, from, to, isRate);
  if (window.floatCount < 2) return window.nothing();
  const first = difference > 0 && values[from] >= 0 ? values[from] / difference : NaN;
  return difference * extrapolation(window, timestampsMs[from], timestampsMs[to - 1], to - from, first, isRate);
}

/**
 * What a difference between samples is to be multiplied by. Samples near a bound of the window are taken to go on to it, others for half
 * an interval; a counter does not go on below zero. `firstShare` is the first value as a share of the difference, NaN if that does not count.
 */
function extrapolation(window: Window, firstMs: number, lastMs: number, count: number, firstShare: number, isRate: boolean): number {
  const sampledS = (lastMs - firstMs) / 1000;
  const intervalS = sampledS / (count - 1);
  const farS = intervalS * 1.1;
  let toStartS = (firstMs - window.startMs) / 1000;
  let toEndS = (window.endMs - lastMs) / 1000;
  if (toStartS >= farS) toStartS = intervalS / 2;
  if (!Number.isNaN(firstShare)) toStartS = Math.min(toStartS, sampledS * firstShare);
  if (toEndS >= farS) toEndS = intervalS / 2;
  const factor = sampledS === 0 ? 1 : (sampledS + toStartS + toEndS) / sampledS;
  return isRate ? factor / (window.plan.rangeMs / 1000) : factor;
}

/** As extrapolation() where the value was 0 at `startMs`, before samples [from, to): nothing is guessed before that. */
function extrapolationFrom(window: Window, startMs: number, timestampsMs: Float64Array, from: number, to: number, isRate: boolean): number {
  const sampledS = (timestampsMs[to - 1] - startMs) / 1000;
  const intervalS = to - from < 2 ? 0 : (timestampsMs[to - 1] - timestampsMs[from]) / 1000 / (to - from - 1);
  let toEndS = (window.endMs - timestampsMs[to - 1]) / 1000;
  if (toEndS >= intervalS * 1.1) toEndS = intervalS / 2;
  const factor = (sampledS + toEndS) / sampledS;
  return isRate ? factor / (window.plan.rangeMs / 1000) : factor;
}

function rateOfHistograms(window: Window, isCounter: boolean, isRate: boolean): number {
  const { histograms, histogramTimesMs, histogramFrom, histogramTo } = window;
  const startMs = isCounter && window.startedHistograms !== undefined ? startWithin(window.startedHistograms, histogramFrom, window.startMs) : NaN;
  if (!Number.isNaN(startMs)) return rateOfStartedHistograms(window, startMs, isRate);
  if (window.histogramCount < 2) return window.nothing();
  const difference = histogramDifference(window, isCounter);
  if (difference === undefined) return window.nothing();
  const firstCount = histograms[histogramFrom].count;
  const first = isCounter && difference.count > 0 && firstCount >= 0 ? firstCount / difference.count : NaN;
  const factor = extrapolation(window, histogramTimesMs[histogramFrom], histogramTimesMs[histogramTo - 1], window.histogramCount, first, isRate);
  return window.give(multiplyHistogram(difference, factor));
}

/** Of histograms that were empty at `startMs`, within the window. */
function rateOfStartedHistograms(window: Window, startMs: number, isRate: boolean): number {
  const { histograms, histogramTimesMs, histogramFrom, histogramTo } = window;
  const first = histograms[histogramFrom];
  const difference = window.histogramCount < 2 ? undefined : histogramDifference(window, true);
  if (window.histogramCount >= 2 && difference === undefined) return window.nothing();
  const whole = difference === undefined ? first : addReported(window.report, difference, first);
  if (whole === undefined) return window.nothing();
  return window.give(multiplyHistogram(whole, extrapolationFrom(window, startMs, histogramTimesMs, histogramFrom, histogramTo, isRate)));
}

/** The last histogram of the window without the first, resets made up for; undefined (and annotated) if they do not fit. */
function histogramDifference(window: Window, isCounter: boolean): FloatHistogram | undefined {
  const { annotations, position } = window.plan;
  const points = window.histograms.slice(window.histogramFrom, window.histogramTo);
  const last = points[points.length - 1];
  const isReset = resetsIn(window, points);
  let previous = points[0];
  if (isCounter && (previous.resetHint === "gauge" || last.resetHint === "gauge")) annotations.notCounter(window.metricName, position);
  // What came before a reset has to fit in with nothing.
  if (isCounter && isReset(1, previous)) {
    previous = { ...emptyHistogram, schema: points[1].schema, customBounds: points[1].customBounds };
  }
  const schema = commonSchema(window, points, previous, isCounter);
  if (schema === undefined) {
    annotations.mixedSchemas(window.metricName, position);
    return undefined;
  }
  const start = subtractReported(window.report, reducedTo(last, schema), previous);
  if (start === undefined) return undefined;
  if (!isCounter && (points[0].resetHint !== "gauge" || last.resetHint !== "gauge")) annotations.notGauge(window.metricName, position);
  const difference = isCounter ? withResets(window, points, isReset, previous, start) : start;
  return difference === undefined ? undefined : compactHistogram(withResetHint(difference, "gauge"));
}

/** Whether the counter of the window's histograms was reset before the one at `index`, where `previous` stands before it. */
type ResetTest = (index: number, previous: FloatHistogram) => boolean;

function resetsIn(window: Window, points: readonly FloatHistogram[]): ResetTest {
  const started = window.startedHistograms;
  if (started === undefined) return (index, previous) => isCounterReset(points[index], previous);
  return (index, previous) => isStartReset(started, window.histogramFrom + index) || isCounterReset(points[index], previous);
}

/** The lowest resolution in the window; undefined if exponential and custom buckets are mixed. */
function commonSchema(window: Window, points: readonly FloatHistogram[], first: FloatHistogram, isCounter: boolean): number | undefined {
  const last = points[points.length - 1];
  if (hasCustomBuckets(last) !== hasCustomBuckets(first)) return undefined;
  let schema = Math.min(last.schema, first.schema);
  if (!isCounter) return schema;
  for (const point of points.slice(1, -1)) {
    if (point.resetHint === "gauge") window.plan.annotations.notCounter(window.metricName, window.plan.position);
    if (hasCustomBuckets(point) !== hasCustomBuckets(first)) return undefined;
    schema = Math.min(schema, point.schema);
  }
  return schema;
}

function reducedTo(histogram: FloatHistogram, schema: number): FloatHistogram {
  return hasCustomBuckets(histogram) ? histogram : reduceResolution(histogram, schema);
}

/** Adds what was counted before each reset. */
function withResets(window: Window, points: readonly FloatHistogram[], isReset: ResetTest, first: FloatHistogram, start: FloatHistogram): FloatHistogram | undefined {
  const { annotations, position } = window.plan;
  if (window.startedHistograms !== undefined && hasOverlap(window.startedHistograms, window.histogramFrom, window.histogramTo)) annotations.overlappingStart(window.metricName, position);
  let previous = first;
  let difference = start;
  for (let i = 1; i < points.length; i++) {
    if (isReset(i, previous)) {
      const added = addReported(window.report, difference, previous);
      if (added === undefined) return undefined;
      difference = added;
    }
    previous = points[i];
  }
  return difference;
}

/** A sample that may be a float or a histogram. */
interface Point {
  readonly timeMs: number;
  /** 0: unknown. */
  readonly startMs: number;
  readonly value: number;
  readonly histogram: FloatHistogram | undefined;
}

function lastDifference(window: Window, isCounter: boolean): number {
  const [earlier, later] = lastTwo(window);
  if (earlier === undefined || later === undefined || later.timeMs === earlier.timeMs) return window.nothing();
  const isStarted = isCounter && isResetBetween(earlier.startMs, earlier.timeMs, later.startMs, later.timeMs);
  const seconds = isCounter ? (later.timeMs - earlier.timeMs) / 1000 : 1;
  if (earlier.histogram === undefined && later.histogram === undefined) {
    const isReset = isStarted || (isCounter && later.value < earlier.value);
    return (isReset ? later.value : later.value - earlier.value) / seconds;
  }
  if (earlier.histogram === undefined || later.histogram === undefined) {
    window.plan.annotations.mixedFloatsAndHistograms(window.metricName, window.plan.position);
    return window.nothing();
  }
  const difference = lastHistogramDifference(window, earlier.histogram, later.histogram, isCounter, isStarted);
  if (difference === undefined) return window.nothing();
  return window.give(isCounter ? divideHistogram(difference, seconds) : difference);
}

function lastHistogramDifference(window: Window, earlier: FloatHistogram, later: FloatHistogram, isCounter: boolean, isStarted: boolean): FloatHistogram | undefined {
  const { annotations, position } = window.plan;
  const gauges = [earlier, later].filter(({ resetHint }) => resetHint === "gauge").length;
  if (isCounter && gauges > 0) annotations.notCounter(window.metricName, position);
  if (!isCounter && gauges < 2) annotations.notGauge(window.metricName, position);
  if (isStarted || (isCounter && isCounterReset(later, earlier))) return compactHistogram(withResetHint(later, "gauge"));
  const difference = subtractReported(window.report, later, earlier);
  return difference === undefined ? undefined : compactHistogram(withResetHint(difference, "gauge"));
}

/** The last two samples of the window, whatever their kind. */
function lastTwo(window: Window): [Point | undefined, Point | undefined] {
  const points: Point[] = [];
  for (let i = Math.max(window.from, window.to - 2); i < window.to; i++) {
    points.push({ timeMs: window.timestampsMs[i], startMs: window.startedFloats?.starts[i] ?? 0, value: window.values[i], histogram: undefined });
  }
  for (let i = Math.max(window.histogramFrom, window.histogramTo - 2); i < window.histogramTo; i++) {
    points.push({ timeMs: window.histogramTimesMs[i], startMs: window.startedHistograms?.starts[i] ?? 0, value: NaN, histogram: window.histograms[i] });
  }
  points.sort((a, b) => a.timeMs - b.timeMs);
  return [points.at(-2), points.at(-1)];
}
