/**
 * LocalReader: reads the series of a Snapshot: head chunks from shared memory, blocks from part files, joined per series and sorted
 * by time. Each reading thread has one, with a private Kernel; batches are views on that kernel's memory.
 *
 *   group of series ──> block lists of all parts, copy of the head ──> batches of bounded size
 *   batch ──> decode part by part ──> scatter to series order ──> sort, clip ──> SeriesBatch
 */
import { LimitError } from "../base/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { Labels } from "../model/labels.ts";
import type { SearchRequest, SearchResult, SeriesBatch } from "../model/store.ts";
import type { BlockList } from "./block_list.ts";
import { HeadCopy, type HeadColumns, headCopySeriesMax } from "./head_copy.ts";
import { LargeKernel } from "./large_kernel.ts";
import type { Part } from "./part.ts";
import { PartCache } from "./part_cache.ts";
import { DamagedBlocksError } from "./part_error.ts";
import type { ShardReader } from "./shard.ts";
import type { Snapshot } from "./snapshot.ts";

/** Samples that a batch aims at; a single series may have more. */
const batchSamples = 1 << 18;
/** Samples of the head that a group aims at. */
const groupHeadSamples = 1 << 20;
const freeAreasMax = 3;

/** Blocks of one part for a group; `firstBlock[i]` is the first block of the group's i-th series in id order. */
interface PartBlocks {
  readonly part: Part;
  readonly path: string;
  readonly list: BlockList;
  readonly firstBlock: Uint32Array;
}

/** Everything known about a group before anything is decoded. `order[i]` is the position of the i-th series in id order. */
interface Group {
  readonly shard: ShardReader;
  readonly seriesIndexes: Uint32Array;
  readonly order: Uint32Array;
  readonly parts: readonly PartBlocks[];
  readonly head: HeadColumns;
  /** Samples by series in id order, decoded whole (before clipping). */
  readonly sampleCounts: Uint32Array;
}

/** Areas for one batch in a kernel's memory. */
class BatchAreas {
  readonly kernel: Kernel;
  readonly samples: number;
  readonly decodedTimestamps: number;
  readonly decodedValues: number;
  readonly timestamps: number;
  readonly values: number;
  readonly scratch: number;
  readonly sampleFrom: number;
  readonly runs: number;
  readonly runsMax: number;

  constructor(kernel: Kernel, samples: number) {
    this.kernel = kernel;
    this.samples = samples;
    const columnBytes = (samples + 16) * 8;
    this.decodedTimestamps = kernel.allocate(columnBytes);
    this.decodedValues = kernel.allocate(columnBytes);
    this.timestamps = kernel.allocate(columnBytes);
    this.values = kernel.allocate(columnBytes);
    this.scratch = kernel.allocate(sortScratchBytes(samples));
    this.sampleFrom = kernel.allocate((headCopySeriesMax + 1) * 4);
    this.runsMax = 16_384;
    this.runs = kernel.allocate(this.runsMax * 12);
  }
}

/** What one search decodes into: areas for the usual batches, and a memory for a series with more samples. */
interface SearchAreas {
  readonly usual: BatchAreas;
  readonly large: LargeKernel;
}

export class LocalReader implements Disposable {
  readonly #shards: readonly ShardReader[];
  readonly #heads: readonly HeadCopy[];
  readonly #parts: PartCache;
  /** Areas that no search is using; overlapping searches get one each. */
  readonly #freeAreas: SearchAreas[];
  readonly #onUnreadable: (path: string, error: unknown) => void;

  constructor(options: { files: FileSystem; kernel: Kernel; shards: readonly ShardReader[]; onUnreadable: (path: string, error: unknown) => void }) {
    this.#shards = options.shards;
    this.#heads = options.shards.map((shard) => new HeadCopy(shard));
    this.#parts = new PartCache(options.files);
    this.#freeAreas = [{ usual: new BatchAreas(options.kernel, batchSamples), large: new LargeKernel() }];
    this.#onUnreadable = options.onUnreadable;
  }

