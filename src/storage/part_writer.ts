/**
 * PartWriter: writes the files of one part, series by series in ascending order (docs/formats/part.md).
 *
 *   ColumnRun --codecEncodeRun--> open frame of values, open frame of timestamps, header rows
 *                                     | >= 4 KB          | >= 4 KB                | 256 rows: closes both frames
 *                                     v                  v                        v
 *   blocks file                   frame + checksum   frame + checksum         header group       ...  directory, footer
 *
 * Memory is bounded: nothing is kept per block, a directory row for each 256 blocks and one number for each frame of timestamps.
 * Nothing is durable or complete before finish() returns; a part that was not finished has no footer and is never opened.
 */
import { assert, AssertionError } from "../base/assert.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import { storeChecksum64 } from "../kernel/checksum.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import { RunEncoder, type BlockRowColumn } from "../kernel/codec_blocks.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { blockAggregates, type BlockAggregate } from "./block_list.ts";
import { ByteBuffer, checksumBytes, copyIn, encodeTable, encodeTableInSteps } from "./block_table.ts";
import type { ColumnRun } from "./column_run.ts";
import { encodePartFooter, encodePartHeader, partFormatVersions, partHeaderBytes, type PartTotals } from "./part_footer.ts";
import { aggregateSampleCountMin, encodeHeaderGroup, frameBytes, headerGroupCountMax, type HeaderColumns } from "./part_header.ts";
import { runAtOnce, type Steps } from "./steps.ts";
import { type Syncing, syncingAtOnce, syncingLater } from "./syncing.ts";

/** Names of the files in a part's directory. */
export const partFiles = { blocks: "blocks.tdp", logRows: "log_rows.tdp" } as const;

export interface PartSummary extends PartTotals {
  /** Of all files of the part. */
  readonly sizeBytes: number;
}

export interface PartWriterOptions {
  /** What the samples are; 0 is floats (model/row_batch.ts). */
  readonly sampleKind?: number;
  /** Which value column of the series; 0 is the raw value. */
  readonly columnId?: number;
  /** How much work goes into a block: "fast" (the default), "compact" for months that are over. */
  readonly codec?: CodecEffort;
}

/** Output is written to the file in pieces of about this size. */
const writeBytes = 1 << 20;
const firstWriteBytes = 1 << 16;
/** Samples copied into the kernel's memory at a time, for runs that are elsewhere. */
const stagedSampleCount = 1 << 16;
const sequenceCapacity = 1 << 14;

/** Columns of numbers that grow. */
class Directory {
  readonly firstSeriesIds: number[] = [];
  readonly offsets: number[] = [];
  readonly sizes: number[] = [];
  readonly minMs: number[] = [];
  readonly maxMs: number[] = [];

  columns(): Float64Array[] {
    return [this.firstSeriesIds, this.offsets, this.sizes, this.minMs, this.maxMs].map((column) => Float64Array.from(column));
  }
}

/** The newest log row of each series, ascending by series. */
class LogRowColumns {
  #seriesIds = new Float64Array(64);
  #logRows = new Float64Array(64);
  count = 0;

