// The engine over stored samples: selectors, windows, staleness, offset, @, subqueries, matching of binary operators, aggregates, limits.
// Data is scraped every 15 s for an hour; queries are tables of text and expected answer.
import assert from "node:assert/strict";
import test from "node:test";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf, labelsToRecord } from "../model/labels.ts";
import { writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { SearchRequest, SearchResult, SeriesBatch, Store } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { measureQueries } from "./engine.bench.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import { adjustStartEnd } from "./grid.ts";
import type { QueryLimits } from "./limits.ts";
import type { QueryResult } from "./result.ts";

const startMs = 1_700_000_100_000;
const intervalMs = 15_000;
const samples = 241;
const endMs = startMs + (samples - 1) * intervalMs;

interface Fixture {
  labels: Record<string, string>;
  value: (i: number) => number;
  /** Samples from, to (exclusive). */
  from?: number;
  to?: number;
  /** A stale marker follows the last sample. */
  endsStale?: boolean;
}

const fixtures: readonly Fixture[] = [
  { labels: { __name__: "requests_total", job: "api", instance: "1" }, value: (i) => 1e6 + i * 15 },
  { labels: { __name__: "requests_total", job: "api", instance: "2" }, value: (i) => 2e6 + i * 30 },
  { labels: { __name__: "requests_total", job: "db", instance: "1" }, value: (i) => (i < 200 ? 1000 + i * 45 : (i - 199) * 45) },
  { labels: { __name__: "temperature", room: "a" }, value: (i) => i },
  { labels: { __name__: "temperature", room: "b" }, value: (i) => 100 - (i % 10) },
  { labels: { __name__: "gone", job: "api" }, value: () => 7, to: 100, endsStale: true },
  { labels: { __name__: "ended", job: "api" }, value: () => 8, to: 100 },
  { labels: { __name__: "late_total", job: "api" }, value: (i) => (i - 200) * 3 + 2, from: 200 },
  { labels: { __name__: "info", job: "api", version: "v1", region: "eu" }, value: () => 1 },
  { labels: { __name__: "info", job: "db", version: "v2", region: "us" }, value: () => 1 },
  { labels: { __name__: "latency_bucket", le: "0.1" }, value: (i) => i * 10 },
  { labels: { __name__: "latency_bucket", le: "1" }, value: (i) => i * 90 },
  { labels: { __name__: "latency_bucket", le: "+Inf" }, value: (i) => i * 100 },
];

async function filledStore(): Promise<MemoryStore> {
  const store = new MemoryStore();
  const builder = new RowBatchBuilder();
  for (const { labels, value, from = 0, to = samples, endsStale } of fixtures) {
    const count = to - from + (endsStale === true ? 1 : 0);
    const values = Float64Array.from({ length: count }, (_, k) => value(from + k));
    if (endsStale === true) writeStaleMarker(values, count - 1);
    builder.addSeries(labelsOf(labels), Float64Array.from({ length: count }, (_, k) => startMs + (from + k) * intervalMs), values);
  }
  await store.write(builder.build());
  return store;
}

/** Hands out batches on the engine's own memory, in one area that is used again for every batch. */
class InPlaceStore extends MemoryStore {
  readonly #kernel: Kernel;
  readonly #area: number;

  constructor(kernel: Kernel, source: MemoryStore) {
    super();
    this.#kernel = kernel;
    this.#area = kernel.allocate(1 << 20);
    this.search = async (request: SearchRequest): Promise<SearchResult> => {
      const result = await source.search(request);
      return { batches: this.#move(result.batches), isPartial: () => result.isPartial() };
    };
  }

  async *#move(batches: AsyncIterable<SeriesBatch>): AsyncGenerator<SeriesBatch> {
    for await (const batch of batches) {
      const count = batch.timestampsMs.length;
      const buffer = this.#kernel.memory.buffer;
      const timestampsMs = new Float64Array(buffer, this.#area, count);
      const values = new Float64Array(buffer, this.#area + count * 8, count);
      timestampsMs.set(batch.timestampsMs);
      values.set(batch.values);
      yield { ...batch, timestampsMs, values, labels: (i) => batch.labels(i) };
      timestampsMs.fill(-1);
      values.fill(-1);
    }
  }
}

const source = await filledStore();
const kernel = new Kernel();

function engineOver(store: Store, options: Partial<EngineOptions> = {}): Engine {
  return new Engine({ store, kernel, nowMs: () => endMs, ...options });
}

const engines = { copied: engineOver(source), "in place": engineOver(new InPlaceStore(kernel, source)) };

/** `name{a="b"} 1 2 _ 3`, one line per series; `_` is no value. */
function print(result: QueryResult): string[] {
  return result.series.map(({ labels, values }) => {
    const { __name__: name = "", ...others } = labelsToRecord(labels);
    const pairs = Object.entries(others).map(([key, value]) => `${key}=${value}`).join(",");
    return `${name}{${pairs}} ${[...values].map((v) => (Number.isNaN(v) ? "_" : Number(v.toPrecision(9)))).join(" ")}`;
  });
}

/** Buckets up to 1, 2 and infinity. */
function bucketsOf(...counts: readonly string[]): string {
  return `(${counts.map((count, i) => `label_set(${count}, "le", "${["1", "2", "+Inf"][i]}")`).join(", ")})`;
}

interface Row {
  name: string;
  query: string;
  /** Seconds after the first sample; 3600 without it. */
  atS?: number;
  stepS?: number;
  expected: string[];
}

const instantRows: Row[] = [
  // selectors and windows
  { name: "last value", query: 'temperature{room="a"}', expected: ["temperature{room=a} 240"] },
  { name: "between samples", query: 'temperature{room="a"}', atS: 44, expected: ["temperature{room=a} 2"] },
  { name: "window shorter than the interval", query: 'sum(temperature{room="a"}[5s])', atS: 44, expected: [] },
  { name: "or groups", query: '{__name__="temperature",room="b" or __name__="late_total"}', expected: ["late_total{job=api} 122", "temperature{room=b} 100"] },
  { name: "before the first sample", query: "temperature", atS: -1, expected: [] },
  { name: "after the end, within the step", query: "ended", atS: 99 * 15 + 290, expected: ["ended{job=api} 8"] },
  { name: "after the end, beyond the step", query: "ended", atS: 99 * 15 + 301, expected: [] },
  { name: "a stale marker ends a series at once", query: "gone", atS: 100 * 15, expected: [] },
  { name: "other rollups do not see stale markers", query: "last_over_time(gone[1m])", atS: 100 * 15, expected: ["gone{job=api} 7"] },
  { name: "stale markers are counted", query: "stale_samples_over_time(gone[1m])", atS: 100 * 15, expected: ["{job=api} 1"] },
  { name: "Graphite filter", query: '{__graphite__="temp{erature,o}",room=~"a|b"}', expected: ["temperature{room=a} 240", "temperature{room=b} 100"] },
  { name: "the interval of a dashboard is the step", query: 'sum_over_time(temperature{room="a"}[$__interval])', atS: 60, stepS: 30, expected: ["{room=a} 7"] },
  { name: "the rate interval of a dashboard is a fitting window", query: 'rate(requests_total{instance="2"}[$__rate_interval])', stepS: 15, expected: ["{instance=2,job=api} 2"] },
  { name: "a window in steps", query: 'sum_over_time(temperature{room="a"}[2i])', atS: 60, stepS: 15, expected: ["{room=a} 7"] },
  { name: "suffixes of numbers", query: '1Ki + 1.5K + 1MiB', expected: ["{} 1051100"] },
  { name: "durations are numbers", query: "5m + 10", expected: ["{} 310"] },
  { name: "offset of an expression", query: 'sum(temperature{room="a"} + 1) offset 15s', atS: 60, stepS: 15, expected: ["{} 4"] },
  { name: "@ of an expression", query: 'sum(temperature{room="a"}) @ (end() - 30)', atS: 60, stepS: 15, expected: ["{} 2"] },
  { name: "filled on the right", query: 'temperature + fill_right(1000) temperature{room="b"}', atS: 60, expected: ["{room=a} 1004", "{room=b} 192"] },
  { name: "filled on the left", query: 'temperature{room="b"} + fill_left(1000) temperature', atS: 60, expected: ["{room=a} 1004", "{room=b} 192"] },
  { name: "both sides filled", query: 'temperature{room="a"} + fill(1000) temperature{room="b"}', atS: 60, expected: ["{room=a} 1004", "{room=b} 1096"] },
  { name: "templates", query: 'WITH (f(q) = q{room="a"}, t = temperature) alias(f(t), "x")', atS: 60, expected: ["x{room=a} 4"] },
  { name: "built-in template of a share", query: 'ru(25, temperature{room="b"})', expected: ["{room=b} 75"] },
  { name: "no filter selects nothing", query: "{}", expected: [] },
  // counters
  { name: "rate", query: "rate(requests_total[5m])", atS: 1800, expected: ["{instance=1,job=api} 1", "{instance=1,job=db} 3", "{instance=2,job=api} 2"] },
  { name: "rate over a reset", query: 'rate(requests_total{job="db"}[5m])', atS: 203 * 15, expected: ["{instance=1,job=db} 3"] },
  { name: "increase is an integer", query: 'increase(requests_total{job="api"}[1m])', expected: ["{instance=1,job=api} 60", "{instance=2,job=api} 120"] },
  { name: "increase without window takes the step", query: 'increase(requests_total{instance="2"})', expected: ["{instance=2,job=api} 600"] },
  { name: "increase of a new small counter counts from 0", query: "increase(late_total[5m])", atS: 201 * 15, expected: ["{job=api} 5"] },
  { name: "increase of a large first sample does not", query: 'increase(requests_total{instance="2"}[5m])', atS: 15, expected: ["{instance=2,job=api} 30"] },
  { name: "irate", query: 'irate(requests_total{instance="2"}[5m])', expected: ["{instance=2,job=api} 2"] },
  { name: "resets", query: 'resets(requests_total{job="db"}[1h])', expected: ["{instance=1,job=db} 1"] },
  { name: "delta of a gauge", query: 'delta(temperature{room="a"}[1m])', expected: ["{room=a} 4"] },
  { name: "changes", query: 'changes(temperature{room="a"}[1m])', expected: ["{room=a} 4"] },
  { name: "deriv", query: 'deriv(temperature{room="a"}[5m])', expected: ["{room=a} 0.0666666667"] },
  { name: "names can be kept", query: 'rate(requests_total{instance="2"}[5m]) keep_metric_names', expected: ["requests_total{instance=2,job=api} 2"] },
  // over time
  { name: "avg_over_time keeps the name", query: 'avg_over_time(temperature{room="a"}[1m])', expected: ["temperature{room=a} 238.5"] },
  { name: "sum_over_time", query: 'sum_over_time(temperature{room="a"}[1m])', expected: ["{room=a} 954"] },
  { name: "count_over_time is left-open", query: 'count_over_time(temperature{room="a"}[1m])', expected: ["{room=a} 4"] },
  { name: "quantile_over_time", query: 'quantile_over_time(0.5, temperature{room="a"}[1m])', expected: ["temperature{room=a} 238.5"] },
  { name: "quantiles_over_time", query: 'quantiles_over_time("q", 0, 1, temperature{room="a"}[1m])', expected: ["temperature{q=0,room=a} 237", "temperature{q=1,room=a} 240"] },
  { name: "quantiles_over_time with a quantile twice", query: 'quantiles_over_time("q", 0, 0, temperature{room="a"}[1m])', expected: ["temperature{q=0,room=a} 237"] },
  { name: "rollup with all variants", query: 'rollup(temperature{room="a"}[1m])', expected: [
    "temperature{rollup=avg,room=a} 238.5", "temperature{rollup=max,room=a} 240", "temperature{rollup=min,room=a} 237"] },
  { name: "histogram_over_time", query: 'histogram_over_time(temperature{room="b"}[1m])', expected: [
    "{room=b,vmrange=8.799e+01...1.000e+02} 4"] },
  { name: "count_values_over_time", query: 'count_values_over_time("v", temperature{room="b"}[1m])', expected: [
    "{room=b,v=100} 1", "{room=b,v=91} 1", "{room=b,v=92} 1", "{room=b,v=93} 1"] },
  { name: "a histogram's quantile", query: 'histogram_quantile(1, histogram_over_time(temperature{room="b"}[1m]))', expected: ["{room=b} 100"] },
  { name: "present_over_time", query: "present_over_time(ended[1h])", expected: ["{job=api} 1"] },
  { name: "absent_over_time with data", query: "absent_over_time(ended[1h])", expected: [] },
  { name: "absent_over_time without", query: 'absent_over_time(ended{job="api",x!="y"}[5m])', expected: ["{job=api} 1"] },
  { name: "absent", query: 'absent(nope{a="b",c=~"d"})', expected: ["{a=b} 1"] },
  { name: "timestamp", query: 'timestamp(temperature{room="a"}) - 1700000100', atS: 44, expected: ["{room=a} 30"] },
  // offset and @
  { name: "offset", query: 'temperature{room="a"} offset 30m', expected: ["temperature{room=a} 120"] },
  { name: "negative offset", query: 'temperature{room="a"} offset -10m', atS: 600, expected: ["temperature{room=a} 80"] },
  { name: "offset of an expression", query: '(temperature{room="a"} * 2) offset 30m', expected: ["{room=a} 240"] },
  { name: "@ a number", query: 'temperature{room="a"} @ 1700000250', expected: ["temperature{room=a} 10"] },
  { name: "@ with offset, both orders", query: 'temperature{room="a"} @ 1700000250 offset 1m == temperature{room="a"} offset 1m @ 1700000250', expected: ["temperature{room=a} 6"] },
  { name: "@ start()", query: 'temperature{room="a"} @ start()', expected: ["temperature{room=a} 240"] },
  { name: "@ an expression", query: 'temperature{room="a"} @ (end() - 150)', expected: ["temperature{room=a} 230"] },
  { name: "@ inside of a rollup", query: 'rate(requests_total{instance="2"}[5m] @ 1700003000)', expected: ["{instance=2,job=api} 2"] },
  // subqueries
  { name: "subquery", query: 'max_over_time(temperature{room="b"}[10m:1m])', expected: ["temperature{room=b} 100"] },
  { name: "subquery over a rollup", query: "max_over_time(rate(requests_total[1m])[10m:1m])", atS: 1800, expected: [
    "{instance=1,job=api} 1", "{instance=1,job=db} 3", "{instance=2,job=api} 2"] },
  { name: "subquery counts its points", query: "count_over_time(temperature[10m:30s])", expected: ["{room=a} 20", "{room=b} 20"] },
  { name: "subquery with the outer step", query: "count_over_time(temperature[20m:])", stepS: 300, expected: ["{room=a} 4", "{room=b} 4"] },
  { name: "implicit subquery", query: "count_over_time(sum(temperature)[10m])", stepS: 60, expected: ["{} 10"] },
  { name: "rate of a sum", query: "rate(sum(requests_total)[5m:15s])", atS: 1800, expected: ["{} 6"] },
  // aggregates
  { name: "sum by", query: "sum by (job) (rate(requests_total[5m]))", atS: 1800, expected: ["{job=api} 3", "{job=db} 3"] },
  { name: "sum without", query: "sum without (instance) (rate(requests_total[5m]))", atS: 1800, expected: ["{job=api} 3", "{job=db} 3"] },
  { name: "sum of nothing", query: "sum(nope)", expected: [] },
  { name: "count of several arguments", query: "count(temperature, info, nope)", expected: ["{} 4"] },
  { name: "avg", query: "avg(temperature)", expected: ["{} 170"] },
  { name: "min and max", query: "max(temperature) - min(temperature)", expected: ["{} 140"] },
  { name: "limit", query: "count(requests_total) by (job) limit 1", expected: ["{job=api} 2"] },
  { name: "by __name__", query: 'group({__name__=~"info|ended|temperature"}) by (__name__)', expected: ["info{} 1", "temperature{} 1"] },
  { name: "quantile", query: "quantile(0.5, requests_total)", expected: ["{} 1003600"] },
  { name: "topk", query: "topk(2, requests_total)", expected: ["requests_total{instance=2,job=api} 2007200", "requests_total{instance=1,job=api} 1003600"] },
  { name: "bottomk", query: "bottomk(1, requests_total)", expected: ["requests_total{instance=1,job=db} 1845"] },
  { name: "stddev", query: "stddev(temperature)", expected: ["{} 70"] },
  { name: "count_values", query: 'count_values("v", info)', expected: ["{v=1} 2"] },
  // binary operators
  { name: "scalar arithmetic", query: 'temperature{room="a"} * 2 + 1', expected: ["{room=a} 481"] },
  { name: "filter keeps the name", query: "temperature > 200", expected: ["temperature{room=a} 240"] },
  { name: "filter by a number on the left", query: "200 < temperature", expected: ["temperature{room=a} 240"] },
  { name: "filter by the time on the left", query: "time() > (temperature > 200)", expected: ["temperature{room=a} 240"] },
  { name: "the time is filtered by a number", query: "time() > 1", expected: [`{} ${endMs / 1000}`] },
  { name: "bool", query: "temperature > bool 200", expected: ["{room=a} 1", "{room=b} 0"] },
  { name: "one to one", query: 'temperature{room="a"} - temperature', expected: ["{room=a} 0"] },
  { name: "on", query: 'sum by (job) (rate(requests_total[5m])) * on(job) info{job="db"}', atS: 1800, expected: ["{job=db} 3"] },
  { name: "ignoring", query: 'info{job="db"} + ignoring(version, region) sum by (job) (rate(requests_total[5m]))', atS: 1800, expected: ["{job=db} 4"] },
  { name: "group_left with labels", query: "rate(requests_total[5m]) * on(job) group_left(version) info", atS: 1800, expected: [
    "{instance=1,job=api,version=v1} 1", "{instance=1,job=db,version=v2} 3", "{instance=2,job=api,version=v1} 2"] },
  { name: "group_left with all labels and a prefix", query: 'rate(requests_total{instance="2"}[5m]) * on(job) group_left(*) prefix "i_" info', expected: [
    "{i_region=eu,i_version=v1,instance=2,job=api} 2"] },
  { name: "group_right", query: "info * on(job) group_right() rate(requests_total[5m])", atS: 1800, expected: [
    "{instance=1,job=api} 1", "{instance=1,job=db} 3", "{instance=2,job=api} 2"] },
  { name: "and", query: 'temperature and temperature{room="b"}', expected: ["temperature{room=b} 100"] },
  { name: "unless", query: 'temperature unless temperature{room="b"}', expected: ["temperature{room=a} 240"] },
  { name: "or", query: 'temperature{room="b"} or temperature', expected: ["temperature{room=b} 100", "temperature{room=a} 240"] },
  { name: "if", query: "temperature if (vector(1) > 0)", expected: ["temperature{room=a} 240", "temperature{room=b} 100"] },
  { name: "ifnot", query: 'temperature ifnot temperature{room="a"}', expected: ["temperature{room=b} 100"] },
  { name: "default of nothing", query: "nope default 3", expected: ["{} 3"] },
  { name: "default", query: "(temperature > 200) default 0", expected: ["temperature{room=a} 240", "temperature{room=b} 0"] },
  { name: "membership", query: "temperature == (100, 50)", expected: ["temperature{room=b} 100"] },
  { name: "no membership", query: "temperature != (100, 50)", expected: ["temperature{room=a} 240"] },
  { name: "power and modulo", query: 'temperature{room="a"} % 7 ^ 2', expected: ["{room=a} 44"] },
  // functions
  { name: "histogram_quantile", query: "histogram_quantile(0.5, rate(latency_bucket[5m]))", expected: ["{} 0.55"] },
  { name: "the first buckets are missing", query: `histogram_quantile(0.25, ${bucketsOf("NaN", "10", "20")})`, expected: ["{} 1.5"] },
  { name: "all buckets are missing", query: `histogram_quantile(0.25, ${bucketsOf("NaN", "NaN", "NaN")}, "bound")`, expected: [] },
  { name: "share with the first bucket missing", query: `histogram_share(1.5, ${bucketsOf("NaN", "10", "20")})`, expected: ["{} 0.25"] },
  { name: "label_replace", query: 'label_replace(temperature{room="a"}, "x", "$1-$name", "room", "(?P<name>.)")', expected: ["temperature{room=a,x=a-a} 240"] },
  { name: "label_set and label_del", query: 'label_del(label_set(temperature{room="a"}, "x", "y"), "room")', expected: ["temperature{x=y} 240"] },
  { name: "clamp, round", query: 'round(clamp(temperature{room="a"}, 0, 100.26), 0.1)', expected: ["temperature{room=a} 100.3"] },
  { name: "sort_desc", query: "sort_desc(temperature)", expected: ["temperature{room=a} 240", "temperature{room=b} 100"] },
  { name: "date", query: "hour(1700000100)", expected: ["{} 22"] },
  { name: "constants", query: "1 + 2 * 3", expected: ["{} 7"] },
  { name: "durations are seconds", query: "5m + 1i", stepS: 60, expected: ["{} 360"] },
  { name: "a string is no value", query: '"x"', expected: [] },
];

for (const [kind, engine] of Object.entries(engines)) {
  for (const row of instantRows) {
    test(`instant, ${kind}: ${row.name}`, async () => {
      const result = await engine.instant({ query: row.query, timeMs: startMs + (row.atS ?? 3600) * 1000, ...(row.stepS === undefined ? {} : { stepMs: row.stepS * 1000 }) });
      assert.equal(result.resultType, "vector");
      assert.deepEqual(print(result), row.expected);
    });
  }
}

test("a series that the store hands out without samples is not there", async () => {
  const store = new MemoryStore();
  store.search = async (request) => {
    const { batches, isPartial } = await source.search(request);
    return { batches: withEmptySeries(batches), isPartial };
  };
  const result = await engineOver(store).instant({ query: 'sgn(temperature{room="a"})', timeMs: endMs });
  assert.deepEqual(print(result), ["{room=a} 1"]);
});

async function* withEmptySeries(batches: AsyncIterable<SeriesBatch>): AsyncGenerator<SeriesBatch> {
  for await (const batch of batches) {
    const sampleFrom = Uint32Array.of(...batch.sampleFrom.subarray(0, batch.seriesCount + 1), batch.sampleFrom[batch.seriesCount]);
    yield { ...batch, seriesCount: batch.seriesCount + 1, sampleFrom, labels: (i) => (i === batch.seriesCount ? labelsOf({ __name__: "temperature", room: "none" }) : batch.labels(i)) };
  }
}

interface RangeRow {
  name: string;
  query: string;
  fromS: number;
  toS: number;
  stepS: number;
  expected: string[];
}

const rangeRows: RangeRow[] = [
  { name: "gauge", query: 'temperature{room="a"}', fromS: -60, toS: 120, stepS: 60, expected: ["temperature{room=a} _ 0 4 8"] },
  { name: "a series ends by its scrape interval", query: "ended", fromS: 99 * 15, toS: 99 * 15 + 60, stepS: 10, expected: ["ended{job=api} 8 8 8 _ _ _ _"] },
  { name: "a stale marker ends it at once", query: "gone", fromS: 99 * 15, toS: 99 * 15 + 60, stepS: 5, expected: ["gone{job=api} 7 7 7 _ _ _ _ _ _ _ _ _ _"] },
  { name: "a step below the interval leaves no gaps", query: 'temperature{room="a"}', fromS: 30, toS: 60, stepS: 5, expected: ["temperature{room=a} 2 2 2 3 3 3 4"] },
  { name: "rate without window on small steps", query: 'rate(requests_total{instance="2"})', fromS: 600, toS: 620, stepS: 5, expected: ["{instance=2,job=api} 2 2 2 2 2"] },
  { name: "rate through a reset", query: 'rate(requests_total{job="db"}[1m])', fromS: 2940, toS: 3060, stepS: 60, expected: ["{instance=1,job=db} 3 3 3"] },
  { name: "increase of a new counter", query: "increase(late_total[1m])", fromS: 2940, toS: 3060, stepS: 30, expected: ["{job=api} _ _ 2 8 12"] },
  { name: "offset", query: 'temperature{room="a"} offset 1m', fromS: 60, toS: 180, stepS: 60, expected: ["temperature{room=a} 0 4 8"] },
  { name: "@ gives a flat line", query: 'temperature{room="a"} @ end()', fromS: 60, toS: 180, stepS: 60, expected: ["temperature{room=a} 12 12 12"] },
  { name: "@ start with a range function", query: 'delta(temperature{room="a"}[1m] @ start())', fromS: 60, toS: 180, stepS: 60, expected: ["{room=a} 4 4 4"] },
  { name: "subquery on its own grid", query: "sum_over_time(vector(1)[1m:15s])", fromS: 60, toS: 180, stepS: 60, expected: ["{} 4 4 4"] },
  { name: "subquery sees past values", query: 'min_over_time(temperature{room="a"}[1m:15s])', fromS: 60, toS: 180, stepS: 60, expected: ["temperature{room=a} 1 5 9"] },
  { name: "time", query: "time() - 1700000100", fromS: 0, toS: 30, stepS: 15, expected: ["{} 0 15 30"] },
  { name: "start, end, step", query: "end() - start() + step()", fromS: 0, toS: 30, stepS: 15, expected: ["{} 45 45 45"] },
  { name: "topk per point", query: "topk(1, temperature)", fromS: 1380, toS: 1440, stepS: 30, expected: ["temperature{room=a} _ _ 96", "temperature{room=b} 98 96 _"] },
  { name: "topk_max keeps whole series", query: "topk_max(1, temperature)", fromS: 1470, toS: 1530, stepS: 30, expected: ["temperature{room=a} 98 100 102"] },
  { name: "or per point", query: 'temperature{room="a"} > 99 or on() temperature{room="b"}', fromS: 1470, toS: 1500, stepS: 15, expected: [
    "temperature{room=a} _ _ 100", "temperature{room=b} 92 91 _"] },
  { name: "default fills gaps", query: 'temperature{room="a"} > 99 default 5', fromS: 1470, toS: 1500, stepS: 15, expected: ["temperature{room=a} 5 5 100"] },
  { name: "candles are stamped with their left edge", query: 'rollup_candlestick(temperature{room="a"}[1m], "high")', fromS: 60, toS: 120, stepS: 60, expected: [
    "temperature{rollup=high,room=a} 7 11"] },
  { name: "running and range functions", query: 'range_max(temperature{room="a"}) - running_sum(temperature{room="a"})', fromS: 0, toS: 60, stepS: 30, expected: ["{room=a} 4 2 -2"] },
];

for (const [kind, engine] of Object.entries(engines)) {
  for (const row of rangeRows) {
    test(`range, ${kind}: ${row.name}`, async () => {
      const result = await engine.range({ query: row.query, startMs: startMs + row.fromS * 1000, endMs: startMs + row.toS * 1000, stepMs: row.stepS * 1000 });
      assert.equal(result.resultType, "matrix");
      assert.deepEqual(print(result), row.expected);
    });
  }
}

test("m[w] in an instant query gives raw samples, left-open", async () => {
  const result = await engines.copied.instant({ query: 'temperature{room="a"}[30s]', timeMs: startMs + 60_000 });
  assert.equal(result.resultType, "matrix");
  assert.deepEqual(result.series.map(({ timestampsMs, values }) => [[...(timestampsMs ?? [])].map((t) => t - startMs), [...values]]), [[[45_000, 60_000], [3, 4]]]);
  const stale = await engines.copied.instant({ query: "gone[1m] offset 1m", timeMs: startMs + 100 * intervalMs + 60_000 });
  assert.deepEqual(stale.series.map(({ values }) => values.length), [3]);
});

test("q[w:s] in an instant query gives the points of the subquery", async () => {
  const result = await engines.copied.instant({ query: "sum(temperature)[1m:30s]", timeMs: startMs + 60_000 });
  assert.equal(result.resultType, "matrix");
  assert.deepEqual(print(result), ["{} 100 100 100"]);
  assert.deepEqual([...result.timestampsMs].map((t) => t - startMs), [0, 30_000, 60_000]);
});

test("max_lookback limits how far a value reaches", async () => {
  const request = { query: "ended", startMs: startMs + 99 * 15_000, endMs: startMs + 99 * 15_000 + 40_000, stepMs: 10_000 };
  assert.deepEqual(print(await engines.copied.range({ ...request, lookbackMs: 10_000 })), ["ended{job=api} 8 _ _ _ _"]);
});

// ---- limits, cancelling, errors ----

const limitRows: { name: string; limits: Partial<QueryLimits>; query: string; code: string; flag: string }[] = [
  { name: "series", limits: { seriesMax: 2 }, query: "requests_total", code: "too_many_series", flag: "-search.maxUniqueTimeseries" },
  { name: "samples", limits: { samplesMax: 100 }, query: "rate(requests_total[1h])", code: "too_many_samples", flag: "-search.maxSamplesPerQuery" },
  { name: "points", limits: { pointsPerSeriesMax: 10 }, query: "temperature", code: "too_many_points", flag: "-search.maxPointsPerTimeseries" },
  { name: "points of a subquery", limits: { subqueryPointsMax: 50 }, query: "max_over_time(temperature[1h:15s])", code: "too_many_points", flag: "-search.maxPointsSubqueryPerTimeseries" },
  { name: "memory", limits: { memoryBytesMax: 2000 }, query: "temperature + 1", code: "too_much_memory", flag: "-search.maxMemoryPerQuery" },
  { name: "series of the answer", limits: { responseSeriesMax: 2 }, query: "requests_total", code: "too_many_series", flag: "-search.maxResponseSeries" },
  { name: "series of an aggregate", limits: { aggregateSeriesMax: 3 }, query: 'count_values("v", temperature)', code: "too_many_aggregates", flag: "-search.maxSeriesPerAggrFunc" },
];

for (const row of limitRows) {
  test(`limit: ${row.name}`, async () => {
    const engine = engineOver(source, { limits: row.limits });
    const request = { query: row.query, startMs, endMs, stepMs: 60_000 };
    await assert.rejects(engine.range(request), (error: Error & { code?: string }) => error.name === "LimitError" && error.code === row.code && error.message.includes(row.flag));
    assert.equal((await engine.instant({ query: "1", timeMs: startMs })).series.length, 1);
  });
}

test("an aborted query stops and leaves the engine usable", async () => {
  const controller = new AbortController();
  const running = engines.copied.range({ query: "requests_total", startMs, endMs, stepMs: 60_000, signal: controller.signal });
  controller.abort(new Error("gone away"));
  await assert.rejects(running, /gone away/);
  assert.equal((await engines.copied.instant({ query: "temperature", timeMs: endMs })).series.length, 2);
});

test("a query that fails half-way closes what the store handed out", async () => {
  let closed = 0;
  const store = new MemoryStore();
  store.search = async (request: SearchRequest): Promise<SearchResult> => {
    const result = await source.search({ tenant: request.tenant, selector: request.selector, range: request.range });
    async function* watched(): AsyncGenerator<SeriesBatch> {
      try {
        yield* result.batches;
      } finally {
        closed++;
      }
    }
    return { batches: watched(), isPartial: () => false };
  };
  const engine = engineOver(store, { limits: { samplesMax: 100 } });
  await assert.rejects(engine.range({ query: "requests_total + temperature", startMs, endMs, stepMs: 60_000 }), { name: "LimitError" });
  assert.equal(closed, 1);
});

test("queries on one engine wait for each other and give the memory back", async () => {
  const mark = kernel.mark();
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => engines["in place"].range({ query: `temperature + ${i}`, startMs, endMs, stepMs: 60_000 })));
  results.forEach((result, i) => assert.equal(result.series[0].values[0], i));
  assert.equal(kernel.mark(), mark);
});

const errorRows: { name: string; query: string; error: string }[] = [
  { name: "syntax", query: "sum(", error: "InputError" },
  { name: "unknown function", query: "nope(1)", error: "InputError" },
  { name: "duplicates in the answer", query: 'label_del(temperature, "room")', error: "InputError" },
  { name: "duplicates in matching", query: "temperature + on() temperature", error: "InputError" },
  { name: "@ with several series", query: "temperature @ requests_total", error: "InputError" },
  { name: "known but not supported", query: 'quantiles_over_time("q", temperature * 1, temperature[5m])', error: "UnsupportedError" },
  { name: "bad regular expression", query: 'label_match(temperature, "room", "a(")', error: "InputError" },
  { name: "a label that doubles again and again", query: `${"label_join(".repeat(30)}temperature${', "room", "", "room", "room")'.repeat(30)}`, error: "InputError" },
  { name: "a label of templates of templates", query: `${"label_replace(".repeat(6)}temperature${`, "room", "${"$1".repeat(16)}", "room", "(.*)")`.repeat(6)}`, error: "InputError" },
  { name: "a label that is transformed to a long one", query: `${"label_transform(".repeat(9)}temperature${', "room", ".", "$0$0$0$0")'.repeat(9)}`, error: "InputError" },
  { name: "negative window", query: "rate(temperature[-5m])", error: "InputError" },
];

