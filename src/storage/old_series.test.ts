// Series that only an index knows that is not loaded at the start: their samples in the log are not lost, those that are in parts are not replayed twice, and
// late samples for such a month are not indexed a second time.
import assert from "node:assert/strict";
import test from "node:test";
import { type Clock, SimulatedClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { LocalStore } from "./local_store.ts";

const dayMs = 86_400_000;
const februaryMs = Date.parse("2025-02-20T12:00:00Z");
const liveIndexMs = dayMs;

/** A clock that jumps, without the timers of the days between. */
class JumpingClock implements Clock {
  readonly #timers = new SimulatedClock();
  #nowMs = februaryMs;

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#timers.monotonicMs();
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    return this.#timers.setTimer(delayMs, callback);
  }

  jump(byMs: number): void {
    this.#nowMs += byMs;
  }
}

async function write(store: LocalStore, names: readonly string[], timeMs: number): Promise<void> {
  const builder = new RowBatchBuilder();
  for (const name of names) builder.addSeries(labelsOf({ __name__: name }), Float64Array.of(timeMs), Float64Array.of(timeMs));
  await store.write(builder.build());
}

/** Times of all samples by name. */
async function readAll(store: LocalStore): Promise<Record<string, number[]>> {
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 2 ** 45 } });
  const times: Record<string, number[]> = {};
  for await (const batch of found.batches) {
    for (let i = 0; i < batch.seriesCount; i++) {
      const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
      (times[batch.labels(i)[0].value] ??= []).push(...batch.timestampsMs.subarray(from, to));
    }
  }
  assert.equal(found.isPartial(), false);
  return times;
}

for (const shardCount of [1, 2]) {
  test(`old series: a series that comes back while the store runs survives a crash, ${shardCount} shard(s)`, async () => {
    const files = new MemoryFileSystem();
    const clock = new JumpingClock();
    const options = { clock, shardCount, liveIndexMs };
    const running = await openTestStore(files, options);
    const names = ["a", "b", "c", "d"];
    await write(running, names, februaryMs - 1000);
    await running.flush(); // February's index has them, and the log no longer
    clock.jump(40 * dayMs);
    const nowMs = clock.nowMs();
    await write(running, ["a", "c"], nowMs - 1000);
    await write(running, ["new"], nowMs - 500);
    // The crash leaves what was synced, which is all that was acknowledged.
    await using store = await openTestStore(files.crashClone(seededRandom(testSeed())), options);
    const expected: Record<string, number[]> = { new: [nowMs - 500] };
    for (const name of names) expected[name] = [februaryMs - 1000, ...(name === "a" || name === "c" ? [nowMs - 1000] : [])];
    assert.deepEqual(await readAll(store), expected);
    await store.flush();
    assert.deepEqual(await readAll(store), expected);
    await running[Symbol.asyncDispose]();
  });

  test(`old series: samples that are in parts already are not replayed again, ${shardCount} shard(s)`, async () => {
    const files = new MemoryFileSystem();
    const clock = new JumpingClock();
    // A part is sealed for every chunk, without a checkpoint.
    const options = { clock, shardCount, liveIndexMs, sealChunksMax: 1, chunkBudgetBytes: 128 };
    const running = await openTestStore(files, options);
    await write(running, ["a", "b"], februaryMs - 1000);
    await running.flush();
    clock.jump(40 * dayMs);
    const nowMs = clock.nowMs();
    const times = Array.from({ length: 40 }, (_, i) => nowMs - 40_000 + i * 1000);
    for (const timeMs of times) await write(running, ["a", "b"], timeMs);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(running.stats().partCount > 1);
    await using store = await openTestStore(files.crashClone(seededRandom(testSeed())), options);
    assert.deepEqual(await readAll(store), { a: [februaryMs - 1000, ...times], b: [februaryMs - 1000, ...times] });
    await running[Symbol.asyncDispose]();
  });
}

test("old series: late samples of a live series do not add to the index of a month that has it", async () => {
  const files = new MemoryFileSystem();
  const clock = new JumpingClock();
  {
    await using store = await openTestStore(files, { clock, liveIndexMs });
    await write(store, ["a", "b"], februaryMs);
    await store.flush();
    clock.jump(40 * dayMs);
    await write(store, ["a", "b"], clock.nowMs()); // the same ids, in the index of both months
  }
  await using store = await openTestStore(files, { clock, liveIndexMs });
  const segments = files.list("/data/partitions/2025_02/index").length;
  await write(store, ["a", "b"], februaryMs + 1000);
  await store.flush();
  assert.equal(files.list("/data/partitions/2025_02/index").length, segments);
  assert.deepEqual(await readAll(store), { a: [februaryMs, februaryMs + 1000, clock.nowMs()], b: [februaryMs, februaryMs + 1000, clock.nowMs()] });
});
