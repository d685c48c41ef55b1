// What survives a crash of the disk in memory, and what the fault injector does to its disk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { FaultyFileSystem, failFrom } from "./faulty_file_system.ts";
import { FileError, fileErrorCode, storageErrorOf } from "./file_error.ts";
import { readFile, writeFileAtomic } from "./file_system.ts";
import type { FileSystem } from "./file_system.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function get(files: FileSystem, path: string): string | undefined {
  return files.exists(path) ? new TextDecoder().decode(readFile(files, path)) : undefined;
}

/** The distinct states that 200 crashes leave, as seen by `look`. */
function crashStates(files: MemoryFileSystem, look: (files: MemoryFileSystem) => string | undefined): Set<string | undefined> {
  const states = new Set<string | undefined>();
  for (let seed = 0; seed < 200; seed++) states.add(look(files.crashClone(seededRandom(seed))));
  return states;
}

const crashes: {
  name: string;
  prepare: (files: MemoryFileSystem) => void;
  look: (files: MemoryFileSystem) => string | undefined;
  expected: (string | undefined)[];
}[] = [
  {
    name: "a synced file without a synced name may be gone",
    prepare: (files) => put(files, "/a", "A", true),
    look: (files) => get(files, "/a"),
    expected: [undefined, "A"],
  },
  {
    name: "a synced name without synced bytes may be empty or torn",
    prepare(files) {
      put(files, "/a", "AB", false);
      files.syncDirectory("/");
    },
    look: (files) => get(files, "/a"),
    expected: ["", "A", "AB", "\0\0"],
  },
  {
    name: "both synced stays",
    prepare(files) {
      put(files, "/a", "AB", true);
      files.syncDirectory("/");
    },
    look: (files) => get(files, "/a"),
    expected: ["AB"],
  },
  {
    name: "bytes after the sync come wholly, torn or not at all",
    prepare(files) {
      using file = files.open("/a", "create");
      file.write(bytesOf("AB"), 0);
      file.sync();
      files.syncDirectory("/");
      file.write(bytesOf("CD"), 2);
    },
    look: (files) => get(files, "/a"),
    expected: ["AB", "ABC", "ABCD", "AB\0\0"],
  },
  {
    name: "names survive in their order",
    prepare(files) {
      for (const name of ["a", "b", "c"]) put(files, "/" + name, "", true);
    },
    look: (files) => files.list("/").join(""),
    expected: ["", "a", "ab", "abc"],
  },
  {
    name: "a rename between directories is atomic",
    prepare(files) {
      files.makeDirectory("/x");
      files.makeDirectory("/y");
      put(files, "/x/a", "A", true);
      for (const path of ["/", "/x", "/y"]) files.syncDirectory(path);
      files.rename("/x/a", "/y/a");
    },
    look: (files) => files.list("/x").join("") + "|" + files.list("/y").join(""),
    expected: ["a|", "|a"],
  },
  {
    name: "syncing the target of a rename makes its source durable too",
    prepare(files) {
      files.makeDirectory("/x");
      files.makeDirectory("/y");
      files.syncDirectory("/");
      put(files, "/x/a", "A", true);
      files.rename("/x/a", "/y/a");
      files.syncDirectory("/y");
    },
    look: (files) => files.list("/x").join("") + "|" + files.list("/y").join(""),
    expected: ["|a"],
  },
  {
    name: "a removal that was not synced may be undone",
    prepare(files) {
      put(files, "/a", "A", true);
      files.syncDirectory("/");
      files.remove("/a");
    },
    look: (files) => get(files, "/a"),
    expected: [undefined, "A"],
  },
  {
    name: "writeFileAtomic is old or new, then new",
    prepare(files) {
      writeFileAtomic(files, "/a", bytesOf("old"));
      writeFileAtomic(files, "/a", bytesOf("new"));
    },
    look: (files) => get(files, "/a"),
    expected: ["new"],
  },
  {
    name: "a truncation that was not synced may be undone",
    prepare(files) {
      put(files, "/a", "AB", true);
      files.syncDirectory("/");
      using file = files.open("/a", "append");
      file.truncate(1);
    },
    look: (files) => get(files, "/a"),
    expected: ["A", "AB"],
  },
];

