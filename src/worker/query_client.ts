/** The main thread's side of a query thread: sends queries, serves snapshots, and hands out the answers. Without a thread to use it starts one with the first query. */
import { type MessagePort, Worker } from "node:worker_threads";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { kernelModule } from "../kernel/kernel.ts";
import type { QueryLimits } from "../query/limits.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { addSegmentStats, noSegmentStats, type SegmentCacheStats } from "../storage/segment_cache.ts";
import type { LabelAnswer, LabelQuestion, LabelSource } from "../storage/segment_labels.ts";
import { workerEntryUrl } from "./entry_url.ts";
import { decodeError, encodeError } from "./error_message.ts";
import type { SlicePlan } from "./rollup_slices.ts";
import { ThreadActivity } from "./thread_activity.ts";
import type { QueryWorkerReply, QueryWorkerRequest, QueryWorkerSetup, ResultCacheSetup, QueryWorkerStart, WorkerAnswer, WorkerQuery } from "./query_messages.ts";

export interface QueryClientOptions {
  readonly store: LocalStore;
  /** The scratch area of this thread in the shards. */
  readonly scratchNumber: number;
  readonly limits: QueryLimits;
  readonly indexCacheBytes: number | undefined;
  readonly resultCache: ResultCacheSetup | undefined;
  readonly logger: Logger;
  /** This thread among all that there may be, and what they see of each other (ThreadActivity). */
  readonly threadNumber: number;
  readonly activity: SharedArrayBuffer;
  readonly slices: SlicePlan;
  /** A thread has started, and is to know the others. */
  readonly onStart: () => void;
  /** The thread has ended; resolves when no other one reads for it any more. */
  readonly onEnd: () => Promise<unknown>;
  /** A large query could use a further thread. */
  readonly onHelpWanted: () => void;
}

/**
 * Starts a thread for a QueryClient, which is to terminate it: it loads its program while the store is still being opened, so that the first query need not
 * wait for that.
 */
export function startQueryThread(): Worker {
  const workerData: QueryWorkerStart = { role: "query", module: kernelModule() };
  const worker = new Worker(workerEntryUrl, { workerData, name: "query" });
  worker.unref();
  return worker;
}

export class QueryClient implements LabelSource, AsyncDisposable {
  readonly #options: QueryClientOptions;
  readonly #waiting = new Map<number, PromiseWithResolvers<WorkerAnswer>>();
  readonly #asked = new Map<number, PromiseWithResolvers<LabelAnswer>>();
  readonly #leaving = new Map<number, () => void>();
  /** Queries that the thread has not ended, cancelled ones too. */
  readonly #running = new Set<number>();
  /** Pins of the running thread, released with it when it dies. */
  readonly #pins = new Set<number>();
  /** Figures of the running thread, and of those before it. */
  #segmentStats = noSegmentStats;
  #earlierStats = noSegmentStats;
  #worker: Worker | undefined;
  #nextRequestId = 1;
  #closed = false;

  constructor(options: QueryClientOptions) {
    this.#options = options;
  }

