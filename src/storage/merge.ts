/**
 * Merges several parts of a partition into one, and several index segments into one. Only new files are written; what replaces what is said
 * by the manifest afterwards, so a crash or an abort at any point loses nothing.
 *
 *   header cursors of the parts --series by series--> stretches of blocks --decode, each block to its place--> columns in order of series,
 *     oldest part first --stable sort by time, where blocks overlap--> ColumnRun in the kernel's memory --> PartWriter
 *
 * Samples with equal timestamps are all kept, those of older parts first. Blocks that cannot be read are left out and reported, if the caller wants that. One step takes about 65,536 samples, of many small series or of a
 * slice of a long one, so memory is bounded by some 10 MB plus a block and four windows of the file for each part, whatever the parts hold.
 */
import { assert } from "../base/assert.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax } from "../kernel/codec.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type BlockList, BlockListBuilder } from "./block_list.ts";
import type { LogRows, Part } from "./part.ts";
import { DamagedBlocksError, DamagedPartError } from "./part_error.ts";
import { headerGroupCountMax } from "./part_header.ts";
import { type PartSummary, PartWriter, type PartWriterOptions } from "./part_writer.ts";
import type { IndexSegment } from "./partition_index.ts";
import { type IndexSegmentSummary, IndexSegmentWriter } from "./partition_index_writer.ts";
import { daysOf, type Partition } from "./partition.ts";
import type { IndexRows } from "./partition_index_format.ts";
import type { SeriesActivity } from "./series_activity.ts";
import type { Steps } from "./steps.ts";

/** Samples that a step aims at; a series with more is cut into slices. Their columns stay in the cache of a core. */
const stepSampleCount = 1 << 16;
const stepSeriesCountMax = 1 << 13;

/** What a merge could not read of a part, and left out. */
export interface LostBlocks {
  /** Position of the part among those that are merged. */
  readonly part: number;
  /** Inclusive. */
  readonly fromSeriesId: number;
  readonly toSeriesId: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** 0 if the headers cannot be read: then nobody knows. */
  readonly blockCount: number;
}

/** Blocks [from, to) of a list. */
interface Stretch {
  readonly list: BlockList;
  readonly from: number;
  to: number;
}

/** The next block of a part, and those that the current step has taken. */
class Cursor {
  readonly part: Part;
  /** Series and time of the next block, Infinity at the end. */
  seriesId = Infinity;
  minMs = Infinity;
  stretches: Stretch[] = [];
  #list: BlockListBuilder | undefined;
  /** Lists that were used up: some may still be in stretches, and are used again in the next step. */
  #used: BlockListBuilder[] = [];
  #free: BlockListBuilder[] = [];
  #index = 0;
  #group = -1;
  readonly #onLostGroup: (group: number, error: DamagedPartError) => void;

  constructor(part: Part, onLostGroup: (group: number, error: DamagedPartError) => void) {
    this.part = part;
    this.#onLostGroup = onLostGroup;
    this.#show();
  }

  /** Begins a step: the stretches of the one before are no longer needed. */
  begin(): void {
    this.stretches = [];
    this.#free.push(...this.#used.splice(0));
  }

  #show(): void {
    while (this.#list === undefined || this.#index === this.#list.count) {
      if (++this.#group >= this.part.groupCount) {
        this.seriesId = Infinity;
        this.minMs = Infinity;
        return;
      }
      if (this.#list !== undefined) this.#used.push(this.#list);
      this.#list = this.#readGroup();
      this.#index = 0;
    }
    this.seriesId = this.#list.seriesIds[this.#index];
    this.minMs = this.#list.minMs[this.#index];
  }

  #readGroup(): BlockListBuilder | undefined {
    const list = this.#free.pop() ?? new BlockListBuilder(headerGroupCountMax);
    try {
      this.part.readGroup(this.#group, list);
      return list;
    } catch (error) {
      if (!(error instanceof DamagedPartError)) throw error;
      this.#onLostGroup(this.#group, error);
      return undefined;
    }
  }

