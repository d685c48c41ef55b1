/**
 * The clear version of wasm/rollup.ts: what each function gives for one window. An empty window gives NaN unless stated.
 */
import { quantileReference } from "./aggregate_reference.ts";
import type { RollupName } from "./rollup.ts";

/** One window: the samples in (timeMs - windowMs, timeMs] and what stands around them. Times in ms. */
export interface RollupWindow {
  readonly timeMs: number;
  readonly windowMs: number;
  readonly timestampsMs: readonly number[];
  /** A typed array, so that stale markers keep their bits. */
  readonly values: Float64Array;
  /** The sample before the window if it is near enough; NaN if not. */
  readonly prevValue: number;
  readonly prevMs: number;
  /** The sample before the window, however far (up to the lookback limit). */
  readonly realPrevValue: number;
  /** The sample after the window. */
  readonly nextValue: number;
  readonly args: readonly [number, number];
}

type WindowFunction = (w: RollupWindow) => number;

const isSet = (value: number): boolean => !Number.isNaN(value);
const last = (values: { readonly length: number; readonly [i: number]: number }): number => values[values.length - 1];
/** Gives NaN for an empty window. */
const nonEmpty = (f: WindowFunction): WindowFunction => (w) => (w.values.length === 0 ? NaN : f(w));
/** The values with the previous one in front, if there is one. */
const withPrevious = (w: RollupWindow): number[] => (isSet(w.prevValue) ? [w.prevValue, ...w.values] : [...w.values]);

/** Adds in the order of the kernel: four running sums. */
function sum(values: ArrayLike<number>): number {
  const lanes = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i++) lanes[i % 4] += values[i];
  let total = lanes[0] + lanes[2] + (lanes[1] + lanes[3]);
  for (let i = whole; i < values.length; i++) total += values[i];
  return total;
}

const average = (w: RollupWindow): number => sum(w.values) / w.values.length;
const minimum = (values: Iterable<number>): number => Math.min(...values);
const maximum = (values: Iterable<number>): number => Math.max(...values);

function variance(values: Float64Array): number {
  if (values.length === 1) return 0;
  let mean = 0;
  let squares = 0;
  values.forEach((v, i) => {
    const next = mean + (v - mean) / (i + 1);
    squares += (v - mean) * (v - next);
    mean = next;
  });
  return squares / values.length;
}

function isStep(value: number, previous: number): boolean {
  return value !== previous && !(Math.abs(value - previous) < 1e-12 * Math.abs(value));
}

function countSteps(values: readonly number[], direction: 1 | -1): number {
  let n = 0;
  let previous = values[0];
  for (const v of values.slice(1)) {
    if ((v - previous) * direction > 0 && !isStep(v, previous)) continue;
    if ((v - previous) * direction > 0) n++;
    previous = v;
  }
  return n;
}

function countChanges(values: readonly number[]): number {
  let n = 0;
  let previous = values[0];
  for (const v of values.slice(1)) {
    if (!isStep(v, previous)) continue;
    n++;
    previous = v;
  }
  return n;
}

function changes(w: RollupWindow): number {
  if (isSet(w.prevValue)) return countChanges([w.prevValue, ...w.values]);
  if (w.values.length === 0) return NaN;
  if (isSet(w.realPrevValue)) return countChanges([w.realPrevValue, ...w.values]);
  return 1 + countChanges([...w.values]);
}

function sumSteps(direction: 1 | -1): WindowFunction {
  return (w) => {
    const values = withPrevious(w);
    if (values.length === 0) return NaN;
    let total = 0;
    for (let i = 1; i < values.length; i++) total += Math.max(0, (values[i] - values[i - 1]) * direction);
    return total;
  };
}

function delta(w: RollupWindow): number {
  if (isSet(w.prevValue)) return w.values.length === 0 ? 0 : last(w.values) - w.prevValue;
  if (w.values.length === 0) return NaN;
  if (isSet(w.realPrevValue)) return last(w.values) - w.realPrevValue;
  const next = w.values.length > 1 ? w.values[1] : w.nextValue;
  const step = isSet(next) ? Math.abs(next - w.values[0]) : 0;
  return Math.abs(w.values[0]) < 10 * (step + 1) ? last(w.values) : last(w.values) - w.values[0];
}

function increasePure(w: RollupWindow): number {
  if (isSet(w.prevValue)) return w.values.length === 0 ? 0 : last(w.values) - w.prevValue;
  if (w.values.length === 0) return NaN;
  return last(w.values) - (isSet(w.realPrevValue) ? w.realPrevValue : 0);
}

function rate(w: RollupWindow): number {
  if (isSet(w.prevValue)) return w.values.length === 0 ? 0 : (last(w.values) - w.prevValue) / ((last(w.timestampsMs) - w.prevMs) / 1000);
  if (w.values.length < 2) return NaN;
  return (last(w.values) - w.values[0]) / ((last(w.timestampsMs) - w.timestampsMs[0]) / 1000);
}

