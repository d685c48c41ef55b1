/**
 * The aggregate functions: one row each. A row with an accumulator takes one series at a time, so that a rollup streams into it and memory
 * is bound by the number of groups; the others see all series of a group.
 */
import type { AggregateKernels } from "../kernel/aggregate.ts";
import { printNumber } from "../metricsql/number.ts";
import type { Labels } from "../model/labels.ts";
import type { AggregateCall } from "./aggregate_call.ts";
import type { Column } from "./column_pool.ts";
import { bucketsWithBounds } from "./histogram_functions.ts";
import { checkLimit } from "./limits.ts";
import { bucketIndexOf, bucketName } from "./log_buckets.ts";
import type { QueryContext } from "./query_context.ts";
import { quantileOfSorted } from "./range_functions.ts";
import { labelsKey, type Series, setLabel } from "./series.ts";

export interface AggregateFunction {
  /** Which arguments hold series: all of them, or one. */
  readonly seriesArg: "all" | "last" | number;
  readonly accumulator?: Accumulator;
  /** The series of one group to its results; columns may be changed and returned. */
  readonly evaluate?: (call: AggregateCall, group: readonly Series[], labels: Labels) => readonly Series[];
  /** Those of the series so far that may be in the result whatever comes after them. Others are forgotten, so memory is bound by the result. */
  readonly condense?: (call: AggregateCall, group: readonly Series[]) => ReadonlySet<Series>;
  /** The order of the result is kept when it is the outermost function. */
  readonly sortsResult?: boolean;
}

/** State columns of one group and what is done with them. */
export interface Accumulator {
  /** What the state columns (at most three) begin as. */
  readonly begin: readonly number[];
  readonly add: keyof Pick<
    AggregateKernels,
    "aggregateSum" | "aggregateSum2" | "aggregateProduct" | "aggregateCount" | "aggregateMin" | "aggregateMax" | "aggregateGroup" | "aggregateVariance"
  >;
  /** Turns the states into the result, which is one of them. */
  readonly finish: (context: QueryContext, states: readonly Column[]) => Column;
}

function masked(context: QueryContext, [values, counts]: readonly Column[]): Column {
  context.kernels.aggregateMask(values.byteOffset, counts.byteOffset, values.length);
  return values;
}

function divided(context: QueryContext, [values, counts]: readonly Column[]): Column {
  context.kernels.aggregateDivide(values.byteOffset, counts.byteOffset, values.length);
  return values;
}

function variance(context: QueryContext, [, squares, counts]: readonly Column[]): Column {
  return divided(context, [squares, counts]);
}

function accumulate(add: Accumulator["add"], begin: readonly number[], finish: Accumulator["finish"] = (_, states) => states[0]): AggregateFunction {
  return { seriesArg: "all", accumulator: { add, begin, finish } };
}

// ---- all series of a group at once ----

/** A kernel over the columns of a group, with one result. */
function overColumns(run: (call: AggregateCall, columns: number, count: number, scratch: number, target: Column) => void): AggregateFunction["evaluate"] {
  return (call, group, labels) => {
    const target = call.context.columns.allocate(call.grid.points);
    run(call, columnList(call, group), group.length, call.context.columns.reserve(group.length * 16), target);
    return [{ labels, values: target }];
  };
}

/** Addresses of the columns, in kernel memory. */
function columnList(call: AggregateCall, group: readonly Series[]): number {
  const pointer = call.context.columns.reserve(group.length * 4);
  const words = call.context.kernel.u32;
  for (let i = 0; i < group.length; i++) words[pointer / 4 + i] = group[i].values.byteOffset;
  return pointer;
}

function quantile(phis: (call: AggregateCall) => Column): AggregateFunction["evaluate"] {
  return overColumns((call, columns, count, scratch, target) => {
    call.context.kernels.aggregateQuantile(columns, count, target.length, phis(call).byteOffset, scratch, target.byteOffset);
  });
}

function quantiles(call: AggregateCall, group: readonly Series[], labels: Labels): readonly Series[] {
  const label = call.text(0);
  const columns = columnList(call, group);
  const scratch = call.context.columns.reserve(group.length * 8);
  return call.args.slice(1, -1).map((_, k) => {
    const phi = call.scalar(k + 1)[0];
    const target = call.context.columns.allocate(call.grid.points);
    const phis = call.context.filled(call.grid, phi);
    call.context.kernels.aggregateQuantile(columns, group.length, target.length, phis.byteOffset, scratch, target.byteOffset);
    return { labels: setLabel(labels, label, printNumber(phi)), values: target };
  });
}

