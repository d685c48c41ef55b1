// The snappy kernel decodes what snappyjs compresses, equals its plain twin on damaged blocks, and never writes outside.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { mutate } from "../../testkit/parse_body.ts";
import { snappyCompress, snappyLiteral } from "../../testkit/remote_write_body.ts";
import { Kernel } from "./kernel.ts";
import { snappyDecode, snappyDecodedSize, snappySourceSlackBytes, snappyTargetSlackBytes } from "./snappy.ts";
import { snappyDecodeReference } from "./snappy_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const bytesMax = 1 << 18;
const source = kernel.allocate(bytesMax + snappySourceSlackBytes);
const target = kernel.allocate(bytesMax * 2 + snappyTargetSlackBytes + 64);
const guard = 0xa5;

/** The decoded bytes, or the code of the error. */
function decode(block: Uint8Array): Uint8Array | string {
  kernel.u8.set(block, source);
  try {
    const size = snappyDecodedSize(kernel, source, block.length, bytesMax * 2);
    const guardFrom = target + size + snappyTargetSlackBytes;
    kernel.u8.fill(guard, guardFrom, guardFrom + 64);
    snappyDecode(kernel, source, block.length, target);
    assert.ok(kernel.u8.subarray(guardFrom, guardFrom + 64).every((byte) => byte === guard), "wrote behind the slack");
    return kernel.u8.slice(target, target + size);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return (error as { code: string }).code;
  }
}

function repetitive(size: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const words = Array.from({ length: 20 }, () => Buffer.from(Array.from({ length: 1 + random.int(30) }, () => random.int(256))));
  const parts: Buffer[] = [];
  for (let total = 0; total < size; ) {
    const word = words[random.int(words.length)];
    parts.push(word);
    total += word.length;
  }
  return Buffer.concat(parts).subarray(0, size);
}

for (const size of [0, 1, 59, 60, 61, 255, 256, 257, 65535, 65536, 65537, 200_000]) {
  test(`snappy round trip: ${size} bytes`, () => {
    const bytes = repetitive(size, size);
    assert.deepEqual(decode(snappyCompress(bytes)), new Uint8Array(bytes));
    assert.deepEqual(decode(snappyLiteral(bytes)), new Uint8Array(bytes));
  });
}

const corrupt: { name: string; block: number[]; expected: string | number[] }[] = [
  { name: "empty", block: [], expected: "corrupt_snappy" },
  { name: "preamble without end", block: [0x80, 0x80, 0x80, 0x80, 0x80, 0x01], expected: "corrupt_snappy" },
  { name: "preamble over 32 bits", block: [0xff, 0xff, 0xff, 0xff, 0x7f], expected: "corrupt_snappy" },
  { name: "claims far too much", block: [0x80, 0x80, 0x10, 0x00, 0x41], expected: "corrupt_snappy" },
  { name: "claims more than the limit", block: [0x80, 0x80, 0x80, 0x10, 0x00], expected: "body_too_large" },
  { name: "no data", block: [0x01], expected: "corrupt_snappy" },
  { name: "nothing to decode", block: [0x00], expected: [] },
  { name: "literal over the end of the source", block: [0x02, 0x04, 0x41], expected: "corrupt_snappy" },
  { name: "literal over the end of the target", block: [0x01, 0x04, 0x41, 0x42], expected: "corrupt_snappy" },
  { name: "literal of 2^32 bytes", block: [0x02, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x41], expected: "corrupt_snappy" },
  { name: "copy before the start", block: [0x05, 0x00, 0x41, 0x01, 0x02], expected: "corrupt_snappy" },
  { name: "copy with distance 0", block: [0x05, 0x00, 0x41, 0x01, 0x00], expected: "corrupt_snappy" },
  { name: "copy of one byte, four times", block: [0x05, 0x00, 0x41, 0x01, 0x01], expected: [0x41, 0x41, 0x41, 0x41, 0x41] },
  { name: "copy cut off", block: [0x05, 0x00, 0x41, 0x02, 0x01], expected: "corrupt_snappy" },
  { name: "copy over the end of the target", block: [0x04, 0x00, 0x41, 0x01, 0x01], expected: "corrupt_snappy" },
];
for (const row of corrupt) {
  test(`snappy block: ${row.name}`, () => {
    const result = decode(Uint8Array.from(row.block));
    assert.deepEqual(typeof result === "string" ? result : [...result], row.expected);
  });
}

test("snappy kernel equals its twin on damaged blocks", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 3000; round++) {
    const block = mutate(snappyCompress(repetitive(random.int(600), random.int(1e6))), random);
    const expected = snappyDecodeReference(block);
    const actual = decode(block);
    if (expected === undefined) assert.equal(typeof actual, "string", `seed ${seed} round ${round}`);
    else assert.deepEqual(actual, expected, `seed ${seed} round ${round}`);
  }
});
