// Shows that months have the right names and bounds, and that a run is cut at them without losing or moving a sample.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { bitsOf, runOf, type SeriesSamples } from "../../testkit/column_runs.ts";
import { daysOf, partitionNamed, partitionOf, splitByPartition } from "./partition.ts";

const dayMs = 86_400_000;

const months = [
  { at: "1970-01-01T00:00:00Z", name: "1970_01", from: "1970-01-01T00:00:00Z", next: "1970-02-01T00:00:00Z" },
  { at: "2024-02-29T23:59:59.999Z", name: "2024_02", from: "2024-02-01T00:00:00Z", next: "2024-03-01T00:00:00Z" },
  { at: "2026-12-31T12:00:00Z", name: "2026_12", from: "2026-12-01T00:00:00Z", next: "2027-01-01T00:00:00Z" },
  { at: "2262-04-11T00:00:00Z", name: "2262_04", from: "2262-04-01T00:00:00Z", next: "2262-05-01T00:00:00Z" },
];
for (const row of months) {
  test(`partition of ${row.at}`, () => {
    const expected = { name: row.name, minMs: Date.parse(row.from), maxMs: Date.parse(row.next) - 1 };
    assert.deepEqual(partitionOf(Date.parse(row.at)), expected);
    assert.deepEqual(partitionNamed(row.name), expected);
  });
}

for (const name of ["", "2024_00", "2024_13", "2024_1", "24_01", "2024_01.tmp"]) {
  test(`no partition: "${name}"`, () => assert.equal(partitionNamed(name), undefined));
}

test("days of a month", () => {
  const january = partitionOf(0);
  assert.equal(daysOf(january, 0, 0), 1);
  assert.equal(daysOf(january, dayMs, 3 * dayMs), 0b1110);
  assert.equal(daysOf(january, -dayMs, 40 * dayMs), 2 ** 31 - 1);
  assert.equal(daysOf(january, 40 * dayMs, 50 * dayMs), 0);
});

test("a run inside of a month is not copied", () => {
  const run = runOf([{ seriesId: 1, timestampsMs: Float64Array.of(5, 6), values: Float64Array.of(1, 2), lastLogRow: 9 }]);
  assert.equal(splitByPartition(run)[0].run, run);
  assert.deepEqual(splitByPartition(runOf([])), []);
});

test("a run over several months is cut at them", () => {
  const random = seededRandom(20260703);
  const series: SeriesSamples[] = Array.from({ length: 40 }, (_, i) => {
    const count = random.int(50);
    const times = Float64Array.from({ length: count }, () => random.int(4) * 365 * dayMs + random.int(70 * dayMs)).sort();
    return { seriesId: i * 2, timestampsMs: times, values: times.map(() => random.next()), lastLogRow: i };
  });
  const pieces = splitByPartition(runOf(series));
  assert.ok(pieces.length > 8);
  assert.deepEqual(pieces.map((piece) => piece.partition.name), pieces.map((piece) => piece.partition.name).toSorted());
  for (const one of series) {
    const times: number[] = [];
    const values: number[] = [];
    for (const { partition, run } of pieces) {
      const at = run.seriesIds.indexOf(one.seriesId);
      if (at < 0) continue;
      assert.equal(run.lastLogRows[at], one.lastLogRow);
      for (let i = run.sampleFrom[at]; i < run.sampleFrom[at + 1]; i++) {
        assert.ok(run.timestampsMs[i] >= partition.minMs && run.timestampsMs[i] <= partition.maxMs);
        times.push(run.timestampsMs[i]);
        values.push(run.values[i]);
      }
    }
    assert.deepEqual(times, [...one.timestampsMs]);
    assert.deepEqual(bitsOf(Float64Array.from(values)), bitsOf(one.values));
  }
});
