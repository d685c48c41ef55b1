// All rollup functions of MetricsQL, asked of the engine over random series (counters with resets, gaps, stale markers, several intervals), against a naive
// evaluation that follows reference texts rather than the engine's tables: for each series and point the list of samples of the window, then the
// plain function (src/kernel/rollup_reference.ts). What is shown is what the engine adds to the kernels: which samples are read, how wide a window is
// that nobody wrote, which functions see stale markers or remove resets, names, labels, arguments.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { quantileReference } from "../kernel/aggregate_reference.ts";
import type { RollupName } from "../kernel/rollup.ts";
import { removeResetsReference, rollupReference, rollupWindowsReference, scrapeIntervalMsReference, type RollupWindow } from "../kernel/rollup_reference.ts";
import { functions } from "../metricsql/functions.ts";
import { printNumber } from "../metricsql/number.ts";
import { labelsOf, labelsToRecord } from "../model/labels.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { testSeed } from "../../testkit/seed.ts";
import { Engine } from "./engine.ts";
import { bucketIndexOf, bucketName } from "./log_buckets.ts";

// ---- what the functions are ----

/** Function -> its plain version. */
const plain: Readonly<Record<string, RollupName>> = {
  ascent_over_time: "Ascent", avg_over_time: "Avg", changes: "Changes", changes_prometheus: "ChangesPrometheus", count_eq_over_time: "CountEq", count_gt_over_time: "CountGt",
  count_le_over_time: "CountLe", count_ne_over_time: "CountNe", count_over_time: "Count", decreases_over_time: "Resets", default_rollup: "Last", delta: "Delta",
  delta_prometheus: "DeltaPrometheus", deriv: "Deriv", deriv_fast: "Rate", descent_over_time: "Descent", distinct_over_time: "Distinct", duration_over_time: "Duration",
  first_over_time: "First", geomean_over_time: "Geomean", hoeffding_bound_lower: "HoeffdingLower", hoeffding_bound_upper: "HoeffdingUpper", holt_winters: "HoltWinters",
  idelta: "Idelta", ideriv: "Ideriv", increase: "Delta", increase_prometheus: "DeltaPrometheus", increase_pure: "IncreasePure", increases_over_time: "Increases",
  integrate: "Integrate", irate: "Ideriv", lag: "Lag", last_over_time: "Last", lifetime: "Lifetime", mad_over_time: "Mad", max_over_time: "Max", min_over_time: "Min",
  mode_over_time: "Mode", outlier_iqr_over_time: "OutlierIqr", predict_linear: "PredictLinear", present_over_time: "Present", quantile_over_time: "Quantile",
  range_over_time: "Range", rate: "Rate", rate_over_sum: "RateOverSum", rate_prometheus: "RatePrometheus", resets: "Resets", scrape_interval: "ScrapeInterval",
  share_eq_over_time: "ShareEq", share_gt_over_time: "ShareGt", share_le_over_time: "ShareLe", stale_samples_over_time: "StaleSamples", stddev_over_time: "Stddev",
  stdvar_over_time: "Stdvar", sum2_over_time: "Sum2", sum_eq_over_time: "SumEq", sum_gt_over_time: "SumGt", sum_le_over_time: "SumLe", sum_over_time: "Sum",
  tfirst_over_time: "FirstTime", timestamp: "LastTime", timestamp_with_name: "LastTime", tlast_change_over_time: "LastChangeTime", tlast_over_time: "LastTime",
  tmax_over_time: "MaxTime", tmin_over_time: "MinTime", zscore_over_time: "Zscore",
};

/** Several series for each; the differences, slopes or intervals of the samples are what is looked at. */
const variants: Readonly<Record<string, readonly [tag: string, RollupName][]>> = Object.fromEntries([
  ["rollup", ""], ["rollup_candlestick", "candles"], ["rollup_delta", ""], ["rollup_deriv", ""], ["rollup_increase", ""], ["rollup_rate", ""], ["rollup_scrape_interval", ""],
].map(([name, kind]) => [name, kind === "candles" ? [["open", "Open"], ["close", "Close"], ["low", "Low"], ["high", "High"]] : [["min", "Min"], ["max", "Max"], ["avg", "Avg"]]]));

