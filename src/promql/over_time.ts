/** The functions of the samples of a window: sum_over_time and its kin. What histograms are to each is said beside it. */
import { InputError } from "../base/errors.ts";
import { HistogramSum, isCounterReset } from "../model/histogram_arithmetic.ts";
import { equalHistograms, type FloatHistogram } from "../model/native_histogram.ts";
import { HistogramMean } from "./histogram_mean.ts";
import { compensated, KahanSum } from "./kahan.ts";
import { quantileOf } from "./quantile.ts";
import { isResetBetween } from "./start_times.ts";
import type { Window, WindowFunction } from "./window.ts";

// ---- of floats and histograms alike ----

export const countOverTime: WindowFunction = (window) => window.floatCount + window.histogramCount;

export const presentOverTime: WindowFunction = () => 1;

export const firstOverTime: WindowFunction = (window) => {
  const isFloat = window.floatCount > 0 && (window.histogramCount === 0 || window.timestampsMs[window.from] < window.histogramTimesMs[window.histogramFrom]);
  return isFloat ? window.values[window.from] : window.give(window.histograms[window.histogramFrom]);
};

export const lastOverTime: WindowFunction = (window) => {
  const isFloat = window.floatCount > 0 && (window.histogramCount === 0 || window.timestampsMs[window.to - 1] > window.histogramTimesMs[window.histogramTo - 1]);
  return isFloat ? window.values[window.to - 1] : window.give(window.histograms[window.histogramTo - 1]);
};

export const timeOfFirst: WindowFunction = (window) => {
  const floatMs = window.floatCount > 0 ? window.timestampsMs[window.from] : Infinity;
  const histogramMs = window.histogramCount > 0 ? window.histogramTimesMs[window.histogramFrom] : Infinity;
  return Math.min(floatMs, histogramMs) / 1000;
};

export const timeOfLast: WindowFunction = (window) => {
  const floatMs = window.floatCount > 0 ? window.timestampsMs[window.to - 1] : -Infinity;
  const histogramMs = window.histogramCount > 0 ? window.histogramTimesMs[window.histogramTo - 1] : -Infinity;
  return Math.max(floatMs, histogramMs) / 1000;
};

export const changes: WindowFunction = (window) =>
  countPairs(window, (earlier, later) => earlier !== later && !(Number.isNaN(earlier) && Number.isNaN(later)), (earlier, later) => !equalHistograms(earlier, later));

export const resets: WindowFunction = (window) =>
  countPairs(window, (earlier, later) => later < earlier, (earlier, later) => isCounterReset(later, earlier), resetsByStart(window));

/** Tells by start timestamps whether sample `later` of the floats or histograms began anew after a sample that starts and ends as given. */
type StartTest = (isFloat: boolean, later: number, earlierStartMs: number, earlierMs: number) => boolean;

function resetsByStart({ startedFloats, startedHistograms }: Window): StartTest | undefined {
  if (startedFloats === undefined || startedHistograms === undefined) return undefined;
  return (isFloat, later, earlierStartMs, earlierMs) => {
    const { timestampsMs, starts } = isFloat ? startedFloats : startedHistograms;
    return isResetBetween(earlierStartMs, earlierMs, starts[later], timestampsMs[later]);
  };
}

