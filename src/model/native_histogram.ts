/**
 * FloatHistogram: one native histogram as a value: a distribution of observations in buckets that need no configuration.
 *
 *   exponential (schema -4..8)  bucket i holds the observations in (base^(i-1), base^i], base = 2^(2^-schema), bucket -i those of the
 *                               other sign; the zero bucket holds what is within ±zeroThreshold
 *   custom (schema -53)         bucket i holds (customBounds[i-1], customBounds[i]], the first begins at -Inf and the last ends at +Inf
 *
 * Histograms are immutable; functions return new ones and may share columns with their arguments. Only buckets that are there have an
 * entry, and an entry may hold zero (compactHistogram removes those). Arithmetic is in histogram_arithmetic.ts, what can be estimated from a
 * histogram in histogram_estimates.ts, and the way it is stored in histogram_series.ts.
 */
import { assert } from "../base/assert.ts";

/** Whether a counter has been reset between the previous histogram and this one; "gauge" says that it is no counter. */
export type CounterResetHint = "unknown" | "reset" | "not_reset" | "gauge";

export const customBucketsSchema = -53;
export const minExponentialSchema = -4;
export const maxExponentialSchema = 8;

/** The buckets of one sign: `indexes` ascending, `counts` beside them. */
export interface BucketColumns {
  readonly indexes: Int32Array;
  readonly counts: Float64Array;
}

export interface FloatHistogram {
  readonly schema: number;
  readonly resetHint: CounterResetHint;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly positive: BucketColumns;
  readonly negative: BucketColumns;
  /** Upper bounds, ascending, without +Inf; empty for exponential schemas. */
  readonly customBounds: Float64Array;
  /** Came with whole numbers (arithmetic does not keep it). */
  readonly isInteger?: boolean;
}

export const noBuckets: BucketColumns = { indexes: new Int32Array(0), counts: new Float64Array(0) };
const noBounds = new Float64Array(0);

/** A histogram without observations. */
export const emptyHistogram: FloatHistogram = {
  schema: 0, resetHint: "unknown", zeroThreshold: 0, zeroCount: 0, count: 0, sum: 0, positive: noBuckets, negative: noBuckets, customBounds: noBounds,
};

/** Stands for the stale marker in a list of histograms; compare with ===. */
export const staleHistogram: FloatHistogram = { ...emptyHistogram, sum: NaN };

/** The empty histogram with the given fields. */
export function createHistogram(fields: Partial<FloatHistogram>): FloatHistogram {
  return { ...emptyHistogram, ...fields };
}

/** Buckets with consecutive indexes, the first at `firstIndex`. */
export function consecutiveBuckets(firstIndex: number, counts: ArrayLike<number>): BucketColumns {
  if (counts.length === 0) return noBuckets;
  return { indexes: Int32Array.from(counts, (_, i) => firstIndex + i), counts: Float64Array.from(counts) };
}

export function hasCustomBuckets(histogram: FloatHistogram): boolean {
  return histogram.schema === customBucketsSchema;
}

export function isExponentialSchema(schema: number): boolean {
  return schema >= minExponentialSchema && schema <= maxExponentialSchema;
}

// ---- bounds ----

/**
 * Bounds of schema 8 in [0.5, 1): 0.5 * 2^(i/256), computed by products of square roots of 2 because this gives bit for bit the numbers that
 * the Prometheus libraries have in a table. (Their square root of 2 is 2 * 0.7071067811865475, one bit below the nearest number.)
 */
const boundFractions: Float64Array = Float64Array.from({ length: 256 }, (_, index) => {
  let value = 0.5;
  let root = 2;
  for (let bit = 128; bit >= 1; bit >>= 1) {
    root = Math.sqrt(root);
    if ((index & bit) !== 0) value *= bit === 128 ? 2 * 0.7071067811865475 : root;
  }
  return value;
});

