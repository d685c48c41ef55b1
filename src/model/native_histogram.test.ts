/**
 * Native histograms compute what Prometheus computes: the cases of conformance/native-histograms.json, tables for addition and resets, and
 * properties of random histograms.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { randomHistogram } from "../../testkit/random_histogram.ts";
import { parseHistogram, printHistogram } from "../../testkit/histogram_text.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import {
  addHistograms, divideHistogram, HistogramSum, isCounterReset, multiplyHistogram, negateHistogram, subtractHistograms,
} from "./histogram_arithmetic.ts";
import { histogramAverage, histogramDeviation, histogramFraction, histogramQuantile, histogramVariance, trimHistogram } from "./histogram_estimates.ts";
import { apiBuckets, ascendingBuckets, compactHistogram, createHistogram, equalHistograms, exponentialBound, type FloatHistogram, reduceResolution } from "./native_histogram.ts";

interface Case {
  readonly id: string;
  readonly op: string;
  readonly args: readonly string[];
  readonly histogram: string;
  readonly expected: string | number;
  readonly api_buckets?: readonly (readonly (string | number)[])[];
}

const { cases } = JSON.parse(readFileSync(new URL("../../conformance/native-histograms.json", import.meta.url), "utf8")) as { cases: Case[] };

const numberOf = (text: string | number): number => (/^[-+]?inf$/i.test(String(text)) ? (String(text).startsWith("-") ? -Infinity : Infinity) : Number(text));

const operations: Readonly<Record<string, (histogram: FloatHistogram, args: readonly number[]) => number | FloatHistogram>> = {
  histogram_count: (h) => h.count,
  histogram_sum: (h) => h.sum,
  histogram_avg: histogramAverage,
  histogram_fraction: (h, [lower, upper]) => histogramFraction(lower, upper, h),
  histogram_quantile: (h, [phi]) => histogramQuantile(phi, h),
  histogram_stddev: histogramDeviation,
  histogram_stdvar: histogramVariance,
  neg: negateHistogram,
  ">/": (h, [limit]) => trimHistogram(h, limit, "upper"),
  "</": (h, [limit]) => trimHistogram(h, limit, "lower"),
};

function isNear(actual: number, expected: number): boolean {
  return Object.is(actual, expected) || actual === expected || Math.abs(actual - expected) <= 1e-6 * Math.abs(expected);
}

/** Whether all numbers are equal up to a relative 1e-6. */
function isNearHistogram(actual: FloatHistogram, expected: FloatHistogram): boolean {
  const [a, b] = [compactHistogram(actual), compactHistogram(expected)];
  const columns = (h: FloatHistogram): number[] =>
    [h.schema, h.count, h.sum, h.zeroCount, h.zeroThreshold, h.customBounds.length, h.positive.indexes.length, ...h.customBounds, ...h.positive.indexes, ...h.positive.counts, ...h.negative.indexes, ...h.negative.counts];
  const [left, right] = [columns(a), columns(b)];
  return left.length === right.length && left.every((value, i) => isNear(value, right[i]));
}

test("the conformance cases of native histograms", () => {
  const wrong: string[] = [];
  for (const { id, op, args, histogram, expected, api_buckets } of cases) {
    const actual = operations[op](parseHistogram(histogram), args.map(numberOf));
    if (typeof actual === "number") {
      if (!isNear(actual, numberOf(expected))) wrong.push(`${id}: ${op}(${args.join(", ")}) of ${histogram} is ${actual}, not ${expected}`);
      continue;
    }
    if (!isNearHistogram(actual, parseHistogram(String(expected)))) wrong.push(`${id}: ${histogram} ${op} ${args.join(", ")} is ${printHistogram(actual)}, not ${expected}`);
    const buckets = apiBuckets(actual);
    const isSame = buckets.length === api_buckets!.length && buckets.every((bucket, i) => bucket.every((value, k) => isNear(value, numberOf(api_buckets![i][k]))));
    if (!isSame) wrong.push(`${id}: buckets ${JSON.stringify(buckets)}, not ${JSON.stringify(api_buckets)}`);
  }
  assert.deepEqual(wrong, []);
});

