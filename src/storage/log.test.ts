// The log: what was appended comes back in order and once, over segments, damage, failures of the disk and crashes at every operation.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StorageError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import { FaultyFileSystem, failFrom } from "../disk/faulty_file_system.ts";
import type { FileOperation } from "../disk/faulty_file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { readFile } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { logHeaderBytes, logRecordSize, sealLogRecord } from "../kernel/log_record.ts";
import { expandedLogRowBytes, expandLogRows, logRowsHeaderBytes, logRowsMax } from "../kernel/log_rows.ts";
import { failEachOperation, simulateCrashes } from "../../testkit/crash_simulation.ts";
import { encodeLogMetadata, encodeLogSamples, encodeLogSeries, logRecordTypes, visitLogMetadata, visitLogSeries } from "./log_payload.ts";
import type { LogSeries } from "./log_payload.ts";
import { LogReader, logReadBufferBytesMin } from "./log_reader.ts";
import type { LogRecovery, LogVisitor } from "./log_reader.ts";
import { encodeLogSegmentHeader, logSegmentHeaderBytes, logSegmentPath } from "./log_segment.ts";
import { LogWriter, type LogWriterOptions } from "./log_writer.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const directory = "/data/log";
const directoryId = "00112233445566778899aabbccddeeff";

function diskWithLog(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.makeDirectory(directory);
  files.syncDirectory("/");
  files.syncDirectory("/data");
  return files;
}

function openWriter(files: FileSystem, options: Partial<LogWriterOptions> = {}): LogWriter {
  return new LogWriter({ files, directory, directoryId, firstSegment: 1, ...options });
}

function read(files: FileSystem, visit: LogVisitor, firstSegment = 1, where = directory): LogRecovery {
  const reader = new LogReader({ files, directory: where, directoryId, firstSegment, kernel });
  while (reader.visitNextSegment(visit));
  return reader.recovery();
}

/** Records that hold consecutive numbers ("rows"), as many as asked for, in one piece. Version 1 has a size that is easily told. */
function rowRecords(fromRow: number, counts: readonly number[], version: 1 | 2 = 1): Uint8Array {
  let row = fromRow;
  const records = counts.map((count) => {
    const rows = Array.from({ length: count }, (_, i) => row + i);
    row += count;
    return encodeLogSamples(rows[0] ?? row, 1_700_000_000_000, rows, rows.map((each) => 1_700_000_000_000 + each), Float64Array.from(rows), version);
  });
  return Buffer.concat(records);
}

/** All rows in the log, in its order. */
function rowsOf(files: FileSystem, firstSegment = 1, where = directory): { rows: number[]; recovery: LogRecovery } {
  const rows: number[] = [];
  const recovery = read(
    files,
    (type, _version, pointer) => {
      assert.equal(type, logRecordTypes.samples.type);
      const count = kernel.u32[(pointer + 16) >>> 2];
      const first = kernel.f64[pointer >>> 3];
      for (let i = 0; i < count; i++) {
        const at = pointer + 24 + i * 16;
        assert.equal(kernel.u32[at >>> 2], first + i);
        assert.equal(kernel.f64[(at + 8) >>> 3], first + i);
        rows.push(first + i);
      }
    },
    firstSegment,
    where,
  );
  return { rows, recovery };
}

