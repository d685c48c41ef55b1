// LateWrites: appends mark what comes after its time was taken for final, in all shards; marks are found from any thread's view, and only those
// since the epoch. Times 49.7 days apart share a mark.
import assert from "node:assert/strict";
import test from "node:test";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { LateWrites } from "../kernel/late_writes.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import type { LocalStore } from "./local_store.ts";

const nowMs = 1_700_000_000_000;
const minuteMs = 60_000;

async function write(store: LocalStore, name: string, ...timesMs: number[]): Promise<void> {
  const builder = new RowBatchBuilder();
  builder.addSeries(labelsOf({ __name__: name }), Float64Array.from(timesMs), Float64Array.from(timesMs, () => 1));
  await store.write(builder.build());
}

for (const shardCount of [1, 3]) {
  test(`late samples are marked, others are not (${shardCount} shards)`, async () => {
    await using store = await openTestStore(new MemoryFileSystem(), { nowMs, shardCount });
    const late = new LateWrites(store.layouts);
    await write(store, "early", nowMs - 60 * minuteMs);
    const epoch = late.begin(nowMs - 5 * minuteMs);
    assert.equal(late.firstChangeMs(epoch, 0, nowMs), Infinity);
    await write(store, "fresh", nowMs, nowMs - 4 * minuteMs);
    assert.equal(late.firstChangeMs(epoch, 0, nowMs), Infinity);
    for (const [i, name] of ["a", "b", "c", "d", "e"].entries()) await write(store, name, nowMs - (30 + i) * minuteMs);
    const firstMs = late.firstChangeMs(epoch, nowMs - 300 * minuteMs, nowMs);
    assert.ok(firstMs <= nowMs - 34 * minuteMs && firstMs > nowMs - 45 * minuteMs, `${nowMs - firstMs}`);
    assert.equal(late.firstChangeMs(epoch, nowMs - 300 * minuteMs, nowMs - 60 * minuteMs), Infinity);
    const next = late.begin(nowMs - 5 * minuteMs);
    assert.equal(late.firstChangeMs(next, 0, nowMs), Infinity, "earlier writes are no change since a later epoch");
    assert.ok(late.firstChangeMs(epoch, 0, nowMs) < Infinity, "but still since the earlier one");
  });
}

test("the last time taken for final counts as late, one that nobody took does not", async () => {
  await using store = await openTestStore(new MemoryFileSystem(), { nowMs });
  const late = new LateWrites(store.layouts);
  await write(store, "a", nowMs - 600 * minuteMs);
  assert.equal(late.firstChangeMs(1, 0, nowMs), Infinity);
  const epoch = late.begin(nowMs - 5 * minuteMs);
  await write(store, "a", nowMs - 5 * minuteMs);
  assert.ok(late.firstChangeMs(epoch, 0, nowMs) <= nowMs - 5 * minuteMs);
});

test("clearing and marking a range count as changes", async () => {
  await using store = await openTestStore(new MemoryFileSystem(), { nowMs });
  const late = new LateWrites(store.layouts);
  const epoch = late.begin(nowMs);
  late.markRange(nowMs - 100 * minuteMs, nowMs - 90 * minuteMs);
  assert.ok(late.firstChangeMs(epoch, nowMs - 95 * minuteMs, nowMs) <= nowMs - 90 * minuteMs);
  assert.equal(late.firstChangeMs(epoch, nowMs - 70 * minuteMs, nowMs), Infinity);
  late.clear();
  assert.equal(late.firstChangeMs(epoch, nowMs - 70 * minuteMs, nowMs), nowMs - 70 * minuteMs);
  assert.equal(late.firstChangeMs(late.begin(nowMs), nowMs - 70 * minuteMs, nowMs), Infinity);
});

test("bounds without sense do not take long", async () => {
  await using store = await openTestStore(new MemoryFileSystem(), { nowMs });
  const late = new LateWrites(store.layouts);
  assert.equal(late.firstChangeMs(1, -Infinity, Infinity), Infinity);
  late.markRange(-Infinity, Infinity);
  assert.ok(late.firstChangeMs(0, -1e15, 1e15) < Infinity);
});
