/**
 * LocalStore: the Store of one data directory. It runs on the writing thread (the only one that changes heads and indexes); files belong
 * to a TableClient, which is the same thread in tests and embedded use and the storage thread in the server.
 *
 *   write   batch ──> head + log areas ──> flushed() ──> acknowledged
 *   seal    full chunks ──> TableClient.seal ──> new TableVersion ──> chunks freed when unread
 *   search  Snapshot (series, parts, seal number, pin) ──> LocalReader, on this or another thread ──> release
 */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Kernel } from "../kernel/kernel.ts";
import { compareBytewise, compareLabels, type Labels } from "../model/labels.ts";
import { type MetricMetadata, type RowBatch, seriesRow } from "../model/row_batch.ts";
import type { DropReason, LabelsRequest, SearchRequest, SearchResult, Store, StoreCapabilities, WriteResult } from "../model/store.ts";
import type { AppendStop, BatchPointers, Head, HeadCounters, Seal } from "./head.ts";
import { LocalReader } from "./local_reader.ts";
import { LogBuffers } from "./log_buffers.ts";
import { MetadataTable } from "./metadata_table.ts";
import { ReaderPins } from "./reader_pins.ts";
import type { Shard, ShardLayout } from "./shard.ts";
import type { Snapshot, SnapshotRequest } from "./snapshot.ts";
import type { Checkpoint, TableClient, TableVersion } from "./table_client.ts";

const dayMs = 86_400_000;
const futureMaxMs = 2 * dayMs;
/** Series or entries handled between two turns of the event loop: about a millisecond. */
const sliceCount = 32_768;
/** Chunks freed between two turns: each is two cache misses, together a millisecond or two. */
const releasedChunksPerTurn = 8192;

