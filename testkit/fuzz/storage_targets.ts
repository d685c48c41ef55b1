/** Files of a data directory, each read on its own: parts, index segments, the log, the manifest, the lock. */
import { StorageError, TidemarkError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { readFile } from "../../src/disk/file_system.ts";
import { MemoryFileSystem } from "../../src/disk/memory_file_system.ts";
import { checksumHexOfBytes, checksumOfBytes } from "../../src/kernel/checksum.ts";
import { blockSampleCountMax } from "../../src/kernel/codec.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { checkLogRecord, logHeaderBytes, logPayloadBytesMax, logRecordSize, sealLogRecord } from "../../src/kernel/log_record.ts";
import { decodeLabelRun, encodeLabelRun, isLabelRun } from "../../src/model/labels.ts";
import { defaultTenant, type Selector } from "../../src/model/matcher.ts";
import { sampleCountOf } from "../../src/storage/block_list.ts";
import { checksumBytes, copyIn, encodeTable, TableReader } from "../../src/storage/block_table.ts";
import { lockDirectory } from "../../src/storage/directory_lock.ts";
import { ExemplarTable } from "../../src/storage/exemplar_table.ts";
import { encodeLogExemplars, encodeLogMetadata, encodeLogSamples, encodeLogSeries, logRecordTypes, visitLogExemplars, visitLogMetadata, visitLogSeries } from "../../src/storage/log_payload.ts";
import { LogReader } from "../../src/storage/log_reader.ts";
import { encodeLogSegmentHeader, logSegmentHeaderBytes, logSegmentPath } from "../../src/storage/log_segment.ts";
import { decodeManifest, encodeManifest } from "../../src/storage/manifest_state.ts";
import { decodePartFooter, encodePartFooter, partFooterBytes, partHeaderBytes, type PartFooter } from "../../src/storage/part_footer.ts";
import { Part } from "../../src/storage/part.ts";
import { verifyPart } from "../../src/storage/part_verify.ts";
import { partFiles, PartWriter } from "../../src/storage/part_writer.ts";
import { partitionOf } from "../../src/storage/partition.ts";
import { encodeIndexFooter, indexFooterBytes, indexHeaderBytes } from "../../src/storage/partition_index_format.ts";
import { IndexSegmentWriter } from "../../src/storage/partition_index_writer.ts";
import { IndexSegment } from "../../src/storage/partition_index.ts";
import { SegmentCache } from "../../src/storage/segment_cache.ts";
import { searchSegments } from "../../src/storage/segment_search.ts";
import { randomSeries, runOf } from "../column_runs.ts";
import { expect } from "./expectation.ts";
import { type FuzzSeed, type FuzzTarget, once, pooled } from "./fuzz_target.ts";
import { randomLabelSet, randomRuns } from "./label_seeds.ts";

const startMs = 1_700_000_000_000;
const everything = { minMs: -8.64e15, maxMs: 8.64e15 };
const kernelOf = once(() => new Kernel());

/** A disk with one file. */
function diskWith(path: string, bytes: Uint8Array): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
  using file = files.open(path, "create");
  file.write(bytes, 0);
  return files;
}

/** Bytes that are followed by their checksum. */
interface Checked {
  readonly from: number;
  readonly to: number;
}

function sealChecked(bytes: Uint8Array, { from, to }: Checked): void {
  const hex = checksumHexOfBytes(bytes.subarray(from, to));
  bytes.set(Buffer.from(hex, "hex").reverse(), to);
}

// ---- tables ----------------------------------------------------------------------------------------------------------------

const oddNumbers = [-1, 0, 0.5, 1, 15, 16, 255, 256, 8192, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53, 1e300, Infinity, -Infinity, NaN];

