/** What a row in the tables of transform functions holds, and what its function is called with. */
import { InputError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";
import type { Grid } from "./grid.ts";
import type { QueryContext } from "./query_context.ts";
import { type Series, withoutName } from "./series.ts";

/** An argument: a vector, or the text of a string literal (then the vector is empty). */
export interface TransformArgument {
  readonly vector: readonly Series[];
  readonly text: string | undefined;
}

export interface TransformFunction {
  /** Names stay without keep_metric_names. */
  readonly keepsMetricName?: boolean;
  /** The order of the result is kept when it is the outermost function. */
  readonly sortsResult?: boolean;
  /** Computes the result; it may change the columns of its arguments and return them. */
  readonly evaluate: (call: TransformCall) => readonly Series[];
}

/** One call of a transform function. */
export class TransformCall {
  readonly context: QueryContext;
  readonly grid: Grid;
  readonly name: string;
  readonly args: readonly TransformArgument[];
  readonly keepsMetricName: boolean;
  readonly equalLabels: Labels;

  constructor(options: Pick<TransformCall, "context" | "grid" | "name" | "args" | "keepsMetricName" | "equalLabels">) {
    this.context = options.context;
    this.grid = options.grid;
    this.name = options.name;
    this.args = options.args;
    this.keepsMetricName = options.keepsMetricName;
    this.equalLabels = options.equalLabels;
  }

  vector(index: number): readonly Series[] {
    return this.args[index]?.vector ?? [];
  }

  /** The column of an argument that has to be one series. */
  scalar(index: number): Column {
    const { vector } = this.args[index];
    if (vector.length !== 1) throw this.bad(`needs a single series as argument ${index + 1}, found ${vector.length}`);
    return vector[0].values;
  }

  /** The first value of a scalar argument as a whole number. */
  integer(index: number): number {
    return Math.trunc(this.scalar(index)[0]);
  }

  text(index: number): string {
    const { text } = this.args[index];
    if (text === undefined) throw this.bad(`needs a string as argument ${index + 1}`);
    return text;
  }

  /** The strings from an argument on. */
  texts(fromIndex: number): string[] {
    return this.args.slice(fromIndex).map((_, i) => this.text(fromIndex + i));
  }

  /** Changes every value of the first argument; the names are dropped unless they are kept. */
  mapColumns(change: (values: Column) => void, index = 0): readonly Series[] {
    return this.vector(index).map((series) => {
      change(series.values);
      return { labels: this.keepsMetricName ? series.labels : withoutName(series.labels), values: series.values };
    });
  }

  /** A single series without labels. */
  scalarResult(values: Column): readonly Series[] {
    return [{ labels: [], values }];
  }

  bad(problem: string): InputError {
    return new InputError("bad_arguments", `${this.name}() ${problem}`);
  }
}
