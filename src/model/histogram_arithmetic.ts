/**
 * Arithmetic of native histograms, as PromQL needs it. Two histograms are brought to a common form first: the lower of the two
 * resolutions, a zero bucket that holds both zero buckets, and for custom buckets the bounds that both have. Exponential and custom buckets
 * do not mix: then there is no result.
 */
import {
  type BucketColumns, type CounterResetHint, customBucketsSchema, exponentialBound, type FloatHistogram, hasCustomBuckets, negativeBucket, noBuckets,
  positiveBucket, reduceResolution, sameCustomBounds,
} from "./native_histogram.ts";

/** What came out, and what the user should be told. */
export interface HistogramResult {
  readonly histogram: FloatHistogram;
  /** One operand says that its counter was reset, the other that it was not. */
  readonly counterResetCollision: boolean;
  /** The custom bounds differed, and only the common ones were kept. */
  readonly boundsReconciled: boolean;
}

// ---- by numbers ----

function scaleBuckets(buckets: BucketColumns, scale: (count: number) => number): BucketColumns {
  return buckets.indexes.length === 0 ? buckets : { indexes: buckets.indexes, counts: buckets.counts.map(scale) };
}

function scaleHistogram(histogram: FloatHistogram, factor: number, scale: (count: number) => number): FloatHistogram {
  return {
    schema: histogram.schema,
    resetHint: factor < 0 ? "gauge" : histogram.resetHint,
    zeroThreshold: histogram.zeroThreshold,
    zeroCount: scale(histogram.zeroCount),
    count: scale(histogram.count),
    sum: scale(histogram.sum),
    positive: scaleBuckets(histogram.positive, scale),
    negative: scaleBuckets(histogram.negative, scale),
    customBounds: histogram.customBounds,
  };
}

/** All counts and the sum times `factor`. A negative factor makes a gauge of it. */
export function multiplyHistogram(histogram: FloatHistogram, factor: number): FloatHistogram {
  return scaleHistogram(histogram, factor, (count) => count * factor);
}

/** All counts and the sum by `divisor`. Division by zero removes the buckets. */
export function divideHistogram(histogram: FloatHistogram, divisor: number): FloatHistogram {
  const result = scaleHistogram(histogram, divisor, (count) => count / divisor);
  return divisor === 0 ? { ...result, positive: noBuckets, negative: noBuckets } : result;
}

export function negateHistogram(histogram: FloatHistogram): FloatHistogram {
  return multiplyHistogram(histogram, -1);
}

export function withResetHint(histogram: FloatHistogram, resetHint: CounterResetHint): FloatHistogram {
  return histogram.resetHint === resetHint ? histogram : { ...histogram, resetHint };
}

/** Whether a count or the sum has become infinite. */
export function hasOverflow(histogram: FloatHistogram): boolean {
  const isInfinite = (value: number): boolean => value === Infinity || value === -Infinity;
  if (isInfinite(histogram.zeroCount) || isInfinite(histogram.count) || isInfinite(histogram.sum)) return true;
  return histogram.positive.counts.some(isInfinite) || histogram.negative.counts.some(isInfinite);
}

// ---- zero buckets ----

/** Count and threshold of the zero bucket if it reached at least to `threshold`: further, if that is inside of a bucket that holds something. */
function zeroBucketFor(histogram: FloatHistogram, threshold: number): { count: number; threshold: number } {
  if (threshold === histogram.zeroThreshold) return { count: histogram.zeroCount, threshold };
  for (;;) {
    let count = histogram.zeroCount;
    for (let i = 0; i < histogram.positive.indexes.length; i++) {
      const bucket = positiveBucket(histogram, i);
      if (bucket.lower >= threshold) break;
      count += bucket.count;
      if (bucket.upper <= threshold) continue;
      if (bucket.count !== 0) threshold = bucket.upper;
      break;
    }
    const grown = negativeThreshold(histogram, threshold);
    if (grown === threshold) return { count: count + negativeCountWithin(histogram, threshold), threshold };
    threshold = grown;
  }
}

/** `threshold`, or the end of the negative bucket with observations that it is inside of. */
function negativeThreshold(histogram: FloatHistogram, threshold: number): number {
  for (let i = 0; i < histogram.negative.indexes.length; i++) {
    const bucket = negativeBucket(histogram, i);
    if (bucket.upper <= -threshold) break;
    if (bucket.lower < -threshold) return bucket.count === 0 ? threshold : -bucket.lower;
  }
  return threshold;
}

function negativeCountWithin(histogram: FloatHistogram, threshold: number): number {
  let count = 0;
  for (let i = 0; i < histogram.negative.indexes.length; i++) {
    const bucket = negativeBucket(histogram, i);
    if (bucket.upper <= -threshold) break;
    count += bucket.count;
  }
  return count;
}

