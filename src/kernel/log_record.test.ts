// Log record frames: the kernels and their twins make and judge the same bytes; every flipped bit is noticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "./kernel.ts";
import {
  checkLogRecord,
  checkLogRecordInKernel,
  findLogHeader,
  findLogHeaderInKernel,
  logCheck,
  logHeaderBytes,
  logPayloadBytesMax,
  logRecordSize,
  sealLogRecord,
  sealLogRecordInKernel,
} from "./log_record.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();

function record(payloadSize: number, type: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const bytes = Uint8Array.from({ length: logRecordSize(payloadSize) }, () => random.int(256));
  assert.equal(sealLogRecord(bytes, 0, payloadSize, type, 1), bytes.length);
  return bytes;
}

/** Runs `action` with a copy of `bytes` in the kernel's memory. */
function inKernel<T>(bytes: Uint8Array, action: (pointer: number) => T): T {
  const mark = kernel.mark();
  const pointer = kernel.allocate(bytes.length);
  kernel.u8.set(bytes, pointer);
  const result = action(pointer);
  kernel.reset(mark);
  return result;
}

test("the kernel seals the same bytes as its twin", () => {
  for (const payloadSize of [0, 1, 7, 8, 9, 24, 40, 1000, 65536]) {
    const random = seededRandom(payloadSize);
    const unsealed = Uint8Array.from({ length: logRecordSize(payloadSize) }, () => random.int(256));
    const twin = unsealed.slice();
    sealLogRecord(twin, 0, payloadSize, 5, 3);
    inKernel(unsealed, (pointer) => {
      assert.equal(sealLogRecordInKernel(kernel, pointer, payloadSize, 5, 3), twin.length);
      assert.deepEqual(kernel.u8.slice(pointer, pointer + twin.length), twin);
      assert.equal(checkLogRecordInKernel(kernel, pointer, twin.length), twin.length);
    });
    assert.equal(checkLogRecord(twin, 0), twin.length);
  }
});

test("a payload over the limit is not sealed", () => {
  assert.equal(sealLogRecord(new Uint8Array(16), 0, logPayloadBytesMax + 1, 1, 1), 0);
  assert.equal(sealLogRecordInKernel(kernel, kernel.heapBase, logPayloadBytesMax + 1, 1, 1), 0);
});

test("a record that is cut anywhere asks for more", () => {
  const bytes = record(50, 1, 1);
  inKernel(bytes, (pointer) => {
    for (let size = 0; size < bytes.length; size++) {
      assert.equal(checkLogRecord(bytes.subarray(0, size), 0), logCheck.incomplete);
      assert.equal(checkLogRecordInKernel(kernel, pointer, size), logCheck.incomplete);
    }
  });
});

test("every flipped bit but those of the padding is noticed, as a broken header or payload", () => {
  const bytes = record(21, 1, 2);
  for (let bit = 0; bit < (logHeaderBytes + 21) * 8; bit++) {
    const broken = bytes.slice();
    broken[bit >> 3] ^= 1 << (bit & 7);
    // The checksum (bytes 4..8) is not part of what makes a header right.
    const expected = bit >> 3 >= 4 && (bit >> 3 < 8 || bit >> 3 >= 16) ? logCheck.badPayload : logCheck.badHeader;
    assert.equal(checkLogRecord(broken, 0), expected, `bit ${bit}`);
    assert.equal(inKernel(broken, (pointer) => checkLogRecordInKernel(kernel, pointer, broken.length)), expected, `bit ${bit}`);
  }
});

test("the next header is found behind garbage, zeros, and nothing at the end", () => {
  const bytes = record(40, 2, 3);
  for (const gap of [0, 8, 16, 800]) {
    for (const fill of [0, 7, 255]) {
      const garbage = new Uint8Array(gap + bytes.length).fill(fill, 0, gap);
      garbage.set(bytes, gap);
      assert.equal(findLogHeader(garbage, 0), gap);
      assert.equal(inKernel(garbage, (pointer) => findLogHeaderInKernel(kernel, pointer, garbage.length)), gap);
    }
  }
  const zeros = new Uint8Array(100);
  assert.equal(findLogHeader(zeros, 0), 88);
  assert.equal(inKernel(zeros, (pointer) => findLogHeaderInKernel(kernel, pointer, zeros.length)), 88);
});

test("kernel and twin judge random bytes alike", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const bytes = Uint8Array.from({ length: random.int(200) }, () => (random.int(2) ? 0 : random.int(256)));
    inKernel(bytes, (pointer) => {
      assert.equal(checkLogRecordInKernel(kernel, pointer, bytes.length), checkLogRecord(bytes, 0), `seed ${seed}`);
      assert.equal(findLogHeaderInKernel(kernel, pointer, bytes.length), findLogHeader(bytes, 0), `seed ${seed}`);
    });
  }
});
