// From the fingerprint of a label run to the head's record of its series.
//
//   records     32 bytes each, by seriesIndex, drawn in head.ts; at 0 the fingerprint, at 20 the series that followed last time
//   directory   u32 segment number, by the lowest `depth` bits of a tag (the high half of the fingerprint's low word)
//   segments    1024 slots of u64, probed linearly from tag >> 22: high half = tag, low half = seriesIndex + 1
//   states      u32 for each segment: series in it | bits of the tag that they share << 16
//
// A segment with 768 series is split in two by one more bit of their tags (extendible hashing): some microseconds, so that no append waits while the
// table grows, and nothing is kept twice. The directory doubles when a segment uses all its bits.

const RECORD_SHIFT: usize = 5;
const SLOT_MASK: u32 = 1023;
const SLOT_SHIFT: u32 = 22;
const SEGMENT_SHIFT: usize = 13;
const segmentBytes: usize = 1 << SEGMENT_SHIFT;
const segmentSeriesMax: u32 = 768;
/** Series of a segment that was made ahead: by chance some get more, but hardly ever as many as split it. */
const reservedSeries: u32 = 640;
const NONE: u32 = 0xffffffff;

// Fields of the head's context, see kernel/head.ts.
const RECORDS: usize = 4;
const SEGMENTS: usize = 8;
const SEGMENT_COUNT: usize = 12;
const SERIES_COUNT: usize = 16;
const SEED_LOW: usize = 32;
const SEED_HIGH: usize = 40;
const SEGMENT_MAX: usize = 212;
const DIRECTORY: usize = 216;
const DEPTH: usize = 220;
const DEPTH_MAX: usize = 224;
const STATES: usize = 228;
const SPLIT_SCRATCH: usize = 232;

const P1: u64 = 0x9e3779b97f4a7c15;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;

// Second results of fingerprint() and predictSeries(), valid until the next call.
export let fingerprintHigh: u64 = 0;
export let predictedRunSize: u32 = 0;

@inline
function mix(value: u64): u64 {
  let h = value;
  h ^= h >> 32;
  h *= P1;
  h ^= h >> 29;
  h *= P2;
  return h ^ (h >> 32);
}

/**
 * Fingerprint of (tenant, label run): 112 bits of eight 64-bit multiply lanes, 64 bytes a round, and the lowest 16 bits of the run's size, which are those of
 * fingerprintHigh. Reads up to 7 bytes past the run.
 */
export function fingerprint(context: usize, run: usize, size: usize, accountId: u32, projectId: u32): u64 {
  return hashRun(context, run, size, accountId, projectId);
}

@inline
function hashRun(context: usize, run: usize, size: usize, accountId: u32, projectId: u32): u64 {
  const seedLow = load<u64>(context, SEED_LOW);
  const seedHigh = load<u64>(context, SEED_HIGH);
  let a: u64 = seedLow ^ (size as u64);
  let b: u64 = seedHigh ^ P2;
  let c: u64 = seedLow ^ P3;
  let d: u64 = seedHigh + ((((accountId as u64) << 32) | (projectId as u64)) * P3);
  let p = run;
  const end = run + size;
  let x: u64 = 0;
  let y: u64 = 0;
  if (size >= 64) {
    let e: u64 = seedLow + P1;
    let f: u64 = seedHigh ^ P1;
    let g: u64 = seedLow ^ P2;
    let h: u64 = seedHigh + P2;
    do {
      a = rotl((a ^ load<u64>(p)) * P1, 29);
      b = rotl((b ^ load<u64>(p, 8)) * P2, 31);
      c = rotl((c ^ load<u64>(p, 16)) * P1, 33);
      d = rotl((d ^ load<u64>(p, 24)) * P2, 27);
      e = rotl((e ^ load<u64>(p, 32)) * P1, 29);
      f = rotl((f ^ load<u64>(p, 40)) * P2, 31);
      g = rotl((g ^ load<u64>(p, 48)) * P1, 33);
      h = rotl((h ^ load<u64>(p, 56)) * P2, 27);
      p += 64;
    } while (p + 64 <= end);
    x = (e + rotl(f, 37)) * P3;
    y = (g + rotl(h, 11)) * P3;
  }
  if (p + 32 <= end) {
    a = rotl((a ^ load<u64>(p)) * P1, 29);
    b = rotl((b ^ load<u64>(p, 8)) * P2, 31);
    c = rotl((c ^ load<u64>(p, 16)) * P1, 33);
    d = rotl((d ^ load<u64>(p, 24)) * P2, 27);
    p += 32;
  }
  if (p + 16 <= end) {
    a = rotl((a ^ load<u64>(p)) * P1, 29);
    b = rotl((b ^ load<u64>(p, 8)) * P2, 31);
    p += 16;
  }
  if (p + 8 <= end) {
    c = rotl((c ^ load<u64>(p)) * P1, 33);
    p += 8;
  }
  if (p < end) {
    const bits = ((end - p) << 3) as u64;
    d = rotl((d ^ (load<u64>(p) & ((1 << bits) - 1))) * P2, 27);
  }
  x = (x ^ a) + rotl(b, 17);
  y = (y ^ c) + rotl(d, 43);
  fingerprintHigh = (mix(x ^ (rotl(y, 21) * P3)) & ~(0xffff as u64)) | ((size as u64) & 0xffff);
  return mix(x * P1 + y);
}

