// Shows that a part gives back what was written, bit by bit; that queries find exactly the blocks that touch them; that tiny blocks are cheap and
// timestamps are stored once; that every flipped bit ends in a typed error that names what is lost while the rest is readable; and that
// the committed golden part stays readable.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import { Kernel } from "../kernel/kernel.ts";
import { bitsOf, randomSeries, runOf, scrapeTimes, type SeriesSamples } from "../../testkit/column_runs.ts";
import { type BlockList, blockAggregates, hasAggregate, sampleCountOf } from "./block_list.ts";
import type { ColumnRun } from "./column_run.ts";
import { DamagedBlocksError, DamagedPartError } from "./part_error.ts";
import { Part } from "./part.ts";
import { verifyPart } from "./part_verify.ts";
import { partFiles, PartWriter, type PartSummary } from "./part_writer.ts";
import { measurePart } from "./part_writer.bench.ts";

const seed = Number(process.env.SEED ?? 20260702);
const kernel = new Kernel();
const everything = { minMs: -8.64e15, maxMs: 8.64e15 };

function writePart(files: MemoryFileSystem, path: string, runs: readonly ColumnRun[], codec: CodecEffort = "fast"): PartSummary {
  const mark = kernel.mark();
  const writer = PartWriter.create(files, path, kernel, { codec });
  for (const run of runs) writer.append(run);
  const summary = writer.finish();
  kernel.reset(mark);
  return summary;
}

function filesWith(...runs: ColumnRun[]): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.makeDirectory("/data");
  writePart(files, "/data/part", runs);
  return files;
}

/** Decoded samples of blocks [from, to). */
function readColumns(part: Part, list: BlockList, from = 0, to = list.count): { timestampsMs: Float64Array; values: Float64Array } {
  const mark = kernel.mark();
  const capacity = sampleCountOf(list, from, to);
  const timestamps = kernel.allocate(capacity * 8);
  const values = kernel.allocate(capacity * 8);
  try {
    assert.equal(part.readBlocks(kernel, list, from, to, timestamps, values, capacity), capacity);
    return { timestampsMs: kernel.f64.slice(timestamps / 8, timestamps / 8 + capacity), values: kernel.f64.slice(values / 8, values / 8 + capacity) };
  } finally {
    kernel.reset(mark);
  }
}

function checkSeries(part: Part, series: readonly SeriesSamples[]): void {
  const list = part.findBlocks(Uint32Array.from(series, (one) => one.seriesId), everything);
  const run = runOf(series);
  assert.equal(sampleCountOf(list), run.values.length);
  const columns = readColumns(part, list);
  assert.deepEqual(columns.timestampsMs, run.timestampsMs);
  assert.deepEqual(bitsOf(columns.values), bitsOf(run.values));
}

test("what was written is read back", () => {
  const random = seededRandom(seed);
  for (const [seriesCount, samplesMax] of [[1, 1], [3, 5], [600, 8], [1500, 40], [40, 2000]]) {
    const series = randomSeries(seriesCount, samplesMax, random);
    const files = filesWith(runOf(series));
    using part = Part.open(files, "/data/part");
    checkSeries(part, series);
    const picked = series.filter(() => random.int(7) === 0);
    if (picked.length > 0) checkSeries(part, picked);
    assert.equal(part.totals.seriesCount, seriesCount);
    assert.equal(part.totals.minMs, Math.min(...series.map((one) => one.timestampsMs[0])));
    assert.deepEqual(verifyPart(part), []);
  }
});

