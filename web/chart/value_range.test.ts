// The axis holds all finite values with room.
import assert from "node:assert/strict";
import { test } from "node:test";
import { valueRange } from "./value_range.ts";

const rows: readonly { name: string; series: [number, number][]; expected: [number, number] }[] = [
  { name: "nothing", series: [], expected: [0, 1] },
  { name: "gaps only", series: [[NaN, NaN]], expected: [0, 1] },
  { name: "up", series: [[1, 1], [1, 1]], expected: [0, 1.5] },
  { name: "zero", series: [[0, 0]], expected: [-1, 1] },
  { name: "flat", series: [[50, 50]], expected: [45, 55] },
  { name: "near zero", series: [[20, 100]], expected: [0, 104.8] },
  { name: "far from zero", series: [[1000, 1100]], expected: [994, 1106] },
  { name: "negative", series: [[-100, -20]], expected: [-104.8, 0] },
  { name: "both sides", series: [[-50, 50]], expected: [-56, 56] },
  { name: "infinite", series: [[-Infinity, 10], [0, Infinity]], expected: [0, 10.6] },
];
for (const { name, series, expected } of rows) {
  test(`value range: ${name}`, () => {
    const { min, max } = valueRange(series.map(([low, high]) => ({ min: low, max: high })));
    assert.deepEqual([min, max], expected);
  });
}
