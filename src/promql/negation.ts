/** The minus in front of an expression. */
import { negateHistogram } from "../model/histogram_arithmetic.ts";
import type { PromContext } from "./context.ts";
import { mergeNameless, namelessLabels } from "./series_labels.ts";
import type { PromSeries, PromValue } from "./vector.ts";

export function negated(context: PromContext, value: PromValue): PromValue {
  if (value.kind === "scalar") return { kind: "scalar", values: value.values.map((number) => -number) };
  if (value.kind === "string") return value;
  const all = value.series.map((series): PromSeries => ({
    ...series,
    labels: namelessLabels(context, series.labels),
    values: series.values.map((number) => -number),
    histograms: series.histograms?.map((histogram) => (histogram === undefined ? undefined : negateHistogram(histogram))),
    dropsName: true,
  }));
  context.countColumns(all.length, all[0]?.values.length ?? 0);
  return { kind: "vector", series: context.delaysNameRemoval ? all : mergeNameless(value.series, all) };
}
