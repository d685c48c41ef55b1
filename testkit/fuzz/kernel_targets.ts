/** Kernels that decode untrusted bytes, in a memory that notices every byte touched outside. */
import { InputError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { type ClassicCodec, classicCodecs, classicEncodedSizeMax, classicScratchBytes, decodeClassic, encodeClassic } from "../../src/kernel/classic_codecs.ts";
import { blockSampleCountMax, codecErrors, codecScratchBytes, decodeColumn, decodeColumnRange, decodeWholeBytes, encodeColumn, encodedSizeMax } from "../../src/kernel/codec.ts";
import { decodeBlocks, decodeBlocksScratchBytes, decodeRow } from "../../src/kernel/codec_blocks.ts";
import { hostileColumns, typicalColumns } from "../../src/kernel/codec_columns.ts";
import { HeaderDecoder } from "../../src/kernel/codec_headers.ts";
import { expandLabelRows, packLabelRows, PairInterner } from "../../src/kernel/codec_label_rows.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { checkLogRecord, checkLogRecordInKernel, findLogHeader, findLogHeaderInKernel, logHeaderBytes, logRecordSize, sealLogRecord } from "../../src/kernel/log_record.ts";
import { snappyDecode, snappyDecodedSize, snappySourceSlackBytes, snappyTargetSlackBytes } from "../../src/kernel/snappy.ts";
import { checksumBytes } from "../../src/storage/block_table.ts";
import { encodeHeaderGroup } from "../../src/storage/part_header.ts";
import { snappyCompress } from "../remote_write_body.ts";
import { blockAggregates } from "../../src/storage/block_list.ts";
import { expect } from "./expectation.ts";
import type { FuzzSeed, FuzzTarget } from "./fuzz_target.ts";
import { once } from "./fuzz_target.ts";
import { GuardedKernel } from "./guarded_kernel.ts";
import { randomLabels, randomRuns } from "./label_seeds.ts";

const columns = [...typicalColumns, ...hostileColumns];
const kernelInputMax = 128 << 10;

/** Encodings are made in a kernel of their own. */
const encoder = once(() => {
  const kernel = new Kernel();
  return {
    kernel,
    source: kernel.allocate(blockSampleCountMax * 8),
    target: kernel.allocate(classicEncodedSizeMax(blockSampleCountMax) + encodedSizeMax(blockSampleCountMax)),
    scratch: kernel.allocate(Math.max(codecScratchBytes(kernel), classicScratchBytes(kernel))),
  };
});

function sampleCount(random: Random): number {
  return 1 + random.int([4, 130, 130, 600, blockSampleCountMax][random.int(5)]);
}

function encodedColumn(count: number, random: Random): Uint8Array {
  const { kernel, source, target, scratch } = encoder();
  const column = columns[random.int(columns.length)];
  kernel.f64.set(column.make(count, random), source / 8);
  const size = encodeColumn(kernel, source, count, column.kind, target, scratch, random.int(2) === 0 ? "fast" : "compact");
  return kernel.u8.slice(target, target + size);
}

/** An input is u16 count and a column. */
function columnSeed(random: Random): FuzzSeed {
  const count = sampleCount(random);
  return { bytes: Buffer.concat([u16(count), encodedColumn(count, random)]) };
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >> 8);
}

/** The number at `at`, 0 behind the end. */
function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

const columnGuard = once(() => {
  const guard = new GuardedKernel(2 << 20);
  return { guard, target: guard.area(blockSampleCountMax * 8 + 8), scratch: guard.area(codecScratchBytes(guard.kernel)) };
});

