/**
 * Turns the handed-over chunks of a seal (shared memory, wasm/head.ts) into ColumnRuns in ascending order of series id, some thousand
 * series at a time. Runs on the storage thread; the head's writer does not touch handed-over chunks until the seal is released.
 */
import { assert } from "../base/assert.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import { headContext, headRecordBytes } from "../kernel/head.ts";
import type { ColumnRun } from "./column_run.ts";
import type { Seal } from "./head.ts";
import type { LargeKernel } from "./large_kernel.ts";
import type { SealOrder } from "./seal_order.ts";
import type { ShardReader } from "./shard.ts";

/** A run together with the series' positions in the shard. */
export interface GatheredRun extends ColumnRun {
  readonly seriesIndexes: Uint32Array;
}

const entriesPerRun = 8192;
const samplesPerRun = 1 << 16;

/** Bytes of shard scratch that gathering needs. */
export const gatherScratchBytes = entriesPerRun * 40 + 4096 + samplesPerRun * 16 + sortScratchBytes(samplesPerRun);

/** Yields the samples of a seal. A run is valid until the next one; its arrays view shared memory, or that of `large`. */
export function* gatherSeal(shard: ShardReader, seal: Seal, order: SealOrder, large: LargeKernel): Generator<GatheredRun> {
  const totals = order.sampleCounts;
  for (let from = 0; from < order.length; ) {
    let to = endOfSeries(order, from);
    let samples = sumOf(totals, from, to);
    if (samples > samplesPerRun) {
      yield gatherLarge(shard, seal, order, from, to, samples, large);
    } else {
      for (;;) {
        if (to >= order.length) break;
        const next = endOfSeries(order, to);
        const added = sumOf(totals, to, next);
        if (samples + added > samplesPerRun || next - from > entriesPerRun) break;
        samples += added;
        to = next;
      }
      yield* gatherSome(shard, seal, order, from, to);
    }
    from = to;
  }
}

function endOfSeries(order: SealOrder, from: number): number {
  let to = from + 1;
  while (to < order.length && order.seriesIndexes[to] === order.seriesIndexes[from]) to++;
  return to;
}

function sumOf(counts: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += counts[i];
  return sum;
}

/** Gathers entries [from, to) of the order, whole series that fit the scratch area. */
function* gatherSome(shard: ShardReader, seal: Seal, order: SealOrder, from: number, to: number): Generator<GatheredRun> {
  const { kernel, kernels, scratch } = shard;
  assert(scratch.sizeBytes >= gatherScratchBytes, "the scratch area is large enough to gather");
  const count = to - from;
  let pointer = scratch.pointer;
  const take = (size: number): number => {
    const at = pointer;
    pointer += Math.ceil(size / 16) * 16;
    return at;
  };
  const orderPointer = take(count * 4);
  const seriesIndexes = take(count * 4);
  const seriesIds = take(count * 4);
  const sampleFrom = take((count + 1) * 4);
  const lastLogRows = take(count * 8);
  const seriesCountOut = take(8);
  const timestamps = take(samplesPerRun * 8);
  const values = take(samplesPerRun * 8);
  const sortScratch = take(sortScratchBytes(samplesPerRun));
  kernel.u32.set(order.entries.subarray(from, to), orderPointer / 4);
  const done = kernels.headGather(
    shard.headContext, seal.entries, orderPointer, 0, count, seriesIndexes, seriesIds, sampleFrom, lastLogRows, timestamps, values,
    samplesPerRun, sortScratch, seriesCountOut,
  );
  assert(done === count, "a run of whole series fits the scratch area");
  const seriesCount = kernel.u32[seriesCountOut / 4];
  const samples = kernel.u32[sampleFrom / 4 + seriesCount];
  yield {
    seriesCount,
    seriesIndexes: kernel.u32.subarray(seriesIndexes / 4, seriesIndexes / 4 + seriesCount),
    seriesIds: kernel.u32.subarray(seriesIds / 4, seriesIds / 4 + seriesCount),
    sampleFrom: kernel.u32.subarray(sampleFrom / 4, sampleFrom / 4 + seriesCount + 1),
    timestampsMs: kernel.f64.subarray(timestamps / 8, timestamps / 8 + samples),
    values: kernel.f64.subarray(values / 8, values / 8 + samples),
    lastLogRows: kernel.f64.subarray(lastLogRows / 8, lastLogRows / 8 + seriesCount),
  };
}

/** One series with more samples than the scratch area holds (a backfill, at most `sampleCountMax`), by way of it into a memory of its own. */
function gatherLarge(shard: ShardReader, seal: Seal, order: SealOrder, from: number, to: number, sampleCountMax: number, large: LargeKernel): GatheredRun {
  const { kernel: shared, kernels, scratch } = shard;
  const orderPointer = scratch.pointer;
  const samplesOut = orderPointer + entriesPerRun * 4;
  const someTimestamps = samplesOut + 16;
  const someValues = someTimestamps + samplesPerRun * 8;
  return large.use((kernel) => {
    const timestamps = kernel.allocate(sampleCountMax * 8);
    const values = kernel.allocate(sampleCountMax * 8);
    const sortScratch = kernel.allocate(sortScratchBytes(sampleCountMax));
    let count = 0;
    for (let i = from; i < to; ) {
      const some = order.entries.subarray(i, Math.min(to, i + entriesPerRun));
      shared.u32.set(some, orderPointer / 4);
      const copied = kernels.headGatherEntries(seal.entries, orderPointer, 0, some.length, someTimestamps, someValues, samplesPerRun, samplesOut);
      assert(copied > 0, "an entry fits the scratch area");
      const samples = shared.u32[samplesOut / 4];
      kernel.f64.set(shared.f64.subarray(someTimestamps / 8, someTimestamps / 8 + samples), timestamps / 8 + count);
      kernel.f64.set(shared.f64.subarray(someValues / 8, someValues / 8 + samples), values / 8 + count);
      count += samples;
      i += copied;
    }
    columnKernels(kernel).columnsSort(timestamps, values, count, sortScratch);
    const seriesIndex = order.seriesIndexes[from];
    const records = shared.u32[(shard.headContext + headContext.records) / 4];
    return {
      seriesCount: 1,
      seriesIndexes: Uint32Array.of(seriesIndex),
      seriesIds: Uint32Array.of(shared.u32[(records + seriesIndex * headRecordBytes) / 4 + 7]),
      sampleFrom: Uint32Array.of(0, count),
      timestampsMs: kernel.f64.subarray(timestamps / 8, timestamps / 8 + count),
      values: kernel.f64.subarray(values / 8, values / 8 + count),
      lastLogRows: Float64Array.of(shared.f64[samplesOut / 8 + 1]),
    };
  });
}
