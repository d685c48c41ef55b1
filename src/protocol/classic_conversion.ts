/** Classic histograms as native ones with custom buckets (convert_classic_histograms_to_nhcb), by Prometheus' rules. */
import { InputError } from "../base/errors.ts";
import { type CounterResetHint, customBucketsSchema, type FloatHistogram } from "../model/native_histogram.ts";
import { HistogramParts } from "./histogram_parts.ts";

/** What the series of a classic histogram say at one time. */
export interface ClassicHistogram {
  /** Cumulative, in any order. */
  readonly buckets: readonly { readonly bound: number; readonly count: number }[];
  /** undefined: there is no _count; the last bucket counts all then. */
  readonly count: number | undefined;
  readonly sum: number;
  readonly resetHint?: CounterResetHint;
}

/** Throws InputError "invalid_histogram" with the reason. */
export function convertClassic({ buckets, count, sum, resetHint = "unknown" }: ClassicHistogram, bucketsMax: number): FloatHistogram {
  const sorted = buckets.toSorted((a, b) => a.bound - b.bound);
  const total = count ?? sorted.at(-1)?.count ?? 0;
  if (sorted.at(-1)?.bound !== Infinity) sorted.push({ bound: Infinity, count: total });
  if (sorted.at(-1)?.count !== total) throw new InputError("invalid_histogram", `invalid classic histogram: a count of ${total}, but ${sorted.at(-1)?.count} in the bucket up to +Inf`);
  const parts = new HistogramParts();
  parts.schema = customBucketsSchema;
  parts.resetHint = resetHint;
  parts.count = total;
  parts.sum = sum;
  parts.isFloat = sorted.some((bucket) => !Number.isInteger(bucket.count));
  parts.customBounds.push(...sorted.slice(0, -1).map(({ bound }) => bound));
  parts.positive.spans.push([0, sorted.length]);
  const counts = sorted.map((bucket, i) => bucket.count - (i === 0 ? 0 : sorted[i - 1].count));
  const falling = counts.findIndex((one) => !(one >= 0));
  if (falling >= 0) throw new InputError("invalid_histogram", `invalid classic histogram: the bucket up to ${sorted[falling].bound} counts less than the one before it`);
  if (parts.isFloat) parts.positive.counts.push(...counts);
  else parts.positive.deltas.push(...counts.map((one, i) => one - (i === 0 ? 0 : counts[i - 1])));
  return parts.build(bucketsMax);
}