/** Columns with some of their numbers replaced, or too long or short. */
function oddColumns(columns: readonly Float64Array[], random: Random): Float64Array[] {
  const odd = columns.map((column) => column.slice());
  for (let change = random.int(4); change >= 0; change--) {
    const at = random.int(odd.length);
    const column = odd[at];
    if (random.int(8) === 0) odd[at] = column.subarray(0, random.int(column.length + 1));
    else if (random.int(12) === 0) odd[at] = new Float64Array(random.int(100_000)).fill(column[0] ?? 0);
    else if (random.int(6) === 0) column.fill(oddNumbers[random.int(oddNumbers.length)]);
    else if (random.int(4) === 0) column.reverse();
    else if (column.length > 0) column[random.int(column.length)] = random.int(3) === 0 ? random.int(2 ** 32) : oddNumbers[random.int(oddNumbers.length)];
  }
  return odd;
}

/** All columns of a table in `bytes`. */
function tableColumns(bytes: Uint8Array): Float64Array[] {
  const kernel = kernelOf();
  const mark = kernel.mark();
  const reader = new TableReader(kernel, copyIn(kernel, bytes), bytes.length, "a table");
  const columns: Float64Array[] = [];
  while (!reader.isAtEnd) columns.push(reader.column(2 ** 24));
  kernel.reset(mark);
  return columns;
}

function tableSeed(random: Random): FuzzSeed {
  const columns = Array.from({ length: 1 + random.int(4) }, () => {
    const step = random.int(3);
    return Float64Array.from({ length: random.int([3, 40, 10_000][random.int(3)]) }, (_, i) => i * step);
  });
  const bytes = encodeTable(kernelOf(), columns).slice();
  return { bytes, seal: (changed) => sealChecked(changed, { from: 0, to: changed.length - checksumBytes }) };
}

function runTable(input: Uint8Array): void {
  const kernel = kernelOf();
  const mark = kernel.mark();
  try {
    const reader = new TableReader(kernel, copyIn(kernel, input), input.length, "a table");
    for (let columns = 0; !reader.isAtEnd; columns++) {
      if (columns > 100) throw new StorageError("corrupt_table", "more columns than any table has");
      reader.column(2 ** 16);
    }
  } finally {
    kernel.reset(mark);
  }
}

// ---- parts -----------------------------------------------------------------------------------------------------------------

function writtenPart(random: Random): { blocks: Uint8Array; logRows: Uint8Array } {
  const files = new MemoryFileSystem();
  files.makeDirectory("/part");
  const kernel = kernelOf();
  const mark = kernel.mark();
  const writer = PartWriter.create(files, "/part", kernel, { codec: random.int(2) === 0 ? "fast" : "compact" });
  const [seriesCount, samplesMax] = [[1, 3], [12, 40], [400, 3], [3, 900]][random.int(4)];
  writer.append(runOf(randomSeries(1 + random.int(seriesCount), samplesMax, random)));
  writer.finish();
  kernel.reset(mark);
  return { blocks: readFile(files, `/part/${partFiles.blocks}`), logRows: readFile(files, `/part/${partFiles.logRows}`) };
}

function footerOf(blocks: Uint8Array): PartFooter {
  const footer = decodePartFooter(kernelOf(), blocks.slice(-partFooterBytes), blocks.length);
  if (typeof footer === "string") throw new Error(footer);
  return footer;
}

/** Everything in a part file that has a checksum behind it. */
function checkedOfPart(blocks: Uint8Array): Checked[] {
  const { directoryOffset, directorySize } = footerOf(blocks);
  const [, offsets, sizes] = tableColumns(blocks.slice(directoryOffset, directoryOffset + directorySize));
  const checked: Checked[] = [];
  using part = Part.open(diskWith(`/part/${partFiles.blocks}`, blocks), "/part");
  for (let group = 0; group < part.groupCount; group++) {
    const list = part.readGroup(group);
    for (let i = 0; i < list.count; i++) {
      checked.push({ from: list.valuesFrames[i], to: list.valuesFrames[i] + list.valuesFrameSizes[i] });
      checked.push({ from: list.timestampsFrames[i], to: list.timestampsFrames[i] + list.timestampsFrameSizes[i] });
    }
    checked.push({ from: offsets[group], to: offsets[group] + sizes[group] - checksumBytes });
  }
  const footerFrom = blocks.length - partFooterBytes;
  checked.push({ from: directoryOffset, to: directoryOffset + directorySize - checksumBytes }, { from: footerFrom, to: footerFrom + 64 });
  return [...new Map(checked.map((one) => [one.to, one])).values()];
}

