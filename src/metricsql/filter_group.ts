/** Groups of label filters, as in the braces of a selector. A metric name (`__name__=`) is always the first of its group. */
import type { LabelFilter } from "./ast.ts";

type Group = readonly LabelFilter[];

/** A text that is the same for equal filters only. */
export function filterKey(filter: LabelFilter): string {
  return `${filter.name}\0${filter.op}\0${filter.value}`;
}

/** The metric name that a group asks for; "" if it does not. */
export function metricNameOf(group: Group): string {
  return group.length > 0 && isMetricName(group[0]) ? group[0].value : "";
}

/** Whether a filter is `__name__="..."`. */
export function isMetricName(filter: LabelFilter): boolean {
  return filter.name === "__name__" && filter.op === "=";
}

/** The metric name that all groups ask for; "" if they differ or do not. */
export function commonMetricName(groups: readonly Group[]): string {
  const name = groups.length === 0 ? "" : metricNameOf(groups[0]);
  return groups.every((group) => metricNameOf(group) === name) ? name : "";
}

/** Filters without repetitions, the metric name first. */
export function normalizeGroup(filters: Group): LabelFilter[] {
  const unique = [...new Map(filters.map((filter) => [filterKey(filter), filter])).values()];
  const nameIndex = unique.findIndex(isMetricName);
  if (nameIndex > 0) unique.unshift(...unique.splice(nameIndex, 1));
  return unique;
}

/**
 * Groups without repetitions; a group without filters matches everything, so the others do not matter then. If the groups
 * have one metric name between them, it holds for those without a filter on the name as well: `{__name__="m",a="b" or c="d"}`
 * is `m{a="b" or c="d"}`.
 */
export function normalizeGroups(groups: readonly Group[]): LabelFilter[][] {
  const names = new Map(groups.flat().filter((filter) => filter.name === "__name__").map((filter) => [filterKey(filter), filter]));
  const [name] = names.values();
  const isShared = names.size === 1 && isMetricName(name) && name.value !== "";
  const normalized = groups.map((group) => normalizeGroup(isShared ? [name, ...group] : group));
  if (normalized.some((group) => group.length === 0)) return [[]];
  return [...new Map(normalized.map((group) => [group.map(filterKey).join("\0\0"), group])).values()];
}
