/** Copies what the head holds of a group of series out of shared memory, on any thread, into plain columns. */
import { assert } from "../base/assert.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import { headChunkSlots, headContext, headRecordBytes } from "../kernel/head.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { TimeRange } from "../model/store.ts";
import type { ShardReader } from "./shard.ts";

/** Series that one call may ask for. */
export const headCopySeriesMax = 2048;

/** Samples of series i are [sampleFrom[i], sampleFrom[i + 1]), sorted by time. */
export interface HeadColumns {
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

  /** The head's samples of these series within `range`, without those of published seals. */
  copy(seriesIndexes: Uint32Array, range: TimeRange, publishedSeal: number): HeadColumns {
    const sampleFrom = new Uint32Array(seriesIndexes.length + 1);
    let done = 0;
    while (done < seriesIndexes.length) {
      const rest = seriesIndexes.subarray(done);
      const copied = this.#copySome(rest, range, publishedSeal, sampleFrom, done);
      if (copied === 0) this.#copyLarge(rest[0], range, publishedSeal, sampleFrom, done);
      done += Math.max(1, copied);
    }
    const count = sampleFrom[seriesIndexes.length];
    return { sampleFrom, timestampsMs: this.#columns.timestampsMs.slice(0, count), values: this.#columns.values.slice(0, count) };
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

  /** A series with more unsealed samples than the scratch area holds (a fast backfill): its chunks are copied one by one. */
  #copyLarge(seriesIndex: number, range: TimeRange, publishedSeal: number, sampleFrom: Uint32Array, done: number): void {
    const chunks = this.#chunksOf(seriesIndex, publishedSeal);
    const count = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
    const kernel = new Kernel();
    const timestamps = kernel.allocate(count * 8);
    const values = kernel.allocate(count * 8);
    const fromPointer = kernel.allocate(8);
    const scratch = kernel.allocate(sortScratchBytes(count));
    const source = this.#shard.kernel;
    let at = 0;
    for (const { pointer, count: samples } of chunks) {
      const baseMs = source.f64[pointer / 8];
      for (let i = 0; i < samples; i++) kernel.f64[timestamps / 8 + at + i] = baseMs + source.u32[pointer / 4 + 7 + i];
      kernel.f64.set(source.f64.subarray(pointer / 8 + 8, pointer / 8 + 8 + samples), values / 8 + at);
      at += samples;
    }
    kernel.u32.set([0, count], fromPointer / 4);
    const kept = columnKernels(kernel).columnsFinish(fromPointer, 1, timestamps, values, range.minMs, range.maxMs, scratch) >>> 0;
    const base = sampleFrom[done];
    sampleFrom[done + 1] = base + kept;
    this.#ensure(base + kept);
    this.#columns.timestampsMs.set(kernel.f64.subarray(timestamps / 8, timestamps / 8 + kept), base);
    this.#columns.values.set(kernel.f64.subarray(values / 8, values / 8 + kept), base);
  }

  /** Chunks of a series that are not in published seals, oldest first. */
  #chunksOf(seriesIndex: number, publishedSeal: number): { pointer: number; count: number }[] {
    const { kernel, headContext: context } = this.#shard;
    const u32 = kernel.u32;
    const record = u32[(context + headContext.records) / 4] + seriesIndex * headRecordBytes;
    const chunks: { pointer: number; count: number }[] = [];
    for (let pointer = u32[record / 4 + 4]; pointer !== 0; pointer = u32[pointer / 4 + 4]) {
      const sealNumber = u32[pointer / 4 + 6];
      if (sealNumber !== 0 && sealNumber <= publishedSeal) break;
      chunks.push({ pointer, count: Math.min(headChunkSlots, u32[pointer / 4 + 5]) });
    }
    return chunks.reverse();
  }

  #ensure(count: number): void {
    if (count <= this.#columns.timestampsMs.length) return;
    const larger = { timestampsMs: new Float64Array(count * 2), values: new Float64Array(count * 2) };
    larger.timestampsMs.set(this.#columns.timestampsMs);
    larger.values.set(this.#columns.values);
    this.#columns = larger;
  }
}
