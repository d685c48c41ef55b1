/** Logical plan to operators on a grid. Offsets, @ and subqueries change the grid of what is below them. */
import { InputError } from "../base/errors.ts";
import { durationMs } from "../metricsql/duration.ts";
import type { LabelFilter } from "../metricsql/ast.ts";
import { metricNameLabel } from "../model/labels.ts";
import { GroupedAggregateOperator, StreamingAggregateOperator } from "./aggregate_operator.ts";
import { BinaryOperation } from "./binary_operator.ts";
import { cacheablePlan } from "./cacheable_plan.ts";
import { CachedOperator } from "./cached_operator.ts";
import type { Column } from "./column_pool.ts";
import type { CompiledInput } from "./compiled_input.ts";
import { type Grid, shiftedGrid } from "./grid.ts";
import { BlockingOperator, collect, type ColumnSink, type Operator } from "./operator.ts";
import type { AggregatePlan, BinaryPlan, Plan, RollupPlan } from "./plan.ts";
import { planNarrowed } from "./planner.ts";
import type { QueryContext } from "./query_context.ts";
import { type RollupCall, SelectorRollupOperator, silenceMsOf, subqueryGrid, SubqueryRollupOperator } from "./rollup_operator.ts";
import type { Series } from "./series.ts";
import type { SampleWatch } from "./sample_watch.ts";
import { traceOperator } from "./traced_operator.ts";
import { SharedOperator } from "./shared_operator.ts";
import { ConstantOperator, TransformOperator } from "./transform_operator.ts";

/** `watch` is told of the samples that are read, for a result that is to be kept. */
export function compilePlan(context: QueryContext, grid: Grid, plan: Plan, watch?: SampleWatch): Operator {
  const { trace } = context;
  const isTraced = trace !== undefined && plan.kind !== "constant" && plan.kind !== "duration" && plan.kind !== "string";
  return isTraced ? traceOperator(context, trace, { plan, grid }, () => compileStage(context, grid, plan, watch)) : compileStage(context, grid, plan, watch);
}

function compileStage(context: QueryContext, grid: Grid, plan: Plan, watch: SampleWatch | undefined): Operator {
  // What is watched is the inside of something that may be shared.
  const isShared = watch === undefined && (plan.kind === "rollup" || plan.kind === "aggregate") && plan.uses !== undefined;
  return isShared ? new SharedOperator(context, grid, plan, () => compileOnce(context, grid, plan, watch)) : compileOnce(context, grid, plan, watch);
}

function compileOnce(context: QueryContext, grid: Grid, plan: Plan, watch: SampleWatch | undefined): Operator {
  const cached = watch === undefined ? compileCached(context, grid, plan) : undefined;
  if (cached !== undefined) return cached;
  switch (plan.kind) {
    case "constant":
      return new ConstantOperator(context, grid, plan.value);
    case "duration":
      return new ConstantOperator(context, grid, durationMs(plan.duration, grid.stepMs) / 1000);
    case "string":
      return new ConstantOperator(context, grid, NaN, plan.value === "" ? [] : [{ name: metricNameLabel, value: plan.value }]);
    case "rollup":
      return new RollupStage(context, grid, plan, watch);
    case "transform":
      return new TransformOperator(context, grid, plan, plan.args.map((arg) => compileInput(context, grid, arg)));
    case "aggregate":
      return compileAggregate(context, grid, plan, watch);
    case "binary":
      return new BinaryOperation(context, grid, plan.expr, (side, filters) => compileOperand(context, grid, plan, side, filters));
  }
}

/** The largest parts of a plan that earlier results can be used for. */
function compileCached(context: QueryContext, grid: Grid, plan: Plan): Operator | undefined {
  const place = context.resultPlace;
  if (place?.grid !== grid) return undefined;
  const cacheable = cacheablePlan(plan, grid.stepMs);
  if (cacheable === undefined) return undefined;
  return new CachedOperator({ context, place, plan: cacheable, silenceMs: silenceMsOf(context), compile: (part, watch) => compilePlan(context, part, plan, watch) });
}

/** One side of a binary operation. A result that others use too is not narrowed. */
function compileOperand(context: QueryContext, grid: Grid, plan: BinaryPlan, side: "left" | "right", filters: readonly LabelFilter[]): Operator {
  const operand = plan[side];
  const isShared = (operand.kind === "rollup" || operand.kind === "aggregate") && operand.uses !== undefined;
  const narrowed = filters.length === 0 || isShared ? undefined : planNarrowed(plan.expr[side], filters);
  return compilePlan(context, grid, narrowed ?? operand);
}

function compileInput(context: QueryContext, grid: Grid, plan: Plan, watch?: SampleWatch): CompiledInput {
  return { operator: compilePlan(context, grid, plan, watch), text: plan.kind === "string" ? plan.value : undefined };
}

function compileAggregate(context: QueryContext, grid: Grid, plan: AggregatePlan, watch: SampleWatch | undefined): Operator {
  const inputs = plan.args.map((arg) => compileInput(context, grid, arg, watch));
  const { accumulator } = plan.function;
  if (accumulator === undefined) return new GroupedAggregateOperator({ context, grid, plan, inputs });
  return new StreamingAggregateOperator({ context, grid, plan, inputs, accumulator });
}