  /** Takes the next block and returns its samples. */
  take(): number {
    const list = this.#list;
    assert(list !== undefined, "the part has no more blocks");
    assert((list.kinds[this.#index] & 0xffff) === 0, "only float samples of column 0 are merged yet");
    const last = this.stretches.at(-1);
    if (last?.list === list) last.to++;
    else this.stretches.push({ list, from: this.#index, to: this.#index + 1 });
    const sampleCount = list.sampleCounts[this.#index];
    this.#index++;
    this.#show();
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
class Collection {
  seriesCount = 0;
  readonly seriesIds = new Uint32Array(stepSeriesCountMax);
  readonly sources: number;
  /** Samples by series and source. */
  counts: Uint32Array;
  /** Sample where those begin, once placed; one more for the end. */
  starts: Uint32Array;
  sampleCount = 0;
  /** The last series goes on: only its samples before this time are complete. Infinity if it is complete. */
  cutMs = Infinity;

  constructor(sources: number) {
    this.sources = sources;
    this.counts = new Uint32Array(256 * sources);
    this.starts = new Uint32Array(256 * sources + 1);
  }

  /** Gives each series and source its place, and returns the number of samples. */
  place(): number {
    const { counts } = this;
    const length = this.seriesCount * this.sources;
    if (this.starts.length <= length) this.starts = new Uint32Array(counts.length + 1);
    const { starts } = this;
    let at = 0;
    for (let i = 0; i < length; i++) {
      starts[i] = at;
      at += counts[i];
    }
    starts[length] = at;
    return at;
  }

  clear(): void {
    this.counts.fill(0, 0, this.seriesCount * this.sources);
    this.seriesCount = 0;
    this.sampleCount = 0;
    this.cutMs = Infinity;
  }

  /** Adds a series and returns where its counts begin. */
  add(seriesId: number): number {
    const at = this.seriesCount * this.sources;
    if (at + this.sources > this.counts.length) {
      const counts = new Uint32Array(this.counts.length * 2);
      counts.set(this.counts);
      this.counts = counts;
    }
    this.seriesIds[this.seriesCount++] = seriesId;
    return at;
  }

  /** Position of a series that was collected. */
  indexOf(seriesId: number): number {
    let low = 0;
    let high = this.seriesCount - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seriesIds[middle] < seriesId) low = middle + 1;
      else high = middle;
    }
    assert(this.seriesIds[low] === seriesId, "the series was collected");
    return low;
  }
}

/** Addresses of the columns of a step, in order of series, and in each of them of sources. */
interface Areas {
  readonly timestamps: number;
  readonly values: number;
}

export interface PartMergeOptions extends PartWriterOptions {
  /** Keep the newest log row of each series, if parts have them: needed until the log is cut behind them. Default true. */
  readonly keepLogRows?: boolean;
  /** Told about what cannot be read, which is left out. Default: an error ends the merge. */
  readonly onLost?: (lost: LostBlocks) => void;
  /** Learns the times of all series. */
  readonly activity?: SeriesActivity;
}

/** One merge, done in steps so that its thread can do other things between them. */
export class PartMerge {
  readonly #kernel: Kernel;
  readonly #mark: number;
  readonly #options: PartMergeOptions;
  readonly #parts: readonly Part[];
  readonly #cursors: readonly Cursor[];
  readonly #logRows: readonly LogRows[];
  readonly #logPositions: number[];
  readonly #writer: PartWriter;
  readonly #collection: Collection;
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
    this.#options = options;
    this.#parts = parts;
    this.#cursors = parts.map((part, p) => new Cursor(part, (group, error) => this.#loseGroup(p, group, error)));
    this.#logRows = options.keepLogRows === false ? [] : parts.map((part) => part.lastLogRows()).filter((rows) => rows !== undefined);
    this.#logPositions = this.#logRows.map(() => 0);
    this.#nothing = [noCarry, ...parts.map(() => noCarry)];
    this.#carries = [...this.#nothing];
    this.#collection = new Collection(parts.length + 1);
    this.#writer = PartWriter.create(files, targetPath, kernel, options);
  }

  /** Merges some more samples; false when all are written and finish() may be called. Throws what reading the parts throws. */
  step(): boolean {
    const collection = this.#collection;
    collection.clear();
    for (const cursor of this.#cursors) cursor.begin();
    this.#collect(collection);
    if (collection.seriesCount === 0) return false;
    const mark = this.#kernel.mark();
    this.#mergeCollection(collection);
    this.#kernel.reset(mark);
    return true;
  }

  /** Bytes written so far. */
  get writtenBytes(): number {
    return this.#writer.writtenBytes;
  }

  /** See PartWriter.startSync. */
  startSync(): Promise<void> | undefined {
    return this.#writer.startSync();
  }

  /** Completes the new part. */
  finish(): PartSummary {
    const summary = this.#writer.finish();
    this.#kernel.reset(this.#mark);
    return summary;
  }

  /** As finish(); see PartWriter.finishInSteps. */
  *finishInSteps(): Steps<PartSummary> {
    const summary = yield* this.#writer.finishInSteps();
    this.#kernel.reset(this.#mark);
    return summary;
  }

  /** Removes what has been written. */
  abort(): void {
    this.#writer.abort();
    this.#kernel.reset(this.#mark);
  }

  #collect(collection: Collection): void {
    const cursors = this.#cursors;
    // A series that goes on comes first: no part has a smaller one left.
    let carriedSeriesId = this.#carriedSeriesId;
    while (collection.sampleCount < stepSampleCount && collection.seriesCount < stepSeriesCountMax && collection.cutMs === Infinity) {
      let seriesId = carriedSeriesId;
      for (let p = 0; p < cursors.length; p++) if (cursors[p].seriesId < seriesId) seriesId = cursors[p].seriesId;
      if (seriesId === Infinity) break;
      this.#collectSeries(seriesId, seriesId === carriedSeriesId, collection);
      carriedSeriesId = Infinity;
    }
  }

  /** Takes the blocks of a series in the order of their times, until they are all taken or enough. */
  #collectSeries(seriesId: number, isCarried: boolean, collection: Collection): void {
    const cursors = this.#cursors;
    const first = collection.add(seriesId);
    const { counts } = collection;
    if (isCarried) {
      for (let source = 0; source < collection.sources; source++) {
        counts[first + source] = this.#carries[source].values.length;
        collection.sampleCount += counts[first + source];
      }
    }
    let sampleCount = 0;
    for (;;) {
      let next = -1;
      let minMs = Infinity;
      for (let p = 0; p < cursors.length; p++) {
        const cursor = cursors[p];
        if (cursor.seriesId === seriesId && (next < 0 || cursor.minMs < minMs)) {
          next = p;
          minMs = cursor.minMs;
        }
      }
      if (next < 0) break;
      if (sampleCount >= stepSampleCount) {
        collection.cutMs = minMs;
        break;
      }
      const taken = cursors[next].take();
      counts[first + 1 + next] += taken;
      sampleCount += taken;
    }
    collection.sampleCount += sampleCount;
  }

  #mergeCollection(collection: Collection): void {
    const kernel = this.#kernel;
    const { sampleCount, seriesCount, sources } = collection;
    const areas: Areas = { timestamps: kernel.allocate(sampleCount * 8), values: kernel.allocate(sampleCount * 8) };
    const isSorted = this.#decodeSources(collection, areas);
    const sampleFrom = new Uint32Array(seriesCount + 1);
    for (let series = 0; series <= seriesCount; series++) sampleFrom[series] = collection.starts[series * sources];
    this.#carries = [...this.#nothing];
    this.#carriedSeriesId = Infinity;
    if (collection.cutMs !== Infinity) sampleFrom[seriesCount] = this.#carryTails(collection, areas);
    if (!isSorted) this.#sort(areas, sampleFrom);
    this.#write(collection, areas, sampleFrom);
  }

  /** Decodes all blocks to their places; returns whether the samples of each series are in order as they stand there. */
  #decodeSources(collection: Collection, areas: Areas): boolean {
    for (;;) {
      const end = collection.place();
      assert(end <= collection.sampleCount);
      const lastMs = this.#placeCarries(collection, areas);
      let isSorted = true;
      let isWhole = true;
      for (let source = 1; source < collection.sources && isWhole; source++) {
        const { stretches } = this.#cursors[source - 1];
        const places = placesOf(collection, source, this.#carries[source].values.length, stretches, lastMs);
        isSorted &&= places.isSorted;
        isWhole = this.#decodeStretches(collection, areas, source - 1, places.blocks, end);
      }
      if (isWhole) return isSorted;
      // Something was lost, so that all that comes after it has another place: this is rare.
    }
  }

  /** Copies what was carried to its places; returns the newest time of each series so far. */
  #placeCarries({ starts, seriesCount }: Collection, areas: Areas): Float64Array {
    const { f64 } = this.#kernel;
    const lastMs = new Float64Array(seriesCount).fill(-Infinity);
    for (const [source, { timestampsMs, values }] of this.#carries.entries()) {
      if (values.length === 0) continue;
      f64.set(timestampsMs, areas.timestamps / 8 + starts[source]);
      f64.set(values, areas.values / 8 + starts[source]);
      // Those of several sources may overlap.
      lastMs[0] = lastMs[0] === -Infinity ? timestampsMs[timestampsMs.length - 1] : Infinity;
    }
    return lastMs;
  }

  /** Decodes the blocks of a part. What cannot be decoded is left out of the collection: false, and all must be placed anew. */
  #decodeStretches(collection: Collection, areas: Areas, part: number, places: Uint32Array, end: number): boolean {
    const cursor = this.#cursors[part];
    let block = 0;
    for (const [i, { list, from, to }] of cursor.stretches.entries()) {
      const ofStretch = places.subarray(block, block + to - from);
      block += to - from;
      try {
        this.#parts[part].readBlocks(this.#kernel, list, from, to, areas.timestamps, areas.values, end, ofStretch);
      } catch (error) {
        if (!(error instanceof DamagedBlocksError) || this.#options.onLost === undefined) throw error;
        for (let lost = error.fromIndex; lost < error.toIndex; lost++) this.#loseBlock(collection, part, list, lost);
        const left = [{ list, from, to: error.fromIndex }, { list, from: error.toIndex, to }].filter((stretch) => stretch.from < stretch.to);
        cursor.stretches.splice(i, 1, ...left);
        return false;
      }
    }
    return true;
  }

  #loseBlock(collection: Collection, part: number, list: BlockList, block: number): void {
    const seriesId = list.seriesIds[block];
    collection.counts[collection.indexOf(seriesId) * collection.sources + 1 + part] -= list.sampleCounts[block];
    this.#options.onLost?.({ part, fromSeriesId: seriesId, toSeriesId: seriesId, minMs: list.minMs[block], maxMs: list.maxMs[block], blockCount: 1 });
  }

  #loseGroup(part: number, group: number, error: DamagedPartError): void {
    if (this.#options.onLost === undefined) throw error;
    this.#options.onLost({ part, ...this.#parts[part].groupBounds(group), blockCount: 0 });
  }

  /** Sets aside what is not complete of the last series, closes the gaps, and returns the end of its samples. */
  #carryTails({ starts, sources, seriesCount, cutMs }: Collection, areas: Areas): number {
    const { f64 } = this.#kernel;
    const first = (seriesCount - 1) * sources;
    let to = starts[first];
    for (let source = 0; source < sources; source++) {
      const from = starts[first + source];
      const count = this.#carryTail(cutMs, areas, source, from, starts[first + source + 1] - from);
      for (const column of to === from ? [] : [areas.timestamps / 8, areas.values / 8]) f64.copyWithin(column + to, column + from, column + from + count);
      to += count;
    }
    return to;
  }

