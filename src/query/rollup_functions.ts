/** The rollup functions: one row each, with everything that is known of them. */
import type { RollupName } from "../kernel/rollup.ts";

export interface RollupFunction {
  /** Computes the column; several with a label each for functions that answer with several series. */
  readonly kernel: RollupName | readonly RollupVariant[];
  /** The samples are made monotone first. */
  readonly removesResets?: boolean;
  /** What the kernel sees instead of the values: differences, slopes per second, or intervals in seconds. */
  readonly input?: "deltas" | "slopes" | "intervals";
  /** A missing window is widened to the scrape interval of the series. */
  readonly widensWindow?: boolean;
  /** Looks at the sample before the window, so more is read. */
  readonly usesPrevious?: boolean;
  readonly keepsMetricName?: boolean;
  /** Sees stale markers; all others have them removed. */
  readonly seesStaleMarkers?: boolean;
  /** The implicit window never exceeds the lookback limit. */
  readonly limitsWindow?: boolean;
  /** Needs scratch of two f64 per sample. */
  readonly sortsWindow?: boolean;
  /** Reads the times of the step after the point: candles are stamped with their left edge. */
  readonly shiftsByStep?: boolean;
  /** The value of the kernel's first argument, for functions that have it built in. */
  readonly argument?: number;
  /** One series for all inputs: 1 where no series has a sample. */
  readonly isAbsent?: boolean;
  /** One series per distinct value, or per logarithmic bucket, with the number of samples that have it. */
  readonly counts?: "values" | "buckets";
  /** May be named in aggr_over_time(). */
  readonly isAggregable?: boolean;
}

/** One of the series of `rollup(m)`: labelled rollup="min" unless it is asked for by name. */
export interface RollupVariant {
  readonly kernel: RollupName;
  readonly tag: string;
}

const extremes: readonly RollupVariant[] = [{ kernel: "Min", tag: "min" }, { kernel: "Max", tag: "max" }, { kernel: "Avg", tag: "avg" }];
const candles: readonly RollupVariant[] = [
  { kernel: "Open", tag: "open" }, { kernel: "Close", tag: "close" }, { kernel: "Low", tag: "low" }, { kernel: "High", tag: "high" },
];

