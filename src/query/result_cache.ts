/**
 * ResultCache: columns of earlier range queries, so that the next one over almost the same time evaluates only what is new. What is kept is the
 * result of a part of a plan (cacheable_plan.ts) on a grid whose points are multiples of the step, as far as its points are final.
 *
 *   kept      |================================|
 *   asked for        |.............................+++++++|
 *                     taken from what is kept       evaluated; the older ones of them are kept, too
 *
 * How it is done: cached_operator.ts. Samples of long windows of instant queries (window_search.ts) are kept in the same memory. An engine has one
 * cache, and with it each query thread; late writes are seen by all of them (model/change_watch.ts).
 */
import type { Labels } from "../model/labels.ts";
import type { ChangeWatch } from "../model/change_watch.ts";
import type { TimeRange } from "../model/store.ts";
import { BoundedCache } from "./bounded_cache.ts";
import type { Grid } from "./grid.ts";
import { bytesOfWindow, type WindowEntry } from "./kept_window.ts";
import type { ResultCacheCounts } from "./result_cache_counts.ts";
import type { TimeSpan } from "./sample_watch.ts";

export interface ResultCacheOptions {
  readonly watch: ChangeWatch;
  /** Samples younger than this are not final. */
  readonly offsetMs: number;
  readonly bytesMax: number;
  readonly counts: ResultCacheCounts;
  /** Windows of instant queries that are not shorter have their samples kept; Infinity without it. */
  readonly windowMinMs?: number;
}

/** Columns of consecutive points. */
export interface KeptResult {
  readonly startMs: number;
  readonly points: number;
  readonly series: readonly KeptSeries[];
  /** The samples that the columns were made from have not changed until here. */
  readonly epoch: number;
  /** What was read. */
  readonly range: TimeRange;
  /** Series that had no sample any more at the end of the range. */
  readonly ended: ReadonlySet<string>;
  readonly gaps: readonly TimeSpan[];
  readonly unsettled: readonly TimeSpan[];
  readonly joins: JoinRecord;
}

/** What came of joining new points lately: where they do not fit again and again, looking is in vain. */
export interface JoinRecord {
  misfits: number;
  /** So many queries are to be evaluated as a whole at once. */
  skips: number;
}

export interface KeptSeries {
  readonly labels: Labels;
  readonly key: string;
  readonly values: Float64Array;
  /** Times of the samples that a rollup had; undefined for aggregates. */
  readonly span: TimeSpan | undefined;
}

/** What an evaluation is kept with. */
export interface ResultTicket {
  readonly epoch: number;
  readonly finalMs: number;
}

/** Where the results of a query may be kept; one for each query. */
export interface ResultPlace {
  readonly cache: ResultCache;
  readonly ticket: ResultTicket;
  /** The grid of the query: what is evaluated on others is not kept. */
  readonly grid: Grid;
  /** What results depend on besides plan and grid. */
  readonly keyPrefix: string;
}

export class ResultCache {
  readonly watch: ChangeWatch;
  readonly counts: ResultCacheCounts;
  readonly #offsetMs: number;
  readonly windowMinMs: number;
  readonly #kept: BoundedCache<{ readonly result?: KeptResult; readonly window?: WindowEntry }>;

  constructor({ watch, offsetMs, bytesMax, counts, windowMinMs = Infinity }: ResultCacheOptions) {
    this.watch = watch;
    this.counts = counts;
    this.#offsetMs = offsetMs;
    this.windowMinMs = windowMinMs;
    this.#kept = new BoundedCache(bytesMax);
  }

  /** To be called before anything of a query is evaluated or looked up. */
  begin(nowMs: number): ResultTicket {
    const finalMs = nowMs - this.#offsetMs;
    return { finalMs, epoch: this.watch.begin(finalMs) };
  }

  get(key: string): KeptResult | undefined {
    return this.#kept.get(key)?.result;
  }

  set(key: string, kept: KeptResult): void {
    this.#counted(() => this.#kept.set(key, { result: kept }, bytesOf(key, kept)));
  }

  /** Keys of windows are not those of results. */
  window(key: string): WindowEntry | undefined {
    return this.#kept.get(key)?.window;
  }

  setWindow(key: string, window: WindowEntry): void {
    this.#counted(() => this.#kept.set(key, { window }, key.length * 2 + bytesOfWindow(window)));
  }

  /** Whether so many bytes would be kept under one key. */
  takes(bytes: number): boolean {
    return this.#kept.takes(bytes);
  }

  delete(key: string): void {
    this.#counted(() => this.#kept.delete(key));
  }

  #counted(change: () => void): void {
    const before = this.#kept.figures;
    change();
    const after = this.#kept.figures;
    this.counts.add("bytes", after.bytes - before.bytes);
    this.counts.add("entries", after.entries - before.entries);
  }
}

/** Memory of an entry, roughly: labels are shared strings for the most part. */
function bytesOf(key: string, { points, series, ended, gaps, unsettled }: KeptResult): number {
  return key.length * 2 + series.length * (points * 8 + 300) + (ended.size + gaps.length + unsettled.length) * 100 + 512;
}
