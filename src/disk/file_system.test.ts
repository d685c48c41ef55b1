// One behaviour for all disks: the real one (in a temporary directory), the one in memory and the fault injector without faults.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FaultyFileSystem } from "./faulty_file_system.ts";
import { fileErrorCode } from "./file_error.ts";
import { makeDirectoryDurable, parentPath, readFile, writeFileAtomic } from "./file_system.ts";
import type { FileSystem } from "./file_system.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { RealFileSystem } from "./real_file_system.ts";

const disks: { name: string; open: () => { files: FileSystem; root: string } & Disposable }[] = [
  { name: "memory", open: () => inMemory(new MemoryFileSystem()) },
  { name: "faulty", open: () => inMemory(new FaultyFileSystem(new MemoryFileSystem())) },
  {
    name: "real",
    open: () => {
      const root = mkdtempSync(join(tmpdir(), "tidemark-disk-"));
      return { files: new RealFileSystem(), root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
    },
  },
];

function inMemory(files: FileSystem): { files: FileSystem; root: string } & Disposable {
  files.makeDirectory("/data");
  return { files, root: "/data", [Symbol.dispose]() {} };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function put(files: FileSystem, path: string, text: string): void {
  using file = files.open(path, "create");
  file.write(bytesOf(text), 0);
}

const get = (files: FileSystem, path: string): string => textOf(readFile(files, path));

function assertCode(code: string, action: () => unknown): void {
  assert.throws(action, (error) => {
    assert.equal(fileErrorCode(error), code);
    return true;
  });
}

const behaviours: { name: string; check: (files: FileSystem, root: string) => void }[] = [
  {
    name: "create, write, read, size",
    check(files, root) {
      using file = files.open(root + "/a", "create");
      assert.equal(file.size(), 0);
      file.write(bytesOf("hello world"), 0);
      file.write(bytesOf("W"), 6);
      file.sync();
      assert.equal(file.size(), 11);
      assert.equal(files.size(root + "/a"), 11);
      const target = new Uint8Array(20);
      assert.equal(file.read(target, 6), 5);
      assert.equal(textOf(target.subarray(0, 5)), "World");
      assert.equal(file.read(target, 11), 0);
      assert.equal(file.read(target, 100), 0);
    },
  },
  {
    name: "a write past the end leaves zeros",
    check(files, root) {
      using file = files.open(root + "/a", "create");
      file.write(bytesOf("x"), 3);
      assert.deepEqual([...readFile(files, root + "/a")], [0, 0, 0, 120]);
    },
  },
  {
    name: "truncate cuts and extends with zeros",
    check(files, root) {
      using file = files.open(root + "/a", "create");
      file.write(bytesOf("abcdef"), 0);
      file.truncate(2);
      file.truncate(4);
      assert.deepEqual([...readFile(files, root + "/a")], [97, 98, 0, 0]);
    },
  },
  {
    name: "open modes",
    check(files, root) {
      const path = root + "/a";
      assertCode("ENOENT", () => files.open(path, "read"));
      put(files, path, "old");
      assertCode("EEXIST", () => files.open(path, "exclusive"));
      using appended = files.open(path, "append");
      appended.write(bytesOf("er"), appended.size());
      assert.equal(get(files, path), "older");
      using readOnly = files.open(path, "read");
      assertCode("EBADF", () => readOnly.write(bytesOf("x"), 0));
      using truncated = files.open(path, "create");
      assert.equal(truncated.size(), 0);
      using fresh = files.open(path + "2", "exclusive");
      assert.equal(fresh.size(), 0);
      assertCode("ENOENT", () => files.open(root + "/none/a", "create"));
      assertCode("EISDIR", () => files.open(root, "read"));
      assertCode("ENOTDIR", () => files.open(path + "/b", "create"));
    },
  },
  {
    name: "closing twice is fine, use after it is not",
    check(files, root) {
      const file = files.open(root + "/a", "create");
      file.close();
      file.close();
      assertCode("EBADF", () => file.write(bytesOf("x"), 0));
      assertCode("EBADF", () => file.read(new Uint8Array(1), 0));
      assertCode("EBADF", () => file.sync());
    },
  },
  {
    name: "directories",
    check(files, root) {
      files.makeDirectory(root + "/b/c");
      files.makeDirectory(root + "/b/c");
      put(files, root + "/z", "");
      put(files, root + "/a", "");
      assert.deepEqual(files.list(root), ["a", "b", "z"]);
      assert.equal(files.isDirectory(root + "/b/c"), true);
      assert.equal(files.isDirectory(root + "/a"), false);
      assert.equal(files.isDirectory(root + "/none"), false);
      assertCode("ENOENT", () => files.list(root + "/none"));
      assertCode("ENOTDIR", () => files.list(root + "/a"));
      assertCode("EEXIST", () => files.makeDirectory(root + "/a"));
      assertCode("ENOTDIR", () => files.makeDirectory(root + "/a/b"));
      files.syncDirectory(root);
      assertCode("ENOENT", () => files.syncDirectory(root + "/none"));
      makeDirectoryDurable(files, root + "/d/e/f");
      assert.equal(files.isDirectory(root + "/d/e/f"), true);
    },
  },
  {
    name: "rename",
    check(files, root) {
      put(files, root + "/a", "A");
      put(files, root + "/b", "B");
      files.rename(root + "/a", root + "/b");
      assert.equal(get(files, root + "/b"), "A");
      assert.equal(files.exists(root + "/a"), false);
      assertCode("ENOENT", () => files.rename(root + "/a", root + "/c"));
      files.makeDirectory(root + "/d/e");
      files.rename(root + "/b", root + "/d/e/b");
      files.rename(root + "/d", root + "/f");
      assert.equal(get(files, root + "/f/e/b"), "A");
      put(files, root + "/g", "G");
      assertCode("EISDIR", () => files.rename(root + "/g", root + "/f"));
      assertCode("ENOTDIR", () => files.rename(root + "/f", root + "/g"));
      files.makeDirectory(root + "/h");
      assertCode("ENOTEMPTY", () => files.rename(root + "/h", root + "/f"));
      assertCode("EINVAL", () => files.rename(root + "/f", root + "/f/e/x"));
    },
  },
  {
    name: "remove",
    check(files, root) {
      put(files, root + "/a", "A");
      using open = files.open(root + "/a", "read");
      files.remove(root + "/a");
      assert.equal(files.exists(root + "/a"), false);
      assert.equal(open.size(), 1, "an open file outlives its name");
      assertCode("ENOENT", () => files.remove(root + "/a"));
      files.makeDirectory(root + "/b/c");
      put(files, root + "/b/c/d", "D");
      files.removeTree(root + "/b");
      files.removeTree(root + "/b");
      assert.deepEqual(files.list(root), []);
    },
  },
  {
    name: "hard links",
    check(files, root) {
      put(files, root + "/a", "A");
      files.hardLink(root + "/a", root + "/b");
      files.remove(root + "/a");
      assert.equal(get(files, root + "/b"), "A");
      put(files, root + "/c", "C");
      assertCode("EEXIST", () => files.hardLink(root + "/c", root + "/b"));
      assertCode("ENOENT", () => files.hardLink(root + "/none", root + "/d"));
    },
  },
  {
    name: "renaming one name of a file onto another changes nothing",
    check(files, root) {
      put(files, root + "/a", "A");
      files.hardLink(root + "/a", root + "/b");
      files.rename(root + "/a", root + "/b");
      assert.deepEqual(files.list(root), ["a", "b"]);
    },
  },
  {
    name: "writeFileAtomic replaces",
    check(files, root) {
      writeFileAtomic(files, root + "/a", bytesOf("one"));
      writeFileAtomic(files, root + "/a", bytesOf("two"));
      assert.equal(get(files, root + "/a"), "two");
      assert.deepEqual(files.list(root), ["a"]);
    },
  },
  {
    name: "buffers in shared memory",
    check(files, root) {
      const shared = new Uint8Array(new SharedArrayBuffer(64));
      shared.set(bytesOf("shared"), 8);
      using file = files.open(root + "/a", "create");
      file.write(shared.subarray(8, 14), 0);
      assert.equal(file.read(shared.subarray(32, 64), 0), 6);
      assert.equal(textOf(shared.slice(32, 38)), "shared");
      shared[8] = 0;
      assert.equal(get(files, root + "/a"), "shared");
    },
  },
  {
    name: "space",
    check(files, root) {
      const { freeBytes, totalBytes } = files.space(root);
      assert.ok(freeBytes > 0 && totalBytes >= freeBytes);
    },
  },
];

for (const disk of disks) {
  for (const behaviour of behaviours) {
    test(`${disk.name}: ${behaviour.name}`, () => {
      using place = disk.open();
      behaviour.check(place.files, place.root);
    });
  }
}

for (const disk of disks) {
  test(`${disk.name}: a sync on another thread bears that the file is written to, closed, and another one opened meanwhile`, async () => {
    using place = disk.open();
    const { files, root } = place;
    for (let round = 0; round < 20; round++) {
      const file = files.open(`${root}/a`, "create");
      file.write(bytesOf("first"), 0);
      const syncs = [file.startSync(), file.startSync()];
      file.write(bytesOf(" second"), 5);
      file.close();
      using other = files.open(`${root}/b`, "create");
      other.write(bytesOf("other"), 0);
      await Promise.all(syncs);
      assert.equal(get(files, `${root}/a`), "first second");
      other.sync();
      assertCode("EBADF", () => file.startSync());
    }
  });

  test(`${disk.name}: a directory is synced on another thread, and an error comes from there, too`, async () => {
    using place = disk.open();
    const { files, root } = place;
    put(files, `${root}/file`, "x");
    await files.startSyncDirectory(root);
    assert.deepEqual(files.list(root), ["file"]);
    await assert.rejects(async () => files.startSyncDirectory(`${root}/missing`), { code: "ENOENT" });
  });

  test(`${disk.name}: a sync on another thread and one on this one at a time`, async () => {
    using place = disk.open();
    using file = place.files.open(`${place.root}/a`, "create");
    for (let round = 0; round < 10; round++) {
      file.write(bytesOf("first"), round * 5);
      const syncing = file.startSync();
      file.sync();
      await syncing;
    }
    assert.equal(get(place.files, `${place.root}/a`), "first".repeat(10));
  });

  test(`${disk.name}: a tree is removed on another thread, and may be missing`, async () => {
    using place = disk.open();
    const { files, root } = place;
    makeDirectoryDurable(files, `${root}/tree/deeper`);
    put(files, `${root}/tree/deeper/file`, "x");
    await files.startRemoveTree(`${root}/tree`);
    await files.startRemoveTree(`${root}/tree`);
    assert.deepEqual(files.list(root), []);
  });
}

const parents = [
  { path: "/a/b", parent: "/a" },
  { path: "/a", parent: "/" },
  { path: "/", parent: "/" },
  { path: "a/b", parent: "a" },
  { path: "a", parent: "." },
];
for (const row of parents) test(`parent of ${row.path}`, () => assert.equal(parentPath(row.path), row.parent));
