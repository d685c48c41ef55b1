/** A native histogram as Prometheus prints it: `{count:5, sum:18.4, (1,2]:2, (2,4]:3}`. */
import { type Bucket, type FloatHistogram, negativeBucket, positiveBucket, zeroBucket } from "../model/native_histogram.ts";
import { formatG } from "./go_format.ts";

/** Buckets that hold nothing are left out. */
export function printHistogram(histogram: FloatHistogram): string {
  const buckets: Bucket[] = [];
  for (let i = histogram.negative.indexes.length - 1; i >= 0; i--) buckets.push(negativeBucket(histogram, i));
  buckets.push(zeroBucket(histogram));
  for (let i = 0; i < histogram.positive.indexes.length; i++) buckets.push(positiveBucket(histogram, i));
  const parts = [`count:${formatG(histogram.count)}`, `sum:${formatG(histogram.sum)}`];
  for (const bucket of buckets) if (bucket.count !== 0) parts.push(printBucket(bucket));
  return `{${parts.join(", ")}}`;
}

function printBucket({ lower, upper, lowerInclusive, upperInclusive, count }: Bucket): string {
  return `${lowerInclusive ? "[" : "("}${formatG(lower)},${formatG(upper)}${upperInclusive ? "]" : ")"}:${formatG(count)}`;
}
