// Rows are found whatever order their keys come in, by numbers and by texts; keys that are beginnings of others, or missing, are not taken for them.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { RowLabels, type SeriesKey } from "./row_labels.ts";

const seed = testSeed();

for (const kind of ["numbers", "texts"] as const) {
  test(`rows by ${kind} are those of a Map (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 50; round++) {
      const keys = new Map<string, SeriesKey>();
      const size = Math.floor(random.next() * 200);
      while (keys.size < size) {
        const numbers = Array.from({ length: Math.floor(random.next() * 5) }, () => Math.floor(random.next() * (round % 2 === 0 ? 8 : 2 ** 32)));
        keys.set(numbers.join(), kind === "numbers" ? numbers : numbers.join());
      }
      const all = [...keys.values()];
      const kept = all.filter(() => random.next() < 0.8);
      const rows = new RowLabels();
      for (const key of kept) rows.add(key);
      assert.equal(rows.count, kept.length);
      const asked = round % 3 === 0 ? kept : random.next() < 0.5 ? all : all.toSorted(() => random.next() - 0.5);
      let likely = 0;
      for (const key of asked) {
        const row = rows.find(key, likely);
        assert.equal(row, kept.indexOf(key));
        if (row >= 0) likely = row + 1;
      }
    }
  });
}
