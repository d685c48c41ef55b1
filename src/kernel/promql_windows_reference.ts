/** Plain TypeScript twin of wasm/promql_windows.ts: window by window, as the functions are defined. */
import type { PromqlWindowFunction, WindowGrid } from "./promql_windows.ts";

interface Window {
  readonly startMs: number;
  readonly endMs: number;
  readonly times: readonly number[];
  readonly values: readonly number[];
}

/** The value of a function at each point; undefined where it has none. */
export function referencePromqlWindows(name: PromqlWindowFunction, grid: WindowGrid, timestampsMs: Float64Array, values: Float64Array): (number | undefined)[] {
  return Array.from({ length: grid.points }, (_, point) => {
    const endMs = grid.endMs + point * grid.endStepMs;
    const startMs = endMs - grid.lengthMs;
    const within = [...timestampsMs.keys()].filter((i) => timestampsMs[i] > startMs && timestampsMs[i] <= endMs);
    if (within.length === 0) return undefined;
    return functions[name]({ startMs, endMs, times: within.map((i) => timestampsMs[i]), values: within.map((i) => values[i]) });
  });
}

const functions: Readonly<Record<PromqlWindowFunction, (window: Window) => number | undefined>> = {
  delta: (window) => extrapolated(window, false),
  increase: (window) => extrapolated(window, true),
  rate: (window) => extrapolated(window, true, (window.endMs - window.startMs) / 1000),
  idelta: ({ values }) => (values.length < 2 ? undefined : values.at(-1)! - values.at(-2)!),
  irate: lastRate,
  resets: ({ values }) => values.filter((value, i) => i > 0 && value < values[i - 1]).length,
  changes: ({ values }) => values.filter((value, i) => i > 0 && value !== values[i - 1] && !(Number.isNaN(value) && Number.isNaN(values[i - 1]))).length,
  sum_over_time: ({ values }) => compensatedSum(values).reduce((sum, rest) => sum + rest),
  avg_over_time: ({ values }) => compensatedSum(values).map((part) => part / values.length).reduce((sum, rest) => sum + rest),
  min_over_time: ({ values }) => values.reduce((best, value) => (value < best || Number.isNaN(best) ? value : best)),
  max_over_time: ({ values }) => values.reduce((best, value) => (value > best || Number.isNaN(best) ? value : best)),
  count_over_time: ({ values }) => values.length,
  present_over_time: () => 1,
  first_over_time: ({ values }) => values[0],
  last_over_time: ({ values }) => values.at(-1),
  latest: ({ values }) => values.at(-1),
};

function extrapolated({ startMs, endMs, times, values }: Window, isCounter: boolean, seconds = 1): number | undefined {
  if (values.length < 2) return undefined;
  const [first, firstMs, lastMs] = [values[0], times[0], times.at(-1)!];
  let difference = values.at(-1)! - first;
  for (let i = 1; isCounter && i < values.length; i++) if (values[i] < values[i - 1]) difference += values[i - 1];
  const sampled = (lastMs - firstMs) / 1000;
  const interval = sampled / (values.length - 1);
  const limited = (distance: number): number => (distance >= interval * 1.1 ? interval / 2 : distance);
  const toZero = isCounter && difference > 0 && first >= 0 ? sampled * (first / difference) : NaN;
  const toStart = limited((firstMs - startMs) / 1000);
  const reach = sampled + (toZero < toStart ? toZero : toStart) + limited((endMs - lastMs) / 1000);
  return difference * ((sampled === 0 ? 1 : reach / sampled) / seconds);
}

function lastRate({ times, values }: Window): number | undefined {
  if (values.length < 2) return undefined;
  const [earlier, later] = values.slice(-2);
  return (later < earlier ? later : later - earlier) / ((times.at(-1)! - times.at(-2)!) / 1000);
}

/** The sum and what its roundings lost, in Neumaier's form. */
function compensatedSum(values: readonly number[]): [sum: number, rest: number] {
  let [sum, rest] = [0, 0];
  for (const value of values) {
    const next = sum + value;
    rest += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return [sum, rest];
}
