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
    readMs = 0.4;
    files.startQuery();
    for (const page of [2, 3]) assert.deepEqual(read(old, page * 4096, 10), bytes.slice(page * 4096, page * 4096 + 10));
    assert.throws(() => read(old, 4 * 4096, 10), { reason: "cold" }, "enough for one query");
    assert.deepEqual(read(old, 4 * 4096, 10), bytes.slice(4 * 4096, 4 * 4096 + 10), "now it is there");
    files.startQuery();
    assert.deepEqual(read(old, 5 * 4096, 10), bytes.slice(5 * 4096, 5 * 4096 + 10));
    readMs = 10;
    files.startQuery();
    read(old, 6 * 4096, 10);
    files.startQuery();
    assert.throws(() => read(old, 7 * 4096, 4097), { reason: "cold" }, "the disk is slow");
    assert.deepEqual(read(old, 8 * 4096, 10), bytes.slice(8 * 4096, 8 * 4096 + 10));
    assert.throws(() => read(old, 199_990, 4000), { reason: "cold" });
    assert.deepEqual(read(old, 199_990, 4000), bytes.slice(199_990), "beyond the end");
    rmSync(old);
    files.forgetRemoved();
    writeFileSync(old, bytes);
    assert.throws(() => read(old, 8 * 4096, 10), { reason: "cold" }, "another file of that name");
    nowMs += 60_000;
    readMs = 0.01;
    for (let page = 10; page < 30; page++) {
      files.startQuery();
      try {
        read(old, page * 4096, 10);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, "cold");
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
