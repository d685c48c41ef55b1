/** The caches of results of the single node: what may be in them by the flags, their metrics, and how they are emptied. */
import type { Clock } from "../base/clock.ts";
import type { MetricRegistry } from "../base/metrics.ts";
import { cachedQueryRunner } from "../http/cached_query_runner.ts";
import type { EncodedAnswer, QueryRunner } from "../http/query_runner.ts";
import { AnswerCache } from "../query/answer_cache.ts";
import { ResultCacheCounts } from "../query/result_cache_counts.ts";
import type { LocalStore } from "../storage/local_store.ts";
import type { ResultCacheSetup } from "../worker/query_messages.ts";
import type { FlagValues } from "./flags.ts";
import type { MemoryPlan } from "./memory_plan.ts";

export class ResultCaches {
  readonly #store: LocalStore;
  readonly #answers: AnswerCache<EncodedAnswer>;
  readonly #counts = new ResultCacheCounts();
  readonly #columnBytesMax: number;
  readonly #offsetMs: number;
  readonly #windowMinMs: number;
  #resets = 0;

  constructor({ store, flags, memory, clock }: { store: LocalStore; flags: FlagValues; memory: MemoryPlan; clock: Clock }) {
    this.#store = store;
    const bytesMax = flags["search.cacheSizeBytes"] || memory.resultCacheBytes;
    this.#offsetMs = flags["search.cacheTimestampOffset"];
    this.#windowMinMs = flags["search.minWindowForInstantRollupOptimization"];
    this.#columnBytesMax = bytesMax / 2;
    this.#answers = new AnswerCache({ watch: store.lateWrites, nowMs: clock.nowMs, offsetMs: this.#offsetMs, bytesMax: bytesMax / 2 });
  }

  /** What a query thread keeps, if there are so many. */
  setupOfThread(threads: number): ResultCacheSetup {
    return { bytesMax: this.#columnBytesMax / threads, offsetMs: this.#offsetMs, windowMinMs: this.#windowMinMs, counts: this.#counts.buffer };
  }

  /** The runner with answers that are kept. */
  over(runner: QueryRunner): QueryRunner {
    return cachedQueryRunner(runner, this.#answers);
  }

  /** Nothing that is kept now is used again. */
  reset(): void {
    this.#resets++;
    this.#store.lateWrites.clear();
    this.#answers.clear();
  }

  register(metrics: MetricRegistry): void {
    const answers = { type: "promql/answer" };
    const entries = metrics.gauge("vm_cache_entries", "Entries; of storage/hour_metric_ids: active series.", answers);
    const bytes = metrics.gauge("vm_cache_size_bytes", "Memory that a cache takes.", answers);
    const bytesMax = metrics.gauge("vm_cache_size_max_bytes", "Memory that a cache may take.", answers);
    const { counts } = this.#answers;
    metrics.counter("vm_cache_requests_total", "Look-ups in a cache.", answers, () => counts.requests);
    metrics.counter("vm_cache_misses_total", "Look-ups that found nothing that is still right.", answers, () => counts.requests - counts.hits);
    this.#registerColumns(metrics);
    metrics.counter("vm_rollup_result_cache_resets_total", "Times that the caches of results were emptied.", {}, () => this.#resets);
    metrics.onCollect(() => {
      const { figures } = this.#answers;
      entries.set(figures.entries);
      bytes.set(figures.bytes);
      bytesMax.set(figures.bytesMax);
    });
  }

  /** Of the columns, and the samples of long windows, that query threads keep. */
  #registerColumns(metrics: MetricRegistry): void {
    const counts = this.#counts;
    const columns = { type: "promql/rollupResult" };
    const entries = metrics.gauge("vm_cache_entries", "Entries; of storage/hour_metric_ids: active series.", columns);
    const bytes = metrics.gauge("vm_cache_size_bytes", "Memory that a cache takes.", columns);
    const bytesMax = metrics.gauge("vm_cache_size_max_bytes", "Memory that a cache may take.", columns);
    const requests = (): number => counts.get("fullHits") + counts.get("partialHits") + counts.get("misses");
    metrics.counter("vm_cache_requests_total", "Look-ups in a cache.", columns, requests);
    metrics.counter("vm_cache_misses_total", "Look-ups that found nothing that is still right.", columns, () => counts.get("misses"));
    metrics.counter("vm_rollup_result_cache_full_hits_total", "Rollups that were taken from earlier results as a whole.", {}, () => counts.get("fullHits"));
    metrics.counter("vm_rollup_result_cache_partial_hits_total", "Rollups of range queries of which only new points were evaluated, and of instant queries that read only new samples of a long window.", {}, () => counts.get("partialHits"));
    metrics.counter("vm_rollup_result_cache_miss_total", "Rollups of range queries, and of instant queries over long windows, that were evaluated as a whole.", {}, () => counts.get("misses"));
    metrics.onCollect(() => {
      entries.set(counts.get("entries"));
      bytes.set(counts.get("bytes"));
      bytesMax.set(this.#columnBytesMax);
    });
  }
}
