// The live series index: label pairs -> postings, series -> row of pair ids. One writer thread; others read rows, strings and
// pair states of series they were told about. State lives at a context pointer (fields below); every area is reserved by the
// caller (kernel/postings.ts) at its final size. The twin is kernel/postings_reference.ts.
//
// A pair is identified by its key: the inner Label message (name and value). The tenant is a hidden pair: the key leaves the
// name out (0x12 0x08 accountId projectId), which no label run can contain.
//
// Pair table (and name table): open addressing, slot u64 = hash << 32 | id + 1. The home slot is made of the top bits of the
// hash, so that doubling copies slots in order from one area to the other and never looks at keys.
//
// Posting of a pair: the first series stands in the pair state, the others as gaps in a chain of chunks:
//
//   chunk   u32 link of the next chunk, then codes; unused bytes at the end are zero. Sizes 16 16 32 32 ... 1024.
//   link    offset in the chunk arena (multiple of 16) | size class of the chunk there; 0 is none
//   code    varint gap (>= 1)  |  0x00 u16 count: the gap before that many times more (senders keep their order: the series
//           of a target come one after the other, those of a metric at equal distances)
//
// Row of a series: varints of pair ids in [rowOffset[i], rowOffset[i + 1]): the tenant, then the labels in order of the run.

const seriesMaxField: usize = 0;
const seriesCountField: usize = 4;
const seedField: usize = 8; // u64
const pairTableField: usize = 16; // table: u32 areaA, u32 areaB, u32 bits, u32 bitsMax
const nameTableField: usize = 32;
const pairStatesField: usize = 48;
const pairCountField: usize = 52;
const pairMaxField: usize = 56;
const nameStatesField: usize = 60;
const nameCountField: usize = 64;
const nameMaxField: usize = 68;
const stringsField: usize = 72;
const stringsSizeField: usize = 76;
const stringsMaxField: usize = 80;
const rowsField: usize = 84;
const rowsSizeField: usize = 88;
const rowsMaxField: usize = 92;
const rowOffsetsField: usize = 96;
const chunksField: usize = 100;
const chunksSizeField: usize = 104;
const chunksMaxField: usize = 108;
const daysField: usize = 112;
const changesField: usize = 116; // grows with every series and every day
const tenantKeyField: usize = 128; // 10 bytes

// Pair state, 44 bytes. Name state, 16 bytes, begins with the same two fields.
const pairStateBytes: usize = 44;
const keyOffset: usize = 0;
const keySize: usize = 4;
const pairName: usize = 8;
const pairPrevious: usize = 12; // id + 1 of the pair of the same name registered before
const pairSeriesCount: usize = 16;
const pairFirst: usize = 20;
const pairLast: usize = 24;
const pairHead: usize = 28; // link
const pairTail: usize = 32; // where the next code goes, offset in the chunk arena
const pairTailFree: usize = 36; // u16 bytes left in the last chunk
const pairRepeats: usize = 38; // u8: how many codes at the end repeat the gap before them (0..2), 3: the last code is a run
const pairClass: usize = 39; // u8: size class of the last chunk
const pairGap: usize = 40; // the last gap
const nameStateBytes: usize = 16;
const nameLastPair: usize = 8; // id + 1
const namePairCount: usize = 12;

const classMax: u32 = 12;
const chunkBytesMax: u32 = 1024;
const inRun: u32 = 3;

// Answers of indexAddSeries.
const errorSeries: i32 = -1;
const errorOrder: i32 = -2;
const errorPairs: i32 = -3;
const errorStrings: i32 = -4;
const errorRows: i32 = -5;
const errorChunks: i32 = -6;
const errorNames: i32 = -7;
const errorLabels: i32 = -8;

const none: i32 = -1;

// ---- keys -------------------------------------------------------------------------------------------------------------

// Chain of 32 x 32 -> 64 bit products of state and input: without the seed no two inputs are known to collide.
@inline function mixWord(state: u64, word: u64): u64 {
  const x = state ^ word;
  return rotl<u64>((x & 0xffffffff) * (x >> 32) + 0x9e3779b97f4a7c15, 24) + x;
}

function hashKey(seed: u64, key: usize, size: u32): u32 {
  let state = seed ^ ((size as u64) * 0xc2b2ae3d27d4eb4f);
  if (size >= 8) {
    const last = key + size - 8;
    for (; key < last; key += 8) state = mixWord(state, load<u64>(key));
    state = mixWord(state, load<u64>(last));
  } else {
    let word: u64 = 0;
    for (let i: u32 = 0; i < size; i++) word |= (load<u8>(key + i) as u64) << (i << 3);
    state = mixWord(state, word);
  }
  state = mixWord(state, rotl<u64>(seed, 32));
  state *= 0x9e3779b97f4a7c15;
  return (state >> 32) as u32;
}

@inline function keysEqual(left: usize, right: usize, size: u32): bool {
  if (size < 8) {
    for (let i: u32 = 0; i < size; i++) if (load<u8>(left + i) != load<u8>(right + i)) return false;
    return true;
  }
  let i: u32 = 0;
  for (; i + 16 <= size; i += 16) {
    if (v128.any_true(v128.xor(v128.load(left + i), v128.load(right + i)))) return false;
  }
  if (i + 8 < size && load<u64>(left + i) != load<u64>(right + i)) return false;
  return load<u64>(left + size - 8) == load<u64>(right + size - 8);
}

