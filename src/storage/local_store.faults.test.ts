// Shows what LocalStore does on bad days: disks that refuse, readers that stay, memory that is full, partitions that go. Nothing hangs, nothing that
// was acknowledged is lost, nothing is there twice.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { FaultyFileSystem } from "../disk/faulty_file_system.ts";
import type { FileHandle, OpenMode } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { MetricMetadata } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { TimeRange } from "../model/store.ts";
import { openTestStore, type TestStoreOptions } from "../../testkit/local_stores.ts";
import type { LocalStore } from "./local_store.ts";

const nowMs = 1_700_000_000_000; // 2023-11-14
const dayMs = 86_400_000;
const everything: TimeRange = { minMs: 0, maxMs: 4e12 };
const all = { tenant: defaultTenant, selector: [[]], range: everything };

/** One sample for each of `seriesCount` series, or `samples` for each. */
function rows(name: string, seriesCount: number, options: { timestampMs?: number; samples?: number; stepMs?: number } = {}): RowBatchBuilder {
  const { timestampMs = nowMs, samples = 1, stepMs = 1000 } = options;
  const builder = new RowBatchBuilder();
  const timestampsMs = Float64Array.from({ length: samples }, (_, k) => timestampMs + k * stepMs);
  for (let i = 0; i < seriesCount; i++) builder.addSeries(labelsOf({ __name__: name, i: String(i) }), timestampsMs, Float64Array.from(timestampsMs, (_, k) => i + k));
  return builder;
}

async function countSamples(store: LocalStore, range = everything): Promise<number> {
  const found = await store.search({ ...all, range });
  let count = 0;
  for await (const batch of found.batches) count += batch.timestampsMs.length;
  assert.equal(found.isPartial(), false);
  return count;
}

async function countByName(store: LocalStore): Promise<Record<string, number>> {
  const found = await store.search(all);
  const counts: Record<string, number> = {};
  for await (const batch of found.batches) {
    for (let i = 0; i < batch.seriesCount; i++) {
      const name = batch.labels(i)[0].value;
      counts[name] = (counts[name] ?? 0) + batch.sampleFrom[i + 1] - batch.sampleFrom[i];
    }
  }
  return counts;
}

/** A clock that was stopped for a while: no timer falls due meanwhile. */
class JumpingClock extends SimulatedClock {
  #jumpedMs = 0;

  jump(byMs: number): void {
    this.#jumpedMs += byMs;
  }

  override nowMs(): number {
    return super.nowMs() + this.#jumpedMs;
  }
}

/** Some turns of the event loop: whatever can go on without time passing has gone on. */
async function settle(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const done = (): void => void (pending = false);
  promise.then(done, done);
  await settle();
  return pending;
}

/** A disk on which parts cannot be written, while log and manifest can. */
function refuseParts(files: FaultyFileSystem): void {
  files.plan = ({ kind, path }) => (path.includes("/parts/") && kind !== "read" && kind !== "removeTree" ? { code: "ENOSPC" } : undefined);
}

test("faults: writes wait for readers that hold the memory they need, and go on when these end", { timeout: 20_000 }, async () => {
  const store = await openTestStore(new MemoryFileSystem(), { chunkBytesMax: 2 << 20, chunkBudgetBytes: 1 << 20 });
  const { pin } = store.openSnapshot(all);
  const writes = (async () => {
    for (let i = 0; i < 20; i++) await store.write(rows("m", 2000, { timestampMs: nowMs - 100_000 + i * 5000, samples: 4 }).build());
  })();
  assert.equal(await isPending(writes), true);
  store.releaseSnapshot(pin);
  await writes;
  assert.equal(await countSamples(store), 20 * 8000);
  await store[Symbol.asyncDispose]();
});

