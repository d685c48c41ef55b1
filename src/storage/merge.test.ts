// Shows that merging parts equals sorting their samples: stable by part age, duplicates kept, long series in slices, log rows kept; that it can be
// aborted and fails cleanly; and that the sources stay as they are.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import { Kernel } from "../kernel/kernel.ts";
import { bitsOf, randomSeries, runOf, type SeriesSamples } from "../../testkit/column_runs.ts";
import { sampleCountOf } from "./block_list.ts";
import { measureMerge, mergeShapes } from "./merge.bench.ts";
import { type LostBlocks, mergeParts, PartMerge } from "./merge.ts";
import { Part } from "./part.ts";
import { verifyPart } from "./part_verify.ts";
import { partFiles, PartWriter } from "./part_writer.ts";

const seed = Number(process.env.SEED ?? 20260705);
const kernel = new Kernel();

function diskWith(parts: readonly (readonly SeriesSamples[])[]): { files: MemoryFileSystem; open: () => Part[] } {
  const files = new MemoryFileSystem();
  files.makeDirectory("/data");
  for (const [i, series] of parts.entries()) {
    const mark = kernel.mark();
    const writer = PartWriter.create(files, `/data/${i}`, kernel);
    writer.append(runOf(series));
    writer.finish();
    kernel.reset(mark);
  }
  return { files, open: () => parts.map((_, i) => Part.open(files, `/data/${i}`)) };
}

interface Sample {
  readonly timestampMs: number;
  readonly bits: bigint;
}

/** All samples by series, sorted by time; equal times keep the order of the parts. */
function expectedSamples(parts: readonly (readonly SeriesSamples[])[]): Map<number, Sample[]> {
  const bySeries = new Map<number, Sample[]>();
  for (const one of parts.flat()) {
    const bits = bitsOf(one.values);
    const samples = bySeries.get(one.seriesId) ?? [];
    for (let i = 0; i < one.values.length; i++) samples.push({ timestampMs: one.timestampsMs[i], bits: bits[i] });
    bySeries.set(one.seriesId, samples);
  }
  for (const samples of bySeries.values()) samples.sort((a, b) => a.timestampMs - b.timestampMs);
  return bySeries;
}

function checkMerged(files: MemoryFileSystem, path: string, parts: readonly (readonly SeriesSamples[])[]): void {
  using part = Part.open(files, path);
  assert.deepEqual(verifyPart(part), []);
  const expected = expectedSamples(parts);
  const seriesIds = Uint32Array.from(expected.keys()).sort();
  const list = part.findBlocks(seriesIds, { minMs: -8.64e15, maxMs: 8.64e15 });
  const mark = kernel.mark();
  const count = sampleCountOf(list);
  const [timestamps, values] = [kernel.allocate(count * 8), kernel.allocate(count * 8)];
  part.readBlocks(kernel, list, 0, list.count, timestamps, values, count);
  const samples = [...seriesIds].flatMap((seriesId) => expected.get(seriesId)!);
  assert.deepEqual(kernel.f64.slice(timestamps / 8, timestamps / 8 + count), Float64Array.from(samples, (sample) => sample.timestampMs));
  assert.deepEqual(bitsOf(kernel.f64.subarray(values / 8, values / 8 + count)), BigUint64Array.from(samples, (sample) => sample.bits));
  kernel.reset(mark);
  assert.equal(part.totals.seriesCount, expected.size);
}

function closeAll(parts: readonly Part[]): void {
  for (const part of parts) part.close();
}

/** A series that has `count` samples, with many equal timestamps. */
function longSeries(seriesId: number, count: number, startMs: number, stepMs: number, random: Random): SeriesSamples {
  const timestampsMs = Float64Array.from({ length: count }, (_, i) => startMs + Math.floor(i / 2) * stepMs);
  return { seriesId, timestampsMs, values: timestampsMs.map(() => random.int(1e6)), lastLogRow: count };
}

const codecEfforts: readonly CodecEffort[] = ["fast", "compact"];

