// Samples that are NaN (-storage.keepNaN) are no values to MetricsQL: every rollup, raw window and range over a store with them answers what it answers over one
// without them, be they in the head or in parts; stale markers end series in both.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { Store } from "../model/store.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";
import { rollupFunctions } from "./rollup_functions.ts";

const startMs = 1_699_000_000_000;
const intervalMs = 15_000;
const samples = 900;

/** The same samples, with and without NaN among them. */
function batches(random: Random): { withNaN: RowBatchBuilder; without: RowBatchBuilder } {
  const [withNaN, without] = [new RowBatchBuilder(), new RowBatchBuilder()];
  for (let i = 0; i < 4; i++) {
    const labels = labelsOf({ __name__: "m", i: String(i) });
    const staleAt = random.int(samples);
    const isNaNAt = Uint8Array.from({ length: samples }, (_, k) => (k !== staleAt && random.next() < [0.3, 0.02, 0, 0.1][i] ? 1 : 0));
    const timestampsMs = Float64Array.from({ length: samples }, (_, k) => startMs + k * intervalMs);
    const values = Float64Array.from({ length: samples }, (_, k) => (isNaNAt[k] === 1 ? Number.NaN : k + random.int(10)));
    writeStaleMarker(values, staleAt);
    const kept = timestampsMs.filter((_, k) => isNaNAt[k] === 0);
    const keptValues = values.filter((_, k) => isNaNAt[k] === 0);
    writeStaleMarker(keptValues, kept.indexOf(timestampsMs[staleAt]));
    withNaN.addSeries(labels, timestampsMs, values);
    without.addSeries(labels, kept, keptValues);
  }
  return { withNaN, without };
}

const argumentsOf: Readonly<Record<string, string>> = {
  quantile_over_time: "0.5, #", hoeffding_bound_lower: "0.5, #", hoeffding_bound_upper: "0.5, #", quantiles_over_time: '"q", 0.5, #', predict_linear: "#, 60", duration_over_time: "#, 60",
  aggr_over_time: '("sum_over_time", "count_over_time"), #', holt_winters: "#, 0.5, 0.5", double_exponential_smoothing: "#, 0.5, 0.5", count_values_over_time: '"v", #',
};
const withLimit = /^(count|share|sum)_(eq|ne|le|gt)_over_time$/;

function queryOf(name: string, window: string): string {
  const pattern = argumentsOf[name] ?? (withLimit.test(name) ? "#, 700" : "#");
  return `${name}(${pattern.replace("#", `m[${window}]`)})`;
}

const queries = ["m", "count(m)", "m offset 1m", "rate(m)", "sum_over_time(m[1h:1m])", ...Object.keys(rollupFunctions).flatMap((name) => [queryOf(name, "2m"), queryOf(name, "3h")])];

function described({ series }: QueryResult): unknown {
  return series.map(({ labels, values, timestampsMs }) => [labels, [...values].map((value) => Number(value.toPrecision(9))), timestampsMs && [...timestampsMs]]);
}

async function answers(engine: Engine, query: string, atMs: number): Promise<unknown> {
  const range = { query, startMs: atMs, endMs: atMs + 3_600_000, stepMs: 200_000 };
  try {
    return [described(await engine.range(range)), described(await engine.instant({ query, timeMs: atMs, stepMs: 60_000 }))];
  } catch (error) {
    return String(error);
  }
}

async function samplesIn(store: Store): Promise<number> {
  const range = { minMs: startMs, maxMs: startMs + samples * intervalMs };
  const found = await store.search({ tenant: defaultTenant, selector: [[{ name: "__name__", op: "=", value: "m" }]], range, budget: { seriesMax: 100, samplesMax: 1e6 } });
  let count = 0;
  for await (const batch of found.batches) count += batch.sampleFrom[batch.seriesCount];
  return count;
}

test("NaN samples are no values to MetricsQL", async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const { withNaN, without } = batches(random);
  await using stack = new AsyncDisposableStack();
  const stores: Store[] = [];
  for (const builder of [withNaN, without]) {
    const store = stack.use(await openTestStore(new MemoryFileSystem()));
    await store.write(builder.build());
    stores.push(store);
  }
  const counts = await Promise.all(stores.map(samplesIn));
  assert.ok(counts[0] === 4 * samples && counts[1] < counts[0], `${counts.join(" and ")} samples are stored`);
  let failed = 0;
  for (const flushed of [false, true]) {
    if (flushed) for (const store of stores) await store.flush();
    const engines = stores.map((store) => new Engine({ store, kernel: new Kernel(), nowMs: () => startMs }));
    for (const query of queries) {
      const atMs = startMs + random.int(samples) * intervalMs + random.int(intervalMs);
      const [actual, expected] = [await answers(engines[0], query, atMs), await answers(engines[1], query, atMs)];
      assert.deepEqual(actual, expected, `${query} at ${atMs}, seed ${seed}`);
      if (typeof expected === "string") failed++;
    }
    for (const query of ["m[5m]", "m[3h]"]) {
      const [actual, expected] = await Promise.all(engines.map((engine) => engine.instant({ query, timeMs: startMs + 600 * intervalMs, stepMs: 60_000 })));
      assert.deepEqual(described(actual), described(expected), query);
    }
  }
  assert.equal(failed, 0, `${failed} queries are wrong`);
});
