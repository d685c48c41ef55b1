// Durations, ranges, moments, numbers and names: text in, text out, tables of rows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration, printDuration } from "./duration.ts";
import { printAxisValues, printCount, printElapsed, printExact, printShort, printSize } from "./number_text.ts";
import { commonLabels, hashText, printDifference, printSeries } from "./series_name.ts";
import { absoluteRange, alignWindow, autoStepMs, relativeRangesMs, resolveRange, shiftRange, zoomOut } from "./time_range.ts";
import type { TimeRange } from "./time_range.ts";
import { parseTime, printAxisTime, printTime, printZone } from "./time_text.ts";

const durations: readonly [string, number | undefined, string?][] = [
  ["5m", 300_000, "5m"], ["1h30m", 5_400_000, "1h30m"], ["1.5h", 5_400_000, "1h30m"], ["90", 90_000, "1m30s"], ["250ms", 250, "250ms"],
  ["2h 3m 12s 345ms", 7_392_345, "2h3m12s345ms"], ["7d", 604_800_000, "7d"], ["1w", 604_800_000, "7d"], ["1y", 31_536_000_000, "1y"],
  ["", undefined], ["0", undefined], ["-5m", undefined], ["5x", undefined], ["m", undefined], ["1e9y", undefined],
];
for (const [text, expected, printed] of durations) {
  test(`duration: ${JSON.stringify(text)}`, () => {
    assert.equal(parseDuration(text), expected);
    if (expected !== undefined) assert.equal(printDuration(expected), printed);
  });
}

test("duration: every offered range prints as it is read", () => {
  for (const durationMs of relativeRangesMs) assert.equal(parseDuration(printDuration(durationMs)), durationMs);
});

const nowMs = Date.UTC(2026, 10, 21, 10, 7, 24);
const hour = 3_600_000;
const lastHour: TimeRange = { kind: "relative", durationMs: hour };

const ranges: readonly { name: string; actual: TimeRange; expected: TimeRange }[] = [
  { name: "back from now", actual: shiftRange(lastHour, -1, nowMs), expected: absoluteRange(nowMs - 1.5 * hour, nowMs - hour / 2) },
  { name: "forward to now", actual: shiftRange(absoluteRange(nowMs - 1.5 * hour, nowMs - hour / 2), 1, nowMs), expected: lastHour },
  { name: "forward in the past", actual: shiftRange(absoluteRange(0, hour), 1, nowMs), expected: absoluteRange(hour / 2, 1.5 * hour) },
  { name: "zoom out of relative", actual: zoomOut(lastHour, nowMs), expected: { kind: "relative", durationMs: 2 * hour } },
  { name: "zoom out around the middle", actual: zoomOut(absoluteRange(2 * hour, 3 * hour), nowMs), expected: absoluteRange(1.5 * hour, 3.5 * hour) },
  { name: "zoom out stops at now", actual: zoomOut(absoluteRange(nowMs - hour, nowMs), nowMs), expected: absoluteRange(nowMs - 2 * hour, nowMs) },
  { name: "swapped and too short", actual: absoluteRange(5000, 4999.6), expected: { kind: "absolute", fromMs: 5000, toMs: 6000 } },
];
for (const { name, actual, expected } of ranges) test(`range: ${name}`, () => assert.deepEqual(actual, expected));

test("range: relative ends now", () => assert.deepEqual(resolveRange(lastHour, nowMs), { fromMs: nowMs - hour, toMs: nowMs }));

const steps: readonly [number, number, number][] = [
  [5 * 60_000, 1300, 1000], [15 * 60_000, 1300, 5000], [hour, 1300, 10_000], [hour, 360, 30_000], [24 * hour, 1300, 300_000], [365 * 24 * hour, 1300, 86_400_000],
];
for (const [durationMs, widthPx, expected] of steps) test(`step: ${printDuration(durationMs)} on ${widthPx} px`, () => assert.equal(autoStepMs(durationMs, widthPx), expected));

test("step: windows are moved to whole steps", () => {
  assert.deepEqual(alignWindow({ fromMs: 1234, toMs: 61_234 }, 15_000), { fromMs: 0, toMs: 60_000 });
});

const times: readonly [string, number | undefined][] = [
  ["2026-11-21 10:07:24", nowMs], ["2026-11-21T10:07:24Z", nowMs], ["2026-11-21T12:07:24+02:00", nowMs], ["2026-11-21T10:07:24.5", nowMs + 500],
  ["2026-11-21", Date.UTC(2026, 10, 21)], ["2026-11", Date.UTC(2026, 10, 1)], ["2026-11-21 10:07", nowMs - 24_000], [String(nowMs / 1000), nowMs], [String(nowMs), nowMs],
  ["now", nowMs], ["now-1h", nowMs - hour], ["2026-02-30", undefined], ["2026-11-21 25:00", undefined], ["yesterday", undefined], ["", undefined], ["now-", undefined],
];
for (const [text, expected] of times) test(`time: ${JSON.stringify(text)}`, () => assert.equal(parseTime(text, "utc", nowMs), expected));

