// Shows what merging does on good and bad days: background and final merges come by themselves, wait for room on the disk, and survive crashes; what cannot
// be read is left out or put aside and kept, and a disk that recovers costs nothing.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { FaultyFileSystem } from "../disk/faulty_file_system.ts";
import { readFile } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { simulateCrashes } from "../../testkit/crash_simulation.ts";
import { openTestStore, type TestStoreOptions } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { decodeManifest, type ManifestState } from "./manifest_state.ts";
import type { LocalStore } from "./local_store.ts";

const nowMs = Date.UTC(2023, 10, 14);
const monthAgoMs = Date.UTC(2023, 9, 20);
const hourMs = 3_600_000;
const dayMs = 86_400_000;
const all = { tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 4e12 } };

function rows(seriesCount: number, timestampMs: number, samples = 1): ReturnType<RowBatchBuilder["build"]> {
  const builder = new RowBatchBuilder();
  const timestampsMs = Float64Array.from({ length: samples }, (_, k) => timestampMs + k * 1000);
  for (let i = 0; i < seriesCount; i++) builder.addSeries(labelsOf({ __name__: "m", i: String(i) }), timestampsMs, timestampsMs.map((_, k) => i * 1000 + k));
  return builder.build();
}

async function countSamples(store: LocalStore): Promise<{ samples: number; isPartial: boolean }> {
  const found = await store.search(all);
  let samples = 0;
  for await (const batch of found.batches) samples += batch.timestampsMs.length;
  return { samples, isPartial: found.isPartial() };
}

function manifestOf(files: MemoryFileSystem): ManifestState {
  return decodeManifest(readFile(files, "/data/manifest"), "manifest");
}

async function settle(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time goes on, and what the store does by itself is done. */
async function pass(clock: SimulatedClock, byMs: number, steps = 10): Promise<void> {
  for (let i = 0; i < steps; i++) {
    clock.advance(byMs / steps);
    await settle(10);
  }
}

function collectingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const add = (message: string): void => void lines.push(message);
  return { logger: { info: add, warn: add, error: add }, lines };
}

/** `seals` parts of `seriesCount` series with `samples` samples each, at successive times. */
async function seal(store: LocalStore, seals: number, seriesCount: number, timestampMs: number, samples = 1): Promise<void> {
  for (let i = 0; i < seals; i++) {
    await store.write(rows(seriesCount, timestampMs + i * 100_000, samples));
    await store.flush();
  }
}

test("merges: parts are merged in the background, eight at a time", async () => {
  const files = new MemoryFileSystem();
  const clock = new SimulatedClock(nowMs);
  await using store = await openTestStore(files, { clock });
  await seal(store, 7, 20, nowMs - dayMs);
  await pass(clock, 10_000);
  assert.equal(store.stats().partCount, 7);
  await seal(store, 1, 20, nowMs - dayMs / 2);
  await pass(clock, 10_000);
  assert.equal(store.stats().partCount, 1);
  assert.equal(store.tableStats.mergesDone, 1);
  assert.deepEqual(await countSamples(store), { samples: 160, isPartial: false });
});

test("merges: a month that is over is merged once, with exact times in its index, restarts or not; what comes late does not rewrite it", async () => {
  const files = new MemoryFileSystem();
  const clock = new SimulatedClock(nowMs);
  const options: TestStoreOptions = { clock };
  {
    await using store = await openTestStore(files, options);
    await seal(store, 3, 20, monthAgoMs);
    await seal(store, 2, 20, nowMs - hourMs);
    await pass(clock, 10_000);
    assert.equal(store.stats().partCount, 5, "it may still be written to");
  }
  await using store = await openTestStore(files, options);
  await pass(clock, 2 * hourMs, 100);
  const october = manifestOf(files).partitions[0];
  assert.equal(october.parts.length, 1);
  assert.equal(october.parts[0].codec, "compact");
  assert.equal(october.finalPartId, october.parts[0].id);
  assert.deepEqual(october.indexSegments.map(({ activityPartId }) => activityPartId), [october.parts[0].id]);
  assert.equal(manifestOf(files).partitions[1].parts.length, 2);
  await seal(store, 1, 20, monthAgoMs + dayMs);
  await pass(clock, 2 * hourMs, 100);
  assert.deepEqual(manifestOf(files).partitions[0].parts.map(({ id }) => id).includes(october.parts[0].id), true);
  assert.deepEqual(await countSamples(store), { samples: 120, isPartial: false });
});