test("faults: writes that wait too long for readers are refused, and the next ones are taken", { timeout: 20_000 }, async () => {
  const clock = new SimulatedClock(nowMs);
  const store = await openTestStore(new MemoryFileSystem(), { chunkBytesMax: 2 << 20, chunkBudgetBytes: 1 << 20, clock });
  const { pin } = store.openSnapshot(all);
  let accepted = 0;
  const writes = (async () => {
    for (; accepted < 20; accepted++) await store.write(rows(`m${accepted}`, 200, { samples: 64, stepMs: -1000 }).build());
  })();
  assert.equal(await isPending(writes), true);
  clock.advance(60_000);
  await assert.rejects(writes, UnavailableError);
  store.releaseSnapshot(pin);
  await store.write(rows("late", 200).build());
  const counts = await countByName(store);
  for (let i = 0; i < accepted; i++) assert.equal(counts[`m${i}`], 200 * 64);
  assert.equal(counts["late"], 200);
  await store[Symbol.asyncDispose]();
});

test("faults: when parts cannot be written and memory is full, writes are refused with the reason", { timeout: 20_000 }, async () => {
  const files = new FaultyFileSystem(new MemoryFileSystem());
  const clock = new SimulatedClock(nowMs);
  const store = await openTestStore(files, { chunkBytesMax: 2 << 20, chunkBudgetBytes: 1 << 20, clock });
  refuseParts(files);
  let accepted = 0;
  await assert.rejects(async () => {
    for (; accepted < 20; accepted++) await store.write(rows("m", 2000, { timestampMs: nowMs + accepted, samples: 8 }).build());
  }, (error) => error instanceof UnavailableError && /ENOSPC/.test(error.message));
  assert.ok((await countSamples(store)) >= accepted * 16_000);
  files.plan = undefined;
  clock.advance(1000);
  await settle();
  await store.write(rows("late", 200).build());
  await store[Symbol.asyncDispose]();
});

test("faults: a store that cannot seal closes without waiting, and keeps its log", { timeout: 20_000 }, async () => {
  const disk = new MemoryFileSystem();
  const files = new FaultyFileSystem(disk);
  const store = await openTestStore(files);
  await store.write(rows("first", 100).build());
  refuseParts(files);
  const flushing = store.flush();
  flushing.catch(() => undefined);
  await settle();
  await store.write(rows("second", 100).build());
  await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
  await assert.rejects(flushing);
  await using again = await openTestStore(disk);
  assert.deepEqual(await countByName(again), { first: 100, second: 100 });
});

test("faults: a seal that fails while closing takes the later ones with it", { timeout: 20_000 }, async () => {
  const disk = new MemoryFileSystem();
  const files = new FaultyFileSystem(disk);
  const store = await openTestStore(files, { sealChunksMax: 8, chunkBudgetBytes: 128 });
  refuseParts(files);
  // Several seals with the same series; the first one fails last, after the store began to close.
  for (let i = 0; i < 40; i++) await store.write(rows("m", 5, { timestampMs: nowMs + i * 1000, samples: 8, stepMs: 1 }).build());
  const closing = store[Symbol.asyncDispose]();
  let refused = 0;
  files.plan = ({ kind, path }) => (path.includes("/parts/") && kind === "open" && refused++ < 1 ? { code: "ENOSPC" } : undefined);
  await closing;
  await using again = await openTestStore(disk);
  assert.deepEqual(await countByName(again), { m: 40 * 5 * 8 });
});

test("faults: disposing twice waits for the first time", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  await store.write(rows("m", 100).build());
  void store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await using again = await openTestStore(files);
  assert.equal(await countSamples(again), 100);
});

test("faults: a checkpoint cuts the log only when everything is sealed, however long readers hold on", { timeout: 20_000 }, async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { seriesMax: 4096, sealChunksMax: 8, chunkBudgetBytes: 128 });
  await store.write(rows("m", 500).build());
  const { pin } = store.openSnapshot(all);
  for (let i = 1; i <= 5; i++) await store.write(rows("m", 500, { timestampMs: nowMs + i * 1000, samples: 8, stepMs: 1 }).build());
  const flushing = store.flush();
  await isPending(flushing);
  await using again = await openTestStore(files.killClone());
  assert.equal(await countSamples(again), 500 * 41);
  store.releaseSnapshot(pin);
  await flushing;
  await using later = await openTestStore(files.killClone());
  assert.equal(await countSamples(later), 500 * 41);
  await store[Symbol.asyncDispose]();
});