function idelta(w: RollupWindow): number {
  if (w.values.length === 0) return isSet(w.prevValue) ? 0 : NaN;
  if (w.values.length > 1) return last(w.values) - w.values[w.values.length - 2];
  return isSet(w.prevValue) ? w.values[0] - w.prevValue : w.values[0];
}

function ideriv(w: RollupWindow): number {
  if (w.values.length === 0) return NaN;
  let i = w.values.length - 2;
  while (i >= 0 && w.timestampsMs[i] >= last(w.timestampsMs)) i--;
  if (i >= 0) return (last(w.values) - w.values[i]) / ((last(w.timestampsMs) - w.timestampsMs[i]) / 1000);
  if (isSet(w.prevValue)) return (last(w.values) - w.prevValue) / ((last(w.timestampsMs) - w.prevMs) / 1000);
  return w.values.length > 1 ? 0 : NaN;
}

function lastChangeTime(w: RollupWindow): number {
  for (let i = w.values.length - 2; i >= 0; i--) if (w.values[i] !== last(w.values)) return w.timestampsMs[i + 1] / 1000;
  return w.prevValue === last(w.values) ? NaN : w.timestampsMs[0] / 1000;
}

function lag(w: RollupWindow): number {
  if (w.values.length > 0) return (w.timeMs - last(w.timestampsMs)) / 1000;
  return isSet(w.prevValue) ? (w.timeMs - w.prevMs) / 1000 : NaN;
}

function lifetime(w: RollupWindow): number {
  const times = isSet(w.prevValue) ? [w.prevMs, ...w.timestampsMs] : w.timestampsMs;
  return w.values.length === 0 || times.length < 2 ? NaN : (last(times) - times[0]) / 1000;
}

function scrapeInterval(w: RollupWindow): number {
  return lifetime(w) / (isSet(w.prevValue) ? w.values.length : w.values.length - 1);
}

function zscore(w: RollupWindow): number {
  if (!(lag(w) <= scrapeInterval(w))) return NaN;
  const distance = last(w.values) - average(w);
  return distance === 0 ? 0 : distance / Math.sqrt(variance(w.values));
}

/** Value at the point and slope per second of the least squares line. */
function regression(w: RollupWindow): { value: number; slope: number } {
  if (w.values.every((v) => v === w.values[0])) return { value: w.values[0], slope: 0 };
  const n = w.values.length;
  let [vSum, tSum, tvSum, ttSum] = [0, 0, 0, 0];
  w.values.forEach((v, i) => {
    const t = (w.timestampsMs[i] - w.timeMs) / 1000;
    vSum += v;
    tSum += t;
    tvSum += t * v;
    ttSum += t * t;
  });
  const spread = ttSum - (tSum * tSum) / n;
  const slope = Math.abs(spread) >= 1e-6 ? (tvSum - (tSum * vSum) / n) / spread : 0;
  return { value: vSum / n - (slope * tSum) / n, slope };
}

function integrate(w: RollupWindow): number {
  // The last value holds up to the point only if the series goes on after the window.
  const times = [w.timeMs - w.windowMs, ...w.timestampsMs, isSet(w.nextValue) ? w.timeMs : (last(w.timestampsMs) ?? NaN)];
  const values = [w.prevValue, ...w.values];
  if (!isSet(w.prevValue)) {
    if (w.values.length === 0) return NaN;
    times.shift();
    values.shift();
  }
  return values.reduce((total, v, i) => total + v * ((times[i + 1] - times[i]) / 1000), 0);
}

function duration(w: RollupWindow): number {
  let total = 0;
  for (let i = 1; i < w.timestampsMs.length; i++) {
    const interval = w.timestampsMs[i] - w.timestampsMs[i - 1];
    if (interval <= Math.trunc(w.args[0] * 1000)) total += interval;
  }
  return total / 1000;
}

function filtered(matches: (v: number, limit: number) => boolean, result: "count" | "share" | "sum"): WindowFunction {
  return nonEmpty((w) => {
    const some = [...w.values].filter((v) => matches(v, w.args[0]));
    if (result === "sum") return some.reduce((a, b) => a + b, 0);
    return result === "share" ? some.length / w.values.length : some.length;
  });
}

function hoeffding(sign: 1 | -1): WindowFunction {
  return nonEmpty((w) => {
    const range = maximum(w.values) - minimum(w.values);
    const phi = w.args[0];
    if (!(range > 0) || phi <= 0) return average(w);
    if (phi >= 1) return sign * Infinity;
    return average(w) + sign * (range * Math.sqrt(Math.log(1 / (1 - phi)) / (2 * w.values.length)));
  });
}

