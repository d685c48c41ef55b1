/**
 * All functions of MetricsQL, one row each: the family and what is known of the arguments. `alias`, `range_median`, `ru`
 * and `ttf` are WITH templates, so trees never contain calls of them.
 */

/** Number of arguments a call may have: [least, most]. */
export type ArgumentCount = readonly [number, number];

/** Facts of one function. */
export interface FunctionFacts {
  readonly family: "rollup" | "transform" | "label" | "aggregate";
  readonly args: ArgumentCount;
  /** Position of the argument with the series; undefined if there is none. */
  readonly seriesArg: number | "last" | undefined;
  /**
   * Which arguments a label filter on the result may be applied to instead: the series argument, all of them, none, or
   * the series argument unless the filter is on the label that the first argument names.
   */
  readonly filters: "series" | "all" | "none" | "not_first";
  /**
   * Which labels a label function changes, so that filters on them stay outside: `listed` in the arguments after the
   * series, all but those listed (`kept`), the `second` argument, every other argument as in `copied` (destination of
   * source, destination pairs) or as in `assigned` (name of name, value pairs).
   */
  readonly labels: "listed" | "kept" | "second" | "copied" | "assigned" | undefined;
  /** Which arguments have to be string literals: the first, or all after the series. */
  readonly strings: "first" | "rest" | undefined;
  /** Whether the arguments after the series come in pairs. */
  readonly isPaired: boolean;
}

type Options = Partial<Omit<FunctionFacts, "family">>;

const defaults = { args: [1, 1], seriesArg: 0, filters: "series", labels: undefined, strings: undefined, isPaired: false } as const;

