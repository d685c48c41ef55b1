// The codec "fast" of integers (docs/formats/block.md, "A fast column"): residuals of the best of three transforms are packed in mini-blocks
// (codec_pack.ts), or stored as gaps and values when most of them are zero. The decoder goes straight to doubles, four at a time.
import {
  applyExceptions,
  centreOfDeltas,
  centreOfIntegers,
  codecErrorMalformed,
  codecFastBits,
  codecOk,
  columnBase,
  columnCentre,
  columnDivisor,
  columnError,
  columnExceptions,
  columnForm,
  fillBits,
  findCentres,
  formExceptions,
  formSparse,
  orderedBits,
  powerOfTen,
  readColumnHeader,
  readVarint,
  reducedIsSteady,
  scratchCodes,
  scratchGaps,
  scratchIntegers,
  scratchPad,
  scratchTile,
  transformCentre,
  transformConstant,
  transformConstantDelta,
  transformDelta,
  transformDelta2,
  transformLinear,
  varintEnd,
  writeColumnHeader,
  writeVarint,
} from "./codec_front";
import { bitWidth, miniBlockCount, packedSize, packSequence, unpackMiniBlock, unpackSequence, unzigzag, verticalCountMin, zigzag } from "./codec_pack";

/** Encodes the reduced integers in scratch. `head` is the first byte; the values are needed for the exceptions. */
export function encodeFast(values: usize, count: i32, kind: i32, head: u32, exceptionCount: i32, out: usize, scratch: usize): i32 {
  const integers = scratch + scratchIntegers;
  const form = chooseTransform(integers, count, kind);
  const transform = form & 7;
  let end = writeColumnHeader(values, head, form, chosenCentre, exceptionCount, out, scratch);
  if (transform >= transformCentre) end = writeResiduals(integers, count, form, end, scratch);
  return (end - out) as i32;
}

@inline
function zigzagLanes(value: v128): v128 {
  return v128.xor(i64x2.shl(value, 1), i64x2.shr_s(value, 63));
}

@inline
function orLanes(value: v128): u64 {
  return (i64x2.extract_lane(value, 0) | i64x2.extract_lane(value, 1)) as u64;
}

@inline
function sumLanes(value: v128): i64 {
  return i64x2.extract_lane(value, 0) + i64x2.extract_lane(value, 1);
}

// Results of measureTransform: bits of the packed residuals, OR of all of them, and how many are zero.
let measuredBits: i64 = 0;
let measuredOr: u64 = 0;
let measuredZeros: i64 = 0;

/** What the residuals of a transform would cost, packed in mini-blocks of 128 (aligned at positions, an estimate for deltas). */
@inline
function measureTransform(integers: usize, count: i32, transform: u32, centre: i64): void {
  const centres = i64x2.splat(centre);
  const zero = i64x2.splat(0);
  let slope = i64x2(transform == transformLinear ? centre : 0, transform == transformLinear ? centre * 2 : 0);
  const slopeStep = i64x2.splat(centre * 2);
  let packed: i64 = 0;
  let all: u64 = 0;
  let zeros = zero;
  let i = 1;
  while (i < count) {
    const groupEnd = min((i & ~127) + 128, count);
    const groupCount = groupEnd - (i & ~127);
    let bits = zero;
    for (; i + 2 <= groupEnd; i += 2) {
      const at = integers + ((i as usize) << 3);
      let residual = v128.load(at);
      if (transform == transformDelta) residual = i64x2.sub(i64x2.sub(residual, v128.load(at - 8)), centres);
      else if (transform == transformLinear) {
        residual = i64x2.sub(residual, slope);
        slope = i64x2.add(slope, slopeStep);
      } else residual = i64x2.sub(residual, centres);
      bits = v128.or(bits, zigzagLanes(residual));
      zeros = i64x2.sub(zeros, i64x2.eq(residual, zero));
    }
    let or = orLanes(bits);
    if (i < groupEnd) {
      const at = integers + ((i as usize) << 3);
      const value = load<i64>(at);
      const residual = value - (transform == transformDelta ? load<i64>(at - 8) + centre : transform == transformLinear ? centre * (i as i64) : centre);
      or |= zigzag(residual);
      zeros = i64x2.add(zeros, i64x2((residual == 0) as i64, 0));
      slope = i64x2.add(slope, centres);
      i++;
    }
    if (i <= 128 && transform == transformCentre) or |= zigzag(load<i64>(integers) - centre);
    packed += (bitWidth(or) as i64) * (groupCount as i64);
    all |= or;
  }
  measuredBits = packed;
  measuredOr = all;
  measuredZeros = sumLanes(zeros);
}