const widensWindow = new Set([
  "default_rollup", "deriv", "deriv_fast", "ideriv", "irate", "rate", "rate_over_sum", "rollup", "rollup_candlestick", "rollup_deriv", "rollup_rate", "rollup_scrape_interval",
  "scrape_interval", "timestamp",
]);
const removesResets = new Set(["increase", "increase_prometheus", "increase_pure", "irate", "rate", "rate_prometheus", "rollup_increase", "rollup_rate"]);
const seesStaleMarkers = new Set(["default_rollup", "stale_samples_over_time"]);
const keepsName = new Set([
  "avg_over_time", "default_rollup", "first_over_time", "geomean_over_time", "hoeffding_bound_lower", "hoeffding_bound_upper", "holt_winters", "last_over_time", "max_over_time",
  "median_over_time", "min_over_time", "mode_over_time", "predict_linear", "quantile_over_time", "quantiles_over_time", "rollup", "rollup_candlestick", "timestamp_with_name",
]);
/** Read five minutes more than the window, for the sample before it. */
const readsBefore = new Set([
  "ascent_over_time", "changes", "decreases_over_time", "default_rollup", "delta", "deriv_fast", "descent_over_time", "idelta", "ideriv", "increase", "increase_pure",
  "increases_over_time", "integrate", "irate", "lag", "lifetime", "rate", "resets", "rollup", "rollup_candlestick", "rollup_delta", "rollup_deriv", "rollup_increase", "rollup_rate",
  "rollup_scrape_interval", "scrape_interval", "tlast_change_over_time",
]);
const numbersFirst = new Set(["hoeffding_bound_lower", "hoeffding_bound_upper", "quantile_over_time"]);

// ---- data ----

