// The column codec "fast": 1 to 8192 doubles <-> bytes, exact for every bit pattern (docs/formats/block.md).
//
// Encoding: doubles become integers, by decimal scaling with an exact check per value (exceptions are stored beside) or, when
// they are no decimals, by their bit patterns; the integers are reduced by their common divisor; residuals of the best of
// three transforms are packed (codec_pack.ts), or stored as gaps and values when most of them are zero.
//
// Decoders are given untrusted bytes: they read [source, source + size) only, write `count` values only, and answer with an
// error number otherwise. Scratch space is a pointer argument of codecScratchSize() bytes, 16-aligned.
import { bitWidth, miniBlockCount, packSequence, packedSize, unpackMiniBlock, unpackSequence, unzigzag, verticalCountMin, zigzag } from "./codec_pack";

// Codec numbers and errors: the table is src/kernel/codec.ts.
const codecRaw: u32 = 0;
const codecConstant: u32 = 1;
const codecFastDecimal: u32 = 2;
const codecFastBits: u32 = 3;

export const codecOk: i32 = 0;
export const codecErrorArgument: i32 = 1;
export const codecErrorTruncated: i32 = 2;
export const codecErrorUnknownCodec: i32 = 3;
export const codecErrorMalformed: i32 = 4;

const transformConstant: u32 = 0;
const transformConstantDelta: u32 = 1;
const transformCentre: u32 = 2;
const transformDelta: u32 = 3;
const transformLinear: u32 = 4;
const formSparse: u32 = 8;
const formDivisor: u32 = 16;
const formExceptions: u32 = 32;

const exceptionRaw: u64 = 0;
const exceptionStale: u64 = 1;
const exceptionNaN: u64 = 2;
const exceptionInfinity: u64 = 3;
const staleBits: u64 = 0x7ff0000000000002;
const nanBits: u64 = 0x7ff8000000000000;
const infinityBits: u64 = 0x7ff0000000000000;

export const codecCountMax: i32 = 8192;
const exponentMax: i32 = 15;
const exponentNone: i32 = 16;
/** Scaled values stay below this, where adding `roundingMagic` rounds to an integer and every sum is exact. */
const integerLimit: f64 = 2.0e15;
const roundingMagic: f64 = 6755399441055744.0; // 1.5 * 2^52
const roundingMagicBits: i64 = 0x4338000000000000;
const powersOfTen: usize = memory.data<f64>([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]);

// Scratch layout.
const columnBytes: usize = 65600; // 8192 numbers of 8 bytes, and 64 bytes to spare
const scratchIntegers: usize = 0;
const scratchCodes: usize = columnBytes;
const scratchGaps: usize = 2 * columnBytes;
const scratchExceptions: usize = 3 * columnBytes; // u16 positions
const scratchPad: usize = scratchExceptions + 16384 + 64;
const scratchTile: usize = scratchPad + 576;
const scratchBytes: usize = scratchTile + 1024 + 64;

/** Bytes of scratch that codecEncode and codecDecode need. */
export function codecScratchSize(): usize {
  return scratchBytes;
}

/** Bytes that codecEncode may touch at `out` for `count` values (the result is at most 8 * count + 1). */
export function codecEncodeBound(count: i32): usize {
  return (count as usize) * 12 + 128;
}

@inline
function powerOfTen(exponent: i32): f64 {
  return load<f64>(powersOfTen + ((exponent as usize) << 3));
}

// ---- encoding --------------------------------------------------------------------------------------------------------------

/**
 * Encodes the `count` (1 to 8192) doubles at `values` to `out` and returns the size in bytes. `kind` is 0 for values,
 * 1 for timestamps (whole numbers; tries the linear transform too).
 */
