/**
 * TableWriter: owns the files of a data directory on the thread that may block on the disk: appends the log, encodes seals into parts,
 * merges parts, drops partitions, and commits each change of the set of live files in the manifest, which is the only truth about them.
 *
 *   <directory>/manifest                                 live files, checkpoint, ids (docs/formats/manifest.md)
 *   <directory>/log/                                     write-ahead log
 *   <directory>/partitions/2026_11/parts/<id>/           blocks, log rows
 *   <directory>/partitions/2026_11/index/<id>.idx        series of the partition
 *
 * Long work is a generator: each step takes a few milliseconds, and the commit happens in the last one, against the state of that moment.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { StorageError } from "../base/errors.ts";
import type { Seal } from "./head.ts";
import { type LogEnd, logSegmentNumbers, logSegmentPath } from "./log_segment.ts";
import { loadKnownSeries } from "./segment_ids.ts";
import { LargeKernel } from "./large_kernel.ts";
import { LogWriter } from "./log_writer.ts";
import { type Manifest, openManifest } from "./manifest.ts";
import type { ManifestPartition } from "./manifest_state.ts";
import { PartitionWriter, type WrittenPartition } from "./partition_writer.ts";
import { type Partition, partitionNamed, splitByPartition } from "./partition.ts";
import { DiskSpace } from "./disk_space.ts";
import { KernelPool } from "./kernel_pool.ts";
import { gatherSeal } from "./seal_gather.ts";
import { orderOfSeal, type SealOrder } from "./seal_order.ts";
import { type SeriesPages, SeriesSet } from "./series_set.ts";
import { type ShardLayout, ShardReader } from "./shard.ts";
import type { Steps } from "./steps.ts";
import type { Checkpoint, LogPiece, MergeRequest, TableStats, TableVersion } from "./table_client.ts";
import { TableFiles, withPartition } from "./table_files.ts";
import { TableMerger } from "./table_merger.ts";
import { tableVersion } from "./table_version.ts";
import { storageFormats } from "./formats.ts";

/** What the storage thread needs to take over a directory that has been recovered. Plain data: it can be posted to a worker. */
export interface TableSetup {
  readonly directory: string;
  readonly shards: readonly ShardLayout[];
  readonly scratchNumber: number;
  readonly log: { readonly nextSegment: number; readonly previous: LogEnd | undefined; readonly existingBytes: number; readonly damagedSegments?: readonly number[] };
  /** Series in the index of each partition. */
  readonly knownSeries: ReadonlyMap<string, SeriesPages>;
  /** Newest log row in each part that still has log rows, by part id. */
  readonly maxLogRows: ReadonlyMap<number, number>;
  /** 0: sync before every acknowledgement. */
  readonly fsyncIntervalMs: number;
  /** With less than this free on the disk nothing is taken. Default 0. */
  readonly minFreeBytes?: number;
  /** How much of a core background merges may take while something is written. Default 0.25. */
  readonly mergeCpuShare?: number;
}

/** With so much to sync the log does not wait for the interval: the disk writes while the next is appended, and closing a segment leaves little to do. */
const syncBytes = 4 << 20;
/** A seal's samples of more months are written in several passes over the seal, so that files and memory are bounded. */
const partitionsPerPass = 16;

type WrittenParts = { readonly partition: string } & WrittenPartition;

export class TableWriter implements Disposable {
  readonly #files: FileSystem;
  readonly #table: TableFiles;
  readonly #merger: TableMerger;
  readonly #space: DiskSpace;
  readonly #setup: TableSetup;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #log: LogWriter;
  readonly #shards: readonly ShardReader[];
  readonly #knownSeries = new Map<string, SeriesSet>();
  readonly #maxLogRows: Map<number, number>;
  /** By shard: the newest seal whose parts are live. */
  readonly #sealNumbers: number[];
  readonly #kernels = new KernelPool();
  readonly #large = new LargeKernel();
  #syncTimer: Disposable | undefined;
  /** On another thread. */
  #isSyncing = false;
  /** Resolved when the sync that goes on, or went on last, is done, failed or not. */
  #synced = Promise.withResolvers<void>();
  #syncFailing = false;
  /** Partitions without parts when the log was rolled to a segment. */
  #expired: { readonly segment: number; readonly partitions: readonly string[] } = { segment: 0, partitions: [] };
  /** What was appended while its sync failed, and how many bytes the log had lost by then. */
  #owed: { readonly group: string; readonly unrescuedBytes: number } | undefined;

