/** One call of an aggregate function: its arguments and how series are grouped. */
import { InputError } from "../base/errors.ts";
import { type Labels, metricNameLabel } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";
import type { Grid } from "./grid.ts";
import type { QueryContext } from "./query_context.ts";
import { dropLabels, keepLabels, noLabels, type Series } from "./series.ts";
import type { TransformArgument } from "./transform_function.ts";

export interface Grouping {
  readonly op: "by" | "without";
  readonly labels: readonly string[];
}

export class AggregateCall {
  readonly context: QueryContext;
  readonly grid: Grid;
  readonly name: string;
  /** The arguments; the one with the series is empty for functions that take them group by group. */
  readonly args: readonly TransformArgument[];
  /** The labels that are left of a series in its group. */
  readonly groupLabels: (labels: Labels) => Labels;
  /** What series are ranked by that have lost points since. */
  readonly ranks = new Map<Series, number>();

  constructor(options: Pick<AggregateCall, "context" | "grid" | "name" | "args" | "groupLabels">) {
    this.context = options.context;
    this.grid = options.grid;
    this.name = options.name;
    this.args = options.args;
    this.groupLabels = options.groupLabels;
  }

  /** The column of an argument that has to be one series. */
  scalar(index: number): Column {
    const { vector } = this.args[index];
    if (vector.length !== 1) throw new InputError("bad_arguments", `${this.name}() needs a single series as argument ${index + 1}, found ${vector.length}`);
    return vector[0].values;
  }

  text(index: number): string {
    const { text } = this.args[index];
    if (text === undefined) throw new InputError("bad_arguments", `${this.name}() needs a string as argument ${index + 1}`);
    return text;
  }
}

/** What is left of labels in a group; `without` drops the metric name too. */
export function compileGrouping(grouping: Grouping): (labels: Labels) => Labels {
  if (grouping.op === "without") {
    const dropped = new Set([...grouping.labels, metricNameLabel]);
    return (labels) => dropLabels(labels, dropped);
  }
  if (grouping.labels.length === 0) return () => noLabels;
  const kept = new Set(grouping.labels);
  return (labels) => keepLabels(labels, kept);
}