/** Runs a decoder of one column; it may write exactly `count` doubles, and none if it refuses the count. */
function runColumn(input: Uint8Array, decode: (kernel: Kernel, pointer: number, size: number, count: number, target: number, scratch: number) => number): void {
  const { guard, target, scratch } = columnGuard();
  const count = u16At(input, 0);
  const bytes = input.subarray(2, kernelInputMax);
  guard.clear(target, target + blockSampleCountMax * 8 + 8);
  const error = decode(guard.kernel, guard.place(bytes), bytes.length, count, target, scratch);
  guard.check();
  guard.expectUntouched(target + (count > blockSampleCountMax ? 0 : count * 8), target + blockSampleCountMax * 8 + 8);
  expect(error >= 0 && error < codecErrors.length, `error number ${error}`);
  if (error !== 0) throw new InputError("malformed_column", codecErrors[error]);
}

const rangeGuard = once(() => {
  const guard = new GuardedKernel(2 << 20);
  return { guard, target: guard.area(blockSampleCountMax * 8 + 8), scratch: guard.area(codecScratchBytes(guard.kernel)), whole: guard.area(decodeWholeBytes) };
});

/** An input is u16 from, u16 to, and that of columnSeed. */
function columnRangeSeed(random: Random): FuzzSeed {
  const { bytes } = columnSeed(random);
  const count = u16At(bytes, 0);
  const from = random.int(count);
  return { bytes: Buffer.concat([u16(from), u16(from + 1 + random.int(count - from)), bytes]) };
}

/** Writes exactly the samples of the range. Of damaged columns they may be others than when all are decoded: sums of huge steps are rounded elsewhere. */
function runColumnRange(input: Uint8Array): void {
  const { guard, target, scratch, whole } = rangeGuard();
  const [from, to, count] = [u16At(input, 0), u16At(input, 2), u16At(input, 4)];
  const bytes = input.subarray(6, kernelInputMax);
  const end = target + blockSampleCountMax * 8 + 8;
  guard.clear(target, end);
  const error = decodeColumnRange(guard.kernel, guard.place(bytes), bytes.length, count, from, to, target, scratch, whole);
  guard.check();
  guard.expectUntouched(target + (from < to && to <= Math.min(count, blockSampleCountMax) ? (to - from) * 8 : 0), end);
  expect(error >= 0 && error < codecErrors.length, `error number ${error}`);
  if (error !== 0) throw new InputError("malformed_column", codecErrors[error]);
}

/** An input is u8 codec, u16 count and a column. */
function classicSeed(random: Random): FuzzSeed {
  const { kernel, source, target, scratch } = encoder();
  const codec = random.int(classicNames.length);
  const count = sampleCount(random);
  kernel.f64.set(columns[random.int(columns.length)].make(count, random), source / 8);
  const size = encodeClassic(kernel, classicNames[codec], source, count, target, scratch);
  return { bytes: Buffer.concat([Uint8Array.of(codec), u16(count), kernel.u8.slice(target, target + size)]) };
}

const classicNames = Object.keys(classicCodecs) as ClassicCodec[];

const blockRowsMax = 6;
const blockSamplesMax = 1024;

/** An input is u8 rows, for each row u16 count, u16 size of timestamps, u16 size of values, then all these bytes. */
function blocksSeed(random: Random): FuzzSeed {
  const rows = 1 + random.int(blockRowsMax);
  const head: Uint8Array[] = [Uint8Array.of(rows)];
  const parts: Uint8Array[] = [];
  for (let row = 0; row < rows; row++) {
    const count = 1 + random.int(random.int(3) === 0 ? blockSamplesMax : 20);
    const [timestamps, values] = [encodedColumn(count, random), encodedColumn(count, random)];
    head.push(u16(count), u16(timestamps.length), u16(values.length));
    parts.push(timestamps, values);
  }
  return { bytes: Buffer.concat([...head, ...parts]) };
}

const blocksGuard = once(() => {
  const guard = new GuardedKernel(2 << 20);
  const { kernel } = guard;
  const size = blockRowsMax * blockSamplesMax * 8;
  return {
    guard, rows: guard.area(blockRowsMax * decodeRow.slots * 4), timestamps: guard.area(size), values: guard.area(size), size, scratch: guard.area(decodeBlocksScratchBytes(kernel)),
  };
});

