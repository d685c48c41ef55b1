/**
 * Writes the log: whole records, in groups, to one segment after the other.
 *
 * A file that failed once is never written to again: after a failed write it is unknown how far it got, and after a failed fsync Linux
 * forgets which bytes it has not written (a second fsync "succeeds"). So the writer closes the segment and opens the next one, whose header
 * says how many bytes of the closed one count. Bytes that were acknowledged but not synced when the fsync failed (the *carry*) are read back
 * from the closed segment - the page cache still has them - and written again to the new one. If the disk refuses that too, the error goes
 * to the caller, the carry stays owed, and every later append or sync tries again: the log recovers when the disk does.
 *
 * The header of a segment is written after its carry, so that a kill in between leaves an unfinished segment, which readers ignore, and the
 * closed one counts whole.
 *
 *   segment 7   [header|record record record|carry, sync failed|garbage of a failed write]
 *                                           ^ previousEnd in the header of segment 8
 *   segment 8   [header|carry|record ...
 */
import { assert } from "../base/assert.ts";
import { StorageError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { silentLogger } from "../base/logger.ts";
import { FileError, fileErrorCode, storageErrorOf } from "../disk/file_error.ts";
import { parentPath, readFully } from "../disk/file_system.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import { checkLogRecord, logCheck, logPayloadBytesMax, logRecordSize } from "../kernel/log_record.ts";
import { encodeLogSegmentHeader, logSegmentHeaderBytes, logSegmentNumbers, logSegmentPath } from "./log_segment.ts";
import type { LogEnd } from "./log_segment.ts";
import { keepInQuarantine } from "./quarantine.ts";

export interface LogWriterOptions {
  readonly files: FileSystem;
  /** The log's own directory; it exists and is durable. */
  readonly directory: string;
  /** 32 hexadecimal digits, from the manifest. */
  readonly directoryId: string;
  /** Number of the segment to write first; no file of this or a higher number exists. */
  readonly firstSegment: number;
  /** Where the valid part of the last segment of the previous run ends (LogRecovery.previous). */
  readonly previous?: LogEnd;
  /** Size of the segments that are there already. */
  readonly existingBytes?: number;
  /** Segments that could not be read whole at the start (LogRecovery.damagedSegments): they go to the quarantine instead of away. */
  readonly damagedSegments?: readonly number[];
  /** A segment that would grow larger is closed. Default 64 MiB. */
  readonly segmentBytesMax?: number;
  readonly logger?: Logger;
}

/** The open segment. All positions are those of record boundaries. */
interface Segment {
  readonly number: number;
  readonly file: FileHandle;
  size: number;
  syncedSize: number;
}

/** Records that have to be written again: bytes [from, to) of a closed segment. */
interface Carry {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

const carryFailuresMax = 3;
const carryChunkBytes = 2 * logRecordSize(logPayloadBytesMax);

export class LogWriter implements Disposable {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #directoryId: string;
  readonly #segmentBytesMax: number;
  readonly #logger: Logger;
  readonly #damagedSegments: ReadonlySet<number>;
  #segment: Segment | undefined;
  #nextNumber: number;
  #previous: LogEnd | undefined;
  #carry: Carry | undefined;
  #carryFailureCount = 0;
  #closedBytes = 0;
  #failureCount = 0;
  #unrescuedBytes = 0;
  /** On another thread. */
  #isSyncing = false;
  #isClosed = false;

  constructor(options: LogWriterOptions) {
    assert(options.firstSegment >= 1, "segments are numbered from 1");
    this.#files = options.files;
    this.#directory = options.directory;
    this.#directoryId = options.directoryId;
    this.#nextNumber = options.firstSegment;
    this.#previous = options.previous;
    this.#closedBytes = options.existingBytes ?? 0;
    this.#segmentBytesMax = options.segmentBytesMax ?? 64 << 20;
    this.#logger = options.logger ?? silentLogger;
    this.#damagedSegments = new Set(options.damagedSegments);
  }

  /** The segment that the next record goes to, unless it is full or fails. */
  get segment(): number {
    return this.#segment?.number ?? this.#nextNumber;
  }

  /** Size of all segments. */
  get bytes(): number {
    return this.#closedBytes + (this.#segment?.size ?? 0);
  }

  /** Acknowledged bytes that a power loss would take. */
  get unsyncedBytes(): number {
    const carried = this.#carry === undefined ? 0 : this.#carry.to - this.#carry.from;
    return carried + (this.#segment === undefined ? 0 : this.#segment.size - this.#segment.syncedSize);
  }

  /** Files closed because a write or fsync failed. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** Acknowledged bytes that could not be read back after a failed fsync: they are safe from a kill, not from a power loss. */
  get unrescuedBytes(): number {
    return this.#unrescuedBytes;
  }

  /**
   * Appends whole, sealed records (a multiple of 8 bytes each; views of shared memory are fine), all or nothing. When it returns they
   * survive a kill of the process. Throws StorageError "disk_full" or "disk_error" if the disk refuses; then none of them counts and the
   * caller appends them again later.
   */
  append(...pieces: readonly Uint8Array[]): void {
    let size = 0;
    for (const piece of pieces) {
      assert(piece.length % 8 === 0, "records are padded to 8 bytes");
      size += piece.length;
    }
    if (size === 0) return;
    if (this.#segment !== undefined && this.#isFull(this.#segment, size)) this.rollSegment();
    if (this.#segment !== undefined && this.#tryWrite(this.#segment, pieces)) return;
    const segment = this.#openSegment();
    try {
      this.#write(segment, pieces);
    } catch (error) {
      // On a full disk this happens at every try: leave no trail of empty segments.
      if (segment.size === logSegmentHeaderBytes) this.#discardSegment(segment);
      else this.#abandonAfterWrite(segment, error);
      throw storageErrorOf(error, "cannot write the log");
    }
  }

  /**
   * Makes everything appended so far durable. Throws StorageError if the disk refuses; the records stay owed, and the next call tries again.
   */
  sync(): void {
    if (this.#segment === undefined && this.#carry !== undefined) this.#openSegment();
    if (this.#segment === undefined || this.unsyncedBytes === 0) return;
    try {
      this.#syncSegment(this.#segment);
    } catch (error) {
      this.#syncNextSegment(this.#segment, error);
    }
  }

  /**
   * As sync() of what is appended by now, on another thread if the disk can: undefined if it was done at once. The log may be used as before meanwhile. REQUIRES: the one
   * before is done.
   */
  startSync(): Promise<void> | undefined {
    const segment = this.#segment;
    if (segment === undefined || this.unsyncedBytes === 0) {
      this.sync();
      return undefined;
    }
    const { size } = segment;
    let syncing: Promise<void> | undefined;
    try {
      syncing = segment.file.startSync();
      if (syncing === undefined) this.#noteSynced(segment, size);
    } catch (error) {
      this.#syncNextSegment(segment, error);
    }
    return syncing === undefined ? undefined : this.#finishSync(segment, size, syncing);
  }

  async #finishSync(segment: Segment, size: number, syncing: Promise<void>): Promise<void> {
    this.#isSyncing = true;
    try {
      await syncing;
      if (this.#segment === segment) return this.#noteSynced(segment, size);
    } catch (error) {
      if (this.#segment === segment) return this.#syncNextSegment(segment, error);
    } finally {
      this.#isSyncing = false;
    }
    // The segment was closed meanwhile: its records are durable, or owed.
    if (!this.#isClosed) this.sync();
  }

  /** The records of a segment that could not be synced go to the next one, which is synced. */
  #syncNextSegment(failed: Segment, cause: unknown): void {
    this.#abandonAfterSync(failed, cause);
    const segment = this.#openSegment();
    try {
      this.#syncSegment(segment);
    } catch (error) {
      this.#abandonAfterSync(segment, error);
      throw storageErrorOf(error, "cannot sync the log");
    }
  }

  /** Syncs and closes the open segment; records appended from now on stand in the segment whose number is returned, or later ones. */
  rollSegment(): number {
    this.sync();
    if (this.#segment !== undefined) this.#close(this.#segment, this.#segment.size);
    return this.#nextNumber;
  }

  /** Removes all segments numbered below `number`, oldest first, so that a crash leaves no gap. */
  removeSegmentsBefore(number: number): void {
    assert(number <= this.segment, "the open segment is not removed");
    assert(this.#carry === undefined || this.#carry.number >= number, "records that are still to be written again are not removed");
    try {
      let keptBytes = 0;
      for (const present of logSegmentNumbers(this.#files.list(this.#directory))) {
        const path = logSegmentPath(this.#directory, present);
        if (present < number) this.#removeSegment(present, path);
        else if (present !== this.#segment?.number) keptBytes += this.#files.size(path);
      }
      this.#files.syncDirectory(this.#directory);
      this.#closedBytes = keptBytes;
    } catch (error) {
      throw storageErrorOf(error, "cannot remove old log segments");
    }
  }

  #removeSegment(number: number, path: string): void {
    if (this.#damagedSegments.has(number)) {
      const name = `log-${path.slice(this.#directory.length + 1, -".log".length)}`;
      const kept = keepInQuarantine(this.#files, parentPath(this.#directory), name, [path], "a segment of the log that could not be read whole when the store was opened");
      this.#logger.warn(`log segment ${path} could not be read whole at the start and is kept in ${kept}`);
    }
    if (this.#files.exists(path)) this.#files.remove(path);
  }

  /** Closes the file without syncing; call sync() before for a clean end. Closing twice is fine. */
  close(): void {
    this.#isClosed = true;
    if (this.#segment !== undefined) this.#close(this.#segment, this.#segment.size);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #isFull(segment: Segment, size: number): boolean {
    // Closing it would wait for the sync that goes on: rather later, when little is left to sync.
    const bytesMax = this.#isSyncing ? 2 * this.#segmentBytesMax : this.#segmentBytesMax;
    return segment.size > logSegmentHeaderBytes && segment.size + size > bytesMax;
  }

  #tryWrite(segment: Segment, pieces: readonly Uint8Array[]): boolean {
    try {
      this.#write(segment, pieces);
      return true;
    } catch (error) {
      this.#abandonAfterWrite(segment, error);
      return false;
    }
  }

  #write(segment: Segment, pieces: readonly Uint8Array[]): void {
    let position = segment.size;
    for (const piece of pieces) {
      segment.file.write(piece, position);
      position += piece.length;
    }
    segment.size = position; // only now: a group counts whole
  }

  #syncSegment(segment: Segment): void {
    segment.file.sync();
    this.#noteSynced(segment, segment.size);
  }

  #noteSynced(segment: Segment, size: number): void {
    if (segment.syncedSize === 0) this.#files.syncDirectory(this.#directory);
    segment.syncedSize = Math.max(segment.syncedSize, size);
  }

  /** A write failed: the groups before it are whole. Cuts the rest, which the next header would make readers ignore anyway. */
  #abandonAfterWrite(segment: Segment, error: unknown): void {
    this.#reportFailure(segment, "write", error);
    try {
      segment.file.truncate(segment.size);
      if (segment.size > segment.syncedSize) this.#syncSegment(segment);
      this.#close(segment, segment.size);
    } catch (second) {
      checkIsDiskError(second);
      this.#closeOwing(segment);
    }
  }

  #abandonAfterSync(segment: Segment, error: unknown): void {
    this.#reportFailure(segment, "fsync", error);
    this.#closeOwing(segment);
  }

  /** Closes a segment whose bytes after the last sync may be lost: they are owed again. */
  #closeOwing(segment: Segment): void {
    const from = Math.max(segment.syncedSize, logSegmentHeaderBytes);
    this.#carry = segment.size > from ? { number: segment.number, from, to: segment.size } : undefined;
    // Of a segment that was never synced nothing counts, and its header may be lost: the next one names the segment before it.
    const previous = segment.syncedSize === 0 ? this.#previous : { number: segment.number, end: from };
    this.#close(segment, from);
    this.#previous = previous;
  }

  #close(segment: Segment, end: number): void {
    this.#segment = undefined;
    this.#previous = { number: segment.number, end };
    this.#closedBytes += segment.size;
    this.#closeFile(segment.file);
  }

  #closeFile(file: FileHandle): void {
    try {
      file.close();
    } catch (error) {
      checkIsDiskError(error);
      this.#logger.warn(`cannot close log segment ${file.path}: ${String(error)}`);
    }
  }

  /** Opens the next segment and writes the carry to it. Throws StorageError if that fails; then no segment is open. */
  #openSegment(): Segment {
    this.#checkCarry();
    const number = this.#nextNumber;
    const path = logSegmentPath(this.#directory, number);
    let file: FileHandle | undefined;
    try {
      file = this.#files.open(path, "exclusive");
      const segment: Segment = { number, file, size: logSegmentHeaderBytes, syncedSize: 0 };
      if (this.#carry !== undefined) this.#copyCarry(this.#carry, segment);
      file.write(encodeLogSegmentHeader({ number, directoryId: this.#directoryId, previous: this.#previous }), 0);
      this.#nextNumber++;
      this.#carry = undefined;
      this.#carryFailureCount = 0;
      this.#segment = segment;
      return segment;
    } catch (error) {
      if (file !== undefined) this.#discard(file);
      else if (fileErrorCode(error) === "EEXIST") this.#nextNumber++;
      throw storageErrorOf(error, `cannot open log segment ${path}`);
    }
  }

  /** Forgets an open segment that holds no record, as if it had never been opened. */
  #discardSegment(segment: Segment): void {
    this.#segment = undefined;
    this.#nextNumber = segment.number;
    this.#discard(segment.file);
  }

  /** Removes the file of the next segment, which holds nothing that was acknowledged; if that fails its number is not used again. */
  #discard(file: FileHandle): void {
    this.#closeFile(file);
    try {
      this.#files.remove(file.path);
    } catch (error) {
      checkIsDiskError(error);
      this.#nextNumber++;
    }
  }

  #copyCarry(carry: Carry, target: Segment): void {
    this.#readCarry(carry, (records) => {
      target.file.write(records, target.size);
      target.size += records.length;
    });
    if (target.size - logSegmentHeaderBytes !== carry.to - carry.from) throw new FileError("EIO", "read", target.file.path);
  }

  /**
   * Throws if the carry cannot be read now. After the third time it is given up: the closed segment counts up to its end, readers take from
   * it what they can, and the log goes on without a promise for these bytes, which no sync() has acknowledged.
   */
  #checkCarry(): void {
    const carry = this.#carry;
    if (carry === undefined) return;
    const sizeBytes = carry.to - carry.from;
    let readBytes = 0;
    let reason: unknown = "its bytes have changed";
    try {
      this.#readCarry(carry, (records) => {
        readBytes += records.length;
      });
    } catch (error) {
      checkIsDiskError(error);
      reason = error;
    }
    if (readBytes === sizeBytes) return;
    const path = logSegmentPath(this.#directory, carry.number);
    if (++this.#carryFailureCount >= carryFailuresMax) {
      this.#unrescuedBytes += sizeBytes;
      this.#previous = { number: carry.number, end: carry.to };
      this.#carry = undefined;
      this.#carryFailureCount = 0;
    }
    throw new StorageError("disk_error", `log segment ${path}: cannot read back ${sizeBytes} bytes after a failed fsync: ${String(reason)}`);
  }

  /** Calls `take` with chunks of whole records, up to the first broken one. */
  #readCarry(carry: Carry, take: (records: Uint8Array) => void): void {
    using source = this.#files.open(logSegmentPath(this.#directory, carry.number), "read");
    const buffer = new Uint8Array(Math.min(carry.to - carry.from, carryChunkBytes));
    for (let from = carry.from; from < carry.to; ) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, carry.to - from));
      const size = wholeRecordsSize(chunk.subarray(0, readFully(source, chunk, from)));
      if (size === 0) return;
      take(chunk.subarray(0, size));
      from += size;
    }
  }

  #reportFailure(segment: Segment, operation: string, error: unknown): void {
    checkIsDiskError(error);
    this.#failureCount++;
    this.#logger.error(`log segment ${segment.file.path}: ${operation} failed, going on in a new segment: ${String(error)}`);
  }
}

/** How many bytes at the start of `bytes` are whole, right records. */
function wholeRecordsSize(bytes: Uint8Array): number {
  let position = 0;
  for (;;) {
    const size = checkLogRecord(bytes, position);
    if (size <= logCheck.incomplete) return position;
    position += size;
  }
}

/** Everything else is a bug and goes up. */
function checkIsDiskError(error: unknown): void {
  if (fileErrorCode(error) === undefined) throw error;
}