for (const row of errorRows) {
  test(`error: ${row.name}`, async () => {
    await assert.rejects(engines.copied.instant({ query: row.query, timeMs: endMs }), { name: row.error });
  });
}

test("statistics count what was read", async () => {
  const { stats } = await engines.copied.instant({ query: "stddev_over_time(temperature[1h])", timeMs: endMs });
  assert.equal(stats.seriesFetched, 2);
  assert.equal(stats.samplesScanned, 482);
});

test("explain prints the plan", () => {
  assert.equal(engines.copied.explain('sum by (job) (rate(m{a="b"}[5m] offset 1h)) > 2'), [
    "binary >",
    "  aggregate sum by (job) streaming",
    '    rollup rate (Rate) window 5m without resets offset 1h of m{a="b"}',
    "  constant 2",
  ].join("\n"));
});

test("adjustStartEnd aligns graphs of 50 and more points", () => {
  assert.deepEqual(adjustStartEnd(1003, 1490, 10), { startMs: 1003, endMs: 1490 });
  assert.deepEqual(adjustStartEnd(1003, 1503, 10), { startMs: 1000, endMs: 1500 });
  assert.deepEqual(adjustStartEnd(1000, 1500, 10), { startMs: 1000, endMs: 1500 });
});

test("the benchmark runs", async () => {
  for (const { nsPerSample } of await measureQueries(70, 1)) assert.ok(nsPerSample >= 0);
});
