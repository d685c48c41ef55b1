/** Valid MetricsQL queries over the series of irregularSeries: every function that gives the same answer whenever it is asked. */
import type { Random } from "../src/base/random.ts";
import { functions } from "../src/metricsql/functions.ts";

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

function namesOf(family: string, args: number, without: readonly string[]): string[] {
  return [...functions].flatMap(([name, facts]) => (facts.family === family && facts.args[0] <= args && facts.args[1] >= args && facts.seriesArg === 0 && !without.includes(name) ? [name] : []));
}

const metrics = ["requests_total", "requests_total", "gauge", "load", "slow", "fast", "sparse", "info", "seconds_bucket", "latency_bucket", "missing"];
const filters = ["", "", "", '{job="api"}', '{instance=~"1|2"}', '{instance!="3"}', '{job="api",instance="1"}', '{job="db" or instance="1"}', '{version="v1"}'];
const windows = ["[1m]", "[2m30s]", "[5m]", "[15s]", "[10m]", "[2i]", "", ""];
const rollups = namesOf("rollup", 1, []);
/** Those that give one series for each, with its labels. */
const sameLabels = rollups.filter((name) => !name.startsWith("rollup") && !["histogram_over_time", "absent_over_time"].includes(name));
const comparedRollups = namesOf("rollup", 2, ["rollup", "rollup_candlestick", "rollup_delta", "rollup_deriv", "rollup_increase", "rollup_rate", "rollup_scrape_interval", "holt_winters"]);
/** What depends on the clock or on chance, and templates. */
const transforms = namesOf("transform", 1, ["timezone_offset", "now", "rand", "rand_normal", "rand_exponential", "ttf", "ru", "union"]);
const aggregates = namesOf("aggregate", 1, ["any", "outliers_iqr"]);
const arithmetic = ["+", "-", "*", "/", "^", "atan2"];
const comparisons = ["==", "!=", "<", ">", "<=", ">=", "== bool", "> bool", "<= bool"];
const sets = ["and", "or", "unless", "if", "ifnot"];

/** The text of a query of at most `levels` levels. */
export function randomMetricsqlQuery(random: Random, levels: number): string {
  if (levels <= 1) return leaf(random);
  const inner = (): string => randomMetricsqlQuery(random, levels - 1);
  switch (random.int(14)) {
    case 0:
      return leaf(random);
    case 1:
    case 2:
    case 3:
      return rollupCall(random, selector(random) + pick(random, windows) + place(random));
    case 4:
      return rollupCall(random, `(${inner()})${pick(random, ["[2m:30s]", "[3m:]", "[5m:17s]", "[2m]", "[:20s]"])}${place(random)}`);
    case 5:
      return `${pick(random, transforms)}(${inner()})${keeping(random)}`;
    case 6:
      return transformCall(random, inner());
    case 7:
      return labelCall(random, inner());
    case 8:
    case 9:
      return `${pick(random, aggregates)}(${inner()})${grouping(random)}`;
    case 10:
      return aggregateCall(random, inner());
    case 11:
      return `(${inner()}) ${pick(random, [...arithmetic, ...comparisons])} ${pick(random, ["2", "0", "-1", "0.5", "time()", "step()", "NaN", "Inf", "scalar(gauge{job=\"api\",instance=\"1\"})"])}`;
    case 12:
      return `${pick(random, metrics)} ${pick(random, ["default", "%"])} ${pick(random, ["3", "0.5", "NaN", "gauge", "slow offset 1m"])}`;
    default:
      return match(random, operand(random), operand(random));
  }
}

function leaf(random: Random): string {
  return random.int(12) === 0 ? pick(random, ["1", "time()", "start()", "end()", "step()", "pi()", "1K", "-0.25"]) : selector(random) + place(random);
}

function selector(random: Random): string {
  return random.int(20) === 0 ? '{__name__=~"gauge|slow",job="api"}' : pick(random, metrics) + pick(random, filters);
}

function place(random: Random): string {
  return pick(random, ["", "", "", "", "", " offset 1m", " offset -30s", " offset 1i", " @ end()", " @ (start()+60)"]);
}

function keeping(random: Random): string {
  return pick(random, ["", "", "", " keep_metric_names"]);
}

function grouping(random: Random): string {
  return pick(random, ["", " by (job)", " without (instance)", " by (job, le)", " by (__name__, instance)", " by (job) limit 10"]);
}

function number(random: Random): string {
  return pick(random, ["0", "1", "2", "0.5", "0.25", "0.9", "10", "-1", "100"]);
}

function fraction(random: Random): string {
  return pick(random, ["0", "0.1", "0.5", "0.9", "0.99", "1"]);
}

function rollupCall(random: Random, range: string): string {
  const keep = keeping(random);
  switch (random.int(16)) {
    case 0:
      return pick(random, [`quantile_over_time(${fraction(random)}, ${range})`, `hoeffding_bound_lower(${fraction(random)}, ${range})`, `hoeffding_bound_upper(${fraction(random)}, ${range})`]) + keep;
    case 1:
      return `quantiles_over_time("phi", 0.1, ${fraction(random)}, ${range})${keep}`;
    case 2:
      return `aggr_over_time(("min_over_time", "${pick(random, ["rate", "increase", "count_over_time", "lag", "stddev_over_time"])}"), ${range})${keep}`;
    case 3:
      return `holt_winters(${range}, ${fraction(random)}, ${fraction(random)})${keep}`;
    case 4:
    case 5:
      return comparedCall(random, range) + keep;
    case 6:
      return pick(random, [`rollup(${range}, "max")`, `rollup_rate(${range}, "avg")`, `rollup_candlestick(${range}, "close")`]) + keep;
    case 7:
      return `count_values_over_time("value", ${range})`;
    default:
      return `${pick(random, rollups)}(${range})${keep}`;
  }
}

