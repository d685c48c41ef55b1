// Shows that the chunks of the head are never in two hands: what is gathered of seals is what was appended, while series fill up unevenly and seals are freed
// late; that chunks which were freed are used again, so that memory does not grow; and that neighbours get neighbouring chunks.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { headContext, headRecordBytes } from "../kernel/head.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { BatchPointers, Seal } from "./head.ts";
import { LargeKernel } from "./large_kernel.ts";
import { gatherScratchBytes, gatherSeal } from "./seal_gather.ts";
import { orderOfSeal } from "./seal_order.ts";
import { Shard, ShardReader } from "./shard.ts";

const seriesCount = 700;

class Store {
  readonly shard = new Shard({
    seriesMax: seriesCount, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId: 1, seriesIdStep: 1, sealChunks: 3, sealChunksMax: 400, chunkBytesMax: 64 << 20,
    scratchBytes: [gatherScratchBytes],
  });
  readonly reader = new ShardReader(this.shard.layout, 0);
  /** Values of each series that are not sealed yet. */
  readonly pending = Array.from({ length: seriesCount }, (): number[] => []);
  /** Seals that were gathered, in order. */
  readonly gathered: Seal[] = [];
  readonly #batch: BatchPointers;
  readonly #log: number;
  #nextValue = 1;

  constructor() {
    const { kernel, head } = this.shard;
    const runs = Array.from({ length: seriesCount }, (_, i) => encodeLabelRun(labelsOf({ __name__: "m", i: String(i) })));
    const labelBase = kernel.allocate(seriesCount * 64);
    runs.forEach((run, i) => kernel.u8.set(run, labelBase + i * 64));
    this.runSizes = runs.map((run) => run.length);
    this.#batch = {
      rows: kernel.allocate(seriesCount * 20), rowCount: 0, labelBase, timestamps: kernel.allocate(seriesCount * 8), values: kernel.allocate(seriesCount * 8), accountId: 0,
      projectId: 0, knownSeries: 0,
    };
    this.#log = kernel.allocate(1 << 20);
    head.nextLogRow = 1;
  }

  readonly runSizes: readonly number[];

  /** Appends one sample to each of these series. */
  append(series: readonly number[]): void {
    const { kernel, head } = this.shard;
    const batch = { ...this.#batch, rowCount: series.length };
    series.forEach((i, row) => {
      kernel.u32.set([i * 64, this.runSizes[i], row, 1, 0], batch.rows / 4 + row * 5);
      kernel.f64[batch.timestamps / 8 + row] = this.#nextValue;
      kernel.f64[batch.values / 8 + row] = this.#nextValue;
      this.pending[i].push(this.#nextValue++);
    });
    head.setLogAreas({ position: this.#log, end: this.#log + (1 << 19) }, { position: this.#log + (1 << 19), end: this.#log + (1 << 20) });
    head.beginBatch();
    for (let row = 0; ; ) {
      const step = head.append(batch, row, 0, 2 ** 50);
      this.gather(head.takeSeals(false));
      if (step.stop === "done") break;
      assert.equal(step.stop, "seal");
      this.freeOldest();
      row = step.row;
    }
  }

  /** Takes what is gathered of the seals out of what is pending. Series ids follow the order of the first appends, so values tell the series. */
  gather(seals: readonly Seal[]): void {
    for (const seal of seals) {
      const ordering = orderOfSeal(this.reader, seal);
      let step = ordering.next();
      while (step.done !== true) step = ordering.next();
      for (const run of gatherSeal(this.reader, seal, step.value, new LargeKernel())) {
        for (let i = 0; i < run.seriesCount; i++) {
          const values = [...run.values.subarray(run.sampleFrom[i], run.sampleFrom[i + 1])];
          const pending = this.pending.find((one) => one[0] === values[0]);
          assert.deepEqual(pending?.splice(0, values.length), values);
        }
      }
      this.gathered.push(seal);
    }
  }

  freeOldest(): void {
    const seal = this.gathered.shift();
    if (seal === undefined) return;
    const middle = seal.entryCount >> 1;
    this.shard.head.unlink(seal, middle, seal.entryCount);
    this.shard.head.unlink(seal, 0, middle);
    this.shard.head.free(seal, 0, middle);
    this.shard.head.free(seal, middle, seal.entryCount);
  }

  /** Address of the newest chunk of each series. */
  newestChunks(): number[] {
    const { u32 } = this.shard.kernel;
    const records = u32[(this.shard.head.context + headContext.records) / 4];
    return Array.from({ length: seriesCount }, (_, i) => u32[(records + i * headRecordBytes) / 4 + 4]);
  }
}

test("chunks are never in two hands, and are used again", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const store = new Store();
  const all = Array.from({ length: seriesCount }, (_, i) => i);
  let sizeBytes = 0;
  for (let round = 0; round < 400; round++) {
    const share = [0.05, 0.5, 1][random.int(3)];
    store.append(all.filter(() => random.next() < share));
    while (store.gathered.length > random.int(3)) store.freeOldest();
    if (round === 200) sizeBytes = store.shard.kernel.sizeBytes;
  }
  assert.equal(store.shard.kernel.sizeBytes, sizeBytes, `seed ${seed}`);
  const { head } = store.shard;
  while (!head.isHandedOver || head.handOver(0, seriesCount) < seriesCount || store.gathered.length > 0) {
    head.handOver(0, seriesCount);
    store.gather(head.takeSeals(true));
    store.freeOldest();
  }
  assert.ok(store.pending.every((values) => values.length === 0), `seed ${seed}`);
  assert.equal(head.usedBytes, 0);
});

test("neighbours get neighbouring chunks, in whatever order chunks were freed", () => {
  const store = new Store();
  const all = Array.from({ length: seriesCount }, (_, i) => i);
  for (let round = 0; round < 24 * 6; round++) {
    store.append(all);
    while (store.gathered.length > 0) store.freeOldest();
  }
  store.append(all); // the first sample of a chunk
  const chunks = store.newestChunks();
  const near = chunks.filter((chunk, i) => i > 0 && chunk - chunks[i - 1] === 128).length;
  assert.ok(near > seriesCount * 0.9, `${near} of ${seriesCount} chunks follow the one before`);
});
