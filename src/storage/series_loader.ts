/**
 * Fills the heads and live indexes of a starting store: series from partition indexes and log records, samples from log records. Its tables
 * (seriesId -> seriesIndex, rows already in parts) live in shard memory, where the replay kernel reads them, and become chunks afterwards.
 */
import type { Logger } from "../base/logger.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { headChunkBytes } from "../kernel/head.ts";
import { logHeaderBytes, logRecordSize } from "../kernel/log_record.ts";
import { SeriesIdTable } from "../kernel/series_id_table.ts";
import { type PairRowPointers, SeriesLoad } from "../kernel/series_load.ts";
import { visitLogSeries } from "./log_payload.ts";
import type { ManifestPartition } from "./manifest_state.ts";
import { IndexSegment, type PairRows } from "./partition_index.ts";
import { groupRowCount } from "./partition_index_format.ts";
import { SeriesAliases } from "./series_aliases.ts";
import { SealedSamples } from "./sealed_samples.ts";
import { type SeriesPages, SeriesSet } from "./series_set.ts";
import type { Shard } from "./shard.ts";

const dayMs = 86_400_000;

/** Tables of one shard; `persisted`: f64 log row by seriesIndex. */
interface ShardTables {
  readonly shard: Shard;
  readonly ids: SeriesIdTable;
  readonly persisted: number;
  readonly load: SeriesLoad;
  /** Where a record or label run is copied to when it lies elsewhere, and what rows of an index segment consist of. */
  readonly staging: number;
  readonly staged: PairRowPointers;
  /** The first series that came from the log; partitions are loaded before. */
  loggedFrom: number | undefined;
}

const stagingBytes = 4 << 20;
const stagedRowsMax = groupRowCount;
/** A row of more labels has a larger run than any that is taken. */
const stagedPairsMax = stagingBytes / 8;

export class SeriesLoader {
  /** Samples of parts that do not say which rows of the log they have. */
  readonly sealedSamples = new SealedSamples();
  readonly #tables: readonly ShardTables[];
  readonly #seriesMax: number;
  /** Ids that a damaged file may name besides are above it. */
  readonly #idMax: number;
  readonly #areas: { shard: Shard; pointer: number; sizeBytes: number }[] = [];
  /** Rows that are in parts, of series that no index segment knows because one is damaged: the log may know them. */
  readonly #persistedOfUnknown = new Map<number, number>();
  /** Ids below it may be in an index segment; those from it on can only be in the log. */
  readonly #loggedIdsFrom: number;
  /** Loads partitions that are not loaded at the start; the next one is the last. */
  #older: (() => void)[] = [];
  /** Checksums of the samples records so far, by their first log row. */
  readonly #replayed = new Map<number, number>();
  #nextSeriesId: number;
  #rejectedSeries = 0;

  constructor(shards: readonly Shard[], seriesMax: number, nextSeriesId: number) {
    this.#seriesMax = seriesMax;
    this.#nextSeriesId = nextSeriesId;
    this.#loggedIdsFrom = nextSeriesId;
    // Ids above the manifest's are in the log only, so there are at most as many as the shards can hold.
    this.#idMax = Math.min(2 ** 32 - 1, nextSeriesId + seriesMax * shards.length + 1);
    this.#tables = shards.map((shard, shardNumber) => this.#createTables(shard, shardNumber, shards.length, seriesMax));
  }

  #createTables(shard: Shard, shardNumber: number, shardCount: number, seriesMax: number): ShardTables {
    const allocate = (sizeBytes: number): number => this.allocate(shard, sizeBytes);
    const ids = new SeriesIdTable(shard.kernel, this.#idMax, allocate);
    return {
      shard,
      ids,
      persisted: allocate(seriesMax * 8),
      load: new SeriesLoad({ kernel: shard.kernel, headContext: shard.head.context, ids, shardCount, shardNumber, runSizeMax: stagingBytes, allocate }),
      staging: allocate(stagingBytes + 64),
      staged: { pairIds: allocate(stagedPairsMax * 4), counts: allocate(stagedRowsMax * 4), seriesIds: allocate(stagedRowsMax * 4), tenants: allocate(stagedRowsMax * 8) },
      loggedFrom: undefined,
    };
  }

