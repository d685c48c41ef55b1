// Random queries over random series of all kinds: a range query gives at each point what an instant query gives at that time, and nothing but typed
// errors comes of any query.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsToRecord } from "../model/labels.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { QueryResult } from "../query/result.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { randomVectorQuery, writeRandomSeries } from "../../testkit/random_promql_query.ts";
import { testSeed } from "../../testkit/seed.ts";
import { PromqlEngine } from "./engine.ts";

const queries = 400;
const grid = { startMs: 130_000, endMs: 430_000, stepMs: 100_000 };

/** The points at one time by labels. */
function pointsAt(result: QueryResult, index: number): Map<string, number | string> {
  const points = new Map<string, number | string>();
  for (const { labels, values, present, histograms } of result.series) {
    const kind = present?.[index];
    if (kind === 0) continue;
    points.set(JSON.stringify(labelsToRecord(labels)), kind === 1 ? values[index] : printHistogram(histograms?.[index]));
  }
  return points;
}

/** Without the reset hint, which depends on how much was read. */
function printHistogram(histogram: FloatHistogram | undefined): string {
  if (histogram === undefined) return "none";
  const { schema, count, sum, zeroCount, positive, negative } = histogram;
  return JSON.stringify([schema, count, sum, zeroCount, [...positive.indexes], [...positive.counts], [...negative.counts]].map(String));
}

async function attempt(run: () => Promise<QueryResult>): Promise<QueryResult | string> {
  try {
    return await run();
  } catch (error) {
    assert(error instanceof Error && error.name === "InputError", String(error instanceof Error ? error.stack : error));
    return error.message;
  }
}

test("a range query is many instant queries", async () => {
  const random = seededRandom(testSeed());
  const store = new MemoryStore({ keepsNaN: true });
  await writeRandomSeries(store, random);
  const engine = new PromqlEngine({ store, nowMs: () => 0 });
  let compared = 0;
  for (let i = 0; i < queries; i++) {
    const query = randomVectorQuery(random, 1 + random.int(4));
    const range = await attempt(() => engine.range({ query, ...grid }));
    for (let timeMs = grid.startMs, index = 0; timeMs <= grid.endMs; timeMs += grid.stepMs, index++) {
      const instant = await attempt(() => engine.instant({ query, timeMs }));
      if (typeof instant === "string") assert.equal(typeof range, "string", `seed ${testSeed()}: ${query} fails at ${timeMs} only: ${instant}`);
      if (typeof instant === "string" || typeof range === "string") continue;
      assert.deepEqual(new Map([...pointsAt(range, index)].sort()), new Map([...pointsAt(instant, 0)].sort()), `seed ${testSeed()}: ${query} at ${timeMs}`);
      compared += instant.series.length;
    }
  }
  assert(compared > 500, `only ${compared} points compared`);
});

/** All of an answer, bit by bit but for what a NaN holds. */
function printAll({ series, warnings, infos }: QueryResult): string {
  const lines = series.map((one) => {
    const points = Array.from(one.values, (value, i) => (one.present?.[i] === 1 ? (Object.is(value, -0) ? "-0" : String(value)) : one.present?.[i] === 2 ? printHistogram(one.histograms?.[i]) : "none"));
    return JSON.stringify([labelsToRecord(one.labels), points]);
  });
  return [...lines.sort(), ...(warnings ?? []), ...(infos ?? [])].join("\n");
}

test("kernels compute what is computed without them", async () => {
  const random = seededRandom(testSeed());
  const store = new MemoryStore({ keepsNaN: true });
  await writeRandomSeries(store, random);
  const plain = new PromqlEngine({ store, nowMs: () => 0 });
  const kernel = new Kernel();
  const fast = new PromqlEngine({ store, kernel, nowMs: () => 0 });
  const heldBytes = kernel.mark();
  const wide = { startMs: 0, endMs: 700_000, stepMs: 17_000 };
  for (let i = 0; i < queries; i++) {
    const query = randomVectorQuery(random, 1 + random.int(3));
    const [expected, actual] = [await attempt(() => plain.range({ query, ...wide })), await attempt(() => fast.range({ query, ...wide }))];
    if (typeof expected === "string" || typeof actual === "string") assert.equal(actual, expected, query);
    else assert.equal(printAll(actual), printAll(expected), `seed ${testSeed()}: ${query}`);
  }
  assert.equal(kernel.mark(), heldBytes);
});
