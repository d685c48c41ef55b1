// Shows that the classic codecs give back every bit pattern, write the bytes that the papers describe (worked out by hand), that kernel
// and plain twin agree, and that damaged bytes end in an error number without a read or a write outside.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import { classicCodecs, classicEncodedSizeMax, classicScratchBytes, decodeClassic, encodeClassic, type ClassicCodec } from "./classic_codecs.ts";
import { decodeClassicReference, encodeClassicReference } from "./classic_codecs_reference.ts";
import { codecErrors } from "./codec.ts";
import { hostileColumns, typicalColumns } from "./codec_columns.ts";
import { Kernel } from "./kernel.ts";

const seed = testSeed();
const names = Object.keys(classicCodecs) as ClassicCodec[];
const columns = [...typicalColumns, ...hostileColumns];
const kernel = new Kernel();
const source = kernel.allocate(8192 * 8);
const target = kernel.allocate(8192 * 8 + 64);
const encoded = kernel.allocate(classicEncodedSizeMax(8192) + 64);
const scratch = kernel.allocate(classicScratchBytes(kernel));

function bits(values: Float64Array): BigUint64Array {
  return new BigUint64Array(values.buffer, values.byteOffset, values.length);
}

function encode(codec: ClassicCodec, values: Float64Array): Uint8Array {
  const end = encoded + classicEncodedSizeMax(values.length);
  kernel.f64.set(values, source / 8);
  kernel.u8.fill(0xa5, encoded, end + 64);
  const size = encodeClassic(kernel, codec, source, values.length, encoded, scratch);
  assert.ok(kernel.u8.subarray(end, end + 64).every((byte) => byte === 0xa5), `${codec} wrote behind the target`);
  return kernel.u8.slice(encoded, encoded + size);
}

/** Decodes from the very end of the memory, so that reading too far traps. */
function decode(codec: ClassicCodec, bytes: Uint8Array, count: number): { error: number; values: Float64Array } {
  const pointer = kernel.sizeBytes - bytes.length;
  const guardFrom = target + Math.max(0, Math.min(count, 8192)) * 8;
  kernel.u8.set(bytes, pointer);
  kernel.u8.fill(0xa5, guardFrom, guardFrom + 64);
  const error = decodeClassic(kernel, codec, pointer, bytes.length, count, target);
  assert.ok(kernel.u8.subarray(guardFrom, guardFrom + 64).every((byte) => byte === 0xa5), `${codec} wrote behind the target`);
  return { error, values: kernel.f64.slice(target / 8, guardFrom / 8) };
}

for (const codec of names) {
  test(`round trip: ${codec}`, () => {
    const random = seededRandom(seed);
    for (const column of columns) {
      for (const count of [1, 2, 3, 17, 127, 128, 129, 130, 300, 1000, 8192]) {
        const values = column.make(count, random);
        const decoded = decode(codec, encode(codec, values), count);
        assert.equal(codecErrors[decoded.error], "", `${column.name}, seed ${seed}`);
        assert.deepEqual(bits(decoded.values), bits(values), `${column.name}, seed ${seed}`);
      }
    }
  });

  test(`kernel equals twin: ${codec}`, () => {
    const random = seededRandom(seed + 1);
    for (const column of columns) {
      for (const count of [1, 2, 9, 150]) {
        const values = column.make(count, random);
        const bytes = encode(codec, values);
        assert.deepEqual(bytes, encodeClassicReference(codec, values), `${column.name}, seed ${seed}`);
        assert.deepEqual(bits(decodeClassicReference(codec, bytes, count)), bits(values), `${column.name}, seed ${seed}`);
      }
    }
  });

  test(`a cut column, or one with bytes left over, is refused: ${codec}`, () => {
    const random = seededRandom(seed + 2);
    for (const column of columns) {
      const bytes = encode(codec, column.make(150, random));
      for (let size = 0; size < bytes.length; size += 1 + (size >> 3)) assert.notEqual(decode(codec, bytes.slice(0, size), 150).error, 0, column.name);
      assert.notEqual(decode(codec, Uint8Array.of(...bytes, 0), 150).error, 0, column.name);
    }
  });

  test(`mutated and random bytes: an error number or values, as in the twin: ${codec}`, () => {
    const random = seededRandom(seed + 3);
    for (let round = 0; round < 400; round++) {
      const count = 1 + random.int(60);
      let bytes = encode(codec, columns[random.int(columns.length)].make(count, random));
      if (round % 4 === 0) bytes = Uint8Array.from({ length: random.int(60) }, () => random.int(256));
      else for (let k = 0; k <= random.int(4); k++) bytes[random.int(bytes.length)] ^= 1 << random.int(8);
      const { error, values } = decode(codec, bytes, count);
      const expected = decodedByTwin(codec, bytes, count);
      assert.equal(error === 0, expected !== undefined, `seed ${seed}, round ${round}: ${Buffer.from(bytes).toString("hex")}`);
      if (expected !== undefined) assert.deepEqual(bits(values), bits(expected));
    }
  });

  test(`counts outside of 1 to 8192 are refused: ${codec}`, () => {
    const bytes = encode(codec, Float64Array.of(1, 2, 3));
    for (const count of [0, -1, 8193, 2 ** 31 - 1]) {
      kernel.u8.set(bytes, encoded);
      assert.equal(codecErrors[decodeClassic(kernel, codec, encoded, bytes.length, count, target)], "argument out of range");
    }
  });
}

