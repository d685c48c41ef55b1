// Shows that areas never overlap, keep what is written to them while others come and go, and that freed memory is used again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { testSeed } from "../../testkit/seed.ts";
import { AreaAllocator } from "./area_allocator.ts";

test("areas keep their contents, and freed ones are used again", () => {
  const random = seededRandom(testSeed());
  const kernel = new Kernel();
  const areas = new AreaAllocator(kernel);
  const live: { pointer: number; size: number; mark: number }[] = [];
  for (let step = 0; step < 5000; step++) {
    if (live.length < 50 && random.int(2) === 0) {
      const size = random.int(20) === 0 ? random.int(300_000) : random.int(5000);
      const pointer = areas.allocate(size);
      assert.equal(pointer % 64, 0);
      const mark = random.int(256);
      kernel.u8.fill(mark, pointer, pointer + size);
      live.push({ pointer, size, mark });
    } else if (live.length > 0) {
      const [{ pointer, size, mark }] = live.splice(random.int(live.length), 1);
      assert.ok(kernel.u8.subarray(pointer, pointer + size).every((byte) => byte === mark));
      areas.free(pointer);
    }
  }
  const sizeBytes = kernel.sizeBytes;
  assert.ok(sizeBytes < 12 << 20, `${sizeBytes} bytes`);
  for (const { pointer } of live) areas.free(pointer);
  assert.equal(areas.usedBytes, 0);
  areas.free(areas.allocate(sizeBytes / 3));
  assert.equal(kernel.sizeBytes, sizeBytes, "what was freed is one area again");
  assert.throws(() => areas.free(64));
});
