// Shows that sizes decide what is merged: every sample is rewritten a few times only, and the number of parts stays small, whatever sizes come.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import { finalMerges, forcedMerge, planBytes, tierMerges } from "./merge_schedule.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition, ManifestState } from "./manifest_state.ts";

const monthEndMs = Date.UTC(2023, 10, 1) - 1;
const dayMs = 86_400_000;

function part(id: number, sampleCount: number, codec?: "compact"): ManifestPart {
  const merged = codec === undefined ? {} : { codec };
  return { id, files: [`parts/${id}/blocks.tdp`], seriesCount: 1, sampleCount, minMs: monthEndMs - 1000, maxMs: monthEndMs, sizeBytes: sampleCount * 2, ...merged };
}

function segment(id: number, seriesCount: number, activityPartId?: number): ManifestIndexSegment {
  return { id, files: [`index/${id}.idx`], seriesCount, sizeBytes: seriesCount * 10, ...(activityPartId === undefined ? {} : { activityPartId }) };
}

function stateOf(...partitions: readonly ManifestPartition[]): ManifestState {
  return { directoryId: "", fingerprintSeed: ["", ""], shardCount: 1, nextPartId: 1, nextSeriesId: 1, checkpoint: { segment: 1, logRow: 0 }, formats: {}, partitions };
}

const october = (parts: readonly ManifestPart[], indexSegments: readonly ManifestIndexSegment[] = [], finalPartId?: number): ManifestPartition => ({
  name: "2023_10", parts, indexSegments, ...(finalPartId === undefined ? {} : { finalPartId }),
});

const tiers: { name: string; sizes: readonly number[]; merged: readonly number[] }[] = [
  { name: "seven equal parts wait for the eighth", sizes: [5, 5, 5, 5, 5, 5, 5], merged: [] },
  { name: "eight equal parts", sizes: [5, 5, 5, 5, 5, 5, 5, 5], merged: [5, 5, 5, 5, 5, 5, 5, 5] },
  { name: "a large part waits for its like", sizes: [1000, 5, 5, 5, 5, 5, 5, 5, 5], merged: [5, 5, 5, 5, 5, 5, 5, 5] },
  { name: "one that is as large as the others together goes along", sizes: [40, 5, 5, 5, 5, 5, 5, 5, 5], merged: [40, 5, 5, 5, 5, 5, 5, 5, 5] },
  { name: "a small one goes along", sizes: [1, 9, 9, 9, 9, 9, 9, 9, 9], merged: [1, 9, 9, 9, 9, 9, 9, 9, 9] },
  { name: "sizes that double", sizes: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], merged: [] },
  { name: "sixteen at most", sizes: Array.from({ length: 30 }, () => 7), merged: Array.from({ length: 16 }, () => 7) },
];
for (const { name, sizes, merged } of tiers) {
  test(`tiers: ${name}`, () => {
    const plans = tierMerges({ state: stateOf(october(sizes.map((size, i) => part(i + 1, size)))), isMergeable: () => true });
    const chosen = (plans[0]?.parts ?? []).map(({ sampleCount }) => sampleCount);
    assert.deepEqual(chosen, merged);
  });
}

test("tiers: parts that come one after the other are let come until there are sixteen", () => {
  const chosen = (partCount: number, isSettled: boolean): number => {
    const state = stateOf(october(Array.from({ length: partCount }, (_, i) => part(i + 1, 5))));
    return tierMerges({ state, isMergeable: () => true, isSettled: () => isSettled })[0]?.parts.length ?? 0;
  };
  assert.deepEqual([7, 8, 15, 16, 20].map((partCount) => chosen(partCount, false)), [0, 0, 0, 16, 16]);
  assert.deepEqual([7, 8, 15, 16, 20].map((partCount) => chosen(partCount, true)), [0, 8, 15, 16, 16]);
});

const sizesOf: { name: string; next: (random: Random, i: number) => number }[] = [
  { name: "equal", next: () => 100 },
  { name: "of all sizes", next: (random) => Math.ceil(2 ** (random.next() * 20)) },
  { name: "growing", next: (_random, i) => 1 + i },
  { name: "small ones after large ones", next: (_random, i) => Math.ceil(1e6 / (1 + i)) },
  { name: "mostly tiny", next: (random) => (random.int(50) === 0 ? 1e6 : 1) },
];
for (const { name, next } of sizesOf) {
  test(`tiers: parts stay few and samples are rewritten rarely: seals ${name}`, () => {
    const random = seededRandom(testSeed());
    let parts: ManifestPart[] = [];
    let id = 0;
    let sealed = 0;
    let rewritten = 0;
    let most = 0;
    for (let i = 0; i < 2000; i++) {
      const size = next(random, i);
      sealed += size;
      parts.push(part(++id, size));
      for (;;) {
        const [plan] = tierMerges({ state: stateOf(october(parts)), isMergeable: () => true });
        if (plan === undefined) break;
        const gone = new Set(plan.parts);
        const samples = plan.parts.reduce((sum, { sampleCount }) => sum + sampleCount, 0);
        rewritten += samples;
        assert.equal(planBytes(plan), samples * 2);
        parts = [part(++id, samples), ...parts.filter((one) => !gone.has(one))];
      }
      most = Math.max(most, parts.length);
    }
    assert.ok(most <= 40, `${most} parts`);
    assert.ok(rewritten / sealed <= Math.log2(2000), `a sample was rewritten ${rewritten / sealed} times`);
  });
}

