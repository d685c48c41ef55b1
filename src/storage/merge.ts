/**
 * Merges several parts of a partition into one, and several index segments into one. Only new files are written; what replaces what is said
 * by the manifest afterwards, so a crash or an abort at any point loses nothing.
 *
 *   header cursors of the parts --series by series--> block lists --decode--> columns, part after part
 *     --scatter by series, oldest part first; stable sort by time--> ColumnRun in the kernel's memory --> PartWriter
 *
 * Samples with equal timestamps are all kept, those of older parts first. One step takes about 131,072 samples, of many small series or of a
 * slice of a long one, so memory is bounded by some 15 MB plus a block for each part, whatever the parts hold.
 */
import { assert } from "../base/assert.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax } from "../kernel/codec.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type BlockList, BlockListBuilder, sampleCountOf } from "./block_list.ts";
import type { LogRows, Part } from "./part.ts";
import { type PartSummary, PartWriter } from "./part_writer.ts";
import type { IndexSegment } from "./partition_index.ts";
import { type IndexSegmentSummary, IndexSegmentWriter } from "./partition_index_writer.ts";
import type { Partition } from "./partition.ts";

/** Samples that a step aims at; a series with more is cut into slices. */
const stepSampleCount = 1 << 17;
const stepSeriesCountMax = 1 << 14;

/** The next block of a part. */
class Cursor {
  readonly part: Part;
  #group = -1;
  #list: BlockList | undefined;
  #index = 0;

  constructor(part: Part) {
    this.part = part;
    this.#load();
  }