/** Rows by lower case name. */
export const functions: ReadonlyMap<string, FunctionFacts> = new Map(Object.entries({
  // Rollups: over the samples of a window of one series.
  absent_over_time: rollup({ filters: "none" }),
  aggr_over_time: rollup({ args: [2, 2], seriesArg: 1 }),
  ascent_over_time: rollup(),
  avg_over_time: rollup(),
  changes: rollup(),
  changes_prometheus: rollup(),
  count_eq_over_time: rollup({ args: [2, 2] }),
  count_gt_over_time: rollup({ args: [2, 2] }),
  count_le_over_time: rollup({ args: [2, 2] }),
  count_ne_over_time: rollup({ args: [2, 2] }),
  count_over_time: rollup(),
  count_values_over_time: rollup({ args: [2, 2], seriesArg: 1, filters: "not_first", strings: "first" }),
  decreases_over_time: rollup(),
  default_rollup: rollup(),
  delta: rollup(),
  delta_prometheus: rollup(),
  deriv: rollup(),
  deriv_fast: rollup(),
  descent_over_time: rollup(),
  distinct_over_time: rollup(),
  duration_over_time: rollup({ args: [2, 2] }),
  first_over_time: rollup(),
  geomean_over_time: rollup(),
  histogram_over_time: rollup(),
  hoeffding_bound_lower: rollup({ args: [2, 2], seriesArg: 1 }),
  hoeffding_bound_upper: rollup({ args: [2, 2], seriesArg: 1 }),
  holt_winters: rollup({ args: [3, 3] }),
  idelta: rollup(),
  ideriv: rollup(),
  increase: rollup(),
  increase_prometheus: rollup(),
  increase_pure: rollup(),
  increases_over_time: rollup(),
  integrate: rollup(),
  irate: rollup(),
  lag: rollup(),
  last_over_time: rollup(),
  lifetime: rollup(),
  mad_over_time: rollup(),
  max_over_time: rollup(),
  median_over_time: rollup(),
  min_over_time: rollup(),
  mode_over_time: rollup(),
  outlier_iqr_over_time: rollup(),
  predict_linear: rollup({ args: [2, 2] }),
  present_over_time: rollup(),
  quantile_over_time: rollup({ args: [2, 2], seriesArg: 1 }),
  quantiles_over_time: rollup({ args: [3, Infinity], seriesArg: "last", strings: "first" }),
  range_over_time: rollup(),
  rate: rollup(),
  rate_over_sum: rollup(),
  rate_prometheus: rollup(),
  resets: rollup(),
  rollup: rollup({ args: [1, 2], strings: "rest" }),
  rollup_candlestick: rollup({ args: [1, 2], strings: "rest" }),
  rollup_delta: rollup({ args: [1, 2], strings: "rest" }),
  rollup_deriv: rollup({ args: [1, 2], strings: "rest" }),
  rollup_increase: rollup({ args: [1, 2], strings: "rest" }),
  rollup_rate: rollup({ args: [1, 2], strings: "rest" }),
  rollup_scrape_interval: rollup({ args: [1, 2], strings: "rest" }),
  scrape_interval: rollup(),
  share_eq_over_time: rollup({ args: [2, 2] }),
  share_gt_over_time: rollup({ args: [2, 2] }),
  share_le_over_time: rollup({ args: [2, 2] }),
  stale_samples_over_time: rollup(),
  stddev_over_time: rollup(),
  stdvar_over_time: rollup(),
  sum2_over_time: rollup(),
  sum_eq_over_time: rollup({ args: [2, 2] }),
  sum_gt_over_time: rollup({ args: [2, 2] }),
  sum_le_over_time: rollup({ args: [2, 2] }),
  sum_over_time: rollup(),
  tfirst_over_time: rollup(),
  timestamp: rollup(),
  timestamp_with_name: rollup(),
  tlast_change_over_time: rollup(),
  tlast_over_time: rollup(),
  tmax_over_time: rollup(),
  tmin_over_time: rollup(),
  zscore_over_time: rollup(),

  // Transforms: value by value, or over the whole range of a graph.
  abs: transform(),
  absent: transform({ filters: "none" }),
  acos: transform(),
  acosh: transform(),
  asin: transform(),
  asinh: transform(),
  atan: transform(),
  atanh: transform(),
  bitmap_and: transform({ args: [2, 2] }),
  bitmap_or: transform({ args: [2, 2] }),
  bitmap_xor: transform({ args: [2, 2] }),
  buckets_limit: transform({ args: [2, 2], seriesArg: 1 }),
  ceil: transform(),
  clamp: transform({ args: [3, 3] }),
  clamp_max: transform({ args: [2, 2] }),
  clamp_min: transform({ args: [2, 2] }),
  cos: transform(),
  cosh: transform(),
  day_of_month: transform({ args: [0, 1] }),
  day_of_week: transform({ args: [0, 1] }),
  day_of_year: transform({ args: [0, 1] }),
  days_in_month: transform({ args: [0, 1] }),
  deg: transform(),
  drop_empty_series: transform(),
  end: transform({ args: [0, 0], seriesArg: undefined }),
  exp: transform(),
  floor: transform(),
  histogram_avg: transform(),
  histogram_fraction: transform({ args: [3, 3], seriesArg: 2 }),
  histogram_quantile: transform({ args: [2, 3], seriesArg: 1 }),
  histogram_quantiles: transform({ args: [3, Infinity], seriesArg: "last", strings: "first" }),
  histogram_share: transform({ args: [2, 3], seriesArg: 1 }),
  histogram_stddev: transform(),
  histogram_stdvar: transform(),
  hour: transform({ args: [0, 1] }),
  interpolate: transform(),
  keep_last_value: transform(),
  keep_next_value: transform(),
  limit_offset: transform({ args: [3, 3], seriesArg: 2 }),
  ln: transform(),
  log10: transform(),
  log2: transform(),
  minute: transform({ args: [0, 1] }),
  month: transform({ args: [0, 1] }),
  now: transform({ args: [0, 0], seriesArg: undefined }),
  pi: transform({ args: [0, 0], seriesArg: undefined }),
  prometheus_buckets: transform(),
  rad: transform(),
  rand: transform({ args: [0, 1], seriesArg: undefined }),
  rand_exponential: transform({ args: [0, 1], seriesArg: undefined }),
  rand_normal: transform({ args: [0, 1], seriesArg: undefined }),
  range_avg: transform(),
  range_first: transform(),
  range_last: transform(),
  range_linear_regression: transform(),
  range_mad: transform(),
  range_max: transform(),
  range_median: transform(),
  range_min: transform(),
  range_normalize: transform({ args: [1, Infinity], filters: "all" }),
  range_quantile: transform({ args: [2, 2], seriesArg: 1 }),
  range_stddev: transform(),
  range_stdvar: transform(),
  range_sum: transform(),
  range_trim_outliers: transform({ args: [2, 2], seriesArg: 1 }),
  range_trim_spikes: transform({ args: [2, 2], seriesArg: 1 }),
  range_trim_zscore: transform({ args: [2, 2], seriesArg: 1 }),
  range_zscore: transform(),
  remove_resets: transform(),
  round: transform({ args: [1, 2] }),
  ru: transform({ args: [2, 2], filters: "none" }),
  running_avg: transform(),
  running_max: transform(),
  running_min: transform(),
  running_sum: transform(),
  scalar: transform({ filters: "none" }),
  sgn: transform(),
  sin: transform(),
  sinh: transform(),
  smooth_exponential: transform({ args: [2, 2] }),
  sort: transform(),
  sort_desc: transform(),
  sqrt: transform(),
  start: transform({ args: [0, 0], seriesArg: undefined }),
  step: transform({ args: [0, 0], seriesArg: undefined }),
  tan: transform(),
  tanh: transform(),
  time: transform({ args: [0, 0], seriesArg: undefined }),
  timezone_offset: transform({ seriesArg: undefined, strings: "first" }),
  ttf: transform(),
  union: transform({ args: [0, Infinity], filters: "all" }),
  vector: transform(),
  year: transform({ args: [0, 1] }),

  // Labels.
  alias: label({ args: [2, 2], filters: "none" }),
  drop_common_labels: label({ args: [1, Infinity], filters: "none", strings: undefined }),
  label_copy: label({ args: [1, Infinity], labels: "copied", isPaired: true }),
  label_del: label({ args: [1, Infinity], labels: "listed" }),
  label_graphite_group: label({ args: [1, Infinity], strings: undefined }),
  label_join: label({ args: [3, Infinity], labels: "second" }),
  label_keep: label({ args: [1, Infinity], labels: "kept" }),
  label_lowercase: label({ args: [2, Infinity], labels: "listed" }),
  label_map: label({ args: [2, Infinity], labels: "second" }),
  label_match: label({ args: [3, 3], labels: "second" }),
  label_mismatch: label({ args: [3, 3], labels: "second" }),
  label_move: label({ args: [1, Infinity], labels: "copied", isPaired: true }),
  label_replace: label({ args: [5, 5], labels: "second" }),
  label_set: label({ args: [1, Infinity], labels: "assigned", isPaired: true }),
  label_transform: label({ args: [4, 4], labels: "second" }),
  label_uppercase: label({ args: [2, Infinity], labels: "listed" }),
  label_value: label({ args: [2, 2] }),
  labels_equal: label({ args: [3, Infinity], labels: "listed" }),
  sort_by_label: label({ args: [2, Infinity] }),
  sort_by_label_desc: label({ args: [2, Infinity] }),
  sort_by_label_numeric: label({ args: [2, Infinity] }),
  sort_by_label_numeric_desc: label({ args: [2, Infinity] }),

  // Aggregates: across series at each step.
  any: aggregate({ args: [1, Infinity], filters: "all" }),
  avg: aggregate({ args: [1, Infinity], filters: "all" }),
  bottomk: aggregate({ args: [2, 2], seriesArg: 1 }),
  bottomk_avg: aggregate({ args: [2, 3], seriesArg: 1 }),
  bottomk_last: aggregate({ args: [2, 3], seriesArg: 1 }),
  bottomk_max: aggregate({ args: [2, 3], seriesArg: 1 }),
  bottomk_median: aggregate({ args: [2, 3], seriesArg: 1 }),
  bottomk_min: aggregate({ args: [2, 3], seriesArg: 1 }),
  count: aggregate({ args: [1, Infinity], filters: "all" }),
  count_values: aggregate({ args: [2, 2], seriesArg: 1, filters: "not_first", strings: "first" }),
  distinct: aggregate({ args: [1, Infinity], filters: "all" }),
  geomean: aggregate({ args: [1, Infinity], filters: "all" }),
  group: aggregate({ args: [1, Infinity], filters: "all" }),
  histogram: aggregate({ args: [1, Infinity], filters: "all" }),
  limitk: aggregate({ args: [2, 2], seriesArg: 1 }),
  mad: aggregate({ args: [1, Infinity], filters: "all" }),
  max: aggregate({ args: [1, Infinity], filters: "all" }),
  median: aggregate({ args: [1, Infinity], filters: "all" }),
  min: aggregate({ args: [1, Infinity], filters: "all" }),
  mode: aggregate({ args: [1, Infinity], filters: "all" }),
  outliers_iqr: aggregate(),
  outliers_mad: aggregate({ args: [2, 2], seriesArg: 1 }),
  outliersk: aggregate({ args: [2, 2], seriesArg: 1 }),
  quantile: aggregate({ args: [2, 2], seriesArg: 1 }),
  quantiles: aggregate({ args: [3, Infinity], seriesArg: "last", strings: "first" }),
  share: aggregate({ args: [1, Infinity], filters: "all" }),
  stddev: aggregate({ args: [1, Infinity], filters: "all" }),
  stdvar: aggregate({ args: [1, Infinity], filters: "all" }),
  sum: aggregate({ args: [1, Infinity], filters: "all" }),
  sum2: aggregate({ args: [1, Infinity], filters: "all" }),
  topk: aggregate({ args: [2, 2], seriesArg: 1 }),
  topk_avg: aggregate({ args: [2, 3], seriesArg: 1 }),
  topk_last: aggregate({ args: [2, 3], seriesArg: 1 }),
  topk_max: aggregate({ args: [2, 3], seriesArg: 1 }),
  topk_median: aggregate({ args: [2, 3], seriesArg: 1 }),
  topk_min: aggregate({ args: [2, 3], seriesArg: 1 }),
  zscore: aggregate({ args: [1, Infinity], filters: "all" }),
}));

