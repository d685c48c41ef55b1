// Shows that decode(encode(x)) = x bit by bit, that kernel and plain twin write the same bytes and read each other's, that
// random and mutated bytes end in an error number, and that nothing outside the given memory is written.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { codecErrors, codecScratchBytes, codecs, columnKinds, decodeColumn, decodeColumnRange, decodeWholeBytes, encodeColumn, encodedSizeMax, type CodecEffort, type ColumnKind } from "./codec.ts";
import { measureCodec, printFigures } from "./codec.bench.ts";
import { hostileColumns, typicalColumns } from "./codec_columns.ts";
import { encodeEntropyReference, type EntropyParameters } from "./codec_entropy_reference.ts";
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

function encode(values: Float64Array, kind: ColumnKind, effort: CodecEffort = "fast"): Uint8Array {
  kernel.f64.set(values, source / 8);
  const size = encodeColumn(kernel, source, values.length, kind, encoded, scratch, effort);
  return kernel.u8.slice(encoded, encoded + size);
}

/** Decodes from the very end of the memory, so that reading too far traps. */
function decode(bytes: Uint8Array, count: number): { error: number; values: Float64Array } {
  const pointer = kernel.sizeBytes - bytes.length;
  kernel.u8.set(bytes, pointer);
  const guard = kernel.u8.subarray(target + count * 8, Math.min(target + count * 8 + 2048, target + 8192 * 8 + 64));
  guard.fill(0xa5);
  const error = decodeColumn(kernel, pointer, bytes.length, count, target, scratch);
  assert.ok(guard.every((byte) => byte === 0xa5), "wrote behind the target");
  return { error, values: kernel.f64.slice(target / 8, target / 8 + count) };
}

const whole = kernel.allocate(decodeWholeBytes);

/** As decode(), of some samples. */
function decodeRange(bytes: Uint8Array, count: number, from: number, to: number): { error: number; values: Float64Array } {
  const pointer = kernel.sizeBytes - bytes.length;
  kernel.u8.set(bytes, pointer);
  const guard = kernel.u8.subarray(target + (to - from) * 8, Math.min(target + (to - from) * 8 + 2048, target + 8192 * 8 + 64));
  guard.fill(0xa5);
  const error = decodeColumnRange(kernel, pointer, bytes.length, count, from, to, target, scratch, whole);
  assert.ok(guard.every((byte) => byte === 0xa5), "wrote behind the target");
  return { error, values: kernel.f64.slice(target / 8, target / 8 + to - from) };
}

/** Some ranges of a column, those at its ends among them. */
function someRanges(count: number, random: Random): [number, number][] {
  const ranges = Array.from({ length: 6 }, () => [random.int(count), random.int(count)].sort((left, right) => left - right) as [number, number]);
  return [...ranges.map(([from, to]): [number, number] => [from, to + 1]), [0, 1], [count - 1, count], [0, count], [count >> 1, count], [0, (count >> 1) + 1]];
}

