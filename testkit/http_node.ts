/** A node without a process: the HTTP server on a free port over a naive store, for tests of the HTTP layer. */
import { type Clock, systemClock } from "../src/base/clock.ts";
import { type Logger, silentLogger } from "../src/base/logger.ts";
import { MetricRegistry } from "../src/base/metrics.ts";
import type { Api, ApiLimits } from "../src/http/api.ts";
import { ActiveQueries } from "../src/http/active_queries.ts";
import { apiRoutes } from "../src/http/api_routes.ts";
import { ByteBudget } from "../src/http/byte_budget.ts";
import { ConcurrencyGate } from "../src/http/concurrency_gate.ts";
import { IngestLane, type IngestTarget } from "../src/http/ingest_lane.ts";
import { QueryStatistics } from "../src/http/query_statistics.ts";
import { HttpServer } from "../src/http/server.ts";
import { createMemory, Kernel } from "../src/kernel/kernel.ts";
import { JsonLinesParser } from "../src/protocol/json_lines.ts";
import { PrometheusTextParser } from "../src/protocol/prometheus_text.ts";
import { RemoteWriteParser } from "../src/protocol/remote_write.ts";
import { MemoryStore } from "../src/stores/memory_store.ts";

export const testLimits: ApiLimits = {
  insertBytesMax: 1 << 20,
  latencyOffsetMs: 0,
  skipsCaches: false,
  dialect: "metricsql",
  lookbackDeltaMs: 300_000,
  queryDurationMsMax: 5000,
  slowQueryMsMin: 5000,
  heavyQueryBytesMin: 0,
  deniesTracing: false,
  queryBytesMax: 16_384,
  pointsMax: 30_000,
  seriesMax: 1000,
  labelNamesMax: 1000,
  labelValuesMax: 1000,
  exportSeriesMax: 1000,
  exportDurationMsMax: 60_000,
  labelsDurationMsMax: 5000,
};

export interface HttpNodeOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly limits?: Partial<ApiLimits>;
  readonly requestTimeoutMs?: number;
  readonly compressesAnswers?: boolean;
  readonly ingestBytesInFlightMax?: number;
  readonly concurrentQueriesMax?: number;
  readonly ingestTarget?: IngestTarget;
  readonly api?: Partial<Api>;
}

export interface HttpNode extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly api: Api;
  readonly server: HttpServer;
  readonly store: MemoryStore;
  readonly budget: ByteBudget;
}

/** Starts a node; `await using` stops it. */
export async function startHttpNode(options: HttpNodeOptions = {}): Promise<HttpNode> {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const metrics = new MetricRegistry();
  const store = new MemoryStore();
  const limits = { ...testLimits, ...options.limits };
  const kernel = new Kernel(createMemory(1 << 20));
  const budget = new ByteBudget(options.ingestBytesInFlightMax ?? 64 << 20);
  const api: Api = {
    store,
    queryRunner: { instant: () => Promise.reject(new Error("no runner")), range: () => Promise.reject(new Error("no runner")) },
    resetResultCaches: () => undefined,
    queryGate: new ConcurrencyGate({ clock, concurrentMax: options.concurrentQueriesMax ?? 4, waitMsMax: 200, concurrentFlag: "-search.maxConcurrentRequests", waitFlag: "-search.maxQueueDuration" }),
    activeQueries: new ActiveQueries(clock),
    queryStatistics: new QueryStatistics({ clock, queriesMax: 100, durationMsMin: 0, memoryBytesMin: 0 }),
    ingestLane: new IngestLane({ kernel, target: options.ingestTarget ?? store, clock, bodyBytesMax: limits.insertBytesMax, bodyLimitFlag: "-maxInsertRequestSize" }),
    ingestBudget: budget,
    parsers: {
      remoteWrite: new RemoteWriteParser(kernel),
      prometheusText: new PrometheusTextParser(kernel),
      openMetricsText: new PrometheusTextParser(kernel, undefined, "seconds"),
      jsonLines: new JsonLinesParser(kernel),
    },
    limits,
    metrics,
    logger,
    clock,
    version: "0.0.0-test",
    targets: undefined,
    reload: () => Promise.resolve(),
    userInterface: undefined,
    ...options.api,
  };
  const server = new HttpServer({ clock, logger, metrics, allowCors: true, compressesAnswers: options.compressesAnswers ?? true, requestTimeoutMs: options.requestTimeoutMs ?? 10_000, idleTimeoutMs: 30_000 });
  server.setRoutes(apiRoutes(api));
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    api,
    server,
    store,
    budget,
    [Symbol.asyncDispose]: () => server.close(1000),
  };
}
