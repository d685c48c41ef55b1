// Thinned samples: every function that takes them gives the same from them as from all samples, bit for bit.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { removeResetsReference, rollupReference, rollupWindowsReference } from "../kernel/rollup_reference.ts";
import type { RollupName } from "../kernel/rollup.ts";
import { isExact, thin, type Thinning } from "./window_thinning.ts";

const seed = testSeed();
const functionsOf: Readonly<Record<Exclude<Thinning, "count" | "sum">, readonly RollupName[]>> = {
  counter: ["Delta", "IncreasePure", "Rate", "DeltaPrometheus", "RatePrometheus", "Resets"],
  ends: ["First", "Last", "FirstTime", "LastTime", "Present"],
  min: ["Min"],
  max: ["Max"],
};

interface Columns {
  readonly times: number[];
  readonly values: number[];
}

/** A counter with resets, as a whole or in part, with fractions or without, and with NaNs. */
function randomSamples(random: Random, hasNaN: boolean): Columns {
  const times: number[] = [];
  const values: number[] = [];
  let timeMs = 0;
  let value = random.next() < 0.5 ? 0 : 1000 * random.next();
  const scale = random.next() < 0.5 ? 1 : 0.1;
  for (let i = 0; i < 200; i++) {
    timeMs += random.next() < 0.03 ? 200_000 : 15_000;
    const chance = random.next();
    if (chance < 0.03) value = random.next() < 0.5 ? 0 : value * 0.95;
    else if (chance < 0.6) value += Math.floor(random.next() * 20) * scale;
    times.push(timeMs);
    values.push(hasNaN && random.next() < 0.05 ? NaN : value);
  }
  return { times, values };
}

/** The samples with those of (fromMs, toMs] thinned, slice by slice. */
function thinned(kind: Thinning, { times, values }: Columns, fromMs: number, toMs: number, sliceMs: number): Columns {
  const result: Columns = { times: [], values: [] };
  const add = (timeMs: number, value: number): void => {
    result.times.push(timeMs);
    result.values.push(value);
  };
  const [allTimes, allValues] = [Float64Array.from(times), Float64Array.from(values)];
  let i = 0;
  for (; i < times.length && times[i] <= fromMs; i++) add(times[i], values[i]);
  for (let slice = fromMs; slice < toMs; slice += sliceMs) {
    const from = i;
    while (i < times.length && times[i] <= slice + sliceMs) i++;
    thin(kind, allTimes, allValues, from, i, { add });
  }
  for (; i < times.length; i++) add(times[i], values[i]);
  return result;
}

function rolledUp(kernel: RollupName, { times, values }: Columns, timeMs: number, windowMs: number, removesResets: boolean): number {
  const isSet = values.map((v) => !Number.isNaN(v));
  const timestampsMs = Float64Array.from(times.filter((_, i) => isSet[i]));
  const plain = values.filter((_, i) => isSet[i]);
  const prepared = Float64Array.from(removesResets ? removeResetsReference(timestampsMs, plain, 0) : plain);
  const [window] = rollupWindowsReference({ timestampsMs, values: prepared, startMs: timeMs, stepMs: 300_000, points: 1, windowMs, maxPrevIntervalMs: 300_000, lookbackMs: 0, args: () => [NaN, NaN] });
  return rollupReference[kernel](window);
}

for (const [kind, kernels] of Object.entries(functionsOf) as [keyof typeof functionsOf, readonly RollupName[]][]) {
  for (const kernel of kernels) {
    test(`${kernel} of samples thinned as ${kind} (seed ${seed})`, () => {
      const random = seededRandom(seed);
      for (let round = 0; round < 150; round++) {
        const samples = randomSamples(random, round % 2 === 0);
        const endMs = samples.times[samples.times.length - 1] - Math.floor(random.next() * 60_000);
        const windowMs = Math.floor(endMs * (0.5 + random.next() * 0.4));
        const sliceMs = 1 << (15 + Math.floor(random.next() * 4));
        const fromMs = Math.ceil((endMs - windowMs) / sliceMs) * sliceMs;
        const toMs = Math.floor(endMs / sliceMs) * sliceMs;
        const some = thinned(kind, samples, fromMs, toMs, sliceMs);
        for (const removesResets of kind === "counter" && kernel !== "Resets" ? [false, true] : [false]) {
          assert.equal(rolledUp(kernel, some, endMs, windowMs, removesResets), rolledUp(kernel, samples, endMs, windowMs, removesResets), `round ${round}`);
        }
        assert.ok(some.values.length <= samples.values.length);
      }
    });
  }
}

test("one sample stands for all that are counted or summed up", () => {
  const [times, values] = [Float64Array.of(1, 2, 3, 4), Float64Array.of(5, NaN, 7, -2)];
  for (const [kind, expected] of [["count", [4, -2, 3]], ["sum", [4, 10, 3]]] as const) {
    const found: number[][] = [];
    thin(kind, times, values, 0, 4, { add: (...sample) => found.push(sample) });
    assert.equal(found.length, 1);
    assert.deepEqual([found[0][0], found[0][2]], [expected[0], expected[2]]);
    if (kind === "sum") assert.equal(found[0][1], expected[1]);
  }
});

const exactRows: readonly { name: string; kind: Thinning; values: number[]; isExact: boolean }[] = [
  { name: "sums of whole numbers", kind: "sum", values: [1, -3, 100, NaN], isExact: true },
  { name: "sums of fractions", kind: "sum", values: [1, 0.5], isExact: false },
  { name: "sums of large numbers", kind: "sum", values: [1, 101], isExact: false },
  { name: "sums with Inf", kind: "sum", values: [1, Infinity], isExact: false },
  { name: "the least number with -0", kind: "min", values: [1, -0], isExact: false },
  { name: "the greatest number with 0", kind: "max", values: [-1, 0], isExact: true },
  { name: "counters of fractions", kind: "counter", values: [0.1, 0.2], isExact: true },
];
for (const { name, kind, values, isExact: expected } of exactRows) {
  test(`whether thinning is exact: ${name}`, () => assert.equal(isExact(kind, Float64Array.from(values), 0, values.length, 100), expected));
}