function comparedCall(random: Random, range: string): string {
  return `${pick(random, comparedRollups)}(${range}, ${number(random)})`;
}

function transformCall(random: Random, inner: string): string {
  return pick(random, [
    `clamp(${inner}, ${number(random)}, ${number(random)})`, `clamp_min(${inner}, ${number(random)})`, `clamp_max(${inner}, ${number(random)})`, `round(${inner}, ${pick(random, ["0.1", "5", "0.25", "1000"])})`,
    `histogram_quantile(${fraction(random)}, ${inner})`, `histogram_quantile(0.5, sum(seconds_bucket) by (job, le), "bound")`, `histogram_share(${number(random)}, ${inner})`, `histogram_fraction(0.1, 1, ${inner})`,
    `histogram_quantiles("q", 0.1, ${fraction(random)}, rate(seconds_bucket))`, `histogram_quantile(${fraction(random)}, rate(latency_bucket[5m]))`, `buckets_limit(10, ${inner})`, `prometheus_buckets(latency_bucket)`,
    `range_quantile(${fraction(random)}, ${inner})`, `range_trim_outliers(2, ${inner})`, `range_trim_spikes(0.2, ${inner})`, `range_trim_zscore(1, ${inner})`, `range_normalize(${inner}, gauge)`,
    `smooth_exponential(${inner}, ${fraction(random)})`, `bitmap_and(${inner}, 7)`, `bitmap_or(${inner}, 8)`, `bitmap_xor(${inner}, 5)`, `union(${inner}, slow)`, `(${inner}, gauge)`, `limit_offset(2, 1, sort_by_label(${inner}, "__name__", "a", "b", "job", "instance", "le", "vmrange", "version"))`,
    `ru(${operand(random)}, 1000)`, `ttf(${operand(random)})`, `vector(${inner})`, `scalar(${inner})`, `absent(${inner})`, `WITH (x = ${operand(random)}) x - x offset 1m`,
  ]);
}

function labelCall(random: Random, inner: string): string {
  return pick(random, [
    `label_set(${inner}, "job", "x", "more", "y")`, `label_del(${inner}, "version", "le")`, `label_keep(${inner}, "job", "instance", "le")`, `label_copy(${inner}, "job", "copy")`, `label_move(${inner}, "instance", "moved")`,
    `label_join(${inner}, "joined", "-", "job", "instance")`, `label_replace(${inner}, "first", "$1", "job", "(.).*")`, `label_transform(${inner}, "job", "[a-d]", "_")`, `label_map(${inner}, "job", "api", "API")`,
    `label_uppercase(${inner}, "job")`, `label_lowercase(${inner}, "job")`, `label_match(${inner}, "job", "a.*")`, `label_mismatch(${inner}, "instance", "1")`, `labels_equal(${inner}, "job", "job")`, `label_value(${inner}, "instance")`,
    `drop_common_labels(${inner})`, `alias(${inner}, "renamed")`, `label_graphite_group(${inner}, 0)`,
  ]);
}

/** Ranks are those of values that are never equal. */
function aggregateCall(random: Random, inner: string): string {
  const by = pick(random, ["", " by (job)", " without (instance)"]);
  const k = String(1 + random.int(3));
  const ranked = pick(random, ["load", "avg_over_time(load[3m])", 'max_over_time(load{instance!="3"}[1m])', "load offset 1m", "load * 3"]);
  return pick(random, [
    `quantile(${fraction(random)}, ${inner})${by}`, `quantiles("phi", 0.1, ${fraction(random)}, ${inner})${by}`, `count_values("value", ${inner})${by}`, `topk_max(${k}, ${ranked})${by}`, `bottomk_min(${k}, ${ranked})${by}`,
    `topk_avg(${k}, ${ranked}, "rest=others")${by}`, `bottomk_median(${k}, ${ranked})${by}`, `topk_last(${k}, ${ranked})${by}`, `topk(${k}, ${ranked})${by}`, `bottomk(${k}, ${ranked})${by}`,
    `outliersk(${k}, keep_last_value(keep_next_value(${ranked})))${by}`, `outliers_mad(1.3, ${ranked})${by}`, `outliers_iqr(${ranked})${by}`, `sum(${inner}, gauge)${by}`, `limitk(10000, ${inner})${by}`,
  ]);
}

/** Without labels that only functions make: VictoriaMetrics looks for those of one side in the samples of the other. */
function operand(random: Random): string {
  const range = selector(random) + pick(random, windows) + place(random);
  return pick(random, [selector(random), selector(random) + place(random), `${pick(random, sameLabels)}(${range})`, `${pick(random, aggregates)}(${range})${pick(random, ["", " by (job)", " without (instance)"])}`]);
}

/** No comparisons: VictoriaMetrics before 1.146 compares with what is missing on the right. */
function match(random: Random, left: string, right: string): string {
  const set = random.int(2) === 0;
  const operator = pick(random, set ? sets : arithmetic);
  const on = pick(random, ["", "", "on (job)", "on (job, instance)", "ignoring (le, version, vmrange)", "on ()"]);
  const join = set || on === "" ? "" : pick(random, ["", "", " group_left ()", " group_right ()", " group_left (version)", ' group_left (*) prefix "p_"']);
  return `(${left}) ${operator} ${on}${join} (${right})${set ? "" : keeping(random)}`;
}
