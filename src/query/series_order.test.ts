// Series come in the order of their labels with a table of these, and label sets that occur twice are found.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { labelSetOf, type LabelTable } from "../model/label_table.ts";
import { type Labels, labelsOf } from "../model/labels.ts";
import { testSeed } from "../../testkit/seed.ts";
import { compareSeriesLabels, labelsKey } from "./series.ts";
import { orderSeries } from "./series_order.ts";

const texts = ["", "a", "b", "ab", "a.b", "b", "é", "~", "zz", "a\u0001"];
const unusualTexts = [...texts, "\u{1f600}", "\uff5e", "a\0b", "a\0"];

function randomLabels(seed: number, from: readonly string[]): Labels[] {
  const random = seededRandom(seed);
  const text = (): string => from[random.int(from.length)];
  const all = Array.from({ length: 60 }, () => labelsOf({ __name__: text(), a: text(), [`l${text()}`]: text(), [`x${text()}`]: text() }));
  return [...new Map(all.map((labels) => [labelsKey(labels), labels])).values()];
}

function setsOf(table: LabelTable): Labels[] {
  return Array.from({ length: table.count }, (_, i) => labelSetOf(table, i));
}

for (const [name, from] of Object.entries({ usual: texts, unusual: unusualTexts })) {
  test(`series are ordered by name and labels: ${name} texts`, () => {
    for (let round = 0; round < 40; round++) {
      const series = randomLabels(testSeed() + round, from).map((labels) => ({ labels, values: new Float64Array(1) }));
      const expected = series.toSorted((a, b) => compareSeriesLabels(a.labels, b.labels));
      const ordered = orderSeries(series, false);
      assert.deepEqual(ordered.series, expected);
      assert.deepEqual(setsOf(ordered.table), expected.map(({ labels }) => labels));
      assert.equal(orderSeries(series, true).series, series);
      for (const isOrdered of [false, true]) assert.throws(() => orderSeries([...series, { ...series[3] }], isOrdered), { code: "duplicate_series" });
    }
  });
}
