/**
 * Values of PromQL expressions as columns: what an expression is at each point of a grid.
 *
 * NaN is a value like any other, so whether a series has a point is told by a column of its own. A point is a float or a native
 * histogram, never both.
 */
import type { Labels } from "../model/labels.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";

/** What `PromSeries.present` says of a point. */
export const noPoint = 0;
export const floatPoint = 1;
export const histogramPoint = 2;

/** One series on the grid. Immutable once an operator has handed it on, because several may hold it. */
export interface PromSeries {
  readonly labels: Labels;
  /** By point; meaningless where `present` does not say float. */
  readonly values: Float64Array;
  readonly present: Uint8Array;
  /** By point; undefined if the series has no histogram at all. */
  readonly histograms: (FloatHistogram | undefined)[] | undefined;
  /** The metric name is to be left out of the answer (only with names that are dropped at the end). */
  readonly dropsName: boolean;
}

export type PromValue =
  | { readonly kind: "scalar"; readonly values: Float64Array }
  | { readonly kind: "vector"; readonly series: readonly PromSeries[] }
  | { readonly kind: "string"; readonly text: string };

/** A series in the making. */
export class SeriesBuilder {
  labels: Labels;
  readonly values: Float64Array;
  readonly present: Uint8Array;
  histograms: (FloatHistogram | undefined)[] | undefined = undefined;
  dropsName: boolean;

  constructor(labels: Labels, points: number, dropsName = false) {
    this.labels = labels;
    this.values = new Float64Array(points);
    this.present = new Uint8Array(points);
    this.dropsName = dropsName;
  }

  setFloat(point: number, value: number): void {
    this.values[point] = value;
    this.present[point] = floatPoint;
  }

  setHistogram(point: number, histogram: FloatHistogram): void {
    this.histograms ??= Array.from({ length: this.present.length }, () => undefined);
    this.histograms[point] = histogram;
    this.present[point] = histogramPoint;
  }

  /** Copies a point of another series. */
  copyPoint(point: number, source: PromSeries): void {
    const histogram = source.histograms?.[point];
    if (source.present[point] === histogramPoint && histogram !== undefined) this.setHistogram(point, histogram);
    else this.setFloat(point, source.values[point]);
  }

  get isEmpty(): boolean {
    return isEmptyColumn(this.present);
  }
}

export function isEmptyColumn(present: Uint8Array): boolean {
  for (let point = 0; point < present.length; point++) if (present[point] !== noPoint) return false;
  return true;
}

/** The histogram at a point, if there is one. */
export function histogramAt(series: PromSeries, point: number): FloatHistogram | undefined {
  return series.present[point] === histogramPoint ? series.histograms?.[point] : undefined;
}

/** A series of a single value at all points. */
export function constantSeries(labels: Labels, points: number, value: number): PromSeries {
  return {
    labels, values: new Float64Array(points).fill(value), present: new Uint8Array(points).fill(floatPoint), histograms: undefined, dropsName: false,
  };
}

/** The one point of `series` at each of `points` points. */
export function repeatedSeries(series: PromSeries, points: number): PromSeries {
  return {
    labels: series.labels,
    values: new Float64Array(points).fill(series.values[0]),
    present: new Uint8Array(points).fill(series.present[0]),
    histograms: series.histograms === undefined ? undefined : Array.from({ length: points }, () => series.histograms?.[0]),
    dropsName: series.dropsName,
  };
}

/** Bytes of a histogram without its buckets, and of one bucket. */
const bytesOfHistogram = 400;
const bytesOfBucket = 12;

/** About the memory that a column of histograms takes; one that is there several times in a row counts once. */
export function histogramBytes(histograms: readonly (FloatHistogram | undefined)[]): number {
  let bytes = 0;
  let previous: FloatHistogram | undefined;
  for (const histogram of histograms) {
    if (histogram !== undefined && histogram !== previous) bytes += bytesOfHistogram + (histogram.positive.indexes.length + histogram.negative.indexes.length) * bytesOfBucket;
    previous = histogram;
  }
  return bytes;
}
