/**
 * Snappy block encoder: what senders of remote write do before they send. It follows the reference encoder: blocks of 64 KiB, a hash
 * table of four-byte sequences, literals and copies with two-byte offsets, and a stride that grows over incompressible bytes.
 *
 *   varint   size of the decoded bytes
 *   element* tag & 3 = 0: literal, size - 1 in the upper six bits (60, 61: in the next one or two bytes)
 *            tag & 3 = 2: copy, size - 1 in the upper six bits, offset in the next two bytes
 */

const blockBytes = 65536;
const tableBits = 14;
const table = new Uint16Array(1 << tableBits);

/** The most bytes that `size` bytes can take. */
export function maximumEncodedBytes(size: number): number {
  return 32 + size + Math.ceil(size / 6);
}

/** Encodes all of `source` into `target`, which holds at least `maximumEncodedBytes`; returns the size. */
export function encodeSnappy(source: Uint8Array, target: Uint8Array): number {
  let position = 0;
  let rest = source.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) target[position++] = (rest & 127) | 128;
  target[position++] = rest;
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  for (let from = 0; from < source.length; from += blockBytes) {
    position = encodeBlock(source, view, from, Math.min(from + blockBytes, source.length), target, position);
  }
  return position;
}

function encodeBlock(source: Uint8Array, view: DataView, from: number, to: number, target: Uint8Array, position: number): number {
  table.fill(0);
  const searchEnd = to - 15; // so that four bytes can be read everywhere
  let literalFrom = from;
  let i = from + 1;
  let skip = 32;
  while (i < searchEnd) {
    const word = view.getUint32(i, true);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - tableBits);
    const candidate = from + table[slot];
    table[slot] = i - from;
    if (candidate >= i || view.getUint32(candidate, true) !== word) {
      i += skip++ >>> 5;
      continue;
    }
    let end = i + 4;
    while (end < to && source[end] === source[candidate + end - i]) end++;
    position = emitLiteral(source, literalFrom, i, target, position);
    position = emitCopy(i - candidate, end - i, target, position);
    literalFrom = end;
    i = end;
    skip = 32;
  }
  return emitLiteral(source, literalFrom, to, target, position);
}

function emitLiteral(source: Uint8Array, from: number, to: number, target: Uint8Array, position: number): number {
  const size = to - from;
  if (size === 0) return position;
  if (size <= 60) target[position++] = (size - 1) << 2;
  else if (size <= 256) {
    target[position++] = 60 << 2;
    target[position++] = size - 1;
  } else {
    target[position++] = 61 << 2;
    target[position++] = (size - 1) & 255;
    target[position++] = (size - 1) >> 8;
  }
  target.set(source.subarray(from, to), position);
  return position + size;
}

function emitCopy(offset: number, size: number, target: Uint8Array, position: number): number {
  for (let rest = size; rest > 0; ) {
    const part = Math.min(rest, 64);
    target[position++] = ((part - 1) << 2) | 2;
    target[position++] = offset & 255;
    target[position++] = offset >> 8;
    rest -= part;
  }
  return position;
}
