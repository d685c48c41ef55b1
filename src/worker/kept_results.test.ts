// Results kept on real query threads: a late write is in the next answer of every thread, at once; what did not change is not evaluated again.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { systemClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { defaultQueryLimits } from "../query/limits.ts";
import { ResultCacheCounts } from "../query/result_cache_counts.ts";
import { systemProcesses } from "../storage/directory_lock.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { firstReaderScratch, openLocalStore } from "../storage/open_local_store.ts";
import type { WorkerQuery } from "./query_messages.ts";
import { QueryPool } from "./query_pool.ts";
import { StorageClient } from "./storage_client.ts";

const scrapeMs = 15_000;
const scrapes = 480;
const seriesCount = 20;
const nowMs = Math.floor(Date.now() / 60_000) * 60_000;
const offsetMs = 300_000;
const queries = ["sum(m)", "sum by (job) (rate(m[1m]))", "max_over_time(m[2m])", "count(m) / sum(m)"];

async function write(store: LocalStore, instance: string, timesMs: readonly number[], value: (timeMs: number) => number): Promise<void> {
  const builder = new RowBatchBuilder();
  const labels = labelsOf({ __name__: "m", job: Number(instance) % 2 === 0 ? "a" : "b", instance });
  builder.addSeries(labels, Float64Array.from(timesMs), Float64Array.from(timesMs, value));
  await store.write(builder.build());
}

function ask(random: Random): WorkerQuery {
  const endMs = nowMs - Math.floor(random.next() * 20) * scrapeMs;
  return {
    kind: "range", tenant: defaultTenant, dialect: "metricsql", query: queries[Math.floor(random.next() * queries.length)], startMs: endMs - 100 * scrapeMs, endMs, stepMs: scrapeMs, lookbackMs: 0,
    seriesLimit: 0, enforcedFilters: [[]], roundDigits: undefined, isTraced: false,
  };
}

async function dataOf(pool: QueryPool, query: WorkerQuery): Promise<unknown> {
  const { body } = await pool.run(query, new AbortController().signal);
  return (JSON.parse(Buffer.from(body).toString()) as { data: unknown }).data;
}

test("kept results: late writes are in the next answers of all threads", { timeout: 60_000 }, async () => {
  const random = seededRandom(testSeed());
  const directory = mkdtempSync(join(tmpdir(), "tidemark-kept-"));
  const counts = new ResultCacheCounts();
  try {
    await using store = await openLocalStore({
      directory, shardCount: 2, clock: systemClock, logger: silentLogger, files: new RealFileSystem(), processes: systemProcesses, randomBytes: (size) => randomBytes(size),
      seriesMax: 20_000, sealChunksMax: 1024, chunkBudgetBytes: 1 << 20, chunkBytesMax: 8 << 20, checkpointLogBytes: 64 << 20, checkpointIntervalMs: 60_000,
      retentionMs: 86_400_000 * 365, fsyncIntervalMs: 1000, readerThreads: 2, startTable: (setup) => new StorageClient(setup, silentLogger, (error) => { throw error; }),
    });
    await using pool = new QueryPool({
      store, firstScratchNumber: firstReaderScratch, threads: 2, limits: defaultQueryLimits, logger: silentLogger, resultCache: { windowMinMs: 3 * 3_600_000, bytesMax: 1 << 22, offsetMs, counts: counts.buffer },
    });
    const timesMs = Array.from({ length: scrapes }, (_, i) => nowMs - (scrapes - 1 - i) * scrapeMs);
    for (let i = 0; i < seriesCount; i++) await write(store, String(i), timesMs.filter((_, k) => k % 11 !== i % 11 || k < 40), (timeMs) => (timeMs - timesMs[0]) / 1000 + i);
    for (let round = 0; round < 120; round++) {
      if (random.next() < 0.2) {
        const lateMs = timesMs[Math.floor(random.next() * scrapes)];
        await write(store, String(100 + Math.floor(random.next() * 5)), [lateMs, lateMs + scrapeMs], () => round);
      }
      const asked = Array.from({ length: 3 }, () => ask(random));
      const actual = await Promise.all(asked.map((query) => dataOf(pool, query)));
      for (const [i, query] of asked.entries()) assert.deepEqual(actual[i], await dataOf(pool, { ...query, skipsCaches: true }), `${query.query} in round ${round}`);
    }
    assert.ok(counts.get("partialHits") > 20 && counts.get("misses") > 20, `${counts.get("partialHits")} ${counts.get("misses")}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
