// Label sets of many series as rows of pair ids: the kernels behind index segments (docs/formats/partition_index.md).
//
// Interning turns canonical label runs (src/model/labels.ts) into ids of distinct Label fields ("pairs"); expanding does the reverse.
// A pair is kept as the whole field, tag and size included, so that a run is the concatenation of its pairs.

import { bytesEqual } from "./bytes";

// ---- interning -------------------------------------------------------------------------------------------------------------

// Slots (u32 each) of the context of codecInternLabels; src/kernel/codec_label_rows.ts names them too.
const slotTable: usize = 0; // pair id + 1 by hash, 0 for empty
const slotTableMask: usize = 4;
const slotPairCount: usize = 8;
const slotPairOffsets: usize = 12; // u32 for each pair and the end
const slotPairCapacity: usize = 16;
const slotPairBytes: usize = 20;
const slotPairBytesCapacity: usize = 24;
const slotIds: usize = 28; // pair ids of the rows, one after the other
const slotIdCount: usize = 32;
const slotIdCapacity: usize = 36;

/** What codecInternLabels lacks room for, or what is wrong with the row it stopped at. */
const internDone: i32 = 0;
const internTableFull: i32 = 1;
const internBytesFull: i32 = 2;
const internIdsFull: i32 = 3;
const internMalformed: i32 = 4;

/** How many rows the last call has taken. */
let internedRows: u32 = 0;

export function codecInternedRows(): u32 {
  return internedRows;
}

/**
 * Interns the label runs of rows [rowFrom, rowCount): row i is bytes [offsets[i], offsets[i + 1]) of `labels`. Writes the number of
 * labels of each row to `counts`. Returns why it stopped; rows before codecInternedRows() are complete.
 */
export function codecInternLabels(context: usize, labels: usize, offsets: usize, rowFrom: u32, rowCount: u32, counts: usize): i32 {
  for (let row = rowFrom; row < rowCount; row++) {
    internedRows = row;
    const ids = load<u32>(context, slotIdCount);
    const begin = labels + (load<u32>(offsets + ((row as usize) << 2)) as usize);
    const end = labels + (load<u32>(offsets + (((row + 1) as usize) << 2)) as usize);
    const status = internRow(context, begin, end);
    if (status != internDone) {
      store<u32>(context, ids, slotIdCount);
      return status;
    }
    store<u32>(counts + ((row as usize) << 2), load<u32>(context, slotIdCount) - ids);
  }
  internedRows = rowCount;
  return internDone;
}

function internRow(context: usize, at: usize, end: usize): i32 {
  while (at < end) {
    if (load<u8>(at) != 0x0a) return internMalformed;
    let size: usize = 0;
    let body = at + 1;
    for (let shift: usize = 0; ; shift += 7) {
      if (body >= end || shift > 21) return internMalformed;
      const byte = load<u8>(body) as usize;
      body++;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (size > end - body) return internMalformed;
    const next = body + size;
    const count = load<u32>(context, slotIdCount);
    if (count == load<u32>(context, slotIdCapacity)) return internIdsFull;
    const id = internPair(context, at, (next - at) as u32);
    if (id < 0) return -id;
    store<u32>((load<u32>(context, slotIds) as usize) + ((count as usize) << 2), id as u32);
    store<u32>(context, count + 1, slotIdCount);
    at = next;
  }
  return internDone;
}

function hashPair(pair: usize, size: u32): u64 {
  let hash: u64 = 0x9e3779b97f4a7c15 ^ (size as u64);
  const end = pair + (size as usize);
  for (; pair + 8 <= end; pair += 8) hash = rotl((hash ^ load<u64>(pair)) * 0xff51afd7ed558ccd, 29);
  let rest: u64 = 0;
  for (; pair < end; pair++) rest = (rest << 8) | (load<u8>(pair) as u64);
  hash = (hash ^ rest) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 32);
}

/** The id of the pair, or minus a status. */
function internPair(context: usize, pair: usize, size: u32): i32 {
  const table = load<u32>(context, slotTable) as usize;
  const mask = load<u32>(context, slotTableMask);
  const offsets = load<u32>(context, slotPairOffsets) as usize;
  const bytes = load<u32>(context, slotPairBytes) as usize;
  let slot = (hashPair(pair, size) as u32) & mask;
  for (; ; slot = (slot + 1) & mask) {
    const entry = load<u32>(table + ((slot as usize) << 2));
    if (entry == 0) break;
    const place = offsets + (((entry - 1) as usize) << 2);
    const from = load<u32>(place);
    if (load<u32>(place, 4) - from == size && bytesEqual(bytes + (from as usize), pair, size as usize)) return (entry - 1) as i32;
  }
  const id = load<u32>(context, slotPairCount);
  if (id == load<u32>(context, slotPairCapacity)) return -internTableFull;
  const from = load<u32>(offsets + ((id as usize) << 2));
  if (size > load<u32>(context, slotPairBytesCapacity) - from) return -internBytesFull;
  memory.copy(bytes + (from as usize), pair, size as usize);
  store<u32>(offsets + ((id as usize) << 2), from + size, 4);
  store<u32>(table + ((slot as usize) << 2), id + 1);
  store<u32>(context, id + 1, slotPairCount);
  return id as i32;
}

