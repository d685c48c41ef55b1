/**
 * Door to the column codecs: 1 to 8192 doubles of one block <-> bytes, exact for every bit pattern. docs/formats/block.md draws
 * the layouts; codec_reference.ts is the plain twin. All pointers are addresses in the kernel's memory.
 */
import type { Kernel } from "./kernel.ts";

/**
 * The numbers of the codecs: the low half of the first byte of an encoded column. A number names one byte layout for ever; a
 * changed layout gets a new number, so a column needs no version of its own.
 */
export const codecs = {
  /** The doubles as they are. */
  raw: 0,
  /** One double, for all. */
  constant: 1,
  /** Decimals (value * 10^exponent are integers), mini-blocks or sparse. */
  fastDecimal: 2,
  /** Bit patterns as integers, mini-blocks or sparse. */
  fastBits: 3,
  /** Decimals, entropy coded (tANS) or sparse. */
  compactDecimal: 4,
  /** Bit patterns as integers, entropy coded or sparse. */
  compactBits: 5,
  /** Bit patterns as integers, the high halves entropy coded, the low ones as they are. */
  compactSplit: 6,
} as const;

/** What a column holds, a hint for the encoder; the decoder does not need it. */
export const columnKinds = { values: 0, timestamps: 1 } as const;
export type ColumnKind = (typeof columnKinds)[keyof typeof columnKinds];

/** Samples of one block at most. */
export const blockSampleCountMax = 8192;

/**
 * How much work the encoder puts into a column: "fast" for what was just written and is read often (codecs 0 to 3), "compact" for what is kept
 * (the others too, where they pay).
 */
export type CodecEffort = "fast" | "compact";

/** Why codecDecode refused, by its error number. */
export const codecErrors = ["", "argument out of range", "truncated column", "unknown codec", "malformed column"] as const;

/** Bytes of scratch memory that encoding and decoding need, aligned to 16. */
export function codecScratchBytes(kernel: Kernel): number {
  return kernel.exports.codecScratchSize();
}

/** Bytes that encoding `count` doubles may touch at its target; the result has at most 8 * count + 1. */
export function encodedSizeMax(count: number): number {
  return count * 12 + 512;
}

/** Encodes the `count` doubles at `valuesPointer` to `targetPointer`; returns the size in bytes. */
export function encodeColumn(
  kernel: Kernel,
  valuesPointer: number,
  count: number,
  kind: ColumnKind,
  targetPointer: number,
  scratchPointer: number,
  effort: CodecEffort = "fast",
): number {
  return kernel.exports.codecEncodeWith(valuesPointer, count, kind, effort === "compact" ? 1 : 0, targetPointer, scratchPointer);
}

/** Decodes a column of `size` untrusted bytes to exactly `count` doubles at `targetPointer`. Returns an index into codecErrors, 0 for none. */
export function decodeColumn(kernel: Kernel, pointer: number, size: number, count: number, targetPointer: number, scratchPointer: number): number {
  return kernel.exports.codecDecode(pointer, size, count, targetPointer, scratchPointer);
}

/**
 * As decodeColumn, of samples [from, to) only (at least one). Bytes that only others need may be damaged without an error. `wholePointer` is room for
 * `decodeWholeBytes`, for codecs that are decoded whole.
 */
export function decodeColumnRange(
  kernel: Kernel, pointer: number, size: number, count: number, from: number, to: number, targetPointer: number, scratchPointer: number, wholePointer: number,
): number {
  return kernel.exports.codecDecodeRange(pointer, size, count, from, to, targetPointer, scratchPointer, wholePointer);
}

export const decodeWholeBytes = blockSampleCountMax * 8 + 64;