// ---- tables of keys ---------------------------------------------------------------------------------------------------

@inline function tableArea(table: usize, bits: u32): usize {
  return (load<u32>(table, 12) - bits) & 1 ? load<u32>(table, 4) : load<u32>(table);
}

@inline function tableHome(hash: u32, bits: u32): u32 {
  return hash >> (32 - bits);
}

function tableFind(context: usize, table: usize, states: usize, stateBytes: usize, hash: u32, key: usize, size: u32): i32 {
  const bits = load<u32>(table, 8);
  const mask = ((1 as u32) << bits) - 1;
  const area = tableArea(table, bits);
  const strings: usize = load<u32>(context, stringsField);
  let slot = tableHome(hash, bits);
  while (true) {
    const entry = load<u64>(area + ((slot as usize) << 3));
    if (entry == 0) return none;
    if (((entry >> 32) as u32) == hash) {
      const id = (entry as u32) - 1;
      const state = states + (id as usize) * stateBytes;
      if (load<u32>(state, keySize) == size && keysEqual(strings + load<u32>(state, keyOffset), key, size)) return id as i32;
    }
    slot = (slot + 1) & mask;
  }
}

@inline function tablePut(area: usize, bits: u32, entry: u64): void {
  const mask = ((1 as u32) << bits) - 1;
  let slot = tableHome((entry >> 32) as u32, bits);
  while (load<u64>(area + ((slot as usize) << 3)) != 0) slot = (slot + 1) & mask;
  store<u64>(area + ((slot as usize) << 3), entry);
}

function tableGrow(table: usize): void {
  const bits = load<u32>(table, 8);
  const source = tableArea(table, bits);
  const target = tableArea(table, bits + 1);
  memory.fill(target, 0, (16 as usize) << bits);
  const end = source + ((8 as usize) << bits);
  for (let slot = source; slot < end; slot += 8) {
    const entry = load<u64>(slot);
    if (entry != 0) tablePut(target, bits + 1, entry);
  }
  store<u32>(table, bits + 1, 8);
}

// Adds a key that is not there; `count` is the number of keys before. At most 3/4 of the slots are used.
function tableAdd(table: usize, count: u32, hash: u32): void {
  let bits = load<u32>(table, 8);
  if ((count as u64) * 4 >= ((3 as u64) << bits)) {
    tableGrow(table);
    bits++;
  }
  tablePut(tableArea(table, bits), bits, ((hash as u64) << 32) | (count + 1));
}

// ---- registration -----------------------------------------------------------------------------------------------------

// Extra return value of readVarint: where it ended; 0 if it did not fit below `end`.
let varintEnd: usize = 0;

@inline function readVarint(position: usize, end: usize): u32 {
  let value: u32 = 0;
  let shift: u32 = 0;
  varintEnd = 0;
  while (position < end && shift < 35) {
    const byte = load<u8>(position++) as u32;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      varintEnd = position;
      break;
    }
    shift += 7;
  }
  return value;
}

@inline function writeVarint(target: usize, value: u32): usize {
  while (value >= 128) {
    store<u8>(target++, value | 128);
    value >>= 7;
  }
  store<u8>(target++, value);
  return target;
}

// Number of labels of a run, or -1 unless it consists of whole Label messages of a name and a value.
function countLabels(run: usize, end: usize): i32 {
  let count: i32 = 0;
  while (run < end) {
    if (load<u8>(run) != 0x0a) return -1;
    const size = readVarint(run + 1, end);
    if (varintEnd == 0 || (size as usize) > end - varintEnd) return -1;
    run = varintEnd;
    const labelEnd = run + size;
    if (run >= labelEnd || load<u8>(run) != 0x0a) return -1;
    const nameSize = readVarint(run + 1, labelEnd);
    if (varintEnd == 0 || (nameSize as usize) >= labelEnd - varintEnd) return -1;
    run = varintEnd + nameSize;
    if (load<u8>(run) != 0x12) return -1;
    const valueSize = readVarint(run + 1, labelEnd);
    if (varintEnd == 0 || (valueSize as usize) != labelEnd - varintEnd) return -1;
    run = labelEnd;
    count++;
  }
  return count;
}

// The id of a label name, made if new. The key was just stored in the string arena; the tenant has the reserved name 0.
function nameOf(context: usize, key: usize): u32 {
  if (load<u8>(key) != 0x0a) return 0;
  const size = readVarint(key + 1, key + 6);
  const name = varintEnd;
  const hash = hashKey(load<u64>(context, seedField), name, size);
  const table = context + nameTableField;
  const states: usize = load<u32>(context, nameStatesField);
  const found = tableFind(context, table, states, nameStateBytes, hash, name, size);
  if (found >= 0) return found as u32;
  const id = load<u32>(context, nameCountField);
  const state = states + (id as usize) * nameStateBytes;
  store<u32>(state, (name - load<u32>(context, stringsField)) as u32, keyOffset);
  store<u32>(state, size, keySize);
  store<u32>(state, 0, nameLastPair);
  store<u32>(state, 0, namePairCount);
  tableAdd(table, id, hash);
  store<u32>(context, id + 1, nameCountField);
  return id;
}