test("bounds are those of the Prometheus libraries, bit by bit", () => {
  const rows: [index: number, schema: number, bound: number][] = [
    [0, 0, 1], [1, 0, 2], [-1, 0, 0.5], [1, 1, 1.414213562373095], [-1, 2, 0.8408964152537144], [-1, 3, 0.9170040432046711], [-3, 3, 0.7711054127039704],
    [-255, 8, 0.5013556375251013], [-1, 8, 0.9972960560854698], [-3, 8, 0.9919100824251095], [-5, 8, 0.9865531961276168], [1, -4, 65536], [-1, -4, 2 ** -16],
    [1024, 0, Number.MAX_VALUE], [1025, 0, Infinity], [64, -4, Number.MAX_VALUE], [65, -4, Infinity], [2 ** 18, 8, Number.MAX_VALUE], [2 ** 18 - 1, 8, 1.7928322734501122e308],
    [-1074, 0, 2 ** -1074],
  ];
  for (const [index, schema, bound] of rows) assert.equal(exponentialBound(index, schema), bound, `bucket ${index} of schema ${schema}`);
});

const additions = [
  { name: "other buckets", left: "{{count:3 sum:4 buckets:[1 2]}}", right: "{{count:3 sum:3 offset:1 buckets:[1 2]}}", sum: "{{count:6 sum:7 buckets:[1 3 2]}}" },
  { name: "a gap between them", left: "{{count:1 buckets:[1]}}", right: "{{count:1 offset:3 buckets:[1]}}", sum: "{{count:2 buckets:[1 0 0 1]}}" },
  { name: "the lower resolution wins", left: "{{schema:1 count:3 offset:1 buckets:[1 2]}}", right: "{{count:1 offset:1 buckets:[1]}}", sum: "{{count:4 offset:1 buckets:[4]}}" },
  { name: "the wider zero bucket wins", left: "{{count:5 z_bucket:1 z_bucket_w:0.001 offset:-1 buckets:[1 3]}}", right: "{{count:2 z_bucket:2 z_bucket_w:0.5}}", sum: "{{count:7 z_bucket:4 z_bucket_w:0.5 buckets:[3]}}" },
  { name: "the zero bucket grows to a bound", left: "{{count:5 z_bucket:1 z_bucket_w:0.001 buckets:[1 3]}}", right: "{{count:2 z_bucket:2 z_bucket_w:0.7}}", sum: "{{count:7 z_bucket:4 z_bucket_w:1 offset:1 buckets:[3]}}" },
  { name: "negative buckets make it grow too", left: "{{count:3 z_bucket:1 z_bucket_w:0.001 offset:1 buckets:[1] n_buckets:[1]}}", right: "{{count:2 z_bucket:2 z_bucket_w:0.7}}", sum: "{{count:5 z_bucket:4 z_bucket_w:1 offset:1 buckets:[1]}}" },
  { name: "custom buckets", left: "{{schema:-53 count:3 custom_values:[5 10] buckets:[1 2]}}", right: "{{schema:-53 count:3 custom_values:[5 10] buckets:[0 2 1]}}", sum: "{{schema:-53 count:6 custom_values:[5 10] buckets:[1 4 1]}}" },
  { name: "common custom bounds", left: "{{schema:-53 count:6 custom_values:[2 5 10] buckets:[1 2 3]}}", right: "{{schema:-53 count:10 custom_values:[3 5] buckets:[1 2 7]}}", sum: "{{schema:-53 count:16 custom_values:[5] buckets:[6 10]}}", reconciled: true },
  { name: "no common custom bounds", left: "{{schema:-53 count:3 custom_values:[2] buckets:[1 2]}}", right: "{{schema:-53 count:3 custom_values:[3] buckets:[1 2]}}", sum: "{{schema:-53 count:6 buckets:[6]}}", reconciled: true },
  { name: "hints that agree", left: "{{count:1 counter_reset_hint:reset}}", right: "{{count:1 counter_reset_hint:reset}}", sum: "{{count:2 counter_reset_hint:reset}}" },
  { name: "hints that collide", left: "{{count:1 counter_reset_hint:reset}}", right: "{{count:1 counter_reset_hint:not_reset}}", sum: "{{count:2}}", collision: true },
  { name: "a gauge stays one", left: "{{count:1 counter_reset_hint:reset}}", right: "{{count:1 counter_reset_hint:gauge}}", sum: "{{count:2 counter_reset_hint:gauge}}" },
];
for (const row of additions) {
  test(`addition: ${row.name}`, () => {
    for (const [left, right] of [[row.left, row.right], [row.right, row.left]]) {
      const result = addHistograms(parseHistogram(left), parseHistogram(right));
      assert(result !== undefined);
      assert.equal(printHistogram(compactHistogram(result.histogram)), row.sum);
      assert.equal(result.boundsReconciled, row.reconciled === true);
      assert.equal(result.counterResetCollision, row.collision === true);
      const sum = new HistogramSum(parseHistogram(left));
      assert.deepEqual(sum.add(parseHistogram(right)), { boundsReconciled: row.reconciled === true, counterResetCollision: row.collision === true });
      assert.equal(printHistogram(compactHistogram(sum.total())), row.sum);
    }
  });
}

