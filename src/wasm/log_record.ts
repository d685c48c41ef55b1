// Records of the write-ahead log, see docs/formats/log.md:
//
//    0  u32  payloadSize      without padding, at most 4 MiB
//    4  u32  checksum         low 32 bits of xxHash64 (seed 0) over bytes 8 to the end of the payload
//    8  u8   type
//    9  u8   version          of the payload's layout
//   10  u16  reserved         0
//   12  u32  headerCheck      mix of payloadSize and bytes 8..12
//   16  payload, then zeros up to a multiple of 8
//
// The header has a check of its own, so that a record with a broken payload can be stepped over, and so that the next record after a
// broken header is found without reading every payload that only looks like one.
// Door and twin: kernel/log_record.ts.
import { checksumXxh64Low } from "./checksum";

const headerBytes: usize = 16;
const payloadBytesMax: u32 = 4 << 20;

/**
 * Fills in the header of the record at `pointer` (a multiple of 8) whose payload stands behind the 16 bytes of the header, and zeroes the
 * padding. Returns the size of the record, or 0 if the payload is larger than a record may be.
 */
export function logSealRecord(pointer: usize, payloadSize: u32, type: u32, version: u32): u32 {
  if (payloadSize > payloadBytesMax) return 0;
  const size = recordSize(payloadSize);
  for (let i: usize = headerBytes + payloadSize; i < size; i++) store<u8>(pointer + i, 0);
  const kind = (type & 0xff) | ((version & 0xff) << 8);
  store<u32>(pointer, payloadSize);
  store<u32>(pointer, kind, 8);
  store<u32>(pointer, headerCheck(payloadSize, kind), 12);
  store<u32>(pointer, checksumXxh64Low(pointer + 8, payloadSize + 8, 0), 4);
  return size as u32;
}

/**
 * Looks at the record at `pointer` of which `available` bytes can be read. Returns its size if it is whole and right; 0 if more bytes
 * are needed to tell; -1 if the header is broken; -2 if the header is right and the rest is not.
 */
export function logCheckRecord(pointer: usize, available: usize): i32 {
  if (available < headerBytes) return 0;
  if (!headerIsRight(pointer)) return -1;
  const payloadSize = load<u32>(pointer);
  const size = recordSize(payloadSize);
  if (size > available) return 0;
  return checksumXxh64Low(pointer + 8, payloadSize + 8, 0) == load<u32>(pointer, 4) ? (size as i32) : -2;
}

/**
 * The distance from `pointer` to the next right header, in steps of 8; if there is none, to the first place at which a header would not
 * fit into `available` bytes.
 */
export function logFindHeader(pointer: usize, available: usize): u32 {
  let distance: usize = 0;
  for (; distance + headerBytes <= available; distance += 8) if (headerIsRight(pointer + distance)) break;
  return distance as u32;
}

function recordSize(payloadSize: u32): usize {
  return headerBytes + (((payloadSize as usize) + 7) & ~7);
}

function headerIsRight(pointer: usize): bool {
  const payloadSize = load<u32>(pointer);
  const kind = load<u32>(pointer, 8);
  if ((kind & 0xff) == 0 || kind >> 16 != 0 || payloadSize > payloadBytesMax) return false;
  return headerCheck(payloadSize, kind) == load<u32>(pointer, 12);
}

function headerCheck(payloadSize: u32, kind: u32): u32 {
  return mix(payloadSize ^ mix(kind ^ 0x54444c52));
}

/** The finalizer of MurmurHash3: one changed bit changes half of the others. */
function mix(value: u32): u32 {
  value = (value ^ (value >> 16)) * 0x85ebca6b;
  value = (value ^ (value >> 13)) * 0xc2b2ae35;
  return value ^ (value >> 16);
}