// The id of a pair, made if new. There is space: the caller has checked the worst case.
function pairOf(context: usize, key: usize, size: u32): u32 {
  const hash = hashKey(load<u64>(context, seedField), key, size);
  const table = context + pairTableField;
  const states: usize = load<u32>(context, pairStatesField);
  const found = tableFind(context, table, states, pairStateBytes, hash, key, size);
  if (found >= 0) return found as u32;
  const id = load<u32>(context, pairCountField);
  const offset = load<u32>(context, stringsSizeField);
  const stored: usize = (load<u32>(context, stringsField) as usize) + offset;
  memory.copy(stored, key, size);
  store<u32>(context, offset + size, stringsSizeField);
  const name = nameOf(context, stored);
  const nameState: usize = (load<u32>(context, nameStatesField) as usize) + (name as usize) * nameStateBytes;
  const state = states + (id as usize) * pairStateBytes;
  memory.fill(state, 0, pairStateBytes);
  store<u32>(state, offset, keyOffset);
  store<u32>(state, size, keySize);
  store<u32>(state, name, pairName);
  store<u32>(state, load<u32>(nameState, nameLastPair), pairPrevious);
  store<u32>(nameState, id + 1, nameLastPair);
  store<u32>(nameState, load<u32>(nameState, namePairCount) + 1, namePairCount);
  tableAdd(table, id, hash);
  store<u32>(context, id + 1, pairCountField);
  return id;
}

@inline function chunkBytes(sizeClass: u32): u32 {
  return (16 as u32) << (sizeClass >> 1);
}

// Makes the next chunk of a posting and links it behind the last one.
function addChunk(context: usize, state: usize): void {
  const chunks: usize = load<u32>(context, chunksField);
  const head = load<u32>(state, pairHead);
  let sizeClass: u32 = 0;
  if (head != 0) {
    sizeClass = load<u8>(state, pairClass) as u32;
    const lastBytes = chunkBytes(sizeClass);
    const lastChunk = load<u32>(state, pairTail) + (load<u16>(state, pairTailFree) as u32) - lastBytes;
    if (sizeClass < classMax) sizeClass++;
    store<u32>(chunks + lastChunk, load<u32>(context, chunksSizeField) | sizeClass);
  }
  const offset = load<u32>(context, chunksSizeField);
  const bytes = chunkBytes(sizeClass);
  memory.fill(chunks + offset, 0, bytes);
  if (head == 0) store<u32>(state, offset | sizeClass, pairHead);
  store<u32>(state, offset + 4, pairTail);
  store<u16>(state, bytes - 4, pairTailFree);
  store<u8>(state, 0, pairRepeats);
  store<u8>(state, sizeClass, pairClass);
  store<u32>(context, offset + bytes, chunksSizeField);
}

// The gap is the one before: counts up the run at the end, or makes a run of the codes at the end that repeat the gap as soon
// as that is not longer. False: write a code.
@inline function extendRun(context: usize, state: usize, gapSize: u32): bool {
  const repeats = load<u8>(state, pairRepeats) as u32;
  const tail = load<u32>(state, pairTail);
  const end: usize = (load<u32>(context, chunksField) as usize) + tail;
  if (repeats == inRun) {
    const run = load<u16>(end - 2) as u32;
    if (run == 0xffff) return false;
    store<u16>(end - 2, run + 1);
    return true;
  }
  const codesSize = repeats * gapSize;
  const space = (load<u16>(state, pairTailFree) as u32) + codesSize;
  if (codesSize + gapSize < 3 || space < 3) return false;
  const run = end - codesSize;
  store<u8>(run, 0);
  store<u16>(run, repeats + 1, 1);
  store<u32>(state, tail - codesSize + 3, pairTail);
  store<u16>(state, space - 3, pairTailFree);
  store<u8>(state, inRun, pairRepeats);
  return true;
}

function addPosting(context: usize, pair: u32, seriesIndex: u32): void {
  const state: usize = (load<u32>(context, pairStatesField) as usize) + (pair as usize) * pairStateBytes;
  const count = load<u32>(state, pairSeriesCount);
  if (count == 0) {
    store<u32>(state, seriesIndex, pairFirst);
  } else {
    const gap = seriesIndex - load<u32>(state, pairLast);
    if (gap == 0) return; // the same pair twice in one run
    const size: u32 = gap < 128 ? 1 : gap < 16384 ? 2 : gap < 2097152 ? 3 : gap < 268435456 ? 4 : 5;
    const isRepeated = gap == load<u32>(state, pairGap);
    if (!isRepeated || !extendRun(context, state, size)) {
      if ((load<u16>(state, pairTailFree) as u32) < size) addChunk(context, state);
      const tail = load<u32>(state, pairTail);
      writeVarint((load<u32>(context, chunksField) as usize) + tail, gap);
      const repeats = load<u8>(state, pairRepeats) as u32;
      store<u32>(state, tail + size, pairTail);
      store<u16>(state, (load<u16>(state, pairTailFree) as u32) - size, pairTailFree);
      store<u8>(state, isRepeated ? (repeats == inRun ? 1 : min<u32>(repeats + 1, 2)) : 0, pairRepeats);
      store<u32>(state, gap, pairGap);
    }
  }
  store<u32>(state, seriesIndex, pairLast);
  store<u32>(state, count + 1, pairSeriesCount);
}

