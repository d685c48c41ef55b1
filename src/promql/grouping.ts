/** Series of an aggregation by the group they fall into. */
import type { AggregateExpr } from "../metricsql/ast.ts";
import { type Labels, metricNameLabel } from "../model/labels.ts";
import { dropLabels, keepLabels, labelsKey } from "../query/series.ts";
import type { PromSeries } from "./vector.ts";

export interface SeriesGroup {
  readonly labels: Labels;
  readonly series: PromSeries[];
}

/** Groups in the order of their first series, members in the order of the input. */
export function groupSeries(grouping: AggregateExpr["grouping"], all: readonly PromSeries[]): SeriesGroup[] {
  const labelsOf = groupLabels(grouping);
  const groups = new Map<string, SeriesGroup>();
  for (const series of all) {
    const labels = labelsOf(series.labels);
    const key = labelsKey(labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, series: [series] });
    else group.series.push(series);
  }
  return [...groups.values()];
}

/** What is left of a series' labels in its group. */
export function groupLabels(grouping: AggregateExpr["grouping"]): (labels: Labels) => Labels {
  if (grouping === undefined || (grouping.op === "by" && grouping.labels.length === 0)) return () => [];
  if (grouping.op === "by") {
    const kept = new Set(grouping.labels);
    return (labels) => keepLabels(labels, kept);
  }
  const dropped = new Set([metricNameLabel, ...grouping.labels]);
  return (labels) => dropLabels(labels, dropped);
}
