/** The kernels of PromQL's windows give the bits of the clear version, over random series and grids. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { Kernel } from "./kernel.ts";
import { isInKernel, PromqlWindows, promqlWindowFunctions, scanFlag, scanSamples, type WindowGrid } from "./promql_windows.ts";
import { referencePromqlWindows } from "./promql_windows_reference.ts";

const kernel = new Kernel();

const makers: readonly ((random: Random, previous: number) => number)[] = [
  (random, previous) => previous + random.int(50),
  (random, previous) => (random.int(10) === 0 ? random.int(5) : previous + random.next()),
  (random) => (random.int(4) - 2) * 10 ** random.int(20),
  (random) => [0, -0, NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324][random.int(8)],
  (random) => random.next() * 1e6 - 5e5,
];

interface Samples {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

function randomSamples(random: Random): Samples {
  const count = random.int(4) === 0 ? random.int(4) : random.int(200);
  const make = makers[random.int(makers.length)];
  const samples = { timestampsMs: new Float64Array(count), values: new Float64Array(count) };
  let timeMs = random.int(100_000);
  for (let i = 0; i < count; i++) {
    samples.timestampsMs[i] = timeMs;
    samples.values[i] = make(random, samples.values[i - 1] ?? 0);
    timeMs += random.int(8) === 0 ? 1 + random.int(200_000) : 15_000;
  }
  return samples;
}

function randomGrid(random: Random): WindowGrid {
  return { points: 1 + random.int(60), endMs: random.int(500_000), endStepMs: random.int(5) === 0 ? 0 : 1 + random.int(90_000), lengthMs: random.int(6) === 0 ? 1 + random.int(100) : random.int(900_000) + 1 };
}

function bitsOf(value: number): bigint {
  return Number.isNaN(value) ? 0n : new BigUint64Array(Float64Array.of(value).buffer)[0];
}

test("all functions equal the reference", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const mark = kernel.mark();
    const [{ timestampsMs, values }, grid] = [randomSamples(random), randomGrid(random)];
    const windows = new PromqlWindows(kernel, grid);
    for (const name of promqlWindowFunctions) {
      const expected = referencePromqlWindows(name, grid, timestampsMs, values);
      const given = windows.run(name, timestampsMs, values, true);
      if (given === -1) {
        assert(/^(?:sum|avg)/.test(name) && values.some((value) => Math.abs(value) > 1e300 || Number.isNaN(value)), `seed ${seed}: ${name} refuses`);
        continue;
      }
      const actual = Array.from(windows.values, (value, point) => (windows.present[point] === 1 ? bitsOf(value) : undefined));
      assert.deepEqual(actual, expected.map((value) => value === undefined ? undefined : bitsOf(value)), `seed ${seed}: ${name}, round ${round}`);
      assert.equal(given, expected.filter((value) => value !== undefined).length);
    }
    kernel.reset(mark);
  }
});

test("samples in the kernel's memory are used there, and resets need not be looked for where there are none", () => {
  const mark = kernel.mark();
  const area = kernel.allocate(160);
  const [timestampsMs, values] = [new Float64Array(kernel.memory.buffer, area, 10), new Float64Array(kernel.memory.buffer, area + 80, 10)];
  for (let i = 0; i < 10; i++) [timestampsMs[i], values[i]] = [i * 1000, i * 2];
  assert(isInKernel(kernel, timestampsMs, values));
  assert(!isInKernel(kernel, timestampsMs.slice(), values));
  const windows = new PromqlWindows(kernel, { points: 2, endMs: 5000, endStepMs: 4000, lengthMs: 5000 });
  assert.equal(windows.run("rate", timestampsMs, values, false), 2);
  assert.deepEqual([...windows.values], [2, 2]);
  kernel.reset(mark);
});

test("windows are found anew for other times", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const mark = kernel.mark();
  const windows = new PromqlWindows(kernel, { points: 20, endMs: 100_000, endStepMs: 60_000, lengthMs: 300_000 });
  let samples = randomSamples(random);
  for (let round = 0; round < 200; round++) {
    if (random.int(3) === 0) samples = randomSamples(random);
    if (random.int(3) === 0) samples = { ...samples, timestampsMs: samples.timestampsMs.map((timeMs) => timeMs + 1) };
    windows.run("count_over_time", samples.timestampsMs, samples.values, true);
    const expected = referencePromqlWindows("count_over_time", { points: 20, endMs: 100_000, endStepMs: 60_000, lengthMs: 300_000 }, samples.timestampsMs, samples.values);
    assert.deepEqual(Array.from(windows.values, (value, point) => (windows.present[point] === 1 ? value : undefined)), expected, `seed ${seed}: round ${round}`);
  }
  kernel.reset(mark);
});

test("a scan finds repeated times, stale markers and falls", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 500; round++) {
    const mark = kernel.mark();
    const count = random.int(12);
    const area = kernel.allocate(count * 16 + 16);
    const timestampsMs = new Float64Array(kernel.memory.buffer, area, count);
    const values = new Float64Array(kernel.memory.buffer, area + count * 8, count);
    let expected = 0;
    for (let i = 0; i < count; i++) {
      const [repeats, isStale] = [i > 0 && random.int(12) === 0, random.int(12) === 0];
      timestampsMs[i] = repeats ? timestampsMs[i - 1] : i * 10;
      values[i] = random.int(10) === 0 ? NaN : i - (random.int(12) === 0 ? 5 : 0);
      if (isStale) writeStaleMarker(values, i);
      if (repeats) expected |= scanFlag.repeats;
      if (isStale) expected |= scanFlag.stale;
      if (!(values[i] >= (i === 0 ? -Infinity : values[i - 1]))) expected |= scanFlag.falls;
    }
    assert.equal(scanSamples(kernel, timestampsMs, values), expected, `seed ${seed}: round ${round}: ${values.join(" ")}`);
    kernel.reset(mark);
  }
});

test("a selector is stale where its last sample is, and the last of samples at one time counts", () => {
  const mark = kernel.mark();
  const windows = new PromqlWindows(kernel, { points: 5, endMs: 0, endStepMs: 10, lengthMs: 15 });
  const values = Float64Array.of(1, 2, 3, 0);
  writeStaleMarker(values, 3);
  assert.equal(windows.run("latest", Float64Array.of(5, 10, 10, 20), values, true), 1);
  assert.deepEqual([...windows.present], [0, 1, 0, 0, 0]);
  assert.equal(windows.values[1], 3);
  kernel.reset(mark);
});
