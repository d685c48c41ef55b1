// Shows that rollup kernels equal their clear versions on random series (gaps, duplicate timestamps, resets, ties) and windows, and
// that they give the recorded results of conformance/rollup.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { Kernel } from "./kernel.ts";
import { allRollupNames, RollupContext, rollupKernel, rollupKernels, type RollupName } from "./rollup.ts";
import { removeResetsReference, rollupReference, rollupWindowsReference, scrapeIntervalMsReference } from "./rollup_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const kernels = rollupKernels(kernel);

function put(values: ArrayLike<number>): number {
  const pointer = kernel.allocate(values.length * 8 + 16);
  kernel.f64.set(values, pointer / 8);
  return pointer;
}

function read(pointer: number, count: number): number[] {
  return Array.from(kernel.f64.subarray(pointer / 8, pointer / 8 + count));
}

function assertClose(actual: readonly number[], expected: readonly number[], note: string, tolerance = 1e-9): void {
  assert.equal(actual.length, expected.length, note);
  actual.forEach((a, i) => {
    const e = expected[i];
    if (Object.is(a + 0, e + 0)) return;
    assert.ok(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)), `${note}: point ${i} is ${a}, not ${e}; all ${actual.join(" ")}`);
  });
}

function randomSeries(random: Random): { timestampsMs: Float64Array; values: Float64Array } {
  const count = random.int(60);
  const interval = [1, 100, 15_000][random.int(3)];
  const kind = random.int(4);
  const timestampsMs = new Float64Array(count);
  const values = new Float64Array(count);
  let t = random.int(1000);
  let v = 0;
  for (let i = 0; i < count; i++) {
    const jump = random.int(12);
    t += jump === 0 ? 0 : jump === 1 ? interval * 20 : interval + random.int(Math.ceil(interval / 4));
    v = kind === 0 ? v + random.int(10) : kind === 1 ? random.int(4) : kind === 2 ? random.next() * 100 - 50 : random.int(8) === 0 ? v / 2 : v + random.next() * 100;
    timestampsMs[i] = t;
    values[i] = v;
  }
  return { timestampsMs, values };
}

test("all rollups equal their clear versions", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const mark = kernel.mark();
    const series = randomSeries(random);
    const span = series.timestampsMs.length === 0 ? 1000 : series.timestampsMs[series.timestampsMs.length - 1];
    const points = 1 + random.int(20);
    const grid = { startMs: random.int(Math.ceil(span / 2)), stepMs: 1 + random.int(Math.ceil((span * 1.2) / points)), points };
    const windowMs = [grid.stepMs, 1 + random.int(Math.ceil(span)), 1 + random.int(Math.ceil(span / 20))][random.int(3)];
    const maxPrevIntervalMs = random.int(Math.ceil(span / 2));
    const lookbackMs = random.int(2) === 0 ? 0 : random.int(Math.ceil(span));
    const args = Array.from({ length: points }, () => [[0.5, 0.9, -1, 2, 3, 0][random.int(6)], random.next()] as const);
    const windows = rollupWindowsReference({ ...series, ...grid, windowMs, maxPrevIntervalMs, lookbackMs, args: (p) => args[p] });
    const context = new RollupContext(kernel, points, grid.startMs, grid.stepMs);
    context.setSamples({ timestamps: put(series.timestampsMs), values: put(series.values), count: series.values.length });
    context.setArguments(put(args.map((a) => a[0])), put(args.map((a) => a[1])));
    context.setScratch(kernel.allocate(series.values.length * 16 + 16));
    const target = kernel.allocate(points * 8 + 16);
    context.setTarget(target);
    context.computeBounds(windowMs, maxPrevIntervalMs, lookbackMs);
    for (const name of allRollupNames) {
      rollupKernel(kernel, name)(context.pointer);
      assertClose(read(target, points), windows.map(rollupReference[name]), `${name}, seed ${seed} round ${round}`);
    }
    kernel.reset(mark);
  }
});

