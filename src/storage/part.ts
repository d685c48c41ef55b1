/**
 * Part: reads the files of an immutable part (docs/formats/part.md). Opening reads footer and directory only; headers are read by group
 * when a query needs them, blocks in as few file reads as their places allow.
 *
 *   findBlocks: series ids ──directory──> header groups ──> BlockList
 *   readBlocks: BlockList ──frames, coalesced──> checksums ──codecDecodeBlocks──> timestamps and values in the kernel's memory
 *
 * Errors: DamagedPartError (cannot be opened, or headers cannot be read) and DamagedBlocksError (some blocks cannot be read).
 */
import { assert, AssertionError } from "../base/assert.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import { clipBlocks, decodeBlocks, decodeBlocksScratchBytes, decodeRow } from "../kernel/codec_blocks.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { TimeRange } from "../model/store.ts";
import { type BlockClips, type BlockList, BlockListBuilder, sampleCountOf, wantedCounts } from "./block_list.ts";
import { copyIn, TableReader } from "./block_table.ts";
import { DamagedBlocksError, DamagedPartError } from "./part_error.ts";
import { checkPartHeader, decodePartFooter, type PartFooter, partFooterBytes, partHeaderBytes, type PartTotals } from "./part_footer.ts";
import type { FrameCache, PartFrames } from "./frame_cache.ts";
import type { HeaderCache } from "./header_cache.ts";
import { FrameSet, readFully } from "./part_frames.ts";
import { HeaderReader, headerGroupCountMax } from "./part_header.ts";
import { partFiles } from "./part_writer.ts";
import { ReadAheadFile } from "./read_ahead_file.ts";

/** One row for each header group. */
interface Directory {
  readonly firstSeriesIds: Float64Array;
  readonly offsets: Float64Array;
  readonly sizes: Float64Array;
  readonly minMs: Float64Array;
  readonly maxMs: Float64Array;
}

/** Newest log rows of series, for replay to skip what is in the part. */
export interface LogRows {
  /** Ascending. */
  readonly seriesIds: Uint32Array;
  readonly logRows: Float64Array;
}

/** Frames are read and decoded in steps of about so many bytes. */
const stepBytes = 4 << 20;

/** Headers are kept for searches of up to so many series at once: those of more would drive out what small searches come back for. */
const keptSeriesMax = 512;

let headerReaderOfThread: HeaderReader | undefined;

/** This thread's memory for headers; nothing is kept in it between calls. */
function headerReader(): HeaderReader {
  headerReaderOfThread ??= new HeaderReader(new Kernel());
  return headerReaderOfThread;
}

/** What a reader keeps of its parts. */
export interface PartCaches {
  readonly headers?: HeaderCache;
  readonly frames?: FrameCache;
}

export class Part implements Disposable {
  readonly path: string;
  readonly totals: PartTotals;
  /** Bytes of the block file. */
  readonly sizeBytes: number;
  readonly groupCount: number;
  readonly #files: FileSystem;
  readonly #file: FileHandle;
  readonly #directory: Directory;
  readonly #dataEnd: number;
  readonly #headers: HeaderCache | undefined;
  readonly #firstHeaderKey: number;
  readonly #frames: PartFrames | undefined;

  private constructor(files: FileSystem, path: string, file: FileHandle, footer: PartFooter, directory: Directory, caches: PartCaches | undefined) {
    this.#files = files;
    this.#headers = caches?.headers;
    this.#firstHeaderKey = caches?.headers?.addPart() ?? 0;
    this.#frames = caches?.frames?.addPart();
    this.path = path;
    this.#file = file;
    this.totals = footer;
    this.sizeBytes = file.size();
    this.groupCount = footer.groupCount;
    this.#directory = directory;
    this.#dataEnd = footer.directoryOffset;
  }

  /** Opens a finished part; what it reads is kept in `caches`. Throws DamagedPartError if footer or directory cannot be trusted. */
  static open(files: FileSystem, path: string, caches?: PartCaches): Part {
    return Part.#open(files, path, files.open(`${path}/${partFiles.blocks}`, "read"), caches);
  }

  /** As open(), for a reader that takes all blocks in their order: neighbours are read from the file with one call. */
  static openInOrder(files: FileSystem, path: string): Part {
    return Part.#open(files, path, new ReadAheadFile(files.open(`${path}/${partFiles.blocks}`, "read")));
  }