test("merges: are put off with one line while the disk has no room, and done when it has", async () => {
  const files = new MemoryFileSystem();
  const clock = new SimulatedClock(nowMs);
  const { logger, lines } = collectingLogger();
  await using store = await openTestStore(files, { clock, logger, minFreeDiskSpaceBytes: 10_000 });
  await seal(store, 8, 200, nowMs - dayMs, 5);
  files.capacityBytes = files.usedBytes() + 10_100;
  await pass(clock, 60_000, 60);
  assert.equal(store.stats().partCount, 8);
  assert.equal(lines.filter((line) => line.includes("merges are put off")).length, 1);
  await assert.rejects(store.merge(), { code: "disk_full" });
  files.capacityBytes = Infinity;
  await pass(clock, 10_000);
  assert.equal(store.stats().partCount, 1);
});

test("disk space: below the minimum writes are refused with the reason, queries go on, and it recovers by itself", async () => {
  const files = new MemoryFileSystem();
  const clock = new SimulatedClock(nowMs);
  await using store = await openTestStore(files, { clock, minFreeDiskSpaceBytes: 1_000_000 });
  await store.write(rows(10, nowMs - 1000));
  files.capacityBytes = files.usedBytes() + 500_000;
  clock.advance(2000);
  const isRefused = (error: unknown): boolean => error instanceof UnavailableError && error.code === "read_only" && error.message.includes("-storage.minFreeDiskSpaceBytes");
  await assert.rejects(store.write(rows(10, nowMs)), isRefused);
  clock.advance(2000);
  await assert.rejects(store.write(rows(10, nowMs + 1)), isRefused);
  assert.notEqual(store.tableStats.readOnlyReason, "");
  assert.ok((await countSamples(store)).samples >= 10);
  files.capacityBytes = Infinity;
  clock.advance(2000);
  await store.write(rows(10, nowMs + 2));
  assert.equal(store.tableStats.readOnlyReason, "");
});

// ---- damage -------------------------------------------------------------------------------------------------------

/** A store with three sealed parts, and the paths of their block files. */
async function storeWithParts(files: MemoryFileSystem, options: TestStoreOptions): Promise<string[]> {
  await using store = await openTestStore(files, options);
  await seal(store, 3, 100, nowMs - dayMs, 10);
  return manifestOf(files).partitions[0].parts.map(({ id }) => `/data/partitions/2023_11/parts/${id}/blocks.tdp`);
}

test("damage: a merge leaves damaged blocks out, and keeps the part in the quarantine with what is lost", async () => {
  const files = new MemoryFileSystem();
  const { logger, lines } = collectingLogger();
  const [, path] = await storeWithParts(files, { logger });
  const original = readFile(files, path);
  files.corrupt(path, 20, 1);
  const damaged = readFile(files, path);
  await using store = await openTestStore(files, { logger });
  await store.merge();
  const { samples, isPartial } = await countSamples(store);
  assert.equal(isPartial, false);
  assert.ok(samples >= 2000 && samples < 3000, `${samples} samples are left`);
  const [kept] = files.list("/data/quarantine");
  assert.match(kept, /^2023_11-\d+$/);
  assert.deepEqual(readFile(files, `/data/quarantine/${kept}/blocks.tdp`), damaged);
  assert.notDeepEqual(damaged, original);
  assert.match(new TextDecoder().decode(readFile(files, `/data/quarantine/${kept}/reason.txt`)), /blocks cannot be read:\nseries \d+, 2023-11-13T/);
  assert.equal(lines.filter((line) => line.includes("is damaged") && line.includes("the rest was merged")).length, 1);
  assert.equal(store.tableStats.quarantinedParts, 1);
  assert.ok(store.tableStats.damagedBlocks > 0);
  assert.ok(!files.exists(path), "the part left the partition");
});

test("damage: a part that cannot be opened goes to the quarantine when a reader meets it, and answers are whole again", async () => {
  const files = new MemoryFileSystem();
  const { logger, lines } = collectingLogger();
  const [, path] = await storeWithParts(files, { logger });
  files.corrupt(path, files.size(path) - 20, 255);
  await using store = await openTestStore(files, { logger });
  assert.deepEqual(await countSamples(store), { samples: 2000, isPartial: true });
  await settle();
  assert.deepEqual(await countSamples(store), { samples: 2000, isPartial: false });
  assert.equal(store.stats().partCount, 2);
  assert.deepEqual(files.list("/data/quarantine").length, 1);
  assert.equal(lines.filter((line) => line.includes("is kept in")).length, 1);
  await store.merge();
  assert.equal(store.stats().partCount, 1);
});