  /** The samples of a snapshot's series. A part that cannot be read is left out, reported, and makes the result partial. */
  search(snapshot: Snapshot, request: SearchRequest): SearchResult {
    let partial = false;
    const unreadable = (path: string, error: unknown): void => {
      partial = true;
      this.#onUnreadable(path, error);
    };
    return { batches: this.#batches(snapshot, request, unreadable), isPartial: () => partial };
  }

  async *#batches(snapshot: Snapshot, request: SearchRequest, unreadable: (path: string, error: unknown) => void): AsyncGenerator<SeriesBatch> {
    checkSeriesBudget(snapshot, request);
    const areas = this.#freeAreas.pop() ?? { usual: new BatchAreas(new Kernel(), batchSamples), large: new LargeKernel() };
    try {
      yield* this.#read(snapshot, request, areas, unreadable);
    } finally {
      if (this.#freeAreas.length < freeAreasMax) this.#freeAreas.push(areas);
    }
  }

  /** Called now and then: gives back what removed parts and unusually large series hold. */
  closeUnused(): void {
    this.#parts.closeRemoved();
    for (const { large } of this.#freeAreas) large.drop();
    for (const head of this.#heads) head.dropSpare();
  }

  /** Closes all files. REQUIRES: no search is going on. */
  [Symbol.dispose](): void {
    this.#parts[Symbol.dispose]();
  }

  async *#read(snapshot: Snapshot, request: SearchRequest, areas: SearchAreas, unreadable: (path: string, error: unknown) => void): AsyncGenerator<SeriesBatch> {
    let samples = 0;
    for (const [shardNumber, series] of snapshot.series.entries()) {
      for (let from = 0; from < series.length; ) {
        const group = this.#openGroup(snapshot, shardNumber, series.subarray(from, from + headCopySeriesMax), request, unreadable);
        from += group.seriesIndexes.length;
        for (const [fromSeries, toSeries] of batchBounds(group.sampleCounts)) {
          request.signal?.throwIfAborted();
          const batch = this.#readBatch(group, fromSeries, toSeries, request, areas, unreadable);
          samples += batch.timestampsMs.length;
          checkSampleBudget(samples, request);
          if (batch.timestampsMs.length > 0) yield batch;
        }
      }
    }
  }

  /** Opens a group of the first of these series: all of them, unless the head has very many samples of them. */
  #openGroup(snapshot: Snapshot, shardNumber: number, wanted: Uint32Array, request: SearchRequest, unreadable: (path: string, error: unknown) => void): Group {
    const headCopy = this.#heads[shardNumber];
    const head = headCopy.copy(wanted, request.range, snapshot.publishedSeals[shardNumber], groupHeadSamples);
    const seriesIndexes = wanted.subarray(0, head.seriesCount);
    const { order, sortedIds } = sortIds(headCopy.seriesIds(seriesIndexes));
    const sampleCounts = new Uint32Array(seriesIndexes.length);
    const parts: PartBlocks[] = [];
    for (const { path } of snapshot.parts) {
      try {
        const part = this.#parts.open(path);
        const list = part.findBlocks(sortedIds, request.range, request.columnId ?? 0);
        if (list.count > 0) parts.push({ part, path, list, firstBlock: firstBlocks(list, sortedIds, sampleCounts) });
      } catch (error) {
        unreadable(path, error);
      }
    }
    for (let i = 0; i < order.length; i++) sampleCounts[i] += head.sampleFrom[order[i] + 1] - head.sampleFrom[order[i]];
    return { shard: this.#shards[shardNumber], seriesIndexes, order, parts, head, sampleCounts };
  }

  /** Reads series [fromSeries, toSeries) of the group, in id order. */
  #readBatch(
    group: Group, fromSeries: number, toSeries: number, request: SearchRequest, { usual, large }: SearchAreas, unreadable: (path: string, error: unknown) => void,
  ): SeriesBatch {
    let total = 0;
    for (let i = fromSeries; i < toSeries; i++) total += group.sampleCounts[i];
    const areas = total <= usual.samples ? usual : large.use((kernel) => new BatchAreas(kernel, total));
    const { kernel } = areas;
    const kernels = columnKernels(kernel);
    const seriesCount = toSeries - fromSeries;
    // Next free place of each series in the target columns.
    const places = new Uint32Array(seriesCount);
    const sampleFrom = kernel.u32.subarray(areas.sampleFrom / 4, areas.sampleFrom / 4 + seriesCount + 1);
    sampleFrom[0] = 0;
    for (let i = 0; i < seriesCount; i++) {
      places[i] = sampleFrom[i];
      sampleFrom[i + 1] = sampleFrom[i] + group.sampleCounts[fromSeries + i];
    }
    const scatter = new Scatter(areas);
    const missing = new Uint32Array(seriesCount);
    for (const partBlocks of group.parts) this.#decodePart(partBlocks, fromSeries, toSeries, places, missing, scatter, unreadable);
    for (let i = 0; i < seriesCount; i++) {
      const position = group.order[fromSeries + i];
      const from = group.head.sampleFrom[position];
      const count = group.head.sampleFrom[position + 1] - from;
      if (count === 0) continue;
      kernel.f64.set(group.head.timestampsMs.subarray(from, from + count), areas.timestamps / 8 + places[i]);
      kernel.f64.set(group.head.values.subarray(from, from + count), areas.values / 8 + places[i]);
      places[i] += count;
    }
    if (missing.some((count) => count > 0)) closeGaps(areas, places);
    const count = kernels.columnsFinish(
      areas.sampleFrom, seriesCount, areas.timestamps, areas.values, request.range.minMs, request.range.maxMs, areas.scratch,
    ) >>> 0;
    return this.#seriesBatch(group, fromSeries, seriesCount, areas, count);
  }

  /** Decodes a part's blocks of series [fromSeries, toSeries) and scatters them to the series' places. */
  #decodePart(
    { part, path, list, firstBlock }: PartBlocks, fromSeries: number, toSeries: number, places: Uint32Array, missing: Uint32Array,
    scatter: Scatter, unreadable: (path: string, error: unknown) => void,
  ): void {
    const { areas } = scatter;
    let series = fromSeries;
    for (let from = firstBlock[fromSeries]; from < firstBlock[toSeries]; ) {
      const to = Math.min(firstBlock[toSeries], from + areas.runsMax);
      const damaged = decodeBlocks(part, areas, list, from, to, (error) => unreadable(path, error));
      let decoded = 0;
      for (let block = from; block < to; block++) {
        while (block >= firstBlock[series + 1]) series++;
        const samples = list.sampleCounts[block];
        const place = series - fromSeries;
        if (damaged?.has(block)) missing[place] += samples;
        else {
          scatter.add(decoded, places[place], samples);
          places[place] += samples;
        }
        decoded += samples;
      }
      scatter.flush();
      from = to;
    }
  }