  /** Uses a thread from startQueryThread(), which nobody else uses; without one it starts with the first query. */
  start(thread?: Worker): void {
    if (!this.#closed) this.#worker ??= this.#use(thread ?? startQueryThread());
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /** Lets the thread know another one. */
  addPeer(threadNumber: number, port: MessagePort): void {
    this.#worker?.postMessage({ kind: "peer", threadNumber, port } satisfies QueryWorkerRequest, [port]);
  }

  /** Resolves when the thread, if there is one, reads nothing for another one that has ended. */
  leave(threadNumber: number): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve();
    const requestId = this.#nextRequestId++;
    return new Promise((resolve) => {
      this.#leaving.set(requestId, resolve);
      worker.postMessage({ kind: "leave", threadNumber, requestId } satisfies QueryWorkerRequest);
    });
  }

  /** Queries that the thread works on or has before it; a cancelled one counts until the thread has noticed. */
  get activeCount(): number {
    return this.#running.size;
  }

  /** Figures about the old index segments that the thread has loaded. */
  get segmentStats(): SegmentCacheStats {
    return addSegmentStats(this.#earlierStats, this.#segmentStats);
  }

  /** Evaluates on the query thread; resolves with the answer. Rejects with the signal's reason when it is aborted. */
  async run(query: WorkerQuery, signal: AbortSignal): Promise<WorkerAnswer> {
    if (this.#closed) throw new UnavailableError("shutting_down", "the server is shutting down");
    signal.throwIfAborted();
    const requestId = this.#nextRequestId++;
    const waiting = Promise.withResolvers<WorkerAnswer>();
    this.#waiting.set(requestId, waiting);
    this.#running.add(requestId);
    const onAbort = (): void => {
      this.#post({ kind: "cancel", requestId });
      this.#waiting.delete(requestId);
      waiting.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#post({ kind: "query", requestId, query });
    try {
      return await waiting.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Answers a question about labels on the query thread. Settles when the thread has ended its work on it, also when the signal is aborted before. */
  async answerLabels(question: LabelQuestion, signal: AbortSignal | undefined): Promise<LabelAnswer> {
    if (this.#closed) throw new UnavailableError("shutting_down", "the server is shutting down");
    const requestId = this.#nextRequestId++;
    const asked = Promise.withResolvers<LabelAnswer>();
    this.#asked.set(requestId, asked);
    this.#running.add(requestId);
    const onAbort = (): void => this.#post({ kind: "cancel", requestId });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#post({ kind: "labels", requestId, question });
    try {
      return await asked.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #post(request: QueryWorkerRequest): void {
    this.start();
    this.#worker?.postMessage(request);
  }

  #use(worker: Worker): Worker {
    const { store, scratchNumber, limits, indexCacheBytes, resultCache, threadNumber, activity, slices, onStart } = this.#options;
    const setup: QueryWorkerSetup = { shards: store.layouts, scratchNumber, limits, indexCacheBytes, resultCache, threadNumber, activity, slices };
    worker.postMessage(setup);
    worker.on("message", (reply: QueryWorkerReply) => this.#receive(worker, reply));
    worker.on("error", (error: unknown) => this.#options.logger.error(`the query thread failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
    worker.on("exit", () => this.#ended(worker));
    this.#worker = worker;
    onStart();
    return worker;
  }

  /** A thread that died (out of memory, say) fails its queries and is started again by the next one. */
  #ended(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
    new ThreadActivity(this.#options.activity, this.#options.threadNumber).clear();
    this.#earlierStats = { ...this.segmentStats, loadedBytes: 0, segments: 0 };
    this.#segmentStats = noSegmentStats;
    const pins = [...this.#pins];
    this.#pins.clear();
    // Others may be reading what was pinned for them.
    const left = this.#closed ? Promise.resolve() : this.#options.onEnd();
    void left.then(() => pins.forEach((pin) => this.#options.store.releaseSnapshot(pin)));
    for (const resolve of this.#leaving.values()) resolve();
    this.#leaving.clear();
    this.#running.clear();
    const all = [...this.#waiting.values(), ...this.#asked.values()];
    this.#waiting.clear();
    this.#asked.clear();
    for (const waiting of all) waiting.reject(new UnavailableError("query_thread", "the query thread ended while it worked on this query"));
  }

  #receive(worker: Worker, reply: QueryWorkerReply): void {
    switch (reply.kind) {
      case "openSnapshot":
        return this.#openSnapshot(worker, reply);
      case "releaseSnapshot":
        this.#pins.delete(reply.pin);
        return this.#options.store.releaseSnapshot(reply.pin);
      case "left":
        this.#leaving.get(reply.requestId)?.();
        this.#leaving.delete(reply.requestId);
        return;
      case "helpWanted":
        return this.#options.onHelpWanted();
      case "segmentStats":
        this.#segmentStats = reply.stats;
        return;
      case "unreadable":
        return this.#options.store.reportUnreadable(reply.path, reply.message);
      case "answer":
        this.#waiting.get(reply.requestId)?.resolve(reply.answer);
        break;
      case "labels":
        this.#asked.get(reply.requestId)?.resolve(reply.answer);
        break;
      case "failed":
        (this.#waiting.get(reply.requestId) ?? this.#asked.get(reply.requestId))?.reject(decodeError(reply.error));
        break;
    }
    this.#waiting.delete(reply.requestId);
    this.#asked.delete(reply.requestId);
    this.#running.delete(reply.requestId);
  }

  #openSnapshot(worker: Worker, { snapshotId, request }: Extract<QueryWorkerReply, { kind: "openSnapshot" }>): void {
    let answer: QueryWorkerRequest;
    let transfer: ArrayBuffer[] = [];
    try {
      const snapshot = this.#options.store.openSnapshot(request);
      this.#pins.add(snapshot.pin);
      // The list of a million series is handed over, not copied.
      transfer = snapshot.series.map(({ buffer }) => buffer as ArrayBuffer);
      answer = { kind: "snapshot", snapshotId, snapshot };
    } catch (error) {
      answer = { kind: "snapshot", snapshotId, error: encodeError(error) };
    }
    worker.postMessage(answer, transfer);
  }
}
