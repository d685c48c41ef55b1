/**
 * The protobuf exposition format: MetricFamily messages of io.prometheus.client, each behind its size as a varint.
 *
 *   MetricFamily { name = 1; help = 2; type = 3; metric = 4; unit = 5 }
 *   Metric       { label = 1; gauge = 2; counter = 3; summary = 4; untyped = 5; timestamp_ms = 6; histogram = 7 }
 *   Gauge, Untyped { value = 1 }    Counter { value = 1; exemplar = 2; created = 3 }
 *   Summary      { sample_count = 1; sample_sum = 2; quantile = 3 { quantile = 1; value = 2 }; created = 4 }
 *   Histogram    { sample_count = 1; sample_sum = 2; bucket = 3; sample_count_float = 4; schema = 5; zero_threshold = 6; zero_count = 7;
 *                  zero_count_float = 8; negative_span = 9; negative_delta = 10; negative_count = 11; positive_span = 12; positive_delta = 13;
 *                  positive_count = 14; created = 15; exemplars = 16 }
 *   Bucket       { cumulative_count = 1; upper_bound = 2; exemplar = 3; cumulative_count_float = 4 }
 *   Exemplar     { label = 1; value = 2; timestamp = 3 { seconds = 1; nanos = 2 } }
 *
 * It becomes the series that the text format has (le and quantile written as OpenMetrics writes them), and native histograms. Created
 * timestamps become start timestamps of the samples if they are asked for.
 */
import { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { defaultLabelLimits, type IntakeRules } from "../kernel/label_run.ts";
import { encodeLabelRun, type Label, type Labels, metricNameLabel } from "../model/labels.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { MetricMetadata, RowBatch } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { DropReason } from "../model/store.ts";
import { canonicalLabels, readExemplarLabels, readLabel } from "./canonical_labels.ts";
import { convertClassic } from "./classic_conversion.ts";
import { ComponentRows } from "./component_rows.ts";
import { HistogramParts } from "./histogram_parts.ts";
import { canonical } from "./kernel_slice_parser.ts";
import { ProtobufReader } from "./protobuf_reader.ts";
import { defaultBucketsMax } from "./remote_write_series.ts";
import type { ParseReport, SliceOptions, SliceParser } from "./slice_parser.ts";

/** What becomes of histograms. */
export interface HistogramOptions {
  /** scrape_native_histograms: otherwise only classic buckets are taken. */
  readonly takesNative: boolean;
  /** always_scrape_classic_histograms: classic buckets of histograms that are taken as native ones, too. */
  readonly takesClassicBesides: boolean;
  readonly bucketsMax: number;
  /** native_histogram_min_bucket_factor: buckets grow at least by this. */
  readonly minBucketFactor: number;
  /** convert_classic_histograms_to_nhcb: classic histograms become native ones with custom buckets. */
  readonly convertsClassic: boolean;
}

export const defaultHistogramOptions: HistogramOptions = { takesNative: false, takesClassicBesides: false, bucketsMax: defaultBucketsMax, minBucketFactor: 0, convertsClassic: false };

/** Whether a Content-Type is of this format. */
export function isPrometheusProtobuf(contentType: string): boolean {
  return /^\s*application\/vnd\.google\.protobuf\b/i.test(contentType) && /proto\s*=\s*"?io\.prometheus\.client\.MetricFamily\b/i.test(contentType);
}

/** A batch is handed out when it has so many samples: about 2 ms of work. */
const batchSamplesMax = 1024;
const metricTypes: readonly MetricMetadata["type"][] = ["counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram"];
const gaugeHistogramType = 5;

interface Family {
  readonly name: string;
  readonly type: number;
  readonly metrics: readonly Uint8Array[];
}

export class PrometheusProtobufParser implements SliceParser {
  readonly #kernel: Kernel;
  readonly #limits: IntakeRules;
  #histograms = defaultHistogramOptions;
  #takesStarts = false;
  #builder = new RowBatchBuilder();
  #components = new ComponentRows(this.#builder);
  #extraLabels: Labels = [];
  #nowMs = 0;
  #body: Uint8Array = new Uint8Array(0);
  #position = 0;
  #family: Family | undefined;
  #nextMetric = 0;
  #samples = 0;
  #dropped: Partial<Record<DropReason, number>> = {};
  #firstError: InputError | undefined;
  #isBroken = false;

  constructor(kernel: Kernel, limits: IntakeRules = defaultLabelLimits) {
    this.#kernel = kernel;
    this.#limits = limits;
  }

  start(bodyPointer: number, bodySize: number, options: SliceOptions & { histograms?: HistogramOptions; takesStarts?: boolean }): void {
    this.#body = this.#kernel.u8.subarray(bodyPointer, bodyPointer + bodySize);
    this.#histograms = options.histograms ?? defaultHistogramOptions;
    this.#takesStarts = options.takesStarts ?? false;
    this.#builder = new RowBatchBuilder(options.tenant);
    this.#components = new ComponentRows(this.#builder);
    this.#extraLabels = canonical(options.extraLabels);
    this.#nowMs = options.nowMs;
    this.#position = 0;
    this.#family = undefined;
    this.#samples = 0;
    this.#dropped = {};
    this.#firstError = undefined;
    this.#isBroken = false;
  }

  get report(): ParseReport {
    return { samples: this.#samples, skippedLines: 0, firstError: this.#firstError, broken: this.#isBroken, droppedByReason: this.#dropped };
  }

  next(): RowBatch | undefined {
    this.#builder.clear();
    try {
      while (this.#builder.sampleCount < batchSamplesMax && this.#readMetric());
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#isBroken = true;
      this.#firstError = new InputError(error.code, `the protobuf body is broken in the message before byte ${this.#position}; everything before it was taken`, { cause: error });
      this.#position = this.#body.length;
      this.#family = undefined;
    }
    const batch = this.#builder.build();
    return batch.sampleCount > 0 || batch.metadata.length > 0 ? batch : undefined;
  }

  /** Reads one metric, or the next family; false at the end. */
  #readMetric(): boolean {
    if (this.#family !== undefined && this.#nextMetric < this.#family.metrics.length) {
      this.#takeMetric(this.#family, new ProtobufReader(this.#family.metrics[this.#nextMetric++]));
      return true;
    }
    if (this.#position >= this.#body.length) return false;
    this.#family = this.#readFamily(this.#nextMessage());
    this.#nextMetric = 0;
    return true;
  }

  #nextMessage(): ProtobufReader {
    let size = 0;
    for (let scale = 1; ; scale *= 128) {
      if (this.#position >= this.#body.length || scale > 2 ** 28) throw new InputError("corrupt_protobuf", "a size is broken");
      const byte = this.#body[this.#position++];
      size += (byte & 127) * scale;
      if (byte < 128) break;
    }
    if (size > this.#body.length - this.#position) throw new InputError("corrupt_protobuf", "a message is cut off");
    this.#position += size;
    return new ProtobufReader(this.#body.subarray(this.#position - size, this.#position));
  }

  #readFamily(reader: ProtobufReader): Family {
    let [name, help, unit, type] = ["", "", "", 0];
    const metrics: Uint8Array[] = [];
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2) help = reader.text();
      else if (reader.field === 3) type = reader.unsigned();
      else if (reader.field === 4) metrics.push(reader.bytes());
      else if (reader.field === 5) unit = reader.text();
    }
    if (name !== "") this.#builder.addMetadata({ metricFamily: name, type: metricTypes[type] ?? "unknown", help, unit });
    return { name, type, metrics };
  }

  #takeMetric(family: Family, reader: ProtobufReader): void {
    const labels: Label[] = [];
    const values: { field: number; message: Uint8Array }[] = [];
    let timestampMs = this.#nowMs;
    while (reader.next()) {
      if (reader.field === 1) labels.push(readLabel(reader.message()));
      else if (reader.field === 6) timestampMs = reader.signed() || this.#nowMs;
      else values.push({ field: reader.field, message: reader.bytes() });
    }
    const metric = new MetricRows(family.name, labels, timestampMs, this.#rows);
    for (const { field, message } of values) {
      const value = new ProtobufReader(message);
      if (field === 2 || field === 3 || field === 5) takeValue(metric, value, timestampMs);
      else if (field === 4) takeSummary(metric, value);
      else if (field === 7) this.#takeHistogram(metric, readHistogram(value, family.type === gaugeHistogramType), timestampMs);
    }
  }

  #takeHistogram(metric: MetricRows, histogram: ScrapedHistogram, timestampMs: number): void {
    const { takesNative, takesClassicBesides, convertsClassic, bucketsMax, minBucketFactor } = this.#histograms;
    const { buckets, parts, startMs } = histogram;
    const isNative = takesNative && histogram.isNative;
    const isConverted = !isNative && convertsClassic && buckets.length > 0;
    if (isNative || isConverted) {
      const exemplars = histogram.exemplars.length > 0 ? histogram.exemplars : buckets.flatMap(({ exemplar }) => exemplar ?? []);
      const run = this.#run(metric.labels(""), 1);
      const make = (): FloatHistogram => (isNative ? parts.build(bucketsMax, minBucketFactor) : convertClassic({ buckets, count: parts.count, sum: parts.sum, resetHint: parts.resetHint }, bucketsMax));
      if (run !== undefined && this.#addNative(run, make, timestampMs)) this.#addStart(run, timestampMs, startMs);
      if (run !== undefined) for (const exemplar of exemplars) this.#addExemplar(run, exemplar, timestampMs);
    }
    if (!(isNative || isConverted) || (takesClassicBesides && buckets.length > 0)) takeClassic(metric, histogram);
  }

  /** False if the histogram contradicts itself. */
  #addNative(run: Uint8Array, make: () => FloatHistogram, timestampMs: number): boolean {
    try {
      this.#components.add(run, timestampMs, make());
      this.#samples++;
      return true;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#drop("invalid_histogram", 1);
      this.#firstError ??= error;
      return false;
    }
  }

  #addStart(run: Uint8Array, timestampMs: number, startMs: number): void {
    if (this.#takesStarts && startMs !== 0) this.#components.addStart(run, timestampMs, startMs);
  }

  /** What a metric's rows need of the parser. */
  readonly #rows: RowSink = {
    add: (labels, timestampMs, value, startMs, exemplar) => {
      if (Number.isNaN(value) && this.#limits.keepsNaN !== true) return this.#drop("nan_value", 1);
      const run = this.#run(labels, 1);
      if (run === undefined) return;
      this.#builder.addLabelRun(run, Float64Array.of(timestampMs), Float64Array.of(value));
      this.#samples++;
      this.#addStart(run, timestampMs, startMs);
      if (exemplar !== undefined) this.#addExemplar(run, exemplar, timestampMs);
    },
  };

  #run(labels: readonly Label[], samples: number): Uint8Array | undefined {
    const stored = canonicalLabels(labels, this.#extraLabels, this.#limits);
    if (typeof stored !== "string") return encodeLabelRun(stored);
    this.#drop(stored, samples);
    return undefined;
  }

  #addExemplar(labelRun: Uint8Array, { labels: own, value, timestampMs }: ScrapedExemplar, sampleMs: number): void {
    const labels = readExemplarLabels(own);
    if (labels !== undefined) this.#builder.addExemplar({ labelRun, labels, value, timestampMs: timestampMs ?? sampleMs });
  }

  #drop(reason: DropReason, count: number): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + count;
  }
}

