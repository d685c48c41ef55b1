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
import { dayOf } from "../index/selection.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { LateWrites } from "../kernel/late_writes.ts";
import { labelSetOf, type LabelTable, LabelTableBuilder, labelTableOf, orderLabelTable, reorderLabelTable } from "../model/label_table.ts";
import { compareBytewise, decodeLabelRun, type Labels } from "../model/labels.ts";
import type { MetricMetadata, RowBatch } from "../model/row_batch.ts";
import type { ExemplarRequest, LabelsRequest, LabelState, SearchRequest, SearchResult, SeriesExemplars, Store, StoreCapabilities, TimeRange, WriteResult } from "../model/store.ts";
import { histogramLabel } from "../model/histogram_series.ts";
import { HistogramView } from "../model/histogram_view.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { ExemplarTable } from "./exemplar_table.ts";
import { HeadWriter } from "./head_writer.ts";
import { LocalReader } from "./local_reader.ts";
import { type LogAreaSizes, LogBuffers } from "./log_buffers.ts";
import { MetadataTable } from "./metadata_table.ts";
import { ReaderPins } from "./reader_pins.ts";
import { ReleasingBatches } from "./releasing_batches.ts";
import { SealQueue } from "./seal_queue.ts";
import { addSegmentStats, type SegmentCacheStats } from "./segment_cache.ts";
import { type LabelAnswer, type LabelQuestion, type LabelSource, mergeSorted } from "./segment_labels.ts";
import type { SeriesAliases } from "./series_aliases.ts";
import type { Shard, ShardLayout } from "./shard.ts";
import { SilentSeries } from "./silent_series.ts";
import type { Snapshot, SnapshotRequest } from "./snapshot.ts";
import type { IndexSegmentRef, PartRef, TableClient, TableStats, TableVersion } from "./table_client.ts";
import { UnreadableFiles } from "./unreadable_files.ts";
import { Upkeep } from "./upkeep.ts";

/** Label sets handled between two turns of the event loop: some milliseconds. */
const sliceCount = 8192;
/** As many as a start replays in about two seconds. */
const checkpointLogRows = 32 << 20;
const defaultLogAreas: LogAreaSizes = { samplesBytes: 1 << 20, seriesBytes: 4 << 20 };

export interface LocalStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retentionMs: number;
  /** Bytes of head chunks aimed at; decides how many samples a series collects before they are sealed. */
  readonly chunkBudgetBytes: number;
  /** Log bytes after which everything is sealed and the log cut. */
  readonly checkpointLogBytes: number;
  /** The same by rows. Default: 32 Mi. */
  readonly checkpointLogRows?: number;
  readonly checkpointIntervalMs: number;
  /** Of each shard, twice. Default 1 MiB and 4 MiB, which is as much as a log record holds. */
  readonly logAreas?: LogAreaSizes;
}

export interface LocalStoreParts {
  readonly shards: readonly Shard[];
  readonly table: TableClient;
  readonly version: TableVersion;
  readonly metadata: MetadataTable;
  readonly exemplars: ExemplarTable;
  /** Reads on the writing thread: search() of this object. */
  readonly reader: LocalReader;
  /** Released when the store is closed. */
  readonly lock: Disposable;
  /** What is in the log already. */
  readonly logBytes: number;
  /** Number of the newest row that is behind the last checkpoint. */
  readonly checkpointRow: number;
  /** Every series with a sample at or after this time is in the live index; older ones may be in the index segments of their months only. Default: all are live. */
  readonly coveredSinceMs?: number;
  readonly aliases?: SeriesAliases;
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
  readonly exemplars: number;
  /** What reading threads have loaded of old index segments. */
  readonly indexCache: SegmentCacheStats;
}

export class LocalStore implements Store {
  readonly capabilities: StoreCapabilities = { canRollup: true, canAggregate: false, canDeleteRange: false };
  /** For caches of results. */
  readonly lateWrites: LateWrites;
  readonly #options: LocalStoreOptions;
  readonly #shards: readonly Shard[];
  readonly #table: TableClient;
  readonly #metadata: MetadataTable;
  readonly #exemplars: ExemplarTable;
  readonly #reader: LocalReader;
  readonly #lock: Disposable;
  readonly #log: LogBuffers;
  readonly #pins = new ReaderPins();
  readonly #seals: SealQueue;
  readonly #writer: HeadWriter;
  readonly #checkpointer: Checkpointer;
  readonly #upkeep: Upkeep;
  readonly #unreadable: UnreadableFiles;
  readonly #coveredSinceMs: number;
  readonly #aliases: SeriesAliases | undefined;
  #labelSource: LabelSource;
  #version: TableVersion;
  #closed: Promise<void> | undefined;
  /** Those that files are read for. */
  readonly #labelQuestions = new Set<Promise<void>>();

