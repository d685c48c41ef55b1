/**
 * The log on its way to the storage thread. Each shard has two pairs of areas (sample rows, series records); the head writes into one pair
 * while the other one is being written to disk. A write is acknowledged when the pair that holds its rows has been written: group commit
 * without a timer, since everything that arrives during one write goes into the next.
 *
 * When the disk refuses, the bytes stay where they are and are tried again with the next write (at most once a second); meanwhile nothing
 * new is taken, so unlogged bytes are bounded by the areas.
 */
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import { logPayloadBytesMax } from "../kernel/log_record.ts";
import type { Head } from "./head.ts";
import type { LogPiece } from "./table_client.ts";

interface Area {
  readonly from: number;
  readonly end: number;
}

interface Side {
  readonly samples: Area;
  readonly series: Area;
}

/** Bytes that the disk refused, kept to be tried again. */
interface FailedWrite {
  readonly pieces: LogPiece[];
  readonly extraRecords: Uint8Array | undefined;
  error: unknown;
  sinceMs: number;
}

/** Bytes of one area for sample rows, and of one for series records. A label set that does not fit the latter is not accepted. */
export interface LogAreaSizes {
  readonly samplesBytes: number;
  readonly seriesBytes: number;
}

export interface LogBufferOptions extends LogAreaSizes {
  readonly retryMs: number;
}

/** A record is not longer than a log record may be; a samples area holds a few rows. */
const areaBytesMin = 1024;
const areaBytesMax = logPayloadBytesMax;

export class LogBuffers {
  readonly #heads: readonly Head[];
  readonly #sides: readonly (readonly Side[])[];
  readonly #write: (pieces: readonly LogPiece[], extraRecords: Uint8Array | undefined) => Promise<void>;
  readonly #clock: Clock;
  readonly #retryMs: number;
  #current = 0;
  #extraRecords: Uint8Array[] = [];
  #inFlight: Promise<void> | undefined;
  /** What flushed() answered for the write in flight. */
  #written: Promise<void> | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;
  #failed: FailedWrite | undefined;

  constructor(heads: readonly Head[], clock: Clock, options: LogBufferOptions, write: (pieces: readonly LogPiece[], extraRecords: Uint8Array | undefined) => Promise<void>) {
    this.#heads = heads;
    this.#clock = clock;
    this.#retryMs = options.retryMs;
    for (const size of [options.samplesBytes, options.seriesBytes]) assert(size >= areaBytesMin && size <= areaBytesMax && size % 16 === 0, "size of a log area");
    this.#write = write;
    const area = (head: Head, size: number): Area => {
      const from = head.kernel.allocate(size);
      return { from, end: from + size };
    };
    this.#sides = [0, 1].map(() => heads.map((head) => ({ samples: area(head, options.samplesBytes), series: area(head, options.seriesBytes) })));
    this.#point();
  }

  /** Throws UnavailableError while the disk refuses and it is too early to try again. */
  async checkWritable(): Promise<void> {
    const failed = this.#failed;
    if (failed === undefined) return;
    if (this.#clock.monotonicMs() - failed.sinceMs >= this.#retryMs) await this.#retry(failed);
    if (this.#failed !== undefined) throw unavailable(this.#failed.error);
  }

  /** Adds whole records that do not come from the head (metadata). */
  addRecords(records: Uint8Array): void {
    this.#extraRecords.push(records);
  }

  /** Resolves when everything that was appended until now is in the log; rejects with UnavailableError while the disk refuses. */
  flushed(): Promise<void> {
    if (this.#isEmpty()) return this.#written ?? Promise.resolve();
    // What came while the write failed waits behind the failed bytes; #retry() sends it when they are written.
    if (this.#failed !== undefined) return Promise.reject(unavailable(this.#failed.error));
    const waiting = (this.#waiting ??= Promise.withResolvers<void>());
    if (this.#inFlight === undefined) {
      // One turn of the event loop later, so that requests that arrived together share a write.
      setImmediate(() => {
        if (this.#inFlight === undefined) this.#start();
      });
    }
    return waiting.promise;
  }

  /** Resolves when the head has an empty pair of areas to write to. */
  async room(): Promise<void> {
    if (this.#inFlight === undefined) await this.flushed();
    else await this.#inFlight.catch(() => undefined);
    if (this.#failed !== undefined) throw unavailable(this.#failed.error);
    if (!this.#isEmpty()) await this.flushed();
  }

  #isEmpty(): boolean {
    if (this.#extraRecords.length > 0) return false;
    return this.#heads.every((head, shard) => {
      const side = this.#sides[this.#current][shard];
      return head.logPosition === side.samples.from && head.seriesLogPosition === side.series.from;
    });
  }

  #point(): void {
    this.#heads.forEach((head, shard) => {
      const side = this.#sides[this.#current][shard];
      head.setLogAreas({ position: side.samples.from, end: side.samples.end }, { position: side.series.from, end: side.series.end });
    });
  }

  /** Sends the current areas and lets the head write to the other ones. */
  #start(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    assert(this.#failed === undefined, "nothing is appended while the log is failing");
    this.#waiting = undefined;
    const pieces: LogPiece[] = [];
    // Series records first: rows refer to them.
    this.#heads.forEach((head, shard) => {
      const { series } = this.#sides[this.#current][shard];
      if (head.seriesLogPosition > series.from) pieces.push({ shard, pointer: series.from, size: head.seriesLogPosition - series.from });
    });
    this.#heads.forEach((head, shard) => {
      const { samples } = this.#sides[this.#current][shard];
      if (head.logPosition > samples.from) pieces.push({ shard, pointer: samples.from, size: head.logPosition - samples.from });
    });
    const extraRecords = this.#extraRecords.length === 0 ? undefined : Buffer.concat(this.#extraRecords);
    this.#extraRecords = [];
    this.#current = 1 - this.#current;
    this.#point();
    this.#inFlight = this.#write(pieces, extraRecords);
    this.#written = waiting.promise;
    this.#inFlight.then(
      () => {
        this.#inFlight = undefined;
        this.#written = undefined;
        waiting.resolve();
        this.#start();
      },
      (error: unknown) => {
        this.#inFlight = undefined;
        this.#written = undefined;
        this.#failed = { pieces, extraRecords, error, sinceMs: this.#clock.monotonicMs() };
        waiting.reject(unavailable(error));
        // What came meanwhile was promised nothing yet; its bytes stay in their areas and follow the failed ones.
        this.#waiting?.reject(unavailable(error));
        this.#waiting = undefined;
      },
    );
  }

  async #retry(failed: FailedWrite): Promise<void> {
    failed.sinceMs = this.#clock.monotonicMs();
    try {
      await this.#write(failed.pieces, failed.extraRecords);
      this.#failed = undefined;
      if (!this.#isEmpty()) await this.flushed();
    } catch (error) {
      if (this.#failed !== undefined) this.#failed.error = error;
    }
  }
}

function unavailable(cause: unknown): UnavailableError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UnavailableError("read_only", `the log cannot be written, so nothing new is accepted: ${reason}`, { cause, retryAfterS: 1 });
}