export const rollupFunctions = {
  absent_over_time: { kernel: "Absent", isAbsent: true, isAggregable: true },
  ascent_over_time: { kernel: "Ascent", usesPrevious: true, isAggregable: true },
  avg_over_time: { kernel: "Avg", keepsMetricName: true, isAggregable: true },
  changes: { kernel: "Changes", usesPrevious: true, isAggregable: true },
  changes_prometheus: { kernel: "ChangesPrometheus" },
  count_eq_over_time: { kernel: "CountEq" },
  count_gt_over_time: { kernel: "CountGt" },
  count_le_over_time: { kernel: "CountLe" },
  count_ne_over_time: { kernel: "CountNe" },
  count_over_time: { kernel: "Count", isAggregable: true },
  count_values_over_time: { kernel: "CountEq", counts: "values" },
  decreases_over_time: { kernel: "Resets", usesPrevious: true, isAggregable: true },
  default_rollup: {
    kernel: "Last", widensWindow: true, usesPrevious: true, keepsMetricName: true, seesStaleMarkers: true, limitsWindow: true, isAggregable: true,
  },
  delta: { kernel: "Delta", usesPrevious: true, isAggregable: true },
  delta_prometheus: { kernel: "DeltaPrometheus" },
  deriv: { kernel: "Deriv", widensWindow: true, isAggregable: true },
  deriv_fast: { kernel: "Rate", widensWindow: true, usesPrevious: true, isAggregable: true },
  descent_over_time: { kernel: "Descent", usesPrevious: true, isAggregable: true },
  distinct_over_time: { kernel: "Distinct", sortsWindow: true, isAggregable: true },
  duration_over_time: { kernel: "Duration" },
  first_over_time: { kernel: "First", keepsMetricName: true, isAggregable: true },
  geomean_over_time: { kernel: "Geomean", keepsMetricName: true, isAggregable: true },
  histogram_over_time: { kernel: "CountEq", counts: "buckets" },
  hoeffding_bound_lower: { kernel: "HoeffdingLower", keepsMetricName: true },
  hoeffding_bound_upper: { kernel: "HoeffdingUpper", keepsMetricName: true },
  holt_winters: { kernel: "HoltWinters", keepsMetricName: true },
  idelta: { kernel: "Idelta", usesPrevious: true, isAggregable: true },
  ideriv: { kernel: "Ideriv", widensWindow: true, usesPrevious: true, isAggregable: true },
  increase: { kernel: "Delta", removesResets: true, usesPrevious: true, isAggregable: true },
  increase_prometheus: { kernel: "DeltaPrometheus", removesResets: true },
  increase_pure: { kernel: "IncreasePure", removesResets: true, usesPrevious: true, isAggregable: true },
  increases_over_time: { kernel: "Increases", usesPrevious: true, isAggregable: true },
  integrate: { kernel: "Integrate", usesPrevious: true, isAggregable: true },
  irate: { kernel: "Ideriv", removesResets: true, widensWindow: true, usesPrevious: true, isAggregable: true },
  lag: { kernel: "Lag", usesPrevious: true, isAggregable: true },
  last_over_time: { kernel: "Last", keepsMetricName: true, isAggregable: true },
  lifetime: { kernel: "Lifetime", usesPrevious: true, isAggregable: true },
  mad_over_time: { kernel: "Mad", sortsWindow: true, isAggregable: true },
  max_over_time: { kernel: "Max", keepsMetricName: true, isAggregable: true },
  median_over_time: { kernel: "Quantile", argument: 0.5, sortsWindow: true, keepsMetricName: true, isAggregable: true },
  min_over_time: { kernel: "Min", keepsMetricName: true, isAggregable: true },
  mode_over_time: { kernel: "Mode", sortsWindow: true, keepsMetricName: true, isAggregable: true },
  outlier_iqr_over_time: { kernel: "OutlierIqr", sortsWindow: true },
  predict_linear: { kernel: "PredictLinear", keepsMetricName: true },
  present_over_time: { kernel: "Present", isAggregable: true },
  quantile_over_time: { kernel: "Quantile", sortsWindow: true, keepsMetricName: true },
  quantiles_over_time: { kernel: "Quantile", sortsWindow: true, keepsMetricName: true },
  range_over_time: { kernel: "Range", isAggregable: true },
  rate: { kernel: "Rate", removesResets: true, widensWindow: true, usesPrevious: true, isAggregable: true },
  rate_over_sum: { kernel: "RateOverSum", widensWindow: true, isAggregable: true },
  rate_prometheus: { kernel: "RatePrometheus", removesResets: true },
  resets: { kernel: "Resets", usesPrevious: true, isAggregable: true },
  rollup: { kernel: extremes, widensWindow: true, usesPrevious: true, keepsMetricName: true },
  rollup_candlestick: { kernel: candles, widensWindow: true, usesPrevious: true, keepsMetricName: true, shiftsByStep: true },
  rollup_delta: { kernel: extremes, input: "deltas", usesPrevious: true },
  rollup_deriv: { kernel: extremes, input: "slopes", widensWindow: true, usesPrevious: true },
  rollup_increase: { kernel: extremes, input: "deltas", removesResets: true, usesPrevious: true },
  rollup_rate: { kernel: extremes, input: "slopes", removesResets: true, widensWindow: true, usesPrevious: true },
  rollup_scrape_interval: { kernel: extremes, input: "intervals", widensWindow: true, usesPrevious: true },
  scrape_interval: { kernel: "ScrapeInterval", widensWindow: true, usesPrevious: true, isAggregable: true },
  share_eq_over_time: { kernel: "ShareEq" },
  share_gt_over_time: { kernel: "ShareGt" },
  share_le_over_time: { kernel: "ShareLe" },
  stale_samples_over_time: { kernel: "StaleSamples", seesStaleMarkers: true, isAggregable: true },
  stddev_over_time: { kernel: "Stddev", isAggregable: true },
  stdvar_over_time: { kernel: "Stdvar", isAggregable: true },
  sum2_over_time: { kernel: "Sum2", isAggregable: true },
  sum_eq_over_time: { kernel: "SumEq" },
  sum_gt_over_time: { kernel: "SumGt" },
  sum_le_over_time: { kernel: "SumLe" },
  sum_over_time: { kernel: "Sum", isAggregable: true },
  tfirst_over_time: { kernel: "FirstTime", isAggregable: true },
  timestamp: { kernel: "LastTime", widensWindow: true, isAggregable: true },
  timestamp_with_name: { kernel: "LastTime", keepsMetricName: true, isAggregable: true },
  tlast_change_over_time: { kernel: "LastChangeTime", usesPrevious: true, isAggregable: true },
  tlast_over_time: { kernel: "LastTime", isAggregable: true },
  tmax_over_time: { kernel: "MaxTime", isAggregable: true },
  tmin_over_time: { kernel: "MinTime", isAggregable: true },
  zscore_over_time: { kernel: "Zscore", isAggregable: true },
} satisfies Record<string, RollupFunction>;

/** The row of a rollup function; undefined if it is not computed here. */
export function findRollupFunction(name: string): RollupFunction | undefined {
  return Object.hasOwn(rollupFunctions, name) ? rollupFunctions[name as keyof typeof rollupFunctions] : undefined;
}

/** The function that aggr_over_time() knows by a name; the IQR test has a name of its own there. */
export function findAggregableRollup(name: string): RollupFunction | undefined {
  if (name === "iqr_over_time") return { ...rollupFunctions.outlier_iqr_over_time, keepsMetricName: true };
  const row = findRollupFunction(name);
  return row?.isAggregable === true ? row : undefined;
}