function runBlocks(input: Uint8Array): void {
  const { guard, rows, timestamps, values, size, scratch } = blocksGuard();
  const bytes = input.subarray(0, kernelInputMax);
  const rowCount = Math.min(bytes[0] ?? 0, blockRowsMax);
  const pointer = guard.place(bytes);
  const end = pointer + bytes.length;
  let from = pointer + 1 + rowCount * 6;
  let samples = 0;
  for (let row = 0; row < rowCount; row++) {
    const sizes = [u16At(bytes, 3 + row * 6), u16At(bytes, 5 + row * 6)];
    const places = sizes.map((wanted) => {
      const start = Math.min(from, end);
      from = Math.min(start + wanted, end);
      return [start, from - start];
    });
    // What the caller has made sure of: bytes inside the memory, and room for all samples.
    const count = u16At(bytes, 1 + row * 6) % (blockSamplesMax + 1);
    guard.kernel.u32.set([...places.flat(), count, samples], rows / 4 + row * decodeRow.slots);
    samples += count;
  }
  for (const area of [timestamps, values]) guard.clear(area, area + size);
  const good = decodeBlocks(guard.kernel, rows, rowCount, timestamps, values, scratch);
  guard.check();
  for (const area of [timestamps, values]) guard.expectUntouched(area + samples * 8, area + size);
  expect(good <= rowCount, `${good} good rows of ${rowCount}`);
  if (good < rowCount) throw new InputError("malformed_block", `row ${good}`);
}

const headerDataEnd = 200_000;

/** A header group without its checksum. */
function headersSeed(random: Random): FuzzSeed {
  const count = 1 + random.int(random.int(3) === 0 ? 256 : 12);
  const column = (next: (i: number) => number): Float64Array => Float64Array.from({ length: count }, (_, i) => next(i));
  let seriesId = 0;
  const aggregated = Math.min(random.int(4), count);
  const bytes = encodeHeaderGroup(encoder().kernel, {
    seriesIds: column(() => (seriesId += random.int(3))),
    kinds: column((i) => (i < aggregated ? 65536 + 31 : 0)),
    sampleCounts: column(() => 1 + random.int(8192)),
    minMs: column(() => 1.7e12 + random.int(1e6)),
    spansMs: column(() => random.int(1e6)),
    valuesFrames: column((i) => 16 + (i >> 4) * 5000),
    valuesFrameSizes: column(() => 4200),
    valuesSizes: column(() => 1 + random.int(200)),
    timestampsFrames: column(() => 100_000),
    timestampsFrameSizes: column(() => 4096),
    timestampsOffsets: column(() => random.int(2000)),
    timestampsSizes: column(() => 1 + random.int(2000)),
    aggregates: Object.fromEntries(blockAggregates.map((name) => [name, column(() => random.next()).subarray(0, aggregated)])) as Parameters<typeof encodeHeaderGroup>[1]["aggregates"],
  });
  return { bytes: bytes.slice(0, -checksumBytes) };
}

const headersGuard = once(() => {
  const guard = new GuardedKernel(2 << 20);
  return { guard, decoder: guard.claim(() => new HeaderDecoder(guard.kernel)) };
});

function runHeaders(input: Uint8Array): void {
  const { guard, decoder } = headersGuard();
  const bytes = input.subarray(0, kernelInputMax);
  const count = decoder.decode(guard.place(bytes), bytes.length, headerDataEnd);
  guard.check();
  if (count < 0) throw new InputError("malformed_headers", "impossible numbers");
  expect(count <= 256, `${count} rows`);
  const { words, doubles } = decoder;
  for (let i = 0; i < count; i++) {
    const isInside =
      words.valuesOffsets[i] + words.valuesSizes[i] <= words.valuesFrameSizes[i] &&
      words.timestampsOffsets[i] + words.timestampsSizes[i] <= words.timestampsFrameSizes[i] &&
      Math.max(doubles.valuesFrames[i] + words.valuesFrameSizes[i], doubles.timestampsFrames[i] + words.timestampsFrameSizes[i]) + checksumBytes <= headerDataEnd;
    expect(isInside, `row ${i} names bytes outside of its frame or file`);
    expect(words.sampleCounts[i] >= 1 && words.sampleCounts[i] <= blockSampleCountMax, `row ${i} has ${words.sampleCounts[i]} samples`);
  }
}

