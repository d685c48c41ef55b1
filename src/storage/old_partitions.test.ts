// A store that has only the series of recent months in its live index answers like one that has all of them: samples, names, values and label sets over
// years, while series of old months come back under new ids, late samples arrive, segments are merged, and a tiny budget drops what was loaded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { compareBytewise, compareLabels, type Labels, labelsOf } from "../model/labels.ts";
import { defaultTenant, type Matcher, type Selector } from "../model/matcher.ts";
import { compileMatcher } from "../model/regexp.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { TimeRange } from "../model/store.ts";
import { openTestStore, type TestStoreOptions } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { LocalStore } from "./local_store.ts";
import { partitionOf } from "./partition.ts";

const nowMs = Date.parse("2025-06-20T12:00:00Z");
const dayMs = 86_400_000;
const monthMs = 30 * dayMs;
const months = 30;
/** May and June are live. */
const liveIndexMs = 35 * dayMs;

interface Series {
  readonly labels: Labels;
  /** Times with samples; the value is the time. */
  readonly timesMs: number[];
}

/** What was written, by label set. */
class Model {
  readonly #series = new Map<string, Series>();

  add(labels: Labels, timeMs: number): void {
    const key = JSON.stringify(labels);
    const series = this.#series.get(key) ?? { labels, timesMs: [] };
    series.timesMs.push(timeMs);
    this.#series.set(key, series);
  }

  /** Series with samples in the range. */
  select(selector: Selector, { minMs, maxMs }: TimeRange): Series[] {
    const tests = selector.map((group) => group.map(({ name, op, value }) => ({ name, test: compileMatcher(op, value) })));
    const found: Series[] = [];
    for (const { labels, timesMs } of this.#series.values()) {
      const valueOf = (name: string): string => labels.find((label) => label.name === name)?.value ?? "";
      if (!tests.some((group) => group.every(({ name, test: matches }) => matches(valueOf(name))))) continue;
      const inside = timesMs.filter((timeMs) => timeMs >= minMs && timeMs <= maxMs);
      if (inside.length > 0) found.push({ labels, timesMs: inside.sort((a, b) => a - b) });
    }
    return found.sort((left, right) => compareLabels(left.labels, right.labels));
  }
}

async function write(store: LocalStore, model: Model, samples: readonly { labels: Labels; timeMs: number }[]): Promise<void> {
  const builder = new RowBatchBuilder();
  for (const { labels, timeMs } of samples) {
    builder.addSeries(labels, Float64Array.of(timeMs), Float64Array.of(timeMs));
    model.add(labels, timeMs);
  }
  assert.equal((await store.write(builder.build())).acceptedSamples, samples.length);
}

async function read(store: LocalStore, selector: Selector, range: TimeRange): Promise<Series[]> {
  const series: Series[] = [];
  const found = await store.search({ tenant: defaultTenant, selector, range });
  for await (const batch of found.batches) {
    for (let i = 0; i < batch.seriesCount; i++) {
      const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
      if (from === to) continue;
      assert.deepEqual(batch.values.slice(from, to), batch.timestampsMs.slice(from, to));
      series.push({ labels: batch.labels(i), timesMs: [...batch.timestampsMs.subarray(from, to)] });
    }
  }
  assert.equal(found.isPartial(), false);
  return series.sort((left, right) => compareLabels(left.labels, right.labels));
}

/** Pods live for a few months, nodes for ever, some services come and go. */
function labelsAt(random: Random, month: number): Labels {
  const kind = random.int(3);
  if (kind === 0) return labelsOf({ __name__: "cpu", node: `node-${random.int(10)}` });
  if (kind === 1) return labelsOf({ __name__: "cpu", pod: `pod-${month - random.int(3)}-${random.int(6)}`, zone: random.int(2) === 0 ? "a" : "b" });
  return labelsOf({ __name__: "requests", service: `service-${random.int(20)}`, ...(month % 7 === random.int(7) ? { canary: "yes" } : {}) });
}

function samplesAt(random: Random, month: number, count: number): { labels: Labels; timeMs: number }[] {
  return Array.from({ length: count }, () => ({ labels: labelsAt(random, month), timeMs: nowMs - (months - 1 - month) * monthMs - random.int(monthMs) }));
}

