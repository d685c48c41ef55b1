/**
 * Filters from what one side of a binary operation has turned out to be: where all of its series have a label, and with few values, the other side is
 * read with these values only.
 */
import type { LabelFilter } from "../metricsql/ast.ts";
import { metricNameLabel } from "../model/labels.ts";
import type { Series } from "./series.ts";

/** A label with more values is no filter. */
const valuesMax = 100;
/** More series than this are not looked through: the other side is read about as fast. */
const seriesMax = 10_000;

/** Filters that every series passes, without one on the metric name. */
export function commonFilters(series: readonly Series[]): LabelFilter[] {
  if (series.length === 0 || series.length > seriesMax) return [];
  const found = new Map<string, { readonly values: Set<string>; count: number }>();
  for (const { name } of series[0].labels) if (name !== metricNameLabel && name !== "") found.set(name, { values: new Set(), count: 0 });
  for (const { labels } of series) {
    for (const { name, value } of labels) {
      const one = found.get(name);
      if (one === undefined) continue;
      one.count++;
      one.values.add(value);
      if (one.values.size > valuesMax) found.delete(name);
    }
    if (found.size === 0) return [];
  }
  return [...found].filter(([, { count }]) => count === series.length).map(([name, { values }]) => filterOf(name, [...values].sort()));
}

function filterOf(name: string, values: readonly string[]): LabelFilter {
  if (values.length === 1) return { name, op: "=", value: values[0] };
  return { name, op: "=~", value: values.map(escaped).join("|") };
}

/** The text as a regular expression that matches only it. */
function escaped(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}
