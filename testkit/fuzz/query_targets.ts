/** Queries that are not only parsed but answered, over a few series of all kinds. */
import { MemoryStore } from "../../src/stores/memory_store.ts";
import { seededRandom } from "../../src/base/random.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { RowBatchBuilder } from "../../src/model/row_batch_builder.ts";
import { PromqlEngine } from "../../src/promql/engine.ts";
import { Engine } from "../../src/query/engine.ts";
import { irregularMs, irregularSeries } from "../query_data.ts";
import { randomMetricsqlQuery } from "../random_metricsql_query.ts";
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

const metricsqlStartMs = 1_700_000_000_000;

const metricsqlEngine = once(async () => {
  const store = new MemoryStore();
  const builder = new RowBatchBuilder();
  for (const { labels, timestampsMs, values } of irregularSeries(seededRandom(1), metricsqlStartMs)) builder.addSeries(labels, Float64Array.from(timestampsMs), values);
  await store.write(builder.build());
  return new Engine({ store, kernel: new Kernel(), nowMs: () => metricsqlStartMs + irregularMs, limits });
});

const metricsqlWords = [
  "(", ")", "[1m]", "[5m:30s]", "[2i]", "[1m:1ms]", '{job="api"}', '{job="api" or instance="1"}', ",", " + ", " / ", " % ", " ^ ", " or ", " and ", " unless ", " default ", " if ", " ifnot ", " == bool ", " on (job) ", " group_left (*) prefix \"p\" ", " ignoring (le) ",
  " offset 1m", " offset -1y", " @ 1700000200", " @ end()", " keep_metric_names", " limit 1", "rate(", "rollup(", "sum by (job) (", "histogram_quantile(0.9, ", "quantiles(\"phi\", 0.5, ", "count_values(\"v\", ", "topk_avg(2, ", "label_set(", '"x"', "range_trim_spikes(0.1, ",
  "aggr_over_time((\"min_over_time\", \"rate\"), ", "union(", "WITH (x = 1, f(a) = a + a) ", "f(", "x", "absent(", "scalar(", "requests_total", "gauge", "seconds_bucket", "1e300", "NaN", "-Inf", "1Ki", "0x7f", "1m", "step()", "buckets_limit(3, ", "running_sum(", "limit_offset(1, 1, ",
];

/** Whatever is answered has columns of the right length. */
async function runMetricsql(input: Uint8Array): Promise<void> {
  const query = Buffer.from(input).toString("utf8");
  const request = { query, startMs: metricsqlStartMs + 600_000, endMs: metricsqlStartMs + 900_000, stepMs: 60_000 };
  const { series, timestampsMs } = await (await metricsqlEngine()).range(request);
  for (const { values } of series) expect(values.length === timestampsMs.length, "columns of another length");
}

export const queryTargets: readonly FuzzTarget[] = [
  {
    name: "promql_engine", covers: ["PromqlEngine"], words, run: runQuery, cpuMsMax: 1500,
    // Some are refused, since their operands do not match.
    make: (random) => ({ bytes: Buffer.from(randomVectorQuery(random, 1 + random.int(4))), isValid: false }),
  },
  {
    name: "metricsql_engine", covers: [], words: metricsqlWords, run: runMetricsql, cpuMsMax: 1500,
    make: (random) => ({ bytes: Buffer.from(randomMetricsqlQuery(random, 1 + random.int(4))), isValid: false }),
  },
];