// The best form so far.
let bestBits: i64 = 0;
let bestForm: u32 = 0;

/** Keeps the measured transform, packed or sparse, if it is cheaper than the best one. */
function consider(transform: u32, centre: i64, count: i32): void {
  if (measuredBits < bestBits) {
    bestBits = measuredBits;
    bestForm = transform;
    chosenCentre = centre;
  }
  const nonZero = (count as i64) - measuredZeros;
  if (count < 16 || nonZero << 2 > (count as i64)) return;
  const sparseBits = nonZero * ((bitWidth(measuredOr) + bitWidth((count as u64) / ((nonZero + 1) as u64)) + 2) as i64) + 32;
  if (sparseBits >= bestBits) return;
  bestBits = sparseBits;
  bestForm = transform | formSparse;
  chosenCentre = centre;
}

// Further result of chooseTransform.
let chosenCentre: i64 = 0;

/** Returns the form (transform and sparse bit) and sets chosenCentre. Integers begin with 0. */
function chooseTransform(integers: usize, count: i32, kind: i32): u32 {
  if (reducedIsSteady) {
    chosenCentre = load<i64>(integers, 8);
    return chosenCentre == 0 ? transformConstant : transformConstantDelta;
  }
  findCentres(integers, count);
  const centre = centreOfIntegers;
  bestBits = i64.MAX_VALUE;
  measureTransform(integers, count, transformCentre, centre);
  consider(transformCentre, centre, count);
  measureTransform(integers, count, transformDelta, centreOfDeltas);
  consider(transformDelta, centreOfDeltas, count);
  if (kind == 1) {
    const last = load<i64>(integers + (((count - 1) as usize) << 3));
    const slope = (last + ((count - 1) as i64 >> 1)) / ((count - 1) as i64);
    measureTransform(integers, count, transformLinear, slope);
    consider(transformLinear, slope, count);
  }
  return bestForm;
}

function writeResiduals(integers: usize, count: i32, form: u32, out: usize, scratch: usize): usize {
  const codes = scratch + scratchCodes;
  const transform = form & 7;
  const centre = chosenCentre;
  const residualCount = transform == transformCentre ? count : count - 1;
  if (transform == transformCentre) {
    for (let offset: usize = 0; offset < (count as usize) << 3; offset += 8) store<u64>(codes + offset, zigzag(load<i64>(integers + offset) - centre));
  } else if (transform == transformDelta) {
    for (let offset: usize = 0; offset < ((count - 1) as usize) << 3; offset += 8) {
      store<u64>(codes + offset, zigzag(load<i64>(integers + offset, 8) - load<i64>(integers + offset) - centre));
    }
  } else {
    let line: i64 = 0;
    for (let offset: usize = 0; offset < ((count - 1) as usize) << 3; offset += 8) {
      line += centre;
      store<u64>(codes + offset, zigzag(load<i64>(integers + offset, 8) - line));
    }
  }
  return form & formSparse ? writeSparse(codes, residualCount, out, scratch + scratchGaps) : packSequence(codes, residualCount, out);
}

/** Moves the residuals that are not zero, minus 1, to the front of `codes`, and the zeros before each of them to `gaps`; returns how many there are. */
export function gatherSparse(codes: usize, residualCount: i32, gaps: usize): i32 {
  const end = codes + ((residualCount as usize) << 3);
  let next = codes;
  let target = codes;
  for (let at = codes; at < end; at += 8) {
    const code = load<u64>(at);
    if (code == 0) continue;
    store<u64>(target, code - 1);
    store<u64>(gaps + (target - codes), ((at - next) >> 3) as u64);
    target += 8;
    next = at + 8;
  }
  return ((target - codes) >> 3) as i32;
}

/** Writes varint k, the k gaps between the residuals that are not zero, and those minus 1. */
function writeSparse(codes: usize, residualCount: i32, out: usize, gaps: usize): usize {
  const k = gatherSparse(codes, residualCount, gaps);
  out = writeVarint(out, k as u64);
  out = packSequence(gaps, k, out);
  return packSequence(codes, k, out);
}