function decodedByTwin(codec: ClassicCodec, bytes: Uint8Array, count: number): Float64Array | undefined {
  try {
    return decodeClassicReference(codec, bytes, count);
  } catch {
    return undefined;
  }
}

/** Bits as the papers say, worked out by hand; spaces are for reading. 12 is 0x4028 0000..., 24 is 0x4038 0000..., 15 is 0x402e 0000... */
const first12 = "01000000 00101000 " + "00000000 ".repeat(6);
const layouts: readonly { name: string; codec: ClassicCodec; values: readonly number[]; bits: string }[] = [
  { name: "differences as zigzag varints", codec: "delta", values: [100, 101, 99, 299], bits: "00000000 11001000 00000001 00000010 00000011 10010000 00000011" },
  {
    name: "a window of two hours, offset, then classes",
    codec: "deltaOfDelta",
    // Offset 60,000; differences 60,000 (0), 60,001 (1), 59,938 (-63), 60,002 (64), 59,000 (-1,002), 70,000 (11,000)
    values: [7_260_000, 7_320_000, 7_380_001, 7_439_939, 7_499_941, 7_558_941, 7_628_941],
    bits: `00000000 ${bitsOf(7_200_000, 64)} ${bitsOf(60_000, 24)} 0 10 1000000 10 0000000 10 1111111 1110 ${bitsOf(-1002 + 2047, 12)} 1111 ${bitsOf(11_000, 32)}`,
  },
  // 12 ^ 12 = 0; 12 ^ 24 = 0x0010..., leading 11, trailing 52, length 1; 24 ^ 15 = 0x0016..., leading 11, trailing 49, length 4; 15 ^ 12 = 0x0006... fits
  { name: "windows", codec: "gorilla", values: [12, 12, 24, 15, 12], bits: `${first12} 0 11 01011 000000 1 11 01011 000011 1011 10 0011` },
  // 00; trailing 52 > 6: 01, class 1 (8 zeros), length 4, 0001; 0x0016...: length 7, 0001011; then a XOR of low bits
  { name: "flags", codec: "chimp", values: [12, 12, 24, 15], bits: `${first12} 00 01 001 000100 0001 01 001 000111 0001011` },
  { name: "the leading zeros of the last XOR", codec: "chimp", values: [0, 2 ** -1074, 3 * 2 ** -1074], bits: `${"0".repeat(64)} 11 111 ${bitsOf(1, 40)} 10 ${bitsOf(2, 40)}` },
  // 12 is at place 0; 24 agrees with it in 14 low bits and more: 01, place 0, class 1, length 4; 12 again: 00, place 2 was 24, the newest with these low bits is named
  { name: "places", codec: "chimp128", values: [12, 24, 24], bits: `${first12} 01 0000000 001 000100 0001 00 0000001` },
];

function bitsOf(value: number, count: number): string {
  return value.toString(2).padStart(count, "0");
}

for (const row of layouts) {
  test(`layout: ${row.codec}, ${row.name}`, () => {
    const wanted = row.bits.replaceAll(" ", "");
    const written = Array.from(encode(row.codec, Float64Array.from(row.values)), (byte) => bitsOf(byte, 8)).join("");
    assert.equal(written, wanted.padEnd(Math.ceil(wanted.length / 8) * 8, "0"));
  });
}
