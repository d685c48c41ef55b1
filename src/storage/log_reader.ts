/**
 * Reads the log after a start: every whole record of every segment that counts, in the order in which they were written. Damage is never
 * fatal: a torn tail is cut, a broken record is stepped over, and both are reported. Records are read into the memory of a kernel, which
 * checks them and replays them there.
 *
 * Which bytes count is in the segment headers: each names the segment before it and where that one ends. Bytes behind that end, and segments
 * between the two, were never acknowledged or stand in a later segment again.
 */
import { assert } from "../base/assert.ts";
import { FileError, fileErrorCode } from "../disk/file_error.ts";
import { readFully } from "../disk/file_system.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checkLogRecordInKernel, findLogHeaderInKernel, logCheck, logHeaderBytes, logPayloadBytesMax, logRecordSize } from "../kernel/log_record.ts";
import { expandedLogRowBytes, expandedLogRowsBytesMax, expandLogRowsInKernel, logRowsHeaderBytes } from "../kernel/log_rows.ts";
import { scanSeriesRecords, type SeriesRecords } from "../kernel/series_load.ts";
import { isSoundLogPayload, logRecordTypes } from "./log_payload.ts";
import { decodeLogSegmentHeader, isUnfinishedLogSegment, logSegmentHeaderBytes, logSegmentNumbers, logSegmentPath } from "./log_segment.ts";
import type { LogEnd, LogSegmentHeader } from "./log_segment.ts";

export interface LogReaderOptions {
  readonly files: FileSystem;
  /** The log's own directory; a missing one is an empty log. */
  readonly directory: string;
  readonly directoryId: string;
  /** From the checkpoint: older segments are not read. */
  readonly firstSegment: number;
  readonly kernel: Kernel;
  /** Where records are read to, in the kernel's memory, at least logReadBufferBytesMin. Default: taken from the kernel's arena for each segment. */
  readonly buffer?: { readonly pointer: number; readonly size: number };
}

/** Room for a record of samples that was expanded, behind a copy of its header. */
const expandedBytes = logHeaderBytes + expandedLogRowsBytesMax;
export const logReadBufferBytesMin = 2 * logRecordSize(logPayloadBytesMax) + expandedBytes;

/**
 * Called for each whole record. The payload (8-aligned, in the kernel's memory, behind the record's header) is valid during the call. That of samples comes expanded
 * (kernel/log_rows.ts), whatever version it has on disk.
 */
export type LogVisitor = (type: number, version: number, payloadPointer: number, payloadSize: number, segment: number) => void;

/**
 * Called for whole records of new series that stand one behind the other, headers included, instead of the visitor: there may be a million of them. At most
 * logSeriesBytesMax bytes at a time.
 */
export type LogSeriesVisitor = (recordsPointer: number, sizeBytes: number) => void;

export const logSeriesBytesMax = logRecordSize(logPayloadBytesMax);
/** Records that are looked at together, if they are not larger: they stay in the cache until they are visited. */
const seriesBytesAtOnce = 256 << 10;

export interface LogIssue {
  readonly kind: LogIssueKind;
  readonly segment: number;
  /** Byte range in the segment's file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export type LogIssueKind =
  | "torn_tail" // the write that was going on when the process or machine stopped: cut
  | "damaged_records" // skipped up to the next whole record
  | "damaged_header" // of a segment; its records are read all the same
  | "unfinished_segment" // stopped before the segment was opened; nothing in it was acknowledged
  | "foreign_segment" // of another data directory; not read
  | "missing_segment" // a later header names it
  | "unreadable"; // the disk refuses; what follows in this segment is not read

/** What the reader knows when all segments are read; the first three go to LogWriterOptions. */
export interface LogRecovery {
  readonly nextSegment: number;
  readonly previous: LogEnd | undefined;
  readonly existingBytes: number;
  readonly recordCount: number;
  readonly recordBytes: number;
  /** At most 1000; `issueCount` counts all. */
  readonly issues: readonly LogIssue[];
  readonly issueCount: number;
  /** Segments with records that could not be read: they are kept for people who want to try. */
  readonly damagedSegments: readonly number[];
}

interface SegmentToRead {
  readonly number: number;
  readonly sizeBytes: number;
  /** Bytes that count. */
  end: number;
  readonly header: LogSegmentHeader | undefined;
}

const issuesMax = 1000;
/** Issues that may have taken something that was acknowledged. */
const lossKinds: ReadonlySet<LogIssueKind> = new Set(["damaged_records", "damaged_header", "unreadable"]);

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #segments: SegmentToRead[] = [];
  readonly #nextSegment: number;
  #next = 0;
  #previous: LogEnd | undefined;
  #existingBytes = 0;
  #recordCount = 0;
  #recordBytes = 0;
  readonly #issues: LogIssue[] = [];
  #issueCount = 0;
  readonly #damagedSegments = new Set<number>();

