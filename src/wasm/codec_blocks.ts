// Many blocks per call: encoding the series of a run into frames of a part, and decoding blocks that were read from one
// (docs/formats/part.md). A run of a million tiny series would otherwise cost a million calls from TypeScript.
import { codecDecode, codecDecodeRange, codecEncodeWith, codecScratchSize } from "./codec";
import { codecCountMax } from "./codec_front";
import { firstAfter, firstFrom } from "./columns";

// Slots (u32 each) of the context of codecEncodeRun; src/kernel/codec_blocks.ts names them too.
const slotSeriesIds: usize = 0;
const slotSampleFrom: usize = 4;
const slotTimestamps: usize = 8;
const slotValues: usize = 12;
const slotSampleBase: usize = 16;
const slotSeriesCount: usize = 20;
const slotSeriesCursor: usize = 24;
const slotSampleCursor: usize = 28;
const slotValuesFrame: usize = 32;
const slotValuesSize: usize = 36;
const slotTimestampsFrame: usize = 40;
const slotTimestampsSize: usize = 44;
const slotFrameTarget: usize = 48;
const slotRows: usize = 52;
const slotRowCount: usize = 56;
const slotRowCapacity: usize = 60;
const slotAggregateCount: usize = 64;
const slotSequences: usize = 68;
const slotSequenceMask: usize = 72;
const slotScratch: usize = 76;
const slotTimestampsOrdinal: usize = 80;
const slotValuesOrdinal: usize = 84;
const slotKind: usize = 88;
const slotAggregateMin: usize = 92;
const slotIsCompact: usize = 96;

// Columns of the rows, each `rowCapacity` doubles.
const columnSeriesId: usize = 0;
const columnKind: usize = 1;
const columnCount: usize = 2;
const columnMinMs: usize = 3;
const columnSpanMs: usize = 4;
const columnValuesOrdinal: usize = 5;
const columnValuesSize: usize = 6;
const columnTimestampsOrdinal: usize = 7;
const columnTimestampsOffset: usize = 8;
const columnTimestampsSize: usize = 9;
const columnAggregates: usize = 10;

const aggregateFlagsAll: u32 = 31;
const aggregateFlagSum: u32 = 1;

/**
 * Encodes series of a run block by block until all are done (returns 0), or a frame has reached its target size or the rows
 * are full (returns 1: the caller empties them and calls again). Input and cursors stand in the context.
 */
export function codecEncodeRun(context: usize): i32 {
  const sampleFrom = load<u32>(context, slotSampleFrom) as usize;
  const seriesCount = load<u32>(context, slotSeriesCount);
  const frameTarget = load<u32>(context, slotFrameTarget);
  previousTimestamps = 0;
  let series = load<u32>(context, slotSeriesCursor);
  let sample = load<u32>(context, slotSampleCursor);
  while (series < seriesCount) {
    sample = max(sample, load<u32>(sampleFrom + ((series as usize) << 2)));
    const sampleTo = load<u32>(sampleFrom + ((series as usize) << 2), 4);
    if (sample >= sampleTo) {
      series++;
      continue;
    }
    const isFull =
      load<u32>(context, slotRowCount) == load<u32>(context, slotRowCapacity) ||
      load<u32>(context, slotValuesSize) >= frameTarget ||
      load<u32>(context, slotTimestampsSize) >= frameTarget;
    if (isFull) break;
    const left = sampleTo - sample;
    const blockCount = (left + (codecCountMax as u32) - 1) / (codecCountMax as u32);
    const count = (left + blockCount - 1) / blockCount;
    encodeBlock(context, series, sample - load<u32>(context, slotSampleBase), count as i32);
    sample += count;
  }
  store<u32>(context, series, slotSeriesCursor);
  store<u32>(context, sample, slotSampleCursor);
  return series < seriesCount ? 1 : 0;
}

