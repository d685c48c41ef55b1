/** Aggregates across series: streaming into one accumulator per group, or over the collected series of each group. */
import { assert } from "../base/assert.ts";
import { AggregateCall, compileGrouping } from "./aggregate_call.ts";
import type { Accumulator, AggregateFunction } from "./aggregate_functions.ts";
import { argumentsOf } from "./transform_operator.ts";
import type { Column } from "./column_pool.ts";
import type { CompiledInput } from "./compiled_input.ts";
import type { Grid } from "./grid.ts";
import { LabelGroups } from "./label_groups.ts";
import { BlockingOperator, type ColumnSink, type Operator } from "./operator.ts";
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

/** Holds one column per state and group. Inputs that can feed columns make no series; columns of the others go back to the pool at once. */
export class StreamingAggregateOperator extends BlockingOperator {
  readonly #options: AggregateOptions;
  readonly #accumulator: Accumulator;
  readonly #groups: LabelGroups;
  /** Of each group. */
  readonly #states: Column[][] = [];
  /** Addresses of the states, three for each group. */
  #pointers = new Uint32Array(3 * 64);

  constructor(options: AggregateOptions & { accumulator: Accumulator }) {
    super();
    this.#options = options;
    this.#accumulator = options.accumulator;
    this.#groups = new LabelGroups(options.plan.grouping, options.plan.limit);
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { context, grid, inputs } = this.#options;
    const add = context.kernels[this.#accumulator.add];
    const { points } = grid;
    const sink: ColumnSink = {
      groups: this.#groups,
      add: (group, column) => {
        if (group >= this.#states.length) this.#addGroup();
        const at = group * 3;
        add(column, points, this.#pointers[at], this.#pointers[at + 1], this.#pointers[at + 2]);
      },
    };
    for (const { operator } of inputs) if ((await operator.feed?.(sink)) !== true) await this.#take(operator, sink);
    return this.#states.map((states, group) => {
      const values = this.#accumulator.finish(context, states);
      for (const state of states) if (state !== values) context.columns.release(state);
      return { labels: this.#groups.labels[group], values };
    });
  }

  async #take(operator: Operator, sink: ColumnSink): Promise<void> {
    const { context } = this.#options;
    for (;;) {
      const batch = await operator.next();
      if (batch === undefined) return;
      for (const { labels, values } of batch) {
        const group = context.isEmpty(values) ? -1 : this.#groups.groupOf(labels);
        if (group >= 0) sink.add(group, values.byteOffset);
        context.columns.release(values);
      }
    }
  }

  /** Makes the states of the next group; groups are numbered in the order in which they appear. */
  #addGroup(): void {
    const { context, grid } = this.#options;
    const states = this.#accumulator.begin.map((value) => context.filled(grid, value));
    const at = this.#states.length * 3;
    if (at === this.#pointers.length) {
      const pointers = new Uint32Array(at * 2);
      pointers.set(this.#pointers);
      this.#pointers = pointers;
    }
    for (let i = 0; i < states.length; i++) this.#pointers[at + i] = states[i].byteOffset;
    this.#states.push(states);
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
    const groupLabels = compileGrouping(groupingOf(plan, args.find((arg) => arg.text !== undefined)?.text));
    // The scalar arguments keep their positions; the places of the series are empty.
    let next = 0;
    const placed = inputs.map((_, i) => (isSeries(i) ? { vector: [], text: undefined } : args[next++]));
    const call = new AggregateCall({ context, grid, name: plan.name, args: placed, groupLabels });
    const gathering = new SeriesGathering(call, plan);
    for (const { operator } of inputs.filter((_, i) => isSeries(i))) {
      for (let batch = await operator.next(); batch !== undefined; batch = await operator.next()) gathering.add(batch);
    }
    const result: Series[] = [];
    for (const { series, labels } of gathering.groups()) {
      await context.pause();
      for (const made of evaluate(call, series, labels)) result.push(made);
    }
    return result;
  }
}

interface SeriesGroup {
  readonly labels: Labels;
  series: Series[];
  /** So many series are looked through for those that cannot matter any more. */
  condensedAt: number;
}

/** From so many series on, and whenever there are twice as many as were left the last time. */
const condensedMin = 256;

/** Groups in the order of their first series; series without values are left out, and those that can no longer be in the result. */
class SeriesGathering {
  readonly #call: AggregateCall;
  readonly #condense: AggregateFunction["condense"];
  readonly #limit: number;
  readonly #groups = new Map<string, SeriesGroup>();

  constructor(call: AggregateCall, plan: AggregatePlan) {
    this.#call = call;
    this.#condense = plan.function.condense;
    this.#limit = plan.name === "any" ? Math.min(plan.limit, 1) : plan.limit;
  }

  add(batch: readonly Series[]): void {
    const { context, groupLabels } = this.#call;
    for (const series of batch) {
      const group = context.isEmpty(series.values) ? undefined : this.#groupOf(groupLabels(series.labels));
      if (group === undefined) {
        context.columns.release(series.values);
        continue;
      }
      group.series.push(series);
      if (this.#condense !== undefined && group.series.length >= group.condensedAt) this.#shrink(group, this.#condense);
    }
  }

  groups(): Iterable<SeriesGroup> {
    return this.#groups.values();
  }

  /** undefined for groups beyond the limit. */
  #groupOf(labels: Labels): SeriesGroup | undefined {
    const key = labelsKey(labels);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    if (this.#limit > 0 && this.#groups.size >= this.#limit) return undefined;
    const group = { labels, series: [], condensedAt: condensedMin };
    this.#groups.set(key, group);
    return group;
  }

  #shrink(group: SeriesGroup, condense: (call: AggregateCall, series: readonly Series[]) => ReadonlySet<Series>): void {
    const left = condense(this.#call, group.series);
    for (const series of group.series) if (!left.has(series)) this.#call.context.columns.release(series.values);
    group.series = group.series.filter((series) => left.has(series));
    group.condensedAt = Math.max(condensedMin, group.series.length * 2);
  }
}

/** count_values() makes the label anew, so it does not group by it. */
function groupingOf(plan: AggregatePlan, label: string | undefined): AggregatePlan["grouping"] {
  if (plan.name !== "count_values" || label === undefined) return plan.grouping;
  const others = plan.grouping.labels.filter((name) => name !== label);
  return plan.grouping.op === "by" ? { op: "by", labels: others } : { op: "without", labels: [...others, label] };
}
