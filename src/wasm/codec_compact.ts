// The codec "compact" of integers (docs/formats/block.md, "A compact column"): residuals of the best of four transforms as a coded sequence
// (codec_entropy.ts), or gaps and values when few of them are not zero. Doubles that are no decimals may be split: the low halves of their
// bit patterns, which are noise, are stored as they are, the high halves coded.
import {
  codedBits,
  codedIsNarrow,
  codedWidth,
  isCodingWorthIt,
  packedBits,
  planCoded,
  readCoded,
  writeCoded,
} from "./codec_entropy";
import { areGapsGood, decodeBitCodes, decodeCodes, fillSparseDecimals, gatherSparse, spreadSparse } from "./codec_fast";
import {
  applyExceptions,
  centreOfDeltas,
  centreOfIntegers,
  codecCompactBits,
  codecCompactDecimal,
  codecCompactSplit,
  codecErrorMalformed,
  codecErrorTruncated,
  codecOk,
  columnBase,
  columnCentre,
  columnDivisor,
  columnError,
  columnExceptions,
  columnForm,
  findCentres,
  formExceptions,
  formSparse,
  orderBits,
  orderedBits,
  powerOfTen,
  readColumnHeader,
  readVarint,
  reduceColumn,
  reducedDivisor,
  reducedIsSteady,
  scratchCodes,
  scratchEntropy,
  scratchGaps,
  scratchIntegers,
  scratchTile,
  transformCentre,
  transformDelta,
  transformDelta2,
  transformLinear,
  varintEnd,
  writeColumnHeader,
  writeVarint,
} from "./codec_front";
import { zigzag } from "./codec_pack";

/** Shorter columns are left to the fast codec: a table would cost more than it gains. */
const compactCountMin: i32 = 32;
/** Residuals are stored as gaps and values if at most one of so many is not zero. */
const sparseShift: i32 = 3;
/** Second differences of decimals are used below this, so that every sum of the decoder is exact. */
const delta2Limit: u64 = 1 << 49;
/** Residuals of bit patterns that are wider than this are split where possible: their halves are faster to decode, and as small. */
const wholeWidthMax: i32 = 44;
/** Bit patterns with more trailing zeros than this are not split: their low halves are no noise. */
const splitDivisorMax: u64 = 1 << 16;

/**
 * Encodes the reduced integers in scratch, or returns 0 if the fast codec does as well. `head` is the first byte; the values are needed for
 * the exceptions.
 */
export function encodeCompact(values: usize, count: i32, kind: i32, head: u32, exceptionCount: i32, out: usize, scratch: usize): i32 {
  return encodeUpTo(64, values, count, kind, head, exceptionCount, out, scratch);
}

/** encodeCompact for residuals of at most `widthMax` bits; 0 for wider ones. */
function encodeUpTo(widthMax: i32, values: usize, count: i32, kind: i32, head: u32, exceptionCount: i32, out: usize, scratch: usize): i32 {
  if (reducedIsSteady || count < compactCountMin) return 0;
  const transform = chooseTransform(scratch + scratchIntegers, count, kind, (head & 15) != codecCompactDecimal);
  const residualCount = writeCodes(scratch + scratchIntegers, count, transform, scratch + scratchCodes);
  if (((count as i64) - codeZeros) << sparseShift <= (count as i64)) return encodeSparse(values, residualCount, head, transform, exceptionCount, out, scratch);
  planCoded(scratch + scratchCodes, residualCount, scratch + scratchEntropy);
  if (!isCodingWorthIt() || codedWidth > widthMax) return 0;
  const at = writeColumnHeader(values, head, transform, chosenCentre, exceptionCount, out, scratch);
  return (writeCoded(scratch + scratchCodes, residualCount, at, scratch + scratchEntropy) - out) as i32;
}