test("long series are cut into blocks of at most 8192 samples and may be continued by the next run", () => {
  const random = seededRandom(seed);
  const timestampsMs = scrapeTimes(50_000, 0, random);
  const values = timestampsMs.map((timestampMs) => Math.sqrt(timestampMs));
  const one = (from: number, to: number): ColumnRun => runOf([{ seriesId: 7, timestampsMs: timestampsMs.slice(from, to), values: values.slice(from, to), lastLogRow: to }]);
  const files = filesWith(one(0, 30_000), one(30_000, 50_000));
  using part = Part.open(files, "/data/part");
  const list = part.findBlocks(Uint32Array.of(7), everything);
  assert.deepEqual(readColumns(part, list), { timestampsMs, values });
  assert.equal(list.count, 7);
  assert.ok(list.sampleCounts.every((count) => count <= 8192));
  assert.deepEqual(part.lastLogRows(), { seriesIds: Uint32Array.of(7), logRows: Float64Array.of(50_000) });
});

test("a run in the kernel's memory is read in place", () => {
  const run = runOf(randomSeries(300, 20, seededRandom(seed)));
  const mark = kernel.mark();
  const writer = PartWriter.create(filesWith(), "/data/part2", kernel);
  const timestamps = kernel.allocate(run.values.length * 8);
  const values = kernel.allocate(run.values.length * 8);
  kernel.f64.set(run.timestampsMs, timestamps / 8);
  kernel.f64.set(run.values, values / 8);
  kernel.ensure(kernel.mark() + (4 << 20));
  const view = (pointer: number): Float64Array => kernel.f64.subarray(pointer / 8, pointer / 8 + run.values.length);
  writer.append({ ...run, timestampsMs: view(timestamps), values: view(values) });
  assert.equal(writer.finish().sampleCount, run.values.length);
  kernel.reset(mark);
});

test("queries find the blocks that touch their range, series and column", () => {
  const random = seededRandom(seed + 1);
  const series = randomSeries(2000, 6, random);
  const files = filesWith(runOf(series));
  using part = Part.open(files, "/data/part");
  assert.ok(part.groupCount > 3);
  for (let round = 0; round < 60; round++) {
    const minMs = 1_700_000_000_000 + random.int(200_000);
    const range = { minMs, maxMs: minMs + random.int(50_000) };
    const wanted = series.filter(() => random.int(1 + random.int(100)) === 0);
    const ids = new Set(wanted.map((one) => one.seriesId));
    for (let k = 0; k < 20; k++) ids.add(random.int(4000));
    const list = part.findBlocks(Uint32Array.from(ids).sort(), range);
    const touching = series.filter((one) => ids.has(one.seriesId) && one.timestampsMs[0] <= range.maxMs && one.timestampsMs.at(-1)! >= range.minMs);
    assert.deepEqual([...list.seriesIds.subarray(0, list.count)], touching.map((one) => one.seriesId), `seed ${seed}, round ${round}`);
  }
  assert.equal(part.findBlocks(Uint32Array.from(series, (one) => one.seriesId), everything, 1).count, 0);
  assert.equal(part.findBlocks(new Uint32Array(0), everything).count, 0);
});

test("aggregates stand in the headers of long blocks without NaN", () => {
  const timestampsMs = scrapeTimes(1000, 0, seededRandom(1));
  const plain = Float64Array.from({ length: 1000 }, (_, i) => (i * 37) % 101);
  const withNaN = plain.with(500, NaN);
  const infinite = plain.with(3, Infinity).with(4, -Infinity);
  const rows = [plain, withNaN, infinite, plain.slice(0, 500)].map((values, seriesId) => ({ seriesId, timestampsMs: timestampsMs.slice(0, values.length), values, lastLogRow: 0 }));
  const files = filesWith(runOf(rows));
  using part = Part.open(files, "/data/part");
  const list = part.findBlocks(Uint32Array.of(0, 1, 2, 3), everything);
  const found = [0, 1, 2, 3].map((i) => blockAggregates.filter((aggregate) => hasAggregate(list, i, aggregate)));
  assert.deepEqual(found, [[...blockAggregates], [], ["min", "max", "first", "last"], []]);
  const row = list.aggregateRows[0];
  assert.deepEqual(blockAggregates.map((aggregate) => list.aggregates[aggregate][row]), [plain.reduce((a, b) => a + b), 0, 100, 0, plain[999]]);
  assert.equal(list.aggregates.max[list.aggregateRows[2]], Infinity);
  assert.equal(part.lastLogRows(), undefined);
});