const shapes: { name: string; make: (random: Random) => SeriesSamples[][] }[] = [
  { name: "one part", make: (random) => [randomSeries(50, 30, random)] },
  { name: "the same series, later", make: (random) => [0, 1, 2].map((i) => randomSeries(400, 30, seededRandom(seed), 1_700_000_000_000 + i * 600_000 + random.int(2))) },
  { name: "overlapping times", make: (random) => Array.from({ length: 5 }, () => randomSeries(200, 60, random, 1_700_000_000_000 + random.int(300_000))) },
  { name: "newer part holds older samples", make: (random) => [randomSeries(30, 50, random, 1_700_000_900_000), randomSeries(30, 50, random, 1_700_000_000_000)] },
  { name: "different series", make: (random) => [randomSeries(900, 3, random, 0, 5000), randomSeries(900, 3, random, 0, 0), randomSeries(900, 3, random, 0, 100_000)] },
  {
    name: "long series in slices",
    make: (random) => [
      [longSeries(1, 100, 0, 1000, random), longSeries(2, 210_000, 0, 1000, random), longSeries(3, 50, 0, 1000, random)],
      [longSeries(2, 120_000, 1_000_000, 700, random), longSeries(4, 150_000, 0, 1, random)],
      [longSeries(0, 9000, 0, 5, random), longSeries(2, 90_001, 50_000_000, 999, random)],
    ],
  },
  {
    name: "one timestamp for ever",
    make: (random) => [0, 1].map(() => [longSeries(5, 150_000, 77, 0, random), longSeries(6, 10, 77, 0, random)]),
  },
  { name: "a part without samples", make: (random) => [[], randomSeries(10, 10, random)] },
  { name: "nothing at all", make: () => [[], []] },
];
for (const shape of shapes) {
  test(`merge: ${shape.name}`, () => {
    const contents = shape.make(seededRandom(seed));
    const { files, open } = diskWith(contents);
    const parts = open();
    const mark = kernel.mark();
    for (const codec of codecEfforts) {
      const path = `/data/${codec}`;
      const summary = mergeParts(files, kernel, parts, path, { codec });
      assert.equal(kernel.mark(), mark);
      assert.equal(summary.sampleCount, contents.flat().reduce((sum, one) => sum + one.values.length, 0));
      checkMerged(files, path, contents);
    }
    closeAll(parts);
  });

  test(`merge: ${shape.name}: parts of both codecs`, () => {
    const contents = shape.make(seededRandom(seed));
    const { files, open } = diskWith(contents);
    const sources = open();
    const merged = codecEfforts.map((codec, i) => {
      const share = sources.filter((_part, p) => p % 2 === i);
      mergeParts(files, kernel, share, `/data/${codec}`, { codec });
      return Part.openInOrder(files, `/data/${codec}`);
    });
    for (const codec of codecEfforts) {
      mergeParts(files, kernel, merged, `/data/both-${codec}`, { codec });
      // Samples with equal timestamps come from the older part first.
      checkMerged(files, `/data/both-${codec}`, codecEfforts.flatMap((_codec, i) => contents.filter((_part, p) => p % 2 === i)));
    }
    closeAll([...sources, ...merged]);
  });
}

test("blocks are joined up to 8192 samples", () => {
  const contents = Array.from({ length: 20 }, (_, i) => [longSeries(1, 1000, i * 1_000_000, 1000, seededRandom(seed))]);
  const { files, open } = diskWith(contents);
  const parts = open();
  const { blockCount, sizeBytes } = mergeParts(files, kernel, parts, "/data/merged");
  assert.equal(blockCount, 3);
  assert.ok(sizeBytes < parts.reduce((sum, part) => sum + part.sizeBytes, 0));
  closeAll(parts);
});

test("log rows are kept, the newest of each series, or dropped on request", () => {
  const one = (seriesId: number, lastLogRow: number): SeriesSamples => ({ seriesId, timestampsMs: Float64Array.of(lastLogRow), values: Float64Array.of(1), lastLogRow });
  const { files, open } = diskWith([[one(1, 10), one(2, 20)], [one(2, 15), one(3, 30)], [one(4, 0)]]);
  const parts = open();
  mergeParts(files, kernel, parts, "/data/merged");
  using merged = Part.open(files, "/data/merged");
  assert.deepEqual(merged.lastLogRows(), { seriesIds: Uint32Array.of(1, 2, 3), logRows: Float64Array.of(10, 20, 30) });
  mergeParts(files, kernel, parts, "/data/dropped", { keepLogRows: false });
  assert.deepEqual(files.list("/data/dropped"), [partFiles.blocks]);
  closeAll(parts);
});

