// Syncs of the log on another thread: what they promise is kept over crashes and failures at every operation, with appends, rolls, checkpoints and syncs on this
// thread while one goes on; a segment that is full is not closed meanwhile, unless it is twice as large.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import { FaultyFileSystem, type FileOperation } from "../disk/faulty_file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { failEachOperation, simulateCrashes } from "../../testkit/crash_simulation.ts";
import { testSeed } from "../../testkit/seed.ts";
import { encodeLogMetadata, visitLogMetadata } from "./log_payload.ts";
import { LogReader } from "./log_reader.ts";
import { logSegmentNumbers } from "./log_segment.ts";
import { LogWriter } from "./log_writer.ts";

const kernel = new Kernel();
const directory = "/data/log";
const directoryId = "00112233445566778899aabbccddeeff";
const segmentBytesMax = 2000;

/** A disk whose other thread does what `later` is given when it is called back. */
function diskWithLog(later: (callback: () => void) => void): MemoryFileSystem {
  const files = new MemoryFileSystem({ later });
  files.makeDirectory(directory);
  files.syncDirectory("/");
  files.syncDirectory("/data");
  return files;
}

function openWriter(files: FileSystem): LogWriter {
  return new LogWriter({ files, directory, directoryId, firstSegment: 1, segmentBytesMax });
}

/** A record for each number. */
function records(from: number, to: number): Uint8Array {
  const each = Array.from({ length: to - from }, (_, i) => encodeLogMetadata({ accountId: 0, projectId: 0 }, [{ metricFamily: String(from + i), type: "counter", help: "", unit: "" }]));
  return Buffer.concat(each);
}

function rowsOf(files: FileSystem, firstSegment: number): number[] {
  const rows: number[] = [];
  const reader = new LogReader({ files, directory, directoryId, firstSegment, kernel });
  const visit = (_type: number, _version: number, pointer: number, size: number): void => {
    assert.ok(visitLogMetadata(kernel.u8.subarray(pointer, pointer + size), (_tenant, { metricFamily }) => rows.push(Number(metricFamily))));
  };
  while (reader.visitNextSegment(visit));
  return rows;
}

/** A random life of a log, which knows what the log has promised. */
class Workload {
  readonly writer: LogWriter;
  readonly #random: Random;
  /** Called back, the sync that goes on is done. */
  readonly #pending: (() => void)[];
  #going: Promise<void> | undefined;
  #acknowledged = 0;
  #synced = 0;
  #checkpoint = { segment: 1, row: 0 };
  inBackground = 0;

  constructor(files: FileSystem, random: Random, pending: (() => void)[]) {
    this.#random = random;
    this.#pending = pending;
    this.writer = openWriter(files);
  }

