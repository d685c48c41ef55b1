// Shows that series that are registered in bulk at a start, from index segments and from records of the log, make the state that registering them one by one does:
// several tenants, label sets that come back under another id, ids far apart and impossible ones, large label sets, one shard and several, tables that were
// reserved and not; that a full head rejects the rest; and that a scan for records of new series ends before anything that is not one.
import assert from "node:assert/strict";
import test from "node:test";
import { silentLogger } from "../base/logger.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { headRecordBytes } from "../kernel/head.ts";
import { IndexKernel } from "../kernel/postings.ts";
import { scanSeriesRecords } from "../kernel/series_load.ts";
import { encodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import { testSeed } from "../../testkit/seed.ts";
import { encodeLogMetadata, encodeLogSeries, type LogSeries } from "./log_payload.ts";
import type { ManifestPartition } from "./manifest_state.ts";
import { partitionOf } from "./partition.ts";
import { IndexSegmentWriter } from "./partition_index_writer.ts";
import { SeriesLoader } from "./series_loader.ts";
import { SeriesSet } from "./series_set.ts";
import { Shard } from "./shard.ts";

const partition = partitionOf(Date.parse("2026-03-10T00:00:00Z"));
const dayMs = 86_400_000;
/** Of the parts; rows get them as their days. */
const [minDay, maxDay] = [Math.floor(partition.minMs / dayMs) + 2, Math.floor(partition.minMs / dayMs) + 9];
const nextSeriesId = 1_000_000;

interface Plan {
  /** Of each segment, ascending by id. */
  readonly segments: readonly (readonly LogSeries[])[];
  readonly logged: readonly (readonly LogSeries[])[];
  readonly seriesMax: number;
}

function randomLabels(i: number, random: Random): Labels {
  const record: Record<string, string> = { __name__: `metric_${i % 17}`, instance: `host-${Math.floor(i / 17)}` };
  if (random.int(3) === 0) record[`name_${random.int(40)}`] = `value_${random.int(9)}`;
  if (random.int(50) === 0) record["large"] = `${i}`.repeat(100 + random.int(3000));
  return labelsOf(record);
}

function randomSeries(count: number, firstId: number, random: Random): LogSeries[] {
  const series: LogSeries[] = [];
  for (let i = 0, seriesId = firstId; i < count; i++) {
    seriesId += random.int(20) === 0 ? random.int(20_000) : 1;
    const known = series.length > 0 && random.int(30) === 0 ? series[random.int(series.length)] : undefined;
    const tenant = { accountId: random.int(3) * 70_000, projectId: random.int(2) };
    series.push({ seriesId, tenant: known?.tenant ?? tenant, labels: known?.labels ?? encodeLabelRun(randomLabels(random.int(3000), random)) });
  }
  return series;
}

function randomPlan(random: Random): Plan {
  const segments = Array.from({ length: 1 + random.int(3) }, (_, i) => randomSeries(random.int(i === 0 ? 6000 : 600), i * 250_000, random));
  const logged = randomSeries(random.int(2000), nextSeriesId, random).map((one) => (random.int(100) === 0 ? { ...one, seriesId: random.int(2) * (2 ** 32 - 1) } : one));
  const groups: LogSeries[][] = [];
  for (let from = 0, to = 0; from < logged.length; from = to) {
    to += 1 + random.int(random.int(4) === 0 ? 200 : 1);
    groups.push(logged.slice(from, to));
  }
  const all = segments.flat().length + logged.length;
  return { segments, logged: groups, seriesMax: random.int(4) === 0 ? 1 + random.int(all) : all };
}

function createShards(count: number, seriesMax: number): Shard[] {
  return Array.from({ length: count }, () => new Shard({
    seriesMax, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId, seriesIdStep: count, sealChunks: 15, sealChunksMax: 64, chunkBytesMax: 1 << 20, scratchBytes: [1 << 16],
  }));
}

/** The partition with these segments on a disk. */
function writeSegments({ segments }: Plan, files: MemoryFileSystem): ManifestPartition {
  files.makeDirectory("/p");
  const indexSegments = segments.map((series, id) => {
    const writer = new IndexSegmentWriter(partition);
    const labelOffsets = new Uint32Array(series.length + 1);
    series.forEach(({ labels }, i) => (labelOffsets[i + 1] = labelOffsets[i] + labels.length));
    const labels = new Uint8Array(labelOffsets[series.length]);
    series.forEach((one, i) => labels.set(one.labels, labelOffsets[i]));
    writer.add({
      rowCount: series.length, labels, labelOffsets, seriesIds: Uint32Array.from(series, ({ seriesId }) => seriesId),
      accountIds: Uint32Array.from(series, ({ tenant }) => tenant.accountId), projectIds: Uint32Array.from(series, ({ tenant }) => tenant.projectId),
      minMs: new Float64Array(series.length).fill(partition.minMs), maxMs: new Float64Array(series.length).fill(partition.minMs),
    });
    writer.finish(files, `/p/${id}.idx`);
    return { id, files: [`${id}.idx`], seriesCount: series.length, sizeBytes: 0 };
  });
  const part = { id: 9, files: [], seriesCount: 1, sampleCount: 1, minMs: minDay * dayMs, maxMs: maxDay * dayMs, sizeBytes: 1 };
  return { name: partition.name, parts: [part], indexSegments };
}

/** What registering one by one comes to. */
interface Expected {
  readonly shards: readonly Shard[];
  readonly rejected: number;
  readonly aliases: readonly string[];
}

function registerSingly({ segments, logged, seriesMax }: Plan, shardCount: number, idMax: number): Expected {
  const shards = createShards(shardCount, seriesMax);
  const staging = shards.map(({ kernel }) => kernel.allocate(1 << 20));
  const aliases: string[] = [];
  let rejected = 0;
  const register = ({ seriesId, tenant, labels }: LogSeries): { shard: Shard; number: number; seriesIndex: number } | undefined => {
    shards[0].kernel.u8.set(labels, staging[0]);
    const number = shards[0].head.shardOf(staging[0], labels.length, tenant.accountId, tenant.projectId, shardCount);
    const shard = shards[number];
    shard.kernel.u8.set(labels, staging[number]);
    const isPossible = seriesId !== 0 && seriesId <= idMax;
    const seriesIndex = isPossible ? shard.head.register(staging[number], labels.length, tenant.accountId, tenant.projectId, seriesId) : -1;
    if (seriesIndex < 0) rejected++;
    if (seriesIndex >= 0 && shard.head.seriesIdOf(seriesIndex) !== seriesId) aliases.push(`${number} ${seriesIndex} ${seriesId}`);
    return seriesIndex < 0 ? undefined : { shard, number, seriesIndex };
  };
  for (const one of segments.flat()) {
    const found = register(one);
    found?.shard.index.touchDay(found.seriesIndex, minDay);
    found?.shard.index.touchDay(found.seriesIndex, maxDay);
  }
  for (const one of logged.flat()) register(one);
  return { shards, rejected, aliases };
}

/** Everything that the head and the live index know of a shard's series. */
function stateOf({ kernel, head, index }: Shard): unknown {
  const kernels = new IndexKernel(kernel, index.contextPointer);
  const records = kernel.u32[(head.context + 4) / 4];
  const list = kernel.allocate(kernels.seriesCount * 4 + 64);
  const postings = Array.from({ length: kernels.pairCount }, (_, pair) => {
    const count = kernels.decodePosting(pair, list);
    const [key, size] = kernels.pairKey(pair);
    return [Buffer.from(kernel.u8.slice(key, key + size)).toString("hex"), kernels.pairBefore(pair), kernel.u32.slice(list / 4, list / 4 + count)];
  });
  const rows = Array.from({ length: kernels.seriesCount }, (_, i) => {
    const row: number[] = [];
    return [row.slice(0, kernels.readRow(i, row)), kernels.dayRange(i)];
  });
  return { postings, rows, usedBytes: kernels.usedBytes, records: kernel.u8.slice(records, records + head.seriesCount * headRecordBytes) };
}

function isFound({ kernel, head }: Shard, staging: number, { seriesId, tenant, labels }: LogSeries): boolean {
  kernel.u8.set(labels, staging);
  const before = head.seriesCount;
  head.register(staging, labels.length, tenant.accountId, tenant.projectId, seriesId);
  return head.seriesCount === before;
}

for (const shardCount of [1, 3]) {
  test(`registering in bulk equals registering one by one: ${shardCount} shards`, () => {
    const random = seededRandom(testSeed() + shardCount);
    for (let round = 0; round < 8; round++) {
      const plan = randomPlan(random);
      const shards = createShards(shardCount, plan.seriesMax);
      const loader = new SeriesLoader(shards, plan.seriesMax, nextSeriesId);
      const files = new MemoryFileSystem();
      const manifest = writeSegments(plan, files);
      if (random.int(2) === 0) loader.reserve(random.int(10_000));
      const known = loader.loadPartition(files, "/p", manifest, silentLogger);
      assert.ok(plan.segments.flat().every(({ seriesId }) => new SeriesSet(known).has(seriesId)));
      registerLogged(loader, shards[0], plan.logged, random);
      const idMax = nextSeriesId + plan.seriesMax * shardCount + 1;
      const expected = registerSingly(plan, shardCount, idMax);
      assert.deepEqual(shards.map(stateOf), expected.shards.map(stateOf));
      assert.equal(loader.rejectedSeries, expected.rejected);
      assert.equal(loader.nextSeriesId, Math.max(nextSeriesId, ...[...plan.segments, ...plan.logged].flat().map(({ seriesId }) => seriesId + 1)));
      const aliases = loader.aliases().of(shards.map(({ head }) => Uint32Array.from({ length: head.seriesCount }, (_, i) => i)));
      const told = aliases.flatMap(({ shard, seriesIndex, seriesIds }) => seriesIds.map((id) => `${shard} ${seriesIndex} ${id}`));
      assert.deepEqual(told.sort(), [...new Set(expected.aliases)].sort());
      if (shardCount > 1 || expected.rejected > 0) continue;
      const staging = shards[0].kernel.allocate(1 << 20);
      assert.ok([...plan.segments, ...plan.logged].flat().every((one) => isFound(shards[0], staging, one)));
    }
  });
}

/** Gives the records to the loader, some at a time. */
function registerLogged(loader: SeriesLoader, shard: Shard, groups: readonly (readonly LogSeries[])[], random: Random): void {
  for (let from = 0, to = 0; from < groups.length; from = to) {
    to += 1 + random.int(300);
    const bytes = Buffer.concat(groups.slice(from, to).map((group) => encodeLogSeries(group)));
    const pointer = shard.kernel.allocate(bytes.length + 64);
    shard.kernel.u8.set(bytes, pointer);
    const { count, sizeBytes } = scanSeriesRecords(shard.kernel, pointer, bytes.length);
    assert.equal(count, Math.min(groups.length, to) - from);
    assert.equal(sizeBytes, bytes.length);
    loader.registerLogged(pointer, sizeBytes);
  }
}

test("registering a record for each series: ids that need a page of the table at the beginning of a batch", () => {
  const [shard] = createShards(1, 10_000);
  const loader = new SeriesLoader([shard], 10_000, 1);
  const series = Array.from({ length: 9000 }, (_, i) => ({ seriesId: i + 1, tenant: { accountId: 0, projectId: 0 }, labels: encodeLabelRun(labelsOf({ __name__: `m${i}` })) }));
  registerLogged(loader, shard, series.map((one) => [one]), { ...seededRandom(1), int: () => 9000 });
  assert.equal(shard.head.seriesCount, 9000);
  assert.equal(shard.head.seriesIdOf(8999), 9000);
});

test("a scan for records of new series ends before anything that is not one", () => {
  const random = seededRandom(testSeed());
  const { kernel } = createShards(1, 10)[0];
  const records = Array.from({ length: 20 }, (_, i) => encodeLogSeries(randomSeries(1 + random.int(3), i * 10, random)));
  const whole = Buffer.concat(records);
  const pointer = kernel.allocate(whole.length + 8192);
  const metadata = encodeLogMetadata({ accountId: 0, projectId: 0 }, [{ metricFamily: "m", type: "counter", help: "", unit: "" }]);
  for (let round = 0; round < 300; round++) {
    const at = random.int(20);
    const [before, one] = [Buffer.concat(records.slice(0, at)), records[at]];
    const rest = Buffer.concat(records.slice(at + 1));
    const damaged = one.slice();
    damaged[random.int(damaged.length)] ^= 1 << random.int(8);
    const [bytes, available] = [
      [Buffer.concat([before, metadata, one, rest]), Infinity],
      [Buffer.concat([before, damaged, rest]), Infinity],
      [whole, before.length + random.int(one.length)],
    ][random.int(3)] as [Buffer, number];
    kernel.u8.set(bytes, pointer);
    assert.deepEqual(scanSeriesRecords(kernel, pointer, Math.min(available, bytes.length)), { count: at, sizeBytes: before.length });
  }
});