// 0, or the error that registering a series of so many labels could run into. Nothing is changed before this is known.
function checkSpace(context: usize, runSize: u32, labelCount: u32): i32 {
  const pairs = labelCount + 1;
  if (load<u32>(context, pairMaxField) - load<u32>(context, pairCountField) < pairs) return errorPairs;
  if (load<u32>(context, nameMaxField) - load<u32>(context, nameCountField) < pairs) return errorNames;
  if (load<u32>(context, stringsMaxField) - load<u32>(context, stringsSizeField) < runSize + 16) return errorStrings;
  if (load<u32>(context, rowsMaxField) - load<u32>(context, rowsSizeField) < pairs * 5) return errorRows;
  if (load<u32>(context, chunksMaxField) - load<u32>(context, chunksSizeField) < pairs * chunkBytesMax) return errorChunks;
  return 0;
}

@inline function makeTenantKey(context: usize, accountId: u32, projectId: u32): usize {
  const key = context + tenantKeyField;
  store<u16>(key, 0x0812);
  store<u32>(key, accountId, 2);
  store<u32>(key, projectId, 6);
  return key;
}

/**
 * Registers a series: `seriesIndex` must be the number of series so far, the run a canonical label run.
 * Returns 0, or a negative error (kernel/postings.ts names them) and then nothing has changed.
 */
export function indexAddSeries(context: usize, labelRunPointer: usize, labelRunSize: u32, accountId: u32, projectId: u32, seriesIndex: u32): i32 {
  if (seriesIndex != load<u32>(context, seriesCountField)) return errorOrder;
  if (seriesIndex >= load<u32>(context, seriesMaxField)) return errorSeries;
  const end = labelRunPointer + labelRunSize;
  const labelCount = countLabels(labelRunPointer, end);
  if (labelCount < 0) return errorLabels;
  const error = checkSpace(context, labelRunSize, labelCount);
  if (error != 0) return error;

  const states: usize = load<u32>(context, pairStatesField);
  const strings: usize = load<u32>(context, stringsField);
  const rows: usize = load<u32>(context, rowsField);
  const rowOffset: usize = (load<u32>(context, rowOffsetsField) as usize) + ((seriesIndex as usize) << 2);
  let row = rows + load<u32>(rowOffset);
  // Labels are mostly those of the series before, position by position: then no hash is needed.
  let guess = seriesIndex != 0 ? rows + load<u32>(rowOffset - 4) : row;
  const guessEnd = row;
  let key = makeTenantKey(context, accountId, projectId);
  let keyBytes: u32 = 10;
  while (true) {
    let pair: u32 = 0;
    let guessed = false;
    if (guess < guessEnd) {
      pair = readVarint(guess, guessEnd);
      guess = varintEnd;
      const state = states + (pair as usize) * pairStateBytes;
      guessed = load<u32>(state, keySize) == keyBytes && keysEqual(strings + load<u32>(state, keyOffset), key, keyBytes);
    }
    if (!guessed) pair = pairOf(context, key, keyBytes);
    addPosting(context, pair, seriesIndex);
    row = writeVarint(row, pair);
    if (labelRunPointer >= end) break;
    keyBytes = readVarint(labelRunPointer + 1, end);
    key = varintEnd;
    labelRunPointer = key + keyBytes;
  }
  finishRow(context, seriesIndex, (row - rows) as u32);
  return 0;
}

/** Counts a series whose row ends at `rowEnd` of the rows. */
@inline function finishRow(context: usize, seriesIndex: u32, rowEnd: u32): void {
  store<u32>(context, rowEnd, rowsSizeField);
  store<u32>((load<u32>(context, rowOffsetsField) as usize) + ((seriesIndex as usize) << 2), rowEnd, 4);
  store<u32>((load<u32>(context, daysField) as usize) + ((seriesIndex as usize) << 2), 0x0000ffff); // min 65535, max 0: never
  store<u32>(context, seriesIndex + 1, seriesCountField);
  countChange(context);
}

/** What selectors find, and what labels they have, may be different from now on. */
@inline function countChange(context: usize): void {
  store<u32>(context, load<u32>(context, changesField) + 1, changesField);
}

/**
 * As indexAddSeries, for a series whose labels are pairs of an index segment: its label run, of which only the size is looked at, consists of the fields
 * fieldBytes[fieldOffsets[p], fieldOffsets[p + 1]) for the `count` pairs p at `pairs`. `map` has by p the live pair + 1, 0 if it is not known yet.
 */
