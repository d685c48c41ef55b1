/**
 * HeadWriter: appends batches to the heads, one after the other in a lane, and gives what is handed over to the SealQueue. All work that changes heads
 * runs in the lane.
 *
 *   write ──lane──> BatchPlacement ──> Head.append ──┬─ done ──> dropped rows counted
 *                                          ^         └─ stopped: wait for log areas, or for memory ─┐
 *                                          └─────────────────────────────────────────────────────────┘
 */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { RowBatch } from "../model/row_batch.ts";
import type { DropReason, WriteResult } from "../model/store.ts";
import { BatchPlacement } from "./batch_placement.ts";
import type { ExemplarTable } from "./exemplar_table.ts";
import type { AppendStop, BatchPointers, Head, HeadCounters } from "./head.ts";
import type { LogBuffers } from "./log_buffers.ts";
import type { MetadataTable } from "./metadata_table.ts";
import type { SealQueue } from "./seal_queue.ts";
import type { Shard } from "./shard.ts";

const dayMs = 86_400_000;
const futureMaxMs = 2 * dayMs;
/** How long a write waits for memory before it is refused. */
const roomWaitMsMax = 10_000;

export interface HeadWriterOptions {
  readonly shards: readonly Shard[];
  readonly log: LogBuffers;
  readonly seals: SealQueue;
  readonly metadata: MetadataTable;
  readonly exemplars: ExemplarTable;
  readonly clock: Clock;
  readonly retentionMs: number;
  /** Bytes of head chunks aimed at; decides how many samples a series collects before they are sealed. */
  readonly chunkBudgetBytes: number;
}

export class HeadWriter {
  readonly #options: HeadWriterOptions;
  readonly #placement: BatchPlacement;
  /** Work that changes heads runs one after the other. */
  #lane: Promise<unknown> = Promise.resolve();
  #laneDepth = 0;
  #nextLogRow: number;
  #isClosed = false;
  readonly #closing = Promise.withResolvers<void>();

  constructor(options: HeadWriterOptions) {
    this.#options = options;
    this.#placement = new BatchPlacement(options.shards);
    this.#nextLogRow = Math.max(1, ...options.shards.map((shard) => shard.head.nextLogRow));
    for (const { head } of options.shards) this.#setSealChunks(head);
  }

  /** Number of the next sample in the log. */
  get nextLogRow(): number {
    return this.#nextLogRow;
  }

  /** Resolves when the work given to the lane so far is done. */
  async applied(): Promise<void> {
    await this.#lane;
  }

