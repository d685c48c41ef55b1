// Bit-packing of unsigned 64-bit numbers in mini-blocks of 128 (docs/formats/block.md, "Packed sequence").
//
//   packed sequence = mini-block*          128 numbers each, the last one has the rest
//   mini-block      = u8 width, numbers
//
//   64 to 128 numbers, width <= 32   vertical, 4 lanes of u32: number i is in lane i & 3, row i >> 2; the rows of a lane are
//                                    packed into words of 32 bits, lowest bits first; word k of the 4 lanes is one vector
//   64 to 128 numbers, width > 32    vertical, 2 lanes of u64, likewise
//   fewer than 64 numbers            one stream of bits, lowest first, rounded up to bytes: small blocks pay no padding

/** Numbers of one mini-block. */
export const miniBlockCount: i32 = 128;
/** Mini-blocks with fewer numbers are packed as one stream of bits. */
export const verticalCountMin: i32 = 64;

@inline
export function zigzag(value: i64): u64 {
  return ((value << 1) ^ (value >> 63)) as u64;
}

@inline
export function unzigzag(code: u64): i64 {
  return ((code >> 1) as i64) ^ -((code & 1) as i64);
}

@inline
export function bitWidth(value: u64): i32 {
  return 64 - (clz(value) as i32);
}

/** Bytes of `count` numbers (1 to 128) of `width` bits, without the width byte. */
@inline
export function packedSize(count: i32, width: i32): i32 {
  if (count < verticalCountMin) return (count * width + 7) >> 3;
  if (width <= 32) return ((((count + 3) >> 2) * width + 31) >> 5) << 4;
  return ((((count + 1) >> 1) * width + 63) >> 6) << 4;
}

/**
 * Packs the `count` numbers at `values` (u64 each) and returns the end of the output.
 * REQUIRES: up to 3 numbers after the last one may be overwritten with zeros.
 */
export function packSequence(values: usize, count: i32, out: usize): usize {
  let left = count;
  while (left > 0) {
    const miniCount = min(left, miniBlockCount);
    out = packMiniBlock(values, miniCount, out);
    values += (miniCount as usize) << 3;
    left -= miniCount;
  }
  return out;
}

function packMiniBlock(values: usize, count: i32, out: usize): usize {
  let bits: u64 = 0;
  for (let i: usize = 0; i < (count as usize) << 3; i += 8) bits |= load<u64>(values + i);
  const width = bitWidth(bits);
  store<u8>(out, width as u8);
  out++;
  if (width == 0) return out;
  if (count < verticalCountMin) return packStream(values, count, width, out);
  const padded = values + ((count as usize) << 3);
  if (count & 3) {
    store<u64>(padded, 0);
    store<u64>(padded, 0, 8);
    store<u64>(padded, 0, 16);
  }
  return width <= 32 ? packLanes32(values, (count + 3) >> 2, width, out) : packLanes64(values, (count + 1) >> 1, width, out);
}

function packStream(values: usize, count: i32, width: i32, out: usize): usize {
  let word: u64 = 0;
  let used = 0;
  for (let i = 0; i < count; i++) {
    const value = load<u64>(values + ((i as usize) << 3));
    word |= value << used;
    if (used + width >= 64) {
      store<u64>(out, word);
      out += 8;
      word = used == 0 ? 0 : value >> (64 - used);
      used = used + width - 64;
    } else used += width;
  }
  for (; used > 0; used -= 8) {
    store<u8>(out, word as u8);
    out++;
    word >>= 8;
  }
  return out;
}

