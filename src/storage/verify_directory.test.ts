// Shows that the verification of a data directory finds nothing wrong with sound directories (golden ones, and what crashes leave), notices every flipped
// bit, cut, missing and foreign file, says where damage is and what is lost, and changes nothing.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../base/random.ts";
import { FaultyFileSystem } from "../disk/faulty_file_system.ts";
import { type FileSystem, makeDirectoryDurable, parentPath, readFile } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { simulateCrashes } from "../../testkit/crash_simulation.ts";
import { openTestStore, testProcess } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { decodeManifest, encodeManifest, type ManifestState } from "./manifest_state.ts";
import { verifyDirectory } from "./verify_directory.ts";
import type { DirectoryReport, FileReport } from "./verify_report.ts";

const golden = fileURLToPath(new URL("../../conformance/data_directory_v1/data", import.meta.url));
const goldenFiles = readdirSync(golden, { recursive: true, encoding: "utf8" }).filter((path) => statSync(join(golden, path)).isFile());

function put(files: FileSystem, path: string, bytes: Uint8Array): void {
  makeDirectoryDurable(files, parentPath(path));
  using file = files.open(path, "create");
  file.write(bytes, 0);
  file.sync();
}

/** The golden directory on a disk in memory. */
function goldenDisk(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  for (const path of goldenFiles) put(files, `/data/${path}`, readFileSync(join(golden, path)));
  return files;
}

function verify(files: FileSystem): DirectoryReport {
  const steps = verifyDirectory({ files, directory: "/data", processes: testProcess(1) });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    assert.ok(step.value.doneBytes <= step.value.totalBytes);
  }
}

/** Files with findings, as lines. */
function findingsOf(report: DirectoryReport): string[] {
  return report.files.flatMap(({ path, findings }) => findings.map(({ severity, message }) => `${severity} ${path}: ${message}`));
}

function fileNamed(report: DirectoryReport, path: string): FileReport {
  const file = report.files.find((one) => one.path === path);
  assert.ok(file !== undefined, `${path} is in the report`);
  return file;
}

const isReading = ["open", "read", "list", "size"];

test("a sound directory is sound, and stays as it is", () => {
  const files = new FaultyFileSystem(goldenDisk(), ({ kind }) => (isReading.includes(kind) ? undefined : { code: "EROFS" }));
  const report = verify(files);
  assert.deepEqual(findingsOf(report), []);
  assert.equal(report.isSound, true);
  assert.deepEqual(report.totals, {
    partitions: 3, parts: 6, indexSegments: 6, logSegments: 1, bytes: report.totals.bytes, samples: 34_371, series: 415, logRows: 1452, damagedFiles: 0, warnings: 0,
  });
  assert.deepEqual(fileNamed(report, "partitions/2023_10/parts/9").counts, { samples: 30_622, series: 245, blocks: 248 });
  assert.deepEqual(fileNamed(report, "log/00000005.log").counts, { records: 6, metadata: 4, series: 2, rows: 1452 });
});

interface DamageRow {
  readonly name: string;
  readonly damage: (files: MemoryFileSystem) => void;
  /** The file that is named, and what is said. */
  readonly path: string;
  readonly message: RegExp;
  /** Default: damaged. */
  readonly status?: FileReport["status"];
}

const part = "partitions/2023_10/parts/9";
const index = "partitions/2023_10/index/10.idx";
const log = "log/00000005.log";

function rewrite(files: MemoryFileSystem, path: string, change: (bytes: Uint8Array) => Uint8Array | void): void {
  const bytes = readFile(files, `/data/${path}`).slice();
  put(files, `/data/${path}`, change(bytes) ?? bytes);
}

function flip(path: string, position: number): (files: MemoryFileSystem) => void {
  return (files) => rewrite(files, path, (bytes) => void (bytes[position < 0 ? bytes.length + position : position] ^= 1));
}

function cut(path: string, sizeBytes: number): (files: MemoryFileSystem) => void {
  return (files) => rewrite(files, path, (bytes) => bytes.subarray(0, sizeBytes < 0 ? bytes.length + sizeBytes : sizeBytes));
}

function remove(path: string): (files: MemoryFileSystem) => void {
  return (files) => files.removeTree(`/data/${path}`);
}

/** A manifest that is right in itself but says something else. */
function restate(change: (state: ManifestState) => object): (files: MemoryFileSystem) => void {
  return (files) => rewrite(files, "manifest", (bytes) => encodeManifest(change(decodeManifest(bytes, "")) as ManifestState));
}

