/** Aggregates that make one series of each group, taking their input series by series. */
import type { Labels } from "../model/labels.ts";
import { labelsKey } from "../query/series.ts";
import { type Accumulator, accumulators, type AggregateCall } from "./accumulators.ts";
import { placeOf } from "./expression.ts";
import { groupLabels } from "./grouping.ts";
import { type PromSeries, SeriesBuilder } from "./vector.ts";

/** Whether an aggregate can take its input series by series. */
export function takesSeriesOneByOne(name: string): boolean {
  return Object.hasOwn(accumulators, name);
}

interface Group {
  readonly target: SeriesBuilder;
  readonly accumulator: Accumulator;
}

/** An aggregate while it takes its input. Groups are in the order of their first series. */
export class Aggregation {
  readonly #call: AggregateCall;
  readonly #groups = new Map<string, Group>();
  readonly #labelsOf: (labels: Labels) => Labels;

  /** REQUIRES: takesSeriesOneByOne(call.expr.name). */
  constructor(call: AggregateCall) {
    this.#call = call;
    this.#labelsOf = groupLabels(call.expr.grouping);
    if (call.expr.name === "quantile") checkQuantiles(call);
  }

  /** Adds a series; its columns are not held, unless it has histograms. */
  add(series: PromSeries): void {
    const labels = this.#labelsOf(series.labels);
    const key = labelsKey(labels);
    let group = this.#groups.get(key);
    if (group === undefined) {
      this.#call.context.countColumns(1, this.#call.points);
      const target = new SeriesBuilder(labels, this.#call.points);
      group = { target, accumulator: accumulators[this.#call.expr.name](this.#call, target) };
      this.#groups.set(key, group);
    }
    if (series.dropsName) group.target.dropsName = true;
    group.accumulator.add(series);
  }

  /** The series of the groups, empty ones left out. */
  finish(): PromSeries[] {
    const result: PromSeries[] = [];
    for (const { target, accumulator } of this.#groups.values()) {
      accumulator.finish();
      if (!target.isEmpty) result.push(target);
    }
    return result;
  }
}

function checkQuantiles({ parameter, context, expr }: AggregateCall): void {
  const position = placeOf(expr.args[0]);
  let [low, high] = [Infinity, -Infinity];
  for (const phi of parameter ?? []) {
    if (phi < low) low = phi;
    if (phi > high) high = phi;
  }
  if (parameter?.some(Number.isNaN) === true) context.annotations.invalidQuantile(NaN, position);
  if (high > 1) context.annotations.invalidQuantile(high, position);
  if (low < 0) context.annotations.invalidQuantile(low, position);
}
