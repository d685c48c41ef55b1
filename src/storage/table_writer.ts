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
import { Kernel } from "../kernel/kernel.ts";
import type { Seal } from "./head.ts";
import type { LogEnd } from "./log_segment.ts";
import { LargeKernel } from "./large_kernel.ts";
import { LogWriter } from "./log_writer.ts";
import { type Manifest, openManifest } from "./manifest.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition, ManifestState } from "./manifest_state.ts";
import { chooseMerges, mergePartition, type MergedPartition } from "./table_merge.ts";
import { PartitionWriter, type WrittenPartition } from "./partition_writer.ts";
import { type Partition, partitionNamed, splitByPartition } from "./partition.ts";
import { gatherSeal } from "./seal_gather.ts";
import { SeriesSet } from "./series_set.ts";
import { type ShardLayout, ShardReader } from "./shard.ts";
import type { Steps } from "./steps.ts";
import { type Checkpoint, type LogPiece, type MergeRequest, noTableStats, type TableStats, type TableVersion } from "./table_client.ts";
import { partitionPath, tableVersion } from "./table_version.ts";
import { storageFormats } from "./formats.ts";

/** What the storage thread needs to take over a directory that has been recovered. Plain data: it can be posted to a worker. */
export interface TableSetup {
  readonly directory: string;
  readonly shards: readonly ShardLayout[];
  readonly scratchNumber: number;
  readonly log: { readonly nextSegment: number; readonly previous: LogEnd | undefined; readonly existingBytes: number };
  /** Series in the index of each partition. */
  readonly knownSeries: ReadonlyMap<string, Uint8Array>;
  /** Newest log row in each part that still has log rows, by part id. */
  readonly maxLogRows: ReadonlyMap<number, number>;
  /** 0: sync before every acknowledgement. */
  readonly fsyncIntervalMs: number;
}

/** Files that the manifest does not name any more. */
interface Removal {
  /** Readers of versions before this one may still use them. */
  readonly version: number;
  readonly paths: readonly string[];
  /** A partition that was dropped: its directory goes too, unless the partition has come back. */
  readonly partition?: string;
}

/** A seal's samples of more months are written in several passes over the seal, so that files and memory are bounded. */
const partitionsPerPass = 16;
/** Memories that are kept for the next seal or merge, and how large they may be. */
const keptKernelsMax = 2;
const keptKernelBytesMax = 64 << 20;

type WrittenParts = { readonly partition: string } & WrittenPartition;