const partOf = pooled((random) => {
  const { blocks } = writtenPart(random);
  return { blocks, seal: sealAll(checkedOfPart(blocks)) };
});

function partSeed(random: Random): FuzzSeed {
  const { blocks, seal } = partOf(random);
  return random.int(2) === 0 ? { bytes: oddPart(blocks, random), isValid: false } : { bytes: blocks, seal };
}

/** A part whose directory, header groups or footer hold odd numbers behind right checksums. */
function oddPart(blocks: Uint8Array, random: Random): Uint8Array {
  const footer: Record<string, number> = { ...footerOf(blocks) };
  const { directoryOffset, directorySize } = footer;
  const columns = tableColumns(blocks.slice(directoryOffset, directoryOffset + directorySize));
  const kernel = kernelOf();
  let body = blocks.slice(0, directoryOffset);
  if (random.int(2) === 0) {
    // Another header group at the end of the data.
    const group = random.int(columns[1].length);
    const headers = tableColumns(blocks.slice(columns[1][group], columns[1][group] + columns[2][group]));
    const odd = encodeTable(kernel, oddColumns(headers, random)).slice();
    columns[1][group] = body.length;
    columns[2][group] = odd.length;
    body = Buffer.concat([body, odd]);
  }
  const directory = encodeTable(kernel, random.int(2) === 0 ? columns : oddColumns(columns, random)).slice();
  footer["directoryOffset"] = body.length;
  footer["directorySize"] = directory.length;
  if (random.int(3) === 0) {
    const names = Object.keys(footer);
    footer[names[random.int(names.length)]] = oddNumbers[random.int(oddNumbers.length)];
  }
  return Buffer.concat([body, directory, encodePartFooter(kernel, footer as unknown as PartFooter)]);
}

/** Reads all of a part as queries, merges and verification do. */
function runPart(input: Uint8Array): void {
  using part = Part.open(diskWith(`/part/${partFiles.blocks}`, input), "/part");
  const problems = verifyPart(part);
  const wanted = Uint32Array.from({ length: 50 }, (_, i) => i * 3);
  for (const ids of [wanted, Uint32Array.of(0, 2 ** 31, 2 ** 32 - 1)]) {
    const list = part.findBlocks(ids, everything);
    for (let i = 0; i < list.count; i++) expect(ids.includes(list.seriesIds[i]), `series ${list.seriesIds[i]} was not asked for`);
    readAll(part, list);
  }
  if (problems.length > 0) throw new StorageError("corrupt_part", problems[0].message);
}

function readAll(part: Part, list: ReturnType<Part["findBlocks"]>): void {
  const kernel = kernelOf();
  const mark = kernel.mark();
  const capacity = Math.min(sampleCountOf(list), 64 * blockSampleCountMax);
  const timestamps = kernel.allocate(capacity * 8);
  const values = kernel.allocate(capacity * 8);
  try {
    for (let from = 0, to = 0; from < list.count; from = to) {
      for (let samples = 0; to < list.count && samples + list.sampleCounts[to] <= capacity; to++) samples += list.sampleCounts[to];
      part.readBlocks(kernel, list, from, to, timestamps, values, capacity);
    }
  } finally {
    kernel.reset(mark);
  }
}

const samplePart = once(() => {
  const files = new MemoryFileSystem();
  files.makeDirectory("/part");
  const kernel = kernelOf();
  const mark = kernel.mark();
  const writer = PartWriter.create(files, "/part", kernel);
  writer.append({ seriesCount: 300, seriesIds: Uint32Array.from({ length: 300 }, (_, i) => i * 2 + 1), sampleFrom: Uint32Array.from({ length: 301 }, (_, i) => i), timestampsMs: new Float64Array(300).fill(startMs), values: new Float64Array(300), lastLogRows: Float64Array.from({ length: 300 }, (_, i) => i + 1) });
  writer.finish();
  kernel.reset(mark);
  return { files, logRows: readFile(files, `/part/${partFiles.logRows}`) };
});

