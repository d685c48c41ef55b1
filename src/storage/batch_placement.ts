/**
 * BatchPlacement: where the rows of a RowBatch lie in the memory of the shard that appends them: where they were built, or in an area that they are
 * copied to.
 */
import { type RowBatch, seriesRow } from "../model/row_batch.ts";
import type { BatchPointers } from "./head.ts";
import type { Shard } from "./shard.ts";

export class BatchPlacement {
  readonly #shards: readonly Shard[];

  constructor(shards: readonly Shard[]) {
    this.#shards = shards;
  }

  /** Pointers to a batch in shard memory: in place when it was built there, otherwise copied (`rows`: only these). */
  place(shard: Shard, batch: RowBatch, rows?: readonly number[]): BatchPointers {
    const { accountId, projectId } = batch.tenant;
    const { kernel } = shard;
    if (rows === undefined && batch.values.buffer === kernel.memory.buffer && batch.labelBytes.buffer === kernel.memory.buffer) {
      return {
        rows: batch.seriesRows.byteOffset,
        rowCount: batch.seriesCount,
        labelBase: batch.labelBytes.byteOffset,
        timestamps: batch.timestampsMs.byteOffset,
        values: batch.values.byteOffset,
        knownSeries: batch.knownSeries?.byteOffset ?? 0,
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
    return { rows: pointers[0], rowCount, labelBase: pointers[1], timestamps: pointers[2], values: pointers[3], knownSeries: 0, accountId, projectId };
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
  split(batch: RowBatch): number[][] {
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
}

function pickRows(seriesRows: Uint32Array, rows: readonly number[]): Uint32Array {
  const picked = new Uint32Array(rows.length * seriesRow.slots);
  rows.forEach((row, i) => picked.set(seriesRows.subarray(row * seriesRow.slots, (row + 1) * seriesRow.slots), i * seriesRow.slots));
  return picked;
}