function countValues(call: AggregateCall, group: readonly Series[], labels: Labels): readonly Series[] {
  const label = call.text(0);
  const byValue = new Map<number, Column>();
  for (const { values } of group) {
    for (let i = 0; i < values.length; i++) {
      const v = values[i];
      if (Number.isNaN(v)) continue;
      let counts = byValue.get(v);
      if (counts === undefined) {
        counts = call.context.filled(call.grid, NaN);
        byValue.set(v, counts);
        checkLimit("too_many_aggregates", "series made by count_values()", byValue.size, call.context.limits.aggregateSeriesMax, "search.maxSeriesPerAggrFunc");
      }
      counts[i] = Number.isNaN(counts[i]) ? 1 : counts[i] + 1;
    }
  }
  return [...byValue].map(([value, values]) => ({ labels: setLabel(labels, label, formatPlain(value)), values }));
}

/** A number without an exponent, as Go's FormatFloat(v, 'f', -1) gives it. */
function formatPlain(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const [mantissa, exponent] = String(Math.abs(value)).split("e");
  if (exponent === undefined) return String(value);
  const [whole, fraction = ""] = mantissa.split(".");
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const sign = value < 0 ? "-" : "";
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return sign + digits.padEnd(point, "0");
}

/** The k greatest (or least) values of each point; series come in the order of their last values. */
function topk(sign: 1 | -1): AggregateFunction {
  const rankOf = (call: AggregateCall, series: Series): number => call.ranks.get(series) ?? series.values[series.values.length - 1] * sign;
  return {
    seriesArg: 1,
    sortsResult: true,
    evaluate: (call, group) => {
      const ranked = rank(group, (series) => rankOf(call, series));
      keepTop(call, group, sign);
      return ranked.filter((series) => !call.context.isEmpty(series.values));
    },
    condense: (call, group) => {
      for (const series of group) call.ranks.set(series, rankOf(call, series));
      keepTop(call, group, sign);
      const left = new Set(group.filter((series) => !call.context.isEmpty(series.values)));
      for (const series of group) if (!left.has(series)) call.ranks.delete(series);
      return left;
    },
  };
}

/** Empties the points of all but the k greatest (or least) values. */
function keepTop(call: AggregateCall, group: readonly Series[], sign: 1 | -1): void {
  const { columns, kernel, kernels } = call.context;
  // In powers of two, so that calls share columns.
  const size = 2 ** Math.ceil(Math.log2(group.length * 3 + 2));
  const scratch = columns.allocate(size);
  const list = scratch.byteOffset + group.length * 16;
  for (let i = 0; i < group.length; i++) kernel.u32[list / 4 + i] = group[i].values.byteOffset;
  kernels.aggregateTopk(list, group.length, call.grid.points, call.scalar(0).byteOffset, sign, scratch.byteOffset);
  columns.release(scratch);
}

/** In descending order, of equal ones the later first; series without a rank come last. */
function rank(group: readonly Series[], rankOf: (series: Series) => number): Series[] {
  const ranks = new Map(group.map((series) => [series, rankOf(series)]));
  const ascending = [...group].sort((a, b) => {
    const left = ranks.get(a) ?? NaN;
    const right = ranks.get(b) ?? NaN;
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(right)) - Number(Number.isNaN(left));
    return left === right ? 0 : left - right;
  });
  return ascending.reverse();
}

/** Whole series ranked over the range; a third argument names a label for the sum of the rest. */
function topkByRange(rankOf: (values: Column) => number, sign: 1 | -1): AggregateFunction {
  return {
    seriesArg: 1,
    sortsResult: true,
    evaluate: (call, group) => topkOfRanked(call, rank(group, (series) => rankOf(series.values) * sign), call.args.length > 2 ? call.text(2) : ""),
    condense: (call, group) => {
      // The sum of the rest takes all of them.
      if (call.args.length > 2) return new Set(group);
      const count = call.scalar(0).reduce((most, k) => (k > most ? k : most), 0);
      return new Set(rank(group, (series) => rankOf(series.values) * sign).slice(0, count));
    },
  };
}

function topkOfRanked(call: AggregateCall, ranked: readonly Series[], restLabel: string): readonly Series[] {
  const ks = call.scalar(0);
  const rest = restLabel === "" ? undefined : sumOfRest(call, ranked, ks, restLabel);
  ranked.forEach(({ values }, position) => {
    for (let i = 0; i < values.length; i++) if (!(position < Math.floor(ks[i]))) values[i] = NaN;
  });
  return (rest === undefined ? ranked : [rest, ...ranked]).filter((series) => !call.context.isEmpty(series.values));
}