export function indexAddRow(
  context: usize, pairs: usize, count: u32, labelRunSize: u32, fieldOffsets: usize, fieldBytes: usize, map: usize, accountId: u32, projectId: u32, seriesIndex: u32,
): i32 {
  if (seriesIndex != load<u32>(context, seriesCountField)) return errorOrder;
  if (seriesIndex >= load<u32>(context, seriesMaxField)) return errorSeries;
  const error = checkSpace(context, labelRunSize, count);
  if (error != 0) return error;
  const rows: usize = load<u32>(context, rowsField);
  const offsets: usize = (load<u32>(context, rowOffsetsField) as usize) + ((seriesIndex as usize) << 2);
  let row = rows + load<u32>(offsets);
  const tenant = tenantPair(context, accountId, projectId, seriesIndex != 0 ? rows + load<u32>(offsets - 4) : row, row);
  addPosting(context, tenant, seriesIndex);
  row = writeVarint(row, tenant);
  for (const end = pairs + ((count as usize) << 2); pairs < end; pairs += 4) {
    const own = load<u32>(pairs) as usize;
    let pair = load<u32>(map + (own << 2));
    if (pair == 0) {
      const field = fieldBytes + (load<u32>(fieldOffsets + (own << 2)) as usize);
      const size = readVarint(field + 1, field + 6);
      pair = pairOf(context, varintEnd, size) + 1;
      store<u32>(map + (own << 2), pair);
    }
    addPosting(context, pair - 1, seriesIndex);
    row = writeVarint(row, pair - 1);
  }
  finishRow(context, seriesIndex, (row - rows) as u32);
  return 0;
}

/** The hidden pair of a tenant, made if new: mostly the one that the row [guess, guessEnd) begins with. */
@inline function tenantPair(context: usize, accountId: u32, projectId: u32, guess: usize, guessEnd: usize): u32 {
  const key = makeTenantKey(context, accountId, projectId);
  if (guess < guessEnd) {
    const pair = readVarint(guess, guessEnd);
    const state: usize = (load<u32>(context, pairStatesField) as usize) + (pair as usize) * pairStateBytes;
    if (load<u32>(state, keySize) == 10 && keysEqual((load<u32>(context, stringsField) as usize) + load<u32>(state, keyOffset), key, 10)) return pair;
  }
  return pairOf(context, key, 10);
}

/** Sets the days (since 1970) of a series that has none yet. REQUIRES: minDay <= maxDay. */
export function indexSetDays(context: usize, seriesIndex: u32, minDay: u32, maxDay: u32): void {
  const days: usize = (load<u32>(context, daysField) as usize) + ((seriesIndex as usize) << 2);
  store<u32>(days, min<u32>(minDay, 0xffff) | (min<u32>(maxDay, 0xffff) << 16));
  countChange(context);
}

/** Widens the days (since 1970) in which the series is known to have samples. */
export function indexTouchDay(context: usize, seriesIndex: u32, day: u32): void {
  const days: usize = (load<u32>(context, daysField) as usize) + ((seriesIndex as usize) << 2);
  if (day > 0xffff) day = 0xffff;
  if (day < (load<u16>(days) as u32)) {
    store<u16>(days, day);
    countChange(context);
  }
  if (day > (load<u16>(days, 2) as u32)) {
    store<u16>(days, day, 2);
    countChange(context);
  }
}

/** The last day on which the series is known to have samples, 0 if there was none. */
export function indexLastDay(context: usize, seriesIndex: u32): u32 {
  return load<u16>((load<u32>(context, daysField) as usize) + ((seriesIndex as usize) << 2), 2) as u32;
}

// ---- look-up ----------------------------------------------------------------------------------------------------------

/** The id of the pair with this key (an inner Label message), or -1. */
export function indexFindPair(context: usize, key: usize, size: u32): i32 {
  const hash = hashKey(load<u64>(context, seedField), key, size);
  return tableFind(context, context + pairTableField, load<u32>(context, pairStatesField), pairStateBytes, hash, key, size);
}

/** The id of the hidden pair of a tenant, or -1. */
export function indexFindTenant(context: usize, accountId: u32, projectId: u32): i32 {
  return indexFindPair(context, makeTenantKey(context, accountId, projectId), 10);
}

/** The id of a label name, or -1. */
export function indexFindName(context: usize, name: usize, size: u32): i32 {
  const hash = hashKey(load<u64>(context, seedField), name, size);
  return tableFind(context, context + nameTableField, load<u32>(context, nameStatesField), nameStateBytes, hash, name, size);
}

// Extra return value of readGap: where the next code begins, 0 at the end of the chunk.
let codeEnd: usize = 0;
// Extra return value of readGap: how often the gap occurs (1 unless the code is a run).
let runLength: u32 = 0;

// Reads one code behind one of gap `before`.
@inline function readGap(position: usize, end: usize, before: u32): u32 {
  runLength = 1;
  let gap = load<u8>(position) as u32;
  if (gap == 0) {
    runLength = position + 3 <= end ? (load<u16>(position, 1) as u32) : 0;
    codeEnd = runLength != 0 ? position + 3 : 0;
    return before;
  }
  position++;
  if (gap >= 128) {
    gap &= 127;
    let shift: u32 = 7;
    while (true) {
      const byte = load<u8>(position++) as u32;
      gap |= (byte & 127) << shift;
      if (byte < 128) break;
      shift += 7;
    }
  }
  codeEnd = position;
  return gap;
}

