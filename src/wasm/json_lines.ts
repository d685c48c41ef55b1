// JSON lines of /api/v1/import and /api/v1/export, one series a line:
//
//   {"metric":{"__name__":"up","job":"a"},"values":[1,null,"Infinity"],"timestamps":[1700000000000,...]}
//
// The keys come in any order, others are passed over. The two arrays are far apart and may be long, so a line is read in
// two passes: the first checks its structure, builds the label run and finds and counts the arrays; the second walks both
// arrays at once, and may go on in the next slice. A line that cannot be read is counted and skipped; when a bad number
// shows up late in a long line, the samples of earlier slices stay. The body has 16 readable bytes behind its end.
// The writer of the number arrays stands at the end of the file.
import {
  addFix, bodyEndAt, carryRun, countDropped, droppedAt, finishFull, finishedRun, finishedRunSize, fixCountAt, fixesMaxAt, labelRunAdd,
  labelRunAddExtra, labelRunBeginSlice, labelRunFinish, labelRunReset, lineEnd, lineNumberAt, nameSizeMaxAt, positionAt, quoteOrBackslash, reasonNan, resumeRun, rowCountAt,
  rowsMaxAt, runPointerAt, runSizeAt, sampleCountAt, samplesLeftAt, samplesMaxAt, seriesEndAt, seriesReasonAt, skipLine, sliceEndAt, statusDone,
  statusFull, stringsEndAt, stringsTopAt, timestampCursorAt, valueCursorAt, valueSizeMaxAt, writeRow, writeSample,
} from "./label_run";
import { numberIsExact, numberValue, parseNumber, parseTimestamp } from "./number_parser";
import { numberText } from "./number_text";

// What is wrong with a line: indexes of lineErrors in protocol/line_error.ts.
const errorNotObject: u32 = 20;
const errorJson: u32 = 21;
const errorNoMetric: u32 = 22;
const errorMetricNotStrings: u32 = 23;
const errorNoValues: u32 = 24;
const errorNoTimestamps: u32 = 25;
const errorCounts: u32 = 26;
const errorJsonValue: u32 = 27;
const errorJsonTimestamp: u32 = 28;
const errorAfterObject: u32 = 29;

const unitMilliseconds: u32 = 1;

// Where and why parsing of a line stopped.
let failedAt: usize = 0;
let failure: u32 = 0;
let dropReason: u32 = 0;

@inline function fail(pointer: usize, reason: u32): usize {
  failedAt = pointer;
  failure = reason;
  return 0;
}

@inline function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09 || byte == 0x0d;
}

@inline function skipBlanks(pointer: usize, end: usize): usize {
  while (pointer < end && isBlank(load<u8>(pointer))) pointer++;
  return pointer;
}

/** The byte at `pointer`, or 0 at the end. */
@inline function peek(pointer: usize, end: usize): u32 {
  return pointer < end ? load<u8>(pointer) : 0;
}

/** Whether the string that skipString passed holds a backslash. */
let hasEscapes: bool = false;

/** The address behind the string whose opening quote is at `pointer`, or 0. */
function skipString(pointer: usize, end: usize): usize {
  const start = pointer++;
  hasEscapes = false;
  while (true) {
    pointer = quoteOrBackslash(pointer, end);
    if (pointer >= end) return fail(start, errorJson);
    if (load<u8>(pointer) == 0x22) return pointer + 1;
    hasEscapes = true;
    pointer += 2;
  }
}

/** Four hexadecimal digits, or -1. */
function readHex(pointer: usize, end: usize): i32 {
  if (end - pointer < 4) return -1;
  let value: i32 = 0;
  for (let i: usize = 0; i < 4; i++) {
    const byte = load<u8>(pointer + i) as i32;
    const letter = (byte | 0x20) - 0x61;
    if (byte >= 0x30 && byte <= 0x39) value = (value << 4) | (byte - 0x30);
    else if (letter >= 0 && letter < 6) value = (value << 4) | (letter + 10);
    else return -1;
  }
  return value;
}

