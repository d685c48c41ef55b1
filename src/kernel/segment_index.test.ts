// The kernels for index segments against their plain twins: random rows, lists and sets of pairs; row numbers that are none; fingerprints with repeats.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import { packLabelRows } from "./codec_label_rows.ts";
import { Kernel } from "./kernel.ts";
import { bitmapBytes } from "./postings.ts";
import { joinSlots, SegmentKernel, type UnpackedRows } from "./segment_index.ts";
import { areRows, collectPairs, filterRows, joinEqual } from "./segment_index_reference.ts";

const pairCount = 300;

function randomRows(random: Random): number[][] {
  return Array.from({ length: 1 + random.int(500) }, () => Array.from({ length: random.int(12) }, () => random.int(pairCount)));
}

function unpack(kernel: Kernel, segment: SegmentKernel, rows: readonly (readonly number[])[], groupFrom: number): UnpackedRows {
  const packed = packLabelRows(kernel, Uint32Array.from(rows.flat()), Uint32Array.from(rows, (row) => row.length), 2);
  const source = kernel.allocate(packed.length + 8);
  kernel.u8.set(packed, source);
  const idCapacity = rows.flat().length;
  const target = { ids: kernel.allocate(idCapacity * 4 + 4), offsets: kernel.allocate(rows.length * 4 + 4), groupFrom, rowCount: rows.length };
  assert.ok(segment.unpackRows(source, packed.length, target, 2, pairCount, idCapacity));
  assert.ok(!segment.unpackRows(source, packed.length - 1, target, 2, pairCount, idCapacity));
  assert.ok(segment.unpackRows(source, packed.length, target, 2, pairCount, idCapacity));
  return target;
}

function bitsOf(kernel: Kernel, bitmap: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => ((kernel.u32[(bitmap >>> 2) + (i >>> 5)] >>> (i & 31)) & 1) === 1);
}

test("segment kernels: rows and pairs equal the plain twins", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 60; round++) {
    const kernel = new Kernel();
    const segment = new SegmentKernel(kernel);
    const rows = randomRows(random);
    const groupFrom = random.int(3) * 4096;
    const unpacked = unpack(kernel, segment, rows, groupFrom);
    const pairs = new Set(Array.from({ length: random.int(30) }, () => random.int(pairCount)));
    const pairBitmap = kernel.allocate(bitmapBytes(pairCount));
    kernel.u8.fill(0, pairBitmap, pairBitmap + bitmapBytes(pairCount));
    for (const pair of pairs) kernel.u32[(pairBitmap >>> 2) + (pair >>> 5)] |= 1 << (pair & 31);
    const list = rows.map((_, row) => row).filter(() => random.int(3) > 0);
    const listPointer = kernel.allocate(list.length * 4 + 4);
    const target = kernel.allocate(list.length * 4 + 4);
    kernel.u32.set(list.map((row) => row + groupFrom), listPointer >>> 2);
    for (const wanted of [true, false]) {
      const kept = segment.filterRows(unpacked, listPointer, list.length, pairBitmap, wanted, target);
      assert.deepEqual([...kernel.u32.subarray(target >>> 2, (target >>> 2) + kept)], filterRows(rows, list, pairs, wanted).map((row) => row + groupFrom));
    }
    const rowBitmap = kernel.allocate(bitmapBytes(groupFrom + rows.length));
    kernel.u8.fill(0, rowBitmap, rowBitmap + bitmapBytes(groupFrom + rows.length));
    segment.scanRows(unpacked, pairBitmap, rowBitmap);
    assert.deepEqual(bitsOf(kernel, rowBitmap, groupFrom + rows.length), filterRows(rows, rows.map((_, row) => row), pairs, true).map((row) => row + groupFrom));

    kernel.u8.fill(0, pairBitmap, pairBitmap + bitmapBytes(pairCount));
    segment.collectPairs(unpacked, listPointer, list.length, pairBitmap);
    assert.deepEqual(bitsOf(kernel, pairBitmap, pairCount), collectPairs(rows, list));

    const ids = kernel.allocate(rows.flat().length * 4 + 4);
    const total = segment.gatherRows(unpacked, listPointer, list.length, ids, target);
    assert.deepEqual([...kernel.u32.subarray(ids >>> 2, (ids >>> 2) + total)], list.flatMap((row) => rows[row]));
    assert.deepEqual([...kernel.u32.subarray(target >>> 2, (target >>> 2) + list.length)], list.map((row) => rows[row].length));
  }
});

test("segment kernels: numbers that are no rows are refused", () => {
  const kernel = new Kernel();
  const segment = new SegmentKernel(kernel);
  const [source, list, bitmap] = [kernel.allocate(64), kernel.allocate(64), kernel.allocate(64)];
  const cases: number[][] = [[], [0], [0, 1, 9], [9], [10], [-1], [NaN], [Infinity], [3, 3], [4, 2], [2, 1e300], [-0.5]];
  for (const numbers of cases) {
    kernel.f64.set(numbers, source / 8);
    const isAscending = areRows(numbers, 10);
    assert.equal(segment.rowsToList(source, numbers.length, 0, 10, list), isAscending, numbers.join());
    if (isAscending) assert.deepEqual([...kernel.u32.subarray(list >>> 2, (list >>> 2) + numbers.length)], numbers);
    kernel.u8.fill(0, bitmap, bitmap + 16);
    const areInside = numbers.every((row) => row >= 0 && row < 10);
    assert.equal(segment.rowsToBitmap(source, numbers.length, 10, bitmap), areInside, numbers.join());
    if (areInside) assert.deepEqual(bitsOf(kernel, bitmap, 10), [...new Set(numbers)].sort((a, b) => a - b));
  }
});

test("segment kernels: fingerprints are joined", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 40; round++) {
    const kernel = new Kernel();
    const segment = new SegmentKernel(kernel);
    const count = random.int(400);
    const fingerprints = kernel.allocate(count * 16 + 16);
    const keys = Array.from({ length: count }, () => Buffer.from(Uint8Array.from({ length: 16 }, () => random.int(round % 2 === 0 ? 2 : 256))));
    for (let i = 0; i < count; i++) if (i > 0 && random.int(3) === 0) keys[i] = keys[random.int(i)];
    keys.forEach((key, i) => kernel.u8.set(key, fingerprints + i * 16));
    const slots = joinSlots(count);
    const [table, leaders] = [kernel.allocate(slots * 4), kernel.allocate(count * 4 + 4)];
    const different = segment.join(fingerprints, count, table, slots, leaders);
    const expected = joinEqual(keys.map((key) => key.toString("hex")));
    assert.deepEqual([...kernel.u32.subarray(leaders >>> 2, (leaders >>> 2) + count)], expected);
    assert.equal(different, new Set(expected).size);
  }
});
