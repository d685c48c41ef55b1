/** Aggregates that make one series of each group: sum, avg, count, min, max, group, stddev, stdvar, quantile; and count_values. */
import { InputError } from "../base/errors.ts";
import { HistogramSum } from "../model/histogram_arithmetic.ts";
import { compactHistogram, type FloatHistogram } from "../model/native_histogram.ts";
import type { AggregateExpr } from "../metricsql/ast.ts";
import { labelsKey, setLabel } from "../query/series.ts";
import type { Annotations } from "./annotations.ts";
import type { PromContext } from "./context.ts";
import { formatPlain } from "./go_format.ts";
import { groupLabels, groupSeries, type SeriesGroup } from "./grouping.ts";
import { HistogramMean } from "./histogram_mean.ts";
import { printHistogram } from "./histogram_text.ts";
import { compensated } from "./kahan.ts";
import { quantileOf } from "./quantile.ts";
import { metricNameOf } from "./series_labels.ts";
import { floatPoint, histogramAt, noPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

/** One aggregation: what all groups share. */
export interface AggregateCall {
  readonly context: PromContext;
  readonly expr: AggregateExpr;
  /** The parameter by point, of quantile. */
  readonly parameter: Float64Array | undefined;
  /** Where the aggregated vector begins in the query. */
  readonly position: number;
  readonly points: number;
}

type AggregateFunction = (group: SeriesGroup, target: SeriesBuilder, call: AggregateCall) => void;

const aggregateFunctions: Readonly<Record<string, AggregateFunction>> = {
  sum: (group, target, call) => addUp(group, target, call, sumFloats, (first) => new HistogramTotal(first)),
  avg: (group, target, call) => addUp(group, target, call, averageFloats, (first) => new HistogramMean(first)),
  count: (group, target) => forEachPoint(group, (_series, point) => target.setFloat(point, target.values[point] + 1)),
  group: (group, target) => forEachPoint(group, (_series, point) => target.setFloat(point, 1)),
  min: (group, target, call) => extremes(group, target, call, (value, best) => best > value),
  max: (group, target, call) => extremes(group, target, call, (value, best) => best < value),
  stdvar: (group, target, call) => variances(group, target, call),
  stddev: (group, target, call) => {
    variances(group, target, call);
    target.values.forEach((value, point) => (target.values[point] = Math.sqrt(value)));
  },
  quantile: quantiles,
};

/** The series of the groups, empty ones left out. */
export function aggregate(call: AggregateCall, all: readonly PromSeries[]): PromSeries[] {
  const run = aggregateFunctions[call.expr.name];
  if (call.expr.name === "quantile") checkQuantiles(call);
  const result: PromSeries[] = [];
  for (const group of groupSeries(call.expr.grouping, all)) {
    call.context.countColumns(1, call.points);
    const target = new SeriesBuilder(group.labels, call.points, group.series.some(({ dropsName }) => dropsName));
    run(group, target, call);
    if (!target.isEmpty) result.push(target);
  }
  return result;
}

function forEachPoint(group: SeriesGroup, visit: (series: PromSeries, point: number) => void): void {
  for (const series of group.series) for (let point = 0; point < series.present.length; point++) if (series.present[point] !== noPoint) visit(series, point);
}

/** Visits floats; histograms are mentioned and left out. */
function forEachFloat(group: SeriesGroup, call: AggregateCall, visit: (value: number, point: number) => void): void {
  for (const { values, present } of group.series) {
    for (let point = 0; point < present.length; point++) {
      if (present[point] === floatPoint) visit(values[point], point);
      else if (present[point] !== noPoint) call.context.annotations.histogramIgnored(call.expr.name, call.position);
    }
  }
}

// ---- sums ----

/** Adds up histograms at one point. */
interface HistogramAdder {
  add(histogram: FloatHistogram): { readonly boundsReconciled: boolean } | undefined;
  finish(): FloatHistogram;
}

class HistogramTotal extends HistogramSum implements HistogramAdder {
  finish(): FloatHistogram {
    return this.total();
  }
}

/** Floats by `addFloats`, histograms by adders; a point with both has no value. */
function addUp(
  group: SeriesGroup, target: SeriesBuilder, call: AggregateCall,
  addFloats: (group: SeriesGroup, target: SeriesBuilder) => void, adderOf: (first: FloatHistogram) => HistogramAdder,
): void {
  addFloats(group, target);
  if (group.series.every(({ histograms }) => histograms === undefined)) return;
  const { annotations } = call.context;
  for (let point = 0; point < call.points; point++) {
    const total = addHistogramsAt(group, point, call, adderOf);
    if (total === undefined) continue;
    if (target.present[point] === floatPoint) {
      annotations.mixedFloatsAndHistogramsInAggregation(call.position);
      target.present[point] = noPoint;
    } else if (total !== "incompatible") {
      target.setHistogram(point, compactHistogram(total));
    }
  }
}

function addHistogramsAt(
  group: SeriesGroup, point: number, call: AggregateCall, adderOf: (first: FloatHistogram) => HistogramAdder,
): FloatHistogram | "incompatible" | undefined {
  let adder: HistogramAdder | undefined;
  const hints = new Set<string>();
  for (const series of group.series) {
    const histogram = histogramAt(series, point);
    if (histogram === undefined) continue;
    hints.add(histogram.resetHint);
    if (adder === undefined) {
      adder = adderOf(histogram);
      continue;
    }
    const step = adder.add(histogram);
    if (step === undefined) {
      call.context.annotations.mixedSchemas(metricNameOf(series.labels), call.position);
      return "incompatible";
    }
    if (step.boundsReconciled) call.context.annotations.reconciledBuckets("aggregation", call.position);
  }
  annotateHints(hints, call.context.annotations, call.position);
  return adder?.finish();
}

function annotateHints(hints: ReadonlySet<string>, annotations: Annotations, position: number): void {
  if (hints.has("reset") && hints.has("not_reset")) annotations.counterResetCollision("aggregation", position);
}

function sumFloats(group: SeriesGroup, target: SeriesBuilder): void {
  const { values: sums, present: hasSum } = target;
  const rests = new Float64Array(sums.length);
  for (const { values, present } of group.series) {
    for (let point = 0; point < sums.length; point++) {
      if (present[point] !== floatPoint) continue;
      const value = values[point];
      if (hasSum[point] === noPoint) {
        hasSum[point] = floatPoint;
        sums[point] = value;
      } else {
        rests[point] = compensated(value, sums[point], rests[point]);
        sums[point] += value;
      }
    }
  }
  for (let point = 0; point < sums.length; point++) sums[point] += rests[point];
}

/** Sum by count, or of means where the sum would overflow. */
function averageFloats(group: SeriesGroup, target: SeriesBuilder): void {
  const { values: sums, present: hasSum } = target;
  const rests = new Float64Array(sums.length);
  const counts = new Float64Array(sums.length);
  const isOverflown = new Uint8Array(sums.length);
  for (const { values, present } of group.series) {
    for (let point = 0; point < sums.length; point++) {
      if (present[point] !== floatPoint) continue;
      const value = values[point];
      const count = ++counts[point];
      if (count === 1) {
        hasSum[point] = floatPoint;
        sums[point] = value;
        continue;
      }
      if (isOverflown[point] === 0) {
        const total = sums[point] + value;
        if (total !== Infinity && total !== -Infinity) {
          rests[point] = compensated(value, sums[point], rests[point]);
          sums[point] = total;
          continue;
        }
        isOverflown[point] = 1;
        sums[point] /= count - 1;
        rests[point] /= count - 1;
      }
      const share = (count - 1) / count;
      rests[point] = compensated(value / count, share * sums[point], share * rests[point]);
      sums[point] = share * sums[point] + value / count;
    }
  }
  for (let point = 0; point < sums.length; point++) {
    if (counts[point] === 0) continue;
    sums[point] = isOverflown[point] === 1 ? sums[point] + rests[point] : sums[point] / counts[point] + rests[point] / counts[point];
  }
}

// ---- of floats only ----

function extremes(group: SeriesGroup, target: SeriesBuilder, call: AggregateCall, isBetter: (value: number, best: number) => boolean): void {
  forEachFloat(group, call, (value, point) => {
    const best = target.values[point];
    if (target.present[point] === noPoint || Number.isNaN(best) || isBetter(value, best)) target.setFloat(point, value);
  });
}

function variances(group: SeriesGroup, target: SeriesBuilder, call: AggregateCall): void {
  const counts = new Float64Array(call.points);
  const means = new Float64Array(call.points);
  forEachFloat(group, call, (value, point) => {
    const count = ++counts[point];
    if (count === 1) {
      means[point] = value;
      target.setFloat(point, Number.isFinite(value) ? 0 : NaN);
      return;
    }
    const difference = value - means[point];
    means[point] += difference / count;
    target.values[point] += difference * (value - means[point]);
  });
  for (let point = 0; point < call.points; point++) target.values[point] /= counts[point];
}

function quantiles(group: SeriesGroup, target: SeriesBuilder, call: AggregateCall): void {
  const values: number[][] = Array.from({ length: call.points }, () => []);
  forEachFloat(group, call, (value, point) => values[point].push(value));
  values.forEach((some, point) => {
    if (some.length > 0) target.setFloat(point, quantileOf(call.parameter?.[point] ?? NaN, some));
  });
}

function checkQuantiles({ parameter, context, expr }: AggregateCall): void {
  if (parameter === undefined) return;
  const position = expr.args[0].position;
  if (parameter.some(Number.isNaN)) context.annotations.invalidQuantile(NaN, position);
  const high = Math.max(...parameter.filter((phi) => phi > 1).subarray(0, 1000));
  const low = Math.min(...parameter.filter((phi) => phi < 0).subarray(0, 1000));
  if (high > 1) context.annotations.invalidQuantile(high, position);
  if (low < 0) context.annotations.invalidQuantile(low, position);
}

// ---- count_values ----

/** One series per group and value, with the value as label `name`. */
export function countValues(call: AggregateCall, name: string, all: readonly PromSeries[]): PromSeries[] {
  if (name === "" || !name.isWellFormed() || name.includes("\ufffd")) throw new InputError("bad_argument", `invalid label name ${name}`);
  const { grouping } = call.expr;
  const labelsOf = groupLabels(grouping?.op === "without" ? grouping : { op: "by", labels: [...(grouping?.labels ?? []), name] });
  const counts = new Map<string, SeriesBuilder>();
  for (const series of all) {
    const byValue = new Map<string, SeriesBuilder>();
    for (let point = 0; point < call.points; point++) {
      if (series.present[point] === noPoint) continue;
      const histogram = histogramAt(series, point);
      const text = histogram === undefined ? formatPlain(series.values[point]) : printHistogram(histogram);
      let target = byValue.get(text);
      if (target === undefined) {
        const labels = labelsOf(setLabel(series.labels, name, text));
        const key = labelsKey(labels);
        target = counts.get(key) ?? newColumn(call, labels);
        counts.set(key, target);
        byValue.set(text, target);
      }
      target.setFloat(point, target.values[point] + 1);
    }
  }
  return [...counts.values()];
}

function newColumn(call: AggregateCall, labels: SeriesBuilder["labels"]): SeriesBuilder {
  call.context.countColumns(1, call.points);
  return new SeriesBuilder(labels, call.points);
}