/** The writer of the next run. */
function continueLog(files: FileSystem, firstSegment: number): LogWriter {
  const { nextSegment, previous, existingBytes } = read(files, () => {}, firstSegment);
  return new LogWriter({ files, directory, directoryId, firstSegment: nextSegment, previous, existingBytes });
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const issueKinds = (recovery: LogRecovery): string[] => recovery.issues.map(({ kind, segment }) => `${kind} ${segment}`);

test("an empty or missing log reads as nothing and begins with the segment asked for", () => {
  assert.deepEqual(rowsOf(new MemoryFileSystem()).recovery.nextSegment, 1);
  const { recovery, rows } = rowsOf(diskWithLog(), 7);
  assert.deepEqual([recovery.nextSegment, recovery.previous, rows.length], [7, undefined, 0]);
});

test("records come back in order, over rolled and overfull segments and restarts", () => {
  const files = diskWithLog();
  const writer = openWriter(files, { segmentBytesMax: 1000 });
  writer.append(rowRecords(0, [3, 1]), rowRecords(4, [2]));
  assert.equal(writer.segment, 1);
  assert.equal(writer.bytes, files.size(logSegmentPath(directory, 1)));
  assert.equal(writer.rollSegment(), 2);
  for (let row = 6; row < 206; row += 10) writer.append(rowRecords(row, [10]));
  assert.ok(writer.segment > 3);
  const lastSegment = writer.segment;
  writer.sync();
  assert.equal(writer.unsyncedBytes, 0);
  writer.close();
  writer.close();
  const first = rowsOf(files);
  assert.deepEqual(first.rows, range(0, 206));
  assert.deepEqual(first.recovery.issues, []);
  assert.equal(first.recovery.recordCount, 23);

  const next = continueLog(files, 1);
  assert.equal(next.bytes, writer.bytes);
  next.append(rowRecords(206, [4]));
  assert.equal(next.segment, lastSegment + 1);
  assert.deepEqual(rowsOf(files).rows, range(0, 210));
});

test("old segments are removed and stay removed", () => {
  const files = diskWithLog();
  const writer = openWriter(files);
  writer.append(rowRecords(0, [5]));
  writer.rollSegment();
  writer.append(rowRecords(5, [5]));
  const needed = writer.rollSegment();
  writer.append(rowRecords(10, [5]));
  writer.removeSegmentsBefore(needed);
  assert.deepEqual(files.list(directory), ["00000003.log"]);
  assert.equal(writer.bytes, files.size(logSegmentPath(directory, 3)));
  const { rows, recovery } = rowsOf(files, needed);
  assert.deepEqual(rows, range(10, 15));
  assert.deepEqual([recovery.issues, recovery.nextSegment], [[], 4]);
});

test("the log works on the real disk", () => {
  const where = mkdtempSync(join(tmpdir(), "tidemark-log-"));
  try {
    const files = new RealFileSystem();
    const shared = new Uint8Array(new SharedArrayBuffer(2048));
    const records = rowRecords(0, [20, 3]);
    shared.set(records, 64);
    using writer = new LogWriter({ files, directory: where, directoryId, firstSegment: 1 });
    writer.append(shared.subarray(64, 64 + records.length));
    writer.sync();
    assert.deepEqual(rowsOf(files, 1, where).rows, range(0, 23));
  } finally {
    rmSync(where, { recursive: true });
  }
});

test("records of samples come expanded, whatever their version, those of the largest size too", () => {
  const files = diskWithLog();
  const writer = openWriter(files);
  writer.append(rowRecords(0, [5, 3]), rowRecords(8, [7, 1], 2), rowRecords(16, [logRowsMax], 2), rowRecords(16 + logRowsMax, [2], 1));
  assert.deepEqual(rowsOf(files).rows, range(0, 18 + logRowsMax));
  const sizes: number[] = [];
  read(files, (_type, _version, _pointer, size) => sizes.push(size));
  assert.deepEqual(sizes, [5, 3, 7, 1, logRowsMax, 2].map((count) => logRowsHeaderBytes + count * expandedLogRowBytes));
});

test("a record of samples of a later version is reported as damaged", () => {
  const files = diskWithLog();
  const later = rowRecords(0, [5], 2);
  sealLogRecord(later, 0, new DataView(later.buffer, later.byteOffset).getUint32(0, true), logRecordTypes.samples.type, 3);
  openWriter(files).append(later, rowRecords(5, [5], 2));
  const { rows, recovery } = rowsOf(files);
  assert.deepEqual([rows, issueKinds(recovery)], [range(5, 10), ["damaged_records 1"]]);
});

test("records are read into shared memory, in a given buffer too small for the segment", () => {
  const files = diskWithLog();
  const writer = openWriter(files);
  const big = new Uint8Array(logRecordSize(3 << 20));
  for (let i = 0; i < 6; i++) {
    big.fill(i + 1);
    sealLogRecord(big, 0, (3 << 20) - i, 9, i);
    writer.append(big);
  }
  const shared = new Kernel(createMemory(32 << 20));
  const buffer = { pointer: shared.allocate(logReadBufferBytesMin), size: logReadBufferBytesMin };
  const reader = new LogReader({ files, directory, directoryId, firstSegment: 1, kernel: shared, buffer });
  const seen: number[] = [];
  while (
    reader.visitNextSegment((type, version, pointer, size) => {
      assert.deepEqual([type, size, pointer % 8], [9, (3 << 20) - version, 0]);
      assert.equal(shared.u8[pointer], version + 1);
      assert.equal(shared.u8[pointer + size - 1], version + 1);
      seen.push(version);
    })
  );
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5]);
});

