// Shows that frames that are kept are given back as they came, stay below their budget, survive scans of more than there is room for, and go with their part; and
// that a part reads the same with them as without, from its file only what it has to, and keeps nothing that is damaged.
import assert from "node:assert/strict";
import test from "node:test";
import { runOf, randomSeries } from "../../testkit/column_runs.ts";
import { testSeed } from "../../testkit/seed.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { DelegatingFile } from "../disk/delegating_file.ts";
import type { FileHandle, OpenMode } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { sampleCountOf } from "./block_list.ts";
import { FrameCache, type PartFrames } from "./frame_cache.ts";
import { Part } from "./part.ts";
import { DamagedBlocksError } from "./part_error.ts";
import { partFiles, PartWriter } from "./part_writer.ts";

const seed = testSeed();
const everything = { minMs: -8.64e15, maxMs: 8.64e15 };

function randomBytes(size: number, random: Random): Uint8Array {
  const bytes = new Uint8Array(size).fill(random.int(256));
  bytes[random.int(size)] = random.int(256);
  return bytes;
}

function bytesOf(frames: PartFrames, position: number, size: number): Uint8Array | undefined {
  const frame = frames.get(position, size);
  return frame?.segment.bytes.slice(frame.offset, frame.offset + frame.size);
}

test("frames: what is kept is what came, below the budget", () => {
  const random = seededRandom(seed);
  for (const budgetBytes of [0, 4096, 50_000, 1 << 20, 4 << 20]) {
    const cache = new FrameCache(budgetBytes);
    let parts = Array.from({ length: 3 }, () => ({ frames: cache.addPart(), contents: new Map<number, Uint8Array>() }));
    for (let round = 0; round < 1000; round++) {
      if (round % 10 === 0) cache.startSearch();
      const { frames, contents } = parts[random.int(3)];
      const position = random.int(100) * 70_000;
      const bytes = contents.get(position) ?? randomBytes(1 + random.int(random.int(20) === 0 ? 69_633 : 5000), random);
      contents.set(position, bytes);
      const kept = bytesOf(frames, position, bytes.length);
      if (kept === undefined) frames.add(position, bytes);
      else assert.ok(Buffer.from(kept).equals(bytes), `seed ${seed}, round ${round}`);
      assert.equal(frames.get(position, bytes.length + 1), undefined, "another size is another frame");
      assert.ok(cache.stats.sizeBytes <= budgetBytes, `${cache.stats.sizeBytes} of ${budgetBytes} bytes`);
      if (random.int(400) === 0) {
        frames.drop();
        parts = parts.map((part) => (part.frames === frames ? { frames: cache.addPart(), contents: new Map() } : part));
      }
    }
    if (budgetBytes !== 4096) assert.equal(cache.stats.hits > 0, budgetBytes > 0);
    for (const { frames } of parts) frames.drop();
    assert.equal(cache.stats.sizeBytes, 0);
  }
});

test("frames: a scan of more than there is room for leaves most of what is asked for again", () => {
  const cache = new FrameCache(4 << 20);
  const frames = cache.addPart();
  const bytes = new Uint8Array(4096);
  const read = (position: number): boolean => {
    const isKept = frames.get(position, bytes.length) !== undefined;
    if (!isKept) frames.add(position, bytes);
    return isKept;
  };
  const readSmall = (): number => Array.from({ length: 300 }, (_, i) => read(i)).filter(Boolean).length;
  readSmall();
  assert.equal(readSmall(), 300);
  for (let scan = 0; scan < 20; scan++) {
    cache.startSearch();
    for (let i = 0; i < 5000; i++) read(1e6 + scan * 1e6 + i);
    cache.startSearch();
    assert.equal(readSmall(), 300, `after scan ${scan}`);
  }
});

