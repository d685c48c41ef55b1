/**
 * Relabels RowBatches: every label run goes through a function once and is looked up from then on. Rows that are dropped are taken out
 * of the columns; the values are moved as bytes, so that stale markers keep their payload.
 */
import type { SeriesExemplar } from "../model/exemplar.ts";
import { decodeLabelRun, encodeLabelRun, type Labels } from "../model/labels.ts";
import { type RowBatch, seriesRow } from "../model/row_batch.ts";
import { LabelRunCache } from "./label_run_cache.ts";

export interface RelabelCacheLimits {
  readonly seriesMax: number;
  readonly bytesMax: number;
}

export const defaultRelabelCacheLimits: RelabelCacheLimits = { seriesMax: 1 << 20, bytesMax: 256 << 20 };

/** The new labels of a series; undefined or no labels: the series is dropped. REQUIRES: a pure function. */
export type LabelsFunction = (labels: Labels) => Labels | undefined;

export class BatchRelabeler {
  readonly #relabel: LabelsFunction;
  readonly #limits: RelabelCacheLimits;
  readonly #cache = new LabelRunCache();
  #rows = new Uint32Array(64 * seriesRow.slots);
  #entries = new Uint32Array(64);
  #droppedSamples = 0;

  constructor(relabel: LabelsFunction, limits: RelabelCacheLimits = defaultRelabelCacheLimits) {
    this.#relabel = relabel;
    this.#limits = limits;
  }

  /** Samples dropped so far, with their series. */
  get droppedSamples(): number {
    return this.#droppedSamples;
  }

  /** Bytes of memory that the cache takes, roughly. */
  get sizeBytes(): number {
    return this.#cache.sizeBytes;
  }

  /**
   * The batch with new labels. It shares the sample columns with `batch`, which are closed up in place where rows are dropped, and is
   * valid until the next call.
   *
   * REQUIRES: the rows of `batch` own its samples in order.
   */
  apply(batch: RowBatch): RowBatch {
    const { seriesRows } = batch;
    if (this.#cache.size > this.#limits.seriesMax || this.#cache.sizeBytes > this.#limits.bytesMax) this.#cache.clear();
    this.#reserve(batch.seriesCount);
    this.#resolve(batch);
    const rows = this.#rows;
    let seriesCount = 0;
    let sampleCount = 0;
    for (let i = 0; i < batch.seriesCount; i++) {
      const from = i * seriesRow.slots;
      const count = seriesRows[from + seriesRow.sampleCount];
      const entry = this.#entries[i];
      if (this.#cache.isDropped(entry)) {
        this.#droppedSamples += count;
        continue;
      }
      const sampleFrom = seriesRows[from + seriesRow.sampleFrom];
      moveSamples(batch, sampleFrom, sampleCount, count);
      const to = seriesCount++ * seriesRow.slots;
      rows[to + seriesRow.labelsOffset] = this.#cache.outputOffset(entry);
      rows[to + seriesRow.labelsSize] = this.#cache.outputSize(entry);
      rows[to + seriesRow.sampleFrom] = sampleCount;
      rows[to + seriesRow.sampleCount] = count;
      rows[to + seriesRow.sampleKind] = seriesRows[from + seriesRow.sampleKind];
      sampleCount += count;
    }
    return {
      tenant: batch.tenant, seriesCount, sampleCount, metadata: batch.metadata,
      ...(batch.exemplars !== undefined && { exemplars: this.#relabelExemplars(batch.exemplars) }),
      labelBytes: this.#cache.bytes,
      seriesRows: rows.subarray(0, seriesCount * seriesRow.slots),
      timestampsMs: batch.timestampsMs.subarray(0, sampleCount),
      values: batch.values.subarray(0, sampleCount),
    };
  }

  /** Lets go of labels that are no longer seen: `inUse` series were, lately. */
  trim(inUse: number): void {
    if (this.#cache.size > 2 * inUse + 1_000) this.#cache.clear();
  }

  /** Finds or makes the cache entry of every row. */
  #resolve({ seriesCount, seriesRows, labelBytes }: RowBatch): void {
    const bytes = Buffer.from(labelBytes.buffer, labelBytes.byteOffset, labelBytes.byteLength);
    for (let i = 0; i < seriesCount; i++) {
      const from = seriesRows[i * seriesRow.slots + seriesRow.labelsOffset];
      const size = seriesRows[i * seriesRow.slots + seriesRow.labelsSize];
      const found = this.#cache.find(bytes, from, size);
      this.#entries[i] = found >= 0 ? found : this.#insert(bytes, from, size);
    }
  }

  /** Exemplars of series that are kept, with their new labels. */
  #relabelExemplars(exemplars: readonly SeriesExemplar[]): SeriesExemplar[] {
    return exemplars.flatMap((exemplar) => {
      const run = Buffer.from(exemplar.labelRun);
      const found = this.#cache.find(run, 0, run.length);
      const entry = found >= 0 ? found : this.#insert(run, 0, run.length);
      if (this.#cache.isDropped(entry)) return [];
      const from = this.#cache.outputOffset(entry);
      return [{ ...exemplar, labelRun: new Uint8Array(this.#cache.bytes.subarray(from, from + this.#cache.outputSize(entry))) }];
    });
  }

  #insert(bytes: Buffer, from: number, size: number): number {
    const labels = this.#relabel(decodeLabelRun(bytes, from, from + size));
    return this.#cache.insert(bytes, from, size, labels === undefined || labels.length === 0 ? undefined : encodeLabelRun(labels));
  }

  #reserve(seriesCount: number): void {
    if (seriesCount <= this.#entries.length) return;
    this.#entries = new Uint32Array(seriesCount * 2);
    this.#rows = new Uint32Array(seriesCount * 2 * seriesRow.slots);
  }
}

function moveSamples({ timestampsMs, values }: RowBatch, fromIndex: number, toIndex: number, count: number): void {
  if (fromIndex === toIndex) return;
  timestampsMs.copyWithin(toIndex, fromIndex, fromIndex + count);
  values.copyWithin(toIndex, fromIndex, fromIndex + count);
}
