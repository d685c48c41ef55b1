// Shows that a part whose headers are kept decoded finds the same blocks as one that decodes them each time, and that what is kept stays below its budget and
// goes with its part.
import assert from "node:assert/strict";
import test from "node:test";
import { runOf, randomSeries } from "../../testkit/column_runs.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { type BlockList, BlockListBuilder, copyBlockList, ownedBytesOf } from "./block_list.ts";
import { HeaderCache } from "./header_cache.ts";
import { Part } from "./part.ts";
import { PartWriter } from "./part_writer.ts";

const seed = testSeed();

function rowsOf(list: BlockList): unknown[] {
  const { aggregates, ...columns } = list;
  const names = ["seriesIds", "kinds", "sampleCounts", "minMs", "maxMs", "valuesFrames", "valuesFrameSizes", "valuesOffsets", "valuesSizes", "timestampsFrames", "timestampsFrameSizes",
    "timestampsOffsets", "timestampsSizes"] as const;
  return Array.from({ length: list.count }, (_, i) => [
    ...names.map((name) => columns[name][i]),
    list.aggregateRows[i] < 0 ? undefined : Object.values(aggregates).map((column) => column[list.aggregateRows[i]]),
  ]);
}

function diskWithPart(seriesCount: number, samplesMax: number): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.makeDirectory("/data");
  const writer = PartWriter.create(files, "/data/part", new Kernel());
  writer.append(runOf(randomSeries(seriesCount, samplesMax, seededRandom(seed))));
  writer.finish();
  return files;
}

test("headers: kept ones answer as decoded ones do, whatever the budget", () => {
  const random = seededRandom(seed);
  const files = diskWithPart(1500, 1500);
  using plain = Part.open(files, "/data/part");
  for (const budgetBytes of [0, 30_000, 1 << 24]) {
    const headers = new HeaderCache(budgetBytes);
    using part = Part.open(files, "/data/part", { headers });
    for (let round = 0; round < 40; round++) {
      const ids = new Set(Array.from({ length: 1 + random.int(60) }, () => random.int(3000)));
      const seriesIds = Uint32Array.from(ids).sort();
      const minMs = 1_700_000_000_000 + random.int(20_000_000);
      const range = round % 4 === 0 ? { minMs: -8.64e15, maxMs: 8.64e15 } : { minMs, maxMs: minMs + random.int(5_000_000) };
      assert.deepEqual(rowsOf(part.findBlocks(seriesIds, range)), rowsOf(plain.findBlocks(seriesIds, range)), `seed ${seed}, round ${round}`);
      assert.ok(headers.sizeBytes <= Math.max(budgetBytes, 40_000), `${headers.sizeBytes} bytes`);
    }
  }
});

test("headers: the least recently used go first, and all of a part with it", () => {
  const builder = new BlockListBuilder(10);
  const list = (): BlockList => Object.assign(builder, { count: 10 });
  const size = ownedBytesOf(copyBlockList(list()));
  const headers = new HeaderCache(size * 2);
  const [first, second] = [headers.addPart(), headers.addPart()];
  headers.add(first, list());
  headers.add(first + 1, list());
  assert.notEqual(headers.get(first), undefined);
  headers.add(second, list());
  assert.deepEqual([headers.get(first)?.count, headers.get(first + 1)?.count, headers.get(second)?.count], [10, undefined, 10]);
  headers.dropPart(first);
  assert.deepEqual([headers.get(first)?.count, headers.get(second)?.count, headers.sizeBytes], [undefined, 10, size]);
});
