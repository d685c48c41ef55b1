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
import type { FileSystem } from "../disk/file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { Seal } from "./head.ts";
import type { LogEnd } from "./log_segment.ts";
import { LogWriter } from "./log_writer.ts";
import { type Manifest, openManifest } from "./manifest.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition, ManifestState } from "./manifest_state.ts";
import { chooseMerges, mergePartition, type MergedPartition } from "./table_merge.ts";
import { PartitionWriter, type WrittenPartition } from "./partition_writer.ts";
import { type Partition, splitByPartition } from "./partition.ts";
import { gatherSeal } from "./seal_gather.ts";
import { SeriesSet } from "./series_set.ts";
import { type ShardLayout, ShardReader } from "./shard.ts";
import type { Checkpoint, LogPiece, PartRef, TableVersion } from "./table_client.ts";
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

interface Removal {
  /** Readers of versions before this one may still use the files. */
  readonly version: number;
  readonly paths: readonly string[];
}

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
  /** Memories for encoding, used again by the next seal or merge. */
  readonly #kernels: Kernel[] = [];
  #versionNumber = 1;
  #nextFileId: number;
  #syncTimer: Disposable | undefined;
  #syncFailing = false;
  #owedGroup: string | undefined;

  private constructor(files: FileSystem, setup: TableSetup, manifest: Manifest, clock: Clock, logger: Logger) {
    this.#files = files;
    this.#setup = setup;
    this.#clock = clock;
    this.#logger = logger;
    this.#manifest = manifest;
    this.#nextFileId = manifest.state.nextPartId;
    this.#shards = setup.shards.map((layout) => new ShardReader(layout, setup.scratchNumber));
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

  get version(): TableVersion {
    return { version: this.#versionNumber, parts: partRefs(this.#setup.directory, this.#manifest.state) };
  }

  // ---- log --------------------------------------------------------------------------------------------------------

  /** Appends records from shard memory (and others) to the log, all or nothing. */
  appendLog(pieces: readonly LogPiece[], extraRecords: Uint8Array | undefined): void {
    const records = pieces.map(({ shard, pointer, size }) => this.#shards[shard].kernel.u8.subarray(pointer, pointer + size));
    if (extraRecords !== undefined) records.push(extraRecords as Uint8Array<SharedArrayBuffer>);
    // After an append whose sync failed the caller sends the same records again: they are in the log, only the sync is owed.
    const group = pieces.map(({ shard, pointer, size }) => `${shard}:${pointer}:${size}`).join();
    if (this.#owedGroup !== group) this.#log.append(...records);
    if (this.#setup.fsyncIntervalMs !== 0) return;
    this.#owedGroup = group;
    this.#log.sync();
    this.#owedGroup = undefined;
  }

  rollLog(): number {
    return this.#log.rollSegment();
  }

  /** Writes the metadata to the log that stays, commits the checkpoint, and removes the log before it. */
  checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): void {
    if (metadata.length > 0) this.#log.append(metadata);
    this.#log.sync();
    const state = this.#manifest.state;
    if (checkpoint.segment < state.checkpoint.segment) return;
    this.#manifest.commit({ ...state, checkpoint: { segment: checkpoint.segment, logRow: Math.max(checkpoint.logRow, state.checkpoint.logRow) } });
    this.#log.removeSegmentsBefore(checkpoint.segment);
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
    const shard = this.#shards[shardNumber];
    const writers = new Map<string, PartitionWriter>();
    const written: ({ partition: string } & WrittenPartition)[] = [];
    try {
      for (const run of gatherSeal(shard, seal)) {
        for (const { partition, run: partitionRun } of splitByPartition(run)) this.#writerOf(writers, partition, shard).append(partitionRun, run);
        yield;
      }
      for (const [partition, writer] of writers) {
        written.push({ partition, ...writer.finish() });
        yield;
      }
    } catch (error) {
      for (const writer of writers.values()) writer.abort();
      throw error;
    } finally {
      for (const writer of writers.values()) this.#kernels.push(writer.kernel);
    }
    // When the commit fails, its files stay: either manifest may be the one on the disk.
    this.#commitSeal(written, nextSeriesId);
    return this.version;
  }

  #writerOf(writers: Map<string, PartitionWriter>, partition: Partition, shard: ShardReader): PartitionWriter {
    let writer = writers.get(partition.name);
    if (writer === undefined) {
      writer = new PartitionWriter({
        files: this.#files,
        partition,
        path: partitionPath(this.#setup.directory, partition.name),
        partId: this.#takeFileId(),
        indexId: this.#takeFileId(),
        kernel: this.#kernels.pop() ?? new Kernel(),
        known: this.#known(partition.name),
        labels: shard.labels,
      });
      writers.set(partition.name, writer);
    }
    return writer;
  }

  #commitSeal(written: readonly ({ partition: string } & WrittenPartition)[], nextSeriesId: number): void {
    let state = this.#manifest.state;
    for (const { partition, part, indexSegment } of written) {
      state = withPartition(state, partition, (old) => ({
        ...old,
        parts: [...old.parts, part],
        indexSegments: indexSegment === undefined ? old.indexSegments : [...old.indexSegments, indexSegment],
      }));
    }
    this.#commit({ ...state, nextSeriesId: Math.max(nextSeriesId, state.nextSeriesId) });
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
  *merge(force: boolean): Generator<void, TableVersion> {
    for (;;) {
      const plan = chooseMerges(this.#manifest.state, { force, isMergeable: (part) => this.#isMergeable(part) })[0];
      if (plan === undefined) return this.version;
      for (const part of plan.parts) this.#merging.add(part.id);
      const ids = { partId: this.#takeFileId(), indexId: this.#takeFileId() };
      const kernel = this.#kernels.pop() ?? new Kernel();
      try {
        const merged = yield* mergePartition(this.#files, partitionPath(this.#setup.directory, plan.partition), plan, ids, kernel);
        this.#commitMerge(plan.partition, plan.parts, plan.indexSegments, merged);
      } finally {
        for (const part of plan.parts) this.#merging.delete(part.id);
        this.#kernels.push(kernel);
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
    this.#removeLater([...parts.map(({ id }) => `${base}/parts/${id}`), ...indexSegments.flatMap(({ files }) => files.map((file) => `${base}/${file}`))]);
  }

  // ---- retention and removal --------------------------------------------------------------------------------------

  /** Drops partitions whose newest sample is older than `minMs`. */
  dropBefore(minMs: number): TableVersion {
    const state = this.#manifest.state;
    const expired = state.partitions.filter(({ parts }) => parts.every((part) => part.maxMs < minMs && !this.#merging.has(part.id)));
    if (expired.length === 0) return this.version;
    this.#commit({ ...state, partitions: state.partitions.filter((partition) => !expired.includes(partition)) });
    for (const { name } of expired) {
      this.#knownSeries.delete(name);
      this.#logger.info(`partition ${name} is past the retention and was dropped`);
    }
    this.#removeLater(expired.map(({ name }) => partitionPath(this.#setup.directory, name)));
    return this.version;
  }

  /** Removes files that left the table in versions up to this one. */
  releaseVersion(version: number): void {
    while (this.#removals.length > 0 && this.#removals[0].version <= version) {
      const removal = this.#removals.shift();
      for (const path of removal?.paths ?? []) this.#files.removeTree(path);
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

  #removeLater(paths: readonly string[]): void {
    this.#removals.push({ version: this.#versionNumber, paths });
  }

  #takeFileId(): number {
    return this.#nextFileId++;
  }

  #commit(state: ManifestState): void {
    this.#manifest.commit({ ...state, nextPartId: this.#nextFileId });
    this.#versionNumber++;
  }
}

export function partitionPath(directory: string, partition: string): string {
  return `${directory}/partitions/${partition}`;
}

/** The live parts of a manifest, as readers know them. */
export function partRefs(directory: string, state: ManifestState): PartRef[] {
  return state.partitions.flatMap(({ name, parts }) =>
    parts.map(({ id, minMs, maxMs, seriesCount, sampleCount, sizeBytes }) => ({
      partition: name, name: String(id), path: `${partitionPath(directory, name)}/parts/${id}`, minMs, maxMs, seriesCount, sampleCount, sizeBytes,
    })),
  );
}

/** The state with one partition changed, or added in its place. */
function withPartition(state: ManifestState, name: string, change: (old: ManifestPartition) => ManifestPartition): ManifestState {
  const old = state.partitions.find((partition) => partition.name === name) ?? { name, parts: [], indexSegments: [] };
  const others = state.partitions.filter((partition) => partition.name !== name);
  const partitions = [...others, change(old)].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return { ...state, partitions };
}
