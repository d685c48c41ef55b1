// Prometheus text exposition and OpenMetrics text, line by line:
//
//   # HELP name text | # TYPE name type | # UNIT name unit | # any comment
//   name [{ label="value", "quoted label"="value", "quoted metric name", ... }] value [timestamp] [# exemplar]
//
// As in VictoriaMetrics names may hold any byte but white space and the punctuation of the format, and `#` behind the
// value starts a comment (exemplars are comments too, which are noted for TypeScript). A line that cannot be read is counted and skipped.
// Following lines with the same text before the value add samples to one row. The body has 16 readable bytes behind its end.
import {
  addFix, addNote, bodyEndAt, countDropped, finishFull, finishedRun, finishedRunSize, fixCountAt, fixesMaxAt, labelRunAdd, labelRunAddExtra,
  labelRunBeginSlice, labelRunFinish, labelRunReset, lineEnd, lineNumberAt, nameSizeMaxAt, noteCountAt, notesMaxAt, nowMsAt, positionAt, previousHasBracesAt,
  previousLabelsAt, previousLabelsSizeAt, quoteOrBackslash, rowCountAt, rowsAt, rowsMaxAt, sampleCountAt, samplesMaxAt, skipLine,
  sliceEndAt, statusDone, statusFull, stringsEndAt, stringsTopAt, timestampUnitAt, valueSizeMaxAt, writeRow, writeSample,
} from "./label_run";
import { bytesEqual } from "./bytes";
import { numberIsExact, numberValue, parseNumber, parseTimestamp } from "./number_parser";

const metricName: usize = memory.data<u8>([0x5f, 0x5f, 0x6e, 0x61, 0x6d, 0x65, 0x5f, 0x5f, 0, 0, 0, 0, 0, 0, 0, 0]); // __name__
const metricNameSize: usize = 8;

// What is wrong with a line: indexes of lineErrors in protocol/line_error.ts.
const errorNoMetricName: u32 = 1;
const errorTwoMetricNames: u32 = 2;
const errorLabelName: u32 = 3;
const errorEquals: u32 = 4;
const errorQuote: u32 = 5;
const errorUnclosedQuote: u32 = 6;
const errorComma: u32 = 7;
const errorNoValue: u32 = 8;
const errorValue: u32 = 9;
const errorTimestamp: u32 = 10;
const errorRest: u32 = 11;
const errorUnclosedBrace: u32 = 12;
const errorMetricName: u32 = 13;

// Where and why parsing of a line stopped.
let failedAt: usize = 0;
let failure: u32 = 0;
/** Why the series of the line is dropped, or 0. */
let dropReason: u32 = 0;

@inline function fail(pointer: usize, reason: u32): usize {
  failedAt = pointer;
  failure = reason;
  return 0;
}

@inline function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}

@inline function skipBlanks(pointer: usize, end: usize): usize {
  while (pointer < end && isBlank(load<u8>(pointer))) pointer++;
  return pointer;
}

// The string that readQuoted read: in the body, or unescaped in the strings area.
let stringPointer: usize = 0;
let stringSize: usize = 0;

/** Copies a quoted text without its escapes: \\ \" \n; other backslashes stay. Text over `sizeMax` is cut one byte later. */
function unescape(context: usize, pointer: usize, end: usize, sizeMax: usize): void {
  const start = load<u32>(context, stringsTopAt) as usize;
  const limit = min(start + sizeMax + 1, load<u32>(context, stringsEndAt) as usize);
  let to = start;
  while (pointer < end && to < limit) {
    let byte = load<u8>(pointer++) as u32;
    if (byte == 0x5c && pointer < end) {
      const escaped = load<u8>(pointer) as u32;
      if (escaped == 0x5c || escaped == 0x22) {
        byte = escaped;
        pointer++;
      } else if (escaped == 0x6e) {
        byte = 0x0a;
        pointer++;
      }
    }
    store<u8>(to++, byte);
  }
  stringPointer = start;
  // A full strings area means far more text than the limits allow.
  stringSize = pointer < end ? sizeMax + 1 : to - start;
  store<u32>(context, to as u32, stringsTopAt);
}