/** Fills a larger, empty table from the pairs. */
export function codecRehashPairs(context: usize): void {
  const table = load<u32>(context, slotTable) as usize;
  const mask = load<u32>(context, slotTableMask);
  const offsets = load<u32>(context, slotPairOffsets) as usize;
  const bytes = load<u32>(context, slotPairBytes) as usize;
  const count = load<u32>(context, slotPairCount);
  for (let id: u32 = 0; id < count; id++) {
    const from = load<u32>(offsets + ((id as usize) << 2));
    const size = load<u32>(offsets + ((id as usize) << 2), 4) - from;
    let slot = (hashPair(bytes + (from as usize), size) as u32) & mask;
    while (load<u32>(table + ((slot as usize) << 2)) != 0) slot = (slot + 1) & mask;
    store<u32>(table + ((slot as usize) << 2), id + 1);
  }
}

// ---- packing and expanding -------------------------------------------------------------------------------------------------

/**
 * Packs rows of pair ids: varint count of labels, bit mask of the positions whose id differs from that of the row before (8 positions
 * a byte), those ids in `idBytes` bytes each. Returns the size; the caller has made room (5 + count / 8 + 1 + count * 4 per row).
 */
export function codecPackLabelRows(ids: usize, counts: usize, rowCount: u32, idBytes: u32, out: usize): u32 {
  const start = out;
  let previous: usize = 0;
  let previousCount: u32 = 0;
  for (let row: u32 = 0; row < rowCount; row++) {
    const count = load<u32>(counts + ((row as usize) << 2));
    let rest = count;
    for (; rest >= 128; rest >>= 7) store<u8>(out++, (rest & 127) | 128);
    store<u8>(out++, rest);
    const masks = out;
    out += ((count + 7) >> 3) as usize;
    memory.fill(masks, 0, out - masks);
    for (let i: u32 = 0; i < count; i++) {
      const id = load<u32>(ids + ((i as usize) << 2));
      if (i < previousCount && load<u32>(previous + ((i as usize) << 2)) == id) continue;
      const mask = masks + ((i >> 3) as usize);
      store<u8>(mask, ((load<u8>(mask) as u32) | ((1 as u32) << (i & 7))) as u8);
      for (let k: u32 = 0; k < idBytes; k++) store<u8>(out++, id >> (k << 3));
    }
    previous = ids;
    previousCount = count;
    ids += (count as usize) << 2;
  }
  return (out - start) as u32;
}

/**
 * The reverse: reads exactly `rowCount` rows in [source, source + size) and writes their pair ids to `ids` (room for `idCapacity`) and
 * counts to `counts`. Returns the number of ids, or -1 if the rows are malformed or name a pair that is not below `pairCount`.
 */
export function codecUnpackLabelRows(source: usize, size: u32, rowCount: u32, idBytes: u32, pairCount: u32, ids: usize, idCapacity: u32, counts: usize): i32 {
  const end = source + (size as usize);
  let total: u32 = 0;
  let previousCount: u32 = 0;
  for (let row: u32 = 0; row < rowCount; row++) {
    let count: u32 = 0;
    for (let shift: u32 = 0; ; shift += 7) {
      if (source >= end || shift > 21) return -1;
      const byte = load<u8>(source++) as u32;
      count |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    const masks = source;
    const maskBytes = ((count + 7) >> 3) as usize;
    if (maskBytes > end - source || count > idCapacity - total) return -1;
    source += maskBytes;
    const target = ids + ((total as usize) << 2);
    const previous = target - ((previousCount as usize) << 2);
    for (let i: u32 = 0; i < count; i++) {
      let id: u32 = 0;
      if ((((load<u8>(masks + ((i >> 3) as usize)) as u32) >> (i & 7)) & 1) != 0) {
        if ((idBytes as usize) > end - source) return -1;
        for (let k: u32 = 0; k < idBytes; k++) id |= (load<u8>(source++) as u32) << (k << 3);
        if (id >= pairCount) return -1;
      } else {
        if (i >= previousCount) return -1;
        id = load<u32>(previous + ((i as usize) << 2));
      }
      store<u32>(target + ((i as usize) << 2), id);
    }
    store<u32>(counts + ((row as usize) << 2), count);
    total += count;
    previousCount = count;
  }
  return source == end ? (total as i32) : -1;
}

/**
 * Writes the label runs of rows of valid pair ids one after the other to `out`, and their offsets (rowCount + 1 u32). Pair p is bytes
 * [pairOffsets[p], pairOffsets[p + 1]) of `pairBytes`. Returns the size; with `out` 0 it only measures, and stops above 2^31 - 1 (returns -1).
 */
export function codecExpandLabelRows(ids: usize, counts: usize, rowCount: u32, pairOffsets: usize, pairBytes: usize, offsets: usize, out: usize): i32 {
  let size: u64 = 0;
  for (let row: u32 = 0; row < rowCount; row++) {
    store<u32>(offsets + ((row as usize) << 2), size as u32);
    const end = ids + ((load<u32>(counts + ((row as usize) << 2)) as usize) << 2);
    for (; ids < end; ids += 4) {
      const place = pairOffsets + ((load<u32>(ids) as usize) << 2);
      const from = load<u32>(place);
      const pairSize = load<u32>(place, 4) - from;
      if (out != 0) memory.copy(out + (size as usize), pairBytes + (from as usize), pairSize as usize);
      size += pairSize as u64;
    }
    if (size > 0x7fffffff) return -1;
  }
  store<u32>(offsets + ((rowCount as usize) << 2), size as u32);
  return size as i32;
}
