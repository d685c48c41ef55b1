/** Transform functions that look at the whole range of a series: gaps, running and range statistics, smoothing, outliers. */
import type { Column } from "./column_pool.ts";
import type { TransformCall, TransformFunction } from "./transform_function.ts";
import { withoutName } from "./series.ts";

/** A function that changes each column in place and leaves labels alone. */
function inPlace(change: (values: Column, call: TransformCall) => void, index = 0): TransformFunction {
  return {
    keepsMetricName: true,
    evaluate: (call) => {
      for (const series of call.vector(index)) change(series.values, call);
      return call.vector(index);
    },
  };
}

/** As inPlace, but the name is dropped. */
function droppingName(change: (values: Column) => void): TransformFunction {
  return {
    evaluate: (call) => call.vector(0).map((series) => {
      change(series.values);
      return { labels: withoutName(series.labels), values: series.values };
    }),
  };
}

/** Index of the first value; the length if there is none. */
function firstIndex(values: Column): number {
  let i = 0;
  while (i < values.length && Number.isNaN(values[i])) i++;
  return i;
}

function lastIndex(values: Column): number {
  let i = values.length - 1;
  while (i >= 0 && Number.isNaN(values[i])) i--;
  return i;
}

/** From the first value on each point holds what `step` made of all values so far. */
function runThrough(step: (soFar: number, value: number, index: number) => number): (values: Column) => void {
  return (values) => {
    const from = firstIndex(values);
    let soFar = values[from];
    for (let i = from + 1; i < values.length; i++) {
      if (!Number.isNaN(values[i])) soFar = step(soFar, values[i], i - from);
      values[i] = soFar;
    }
  };
}

/** All points take the last value. */
function spreadLast(values: Column): void {
  const last = lastIndex(values);
  if (last >= 0) values.fill(values[last]);
}

const add = (soFar: number, value: number): number => soFar + value;
const greater = (soFar: number, value: number): number => (soFar > value ? soFar : value);
const lesser = (soFar: number, value: number): number => (soFar < value ? soFar : value);
const mean = (soFar: number, value: number, index: number): number => soFar + (value - soFar) / (index + 1);

function rangeOf(step: (soFar: number, value: number, index: number) => number): TransformFunction {
  const run = runThrough(step);
  return droppingName((values) => {
    run(values);
    spreadLast(values);
  });
}

function sortedValues(values: Column): Float64Array {
  return values.filter((v) => !Number.isNaN(v)).sort();
}

/** The quantile of sorted values, interpolated. */
export function quantileOfSorted(sorted: ArrayLike<number>, phi: number): number {
  if (sorted.length === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const rank = phi * (sorted.length - 1);
  const low = Math.floor(rank);
  const weight = rank - low;
  return sorted[low] * (1 - weight) + sorted[Math.min(low + 1, sorted.length - 1)] * weight;
}

/** The median distance from the median. */
function medianDeviation(values: Column): number {
  const median = quantileOfSorted(sortedValues(values), 0.5);
  return quantileOfSorted(sortedValues(values.map((v) => Math.abs(v - median))), 0.5);
}

function average(values: Column): number {
  let sum = 0;
  let count = 0;
  for (const v of values) {
    if (Number.isNaN(v)) continue;
    sum += v;
    count++;
  }
  return sum / count;
}

function variance(values: Column): number {
  if (values.length === 1) return 0;
  let running = 0;
  let squares = 0;
  let count = 0;
  for (const v of values) {
    if (Number.isNaN(v)) continue;
    count++;
    const next = running + (v - running) / count;
    squares += (v - running) * (v - next);
    running = next;
  }
  return squares / count;
}

/** Keeps a point or makes it empty. */
function trim(values: Column, isOutlier: (value: number) => boolean): void {
  for (let i = 0; i < values.length; i++) if (isOutlier(values[i])) values[i] = NaN;
}

function trimSpikes(values: Column, call: TransformCall): void {
  const phi = call.scalar(0)[0] / 2;
  const sorted = sortedValues(values);
  const high = quantileOfSorted(sorted, 1 - phi);
  const low = quantileOfSorted(sorted, phi);
  trim(values, (v) => v > high || v < low);
}

function trimOutliers(values: Column, call: TransformCall): void {
  const distanceMax = call.scalar(0)[0] * medianDeviation(values);
  const median = quantileOfSorted(sortedValues(values), 0.5);
  trim(values, (v) => Math.abs(v - median) > distanceMax);
}

function trimZscore(values: Column, call: TransformCall): void {
  const limit = Math.abs(call.scalar(0)[0]);
  const center = average(values);
  const deviation = Math.sqrt(variance(values));
  trim(values, (v) => Math.abs(v - center) / deviation > limit);
}

function zscore(values: Column): void {
  const center = average(values);
  const deviation = Math.sqrt(variance(values));
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - center) / deviation;
}

