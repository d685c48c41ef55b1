/**
 * First and last bytes of a part's block file, and its directory of header groups (docs/formats/part.md):
 *
 *   header   8 B magic, u32 format version, u32 0
 *   footer   u32 format version, u32 groups, f64 series, f64 samples, f64 blocks, f64 min ms, f64 max ms,
 *            f64 directory offset, f64 directory size, u64 xxHash64 of the footer before it, 8 B magic
 */
import type { Kernel } from "../kernel/kernel.ts";
import { checksumOf } from "./block_table.ts";

/** Versions of the format: those that are read, and what is written by which codecs may occur. */
export const partFormatVersions = { min: 1, fast: 1, compact: 2, max: 2 } as const;
export const partHeaderBytes = 16;
export const partFooterBytes = 80;
const magic = "TIDEPART";

export interface PartTotals {
  readonly seriesCount: number;
  readonly sampleCount: number;
  readonly blockCount: number;
  /** Inclusive; both 0 for a part without samples. */
  readonly minMs: number;
  readonly maxMs: number;
}

export interface PartFooter extends PartTotals {
  readonly groupCount: number;
  readonly directoryOffset: number;
  readonly directorySize: number;
}

function writeMagic(bytes: Uint8Array, position: number): void {
  for (let i = 0; i < magic.length; i++) bytes[position + i] = magic.charCodeAt(i);
}

function hasMagic(bytes: Uint8Array, position: number): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[position + i] !== magic.charCodeAt(i)) return false;
  return true;
}

/** The 16 bytes that a block file begins with. */
export function encodePartHeader(version: number = partFormatVersions.fast): Uint8Array {
  const bytes = new Uint8Array(partHeaderBytes);
  writeMagic(bytes, 0);
  new DataView(bytes.buffer).setUint32(8, version, true);
  return bytes;
}

/** Why these are not the first bytes of a block file that this version reads, or undefined. */
export function checkPartHeader(bytes: Uint8Array): string | undefined {
  if (bytes.length < partHeaderBytes || !hasMagic(bytes, 0)) return "it does not begin with the magic bytes";
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  return versionProblem(version);
}

function versionProblem(version: number): string | undefined {
  const { min, max } = partFormatVersions;
  return version >= min && version <= max ? undefined : `format version ${version} is not known (this program reads versions ${min} to ${max})`;
}

/** The last bytes of a block file. */
export function encodePartFooter(kernel: Kernel, footer: PartFooter, version: number = partFormatVersions.fast): Uint8Array {
  const bytes = new Uint8Array(partFooterBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version, true);
  view.setUint32(4, footer.groupCount, true);
  numbersOf(footer).forEach((value, i) => view.setFloat64(8 + i * 8, value, true));
  bytes.set(checksumOf(kernel, bytes.subarray(0, 64)), 64);
  writeMagic(bytes, 72);
  return bytes;
}

function numbersOf(footer: PartFooter): number[] {
  const { seriesCount, sampleCount, blockCount, minMs, maxMs, directoryOffset, directorySize } = footer;
  return [seriesCount, sampleCount, blockCount, minMs, maxMs, directoryOffset, directorySize];
}

/** Whether a date can say it. */
function isTime(timestampMs: number): boolean {
  return Math.abs(timestampMs) <= 8.64e15;
}

/** Decodes and checks a footer; returns the reason if it is damaged. */
export function decodePartFooter(kernel: Kernel, bytes: Uint8Array, fileSize: number): PartFooter | string {
  if (bytes.length !== partFooterBytes || !hasMagic(bytes, 72)) return "it does not end with the magic bytes";
  const checksum = checksumOf(kernel, bytes.subarray(0, 64));
  if (!checksum.every((byte, i) => byte === bytes[64 + i])) return "the checksum of the footer is wrong";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const version = view.getUint32(0, true);
  const problem = versionProblem(version);
  if (problem !== undefined) return problem;
  const [seriesCount, sampleCount, blockCount, minMs, maxMs, directoryOffset, directorySize] = Array.from({ length: 7 }, (_, i) => view.getFloat64(8 + i * 8, true));
  const footer = { groupCount: view.getUint32(4, true), seriesCount, sampleCount, blockCount, minMs, maxMs, directoryOffset, directorySize };
  const counts = [seriesCount, sampleCount, blockCount, directoryOffset - partHeaderBytes];
  if (numbersOf(footer).some((value) => !Number.isSafeInteger(value)) || counts.some((count) => count < 0) || !isTime(minMs) || !isTime(maxMs)) return "the footer holds impossible numbers";
  if (directorySize < 0 || directoryOffset + directorySize + partFooterBytes !== fileSize) return `the directory does not end before the footer (file of ${fileSize} bytes)`;
  return footer;
}
