// Remote write 1.0: walks a protobuf WriteRequest and writes the columns of a RowBatch.
//
//   WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3 }
//   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; exemplars = 3; histograms = 4 }
//   Label        { string name = 1; string value = 2 }
//   Sample       { double value = 1; int64 timestamp = 2 }
//
// The labels of a series stand at its start. When they are already a canonical run (one cheap pass: lengths fit, names
// ascend) the row points into the body; else they are sorted into the rewrite area. All of protobuf is understood (any
// order of fields, unknown fields, long varints), but only the form that senders use is fast.
// The body has 16 readable bytes behind its end.
//
// A parser that works in the memory of a head asks it first which series is expected next (series_table.ts): where the label run of that one stands, its labels
// need no look at all, and the row says which series it is. Series hints, 24 bytes at the address in the parse context:
//
//     0 head            4 accountId        8 projectId       12 previousSeries (of the row before)
//    16 knownSeries     20 cutSeries (of the series that the last slice cut)
//
// knownSeries is a column: seriesIndex + 1 of each row, 0 if it is not known. So are the other series here.
import { headKnownSeries } from "./head";
import {
  addNote, bodyAt, bodyEndAt, carryRun, compareBytes, countDropped, droppedAt, dropsNaN, errorOffsetAt, extraCountAt, finishFull, finishedRun,
  finishedRunSize, labelRunAdd, labelRunAddExtra, labelRunAddPlain, labelRunBeginSlice, labelRunFinish, labelRunReset, labelsMaxAt,
  nameSizeMaxAt, pendingNoteAt, pendingNoteSizeAt, positionAt, reasonNan, reasonNoLabels, resumeRun, rowCountAt, rowsAt, rowsMaxAt, runPointerAt, runSizeAt,
  sampleCountAt, samplesMaxAt, seriesEndAt, seriesHintsAt, seriesReasonAt, sliceEndAt, staleMarker, statusBroken, statusDone, statusFull, timestampsAt,
  valueSizeMaxAt, valuesAt, writeRow,
} from "./label_run";
import { predictedRunSize, predictSeries } from "./series_table";

const headAt: usize = 0;
const accountIdAt: usize = 4;
const projectIdAt: usize = 8;
const previousSeriesAt: usize = 12;
const knownSeriesAt: usize = 16;
const cutSeriesAt: usize = 20;

// Extra return values of the function just called.
let value64: u64 = 0;
let fieldTag: u32 = 0;
let fieldBody: usize = 0;
let fieldSize: usize = 0;
let failedAt: usize = 0;
let runEnd: usize = 0;

/** Reads a varint into value64 and returns the address behind it; 0 if it is longer than 10 bytes or crosses `end`. */
function readVarint(pointer: usize, end: usize): usize {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (pointer >= end) return 0;
    const byte = load<u8>(pointer++) as u64;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      value64 = value;
      return pointer;
    }
  }
  return 0;
}

/**
 * Reads one field: returns the address behind it, or 0 when it is broken (failedAt says where). The tag comes back in
 * fieldTag; a length-delimited field in fieldBody and fieldSize, the bits of any other in value64.
 */
function readField(pointer: usize, end: usize): usize {
  failedAt = pointer;
  let next = readVarint(pointer, end);
  if (next == 0 || value64 > 0xffffffff || value64 < 8) return 0;
  fieldTag = value64 as u32;
  const wireType = fieldTag & 7;
  if (wireType == 2) {
    next = readVarint(next, end);
    if (next == 0 || value64 > ((end - next) as u64)) return 0;
    fieldBody = next;
    fieldSize = value64 as usize;
    return next + fieldSize;
  }
  if (wireType == 0) return readVarint(next, end);
  if (wireType == 1) {
    if (end - next < 8) return 0;
    value64 = load<u64>(next);
    return next + 8;
  }
  if (wireType == 5) {
    if (end - next < 4) return 0;
    value64 = load<u32>(next) as u64;
    return next + 4;
  }
  return 0;
}

