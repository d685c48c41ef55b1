// Shows that the kernel which decodes header groups equals its plain twin: on good groups, on impossible numbers in any column, and on mutated bytes
// with a right checksum.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { type BlockList, BlockListBuilder } from "./block_list.ts";
import { checksumBytes, checksumOf, copyIn } from "./block_table.ts";
import { encodeHeaderGroup, type HeaderColumns, HeaderReader } from "./part_header.ts";
import { decodeHeaderGroupReference } from "./part_header_reference.ts";

const seed = Number(process.env.SEED ?? 20260706);
const kernel = new Kernel();
const reader = new HeaderReader(kernel);
const dataEnd = 10_000_000;

type Columns = Record<Exclude<keyof HeaderColumns, "aggregates">, Float64Array> & { readonly aggregates: Record<keyof HeaderColumns["aggregates"], Float64Array> };

/** Columns of a possible group. */
function randomColumns(count: number, random: Random): Columns {
  const column = (next: (i: number) => number): Float64Array => Float64Array.from({ length: count }, (_, i) => next(i));
  let seriesId = random.int(1000);
  const valuesSizes = column(() => 1 + random.int(20));
  const valuesFrames = column((i) => 16 + Math.floor(i / 40) * 5000);
  const frameSize = random.int(2) === 0 ? 4100 : 800;
  const withAggregates = column(() => (random.int(5) === 0 ? 31 * 65536 : 0));
  const aggregateCount = withAggregates.filter((kind) => kind > 0).length;
  const aggregate = (): Float64Array => Float64Array.from({ length: aggregateCount }, () => random.next() * 100);
  return {
    seriesIds: column(() => (seriesId += random.int(3))),
    kinds: withAggregates,
    sampleCounts: column(() => 1 + random.int(8192)),
    minMs: column(() => random.int(1e9) * 1000),
    spansMs: column(() => random.int(1e6)),
    valuesFrames,
    valuesFrameSizes: column(() => frameSize),
    valuesSizes,
    timestampsFrames: column(() => 16 + random.int(100) * 5000),
    timestampsFrameSizes: column(() => 500),
    timestampsOffsets: column(() => random.int(400)),
    timestampsSizes: column(() => 1 + random.int(100)),
    aggregates: { sum: aggregate(), min: aggregate(), max: aggregate(), first: aggregate(), last: aggregate() },
  };
}

/** What both decoders make of the bytes: a list, or nothing. */
function decodeBoth(bytes: Uint8Array): { kernelList: BlockList | undefined; twinList: BlockList | undefined } {
  const mark = kernel.mark();
  const pointer = copyIn(kernel, bytes);
  const attempt = (decode: () => BlockList): BlockList | undefined => {
    try {
      const list = decode();
      const copy = new BlockListBuilder(list.count);
      copy.append(list, 0, list.count);
      return copy;
    } catch (error) {
      assert.equal((error as { code?: string }).code, "corrupt_table", String(error));
      return undefined;
    }
  };
  const kernelList = attempt(() => reader.decode(pointer, bytes.length, dataEnd, "group"));
  const twinList = attempt(() => decodeHeaderGroupReference(kernel, pointer, bytes.length, dataEnd, "group"));
  kernel.reset(mark);
  return { kernelList, twinList };
}

test("good groups", () => {
  const random = seededRandom(seed);
  for (const count of [1, 2, 3, 100, 255, 256]) {
    const columns = randomColumns(count, random);
    const { kernelList, twinList } = decodeBoth(encodeHeaderGroup(kernel, columns));
    assert.deepEqual(kernelList, twinList);
    assert.deepEqual([...kernelList!.seriesIds], [...columns.seriesIds]);
    assert.deepEqual([...kernelList!.maxMs], [...columns.minMs].map((minMs, i) => minMs + columns.spansMs[i]));
  }
});

test("impossible numbers", () => {
  const random = seededRandom(seed + 1);
  const numbers = [-1, 0, 0.5, NaN, Infinity, -0, 1e300, 2 ** 32, 2 ** 21, 70_000, 8193, dataEnd, dataEnd - 8, 15];
  let refused = 0;
  for (let round = 0; round < 500; round++) {
    const columns = randomColumns(1 + random.int(256), random);
    const names = Object.keys(columns).filter((name) => name !== "aggregates") as Exclude<keyof HeaderColumns, "aggregates">[];
    const column = columns[names[random.int(names.length)]];
    column[random.int(column.length)] = numbers[random.int(numbers.length)];
    const { kernelList, twinList } = decodeBoth(encodeHeaderGroup(kernel, columns));
    assert.deepEqual(kernelList, twinList, `seed ${seed}, round ${round}`);
    if (kernelList === undefined) refused++;
  }
  assert.ok(refused > 250);
});

test("mutated bytes", () => {
  const random = seededRandom(seed + 2);
  for (let round = 0; round < 1000; round++) {
    const bytes = encodeHeaderGroup(kernel, randomColumns(1 + random.int(60), random)).slice();
    for (let k = 0; k <= random.int(3); k++) bytes[random.int(bytes.length - checksumBytes)] = random.int(256);
    bytes.set(checksumOf(kernel, bytes.subarray(0, bytes.length - checksumBytes)), bytes.length - checksumBytes);
    const { kernelList, twinList } = decodeBoth(bytes);
    assert.deepEqual(kernelList, twinList, `seed ${seed}, round ${round}`);
  }
});
