// What all parsers share: the *parse context* (where the body is, where the columns of the batch go, limits, counters)
// and the building of canonical label runs (see model/labels.ts) from label references in any order.
//
// Parse context, 256 bytes at an address divisible by 8; offsets in bytes, u32 unless noted:
//
//     0 body            4 bodyEnd          8 position        12 sliceSizeMax (body bytes read by one call)
//    16 rows           20 rowsMax         24 rowCount        28 timestampsMs
//    32 values         36 samplesMax      40 sampleCount     44 rewrite
//    48 rewriteEnd     52 rewriteTop      56 references      60 referenceCount
//    64 strings        68 stringsEnd      72 stringsTop      76 extraRun
//    80 extraRunEnd    84 extraCount      88 labelsMax       92 nameSizeMax
//    96 valueSizeMax  100 notes          104 notesMax       108 noteCount
//   112 errorOffset   116 errorReason    120 skippedLines   124 lineNumber
//   128 nowMs (f64)   136 timestampUnit  140 errorLine      144 errorColumn
//   148 previousLabels  152 previousLabelsSize  156 seriesHints (see remote_write.ts; 0: none)
//   160 seriesEnd     164 runPointer     168 runSize        172 seriesReason
//   176 carry         180 sliceEnd       184 extraNameSizes (u64: bit n is set when an extra label has a name of n bytes, modulo 64)
//   192 dropped samples by reason, u32 x 7 (see `reason...` below)   220 keepsNaN (1: samples that are NaN are kept)
//   224 fixes         228 fixesMax       232 fixCount       236 previousHasBraces
//   240 valueCursor   244 timestampCursor 248 samplesLeft (JSON lines; remote write: 244 pendingNote, 248 pendingNoteSize)
//
// seriesEnd to carry describe a series that the last slice cut in its middle (seriesEnd 0: none); carry is room for one run.
// References: 16 bytes each: name pointer, name size, value pointer, value size. Capacity labelsMax + 1. A value pointer of
// 0 says that the label stands 4 bytes before its name in canonical form.
// Notes: 8 bytes each, pointer and size of a piece of the body that TypeScript decodes (metadata).
// Fixes: 12 bytes each, sample index, pointer and size of a number that TypeScript parses (see number_parser.ts).

@inline export const bodyAt: usize = 0;
@inline export const bodyEndAt: usize = 4;
@inline export const positionAt: usize = 8;
@inline export const sliceSizeMaxAt: usize = 12;
@inline export const rowsAt: usize = 16;
@inline export const rowsMaxAt: usize = 20;
@inline export const rowCountAt: usize = 24;
@inline export const timestampsAt: usize = 28;
@inline export const valuesAt: usize = 32;
@inline export const samplesMaxAt: usize = 36;
@inline export const sampleCountAt: usize = 40;
@inline export const rewriteAt: usize = 44;
@inline export const rewriteEndAt: usize = 48;
@inline export const rewriteTopAt: usize = 52;
@inline export const referencesAt: usize = 56;
@inline export const referenceCountAt: usize = 60;
@inline export const stringsAt: usize = 64;
@inline export const stringsEndAt: usize = 68;
@inline export const stringsTopAt: usize = 72;
@inline export const extraRunAt: usize = 76;
@inline export const extraRunEndAt: usize = 80;
@inline export const extraCountAt: usize = 84;
@inline export const labelsMaxAt: usize = 88;
@inline export const nameSizeMaxAt: usize = 92;
@inline export const valueSizeMaxAt: usize = 96;
@inline export const notesAt: usize = 100;
@inline export const notesMaxAt: usize = 104;
@inline export const noteCountAt: usize = 108;
@inline export const errorOffsetAt: usize = 112;
@inline export const errorReasonAt: usize = 116;
@inline export const skippedLinesAt: usize = 120;
@inline export const lineNumberAt: usize = 124;
@inline export const nowMsAt: usize = 128;
@inline export const timestampUnitAt: usize = 136;
@inline export const errorLineAt: usize = 140;
@inline export const errorColumnAt: usize = 144;
@inline export const previousLabelsAt: usize = 148;
@inline export const previousLabelsSizeAt: usize = 152;
@inline export const seriesHintsAt: usize = 156;
@inline export const seriesEndAt: usize = 160;
@inline export const runPointerAt: usize = 164;
@inline export const runSizeAt: usize = 168;
@inline export const seriesReasonAt: usize = 172;
@inline export const carryAt: usize = 176;
@inline export const sliceEndAt: usize = 180;
@inline export const extraNameSizesAt: usize = 184;
@inline export const droppedAt: usize = 192;
@inline export const keepsNaNAt: usize = 220;
@inline export const fixesAt: usize = 224;
@inline export const fixesMaxAt: usize = 228;
@inline export const fixCountAt: usize = 232;
@inline export const previousHasBracesAt: usize = 236;
@inline export const valueCursorAt: usize = 240;
@inline export const timestampCursorAt: usize = 244;
@inline export const samplesLeftAt: usize = 248;
@inline export const pendingNoteAt: usize = 244;
@inline export const pendingNoteSizeAt: usize = 248;