test("faults: a checkpoint that waits for readers does not keep the store from closing", { timeout: 20_000 }, async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { seriesMax: 4096, sealChunksMax: 8, chunkBudgetBytes: 128 });
  const { pin } = store.openSnapshot(all);
  for (let i = 0; i < 5; i++) await store.write(rows("m", 500, { timestampMs: nowMs + i * 1000, samples: 8, stepMs: 1 }).build());
  const flushing = store.flush();
  assert.equal(await isPending(flushing), true);
  const refused = assert.rejects(flushing, UnavailableError);
  await store[Symbol.asyncDispose]();
  await refused;
  store.releaseSnapshot(pin);
  await using again = await openTestStore(files);
  assert.equal(await countSamples(again), 500 * 40);
});

test("faults: chunks are not used again while a reader may be on its way to them", async () => {
  const store = await openTestStore(new MemoryFileSystem());
  await store.write(rows("m", 100).build());
  const before = store.openSnapshot(all);
  await store.flush();
  const after = store.openSnapshot(all); // knows the parts, and stops at the chunks that are about to be freed
  store.releaseSnapshot(before.pin);
  await settle();
  assert.equal(store.stats().headBytes, 100 * 128);
  store.releaseSnapshot(after.pin);
  await settle();
  assert.equal(store.stats().headBytes, 0);
  assert.equal(await countSamples(store), 100);
  await store[Symbol.asyncDispose]();
});

test("faults: a series lives on after its old partitions are gone, and survives a crash", async () => {
  const files = new MemoryFileSystem();
  const retentionMs = 40 * dayMs;
  const clock = new JumpingClock(nowMs);
  const store = await openTestStore(files, { clock, retentionMs });
  await store.write(rows("sleeper", 10).build());
  await store.flush();
  clock.jump(90 * dayMs);
  await store.dropExpired();
  assert.deepEqual(files.list("/data/partitions"), []);
  await store.write(rows("sleeper", 10, { timestampMs: clock.nowMs() }).build());
  await using again = await openTestStore(files.killClone(), { nowMs: clock.nowMs(), retentionMs });
  assert.deepEqual(await countByName(again), { sleeper: 10 });
  await store.flush();
  await store.write(rows("sleeper", 10, { timestampMs: clock.nowMs() + 1 }).build());
  await using later = await openTestStore(files.killClone(), { nowMs: clock.nowMs(), retentionMs });
  assert.deepEqual(await countByName(later), { sleeper: 20 });
  await store[Symbol.asyncDispose]();
});

test("faults: a partition that is past the retention takes no new data with it", async () => {
  const files = new MemoryFileSystem();
  const clock = new JumpingClock(nowMs);
  const store = await openTestStore(files, { clock, retentionMs: 40 * dayMs });
  await store.write(rows("early", 10, { timestampMs: nowMs - 38 * dayMs }).build()); // 2023-10-07
  await store.flush();
  const { pin } = store.openSnapshot(all);
  clock.jump(5 * dayMs);
  await store.dropExpired(); // all samples of October are expired, but October is not over
  await store.write(rows("late", 10, { timestampMs: nowMs - 15 * dayMs }).build()); // 2023-10-30
  await store.flush();
  store.releaseSnapshot(pin);
  await settle();
  assert.equal((await countByName(store))["late"], 10);
  await store[Symbol.asyncDispose]();
  await using again = await openTestStore(files, { nowMs: clock.nowMs(), retentionMs: 40 * dayMs });
  assert.equal((await countByName(again))["late"], 10);
});