  async step(): Promise<void> {
    const choice = this.#random.int(12);
    try {
      if (choice < 5) this.#append();
      else if (choice === 5) this.#sync();
      else if (choice < 8) this.#startSync();
      else if (choice < 10) await this.finishSync();
      else if (choice === 10) this.writer.rollSegment();
      else this.#cut();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  #append(): void {
    const to = this.#acknowledged + this.#random.int(12);
    this.writer.append(records(this.#acknowledged, to));
    this.#acknowledged = to;
  }

  #sync(): void {
    const row = this.#acknowledged;
    this.writer.sync();
    this.#synced = Math.max(this.#synced, row);
  }

  #startSync(): void {
    if (this.#going !== undefined) return;
    const row = this.#acknowledged;
    const syncing = this.writer.startSync();
    if (syncing === undefined) this.#synced = Math.max(this.#synced, row);
    this.#going = syncing?.then(
      () => {
        this.#synced = Math.max(this.#synced, row);
        this.inBackground++;
      },
      (error: unknown) => assert.ok(error instanceof StorageError, String(error)),
    );
  }

  async finishSync(): Promise<void> {
    for (const done of this.#pending.splice(0)) done();
    await this.#going;
    this.#going = undefined;
  }

  #cut(): void {
    const row = this.#acknowledged;
    const segment = this.writer.rollSegment();
    this.#synced = Math.max(this.#synced, row);
    this.#checkpoint = { segment, row };
    this.writer.removeSegmentsBefore(segment);
  }

  check(disk: MemoryFileSystem, kind: "kill" | "power_loss"): void {
    const rows = rowsOf(disk, this.#checkpoint.segment);
    // What could not be read back for several times is given up, and the writer says so.
    const isWhole = this.writer.unrescuedBytes === 0;
    const promised = kind === "kill" ? this.#acknowledged : Math.max(isWhole ? this.#synced : 0, this.#checkpoint.row);
    const context = `promised ${promised}, acknowledged ${this.#acknowledged}, from ${this.#checkpoint.row}`;
    for (let i = 1; i < rows.length && (isWhole || kind === "kill"); i++) assert.ok(rows[i] > rows[i - 1], `rows once and in order: ${context}`);
    const known = new Set(rows);
    for (let row = this.#checkpoint.row; row < promised; row++) assert.ok(known.has(row), `row ${row} is missing: ${context}`);
  }
}

for (const isFailing of [false, true]) {
  test(`crashes at every operation keep what syncs on another thread promise${isFailing ? ", on a failing disk" : ""}`, async () => {
    const firstSeed = testSeed();
    let inBackground = 0;
    for (let seed = firstSeed; seed < firstSeed + 12; seed++) {
      const random = seededRandom(seed);
      const pending: (() => void)[] = [];
      let workload: Workload | undefined;
      await simulateCrashes({
        seed,
        disk: diskWithLog((callback) => pending.push(callback)),
        ...(isFailing && { faults: randomFaults(random) }),
        async run(files) {
          workload = new Workload(files, random, pending);
          for (let step = 0; step < 60; step++) await workload.step();
          await workload.finishSync();
          files.plan = undefined;
          workload.writer.sync();
        },
        check: (disk, kind) => workload?.check(disk, kind),
      });
      inBackground += workload?.inBackground ?? 0;
    }
    assert.ok(inBackground >= 10, `${inBackground} syncs on another thread`);
  });
}

/** One operation in 12 fails, sometimes several in a row. Reads do not fail. */
function randomFaults(random: Random): (operation: FileOperation) => { code: "EIO"; keptBytes: number } | undefined {
  let failing = 0;
  return ({ kind, sizeBytes }) => {
    if (kind === "read") return undefined;
    if (failing === 0 && random.int(12) === 0) failing = 1 + random.int(3);
    if (failing === 0) return undefined;
    failing--;
    return { code: "EIO", keptBytes: random.int(sizeBytes + 1) };
  };
}

test("each file operation fails while syncs go on another thread", async () => {
  let pending: (() => void)[] = [];
  const operations = await failEachOperation({
    fault: { code: "EIO", keptBytes: 30 },
    prepare: () => {
      pending = [];
      return diskWithLog((callback) => pending.push(callback));
    },
    async run(files, disk) {
      const workload = new Workload(files, seededRandom(5), pending);
      for (let step = 0; step < 50; step++) await workload.step();
      await workload.finishSync();
      workload.check(disk.killClone(), "kill");
      workload.check(disk.crashClone(seededRandom(2)), "power_loss");
      files.plan = undefined;
      workload.writer.sync();
      workload.check(disk.crashClone(seededRandom(1)), "power_loss");
    },
  });
  assert.ok(operations > 30);
});

test("a full segment is closed when the sync that goes on is done, or when it is twice as large", async () => {
  const pending: (() => void)[] = [];
  const files = new FaultyFileSystem(diskWithLog((callback) => pending.push(callback)));
  const writer = openWriter(files);
  const segments = (): number => logSegmentNumbers(files.list(directory)).length;
  const record = records(1, 2);
  let row = 0;
  const appendUntil = (bytes: number): void => {
    for (; writer.bytes < bytes; row++) writer.append(record);
  };
  appendUntil(500);
  writer.sync();
  appendUntil(1000);
  const syncing = writer.startSync();
  appendUntil(1.5 * segmentBytesMax);
  assert.equal(segments(), 1, "not closed while it is being synced");
  for (const done of pending.splice(0)) done();
  await syncing;
  appendUntil(writer.bytes + 1);
  assert.equal(segments(), 2, "closed by the next append");
  const second = writer.startSync();
  appendUntil(1.5 * segmentBytesMax + 2 * segmentBytesMax + 1000);
  assert.equal(segments(), 3, "closed when it is twice as large");
  for (const done of pending.splice(0)) done();
  await second;
  assert.equal(rowsOf(files, 1).length, row);
  writer.close();
});
