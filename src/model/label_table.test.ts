// The order of label sets by ranks is the one that comparing them label by label gives, for few sets and many, and for all kinds of texts.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { labelSetOf, type LabelTable, LabelTableBuilder, labelTableOf, orderLabelTable, reorderLabelTable } from "./label_table.ts";
import { compareBytewise, compareLabels, type Label, type Labels, metricNameLabel } from "./labels.ts";

const texts = ["a", "b", "ab", "abc", "a.b", "é", "~", "zz", "a\u0001", "A", "_", "__name", "__name__x", "0"];
const unusualTexts = [...texts, "\u{1f600}", "\u{1f600}a", "\uff5e", "\ue000", "a\0b", "a\0", "\0", "a\u{10ffff}"];

/** Sorted by name; labels of the same texts are mostly the same objects, and some are not. */
function randomSets(random: Random, count: number, from: readonly string[], isShared: boolean): Labels[] {
  const text = (): string => (random.int(3) === 0 ? from[random.int(from.length)] : "") + from[random.int(from.length)];
  const shared = new Map<string, Label>();
  const label = (name: string, value: string): Label => {
    const key = `${name.length}:${name}${value}`;
    const known = isShared && random.int(20) > 0 ? shared.get(key) : undefined;
    const made = known ?? { name, value };
    shared.set(key, made);
    return made;
  };
  return Array.from({ length: count }, () => {
    const names = new Set(Array.from({ length: random.int(6) }, text));
    if (random.int(4) > 0) names.add(metricNameLabel);
    return [...names].sort(compareBytewise).map((name) => label(name, text()));
  });
}

function nameOf(labels: Labels): string {
  return labels.find(({ name }) => name === metricNameLabel)?.value ?? "";
}

function compareByName(left: Labels, right: Labels): number {
  const others = (labels: Labels): Labels => labels.filter(({ name }) => name !== metricNameLabel);
  return compareBytewise(nameOf(left), nameOf(right)) || compareLabels(others(left), others(right));
}

function setsOf(table: LabelTable): Labels[] {
  return Array.from({ length: table.count }, (_, i) => labelSetOf(table, i));
}

for (const [name, from] of Object.entries({ usual: texts, unusual: unusualTexts })) {
  test(`order by ranks is order by labels: ${name} texts`, () => {
    const seed = testSeed();
    for (let round = 0; round < 40; round++) {
      const random = seededRandom(seed + round);
      const sets = randomSets(random, [1, 5, 60, 70, 400, 3000][round % 6], from, round % 2 === 0);
      const table = labelTableOf(sets);
      assert.deepEqual(setsOf(table), sets);
      for (const [nameFirst, compare] of [[true, compareByName], [false, compareLabels]] as const) {
        const expected = sets.map((_, i) => i).sort((a, b) => compare(sets[a], sets[b]));
        const { order, repeated } = orderLabelTable(table, nameFirst);
        assert.deepEqual([...order], expected, `seed ${seed + round}`);
        assert.deepEqual(setsOf(reorderLabelTable(table, order)), expected.map((position) => sets[position]));
        assert.equal(repeated, expected.findIndex((position, i) => i > 0 && compare(sets[position], sets[expected[i - 1]]) === 0), `seed ${seed + round}`);
      }
    }
  });
}

test("a table made of ids is the one that is made of the sets", () => {
  const seed = testSeed();
  for (let round = 0; round < 40; round++) {
    const random = seededRandom(seed + round);
    const spaces = Array.from({ length: 3 }, (_, space) => Array.from({ length: 40 }, (_, id) => ({ name: `n${id % 7}`, value: `${space} ${id}` })));
    const sets: Labels[] = [];
    const builder = new LabelTableBuilder(90);
    for (const labels of spaces) {
      builder.useSpace({ label: (id) => labels[id] });
      for (let i = 0; i < 30; i++) {
        // A reused list, with something behind the ids.
        const ids = Array.from({ length: 15 }, () => random.int(random.int(2) === 0 ? 3 : labels.length));
        const count = random.int(15);
        assert.equal(builder.isFull, false);
        builder.add(ids, count);
        sets.push(ids.slice(0, count).map((id) => labels[id]));
      }
    }
    assert.equal(builder.isFull, true);
    assert.deepEqual(builder.finish(), labelTableOf(sets), `seed ${seed + round}`);
  }
});

test("a label with a value of its own in each set", () => {
  const sets = Array.from({ length: 5000 }, (_, i) => [{ name: "a", value: String((i * 7919) % 5000) }, { name: i % 2 === 0 ? "b" : "z", value: String(i) }]);
  const { order, repeated } = orderLabelTable(labelTableOf(sets), true);
  assert.deepEqual([...order].map((i) => sets[i]), sets.toSorted(compareLabels));
  assert.equal(repeated, -1);
});

test("no sets, and sets without labels", () => {
  assert.deepEqual(orderLabelTable(labelTableOf([]), true), { order: new Uint32Array(0), repeated: -1 });
  assert.deepEqual(orderLabelTable(labelTableOf([[], [{ name: "a", value: "b" }], []]), true), { order: Uint32Array.of(0, 2, 1), repeated: 1 });
});
