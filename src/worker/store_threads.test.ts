// Shows that reading on other threads while the store writes, seals, merges and frees memory gives each query a prefix of every series: nothing lost,
// nothing twice, nothing of another series. Threads help each other with all queries. Real threads, real files, small areas, for a few seconds.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { systemClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { defaultQueryLimits } from "../query/limits.ts";
import { systemProcesses } from "../storage/directory_lock.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { firstReaderScratch, openLocalStore } from "../storage/open_local_store.ts";
import { testSeed } from "../../testkit/seed.ts";
import { QueryPool } from "./query_pool.ts";
import { StorageClient } from "./storage_client.ts";

/** Everything is shared, in slices of a few series. */
const slices = { searchUsMin: 0, sliceUs: 40, windowBytesMax: 1 << 16, patienceMs: 1, aloneMs: 0 };
const durationMs = 4000;
const seriesCount = 300;
const stepMs = 10;
const startMs = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;

interface Answer {
  readonly data: { readonly result: readonly { readonly metric: Record<string, string>; readonly value?: [number, string]; readonly values?: [number, string][] }[] };
}

function openStore(directory: string, shardCount: number): Promise<LocalStore> {
  return openLocalStore({
    directory,
    shardCount,
    clock: systemClock,
    logger: silentLogger,
    files: new RealFileSystem(),
    processes: systemProcesses,
    randomBytes: (size) => randomBytes(size),
    seriesMax: 20_000,
    sealChunksMax: 1024,
    chunkBudgetBytes: 256 << 10,
    chunkBytesMax: 2 << 20,
    checkpointLogBytes: 4 << 20,
    checkpointIntervalMs: 60_000,
    retentionMs: 86_400_000 * 365,
    fsyncIntervalMs: 1000,
    readerThreads: 2,
    startTable: (setup) =>
      new StorageClient(setup, silentLogger, (error) => {
        throw error;
      }),
  });
}

/** Round r writes value r at time r to every series; every 20 rounds a few series more come along, which have values of their own. */
class Rounds {
  readonly #store: LocalStore;
  #begun = 0;
  #acknowledged = 0;

  constructor(store: LocalStore) {
    this.#store = store;
  }

  get begun(): number {
    return this.#begun;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  async write(): Promise<void> {
    const round = this.#begun++;
    const builder = new RowBatchBuilder();
    const timestampsMs = Float64Array.of(startMs + round * stepMs);
    const values = Float64Array.of(round);
    for (let i = 0; i < seriesCount; i++) builder.addSeries(labelsOf({ __name__: "steady", i: String(i) }), timestampsMs, values);
    if (round % 20 === 0) for (let i = 0; i < 20; i++) builder.addSeries(labelsOf({ __name__: "fleeting", i: String(i), round: String(round) }), timestampsMs, values);
    const { acceptedSamples } = await this.#store.write(builder.build());
    assert.ok(acceptedSamples >= seriesCount);
    this.#acknowledged = round + 1;
  }
}

class Reader {
  readonly #pool: QueryPool;
  readonly #rounds: Rounds;
  readonly #random: Random;
  queries = 0;

  constructor(pool: QueryPool, rounds: Rounds, random: Random) {
    this.#pool = pool;
    this.#rounds = rounds;
    this.#random = random;
  }

  async read(): Promise<void> {
    const kind = this.#random.int(10);
    if (kind === 0) await this.#readAborted();
    else if (kind < 5) await this.#readCounts();
    else await this.#readSamples();
    this.queries++;
  }

  async #ask(query: string, signal = new AbortController().signal): Promise<Answer["data"]["result"]> {
    const { body } = await this.#pool.run(
      {
        kind: "instant", tenant: defaultTenant, dialect: "metricsql", query, startMs: startMs, endMs: startMs + 3_600_000, stepMs: 60_000, lookbackMs: 0, seriesLimit: 0,
        enforcedFilters: [[]], roundDigits: undefined, isTraced: false,
      },
      signal,
    );
    return (JSON.parse(Buffer.from(body).toString()) as Answer).data.result;
  }

  /** Every series has what was acknowledged before the query. */
  async #readCounts(): Promise<void> {
    const { acknowledged } = this.#rounds;
    const result = await this.#ask("count_over_time(steady[2h])");
    if (acknowledged > 0) assert.equal(result.length, seriesCount);
    for (const { metric, value } of result) {
      const count = Number(value?.[1]);
      assert.ok(count >= acknowledged && count <= this.#rounds.begun, `${metric["i"]} has ${count} samples, ${acknowledged} were acknowledged, ${this.#rounds.begun} begun`);
    }
  }

  /** Some series, sample by sample. */
  async #readSamples(): Promise<void> {
    const { acknowledged } = this.#rounds;
    const result = await this.#ask(`steady{i=~"${this.#random.int(10)}${this.#random.int(10)}|1${this.#random.int(9)}."}[2h]`);
    for (const { metric, values = [] } of result) {
      assert.ok(values.length >= acknowledged, `${metric["i"]} has ${values.length} samples, ${acknowledged} were acknowledged`);
      values.forEach(([timestampS, value], round) => {
        assert.equal(Number(value), round, `${metric["i"]}, round ${round}`);
        assert.equal(Math.round(timestampS * 1000), startMs + round * stepMs, `${metric["i"]}, round ${round}`);
      });
    }
  }

  /** A query that its client leaves. */
  async #readAborted(): Promise<void> {
    const controller = new AbortController();
    const asked = this.#ask("sum(count_over_time(steady[2h])) + sum(fleeting)", controller.signal);
    setTimeout(() => controller.abort(), this.#random.int(5));
    await asked.catch((error: unknown) => assert.equal((error as Error).name, "AbortError"));
  }
}

async function repeat(isDone: () => boolean, work: () => Promise<void>): Promise<void> {
  while (!isDone()) await work();
}

for (const shardCount of [1, 2]) {
  test(`store threads: queries see a prefix of every series while the store works, ${shardCount} shard(s)`, { timeout: 60_000 }, async () => {
    const random = seededRandom(testSeed());
    const directory = mkdtempSync(join(tmpdir(), "tidemark-threads-"));
    try {
      await using store = await openStore(directory, shardCount);
      await using pool = new QueryPool({ store, firstScratchNumber: firstReaderScratch, threads: 2, limits: defaultQueryLimits, logger: silentLogger, slices });
      const rounds = new Rounds(store);
      const readers = [1, 2].map(() => new Reader(pool, rounds, random));
      const endMs = performance.now() + durationMs / 2;
      const isDone = (): boolean => performance.now() >= endMs && readers.every((reader) => reader.queries > 3);
      await Promise.all([
        repeat(isDone, () => rounds.write()),
        ...readers.map((reader) => repeat(isDone, () => reader.read())),
        repeat(isDone, async () => {
          await new Promise((resolve) => setTimeout(resolve, random.int(300)));
          await (random.int(2) === 0 ? store.flush() : store.merge());
        }),
      ]);
      await readers[0].read();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(store.stats().readers, 0, "every snapshot was released");
      await pool[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await using again = await openStore(directory, shardCount);
      let samples = 0;
      for await (const batch of (await again.search({ tenant: defaultTenant, selector: [[{ name: "__name__", op: "=", value: "steady" }]], range: { minMs: 0, maxMs: Infinity } })).batches) {
        samples += batch.timestampsMs.length;
      }
      assert.equal(samples, rounds.acknowledged * seriesCount);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
