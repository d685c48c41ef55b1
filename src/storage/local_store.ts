/**
 * LocalStore: the Store of one data directory. It runs on the writing thread (the only one that changes heads and indexes); files belong
 * to a TableClient, which is the same thread in tests and embedded use and the storage thread in the server.
 *
 *   write   batch ──> head + log areas ──> flushed() ──> acknowledged
 *   seal    full chunks ──> SealQueue ──> TableClient.seal ──> new TableVersion ──> chunks freed when unread
 *   search  Snapshot (series, parts, seal number, pin) ──> LocalReader, on this or another thread ──> release
 */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Kernel } from "../kernel/kernel.ts";
import { compareBytewise, compareLabels, type Labels } from "../model/labels.ts";
import { type MetricMetadata, type RowBatch, seriesRow } from "../model/row_batch.ts";
import type { DropReason, LabelsRequest, SearchRequest, SearchResult, Store, StoreCapabilities, WriteResult } from "../model/store.ts";
import type { AppendStop, BatchPointers, Head, HeadCounters } from "./head.ts";
import { LocalReader } from "./local_reader.ts";
import { type LogAreaSizes, LogBuffers } from "./log_buffers.ts";
import { MetadataTable } from "./metadata_table.ts";
import { partitionNamed } from "./partition.ts";
import { ReaderPins } from "./reader_pins.ts";
import { ReleasingBatches } from "./releasing_batches.ts";
import { SealQueue } from "./seal_queue.ts";
import type { Shard, ShardLayout } from "./shard.ts";
import type { Snapshot, SnapshotRequest } from "./snapshot.ts";
import type { Checkpoint, TableClient, TableVersion } from "./table_client.ts";

const dayMs = 86_400_000;
const futureMaxMs = 2 * dayMs;
/** Series handled between two turns of the event loop: about a millisecond. */
const sliceCount = 32_768;
/** How long a write waits for memory before it is refused. */
const roomWaitMsMax = 10_000;
const defaultLogAreas: LogAreaSizes = { samplesBytes: 1 << 20, seriesBytes: 4 << 20 };

export interface LocalStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retentionMs: number;
  /** Bytes of head chunks aimed at; decides how many samples a series collects before they are sealed. */
  readonly chunkBudgetBytes: number;
  /** Log bytes after which everything is sealed and the log cut. */
  readonly checkpointLogBytes: number;
  readonly checkpointIntervalMs: number;
  /** Of each shard, twice. Default 1 MiB and 4 MiB, which is as much as a log record holds. */
  readonly logAreas?: LogAreaSizes;
}

export interface LocalStoreParts {
  readonly shards: readonly Shard[];
  readonly table: TableClient;
  readonly version: TableVersion;
  readonly metadata: MetadataTable;
  /** Reads on the writing thread: search() of this object. */
  readonly reader: LocalReader;
  /** Released when the store is closed. */
  readonly lock: Disposable;
  /** What is in the log already. */
  readonly logBytes: number;
}

/** Figures for self-monitoring. */
export interface LocalStoreStats {
  readonly seriesCount: number;
  readonly headBytes: number;
  readonly sharedMemoryBytes: number;
  readonly partCount: number;
  readonly partBytes: number;
  readonly partSamples: number;
  readonly readers: number;
  readonly newSeries: number;
  readonly predictionMisses: number;
}

export class LocalStore implements Store {
  readonly capabilities: StoreCapabilities = { canRollup: false, canAggregate: false, canDeleteRange: false };
  readonly #options: LocalStoreOptions;
  readonly #shards: readonly Shard[];
  readonly #table: TableClient;
  readonly #metadata: MetadataTable;
  readonly #reader: LocalReader;
  readonly #lock: Disposable;
  readonly #log: LogBuffers;
  readonly #pins = new ReaderPins();
  readonly #seals: SealQueue;
  #version: TableVersion;
  /** Work that changes heads runs one after the other. */
  #lane: Promise<unknown> = Promise.resolve();
  #laneDepth = 0;
  #nextLogRow: number;
  #flushing: Promise<void> | undefined;
  #nextFlush: Promise<void> | undefined;
  #logBytes: number;
  #checkpointMs: number;
  #upkeepMs = 0;
  #timer: Disposable | undefined;
  #isClosed = false;
  readonly #closing = Promise.withResolvers<void>();
  #closed: Promise<void> | undefined;