// ---- damage ----

/** Three segments with rows 0..30, ten each, two records a segment. */
function threeSegments(): MemoryFileSystem {
  const files = diskWithLog();
  const writer = openWriter(files);
  for (const row of [0, 10, 20]) {
    writer.append(rowRecords(row, [5, 5]));
    writer.rollSegment();
  }
  return files;
}

const path = (segment: number): string => logSegmentPath(directory, segment);
const recordBytes = logRecordSize(24 + 5 * 16);

function rewrite(files: FileSystem, segment: number, change: (bytes: Uint8Array) => Uint8Array): void {
  const bytes = change(readFile(files, path(segment)));
  using file = files.open(path(segment), "create");
  file.write(bytes, 0);
}

const damages: { name: string; damage: (files: MemoryFileSystem) => void; rows: number[]; issues: string[]; next?: number }[] = [
  { name: "none", damage() {}, rows: range(0, 30), issues: [] },
  {
    name: "last segment cut within a record",
    damage: (files) => rewrite(files, 3, (bytes) => bytes.subarray(0, -3)),
    rows: range(0, 25),
    issues: ["torn_tail 3"],
  },
  {
    name: "last segment cut within a header",
    damage: (files) => rewrite(files, 3, (bytes) => bytes.subarray(0, logSegmentHeaderBytes + recordBytes + 5)),
    rows: range(0, 25),
    issues: ["torn_tail 3"],
  },
  {
    name: "zeros behind the last record",
    damage: (files) => rewrite(files, 3, (bytes) => Buffer.concat([bytes, new Uint8Array(100)])),
    rows: range(0, 30),
    issues: ["torn_tail 3"],
  },
  {
    name: "garbage behind the end that the next header names is ignored",
    damage: (files) => rewrite(files, 2, (bytes) => Buffer.concat([bytes, rowRecords(77, [2])])),
    rows: range(0, 30),
    issues: [],
  },
  {
    name: "a flipped bit in a payload",
    damage: (files) => files.corrupt(path(2), logSegmentHeaderBytes + 50, 4),
    rows: [...range(0, 10), ...range(15, 30)],
    issues: ["damaged_records 2"],
  },
  {
    name: "a flipped bit in a record header",
    damage: (files) => files.corrupt(path(2), logSegmentHeaderBytes, 0x80),
    rows: [...range(0, 10), ...range(15, 30)],
    issues: ["damaged_records 2"],
  },
  {
    name: "a flipped bit in the last record of a segment in the middle",
    damage: (files) => files.corrupt(path(2), logSegmentHeaderBytes + recordBytes + 20, 1),
    rows: [...range(0, 15), ...range(20, 30)],
    issues: ["torn_tail 2"],
  },
  {
    name: "a size that points far away",
    damage: (files) => files.corrupt(path(1), logSegmentHeaderBytes + 3, 0x7f),
    rows: range(5, 30),
    issues: ["damaged_records 1"],
  },
  {
    name: "a flipped bit in a segment header",
    damage: (files) => files.corrupt(path(2), 20, 1),
    rows: range(0, 30),
    issues: ["damaged_header 2"],
  },
  {
    name: "a segment of another data directory",
    damage: (files) =>
      rewrite(files, 2, (bytes) => {
        bytes.set(encodeLogSegmentHeader({ number: 2, directoryId: "f".repeat(32), previous: undefined }));
        return bytes;
      }),
    rows: [...range(0, 10), ...range(20, 30)],
    issues: ["foreign_segment 2", "missing_segment 2"],
  },
  {
    name: "a missing segment",
    damage: (files) => files.remove(path(2)),
    rows: [...range(0, 10), ...range(20, 30)],
    issues: ["missing_segment 2"],
  },
  {
    name: "an empty last segment",
    damage: (files) => files.open(path(4), "create").close(),
    rows: range(0, 30),
    issues: ["unfinished_segment 4"],
    next: 5,
  },
  {
    name: "a last segment whose header was not written yet",
    damage(files) {
      using file = files.open(path(4), "create");
      file.write(rowRecords(20, [5]), logSegmentHeaderBytes);
    },
    rows: range(0, 30),
    issues: ["unfinished_segment 4"],
    next: 5,
  },
  {
    name: "a segment that the next header skips",
    damage(files) {
      rewrite(files, 3, (bytes) => {
        bytes.set(encodeLogSegmentHeader({ number: 3, directoryId, previous: { number: 1, end: logSegmentHeaderBytes + recordBytes } }));
        return bytes;
      });
    },
    rows: [...range(0, 5), ...range(20, 30)],
    issues: [],
  },
  {
    name: "other files in the directory",
    damage: (files) => files.open(directory + "/notes.txt", "create").close(),
    rows: range(0, 30),
    issues: [],
  },
];
for (const row of damages) {
  test(`damage: ${row.name}`, () => {
    const files = threeSegments();
    row.damage(files);
    const { rows, recovery } = rowsOf(files);
    assert.deepEqual(rows, row.rows);
    assert.deepEqual(issueKinds(recovery), row.issues);
    assert.equal(recovery.nextSegment, row.next ?? 4);
    // The next run writes behind it and reads the same again.
    continueLog(files, 1).append(rowRecords(30, [2]));
    assert.deepEqual(rowsOf(files).rows, [...row.rows, 30, 31]);
  });
}

