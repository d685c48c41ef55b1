/**
 * Query threads. The first one may have been started before; each of the others starts with the first query that finds all running ones busy, or that is so
 * large that it can be shared (sharing_store.ts). Each two of them have a channel of their own.
 */
import { MessageChannel, type Worker } from "node:worker_threads";
import type { Logger } from "../base/logger.ts";
import type { QueryLimits } from "../query/limits.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { addSegmentStats, noSegmentStats, type SegmentCacheStats } from "../storage/segment_cache.ts";
import type { LabelAnswer, LabelQuestion, LabelSource } from "../storage/segment_labels.ts";
import { QueryClient } from "./query_client.ts";
import { type SlicePlan, usualSlicePlan } from "./rollup_slices.ts";
import { ThreadActivity } from "./thread_activity.ts";
import type { ResultCacheSetup, WorkerAnswer, WorkerQuery } from "./query_messages.ts";

export interface QueryPoolOptions {
  readonly store: LocalStore;
  /** Scratch area of the first thread; the others follow. */
  readonly firstScratchNumber: number;
  /** All together, and those that get queries, which are all of them without it: the others help only. */
  readonly threads: number;
  readonly evaluatingThreads?: number;
  readonly limits: QueryLimits;
  /** Old index segments that each thread keeps in memory. */
  readonly indexCacheBytes?: number;
  /** For each thread; without it they keep no results. */
  readonly resultCache?: ResultCacheSetup | undefined;
  readonly logger: Logger;
  /** How large rollups are shared. */
  readonly slices?: SlicePlan;
  /** For the first thread, which otherwise starts with the first query; from startQueryThread(). */
  readonly firstThread?: Worker;
}

export class QueryPool implements LabelSource, AsyncDisposable {
  readonly #options: QueryPoolOptions;
  readonly #clients: QueryClient[] = [];
  readonly #activity: SharedArrayBuffer;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
    this.#activity = ThreadActivity.createBuffer(options.threads);
    const first = this.#add();
    if (options.firstThread !== undefined) first.start(options.firstThread);
  }

  get activeCount(): number {
    return this.#clients.reduce((sum, client) => sum + client.activeCount, 0);
  }

  /** Evaluates on the thread that may have kept results of the query, or on the least busy one; resolves with the answer. */
  run(query: WorkerQuery, signal: AbortSignal): Promise<WorkerAnswer> {
    const least = this.#leastBusy();
    const isKept = this.#options.resultCache !== undefined && query.skipsCaches !== true;
    const count = Math.min(this.#clients.length, this.#evaluatingThreads);
    if (!isKept || count === 1) return least.run(query, signal);
    const own = this.#clients[textHash(query.query) % count];
    return (own.activeCount <= least.activeCount ? own : least).run(query, signal);
  }

  /** Answers a question about labels of old months on the least busy thread. */
  answerLabels(question: LabelQuestion, signal: AbortSignal | undefined): Promise<LabelAnswer> {
    return this.#leastBusy().answerLabels(question, signal);
  }

  /** Figures about old index segments, all threads together. */
  get segmentStats(): SegmentCacheStats {
    return this.#clients.map(({ segmentStats }) => segmentStats).reduce(addSegmentStats, noSegmentStats);
  }

  #leastBusy(): QueryClient {
    let best = this.#clients[0];
    for (const client of this.#clients.slice(0, this.#evaluatingThreads)) if (client.activeCount < best.activeCount) best = client;
    if (best.activeCount > 0 && this.#clients.length < this.#evaluatingThreads) best = this.#add();
    return best;
  }

  get #evaluatingThreads(): number {
    return this.#options.evaluatingThreads ?? this.#options.threads;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
  }

  #add(): QueryClient {
    const { store, firstScratchNumber, limits, indexCacheBytes, resultCache, logger, slices = usualSlicePlan } = this.#options;
    const threadNumber = this.#clients.length;
    const client = new QueryClient({
      store, scratchNumber: firstScratchNumber + threadNumber, limits, indexCacheBytes, resultCache, logger, threadNumber, activity: this.#activity, slices,
      onStart: () => this.#connect(threadNumber),
      onEnd: () => Promise.all(this.#clients.map((other) => other.leave(threadNumber))),
      onHelpWanted: () => this.#startHelper(),
    });
    this.#clients.push(client);
    return client;
  }

  /** Makes channels between a thread that has just started and the others. */
  #connect(threadNumber: number): void {
    for (const [otherNumber, other] of this.#clients.entries()) {
      if (otherNumber === threadNumber || !other.isRunning) continue;
      const { port1, port2 } = new MessageChannel();
      this.#clients[threadNumber].addPeer(otherNumber, port1);
      other.addPeer(threadNumber, port2);
    }
  }

  #startHelper(): void {
    const stopped = this.#clients.find((client) => !client.isRunning) ?? (this.#clients.length < this.#options.threads ? this.#add() : undefined);
    stopped?.start();
  }
}

/** The same for the same text. */
function textHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) >>> 0;
  return hash;
}