function packLanes32(values: usize, rows: i32, width: i32, out: usize): usize {
  let word = i32x4.splat(0);
  let used = 0;
  for (let row = 0; row < rows; row++) {
    const value = i8x16.shuffle(v128.load(values), v128.load(values, 16), 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    values += 32;
    word = v128.or(word, i32x4.shl(value, used));
    used += width;
    if (used >= 32) {
      v128.store(out, word);
      out += 16;
      used -= 32;
      word = used > 0 ? i32x4.shr_u(value, width - used) : i32x4.splat(0);
    }
  }
  if (used > 0) {
    v128.store(out, word);
    out += 16;
  }
  return out;
}

function packLanes64(values: usize, rows: i32, width: i32, out: usize): usize {
  let word = i64x2.splat(0);
  let used = 0;
  for (let row = 0; row < rows; row++) {
    const value = v128.load(values);
    values += 16;
    word = v128.or(word, i64x2.shl(value, used));
    used += width;
    if (used >= 64) {
      v128.store(out, word);
      out += 16;
      used -= 64;
      word = used > 0 ? i64x2.shr_u(value, width - used) : i64x2.splat(0);
    }
  }
  if (used > 0) {
    v128.store(out, word);
    out += 16;
  }
  return out;
}

/**
 * Unpacks `count` numbers (u64 each) to `target`, which has room for 3 more. Reads bytes in [source, end) only.
 * Returns the end of the sequence, or 0 if it is malformed. `pad` is 544 bytes of scratch.
 */
export function unpackSequence(source: usize, end: usize, count: i32, target: usize, pad: usize): usize {
  let left = count;
  while (left > 0) {
    const miniCount = min(left, miniBlockCount);
    if (source >= end) return 0;
    const width = load<u8>(source) as i32;
    source++;
    if (width > 64) return 0;
    const size = packedSize(miniCount, width) as usize;
    if (size > end - source) return 0;
    unpackMiniBlock(source, miniCount, width, target, pad);
    source += size;
    target += (miniCount as usize) << 3;
    left -= miniCount;
  }
  return source;
}

/** Unpacks one mini-block, whose bytes must all be there. */
export function unpackMiniBlock(source: usize, count: i32, width: i32, target: usize, pad: usize): void {
  if (width == 0) memory.fill(target, 0, (count as usize) << 3);
  else if (count < verticalCountMin) unpackStream(source, count, width, target, pad);
  else if (width <= 32) unpackLanes32(source, (count + 3) >> 2, width, target);
  else unpackLanes64(source, (count + 1) >> 1, width, target);
}

function unpackStream(source: usize, count: i32, width: i32, target: usize, pad: usize): void {
  // Words are loaded whole, so the bytes go to a place that has some to spare.
  memory.copy(pad, source, packedSize(count, width) as usize);
  const mask = (-1 as u64) >> (64 - width);
  let bit: u32 = 0;
  if (width <= 56) {
    for (let i = 0; i < count; i++) {
      store<u64>(target, (load<u64>(pad + (bit >> 3)) >> (bit & 7)) & mask);
      target += 8;
      bit += width;
    }
    return;
  }
  for (let i = 0; i < count; i++) {
    const shift: u64 = bit & 7;
    const word = pad + (bit >> 3);
    let value = load<u64>(word) >> shift;
    if (shift) value |= (load<u8>(word, 8) as u64) << (64 - shift);
    store<u64>(target, value & mask);
    target += 8;
    bit += width;
  }
}

function unpackLanes32(source: usize, rows: i32, width: i32, target: usize): void {
  const mask = i32x4.splat(width == 32 ? -1 : (1 << width) - 1);
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
    v128.store(target, i64x2.extend_low_i32x4_u(value));
    v128.store(target, i64x2.extend_high_i32x4_u(value), 16);
    target += 32;
  }
}

function unpackLanes64(source: usize, rows: i32, width: i32, target: usize): void {
  const mask = i64x2.splat((-1 as u64) >> (64 - width));
  let word = v128.load(source);
  let used = 0;
  for (let row = 0; row < rows; row++) {
    let value = i64x2.shr_u(word, used);
    used += width;
    if (used > 64) {
      source += 16;
      word = v128.load(source);
      used -= 64;
      value = v128.or(value, i64x2.shl(word, width - used));
    } else if (used == 64 && row + 1 < rows) {
      source += 16;
      word = v128.load(source);
      used = 0;
    }
    v128.store(target, v128.and(value, mask));
    target += 16;
  }
}
