/** Encodes remote write 1.0 requests with native histograms and exemplars; protobufjs writes the bytes. */
import protobuf from "protobufjs";
import type { Exemplar } from "../src/model/exemplar.ts";
import type { Labels } from "../src/model/labels.ts";
import { type BucketColumns, bucketSpans, type FloatHistogram, staleHistogram } from "../src/model/native_histogram.ts";

const schema = protobuf.parse(`syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; }
  message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram {
    oneof count { uint64 count_int = 1; double count_float = 2; }
    double sum = 3; sint32 schema = 4; double zero_threshold = 5;
    oneof zero_count { uint64 zero_count_int = 6; double zero_count_float = 7; }
    repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9; repeated double negative_counts = 10;
    repeated BucketSpan positive_spans = 11; repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
    uint32 reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
  }`, { keepCase: true }).root;
const writeRequest = schema.lookupType("WriteRequest");
const histogramType = schema.lookupType("Histogram");

export interface HistogramBodySeries {
  readonly labels: Labels;
  readonly floats?: readonly (readonly [timestampMs: number, value: number])[];
  /** Fields of a Histogram message as they are can stand for a histogram. */
  readonly histograms?: readonly (readonly [timestampMs: number, histogram: FloatHistogram | Record<string, unknown>])[];
  readonly exemplars?: readonly Exemplar[];
}

function deltas({ counts }: BucketColumns): number[] {
  return Array.from(counts, (count, i) => count - (i === 0 ? 0 : counts[i - 1]));
}

const hints = { unknown: 0, reset: 1, not_reset: 2, gauge: 3 } as const;

/** A Histogram message: whole counts if `isInteger` says so. */
export function histogramFields(histogram: FloatHistogram): Record<string, unknown> {
  const spans = (buckets: BucketColumns): object[] => bucketSpans(buckets).map(([offset, length]) => ({ offset, length }));
  const { positive, negative, sum, schema: schemaNumber, zeroThreshold, zeroCount, count, resetHint } = histogram;
  const common = {
    sum, schema: schemaNumber, zero_threshold: zeroThreshold, reset_hint: hints[resetHint], custom_values: [...histogram.customBounds],
    positive_spans: spans(positive), negative_spans: spans(negative),
  };
  if (histogram.isInteger !== true) return { ...common, count_float: count, zero_count_float: zeroCount, positive_counts: [...positive.counts], negative_counts: [...negative.counts] };
  return { ...common, count_int: count, zero_count_int: zeroCount, positive_deltas: deltas(positive), negative_deltas: deltas(negative) };
}

/** The marker's bits cannot pass through protobufjs; they take the place of a sum of 1.2345. */
function putStaleMarkers(bytes: Uint8Array): Uint8Array {
  const [wanted, marker] = [Buffer.alloc(9, 0x19), Buffer.alloc(9, 0x19)];
  wanted.writeDoubleLE(1.2345, 1);
  marker.writeBigUInt64LE(0x7ff0000000000002n, 1);
  const result = Buffer.from(bytes);
  for (let at = result.indexOf(wanted); at >= 0; at = result.indexOf(wanted, at + 9)) marker.copy(result, at);
  return result;
}

/** The protobuf bytes of a WriteRequest. */
export function encodeHistogramRequest(series: readonly HistogramBodySeries[]): Uint8Array {
  const timeseries = series.map(({ labels, floats = [], histograms = [], exemplars = [] }) => ({
    labels,
    samples: floats.map(([timestamp, value]) => ({ timestamp, value })),
    exemplars: exemplars.map((exemplar) => ({ labels: exemplar.labels, value: exemplar.value, timestamp: exemplar.timestampMs })),
    histograms: histograms.map(([timestamp, histogram]) => {
      if (histogram === staleHistogram) return { timestamp, count_int: 0, sum: 1.2345 };
      return { timestamp, ...("resetHint" in histogram ? histogramFields(histogram as FloatHistogram) : histogram) };
    }),
  }));
  for (const one of timeseries) for (const histogram of one.histograms) if (histogramType.verify(histogram) !== null) throw new Error(histogramType.verify(histogram)!);
  return putStaleMarkers(writeRequest.encode(writeRequest.fromObject({ timeseries })).finish());
}