test("damage: a merge puts a part aside that cannot be opened, and merges the others", async () => {
  const files = new MemoryFileSystem();
  const [, path] = await storeWithParts(files, {});
  files.remove(path);
  await using store = await openTestStore(files);
  await store.merge();
  assert.equal(store.stats().partCount, 1);
  assert.deepEqual(await countSamples(store), { samples: 2000, isPartial: false });
  const kept = files.list("/data/quarantine");
  assert.equal(kept.length, 1);
  assert.ok(files.exists(`/data/quarantine/${kept[0]}/reason.txt`));
});

test("damage: an error of the disk that passes costs nothing", async () => {
  const disk = new MemoryFileSystem();
  const [, path] = await storeWithParts(disk, {});
  const files = new FaultyFileSystem(disk);
  const clock = new SimulatedClock(nowMs);
  await using store = await openTestStore(files, { clock });
  files.plan = (operation) => (operation.path === path && operation.kind === "open" ? { code: "EIO" } : undefined);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await countSamples(store), { samples: 2000, isPartial: true });
    await pass(clock, 15_000);
  }
  files.plan = undefined;
  assert.deepEqual(await countSamples(store), { samples: 3000, isPartial: false });
  assert.ok(!disk.exists("/data/quarantine"));
});

test("damage: an index segment that cannot be read is put aside by a merge, and its series are indexed again with their next samples", async () => {
  const files = new MemoryFileSystem();
  {
    await using store = await openTestStore(files);
    for (let i = 0; i < 3; i++) {
      const builder = new RowBatchBuilder();
      for (let k = 0; k < 20; k++) builder.addSeries(labelsOf({ __name__: `m${i}`, k: String(k) }), Float64Array.of(nowMs - dayMs), Float64Array.of(k));
      await store.write(builder.build());
      await store.flush();
    }
    const segments = manifestOf(files).partitions[0].indexSegments;
    assert.equal(segments.length, 3);
    const path = `/data/partitions/2023_11/${segments[1].files[0]}`;
    files.corrupt(path, 30, 255);
    await store.merge();
    assert.equal(store.tableStats.quarantinedIndexSegments, 1);
    await store.merge();
    const builder = new RowBatchBuilder();
    for (let k = 0; k < 20; k++) builder.addSeries(labelsOf({ __name__: "m1", k: String(k) }), Float64Array.of(nowMs), Float64Array.of(k));
    await store.write(builder.build());
  }
  await using again = await openTestStore(files);
  assert.deepEqual(await countSamples(again), { samples: 80, isPartial: false });
});

// ---- crashes ------------------------------------------------------------------------------------------------------

test("crashes: merges, final merges and the quarantine lose nothing that can be read, and nothing is there twice", { timeout: 120_000 }, async () => {
  const prepared = new MemoryFileSystem();
  {
    await using store = await openTestStore(prepared);
    await seal(store, 3, 8, monthAgoMs, 4);
    await seal(store, 3, 8, nowMs - dayMs, 4);
  }
  const parts = manifestOf(prepared).partitions.map(({ name, parts: [first] }) => `/data/partitions/${name}/parts/${first.id}/blocks.tdp`);
  prepared.corrupt(parts[0], 20, 1);
  prepared.corrupt(parts[1], prepared.size(parts[1]) - 20, 255);
  const { crashCount } = await simulateCrashes({
    seed: testSeed(),
    disk: prepared,
    crashChance: 0.12,
    async run(files) {
      const clock = new SimulatedClock(nowMs);
      const store = await openTestStore(files, { clock });
      await store.merge();
      await pass(clock, 2 * hourMs);
      await store[Symbol.asyncDispose]();
    },
    async check(disk) {
      await using store = await openTestStore(disk, { onUnreadable: () => undefined });
      const { samples } = await countSamples(store);
      assert.ok(samples >= 128 && samples < 160, `${samples} samples`);
      await store.merge();
      assert.deepEqual(await countSamples(store), { samples: 128, isPartial: false });
      assert.equal(store.stats().partCount, 2);
    },
  });
  assert.ok(crashCount > 20);
});