export function codecEncode(values: usize, count: i32, kind: i32, out: usize, scratch: usize): i32 {
  if (allSame(values, count)) return encodeConstant(load<f64>(values), out);
  const exponent = kind == 1 ? 0 : findExponent(values, count);
  if (exponent <= exponentMax) {
    const exceptionCount = scaleValues(values, count, exponent, scratch);
    if (exceptionCount <= count >> 2) {
      if (exceptionCount > 0) patchExceptions(count, exceptionCount, scratch);
      const size = encodeIntegers(values, count, kind, codecFastDecimal | ((exponent as u32) << 4), exceptionCount, out, scratch);
      if (size < count << 3) return size;
    }
  }
  orderBits(values, count, scratch + scratchIntegers);
  const size = encodeIntegers(values, count, kind, codecFastBits, 0, out, scratch);
  if (size <= count << 3) return size;
  store<u8>(out, codecRaw as u8);
  memory.copy(out + 1, values, (count as usize) << 3);
  return (count << 3) + 1;
}

function allSame(values: usize, count: i32): bool {
  const first = load<u64>(values);
  const end = values + ((count as usize) << 3);
  for (let at = values + 8; at < end; at += 8) if (load<u64>(at) != first) return false;
  return true;
}

function encodeConstant(value: f64, out: usize): i32 {
  const exponent = findExponent1(value);
  if (exponent <= exponentMax) {
    store<u8>(out, (codecFastDecimal | ((exponent as u32) << 4)) as u8);
    store<u8>(out, transformConstant as u8, 1);
    const integer = (value * powerOfTen(exponent) + roundingMagic - roundingMagic) as i64;
    const end = writeVarint(out + 2, zigzag(integer));
    if (end - out < 9) return (end - out) as i32;
  }
  store<u8>(out, codecConstant as u8);
  store<f64>(out, value, 1);
  return 9;
}

/** The smallest exponent that turns `value` into an integer and back, bit by bit; exponentNone if there is none. */
function findExponent1(value: f64): i32 {
  return growExponent(value, 0);
}

@inline
function isExact(value: f64, power: f64): bool {
  const integer = value * power + roundingMagic - roundingMagic;
  return abs(integer) < integerLimit && reinterpret<u64>(integer / power) == reinterpret<u64>(value);
}

function growExponent(value: f64, exponent: i32): i32 {
  for (; exponent <= exponentMax; exponent++) {
    const power = powerOfTen(exponent);
    if (isExact(value, power)) return exponent;
    if (!(abs(value * power) < integerLimit)) return exponentNone;
  }
  return exponentNone;
}

/** The exponent that fits nearly all of (at most 32) sampled values, or exponentNone. */
function findExponent(values: usize, count: i32): i32 {
  const step = max(count >> 5, 1);
  let exponent = 0;
  let tried = 0;
  let failed = 0;
  for (let i = 0; i < count; i += step) {
    const value = load<f64>(values + ((i as usize) << 3));
    if (!(abs(value) < integerLimit) || value == 0) continue;
    tried++;
    const grown = growExponent(value, exponent);
    if (grown <= exponentMax) exponent = grown;
    else if (++failed > 2 + (tried >> 2)) return exponentNone;
  }
  return exponent;
}

/** Writes value * 10^exponent as i64 where that is exact; the positions of the others go to the exceptions. */
function scaleValues(values: usize, count: i32, exponent: i32, scratch: usize): i32 {
  const integers = scratch + scratchIntegers;
  const exceptions = scratch + scratchExceptions;
  const power = powerOfTen(exponent);
  const powers = f64x2.splat(power);
  const magic = f64x2.splat(roundingMagic);
  const limit = f64x2.splat(integerLimit);
  const magicBits = i64x2.splat(roundingMagicBits);
  let exceptionCount = 0;
  let i = 0;
  for (; i + 2 <= count; i += 2) {
    const offset = (i as usize) << 3;
    const value = v128.load(values + offset);
    const shifted = f64x2.add(f64x2.mul(value, powers), magic);
    const integer = f64x2.sub(shifted, magic);
    v128.store(integers + offset, i64x2.sub(shifted, magicBits));
    const exact = v128.and(i64x2.eq(f64x2.div(integer, powers), value), f64x2.lt(f64x2.abs(integer), limit));
    const mask = i64x2.bitmask(exact);
    if (mask != 3) {
      if (!(mask & 1)) store<u16>(exceptions + ((exceptionCount++ as usize) << 1), i as u16);
      if (!(mask & 2)) store<u16>(exceptions + ((exceptionCount++ as usize) << 1), (i + 1) as u16);
    }
  }
  if (i < count) {
    const value = load<f64>(values + ((i as usize) << 3));
    store<i64>(integers + ((i as usize) << 3), reinterpret<i64>(value * power + roundingMagic) - roundingMagicBits);
    if (!isExact(value, power)) store<u16>(exceptions + ((exceptionCount++ as usize) << 1), i as u16);
  }
  return exceptionCount;
}

