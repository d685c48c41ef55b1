/**
 * The TimeSeries messages of remote write that hold more than floats: native histograms become rows of their components, exemplars are
 * handed out beside them. The kernel has taken the floats of these messages already and notes where the messages are.
 *
 *   TimeSeries { labels = 1; samples = 2; exemplars = 3; histograms = 4 }
 */
import { InputError } from "../base/errors.ts";
import type { LabelLimits } from "../kernel/label_run.ts";
import { encodeLabelRun, type Label, type Labels } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import { customBucketsSchema, type CounterResetHint, type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";
import { type RowBatch, staleMarkerBits } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { DropReason } from "../model/store.ts";
import { canonicalLabels, readExemplarLabels, readLabel } from "./canonical_labels.ts";
import { ComponentRows } from "./component_rows.ts";
import { HistogramParts } from "./histogram_parts.ts";
import { ProtobufReader } from "./protobuf_reader.ts";

/** A batch is handed out when it has so many samples: about 2 ms of work. */
const batchSamplesMax = 2048;
const resetHints: readonly CounterResetHint[] = ["unknown", "reset", "not_reset", "gauge"];

export interface RemoteWriteSeriesOptions {
  readonly limits: LabelLimits;
  /** -maxBucketsPerHistogram */
  readonly bucketsMax: number;
}

/** The default of -maxBucketsPerHistogram. */
export const defaultBucketsMax = 1000;

export class RemoteWriteSeries {
  readonly #options: RemoteWriteSeriesOptions;
  #builder = new RowBatchBuilder();
  #rows = new ComponentRows(this.#builder);
  #extraLabels: Labels = [];
  #pending: Uint8Array[] = [];
  #exemplarCount = 0;
  readonly dropped: Partial<Record<DropReason, number>> = {};
  firstError: InputError | undefined;
  /** Histograms handed out. */
  samples = 0;

  constructor(options: RemoteWriteSeriesOptions) {
    this.#options = options;
  }

  start(tenant: Tenant, extraLabels: Labels): void {
    this.#builder = new RowBatchBuilder(tenant);
    this.#rows = new ComponentRows(this.#builder);
    this.#extraLabels = extraLabels;
    this.#pending = [];
    this.firstError = undefined;
    this.samples = 0;
    for (const reason of Object.keys(this.dropped) as DropReason[]) delete this.dropped[reason];
  }

  /** Takes a message; it is read by a later next() and must not change until then. */
  add(message: Uint8Array): void {
    this.#pending.push(message);
  }

  /** Rows of the messages taken so far, valid until the next call; undefined when there is nothing left. */
  next(): RowBatch | undefined {
    this.#builder.clear();
    this.#exemplarCount = 0;
    let done = 0;
    while (done < this.#pending.length && this.#builder.sampleCount + this.#exemplarCount < batchSamplesMax) this.#read(this.#pending[done++]);
    this.#pending.splice(0, done);
    return this.#builder.sampleCount + this.#exemplarCount > 0 ? this.#builder.build() : undefined;
  }

  #read(message: Uint8Array): void {
    const labels: Label[] = [];
    const histograms: Uint8Array[] = [];
    const exemplars: Uint8Array[] = [];
    try {
      const reader = new ProtobufReader(message);
      while (reader.next()) {
        if (reader.field === 1) labels.push(readLabel(reader.message()));
        else if (reader.field === 3) exemplars.push(reader.bytes());
        else if (reader.field === 4) histograms.push(reader.bytes());
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return this.#drop("invalid_histogram", 1, error); // the kernel has read it, so this does not happen
    }
    const canonical = canonicalLabels(labels, this.#extraLabels, this.#options.limits);
    if (typeof canonical === "string") return this.#drop(canonical, histograms.length);
    const labelRun = encodeLabelRun(canonical);
    for (const histogram of histograms) this.#addHistogram(labelRun, canonical, histogram);
    for (const exemplar of exemplars) this.#addExemplar(labelRun, exemplar);
  }

  #addHistogram(labelRun: Uint8Array, labels: Labels, message: Uint8Array): void {
    try {
      const { histogram, timestampMs } = readHistogram(new ProtobufReader(message), this.#options.bucketsMax);
      this.#rows.add(labelRun, timestampMs, histogram);
      this.samples++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const name = labels.find((label) => label.name === "__name__")?.value ?? "";
      this.#drop("invalid_histogram", 1, new InputError(error.code, `${name}: ${error.message}`));
    }
  }

  #addExemplar(labelRun: Uint8Array, message: Uint8Array): void {
    try {
      const reader = new ProtobufReader(message);
      const labels: Label[] = [];
      let [value, timestampMs] = [0, 0];
      while (reader.next()) {
        if (reader.field === 1) labels.push(readLabel(reader.message()));
        else if (reader.field === 2) value = reader.double();
        else if (reader.field === 3) timestampMs = reader.signed();
      }
      const exemplarLabels = readExemplarLabels(labels);
      if (exemplarLabels === undefined) return;
      this.#builder.addExemplar({ labelRun, labels: exemplarLabels, value, timestampMs });
      this.#exemplarCount++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error; // a broken exemplar is nobody's loss
    }
  }

  #drop(reason: DropReason, count: number, error?: InputError): void {
    if (count > 0) this.dropped[reason] = (this.dropped[reason] ?? 0) + count;
    this.firstError ??= error;
  }
}

function readHistogram(reader: ProtobufReader, bucketsMax: number): { histogram: FloatHistogram; timestampMs: number } {
  const parts = new HistogramParts();
  let [timestampMs, isStale] = [0, false];
  while (reader.next()) {
    const read = histogramFields[reader.field];
    if (read !== undefined) read(parts, reader);
    else if (reader.field === 15) timestampMs = reader.signed();
    if (reader.field === 3) isStale = reader.doubleBits() === staleMarkerBits;
  }
  if (!isStale) checkBounds(parts);
  return { histogram: isStale ? staleHistogram : parts.build(bucketsMax), timestampMs };
}

/**
 * Prometheus sends histograms with custom buckets over remote write 1.0, too, but without their bounds, for which that protocol has no field. What was scraped
 * has whole counts; where all of them are in the first bucket it would read like a histogram that has but one, so it is refused in any case. One of
 * fractions is refused where it has more buckets than no bounds allow.
 */
function checkBounds({ schema, customBounds, isFloat, positive }: HistogramParts): void {
  if (schema !== customBucketsSchema || customBounds.length > 0) return;
  const isLost = !isFloat || positive.spans.some(([offset, length]) => offset + length > 1);
  if (isLost) throw new InputError("invalid_histogram", "invalid native histogram: custom buckets: there are no bounds (Prometheus sends them with remote write 2.0 only)");
}

/** By field number of the Histogram message. */
const histogramFields: Readonly<Record<number, (parts: HistogramParts, reader: ProtobufReader) => void>> = {
  1: (parts, reader) => void (parts.count = reader.unsigned()),
  2: (parts, reader) => {
    parts.count = reader.double();
    parts.isFloat = true;
  },
  3: (parts, reader) => void (parts.sum = reader.double()),
  4: (parts, reader) => void (parts.schema = reader.zigzag()),
  5: (parts, reader) => void (parts.zeroThreshold = reader.double()),
  6: (parts, reader) => void (parts.zeroCount = reader.unsigned()),
  7: (parts, reader) => void (parts.zeroCount = reader.double()),
  8: (parts, reader) => parts.negative.addSpan(reader.message()),
  9: (parts, reader) => reader.appendZigzags(parts.negative.deltas),
  10: (parts, reader) => reader.appendDoubles(parts.negative.counts),
  11: (parts, reader) => parts.positive.addSpan(reader.message()),
  12: (parts, reader) => reader.appendZigzags(parts.positive.deltas),
  13: (parts, reader) => reader.appendDoubles(parts.positive.counts),
  14: (parts, reader) => void (parts.resetHint = resetHints[reader.unsigned()] ?? "unknown"),
  16: (parts, reader) => reader.appendDoubles(parts.customBounds),
};
