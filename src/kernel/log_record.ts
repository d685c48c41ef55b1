/**
 * Frames of log records (layout: wasm/log_record.ts, docs/formats/log.md): the doors to the kernels and their twin over plain bytes,
 * which also serves the cold paths (metadata, salvage after a failed sync).
 */
import { checksumOfBytes } from "./checksum.ts";
import type { Kernel } from "./kernel.ts";

export const logHeaderBytes = 16;
/** A larger payload is refused by the writer and taken for garbage by the reader. */
export const logPayloadBytesMax = 4 << 20;

/** What stands at a place where a record should begin, if it is not the size of a whole record. */
export const logCheck = { incomplete: 0, badHeader: -1, badPayload: -2 } as const;

/** Size of a record whose payload has `payloadSize` bytes. */
export function logRecordSize(payloadSize: number): number {
  return logHeaderBytes + Math.ceil(payloadSize / 8) * 8;
}

/** Seals the record at `pointer` in the kernel's memory; returns its size, 0 if the payload is too large. */
export function sealLogRecordInKernel(kernel: Kernel, pointer: number, payloadSize: number, type: number, version: number): number {
  return kernel.exports.logSealRecord(pointer, payloadSize, type, version) >>> 0;
}

/** The size of the record at `pointer`, or one of `logCheck`. */
export function checkLogRecordInKernel(kernel: Kernel, pointer: number, available: number): number {
  return kernel.exports.logCheckRecord(pointer, available);
}

/** The distance to the next right header, or to the place where there is no room for one. */
export function findLogHeaderInKernel(kernel: Kernel, pointer: number, available: number): number {
  return kernel.exports.logFindHeader(pointer, available) >>> 0;
}

/** Twin of logSealRecord: the record begins at `offset` in `bytes`. */
export function sealLogRecord(bytes: Uint8Array, offset: number, payloadSize: number, type: number, version: number): number {
  if (payloadSize > logPayloadBytesMax) return 0;
  const size = logRecordSize(payloadSize);
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, size);
  bytes.fill(0, offset + logHeaderBytes + payloadSize, offset + size);
  const kind = (type & 0xff) | ((version & 0xff) << 8);
  view.setUint32(0, payloadSize, true);
  view.setUint32(8, kind, true);
  view.setUint32(12, headerCheck(payloadSize, kind), true);
  view.setUint32(4, checksumOfBytes(bytes.subarray(offset + 8, offset + logHeaderBytes + payloadSize)), true);
  return size;
}

/** Twin of logCheckRecord: what begins at `offset` in `bytes`. */
export function checkLogRecord(bytes: Uint8Array, offset: number): number {
  const available = bytes.length - offset;
  if (available < logHeaderBytes) return logCheck.incomplete;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, available);
  if (!headerIsRight(view, 0)) return logCheck.badHeader;
  const payloadSize = view.getUint32(0, true);
  const size = logRecordSize(payloadSize);
  if (size > available) return logCheck.incomplete;
  const checksum = checksumOfBytes(bytes.subarray(offset + 8, offset + logHeaderBytes + payloadSize));
  return checksum === view.getUint32(4, true) ? size : logCheck.badPayload;
}

/** Twin of logFindHeader. */
export function findLogHeader(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset);
  let distance = 0;
  for (; distance + logHeaderBytes <= view.byteLength; distance += 8) if (headerIsRight(view, distance)) break;
  return distance;
}

function headerIsRight(view: DataView, at: number): boolean {
  const payloadSize = view.getUint32(at, true);
  const kind = view.getUint32(at + 8, true);
  if ((kind & 0xff) === 0 || kind >>> 16 !== 0 || payloadSize > logPayloadBytesMax) return false;
  return headerCheck(payloadSize, kind) === view.getUint32(at + 12, true);
}

function headerCheck(payloadSize: number, kind: number): number {
  return mix(payloadSize ^ mix(kind ^ 0x54444c52));
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