@inline
export function recordOf(context: usize, seriesIndex: u32): usize {
  return (load<u32>(context, RECORDS) as usize) + ((seriesIndex as usize) << RECORD_SHIFT);
}

/** Number of the segment that a tag belongs to. */
@inline
function segmentOf(context: usize, tag: u32): u32 {
  const within = tag & ((1 << load<u32>(context, DEPTH)) - 1);
  return load<u32>((load<u32>(context, DIRECTORY) as usize) + ((within as usize) << 2));
}

@inline
function addressOf(context: usize, segment: u32): usize {
  return (load<u32>(context, SEGMENTS) as usize) + ((segment as usize) << SEGMENT_SHIFT);
}

/**
 * Reads the slots that findSeries() will look at first for `count` fingerprints, `stride` bytes apart, so that they are in the cache then: in a loop of its
 * own, that the processor waits for all of them at once. One u64 at `unread` is overwritten.
 */
@inline
export function touchSlots(context: usize, fingerprints: usize, count: u32, stride: usize, unread: usize): void {
  let all: u64 = 0;
  for (const end = fingerprints + (count as usize) * stride; fingerprints < end; fingerprints += stride) {
    const tag = load<u32>(fingerprints, 4);
    all |= load<u64>(addressOf(context, segmentOf(context, tag)) + (((tag >> SLOT_SHIFT) as usize) << 3));
  }
  store<u64>(unread, all); // so that the loads are not left out
}

/** The series with this fingerprint, or -1. */
export function findSeries(context: usize, low: u64, high: u64): i32 {
  const tag = (low >> 32) as u32;
  const segment = addressOf(context, segmentOf(context, tag));
  let slot = tag >> SLOT_SHIFT;
  while (true) {
    const entry = load<u64>(segment + ((slot as usize) << 3));
    if (entry == 0) return -1;
    if (((entry >> 32) as u32) == tag) {
      const seriesIndex = (entry as u32) - 1;
      const record = recordOf(context, seriesIndex);
      if (load<u64>(record) == low && load<u64>(record, 8) == high) return seriesIndex as i32;
    }
    slot = (slot + 1) & SLOT_MASK;
  }
}

/**
 * The series that followed `previous` last time, if it is the one whose label run stands at `run`; else -1. Senders keep their order, so it mostly is, and then the
 * run, whose size comes back in predictedRunSize, needs no parsing. Reads up to 7 bytes behind `end`.
 */
@inline
export function predictSeries(context: usize, previous: u32, run: usize, end: usize, accountId: u32, projectId: u32): i32 {
  const predicted = load<u32>(recordOf(context, previous), 20) - 1;
  if (predicted == NONE) return -1;
  const record = recordOf(context, predicted);
  const size = load<u16>(record, 8) as usize;
  if (size > end - run || hashRun(context, run, size, accountId, projectId) != load<u64>(record) || fingerprintHigh != load<u64>(record, 8)) return -1;
  predictedRunSize = size as u32;
  return predicted as i32;
}

/** Makes sure that the series can be added to the table. False: there is no memory for more. */
export function makeSeriesRoom(context: usize, low: u64): bool {
  const tag = (low >> 32) as u32;
  while (true) {
    const segment = segmentOf(context, tag);
    if ((load<u32>((load<u32>(context, STATES) as usize) + ((segment as usize) << 2)) & 0xffff) < segmentSeriesMax) return true;
    if (!splitSegment(context, segment, tag)) return false;
  }
}