test("many tiny blocks stay small, and timestamps are stored once", () => {
  const timestampsMs = Float64Array.of(1_700_000_000_000, 1_700_000_015_003, 1_700_000_029_998, 1_700_000_045_001);
  const series = Array.from({ length: 20_000 }, (_, seriesId) => ({ seriesId, timestampsMs, values: Float64Array.of(5, 5, 6, 9), lastLogRow: 0 }));
  const files = new MemoryFileSystem();
  files.makeDirectory("/data");
  const { sizeBytes } = writePart(files, "/data/part", [runOf(series)]);
  // 6 bytes of values; headers, timestamps and checksums add less than half a byte a block where neighbours are alike.
  assert.ok(sizeBytes / series.length < 6.5, `${sizeBytes / series.length} bytes per block`);
});

test("unfinished and foreign files are refused", () => {
  const files = filesWith(runOf(randomSeries(10, 10, seededRandom(seed))));
  const bytes = files.size(`/data/part/${partFiles.blocks}`);
  for (const size of [0, 5, 16, 90, bytes >> 1, bytes - 80, bytes - 1]) {
    const copy = filesWith(runOf(randomSeries(10, 10, seededRandom(seed))));
    const file = copy.open(`/data/part/${partFiles.blocks}`, "append");
    file.truncate(size);
    file.close();
    assert.throws(() => Part.open(copy, "/data/part"), (error) => error instanceof DamagedPartError && error.code === "corrupt_part");
  }
  assert.throws(() => Part.open(files, "/data/none"), { code: "ENOENT" });
});

test("a format version of the future is named", () => {
  const files = filesWith(runOf(randomSeries(2, 2, seededRandom(seed))));
  const file = files.open(`/data/part/${partFiles.blocks}`, "append");
  file.write(Uint8Array.of(9), 8);
  file.close();
  assert.throws(() => Part.open(files, "/data/part"), /format version 9 is not known/);
});

test("a flipped bit anywhere is noticed, named, and loses no more than its frame or header group", () => {
  const random = seededRandom(seed + 2);
  const series = randomSeries(1300, 12, random);
  const run = runOf(series);
  const ids = Uint32Array.from(series, (one) => one.seriesId);
  const files = filesWith(run);
  const path = `/data/part/${partFiles.blocks}`;
  const size = files.size(path);
  const byte = new Uint8Array(1);
  for (let round = 0; round < 250; round++) {
    const position = round < 100 ? size - 1 - round : 16 + random.int(size - 16);
    const file = files.open(path, "append");
    file.read(byte, position);
    const original = byte[0];
    file.write(Uint8Array.of(original ^ (1 << random.int(8))), position);
    const lost = countLost(files, ids, run);
    assert.ok(lost.noticed, `seed ${seed}: a flipped bit at byte ${position} of ${size} went unnoticed`);
    file.write(Uint8Array.of(original), position);
    file.close();
  }
  assert.equal(countLost(files, ids, run).noticed, false);
});

/** Reads what can be read, and checks that it is right. */
function countLost(files: MemoryFileSystem, ids: Uint32Array, run: ColumnRun): { noticed: boolean } {
  let noticed = false;
  let part: Part;
  try {
    part = Part.open(files, "/data/part");
  } catch (error) {
    assert.ok(error instanceof DamagedPartError, String(error));
    return { noticed: true };
  }
  for (let group = 0; group < part.groupCount; group++) {
    let list: BlockList;
    try {
      list = part.readGroup(group);
    } catch (error) {
      assert.ok(error instanceof DamagedPartError, String(error));
      noticed = true;
      continue;
    }
    for (let from = 0; from < list.count; ) {
      let to = list.count;
      try {
        checkValues(readColumns(part, list, from, to).values, list, from, ids, run);
      } catch (error) {
        assert.ok(error instanceof DamagedBlocksError, String(error));
        noticed = true;
        assert.ok(error.fromIndex >= from && error.toIndex > error.fromIndex && error.toIndex <= to);
        if (error.fromIndex > from) checkValues(readColumns(part, list, from, error.fromIndex).values, list, from, ids, run);
        to = error.toIndex;
      }
      from = to;
    }
  }
  assert.equal(verifyPart(part).length > 0, noticed);
  part.close();
  return { noticed };
}

