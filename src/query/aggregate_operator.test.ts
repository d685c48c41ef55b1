// Aggregates that forget series while they come in give what they give when they hold all of them.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { testSeed } from "../../testkit/seed.ts";
import { type AggregateFunction, aggregateFunctions } from "./aggregate_functions.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";

const startMs = 1_700_000_100_000;
const stepMs = 60_000;
const points = 5;

async function engineOf(seriesCount: number): Promise<Engine> {
  const random = seededRandom(testSeed());
  const store = new MemoryStore();
  const builder = new RowBatchBuilder();
  for (let i = 0; i < seriesCount; i++) {
    const at = Array.from({ length: points }, (_, p) => p).filter(() => random.next() < 0.7);
    // Few distinct values, so that many are equal.
    const times = Float64Array.from(at, (p) => startMs + p * stepMs);
    builder.addSeries(labelsOf({ __name__: "m", i: String(i), g: String(i % 7 === 0 ? 1 : 0) }), times, times.map(() => random.int(20)));
  }
  await store.write(builder.build());
  return new Engine({ store, kernel: new Kernel(), nowMs: () => startMs });
}

const queries = [
  "topk(3, m)", "topk(300, m)", "topk(0, m)", "bottomk(2, m) by (g)", "topk(time() / 60 % 5, m)", "topk_max(4, m)", "bottomk_avg(2.5, m)", 'topk_last(2, m, "rest=x")', "topk_median(3, m) without (i)",
  "limitk(5, m)", "any(m)", "any(m) by (g)",
];

function namesOf(result: QueryResult): unknown[] {
  return result.series.map(({ labels, values }) => [labels, [...values].map(String)]);
}

test("aggregates that forget series", async () => {
  const engine = await engineOf(1500);
  const rows: Record<string, { condense?: AggregateFunction["condense"] }> = aggregateFunctions;
  for (const query of queries) {
    const range = { query, startMs, endMs: startMs + (points - 1) * stepMs, stepMs };
    const condensed = await engine.range(range);
    const row = rows[query.slice(0, query.indexOf("("))];
    const { condense } = row;
    assert.ok(condense !== undefined);
    row.condense = undefined;
    const whole = await engine.range(range);
    row.condense = condense;
    assert.deepEqual(namesOf(condensed), namesOf(whole), query);
    assert.ok(condensed.series.length > 0 || query === "topk(0, m)", query);
  }
});

test("aggregates that forget series take little memory", async () => {
  const engine = await engineOf(1500);
  const { stats } = await engine.instant({ query: "topk(3, m)", timeMs: startMs });
  const { stats: all } = await engine.instant({ query: "quantile(0.5, m)", timeMs: startMs });
  assert.ok(stats.memoryBytes < all.memoryBytes, `${stats.memoryBytes} of ${all.memoryBytes} bytes`);
});