test("tiers: parts that may not be merged are left alone, and partitions with many parts come first", () => {
  const few: ManifestPartition = { name: "2023_08", parts: Array.from({ length: 8 }, (_, i) => part(100 + i, 1)), indexSegments: [] };
  const many = october(Array.from({ length: 12 }, (_, i) => part(i + 1, 1)), Array.from({ length: 8 }, (_, i) => segment(50 + i, 3)));
  const plans = tierMerges({ state: stateOf(few, many), isMergeable: ({ id }) => id !== 1 });
  assert.deepEqual(plans.map(({ partition, parts, indexSegments }) => [partition, parts.length, indexSegments.length]), [["2023_10", 11, 0], ["2023_08", 8, 0], ["2023_10", 0, 8]]);
  assert.ok(!plans[0].parts.some(({ id }) => id === 1));
});

const finals: { name: string; partition: ManifestPartition; nowMs?: number; quietSinceMs?: number; isMergeable?: boolean; due: boolean }[] = [
  { name: "over and quiet", partition: october([part(1, 5), part(2, 5)]), due: true },
  { name: "a single part that is not compact", partition: october([part(1, 5)]), due: true },
  { name: "not over for long", partition: october([part(1, 5)]), nowMs: monthEndMs + 60_000, due: false },
  { name: "still written to", partition: october([part(1, 5)]), quietSinceMs: monthEndMs + dayMs - 60_000, due: false },
  { name: "done already", partition: october([part(3, 5, "compact"), part(4, 1)], [], 3), due: false },
  { name: "rows that may be replayed from the log", partition: october([part(1, 5)]), isMergeable: false, due: false },
  { name: "past the retention", partition: october([]), due: false },
];
for (const { name, partition, nowMs = monthEndMs + dayMs, quietSinceMs = 0, isMergeable = true, due } of finals) {
  test(`final merge: ${name}`, () => {
    const plans = finalMerges({ state: stateOf(partition), nowMs, isMergeable: () => isMergeable, quietSinceMs: () => quietSinceMs });
    assert.equal(plans.length, due ? 1 : 0);
    if (due) assert.deepEqual([plans[0].parts, plans[0].codec], [partition.parts, "compact"]);
  });
}

test("final merge: what is one compact part already is only marked", () => {
  const partition = october([part(3, 5, "compact")], [segment(2, 1, 3)]);
  const [plan] = finalMerges({ state: stateOf(partition), nowMs: monthEndMs + dayMs, isMergeable: () => true, quietSinceMs: () => 0 });
  assert.deepEqual([plan.kind, plan.parts, plan.indexSegments], ["final", [], []]);
});

const forced: { name: string; partition: ManifestPartition; isOver?: boolean; parts: number; segments: number; codec?: CodecEffort }[] = [
  { name: "all parts and segments", partition: october([part(1, 5), part(2, 500)], [segment(3, 1), segment(4, 1)]), parts: 2, segments: 2, codec: "fast" },
  { name: "all parts and segments of a month that is over", partition: october([part(1, 5), part(2, 500)], [segment(3, 1), segment(4, 1)]), isOver: true, parts: 2, segments: 2, codec: "compact" },
  { name: "parts of which one is compact", partition: october([part(1, 5, "compact"), part(2, 5)], [segment(3, 1)]), parts: 2, segments: 1, codec: "fast" },
  { name: "one part stays as it is", partition: october([part(1, 5)], [segment(2, 1)]), parts: 0, segments: 0 },
  { name: "one compact part stays as it is", partition: october([part(1, 5, "compact")], [segment(2, 1)]), parts: 0, segments: 0 },
  { name: "one part of a month that is over", partition: october([part(1, 5)], [segment(2, 1)]), isOver: true, parts: 1, segments: 1, codec: "compact" },
  { name: "one compact part of a month that is over", partition: october([part(3, 5, "compact")], [segment(2, 1, 3)]), isOver: true, parts: 0, segments: 0 },
  { name: "one part, two segments", partition: october([part(3, 5)], [segment(2, 1, 3), segment(4, 1)]), parts: 0, segments: 2, codec: "fast" },
  { name: "one compact part of a month that is over, two segments", partition: october([part(3, 5, "compact")], [segment(2, 1, 3), segment(4, 1)]), isOver: true, parts: 0, segments: 2, codec: "compact" },
  { name: "very many parts", partition: october(Array.from({ length: 100 }, (_, i) => part(i + 1, 5)), [segment(500, 1)]), isOver: true, parts: 64, segments: 0, codec: "fast" },
];
for (const { name, partition, isOver = false, parts, segments, codec } of forced) {
  test(`forced merge: ${name}`, () => {
    const plan = forcedMerge(partition, () => true, isOver ? monthEndMs + dayMs : monthEndMs - dayMs);
    assert.deepEqual([plan?.parts.length ?? 0, plan?.indexSegments.length ?? 0, plan?.codec], [parts, segments, codec]);
  });
}

test("tiers: parts get fast columns until their month had its final merge, and compact ones that become fast are given more room", () => {
  const parts = [part(9, 6, "compact"), ...Array.from({ length: 8 }, (_, i) => part(i + 10, 6))];
  const plans = [undefined, 9].map((finalPartId) => tierMerges({ state: stateOf(october(parts, [], finalPartId)), isMergeable: () => true })[0]);
  assert.deepEqual(plans.map(({ codec }) => codec), ["fast", "compact"]);
  assert.deepEqual(plans.map(planBytes), [6 * 2 * 10, 6 * 2 * 9]);
});