  /** Sets aside the samples at or after the cut; returns how many are before it. */
  #carryTail(cutMs: number, areas: Areas, source: number, from: number, count: number): number {
    const { f64 } = this.#kernel;
    const timestampsMs = f64.subarray(areas.timestamps / 8 + from, areas.timestamps / 8 + from + count);
    let complete = count;
    while (complete > 0 && timestampsMs[complete - 1] >= cutMs) complete--;
    const values = areas.values / 8 + from;
    this.#carries[source] = { timestampsMs: timestampsMs.slice(complete), values: f64.slice(values + complete, values + count) };
    return complete;
  }

  /** Sorts the samples of each series by time; equal ones stay in the order of their parts. */
  #sort(areas: Areas, sampleFrom: Uint32Array): void {
    const kernel = this.#kernel;
    const seriesCount = sampleFrom.length - 1;
    const mark = kernel.mark();
    const from = kernel.allocate(sampleFrom.byteLength);
    const scratch = kernel.allocate(sortScratchBytes(sampleFrom[seriesCount]));
    kernel.u32.set(sampleFrom, from / 4);
    columnKernels(kernel).columnsFinish(from, seriesCount, areas.timestamps, areas.values, -Infinity, Infinity, scratch);
    kernel.reset(mark);
  }

  /** Writes the sorted series. Of one that goes on, only full blocks are written; the rest is carried in front of all other samples. */
  #write(collection: Collection, areas: Areas, sampleFrom: Uint32Array): void {
    const { f64 } = this.#kernel;
    const { seriesCount } = collection;
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
    const seriesIds = collection.seriesIds.slice(0, seriesCount);
    const run = { seriesCount, seriesIds, sampleFrom, timestampsMs, values, lastLogRows: this.#lastLogRows(seriesIds) };
    this.#options.activity?.add(run);
    this.#writer.append(run);
  }

  #lastLogRows(seriesIds: Uint32Array): Float64Array {
    const lastLogRows = new Float64Array(seriesIds.length);
    if (this.#logRows.length > 0) for (let i = 0; i < seriesIds.length; i++) lastLogRows[i] = this.#lastLogRow(seriesIds[i]);
    return lastLogRows;
  }

  /** The newest log row of the series in all parts. Series are asked for in ascending order. */
  #lastLogRow(seriesId: number): number {
    let lastLogRow = 0;
    for (const [p, rows] of this.#logRows.entries()) {
      let at = this.#logPositions[p];
      while (at < rows.seriesIds.length && rows.seriesIds[at] < seriesId) at++;
      this.#logPositions[p] = at;
      if (rows.seriesIds[at] === seriesId) lastLogRow = Math.max(lastLogRow, rows.logRows[at]);
    }
    return lastLogRow;
  }
}