test("a segment of a newer format is refused by name", () => {
  const files = threeSegments();
  rewrite(files, 2, (bytes) => {
    const header = encodeLogSegmentHeader({ number: 2, directoryId, previous: undefined });
    header[8] = 3;
    return Buffer.concat([reseal(header), bytes.subarray(logSegmentHeaderBytes)]);
  });
  assert.throws(() => rowsOf(files), { code: "unsupported_format", message: "/data/log/00000002.log has log format 3; this program reads formats 1 to 2" });
});

function reseal(header: Uint8Array): Uint8Array {
  const view = new DataView(header.buffer);
  const mark = kernel.mark();
  const pointer = kernel.allocate(56);
  kernel.u8.set(header.subarray(0, 56), pointer);
  view.setUint32(56, kernel.exports.checksumXxh64Low(pointer, 56, 0), true);
  kernel.reset(mark);
  return header;
}

test("a segment that cannot be read is reported and the others are read", () => {
  const disk = threeSegments();
  const files = new FaultyFileSystem(disk, (operation) => (operation.kind === "read" && operation.path === path(2) ? { code: "EIO" } : undefined));
  const { rows, recovery } = rowsOf(files);
  assert.deepEqual(rows, [...range(0, 10), ...range(20, 30)]);
  assert.deepEqual(issueKinds(recovery), ["unreadable 2", "unreadable 2"]);
});

test("a segment that could not be read whole goes to the quarantine when the log is cut", () => {
  const files = diskWithLog();
  const first = openWriter(files);
  for (let i = 0; i < 3; i++) {
    first.append(rowRecords(i * 4, [2, 2]));
    first.rollSegment();
  }
  files.corrupt(logSegmentPath(directory, 2), logSegmentHeaderBytes + 20, 1);
  const { damagedSegments, nextSegment, previous } = rowsOf(files).recovery;
  assert.deepEqual(damagedSegments, [2]);
  const next = openWriter(files, { firstSegment: nextSegment, previous, damagedSegments });
  next.append(rowRecords(12, [1]));
  next.removeSegmentsBefore(nextSegment);
  assert.deepEqual(files.list(directory), ["00000004.log"]);
  assert.deepEqual(files.list("/data/quarantine"), ["log-00000002"]);
  assert.deepEqual(files.list("/data/quarantine/log-00000002"), ["00000002.log", "reason.txt"]);
});