/** Varint of a size for the canonical check: the address behind it, or 0 if it is not minimal or has more than 3 bytes. */
function readMinimalSize(pointer: usize): usize {
  const first = load<u8>(pointer) as u64;
  const second = load<u8>(pointer, 1) as u64;
  if (first < 128) {
    value64 = first;
    return pointer + 1;
  }
  if (second < 128) {
    value64 = (first & 127) | (second << 7);
    return second == 0 ? 0 : pointer + 2;
  }
  const third = load<u8>(pointer, 2) as u64;
  value64 = (first & 127) | ((second & 127) << 7) | (third << 14);
  return third == 0 || third >= 128 ? 0 : pointer + 3;
}

// The label just passed by remoteWriteLongLabel.
let longName: usize = 0;
let longNameSize: usize = 0;

/**
 * As isPlainLabel, for a label whose sizes do not all fit in a byte: the address behind it, or 0 if it is not canonical.
 * It is exported from the module only to keep it out of the loop of canonicalRun, which is a fifth faster without it.
 */
export function remoteWriteLongLabel(context: usize, pointer: usize, end: usize): usize {
  let next = readMinimalSize(pointer + 1);
  if (next == 0) return 0;
  if (value64 > ((end - next) as u64) || next > end || load<u8>(next) != 0x0a) return 0;
  const labelEnd = next + (value64 as usize);
  next = readMinimalSize(next + 1);
  longName = next;
  longNameSize = value64 as usize;
  if (next == 0 || next > labelEnd || longNameSize == 0 || longNameSize > load<u32>(context, nameSizeMaxAt)) return 0;
  if (longNameSize >= labelEnd - next) return 0;
  next += longNameSize;
  if (load<u8>(next) != 0x12) return 0;
  next = readMinimalSize(next + 1);
  const valueSize = value64 as usize;
  if (next == 0 || valueSize == 0 || valueSize > load<u32>(context, valueSizeMaxAt) || next + valueSize != labelEnd) return 0;
  return labelEnd;
}

/**
 * Whether a label stands at `pointer` in the form 0a labelSize 0a nameSize name 12 valueSize value, where the sizes are
 * single bytes that fit in each other and the value is not empty.
 */
@inline function isPlainLabel(pointer: usize, end: usize): bool {
  const labelSize = load<u8>(pointer, 1) as u32;
  const nameSize = load<u8>(pointer, 3) as u32;
  const valueSize = labelSize - 4 - nameSize;
  return (load<u32>(pointer) & 0x80ff80ff) == 0x000a000a && valueSize - 1 < 127 && pointer + 2 + labelSize <= end &&
    (load<u16>(pointer + 4 + nameSize) as u32) == (0x12 | (valueSize << 8));
}

/** Whether the labels at the start of a series form a canonical run within the limits; it ends at runEnd. */
function canonicalRun(context: usize, start: usize, end: usize): bool {
  // The fast path is for sizes below 128; lower limits than that are left to remoteWriteLongLabel.
  const lowLimits = min(load<u32>(context, nameSizeMaxAt), load<u32>(context, valueSizeMaxAt)) < 127;
  let labelsLeft = load<u32>(context, labelsMaxAt) as i32;
  let pointer = start;
  let previousName: usize = start;
  let previousSize: usize = 0;
  let previousKey: u64 = 0;
  while (pointer < end && load<u8>(pointer) == 0x0a) {
    let name = pointer + 4;
    let nameSize: usize = load<u8>(pointer, 3);
    let next = pointer + 2 + (load<u8>(pointer, 1) as usize);
    if (lowLimits || !isPlainLabel(pointer, end)) {
      next = remoteWriteLongLabel(context, pointer, end);
      if (next == 0) return false;
      name = longName;
      nameSize = longNameSize;
    }
    // The names ascend when at the first of 8 bytes that differs this one is greater, and that byte belongs to its name
    // (what belongs to the other does not matter). All else is compared in full.
    const key = load<u64>(name);
    // lowest differing bit's byte
    const difference = key ^ previousKey;
    const shift = ctz(difference) & 56;
    if ((shift >> 3) >= (nameSize as u64) || ((key >> shift) & 255) <= ((previousKey >> shift) & 255)) {
      if (compareBytes(name, nameSize, previousName, previousSize) <= 0) return false;
    }
    if (--labelsLeft < 0) return false;
    previousKey = key;
    previousName = name;
    previousSize = nameSize;
    pointer = next;
  }
  runEnd = pointer;
  return pointer != start;
}

