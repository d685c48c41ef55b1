// A store that closes while somebody reads: questions about labels of old months are answered whole before it is closed, later ones are refused, and files that
// a search may still read stay for the next start, which removes them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "../base/errors.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import type { LocalStore } from "./local_store.ts";
import type { LabelAnswer } from "./segment_labels.ts";

const nowMs = Date.parse("2025-06-20T12:00:00Z");
const oldMs = Date.parse("2025-02-10T12:00:00Z");
const dayMs = 86_400_000;
const options = { nowMs, liveIndexMs: dayMs };
const everything = { tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: nowMs }, limit: 0 };
const partsPath = "/data/partitions/2025_02/parts";
const indexPath = "/data/partitions/2025_02/index";

async function write(store: LocalStore, name: string): Promise<void> {
  const builder = new RowBatchBuilder();
  builder.addSeries(labelsOf({ __name__: name }), Float64Array.of(oldMs), Float64Array.of(1));
  await store.write(builder.build());
  await store.flush();
}

/** A store, newly opened, with two parts and two index segments in an old month. */
async function openWithOldMonth(files: MemoryFileSystem): Promise<LocalStore> {
  {
    await using store = await openTestStore(files, options);
    await write(store, "a");
    await write(store, "b");
  }
  assert.deepEqual([files.list(partsPath).length, files.list(indexPath).length], [2, 2]);
  return openTestStore(files, options);
}

test("a question about labels that is being answered sees all files, and the store is closed after it", async () => {
  const files = new MemoryFileSystem();
  const store = await openWithOldMonth(files);
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  let segments: string[] = [];
  store.useLabelSource({
    segmentStats: store.stats().indexCache,
    async answerLabels({ snapshot }): Promise<LabelAnswer> {
      segments = snapshot.indexSegments.map(({ path }) => path);
      await gate.promise;
      events.push("read");
      for (const path of segments) assert.ok(files.exists(path), `${path} is gone`);
      return { strings: ["__name__"], runs: new Uint8Array(0), runOffsets: new Uint32Array(1) };
    },
  });
  const asked = store.labelNames(everything);
  await store.merge();
  const closing = store[Symbol.asyncDispose]().then(() => events.push("closed"));
  await assert.rejects(store.labelNames(everything), (error: unknown) => error instanceof UnavailableError && error.code === "shutting_down");
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(segments.length, 2);
  gate.resolve();
  assert.deepEqual(await asked, ["__name__"]);
  await closing;
  assert.deepEqual(events, ["read", "closed"]);
  assert.deepEqual([files.list(partsPath).length, files.list(indexPath).length], [1, 1], "what was merged away is gone");
});

test("a question about labels that fails does not keep a store from closing", async () => {
  const store = await openWithOldMonth(new MemoryFileSystem());
  const failure = Promise.withResolvers<LabelAnswer>();
  store.useLabelSource({ segmentStats: store.stats().indexCache, answerLabels: () => failure.promise });
  const asked = store.labelNames(everything);
  const closing = store[Symbol.asyncDispose]();
  failure.reject(new UnavailableError("shutting_down", "the query threads are closed"));
  await assert.rejects(asked, { code: "shutting_down" });
  await closing;
});

test("files that a search may still read stay when the store is closed, and the next start removes them", async () => {
  const files = new MemoryFileSystem();
  const store = await openWithOldMonth(files);
  store.openSnapshot({ ...everything, selector: [[]] });
  await store.merge();
  await store[Symbol.asyncDispose]();
  assert.deepEqual([files.list(partsPath).length, files.list(indexPath).length], [3, 3]);
  await using next = await openTestStore(files, options);
  assert.deepEqual([files.list(partsPath).length, files.list(indexPath).length], [1, 1]);
  assert.deepEqual(await next.labelValues("__name__", everything), ["a", "b"]);
});
