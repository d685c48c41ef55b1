/** Random native histograms for property tests: all schemas, both signs, custom buckets, counts that agree with the buckets. */
import type { Random } from "../src/base/random.ts";
import { type BucketColumns, createHistogram, customBucketsSchema, type FloatHistogram, noBuckets } from "../src/model/native_histogram.ts";

function randomBuckets(random: Random, firstIndex: number, indexMax: number): BucketColumns {
  const indexes: number[] = [];
  for (let index = firstIndex + random.int(5); index <= indexMax && indexes.length < 12; index += 1 + random.int(random.int(3) === 0 ? 8 : 2)) indexes.push(index);
  if (indexes.length === 0 || random.int(4) === 0) return noBuckets;
  return { indexes: Int32Array.from(indexes), counts: Float64Array.from(indexes, () => 1 + random.int(50)) };
}

const total = (buckets: BucketColumns): number => buckets.counts.reduce((sum, count) => sum + count, 0);

/** `schema` can be fixed; the reset hint stays "unknown". */
export function randomHistogram(random: Random, schema: number = random.int(5) === 0 ? customBucketsSchema : random.int(13) - 4): FloatHistogram {
  const sum = Math.round((random.next() - 0.3) * 1000) / 8;
  if (schema === customBucketsSchema) {
    const pool = [-2, 0.5, 1, 2.5, 5, 10, 25];
    // Whole counts without bounds are refused in remote write, so there is one at least.
    const customBounds = Float64Array.from(pool.filter((_, i) => i === 0 || random.int(2) === 0));
    const positive = randomBuckets(random, 0, customBounds.length);
    return createHistogram({ schema, sum, count: total(positive), positive, customBounds });
  }
  // No bucket within the zero bucket: such ones are left out when histograms are added up.
  const firstIndex = schema < 0 ? 1 : -3;
  const positive = randomBuckets(random, firstIndex, 30);
  const negative = random.int(2) === 0 ? noBuckets : randomBuckets(random, firstIndex, 30);
  const zeroThreshold = random.int(3) === 0 ? 0 : 2 ** -(10 + random.int(20));
  const zeroCount = zeroThreshold === 0 ? 0 : random.int(10);
  return createHistogram({ schema, sum, count: total(positive) + total(negative) + zeroCount, zeroThreshold, zeroCount, positive, negative });
}
