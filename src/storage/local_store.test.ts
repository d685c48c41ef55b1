// Shows that LocalStore keeps the promises of Store (conformance suite, with one and two shards, in memory, sealed, merged and reopened),
// and that what it acknowledged is there after a crash at any file operation.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { type Labels, labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { Store } from "../model/store.ts";
import { simulateCrashes } from "../../testkit/crash_simulation.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { storeConformance } from "../../testkit/store_conformance.ts";

const nowMs = 1_700_000_000_000;

storeConformance({ name: "local store", nowMs, open: () => openTestStore(new MemoryFileSystem()) });
storeConformance({ name: "local store, two shards", nowMs, open: () => openTestStore(new MemoryFileSystem(), { shardCount: 2 }) });
storeConformance({ name: "local store, sealed", nowMs, open: () => openTestStore(new MemoryFileSystem()), settle: (store) => store.flush() });
storeConformance({ name: "local store, two shards, merged", nowMs, open: () => openTestStore(new MemoryFileSystem(), { shardCount: 2 }), settle: (store) => store.merge() });

/** Everything in a store, by metric name: [timestampMs, value bits], ascending. */
async function readAll(store: Store): Promise<Map<string, [number, bigint][]>> {
  const all = new Map<string, [number, bigint][]>();
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 4e12 } });
  for await (const batch of found.batches) {
    const words = new BigUint64Array(batch.values.buffer as ArrayBuffer, batch.values.byteOffset, batch.values.length);
    for (let i = 0; i < batch.seriesCount; i++) {
      const samples: [number, bigint][] = [];
      for (let k = batch.sampleFrom[i]; k < batch.sampleFrom[i + 1]; k++) samples.push([batch.timestampsMs[k], words[k]]);
      const name = batch.labels(i).find((label) => label.name === "__name__")?.value ?? "";
      assert.ok(!all.has(name), `${name} is yielded once`);
      all.set(name, samples);
    }
  }
  assert.equal(found.isPartial(), false);
  return all;
}

type Model = Map<string, [number, bigint][]>;

const labelsOfName = (name: string): Labels => labelsOf({ __name__: name, job: "test" });

/** A batch of a few series; some samples are months old, some out of order, some stale markers. */
function randomRows(random: Random, seriesCount: number): [string, [number, bigint][]][] {
  return Array.from({ length: 1 + random.int(10) }, () => {
    const samples = Array.from({ length: 1 + random.int(20) }, (): [number, bigint] => {
      const timestampMs = random.int(6) === 0 ? nowMs - random.int(200) * 86_400_000 : nowMs - random.int(100_000);
      return [timestampMs, random.int(5) === 0 ? 0x7ff0000000000002n : BigInt(random.int(1 << 30)) << 22n];
    });
    return [`m${random.int(seriesCount)}`, samples];
  });
}

function batchOf(rows: readonly [string, [number, bigint][]][]): RowBatchBuilder {
  const builder = new RowBatchBuilder();
  for (const [name, samples] of rows) {
    const words = BigUint64Array.from(samples, ([, bits]) => bits);
    builder.addSeries(labelsOfName(name), Float64Array.from(samples, ([timestampMs]) => timestampMs), new Float64Array(words.buffer));
  }
  return builder;
}

function addTo(model: Model, rows: readonly [string, [number, bigint][]][]): void {
  for (const [name, samples] of rows) model.set(name, [...(model.get(name) ?? []), ...samples]);
}

const bySample = (a: [number, bigint], b: [number, bigint]): number => a[0] - b[0] || Number(a[1] - b[1]);

function expectSame(actual: Model, expected: Model, message: string): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort(), message);
  for (const [name, samples] of expected) assert.deepEqual(actual.get(name)?.toSorted(bySample), samples.toSorted(bySample), `${message}, ${name}`);
}