test("faults: samples before those that a partition's index knows are found after a restart", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  await store.write(rows("m", 5).build());
  await store.flush();
  await store.write(rows("m", 5, { timestampMs: nowMs - 10 * dayMs }).build());
  await store.flush();
  await store[Symbol.asyncDispose]();
  await using again = await openTestStore(files);
  assert.equal(await countSamples(again, { minMs: nowMs - 11 * dayMs, maxMs: nowMs - 9 * dayMs }), 5);
});

test("faults: fractions of milliseconds are cut, in memory, in parts and in the log", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  const write = (): Promise<unknown> =>
    store.write(new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), Float64Array.of(nowMs + 0.75, nowMs - 0.25, nowMs + 1.5, nowMs - 4e9 + 0.9), Float64Array.of(1, 2, 3, 4)).build());
  const times = async (of: LocalStore): Promise<number[]> => {
    const found = [];
    for await (const batch of (await of.search(all)).batches) found.push(...batch.timestampsMs);
    return found;
  };
  const once = [nowMs - 4e9, nowMs - 1, nowMs, nowMs + 1];
  await write();
  assert.deepEqual(await times(store), once);
  await using replayed = await openTestStore(files.killClone());
  assert.deepEqual(await times(replayed), once);
  await store.flush();
  assert.deepEqual(await times(store), once);
  await store[Symbol.asyncDispose]();
});

test("faults: a label set that is larger than the log's area is dropped and counted", { timeout: 10_000 }, async () => {
  await using store = await openTestStore(new MemoryFileSystem(), { logAreas: { samplesBytes: 4096, seriesBytes: 4096 } });
  const labels = labelsOf({ __name__: "m", huge: "x".repeat(5000) });
  const batch = new RowBatchBuilder().addSeries(labels, Float64Array.of(nowMs), Float64Array.of(1)).addSeries(labelsOf({ __name__: "m" }), Float64Array.of(nowMs), Float64Array.of(1));
  assert.deepEqual(await store.write(batch.build()), { acceptedSamples: 1, droppedSamples: { label_too_long: 1 } });
});

test("faults: a batch that was refused half-way leaves nothing behind that the next one loses", async () => {
  const files = new FaultyFileSystem(new MemoryFileSystem());
  const clock = new SimulatedClock(nowMs);
  const store = await openTestStore(files, { clock, logAreas: { samplesBytes: 4096, seriesBytes: 4096 } });
  files.plan = ({ path, kind }) => (path.includes("/log/") && kind !== "list" ? { code: "ENOSPC" } : undefined);
  await assert.rejects(store.write(rows("refused", 3, { samples: 500, stepMs: 1 }).build()), UnavailableError);
  files.plan = undefined;
  clock.advance(1000);
  await store.write(rows("m", 1, { samples: 400, stepMs: 1 }).build());
  assert.equal((await countByName(store))["m"], 400);
  await store[Symbol.asyncDispose]();
});

test("faults: a series that was registered by a refused batch is in the log before its first sample", async () => {
  const disk = new MemoryFileSystem();
  const files = new FaultyFileSystem(disk);
  const clock = new SimulatedClock(nowMs);
  const store = await openTestStore(files, { clock, logAreas: { samplesBytes: 4096, seriesBytes: 4096 } });
  files.plan = ({ path, kind }) => (path.includes("/log/") && kind !== "list" ? { code: "ENOSPC" } : undefined);
  // 253 rows fit the area, so the last series are registered without a sample.
  await assert.rejects(store.write(rows("m", 40, { samples: 50, stepMs: 1 }).build()), UnavailableError);
  files.plan = undefined;
  clock.advance(1000);
  await store.flush();
  for (let i = 0; i < 40; i++) {
    await store.write(new RowBatchBuilder().addSeries(labelsOf({ __name__: "m", i: String(i) }), Float64Array.of(nowMs + 1000), Float64Array.of(7)).build());
  }
  await using again = await openTestStore(disk.killClone());
  assert.equal(await countSamples(again, { minMs: nowMs + 1000, maxMs: nowMs + 1000 }), 40);
  await store[Symbol.asyncDispose]();
});