/**
 * Places of the blocks of a source, behind the `carried` samples of the first series, and whether none begins before what stands in front of it. `lastMs` is
 * the newest time of each series in front of the source, and becomes that behind it.
 */
function placesOf(
  { seriesIds, sources, starts }: Collection, source: number, carried: number, stretches: readonly Stretch[], lastMs: Float64Array,
): { blocks: Uint32Array; isSorted: boolean } {
  const blocks = new Uint32Array(stretches.reduce((sum, { from, to }) => sum + to - from, 0));
  let isSorted = true;
  let block = 0;
  let series = 0;
  let next = starts[source] + carried;
  for (const { list, from, to } of stretches) {
    for (let i = from; i < to; i++) {
      while (seriesIds[series] !== list.seriesIds[i]) next = starts[++series * sources + source];
      blocks[block++] = next;
      next += list.sampleCounts[i];
      if (list.minMs[i] < lastMs[series]) isSorted = false;
      lastMs[series] = list.maxMs[i];
    }
  }
  return { blocks, isSorted };
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

/**
 * Writes the rows of several index segments of a partition to one file; rows of the same series are joined, and have the times that `activity` says, if it
 * knows them. Holds all rows in memory.
 */
export function mergeIndexSegments(
  segments: readonly IndexSegment[], partition: Partition, files: FileSystem, path: string, activity?: SeriesActivity,
): IndexSegmentSummary {
  const writer = new IndexSegmentWriter(partition);
  for (const segment of segments) for (const rows of segment.batches()) writer.add(activity === undefined ? rows : withActivity(rows, partition, activity));
  return writer.finish(files, path);
}

function withActivity(rows: IndexRows, partition: Partition, activity: SeriesActivity): IndexRows {
  const minMs = rows.minMs.slice(0, rows.rowCount);
  const maxMs = rows.maxMs.slice(0, rows.rowCount);
  const activeDays = new Uint32Array(rows.rowCount);
  let from = 0;
  for (let i = 0; i < rows.rowCount; i++) {
    const at = activity.find(rows.seriesIds[i], from);
    if (at >= 0) {
      minMs[i] = activity.minMs[at];
      maxMs[i] = activity.maxMs[at];
      activeDays[i] = activity.activeDays[at];
      from = at;
    } else activeDays[i] = rows.activeDays?.[i] ?? daysOf(partition, minMs[i], maxMs[i]);
  }
  return { ...rows, minMs, maxMs, activeDays };
}
