/**
 * A query thread: an Engine over snapshots of the main thread's store, with private memory for decoding, roll-ups and output. It
 * evaluates one query at a time (queries of a thread share its memory); the pool starts further threads.
 */
import type { MessagePort } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { LateWrites } from "../kernel/late_writes.ts";
import type { Expr } from "../metricsql/ast.ts";
import { withSeparateNames } from "../metricsql/filter_group.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { printExpr } from "../metricsql/printer.ts";
import { mapExpr } from "../metricsql/visit.ts";
import type { Selector } from "../model/matcher.ts";
import { PromqlEngine } from "../promql/engine.ts";
import { Engine } from "../query/engine.ts";
import { QueryTrace } from "../query/query_trace.ts";
import type { QueryResult } from "../query/result.ts";
import { ResultCache } from "../query/result_cache.ts";
import { ResultCacheCounts } from "../query/result_cache_counts.ts";
import { encodeResult } from "../query/result_encoder.ts";
import { LocalReader } from "../storage/local_reader.ts";
import type { LabelQuestion } from "../storage/segment_labels.ts";
import { ShardReader } from "../storage/shard.ts";
import { encodeError } from "./error_message.ts";
import type { HelpReply, HelpRequest } from "./help_messages.ts";
import { giveHeapBack } from "./idle_memory.ts";
import { IdleTimer } from "./idle_timer.ts";
import { PeerThreads } from "./peer_threads.ts";
import type { QueryWorkerReply, QueryWorkerRequest, QueryWorkerSetup, WorkerAnswer, WorkerQuery } from "./query_messages.ts";
import { RollupHelper } from "./rollup_helper.ts";
import { SharingStore } from "./sharing_store.ts";
import { SnapshotRequests } from "./snapshot_requests.ts";
import { ThreadActivity } from "./thread_activity.ts";

/** How often files of parts that were merged away are closed. */
const closeUnusedMs = 60_000;
/** After so long without a query, memory beyond this is given back. */
const idleMs = 5000;
const keptKernelBytesMax = 32 << 20;
/** A cancelled query goes on for at most about this long, or one piece of work. */
const turnMs = 10;

export function runQueryWorker(port: MessagePort, setup: QueryWorkerSetup): void {
  const post = (reply: QueryWorkerReply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);
  let kernel = new Kernel();
  const shards = setup.shards.map((layout) => new ShardReader(layout, setup.scratchNumber));
  const reader = new LocalReader({
    files: new RealFileSystem(),
    kernel,
    shards,
    indexCacheBytes: setup.indexCacheBytes,
    onUnreadable: (path, error) => post({ kind: "unreadable", path, message: String(error) }),
  });
  let posted = reader.segmentStats;
  const postStats = (): void => {
    const stats = reader.segmentStats;
    if (stats.loads !== posted.loads || stats.loadedBytes !== posted.loadedBytes) post({ kind: "segmentStats", stats });
    posted = stats;
  };
  setInterval(() => {
    reader.closeUnused();
    postStats();
  }, closeUnusedMs).unref();
  const activity = new ThreadActivity(setup.activity, setup.threadNumber);
  const running = new Map<number, AbortController>();
  const peers = new PeerThreads({ activity, onHelp: (request, reply) => void help(request, reply), isCrowded: () => running.size > 1, onHelpWanted: () => post({ kind: "helpWanted" }) });
  const snapshots = new SnapshotRequests(post);
  const store = new SharingStore({ reader, source: snapshots, peers, slices: setup.slices, labels: shards.map(({ labels }) => labels) });
  const helper = new RollupHelper({ thread: setup.threadNumber, reader, store, kernel: () => kernel, isFree: () => running.size === 0 });
  let lastTurn: Promise<unknown> = Promise.resolve();
  /** Runs `body` when all queries before have ended: they share the memory that the store decodes in. */
  const inTurn = <T>(body: () => Promise<T>): Promise<T> => {
    const result = lastTurn.then(body);
    lastTurn = result.catch(() => undefined);
    return result;
  };
  const engineOptions = { results: openResultCache(setup), store, nowMs: systemClock.nowMs, monotonicMs: systemClock.monotonicMs, limits: setup.limits, takeTurn: threadTurns() };
  const openEngines = (): Engines => ({ metricsql: new Engine({ ...engineOptions, kernel }), promql: new PromqlEngine({ ...engineOptions, kernel }) });
  let engines = openEngines();

  /** Large memories are dropped, not kept for a query that may never come. */
  const giveBack = (): void => {
    const isLarge = kernel.sizeBytes > keptKernelBytesMax;
    if (isLarge) {
      kernel = new Kernel();
      reader.useKernel(kernel);
      engines = openEngines();
    }
    store.dropSpare();
    giveHeapBack(isLarge);
  };
  const idle = new IdleTimer(idleMs, giveBack);
  let tasks = 0;
  const begin = (): void => {
    tasks++;
    idle.stop();
    activity.begin();
  };
  const end = (): void => {
    activity.end();
    if (--tasks === 0) idle.start();
  };

  const help = async (request: HelpRequest, reply: (answer: HelpReply) => void): Promise<void> => {
    if (running.size > 0) return;
    begin();
    await inTurn(() => helper.help(request, reply)).finally(end);
  };

  const answer = async (requestId: number, query: WorkerQuery): Promise<void> => {
    const controller = new AbortController();
    running.set(requestId, controller);
    begin();
    try {
      const made = await inTurn(() => evaluateEncoded(engines, kernel, query, controller.signal));
      post({ kind: "answer", requestId, answer: made }, [made.body.buffer as ArrayBuffer]);
    } catch (error) {
      post({ kind: "failed", requestId, error: encodeError(error) });
    } finally {
      running.delete(requestId);
      end();
      postStats();
    }
  };

  const answerLabels = async (requestId: number, question: LabelQuestion): Promise<void> => {
    const controller = new AbortController();
    running.set(requestId, controller);
    begin();
    try {
      const found = await reader.answerLabels(question, controller.signal);
      post({ kind: "labels", requestId, answer: found }, [found.runs.buffer as ArrayBuffer]);
    } catch (error) {
      post({ kind: "failed", requestId, error: encodeError(error) });
    } finally {
      running.delete(requestId);
      end();
      postStats();
    }
  };

  port.on("message", (request: QueryWorkerRequest) => {
    switch (request.kind) {
      case "query":
        void answer(request.requestId, request.query);
        break;
      case "labels":
        void answerLabels(request.requestId, request.question);
        break;
      case "cancel":
        running.get(request.requestId)?.abort();
        break;
      case "peer":
        peers.add(request.threadNumber, request.port);
        break;
      case "leave":
        peers.drop(request.threadNumber);
        void helper.idle().then(() => post({ kind: "left", requestId: request.requestId }));
        break;
      case "snapshot":
        snapshots.receive(request);
        break;
    }
  });
}