/** Writes the series of a pair, ascending, as u32 at `target` (16 spare bytes behind); returns how many. */
export function indexDecodePosting(context: usize, pair: u32, target: usize): u32 {
  const state: usize = (load<u32>(context, pairStatesField) as usize) + (pair as usize) * pairStateBytes;
  const count = load<u32>(state, pairSeriesCount);
  if (count == 0) return 0;
  const chunks: usize = load<u32>(context, chunksField);
  const targetEnd = target + ((count as usize) << 2);
  let series = load<u32>(state, pairFirst);
  let link = load<u32>(state, pairHead);
  let gap: u32 = 0;
  store<u32>(target, series);
  target += 4;
  while (target < targetEnd) {
    const chunk = chunks + (link & ~15);
    const end = chunk + chunkBytes(link & 15);
    let position = chunk + 4;
    while (position < end && target < targetEnd) {
      gap = readGap(position, end, gap);
      if (codeEnd == 0) break;
      position = codeEnd;
      if (runLength == 1) {
        series += gap;
        store<u32>(target, series);
        target += 4;
        continue;
      }
      // Fours at a time; what is written too much is overwritten or spare.
      const step = i32x4.splat(gap << 2);
      let four = i32x4.add(i32x4.splat(series), i32x4.mul(i32x4.splat(gap), i32x4(1, 2, 3, 4)));
      const runEnd = target + ((runLength as usize) << 2);
      for (let to = target; to < runEnd; to += 16) {
        v128.store(to, four);
        four = i32x4.add(four, step);
      }
      target = runEnd;
      series += gap * runLength;
    }
    link = load<u32>(chunk);
  }
  return count;
}

// Sets bits [from, to].
function setBits(bitmap: usize, from: u32, to: u32): void {
  const first = bitmap + ((from >> 6) << 3);
  const last = bitmap + ((to >> 6) << 3);
  const firstMask: u64 = (~(0 as u64)) << (from & 63);
  const lastMask: u64 = (~(0 as u64)) >> (63 - (to & 63));
  if (first == last) {
    store<u64>(first, load<u64>(first) | (firstMask & lastMask));
    return;
  }
  store<u64>(first, load<u64>(first) | firstMask);
  memory.fill(first + 8, 0xff, last - first - 8);
  store<u64>(last, load<u64>(last) | lastMask);
}

@inline function setBit(bitmap: usize, index: u32): void {
  const word = bitmap + ((index >> 5) << 2);
  store<u32>(word, load<u32>(word) | ((1 as u32) << (index & 31)));
}

@inline function hasBit(bitmap: usize, index: u32): u32 {
  return (load<u32>(bitmap + ((index >> 5) << 2)) >> (index & 31)) & 1;
}

/** Sets the bits of the series of a pair; returns how many series it has. */
export function indexPostingToBitmap(context: usize, pair: u32, bitmap: usize): u32 {
  const state: usize = (load<u32>(context, pairStatesField) as usize) + (pair as usize) * pairStateBytes;
  const count = load<u32>(state, pairSeriesCount);
  if (count == 0) return 0;
  const chunks: usize = load<u32>(context, chunksField);
  let series = load<u32>(state, pairFirst);
  let link = load<u32>(state, pairHead);
  let gap: u32 = 0;
  setBit(bitmap, series);
  let done: u32 = 1;
  while (done < count) {
    const chunk = chunks + (link & ~15);
    const end = chunk + chunkBytes(link & 15);
    let position = chunk + 4;
    while (position < end && done < count) {
      gap = readGap(position, end, gap);
      if (codeEnd == 0) break;
      position = codeEnd;
      if (gap == 1) {
        setBits(bitmap, series + 1, series + runLength);
        series += runLength;
      } else {
        for (let i: u32 = 0; i < runLength; i++) {
          series += gap;
          setBit(bitmap, series);
        }
      }
      done += runLength;
    }
    link = load<u32>(chunk);
  }
  return count;
}

/** How many series of a pair have their bit set; counting stops at `countMax`. */
export function indexCountInBitmap(context: usize, pair: u32, bitmap: usize, countMax: u32): u32 {
  const state: usize = (load<u32>(context, pairStatesField) as usize) + (pair as usize) * pairStateBytes;
  const count = load<u32>(state, pairSeriesCount);
  if (count == 0) return 0;
  const chunks: usize = load<u32>(context, chunksField);
  let series = load<u32>(state, pairFirst);
  let link = load<u32>(state, pairHead);
  let gap: u32 = 0;
  let hits = hasBit(bitmap, series);
  let done: u32 = 1;
  while (done < count && hits < countMax) {
    const chunk = chunks + (link & ~15);
    const end = chunk + chunkBytes(link & 15);
    let position = chunk + 4;
    while (position < end && done < count && hits < countMax) {
      gap = readGap(position, end, gap);
      if (codeEnd == 0) break;
      position = codeEnd;
      for (let i: u32 = 0; i < runLength && hits < countMax; i++) {
        series += gap;
        hits += hasBit(bitmap, series);
      }
      done += runLength;
    }
    link = load<u32>(chunk);
  }
  return hits;
}