  private constructor(files: FileSystem, setup: TableSetup, manifest: Manifest, clock: Clock, logger: Logger) {
    this.#files = files;
    this.#setup = setup;
    this.#clock = clock;
    this.#logger = logger;
    this.#table = new TableFiles(files, setup.directory, manifest, clock, logger);
    this.#space = new DiskSpace(files, setup.directory, setup.minFreeBytes ?? 0, clock, logger);
    this.#shards = setup.shards.map((layout) => new ShardReader(layout, setup.scratchNumber));
    this.#sealNumbers = setup.shards.map(() => 0);
    for (const [name, pages] of setup.knownSeries) this.#knownSeries.set(name, new SeriesSet(pages));
    this.#maxLogRows = new Map(setup.maxLogRows);
    this.#merger = new TableMerger({
      files: this.#table, space: this.#space, kernels: this.#kernels, maxLogRows: this.#maxLogRows,
      onIndexLost: (partition, left) => this.#knownSeries.set(partition, left),
    });
    const { nextSegment, previous, existingBytes, damagedSegments } = setup.log;
    this.#log = new LogWriter({
      files, directory: this.#logDirectory, directoryId: manifest.state.directoryId, firstSegment: nextSegment, previous, existingBytes, damagedSegments, logger,
    });
    if (setup.fsyncIntervalMs > 0) this.#scheduleSync();
  }

  /** Takes over a recovered directory. REQUIRES: this process holds its lock and nobody else writes to it. */
  static open(files: FileSystem, setup: TableSetup, clock: Clock, logger: Logger): TableWriter {
    const noNewDirectory = (): Uint8Array => {
      throw new Error("the directory has been recovered, so it has a manifest");
    };
    const manifest = openManifest(files, setup.directory, { randomBytes: noNewDirectory, shardCount: setup.shards.length, formats: storageFormats, logger });
    return new TableWriter(files, setup, manifest, clock, logger);
  }

  get stats(): TableStats {
    const { freeBytes, minFreeBytes, shortage } = this.#space;
    return { ...this.#merger.stats, freeBytes, minFreeBytes, readOnlyReason: shortage, longestStepMs: 0 };
  }

  /** Parts that wait to be merged, of the partition that has most. */
  get mergeBacklog(): number {
    return this.#merger.backlog;
  }

  get version(): TableVersion {
    return tableVersion(this.#setup.directory, this.#table.state, this.#table.versionNumber, this.#sealNumbers);
  }

  // ---- log --------------------------------------------------------------------------------------------------------

  /** Appends records from shard memory (and others) to the log, all or nothing. Throws StorageError if the disk refuses, or has too little room. */
  appendLog(pieces: readonly LogPiece[], extraRecords: Uint8Array | undefined): void {
    const { shortage } = this.#space;
    if (shortage !== "") throw new StorageError("disk_full", shortage);
    const records = pieces.map(({ shard, pointer, size }) => this.#shards[shard].kernel.u8.subarray(pointer, pointer + size));
    if (extraRecords !== undefined) records.push(extraRecords as Uint8Array<SharedArrayBuffer>);
    // After an append whose sync failed the caller sends the same records again: they are in the log, and only the sync is owed - unless the log has
    // given up what it could not sync.
    const group = pieces.map(({ shard, pointer, size }) => `${shard}:${pointer}:${size}`).join();
    const { unrescuedBytes } = this.#log;
    this.#space.take(records.reduce((sum, { length }) => sum + length, 0));
    if (this.#owed?.group !== group || this.#owed.unrescuedBytes !== unrescuedBytes) this.#log.append(...records);
    if (this.#setup.fsyncIntervalMs !== 0) {
      if (this.#log.unsyncedBytes >= syncBytes && !this.#syncFailing) this.#startSync();
      return;
    }
    this.#owed = { group, unrescuedBytes };
    this.#log.sync();
    this.#owed = undefined;
  }

  rollLog(): number {
    const segment = this.#log.rollSegment();
    this.#expired = { segment, partitions: this.#table.state.partitions.filter(({ parts }) => parts.length === 0).map(({ name }) => name) };
    return segment;
  }

  /**
   * Writes the metadata to the log that stays, commits the checkpoint, and removes the log before it. Expired partitions go too: their indexes knew
   * series of which the log before the checkpoint had samples.
   */
  *checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Steps<TableVersion> {
    if (metadata.length > 0) this.#log.append(metadata);
    // What is left to sync after that is little.
    while (this.#isSyncing) yield this.#synced.promise;
    this.#startSync();
    while (this.#isSyncing) yield this.#synced.promise;
    this.#log.sync();
    yield;
    const state = this.#table.state;
    if (checkpoint.segment < state.checkpoint.segment) return this.version;
    const gone = state.partitions.filter((partition) => this.#expired.segment === checkpoint.segment && this.#isExpired(partition));
    this.#table.commit({
      ...state,
      partitions: state.partitions.filter((partition) => !gone.includes(partition)),
      checkpoint: { segment: checkpoint.segment, logRow: Math.max(checkpoint.logRow, state.checkpoint.logRow) },
    });
    for (const { name, indexSegments } of gone) {
      this.#knownSeries.delete(name);
      this.#table.removeLater(name, [], indexSegments, { isDropped: true });
    }
    for (const number of logSegmentNumbers(this.#files.list(this.#logDirectory))) {
      if (number >= checkpoint.segment) continue;
      yield* this.#removeLogSegment(number);
      this.#log.removeSegmentsBefore(number + 1);
    }
    return this.version;
  }

  /** Removes the file on another thread, since the disk takes its time with large ones. What cannot be removed so, or has to be kept, is left to the log. */
  *#removeLogSegment(number: number): Steps<void> {
    yield;
    if (this.#setup.log.damagedSegments?.includes(number) === true) return;
    try {
      const removing = this.#files.startRemoveTree(logSegmentPath(this.#logDirectory, number));
      if (removing !== undefined) yield removing;
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
    }
  }

  get #logDirectory(): string {
    return `${this.#setup.directory}/log`;
  }

  /** Whether the partition had no parts when the log was rolled, and has none since. */
  #isExpired({ name, parts }: ManifestPartition): boolean {
    return parts.length === 0 && this.#expired.partitions.includes(name) && !this.#table.sealing.has(name);
  }

  #scheduleSync(): void {
    this.#syncTimer = this.#clock.setTimer(this.#setup.fsyncIntervalMs, () => {
      this.#startSync();
      this.#scheduleSync();
    });
  }

  /** Syncs the log, on another thread if the disk can, one at a time. */
  #startSync(): void {
    if (this.#isSyncing) return;
    try {
      const syncing = this.#log.startSync();
      if (syncing === undefined) this.#noteSync(undefined);
      else this.#awaitSync(syncing);
    } catch (error) {
      this.#noteSync(error);
    }
  }

  #awaitSync(syncing: Promise<void>): void {
    const done = (error?: unknown): void => {
      this.#isSyncing = false;
      this.#noteSync(error);
      this.#synced.resolve();
    };
    this.#isSyncing = true;
    this.#synced = Promise.withResolvers();
    syncing.then(() => done(), done);
  }

  #noteSync(error: unknown): void {
    if (error !== undefined && !this.#syncFailing) this.#logger.error(`cannot sync the log, trying again every ${this.#setup.fsyncIntervalMs} ms: ${String(error)}`);
    this.#syncFailing = error !== undefined;
  }

  // ---- seals ------------------------------------------------------------------------------------------------------

  /** Encodes a seal into one part for each partition that it touches, and publishes them together. */
  *seal(shardNumber: number, seal: Seal, nextSeriesId: number): Steps<TableVersion> {
    const written: WrittenParts[] = [];
    const kernel = this.#kernels.take();
    try {
      const shard = this.#shards[shardNumber];
      const order = yield* orderOfSeal(shard, seal);
      while (yield* this.#sealSome(shard, seal, order, kernel, written));
      // When the commit fails, its files stay: either manifest may be the one on the disk.
      this.#commitSeal(shardNumber, seal, written, nextSeriesId);
    } finally {
      for (const { partition } of written) this.#table.sealing.delete(partition);
      this.#kernels.giveBack(kernel);
    }
    return this.version;
  }

  /** One pass: writes the samples of some partitions that are not written yet. Returns whether there are more. */
  *#sealSome(shard: ShardReader, seal: Seal, order: SealOrder, kernel: Kernel, written: WrittenParts[]): Steps<boolean> {
    const done = new Set(written.map(({ partition }) => partition));
    const writers = new Map<string, PartitionWriter>();
    const mark = kernel.mark();
    let hasMore = false;
    try {
      for (const run of gatherSeal(shard, seal, order, this.#large)) {
        for (const { partition, run: partitionRun } of splitByPartition(run)) {
          if (done.has(partition.name)) continue;
          if (writers.size < partitionsPerPass || writers.has(partition.name)) this.#writerOf(writers, partition, shard, kernel).append(partitionRun, run);
          else hasMore = true;
        }
        yield;
      }
      for (const [partition, writer] of writers) {
        written.push({ partition, ...(yield* writer.finish()) });
        yield;
      }
    } catch (error) {
      this.#abandon(writers, written);
      throw error;
    }
    kernel.reset(mark);
    return hasMore;
  }

  /** Removes what a failed seal has written. What the disk does not let go of belongs to nothing, and the next start removes it. */
  #abandon(writers: ReadonlyMap<string, PartitionWriter>, written: readonly WrittenParts[]): void {
    for (const [partition, writer] of writers) {
      this.#table.sealing.delete(partition);
      this.#table.quietly(() => writer.abort());
    }
    for (const { partition, part, indexSegment } of written) {
      const base = this.#table.path(partition);
      this.#table.quietly(() => this.#files.removeTree(`${base}/parts/${part.id}`));
      for (const file of indexSegment?.files ?? []) this.#table.quietly(() => this.#files.removeTree(`${base}/${file}`));
    }
  }

  #writerOf(writers: Map<string, PartitionWriter>, partition: Partition, shard: ShardReader, kernel: Kernel): PartitionWriter {
    let writer = writers.get(partition.name);
    if (writer === undefined) {
      
      const partId = this.#table.takeFileId();
      this.#table.sealing.set(partition.name, partId);
      writer = new PartitionWriter({
        files: this.#files,
        partition,
        path: this.#table.path(partition.name),
        partId,
        indexId: this.#table.takeFileId(),
        kernel,
        known: this.#known(partition.name),
        shard,
      });
      writers.set(partition.name, writer);
    }
    return writer;
  }

  #commitSeal(shardNumber: number, seal: Seal, written: readonly WrittenParts[], nextSeriesId: number): void {
    let state = this.#table.state;
    for (const { partition, part, indexSegment } of written) {
      state = withPartition(state, partition, (old) => ({
        ...old,
        parts: [...old.parts, part],
        indexSegments: indexSegment === undefined ? old.indexSegments : [...old.indexSegments, indexSegment],
      }));
    }
    this.#table.commit({ ...state, nextSeriesId: Math.max(nextSeriesId, state.nextSeriesId) });
    this.#sealNumbers[shardNumber] = seal.sealNumber;
    for (const { partition, part, maxLogRow, newSeries } of written) {
      this.#merger.noteWritten(partition);
      this.#maxLogRows.set(part.id, maxLogRow);
      const known = this.#known(partition);
      for (let i = 0; i < newSeries.length; i++) known.add(newSeries[i]);
    }
  }

  /** The series in the index of a partition. Those of months that were not loaded at the start are read when late samples come. */
  #known(partition: string): SeriesSet {
    let known = this.#knownSeries.get(partition);
    if (known === undefined) {
      const segments = this.#table.state.partitions.find(({ name }) => name === partition)?.indexSegments ?? [];
      known = loadKnownSeries(this.#files, segments.map(({ files }) => `${this.#table.path(partition)}/${files[0]}`), this.#logger);
      this.#knownSeries.set(partition, known);
    }
    return known;
  }

  // ---- merges -----------------------------------------------------------------------------------------------------

  /** See TableClient.merge. */
  *merge(request: MergeRequest): Steps<TableVersion> {
    yield* this.#merger.merge(request);
    return this.version;
  }

  /** See TableClient.quarantine. */
  *quarantine(partition: string, id: number, reason: string): Steps<TableVersion> {
    yield* this.#merger.quarantine(partition, id, reason);
    return this.version;
  }

  // ---- retention and removal --------------------------------------------------------------------------------------

  /**
   * Drops the parts of partitions whose month ended before `minMs`, so that no sample that is still accepted belongs to them. A partition that a merge
   * or a seal is writing to is left for the next time. The index stays until the next checkpoint, see there.
   */
  dropBefore(minMs: number): TableVersion {
    const state = this.#table.state;
    const isBusy = ({ name, parts }: ManifestPartition): boolean => this.#table.sealing.has(name) || parts.some((part) => this.#merger.isMerging(part.id));
    const expired = state.partitions.filter((partition) => partition.parts.length > 0 && (partitionNamed(partition.name)?.maxMs ?? Infinity) < minMs && !isBusy(partition));
    if (expired.length === 0) return this.version;
    this.#table.commit({ ...state, partitions: state.partitions.map((partition) => (expired.includes(partition) ? { ...partition, parts: [] } : partition)) });
    for (const { name, parts } of expired) {
      for (const { id } of parts) this.#maxLogRows.delete(id);
      this.#logger.info(`partition ${name} is past the retention and was dropped`);
      this.#table.removeLater(name, parts, []);
    }
    return this.version;
  }

  /** Removes files that left the table in versions up to this one. */
  releaseVersion(version: number): void {
    this.#table.releaseVersion(version);
  }

  [Symbol.dispose](): void {
    this.#syncTimer?.[Symbol.dispose]();
    try {
      this.#log.sync();
    } catch (error) {
      this.#logger.error(`cannot sync the log at the end: ${String(error)}`);
    }
    this.#log.close();
    this.#table.close();
  }
}
