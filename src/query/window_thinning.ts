/**
 * Which samples of a slice of time a rollup needs, if its window covers the whole slice. The kernels compute the same from them, bit for bit, as from all
 * samples of the slice:
 *
 *   counter   the first two and the last one, and the two at every fall: between falls only the ends matter to corrections of resets and to differences
 *   ends      the first and the last one
 *   min, max  the least or greatest one
 *   count     one that stands for all of them
 *   sum       their sum, which stands for all of them. Only of whole numbers that are small enough for every sum of the window to be exact
 *
 * NaNs are left out: none of these functions sees stale markers.
 */
import type { RollupName } from "../kernel/rollup.ts";
import type { SampleSink } from "./kept_window.ts";
import type { RollupPlan } from "./plan.ts";

export type Thinning = "counter" | "ends" | "min" | "max" | "count" | "sum";

const thinningOfKernel: Partial<Record<RollupName, Thinning>> = {
  Delta: "counter", IncreasePure: "counter", Rate: "counter", DeltaPrometheus: "counter", RatePrometheus: "counter", Resets: "counter",
  First: "ends", Last: "ends", FirstTime: "ends", LastTime: "ends", Present: "ends",
  Min: "min", Max: "max", Count: "count", Sum: "sum", Avg: "sum", RateOverSum: "sum",
};

/** How the samples of a rollup may be thinned; undefined if it needs all of them. */
export function thinningOf({ function: row, outputs }: RollupPlan): Thinning | undefined {
  if (outputs.length !== 1 || row.counts !== undefined || row.input !== undefined || row.seesStaleMarkers === true || row.isAbsent === true || row.shiftsByStep === true) return undefined;
  return thinningOfKernel[outputs[0].kernel];
}

/** Whether the samples can be thinned without changing anything. `sumMax`: the largest whole number that may be summed up. */
export function isExact(kind: Thinning, values: Float64Array, from: number, to: number, sumMax: number): boolean {
  switch (kind) {
    case "sum":
      return isSummable(values, from, to, sumMax);
    // Zeros of both signs are equal: which of them is found depends on where they stand.
    case "min":
    case "max":
      return !hasNegativeZero(values, from, to);
    default:
      return true;
  }
}

/** Hands the samples that are needed of [from, to) to `sink`. */
export function thin(kind: Thinning, times: Float64Array, values: Float64Array, from: number, to: number, sink: SampleSink): void {
  switch (kind) {
    case "counter":
      return thinCounter(times, values, from, to, sink);
    case "ends":
      return thinEnds(times, values, from, to, sink);
    case "min":
      return thinExtreme(times, values, from, to, -1, sink);
    case "max":
      return thinExtreme(times, values, from, to, 1, sink);
    case "count":
      return thinCount(times, values, from, to, sink);
    case "sum":
      return thinSum(times, values, from, to, sink);
  }
}

/** Whether sums of these samples are exact in whatever order they are added. */
function isSummable(values: Float64Array, from: number, to: number, sumMax: number): boolean {
  for (let i = from; i < to; i++) {
    const v = values[i];
    if (v === v && !(v === Math.trunc(v) && v <= sumMax && v >= -sumMax)) return false;
  }
  return true;
}

function hasNegativeZero(values: Float64Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (values[i] === 0 && 1 / values[i] < 0) return true;
  return false;
}

function thinCounter(times: Float64Array, values: Float64Array, from: number, to: number, sink: SampleSink): void {
  let count = 0;
  let previous = NaN;
  // The last sample, if it is not among those that are needed so far.
  let pending = -1;
  for (let i = from; i < to; i++) {
    const v = values[i];
    if (v !== v) continue;
    const isFall = v < previous;
    if (isFall && pending >= 0) sink.add(times[pending], values[pending], 1);
    if (isFall || count < 2) {
      sink.add(times[i], v, 1);
      pending = -1;
    } else pending = i;
    previous = v;
    count++;
  }
  if (pending >= 0) sink.add(times[pending], values[pending], 1);
}

function thinEnds(times: Float64Array, values: Float64Array, from: number, to: number, sink: SampleSink): void {
  let first = from;
  let last = to - 1;
  while (first < to && values[first] !== values[first]) first++;
  while (last > first && values[last] !== values[last]) last--;
  if (first < to) sink.add(times[first], values[first], 1);
  if (last > first) sink.add(times[last], values[last], 1);
}

function thinExtreme(times: Float64Array, values: Float64Array, from: number, to: number, sign: 1 | -1, sink: SampleSink): void {
  let best = -1;
  for (let i = from; i < to; i++) {
    const v = values[i];
    if (v === v && (best < 0 || v * sign > values[best] * sign)) best = i;
  }
  if (best >= 0) sink.add(times[best], values[best], 1);
}

function thinCount(times: Float64Array, values: Float64Array, from: number, to: number, sink: SampleSink): void {
  let count = 0;
  let last = -1;
  for (let i = from; i < to; i++) {
    if (values[i] !== values[i]) continue;
    count++;
    last = i;
  }
  if (count > 0) sink.add(times[last], values[last], count);
}

function thinSum(times: Float64Array, values: Float64Array, from: number, to: number, sink: SampleSink): void {
  let count = 0;
  let sum = 0;
  let last = -1;
  for (let i = from; i < to; i++) {
    if (values[i] !== values[i]) continue;
    sum += values[i];
    count++;
    last = i;
  }
  if (count > 0) sink.add(times[last], sum, count);
}