/** The sum of all but the first k at each point, labelled `name=value` or `name=name`. */
function sumOfRest(call: AggregateCall, ranked: readonly Series[], ks: Column, restLabel: string): Series {
  const [name, value = name] = restLabel.split(/=(.*)/s, 2);
  const sum = call.context.filled(call.grid, NaN);
  ranked.forEach(({ values }, position) => {
    for (let i = 0; i < sum.length; i++) {
      if (position < Math.floor(ks[i]) || Number.isNaN(values[i])) continue;
      sum[i] = Number.isNaN(sum[i]) ? values[i] : sum[i] + values[i];
    }
  });
  return { labels: setLabel(call.groupLabels(ranked[0].labels), name, value), values: sum };
}

const present = (values: Column): Column => values.filter((v) => !Number.isNaN(v));
const rangeRanks = {
  avg: (values: Column): number => present(values).reduce((a, b) => a + b, 0) / present(values).length,
  last: (values: Column): number => present(values).at(-1) ?? NaN,
  max: (values: Column): number => present(values).reduce((a, b) => (b > a ? b : a), -Infinity),
  median: (values: Column): number => quantileOfSorted(present(values).sort(), 0.5),
  min: (values: Column): number => present(values).reduce((a, b) => (b < a ? b : a), Infinity),
};

/** Some series of each group, the same ones each time: chosen by a hash of their labels. */
function limitk(call: AggregateCall, group: readonly Series[]): readonly Series[] {
  const k = Math.max(0, Math.trunc(call.scalar(0)[0]) || 0);
  const hashes = new Map(group.map((series) => [series, hashText(labelsKey(series.labels))]));
  return [...group].sort((a, b) => (hashes.get(a) ?? 0) - (hashes.get(b) ?? 0)).slice(0, k);
}

/** FNV-1a of the UTF-16 units, finished so that near texts are far apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Calls `change` with the values of a group at each point; what it returns takes their place. */
function perPoint(group: readonly Series[], change: (values: number[]) => number[]): readonly Series[] {
  for (let i = 0; i < group[0].values.length; i++) {
    const changed = change(group.map((series) => series.values[i]));
    group.forEach((series, k) => (series.values[i] = changed[k]));
  }
  return group;
}

function share(_call: AggregateCall, group: readonly Series[]): readonly Series[] {
  return perPoint(group, (values) => {
    let sum = 0;
    for (const v of values) if (v >= 0) sum += v;
    return values.map((v) => (v >= 0 ? v / sum : NaN));
  });
}

function zscore(_call: AggregateCall, group: readonly Series[]): readonly Series[] {
  return perPoint(group, (values) => {
    let [mean, squares, count] = [0, 0, 0];
    for (const v of values) {
      if (Number.isNaN(v)) continue;
      count++;
      const next = mean + (v - mean) / count;
      squares += (v - mean) * (v - next);
      mean = next;
    }
    return values.map((v) => (v - mean) / Math.sqrt(squares / count));
  });
}

/** The series that leave what `fence` says at any point. */
function outliers(group: readonly Series[], fence: (sorted: number[], i: number) => readonly [low: number, high: number]): readonly Series[] {
  const kept = new Set<Series>();
  for (let i = 0; i < group[0].values.length; i++) {
    const [low, high] = fence(sortedAt(group, i), i);
    for (const series of group) if (series.values[i] < low || series.values[i] > high) kept.add(series);
  }
  return group.filter((series) => kept.has(series));
}

function sortedAt(group: readonly Series[], i: number): number[] {
  return group.map((series) => series.values[i]).filter((v) => !Number.isNaN(v)).sort((a, b) => a - b || 0);
}

function iqrFence(sorted: number[]): readonly [number, number] {
  const [low, high] = [quantileOfSorted(sorted, 0.25), quantileOfSorted(sorted, 0.75)];
  return [low - 1.5 * (high - low), high + 1.5 * (high - low)];
}

function madFence(sorted: number[], tolerance: number): readonly [number, number] {
  const median = quantileOfSorted(sorted, 0.5);
  const distances = sorted.map((v) => Math.abs(v - median)).sort((a, b) => a - b || 0);
  const most = quantileOfSorted(distances, 0.5) * tolerance;
  return [median - most, median + most];
}

/** The k series that are furthest from the median, by the sum of squared distances. */
function outliersk(call: AggregateCall, group: readonly Series[]): readonly Series[] {
  const medians = Array.from({ length: call.grid.points }, (_, i) => quantileOfSorted(sortedAt(group, i), 0.5));
  const distance = ({ values }: Series): number => values.reduce((sum, v, i) => sum + (v - medians[i]) ** 2, 0);
  return topkOfRanked(call, rank(group, distance), "");
}

