// Shows that queries on the main thread are answered as a query thread answers them; that those which are large, by their grid or by what they find, are left
// to a thread before they take long; that files of before the start are read in the end; and that nothing stays pinned.
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
import { InlineQueries } from "./inline_queries.ts";
import type { WorkerAnswer, WorkerQuery } from "./query_messages.ts";
import { QueryPool } from "./query_pool.ts";

const startMs = Math.floor(Date.now() / 60_000) * 60_000 - 7_200_000;
const sampleCount = 240;
const hostCount = 1200;

function openStore(directory: string): Promise<LocalStore> {
  const files = new RealFileSystem();
  return openLocalStore({
    directory, files, clock: systemClock, logger: silentLogger, processes: systemProcesses, randomBytes: (size) => randomBytes(size), shardCount: 2, seriesMax: 20_000,
    sealChunksMax: 8192, chunkBudgetBytes: 16 << 20, chunkBytesMax: 64 << 20, checkpointLogBytes: 1 << 30, checkpointIntervalMs: 3_600_000, retentionMs: 30 * 86_400_000,
    fsyncIntervalMs: 1000, readerThreads: 1, startTable: (setup) => new DirectTableClient(TableWriter.open(files, setup, systemClock, silentLogger)),
  });
}

/** Two metrics of each host, in parts and then some in the head. */
async function fill(store: LocalStore): Promise<void> {
  for (const [from, to] of [[0, sampleCount - 20], [sampleCount - 20, sampleCount]]) {
    const builder = new RowBatchBuilder();
    const times = Float64Array.from({ length: to - from }, (_, i) => startMs + (from + i) * 15_000);
    for (let host = 0; host < hostCount; host++) {
      for (const metric of ["load", "bytes"]) builder.addSeries(labelsOf({ __name__: metric, host: String(host) }), times, times.map((_, i) => (from + i) * (host % 7)));
    }
    await store.write(builder.build());
    if (from === 0) await store.flush();
  }
}

function ask(query: string, more: Partial<WorkerQuery> = {}): WorkerQuery {
  return {
    kind: "range", tenant: defaultTenant, dialect: "metricsql", query, startMs, endMs: startMs + 3_540_000, stepMs: 60_000, lookbackMs: 0, seriesLimit: 0, enforcedFilters: [[]], roundDigits: undefined,
    isTraced: false, ...more,
  };
}

const small: readonly WorkerQuery[] = [
  ask('load{host="7"}'),
  ask('max(max_over_time({__name__=~"load|bytes",host=~"1|2|3"}[1m])) by (__name__)'),
  ask('sum(rate(bytes{host="8"}[5m])) + load{host="8"} offset 5m'),
  ask('load{host="none"}'),
  ask("1 + time()"),
  ask('max_over_time(sum(load{host="5"})[10m:1m])'),
  ask('bytes{host=~"1."}', { kind: "instant", startMs: startMs + 600_000, endMs: startMs + 600_000 }),
  ask('load{host=~"1.."}', { seriesLimit: 3, roundDigits: 1, stepMs: 600_000 }),
  ask("load", { enforcedFilters: [[{ name: "host", op: "=", value: "9" }]] }),
];
const large: readonly WorkerQuery[] = [
  ask("load"),
  ask("sum(rate(load[5m]))", { stepMs: 15_000 }),
  ask('max_over_time(load{host="5"}[1h:1s])'),
  ask('count_values_over_time("v", load{host="5"}[1h])'),
  ask('load{host="7"}[1h]', { kind: "instant" }),
  ask('load{host="7"}', { isTraced: true }),
];

function textOf(answer: WorkerAnswer | undefined): string | undefined {
  return answer === undefined ? undefined : Buffer.from(answer.body).toString().replace(/"executionTimeMsec":\d+/, "");
}

test("inline queries: small ones are answered as on a query thread, large ones are left to it", { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-inline-"));
  try {
    {
      await using store = await openStore(directory);
      using inline = new InlineQueries({ store, limits: defaultQueryLimits, clock: systemClock });
      await fill(store);
      await using pool = new QueryPool({ store, firstScratchNumber: firstReaderScratch, threads: 1, limits: defaultQueryLimits, logger: silentLogger });
      const signal = new AbortController().signal;
      for (const query of small) assert.equal(textOf(await inline.answer(query)), textOf(await pool.run(query, signal)), query.query);
      assert.match(textOf(await inline.answer(small[0])) ?? "", /"metric":\{"__name__":"load","host":"7"\},"values":\[\[\d+,"0"\],\[\d+,"0"\],/);
      for (const query of [...large, ...large]) assert.equal(await inline.answer(query), undefined, query.query);
      const together = await Promise.all([...small, ...small].map((query) => inline.answer(query)));
      assert.ok(together.filter((answer) => answer !== undefined).length >= 16, "one after the other");
      await assert.rejects(inline.answer(ask("load{")), { code: "parse_error" });
      assert.equal(store.stats().readers, 0);
    }
    await using store = await openStore(directory);
    using inline = new InlineQueries({ store, limits: defaultQueryLimits, clock: systemClock });
    let tries = 0;
    while ((await inline.answer(small[1])) === undefined && tries < 20) tries++;
    assert.ok(tries < 20, `${tries} tries`);
    assert.notEqual(await inline.answer(small[1]), undefined);
    assert.equal(store.stats().readers, 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