  #seriesBatch(group: Group, fromSeries: number, seriesCount: number, areas: BatchAreas, count: number): SeriesBatch {
    const { kernel } = areas;
    return {
      seriesCount,
      sampleFrom: kernel.u32.subarray(areas.sampleFrom / 4, areas.sampleFrom / 4 + seriesCount + 1),
      timestampsMs: kernel.f64.subarray(areas.timestamps / 8, areas.timestamps / 8 + count),
      values: kernel.f64.subarray(areas.values / 8, areas.values / 8 + count),
      labels: (index: number): Labels => group.shard.labels.labels(group.seriesIndexes[group.order[fromSeries + index]]),
    };
  }
}

/**
 * Decodes blocks [from, to) to their places in the decoded columns. Damaged blocks are reported and returned; those before and after them
 * are decoded all the same.
 */
function decodeBlocks(part: Part, areas: BatchAreas, list: BlockList, from: number, to: number, report: (error: unknown) => void): Set<number> | undefined {
  let damaged: Set<number> | undefined;
  let offset = 0;
  const decode = (fromBlock: number, toBlock: number): void => {
    part.readBlocks(areas.kernel, list, fromBlock, toBlock, areas.decodedTimestamps + offset * 8, areas.decodedValues + offset * 8, areas.samples - offset);
  };
  for (let block = from; block < to; ) {
    try {
      decode(block, to);
      break;
    } catch (error) {
      report(error);
      const stretch = error instanceof DamagedBlocksError ? error : { fromIndex: block, toIndex: to };
      damaged ??= new Set();
      // What stood before the damage is decoded again: the failed call may have stopped anywhere.
      if (stretch.fromIndex > block) decode(block, stretch.fromIndex);
      for (; block < stretch.toIndex; block++) {
        if (block >= stretch.fromIndex) damaged.add(block);
        offset += list.sampleCounts[block];
      }
    }
  }
  return damaged;
}