/** Writes a code point as UTF-8 and returns the address behind it. */
function writeCodePoint(to: usize, code: u32): usize {
  if (code < 0x80) {
    store<u8>(to, code);
    return to + 1;
  }
  if (code < 0x800) {
    store<u8>(to, 0xc0 | (code >> 6));
    store<u8>(to, 0x80 | (code & 63), 1);
    return to + 2;
  }
  if (code < 0x10000) {
    store<u8>(to, 0xe0 | (code >> 12));
    store<u8>(to, 0x80 | ((code >> 6) & 63), 1);
    store<u8>(to, 0x80 | (code & 63), 2);
    return to + 3;
  }
  store<u8>(to, 0xf0 | (code >> 18));
  store<u8>(to, 0x80 | ((code >> 12) & 63), 1);
  store<u8>(to, 0x80 | ((code >> 6) & 63), 2);
  store<u8>(to, 0x80 | (code & 63), 3);
  return to + 4;
}

/** What the letter of a short escape stands for, or 0. */
function shortEscape(letter: u32): u32 {
  if (letter == 0x22 || letter == 0x5c || letter == 0x2f) return letter;
  if (letter == 0x6e) return 0x0a;
  if (letter == 0x74) return 0x09;
  if (letter == 0x72) return 0x0d;
  if (letter == 0x62) return 0x08;
  return letter == 0x66 ? 0x0c : 0;
}

// The string that readString read: in the body, or unescaped in the strings area.
let stringPointer: usize = 0;
let stringSize: usize = 0;

/** Reads the string whose opening quote is at `pointer`; the address behind it, or 0. A text over `sizeMax` is cut later than that. */
function readString(context: usize, pointer: usize, end: usize, sizeMax: usize): usize {
  const next = skipString(pointer, end);
  if (next == 0) return 0;
  stringPointer = pointer + 1;
  stringSize = next - pointer - 2;
  return hasEscapes && !unescape(context, stringPointer, next - 1, sizeMax) ? 0 : next;
}

/** Resolves the escapes of the string in [pointer, end) into the strings area; false if one is wrong. A lone surrogate becomes U+FFFD. */
function unescape(context: usize, pointer: usize, end: usize, sizeMax: usize): bool {
  const start = load<u32>(context, stringsTopAt) as usize;
  const room = (load<u32>(context, stringsEndAt) as usize) - start;
  const limit = start + min(sizeMax + 1, room < 4 ? 0 : room - 4);
  let to = start;
  let isCut = false;
  while (pointer < end) {
    const byte = load<u8>(pointer) as u32;
    let code = byte;
    if (byte != 0x5c) pointer++;
    else {
      pointer = readEscape(pointer, end);
      if (pointer == 0) return false;
      code = escapedCode;
    }
    // Text over the limit, or over the whole area, is read on but not kept.
    if (to >= limit) isCut = true;
    else if (byte != 0x5c) store<u8>(to++, byte);
    else to = writeCodePoint(to, code);
  }
  stringPointer = start;
  stringSize = isCut ? sizeMax + 1 : to - start;
  store<u32>(context, to as u32, stringsTopAt);
  return true;
}

let escapedCode: u32 = 0;

/** Reads the escape at `pointer` into escapedCode; the address behind it, or 0. */
function readEscape(pointer: usize, end: usize): usize {
  const letter = peek(pointer + 1, end);
  if (letter != 0x75) {
    escapedCode = shortEscape(letter);
    return escapedCode == 0 ? fail(pointer, errorJson) : pointer + 2;
  }
  const code = readHex(pointer + 2, end);
  if (code < 0) return fail(pointer, errorJson);
  pointer += 6;
  escapedCode = code as u32;
  if ((code & 0xf800) != 0xd800) return pointer;
  escapedCode = 0xfffd;
  if (code >= 0xdc00 || peek(pointer, end) != 0x5c || peek(pointer + 1, end) != 0x75) return pointer;
  const low = readHex(pointer + 2, end);
  if (low < 0xdc00 || low >= 0xe000) return pointer;
  escapedCode = 0x10000 + (((code - 0xd800) << 10) as u32) + ((low - 0xdc00) as u32);
  return pointer + 6;
}

