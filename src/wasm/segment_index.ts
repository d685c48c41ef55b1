// Searches in index segments (docs/formats/partition_index.md): decoded postings to bitmaps and lists, questions to the rows of a group, and series of
// several sources joined by their fingerprints.
//
// Rows of a group are the pair ids of up to 4096 series one after the other (`ids`), row r of the group at [offsets[r], offsets[r + 1]). Lists are ascending
// numbers of rows of the whole segment; `groupFrom` is the number of the group's first row, and all rows of a list lie in the group.

/** Turns the labels of each of `count` rows (n u32, room for one more) into where each row begins, in place. */
export function segmentRowOffsets(counts: usize, count: u32): void {
  let total: u32 = 0;
  for (let i: usize = 0; i < (count as usize); i++) {
    const own = load<u32>(counts + (i << 2));
    store<u32>(counts + (i << 2), total);
    total += own;
  }
  store<u32>(counts + ((count as usize) << 2), total);
}

/** Sets the bits of `count` decoded row numbers (doubles, untrusted). Returns 0, or -1 if one is not the number of a row. */
export function segmentRowsToBitmap(rows: usize, count: u32, rowCount: u32, bitmap: usize): i32 {
  for (let i: usize = 0; i < (count as usize); i++) {
    const value = load<f64>(rows + (i << 3));
    if (!(value >= 0 && value < (rowCount as f64))) return -1;
    const row = value as u32;
    const word = bitmap + ((row >> 5) << 2);
    store<u32>(word, load<u32>(word) | ((1 as u32) << (row & 31)));
  }
  return 0;
}

/** Writes `count` decoded row numbers (doubles, untrusted) as u32. Returns 0, or -1 if they are not ascending row numbers from `minimum` on. */
export function segmentRowsToList(rows: usize, count: u32, minimum: f64, rowCount: u32, target: usize): i32 {
  let next = minimum;
  for (let i: usize = 0; i < (count as usize); i++) {
    const value = load<f64>(rows + (i << 3));
    if (!(value >= next && value < (rowCount as f64))) return -1;
    store<u32>(target + (i << 2), value as u32);
    next = value + 1;
  }
  return 0;
}

@inline
function hasBit(bitmap: usize, bit: u32): bool {
  return ((load<u32>(bitmap + ((bit >> 5) << 2)) >> (bit & 31)) & 1) != 0;
}

@inline
function hasPair(ids: usize, offsets: usize, row: u32, pairBitmap: usize): bool {
  const place = offsets + ((row as usize) << 2);
  const end = ids + ((load<u32>(place, 4) as usize) << 2);
  for (let at = ids + ((load<u32>(place) as usize) << 2); at < end; at += 4) if (hasBit(pairBitmap, load<u32>(at))) return true;
  return false;
}

/** Keeps the rows of a list that have (or have not) one of the pairs; returns how many. `target` may be `list`. */
export function segmentFilterRows(ids: usize, offsets: usize, groupFrom: u32, list: usize, count: u32, pairBitmap: usize, wanted: u32, target: usize): u32 {
  let kept: usize = 0;
  for (let i: usize = 0; i < (count as usize); i++) {
    const row = load<u32>(list + (i << 2));
    store<u32>(target + (kept << 2), row);
    kept += (hasPair(ids, offsets, row - groupFrom, pairBitmap) as u32) == wanted ? 1 : 0;
  }
  return kept as u32;
}

/** Sets the bits of the `rowCount` rows of the group that have one of the pairs. */
export function segmentScanRows(ids: usize, offsets: usize, groupFrom: u32, rowCount: u32, pairBitmap: usize, bitmap: usize): void {
  for (let row: u32 = 0; row < rowCount; row++) {
    if (!hasPair(ids, offsets, row, pairBitmap)) continue;
    const word = bitmap + (((groupFrom + row) >> 5) << 2);
    store<u32>(word, load<u32>(word) | ((1 as u32) << ((groupFrom + row) & 31)));
  }
}

/** Sets the bits of all pairs of the rows of a list. */
export function segmentCollectPairs(ids: usize, offsets: usize, groupFrom: u32, list: usize, count: u32, pairBitmap: usize): void {
  for (let i: usize = 0; i < (count as usize); i++) {
    const place = offsets + (((load<u32>(list + (i << 2)) - groupFrom) as usize) << 2);
    const end = ids + ((load<u32>(place, 4) as usize) << 2);
    for (let at = ids + ((load<u32>(place) as usize) << 2); at < end; at += 4) {
      const pair = load<u32>(at);
      const word = pairBitmap + ((pair >> 5) << 2);
      store<u32>(word, load<u32>(word) | ((1 as u32) << (pair & 31)));
    }
  }
}

/** Copies the pair ids of the rows of a list one after the other, and the number of each row's. Returns the number of ids. */
export function segmentGatherRows(ids: usize, offsets: usize, groupFrom: u32, list: usize, count: u32, idsTarget: usize, countsTarget: usize): u32 {
  let total: usize = 0;
  for (let i: usize = 0; i < (count as usize); i++) {
    const place = offsets + (((load<u32>(list + (i << 2)) - groupFrom) as usize) << 2);
    const from = load<u32>(place) as usize;
    const size = (load<u32>(place, 4) as usize) - from;
    memory.copy(idsTarget + (total << 2), ids + (from << 2), size << 2);
    store<u32>(countsTarget + (i << 2), size as u32);
    total += size;
  }
  return total as u32;
}

/**
 * For each of `count` fingerprints (16 bytes each) the position of the first one that is equal. `table` has mask + 1 cleared u32, at least twice `count`.
 * Returns the number of different ones.
 */
export function segmentJoin(fingerprints: usize, count: u32, table: usize, mask: u32, leaders: usize): u32 {
  let different: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const own = fingerprints + ((i as usize) << 4);
    const low = load<u64>(own);
    let slot = ((low >> 32) as u32) & mask;
    let leader = i;
    for (; ; slot = (slot + 1) & mask) {
      const entry = load<u32>(table + ((slot as usize) << 2));
      if (entry == 0) {
        store<u32>(table + ((slot as usize) << 2), i + 1);
        different++;
        break;
      }
      const other = fingerprints + (((entry - 1) as usize) << 4);
      if (load<u64>(other) == low && load<u64>(other, 8) == load<u64>(own, 8)) {
        leader = entry - 1;
        break;
      }
    }
    store<u32>(leaders + ((i as usize) << 2), leader);
  }
  return different;
}