interface Samples {
  readonly labels: Readonly<Record<string, string>>;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

const startMs = 1_700_000_000_000;
const lengthMs = 1_200_000;

function randomSamples(random: Random, id: string): Samples {
  const kind = random.int(5);
  const intervalMs = [2000, 5000, 15_000, 60_000, 300_000][random.int(5)];
  const jitterMs = random.int(2) === 0 ? 1 : intervalMs / 5;
  const timestampsMs: number[] = [];
  const values: number[] = [];
  const stale: number[] = [];
  let value = random.int(2) === 0 ? 0 : random.int(1000);
  for (let t = startMs + random.int(intervalMs); t < startMs + lengthMs; t += intervalMs) {
    if (random.int(25) === 0) t += intervalMs * random.int(12);
    value = kind === 0 ? (random.int(20) === 0 ? random.int(4) : value + random.int(9)) : kind === 1 ? random.int(4) : kind === 2 ? random.next() * 20 - 10 : kind === 3 ? value : (random.int(9) === 0 ? value * 0.95 : value + random.next());
    if (random.int(30) === 0) stale.push(values.length);
    timestampsMs.push(Math.floor(t + random.next() * jitterMs));
    values.push(value);
  }
  const column = Float64Array.from(values);
  for (const index of stale) writeStaleMarker(column, index);
  return { labels: { __name__: "m", id }, timestampsMs: Float64Array.from(timestampsMs), values: column };
}

// ---- the naive evaluation ----

interface Query {
  readonly windowMs: number;
  readonly startMs: number;
  readonly stepMs: number;
  readonly points: number;
}

/** The windows of one series, one for each point; undefined if nothing of it is read. */
function windowsOf(name: string, series: Samples, query: Query, args: readonly [number, number]): RollupWindow[] | undefined {
  // Candles stand at their left edge: they are those of one step later.
  const grid = name === "rollup_candlestick" ? { ...query, startMs: query.startMs + query.stepMs } : query;
  const minMs = grid.startMs - Math.max(grid.windowMs, grid.stepMs) - (readsBefore.has(name) ? 300_000 : 0);
  const maxMs = grid.startMs + (grid.points - 1) * grid.stepMs;
  const isRead = (t: number, i: number): boolean => t >= minMs && t <= maxMs && (seesStaleMarkers.has(name) || !Number.isNaN(series.values[i]));
  const indexes = [...series.timestampsMs.keys()].filter((i) => isRead(series.timestampsMs[i], i));
  if (!series.timestampsMs.some((t) => t >= minMs && t <= maxMs)) return undefined;
  const timestampsMs = Float64Array.from(indexes, (i) => series.timestampsMs[i]);
  // Bit by bit, since stale markers are NaNs.
  const values = new Float64Array(indexes.length);
  indexes.forEach((i, k) => new BigUint64Array(values.buffer).set(new BigUint64Array(series.values.buffer, i * 8, 1), k));
  const prevMs = grid.points === 1 ? grid.stepMs : roomFor(scrapeIntervalMsReference([...timestampsMs], grid.stepMs));
  const windowMs = grid.windowMs > 0 ? grid.windowMs : widensWindow.has(name) ? Math.max(grid.stepMs, prevMs) : grid.stepMs;
  const seen = inputOf(name, timestampsMs, removesResets.has(name) ? Float64Array.from(removeResetsReference(timestampsMs, values, 0)) : values);
  return rollupWindowsReference({ timestampsMs, values: seen, startMs: grid.startMs, stepMs: grid.stepMs, points: grid.points, windowMs, maxPrevIntervalMs: prevMs, lookbackMs: 0, args: () => args });
}

function roomFor(intervalMs: number): number {
  const rows = [[2000, 5], [4000, 3], [8000, 2], [16_000, 1.5], [32_000, 1.25]] as const;
  return Math.floor(intervalMs * (rows.find(([limit]) => intervalMs <= limit)?.[1] ?? 1.125));
}

/** Each sample stands for the way to the next one, the last for the way before it; intervals for the way from the one before. */
function inputOf(name: string, times: Float64Array, values: Float64Array): Float64Array {
  const n = values.length;
  const way = (i: number): number => (n < 2 ? 0 : Math.min(i, n - 2));
  if (name === "rollup_delta" || name === "rollup_increase") return values.map((_, i) => (n < 2 ? 0 : values[way(i) + 1] - values[way(i)]));
  if (name === "rollup_deriv" || name === "rollup_rate") return values.map((_, i) => (n < 2 ? 0 : (values[way(i) + 1] - values[way(i)]) / ((times[way(i) + 1] - times[way(i)]) / 1000)));
  if (name !== "rollup_scrape_interval") return values;
  return values.map((_, i) => (n < 2 ? NaN : times[Math.max(i, 1)] / 1000 - times[Math.max(i, 1) - 1] / 1000));
}

type Answer = Map<string, number[]>;

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function evaluate(name: string, all: readonly Samples[], query: Query, args: readonly [number, number]): Answer {
  const answer: Answer = new Map();
  const missing = Array.from({ length: query.points }, () => true);
  for (const series of all) {
    const windows = windowsOf(name, series, query, args);
    windows?.forEach(({ values }, i) => (missing[i] &&= values.length === 0));
    if (windows === undefined || name === "absent_over_time") continue;
    const { __name__, ...others } = series.labels;
    const labels = keepsName.has(name) ? series.labels : others;
    for (const [more, column] of columnsOf(name, windows, args)) if (!column.every(Number.isNaN)) answer.set(keyOf({ ...labels, ...more }), column);
  }
  if (name === "absent_over_time" && missing.includes(true)) answer.set("[]", missing.map((isMissing) => (isMissing ? 1 : NaN)));
  return answer;
}

function columnsOf(name: string, windows: readonly RollupWindow[], args: readonly [number, number]): [Record<string, string>, number[]][] {
  if (name in variants) return variants[name].map(([rollup, twin]) => [{ rollup }, windows.map(rollupReference[twin])]);
  if (name === "aggr_over_time") return (["Min", "Count"] as const).map((twin) => [{ rollup: twin === "Min" ? "min_over_time" : "count_over_time" }, windows.map(rollupReference[twin])]);
  if (name === "median_over_time") return [[{}, windows.map(({ values }) => quantileReference([...values], 0.5))]];
  if (name === "quantiles_over_time") return [0.25, args[0]].map((phi) => [{ phi: printNumber(phi) }, windows.map(({ values }) => quantileReference([...values], phi))]);
  if (name === "count_values_over_time" || name === "histogram_over_time") {
    const [label, tag] = name === "histogram_over_time" ? ["vmrange", (v: number) => (bucketIndexOf(v) === undefined ? undefined : bucketName(bucketIndexOf(v)!))] as const : ["value", printNumber] as const;
    const tags = new Set(windows.flatMap(({ values }) => [...values].map(tag)));
    return [...tags].filter((found) => found !== undefined).map((found) => [{ [label]: found }, windows.map(({ values }) => [...values].filter((v) => tag(v) === found).length || NaN)]);
  }
  return [[{}, windows.map(rollupReference[plain[name]])]];
}

// ---- the engine ----

const minutes = ["", "", "[30s]", "[1m]", "[5m]", "[13m]"] as const;
const lengths: Readonly<Record<string, number>> = { "": 0, "[30s]": 30_000, "[1m]": 60_000, "[5m]": 300_000, "[13m]": 780_000 };

function textOf(name: string, window: string, args: readonly [number, number]): string {
  const m = `m${window}`;
  if (name === "aggr_over_time") return `aggr_over_time(("min_over_time", "count_over_time"), ${m})`;
  if (name === "count_values_over_time") return `count_values_over_time("value", ${m})`;
  if (name === "quantiles_over_time") return `quantiles_over_time("phi", 0.25, ${args[0]}, ${m})`;
  if (name === "holt_winters") return `holt_winters(${m}, ${args[0]}, ${args[1]})`;
  if (numbersFirst.has(name)) return `${name}(${args[0]}, ${m})`;
  return functions.get(name)?.args[0] === 2 ? `${name}(${m}, ${args[0]})` : `${name}(${m})`;
}

function assertNear(actual: number, expected: number, note: string): void {
  if (Object.is(actual, expected) || actual === expected) return;
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(actual), Math.abs(expected)), `${note}: ${actual}, the naive evaluation gives ${expected}`);
}

