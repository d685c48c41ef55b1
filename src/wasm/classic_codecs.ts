// The classic column codecs, complete, as references that our own are measured against (docs/decisions/codecs.md). No file holds them.
//
//   delta, delta of delta   u8 form (0: the doubles are whole numbers; 1: their bit patterns are taken as integers), then
//     delta                 zigzag varints: the first integer, the differences
//     delta of delta        bits as in "Gorilla: a fast, scalable, in-memory time series database" (VLDB 2015), section 4.1.1, for
//                           milliseconds: 64 bits start of the window of 2 hours, 24 bits from there to the first integer (the paper has
//                           14 for seconds), then differences of differences: 0 | 10 and 7 bits | 110 and 9 | 1110 and 12 | 1111 and 32;
//                           a difference that takes more than 32 bits is -2^31 in 32 bits and then 64 bits, which the paper does not need
//   Gorilla                 section 4.1.2: 64 bits first value, then XORs with the value before: 0 | 10 and the bits of the last window |
//                           11, 5 bits leading zeros, 6 bits window length - 1, the bits of the window
//   Chimp, Chimp128         "Chimp: efficient lossless floating point compression for time series databases" (VLDB 2022): 64 bits first
//                           value, then 00 same | 01, 3 bits leading class, 6 bits length, bits between | 10 and the bits behind the last
//                           leading zeros | 11, 3 bits leading class, bits behind them; Chimp128 names one of the 128 values before it
//                           by 7 bits after 00 and 01
//
// Bits are written highest first, the last byte is filled with zeros, and the number of values stands elsewhere, so that no value is
// needed as an end mark: every bit pattern comes back. Arithmetic of integers wraps at 64 bits.
//
// Decoders are given untrusted bytes: they read [source, source + size) only, write `count` values only, and answer with an error number
// of src/kernel/codec.ts.

const errorArgument: i32 = 1;
const errorTruncated: i32 = 2;
const errorMalformed: i32 = 4;
const countMax: i32 = 8192;

const formIntegers: u8 = 0;
const formBits: u8 = 1;

/** The window of time of a Gorilla block, in milliseconds, and the bits that the offset of its first sample takes. */
const windowMs: i64 = 7200000;
const firstDeltaBits: u32 = 24;
const escapedDelta: i64 = -2147483648;

/** Leading zeros that XORs are rounded down to by Chimp: the number, its class, and the number of a class. */
const roundedLeading: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 18, 18, 20, 20, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
  24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
]);
const leadingClass: usize = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7]);
const classLeading: usize = memory.data<u8>([0, 8, 12, 16, 18, 20, 22, 24]);
const leadingNone: u32 = 65;
const chimpTrailingMin: u32 = 7;

/** Chimp128: values that it looks back at, and the low bits by which it finds one of them. */
const chimp128Values: i32 = 128;
const chimp128Slots: usize = 16384;
const chimp128TrailingMin: u32 = 14;

/** Bytes of scratch that classicChimp128Encode needs, 16-aligned. */
export function classicScratchSize(): usize {
  return chimp128Slots * 2;
}

// ---- bits ------------------------------------------------------------------------------------------------------------------

// The bits on their way to memory, further results of beginBits and putBits: where the next 8 bytes go, the bits that wait, and their number.
let bitsTarget: usize = 0;
let waitingBits: u64 = 0;
let waitingCount: u32 = 0;

@inline
function beginBits(out: usize): void {
  bitsTarget = out;
  waitingBits = 0;
  waitingCount = 0;
}

/** Writes the low `bits` (1 to 64) of `code`, whose other bits are zero. */
@inline
function putBits(code: u64, bits: u32): void {
  const count = waitingCount + bits;
  if (count < 64) {
    waitingBits |= code << (64 - count);
    waitingCount = count;
  } else {
    store<u64>(bitsTarget, bswap(waitingBits | (code >> (count - 64))));
    bitsTarget += 8;
    waitingCount = count - 64;
    waitingBits = count == 64 ? 0 : code << (128 - count);
  }
}

