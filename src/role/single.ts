/**
 * The single node: store, engine, HTTP, scraping and the own metrics in one process. HTTP is there first and says "not ready" while the
 * log is replayed; on the way down it goes first, then what writes, then the store.
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "../base/clock.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { machineMemoryBytes } from "../base/machine_memory.ts";
import { MetricRegistry } from "../base/metrics.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import type { Api, IngestParsers } from "../http/api.ts";
import { registerApiMetrics } from "../http/api_metrics.ts";
import { ActiveQueries } from "../http/active_queries.ts";
import { apiRoutes } from "../http/api_routes.ts";
import { ByteBudget } from "../http/byte_budget.ts";
import { ConcurrencyGate } from "../http/concurrency_gate.ts";
import { IngestLane } from "../http/ingest_lane.ts";
import { QueryStatistics } from "../http/query_statistics.ts";
import { registerSelfMetrics } from "../http/self_metrics.ts";
import { HttpServer } from "../http/server.ts";
import { startingRoutes } from "../http/starting_routes.ts";
import { StaticFiles } from "../http/static_files.ts";
import { WarmUp } from "../http/warm_up.ts";
import { warmUpRequests } from "../http/warm_up_requests.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { IntakeRules } from "../kernel/label_run.ts";
import { JsonLinesParser } from "../protocol/json_lines.ts";
import { PrometheusTextParser } from "../protocol/prometheus_text.ts";
import { RemoteWriteParser } from "../protocol/remote_write.ts";
import type { FlagValues } from "./flags.ts";
import { type MemoryPlan, planMemory } from "./memory_plan.ts";
import { type NodeStore, openNodeStore } from "./node_store.ts";
import { readScrapeConfig, Scraping } from "./scraping.ts";
import { SelfScrape } from "./self_scrape.ts";
import { registerStoreMetrics } from "./store_metrics.ts";

export interface SingleNodeOptions {
  readonly flags: FlagValues;
  readonly logger: Logger;
  readonly version: string;
  /** Told when the node cannot go on. */
  readonly onFatal: (error: Error) => void;
}

export interface SingleNode extends AsyncDisposable {
  /** Where the UI is. */
  readonly url: string;
  /** Reads the scrape configuration again; rejects if it is refused. */
  reload(): Promise<void>;
}

const clock = systemClock;
/** Requests in flight get this long when the node stops. */
const closeGraceMs = 15_000;
const requestTimeoutMs = 120_000;

/** Starts a node; resolves when it is ready. */
export async function startSingle({ flags, logger, version, onFatal }: SingleNodeOptions): Promise<SingleNode> {
  // A wrong file is said before anything is started.
  const scrapeConfig = flags["promscrape.config"] === "" ? undefined : readScrapeConfig(flags["promscrape.config"]);
  await using starting = new AsyncDisposableStack();
  const metrics = new MetricRegistry();
  const memory = planMemory(machineMemoryBytes(), flags["memory.allowedPercent"], flags["storage.shards"]);
  starting.use(registerSelfMetrics({ metrics, clock, version, allowedMemoryBytes: memory.allowedBytes }));
  const server = new HttpServer({
    clock, logger, metrics, requestTimeoutMs, allowCors: !flags["http.disableCORS"], compressesAnswers: !flags["http.disableResponseCompression"], idleTimeoutMs: flags["search.maxQueryDuration"] + requestTimeoutMs,
  });
  server.setRoutes(startingRoutes(metrics));
  const address = await server.listen(flags.httpListenAddr);
  starting.defer(() => server.close(closeGraceMs));
  const nodeStore = await openNodeStore({ flags, memory, clock, logger, onFatal });
  starting.use(nodeStore);
  const labelLimits = { labelsMax: flags.maxLabelsPerTimeseries, nameSizeMax: flags.maxLabelNameLen, valueSizeMax: flags.maxLabelValueLen, keepsNaN: keepsNaN(flags) };
  const scraping = scrapeConfig && new Scraping(flags["promscrape.config"], scrapeConfig, { sink: nodeStore.store, clock, logger, metrics, files: new RealFileSystem(), labelLimits, storesStarts: flags["promscrape.storeStartTimestamps"] });
  starting.use(scraping);
  const api = createApi({ flags, memory, nodeStore, scraping, labelLimits, metrics, logger, version });
  registerApiMetrics(api);
  registerStoreMetrics(metrics, nodeStore.store);
  nodeStore.resultCaches?.register(metrics);
  starting.defer(() => api.ingestLane.idle());
  if (flags.selfScrapeInterval > 0) starting.use(startSelfScrape(flags, api));
  server.setRoutes(apiRoutes(api));
  if (flags["search.warmUp"]) starting.use(startWarmUp(api, nodeStore, server));
  const running = starting.move();
  return {
    url: `http://${hostInUrl(flags.httpListenAddr.host)}:${address.port}/`,
    reload: api.reload,
    async [Symbol.asyncDispose]() {
      await server.close(closeGraceMs);
      await running.disposeAsync();
    },
  };
}

interface ApiParts {
  readonly flags: FlagValues;
  readonly memory: MemoryPlan;
  readonly nodeStore: NodeStore;
  readonly scraping: Scraping | undefined;
  readonly labelLimits: IntakeRules;
  readonly metrics: MetricRegistry;
  readonly logger: Logger;
  readonly version: string;
}