  /** Reads all headers. Throws StorageError "unsupported_format" if a segment was written by a newer program. */
  constructor(options: LogReaderOptions) {
    assert(options.buffer === undefined || (options.buffer.size >= logReadBufferBytesMin && options.buffer.size % 8 === 0), "the buffer holds the largest record");
    this.#options = options;
    const numbers = options.files.exists(options.directory) ? logSegmentNumbers(options.files.list(options.directory)) : [];
    this.#nextSegment = Math.max(options.firstSegment, (numbers.at(-1) ?? 0) + 1);
    for (const number of numbers) if (number >= options.firstSegment) this.#addSegment(number);
    this.#applyHeaders();
  }

  /** Segments still to visit. */
  get segmentsLeft(): number {
    return this.#segments.length - this.#next;
  }

  /** Visits the records of the next segment; false when there is none. */
  visitNextSegment(visit: LogVisitor, visitSeries?: LogSeriesVisitor): boolean {
    const segment = this.#segments[this.#next];
    if (segment === undefined) return false;
    this.#next++;
    const { kernel, buffer } = this.#options;
    if (buffer !== undefined) {
      this.#visitSegment(segment, buffer, visit, visitSeries);
      return true;
    }
    const mark = kernel.mark();
    const size = Math.min(Math.ceil(segment.end / 8) * 8 + expandedBytes, logReadBufferBytesMin);
    this.#visitSegment(segment, { pointer: kernel.allocate(size), size }, visit, visitSeries);
    kernel.reset(mark);
    return true;
  }