const inPartition = (name: string, change: (partition: ManifestState["partitions"][number]) => object) => (state: ManifestState) => ({
  ...state, partitions: state.partitions.map((partition) => (partition.name === name ? { ...partition, ...change(partition) } : partition)),
});

const damages: readonly DamageRow[] = [
  { name: "a bit of a block", damage: flip(`${part}/blocks.tdp`, 100), path: part, message: /blocks\.tdp: \d+ blocks of part .* are damaged: the checksum of their frame is wrong/ },
  { name: "a bit of a header group", damage: flip(`${part}/blocks.tdp`, -400), path: part, message: /header group 0 is damaged: its checksum is wrong/ },
  { name: "a bit of the directory", damage: flip(`${part}/blocks.tdp`, -90), path: part, message: /the directory is damaged: its checksum is wrong/ },
  { name: "a bit of the footer", damage: flip(`${part}/blocks.tdp`, -60), path: part, message: /the checksum of the footer is wrong/ },
  { name: "a bit of the magic bytes", damage: flip(`${part}/blocks.tdp`, 3), path: part, message: /does not begin with the magic bytes/ },
  { name: "a bit of the reserved bytes", damage: flip(`${part}/blocks.tdp`, 13), path: part, message: /reserved bytes of the header are not zero/ },
  { name: "a cut part", damage: cut(`${part}/blocks.tdp`, -1), path: part, message: /does not end with the magic bytes/ },
  { name: "an empty part", damage: cut(`${part}/blocks.tdp`, 0), path: part, message: /has only 0 bytes/ },
  { name: "a missing part", damage: remove(part), path: part, message: /is missing/ },
  { name: "a missing file of log rows", damage: remove("partitions/2023_11/parts/13/log_rows.tdp"), path: "partitions/2023_11/parts/13", message: /log_rows\.tdp is missing/ },
  { name: "a bit of the log rows", damage: flip("partitions/2023_11/parts/13/log_rows.tdp", 40), path: "partitions/2023_11/parts/13", message: /the table of log rows is damaged/ },
  {
    name: "the part of another directory",
    damage: (files) => rewrite(files, `${part}/blocks.tdp`, () => readFile(files, "/data/partitions/2023_11/parts/13/blocks.tdp")),
    path: part,
    message: /has 961 samples of 241 series in \d+ bytes, the manifest says 30622 samples/,
  },
  { name: "a bit of strings", damage: flip(index, 200), path: index, message: /checksum of the strings is wrong/ },
  { name: "a bit of the index footer", damage: flip(index, -30), path: index, message: /the checksum of the footer is wrong/ },
  { name: "a cut index", damage: cut(index, 1000), path: index, message: /magic bytes are missing/ },
  { name: "a missing index", damage: remove(index), path: index, message: /is missing/ },
  {
    name: "an index that does not know the series of its parts",
    damage: restate(inPartition("2023_10", ({ indexSegments }) => ({ indexSegments: indexSegments.slice(0, 1) }))),
    path: "partitions/2023_10/parts/11",
    message: /series \d+ is not in the index of the partition/,
  },
  {
    name: "an index that is said to be exact and is not",
    damage: restate(inPartition("2023_11", ({ indexSegments }) => ({ indexSegments: indexSegments.map((segment) => ({ ...segment, activityPartId: 15 })) }))),
    path: "partitions/2023_11/parts/15",
    message: /series \d+ has samples at times at which the index says that it has none/,
  },
  {
    name: "a part of another month",
    damage(files) {
      restate((state) => ({ ...state, partitions: [...state.partitions, { ...state.partitions[1], name: "2023_12" }] }))(files);
      for (const path of goldenFiles.filter((one) => one.startsWith("partitions/2023_10/"))) put(files, `/data/${path.replace("2023_10", "2023_12")}`, readFileSync(join(golden, path)));
    },
    path: "partitions/2023_12/parts/9",
    message: /has samples that do not belong to its partition/,
  },
  { name: "series ids that have not been given", damage: restate((state) => ({ ...state, nextSeriesId: 3 })), path: index, message: /series id 3 has not been given yet/ },
  { name: "a bit of a log record", damage: flip(log, 1000), path: log, message: /damaged records/ },
  { name: "a bit of the log header", damage: flip(log, 20), path: log, message: /the header of the segment is damaged/ },
  { name: "a bit of the last log record", damage: flip(log, -20), path: log, message: /ends in a write that was not finished.*damage of the last record looks the same/, status: "warning" },
  { name: "a torn tail of the log", damage: cut(log, -9), path: log, message: /ends in a write that was not finished/, status: "warning" },
  { name: "no log after a kill", damage: remove("log"), path: "log", message: /there is no log since the last checkpoint, although the process did not stop in order/, status: "warning" },
  { name: "log rows of series that nothing describes", damage: restate((state) => ({ ...state, partitions: [] })), path: log, message: /row \d+ is of series \d+, which nothing describes/ },
  { name: "a log of another directory", damage: restate((state) => ({ ...state, directoryId: "0".repeat(32) })), path: log, message: /belongs to another data directory/ },
  { name: "a bit of the manifest", damage: flip("manifest", 100), path: "manifest", message: /its checksum is wrong/ },
  { name: "a missing manifest", damage: remove("manifest"), path: "manifest", message: /is missing; manifest\.previous is used/ },
  { name: "a bit of the previous manifest", damage: flip("manifest.previous", 100), path: "manifest.previous", message: /its checksum is wrong/ },
  {
    name: "a file that belongs to nothing",
    damage: (files) => put(files, "/data/partitions/2023_10/parts/99/blocks.tdp", new Uint8Array(5)),
    path: "partitions/2023_10/parts/99",
    message: /belongs to nothing/,
    status: "warning",
  },
  { name: "a foreign file", damage: (files) => put(files, "/data/notes.txt", new Uint8Array(5)), path: "notes.txt", message: /is nothing that belongs to a data directory/, status: "warning" },
];
for (const row of damages) {
  test(`damage is found: ${row.name}`, () => {
    const files = goldenDisk();
    row.damage(files);
    const report = verify(files);
    const file = fileNamed(report, row.path);
    assert.equal(file.status, row.status ?? "damaged", JSON.stringify(file));
    assert.ok(file.findings.some(({ message }) => row.message.test(message)), findingsOf(report).join("\n"));
    assert.equal(report.isSound, row.status === "warning");
  });
}