const selectors: readonly Selector[] = [
  [[]],
  [[{ name: "__name__", op: "=", value: "cpu" }]],
  [[{ name: "node", op: "=~", value: "node-[1-3]" }]],
  [[{ name: "pod", op: "=~", value: "pod-1.*" }, { name: "zone", op: "!=", value: "a" }]],
  [[{ name: "__name__", op: "=", value: "cpu" }, { name: "pod", op: "=", value: "" }]],
  [[{ name: "service", op: "!~", value: "service-1.*" }, { name: "service", op: "!=", value: "" }]],
  [[{ name: "canary", op: "=", value: "yes" }], [{ name: "pod", op: "=~", value: ".+-3" }]],
  [[{ name: "service", op: "=", value: "service-7" }]],
];

function randomRange(random: Random): TimeRange {
  const minMs = nowMs - random.int(months * monthMs + monthMs);
  const spans = [dayMs, monthMs, 6 * monthMs, months * monthMs];
  return random.int(8) === 0 ? { minMs: -Infinity, maxMs: Infinity } : { minMs, maxMs: minMs + random.int(spans[random.int(spans.length)]) };
}

async function checkAnswers(store: LocalStore, model: Model, random: Random, rounds: number, context: string): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const selector = selectors[random.int(selectors.length)];
    const range = randomRange(random);
    const expected = model.select(selector, range);
    const what = `${context}, ${JSON.stringify(selector)} ${JSON.stringify(range)}`;
    assert.deepEqual(await read(store, selector, range), expected, what);
    await checkLabels(store, model, selector, range, random.int(3) === 0 ? 1 + random.int(5) : 0, what);
  }
}

/** Live series are found by their first and last day and old ones by month, so more than what has samples in the range may be there; but nothing that does not match. */
async function checkLabels(store: LocalStore, model: Model, selector: Selector, range: TimeRange, limit: number, what: string): Promise<void> {
  const request = { tenant: defaultTenant, selector, range, limit: 0 };
  const anyTime = { minMs: -Infinity, maxMs: Infinity };
  const [least, most] = [model.select(selector, range), model.select(selector, anyTime)];
  const namesOf = (series: readonly Series[]): string[] => [...new Set(series.flatMap(({ labels }) => labels.map(({ name }) => name)))];
  const podsOf = (series: readonly Series[]): string[] => [...new Set(series.flatMap(({ labels }) => labels.filter(({ name }) => name === "pod").map(({ value }) => value)))];
  const setsOf = (series: readonly Series[]): string[] => series.map(({ labels }) => JSON.stringify(labels));
  const names = await store.labelNames(request);
  const pods = await store.labelValues("pod", request);
  const sets = await store.series(request);
  assert.deepEqual(sets, sets.toSorted(compareLabels), `${what}: label sets are sorted`);
  for (const [found, min, max] of [[names, namesOf(least), namesOf(most)], [pods, podsOf(least), podsOf(most)], [sets.map((set) => JSON.stringify(set)), setsOf(least), setsOf(most)]]) {
    assert.equal(new Set(found).size, found.length, `${what}: nothing twice`);
    for (const item of min) assert.ok(found.includes(item), `${what}: ${item} is missing`);
    for (const item of found) assert.ok(max.includes(item), `${what}: ${item} does not match`);
  }
  for (const strings of [names, pods]) assert.deepEqual(strings, strings.toSorted(compareBytewise));
  if (limit === 0) return;
  assert.deepEqual(await store.labelNames({ ...request, limit }), names.slice(0, limit), what);
  assert.deepEqual(await store.labelValues("pod", { ...request, limit }), pods.slice(0, limit), what);
  // Any label sets, in their order.
  const some = await store.series({ ...request, limit });
  const texts = new Set(some.map((set) => JSON.stringify(set)));
  assert.equal(texts.size, Math.min(limit, sets.length), what);
  assert.deepEqual(some, sets.filter((set) => texts.has(JSON.stringify(set))), what);
}

/** A directory with a sample or several of many series in each of the months. */
async function createHistory(random: Random, model: Model, shardCount: number): Promise<MemoryFileSystem> {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { nowMs, shardCount });
  for (let month = 0; month < months; month++) {
    await write(store, model, samplesAt(random, month, 60));
    if (random.int(4) === 0) await store.flush();
  }
  if (random.int(2) === 0) await store.merge();
  await store[Symbol.asyncDispose]();
  return files;
}

