/**
 * What a selector is at each point of a grid: the last sample that is not older than the lookback. A stale marker ends the series
 * there.
 */
import type { Labels } from "../model/labels.ts";
import { staleHistogram } from "../model/native_histogram.ts";
import { isStaleMarker } from "../model/row_batch.ts";
import type { SampleColumns } from "./samples.ts";
import { startsOf } from "./start_times.ts";
import { floatPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

/** What a selector's series hold: the values, or the times or start timestamps of the samples in milliseconds. */
export type InstantColumn = "value" | "time" | "start";

/** The times that the points of a grid look at. */
export interface LookTimes {
  readonly startMs: number;
  readonly stepMs: number;
  readonly points: number;
}

/** The series on the grid; undefined if it has no point there. A start that is not known is 0. */
export function instantSeries(labels: Labels, samples: SampleColumns, times: LookTimes, lookbackMs: number, column: InstantColumn): PromSeries | undefined {
  const target = new SeriesBuilder(labels, times.points);
  if (samples.histograms.length === 0 && column === "value") fillFloats(target, samples, times, lookbackMs);
  else fillMixed(target, samples, times, lookbackMs, column);
  return target.isEmpty ? undefined : target;
}

function fillFloats(target: SeriesBuilder, { timestampsMs, values }: SampleColumns, times: LookTimes, lookbackMs: number): void {
  let next = 0;
  for (let point = 0; point < times.points; point++) {
    const timeMs = times.startMs + point * times.stepMs;
    while (next < timestampsMs.length && timestampsMs[next] <= timeMs) next++;
    if (next === 0 || timestampsMs[next - 1] <= timeMs - lookbackMs) continue;
    const value = values[next - 1];
    if (Number.isNaN(value) && isStaleMarker(values, next - 1)) continue;
    target.values[point] = value;
    target.present[point] = floatPoint;
  }
}

function fillMixed(target: SeriesBuilder, samples: SampleColumns, times: LookTimes, lookbackMs: number, column: InstantColumn): void {
  const { timestampsMs, values, histogramTimesMs, histograms, starts } = samples;
  const floatTimes = column === "start" ? startsOf(timestampsMs, starts) : timestampsMs;
  const histogramTimes = column === "start" ? startsOf(histogramTimesMs, starts) : histogramTimesMs;
  let nextFloat = 0;
  let nextHistogram = 0;
  for (let point = 0; point < times.points; point++) {
    const timeMs = times.startMs + point * times.stepMs;
    while (nextFloat < timestampsMs.length && timestampsMs[nextFloat] <= timeMs) nextFloat++;
    while (nextHistogram < histogramTimesMs.length && histogramTimesMs[nextHistogram] <= timeMs) nextHistogram++;
    const floatMs = nextFloat === 0 ? -Infinity : timestampsMs[nextFloat - 1];
    const histogramMs = nextHistogram === 0 ? -Infinity : histogramTimesMs[nextHistogram - 1];
    if (Math.max(floatMs, histogramMs) <= timeMs - lookbackMs) continue;
    if (floatMs > histogramMs) {
      if (isStaleMarker(values, nextFloat - 1)) continue;
      if (column === "value") target.setFloat(point, values[nextFloat - 1]);
      else target.setFloat(point, floatTimes[nextFloat - 1]);
    } else if (histograms[nextHistogram - 1] !== staleHistogram) {
      if (column === "value") target.setHistogram(point, histograms[nextHistogram - 1]);
      else target.setFloat(point, histogramTimes[nextHistogram - 1]);
    }
  }
}