/**
 * Decodes samples [from, to) of a column of codec fastDecimal to `target`, which has room for no more: mini-blocks behind them are not looked at, and of
 * those before them only the sum is taken. Returns an error number, or -1 if the column is none of which a part can be decoded.
 */
export function decodeFastRange(source: usize, end: usize, count: i32, from: i32, to: i32, target: usize, scratch: usize): i32 {
  let at = readColumnHeader(source, end, count, transformLinear);
  if (at == 0) return columnError;
  const transform = columnForm & 7;
  if (columnForm & (formExceptions | formSparse)) return -1;
  const start = columnBase as f64;
  const unit = columnDivisor as i64 as f64;
  const power = powerOfTen((load<u8>(source) as u32) >> 4);
  if (transform <= transformConstantDelta) {
    const step = unit * (columnCentre as f64);
    fillLine(target, to - from, start + step * (from as f64), step, power);
    return at == end ? codecOk : codecErrorMalformed;
  }
  let position = 0;
  if (transform != transformCentre) {
    position = 1;
    if (from == 0) store<f64>(target, start / power);
  }
  return decodeSomeMiniBlocks(at, end, count, position, from, to, transform, start, columnCentre, unit, power, target, scratch);
}

/** The mini-blocks that hold samples [from, to) of a column; `position` is the sample that the first mini-block at `at` begins with. */
function decodeSomeMiniBlocks(
  at: usize, end: usize, count: i32, position: i32, from: i32, to: i32, transform: u32, start: f64, centre: i64, unit: f64, power: f64, target: usize, scratch: usize,
): i32 {
  const slope = transform == transformCentre ? 0 : unit * (centre as f64);
  const tile = scratch + scratchTile;
  while (position < to) {
    const miniCount = min(count - position, miniBlockCount);
    if (at >= end) return codecErrorMalformed;
    const width = load<u8>(at) as i32;
    if (width > 64) return codecErrorMalformed;
    const size = packedSize(miniCount, width) as usize + 1;
    if (size > end - at) return codecErrorMalformed;
    const first = max(position, from);
    const stop = min(position + miniCount, to);
    if (first >= stop && (transform != transformDelta || width == 0)) start += slope * (miniCount as f64);
    else if (first >= stop && miniCount == miniBlockCount && width <= 32) start += unit * ((sumTile(at + 1, width) + centre * miniBlockCount) as f64);
    else {
      const isWhole = first == position && stop == position + miniCount;
      const place = isWhole ? target + (((position - from) as usize) << 3) : tile;
      if (decodeMiniBlocks(at, at + size, miniCount, transform, start, centre, unit, power, place, scratch) == 0) return codecErrorMalformed;
      start = reached;
      if (!isWhole && first < stop) memory.copy(target + (((first - from) as usize) << 3), tile + (((first - position) as usize) << 3), ((stop - first) as usize) << 3);
    }
    at += size;
    position += miniCount;
  }
  return position < count || at == end ? codecOk : codecErrorMalformed;
}

/** The sum of the residuals of a whole vertical mini-block of up to 32 bits. */
function sumTile(source: usize, width: i32): i64 {
  const zero = i32x4.splat(0);
  const one = i32x4.splat(1);
  const mask = i32x4.splat(width == 32 ? -1 : (1 << width) - 1);
  let sums = i64x2.splat(0);
  let word = v128.load(source);
  let used = 0;
  for (let row = 0; row < miniBlockCount >> 2; row++) {
    let value = i32x4.shr_u(word, used);
    used += width;
    if (used > 32) {
      source += 16;
      word = v128.load(source);
      used -= 32;
      value = v128.or(value, i32x4.shl(word, width - used));
    } else if (used == 32 && row + 1 < miniBlockCount >> 2) {
      source += 16;
      word = v128.load(source);
      used = 0;
    }
    value = v128.and(value, mask);
    value = v128.xor(i32x4.shr_u(value, 1), i32x4.sub(zero, v128.and(value, one)));
    sums = i64x2.add(sums, i64x2.add(i64x2.extend_low_i32x4_s(value), i64x2.extend_high_i32x4_s(value)));
  }
  return i64x2.extract_lane(sums, 0) + i64x2.extract_lane(sums, 1);
}