/** Encodes doubles that are no decimals; their bit patterns, ordered and reduced, are in scratch and stay there if the result is 0. */
export function encodeCompactBits(values: usize, count: i32, kind: i32, out: usize, scratch: usize): i32 {
  if (reducedIsSteady || count < compactCountMin) return 0;
  const canSplit = reducedDivisor <= splitDivisorMax;
  codedWidth = 0;
  const size = encodeUpTo(canSplit ? wholeWidthMax : 64, values, count, kind, codecCompactBits, 0, out, scratch);
  if (size != 0 || !canSplit || codedWidth <= wholeWidthMax) return size;
  const wholeBits = min(packedBits - (packedBits >> 6), codedBits + (codedBits >> 6));
  const split = encodeSplit(values, count, kind, wholeBits, out, scratch);
  if (split != 0) return split;
  orderBits(values, count, scratch + scratchIntegers);
  reduceColumn(scratch + scratchIntegers, count, true);
  return encodeUpTo(64, values, count, kind, codecCompactBits, 0, out, scratch);
}

/** Encodes the high halves and stores the low ones, if that takes less than `wholeBits`. */
function encodeSplit(values: usize, count: i32, kind: i32, wholeBits: i64, out: usize, scratch: usize): i32 {
  const integers = scratch + scratchIntegers;
  orderBits(values, count, integers);
  for (let at = integers; at < integers + ((count as usize) << 3); at += 16) v128.store(at, i64x2.shr_s(v128.load(at), 32));
  reduceColumn(integers, count, true);
  if (reducedIsSteady) return 0;
  const transform = chooseTransform(integers, count, kind, true);
  const residualCount = writeCodes(integers, count, transform, scratch + scratchCodes);
  planCoded(scratch + scratchCodes, residualCount, scratch + scratchEntropy);
  if (!isCodingWorthIt() || codedBits + ((count as i64) << 5) > wholeBits) return 0;
  let at = writeColumnHeader(values, codecCompactSplit, transform, chosenCentre, 0, out, scratch);
  for (let offset: usize = 0; offset < (count as usize) << 3; offset += 8) {
    store<u32>(at, orderedBits(load<i64>(values + offset)) as u32);
    at += 4;
  }
  return (writeCoded(scratch + scratchCodes, residualCount, at, scratch + scratchEntropy) - out) as i32;
}

function encodeSparse(values: usize, residualCount: i32, head: u32, transform: u32, exceptionCount: i32, out: usize, scratch: usize): i32 {
  const codes = scratch + scratchCodes;
  const gaps = scratch + scratchGaps;
  const entropy = scratch + scratchEntropy;
  const k = gatherSparse(codes, residualCount, gaps);
  if (k == 0) return 0;
  let at = writeColumnHeader(values, head, transform | formSparse, chosenCentre, exceptionCount, out, scratch);
  at = writeVarint(at, k as u64);
  planCoded(gaps, k, entropy);
  let isWorthIt = isCodingWorthIt();
  const gapsEnd = writeCoded(gaps, k, at + 3, entropy);
  const gapsSize = gapsEnd - (at + 3);
  const target = writeVarint(at, gapsSize as u64);
  memory.copy(target, at + 3, gapsSize);
  planCoded(codes, k, entropy);
  isWorthIt = isWorthIt || isCodingWorthIt();
  return isWorthIt ? ((writeCoded(codes, k, target + gapsSize, entropy) - out) as i32) : 0;
}

// Further result of chooseTransform.
let chosenCentre: i64 = 0;

/** The transform whose residuals have the fewest bits in total; sets chosenCentre. Long columns are sampled. Integers begin with 0. */
function chooseTransform(integers: usize, count: i32, kind: i32, isWrapping: bool): u32 {
  findCentres(integers, count);
  const centre = centreOfIntegers;
  const steps = (count - 1) as i64;
  const slope = kind == 1 ? (load<i64>(integers + ((steps as usize) << 3)) + (steps >> 1)) / steps : 0;
  const skipped = count > 512 ? 112 : count > 200 ? 48 : 0;
  let centreBits: i64 = 0;
  let deltaBits: i64 = 0;
  let delta2Bits: i64 = 0;
  let linearBits: i64 = 0;
  let sampled: i64 = 0;
  for (let from = 2; from < count; from += 16 + skipped) {
    const to = min(from + 16, count);
    sampled += to - from;
    let previous = load<i64>(integers + ((from as usize) << 3) - 8);
    let previousDelta = previous - load<i64>(integers + ((from as usize) << 3) - 16);
    let line = slope * ((from - 1) as i64);
    for (let i = from; i < to; i++) {
      const integer = load<i64>(integers + ((i as usize) << 3));
      const delta = integer - previous;
      line += slope;
      centreBits -= clz(zigzag(integer - centre)) as i64;
      deltaBits -= clz(zigzag(delta - centreOfDeltas)) as i64;
      delta2Bits -= clz(zigzag(delta - previousDelta)) as i64;
      linearBits -= clz(zigzag(integer - line)) as i64;
      previous = integer;
      previousDelta = delta;
    }
  }
  let best = deltaBits;
  let transform = transformDelta;
  chosenCentre = centreOfDeltas;
  if (centreBits <= best) {
    best = centreBits;
    transform = transformCentre;
    chosenCentre = centre;
  }
  if (kind == 1 && linearBits < best) {
    best = linearBits;
    transform = transformLinear;
    chosenCentre = slope;
  }
  // Noise can make second differences look a little smaller than they are when coded.
  if (delta2Bits < best - (sampled >> 2) && (isWrapping || isNear(integers, count))) {
    transform = transformDelta2;
    chosenCentre = load<i64>(integers, 8);
  }
  return transform;
}