test("an aborted merge leaves nothing", () => {
  const { files, open } = diskWith([[longSeries(1, 400_000, 0, 10, seededRandom(seed))]]);
  const parts = open();
  assert.throws(() => mergeParts(files, kernel, parts, "/data/merged", { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
  const merge = new PartMerge(files, kernel, parts, "/data/merged");
  assert.equal(merge.step(), true);
  merge.abort();
  assert.deepEqual(files.list("/data"), ["0"]);
  closeAll(parts);
});

test("a damaged source is named, and nothing is left", () => {
  const { files, open } = diskWith([randomSeries(100, 50, seededRandom(seed)), randomSeries(100, 50, seededRandom(seed))]);
  const file = files.open(`/data/1/${partFiles.blocks}`, "append");
  file.write(Uint8Array.of(1, 2, 3), 100);
  file.close();
  const parts = open();
  assert.throws(() => mergeParts(files, kernel, parts, "/data/merged"), { code: "corrupt_block", path: "/data/1" });
  assert.deepEqual(files.list("/data"), ["0", "1"]);
  closeAll(parts);
});

test("a full disk is reported, and nothing is left", () => {
  const { files, open } = diskWith([randomSeries(300, 80, seededRandom(seed))]);
  const parts = open();
  files.capacityBytes = parts[0].sizeBytes + 5000;
  assert.throws(() => mergeParts(files, kernel, parts, "/data/merged"), { code: "ENOSPC" });
  assert.deepEqual(files.list("/data"), ["0"]);
  closeAll(parts);
});

test("memory is bounded, with many parts, thousands of series and one that is very long", () => {
  const random = seededRandom(seed);
  const contents = Array.from({ length: 40 }, (_, i) => [longSeries(1, i < 2 ? 300_000 : 500, i * 1000, 10, random), ...randomSeries(1500, 3, random, 1_700_000_000_000 + i * 100_000, 5)]);
  const { files, open } = diskWith(contents);
  const parts = open();
  const own = new Kernel();
  const { sampleCount } = mergeParts(files, own, parts, "/data/merged");
  assert.equal(sampleCount, contents.flat().reduce((sum, one) => sum + one.values.length, 0));
  assert.ok(own.sizeBytes < 32 << 20, `${own.sizeBytes} bytes`);
  closeAll(parts);
});

test("damaged blocks and header groups are left out and named, wherever they are", () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 20; round++) {
    const contents = [0, 1, 2].map((i) => randomSeries(600, 20, random, 1_700_000_000_000 + i * 1_000_000));
    const { files, open } = diskWith(contents);
    const path = `/data/1/${partFiles.blocks}`;
    const sizes = open();
    const dataBytes = sizes[1].sizeBytes - 400; // the directory and the footer are another test's
    closeAll(sizes);
    files.corrupt(path, 16 + random.int(dataBytes - 16), 1 + random.int(255));
    const parts = open();
    const lost: LostBlocks[] = [];
    const summary = mergeParts(files, kernel, parts, "/data/merged", { onLost: (one) => lost.push(one) });
    using merged = Part.open(files, "/data/merged");
    assert.deepEqual(verifyPart(merged), []);
    const total = contents.flat().reduce((sum, one) => sum + one.values.length, 0);
    assert.ok(lost.length > 0 && lost.every(({ part, fromSeriesId, toSeriesId }) => part === 1 && fromSeriesId <= toSeriesId));
    assert.ok(summary.sampleCount < total && summary.sampleCount >= total - contents[1].reduce((sum, one) => sum + one.values.length, 0));
    closeAll(parts);
  }
});

test("the benchmark runs", () => {
  for (const shape of mergeShapes) {
    for (const codec of codecEfforts) {
      const { nsPerSample, bytesPerSample } = measureMerge(shape, codec, 20_000, 1, tmpdir());
      assert.ok(nsPerSample > 0 && bytesPerSample > 0 && bytesPerSample < 9);
    }
  }
});