// ---- one metric ----

interface RowSink {
  add(labels: readonly Label[], timestampMs: number, value: number, startMs: number, exemplar?: ScrapedExemplar): void;
}

/** The labels of a metric and where its samples go. */
class MetricRows {
  readonly #name: string;
  readonly #labels: readonly Label[];
  readonly #timestampMs: number;
  readonly #sink: RowSink;
  /** Since when the samples count; 0 if that is unknown. */
  startMs = 0;

  constructor(name: string, labels: readonly Label[], timestampMs: number, sink: RowSink) {
    this.#name = name;
    this.#labels = labels;
    this.#timestampMs = timestampMs;
    this.#sink = sink;
  }

  labels(suffix: string, extra?: Label): readonly Label[] {
    const labels = [{ name: metricNameLabel, value: this.#name + suffix }, ...this.#labels];
    return extra === undefined ? labels : [...labels, extra];
  }

  add(suffix: string, value: number, extra?: Label, exemplar?: ScrapedExemplar): void {
    this.#sink.add(this.labels(suffix, extra), this.#timestampMs, value, this.startMs, exemplar);
  }
}

interface ScrapedExemplar {
  readonly labels: readonly Label[];
  readonly value: number;
  readonly timestampMs: number | undefined;
}

function readExemplar(reader: ProtobufReader): ScrapedExemplar {
  const labels: Label[] = [];
  let value = 0;
  let timestampMs: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) labels.push(readLabel(reader.message()));
    else if (reader.field === 2) value = reader.double();
    else if (reader.field === 3) timestampMs = readTimestamp(reader.message());
  }
  return { labels, value, timestampMs };
}

function readTimestamp(reader: ProtobufReader): number {
  let [seconds, nanos] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.signed();
    else if (reader.field === 2) nanos = reader.signed();
  }
  return seconds * 1000 + Math.floor(nanos / 1e6);
}

/** A Gauge, Counter or Untyped. */
function takeValue(metric: MetricRows, reader: ProtobufReader, timestampMs: number): void {
  let value = 0;
  let exemplar: ScrapedExemplar | undefined;
  while (reader.next()) {
    if (reader.field === 1) value = reader.double();
    else if (reader.field === 2) exemplar = readExemplar(reader.message());
    else if (reader.field === 3) metric.startMs = readTimestamp(reader.message());
  }
  metric.add("", value, undefined, exemplar && { ...exemplar, timestampMs: exemplar.timestampMs ?? timestampMs });
}