  constructor(parts: LocalStoreParts, options: LocalStoreOptions) {
    this.#options = options;
    this.#shards = parts.shards;
    this.#table = parts.table;
    this.#version = parts.version;
    this.#metadata = parts.metadata;
    this.#reader = parts.reader;
    this.#lock = parts.lock;
    this.#logBytes = parts.logBytes;
    this.#checkpointMs = options.clock.monotonicMs();
    this.#seals = new SealQueue({ table: parts.table, clock: options.clock, logger: options.logger, pins: this.#pins, publish: (version) => this.#publish(version) });
    this.#nextLogRow = Math.max(1, ...parts.shards.map((shard) => shard.head.nextLogRow));
    const logOptions = { ...(options.logAreas ?? defaultLogAreas), retryMs: 1000 };
    this.#log = new LogBuffers(parts.shards.map((shard) => shard.head), options.clock, logOptions, (pieces, extra) => {
      for (const piece of pieces) this.#logBytes += piece.size;
      return this.#table.appendLog(pieces, extra);
    });
    for (const { head } of this.#shards) this.#setSealChunks(head);
    this.#scheduleUpkeep();
  }

  /** The writing thread's kernel: parsers that build their batches in its memory spare a copy (with one shard). */
  get writeKernel(): Kernel {
    return this.#shards[0].kernel;
  }

  async write(batch: RowBatch): Promise<WriteResult> {
    const result = await this.#inLane(() => this.#apply(batch));
    await this.#log.flushed();
    return result;
  }

  /** Resolves when the batches given to write() so far are no longer read, which may be long before they are safe. */
  async applied(): Promise<void> {
    await this.#lane;
  }

  async search(request: SearchRequest): Promise<SearchResult> {
    const snapshot = this.openSnapshot(request);
    const { batches, isPartial } = this.#reader.search(snapshot, request);
    return { batches: new ReleasingBatches(batches, () => this.releaseSnapshot(snapshot.pin), request.signal), isPartial };
  }

  /** Selects series and pins what a reader needs to read them, here or on another thread. Every snapshot must be released. */
  openSnapshot(request: SnapshotRequest): Snapshot {
    const pin = this.#pins.acquire();
    try {
      return {
        pin,
        series: this.#shards.map((shard) => shard.index.select(request.tenant, request.selector, { range: request.range })),
        publishedSeals: this.#version.sealNumbers,
        parts: this.#version.parts.filter((part) => part.maxMs >= request.range.minMs && part.minMs <= request.range.maxMs),
      };
    } catch (error) {
      this.#pins.release(pin);
      throw error;
    }
  }

  releaseSnapshot(pin: number): void {
    this.#pins.release(pin);
  }

  async labelNames(request: LabelsRequest): Promise<string[]> {
    return this.#strings(request, (shard) => shard.index.labelNames(request.tenant, { selector: request.selector, range: request.range, limit: request.limit }));
  }

  async labelValues(name: string, request: LabelsRequest): Promise<string[]> {
    return this.#strings(request, (shard) => shard.index.labelValues(request.tenant, name, { selector: request.selector, range: request.range, limit: request.limit }));
  }

  async series(request: LabelsRequest): Promise<Labels[]> {
    const found: Labels[] = [];
    for (const shard of this.#shards) {
      const selected = shard.index.select(request.tenant, request.selector, { range: request.range });
      for (let i = 0; i < selected.length; i++) {
        found.push(shard.index.labels(selected[i]));
        if (i % sliceCount === sliceCount - 1) {
          request.signal?.throwIfAborted();
          await nextTurn();
        }
      }
    }
    found.sort(compareLabels);
    return request.limit > 0 ? found.slice(0, request.limit) : found;
  }

  async metadata(): Promise<MetricMetadata[]> {
    return this.#metadata.list();
  }

  /** Seals everything written until now into parts, cuts the log. Calls while a run is going on share the next one. */
  flush(): Promise<void> {
    const running = this.#flushing;
    if (running !== undefined) {
      this.#nextFlush ??= running.catch(() => undefined).then(() => {
        this.#nextFlush = undefined;
        return this.flush();
      });
      return this.#nextFlush;
    }
    this.#flushing = this.#checkpoint().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async merge(): Promise<void> {
    await this.flush();
    this.#publish(await this.#table.merge(true));
  }

  stats(): LocalStoreStats {
    const sum = (of: (shard: Shard) => number): number => this.#shards.reduce((total, shard) => total + of(shard), 0);
    const { parts } = this.#version;
    return {
      seriesCount: sum((shard) => shard.head.seriesCount),
      headBytes: sum((shard) => shard.head.usedBytes),
      sharedMemoryBytes: sum((shard) => shard.kernel.sizeBytes),
      partCount: parts.length,
      partBytes: parts.reduce((total, part) => total + part.sizeBytes, 0),
      partSamples: parts.reduce((total, part) => total + part.sampleCount, 0),
      readers: this.#pins.count,
      newSeries: sum((shard) => shard.head.counters().newSeries),
      predictionMisses: sum((shard) => shard.head.counters().predictionMisses),
    };
  }

  /** Waits for work in flight, seals what is in memory, and closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#closing.resolve();
    this.#timer?.[Symbol.dispose]();
    this.#seals.close();
    await this.#lane;
    try {
      await this.flush();
    } catch (error) {
      this.#options.logger.error(`cannot seal at shutdown, the log keeps what was acknowledged: ${String(error)}`);
    }
    await this.#seals.settled();
    try {
      await this.#table[Symbol.asyncDispose]();
    } finally {
      this.#reader[Symbol.dispose]();
      this.#lock[Symbol.dispose]();
    }
  }

  /** Layouts of the shards, for readers on other threads. */
  get layouts(): readonly ShardLayout[] {
    return this.#shards.map((shard) => shard.layout);
  }

  // ---- writing ----------------------------------------------------------------------------------------------------

  /** Runs `work` when all earlier work in the lane is done; at once (in this turn) when there is none. */
  #inLane<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new UnavailableError("shutting_down", "the store is closing"));
    return this.#enterLane(work);
  }

  #enterLane<T>(work: () => Promise<T>): Promise<T> {
    this.#laneDepth++;
    const run = this.#laneDepth === 1 ? work() : this.#lane.then(work, work);
    const done = run.finally(() => {
      this.#laneDepth--;
    });
    this.#lane = done.catch(() => undefined);
    return done;
  }

  async #apply(batch: RowBatch): Promise<WriteResult> {
    await this.#log.checkWritable();
    const nowMs = this.#options.clock.nowMs();
    const bounds = { minMs: Math.max(0, nowMs - this.#options.retentionMs), maxMs: nowMs + futureMaxMs };
    for (const metadata of batch.metadata) {
      const record = this.#metadata.put(metadata);
      if (record !== undefined) this.#log.addRecords(record);
    }
    if (this.#shards.length === 1) return this.#applyTo(this.#shards[0], this.#place(this.#shards[0], batch), bounds);
    const results = [];
    for (const [shardNumber, rows] of this.#split(batch).entries()) {
      if (rows.length > 0) results.push(await this.#applyTo(this.#shards[shardNumber], this.#place(this.#shards[shardNumber], batch, rows), bounds));
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
      this.#sendSeals(head, false);
      if (step.stop === "done") break;
      await this.#makeRoom(head, step.stop);
    }
    return writeResult(before, head.counters());
  }

  async #makeRoom(head: Head, stop: AppendStop): Promise<void> {
    if (stop === "log") return this.#log.room();
    if (this.#seals.pendingCount === 0) {
      head.handOver(0, head.seriesCount);
      this.#sendSeals(head, true);
    }
    const { failure } = this.#seals;
    if (failure !== undefined) throw new UnavailableError("read_only", `memory is full and cannot be sealed, so nothing new is accepted: ${messageOf(failure)}`, { cause: failure, retryAfterS: 1 });
    if (!(await this.#isWithin(this.#seals.changed(), roomWaitMsMax))) {
      throw new UnavailableError("memory_full", `memory is full: queries or the disk have held it for ${roomWaitMsMax / 1000} s`, { retryAfterS: 1 });
    }
  }

  /** Whether the event comes within the time, and before the store closes. */
  async #isWithin(event: Promise<unknown>, waitMs: number): Promise<boolean> {
    const late = Promise.withResolvers<void>();
    using _timer = this.#options.clock.setTimer(waitMs, late.resolve);
    return await Promise.race([event.then(() => true), late.promise.then(() => false), this.#closing.promise.then(() => false)]);
  }

  /** Pointers to a batch in shard memory: in place when it was built there, otherwise copied (`rows`: only these). */
  #place(shard: Shard, batch: RowBatch, rows?: readonly number[]): BatchPointers {
    const { accountId, projectId } = batch.tenant;
    const { kernel } = shard;
    if (rows === undefined && batch.values.buffer === kernel.memory.buffer && batch.labelBytes.buffer === kernel.memory.buffer) {
      return {
        rows: batch.seriesRows.byteOffset,
        rowCount: batch.seriesCount,
        labelBase: batch.labelBytes.byteOffset,
        timestamps: batch.timestampsMs.byteOffset,
        values: batch.values.byteOffset,
        accountId,
        projectId,
      };
    }
    const rowTable = rows === undefined ? batch.seriesRows.subarray(0, batch.seriesCount * seriesRow.slots) : pickRows(batch.seriesRows, rows);
    const sizes = [rowTable.length * 4, batch.labelBytes.length + 8, batch.sampleCount * 8, batch.sampleCount * 8];
    const total = sizes.reduce((sum, size) => sum + Math.ceil(size / 8) * 8, 0);
    const area = this.#copyArea(shard, total);
    const pointers = sizes.map((_, i) => area + sizes.slice(0, i).reduce((sum, size) => sum + Math.ceil(size / 8) * 8, 0));
    kernel.u32.set(rowTable, pointers[0] / 4);
    kernel.u8.set(batch.labelBytes, pointers[1]);
    kernel.f64.set(batch.timestampsMs.subarray(0, batch.sampleCount), pointers[2] / 8);
    kernel.f64.set(batch.values.subarray(0, batch.sampleCount), pointers[3] / 8);
    const rowCount = rowTable.length / seriesRow.slots;
    return { rows: pointers[0], rowCount, labelBase: pointers[1], timestamps: pointers[2], values: pointers[3], accountId, projectId };
  }

  #copyAreas = new Map<Shard, { pointer: number; sizeBytes: number }>();

  /** An area in shard memory for copied batches, kept for the next one. */
  #copyArea(shard: Shard, sizeBytes: number): number {
    let area = this.#copyAreas.get(shard);
    if (area === undefined || area.sizeBytes < sizeBytes) {
      const rounded = 2 ** Math.ceil(Math.log2(Math.max(sizeBytes, 65_536)));
      area = { pointer: shard.kernel.allocate(rounded), sizeBytes: rounded };
      this.#copyAreas.set(shard, area);
    }
    return area.pointer;
  }

  /** Row numbers by shard. */
  #split(batch: RowBatch): number[][] {
    const rows = this.#shards.map((): number[] => []);
    const shard = this.#shards[0];
    const { accountId, projectId } = batch.tenant;
    for (let i = 0; i < batch.seriesCount; i++) {
      const at = i * seriesRow.slots;
      const from = batch.seriesRows[at + seriesRow.labelsOffset];
      const size = batch.seriesRows[at + seriesRow.labelsSize];
      const run = this.#copyArea(shard, size + 64);
      shard.kernel.u8.set(batch.labelBytes.subarray(from, from + size), run);
      rows[shard.head.shardOf(run, size, accountId, projectId, this.#shards.length)].push(i);
    }
    return rows;
  }

  // ---- sealing ----------------------------------------------------------------------------------------------------

  #sendSeals(head: Head, force: boolean): void {
    const seals = head.takeSeals(force);
    const nextSeriesId = Math.max(...this.#shards.map((shard) => shard.head.nextSeriesId));
    const shardNumber = this.#shards.findIndex((shard) => shard.head === head);
    // A part may be published before its rows are in the log; recovery numbers new rows above both.
    for (const seal of seals) this.#seals.send(shardNumber, head, seal, nextSeriesId);
    this.#setSealChunks(head);
  }

  #publish(version: TableVersion): void {
    if (version.version <= this.#version.version) return;
    this.#version = version;
    this.#pins.whenUnread(() => this.#table.releaseVersion(version.version));
  }

  async #checkpoint(): Promise<void> {
    let loggedBytes = 0;
    // In the lane nothing is appended, so the rows up to logRow are exactly those in the segments before the new one.
    const checkpoint: Checkpoint = await this.#enterLane(async () => {
      await this.#log.checkWritable();
      await this.#log.flushed();
      loggedBytes = this.#logBytes;
      return { segment: await this.#table.rollLog(), logRow: this.#nextLogRow - 1 };
    });
    for (const { head } of this.#shards) await this.#handOverAll(head);
    await this.#seals.drained();
    this.#publish(await this.#table.checkpoint(checkpoint, this.#metadata.encode()));
    this.#logBytes -= loggedBytes;
  }

  /** Hands all chunks of a head over and sends them on their way, however long there is no room for that. */
  async #handOverAll(head: Head): Promise<void> {
    for (let from = 0; from < head.seriesCount; ) {
      const to = Math.min(head.seriesCount, from + sliceCount);
      const reached = head.handOver(from, to);
      this.#sendSeals(head, false);
      if (reached < to) await this.#entryArea();
      from = reached;
      await nextTurn();
    }
    for (this.#sendSeals(head, true); !head.isHandedOver; this.#sendSeals(head, true)) await this.#entryArea();
  }

  /** Resolves when there may be room to hand over to. Rejects if that depends on readers and the store is closing: they may never end. */
  async #entryArea(): Promise<void> {
    const changed = this.#seals.changed();
    if (this.#seals.pendingCount === 0) {
      await this.#seals.drained();
      if (this.#isClosed && this.#pins.count > 0) throw new UnavailableError("shutting_down", "the store closes, and readers hold what is in memory");
    }
    await changed;
  }

  /** Few series may collect many samples before they are sealed, many series only a few. */
  #setSealChunks(head: Head): void {
    const perSeries = Math.floor(this.#options.chunkBudgetBytes / 128 / Math.max(1, head.seriesCount * this.#shards.length));
    head.sealChunks = Math.max(1, Math.min(15, perSeries));
  }

  // ---- upkeep -----------------------------------------------------------------------------------------------------

  #scheduleUpkeep(): void {
    this.#timer = this.#options.clock.setTimer(1000, () => {
      this.#upkeep(this.#options.clock.monotonicMs());
      this.#scheduleUpkeep();
    });
  }

  #upkeep(nowMs: number): void {
    const isCheckpointDue = this.#logBytes >= this.#options.checkpointLogBytes || nowMs - this.#checkpointMs >= this.#options.checkpointIntervalMs;
    if (isCheckpointDue && this.#flushing === undefined) {
      this.#checkpointMs = nowMs;
      this.#background("checkpoint", this.flush().then(async () => this.#publish(await this.#table.merge(false))));
    }
    if (nowMs - this.#upkeepMs < 60_000) return;
    this.#upkeepMs = nowMs;
    this.#reader.closeUnused();
    this.#background("retention", this.dropExpired());
  }

  /**
   * Drops partitions whose month is over and past the retention. Their indexes go with them, so that a series may be left that no other
   * partition's index has: such series are logged again with their next sample, and the indexes stay until what was logged before is sealed.
   */
  async dropExpired(): Promise<void> {
    // A day more, so that no sample that was accepted a while ago is for a partition that goes.
    const minMs = this.#options.clock.nowMs() - this.#options.retentionMs - dayMs;
    const expired = this.#version.parts.map((part) => partitionNamed(part.partition)?.maxMs ?? Infinity).filter((maxMs) => maxMs < minMs);
    if (expired.length === 0) return;
    const beforeDay = Math.floor((Math.max(...expired) + 1) / dayMs);
    for (const { head } of this.#shards) {
      for (let from = 0; from < head.seriesCount; from += sliceCount) {
        head.forgetLogged(from, Math.min(head.seriesCount, from + sliceCount), beforeDay);
        await nextTurn();
      }
    }
    this.#publish(await this.#table.dropBefore(minMs));
    await this.flush();
  }

  #background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#isClosed) this.#options.logger.warn(`${what} failed: ${String(error)}`);
    });
  }

  #strings(request: LabelsRequest, of: (shard: Shard) => string[]): string[] {
    if (this.#shards.length === 1) return of(this.#shards[0]);
    const all = [...new Set(this.#shards.flatMap(of))].sort(compareBytewise);
    return request.limit > 0 ? all.slice(0, request.limit) : all;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function pickRows(seriesRows: Uint32Array, rows: readonly number[]): Uint32Array {
  const picked = new Uint32Array(rows.length * seriesRow.slots);
  rows.forEach((row, i) => picked.set(seriesRows.subarray(row * seriesRow.slots, (row + 1) * seriesRow.slots), i * seriesRow.slots));
  return picked;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
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
  count("unsupported_sample_kind", after.droppedKind - before.droppedKind);
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