// Why samples are dropped; the numbers are indexes of the counters in the context. 0 is "kept".
@inline export const reasonNan: u32 = 1;
@inline export const reasonTooManyLabels: u32 = 2;
@inline export const reasonLabelTooLong: u32 = 3;
@inline export const reasonNoLabels: u32 = 4;

// What a parser answers: the body is finished, the slice is full, the body is broken at errorOffset.
@inline export const statusDone: u32 = 0;
@inline export const statusFull: u32 = 1;
@inline export const statusBroken: u32 = 2;

@inline export const staleMarker: u64 = 0x7ff0000000000002;

/** Empties the batch for the next slice. */
export function labelRunBeginSlice(context: usize): void {
  store<u32>(context, 0, rowCountAt);
  store<u32>(context, 0, sampleCountAt);
  store<u32>(context, 0, noteCountAt);
  store<u32>(context, 0, fixCountAt);
  store<u32>(context, load<u32>(context, rewriteAt), rewriteTopAt);
  const sizeMax = min<u32>(load<u32>(context, sliceSizeMaxAt), load<u32>(context, bodyEndAt) - load<u32>(context, positionAt));
  store<u32>(context, load<u32>(context, positionAt) + sizeMax, sliceEndAt);
}

/** Adds `count` to the counter of dropped samples of `reason`. */
@inline export function countDropped(context: usize, reason: u32, count: u32): void {
  const counter = context + droppedAt + (reason << 2);
  store<u32>(counter, load<u32>(counter) + count);
}

/** Appends a row of the batch that owns the samples from `sampleFrom` to the current sample count. */
@inline export function writeRow(context: usize, run: usize, runSize: u32, sampleFrom: u32): void {
  const rowCount = load<u32>(context, rowCountAt);
  const row = (load<u32>(context, rowsAt) as usize) + (rowCount as usize) * 20;
  store<u32>(row, run as u32);
  store<u32>(row, runSize, 4);
  store<u32>(row, sampleFrom, 8);
  store<u32>(row, load<u32>(context, sampleCountAt) - sampleFrom, 12);
  store<u32>(row, 0, 16);
  store<u32>(context, rowCount + 1, rowCountAt);
}

/** Whether samples that are NaN, but no stale marker, are dropped. */
@inline export function dropsNaN(context: usize): bool {
  return load<u32>(context, keepsNaNAt) == 0;
}

/** Appends a sample, unless it is a NaN other than the stale marker and such are dropped: then it is counted. */
@inline export function writeSample(context: usize, timestampMs: f64, value: f64): void {
  const bits = reinterpret<u64>(value);
  if (value != value && bits != staleMarker && dropsNaN(context)) {
    countDropped(context, reasonNan, 1);
    return;
  }
  const sampleCount = load<u32>(context, sampleCountAt);
  store<f64>((load<u32>(context, timestampsAt) as usize) + ((sampleCount as usize) << 3), timestampMs);
  store<u64>((load<u32>(context, valuesAt) as usize) + ((sampleCount as usize) << 3), bits);
  store<u32>(context, sampleCount + 1, sampleCountAt);
}

