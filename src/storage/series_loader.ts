/**
 * Fills the heads and live indexes of a starting store: series from partition indexes and log records, samples from log records. Its tables
 * (seriesId -> seriesIndex, rows already in parts) live in shard memory, where the replay kernel reads them, and become chunks afterwards.
 */
import type { Logger } from "../base/logger.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { headChunkBytes } from "../kernel/head.ts";
import { visitLogSeries } from "./log_payload.ts";
import type { ManifestPartition } from "./manifest_state.ts";
import { IndexSegment } from "./partition_index.ts";
import { SeriesSet } from "./series_set.ts";
import type { Shard } from "./shard.ts";

const dayMs = 86_400_000;

/** Tables of one shard: u32 seriesIndex + 1 by seriesId - 1, f64 log row by seriesIndex. */
interface ShardTables {
  readonly shard: Shard;
  readonly indexOfId: number;
  readonly persisted: number;
  /** Where a record or label run is copied to when it lies elsewhere. */
  readonly staging: number;
}

const stagingBytes = 4 << 20;

export class SeriesLoader {
  readonly #tables: readonly ShardTables[];
  readonly #idCount: number;
  readonly #areas: { shard: Shard; pointer: number; sizeBytes: number }[] = [];
  #nextSeriesId: number;
  #rejectedSeries = 0;

  constructor(shards: readonly Shard[], seriesMax: number, nextSeriesId: number) {
    this.#nextSeriesId = nextSeriesId;
    // Ids above the manifest's are in the log only, so there are at most as many as the shards can hold.
    this.#idCount = nextSeriesId + seriesMax * shards.length + 1;
    this.#tables = shards.map((shard) => ({
      shard,
      indexOfId: this.allocate(shard, this.#idCount * 4),
      persisted: this.allocate(shard, seriesMax * 8),
      staging: this.allocate(shard, stagingBytes),
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
  }

  /** Registers one series; `run` is a label run at this place in shard `from`'s memory, or plain bytes. */
  register(seriesId: number, accountId: number, projectId: number, run: Uint8Array): { shard: Shard; seriesIndex: number } | undefined {
    this.#nextSeriesId = Math.max(this.#nextSeriesId, seriesId + 1); // an id is used up even if there is no room for its series now
    if (run.length > stagingBytes || seriesId > this.#idCount || seriesId === 0) return this.#reject();
    const first = this.#tables[0];
    first.shard.kernel.u8.set(run, first.staging);
    const shardNumber = this.#tables.length === 1 ? 0 : first.shard.head.shardOf(first.staging, run.length, accountId, projectId, this.#tables.length);
    const { shard, staging, indexOfId } = this.#tables[shardNumber];
    if (shardNumber !== 0) shard.kernel.u8.set(run, staging);
    const seriesIndex = shard.head.register(staging, run.length, accountId, projectId, seriesId);
    if (seriesIndex < 0) return this.#reject();
    shard.kernel.u32[indexOfId / 4 + seriesId - 1] = seriesIndex + 1;
    return { shard, seriesIndex };
  }

  #reject(): undefined {
    this.#rejectedSeries++;
    return undefined;
  }

  /** Registers the series of a record in shard 0's memory. */
  registerLogged(payload: number, size: number): void {
    const bytes = this.#tables[0].shard.kernel.u8.slice(payload, payload + size);
    visitLogSeries(bytes, (seriesId, accountId, projectId, labelsOffset, labelsSize) => {
      this.register(seriesId, accountId, projectId, bytes.subarray(labelsOffset, labelsOffset + labelsSize));
    });
  }

  /** Rows of these series up to the given ones are in parts. */
  markPersisted(seriesIds: Uint32Array, logRows: Float64Array): void {
    for (let i = 0; i < seriesIds.length; i++) {
      for (const { shard, indexOfId, persisted } of this.#tables) {
        const seriesIndex = shard.kernel.u32[indexOfId / 4 + seriesIds[i] - 1] - 1;
        if (seriesIndex < 0) continue;
        const at = persisted / 8 + seriesIndex;
        shard.kernel.f64[at] = Math.max(shard.kernel.f64[at], logRows[i]);
      }
    }
  }

  /** Replays a samples record in shard 0's memory into all heads; each takes the rows of its series. */
  replaySamples(payload: number, size: number): void {
    for (const [number, { shard, indexOfId, persisted, staging }] of this.#tables.entries()) {
      let source = payload;
      if (number > 0) {
        shard.kernel.u8.set(this.#tables[0].shard.kernel.u8.subarray(payload, payload + size), staging);
        source = staging;
      }
      for (let row = 0; ; ) {
        const step = shard.head.replay(source, row, indexOfId, this.#idCount, persisted);
        if (step.stop === "done") break;
        row = step.row;
        shard.head.growForReplay();
      }
      shard.head.closeFullSeal();
    }
  }

  /** Series that have samples nowhere may be known from log records only, which are cut some day. */
  forgetUnused(): void {
    for (const { shard } of this.#tables) shard.head.forgetLogged(0, shard.head.seriesCount, 1);
  }

  /** Registers the series of a partition's index; returns the set of their ids. A damaged segment is reported and left out. */
  loadPartition(files: FileSystem, path: string, partition: ManifestPartition, logger: Logger): Uint8Array {
    const known = new SeriesSet();
    const minDay = Math.floor(partition.parts.reduce((min, part) => Math.min(min, part.minMs), Infinity) / dayMs);
    const maxDay = Math.floor(partition.parts.reduce((max, part) => Math.max(max, part.maxMs), 0) / dayMs);
    for (const segment of partition.indexSegments) {
      try {
        this.#loadSegment(files, `${path}/${segment.files[0]}`, [minDay, maxDay], known);
      } catch (error) {
        logger.error(`cannot read ${path}/${segment.files[0]}, its series are missing: ${String(error)}`);
      }
    }
    return known.bits;
  }

  #loadSegment(files: FileSystem, path: string, partDays: readonly number[], known: SeriesSet): void {
    using segment = IndexSegment.open(files, path);
    for (const rows of segment.batches()) {
      for (let i = 0; i < rows.rowCount; i++) {
        const run = rows.labels.subarray(rows.labelOffsets[i], rows.labelOffsets[i + 1]);
        const found = this.register(rows.seriesIds[i], rows.accountIds[i], rows.projectIds[i], run);
        known.add(rows.seriesIds[i]);
        if (found === undefined) continue;
        found.shard.index.touchDay(found.seriesIndex, Math.floor(rows.minMs[i] / dayMs));
        // The segment does not know samples that came after it was written, and these may be of any day.
        for (const day of partDays) if (Number.isFinite(day)) found.shard.index.touchDay(found.seriesIndex, day);
      }
    }
  }
}