/** Puts a series that is not in it into the table. REQUIRES: makeSeriesRoom. */
export function insertSeries(context: usize, low: u64, seriesIndex: u32): void {
  const tag = (low >> 32) as u32;
  const segment = segmentOf(context, tag);
  placeEntry(addressOf(context, segment), tag, ((tag as u64) << 32) | ((seriesIndex + 1) as u64));
  const state = (load<u32>(context, STATES) as usize) + ((segment as usize) << 2);
  store<u32>(state, load<u32>(state) + 1);
}

@inline
function placeEntry(segment: usize, tag: u32, entry: u64): void {
  let slot = tag >> SLOT_SHIFT;
  while (load<u64>(segment + ((slot as usize) << 3)) != 0) slot = (slot + 1) & SLOT_MASK;
  store<u64>(segment + ((slot as usize) << 3), entry);
}

/**
 * Splits the table, as long as it is empty, into as many segments as `count` series will need: splitting them one by one takes longer than
 * putting the series in.
 */
export function seriesTableReserve(context: usize, count: u32): void {
  if (load<u32>(context, SERIES_COUNT) != 0 || load<u32>(context, SEGMENT_COUNT) != 1) return;
  const segmentMax = load<u32>(context, SEGMENT_MAX);
  const depthMax = load<u32>(context, DEPTH_MAX);
  let depth: u32 = 0;
  while (depth < depthMax && ((2 as u32) << depth) <= segmentMax && (reservedSeries << depth) < count) depth++;
  const segments: u32 = 1 << depth;
  const directory = load<u32>(context, DIRECTORY) as usize;
  const states = load<u32>(context, STATES) as usize;
  for (let i: u32 = 0; i < segments; i++) {
    store<u32>(directory + ((i as usize) << 2), i);
    store<u32>(states + ((i as usize) << 2), depth << 16);
  }
  store<u32>(context, segments, SEGMENT_COUNT);
  store<u32>(context, depth, DEPTH);
}

/** Moves the series whose tags have one more bit to a new segment. `tag` is one that belongs to the segment. */
function splitSegment(context: usize, segment: u32, tag: u32): bool {
  const states = load<u32>(context, STATES) as usize;
  const bits = load<u32>(states + ((segment as usize) << 2)) >> 16;
  const added = load<u32>(context, SEGMENT_COUNT);
  if (added >= load<u32>(context, SEGMENT_MAX)) return false;
  if (bits == load<u32>(context, DEPTH) && !doubleDirectory(context)) return false;
  store<u32>(context, added + 1, SEGMENT_COUNT);
  const scratch = load<u32>(context, SPLIT_SCRATCH) as usize;
  const kept = addressOf(context, segment);
  const moved = addressOf(context, added);
  memory.copy(scratch, kept, segmentBytes);
  memory.fill(kept, 0, segmentBytes);
  let movedCount: u32 = 0;
  let keptCount: u32 = 0;
  for (let at = scratch; at < scratch + segmentBytes; at += 8) {
    const entry = load<u64>(at);
    if (entry == 0) continue;
    const entryTag = (entry >> 32) as u32;
    if (((entryTag >> bits) & 1) != 0) {
      placeEntry(moved, entryTag, entry);
      movedCount++;
    } else {
      placeEntry(kept, entryTag, entry);
      keptCount++;
    }
  }
  store<u32>(states + ((segment as usize) << 2), keptCount | ((bits + 1) << 16));
  store<u32>(states + ((added as usize) << 2), movedCount | ((bits + 1) << 16));
  const directory = load<u32>(context, DIRECTORY) as usize;
  const end: u32 = 1 << load<u32>(context, DEPTH);
  const step: u32 = 2 << bits;
  for (let i = (tag & ((1 << bits) - 1)) | (1 << bits); i < end; i += step) store<u32>(directory + ((i as usize) << 2), added);
  return true;
}

function doubleDirectory(context: usize): bool {
  const depth = load<u32>(context, DEPTH);
  if (depth >= load<u32>(context, DEPTH_MAX)) return false;
  const directory = load<u32>(context, DIRECTORY) as usize;
  memory.copy(directory + ((4 as usize) << depth), directory, (4 as usize) << depth);
  store<u32>(context, depth + 1, DEPTH);
  return true;
}