  /** REQUIRES: all segments were visited. */
  recovery(): LogRecovery {
    assert(this.segmentsLeft === 0, "the whole log was read");
    return {
      nextSegment: this.#nextSegment,
      previous: this.#previous,
      existingBytes: this.#existingBytes,
      recordCount: this.#recordCount,
      recordBytes: this.#recordBytes,
      issues: this.#issues,
      issueCount: this.#issueCount,
      damagedSegments: [...this.#damagedSegments],
    };
  }

  #addSegment(number: number): void {
    const path = logSegmentPath(this.#options.directory, number);
    const bytes = new Uint8Array(logSegmentHeaderBytes);
    let sizeBytes = 0;
    try {
      using file = this.#options.files.open(path, "read");
      sizeBytes = file.size();
      this.#existingBytes += sizeBytes;
      readFully(file, bytes, 0);
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      this.#report("unreadable", number, 0, sizeBytes);
      this.#segments.push({ number, sizeBytes, end: sizeBytes, header: undefined });
      return;
    }
    const header = decodeLogSegmentHeader(bytes, path);
    if (header === undefined && isUnfinishedLogSegment(bytes)) return this.#report("unfinished_segment", number, 0, sizeBytes);
    if (header === undefined || header.number !== number) this.#report("damaged_header", number, 0, logSegmentHeaderBytes);
    else if (header.directoryId !== this.#options.directoryId) return this.#report("foreign_segment", number, 0, sizeBytes);
    this.#segments.push({ number, sizeBytes, end: sizeBytes, header: header?.number === number ? header : undefined });
  }

  /**
   * Cuts segments at the end that their successor names, and drops those that a successor skips. From the newest to the oldest: the header of a
   * segment that was dropped says nothing.
   */
  #applyHeaders(): void {
    for (const segment of this.#segments.toReversed()) {
      if (segment.header === undefined || !this.#segments.includes(segment)) continue;
      const { number, end } = segment.header.previous ?? { number: 0, end: 0 };
      const named = this.#segments.findIndex((other) => other.number === number);
      if (named >= 0) this.#segments[named].end = Math.min(this.#segments[named].end, end);
      else if (number >= this.#options.firstSegment) this.#report("missing_segment", number, 0, end);
      const from = this.#segments.findIndex((other) => other.number > number);
      this.#segments.splice(from, this.#segments.indexOf(segment) - from);
    }
  }

  #visitSegment(segment: SegmentToRead, { pointer, size }: { pointer: number; size: number }, visit: LogVisitor, visitSeries: LogSeriesVisitor | undefined): void {
    const { files, directory, kernel } = this.#options;
    try {
      using file = files.open(logSegmentPath(directory, segment.number), "read");
      const cursor = new Cursor(kernel, file, pointer, size, segment.end);
      this.#visitRecords(segment, cursor, visit, visitSeries);
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      this.#report("unreadable", segment.number, 0, segment.end);
      this.#previous = { number: segment.number, end: segment.end };
    }
  }

  #visitRecords(segment: SegmentToRead, cursor: Cursor, visit: LogVisitor, visitSeries: LogSeriesVisitor | undefined): void {
    let validEnd = logSegmentHeaderBytes;
    while (cursor.hasHeader()) {
      const check = cursor.check();
      if (check > 0 && cursor.isSound()) {
        if (cursor.position > validEnd) this.#report("damaged_records", segment.number, validEnd, cursor.position - validEnd);
        const series = visitSeries === undefined ? undefined : cursor.seriesRecords(check);
        if (series === undefined) cursor.visit(visit, segment.number);
        else visitSeries?.(cursor.pointer, series.sizeBytes);
        const { count, sizeBytes } = series ?? { count: 1, sizeBytes: check };
        this.#recordCount += count;
        this.#recordBytes += sizeBytes;
        cursor.advance(sizeBytes);
        validEnd = cursor.position;
      } else if (check > 0 || check === logCheck.badPayload) {
        cursor.advance(cursor.recordSize());
      } else if (check === logCheck.badHeader) {
        cursor.advanceToHeader();
      } else {
        break; // a right header whose record ends behind the end of the segment
      }
    }
    if (segment.end > validEnd) this.#report("torn_tail", segment.number, validEnd, segment.end - validEnd);
    this.#previous = { number: segment.number, end: validEnd };
  }

  #report(kind: LogIssueKind, segment: number, offset: number, sizeBytes: number): void {
    this.#issueCount++;
    if (lossKinds.has(kind)) this.#damagedSegments.add(segment);
    if (this.#issues.length < issuesMax) this.#issues.push({ kind, segment, offset, sizeBytes });
  }
}

/** A window of the kernel's memory that moves over a segment, and behind it the room for a record that has to be expanded. */
class Cursor {
  readonly #kernel: Kernel;
  readonly #file: FileHandle;
  readonly #pointer: number;
  readonly #size: number;
  readonly #end: number;
  /** Bytes [#from, #to) of the file stand at #pointer. */
  #from: number;
  #to: number;
  /** The current place in the file, on a boundary of 8. */
  position: number;
  /** What visit() shows. */
  #payload = 0;
  #payloadSize = 0;

  constructor(kernel: Kernel, file: FileHandle, pointer: number, size: number, end: number) {
    this.#kernel = kernel;
    this.#file = file;
    this.#pointer = pointer;
    this.#size = size - expandedBytes;
    this.#end = end;
    this.#from = this.#to = this.position = logSegmentHeaderBytes;
  }