/** Reads the string whose opening quote is at `pointer`. The address behind the closing quote, or 0. */
function readQuoted(context: usize, pointer: usize, end: usize, sizeMax: usize): usize {
  const start = ++pointer;
  let escaped = false;
  while (true) {
    pointer = quoteOrBackslash(pointer, end);
    if (pointer >= end) return fail(start - 1, errorUnclosedQuote);
    if (load<u8>(pointer) == 0x22) break;
    escaped = true;
    pointer += 2;
  }
  stringPointer = start;
  stringSize = pointer - start;
  if (escaped) unescape(context, start, pointer, sizeMax);
  return pointer + 1;
}

/** Adds a label; the first reason to drop the series stays. */
@inline function addLabel(context: usize, name: usize, nameSize: usize, value: usize, valueSize: usize): void {
  const reason = labelRunAdd(context, name, nameSize, value, valueSize);
  if (dropReason == 0) dropReason = reason;
}

@inline function equalBytes(bytes: v128, byte: u8): v128 {
  return i8x16.eq(bytes, i8x16.splat(byte));
}

/** Bytes that end any name: blanks, `"` and braces. */
@inline function nameEnds(bytes: v128): v128 {
  const blanks = v128.or(equalBytes(bytes, 0x20), equalBytes(bytes, 0x09));
  return v128.or(v128.or(blanks, equalBytes(bytes, 0x22)), v128.or(equalBytes(bytes, 0x7b), equalBytes(bytes, 0x7d)));
}

/** Where the label name at `pointer` ends: at a byte that ends names, `=` or `,`, or at `end`. */
@inline function labelNameEnd(pointer: usize, end: usize): usize {
  for (; pointer < end; pointer += 16) {
    const bytes = v128.load(pointer);
    const found = i8x16.bitmask(v128.or(nameEnds(bytes), v128.or(equalBytes(bytes, 0x3d), equalBytes(bytes, 0x2c))));
    if (found != 0) return min(pointer + (ctz(found) as usize), end);
  }
  return end;
}

/** Where the metric name at `pointer` ends: at a byte that ends names, or at `end`. */
@inline function metricNameEnd(pointer: usize, end: usize): usize {
  for (; pointer < end; pointer += 16) {
    const found = i8x16.bitmask(nameEnds(v128.load(pointer)));
    if (found != 0) return min(pointer + (ctz(found) as usize), end);
  }
  return end;
}

/** Reads `name="value", ...}` behind the opening brace. `named` says that the metric name stood before it. */
function readLabels(context: usize, pointer: usize, end: usize, named: bool): usize {
  const nameSizeMax = load<u32>(context, nameSizeMaxAt) as usize;
  const valueSizeMax = load<u32>(context, valueSizeMaxAt) as usize;
  const brace = pointer - 1;
  while (true) {
    pointer = skipBlanks(pointer, end);
    if (pointer >= end) return fail(brace, errorUnclosedBrace);
    if (load<u8>(pointer) == 0x7d) break;
    let name = pointer;
    let nameSize: usize = 0;
    let quoted = false;
    if (load<u8>(pointer) == 0x22) {
      quoted = true;
      pointer = readQuoted(context, pointer, end, max(nameSizeMax, valueSizeMax));
      if (pointer == 0) return 0;
      name = stringPointer;
      nameSize = stringSize;
    } else {
      pointer = labelNameEnd(pointer, end);
      nameSize = pointer - name;
    }
    const afterName = pointer;
    pointer = skipBlanks(pointer, end);
    if (pointer < end && load<u8>(pointer) == 0x3d) {
      pointer = skipBlanks(pointer + 1, end);
      if (pointer >= end || load<u8>(pointer) != 0x22) return fail(pointer, errorQuote);
      pointer = readQuoted(context, pointer, end, valueSizeMax);
      if (pointer == 0) return 0;
      if (nameSize == metricNameSize && compareName(name)) {
        if (named) return fail(afterName, errorTwoMetricNames);
        named = stringSize != 0;
      }
      addLabel(context, name, nameSize, stringPointer, stringSize);
    } else if (quoted) {
      if (named) return fail(afterName, errorTwoMetricNames);
      if (nameSize == 0) return fail(afterName, errorNoMetricName);
      named = true;
      addLabel(context, metricName, metricNameSize, name, nameSize);
    } else return fail(pointer, nameSize == 0 ? errorLabelName : errorEquals);
    pointer = skipBlanks(pointer, end);
    if (pointer >= end) return fail(brace, errorUnclosedBrace);
    const byte = load<u8>(pointer);
    if (byte == 0x7d) break;
    if (byte != 0x2c) return fail(pointer, errorComma);
    pointer++;
  }
  return named ? pointer + 1 : fail(brace, errorNoMetricName);
}