test("preparation equals its clear version", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const mark = kernel.mark();
    const { timestampsMs, values } = randomSeries(random);
    const n = values.length;
    const [timestamps, column, target, target2] = [put(timestampsMs), put(values), put(values), put(values)];
    const maxGapMs = random.int(2) * random.int(200_000);
    kernels.rollupRemoveResets(timestamps, column, n, target, maxGapMs);
    assert.deepEqual(read(target, n), removeResetsReference(timestampsMs, values, maxGapMs), `seed ${seed}`);
    const interval = (kernels.rollupScrapeIntervalMs as (...a: number[]) => number)(timestamps, n, 777, put(new Float64Array(20)));
    assert.equal(interval, scrapeIntervalMsReference([...timestampsMs], 777), `seed ${seed}`);
    kernels.rollupDeltas(column, n, target);
    const deltas = [...values].map((v, i) => (i + 1 < n ? values[i + 1] - v : i > 0 ? v - values[i - 1] : 0));
    assert.deepEqual(read(target, n), deltas, `seed ${seed}`);
    const falls = values.some((v, i) => i > 0 && v < values[i - 1]);
    assert.equal(kernels.rollupScan(column, n), falls ? 2 : 0);
    const holes = values.map((v) => (random.int(4) === 0 ? NaN : v));
    const holed = put(holes);
    assert.equal(kernels.rollupScan(holed, n) & 1, holes.some(Number.isNaN) ? 1 : 0);
    const left = kernels.rollupDropNaN(timestamps, holed, n, target, target2);
    assert.deepEqual(read(target2, left), [...holes].filter((v) => !Number.isNaN(v)));
    assert.deepEqual(read(target, left), [...timestampsMs].filter((_, i) => !Number.isNaN(holes[i])));
    const staleAt = n > 0 ? random.int(n) : -1;
    if (n > 0) writeStaleMarker(kernel.f64, holed / 8 + staleAt);
    const leftWithStale = kernels.rollupDropPlainNaN(timestamps, holed, n, target, target2);
    const isKept = (_: unknown, i: number): boolean => i === staleAt || !Number.isNaN(holes[i]);
    assert.deepEqual(read(target, leftWithStale), [...timestampsMs].filter(isKept));
    assert.equal(read(target2, leftWithStale).filter(Number.isNaN).length, Math.min(n, 1));
    kernel.reset(mark);
  }
});

// ---- conformance/rollup.json ----

interface ConformanceCase {
  id: string; group: string; function: string; values: (number | string)[]; timestamps: number[] | null; args: (number | { series: true })[];
  start: number; end: number; step: number; window: number; lookback_delta: number;
  prev_value: number | null; real_prev_value: number | null; real_next_value: number | null;
  expected: number | string | null | { timestamps: number[]; values: (number | null)[] };
}

const kernelNames: Readonly<Record<string, RollupName>> = {
  delta: "Delta", increase: "Delta", increase_pure: "IncreasePure", delta_prometheus: "DeltaPrometheus", increase_prometheus: "DeltaPrometheus",
  rate: "Rate", rate_prometheus: "RatePrometheus", irate: "Ideriv", ideriv: "Ideriv", idelta: "Idelta", deriv: "Deriv", changes: "Changes",
  changes_prometheus: "ChangesPrometheus", first_over_time: "First", default_rollup: "Last", count_over_time: "Count", min_over_time: "Min",
  sum_over_time: "Sum", scrape_interval: "ScrapeInterval", stddev_over_time: "Stddev", mode_over_time: "Mode", rate_over_sum: "RateOverSum",
  zscore_over_time: "Zscore", holt_winters: "HoltWinters", quantile_over_time: "Quantile", hoeffding_bound_lower: "HoeffdingLower",
  hoeffding_bound_upper: "HoeffdingUpper", outlier_iqr_over_time: "OutlierIqr", integrate: "Integrate", tmin_over_time: "MinTime",
  tlast_over_time: "LastTime", stale_samples_over_time: "StaleSamples", count_eq_over_time: "CountEq", count_ne_over_time: "CountNe",
  count_le_over_time: "CountLe", count_gt_over_time: "CountGt", share_le_over_time: "ShareLe", share_gt_over_time: "ShareGt",
  share_eq_over_time: "ShareEq", sum_le_over_time: "SumLe", sum_gt_over_time: "SumGt", sum_eq_over_time: "SumEq",
};
const removesResets = new Set(["increase", "increase_pure", "increase_prometheus", "rate", "rate_prometheus", "irate"]);
const corpus = JSON.parse(readFileSync(new URL("../../conformance/rollup.json", import.meta.url), "utf8")) as {
  test_values: number[]; test_timestamps: number[]; cases: ConformanceCase[];
};

