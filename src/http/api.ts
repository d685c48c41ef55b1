/** What the endpoints work with. Roles fill it in; api_routes.ts lists the endpoints. */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { MetricRegistry } from "../base/metrics.ts";
import type { Dialect } from "../metricsql/parser.ts";
import type { Store } from "../model/store.ts";
import type { SliceParser } from "../protocol/slice_parser.ts";
import type { ActiveQueries } from "./active_queries.ts";
import type { ByteBudget } from "./byte_budget.ts";
import type { ConcurrencyGate } from "./concurrency_gate.ts";
import type { IngestLane } from "./ingest_lane.ts";
import type { QueryRunner } from "./query_runner.ts";
import type { QueryStatistics } from "./query_statistics.ts";
import type { StaticFiles } from "./static_files.ts";
import type { TargetSource } from "./target_source.ts";

/** Limits and defaults of requests; the comments name the flags. */
export interface ApiLimits {
  /** -maxInsertRequestSize */
  readonly insertBytesMax: number;
  /** -search.latencyOffset */
  readonly latencyOffsetMs: number;
  /** -search.disableCache */
  readonly skipsCaches: boolean;
  /** -search.dialect */
  readonly dialect: Dialect;
  /** -search.lookbackDelta */
  readonly lookbackDeltaMs: number;
  /** -search.maxQueryDuration */
  readonly queryDurationMsMax: number;
  /** -search.logSlowQueryDuration; 0: none are logged. */
  readonly slowQueryMsMin: number;
  /** -search.logQueryMemoryUsage; 0: none are logged. */
  readonly heavyQueryBytesMin: number;
  /** -denyQueryTracing */
  readonly deniesTracing: boolean;
  /** -search.maxQueryLen */
  readonly queryBytesMax: number;
  /** -search.maxPointsPerTimeseries */
  readonly pointsMax: number;
  /** -search.maxSeries */
  readonly seriesMax: number;
  /** -search.maxTagKeys */
  readonly labelNamesMax: number;
  /** -search.maxTagValues */
  readonly labelValuesMax: number;
  /** -search.maxExportDuration */
  readonly exportDurationMsMax: number;
  /** -search.maxLabelsAPIDuration */
  readonly labelsDurationMsMax: number;
  /** -search.maxExportSeries */
  readonly exportSeriesMax: number;
}

/** One parser of each protocol; they work in the lane's kernel, one body at a time. */
export interface IngestParsers {
  readonly remoteWrite: SliceParser;
  readonly prometheusText: SliceParser;
  readonly openMetricsText: SliceParser;
  readonly jsonLines: SliceParser;
}

export interface Api {
  readonly store: Store;
  readonly queryRunner: QueryRunner;
  /** Forgets all results of queries that are kept. */
  readonly resetResultCaches: () => void;
  readonly queryGate: ConcurrencyGate;
  readonly activeQueries: ActiveQueries;
  readonly queryStatistics: QueryStatistics;
  readonly ingestLane: IngestLane;
  readonly ingestBudget: ByteBudget;
  readonly parsers: IngestParsers;
  readonly limits: ApiLimits;
  readonly metrics: MetricRegistry;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly version: string;
  /** undefined without a scrape manager. */
  readonly targets: TargetSource | undefined;
  /** Reads the scrape configuration again; rejects if it is refused. */
  readonly reload: () => Promise<void>;
  /** undefined when the UI is not built. */
  readonly userInterface: StaticFiles | undefined;
}