@inline function compareName(name: usize): bool {
  return load<u64>(name) == load<u64>(metricName);
}

/** Reads the metric name and the labels. The address behind them, or 0. */
function readSeries(context: usize, pointer: usize, end: usize): usize {
  const name = pointer;
  pointer = metricNameEnd(pointer, end);
  if (pointer < end && (load<u8>(pointer) == 0x22 || load<u8>(pointer) == 0x7d)) return fail(pointer, errorMetricName);
  const nameSize = pointer - name;
  if (nameSize != 0) addLabel(context, metricName, metricNameSize, name, nameSize);
  const brace = skipBlanks(pointer, end);
  store<u32>(context, 0, previousHasBracesAt);
  if (brace >= end || load<u8>(brace) != 0x7b) return pointer;
  store<u32>(context, 1, previousHasBracesAt);
  return readLabels(context, brace + 1, end, nameSize != 0);
}

/** Whether the text before the value is that of the last row; the address behind it, or 0. */
function previousSeries(context: usize, pointer: usize, end: usize): usize {
  const size = load<u32>(context, previousLabelsSizeAt) as usize;
  if (size == 0 || size >= end - pointer || !bytesEqual(pointer, load<u32>(context, previousLabelsAt), size)) return 0;
  pointer += size;
  if (load<u32>(context, previousHasBracesAt) != 0) return pointer;
  if (!isBlank(load<u8>(pointer))) return 0;
  const next = skipBlanks(pointer, end);
  return next < end && load<u8>(next) == 0x7b ? 0 : pointer;
}

/** Ends a token: blanks, or the `#` of a comment. */
@inline function tokenEnd(pointer: usize, end: usize): usize {
  while (pointer < end) {
    const byte = load<u8>(pointer);
    if (isBlank(byte) || byte == 0x23) break;
    pointer++;
  }
  return pointer;
}

const lineDone: u32 = 0;
const lineBad: u32 = 1;
const lineNoRoom: u32 = 2;

/** Parses the sample in [pointer, end), which begins with neither a blank nor `#`. */
function parseSample(context: usize, pointer: usize, end: usize): u32 {
  const start = pointer;
  dropReason = 0;
  let isNewRow = false;
  pointer = previousSeries(context, start, end);
  if (pointer == 0) {
    isNewRow = true;
    store<u32>(context, 0, previousLabelsSizeAt);
    labelRunReset(context);
    dropReason = labelRunAddExtra(context);
    pointer = readSeries(context, start, end);
    if (pointer == 0) return lineBad;
  }
  const labelsEnd = pointer;
  const valueStart = skipBlanks(pointer, end);
  const valueEnd = tokenEnd(valueStart, end);
  if (valueStart == valueEnd) {
    fail(valueStart, errorNoValue);
    return lineBad;
  }
  if (parseNumber(valueStart, valueEnd) != valueEnd) {
    fail(valueStart, errorValue);
    return lineBad;
  }
  const value = numberValue;
  const isExact = numberIsExact;
  let timestampMs = load<f64>(context, nowMsAt);
  const timestampStart = skipBlanks(valueEnd, end);
  let comment = timestampStart;
  if (timestampStart < end && load<u8>(timestampStart) != 0x23) {
    const timestampEnd = tokenEnd(timestampStart, end);
    if (parseTimestamp(timestampStart, timestampEnd, load<u32>(context, timestampUnitAt)) != timestampEnd) {
      fail(timestampStart, errorTimestamp);
      return lineBad;
    }
    timestampMs = numberValue;
    const rest = skipBlanks(timestampEnd, end);
    if (rest < end && load<u8>(rest) != 0x23) {
      fail(rest, errorRest);
      return lineBad;
    }
    comment = rest;
  }
  const hasExemplar = comment < end && isExemplar(comment, end);
  if (hasExemplar && load<u32>(context, noteCountAt) + 2 > load<u32>(context, notesMaxAt)) return lineNoRoom;
  if (isNewRow && dropReason == 0) {
    dropReason = labelRunFinish(context);
    if (dropReason == finishFull) return lineNoRoom;
  }
  if (dropReason != 0) {
    countDropped(context, dropReason, 1);
    return lineDone;
  }
  if (!isExact) addFix(context, valueStart, valueEnd);
  const sampleFrom = load<u32>(context, sampleCountAt);
  writeSample(context, timestampMs, isExact ? value : 0);
  if (load<u32>(context, sampleCountAt) == sampleFrom) return lineDone;
  if (isNewRow) {
    writeRow(context, finishedRun, finishedRunSize, sampleFrom);
    store<u32>(context, start as u32, previousLabelsAt);
    store<u32>(context, (labelsEnd - start) as u32, previousLabelsSizeAt);
  } else {
    const row = (load<u32>(context, rowsAt) as usize) + ((load<u32>(context, rowCountAt) - 1) as usize) * 20;
    store<u32>(row, load<u32>(row, 12) + 1, 12);
  }
  if (hasExemplar) noteExemplar(context, comment, end);
  return lineDone;
}

