/** `m smoothed`: what is on the line between the samples around each point; the last sample where none follows. */
import type { Labels } from "../model/labels.ts";
import { hasCustomBuckets } from "../model/native_histogram.ts";
import { interpolate } from "./extended_rate.ts";
import { histogramBetween, type HistogramReport, type HistogramSample } from "./histogram_report.ts";
import type { LookTimes } from "./instant_selector.ts";
import type { SampleColumns } from "./samples.ts";
import { type PromSeries, SeriesBuilder } from "./vector.ts";

/** Samples count up to `lookbackMs` before and after a point. Where there are floats and histograms among them there is no value. */
export function smoothedSeries(labels: Labels, samples: SampleColumns, times: LookTimes, lookbackMs: number, report: HistogramReport): PromSeries | undefined {
  const target = new SeriesBuilder(labels, times.points);
  for (let point = 0; point < times.points; point++) {
    const timeMs = times.startMs + point * times.stepMs;
    const hasFloats = hasSampleNear(samples.timestampsMs, timeMs, lookbackMs);
    const hasHistograms = hasSampleNear(samples.histogramTimesMs, timeMs, lookbackMs);
    if (hasFloats && hasHistograms) report.annotations.mixedFloatsAndHistograms(report.metricName, report.position);
    else if (hasFloats) setFloat(target, point, samples, timeMs, lookbackMs);
    else if (hasHistograms) setHistogram(target, point, samples, timeMs, lookbackMs, report);
  }
  return target.isEmpty ? undefined : target;
}

function hasSampleNear(timestampsMs: Float64Array, timeMs: number, lookbackMs: number): boolean {
  const index = firstFrom(timestampsMs, timeMs - lookbackMs + 1);
  return index < timestampsMs.length && timestampsMs[index] <= timeMs + lookbackMs;
}

/** The first index with a time not before `timeMs`. */
function firstFrom(timestampsMs: Float64Array, timeMs: number): number {
  let low = 0;
  let high = timestampsMs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timestampsMs[middle] >= timeMs) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The samples around a time; undefined where there is none within reach. */
function neighbours(timestampsMs: Float64Array, timeMs: number, lookbackMs: number): { previous: number | undefined; next: number | undefined } {
  const next = firstFrom(timestampsMs, timeMs);
  return {
    previous: next > 0 && timestampsMs[next - 1] > timeMs - lookbackMs ? next - 1 : undefined,
    next: next < timestampsMs.length && timestampsMs[next] <= timeMs + lookbackMs ? next : undefined,
  };
}

function setFloat(target: SeriesBuilder, point: number, { timestampsMs, values }: SampleColumns, timeMs: number, lookbackMs: number): void {
  const { previous, next } = neighbours(timestampsMs, timeMs, lookbackMs);
  if (next !== undefined && timestampsMs[next] === timeMs) target.setFloat(point, values[next]);
  else if (previous === undefined) return;
  else if (next === undefined) target.setFloat(point, values[previous]);
  else target.setFloat(point, interpolate(timestampsMs[previous], values[previous], timestampsMs[next], values[next], timeMs, false));
}

function setHistogram(target: SeriesBuilder, point: number, samples: SampleColumns, timeMs: number, lookbackMs: number, report: HistogramReport): void {
  const { previous, next } = neighbours(samples.histogramTimesMs, timeMs, lookbackMs);
  const sampleAt = (index: number): HistogramSample => ({ timeMs: samples.histogramTimesMs[index], histogram: samples.histograms[index] });
  if (next !== undefined && samples.histogramTimesMs[next] === timeMs) return target.setHistogram(point, samples.histograms[next]);
  if (previous === undefined) return;
  if (next === undefined) return target.setHistogram(point, samples.histograms[previous]);
  const [earlier, later] = [sampleAt(previous), sampleAt(next)];
  if (hasCustomBuckets(earlier.histogram) !== hasCustomBuckets(later.histogram)) return report.annotations.mixedSchemas(report.metricName, report.position);
  const isCounter = earlier.histogram.resetHint !== "gauge" || later.histogram.resetHint !== "gauge";
  const histogram = histogramBetween(report, earlier, later, timeMs, isCounter);
  if (histogram !== undefined) target.setHistogram(point, histogram);
}
