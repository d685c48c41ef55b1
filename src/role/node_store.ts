/** Opens the single node's store: files on this machine's disk, a storage thread that owns them, a query thread that reads them. */
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { cachedQueryRunner } from "../http/cached_query_runner.ts";
import type { EncodedAnswer, InstantRequest, QueryRunner, RangeRequest } from "../http/query_runner.ts";
import { AnswerCache } from "../query/answer_cache.ts";
import { defaultQueryLimits, type QueryLimits } from "../query/limits.ts";
import { systemProcesses } from "../storage/directory_lock.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { firstReaderScratch, openLocalStore } from "../storage/open_local_store.ts";
import { InlineQueries } from "../worker/inline_queries.ts";
import { startQueryThread } from "../worker/query_client.ts";
import type { WorkerQuery } from "../worker/query_messages.ts";
import { QueryPool } from "../worker/query_pool.ts";
import { StorageClient } from "../worker/storage_client.ts";
import type { FlagValues } from "./flags.ts";
import type { MemoryPlan } from "./memory_plan.ts";
import { ResultCaches } from "./result_caches.ts";

export interface NodeStoreOptions {
  readonly flags: FlagValues;
  readonly memory: MemoryPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when the storage thread dies: nothing can be stored any more. */
  readonly onFatal: (error: Error) => void;
}

export interface NodeStore extends AsyncDisposable {
  readonly store: LocalStore;
  readonly queryRunner: QueryRunner;
  /** Answers what nobody has asked (http/warm_up.ts): with the engines and threads of all queries and a small cache of its own. */
  warmUpRunner(): QueryRunner;
  /** undefined with -search.disableCache. */
  readonly resultCaches: ResultCaches | undefined;
}

const queryThreadsMax = 8;
/** Queries over the last month are answered from the live index alone. */
const liveIndexMs = 32 * 86_400_000;

