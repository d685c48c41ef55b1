/** The order of the series of an answer: by metric name, then by the other labels, and no label set twice. */
import { InputError } from "../base/errors.ts";
import { type LabelTable, labelTableOf, orderLabelTable, reorderLabelTable } from "../model/label_table.ts";
import { printLabels, type Series } from "./series.ts";

export interface OrderedSeries {
  readonly series: readonly Series[];
  /** Their labels. */
  readonly table: LabelTable;
}

/** The series in the order of the answer; as they are if the query has ordered them. Throws InputError if one occurs twice. */
export function orderSeries(series: readonly Series[], isOrdered: boolean): OrderedSeries {
  const table = labelTableOf(series.map(({ labels }) => labels));
  if (series.length < 2) return { series, table };
  const { order, repeated } = orderLabelTable(table, true);
  if (repeated >= 0) throw new InputError("duplicate_series", `the answer has several series with the labels ${printLabels(series[order[repeated]].labels)}`);
  if (isOrdered) return { series, table };
  return { series: Array.from(order, (position) => series[position]), table: reorderLabelTable(table, order) };
}