/** Places that no checksum covers, as docs/integrity.md lists them. */
function isUnprotected(path: string): boolean {
  return path === "lock";
}

test("a flipped bit is found, wherever it is", () => {
  const random = seededRandom(testSeed());
  const files = goldenDisk();
  for (const path of goldenFiles.filter((one) => !isUnprotected(one))) {
    const original = readFile(files, `/data/${path}`).slice();
    for (let i = 0; i < Number(process.env["TIDEMARK_TEST_FLIPS"] ?? 4); i++) {
      const bit = random.int(original.length * 8);
      rewrite(files, path, (bytes) => void (bytes[bit >> 3] ^= 1 << (bit & 7)));
      const file = verify(files).files.find((one) => path.startsWith(one.path) && one.status !== "ok");
      assert.ok(file !== undefined, `bit ${bit & 7} of byte ${bit >> 3} of ${path}`);
      put(files, `/data/${path}`, original);
    }
  }
  assert.deepEqual(findingsOf(verify(files)), []);
});

test("every cut is found, the one of the log as a torn tail", () => {
  const random = seededRandom(testSeed());
  const files = goldenDisk();
  for (const path of goldenFiles.filter((one) => !isUnprotected(one))) {
    const original = readFile(files, `/data/${path}`).slice();
    for (const size of [0, random.int(original.length), original.length - 1]) {
      put(files, `/data/${path}`, original.subarray(0, size));
      const file = verify(files).files.find((one) => path.startsWith(one.path) && one.status !== "ok");
      assert.equal(file?.status, path.startsWith("log/") ? "warning" : "damaged", `${path} cut to ${size} bytes`);
    }
    put(files, `/data/${path}`, original);
  }
});

test("what is lost by a damaged frame is told: samples, series, times", () => {
  const files = goldenDisk();
  flip(`${part}/blocks.tdp`, 100)(files);
  const [finding] = fileNamed(verify(files), part).findings;
  assert.equal(finding.offset !== undefined && finding.offset <= 100 && finding.offset + finding.sizeBytes! > 100, true);
  const { sampleCount, firstSeriesId, lastSeriesId, minMs, maxMs } = finding.lost!;
  assert.ok(sampleCount > 0 && sampleCount <= 30_622);
  assert.ok(firstSeriesId >= 1 && lastSeriesId! >= firstSeriesId && lastSeriesId! < 416);
  assert.ok(minMs >= Date.UTC(2023, 9, 1) && maxMs >= minMs && maxMs < Date.UTC(2023, 10, 1));
});