test("random damage never throws, and undamaged records far from it are kept", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 150; round++) {
    const files = threeSegments();
    for (let hit = random.int(4); hit >= 0; hit--) {
      const segment = 1 + random.int(3);
      const size = files.size(path(segment));
      if (random.int(3) === 0) rewrite(files, segment, (bytes) => bytes.subarray(0, random.int(size)));
      else for (let i = random.int(30); i >= 0 && size > 0; i--) files.corrupt(path(segment), random.int(size), 1 + random.int(255));
    }
    const { rows } = rowsOf(files);
    assert.ok(rows.every((row, i) => row < 30 && (i === 0 || row > rows[i - 1])), `seed ${seed}, round ${round}: ${rows}`);
  }
});

// ---- failures of the disk ----

test("a failed write goes on in a new segment, and what was torn does not count", () => {
  const files = new FaultyFileSystem(diskWithLog());
  const writer = openWriter(files);
  writer.append(rowRecords(0, [5]));
  for (const keptBytes of [0, 10, 100, recordBytes, recordBytes + 16]) {
    files.plan = failFrom(files.operationCount, { code: "EIO", keptBytes });
    writer.append(rowRecords(5 + writer.failureCount * 10, [5, 5]));
  }
  assert.equal(writer.failureCount, 5);
  assert.equal(writer.segment, 6);
  assert.deepEqual(rowsOf(files).rows, range(0, 55));
});

test("a failed fsync writes what was acknowledged again", () => {
  const disk = diskWithLog();
  const files = new FaultyFileSystem(disk);
  const writer = openWriter(files);
  writer.append(rowRecords(0, [5]));
  writer.sync();
  writer.append(rowRecords(5, [5]));
  files.plan = failFrom(files.operationCount, { code: "EIO" });
  writer.sync();
  assert.deepEqual([writer.segment, writer.unsyncedBytes, writer.failureCount], [2, 0, 1]);
  assert.deepEqual(rowsOf(disk).rows, range(0, 10));
  for (let seed = 0; seed < 50; seed++) assert.deepEqual(rowsOf(disk.crashClone(seededRandom(seed))).rows, range(0, 10));
});

test("a full disk is reported, leaves no trail of files, and the log recovers when there is space again", () => {
  const disk = diskWithLog();
  disk.capacityBytes = 400;
  const writer = openWriter(disk);
  writer.append(rowRecords(0, [5]));
  for (let i = 0; i < 5; i++) {
    assert.throws(() => writer.append(rowRecords(5, [20])), (error) => error instanceof StorageError && error.code === "disk_full");
    assert.ok(disk.list(directory).length <= 2, disk.list(directory).join());
  }
  assert.deepEqual(rowsOf(disk).rows, range(0, 5));
  disk.capacityBytes = 10_000;
  writer.append(rowRecords(5, [20]));
  writer.sync();
  for (let seed = 0; seed < 20; seed++) assert.deepEqual(rowsOf(disk.crashClone(seededRandom(seed))).rows, range(0, 25));
});

test("a disk that refuses every fsync keeps the records owed until it stops", () => {
  const disk = diskWithLog();
  const files = new FaultyFileSystem(disk, (operation) => (operation.kind === "sync" ? { code: "EIO" } : undefined));
  const writer = openWriter(files);
  let row = 0;
  for (let round = 0; round < 5; round++, row += 5) {
    writer.append(rowRecords(row, [5]));
    assert.throws(() => writer.sync(), { code: "disk_error" });
    assert.ok(writer.unsyncedBytes >= (row + 5) * 16, "nothing is taken for synced");
    assert.deepEqual(rowsOf(disk.killClone()).rows, range(0, row + 5));
  }
  files.plan = undefined;
  writer.sync();
  assert.equal(writer.unsyncedBytes, 0);
  for (let seed = 0; seed < 20; seed++) assert.deepEqual(rowsOf(disk.crashClone(seededRandom(seed))).rows, range(0, 25));
});