/** Decodes a column of codec fastDecimal or fastBits, of 2 bytes or more, to `target`. Returns an error number. */
export function decodeFast(source: usize, end: usize, count: i32, target: usize, scratch: usize): i32 {
  const head = load<u8>(source) as u32;
  const isBits = (head & 15) == codecFastBits;
  if (isBits && head >> 4 != 0) return codecErrorMalformed;
  let at = readColumnHeader(source, end, count, transformLinear);
  if (at == 0) return columnError;
  const form = columnForm;
  const exceptions = columnExceptions;
  if (isBits) at = decodeBits(at, end, count, form, columnBase, columnCentre, columnDivisor as i64, target, scratch);
  else at = decodeDecimals(at, end, count, form, columnBase, columnCentre, columnDivisor as i64, powerOfTen(head >> 4), target, scratch);
  if (at != end) return codecErrorMalformed;
  if (form & formExceptions) applyExceptions(exceptions, end, target);
  return codecOk;
}

// Further result of readSparseColumns: how many residuals are not zero.
let sparseCount: i32 = 0;

/** Unpacks and checks gaps (to scratchGaps) and residuals minus 1 (to scratchIntegers). Returns the end, or 0. */
function readSparseColumns(at: usize, end: usize, residualCount: i32, scratch: usize): usize {
  const k = readVarint(at, end);
  at = varintEnd;
  if (at == 0 || k > (residualCount as u64)) return 0;
  sparseCount = k as i32;
  at = unpackSequence(at, end, sparseCount, scratch + scratchGaps, scratch + scratchPad);
  if (at == 0) return 0;
  at = unpackSequence(at, end, sparseCount, scratch + scratchIntegers, scratch + scratchPad);
  return at != 0 && areGapsGood(sparseCount, residualCount, scratch) ? at : 0;
}

/** Whether the `k` gaps in scratchGaps stay within the residuals. */
export function areGapsGood(k: i32, residualCount: i32, scratch: usize): bool {
  let position: u64 = 0;
  for (let i = 0; i < k; i++) {
    const gap = load<u64>(scratch + scratchGaps + ((i as usize) << 3));
    if (gap >= (residualCount as u64)) return false;
    position += gap + 1;
    if (position > (residualCount as u64)) return false;
  }
  return true;
}

/** Writes `k` sparse residuals to `codes` as plain zigzag residuals. REQUIRES: the gaps are good. */
export function spreadSparse(k: i32, residualCount: i32, codes: usize, scratch: usize): void {
  memory.fill(codes, 0, (residualCount as usize) << 3);
  let position: usize = 0;
  for (let i = 0; i < k; i++) {
    position += load<u64>(scratch + scratchGaps + ((i as usize) << 3)) as usize;
    store<u64>(codes + (position << 3), load<u64>(scratch + scratchIntegers + ((i as usize) << 3)) + 1);
    position++;
  }
}

function decodeBits(at: usize, end: usize, count: i32, form: u32, base: i64, centre: i64, divisor: i64, target: usize, scratch: usize): usize {
  const transform = form & 7;
  if (transform <= transformConstantDelta) {
    let integer = base;
    for (let i = 0; i < count; i++) {
      store<i64>(target + ((i as usize) << 3), orderedBits(integer));
      integer += centre * divisor;
    }
    return at;
  }
  const codes = scratch + scratchCodes;
  const residualCount = transform == transformCentre ? count : count - 1;
  if (form & formSparse) {
    at = readSparseColumns(at, end, residualCount, scratch);
    if (at != 0) spreadSparse(sparseCount, residualCount, codes, scratch);
  } else at = unpackSequence(at, end, residualCount, codes, scratch + scratchPad);
  if (at != 0) decodeBitCodes(codes, count, transform, base, centre, divisor, target);
  return at;
}

/** From zigzag residuals to bit patterns of `count` doubles. */
export function decodeBitCodes(codes: usize, count: i32, transform: u32, base: i64, centre: i64, divisor: i64, target: usize): void {
  const end = target + ((count as usize) << 3);
  let integer = base;
  if (transform == transformCentre) {
    for (; target < end; target += 8, codes += 8) store<i64>(target, orderedBits(base + divisor * unzigzag(load<u64>(codes))));
    return;
  }
  store<i64>(target, orderedBits(base));
  target += 8;
  let delta = centre;
  if (transform == transformDelta2) {
    integer += divisor * centre;
    store<i64>(target, orderedBits(integer));
    target += 8;
  }
  for (; target < end; target += 8, codes += 8) {
    const residual = unzigzag(load<u64>(codes));
    if (transform == transformDelta) integer += divisor * (centre + residual);
    else if (transform == transformDelta2) integer += divisor * (delta += residual);
    else {
      integer += divisor * centre;
      store<i64>(target, orderedBits(integer + divisor * residual));
      continue;
    }
    store<i64>(target, orderedBits(integer));
  }
}