function checkValues(values: Float64Array, list: BlockList, from: number, ids: Uint32Array, run: ColumnRun): void {
  const series = ids.indexOf(list.seriesIds[from]);
  const expected = run.values.subarray(run.sampleFrom[series], run.sampleFrom[series] + values.length);
  assert.deepEqual(bitsOf(values), bitsOf(expected));
}

test("a damaged table of log rows is noticed", () => {
  const files = filesWith(runOf(randomSeries(50, 3, seededRandom(seed))));
  const file = files.open(`/data/part/${partFiles.logRows}`, "append");
  file.write(Uint8Array.of(77), 30);
  file.close();
  using part = Part.open(files, "/data/part");
  assert.throws(() => part.lastLogRows(), DamagedPartError);
});

test("a compact part gives back what was written and is smaller", () => {
  const series = randomSeries(20, 1500, seededRandom(seed + 9));
  const files = filesWith();
  const fast = writePart(files, "/data/fast", [runOf(series)]).sizeBytes;
  const compact = writePart(files, "/data/compact", [runOf(series)], "compact").sizeBytes;
  assert.ok(compact < fast, `${compact} bytes instead of ${fast}`);
  using part = Part.open(files, "/data/compact");
  assert.deepEqual(verifyPart(part), []);
  checkSeries(part, series);
});

test("abort leaves nothing behind", () => {
  const files = filesWith();
  const mark = kernel.mark();
  const writer = PartWriter.create(files, "/data/aborted", kernel);
  writer.append(runOf(randomSeries(5, 5, seededRandom(seed))));
  writer.abort();
  writer.abort();
  kernel.reset(mark);
  assert.deepEqual(files.list("/data"), ["part"]);
});

test("series out of order are a bug", () => {
  const mark = kernel.mark();
  const writer = PartWriter.create(filesWith(), "/data/part2", kernel);
  const [first, second] = randomSeries(2, 3, seededRandom(seed));
  assert.throws(() => writer.append(runOf([second, first])), /out of order/);
  writer.abort();
  kernel.reset(mark);
});

test("the benchmark runs", () => {
  const figures = measurePart("compact", 120, 1000, 1, tmpdir());
  assert.ok(figures.bytesPerSample > 0.2 && figures.bytesPerSample < 1, `${figures.bytesPerSample} B`);
});

for (const version of [1, 2]) {
  test(`the golden part of format version ${version} is read`, () => {
    const golden = new URL(`golden/part_v${version}`, import.meta.url).pathname;
    const expected = JSON.parse(readFileSync(`${golden}/contents.json`, "utf8")) as { seriesId: number; timestampsMs: number[]; valueBits: string[] }[];
    using part = Part.open(new RealFileSystem(), golden);
    assert.deepEqual(verifyPart(part), []);
    const list = part.findBlocks(Uint32Array.from(expected, (one) => one.seriesId), everything);
    const columns = readColumns(part, list);
    assert.deepEqual([...columns.timestampsMs], expected.flatMap((one) => one.timestampsMs));
    assert.deepEqual([...bitsOf(columns.values)], expected.flatMap((one) => one.valueBits.map((bits) => BigInt(`0x${bits}`))));
    assert.deepEqual([...part.lastLogRows()!.logRows], expected.map((_, i) => 100 + i));
  });
}
