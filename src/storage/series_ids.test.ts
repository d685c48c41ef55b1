// Ids are never given twice, so that those in use lie far apart in a directory that has seen billions of series: it opens, its files and memory stay small, and
// when all ids are gone new series are refused and the others go on.
import assert from "node:assert/strict";
import test from "node:test";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { WriteResult } from "../model/store.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import type { LocalStore } from "./local_store.ts";
import { decodeManifest, encodeManifest } from "./manifest_state.ts";

const startMs = 1_700_000_000_000;

function write(store: LocalStore, name: string, count: number, timeMs: number): Promise<WriteResult> {
  const builder = new RowBatchBuilder();
  for (let i = 0; i < count; i++) builder.addSeries(labelsOf({ __name__: name, i: String(i) }), Float64Array.of(timeMs), Float64Array.of(i));
  return store.write(builder.build());
}

async function sampleCount(store: LocalStore): Promise<number> {
  let count = 0;
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 2 ** 45 } });
  for await (const batch of found.batches) count += batch.timestampsMs.length;
  assert.equal(found.isPartial(), false);
  return count;
}

/** As if so many ids had been given away. */
function setNextSeriesId(files: MemoryFileSystem, nextSeriesId: number): void {
  const path = "/data/manifest";
  using source = files.open(path, "read");
  const bytes = new Uint8Array(source.size());
  source.read(bytes, 0);
  using target = files.open(path, "create");
  target.write(encodeManifest({ ...decodeManifest(bytes, path), nextSeriesId }), 0);
}

for (const shardCount of [1, 2]) {
  test(`ids far apart, ${shardCount} shard(s)`, async () => {
    const files = new MemoryFileSystem();
    {
      await using store = await openTestStore(files, { shardCount });
      await write(store, "early", 20, startMs);
      await store.flush();
    }
    setNextSeriesId(files, 4_000_000_000);
    {
      const store = await openTestStore(files, { shardCount });
      await write(store, "early", 20, startMs + 1000);
      await write(store, "late", 20, startMs + 1000);
      await store.flush();
      await write(store, "later", 20, startMs + 2000);
      const crashed = files.killClone();
      await store[Symbol.asyncDispose]();
      await using again = await openTestStore(crashed, { shardCount });
      assert.equal(await sampleCount(again), 80);
      await again.merge();
      assert.equal(await sampleCount(again), 80);
      assert.ok(again.stats().sharedMemoryBytes < shardCount * (96 << 20), `${again.stats().sharedMemoryBytes} bytes`);
    }
    await using store = await openTestStore(files, { shardCount });
    assert.equal(await sampleCount(store), 80);
  });
}

test("the last id", async () => {
  const files = new MemoryFileSystem();
  {
    await using store = await openTestStore(files);
    await write(store, "early", 5, startMs);
  }
  setNextSeriesId(files, 0xffff_0000 - 3);
  await using store = await openTestStore(files);
  assert.deepEqual(await write(store, "late", 10, startMs), { acceptedSamples: 3, droppedSamples: { series_limit: 7 } });
  assert.deepEqual(await write(store, "early", 5, startMs + 1000), { acceptedSamples: 5, droppedSamples: {} });
  await store.flush();
  assert.equal(await sampleCount(store), 13);
});