/** A turn of the event loop every so often, in which a message that cancels a query is received. */
function threadTurns(): () => Promise<void> | undefined {
  let lastMs = systemClock.monotonicMs();
  return () => {
    if (systemClock.monotonicMs() - lastMs < turnMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        lastMs = systemClock.monotonicMs();
        resolve();
      });
    });
  };
}

function openResultCache({ resultCache, shards }: QueryWorkerSetup): ResultCache | undefined {
  if (resultCache === undefined) return undefined;
  const { bytesMax, offsetMs, windowMinMs, counts } = resultCache;
  return new ResultCache({ watch: new LateWrites(shards), bytesMax, offsetMs, windowMinMs, counts: new ResultCacheCounts(counts) });
}

/** An engine for each language. The main thread has one for MetricsQL only. */
export interface Engines {
  readonly metricsql: Engine;
  readonly promql?: PromqlEngine;
}

/** Evaluates a query and writes its answer. */
export async function evaluateEncoded(engines: Engines, kernel: Kernel, query: WorkerQuery, signal: AbortSignal | undefined): Promise<WorkerAnswer> {
  if (!query.isTraced) {
    const result = await evaluate(engines, kernel, query, signal, undefined);
    return { body: encodeResult(shaped(result, query), kernel), stats: result.stats, readRange: result.readRange };
  }
  const trace = new QueryTrace("evaluate", systemClock.monotonicMs);
  using step = new DisposableStack();
  step.use(trace.enter(trace.root));
  const result = await evaluate(engines, kernel, query, signal, trace);
  const span = trace.open("");
  const body = trace.run(span, () => encodeResult(shaped(result, query), kernel));
  span.message = `encode ${result.series.length} series as ${body.length} bytes of JSON`;
  step.dispose();
  return { body, stats: result.stats, trace: trace.root.node(), readRange: result.readRange };
}

function evaluate(engines: Engines, kernel: Kernel, query: WorkerQuery, signal: AbortSignal | undefined, trace: QueryTrace | undefined): Promise<QueryResult> {
  signal?.throwIfAborted();
  if (query.dialect === "metricsql") return evaluateMetricsql(engines.metricsql, query, signal, trace);
  assert(engines.promql !== undefined, "queries of this dialect are not given to this thread");
  return evaluatePromql(engines.promql, query, signal);
}

function evaluatePromql(engine: PromqlEngine, query: WorkerQuery, signal: AbortSignal | undefined): Promise<QueryResult> {
  const { tenant, startMs, endMs, stepMs, enforcedFilters, lookbackMs, delaysNameRemoval = false } = query;
  const options = { tenant, ...(signal === undefined ? {} : { signal }), query: query.query, enforcedFilters, lookbackMs, delaysNameRemoval };
  return query.kind === "instant" ? engine.instant({ ...options, timeMs: endMs }) : engine.range({ ...options, startMs, endMs, stepMs });
}

function evaluateMetricsql(engine: Engine, query: WorkerQuery, signal: AbortSignal | undefined, trace: QueryTrace | undefined): Promise<QueryResult> {
  const { tenant, startMs, endMs, stepMs } = query;
  const options = { tenant, ...(signal === undefined ? {} : { signal }), trace, query: narrowedText(query), ...(query.lookbackMs > 0 ? { lookbackMs: query.lookbackMs } : {}) };
  if (query.kind === "instant") return engine.instant({ ...options, timeMs: endMs, stepMs, skipsCaches: query.skipsCaches });
  return engine.range({ ...options, startMs, endMs, stepMs, skipsCaches: query.skipsCaches });
}

/** The query with the enforced filters in each of its selectors. */
export function narrowedText({ query, enforcedFilters }: WorkerQuery): string {
  if (!isNarrowing(enforcedFilters)) return query;
  const narrow = (expr: Expr): Expr =>
    expr.kind === "selector" ? { ...expr, groups: withSeparateNames(expr.groups.flatMap((group) => enforcedFilters.map((filters) => [...group, ...filters]))) } : expr;
  return printExpr(mapExpr(parseExpr(query), narrow));
}

function isNarrowing(filters: Selector): boolean {
  return !(filters.length === 1 && filters[0].length === 0);
}

/** At most `seriesLimit` series, values rounded to `roundDigits`. */
function shaped(result: QueryResult, { seriesLimit, roundDigits }: WorkerQuery): QueryResult {
  const series = seriesLimit > 0 ? result.series.slice(0, seriesLimit) : result.series;
  if (roundDigits !== undefined) {
    const scale = 10 ** Math.min(roundDigits, 15);
    for (const { values } of series) for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i] * scale) / scale;
  }
  return { ...result, series };
}
