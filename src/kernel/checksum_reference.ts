/** xxHash64 as its specification states it, with BigInt: the reference of the kernel and of checksum.ts in tests. */

const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, count: bigint): bigint => u64(value << count) | (value >> (64n - count));
const round = (lane: bigint, input: bigint): bigint => u64(rotate(u64(lane + input * prime2), 31n) * prime1);
const mergeRound = (hash: bigint, lane: bigint): bigint => u64((hash ^ round(0n, lane)) * prime1 + prime4);

export function xxh64Reference(bytes: Uint8Array, seed: bigint): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;
  let hash = u64(seed + prime5);
  if (bytes.length >= 32) {
    const lanes = [u64(seed + prime1 + prime2), u64(seed + prime2), seed, u64(seed - prime1)];
    for (; position + 32 <= bytes.length; position += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i], view.getBigUint64(position + i * 8, true));
    }
    hash = u64(rotate(lanes[0], 1n) + rotate(lanes[1], 7n) + rotate(lanes[2], 12n) + rotate(lanes[3], 18n));
    for (const lane of lanes) hash = mergeRound(hash, lane);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; position + 8 <= bytes.length; position += 8) {
    hash = u64(rotate(hash ^ round(0n, view.getBigUint64(position, true)), 27n) * prime1 + prime4);
  }
  if (position + 4 <= bytes.length) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint32(position, true)) * prime1), 23n) * prime2 + prime3);
    position += 4;
  }
  for (; position < bytes.length; position++) hash = u64(rotate(hash ^ u64(BigInt(bytes[position]) * prime5), 11n) * prime1);
  hash = u64((hash ^ (hash >> 33n)) * prime2);
  hash = u64((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}