test("a carry that cannot be read back stays where it is", () => {
  const disk = diskWithLog();
  const files = new FaultyFileSystem(disk);
  const writer = openWriter(files);
  writer.append(rowRecords(0, [5]));
  files.plan = (operation) => (operation.kind === "read" || (operation.kind === "sync" && operation.path === path(1)) ? { code: "EIO" } : undefined);
  for (let attempt = 0; attempt < 3; attempt++) assert.throws(() => writer.sync(), { code: "disk_error", message: /cannot read back 120 bytes/ });
  writer.append(rowRecords(5, [5]));
  writer.sync();
  assert.equal(writer.unrescuedBytes, recordBytes);
  assert.deepEqual(rowsOf(disk.killClone()).rows, range(0, 10));
});

// ---- crashes ----

/** A random life of a log, which knows what the log has promised. */
class Workload {
  readonly writer: LogWriter;
  readonly #random: Random;
  #attempted = 0;
  acknowledged = 0;
  synced = 0;
  checkpoint = { segment: 1, row: 0 };

  constructor(files: FileSystem, random: Random) {
    this.#random = random;
    this.writer = openWriter(files, { segmentBytesMax: 2000 });
  }

  step(): void {
    const choice = this.#random.int(10);
    try {
      if (choice < 6) this.#append();
      else if (choice < 8) this.#sync();
      else if (choice === 8) this.writer.rollSegment();
      else this.#checkpoint();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  #append(): void {
    const counts = Array.from({ length: 1 + this.#random.int(3) }, () => this.#random.int(30));
    const to = this.acknowledged + counts.reduce((sum, count) => sum + count, 0);
    this.#attempted = Math.max(this.#attempted, to);
    this.writer.append(rowRecords(this.acknowledged, counts));
    this.acknowledged = to;
  }

  #sync(): void {
    const row = this.acknowledged;
    this.writer.sync();
    this.synced = row;
  }

  /** Everything so far is elsewhere: the log up to here is not needed. */
  #checkpoint(): void {
    const row = this.acknowledged;
    const segment = this.writer.rollSegment();
    this.synced = Math.max(this.synced, row);
    this.checkpoint = { segment, row };
    this.writer.removeSegmentsBefore(segment);
  }

  check(disk: MemoryFileSystem, kind: "kill" | "power_loss"): void {
    const { rows, recovery } = rowsOf(disk, this.checkpoint.segment);
    const synced = this.writer.unrescuedBytes > 0 ? 0 : this.synced;
    const promised = kind === "kill" ? this.acknowledged : Math.max(synced, this.checkpoint.row);
    const context = `promised ${promised}, acknowledged ${this.acknowledged}, checkpoint ${this.checkpoint.row}, issues ${issueKinds(recovery)}`;
    // A power loss after a carry was given up may bring back what a lost header had cut.
    const once = kind === "kill" || this.writer.unrescuedBytes === 0;
    for (let i = 1; i < rows.length && once; i++) assert.ok(rows[i] > rows[i - 1], `rows once and in order: ${context}`);
    const known = new Set(rows);
    for (let row = this.checkpoint.row; row < promised; row++) assert.ok(known.has(row), `row ${row} is missing: ${context}`);
    assert.ok((rows.at(-1) ?? -1) < Math.max(this.#attempted, 1), context);
    if (once) assert.ok(!issueKinds(recovery).some((issue) => issue.startsWith("missing")), context);
    // The next run goes on from here and loses nothing of it.
    continueLog(disk, this.checkpoint.segment).append(rowRecords(1_000_000, [1]));
    assert.deepEqual(rowsOf(disk, this.checkpoint.segment).rows, [...rows, 1_000_000], context);
  }
}

test("crashes at every operation keep what was promised", async () => {
  const firstSeed = testSeed();
  for (let seed = firstSeed; seed < firstSeed + 6; seed++) {
    const random = seededRandom(seed);
    let workload: Workload | undefined;
    await simulateCrashes({
      seed,
      disk: diskWithLog(),
      run(files) {
        workload = new Workload(files, random);
        for (let step = 0; step < 40; step++) workload.step();
      },
      check: (disk, kind) => workload?.check(disk, kind),
    });
  }
});

test("crashes at every operation of a failing disk keep what was promised", async () => {
  const firstSeed = testSeed();
  for (let seed = firstSeed; seed < firstSeed + 12; seed++) {
    const random = seededRandom(seed);
    let workload: Workload | undefined;
    await simulateCrashes({
      seed,
      disk: diskWithLog(),
      faults: randomFaults(random),
      run(files) {
        workload = new Workload(files, random);
        for (let step = 0; step < 40; step++) workload.step();
        files.plan = undefined;
        workload.writer.sync();
      },
      check: (disk, kind) => workload?.check(disk, kind),
    });
  }
});

/** One operation in 15 fails, sometimes several in a row. Reads do not fail: an unreadable carry has a test of its own. */
function randomFaults(random: Random): (operation: FileOperation) => { code: "EIO" | "ENOSPC"; keptBytes: number } | undefined {
  let failing = 0;
  return ({ kind, sizeBytes }) => {
    if (kind === "read") return undefined;
    if (failing === 0 && random.int(15) === 0) failing = 1 + random.int(4);
    if (failing === 0) return undefined;
    failing--;
    return { code: random.int(2) === 0 ? "EIO" : "ENOSPC", keptBytes: random.int(sizeBytes + 1) };
  };
}

for (const code of ["EIO", "ENOSPC"] as const) {
  for (const count of [1, 2, 5]) {
    test(`each file operation fails: ${code}, ${count} in a row`, async () => {
      const operations = await failEachOperation({
        fault: { code, keptBytes: 30 },
        count,
        prepare: diskWithLog,
        run(files, disk) {
          const workload = new Workload(files, seededRandom(5));
          for (let step = 0; step < 25; step++) workload.step();
          workload.check(disk.killClone(), "kill");
          files.plan = undefined;
          workload.writer.sync();
          workload.check(disk.crashClone(seededRandom(1)), "power_loss");
        },
      });
      assert.ok(operations > 30);
    });
  }
}

// ---- payloads ----

test("new series round trip, and a cut payload is noticed", () => {
  const series: LogSeries[] = [0, 1, 7, 8, 300].map((size, i) => ({
    seriesId: i + 1,
    tenant: { accountId: i, projectId: i * 2 },
    labels: new Uint8Array(size).fill(i),
  }));
  const record = encodeLogSeries(series);
  const payload = record.subarray(16);
  const seen: LogSeries[] = [];
  const visit = (seriesId: number, accountId: number, projectId: number, offset: number, size: number): void => {
    seen.push({ seriesId, tenant: { accountId, projectId }, labels: payload.slice(offset, offset + size) });
  };
  assert.equal(visitLogSeries(payload, visit), true);
  assert.deepEqual(seen, series);
  assert.equal(visitLogSeries(payload.subarray(0, payload.length - 8), () => {}), false);
});

test("metadata round trips, long help is cut between characters", () => {
  const tenant = { accountId: 3, projectId: 4 };
  const metadata = [
    { metricFamily: "up", type: "gauge", help: "", unit: "" },
    { metricFamily: "größe_bytes", type: "counter", help: "ä".repeat(40_000), unit: "bytes" },
  ] as const;
  const seen: unknown[] = [];
  const payload = encodeLogMetadata(tenant, metadata).subarray(16);
  assert.equal(visitLogMetadata(payload, (of, entry) => seen.push([of, entry])), true);
  assert.deepEqual(seen, [[tenant, metadata[0]], [tenant, { ...metadata[1], help: "ä".repeat(32_767) }]]);
  assert.equal(visitLogMetadata(payload.subarray(0, payload.length - 8), () => {}), false);
});

test("values keep their bits, NaN payloads too", () => {
  const values = new Float64Array(2);
  new BigUint64Array(values.buffer).set([0x7ff0000000000002n, 0xfff8000000000123n]);
  for (const version of [1, 2] as const) {
    const payload = encodeLogSamples(0, 0, [1, 2], [5, -5], values, version).subarray(logHeaderBytes);
    const rows = version === 1 ? payload : expandLogRows(payload)!;
    const view = new DataView(rows.buffer, rows.byteOffset + logRowsHeaderBytes);
    assert.deepEqual([view.getBigUint64(8, true), view.getBigUint64(24, true), view.getInt32(20, true)], [0x7ff0000000000002n, 0xfff8000000000123n, -5]);
  }
});