test("exponential and custom buckets do not mix", () => {
  const [exponential, custom] = [parseHistogram("{{count:1}}"), parseHistogram("{{schema:-53 count:1 custom_values:[1]}}")];
  assert.equal(addHistograms(exponential, custom), undefined);
  assert.equal(subtractHistograms(custom, exponential), undefined);
  assert.equal(new HistogramSum(exponential).add(custom), undefined);
});

const resets = [
  { name: "nothing has changed", before: "{{count:1 buckets:[1]}}", after: "{{count:1 buckets:[1]}}", isReset: false },
  { name: "a count is lower", before: "{{count:3 buckets:[1 2]}}", after: "{{count:3 buckets:[2 1]}}", isReset: true },
  { name: "a bucket is gone", before: "{{count:3 buckets:[1 2]}}", after: "{{count:3 offset:1 buckets:[3]}}", isReset: true },
  { name: "an empty bucket is gone", before: "{{count:2 buckets:[0 2]}}", after: "{{count:3 offset:1 buckets:[3]}}", isReset: false },
  { name: "the sum is lower", before: "{{count:1 sum:5 buckets:[1]}}", after: "{{count:1 sum:4 buckets:[1]}}", isReset: false },
  { name: "lower resolution", before: "{{schema:1 count:3 offset:1 buckets:[1 2]}}", after: "{{count:3 offset:1 buckets:[3]}}", isReset: false },
  { name: "higher resolution", before: "{{count:3 offset:1 buckets:[3]}}", after: "{{schema:1 count:3 offset:1 buckets:[1 2]}}", isReset: true },
  { name: "wider zero bucket", before: "{{count:3 z_bucket:1 z_bucket_w:0.1 offset:-1 buckets:[2]}}", after: "{{count:3 z_bucket:3 z_bucket_w:0.5}}", isReset: false },
  { name: "wider zero bucket within a bucket", before: "{{count:3 z_bucket:1 z_bucket_w:0.1 buckets:[2]}}", after: "{{count:3 z_bucket:3 z_bucket_w:0.6}}", isReset: true },
  { name: "narrower zero bucket", before: "{{count:3 z_bucket:3 z_bucket_w:0.6}}", after: "{{count:3 z_bucket:3 z_bucket_w:0.5}}", isReset: true },
  { name: "the hint says so", before: "{{count:1 buckets:[1]}}", after: "{{count:3 buckets:[3] counter_reset_hint:reset}}", isReset: true },
  { name: "the hint says no", before: "{{count:3 buckets:[3]}}", after: "{{count:1 buckets:[1] counter_reset_hint:not_reset}}", isReset: false },
  { name: "other custom bounds", before: "{{schema:-53 count:3 custom_values:[1 5] buckets:[1 1 1]}}", after: "{{schema:-53 count:4 custom_values:[5] buckets:[2 2]}}", isReset: false },
  { name: "other custom bounds and lower", before: "{{schema:-53 count:3 custom_values:[1 5] buckets:[1 1 1]}}", after: "{{schema:-53 count:4 custom_values:[5] buckets:[1 3]}}", isReset: true },
];
for (const row of resets) {
  test(`counter reset: ${row.name}`, () => assert.equal(isCounterReset(parseHistogram(row.after), parseHistogram(row.before)), row.isReset));
}