function logRowsSeed(random: Random): FuzzSeed {
  const { logRows } = samplePart();
  if (random.int(2) === 0) return { bytes: logRows, seal: (bytes) => sealChecked(bytes, { from: partHeaderBytes, to: bytes.length - checksumBytes }) };
  const table = encodeTable(kernelOf(), oddColumns(tableColumns(logRows.slice(partHeaderBytes)), random));
  return { bytes: Buffer.concat([logRows.subarray(0, partHeaderBytes), table]), isValid: false };
}

function runLogRows(input: Uint8Array): void {
  const { files } = samplePart();
  using file = files.open(`/part/${partFiles.logRows}`, "create");
  file.write(input, 0);
  using part = Part.open(files, "/part");
  const rows = part.lastLogRows();
  if (rows === undefined) return;
  expect(rows.seriesIds.length === rows.logRows.length, "a row for each series");
  for (let i = 1; i < rows.seriesIds.length; i++) expect(rows.seriesIds[i] >= rows.seriesIds[i - 1], "series ids ascend");
}

// ---- index segments --------------------------------------------------------------------------------------------------------

const segmentPath = "/index/1.tdi";
const partition = partitionOf(startMs);

function writtenSegment(random: Random): Uint8Array {
  const files = new MemoryFileSystem();
  files.makeDirectory("/index");
  const runs = randomRuns(1 + random.int(random.int(3) === 0 ? 300 : 20), random);
  const labelOffsets = new Uint32Array(runs.length + 1);
  runs.forEach((run, i) => (labelOffsets[i + 1] = labelOffsets[i] + run.length));
  const writer = new IndexSegmentWriter(partition);
  writer.add({
    rowCount: runs.length,
    seriesIds: Uint32Array.from(runs, (_, i) => i + 1),
    accountIds: new Uint32Array(runs.length),
    projectIds: new Uint32Array(runs.length),
    minMs: new Float64Array(runs.length).fill(startMs),
    maxMs: Float64Array.from(runs, () => startMs + random.int(1e8)),
    labels: Buffer.concat(runs),
    labelOffsets,
  });
  writer.finish(files, segmentPath);
  return readFile(files, segmentPath);
}

const segmentOf = pooled((random) => {
  const bytes = writtenSegment(random);
  using segment = IndexSegment.open(diskWith(segmentPath, bytes), segmentPath);
  return { bytes, sections: segment.sections, rowCount: segment.rowCount, seal: sealAll(checkedOfSegment(bytes)) };
});

function indexSeed(random: Random): FuzzSeed {
  const { bytes, sections, rowCount, seal } = segmentOf(random);
  return random.int(2) === 0 ? { bytes: oddSegment(bytes, sections, rowCount, random), isValid: false } : { bytes, seal };
}

/** Everything in an index segment that has a checksum behind it. */
function checkedOfSegment(bytes: Uint8Array): Checked[] {
  using segment = IndexSegment.open(diskWith(segmentPath, bytes), segmentPath);
  const footerFrom = bytes.length - indexFooterBytes;
  const checked = segment.sections.map(({ offset, size }): Checked => ({ from: offset, to: offset + size - checksumBytes }));
  checked.push({ from: segment.directoryOffset, to: footerFrom - checksumBytes }, { from: footerFrom, to: footerFrom + 24 });
  return checked;
}

type Sections = IndexSegment["sections"];

/** A segment with odd numbers in one of its tables, its directory or its footer, behind right checksums. */
function oddSegment(bytes: Uint8Array, sections: Sections, rowCount: number, random: Random): Uint8Array {
  const kernel = kernelOf();
  const chosen = random.int(sections.length + 1);
  const parts: Uint8Array[] = [bytes.slice(0, indexHeaderBytes)];
  const directory = [new Float64Array(sections.length), new Float64Array(sections.length), new Float64Array(sections.length)];
  let offset = indexHeaderBytes;
  for (const [i, section] of sections.entries()) {
    const part = i === chosen ? oddSection(bytes.slice(section.offset, section.offset + section.size), random) : bytes.slice(section.offset, section.offset + section.size);
    parts.push(part);
    [directory[0][i], directory[1][i], directory[2][i]] = [section.kind, offset, part.length];
    offset += part.length;
  }
  const table = encodeTable(kernel, chosen === sections.length || random.int(6) === 0 ? oddColumns(directory, random) : directory).slice();
  const footer = { rowCount, directoryOffset: offset, directorySize: table.length };
  const odd = (value: number): number => (random.int(12) === 0 ? oddNumbers[random.int(oddNumbers.length)] : value);
  const written = encodeIndexFooter(kernel, { rowCount: Math.abs(odd(footer.rowCount)) >>> 0, directoryOffset: odd(footer.directoryOffset), directorySize: odd(footer.directorySize) });
  return Buffer.concat([...parts, table, written]);
}

