// Shows that files with right checksums but impossible numbers (a bug of a writer, a memory that flipped bits before the checksum was made) end in a
// typed error: no endless loop, no memory for what cannot be there. Each row was found by fuzzing (testkit/fuzz/).
import assert from "node:assert/strict";
import test from "node:test";
import { StorageError } from "../base/errors.ts";
import { readFile } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { randomSeries, runOf } from "../../testkit/column_runs.ts";
import { seededRandom } from "../base/random.ts";
import { logHeaderBytes, sealLogRecord } from "../kernel/log_record.ts";
import { defaultTenant } from "../model/matcher.ts";
import { checksumOf, copyIn, encodeTable, TableReader } from "./block_table.ts";
import { encodeLogSamples, encodeLogSeries } from "./log_payload.ts";
import { LogReader } from "./log_reader.ts";
import { encodeLogSegmentHeader, logSegmentHeaderBytes, logSegmentPath } from "./log_segment.ts";
import { lockDirectory } from "./directory_lock.ts";
import { Part } from "./part.ts";
import { decodePartFooter, encodePartFooter, encodePartHeader, partFooterBytes, type PartFooter } from "./part_footer.ts";
import { partFiles, PartWriter } from "./part_writer.ts";
import { decodeIndexEnds, encodeIndexFooter, encodeIndexHeader } from "./partition_index_format.ts";

const kernel = new Kernel();
const everything = { minMs: -8.64e15, maxMs: 8.64e15 };

function isDamage(error: unknown): boolean {
  return error instanceof StorageError;
}

/** A part of 600 series, in 3 header groups. */
function writtenPart(): { files: MemoryFileSystem; blocks: Uint8Array; footer: PartFooter } {
  const files = new MemoryFileSystem();
  files.makeDirectory("/part");
  const mark = kernel.mark();
  const writer = PartWriter.create(files, "/part", kernel);
  writer.append(runOf(randomSeries(600, 3, seededRandom(1))));
  writer.finish();
  kernel.reset(mark);
  const blocks = readFile(files, `/part/${partFiles.blocks}`);
  const footer = decodePartFooter(kernel, blocks.slice(-partFooterBytes), blocks.length);
  assert.ok(typeof footer !== "string");
  return { files, blocks, footer };
}

/** Opens the part with another directory and footer and asks it for series. */
function openPart(change: (columns: Float64Array[], footer: Record<string, number>) => void): void {
  const { files, blocks, footer } = writtenPart();
  const { directoryOffset, directorySize, groupCount } = footer;
  const bytes = blocks.slice(directoryOffset, directoryOffset + directorySize);
  const mark = kernel.mark();
  const reader = new TableReader(kernel, copyIn(kernel, bytes), bytes.length, "the directory");
  const columns = Array.from({ length: 5 }, () => reader.column(groupCount));
  kernel.reset(mark);
  const changed: Record<string, number> = { ...footer };
  change(columns, changed);
  const directory = encodeTable(kernel, columns).slice();
  changed["directorySize"] = directory.length;
  using file = files.open(`/part/${partFiles.blocks}`, "create");
  file.write(Buffer.concat([blocks.subarray(0, directoryOffset), directory, encodePartFooter(kernel, changed as unknown as PartFooter)]), 0);
  using part = Part.open(files, "/part");
  part.findBlocks(Uint32Array.from({ length: 700 }, (_, i) => i * 2), everything);
}

test("a part whose header groups are out of order is refused, instead of searched without end", () => {
  const reordered = (firstSeriesIds: readonly number[]) => (columns: Float64Array[], footer: Record<string, number>) => {
    columns.forEach((column, i) => (columns[i] = new Float64Array(firstSeriesIds.length).fill(column[0])));
    columns[0].set(firstSeriesIds);
    footer["groupCount"] = firstSeriesIds.length;
  };
  openPart(reordered([0, 1, 10, 10, 20, 30, 40]));
  assert.throws(() => openPart(reordered([0, 1, 10, 5, 20, 30, 40])), isDamage);
});

for (const name of ["seriesCount", "sampleCount", "blockCount"]) {
  test(`a part footer with ${name} below zero is refused`, () => assert.throws(() => openPart((_, footer) => (footer[name] = -1)), isDamage));
}

test("a footer with counts beyond whole numbers is refused", () => assert.throws(() => openPart((_, footer) => (footer["blockCount"] = 1e300)), isDamage));

test("log rows of series out of order are refused", () => {
  const { files } = writtenPart();
  const writeRows = (seriesIds: number[], logRows: number[]): void => {
    using file = files.open(`/part/${partFiles.logRows}`, "create");
    file.write(Buffer.concat([encodePartHeader(), encodeTable(kernel, [Float64Array.from(seriesIds), Float64Array.from(logRows)])]), 0);
  };
  using part = Part.open(files, "/part");
  writeRows([1, 5, 9], [1, 2, 3]);
  assert.deepEqual(part.lastLogRows()?.seriesIds, Uint32Array.of(1, 5, 9));
  for (const [seriesIds, logRows] of [[[1, 9, 5], [1, 2, 3]], [[1, 2 ** 32, 2 ** 33], [1, 2, 3]], [[0.5], [1]], [[1], [-1]]]) {
    writeRows(seriesIds, logRows);
    assert.throws(() => part.lastLogRows(), isDamage);
  }
});

