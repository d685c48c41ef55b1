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
  const name = sharedMetricName(groups);
  const normalized = groups.map((group) => normalizeGroup(name === undefined ? group : [name, ...group]));
  if (normalized.some((group) => group.length === 0)) return [[]];
  return [...new Map(normalized.map((group) => [group.map(filterKey).join("\0\0"), group])).values()];
}

/**
 * Groups that mean the same when they are printed and read again. Those without a filter on the name, of groups that
 * normalizeGroups would give the name of the others, get one that every series passes.
 */
export function withSeparateNames(groups: readonly Group[]): readonly Group[] {
  if (sharedMetricName(groups) === undefined) return groups;
  return groups.map((group) => (group.some(isNameFilter) ? group : [...group, { name: "__name__", op: "!=", value: "" }]));
}

/** The one metric name that groups have between them, if there are no other filters on the name. */
function sharedMetricName(groups: readonly Group[]): LabelFilter | undefined {
  const filters = new Map(groups.flat().filter(isNameFilter).map((filter) => [filterKey(filter), filter]));
  const [name] = filters.values();
  return filters.size === 1 && isMetricName(name) && name.value !== "" ? name : undefined;
}

function isNameFilter(filter: LabelFilter): boolean {
  return filter.name === "__name__";
}