function put(files: FileSystem, path: string, text: string, sync: boolean): void {
  using file = files.open(path, "create");
  file.write(bytesOf(text), 0);
  if (sync) file.sync();
}

for (const row of crashes) {
  test(`crash: ${row.name}`, () => {
    const files = new MemoryFileSystem();
    row.prepare(files);
    assert.deepEqual([...crashStates(files, row.look)].toSorted(), row.expected.toSorted());
  });
}

test("crash: sectors of one write reach the disk in any order", () => {
  const files = new MemoryFileSystem();
  using file = files.open("/a", "create");
  files.syncDirectory("/");
  file.write(new Uint8Array(1024).fill(1), 0);
  const states = crashStates(files, (clone) => {
    const bytes = readFile(clone, "/a");
    return bytes.length === 1024 && bytes[0] === 0 && bytes[1023] === 1 ? "second only" : "other";
  });
  assert.ok(states.has("second only"));
});

test("crash: writeFileAtomic cut anywhere leaves the old or the new content", () => {
  for (let stop = 0; stop < 6; stop++) {
    const disk = new MemoryFileSystem();
    writeFileAtomic(disk, "/a", bytesOf("old"));
    const faulty = new FaultyFileSystem(disk, failFrom(stop, { code: "EIO" }, Infinity));
    try {
      writeFileAtomic(faulty, "/a", bytesOf("new"));
    } catch (error) {
      assert.equal(fileErrorCode(error), "EIO");
    }
    const states = crashStates(disk, (clone) => get(clone, "/a"));
    assert.ok([...states].every((state) => state === "old" || state === "new"), `stop ${stop}: ${[...states]}`);
  }
});

test("crash: the original disk and its clone are apart", () => {
  const files = new MemoryFileSystem();
  put(files, "/a", "A", true);
  files.syncDirectory("/");
  const clone = files.crashClone(seededRandom(1));
  put(clone, "/a", "changed", true);
  assert.equal(get(files, "/a"), "A");
  assert.equal(get(clone, "/a"), "changed");
});

test("killClone keeps what was written and still forgets it in a crash", () => {
  const files = new MemoryFileSystem();
  files.makeDirectory("/d");
  put(files, "/d/a", "AB", false);
  files.hardLink("/d/a", "/d/b");
  const clone = files.killClone();
  assert.equal(get(clone, "/d/a"), "AB");
  put(clone, "/d/a", "XY", false);
  assert.equal(get(clone, "/d/b"), "XY", "links stay links");
  assert.equal(get(files, "/d/a"), "AB");
  assert.ok(crashStates(clone, (crashed) => get(crashed, "/d/a")).has(undefined));
});

test("a full disk keeps the part that fits and recovers", () => {
  const files = new MemoryFileSystem({ capacityBytes: 10 });
  using file = files.open("/a", "create");
  file.write(bytesOf("12345678"), 0);
  assert.throws(() => file.write(bytesOf("9abcd"), 8), { code: "ENOSPC" });
  assert.equal(get(files, "/a"), "123456789a");
  assert.deepEqual(files.space("/"), { freeBytes: 0, totalBytes: 10 });
  file.write(bytesOf("x"), 0);
  files.capacityBytes = 20;
  file.write(bytesOf("9abcd"), 8);
  assert.equal(get(files, "/a"), "x23456789abcd");
});

test("a failed write keeps the given number of bytes", () => {
  const disk = new MemoryFileSystem();
  const files = new FaultyFileSystem(disk, (operation) => (operation.kind === "write" ? { code: "ENOSPC", keptBytes: 2 } : undefined));
  using file = files.open("/a", "create");
  assert.throws(() => file.write(bytesOf("abc"), 0), { code: "ENOSPC" });
  assert.equal(get(disk, "/a"), "ab");
});