/** How many neighbours differ; a float beside a histogram always does. */
function countPairs(
  window: Window, floatsDiffer: (a: number, b: number) => boolean, histogramsDiffer: (a: FloatHistogram, b: FloatHistogram) => boolean, startsDiffer?: StartTest,
): number {
  const { timestampsMs, values, histogramTimesMs, histograms, to, histogramTo } = window;
  const start = window.plan.modifier === "anchored" ? anchorOf(window) : { from: window.from, histogramFrom: window.histogramFrom };
  if (start === undefined) return window.nothing();
  let { from, histogramFrom } = start;
  let count = 0;
  let previous: number | FloatHistogram | undefined;
  let [previousStartMs, previousMs] = [0, 0];
  while (from < to || histogramFrom < histogramTo) {
    const isFloat = histogramFrom >= histogramTo || (from < to && timestampsMs[from] < histogramTimesMs[histogramFrom]);
    const index = isFloat ? from++ : histogramFrom++;
    const current: number | FloatHistogram = isFloat ? values[index] : histograms[index];
    if (previous !== undefined && (isDifferent(previous, current, floatsDiffer, histogramsDiffer) || startsDiffer?.(isFloat, index, previousStartMs, previousMs) === true)) count++;
    previous = current;
    if (startsDiffer === undefined) continue;
    previousMs = isFloat ? timestampsMs[index] : histogramTimesMs[index];
    previousStartMs = (isFloat ? window.startedFloats : window.startedHistograms)?.starts[index] ?? 0;
  }
  return count;
}

function isDifferent(
  earlier: number | FloatHistogram, later: number | FloatHistogram, floatsDiffer: (a: number, b: number) => boolean,
  histogramsDiffer: (a: FloatHistogram, b: FloatHistogram) => boolean,
): boolean {
  if (typeof earlier === "number") return typeof later !== "number" || floatsDiffer(earlier, later);
  return typeof later === "number" || histogramsDiffer(earlier, later);
}

/** Where the samples of an anchored range begin: with the last one at or before its start. */
function anchorOf(window: Window): { from: number; histogramFrom: number } | undefined {
  const { timestampsMs, histogramTimesMs, startMs, to, histogramTo } = window;
  let from = window.from;
  while (from < to && timestampsMs[from] <= startMs) from++;
  let histogramFrom = window.histogramFrom;
  while (histogramFrom < histogramTo && histogramTimesMs[histogramFrom] <= startMs) histogramFrom++;
  if (from >= to && histogramFrom >= histogramTo) return undefined;
  const floatMs = from > window.from ? timestampsMs[from - 1] : -Infinity;
  const histogramMs = histogramFrom > window.histogramFrom ? histogramTimesMs[histogramFrom - 1] : -Infinity;
  if (floatMs === -Infinity && histogramMs === -Infinity) return { from: window.from, histogramFrom: window.histogramFrom };
  return floatMs >= histogramMs ? { from: from - 1, histogramFrom } : { from, histogramFrom: histogramFrom - 1 };
}

// ---- sums ----

/** Used within one call only. */
const scratchSum = new KahanSum();

export const sumOverTime: WindowFunction = (window) => {
  if (isMixed(window)) return window.nothing();
  if (window.floatCount === 0) return giveHistogram(window, sumOfHistograms(window));
  scratchSum.setRange(window.values, window.from, window.to);
  return Math.abs(scratchSum.sum) === Infinity ? scratchSum.sum : scratchSum.total;
};

export const avgOverTime: WindowFunction = (window) => {
  if (isMixed(window)) return window.nothing();
  if (window.floatCount === 0) return giveHistogram(window, meanOfHistograms(window));
  return meanOf(window.values, window.from, window.to);
};

/** The mean as sum by count, or of means where the sum would overflow. */
function meanOf(values: Float64Array, from: number, to: number): number {
  scratchSum.setRange(values, from, to);
  const count = to - from;
  return Number.isFinite(scratchSum.sum) ? scratchSum.sum / count + scratchSum.compensation / count : meanBySteps(values, from, to);
}

function meanBySteps(values: Float64Array, from: number, to: number): number {
  let sum = values[from];
  let rest = 0;
  let isOverflown = false;
  for (let i = from + 1; i < to; i++) {
    const count = i - from + 1;
    if (!isOverflown) {
      const total = sum + values[i];
      if (Math.abs(total) !== Infinity) {
        rest = compensated(values[i], sum, rest);
        sum = total;
        continue;
      }
      isOverflown = true;
      sum /= count - 1;
      rest /= count - 1;
    }
    const share = (count - 1) / count;
    rest = compensated(values[i] / count, share * sum, share * rest);
    sum = share * sum + values[i] / count;
  }
  return isOverflown ? sum + rest : sum / (to - from) + rest / (to - from);
}

