// A batch is split into the rows of each shard: compared with asking for the shard of every row, for batches in the first shard's memory, of a parser with
// a memory of its own, and in plain memory.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { type RowBatch, seriesRow } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { testSeed } from "../../testkit/seed.ts";
import { BatchPlacement } from "./batch_placement.ts";
import type { BatchPointers } from "./head.ts";
import { Shard } from "./shard.ts";

function createShards(count: number): Shard[] {
  return Array.from({ length: count }, (_, number) => new Shard({
    seriesMax: 1000, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId: number + 1, seriesIdStep: count, sealChunks: 15, sealChunksMax: 1 << 16, chunkBytesMax: 1 << 24, scratchBytes: [],
  }));
}

function randomBatch(random: Random): RowBatch {
  const builder = new RowBatchBuilder({ accountId: random.int(2), projectId: 0 });
  for (let row = random.int(120); row > 0; row--) {
    const count = random.int(4);
    const bits = BigUint64Array.from({ length: count }, () => (random.int(4) === 0 ? 0x7ff0000000000002n : BigInt(random.int(1 << 30))));
    const labels = labelsOf({ __name__: `m${random.int(200)}`, x: "y".repeat(random.int(100)) });
    builder.addSeries(labels, Float64Array.from({ length: count }, () => random.int(1e9)), new Float64Array(bits.buffer));
  }
  return builder.build();
}

/** The same batch, in the memory of a kernel, with all of it as its label bytes. */
function inMemoryOf(kernel: Kernel, batch: RowBatch): RowBatch {
  const rows = kernel.allocate(batch.seriesRows.byteLength + 8) / 4;
  const labels = kernel.allocate(batch.labelBytes.length + 8);
  const timestamps = kernel.allocate(batch.sampleCount * 8 + 8) / 8;
  const values = kernel.allocate(batch.sampleCount * 8 + 8) / 8;
  kernel.u32.set(batch.seriesRows, rows);
  for (let i = 0; i < batch.seriesCount; i++) kernel.u32[rows + i * seriesRow.slots] += labels;
  kernel.u8.set(batch.labelBytes, labels);
  kernel.f64.set(batch.timestampsMs, timestamps);
  kernel.f64.set(batch.values, values);
  return {
    ...batch,
    labelBytes: kernel.u8,
    seriesRows: kernel.u32.subarray(rows, rows + batch.seriesRows.length),
    timestampsMs: kernel.f64.subarray(timestamps, timestamps + batch.sampleCount),
    values: kernel.f64.subarray(values, values + batch.sampleCount),
  };
}

/** Rows as text: label run, samples with the bits of their values. */
function rowsOf({ kernel }: Shard, pointers: BatchPointers): string[] {
  const bits = new BigUint64Array(kernel.memory.buffer);
  return Array.from({ length: pointers.rowCount }, (_, i) => {
    const [offset, size, sampleFrom, sampleCount] = kernel.u32.subarray(pointers.rows / 4 + i * seriesRow.slots);
    const run = kernel.u8.slice(pointers.labelBase + offset, pointers.labelBase + offset + size);
    const samples = Array.from({ length: sampleCount }, (__, k) => `${kernel.f64[pointers.timestamps / 8 + sampleFrom + k]}=${bits[pointers.values / 8 + sampleFrom + k]}`);
    return `${Buffer.from(run).toString("latin1")} ${samples.join()}`;
  });
}

test("batch placement: the pieces of all shards are the batch, each row at its shard", () => {
  const random = seededRandom(testSeed());
  for (const shardCount of [2, 3, 7]) {
    const shards = createShards(shardCount);
    const placement = new BatchPlacement(shards);
    const other = new Kernel();
    for (let round = 0; round < 20; round++) {
      const plain = randomBatch(random);
      const batch = [plain, inMemoryOf(shards[0].kernel, plain), inMemoryOf(other, plain)][random.int(3)];
      const { accountId, projectId } = batch.tenant;
      const whole = placement.place(batch);
      const expected = shards.map((): string[] => []);
      rowsOf(shards[0], whole).forEach((row, i) => {
        const [offset, size] = shards[0].kernel.u32.subarray(whole.rows / 4 + i * seriesRow.slots);
        expected[shards[0].head.shardOf(whole.labelBase + offset, size, accountId, projectId, shardCount)].push(row);
      });
      const pieces = placement.split(batch);
      assert.deepEqual(pieces.map((piece, shard) => rowsOf(shards[shard], piece)), expected);
    }
  }
});