/** Writes what waits and returns the end of the bytes; touches up to 8. */
@inline
function endBits(): usize {
  store<u64>(bitsTarget, bswap(waitingBits));
  return bitsTarget + ((waitingCount + 7) >> 3);
}

/** At least 57 bits from bit `at` on, in front; zeros behind the end. */
@inline
function peekHead(source: usize, size: u32, at: u32): u64 {
  const offset = at >> 3;
  if (offset + 9 > size) return peekTail(source, size, at);
  return bswap(load<u64>(source + offset)) << ((at & 7) as u64);
}

/** The 64 bits from bit `at` on; zeros behind the end. */
@inline
function peekBits(source: usize, size: u32, at: u32): u64 {
  const offset = at >> 3;
  const shift = (at & 7) as u64;
  if (offset + 9 > size) return peekTail(source, size, at);
  return (bswap(load<u64>(source + offset)) << shift) | ((load<u8>(source + offset, 8) as u64) >> (8 - shift));
}

function peekTail(source: usize, size: u32, at: u32): u64 {
  let bits: u64 = 0;
  for (let i: u32 = 0; i < 9; i++) {
    const offset = (at >> 3) + i;
    const byte = offset < size ? (load<u8>(source + offset) as u64) : 0;
    if (i < 8) bits |= byte << (56 - (i << 3));
    else bits = (bits << ((at & 7) as u64)) | (byte >> (8 - ((at & 7) as u64)));
  }
  return bits;
}

/** The error of a decoder that stopped at bit `at`: the bytes end in its byte, and what is left of it is zero. A decoder that ran over the end has read zeros. */
function endError(source: usize, size: u32, at: u32): i32 {
  if (at > size << 3) return errorTruncated;
  if ((at + 7) >> 3 != size) return errorMalformed;
  return at & 7 && peekTail(source, size, at) != 0 ? errorMalformed : 0;
}

/** Bounds of the arguments of a decoder; no encoder makes more than 13 bytes a value. */
@inline
function argumentError(size: u32, count: i32, sizeMin: u32): i32 {
  if (count < 1 || count > countMax) return errorArgument;
  if (size < sizeMin) return errorTruncated;
  return size > ((count as u32) + 2) * 13 ? errorMalformed : 0;
}

@inline
function bitsAt(values: usize, i: i32): u64 {
  return load<u64>(values + ((i as usize) << 3));
}

// ---- integers --------------------------------------------------------------------------------------------------------------

@inline
function isWhole(value: f64): bool {
  return abs(value) < 9223372036854775808.0 && reinterpret<u64>(((value as i64) as f64)) == reinterpret<u64>(value);
}

function chooseForm(values: usize, count: i32): u8 {
  for (let i = 0; i < count; i++) if (!isWhole(reinterpret<f64>(bitsAt(values, i)))) return formBits;
  return formIntegers;
}

@inline
function toInteger(values: usize, i: i32, form: u8): i64 {
  const bits = bitsAt(values, i);
  return form == formIntegers ? (reinterpret<f64>(bits) as i64) : (bits as i64);
}

@inline
function fromInteger(integer: i64, form: u8): u64 {
  return form == formIntegers ? reinterpret<u64>(integer as f64) : (integer as u64);
}

// ---- delta -----------------------------------------------------------------------------------------------------------------

/** Encodes `count` (1 to 8192) doubles to `out` and returns the size; touches up to 13 * count + 32 bytes, like the encoders below. */
export function classicDeltaEncode(values: usize, count: i32, out: usize): usize {
  const form = chooseForm(values, count);
  store<u8>(out, form);
  let end = out + 1;
  let previous: i64 = 0;
  for (let i = 0; i < count; i++) {
    const integer = toInteger(values, i, form);
    const delta = integer - previous;
    let code = ((delta << 1) ^ (delta >> 63)) as u64;
    for (; code >= 128; code >>= 7) store<u8>(end++, (code as u8) | 128);
    store<u8>(end++, code as u8);
    previous = integer;
  }
  return end - out;
}

