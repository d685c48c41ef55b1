// Rows of log records: the kernel expands what its twin encoded, gives up where its twin does, and stays within the payload.
import assert from "node:assert/strict";
import { test } from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { Kernel } from "./kernel.ts";
import { encodeLogRows, expandedLogRowBytes, expandedLogRowsBytesMax, expandLogRows, expandLogRowsInKernel, logRowsHeaderBytes, logRowsMax } from "./log_rows.ts";

const kernel = new Kernel();
const source = kernel.allocate(logRowsHeaderBytes + logRowsMax * 17 + 64);
const target = kernel.allocate(expandedLogRowsBytesMax);

interface Row {
  readonly seriesId: number;
  readonly offsetMs: number;
  readonly bits: bigint;
}

function expandedOf(rows: readonly Row[]): Uint8Array {
  const bytes = new Uint8Array(logRowsHeaderBytes + rows.length * expandedLogRowBytes);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, 4711, true);
  view.setFloat64(8, 1_700_000_000_000, true);
  view.setUint32(16, rows.length, true);
  rows.forEach(({ seriesId, offsetMs, bits }, i) => {
    const at = logRowsHeaderBytes + i * expandedLogRowBytes;
    view.setUint32(at, seriesId, true);
    view.setInt32(at + 4, offsetMs, true);
    view.setBigUint64(at + 8, bits, true);
  });
  return bytes;
}

/** What the kernel makes of a payload, with garbage behind it. */
function expandInKernel(payload: Uint8Array): Uint8Array | undefined {
  kernel.u8.set(payload, source);
  kernel.u8.fill(0x11, source + payload.length, source + payload.length + 16);
  const count = expandLogRowsInKernel(kernel, source, payload.length, target);
  return count < 0 ? undefined : kernel.u8.slice(target, target + logRowsHeaderBytes + count * expandedLogRowBytes);
}

const tables: readonly { name: string; rows: readonly Row[]; sizeBytes: number }[] = [
  { name: "none", rows: [], sizeBytes: 24 },
  { name: "a scrape of small integers", rows: Array.from({ length: 100 }, (_, i) => ({ seriesId: 7 + i, offsetMs: 0, bits: 0x4042800000000000n })), sizeBytes: 24 + 4 + 400 + 4 },
  { name: "zeros of one series", rows: Array.from({ length: 8 }, (_, i) => ({ seriesId: 9, offsetMs: i * 15_000, bits: 0n })), sizeBytes: 24 + 4 + 8 + 28 },
  {
    name: "odd values and ends of the ranges",
    rows: [
      { seriesId: 0, offsetMs: 0, bits: 0x7ff0000000000002n },
      { seriesId: 0, offsetMs: -2_147_483_648, bits: 1n },
      { seriesId: 4_294_967_295, offsetMs: 2_147_483_647, bits: 0x8000000000000000n },
      { seriesId: 0, offsetMs: 2_147_483_647, bits: 0xffffffffffffffffn },
      { seriesId: 4_294_967_295, offsetMs: -1, bits: 0x00ff000000000000n },
    ],
    sizeBytes: 24 + 9 + 13 + 10 + 9 + 11,
  },
];

for (const { name, rows, sizeBytes } of tables) {
  test(`log rows: ${name}`, () => {
    const expanded = expandedOf(rows);
    const payload = encodeLogRows(expanded);
    assert.equal(payload.length, Math.ceil(sizeBytes / 8) * 8);
    assert.deepEqual(expandLogRows(payload), expanded);
    assert.deepEqual(expandInKernel(payload), expanded);
  });
}

const seed = testSeed();

function randomRows(random: Random, count: number): Row[] {
  let seriesId = 0;
  let offsetMs = 0;
  return Array.from({ length: count }, () => {
    const step = random.int(10);
    seriesId = step === 0 ? random.int(2 ** 32) : step === 1 ? seriesId : (seriesId + 1) % 2 ** 32;
    if (random.int(4) === 0) offsetMs = random.int(2 ** 32) - 2 ** 31;
    const size = random.int(9);
    let bits = 0n;
    for (let i = 0; i < size; i++) bits |= BigInt(random.int(256)) << BigInt(56 - 8 * i);
    return { seriesId, offsetMs, bits };
  });
}

test(`log rows: random ones come back; what is cut, flipped or miscounted is judged as by the twin (seed ${seed})`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 400; round++) {
    const expanded = expandedOf(randomRows(random, random.int(40)));
    const payload = encodeLogRows(expanded);
    assert.deepEqual(expandLogRows(payload), expanded);
    assert.deepEqual(expandInKernel(payload), expanded);
    for (let i = 0; i < 10; i++) {
      const damaged = payload.slice(0, random.int(3) === 0 ? random.int(payload.length + 1) : payload.length);
      if (damaged.length > 0) damaged[random.int(damaged.length)] ^= 1 << random.int(8);
      assert.deepEqual(expandInKernel(damaged), expandLogRows(damaged));
    }
  }
});

test("log rows: more than a record may hold are refused before anything is written", () => {
  const payload = new Uint8Array(logRowsHeaderBytes + logRowsMax + 8);
  new DataView(payload.buffer).setUint32(16, logRowsMax + 1, true);
  kernel.u8.fill(0x22, target, target + 64);
  assert.equal(expandInKernel(payload), undefined);
  assert.equal(expandLogRows(payload), undefined);
  assert.ok(kernel.u8.subarray(target, target + 64).every((byte) => byte === 0x22));
});