/** Notes a piece of the body for TypeScript to decode; false when there is no room. */
export function addNote(context: usize, pointer: usize, size: usize): bool {
  const noteCount = load<u32>(context, noteCountAt);
  if (noteCount >= load<u32>(context, notesMaxAt)) return false;
  const note = (load<u32>(context, notesAt) as usize) + ((noteCount as usize) << 3);
  store<u32>(note, pointer as u32);
  store<u32>(note, size as u32, 4);
  store<u32>(context, noteCount + 1, noteCountAt);
  return true;
}

/** Notes that the value of the next sample must be read again from the text in [pointer, end). There must be room. */
export function addFix(context: usize, pointer: usize, end: usize): void {
  const fixCount = load<u32>(context, fixCountAt);
  const fix = (load<u32>(context, fixesAt) as usize) + (fixCount as usize) * 12;
  store<u32>(fix, load<u32>(context, sampleCountAt));
  store<u32>(fix, pointer as u32, 4);
  store<u32>(fix, (end - pointer) as u32, 8);
  store<u32>(context, fixCount + 1, fixCountAt);
}

/** Counts a line that cannot be read and remembers the first one. `reason` is one of lineErrors in protocol/line_error.ts. */
export function skipLine(context: usize, reason: u32, line: usize, column: usize): void {
  const skipped = load<u32>(context, skippedLinesAt);
  store<u32>(context, skipped + 1, skippedLinesAt);
  if (skipped != 0) return;
  store<u32>(context, reason, errorReasonAt);
  store<u32>(context, load<u32>(context, lineNumberAt), errorLineAt);
  store<u32>(context, (column - line + 1) as u32, errorColumnAt);
  store<u32>(context, (column as u32) - load<u32>(context, bodyAt), errorOffsetAt);
}

/** Address of the next line feed in [pointer, end), or `end`. Reads up to 15 bytes behind the end. */
export function lineEnd(pointer: usize, end: usize): usize {
  const lineFeeds = i8x16.splat(0x0a);
  for (; pointer < end; pointer += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(pointer), lineFeeds));
    if (found != 0) return min(pointer + (ctz(found) as usize), end);
  }
  return end;
}

/** Address of the next `"` or backslash in [pointer, end), or one at or behind `end`. Reads up to 15 bytes behind the end. */
@inline export function quoteOrBackslash(pointer: usize, end: usize): usize {
  const quotes = i8x16.splat(0x22);
  const backslashes = i8x16.splat(0x5c);
  for (; pointer < end; pointer += 16) {
    const bytes = v128.load(pointer);
    const found = i8x16.bitmask(v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, backslashes)));
    if (found != 0) return pointer + (ctz(found) as usize);
  }
  return end;
}

/** Keeps a run over the end of the slice that it was written in. */
export function carryRun(context: usize, run: usize, runSize: u32): void {
  const carry = load<u32>(context, carryAt);
  memory.copy(carry, run, runSize);
  store<u32>(context, carry, runPointerAt);
  store<u32>(context, runSize, runSizeAt);
}

/** The run that a series goes on with: one that was carried is put into the rewrite area of this slice, which is still empty. */
export function resumeRun(context: usize): usize {
  const run = load<u32>(context, runPointerAt);
  if (run != load<u32>(context, carryAt)) return run;
  const top = load<u32>(context, rewriteTopAt);
  const runSize = load<u32>(context, runSizeAt);
  memory.copy(top, run, runSize);
  store<u32>(context, top + runSize, rewriteTopAt);
  return top;
}

/** Whether `left` sorts before (< 0), equals (0) or sorts after (> 0) `right`, bytewise. */
export function compareBytes(left: usize, leftSize: usize, right: usize, rightSize: usize): i32 {
  const size = min(leftSize, rightSize);
  for (let i: usize = 0; i < size; i++) {
    const a = load<u8>(left + i) as i32;
    const b = load<u8>(right + i) as i32;
    if (a != b) return a - b;
  }
  return leftSize == rightSize ? 0 : leftSize < rightSize ? -1 : 1;
}