test("a failed sync loses the bytes for good although they can be read", () => {
  const disk = new MemoryFileSystem();
  const files = new FaultyFileSystem(disk);
  using file = files.open("/a", "create");
  files.syncDirectory("/");
  file.write(bytesOf("ab"), 0);
  files.plan = failFrom(files.operationCount, { code: "EIO" });
  assert.throws(() => file.sync(), { code: "EIO" });
  file.sync();
  assert.equal(get(files, "/a"), "ab");
  assert.deepEqual([...crashStates(disk, (clone) => get(clone, "/a"))], [""]);
});

test("a sync on another thread makes durable what was written when it began, once it is done", async () => {
  const pending: (() => void)[] = [];
  const files = new MemoryFileSystem({ later: (callback) => pending.push(callback) });
  using file = files.open("/a", "create");
  files.syncDirectory("/");
  file.write(bytesOf("ab"), 0);
  const syncing = file.startSync();
  file.write(bytesOf("cd"), 2);
  assert.ok(crashStates(files, (clone) => get(clone, "/a")).has(""), "it is not done");
  pending[0]();
  await syncing;
  const states = crashStates(files, (clone) => get(clone, "/a"));
  assert.ok(states.has("ab") && states.has("abcd") && !states.has(""), [...states].join());
});

test("a sync on another thread that fails loses the bytes, and the next sync on this one tells, too", async () => {
  const pending: (() => void)[] = [];
  const disk = new MemoryFileSystem({ later: (callback) => pending.push(callback) });
  const files = new FaultyFileSystem(disk);
  using file = files.open("/a", "create");
  files.syncDirectory("/");
  file.write(bytesOf("ab"), 0);
  files.plan = failFrom(files.operationCount, { code: "EIO" });
  const syncing = file.startSync();
  assert.throws(() => file.sync(), { code: "EIO" });
  file.sync();
  pending[0]();
  await assert.rejects(syncing!, { code: "EIO" });
  assert.deepEqual([...crashStates(disk, (clone) => get(clone, "/a"))], [""]);
});

test("each operation can fail once, and its number tells which", () => {
  const work = (files: FileSystem): void => {
    files.makeDirectory("/d");
    writeFileAtomic(files, "/d/a", bytesOf("x"));
    files.hardLink("/d/a", "/d/b");
    files.list("/d");
    files.size("/d/a");
    files.space("/");
    readFile(files, "/d/a");
    files.remove("/d/b");
    files.removeTree("/d");
  };
  const seen: string[] = [];
  const counting = new FaultyFileSystem(new MemoryFileSystem());
  counting.beforeOperation = (operation) => seen.push(operation.kind);
  work(counting);
  assert.equal(
    seen.join(" "),
    "makeDirectory open write sync rename syncDirectory hardLink list size space open read remove removeTree",
  );
  for (let index = 0; index < seen.length; index++) {
    const files = new FaultyFileSystem(new MemoryFileSystem(), failFrom(index, { code: "EIO" }));
    assert.throws(() => work(files), { code: "EIO", syscall: seen[index] });
    assert.equal(files.operationCount, index + 1);
  }
});

test("corrupt flips bits in place", () => {
  const files = new MemoryFileSystem();
  put(files, "/a", "A", true);
  files.corrupt("/a", 0, 1);
  assert.equal(get(files, "/a"), "@");
});

const storageErrors = [
  { name: "full", code: "ENOSPC", expected: "disk_full" },
  { name: "quota", code: "EDQUOT", expected: "disk_full" },
  { name: "broken", code: "EIO", expected: "disk_error" },
];
for (const row of storageErrors) {
  test(`storage error of a disk error: ${row.name}`, () => {
    const error = storageErrorOf(new FileError(row.code, "write", "/a"), "cannot write the log");
    assert.equal(error.code, row.expected);
    assert.match(error.message, /^cannot write the log: E/);
  });
}

test("errors that are not the disk's are thrown again", () => {
  const bug = new TypeError("bug");
  assert.throws(() => storageErrorOf(bug, "x"), bug);
});
