// A regular expression that is slow over many values is refused after some time, on a clock that the test moves.
import assert from "node:assert/strict";
import test from "node:test";
import { AnchoredRegexp } from "./regexp.ts";
import { RegexpMeter } from "./regexp_meter.ts";

const rows = [
  { name: "fast over many values", msPerValue: 0.001, values: 1_000_000, refused: false },
  { name: "slow over a few values", msPerValue: 15, values: 300, refused: false },
  { name: "slow over many values", msPerValue: 15, values: 1000, refused: true },
];

for (const row of rows) test(`time of a regular expression: ${row.name}`, () => {
  let nowMs = 0;
  const meter = new RegexpMeter(new AnchoredRegexp(`a.*b|${"c".repeat(1000)}`), () => nowMs);
  const run = (): void => {
    for (let i = 0; i < row.values; i++, nowMs += row.msPerValue) assert.equal(meter.test(i % 2 === 0 ? "axb" : "x"), i % 2 === 0);
  };
  if (!row.refused) return run();
  assert.throws(run, { name: "LimitError", code: "regexp_too_slow", message: /^the regular expression "a\.\*b\|c{195}\.\.\." took more than 5 s over 384 values of its label/ });
});
