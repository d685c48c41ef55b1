// Shows what happens to writes that arrive while the log is failing: they are refused with the reason, wait in memory behind those that
// failed, and reach the log when the disk heals; stopping meanwhile is in order.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { StorageError, UnavailableError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { DirectTableClient } from "./direct_table_client.ts";
import type { LocalStore } from "./local_store.ts";
import type { LogPiece } from "./table_client.ts";
import { TableWriter } from "./table_writer.ts";

const nowMs = 1_700_000_000_000;

/** A table whose log writes can be held back and refused, as those of a slow, full disk. */
class SlowTable extends DirectTableClient {
  #held: PromiseWithResolvers<void> | undefined;

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  /** The write that is held, and all until heal(), fail. */
  refuse(): void {
    this.#held?.promise.catch(() => undefined);
    this.#held?.reject(new StorageError("disk_full", "no space left on device"));
  }

  heal(): void {
    this.#held = undefined;
  }

  override async appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void> {
    await this.#held?.promise;
    return super.appendLog(pieces, extraRecords);
  }
}

async function openSlowStore(files: MemoryFileSystem): Promise<{ store: LocalStore; table: SlowTable; clock: SimulatedClock }> {
  const clock = new SimulatedClock(nowMs);
  const tables: SlowTable[] = [];
  const store = await openTestStore(files, {
    clock,
    startTable(setup) {
      tables.push(new SlowTable(TableWriter.open(files, setup, clock, silentLogger)));
      return tables[0];
    },
  });
  return { store, table: tables[0], clock };
}

async function write(store: LocalStore, name: string): Promise<void> {
  const builder = new RowBatchBuilder();
  builder.addSeries(labelsOf({ __name__: name }), Float64Array.of(nowMs), Float64Array.of(1));
  await store.write(builder.build());
}

async function names(store: LocalStore): Promise<string[]> {
  return store.labelValues("__name__", { tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: nowMs }, limit: 0 });
}

/** Two writes that are refused: the log fails on the first one while the second one is in memory already. */
async function refuseTwo(store: LocalStore, table: SlowTable): Promise<void> {
  table.hold();
  const first = write(store, "first");
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve))); // on its way to the log
  const second = write(store, "second");
  await new Promise((resolve) => setImmediate(resolve));
  table.refuse();
  await assert.rejects(first, UnavailableError);
  await assert.rejects(second, UnavailableError);
}

test("log buffers: a store stops in order while its log is failing", async () => {
  const files = new MemoryFileSystem();
  const { store, table } = await openSlowStore(files);
  await write(store, "kept");
  await refuseTwo(store, table);
  await store[Symbol.asyncDispose]();
  await using again = await openTestStore(files);
  assert.deepEqual(await names(again), ["kept"]);
});

test("log buffers: what waited behind a failed write reaches the log when the disk heals", async () => {
  const files = new MemoryFileSystem();
  const { store, table, clock } = await openSlowStore(files);
  await refuseTwo(store, table);
  await assert.rejects(write(store, "third"), UnavailableError);
  table.heal();
  clock.advance(1000);
  await write(store, "fourth");
  assert.deepEqual(await names(store), ["first", "fourth", "second"]);
  await using again = await openTestStore(files.crashClone(seededRandom(1)));
  assert.deepEqual(await names(again), ["first", "fourth", "second"]);
  await store[Symbol.asyncDispose]();
});