/** gatherLabel and rewriteLabels: the message is broken. */
const brokenLabel: u32 = 254;

/** Adds the label message in [pointer, end) to the references. 0, a reason to drop the series, or brokenLabel. */
function gatherLabel(context: usize, pointer: usize, end: usize): u32 {
  let name: usize = pointer;
  let nameSize: usize = 0;
  let value: usize = pointer;
  let valueSize: usize = 0;
  while (pointer < end) {
    pointer = readField(pointer, end);
    if (pointer == 0) return brokenLabel;
    if (fieldTag == 0x0a) {
      name = fieldBody;
      nameSize = fieldSize;
    } else if (fieldTag == 0x12) {
      value = fieldBody;
      valueSize = fieldSize;
    }
  }
  return labelRunAdd(context, name, nameSize, value, valueSize);
}

/**
 * Rewrites all labels of the series [pointer, end), wherever they stand. 0, a reason to drop it, finishFull or brokenLabel.
 * runEnd is the address behind those at its start.
 */
function rewriteLabels(context: usize, pointer: usize, end: usize): u32 {
  labelRunReset(context);
  let reason = labelRunAddExtra(context);
  let labelCount = 0;
  runEnd = pointer;
  while (pointer < end) {
    if (isPlainLabel(pointer, end)) {
      const added = labelRunAddPlain(context, pointer);
      if (reason == 0) reason = added;
      labelCount++;
      const next = pointer + 2 + (load<u8>(pointer, 1) as usize);
      if (runEnd == pointer) runEnd = next;
      pointer = next;
      continue;
    }
    pointer = readField(pointer, end);
    if (pointer == 0) return brokenLabel;
    if (fieldTag != 0x0a) continue;
    labelCount++;
    const added = gatherLabel(context, fieldBody, fieldBody + fieldSize);
    if (added == brokenLabel) return brokenLabel;
    if (reason == 0) reason = added;
  }
  if (reason != 0) return reason;
  return labelCount == 0 ? reasonNoLabels : labelRunFinish(context);
}

/** Added to the size of a note that is a whole TimeSeries: it has histograms or exemplars, which TypeScript reads. */
const seriesNote: usize = 0x80000000;
// Set by readSamples when it meets histograms or exemplars; whoever calls it clears it.
let metMore: bool = false;

/** Whether a field of a series is an exemplar (3) or a histogram (4). */
@inline function isMore(tag: u32): bool {
  return tag == 0x1a || tag == 0x22;
}

// The sample just read.
let sampleValue: u64 = 0;
let sampleTimestamp: i64 = 0;

/** Whether a value is a NaN other than the stale marker. */
@inline function isPlainNaN(bits: u64): bool {
  return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000 && bits != staleMarker;
}

/** Joins the 7-bit groups of a varint of up to 8 bytes, flags already cleared. */
@inline function joinGroups(groups: u64): i64 {
  groups = (groups & 0x007f007f007f007f) | ((groups & 0x7f007f007f007f00) >> 1);
  groups = (groups & 0x00003fff00003fff) | ((groups & 0x3fff00003fff0000) >> 2);
  return ((groups & 0x0fffffff) | ((groups & 0x0fffffff00000000) >> 4)) as i64;
}

