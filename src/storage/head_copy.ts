/** Copies what the head holds of a group of series out of shared memory, on any thread, into plain columns. */
import { assert } from "../base/assert.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import type { TimeRange } from "../model/store.ts";
import { LargeKernel } from "./large_kernel.ts";
import type { ShardReader } from "./shard.ts";

/** Series that one call may ask for. */
export const headCopySeriesMax = 2048;

const noSamples = new Float64Array(0);

/** Samples that room is kept for. */
const keptSamplesMax = 1 << 20;

/** Samples of the first `seriesCount` series asked for; those of series i are [sampleFrom[i], sampleFrom[i + 1]), sorted by time. */
export interface HeadColumns {
  readonly seriesCount: number;
  readonly sampleFrom: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

export class HeadCopy {
  readonly #shard: ShardReader;
  readonly #list: number;
  readonly #sampleFrom: number;
  readonly #timestamps: number;
  readonly #values: number;
  readonly #sortScratch: number;
  readonly #capacity: number;
  readonly #large = new LargeKernel();
  #columns = { timestampsMs: new Float64Array(1024), values: new Float64Array(1024) };

  constructor(shard: ShardReader) {
    this.#shard = shard;
    const { pointer, sizeBytes } = shard.scratch;
    this.#list = pointer;
    this.#sampleFrom = pointer + headCopySeriesMax * 4;
    this.#timestamps = this.#sampleFrom + headCopySeriesMax * 4 + 64;
    this.#capacity = Math.floor((pointer + sizeBytes - this.#timestamps - 256) / 36 / 8) * 8;
    assert(this.#capacity > 0, "the scratch area holds a batch");
    this.#values = this.#timestamps + this.#capacity * 8;
    this.#sortScratch = this.#values + this.#capacity * 8;
  }

  /** seriesIds of the given seriesIndexes. */
  seriesIds(seriesIndexes: Uint32Array): Uint32Array {
    const { kernel, kernels, headContext: context } = this.#shard;
    assert(seriesIndexes.length <= headCopySeriesMax, "a group of series fits the scratch area");
    kernel.u32.set(seriesIndexes, this.#list / 4);
    kernels.headSeriesIds(context, this.#list, seriesIndexes.length, this.#sampleFrom);
    return kernel.u32.slice(this.#sampleFrom / 4, this.#sampleFrom / 4 + seriesIndexes.length);
  }

  /** Fingerprints of the given series, 16 bytes each. */
  fingerprints(seriesIndexes: Uint32Array): Uint8Array {
    const { kernel, kernels, headContext: context } = this.#shard;
    const bytes = new Uint8Array(seriesIndexes.length * 16);
    const stepCount = Math.min(headCopySeriesMax, Math.floor(this.#capacity / 2));
    for (let from = 0; from < seriesIndexes.length; from += stepCount) {
      const list = seriesIndexes.subarray(from, from + stepCount);
      kernel.u32.set(list, this.#list / 4);
      kernels.headFingerprints(context, this.#list, list.length, this.#timestamps);
      bytes.set(kernel.u8.subarray(this.#timestamps, this.#timestamps + list.length * 16), from * 16);
    }
    return bytes;
  }

  /**
   * The head's samples of the first of these series within `range`, without those of published seals: of all of them, or of as many as have
   * `samplesMin` samples together.
   */
  copy(seriesIndexes: Uint32Array, range: TimeRange, publishedSeal: number, samplesMin: number): HeadColumns {
    const sampleFrom = new Uint32Array(seriesIndexes.length + 1);
    let done = 0;
    while (done < seriesIndexes.length && sampleFrom[done] < samplesMin) {
      const rest = seriesIndexes.subarray(done);
      const copied = this.#copySome(rest, range, publishedSeal, sampleFrom, done);
      if (copied === 0) this.#copyLarge(rest[0], range, publishedSeal, sampleFrom, done);
      done += Math.max(1, copied);
    }
    const count = sampleFrom[done];
    if (count === 0) return { seriesCount: done, sampleFrom: sampleFrom.subarray(0, done + 1), timestampsMs: noSamples, values: noSamples };
    const columns = this.#columns;
    // Much is seldom: its memory is not kept.
    if (columns.values.length > keptSamplesMax) this.#columns = { timestampsMs: new Float64Array(1024), values: new Float64Array(1024) };
    return { seriesCount: done, sampleFrom: sampleFrom.subarray(0, done + 1), timestampsMs: columns.timestampsMs.slice(0, count), values: columns.values.slice(0, count) };
  }

  /** Copies as many series as fit the scratch area; returns their number. */
  #copySome(list: Uint32Array, range: TimeRange, publishedSeal: number, sampleFrom: Uint32Array, done: number): number {
    const { kernel, kernels, headContext: context } = this.#shard;
    kernel.u32.set(list, this.#list / 4);
    const copied = kernels.headCopyOut(
      context, this.#list, list.length, range.minMs, range.maxMs, publishedSeal,
      this.#sampleFrom, this.#timestamps, this.#values, this.#capacity, this.#sortScratch,
    );
    const from = kernel.u32.subarray(this.#sampleFrom / 4, this.#sampleFrom / 4 + copied + 1);
    const base = sampleFrom[done];
    for (let i = 1; i <= copied; i++) sampleFrom[done + i] = base + from[i];
    const count = copied === 0 ? 0 : from[copied];
    this.#ensure(base + count);
    this.#columns.timestampsMs.set(kernel.f64.subarray(this.#timestamps / 8, this.#timestamps / 8 + count), base);
    this.#columns.values.set(kernel.f64.subarray(this.#values / 8, this.#values / 8 + count), base);
    return copied;
  }

  /** A series with more unsealed samples than the scratch area holds (a fast backfill), by way of it in pieces, the newest first. */
  #copyLarge(seriesIndex: number, range: TimeRange, publishedSeal: number, sampleFrom: Uint32Array, done: number): void {
    const pieces = this.#copyPieces(seriesIndex, publishedSeal);
    const count = pieces.reduce((sum, { values }) => sum + values.length, 0);
    this.#large.use((kernel) => {
      const timestamps = kernel.allocate(count * 8);
      const values = kernel.allocate(count * 8);
      const fromPointer = kernel.allocate(8);
      const scratch = kernel.allocate(sortScratchBytes(count));
      let at = 0;
      for (const piece of pieces.reverse()) {
        kernel.f64.set(piece.timestampsMs, timestamps / 8 + at);
        kernel.f64.set(piece.values, values / 8 + at);
        at += piece.values.length;
      }
      kernel.u32.set([0, count], fromPointer / 4);
      const kept = columnKernels(kernel).columnsFinish(fromPointer, 1, timestamps, values, range.minMs, range.maxMs, scratch) >>> 0;
      const base = sampleFrom[done];
      sampleFrom[done + 1] = base + kept;
      this.#ensure(base + kept);
      this.#columns.timestampsMs.set(kernel.f64.subarray(timestamps / 8, timestamps / 8 + kept), base);
      this.#columns.values.set(kernel.f64.subarray(values / 8, values / 8 + kept), base);
    });
  }

  /** Samples that are not in published seals, in pieces from the newest to the oldest; oldest first in each. */
  #copyPieces(seriesIndex: number, publishedSeal: number): { timestampsMs: Float64Array; values: Float64Array }[] {
    const { kernel, kernels, headContext: context } = this.#shard;
    const pieces: { timestampsMs: Float64Array; values: Float64Array }[] = [];
    const end = this.#capacity;
    let chunk = 0;
    do {
      const count = kernels.headCopyChunks(context, seriesIndex, chunk, publishedSeal, this.#timestamps, this.#values, this.#capacity, this.#sampleFrom);
      chunk = kernel.u32[this.#sampleFrom / 4];
      const [timestamps, values] = [this.#timestamps / 8 + end, this.#values / 8 + end];
      pieces.push({ timestampsMs: kernel.f64.slice(timestamps - count, timestamps), values: kernel.f64.slice(values - count, values) });
    } while (chunk !== 0);
    return pieces;
  }

  /** Gives memory for the rare large series to the garbage collector. */
  dropSpare(): void {
    this.#large.drop();
  }

  #ensure(count: number): void {
    if (count <= this.#columns.timestampsMs.length) return;
    const larger = { timestampsMs: new Float64Array(count * 2), values: new Float64Array(count * 2) };
    larger.timestampsMs.set(this.#columns.timestampsMs);
    larger.values.set(this.#columns.values);
    this.#columns = larger;
  }
}
