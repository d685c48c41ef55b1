/** What aggregates that make one series of each group do with the series of a group: sum, avg, count, min, max, group, stddev, stdvar, quantile. */
import type { AggregateExpr } from "../metricsql/ast.ts";
import { HistogramSum } from "../model/histogram_arithmetic.ts";
import { compactHistogram, type FloatHistogram } from "../model/native_histogram.ts";
import type { PromContext } from "./context.ts";
import { HistogramMean } from "./histogram_mean.ts";
import { compensated } from "./kahan.ts";
import { quantileOf } from "./quantile.ts";
import { metricNameOf } from "./series_labels.ts";
import { floatPoint, histogramAt, noPoint, type PromSeries, type SeriesBuilder } from "./vector.ts";

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

/** Takes the series of one group, one after the other, into the columns of `target`. Floats are not held after the call. */
export interface Accumulator {
  add(series: PromSeries): void;
  /** To be called once, when all series have been added. */
  finish(): void;
}

/** The rows of all such aggregates, by name. */
export const accumulators: Readonly<Record<string, (call: AggregateCall, target: SeriesBuilder) => Accumulator>> = {
  sum: (call, target) => new Sums(call, target, new FloatSums(target), (first) => new HistogramTotal(first)),
  avg: (call, target) => new Sums(call, target, new FloatAverages(target), (first) => new HistogramMean(first)),
  count: (_call, target) => new Counts(target, (count) => count + 1),
  group: (_call, target) => new Counts(target, () => 1),
  min: (call, target) => new Extremes(call, target, (value, best) => best > value),
  max: (call, target) => new Extremes(call, target, (value, best) => best < value),
  stdvar: (call, target) => new Variances(call, target, (variance) => variance),
  stddev: (call, target) => new Variances(call, target, Math.sqrt),
  quantile: (call, target) => new Quantiles(call, target),
};

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

/** Floats by an accumulator, histograms by adders; a point with both has no value. */
class Sums implements Accumulator {
  readonly #call: AggregateCall;
  readonly #target: SeriesBuilder;
  readonly #floats: Accumulator;
  readonly #adderOf: (first: FloatHistogram) => HistogramAdder;
  readonly #withHistograms: PromSeries[] = [];

  constructor(call: AggregateCall, target: SeriesBuilder, floats: Accumulator, adderOf: (first: FloatHistogram) => HistogramAdder) {
    this.#call = call;
    this.#target = target;
    this.#floats = floats;
    this.#adderOf = adderOf;
  }

  add(series: PromSeries): void {
    this.#floats.add(series);
    if (series.histograms !== undefined) this.#withHistograms.push(series);
  }

  finish(): void {
    this.#floats.finish();
    if (this.#withHistograms.length === 0) return;
    const { annotations } = this.#call.context;
    for (let point = 0; point < this.#call.points; point++) {
      const total = this.#addAt(point);
      if (total === undefined) continue;
      if (this.#target.present[point] === floatPoint) {
        annotations.mixedFloatsAndHistogramsInAggregation(this.#call.position);
        this.#target.present[point] = noPoint;
      } else if (total !== "incompatible") {
        this.#target.setHistogram(point, compactHistogram(total));
      }
    }
  }

  #addAt(point: number): FloatHistogram | "incompatible" | undefined {
    const { context, position } = this.#call;
    let adder: HistogramAdder | undefined;
    const hints = new Set<string>();
    for (const series of this.#withHistograms) {
      const histogram = histogramAt(series, point);
      if (histogram === undefined) continue;
      hints.add(histogram.resetHint);
      if (adder === undefined) {
        adder = this.#adderOf(histogram);
        continue;
      }
      const step = adder.add(histogram);
      if (step === undefined) {
        context.annotations.mixedSchemas(metricNameOf(series.labels), position);
        return "incompatible";
      }
      if (step.boundsReconciled) context.annotations.reconciledBuckets("aggregation", position);
    }
    if (hints.has("reset") && hints.has("not_reset")) context.annotations.counterResetCollision("aggregation", position);
    return adder?.finish();
  }
}

class FloatSums implements Accumulator {
  readonly #target: SeriesBuilder;
  readonly #rests: Float64Array;

  constructor(target: SeriesBuilder) {
    this.#target = target;
    this.#rests = new Float64Array(target.values.length);
  }

  add({ values, present }: PromSeries): void {
    const { values: sums, present: hasSum } = this.#target;
    const rests = this.#rests;
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

  finish(): void {
    const { values } = this.#target;
    for (let point = 0; point < values.length; point++) values[point] += this.#rests[point];
  }
}

/** Sum by count, or of means from where on the sum would overflow. */
class FloatAverages implements Accumulator {
  readonly #target: SeriesBuilder;
  readonly #rests: Float64Array;
  readonly #counts: Float64Array;
  readonly #isOverflown: Uint8Array;

