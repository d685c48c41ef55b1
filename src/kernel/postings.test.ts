// The index kernels against their plain twin: pairs, postings, rows and days of random series, and the operations on lists and
// bitmaps; distances between series of all sizes and patterns, so that every code and chunk border is met.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { createMemory, Kernel } from "./kernel.ts";
import { bitmapBytes, createIndex, IndexKernel, PostingsKernel } from "./postings.ts";
import { intersectLists, labelKey, labelRunOf, ReferenceIndex, subtractLists, uniteLists } from "./postings_reference.ts";

type Label = readonly [name: string, value: string];

function stage(kernel: Kernel, pointer: number, latin1: string): number {
  kernel.u8.set(Buffer.from(latin1, "latin1"), pointer);
  return latin1.length;
}

function readList(kernel: Kernel, pointer: number, count: number): number[] {
  return [...kernel.u32.subarray(pointer >>> 2, (pointer >>> 2) + count)];
}

function writeList(kernel: Kernel, pointer: number, list: readonly number[]): void {
  kernel.u32.set(list, pointer >>> 2);
}

/** Labels that follow patterns: always there, in bursts, at equal distances, at random, unique. */
function patternedLabels(i: number, random: Random, state: { burst: boolean; next: number }): Label[] {
  if (random.int(60) === 0) state.burst = !state.burst;
  const labels: Label[] = [["always", "1"]];
  if (state.burst) labels.push(["burst", "on"]);
  if (i % 7 === 3) labels.push(["every", "7"]);
  if (i % 150 === 0) labels.push(["every150", `${i % 300}`]);
  if (i === state.next) {
    labels.push(["far", "x"]);
    state.next += 1 + random.int(2) * random.int(40_000) + random.int(400);
  }
  if (random.int(5) === 0) labels.push(["n" + random.int(30), "v".repeat(random.int(200))]);
  if (random.int(50) === 0) labels.push(["unique", String(i)]);
  return labels;
}

test("pairs, postings and rows equal those of the twin", () => {
  for (const { seed, seriesCount } of [{ seed: 1, seriesCount: 40 }, { seed: 2, seriesCount: 60_000 }]) {
    const random = seededRandom(seed);
    const kernel = new Kernel(createMemory(1 << 20));
    const index = new IndexKernel(kernel, createIndex(kernel, { seriesMax: seriesCount }, 99n));
    const reference = new ReferenceIndex();
    const run = kernel.allocate(1 << 16);
    const state = { burst: false, next: 5 };
    for (let i = 0; i < seriesCount; i++) {
      const labels = patternedLabels(i, random, state);
      const project = random.int(1_000) === 0 ? 1 : 0;
      reference.addSeries(labels, 7, project);
      assert.equal(index.addSeries(run, stage(kernel, run, labelRunOf(labels)), 7, project, i), 0);
      if (random.int(3) === 0) {
        const day = random.int(70_000);
        index.touchDay(i, day);
        reference.touchDay(i, Math.min(day, 0xffff));
      }
    }
    checkEqual(kernel, index, reference, random, `seed ${seed}`);
  }
});

