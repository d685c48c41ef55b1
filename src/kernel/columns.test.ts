// Shows that sorting and clipping of column batches equals the clear version, bit by bit, on random and on adversarial orders.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { columnKernels, finishColumnsReference, sortScratchBytes } from "./columns.ts";
import { Kernel } from "./kernel.ts";

const kernel = new Kernel();
const kernels = columnKernels(kernel);

function finish(sampleFrom: Uint32Array, timestampsMs: Float64Array, values: Float64Array, minMs: number, maxMs: number) {
  const mark = kernel.mark();
  const count = timestampsMs.length;
  const fromPointer = kernel.allocate(sampleFrom.length * 4);
  const timestamps = kernel.allocate(count * 8);
  const valuePointer = kernel.allocate(count * 8);
  const scratch = kernel.allocate(sortScratchBytes(count));
  kernel.u32.set(sampleFrom, fromPointer / 4);
  kernel.f64.set(timestampsMs, timestamps / 8);
  kernel.f64.set(values, valuePointer / 8);
  const left = kernels.columnsFinish(fromPointer, sampleFrom.length - 1, timestamps, valuePointer, minMs, maxMs, scratch);
  const result = {
    sampleFrom: kernel.u32.slice(fromPointer / 4, fromPointer / 4 + sampleFrom.length),
    timestampsMs: kernel.f64.slice(timestamps / 8, timestamps / 8 + left),
    values: kernel.f64.slice(valuePointer / 8, valuePointer / 8 + left),
  };
  kernel.reset(mark);
  return result;
}

function words(values: Float64Array): BigUint64Array {
  return new BigUint64Array(values.buffer, values.byteOffset, values.length);
}

const orders = [
  { name: "ascending", key: (i: number) => i },
  { name: "descending", key: (i: number) => -i },
  { name: "all equal", key: () => 7 },
  { name: "two interleaved runs", key: (i: number) => (i % 2) * 1000 + i },
  { name: "late block", key: (i: number) => (i < 50 ? i + 1000 : i) },
];
for (const order of orders) {
  test(`columns are sorted: ${order.name}`, () => {
    const timestampsMs = Float64Array.from({ length: 200 }, (_, i) => order.key(i));
    const values = Float64Array.from({ length: 200 }, (_, i) => i);
    const sampleFrom = Uint32Array.of(0, 120, 120, 200);
    assert.deepEqual(finish(sampleFrom, timestampsMs, values, -1e9, 1e9), finishColumnsReference({ sampleFrom, timestampsMs, values }, -1e9, 1e9));
  });
}

test("columns: random batches equal the clear version", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const sampleFrom = new Uint32Array(1 + random.int(8));
    for (let i = 1; i < sampleFrom.length; i++) sampleFrom[i] = sampleFrom[i - 1] + random.int(60);
    const count = sampleFrom[sampleFrom.length - 1];
    const timestampsMs = Float64Array.from({ length: count }, () => random.int(50));
    const values = new Float64Array(count);
    words(values).set(BigUint64Array.from({ length: count }, () => (random.int(4) === 0 ? 0x7ff0000000000002n : BigInt(random.int(1 << 30)) << 20n)));
    const minMs = random.int(20);
    const maxMs = 20 + random.int(30);
    const actual = finish(sampleFrom, timestampsMs, values, minMs, maxMs);
    const expected = finishColumnsReference({ sampleFrom, timestampsMs, values }, minMs, maxMs);
    assert.deepEqual(actual.sampleFrom, expected.sampleFrom, `seed ${seed}`);
    assert.deepEqual(actual.timestampsMs, expected.timestampsMs, `seed ${seed}`);
    assert.deepEqual(words(actual.values), words(expected.values), `seed ${seed}`);
  }
});

test("columns: one sample that is late is found at every place of columns of every length", () => {
  for (let count = 2; count <= 40; count++) {
    for (let late = 1; late < count; late++) {
      const timestampsMs = Float64Array.from({ length: count }, (_, i) => (i === late ? late - 1.5 : i));
      const values = Float64Array.from({ length: count }, (_, i) => i);
      const sampleFrom = Uint32Array.of(0, count);
      assert.deepEqual(finish(sampleFrom, timestampsMs, values, -10, 100), finishColumnsReference({ sampleFrom, timestampsMs, values }, -10, 100), `${late} of ${count}`);
    }
  }
});
