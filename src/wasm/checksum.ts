// xxHash64 (Yann Collet): the checksum of log records, blocks and file footers. Four lanes of 64 bits, one multiplication per 8 bytes.
// Twins: kernel/checksum.ts (plain TypeScript, no BigInt), kernel/checksum_reference.ts (BigInt, follows the specification).

const prime1: u64 = 0x9e3779b185ebca87;
const prime2: u64 = 0xc2b2ae3d27d4eb4f;
const prime3: u64 = 0x165667b19e3779f9;
const prime4: u64 = 0x85ebca77c2b2ae63;
const prime5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * prime2, 31) * prime1;
}

// @ts-ignore: decorator
@inline
function mergeRound(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * prime1 + prime4;
}

/** xxHash64 of the `size` bytes at `pointer`, for other kernels. */
export function xxh64(pointer: usize, size: usize, seed: u64): u64 {
  let hash: u64;
  let rest = size; // counted down: an end pointer would wrap around at the top of a 4 GiB memory
  if (rest >= 32) {
    let lane1 = seed + prime1 + prime2;
    let lane2 = seed + prime2;
    let lane3 = seed;
    let lane4 = seed - prime1;
    for (; rest >= 32; rest -= 32) {
      lane1 = round(lane1, load<u64>(pointer));
      lane2 = round(lane2, load<u64>(pointer, 8));
      lane3 = round(lane3, load<u64>(pointer, 16));
      lane4 = round(lane4, load<u64>(pointer, 24));
      pointer += 32;
    }
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = mergeRound(hash, lane1);
    hash = mergeRound(hash, lane2);
    hash = mergeRound(hash, lane3);
    hash = mergeRound(hash, lane4);
  } else {
    hash = seed + prime5;
  }
  hash += size as u64;
  for (; rest >= 8; rest -= 8, pointer += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(pointer)), 27) * prime1 + prime4;
  if (rest >= 4) {
    hash = rotl<u64>(hash ^ ((load<u32>(pointer) as u64) * prime1), 23) * prime2 + prime3;
    rest -= 4;
    pointer += 4;
  }
  for (; rest > 0; rest--, pointer++) hash = rotl<u64>(hash ^ ((load<u8>(pointer) as u64) * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}

/** The low 32 bits. */
export function checksumXxh64Low(pointer: usize, size: usize, seed: u32): u32 {
  return xxh64(pointer, size, seed as u64) as u32;
}

/** Stores all 64 bits at `target` (little-endian). */
export function checksumXxh64(pointer: usize, size: usize, seed: u32, target: usize): void {
  store<u64>(target, xxh64(pointer, size, seed as u64));
}
