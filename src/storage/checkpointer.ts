/**
 * Checkpointer: seals everything written until now, and cuts the log before that.
 *
 *   lane: log written, new segment, row number ──> all chunks handed over ──> their seals published ──> checkpoint committed, old segments removed
 */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Head } from "./head.ts";
import type { HeadWriter } from "./head_writer.ts";
import type { LogBuffers } from "./log_buffers.ts";
import type { ExemplarTable } from "./exemplar_table.ts";
import type { MetadataTable } from "./metadata_table.ts";
import type { ReaderPins } from "./reader_pins.ts";
import type { SealQueue } from "./seal_queue.ts";
import type { Shard } from "./shard.ts";
import type { Checkpoint, TableClient, TableVersion } from "./table_client.ts";

/** Series handled between two turns of the event loop: about a millisecond. */
const sliceCount = 32_768;

export interface CheckpointerOptions {
  readonly shards: readonly Shard[];
  readonly writer: HeadWriter;
  readonly log: LogBuffers;
  readonly seals: SealQueue;
  readonly pins: ReaderPins;
  readonly table: TableClient;
  readonly metadata: MetadataTable;
  readonly exemplars: ExemplarTable;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly publish: (version: TableVersion) => void;
  /** What is in the log already. */
  readonly logBytes: number;
  /** Number of the newest row that is behind the last checkpoint. */
  readonly checkpointRow: number;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  /** The newest one that a start does not replay. */
  #checkpointRow: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #logBytes: number;
  #isClosed = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#logBytes = options.logBytes;
    this.#checkpointRow = options.checkpointRow;
  }

  /** Bytes of log since the last checkpoint. */
  get logBytes(): number {
    return this.#logBytes;
  }

  /** Rows that a start would replay. */
  get logRows(): number {
    return this.#options.writer.nextLogRow - 1 - this.#checkpointRow;
  }

  /** So many bytes were given to the log. */
  addLogBytes(bytes: number): void {
    this.#logBytes += bytes;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** From now on a checkpoint does not wait for readers that hold memory: they may never end. */
  close(): void {
    this.#isClosed = true;
  }

  /** Makes a checkpoint. Calls while one is going on share the next one. */
  run(): Promise<void> {
    const running = this.#running;
    if (running !== undefined) {
      this.#next ??= running.catch(() => undefined).then(() => {
        this.#next = undefined;
        return this.run();
      });
      return this.#next;
    }
    this.#running = this.#checkpoint().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #checkpoint(): Promise<void> {
    const { shards, writer, log, seals, table, metadata, exemplars, clock, retentionMs, publish } = this.#options;
    let loggedBytes = 0;
    // In the lane nothing is appended, so the rows up to logRow are exactly those in the segments before the new one.
    const checkpoint: Checkpoint = await writer.enterLane(async () => {
      await log.checkWritable();
      await log.flushed();
      loggedBytes = this.#logBytes;
      return { segment: await table.rollLog(), logRow: writer.nextLogRow - 1 };
    });
    for (const { head } of shards) await this.#handOverAll(head);
    await seals.drained();
    publish(await table.checkpoint(checkpoint, Buffer.concat([metadata.encode(), exemplars.encode(clock.nowMs() - retentionMs)])));
    this.#logBytes -= loggedBytes;
    this.#checkpointRow = checkpoint.logRow;
  }

  /** Hands all chunks of a head over and sends them on their way, however long there is no room for that. */
  async #handOverAll(head: Head): Promise<void> {
    const { writer } = this.#options;
    for (let from = 0; from < head.seriesCount; ) {
      const to = Math.min(head.seriesCount, from + sliceCount);
      const reached = head.handOver(from, to);
      writer.sendSeals(head, false);
      if (reached < to) await this.#entryArea();
      from = reached;
      await nextTurn();
    }
    for (writer.sendSeals(head, true); !head.isHandedOver; writer.sendSeals(head, true)) await this.#entryArea();
  }

  /** Resolves when there may be room to hand over to. Rejects if that depends on readers and the store is closing: they may never end. */
  async #entryArea(): Promise<void> {
    const { seals, pins } = this.#options;
    const changed = seals.changed();
    if (seals.pendingCount === 0) {
      await seals.drained();
      if (this.#isClosed && pins.count > 0) throw new UnavailableError("shutting_down", "the store closes, and readers hold what is in memory");
    }
    await changed;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
