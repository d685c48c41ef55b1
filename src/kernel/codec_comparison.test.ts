// Shows that the comparison of the codecs runs, on each kind of column, and that its figures are plausible.
import assert from "node:assert/strict";
import test from "node:test";
import { comparedCodecs, compareCodecs, printComparison, printMeans } from "./codec_comparison.bench.ts";
import { typicalColumns } from "./codec_columns.ts";

test("every codec is measured on every column", () => {
  const figures = typicalColumns.flatMap((column) => compareCodecs(column, 240, 1, 1));
  assert.equal(figures.length, typicalColumns.length * comparedCodecs.length);
  for (const row of figures) assert.ok(row.bytesPerSample > 0 && row.bytesPerSample < 12.6, printComparison(row));
  assert.match(printComparison(figures[0]), /counter, requests +240 delta .* B {2}encode ns .* decode ns .*\(/);
  assert.equal(printMeans(figures, "all").length, comparedCodecs.length);
});

test("timestamps at equal distances take a bit each as differences of differences", () => {
  const steady = typicalColumns.find(({ name }) => name === "timestamps, exact")!;
  const row = compareCodecs(steady, 8192, 1, 1).find(({ codec }) => codec === "delta of delta")!;
  assert.ok(row.bytesPerSample < 0.13);
});