/** Reads a sample field of the form `12 size 09 value 10 timestamp`. The address behind it, or 0 if it has another form. */
@inline function readPlainSample(pointer: usize, end: usize): usize {
  const head = load<u32>(pointer);
  const timestampSize = ((head >> 8) & 255) - 10;
  const next = pointer + 12 + timestampSize;
  if ((head & 0xff00ff) != 0x090012 || timestampSize - 1 >= 8 || next > end || load<u8>(pointer, 11) != 0x10) return 0;
  const groups = load<u64>(pointer, 12);
  if (((ctz(~groups & 0x8080808080808080) + 1) >> 3) != (timestampSize as u64)) return 0;
  sampleValue = load<u64>(pointer, 3);
  sampleTimestamp = joinGroups(groups & 0x7f7f7f7f7f7f7f7f & (~(0 as u64) >> ((8 - (timestampSize as u64)) << 3)));
  return next;
}

/** Reads the body of a sample in any form. */
function readSample(pointer: usize, end: usize): bool {
  sampleValue = 0;
  sampleTimestamp = 0;
  while (pointer < end) {
    pointer = readField(pointer, end);
    if (pointer == 0) return false;
    if (fieldTag == 0x09) sampleValue = value64;
    else if (fieldTag == 0x10) sampleTimestamp = value64 as i64;
  }
  return true;
}

/** readSamples: a label stands behind the samples. */
const statusLateLabel: u32 = 3;
/** parseSeries: no room to begin it. */
const statusNotBegun: u32 = 4;

/**
 * Reads the fields of a series behind its label run and writes its samples; `reason` other than 0 drops them.
 * Returns statusDone, statusFull with positionAt at the first sample not taken, statusBroken, or statusLateLabel when it
 * meets a label although not all labels are known yet.
 */
function readSamples(context: usize, pointer: usize, end: usize, reason: u32, allLabelsKnown: bool): u32 {
  const timestamps = load<u32>(context, timestampsAt) as usize;
  const values = load<u32>(context, valuesAt) as usize;
  const samplesMax = load<u32>(context, samplesMaxAt);
  const sliceEnd = load<u32>(context, sliceEndAt) as usize;
  let sampleCount = load<u32>(context, sampleCountAt);
  while (pointer < end) {
    let next = readPlainSample(pointer, end);
    if (next == 0) {
      next = readField(pointer, end);
      if (next == 0) return statusBroken;
      if (fieldTag != 0x12) {
        if (isMore(fieldTag)) metMore = true;
        else if (fieldTag == 0x0a && !allLabelsKnown) return statusLateLabel;
        pointer = next;
        continue;
      }
      if (!readSample(fieldBody, next)) return statusBroken;
    }
    if (sampleCount >= samplesMax || pointer > sliceEnd) {
      store<u32>(context, sampleCount, sampleCountAt);
      store<u32>(context, pointer as u32, positionAt);
      return statusFull;
    }
    pointer = next;
    if (reason != 0) {
      countDropped(context, reason, 1);
    } else if (isPlainNaN(sampleValue) && dropsNaN(context)) {
      countDropped(context, reasonNan, 1);
    } else {
      store<f64>(timestamps + ((sampleCount as usize) << 3), sampleTimestamp as f64);
      store<u64>(values + ((sampleCount as usize) << 3), sampleValue);
      sampleCount++;
    }
  }
  store<u32>(context, sampleCount, sampleCountAt);
  return statusDone;
}

/** Whether an exemplar or a histogram stands among the fields of [pointer, end). */
function hasMore(pointer: usize, end: usize): bool {
  while (pointer < end) {
    pointer = readField(pointer, end);
    if (pointer == 0) return false;
    if (isMore(fieldTag)) return true;
  }
  return false;
}

/**
 * Notes the series whose field begins at `pointer` for TypeScript if it has more than floats. A series that goes on in the next slice is noted once. Without
 * room the note is kept for the next slice, which goes on behind the series, and the answer is true. It is exported, and reads the field anew, to keep it and
 * its variables out of the loop, as remoteWriteLongLabel.
 */