/** Reads the object of labels at `pointer` into references; the address behind it, or 0. */
function readMetric(context: usize, pointer: usize, end: usize): usize {
  const nameSizeMax = load<u32>(context, nameSizeMaxAt) as usize;
  const valueSizeMax = load<u32>(context, valueSizeMaxAt) as usize;
  if (peek(pointer, end) != 0x7b) return fail(pointer, errorNoMetric);
  labelRunReset(context);
  dropReason = labelRunAddExtra(context);
  const start = pointer;
  pointer = skipBlanks(pointer + 1, end);
  if (peek(pointer, end) == 0x7d) return fail(start, errorNoMetric);
  while (true) {
    if (peek(pointer, end) != 0x22) return fail(pointer, errorJson);
    pointer = readString(context, pointer, end, nameSizeMax);
    if (pointer == 0) return 0;
    const name = stringPointer;
    const nameSize = stringSize;
    pointer = skipBlanks(pointer, end);
    if (peek(pointer, end) != 0x3a) return fail(pointer, errorJson);
    pointer = skipBlanks(pointer + 1, end);
    if (peek(pointer, end) != 0x22) return fail(pointer, errorMetricNotStrings);
    pointer = readString(context, pointer, end, valueSizeMax);
    if (pointer == 0) return 0;
    const reason = labelRunAdd(context, name, nameSize, stringPointer, stringSize);
    if (dropReason == 0) dropReason = reason;
    pointer = skipBlanks(pointer, end);
    const byte = peek(pointer, end);
    if (byte == 0x7d) return pointer + 1;
    if (byte != 0x2c) return fail(pointer, errorJson);
    pointer = skipBlanks(pointer + 1, end);
  }
}

let elementCount: u32 = 0;

/** The address behind the array of scalars at `pointer`, or 0. Its elements are counted in elementCount, not looked at. */
function skipArray(pointer: usize, end: usize, reason: u32): usize {
  if (peek(pointer, end) != 0x5b) return fail(pointer, reason);
  const start = pointer++;
  pointer = skipBlanks(pointer, end);
  elementCount = 0;
  if (peek(pointer, end) == 0x5d) return pointer + 1;
  const commas = i8x16.splat(0x2c);
  const brackets = i8x16.splat(0x5d);
  elementCount = 1;
  for (; pointer < end; pointer += 16) {
    const bytes = v128.load(pointer);
    let commaBits = i8x16.bitmask(i8x16.eq(bytes, commas)) as u32;
    const bracketBits = i8x16.bitmask(i8x16.eq(bytes, brackets)) as u32;
    if (bracketBits != 0) {
      const bracket = pointer + (ctz(bracketBits) as usize);
      if (bracket >= end) break;
      commaBits &= (bracketBits & (0 - bracketBits)) - 1;
      elementCount += popcnt(commaBits);
      return bracket + 1;
    }
    elementCount += popcnt(commaBits);
  }
  return fail(start, errorJson);
}

/** The address behind any JSON value, or 0. Brackets are counted, not matched by kind: the value is not used. */
function skipValue(pointer: usize, end: usize): usize {
  const start = pointer;
  let depth = 0;
  while (pointer < end) {
    const byte = load<u8>(pointer) as u32;
    if (byte == 0x22) {
      pointer = skipString(pointer, end);
      if (pointer == 0) return 0;
      if (depth == 0) return pointer;
      continue;
    }
    if (byte == 0x7b || byte == 0x5b) depth++;
    else if (byte == 0x7d || byte == 0x5d) {
      if (depth == 0) return pointer == start ? fail(start, errorJson) : pointer;
      if (--depth == 0) return pointer + 1;
    } else if (byte == 0x2c && depth == 0) return pointer == start ? fail(start, errorJson) : pointer;
    pointer++;
  }
  return fail(start, errorJson);
}