/** Without the buckets within `threshold`, which must not be inside of a bucket with observations. */
function bucketsBeyond(buckets: BucketColumns, schema: number, threshold: number): BucketColumns {
  let from = 0;
  while (from < buckets.indexes.length && exponentialBound(buckets.indexes[from] - 1, schema) < threshold) from++;
  return from === 0 ? buckets : { indexes: buckets.indexes.subarray(from), counts: buckets.counts.subarray(from) };
}

/** `histogram` with a zero bucket of at least `threshold`. */
function widenZeroBucket(histogram: FloatHistogram, threshold: number): FloatHistogram {
  const zero = zeroBucketFor(histogram, threshold);
  if (zero.threshold === histogram.zeroThreshold) return histogram;
  return {
    ...histogram,
    zeroThreshold: zero.threshold,
    zeroCount: zero.count,
    positive: bucketsBeyond(histogram.positive, histogram.schema, zero.threshold),
    negative: bucketsBeyond(histogram.negative, histogram.schema, zero.threshold),
  };
}

function reconcileZeroBuckets(left: FloatHistogram, right: FloatHistogram): [FloatHistogram, FloatHistogram] {
  while (left.zeroThreshold !== right.zeroThreshold) {
    if (left.zeroThreshold > right.zeroThreshold) right = widenZeroBucket(right, left.zeroThreshold);
    else left = widenZeroBucket(left, right.zeroThreshold);
  }
  return [left, right];
}

// ---- custom bounds ----

/** The bounds that both have. */
function commonBounds(left: Float64Array, right: Float64Array): Float64Array {
  const bounds: number[] = [];
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    if (left[i] === right[j]) {
      bounds.push(left[i++]);
      j++;
    } else if (left[i] < right[j]) i++;
    else j++;
  }
  return Float64Array.from(bounds);
}

/** The same observations in the wider buckets between `bounds`, which `histogram` must have among its own. */
function reduceCustomBuckets(histogram: FloatHistogram, bounds: Float64Array): FloatHistogram {
  const counts = new Float64Array(bounds.length + 1);
  const seen = new Uint8Array(bounds.length + 1);
  let target = 0;
  for (let i = 0; i < histogram.positive.indexes.length; i++) {
    const index = histogram.positive.indexes[i];
    const upper = index < histogram.customBounds.length ? histogram.customBounds[index] : Infinity;
    while (target < bounds.length && bounds[target] < upper) target++;
    counts[target] += histogram.positive.counts[i];
    seen[target] = 1;
  }
  const indexes = Int32Array.from(seen.keys().filter((index) => seen[index] === 1));
  return { ...histogram, customBounds: bounds, positive: { indexes, counts: Float64Array.from(indexes, (index) => counts[index]) } };
}

// ---- common form ----

interface CommonForm {
  readonly left: FloatHistogram;
  readonly right: FloatHistogram;
  readonly boundsReconciled: boolean;
}

/** Both in a form that can be added up bucket by bucket; undefined if there is none. */
function commonForm(left: FloatHistogram, right: FloatHistogram): CommonForm | undefined {
  if (left.schema === customBucketsSchema && right.schema === customBucketsSchema) {
    if (sameCustomBounds(left, right)) return { left, right, boundsReconciled: false };
    const bounds = commonBounds(left.customBounds, right.customBounds);
    return { left: reduceCustomBuckets(left, bounds), right: reduceCustomBuckets(right, bounds), boundsReconciled: true };
  }
  if (hasCustomBuckets(left) || hasCustomBuckets(right)) return undefined;
  const [wideLeft, wideRight] = reconcileZeroBuckets(left, right);
  const schema = Math.min(left.schema, right.schema);
  return { left: reduceResolution(wideLeft, schema), right: reduceResolution(wideRight, schema), boundsReconciled: false };
}

/** The hint of a combination of both. */
function combinedHint(left: CounterResetHint, right: CounterResetHint): { hint: CounterResetHint; collision: boolean } {
  if (left === right) return { hint: left, collision: false };
  if (left === "gauge" || right === "gauge") return { hint: "gauge", collision: false };
  return { hint: "unknown", collision: left !== "unknown" && right !== "unknown" };
}

// ---- addition ----

/** The union of both columns of indexes. */
function unionIndexes(left: Int32Array, right: Int32Array): Int32Array {
  if (left.length === right.length && left.every((index, i) => index === right[i])) return left;
  const union = new Int32Array(left.length + right.length);
  let count = 0;
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    const next = j >= right.length || (i < left.length && left[i] <= right[j]) ? left[i] : right[j];
    if (i < left.length && left[i] === next) i++;
    if (j < right.length && right[j] === next) j++;
    union[count++] = next;
  }
  return union.slice(0, count);
}

