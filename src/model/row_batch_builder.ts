/** Builds a RowBatch in plain memory, series by series. For tests, scrapes and protocols that are not hot. */
import { encodeLabelRun, type Labels } from "./labels.ts";
import type { SeriesExemplar } from "./exemplar.ts";
import { defaultTenant, type Tenant } from "./matcher.ts";
import { type MetricMetadata, type RowBatch, sampleKindFloat, seriesRow } from "./row_batch.ts";

export class RowBatchBuilder {
  readonly #tenant: Tenant;
  #labelBytes = new Uint8Array(4096);
  #labelsSize = 0;
  #seriesRows = new Uint32Array(seriesRow.slots * 64);
  #seriesCount = 0;
  #timestampsMs = new Float64Array(256);
  #values = new Float64Array(256);
  #sampleCount = 0;
  #metadata: MetricMetadata[] = [];
  #exemplars: SeriesExemplar[] = [];

  constructor(tenant: Tenant = defaultTenant) {
    this.#tenant = tenant;
  }

  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** Appends one series with its samples; the columns are copied bit by bit. */
  addSeries(labels: Labels, timestampsMs: Float64Array, values: Float64Array): this {
    return this.addLabelRun(encodeLabelRun(labels), timestampsMs, values);
  }

  /** As addSeries, with a canonical label run. */
  addLabelRun(labelRun: Uint8Array, timestampsMs: Float64Array, values: Float64Array, sampleKind: number = sampleKindFloat): this {
    this.#labelBytes = grown(this.#labelBytes, this.#labelsSize + labelRun.length);
    this.#seriesRows = grown(this.#seriesRows, (this.#seriesCount + 1) * seriesRow.slots);
    this.#timestampsMs = grown(this.#timestampsMs, this.#sampleCount + timestampsMs.length);
    this.#values = grown(this.#values, this.#sampleCount + values.length);
    const row = this.#seriesCount * seriesRow.slots;
    this.#seriesRows[row + seriesRow.labelsOffset] = this.#labelsSize;
    this.#seriesRows[row + seriesRow.labelsSize] = labelRun.length;
    this.#seriesRows[row + seriesRow.sampleFrom] = this.#sampleCount;
    this.#seriesRows[row + seriesRow.sampleCount] = timestampsMs.length;
    this.#seriesRows[row + seriesRow.sampleKind] = sampleKind;
    this.#labelBytes.set(labelRun, this.#labelsSize);
    this.#timestampsMs.set(timestampsMs, this.#sampleCount);
    this.#values.set(values, this.#sampleCount);
    this.#labelsSize += labelRun.length;
    this.#sampleCount += timestampsMs.length;
    this.#seriesCount++;
    return this;
  }

  addExemplar(exemplar: SeriesExemplar): this {
    this.#exemplars.push(exemplar);
    return this;
  }

  addMetadata(metadata: MetricMetadata): this {
    this.#metadata.push(metadata);
    return this;
  }

  /** The batch so far; valid until the builder is used again. */
  build(): RowBatch {
    return {
      tenant: this.#tenant,
      seriesCount: this.#seriesCount,
      sampleCount: this.#sampleCount,
      labelBytes: this.#labelBytes.subarray(0, this.#labelsSize),
      seriesRows: this.#seriesRows.subarray(0, this.#seriesCount * seriesRow.slots),
      timestampsMs: this.#timestampsMs.subarray(0, this.#sampleCount),
      values: this.#values.subarray(0, this.#sampleCount),
      metadata: this.#metadata,
      ...(this.#exemplars.length > 0 && { exemplars: this.#exemplars }),
    };
  }

  /** Empties the builder, keeping its memory. */
  clear(): void {
    this.#labelsSize = 0;
    this.#seriesCount = 0;
    this.#sampleCount = 0;
    this.#metadata = [];
    this.#exemplars = [];
  }
}

/** The same array if it holds `size` elements, or a copy of at least twice the length. */
function grown<T extends Uint8Array | Uint32Array | Float64Array>(array: T, size: number): T {
  if (size <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => T)(Math.max(size, array.length * 2));
  larger.set(array as never);
  return larger;
}
