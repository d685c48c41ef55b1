// Shows that the number writer gives the shortest text that reads back the same, exactly as String(v) does but for short exponents: on edge
// cases, on random bits, on decimals as they occur in monitoring data, and around powers of two and ten; and that Prometheus writes the same.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "./kernel.ts";
import { cellBytes, numberTextKernels, pointBytesMax } from "./number_text.ts";
import { numberTextReference, numberTextValuesReference } from "./number_text_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const kernels = numberTextKernels(kernel);
const target = kernel.allocate(64);

function numberText(value: number): string {
  const end = kernels.numberText(target, value) >>> 0;
  return Buffer.from(kernel.u8.slice(target, end)).toString("latin1");
}

const rows = [
  0, -0, 1, -1, 10, 123456789, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, 1e20, 1e21, 1.5e21, 123456789012345680000, 1e22, 1e23,
  0.1, 0.2, 0.3, 0.1 + 0.2, 1 / 3, 2 / 3, 100 / 3, 0.001, 0.0001, 0.00001, 0.000001, 0.0000011, 0.0000001, 1.5e-7, 1e-10, 1e-300,
  5e-324, 1e-323, 1.5e-323, 2e-323, 2.5e-323, 3e-323, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308,
  999999999.999999, 1e9 + 0.5, 1e15 + 0.5, 2 ** 52 + 0.5, 2 ** 52 + 1.5, 12.34, 1e-6 + 1e-12, 0.3e-5,
  9.5367431640625e-7, 1.7800590868057611e-307, 2.0522684e7, 4.35, 0.5, 0.25, 1700000000.123, 3.0000000000000004, Infinity, -Infinity, NaN,
];

test("edge cases", () => {
  for (const value of rows) {
    assert.equal(numberText(value), numberTextReference(value));
    assert.equal(numberText(-value), numberTextReference(-value));
  }
});

/** Answers of Prometheus 3.14 to `vector(value)`. */
const prometheusRows = [
  [1e-7, "1e-07"], [1.5e-7, "1.5e-07"], [9.5367431640625e-7, "9.5367431640625e-07"], [1e-6, "0.000001"], [1e-10, "1e-10"], [5e-324, "5e-324"], [1e20, "100000000000000000000"], [1e21, "1e+21"],
  [1.5e21, "1.5e+21"], [1e23, "1e+23"], [0.1 + 0.2, "0.30000000000000004"], [1 / 3, "0.3333333333333333"], [2 ** 63, "9223372036854776000"], [1e300, "1e+300"],
  [1.7976931348623157e308, "1.7976931348623157e+308"], [2.2250738585072014e-308, "2.2250738585072014e-308"], [123456789.125, "123456789.125"], [Infinity, "+Inf"], [-Infinity, "-Inf"], [NaN, "NaN"],
] as const;

test("as Prometheus writes it", () => {
  for (const [value, text] of prometheusRows) assert.equal(numberText(value), text);
});

test("random digits: the text reads back, and no shorter one does", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 20_000; i++) {
    view.setUint32(0, random.int(2 ** 32));
    view.setUint32(4, random.int(2 ** 32));
    const value = view.getFloat64(0);
    if (!Number.isFinite(value)) continue;
    const text = numberText(value);
    assert.ok(Object.is(Number(text), value), `seed ${seed}: ${value} is written as ${text}`);
    const digits = text.replace(/e.*|[-.]/g, "").replace(/^0+|0+$/g, "").length;
    if (digits > 1) assert.notEqual(Number(value.toPrecision(digits - 1)), value, `seed ${seed}: ${text} has a digit too many`);
  }
});

test("powers of two and ten and their neighbours", () => {
  const view = new DataView(new ArrayBuffer(8));
  const check = (value: number): void => {
    view.setFloat64(0, value);
    const bits = view.getBigUint64(0);
    for (let delta = -2n; delta <= 2n; delta++) {
      if (bits + delta < 0n) continue;
      view.setBigUint64(0, bits + delta);
      const near = view.getFloat64(0);
      assert.equal(numberText(near), numberTextReference(near));
    }
  };
  for (let e = -1074; e < 1024; e++) check(2 ** e);
  for (let e = -323; e <= 308; e++) check(Number(`1e${e}`));
});

test("random bits and random decimals", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 200_000; i++) {
    let value: number;
    const kind = i % 5;
    if (kind === 0) {
      view.setUint32(0, random.int(2 ** 32));
      view.setUint32(4, random.int(2 ** 32));
      value = view.getFloat64(0);
    } else if (kind === 1) value = Math.round(random.next() * 1e6) / 10 ** random.int(9);
    else if (kind === 2) value = (random.next() - 0.5) * 10 ** (random.int(40) - 20);
    else if (kind === 3) value = random.int(2 ** 31) * random.int(2 ** 22);
    else value = Number((random.next() * 100).toPrecision(1 + random.int(17)));
    assert.equal(numberText(value), numberTextReference(value), `seed ${seed}`);
  }
});

test("range answers: cells per timestamp, gaps left out", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 200; round++) {
    const mark = kernel.mark();
    const points = random.int(40);
    const timestampsMs = Float64Array.from({ length: points }, (_, i) => 1_700_000_000_000 + i * [60_000, 15_000, 1, 250][round % 4]);
    const values = Float64Array.from({ length: points }, () => (random.int(3) === 0 ? NaN : random.int(2) === 0 ? random.int(1000) : random.next()));
    const timestamps = kernel.allocate(points * 8);
    const column = kernel.allocate(points * 8);
    const cells = kernel.allocate(points * cellBytes);
    const text = kernel.allocate(points * pointBytesMax + 8);
    kernel.f64.set(timestampsMs, timestamps / 8);
    kernel.f64.set(values, column / 8);
    kernels.numberTextCells(timestamps, points, cells);
    const end = kernels.numberTextValues(column, points, cells, text) >>> 0;
    assert.equal(Buffer.from(kernel.u8.slice(text, end)).toString(), numberTextValuesReference(timestampsMs, values), `seed ${seed}`);
    kernel.reset(mark);
  }
});
