/** The condition `if` of a rule: series selectors of MetricsQL, of which one has to match. */
import { parseSelector } from "../metricsql/parser.ts";
import { compileMatcher } from "../model/regexp.ts";
import type { LabelMap } from "./replacement_template.ts";

export type SeriesFilter = (labels: LabelMap) => boolean;

/** Throws InputError for a text that is not a selector. */
export function compileSeriesFilter(selectors: readonly string[]): SeriesFilter {
  const groups = selectors.flatMap((text) => parseSelector(text).groups)
    .map((group) => group.map(({ name, op, value }) => ({ name, matches: compileMatcher(op, value) })));
  return (labels) => groups.some((group) => group.every(({ name, matches }) => matches(labels.get(name) ?? "")));
}
