/** Queries that are not only parsed but answered, over a few series of all kinds. */
import { MemoryStore } from "../../src/stores/memory_store.ts";
import { seededRandom } from "../../src/base/random.ts";
import { PromqlEngine } from "../../src/promql/engine.ts";
import { randomVectorQuery, writeRandomSeries } from "../random_promql_query.ts";
import { expect } from "./expectation.ts";
import { type FuzzTarget, once } from "./fuzz_target.ts";

const limits = { pointsPerSeriesMax: 1000, subqueryPointsMax: 2000, memoryBytesMax: 8 << 20 };

const engine = once(async () => {
  const store = new MemoryStore({ keepsNaN: true });
  await writeRandomSeries(store, seededRandom(1));
  return new PromqlEngine({ store, nowMs: () => 0, limits });
});

const words = [
  "(", ")", "[1m]", "[5m:30s]", "{a=\"1\"}", ",", " + ", " / ", " or ", " and ", " unless ", " == bool ", " on (a) ", " group_left (b) ", " ignoring (le) ", " offset 1m", " @ 200", " @ end()", "rate(", "sum by (a) (",
  "histogram_quantile(0.9, ", "info(", "label_join(", '"x"', "topk(2, ", "limit_ratio(-0.5, ", "quantile_over_time(2, ", "absent(", "scalar(", "vector(", "latency", "mixed", "gauge", "1e300", "NaN", "-Inf", " smoothed", " anchored",
  " fill (0) ", " </ ", " >/ 1", "step()", "count_values(\"v\", ", "double_exponential_smoothing(", "histogram_quantiles(",
];

/** Whatever is answered has columns of the right length. */
async function runQuery(input: Uint8Array): Promise<void> {
  const query = Buffer.from(input).toString("utf8");
  const { series, timestampsMs } = await (await engine()).range({ query, startMs: 100_000, endMs: 400_000, stepMs: 60_000 });
  for (const { values, present } of series) expect(values.length === timestampsMs.length && present?.length === values.length, "columns of another length");
}

export const queryTargets: readonly FuzzTarget[] = [
  {
    name: "promql_engine", covers: ["PromqlEngine"], words, run: runQuery, cpuMsMax: 1500,
    // Some are refused, since their operands do not match.
    make: (random) => ({ bytes: Buffer.from(randomVectorQuery(random, 1 + random.int(4))), isValid: false }),
  },
];