/** Whether all scaled decimals are less than delta2Limit away from the first one. */
function isNear(integers: usize, count: i32): bool {
  let bits: u64 = 0;
  for (let at = integers; at < integers + ((count as usize) << 3); at += 8) bits |= abs(load<i64>(at)) as u64;
  return bits < delta2Limit / reducedDivisor;
}

// Further result of writeCodes: how many codes are zero.
let codeZeros: i64 = 0;

/** Writes the zigzag residuals of the transform and returns how many there are. May touch one code behind the last. */
function writeCodes(integers: usize, count: i32, transform: u32, codes: usize): i32 {
  const end = integers + ((count as usize) << 3);
  const residualCount = transform == transformCentre ? count : transform == transformDelta2 ? count - 2 : count - 1;
  const centres = i64x2.splat(chosenCentre);
  const zero = i64x2.splat(0);
  let zeros = zero;
  let line = i64x2(chosenCentre, chosenCentre * 2);
  const lineStep = i64x2.splat(chosenCentre * 2);
  const codesEnd = codes + ((residualCount as usize) << 3);
  let at = integers + (((count - residualCount) as usize) << 3);
  store<u64>(end, load<u64>(end - 8));
  for (let code = codes; code < codesEnd; code += 16, at += 16) {
    let residual = v128.load(at);
    if (transform == transformCentre) residual = i64x2.sub(residual, centres);
    else if (transform == transformDelta) residual = i64x2.sub(i64x2.sub(residual, v128.load(at - 8)), centres);
    else if (transform == transformDelta2) {
      const before = v128.load(at - 8);
      residual = i64x2.sub(i64x2.sub(residual, before), i64x2.sub(before, v128.load(at - 16)));
    } else {
      residual = i64x2.sub(residual, line);
      line = i64x2.add(line, lineStep);
    }
    zeros = i64x2.sub(zeros, i64x2.eq(residual, zero));
    v128.store(code, v128.xor(i64x2.shl(residual, 1), i64x2.shr_s(residual, 63)));
  }
  codeZeros = i64x2.extract_lane(zeros, 0) + i64x2.extract_lane(zeros, 1);
  if (residualCount & 1 && load<u64>(codesEnd) == 0) codeZeros--;
  return residualCount;
}

// ---- decoding --------------------------------------------------------------------------------------------------------------

