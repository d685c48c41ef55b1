// A regular expression that is slow over many values is refused after some time, on a clock that the test moves.
import assert from "node:assert/strict";
import test from "node:test";
import { AnchoredRegexp } from "./regexp.ts";
import { RegexpMeter } from "./regexp_meter.ts";

const rows = [
  { name: "fast over many values", msPerValue: 0.001, values: 1_000_000, refused: undefined },
  { name: "slow over a few values", msPerValue: 15, values: 30, refused: undefined },
  { name: "slow over many values", msPerValue: 15, values: 1000, refused: "465 ms over 32" },
  { name: "not that slow, over very many values", msPerValue: 0.1, values: 100_000, refused: "500[0-9] ms over 500[0-9]{2}" },
];

for (const row of rows) test(`time of a regular expression: ${row.name}`, () => {
  let nowMs = 0;
  const meter = new RegexpMeter(new AnchoredRegexp(`a.*b|${"c".repeat(1000)}`), () => nowMs);
  const run = (): void => {
    for (let i = 0; i < row.values; i++, nowMs += row.msPerValue) assert.equal(meter.test(i % 2 === 0 ? "axb" : "x"), i % 2 === 0);
  };
  if (row.refused === undefined) return run();
  assert.throws(run, { name: "LimitError", code: "regexp_too_slow", message: new RegExp(`^the regular expression "a\\.\\*b\\|c{195}\\.\\.\\." took (${row.refused}) values of its label`) });
});