/** `counts` of the buckets at `indexes`, spread over the larger column `union`. */
function spreadCounts(buckets: BucketColumns, union: Int32Array): Float64Array {
  const counts = new Float64Array(union.length);
  for (let i = 0, j = 0; i < buckets.indexes.length; j++) if (union[j] === buckets.indexes[i]) counts[j] = buckets.counts[i++];
  return counts;
}

function addBuckets(left: BucketColumns, right: BucketColumns, sign: number): BucketColumns {
  const indexes = unionIndexes(left.indexes, right.indexes);
  const counts = spreadCounts(left, indexes);
  const added = spreadCounts(right, indexes);
  for (let i = 0; i < counts.length; i++) counts[i] += sign * added[i];
  return { indexes, counts };
}

/** Without the buckets that end within the zero bucket: Prometheus leaves them out of what it adds. */
function visibleBuckets(buckets: BucketColumns, histogram: FloatHistogram): BucketColumns {
  if (hasCustomBuckets(histogram)) return buckets;
  let from = 0;
  while (from < buckets.indexes.length && exponentialBound(buckets.indexes[from], histogram.schema) <= histogram.zeroThreshold) from++;
  return from === 0 ? buckets : { indexes: buckets.indexes.subarray(from), counts: buckets.counts.subarray(from) };
}

function combine(left: FloatHistogram, right: FloatHistogram, sign: number): HistogramResult | undefined {
  const form = commonForm(left, right);
  if (form === undefined) return undefined;
  const { hint, collision } = combinedHint(left.resetHint, right.resetHint);
  const [a, b] = [form.left, form.right];
  const histogram: FloatHistogram = {
    schema: a.schema,
    resetHint: hint,
    zeroThreshold: a.zeroThreshold,
    zeroCount: a.zeroCount + sign * b.zeroCount,
    count: a.count + sign * b.count,
    sum: a.sum + sign * b.sum,
    positive: addBuckets(a.positive, visibleBuckets(b.positive, b), sign),
    negative: addBuckets(a.negative, visibleBuckets(b.negative, b), sign),
    customBounds: a.customBounds,
  };
  return { histogram, counterResetCollision: collision, boundsReconciled: form.boundsReconciled };
}

/** The sum of both; undefined if one has exponential and the other custom buckets. May hold empty buckets. */
export function addHistograms(left: FloatHistogram, right: FloatHistogram): HistogramResult | undefined {
  return combine(left, right, 1);
}

/** `left` without `right`; as addHistograms. PromQL marks the difference of two histograms as a gauge, which is up to the caller. */
export function subtractHistograms(left: FloatHistogram, right: FloatHistogram): HistogramResult | undefined {
  return combine(left, right, -1);
}

// ---- compensated sums ----

/**
 * A sum of many histograms with Kahan's compensation (in Neumaier's variant) in every number, as sum, avg and their _over_time forms need it.
 * The two parts may be scaled together, which the incremental mean does.
 */
export class HistogramSum {
  #sum: FloatHistogram;
  #rest: FloatHistogram;

  constructor(first: FloatHistogram) {
    this.#sum = first;
    this.#rest = multiplyHistogram(first, 0);
    this.#rest = { ...this.#rest, sum: 0, count: 0, zeroCount: 0, positive: zeroed(first.positive), negative: zeroed(first.negative) };
  }

  /** Without the compensation; its hint is that of the sum so far. */
  get uncompensated(): FloatHistogram {
    return this.#sum;
  }

