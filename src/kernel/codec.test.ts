// Shows that decode(encode(x)) = x bit by bit, that kernel and plain twin write the same bytes and read each other's, that
// random and mutated bytes end in an error number, and that nothing outside the given memory is written.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { codecErrors, codecScratchBytes, codecs, columnKinds, decodeColumn, encodeColumn, encodedSizeMax, type ColumnKind } from "./codec.ts";
import { measureCodec, printFigures } from "./codec.bench.ts";
import { hostileColumns, typicalColumns } from "./codec_columns.ts";
import { decodeColumnReference, encodeColumnReference } from "./codec_reference.ts";
import { Kernel } from "./kernel.ts";

const seed = Number(process.env.SEED ?? 20260701);
const kernel = new Kernel();
const source = kernel.allocate(8192 * 8);
const target = kernel.allocate(8192 * 8 + 64);
const encoded = kernel.allocate(encodedSizeMax(8192));
const scratch = kernel.allocate(codecScratchBytes(kernel));

function bits(values: Float64Array): BigUint64Array {
  return new BigUint64Array(values.buffer, values.byteOffset, values.length);
}

function encode(values: Float64Array, kind: ColumnKind): Uint8Array {
  kernel.f64.set(values, source / 8);
  const size = encodeColumn(kernel, source, values.length, kind, encoded, scratch);
  return kernel.u8.slice(encoded, encoded + size);
}

/** Decodes from the very end of the memory, so that reading too far traps. */
function decode(bytes: Uint8Array, count: number): { error: number; values: Float64Array } {
  const pointer = kernel.sizeBytes - bytes.length;
  kernel.u8.set(bytes, pointer);
  kernel.u8.fill(0xa5, target + Math.max(0, Math.min(count, 8192)) * 8, target + 8192 * 8 + 64);
  const error = decodeColumn(kernel, pointer, bytes.length, count, target, scratch);
  const guard = kernel.u8.subarray(target + Math.max(0, Math.min(count, 8192)) * 8, target + 8192 * 8 + 64);
  assert.ok(guard.every((byte) => byte === 0xa5), "wrote behind the target");
  return { error, values: kernel.f64.slice(target / 8, target / 8 + count) };
}

function checkRoundTrip(values: Float64Array, kind: ColumnKind): Uint8Array {
  const bytes = encode(values, kind);
  assert.ok(bytes.length <= values.length * 8 + 1);
  const decoded = decode(bytes, values.length);
  assert.equal(codecErrors[decoded.error], "");
  assert.deepEqual(bits(decoded.values), bits(values));
  return bytes;
}

const counts = [1, 2, 3, 4, 5, 15, 16, 17, 33, 63, 64, 65, 67, 120, 127, 128, 129, 130, 192, 193, 240, 256, 257, 1000, 8191, 8192];

for (const generator of [...typicalColumns, ...hostileColumns]) {
  test(`round trip: ${generator.name}`, () => {
    const random = seededRandom(seed);
    for (const count of counts) {
      for (let repeat = 0; repeat < (count <= 257 ? 6 : 1); repeat++) checkRoundTrip(generator.make(count, random), generator.kind);
    }
  });

  test(`kernel equals twin: ${generator.name}`, () => {
    const random = seededRandom(seed + 1);
    for (const count of [1, 2, 3, 7, 16, 40, 64, 66, 129, 300]) {
      const values = generator.make(count, random);
      const bytes = encode(values, generator.kind);
      assert.deepEqual(bytes, encodeColumnReference(values, generator.kind), `seed ${seed}, count ${count}`);
      assert.deepEqual(bits(decodeColumnReference(bytes, count)), bits(values));
    }
  });
}

/** A column glued together from pieces of several kinds, so that mini-blocks of all widths meet. */
function patchwork(count: number, random: Random): Float64Array {
  const generators = [...typicalColumns, ...hostileColumns];
  const values = new Float64Array(count);
  for (let from = 0; from < count; ) {
    const piece = generators[random.int(generators.length)].make(1 + random.int(200), random);
    values.set(piece.subarray(0, count - from), from);
    from += piece.length;
  }
  return values;
}

test("round trip: pieces of many kinds", () => {
  const random = seededRandom(seed + 2);
  for (let round = 0; round < 300; round++) checkRoundTrip(patchwork(1 + random.int(1000), random), columnKinds.values);
});

const sizes = [
  { name: "constant integer", values: [7, 7, 7, 7], bytes: 3 },
  { name: "constant that is no decimal", values: [1 / 3, 1 / 3], bytes: 9 },
  { name: "steady slope", values: [1, 2, 3, 4, 5, 6], bytes: 4 },
  { name: "four small integers", values: [1, 5, 2, 9], bytes: 6 },
  { name: "two decimals", values: [0.25, 0.5, 0.75, 1.25], bytes: 7 },
];
for (const row of sizes) {
  test(`size: ${row.name}`, () => assert.equal(checkRoundTrip(Float64Array.from(row.values), columnKinds.values).length, row.bytes));
}

test("only codecs of the table are written", () => {
  const random = seededRandom(seed + 3);
  const known: readonly number[] = [codecs.raw, codecs.constant, codecs.fastDecimal, codecs.fastBits];
  for (const generator of hostileColumns) assert.ok(known.includes(encode(generator.make(100, random), generator.kind)[0] & 15));
});

test("counts outside of 1 to 8192 are refused", () => {
  const bytes = encode(Float64Array.of(1, 2, 3), columnKinds.values);
  for (const count of [0, -1, 8193, 2 ** 31 - 1]) {
    kernel.u8.set(bytes, encoded);
    assert.equal(codecErrors[decodeColumn(kernel, encoded, bytes.length, count, target, scratch)], "argument out of range");
  }
});

test("a cut column, or one with bytes left over, is refused", () => {
  const random = seededRandom(seed + 4);
  for (const generator of [...typicalColumns, ...hostileColumns]) {
    const bytes = encode(generator.make(150, random), generator.kind);
    for (let size = 0; size < bytes.length; size += 1 + (size >> 3)) assert.notEqual(decode(bytes.slice(0, size), 150).error, 0, generator.name);
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    assert.notEqual(decode(longer, 150).error, 0, generator.name);
  }
});

/** Whether the twin accepts the bytes. */
function isAcceptedByTwin(bytes: Uint8Array, count: number): boolean {
  try {
    decodeColumnReference(bytes, count);
    return true;
  } catch {
    return false;
  }
}

test("mutated and random bytes: an error number or values, as in the twin; never a trap", () => {
  const random = seededRandom(seed + 5);
  const generators = [...typicalColumns, ...hostileColumns];
  for (let round = 0; round < 4000; round++) {
    const count = 1 + random.int(round % 20 === 0 ? 8192 : 200);
    let bytes = encode(generators[random.int(generators.length)].make(count, random), columnKinds.values);
    if (round % 4 === 0) bytes = Uint8Array.from({ length: random.int(100) }, (_, i) => (i === 0 ? random.int(8) : random.int(256)));
    else for (let k = 0; k <= random.int(4); k++) bytes[random.int(Math.min(bytes.length, 40))] ^= 1 << random.int(8);
    const { error } = decode(bytes, count);
    if (count <= 200) assert.equal(error === 0, isAcceptedByTwin(bytes, count), `seed ${seed}, round ${round}`);
  }
});

test("the benchmark runs", () => {
  const figures = measureCodec(typicalColumns[0], 240, 1000, 1);
  assert.ok(figures.bytesPerSample > 0.5 && figures.bytesPerSample < 2);
  assert.match(printFigures(figures), /ns decode$/);
});
