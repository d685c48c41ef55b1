// Decoding of a group of block headers in one call (docs/formats/part.md, "Header group"): the columns are decoded, checked and turned into
// the columns of a BlockList. Queries that pick few series from many groups spend their time here.
import { codecDecode } from "./codec";

/** Rows of a group at most; also the stride of the output columns. */
const rowsMax: i32 = 256;
const sampleCountMax: f64 = 8192;
/** Largest frame: the target size, and one block that does not compress (src/storage/part_header.ts). */
const frameSizeMax: f64 = 4096 + 8192 * 8 + 1;
const timeMsMax: f64 = 8.64e15;
const checksumSize: f64 = 8;

// Output: 9 columns of f64, then 10 columns of u32, 256 rows each.
const doubleColumn: usize = 2048;
const wordColumns: usize = 9 * doubleColumn;
const wordColumn: usize = 1024;
const minMsAt: usize = 0;
const maxMsAt: usize = doubleColumn;
const valuesFramesAt: usize = 2 * doubleColumn;
const timestampsFramesAt: usize = 3 * doubleColumn;
const aggregatesAt: usize = 4 * doubleColumn;
const seriesIdsAt: usize = wordColumns;
const kindsAt: usize = wordColumns + wordColumn;
const sampleCountsAt: usize = wordColumns + 2 * wordColumn;
const valuesFrameSizesAt: usize = wordColumns + 3 * wordColumn;
const valuesOffsetsAt: usize = wordColumns + 4 * wordColumn;
const valuesSizesAt: usize = wordColumns + 5 * wordColumn;
const timestampsFrameSizesAt: usize = wordColumns + 6 * wordColumn;
const timestampsOffsetsAt: usize = wordColumns + 7 * wordColumn;
const timestampsSizesAt: usize = wordColumns + 8 * wordColumn;
const aggregateRowsAt: usize = wordColumns + 9 * wordColumn;

/** Bytes of the output columns. */
export function codecHeaderColumnsSize(): usize {
  return wordColumns + 10 * wordColumn;
}

// Where the next column of the table begins; 0 after an error.
let cursor: usize = 0;

/** Reads a small varint at the cursor; -1 and cursor 0 if there is none. */
function readSmall(end: usize): i32 {
  let value = 0;
  for (let shift = 0; shift < 21; shift += 7) {
    if (cursor >= end) break;
    const byte = load<u8>(cursor) as i32;
    cursor++;
    value |= (byte & 127) << shift;
    if (byte < 128) return value;
  }
  cursor = 0;
  return -1;
}

/** Decodes the next column to `target`; returns its rows, or -1. */
function readColumn(end: usize, target: usize, scratch: usize): i32 {
  if (cursor == 0) return -1;
  const rows = readSmall(end);
  if (rows == 0) return 0;
  if (rows < 0 || rows > rowsMax) return -1;
  const size = readSmall(end);
  if (size < 0 || (size as usize) > end - cursor) return -1;
  if (codecDecode(cursor, size as u32, rows, target, scratch) != 0) return -1;
  cursor += size as usize;
  return rows;
}

/** Whether the doubles are whole numbers in [minimum, maximum]. One double behind the last may be read. */
function areWhole(values: usize, count: i32, minimum: f64, maximum: f64): bool {
  const least = f64x2.splat(minimum);
  const most = f64x2.splat(maximum);
  if (count & 1) store<f64>(values + ((count as usize) << 3), minimum);
  for (let offset: usize = 0; offset < (count as usize) << 3; offset += 16) {
    const pair = v128.load(values + offset);
    const good = v128.and(v128.and(f64x2.ge(pair, least), f64x2.le(pair, most)), f64x2.eq(f64x2.floor(pair), pair));
    if (i64x2.bitmask(good) != 3) return false;
  }
  return true;
}

/** Reads a column of `count` whole numbers to `target`. */
function readDoubles(end: usize, count: i32, minimum: f64, maximum: f64, target: usize, scratch: usize): bool {
  return readColumn(end, target, scratch) == count && areWhole(target, count, minimum, maximum);
}

/** Reads a column of `count` whole numbers to `target` as u32. `doubles` is scratch for them. */
function readWords(end: usize, count: i32, minimum: f64, maximum: f64, target: usize, doubles: usize, scratch: usize): bool {
  if (!readDoubles(end, count, minimum, maximum, doubles, scratch)) return false;
  for (let i = 0; i < count; i += 2) {
    v128.store64_lane(target + ((i as usize) << 2), i32x4.trunc_sat_f64x2_u_zero(v128.load(doubles + ((i as usize) << 3))), 0);
  }
  return true;
}

