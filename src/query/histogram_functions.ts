/**
 * Functions of histograms: buckets with a cumulative `le` label, or with a `vmrange="low...high"` label, which are turned into the former.
 */
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";
import type { QueryContext } from "./query_context.ts";
import { dropLabels, labelsKey, type Series, setLabel } from "./series.ts";
import type { TransformCall, TransformFunction } from "./transform_function.ts";

interface Bucket {
  readonly bound: number;
  readonly values: Column;
}

/** The buckets of one histogram in ascending order of their bounds. */
interface Histogram {
  /** Without name and `le`. */
  readonly labels: Labels;
  readonly buckets: Bucket[];
}

/** The bound that a label holds; undefined if it is no number. */
function parseBound(text: string): number | undefined {
  if (/^[-+]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (text.trim() === "" || text !== text.trim()) return undefined;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/** Groups buckets by their other labels; buckets with equal bounds are added up. */
function histogramsOf(vector: readonly Series[], mergesEqualBounds: boolean): Histogram[] {
  const histograms = new Map<string, Histogram>();
  for (const series of vector) {
    const bound = parseBound(labelValue(series.labels, "le"));
    if (bound === undefined) continue;
    const labels = dropLabels(series.labels, bucketLabels);
    const key = labelsKey(labels);
    const histogram = histograms.get(key);
    if (histogram === undefined) histograms.set(key, { labels, buckets: [{ bound, values: series.values }] });
    else histogram.buckets.push({ bound, values: series.values });
  }
  return [...histograms.values()].map(({ labels, buckets }) => {
    const sorted = buckets.sort((a, b) => a.bound - b.bound || 0);
    return { labels, buckets: mergesEqualBounds ? mergeEqualBounds(sorted) : sorted };
  });
}

const bucketLabels: ReadonlySet<string> = new Set([metricNameLabel, "le"]);

function mergeEqualBounds(sorted: readonly Bucket[]): Bucket[] {
  const merged: Bucket[] = [];
  for (const bucket of sorted) {
    const last = merged.at(-1);
    if (last === undefined || last.bound !== bucket.bound) merged.push(bucket);
    else for (let i = 0; i < last.values.length; i++) last.values[i] += bucket.values[i];
  }
  return merged;
}

/** The next bucket contains all before it: where it is lower or missing, it takes the value of the one before; the first ones count 0 where they are missing. */
function makeMonotone(buckets: readonly Bucket[], i: number): void {
  let before = Number.isNaN(buckets[0].values[i]) ? 0 : buckets[0].values[i];
  for (const { values } of buckets) {
    if (Number.isNaN(values[i]) || before > values[i]) values[i] = before;
    else before = values[i];
  }
}

/** A value and the bounds of the bucket it is in. */
type Estimate = readonly [value: number, lower: number, upper: number];

const noEstimate: Estimate = [NaN, NaN, NaN];

function quantileAt(buckets: readonly Bucket[], i: number, phi: number): Estimate {
  if (Number.isNaN(phi)) return noEstimate;
  makeMonotone(buckets, i);
  const total = buckets[buckets.length - 1].values[i];
  if (total === 0) return noEstimate;
  if (phi < 0) return [-Infinity, -Infinity, buckets[0].values[i]];
  if (phi > 1) return [Infinity, total, Infinity];
  const wanted = total * phi;
  let countBefore = 0;
  let boundBefore = 0;
  for (const { bound, values } of buckets) {
    const count = values[i];
    if (count <= 0) {
      boundBefore = bound;
      continue;
    }
    if (count < wanted) {
      countBefore = count;
      boundBefore = bound;
      continue;
    }
    if (!Number.isFinite(bound)) break;
    if (count === countBefore) return [boundBefore, boundBefore, count];
    return [boundBefore + ((bound - boundBefore) * (wanted - countBefore)) / (count - countBefore), boundBefore, bound];
  }
  const last = buckets.findLast((bucket) => Number.isFinite(bucket.bound))?.bound ?? NaN;
  return [last, last, Infinity];
}

/** The share of events up to `limit`. */
function shareAt(buckets: readonly Bucket[], i: number, limit: number): Estimate {
  if (Number.isNaN(limit)) return noEstimate;
  makeMonotone(buckets, i);
  if (limit < 0) return [0, 0, 0];
  if (limit === Infinity) return [1, 1, 1];
  const total = buckets[buckets.length - 1].values[i];
  let countBefore = 0;
  let boundBefore = 0;
  for (const { bound, values } of buckets) {
    const count = values[i];
    if (limit >= bound) {
      countBefore = count;
      boundBefore = bound;
      continue;
    }
    const lower = countBefore / total;
    if (bound === Infinity) return [lower, lower, 1];
    if (boundBefore === limit) return [lower, lower, lower];
    return [lower + (((count - countBefore) / total) * (limit - boundBefore)) / (bound - boundBefore), lower, count / total];
  }
  return [1, 1, 1];
}

/** One result per histogram, and with a bounds label two more for the bucket's bounds. */
function estimateEach(call: TransformCall, vector: readonly Series[], boundsLabel: string, at: (buckets: readonly Bucket[], i: number) => Estimate): Series[] {
  return histogramsOf(bucketsWithBounds(call.context, vector), true).flatMap(({ labels, buckets }) => {
    const columns = [0, 1, 2].map(() => call.context.columns.allocate(call.grid.points));
    for (let i = 0; i < call.grid.points; i++) at(buckets, i).forEach((value, k) => (columns[k][i] = value));
    if (boundsLabel === "") return [{ labels, values: columns[0] }];
    return [
      { labels, values: columns[0] },
      { labels: setLabel(labels, boundsLabel, "lower"), values: columns[1] },
      { labels: setLabel(labels, boundsLabel, "upper"), values: columns[2] },
    ];
  });
}

function boundsLabelOf(call: TransformCall): string {
  return call.args.length > 2 ? call.text(2) : "";
}

function histogramQuantile(call: TransformCall): readonly Series[] {
  const phis = call.scalar(0);
  return estimateEach(call, call.vector(1), boundsLabelOf(call), (buckets, i) => quantileAt(buckets, i, phis[i]));
}

function histogramQuantiles(call: TransformCall): readonly Series[] {
  const label = call.text(0);
  const last = call.args.length - 1;
  return call.args.slice(1, last).flatMap((_, k) => {
    const phi = call.scalar(k + 1)[0];
    const copy = call.vector(last).map((series) => ({ labels: series.labels, values: call.context.copied(series.values) }));
    const results = estimateEach(call, copy, "", (buckets, i) => quantileAt(buckets, i, phi));
    return results.map((series) => ({ labels: setLabel(series.labels, label, String(phi)), values: series.values }));
  });
}

function histogramShare(call: TransformCall): readonly Series[] {
  const limits = call.scalar(0);
  return estimateEach(call, call.vector(1), boundsLabelOf(call), (buckets, i) => shareAt(buckets, i, limits[i]));
}

function histogramFraction(call: TransformCall): readonly Series[] {
  const lows = call.scalar(0);
  const highs = call.scalar(1);
  if (lows[0] >= highs[0]) throw call.bad(`needs a lower bound below the upper one, found ${lows[0]} and ${highs[0]}`);
  return estimateEach(call, call.vector(2), "", (buckets, i) => [shareAt(buckets, i, highs[i])[0] - shareAt(buckets, i, lows[i])[0], NaN, NaN]);
}

/** Mean and mean square of the middles of the buckets, weighted by their events; the +Inf bucket does not count. */
function momentsAt(buckets: readonly Bucket[], i: number): { mean: number; meanSquare: number } {
  let [boundBefore, countBefore, sum, sumOfSquares, weights] = [0, 0, 0, 0, 0];
  for (const { bound, values } of buckets) {
    if (!Number.isFinite(bound)) continue;
    const middle = (bound + boundBefore) / 2;
    const weight = values[i] - countBefore;
    sum += middle * weight;
    sumOfSquares += middle * middle * weight;
    weights += weight;
    boundBefore = bound;
    countBefore = values[i];
  }
  return weights === 0 ? { mean: NaN, meanSquare: NaN } : { mean: sum / weights, meanSquare: sumOfSquares / weights };
}

function ofMoments(result: (moments: { mean: number; meanSquare: number }) => number): TransformFunction {
  return {
    evaluate: (call) => histogramsOf(bucketsWithBounds(call.context, call.vector(0)), false).map(({ labels, buckets }) => {
      const values = call.context.columns.allocate(call.grid.points);
      for (let i = 0; i < values.length; i++) values[i] = result(momentsAt(buckets, i));
      return { labels, values };
    }),
  };
}

const varianceOf = ({ mean, meanSquare }: { mean: number; meanSquare: number }): number => Math.max(0, meanSquare - mean * mean);

// ---- vmrange -> le ----

interface Range {
  readonly low: number;
  readonly high: number;
  readonly lowText: string;
  readonly highText: string;
  readonly values: Column;
}

/** Buckets with `le` as they are, those with `vmrange` turned into cumulative ones with `le`; anything else is left out. */
export function bucketsWithBounds(context: QueryContext, vector: readonly Series[]): Series[] {
  const result: Series[] = [];
  const groups = new Map<string, { labels: Labels; ranges: Range[] }>();
  for (const series of vector) {
    const text = labelValue(series.labels, "vmrange");
    if (text === "") {
      if (labelValue(series.labels, "le") !== "") result.push(series);
      continue;
    }
    const range = parseRange(text, series.values);
    if (range === undefined) continue;
    const labels = dropLabels(series.labels, rangeLabels);
    const key = labelsKey(labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, ranges: [range] });
    else group.ranges.push(range);
  }
  for (const { labels, ranges } of groups.values()) result.push(...cumulate(context, labels, ranges));
  return result;
}

const rangeLabels: ReadonlySet<string> = new Set(["le", "vmrange"]);

function parseRange(text: string, values: Column): Range | undefined {
  const at = text.indexOf("...");
  if (at < 0) return undefined;
  const [lowText, highText] = [text.slice(0, at), text.slice(at + 3)];
  const [low, high] = [parseBound(lowText), parseBound(highText)];
  return low === undefined || high === undefined ? undefined : { low, high, lowText, highText, values };
}

/** Cumulative buckets: an empty one at the lower end of every gap, one per range, and +Inf. */
function cumulate(context: QueryContext, labels: Labels, ranges: Range[]): Series[] {
  ranges.sort((a, b) => a.high - b.high || 0);
  const buckets: { text: string; values: Column }[] = [];
  const byText = new Map<string, Column>();
  let highBefore = 0;
  let last: Range | undefined;
  for (const range of ranges) {
    if (!range.values.some((v) => v > 0)) continue; // joined with the next that is not empty
    if (range.low !== highBefore && !byText.has(range.lowText)) {
      byText.set(range.lowText, range.values);
      buckets.push({ text: range.lowText, values: filledLike(context, range.values) });
    }
    const existing = byText.get(range.highText);
    if (existing === undefined) {
      byText.set(range.highText, range.values);
      buckets.push({ text: range.highText, values: range.values });
    } else mergeIfDisjoint(context, existing, range.values);
    highBefore = range.high;
    last = range;
  }
  if (last !== undefined && last.high !== Infinity) buckets.push({ text: "+Inf", values: filledLike(context, last.values) });
  addUp(buckets.map((bucket) => bucket.values));
  return buckets.map(({ text, values }) => ({ labels: setLabel(labels, "le", text), values }));
}

function filledLike(context: QueryContext, values: Column): Column {
  const column = context.columns.allocate(values.length);
  return column.fill(0);
}

/** Puts the values of a second bucket with the same bound into the first, if they overlap in at most two points. */
export function mergeIfDisjoint(context: QueryContext, target: Column, source: Column): boolean {
  const points = target.length;
  if (context.kernels.columnOverlap(target.byteOffset, source.byteOffset, points) > 2 || points <= 2) return false;
  context.kernels.columnFillGaps(source.byteOffset, target.byteOffset, target.byteOffset, points, 0);
  return true;
}

function addUp(columns: readonly Column[]): void {
  if (columns.length === 0) return;
  for (let i = 0; i < columns[0].length; i++) {
    let count = 0;
    for (const values of columns) {
      if (values[i] > 0) count += values[i];
      values[i] = count;
    }
  }
}

/**
 * Merges the least hit neighbours until at most `limit` (3 or more) buckets are left; the first and the last always stay, but for empty
 * buckets at both ends, which go first.
 */
function bucketsLimit(call: TransformCall): readonly Series[] {
  const limit = call.integer(0);
  if (!(limit > 0)) return [];
  const groups = new Map<string, { bound: number; hits: number; series: Series }[]>();
  for (const series of bucketsWithBounds(call.context, call.vector(1))) {
    const bound = parseBound(labelValue(series.labels, "le"));
    if (bound === undefined) continue;
    const key = labelsKey(setLabel(series.labels, "le", ""));
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push({ bound, hits: 0, series });
  }
  return [...groups.values()].flatMap((group) => limitBuckets(group, Math.max(3, limit)));
}

function limitBuckets(group: { bound: number; hits: number; series: Series }[], limit: number): Series[] {
  if (group.length <= limit) return group.map((bucket) => bucket.series);
  group.sort((a, b) => a.bound - b.bound || 0);
  for (let i = 0; i < group[0].series.values.length; i++) {
    let before = 0;
    for (const bucket of group) {
      bucket.hits += bucket.series.values[i] - before;
      before = bucket.series.values[i];
    }
  }
  while (group.length > limit && group[group.length - 1].hits === 0) group.pop();
  while (group.length > limit && group[0].hits === 0) group.shift();
  while (group.length > limit) {
    let least = 1;
    for (let i = 1; i + 2 < group.length; i++) {
      if (group[i].hits + group[i + 1].hits < group[least].hits + group[least + 1].hits) least = i;
    }
    group[least + 1].hits += group[least].hits;
    group.splice(least, 1);
  }
  return group.map((bucket) => bucket.series);
}

export const histogramFunctions: Readonly<Record<string, TransformFunction>> = {
  buckets_limit: { keepsMetricName: true, evaluate: bucketsLimit },
  histogram_avg: ofMoments(({ mean }) => mean),
  histogram_fraction: { evaluate: histogramFraction },
  histogram_quantile: { evaluate: histogramQuantile },
  histogram_quantiles: { evaluate: histogramQuantiles },
  histogram_share: { evaluate: histogramShare },
  histogram_stddev: ofMoments((moments) => Math.sqrt(varianceOf(moments))),
  histogram_stdvar: ofMoments(varianceOf),
  prometheus_buckets: { keepsMetricName: true, evaluate: (call) => bucketsWithBounds(call.context, call.vector(0)) },
};
