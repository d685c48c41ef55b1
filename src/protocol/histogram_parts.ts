/**
 * The parts of a native histogram as protobuf messages carry them (remote write and the exposition format have different field numbers for the
 * same things), and the checks that make a histogram of them: the ones of Prometheus, in its order.
 */
import { InputError } from "../base/errors.ts";
import {
  type BucketColumns, bucketsOfSpans, type CounterResetHint, createHistogram, customBucketsSchema, type FloatHistogram, isExponentialSchema, maxExponentialSchema,
  minExponentialSchema, noBuckets, reduceBuckets, reduceResolution,
} from "../model/native_histogram.ts";
import type { ProtobufReader } from "./protobuf_reader.ts";

/** Resolutions up to this one are understood, and brought down to the highest that is kept. */
const schemaMax = 52;

/** One sign: spans, and differences of whole counts or counts. */
export class BucketParts {
  readonly spans: [offset: number, length: number][] = [];
  readonly deltas: number[] = [];
  readonly counts: number[] = [];

  /** Reads a BucketSpan message. */
  addSpan(reader: ProtobufReader): void {
    let [offset, length] = [0, 0];
    while (reader.next()) {
      if (reader.field === 1) offset = reader.zigzag();
      else if (reader.field === 2) length = reader.unsigned();
    }
    this.spans.push([offset, length]);
  }
}

export class HistogramParts {
  isFloat = false;
  count = 0;
  sum = 0;
  schema = 0;
  zeroThreshold = 0;
  zeroCount = 0;
  resetHint: CounterResetHint = "unknown";
  readonly positive = new BucketParts();
  readonly negative = new BucketParts();
  readonly customBounds: number[] = [];

  /**
   * The histogram, with the resolution reduced until it has at most `bucketsMax` buckets that grow at least by `minBucketFactor`. Throws
   * InputError "invalid_histogram" with the reason.
   */
  build(bucketsMax: number, minBucketFactor = 0): FloatHistogram {
    const isCustom = this.schema === customBucketsSchema;
    if (!isCustom && !(this.schema >= minExponentialSchema && this.schema <= schemaMax)) throw invalid(`schema ${this.schema}; allowed: ${minExponentialSchema} to ${maxExponentialSchema}, or ${customBucketsSchema} for custom buckets`);
    if (isCustom) this.#checkCustom();
    const negative = this.#buckets(this.negative, "negative side");
    const positive = this.#buckets(this.positive, isCustom ? "custom buckets" : "positive side");
    if (!this.isFloat) this.#checkCount(total(positive) + total(negative) + this.zeroCount);
    const { count, sum, zeroThreshold, zeroCount, resetHint } = this;
    const fields = { count, sum, zeroThreshold, zeroCount, resetHint, positive, negative, ...(!this.isFloat && { isInteger: true }) };
    if (isCustom) {
      if (this.customBounds.length + 1 > bucketsMax) throw tooMany(this.customBounds.length + 1, bucketsMax);
      return createHistogram({ ...fields, schema: this.schema, customBounds: Float64Array.from(this.customBounds) });
    }
    return fitted(createHistogram(fields), this.schema, Math.min(maxExponentialSchema, schemaOfFactor(minBucketFactor)), bucketsMax);
  }

  #checkCustom(): void {
    const { customBounds: bounds, positive, negative } = this;
    if (bounds.some(Number.isNaN)) throw invalid("custom buckets: a bound is NaN");
    const at = bounds.findIndex((bound, i) => i > 0 && bound <= bounds[i - 1]);
    if (at > 0) throw invalid(`custom buckets: bound ${bounds[at]} comes after ${bounds[at - 1]}; bounds must ascend`);
    if (bounds.at(-1) === Infinity) throw invalid("custom buckets: the last bucket is up to +Inf anyway; it must not be a bound");
    if (negative.spans.length > 0 || negative.deltas.length > 0 || negative.counts.length > 0) throw invalid("custom buckets: there must be no negative buckets");
    if (this.zeroCount !== 0 || this.zeroThreshold !== 0) throw invalid("custom buckets: there must be no zero bucket");
    const used = positive.spans.reduce((sum, [offset, length]) => sum + offset + length, 0);
    if (positive.spans.some(([offset]) => offset < 0)) throw invalid("custom buckets: a span has a negative offset");
    if (used > bounds.length + 1) throw invalid(`custom buckets: ${bounds.length} bounds are not enough for spans of ${used} buckets`);
  }

  #buckets(parts: BucketParts, where: string): BucketColumns {
    const counts = this.isFloat ? Float64Array.from(parts.counts) : absoluteCounts(parts.deltas);
    let needed = 0;
    let index = 0;
    parts.spans.forEach(([offset, length], i) => {
      if (i > 0 && offset < 0) throw invalid(`${where}: span ${i + 1} has a negative offset, ${offset}`);
      needed += length;
      index += offset + length;
      if (Math.abs(index) > 2 ** 30) throw invalid(`${where}: bucket index ${index} is out of range`);
    });
    if (needed !== counts.length) throw invalid(`${where}: spans need ${needed} buckets, have ${counts.length}`);
    const at = counts.findIndex((count) => !(count >= 0));
    if (at >= 0) throw invalid(`${where}: bucket ${at + 1} has a count of ${counts[at]}`);
    return counts.length === 0 ? noBuckets : bucketsOfSpans(parts.spans, counts);
  }

  #checkCount(inBuckets: number): void {
    if (Number.isNaN(this.sum) ? inBuckets <= this.count : inBuckets === this.count) return;
    throw invalid(`${inBuckets} observations in the buckets, but a count of ${this.count}`);
  }
}

function invalid(reason: string): InputError {
  return new InputError("invalid_histogram", `invalid native histogram: ${reason}`);
}

function tooMany(count: number, bucketsMax: number): InputError {
  return invalid(`${count} buckets, more than -maxBucketsPerHistogram ${bucketsMax}`);
}

function absoluteCounts(deltas: readonly number[]): Float64Array {
  const counts = new Float64Array(deltas.length);
  let count = 0;
  deltas.forEach((delta, i) => (counts[i] = count += delta));
  return counts;
}

function total(buckets: BucketColumns): number {
  return buckets.counts.reduce((sum, count) => sum + count, 0);
}

/** The highest resolution in which buckets grow by `factor` at least. */
function schemaOfFactor(factor: number): number {
  if (factor <= 1) return maxExponentialSchema;
  return Math.max(minExponentialSchema, Math.min(maxExponentialSchema, -Math.floor(Math.log2(Math.log2(factor)))));
}

/** `histogram`, whose buckets are of `schema`, in the highest resolution up to `allowed` that has at most `bucketsMax` buckets. */
function fitted(histogram: FloatHistogram, schema: number, allowed: number, bucketsMax: number): FloatHistogram {
  const levels = Math.max(0, schema - allowed);
  let fit: FloatHistogram = { ...histogram, schema: schema - levels };
  if (levels > 0) fit = { ...fit, positive: reduceBuckets(histogram.positive, Math.min(levels, 31)), negative: reduceBuckets(histogram.negative, Math.min(levels, 31)) };
  const count = (): number => fit.positive.indexes.length + fit.negative.indexes.length;
  while (count() > bucketsMax && isExponentialSchema(fit.schema - 1)) fit = reduceResolution(fit, fit.schema - 1);
  if (count() > bucketsMax) throw tooMany(count(), bucketsMax);
  return fit;
}
