/** count_values: how many series of a group have the same value. */
import { InputError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";
import { labelsKey, setLabel } from "../query/series.ts";
import type { AggregateCall } from "./accumulators.ts";
import { formatPlain } from "./go_format.ts";
import { groupLabels } from "./grouping.ts";
import { printHistogram } from "./histogram_text.ts";
import { histogramAt, noPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

/** One series per group and value, with the value as label `name`. */
export function countValues(call: AggregateCall, name: string, all: readonly PromSeries[]): PromSeries[] {
  if (name === "" || !name.isWellFormed() || name.includes("\ufffd")) throw new InputError("bad_argument", `invalid label name ${name}`);
  const { grouping } = call.expr;
  const labelsOf = groupLabels(grouping?.op === "without" ? grouping : { op: "by", labels: [...(grouping?.labels ?? []), name] });
  const counts = new Map<string, SeriesBuilder>();
  for (const series of all) {
    const byValue = new Map<string, SeriesBuilder>();
    for (let point = 0; point < call.points; point++) {
      if (series.present[point] === noPoint) continue;
      const histogram = histogramAt(series, point);
      const text = histogram === undefined ? formatPlain(series.values[point]) : printHistogram(histogram);
      let target = byValue.get(text);
      if (target === undefined) {
        const labels = labelsOf(setLabel(series.labels, name, text));
        const key = labelsKey(labels);
        target = counts.get(key) ?? newColumn(call, labels);
        counts.set(key, target);
        byValue.set(text, target);
      }
      target.setFloat(point, target.values[point] + 1);
    }
  }
  return [...counts.values()];
}

function newColumn(call: AggregateCall, labels: Labels): SeriesBuilder {
  call.context.countColumns(1, call.points);
  return new SeriesBuilder(labels, call.points);
}
