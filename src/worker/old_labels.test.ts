// Shows that queries and questions about labels of months that are not in the live index are answered on a query thread, with its figures, and that a
// question that is given up or whose thread is gone holds no snapshot.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { systemClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { defaultQueryLimits } from "../query/limits.ts";
import { DirectTableClient } from "../storage/direct_table_client.ts";
import { systemProcesses } from "../storage/directory_lock.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { firstReaderScratch, openLocalStore } from "../storage/open_local_store.ts";
import { TableWriter } from "../storage/table_writer.ts";
import { QueryPool } from "./query_pool.ts";

const dayMs = 86_400_000;
const nowMs = Date.now();
const oldMs = nowMs - 200 * dayMs;

function openStore(directory: string, liveIndexMs: number | undefined): Promise<LocalStore> {
  const files = new RealFileSystem();
  return openLocalStore({
    directory, files, clock: systemClock, logger: silentLogger, processes: systemProcesses, randomBytes: (size) => randomBytes(size), shardCount: 1, seriesMax: 5000,
    sealChunksMax: 1024, chunkBudgetBytes: 1 << 20, chunkBytesMax: 4 << 20, checkpointLogBytes: 1 << 30, checkpointIntervalMs: 3_600_000, retentionMs: 1000 * dayMs,
    fsyncIntervalMs: 1000, readerThreads: 1, liveIndexMs, startTable: (setup) => new DirectTableClient(TableWriter.open(files, setup, systemClock, silentLogger)),
  });
}

async function createHistory(directory: string): Promise<void> {
  await using store = await openStore(directory, undefined);
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 50; i++) {
    builder.addSeries(labelsOf({ __name__: "old", i: String(i) }), Float64Array.of(oldMs), Float64Array.of(i));
    builder.addSeries(labelsOf({ __name__: "new", i: String(i + 25) }), Float64Array.of(nowMs), Float64Array.of(i));
  }
  await store.write(builder.build());
  await store.flush();
}

test("query thread: it answers for months that the live index does not know", { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-old-"));
  try {
    await createHistory(directory);
    await using store = await openStore(directory, 32 * dayMs);
    assert.equal(store.stats().seriesCount, 50);
    await using pool = new QueryPool({ store, firstScratchNumber: firstReaderScratch, threads: 1, limits: defaultQueryLimits, logger: silentLogger });
    store.useLabelSource(pool);
    const range = { minMs: oldMs - dayMs, maxMs: nowMs };
    const request = { tenant: defaultTenant, selector: [[]], range, limit: 0 };
    assert.deepEqual(await store.labelNames(request), ["__name__", "i"]);
    assert.deepEqual(await store.labelValues("__name__", request), ["new", "old"]);
    assert.equal((await store.labelValues("i", request)).length, 75);
    assert.deepEqual((await store.series({ ...request, limit: 51 })).map((labels) => labels[0].value), [...Array.from({ length: 50 }, () => "new"), "old"]);
    assert.equal((await store.labelValues("i", { ...request, range: { minMs: nowMs - dayMs, maxMs: nowMs } })).length, 50);
    const { body } = await pool.run(
      {
        kind: "instant", tenant: defaultTenant, dialect: "metricsql", query: "sum(count_over_time({i=~\".+\"}[300d]))", startMs: nowMs, endMs: nowMs, stepMs: 60_000, lookbackMs: 0, seriesLimit: 0,
        enforcedFilters: [[]], roundDigits: undefined, isTraced: false,
      },
      new AbortController().signal,
    );
    assert.match(Buffer.from(body).toString(), /"100"/);
    const { indexCache } = store.stats();
    assert.ok(indexCache.loads === 1 && indexCache.loadedBytes > 0, JSON.stringify(indexCache));

    const controller = new AbortController();
    const aborted = store.series({ ...request, signal: controller.signal });
    controller.abort();
    await assert.rejects(aborted);
    const interrupted = store.labelValues("i", request);
    const [outcome] = await Promise.allSettled([interrupted, pool[Symbol.asyncDispose]()]);
    // The thread may have answered before it was told to end.
    if (outcome.status === "fulfilled") assert.equal(outcome.value.length, 75);
    else assert.match(String(outcome.reason), /query thread ended/);
    await assert.rejects(store.labelValues("i", request), /shutting down|query thread ended/);
    assert.equal(store.stats().readers, 0);
    await store[Symbol.asyncDispose]();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