function holtWinters(w: RollupWindow): number {
  const [sf, tf] = w.args;
  if (w.values.length === 0 || sf < 0 || sf > 1 || tf < 0 || tf > 1) return NaN;
  const [first, ...values] = withPrevious(w);
  if (values.length === 0) return first;
  let level = first;
  let trend = values[0] - first;
  for (const v of values) {
    const next = sf * v + (1 - sf) * (level + trend);
    trend = tf * (next - level) + (1 - tf) * trend;
    level = next;
  }
  return level;
}

/** The values of a candle: the previous one if it is within the window's length of the point, without the sample at the right edge. */
function candle(f: (values: readonly number[]) => number): WindowFunction {
  return (w) => {
    const first = isSet(w.prevValue) && w.prevMs + w.windowMs >= w.timeMs ? [w.prevValue] : [];
    const values = [...first, ...[...w.values].filter((_, i) => w.timestampsMs[i] < w.timeMs)];
    return values.length === 0 ? NaN : f(values);
  };
}

/** Of the most frequent values the first that is met; the previous value is met first, then the others in ascending order. */
function mode(w: RollupWindow): number {
  if (w.values.length === 0) return w.prevValue;
  const sorted = [...w.values].sort((a, b) => a - b);
  // A run that starts with the previous value counts one occurrence more.
  const runs: { value: number; count: number }[] = [{ value: w.prevValue, count: 1 }];
  for (const v of sorted) {
    if (v === lastOf(runs).value) lastOf(runs).count++;
    else runs.push({ value: v, count: 1 });
  }
  let best = { value: NaN, count: 0 };
  for (const run of runs) if (run.count > best.count || !isSet(best.value)) best = run;
  return best.value;
}

function lastOf<T>(items: readonly T[]): T {
  return items[items.length - 1];
}

/** Whether value `i` is the stale marker, which is a NaN with a payload of its own. */
function isStaleMarker(values: Float64Array, i: number): boolean {
  return new DataView(values.buffer, values.byteOffset + i * 8, 8).getBigUint64(0, true) === 0x7ff0000000000002n;
}

function mad(w: RollupWindow): number {
  const median = quantileReference([...w.values], 0.5);
  return quantileReference([...w.values].map((v) => Math.abs(v - median)), 0.5);
}

function outlierIqr(w: RollupWindow): number {
  if (w.values.length < 2) return NaN;
  const low = quantileReference([...w.values], 0.25);
  const high = quantileReference([...w.values], 0.75);
  const v = last(w.values);
  return v > high + 1.5 * (high - low) || v < low - 1.5 * (high - low) ? v : NaN;
}

/** Time of the last sample with the value `best`. */
function extremeTime(best: (values: Iterable<number>) => number): WindowFunction {
  return nonEmpty((w) => w.timestampsMs[w.values.lastIndexOf(best(w.values))] / 1000);
}

