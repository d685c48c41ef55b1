/** Aggregates across series: streaming into one accumulator per group, or over the collected series of each group. */
import { assert } from "../base/assert.ts";
import { AggregateCall, compileGrouping } from "./aggregate_call.ts";
import type { Accumulator } from "./aggregate_functions.ts";
import { argumentsOf } from "./transform_operator.ts";
import type { Column } from "./column_pool.ts";
import type { CompiledInput } from "./compiled_input.ts";
import type { Grid } from "./grid.ts";
import { BlockingOperator, collect, type Operator } from "./operator.ts";
import type { AggregatePlan } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import { labelsKey, type Series } from "./series.ts";
import type { Labels } from "../model/labels.ts";

interface AggregateOptions {
  readonly context: QueryContext;
  readonly grid: Grid;
  readonly plan: AggregatePlan;
  readonly inputs: readonly CompiledInput[];
}

/** Holds one column per state and group; input columns go back to the pool at once. */
export class StreamingAggregateOperator extends BlockingOperator {
  readonly #options: AggregateOptions;
  readonly #accumulator: Accumulator;
  readonly #groups = new Map<string, { labels: Labels; states: Column[] }>();
  readonly #groupLabels: (labels: Labels) => Labels;

  constructor(options: AggregateOptions & { accumulator: Accumulator }) {
    super();
    this.#options = options;
    this.#accumulator = options.accumulator;
    this.#groupLabels = compileGrouping(options.plan.grouping);
  }

  protected async evaluate(): Promise<readonly Series[]> {
    for (const input of this.#options.inputs) await this.#take(input.operator);
    const { context } = this.#options;
    return [...this.#groups.values()].map(({ labels, states }) => {
      const values = this.#accumulator.finish(context, states);
      for (const state of states) if (state !== values) context.columns.release(state);
      return { labels, values };
    });
  }

  async #take(operator: Operator): Promise<void> {
    const { context, grid } = this.#options;
    const add = context.kernels[this.#accumulator.add];
    for (;;) {
      const batch = await operator.next();
      if (batch === undefined) return;
      for (const { labels, values } of batch) {
        const states = context.isEmpty(values) ? undefined : this.#statesOf(labels);
        if (states !== undefined) add(values.byteOffset, grid.points, states[0].byteOffset, states[1]?.byteOffset ?? 0, states[2]?.byteOffset ?? 0);
        context.columns.release(values);
      }
    }
  }

  /** The accumulators of the group of `labels`; undefined for groups beyond the limit. */
  #statesOf(labels: Labels): readonly Column[] | undefined {
    const { context, grid, plan } = this.#options;
    const groupLabels = this.#groupLabels(labels);
    const key = labelsKey(groupLabels);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (plan.limit > 0 && this.#groups.size >= plan.limit) return undefined;
      group = { labels: groupLabels, states: this.#accumulator.begin.map((value) => context.filled(grid, value)) };
      this.#groups.set(key, group);
    }
    return group.states;
  }
}

/** Collects everything, then evaluates group by group. */
export class GroupedAggregateOperator extends BlockingOperator {
  readonly #options: AggregateOptions;

  constructor(options: AggregateOptions) {
    super();
    this.#options = options;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { context, grid, plan, inputs } = this.#options;
    const evaluate = plan.function.evaluate;
    assert(evaluate !== undefined);
    const { seriesArg } = plan.function;
    const isSeries = (index: number): boolean => seriesArg === "all" || index === (seriesArg === "last" ? inputs.length - 1 : seriesArg);
    const args = await argumentsOf(inputs.filter((_, i) => !isSeries(i)));
    const all: Series[] = [];
    for (const input of inputs.filter((_, i) => isSeries(i))) all.push(...(await collect(input.operator)));
    const groupLabels = compileGrouping(groupingOf(plan, args.find((arg) => arg.text !== undefined)?.text));
    // The scalar arguments keep their positions; the places of the series are empty.
    let next = 0;
    const placed = inputs.map((_, i) => (isSeries(i) ? { vector: [], text: undefined } : args[next++]));
    const call = new AggregateCall({ context, grid, name: plan.name, args: placed, groupLabels });
    const limit = plan.name === "any" ? Math.min(plan.limit, 1) : plan.limit;
    return groupSeries(context, all, groupLabels, limit).flatMap((group) => evaluate(call, group.series, group.labels));
  }
}

/** count_values() makes the label anew, so it does not group by it. */
function groupingOf(plan: AggregatePlan, label: string | undefined): AggregatePlan["grouping"] {
  if (plan.name !== "count_values" || label === undefined) return plan.grouping;
  const others = plan.grouping.labels.filter((name) => name !== label);
  return plan.grouping.op === "by" ? { op: "by", labels: others } : { op: "without", labels: [...others, label] };
}

/** Groups in the order of their first series; series without values are left out. */
function groupSeries(
  context: QueryContext, all: readonly Series[], groupLabels: (labels: Labels) => Labels, limit: number,
): { labels: Labels; series: Series[] }[] {
  const groups = new Map<string, { labels: Labels; series: Series[] }>();
  for (const series of all) {
    if (context.isEmpty(series.values)) continue;
    const labels = groupLabels(series.labels);
    const key = labelsKey(labels);
    const group = groups.get(key);
    if (group !== undefined) group.series.push(series);
    else if (limit === 0 || groups.size < limit) groups.set(key, { labels, series: [series] });
  }
  return [...groups.values()];
}
