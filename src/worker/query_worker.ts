/**
 * A query thread: an Engine over snapshots of the main thread's store, with private memory for decoding, roll-ups and output. It
 * evaluates one query at a time (queries of a thread share its memory); the pool starts further threads.
 */
import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { Expr } from "../metricsql/ast.ts";
import { withSeparateNames } from "../metricsql/filter_group.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { printExpr } from "../metricsql/printer.ts";
import { mapExpr } from "../metricsql/visit.ts";
import type { Selector } from "../model/matcher.ts";
import { PromqlEngine } from "../promql/engine.ts";
import { Engine } from "../query/engine.ts";
import type { QueryResult } from "../query/result.ts";
import { encodeResult } from "../query/result_encoder.ts";
import { LocalReader } from "../storage/local_reader.ts";
import type { LabelQuestion } from "../storage/segment_labels.ts";
import { ShardReader } from "../storage/shard.ts";
import type { Snapshot } from "../storage/snapshot.ts";
import { decodeError, encodeError } from "./error_message.ts";
import type { QueryWorkerReply, QueryWorkerRequest, QueryWorkerSetup, WorkerQuery } from "./query_messages.ts";
import { SnapshotStore } from "./snapshot_store.ts";

/** How often files of parts that were merged away are closed. */
const closeUnusedMs = 60_000;

export function runQueryWorker(port: MessagePort, setup: QueryWorkerSetup): void {
  const post = (reply: QueryWorkerReply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);
  const snapshots = new Map<number, PromiseWithResolvers<Snapshot>>();
  let nextSnapshotId = 1;
  const kernel = new Kernel();
  const reader = new LocalReader({
    files: new RealFileSystem(),
    kernel,
    shards: setup.shards.map((layout) => new ShardReader(layout, setup.scratchNumber)),
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
  const store = new SnapshotStore(reader, {
    open(request) {
      const snapshotId = nextSnapshotId++;
      const waiting = Promise.withResolvers<Snapshot>();
      snapshots.set(snapshotId, waiting);
      post({ kind: "openSnapshot", snapshotId, request });
      return waiting.promise;
    },
    release: (pin) => post({ kind: "releaseSnapshot", pin }),
  });
  let lastTurn: Promise<unknown> = Promise.resolve();
  /** Runs `body` when all queries before have ended: they share the memory that the store decodes in. */
  const inTurn = (body: () => Promise<QueryResult>): Promise<QueryResult> => {
    const result = lastTurn.then(body);
    lastTurn = result.catch(() => undefined);
    return result;
  };
  const engines: Engines = {
    metricsql: new Engine({ store, kernel, nowMs: systemClock.nowMs, limits: setup.limits }),
    promql: new PromqlEngine({ store, nowMs: systemClock.nowMs, monotonicMs: systemClock.monotonicMs, limits: setup.limits }),
  };
  const running = new Map<number, AbortController>();

  const answer = async (requestId: number, query: WorkerQuery): Promise<void> => {
    const controller = new AbortController();
    running.set(requestId, controller);
    try {
      const body = encodeResult(shaped(await inTurn(() => evaluate(engines, kernel, query, controller.signal)), query), kernel);
      post({ kind: "answer", requestId, body }, [body.buffer]);
    } catch (error) {
      post({ kind: "failed", requestId, error: encodeError(error) });
    } finally {
      running.delete(requestId);
      postStats();
    }
  };

  const answerLabels = async (requestId: number, question: LabelQuestion): Promise<void> => {
    const controller = new AbortController();
    running.set(requestId, controller);
    try {
      const found = await reader.answerLabels(question, controller.signal);
      post({ kind: "labels", requestId, answer: found }, [found.runs.buffer as ArrayBuffer]);
    } catch (error) {
      post({ kind: "failed", requestId, error: encodeError(error) });
    } finally {
      running.delete(requestId);
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
      case "snapshot": {
        const waiting = snapshots.get(request.snapshotId);
        snapshots.delete(request.snapshotId);
        if (request.snapshot !== undefined) waiting?.resolve(request.snapshot);
        else waiting?.reject(request.error === undefined ? new Error("no snapshot") : decodeError(request.error));
        break;
      }
    }
  });
}

/** An engine for each language. */
interface Engines {
  readonly metricsql: Engine;
  readonly promql: PromqlEngine;
}

function evaluate(engines: Engines, kernel: Kernel, query: WorkerQuery, signal: AbortSignal): Promise<QueryResult> {
  signal.throwIfAborted();
  return query.dialect === "promql" ? evaluatePromql(engines.promql, kernel, query, signal) : evaluateMetricsql(engines.metricsql, query, signal);
}

async function evaluatePromql(engine: PromqlEngine, kernel: Kernel, query: WorkerQuery, signal: AbortSignal): Promise<QueryResult> {
  const { tenant, startMs, endMs, stepMs, enforcedFilters, lookbackMs } = query;
  const options = { tenant, signal, query: query.query, enforcedFilters, lookbackMs };
  const mark = kernel.mark();
  try {
    return query.kind === "instant" ? await engine.instant({ ...options, timeMs: endMs }) : await engine.range({ ...options, startMs, endMs, stepMs });
  } finally {
    // What the store has decoded is of no use any more.
    if (kernel.mark() > mark) kernel.reset(mark);
  }
}

function evaluateMetricsql(engine: Engine, query: WorkerQuery, signal: AbortSignal): Promise<QueryResult> {
  const { tenant, startMs, endMs, stepMs } = query;
  const options = { tenant, signal, query: narrowed(query), ...(query.lookbackMs > 0 ? { lookbackMs: query.lookbackMs } : {}) };
  if (query.kind === "instant") return engine.instant({ ...options, timeMs: endMs, stepMs });
  return engine.range({ ...options, startMs, endMs, stepMs });
}

/** The query with the enforced filters in each of its selectors. */
function narrowed({ query, enforcedFilters }: WorkerQuery): string {
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
