/**
 * The hash of labels that limit_ratio samples by: XXH64 of names and values, each behind its size, which is one byte, or 255 and three bytes
 * from 255 on. Prometheus hashes the same bytes, so it picks the same series.
 */
import type { Labels } from "../model/labels.ts";

const mask = (1n << 64n) - 1n;
const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;

/** The hash as a share of its range, from 0 to 1. */
export function labelOffset(labels: Labels): number {
  return Number(xxh64(encodeLabels(labels))) / 2 ** 64;
}

function encodeLabels(labels: Labels): Buffer {
  return Buffer.concat(labels.flatMap(({ name, value }) => [sized(name), sized(value)]));
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const { length } = bytes;
  const size = length < 255 ? [length] : [255, length & 255, (length >> 8) & 255, length >> 16];
  return Buffer.concat([Buffer.from(size), bytes]);
}

/** XXH64 with seed 0. */
export function xxh64(bytes: Buffer): bigint {
  let offset = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const lanes = [(prime1 + prime2) & mask, prime2, 0n, -prime1 & mask];
    for (; offset + 32 <= bytes.length; offset += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i], bytes.readBigUInt64LE(offset + i * 8));
    }
    hash = (rotate(lanes[0], 1n) + rotate(lanes[1], 7n) + rotate(lanes[2], 12n) + rotate(lanes[3], 18n)) & mask;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * prime1 + prime4) & mask;
  } else {
    hash = prime5;
  }
  return avalanche(addRest((hash + BigInt(bytes.length)) & mask, bytes, offset));
}

function addRest(hash: bigint, bytes: Buffer, offset: number): bigint {
  for (; offset + 8 <= bytes.length; offset += 8) {
    hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(offset)), 27n) * prime1 + prime4) & mask;
  }
  if (offset + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(offset)) * prime1) & mask), 23n) * prime2 + prime3) & mask;
    offset += 4;
  }
  for (; offset < bytes.length; offset++) hash = (rotate(hash ^ ((BigInt(bytes[offset]) * prime5) & mask), 11n) * prime1) & mask;
  return hash;
}

function avalanche(hash: bigint): bigint {
  hash = ((hash ^ (hash >> 33n)) * prime2) & mask;
  hash = ((hash ^ (hash >> 29n)) * prime3) & mask;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * prime2) & mask, 31n) * prime1) & mask;
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}