/** A table with odd numbers; a section that is no table, with odd bytes. */
function oddSection(section: Uint8Array, random: Random): Uint8Array {
  try {
    return encodeTable(kernelOf(), oddColumns(tableColumns(section), random)).slice();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    for (let change = random.int(6); change >= 0; change--) section[random.int(section.length)] = random.int(256);
    sealChecked(section, { from: 0, to: section.length - checksumBytes });
    return section;
  }
}

function runIndex(input: Uint8Array): void {
  using segment = IndexSegment.open(diskWith(segmentPath, input), segmentPath);
  for (const rows of segment.batches()) {
    for (let i = 0; i < rows.rowCount; i++) {
      expect(rows.labelOffsets[i] <= rows.labelOffsets[i + 1] && rows.labelOffsets[i + 1] <= rows.labels.length, "label runs lie in the labels");
      decodeLabelRun(rows.labels, rows.labelOffsets[i], rows.labelOffsets[i + 1]);
    }
  }
  for (const value of ["metric_1", "metric_7", "none"]) segment.postings("__name__", value);
  segment.postings("label_3", "value-1");
}

const questions: readonly Selector[] = [
  [[{ name: "__name__", op: "=", value: "metric_1" }]],
  [[{ name: "label_3", op: "=~", value: "value-1.*|x" }, { name: "label_4", op: "!=", value: "" }], [{ name: "__name__", op: "!~", value: "metric_.*" }]],
  [[]],
];

/** Asks a segment as queries of old months do, and takes the labels of what it finds. */
function runSegmentSearch(input: Uint8Array): void {
  const cache = new SegmentCache({ files: diskWith(segmentPath, input), seeds: new Uint8Array(16).fill(7), budgetBytes: 8 << 20 });
  const ref = { partition: partition.name, path: segmentPath, minMs: partition.minMs, maxMs: partition.maxMs, rowCount: 100, sizeBytes: input.length, isActivityExact: input.length % 2 === 0 };
  const damage: unknown[] = [];
  for (const selector of questions) {
    const steps = searchSegments(cache, { live: [], aliases: [], indexSegments: [ref] }, { tenant: defaultTenant, selector, range: { minMs: startMs, maxMs: startMs + 1e7 } }, (_, error) => damage.push(error));
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    for (const { rows } of step.value.segments) cache.use(ref, (segment) => rows.forEach((row) => segment.labels(row)));
  }
  if (damage.length > 0) throw damage.find((error) => !(error instanceof TidemarkError)) ?? damage[0];
}

// ---- the log ---------------------------------------------------------------------------------------------------------------

const logDirectory = "/data/log";
const directoryId = "00112233445566778899aabbccddeeff";

function randomRecord(random: Random): Uint8Array {
  const count = random.int(20);
  const tenant = defaultTenant;
  switch (random.int(4)) {
    case 0:
      return encodeLogSamples(random.int(1e6), startMs, Array.from({ length: count }, (_, i) => i + 1), Array.from({ length: count }, () => startMs + random.int(1000)), new Float64Array(count));
    case 1:
      return encodeLogSeries(Array.from({ length: count }, (_, i) => ({ seriesId: i + 1, tenant, labels: encodeLabelRun(randomLabelSet(random)) })));
    case 2:
      return encodeLogExemplars(tenant, Array.from({ length: count }, (_, i) => ({ labelRun: encodeLabelRun(randomLabelSet(random)), exemplarRun: encodeLabelRun([{ name: "trace_id", value: String(i) }]), value: i, timestampMs: startMs + i })));
    default:
      return encodeLogMetadata(tenant, [{ metricFamily: "metric_1", type: "counter", help: "h".repeat(random.int(300)), unit: "" }]);
  }
}

