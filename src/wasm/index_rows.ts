// Rows of pair ids to the parts of an index segment (docs/formats/partition_index.md): pairs numbered anew, their strings sorted, postings. Used by the
// storage thread in its own memory, on ids and keys that it copied out of the live index (wasm/postings.ts). What must come out of it says
// IndexSegmentWriter (storage/partition_index_writer.ts), the plain writer of the same bytes.
//
//   string entry (24 bytes)   u64 first 8 bytes, big-endian, padded with zeros | u32 offset, u32 size in the keys | u32 owner | u32 0
//   owner                     p: the value of pair p; pairCount + n: the name n (names are numbered as they occur)
//
// A key is the inner Label message of a pair: 0x0a, varint size, name, 0x12, varint size, value.

import { codecEncode } from "./codec";

const entryBytes: usize = 24;
const blockSamples: u32 = 8192;

/** Numbers ids as they occur: `ids` are replaced; `numbers` holds number + 1 by id (0: new), `used` the id by number. Returns how many are in use. */
export function indexRowsNumber(ids: usize, count: u32, numbers: usize, used: usize, usedCount: u32): u32 {
  const end = ids + ((count as usize) << 2);
  for (; ids < end; ids += 4) {
    const id = load<u32>(ids);
    const at = numbers + ((id as usize) << 2);
    let number = load<u32>(at);
    if (number == 0) {
      store<u32>(used + ((usedCount as usize) << 2), id);
      number = ++usedCount;
      store<u32>(at, number);
    }
    store<u32>(ids, number - 1);
  }
  return usedCount;
}

/** Replaces ids by what stands for them in `map`. */
export function indexRowsMap(ids: usize, count: u32, map: usize): void {
  const end = ids + ((count as usize) << 2);
  for (; ids < end; ids += 4) store<u32>(ids, load<u32>(map + ((load<u32>(ids) as usize) << 2)));
}

// Second result of readSize: what comes behind the number.
let sizeEnd: usize = 0;