function createApi({ flags, memory, nodeStore, scraping, labelLimits, metrics, logger, version }: ApiParts): Api {
  const { store, queryRunner } = nodeStore;
  const kernel = store.writeKernel;
  const insertBytesMax = flags.maxInsertRequestSize;
  return {
    store,
    queryRunner,
    resetResultCaches: () => nodeStore.resultCaches?.reset(),
    queryGate: new ConcurrencyGate({
      clock,
      concurrentMax: flags["search.maxConcurrentRequests"],
      waitMsMax: flags["search.maxQueueDuration"],
      concurrentFlag: "-search.maxConcurrentRequests",
      waitFlag: "-search.maxQueueDuration",
    }),
    activeQueries: new ActiveQueries(clock),
    queryStatistics: new QueryStatistics({
      clock,
      queriesMax: flags["search.queryStats.lastQueriesCount"],
      durationMsMin: flags["search.queryStats.minQueryDuration"],
      memoryBytesMin: flags["search.queryStats.minQueryMemoryUsage"],
    }),
    ingestLane: new IngestLane({ kernel, target: store, clock, bodyBytesMax: insertBytesMax, bodyLimitFlag: "-maxInsertRequestSize" }),
    ingestBudget: new ByteBudget(Math.max(flags["insert.maxBytesInFlight"] || memory.insertBytesInFlight, insertBytesMax)),
    parsers: createParsers(kernel, labelLimits, store.writeHead, flags.maxBucketsPerHistogram),
    limits: {
      insertBytesMax,
      latencyOffsetMs: flags["search.latencyOffset"],
      skipsCaches: flags["search.disableCache"],
      dialect: flags["search.dialect"],
      lookbackDeltaMs: flags["search.lookbackDelta"],
      queryDurationMsMax: flags["search.maxQueryDuration"],
      slowQueryMsMin: flags["search.logSlowQueryDuration"],
      heavyQueryBytesMin: flags["search.logQueryMemoryUsage"],
      deniesTracing: flags.denyQueryTracing,
      queryBytesMax: flags["search.maxQueryLen"],
      pointsMax: flags["search.maxPointsPerTimeseries"],
      seriesMax: flags["search.maxSeries"],
      labelNamesMax: flags["search.maxTagKeys"],
      labelValuesMax: flags["search.maxTagValues"],
      exportSeriesMax: flags["search.maxExportSeries"],
      exportDurationMsMax: flags["search.maxExportDuration"],
      labelsDurationMsMax: flags["search.maxLabelsAPIDuration"],
    },
    metrics,
    logger,
    clock,
    version,
    targets: scraping?.manager,
    reload: async () => {
      if (scraping === undefined) logger.info("there is no -promscrape.config to read again");
      else scraping.reload();
    },
    userInterface: StaticFiles.read(fileURLToPath(new URL("../../build/web", import.meta.url))),
  };
}

function keepsNaN(flags: FlagValues): boolean {
  const choice = flags["storage.keepNaN"];
  return choice === "auto" ? flags["search.dialect"] === "promql" : choice === "true";
}

function createParsers(kernel: Kernel, limits: IntakeRules, head: number | undefined, bucketsMax: number): IngestParsers {
  return {
    remoteWrite: new RemoteWriteParser(kernel, limits, head, bucketsMax),
    prometheusText: new PrometheusTextParser(kernel, limits),
    openMetricsText: new PrometheusTextParser(kernel, limits, "seconds"),
    jsonLines: new JsonLinesParser(kernel, limits),
  };
}

function startSelfScrape(flags: FlagValues, api: Api): SelfScrape {
  return new SelfScrape({
    intervalMs: flags.selfScrapeInterval,
    job: flags.selfScrapeJob,
    instance: flags.selfScrapeInstance,
    metrics: api.metrics,
    lane: api.ingestLane,
    parser: api.parsers.prometheusText,
    clock,
    logger: api.logger,
  });
}

const warmUpSeriesCount = 32;
const warmUpCpuMs = 600;

/** Requests that nobody sees: all that counts and lists requests is the warm-up's own. */
function startWarmUp(api: Api, { store, warmUpRunner }: NodeStore, server: HttpServer): WarmUp {
  const newestMs = store.parts.reduce((newest, { maxMs }) => Math.max(newest, maxMs), -Infinity);
  const own: Api = {
    ...api,
    queryRunner: warmUpRunner(),
    queryGate: new ConcurrencyGate({ clock, concurrentMax: 1, waitMsMax: 1000, concurrentFlag: "", waitFlag: "" }),
    activeQueries: new ActiveQueries(clock),
    queryStatistics: new QueryStatistics({ ...api.queryStatistics.options, queriesMax: 100 }),
    limits: { ...api.limits, slowQueryMsMin: 0, heavyQueryBytesMin: 0 },
    metrics: new MetricRegistry(),
    logger: silentLogger,
  };
  const subject = { series: store.someSeries(warmUpSeriesCount), endMs: newestMs > 0 ? Math.min(newestMs, clock.nowMs()) : clock.nowMs(), dialect: api.limits.dialect };
  return new WarmUp({ clock, routes: apiRoutes(own), requests: warmUpRequests(subject), lastRequestMs: () => server.lastRequestMs, cpuMs: threadCpuMs, cpuMsMax: warmUpCpuMs });
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function hostInUrl(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