  #load(): void {
    while (this.#list === undefined || this.#index === this.#list.count) {
      if (++this.#group >= this.part.groupCount) {
        this.#list = undefined;
        return;
      }
      this.#list = this.part.readGroup(this.#group);
      this.#index = 0;
    }
  }

  /** Series of the next block, Infinity at the end. */
  get seriesId(): number {
    return this.#list === undefined ? Infinity : this.#list.seriesIds[this.#index];
  }

  get minMs(): number {
    return this.#list === undefined ? Infinity : this.#list.minMs[this.#index];
  }

  /** Moves the next block to `target` and returns its samples. */
  take(target: BlockListBuilder): number {
    assert(this.#list !== undefined, "the part has no more blocks");
    assert((this.#list.kinds[this.#index] & 0xffff) === 0, "only float samples of column 0 are merged yet");
    const sampleCount = this.#list.sampleCounts[this.#index];
    target.append(this.#list, this.#index, this.#index + 1);
    this.#index++;
    this.#load();
    return sampleCount;
  }
}

/** Samples of a long series that were decoded but not written yet. */
interface Carry {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

const noCarry: Carry = { timestampsMs: new Float64Array(0), values: new Float64Array(0) };

/** What a step has collected. Source 0 is the carried prefix, source p + 1 is part p. */
interface Collection {
  readonly seriesIds: number[];
  /** Samples by series and source. */
  readonly counts: number[];
  readonly lists: readonly BlockListBuilder[];
  /** The last series goes on: only its samples before this time are complete. Infinity if it is complete. */
  cutMs: number;
}

/** Addresses of the columns of a step. */
interface Areas {
  readonly sampleCount: number;
  readonly decodedTimestamps: number;
  readonly decodedValues: number;
  readonly timestamps: number;
  readonly values: number;
}

export interface PartMergeOptions {
  /** Keep the newest log row of each series, if parts have them: needed until the log is cut behind them. Default true. */
  readonly keepLogRows?: boolean;
}

/** One merge, done in steps so that its thread can do other things between them. */
export class PartMerge {
  readonly #kernel: Kernel;
  readonly #mark: number;
  readonly #parts: readonly Part[];
  readonly #cursors: readonly Cursor[];
  readonly #logRows: readonly (LogRows | undefined)[];
  readonly #logPositions: number[];
  readonly #writer: PartWriter;
  /** What is left of the last series, by source. */
  #carries: Carry[];
  #carriedSeriesId = Infinity;
  readonly #nothing: readonly Carry[];

  /**
   * `parts` are ordered from the oldest to the newest and stay open until the merge is over. The kernel's arena belongs to the merge
   * until finish() or abort().
   */
  constructor(files: FileSystem, kernel: Kernel, parts: readonly Part[], targetPath: string, options: PartMergeOptions = {}) {
    this.#kernel = kernel;
    this.#mark = kernel.mark();
    this.#parts = parts;
    this.#cursors = parts.map((part) => new Cursor(part));
    this.#logRows = parts.map((part) => (options.keepLogRows === false ? undefined : part.lastLogRows()));
    this.#logPositions = parts.map(() => 0);
    this.#nothing = [noCarry, ...parts.map(() => noCarry)];
    this.#carries = [...this.#nothing];
    this.#writer = PartWriter.create(files, targetPath, kernel);
  }

  /** Merges some more samples; false when all are written and finish() may be called. Throws what reading the parts throws. */
  step(): boolean {
    const collection = this.#collect();
    if (collection.seriesIds.length === 0) return false;
    const mark = this.#kernel.mark();
    this.#mergeCollection(collection);
    this.#kernel.reset(mark);
    return true;
  }

  /** Completes the new part. */
  finish(): PartSummary {
    const summary = this.#writer.finish();
    this.#kernel.reset(this.#mark);
    return summary;
  }

  /** Removes what has been written. */
  abort(): void {
    this.#writer.abort();
    this.#kernel.reset(this.#mark);
  }

  #collect(): Collection {
    const collection: Collection = { seriesIds: [], counts: [], lists: this.#parts.map(() => new BlockListBuilder()), cutMs: Infinity };
    let sampleCount = 0;
    // A series that goes on comes first: no part has a smaller one left.
    let carriedSeriesId = this.#carriedSeriesId;
    while (sampleCount < stepSampleCount && collection.seriesIds.length < stepSeriesCountMax && collection.cutMs === Infinity) {
      const seriesId = this.#cursors.reduce((least, cursor) => Math.min(least, cursor.seriesId), carriedSeriesId);
      if (seriesId === Infinity) break;
      sampleCount += this.#collectSeries(seriesId, seriesId === carriedSeriesId ? this.#carries : this.#nothing, collection);
      carriedSeriesId = Infinity;
    }
    return collection;
  }

  /** Takes the blocks of a series in the order of their times, until they are all taken or enough; returns their samples. */
  #collectSeries(seriesId: number, carries: readonly Carry[], collection: Collection): number {
    const { counts } = collection;
    const first = counts.length;
    for (const carry of carries) counts.push(carry.values.length);
    collection.seriesIds.push(seriesId);
    let sampleCount = 0;
    for (;;) {
      let next = -1;
      for (let p = 0; p < this.#cursors.length; p++) {
        const cursor = this.#cursors[p];
        if (cursor.seriesId === seriesId && (next < 0 || cursor.minMs < this.#cursors[next].minMs)) next = p;
      }
      if (next < 0) return sampleCount;
      if (sampleCount >= stepSampleCount) {
        collection.cutMs = this.#cursors[next].minMs;
        return sampleCount;
      }
      const taken = this.#cursors[next].take(collection.lists[next]);
      counts[first + 1 + next] += taken;
      sampleCount += taken;
    }
  }

  #mergeCollection(collection: Collection): void {
    const kernel = this.#kernel;
    const sampleCount = collection.counts.reduce((sum, count) => sum + count, 0);
    const areas: Areas = {
      sampleCount,
      decodedTimestamps: kernel.allocate(sampleCount * 8),
      decodedValues: kernel.allocate(sampleCount * 8),
      timestamps: kernel.allocate(sampleCount * 8),
      values: kernel.allocate(sampleCount * 8),
    };
    const sourceFrom = this.#decodeSources(collection, areas);
    const seriesCount = collection.seriesIds.length;
    const sampleFrom = kernel.allocate((seriesCount + 1) * 4);
    this.#carries = [...this.#nothing];
    this.#carriedSeriesId = Infinity;
    this.#scatter(collection, areas, sourceFrom, sampleFrom);
    const scratch = kernel.allocate(sortScratchBytes(sampleCount));
    columnKernels(kernel).columnsFinish(sampleFrom, seriesCount, areas.timestamps, areas.values, -Infinity, Infinity, scratch);
    this.#write(collection, areas, kernel.u32.slice(sampleFrom / 4, sampleFrom / 4 + seriesCount + 1));
  }

  /** Decodes source after source; returns the sample where each begins. */
  #decodeSources(collection: Collection, areas: Areas): number[] {
    const kernel = this.#kernel;
    const sourceFrom: number[] = [];
    let at = 0;
    for (let source = 0; source <= this.#parts.length; source++) {
      sourceFrom.push(at);
      const carry = this.#carries[source];
      kernel.f64.set(carry.timestampsMs, areas.decodedTimestamps / 8 + at);
      kernel.f64.set(carry.values, areas.decodedValues / 8 + at);
      at += carry.values.length;
      if (source === 0) continue;
      const list = collection.lists[source - 1];
      at += this.#parts[source - 1].readBlocks(kernel, list, 0, list.count, areas.decodedTimestamps + at * 8, areas.decodedValues + at * 8, sampleCountOf(list));
    }
    assert(at === areas.sampleCount);
    return sourceFrom;
  }

  /** Copies the samples from source order to series order (oldest source first), and writes where each series begins. Sets aside what is not complete. */
  #scatter(collection: Collection, areas: Areas, sourceFrom: number[], sampleFrom: number): void {
    const kernel = this.#kernel;
    const sources = sourceFrom.length;
    const seriesCount = collection.seriesIds.length;
    const runs = kernel.allocate(collection.counts.length * 12);
    let runCount = 0;
    let to = 0;
    for (let series = 0; series < seriesCount; series++) {
      kernel.u32[sampleFrom / 4 + series] = to;
      for (let source = 0; source < sources; source++) {
        let count = collection.counts[series * sources + source];
        if (count === 0) continue;
        const from = sourceFrom[source];
        sourceFrom[source] += count;
        if (series === seriesCount - 1 && collection.cutMs !== Infinity) count = this.#carryTail(collection, areas, source, from, count);
        const run = runs / 4 + runCount++ * 3;
        kernel.u32[run] = from;
        kernel.u32[run + 1] = to;
        kernel.u32[run + 2] = count;
        to += count;
      }
    }
    kernel.u32[sampleFrom / 4 + seriesCount] = to;
    columnKernels(kernel).columnsScatter(runs, runCount, areas.decodedTimestamps, areas.decodedValues, areas.timestamps, areas.values);
  }

  /** Sets aside the samples at or after the cut; returns how many are before it. */
  #carryTail(collection: Collection, areas: Areas, source: number, from: number, count: number): number {
    const kernel = this.#kernel;
    const timestampsMs = kernel.f64.subarray(areas.decodedTimestamps / 8 + from, areas.decodedTimestamps / 8 + from + count);
    let complete = count;
    while (complete > 0 && timestampsMs[complete - 1] >= collection.cutMs) complete--;
    const values = areas.decodedValues / 8 + from;
    this.#carries[source] = { timestampsMs: timestampsMs.slice(complete), values: kernel.f64.slice(values + complete, values + count) };
    return complete;
  }

  /** Writes the sorted series. Of one that goes on, only full blocks are written; the rest is carried in front of all other samples. */
  #write(collection: Collection, areas: Areas, sampleFrom: Uint32Array): void {
    const { f64 } = this.#kernel;
    const seriesCount = collection.seriesIds.length;
    const end = sampleFrom[seriesCount];
    const timestampsMs = f64.subarray(areas.timestamps / 8, areas.timestamps / 8 + end);
    const values = f64.subarray(areas.values / 8, areas.values / 8 + end);
    if (collection.cutMs !== Infinity) {
      const from = sampleFrom[seriesCount - 1];
      const written = end - ((end - from) % blockSampleCountMax);
      this.#carries[0] = { timestampsMs: timestampsMs.slice(written), values: values.slice(written) };
      this.#carriedSeriesId = collection.seriesIds[seriesCount - 1];
      sampleFrom[seriesCount] = written;
    }
    const seriesIds = Uint32Array.from(collection.seriesIds);
    this.#writer.append({ seriesCount, seriesIds, sampleFrom, timestampsMs, values, lastLogRows: Float64Array.from(seriesIds, (seriesId) => this.#lastLogRow(seriesId)) });
  }

  /** The newest log row of the series in all parts. Series are asked for in ascending order. */
  #lastLogRow(seriesId: number): number {
    let lastLogRow = 0;
    for (const [p, rows] of this.#logRows.entries()) {
      if (rows === undefined) continue;
      let at = this.#logPositions[p];
      while (at < rows.seriesIds.length && rows.seriesIds[at] < seriesId) at++;
      this.#logPositions[p] = at;
      if (rows.seriesIds[at] === seriesId) lastLogRow = Math.max(lastLogRow, rows.logRows[at]);
    }
    return lastLogRow;
  }
}

/** Merges parts (oldest first) in one go. Removes what it has written if it fails or the signal is aborted. */
export function mergeParts(
  files: FileSystem,
  kernel: Kernel,
  parts: readonly Part[],
  targetPath: string,
  options: PartMergeOptions & { readonly signal?: AbortSignal } = {},
): PartSummary {
  const merge = new PartMerge(files, kernel, parts, targetPath, options);
  try {
    while (merge.step()) options.signal?.throwIfAborted();
    return merge.finish();
  } catch (error) {
    merge.abort();
    throw error;
  }
}

/** Writes the rows of several index segments of a partition to one file; rows of the same series are joined. Holds all of them in memory. */
export function mergeIndexSegments(segments: readonly IndexSegment[], partition: Partition, files: FileSystem, path: string): IndexSegmentSummary {
  const writer = new IndexSegmentWriter(partition);
  for (const segment of segments) for (const rows of segment.batches()) writer.add(rows);
  return writer.finish(files, path);
}
