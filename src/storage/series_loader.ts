/**
 * Fills the heads and live indexes of a starting store: series from partition indexes and log records, samples from log records. Its tables
 * (seriesId -> seriesIndex, rows already in parts) live in shard memory, where the replay kernel reads them, and become chunks afterwards.
 */
import type { Logger } from "../base/logger.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { headChunkBytes } from "../kernel/head.ts";
import { logHeaderBytes } from "../kernel/log_record.ts";
import { SeriesIdTable } from "../kernel/series_id_table.ts";
import { visitLogSeries } from "./log_payload.ts";
import type { ManifestPartition } from "./manifest_state.ts";
import { IndexSegment } from "./partition_index.ts";
import { groupRowCount, type IndexRows } from "./partition_index_format.ts";
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
  /** Where a record or label runs are copied to when they lie elsewhere, and offsets, ids and tenants of rows. */
  readonly staging: number;
  readonly stagedOffsets: number;
  readonly stagedIds: number;
  readonly stagedTenants: number;
  /** The first series that came from the log; partitions are loaded before. */
  loggedFrom: number | undefined;
}

const stagingBytes = 4 << 20;
const stagedRowsMax = groupRowCount;

export class SeriesLoader {
  /** Samples of parts that do not say which rows of the log they have. */
  readonly sealedSamples = new SealedSamples();
  readonly #tables: readonly ShardTables[];
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
    this.#nextSeriesId = nextSeriesId;
    this.#loggedIdsFrom = nextSeriesId;
    // Ids above the manifest's are in the log only, so there are at most as many as the shards can hold.
    this.#idMax = Math.min(2 ** 32 - 1, nextSeriesId + seriesMax * shards.length + 1);
    this.#tables = shards.map((shard) => ({
      shard,
      ids: new SeriesIdTable(shard.kernel, this.#idMax, (sizeBytes) => this.allocate(shard, sizeBytes)),
      persisted: this.allocate(shard, seriesMax * 8),
      staging: this.allocate(shard, stagingBytes + 64),
      stagedOffsets: this.allocate(shard, (stagedRowsMax + 1) * 4),
      stagedIds: this.allocate(shard, stagedRowsMax * 4),
      stagedTenants: this.allocate(shard, stagedRowsMax * 8),
      loggedFrom: undefined,
    }));
  }

  /** The id after the highest one seen. */
  get nextSeriesId(): number {
    return this.#nextSeriesId;
  }

  /** Series that found no room. */
  get rejectedSeries(): number {
    return this.#rejectedSeries;
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
    for (const [number, { shard, ids }] of this.#tables.entries()) {
      ids.visit((seriesId, seriesIndex) => {
        if (shard.head.seriesIdOf(seriesIndex) !== seriesId) aliases.add(number, seriesIndex, seriesId);
      });
    }
    return aliases;
  }

  /** Registers one series; `run` is a label run at this place in shard `from`'s memory, or plain bytes. */
  register(seriesId: number, accountId: number, projectId: number, run: Uint8Array): { shard: Shard; seriesIndex: number } | undefined {
    this.#nextSeriesId = Math.max(this.#nextSeriesId, seriesId + 1); // an id is used up even if there is no room for its series now
    if (run.length > stagingBytes || seriesId > this.#idMax || seriesId === 0) return this.#reject();
    const first = this.#tables[0];
    first.shard.kernel.u8.set(run, first.staging);
    const shardNumber = this.#tables.length === 1 ? 0 : first.shard.head.shardOf(first.staging, run.length, accountId, projectId, this.#tables.length);
    const { shard, staging, ids, persisted } = this.#tables[shardNumber];
    if (shardNumber !== 0) shard.kernel.u8.set(run, staging);
    const seriesIndex = shard.head.register(staging, run.length, accountId, projectId, seriesId);
    if (seriesIndex < 0) return this.#reject();
    ids.set(seriesId, seriesIndex);
    this.#takePersisted(shard, persisted, seriesId, seriesIndex);
    return { shard, seriesIndex };
  }

  #takePersisted(shard: Shard, persisted: number, seriesId: number, seriesIndex: number): void {
    const row = this.#persistedOfUnknown.get(seriesId);
    if (row !== undefined) shard.kernel.f64[persisted / 8 + seriesIndex] = Math.max(shard.kernel.f64[persisted / 8 + seriesIndex], row);
  }

  #reject(): undefined {
    this.#rejectedSeries++;
    return undefined;
  }

  /** Registers the series of a record in shard 0's memory. */
  registerLogged(payload: number, size: number): void {
    for (const table of this.#tables) table.loggedFrom ??= table.shard.head.seriesCount;
    if (this.#tables.length === 1) {
      this.#registerLoggedInPlace(payload, size);
      return;
    }
    const bytes = this.#tables[0].shard.kernel.u8.slice(payload, payload + size);
    visitLogSeries(bytes, (seriesId, accountId, projectId, labelsOffset, labelsSize) => {
      this.register(seriesId, accountId, projectId, bytes.subarray(labelsOffset, labelsOffset + labelsSize));
    });
  }

  /** As above, for the only shard: the label runs are read where they lie. */
  #registerLoggedInPlace(payload: number, size: number): void {
    const { shard, ids, persisted } = this.#tables[0];
    const view = new DataView(shard.kernel.memory.buffer, payload, size);
    for (let at = 0; at + 16 <= size; ) {
      const seriesId = view.getUint32(at, true);
      const labelsSize = view.getUint32(at + 12, true);
      if (labelsSize > size - at - 16) return;
      this.#nextSeriesId = Math.max(this.#nextSeriesId, seriesId + 1); // an id is used up even if there is no room for its series now
      const seriesIndex = seriesId === 0 || seriesId > this.#idMax ? -1
        : shard.head.register(payload + at + 16, labelsSize, view.getUint32(at + 4, true), view.getUint32(at + 8, true), seriesId);
      if (seriesIndex < 0) this.#rejectedSeries++;
      else {
        ids.set(seriesId, seriesIndex);
        this.#takePersisted(shard, persisted, seriesId, seriesIndex);
      }
      at += 16 + Math.ceil(labelsSize / 8) * 8;
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
    for (const rows of segment.batches()) {
      for (let i = 0; i < rows.rowCount; i++) known.add(rows.seriesIds[i]);
      if (this.#tables.length === 1) this.#registerRows(rows, partDays);
      else for (let i = 0; i < rows.rowCount; i++) this.#registerRow(rows, i, partDays);
    }
  }

  #registerRow(rows: IndexRows, i: number, partDays: readonly number[]): void {
    const found = this.register(rows.seriesIds[i], rows.accountIds[i], rows.projectIds[i], rows.labels.subarray(rows.labelOffsets[i], rows.labelOffsets[i + 1]));
    // The segment does not know samples that came after it was written, and these may be of any day.
    if (found !== undefined) for (const day of partDays) found.shard.index.touchDay(found.seriesIndex, day);
  }

  /** Registers rows with the only shard, as many at a time as the staging area takes. */
  #registerRows(rows: IndexRows, partDays: readonly number[]): void {
    const [minDay, maxDay] = partDays.length === 0 ? [1, 0] : partDays;
    for (let i = 0; i < rows.rowCount; i++) this.#nextSeriesId = Math.max(this.#nextSeriesId, rows.seriesIds[i] + 1);
    for (let from = 0; from < rows.rowCount; ) {
      let to = from;
      while (to < rows.rowCount && to - from < stagedRowsMax && rows.labelOffsets[to + 1] - rows.labelOffsets[from] <= stagingBytes) to++;
      if (to === from) {
        this.#registerRow(rows, from, partDays);
        from++;
        continue;
      }
      this.#registerStaged(rows, from, to, minDay, maxDay);
      from = to;
    }
  }

  #registerStaged(rows: IndexRows, from: number, to: number, minDay: number, maxDay: number): void {
    const { shard, staging, stagedOffsets, stagedIds, stagedTenants, ids } = this.#tables[0];
    const { u8, u32 } = shard.kernel;
    const base = rows.labelOffsets[from];
    u8.set(rows.labels.subarray(base, rows.labelOffsets[to]), staging);
    for (let i = from; i <= to; i++) u32[stagedOffsets / 4 + i - from] = rows.labelOffsets[i] - base;
    u32.set(rows.seriesIds.subarray(from, to), stagedIds / 4);
    ids.makeRoom(rows.seriesIds.subarray(from, to));
    for (let i = from; i < to; i++) {
      u32[stagedTenants / 4 + (i - from) * 2] = rows.accountIds[i];
      u32[stagedTenants / 4 + (i - from) * 2 + 1] = rows.projectIds[i];
    }
    const staged = { labels: staging, offsets: stagedOffsets, seriesIds: stagedIds, tenants: stagedTenants };
    this.#rejectedSeries += shard.head.registerRows(staged, to - from, minDay, maxDay, ids);
  }
}