export class TableWriter implements Disposable {
  readonly #files: FileSystem;
  readonly #setup: TableSetup;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #manifest: Manifest;
  readonly #log: LogWriter;
  readonly #shards: readonly ShardReader[];
  readonly #knownSeries = new Map<string, SeriesSet>();
  readonly #maxLogRows: Map<number, number>;
  readonly #removals: Removal[] = [];
  readonly #merging = new Set<number>();
  /** Partitions that the running seal writes to. */
  readonly #sealing = new Set<string>();
  /** By shard: the newest seal whose parts are live. */
  readonly #sealNumbers: number[];
  /** Memories for encoding, used again by the next seal or merge. */
  readonly #kernels: Kernel[] = [];
  readonly #large = new LargeKernel();
  #versionNumber = 1;
  #nextFileId: number;
  #syncTimer: Disposable | undefined;
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
    this.#manifest = manifest;
    this.#nextFileId = manifest.state.nextPartId;
    this.#shards = setup.shards.map((layout) => new ShardReader(layout, setup.scratchNumber));
    this.#sealNumbers = setup.shards.map(() => 0);
    for (const [name, bits] of setup.knownSeries) this.#knownSeries.set(name, new SeriesSet(bits));
    this.#maxLogRows = new Map(setup.maxLogRows);
    const { nextSegment, previous, existingBytes } = setup.log;
    this.#log = new LogWriter({
      files, directory: `${setup.directory}/log`, directoryId: manifest.state.directoryId, firstSegment: nextSegment, previous, existingBytes, logger,
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
    return noTableStats;
  }

  get version(): TableVersion {
    return tableVersion(this.#setup.directory, this.#manifest.state, this.#versionNumber, this.#sealNumbers);
  }

  // ---- log --------------------------------------------------------------------------------------------------------

  /** Appends records from shard memory (and others) to the log, all or nothing. */
  appendLog(pieces: readonly LogPiece[], extraRecords: Uint8Array | undefined): void {
    const records = pieces.map(({ shard, pointer, size }) => this.#shards[shard].kernel.u8.subarray(pointer, pointer + size));
    if (extraRecords !== undefined) records.push(extraRecords as Uint8Array<SharedArrayBuffer>);
    // After an append whose sync failed the caller sends the same records again: they are in the log, and only the sync is owed - unless the log has
    // given up what it could not sync.
    const group = pieces.map(({ shard, pointer, size }) => `${shard}:${pointer}:${size}`).join();
    const { unrescuedBytes } = this.#log;
    if (this.#owed?.group !== group || this.#owed.unrescuedBytes !== unrescuedBytes) this.#log.append(...records);
    if (this.#setup.fsyncIntervalMs !== 0) return;
    this.#owed = { group, unrescuedBytes };
    this.#log.sync();
    this.#owed = undefined;
  }

  rollLog(): number {
    const segment = this.#log.rollSegment();
    this.#expired = { segment, partitions: this.#manifest.state.partitions.filter(({ parts }) => parts.length === 0).map(({ name }) => name) };
    return segment;
  }

  /**
   * Writes the metadata to the log that stays, commits the checkpoint, and removes the log before it. Expired partitions go too: their indexes knew
   * series of which the log before the checkpoint had samples.
   */
  checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): TableVersion {
    if (metadata.length > 0) this.#log.append(metadata);
    this.#log.sync();
    const state = this.#manifest.state;
    if (checkpoint.segment < state.checkpoint.segment) return this.version;
    const gone = state.partitions.filter((partition) => this.#expired.segment === checkpoint.segment && this.#isExpired(partition));
    this.#commit({
      ...state,
      partitions: state.partitions.filter((partition) => !gone.includes(partition)),
      checkpoint: { segment: checkpoint.segment, logRow: Math.max(checkpoint.logRow, state.checkpoint.logRow) },
    });
    for (const { name, indexSegments } of gone) {
      this.#knownSeries.delete(name);
      this.#removeLater(filesOf(partitionPath(this.#setup.directory, name), [], indexSegments), name);
    }
    this.#log.removeSegmentsBefore(checkpoint.segment);
    return this.version;
  }

  /** Whether the partition had no parts when the log was rolled, and has none since. */
  #isExpired({ name, parts }: ManifestPartition): boolean {
    return parts.length === 0 && this.#expired.partitions.includes(name) && !this.#sealing.has(name);
  }

  #scheduleSync(): void {
    this.#syncTimer = this.#clock.setTimer(this.#setup.fsyncIntervalMs, () => {
      try {
        this.#log.sync();
        this.#syncFailing = false;
      } catch (error) {
        if (!this.#syncFailing) this.#logger.error(`cannot sync the log, trying again every ${this.#setup.fsyncIntervalMs} ms: ${String(error)}`);
        this.#syncFailing = true;
      }
      this.#scheduleSync();
    });
  }

  // ---- seals ------------------------------------------------------------------------------------------------------

  /** Encodes a seal into one part for each partition that it touches, and publishes them together. */
  *seal(shardNumber: number, seal: Seal, nextSeriesId: number): Generator<void, TableVersion> {
    const written: WrittenParts[] = [];
    const kernel = this.#takeKernel();
    try {
      while (yield* this.#sealSome(this.#shards[shardNumber], seal, kernel, written));
      // When the commit fails, its files stay: either manifest may be the one on the disk.
      this.#commitSeal(shardNumber, seal, written, nextSeriesId);
    } finally {
      for (const { partition } of written) this.#sealing.delete(partition);
      this.#giveBack(kernel);
    }
    return this.version;
  }

  /** One pass: writes the samples of some partitions that are not written yet. Returns whether there are more. */
  *#sealSome(shard: ShardReader, seal: Seal, kernel: Kernel, written: WrittenParts[]): Generator<void, boolean> {
    const done = new Set(written.map(({ partition }) => partition));
    const writers = new Map<string, PartitionWriter>();
    const mark = kernel.mark();
    let hasMore = false;
    try {
      for (const run of gatherSeal(shard, seal, this.#large)) {
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
      this.#sealing.delete(partition);
      this.#quietly(() => writer.abort());
    }
    for (const { partition, part, indexSegment } of written) {
      const base = partitionPath(this.#setup.directory, partition);
      this.#quietly(() => this.#files.removeTree(`${base}/parts/${part.id}`));
      for (const file of indexSegment?.files ?? []) this.#quietly(() => this.#files.removeTree(`${base}/${file}`));
    }
  }

  #writerOf(writers: Map<string, PartitionWriter>, partition: Partition, shard: ShardReader, kernel: Kernel): PartitionWriter {
    let writer = writers.get(partition.name);
    if (writer === undefined) {
      this.#sealing.add(partition.name);
      writer = new PartitionWriter({
        files: this.#files,
        partition,
        path: partitionPath(this.#setup.directory, partition.name),
        partId: this.#takeFileId(),
        indexId: this.#takeFileId(),
        kernel,
        known: this.#known(partition.name),
        shard,
      });
      writers.set(partition.name, writer);
    }
    return writer;
  }

  #takeKernel(): Kernel {
    return this.#kernels.pop() ?? new Kernel();
  }

  #giveBack(kernel: Kernel): void {
    kernel.reset(kernel.heapBase);
    if (this.#kernels.length < keptKernelsMax && kernel.sizeBytes <= keptKernelBytesMax) this.#kernels.push(kernel);
  }

  #commitSeal(shardNumber: number, seal: Seal, written: readonly WrittenParts[], nextSeriesId: number): void {
    let state = this.#manifest.state;
    for (const { partition, part, indexSegment } of written) {
      state = withPartition(state, partition, (old) => ({
        ...old,
        parts: [...old.parts, part],
        indexSegments: indexSegment === undefined ? old.indexSegments : [...old.indexSegments, indexSegment],
      }));
    }
    this.#commit({ ...state, nextSeriesId: Math.max(nextSeriesId, state.nextSeriesId) });
    this.#sealNumbers[shardNumber] = seal.sealNumber;
    for (const { partition, part, maxLogRow, newSeries } of written) {
      this.#maxLogRows.set(part.id, maxLogRow);
      for (const seriesId of newSeries) this.#known(partition).add(seriesId);
    }
  }

  #known(partition: string): SeriesSet {
    let known = this.#knownSeries.get(partition);
    if (known === undefined) {
      known = new SeriesSet();
      this.#knownSeries.set(partition, known);
    }
    return known;
  }

  // ---- merges -----------------------------------------------------------------------------------------------------

  /** Merges parts until nothing is worth it; `force`: one part and one index segment for each partition. */
  *merge({ force }: MergeRequest): Generator<void, TableVersion> {
    for (;;) {
      const plan = chooseMerges(this.#manifest.state, { force, isMergeable: (part) => this.#isMergeable(part) })[0];
      if (plan === undefined) return this.version;
      for (const part of plan.parts) this.#merging.add(part.id);
      const ids = { partId: this.#takeFileId(), indexId: this.#takeFileId() };
      const kernel = this.#takeKernel();
      try {
        const merged = yield* mergePartition(this.#files, partitionPath(this.#setup.directory, plan.partition), plan, ids, kernel);
        this.#commitMerge(plan.partition, plan.parts, plan.indexSegments, merged);
      } finally {
        for (const part of plan.parts) this.#merging.delete(part.id);
        this.#giveBack(kernel);
      }
    }
  }

  /** A part whose rows may still be replayed from the log keeps its log rows, and so its own files. */
  #isMergeable(part: ManifestPart): boolean {
    return !this.#merging.has(part.id) && (this.#maxLogRows.get(part.id) ?? 0) <= this.#manifest.state.checkpoint.logRow;
  }

  #commitMerge(
    partition: string, parts: readonly ManifestPart[], indexSegments: readonly ManifestIndexSegment[],
    merged: MergedPartition,
  ): void {
    const gone = new Set([...parts, ...indexSegments].map(({ id }) => id));
    const state = withPartition(this.#manifest.state, partition, (old) => ({
      ...old,
      parts: [...(merged.part === undefined ? [] : [merged.part]), ...old.parts.filter(({ id }) => !gone.has(id))],
      indexSegments: [...(merged.indexSegment === undefined ? [] : [merged.indexSegment]), ...old.indexSegments.filter(({ id }) => !gone.has(id))],
    }));
    this.#commit(state);
    const base = partitionPath(this.#setup.directory, partition);
    for (const { id } of parts) this.#maxLogRows.delete(id);
    this.#removeLater(filesOf(base, parts, indexSegments));
  }

  *quarantine(_partition: string, _id: number, _reason: string): Steps<TableVersion> {
    return this.version;
  }

  // ---- retention and removal --------------------------------------------------------------------------------------

  /**
   * Drops the parts of partitions whose month ended before `minMs`, so that no sample that is still accepted belongs to them. A partition that a merge
   * or a seal is writing to is left for the next time. The index stays until the next checkpoint, see there.
   */
  dropBefore(minMs: number): TableVersion {
    const state = this.#manifest.state;
    const isBusy = ({ name, parts }: ManifestPartition): boolean => this.#sealing.has(name) || parts.some((part) => this.#merging.has(part.id));
    const expired = state.partitions.filter((partition) => partition.parts.length > 0 && (partitionNamed(partition.name)?.maxMs ?? Infinity) < minMs && !isBusy(partition));
    if (expired.length === 0) return this.version;
    this.#commit({ ...state, partitions: state.partitions.map((partition) => (expired.includes(partition) ? { ...partition, parts: [] } : partition)) });
    for (const { name, parts } of expired) {
      for (const { id } of parts) this.#maxLogRows.delete(id);
      this.#logger.info(`partition ${name} is past the retention and was dropped`);
      this.#removeLater(filesOf(partitionPath(this.#setup.directory, name), parts, []));
    }
    return this.version;
  }

  /** Removes files that left the table in versions up to this one. */
  releaseVersion(version: number): void {
    while (this.#removals.length > 0 && this.#removals[0].version <= version) {
      const { paths, partition } = this.#removals[0];
      this.#removals.shift();
      for (const path of paths) this.#quietly(() => this.#files.removeTree(path));
      if (partition === undefined || this.#sealing.has(partition) || this.#manifest.state.partitions.some(({ name }) => name === partition)) continue;
      this.#quietly(() => this.#files.removeTree(partitionPath(this.#setup.directory, partition)));
    }
  }

  [Symbol.dispose](): void {
    this.#syncTimer?.[Symbol.dispose]();
    try {
      this.#log.sync();
    } catch (error) {
      this.#logger.error(`cannot sync the log at the end: ${String(error)}`);
    }
    this.#log.close();
    this.releaseVersion(Infinity);
  }

  #removeLater(paths: readonly string[], partition?: string): void {
    this.#removals.push({ version: this.#versionNumber, paths, partition });
  }

  /** Removing is of no consequence: what stays belongs to nothing, and the next start removes it. */
  #quietly(remove: () => void): void {
    try {
      remove();
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      this.#logger.warn(`cannot remove what is no longer needed: ${String(error)}`);
    }
  }

  #takeFileId(): number {
    return this.#nextFileId++;
  }

  #commit(state: ManifestState): void {
    this.#manifest.commit({ ...state, nextPartId: this.#nextFileId });
    this.#versionNumber++;
  }
}

function filesOf(base: string, parts: readonly ManifestPart[], indexSegments: readonly ManifestIndexSegment[]): string[] {
  return [...parts.map(({ id }) => `${base}/parts/${id}`), ...indexSegments.flatMap(({ files }) => files.map((file) => `${base}/${file}`))];
}

/** The state with one partition changed, or added in its place. */
function withPartition(state: ManifestState, name: string, change: (old: ManifestPartition) => ManifestPartition): ManifestState {
  const old = state.partitions.find((partition) => partition.name === name) ?? { name, parts: [], indexSegments: [] };
  const others = state.partitions.filter((partition) => partition.name !== name);
  const partitions = [...others, change(old)].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return { ...state, partitions };
}
