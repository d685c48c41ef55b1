/** The histogram_* functions. What classic histograms (series with `le`) and native ones give stands in one answer. */
import {
  histogramAverage, histogramDeviation, histogramFraction, histogramQuantile, histogramVariance,
} from "../model/histogram_estimates.ts";
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import { dropLabel, labelsKey, setLabel } from "../query/series.ts";
import { type Call, scalarArg, stringArg, vectorArg, vectorOf } from "./call.ts";
import { bucketFraction, bucketQuantile, type ClassicBucket } from "./classic_histogram.ts";
import { placeOf } from "./expression.ts";
import { formatOpenMetrics, parseGoFloat } from "./go_format.ts";
import { mergeSameLabels, metricNameOf, withoutMetadata } from "./series_labels.ts";
import { floatPoint, histogramAt, histogramPoint, noPoint, type PromSeries, type PromValue, SeriesBuilder } from "./vector.ts";

const bucketLabel = "le";

// ---- of native histograms only ----

const histogramNumbers: Readonly<Record<string, (histogram: FloatHistogram) => number>> = {
  histogram_avg: histogramAverage,
  histogram_count: ({ count }) => count,
  histogram_stddev: histogramDeviation,
  histogram_stdvar: histogramVariance,
  histogram_sum: ({ sum }) => sum,
};

/** The rows of the functions that compute a number from a native histogram. */
export const histogramNumberCalls: ReadonlyMap<string, (call: Call) => PromValue> = new Map(
  Object.entries(histogramNumbers).map(([name, compute]) => [name, (call: Call) => mapHistograms(call, compute)] as const),
);

function mapHistograms(call: Call, compute: (histogram: FloatHistogram) => number): PromValue {
  const { context, grid } = call;
  const result: PromSeries[] = [];
  for (const series of vectorArg(call, 0)) {
    if (series.histograms === undefined) continue;
    context.countColumns(1, grid.points);
    const labels = context.delaysNameRemoval ? series.labels : dropLabel(series.labels, metricNameLabel);
    const target = new SeriesBuilder(labels, grid.points, true);
    for (let point = 0; point < grid.points; point++) {
      const histogram = histogramAt(series, point);
      if (histogram !== undefined) target.setFloat(point, compute(histogram));
    }
    if (!target.isEmpty) result.push(target);
  }
  return vectorOf(mergeSameLabels(result));
}

// ---- of both kinds ----

/** A histogram of the input: series by bound, or a native one. */
interface HistogramSource {
  /** Without the bucket label. */
  readonly labels: Labels;
  readonly buckets: { readonly bound: number; readonly series: PromSeries }[];
  native: PromSeries | undefined;
}

/** What is computed of a histogram at one point. `position` is that of the vector in the query. */
interface Estimate {
  readonly ofNative: (histogram: FloatHistogram, point: number, metricName: string) => number;
  readonly ofClassic: (buckets: readonly ClassicBucket[], point: number, metricName: string) => number;
}

/** histogram_quantile(phi, v). */
export function quantileOfHistograms(call: Call): PromValue {
  const phis = scalarArg(call, 0);
  checkQuantiles(call, 0, phis);
  const sources = histogramSources(call, 1);
  return vectorOf(mergeSameLabels(estimate(call, 1, sources, quantileEstimate(call, 1, phis))));
}

/** histogram_quantiles(v, "label", phi...): one series for each phi. */
export function quantilesOfHistograms(call: Call): PromValue {
  const label = stringArg(call, 1);
  const indexes = call.args.slice(2).map((_, i) => i + 2);
  for (const index of indexes) checkQuantiles(call, index, scalarArg(call, index));
  const sources = histogramSources(call, 0);
  const all = indexes.flatMap((index) => {
    const phis = scalarArg(call, index);
    return splitByPhi(call, sources, phis, label);
  });
  return vectorOf(mergeSameLabels(all));
}

/** A phi may vary from point to point, and its label with it. */
function splitByPhi(call: Call, sources: readonly HistogramSource[], phis: Float64Array, label: string): PromSeries[] {
  const all = estimate(call, 0, sources, quantileEstimate(call, 0, phis));
  return all.flatMap((series) =>
    [...new Set(phis)].map((phi): PromSeries => {
      const present = series.present.map((kind, point) => (Object.is(phis[point], phi) ? kind : noPoint));
      return { ...series, present, labels: setLabel(series.labels, label, formatOpenMetrics(phi)) };
    }).filter(({ present }) => present.includes(floatPoint)),
  );
}