/** Fills the gaps between values with straight lines. */
function interpolate(values: Column): void {
  const last = lastIndex(values);
  let left = firstIndex(values);
  for (let i = left + 1; i <= last; i++) {
    if (Number.isNaN(values[i])) continue;
    const slope = (values[i] - values[left]) / (i - left);
    for (let j = left + 1; j < i; j++) values[j] = values[left] + slope * (j - left);
    left = i;
  }
}

function keepLastValue(values: Column): void {
  for (let i = 1; i < values.length; i++) if (Number.isNaN(values[i])) values[i] = values[i - 1];
}

function keepNextValue(values: Column): void {
  for (let i = values.length - 2; i >= 0; i--) if (Number.isNaN(values[i])) values[i] = values[i + 1];
}

/** Makes a series monotone by the rules of counters. */
function removeResets(values: Column): void {
  let correction = 0;
  let previous = NaN;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (Number.isNaN(v)) continue;
    if (v < previous) correction += (previous - v) * 8 < previous ? previous - v : previous;
    previous = v;
    values[i] = v + correction;
  }
}

/** To 0..1; a series with an infinite range is left out. */
function normalize(call: TransformCall): ReturnType<TransformFunction["evaluate"]> {
  return call.args.flatMap((arg) => arg.vector).filter(({ values }) => {
    let low = Infinity;
    let high = -Infinity;
    for (const v of values) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
    if (!Number.isFinite(high - low)) return false;
    for (let i = 0; i < values.length; i++) values[i] = (values[i] - low) / (high - low);
    return true;
  });
}

/** The least squares line over the range. */
function linearRegression(values: Column, call: TransformCall): void {
  let [count, vSum, tSum, tvSum, ttSum] = [0, 0, 0, 0, 0];
  const stepS = call.grid.stepMs / 1000;
  const isConstant = values.every((v) => v === values[0]);
  if (isConstant) return;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (Number.isNaN(v)) continue;
    const t = i * stepS;
    count++;
    vSum += v;
    tSum += t;
    tvSum += t * v;
    ttSum += t * t;
  }
  const spread = ttSum - (tSum * tSum) / count;
  const slope = Math.abs(spread) >= 1e-6 ? (tvSum - (tSum * vSum) / count) / spread : 0;
  const start = vSum / count - (slope * tSum) / count;
  for (let i = 0; i < values.length; i++) values[i] = start + slope * i * stepS;
}

function smoothExponential(values: Column, call: TransformCall): void {
  const factors = call.scalar(1);
  let i = firstIndex(values);
  let j = i;
  while (j < values.length && !Number.isFinite(values[j]) && !Number.isNaN(values[j])) j++;
  if (j < values.length) i = j;
  let smooth = values[i];
  for (i++; i < values.length; i++) {
    const v = values[i];
    if (Number.isNaN(v)) continue;
    if (Number.isFinite(v)) {
      const factor = Number.isNaN(factors[i]) ? 1 : Math.min(1, Math.max(0, factors[i]));
      smooth = smooth * (1 - factor) + v * factor;
    }
    values[i] = smooth;
  }
}

export const rangeFunctions: Readonly<Record<string, TransformFunction>> = {
  interpolate: inPlace(interpolate),
  keep_last_value: inPlace(keepLastValue),
  keep_next_value: inPlace(keepNextValue),
  range_avg: rangeOf(mean),
  range_first: inPlace((values) => {
    const first = firstIndex(values);
    if (first < values.length) values.fill(values[first]);
  }),
  range_last: inPlace(spreadLast),
  range_linear_regression: inPlace(linearRegression),
  range_mad: inPlace((values) => void values.fill(medianDeviation(values))),
  range_max: rangeOf(greater),
  range_median: inPlace((values) => spreadQuantile(values, 0.5)),
  range_min: rangeOf(lesser),
  range_normalize: { keepsMetricName: true, evaluate: normalize },
  range_quantile: inPlace((values, call) => spreadQuantile(values, call.scalar(0)[0]), 1),
  range_stddev: inPlace((values) => void values.fill(Math.sqrt(variance(values)))),
  range_stdvar: inPlace((values) => void values.fill(variance(values))),
  range_sum: rangeOf(add),
  range_trim_outliers: inPlace(trimOutliers, 1),
  range_trim_spikes: inPlace(trimSpikes, 1),
  range_trim_zscore: inPlace(trimZscore, 1),
  range_zscore: inPlace(zscore),
  remove_resets: inPlace(removeResets),
  running_avg: droppingName(runThrough(mean)),
  running_max: droppingName(runThrough(greater)),
  running_min: droppingName(runThrough(lesser)),
  running_sum: droppingName(runThrough(add)),
  smooth_exponential: inPlace(smoothExponential),
};

/** All points take the quantile; a series without values stays empty. */
function spreadQuantile(values: Column, phi: number): void {
  const sorted = sortedValues(values);
  if (sorted.length > 0) values.fill(quantileOfSorted(sorted, phi));
}
