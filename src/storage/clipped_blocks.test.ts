// Shows that a search for little of long blocks gives exactly the samples of its range, although only they are decoded: in parts of all kinds, with blocks over each
// other, beside samples in the head; and that damage loses whole blocks, says so, and changes nothing else.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { type CodecEffort, columnKinds } from "../kernel/codec.ts";
import { typicalColumns } from "../kernel/codec_columns.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { TimeRange } from "../model/store.ts";
import { bitsOf, runOf, type SeriesSamples } from "../../testkit/column_runs.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { type BlockList, sampleCountOf } from "./block_list.ts";
import type { LocalStore } from "./local_store.ts";
import { Part } from "./part.ts";
import { partFiles, PartWriter } from "./part_writer.ts";

const startMs = 1_699_000_000_000;
const seed = testSeed();
const columns = typicalColumns.filter(({ kind }) => kind === columnKinds.values);

interface Samples {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** Times at a steady interval, or with jitter, or several equal ones. */
function times(fromMs: number, count: number, random: Random): Float64Array {
  const kind = random.int(3);
  return Float64Array.from({ length: count }, (_, k) => fromMs + (kind === 2 ? Math.floor(k / 3) * 45_000 : k * 15_000)).map((timeMs) => timeMs + (kind === 1 ? random.int(5000) : 0));
}

function inRange({ timestampsMs, values }: Samples, { minMs, maxMs }: TimeRange): Samples {
  const isIn = (_: number, i: number): boolean => timestampsMs[i] >= minMs && timestampsMs[i] <= maxMs;
  return { timestampsMs: timestampsMs.filter(isIn), values: values.filter(isIn) };
}

for (const codec of ["fast", "compact"] as readonly CodecEffort[]) {
  test(`a part: the clips of blocks are what lies in the range, and that alone is decoded: ${codec}`, () => {
    const random = seededRandom(seed);
    const kernel = new Kernel();
    const series = Array.from({ length: 60 }, (_, i): SeriesSamples => {
      const count = [1, 40, 700, 9000][random.int(4)];
      return { seriesId: i * 2, timestampsMs: times(startMs + random.int(3) * 600_000, count, random), values: columns[i % columns.length].make(count, random), lastLogRow: 1 };
    });
    const files = new MemoryFileSystem();
    files.makeDirectory("/data");
    const mark = kernel.mark();
    const writer = PartWriter.create(files, "/data/part", kernel, { codec });
    writer.append(runOf(series));
    writer.finish();
    kernel.reset(mark);
    using part = Part.open(files, "/data/part");
    for (let round = 0; round < 40; round++) {
      const minMs = startMs + random.int(9000 * 15_000);
      const range = { minMs, maxMs: minMs + random.int(round % 2 === 0 ? 100_000 : 50_000_000) };
      const list = part.findBlocks(Uint32Array.from(series, ({ seriesId }) => seriesId), range);
      list.clips = part.clipsOf(kernel, list, range, undefined);
      const found = series.filter(({ seriesId }) => list.seriesIds.subarray(0, list.count).includes(seriesId));
      const expected = found.map((one) => inRange(one, range));
      assert.equal(sampleCountOf(list), expected.reduce((sum, { values }) => sum + values.length, 0), `seed ${seed}, round ${round}`);
      const actual = readAll(kernel, part, list);
      assert.deepEqual(actual.timestampsMs, joined(expected.map(({ timestampsMs }) => timestampsMs)));
      assert.deepEqual(bitsOf(actual.values), bitsOf(joined(expected.map(({ values }) => values))));
    }
  });
}

function joined(arrays: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}

function readAll(kernel: Kernel, part: Part, list: BlockList): Samples {
  const mark = kernel.mark();
  const count = sampleCountOf(list);
  const [timestamps, values] = [kernel.allocate(count * 8 + 64), kernel.allocate(count * 8 + 64)];
  assert.equal(part.readBlocks(kernel, list, 0, list.count, timestamps, values, count), count);
  const samples = { timestampsMs: kernel.f64.slice(timestamps / 8, timestamps / 8 + count), values: kernel.f64.slice(values / 8, values / 8 + count) };
  kernel.reset(mark);
  return samples;
}

/** Samples by series; long stretches, some over each other, in parts and in the head. */
async function fill(store: LocalStore, random: Random): Promise<Map<string, Samples[]>> {
  const model = new Map<string, Samples[]>();
  for (let stretch = 0; stretch < 4; stretch++) {
    const builder = new RowBatchBuilder();
    const fromMs = startMs + stretch * 20_000_000 - random.int(2) * 9_000_000;
    for (let i = 0; i < 20; i++) {
      const timestampsMs = times(fromMs, 1500, random);
      const values = columns[(i + stretch) % columns.length].make(1500, random);
      builder.addSeries(labelsOf({ __name__: "m", i: String(i) }), timestampsMs, values);
      model.set(String(i), [...(model.get(String(i)) ?? []), { timestampsMs, values }]);
    }
    await store.write(builder.build());
    if (stretch < 3) await store.flush();
  }
  return model;
}

/** Sorted pairs of time and value of what a search finds, by series. */
async function search(store: LocalStore, range: TimeRange): Promise<{ found: Map<string, string[]>; isPartial: boolean }> {
  const result = await store.search({ tenant: defaultTenant, selector: [[]], range });
  const found = new Map<string, string[]>();
  for await (const { seriesCount, sampleFrom, timestampsMs, values, labels } of result.batches) {
    for (let i = 0; i < seriesCount; i++) {
      const [from, to] = [sampleFrom[i], sampleFrom[i + 1]];
      assert.ok(timestampsMs.subarray(from, to).every((timeMs, k, all) => k === 0 || all[k - 1] <= timeMs), "in order");
      if (to > from) found.set(labels(i).find(({ name }) => name === "i")?.value ?? "", pairs({ timestampsMs: timestampsMs.subarray(from, to), values: values.subarray(from, to) }));
    }
  }
  return { found, isPartial: result.isPartial() };
}

function pairs({ timestampsMs, values }: Samples): string[] {
  return Array.from(timestampsMs, (timeMs, i) => `${timeMs} ${values[i]}`).sort();
}

function expectedOf(model: Map<string, Samples[]>, range: TimeRange): Map<string, string[]> {
  const entries = [...model].map(([name, stretches]): [string, string[]] => [name, stretches.flatMap((one) => pairs(inRange(one, range))).sort()]);
  return new Map(entries.filter(([, samples]) => samples.length > 0));
}

function randomRange(random: Random): TimeRange {
  const minMs = startMs + random.int(85_000_000);
  return { minMs, maxMs: minMs + [300_000, 3_600_000, 30_000_000][random.int(3)] };
}

test("a store: searches for little of long blocks", async () => {
  for (let round = 0; round < 4; round++) {
    const random = seededRandom(seed + round);
    await using store = await openTestStore(new MemoryFileSystem());
    const model = await fill(store, random);
    if (round === 3) await store.merge();
    for (let i = 0; i < 8; i++) {
      const range = randomRange(random);
      const { found, isPartial } = await search(store, range);
      assert.equal(isPartial, false);
      assert.deepEqual(found, expectedOf(model, range), `seed ${seed + round}, search ${i}`);
    }
  }
});

test("a store: damaged blocks are missing, said to be, and others whole", async () => {
  let partial = 0;
  for (let round = 0; round < 6; round++) {
    const random = seededRandom(seed + round);
    const files = new MemoryFileSystem();
    await using store = await openTestStore(files);
    const model = await fill(store, random);
    const [month] = files.list("/data/partitions");
    const parts = files.list(`/data/partitions/${month}/parts`);
    const file = files.open(`/data/partitions/${month}/parts/${parts[random.int(parts.length)]}/${partFiles.blocks}`, "append");
    const position = 16 + random.int(file.size() - 600);
    const byte = new Uint8Array(1);
    file.read(byte, position);
    file.write(Uint8Array.of(byte[0] ^ (1 << random.int(8))), position);
    file.close();
    for (let i = 0; i < 6; i++) {
      const range = randomRange(random);
      const { found, isPartial } = await search(store, range);
      const expected = expectedOf(model, range);
      if (isPartial) partial++;
      else assert.deepEqual(found, expected);
      for (const [name, samples] of found) assert.ok(includesAll(expected.get(name) ?? [], samples), `seed ${seed + round}: ${name}`);
    }
  }
  assert.ok(partial > 0, "some damage was met");
});

/** Whether the sorted `some` are among the sorted `all`. */
function includesAll(all: readonly string[], some: readonly string[]): boolean {
  let at = 0;
  for (const one of some) {
    at = all.indexOf(one, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