/** Counts the files that are open, now and at most. */
class CountingFileSystem extends FaultyFileSystem {
  openPaths: string[] = [];
  openMax = 0;

  override open(path: string, mode: OpenMode): FileHandle {
    const file = super.open(path, mode);
    this.openPaths.push(path);
    this.openMax = Math.max(this.openMax, this.openPaths.length);
    const close = file.close.bind(file);
    let isOpen = true;
    const closeOnce = (): void => {
      if (isOpen) this.openPaths.splice(this.openPaths.indexOf(path), 1);
      isOpen = false;
      close();
    };
    file.close = closeOnce;
    file[Symbol.dispose] = closeOnce;
    return file;
  }
}

test("faults: parts that were merged away are closed, and all of them at the end", async () => {
  const files = new CountingFileSystem(new MemoryFileSystem());
  const clock = new SimulatedClock(nowMs);
  const store = await openTestStore(files, { clock });
  for (let i = 0; i < 5; i++) {
    await store.write(rows("m", 10, { timestampMs: nowMs + i }).build());
    await store.flush();
    assert.equal(await countSamples(store), (i + 1) * 10);
  }
  await store.merge();
  assert.equal(await countSamples(store), 50);
  clock.advance(61_000);
  await settle();
  const parts = files.openPaths.filter((path) => path.includes("/parts/"));
  assert.equal(parts.length, 1, parts.join(" "));
  await store[Symbol.asyncDispose]();
  assert.deepEqual(files.openPaths, []);
});

test("faults: samples of many months at once are sealed with few open files", { timeout: 30_000 }, async () => {
  const files = new CountingFileSystem(new MemoryFileSystem());
  await using store = await openTestStore(files, { retentionMs: nowMs });
  const months = 300;
  const timestampsMs = Float64Array.from({ length: months }, (_, i) => nowMs - i * 31 * dayMs);
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 3; i++) builder.addSeries(labelsOf({ __name__: "m", i: String(i) }), timestampsMs, Float64Array.from(timestampsMs, (_, k) => k));
  await store.write(builder.build());
  await store.flush();
  assert.equal(store.stats().partCount, months);
  assert.ok(files.openMax <= 40, `${files.openMax} files were open`);
  assert.equal(await countSamples(store), 3 * months);
});

test("faults: metadata of any length does not stop checkpoints", async () => {
  await using store = await openTestStore(new MemoryFileSystem());
  const builder = rows("m", 1);
  for (let i = 0; i < 200; i++) {
    const long = "é".repeat(70_000);
    builder.addMetadata({ metricFamily: `${i}${long}`, type: "gauge", help: long, unit: long } satisfies MetricMetadata);
  }
  await store.write(builder.build());
  await store.flush();
});

test("faults: an answer that is never read holds nothing once it is returned", async () => {
  await using store = await openTestStore(new MemoryFileSystem());
  await store.write(rows("m", 1).build());
  const found = await store.search(all);
  await found.batches[Symbol.asyncIterator]().return?.();
  const controller = new AbortController();
  await store.search({ ...all, signal: controller.signal });
  controller.abort();
  assert.equal(store.stats().readers, 0);
});

test("faults: a series with millions of samples is sealed and freed in a time that grows with their number", { timeout: 30_000 }, async () => {
  const options: TestStoreOptions = { sealChunksMax: 65_536, chunkBytesMax: 64 << 20, chunkBudgetBytes: 64 << 20 };
  await using store = await openTestStore(new MemoryFileSystem(), options);
  const count = 1_500_000;
  const timestampsMs = Float64Array.from({ length: count }, (_, i) => nowMs - (count - i) * 1000);
  await store.write(new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), timestampsMs, Float64Array.from(timestampsMs, (_, i) => i % 7)).build());
  assert.equal(await countSamples(store), count);
  await store.flush();
  assert.equal(await countSamples(store), count);
  await settle();
  assert.equal(store.stats().headBytes, 0);
});