export function classicDeltaDecode(source: usize, size: u32, count: i32, target: usize): i32 {
  const error = argumentError(size, count, 2);
  if (error != 0) return error;
  const form = load<u8>(source);
  if (form > formBits) return errorMalformed;
  const end = source + size;
  let at = source + 1;
  let integer: i64 = 0;
  for (let i = 0; i < count; i++) {
    let code: u64 = 0;
    let shift: u64 = 0;
    for (;;) {
      if (at == end) return errorTruncated;
      const byte = load<u8>(at++) as u64;
      if (shift == 63 && byte > 1) return errorMalformed;
      code |= (byte & 127) << shift;
      if (byte < 128) break;
      shift += 7;
    }
    integer += ((code >> 1) as i64) ^ -((code & 1) as i64);
    store<u64>(target + ((i as usize) << 3), fromInteger(integer, form));
  }
  return at == end ? 0 : errorMalformed;
}

// ---- delta of delta --------------------------------------------------------------------------------------------------------

export function classicDeltaOfDeltaEncode(values: usize, count: i32, out: usize): usize {
  const form = chooseForm(values, count);
  store<u8>(out, form);
  let previous = toInteger(values, 0, form);
  let previousDelta = ((previous % windowMs) + windowMs) % windowMs;
  beginBits(out + 1);
  putBits((previous - previousDelta) as u64, 64);
  putBits(previousDelta as u64, firstDeltaBits);
  for (let i = 1; i < count; i++) {
    const integer = toInteger(values, i, form);
    const delta = integer - previous;
    putSecondDelta(delta - previousDelta);
    previous = integer;
    previousDelta = delta;
  }
  return endBits() - out;
}

@inline
function putSecondDelta(second: i64): void {
  if (second == 0) {
    putBits(0, 1);
  } else if (second >= -63 && second <= 64) {
    putBits((2 << 7) | ((second + 63) as u64), 9);
  } else if (second >= -255 && second <= 256) {
    putBits((6 << 9) | ((second + 255) as u64), 12);
  } else if (second >= -2047 && second <= 2048) {
    putBits((14 << 12) | ((second + 2047) as u64), 16);
  } else {
    const isShort = second > escapedDelta && second <= 2147483647;
    putBits(((15 as u64) << 32) | ((isShort ? second : escapedDelta) as u64 & 0xffffffff), 36);
    if (!isShort) putBits(second as u64, 64);
  }
}

// Second result of readSecondDelta.
let secondDeltaBits: u32 = 0;

@inline
function readSecondDelta(source: usize, size: u32, at: u32): i64 {
  const bits = peekHead(source, size, at);
  if (!(bits >> 63)) {
    secondDeltaBits = 1;
    return 0;
  }
  if (bits >> 62 == 2) {
    secondDeltaBits = 9;
    return (((bits >> 55) & 127) as i64) - 63;
  }
  if (bits >> 61 == 6) {
    secondDeltaBits = 12;
    return (((bits >> 52) & 511) as i64) - 255;
  }
  if (bits >> 60 == 14) {
    secondDeltaBits = 16;
    return (((bits >> 48) & 4095) as i64) - 2047;
  }
  const second = ((bits << 4) as i64) >> 32;
  secondDeltaBits = second == escapedDelta ? 100 : 36;
  return second == escapedDelta ? (peekBits(source, size, at + 36) as i64) : second;
}

export function classicDeltaOfDeltaDecode(source: usize, size: u32, count: i32, target: usize): i32 {
  const error = argumentError(size, count, 12);
  if (error != 0) return error;
  const form = load<u8>(source);
  if (form > formBits) return errorMalformed;
  let delta = (peekBits(source, size, 72) >> (64 - firstDeltaBits)) as i64;
  if (delta >= windowMs) return errorMalformed;
  let integer = (peekBits(source, size, 8) as i64) + delta;
  store<u64>(target, fromInteger(integer, form));
  let at: u32 = 72 + firstDeltaBits;
  for (let i = 1; i < count; i++) {
    delta += readSecondDelta(source, size, at);
    at += secondDeltaBits;
    integer += delta;
    store<u64>(target + ((i as usize) << 3), fromInteger(integer, form));
  }
  return endError(source, size, at);
}

// ---- Gorilla ---------------------------------------------------------------------------------------------------------------

