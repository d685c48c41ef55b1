// Index segments answer selectors like a look at every label set does: random label sets of several tenants, matchers of all kinds, ranges with exact and
// inexact activity, while a tiny budget drops what was loaded; ids that several segments have, and label sets with several ids; damage.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { ReferenceSeriesIndex } from "../index/series_index_reference.ts";
import { compareBytewise, encodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import type { Matcher, Selector, Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import { testSeed } from "../../testkit/seed.ts";
import { daysOf, partitionOf } from "./partition.ts";
import type { IndexRows } from "./partition_index_format.ts";
import { IndexSegmentWriter } from "./partition_index_writer.ts";
import { runBenchmark } from "./segment_search.bench.ts";
import { SegmentCache } from "./segment_cache.ts";
import { type LabelQuestion, searchStrings } from "./segment_labels.ts";
import { searchSegments, type SegmentRequest, type SeriesLists } from "./segment_search.ts";
import type { IndexSegmentRef } from "./table_client.ts";

const partition = partitionOf(Date.parse("2026-03-10T00:00:00Z"));
const dayMs = 86_400_000;
const tenants: readonly Tenant[] = [{ accountId: 0, projectId: 0 }, { accountId: 3, projectId: 0 }, { accountId: 0, projectId: 4_000_000_000 }];
const anyTime: TimeRange = { minMs: -Infinity, maxMs: Infinity };

interface Row {
  readonly seriesId: number;
  readonly tenant: Tenant;
  readonly labels: Labels;
  readonly minMs: number;
  readonly maxMs: number;
}

function indexRows(rows: readonly Row[]): IndexRows {
  const runs = rows.map((row) => encodeLabelRun(row.labels));
  const labelOffsets = new Uint32Array(rows.length + 1);
  runs.forEach((run, i) => (labelOffsets[i + 1] = labelOffsets[i] + run.length));
  return {
    rowCount: rows.length,
    seriesIds: Uint32Array.from(rows, (row) => row.seriesId),
    accountIds: Uint32Array.from(rows, (row) => row.tenant.accountId),
    projectIds: Uint32Array.from(rows, (row) => row.tenant.projectId),
    minMs: Float64Array.from(rows, (row) => row.minMs),
    maxMs: Float64Array.from(rows, (row) => row.maxMs),
    labels: Buffer.concat(runs),
    labelOffsets,
  };
}

function writeSegment(files: MemoryFileSystem, path: string, rows: readonly Row[], isActivityExact = false): IndexSegmentRef {
  const writer = new IndexSegmentWriter(partition);
  for (let from = 0; from < rows.length; from += 1000) writer.add(indexRows(rows.slice(from, from + 1000)));
  const { rowCount, sizeBytes } = writer.finish(files, path);
  return { partition: partition.name, path, minMs: partition.minMs, maxMs: partition.maxMs, rowCount, sizeBytes, isActivityExact };
}

function createCache(files: MemoryFileSystem, budgetBytes = 64 << 20): SegmentCache {
  return new SegmentCache({ files, seeds: Uint8Array.from({ length: 16 }, (_, i) => i * 11), budgetBytes });
}

function search(cache: SegmentCache, refs: readonly IndexSegmentRef[], request: SegmentRequest, unreadable?: (path: string, error: unknown) => void): SeriesLists {
  const fail = (path: string, error: unknown): void => assert.fail(`${path}: ${String(error)}`);
  const steps = searchSegments(cache, { live: [], aliases: [], indexSegments: refs }, request, unreadable ?? fail);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Ids of all label sets of a search, by their labels. */
function idsByLabels(cache: SegmentCache, lists: SeriesLists): Map<string, number[]> {
  const ids = new Map<string, number[]>();
  const add = (ref: IndexSegmentRef, row: number, seriesIds: readonly number[]): void => {
    const key = JSON.stringify(cache.use(ref, (segment) => segment.labels(row)));
    assert.ok(!ids.has(key), `${key} is found once`);
    ids.set(key, seriesIds.toSorted((a, b) => a - b));
  };
  for (const { ref, rows, seriesIds } of lists.segments) rows.forEach((row, i) => add(ref, row, [seriesIds[i]]));
  for (const { row, seriesIds } of lists.joined) add(row!.ref, row!.row, seriesIds);
  assert.equal(ids.size, lists.count);
  return ids;
}

const values: Readonly<Record<string, readonly string[]>> = {
  __name__: Array.from({ length: 12 }, (_, i) => `metric_${i}_total`),
  job: ["node", "api", "db"],
  pod: Array.from({ length: 400 }, (_, i) => `app-${i % 10}-${(i * 7919).toString(16)}`),
  zone: ["a", "b"],
  "näme with spaces": ["ü", "￿", "😀", "x\ny", "z"],
  long: ["v".repeat(130), "v".repeat(20_000), "w"],
  rare: ["once"],
};
const names = Object.keys(values);

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)];
}

