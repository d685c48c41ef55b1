// The front end that all column codecs share (docs/formats/block.md): doubles become integers, by decimal scaling with an exact check per value
// (exceptions are stored beside) or, when they are no decimals, by their bit patterns; integers are reduced by their common divisor; and
// the header that says so is written and read.
import { unzigzag, zigzag } from "./codec_pack";

export const codecRaw: u32 = 0;
export const codecConstant: u32 = 1;
export const codecFastDecimal: u32 = 2;
export const codecFastBits: u32 = 3;
export const codecCompactDecimal: u32 = 4;
export const codecCompactBits: u32 = 5;
export const codecCompactSplit: u32 = 6;

export const codecOk: i32 = 0;
export const codecErrorArgument: i32 = 1;
export const codecErrorTruncated: i32 = 2;
export const codecErrorUnknownCodec: i32 = 3;
export const codecErrorMalformed: i32 = 4;

export const transformConstant: u32 = 0;
export const transformConstantDelta: u32 = 1;
export const transformCentre: u32 = 2;
export const transformDelta: u32 = 3;
export const transformLinear: u32 = 4;
export const transformDelta2: u32 = 5;
export const formSparse: u32 = 8;
const formDivisor: u32 = 16;
export const formExceptions: u32 = 32;

const exceptionRaw: u64 = 0;
const exceptionStale: u64 = 1;
const exceptionNaN: u64 = 2;
const exceptionInfinity: u64 = 3;
const staleBits: u64 = 0x7ff0000000000002;
const nanBits: u64 = 0x7ff8000000000000;
const infinityBits: u64 = 0x7ff0000000000000;

export const codecCountMax: i32 = 8192;
export const exponentMax: i32 = 15;
const exponentNone: i32 = 16;
/** Scaled values stay below this, where adding `roundingMagic` rounds to an integer and every sum is exact. */
const integerLimit: f64 = 2.0e15;
const roundingMagic: f64 = 6755399441055744.0; // 1.5 * 2^52
const roundingMagicBits: i64 = 0x4338000000000000;
const powersOfTen: usize = memory.data<f64>([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]);

// Scratch layout.
const columnBytes: usize = 65600; // 8192 numbers of 8 bytes, and 64 bytes to spare
export const scratchIntegers: usize = 0;
export const scratchCodes: usize = columnBytes;
export const scratchGaps: usize = 2 * columnBytes;
export const scratchExceptions: usize = 3 * columnBytes; // u16 positions
export const scratchPad: usize = scratchExceptions + 16384 + 64;
export const scratchTile: usize = scratchPad + 576;
export const scratchEntropy: usize = scratchTile + 1024 + 64; // codec_entropy.ts

@inline
export function powerOfTen(exponent: i32): f64 {
  return load<f64>(powersOfTen + ((exponent as usize) << 3));
}

@inline
function isExact(value: f64, power: f64): bool {
  const integer = value * power + roundingMagic - roundingMagic;
  return abs(integer) < integerLimit && reinterpret<u64>(integer / power) == reinterpret<u64>(value);
}

/** value * 10^exponent, rounded. */
export function scaledInteger(value: f64, exponent: i32): i64 {
  return (value * powerOfTen(exponent) + roundingMagic - roundingMagic) as i64;
}