  /** Appends a batch to the heads and the log areas. It is safe only when the log has been written. */
  write(batch: RowBatch): Promise<WriteResult> {
    if (this.#isClosed) return Promise.reject(new UnavailableError("shutting_down", "the store is closing"));
    return this.enterLane(() => this.#apply(batch));
  }

  /** From now on writes are refused, and those that wait for memory no longer do. */
  close(): void {
    this.#isClosed = true;
    this.#closing.resolve();
  }

  /** Runs `work` when all earlier work in the lane is done; at once (in this turn) when there is none. */
  enterLane<T>(work: () => Promise<T>): Promise<T> {
    this.#laneDepth++;
    const run = this.#laneDepth === 1 ? work() : this.#lane.then(work, work);
    const done = run.finally(() => {
      this.#laneDepth--;
    });
    this.#lane = done.catch(() => undefined);
    return done;
  }

  async #apply(batch: RowBatch): Promise<WriteResult> {
    await this.#options.log.checkWritable();
    const nowMs = this.#options.clock.nowMs();
    const bounds = { minMs: Math.max(0, nowMs - this.#options.retentionMs), maxMs: nowMs + futureMaxMs };
    for (const metadata of batch.metadata) {
      const record = this.#options.metadata.put(metadata);
      if (record !== undefined) this.#options.log.addRecords(record);
    }
    if (batch.exemplars !== undefined) {
      const records = this.#options.exemplars.put(batch.exemplars);
      if (records.length > 0) this.#options.log.addRecords(records);
    }
    const { shards } = this.#options;
    if (shards.length === 1) return this.#applyTo(shards[0], this.#placement.place(batch), bounds);
    const results = [];
    for (const [shardNumber, pointers] of this.#placement.split(batch).entries()) {
      if (pointers.rowCount > 0) results.push(await this.#applyTo(shards[shardNumber], pointers, bounds));
    }
    return sumResults(results);
  }

  async #applyTo({ head }: Shard, pointers: BatchPointers, bounds: { minMs: number; maxMs: number }): Promise<WriteResult> {
    const before = head.counters();
    head.beginBatch();
    let row = 0;
    for (;;) {
      head.nextLogRow = this.#nextLogRow;
      const step = head.append(pointers, row, bounds.minMs, bounds.maxMs);
      this.#nextLogRow = head.nextLogRow;
      row = step.row;
      this.sendSeals(head, false);
      if (step.stop === "done") break;
      await this.#makeRoom(head, step.stop);
    }
    return writeResult(before, head.counters());
  }

  async #makeRoom(head: Head, stop: AppendStop): Promise<void> {
    if (stop === "log") return this.#options.log.room();
    if (stop === "turn") return nextTurn();
    if (this.#options.seals.pendingCount === 0) {
      head.handOver(0, head.seriesCount);
      this.sendSeals(head, true);
    }
    const { failure } = this.#options.seals;
    if (failure !== undefined) throw new UnavailableError("read_only", `memory is full and cannot be sealed, so nothing new is accepted: ${messageOf(failure)}`, { cause: failure, retryAfterS: 1 });
    if (!(await this.#isWithin(this.#options.seals.changed(), roomWaitMsMax))) {
      throw new UnavailableError("memory_full", `memory is full: queries or the disk have held it for ${roomWaitMsMax / 1000} s`, { retryAfterS: 1 });
    }
  }

  /** Whether the event comes within the time, and before the store closes. */
  async #isWithin(event: Promise<unknown>, waitMs: number): Promise<boolean> {
    const late = Promise.withResolvers<void>();
    using _timer = this.#options.clock.setTimer(waitMs, late.resolve);
    return await Promise.race([event.then(() => true), late.promise.then(() => false), this.#closing.promise.then(() => false)]);
  }

  /** Sends closed seals on their way; with `force` the one that is being filled too. */
  sendSeals(head: Head, force: boolean): void {
    const seals = head.takeSeals(force);
    const nextSeriesId = Math.max(...this.#options.shards.map((shard) => shard.head.nextSeriesId));
    const shardNumber = this.#options.shards.findIndex((shard) => shard.head === head);
    // A part may be published before its rows are in the log; recovery numbers new rows above both.
    for (const seal of seals) this.#options.seals.send(shardNumber, head, seal, nextSeriesId);
    this.#setSealChunks(head);
  }

  /** Few series may collect many samples before they are sealed, many series only a few. */
  #setSealChunks(head: Head): void {
    const perSeries = Math.floor(this.#options.chunkBudgetBytes / 128 / Math.max(1, head.seriesCount * this.#options.shards.length));
    head.sealChunks = Math.max(1, Math.min(15, perSeries));
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function writeResult(before: HeadCounters, after: HeadCounters): WriteResult {
  const droppedSamples: Partial<Record<DropReason, number>> = {};
  const count = (reason: DropReason, dropped: number): void => {
    if (dropped > 0) droppedSamples[reason] = dropped;
  };
  count("too_old", after.droppedOld - before.droppedOld);
  count("too_far_in_future", after.droppedFuture - before.droppedFuture);
  count("series_limit", after.droppedSeries - before.droppedSeries);
  count("label_too_long", after.droppedLabels - before.droppedLabels);
  count("reserved_label", after.droppedKind - before.droppedKind);
  return { acceptedSamples: after.accepted - before.accepted, droppedSamples };
}

function sumResults(results: readonly WriteResult[]): WriteResult {
  let acceptedSamples = 0;
  const droppedSamples: Partial<Record<DropReason, number>> = {};
  for (const result of results) {
    acceptedSamples += result.acceptedSamples;
    for (const [reason, dropped] of Object.entries(result.droppedSamples)) {
      droppedSamples[reason as DropReason] = (droppedSamples[reason as DropReason] ?? 0) + dropped;
    }
  }
  return { acceptedSamples, droppedSamples };
}