export function remoteWriteNoteMore(context: usize, pointer: usize, bodyEnd: usize, status: u32): bool {
  const end = readField(pointer, bodyEnd);
  const start = fieldBody;
  const isNoted = metMore || (status == statusFull && hasMore(load<u32>(context, positionAt) as usize, end));
  metMore = false;
  if (!isNoted || addNote(context, start, (end - start) | seriesNote)) return false;
  store<u32>(context, start as u32, pendingNoteAt);
  store<u32>(context, (end - start) as u32, pendingNoteSizeAt);
  if (status == statusDone) store<u32>(context, end as u32, positionAt);
  return true;
}

/** Whether a label stands among the fields of [pointer, end). A broken field ends the search: it is reported when it is read. */
function hasLabel(pointer: usize, end: usize): bool {
  while (pointer < end) {
    pointer = readField(pointer, end);
    if (pointer == 0) return false;
    if (fieldTag == 0x0a) return true;
  }
  return false;
}

/** The series that the head expects next, if its label run stands at `start`, ending at runEnd; else 0. */
@inline function expectedSeries(hints: usize, start: usize, end: usize): u32 {
  const previous = load<u32>(hints, previousSeriesAt);
  if (previous == 0) return 0;
  const found = predictSeries(load<u32>(hints, headAt), previous - 1, start, end, load<u32>(hints, accountIdAt), load<u32>(hints, projectIdAt));
  if (found < 0) return 0;
  runEnd = start + (predictedRunSize as usize);
  return runEnd < end && load<u8>(runEnd) == 0x0a ? 0 : found + 1; // a label more makes it another run
}

/** Writes a row of the batch, see writeRow, and which series it is, as far as that is known. */
@inline function writeSeriesRow(context: usize, run: usize, runSize: u32, sampleFrom: u32, hints: usize, known: u32): void {
  writeRow(context, run, runSize, sampleFrom);
  if (hints == 0) return;
  store<u32>((load<u32>(hints, knownSeriesAt) as usize) + ((load<u32>(context, rowCountAt) as usize) << 2) - 4, known);
  store<u32>(hints, known, previousSeriesAt);
}

/**
 * Parses the series in [start, end). On statusFull its first samples were taken and the context describes the rest; on
 * statusNotBegun and statusBroken nothing of it was.
 */
function parseSeries(context: usize, start: usize, end: usize): u32 {
  const sampleFrom = load<u32>(context, sampleCountAt);
  let run = start;
  let runSize: u32 = 0;
  let reason: u32 = 0;
  let status = statusLateLabel;
  let rewritten = true;
  const hints = load<u32>(context, seriesHintsAt) as usize;
  const mayBeCanonical = load<u32>(context, extraCountAt) == 0;
  let known = mayBeCanonical && hints != 0 ? expectedSeries(hints, start, end) : 0;
  if (known != 0 || (mayBeCanonical && canonicalRun(context, start, end))) {
    runSize = (runEnd - start) as u32;
    if (known == 0 && hints != 0) known = headKnownSeries(load<u32>(hints, headAt), start, runSize, load<u32>(hints, accountIdAt), load<u32>(hints, projectIdAt)) + 1;
    const droppedLow = v128.load(context, droppedAt);
    const droppedHigh = v128.load(context, droppedAt + 16);
    rewritten = false;
    status = readSamples(context, runEnd, end, 0, false);
    if (status == statusFull && hasLabel(load<u32>(context, positionAt) as usize, end)) status = statusLateLabel;
    if (status == statusLateLabel || status == statusBroken) {
      v128.store(context, droppedLow, droppedAt);
      v128.store(context, droppedHigh, droppedAt + 16);
      store<u32>(context, sampleFrom, sampleCountAt);
    }
  }
  if (status == statusLateLabel) {
    reason = rewriteLabels(context, start, end);
    if (reason == brokenLabel) return statusBroken;
    if (reason == finishFull) return statusNotBegun;
    rewritten = true;
    known = 0;
    run = finishedRun;
    runSize = finishedRunSize;
    status = readSamples(context, runEnd, end, reason, true);
    if (status == statusBroken) store<u32>(context, sampleFrom, sampleCountAt);
  }
  if (status == statusBroken) return statusBroken;
  if (load<u32>(context, sampleCountAt) != sampleFrom) writeSeriesRow(context, run, runSize, sampleFrom, hints, known);
  if (status == statusFull) {
    carrySeries(context, run, reason == 0 ? runSize : 0, end, reason, rewritten);
    if (hints != 0) store<u32>(hints, known, cutSeriesAt);
  }
  return status;
}