@inline
function readSize(position: usize): u32 {
  let value: u32 = 0;
  for (let shift: u32 = 0; shift < 35; shift += 7) {
    const byte = load<u8>(position++) as u32;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  sizeEnd = position;
  return value;
}

@inline
function bigEndian(word: u64): u64 {
  return bswap<u64>(word);
}

/** The first 8 bytes, big-endian; zeros where the string is shorter. Reads up to 7 bytes behind it. */
@inline
function prefixOf(string: usize, size: u32): u64 {
  if (size == 0) return 0;
  const word = bigEndian(load<u64>(string));
  return size >= 8 ? word : word & (~(0 as u64) << ((8 - size) << 3));
}

@inline
function storeEntry(entry: usize, keys: usize, string: usize, size: u32, owner: u32): void {
  store<u64>(entry, prefixOf(string, size));
  store<u32>(entry, (string - keys) as u32, 8);
  store<u32>(entry, size, 12);
  store<u64>(entry, owner as u64, 16);
}

/**
 * Makes the entries of all names and values of pairs: key p, which is whole, begins at offsets[p] of `keys` (8 spare bytes behind), its name has the id
 * names[p], which is replaced by the name's number. `nameNumbers` holds number + 1 by name id and is clear. Returns the number of entries.
 */
export function indexRowsStrings(keys: usize, offsets: usize, pairCount: u32, names: usize, nameNumbers: usize, entries: usize): u32 {
  let entry = entries;
  let nameCount: u32 = 0;
  for (let pair: u32 = 0; pair < pairCount; pair++) {
    const key = keys + load<u32>(offsets + ((pair as usize) << 2));
    const nameSize = readSize(key + 1);
    const name = sizeEnd;
    const valueSize = readSize(name + nameSize + 1);
    storeEntry(entry, keys, sizeEnd, valueSize, pair);
    entry += entryBytes;
    const nameAt = names + ((pair as usize) << 2);
    const numberAt = nameNumbers + ((load<u32>(nameAt) as usize) << 2);
    let number = load<u32>(numberAt);
    if (number == 0) {
      number = ++nameCount;
      store<u32>(numberAt, number);
      storeEntry(entry, keys, name, nameSize, pairCount + number - 1);
      entry += entryBytes;
    }
    store<u32>(nameAt, number - 1);
  }
  return ((entry - entries) / entryBytes) as u32;
}

/** Bytes that two strings share at their beginning. */
@inline
function sharedSize(left: usize, right: usize, size: u32): u32 {
  let i: u32 = 0;
  for (; i + 8 <= size; i += 8) {
    const difference = load<u64>(left + i) ^ load<u64>(right + i);
    if (difference != 0) return i + ((ctz<u64>(difference) >> 3) as u32);
  }
  while (i < size && load<u8>(left + i) == load<u8>(right + i)) i++;
  return i;
}

/** Whether the string of entry `left` comes before that of `right`, or is the same. */
@inline
function isInOrder(keys: usize, left: usize, right: usize): bool {
  const leftPrefix = load<u64>(left);
  const rightPrefix = load<u64>(right);
  if (leftPrefix != rightPrefix) return leftPrefix < rightPrefix;
  return isTailInOrder(keys, left, right);
}

function isTailInOrder(keys: usize, left: usize, right: usize): bool {
  const leftSize = load<u32>(left, 12);
  const rightSize = load<u32>(right, 12);
  const common = min<u32>(leftSize, rightSize);
  if (common > 8) {
    const leftString = keys + load<u32>(left, 8);
    const rightString = keys + load<u32>(right, 8);
    const shared = sharedSize(leftString + 8, rightString + 8, common - 8) + 8;
    if (shared < common) return load<u8>(leftString + shared) < load<u8>(rightString + shared);
  }
  return leftSize <= rightSize;
}

@inline
function copyEntry(target: usize, source: usize): void {
  v128.store(target, v128.load(source));
  store<u64>(target, load<u64>(source, 16), 16);
}

/**
 * One pass of a stable merge sort: merges neighbouring runs of `width` entries from `source` to `target`, for entries [from, to), `from` a multiple
 * of 2 * width.
 */
export function indexRowsMergePass(keys: usize, source: usize, target: usize, from: u32, to: u32, count: u32, width: u32): void {
  for (let begin = from; begin < to; begin += 2 * width) {
    const middle = min<u32>(begin + width, count);
    const stop = min<u32>(middle + width, count);
    let left = source + (begin as usize) * entryBytes;
    const leftEnd = source + (middle as usize) * entryBytes;
    let right = leftEnd;
    const rightEnd = source + (stop as usize) * entryBytes;
    let out = target + (begin as usize) * entryBytes;
    if (right < rightEnd && !isInOrder(keys, leftEnd - entryBytes, right)) {
      while (left < leftEnd && right < rightEnd) {
        if (isInOrder(keys, left, right)) {
          copyEntry(out, left);
          left += entryBytes;
        } else {
          copyEntry(out, right);
          right += entryBytes;
        }
        out += entryBytes;
      }
    }
    memory.copy(out, left, leftEnd - left);
    memory.copy(out + (leftEnd - left), right, rightEnd - right);
  }
}

// Second result of indexRowsNumberStrings: bytes written to `suffixes`.
let suffixBytes: u32 = 0;

export function indexRowsSuffixBytes(): u32 {
  return suffixBytes;
}

/**
 * Numbers the distinct strings of sorted entries: the number goes to numbers[owner], the bytes shared with the string before and the bytes of its own to
 * `shared` and `own` (doubles), the own bytes to `suffixes`. Returns how many there are.
 */
export function indexRowsNumberStrings(keys: usize, entries: usize, count: u32, numbers: usize, shared: usize, own: usize, suffixes: usize): u32 {
  let stringCount: u32 = 0;
  let before: usize = 0;
  const start = suffixes;
  for (let i: u32 = 0; i < count; i++) {
    const entry = entries + (i as usize) * entryBytes;
    const string = keys + load<u32>(entry, 8);
    const size = load<u32>(entry, 12);
    let same: u32 = 0;
    let beforeSize: u32 = 0;
    if (before != 0) {
      beforeSize = load<u32>(before, 12);
      same = sharedSize(keys + load<u32>(before, 8), string, min<u32>(beforeSize, size));
    }
    if (before == 0 || same != size || beforeSize != size) {
      store<f64>(shared + ((stringCount as usize) << 3), same as f64);
      store<f64>(own + ((stringCount as usize) << 3), (size - same) as f64);
      memory.copy(suffixes, string + same, size - same);
      suffixes += size - same;
      stringCount++;
      before = entry;
    }
    store<u32>(numbers + ((load<u32>(entry, 16) as usize) << 2), stringCount - 1);
  }
  suffixBytes = (suffixes - start) as u32;
  return stringCount;
}

/**
 * Sorts the pairs by name and value: `ranks` gets the place of each pair, `nameStrings` and `valueStrings` (doubles) the numbers of its strings by
 * place. `names` are the numbers of the pairs' names; `places` is scratch of 8 bytes for each of the nameCount names.
 */
export function indexRowsRankPairs(
  entries: usize, entryCount: u32, pairCount: u32, names: usize, nameCount: u32, numbers: usize, ranks: usize, nameStrings: usize, valueStrings: usize, places: usize,
): void {
  const counts = places + ((nameCount as usize) << 2);
  memory.fill(counts, 0, (nameCount as usize) << 2);
  for (let pair: u32 = 0; pair < pairCount; pair++) {
    const count = counts + ((load<u32>(names + ((pair as usize) << 2)) as usize) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
  let place: u32 = 0;
  for (let i: u32 = 0; i < entryCount; i++) {
    const owner = load<u32>(entries + (i as usize) * entryBytes, 16);
    if (owner < pairCount) continue;
    store<u32>(places + (((owner - pairCount) as usize) << 2), place);
    place += load<u32>(counts + (((owner - pairCount) as usize) << 2));
  }
  for (let i: u32 = 0; i < entryCount; i++) {
    const pair = load<u32>(entries + (i as usize) * entryBytes, 16);
    if (pair >= pairCount) continue;
    const name = load<u32>(names + ((pair as usize) << 2));
    const at = places + ((name as usize) << 2);
    const rank = load<u32>(at);
    store<u32>(at, rank + 1);
    store<u32>(ranks + ((pair as usize) << 2), rank);
    store<f64>(nameStrings + ((rank as usize) << 3), load<u32>(numbers + (((pairCount + name) as usize) << 2)) as f64);
    store<f64>(valueStrings + ((rank as usize) << 3), load<u32>(numbers + ((pair as usize) << 2)) as f64);
  }
}

/** Adds the ids to the counts of their pairs. */
export function indexRowsCountIds(ids: usize, count: u32, counts: usize): void {
  const end = ids + ((count as usize) << 2);
  for (; ids < end; ids += 4) {
    const at = counts + ((load<u32>(ids) as usize) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
}

/** Writes where the list of each pair begins, which is what indexRowsInvert moves on. */
export function indexRowsPlaces(counts: usize, pairCount: u32, places: usize): void {
  let place: u32 = 0;
  for (let pair: u32 = 0; pair < pairCount; pair++) {
    store<u32>(places + ((pair as usize) << 2), place);
    place += load<u32>(counts + ((pair as usize) << 2));
  }
}

/** Writes the rows [rowFrom, rowTo) to the lists of their pairs; `ids` and `idCounts` are those of these rows. */
export function indexRowsInvert(ids: usize, idCounts: usize, rowFrom: u32, rowTo: u32, places: usize, postings: usize): void {
  for (let row = rowFrom; row < rowTo; row++) {
    const end = ids + ((load<u32>(idCounts + (((row - rowFrom) as usize) << 2)) as usize) << 2);
    for (; ids < end; ids += 4) {
      const at = places + ((load<u32>(ids) as usize) << 2);
      const place = load<u32>(at);
      store<u32>(at, place + 1);
      store<u32>(postings + ((place as usize) << 2), row);
    }
  }
}

// Second result of indexRowsEncodePostings: bytes written.
let postingBytes: u32 = 0;

export function indexRowsPostingBytes(): u32 {
  return postingBytes;
}

/**
 * Encodes the lists of pairs from `pairFrom` on, list by list, until `capacity` bytes may be exceeded (12 bytes for each row of a list and 140 for each
 * 8192). `postings` is where the first of them begins. Writes the number of rows and bytes of each list (doubles, by pair); `staging` has
 * room for 8192 doubles. Returns the pair it stopped at.
 */
export function indexRowsEncodePostings(
  counts: usize, pairFrom: u32, pairCount: u32, postings: usize, out: usize, capacity: u32, rowCounts: usize, sizes: usize, staging: usize, scratch: usize,
): u32 {
  const start = out;
  let pair = pairFrom;
  for (; pair < pairCount; pair++) {
    const count = load<u32>(counts + ((pair as usize) << 2));
    const worst = (count as u64) * 12 + ((count / blockSamples + 1) as u64) * 140;
    if (((out - start) as u64) + worst > (capacity as u64)) break;
    const listStart = out;
    for (let from: u32 = 0; from < count; from += blockSamples) {
      const some = min<u32>(count - from, blockSamples);
      for (let i: u32 = 0; i < some; i++) store<f64>(staging + ((i as usize) << 3), load<u32>(postings + ((i as usize) << 2)) as f64);
      postings += (some as usize) << 2;
      if (count <= blockSamples) {
        out += codecEncode(staging, some as i32, 0, out, scratch) as usize;
        continue;
      }
      // Only lists of several chunks need their sizes: written behind a gap, then moved to it.
      const size = codecEncode(staging, some as i32, 0, out + 8, scratch) as u32;
      const body = out + 8;
      let rest = size;
      for (; rest >= 128; rest >>= 7) store<u8>(out++, (rest & 127) | 128);
      store<u8>(out++, rest);
      memory.copy(out, body, size);
      out += size;
    }
    store<f64>(rowCounts + ((pair as usize) << 3), count as f64);
    store<f64>(sizes + ((pair as usize) << 3), (out - listStart) as f64);
  }
  postingBytes = (out - start) as u32;
  return pair;
}