function numberOf(value: number | string | null): number {
  return value === null ? NaN : Number(typeof value === "string" ? value.replace("Inf", "Infinity") : value);
}

/** The context of a series and its column; stale markers keep their bits. */
function contextOf(timestamps: readonly number[], values: readonly (number | string)[], startMs: number, stepMs: number, points: number) {
  const context = new RollupContext(kernel, points, startMs, stepMs);
  const column = put(values.map((v) => (typeof v === "number" ? v : 0)));
  values.forEach((v, i) => {
    if (v === "StaleNaN") kernel.u32.set([2, 0x7ff00000], column / 4 + i * 2);
  });
  const target = kernel.allocate(points * 8 + 16);
  context.setSamples({ timestamps: put(timestamps), values: column, count: values.length });
  context.setScratch(kernel.allocate(values.length * 16 + 16));
  context.setTarget(target);
  return { context, target, column };
}

function runSingleWindow(row: ConformanceCase): number {
  const [timestamps, values] = [corpus.test_timestamps, corpus.test_values];
  // As recorded: evaluated at time 0, with one more sample behind the window.
  const { context, target, column } = contextOf([...timestamps, 1000], [...values, 0], 0, 1, 1);
  if (removesResets.has(row.function)) kernels.rollupRemoveResets(0, column, values.length, column, 0);
  const args = row.args.filter((a) => typeof a === "number");
  context.setArguments(put([args[0] ?? NaN]), put([args[1] ?? NaN]));
  context.setWindow(timestamps[timestamps.length - 1] - timestamps[0]);
  context.setBounds(0, 0, values.length, -1, -1);
  rollupKernel(kernel, kernelNames[row.function])(context.pointer);
  return read(target, 1)[0];
}

/** One call with the neighbours of the window given: they are put around it. */
function runCore(row: ConformanceCase): number {
  const before = [row.prev_value, row.real_prev_value].filter((v) => typeof v === "number");
  const after = typeof row.real_next_value === "number" ? [row.real_next_value] : [];
  const values = [...before, ...row.values, ...after];
  const { context, target } = contextOf(values.map((_, i) => i), values, 1000, 1, 1);
  context.setWindow(row.window ?? 1000);
  const from = before.length;
  context.setBounds(0, from, from + row.values.length, typeof row.prev_value === "number" ? 0 : -1, typeof row.real_prev_value === "number" ? from - 1 : -1);
  rollupKernel(kernel, kernelNames[row.function])(context.pointer);
  return read(target, 1)[0];
}

function scrapeToMaxPrevMs(intervalMs: number): number {
  const [, numerator, divisor] = [[2000, 4, 1], [4000, 2, 1], [8000, 1, 1], [16_000, 1, 2], [32_000, 1, 4], [Infinity, 1, 8]].find(([to]) => intervalMs <= to)!;
  return intervalMs + Math.trunc((intervalMs * numerator) / divisor);
}

function runRange(row: ConformanceCase): number[] {
  const expected = row.expected as { timestamps: number[] };
  const points = expected.timestamps.length;
  const { context, target } = contextOf(row.timestamps!, row.values, row.start, row.step, points);
  let maxPrevMs = row.start < row.end ? scrapeToMaxPrevMs(scrapeIntervalMsReference(row.timestamps!, row.step)) : row.step;
  if (row.lookback_delta > 0) maxPrevMs = Math.min(maxPrevMs, row.lookback_delta);
  context.computeBounds(row.window || row.step, maxPrevMs, row.lookback_delta);
  rollupKernel(kernel, kernelNames[row.function])(context.pointer);
  return read(target, points);
}

for (const row of corpus.cases) {
  if (row.timestamps === null) continue; // recorded shape only
  test(`${row.id} ${row.function}`, () => {
    const mark = kernel.mark();
    if (row.group === "range") {
      const expected = row.expected as { values: (number | null)[] };
      assertClose(runRange(row), expected.values.map(numberOf), row.id, 1e-12);
    } else {
      const actual = row.group === "single_window" ? runSingleWindow(row) : runCore(row);
      assertClose([actual], [numberOf(row.expected as number | string | null)], row.id, 1e-12);
    }
    kernel.reset(mark);
  });
}