/** The upper bound of bucket `index` of an exponential schema. The last regular bucket ends at the greatest number, the one after it at +Inf. */
export function exponentialBound(index: number, schema: number): number {
  if (schema < 0) {
    const exponent = index * 2 ** -schema;
    return exponent === 1024 ? Number.MAX_VALUE : 2 ** exponent;
  }
  const perOctave = 1 << schema;
  const fraction = boundFractions[(index & (perOctave - 1)) << (8 - schema)];
  const exponent = (index >> schema) + 1;
  if (fraction === 0.5 && exponent === 1025) return Number.MAX_VALUE;
  // 2 ** 1024 is Infinity although the product may be a number.
  return exponent > 1023 ? fraction * 2 * 2 ** (exponent - 1) : fraction * 2 ** exponent;
}

/** The upper bound of positive bucket `index`; index -1 of custom buckets gives the lower bound of the first. */
export function upperBound(histogram: FloatHistogram, index: number): number {
  if (!hasCustomBuckets(histogram)) return exponentialBound(index, histogram.schema);
  const bounds = histogram.customBounds;
  if (index < 0) return -Infinity;
  return index >= bounds.length ? Infinity : bounds[index];
}

/** One bucket with its bounds. `index` is that of the column it comes from, 0 for the zero bucket. */
export interface Bucket {
  readonly index: number;
  readonly lower: number;
  readonly upper: number;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
  readonly count: number;
}

/** The bucket at `position` of the positive column, with its own bounds (see ascendingBuckets for those cut by the zero bucket). */
export function positiveBucket(histogram: FloatHistogram, position: number): Bucket {
  const index = histogram.positive.indexes[position];
  const lower = upperBound(histogram, index - 1);
  const upper = upperBound(histogram, index);
  const isFirstCustom = hasCustomBuckets(histogram) && index === 0;
  return { index, lower, upper, lowerInclusive: isFirstCustom, upperInclusive: true, count: histogram.positive.counts[position] };
}

/** The bucket at `position` of the negative column. */
export function negativeBucket(histogram: FloatHistogram, position: number): Bucket {
  const index = histogram.negative.indexes[position];
  const lower = -exponentialBound(index, histogram.schema);
  const upper = -exponentialBound(index - 1, histogram.schema);
  return { index, lower, upper, lowerInclusive: true, upperInclusive: false, count: histogram.negative.counts[position] };
}

/** The zero bucket, whatever it holds. Both bounds belong to it. */
export function zeroBucket(histogram: FloatHistogram): Bucket {
  const { zeroThreshold: limit, zeroCount: count } = histogram;
  return { index: 0, lower: -limit, upper: limit, lowerInclusive: true, upperInclusive: true, count };
}

/**
 * All buckets from the lowest to the highest: negative ones, the zero bucket if it holds something, positive ones. A bucket that overlaps with
 * the zero bucket begins or ends at the zero threshold.
 */
export function ascendingBuckets(histogram: FloatHistogram): Bucket[] {
  const buckets: Bucket[] = [];
  const limit = histogram.zeroThreshold;
  for (let i = histogram.negative.indexes.length - 1; i >= 0; i--) {
    const bucket = negativeBucket(histogram, i);
    buckets.push(bucket.upper < 0 && bucket.upper > -limit ? { ...bucket, upper: -limit } : bucket);
  }
  if (histogram.zeroCount > 0) buckets.push(zeroBucket(histogram));
  for (let i = 0; i < histogram.positive.indexes.length; i++) {
    const bucket = positiveBucket(histogram, i);
    buckets.push(bucket.lower > 0 && bucket.lower < limit ? { ...bucket, lower: limit } : bucket);
  }
  return buckets;
}

// ---- form ----

/** Runs of consecutive buckets: [distance from the end of the previous run, or the first index; how many], as Prometheus writes them. */
export function bucketSpans(buckets: BucketColumns): [offset: number, length: number][] {
  const spans: [number, number][] = [];
  let next = 0;
  for (const index of buckets.indexes) {
    if (spans.length > 0 && index === next) spans[spans.length - 1][1]++;
    else spans.push([index - next, 1]);
    next = index + 1;
  }
  return spans;
}

/** Buckets of spans and counts; the spans must need exactly `counts.length` buckets. */
export function bucketsOfSpans(spans: readonly (readonly [offset: number, length: number])[], counts: Float64Array): BucketColumns {
  const indexes = new Int32Array(counts.length);
  let position = 0;
  let index = 0;
  for (const [offset, length] of spans) {
    index += offset;
    for (let i = 0; i < length; i++) indexes[position++] = index++;
  }
  assert(position === counts.length);
  return { indexes, counts };
}