function encodeBlock(context: usize, series: u32, sample: u32, count: i32): void {
  const timestamps = (load<u32>(context, slotTimestamps) as usize) + ((sample as usize) << 3);
  const values = (load<u32>(context, slotValues) as usize) + ((sample as usize) << 3);
  const scratch = load<u32>(context, slotScratch) as usize;
  const valuesFrameSize = load<u32>(context, slotValuesSize);
  const isCompact = load<u32>(context, slotIsCompact) as i32;
  const size = codecEncodeWith(values, count, 0, isCompact, (load<u32>(context, slotValuesFrame) as usize) + (valuesFrameSize as usize), scratch);
  store<u32>(context, valuesFrameSize + (size as u32), slotValuesSize);
  placeTimestamps(context, timestamps, count, scratch);

  const rowCount = load<u32>(context, slotRowCount);
  const stride = (load<u32>(context, slotRowCapacity) as usize) << 3;
  const row = (load<u32>(context, slotRows) as usize) + ((rowCount as usize) << 3);
  const minMs = load<f64>(timestamps);
  const seriesId = load<u32>((load<u32>(context, slotSeriesIds) as usize) + ((series as usize) << 2));
  const flags = (count as u32) >= load<u32>(context, slotAggregateMin) ? writeAggregates(context, values, count) : 0;
  store<f64>(row + columnSeriesId * stride, seriesId as f64);
  store<f64>(row + columnKind * stride, (load<u32>(context, slotKind) | (flags << 16)) as f64);
  store<f64>(row + columnCount * stride, count as f64);
  store<f64>(row + columnMinMs * stride, minMs);
  store<f64>(row + columnSpanMs * stride, load<f64>(timestamps + (((count - 1) as usize) << 3)) - minMs);
  store<f64>(row + columnValuesOrdinal * stride, load<u32>(context, slotValuesOrdinal) as f64);
  store<f64>(row + columnValuesSize * stride, size as f64);
  store<f64>(row + columnTimestampsOrdinal * stride, placedOrdinal as f64);
  store<f64>(row + columnTimestampsOffset * stride, placedOffset as f64);
  store<f64>(row + columnTimestampsSize * stride, placedSize as f64);
  store<u32>(context, rowCount + 1, slotRowCount);
}

/** Appends sum, min, max, first and last of a block without NaN to the aggregate rows; returns which of them are usable. */
function writeAggregates(context: usize, values: usize, count: i32): u32 {
  const end = values + ((count as usize) << 3);
  if (!findBounds(values, end)) return 0;
  const isExact = boundsAreWhole && (count as f64) * max(abs(least), abs(greatest)) < wholeSumLimit;
  let sum = isExact ? wholeSum(values, end) : sumInOrder(values, end);
  if (sum == 0 && isExact && valuesAreSigned) sum = sumInOrder(values, end); // all may be -0
  const aggregateRow = load<u32>(context, slotAggregateCount);
  const stride = (load<u32>(context, slotRowCapacity) as usize) << 3;
  const row = (load<u32>(context, slotRows) as usize) + ((aggregateRow as usize) << 3) + columnAggregates * stride;
  store<f64>(row, sum);
  store<f64>(row + stride, least);
  store<f64>(row + stride * 2, greatest);
  store<f64>(row + stride * 3, load<f64>(values));
  store<f64>(row + stride * 4, load<f64>(end - 8));
  store<u32>(context, aggregateRow + 1, slotAggregateCount);
  return sum - sum == 0 ? aggregateFlagsAll : aggregateFlagsAll ^ aggregateFlagSum;
}

/** Sums of whole numbers below this are exact in any order. */
const wholeSumLimit: f64 = 9007199254740992.0;

// Results of findBounds: the least and the greatest value, whether all values are whole numbers, and whether any has the sign bit.
let least: f64 = 0;
let greatest: f64 = 0;
let boundsAreWhole: bool = false;
let valuesAreSigned: bool = false;

/** Finds the bounds of the values in [values, end); false if there is a NaN. A single comparison an instruction, where f64x2.min takes eight. */
function findBounds(values: usize, end: usize): bool {
  const first = v128.load64_splat(values);
  let leasts = first;
  let greatests = first;
  let signs = first;
  let ordered = f64x2.eq(first, first);
  let whole = f64x2.eq(f64x2.nearest(first), first);
  for (let at = values + ((end - values) & 8); at < end; at += 16) {
    const pair = v128.load(at);
    ordered = v128.and(ordered, f64x2.eq(pair, pair));
    whole = v128.and(whole, f64x2.eq(f64x2.nearest(pair), pair));
    signs = v128.or(signs, pair);
    leasts = f64x2.pmin(leasts, pair);
    greatests = f64x2.pmax(greatests, pair);
  }
  if (i64x2.bitmask(ordered) != 3) return false;
  boundsAreWhole = i64x2.bitmask(whole) == 3;
  valuesAreSigned = i64x2.bitmask(signs) != 0;
  least = min(f64x2.extract_lane(leasts, 0), f64x2.extract_lane(leasts, 1));
  greatest = max(f64x2.extract_lane(greatests, 0), f64x2.extract_lane(greatests, 1));
  // Which of 0 and -0 was met first must not matter: -0 is less.
  if (valuesAreSigned && (least == 0 || greatest == 0)) findSignedBounds(values, end);
  return true;
}

function findSignedBounds(values: usize, end: usize): void {
  for (let at = values; at < end; at += 8) {
    least = min(least, load<f64>(at));
    greatest = max(greatest, load<f64>(at));
  }
}