/** A table of copies from the decoded columns to the target columns, done in one kernel call. */
class Scatter {
  readonly areas: BatchAreas;
  #count = 0;

  constructor(areas: BatchAreas) {
    this.areas = areas;
  }

  add(fromIndex: number, toIndex: number, count: number): void {
    const at = this.areas.runs / 4 + this.#count++ * 3;
    const u32 = this.areas.kernel.u32;
    u32[at] = fromIndex;
    u32[at + 1] = toIndex;
    u32[at + 2] = count;
  }

  flush(): void {
    const { kernel, runs, decodedTimestamps, decodedValues, timestamps, values } = this.areas;
    columnKernels(kernel).columnsScatter(runs, this.#count, decodedTimestamps, decodedValues, timestamps, values);
    this.#count = 0;
  }
}

/** Where a part could not be read, the samples that are there move together: series i has [its start, places[i]). */
function closeGaps(areas: BatchAreas, places: Uint32Array): void {
  const { kernel } = areas;
  const sampleFrom = areas.sampleFrom / 4;
  let end = 0;
  for (let i = 0; i < places.length; i++) {
    const from = kernel.u32[sampleFrom + i];
    for (const column of [areas.timestamps / 8, areas.values / 8]) kernel.f64.copyWithin(column + end, column + from, column + places[i]);
    kernel.u32[sampleFrom + i] = end;
    end += places[i] - from;
  }
  kernel.u32[sampleFrom + places.length] = end;
}

/** Series ids ascending (they are, unless a restart mixed partitions), and which position each came from. */
function sortIds(ids: Uint32Array): { order: Uint32Array; sortedIds: Uint32Array } {
  const order = Uint32Array.from(ids, (_, i) => i);
  const ascending = ids.every((id, i) => i === 0 || ids[i - 1] < id);
  if (!ascending) order.sort((a, b) => ids[a] - ids[b]);
  return { order, sortedIds: ascending ? ids : Uint32Array.from(order, (position) => ids[position]) };
}

/** For each series the number of its first block (n + 1 numbers); adds the blocks' samples to `sampleCounts`. */
function firstBlocks(list: BlockList, sortedIds: Uint32Array, sampleCounts: Uint32Array): Uint32Array {
  const first = new Uint32Array(sortedIds.length + 1);
  let block = 0;
  for (let i = 0; i < sortedIds.length; i++) {
    first[i] = block;
    while (block < list.count && list.seriesIds[block] === sortedIds[i]) sampleCounts[i] += list.sampleCounts[block++];
  }
  first[sortedIds.length] = block;
  return first;
}

/** Stretches of series whose samples fit a batch together; a larger series stands alone. */
function* batchBounds(sampleCounts: Uint32Array): Generator<[number, number]> {
  let from = 0;
  let total = 0;
  for (let i = 0; i < sampleCounts.length; i++) {
    if (i > from && total + sampleCounts[i] > batchSamples) {
      yield [from, i];
      from = i;
      total = 0;
    }
    total += sampleCounts[i];
  }
  if (total > 0) yield [from, sampleCounts.length];
}

function checkSeriesBudget(snapshot: Snapshot, request: SearchRequest): void {
  const count = snapshot.series.reduce((sum, series) => sum + series.length, 0);
  const max = request.budget?.seriesMax ?? Infinity;
  if (count > max) throw new LimitError("too_many_series", `the selector matches ${count} series, the limit is ${max}: narrow it or raise ${request.budget?.seriesFlag ?? "-search.maxUniqueTimeseries"}`);
}

function checkSampleBudget(samples: number, request: SearchRequest): void {
  const max = request.budget?.samplesMax ?? Infinity;
  if (samples > max) throw new LimitError("too_many_samples", `the query reads more than ${max} raw samples: shorten the range, narrow the selector, or raise -search.maxSamplesPerQuery`);
}
