// The allocator of the head's chunks (128 bytes, aligned to 128): a bitmap of the free ones by address, and an area that was never used.
//
//   free map    a bit for each 128 bytes of the memory, in words of 64 bits = 8 KB     (reserved for 4 GiB: pages that stand for no chunk stay untouched)
//   summary     a bit for each word of the map that is not zero
//
// Chunks are given out in the order of their addresses, from where the last one was taken, around and around. So the chunks that consecutive series take
// one after the other lie one behind the other, in whatever order they were freed: appending runs through memory instead of jumping, which is
// half of what it costs. A free list would give them out in the order in which whole series were freed, each chunk in another place.

const CHUNK_SIZE: usize = 128;

// Fields of the head's context, see kernel/head.ts.
const FREE_CURSOR: usize = 48; // number of the word of the map that chunks are taken from
const CHUNK_BUMP: usize = 52;
const CHUNK_END: usize = 56;
const CHUNKS_USED: usize = 60;
const FREE_MAP: usize = 200;
const FREE_SUMMARY: usize = 204;
const FREE_COUNT: usize = 208;

const summaryWords: u32 = 8192; // 4 GiB / 128 / 64 / 64

/** A free chunk, or 0 when memory for more must be given with headGiveChunks. */
@inline
export function takeChunk(context: usize): usize {
  const freeCount = load<u32>(context, FREE_COUNT);
  if (freeCount != 0) {
    store<u32>(context, freeCount - 1, FREE_COUNT);
    store<u32>(context, load<u32>(context, CHUNKS_USED) + 1, CHUNKS_USED);
    return takeFree(context);
  }
  const chunk = load<u32>(context, CHUNK_BUMP) as usize;
  if (chunk + CHUNK_SIZE > (load<u32>(context, CHUNK_END) as usize)) return 0;
  store<u32>(context, (chunk + CHUNK_SIZE) as u32, CHUNK_BUMP);
  store<u32>(context, load<u32>(context, CHUNKS_USED) + 1, CHUNKS_USED);
  return chunk;
}

/** REQUIRES: there is a free chunk. */
function takeFree(context: usize): usize {
  const map = load<u32>(context, FREE_MAP) as usize;
  let cursor = load<u32>(context, FREE_CURSOR);
  let word = load<u64>(map + ((cursor as usize) << 3));
  if (word == 0) {
    cursor = nextWord(load<u32>(context, FREE_SUMMARY) as usize, cursor);
    store<u32>(context, cursor, FREE_CURSOR);
    word = load<u64>(map + ((cursor as usize) << 3));
  }
  const rest = word & (word - 1);
  store<u64>(map + ((cursor as usize) << 3), rest);
  if (rest == 0) {
    const summary = (load<u32>(context, FREE_SUMMARY) as usize) + ((cursor >> 6) << 3);
    store<u64>(summary, load<u64>(summary) & ~((1 as u64) << (cursor & 63)));
  }
  return ((cursor as usize) << 13) | ((ctz<u64>(word) as usize) << 7);
}

/** The word behind `cursor` that has a free chunk, around the end. REQUIRES: there is one, and it is not `cursor`. */
function nextWord(summary: usize, cursor: u32): u32 {
  let at = cursor >> 6;
  let word = load<u64>(summary + ((at as usize) << 3)) & ((~(0 as u64) << (cursor & 63)) << 1);
  while (word == 0) {
    at = (at + 1) & (summaryWords - 1);
    word = load<u64>(summary + ((at as usize) << 3));
  }
  return (at << 6) | (ctz<u64>(word) as u32);
}

/** Marks a chunk as free. The counts are the caller's. */
@inline
function putChunk(map: usize, summary: usize, chunk: u32): void {
  const at = map + (((chunk >> 13) as usize) << 3);
  const word = load<u64>(at);
  store<u64>(at, word | ((1 as u64) << ((chunk >> 7) & 63)));
  if (word == 0) {
    const above = summary + (((chunk >> 19) as usize) << 3);
    store<u64>(above, load<u64>(above) | ((1 as u64) << ((chunk >> 13) & 63)));
  }
}

/** Gives [from, to) to the allocator, `from` aligned to 128; what was left of the area before is free. */
export function headGiveChunks(context: usize, from: usize, to: usize): void {
  let chunk = load<u32>(context, CHUNK_BUMP) as usize;
  const end = load<u32>(context, CHUNK_END) as usize;
  const map = load<u32>(context, FREE_MAP) as usize;
  const summary = load<u32>(context, FREE_SUMMARY) as usize;
  let count = load<u32>(context, FREE_COUNT);
  for (; chunk != 0 && chunk + CHUNK_SIZE <= end; chunk += CHUNK_SIZE) {
    putChunk(map, summary, chunk as u32);
    count++;
  }
  store<u32>(context, count, FREE_COUNT);
  store<u32>(context, from as u32, CHUNK_BUMP);
  store<u32>(context, to as u32, CHUNK_END);
}

/** Entries whose lists are followed side by side, so that the processor waits for many of their cache misses at once. */
const entriesAtOnce: u32 = 32;

/**
 * Frees the chunks of entries [fromEntry, toEntry), and uses their entries up. REQUIRES: they are unlinked, and no reader is left that was at
 * work then.
 */
export function headFree(context: usize, entries: usize, fromEntry: u32, toEntry: u32): void {
  const map = load<u32>(context, FREE_MAP) as usize;
  const summary = load<u32>(context, FREE_SUMMARY) as usize;
  let freed: u32 = 0;
  for (let from = fromEntry; from < toEntry; from += entriesAtOnce) {
    const begin = entries + (from as usize) * 12;
    const end = entries + (min<u32>(toEntry, from + entriesAtOnce) as usize) * 12;
    let left: u32 = 1;
    while (left != 0) {
      left = 0;
      for (let entry = begin; entry < end; entry += 12) {
        const count = load<u32>(entry, 8);
        if (count == 0) continue;
        const chunk = load<u32>(entry, 4);
        putChunk(map, summary, chunk);
        store<u32>(entry, load<u32>(chunk as usize, 16), 4);
        store<u32>(entry, count - 1, 8);
        left |= count - 1;
        freed++;
      }
    }
  }
  store<u32>(context, load<u32>(context, FREE_COUNT) + freed, FREE_COUNT);
  store<u32>(context, load<u32>(context, CHUNKS_USED) - freed, CHUNKS_USED);
}
