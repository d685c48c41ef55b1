/** Well-typed PromQL queries over the series of randomPromqlSeries: counters, gauges with gaps and stale markers, native and classic histograms. */
import type { Random } from "../src/base/random.ts";
import { labelsOf, encodeLabelRun } from "../src/model/labels.ts";
import { visitComponents, withHistogramLabel } from "../src/model/histogram_series.ts";
import { consecutiveBuckets, createHistogram } from "../src/model/native_histogram.ts";
import { sampleKindHistogram, writeStaleMarker } from "../src/model/row_batch.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { Store } from "../src/model/store.ts";

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

// ---- data ----

const samples = 40;
const intervalMs = 15_000;

/** Fills a store with series of all kinds, a sample about every 15 s from 0 on. */
export async function writeRandomSeries(store: Store, random: Random): Promise<void> {
  const builder = new RowBatchBuilder();
  for (const a of ["1", "2"]) {
    for (const b of ["x", "y", "z"]) {
      addFloats(builder, random, { __name__: "requests_total", a, b }, (previous) => (random.int(12) === 0 ? random.int(5) : previous + random.int(50)));
      addFloats(builder, random, { __name__: "gauge", a, b }, () => pick(random, [random.next() * 10 - 5, random.int(5), NaN, Infinity, 1e300, -0]));
      for (const le of ["0.5", "1", "+Inf"]) addFloats(builder, random, { __name__: "seconds_bucket", a, b, le }, (previous) => previous + random.int(9));
    }
    addHistograms(builder, random, { __name__: "latency", a });
    addHistograms(builder, random, { __name__: "mixed", a });
    addFloats(builder, random, { __name__: "mixed", a }, () => random.int(9));
  }
  await store.write(builder.build());
}

function addFloats(builder: RowBatchBuilder, random: Random, record: Record<string, string>, next: (previous: number) => number): void {
  const times: number[] = [];
  const values = new Float64Array(samples);
  const staleAt: number[] = [];
  let value = random.int(10);
  for (let i = 0; i < samples; i++) {
    if (random.int(9) === 0) continue;
    value = next(value);
    values[times.length] = value;
    if (random.int(15) === 0) staleAt.push(times.length);
    times.push(i * intervalMs + random.int(3) * 1000);
  }
  for (const index of staleAt) writeStaleMarker(values, index);
  builder.addSeries(labelsOf(record), Float64Array.from(times), values.subarray(0, times.length));
}

function addHistograms(builder: RowBatchBuilder, random: Random, record: Record<string, string>): void {
  const columns = new Map<string, { times: number[]; values: number[] }>();
  const counts = [0, 0, 0];
  for (let i = 0; i < samples; i++) {
    if (random.int(4) === 0) continue;
    if (random.int(12) === 0) counts.fill(0);
    counts.forEach((count, k) => (counts[k] = count + random.int(6)));
    const count = counts.reduce((sum, some) => sum + some, 0);
    const histogram = createHistogram({ schema: 0, count, sum: count * 2, positive: consecutiveBuckets(random.int(2), counts) });
    visitComponents(histogram, (component, value) => {
      const column = columns.get(component) ?? { times: [], values: [] };
      columns.set(component, column);
      column.times.push(i * intervalMs + 500);
      column.values.push(value);
    });
  }
  for (const [component, { times, values }] of columns) {
    builder.addLabelRun(encodeLabelRun(withHistogramLabel(labelsOf(record), component)), Float64Array.from(times), Float64Array.from(values), sampleKindHistogram);
  }
}

// ---- queries ----

const metrics = ["requests_total", "gauge", "latency", "mixed", "seconds_bucket", "missing"];
const rangeFunctions = [
  "rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time",
  "last_over_time", "first_over_time", "stddev_over_time", "stdvar_over_time", "mad_over_time", "present_over_time", "absent_over_time", "ts_of_min_over_time",
  "ts_of_max_over_time", "ts_of_last_over_time", "ts_of_first_over_time",
];
const vectorFunctions = [
  "abs", "ceil", "sgn", "exp", "round", "timestamp", "absent", "histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "day_of_week", "hour",
];
const aggregates = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"];
const operators = ["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", ">=", "and", "or", "unless", "> bool", "== bool"];