/** The smallest exponent that turns `value` into an integer and back, bit by bit; exponentNone if there is none. */
export function findExponent1(value: f64): i32 {
  return growExponent(value, 0);
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
export function findExponent(values: usize, count: i32): i32 {
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
export function scaleValues(values: usize, count: i32, exponent: i32, scratch: usize): i32 {
  return exponent == 0 ? scaleBy(1, false, values, count, scratch) : scaleBy(powerOfTen(exponent), true, values, count, scratch);
}

/** scaleValues; whole numbers need neither the multiplication nor the division. */
@inline
function scaleBy(power: f64, isScaled: bool, values: usize, count: i32, scratch: usize): i32 {
  const integers = scratch + scratchIntegers;
  const exceptions = scratch + scratchExceptions;
  const powers = f64x2.splat(power);
  const magic = f64x2.splat(roundingMagic);
  const limit = f64x2.splat(integerLimit);
  const magicBits = i64x2.splat(roundingMagicBits);
  let exceptionCount = 0;
  let i = 0;
  for (; i + 2 <= count; i += 2) {
    const offset = (i as usize) << 3;
    const value = v128.load(values + offset);
    const shifted = f64x2.add(isScaled ? f64x2.mul(value, powers) : value, magic);
    const integer = f64x2.sub(shifted, magic);
    v128.store(integers + offset, i64x2.sub(shifted, magicBits));
    const exact = v128.and(i64x2.eq(isScaled ? f64x2.div(integer, powers) : integer, value), f64x2.lt(f64x2.abs(integer), limit));
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
export function patchExceptions(count: i32, exceptionCount: i32, scratch: usize): void {
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
export function orderedBits(bits: i64): i64 {
  return bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

export function orderBits(values: usize, count: i32, integers: usize): void {
  for (let offset: usize = 0; offset < (count as usize) << 3; offset += 8) store<i64>(integers + offset, orderedBits(load<i64>(values + offset)));
}

/** Whether all differences between neighbours are equal. */
function isSteady(integers: usize, count: i32): bool {
  const step = load<i64>(integers, 8) - load<i64>(integers);
  const end = integers + ((count as usize) << 3);
  for (let at = integers + 8; at < end; at += 8) if (load<i64>(at) - load<i64>(at - 8) != step) return false;
  return true;
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

// Results of findCentres.
export let centreOfIntegers: i64 = 0;
export let centreOfDeltas: i64 = 0;

/**
 * Medians of some integers and of the differences that lead to them, spread over the column (count > 1): of nine in short columns, else of three
 * medians of nine. Both are found at once, in the lanes of vectors of doubles and without a branch: sorting fifteen took a third of the
 * time of a block of 16 samples. Doubles are exact for decimals, and near enough for bit patterns.
 */
export function findCentres(integers: usize, count: i32): void {
  const steps = ((count - 1) as u64) << 16;
  let median: v128;
  if (count < 96) median = medianOfNine(integers, 0, steps / 9);
  else {
    const distance = steps / 27;
    const first = medianOfNine(integers, 0, distance * 3);
    const second = medianOfNine(integers, distance, distance * 3);
    median = medianOfThree(first, second, medianOfNine(integers, distance * 2, distance * 3));
  }
  centreOfIntegers = f64x2.extract_lane(median, 0) as i64;
  centreOfDeltas = f64x2.extract_lane(median, 1) as i64;
}

/** Median of the samples at `from`, `from + distance` ..., in 65,536ths of a step. */
function medianOfNine(integers: usize, from: u64, distance: u64): v128 {
  let a = centreSample(integers, from);
  let b = centreSample(integers, from + distance);
  let c = centreSample(integers, from + distance * 2);
  let d = centreSample(integers, from + distance * 3);
  let e = centreSample(integers, from + distance * 4);
  let f = centreSample(integers, from + distance * 5);
  let g = centreSample(integers, from + distance * 6);
  let h = centreSample(integers, from + distance * 7);
  let i = centreSample(integers, from + distance * 8);
  // Three sorted triples; the median of nine is the median of the greatest least, the median of the middle and the least greatest ones.
  let least = f64x2.pmin(a, b);
  b = f64x2.pmax(a, b);
  a = f64x2.pmin(least, c);
  c = f64x2.pmax(least, c);
  least = f64x2.pmin(b, c);
  c = f64x2.pmax(b, c);
  b = least;
  least = f64x2.pmin(d, e);
  e = f64x2.pmax(d, e);
  d = f64x2.pmin(least, f);
  f = f64x2.pmax(least, f);
  least = f64x2.pmin(e, f);
  f = f64x2.pmax(e, f);
  e = least;
  least = f64x2.pmin(g, h);
  h = f64x2.pmax(g, h);
  g = f64x2.pmin(least, i);
  i = f64x2.pmax(least, i);
  least = f64x2.pmin(h, i);
  i = f64x2.pmax(h, i);
  h = least;
  const low = f64x2.pmax(f64x2.pmax(a, d), g);
  const high = f64x2.pmin(f64x2.pmin(c, f), i);
  return medianOfThree(low, medianOfThree(b, e, h), high);
}

@inline
function medianOfThree(left: v128, middle: v128, right: v128): v128 {
  return f64x2.pmax(f64x2.pmin(left, middle), f64x2.pmin(f64x2.pmax(left, middle), right));
}

/** The integer after some steps (in 65,536ths) and one more, and its difference to the one before. */
@inline
function centreSample(integers: usize, steps: u64): v128 {
  const at = integers + (((steps >> 16) as usize) << 3);
  const integer = load<i64>(at, 8);
  return f64x2(integer as f64, (integer - load<i64>(at)) as f64);
}

@inline
export function writeVarint(out: usize, value: u64): usize {
  while (value >= 128) {
    store<u8>(out, (value as u8) | 128);
    out++;
    value >>= 7;
  }
  store<u8>(out, value as u8);
  return out + 1;
}

// Further results of readVarint: the end of the number, 0 when the bytes do not hold one.
export let varintEnd: usize = 0;

/** Reads a varint of up to 64 bits in [source, end). */
export function readVarint(source: usize, end: usize): u64 {
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

export function fillBits(target: usize, count: i32, bits: u64): void {
  const end = target + ((count as usize) << 3);
  const pair = i64x2.splat(bits);
  for (; target + 16 <= end; target += 16) v128.store(target, pair);
  if (target < end) store<u64>(target, bits);
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
export function applyExceptions(at: usize, end: usize, target: usize): void {
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

// Results of reduceColumn: what the integers were.
export let reducedBase: i64 = 0;
export let reducedDivisor: u64 = 1;
export let reducedIsSteady: bool = false;

/** Turns the integers of a column into differences to the first one in units of their common divisor. */
export function reduceColumn(integers: usize, count: i32, isBits: bool): void {
  reducedBase = load<i64>(integers);
  reducedIsSteady = isSteady(integers, count);
  reducedDivisor = reducedIsSteady ? 1 : isBits ? bitDivisor(integers, count) : commonDivisor(integers, count);
  reduceIntegers(integers, count, reducedBase, reducedDivisor, isBits);
}

/** Writes the header of the column that was reduced: form with its flags, divisor, exceptions, base and centre. Returns its end. */
export function writeColumnHeader(values: usize, head: u32, form: u32, centre: i64, exceptionCount: i32, out: usize, scratch: usize): usize {
  const transform = form & 7;
  const start = transform == transformCentre ? reducedBase + centre * (reducedDivisor as i64) : reducedBase;
  if (reducedDivisor != 1) form |= formDivisor;
  if (exceptionCount > 0) form |= formExceptions;
  store<u8>(out, head as u8);
  store<u8>(out, form as u8, 1);
  out += 2;
  if (reducedDivisor != 1) out = writeVarint(out, reducedDivisor);
  if (exceptionCount > 0) out = writeExceptions(values, exceptionCount, scratch + scratchExceptions, out);
  out = writeVarint(out, zigzag(start));
  return transform == transformConstant || transform == transformCentre ? out : writeVarint(out, zigzag(centre));
}

// Results of readColumnHeader.
export let columnError: i32 = 0;
export let columnForm: u32 = 0;
export let columnDivisor: u64 = 1;
export let columnExceptions: usize = 0;
export let columnBase: i64 = 0;
export let columnCentre: i64 = 0;

/** Reads what writeColumnHeader has written in [source, end). Returns its end, or 0 and an error number in columnError. */
export function readColumnHeader(source: usize, end: usize, count: i32, transformMax: u32): usize {
  const form = load<u8>(source, 1) as u32;
  const transform = form & 7;
  columnForm = form;
  columnError = codecErrorMalformed;
  if (form >> 6 != 0 || transform > transformMax) return 0;
  let at = source + 2;
  columnDivisor = 1;
  if (form & formDivisor) {
    columnDivisor = readVarint(at, end);
    at = varintEnd;
    if (at != 0 && columnDivisor == 0) return 0;
  }
  columnExceptions = at;
  if (at != 0 && form & formExceptions) {
    at = skipExceptions(at, end, count);
    if (at == 0) return 0;
  }
  columnError = codecErrorTruncated;
  if (at == 0) return 0;
  columnBase = unzigzag(readVarint(at, end));
  at = varintEnd;
  columnCentre = 0;
  if (at == 0 || transform == transformConstant || transform == transformCentre) return at;
  columnCentre = unzigzag(readVarint(at, end));
  return varintEnd;
}
