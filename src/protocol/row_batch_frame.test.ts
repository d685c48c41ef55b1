// A framed batch comes back as it was, bit for bit; damaged frames are refused with a typed error.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { checksumOfBytes } from "../kernel/checksum.ts";
import { encodeLabelRun, isLabelRun, labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { RowBatch } from "../model/row_batch.ts";
import { type CollectedSeries, collectBatch, mutate } from "../../testkit/parse_body.ts";
import { decodeRowBatchFrame, encodeRowBatchFrame, rowBatchFrameSize } from "./row_batch_frame.ts";
import { testSeed } from "../../testkit/seed.ts";

function randomBatch(random: Random): RowBatch {
  const builder = new RowBatchBuilder({ accountId: random.int(5), projectId: random.int(2 ** 32) });
  for (let i = random.int(6); i > 0; i--) {
    const bits = BigUint64Array.from({ length: 1 + random.int(5) }, () => [0x7ff0000000000002n, 1n << 63n, BigInt(random.int(2 ** 32)) << 31n][random.int(3)]);
    builder.addSeries(labelsOf({ __name__: `m${random.int(3)}`, é: "x".repeat(random.int(300)) }), Float64Array.from(bits, () => random.int(1e9)), new Float64Array(bits.buffer));
  }
  for (let i = random.int(3); i > 0; i--) builder.addMetadata({ metricFamily: `m${i}`, type: "counter", help: "é", unit: "" });
  return builder.build();
}

function contents(batch: RowBatch): unknown {
  const series: CollectedSeries[] = [];
  collectBatch(batch, series);
  return { tenant: batch.tenant, series, metadata: batch.metadata };
}

test("frames round trip, also at an odd address and with bytes behind", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const batch = randomBatch(random);
    const frame = encodeRowBatchFrame(batch);
    assert.equal(rowBatchFrameSize(frame), frame.length);
    assert.deepEqual(contents(decodeRowBatchFrame(frame)), contents(batch), `seed ${seed} round ${round}`);
    const shifted = new Uint8Array(frame.length + 20);
    shifted.set(frame, 3);
    assert.deepEqual(contents(decodeRowBatchFrame(shifted.subarray(3))), contents(batch), `seed ${seed} round ${round}`);
  }
});

test("rows of one series that follow each other share their label run", () => {
  const labels = labelsOf({ a: "x".repeat(1000) });
  const batch = new RowBatchBuilder().addSeries(labels, Float64Array.of(1), Float64Array.of(1)).addSeries(labels, Float64Array.of(2), Float64Array.of(2)).build();
  const rows = batch.seriesRows.slice();
  rows[5] = rows[0];
  assert.ok(encodeRowBatchFrame({ ...batch, seriesRows: rows }).length < 1300);
});

test("damaged frames are refused, with a right checksum too", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 3000; round++) {
    const frame = encodeRowBatchFrame(randomBatch(random));
    const damaged = Uint8Array.from(mutate(frame, random));
    const forged = round % 2 === 0 && damaged.length >= 48;
    if (forged) new DataView(damaged.buffer).setUint32(8, checksumOfBytes(damaged.subarray(12, new DataView(damaged.buffer).getUint32(4, true))), true);
    try {
      contents(decodeRowBatchFrame(damaged));
      assert.ok(forged || Buffer.compare(damaged.subarray(0, frame.length), frame) === 0, `seed ${seed} round ${round}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      // A forged frame may hold a row without samples, which collectBatch does not like but a Store does.
      assert.ok(error instanceof InputError || (forged && (error as Error).name === "AssertionError"), `seed ${seed} round ${round}: ${String(error)}`);
    }
  }
});

const runRows: { name: string; bytes: number[]; expected: boolean }[] = [
  { name: "of two labels", bytes: [...encodeLabelRun(labelsOf({ a: "1", b: "2" }))], expected: true },
  { name: "empty", bytes: [], expected: false },
  { name: "not sorted", bytes: [...encodeLabelRun([{ name: "b", value: "1" }, { name: "a", value: "1" }])], expected: false },
  { name: "with an empty value", bytes: [...encodeLabelRun([{ name: "b", value: "" }])], expected: false },
  { name: "with an empty name", bytes: [...encodeLabelRun([{ name: "", value: "x" }])], expected: false },
  { name: "cut off", bytes: [...encodeLabelRun(labelsOf({ a: "1" }))].slice(0, -1), expected: false },
  { name: "with a long varint", bytes: [0x0a, 0x86, 0x00, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x31], expected: false },
];
for (const row of runRows) test(`a label run ${row.name}`, () => assert.equal(isLabelRun(Uint8Array.from(row.bytes), 0, row.bytes.length), row.expected));
