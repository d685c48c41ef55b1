/**
 * What recent queries took, for /api/v1/status/top_queries: a ring of the last so many, grouped only when somebody asks. Queries of the same text over
 * the same length of time are one.
 */
import type { Clock } from "../base/clock.ts";

export interface QueryStatisticsOptions {
  readonly clock: Clock;
  /** -search.queryStats.lastQueriesCount; 0 keeps none. */
  readonly queriesMax: number;
  /** -search.queryStats.minQueryDuration */
  readonly durationMsMin: number;
  /** -search.queryStats.minQueryMemoryUsage */
  readonly memoryBytesMin: number;
}

/** A query that has ended. */
export interface FinishedQuery {
  readonly query: string;
  readonly rangeMs: number;
  readonly durationMs: number;
  readonly memoryBytes: number;
}

/** Queries of one text and length. */
export interface QueryGroup {
  readonly query: string;
  readonly timeRangeSeconds: number;
  readonly count: number;
  readonly durationMs: number;
  readonly memoryBytes: number;
}

export class QueryStatistics {
  readonly options: QueryStatisticsOptions;
  readonly #ring: (FinishedQuery & { readonly endedMs: number })[] = [];
  #next = 0;

  constructor(options: QueryStatisticsOptions) {
    this.options = options;
  }

  add(finished: FinishedQuery): void {
    const { clock, queriesMax, durationMsMin, memoryBytesMin } = this.options;
    if (queriesMax === 0 || finished.durationMs < durationMsMin || finished.memoryBytes < memoryBytesMin) return;
    this.#ring[this.#next] = { ...finished, endedMs: clock.monotonicMs() };
    this.#next = (this.#next + 1) % queriesMax;
  }

  /** Queries that ended within the last so many milliseconds, in groups; counts, durations and memory are sums. */
  groups(lifetimeMsMax: number): QueryGroup[] {
    const sinceMs = this.options.clock.monotonicMs() - lifetimeMsMax;
    const groups = new Map<string, { -readonly [Key in keyof QueryGroup]: QueryGroup[Key] }>();
    for (const { query, rangeMs, durationMs, memoryBytes, endedMs } of this.#ring) {
      if (endedMs < sinceMs) continue;
      const timeRangeSeconds = Math.floor(rangeMs / 1000);
      const key = `${timeRangeSeconds} ${query}`;
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { query, timeRangeSeconds, count: 0, durationMs: 0, memoryBytes: 0 }));
      group.count++;
      group.durationMs += durationMs;
      group.memoryBytes += memoryBytes;
    }
    return [...groups.values()];
  }
}
