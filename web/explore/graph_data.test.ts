// Answers on the grid: gaps stay gaps, statistics skip them, keys and colours are stable.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueryAnswer } from "../../client/index.ts";
import { gridSize, makeGraphData, seriesStatistics } from "./graph_data.ts";
import type { GraphData, TimeGrid } from "./graph_data.ts";

const nan = Number.NaN;
const statistics: readonly { name: string; values: number[]; expected: [number, number, number, number] }[] = [
  { name: "plain", values: [1, 2, 6], expected: [6, 1, 6, 3] },
  { name: "gaps", values: [nan, 4, nan, 2, nan], expected: [2, 2, 4, 3] },
  { name: "one", values: [-7], expected: [-7, -7, -7, -7] },
  { name: "none", values: [nan, nan], expected: [nan, nan, nan, nan] },
  { name: "infinite", values: [1, Infinity], expected: [Infinity, 1, Infinity, Infinity] },
];
for (const { name, values, expected } of statistics) {
  test(`statistics: ${name}`, () => {
    const { last, min, max, avg } = seriesStatistics(Float64Array.from(values));
    assert.deepEqual([last, min, max, avg], expected);
  });
}

const grid: TimeGrid = { fromMs: 10_000, toMs: 50_000, stepMs: 10_000 };

function answerOf(...all: [Record<string, string>, [number, number][]][]): QueryAnswer {
  const series = all.map(([labels, samples]) => ({ labels, timestampsMs: Float64Array.from(samples, ([time]) => time), values: Float64Array.from(samples, ([, value]) => value) }));
  return { resultType: "matrix", series, text: undefined, warnings: [], infos: [], hints: [], isPartial: false, sizeBytes: 0 };
}

function make(...answers: (QueryAnswer | undefined)[]): GraphData {
  const steps = makeGraphData(answers, grid);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

test("graph data: samples take their place, others are left out", () => {
  const { series } = make(answerOf([{ a: "b" }, [[0, 9], [10_000, 1], [30_001, 3], [50_000, 5], [60_000, 9]]]));
  assert.deepEqual([...series[0].values], [1, nan, 3, nan, 5]);
  assert.equal(gridSize(grid), 5);
});

test("graph data: equal series of two queries differ in key, and common labels are found over all", () => {
  const data = make(answerOf([{ __name__: "up", job: "a", x: "1" }, []]), undefined, answerOf([{ __name__: "up", job: "a", x: "1" }, []], [{ __name__: "up", job: "a", x: "2" }, []]));
  assert.deepEqual(data.series.map(({ key }) => key), ['0 up{job="a", x="1"}', '2 up{job="a", x="1"}', '2 up{job="a", x="2"}']);
  assert.deepEqual(data.common, { __name__: "up", job: "a" });
  assert.equal(new Set(data.series.map(({ color }) => color)).size, 3);
});