const labelRowsMax = 4096;

/** An input is u16 rows, u8 bytes of an id, and packed rows of ids. */
function labelRowsSeed(random: Random): FuzzSeed {
  const { pairCount } = labelRowsGuard();
  const rows = 1 + random.int(40);
  const counts = Uint32Array.from({ length: rows }, () => random.int(12));
  const ids = Uint32Array.from({ length: counts.reduce((sum, count) => sum + count, 0) }, () => random.int(pairCount));
  const idBytes = 1 + random.int(4);
  return { bytes: Buffer.concat([u16(rows), Uint8Array.of(idBytes - 1), packLabelRows(encoder().kernel, ids, counts, idBytes)]) };
}

const labelRowsGuard = once(() => {
  const guard = new GuardedKernel(8 << 20);
  const fields = Array.from({ length: 200 }, (_, i) => randomLabels(`name_${i}`, i * 7));
  const offsets = new Uint32Array(fields.length + 1);
  fields.forEach((field, i) => (offsets[i + 1] = offsets[i] + field.length));
  const pointers = { count: fields.length, offsets: guard.area(offsets.byteLength), bytes: guard.area(offsets[fields.length]) };
  guard.kernel.u32.set(offsets, pointers.offsets / 4);
  guard.kernel.u8.set(Buffer.concat(fields), pointers.bytes);
  return { guard, pairCount: fields.length, pointers, work: guard.workArea(7 << 20) };
});

function runLabelRows(input: Uint8Array): void {
  const { guard, pointers, work } = labelRowsGuard();
  const { kernel } = guard;
  const bytes = input.subarray(3, 3 + (32 << 10));
  const rowCount = Math.min(u16At(input, 0), labelRowsMax);
  kernel.reset(work);
  const expanded = expandLabelRows(kernel, guard.place(bytes), bytes.length, rowCount, 1 + (input[2] ?? 0) % 4, pointers, bytes.length * 8, 4 << 20);
  guard.check();
  if (expanded === undefined) throw new InputError("malformed_rows", "rows of pair ids");
  const offsets = kernel.u32.subarray(expanded.offsets / 4, expanded.offsets / 4 + rowCount + 1);
  for (let row = 0; row < rowCount; row++) expect(offsets[row] <= offsets[row + 1], "offsets ascend");
  expect(offsets[rowCount] === expanded.labelsSize, "the last offset is the size");
}

/** An input is label runs, each with a u16 size before it. */
function runInterner(input: Uint8Array): void {
  const { guard, work } = internerGuard();
  guard.kernel.reset(work);
  const interner = new PairInterner(guard.kernel);
  const offsets = [0];
  const runs: Uint8Array[] = [];
  for (let at = 0; at + 2 <= input.length && runs.length < 500; ) {
    const run = input.subarray(at + 2, at + 2 + u16At(input, at));
    runs.push(run);
    offsets.push(offsets[offsets.length - 1] + run.length);
    at += 2 + run.length;
  }
  interner.add(Buffer.concat(runs), Uint32Array.from(offsets), runs.length);
  guard.place(new Uint8Array(0));
  guard.check();
}

const internerGuard = once(() => {
  const guard = new GuardedKernel(24 << 20);
  return { guard, work: guard.workArea(23 << 20) };
});

const snappyTargetMax = 256 << 10;
const snappyGuard = once(() => {
  const guard = new GuardedKernel(2 << 20);
  return { guard, target: guard.area(snappyTargetMax + snappyTargetSlackBytes) };
});

function snappySeed(random: Random): FuzzSeed {
  const runs = Buffer.concat(randomRuns(1 + random.int(60), random));
  return { bytes: snappyCompress(random.int(4) === 0 ? new Uint8Array(random.int(60_000)) : runs) };
}

