/**
 * Rows of a samples record of the log (layout: wasm/log_rows.ts, docs/formats/log.md): the door to the kernel that expands them, and its twin over plain bytes. The
 * head's kernel writes them; the encoder here is its twin and serves tests and tools.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";

/** Of a payload, before its rows: f64 firstLogRow, f64 baseMs, u32 count, u32 0. */
export const logRowsHeaderBytes = 24;
/** A row of an expanded payload: u32 seriesId, i32 offsetMs, f64 value. */
export const expandedLogRowBytes = 16;
/** A record holds no more, so that readers know the room they need. */
export const logRowsMax = 65536;
/** Room for an expanded payload. */
export const expandedLogRowsBytesMax = logRowsHeaderBytes + logRowsMax * expandedLogRowBytes;

const hasId = 16;
const hasOffset = 32;
const sameId = 64;
const controlMax = 127;
/** Begins no row. */
const padding = 0xff;

/**
 * Expands the payload of `size` bytes at `payload` to `target` (expandedLogRowsBytesMax bytes, 8-aligned): the header, then rows of expandedLogRowBytes. Returns
 * their number, or -1 if the payload is not what it says.
 */
export function expandLogRowsInKernel(kernel: Kernel, payload: number, size: number, target: number): number {
  return kernel.exports.logRowsExpand(payload, size, target, logRowsMax);
}

/** Twin of expandLogRowsInKernel: the expanded payload, or undefined. */
export function expandLogRows(payload: Uint8Array): Uint8Array | undefined {
  if (payload.length < logRowsHeaderBytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const count = view.getUint32(16, true);
  if (count > logRowsMax) return undefined;
  const target = new Uint8Array(logRowsHeaderBytes + count * expandedLogRowBytes);
  target.set(payload.subarray(0, logRowsHeaderBytes));
  const rows = new DataView(target.buffer);
  let at = logRowsHeaderBytes;
  let seriesId = -1;
  let offsetMs = 0;
  for (let i = 0; i < count; i++) {
    const control = payload[at++] ?? padding;
    const valueSize = control & 15;
    if (control > controlMax || valueSize > 8 || (control & (hasId | sameId)) === (hasId | sameId)) return undefined;
    const sizeLeft = ((control & hasId) === 0 ? 0 : 4) + ((control & hasOffset) === 0 ? 0 : 4) + valueSize;
    if (at + sizeLeft > payload.length) return undefined;
    if ((control & sameId) === 0) seriesId = (seriesId + 1) >>> 0;
    if ((control & hasId) !== 0) {
      seriesId = view.getUint32(at, true);
      at += 4;
    }
    if ((control & hasOffset) !== 0) {
      offsetMs = view.getInt32(at, true);
      at += 4;
    }
    const row = logRowsHeaderBytes + i * expandedLogRowBytes;
    rows.setUint32(row, seriesId, true);
    rows.setInt32(row + 4, offsetMs, true);
    target.set(payload.subarray(at, at + valueSize), row + expandedLogRowBytes - valueSize);
    at += valueSize;
  }
  const rest = payload.subarray(at);
  return rest.length < 8 && rest.every((byte) => byte === padding) ? target : undefined;
}

/** The payload of rows that were expanded; twin of what the head writes. */
export function encodeLogRows(expanded: Uint8Array): Uint8Array {
  const rows = new DataView(expanded.buffer, expanded.byteOffset, expanded.byteLength);
  const count = rows.getUint32(16, true);
  assert(count <= logRowsMax && expanded.length === logRowsHeaderBytes + count * expandedLogRowBytes, "an expanded payload");
  const target = new Uint8Array(logRowsHeaderBytes + count * (1 + expandedLogRowBytes) + 7);
  target.set(expanded.subarray(0, logRowsHeaderBytes));
  const view = new DataView(target.buffer);
  let at = logRowsHeaderBytes;
  let nextId = 0;
  let lastOffsetMs = 0;
  for (let row = logRowsHeaderBytes; row < expanded.length; row += expandedLogRowBytes) {
    const controlAt = at++;
    const seriesId = rows.getUint32(row, true);
    const offsetMs = rows.getInt32(row + 4, true);
    let control = 0;
    if (seriesId === (nextId - 1) >>> 0) {
      control |= sameId;
    } else if (seriesId !== nextId) {
      control |= hasId;
      view.setUint32(at, seriesId, true);
      at += 4;
    }
    if (offsetMs !== lastOffsetMs) {
      control |= hasOffset;
      view.setInt32(at, offsetMs, true);
      at += 4;
    }
    let from = row + 8;
    const end = row + expandedLogRowBytes;
    while (from < end && expanded[from] === 0) from++;
    target.set(expanded.subarray(from, end), at);
    at += end - from;
    target[controlAt] = control | (end - from);
    nextId = (seriesId + 1) >>> 0;
    lastOffsetMs = offsetMs;
  }
  return target.fill(padding, at).subarray(0, Math.ceil(at / 8) * 8);
}