/**
 * A rollup on the grid that its offset and @ lead to. Arguments, and the time after @, are computed when the first series are asked for;
 * the result of @ is one point, which is put on all points of the outer grid.
 */
class RollupStage implements Operator {
  readonly #context: QueryContext;
  readonly #grid: Grid;
  readonly #plan: RollupPlan;
  readonly #watch: SampleWatch | undefined;
  #running: Operator | undefined;

  constructor(context: QueryContext, grid: Grid, plan: RollupPlan, watch: SampleWatch | undefined) {
    this.#watch = watch;
    this.#context = context;
    this.#grid = grid;
    this.#plan = plan;
  }

  async next(): Promise<readonly Series[] | undefined> {
    this.#running ??= await this.#start();
    const batch = await this.#running.next();
    return this.#plan.at === undefined || batch === undefined ? batch : batch.map((series) => this.#spread(series));
  }

  async feed(sink: ColumnSink): Promise<boolean> {
    if (this.#plan.at !== undefined) return false;
    this.#running ??= await this.#start();
    return (await this.#running.feed?.(sink)) === true;
  }

  async #start(): Promise<Operator> {
    const plan = this.#plan;
    // Arguments belong to the points of the query, wherever the samples are taken from.
    const grid = await this.#innerGrid();
    const args = await this.#columns(plan.args, grid);
    const outputArgs = await this.#columns(plan.outputs.map((output) => output.argument), grid);
    const windowMs = plan.window === undefined ? 0 : durationMs(plan.window, grid.stepMs);
    if (windowMs < 0) throw new InputError("bad_window", `a window must not be negative, found ${plan.window?.text}`, { offset: plan.window?.position ?? 0 });
    const call: RollupCall = { plan, grid, windowMs, args: args.map((column) => column ?? this.#context.filled(grid, NaN)), outputArgs, watch: this.#watch };
    const operator = this.#rollup(call);
    return plan.function.isAbsent === true ? new AbsentOperator(this.#context, call, operator) : operator;
  }

  #rollup(call: RollupCall): Operator {
    const { source } = call.plan;
    if (source.kind === "selector") {
      if (source.selector.length === 0) return new ConstantOperator(this.#context, call.grid, NaN);
      return new SelectorRollupOperator(this.#context, call, source);
    }
    const stepMs = source.step === undefined ? call.grid.stepMs : durationMs(source.step, call.grid.stepMs);
    if (stepMs < 0) throw new InputError("bad_step", `the step of a subquery must not be negative, found ${source.step?.text}`, { offset: source.step?.position ?? 0 });
    const grid = subqueryGrid(this.#context, call.grid, call.windowMs, stepMs === 0 ? call.grid.stepMs : stepMs);
    return new SubqueryRollupOperator(this.#context, call, compilePlan(this.#context, grid, source.inner), grid);
  }

  async #innerGrid(): Promise<Grid> {
    const { at, offset, function: row } = this.#plan;
    let grid = at === undefined ? this.#grid : { startMs: await this.#atMs(at), stepMs: this.#grid.stepMs, points: 1 };
    if (offset !== undefined) grid = shiftedGrid(grid, -durationMs(offset, this.#grid.stepMs));
    return row.shiftsByStep === true ? shiftedGrid(grid, grid.stepMs) : grid;
  }

  /** The time after @: the first value of the one series that the expression gives. */
  async #atMs(at: Plan): Promise<number> {
    const found = await collect(compilePlan(this.#context, this.#grid, at));
    if (found.length !== 1) throw new InputError("bad_at", `@ needs a single series, found ${found.length}`);
    const value = found[0].values.find((v) => !Number.isNaN(v));
    if (value === undefined) throw new InputError("bad_at", "@ needs a time, found no value");
    return Math.trunc(value * 1000);
  }

  /** The columns of arguments that have to be one series each. */
  async #columns(plans: readonly (Plan | undefined)[], grid: Grid): Promise<(Column | undefined)[]> {
    const columns: (Column | undefined)[] = [];
    for (const plan of plans) {
      if (plan === undefined) {
        columns.push(undefined);
        continue;
      }
      const found = await collect(compilePlan(this.#context, this.#grid, plan));
      if (found.length !== 1) throw new InputError("bad_arguments", `${this.#plan.name}() needs single series as arguments, found ${found.length}`);
      columns.push(found[0].values.length >= grid.points ? found[0].values : this.#context.filled(grid, found[0].values[0]));
    }
    return columns;
  }

  #spread({ labels, values }: Series): Series {
    const column = this.#context.filled(this.#grid, values[0]);
    this.#context.columns.release(values);
    return { labels, values: column };
  }
}

/** absent_over_time(): one series that is 1 where none of the inputs has a sample in the window. */
class AbsentOperator extends BlockingOperator {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #inner: Operator;

  constructor(context: QueryContext, call: RollupCall, inner: Operator) {
    super();
    this.#context = context;
    this.#call = call;
    this.#inner = inner;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { grid, plan } = this.#call;
    const result = this.#context.filled(grid, 1);
    for (const { values } of await collect(this.#inner)) {
      this.#context.kernels.columnKeepWhere(result.byteOffset, values.byteOffset, result.byteOffset, grid.points, 0);
    }
    return [{ labels: plan.source.kind === "selector" ? plan.source.equalLabels : [], values: result }];
  }
}
