/**
 * Door to the classic column codecs: what other databases use, complete and exact for every bit pattern, as references that our own codecs
 * are measured against (codec_comparison.bench.ts, docs/decisions/codecs.md). The store does not write them. src/wasm/classic_codecs.ts
 * draws the layouts; classic_codecs_reference.ts is the plain twin. All pointers are addresses in the kernel's memory.
 */
import type { Kernel } from "./kernel.ts";

export const classicCodecs = {
  /** Differences as varints. */
  delta: { encode: "classicDeltaEncode", decode: "classicDeltaDecode" },
  /** Differences of differences in the bit classes of Gorilla's timestamps (VLDB 2015), in milliseconds. */
  deltaOfDelta: { encode: "classicDeltaOfDeltaEncode", decode: "classicDeltaOfDeltaDecode" },
  /** XOR with the value before and a window of bits, Gorilla's values (VLDB 2015). */
  gorilla: { encode: "classicGorillaEncode", decode: "classicGorillaDecode" },
  /** XOR with the value before, flags for many trailing zeros and for the leading zeros of the last one (VLDB 2022). */
  chimp: { encode: "classicChimpEncode", decode: "classicChimpDecode" },
  /** Chimp that looks for a like value among the 128 before. */
  chimp128: { encode: "classicChimp128Encode", decode: "classicChimp128Decode" },
} as const;
export type ClassicCodec = keyof typeof classicCodecs;

/** Bytes of scratch memory that encoding needs, aligned to 16. */
export function classicScratchBytes(kernel: Kernel): number {
  return kernel.exports.classicScratchSize();
}

/** Bytes that encoding `count` doubles may touch at its target. */
export function classicEncodedSizeMax(count: number): number {
  return count * 13 + 32;
}

/** Encodes the `count` (1 to 8192) doubles at `valuesPointer` to `targetPointer`; returns the size in bytes. */
export function encodeClassic(kernel: Kernel, codec: ClassicCodec, valuesPointer: number, count: number, targetPointer: number, scratchPointer: number): number {
  return kernel.exports[classicCodecs[codec].encode](valuesPointer, count, targetPointer, scratchPointer);
}

/** Decodes `size` untrusted bytes to exactly `count` doubles at `targetPointer`. Returns an index into codecErrors of codec.ts, 0 for none. */
export function decodeClassic(kernel: Kernel, codec: ClassicCodec, pointer: number, size: number, count: number, targetPointer: number): number {
  return kernel.exports[classicCodecs[codec].decode](pointer, size, count, targetPointer);
}
