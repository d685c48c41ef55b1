// What a Store prepares of a rollup gives what all samples give: random series with gaps, equal times, stale markers and NaN, in long blocks of several parts and in the
// head, random windows. Exact for all functions but sum and avg, whose additions come in another order (1e-12 of the sum of the amounts).
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { Store } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";

const startMs = 1_699_000_000_000;
const seriesCount = 6;
const functions = ["sum", "count", "avg", "min", "max", "first", "last", "present"] as const;

/** One stretch of samples for all series, scraped every `intervalMs`; some series miss it, end stale, or have values twice. */
function writeStretch(random: Random, fromMs: number, count: number, intervalMs: number): RowBatchBuilder {
  const builder = new RowBatchBuilder();
  for (let i = 0; i < seriesCount; i++) {
    if (random.next() < 0.15) continue;
    const timestampsMs = Float64Array.from({ length: count }, (_, k) => fromMs + k * intervalMs);
    if (random.next() < 0.3) for (let k = 1; k < count; k++) if (random.next() < 0.1) timestampsMs[k] = timestampsMs[k - 1];
    const isWhole = random.next() < 0.5;
    const values = Float64Array.from({ length: count }, () => (isWhole ? random.int(2001) - 1000 : random.next() * 2000 - 1000));
    if (random.next() < 0.3) writeStaleMarker(values, random.int(count));
    if (random.next() < 0.3) for (let k = 0; k < count; k++) if (random.next() < 0.05) values[k] = NaN;
    builder.addSeries(labelsOf({ __name__: "m", i: String(i), half: String(i % 2) }), timestampsMs, values);
  }
  return builder;
}

/** Stretches of one block's length and less, in order and over each other. */
async function fill(store: Store, random: Random): Promise<number> {
  let atMs = startMs;
  for (let stretch = 0; stretch < 6; stretch++) {
    const count = [3, 600, 700, 2000][random.int(4)];
    await store.write(writeStretch(random, atMs, count, 15_000).build());
    if (random.next() < 0.6) await store.flush();
    atMs += Math.round(count * 15_000 * (random.next() < 0.2 ? 0.5 : 1)) + random.int(3) * 600_000;
  }
  if (random.next() < 0.5) await store.merge();
  return atMs;
}

function withoutPushDown(store: Store): Pick<Store, "search" | "capabilities"> {
  return { capabilities: { ...store.capabilities, canRollup: false }, search: (request) => store.search(request) };
}

function engineOver(store: Pick<Store, "search" | "capabilities">): Engine {
  return new Engine({ store: store as Store, kernel: new Kernel(), nowMs: () => startMs });
}

function checkEqual(pushed: QueryResult, plain: QueryResult, tolerance: number, query: string): void {
  assert.deepEqual(pushed.series.map(({ labels }) => labels), plain.series.map(({ labels }) => labels), query);
  pushed.series.forEach(({ values }, i) => {
    values.forEach((value, k) => {
      const expected = plain.series[i].values[k];
      const isEqual = Object.is(value + 0, expected + 0) || Math.abs(value - expected) <= tolerance;
      assert.ok(isEqual, `${query}, point ${k}: ${value}, expected ${expected}`);
    });
  });
}

/** Compares many queries; returns how many samples they read with and without push-down. */
async function compareQueries(store: Store, random: Random, endMs: number, rounds: number): Promise<{ pushed: number; plain: number }> {
  const engines = { pushed: engineOver(store), plain: engineOver(withoutPushDown(store)) };
  const scanned = { pushed: 0, plain: 0 };
  for (let round = 0; round < rounds; round++) {
    const name = functions[random.int(functions.length)];
    const windowS = [60, 3600, 11 * 3600, 60 * 3600][random.int(4)] + random.int(100);
    const query = [`${name}_over_time(m[${windowS}s])`, `sum by (half) (${name}_over_time(m[${windowS}s] offset 7m))`, `count(m)`, `m`][random.next() < 0.7 ? random.int(2) : 2 + random.int(2)];
    const fromMs = startMs + random.int(endMs - startMs);
    const range = { query, startMs: fromMs, endMs: fromMs + random.int(100) * 3_600_000, stepMs: [3_600_000, 50_000_000][random.int(2)] };
    const isRange = random.next() < 0.5;
    const run = (engine: Engine): Promise<QueryResult> => (isRange ? engine.range(range) : engine.instant({ query, timeMs: fromMs, stepMs: 900_000 }));
    const [pushed, plain] = [await run(engines.pushed), await run(engines.plain)];
    // Up to 12,000 samples of up to 1000 in three series.
    checkEqual(pushed, plain, name === "sum" ? 12_000 * 1000 * 3 * 1e-12 : name === "avg" ? 3000 * 1e-12 : 0, `${query} at ${fromMs}`);
    scanned.pushed += pushed.stats.samplesScanned;
    scanned.plain += plain.stats.samplesScanned;
  }
  return scanned;
}

test("push-down = all samples, MemoryStore", async () => {
  for (let round = 0; round < 8; round++) {
    const random = seededRandom(testSeed() + round);
    const store = new MemoryStore();
    const endMs = await fill(store, random);
    const { pushed, plain } = await compareQueries(store, random, endMs, 6);
    assert.ok(pushed < plain, `${pushed} of ${plain} samples`);
  }
});

test("push-down = all samples, LocalStore", async () => {
  const scanned = { pushed: 0, plain: 0 };
  for (let round = 0; round < 6; round++) {
    const random = seededRandom(testSeed() + 100 + round);
    await using store = await openTestStore(new MemoryFileSystem(), { nowMs: startMs + 40 * 86_400_000, sealChunksMax: 1024, chunkBudgetBytes: 1 << 22 });
    const endMs = await fill(store, random);
    const { pushed, plain } = await compareQueries(store, random, endMs, 40);
    scanned.pushed += pushed;
    scanned.plain += plain;
  }
  // Blocks that are in the head, short, stale or cut by a window are read.
  assert.ok(scanned.pushed < scanned.plain, `${scanned.pushed} of ${scanned.plain} samples`);
});
