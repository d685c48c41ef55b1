/**
 * What a native histogram tells about its observations: quantiles, fractions, moments, and the histogram of those below or above a limit. Within a
 * bucket of an exponential schema the observations are taken to lie evenly on a logarithmic scale, within the zero bucket and custom buckets on
 * a linear one. A zero bucket reaches from zero if there are only positive buckets besides, and up to zero if there are only negative ones.
 */
import {
  ascendingBuckets, type Bucket, compactHistogram, type FloatHistogram, hasCustomBuckets, negativeBucket, positiveBucket, zeroBucket,
} from "./native_histogram.ts";

export function histogramAverage(histogram: FloatHistogram): number {
  return histogram.sum / histogram.count;
}

/** Where the observations of the zero bucket are taken to be. */
function clippedZeroBucket(histogram: FloatHistogram, bucket: Bucket): Bucket {
  const [negatives, positives] = [histogram.negative.indexes.length, histogram.positive.indexes.length];
  if (negatives === 0 && positives > 0) return { ...bucket, lower: 0 };
  if (positives === 0 && negatives > 0) return { ...bucket, upper: 0 };
  return bucket;
}

// ---- quantile ----

/**
 * The phi-quantile; ±Infinity for a phi outside of [0, 1], NaN without observations. Observations of NaN (the sum is NaN then) count as if
 * they were above all others; the result is NaN if it is among them.
 */
export function histogramQuantile(phi: number, histogram: FloatHistogram): number {
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  if (histogram.count === 0 || Number.isNaN(phi)) return NaN;
  const isForward = Number.isNaN(histogram.sum) || phi < 0.5;
  const rank = (isForward ? phi : 1 - phi) * histogram.count;
  const buckets = ascendingBuckets(histogram);
  if (!isForward) buckets.reverse();
  let count = 0;
  let found: Bucket | undefined;
  for (const bucket of buckets) {
    found = bucket;
    count += bucket.count;
    if (bucket.count !== 0 && count >= rank) break;
  }
  if (found === undefined) return Number.isNaN(histogram.sum) ? NaN : 0;
  return quantileInBucket(histogram, found, Math.min(count, histogram.count), rank, isForward);
}

function quantileInBucket(histogram: FloatHistogram, found: Bucket, count: number, rank: number, isForward: boolean): number {
  let bucket = found;
  if (hasCustomBuckets(histogram)) {
    if (bucket.lower === -Infinity) {
      if (bucket.upper <= 0) return bucket.upper;
      bucket = { ...bucket, lower: 0 };
    } else if (bucket.upper === Infinity) return bucket.lower;
  } else if (bucket.lower < 0 && bucket.upper > 0) bucket = clippedZeroBucket(histogram, bucket);
  if (count < rank) return Number.isNaN(histogram.sum) ? NaN : bucket.upper;
  const rankInBucket = isForward ? rank - (count - bucket.count) : count - rank;
  const fraction = rankInBucket / bucket.count;
  if (hasCustomBuckets(histogram) || (bucket.lower <= 0 && bucket.upper >= 0)) return bucket.lower + (bucket.upper - bucket.lower) * fraction;
  const logLower = Math.log2(Math.abs(bucket.lower));
  const logUpper = Math.log2(Math.abs(bucket.upper));
  if (bucket.lower > 0) return 2 ** (logLower + (logUpper - logLower) * fraction);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - fraction)));
}

// ---- fraction ----

/** How many observations of `bucket` are below `limit`, which is inside of it, by the rules at the top of the file. */
function countBelow(bucket: Bucket, limit: number, isLinear: boolean): number {
  if (isLinear) return bucket.lower === -Infinity ? bucket.count : (bucket.count * (limit - bucket.lower)) / (bucket.upper - bucket.lower);
  const logLower = Math.log2(Math.abs(bucket.lower));
  const logUpper = Math.log2(Math.abs(bucket.upper));
  const logLimit = Math.log2(Math.abs(limit));
  const fraction = limit > 0 ? (logLimit - logLower) / (logUpper - logLower) : 1 - (logLimit - logUpper) / (logLower - logUpper);
  return bucket.count * fraction;
}