export function classicGorillaEncode(values: usize, count: i32, out: usize): usize {
  let previous = bitsAt(values, 0);
  beginBits(out);
  putBits(previous, 64);
  let leading: u32 = 64; // No window yet: no XOR has so many leading zeros.
  let trailing: u32 = 0;
  for (let i = 1; i < count; i++) {
    const value = bitsAt(values, i);
    const xor = value ^ previous;
    previous = value;
    if (xor == 0) {
      putBits(0, 1);
      continue;
    }
    const xorLeading = min(clz(xor) as u32, 31);
    const xorTrailing = ctz(xor) as u32;
    if (xorLeading >= leading && xorTrailing >= trailing) {
      putBits(2, 2);
    } else {
      leading = xorLeading;
      trailing = xorTrailing;
      putBits((3 << 11) | ((leading << 6) as u64) | ((63 - leading - trailing) as u64), 13);
    }
    putBits(xor >> trailing, 64 - leading - trailing);
  }
  return endBits() - out;
}

export function classicGorillaDecode(source: usize, size: u32, count: i32, target: usize): i32 {
  const error = argumentError(size, count, 8);
  if (error != 0) return error;
  let value = peekBits(source, size, 0);
  store<u64>(target, value);
  let at: u32 = 64;
  let length: u32 = 0;
  let trailing: u32 = 0;
  for (let i = 1; i < count; i++) {
    const bits = peekHead(source, size, at);
    if (!(bits >> 63)) {
      at++;
    } else {
      if (bits >> 62 == 3) {
        length = ((bits >> 51) as u32 & 63) + 1;
        const used = ((bits >> 57) as u32 & 31) + length;
        if (used > 64) return errorMalformed;
        trailing = 64 - used;
        at += 13;
      } else {
        if (length == 0) return errorMalformed;
        at += 2;
      }
      value ^= (peekBits(source, size, at) >> (64 - length)) << trailing;
      at += length;
    }
    store<u64>(target + ((i as usize) << 3), value);
  }
  return endError(source, size, at);
}

// ---- Chimp -----------------------------------------------------------------------------------------------------------------

export function classicChimpEncode(values: usize, count: i32, out: usize): usize {
  let previous = bitsAt(values, 0);
  beginBits(out);
  putBits(previous, 64);
  let lastLeading = leadingNone;
  for (let i = 1; i < count; i++) {
    const value = bitsAt(values, i);
    const xor = value ^ previous;
    previous = value;
    if (xor == 0) {
      putBits(0, 2);
      lastLeading = leadingNone;
      continue;
    }
    const leading = load<u8>(roundedLeading + (clz(xor) as usize)) as u32;
    const trailing = ctz(xor) as u32;
    if (trailing >= chimpTrailingMin) {
      const length = 64 - leading - trailing;
      putBits((1 << 9) | ((load<u8>(leadingClass + leading) as u64) << 6) | (length as u64), 11);
      putBits(xor >> trailing, length);
      lastLeading = leadingNone;
    } else {
      putWholeXor(xor, leading, lastLeading);
      lastLeading = leading;
    }
  }
  return endBits() - out;
}

/** A XOR without its leading zeros: flag 10 if there are as many as the last time, flag 11 otherwise. */
@inline
function putWholeXor(xor: u64, leading: u32, lastLeading: u32): void {
  if (leading == lastLeading) putBits(2, 2);
  else putBits((3 << 3) | (load<u8>(leadingClass + leading) as u64), 5);
  putBits(xor, 64 - leading);
}

