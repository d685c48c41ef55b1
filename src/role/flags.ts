/**
 * The flags of the single node. One row says everything about a flag: its type, its default as one would write it, and its line in the
 * help. Rows are in alphabetical order. How command lines are read: flag_parser.ts; flags of VictoriaMetrics that are not here:
 * flag_compatibility.ts.
 */
import type { LogLevel } from "../base/logger.ts";
import type { Dialect } from "../metricsql/parser.ts";
import {
  addressType, booleanType, decimalType, durationType, type FlagType, integerType, intervalType, retentionType,
  sizeType, stringType, timeoutType, wordType,
} from "./flag_types.ts";

export interface FlagDeclaration<T> {
  readonly type: FlagType<T>;
  /** As written on a command line; parse(default) is the value. */
  readonly default: string;
  readonly help: string;
}

function flag<T>(type: FlagType<T>, defaultText: string, help: string): FlagDeclaration<T> {
  return { type, default: defaultText, help };
}

const logLevels: readonly LogLevel[] = ["INFO", "WARN", "ERROR", "FATAL", "PANIC"];
const countMax = 1e9;

export const flags = {
  "denyQueryTracing": flag(booleanType, "false", "Ignore the argument trace of queries"),
  "http.disableCORS": flag(booleanType, "false", "Do not let pages of other origins read answers (no Access-Control-Allow-Origin header)"),
  "http.disableResponseCompression": flag(booleanType, "false", "Do not compress answers, whatever clients take"),
  "httpListenAddr": flag(addressType, ":8428", "Address of the HTTP server"),
  "insert.maxBytesInFlight": flag(sizeType(0, 2 ** 41), "0", "Bytes of request bodies that may be received and waiting at once; more is answered with 503. 0: a quarter of the allowed memory, at most 1GiB"),
  "loggerFormat": flag(wordType<"default" | "json">(["default", "json"]), "default", "Form of log lines: plain text, or one JSON object a line"),
  "loggerLevel": flag(wordType(logLevels), "INFO", "Least severe level that is logged"),
  "maxBucketsPerHistogram": flag(integerType(1, 100_000), "1000", "Buckets of a native histogram; one with more gets a lower resolution, or is dropped if that does not help"),
  "maxInsertRequestSize": flag(sizeType(1024, 2 ** 29), "32MiB", "Largest body of a write request, as received and after decompression"),
  "maxLabelNameLen": flag(integerType(1, 4096), "256", "Bytes of a label name; series with a longer one are dropped"),
  "maxLabelsPerTimeseries": flag(integerType(1, 500), "40", "Labels of a series; series with more are dropped"),
  "maxLabelValueLen": flag(integerType(1, 65_536), "4096", "Bytes of a label value; series with a longer one are dropped"),
  "memory.allowedPercent": flag(decimalType(0, 100), "60", "Per cent of the machine's (or container's) memory that Tidemark may plan with"),
  "promscrape.config": flag(stringType, "", "File with scrape_configs; read again on SIGHUP and /-/reload"),
  "promscrape.storeStartTimestamps": flag(booleanType, "false", "Store since when scraped counters, histograms and summaries count, which PromQL uses for rates and resets. Prometheus: --enable-feature=st-storage"),
  "retentionPeriod": flag(retentionType, "1M", "How long samples are kept: units h d w M y, a bare number counts months of 31 days. The default is one month, as in VictoriaMetrics"),
  "search.cacheSizeBytes": flag(sizeType(0, 2 ** 40), "0", "Memory for results of queries and samples of long windows that are kept. 0: a sixteenth of the allowed memory, at most 1GiB"),
  "search.cacheTimestampOffset": flag(durationType, "5m", "Results, and samples of long windows, are kept only for times that are at least so long ago; samples that come later than that make the results of their times be computed again"),
  "search.dialect": flag(wordType<Dialect>(["metricsql", "promql"]), "metricsql", "Language of queries that do not say it with the argument dialect: metricsql as VictoriaMetrics computes it, or promql as Prometheus does"),
  "search.disableCache": flag(booleanType, "false", "Keep no results of queries, no samples of long windows and no answers about labels, and do not align range queries to their step"),
  "search.latencyOffset": flag(durationType, "0s", "Hide samples younger than this from queries. VictoriaMetrics: 30s"),
  "search.logQueryMemoryUsage": flag(sizeType(0, 2 ** 40), "0", "Log queries that need more memory than this, with what they read. 0: none"),
  "search.logSlowQueryDuration": flag(durationType, "5s", "Log queries that take longer than this, with what they read. 0: none"),
  "search.lookbackDelta": flag(intervalType, "5m", "How far a value reaches in queries of the dialect promql. Prometheus: -query.lookback-delta"),
  "search.maxConcurrentRequests": flag(integerType(1, 10_000), "16", "Queries that run at once; further ones wait up to -search.maxQueueDuration"),
  "search.maxExportDuration": flag(durationType, "30d", "Longest time an export may take. 0: no limit"),
  "search.maxExportSeries": flag(integerType(1, countMax), "10000000", "Series that one export may read"),
  "search.maxLabelsAPIDuration": flag(durationType, "5s", "Longest time a request for labels, values or series may take. 0: no limit"),
  "search.maxMemoryPerQuery": flag(sizeType(0, 2 ** 40), "0", "Memory that one query may use for its columns. 0: decided by the allowed memory"),
  "search.maxPointsPerTimeseries": flag(integerType(1, 10_000_000), "30000", "Points per series that a range query may ask for"),
  "search.maxPointsSubqueryPerTimeseries": flag(integerType(1, 10_000_000), "100000", "Points per series that a subquery may have"),
  "search.maxQueryDuration": flag(timeoutType, "30s", "Longest time a query may take"),
  "search.maxQueryLen": flag(sizeType(1, 2 ** 24), "16KiB", "Longest text of a query, and of all `match[]` or `extra_filters[]` of a request"),
  "search.maxQueueDuration": flag(intervalType, "10s", "Longest time a query waits for its turn; then it is answered with 429"),
  "search.maxResponseSeries": flag(integerType(0, countMax), "0", "Series that the answer to a query may have. 0: as many as there are"),
  "search.maxSamplesPerQuery": flag(integerType(1, 1e10), "1000000000", "Raw samples that one query may read"),
  "search.maxSeries": flag(integerType(1, countMax), "30000", "Series that /api/v1/series returns at most; more are answered with an error"),
  "search.maxSeriesPerAggrFunc": flag(integerType(1, countMax), "1000000", "Series that one aggregate function may make"),
  "search.maxStalenessInterval": flag(durationType, "0s", "How far a value may reach in queries. 0: decided by the scrape interval of each series"),
  "search.maxTagKeys": flag(integerType(1, countMax), "100000", "Names that /api/v1/labels returns at most"),
  "search.maxTagValues": flag(integerType(1, countMax), "100000", "Values that /api/v1/label/.../values returns at most"),
  "search.maxUniqueTimeseries": flag(integerType(0, countMax), "0", "Series that one query may select. 0: decided by the allowed memory"),
  "search.minStalenessInterval": flag(durationType, "0s", "How far a value always reaches in queries"),
  "search.minWindowForInstantRollupOptimization": flag(durationType, "3h", "Instant queries with windows of at least this length keep what they read, so that the next one reads only what is new"),
  "search.queryStats.lastQueriesCount": flag(integerType(0, 1_000_000), "20000", "Last queries that /api/v1/status/top_queries looks at. 0: none"),
  "search.queryStats.minQueryDuration": flag(durationType, "1ms", "Shorter queries are left out of /api/v1/status/top_queries"),
  "search.queryStats.minQueryMemoryUsage": flag(sizeType(0, 2 ** 40), "0", "Queries with less memory are left out of /api/v1/status/top_queries. VictoriaMetrics: 1024"),
  "search.warmUp": flag(booleanType, "true", "After a start with data, ask itself small queries for up to a second of CPU while nobody else does, so that the first ones of users are fast"),
  "selfScrapeInstance": flag(stringType, "self", "Value of the label instance of the own metrics"),
  "selfScrapeInterval": flag(intervalType, "15s", "How often the own metrics are stored; 0 switches it off. VictoriaMetrics: 0"),
  "selfScrapeJob": flag(stringType, "tidemark", "Value of the label job of the own metrics"),
  "storage.exemplarsPerSeries": flag(integerType(1, 1000), "100", "Exemplars kept of each series, the newest ones"),
  "storage.fsyncInterval": flag(intervalType, "1s", "How much time of acknowledged writes a power cut may take; 0 syncs the disk before every answer"),
  "storage.keepNaN": flag(wordType<"auto" | "true" | "false">(["auto", "true", "false"]), "auto", "Store samples that are NaN, which PromQL sees and MetricsQL does not. auto: if -search.dialect is promql; otherwise they are dropped, as VictoriaMetrics does"),
  "storage.maxExemplars": flag(integerType(0, 10_000_000), "100000", "Exemplars kept of all series, about 200 bytes of memory each; 0 keeps none"),
  "storage.mergeCpuShare": flag(decimalType(0.01, 1), "0.25", "Share of a core that merges in the background may take while something is written; more if parts pile up"),
  "storage.minFreeDiskSpaceBytes": flag(sizeType(0, 2 ** 50), "10MB", "With less free space on the disk of -storageDataPath than this, writes are refused with 503 and nothing is merged, until there is space again"),
  "storage.shards": flag(integerType(1, 64), "1", "Shards of a new data directory, each with a memory of 4 GiB for about 6 million active series. A directory keeps the number that it was made with"),
  "storageDataPath": flag(stringType, "./tidemark-data", "Folder of the data; made if missing"),
  "version": flag(booleanType, "false", "Print the version and exit"),
};

export type FlagName = keyof typeof flags;

/** The value of every flag, set or default. */
export type FlagValues = { readonly [Name in FlagName]: (typeof flags)[Name] extends FlagDeclaration<infer T> ? T : never };