/** The share of the observations between `lower` and `upper`; NaN without observations, 0 if the bounds are not in order. */
export function histogramFraction(lower: number, upper: number, histogram: FloatHistogram): number {
  if (histogram.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return NaN;
  if (lower >= upper) return 0;
  const buckets = ascendingBuckets(histogram);
  // Observations of NaN are in no bucket, and in no range either.
  const total = Number.isNaN(histogram.sum) ? buckets.reduce((sum, bucket) => sum + bucket.count, 0) : histogram.count;
  return (rankOf(upper, histogram, buckets, total) - rankOf(lower, histogram, buckets, total)) / histogram.count;
}

/** How many observations are below `limit`. */
function rankOf(limit: number, histogram: FloatHistogram, buckets: readonly Bucket[], total: number): number {
  let rank = 0;
  for (const found of buckets) {
    const isAroundZero = found.lower <= 0 && found.upper >= 0;
    const bucket = isAroundZero ? clippedZeroBucket(histogram, found) : found;
    if (bucket.lower >= limit) return Math.min(rank, total);
    if (bucket.upper > limit) return Math.min(rank + countBelow(bucket, limit, isAroundZero || hasCustomBuckets(histogram)), total);
    rank += bucket.count;
  }
  return total;
}

// ---- moments ----

/** Where the observations of a bucket are taken to be when their moments are estimated. */
function centerOf(histogram: FloatHistogram, bucket: Bucket): number {
  if (hasCustomBuckets(histogram)) return (bucket.upper + bucket.lower) / 2;
  if (bucket.lower <= 0 && bucket.upper >= 0) return 0;
  const center = Math.sqrt(bucket.upper * bucket.lower);
  return bucket.upper < 0 ? -center : center;
}

/** The estimated variance of the observations. */
export function histogramVariance(histogram: FloatHistogram): number {
  const mean = histogramAverage(histogram);
  let variance = 0;
  let rest = 0;
  for (const bucket of ascendingBuckets(histogram)) {
    if (bucket.count === 0) continue;
    const delta = centerOf(histogram, bucket) - mean;
    const value = bucket.count * delta * delta;
    const total = variance + value;
    if (total === Infinity) rest = 0;
    else rest += Math.abs(variance) >= Math.abs(value) ? variance - total + value : value - total + variance;
    variance = total;
  }
  return (variance + rest) / histogram.count;
}

export function histogramDeviation(histogram: FloatHistogram): number {
  return Math.sqrt(histogramVariance(histogram));
}

// ---- trimming ----

/** A number of observations and the value that they are taken to have. */
interface Mass {
  readonly count: number;
  readonly center: number;
}

const noMass: Mass = { count: 0, center: 0 };

/** The estimated middle of the observations between two bounds of one sign. An infinite bound says nothing. */
function middleOf(lower: number, upper: number, isLinear: boolean): number {
  if (lower === -Infinity) return upper === Infinity ? 0 : upper > 0 ? upper / 2 : upper;
  if (upper === Infinity) return lower;
  if (isLinear) return (lower + upper) / 2;
  const middle = Math.sqrt(Math.abs(lower * upper));
  return lower < 0 || upper < 0 ? -middle : middle;
}

/** What is left of a bucket with an infinite bound that `limit` is inside of. */
function trimInfiniteBucket(bucket: Bucket, limit: number, keepsLower: boolean): Mass {
  if (bucket.upper === Infinity) return keepsLower || bucket.lower === -Infinity ? noMass : { count: bucket.count, center: limit };
  if (bucket.upper <= 0) return keepsLower ? { count: bucket.count, center: limit } : noMass;
  if (limit <= 0) return keepsLower ? noMass : { count: bucket.count, center: bucket.upper / 2 };
  const below = (bucket.count * limit) / bucket.upper;
  return keepsLower ? { count: below, center: limit / 2 } : { count: bucket.count - below, center: (limit + bucket.upper) / 2 };
}

/** What is left of `bucket` (negative, positive or custom) below or above `limit`. */
function trimBucket(bucket: Bucket, limit: number, keepsLower: boolean, isLinear: boolean): Mass {
  const isWhole = keepsLower ? bucket.upper <= limit : bucket.lower >= limit;
  if (isWhole) return { count: bucket.count, center: middleOf(bucket.lower, bucket.upper, isLinear) };
  const isGone = keepsLower ? bucket.lower >= limit : bucket.upper <= limit;
  if (isGone) return noMass;
  if (bucket.lower === -Infinity || bucket.upper === Infinity) return trimInfiniteBucket(bucket, limit, keepsLower);
  const below = countBelow(bucket, limit, isLinear);
  if (keepsLower) return { count: below, center: middleOf(bucket.lower, limit, isLinear) };
  return { count: bucket.count - below, center: middleOf(limit, bucket.upper, isLinear) };
}

function trimZeroBucket(histogram: FloatHistogram, limit: number, keepsLower: boolean): Mass {
  const compact = compactHistogram(histogram);
  const { lower, upper, count } = clippedZeroBucket(compact, zeroBucket(histogram));
  if (keepsLower ? limit >= upper : limit <= lower) return { count, center: (lower + upper) / 2 };
  if (keepsLower ? limit <= lower : limit >= upper) return noMass;
  if (keepsLower) return { count: (count * (limit - lower)) / (upper - lower), center: (lower + limit) / 2 };
  return { count: (count * (upper - limit)) / (upper - lower), center: (limit + upper) / 2 };
}

/**
 * The observations below `limit` (`h </ limit`) or above it (`h >/ limit`). Sum and count are estimated from the buckets, unless nothing is
 * cut off.
 */
export function trimHistogram(histogram: FloatHistogram, limit: number, keeps: "lower" | "upper"): FloatHistogram {
  const keepsLower = keeps === "lower";
  const isLinear = hasCustomBuckets(histogram);
  let [count, sum, isCut] = [0, 0, false];
  const take = (before: number, mass: Mass): number => {
    count += mass.count;
    sum += mass.count * mass.center;
    if (mass.count !== before) isCut = true;
    return mass.count;
  };
  const { positive, negative } = histogram;
  const positiveCounts = positive.counts.map((before, i) => (before === 0 ? 0 : take(before, trimBucket(positiveBucket(histogram, i), limit, keepsLower, isLinear))));
  const negativeCounts = negative.counts.map((before, i) => (before === 0 ? 0 : take(before, trimBucket(negativeBucket(histogram, i), limit, keepsLower, isLinear))));
  const zeroCount = histogram.zeroCount > 0 ? take(histogram.zeroCount, trimZeroBucket(histogram, limit, keepsLower)) : histogram.zeroCount;
  if (!isCut) return histogram;
  return compactHistogram({
    ...histogram, count, sum, zeroCount,
    positive: { indexes: positive.indexes, counts: positiveCounts },
    negative: { indexes: negative.indexes, counts: negativeCounts },
  });
}