  static #open(files: FileSystem, path: string, file: FileHandle, caches?: PartCaches): Part {
    try {
      const footer = readFooter(file, path);
      return new Part(files, path, file, footer, readDirectory(file, path, footer), caches);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The headers of all blocks of these series (ascending ids) and column that touch the range, with their aggregates or without. */
  findBlocks(seriesIds: Uint32Array, range: TimeRange, columnId = 0, hasAggregates = true): BlockListBuilder {
    const found = new BlockListBuilder(Math.min(seriesIds.length, this.totals.blockCount));
    const { firstSeriesIds, minMs, maxMs } = this.#directory;
    let series = 0;
    for (let group = this.#groupOf(seriesIds[0] ?? 0); group < this.groupCount && series < seriesIds.length; group++) {
      // A series may go on in the next group, so the first id of that one still belongs to this one.
      const lastSeriesId = group + 1 < this.groupCount ? firstSeriesIds[group + 1] : Infinity;
      while (series < seriesIds.length && seriesIds[series] < firstSeriesIds[group]) series++;
      if (series === seriesIds.length) break;
      if (seriesIds[series] > lastSeriesId) {
        group = this.#groupOf(seriesIds[series]) - 1;
        continue;
      }
      if (minMs[group] <= range.maxMs && maxMs[group] >= range.minMs) selectBlocks(this.#headersOf(group, seriesIds.length <= keptSeriesMax), seriesIds, series, range, columnId, found, hasAggregates);
      while (series < seriesIds.length && seriesIds[series] < lastSeriesId) series++;
    }
    return found;
  }

  /** The first group that may hold the series. */
  #groupOf(seriesId: number): number {
    const { firstSeriesIds } = this.#directory;
    let low = 0;
    let high = this.groupCount - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (firstSeriesIds[middle + 1] >= seriesId) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Where frames and header groups end in the block file. */
  get dataEnd(): number {
    return this.#dataEnd;
  }

  /** The row of the directory for one group: where its headers are in the file, and what they say. */
  groupAt(group: number): { offset: number; sizeBytes: number; firstSeriesId: number; minMs: number; maxMs: number } {
    const { offsets, sizes, firstSeriesIds, minMs, maxMs } = this.#directory;
    return { offset: offsets[group], sizeBytes: sizes[group], firstSeriesId: firstSeriesIds[group], minMs: minMs[group], maxMs: maxMs[group] };
  }

  /** Series and times that a group may hold, inclusive, as the directory says: for a group that cannot be read. */
  groupBounds(group: number): { fromSeriesId: number; toSeriesId: number; minMs: number; maxMs: number } {
    const { firstSeriesIds, minMs, maxMs } = this.#directory;
    const toSeriesId = group + 1 < this.groupCount ? firstSeriesIds[group + 1] : 2 ** 32 - 1;
    return { fromSeriesId: firstSeriesIds[group], toSeriesId, minMs: minMs[group], maxMs: maxMs[group] };
  }

  /** The headers of one group, in order, in `target`, whose contents are replaced. */
  readGroup(group: number, target = new BlockListBuilder(headerGroupCountMax)): BlockList {
    const list = this.#decodeGroup(group);
    target.clear();
    target.append(list, 0, list.count);
    return target;
  }

  /** The headers of one group, kept or decoded now; valid until the next headers are read. */
  #headersOf(group: number, isKept: boolean): BlockList {
    const headers = this.#headers;
    if (headers === undefined) return this.#decodeGroup(group);
    const key = this.#firstHeaderKey + group;
    const known = headers.get(key);
    if (known !== undefined) return known;
    const decoded = this.#decodeGroup(group);
    return isKept ? headers.add(key, decoded) : decoded;
  }

  /** As readGroup, valid until the next headers are read. */
  #decodeGroup(group: number): BlockList {
    assert(group >= 0 && group < this.groupCount, "no such header group");
    const reader = headerReader();
    const { kernel } = reader;
    const mark = kernel.mark();
    const size = this.#directory.sizes[group];
    const pointer = kernel.allocate(size);
    try {
      if (!readFully(this.#file, kernel.u8.subarray(pointer, pointer + size), this.#directory.offsets[group])) throw new DamagedPartError(this.path, "the file is cut");
      return reader.decode(pointer, size, this.#dataEnd, `header group ${group}`);
    } catch (error) {
      throw asDamagedPart(this.path, error);
    } finally {
      kernel.reset(mark);
    }
  }

  /**
   * Decodes blocks [fromIndex, toIndex) of a list of this part, what is wanted of them, to the two columns in the kernel's memory, and returns the number of
   * samples. They stand one after the other, or where `places` says, one number of samples for each block. REQUIRES: `capacity` samples (room in each column) are enough, and
   * places do not overlap. Throws DamagedBlocksError with the first stretch of blocks that cannot be read; the caller may go on before and after it.
   */
  readBlocks(
    kernel: Kernel, list: BlockList, fromIndex: number, toIndex: number, timestampsPointer: number, valuesPointer: number, capacity: number, places?: Uint32Array,
  ): number {
    assert(sampleCountOf(list, fromIndex, toIndex) <= capacity, "the blocks have more samples than there is room");
    const mark = kernel.mark();
    let sampleCount = 0;
    try {
      for (let from = fromIndex; from < toIndex; ) {
        const frames = new FrameSet();
        const valuesFrames: number[] = [];
        const timestampsFrames: number[] = [];
        let to = from;
        for (; to < toIndex && frames.sizeBytes < stepBytes; to++) {
          addFrame(frames, valuesFrames, list.valuesFrames, list.valuesFrameSizes, to, from);
          addFrame(frames, timestampsFrames, list.timestampsFrames, list.timestampsFrameSizes, to, from);
        }
        frames.load(kernel, this.#file, this.#frames);
        this.#checkFrames(frames, valuesFrames, timestampsFrames, from);
        const rows = kernel.allocate((to - from) * decodeRow.slots * 4);
        fillRows(kernel, rows, list, from, to, frames, valuesFrames, timestampsFrames);
        fillPlaces(kernel, rows, list, from, to, sampleCount, capacity, places?.subarray(from - fromIndex));
        const scratch = kernel.allocate(decodeBlocksScratchBytes(kernel));
        const good = decodeBlocks(kernel, rows, to - from, timestampsPointer, valuesPointer, scratch);
        if (good < to - from) throw new DamagedBlocksError(this.path, from + good, from + good + 1, "a column cannot be decoded");
        sampleCount += sampleCountOf(list, from, to);
        kernel.reset(mark);
        from = to;
      }
    } finally {
      kernel.reset(mark);
    }
    return sampleCount;
  }

  /**
   * What of a list's blocks lies within the range, exactly, from their timestamps, which are read if a block begins before the range or ends after it, and is
   * none of `leftOut`. Blocks that cannot be read are taken whole: reading them is going to say so.
   */
  clipsOf(kernel: Kernel, list: BlockList, range: TimeRange, leftOut: Uint8Array | undefined): BlockClips {
    const clips = { from: new Uint32Array(list.count), counts: list.sampleCounts.slice(0, list.count) };
    const cut = cutBlocks(list, range, leftOut);
    const frames = new FrameSet();
    const frameOf = cut.firstOf.map((block) => frames.add(list.timestampsFrames[block], list.timestampsFrameSizes[block]));
    const mark = kernel.mark();
    try {
      frames.load(kernel, this.#file, this.#frames);
      const good = cut.firstOf.flatMap((_block, i) => (frames.pointer(frameOf[i]) === 0 ? [] : [i]));
      const rows = kernel.allocate(good.length * decodeRow.slots * 4);
      good.forEach((i, row) => fillTimestamps(kernel.u32, rows / 4 + row * decodeRow.slots, list, cut.firstOf[i], frames.pointer(frameOf[i])));
      clipBlocks(kernel, rows, good.length, range.minMs, range.maxMs, kernel.allocate(decodeBlocksScratchBytes(kernel)));
      good.forEach((i, row) => {
        const at = rows / 4 + row * decodeRow.slots;
        const from = kernel.u32[at + decodeRow.from];
        const count = kernel.u32[at + decodeRow.to] - from;
        for (const block of cut.blocksOf[i]) {
          clips.from[block] = from;
          clips.counts[block] = count;
        }
      });
    } finally {
      kernel.reset(mark);
    }
    return clips;
  }

  #checkFrames(frames: FrameSet, valuesFrames: readonly number[], timestampsFrames: readonly number[], fromIndex: number): void {
    const isDamaged = (i: number): boolean => frames.pointer(valuesFrames[i]) === 0 || frames.pointer(timestampsFrames[i]) === 0;
    for (let i = 0; i < valuesFrames.length; i++) {
      if (!isDamaged(i)) continue;
      let to = i + 1;
      while (to < valuesFrames.length && isDamaged(to)) to++;
      throw new DamagedBlocksError(this.path, fromIndex + i, fromIndex + to, "the checksum of their frame is wrong");
    }
  }

  /** The newest log row of each series, or undefined if the part was not sealed from the log. */
  lastLogRows(): LogRows | undefined {
    const path = `${this.path}/${partFiles.logRows}`;
    if (!this.#files.exists(path)) return undefined;
    const kernel = headerReader().kernel;
    const mark = kernel.mark();
    const file = this.#files.open(path, "read");
    try {
      const bytes = new Uint8Array(file.size());
      const isRead = readFully(file, bytes, 0);
      const reason = isRead ? checkPartHeader(bytes) : "the file is cut";
      if (reason !== undefined) throw new DamagedPartError(path, reason);
      const size = bytes.length - partHeaderBytes;
      const reader = new TableReader(kernel, copyIn(kernel, bytes.subarray(partHeaderBytes)), size, "the table of log rows");
      const column = reader.column(this.totals.seriesCount);
      reader.check(column, 0, 2 ** 32 - 1);
      const seriesIds = new Uint32Array(column);
      if (!isAscending(seriesIds)) throw new DamagedPartError(path, "the series ids are out of order");
      return { seriesIds, logRows: reader.integers(seriesIds.length, 0, Number.MAX_SAFE_INTEGER) };
    } catch (error) {
      throw asDamagedPart(this.path, error);
    } finally {
      file.close();
      kernel.reset(mark);
    }
  }

  close(): void {
    this.#file.close();
    this.#headers?.dropPart(this.#firstHeaderKey);
    this.#frames?.drop();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function readFooter(file: FileHandle, path: string): PartFooter {
  const kernel = headerReader().kernel;
  const size = file.size();
  const header = new Uint8Array(partHeaderBytes);
  const bytes = new Uint8Array(partFooterBytes);
  if (size < partHeaderBytes + partFooterBytes || !readFully(file, header, 0) || !readFully(file, bytes, size - partFooterBytes)) {
    throw new DamagedPartError(path, `the block file has only ${size} bytes`);
  }
  const reason = checkPartHeader(header);
  if (reason !== undefined) throw new DamagedPartError(path, reason);
  const footer = decodePartFooter(kernel, bytes, size);
  if (typeof footer === "string") throw new DamagedPartError(path, footer);
  return footer;
}

function readDirectory(file: FileHandle, path: string, footer: PartFooter): Directory {
  const kernel = headerReader().kernel;
  const mark = kernel.mark();
  try {
    const pointer = kernel.allocate(footer.directorySize);
    if (!readFully(file, kernel.u8.subarray(pointer, pointer + footer.directorySize), footer.directoryOffset)) throw new DamagedPartError(path, "the file is cut");
    const reader = new TableReader(kernel, pointer, footer.directorySize, "the directory");
    const rows = footer.groupCount;
    const directory = {
      firstSeriesIds: reader.integers(rows, 0, 2 ** 32 - 1),
      offsets: reader.integers(rows, partHeaderBytes, footer.directoryOffset),
      sizes: reader.integers(rows, 1, footer.directoryOffset),
      minMs: reader.column(rows),
      maxMs: reader.column(rows),
    };
    const isInside = directory.offsets.every((offset, i) => offset + directory.sizes[i] <= footer.directoryOffset);
    if (!isInside || !isAscending(directory.firstSeriesIds) || !reader.isAtEnd || directory.maxMs.length !== rows || directory.minMs.length !== rows) throw new DamagedPartError(path, "the directory holds impossible numbers");
    return directory;
  } catch (error) {
    throw asDamagedPart(path, error);
  } finally {
    kernel.reset(mark);
  }
}

/** Equal numbers may follow each other. */
function isAscending(numbers: ArrayLike<number>): boolean {
  for (let i = 1; i < numbers.length; i++) if (numbers[i] < numbers[i - 1]) return false;
  return true;
}

/** Errors about contents become DamagedPartError; those of the disk (EIO ...) pass as they are. */
function asDamagedPart(path: string, error: unknown): unknown {
  const isTable = error instanceof Error && "code" in error && error.code === "corrupt_table";
  return isTable ? new DamagedPartError(path, error.message, { cause: error }) : error;
}

/** Appends the blocks of a group that belong to the series from `series` on. Both are in ascending order. */
function selectBlocks(group: BlockList, seriesIds: Uint32Array, series: number, range: TimeRange, columnId: number, found: BlockListBuilder, hasAggregates: boolean): void {
  const ids = group.seriesIds;
  let runFrom = -1;
  for (let i = firstBlockOf(ids, 0, group.count, seriesIds[series]); i < group.count; i++) {
    while (series < seriesIds.length && seriesIds[series] < ids[i]) series++;
    if (series === seriesIds.length) {
      if (runFrom >= 0) found.append(group, runFrom, i, hasAggregates);
      return;
    }
    const isWanted = seriesIds[series] === ids[i] && group.minMs[i] <= range.maxMs && group.maxMs[i] >= range.minMs && ((group.kinds[i] >> 8) & 255) === columnId;
    if (isWanted && runFrom < 0) runFrom = i;
    if (!isWanted && runFrom >= 0) {
      found.append(group, runFrom, i, hasAggregates);
      runFrom = -1;
    }
    // Few of many series are wanted most of the time.
    if (ids[i] < seriesIds[series]) i = firstBlockOf(ids, i + 1, group.count, seriesIds[series]) - 1;
  }
  if (runFrom >= 0) found.append(group, runFrom, group.count, hasAggregates);
}

/** The first of blocks [from, to) that is of this series or one after it; `to` if there is none. */
function firstBlockOf(ids: Uint32Array, from: number, to: number, seriesId: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ids[middle] < seriesId) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Appends the index of the frame of block `index`; most blocks share it with the block before. */
function addFrame(frames: FrameSet, indexes: number[], offsets: Float64Array, sizes: Uint32Array, index: number, fromIndex: number): void {
  if (index > fromIndex && offsets[index] === offsets[index - 1] && sizes[index] === sizes[index - 1]) indexes.push(indexes[indexes.length - 1]);
  else indexes.push(frames.add(offsets[index], sizes[index]));
}

/** Blocks that the range cuts, those with the same timestamps together: the first of them, and all. */
function cutBlocks(list: BlockList, { minMs, maxMs }: TimeRange, leftOut: Uint8Array | undefined): { firstOf: number[]; blocksOf: number[][] } {
  const firstOf: number[] = [];
  const blocksOf: number[][] = [];
  let last = -1;
  for (let i = 0; i < list.count; i++) {
    if ((list.minMs[i] >= minMs && list.maxMs[i] <= maxMs) || (leftOut !== undefined && leftOut[i] !== 0)) continue;
    if (last < 0 || !hasSameTimestamps(list, i, last)) {
      firstOf.push(i);
      blocksOf.push([]);
    }
    blocksOf[blocksOf.length - 1].push(i);
    last = i;
  }
  return { firstOf, blocksOf };
}

function hasSameTimestamps({ timestampsFrames, timestampsOffsets, timestampsSizes, sampleCounts }: BlockList, i: number, j: number): boolean {
  return timestampsFrames[i] === timestampsFrames[j] && timestampsOffsets[i] === timestampsOffsets[j] && timestampsSizes[i] === timestampsSizes[j] && sampleCounts[i] === sampleCounts[j];
}

/** Writes the timestamps of a block into the row at word `at`. */
function fillTimestamps(words: Uint32Array, at: number, list: BlockList, block: number, framePointer: number): void {
  words[at + decodeRow.timestampsPointer] = framePointer + list.timestampsOffsets[block];
  words[at + decodeRow.timestampsSize] = list.timestampsSizes[block];
  words[at + decodeRow.sampleCount] = list.sampleCounts[block];
}

/** Writes the rows that decodeBlocks takes. */
function fillRows(
  kernel: Kernel,
  rows: number,
  list: BlockList,
  from: number,
  to: number,
  frames: FrameSet,
  valuesFrames: readonly number[],
  timestampsFrames: readonly number[],
): void {
  const words = kernel.u32;
  const { clips } = list;
  let at = rows / 4;
  for (let i = from; i < to; i++, at += decodeRow.slots) {
    fillTimestamps(words, at, list, i, frames.pointer(timestampsFrames[i - from]));
    words[at + decodeRow.valuesPointer] = frames.pointer(valuesFrames[i - from]) + list.valuesOffsets[i];
    words[at + decodeRow.valuesSize] = list.valuesSizes[i];
    words[at + decodeRow.from] = clips === undefined ? 0 : clips.from[i];
    words[at + decodeRow.to] = clips === undefined ? list.sampleCounts[i] : clips.from[i] + clips.counts[i];
  }
}

/** Writes the places of blocks into their rows: those given, or one after the other from `at` on. */
function fillPlaces(kernel: Kernel, rows: number, list: BlockList, from: number, to: number, at: number, capacity: number, places: Uint32Array | undefined): void {
  const words = kernel.u32;
  const counts = wantedCounts(list);
  let row = rows / 4 + decodeRow.place;
  let next = at;
  for (let i = from; i < to; i++, row += decodeRow.slots) {
    const place = places === undefined ? next : places[i - from];
    next = place + counts[i];
    if (!(next <= capacity)) throw new AssertionError("the place of a block is out of range");
    words[row] = place;
  }
}
