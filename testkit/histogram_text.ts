/**
 * Native histograms as text for tests, in the notation of Prometheus' own:
 *
 *   {{schema:0 sum:5 count:4 z_bucket:1 z_bucket_w:0.001 buckets:[1 2 1] offset:1 n_buckets:[2] n_offset:0 custom_values:[5 10] counter_reset_hint:gauge}}
 */
import { bucketsOfSpans, type BucketColumns, consecutiveBuckets, type CounterResetHint, createHistogram, type FloatHistogram, noBuckets } from "../src/model/native_histogram.ts";

function parseNumber(text: string): number {
  if (/^[-+]?inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

export function parseHistogram(text: string): FloatHistogram {
  const inner = /^\{\{(.*)\}\}$/.exec(text.trim());
  if (inner === null) throw new Error(`not a histogram: ${text}`);
  const fields = new Map<string, string>();
  for (const [, name, list, word] of inner[1].matchAll(/([a-z_]+):(?:\[([^\]]*)\]|(\S+))/g)) fields.set(name, list ?? word);
  const number = (name: string): number => parseNumber(fields.get(name) ?? "0");
  const list = (name: string): Float64Array => Float64Array.from((fields.get(name) ?? "").split(/\s+/).filter((word) => word !== ""), parseNumber);
  return createHistogram({
    schema: number("schema"), sum: number("sum"), count: number("count"), zeroCount: number("z_bucket"), zeroThreshold: number("z_bucket_w"),
    resetHint: (fields.get("counter_reset_hint") ?? "unknown") as CounterResetHint,
    positive: consecutiveBuckets(number("offset"), list("buckets")),
    negative: consecutiveBuckets(number("n_offset"), list("n_buckets")),
    customBounds: list("custom_values"),
  });
}

function printBuckets(buckets: BucketColumns, listName: string, offsetName: string): string[] {
  const { indexes, counts } = buckets;
  if (indexes.length === 0) return [];
  const [first, last] = [indexes[0], indexes[indexes.length - 1]];
  const dense = new Float64Array(last - first + 1);
  indexes.forEach((index, i) => (dense[index - first] = counts[i]));
  return [...(first === 0 ? [] : [`${offsetName}:${first}`]), `${listName}:[${[...dense].join(" ")}]`];
}

/** The text of a histogram; gaps between buckets become empty buckets. */
export function printHistogram(histogram: FloatHistogram): string {
  const fields: string[] = [];
  const number = (name: string, value: number): void => void (value !== 0 && fields.push(`${name}:${value}`));
  number("schema", histogram.schema);
  number("count", histogram.count);
  number("sum", histogram.sum);
  number("z_bucket", histogram.zeroCount);
  number("z_bucket_w", histogram.zeroThreshold);
  if (histogram.customBounds.length > 0) fields.push(`custom_values:[${[...histogram.customBounds].join(" ")}]`);
  if (histogram.resetHint !== "unknown") fields.push(`counter_reset_hint:${histogram.resetHint}`);
  fields.push(...printBuckets(histogram.positive, "buckets", "offset"), ...printBuckets(histogram.negative, "n_buckets", "n_offset"));
  return `{{${fields.join(" ")}}}`;
}

type CaseNumber = number | string;

/** A histogram as the PromQL conformance cases hold it (`samples` of a load, `value` of an expected series). */
export interface CaseHistogram {
  readonly schema: number;
  readonly count: CaseNumber;
  readonly sum: CaseNumber;
  readonly zero_count: CaseNumber;
  readonly zero_threshold: CaseNumber;
  readonly counter_reset_hint: CounterResetHint;
  readonly positive_buckets: readonly CaseNumber[];
  readonly positive_spans: readonly (readonly [number, number])[];
  readonly negative_buckets: readonly CaseNumber[];
  readonly negative_spans: readonly (readonly [number, number])[];
  readonly custom_values?: readonly CaseNumber[];
}

export function histogramOfCase(data: CaseHistogram): FloatHistogram {
  const buckets = (spans: CaseHistogram["positive_spans"], counts: readonly CaseNumber[]): BucketColumns =>
    counts.length === 0 ? noBuckets : bucketsOfSpans(spans, Float64Array.from(counts, (count) => parseNumber(String(count))));
  const number = (value: CaseNumber): number => parseNumber(String(value));
  return createHistogram({
    schema: data.schema, count: number(data.count), sum: number(data.sum), zeroCount: number(data.zero_count), zeroThreshold: number(data.zero_threshold),
    resetHint: data.counter_reset_hint, customBounds: Float64Array.from(data.custom_values ?? [], number),
    positive: buckets(data.positive_spans, data.positive_buckets), negative: buckets(data.negative_spans, data.negative_buckets),
  });
}