/** Writes (start + step * i) / power for i in [0, count). */
function fillLine(target: usize, count: i32, start: f64, step: f64, power: f64): void {
  if (step == 0) {
    fillBits(target, count, reinterpret<u64>(start / power));
    return;
  }
  const powers = f64x2.splat(power);
  const starts = f64x2.splat(start);
  let line = f64x2(0, step);
  const lineStep = f64x2.splat(step * 2);
  let i = 0;
  for (; i + 2 <= count; i += 2) {
    v128.store(target + ((i as usize) << 3), f64x2.div(f64x2.add(starts, line), powers));
    line = f64x2.add(line, lineStep);
  }
  if (i < count) store<f64>(target + ((i as usize) << 3), (start + step * (i as f64)) / power);
}

/** Decimals are computed in doubles: the encoder made sure that every intermediate is a whole number below 2^53, so sums are exact. */
function decodeDecimals(at: usize, end: usize, count: i32, form: u32, base: i64, centre: i64, divisor: i64, power: f64, target: usize, scratch: usize): usize {
  const transform = form & 7;
  const start = base as f64;
  const unit = divisor as f64;
  const step = unit * (centre as f64);
  if (transform <= transformConstantDelta) {
    fillLine(target, count, start, step, power);
    return at;
  }
  const isSparse = (form & formSparse) != 0;
  if (isSparse && (transform == transformCentre || centre == 0)) {
    at = readSparseColumns(at, end, transform == transformCentre ? count : count - 1, scratch);
    if (at != 0) fillSparseDecimals(sparseCount, count, transform, start, unit, power, target, scratch);
    return at;
  }
  let residualCount = count;
  if (transform != transformCentre) {
    store<f64>(target, start / power);
    target += 8;
    residualCount--;
  }
  if (isSparse) {
    at = readSparseColumns(at, end, residualCount, scratch);
    if (at == 0) return 0;
    spreadSparse(sparseCount, residualCount, scratch + scratchCodes, scratch);
    decodeCodes(scratch + scratchCodes, residualCount, transform, start, centre, unit, power, target);
    return at;
  }
  return decodeMiniBlocks(at, end, residualCount, transform, start, centre, unit, power, target, scratch);
}

/** Sparse residuals without a slope: runs of one value (delta), or one value with exceptions to it (centre, linear). REQUIRES: the gaps are good. */
export function fillSparseDecimals(k: i32, count: i32, transform: u32, start: f64, unit: f64, power: f64, target: usize, scratch: usize): void {
  let from: usize = 0;
  let position: usize = transform == transformCentre ? 0 : 1;
  if (transform != transformDelta) fillBits(target, count, reinterpret<u64>(start / power));
  for (let i = 0; i < k; i++) {
    position += load<u64>(scratch + scratchGaps + ((i as usize) << 3)) as usize;
    const residual = unit * (unzigzag(load<u64>(scratch + scratchIntegers + ((i as usize) << 3)) + 1) as f64);
    if (transform == transformDelta) {
      fillBits(target + (from << 3), (position - from) as i32, reinterpret<u64>(start / power));
      from = position;
      start += residual;
    } else store<f64>(target + (position << 3), (start + residual) / power);
    position++;
  }
  if (transform == transformDelta) fillBits(target + (from << 3), count - (from as i32), reinterpret<u64>(start / power));
}

// Further result of decodeCodes, decodeTile and decodeMiniBlocks: the integer reached, as a double.
let reached: f64 = 0;

/** Plain loop from zigzag residuals; deltas and lines go on from `start`. */
@inline
export function decodeCodes(codes: usize, count: i32, transform: u32, start: f64, centre: i64, unit: f64, power: f64, target: usize): void {
  const step = unit * (centre as f64);
  for (let i = 0; i < count; i++) {
    const residual = unit * (unzigzag(load<u64>(codes + ((i as usize) << 3))) as f64);
    let value: f64;
    if (transform == transformDelta) value = start += step + residual;
    else if (transform == transformLinear) value = (start += step) + residual;
    else value = start + residual;
    store<f64>(target + ((i as usize) << 3), value / power);
  }
  reached = start;
}