function logSeed(random: Random): FuzzSeed {
  const header = encodeLogSegmentHeader({ number: 2, directoryId, previous: random.int(3) === 0 ? undefined : { number: 1, end: logSegmentHeaderBytes + 400 } });
  const records = Array.from({ length: random.int(8) }, () => randomRecord(random));
  const places: number[] = [];
  let end = header.length;
  for (const record of records) {
    places.push(end);
    end += record.length;
  }
  return { bytes: Buffer.concat([header, ...records]), seal: (bytes) => sealLog(bytes, places) };
}

/** Makes the checks of the header and of all records right that began at these places and still fit. */
function sealLog(bytes: Uint8Array, places: readonly number[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length >= logSegmentHeaderBytes) view.setUint32(56, checksumOfBytes(bytes.subarray(0, 56)), true);
  for (const at of places) {
    if (at + logHeaderBytes > bytes.length) continue;
    const payloadSize = view.getUint32(at, true);
    if (payloadSize > logPayloadBytesMax || at + logRecordSize(payloadSize) > bytes.length) continue;
    sealLogRecord(bytes, at, payloadSize, bytes[at + 8], bytes[at + 9]);
  }
}

function runLog(input: Uint8Array): void {
  const files = diskWith(logSegmentPath(logDirectory, 2), input);
  for (const [number, previous] of [[1, undefined], [3, { number: 2, end: input.length }]] as const) {
    using file = files.open(logSegmentPath(logDirectory, number), "create");
    file.write(Buffer.concat([encodeLogSegmentHeader({ number, directoryId, previous }), encodeLogSeries([{ seriesId: 9, tenant: defaultTenant, labels: encodeLabelRun([{ name: "a", value: "b" }]) }])]), 0);
  }
  const kernel = kernelOf();
  const reader = new LogReader({ files, directory: logDirectory, directoryId, firstSegment: 1, kernel });
  let isWhole = true;
  const visit = (type: number, _version: number, pointer: number, size: number): void => {
    expect(size <= logPayloadBytesMax && pointer % 8 === 0, "a payload of the size and place that records have");
    const payload = kernel.u8.slice(pointer, pointer + size);
    if (type === logRecordTypes.newSeries.type) {
      isWhole &&= visitLogSeries(payload, (_id, _account, _project, offset, labelsSize) => expect(offset + labelsSize <= payload.length, "labels lie in the payload"));
    } else if (type === logRecordTypes.metadata.type) {
      isWhole &&= visitLogMetadata(payload, (_tenant, { metricFamily }) => expect(typeof metricFamily === "string", "a name"));
    } else if (type === logRecordTypes.exemplars.type) {
      isWhole &&= visitLogExemplars(payload, (_tenant, { labelRun }) => expect(isLabelRun(labelRun, 0, labelRun.length), "labels of a series"));
      new ExemplarTable().replay(payload);
    }
  };
  while (reader.visitNextSegment(visit));
  const { issueCount, issues } = reader.recovery();
  if (issueCount > 0 && input.length >= logSegmentHeaderBytes) throw new StorageError("damaged_log", issues[0].kind);
  if (!isWhole) throw new StorageError("damaged_log", "a payload ends early");
}

// ---- manifest and lock -----------------------------------------------------------------------------------------------------

function manifestSeed(random: Random): FuzzSeed {
  const parts = Array.from({ length: random.int(4) }, (_, i) => ({
    id: i + 1, files: [partFiles.blocks, partFiles.logRows], seriesCount: 3, sampleCount: 10, minMs: startMs, maxMs: startMs + 1, sizeBytes: 1000,
  }));
  const bytes = encodeManifest({
    directoryId,
    fingerprintSeed: ["0011223344556677", "8899aabbccddeeff"],
    shardCount: 1 + random.int(3),
    nextPartId: 10,
    nextSeriesId: 100,
    checkpoint: { segment: 1 + random.int(5), logRow: random.int(1000) },
    formats: { log: 1, part: 1, index: 1 },
    partitions: [{ name: "2023-11", parts, indexSegments: [{ id: 8, files: ["index/8.tdi"], seriesCount: 3, sizeBytes: 100 }] }],
  });
  return { bytes, seal: sealManifest };
}