test("a table takes no memory for rows that its bytes cannot hold", () => {
  const rows = 2 ** 30 - 1;
  const column = [255, 255, 255, 255, 3, 3, 2, 0, 0];
  const bytes = Uint8Array.of(...column, ...checksumOf(kernel, Uint8Array.from(column)));
  const mark = kernel.mark();
  const reader = new TableReader(kernel, copyIn(kernel, bytes), bytes.length, "a table");
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => reader.column(rows), isDamage);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
  kernel.reset(mark);
});

test("an index directory before the beginning of its file is refused", () => {
  for (const directoryOffset of [-(2 ** 40), 0, 15.5]) {
    const fileSize = 1000;
    const footer = encodeIndexFooter(kernel, { rowCount: 1, directoryOffset, directorySize: fileSize - 40 - directoryOffset });
    assert.equal(typeof decodeIndexEnds(kernel, encodeIndexHeader(), footer, fileSize), "string");
  }
});

const directoryId = "00112233445566778899aabbccddeeff";
const goodRecord = encodeLogSamples(1, 1_700_000_000_000, [1, 2], [1_700_000_000_000, 1_700_000_000_001], Float64Array.of(1, 2));
const goodRecordOfVersion1 = encodeLogSamples(1, 1_700_000_000_000, [1, 2], [1_700_000_000_000, 1_700_000_000_001], Float64Array.of(1, 2), 1);
const logRows: readonly { name: string; record: Uint8Array; change: (payload: DataView) => void }[] = [
  { name: "more samples than it has room for", record: goodRecord, change: (payload) => payload.setUint32(16, 3, true) },
  { name: "more samples, in version 1, than it has room for", record: goodRecordOfVersion1, change: (payload) => payload.setUint32(16, 3, true) },
  { name: "fewer samples than it has", record: goodRecord, change: (payload) => payload.setUint32(16, 1, true) },
  { name: "a value of nine bytes", record: goodRecord, change: (payload) => payload.setUint8(24, payload.getUint8(24) + 7) },
  { name: "billions of samples", record: goodRecord, change: (payload) => payload.setUint32(16, 2 ** 32 - 1, true) },
  { name: "a first row that is no number", record: goodRecord, change: (payload) => payload.setFloat64(0, NaN, true) },
  { name: "a time that is infinite", record: goodRecord, change: (payload) => payload.setFloat64(8, Infinity, true) },
  {
    name: "labels of a series that end behind it",
    record: encodeLogSeries([{ seriesId: 1, tenant: defaultTenant, labels: new Uint8Array(20) }]),
    change: (payload) => payload.setUint32(12, 4000, true),
  },
];

for (const { name, record, change } of logRows) {
  test(`a log record with ${name} is stepped over and reported`, () => {
    const bad = record.slice();
    const payload = new DataView(bad.buffer, logHeaderBytes);
    const payloadSize = new DataView(bad.buffer).getUint32(0, true);
    change(payload);
    sealLogRecord(bad, 0, payloadSize, bad[8], bad[9]);
    const files = new MemoryFileSystem();
    files.makeDirectory("/log");
    using file = files.open(logSegmentPath("/log", 1), "create");
    file.write(Buffer.concat([encodeLogSegmentHeader({ number: 1, directoryId, previous: undefined }), bad, goodRecord]), 0);
    const reader = new LogReader({ files, directory: "/log", directoryId, firstSegment: 1, kernel });
    let visited = 0;
    while (reader.visitNextSegment(() => visited++));
    assert.equal(visited, 1);
    assert.deepEqual(reader.recovery().issues, [{ kind: "damaged_records", segment: 1, offset: logSegmentHeaderBytes, sizeBytes: bad.length }]);
  });
}

for (const [name, value] of [["minMs", -9e15], ["maxMs", 9e15]] as const) {
  test(`a part footer with a ${name} that is no time is refused`, () => assert.throws(() => openPart((_, footer) => (footer[name] = value)), isDamage));
}

const owners = [
  { name: "a time that is none", owner: { pid: 7, processStart: "start", sinceMs: 1e300, token: "t" } },
  { name: "a process id beyond all", owner: { pid: 1e20, processStart: "start", sinceMs: 0, token: "t" } },
  { name: "a negative process id", owner: { pid: -1, processStart: "start", sinceMs: 0, token: "t" } },
];

for (const { name, owner } of owners) {
  test(`a lock with ${name} is one of a process that is gone`, () => {
    const files = new MemoryFileSystem();
    files.makeDirectory("/data");
    using file = files.open("/data/lock", "create");
    file.write(new TextEncoder().encode(JSON.stringify(owner)), 0);
    using lock = lockDirectory(files, "/data", { processes: { pid: 1, startOf: () => "start" }, nowMs: 0, token: "own" });
    assert.ok(lock !== undefined);
  });
}