// The arrays of a line: the addresses behind their opening brackets.
let valuesStart: usize = 0;
let timestampsStart: usize = 0;
let sampleTotal: u32 = 0;

@inline function isKey(size: usize, expected: usize, expectedSize: usize): bool {
  return size == expectedSize && memory.compare(stringPointer, expected, size) == 0;
}

const keyMetric: usize = memory.data<u8>([0x6d, 0x65, 0x74, 0x72, 0x69, 0x63]);
const keyValues: usize = memory.data<u8>([0x76, 0x61, 0x6c, 0x75, 0x65, 0x73]);
const keyTimestamps: usize = memory.data<u8>([0x74, 0x69, 0x6d, 0x65, 0x73, 0x74, 0x61, 0x6d, 0x70, 0x73]);

/** The first pass over the line in [pointer, end). False when it cannot be read. */
function readLine(context: usize, pointer: usize, end: usize): bool {
  const start = pointer;
  if (load<u8>(pointer) != 0x7b) return fail(pointer, errorNotObject) != 0;
  let hasMetric = false;
  let valueCount: u32 = 0;
  let timestampCount: u32 = 0;
  valuesStart = 0;
  timestampsStart = 0;
  pointer = skipBlanks(pointer + 1, end);
  while (true) {
    if (peek(pointer, end) != 0x22) return fail(pointer, errorJson) != 0;
    const key = pointer;
    pointer = skipString(pointer, end);
    if (pointer == 0) return false;
    stringPointer = key + 1;
    const keySize = pointer - key - 2;
    pointer = skipBlanks(pointer, end);
    if (peek(pointer, end) != 0x3a) return fail(pointer, errorJson) != 0;
    pointer = skipBlanks(pointer + 1, end);
    if (isKey(keySize, keyMetric, 6)) {
      pointer = readMetric(context, pointer, end);
      hasMetric = true;
    } else if (isKey(keySize, keyValues, 6)) {
      valuesStart = pointer + 1;
      pointer = skipArray(pointer, end, errorNoValues);
      valueCount = elementCount;
    } else if (isKey(keySize, keyTimestamps, 10)) {
      timestampsStart = pointer + 1;
      pointer = skipArray(pointer, end, errorNoTimestamps);
      timestampCount = elementCount;
    } else pointer = skipValue(pointer, end);
    if (pointer == 0) return false;
    pointer = skipBlanks(pointer, end);
    const byte = peek(pointer, end);
    if (byte == 0x7d) break;
    if (byte != 0x2c) return fail(pointer, errorJson) != 0;
    pointer = skipBlanks(pointer + 1, end);
  }
  pointer = skipBlanks(pointer + 1, end);
  if (pointer != end) return fail(pointer, errorAfterObject) != 0;
  if (!hasMetric) return fail(start, errorNoMetric) != 0;
  if (valuesStart == 0 || valueCount == 0) return fail(start, errorNoValues) != 0;
  if (timestampsStart == 0 || timestampCount == 0) return fail(start, errorNoTimestamps) != 0;
  sampleTotal = valueCount;
  return valueCount == timestampCount || fail(start, errorCounts) != 0;
}

/** Whether `null` stands at `pointer`. */
@inline function isNull(pointer: usize, end: usize): bool {
  return end - pointer >= 4 && load<u32>(pointer) == 0x6c6c756e;
}

// What readValue read: whether it was a number (else it was null), and where that stands, for a fix.
let isNumber: bool = false;
let valueText: usize = 0;
let valueTextEnd: usize = 0;