/** Gives exceptions the integer before them (the first good one, at the start), which costs least to encode. */
function patchExceptions(count: i32, exceptionCount: i32, scratch: usize): void {
  const integers = scratch + scratchIntegers;
  const exceptions = scratch + scratchExceptions;
  let good = 0;
  while (good < exceptionCount && (load<u16>(exceptions + ((good as usize) << 1)) as i32) == good) good++;
  let previous = good < count ? load<i64>(integers + ((good as usize) << 3)) : 0;
  for (let k = 0; k < exceptionCount; k++) {
    const at = load<u16>(exceptions + ((k as usize) << 1)) as usize;
    if ((at as i32) > good) previous = load<i64>(integers + (at << 3) - 8);
    store<i64>(integers + (at << 3), previous);
  }
}

/** Bit patterns as integers in the order of the numbers (negative ones mirrored). */
@inline
function orderedBits(bits: i64): i64 {
  return bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

function orderBits(values: usize, count: i32, integers: usize): void {
  for (let offset: usize = 0; offset < (count as usize) << 3; offset += 8) store<i64>(integers + offset, orderedBits(load<i64>(values + offset)));
}

/** Whether all differences between neighbours are equal. */
function isSteady(integers: usize, count: i32): bool {
  const step = load<i64>(integers, 8) - load<i64>(integers);
  const end = integers + ((count as usize) << 3);
  for (let at = integers + 8; at < end; at += 8) if (load<i64>(at) - load<i64>(at - 8) != step) return false;
  return true;
}

// Further result of chooseTransform.
let chosenCentre: i64 = 0;

/** Encodes the integers in scratch. `head` is the first byte; the values are needed for the exceptions. */
function encodeIntegers(values: usize, count: i32, kind: i32, head: u32, exceptionCount: i32, out: usize, scratch: usize): i32 {
  const integers = scratch + scratchIntegers;
  const isBits = head == codecFastBits;
  const base = load<i64>(integers);
  const divisor = isSteady(integers, count) ? 1 : isBits ? bitDivisor(integers, count) : commonDivisor(integers, count);
  reduceIntegers(integers, count, base, divisor, isBits);
  let form = chooseTransform(integers, count, kind);
  const transform = form & 7;
  const start = transform == transformCentre ? base + chosenCentre * (divisor as i64) : base;
  if (divisor != 1) form |= formDivisor;
  if (exceptionCount > 0) form |= formExceptions;
  store<u8>(out, head as u8);
  store<u8>(out, form as u8, 1);
  let end = out + 2;
  if (form & formDivisor) end = writeVarint(end, divisor);
  if (exceptionCount > 0) end = writeExceptions(values, exceptionCount, scratch + scratchExceptions, end);
  end = writeVarint(end, zigzag(start));
  if (transform != transformConstant && transform != transformCentre) end = writeVarint(end, zigzag(chosenCentre));
  if (transform >= transformCentre) end = writeResiduals(integers, count, form, end, scratch);
  return (end - out) as i32;
}

function writeExceptions(values: usize, exceptionCount: i32, exceptions: usize, out: usize): usize {
  out = writeVarint(out, exceptionCount as u64);
  let next: u64 = 0;
  for (let k = 0; k < exceptionCount; k++) {
    const at = load<u16>(exceptions + ((k as usize) << 1)) as u64;
    const bits = load<u64>(values + ((at as usize) << 3));
    const exception = bits == staleBits ? exceptionStale : bits == nanBits ? exceptionNaN : bits == infinityBits ? exceptionInfinity : exceptionRaw;
    out = writeVarint(out, ((at - next) << 2) | exception);
    if (exception == exceptionRaw) {
      store<u64>(out, bits);
      out += 8;
    }
    next = at + 1;
  }
  return out;
}

/** Largest power of two that divides every difference to the first integer. */
function bitDivisor(integers: usize, count: i32): u64 {
  const base = load<i64>(integers);
  let bits: i64 = 0;
  for (let offset: usize = 8; offset < (count as usize) << 3; offset += 8) bits |= load<i64>(integers + offset) - base;
  return bits == 0 ? 1 : (1 as u64) << ctz(bits);
}

function greatestCommonDivisor(left: u64, right: u64): u64 {
  while (right != 0) {
    const rest = left % right;
    left = right;
    right = rest;
  }
  return left;
}

/** Greatest common divisor of the differences to the first integer, which are below 2^53. */
function commonDivisor(integers: usize, count: i32): u64 {
  const base = load<i64>(integers);
  const step = max(count >> 5, 1);
  let divisor: u64 = 0;
  for (let i = 1; i < count; i += step) {
    divisor = greatestCommonDivisor(abs(load<i64>(integers + ((i as usize) << 3)) - base) as u64, divisor);
    if (divisor == 1) return 1;
  }
  for (let i = 1; i < count; i++) {
    if (divisor != 0) i = firstNotDivided(integers, i, count, base, divisor);
    if (i >= count) break;
    divisor = greatestCommonDivisor(abs(load<i64>(integers + ((i as usize) << 3)) - base) as u64, divisor);
    if (divisor == 1) return 1;
  }
  return divisor == 0 ? 1 : divisor;
}

/** Two integers of [0, 2^52) as doubles. */
@inline
function toDoubles(integers: v128): v128 {
  return f64x2.sub(v128.or(integers, i64x2.splat(0x4330000000000000)), f64x2.splat(4503599627370496.0));
}

/**
 * The first position from `from` on whose difference to `base` is no multiple of `divisor`, or `count`. Divides in doubles, which is
 * exact below 2^53 and several times faster than integer division.
 */
function firstNotDivided(integers: usize, from: i32, count: i32, base: i64, divisor: u64): i32 {
  const bases = i64x2.splat(base);
  const divisors = f64x2.splat(divisor as f64);
  let i = from;
  for (; i + 2 <= count; i += 2) {
    const number = toDoubles(i64x2.abs(i64x2.sub(v128.load(integers + ((i as usize) << 3)), bases)));
    const quotient = f64x2.nearest(f64x2.div(number, divisors));
    const mask = i64x2.bitmask(f64x2.eq(f64x2.mul(quotient, divisors), number));
    if (mask != 3) return mask & 1 ? i + 1 : i;
  }
  if (i < count) {
    const number = abs(load<i64>(integers + ((i as usize) << 3)) - base) as f64;
    if (nearest(number / (divisor as f64)) * (divisor as f64) == number) i++;
  }
  return i;
}

/** Turns integers into differences to `base` in units of `divisor`. May touch one number behind the last. */
function reduceIntegers(integers: usize, count: i32, base: i64, divisor: u64, isBits: bool): void {
  const end = integers + ((count as usize) << 3);
  const bases = i64x2.splat(base);
  if (divisor == 1) {
    for (let at = integers; at < end; at += 16) v128.store(at, i64x2.sub(v128.load(at), bases));
  } else if (isBits) {
    const shift = ctz(divisor) as i32;
    for (let at = integers; at < end; at += 16) v128.store(at, i64x2.shr_s(i64x2.sub(v128.load(at), bases), shift));
  } else {
    const divisors = f64x2.splat(divisor as f64);
    const magic = f64x2.splat(4503599627370496.0);
    const magicBits = i64x2.splat(0x4330000000000000);
    for (let at = integers; at < end; at += 16) {
      const difference = i64x2.sub(v128.load(at), bases);
      const sign = i64x2.shr_s(difference, 63);
      const quotient = f64x2.div(toDoubles(i64x2.abs(difference)), divisors);
      const magnitude = v128.xor(f64x2.add(quotient, magic), magicBits);
      v128.store(at, i64x2.sub(v128.xor(magnitude, sign), sign));
    }
  }
}

/** Median of at most 15 sampled integers (`isDelta`: of their differences); `sorted` is scratch. */
function sampledMedian(integers: usize, count: i32, isDelta: bool, sorted: usize): i64 {
  const from = isDelta ? 1 : 0;
  const step = max((count - from) / 15, 1);
  let sampled = 0;
  for (let i = from; i < count && sampled < 15; i += step) {
    const at = integers + ((i as usize) << 3);
    const value = isDelta ? load<i64>(at) - load<i64>(at - 8) : load<i64>(at);
    let j = sampled - 1;
    for (; j >= 0 && load<i64>(sorted + ((j as usize) << 3)) > value; j--) {
      store<i64>(sorted + (((j + 1) as usize) << 3), load<i64>(sorted + ((j as usize) << 3)));
    }
    store<i64>(sorted + (((j + 1) as usize) << 3), value);
    sampled++;
  }
  return load<i64>(sorted + ((sampled >> 1) << 3));
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

/** Returns the form (transform and sparse bit) and sets chosenCentre. Integers begin with 0. */
function chooseTransform(integers: usize, count: i32, kind: i32): u32 {
  if (isSteady(integers, count)) {
    chosenCentre = load<i64>(integers, 8);
    return chosenCentre == 0 ? transformConstant : transformConstantDelta;
  }
  const sorted = integers - scratchIntegers + scratchTile;
  const centreOfDeltas = sampledMedian(integers, count, true, sorted);
  const centre = sampledMedian(integers, count, false, sorted);
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

/** Writes varint k, the k gaps between the residuals that are not zero, and those minus 1. */
function writeSparse(codes: usize, residualCount: i32, out: usize, gaps: usize): usize {
  let k = 0;
  let previous = -1;
  for (let i = 0; i < residualCount; i++) {
    const code = load<u64>(codes + ((i as usize) << 3));
    if (code == 0) continue;
    store<u64>(codes + ((k as usize) << 3), code - 1);
    store<u64>(gaps + ((k as usize) << 3), (i - previous - 1) as u64);
    previous = i;
    k++;
  }
  out = writeVarint(out, k as u64);
  out = packSequence(gaps, k, out);
  return packSequence(codes, k, out);
}

@inline
function writeVarint(out: usize, value: u64): usize {
  while (value >= 128) {
    store<u8>(out, (value as u8) | 128);
    out++;
    value >>= 7;
  }
  store<u8>(out, value as u8);
  return out + 1;
}

// ---- decoding --------------------------------------------------------------------------------------------------------------

// Further results of readVarint: the end of the number, 0 when the bytes do not hold one.
let varintEnd: usize = 0;

/** Reads a varint of up to 64 bits in [source, end). */
function readVarint(source: usize, end: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70 && source < end; shift += 7) {
    const byte = load<u8>(source) as u64;
    source++;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      varintEnd = source;
      return value;
    }
  }
  varintEnd = 0;
  return 0;
}

/** Decodes exactly `size` bytes at `source` to the `count` (1 to 8192) doubles at `target`. Returns an error number, 0 for none. */
export function codecDecode(source: usize, size: u32, count: i32, target: usize, scratch: usize): i32 {
  if (count < 1 || count > codecCountMax) return codecErrorArgument;
  if (size < 2) return codecErrorTruncated;
  const head = load<u8>(source) as u32;
  const codec = head & 15;
  if (codec == codecFastDecimal || codec == codecFastBits) return decodeFast(source, source + size, count, target, scratch);
  if (codec > codecFastBits) return codecErrorUnknownCodec;
  if (head >> 4 != 0) return codecErrorMalformed;
  if (codec == codecConstant) {
    if (size != 9) return size < 9 ? codecErrorTruncated : codecErrorMalformed;
    fillBits(target, count, load<u64>(source, 1));
    return codecOk;
  }
  const expected = ((count as u32) << 3) + 1;
  if (size != expected) return size < expected ? codecErrorTruncated : codecErrorMalformed;
  memory.copy(target, source + 1, (count as usize) << 3);
  return codecOk;
}

function fillBits(target: usize, count: i32, bits: u64): void {
  const end = target + ((count as usize) << 3);
  const pair = i64x2.splat(bits);
  for (; target + 16 <= end; target += 16) v128.store(target, pair);
  if (target < end) store<u64>(target, bits);
}

function decodeFast(source: usize, end: usize, count: i32, target: usize, scratch: usize): i32 {
  const head = load<u8>(source) as u32;
  const isBits = (head & 15) == codecFastBits;
  const form = load<u8>(source, 1) as u32;
  const transform = form & 7;
  if (form >> 6 != 0 || transform > transformLinear || (isBits && head >> 4 != 0)) return codecErrorMalformed;
  let at = source + 2;
  let divisor: u64 = 1;
  if (form & formDivisor) {
    divisor = readVarint(at, end);
    at = varintEnd;
    if (at == 0) return codecErrorTruncated;
    if (divisor == 0) return codecErrorMalformed;
  }
  const exceptions = at;
  if (form & formExceptions) {
    at = skipExceptions(at, end, count);
    if (at == 0) return codecErrorMalformed;
  }
  const base = unzigzag(readVarint(at, end));
  at = varintEnd;
  if (at == 0) return codecErrorTruncated;
  let centre: i64 = 0;
  if (transform != transformConstant && transform != transformCentre) {
    centre = unzigzag(readVarint(at, end));
    at = varintEnd;
    if (at == 0) return codecErrorTruncated;
  }
  if (isBits) at = decodeBits(at, end, count, form, base, centre, divisor as i64, target, scratch);
  else at = decodeDecimals(at, end, count, form, base, centre, divisor as i64, powerOfTen(head >> 4), target, scratch);
  if (at != end) return codecErrorMalformed;
  if (form & formExceptions) applyExceptions(exceptions, end, target);
  return codecOk;
}

/** The end of the exceptions, or 0 if they are malformed. */
function skipExceptions(at: usize, end: usize, count: i32): usize {
  const exceptionCount = readVarint(at, end);
  at = varintEnd;
  if (at == 0 || exceptionCount > (count as u64)) return 0;
  let next: u64 = 0;
  for (let k: u64 = 0; k < exceptionCount; k++) {
    const word = readVarint(at, end);
    at = varintEnd;
    if (at == 0) return 0;
    next += (word >> 2) + 1;
    if (next > (count as u64) || word >> 2 >= (count as u64)) return 0;
    if ((word & 3) == exceptionRaw) {
      if (end - at < 8) return 0;
      at += 8;
    }
  }
  return at;
}

/** Writes the exceptions over the decoded values. REQUIRES: skipExceptions has accepted them. */
function applyExceptions(at: usize, end: usize, target: usize): void {
  const exceptionCount = readVarint(at, end);
  at = varintEnd;
  let next: u64 = 0;
  for (let k: u64 = 0; k < exceptionCount; k++) {
    const word = readVarint(at, end);
    at = varintEnd;
    const exception = word & 3;
    let bits = exception == exceptionStale ? staleBits : exception == exceptionNaN ? nanBits : infinityBits;
    if (exception == exceptionRaw) {
      bits = load<u64>(at);
      at += 8;
    }
    next += word >> 2;
    store<u64>(target + ((next as usize) << 3), bits);
    next++;
  }
}

/** Reads a sparse sequence into `codes` as plain zigzag residuals. Returns its end, or 0 if it is malformed. */
function readSparse(at: usize, end: usize, residualCount: i32, codes: usize, scratch: usize): usize {
  at = readSparseColumns(at, end, residualCount, scratch);
  if (at == 0) return 0;
  memory.fill(codes, 0, (residualCount as usize) << 3);
  let position: usize = 0;
  for (let k = 0; k < sparseCount; k++) {
    position += load<u64>(scratch + scratchGaps + ((k as usize) << 3)) as usize;
    store<u64>(codes + (position << 3), load<u64>(scratch + scratchIntegers + ((k as usize) << 3)) + 1);
    position++;
  }
  return at;
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
  if (at == 0) return 0;
  let position: u64 = 0;
  for (let i = 0; i < sparseCount; i++) {
    const gap = load<u64>(scratch + scratchGaps + ((i as usize) << 3));
    if (gap >= (residualCount as u64)) return 0;
    position += gap + 1;
    if (position > (residualCount as u64)) return 0;
  }
  return at;
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
  at = form & formSparse ? readSparse(at, end, residualCount, codes, scratch) : unpackSequence(at, end, residualCount, codes, scratch + scratchPad);
  if (at == 0) return 0;
  let integer = base;
  if (transform != transformCentre) {
    store<i64>(target, orderedBits(base));
    target += 8;
  }
  for (let i = 0; i < residualCount; i++) {
    const residual = unzigzag(load<u64>(codes + ((i as usize) << 3)));
    let value: i64;
    if (transform == transformDelta) value = integer += divisor * (centre + residual);
    else if (transform == transformLinear) value = (integer += divisor * centre) + divisor * residual;
    else value = base + divisor * residual;
    store<i64>(target + ((i as usize) << 3), orderedBits(value));
  }
  return at;
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
  if (isSparse && (transform == transformCentre || centre == 0)) return decodeSparseDecimals(at, end, count, transform, start, unit, power, target, scratch);
  let residualCount = count;
  if (transform != transformCentre) {
    store<f64>(target, start / power);
    target += 8;
    residualCount--;
  }
  if (isSparse) {
    at = readSparse(at, end, residualCount, scratch + scratchCodes, scratch);
    if (at != 0) decodeCodes(scratch + scratchCodes, residualCount, transform, start, centre, unit, power, target);
    return at;
  }
  return decodeMiniBlocks(at, end, residualCount, transform, start, centre, unit, power, target, scratch);
}

/** Sparse residuals without a slope: runs of one value (delta), or one value with exceptions to it (centre, linear). */
function decodeSparseDecimals(at: usize, end: usize, count: i32, transform: u32, start: f64, unit: f64, power: f64, target: usize, scratch: usize): usize {
  const first: usize = transform == transformCentre ? 0 : 1;
  at = readSparseColumns(at, end, count - (first as i32), scratch);
  if (at == 0) return 0;
  let from: usize = 0;
  let position: usize = first;
  if (transform != transformDelta) fillBits(target, count, reinterpret<u64>(start / power));
  for (let k = 0; k < sparseCount; k++) {
    position += load<u64>(scratch + scratchGaps + ((k as usize) << 3)) as usize;
    const residual = unit * (unzigzag(load<u64>(scratch + scratchIntegers + ((k as usize) << 3)) + 1) as f64);
    if (transform == transformDelta) {
      fillBits(target + (from << 3), (position - from) as i32, reinterpret<u64>(start / power));
      from = position;
      start += residual;
    } else store<f64>(target + (position << 3), (start + residual) / power);
    position++;
  }
  if (transform == transformDelta) fillBits(target + (from << 3), count - (from as i32), reinterpret<u64>(start / power));
  return at;
}

// Further result of decodeCodes and decodeTile: the integer reached, as a double.
let reached: f64 = 0;

/** Plain loop from zigzag residuals; deltas and lines go on from `start`. */
@inline
function decodeCodes(codes: usize, count: i32, transform: u32, start: f64, centre: i64, unit: f64, power: f64, target: usize): void {
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