/** Whether the comment at `pointer` begins like an exemplar: `# {`. */
@inline function isExemplar(pointer: usize, end: usize): bool {
  return end - pointer > 3 && load<u16>(pointer) == 0x2023 && load<u8>(pointer, 2) == 0x7b;
}

/** Added to the size of a note that is an exemplar. Its row and sample stand in the note behind it. */
const exemplarNote: usize = 0x80000000;

function noteExemplar(context: usize, pointer: usize, end: usize): void {
  addNote(context, pointer, (end - pointer) | exemplarNote);
  addNote(context, load<u32>(context, rowCountAt) - 1, load<u32>(context, sampleCountAt) - 1);
}

/** Whether the comment at `pointer` is `# HELP `, `# TYPE ` or `# UNIT `. */
@inline function isMetadata(pointer: usize, end: usize): bool {
  if (end - pointer < 6 || load<u16>(pointer) != 0x2023) return false;
  const word = load<u32>(pointer, 2);
  if (word != 0x504c4548 && word != 0x45505954 && word != 0x54494e55) return false;
  return end - pointer == 6 || isBlank(load<u8>(pointer, 6));
}

/** Fills the batch from where the last call stopped: see the parse context in label_run.ts. statusDone or statusFull. */
export function prometheusTextParse(context: usize): u32 {
  labelRunBeginSlice(context);
  store<u32>(context, 0, previousLabelsSizeAt);
  const bodyEnd = load<u32>(context, bodyEndAt) as usize;
  const sliceEnd = load<u32>(context, sliceEndAt) as usize;
  const rowsMax = load<u32>(context, rowsMaxAt);
  const samplesMax = load<u32>(context, samplesMaxAt);
  const fixesMax = load<u32>(context, fixesMaxAt);
  let pointer = load<u32>(context, positionAt) as usize;
  while (pointer < bodyEnd) {
    store<u32>(context, pointer as u32, positionAt);
    if (load<u32>(context, rowCountAt) >= rowsMax || load<u32>(context, sampleCountAt) >= samplesMax || pointer > sliceEnd ||
        load<u32>(context, fixCountAt) >= fixesMax) return statusFull;
    const next = lineEnd(pointer, bodyEnd);
    let end = next;
    if (end > pointer && load<u8>(end - 1) == 0x0d) end--;
    const start = skipBlanks(pointer, end);
    const lineNumber = load<u32>(context, lineNumberAt);
    store<u32>(context, lineNumber + 1, lineNumberAt);
    let outcome = lineDone;
    if (start < end) {
      if (load<u8>(start) != 0x23) outcome = parseSample(context, start, end);
      else if (isMetadata(start, end) && !addNote(context, start, end - start)) outcome = lineNoRoom;
    }
    if (outcome == lineNoRoom) {
      store<u32>(context, lineNumber, lineNumberAt);
      return statusFull;
    }
    if (outcome == lineBad) skipLine(context, failure, pointer, failedAt);
    pointer = next + 1;
  }
  store<u32>(context, pointer as u32, positionAt);
  return statusDone;
}
