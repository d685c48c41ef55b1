// Shows that the number of shards changes no answer: the same writes, flushes, merges, restarts and kills with 1, 2, 3 and 5 shards give equal samples, labels
// and metadata; that the number a directory was made with wins; and that acknowledged samples of all shards survive a crash.
import assert from "node:assert/strict";
import test from "node:test";
import { createLogger } from "../base/logger.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { type Labels, labelsOf } from "../model/labels.ts";
import { defaultTenant, type Selector, type Tenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { LabelsRequest, Store, TimeRange } from "../model/store.ts";
import { simulateCrashes } from "../../testkit/crash_simulation.ts";
import { openTestStore, testProcess } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { LocalStore } from "./local_store.ts";
import { verifyDirectory } from "./verify_directory.ts";

const nowMs = 1_700_000_000_000;
const dayMs = 86_400_000;
const tenants: readonly Tenant[] = [defaultTenant, { accountId: 3, projectId: 9 }];
const everything: TimeRange = { minMs: 0, maxMs: 4e12 };

/** Some hundred series; names, labels and their number vary, so that they spread over all shards. */
function labelsOfSeries(number: number): Labels {
  return labelsOf({ __name__: `m${number % 17}`, job: `job-${number % 5}`, instance: `host-${number}`, ...(number % 3 === 0 ? { zone: `z${number % 4}` } : {}) });
}

/** A batch of one tenant: new and known series, late, double and unordered samples of several months, a label set in two rows. */
function randomBatch(random: Random): RowBatchBuilder {
  const builder = new RowBatchBuilder(tenants[random.int(4) === 0 ? 1 : 0]);
  for (let i = 0; i < 1 + random.int(120); i++) {
    const count = 1 + random.int(12);
    const latestMs = random.int(5) === 0 ? nowMs - random.int(90) * dayMs : nowMs - random.int(100) * 1000;
    const timestampsMs = Float64Array.from({ length: count }, () => latestMs - random.int(20) * 1000);
    const bits = BigUint64Array.from({ length: count }, () => (random.int(9) === 0 ? 0x7ff0000000000002n : BigInt(random.int(1 << 30)) << 20n));
    builder.addSeries(labelsOfSeries(random.int(300)), timestampsMs, new Float64Array(bits.buffer));
  }
  if (random.int(3) === 0) builder.addMetadata({ metricFamily: `m${random.int(17)}`, type: "gauge", help: `help ${random.int(9)}`, unit: "" });
  return builder;
}

/** Samples by tenant and labels, in order of time and bits, as text. */
async function printSamples(store: Store, selector: Selector, range: TimeRange): Promise<string[]> {
  const lines: string[] = [];
  for (const tenant of tenants) {
    const found = await store.search({ tenant, selector, range });
    for await (const batch of found.batches) {
      const words = new BigUint64Array(batch.values.buffer as ArrayBuffer, batch.values.byteOffset, batch.values.length);
      for (let i = 0; i < batch.seriesCount; i++) {
        const samples: string[] = [];
        for (let k = batch.sampleFrom[i]; k < batch.sampleFrom[i + 1]; k++) samples.push(`${batch.timestampsMs[k]}=${words[k].toString(16)}`);
        // A series that is active on a day of the range may have none in it.
        if (samples.length > 0) lines.push(`${tenant.accountId} ${JSON.stringify(batch.labels(i))} ${samples.sort().join(" ")}`);
      }
    }
    assert.equal(found.isPartial(), false);
  }
  return lines.sort();
}

const selectors: readonly Selector[] = [
  [[]],
  [[{ name: "__name__", op: "=", value: "m3" }]],
  [[{ name: "instance", op: "=~", value: "host-1.*" }, { name: "zone", op: "!=", value: "" }], [{ name: "job", op: "=", value: "job-4" }]],
];
const ranges: readonly TimeRange[] = [everything, { minMs: nowMs - 40 * dayMs, maxMs: nowMs - 3 * dayMs }, { minMs: nowMs - 60_000, maxMs: nowMs }];

/** Label sets; with a limit how many, after checking that they are some of all, in their order. */
async function listSeries(store: Store, request: LabelsRequest): Promise<unknown> {
  const found = await store.series(request);
  if (request.limit === 0) return found;
  const all = await store.series({ ...request, limit: 0 });
  const texts = new Set(found.map((labels) => JSON.stringify(labels)));
  assert.deepEqual(found, all.filter((labels) => texts.has(JSON.stringify(labels))));
  assert.equal(found.length, Math.min(request.limit, all.length));
  return found.length;
}

/** Everything that can be asked; limits too, because each shard has only some of the answer. */
async function answersOf(store: Store): Promise<object> {
  const answers: unknown[] = [];
  for (const [i, selector] of selectors.entries()) {
    const range = everything;
    answers.push(await printSamples(store, selector, ranges[i]));
    for (const tenant of tenants) {
      for (const limit of [0, 3]) {
        const request = { tenant, selector, range, limit };
        answers.push(await store.labelNames(request), await store.labelValues("instance", request), await listSeries(store, request));
      }
    }
  }
  answers.push((await store.metadata()).toSorted((left, right) => (left.metricFamily < right.metricFamily ? -1 : 1)));
  return answers;
}

type Step = "write" | "flush" | "merge" | "restart" | "kill";
const steps: readonly Step[] = ["write", "write", "flush", "write", "restart", "write", "kill", "write", "merge", "write", "flush", "write", "kill", "merge"];

test("1, 2, 3 and 5 shards give the same answers", async () => {
  const seed = testSeed();
  let expected: object[] | undefined;
  for (const shardCount of [1, 2, 3, 5]) {
    const random = seededRandom(seed);
    const answers: object[] = [];
    let files = new MemoryFileSystem();
    let store = await openTestStore(files, { shardCount });
    for (const step of steps) {
      if (step === "write") {
        const batch = randomBatch(random).build();
        assert.deepEqual(await store.write(batch), { acceptedSamples: batch.sampleCount, droppedSamples: {} });
      } else if (step === "flush") {
        await store.flush();
      } else if (step === "merge") {
        await store.merge();
      } else {
        if (step === "restart") await store[Symbol.asyncDispose]();
        else files = files.killClone();
        // Another number than that of the directory changes nothing.
        store = await openTestStore(files, { shardCount: shardCount + 1 });
        assert.equal(store.layouts.length, shardCount);
      }
      if (step !== "write") answers.push(await answersOf(store));
    }
    await store[Symbol.asyncDispose]();
    expectSound(files);
    expected ??= answers;
    for (const [i, answer] of answers.entries()) assert.deepEqual(answer, expected[i], `seed ${seed}, ${shardCount} shards, after step ${i}`);
  }
});

function expectSound(files: MemoryFileSystem): void {
  const verification = verifyDirectory({ files, directory: "/data", processes: testProcess(1) });
  let step = verification.next();
  while (step.done !== true) step = verification.next();
  assert.deepEqual(step.value.files.flatMap(({ findings }) => findings), []);
}

test("series spread evenly over shards", async () => {
  const store = await openTestStore(new MemoryFileSystem(), { shardCount: 5 });
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 3000; i++) builder.addSeries(labelsOfSeries(i), Float64Array.of(nowMs), Float64Array.of(i));
  await store.write(builder.build());
  const { series } = store.openSnapshot({ tenant: defaultTenant, selector: [[]], range: everything });
  assert.equal(series.length, 5);
  for (const { length } of series) assert.ok(length > 500 && length < 700, `${length} of 3000 series`);
  await store[Symbol.asyncDispose]();
});