function randomLabels(random: Random): Labels {
  const record: Record<string, string> = {};
  for (const name of names) {
    const odds = name === "__name__" ? 1 : name === "rare" || name === "long" ? 60 : 3;
    if (random.int(odds) === 0) record[name] = pick(random, values[name]);
  }
  return labelsOf(record);
}

function randomMatcher(random: Random): Matcher {
  const name = random.int(12) === 0 ? "absent" : pick(random, names);
  const op = pick(random, ["=", "!=", "=~", "=~", "!~"] as const);
  const known = values[name] ?? ["absent"];
  const value = random.int(8) === 0 ? pick(random, ["", "nope", "node"]) : pick(random, known);
  if (op === "=" || op === "!=") return { name, op, value };
  const quote = (text: string): string => text.slice(0, 200).replace(/[.+*?()|[\]\\^$]/g, "\\$&");
  const patterns = [
    () => quote(value), () => `${quote(value)}|${quote(pick(random, known))}|nope`, () => `${quote(value.slice(0, 4))}.*`, () => `${quote(value.slice(0, 4))}.+`,
    () => `.*${quote(value.slice(-2))}`, () => `.*${quote(value.slice(1, 3))}.*`, () => "|" + quote(value), () => ".*", () => ".+", () => "", () => "(?i)APP.*",
    () => "[a-m].*[0-9]", () => "(.*)(0|1).*", () => "app-[0-5]-.*|metric_1.*", () => "[^a]+", () => ".", () => "😀.*", () => "v+",
  ];
  return { name, op, value: pick(random, patterns)() };
}

function randomSelector(random: Random): Selector {
  return Array.from({ length: random.int(10) === 0 ? random.int(4) : 1 }, () => Array.from({ length: random.int(4) }, () => randomMatcher(random)));
}

function randomRange(random: Random): TimeRange {
  const minMs = partition.minMs - dayMs + random.int(33 * dayMs);
  return { minMs, maxMs: minMs + random.int(3 * dayMs) };
}

/** Rows of different label sets, with ids in no order. */
function randomRows(random: Random, count: number): Row[] {
  const seen = new Set<string>();
  const ids = new Set<number>();
  const rows: Row[] = [];
  while (rows.length < count) {
    const tenant = pick(random, tenants);
    const labels = labelsOf({ ...Object.fromEntries(randomLabels(random).map(({ name, value }) => [name, value])), ...(random.int(2) === 0 ? { id: `${rows.length}` } : {}) });
    const key = JSON.stringify([tenant, labels]);
    const seriesId = 1 + random.int(2 ** 31);
    if (labels.length === 0 || seen.has(key) || ids.has(seriesId)) continue;
    seen.add(key);
    ids.add(seriesId);
    const minMs = partition.minMs + random.int(29 * dayMs);
    rows.push({ seriesId, tenant, labels, minMs, maxMs: Math.min(partition.maxMs, minMs + random.int(4 * dayMs)) });
  }
  return rows;
}

function isActive(row: Row, range: TimeRange): boolean {
  return row.minMs <= range.maxMs && row.maxMs >= range.minMs && (daysOf(partition, row.minMs, row.maxMs) & daysOf(partition, range.minMs, range.maxMs)) !== 0;
}