  constructor(parts: LocalStoreParts, options: LocalStoreOptions) {
    this.#options = options;
    this.#shards = parts.shards;
    this.lateWrites = new LateWrites(this.layouts);
    this.#table = parts.table;
    this.#version = parts.version;
    this.#metadata = parts.metadata;
    this.#exemplars = parts.exemplars;
    this.#reader = parts.reader;
    this.#labelSource = parts.reader;
    this.#lock = parts.lock;
    this.#coveredSinceMs = parts.coveredSinceMs ?? -Infinity;
    this.#aliases = parts.aliases;
    this.#seals = new SealQueue({ table: parts.table, clock: options.clock, logger: options.logger, pins: this.#pins, publish: (version) => this.#publish(version) });
    const logOptions = { ...(options.logAreas ?? defaultLogAreas), retryMs: 1000 };
    this.#log = new LogBuffers(parts.shards.map((shard) => shard.head), options.clock, logOptions, (pieces, extra) => {
      for (const piece of pieces) this.#checkpointer.addLogBytes(piece.size);
      return this.#table.appendLog(pieces, extra);
    });
    const own = { shards: parts.shards, log: this.#log, seals: this.#seals, metadata: parts.metadata, exemplars: parts.exemplars };
    const { clock, retentionMs, chunkBudgetBytes } = options;
    this.#writer = new HeadWriter({ ...own, clock, retentionMs, chunkBudgetBytes });
    this.#checkpointer = new Checkpointer({
      ...own, clock, retentionMs, writer: this.#writer, pins: this.#pins, table: parts.table, logBytes: parts.logBytes, checkpointRow: parts.checkpointRow,
      publish: (version) => this.#publish(version),
    });
    this.#unreadable = new UnreadableFiles({ table: parts.table, clock, logger: options.logger, publish: (version) => this.#publish(version) });
    this.#upkeep = new Upkeep({
      shards: parts.shards, checkpointer: this.#checkpointer, table: parts.table, reader: parts.reader, clock, logger: options.logger, retentionMs,
      silentSeries: new SilentSeries({ shards: parts.shards, sendSeals: (head, force) => this.#writer.sendSeals(head, force) }),
      checkpointLogBytes: options.checkpointLogBytes, checkpointLogRows: options.checkpointLogRows ?? checkpointLogRows, checkpointIntervalMs: options.checkpointIntervalMs,
      publish: (version) => this.#publish(version), parts: () => this.#version.parts, expired: (beforeMs) => this.lateWrites.markRange(0, beforeMs),
    });
  }

  /** A reader, on whichever thread, could not read all of a file of a version that it was given. */
  reportUnreadable(path: string, error: unknown): void {
    this.#unreadable.report(path, error);
  }

  /** Sends questions about labels of old months there, instead of reading files on the writing thread. */
  useLabelSource(source: LabelSource): void {
    this.#labelSource = source;
  }

  /** The writing thread's kernel: parsers that build their batches in its memory spare a copy (with one shard). */
  get writeKernel(): Kernel {
    return this.#shards[0].kernel;
  }

  /** The head in that memory that knows all series, for parsers to ask; undefined with several shards. */
  get writeHead(): number | undefined {
    return this.#shards.length === 1 ? this.#shards[0].head.context : undefined;
  }

  async write(batch: RowBatch): Promise<WriteResult> {
    const result = await this.#writer.write(batch);
    await this.#log.flushed();
    return result;
  }

  /** Resolves when the batches given to write() so far are no longer read, which may be long before they are safe. */
  async applied(): Promise<void> {
    await this.#writer.applied();
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
      const { sealNumbers } = this.#version;
      const parts = this.#version.parts.filter((part) => part.maxMs >= request.range.minMs && part.minMs <= request.range.maxMs);
      const indexSegments = this.#oldIndexSegments(request.range, parts);
      const viewsHistograms = request.viewsHistograms === true && (indexSegments.length > 0 || this.#shards.some(({ index }) => index.hasLabelName(histogramLabel)));
      const selector = viewsHistograms ? new HistogramView(request.selector).selector : request.selector;
      const series = this.#shards.map((shard) => shard.index.select(request.tenant, selector, { range: request.range }));
      return { pin, series, publishedSeals: sealNumbers, parts, indexSegments, aliases: this.#aliases?.of(series) ?? [], viewsHistograms };
    } catch (error) {
      this.#pins.release(pin);
      throw error;
    }
  }

  /** Index segments that may have series of the range which are not live. Series of a partition whose parts are not in question have no samples in it. */
  #oldIndexSegments({ minMs, maxMs }: TimeRange, parts: readonly PartRef[]): readonly IndexSegmentRef[] {
    if (minMs >= this.#coveredSinceMs) return [];
    const partitions = new Set(parts.map(({ partition }) => partition));
    const endMs = Math.min(maxMs, this.#coveredSinceMs - 1);
    return this.#version.indexSegments.filter((segment) => segment.maxMs >= minMs && segment.minMs <= endMs && partitions.has(segment.partition));
  }

  releaseSnapshot(pin: number): void {
    this.#pins.release(pin);
  }

  async labelNames(request: LabelsRequest): Promise<string[]> {
    const { tenant, selector, range, limit } = request;
    const live = this.#strings(request, (shard) => shard.index.labelNames(tenant, { selector, range, limit }));
    const old = await this.#askOldLabels("names", "", request);
    return old === undefined ? live : mergeSorted(live, old.strings, limit);
  }

  async labelValues(name: string, request: LabelsRequest): Promise<string[]> {
    const { tenant, selector, range, limit } = request;
    const live = this.#strings(request, (shard) => shard.index.labelValues(tenant, name, { selector, range, limit }));
    const old = await this.#askOldLabels("values", name, request);
    return old === undefined ? live : mergeSorted(live, old.strings, limit);
  }

  async series(request: LabelsRequest): Promise<Labels[]> {
    const table = await this.seriesTable(request);
    return Array.from({ length: table.count }, (_, i) => labelSetOf(table, i));
  }

  async seriesTable(request: LabelsRequest): Promise<LabelTable> {
    const answer = await this.#askOldLabels("series", "", request);
    if (answer !== undefined) return labelTableOf(await decodeRuns(answer, request.signal));
    const { tenant, selector, range, limit, signal } = request;
    const selected = this.#shards.map(({ index }) => index.select(tenant, selector, { range, limit }));
    const count = selected.reduce((sum, { length }) => sum + length, 0);
    const sets = new LabelTableBuilder(limit > 0 ? Math.min(limit, count) : count);
    const ids: number[] = [];
    for (const [shard, series] of selected.entries()) {
      const { index } = this.#shards[shard];
      sets.useSpace(index);
      for (let i = 0; i < series.length && !sets.isFull; i++) {
        sets.add(ids, index.labelIds(series[i], ids));
        if (i % sliceCount !== sliceCount - 1) continue;
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
    const table = sets.finish();
    return reorderLabelTable(table, orderLabelTable(table, false).order);
  }

  /** Only the live index knows when its answers change; questions about old months are asked anew. */
  labelState(range: TimeRange): LabelState | undefined {
    const parts = this.#version.parts.filter((part) => part.maxMs >= range.minMs && part.minMs <= range.maxMs);
    if (this.#closed !== undefined || this.#oldIndexSegments(range, parts).length > 0) return undefined;
    return { version: this.#shards.map(({ index }) => index.changes).join(","), range: `${dayOf(range.minMs)}-${dayOf(range.maxMs)}` };
  }

  /**
   * Asks whoever reads old index segments, with a snapshot that is held until the answer is there (also when the request is given up: files are read until
   * then); undefined if the live index knows it all.
   */
  async #askOldLabels(kind: LabelQuestion["kind"], name: string, { tenant, selector, range, limit, signal }: LabelsRequest): Promise<LabelAnswer | undefined> {
    if (range.minMs >= this.#coveredSinceMs) return undefined;
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw new UnavailableError("shutting_down", "the store closes");
    const snapshot = this.openSnapshot({ tenant, selector: kind === "series" ? selector : [], range });
    const asked = Promise.withResolvers<void>();
    this.#labelQuestions.add(asked.promise);
    try {
      if (snapshot.indexSegments.length === 0) return undefined;
      const answer = await this.#labelSource.answerLabels({ kind, name, tenant, selector, range, limit, snapshot }, signal);
      signal?.throwIfAborted();
      return answer;
    } finally {
      this.releaseSnapshot(snapshot.pin);
      this.#labelQuestions.delete(asked.promise);
      asked.resolve();
    }
  }

  async metadata(): Promise<MetricMetadata[]> {
    return this.#metadata.list();
  }

  exemplars(request: ExemplarRequest): Promise<SeriesExemplars[]> {
    return this.#exemplars.select(request);
  }

  /** Seals everything written until now into parts, cuts the log. Calls while a run is going on share the next one. */
  flush(): Promise<void> {
    return this.#checkpointer.run();
  }

  /** Seals everything, and merges the parts of each partition (whose name begins so) to one. */
  async merge(partitionPrefix = ""): Promise<void> {
    await this.flush();
    this.#publish(await this.#table.merge({ force: true, partitionPrefix }));
  }

  /** Figures about files and merges. */
  get tableStats(): TableStats {
    return this.#table.stats;
  }

  /** Reads that left something out because a file is damaged. */
  get unreadableReads(): number {
    return this.#unreadable.count;
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
      exemplars: this.#exemplars.count,
      indexCache: this.#labelSource === this.#reader ? this.#reader.segmentStats : addSegmentStats(this.#reader.segmentStats, this.#labelSource.segmentStats),
    };
  }

  /** Waits for work in flight, seals what is in memory, and closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#writer.close();
    this.#checkpointer.close();
    this.#upkeep.close();
    this.#seals.close();
    await this.#writer.applied();
    try {
      await this.flush();
    } catch (error) {
      this.#options.logger.error(`cannot seal at shutdown, the log keeps what was acknowledged: ${String(error)}`);
    }
    await this.#seals.settled();
    // They end by themselves, unlike searches: what those still read is left to the next start.
    await Promise.all(this.#labelQuestions);
    if (this.#pins.count === 0) this.#table.releaseVersion(Infinity);
    try {
      await this.#table[Symbol.asyncDispose]();
    } finally {
      this.#reader[Symbol.dispose]();
      this.#lock[Symbol.dispose]();
    }
  }

  /** The parts that are live now. */
  get parts(): readonly PartRef[] {
    return this.#version.parts;
  }

  /** Label sets of up to so many series of the live index, from all over it. */
  someSeries(count: number): Labels[] {
    return this.#shards.flatMap(({ head, index }) => {
      const { seriesCount } = head;
      const some = Math.min(count, seriesCount);
      return Array.from({ length: some }, (_, i) => index.labels(Math.floor((i * seriesCount) / some)));
    }).slice(0, count);
  }

  /** Layouts of the shards, for readers on other threads. */
  get layouts(): readonly ShardLayout[] {
    return this.#shards.map((shard) => shard.layout);
  }

  #publish(version: TableVersion): void {
    if (version.version <= this.#version.version) return;
    this.#version = version;
    this.#pins.whenUnread(() => this.#table.releaseVersion(version.version));
  }

  /** See Upkeep.dropExpired. */
  dropExpired(): Promise<void> {
    return this.#upkeep.dropExpired();
  }

  #strings(request: LabelsRequest, of: (shard: Shard) => string[]): string[] {
    if (this.#shards.length === 1) return of(this.#shards[0]);
    const all = [...new Set(this.#shards.flatMap(of))].sort(compareBytewise);
    return request.limit > 0 ? all.slice(0, request.limit) : all;
  }
}

/** The label sets of an answer; many are decoded in slices. */
async function decodeRuns({ runs, runOffsets }: LabelAnswer, signal: AbortSignal | undefined): Promise<Labels[]> {
  const series: Labels[] = [];
  for (let i = 0; i + 1 < runOffsets.length; i++) {
    series.push(decodeLabelRun(runs, runOffsets[i], runOffsets[i + 1]));
    if (i % sliceCount !== sliceCount - 1) continue;
    await nextTurn();
    signal?.throwIfAborted();
  }
  return series;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