test("division by zero leaves no buckets, a negative factor makes a gauge", () => {
  const histogram = parseHistogram("{{count:3 sum:3 z_bucket:1 buckets:[2]}}");
  assert.equal(printHistogram(divideHistogram(histogram, 0)), "{{count:Infinity sum:Infinity z_bucket:Infinity}}");
  assert.equal(printHistogram(multiplyHistogram(histogram, -2)), "{{count:-6 sum:-6 z_bucket:-2 counter_reset_hint:gauge buckets:[-4]}}");
});

test("compensated sums find what plain ones lose", () => {
  const sum = new HistogramSum(createHistogram({ sum: 1, count: 1e16 }));
  for (const [value, count] of [[1e100, 1], [1, 1], [-1e100, -1e16]]) sum.add(createHistogram({ sum: value, count }));
  assert.deepEqual([sum.total().sum, sum.total().count], [2, 2]);
});

test("random histograms: text, addition, resolution, quantiles", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 300; round++) {
    const [a, b] = [randomHistogram(random), randomHistogram(random)];
    const message = `round ${round}, seed ${testSeed()}: ${printHistogram(a)} and ${printHistogram(b)}`;
    assert(equalHistograms(parseHistogram(printHistogram(a)), a), message);
    const sum = addHistograms(a, b);
    assert.equal(sum === undefined, (a.schema === -53) !== (b.schema === -53), message);
    const inBuckets = (h: FloatHistogram): number => ascendingBuckets(h).reduce((count, bucket) => count + bucket.count, 0);
    if (sum !== undefined) {
      assert.equal(inBuckets(sum.histogram), inBuckets(a) + inBuckets(b), message);
      assert.equal(isCounterReset({ ...sum.histogram, resetHint: "unknown" }, a), false, message);
      const difference = subtractHistograms(sum.histogram, b);
      const form = addHistograms(a, multiplyHistogram(b, 0));
      assert(difference !== undefined && form !== undefined, message);
      assert(isNearHistogram(difference.histogram, form.histogram), message);
      const compensated = new HistogramSum(a);
      compensated.add(b);
      assert(isNearHistogram(compensated.total(), sum.histogram), message);
    }
    if (a.schema > -4) {
      const reduced = reduceResolution(a, a.schema - 1);
      assert.equal(inBuckets(reduced), inBuckets(a), message);
      assert(a.count === 0 || Math.abs(histogramFraction(-Infinity, 1, reduced) - histogramFraction(-Infinity, 1, a)) < 1e-9, message);
    }
    for (const phi of [0.01, 0.3, 0.5, 0.99]) {
      const quantile = histogramQuantile(phi, a);
      assert.equal(Number.isNaN(quantile), a.count === 0, message);
      if (a.schema !== -53 && a.count > 0) assert(Math.abs(histogramFraction(-Infinity, quantile, a) - phi) < 1e-6, `${phi}: ${quantile}, ${message}`);
      const [lower, upper] = [trimHistogram(a, 1, "lower"), trimHistogram(a, 1, "upper")];
      if (a.schema !== -53) assert(Math.abs(lower.count + upper.count - a.count) < 1e-6 * a.count + 1e-9, message);
    }
  }
});
