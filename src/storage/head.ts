/**
 * Head: the writer's side of one shard's newest samples (layout and kernels: wasm/head.ts). It owns the shard's memory layout, gives
 * the kernels room when they ask for it, and keeps the hand-over batches ("seals") until their parts are published and no reader
 * needs the chunks any more.
 *
 *   append ──> chunks of a series ──(sealChunks full, or flush)──> entries of the current seal ──> storage thread encodes them
 *   ──> part published ──> chunks unlinked and freed, once the readers that started before are gone
 */
import { assert } from "../base/assert.ts";
import {
  headChunkBytes, headContext, headDirectoryDepthMax, headEntryBytes, headFreeMapBytes, headFreeSummaryBytes, type HeadKernels, headKernels,
  headRecordBytes, headRecordSeriesId, headSegmentBytes, headSegmentSeriesMin, headStatus,
} from "../kernel/head.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { lateWritesBytes } from "../kernel/late_writes.ts";
import type { SeriesIdTable } from "../kernel/series_id_table.ts";

const chunkBlockBytes = 1 << 20;

export interface HeadOptions {
  /** Context pointer of the live index in the same memory. */
  readonly indexContext: number;
  readonly seriesMax: number;
  /** Secret, fixed for a data directory. */
  readonly seedLow: bigint;
  readonly seedHigh: bigint;
  /** First id for a new series, and the distance to the next one (the number of shards). */
  readonly nextSeriesId: number;
  readonly seriesIdStep: number;
  /** Chunks of 8 samples that a series may hold before they are handed over. */
  readonly sealChunks: number;
  /** Chunks in one seal before it is closed. */
  readonly sealChunksMax: number;
  /** Bytes of chunks that may exist; beyond that appends wait for seals. */
  readonly chunkBytesMax: number;
}

/** A closed batch of handed-over chunks, on its way to become parts. */
export interface Seal {
  readonly sealNumber: number;
  /** Entry area in shard memory and its length in entries. */
  readonly entries: number;
  readonly entryCount: number;
  readonly chunkCount: number;
}

/** Where a RowBatch lies in the shard's memory. */
export interface BatchPointers {
  readonly rows: number;
  readonly rowCount: number;
  readonly labelBase: number;
  readonly timestamps: number;
  readonly values: number;
  /** u32 for each row: seriesIndex + 1, or 0 if the parser does not know it. 0: there is no such column. */
  readonly knownSeries: number;
  readonly accountId: number;
  readonly projectId: number;
}

/** Bytes of a series record besides its label run: header, ids, padding. */
const logRecordOverheadBytes = 48;

/** What the head is waiting for; "done" when everything was appended; "turn" when many series were new and others should have their turn. */
export type AppendStop = "done" | "log" | "seal" | "turn";

/** New series that are registered in one turn of the event loop: about 2 ms. */
const newSeriesPerTurn = 1024;

const counterFields = ["accepted", "droppedOld", "droppedFuture", "droppedSeries", "droppedKind", "droppedLabels", "newSeries", "predictionMisses"] as const;
export type HeadCounters = Record<(typeof counterFields)[number], number>;

export class Head {
  readonly kernel: Kernel;
  readonly context: number;
  /** Address of the area that late writes are marked in, see LateWrites. */
  readonly lateWrites: number;
  readonly #kernels: HeadKernels;
  readonly #options: HeadOptions;
  readonly #entryMax: number;
  readonly #freeEntryAreas: number[] = [];
  /** A bit for each series, for unlink(). */
  readonly #cutSeries: number;
  #entryAreas = 0;
  #sealNumber = 1;
  #chunkBytes = 0;
  #closedSeals: Seal[] = [];
  #spareAreas: { from: number; to: number }[] = [];