/** Whether there are floats and histograms, which do not add up. */
function isMixed(window: Window): boolean {
  const mixed = window.floatCount > 0 && window.histogramCount > 0;
  if (mixed) window.plan.annotations.mixedFloatsAndHistograms(window.metricName, window.plan.position);
  return mixed;
}

function giveHistogram(window: Window, histogram: FloatHistogram | undefined): number {
  if (histogram !== undefined) return window.give(histogram);
  window.plan.annotations.mixedSchemas(window.metricName, window.plan.position);
  return window.nothing();
}

function sumOfHistograms(window: Window): FloatHistogram | undefined {
  const first = window.histogramFrom;
  const sum = new HistogramSum(window.histograms[first]);
  let isReconciled = false;
  for (let i = first + 1; i < window.histogramTo; i++) {
    const step = sum.add(window.histograms[i]);
    if (step === undefined) return undefined;
    isReconciled ||= step.boundsReconciled;
  }
  annotateSum(window, isReconciled);
  return sum.total();
}

function meanOfHistograms(window: Window): FloatHistogram | undefined {
  const mean = new HistogramMean(window.histograms[window.histogramFrom]);
  let isReconciled = false;
  for (let i = window.histogramFrom + 1; i < window.histogramTo; i++) {
    const step = mean.add(window.histograms[i]);
    if (step === undefined) return undefined;
    isReconciled ||= step.boundsReconciled;
  }
  annotateSum(window, isReconciled);
  return mean.finish();
}

/** Tells what was wrong with histograms that were added up. */
function annotateSum(window: Window, isReconciled: boolean): void {
  const { annotations, position } = window.plan;
  const hints = new Set(window.histograms.slice(window.histogramFrom, window.histogramTo).map(({ resetHint }) => resetHint));
  if (hints.has("reset") && hints.has("not_reset")) annotations.counterResetCollision("aggregation", position);
  if (isReconciled) annotations.reconciledBuckets("aggregation", position);
}

// ---- of floats only; histograms beside them are ignored ----

/** A function of floats; without any there is no value. */
function ofFloats(run: (window: Window) => number, countMin = 1): WindowFunction {
  return (window) => {
    if (window.floatCount === 0) return window.nothing();
    if (window.histogramCount > 0) window.plan.annotations.histogramIgnoredInRange(window.metricName, window.plan.position);
    return window.floatCount < countMin ? window.nothing() : run(window);
  };
}

/** NaN is beaten by every value. Written out for both, since a comparison that is passed in takes twice the time. */
export const minOverTime = ofFloats(({ values, from, to }) => {
  let best = values[from];
  for (let i = from + 1; i < to; i++) if (values[i] < best || Number.isNaN(best)) best = values[i];
  return best;
});

export const maxOverTime = ofFloats(({ values, from, to }) => {
  let best = values[from];
  for (let i = from + 1; i < to; i++) if (values[i] > best || Number.isNaN(best)) best = values[i];
  return best;
});

export const timeOfMin = ofFloats(({ timestampsMs, values, from, to }) => timestampsMs[extremeIndex(values, from, to, (value, best) => value <= best)] / 1000);
export const timeOfMax = ofFloats(({ timestampsMs, values, from, to }) => timestampsMs[extremeIndex(values, from, to, (value, best) => value >= best)] / 1000);

/** The index of the value that beats the others; NaN is beaten by every value. */
function extremeIndex(values: Float64Array, from: number, to: number, isBetter: (value: number, best: number) => boolean): number {
  let best = from;
  for (let i = from; i < to; i++) if (isBetter(values[i], values[best]) || Number.isNaN(values[best])) best = i;
  return best;
}

