/**
 * The result of a plan that is used several times in a query. The first use evaluates it and keeps the columns, as long as they are not too many; the others
 * get copies. An aggregate that streams takes what is kept, but does not make anything be kept: reading again is cheaper than holding all series.
 */
import type { Column } from "./column_pool.ts";
import type { Grid } from "./grid.ts";
import type { ColumnSink, Operator } from "./operator.ts";
import type { AggregatePlan, RollupPlan } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import type { Series } from "./series.ts";

/** The part of a query's memory that kept results may take. */
const keptShare = 0.25;

interface SharedResult {
  /** Uses that have not begun. */
  usesLeft: number;
  /** All series, once they are known and if they are kept. */
  kept: readonly Series[] | undefined;
  isTooLarge: boolean;
}

/** Results by plan and grid. */
type SharedResults = Map<RollupPlan | AggregatePlan, Map<string, SharedResult>>;

const resultsOfQuery = new WeakMap<QueryContext, SharedResults>();

export class SharedOperator implements Operator {
  readonly #context: QueryContext;
  readonly #compile: () => Operator;
  readonly #result: SharedResult;
  #running: Operator | undefined;
  /** Series that the first use collects; undefined for the others, and when they are too many. */
  #collected: Series[] | undefined;
  #bytes = 0;
  #isDone = false;

  constructor(context: QueryContext, grid: Grid, plan: RollupPlan | AggregatePlan, compile: () => Operator) {
    this.#context = context;
    this.#compile = compile;
    this.#result = sharedResult(context, grid, plan);
  }

  async next(): Promise<readonly Series[] | undefined> {
    if (this.#isDone) return undefined;
    if (this.#running === undefined) {
      this.#result.usesLeft--;
      if (this.#result.kept !== undefined) return this.#taken(this.#result.kept);
      this.#running = this.#compile();
      if (this.#result.usesLeft > 0 && !this.#result.isTooLarge) this.#collected = [];
    }
    const batch = await this.#running.next();
    if (batch === undefined) {
      this.#isDone = true;
      this.#result.kept ??= this.#collected;
      return undefined;
    }
    this.#collect(batch);
    return batch;
  }

  async feed(sink: ColumnSink): Promise<boolean> {
    const { kept } = this.#result;
    if (kept === undefined) return (await this.#compile().feed?.(sink)) === true;
    this.#result.usesLeft--;
    for (const { labels, values } of kept) {
      const group = this.#context.isEmpty(values) ? -1 : sink.groups.groupOf(labels);
      if (group >= 0) sink.add(group, values.byteOffset);
    }
    return true;
  }

  /** The columns of the result; the last use may have them, the others get copies. */
  #taken(kept: readonly Series[]): readonly Series[] {
    this.#isDone = true;
    if (this.#result.usesLeft > 0) return kept.map(({ labels, values }) => ({ labels, values: this.#context.copied(values) }));
    this.#result.kept = undefined;
    this.#result.isTooLarge = true;
    return kept;
  }

  #collect(batch: readonly Series[]): void {
    if (this.#collected === undefined) return;
    for (const { labels, values } of batch) {
      this.#bytes += values.byteLength;
      this.#collected.push({ labels, values: this.#context.copied(values) });
    }
    if (this.#bytes <= this.#context.limits.memoryBytesMax * keptShare) return;
    for (const { values } of this.#collected) this.#context.columns.release(values as Column);
    this.#collected = undefined;
    this.#result.isTooLarge = true;
  }
}

function sharedResult(context: QueryContext, { startMs, stepMs, points }: Grid, plan: RollupPlan | AggregatePlan): SharedResult {
  let ofQuery = resultsOfQuery.get(context);
  if (ofQuery === undefined) resultsOfQuery.set(context, (ofQuery = new Map()));
  let ofPlan = ofQuery.get(plan);
  if (ofPlan === undefined) ofQuery.set(plan, (ofPlan = new Map()));
  const key = `${startMs} ${stepMs} ${points}`;
  let result = ofPlan.get(key);
  if (result === undefined) ofPlan.set(key, (result = { usesLeft: plan.uses ?? 1, kept: undefined, isTooLarge: false }));
  return result;
}
