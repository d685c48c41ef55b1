// Shows that an index segment that was written in bulk from a live index is, byte for byte, the one that IndexSegmentWriter writes of the same series' label
// runs: many tenants, shared and unique labels, labels larger than the scratch area, strings that are prefixes of each other, lists of more than 8192 rows.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { encodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import { testSeed } from "../../testkit/seed.ts";
import { type LiveSeries, writeLiveSegment } from "./live_segment_writer.ts";
import { partitionOf } from "./partition.ts";
import { IndexSegment } from "./partition_index.ts";
import { IndexSegmentWriter } from "./partition_index_writer.ts";
import { Shard, ShardReader } from "./shard.ts";

const partition = partitionOf(Date.parse("2026-03-10T00:00:00Z"));
const dayMs = 86_400_000;
/** The least that LiveRows takes: rows and keys do not fit in at once. */
const scratchBytes = 4096 * 32;

interface Registered {
  readonly shard: Shard;
  readonly reader: ShardReader;
  readonly runs: Uint8Array[];
  readonly tenants: { readonly accountId: number; readonly projectId: number }[];
}

/** A live index of these label sets; series i has the id 2 * i + 1. */
function register(sets: readonly Labels[], random: Random): Registered {
  const shard = new Shard({
    seriesMax: 1 << 20, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId: 1, seriesIdStep: 1, sealChunks: 15, sealChunksMax: 64, chunkBytesMax: 1 << 20,
    scratchBytes: [scratchBytes],
  });
  const runs = sets.map((labels) => encodeLabelRun(labels));
  const tenants = sets.map(() => ({ accountId: random.int(3) * 70_000, projectId: random.int(2) }));
  const staging = shard.kernel.allocate(runs.reduce((most, run) => Math.max(most, run.length), 64) + 64);
  runs.forEach((run, i) => {
    shard.kernel.u8.set(run, staging);
    assert.equal(shard.head.register(staging, run.length, tenants[i].accountId, tenants[i].projectId, 2 * i + 1), i);
  });
  return { shard, reader: new ShardReader(shard.layout, 0), runs, tenants };
}

/** Some of the series, with times in the partition. */
function chooseSeries(count: number, share: number, random: Random): LiveSeries {
  const chosen = Uint32Array.from(Array.from({ length: count }, (_, i) => i).filter(() => random.next() < share));
  const minMs = Float64Array.from(chosen, () => partition.minMs + random.int(20 * dayMs));
  return { seriesIndexes: chosen, seriesIds: chosen.map((i) => 2 * i + 1), minMs, maxMs: minMs.map((ms) => ms + random.int(8 * dayMs)) };
}

function writeBoth({ reader, runs, tenants }: Registered, series: LiveSeries): { bulk: Uint8Array; single: Uint8Array; files: MemoryFileSystem } {
  const files = new MemoryFileSystem();
  files.makeDirectory("/index");
  for (const _ of writeLiveSegment(files, "/index/bulk.idx", partition, reader, new Kernel(), series));
  const chosen = [...series.seriesIndexes];
  const labelOffsets = new Uint32Array(chosen.length + 1);
  chosen.forEach((index, i) => (labelOffsets[i + 1] = labelOffsets[i] + runs[index].length));
  const labels = new Uint8Array(labelOffsets[chosen.length]);
  chosen.forEach((index, i) => labels.set(runs[index], labelOffsets[i]));
  const writer = new IndexSegmentWriter(partition);
  writer.add({
    rowCount: chosen.length, seriesIds: series.seriesIds, minMs: series.minMs, maxMs: series.maxMs, labels, labelOffsets,
    accountIds: Uint32Array.from(chosen, (index) => tenants[index].accountId), projectIds: Uint32Array.from(chosen, (index) => tenants[index].projectId),
  });
  writer.finish(files, "/index/single.idx");
  return { bulk: bytesOf(files, "/index/bulk.idx"), single: bytesOf(files, "/index/single.idx"), files };
}

function bytesOf(files: MemoryFileSystem, path: string): Uint8Array {
  using file = files.open(path, "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  return bytes;
}

/** Random strings over few letters, so that many are equal or prefixes of each other. */
function randomText(random: Random, lengthMax: number): string {
  let text = "";
  for (let i = random.int(lengthMax) + 1; i > 0; i--) text += ["a", "b", "\u0000", "ü", "\u{1f600}"][random.int(5)];
  return text;
}

function randomLabels(i: number, random: Random): Labels {
  const record: Record<string, string> = { __name__: `metric_${i % 50}`, job: "node", instance: `host-${Math.floor(i / 50)}:9100` };
  for (let extra = random.int(4); extra > 0; extra--) record[`l${randomText(random, 12)}`] = randomText(random, 24);
  record["unique"] = String(random.int(1e9));
  return labelsOf(record);
}

test("bulk and single segments are equal: a fleet with odd labels", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (const share of [1, 0.1, 0.001]) {
    const count = share === 1 ? 12_000 : 3000;
    const registered = register(Array.from({ length: count }, (_, i) => randomLabels(i, random)), random);
    const series = chooseSeries(count, share, random);
    const { bulk, single } = writeBoth(registered, series);
    assert.ok(Buffer.compare(bulk, single) === 0, `seed ${seed}, share ${share}`);
  }
});

test("bulk and single segments are equal: rows and labels larger than the scratch area", () => {
  const random = seededRandom(testSeed());
  const many = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`label_${i}`, String(i % 7)]));
  const sets = [labelsOf({ a: "1" }), labelsOf(many), labelsOf({ a: "x".repeat(300_000) }), labelsOf({ a: "1", b: "y".repeat(scratchBytes) }), labelsOf({ ...many, a: "2" })];
  const { bulk, single, files } = writeBoth(register(sets, random), chooseSeries(sets.length, 1, random));
  assert.ok(Buffer.compare(bulk, single) === 0);
  using segment = IndexSegment.open(files, "/index/bulk.idx");
  assert.deepEqual([...segment.postings("a", "1")], [0, 3]);
});

test("a segment that is left early leaves no file", () => {
  const random = seededRandom(testSeed());
  const registered = register(Array.from({ length: 9000 }, (_, i) => randomLabels(i, random)), random);
  const files = new MemoryFileSystem();
  files.makeDirectory("/index");
  const steps = writeLiveSegment(files, "/index/1.idx", partition, registered.reader, new Kernel(), chooseSeries(9000, 1, random));
  while (!files.exists("/index/1.idx")) assert.equal(steps.next().done, false);
  steps.return(0);
  assert.deepEqual(files.list("/index"), []);
});
