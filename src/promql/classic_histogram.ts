/** Histograms of series with a label `le`: cumulative counts up to each bound. */

export interface ClassicBucket {
  readonly bound: number;
  count: number;
}

export interface BucketQuantile {
  readonly value: number;
  /** Set if counts had to be raised so that they do not fall. */
  readonly forced: ForcedMonotonicity | undefined;
}

export interface ForcedMonotonicity {
  minBucket: number;
  maxBucket: number;
  maxDiff: number;
}

/** Relative differences below this come from rounding. */
const smallDifference = 1e-12;

/** The phi-quantile of buckets that are sorted by bound; changes their counts. The highest bound must be +Inf. */
export function bucketQuantile(phi: number, sorted: readonly ClassicBucket[]): BucketQuantile {
  if (Number.isNaN(phi)) return { value: NaN, forced: undefined };
  if (phi < 0) return { value: -Infinity, forced: undefined };
  if (phi > 1) return { value: Infinity, forced: undefined };
  if (sorted[sorted.length - 1].bound !== Infinity) return { value: NaN, forced: undefined };
  const buckets = coalesced(sorted);
  const forced = makeMonotonic(buckets);
  return { value: quantileWithin(phi, buckets), forced };
}

function quantileWithin(phi: number, buckets: readonly ClassicBucket[]): number {
  const lastIndex = buckets.length - 1;
  const observations = buckets[lastIndex].count;
  if (buckets.length < 2 || observations === 0) return NaN;
  const rank = phi * observations;
  const index = firstIndex(lastIndex, (i) => buckets[i].count >= rank);
  if (index === lastIndex) return buckets[lastIndex - 1].bound;
  const { bound, count } = buckets[index];
  if (index === 0) return bound <= 0 ? bound : bound * (rank / count);
  const previous = buckets[index - 1];
  return previous.bound + (bound - previous.bound) * ((rank - previous.count) / (count - previous.count));
}

/** The lowest index below `count` that fulfils a test which those above fulfil too; `count` if none does. */
function firstIndex(count: number, test: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The share of observations between two values; the buckets are sorted by bound. */
export function bucketFraction(lower: number, upper: number, sorted: readonly ClassicBucket[]): number {
  if (sorted[sorted.length - 1].bound !== Infinity) return NaN;
  const buckets = coalesced(sorted);
  const count = buckets[buckets.length - 1].count;
  if (count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return NaN;
  if (lower >= upper) return 0;
  return (rankOf(upper, buckets) - rankOf(lower, buckets)) / count;
}

/** How many observations are below `limit`. */
function rankOf(limit: number, buckets: readonly ClassicBucket[]): number {
  const total = buckets[buckets.length - 1].count;
  let rank = 0;
  let start = buckets[0].bound <= 0 ? -Infinity : 0;
  for (const { bound, count } of buckets) {
    if (start >= limit) return Math.min(rank, total);
    if (bound > limit) {
      const within = start === -Infinity ? count : rank + ((count - rank) * (limit - start)) / (bound - start);
      return Math.min(within, total);
    }
    rank = count;
    start = bound;
  }
  return total;
}

/** Buckets with the same bound (written differently) as one. */
function coalesced(sorted: readonly ClassicBucket[]): ClassicBucket[] {
  const buckets: ClassicBucket[] = [];
  for (const { bound, count } of sorted) {
    const last = buckets.at(-1);
    if (last !== undefined && last.bound === bound) last.count += count;
    else buckets.push({ bound, count });
  }
  return buckets;
}

/** Levels small differences out and raises counts that are lower than the one before. */
function makeMonotonic(buckets: readonly ClassicBucket[]): ForcedMonotonicity | undefined {
  let forced: ForcedMonotonicity | undefined;
  let previous = buckets[0].count;
  for (const bucket of buckets.slice(1)) {
    const { count, bound } = bucket;
    if (count === previous) continue;
    if (isAlmostEqual(previous, count)) {
      bucket.count = previous;
    } else if (count < previous) {
      bucket.count = previous;
      forced ??= { minBucket: Infinity, maxBucket: -Infinity, maxDiff: 0 };
      forced.minBucket = Math.min(forced.minBucket, bound);
      forced.maxBucket = Math.max(forced.maxBucket, bound);
      forced.maxDiff = Math.max(forced.maxDiff, previous - count);
    } else {
      previous = count;
    }
  }
  return forced;
}

function isAlmostEqual(left: number, right: number): boolean {
  if (Number.isNaN(left) && Number.isNaN(right)) return true;
  const sum = Math.abs(left) + Math.abs(right);
  const difference = Math.abs(left - right);
  if (left === 0 || right === 0 || sum < Number.MIN_VALUE * 2 ** 52) return difference < smallDifference * Number.MIN_VALUE * 2 ** 52;
  return difference / Math.min(sum, Number.MAX_VALUE) < smallDifference;
}
