// Shows that a file that is read through windows has the same bytes as without, whatever is asked for, and that the disk is asked less often.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { FileHandle } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { readFully } from "./part_frames.ts";
import { ReadAheadFile } from "./read_ahead_file.ts";

const fileBytes = 300_000;

function openFile(): { file: FileHandle; bytes: Uint8Array } {
  const files = new MemoryFileSystem();
  const random = seededRandom(testSeed());
  const bytes = Uint8Array.from({ length: fileBytes }, () => random.int(256));
  const file = files.open("/file", "create");
  file.write(bytes, 0);
  return { file, bytes };
}

test("read ahead: pieces from anywhere, across windows and across the end of the file", () => {
  const random = seededRandom(testSeed());
  const { file, bytes } = openFile();
  using ahead = new ReadAheadFile(file);
  assert.equal(ahead.size(), fileBytes);
  for (let round = 0; round < 2000; round++) {
    const position = random.int(fileBytes + 100);
    const target = new Uint8Array(1 + random.int(round % 50 === 0 ? 150_000 : 5000));
    const isRead = readFully(ahead, target, position);
    assert.equal(isRead, position + target.length <= fileBytes);
    if (isRead) assert.ok(Buffer.compare(target, bytes.subarray(position, position + target.length)) === 0, `${target.length} bytes at ${position}`);
  }
});

test("read ahead: three streams of pieces take one read for each window", () => {
  const { file } = openFile();
  let reads = 0;
  const counting = Object.assign(Object.create(file) as FileHandle, {
    read: (target: Uint8Array, position: number) => {
      reads++;
      return file.read(target, position);
    },
  });
  const ahead = new ReadAheadFile(counting);
  const target = new Uint8Array(1000);
  for (let position = 0; position < 90_000; position += 1000) for (const from of [0, 100_000, 200_000]) assert.ok(readFully(ahead, target, from + position));
  assert.ok(reads <= 12, `${reads} reads`);
  file.close();
});

test("read ahead: what is written is read", () => {
  const { file } = openFile();
  using ahead = new ReadAheadFile(file);
  const target = new Uint8Array(3);
  ahead.read(target, 10);
  ahead.write(Uint8Array.of(1, 2, 3), 10);
  ahead.read(target, 10);
  assert.deepEqual([...target], [1, 2, 3]);
  ahead.truncate(11);
  assert.equal(ahead.read(target, 10), 1);
  assert.equal(ahead.read(target, 11), 0);
});
