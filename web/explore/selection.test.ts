// Filter and isolation of series in the legend.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GraphData, GraphSeries } from "./graph_data.ts";
import { filterSeries, isolateSeries, shortName, toggleIsolated } from "./selection.ts";

const series = ["node", "prometheus"].flatMap((job) =>
  ["10.0.0.1:9100", "10.0.0.2:9100"].map((instance): GraphSeries => {
    const name = `up{instance="${instance}", job="${job}"}`;
    return { key: `0 ${name}`, name, queryIndex: 0, labels: { __name__: "up", instance, job }, color: 0, values: new Float64Array(1), last: 1, min: 1, max: 1, avg: 1 };
  }),
);
const data: GraphData = { grid: { fromMs: 0, toMs: 1, stepMs: 1 }, series, common: { __name__: "up" }, sampleCount: 4 };

const filters: readonly [string, number[]][] = [
  ["", [0, 1, 2, 3]], ["NODE", [0, 1]], ["prom 0.2", [3]], ['job="node"', [0, 1]], ["0\\.[12]:", [0, 1, 2, 3]], ["0.1$", []], ["[", []], ["nothing", []], ["node|prom", [0, 1, 2, 3]],
];
for (const [filter, expected] of filters) {
  test(`filter: ${JSON.stringify(filter)}`, () => assert.deepEqual(filterSeries(data, filter), expected.map((i) => series[i])));
}

test("isolate: one, again, and more with Ctrl", () => {
  const [one, other] = series.map(({ key }) => key);
  const only = toggleIsolated(new Set(), one, false);
  assert.deepEqual(isolateSeries(series, only), [series[0]]);
  assert.deepEqual(toggleIsolated(only, one, false), new Set());
  assert.deepEqual(toggleIsolated(only, other, true), new Set([one, other]));
  assert.deepEqual(toggleIsolated(only, one, true), new Set());
  assert.deepEqual(isolateSeries(series, new Set(["gone"])), series);
});

test("names: what all have is left out", () => assert.equal(shortName(series[0], data), '{instance="10.0.0.1:9100", job="node"}'));
