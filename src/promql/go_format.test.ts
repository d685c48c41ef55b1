// Numbers as Go prints them: what stands here was printed by Go.
import assert from "node:assert/strict";
import test from "node:test";
import { formatG, formatOpenMetrics, formatPlain, formatPrecise, parseGoFloat } from "./go_format.ts";

const rows: { value: number; g: string; plain: string; openMetrics: string }[] = [
  { value: 0, g: "0", plain: "0", openMetrics: "0.0" },
  { value: -0, g: "-0", plain: "-0", openMetrics: "-0.0" },
  { value: 1, g: "1", plain: "1", openMetrics: "1.0" },
  { value: -1.5, g: "-1.5", plain: "-1.5", openMetrics: "-1.5" },
  { value: 123456, g: "123456", plain: "123456", openMetrics: "123456.0" },
  { value: 1234567, g: "1.234567e+06", plain: "1234567", openMetrics: "1.234567e+06" },
  { value: 0.0001, g: "0.0001", plain: "0.0001", openMetrics: "0.0001" },
  { value: 0.00001, g: "1e-05", plain: "0.00001", openMetrics: "1e-05" },
  { value: 1e21, g: "1e+21", plain: "1000000000000000000000", openMetrics: "1e+21" },
  { value: 1e-7, g: "1e-07", plain: "0.0000001", openMetrics: "1e-07" },
  { value: NaN, g: "NaN", plain: "NaN", openMetrics: "NaN" },
  { value: Infinity, g: "+Inf", plain: "+Inf", openMetrics: "+Inf" },
  { value: -Infinity, g: "-Inf", plain: "-Inf", openMetrics: "-Inf" },
];

for (const { value, g, plain, openMetrics } of rows) {
  test(`numbers as Go prints them: ${g}`, () => {
    assert.deepEqual([formatG(value), formatPlain(value), formatOpenMetrics(value)], [g, plain, openMetrics]);
  });
}

test("two significant digits", () => {
  assert.deepEqual([0.125, 3, 12.7, 1234, 0.00001234, Infinity].map((value) => formatPrecise(value, 2)), ["0.13", "3", "13", "1.2e+03", "1.2e-05", "+Inf"]);
});

test("bucket bounds are read as Go reads them", () => {
  assert.deepEqual(["+Inf", "-inf", "infinity", "1e3", ".5", "5.", "+1"].map(parseGoFloat), [Infinity, -Infinity, Infinity, 1000, 0.5, 5, 1]);
  assert.deepEqual(["", "x", "1x", "1 ", "--1", "1_0"].map(parseGoFloat), [undefined, undefined, undefined, undefined, undefined, undefined]);
});
