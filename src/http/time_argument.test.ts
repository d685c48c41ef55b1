/** Time and duration arguments against conformance/time.json, and the limits in milliseconds. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { parseDurationArgument, parseDurationNs, parseTimeArgument, parseTimeNs, parseUnixNs, timeMaxMs } from "./time_argument.ts";

interface TimeCase {
  readonly id: string;
  readonly group: string;
  readonly input: string;
  readonly now?: string;
  readonly expected?: number | string;
  readonly error?: boolean;
}

const { cases } = JSON.parse(readFileSync(new URL("../../conformance/time.json", import.meta.url), "utf8")) as { cases: TimeCase[] };

const readers: Readonly<Record<string, (row: TimeCase) => bigint | undefined>> = {
  duration_ns: (row) => parseDurationNs(row.input),
  duration_limits_ns: (row) => parseDurationNs(row.input),
  duration_out_of_range: (row) => parseDurationNs(row.input),
  unix_ns: (row) => parseUnixNs(row.input),
  unix_invalid: (row) => parseUnixNs(row.input),
  time_at_ns: (row) => parseTimeNs(row.input, BigInt(row.now!)),
  time_invalid: (row) => parseTimeNs(row.input, 1_795_256_564_505_052_518n),
};

for (const row of cases) {
  test(`${row.id}: ${row.input}`, () => {
    assert.equal(readers[row.group](row), row.error === true ? undefined : BigInt(row.expected!));
  });
}

const nowMs = 1_700_000_000_123;
const times: { text: string; timeMs: number }[] = [
  { text: "now", timeMs: nowMs },
  { text: "now-1h", timeMs: nowMs - 3_600_000 },
  { text: "-15s", timeMs: nowMs - 15_000 },
  { text: "1700000000.9999", timeMs: 1_700_000_000_999 },
  { text: "1700000000999999999", timeMs: 1_700_000_000_999 },
  { text: "2023-11-14T22:13:20.1239Z", timeMs: nowMs },
  { text: "2024-02-29", timeMs: Date.UTC(2024, 1, 29) },
  { text: "1960-01-01", timeMs: 0 },
  { text: "-9223372036.854775808", timeMs: 0 },
  { text: "9223372036854775807", timeMs: timeMaxMs },
  { text: "9999", timeMs: timeMaxMs },
];

for (const row of times) test(`time argument: ${row.text}`, () => assert.equal(parseTimeArgument("time", row.text, nowMs), row.timeMs));

const promqlTimes: { text: string; timeMs: number }[] = [
  { text: "1784", timeMs: 1_784_000 },
  { text: "2147483648", timeMs: 2_147_483_648_000 },
  { text: "1700000000.1239", timeMs: 1_700_000_000_124 },
  { text: "1.7e9", timeMs: 1_700_000_000_000 },
  { text: "-5", timeMs: 0 },
  { text: "1e400", timeMs: timeMaxMs },
  { text: "2023-11-14T22:13:20.123Z", timeMs: nowMs },
  { text: "2026-08", timeMs: Date.UTC(2026, 7) },
  { text: "now-1h", timeMs: nowMs - 3_600_000 },
];
for (const row of promqlTimes) test(`time argument of PromQL: ${row.text}`, () => assert.equal(parseTimeArgument("time", row.text, nowMs, "promql"), row.timeMs));

for (const text of ["2023-02-30", "2023-13", "2024-01-01T24", "2024-01-01T10:60", "2024-01-01 10:00", "yesterday", "1e400", "1".repeat(100), "now+1x", "5i", "NaN", "12+25:00", "NaNe5"]) {
  test(`time argument: ${text.slice(0, 30)} is refused`, () => assert.throws(() => parseTimeArgument("time", text, nowMs), (error) => error instanceof InputError && error.message.includes('argument "time"')));
}

test("duration argument: seconds, units, and refusals", () => {
  assert.equal(parseDurationArgument("step", "15"), 15_000);
  assert.equal(parseDurationArgument("step", "0.5"), 500);
  assert.equal(parseDurationArgument("step", "1m30s"), 90_000);
  for (const text of ["", "x", "5 m", "1i", "106753d"]) assert.throws(() => parseDurationArgument("step", text), InputError);
});