function quantileEstimate({ context, grid, expr }: Call, vectorIndex: number, phis: Float64Array): Estimate {
  const { annotations } = context;
  const position = placeOf(expr.args[vectorIndex]);
  return {
    ofNative: (histogram, point, metricName) => {
      const value = histogramQuantile(phis[point], histogram);
      if (hasNaNObservations(histogram) && phis[point] >= 0 && phis[point] <= 1) {
        if (Number.isNaN(value)) annotations.quantileIsNaN(metricName, position);
        else annotations.quantileIsSkewed(metricName, position);
      }
      return value;
    },
    ofClassic: (buckets, point, metricName) => {
      const { value, forced } = bucketQuantile(phis[point], buckets);
      if (forced !== undefined) {
        const timeMs = grid.startMs + point * grid.stepMs;
        annotations.forcedMonotonicity(metricName, timeMs, forced.minBucket, forced.maxBucket, forced.maxDiff, position);
      }
      return value;
    },
  };
}

/** histogram_fraction(lower, upper, v). */
export function fractionOfHistograms(call: Call): PromValue {
  const [lowers, uppers] = [scalarArg(call, 0), scalarArg(call, 1)];
  const position = placeOf(call.expr.args[2]);
  const fractions: Estimate = {
    ofNative: (histogram, point, metricName) => {
      if (hasNaNObservations(histogram) && lowers[point] < uppers[point]) call.context.annotations.fractionExcludesNaN(metricName, position);
      return histogramFraction(lowers[point], uppers[point], histogram);
    },
    ofClassic: (buckets, point) => bucketFraction(lowers[point], uppers[point], buckets),
  };
  return vectorOf(mergeSameLabels(estimate(call, 2, histogramSources(call, 2), fractions)));
}

/** Whether some observations are in no bucket: those of NaN. */
function hasNaNObservations({ sum, count, zeroCount, positive, negative }: FloatHistogram): boolean {
  if (!Number.isNaN(sum) || count === 0) return false;
  let inBuckets = zeroCount;
  for (const some of positive.counts) inBuckets += some;
  for (const some of negative.counts) inBuckets += some;
  return inBuckets < count;
}

function checkQuantiles(call: Call, index: number, phis: Float64Array): void {
  const position = placeOf(call.expr.args[index]);
  for (const phi of new Set(phis)) if (!(phi >= 0 && phi <= 1)) call.context.annotations.invalidQuantile(phi, position);
}

/** The histograms of an argument; buckets are sorted by their bounds. Series that are no histogram are reported. */
function histogramSources(call: Call, index: number): HistogramSource[] {
  const sources = new Map<string, HistogramSource>();
  const sourceOf = (labels: Labels): HistogramSource => {
    const key = labelsKey(labels);
    let source = sources.get(key);
    if (source === undefined) sources.set(key, (source = { labels, buckets: [], native: undefined }));
    return source;
  };
  for (const series of vectorArg(call, index)) {
    if (series.histograms !== undefined) sourceOf(series.labels).native = series;
    if (!series.present.includes(floatPoint)) continue;
    const text = labelValue(series.labels, bucketLabel);
    const bound = parseGoFloat(text);
    if (bound === undefined) call.context.annotations.badBucketLabel(reportedName(call, series.labels), text, placeOf(call.expr.args[index]));
    else sourceOf(dropLabel(series.labels, bucketLabel)).buckets.push({ bound, series });
  }
  for (const { buckets } of sources.values()) buckets.sort((left, right) => left.bound - right.bound);
  return [...sources.values()];
}

/** Names that are dropped early are not known to annotations. */
function reportedName(call: Call, labels: Labels): string {
  return call.context.delaysNameRemoval ? metricNameOf(labels) : "";
}

function estimate(call: Call, index: number, sources: readonly HistogramSource[], { ofNative, ofClassic }: Estimate): PromSeries[] {
  const { context, grid } = call;
  const result: PromSeries[] = [];
  for (const source of sources) {
    context.countColumns(1, grid.points);
    const metricName = reportedName(call, source.labels);
    const labels = context.delaysNameRemoval ? source.labels : withoutMetadata(source.labels);
    const target = new SeriesBuilder(labels, grid.points, true);
    for (let point = 0; point < grid.points; point++) {
      const histogram = source.native?.present[point] === histogramPoint ? histogramAt(source.native, point) : undefined;
      const buckets = bucketsAt(source, point);
      if (histogram !== undefined && buckets.length > 0) context.annotations.mixedClassicAndNative(metricName, placeOf(call.expr.args[index]));
      else if (histogram !== undefined) target.setFloat(point, ofNative(histogram, point, metricName));
      else if (buckets.length > 0) target.setFloat(point, ofClassic(buckets, point, metricName));
    }
    if (!target.isEmpty) result.push(target);
  }
  return result;
}

function bucketsAt({ buckets }: HistogramSource, point: number): ClassicBucket[] {
  const some: ClassicBucket[] = [];
  for (const { bound, series } of buckets) if (series.present[point] === floatPoint) some.push({ bound, count: series.values[point] });
  return some;
}
