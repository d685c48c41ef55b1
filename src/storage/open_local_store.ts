/**
 * Opens a data directory: lock, manifest, index of every partition into the live index, log replayed into the heads; then the files are
 * handed to the table's thread. Everything that is read is checked; what is damaged is reported and left out, never fatal.
 *
 * Log rows that are already in parts are skipped: rows up to the checkpoint by their number, later ones by the log rows that fresh parts
 * carry for each series.
 */
import { StorageError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { type DirectoryLock, lockDirectory, type ProcessTable } from "./directory_lock.ts";
import { storageFormats } from "./formats.ts";
import { LocalReader } from "./local_reader.ts";
import { LocalStore, type LocalStoreOptions } from "./local_store.ts";
import { LogReader, logReadBufferBytesMin } from "./log_reader.ts";
import { logRecordTypes } from "./log_payload.ts";
import { openManifest } from "./manifest.ts";
import type { ManifestPartition, ManifestState } from "./manifest_state.ts";
import { type ExemplarLimits, ExemplarTable } from "./exemplar_table.ts";
import { MetadataTable } from "./metadata_table.ts";
import { Part } from "./part.ts";
import { partFiles } from "./part_writer.ts";
import { partitionNamed } from "./partition.ts";
import { gatherScratchBytes } from "./seal_gather.ts";
import { SeriesLoader } from "./series_loader.ts";
import type { SeriesPages } from "./series_set.ts";
import { Shard, ShardReader } from "./shard.ts";
import type { TableClient } from "./table_client.ts";
import type { TableSetup } from "./table_writer.ts";
import { partitionPath, tableVersion } from "./table_version.ts";

export interface OpenLocalStoreOptions extends LocalStoreOptions {
  /** Default: 100 per series, 100,000 in all. */
  readonly exemplars?: ExemplarLimits;
  readonly files: FileSystem;
  readonly directory: string;
  readonly processes: ProcessTable;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Of a new directory. */
  readonly shardCount: number;
  /** Series that the shards can hold together. */
  readonly seriesMax: number;
  /** Chunks in a seal of one shard. */
  readonly sealChunksMax: number;
  /** Bytes of chunks before writes wait for seals, of all shards together. */
  readonly chunkBytesMax: number;
  readonly fsyncIntervalMs: number;
  /** With less than this free on the disk nothing is taken and nothing merged. Default 0. */
  readonly minFreeDiskSpaceBytes?: number;
  /** How much of a core background merges may take while something is written. Default 0.25. */
  readonly mergeCpuShare?: number;
  /** Threads besides this one that read: each gets a scratch area, numbered from `firstReaderScratch`. */
  readonly readerThreads: number;
  readonly startTable: (setup: TableSetup) => TableClient;
  /** The live index knows the series of months that end in this time before the start; older ones are searched in their files. Default: all are live. */
  readonly liveIndexMs?: number;
  /** Bytes of old index segments that a reader keeps in memory. */
  readonly indexCacheBytes?: number;
  /** Told about damage that a reader meets. */
  readonly onUnreadable?: (path: string, error: unknown) => void;
}

/** Scratch areas in each shard: the table's thread, the writing thread, whose readers share one because they never work at the same time, then the reader threads. */
const tableScratch = 0;
export const ownScratch = 1;
export const firstReaderScratch = 2;
const readerScratchBytes = 8 << 20;

/** Throws StorageError: "directory_locked", "unsupported_format", "corrupt_manifest", "missing_manifest", "disk_full", "disk_error". */
export async function openLocalStore(options: OpenLocalStoreOptions): Promise<LocalStore> {
  const { files, directory, clock, logger } = options;
  const token = Buffer.from(options.randomBytes(8)).toString("hex");
  const lock = lockDirectory(files, directory, { processes: options.processes, nowMs: clock.nowMs(), token });
  try {
    return await recover(options, lock);
  } catch (error) {
    lock.close();
    logger.error(`cannot open ${directory}: ${String(error)}`);
    throw error;
  }
}

async function recover(options: OpenLocalStoreOptions, lock: DirectoryLock): Promise<LocalStore> {
  const { files, directory, clock, logger } = options;
  const startMs = clock.monotonicMs();
  const manifest = openManifest(files, directory, { randomBytes: options.randomBytes, shardCount: options.shardCount, formats: storageFormats, logger });
  const { state } = manifest;
  const limits = limitsOfShard(options, state.shardCount);
  const shards = Array.from({ length: state.shardCount }, () => createShard({ ...options, ...limits }, state));
  const loader = new SeriesLoader(shards, limits.seriesMax, state.nextSeriesId);
  const knownSeries = new Map<string, SeriesPages>();
  const liveSinceMs = options.liveIndexMs === undefined ? -Infinity : clock.nowMs() - options.liveIndexMs;
  const load = (partition: ManifestPartition): void => {
    knownSeries.set(partition.name, loader.loadPartition(files, partitionPath(directory, partition.name), partition, logger));
  };
  const isOld = ({ name }: ManifestPartition): boolean => (partitionNamed(name)?.maxMs ?? Infinity) < liveSinceMs;
  const live = state.partitions.filter((one) => !isOld(one));
  loader.reserve(live.flatMap(({ indexSegments }) => indexSegments).reduce((sum, { seriesCount }) => sum + seriesCount, 0));
  for (const partition of live) {
    load(partition);
    await nextTurn();
  }
  loader.loadWhenNeeded(state.partitions.filter(isOld).map((partition) => () => load(partition)));
  const { maxLogRows, unreadable } = loadLogRows(options, state, loader);
  const metadata = new MetadataTable();
  const exemplars = new ExemplarTable(options.exemplars);
  const recovery = await replay(options, state, shards, loader, metadata, exemplars);
  // Only now: a log of a newer format refuses the directory, and then nothing is changed.
  for (const orphan of manifest.removeOrphans()) logger.info(`${orphan} was left over by a crash and removed`);
  loader.forgetLogged();
  if (loader.rejectedSeries > 0) logger.error(`${directory} has ${loader.rejectedSeries} series more than there is room for: they cannot be queried; more memory makes room`);
  const nextLogRow = Math.max(state.checkpoint.logRow, ...maxLogRows.values(), ...shards.map(({ head }) => head.nextLogRow - 1)) + 1;
  const nextSeriesId = Math.max(loader.nextSeriesId, ...shards.map(({ head }) => head.nextSeriesId));
  // Such parts are merged when the log is cut after this start.
  for (const partId of unreadable) maxLogRows.set(partId, nextLogRow - 1);
  shards.forEach(({ head }, number) => {
    head.nextLogRow = nextLogRow;
    head.nextSeriesId = firstIdOfShard(nextSeriesId, number, shards.length);
  });
  const aliases = loader.aliases();
  const coveredSinceMs = state.partitions.reduce((sinceMs, { name }) => (knownSeries.has(name) ? sinceMs : Math.max(sinceMs, (partitionNamed(name)?.maxMs ?? Infinity) + 1)), -Infinity);
  loader.giveMemoryBack();
  const setup: TableSetup = {
    directory, shards: shards.map(({ layout }) => layout), scratchNumber: tableScratch, log: recovery, knownSeries, maxLogRows, fsyncIntervalMs: options.fsyncIntervalMs,
    minFreeBytes: options.minFreeDiskSpaceBytes, mergeCpuShare: options.mergeCpuShare,
  };
  const onUnreadable = options.onUnreadable ?? ((path: string, error: unknown): void => store.reportUnreadable(path, error));
  const reader = new LocalReader({
    files,
    kernel: new Kernel(),
    shards: shards.map(({ layout }) => new ShardReader(layout, ownScratch)),
    indexCacheBytes: options.indexCacheBytes,
    onUnreadable,
  });
  const series = shards.reduce((sum, { head }) => sum + head.seriesCount, 0);
  logger.info(`opened ${directory}: ${series} series, ${recovery.recordCount} log records replayed in ${Math.round(clock.monotonicMs() - startMs)} ms`);
  const version = tableVersion(directory, state, 1, shards.map(() => 0));
  const own = { shards, version, metadata, exemplars, reader, lock, coveredSinceMs, aliases, logBytes: recovery.existingBytes, checkpointRow: state.checkpoint.logRow };
  const store = new LocalStore({ ...own, table: options.startTable(setup) }, options);
  return store;
}

/** The smallest id from `nextSeriesId` on that belongs to the shard: ids of shard k leave the rest k when divided by the number of shards. */
function firstIdOfShard(nextSeriesId: number, shard: number, shardCount: number): number {
  return nextSeriesId + ((shard - (nextSeriesId % shardCount) + shardCount) % shardCount);
}

/** The share of one shard: a tenth more series, because their fingerprints do not spread them evenly, and bytes for some blocks of chunks at least. */
function limitsOfShard({ seriesMax, chunkBytesMax }: OpenLocalStoreOptions, shardCount: number): { seriesMax: number; chunkBytesMax: number } {
  if (shardCount === 1) return { seriesMax, chunkBytesMax };
  return { seriesMax: Math.ceil((seriesMax * 1.1) / shardCount) + 1000, chunkBytesMax: Math.max(Math.min(chunkBytesMax, 4 << 20), Math.ceil(chunkBytesMax / shardCount)) };
}

function createShard(options: OpenLocalStoreOptions, state: ManifestState): Shard {
  const [seedLow, seedHigh] = state.fingerprintSeed.map((hex) => BigInt(`0x${hex}`));
  return new Shard({
    seriesMax: options.seriesMax,
    seedLow,
    seedHigh,
    indexSeed: seedLow ^ seedHigh,
    nextSeriesId: state.nextSeriesId,
    seriesIdStep: state.shardCount,
    sealChunks: 15,
    sealChunksMax: options.sealChunksMax,
    chunkBytesMax: options.chunkBytesMax,
    scratchBytes: [gatherScratchBytes, ...Array.from({ length: options.readerThreads + 1 }, () => readerScratchBytes)],
  });
}

/** Newest log row of each fresh part, by part id; parts for which it cannot be read. */
interface FreshParts {
  readonly maxLogRows: Map<number, number>;
  readonly unreadable: readonly number[];
}

/** Tells the loader which rows of which series are in fresh parts; those before the checkpoint are not replayed anyway. */
function loadLogRows(options: OpenLocalStoreOptions, state: ManifestState, loader: SeriesLoader): FreshParts {
  const maxLogRows = new Map<number, number>();
  const unreadable: number[] = [];
  for (const { name, parts } of state.partitions) {
    for (const part of parts) {
      if (!part.files.some((file) => file.endsWith(partFiles.logRows))) continue;
      if (part.maxLogRow !== undefined && part.maxLogRow <= state.checkpoint.logRow) {
        maxLogRows.set(part.id, part.maxLogRow);
        continue;
      }
      const path = `${partitionPath(options.directory, name)}/parts/${part.id}`;
      try {
        using opened = Part.open(options.files, path);
        const rows = opened.lastLogRows();
        if (rows === undefined) throw new StorageError("corrupt_part", "they are missing");
        maxLogRows.set(part.id, rows.logRows.reduce((max, row) => Math.max(max, row), 0));
        loader.markPersisted(rows.seriesIds, rows.logRows);
      } catch (error) {
        checkIsDamage(error, path);
        unreadable.push(part.id);
        const done = compareWithLog(options.files, path, loader) ? "its samples are compared with the log instead" : "its samples may be replayed twice";
        options.logger.error(`cannot read the log rows of ${path}, ${done}: ${String(error)}`);
      }
    }
  }
  return { maxLogRows, unreadable };
}

/**
 * A disk that refuses to read such a part stops the start: the log would bring its samples back, and when the part can be read again, they would be there
 * twice for ever. Damage does not.
 */
function checkIsDamage(error: unknown, path: string): void {
  const code = fileErrorCode(error);
  if (code === undefined || code === "ENOENT") return;
  throw new StorageError("disk_error", `cannot read ${path}, of which the log may hold samples, too; if the disk does not recover, move this directory away: the log has most of it`, { cause: error });
}

function compareWithLog(files: FileSystem, path: string, loader: SeriesLoader): boolean {
  try {
    using part = Part.open(files, path);
    return loader.sealedSamples.add(part);
  } catch {
    return false; // the part is damaged itself, which its readers report
  }
}

/** Replays the log into the heads, segment by segment with turns of the event loop in between. */
async function replay(
  options: OpenLocalStoreOptions, state: ManifestState, shards: readonly Shard[], loader: SeriesLoader, metadata: MetadataTable, exemplars: ExemplarTable,
): Promise<TableSetup["log"] & { recordCount: number }> {
  const { files, directory, logger } = options;
  const { kernel } = shards[0];
  const buffer = { pointer: loader.allocate(shards[0], logReadBufferBytesMin), size: logReadBufferBytesMin };
  const reader = new LogReader({ files, directory: `${directory}/log`, directoryId: state.directoryId, firstSegment: state.checkpoint.segment, kernel, buffer });
  files.makeDirectory(`${directory}/log`);
  files.syncDirectory(directory);
  for (;;) {
    const more = reader.visitNextSegment((type, _version, payload, size) => {
      if (type === logRecordTypes.samples.type) loader.replaySamples(payload, size);
      else if (type === logRecordTypes.metadata.type) metadata.replay(kernel.u8.slice(payload, payload + size));
      else if (type === logRecordTypes.exemplars.type) exemplars.replay(kernel.u8.slice(payload, payload + size));
    }, (records, size) => loader.registerLogged(records, size));
    if (!more) break;
    await nextTurn();
  }
  syncLog(files, `${directory}/log`, logger);
  const recovery = reader.recovery();
  for (const { kind, segment, offset, sizeBytes } of recovery.issues) {
    logger.warn(`log segment ${segment.toString(16).padStart(8, "0")}: ${kind.replace("_", " ")}, ${sizeBytes} bytes at ${offset}`);
  }
  const { nextSegment, previous, existingBytes, recordCount, damagedSegments } = recovery;
  return { nextSegment, previous, existingBytes, recordCount, damagedSegments };
}

/** What was read may be in the page cache only, if the process was killed. Now it is known, so a power loss may not take it away. */
function syncLog(files: FileSystem, directory: string, logger: Logger): void {
  try {
    for (const name of files.list(directory)) {
      using file = files.open(`${directory}/${name}`, "read");
      file.sync();
    }
    files.syncDirectory(directory);
  } catch (error) {
    if (fileErrorCode(error) === undefined) throw error;
    logger.warn(`cannot sync the log in ${directory}: ${String(error)}`);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