// ---- rows -------------------------------------------------------------------------------------------------------------

/** Keeps the series of a list whose row has (`wanted` 1) or has not (0) a pair of the pair bitmap. `target` may be `list`. */
export function indexFilterRows(context: usize, list: usize, count: u32, pairBitmap: usize, wanted: u32, target: usize): u32 {
  const rows: usize = load<u32>(context, rowsField);
  const rowOffsets: usize = load<u32>(context, rowOffsetsField);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const series = load<u32>(list + ((i as usize) << 2));
    const offset = rowOffsets + ((series as usize) << 2);
    let position = rows + load<u32>(offset);
    const end = rows + load<u32>(offset, 4);
    let hit: u32 = 0;
    while (position < end && hit == 0) {
      const pair = readVarint(position, end);
      position = varintEnd;
      hit = hasBit(pairBitmap, pair);
    }
    store<u32>(target + ((kept as usize) << 2), series);
    kept += hit == wanted ? 1 : 0;
  }
  return kept;
}

/** Sets the bits of all pairs of the series of a list. */
export function indexCollectPairs(context: usize, list: usize, count: u32, pairBitmap: usize): void {
  const rows: usize = load<u32>(context, rowsField);
  const rowOffsets: usize = load<u32>(context, rowOffsetsField);
  for (let i: u32 = 0; i < count; i++) {
    const offset = rowOffsets + ((load<u32>(list + ((i as usize) << 2)) as usize) << 2);
    let position = rows + load<u32>(offset);
    const end = rows + load<u32>(offset, 4);
    while (position < end) {
      const pair = readVarint(position, end);
      position = varintEnd;
      setBit(pairBitmap, pair);
    }
  }
}

/** Keeps the series of a list that have samples in [minDay, maxDay]. `target` may be `list`. */
export function indexFilterDays(context: usize, list: usize, count: u32, minDay: u32, maxDay: u32, target: usize): u32 {
  const days: usize = load<u32>(context, daysField);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const series = load<u32>(list + ((i as usize) << 2));
    const range = load<u32>(days + ((series as usize) << 2));
    store<u32>(target + ((kept as usize) << 2), series);
    kept += (u32((range & 0xffff) <= maxDay) & u32((range >> 16) >= minDay));
  }
  return kept;
}

// ---- copying out, by other threads than the writer: series and pairs that they were told about -------------------------

/** Pair ids in the rows of the series list[0, count), tenants included. */
export function indexCountRowIds(context: usize, list: usize, count: u32): u32 {
  const rows: usize = load<u32>(context, rowsField);
  const rowOffsets: usize = load<u32>(context, rowOffsetsField);
  let total: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const offset = rowOffsets + ((load<u32>(list + ((i as usize) << 2)) as usize) << 2);
    const end = rows + load<u32>(offset, 4);
    for (let position = rows + load<u32>(offset); position < end; position++) total += (((load<u8>(position) as u32) >> 7) ^ 1);
  }
  return total;
}

/**
 * Copies the rows of the series list[from, count) while there is room: the pair ids of their labels one after the other to `ids`, how many
 * each has to `counts`, account and project (u32 each) to `tenants`, both at the series' position in the list. Returns where it stopped.
 */
export function indexCopyRows(context: usize, list: usize, from: u32, count: u32, ids: usize, idCapacity: u32, counts: usize, tenants: usize): u32 {
  const rows: usize = load<u32>(context, rowsField);
  const rowOffsets: usize = load<u32>(context, rowOffsetsField);
  const states: usize = load<u32>(context, pairStatesField);
  const strings: usize = load<u32>(context, stringsField);
  const idsEnd = ids + ((idCapacity as usize) << 2);
  for (let i = from; i < count; i++) {
    const offset = rowOffsets + ((load<u32>(list + ((i as usize) << 2)) as usize) << 2);
    let position = rows + load<u32>(offset);
    const end = rows + load<u32>(offset, 4);
    if (((end - position) << 2) > idsEnd - ids) return i;
    const tenant = readVarint(position, end);
    position = varintEnd;
    const key = strings + load<u32>(states + (tenant as usize) * pairStateBytes, keyOffset);
    store<u64>(tenants + ((i as usize) << 3), load<u64>(key, 2));
    const first = ids;
    while (position < end) {
      store<u32>(ids, readVarint(position, end));
      ids += 4;
      position = varintEnd;
    }
    store<u32>(counts + ((i as usize) << 2), ((ids - first) >> 2) as u32);
  }
  return count;
}

/** Bytes of the keys of the pairs list[0, count), up to 2^32 - 1. */
export function indexCountKeyBytes(context: usize, list: usize, count: u32): u32 {
  const states: usize = load<u32>(context, pairStatesField);
  let total: u64 = 0;
  for (let i: u32 = 0; i < count; i++) total += load<u32>(states + (load<u32>(list + ((i as usize) << 2)) as usize) * pairStateBytes, keySize) as u64;
  return min<u64>(total, 0xffffffff) as u32;
}

