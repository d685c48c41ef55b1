/** Limits of one query. Exceeding one is a LimitError that names the limit, the actual figure and the flag to change. */
import { LimitError } from "../base/errors.ts";

export interface QueryLimits {
  /** -search.maxUniqueTimeseries: series that the selectors of a query may read. */
  readonly seriesMax: number;
  /** -search.maxSamplesPerQuery: raw samples that a query may read. */
  readonly samplesMax: number;
  /** -search.maxPointsPerTimeseries: points of the grid of a query. */
  readonly pointsPerSeriesMax: number;
  /** -search.maxPointsSubqueryPerTimeseries: points of the grid of a subquery. */
  readonly subqueryPointsMax: number;
  /** -search.maxMemoryPerQuery: bytes of columns that a query may hold at once. */
  readonly memoryBytesMax: number;
  /** -search.maxSeriesPerAggrFunc: series that one aggregate may make. */
  readonly aggregateSeriesMax: number;
  /** -search.maxResponseSeries: series of an answer. */
  readonly responseSeriesMax: number;
  /** -search.maxStalenessInterval: how far a value may reach; 0 lets the scrape interval decide. */
  readonly maxStalenessIntervalMs: number;
  /** -search.minStalenessInterval: how far a value always reaches. */
  readonly minStalenessIntervalMs: number;
}

export const defaultQueryLimits: QueryLimits = {
  seriesMax: 300_000,
  samplesMax: 1_000_000_000,
  pointsPerSeriesMax: 30_000,
  subqueryPointsMax: 100_000,
  memoryBytesMax: 1 << 30,
  aggregateSeriesMax: 1_000_000,
  responseSeriesMax: Infinity,
  maxStalenessIntervalMs: 0,
  minStalenessIntervalMs: 0,
};

/** Throws a LimitError if `actual` is over `limit`; `what` reads like "series read by the query". */
export function checkLimit(code: string, what: string, actual: number, limit: number, flag: string): void {
  if (actual <= limit) return;
  throw new LimitError(code, `too many ${what}: ${actual} is over the limit of ${limit}; select less or raise -${flag}`);
}