/** Reads a value: a number, null, or either in quotes, also Infinity and NaN. The address behind it, or 0. */
function readValue(pointer: usize, end: usize): usize {
  const quoted = peek(pointer, end) == 0x22;
  if (quoted) pointer++;
  valueText = pointer;
  if (isNull(pointer, end)) {
    pointer += 4;
    isNumber = false;
  } else {
    pointer = parseNumber(pointer, end);
    if (pointer == 0) return 0;
    isNumber = true;
  }
  valueTextEnd = pointer;
  if (!quoted) return pointer;
  return peek(pointer, end) == 0x22 ? pointer + 1 : 0;
}
const lineDone: u32 = 0;
const lineBad: u32 = 1;
const lineNoRoom: u32 = 2;
const lineCut: u32 = 3;

/** Samples that one slice reads at most, kept or not. */
const sliceSamplesRead: u32 = 16384;

/** The second pass: takes samples until the line ends (lineDone), the slice is full (lineCut) or a number is bad (lineBad). */
function readSamples(context: usize, end: usize, reason: u32): u32 {
  let value = load<u32>(context, valueCursorAt) as usize;
  let timestamp = load<u32>(context, timestampCursorAt) as usize;
  let samplesLeft = load<u32>(context, samplesLeftAt);
  const samplesMax = load<u32>(context, samplesMaxAt);
  const fixesMax = load<u32>(context, fixesMaxAt);
  let budget = sliceSamplesRead;
  while (samplesLeft != 0) {
    if (load<u32>(context, sampleCountAt) >= samplesMax || load<u32>(context, fixCountAt) >= fixesMax || budget == 0) {
      store<u32>(context, value as u32, valueCursorAt);
      store<u32>(context, timestamp as u32, timestampCursorAt);
      store<u32>(context, samplesLeft, samplesLeftAt);
      return lineCut;
    }
    budget--;
    // Behind every element but the last stands a comma, behind the last a bracket: the first pass has counted them.
    const separator: u32 = samplesLeft == 1 ? 0x5d : 0x2c;
    value = skipBlanks(value, end);
    let next = readValue(value, end);
    if (next != 0) next = skipBlanks(next, end);
    if (next == 0 || peek(next, end) != separator) {
      fail(value, errorJsonValue);
      return lineBad;
    }
    value = next + 1;
    const isSample = isNumber;
    const isExact = numberIsExact;
    const sample = isExact ? numberValue : 0;
    timestamp = skipBlanks(timestamp, end);
    next = parseTimestamp(timestamp, end, unitMilliseconds);
    if (next != 0) next = skipBlanks(next, end);
    if (next == 0 || peek(next, end) != separator) {
      fail(timestamp, errorJsonTimestamp);
      return lineBad;
    }
    timestamp = next + 1;
    samplesLeft--;
    if (reason != 0) {
      countDropped(context, reason, 1);
      continue;
    }
    if (!isSample) {
      countDropped(context, reasonNan, 1);
      continue;
    }
    if (!isExact) addFix(context, valueText, valueTextEnd);
    writeSample(context, numberValue, sample);
  }
  return lineDone;
}
/** Reads samples of a line whose run is known and writes its row; what is not finished is left in the context. */
function takeSamples(context: usize, end: usize, run: usize, runSize: u32, reason: u32): u32 {
  const sampleFrom = load<u32>(context, sampleCountAt);
  const fixFrom = load<u32>(context, fixCountAt);
  const droppedLow = v128.load(context, droppedAt);
  const droppedHigh = v128.load(context, droppedAt + 16);
  const outcome = readSamples(context, end, reason);
  if (outcome == lineBad) {
    store<u32>(context, sampleFrom, sampleCountAt);
    store<u32>(context, fixFrom, fixCountAt);
    v128.store(context, droppedLow, droppedAt);
    v128.store(context, droppedHigh, droppedAt + 16);
  } else if (load<u32>(context, sampleCountAt) != sampleFrom) writeRow(context, run, runSize, sampleFrom);
  return outcome;
}

