/** What all operators of one query share. */
import type { Kernel } from "../kernel/kernel.ts";
import { type AggregateKernels, aggregateKernels } from "../kernel/aggregate.ts";
import type { Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import { type Column, ColumnPool } from "./column_pool.ts";
import type { Grid } from "./grid.ts";
import { checkLimit, type QueryLimits } from "./limits.ts";
import type { QueryTrace } from "./query_trace.ts";
import type { ResultPlace } from "./result_cache.ts";
import type { SearchedStore } from "./traced_store.ts";
import type { WindowPlace } from "./window_place.ts";

/** Figures of one query, for answers, logs and the list of slow queries. */
export interface QueryStats {
  seriesFetched: number;
  samplesScanned: number;
  /** Bytes of grid columns that the query needed at once. */
  memoryBytes: number;
  executionTimeMs: number;
}

export interface QueryContextOptions {
  readonly kernel: Kernel;
  readonly store: SearchedStore;
  readonly tenant: Tenant;
  readonly limits: QueryLimits;
  /** How far a value reaches at most, 0 for no limit: the request's max_lookback or -search.maxStalenessInterval. */
  readonly lookbackMs: number;
  readonly nowMs: number;
  readonly signal: AbortSignal | undefined;
  readonly trace?: QueryTrace | undefined;
  readonly resultPlace?: ResultPlace | undefined;
  readonly windowPlace?: WindowPlace | undefined;
  /** See EngineOptions. */
  readonly takeTurn?: (() => Promise<void> | undefined) | undefined;
}

export class QueryContext {
  readonly kernel: Kernel;
  readonly kernels: AggregateKernels;
  readonly columns: ColumnPool;
  readonly store: SearchedStore;
  readonly tenant: Tenant;
  readonly limits: QueryLimits;
  readonly lookbackMs: number;
  readonly signal: AbortSignal | undefined;
  /** undefined for queries that are not traced. */
  readonly trace: QueryTrace | undefined;
  /** Where results are kept, and taken from; undefined for queries that are to be evaluated as they are. */
  readonly resultPlace: ResultPlace | undefined;
  /** The same for samples of long windows of instant queries. */
  readonly windowPlace: WindowPlace | undefined;
  readonly stats: QueryStats = { seriesFetched: 0, samplesScanned: 0, memoryBytes: 0, executionTimeMs: 0 };
  isPartial = false;
  readonly #takeTurn: (() => Promise<void> | undefined) | undefined;
  readonly #nowMs: number;
  #dependsOnNow = false;
  #readRange: TimeRange | undefined;
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(options: QueryContextOptions) {
    this.kernel = options.kernel;
    this.kernels = aggregateKernels(options.kernel);
    this.columns = new ColumnPool(options.kernel, options.limits.memoryBytesMax);
    this.store = this.#observed(options.store);
    this.tenant = options.tenant;
    this.limits = options.limits;
    this.lookbackMs = options.lookbackMs;
    this.#nowMs = options.nowMs;
    this.signal = options.signal;
    this.trace = options.trace;
    this.resultPlace = options.resultPlace;
    this.windowPlace = options.windowPlace;
    this.#takeTurn = options.takeTurn;
  }

  /** The time of the query. What asks for it gives another answer later, so the answer is not kept. */
  get nowMs(): number {
    this.#dependsOnNow = true;
    return this.#nowMs;
  }

  /** The times of all samples that were asked for so far; undefined if there were none, or if the answer depends on more than samples. */
  get readRange(): TimeRange | undefined {
    return this.isPartial || this.#dependsOnNow ? undefined : this.#readRange;
  }

  /** Between two pieces of work: lets the thread hear whether the query was given up, and stops it then. */
  async pause(): Promise<void> {
    const turn = this.#takeTurn?.();
    if (turn !== undefined) await turn;
    this.signal?.throwIfAborted();
  }

  /** Calls `close` when the query has ended, well or not. */
  closeAtEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  /** Gives up what operators hold open. What fails while closing does not hide the query's own error. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#closers.map((close) => close()));
  }

  /** A column filled with one value. */
  filled(grid: Grid, value: number): Column {
    const column = this.columns.allocate(grid.points);
    this.kernels.columnFill(column.byteOffset, grid.points, value);
    return column;
  }

  copied(source: Column): Column {
    const column = this.columns.allocate(source.length);
    column.set(source);
    return column;
  }

  isEmpty(column: Column): boolean {
    return this.kernels.columnIsEmpty(column.byteOffset, column.length) === 1;
  }

  /** Counts what was read and stops a query that reads too much or was given up. */
  countRead(seriesCount: number, sampleCount: number): void {
    this.signal?.throwIfAborted();
    this.stats.seriesFetched += seriesCount;
    this.stats.samplesScanned += sampleCount;
    checkLimit("too_many_series", "series read by the query", this.stats.seriesFetched, this.limits.seriesMax, "search.maxUniqueTimeseries");
    checkLimit("too_many_samples", "samples read by the query", this.stats.samplesScanned, this.limits.samplesMax, "search.maxSamplesPerQuery");
  }

  /** Notes that the answer depends on the samples of these times. */
  dependOn(range: TimeRange): void {
    const { minMs, maxMs } = this.#readRange ?? range;
    this.#readRange = { minMs: Math.min(minMs, range.minMs), maxMs: Math.max(maxMs, range.maxMs) };
  }

  #observed(store: SearchedStore): SearchedStore {
    const { searchColumns } = store;
    return {
      capabilities: store.capabilities,
      search: (request) => {
        this.dependOn(request.range);
        return store.search(request);
      },
      ...(searchColumns === undefined ? {} : {
        searchColumns: (request, work) => {
          this.dependOn(request.range);
          return searchColumns.call(store, request, work);
        },
      }),
    };
  }
}
