/** Entries of seals of all sizes come in order of series id and, within a series, of hand-over, and no step does too many of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { headContext, headEntryBytes, headRecordBytes } from "../kernel/head.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { Seal } from "./head.ts";
import { orderOfSeal } from "./seal_order.ts";
import type { ShardReader } from "./shard.ts";

const contextAt = 0;
const recordsAt = 4096;

/** Memory of a head with these series ids by index, and a seal with these entries. */
function headWith(seriesIds: readonly number[], entries: readonly { readonly seriesIndex: number; readonly chunkCount: number }[]): { shard: ShardReader; seal: Seal } {
  const entriesAt = recordsAt + seriesIds.length * headRecordBytes;
  const u32 = new Uint32Array((entriesAt + entries.length * headEntryBytes) / 4);
  u32[(contextAt + headContext.records) / 4] = recordsAt;
  for (const [i, seriesId] of seriesIds.entries()) u32[(recordsAt + i * headRecordBytes) / 4 + 7] = seriesId;
  for (const [i, { seriesIndex, chunkCount }] of entries.entries()) {
    u32[(entriesAt + i * headEntryBytes) / 4] = seriesIndex;
    u32[(entriesAt + i * headEntryBytes) / 4 + 2] = chunkCount;
  }
  const shard = { kernel: { u32 }, headContext: contextAt } as unknown as ShardReader;
  return { shard, seal: { sealNumber: 1, entries: entriesAt, entryCount: entries.length, chunkCount: entries.length } };
}

const rows = [
  { name: "nothing", seriesCount: 1, entryCount: 0, isAscending: true },
  { name: "one entry", seriesCount: 1, entryCount: 1, isAscending: true },
  { name: "less than a slice, in any order", seriesCount: 300, entryCount: 5000, isAscending: false },
  { name: "one slice", seriesCount: 20_000, entryCount: 1 << 14, isAscending: false },
  { name: "several slices, ascending", seriesCount: 50_000, entryCount: 50_000, isAscending: true },
  { name: "several slices and a rest, in any order", seriesCount: 50_000, entryCount: 5 * (1 << 14) + 77, isAscending: false },
  { name: "few series with many entries each", seriesCount: 3, entryCount: 3 * (1 << 14) + 1, isAscending: false },
];

for (const { name, seriesCount, entryCount, isAscending } of rows) {
  test(`order of a seal: ${name}`, () => {
    const random = seededRandom(testSeed());
    const seriesIds = Array.from({ length: seriesCount }, (_, i) => (isAscending ? i * 3 : (i * 7919 + 12_345) % 1_000_003));
    const entries = Array.from({ length: entryCount }, (_, i) => ({ seriesIndex: isAscending ? i : random.int(seriesCount), chunkCount: 1 + random.int(9) }));
    const { shard, seal } = headWith(seriesIds, entries);
    const steps = orderOfSeal(shard, seal);
    let stepCount = 1;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) stepCount++;
    const order = step.value;
    const expected = entries.map((entry, i) => ({ ...entry, i })).toSorted((left, right) => seriesIds[left.seriesIndex] - seriesIds[right.seriesIndex] || left.i - right.i);
    assert.equal(order.length, entryCount);
    assert.deepEqual([...order.entries], expected.map(({ i }) => i));
    assert.deepEqual([...order.seriesIndexes], expected.map(({ seriesIndex }) => seriesIndex));
    assert.deepEqual([...order.sampleCounts], expected.map(({ chunkCount }) => chunkCount * 8));
    assert.ok(stepCount > (2 * entryCount) / (1 << 14), `${stepCount} steps`);
  });
}