/** Names, and values of one label, are those of the expected rows. */
function checkStrings(cache: SegmentCache, refs: readonly IndexSegmentRef[], question: Omit<LabelQuestion, "kind" | "snapshot">, expected: readonly Row[], context: string): void {
  const snapshot = { pin: 0, series: [], publishedSeals: [], parts: [], indexSegments: refs, aliases: [] };
  const labels = expected.flatMap((row) => [...row.labels]);
  const [allNames, allValues] = [labels.map(({ name }) => name), labels.filter(({ name }) => name === question.name).map(({ value }) => value)];
  for (const [kind, strings] of [["names", allNames], ["values", allValues]] as const) {
    const steps = searchStrings(cache, { ...question, kind, snapshot }, (path, error) => assert.fail(`${path}: ${String(error)}`));
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    assert.deepEqual(step.value, [...new Set(strings)].sort(compareBytewise).slice(0, question.limit || Infinity), `${context} ${kind} ${question.name}`);
  }
}

for (const { count, rounds } of [{ count: 0, rounds: 5 }, { count: 1, rounds: 30 }, { count: 300, rounds: 120 }, { count: 9000, rounds: 25 }]) {
  test(`segments find what a look at every label set finds, ${count} rows`, () => {
    const random = seededRandom(testSeed() + count);
    const files = new MemoryFileSystem();
    // 300: of a single tenant.
    const rows = randomRows(random, count).filter(({ tenant }) => count !== 300 || tenant === tenants[0]);
    const reference = new ReferenceSeriesIndex();
    for (const row of rows) reference.add(row.tenant, row.labels);
    // The same rows as one segment and as several.
    const single = [writeSegment(files, "/single.idx", rows, true)];
    const several = [0, 1, 2].map((part) => writeSegment(files, `/${part}.idx`, rows.filter((_, i) => i % 3 === part), false));
    const cache = createCache(files, random.int(2) === 0 ? 200_000 : 64 << 20);
    for (let round = 0; round < rounds; round++) {
      const tenant = pick(random, tenants);
      const selector = randomSelector(random);
      const range = random.int(2) === 0 ? anyTime : randomRange(random);
      const expected = reference.select(tenant, selector).map((i) => rows[i]);
      const context = `seed ${testSeed()} round ${round} ${JSON.stringify(selector)}`;
      const idsOf = (some: readonly Row[]): Map<string, number[]> => new Map(some.map((row) => [JSON.stringify(row.labels), [row.seriesId]]));
      const byLabels = (ids: Map<string, number[]>): [string, number[]][] => [...ids].sort(([left], [right]) => (left < right ? -1 : 1));
      const found = idsByLabels(cache, search(cache, several, { tenant, selector, range }));
      assert.deepEqual(byLabels(found), byLabels(idsOf(expected)), context);
      const question = { tenant, selector, range, name: pick(random, names), limit: random.int(3) === 0 ? 1 + random.int(4) : 0 };
      checkStrings(cache, several, question, expected, context);
      checkStrings(cache, single, question, expected.filter((row) => isActive(row, range)), `${context}, exact`);
      const exact = idsByLabels(cache, search(cache, single, { tenant, selector, range }));
      assert.deepEqual(byLabels(exact), byLabels(idsOf(expected.filter((row) => isActive(row, range)))), `${context}, exact`);
    }
  });
}

test("micro benchmark, small", () => {
  const lines = runBenchmark(3000, 1);
  assert.ok(lines.length > 5);
});