/**
 * Copies the keys of the pairs list[from, count) one after the other to `keys` while there is room; their sizes and the ids of their names go to `sizes`
 * and `names`, at the pair's position in the list. Returns where it stopped.
 */
export function indexCopyKeys(context: usize, list: usize, from: u32, count: u32, keys: usize, capacity: u32, sizes: usize, names: usize): u32 {
  const states: usize = load<u32>(context, pairStatesField);
  const strings: usize = load<u32>(context, stringsField);
  let left = capacity;
  for (let i = from; i < count; i++) {
    const state = states + (load<u32>(list + ((i as usize) << 2)) as usize) * pairStateBytes;
    const size = load<u32>(state, keySize);
    if (size > left) return i;
    memory.copy(keys, strings + load<u32>(state, keyOffset), size);
    keys += size;
    left -= size;
    store<u32>(sizes + ((i as usize) << 2), size);
    store<u32>(names + ((i as usize) << 2), load<u32>(state, pairName));
  }
  return count;
}

// ---- bitmaps and lists ------------------------------------------------------------------------------------------------
// Bitmaps are whole multiples of 16 bytes, lists are ascending u32 without duplicates.

@inline function popcountSum(sums: v128): u32 {
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

@inline function popcounts(bits: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(i8x16.popcnt(bits)));
}

/** target = left AND right; returns the number of bits set. */
export function postingsAndBitmaps(left: usize, right: usize, target: usize, bytes: u32): u32 {
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const bits = v128.and(v128.load(left + i), v128.load(right + i));
    v128.store(target + i, bits);
    sums = i32x4.add(sums, popcounts(bits));
  }
  return popcountSum(sums);
}

/** target = left OR right; returns the number of bits set. */
export function postingsOrBitmaps(left: usize, right: usize, target: usize, bytes: u32): u32 {
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const bits = v128.or(v128.load(left + i), v128.load(right + i));
    v128.store(target + i, bits);
    sums = i32x4.add(sums, popcounts(bits));
  }
  return popcountSum(sums);
}

/** target = left AND NOT right; returns the number of bits set. */
export function postingsAndNotBitmaps(left: usize, right: usize, target: usize, bytes: u32): u32 {
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const bits = v128.andnot(v128.load(left + i), v128.load(right + i));
    v128.store(target + i, bits);
    sums = i32x4.add(sums, popcounts(bits));
  }
  return popcountSum(sums);
}

/** Clears the `bytes` at `bitmap`. */
export function postingsClearBitmap(bitmap: usize, bytes: u32): void {
  memory.fill(bitmap, 0, bytes);
}

/** Sets bits [0, count) of a cleared bitmap. */
export function postingsFillBitmap(bitmap: usize, count: u32): void {
  if (count != 0) setBits(bitmap, 0, count - 1);
}

/** Sets the bits of a list. */
export function postingsListToBitmap(list: usize, count: u32, bitmap: usize): void {
  for (let i: u32 = 0; i < count; i++) setBit(bitmap, load<u32>(list + ((i as usize) << 2)));
}

/** Writes the positions of the set bits as a list; returns how many. */
export function postingsBitmapToList(bitmap: usize, bytes: u32, target: usize): u32 {
  const from = target;
  for (let i: u32 = 0; i < bytes; i += 8) {
    let word = load<u64>(bitmap + i);
    const base = i << 3;
    while (word != 0) {
      store<u32>(target, base + (ctz<u64>(word) as u32));
      target += 4;
      word &= word - 1;
    }
  }
  return ((target - from) >> 2) as u32;
}

/** Keeps the series of a list whose bit is `wanted` (0 or 1). `target` may be `list`. */
export function postingsFilterByBitmap(list: usize, count: u32, bitmap: usize, wanted: u32, target: usize): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const series = load<u32>(list + ((i as usize) << 2));
    store<u32>(target + ((kept as usize) << 2), series);
    kept += hasBit(bitmap, series) == wanted ? 1 : 0;
  }
  return kept;
}

/** The list of what is in both lists; `short` is the shorter one, searched for in `long` by gallop. `target` may be `short`. */
export function postingsIntersect(short: usize, shortCount: u32, long: usize, longCount: u32, target: usize): u32 {
  let kept: u32 = 0;
  let from: u32 = 0;
  for (let i: u32 = 0; i < shortCount && from < longCount; i++) {
    const series = load<u32>(short + ((i as usize) << 2));
    let step: u32 = 1;
    while (from + step < longCount && load<u32>(long + (((from + step) as usize) << 2)) < series) step <<= 1;
    let to = min<u32>(longCount, from + step + 1);
    from += step >> 1; // everything before is smaller
    while (from < to) {
      const middle = (from + to) >> 1;
      if (load<u32>(long + ((middle as usize) << 2)) < series) from = middle + 1;
      else to = middle;
    }
    if (from < longCount && load<u32>(long + ((from as usize) << 2)) == series) {
      store<u32>(target + ((kept as usize) << 2), series);
      kept++;
    }
  }
  return kept;
}