  constructor(kernel: Kernel, options: HeadOptions) {
    this.kernel = kernel;
    this.#kernels = headKernels(kernel);
    this.#options = options;
    this.context = kernel.allocate(headContext.sizeBytes);
    this.#set(headContext.index, options.indexContext);
    this.lateWrites = kernel.allocate(lateWritesBytes);
    this.#set(headContext.lateWrites, this.lateWrites);
    this.#set(headContext.records, kernel.allocate(options.seriesMax * headRecordBytes));
    this.#createTable();
    this.#set(headContext.freeMap, kernel.allocate(headFreeMapBytes));
    this.#set(headContext.freeSummary, kernel.allocate(headFreeSummaryBytes));
    this.#set(headContext.seriesMax, options.seriesMax);
    this.#set(headContext.nextSeriesId, options.nextSeriesId);
    this.#set(headContext.seriesIdStep, options.seriesIdStep);
    const seeds = new DataView(kernel.memory.buffer);
    seeds.setBigUint64(this.context + headContext.seedLow, options.seedLow, true);
    seeds.setBigUint64(this.context + headContext.seedHigh, options.seedHigh, true);
    this.#set(headContext.sealChunks, options.sealChunks);
    this.#cutSeries = kernel.allocate(Math.ceil(options.seriesMax / 32) * 4);
    this.#entryMax = Math.max(1024, Math.min(options.seriesMax, options.sealChunksMax));
    this.#openSeal();
  }

  get seriesCount(): number {
    return this.#get(headContext.seriesCount);
  }