function compactBuckets(buckets: BucketColumns): BucketColumns {
  const { indexes, counts } = buckets;
  let kept = 0;
  for (const count of counts) if (count !== 0) kept++;
  if (kept === counts.length) return buckets;
  if (kept === 0) return noBuckets;
  const result = { indexes: new Int32Array(kept), counts: new Float64Array(kept) };
  let position = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    result.indexes[position] = indexes[i];
    result.counts[position++] = counts[i];
  }
  return result;
}

/** Without buckets that hold nothing. */
export function compactHistogram(histogram: FloatHistogram): FloatHistogram {
  const positive = compactBuckets(histogram.positive);
  const negative = compactBuckets(histogram.negative);
  return positive === histogram.positive && negative === histogram.negative ? histogram : { ...histogram, positive, negative };
}

function sameNumbers(left: ArrayLike<number>, right: ArrayLike<number>): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (!Object.is(left[i], right[i])) return false;
  return true;
}

function sameBuckets(left: BucketColumns, right: BucketColumns): boolean {
  return sameNumbers(left.indexes, right.indexes) && sameNumbers(left.counts, right.counts);
}

export function sameCustomBounds(left: FloatHistogram, right: FloatHistogram): boolean {
  return left.customBounds === right.customBounds || sameNumbers(left.customBounds, right.customBounds);
}

/** Equality of the data: NaN equals NaN, empty buckets do not count, nor does the reset hint. */
export function equalHistograms(left: FloatHistogram, right: FloatHistogram): boolean {
  if (left === right) return true;
  if (left === staleHistogram || right === staleHistogram) return false;
  if (left.schema !== right.schema || left.zeroThreshold !== right.zeroThreshold || !Object.is(left.zeroCount, right.zeroCount)) return false;
  if (!Object.is(left.count, right.count) || !Object.is(left.sum, right.sum) || !sameCustomBounds(left, right)) return false;
  return sameBuckets(compactBuckets(left.positive), compactBuckets(right.positive)) && sameBuckets(compactBuckets(left.negative), compactBuckets(right.negative));
}

// ---- resolution ----

/** Buckets of an exponential schema `levels` lower: adds up what falls into one of them. */
export function reduceBuckets(buckets: BucketColumns, levels: number): BucketColumns {
  const { indexes, counts } = buckets;
  const reducedIndexes = new Int32Array(indexes.length);
  const reducedCounts = new Float64Array(indexes.length);
  let last = -1;
  for (let i = 0; i < indexes.length; i++) {
    const index = ((indexes[i] - 1) >> levels) + 1;
    if (last < 0 || reducedIndexes[last] !== index) reducedIndexes[++last] = index;
    reducedCounts[last] += counts[i];
  }
  return { indexes: reducedIndexes.slice(0, last + 1), counts: reducedCounts.slice(0, last + 1) };
}

/** The same observations in the wider buckets of a lower (or the same) exponential schema. */
export function reduceResolution(histogram: FloatHistogram, schema: number): FloatHistogram {
  if (schema === histogram.schema) return histogram;
  assert(isExponentialSchema(schema) && isExponentialSchema(histogram.schema) && schema < histogram.schema);
  const levels = histogram.schema - schema;
  return { ...histogram, schema, positive: reduceBuckets(histogram.positive, levels), negative: reduceBuckets(histogram.negative, levels) };
}

// ---- form of the HTTP API ----

/** [boundary rule, lower bound, upper bound, count]; the rule is 0 for (lower, upper], 1 for [lower, upper), 2 for open, 3 for closed. */
export type ApiBucket = readonly [rule: number, lower: number, upper: number, count: number];

/** The buckets that hold something, as the Prometheus API lists them. */
export function apiBuckets(histogram: FloatHistogram): ApiBucket[] {
  const result: ApiBucket[] = [];
  for (const bucket of ascendingBuckets(histogram)) {
    if (bucket.count === 0) continue;
    const rule = bucket.lowerInclusive ? (bucket.upperInclusive ? 3 : 1) : bucket.upperInclusive ? 0 : 2;
    result.push([rule, bucket.lower, bucket.upper, bucket.count]);
  }
  return result;
}
