/**
 * What a range that is `anchored` or `smoothed` is by itself: its samples with one at each bound. At the bound stands the last sample before it,
 * or what lies on the line between the samples around it.
 */
import type { FloatHistogram } from "../model/native_histogram.ts";
import { interpolate } from "./extended_rate.ts";
import { histogramBetween, type HistogramReport } from "./histogram_report.ts";
import type { SampleColumns } from "./samples.ts";

/** The bounds of the range; `samples` reach beyond them. */
export interface ExtendedRange {
  readonly startMs: number;
  readonly endMs: number;
  readonly isSmoothed: boolean;
}

export function extendedSamples(samples: SampleColumns, range: ExtendedRange, report: HistogramReport): SampleColumns {
  const { timestampsMs, values, histogramTimesMs, histograms } = samples;
  const floats = extend(timestampsMs, range, (index) => values[index], (index, timeMs) =>
    interpolate(timestampsMs[index], values[index], timestampsMs[index + 1], values[index + 1], timeMs, false));
  const extended = extend<FloatHistogram | undefined>(histogramTimesMs, range, (index) => histograms[index], (index, timeMs) => {
    const [earlier, later] = [index, index + 1].map((i) => ({ timeMs: histogramTimesMs[i], histogram: histograms[i] }));
    return histogramBetween(report, earlier, later, timeMs, false);
  });
  const fitting = extended.filter(({ value }) => value !== undefined);
  return {
    timestampsMs: Float64Array.from(floats, ({ timeMs }) => timeMs),
    values: Float64Array.from(floats, ({ value }) => value),
    histogramTimesMs: Float64Array.from(fitting, ({ timeMs }) => timeMs),
    histograms: fitting.map(({ value }) => value).filter((value) => value !== undefined),
  };
}

interface Sample<T> {
  readonly timeMs: number;
  readonly value: T;
}

/** `line` gives what is at a time between sample `index` and the next. */
function extend<T>(timestampsMs: Float64Array, { startMs, endMs, isSmoothed }: ExtendedRange, valueAt: (index: number) => T, line: (index: number, timeMs: number) => T): Sample<T>[] {
  let last = timestampsMs.length - 1;
  if (last < 0) return [];
  const firstWithin = timestampsMs.findIndex((timeMs, i) => i >= last || timeMs > startMs);
  let first = Math.max(0, firstWithin - 1);
  if (isSmoothed) last = timestampsMs.findIndex((timeMs, i) => i >= last || timeMs >= endMs);
  if (timestampsMs[last] <= startMs || (isSmoothed && timestampsMs[first] > endMs)) return [];
  const left = isSmoothed && timestampsMs[first] < startMs ? line(first, startMs) : valueAt(first);
  const right = isSmoothed && last > 0 && timestampsMs[last] > endMs ? line(last - 1, endMs) : valueAt(last);
  if (timestampsMs[first] <= startMs) first++;
  if (timestampsMs[last] >= endMs) last--;
  const inner = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => ({ timeMs: timestampsMs[first + i], value: valueAt(first + i) }));
  return [{ timeMs: startMs, value: left }, ...inner, { timeMs: endMs, value: right }];
}
