/**
 * A file of the write-ahead log: `log/<number, 8 hexadecimal digits>.log`. Its header, 64 bytes, little-endian:
 *
 *    0  8 bytes  "tidelog\n"
 *    8  u32      formatVersion
 *   12  u32      number            as in the file name
 *   16  16 bytes directoryId       a segment of another data directory is not read
 *   32  u32      previousNumber    the segment before this one, 0 for none
 *   36  u32      previousEnd       how many bytes of that segment count
 *   40  16 bytes reserved          0
 *   56  u32      checksum          low 32 bits of xxHash64 (seed 0) over bytes 0..56
 *   60  4 bytes  "end\n"           zeros if the write of the header was torn: then the segment was never in use
 *
 * Records follow up to the end of the file (wasm/log_record.ts). What stands in the previous segment behind its end, and in segments between
 * the two, was never acknowledged or stands in this segment again.
 */
import { assert } from "../base/assert.ts";
import { StorageError } from "../base/errors.ts";
import { checksumOfBytes } from "../kernel/checksum.ts";

/** 2: records of samples may have version 2. */
export const logFormatVersion = 2;
const logFormatVersionMin = 1;
export const logSegmentHeaderBytes = 64;

export interface LogSegmentHeader {
  readonly number: number;
  /** 32 hexadecimal digits. */
  readonly directoryId: string;
  readonly previous: LogEnd | undefined;
}

/** Where the valid part of a segment ends. */
export interface LogEnd {
  readonly number: number;
  readonly end: number;
}

export function logSegmentPath(directory: string, number: number): string {
  return `${directory}/${number.toString(16).padStart(8, "0")}.log`;
}

/** The numbers of all segments among the names in the log directory, ascending. */
export function logSegmentNumbers(names: readonly string[]): number[] {
  const numbers = names.filter((name) => /^[0-9a-f]{8}\.log$/.test(name)).map((name) => parseInt(name.slice(0, 8), 16));
  return numbers.toSorted((left, right) => left - right);
}

export function encodeLogSegmentHeader(header: LogSegmentHeader): Uint8Array {
  assert(/^[0-9a-f]{32}$/.test(header.directoryId), "a directory id has 32 hexadecimal digits");
  const bytes = new Uint8Array(logSegmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, logFormatVersion, true);
  view.setUint32(12, header.number, true);
  bytes.set(Buffer.from(header.directoryId, "hex"), 16);
  view.setUint32(32, header.previous?.number ?? 0, true);
  view.setUint32(36, header.previous?.end ?? 0, true);
  view.setUint32(56, checksumOfBytes(bytes.subarray(0, 56)), true);
  bytes.set(endMark, 60);
  return bytes;
}

/**
 * Undefined if the bytes are not a whole and right header (torn or damaged). Throws StorageError "unsupported_format" for a header of a
 * newer format: reading on would lose what it holds.
 */
export function decodeLogSegmentHeader(bytes: Uint8Array, path: string): LogSegmentHeader | undefined {
  if (bytes.length < logSegmentHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, logSegmentHeaderBytes);
  if (view.getUint32(56, true) !== checksumOfBytes(bytes.subarray(0, 56))) return undefined;
  if (magic.some((byte, i) => bytes[i] !== byte) || endMark.some((byte, i) => bytes[60 + i] !== byte)) return undefined;
  const formatVersion = view.getUint32(8, true);
  if (formatVersion < logFormatVersionMin || formatVersion > logFormatVersion) {
    throw new StorageError("unsupported_format", `${path} has log format ${formatVersion}; this program reads formats ${logFormatVersionMin} to ${logFormatVersion}`);
  }
  const previous = { number: view.getUint32(32, true), end: view.getUint32(36, true) };
  return {
    number: view.getUint32(12, true),
    directoryId: Buffer.from(bytes.subarray(16, 32)).toString("hex"),
    previous: previous.number === 0 ? undefined : previous,
  };
}

/** Whether the first 64 bytes of a file (zeros where it is shorter) are those of a segment whose header was not written to its end. */
export function isUnfinishedLogSegment(bytes: Uint8Array): boolean {
  return bytes[logSegmentHeaderBytes - 1] === 0;
}

const magic = new TextEncoder().encode("tidelog\n");
const endMark = new TextEncoder().encode("end\n");