/** First bytes of a name, the first one lowest, zeros behind the end. Reads 8 bytes. */
@inline export function nameKey(name: usize, size: usize): u64 {
  return load<u64>(name) & (~(0 as u64) >> ((8 - min<usize>(size, 8)) << 3));
}

/** Orders two keys of nameKey; 0 means that the names must be compared. */
@inline export function compareKeys(left: u64, right: u64): i32 {
  const difference = left ^ right;
  if (difference == 0) return 0;
  const shift = ctz(difference) & 56;
  return (((left >> shift) & 255) as i32) - (((right >> shift) & 255) as i32);
}

/** Forgets the references of the series before. */
export function labelRunReset(context: usize): void {
  store<u32>(context, 0, referenceCountAt);
  store<u32>(context, load<u32>(context, stringsAt), stringsTopAt);
}

/** Value of a varint that is known to be whole and minimal (a run that this module wrote); its size in varintSize. */
let varintSize: usize = 0;
@inline function readOwnVarint(pointer: usize): usize {
  let value: usize = 0;
  varintSize = 0;
  while (true) {
    const byte = load<u8>(pointer + varintSize) as usize;
    value |= (byte & 127) << (7 * varintSize);
    varintSize++;
    if (byte < 128) return value;
  }
}

/** Whether one of the extra labels has this name; most names are told apart by their size. */
@inline function isExtraName(context: usize, name: usize, nameSize: usize): bool {
  return ((load<u64>(context, extraNameSizesAt) >> ((nameSize & 63) as u64)) & 1) != 0 && findExtraName(context, name, nameSize);
}

function findExtraName(context: usize, name: usize, nameSize: usize): bool {
  let pointer = load<u32>(context, extraRunAt) as usize;
  const end = load<u32>(context, extraRunEndAt) as usize;
  while (pointer < end) {
    const labelSize = readOwnVarint(pointer + 1);
    const label = pointer + 1 + varintSize;
    const size = readOwnVarint(label + 1);
    if (size == nameSize && compareBytes(label + 1 + varintSize, size, name, nameSize) == 0) return true;
    pointer = label + labelSize;
  }
  return false;
}

/** Appends a reference. The name and value stay where they are until labelRunFinish. Returns 0 or the reason to drop the series. */
function addReference(context: usize, name: usize, nameSize: usize, value: usize, valueSize: usize): u32 {
  if (nameSize > load<u32>(context, nameSizeMaxAt) || valueSize > load<u32>(context, valueSizeMaxAt)) return reasonLabelTooLong;
  const count = load<u32>(context, referenceCountAt);
  if (count >= load<u32>(context, labelsMaxAt)) return reasonTooManyLabels;
  // Insertion keeps the references sorted; labels mostly arrive in order, so this is one compare each. A name that is
  // already there comes before the new one, and the later wins in labelRunFinish.
  const references = load<u32>(context, referencesAt) as usize;
  let slot = references + ((count as usize) << 4);
  const key = nameKey(name, nameSize);
  while (slot > references) {
    const other = load<u32>(slot - 16) as usize;
    const otherSize = load<u32>(slot - 16, 4) as usize;
    let order = compareKeys(nameKey(other, otherSize), key);
    if (order == 0) order = compareBytes(other, otherSize, name, nameSize);
    if (order <= 0) break;
    store<u64>(slot, load<u64>(slot - 16));
    store<u64>(slot, load<u64>(slot - 16, 8), 8);
    slot -= 16;
  }
  // In halves of 8 bytes, because they are moved so: a load wider than the store before it is slow.
  store<u64>(slot, (name as u64) | ((nameSize as u64) << 32));
  store<u64>(slot, (value as u64) | ((valueSize as u64) << 32), 8);
  store<u32>(context, count + 1, referenceCountAt);
  return 0;
}

/**
 * Adds the label of a series; empty ones are left out, an extra label of the same name overrides it.
 * Returns 0 or the reason to drop the series.
 */
export function labelRunAdd(context: usize, name: usize, nameSize: usize, value: usize, valueSize: usize): u32 {
  if (nameSize == 0 || valueSize == 0) return 0;
  if (isExtraName(context, name, nameSize)) return 0;
  return addReference(context, name, nameSize, value, valueSize);
}