test("an id in several segments is found once, a label set with several ids is joined", () => {
  const files = new MemoryFileSystem();
  const [tenant] = tenants;
  const row = (seriesId: number, name: string): Row => ({ seriesId, tenant, labels: labelsOf({ __name__: name, job: "a" }), minMs: partition.minMs, maxMs: partition.maxMs });
  const first = writeSegment(files, "/1.idx", [row(1, "same"), row(2, "came back"), row(3, "gone")]);
  const second = writeSegment(files, "/2.idx", [row(1, "same"), row(7, "came back"), row(8, "new")]);
  const third = writeSegment(files, "/3.idx", [row(9, "came back")]);
  const cache = createCache(files);
  const lists = search(cache, [first, second, third], { tenant, selector: [[{ name: "job", op: "=", value: "a" }]], range: anyTime });
  const found = [...idsByLabels(cache, lists)].map(([labels, ids]) => [(JSON.parse(labels) as Labels)[0].value, ids]);
  assert.deepEqual(found.sort(), [["came back", [2, 7, 9]], ["gone", [3]], ["new", [8]], ["same", [1]]]);
});

test("a small budget drops segments, and everything is found all the same", () => {
  const random = seededRandom(testSeed());
  const files = new MemoryFileSystem();
  const refs = Array.from({ length: 6 }, (_, i) => writeSegment(files, `/${i}.idx`, randomRows(random, 500).map((row) => ({ ...row, tenant: tenants[0] }))));
  const all = createCache(files);
  const few = createCache(files, 100_000);
  const none = createCache(files, 0);
  for (let round = 0; round < 20; round++) {
    const request = { tenant: tenants[0], selector: randomSelector(random), range: anyTime };
    const expected = search(all, refs, request).count;
    assert.equal(search(few, refs, request).count, expected);
    assert.equal(search(none, refs, request).count, expected);
  }
  assert.deepEqual({ ...all.stats(), loadedBytes: 0 }, { loadedBytes: 0, segments: 6, loads: 6, evictions: 0 });
  assert.ok(few.stats().loadedBytes <= 100_000 && few.stats().evictions > 50);
  assert.deepEqual(none.stats(), { loadedBytes: 0, segments: 0, loads: 120, evictions: 120 });
  all.dropUnused();
  assert.equal(all.stats().segments, 6, "what was used stays until the next call");
  all.dropUnused();
  assert.equal(all.stats().segments, 0);
});

test("flipped bits leave the segment out or change nothing, and all memory is given back", () => {
  const random = seededRandom(testSeed());
  const files = new MemoryFileSystem();
  const rows = randomRows(random, 600).map((row) => ({ ...row, tenant: tenants[0] }));
  const refs = [writeSegment(files, "/damaged.idx", rows.slice(0, 300)), writeSegment(files, "/whole.idx", rows.slice(300))];
  const original = files.open("/damaged.idx", "read");
  const bytes = new Uint8Array(original.size());
  original.read(bytes, 0);
  original.close();
  const request = { tenant: tenants[0], selector: [[{ name: "__name__", op: "=~", value: ".*_1.*" }, { name: "pod", op: "!=", value: "x" }]] as Selector, range: anyTime };
  const wanted = search(createCache(files), refs, request).count;
  const whole = search(createCache(files), refs.slice(1), request).count;
  assert.ok(whole > 0 && whole < wanted);
  let leftOut = 0;
  const cache = createCache(files);
  for (let round = 0; round < 150; round++) {
    const damaged = Uint8Array.from(bytes);
    for (let flips = 1 + random.int(3); flips > 0; flips--) damaged[random.int(damaged.length)] ^= 1 << random.int(8);
    files.remove("/damaged.idx");
    const file = files.open("/damaged.idx", "create");
    file.write(random.int(10) === 0 ? damaged.subarray(0, random.int(damaged.length)) : damaged, 0);
    file.close();
    const errors: unknown[] = [];
    const { count } = search(cache, refs, request, (path, error) => {
      assert.equal(path, "/damaged.idx");
      errors.push(error);
    });
    if (errors.length > 0) leftOut++;
    for (const error of errors) assert.ok(error instanceof StorageError, String(error));
    assert.equal(count, errors.length > 0 ? whole : wanted);
    for (let i = 0; i < 2; i++) cache.dropUnused();
    assert.equal(cache.memory.usedBytes, 0);
  }
  assert.ok(leftOut > 100, `${leftOut} left out`);
});
