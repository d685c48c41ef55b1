/** The estimate of free space: counted down between two looks at the disk, never below nothing, and what the minimum makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { DiskSpace } from "./disk_space.ts";

const betweenLooksMs = 10;

const rows = [
  { name: "more written than was free, no minimum: the disk itself decides", capacityBytes: 1000, minFreeBytes: 0, takenBytes: 2184, freeBytes: 0, isShort: false },
  { name: "everything written, no minimum", capacityBytes: 1000, minFreeBytes: 0, takenBytes: 1000, freeBytes: 0, isShort: false },
  { name: "more written than was free, a minimum", capacityBytes: 1000, minFreeBytes: 1, takenBytes: 2184, freeBytes: 0, isShort: true },
  { name: "written down to the minimum", capacityBytes: 1000, minFreeBytes: 400, takenBytes: 600, freeBytes: 400, isShort: false },
  { name: "written below the minimum", capacityBytes: 1000, minFreeBytes: 400, takenBytes: 601, freeBytes: 399, isShort: true },
];

for (const { name, capacityBytes, minFreeBytes, takenBytes, freeBytes, isShort } of rows) {
  test(`disk space: ${name}`, () => {
    const clock = new SimulatedClock(0);
    const space = new DiskSpace(new MemoryFileSystem({ capacityBytes }), "/", minFreeBytes, clock, silentLogger);
    assert.equal(space.freeBytes, capacityBytes);
    clock.advance(betweenLooksMs);
    space.take(takenBytes);
    assert.equal(space.freeBytes, freeBytes);
    assert.equal(space.shortage !== "", isShort, space.shortage);
    assert.doesNotMatch(space.shortage, /-\d+ bytes/);
    clock.advance(1000);
    assert.equal(space.freeBytes, capacityBytes, "the disk is asked again");
    assert.equal(space.shortage, "");
  });
}
