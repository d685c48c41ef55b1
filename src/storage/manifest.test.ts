// The manifest: old or new after a crash or failure at any operation, the previous copy when the newer is damaged, and nothing
// removed that a damaged copy may have named.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StorageError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { FaultyFileSystem } from "../disk/faulty_file_system.ts";
import { FileError } from "../disk/file_error.ts";
import { makeDirectoryDurable, parentPath, readFile } from "../disk/file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { failEachOperation, simulateCrashes } from "../../testkit/crash_simulation.ts";
import { openManifest } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import { moveToQuarantine } from "./manifest_orphans.ts";
import { decodeManifest, encodeManifest } from "./manifest_state.ts";
import type { ManifestState } from "./manifest_state.ts";
import { testSeed } from "../../testkit/seed.ts";

const options = {
  randomBytes: (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => 0xa0 + i),
  shardCount: 2,
  formats: { log: { min: 1, current: 1 }, part: { min: 2, current: 3 } },
};
const open = (files: FileSystem, directory = "/data"): Manifest => openManifest(files, directory, options);

function put(files: FileSystem, path: string, bytes: Uint8Array): void {
  makeDirectoryDurable(files, parentPath(path));
  using file = files.open(path, "create");
  file.write(bytes, 0);
  file.sync();
  files.syncDirectory(parentPath(path));
}

/** The state with one more part in a partition. */
function withPart(state: ManifestState, name = "2026_01"): ManifestState {
  const id = state.nextPartId;
  const part = { id, files: [`parts/${id}/blocks`, `parts/${id}/rows`], seriesCount: 3, sampleCount: 30, minMs: 5, maxMs: 9, sizeBytes: 2 };
  const old = state.partitions.find((partition) => partition.name === name) ?? { name, parts: [], indexSegments: [] };
  const partitions = [...state.partitions.filter((partition) => partition !== old), { ...old, parts: [...old.parts, part] }];
  return { ...state, nextPartId: id + 1, nextSeriesId: state.nextSeriesId + 3, checkpoint: { segment: id + 1, logRow: id * 30 }, partitions };
}

/** Writes the files of the newest part, then commits it. */
function addPart(files: FileSystem, manifest: Manifest): void {
  const next = withPart(manifest.state);
  for (const file of next.partitions.flatMap(({ name, parts }) => (parts.at(-1)?.files ?? []).map((path) => `/data/partitions/${name}/${path}`))) {
    if (!files.exists(file)) put(files, file, new Uint8Array([1]));
  }
  manifest.commit(next);
}

test("a new directory gets an identity and keeps it", () => {
  const files = new MemoryFileSystem();
  const manifest = open(files);
  assert.equal(manifest.loadedFrom, "created");
  assert.deepEqual(manifest.state, {
    directoryId: "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
    fingerprintSeed: ["a0a1a2a3a4a5a6a7", "a0a1a2a3a4a5a6a7"],
    shardCount: 2,
    nextPartId: 1,
    nextSeriesId: 1,
    checkpoint: { segment: 1, logRow: 0 },
    formats: { log: 1, part: 3 },
    partitions: [],
  });
  const again = openManifest(files.crashClone(seededRandom(1)), "/data", { ...options, shardCount: 8, randomBytes: (size) => new Uint8Array(size) });
  assert.equal(again.loadedFrom, "current");
  assert.deepEqual(again.state, manifest.state);
});

