// The engine as its callers see it: types of answers, refusals, limits, cancelling, enforced filters. What functions compute is shown by
// conformance.test.ts and properties.test.ts.
import assert from "node:assert/strict";
import test from "node:test";
import { startComponent, visitComponents, withHistogramLabel } from "../model/histogram_series.ts";
import { encodeLabelRun, labelsOf, labelsToRecord } from "../model/labels.ts";
import { consecutiveBuckets, createHistogram } from "../model/native_histogram.ts";
import { sampleKindHistogram } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { measurePromql } from "./engine.bench.ts";
import { PromqlEngine } from "./engine.ts";

const store = new MemoryStore();
const times = Float64Array.from({ length: 20 }, (_, i) => i * 15_000);
const builder = new RowBatchBuilder();
for (const instance of ["a", "b", "c"]) builder.addSeries(labelsOf({ __name__: "up_total", instance }), times, times.map((_, i) => i * 10));
await store.write(builder.build());
const engine = new PromqlEngine({ store, nowMs: () => 0 });

test("answers of all types", async () => {
  const at = { timeMs: 60_000 };
  assert.deepEqual((await engine.instant({ query: "1 + 2", ...at })).series[0].values, Float64Array.of(3));
  assert.equal((await engine.instant({ query: "1 + 2", ...at })).resultType, "scalar");
  const text = await engine.instant({ query: '"x"', ...at });
  assert.deepEqual([text.resultType, text.text], ["string", "x"]);
  const raw = await engine.instant({ query: 'up_total{instance="a"}[45s]', ...at });
  assert.equal(raw.resultType, "matrix");
  assert.deepEqual(raw.series[0].timestampsMs, Float64Array.of(30_000, 45_000, 60_000));
  assert.deepEqual(raw.series[0].values, Float64Array.of(20, 30, 40));
  const subquery = await engine.instant({ query: 'up_total{instance="a"}[1m:30s] offset 15s', ...at });
  assert.deepEqual(subquery.series[0].timestampsMs, Float64Array.of(0, 30_000));
  const matrix = await engine.range({ query: "vector(1)", startMs: 0, endMs: 100, stepMs: 40 });
  assert.deepEqual([matrix.resultType, matrix.timestampsMs], ["matrix", Float64Array.of(0, 40, 80)]);
});

test("ranges that are anchored or smoothed have a sample at each bound", async () => {
  const samplesOf = async (query: string): Promise<[number, number][]> => {
    const { series } = await engine.instant({ query, timeMs: 100_000 });
    return [...series[0].values].map((value, i) => [series[0].timestampsMs![i] / 1000, value]);
  };
  assert.deepEqual(await samplesOf('up_total{instance="a"}[50s] anchored'), [[50, 30], [60, 40], [75, 50], [90, 60], [100, 60]]);
  assert.deepEqual(await samplesOf('up_total{instance="a"}[45s] smoothed'), [[55, 36.666666666666664], [60, 40], [75, 50], [90, 60], [100, 66.66666666666667]]);
});

test("start timestamps are looked at by what knows them, and seen by nobody else", async () => {
  const started = new MemoryStore();
  const own = labelsOf({ __name__: "started_total", instance: "a" });
  const rows = new RowBatchBuilder();
  rows.addSeries(own, times, times.map((_, i) => (i < 10 ? 100 + i : 200 + i)));
  rows.addSeries(labelsOf({ __name__: "started_total", instance: "b" }), times, times.map((_, i) => i));
  rows.addLabelRun(encodeLabelRun(withHistogramLabel(own, startComponent)), times, times.map((_, i) => (i < 10 ? -60_000 : 140_000)), sampleKindHistogram);
  await started.write(rows.build());
  const asked = new PromqlEngine({ store: started, nowMs: () => 0 });
  const valuesOf = async (query: string): Promise<number[]> => (await asked.instant({ query, timeMs: 150_000 })).series.map(({ values }) => values[0]);
  // The first query does not know yet that there are any.
  assert.deepEqual(await valuesOf("sum by (instance) (resets(started_total[1m]))"), [1, 0]);
  assert.deepEqual(await valuesOf("resets(started_total[1m])"), [1, 0]);
  assert.deepEqual(await valuesOf("irate(started_total[1m])"), [14, 1 / 15]);
  assert.deepEqual(await valuesOf("start_timestamp(started_total)"), [140, 0]);
  assert.deepEqual(await valuesOf("start_timestamp(started_total + 0)"), []);
  assert.deepEqual(await valuesOf("count(started_total)"), [2]);
  assert.deepEqual(await valuesOf("delta(started_total[1m])"), [(210 - 107) * (60 / 45), 4]);
});

const refusals: { query: string; message: RegExp }[] = [
  { query: "up_total[5m]", message: /invalid expression type "range vector" for range query/ },
  { query: '"x"', message: /invalid expression type "string" for range query/ },
  { query: "rate(up_total)", message: /expected type range vector/ },
  { query: "1 == 1", message: /BOOL/ },
  { query: "up_total + on (instance) up_total * 2 + on () up_total", message: /many-to-many matching not allowed/ },
  { query: 'up_total + on (x) group_left () up_total', message: /many-to-many matching not allowed/ },
  { query: "topk(1e30, up_total)", message: /overflows int64/ },
  { query: "double_exponential_smoothing(up_total[5m], 2, 0.5)", message: /invalid smoothing factor/ },
  { query: `${"label_join(".repeat(30)}up_total${', "x", "", "x", "instance", "x")'.repeat(30)}`, message: /label_join\(\) makes a label value of more than 65536 characters/ },
  { query: `${"label_replace(".repeat(6)}up_total${`, "instance", "${"$1".repeat(16)}", "instance", "(.*)")`.repeat(6)}`, message: /label_replace\(\) makes a label value of more than/ },
  { query: "label_replace(up_total, '', 'x', 'instance', '.*')", message: /invalid destination label name/ },
  { query: "label_replace(up_total, 'instance', 'x', 'instance', '.*')", message: /same labelset/ },
  { query: "count_values('', up_total)", message: /invalid label name/ },
];

