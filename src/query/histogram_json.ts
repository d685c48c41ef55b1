/** Native histograms in the JSON of the Prometheus API: {"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}. */
import { apiBuckets, type FloatHistogram } from "../model/native_histogram.ts";
import type { QueryResult, ResultSeries } from "./result.ts";

export function histogramJson(histogram: FloatHistogram): string {
  const buckets = apiBuckets(histogram).map(([rule, lower, upper, count]) => `[${rule},"${printFloat(lower)}","${printFloat(upper)}","${printFloat(count)}"]`);
  const tail = buckets.length === 0 ? "" : `,"buckets":[${buckets.join(",")}]`;
  return `{"count":"${printFloat(histogram.count)}","sum":"${printFloat(histogram.sum)}"${tail}}`;
}

/** `,"histograms":[[t,{...}],...]` of a series in a matrix; nothing if it has none. */
export function histogramPointsJson(result: QueryResult, series: ResultSeries): string {
  const points: string[] = [];
  const { present, histograms, rawHistograms } = series;
  histograms?.forEach((histogram, point) => {
    if (histogram !== undefined && present?.[point] === 2) points.push(`[${result.timestampsMs[point] / 1000},${histogramJson(histogram)}]`);
  });
  rawHistograms?.histograms.forEach((histogram, i) => points.push(`[${rawHistograms.timestampsMs[i] / 1000},${histogramJson(histogram)}]`));
  return points.length === 0 ? "" : `,"histograms":[${points.join(",")}]`;
}

/** Numbers in strings, with the names that Prometheus gives to those that JSON has not. */
function printFloat(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