/** The text of a vector expression of at most `levels` levels. What depends on the order of series, or decides it, is never inside of another. */
export function randomVectorQuery(random: Random, levels: number): string {
  const inner = (): string => randomUnordered(random, levels - 1);
  switch (levels <= 1 ? 9 : random.int(10)) {
    case 0:
      return `${pick(random, ["topk", "bottomk", "limitk"])}${pick(random, ["", " by (a)"])} (${1 + random.int(3)}, ${inner()})`;
    case 1:
      return pick(random, [`count_values("v", ${inner()})`, `sort(${inner()})`, `sort_desc(${inner()})`]);
    default:
      return randomUnordered(random, levels);
  }
}

function randomUnordered(random: Random, levels: number): string {
  if (levels <= 1) return randomSelector(random);
  const inner = (): string => randomUnordered(random, levels - 1);
  switch (random.int(11)) {
    case 0:
      return randomSelector(random);
    case 1:
    case 2:
    case 3:
      return randomRangeCall(random, levels - 1);
    case 4:
      return `${pick(random, vectorFunctions)}(${inner()})`;
    case 5:
      return randomHistogramCall(random, inner());
    case 6:
      return `${pick(random, aggregates)}${pick(random, ["", " by (a)", " without (b)", " by (a, le)"])} (${inner()})`;
    case 7:
      return pick(random, [`quantile(0.${random.int(10)}, ${inner()})`, `limit_ratio(0.5, ${inner()})`, `-${inner()}`]);
    case 8:
      return `label_replace(${inner()}, "c", "$1", "${pick(random, ["a", "b"])}", "(.).*")`;
    case 9:
      return `(${inner()}) ${pick(random, operators)} ${pick(random, ["2", "0", "-1", "scalar(gauge{a=\"1\",b=\"x\"})"])}`.replace(/ (?:and|or|unless) /, " + ");
    default:
      return randomMatch(random, inner(), inner());
  }
}

function randomMatch(random: Random, left: string, right: string): string {
  const operator = pick(random, operators);
  const isSet = /and|or|unless/.test(operator);
  const matching = pick(random, ["", "on (a)", "ignoring (b)", "on (a, b)", "ignoring (le)"]);
  const join = isSet || matching === "" ? "" : pick(random, ["", "", " group_left", " group_right", " group_left (b)"]);
  const fill = isSet ? "" : pick(random, ["", "", "", " fill (1)", " fill_left (0)"]);
  return `(${left}) ${operator} ${matching}${join}${fill} (${right})`;
}

function randomHistogramCall(random: Random, inner: string): string {
  return pick(random, [`histogram_quantile(0.${random.int(10)}, ${inner})`, `histogram_fraction(0, ${random.int(3)}, ${inner})`, `histogram_quantiles(${inner}, "q", 0.1, 0.9)`]);
}

function randomRangeCall(random: Random, levels: number): string {
  const range = levels > 1 && random.int(3) === 0
    ? `(${randomUnordered(random, levels - 1)})[${pick(random, ["2m", "3m30s"])}:${pick(random, ["", "30s", "17s"])}]${randomPlace(random)}`
    : `${randomName(random)}[${pick(random, ["1m", "2m30s", "15s", "5m"])}]${randomPlace(random)}`;
  if (random.int(8) === 0) return pick(random, [`quantile_over_time(0.5, ${range})`, `predict_linear(${range}, 60)`, `double_exponential_smoothing(${range}, 0.4, 0.6)`]);
  if (random.int(6) === 0 && !range.includes(":")) return `${pick(random, ["rate", "increase", "delta"])}(${range.replace("]", `] ${pick(random, ["smoothed", "anchored"])}`)})`;
  return `${pick(random, rangeFunctions)}(${range})`;
}

function randomName(random: Random): string {
  return pick(random, metrics) + pick(random, ["", "", '{a="1"}', '{b=~"x|y"}', '{b!="z"}']);
}

function randomSelector(random: Random): string {
  return randomName(random) + randomPlace(random);
}

function randomPlace(random: Random): string {
  return pick(random, ["", "", "", "", " offset 1m", " offset -30s", " @ 300", " @ 200 offset 20s"]);
}