function checkRoundTrip(values: Float64Array, kind: ColumnKind, effort: CodecEffort = "fast"): Uint8Array {
  const bytes = encode(values, kind, effort);
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
      for (let repeat = 0; repeat < (count <= 257 ? 3 : 1); repeat++) {
        const values = generator.make(count, random);
        const fast = checkRoundTrip(values, generator.kind);
        const compact = checkRoundTrip(values, generator.kind, "compact");
        assert.ok(compact.length <= fast.length * 1.1 + 8, `${compact.length} bytes instead of ${fast.length}`);
      }
    }
  });

  test(`some of the samples: ${generator.name}`, () => {
    const random = seededRandom(seed + 9);
    for (const count of [1, 2, 3, 40, 64, 129, 192, 300, 1000, 8192]) {
      const values = generator.make(count, random);
      for (const effort of ["fast", "compact"] as const) {
        const bytes = encode(values, generator.kind, effort);
        for (const [from, to] of someRanges(count, random)) {
          const some = decodeRange(bytes, count, from, to);
          assert.equal(codecErrors[some.error], "");
          assert.deepEqual(bits(some.values), bits(values.subarray(from, to)), `seed ${seed}: ${from} to ${to} of ${count}, ${effort}`);
        }
      }
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

  test(`twin reads compact columns: ${generator.name}`, () => {
    const random = seededRandom(seed + 6);
    for (const count of [2, 32, 64, 66, 129, 300, 600]) {
      const values = generator.make(count, random);
      assert.deepEqual(bits(decodeColumnReference(encode(values, generator.kind, "compact"), count)), bits(values), `seed ${seed}, count ${count}`);
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
  for (let round = 0; round < 300; round++) {
    const values = patchwork(1 + random.int(1000), random);
    checkRoundTrip(values, columnKinds.values);
    checkRoundTrip(values, columnKinds.values, "compact");
    const bytes = encode(values, columnKinds.values);
    for (const [from, to] of someRanges(values.length, random)) assert.deepEqual(bits(decodeRange(bytes, values.length, from, to).values), bits(values.subarray(from, to)));
  }
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
    const values = generator.make(150, random);
    for (const effort of ["fast", "compact"] as const) {
      const bytes = encode(values, generator.kind, effort);
      for (let size = 0; size < bytes.length; size += 1 + (size >> 3)) assert.notEqual(decode(bytes.slice(0, size), 150).error, 0, generator.name);
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      assert.notEqual(decode(longer, 150).error, 0, generator.name);
    }
  }
});

/** A column of bit patterns, all of them residuals to 0, with an entropy table of the twin's. */
function columnOf(numbers: readonly bigint[], parameters: EntropyParameters): Uint8Array | undefined {
  const sequence = encodeEntropyReference(numbers, parameters);
  return sequence === undefined ? undefined : Uint8Array.of(codecs.compactBits, 2, 0, ...sequence);
}

test("kernel reads all tables of the twin", () => {
  const random = seededRandom(seed + 7);
  let read = 0;
  for (let round = 0; round < 600; round++) {
    const parameters = { mantissaBits: random.int(5), stateBits: 5 + random.int(7) };
    const width = random.int(52);
    const kinds = 1 + random.int(20);
    const some = Array.from({ length: kinds }, () => BigInt(Math.floor(random.next() * 2 ** random.int(width + 1))));
    const numbers = Array.from({ length: 1 + random.int(300) }, () => some[Math.floor(random.next() ** 3 * kinds)]);
    const bytes = columnOf(numbers, parameters);
    if (bytes === undefined) continue;
    read++;
    const { error, values } = decode(bytes, numbers.length);
    assert.equal(codecErrors[error], "", `seed ${seed}, round ${round}`);
    assert.deepEqual(bits(values), bits(decodeColumnReference(bytes, numbers.length)), `seed ${seed}, round ${round}`);
  }
  assert.ok(read > 200);
});

test("compact codecs are chosen for what they are made for", () => {
  const random = seededRandom(seed + 8);
  const codecOf = (name: string, count: number): number => {
    const generator = typicalColumns.find((column) => column.name === name) ?? assert.fail(name);
    return encode(generator.make(count, random), generator.kind, "compact")[0] & 15;
  };
  assert.equal(codecOf("counter, requests", 2000), codecs.compactDecimal);
  assert.equal(codecOf("gauge, single precision", 2000), codecs.compactBits);
  assert.equal(codecOf("gauge, full precision", 2000), codecs.compactSplit);
  assert.equal(codecOf("counter, requests", 31), codecs.fastDecimal);
  assert.equal(codecOf("constant", 2000), codecs.fastDecimal);
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
  for (let round = 0; round < 3000; round++) {
    const count = 1 + random.int(round % 20 === 0 ? 8192 : 200);
    let bytes = encode(generators[random.int(generators.length)].make(count, random), columnKinds.values, round % 2 === 0 ? "compact" : "fast");
    if (round % 4 === 1) bytes = Uint8Array.from({ length: random.int(100) }, (_, i) => (i === 0 ? random.int(8) : random.int(256)));
    else for (let k = 0; k <= random.int(4); k++) bytes[random.int(Math.min(bytes.length, 40))] ^= 1 << random.int(8);
    const { error } = decode(bytes, count);
    const [[from, to]] = someRanges(count, random);
    if (error === 0) assert.equal(decodeRange(bytes, count, from, to).error, 0, "good bytes are good in part");
    else decodeRange(bytes, count, from, to);
    if (count <= 200) assert.equal(error === 0, isAcceptedByTwin(bytes, count), `seed ${seed}, round ${round}`);
  }
});

test("the benchmark runs", () => {
  const figures = measureCodec(typicalColumns[0], "compact", 240, 1000, 1);
  assert.ok(figures.bytesPerSample > 0.5 && figures.bytesPerSample < 2);
  assert.match(printFigures([figures]), /ns decode$/);
});