/** Decodes a column of a compact codec, of 2 bytes or more, to `target`. Returns an error number. */
export function decodeCompact(source: usize, end: usize, count: i32, target: usize, scratch: usize): i32 {
  const head = load<u8>(source) as u32;
  const codec = head & 15;
  if (codec != codecCompactDecimal && head >> 4 != 0) return codecErrorMalformed;
  let at = readColumnHeader(source, end, count, transformDelta2);
  if (at == 0) return columnError;
  const form = columnForm;
  const transform = form & 7;
  const residualCount = transform == transformCentre ? count : transform == transformDelta2 ? count - 2 : count - 1;
  if (transform < transformCentre || residualCount < 0) return codecErrorMalformed;
  const lows = at;
  if (codec == codecCompactSplit) {
    if (end - at < (count as usize) << 2) return codecErrorTruncated;
    at += (count as usize) << 2;
  }
  const codes = scratch + scratchCodes;
  const isRead = form & formSparse ? readSparse(at, end, residualCount, scratch) : readCoded(at, end, residualCount, codes, scratch, scratch + scratchEntropy);
  if (!isRead) return codecErrorMalformed;
  if (codec == codecCompactDecimal) decodeDecimals(count, residualCount, powerOfTen(head >> 4), target, scratch);
  else {
    if (form & formSparse) spreadSparse(sparseCount, residualCount, codes, scratch);
    else if (codedIsNarrow) widen(codes, residualCount);
    decodeBitCodes(codes, count, transform, columnBase, columnCentre, columnDivisor as i64, target);
    if (codec == codecCompactSplit) joinHalves(lows, count, target);
  }
  if (form & formExceptions) applyExceptions(columnExceptions, end, target);
  return codecOk;
}

/** Puts the low halves under the decoded high ones. */
function joinHalves(lows: usize, count: i32, target: usize): void {
  for (const end = target + ((count as usize) << 3); target < end; target += 8, lows += 4) {
    store<i64>(target, orderedBits((orderedBits(load<i64>(target)) << 32) | (load<u32>(lows) as i64)));
  }
}

/** Turns `count` numbers of 32 bits into numbers of 64 bits, in place. */
function widen(codes: usize, count: i32): void {
  for (let i = count - 1; i >= 0; i--) store<u64>(codes + ((i as usize) << 3), load<u32>(codes + ((i as usize) << 2)) as u64);
}

// Further result of readSparse: how many residuals are not zero.
let sparseCount: i32 = 0;

/** Reads a sparse sequence that fills [at, end): gaps to scratchGaps and residuals minus 1 to scratchIntegers. */
function readSparse(at: usize, end: usize, residualCount: i32, scratch: usize): bool {
  const k = readVarint(at, end);
  if (varintEnd == 0 || k > (residualCount as u64)) return false;
  at = varintEnd;
  const gapsSize = readVarint(at, end);
  if (varintEnd == 0 || gapsSize > ((end - varintEnd) as u64)) return false;
  const gapsEnd = varintEnd + (gapsSize as usize);
  sparseCount = k as i32;
  if (!readCoded(varintEnd, gapsEnd, sparseCount, scratch + scratchGaps, scratch, scratch + scratchEntropy)) return false;
  if (codedIsNarrow) widen(scratch + scratchGaps, sparseCount);
  if (!areGapsGood(sparseCount, residualCount, scratch)) return false;
  if (!readCoded(gapsEnd, end, sparseCount, scratch + scratchIntegers, scratch, scratch + scratchEntropy)) return false;
  if (codedIsNarrow) widen(scratch + scratchIntegers, sparseCount);
  return true;
}

/** From the residuals in scratch to decimals. */
function decodeDecimals(count: i32, residualCount: i32, power: f64, target: usize, scratch: usize): void {
  const transform = columnForm & 7;
  const codes = scratch + scratchCodes;
  const centre = columnCentre;
  const unit = columnDivisor as i64 as f64;
  let start = columnBase as f64;
  if (columnForm & formSparse) {
    if (transform == transformCentre || (transform != transformDelta2 && centre == 0)) {
      fillSparseDecimals(sparseCount, count, transform, start, unit, power, target, scratch);
      return;
    }
    spreadSparse(sparseCount, residualCount, codes, scratch);
  }
  if (transform != transformCentre) {
    store<f64>(target, start / power);
    target += 8;
  }
  if (transform == transformDelta2) {
    start += unit * (centre as f64);
    store<f64>(target, start / power);
    target += 8;
  }
  // The sums of four residuals and centres must fit 32 bits.
  if (!(columnForm & formSparse) && codedIsNarrow && (transform != transformDelta || abs(centre) < 1 << 28)) {
    if (transform == transformDelta) decodeNarrow(codes, residualCount, transformDelta, start, centre, unit, power, target, scratch + scratchTile);
    else if (transform == transformCentre) decodeNarrow(codes, residualCount, transformCentre, start, centre, unit, power, target, scratch + scratchTile);
    else if (transform == transformLinear) decodeNarrow(codes, residualCount, transformLinear, start, centre, unit, power, target, scratch + scratchTile);
    else decodeNarrow(codes, residualCount, transformDelta2, start, centre, unit, power, target, scratch + scratchTile);
    return;
  }
  if (!(columnForm & formSparse) && codedIsNarrow) widen(codes, residualCount);
  if (transform == transformDelta2) decodeSecondDeltas(codes, residualCount, start, centre as f64, unit, power, target);
  else decodeCodes(codes, residualCount, transform, start, centre, unit, power, target);
}