export const rollupReference: Readonly<Record<RollupName, WindowFunction>> = {
  Last: nonEmpty((w) => last(w.values)),
  First: nonEmpty((w) => w.values[0]),
  Count: nonEmpty((w) => w.values.length),
  Present: nonEmpty(() => 1),
  Absent: (w) => (w.values.length === 0 ? 1 : NaN),
  Rate: rate,
  Delta: delta,
  IncreasePure: increasePure,
  DeltaPrometheus: (w) => (w.values.length < 2 ? NaN : last(w.values) - w.values[0]),
  RatePrometheus: (w) => (w.values.length < 2 || w.windowMs === 0 ? NaN : (last(w.values) - w.values[0]) / (w.windowMs / 1000)),
  Idelta: idelta,
  Ideriv: ideriv,
  FirstTime: nonEmpty((w) => w.timestampsMs[0] / 1000),
  LastTime: nonEmpty((w) => last(w.timestampsMs) / 1000),
  LastChangeTime: nonEmpty(lastChangeTime),
  Lag: lag,
  Lifetime: lifetime,
  ScrapeInterval: scrapeInterval,
  Sum: nonEmpty((w) => sum(w.values)),
  Avg: nonEmpty(average),
  RateOverSum: nonEmpty((w) => sum(w.values) / (w.windowMs / 1000)),
  Min: nonEmpty((w) => minimum(w.values)),
  Max: nonEmpty((w) => maximum(w.values)),
  Range: nonEmpty((w) => maximum(w.values) - minimum(w.values)),
  MinTime: extremeTime(minimum),
  MaxTime: extremeTime(maximum),
  Sum2: nonEmpty((w) => w.values.reduce((total, v) => total + v * v, 0)),
  Geomean: nonEmpty((w) => w.values.reduce((total, v) => total * v, 1) ** (1 / w.values.length)),
  Stdvar: nonEmpty((w) => variance(w.values)),
  Stddev: nonEmpty((w) => Math.sqrt(variance(w.values))),
  Zscore: nonEmpty(zscore),
  Changes: changes,
  ChangesPrometheus: nonEmpty((w) => countChanges([...w.values])),
  Increases: (w) => (withPrevious(w).length === 0 ? NaN : countSteps(withPrevious(w), 1)),
  Resets: (w) => (withPrevious(w).length === 0 ? NaN : countSteps(withPrevious(w), -1)),
  Ascent: sumSteps(1),
  Descent: sumSteps(-1),
  Deriv: nonEmpty((w) => regression(w).slope),
  PredictLinear: nonEmpty((w) => regression(w).value + regression(w).slope * w.args[0]),
  Integrate: integrate,
  Duration: nonEmpty(duration),
  CountEq: filtered((v, limit) => v === limit, "count"),
  CountNe: filtered((v, limit) => v !== limit, "count"),
  CountLe: filtered((v, limit) => v <= limit, "count"),
  CountGt: filtered((v, limit) => v > limit, "count"),
  ShareEq: filtered((v, limit) => v === limit, "share"),
  ShareLe: filtered((v, limit) => v <= limit, "share"),
  ShareGt: filtered((v, limit) => v > limit, "share"),
  SumEq: filtered((v, limit) => v === limit, "sum"),
  SumLe: filtered((v, limit) => v <= limit, "sum"),
  SumGt: filtered((v, limit) => v > limit, "sum"),
  StaleSamples: nonEmpty((w) => w.values.reduce((n, _, i) => n + (isStaleMarker(w.values, i) ? 1 : 0), 0)),
  HoeffdingLower: hoeffding(-1),
  HoeffdingUpper: hoeffding(1),
  HoltWinters: holtWinters,
  Open: candle((values) => values[0]),
  Close: candle((values) => last(values)),
  Low: candle(minimum),
  High: candle(maximum),
  Quantile: (w) => quantileReference([...w.values], w.args[0]),
  Distinct: nonEmpty((w) => new Set(w.values).size),
  Mode: mode,
  Mad: nonEmpty(mad),
  OutlierIqr: outlierIqr,
};

/** The clear version of window bounds: all windows of a grid over one series. */
export function rollupWindowsReference(options: {
  timestampsMs: Float64Array; values: Float64Array; startMs: number; stepMs: number; points: number;
  windowMs: number; maxPrevIntervalMs: number; lookbackMs: number; args: (point: number) => readonly [number, number];
}): RollupWindow[] {
  const { timestampsMs, values, windowMs } = options;
  return Array.from({ length: options.points }, (_, point) => {
    const timeMs = options.startMs + point * options.stepMs;
    const lo = timestampsMs.filter((t) => t <= timeMs - windowMs).length;
    const hi = Math.max(lo, timestampsMs.filter((t) => t <= timeMs).length);
    const before = lo - 1;
    const near = before >= 0 && lo < values.length && timestampsMs[before] > timeMs - windowMs - options.maxPrevIntervalMs;
    const gapMs = (lo < hi ? timestampsMs[lo] : timeMs - windowMs) - timestampsMs[before];
    const far = before >= 0 && (options.lookbackMs === 0 || gapMs < options.lookbackMs);
    return {
      timeMs,
      windowMs,
      timestampsMs: [...timestampsMs.subarray(lo, hi)],
      values: values.subarray(lo, hi),
      prevValue: near ? values[before] : NaN,
      prevMs: timestampsMs[before],
      realPrevValue: far ? values[before] : NaN,
      nextValue: hi < values.length ? values[hi] : NaN,
      args: options.args(point),
    };
  });
}

/** The clear version of rollupRemoveResets. */
export function removeResetsReference(timestampsMs: ArrayLike<number>, values: ArrayLike<number>, maxGapMs: number): number[] {
  const result: number[] = [];
  let correction = 0;
  for (let i = 0; i < values.length; i++) {
    const fall = i === 0 ? 0 : values[i - 1] - values[i];
    if (fall > 0) correction += fall * 8 < values[i - 1] ? fall : values[i - 1];
    if (i > 0 && maxGapMs > 0 && timestampsMs[i] - timestampsMs[i - 1] > maxGapMs) {
      correction = 0;
      result.push(values[i]);
    } else result.push(i === 0 ? values[0] : Math.max(values[i] + correction, result[i - 1]));
  }
  return result;
}

/** The clear version of rollupScrapeIntervalMs. */
export function scrapeIntervalMsReference(timestampsMs: readonly number[], fallbackMs: number): number {
  const intervals = timestampsMs.slice(1).map((t, i) => t - timestampsMs[i]).slice(-20);
  const interval = Math.trunc(quantileReference(intervals, 0.6));
  return interval > 0 ? interval : fallbackMs;
}