/** Keeps what the next slice needs to go on with a series. Its run stays in the body or is copied out of the rewrite area. */
function carrySeries(context: usize, run: usize, runSize: u32, end: usize, reason: u32, rewritten: bool): void {
  store<u32>(context, end as u32, seriesEndAt);
  if (rewritten) carryRun(context, run, runSize);
  else {
    store<u32>(context, run as u32, runPointerAt);
    store<u32>(context, runSize, runSizeAt);
  }
  store<u32>(context, reason, seriesReasonAt);
}

/** Goes on with the series that the last slice cut. */
function resumeSeries(context: usize, pointer: usize): u32 {
  const end = load<u32>(context, seriesEndAt) as usize;
  const runSize = load<u32>(context, runSizeAt);
  const sampleFrom = load<u32>(context, sampleCountAt);
  const run = resumeRun(context);
  const status = readSamples(context, pointer, end, load<u32>(context, seriesReasonAt), true);
  if (status == statusBroken) {
    store<u32>(context, sampleFrom, sampleCountAt);
    return statusBroken;
  }
  metMore = false; // it was noted when it was cut
  const hints = load<u32>(context, seriesHintsAt) as usize;
  if (load<u32>(context, sampleCountAt) != sampleFrom) writeSeriesRow(context, run, runSize, sampleFrom, hints, hints == 0 ? 0 : load<u32>(hints, cutSeriesAt));
  if (status == statusFull) return statusFull;
  store<u32>(context, end as u32, positionAt);
  store<u32>(context, 0, seriesEndAt);
  return statusDone;
}

/**
 * The short cut for what steady senders send: from `pointer` on, as long as there stands the series that the head expects next, with one sample and nothing else.
 * Returns the address behind the last such series; positionAt is not touched. What it reads costs a quarter of what other bytes do, so it moves the end of the slice.
 */
function parseExpected(context: usize, hints: usize, pointer: usize, bodyEnd: usize): usize {
  let previous = load<u32>(hints, previousSeriesAt);
  if (previous == 0) return pointer;
  const head = load<u32>(hints, headAt) as usize;
  const accountId = load<u32>(hints, accountIdAt);
  const projectId = load<u32>(hints, projectIdAt);
  const sliceEnd = load<u32>(context, sliceEndAt) as usize;
  const readMax = sliceEnd - pointer;
  const from = pointer;
  const sampleFrom = load<u32>(context, sampleCountAt);
  const rowFrom = load<u32>(context, rowCountAt);
  const countMax = min(load<u32>(context, rowsMaxAt) - rowFrom, load<u32>(context, samplesMaxAt) - sampleFrom);
  const timestamps = (load<u32>(context, timestampsAt) as usize) + ((sampleFrom as usize) << 3);
  const values = (load<u32>(context, valuesAt) as usize) + ((sampleFrom as usize) << 3);
  const knownSeries = (load<u32>(hints, knownSeriesAt) as usize) + ((rowFrom as usize) << 2);
  let row = (load<u32>(context, rowsAt) as usize) + (rowFrom as usize) * 20;
  let count: u32 = 0;
  while (count < countMax && pointer < bodyEnd && (pointer - from) >> 2 <= readMax) {
    const field = load<u32>(pointer);
    const isLong = (field >> 15) & 1; // a size of two bytes
    if ((field & 0xff) != 0x0a || ((field >> 23) & isLong) != 0) break;
    const start = pointer + 2 + (isLong as usize);
    const end = start + (((field >> 8) & 127) | ((field >> 9) & (0x3f80 & (0 - isLong))));
    if (end > bodyEnd) break;
    const found = predictSeries(head, previous - 1, start, end, accountId, projectId);
    if (found < 0) break;
    const runSize = predictedRunSize;
    if (readPlainSample(start + (runSize as usize), end) != end) break;
    if (isPlainNaN(sampleValue) && dropsNaN(context)) break;
    previous = found + 1;
    store<u32>(row, start as u32);
    store<u32>(row, runSize, 4);
    store<u32>(row, sampleFrom + count, 8);
    store<u32>(row, 1, 12);
    store<u32>(row, 0, 16);
    store<u32>(knownSeries + ((count as usize) << 2), previous);
    store<f64>(timestamps + ((count as usize) << 3), sampleTimestamp as f64);
    store<u64>(values + ((count as usize) << 3), sampleValue);
    row += 20;
    count++;
    pointer = end;
  }
  store<u32>(hints, previous, previousSeriesAt);
  store<u32>(context, sampleFrom + count, sampleCountAt);
  store<u32>(context, rowFrom + count, rowCountAt);
  store<u32>(context, (sliceEnd + min(((pointer - from) * 3) >> 2, bodyEnd - sliceEnd)) as u32, sliceEndAt);
  return pointer;
}

