/** All functions of ranges, by name. */
import {
  avgOverTime, changes, countOverTime, deriv, doubleExponentialSmoothing, firstOverTime, lastOverTime, madOverTime, maxOverTime, minOverTime, predictLinear,
  presentOverTime, quantileOverTime, resets, stddevOverTime, stdvarOverTime, sumOverTime, timeOfFirst, timeOfLast, timeOfMax, timeOfMin,
} from "./over_time.ts";
import { delta, idelta, increase, irate, rate } from "./rate.ts";
import type { WindowFunction } from "./window.ts";

interface RangeFunction {
  readonly run: WindowFunction;
  /** The value is still one of the metric. */
  readonly keepsName?: true;
  /** Only a counter makes sense, and metrics whose name does not end like one are reported. */
  readonly needsCounter?: true;
  /** Looks at start timestamps. */
  readonly usesStarts?: true;
}

export const rangeFunctions: ReadonlyMap<string, RangeFunction> = new Map(Object.entries<RangeFunction>({
  absent_over_time: { run: presentOverTime },
  avg_over_time: { run: avgOverTime },
  changes: { run: changes },
  count_over_time: { run: countOverTime },
  delta: { run: delta },
  deriv: { run: deriv },
  double_exponential_smoothing: { run: doubleExponentialSmoothing },
  first_over_time: { run: firstOverTime, keepsName: true },
  idelta: { run: idelta },
  increase: { run: increase, needsCounter: true, usesStarts: true },
  irate: { run: irate, usesStarts: true },
  last_over_time: { run: lastOverTime, keepsName: true },
  mad_over_time: { run: madOverTime },
  max_over_time: { run: maxOverTime },
  min_over_time: { run: minOverTime },
  predict_linear: { run: predictLinear },
  present_over_time: { run: presentOverTime },
  quantile_over_time: { run: quantileOverTime },
  rate: { run: rate, needsCounter: true, usesStarts: true },
  resets: { run: resets, usesStarts: true },
  stddev_over_time: { run: stddevOverTime },
  stdvar_over_time: { run: stdvarOverTime },
  sum_over_time: { run: sumOverTime },
  ts_of_first_over_time: { run: timeOfFirst },
  ts_of_last_over_time: { run: timeOfLast },
  ts_of_max_over_time: { run: timeOfMax },
  ts_of_min_over_time: { run: timeOfMin },
}));
