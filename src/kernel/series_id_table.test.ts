// The table of series ids equals a Map, for ids that lie together and far apart.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import { Kernel } from "./kernel.ts";
import { SeriesIdTable } from "./series_id_table.ts";

const idsMax = [1, 4095, 4096, 1_000_000, 2 ** 32 - 1];

for (const idMax of idsMax) {
  test(`series ids up to ${idMax}`, () => {
    const random = seededRandom(testSeed());
    const kernel = new Kernel();
    let allocatedBytes = 0;
    const table = new SeriesIdTable(kernel, idMax, (sizeBytes) => {
      allocatedBytes += sizeBytes;
      return kernel.allocate(sizeBytes);
    });
    const expected = new Map<number, number>([[1, 7], [idMax, 2 ** 31]]);
    for (let i = 0; i < 500; i++) {
      const near = 1 + Math.floor(random.next() * Math.min(idMax, 10_000));
      expected.set(i % 10 === 0 ? 1 + Math.floor(random.next() * idMax) : near, i);
    }
    table.makeRoom(Uint32Array.of(1, idMax, Math.min(idMax + 1, 2 ** 32 - 1)));
    for (const [seriesId, seriesIndex] of expected) table.set(seriesId, seriesIndex);
    for (const [seriesId, seriesIndex] of expected) assert.equal(table.get(seriesId), seriesIndex);
    for (let i = 0; i < 500; i++) {
      const seriesId = 1 + Math.floor(random.next() * idMax);
      assert.equal(table.get(seriesId), expected.get(seriesId) ?? -1);
    }
    assert.equal(table.get(idMax + 1), -1);
    const visited: [number, number][] = [];
    table.visit((seriesId, seriesIndex) => visited.push([seriesId, seriesIndex]));
    assert.deepEqual(visited, [...expected].sort(([left], [right]) => left - right));
    assert.ok(allocatedBytes < 6 << 20, `${allocatedBytes} bytes`);
  });
}