/**
 * Decodes the header group in [source, source + size) (without its checksum; untrusted) to the columns at `target`. `dataEnd` is
 * where the frames of the file end. `scratch` is codecScratchSize() and 4096 bytes more. Returns the number of headers, or -1 if any
 * column is malformed, any number impossible, or any place outside of its frame or the file.
 */
export function codecDecodeHeaders(source: usize, size: u32, dataEnd: f64, target: usize, scratch: usize): i32 {
  const end = source + (size as usize);
  const doubles = scratch;
  const codecScratch = scratch + 4096;
  cursor = source;
  const count = readColumn(end, doubles, codecScratch);
  if (count < 0 || !areWhole(doubles, count, 0, 4294967295)) return -1;
  for (let i = 0; i < count; i += 2) {
    v128.store64_lane(target + seriesIdsAt + ((i as usize) << 2), i32x4.trunc_sat_f64x2_u_zero(v128.load(doubles + ((i as usize) << 3))), 0);
  }
  const isRead =
    readWords(end, count, 0, 2097151, target + kindsAt, doubles, codecScratch) &&
    readWords(end, count, 1, sampleCountMax, target + sampleCountsAt, doubles, codecScratch) &&
    readDoubles(end, count, -timeMsMax, timeMsMax, target + minMsAt, codecScratch) &&
    readDoubles(end, count, 0, timeMsMax * 2, target + maxMsAt, codecScratch) &&
    readDoubles(end, count, 16, dataEnd, target + valuesFramesAt, codecScratch) &&
    readWords(end, count, 1, frameSizeMax, target + valuesFrameSizesAt, doubles, codecScratch) &&
    readWords(end, count, 1, frameSizeMax, target + valuesSizesAt, doubles, codecScratch) &&
    readDoubles(end, count, 16, dataEnd, target + timestampsFramesAt, codecScratch) &&
    readWords(end, count, 1, frameSizeMax, target + timestampsFrameSizesAt, doubles, codecScratch) &&
    readWords(end, count, 0, frameSizeMax, target + timestampsOffsetsAt, doubles, codecScratch) &&
    readWords(end, count, 1, frameSizeMax, target + timestampsSizesAt, doubles, codecScratch);
  if (!isRead) return -1;
  const aggregateCount = placeHeaders(target, count, dataEnd);
  if (aggregateCount < 0) return -1;
  for (let i: usize = 0; i < 5; i++) if (readColumn(end, target + aggregatesAt + i * doubleColumn, codecScratch) != aggregateCount) return -1;
  return cursor == end ? count : -1;
}

/** Turns spans into ends, fills in offsets of values and rows of aggregates, and checks places and order. Returns the aggregate rows, or -1. */
function placeHeaders(target: usize, count: i32, dataEnd: f64): i32 {
  let aggregateCount = 0;
  let previousFrame: f64 = -1;
  let previousFrameSize: u32 = 0;
  let nextOffset: u32 = 0;
  let previousSeriesId: u32 = 0;
  for (let i = 0; i < count; i++) {
    const doubleAt = target + ((i as usize) << 3);
    const wordAt = target + ((i as usize) << 2);
    store<f64>(doubleAt + maxMsAt, load<f64>(doubleAt + maxMsAt) + load<f64>(doubleAt + minMsAt));
    const seriesId = load<u32>(wordAt + seriesIdsAt);
    const frame = load<f64>(doubleAt + valuesFramesAt);
    const frameSize = load<u32>(wordAt + valuesFrameSizesAt);
    const offset = frame == previousFrame ? nextOffset : 0;
    nextOffset = offset + load<u32>(wordAt + valuesSizesAt);
    store<u32>(wordAt + valuesOffsetsAt, offset);
    const timestampsFrameSize = load<u32>(wordAt + timestampsFrameSizesAt);
    const isPlaced =
      nextOffset <= frameSize &&
      frame + (frameSize as f64) + checksumSize <= dataEnd &&
      load<u32>(wordAt + timestampsOffsetsAt) + load<u32>(wordAt + timestampsSizesAt) <= timestampsFrameSize &&
      load<f64>(doubleAt + timestampsFramesAt) + (timestampsFrameSize as f64) + checksumSize <= dataEnd &&
      (frame != previousFrame || frameSize == previousFrameSize) &&
      seriesId >= previousSeriesId;
    if (!isPlaced) return -1;
    const hasAggregates = load<u32>(wordAt + kindsAt) >= 65536;
    store<i32>(wordAt + aggregateRowsAt, hasAggregates ? aggregateCount : -1);
    if (hasAggregates) aggregateCount++;
    previousFrame = frame;
    previousFrameSize = frameSize;
    previousSeriesId = seriesId;
  }
  return aggregateCount;
}