  /** Makes room for so many series in the tables at once. */
  reserve(seriesCount: number): void {
    for (const { load } of this.#tables) load.reserve(Math.min(seriesCount, this.#seriesMax) / this.#tables.length);
  }

  /** The id after the highest one seen. */
  get nextSeriesId(): number {
    return this.#nextSeriesId;
  }

  /** Series that found no room. */
  get rejectedSeries(): number {
    return this.#tables.reduce((sum, { load }) => sum + load.rejectedCount, this.#rejectedSeries);
  }

  /** An area of shard memory until giveMemoryBack(). */
  allocate(shard: Shard, sizeBytes: number): number {
    const pointer = shard.kernel.allocate(sizeBytes);
    this.#areas.push({ shard, pointer, sizeBytes });
    return pointer;
  }

  /** All areas become chunks of their heads. */
  giveMemoryBack(): void {
    for (const { shard, pointer, sizeBytes } of this.#areas) shard.head.giveArea(Math.ceil(pointer / headChunkBytes) * headChunkBytes, pointer + sizeBytes);
    this.#areas.length = 0;
    this.#replayed.clear();
  }

  /** Ids that were loaded for label sets that had another id already. */
  aliases(): SeriesAliases {
    const aliases = new SeriesAliases(this.#tables.length);
    for (const [number, { shard, ids, load }] of this.#tables.entries()) {
      if (load.aliasCount === 0) continue;
      ids.visit((seriesId, seriesIndex) => {
        if (shard.head.seriesIdOf(seriesIndex) !== seriesId) aliases.add(number, seriesIndex, seriesId);
      });
    }
    return aliases;
  }

  #takePersisted(shard: Shard, persisted: number, seriesId: number, seriesIndex: number): void {
    const row = this.#persistedOfUnknown.get(seriesId);
    if (row !== undefined) shard.kernel.f64[persisted / 8 + seriesIndex] = Math.max(shard.kernel.f64[persisted / 8 + seriesIndex], row);
  }

  /** Registers the series of records that stand one behind the other in shard 0's memory, headers included; at most logSeriesBytesMax bytes. */
  registerLogged(records: number, sizeBytes: number): void {
    for (const table of this.#tables) table.loggedFrom ??= table.shard.head.seriesCount;
    for (const [number, { load }] of this.#tables.entries()) {
      const from = this.#stage(number, records, sizeBytes);
      load.loadRecords(from, from + sizeBytes);
      this.#nextSeriesId = Math.max(this.#nextSeriesId, load.highestId + 1);
    }
    if (this.#persistedOfUnknown.size > 0) this.#takePersistedOf(records, sizeBytes);
  }

  /** The series of these records are known now: their rows that are in parts may have been read before. */
  #takePersistedOf(records: number, sizeBytes: number): void {
    const { u8, u32 } = this.#tables[0].shard.kernel;
    for (let at = records; at < records + sizeBytes; at += logRecordSize(u32[at / 4])) {
      visitLogSeries(u8.subarray(at + logHeaderBytes, at + logHeaderBytes + u32[at / 4]), (seriesId) => {
        for (const { shard, ids, persisted } of this.#tables) {
          const seriesIndex = ids.get(seriesId);
          if (seriesIndex >= 0) this.#takePersisted(shard, persisted, seriesId, seriesIndex);
        }
      });
    }
  }

  /** Rows of these series up to the given ones are in parts. */
  markPersisted(seriesIds: Uint32Array, logRows: Float64Array): void {
    for (let i = 0; i < seriesIds.length; i++) {
      if (seriesIds[i] === 0 || seriesIds[i] > this.#idMax) continue; // impossible, and outside of the tables
      let isKnown = false;
      for (const { shard, ids, persisted } of this.#tables) {
        const seriesIndex = ids.get(seriesIds[i]);
        if (seriesIndex < 0) continue;
        isKnown = true;
        const at = persisted / 8 + seriesIndex;
        shard.kernel.f64[at] = Math.max(shard.kernel.f64[at], logRows[i]);
      }
      if (!isKnown) this.#persistedOfUnknown.set(seriesIds[i], Math.max(this.#persistedOfUnknown.get(seriesIds[i]) ?? 0, logRows[i]));
    }
  }

  /**
   * Partitions that are loaded only if the log has samples of series that no other one knows: a series that was silent for months while the store ran
   * is not logged again when it comes back, so only an old index may have its labels. Oldest first.
   */
  loadWhenNeeded(partitions: readonly (() => void)[]): void {
    this.#older = [...partitions];
  }

  /** Whether a samples record in the shard's memory has series that an older partition may know. */
  #needsOlder(shardNumber: number, payload: number, size: number): boolean {
    if (this.#older.length === 0) return false;
    const { shard, ids } = this.#tables[shardNumber];
    const idLimit = Math.min(this.#loggedIdsFrom, this.#idMax);
    return shard.kernel.exports.logHasUnknownSeries(payload, size, ids.directory, idLimit, this.#tables.length, shardNumber) !== 0;
  }

  /** Loads the newest partition that is not loaded. What is in the staging areas is overwritten. */
  #loadOlder(): void {
    this.#older.pop()?.();
    for (const seriesId of this.#persistedOfUnknown.keys()) {
      for (const { shard, ids, persisted } of this.#tables) {
        const seriesIndex = ids.get(seriesId);
        if (seriesIndex >= 0) this.#takePersisted(shard, persisted, seriesId, seriesIndex);
      }
    }
  }

  /** Where shard `shardNumber` finds a record that is in shard 0's memory: there, or copied to its own staging area. */
  #stage(shardNumber: number, payload: number, size: number): number {
    if (shardNumber === 0) return payload;
    const { shard, staging } = this.#tables[shardNumber];
    shard.kernel.u8.set(this.#tables[0].shard.kernel.u8.subarray(payload, payload + size), staging);
    return staging;
  }

  /**
   * Whether this samples record was there before: one that was rescued after a failed sync stands in two segments, and the header that cuts the first of them
   * may be damaged.
   */
  #isRepeated(payload: number): boolean {
    const record = new DataView(this.#tables[0].shard.kernel.memory.buffer, payload - logHeaderBytes, logHeaderBytes + 8);
    const checksum = record.getUint32(4, true);
    const firstLogRow = record.getFloat64(logHeaderBytes, true);
    if (this.#replayed.get(firstLogRow) === checksum) return true;
    this.#replayed.set(firstLogRow, checksum);
    return false;
  }

  /** Whether a row of the log is not in a part that says so. */
  #isReplayed(seriesId: number, logRow: number): boolean {
    for (const { shard, ids, persisted } of this.#tables) {
      const seriesIndex = ids.get(seriesId);
      if (seriesIndex >= 0) return logRow > shard.kernel.f64[persisted / 8 + seriesIndex];
    }
    return logRow > (this.#persistedOfUnknown.get(seriesId) ?? 0);
  }

  /** Replays a samples record in shard 0's memory into all heads; each takes the rows of its series. REQUIRES: the record's header is before it. */
  replaySamples(payload: number, size: number): void {
    if (this.#isRepeated(payload)) return;
    this.sealedSamples.strike(this.#tables[0].shard.kernel, payload, size, (seriesId, logRow) => this.#isReplayed(seriesId, logRow));
    for (const [number, { shard, ids, persisted }] of this.#tables.entries()) {
      const source = this.#stage(number, payload, size);
      while (this.#needsOlder(number, source, size)) {
        this.#loadOlder();
        this.#stage(number, payload, size);
      }
      for (let row = 0; ; ) {
        const step = shard.head.replay(source, row, ids, persisted);
        if (step.stop === "done") break;
        row = step.row;
        shard.head.growForReplay();
      }
      shard.head.closeFullSeal();
    }
  }

  /**
   * Makes the heads log series again with their next sample: those that only the log knew, because a log that was read after a failed sync may not be on the
   * disk; and those without samples, because the log that knows them is cut some day.
   */
  forgetLogged(): void {
    for (const { shard, loggedFrom } of this.#tables) {
      shard.head.forgetLogged(0, loggedFrom ?? shard.head.seriesCount, 1);
      if (loggedFrom !== undefined) shard.head.forgetLogged(loggedFrom, shard.head.seriesCount, Infinity);
    }
  }

  /** Registers the series of a partition's index; returns the set of their ids. A damaged segment is reported and left out. */
  loadPartition(files: FileSystem, path: string, partition: ManifestPartition, logger: Logger): SeriesPages {
    const known = new SeriesSet();
    // Without parts the index is there for the log only, until the next checkpoint.
    const partDays = partition.parts.flatMap(({ minMs, maxMs }) => [Math.floor(minMs / dayMs), Math.floor(maxMs / dayMs)]);
    const days = partDays.length === 0 ? [] : [Math.min(...partDays), Math.max(...partDays)];
    for (const segment of partition.indexSegments) {
      try {
        this.#loadSegment(files, `${path}/${segment.files[0]}`, days, known);
      } catch (error) {
        logger.error(`cannot read ${path}/${segment.files[0]}, its series are missing: ${String(error)}`);
      }
    }
    return known.pages;
  }

  #loadSegment(files: FileSystem, path: string, partDays: readonly number[], known: SeriesSet): void {
    using segment = IndexSegment.open(files, path);
    const pairs = segment.pairFields();
    for (const { load } of this.#tables) load.usePairs(pairs);
    for (const rows of segment.pairRows(pairs.count)) {
      known.addArray(rows.seriesIds);
      for (const tables of this.#tables) registerRows(tables, rows, partDays);
      for (const row of tooLargeRows(rows)) {
        this.#nextSeriesId = Math.max(this.#nextSeriesId, rows.seriesIds[row] + 1);
        this.#rejectedSeries++;
      }
    }
    for (const { load } of this.#tables) this.#nextSeriesId = Math.max(this.#nextSeriesId, load.highestId + 1);
  }
}

/**
 * Registers rows that belong to the shard, as many at a time as the staging areas take. Their days are those of the parts: the segment does not know samples that
 * came after it was written, and these may be of any day.
 */
function registerRows(tables: ShardTables, rows: PairRows, partDays: readonly number[]): void {
  const [minDay, maxDay] = partDays.length === 0 ? [1, 0] : partDays;
  tables.ids.makeRoom(rows.seriesIds);
  let pairFrom = 0;
  for (let from = 0; from < rows.rowCount; ) {
    let to = from;
    let pairTo = pairFrom;
    while (to < rows.rowCount && to - from < stagedRowsMax && pairTo + rows.counts[to] - pairFrom <= stagedPairsMax) pairTo += rows.counts[to++];
    if (to === from) pairTo += rows.counts[to++]; // tooLargeRows() has it
    else {
      stageRows(tables, rows, { from, to, pairFrom, pairTo });
      tables.load.loadRows(tables.staged, to - from, minDay, maxDay);
    }
    from = to;
    pairFrom = pairTo;
  }
}

/** Rows that do not fit into a staging area: their label runs are larger than any that is taken. */
function tooLargeRows({ rowCount, counts, pairIds }: PairRows): number[] {
  if (pairIds.length <= stagedPairsMax) return [];
  return Array.from({ length: rowCount }, (_, row) => row).filter((row) => counts[row] > stagedPairsMax);
}

interface RowRange {
  readonly from: number;
  readonly to: number;
  readonly pairFrom: number;
  readonly pairTo: number;
}

/** Copies rows to the shard's memory. */
function stageRows({ shard, staged }: ShardTables, rows: PairRows, { from, to, pairFrom, pairTo }: RowRange): void {
  const { u32 } = shard.kernel;
  u32.set(rows.pairIds.subarray(pairFrom, pairTo), staged.pairIds / 4);
  u32.set(rows.counts.subarray(from, to), staged.counts / 4);
  u32.set(rows.seriesIds.subarray(from, to), staged.seriesIds / 4);
  for (let i = from, at = staged.tenants / 4; i < to; i++, at += 2) {
    u32[at] = rows.accountIds[i];
    u32[at + 1] = rows.projectIds[i];
  }
}
