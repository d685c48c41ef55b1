/**
 * The plain twins of the classic codecs (src/wasm/classic_codecs.ts draws the layouts): the same bytes, written to be read. Bits are
 * a list of zeros and ones, values are bit patterns in bigints. For tests only.
 */
import { blockSampleCountMax } from "./codec.ts";
import type { ClassicCodec } from "./classic_codecs.ts";

const signed64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const bits64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const windowMs = 7_200_000n;
const firstDeltaBits = 24;
const escapedDelta = -(2n ** 31n);
/** Classes of differences of differences: the bits in front, their number, the bits of the difference, the smallest one. */
const secondDeltaClasses = [
  { flag: 0b10n, flagBits: 2, bits: 7, min: -63n },
  { flag: 0b110n, flagBits: 3, bits: 9, min: -255n },
  { flag: 0b1110n, flagBits: 4, bits: 12, min: -2047n },
] as const;
const chimpLeading = [0, 8, 12, 16, 18, 20, 22, 24] as const;

/** Bits, highest first. */
class BitWriter {
  readonly #bits: number[] = [];

  write(code: bigint, bits: number): void {
    for (let i = bits - 1; i >= 0; i--) this.#bits.push(Number((code >> BigInt(i)) & 1n));
  }

  bytes(): number[] {
    const bytes: number[] = [];
    for (let i = 0; i < this.#bits.length; i += 8) bytes.push(Number.parseInt(this.#bits.slice(i, i + 8).join("").padEnd(8, "0"), 2));
    return bytes;
  }
}

class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, fromByte: number) {
    this.#bytes = bytes;
    this.#at = fromByte * 8;
  }

  read(bits: number): bigint {
    let code = 0n;
    for (let i = 0; i < bits; i++, this.#at++) {
      if (this.#at >= this.#bytes.length * 8) throw new Error("truncated column");
      code = (code << 1n) | BigInt((this.#bytes[this.#at >> 3] >> (7 - (this.#at & 7))) & 1);
    }
    return code;
  }

  number(bits: number): number {
    return Number(this.read(bits));
  }

  /** Nothing but zeros in the last byte may be left. */
  finish(): void {
    const left = this.#bytes.length * 8 - this.#at;
    if (left >= 8 || this.read(left) !== 0n) throw new Error("malformed column");
  }
}

function leadingZeros(xor: bigint): number {
  return 64 - xor.toString(2).length;
}

function trailingZeros(xor: bigint): number {
  let zeros = 0;
  while (((xor >> BigInt(zeros)) & 1n) === 0n) zeros++;
  return zeros;
}

// ---- integers: delta and delta of delta ------------------------------------------------------------------------------------

function isWhole(value: number): boolean {
  return Number.isInteger(value) && !Object.is(value, -0) && Math.abs(value) < 2 ** 63;
}

/** The form byte and the integers of a column. */
function toIntegers(values: Float64Array): { form: number; integers: bigint[] } {
  if (values.every(isWhole)) return { form: 0, integers: Array.from(values, BigInt) };
  return { form: 1, integers: Array.from(new BigInt64Array(values.slice().buffer)) };
}

function fromIntegers(integers: readonly bigint[], form: number): Float64Array {
  if (form === 1) return new Float64Array(BigInt64Array.from(integers).buffer);
  if (form === 0) return Float64Array.from(integers, Number);
  throw new Error("malformed column");
}

function encodeDelta(values: Float64Array): number[] {
  const { form, integers } = toIntegers(values);
  const bytes = [form];
  let previous = 0n;
  for (const integer of integers) {
    const delta = signed64(integer - previous);
    let code = bits64((delta << 1n) ^ (delta >> 63n));
    for (; code >= 128n; code >>= 7n) bytes.push(Number(code & 127n) | 128);
    bytes.push(Number(code));
    previous = integer;
  }
  return bytes;
}

function decodeDelta(bytes: Uint8Array, count: number): Float64Array {
  const integers: bigint[] = [];
  let at = 1;
  let integer = 0n;
  while (integers.length < count) {
    let code = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length) throw new Error("truncated column");
      const byte = bytes[at++];
      if (shift === 63n && byte > 1) throw new Error("malformed column");
      code |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    integer = signed64(integer + ((code >> 1n) ^ -(code & 1n)));
    integers.push(integer);
  }
  if (at !== bytes.length) throw new Error("malformed column");
  return fromIntegers(integers, bytes[0]);
}

function encodeDeltaOfDelta(values: Float64Array): number[] {
  const { form, integers } = toIntegers(values);
  const out = new BitWriter();
  let previousDelta = ((integers[0] % windowMs) + windowMs) % windowMs;
  out.write(bits64(integers[0] - previousDelta), 64);
  out.write(previousDelta, firstDeltaBits);
  for (let i = 1; i < integers.length; i++) {
    const delta = signed64(integers[i] - integers[i - 1]);
    writeSecondDelta(out, signed64(delta - previousDelta));
    previousDelta = delta;
  }
  return [form, ...out.bytes()];
}

function writeSecondDelta(out: BitWriter, second: bigint): void {
  if (second === 0n) return out.write(0n, 1);
  for (const { flag, flagBits, bits, min } of secondDeltaClasses) {
    if (second < min || second >= min + 2n ** BigInt(bits)) continue;
    out.write(flag, flagBits);
    return out.write(second - min, bits);
  }
  const isShort = second > escapedDelta && second < 2n ** 31n;
  out.write(0b1111n, 4);
  out.write(BigInt.asUintN(32, isShort ? second : escapedDelta), 32);
  if (!isShort) out.write(bits64(second), 64);
}

function decodeDeltaOfDelta(bytes: Uint8Array, count: number): Float64Array {
  const input = new BitReader(bytes, 1);
  const startMs = signed64(input.read(64));
  let delta = input.read(firstDeltaBits);
  if (delta >= windowMs) throw new Error("malformed column");
  const integers = [signed64(startMs + delta)];
  for (let i = 1; i < count; i++) {
    delta = signed64(delta + readSecondDelta(input));
    integers.push(signed64(integers[i - 1] + delta));
  }
  input.finish();
  return fromIntegers(integers, bytes[0]);
}

function readSecondDelta(input: BitReader): bigint {
  if (input.read(1) === 0n) return 0n;
  for (const { bits, min } of secondDeltaClasses) if (input.read(1) === 0n) return input.read(bits) + min;
  const second = BigInt.asIntN(32, input.read(32));
  return second === escapedDelta ? signed64(input.read(64)) : second;
}

// ---- XOR: Gorilla and Chimp ------------------------------------------------------------------------------------------------

function patternsOf(values: Float64Array): bigint[] {
  return Array.from(new BigUint64Array(values.slice().buffer));
}

function fromPatterns(patterns: readonly bigint[]): Float64Array {
  return new Float64Array(BigUint64Array.from(patterns).buffer);
}

function encodeGorilla(values: Float64Array): number[] {
  const patterns = patternsOf(values);
  const out = new BitWriter();
  out.write(patterns[0], 64);
  let window: { leading: number; trailing: number } | undefined;
  for (let i = 1; i < patterns.length; i++) {
    const xor = patterns[i] ^ patterns[i - 1];
    if (xor === 0n) {
      out.write(0n, 1);
      continue;
    }
    const leading = Math.min(leadingZeros(xor), 31);
    const trailing = trailingZeros(xor);
    if (window !== undefined && leading >= window.leading && trailing >= window.trailing) {
      out.write(0b10n, 2);
    } else {
      window = { leading, trailing };
      out.write(0b11n, 2);
      out.write(BigInt(leading), 5);
      out.write(BigInt(63 - leading - trailing), 6);
    }
    out.write(xor >> BigInt(window.trailing), 64 - window.leading - window.trailing);
  }
  return out.bytes();
}

function decodeGorilla(bytes: Uint8Array, count: number): Float64Array {
  const input = new BitReader(bytes, 0);
  const patterns = [input.read(64)];
  let window: { length: number; trailing: number } | undefined;
  for (let i = 1; i < count; i++) {
    let xor = 0n;
    if (input.read(1) === 1n) {
      if (input.read(1) === 1n) {
        const leading = input.number(5);
        const length = input.number(6) + 1;
        window = { length, trailing: 64 - leading - length };
      }
      if (window === undefined || window.trailing < 0) throw new Error("malformed column");
      xor = input.read(window.length) << BigInt(window.trailing);
    }
    patterns.push(patterns[i - 1] ^ xor);
  }
  input.finish();
  return fromPatterns(patterns);
}

/** The position that the value at `i` is compared with, and whether its trailing zeros are worth writing. */
function chooseLike(patterns: readonly bigint[], i: number, lookBack: number): { like: number; trims: boolean } {
  if (lookBack === 1) {
    const xor = patterns[i] ^ patterns[i - 1];
    return { like: i - 1, trims: xor !== 0n && trailingZeros(xor) > 6 };
  }
  const low = (pattern: bigint): bigint => BigInt.asUintN(14, pattern);
  let seen = patterns.slice(0, i).findLastIndex((pattern) => low(pattern) === low(patterns[i]));
  if (seen < 0) seen = 0; // The table of positions starts with zeros.
  if (i - 1 - seen >= lookBack) return { like: i - 1, trims: false };
  const trims = low(patterns[i] ^ patterns[seen]) === 0n;
  return { like: trims ? seen : i - 1, trims };
}

function encodeChimp(values: Float64Array, lookBack: 1 | 128): number[] {
  const patterns = patternsOf(values);
  const placeBits = Math.log2(lookBack);
  const out = new BitWriter();
  out.write(patterns[0], 64);
  let lastLeading: number | undefined;
  for (let i = 1; i < patterns.length; i++) {
    const { like, trims } = chooseLike(patterns, i, lookBack);
    const xor = patterns[i] ^ patterns[like];
    const kind = xor === 0n ? -1 : chimpLeading.findLastIndex((zeros) => zeros <= leadingZeros(xor));
    if (xor === 0n || trims) {
      out.write(xor === 0n ? 0b00n : 0b01n, 2);
      out.write(BigInt(like % lookBack), placeBits);
      lastLeading = undefined;
    }
    if (xor === 0n) continue;
    if (trims) {
      const length = 64 - chimpLeading[kind] - trailingZeros(xor);
      out.write(BigInt(kind), 3);
      out.write(BigInt(length), 6);
      out.write(xor >> BigInt(trailingZeros(xor)), length);
      continue;
    }
    out.write(kind === lastLeading ? 0b10n : 0b11n, 2);
    if (kind !== lastLeading) out.write(BigInt(kind), 3);
    out.write(xor, 64 - chimpLeading[kind]);
    lastLeading = kind;
  }
  return out.bytes();
}

function decodeChimp(bytes: Uint8Array, count: number, lookBack: 1 | 128): Float64Array {
  const placeBits = Math.log2(lookBack);
  const input = new BitReader(bytes, 0);
  const patterns = [input.read(64)];
  let lastLeading: number | undefined;
  for (let i = 1; i < count; i++) {
    const flag = input.number(2);
    let pattern = patterns[i - 1];
    if (flag < 2) {
      const place = input.number(placeBits);
      const like = patterns.findLastIndex((_, position) => position % lookBack === place);
      if (like < 0) throw new Error("malformed column");
      pattern = patterns[like];
      lastLeading = undefined;
      if (flag === 1) pattern ^= readTrimmed(input);
    } else {
      if (flag === 3) lastLeading = chimpLeading[input.number(3)];
      if (lastLeading === undefined) throw new Error("malformed column");
      pattern ^= input.read(64 - lastLeading);
    }
    patterns.push(pattern);
  }
  input.finish();
  return fromPatterns(patterns);
}

function readTrimmed(input: BitReader): bigint {
  const leading = chimpLeading[input.number(3)];
  const length = input.number(6);
  if (length === 0 || leading + length > 64) throw new Error("malformed column");
  return input.read(length) << BigInt(64 - leading - length);
}

// ---- all -------------------------------------------------------------------------------------------------------------------

const twins: Record<ClassicCodec, { encode: (values: Float64Array) => number[]; decode: (bytes: Uint8Array, count: number) => Float64Array }> = {
  delta: { encode: encodeDelta, decode: decodeDelta },
  deltaOfDelta: { encode: encodeDeltaOfDelta, decode: decodeDeltaOfDelta },
  gorilla: { encode: encodeGorilla, decode: decodeGorilla },
  chimp: { encode: (values) => encodeChimp(values, 1), decode: (bytes, count) => decodeChimp(bytes, count, 1) },
  chimp128: { encode: (values) => encodeChimp(values, 128), decode: (bytes, count) => decodeChimp(bytes, count, 128) },
};

/** Encodes 1 to 8192 doubles. */
export function encodeClassicReference(codec: ClassicCodec, values: Float64Array): Uint8Array {
  return Uint8Array.from(twins[codec].encode(values));
}

/** Decodes exactly `count` doubles; throws for bytes that are no encoding of so many. */
export function decodeClassicReference(codec: ClassicCodec, bytes: Uint8Array, count: number): Float64Array {
  if (count < 1 || count > blockSampleCountMax) throw new Error("argument out of range");
  if (bytes.length > (count + 2) * 13) throw new Error("malformed column");
  return twins[codec].decode(bytes, count);
}