  /** Rows of 0 are unknown; a series that goes on keeps its newest one. */
  append(run: ColumnRun): void {
    this.#reserve(run.seriesCount);
    const [seriesIds, logRows] = [this.#seriesIds, this.#logRows];
    let count = this.count;
    for (let i = 0; i < run.seriesCount; i++) {
      const logRow = run.lastLogRows[i];
      if (logRow === 0) continue;
      const seriesId = run.seriesIds[i];
      if (count > 0 && seriesIds[count - 1] === seriesId) {
        if (logRow > logRows[count - 1]) logRows[count - 1] = logRow;
        continue;
      }
      seriesIds[count] = seriesId;
      logRows[count++] = logRow;
    }
    this.count = count;
  }

  #reserve(added: number): void {
    if (this.count + added <= this.#seriesIds.length) return;
    const capacity = Math.max(this.count + added, this.#seriesIds.length * 2);
    this.#seriesIds = grown(this.#seriesIds, capacity);
    this.#logRows = grown(this.#logRows, capacity);
  }

  columns(): Float64Array[] {
    return [this.#seriesIds.subarray(0, this.count), this.#logRows.subarray(0, this.count)];
  }
}

/** Places of the frames of a header group, by block; reused from group to group. */
class FrameColumns {
  readonly #columns = Array.from({ length: 4 }, () => new Float64Array(headerGroupCountMax));

  fill(count: number, valuesOrdinals: Float64Array, valuesFrames: Frames, timestampsOrdinals: Float64Array, timestampsFrames: Frames): Float64Array[] {
    const [valuesOffsets, valuesSizes, timestampsOffsets, timestampsSizes] = this.#columns;
    for (let i = 0; i < count; i++) {
      valuesOffsets[i] = valuesFrames.offsets[valuesOrdinals[i]];
      valuesSizes[i] = valuesFrames.sizes[valuesOrdinals[i]];
      timestampsOffsets[i] = timestampsFrames.offsets[timestampsOrdinals[i]];
      timestampsSizes[i] = timestampsFrames.sizes[timestampsOrdinals[i]];
    }
    return this.#columns.map((column) => column.subarray(0, count));
  }
}

/** Written frames by ordinal. */
class Frames {
  readonly offsets: number[] = [];
  readonly sizes: number[] = [];
}

export class PartWriter {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #kernel: Kernel;
  readonly #encoder: RunEncoder;
  readonly #kind: number;
  readonly #version: number;
  readonly #file: FileHandle;
  /** Grows to `writeBytes` and a frame more: most parts of old months are small, and a seal writes up to sixteen at a time. */
  readonly #out = new ByteBuffer(firstWriteBytes);
  #writtenBytes = 0;
  readonly #directory = new Directory();
  /** Frames by ordinal; those of values are forgotten with each header group. */
  #valuesFrames = new Frames();
  readonly #timestampsFrames = new Frames();
  readonly #frameColumns = new FrameColumns();
  readonly #logRows = new LogRowColumns();
  #seriesCount = 0;
  #sampleCount = 0;
  #blockCount = 0;
  #minMs = Infinity;
  #maxMs = -Infinity;
  #lastSeriesId = -1;
  #lastSeriesMaxMs = -Infinity;
  #isOpen = true;

  private constructor(files: FileSystem, path: string, kernel: Kernel, options: PartWriterOptions) {
    this.#files = files;
    this.#path = path;
    this.#kernel = kernel;
    this.#kind = (options.sampleKind ?? 0) | ((options.columnId ?? 0) << 8);
    const effort = options.codec ?? "fast";
    this.#version = partFormatVersions[effort];
    this.#encoder = new RunEncoder(kernel, { frameBytes, rowCapacity: headerGroupCountMax, aggregateSampleCountMin, sequenceCapacity, effort });
    this.#file = files.open(`${path}/${partFiles.blocks}`, "create");
    this.#out.append(encodePartHeader(this.#version));
  }

  /**
   * Begins a part in the directory `path`, which is made. The writer takes about 1 MB of the kernel's arena until the caller resets it:
   * take kernel.mark() before and kernel.reset(mark) after finish() or abort().
   */
  static create(files: FileSystem, path: string, kernel: Kernel, options: PartWriterOptions = {}): PartWriter {
    files.makeDirectory(path);
    return new PartWriter(files, path, kernel, options);
  }

  /**
   * Appends the samples of a run. REQUIRES: series ids ascend over all runs of the part; a series may be continued by the next run if time goes on
   * too (no sample before the newest one so far).
   */
  append(run: ColumnRun): void {
    assert(this.#isOpen, "the part is finished");
    this.#checkOrder(run);
    const mark = this.#kernel.mark();
    for (let from = 0; from < run.seriesCount; ) {
      const to = this.#isInKernel(run) ? run.seriesCount : stagedEnd(run, from);
      this.#encodeSeries(run, from, to);
      this.#kernel.reset(mark);
      from = to;
    }
    this.#logRows.append(run);
  }

  #isInKernel(run: ColumnRun): boolean {
    const buffer = this.#kernel.memory.buffer;
    return run.timestampsMs.buffer === buffer && run.values.buffer === buffer;
  }

  #checkOrder(run: ColumnRun): void {
    assert(run.sampleFrom.length > run.seriesCount && run.seriesIds.length >= run.seriesCount, "columns of the run are too short");
    const { seriesIds, sampleFrom, timestampsMs } = run;
    const sampleEnd = Math.min(timestampsMs.length, run.values.length);
    let [lastSeriesId, lastMaxMs, seriesCount, leastMs, greatestMs] = [this.#lastSeriesId, this.#lastSeriesMaxMs, 0, this.#minMs, this.#maxMs];
    for (let i = 0; i < run.seriesCount; i++) {
      const from = sampleFrom[i];
      const to = sampleFrom[i + 1];
      if (from > to || to > sampleEnd) throw new AssertionError("samples of the run are out of range");
      if (from === to) continue;
      const seriesId = seriesIds[i];
      const minMs = timestampsMs[from];
      const maxMs = timestampsMs[to - 1];
      if (seriesId <= lastSeriesId && (seriesId < lastSeriesId || minMs < lastMaxMs)) throw new AssertionError(`series ${seriesId} is out of order`);
      if (!(minMs <= maxMs)) throw new AssertionError(`samples of series ${seriesId} are out of order`);
      if (!Number.isInteger(minMs) || !Number.isInteger(maxMs)) throw new AssertionError("timestamps are whole milliseconds");
      if (seriesId !== lastSeriesId) seriesCount++;
      lastSeriesId = seriesId;
      lastMaxMs = maxMs;
      if (minMs < leastMs) leastMs = minMs;
      if (maxMs > greatestMs) greatestMs = maxMs;
    }
    this.#lastSeriesId = lastSeriesId;
    this.#lastSeriesMaxMs = lastMaxMs;
    this.#seriesCount += seriesCount;
    this.#sampleCount += sampleFrom[run.seriesCount] - sampleFrom[0];
    this.#minMs = leastMs;
    this.#maxMs = greatestMs;
  }

  /** Encodes series [from, to) of the run, copying in what is not in the kernel's memory. */
  #encodeSeries(run: ColumnRun, from: number, to: number): void {
    const kernel = this.#kernel;
    const sampleBase = run.sampleFrom[from];
    const sampleEnd = run.sampleFrom[to];
    const isInKernel = this.#isInKernel(run);
    this.#encoder.start(
      {
        seriesCount: to - from,
        seriesIds: copyWords(kernel, run.seriesIds.subarray(from, to)),
        sampleFrom: copyWords(kernel, run.sampleFrom.subarray(from, to + 1)),
        timestamps: isInKernel ? run.timestampsMs.byteOffset + sampleBase * 8 : copyDoubles(kernel, run.timestampsMs.subarray(sampleBase, sampleEnd)),
        values: isInKernel ? run.values.byteOffset + sampleBase * 8 : copyDoubles(kernel, run.values.subarray(sampleBase, sampleEnd)),
        sampleBase,
      },
      this.#kind,
    );
    while (!this.#encoder.encode()) this.#makeRoom();
  }

  #makeRoom(): void {
    if (this.#encoder.rowCount === headerGroupCountMax) this.#closeGroup();
    if (this.#encoder.valuesFrameSize >= frameBytes) this.#closeValuesFrame();
    if (this.#encoder.timestampsFrameSize >= frameBytes) this.#closeTimestampsFrame();
  }

  /** Where the next byte of the output goes in the file. */
  get #offset(): number {
    return this.#writtenBytes + this.#out.size;
  }

  #emit(bytes: Uint8Array): void {
    this.#out.append(bytes);
    if (this.#out.size >= writeBytes) this.#flush();
  }

  #flush(): void {
    this.#file.write(this.#out.bytes, this.#writtenBytes);
    this.#writtenBytes += this.#out.size;
    this.#out.clear();
  }

  /** Writes `size` bytes at `pointer` and their checksum. The encoder's frames have room for it behind their bytes. */
  #emitFrame(pointer: number, size: number, frames: Frames): void {
    frames.offsets.push(this.#offset);
    frames.sizes.push(size);
    storeChecksum64(this.#kernel, pointer, size, 0, pointer + size);
    this.#emit(this.#kernel.u8.subarray(pointer, pointer + size + checksumBytes));
  }

  #closeValuesFrame(): void {
    if (this.#encoder.valuesFrameSize === 0) return;
    this.#emitFrame(this.#encoder.valuesFrame, this.#encoder.valuesFrameSize, this.#valuesFrames);
    this.#encoder.nextValuesFrame(this.#valuesFrames.sizes.length);
  }

  #closeTimestampsFrame(): void {
    if (this.#encoder.timestampsFrameSize === 0) return;
    this.#emitFrame(this.#encoder.timestampsFrame, this.#encoder.timestampsFrameSize, this.#timestampsFrames);
    this.#encoder.nextTimestampsFrame(this.#timestampsFrames.sizes.length);
  }

  /** Closes both frames, so that the group names closed frames only, and writes the headers. */
  #closeGroup(): void {
    if (this.#encoder.rowCount === 0) return;
    this.#closeValuesFrame();
    this.#closeTimestampsFrame();
    const columns = this.#headerColumns();
    const bytes = encodeHeaderGroup(this.#kernel, columns);
    let minMs = Infinity;
    let maxMs = -Infinity;
    for (let i = 0; i < columns.minMs.length; i++) {
      minMs = Math.min(minMs, columns.minMs[i]);
      maxMs = Math.max(maxMs, columns.minMs[i] + columns.spansMs[i]);
    }
    this.#directory.firstSeriesIds.push(columns.seriesIds[0]);
    this.#directory.offsets.push(this.#offset);
    this.#directory.sizes.push(bytes.length);
    this.#directory.minMs.push(minMs);
    this.#directory.maxMs.push(maxMs);
    this.#blockCount += this.#encoder.rowCount;
    this.#emit(bytes);
    this.#encoder.clearRows();
    this.#valuesFrames = new Frames();
    this.#encoder.nextValuesFrame(0);
  }

  #headerColumns(): HeaderColumns {
    const column = (name: BlockRowColumn): Float64Array => this.#encoder.column(name);
    const [valuesFrames, valuesFrameSizes, timestampsFrames, timestampsFrameSizes] = this.#frameColumns.fill(
      this.#encoder.rowCount,
      column("valuesOrdinal"),
      this.#valuesFrames,
      column("timestampsOrdinal"),
      this.#timestampsFrames,
    );
    const aggregates = Object.fromEntries(blockAggregates.map((aggregate) => [aggregate, column(aggregate)]));
    return {
      seriesIds: column("seriesId"),
      kinds: column("kind"),
      sampleCounts: column("sampleCount"),
      minMs: column("minMs"),
      spansMs: column("spanMs"),
      valuesFrames,
      valuesFrameSizes,
      valuesSizes: column("valuesSize"),
      timestampsFrames,
      timestampsFrameSizes,
      timestampsOffsets: column("timestampsOffset"),
      timestampsSizes: column("timestampsSize"),
      aggregates: aggregates as Record<BlockAggregate, Float64Array>,
    };
  }

  /** Bytes in the block file so far. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /**
   * Makes what is in the file so far durable, on another thread if the disk can (FileHandle.startSync): finish() then has less to wait for. After it has
   * failed, the part must be aborted.
   */
  startSync(): Promise<void> | undefined {
    return this.#file.startSync();
  }

  /** Completes the files and makes them durable, with their names; the name of the directory itself too. */
  finish(): PartSummary {
    return runAtOnce(this.#finish(syncingAtOnce(this.#files)));
  }

  /** As finish(), in steps, and synced on another thread. After it has failed, the part must be aborted. */
  finishInSteps(): Steps<PartSummary> {
    return this.#finish(syncingLater(this.#files));
  }

  *#finish(syncing: Syncing): Steps<PartSummary> {
    assert(this.#isOpen, "the part is finished");
    const totals = this.#complete();
    yield syncing.file(this.#file);
    this.#isOpen = false;
    this.#file.close();
    const logRowsBytes = this.#logRows.count === 0 ? 0 : yield* this.#writeLogRows(syncing);
    yield syncing.directory(this.#path);
    yield syncing.directory(parentOf(this.#path));
    return { ...totals, sizeBytes: this.#writtenBytes + logRowsBytes };
  }

  /** Writes all that is left of the file of blocks. */
  #complete(): PartTotals {
    this.#closeGroup();
    const directoryOffset = this.#offset;
    const directory = encodeTable(this.#kernel, this.#directory.columns());
    this.#emit(directory);
    const isEmpty = this.#sampleCount === 0;
    const totals: PartTotals = {
      seriesCount: this.#seriesCount,
      sampleCount: this.#sampleCount,
      blockCount: this.#blockCount,
      minMs: isEmpty ? 0 : this.#minMs,
      maxMs: isEmpty ? 0 : this.#maxMs,
    };
    const groupCount = this.#directory.offsets.length;
    this.#emit(encodePartFooter(this.#kernel, { ...totals, groupCount, directoryOffset, directorySize: directory.length }, this.#version));
    this.#flush();
    return totals;
  }

  *#writeLogRows(syncing: Syncing): Steps<number> {
    const table = yield* encodeTableInSteps(this.#kernel, this.#logRows.columns());
    const file = this.#files.open(`${this.#path}/${partFiles.logRows}`, "create");
    try {
      file.write(encodePartHeader(this.#version), 0);
      file.write(table, partHeaderBytes);
      yield syncing.file(file);
    } finally {
      file.close();
    }
    return partHeaderBytes + table.length;
  }

  /** Removes what has been written. Fine after an error, and after finish() too. */
  abort(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
    this.#files.removeTree(this.#path);
  }
}

/** The end of the series from `from` on that are staged together: at least one. */
function stagedEnd(run: ColumnRun, from: number): number {
  let to = from + 1;
  while (to < run.seriesCount && run.sampleFrom[to + 1] - run.sampleFrom[from] <= stagedSampleCount) to++;
  return to;
}

function grown(column: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity);
  larger.set(column);
  return larger;
}

function copyWords(kernel: Kernel, words: Uint32Array): number {
  return copyIn(kernel, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
}

function copyDoubles(kernel: Kernel, doubles: Float64Array): number {
  return copyIn(kernel, new Uint8Array(doubles.buffer, doubles.byteOffset, doubles.byteLength));
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