  /** Whether a record header fits before the end of the segment. */
  hasHeader(): boolean {
    return this.position + logHeaderBytes <= this.#end;
  }

  /** The size of the record here, or why there is none; incomplete only if it ends behind the end of the segment. */
  check(): number {
    const check = this.#checkBuffered();
    if (check !== logCheck.incomplete || this.#to >= this.#end) return check;
    this.#fill();
    return this.#checkBuffered();
  }

  /** REQUIRES: the header here is right. */
  recordSize(): number {
    return logRecordSize(this.#kernel.u32[this.pointer >>> 2]);
  }

  /** Whether the payload of the whole record here is what its type says; visit() may follow. */
  isSound(): boolean {
    const here = this.pointer;
    const { u8, u32, memory } = this.#kernel;
    const payload = here + logHeaderBytes;
    const size = u32[here >>> 2];
    this.#payload = payload;
    this.#payloadSize = size;
    if (u8[here + 8] === logRecordTypes.samples.type && u8[here + 9] !== 1) {
      if (u8[here + 9] !== logRecordTypes.samples.version || !this.#expand(here, payload, size)) return false;
    }
    return isSoundLogPayload(u8[here + 8], new DataView(memory.buffer, this.#payload, this.#payloadSize));
  }

  /** Makes the expanded rows, behind a copy of the record's header, what visit() shows. */
  #expand(here: number, payload: number, size: number): boolean {
    const target = this.#pointer + this.#size + logHeaderBytes;
    const count = expandLogRowsInKernel(this.#kernel, payload, size, target);
    if (count < 0) return false;
    this.#kernel.u8.copyWithin(target - logHeaderBytes, here, payload);
    this.#payload = target;
    this.#payloadSize = logRowsHeaderBytes + count * expandedLogRowBytes;
    return true;
  }

  /** The records of new series from the one here on, which has `size` bytes, as far as they are in the window; undefined if it is not one. */
  seriesRecords(size: number): SeriesRecords | undefined {
    if (this.#kernel.u8[this.pointer + 8] !== logRecordTypes.newSeries.type) return undefined;
    const available = Math.min(this.#to - this.position, Math.max(size, seriesBytesAtOnce));
    const series = scanSeriesRecords(this.#kernel, this.pointer, available);
    assert(series.sizeBytes >= size, "the first record was whole");
    return series;
  }

  visit(visit: LogVisitor, segment: number): void {
    const here = this.pointer;
    const kind = this.#kernel.u8;
    visit(kind[here + 8], kind[here + 9], this.#payload, this.#payloadSize, segment);
  }

  advance(size: number): void {
    this.position += size;
  }

  /** Moves on by at least 8 bytes, to the next right header or to the end of what is buffered. */
  advanceToHeader(): void {
    this.position += 8;
    const available = this.#to - this.position;
    if (available > 0) this.position += findLogHeaderInKernel(this.#kernel, this.pointer, available);
  }

  /** Where the current record stands in the kernel's memory. */
  get pointer(): number {
    return this.#pointer + (this.position - this.#from);
  }

  #checkBuffered(): number {
    const available = this.#to - this.position;
    if (available < logHeaderBytes) return logCheck.incomplete;
    return checkLogRecordInKernel(this.#kernel, this.pointer, available);
  }

  /** Moves the window so that it begins here, and fills it. */
  #fill(): void {
    const bytes = this.#kernel.u8;
    const kept = Math.max(0, this.#to - this.position);
    if (kept > 0) bytes.copyWithin(this.#pointer, this.pointer, this.pointer + kept);
    this.#from = this.position;
    const room = Math.min(this.#size, this.#end - this.#from);
    const count = readFully(this.#file, bytes.subarray(this.#pointer + kept, this.#pointer + room), this.#from + kept);
    this.#to = this.#from + kept + count;
    if (count < room - kept) throw new FileError("EIO", "read", this.#file.path); // shorter than its size: it changed under us
  }
}
