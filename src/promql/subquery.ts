/** The points of an expression as samples, which is what a subquery is. */
import { withResetHint } from "../model/histogram_arithmetic.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { Grid } from "../query/grid.ts";
import type { SampleColumns } from "./samples.ts";
import { floatPoint, histogramAt, noPoint, type PromSeries } from "./vector.ts";

export function subquerySamples(series: PromSeries, grid: Grid): SampleColumns {
  const timestampsMs = new Float64Array(grid.points);
  const values = new Float64Array(grid.points);
  const histogramTimesMs: number[] = [];
  const histograms: FloatHistogram[] = [];
  let count = 0;
  for (let point = 0; point < grid.points; point++) {
    if (series.present[point] === noPoint) continue;
    const timeMs = grid.startMs + point * grid.stepMs;
    const histogram = histogramAt(series, point);
    if (series.present[point] === floatPoint) {
      timestampsMs[count] = timeMs;
      values[count++] = series.values[point];
    } else if (histogram !== undefined) {
      histogramTimesMs.push(timeMs);
      histograms.push(withoutClaim(histogram));
    }
  }
  return { timestampsMs: timestampsMs.subarray(0, count), values: values.subarray(0, count), histogramTimesMs: Float64Array.from(histogramTimesMs), histograms };
}

/** What a histogram says of the one before it is not true of the one before it in a subquery. */
function withoutClaim(histogram: FloatHistogram): FloatHistogram {
  return histogram.resetHint === "gauge" ? histogram : withResetHint(histogram, "unknown");
}