  /** The id of a series. */
  seriesIdOf(seriesIndex: number): number {
    return this.kernel.u32[(this.#get(headContext.records) + seriesIndex * headRecordBytes + headRecordSeriesId) / 4];
  }

  get nextSeriesId(): number {
    return this.#get(headContext.nextSeriesId);
  }

  set nextSeriesId(value: number) {
    this.#set(headContext.nextSeriesId, value);
  }

  /** Number of the next sample in the log; shared by all shards, so the caller sets it before and reads it after an append. */
  get nextLogRow(): number {
    return this.kernel.f64[(this.context + headContext.nextLogRow) / 8];
  }

  set nextLogRow(value: number) {
    this.kernel.f64[(this.context + headContext.nextLogRow) / 8] = value;
  }

  /** Bytes of chunks in use. */
  get usedBytes(): number {
    return this.#get(headContext.chunksUsed) * headChunkBytes;
  }

  /** Counters since the start; differences over one write give its result. */
  counters(): HeadCounters {
    const f64 = this.kernel.f64;
    const result = {} as HeadCounters;
    for (const field of counterFields) result[field] = f64[(this.context + headContext[field]) / 8];
    return result;
  }

  /** How many chunks of 8 samples a series may hold before they are handed over. */
  set sealChunks(count: number) {
    this.#set(headContext.sealChunks, count);
  }

  /** Points the log rows and series records of the next appends to [position, end) areas of shard memory. */
  setLogAreas(samples: { position: number; end: number }, series: { position: number; end: number }): void {
    this.#set(headContext.logPosition, samples.position);
    this.#set(headContext.logEnd, samples.end);
    this.#set(headContext.seriesLogPosition, series.position);
    this.#set(headContext.seriesLogEnd, series.end);
    this.#set(headContext.runSizeMax, Math.max(0, series.end - series.position - logRecordOverheadBytes));
  }

  get logPosition(): number {
    return this.#get(headContext.logPosition);
  }

  get seriesLogPosition(): number {
    return this.#get(headContext.seriesLogPosition);
  }

  /** Forgets where the batch before was left: it may have been given up. */
  beginBatch(): void {
    this.#set(headContext.resumeSample, 0);
  }

  /**
   * Appends rows from `fromRow` on; beginBatch() comes before the first call for a batch. Stops early when the log areas are full ("log"), all hand-over areas are
   * in use ("seal"), or the event loop should turn ("turn"): the caller sees to that and calls again from `row`.
   */
  append(batch: BatchPointers, fromRow: number, minMs: number, maxMs: number): { row: number; stop: AppendStop } {
    let row = fromRow;
    this.#set(headContext.newSeriesLeft, newSeriesPerTurn);
    for (;;) {
      row = this.#kernels.headAppend(
        this.context, batch.rows, row, batch.rowCount, batch.labelBase, batch.timestamps, batch.values, batch.knownSeries, batch.accountId, batch.projectId,
        minMs, maxMs,
      );
      const stop = this.#resolve(this.#get(headContext.status));
      if (stop !== "again") return { row, stop };
    }
  }

  /** Replays a samples record of the log. Returns like append. */
  replay(payload: number, fromRow: number, ids: SeriesIdTable, persisted: number): { row: number; stop: AppendStop } {
    let row = fromRow;
    for (;;) {
      row = this.#kernels.headReplay(this.context, payload, row, ids.directory, ids.idMax, persisted);
      const stop = this.#resolve(this.#get(headContext.status));
      if (stop !== "again") return { row, stop };
    }
  }

  /** Registers a series with a known id; returns its seriesIndex, or -1 when the head is full. */
  register(run: number, size: number, accountId: number, projectId: number, seriesId: number): number {
    return this.#kernels.headRegister(this.context, run, size, accountId, projectId, seriesId);
  }

  shardOf(run: number, size: number, accountId: number, projectId: number, shardCount: number): number {
    return this.#kernels.headShardOf(this.context, run, size, accountId, projectId, shardCount) >>> 0;
  }

  /** Series of [fromSeries, toSeries) that have no samples on `beforeDay` (since 1970) or later are logged again with their next sample. */
  forgetLogged(fromSeries: number, toSeries: number, beforeDay: number): void {
    this.#kernels.headForgetLogged(this.context, fromSeries, toSeries, Math.min(beforeDay, 2 ** 31));
  }

  /** Leaves [from, to) of shard memory to the chunks; it is touched only when they need it. */
  giveArea(from: number, to: number): void {
    this.#spareAreas.push({ from, to });
  }

  /** Replay has no seals to wait for: it may go beyond the bytes of chunks allowed, and the seals start afterwards. */
  growForReplay(): void {
    if (this.#get(headContext.status) === headStatus.needsChunks) this.#giveChunks();
    else this.#rotateSeal(Infinity);
  }

  /** In replay: closes the current seal if it is large enough, however many there are. */
  closeFullSeal(): void {
    if (this.#get(headContext.sealedChunks) >= this.#options.sealChunksMax) this.#rotateSeal(Infinity);
  }

  /** Hands over the active chunks of series [fromSeries, toSeries); returns where it stopped for want of a hand-over area, or toSeries. */
  handOver(fromSeries: number, toSeries: number): number {
    let at = fromSeries;
    for (;;) {
      at = this.#kernels.headHandOver(this.context, at, toSeries);
      if (at === toSeries || !this.#rotateSeal()) return at;
    }
  }

  /** As handOver, for those series only whose newest sample has a log row before `beforeRow`, or is a stale marker. */
  handOverSilent(fromSeries: number, toSeries: number, beforeRow: number): number {
    let at = fromSeries;
    for (;;) {
      at = this.#kernels.headHandOverSilent(this.context, at, toSeries, beforeRow);
      if (at === toSeries || !this.#rotateSeal()) return at;
    }
  }

  /** Chunks in the seal that is being filled. */
  get handedOverChunks(): number {
    return this.#get(headContext.sealedChunks);
  }

  /** Closes the current seal if it is large enough (or `force` and not empty) and returns all closed ones for the storage thread. */
  takeSeals(force: boolean): Seal[] {
    if (force || this.#get(headContext.sealedChunks) >= this.#options.sealChunksMax) this.#rotateSeal();
    const seals = this.#closedSeals;
    this.#closedSeals = [];
    return seals;
  }

  /** Whether everything that was handed over is in seals that takeSeals() has returned. */
  get isHandedOver(): boolean {
    return this.#get(headContext.entryCount) === 0 && this.#closedSeals.length === 0;
  }

  /**
   * Takes the chunks of entries [fromEntry, toEntry) of a published seal out of their series' lists. REQUIRES: seals in order of their numbers, entries
   * from the last to the first; no reader that started before the seal was published is still at work.
   */
  unlink(seal: Seal, fromEntry: number, toEntry: number): void {
    if (toEntry === seal.entryCount) this.kernel.u32.fill(0, this.#cutSeries / 4, this.#cutSeries / 4 + Math.ceil(this.seriesCount / 32));
    this.#kernels.headUnlink(this.context, seal.entries, fromEntry, toEntry, this.#cutSeries);
  }

  /**
   * Frees the chunks of entries [fromEntry, toEntry). REQUIRES: no reader that started before they were unlinked is still at work. With the last entries
   * the area is used again.
   */
  free(seal: Seal, fromEntry: number, toEntry: number): void {
    this.#kernels.headFree(this.context, seal.entries, fromEntry, toEntry);
    if (toEntry === seal.entryCount) this.#freeEntryAreas.push(seal.entries);
  }

  #resolve(status: number): AppendStop | "again" {
    switch (status) {
      case headStatus.done:
        return "done";
      case headStatus.needsChunks:
        if (this.#chunkBytes + chunkBlockBytes > this.#options.chunkBytesMax) {
          this.#rotateSeal();
          return "seal";
        }
        this.#giveChunks();
        return "again";
      case headStatus.entriesFull:
        return this.#rotateSeal() ? "again" : "seal";
      case headStatus.logFull:
      case headStatus.seriesLogFull:
        return "log";
      case headStatus.turn:
        return "turn";
      default:
        assert(false, `unknown head status ${status}`);
    }
  }

  /** The table of series, empty: one segment that all tags belong to. */
  #createTable(): void {
    const { kernel } = this;
    const segmentMax = Math.ceil(this.#options.seriesMax / headSegmentSeriesMin) + 16;
    const depthMax = Math.min(headDirectoryDepthMax, Math.ceil(Math.log2(segmentMax)) + 2);
    this.#set(headContext.segments, kernel.allocate(segmentMax * headSegmentBytes));
    this.#set(headContext.segmentCount, 1);
    this.#set(headContext.segmentMax, segmentMax);
    this.#set(headContext.directory, kernel.allocate(4 * 2 ** depthMax));
    this.#set(headContext.directoryDepthMax, depthMax);
    this.#set(headContext.segmentStates, kernel.allocate(segmentMax * 4));
    this.#set(headContext.splitScratch, kernel.allocate(headSegmentBytes));
  }

  #giveChunks(): void {
    const block = this.#takeSpare() ?? this.kernel.allocate(chunkBlockBytes);
    this.#chunkBytes += chunkBlockBytes;
    this.#kernels.headGiveChunks(this.context, Math.ceil(block / headChunkBytes) * headChunkBytes, block + chunkBlockBytes);
  }

  /** A block of what was left to the chunks. */
  #takeSpare(): number | undefined {
    const area = this.#spareAreas.at(-1);
    if (area === undefined) return undefined;
    area.to -= chunkBlockBytes;
    if (area.to >= area.from) return area.to;
    this.#spareAreas.pop();
    return this.#takeSpare();
  }

  /** Closes the current seal and opens the next; false when it is empty or all areas are in use. */
  #rotateSeal(entryAreasMax = 4): boolean {
    const entryCount = this.#get(headContext.entryCount);
    if (entryCount === 0) return false;
    if (this.#freeEntryAreas.length === 0 && this.#entryAreas >= entryAreasMax) return false;
    this.#closedSeals.push({
      sealNumber: this.#sealNumber,
      entries: this.#get(headContext.entries),
      entryCount,
      chunkCount: this.#get(headContext.sealedChunks),
    });
    this.#sealNumber++;
    this.#openSeal();
    return true;
  }

  #openSeal(): void {
    let area = this.#freeEntryAreas.pop();
    if (area === undefined) {
      area = this.kernel.allocate(this.#entryMax * headEntryBytes);
      this.#entryAreas++;
    }
    this.#set(headContext.entries, area);
    this.#set(headContext.entryMax, this.#entryMax);
    this.#set(headContext.entryCount, 0);
    this.#set(headContext.sealedChunks, 0);
    this.#set(headContext.sealNumber, this.#sealNumber);
  }

  #get(field: number): number {
    return this.kernel.u32[(this.context + field) / 4];
  }

  #set(field: number, value: number): void {
    this.kernel.u32[(this.context + field) / 4] = value;
  }
}
