// Runs conformance/metricsql-exec.json and metricsql-exec-errors.json in process, on an empty store. Cases that are not supported yet
// are listed in metricsql_exec_expected_failures.json and must fail with UnsupportedError; a wrong number is never expected.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { UnsupportedError } from "../base/errors.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsToRecord } from "../model/labels.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";

interface ExpectedSeries {
  metric: Record<string, string>;
  values: (number | string | null)[];
  timestamps: number[];
}

interface ExecCase {
  id: string;
  query: string;
  start: number;
  end: number;
  step: number;
  expected: ExpectedSeries[];
  sorted?: boolean;
  nonportable?: boolean;
  hash_dependent?: boolean;
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as T;
}

const cases = readJson<{ cases: ExecCase[] }>("../../conformance/metricsql-exec.json").cases;
const errorCases = readJson<{ cases: ExecCase[] }>("../../conformance/metricsql-exec-errors.json").cases;
const expectedFailures = new Set(readJson<string[]>("./metricsql_exec_expected_failures.json"));
const engine = new Engine({ store: new MemoryStore(), kernel: new Kernel(), nowMs: () => 1_700_000_000_000 });

function run(row: ExecCase): Promise<QueryResult> {
  return engine.range({ query: row.query, startMs: row.start, endMs: row.end, stepMs: row.step });
}

function numberOf(value: number | string | null): number {
  return value === null ? NaN : Number(typeof value === "string" ? value.replace("Inf", "Infinity") : value);
}

function check(result: QueryResult, row: ExecCase): void {
  const actual = result.series.map((series) => ({ metric: labelsToRecord(series.labels), values: [...series.values] }));
  const expected = row.expected
    .map((series) => ({ metric: series.metric, values: series.values.map(numberOf) }))
    .filter((series) => series.values.some((v) => !Number.isNaN(v)));
  const key = (series: { metric: Record<string, string> }): string => JSON.stringify(Object.entries(series.metric).sort());
  if (row.sorted !== true) for (const list of [actual, expected]) list.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  assert.deepEqual(actual.map(key), expected.map(key));
  if (row.nonportable === true) return;
  actual.forEach((series, i) => {
    assert.deepEqual(series.values.map((v, k) => (isClose(v, expected[i].values[k]) ? expected[i].values[k] : v)), expected[i].values, key(series));
  });
}

function isClose(actual: number, expected: number): boolean {
  return Object.is(actual, expected) || actual === expected || Math.abs(actual - expected) <= 1e-9 * Math.abs(expected);
}

for (const row of cases) {
  if (row.hash_dependent === true) continue;
  test(row.id, async () => {
    if (expectedFailures.has(row.id)) await assert.rejects(run(row), UnsupportedError);
    else check(await run(row), row);
  });
}

for (const row of errorCases) {
  test(`${row.id}: ${row.query.slice(0, 60)}`, async () => {
    await assert.rejects(run(row), isTypedError);
    await assert.rejects(engine.instant({ query: row.query, timeMs: row.start, stepMs: row.step }), isTypedError);
  });
}

function isTypedError(error: unknown): boolean {
  return error instanceof Error && (error.name === "InputError" || error.name === "UnsupportedError");
}