function decodeSecondDeltas(codes: usize, count: i32, start: f64, delta: f64, unit: f64, power: f64, target: usize): void {
  for (let i: usize = 0; i < (count as usize) << 3; i += 8) {
    delta += unzigzagDouble(load<u64>(codes + i));
    start += unit * delta;
    store<f64>(target + i, start / power);
  }
}

@inline
function unzigzagDouble(code: u64): f64 {
  return (((code >> 1) as i64) ^ -((code & 1) as i64)) as f64;
}

/** Sums of the lanes up to each lane. */
@inline
function sumsOf(value: v128): v128 {
  const zero = i32x4.splat(0);
  value = i32x4.add(value, i8x16.shuffle(zero, value, 0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27));
  return i32x4.add(value, i8x16.shuffle(zero, value, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
}

@inline
function upperHalf(value: v128): v128 {
  return i8x16.shuffle(value, value, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}

/** The hot loop: zigzag residuals of 32 bits (below 2^28) are summed and scaled four at a time. */
@inline
function decodeNarrow(codes: usize, count: i32, transform: u32, start: f64, centre: i64, unit: f64, power: f64, target: usize, tile: usize): void {
  const zero = i32x4.splat(0);
  const one = i32x4.splat(1);
  const centres = i32x4.splat(centre as i32);
  const units = f64x2.splat(unit);
  const powers = f64x2.splat(power);
  const isScaled = power != 1;
  const step = unit * (centre as f64);
  let starts = transform == transformLinear ? f64x2(start + step, start + step * 2) : f64x2.splat(start);
  const lineHalf = f64x2.splat(step * 2);
  let deltas = f64x2.splat(step); // of second differences: the difference reached
  const places = f64x2(1, 2);
  const two = f64x2.splat(2);
  const four = f64x2.splat(4);
  const end = target + ((count as usize) << 3);
  while (target < end) {
    let value = v128.load(codes);
    codes += 16;
    value = v128.xor(i32x4.shr_u(value, 1), i32x4.sub(zero, v128.and(value, one)));
    if (transform == transformDelta) value = sumsOf(i32x4.add(value, centres));
    let sums = value;
    if (transform == transformDelta2) {
      sums = sumsOf(value);
      value = sumsOf(sums);
    }
    let low = f64x2.mul(f64x2.convert_low_i32x4_s(value), units);
    let high = f64x2.mul(f64x2.convert_low_i32x4_s(upperHalf(value)), units);
    const last = high;
    low = f64x2.add(low, starts);
    if (transform == transformLinear) {
      starts = f64x2.add(starts, lineHalf);
      high = f64x2.add(high, starts);
      starts = f64x2.add(starts, lineHalf);
    } else high = f64x2.add(high, starts);
    if (transform == transformDelta) starts = f64x2.add(starts, upperHalf(last));
    if (transform == transformDelta2) {
      low = f64x2.add(low, f64x2.mul(deltas, places));
      high = f64x2.add(high, f64x2.mul(deltas, f64x2.add(places, two)));
      starts = f64x2.add(f64x2.add(starts, upperHalf(last)), f64x2.mul(deltas, four));
      const reached = f64x2.mul(f64x2.convert_low_i32x4_s(upperHalf(sums)), units);
      deltas = f64x2.add(deltas, upperHalf(reached));
    }
    if (isScaled) {
      low = f64x2.div(low, powers);
      high = f64x2.div(high, powers);
    }
    if (end - target >= 32) {
      v128.store(target, low);
      v128.store(target, high, 16);
    } else {
      v128.store(tile, low);
      v128.store(tile, high, 16);
      memory.copy(target, tile, end - target);
      return;
    }
    target += 32;
  }
}
