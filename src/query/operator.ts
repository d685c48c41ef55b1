/**
 * Operators: the stages that a plan is run by. Each call yields the next few series, every one a full column on the operator's grid.
 *
 * Batches are of series, not of steps, because half of MetricsQL looks at a series over the whole range (range_*, running_*,
 * keep_last_value, sort, topk_*, default); what streams (a rollup into an aggregate) holds one batch at a time.
 */
import type { LabelGroups } from "./label_groups.ts";
import type { Series } from "./series.ts";

export interface Operator {
  /** The next series; undefined at the end. The caller owns their columns and may write into them or release them. */
  next(): Promise<readonly Series[] | undefined>;
  /**
   * Instead of next(): hands every column that is not empty to `sink`, without making series of them; false, before anything was read, if the operator
   * cannot do that here.
   */
  feed?(sink: ColumnSink): Promise<boolean>;
}

/** Takes columns group by group. */
export interface ColumnSink {
  readonly groups: LabelGroups;
  /** The column at an address belongs to a group. It is not used after the call. */
  add(group: number, column: number): void;
}

/** All series of an operator. */
export async function collect(operator: Operator): Promise<Series[]> {
  const all: Series[] = [];
  for (;;) {
    const batch = await operator.next();
    if (batch === undefined) return all;
    for (const series of batch) all.push(series);
  }
}

/** An operator that needs all its inputs before it can say anything. */
export abstract class BlockingOperator implements Operator {
  #isDone = false;

  async next(): Promise<readonly Series[] | undefined> {
    if (this.#isDone) return undefined;
    this.#isDone = true;
    return this.evaluate();
  }

  protected abstract evaluate(): Promise<readonly Series[]> | readonly Series[];
}