const rollupNames = [...functions].flatMap(([name, { family }]) => (family === "rollup" ? [name] : []));

test("every rollup function has a naive version", () => {
  const special = ["absent_over_time", "aggr_over_time", "count_values_over_time", "histogram_over_time", "median_over_time", "quantiles_over_time"];
  assert.deepEqual([...Object.keys(plain), ...Object.keys(variants), ...special].sort(), rollupNames.toSorted());
  assert.equal(rollupNames.length, 80);
});

test("every rollup function gives what its naive version gives, over random series, windows and grids", async () => {
  const random = seededRandom(testSeed());
  let compared = 0;
  for (let round = 0; round < 5; round++) {
    const all = Array.from({ length: 5 }, (_, i) => randomSamples(random, String(i)));
    const store = new MemoryStore();
    const builder = new RowBatchBuilder();
    for (const { labels, timestampsMs, values } of all) builder.addSeries(labelsOf(labels), timestampsMs, values);
    await store.write(builder.build());
    const engine = new Engine({ store, kernel: new Kernel(), nowMs: () => startMs });
    for (const name of rollupNames) {
      const window = minutes[random.int(minutes.length)];
      const stepMs = [1000, 15_000, 60_000, 7000, 300_000][random.int(5)];
      const args = [[0.5, 0.1, 2, 0.9, 1, 0][random.int(6)], [0, 0.3, 1][random.int(3)]] as const;
      const query = { windowMs: lengths[window], startMs: startMs + random.int(lengthMs), stepMs, points: random.int(4) === 0 ? 1 : 2 + random.int(20) };
      const text = textOf(name, window, args);
      const note = `seed ${testSeed()} round ${round}: ${text} at ${query.startMs - startMs} step ${stepMs} points ${query.points}`;
      const found = query.points === 1
        ? await engine.instant({ query: text, timeMs: query.startMs, stepMs })
        : await engine.range({ query: text, startMs: query.startMs, endMs: query.startMs + (query.points - 1) * stepMs, stepMs });
      const expected = evaluate(name, all, query, args);
      assert.deepEqual(found.series.map(({ labels }) => keyOf(labelsToRecord(labels))).sort(), [...expected.keys()].sort(), note);
      for (const { labels, values } of found.series) {
        const key = keyOf(labelsToRecord(labels));
        expected.get(key)!.forEach((value, i) => assertNear(values[i], value, `${note}, ${key}, point ${i}`));
        compared += values.length;
      }
    }
  }
  assert.ok(compared > 10_000, `only ${compared} points compared`);
});