function runSnappy(input: Uint8Array): void {
  const { guard, target } = snappyGuard();
  const bytes = input.subarray(0, kernelInputMax);
  const pointer = guard.place(bytes, snappySourceSlackBytes);
  const size = snappyDecodedSize(guard.kernel, pointer, bytes.length, snappyTargetMax);
  const end = target + size + snappyTargetSlackBytes;
  guard.clear(target, target + snappyTargetMax + snappyTargetSlackBytes);
  try {
    snappyDecode(guard.kernel, pointer, bytes.length, target);
  } finally {
    guard.check();
    guard.expectUntouched(end, target + snappyTargetMax + snappyTargetSlackBytes);
  }
}

function logRecordsSeed(random: Random): FuzzSeed {
  const records: Uint8Array[] = [];
  for (let i = 1 + random.int(4); i > 0; i--) {
    const payloadSize = random.int(200);
    const record = Uint8Array.from({ length: logRecordSize(payloadSize) }, () => random.int(256));
    sealLogRecord(record, 0, payloadSize, 1 + random.int(4), 1);
    records.push(record);
  }
  return { bytes: Buffer.concat(records) };
}

const logGuard = once(() => new GuardedKernel(2 << 20));

/** Kernel and twin say the same at every place; nothing is written. */
function runLogRecords(input: Uint8Array): void {
  const guard = logGuard();
  // Records begin at multiples of 8, so the last bytes of the memory are part of one.
  const bytes = input.slice(0, Math.floor(Math.min(input.length, kernelInputMax) / 8) * 8);
  const pointer = guard.place(bytes, 0, 8);
  let isGood = bytes.length > 0;
  for (let at = 0; at <= Math.min(bytes.length, 2048); at += 8) {
    const [found, expected] = [checkLogRecordInKernel(guard.kernel, pointer + at, bytes.length - at), checkLogRecord(bytes, at)];
    expect(found === expected, `record at ${at}: kernel ${found}, twin ${expected}`);
    if (at === 0) isGood &&= found >= logHeaderBytes;
    const next = [findLogHeaderInKernel(guard.kernel, pointer + at, bytes.length - at), findLogHeader(bytes, at)];
    expect(next[0] === next[1], `next header behind ${at}: kernel ${next[0]}, twin ${next[1]}`);
  }
  guard.check();
  if (!isGood) throw new InputError("no_record", "no whole record at the beginning");
}

export const kernelTargets: readonly FuzzTarget[] = [
  { name: "column", covers: ["decodeColumn"], make: columnSeed, run: (input) => runColumn(input, decodeColumn) },
  { name: "column_range", covers: ["decodeColumnRange"], make: columnRangeSeed, run: runColumnRange },
  {
    name: "classic_column",
    covers: ["decodeClassic"],
    make: classicSeed,
    run: (input) => runColumn(input.subarray(1), (kernel, pointer, size, count, target) => decodeClassic(kernel, classicNames[(input[0] ?? 0) % classicNames.length], pointer, size, count, target)),
  },
  { name: "blocks", covers: ["decodeBlocks"], make: blocksSeed, run: runBlocks },
  { name: "headers", covers: ["HeaderDecoder", "HeaderReader"], make: headersSeed, run: runHeaders },
  { name: "label_rows", covers: ["expandLabelRows"], make: labelRowsSeed, run: runLabelRows },
  { name: "label_interner", covers: ["PairInterner"], make: (random) => ({ bytes: Buffer.concat(randomRuns(1 + random.int(20), random).flatMap((run) => [u16(run.length), run])) }), run: runInterner },
  { name: "snappy", covers: ["snappyDecodedSize", "snappyDecode"], make: snappySeed, run: runSnappy },
  { name: "log_record", covers: ["checkLogRecordInKernel", "checkLogRecord", "findLogHeaderInKernel", "findLogHeader"], make: logRecordsSeed, run: runLogRecords },
];