export function classicChimpDecode(source: usize, size: u32, count: i32, target: usize): i32 {
  const error = argumentError(size, count, 8);
  if (error != 0) return error;
  let value = peekBits(source, size, 0);
  store<u64>(target, value);
  let at: u32 = 64;
  let lastLeading = leadingNone;
  for (let i = 1; i < count; i++) {
    const bits = peekHead(source, size, at);
    const flag = (bits >> 62) as u32;
    if (flag == 0) {
      at += 2;
      lastLeading = leadingNone;
    } else if (flag == 1) {
      const length = (bits >> 53) as u32 & 63;
      const used = (load<u8>(classLeading + ((bits >> 59) as usize & 7)) as u32) + length;
      if (length == 0 || used > 64) return errorMalformed;
      value ^= (peekBits(source, size, at + 11) >> (64 - length)) << (64 - used);
      at += 11 + length;
      lastLeading = leadingNone;
    } else {
      if (flag == 3) lastLeading = load<u8>(classLeading + ((bits >> 59) as usize & 7)) as u32;
      else if (lastLeading == leadingNone) return errorMalformed;
      at += flag == 3 ? 5 : 2;
      value ^= peekBits(source, size, at) >> lastLeading;
      at += 64 - lastLeading;
    }
    store<u64>(target + ((i as usize) << 3), value);
  }
  return endError(source, size, at);
}

// ---- Chimp128 --------------------------------------------------------------------------------------------------------------

/** `scratch` holds for the low bits of a value the position where they were seen last. */
export function classicChimp128Encode(values: usize, count: i32, out: usize, scratch: usize): usize {
  memory.fill(scratch, 0, chimp128Slots * 2);
  beginBits(out);
  putBits(bitsAt(values, 0), 64);
  let lastLeading = leadingNone;
  for (let i = 1; i < count; i++) {
    const value = bitsAt(values, i);
    const slot = scratch + (((value as usize) & (chimp128Slots - 1)) << 1);
    const seen = load<u16>(slot) as i32;
    store<u16>(slot, i as u16);
    let like = i - 1;
    let xor = value ^ bitsAt(values, like);
    let trailing: u32 = 0;
    if (i - 1 - seen < chimp128Values) {
      const seenXor = value ^ bitsAt(values, seen);
      trailing = ctz(seenXor) as u32;
      if (trailing >= chimp128TrailingMin) {
        like = seen;
        xor = seenXor;
      }
    }
    const place = (like & (chimp128Values - 1)) as u64;
    if (xor == 0) {
      putBits(place, 9);
      lastLeading = leadingNone;
      continue;
    }
    const leading = load<u8>(roundedLeading + (clz(xor) as usize)) as u32;
    if (trailing >= chimp128TrailingMin) {
      const length = 64 - leading - trailing;
      putBits((1 << 16) | (place << 9) | ((load<u8>(leadingClass + leading) as u64) << 6) | (length as u64), 18);
      putBits(xor >> trailing, length);
      lastLeading = leadingNone;
    } else {
      putWholeXor(xor, leading, lastLeading);
      lastLeading = leading;
    }
  }
  return endBits() - out;
}

export function classicChimp128Decode(source: usize, size: u32, count: i32, target: usize): i32 {
  const error = argumentError(size, count, 8);
  if (error != 0) return error;
  let value = peekBits(source, size, 0);
  store<u64>(target, value);
  let at: u32 = 64;
  let lastLeading = leadingNone;
  for (let i = 1; i < count; i++) {
    const bits = peekHead(source, size, at);
    const flag = (bits >> 62) as u32;
    if (flag < 2) {
      // The newest value before this one whose position ends in these 7 bits.
      const like = i - 1 - ((i - 1 - ((bits >> 55) as i32 & 127)) & (chimp128Values - 1));
      if (like < 0) return errorMalformed;
      value = bitsAt(target, like);
      at += 9;
      lastLeading = leadingNone;
      if (flag == 1) {
        const length = (bits >> 46) as u32 & 63;
        const used = (load<u8>(classLeading + ((bits >> 52) as usize & 7)) as u32) + length;
        if (length == 0 || used > 64) return errorMalformed;
        value ^= (peekBits(source, size, at + 9) >> (64 - length)) << (64 - used);
        at += 9 + length;
      }
    } else {
      if (flag == 3) lastLeading = load<u8>(classLeading + ((bits >> 59) as usize & 7)) as u32;
      else if (lastLeading == leadingNone) return errorMalformed;
      at += flag == 3 ? 5 : 2;
      value ^= peekBits(source, size, at) >> lastLeading;
      at += 64 - lastLeading;
    }
    store<u64>(target + ((i as usize) << 3), value);
  }
  return endError(source, size, at);
}