function sumInOrder(values: usize, end: usize): f64 {
  let sum = load<f64>(values);
  for (let at = values + 8; at < end; at += 8) sum += load<f64>(at);
  return sum;
}

/** The sum of whole numbers whose sums are exact; an addition need not wait for the one before. */
function wholeSum(values: usize, end: usize): f64 {
  let sums = f64x2.splat(0);
  let others = f64x2.splat(0);
  let at = values;
  for (; at + 32 <= end; at += 32) {
    sums = f64x2.add(sums, v128.load(at));
    others = f64x2.add(others, v128.load(at, 16));
  }
  sums = f64x2.add(sums, others);
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; at < end; at += 8) sum += load<f64>(at);
  return sum;
}

// Results of placeTimestamps: where the timestamps of the block stand. They are kept between the blocks of one call, together
// with the place they came from, because series scraped together follow each other with the same timestamps.
let placedOrdinal: u32 = 0;
let placedOffset: u32 = 0;
let placedSize: u32 = 0;
let previousTimestamps: usize = 0;
let previousCount: i32 = 0;

/**
 * Finds the sequence of timestamps among those already stored, or stores it in the open frame. Sequences are known by 128 bits of
 * hash, their count and their length; the table keeps the recent ones and forgets the others, which costs bytes but is never wrong.
 */
function placeTimestamps(context: usize, timestamps: usize, count: i32, scratch: usize): void {
  if (previousTimestamps != 0 && previousCount == count && equalBytes(timestamps, previousTimestamps, (count as usize) << 3)) {
    previousTimestamps = timestamps;
    return;
  }
  previousTimestamps = timestamps;
  previousCount = count;
  hashTimestamps(timestamps, count);
  const sequences = load<u32>(context, slotSequences) as usize;
  const slot = ((hashLow as u32) & load<u32>(context, slotSequenceMask)) as usize;
  const first = sequences + slot * sequenceBytes;
  const second = sequences + (slot ^ 1) * sequenceBytes;
  const found = isSequence(first, count) ? first : isSequence(second, count) ? second : 0;
  if (found != 0) {
    placedOrdinal = load<u32>(found, 16);
    placedOffset = load<u32>(found, 20);
    placedSize = load<u32>(found, 24);
    return;
  }
  placedOrdinal = load<u32>(context, slotTimestampsOrdinal);
  placedOffset = load<u32>(context, slotTimestampsSize);
  const isCompact = load<u32>(context, slotIsCompact) as i32;
  placedSize = codecEncodeWith(timestamps, count, 1, isCompact, (load<u32>(context, slotTimestampsFrame) as usize) + (placedOffset as usize), scratch) as u32;
  store<u32>(context, placedOffset + placedSize, slotTimestampsSize);
  memory.copy(second, first, sequenceBytes);
  store<u64>(first, hashLow);
  store<u64>(first, hashHigh, 8);
  store<u32>(first, placedOrdinal, 16);
  store<u32>(first, placedOffset, 20);
  store<u32>(first, placedSize, 24);
  store<u32>(first, count, 28);
}

/** An entry of the table of sequences: u64 hash, u64 second hash, u32 frame ordinal, offset, size, count (0: empty). */
const sequenceBytes: usize = 32;
let hashLow: u64 = 0;
let hashHigh: u64 = 0;

@inline
function isSequence(entry: usize, count: i32): bool {
  return load<u64>(entry) == hashLow && load<u64>(entry, 8) == hashHigh && load<i32>(entry, 28) == count;
}

function hashTimestamps(timestamps: usize, count: i32): void {
  let low: u64 = 0x9e3779b97f4a7c15;
  let high: u64 = 0xc2b2ae3d27d4eb4f;
  const end = timestamps + ((count as usize) << 3);
  for (let at = timestamps; at < end; at += 8) {
    const bits = load<u64>(at);
    low = rotl((low ^ bits) * 0x87c37b91114253d5, 31);
    high = (rotl(high, 27) + bits) * 0x4cf5ad432745937f;
  }
  low ^= high >> 29;
  hashLow = (low ^ (low >> 32)) * 0xff51afd7ed558ccd;
  hashLow ^= hashLow >> 33;
  hashHigh = (high ^ (high >> 31)) * 0xc4ceb9fe1a85ec53;
}