test("commits on the real disk come back", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-manifest-"));
  try {
    const files = new RealFileSystem();
    const manifest = open(files, directory + "/data");
    for (let i = 0; i < 3; i++) manifest.commit(withPart(manifest.state));
    assert.deepEqual(files.list(directory + "/data"), ["manifest", "manifest.previous"]);
    assert.deepEqual(open(files, directory + "/data").state, manifest.state);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the text is one line of JSON and its checksum", () => {
  const state = withPart(open(new MemoryFileSystem()).state);
  const text = new TextDecoder().decode(encodeManifest(state));
  assert.match(text, /^\{"formatVersion":1,"directoryId":"a0[^\n]*\}\nxxh64 [0-9a-f]{16}\n$/);
  assert.deepEqual(decodeManifest(encodeManifest(state), "manifest"), state);
});

// ---- damage ----

function twoCommits(): { files: MemoryFileSystem; states: ManifestState[] } {
  const files = new MemoryFileSystem();
  const manifest = open(files);
  addPart(files, manifest);
  const states = [manifest.state];
  addPart(files, manifest);
  return { files, states: [...states, manifest.state] };
}

const rewrite = (files: FileSystem, path: string, change: (bytes: Uint8Array) => Uint8Array): void => put(files, path, change(readFile(files, path)));

const damages: { name: string; damage: (bytes: Uint8Array) => Uint8Array }[] = [
  { name: "empty", damage: () => new Uint8Array(0) },
  { name: "zeros", damage: (bytes) => new Uint8Array(bytes.length) },
  { name: "cut", damage: (bytes) => bytes.subarray(0, -10) },
  { name: "without checksum", damage: (bytes) => bytes.subarray(0, bytes.indexOf(10) + 1) },
  { name: "a flipped bit", damage: (bytes) => bytes.map((byte, i) => (i === 100 ? byte ^ 1 : byte)) },
  { name: "more behind it", damage: (bytes) => Buffer.concat([bytes, bytes]) },
];
for (const row of damages) {
  test(`a damaged manifest gives way to the previous one: ${row.name}`, () => {
    const { files, states } = twoCommits();
    rewrite(files, "/data/manifest", row.damage);
    const manifest = open(files);
    assert.equal(manifest.loadedFrom, "previous");
    assert.deepEqual(manifest.state, states[0]);
    assert.deepEqual(files.list("/data/quarantine"), ["manifest"], "the damaged copy is kept for inspection");
    assert.deepEqual(manifest.removeOrphans(), ["partitions/2026_01/parts/2"]);
    assert.ok(files.exists("/data/quarantine/partitions-2026_01-parts-2/blocks"), "a part that only the damaged copy named is not lost");
    addPart(files, manifest);
    assert.equal(open(files).loadedFrom, "current");
    assert.deepEqual(open(files).state, manifest.state);
  });
}

test("a missing manifest gives way to the previous one", () => {
  const { files, states } = twoCommits();
  files.remove("/data/manifest");
  assert.deepEqual(open(files).state, states[0]);
});

const refusals: { name: string; prepare: (files: MemoryFileSystem) => void; code: string; message: RegExp }[] = [
  {
    name: "both copies damaged",
    prepare(files) {
      for (const path of ["/data/manifest", "/data/manifest.previous"]) rewrite(files, path, (bytes) => bytes.subarray(1));
    },
    code: "corrupt_manifest",
    message: /^\/data\/manifest is damaged: its checksum is wrong$/,
  },
  {
    name: "both copies missing",
    prepare(files) {
      for (const path of ["/data/manifest", "/data/manifest.previous"]) files.remove(path);
    },
    code: "missing_manifest",
    message: /^\/data holds data in partitions\/, but has no manifest/,
  },
  {
    name: "a newer manifest format",
    prepare: (files) => putJson(files, (state) => ({ ...state, formatVersion: 2 })),
    code: "unsupported_format",
    message: /^\/data\/manifest has manifest format 2; this program reads format 1$/,
  },
  {
    name: "a newer part format",
    prepare: (files) => putJson(files, (state) => ({ ...state, formats: { log: 1, part: 4 } })),
    code: "unsupported_format",
    message: /^\/data\/manifest says that the directory has part format 4; this program reads part formats 2 to 3: a newer one has written it$/,
  },
  {
    name: "a format that is too old",
    prepare: (files) => putJson(files, (state) => ({ ...state, formats: { log: 1, part: 1 } })),
    code: "unsupported_format",
    message: /^\/data\/manifest says that the directory has part format 1; this program reads part formats 2 to 3: open the directory once with an older one that reads both$/,
  },
  {
    name: "a newer part format in the previous copy, which is all there is",
    prepare(files) {
      putJson(files, (state) => ({ ...state, formats: { log: 2, part: 3 } }));
      files.rename("/data/manifest", "/data/manifest.previous");
      put(files, "/data/manifest", new Uint8Array(5));
    },
    code: "unsupported_format",
    message: /^\/data\/manifest\.previous says that the directory has log format 2; this program reads log format 1: a newer one has written it$/,
  },
  {
    name: "an unknown kind of file",
    prepare: (files) => putJson(files, (state) => ({ ...state, formats: { cold: 1 } })),
    code: "unsupported_format",
    message: /^\/data\/manifest says that the directory has cold format 1, which this program does not know: a newer one has written it$/,
  },
];
for (const row of refusals) {
  test(`refused: ${row.name}`, () => {
    const { files } = twoCommits();
    row.prepare(files);
    const before = files.list("/data");
    assert.throws(() => open(files), { code: row.code, message: row.message });
    assert.deepEqual(files.list("/data"), before, "nothing is changed");
  });
}

function putJson(files: FileSystem, change: (state: object) => object): void {
  const state = decodeManifest(readFile(files, "/data/manifest"), "");
  put(files, "/data/manifest", encodeManifest(change({ ...state }) as ManifestState));
}

test("an older format is read, and the first commit names the formats that are written now", () => {
  const { files } = twoCommits();
  putJson(files, (state) => ({ ...state, formats: { part: 2 } }));
  const manifest = open(files);
  assert.deepEqual(manifest.state.formats, { part: 2 });
  assert.deepEqual(open(files).state.formats, { part: 2 }, "opening changes nothing");
  addPart(files, manifest);
  for (const state of [manifest.state, open(files).state]) assert.deepEqual(state.formats, { log: 1, part: 3 });
});

const wrongStates: { name: string; change: (state: ManifestState) => object; problem: RegExp }[] = [
  { name: "no list of partitions", change: (state) => ({ ...state, partitions: 5 }), problem: /partitions is not a list/ },
  { name: "a fraction", change: (state) => ({ ...state, nextSeriesId: 1.5 }), problem: /nextSeriesId is 1\.5/ },
  { name: "an id that is not there", change: (state) => ({ ...state, directoryId: undefined }), problem: /directoryId is undefined/ },
  {
    name: "a path that leaves the partition",
    change: (state) => ({ ...state, partitions: [{ name: "2026_01", parts: [], indexSegments: [{ id: 1, files: ["../../x"], seriesCount: 0, sizeBytes: 0 }] }] }),
    problem: /partitions\[0\]\.indexSegments\[0\]\.files\[0\] is "\.\.\/\.\.\/x"/,
  },
];
for (const row of wrongStates) {
  test(`a wrong state is neither written nor read: ${row.name}`, () => {
    const manifest = open(new MemoryFileSystem());
    const wrong = row.change(manifest.state) as ManifestState;
    assert.throws(() => manifest.commit(wrong), { name: "AssertionError", message: row.problem });
    assert.throws(() => decodeManifest(encodeManifest(wrong), "manifest"), { code: "corrupt_manifest", message: row.problem });
  });
}

const setbacks: { name: string; change: (state: ManifestState) => ManifestState }[] = [
  { name: "another identity", change: (state) => ({ ...state, directoryId: "0".repeat(32) }) },
  { name: "series ids again", change: (state) => ({ ...state, nextSeriesId: 1 }) },
  { name: "part ids again", change: (state) => ({ ...state, nextPartId: 1 }) },
  { name: "an older checkpoint", change: (state) => ({ ...state, checkpoint: { segment: 1, logRow: 0 } }) },
];
for (const row of setbacks) {
  test(`a commit does not go back: ${row.name}`, () => {
    const manifest = open(new MemoryFileSystem());
    manifest.commit(withPart(manifest.state));
    assert.throws(() => manifest.commit(row.change(manifest.state)), { name: "AssertionError" });
  });
}

test("a disk error while loading is not taken for damage", () => {
  const { files } = twoCommits();
  const faulty = new FaultyFileSystem(files, (operation) => (operation.kind === "read" ? { code: "EIO" } : undefined));
  assert.throws(() => open(faulty), { code: "disk_error" });
  assert.equal(open(files).loadedFrom, "current");
});

test("a file system without hard links goes without the previous copy", () => {
  const files = new FaultyFileSystem(new MemoryFileSystem());
  files.hardLink = (from) => {
    throw new FileError("EPERM", "link", from);
  };
  const manifest = open(files);
  manifest.commit(withPart(manifest.state));
  assert.deepEqual(files.list("/data"), ["manifest"]);
});

// ---- orphans ----

test("files that the manifest does not name are removed, all others stay", () => {
  const { files } = twoCommits();
  const orphans = ["2025_12/parts/9/blocks", "2026_01/parts/1/extra", "2026_01/parts/7/blocks", "2026_01/index/4.idx", "note"];
  for (const path of orphans) put(files, "/data/partitions/" + path, new Uint8Array(1));
  put(files, "/data/other/file", new Uint8Array(1));
  const manifest = open(files);
  assert.deepEqual(manifest.removeOrphans(), [
    "partitions/2025_12",
    "partitions/2026_01/index",
    "partitions/2026_01/parts/1/extra",
    "partitions/2026_01/parts/7",
    "partitions/note",
  ]);
  assert.deepEqual(files.list("/data/partitions/2026_01/parts/1"), ["blocks", "rows"]);
  assert.ok(files.exists("/data/other/file"));
  assert.deepEqual(manifest.removeOrphans(), []);
});

test("the quarantine keeps several of a name", () => {
  const files = new MemoryFileSystem();
  const targets = [1, 2, 3].map((byte) => {
    put(files, "/data/a/b", new Uint8Array([byte]));
    return moveToQuarantine(files, "/data", "a/b");
  });
  assert.deepEqual(targets, ["quarantine/a-b", "quarantine/a-b.2", "quarantine/a-b.3"]);
  const crashed = files.crashClone(seededRandom(3));
  assert.deepEqual([...readFile(crashed, "/data/quarantine/a-b.2")], [2]);
});

// ---- crashes and failures ----

function diskWithDirectory(): MemoryFileSystem {
  const disk = new MemoryFileSystem();
  makeDirectoryDurable(disk, "/data");
  return disk;
}

/** Commits parts; knows which states may be on the disk. */
class Workload {
  committed: ManifestState | undefined;
  attempted: ManifestState[] = [];

  run(files: FileSystem, commits: number): void {
    let manifest: Manifest | undefined;
    for (let i = 0; i < commits; i++) {
      try {
        if (manifest === undefined) {
          manifest = open(files);
          this.committed = manifest.state;
        }
        const next = withPart(manifest.state, i % 2 === 0 ? "2026_01" : "2026_02");
        this.attempted.push(next);
        manifest.commit(next);
        this.committed = next;
        this.attempted = [];
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
      }
    }
  }

  check(disk: MemoryFileSystem): void {
    const found = open(disk);
    if (this.committed === undefined) return;
    assert.notEqual(found.loadedFrom, "previous", "a crash alone never needs the previous copy");
    const allowed = [this.committed, ...this.attempted].map((state) => JSON.stringify(state));
    assert.ok(allowed.includes(JSON.stringify(found.state)), JSON.stringify(found.state));
  }
}

test("a crash at any operation leaves the old or the new state", async () => {
  const firstSeed = testSeed();
  for (let seed = firstSeed; seed < firstSeed + 8; seed++) {
    const workload = new Workload();
    const { crashCount } = await simulateCrashes({ seed, run: (files) => workload.run(files, 8), check: (disk) => workload.check(disk) });
    assert.ok(crashCount > 80);
  }
});

test("a crash at any operation of a failing disk leaves a state that was committed or tried", async () => {
  const firstSeed = testSeed();
  for (let seed = firstSeed; seed < firstSeed + 15; seed++) {
    const random = seededRandom(seed);
    const workload = new Workload();
    await simulateCrashes({
      seed,
      disk: diskWithDirectory(),
      faults: ({ sizeBytes }) => (random.int(12) === 0 ? { code: "EIO", keptBytes: random.int(sizeBytes + 1) } : undefined),
      run: (files) => workload.run(files, 12),
      check: (disk) => workload.check(disk),
    });
  }
});

test("each file operation fails once: the next commit succeeds", async () => {
  for (const code of ["EIO", "ENOSPC"] as const) {
    await failEachOperation({
      fault: { code, keptBytes: 40 },
      run(files, disk) {
        const workload = new Workload();
        workload.run(files, 4);
        workload.check(disk.killClone());
        workload.run(disk, 2);
        assert.equal(workload.attempted.length, 0, "the last commit succeeded");
        workload.check(disk.crashClone(seededRandom(1)));
      },
    });
  }
});