function decodeMiniBlocks(at: usize, end: usize, count: i32, transform: u32, start: f64, centre: i64, unit: f64, power: f64, target: usize, scratch: usize): usize {
  const step = unit * (centre as f64);
  // Four deltas are summed in 32 bits, so each must be below 2^29.
  const widthMax = transform != transformDelta ? 32 : abs(centre) < (1 << 28) ? 29 : 0;
  const codes = scratch + scratchCodes;
  let left = count;
  while (left > 0) {
    const miniCount = min(left, miniBlockCount);
    if (at >= end) return 0;
    const width = load<u8>(at) as i32;
    at++;
    if (width > 64) return 0;
    const size = packedSize(miniCount, width) as usize;
    if (size > end - at) return 0;
    if (width == 0) {
      const slope = transform == transformCentre ? 0 : step;
      fillLine(target, miniCount, start + slope, slope, power);
      start += slope * (miniCount as f64);
      reached = start;
    } else if (miniCount >= verticalCountMin && width <= widthMax) {
      const tile = miniCount == miniBlockCount ? target : scratch + scratchTile;
      const rows = (miniCount + 3) >> 2;
      if (transform == transformDelta) decodeTile(at, rows, width, transformDelta, start, centre, step, unit, power, tile);
      else if (transform == transformCentre) decodeTile(at, rows, width, transformCentre, start, centre, step, unit, power, tile);
      else decodeTile(at, rows, width, transformLinear, start, centre, step, unit, power, tile);
      start = reached;
      if (tile != target) memory.copy(target, tile, (miniCount as usize) << 3);
    } else {
      unpackMiniBlock(at, miniCount, width, codes, scratch + scratchPad);
      decodeCodes(codes, miniCount, transform, start, centre, unit, power, target);
      start = reached;
    }
    at += size;
    target += (miniCount as usize) << 3;
    left -= miniCount;
  }
  return at;
}

/** The hot loop: `rows` rows of 4 lanes are unpacked, summed and scaled without leaving the registers. */
@inline
function decodeTile(source: usize, rows: i32, width: i32, transform: u32, start: f64, centre: i64, step: f64, unit: f64, power: f64, target: usize): void {
  const zero = i32x4.splat(0);
  const one = i32x4.splat(1);
  const mask = i32x4.splat(width == 32 ? -1 : (1 << width) - 1);
  const centres = i32x4.splat(centre as i32);
  const units = f64x2.splat(unit);
  const powers = f64x2.splat(power);
  const isScaled = power != 1;
  let starts = transform == transformLinear ? f64x2(start + step, start + step * 2) : f64x2.splat(start);
  const lineHalf = f64x2.splat(step * 2);
  let word = v128.load(source);
  let used = 0;
  for (let row = 0; row < rows; row++) {
    let value = i32x4.shr_u(word, used);
    used += width;
    if (used > 32) {
      source += 16;
      word = v128.load(source);
      used -= 32;
      value = v128.or(value, i32x4.shl(word, width - used));
    } else if (used == 32 && row + 1 < rows) {
      source += 16;
      word = v128.load(source);
      used = 0;
    }
    value = v128.and(value, mask);
    value = v128.xor(i32x4.shr_u(value, 1), i32x4.sub(zero, v128.and(value, one)));
    if (transform == transformDelta) {
      value = i32x4.add(value, centres);
      value = i32x4.add(value, i8x16.shuffle(zero, value, 0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27));
      value = i32x4.add(value, i8x16.shuffle(zero, value, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
    }
    const upper = i8x16.shuffle(value, value, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    let low = f64x2.mul(f64x2.convert_low_i32x4_s(value), units);
    let high = f64x2.mul(f64x2.convert_low_i32x4_s(upper), units);
    const last = high;
    low = f64x2.add(low, starts);
    if (transform == transformLinear) {
      starts = f64x2.add(starts, lineHalf);
      high = f64x2.add(high, starts);
      starts = f64x2.add(starts, lineHalf);
    } else high = f64x2.add(high, starts);
    if (transform == transformDelta) starts = f64x2.add(starts, i8x16.shuffle(last, last, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    if (isScaled) {
      low = f64x2.div(low, powers);
      high = f64x2.div(high, powers);
    }
    v128.store(target, low);
    v128.store(target, high, 16);
    target += 32;
  }
  reached = transform == transformLinear ? f64x2.extract_lane(starts, 0) - step : f64x2.extract_lane(starts, 0);
}