test("frames: a scan of what there is room for is kept when nothing else is used", () => {
  const cache = new FrameCache(4 << 20);
  const frames = cache.addPart();
  const bytes = new Uint8Array(4096);
  for (let i = 0; i < 900; i++) frames.add(i, bytes);
  for (let scan = 0; scan < 8; scan++) {
    cache.startSearch();
    for (let i = 0; i < 800; i++) if (frames.get(1e6 + i, bytes.length) === undefined) frames.add(1e6 + i, bytes);
  }
  assert.equal(Array.from({ length: 800 }, (_, i) => frames.get(1e6 + i, bytes.length)).filter((frame) => frame === undefined).length, 0);
});

/** Counts the reads of its files. */
class CountingFileSystem extends MemoryFileSystem {
  readCount = 0;

  override open(path: string, mode: OpenMode): FileHandle {
    const count = (): void => void this.readCount++;
    return new (class extends DelegatingFile {
      override read(target: Uint8Array, position: number): number {
        count();
        return super.read(target, position);
      }
    })(super.open(path, mode));
  }
}

function diskWithPart(): CountingFileSystem {
  const files = new CountingFileSystem();
  files.makeDirectory("/data");
  const writer = PartWriter.create(files, "/data/part", new Kernel());
  writer.append(runOf(randomSeries(300, 900, seededRandom(seed))));
  writer.finish();
  return files;
}

function valuesOf(part: Part, kernel: Kernel, seriesIds: Uint32Array): Uint8Array {
  const list = part.findBlocks(seriesIds, everything);
  const mark = kernel.mark();
  const count = sampleCountOf(list);
  const [timestamps, values] = [kernel.allocate(count * 8), kernel.allocate(count * 8)];
  try {
    part.readBlocks(kernel, list, 0, list.count, timestamps, values, count);
    return Buffer.concat([kernel.u8.slice(timestamps, timestamps + count * 8), kernel.u8.slice(values, values + count * 8)]);
  } finally {
    kernel.reset(mark);
  }
}

test("frames: a part reads the same with and without them, and what is kept not again", () => {
  const random = seededRandom(seed);
  const files = diskWithPart();
  const kernel = new Kernel();
  using plain = Part.open(files, "/data/part");
  for (const budgetBytes of [0, 100_000, 8 << 20]) {
    const frames = new FrameCache(budgetBytes);
    using part = Part.open(files, "/data/part", { frames });
    for (let round = 0; round < 20; round++) {
      const seriesIds = Uint32Array.from(new Set(Array.from({ length: 1 + random.int(20) }, () => random.int(900)))).sort();
      frames.startSearch();
      assert.deepEqual(valuesOf(part, kernel, seriesIds), valuesOf(plain, kernel, seriesIds), `seed ${seed}, round ${round}`);
    }
  }
  const frames = new FrameCache(64 << 20);
  using part = Part.open(files, "/data/part", { frames });
  const all = Uint32Array.from({ length: 2000 }, (_, i) => i);
  const expected = valuesOf(part, kernel, all);
  part.findBlocks(all, everything);
  const headerReads = -(files.readCount - (part.findBlocks(all, everything), files.readCount));
  const before = files.readCount;
  assert.deepEqual(valuesOf(part, kernel, all), expected);
  assert.equal(files.readCount - before, headerReads, "only headers were read");
});

test("frames: what is damaged is not kept", () => {
  const files = diskWithPart();
  const kernel = new Kernel();
  using part = Part.open(files, "/data/part", { frames: new FrameCache(64 << 20) });
  const all = Uint32Array.from({ length: 2000 }, (_, i) => i);
  const flip = (): void => {
    const file = files.open(`/data/part/${partFiles.blocks}`, "append");
    const byte = new Uint8Array(1);
    file.read(byte, 100);
    file.write(Uint8Array.of(byte[0] ^ 4), 100);
    file.close();
  };
  flip();
  for (let i = 0; i < 2; i++) assert.throws(() => valuesOf(part, kernel, all), DamagedBlocksError);
  flip();
  using plain = Part.open(files, "/data/part");
  assert.deepEqual(valuesOf(part, kernel, all), valuesOf(plain, kernel, all));
});