function checkEqual(kernel: Kernel, index: IndexKernel, reference: ReferenceIndex, random: Random, where: string): void {
  const seriesCount = reference.rows.length;
  const list = kernel.allocate(seriesCount * 4 + 64);
  const bytes = bitmapBytes(seriesCount);
  const bitmap = kernel.allocate(bytes);
  const half = kernel.allocate(bytes);
  const postings = new PostingsKernel(kernel);
  const halfSeries = reference.rows.map((_, i) => i).filter(() => random.int(2) === 0);
  postings.clear(half, bytes);
  writeList(kernel, list, halfSeries);
  postings.listToBitmap(list, halfSeries.length, half);
  const halfSet = new Set(halfSeries);

  assert.equal(index.seriesCount, seriesCount, where);
  assert.equal(index.pairCount, reference.pairs.length, where);
  assert.equal(index.nameCount, reference.names.length, where);
  reference.pairs.forEach((pair, pairId) => {
    const at = `${where} pair ${pairId} ${pair.name}`;
    const [pointer, size] = index.pairKey(pairId);
    assert.equal(Buffer.from(kernel.u8.subarray(pointer, pointer + size)).toString("latin1"), pair.key, at);
    assert.equal(reference.names[index.pairName(pairId)], pair.name, at);
    assert.equal(index.findPair(pointer, size), pairId, at);
    assert.equal(index.postingCount(pairId), pair.series.length, at);
    assert.equal(index.decodePosting(pairId, list), pair.series.length, at);
    assert.deepEqual(readList(kernel, list, pair.series.length), pair.series, at);
    postings.clear(bitmap, bytes);
    index.postingToBitmap(pairId, bitmap);
    assert.equal(postings.bitmapToList(bitmap, bytes, list), pair.series.length, at);
    assert.deepEqual(readList(kernel, list, pair.series.length), pair.series, at);
    const hits = pair.series.reduce((sum, series) => sum + (halfSet.has(series) ? 1 : 0), 0);
    assert.equal(index.countInBitmap(pairId, half, 0xffffffff), hits, at);
    assert.equal(index.countInBitmap(pairId, half, 3), Math.min(hits, 3), at);
  });
  const row: number[] = [];
  reference.rows.forEach((expected, i) => {
    assert.deepEqual(row.slice(0, index.readRow(i, row)), expected, `${where} row ${i}`);
    assert.deepEqual(index.dayRange(i), reference.days[i]);
  });
  checkRowOperations(kernel, index, reference, random, halfSeries, where);
}

function checkRowOperations(kernel: Kernel, index: IndexKernel, reference: ReferenceIndex, random: Random, series: readonly number[], where: string): void {
  const list = kernel.allocate(series.length * 4 + 64);
  const pairBitmap = kernel.allocate(bitmapBytes(reference.pairs.length));
  const postings = new PostingsKernel(kernel);
  const wantedPairs = reference.pairs.map((_, i) => i).filter((i) => i > 0 && random.int(4) === 0);
  const setPairs = (pairIds: readonly number[]): void => {
    postings.clear(pairBitmap, bitmapBytes(reference.pairs.length));
    writeList(kernel, list, pairIds);
    postings.listToBitmap(list, pairIds.length, pairBitmap);
    writeList(kernel, list, series);
  };
  const wantedSet = new Set(wantedPairs);
  const passes = (i: number): boolean => reference.rows[i].some((pairId) => wantedSet.has(pairId));
  for (const wanted of [true, false]) {
    setPairs(wantedPairs);
    const kept = index.filterRows(list, series.length, pairBitmap, wanted, list);
    assert.deepEqual(readList(kernel, list, kept), series.filter((i) => passes(i) === wanted), where);
  }
  setPairs([]);
  index.collectPairs(list, Math.min(series.length, 100), pairBitmap);
  const seen = new Set(series.slice(0, 100).flatMap((i) => reference.rows[i]));
  const count = postings.bitmapToList(pairBitmap, bitmapBytes(reference.pairs.length), list);
  assert.deepEqual(readList(kernel, list, count), [...seen].sort((a, b) => a - b), where);
  writeList(kernel, list, series);
  const days = index.filterDays(list, series.length, 20_000, 30_000, list);
  assert.deepEqual(readList(kernel, list, days), series.filter((i) => reference.days[i].minDay <= 30_000 && reference.days[i].maxDay >= 20_000), where);
}