for (const { shardCount, indexCacheBytes } of [{ shardCount: 1, indexCacheBytes: 64 << 20 }, { shardCount: 2, indexCacheBytes: 20_000 }]) {
  test(`old partitions: answers over years with a small live index, ${shardCount} shard(s), ${indexCacheBytes} bytes of cache`, async () => {
    const random = seededRandom(testSeed() + shardCount);
    const model = new Model();
    const files = await createHistory(random, model, shardCount);
    const options: TestStoreOptions = { nowMs, shardCount, indexCacheBytes, liveIndexMs, onUnreadable: (path, error) => assert.fail(`${path}: ${String(error)}`) };
    let store = await openTestStore(files, options);
    const everything = model.select([[]], { minMs: -Infinity, maxMs: Infinity }).length;
    assert.ok(store.stats().seriesCount < everything / 3, `${store.stats().seriesCount} of ${everything} series are live`);
    await checkAnswers(store, model, random, 10, "reopened");
    for (let i = 0; i < 4; i++) {
      // Series come back now, and get late samples in months whose index is not in memory.
      await write(store, model, [...samplesAt(random, months - 1, 20), ...samplesAt(random, random.int(months), 20)]);
      for (let k = 0; k < 10; k++) await write(store, model, [{ labels: labelsAt(random, random.int(months)), timeMs: nowMs - random.int(dayMs) }]);
      if (random.int(2) === 0) await store.flush();
      if (random.int(3) === 0) await store.merge();
      await checkAnswers(store, model, random, 6, `step ${i}`);
      if (i % 2 === 0) continue;
      await store[Symbol.asyncDispose]();
      store = await openTestStore(files, { ...options, liveIndexMs: i === 3 ? 400 * dayMs : liveIndexMs });
      await checkAnswers(store, model, random, 6, `reopened after step ${i}`);
    }
    assert.ok(store.stats().indexCache.loads > 10);
    assert.ok(store.stats().indexCache.loadedBytes <= indexCacheBytes);
    assert.equal(store.stats().readers, 0);
    await store[Symbol.asyncDispose]();
  });
}

test("old partitions: a search keeps the segments of its snapshot while they are merged away", async () => {
  const random = seededRandom(testSeed());
  const model = new Model();
  const files = await createHistory(random, model, 1);
  const store = await openTestStore(files, { nowMs, liveIndexMs });
  const selector: Selector = [[{ name: "__name__", op: "=", value: "cpu" }]];
  const range = { minMs: 0, maxMs: nowMs };
  const expected = model.select(selector, range);
  const found = await store.search({ tenant: defaultTenant, selector, range });
  await store.write(new RowBatchBuilder().build());
  await store.merge();
  assert.equal(store.stats().readers, 1);
  let samples = 0;
  for await (const batch of found.batches) samples += batch.timestampsMs.length;
  assert.equal(found.isPartial(), false);
  assert.equal(samples, expected.reduce((sum, { timesMs }) => sum + timesMs.length, 0));
  assert.equal(store.stats().readers, 0);
  assert.deepEqual(await read(store, selector, range), expected);
  await store[Symbol.asyncDispose]();
});

test("old partitions: a damaged segment makes the answer partial, the others are served", async () => {
  const random = seededRandom(testSeed());
  const model = new Model();
  const files = await createHistory(random, model, 1);
  const { name } = partitionOf(nowMs - 12 * monthMs);
  const directory = `/data/partitions/${name}/index`;
  for (const file of files.list(directory)) files.corrupt(`${directory}/${file}`, 100, 0xff);
  const reported: string[] = [];
  const store = await openTestStore(files, { nowMs, liveIndexMs, onUnreadable: (path) => reported.push(path) });
  const range = { minMs: 0, maxMs: nowMs };
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range });
  let series = 0;
  for await (const batch of found.batches) series += batch.seriesCount;
  assert.equal(found.isPartial(), true);
  const all = model.select([[]], range).length;
  assert.ok(series > all / 2 && series < all, `${series} of ${all} series`);
  assert.ok(reported.length > 0 && reported.every((path) => path.startsWith(directory)));
  assert.ok((await store.labelValues("pod", { tenant: defaultTenant, selector: [[]], range, limit: 0 })).length > 20);
  await store[Symbol.asyncDispose]();
});

test("old partitions: more series than the budget are refused", async () => {
  const model = new Model();
  const files = await createHistory(seededRandom(testSeed()), model, 1);
  const store = await openTestStore(files, { nowMs, liveIndexMs });
  const request = { tenant: defaultTenant, selector: [[]] as readonly (readonly Matcher[])[], range: { minMs: 0, maxMs: nowMs } };
  const count = model.select([[]], request.range).length;
  const drain = async (seriesMax: number): Promise<void> => {
    const found = await store.search({ ...request, budget: { seriesMax, samplesMax: Infinity } });
    for await (const _ of found.batches);
  };
  await drain(count);
  await assert.rejects(drain(count - 1), /matches \d+ series, the limit is/);
  assert.equal(store.stats().readers, 0);
  await store[Symbol.asyncDispose]();
});
