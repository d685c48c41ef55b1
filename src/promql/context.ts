/** What all parts of one PromQL query share. */
import type { Kernel } from "../kernel/kernel.ts";
import type { Expr } from "../metricsql/ast.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { Store } from "../model/store.ts";
import { checkLimit, type QueryLimits } from "../query/limits.ts";
import type { QueryStats } from "../query/query_context.ts";
import { Annotations } from "./annotations.ts";
import { histogramBytes, type PromSeries, type PromValue } from "./vector.ts";

export interface PromContextOptions {
  readonly store: Store;
  readonly tenant: Tenant;
  readonly limits: QueryLimits;
  /** How far a value reaches. */
  readonly lookbackMs: number;
  /** The step of subqueries that do not name one. */
  readonly subqueryStepMs: number;
  /** Bounds and step of the whole query, which `start()`, `end()`, `range()` and `step()` stand for; the step of an instant query is 0. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** Every selector is narrowed by them. */
  readonly enforcedFilters: Selector;
  /** See reset_hints.ts. */
  readonly selectorsOfNumbers: ReadonlySet<Expr>;
  /** Metric names are dropped at the end instead of by each operation. */
  readonly delaysNameRemoval: boolean;
  readonly startTimes: StartTimes;
  /** Computes windows in its memory; undefined: they are computed without one. */
  readonly kernel: Kernel | undefined;
  readonly signal: AbortSignal | undefined;
  readonly monotonicMs: () => number;
}

/** Whether start timestamps have been seen in the Store; known to all queries of an engine. */
export interface StartTimes {
  wereSeen: boolean;
}

/** How long a query works before it lets others have a turn, so that it can be told to stop. */
const turnMsMax = 20;

/** Bytes that a point of a series takes. */
const pointBytes = 9;

export class PromContext {
  readonly store: Store;
  readonly tenant: Tenant;
  readonly limits: QueryLimits;
  readonly lookbackMs: number;
  readonly subqueryStepMs: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly enforcedFilters: Selector;
  readonly selectorsOfNumbers: ReadonlySet<Expr>;
  readonly delaysNameRemoval: boolean;
  readonly startTimes: StartTimes;
  readonly kernel: Kernel | undefined;
  readonly signal: AbortSignal | undefined;
  readonly annotations = new Annotations();
  readonly stats: QueryStats = { seriesFetched: 0, samplesScanned: 0, memoryBytes: 0, executionTimeMs: 0 };
  isPartial = false;
  #heldBytes = 0;
  readonly #monotonicMs: () => number;
  #turnStartedMs: number;

  constructor(options: PromContextOptions) {
    this.store = options.store;
    this.tenant = options.tenant;
    this.limits = options.limits;
    this.lookbackMs = options.lookbackMs;
    this.subqueryStepMs = options.subqueryStepMs;
    this.startMs = options.startMs;
    this.endMs = options.endMs;
    this.stepMs = options.stepMs;
    this.enforcedFilters = options.enforcedFilters;
    this.selectorsOfNumbers = options.selectorsOfNumbers;
    this.delaysNameRemoval = options.delaysNameRemoval;
    this.startTimes = options.startTimes;
    this.kernel = options.kernel;
    this.signal = options.signal;
    this.#monotonicMs = options.monotonicMs;
    this.#turnStartedMs = options.monotonicMs();
  }

  /** Lets what waits on this thread happen if the query has worked for a while; throws if the query is to stop. */
  async takeTurns(): Promise<void> {
    if (this.#monotonicMs() - this.#turnStartedMs >= turnMsMax) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnStartedMs = this.#monotonicMs();
    }
    this.signal?.throwIfAborted();
  }

  /** Counts what was read and stops a query that reads too much or was given up. */
  countRead(seriesCount: number, sampleCount: number): void {
    this.signal?.throwIfAborted();
    this.stats.seriesFetched += seriesCount;
    this.stats.samplesScanned += sampleCount;
    checkLimit("too_many_series", "series read by the query", this.stats.seriesFetched, this.limits.seriesMax, "search.maxUniqueTimeseries");
    checkLimit("too_many_samples", "samples read by the query", this.stats.samplesScanned, this.limits.samplesMax, "search.maxSamplesPerQuery");
  }

  /** Bytes of the columns and histograms that the query holds. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Counts columns that are about to be made; to be called between series, so that a query can be given up there. */
  countColumns(seriesCount: number, points: number): void {
    this.countBytes(seriesCount * points * pointBytes);
  }

  /** Counts the histograms that a series has come to hold. */
  countHistograms(series: PromSeries): void {
    if (series.histograms !== undefined) this.countBytes(histogramBytes(series.histograms));
  }

  countBytes(bytes: number): void {
    this.signal?.throwIfAborted();
    this.#heldBytes += bytes;
    this.stats.memoryBytes = Math.max(this.stats.memoryBytes, this.#heldBytes);
    checkLimit("too_much_memory", "bytes held by the query", this.#heldBytes, this.limits.memoryBytesMax, "search.maxMemoryPerQuery");
  }

  /** Of all that was made since `heldBytes` was asked for, only `value` is still of use. */
  keepOnly(heldBytesBefore: number, value: PromValue, points: number): void {
    this.#heldBytes = heldBytesBefore;
    this.countColumns(value.kind === "vector" ? value.series.length : 1, points);
    if (value.kind === "vector") for (const series of value.series) this.countHistograms(series);
  }
}
