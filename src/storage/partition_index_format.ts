/**
 * What writer and reader of an index segment share: its sections, header and footer, and the rows that go in and come out
 * (docs/formats/partition_index.md).
 */
import type { Kernel } from "../kernel/kernel.ts";
import { checksumOf } from "./block_table.ts";

/** Series of a partition: what IndexSegmentWriter takes and IndexSegment gives. Arrays may be longer than needed. */
export interface IndexRows {
  readonly rowCount: number;
  readonly seriesIds: Uint32Array;
  readonly accountIds: Uint32Array;
  readonly projectIds: Uint32Array;
  /** First and last sample of the series in this partition, as far as known; inclusive. */
  readonly minMs: Float64Array;
  readonly maxMs: Float64Array;
  /** Days of the month with samples, bit 0 is the first; left out: all days from minMs to maxMs. */
  readonly activeDays?: Uint32Array;
  /** Row i has the canonical label run labels[labelOffsets[i], labelOffsets[i + 1]). */
  readonly labels: Uint8Array;
  readonly labelOffsets: Uint32Array;
}

export const indexFormatVersion = 1;
export const indexHeaderBytes = 16;
export const indexFooterBytes = 40;
const magic = "TIDEINDX";

/** Kinds of sections, in the order of the file. Readers skip kinds that they do not know. */
export const sectionKinds = { strings: 1, stringBytes: 2, pairs: 3, rows: 4, rowLabels: 5, postings: 6, postingBytes: 7 } as const;

/** Rows of one group of a segment. */
export const groupRowCount = 4096;

/** Bytes of one pair id in packed rows. */
export function pairIdBytes(pairCount: number): number {
  return pairCount <= 1 << 8 ? 1 : pairCount <= 1 << 16 ? 2 : pairCount <= 1 << 24 ? 3 : 4;
}

function writeMagic(bytes: Uint8Array, position: number): void {
  for (let i = 0; i < magic.length; i++) bytes[position + i] = magic.charCodeAt(i);
}

function hasMagic(bytes: Uint8Array, position: number): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[position + i] !== magic.charCodeAt(i)) return false;
  return true;
}

export function encodeIndexHeader(): Uint8Array {
  const bytes = new Uint8Array(indexHeaderBytes);
  writeMagic(bytes, 0);
  new DataView(bytes.buffer).setUint32(8, indexFormatVersion, true);
  return bytes;
}

export interface IndexFooter {
  readonly rowCount: number;
  readonly directoryOffset: number;
  readonly directorySize: number;
}

/** u32 version, u32 rows, f64 directory offset, f64 directory size, u64 xxHash64 of these, 8 B magic. */
export function encodeIndexFooter(kernel: Kernel, footer: IndexFooter): Uint8Array {
  const bytes = new Uint8Array(indexFooterBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, indexFormatVersion, true);
  view.setUint32(4, footer.rowCount, true);
  view.setFloat64(8, footer.directoryOffset, true);
  view.setFloat64(16, footer.directorySize, true);
  bytes.set(checksumOf(kernel, bytes.subarray(0, 24)), 24);
  writeMagic(bytes, 32);
  return bytes;
}

/** The footer, or why header or footer are not those of an index segment that this version reads. */
export function decodeIndexEnds(kernel: Kernel, header: Uint8Array, bytes: Uint8Array, fileSize: number): IndexFooter | string {
  if (!hasMagic(header, 0) || !hasMagic(bytes, 32)) return "the magic bytes are missing";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const version of [new DataView(header.buffer, header.byteOffset).getUint32(8, true), view.getUint32(0, true)]) {
    if (version !== indexFormatVersion) return `format version ${version} is not known (this program reads version ${indexFormatVersion})`;
  }
  const checksum = checksumOf(kernel, bytes.subarray(0, 24));
  if (!checksum.every((byte, i) => byte === bytes[24 + i])) return "the checksum of the footer is wrong";
  const footer = { rowCount: view.getUint32(4, true), directoryOffset: view.getFloat64(8, true), directorySize: view.getFloat64(16, true) };
  if (!(footer.directorySize >= 0) || !(footer.directoryOffset >= indexHeaderBytes) || !Number.isInteger(footer.directoryOffset) || footer.directoryOffset + footer.directorySize + indexFooterBytes !== fileSize) return "the directory does not end before the footer";
  return footer;
}
