// Shows that the kernels on grid columns equal their clear versions: aggregates over random groups with gaps, ties and infinities,
// top k, and all combinations of two columns.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { type Accumulate, aggregateKernels, type CombineColumns } from "./aggregate.ts";
import { aggregatePointReference, combineReference, quantileReference, topkReference } from "./aggregate_reference.ts";
import { Kernel } from "./kernel.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const kernels = aggregateKernels(kernel);

function randomValue(random: Random): number {
  const kind = random.int(10);
  if (kind < 2) return NaN;
  if (kind < 5) return random.int(4) - 1;
  if (kind === 5) return [Infinity, -Infinity, 0, -0][random.int(4)];
  return (random.next() - 0.5) * 1000;
}

function column(values: readonly number[]): number {
  const pointer = kernel.allocate((values.length + 1) * 8);
  kernel.f64.set(values, pointer / 8);
  return pointer;
}

function read(pointer: number, points: number): number[] {
  return Array.from(kernel.f64.subarray(pointer / 8, pointer / 8 + points));
}

/** Runs `check` on random groups of columns. */
function eachGroup(check: (columns: number[][], pointers: number[], random: Random, note: string) => void): void {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 120; round++) {
    const mark = kernel.mark();
    const points = 1 + random.int(12);
    const count = 1 + random.int(round % 10 === 0 ? 70 : 9);
    const columns = Array.from({ length: count }, () => Array.from({ length: points }, () => randomValue(random)));
    check(columns, columns.map(column), random, `seed ${seed} round ${round}`);
    kernel.reset(mark);
  }
}

function across(columns: readonly number[][], i: number): number[] {
  return columns.map((values) => values[i]);
}

const accumulated: { name: string; add: Accumulate; begin: number; finish: "mask" | "divide" | "none" | "count" }[] = [
  { name: "sum", add: kernels.aggregateSum, begin: 0, finish: "mask" },
  { name: "avg", add: kernels.aggregateSum, begin: 0, finish: "divide" },
  { name: "sum2", add: kernels.aggregateSum2, begin: 0, finish: "mask" },
  { name: "product", add: kernels.aggregateProduct, begin: 1, finish: "mask" },
  { name: "min", add: kernels.aggregateMin, begin: NaN, finish: "none" },
  { name: "max", add: kernels.aggregateMax, begin: NaN, finish: "none" },
  { name: "group", add: kernels.aggregateGroup, begin: NaN, finish: "none" },
  { name: "count", add: kernels.aggregateCount, begin: 0, finish: "count" },
];

for (const row of accumulated) {
  test(`accumulated aggregate ${row.name}`, () => {
    eachGroup((columns, pointers, _random, note) => {
      const points = columns[0].length;
      const [first, second] = [column(columns[0]), column(columns[0])];
      kernels.columnFill(first, points, row.begin);
      kernels.columnFill(second, points, 0);
      for (const pointer of pointers) row.add(pointer, points, first, second, 0);
      if (row.finish === "mask") kernels.aggregateMask(first, second, points);
      if (row.finish === "divide") kernels.aggregateDivide(first, second, points);
      if (row.finish === "count") kernels.aggregateMask(first, first, points);
      const expected = columns[0].map((_, i) => aggregatePointReference(row.name, across(columns, i)));
      assert.deepEqual(read(first, points).map((v) => v + 0), expected.map((v) => v + 0), note);
    });
  });
}

test("variance", () => {
  eachGroup((columns, pointers, _random, note) => {
    const points = columns[0].length;
    const [means, squares, counts] = [column(columns[0]), column(columns[0]), column(columns[0])];
    for (const pointer of [means, squares, counts]) kernels.columnFill(pointer, points, 0);
    for (const pointer of pointers) kernels.aggregateVariance(pointer, points, means, squares, counts);
    kernels.aggregateDivide(squares, counts, points);
    assert.deepEqual(read(squares, points), columns[0].map((_, i) => aggregatePointReference("stdvar", across(columns, i))), note);
  });
});

test("aggregates of sorted groups", () => {
  eachGroup((columns, pointers, random, note) => {
    const points = columns[0].length;
    const list = kernel.allocate(pointers.length * 4);
    kernel.u32.set(pointers, list / 4);
    const scratch = kernel.allocate(pointers.length * 16);
    const target = column(columns[0]);
    const phis = columns[0].map(() => [0, 0.5, 0.9, 1, -1, 2, NaN, random.next()][random.int(8)]);
    kernels.aggregateQuantile(list, pointers.length, points, column(phis), scratch, target);
    // 0 and -0 are equal, so sorting may leave them in either order.
    const quantiles = columns[0].map((_, i) => quantileReference(across(columns, i), phis[i]));
    assert.deepEqual(read(target, points).map((v) => v + 0), quantiles.map((v) => v + 0), note);
    const kinds = { mad: kernels.aggregateMad, distinct: kernels.aggregateDistinct, mode: kernels.aggregateMode };
    for (const [name, call] of Object.entries(kinds)) {
      call(list, pointers.length, points, scratch, target);
      const expected = columns[0].map((_, i) => aggregatePointReference(name, across(columns, i)));
      assert.deepEqual(read(target, points).map((v) => v + 0), expected.map((v) => v + 0), `${name} ${note}`);
    }
  });
});

test("top k", () => {
  eachGroup((columns, pointers, random, note) => {
    const points = columns[0].length;
    const sign = random.int(2) === 0 ? 1 : -1;
    const ks = columns[0].map(() => [0, 1, 2.9, 5, 1e9, NaN, -3, Infinity][random.int(8)]);
    const list = kernel.allocate(pointers.length * 4);
    kernel.u32.set(pointers, list / 4);
    kernels.aggregateTopk(list, pointers.length, points, column(ks), sign, kernel.allocate(pointers.length * 16));
    for (let i = 0; i < points; i++) {
      const actual = pointers.map((pointer) => read(pointer, points)[i] + 0);
      assert.deepEqual(actual, topkReference(across(columns, i), ks[i], sign).map((v) => v + 0), note);
    }
  });
});

test("two columns", () => {
  eachGroup((columns, pointers, random, note) => {
    const points = columns[0].length;
    const right = columns.length - 1;
    const target = column(columns[0]);
    for (const [name, combine] of Object.entries(combineReference)) {
      const bool = random.int(2);
      (kernel.exports[`column${name}`] as unknown as CombineColumns)(pointers[0], pointers[right], target, points, bool);
      assert.deepEqual(read(target, points), columns[0].map((l, i) => combine(l, columns[right][i], bool === 1)), `${name} ${note}`);
    }
    assert.equal(kernels.columnCount(pointers[0], points), columns[0].filter((v) => !Number.isNaN(v)).length);
    assert.equal(kernels.columnIsEmpty(pointers[0], points), columns[0].every(Number.isNaN) ? 1 : 0);
    const both = columns[0].filter((v, i) => !Number.isNaN(v) && !Number.isNaN(columns[right][i])).length;
    assert.equal(kernels.columnOverlap(pointers[0], pointers[right], points), both);
  });
});