export interface LocalStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retentionMs: number;
  /** Bytes of head chunks aimed at; decides how many samples a series collects before they are sealed. */
  readonly chunkBudgetBytes: number;
  /** Log bytes after which everything is sealed and the log cut. */
  readonly checkpointLogBytes: number;
  readonly checkpointIntervalMs: number;
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
  #version: TableVersion;
  #publishedSeal: number[];
  /** Work that changes heads runs one after the other. */
  #lane: Promise<unknown> = Promise.resolve();
  #laneDepth = 0;
  #nextLogRow: number;
  #seals = new Set<Promise<void>>();
  #sealChain: Promise<unknown> = Promise.resolve();
  #releases: Promise<unknown> = Promise.resolve();
  #flushing: Promise<void> | undefined;
  #logBytes = 0;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(parts: LocalStoreParts, options: LocalStoreOptions) {
    this.#options = options;
    this.#shards = parts.shards;
    this.#table = parts.table;
    this.#version = parts.version;
    this.#metadata = parts.metadata;
    this.#reader = parts.reader;
    this.#lock = parts.lock;
    this.#publishedSeal = parts.shards.map(() => 0);
    this.#nextLogRow = Math.max(1, ...parts.shards.map((shard) => shard.head.nextLogRow));
    const logOptions = { samplesBytes: 1 << 20, seriesBytes: 4 << 20, retryMs: 1000 };
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
    const read = this.#reader.search(snapshot, request);
    const release = (): void => this.releaseSnapshot(snapshot.pin);
    return {
      batches: (async function* () {
        try {
          yield* read.batches;
        } finally {
          release();
        }
      })(),
      isPartial: read.isPartial,
    };
  }

  /** Selects series and pins what a reader needs to read them, here or on another thread. Every snapshot must be released. */
  openSnapshot(request: SnapshotRequest): Snapshot {
    const pin = this.#pins.acquire();
    try {
      return {
        pin,
        series: this.#shards.map((shard) => shard.index.select(request.tenant, request.selector, { range: request.range })),
        publishedSeals: [...this.#publishedSeal],
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

  /** Seals everything into parts, cuts the log. Overlapping calls share one run. */
  flush(): Promise<void> {
    this.#flushing ??= this.#checkpoint().finally(() => {
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
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#lane.catch(() => undefined);
    try {
      await this.#log.flushed();
      await this.flush();
    } catch (error) {
      this.#options.logger.error(`cannot seal at shutdown, the log keeps what was acknowledged: ${String(error)}`);
    }
    await Promise.allSettled(this.#seals);
    await this.#releases;
    await this.#table[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }

  /** Layouts of the shards, for readers on other threads. */
  get layouts(): readonly ShardLayout[] {
    return this.#shards.map((shard) => shard.layout);
  }

  // ---- writing ----------------------------------------------------------------------------------------------------

  /** Runs `work` when all earlier work in the lane is done; at once (in this turn) when there is none. */
  #inLane<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new UnavailableError("shutting_down", "the store is closing"));
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
    if (this.#seals.size === 0) {
      head.handOver(0, head.seriesCount);
      this.#sendSeals(head, true);
    }
    await Promise.race(this.#seals);
    await this.#releases;
    await nextTurn(); // readers may hold the chunks a little longer
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
    for (const seal of head.takeSeals(force)) this.#sendSeal(head, seal);
    this.#setSealChunks(head);
  }

  #sendSeal(head: Head, seal: Seal): void {
    const shardNumber = this.#shards.findIndex((shard) => shard.head === head);
    const nextSeriesId = Math.max(...this.#shards.map((shard) => shard.head.nextSeriesId));
    // A part may be published before its rows are in the log; recovery numbers new rows above both.
    const sealed = this.#sealChain
      .then(() => this.#sealUntilDone(shardNumber, seal, nextSeriesId))
      .then((version) => {
        this.#publishedSeal[shardNumber] = seal.sealNumber;
        this.#publish(version);
        this.#pins.whenUnread(() => {
          this.#releases = this.#releases.then(() => this.#release(head, seal));
        });
      });
    this.#sealChain = sealed.catch(() => undefined);
    const tracked = sealed.catch((error: unknown) => this.#options.logger.error(`cannot seal: ${String(error)}`)).finally(() => this.#seals.delete(tracked));
    this.#seals.add(tracked);
  }

  /** A full disk must not lose a seal: its chunks stay readable and it is tried again until the store closes. */
  async #sealUntilDone(shardNumber: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    for (;;) {
      try {
        return await this.#table.seal(shardNumber, seal, nextSeriesId);
      } catch (error) {
        if (this.#closed) throw error;
        this.#options.logger.warn(`sealing failed and is tried again: ${String(error)}`);
        await this.#sleep(1000);
      }
    }
  }

  async #release(head: Head, seal: Seal): Promise<void> {
    const slice = Math.max(1, Math.floor((releasedChunksPerTurn * seal.entryCount) / seal.chunkCount));
    for (let from = 0; from < seal.entryCount; from += slice) {
      head.release(seal, from, Math.min(seal.entryCount, from + slice));
      if (from + slice < seal.entryCount) await nextTurn();
    }
  }

  #publish(version: TableVersion): void {
    if (version.version <= this.#version.version) return;
    this.#version = version;
    this.#pins.whenUnread(() => this.#table.releaseVersion(version.version));
  }

  async #checkpoint(): Promise<void> {
    // In the lane nothing is appended, so the rows up to logRow are exactly those in the segments before the new one.
    const checkpoint: Checkpoint = await this.#enterLane(async () => {
      await this.#log.checkWritable();
      await this.#log.flushed();
      return { segment: await this.#table.rollLog(), logRow: this.#nextLogRow - 1 };
    });
    for (const { head } of this.#shards) {
      for (let from = 0; from < head.seriesCount; ) {
        from = head.handOver(from, Math.min(head.seriesCount, from + sliceCount));
        this.#sendSeals(head, false);
        if (this.#seals.size > 3) await Promise.race(this.#seals);
        await nextTurn();
      }
      this.#sendSeals(head, true);
    }
    await this.#sealChain;
    await this.#table.checkpoint(checkpoint, this.#metadata.encode());
    this.#logBytes = 0;
  }

  /** Few series may collect many samples before they are sealed, many series only a few. */
  #setSealChunks(head: Head): void {
    const perSeries = Math.floor(this.#options.chunkBudgetBytes / 128 / Math.max(1, head.seriesCount * this.#shards.length));
    head.sealChunks = Math.max(1, Math.min(15, perSeries));
  }

  // ---- upkeep -----------------------------------------------------------------------------------------------------

  #scheduleUpkeep(): void {
    let checkpointMs = this.#options.clock.monotonicMs();
    const tick = (): void => {
      this.#timer = this.#options.clock.setTimer(1000, tick);
      const nowMs = this.#options.clock.monotonicMs();
      if (this.#logBytes >= this.#options.checkpointLogBytes || nowMs - checkpointMs >= this.#options.checkpointIntervalMs) {
        checkpointMs = nowMs;
        this.#background("checkpoint", this.flush().then(async () => this.#publish(await this.#table.merge(false))));
      }
      if (nowMs - this.#retentionCheckedMs >= 60_000) {
        this.#retentionCheckedMs = nowMs;
        this.#background("retention", this.dropExpired());
      }
    };
    this.#timer = this.#options.clock.setTimer(1000, tick);
  }

  #retentionCheckedMs = 0;

  /** Drops partitions that lie wholly before the retention. */
  async dropExpired(): Promise<void> {
    this.#publish(await this.#table.dropBefore(this.#options.clock.nowMs() - this.#options.retentionMs));
  }

  #background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#closed) this.#options.logger.warn(`${what} failed: ${String(error)}`);
    });
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(delayMs, resolve));
  }

  #strings(request: LabelsRequest, of: (shard: Shard) => string[]): string[] {
    if (this.#shards.length === 1) return of(this.#shards[0]);
    const all = [...new Set(this.#shards.flatMap(of))].sort(compareBytewise);
    return request.limit > 0 ? all.slice(0, request.limit) : all;
  }
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