/** As labelRunAdd, for a label that stands at `label` as it would in a canonical run, with sizes of one byte each. */
export function labelRunAddPlain(context: usize, label: usize): u32 {
  const nameSize = load<u8>(label, 3) as usize;
  if (nameSize == 0) return 0;
  if (isExtraName(context, label + 4, nameSize)) return 0;
  return addReference(context, label + 4, nameSize, 0, (load<u8>(label, 1) as usize) - nameSize - 4);
}

/** Adds the extra labels. */
export function labelRunAddExtra(context: usize): u32 {
  let pointer = load<u32>(context, extraRunAt) as usize;
  const end = load<u32>(context, extraRunEndAt) as usize;
  while (pointer < end) {
    const labelSize = readOwnVarint(pointer + 1);
    const label = pointer + 1 + varintSize;
    const nameSize = readOwnVarint(label + 1);
    const name = label + 1 + varintSize;
    const valueSize = readOwnVarint(name + nameSize + 1);
    const reason = addReference(context, name, nameSize, name + nameSize + 1 + varintSize, valueSize);
    if (reason != 0) return reason;
    pointer = label + labelSize;
  }
  return 0;
}

@inline function sizeOfVarint(value: usize): usize {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : (value < 0x200000 ? 3 : 4) as usize;
}

/** Writes a varint and returns the address behind it. */
@inline function writeVarint(pointer: usize, value: usize): usize {
  while (value >= 128) {
    store<u8>(pointer++, (value & 127) | 128);
    value >>>= 7;
  }
  store<u8>(pointer++, value);
  return pointer;
}

/** Copies forwards in steps of 16; up to 31 bytes behind the source are read and behind the target overwritten. */
@inline export function copyBytes(target: usize, source: usize, size: usize): void {
  v128.store(target, v128.load(source));
  v128.store(target, v128.load(source, 16), 16);
  for (let i: usize = 32; i < size; i += 16) v128.store(target + i, v128.load(source + i));
}

/** labelRunFinish: no room in the rewrite area. */
@inline export const finishFull: u32 = 255;

/** Where labelRunFinish wrote the run. */
export let finishedRun: usize = 0;
export let finishedRunSize: u32 = 0;

/**
 * Writes the canonical run of the references to the rewrite area; of equal names the last one.
 * Returns 0, a reason to drop the series, or finishFull.
 */
export function labelRunFinish(context: usize): u32 {
  const references = load<u32>(context, referencesAt) as usize;
  const count = load<u32>(context, referenceCountAt) as usize;
  const start = load<u32>(context, rewriteTopAt) as usize;
  const end = load<u32>(context, rewriteEndAt) as usize;
  let to = start;
  for (let i: usize = 0; i < count; i++) {
    const reference = references + (i << 4);
    const name = load<u32>(reference) as usize;
    const nameSize = load<u32>(reference, 4) as usize;
    const value = load<u32>(reference, 8) as usize;
    const valueSize = load<u32>(reference, 12) as usize;
    if (i + 1 < count && nameSize == (load<u32>(reference, 20) as usize) && compareBytes(name, nameSize, load<u32>(reference, 16) as usize, nameSize) == 0) continue;
    const labelSize: usize = 2 + sizeOfVarint(nameSize) + nameSize + sizeOfVarint(valueSize) + valueSize;
    if (labelSize + 64 > end - to) return finishFull;
    if (value == 0) {
      copyBytes(to, name - 4, labelSize + 2);
      to += labelSize + 2;
      continue;
    }
    store<u8>(to, 0x0a);
    to = writeVarint(to + 1, labelSize);
    store<u8>(to, 0x0a);
    to = writeVarint(to + 1, nameSize);
    copyBytes(to, name, nameSize);
    to += nameSize;
    store<u8>(to, 0x12);
    to = writeVarint(to + 1, valueSize);
    copyBytes(to, value, valueSize);
    to += valueSize;
  }
  if (to == start) return reasonNoLabels;
  finishedRun = start;
  finishedRunSize = (to - start) as u32;
  store<u32>(context, to as u32, rewriteTopAt);
  return 0;
}
