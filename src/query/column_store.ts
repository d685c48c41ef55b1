/**
 * ColumnStore: a Store that has other threads roll up some of the series. The thread of the query gets their columns, in the place of the batches that they
 * were made from. Each column depends on the samples of its series alone, and the query's thread takes columns in the order of the series, so that the answer
 * is bit for bit the one that a single thread gives.
 */
import type { RollupName } from "../kernel/rollup.ts";
import type { SearchRequest, SeriesBatch } from "../model/store.ts";
import type { Grid } from "./grid.ts";
import type { QueryLimits } from "./limits.ts";
import type { RollupFunction } from "./rollup_functions.ts";
import type { SampleWatchOptions, SeenSamples } from "./sample_watch.ts";

/** A rollup that gives one column for each series; what a thread has to know to compute it. Plain data. */
export interface RollupWork {
  readonly function: RollupFunction;
  readonly kernel: RollupName;
  readonly grid: Grid;
  /** 0: no window was written. */
  readonly windowMs: number;
  /** Columns of the arguments of the function, and of the one of its kernel. */
  readonly args: readonly Float64Array[];
  readonly outputArg: Float64Array | undefined;
  readonly limits: QueryLimits;
  readonly lookbackMs: number;
  /** undefined: nobody wants to know of the samples. */
  readonly watch: SampleWatchOptions | undefined;
  /** Whether columns without values may be left out. */
  readonly skipsEmpty: boolean;
}

/** The names of some series, as in a SeriesBatch. */
export type SeriesNames = Pick<SeriesBatch, "labels" | "labelSpace" | "labelIds">;

/** Series that were read and rolled up elsewhere. Valid until the next batch is asked for. */
export interface ColumnBatch {
  /** Column i is columns[i * points .. (i + 1) * points). */
  readonly columns: Float64Array;
  readonly columnCount: number;
  readonly names: SeriesNames;
  /** What was read for them. */
  readonly seriesRead: number;
  readonly samplesRead: number;
  readonly seen: SeenSamples | undefined;
  readonly tookMs: number;
}

export interface ColumnSearchResult {
  readonly batches: AsyncIterable<SeriesBatch | ColumnBatch>;
  /** As in SearchResult. */
  isPartial(): boolean;
}

export interface ColumnStore {
  /** Like Store.search(), with columns in place of some batches. */
  searchColumns(request: SearchRequest, work: RollupWork): Promise<ColumnSearchResult>;
}

export function isColumnBatch(batch: SeriesBatch | ColumnBatch): batch is ColumnBatch {
  return "columns" in batch;
}