@inline function isSliceFull(context: usize, pointer: usize): bool {
  return load<u32>(context, rowCountAt) >= load<u32>(context, rowsMaxAt) || load<u32>(context, sampleCountAt) >= load<u32>(context, samplesMaxAt) ||
    pointer > (load<u32>(context, sliceEndAt) as usize);
}

/** Remembers where the body broke: readField has left the address. */
function reportBroken(context: usize): u32 {
  store<u32>(context, (failedAt as u32) - load<u32>(context, bodyAt), errorOffsetAt);
  return statusBroken;
}

/** Fills the batch from where the last call stopped: see the parse context in label_run.ts. Returns one of `status...`. */
export function remoteWriteParse(context: usize): u32 {
  labelRunBeginSlice(context);
  metMore = false;
  const pendingNoteSize = load<u32>(context, pendingNoteSizeAt) as usize;
  if (pendingNoteSize != 0) {
    store<u32>(context, 0, pendingNoteSizeAt);
    addNote(context, load<u32>(context, pendingNoteAt) as usize, pendingNoteSize | seriesNote);
  }
  const bodyEnd = load<u32>(context, bodyEndAt) as usize;
  const hints = load<u32>(context, seriesHintsAt) as usize;
  const isKnown = hints != 0 && load<u32>(context, extraCountAt) == 0;
  if (load<u32>(context, seriesEndAt) != 0) {
    const status = resumeSeries(context, load<u32>(context, positionAt) as usize);
    if (status == statusBroken) return reportBroken(context);
    if (status == statusFull) return statusFull;
  }
  let pointer = load<u32>(context, positionAt) as usize;
  while (pointer < bodyEnd) {
    store<u32>(context, pointer as u32, positionAt);
    if (isSliceFull(context, pointer)) return statusFull;
    if (isKnown) {
      const expectedEnd = parseExpected(context, hints, pointer, bodyEnd);
      if (expectedEnd != pointer) {
        pointer = expectedEnd;
        store<u32>(context, pointer as u32, positionAt);
        if (pointer >= bodyEnd) break;
        if (isSliceFull(context, pointer)) return statusFull;
      }
    }
    const next = readField(pointer, bodyEnd);
    if (next == 0) return reportBroken(context);
    if (fieldTag == 0x0a) {
      const status = parseSeries(context, fieldBody, next);
      if (metMore || status != statusDone) {
        if (status == statusBroken) return reportBroken(context);
        if (status == statusNotBegun || remoteWriteNoteMore(context, pointer, bodyEnd, status) || status == statusFull) return statusFull;
      }
    } else if (fieldTag == 0x1a && !addNote(context, fieldBody, fieldSize)) return statusFull;
    pointer = next;
  }
  store<u32>(context, pointer as u32, positionAt);
  return statusDone;
}