function rollup(options: Options = {}): FunctionFacts {
  return { family: "rollup", ...defaults, ...options };
}

function transform(options: Options = {}): FunctionFacts {
  return { family: "transform", ...defaults, ...options };
}

function label(options: Options = {}): FunctionFacts {
  return { family: "label", ...defaults, strings: "rest", ...options };
}

function aggregate(options: Options = {}): FunctionFacts {
  return { family: "aggregate", ...defaults, ...options };
}

/** The position of the series argument in a call with `count` arguments; undefined if the call has none. */
export function seriesArgIndex(facts: FunctionFacts, count: number): number | undefined {
  const index = facts.seriesArg === "last" ? count - 1 : facts.seriesArg;
  return index !== undefined && index >= 0 && index < count ? index : undefined;
}

/** Whether `name` (any case) is an aggregate function, which may have `by`, `without` and `limit`. */
export function isAggregate(name: string): boolean {
  return functions.get(name.toLowerCase())?.family === "aggregate";
}

/** Whether `name` (any case) is a function of any family; "" is `(a, b)`, the union without a name. */
export function isSupportedFunction(name: string): boolean {
  return name === "" || functions.has(name.toLowerCase());
}

/** The one of `names` with the fewest letters to change, if it is close enough to be a slip. */
export function nearestFunction(name: string, names: Iterable<string> = functions.keys()): string | undefined {
  const lower = name.slice(0, 64).toLowerCase();
  let nearest: string | undefined;
  let least = Math.min(lower.length - 1, Math.max(2, Math.floor(lower.length / 2))) + 1;
  for (const candidate of names) {
    const distance = editDistance(lower, candidate);
    if (distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

/** Levenshtein distance. */
function editDistance(source: string, target: string): number {
  let row = Array.from({ length: target.length + 1 }, (_, i) => i);
  for (let i = 1; i <= source.length; i++) {
    const next = [i];
    for (let j = 1; j <= target.length; j++) {
      const replaced = row[j - 1] + (source[i - 1] === target[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[target.length];
}
