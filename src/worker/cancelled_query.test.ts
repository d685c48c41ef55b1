// Shows that a query thread notices when the query that it works on is given up, though neither reading nor evaluating waits for anything, and that the thread
// goes on with the next query.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { systemClock } from "../base/clock.ts";
import { InputError } from "../base/errors.ts";
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
import type { WorkerQuery } from "./query_messages.ts";
import { QueryPool } from "./query_pool.ts";

const startMs = Date.now() - 3_600_000;
const seriesCount = 2000;

async function filledStore(directory: string): Promise<LocalStore> {
  const files = new RealFileSystem();
  const store = await openLocalStore({
    directory, files, clock: systemClock, logger: silentLogger, processes: systemProcesses, randomBytes: (size) => randomBytes(size), shardCount: 1, seriesMax: 5000,
    sealChunksMax: 1024, chunkBudgetBytes: 8 << 20, chunkBytesMax: 64 << 20, checkpointLogBytes: 1 << 30, checkpointIntervalMs: 3_600_000, retentionMs: 1000 * 86_400_000,
    fsyncIntervalMs: 1000, readerThreads: 1, startTable: (setup) => new DirectTableClient(TableWriter.open(files, setup, systemClock, silentLogger)),
  });
  const builder = new RowBatchBuilder();
  const timestampsMs = Float64Array.from({ length: 60 }, (_, k) => startMs + k * 60_000);
  for (let i = 0; i < seriesCount; i++) builder.addSeries(labelsOf({ __name__: "heavy", i: String(i) }), timestampsMs, timestampsMs.map((_, k) => i * k));
  await store.write(builder.build());
  return store;
}

const light: WorkerQuery = {
  kind: "instant", tenant: defaultTenant, dialect: "metricsql", query: "count(heavy)", startMs: startMs + 3_540_000, endMs: startMs + 3_540_000, stepMs: 60_000, lookbackMs: 0, seriesLimit: 0,
  enforcedFilters: [[]], roundDigits: undefined, isTraced: false,
};

/** Each would take a minute of CPU or so. */
const heavy = ["sum(stddev_over_time(heavy[30m:1s]))", "sum(stddev_over_time(sum by (i) (heavy)[30m:1s]))", "sum(quantile_over_time(0.5, heavy[1h]))", "quantile_over_time(0.5, heavy[1h])"];

test("query thread: a query that is given up ends soon", { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-cancel-"));
  try {
    await using store = await filledStore(directory);
    await using pool = new QueryPool({ store, firstScratchNumber: firstReaderScratch, threads: 1, limits: defaultQueryLimits, logger: silentLogger });
    const countHeavy = async (): Promise<void> => assert.match(Buffer.from((await pool.run(light, new AbortController().signal)).body).toString(), new RegExp(`"${seriesCount}"`));
    await countHeavy();
    for (const query of heavy) {
      const controller = new AbortController();
      const reason = new InputError("canceled", "given up");
      const running = pool.run({ ...light, kind: "range", query, startMs, stepMs: 130 }, controller.signal);
      setTimeout(() => controller.abort(reason), 300);
      await assert.rejects(running, reason);
      const sinceMs = performance.now();
      await countHeavy();
      assert.ok(performance.now() - sinceMs < 5000, `${query} went on for ${performance.now() - sinceMs} ms`);
      assert.equal(pool.activeCount, 0);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