test("time: printed and read in both zones", () => {
  for (const zone of ["utc", "local"] as const) assert.equal(parseTime(printTime(nowMs + 7, zone), zone, 0), nowMs + 7);
  assert.equal(printTime(nowMs, "utc"), "2026-11-21 10:07:24");
  assert.equal(printZone(nowMs, "utc"), "UTC");
});

const axisTimes: readonly [number, number | undefined, number, string][] = [
  [nowMs, undefined, 600_000, "10:07\n2026-11-21"], [nowMs, nowMs - 600_000, 600_000, "10:07"], [nowMs, nowMs - 5000, 5000, "10:07:24"],
  [nowMs, nowMs - 24 * hour, 24 * hour, "11-21"], [nowMs, undefined, 24 * hour, "11-21\n2026"], [nowMs, nowMs - 12 * hour, 12 * hour, "10:07\n2026-11-21"],
];
for (const [timeMs, previousMs, stepMs, expected] of axisTimes) {
  test(`axis: ${JSON.stringify(expected)} every ${printDuration(stepMs)}`, () => assert.equal(printAxisTime(timeMs, previousMs, stepMs, "utc"), expected));
}

const numbers: readonly [number, string, string][] = [
  [0, "0", "0"], [1, "1", "1"], [0.1 + 0.2, "0.3", "0.30000000000000004"], [1234, "1.234k", "1234"], [999.96, "1k", "999.96"], [-56_700_000, "-56.7M", "-56700000"],
  [1.5e9, "1.5G", "1500000000"], [2e18, "2E", "2000000000000000000"], [1e30, "1e30", "1e+30"], [0.00123456, "0.001235", "0.00123456"], [1.23e-9, "1.23e-9", "1.23e-9"],
  [Number.NaN, "NaN", "NaN"], [Infinity, "+Inf", "+Inf"], [-Infinity, "-Inf", "-Inf"],
];
for (const [value, short, exact] of numbers) {
  test(`number: ${exact}`, () => {
    assert.equal(printShort(value), short);
    assert.equal(printExact(value), exact);
  });
}

const axes: readonly [number[], number, string[]][] = [
  [[0, 0.5, 1], 0.5, ["0", "0.5", "1"]], [[1000, 1001, 1002], 1, ["1k", "1.001k", "1.002k"]], [[0, 20_000, 40_000], 20_000, ["0", "20k", "40k"]],
  [[0.1, 0.15000000000000002, 0.2], 0.05, ["0.1", "0.15", "0.2"]], [[-1e-17, 1], 1, ["0", "1"]], [[1e9 + 1, 1e9 + 2], 1, ["1.000000001G", "1.000000002G"]],
];
for (const [values, increment, expected] of axes) test(`axis: ${expected.join(" ")}`, () => assert.deepEqual(printAxisValues(values, increment), expected));

test("number: counts, durations, sizes", () => {
  assert.deepEqual([0, 999, 1000, 1_234_567].map(printCount), ["0", "999", "1,000", "1,234,567"]);
  assert.deepEqual([3.6, 1432].map(printElapsed), ["4 ms", "1.4 s"]);
  assert.deepEqual([5, 2048, 3_500_000].map(printSize), ["5 B", "2.00 KiB", "3.34 MiB"]);
});

const cpu = { __name__: "cpu", mode: "idle", job: "node" };

test("name: whole, common, difference", () => {
  assert.equal(printSeries(cpu), 'cpu{job="node", mode="idle"}');
  assert.equal(printSeries({}), "");
  assert.equal(printSeries({ "a b": 'x"y' }), '{"a b"="x\\"y"}');
  const common = commonLabels([cpu, { ...cpu, mode: "user" }, { ...cpu, mode: "system", extra: "1" }]);
  assert.deepEqual(common, { __name__: "cpu", job: "node" });
  assert.equal(printDifference(cpu, common), '{mode="idle"}');
  assert.equal(printDifference(cpu, { job: "node" }), 'cpu{mode="idle"}');
  assert.equal(printDifference(cpu, cpu), 'cpu{job="node", mode="idle"}');
  assert.equal(printDifference({}, {}), "{}");
});

test("name: hashes spread over small remainders", () => {
  const counts = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) counts[hashText(`up{instance="10.0.0.${i}:9100"}`) % 10]++;
  assert.ok(Math.min(...counts) > 850 && Math.max(...counts) < 1150, counts.join(" "));
});