/** Rejects with StorageError, "directory_locked" when another process has the directory. */
export async function openNodeStore({ flags, memory, clock, logger, onFatal }: NodeStoreOptions): Promise<NodeStore> {
  // One core is for HTTP and ingest. It has little to do while one large query is evaluated, so on a machine with two cores a thread more helps with that.
  const cores = availableParallelism();
  const evaluatingThreads = Math.max(1, Math.min(queryThreadsMax, cores - 1));
  const queryThreads = cores === 2 ? 2 : evaluatingThreads;
  const indexCacheBytes = Math.floor(memory.indexCacheBytes / (queryThreads + 1));
  await using starting = new AsyncDisposableStack();
  // Loads its program while the index and the log are read, on another core.
  const firstThread = starting.adopt(startQueryThread(), async (thread) => void (await thread.terminate()));
  const store = await openLocalStore({
    clock,
    logger,
    exemplars: { perSeriesMax: flags["storage.exemplarsPerSeries"], totalMax: flags["storage.maxExemplars"] },
    files: new RealFileSystem(),
    directory: resolve(flags.storageDataPath),
    processes: systemProcesses,
    randomBytes: (size) => randomBytes(size),
    shardCount: flags["storage.shards"],
    seriesMax: memory.seriesMax,
    sealChunksMax: 262_144,
    chunkBudgetBytes: memory.chunkBudgetBytes,
    chunkBytesMax: memory.chunkBytesMax,
    checkpointLogBytes: 512 << 20,
    checkpointIntervalMs: 30 * 60_000,
    retentionMs: flags.retentionPeriod,
    fsyncIntervalMs: flags["storage.fsyncInterval"],
    minFreeDiskSpaceBytes: flags["storage.minFreeDiskSpaceBytes"],
    mergeCpuShare: flags["storage.mergeCpuShare"],
    readerThreads: queryThreads,
    liveIndexMs,
    indexCacheBytes,
    startTable: (setup) => new StorageClient(setup, logger, onFatal),
  });
  const resultCaches = flags["search.disableCache"] ? undefined : new ResultCaches({ store, flags, memory, clock });
  const limits = queryLimits(flags, memory);
  const queries = new QueryPool({ store, firstScratchNumber: firstReaderScratch, threads: queryThreads, evaluatingThreads, limits, indexCacheBytes, resultCache: resultCaches?.setupOfThread(evaluatingThreads), logger, firstThread });
  const inline = new InlineQueries({ store, limits, clock });
  starting.move(); // the pool ends its threads
  store.useLabelSource(queries);
  return {
    store,
    queryRunner: resultCaches === undefined ? runnerOf(queries, inline) : resultCaches.over(runnerOf(queries, inline)),
    warmUpRunner: () => warmUpRunnerOf(queries, inline, clock, store),
    resultCaches,
    async [Symbol.asyncDispose]() {
      inline[Symbol.dispose]();
      await queries[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function runnerOf(queries: QueryPool, inline: InlineQueries): QueryRunner {
  const run: RunQuery = async (query, request) => (await inline.answer(query)) ?? queries.run(query, request.signal);
  return runnerWith(run);
}

type RunQuery = (query: WorkerQuery, request: { readonly signal: AbortSignal }) => Promise<EncodedAnswer>;

function runnerWith(run: RunQuery): QueryRunner {
  return {
    instant: (request) => run(workerQuery("instant", request, request.timeMs, request.timeMs), request),
    range: (request) => run(workerQuery("range", request, request.startMs, request.endMs), request),
  };
}

/** Without the signal, which is made when somebody looks at it. */
function workerQuery(kind: "instant" | "range", request: InstantRequest | RangeRequest, startMs: number, endMs: number): WorkerQuery {
  const { tenant, dialect, query, stepMs, lookbackMs, seriesLimit, enforcedFilters, roundDigits, skipsCaches = false, delaysNameRemoval = false, isTraced } = request;
  return { kind, tenant, dialect, query, startMs, endMs, stepMs, lookbackMs, seriesLimit, enforcedFilters, roundDigits, skipsCaches, delaysNameRemoval, isTraced };
}

const warmUpCacheBytes = 1 << 20;
/** One in so many is given to a query thread, which has to get warm too. */
const warmUpThreadEvery = 4;

/** Never waits for a thread that works for somebody. */
function warmUpRunnerOf(queries: QueryPool, inline: InlineQueries, clock: Clock, store: LocalStore): QueryRunner {
  let count = 0;
  const run: RunQuery = async (query, request) => {
    const isForThread = ++count % warmUpThreadEvery === 0 && queries.activeCount === 0;
    const answer = isForThread ? undefined : await inline.answer(query);
    if (answer !== undefined) return answer;
    if (queries.activeCount > 0) throw new UnavailableError("warm_up", "the query thread has other work");
    return queries.run({ ...query, skipsCaches: true }, request.signal);
  };
  return cachedQueryRunner(runnerWith(run), new AnswerCache({ watch: store.lateWrites, nowMs: clock.nowMs, offsetMs: 0, bytesMax: warmUpCacheBytes }));
}

function queryLimits(flags: FlagValues, memory: MemoryPlan): QueryLimits {
  return {
    ...defaultQueryLimits,
    seriesMax: flags["search.maxUniqueTimeseries"] || memory.querySeriesMax,
    samplesMax: flags["search.maxSamplesPerQuery"],
    pointsPerSeriesMax: flags["search.maxPointsPerTimeseries"],
    subqueryPointsMax: flags["search.maxPointsSubqueryPerTimeseries"],
    memoryBytesMax: flags["search.maxMemoryPerQuery"] || memory.queryBytesMax,
    aggregateSeriesMax: flags["search.maxSeriesPerAggrFunc"],
    responseSeriesMax: flags["search.maxResponseSeries"] || Infinity,
    maxStalenessIntervalMs: flags["search.maxStalenessInterval"],
    minStalenessIntervalMs: flags["search.minStalenessInterval"],
  };
}
