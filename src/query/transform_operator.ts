/** Runs a transform function over its collected arguments; and the operator of constants. */
import type { CompiledInput } from "./compiled_input.ts";
import type { Column } from "./column_pool.ts";
import type { Grid } from "./grid.ts";
import { BlockingOperator, collect } from "./operator.ts";
import type { TransformPlan } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import { noLabels, type Series } from "./series.ts";
import { type TransformArgument, TransformCall } from "./transform_function.ts";
import type { Labels } from "../model/labels.ts";

/** Collects all arguments; strings have no series. */
export async function argumentsOf(inputs: readonly CompiledInput[]): Promise<TransformArgument[]> {
  const args: TransformArgument[] = [];
  for (const { operator, text } of inputs) args.push({ vector: text === undefined ? await collect(operator) : [], text });
  return args;
}

export class TransformOperator extends BlockingOperator {
  readonly #context: QueryContext;
  readonly #grid: Grid;
  readonly #plan: TransformPlan;
  readonly #inputs: readonly CompiledInput[];

  constructor(context: QueryContext, grid: Grid, plan: TransformPlan, inputs: readonly CompiledInput[]) {
    super();
    this.#context = context;
    this.#grid = grid;
    this.#plan = plan;
    this.#inputs = inputs;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { name, keepsMetricName, equalLabels } = this.#plan;
    const args = await argumentsOf(this.#inputs);
    this.#context.signal?.throwIfAborted();
    return this.#plan.function.evaluate(new TransformCall({ context: this.#context, grid: this.#grid, name, args, keepsMetricName, equalLabels }));
  }
}

/** One series with the same value at all points. */
export class ConstantOperator extends BlockingOperator {
  readonly #column: () => Column;
  readonly #labels: Labels;

  constructor(context: QueryContext, grid: Grid, value: number, labels: Labels = noLabels) {
    super();
    this.#column = () => context.filled(grid, value);
    this.#labels = labels;
  }

  protected evaluate(): readonly Series[] {
    return [{ labels: this.#labels, values: this.#column() }];
  }
}