  /** Adds `histogram`; undefined if the buckets do not fit, and the sum is unchanged. */
  add(histogram: FloatHistogram): { counterResetCollision: boolean; boundsReconciled: boolean } | undefined {
    const form = commonForm(this.#sum, histogram);
    if (form === undefined) return undefined;
    const rest = commonForm(this.#rest, form.left)?.left ?? this.#rest;
    const { hint, collision } = combinedHint(this.#sum.resetHint, histogram.resetHint);
    const [zero, count, sum] = [new Neumaier(), new Neumaier(), new Neumaier()];
    zero.add(form.right.zeroCount, form.left.zeroCount, rest.zeroCount);
    count.add(form.right.count, form.left.count, rest.count);
    sum.add(form.right.sum, form.left.sum, rest.sum);
    const positive = addCompensated(form.left.positive, rest.positive, visibleBuckets(form.right.positive, form.right));
    const negative = addCompensated(form.left.negative, rest.negative, visibleBuckets(form.right.negative, form.right));
    const base = { schema: form.left.schema, resetHint: hint, zeroThreshold: form.left.zeroThreshold, customBounds: form.left.customBounds };
    this.#sum = { ...base, zeroCount: zero.sum, count: count.sum, sum: sum.sum, positive: positive.sum, negative: negative.sum };
    this.#rest = { ...base, zeroCount: zero.rest, count: count.rest, sum: sum.rest, positive: positive.rest, negative: negative.rest };
    return { counterResetCollision: collision, boundsReconciled: form.boundsReconciled };
  }

  multiply(factor: number): void {
    this.#sum = multiplyHistogram(this.#sum, factor);
    this.#rest = multiplyHistogram(this.#rest, factor);
  }

  divide(divisor: number): void {
    this.#sum = divideHistogram(this.#sum, divisor);
    this.#rest = divideHistogram(this.#rest, divisor);
  }

  /** The sum with what the compensation has gathered. */
  total(): FloatHistogram {
    const total = addHistograms(this.#sum, { ...this.#rest, resetHint: this.#sum.resetHint });
    return total === undefined ? this.#sum : total.histogram;
  }

  /** An independent copy (histograms themselves are immutable). */
  copy(): HistogramSum {
    const copy = new HistogramSum(this.#sum);
    copy.#rest = this.#rest;
    return copy;
  }
}

function zeroed(buckets: BucketColumns): BucketColumns {
  return { indexes: buckets.indexes, counts: new Float64Array(buckets.counts.length) };
}

/** One compensated addition. */
class Neumaier {
  sum = 0;
  rest = 0;
  add(value: number, sum: number, rest: number): void {
    const total = sum + value;
    if (total === Infinity || total === -Infinity) this.rest = 0;
    else if (Math.abs(sum) >= Math.abs(value)) this.rest = rest + (sum - total + value);
    else this.rest = rest + (value - total + sum);
    this.sum = total;
  }
}

function addCompensated(sums: BucketColumns, rests: BucketColumns, added: BucketColumns): { sum: BucketColumns; rest: BucketColumns } {
  const indexes = unionIndexes(unionIndexes(sums.indexes, rests.indexes), added.indexes);
  const sum = spreadCounts(sums, indexes);
  const rest = spreadCounts(rests, indexes);
  const values = spreadCounts(added, indexes);
  const step = new Neumaier();
  for (let i = 0; i < indexes.length; i++) {
    step.add(values[i], sum[i], rest[i]);
    sum[i] = step.sum;
    rest[i] = step.rest;
  }
  return { sum: { indexes, counts: sum }, rest: { indexes, counts: rest } };
}

// ---- counter resets ----

function hasShrunk(current: BucketColumns, previous: BucketColumns): boolean {
  for (let i = 0, j = 0; i < previous.indexes.length; i++) {
    while (j < current.indexes.length && current.indexes[j] < previous.indexes[i]) j++;
    const count = j < current.indexes.length && current.indexes[j] === previous.indexes[i] ? current.counts[j] : undefined;
    if (count === undefined ? previous.counts[i] !== 0 : count < previous.counts[i]) return true;
  }
  return false;
}

/**
 * Whether a counter was reset between `previous` and `current`: a count (not the sum) has become smaller, a bucket with observations is gone,
 * the resolution has grown, or the zero bucket has shrunk. The hint of `current` decides where it has one.
 */
export function isCounterReset(current: FloatHistogram, previous: FloatHistogram): boolean {
  if (current.resetHint === "reset") return true;
  if (current.resetHint === "not_reset") return false;
  if (current.count < previous.count) return true;
  if (hasCustomBuckets(current) !== hasCustomBuckets(previous)) return true;
  if (hasCustomBuckets(current)) return hasCustomReset(current, previous);
  if (current.schema > previous.schema || current.zeroThreshold < previous.zeroThreshold) return true;
  const zero = zeroBucketFor(previous, current.zeroThreshold);
  if (zero.threshold !== current.zeroThreshold || current.zeroCount < zero.count) return true;
  const wide = reduceResolution(widenZeroBucket(previous, current.zeroThreshold), current.schema);
  return hasShrunk(current.positive, wide.positive) || hasShrunk(current.negative, wide.negative);
}

function hasCustomReset(current: FloatHistogram, previous: FloatHistogram): boolean {
  if (sameCustomBounds(current, previous)) return hasShrunk(current.positive, previous.positive);
  const bounds = commonBounds(current.customBounds, previous.customBounds);
  return hasShrunk(reduceCustomBuckets(current, bounds).positive, reduceCustomBuckets(previous, bounds).positive);
}
