// Shows that pages of old files are read on a fast disk, a few in each query, and refused on a slow one, to the first who asks for them and not to the second;
// files that this process wrote are read at once.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { WarmFiles } from "./warm_files.ts";

test("warm files: what may be slow is read when it was asked for before", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-warm-"));
  try {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
    const [old, young] = [join(directory, "old"), join(directory, "young")];
    for (const path of [old, young]) writeFileSync(path, bytes);
    let nowMs = 0;
    let readMs = 0.01;
    const files = new WarmFiles((path) => path === young, () => (nowMs += readMs));
    const read = (path: string, position: number, size: number): Uint8Array => {
      using file = files.open(path, "read");
      const target = new Uint8Array(size);
      return target.subarray(0, file.read(target, position));
    };
    assert.deepEqual(read(young, 5, 10), bytes.slice(5, 15));
    assert.deepEqual(read(old, 5000, 10), bytes.slice(5000, 5010), "cold, but as far as is known the disk is fast");
    const page = (number: number): Uint8Array => read(old, number * 4096, 10);
    const pageBytes = (number: number): Uint8Array => bytes.slice(number * 4096, number * 4096 + 10);
    readMs = 4;
    files.startQuery();
    assert.deepEqual(page(2), pageBytes(2), "one slow read");
    assert.deepEqual(page(3), pageBytes(3));
    assert.throws(() => page(4), { reason: "cold" }, "enough for one query");
    assert.deepEqual(page(4), pageBytes(4), "now it is there");
    readMs = 10;
    for (const number of [5, 6]) {
      files.startQuery();
      try {
        page(number);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, "cold");
      }
    }
    files.startQuery();
    assert.throws(() => read(old, 7 * 4096, 4097), { reason: "cold" }, "the disk is slow");
    assert.deepEqual(page(8), pageBytes(8));
    assert.throws(() => read(old, 199_990, 4000), { reason: "cold" });
    assert.deepEqual(read(old, 199_990, 4000), bytes.slice(199_990), "beyond the end");
    rmSync(old);
    files.forgetRemoved();
    writeFileSync(old, bytes);
    assert.throws(() => page(8), { reason: "cold" }, "another file of that name");
    readMs = 0.01;
    for (let number = 10; number < 40; number++) {
      nowMs += 30_000;
      files.startQuery();
      assert.deepEqual(page(number), pageBytes(number), "tried now and then");
    }
    files.startQuery();
    for (let number = 40; number < 45; number++) assert.deepEqual(page(number), pageBytes(number), "fast again");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
