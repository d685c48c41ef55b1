/** Columns as monitoring makes them, for the tests and the benchmark of the codecs. */
import type { Random } from "../base/random.ts";
import { columnKinds, type ColumnKind } from "./codec.ts";

export interface ColumnGenerator {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly make: (count: number, random: Random) => Float64Array;
}

function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** A column whose samples come from `next`, called in order. */
function column(count: number, next: (i: number) => number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = next(i);
  return values;
}

/** A generator of values from a state that `start` sets up. */
function values(name: string, start: (random: Random) => (i: number) => number): ColumnGenerator {
  return { name, kind: columnKinds.values, make: (count, random) => column(count, start(random)) };
}

function timestamps(name: string, start: (random: Random) => (i: number) => number): ColumnGenerator {
  return { name, kind: columnKinds.timestamps, make: (count, random) => column(count, start(random)) };
}

/** Columns of the kinds that make up real data. */
export const typicalColumns: readonly ColumnGenerator[] = [
  values("counter, requests", (random) => {
    let total = Math.floor(random.next() * 1e9);
    const rate = 200 + random.next() * 3000;
    return () => (total += Math.max(0, Math.round(rate + Math.sqrt(rate) * gaussian(random))));
  }),
  values("counter, slow", (random) => {
    let total = random.int(1e5);
    return () => (total += random.int(4));
  }),
  values("counter, network bytes", (random) => {
    let total = Math.floor(random.next() * 1e12);
    return () => (total += Math.round(1e9 + 5e7 * gaussian(random)));
  }),
  values("counter, seconds with 2 decimals", (random) => {
    let total = random.int(1e7);
    let load = random.next() * 0.5;
    return () => {
      load = Math.min(1, Math.max(0, load + 0.02 * gaussian(random)));
      return (total += Math.round(1500 * load + 10 * random.next())) / 100;
    };
  }),
  values("gauge, memory pages", (random) => {
    let pages = random.int(2e6);
    return () => (pages = Math.max(1000, pages + Math.round(gaussian(random) * 200))) * 4096;
  }),
  values("gauge, small integers", (random) => {
    let level = 100 + random.next() * 200;
    return () => Math.round((level = Math.max(0, level + gaussian(random) * 3)));
  }),
  values("gauge, 2 decimals", (random) => {
    let level = random.next() * 100;
    return () => Math.round((level = Math.min(100, Math.max(0, level + gaussian(random)))) * 100) / 100;
  }),
  values("gauge, 9 decimals", (random) => () => Math.round(Math.exp(-7 + 0.6 * gaussian(random)) * 1e9) / 1e9),
  values("gauge, full precision", (random) => {
    let level = random.next() * 100;
    return () => (level = Math.abs(level + gaussian(random)));
  }),
  values("gauge, single precision", (random) => () => Math.fround(20 + gaussian(random))),
  values("changes in 1 %", (random) => {
    let level = random.int(100);
    return () => (random.next() < 0.01 ? (level = random.int(100)) : level);
  }),
  values("mostly zero", (random) => () => (random.next() < 0.02 ? random.int(1000) / 10 : 0)),
  values("constant", (random) => {
    const level = random.int(1e6);
    return () => level;
  }),
  timestamps("timestamps, exact", (random) => {
    const startMs = 1_700_000_000_000 + random.int(15000);
    return (i) => startMs + i * 15000;
  }),
  timestamps("timestamps, 10 ms jitter", (random) => {
    const startMs = 1_700_000_000_000 + random.int(15000);
    return (i) => startMs + i * 15000 + random.int(21) - 10;
  }),
  timestamps("timestamps, 10 % off by 1 ms", (random) => {
    const startMs = 1_700_000_000_000 + random.int(15000);
    return (i) => startMs + i * 15000 + (random.next() < 0.1 ? 1 : 0);
  }),
  timestamps("timestamps, irregular", (random) => {
    let timeMs = 1_700_000_000_000;
    return () => (timeMs += random.int(60000));
  }),
];

const scratch = new Float64Array(1);
const scratchBits = new BigUint64Array(scratch.buffer);

/** Columns that are hard to keep exact. NaN payloads are written as bits: a number variable would lose them. */
export const hostileColumns: readonly ColumnGenerator[] = [
  fromBits("random bits", (random) => (BigInt(random.int(2 ** 32)) << 32n) | BigInt(random.int(2 ** 32))),
  fromBits("few random bits", (random) => BigInt(random.int(4)) << BigInt(random.int(62))),
  fromBits("NaN payloads", (random) => 0x7ff0000000000001n + BigInt(random.int(1000))),
  fromBits("stale markers in a counter", (random, i) => (random.next() < 0.1 ? 0x7ff0000000000002n : bitsOf(i * 10))),
  fromBits("one stale marker at the end", (_, i, count) => (i === count - 1 ? 0x7ff0000000000002n : bitsOf(42.5))),
  fromBits("one stale marker at the start", (_, i) => (i === 0 ? 0x7ff0000000000002n : bitsOf(i))),
  fromBits("infinities, NaN and zeros", (random) => bitsOf([Infinity, -Infinity, NaN, 0, -0][random.int(5)])),
  fromBits("decimals with rare specials", (random, i) => bitsOf(random.next() < 0.05 ? [Infinity, -Infinity, NaN, -0, 1e300, 1 / 3][random.int(6)] : i / 10)),
  fromBits("denormals", (random) => BigInt(random.int(1000))),
  fromBits("negative denormals", (random) => 0x8000000000000000n + BigInt(random.int(1000))),
  fromBits("minus zero", () => bitsOf(-0)),
  values("both signs, full precision", (random) => () => random.next() - 0.5),
  values("large magnitudes", (random) => () => (random.next() - 0.5) * 10 ** random.int(308)),
  values("around 2^51", (random) => () => 2 ** 51 + random.int(1000) - 500),
  values("around 2^53", (random) => () => 2 ** 53 + 2 * random.int(1000)),
  values("around 2e15", (random) => () => (random.int(2) * 2 - 1) * (2e15 + random.int(100) - 50)),
  values("opposite extremes", (random) => () => (random.int(2) * 2 - 1) * (1.9e15 + random.int(1000))),
  values("steps of 2^40", (random) => () => random.int(8) * 2 ** 40),
  values("nanoseconds", (random) => () => 1.7e18 + random.int(1e6) * 256),
  values("descending", () => (i) => -i * 7),
  values("deltas of 29 bits", (random) => () => random.int(2 ** 29)),
  values("deltas of 32 bits", (random) => () => random.int(2 ** 32)),
  values("mixed decimals", (random) => () => random.int(1e6) / 10 ** random.int(7)),
  values("slope with rare bends", (random) => {
    let level = 0;
    return () => (level += random.next() < 0.03 ? random.int(100) : 17);
  }),
  values("negative slope, 3 decimals", () => (i) => (100000 - i * 125) / 1000),
  timestamps("timestamps, all equal but one", () => (i) => (i === 3 ? 1_700_000_000_001 : 1_700_000_000_000)),
  timestamps("timestamps, fractions", (random) => () => random.next() * 1e12),
];

function bitsOf(value: number): bigint {
  scratch[0] = value;
  return scratchBits[0];
}

function fromBits(name: string, next: (random: Random, i: number, count: number) => bigint): ColumnGenerator {
  const make = (count: number, random: Random): Float64Array => {
    const bits = new BigUint64Array(count);
    for (let i = 0; i < count; i++) bits[i] = next(random, i, count);
    return new Float64Array(bits.buffer);
  };
  return { name, kind: columnKinds.values, make };
}