for (const shardCount of [1, 2]) {
  test(`local store: random writes, flushes, merges and reopenings keep every sample, ${shardCount} shard(s)`, async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(seed);
      const files = new MemoryFileSystem();
      const model: Model = new Map();
      let store = await openTestStore(files, { shardCount });
      for (let i = 0; i < 30; i++) {
        const rows = randomRows(random, 30);
        const result = await store.write(batchOf(rows).build());
        addTo(model, rows);
        assert.equal(result.acceptedSamples, rows.reduce((sum, [, samples]) => sum + samples.length, 0));
        const step = random.int(10);
        if (step === 0) await store.flush();
        if (step === 1) await store.merge();
        if (step === 2) {
          await store[Symbol.asyncDispose]();
          store = await openTestStore(files, { shardCount });
        }
        if (step === 3) store = await openTestStore(files.killClone(), { shardCount });
        if (step < 5) expectSame(await readAll(store), model, `seed ${seed}, step ${i}`);
        if (step === 3) return; // the rest of this run would write to another disk
      }
      expectSame(await readAll(store), model, `seed ${seed}`);
      await store[Symbol.asyncDispose]();
    }
  });
}

test("local store: acknowledged samples are there after a crash at any file operation, and nothing twice", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = seededRandom(seed);
    const acknowledged: Model = new Map();
    const attempted: Model = new Map();
    await simulateCrashes({
      seed,
      crashChance: 0.06,
      async run(files) {
        const store = await openTestStore(files);
        for (let i = 0; i < 8; i++) {
          const rows = randomRows(random, 8);
          addTo(attempted, rows);
          await store.write(batchOf(rows).build());
          addTo(acknowledged, rows);
          if (i % 3 === 1) await store.flush();
          if (i === 5) await store.merge();
        }
        await store[Symbol.asyncDispose]();
      },
      async check(disk) {
        const [atLeast, atMost] = [structuredClone(acknowledged), structuredClone(attempted)];
        const store = await openTestStore(disk);
        const found = await readAll(store);
        await store[Symbol.asyncDispose]();
        for (const [name, samples] of atLeast) assert.ok(includesAll(found.get(name) ?? [], samples), `${name} lost acknowledged samples`);
        for (const [name, samples] of found) assert.ok(includesAll(atMost.get(name) ?? [], samples), `${name} has samples nobody wrote, or twice`);
      },
    });
  }
});

/** Whether `all` has every sample of `some`, as often. */
function includesAll(all: readonly [number, bigint][], some: readonly [number, bigint][]): boolean {
  const counts = new Map<string, number>();
  for (const sample of all) counts.set(sample.join(), (counts.get(sample.join()) ?? 0) + 1);
  return some.every((sample) => {
    const left = counts.get(sample.join()) ?? 0;
    counts.set(sample.join(), left - 1);
    return left > 0;
  });
}

test("local store: partitions past the retention are dropped, with their series after a restart", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  await store.write(batchOf([["old", [[nowMs - 400 * 86_400_000, 1n]]], ["new", [[nowMs, 1n]]]]).build());
  await store.flush();
  await store[Symbol.asyncDispose]();
  const later = await openTestStore(files, { retentionMs: 100 * 86_400_000 });
  await later.dropExpired();
  await later[Symbol.asyncDispose]();
  const reopened = await openTestStore(files, { retentionMs: 100 * 86_400_000 });
  assert.deepEqual([...(await readAll(reopened)).keys()], ["new"]);
  assert.deepEqual(files.list("/data/partitions"), ["2023_11"]);
  await reopened[Symbol.asyncDispose]();
});

test("local store: a damaged block is left out and makes the answer partial, the rest is served", async () => {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  const rows = (base: number): [string, [number, bigint][]][] =>
    Array.from({ length: 50 }, (_, i) => [`m${base + i}`, Array.from({ length: 40 }, (_, k): [number, bigint] => [nowMs - k * 1000, BigInt(i * 1000 + k) << 20n])]);
  await store.write(batchOf(rows(0)).build());
  await store.flush();
  await store.write(batchOf(rows(100)).build());
  await store.flush();
  const [first] = files.list("/data/partitions/2023_11/parts");
  files.corrupt(`/data/partitions/2023_11/parts/${first}/blocks.tdp`, 200, 0xff);
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 4e12 } });
  let samples = 0;
  for await (const batch of found.batches) samples += batch.timestampsMs.length;
  assert.equal(found.isPartial(), true);
  assert.ok(samples >= 2000 && samples < 4000, `${samples} samples`);
  await store[Symbol.asyncDispose]();
});
