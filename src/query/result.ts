/** The answer to a query, in plain memory: it outlives the query's columns. */
import type { Labels } from "../model/labels.ts";
import type { TimeRange } from "../model/store.ts";
import type { QueryStats } from "./query_context.ts";

/**
 * `vector` and `matrix` hold series on the result's grid (`timestampsMs`); NaN is no value. For `m[5m]` in an instant query each series
 * has timestamps of its own: raw samples.
 */
export interface QueryResult {
  readonly resultType: "vector" | "matrix" | "scalar" | "string";
  /** Times of all series but raw ones. */
  readonly timestampsMs: Float64Array;
  readonly series: readonly ResultSeries[];
  /** true if a part of the data could not be read. */
  readonly isPartial: boolean;
  /** The samples that the answer depends on; undefined if it depends on something else, or on no samples at all. */
  readonly readRange?: TimeRange | undefined;
  readonly stats: Readonly<QueryStats>;
}

export interface ResultSeries {
  readonly labels: Labels;
  readonly values: Float64Array;
  /** Only raw samples have their own times. */
  readonly timestampsMs?: Float64Array;
}