/** How the values of a group are distributed at each point, as cumulative buckets. */
function histogram(call: AggregateCall, group: readonly Series[], labels: Labels): readonly Series[] {
  const byBucket = new Map<number, Column>();
  for (const { values } of group) {
    for (let i = 0; i < values.length; i++) {
      const bucket = bucketIndexOf(values[i]);
      if (bucket === undefined) continue;
      let counts = byBucket.get(bucket);
      if (counts === undefined) byBucket.set(bucket, (counts = call.context.filled(call.grid, 0)));
      counts[i]++;
    }
  }
  return bucketsWithBounds(call.context, [...byBucket].map(([bucket, values]) => ({ labels: setLabel(labels, "vmrange", bucketName(bucket)), values })));
}

export const aggregateFunctions: Readonly<Record<string, AggregateFunction>> = {
  any: { seriesArg: "all", evaluate: (_call, group) => group.slice(0, 1), condense: (_call, group) => new Set(group.slice(0, 1)) },
  avg: accumulate("aggregateSum", [0, 0], divided),
  bottomk: topk(-1),
  bottomk_avg: topkByRange(rangeRanks.avg, -1),
  bottomk_last: topkByRange(rangeRanks.last, -1),
  bottomk_max: topkByRange(rangeRanks.max, -1),
  bottomk_median: topkByRange(rangeRanks.median, -1),
  bottomk_min: topkByRange(rangeRanks.min, -1),
  count: accumulate("aggregateCount", [0], (context, [counts]) => masked(context, [counts, counts])),
  count_values: { seriesArg: 1, evaluate: countValues },
  distinct: {
    seriesArg: "all",
    evaluate: overColumns((call, columns, count, scratch, target) =>
      call.context.kernels.aggregateDistinct(columns, count, target.length, scratch, target.byteOffset)),
  },
  geomean: accumulate("aggregateProduct", [1, 0], (_, [products, counts]) => {
    for (let i = 0; i < products.length; i++) products[i] = counts[i] === 0 ? NaN : products[i] ** (1 / counts[i]);
    return products;
  }),
  group: accumulate("aggregateGroup", [NaN]),
  histogram: { seriesArg: "all", evaluate: histogram },
  limitk: { seriesArg: 1, sortsResult: true, evaluate: limitk, condense: (call, group) => new Set(limitk(call, group)) },
  mad: {
    seriesArg: "all",
    evaluate: overColumns((call, columns, count, scratch, target) =>
      call.context.kernels.aggregateMad(columns, count, target.length, scratch, target.byteOffset)),
  },
  max: accumulate("aggregateMax", [NaN]),
  median: { seriesArg: "all", evaluate: quantile((call) => call.context.filled(call.grid, 0.5)) },
  min: accumulate("aggregateMin", [NaN]),
  mode: {
    seriesArg: "all",
    evaluate: overColumns((call, columns, count, scratch, target) =>
      call.context.kernels.aggregateMode(columns, count, target.length, scratch, target.byteOffset)),
  },
  outliers_iqr: { seriesArg: 0, evaluate: (_call, group) => outliers(group, iqrFence) },
  outliers_mad: { seriesArg: 1, evaluate: (call, group) => outliers(group, (sorted, i) => madFence(sorted, call.scalar(0)[i])) },
  outliersk: { seriesArg: 1, sortsResult: true, evaluate: outliersk },
  quantile: { seriesArg: 1, evaluate: quantile((call) => call.scalar(0)) },
  quantiles: { seriesArg: "last", evaluate: quantiles },
  share: { seriesArg: "all", evaluate: share },
  stddev: accumulate("aggregateVariance", [0, 0, 0], (context, states) => {
    const values = variance(context, states);
    for (let i = 0; i < values.length; i++) values[i] = Math.sqrt(values[i]);
    return values;
  }),
  stdvar: accumulate("aggregateVariance", [0, 0, 0], variance),
  sum: accumulate("aggregateSum", [0, 0], masked),
  sum2: accumulate("aggregateSum2", [0, 0], masked),
  topk: topk(1),
  topk_avg: topkByRange(rangeRanks.avg, 1),
  topk_last: topkByRange(rangeRanks.last, 1),
  topk_max: topkByRange(rangeRanks.max, 1),
  topk_median: topkByRange(rangeRanks.median, 1),
  topk_min: topkByRange(rangeRanks.min, 1),
  zscore: { seriesArg: "all", evaluate: zscore },
};

/** The row of an aggregate function; undefined if it is not computed here. */
export function findAggregateFunction(name: string): AggregateFunction | undefined {
  return Object.hasOwn(aggregateFunctions, name) ? aggregateFunctions[name] : undefined;
}
