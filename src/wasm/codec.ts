// The column codecs: 1 to 8192 doubles <-> bytes, exact for every bit pattern (docs/formats/block.md). codec_front.ts turns doubles into integers;
// codec_fast.ts and codec_compact.ts store integers.
//
// Decoders are given untrusted bytes: they read [source, source + size) only, write `count` values only, and answer with an
// error number otherwise. Scratch space is a pointer argument of codecScratchSize() bytes, 16-aligned.
import { decodeCompact, encodeCompact, encodeCompactBits } from "./codec_compact";
import { entropyScratchBytes } from "./codec_entropy";
import { decodeFast, decodeFastRange, encodeFast } from "./codec_fast";
import {
  codecCompactDecimal,
  codecCompactSplit,
  codecConstant,
  codecCountMax,
  codecErrorArgument,
  codecErrorMalformed,
  codecErrorTruncated,
  codecErrorUnknownCodec,
  codecFastBits,
  codecFastDecimal,
  codecOk,
  codecRaw,
  exponentMax,
  fillBits,
  findExponent,
  findExponent1,
  orderBits,
  patchExceptions,
  reduceColumn,
  scaledInteger,
  scaleValues,
  scratchEntropy,
  scratchIntegers,
  transformConstant,
  writeVarint,
} from "./codec_front";
import { zigzag } from "./codec_pack";

/** Bytes of scratch that codecEncode and codecDecode need. */
export function codecScratchSize(): usize {
  return scratchEntropy + entropyScratchBytes;
}

/**
 * Encodes the `count` (1 to 8192) doubles at `values` to `out` and returns the size in bytes, at most 8 * count + 1; a few hundred bytes more
 * may be touched (encodedSizeMax in src/kernel/codec.ts). `kind` is 0 for values, 1 for timestamps (whole numbers; tries the linear
 * transform too). `isCompact`: entropy coding where it pays.
 */
export function codecEncodeWith(values: usize, count: i32, kind: i32, isCompact: i32, out: usize, scratch: usize): i32 {
  if (allSame(values, count)) return encodeConstant(load<f64>(values), out);
  const exponent = kind == 1 ? 0 : findExponent(values, count);
  if (exponent <= exponentMax) {
    const exceptionCount = scaleValues(values, count, exponent, scratch);
    if (exceptionCount <= count >> 2) {
      if (exceptionCount > 0) patchExceptions(count, exceptionCount, scratch);
      reduceColumn(scratch + scratchIntegers, count, false);
      const parameter = (exponent as u32) << 4;
      let size = isCompact ? encodeCompact(values, count, kind, codecCompactDecimal | parameter, exceptionCount, out, scratch) : 0;
      if (size == 0) size = encodeFast(values, count, kind, codecFastDecimal | parameter, exceptionCount, out, scratch);
      if (size < count << 3) return size;
    }
  }
  orderBits(values, count, scratch + scratchIntegers);
  reduceColumn(scratch + scratchIntegers, count, true);
  let size = isCompact ? encodeCompactBits(values, count, kind, out, scratch) : 0;
  if (size == 0) size = encodeFast(values, count, kind, codecFastBits, 0, out, scratch);
  if (size <= count << 3) return size;
  store<u8>(out, codecRaw as u8);
  memory.copy(out + 1, values, (count as usize) << 3);
  return (count << 3) + 1;
}

/** codecEncodeWith without entropy coding. */
export function codecEncode(values: usize, count: i32, kind: i32, out: usize, scratch: usize): i32 {
  return codecEncodeWith(values, count, kind, 0, out, scratch);
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
    const end = writeVarint(out + 2, zigzag(scaledInteger(value, exponent)));
    if (end - out < 9) return (end - out) as i32;
  }
  store<u8>(out, codecConstant as u8);
  store<f64>(out, value, 1);
  return 9;
}

/** Decodes exactly `size` bytes at `source` to the `count` (1 to 8192) doubles at `target`. Returns an error number, 0 for none. */
export function codecDecode(source: usize, size: u32, count: i32, target: usize, scratch: usize): i32 {
  if (count < 1 || count > codecCountMax) return codecErrorArgument;
  if (size < 2) return codecErrorTruncated;
  const head = load<u8>(source) as u32;
  const codec = head & 15;
  if (codec == codecFastDecimal || codec == codecFastBits) return decodeFast(source, source + size, count, target, scratch);
  if (codec > codecCompactSplit) return codecErrorUnknownCodec;
  if (codec > codecFastBits) return decodeCompact(source, source + size, count, target, scratch);
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

/**
 * Decodes samples [from, to) (0 <= from < to <= count) of a column of `count` to `target`. `whole` is room for 8192 doubles and 64 bytes. Bytes that only the
 * other samples need may be damaged without an error. Returns an error number, 0 for none.
 */
export function codecDecodeRange(source: usize, size: u32, count: i32, from: i32, to: i32, target: usize, scratch: usize, whole: usize): i32 {
  if (from < 0 || from >= to || to > count || count > codecCountMax) return codecErrorArgument;
  if (from == 0 && to == count) return codecDecode(source, size, count, target, scratch);
  if (size >= 2 && (load<u8>(source) & 15) == codecFastDecimal) {
    const error = decodeFastRange(source, source + size, count, from, to, target, scratch);
    if (error >= 0) return error;
  }
  const error = codecDecode(source, size, count, whole, scratch);
  if (error == codecOk) memory.copy(target, whole + ((from as usize) << 3), ((to - from) as usize) << 3);
  return error;
}