test("the number of shards that a directory was made with wins, and the log says so", async () => {
  const files = new MemoryFileSystem();
  const lines: string[] = [];
  const logger = createLogger({ level: "INFO", format: "default", nowMs: () => 0, write: (line) => lines.push(line) });
  const open = (shardCount: number): Promise<LocalStore> => openTestStore(files, { shardCount, logger });
  await (await open(3))[Symbol.asyncDispose]();
  await (await open(3))[Symbol.asyncDispose]();
  assert.equal(lines.filter((line) => line.includes("shard")).length, 0);
  const store = await open(1);
  assert.equal(store.layouts.length, 3);
  assert.equal(lines.filter((line) => /warn\t\/data was made with 3 shard\(s\) and keeps them; 1 would need a new directory/.test(line)).length, 1);
  await store[Symbol.asyncDispose]();
});

test("acknowledged samples of all shards survive a crash, and none is there twice", async () => {
  const random = seededRandom(testSeed());
  const acknowledged = new Set<string>();
  const attempted = new Set<string>();
  let value = 0;
  await simulateCrashes({
    seed: testSeed(),
    crashChance: 0.006,
    async run(files) {
      const store = await openTestStore(files, { shardCount: 3 });
      for (let i = 0; i < 8; i++) {
        const builder = new RowBatchBuilder();
        const samples = Array.from({ length: 20 }, () => ({ series: random.int(60), timestampMs: nowMs - random.int(60) * dayMs, value: ++value }));
        for (const { series, timestampMs, value } of samples) builder.addSeries(labelsOfSeries(series), Float64Array.of(timestampMs), Float64Array.of(value));
        const keys = samples.map((sample) => `host-${sample.series} ${sample.timestampMs} ${sample.value}`);
        for (const key of keys) attempted.add(key);
        await store.write(builder.build());
        for (const key of keys) acknowledged.add(key);
        if (i % 3 === 1) await store.flush();
        if (i === 5) await store.merge();
      }
      await store[Symbol.asyncDispose]();
    },
    async check(disk) {
      const [least, most] = [new Set(acknowledged), new Set(attempted)];
      const store = await openTestStore(disk, { shardCount: 3 });
      const found: string[] = [];
      for await (const batch of (await store.search({ tenant: defaultTenant, selector: [[]], range: everything })).batches) {
        for (let i = 0; i < batch.seriesCount; i++) {
          const instance = batch.labels(i).find(({ name }) => name === "instance")!.value;
          for (let k = batch.sampleFrom[i]; k < batch.sampleFrom[i + 1]; k++) found.push(`${instance} ${batch.timestampsMs[k]} ${batch.values[k]}`);
        }
      }
      assert.equal(new Set(found).size, found.length, "nothing is there twice");
      assert.deepEqual(found.filter((key) => !most.has(key)), []);
      assert.deepEqual([...least].filter((key) => !found.includes(key)), []);
      await store[Symbol.asyncDispose]();
    },
  });
});