export const stdvarOverTime = ofFloats(varianceOf);
export const stddevOverTime = ofFloats((window) => Math.sqrt(varianceOf(window)));

function varianceOf({ values, from, to }: Window): number {
  const mean = new KahanSum();
  const squares = new KahanSum();
  for (let i = from; i < to; i++) {
    const difference = values[i] - mean.total;
    mean.add(difference / (i - from + 1));
    squares.add(difference * (values[i] - mean.total));
  }
  return squares.total / (to - from);
}

export const quantileOverTime: WindowFunction = (window) => {
  if (window.floatCount === 0) return window.nothing();
  const { annotations, argPositions } = window.plan;
  const phi = window.argument(0);
  if (!(phi >= 0 && phi <= 1)) annotations.invalidQuantile(phi, argPositions[0]);
  if (window.histogramCount > 0) annotations.histogramIgnoredInRange(window.metricName, argPositions[0]);
  return quantileOf(phi, window.values, window.from, window.to);
};

export const madOverTime = ofFloats(({ values, from, to }) => {
  const floats = values.slice(from, to);
  if (floats.some(Number.isNaN)) return NaN;
  const median = quantileOf(0.5, floats);
  return quantileOf(0.5, floats.map((value) => Math.abs(value - median)));
});

/** The slope per second. Times are taken from the first sample on, which keeps them small. */
export const deriv = ofFloats((window) => linearRegression(window, window.timestampsMs[window.from]).slope, 2);

export const predictLinear = ofFloats((window) => {
  const { slope, intercept } = linearRegression(window, window.timeMs);
  return slope * window.argument(0) + intercept;
}, 2);

/** Least squares; the intercept is the value of the line at `zeroMs`. Compensated, since products of times are large. */
function linearRegression({ timestampsMs, values, from, to }: Window, zeroMs: number): { slope: number; intercept: number } {
  const [sumX, sumY, sumXY, sumXX] = [new KahanSum(), new KahanSum(), new KahanSum(), new KahanSum()];
  const first = values[from];
  let isConstant = true;
  for (let i = from; i < to; i++) {
    if (values[i] !== first && i > from) isConstant = false;
    const x = (timestampsMs[i] - zeroMs) / 1000;
    sumX.add(x);
    sumY.add(values[i]);
    sumXY.add(x * values[i]);
    sumXX.add(x * x);
  }
  if (isConstant) return Math.abs(first) === Infinity ? { slope: NaN, intercept: NaN } : { slope: 0, intercept: first };
  const count = to - from;
  const covariance = sumXY.total - (sumX.total * sumY.total) / count;
  const variance = sumXX.total - (sumX.total * sumX.total) / count;
  const slope = covariance / variance;
  return { slope, intercept: sumY.total / count - (slope * sumX.total) / count };
}

/** Arguments are the smoothing factor and the trend factor, both between 0 and 1. */
export const doubleExponentialSmoothing = ofFloats((window) => {
  const { values, from, to } = window;
  const smoothing = factorOf(window, 0, "smoothing");
  const trendFactor = factorOf(window, 1, "trend");
  let smoothed = values[from];
  let earlier = 0;
  let trend = values[from + 1] - values[from];
  for (let i = from + 1; i < to; i++) {
    if (i > from + 1) trend = trendFactor * (smoothed - earlier) + (1 - trendFactor) * trend;
    const next = smoothing * values[i] + (1 - smoothing) * (smoothed + trend);
    earlier = smoothed;
    smoothed = next;
  }
  return smoothed;
}, 2);

function factorOf(window: Window, index: number, name: string): number {
  const factor = window.argument(index);
  if (factor > 0 && factor < 1) return factor;
  if (Number.isNaN(factor)) return factor;
  throw new InputError("bad_argument", `invalid ${name} factor. Expected: 0 < ${name[0]}f < 1, got: ${factor.toFixed(6)}`);
}