  constructor(target: SeriesBuilder) {
    this.#target = target;
    this.#rests = new Float64Array(target.values.length);
    this.#counts = new Float64Array(target.values.length);
    this.#isOverflown = new Uint8Array(target.values.length);
  }

  add({ values, present }: PromSeries): void {
    const { values: sums, present: hasSum } = this.#target;
    const [rests, counts, isOverflown] = [this.#rests, this.#counts, this.#isOverflown];
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

  finish(): void {
    const { values: sums } = this.#target;
    for (let point = 0; point < sums.length; point++) {
      const count = this.#isOverflown[point] === 1 ? 1 : this.#counts[point];
      if (count > 0) sums[point] = sums[point] / count + this.#rests[point] / count;
    }
  }
}

// ---- others ----

/** Of floats and histograms alike. */
class Counts implements Accumulator {
  readonly #target: SeriesBuilder;
  readonly #next: (count: number) => number;

  constructor(target: SeriesBuilder, next: (count: number) => number) {
    this.#target = target;
    this.#next = next;
  }

  add({ present }: PromSeries): void {
    const { values, present: isCounted } = this.#target;
    for (let point = 0; point < values.length; point++) {
      if (present[point] === noPoint) continue;
      values[point] = this.#next(values[point]);
      isCounted[point] = floatPoint;
    }
  }

  finish(): void {}
}

/** Of floats; histograms are mentioned and left out. */
abstract class FloatAccumulator implements Accumulator {
  readonly #call: AggregateCall;

  constructor(call: AggregateCall) {
    this.#call = call;
  }

  add({ values, present }: PromSeries): void {
    for (let point = 0; point < present.length; point++) {
      if (present[point] === floatPoint) this.addFloat(values[point], point);
      else if (present[point] !== noPoint) this.#call.context.annotations.histogramIgnored(this.#call.expr.name, this.#call.position);
    }
  }

  abstract addFloat(value: number, point: number): void;
  abstract finish(): void;
}

class Extremes extends FloatAccumulator {
  readonly #target: SeriesBuilder;
  readonly #isBetter: (value: number, best: number) => boolean;

  constructor(call: AggregateCall, target: SeriesBuilder, isBetter: (value: number, best: number) => boolean) {
    super(call);
    this.#target = target;
    this.#isBetter = isBetter;
  }

  addFloat(value: number, point: number): void {
    const target = this.#target;
    const best = target.values[point];
    if (target.present[point] === noPoint || Number.isNaN(best) || this.#isBetter(value, best)) target.setFloat(point, value);
  }

  finish(): void {}
}

class Variances extends FloatAccumulator {
  readonly #target: SeriesBuilder;
  readonly #resultOf: (variance: number) => number;
  readonly #counts: Float64Array;
  readonly #means: Float64Array;

  constructor(call: AggregateCall, target: SeriesBuilder, resultOf: (variance: number) => number) {
    super(call);
    this.#target = target;
    this.#resultOf = resultOf;
    this.#counts = new Float64Array(call.points);
    this.#means = new Float64Array(call.points);
  }

  addFloat(value: number, point: number): void {
    const means = this.#means;
    const count = ++this.#counts[point];
    if (count === 1) {
      means[point] = value;
      this.#target.setFloat(point, Number.isFinite(value) ? 0 : NaN);
      return;
    }
    const difference = value - means[point];
    means[point] += difference / count;
    this.#target.values[point] += difference * (value - means[point]);
  }

  finish(): void {
    const { values } = this.#target;
    for (let point = 0; point < values.length; point++) values[point] = this.#resultOf(values[point] / this.#counts[point]);
  }
}

/** Has to keep all columns. */
class Quantiles extends FloatAccumulator {
  readonly #call: AggregateCall;
  readonly #target: SeriesBuilder;
  readonly #columns: { readonly values: Float64Array; readonly present: Uint8Array }[] = [];

  constructor(call: AggregateCall, target: SeriesBuilder) {
    super(call);
    this.#call = call;
    this.#target = target;
  }

  override add(series: PromSeries): void {
    this.#call.context.countColumns(1, this.#call.points);
    super.add(series);
    this.#columns.push({ values: series.values.slice(), present: series.present.slice() });
  }

  addFloat(): void {}

  finish(): void {
    const some = new Float64Array(this.#columns.length);
    for (let point = 0; point < this.#call.points; point++) {
      let count = 0;
      for (const { values, present } of this.#columns) if (present[point] === floatPoint) some[count++] = values[point];
      if (count > 0) this.#target.setFloat(point, quantileOf(this.#call.parameter?.[point] ?? NaN, some, 0, count));
    }
  }
}
