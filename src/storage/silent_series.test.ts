// Series that got no sample for a while, or end in a stale marker, are handed over and hold no chunk when their seal is gone; all others stay.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { headContext, headRecordBytes } from "../kernel/head.ts";
import { labelsOf } from "../model/labels.ts";
import { staleMarkerBits } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { testSeed } from "../../testkit/seed.ts";
import { BatchPlacement } from "./batch_placement.ts";
import type { Seal } from "./head.ts";
import { Shard } from "./shard.ts";
import { SilentSeries } from "./silent_series.ts";

const logBytes = 1 << 20;

function createShard(): { shard: Shard; append: (names: readonly string[], isStale?: boolean) => void } {
  const shard = new Shard({
    seriesMax: 4096, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId: 1, seriesIdStep: 1, sealChunks: 15, sealChunksMax: 1 << 20, chunkBytesMax: 1 << 26, scratchBytes: [],
  });
  const { head, kernel } = shard;
  const log = kernel.allocate(logBytes * 2);
  head.nextLogRow = 1;
  const placement = new BatchPlacement([shard]);
  const append = (names: readonly string[], isStale = false): void => {
    const values = isStale ? new Float64Array(BigUint64Array.of(staleMarkerBits).buffer) : Float64Array.of(1);
    const builder = new RowBatchBuilder();
    for (const name of names) builder.addSeries(labelsOf({ __name__: name }), Float64Array.of(1000), values);
    head.setLogAreas({ position: log, end: log + logBytes }, { position: log + logBytes, end: log + logBytes * 2 });
    head.beginBatch();
    const pointers = placement.place(builder.build());
    let step = head.append(pointers, 0, 0, Infinity);
    while (step.stop === "turn") step = head.append(pointers, step.row, 0, Infinity);
    assert.equal(step.stop, "done");
  };
  return { shard, append };
}

/** Chunks that a series has collected and not handed over. */
function activeChunks({ head, kernel }: Shard, seriesIndex: number): number {
  const records = kernel.u32[(head.context + headContext.records) / 4];
  return kernel.u32[(records + seriesIndex * headRecordBytes) / 4 + 6] & 0xffff;
}

test("silent series: who sends stays, who is silent for five minutes or marked as stale leaves", async () => {
  const { shard, append } = createShard();
  const silent = new SilentSeries({ shards: [shard], sendSeals: () => undefined });
  append(["sends", "stops", "ends"]);
  append(["ends"], true);
  const active = (): number[] => [0, 1, 2].map((series) => activeChunks(shard, series));
  await silent.sweep(0);
  assert.deepEqual(active(), [1, 1, 0]);
  for (let minute = 1; minute <= 4; minute++) {
    append(["sends"]);
    await silent.sweep(minute * 60_000);
  }
  assert.deepEqual(active(), [1, 1, 0]);
  append(["sends"]);
  await silent.sweep(5 * 60_000);
  assert.deepEqual(active(), [1, 0, 0]);
  append(["stops", "ends"]);
  assert.deepEqual(active(), [1, 1, 1]);
});

test("silent series: a seal is made when many chunks have gathered, and then they are free", async () => {
  const { shard, append } = createShard();
  const sent: { force: boolean; seals: Seal[] }[] = [];
  const sendSeals = (head: typeof shard.head, force: boolean): void => void sent.push({ force, seals: head.takeSeals(force) });
  const silent = new SilentSeries({ shards: [shard], sendSeals, silentMs: 60_000 });
  const names = Array.from({ length: 4000 }, (_, i) => `series_${i}`);
  for (let round = 0; round < 65; round++) append(names); // 9 chunks each
  await silent.sweep(0);
  assert.ok(sent.every(({ force, seals }) => !force && seals.length === 0));
  await silent.sweep(60_000);
  const seals = sent.flatMap((call) => call.seals);
  assert.equal(seals.reduce((sum, seal) => sum + seal.chunkCount, 0), 36_000);
  for (const seal of seals) {
    shard.head.unlink(seal, 0, seal.entryCount);
    shard.head.free(seal, 0, seal.entryCount);
  }
  assert.equal(shard.head.usedBytes, 0);
});

test("silent series: the kernel hands over exactly those whose last row is before the given one", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 10; round++) {
    const { shard, append } = createShard();
    const { head } = shard;
    const last = new Map<string, number>();
    let row = 1;
    for (let i = 0; i < 200; i++) {
      const name = `series_${random.int(50)}`;
      const isStale = random.int(10) === 0;
      append([name], isStale);
      last.set(name, isStale ? -1 : row);
      row++;
    }
    const beforeRow = random.int(row + 10);
    const [from, to] = [random.int(last.size), random.int(last.size + 1)].toSorted((a, b) => a - b);
    assert.equal(head.handOverSilent(from, to, beforeRow), to);
    [...last.values()].forEach((lastRow, series) => {
      assert.equal(activeChunks(shard, series) === 0, series >= from && series < to && lastRow < beforeRow, `series ${series}, last row ${lastRow}, before ${beforeRow}`);
    });
  }
});