test("faults: a backfill in reverse order is kept whole", { timeout: 30_000 }, async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { chunkBytesMax: 4 << 20 });
  const count = 100_000;
  const timestampsMs = Float64Array.from({ length: count }, (_, i) => nowMs - i * 60_000);
  await store.write(new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), timestampsMs, Float64Array.from(timestampsMs, (_, i) => i)).build());
  assert.equal(await countSamples(store), count);
  await using again = await openTestStore(files.crashClone(seededRandom(1)), { chunkBytesMax: 4 << 20 });
  assert.equal(await countSamples(again), count);
  await store[Symbol.asyncDispose]();
});

test("faults: a damaged index segment does not bring samples back a second time that the log still has", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { sealChunksMax: 8, chunkBudgetBytes: 128 });
  // Sealed as soon as a chunk is full, without a checkpoint: parts and log both have them.
  for (let i = 0; i < 10; i++) await store.write(rows("m", 20, { timestampMs: nowMs + i * 1000, samples: 8, stepMs: 1 }).build());
  const disk = files.killClone();
  const names = disk.list("/data/partitions/2023_11/index");
  assert.ok(names.length > 0, "something was sealed");
  for (const name of names) disk.corrupt(`/data/partitions/2023_11/index/${name}`, 20, 1);
  await using again = await openTestStore(disk);
  assert.equal(await countSamples(again), 10 * 20 * 8);
  await store[Symbol.asyncDispose]();
});

test("faults: a part whose log rows are damaged or gone is compared with the log, and nothing is there twice", async () => {
  for (const shardCount of [1, 2]) {
    const files = new MemoryFileSystem();
    const store = await openTestStore(files, { sealChunksMax: 8, chunkBudgetBytes: 128, shardCount });
    for (let i = 0; i < 10; i++) await store.write(rows("m", 20, { timestampMs: nowMs + i * 1000, samples: 8, stepMs: 1 }).build());
    const disk = files.killClone();
    const parts = disk.list("/data/partitions/2023_11/parts");
    assert.ok(parts.length > 2, "something was sealed");
    for (const [i, part] of parts.entries()) {
      const path = `/data/partitions/2023_11/parts/${part}/log_rows.tdp`;
      if (i % 2 === 0) disk.corrupt(path, 20, 1);
      else disk.remove(path);
    }
    const again = await openTestStore(disk);
    assert.equal(await countSamples(again), 10 * 20 * 8);
    await again.merge(); // forgets the log rows, when the log is cut
    assert.equal(await countSamples(again), 10 * 20 * 8);
    await again[Symbol.asyncDispose]();
    await using last = await openTestStore(disk);
    assert.equal(await countSamples(last), 10 * 20 * 8);
    await store[Symbol.asyncDispose]();
  }
});

test("log: records that stand in two segments because a sync failed are replayed once, also when the header that says so is damaged", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  const timestampsMs = Float64Array.of(1_699_999_000_000, 1_699_999_001_000, 1_699_999_002_000);
  await store.write(new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), timestampsMs, Float64Array.of(1, 2, 3)).build());
  const crashed = files.killClone();
  await store[Symbol.asyncDispose]();
  const name = crashed.list("/data/log").at(-1) ?? "";
  const bytes = readFile(crashed, `/data/log/${name}`);
  bytes[20] ^= 1;
  {
    using copy = crashed.open(`/data/log/${(parseInt(name, 16) + 1).toString(16).padStart(8, "0")}.log`, "create");
    copy.write(bytes, 0);
  }
  await using reopened = await openTestStore(crashed);
  const times: number[] = [];
  const found = await reopened.search({ tenant: defaultTenant, selector: [[]], range: everything });
  for await (const batch of found.batches) times.push(...batch.timestampsMs);
  assert.deepEqual(times, [...timestampsMs]);
});

function readFile(files: MemoryFileSystem, path: string): Uint8Array {
  using file = files.open(path, "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  return bytes;
}