/** Parses the line in [pointer, end), which is not blank. */
function parseLine(context: usize, pointer: usize, end: usize): u32 {
  if (!readLine(context, pointer, end)) return lineBad;
  if (dropReason == 0) {
    dropReason = labelRunFinish(context);
    if (dropReason == finishFull) return lineNoRoom;
  }
  store<u32>(context, valuesStart as u32, valueCursorAt);
  store<u32>(context, timestampsStart as u32, timestampCursorAt);
  store<u32>(context, sampleTotal, samplesLeftAt);
  const outcome = takeSamples(context, end, finishedRun, finishedRunSize, dropReason);
  if (outcome == lineCut) {
    store<u32>(context, end as u32, seriesEndAt);
    store<u32>(context, dropReason, seriesReasonAt);
    carryRun(context, finishedRun, dropReason == 0 ? finishedRunSize : 0);
  }
  return outcome;
}

/** Fills the batch from where the last call stopped: see the parse context in label_run.ts. statusDone or statusFull. */
export function jsonLinesParse(context: usize): u32 {
  labelRunBeginSlice(context);
  const bodyEnd = load<u32>(context, bodyEndAt) as usize;
  const sliceEnd = load<u32>(context, sliceEndAt) as usize;
  const rowsMax = load<u32>(context, rowsMaxAt);
  const samplesMax = load<u32>(context, samplesMaxAt);
  let pointer = load<u32>(context, positionAt) as usize;
  while (pointer < bodyEnd) {
    store<u32>(context, pointer as u32, positionAt);
    if (load<u32>(context, rowCountAt) >= rowsMax || load<u32>(context, sampleCountAt) >= samplesMax || pointer > sliceEnd ||
        load<u32>(context, fixCountAt) >= load<u32>(context, fixesMaxAt)) return statusFull;
    let outcome = lineDone;
    let end = load<u32>(context, seriesEndAt) as usize;
    if (end != 0) {
      outcome = takeSamples(context, end, resumeRun(context), load<u32>(context, runSizeAt), load<u32>(context, seriesReasonAt));
      if (outcome == lineCut) return statusFull;
      store<u32>(context, 0, seriesEndAt);
    } else {
      end = lineEnd(pointer, bodyEnd);
      const start = skipBlanks(pointer, end);
      const lineNumber = load<u32>(context, lineNumberAt);
      store<u32>(context, lineNumber + 1, lineNumberAt);
      if (start < end) outcome = parseLine(context, start, end);
      if (outcome == lineCut) return statusFull;
      if (outcome == lineNoRoom) {
        store<u32>(context, lineNumber, lineNumberAt);
        return statusFull;
      }
    }
    if (outcome == lineBad) skipLine(context, failure, pointer, failedAt);
    pointer = end + 1;
  }
  store<u32>(context, pointer as u32, positionAt);
  return statusDone;
}

/** Writes "Infinity" or "-Infinity" in quotes, in place of numbers that JSON lacks. */
function writeInfinity(target: usize, isNegative: bool): usize {
  store<u8>(target++, 0x22);
  if (isNegative) store<u8>(target++, 0x2d);
  store<u64>(target, 0x7974696e69666e49);
  store<u8>(target, 0x22, 8);
  return target + 9;
}

/**
 * Writes `count` values as text with commas between them; NaN is null. Returns the end. Touches at most 32 bytes a value.
 */
export function jsonLinesWriteValues(values: usize, count: u32, target: usize): usize {
  for (let i: u32 = 0; i < count; i++) {
    const value = load<f64>(values + ((i as usize) << 3));
    if (i != 0) store<u8>(target++, 0x2c);
    if (value != value) {
      store<u32>(target, 0x6c6c756e);
      target += 4;
    } else if (abs(value) == Infinity) {
      target = writeInfinity(target, value < 0);
    } else {
      if (value == 0 && (reinterpret<u64>(value) >> 63) != 0) store<u8>(target++, 0x2d);
      target = numberText(target, value);
    }
  }
  return target;
}