for (const { query, message } of refusals) {
  test(`refused: ${query}`, async () => {
    await assert.rejects(engine.range({ query, startMs: 0, endMs: 120_000, stepMs: 60_000 }), (error: Error) => error.name === "InputError" && message.test(error.message));
  });
}

test("warnings and infos tell the place", async () => {
  const result = await engine.range({ query: "sort(\n  rate(gauge[5m])) or quantile(2, up_total)", startMs: 0, endMs: 120_000, stepMs: 60_000 });
  assert.deepEqual(result.warnings, [
    "PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)",
    "PromQL warning: quantile value should be between 0 and 1, got 2 (2:32)",
  ]);
  assert.deepEqual(result.infos, []);
});

test("limits are named with their flags", async () => {
  const few = (limits: ConstructorParameters<typeof PromqlEngine>[0]["limits"]): PromqlEngine => new PromqlEngine({ store, nowMs: () => 0, limits });
  const grid = { startMs: 0, endMs: 120_000, stepMs: 1000 };
  await assert.rejects(few({ pointsPerSeriesMax: 100 }).range({ query: "up_total", ...grid }), /-search.maxPointsPerTimeseries/);
  await assert.rejects(few({ seriesMax: 2 }).range({ query: "up_total", ...grid }), /-search.maxUniqueTimeseries/);
  await assert.rejects(few({ samplesMax: 20 }).range({ query: "up_total", ...grid }), /-search.maxSamplesPerQuery/);
  await assert.rejects(few({ memoryBytesMax: 2000 }).range({ query: "up_total", ...grid }), /-search.maxMemoryPerQuery/);
  await assert.rejects(few({ subqueryPointsMax: 100 }).range({ query: "max_over_time(up_total[1h:1s])", ...grid }), /-search.maxPointsSubqueryPerTimeseries/);
});

test("columns that are of no use any more do not count", async () => {
  const query = `${"abs(".repeat(50)}up_total${")".repeat(50)}`;
  const { stats } = await engine.range({ query, startMs: 0, endMs: 290_000, stepMs: 1000 });
  const columnBytes = 3 * 291 * 9;
  assert(stats.memoryBytes >= columnBytes && stats.memoryBytes <= 3 * columnBytes, `${stats.memoryBytes} bytes`);
});

test("histograms count as memory of the query", async () => {
  const bucketCount = 100;
  const counts = new Float64Array(bucketCount).fill(1);
  const ofHistograms = new MemoryStore();
  const rows = new RowBatchBuilder();
  visitComponents(createHistogram({ count: bucketCount, sum: 1, positive: consecutiveBuckets(0, counts) }), (component, value) => {
    rows.addLabelRun(encodeLabelRun(withHistogramLabel(labelsOf({ __name__: "h" }), component)), times, times.map(() => value), sampleKindHistogram);
  });
  await ofHistograms.write(rows.build());
  const read = async (memoryBytesMax: number): Promise<number> => {
    const { stats } = await new PromqlEngine({ store: ofHistograms, nowMs: () => 0, limits: { memoryBytesMax } }).range({ query: "h * 2", startMs: 0, endMs: 285_000, stepMs: 15_000 });
    return stats.memoryBytes;
  };
  const componentBytes = (bucketCount + 3) * times.length * 16;
  const histogramBytes = bucketCount * times.length * 12;
  const memoryBytes = await read(1e6);
  assert(memoryBytes >= componentBytes + histogramBytes && memoryBytes <= 2 * (componentBytes + histogramBytes), `${memoryBytes} bytes`);
  await assert.rejects(read(componentBytes), /-search.maxMemoryPerQuery/);
});

test("an aborted query ends with the reason", async () => {
  const controller = new AbortController();
  controller.abort(new Error("gone"));
  await assert.rejects(engine.instant({ query: "up_total", timeMs: 0, signal: controller.signal }), /gone/);
});

test("a query that works for long can be told to stop", async () => {
  const patient = new PromqlEngine({ store, nowMs: () => 0, monotonicMs: () => performance.now() });
  const controller = new AbortController();
  setImmediate(() => controller.abort(new Error("enough")));
  const query = `${"abs(".repeat(300)}up_total${")".repeat(300)}`;
  await assert.rejects(patient.range({ query, startMs: 0, endMs: 290_000, stepMs: 10, signal: controller.signal }), /enough/);
});

test("enforced filters narrow every selector", async () => {
  const enforcedFilters = [[{ name: "instance", op: "=", value: "a" }], [{ name: "instance", op: "=~", value: "c.*" }]] as const;
  const result = await engine.instant({ query: "up_total or on (x) up_total", timeMs: 60_000, enforcedFilters });
  assert.deepEqual(result.series.map(({ labels }) => labelsToRecord(labels)), [{ __name__: "up_total", instance: "a" }, { __name__: "up_total", instance: "c" }]);
});

test("a value reaches as far as the lookback", async () => {
  const seriesAt = async (timeMs: number, lookbackMs?: number): Promise<number> =>
    (await engine.instant({ query: "up_total", timeMs, ...(lookbackMs === undefined ? {} : { lookbackMs }) })).series.length;
  assert.deepEqual([await seriesAt(285_000 + 299_999), await seriesAt(285_000 + 300_000), await seriesAt(286_000, 1000), await seriesAt(286_000, 1001)], [3, 0, 0, 3]);
});

test("the benchmark runs", async () => {
  assert((await measurePromql(70, 1)).length > 5);
});