function takeSummary(metric: MetricRows, reader: ProtobufReader): void {
  let [count, sum, startMs] = [0, 0, 0];
  const quantiles: { quantile: number; value: number }[] = [];
  while (reader.next()) {
    if (reader.field === 1) count = reader.unsigned();
    else if (reader.field === 2) sum = reader.double();
    else if (reader.field === 3) quantiles.push(readQuantile(reader.message()));
    else if (reader.field === 4) startMs = readTimestamp(reader.message());
  }
  for (const { quantile, value } of quantiles) metric.add("", value, { name: "quantile", value: printOpenMetricsFloat(quantile) });
  // Quantiles do not count from a time on.
  metric.startMs = startMs;
  metric.add("_sum", sum);
  metric.add("_count", count);
}

function readQuantile(reader: ProtobufReader): { quantile: number; value: number } {
  let [quantile, value] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) quantile = reader.double();
    else if (reader.field === 2) value = reader.double();
  }
  return { quantile, value };
}

interface ClassicBucket {
  readonly bound: number;
  readonly count: number;
  readonly exemplar: ScrapedExemplar | undefined;
}

interface ScrapedHistogram {
  readonly parts: HistogramParts;
  readonly isNative: boolean;
  readonly buckets: readonly ClassicBucket[];
  readonly exemplars: readonly ScrapedExemplar[];
  readonly startMs: number;
}

function readHistogram(reader: ProtobufReader, isGauge: boolean): ScrapedHistogram {
  const parts = new HistogramParts();
  if (isGauge) parts.resetHint = "gauge";
  const buckets: ClassicBucket[] = [];
  const exemplars: ScrapedExemplar[] = [];
  let startMs = 0;
  while (reader.next()) {
    if (reader.field === 3) buckets.push(readBucket(reader.message()));
    else if (reader.field === 15) startMs = readTimestamp(reader.message());
    else if (reader.field === 16) exemplars.push(readExemplar(reader.message()));
    else histogramFields[reader.field]?.(parts, reader);
  }
  const { positive, negative } = parts;
  // A native histogram without observations and without a zero bucket has an empty span that tells it from a classic one.
  const isNative = parts.zeroThreshold > 0 || parts.zeroCount > 0 || positive.spans.length > 0 || negative.spans.length > 0;
  return { parts, isNative, buckets, exemplars, startMs };
}

/** By field number of the Histogram message. */
const histogramFields: Readonly<Record<number, (parts: HistogramParts, reader: ProtobufReader) => void>> = {
  1: (parts, reader) => void (parts.count ||= reader.unsigned()),
  2: (parts, reader) => void (parts.sum = reader.double()),
  4: (parts, reader) => takeFloat(parts, reader.double(), (value) => (parts.count = value)),
  5: (parts, reader) => void (parts.schema = reader.zigzag()),
  6: (parts, reader) => void (parts.zeroThreshold = reader.double()),
  7: (parts, reader) => void (parts.zeroCount ||= reader.unsigned()),
  8: (parts, reader) => takeFloat(parts, reader.double(), (value) => (parts.zeroCount = value)),
  9: (parts, reader) => parts.negative.addSpan(reader.message()),
  10: (parts, reader) => reader.appendZigzags(parts.negative.deltas),
  11: (parts, reader) => reader.appendDoubles(parts.negative.counts),
  12: (parts, reader) => parts.positive.addSpan(reader.message()),
  13: (parts, reader) => reader.appendZigzags(parts.positive.deltas),
  14: (parts, reader) => reader.appendDoubles(parts.positive.counts),
};

/** A fractional count above zero says that the histogram is one of fractions. */
function takeFloat(parts: HistogramParts, value: number, set: (value: number) => void): void {
  if (!(value > 0)) return;
  parts.isFloat = true;
  set(value);
}

function readBucket(reader: ProtobufReader): ClassicBucket {
  let [bound, count] = [0, 0];
  let exemplar: ScrapedExemplar | undefined;
  while (reader.next()) {
    if (reader.field === 1) count ||= reader.unsigned();
    else if (reader.field === 2) bound = reader.double();
    else if (reader.field === 3) exemplar = readExemplar(reader.message());
    else if (reader.field === 4) count = reader.double() || count;
  }
  return { bound, count, exemplar };
}

function takeClassic(metric: MetricRows, { parts, buckets, startMs }: ScrapedHistogram): void {
  metric.startMs = startMs;
  for (const { bound, count, exemplar } of buckets) metric.add("_bucket", count, { name: "le", value: printOpenMetricsFloat(bound) }, exemplar);
  if (buckets.at(-1)?.bound !== Infinity) metric.add("_bucket", parts.count, { name: "le", value: "+Inf" });
  metric.add("_sum", parts.sum);
  metric.add("_count", parts.count);
}

/** As OpenMetrics writes bounds: 1.0, 0.25, 1e+06, +Inf. */
export function printOpenMetricsFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const [digits, exponentText] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${digits}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  const text = String(value);
  return text.includes(".") ? text : `${text}.0`;
}