function sealManifest(bytes: Uint8Array): void {
  const lineEnd = bytes.indexOf(10) + 1;
  if (lineEnd > 0) bytes.set(Buffer.from(`xxh64 ${checksumHexOfBytes(bytes.subarray(0, lineEnd))}\n`).subarray(0, bytes.length - lineEnd), lineEnd);
}

const jsonWords = ["{", "}", "[", "]", '"', ",", ":", "null", "-1", "1e999", "9007199254740993", '"__proto__":', '"../x"', "[[[[[[", '{"a":'];

function lockSeed(random: Random): FuzzSeed {
  const owner = { pid: 2 + random.int(20), processStart: random.int(2) === 0 ? "start" : "other", sinceMs: startMs, token: "t1" };
  return { bytes: Buffer.from(JSON.stringify(owner) + "\n"), isValid: false };
}

/** Processes with even ids live. */
const processes = { pid: 1, startOf: (pid: number): string | undefined => (pid === 1 || pid % 2 === 0 ? "start" : undefined) };

function runLock(input: Uint8Array): void {
  const files = diskWith("/data/lock", input);
  using lock = lockDirectory(files, "/data", { processes, nowMs: startMs, token: "own" });
  expect(lock !== undefined && files.list("/data").includes("lock"), "the lock is held");
}

// ---- files of a directory --------------------------------------------------------------------------------------------------

/** Makes the checksums of a file of this name right that has the size and structure of `bytes`. */
export function sealOfFile(path: string, bytes: Uint8Array): (changed: Uint8Array) => void {
  if (path.endsWith(partFiles.blocks)) return sealAll(checkedOfPart(bytes));
  if (path.endsWith(partFiles.logRows)) return sealAll([{ from: partHeaderBytes, to: bytes.length - checksumBytes }]);
  if (path.endsWith(".log")) return (changed) => sealLog(changed, recordPlaces(bytes));
  if (path.includes("/index/")) return sealAll(checkedOfSegment(bytes));
  return sealManifest;
}

function sealAll(checked: readonly Checked[]): (bytes: Uint8Array) => void {
  return (bytes) => checked.forEach((one) => sealChecked(bytes, one));
}

function recordPlaces(bytes: Uint8Array): number[] {
  const places: number[] = [];
  for (let at = logSegmentHeaderBytes; at < bytes.length; ) {
    const size = checkLogRecord(bytes, at);
    if (size > 0) places.push(at);
    at += Math.max(size, 8);
  }
  return places;
}

export const storageTargets: readonly FuzzTarget[] = [
  { name: "table", covers: ["TableReader"], make: tableSeed, run: runTable, memoryBytesMax: (size) => (1 << 20) + size * 65536 },
  { name: "part", covers: ["Part", "checkPartHeader", "decodePartFooter", "HeaderReader", "FrameSet", "verifyPart"], make: partSeed, run: runPart, memoryBytesMax: (size) => (64 << 20) + size * 1024 },
  { name: "log_rows", covers: ["Part"], make: logRowsSeed, run: runLogRows },
  { name: "index_segment", covers: ["IndexSegment", "IndexFile", "readIndexPairs", "decodeIndexEnds"], make: indexSeed, run: runIndex, memoryBytesMax: (size) => (64 << 20) + size * 1024 },
  { name: "segment_search", covers: ["SegmentIndex"], make: indexSeed, run: runSegmentSearch, memoryBytesMax: (size) => (96 << 20) + size * 1024 },
  { name: "log", covers: ["LogReader", "decodeLogSegmentHeader", "visitLogSeries", "visitLogMetadata", "visitLogExemplars"], make: logSeed, run: runLog },
  { name: "manifest", covers: ["decodeManifest"], make: manifestSeed, words: jsonWords, run: (input) => void decodeManifest(input, "manifest") },
  { name: "lock", covers: ["lockDirectory", "ownerOf"], make: lockSeed, words: jsonWords, run: runLock },
];