function equalBytes(left: usize, right: usize, size: usize): bool {
  let i: usize = 0;
  for (; i + 64 <= size; i += 64) {
    const first = v128.or(v128.xor(v128.load(left + i), v128.load(right + i)), v128.xor(v128.load(left + i, 16), v128.load(right + i, 16)));
    const second = v128.or(v128.xor(v128.load(left + i, 32), v128.load(right + i, 32)), v128.xor(v128.load(left + i, 48), v128.load(right + i, 48)));
    if (v128.any_true(v128.or(first, second))) return false;
  }
  for (; i + 16 <= size; i += 16) if (v128.any_true(v128.xor(v128.load(left + i), v128.load(right + i)))) return false;
  return i == size || load<u64>(left + i) == load<u64>(right + i);
}

// ---- decoding --------------------------------------------------------------------------------------------------------------

/** Entries (u32 source, size, count, from, to, target, and 8 bytes) of sequences decoded in this call, behind the scratch of the codec. */
const decodedEntries: u32 = 64;
const decodedBytes: usize = 32;
/** Of a whole block, for codecs of which a part cannot be decoded. */
const wholeBytes: usize = ((codecCountMax as usize) << 3) + 64;
/** Of a row: u32 pointer and size of the timestamps, pointer and size of the values, count, place (in samples), first sample, end of the samples. */
const rowBytes: usize = 32;

/** Bytes of scratch that codecDecodeBlocks and codecClipBlocks need. */
export function codecDecodeBlocksScratchSize(): usize {
  return codecScratchSize() + (decodedEntries as usize) * decodedBytes + wholeBytes;
}

/**
 * Decodes samples [first, end) of `blockCount` blocks to their places in `timestamps` and `values`, none of a block where these are equal. Blocks that share
 * their timestamps decode them once. Returns how many blocks were good: less than `blockCount` if that one is damaged.
 */
export function codecDecodeBlocks(rows: usize, blockCount: u32, timestamps: usize, values: usize, scratch: usize): u32 {
  const decoded = scratch + codecScratchSize();
  const whole = decoded + (decodedEntries as usize) * decodedBytes;
  memory.fill(decoded, 0, (decodedEntries as usize) * decodedBytes);
  for (let i: u32 = 0; i < blockCount; i++) {
    const row = rows + (i as usize) * rowBytes;
    const source = load<u32>(row);
    const size = load<u32>(row, 4);
    const count = load<i32>(row, 16);
    const place = (load<u32>(row, 20) as usize) << 3;
    const from = load<i32>(row, 24);
    const to = load<i32>(row, 28);
    if (from == to) continue;
    const entry = decoded + (((source * 0x9e3779b1) >> 26) as usize) * decodedBytes;
    const isKnown = load<u32>(entry) == source && load<u32>(entry, 4) == size && load<i32>(entry, 8) == count && load<i32>(entry, 12) == from && load<i32>(entry, 16) == to;
    if (isKnown) memory.copy(timestamps + place, load<u32>(entry, 20) as usize, ((to - from) as usize) << 3);
    else {
      if (codecDecodeRange(source as usize, size, count, from, to, timestamps + place, scratch, whole) != 0) return i;
      store<u32>(entry, source);
      store<u32>(entry, size, 4);
      store<i32>(entry, count, 8);
      store<i32>(entry, from, 12);
      store<i32>(entry, to, 16);
      store<u32>(entry, (timestamps + place) as u32, 20);
    }
    if (codecDecodeRange(load<u32>(row, 8) as usize, load<u32>(row, 12), count, from, to, values + place, scratch, whole) != 0) return i;
  }
  return blockCount;
}

/**
 * Writes into each row which of its samples are within [minMs, maxMs]; of its pointers that of the timestamps is used, which are in order. All samples of
 * a block whose timestamps cannot be decoded are: decoding it is going to say so.
 */
export function codecClipBlocks(rows: usize, blockCount: u32, minMs: f64, maxMs: f64, scratch: usize): void {
  const whole = scratch + codecScratchSize() + (decodedEntries as usize) * decodedBytes;
  let previous: usize = 0;
  for (let i: u32 = 0; i < blockCount; i++) {
    const row = rows + (i as usize) * rowBytes;
    const count = load<i32>(row, 16);
    // Blocks with the same timestamps follow each other.
    if (previous != 0 && load<u64>(previous) == load<u64>(row) && load<i32>(previous, 16) == count) store<u64>(row, load<u64>(previous, 24), 24);
    else if (codecDecode(load<u32>(row) as usize, load<u32>(row, 4), count, whole, scratch) != 0) {
      store<i32>(row, 0, 24);
      store<i32>(row, count, 28);
    } else {
      const first = firstFrom(whole, 0, count as usize, minMs);
      store<u32>(row, first as u32, 24);
      store<u32>(row, firstAfter(whole, first, count as usize, maxMs) as u32, 28);
    }
    previous = row;
  }
}
