/** Aggregates that pick some of the series of each group, point by point: topk, bottomk, limitk, limit_ratio. */
import { InputError } from "../base/errors.ts";
import type { AggregateCall } from "./accumulators.ts";
import { placeOf } from "./expression.ts";
import { groupSeries } from "./grouping.ts";
import { labelOffset } from "./label_hash.ts";
import { histogramPoint, noPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

/**
 * The picked points of `all`, with the labels of the input. At a single point topk and bottomk order them by value, and the series of a group
 * stand together; else they keep the order of the input.
 */
export function aggregateK(call: AggregateCall, all: readonly PromSeries[]): PromSeries[] {
  const { parameter, expr } = call;
  if (parameter === undefined || !checkParameter(call, parameter)) return [];
  const targets = new Map<PromSeries, SeriesBuilder>();
  for (const { series } of groupSeries(expr.grouping, all)) {
    const pick = pickerOf(call, series);
    for (let point = 0; point < call.points; point++) {
      for (const picked of pick(point, parameter[point])) targetOf(call, targets, picked).copyPoint(point, picked);
    }
  }
  if (call.points === 1) return [...targets.values()];
  return all.map((series) => targets.get(series)).filter((target) => target !== undefined);
}

function targetOf(call: AggregateCall, targets: Map<PromSeries, SeriesBuilder>, series: PromSeries): SeriesBuilder {
  let target = targets.get(series);
  if (target === undefined) {
    call.context.countColumns(1, call.points);
    target = new SeriesBuilder(series.labels, call.points, series.dropsName);
    targets.set(series, target);
  }
  return target;
}

/** Whether anything is to be picked at all. */
function checkParameter(call: AggregateCall, parameter: Float64Array): boolean {
  const { annotations } = call.context;
  const position = placeOf(call.expr.args[0]);
  let [low, high] = [Infinity, -Infinity];
  for (const value of parameter) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const hasNaN = parameter.some(Number.isNaN);
  if (call.expr.name === "limit_ratio") {
    if (hasNaN) throw new InputError("bad_argument", "Ratio value is NaN");
    if (low === 0 && high === 0) return false;
    if (high > 1) annotations.invalidRatio(high, 1, position);
    if (low < -1) annotations.invalidRatio(low, -1, position);
    return true;
  }
  if (hasNaN) throw new InputError("bad_argument", "Parameter value is NaN");
  if (high < 1) return false;
  if (low <= -(2 ** 63)) throw new InputError("bad_argument", `Scalar value ${low} underflows int64`);
  if (high >= 2 ** 63) throw new InputError("bad_argument", `Scalar value ${high} overflows int64`);
  return true;
}

/** The series of a group to take at a point, given the parameter there. */
type Picker = (point: number, parameter: number) => readonly PromSeries[];

function pickerOf(call: AggregateCall, group: readonly PromSeries[]): Picker {
  switch (call.expr.name) {
    case "topk":
      return (point, k) => pickOrdered(call, group, point, k, (a, b) => a > b);
    case "bottomk":
      return (point, k) => pickOrdered(call, group, point, k, (a, b) => a < b);
    case "limitk":
      return (point, k) => pickFirst(group, point, k);
    default:
      return ratioPicker(group);
  }
}

function pickFirst(group: readonly PromSeries[], point: number, k: number): PromSeries[] {
  const picked: PromSeries[] = [];
  for (const series of group) {
    if (picked.length >= Math.trunc(k)) break;
    if (series.present[point] !== noPoint) picked.push(series);
  }
  return picked;
}

function ratioPicker(group: readonly PromSeries[]): Picker {
  const offsets = new Map(group.map((series) => [series, labelOffset(series.labels)]));
  return (point, ratio) => {
    const limit = Math.max(-1, Math.min(1, ratio));
    if (limit === 0) return [];
    return group.filter((series) => series.present[point] !== noPoint && isWithinRatio(offsets.get(series) ?? 0, limit));
  };
}

/** A negative ratio takes what its complement leaves. */
function isWithinRatio(offset: number, limit: number): boolean {
  return limit >= 0 ? offset < limit : offset >= 1 + limit;
}

/** The k best floats, the best first, NaN last. Of equal ones the first in the input are taken. */
function pickOrdered(call: AggregateCall, group: readonly PromSeries[], point: number, k: number, isBetter: (a: number, b: number) => boolean): PromSeries[] {
  const count = Math.min(Math.trunc(k), group.length);
  if (count < 1) return [];
  const heap = new WorstFirstHeap(point, isBetter);
  for (const series of group) {
    if (series.present[point] === noPoint) continue;
    if (series.present[point] === histogramPoint) call.context.annotations.histogramIgnored(call.expr.name, call.expr.position);
    else if (heap.items.length < count) heap.push(series);
    else heap.replaceWorst(series);
  }
  return heap.items.sort((a, b) => compareAt(a.values[point], b.values[point], isBetter));
}

function compareAt(left: number, right: number, isBetter: (a: number, b: number) => boolean): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  return isBetter(left, right) ? -1 : isBetter(right, left) ? 1 : 0;
}

/** A binary heap of series by their value at one point, the worst at its root; a NaN is worse than every number. */
class WorstFirstHeap {
  readonly items: PromSeries[] = [];
  readonly #point: number;
  readonly #isBetter: (a: number, b: number) => boolean;

  constructor(point: number, isBetter: (a: number, b: number) => boolean) {
    this.#point = point;
    this.#isBetter = isBetter;
  }

  push(series: PromSeries): void {
    this.items.push(series);
    let child = this.items.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isWorse(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Puts `series` in the place of the worst, if it is better. */
  replaceWorst(series: PromSeries): void {
    const worst = this.items[0].values[this.#point];
    const value = series.values[this.#point];
    if (!this.#isBetter(value, worst) && !(Number.isNaN(worst) && !Number.isNaN(value))) return;
    this.items[0] = series;
    let parent = 0;
    for (;;) {
      const left = parent * 2 + 1;
      if (left >= this.items.length) return;
      const child = left + 1 < this.items.length && this.#isWorse(left + 1, left) ? left + 1 : left;
      if (!this.#isWorse(child, parent)) return;
      this.#swap(child, parent);
      parent = child;
    }
  }

  #isWorse(index: number, other: number): boolean {
    const value = this.items[index].values[this.#point];
    return Number.isNaN(value) || this.#isBetter(this.items[other].values[this.#point], value);
  }

  #swap(index: number, other: number): void {
    [this.items[index], this.items[other]] = [this.items[other], this.items[index]];
  }
}
