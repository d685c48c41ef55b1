/** The answer to a query, in plain memory: it outlives the query's columns. */
import type { Labels } from "../model/labels.ts";
import type { LabelTable } from "../model/label_table.ts";
import type { TimeRange } from "../model/store.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { QueryStats } from "./query_context.ts";

/**
 * `vector` and `matrix` hold series on the result's grid (`timestampsMs`). NaN is no value unless `present` tells which values there are.
 * For `m[5m]` in an instant query each series has timestamps of its own: raw samples. A scalar is a series without labels.
 */
export interface QueryResult {
  readonly resultType: "vector" | "matrix" | "scalar" | "string";
  /** Times of all series but raw ones. */
  readonly timestampsMs: Float64Array;
  /** The value of a string. */
  readonly text?: string;
  readonly series: readonly ResultSeries[];
  /** The values of all series on the grid, one behind the other, if they stand like that; those of each series are views of it. */
  readonly values?: Float64Array;
  /** The labels of all series, if they have been put into a table. */
  readonly table?: LabelTable;
  /** true if a part of the data could not be read. */
  readonly isPartial: boolean;
  /** The samples that the answer depends on; undefined if it depends on something else, or on no samples at all. */
  readonly readRange?: TimeRange | undefined;
  readonly stats: Readonly<QueryStats>;
  /** What the user should be told about a PromQL query: what is likely wrong, and what may be. */
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

export interface ResultSeries {
  readonly labels: Labels;
  readonly values: Float64Array;
  /** Only raw samples have their own times. */
  readonly timestampsMs?: Float64Array;
  /** Which points there are: 0 none, 1 a float, 2 a native histogram. Without it every point that is not NaN is there. */
  readonly present?: Uint8Array;
  /** Of raw samples: NaN among them is a value. */
  readonly isExact?: boolean;
  /** By point; of points that `present` says 2 of. */
  readonly histograms?: readonly (FloatHistogram | undefined)[];
  /** Raw samples that are histograms. */
  readonly rawHistograms?: { readonly timestampsMs: Float64Array; readonly histograms: readonly FloatHistogram[] };
}

/** A series whose values stand among those of others. Answers may have very many series, and a view is a large object: it is made when it is asked for. */
export class GridSeries implements ResultSeries {
  readonly labels: Labels;
  readonly #all: Float64Array;
  readonly #from: number;
  readonly #points: number;

  constructor(labels: Labels, all: Float64Array, from: number, points: number) {
    this.labels = labels;
    this.#all = all;
    this.#from = from;
    this.#points = points;
  }

  get values(): Float64Array {
    return this.#all.subarray(this.#from, this.#from + this.#points);
  }
}