test("operations on lists and bitmaps equal the plain ones", () => {
  const seed = 4;
  const random = seededRandom(seed);
  const kernel = new Kernel(createMemory(1 << 20));
  const postings = new PostingsKernel(kernel);
  const [a, b, c, left, right, target] = Array.from({ length: 6 }, () => kernel.allocate(20_000));
  for (let round = 0; round < 300; round++) {
    const bits = 1 + random.int(4_000);
    const bytes = bitmapBytes(bits);
    const randomList = (): number[] => {
      const density = [1, 2, 20, 500][random.int(4)];
      return Array.from({ length: bits }, (_, i) => i).filter(() => random.int(density) === 0);
    };
    const [x, y] = [randomList(), randomList()];
    const where = `seed ${seed} round ${round}`;
    writeList(kernel, a, x);
    writeList(kernel, b, y);
    for (const [list, count, bitmap] of [[a, x.length, left], [b, y.length, right]]) {
      postings.clear(bitmap, bytes);
      postings.listToBitmap(list, count, bitmap);
    }
    const combined = [["and", intersectLists(x, y)], ["or", uniteLists(x, y)], ["andNot", subtractLists(x, y)]] as const;
    for (const [operation, expected] of combined) {
      assert.equal(postings[operation](left, right, target, bytes), expected.length, where);
      assert.equal(postings.bitmapToList(target, bytes, c), expected.length, where);
      assert.deepEqual(readList(kernel, c, expected.length), expected, where);
    }
    assert.deepEqual(readList(kernel, c, postings.filterByBitmap(a, x.length, right, true, c)), combined[0][1], where);
    assert.deepEqual(readList(kernel, c, postings.filterByBitmap(a, x.length, right, false, c)), combined[2][1], where);
    const [short, shortCount, long, longCount] = x.length <= y.length ? [a, x.length, b, y.length] : [b, y.length, a, x.length];
    assert.deepEqual(readList(kernel, c, postings.intersect(short, shortCount, long, longCount, c)), combined[0][1], where);
    assert.deepEqual(readList(kernel, short, postings.intersect(short, shortCount, long, longCount, short)), combined[0][1], where);
    postings.clear(target, bytes);
    postings.fill(target, bits);
    assert.equal(postings.bitmapToList(target, bytes, c), bits, where);
  }
});

const errors: { name: string; run: string; series: number; expected: number }[] = [
  { name: "out of order", run: "", series: 1, expected: -2 },
  { name: "cut short", run: labelRunOf([["a", "b"]]).slice(0, -1), series: 0, expected: -8 },
  { name: "wrong tag", run: "\x12" + labelRunOf([["a", "b"]]).slice(1), series: 0, expected: -8 },
  { name: "size beyond the end", run: "\x0a\xff\xff\xff\xff\x0f" + labelKey("a", "b"), series: 0, expected: -8 },
  { name: "endless size", run: "\x0a" + "\xff".repeat(20), series: 0, expected: -8 },
  { name: "name without value", run: "\x0a\x03\x0a\x01a", series: 0, expected: -8 },
  { name: "no labels", run: "", series: 0, expected: 0 },
];
for (const { name, run, series, expected } of errors) {
  test(`addSeries: ${name} is ${expected}`, () => {
    const kernel = new Kernel(createMemory(1 << 20));
    const index = new IndexKernel(kernel, createIndex(kernel, { seriesMax: 10 }, 1n));
    const pointer = kernel.allocate(1_024);
    assert.equal(index.addSeries(pointer, stage(kernel, pointer, run), 0, 0, series), expected);
    assert.equal(index.seriesCount, expected === 0 ? 1 : 0);
  });
}

test("a label with an empty name and eight bytes of value is not a tenant", () => {
  const kernel = new Kernel(createMemory(1 << 20));
  const index = new IndexKernel(kernel, createIndex(kernel, { seriesMax: 10 }, 1n));
  const pointer = kernel.allocate(1_024);
  assert.equal(index.addSeries(pointer, stage(kernel, pointer, labelRunOf([["", "\0\0\0\0\0\0\0\0"]])), 0, 0, 0), 0);
  assert.equal(index.pairCount, 2);
  assert.equal(index.postingCount(index.findTenant(0, 0)), 1);
  assert.equal(index.findTenant(0, 1), -1);
});