test("what is in the quarantine is listed with its reason", () => {
  const files = goldenDisk();
  put(files, "/data/quarantine/2023_10-7/reason.txt", new TextEncoder().encode("the checksum was wrong\n"));
  put(files, "/data/quarantine/manifest", new Uint8Array(3));
  const report = verify(files);
  assert.equal(report.isSound, true);
  assert.deepEqual(report.quarantine, [{ name: "2023_10-7", reason: "the checksum was wrong" }, { name: "manifest", reason: undefined }]);
});

test("a directory that cannot be verified is refused", () => {
  const files = goldenDisk();
  assert.throws(() => verifyDirectory({ files, directory: "/nowhere", processes: testProcess(1) }).next(), { code: "missing_manifest", message: /\/nowhere is not a directory/ });
  files.makeDirectory("/empty");
  assert.throws(() => verifyDirectory({ files, directory: "/empty", processes: testProcess(1) }).next(), { code: "missing_manifest", message: /\/empty holds no data/ });
  const lock = { pid: 77, processStart: "now", sinceMs: 0, token: "t" };
  put(files, "/data/lock", new TextEncoder().encode(JSON.stringify(lock)));
  assert.throws(() => verifyDirectory({ files, directory: "/data", processes: testProcess(77) }).next(), { code: "directory_locked", message: /in use by process 77 since 1970/ });
  // A process that starts meanwhile.
  remove("lock")(files);
  const steps = verifyDirectory({ files, directory: "/data", processes: testProcess(77) });
  steps.next();
  put(files, "/data/lock", new TextEncoder().encode(JSON.stringify(lock)));
  assert.throws(() => [...steps], { code: "directory_locked" });
  remove("lock")(files);
  restate((state) => ({ ...state, formats: { part: 99 } }))(files);
  assert.throws(() => verify(files), { code: "unsupported_format", message: /part format 99/ });
});

test("without any manifest that can be read, that is what is reported", () => {
  const files = goldenDisk();
  for (const name of ["manifest", "manifest.previous"]) flip(name, 50)(files);
  const report = verify(files);
  assert.equal(report.directoryId, undefined);
  assert.deepEqual(report.files.map(({ path, status }) => [path, status]), [["manifest", "damaged"], ["manifest.previous", "damaged"]]);
  for (const name of ["manifest", "manifest.previous"]) remove(name)(files);
  assert.deepEqual(findingsOf(verify(files)), ["damage manifest: is missing"]);
});

test("a disk that refuses to read a file is reported, and the rest is read", () => {
  for (const path of goldenFiles.filter((one) => !isUnprotected(one))) {
    const files = new FaultyFileSystem(goldenDisk(), (operation) => (operation.kind === "read" && operation.path === `/data/${path}` ? { code: "EIO" } : undefined));
    const report = verify(files);
    const damaged = report.files.filter(({ status }) => status === "damaged");
    assert.deepEqual(damaged.map((file) => path.startsWith(file.path)), [true], `${path}: ${findingsOf(report).join()}`);
    assert.match(damaged[0].findings[0].message, /EIO|the disk refuses/);
  }
});

const crashNowMs = 1_700_000_000_000;

/** A batch of a few series of three months. */
function batch(seed: number): RowBatchBuilder {
  const random = seededRandom(seed);
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 12; i++) {
    const timestampMs = crashNowMs - random.int(70) * 86_400_000;
    builder.addSeries(labelsOf({ __name__: `m${random.int(40)}` }), Float64Array.of(timestampMs, timestampMs + 1000), Float64Array.of(i, random.next()));
  }
  return builder;
}

for (const kind of ["kill", "power_loss"] as const) {
  test(`what a ${kind} leaves is sound, before and after the next start`, async () => {
    await simulateCrashes({
      seed: testSeed(),
      crashChance: 0.008,
      kinds: [kind],
      async run(files) {
        const store = await openTestStore(files, { shardCount: 2 });
        for (let i = 0; i < 6; i++) {
          await store.write(batch(i).build());
          if (i % 2 === 1) await store.flush();
          if (i === 3) await store.merge();
        }
        await store[Symbol.asyncDispose]();
      },
      async check(disk) {
        if (disk.exists("/data/manifest")) expectSound(verify(disk), kind);
        const store = await openTestStore(disk, { shardCount: 2 });
        await store.write(batch(99).build());
        await store.merge();
        await store[Symbol.asyncDispose]();
        expectSound(verify(disk), kind);
      },
    });
  });
}

/** A power loss may leave gaps among the log records that were not synced, and so nobody was told of. */
function expectSound(report: DirectoryReport, kind: "kill" | "power_loss"): void {
  const findings = findingsOf(report).filter((line) => line.startsWith("damage") && !(kind === "power_loss" && /log: damaged records/.test(line)));
  assert.deepEqual(findings, []);
}
