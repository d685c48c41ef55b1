/** The functions and aggregates of PromQL, one row each, with what the checks need: types and numbers of arguments. */

/** The type of an expression of PromQL: `vector` is an instant vector, `matrix` a range vector. */
export type PromqlType = "scalar" | "string" | "vector" | "matrix";

/** Facts of one function. */
export interface PromqlFunctionFacts {
  /** Types of the arguments; further ones have the type of the last. */
  readonly args: readonly PromqlType[];
  readonly least: number;
  readonly most: number;
  readonly returns: "scalar" | "vector";
  /** Whether Prometheus has it behind a feature flag; here all are on. */
  readonly isExperimental: boolean;
}

/** Facts of one aggregate. */
export interface PromqlAggregateFacts {
  /** The type of the argument before the vector; undefined if there is none. */
  readonly parameter: "scalar" | "string" | undefined;
  readonly isExperimental: boolean;
}

/** Rows by name, which is lower case. */
export const promqlFunctions: ReadonlyMap<string, PromqlFunctionFacts> = new Map(Object.entries({
  abs: facts(["vector"]),
  absent: facts(["vector"]),
  absent_over_time: facts(["matrix"]),
  acos: facts(["vector"]),
  acosh: facts(["vector"]),
  asin: facts(["vector"]),
  asinh: facts(["vector"]),
  atan: facts(["vector"]),
  atanh: facts(["vector"]),
  avg_over_time: facts(["matrix"]),
  ceil: facts(["vector"]),
  changes: facts(["matrix"]),
  clamp: facts(["vector", "scalar", "scalar"]),
  clamp_max: facts(["vector", "scalar"]),
  clamp_min: facts(["vector", "scalar"]),
  cos: facts(["vector"]),
  cosh: facts(["vector"]),
  count_over_time: facts(["matrix"]),
  day_of_month: facts(["vector"], { most: 1 }),
  day_of_week: facts(["vector"], { most: 1 }),
  day_of_year: facts(["vector"], { most: 1 }),
  days_in_month: facts(["vector"], { most: 1 }),
  deg: facts(["vector"]),
  delta: facts(["matrix"]),
  deriv: facts(["matrix"]),
  double_exponential_smoothing: facts(["matrix", "scalar", "scalar"], { isExperimental: true }),
  end: facts([], { isExperimental: true, returns: "scalar" }),
  exp: facts(["vector"]),
  first_over_time: facts(["matrix"]),
  floor: facts(["vector"]),
  histogram_avg: facts(["vector"]),
  histogram_count: facts(["vector"]),
  histogram_fraction: facts(["scalar", "scalar", "vector"]),
  histogram_quantile: facts(["scalar", "vector"]),
  histogram_quantiles: facts(["vector", "string", "scalar", "scalar"], { most: 12, isExperimental: true }),
  histogram_stddev: facts(["vector"]),
  histogram_stdvar: facts(["vector"]),
  histogram_sum: facts(["vector"]),
  hour: facts(["vector"], { most: 1 }),
  idelta: facts(["matrix"]),
  increase: facts(["matrix"]),
  info: facts(["vector", "vector"], { most: 2, isExperimental: true }),
  irate: facts(["matrix"]),
  label_join: facts(["vector", "string", "string", "string"], { most: Infinity }),
  label_replace: facts(["vector", "string", "string", "string", "string"]),
  last_over_time: facts(["matrix"]),
  ln: facts(["vector"]),
  log10: facts(["vector"]),
  log2: facts(["vector"]),
  mad_over_time: facts(["matrix"], { isExperimental: true }),
  max_of: facts(["scalar", "scalar"], { isExperimental: true, returns: "scalar" }),
  max_over_time: facts(["matrix"]),
  min_of: facts(["scalar", "scalar"], { isExperimental: true, returns: "scalar" }),
  min_over_time: facts(["matrix"]),
  minute: facts(["vector"], { most: 1 }),
  month: facts(["vector"], { most: 1 }),
  pi: facts([], { returns: "scalar" }),
  predict_linear: facts(["matrix", "scalar"]),
  present_over_time: facts(["matrix"]),
  quantile_over_time: facts(["scalar", "matrix"]),
  rad: facts(["vector"]),
  range: facts([], { isExperimental: true, returns: "scalar" }),
  rate: facts(["matrix"]),
  resets: facts(["matrix"]),
  round: facts(["vector", "scalar"], { most: 2 }),
  scalar: facts(["vector"], { returns: "scalar" }),
  sgn: facts(["vector"]),
  sin: facts(["vector"]),
  sinh: facts(["vector"]),
  sort: facts(["vector"]),
  sort_by_label: facts(["vector", "string"], { most: Infinity, isExperimental: true }),
  sort_by_label_desc: facts(["vector", "string"], { most: Infinity, isExperimental: true }),
  sort_desc: facts(["vector"]),
  sqrt: facts(["vector"]),
  start: facts([], { isExperimental: true, returns: "scalar" }),
  start_timestamp: facts(["vector"], { isExperimental: true }),
  stddev_over_time: facts(["matrix"]),
  stdvar_over_time: facts(["matrix"]),
  step: facts([], { isExperimental: true, returns: "scalar" }),
  sum_over_time: facts(["matrix"]),
  tan: facts(["vector"]),
  tanh: facts(["vector"]),
  time: facts([], { returns: "scalar" }),
  timestamp: facts(["vector"]),
  ts_of_first_over_time: facts(["matrix"], { isExperimental: true }),
  ts_of_last_over_time: facts(["matrix"], { isExperimental: true }),
  ts_of_max_over_time: facts(["matrix"], { isExperimental: true }),
  ts_of_min_over_time: facts(["matrix"], { isExperimental: true }),
  vector: facts(["scalar"]),
  year: facts(["vector"], { most: 1 }),
}));

/** Rows by lower case name; queries may have them in any case. */
export const promqlAggregates: ReadonlyMap<string, PromqlAggregateFacts> = new Map(Object.entries({
  avg: { parameter: undefined, isExperimental: false },
  bottomk: { parameter: "scalar", isExperimental: false },
  count: { parameter: undefined, isExperimental: false },
  count_values: { parameter: "string", isExperimental: false },
  group: { parameter: undefined, isExperimental: false },
  limit_ratio: { parameter: "scalar", isExperimental: true },
  limitk: { parameter: "scalar", isExperimental: true },
  max: { parameter: undefined, isExperimental: false },
  min: { parameter: undefined, isExperimental: false },
  quantile: { parameter: "scalar", isExperimental: false },
  stddev: { parameter: undefined, isExperimental: false },
  stdvar: { parameter: undefined, isExperimental: false },
  sum: { parameter: undefined, isExperimental: false },
  topk: { parameter: "scalar", isExperimental: false },
} satisfies Record<string, PromqlAggregateFacts>));

/** A row; with `most` the last argument may be left out, or be repeated up to that many in all. */
function facts(args: readonly PromqlType[], options: Partial<Omit<PromqlFunctionFacts, "args" | "least">> = {}): PromqlFunctionFacts {
  const least = options.most === undefined ? args.length : args.length - 1;
  return { args, least, most: args.length, returns: "vector", isExperimental: false, ...options };
}
