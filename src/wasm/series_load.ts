// Registers many series with known ids when a store starts: rows of index segments, which are pair ids of the segment, and records of the log, which are
// label runs. Door: kernel/series_load.ts; registering them one by one with headRegister() makes the same state, which the tests show.
//
// Series are taken in batches: first the fingerprints of a batch are computed and their places in the table of series read, all at once, since the
// processor would wait a hundred nanoseconds for each of them; then they are registered. With several shards, each is given all series and takes its own.
//
// State of a load (64 bytes, u32 each): what is asked and what came out, offsets below.
import { copyBytes } from "./label_run";
import { logCheckRecord } from "./log_record";
import { indexAddRow, indexAddSeries, indexSetDays, indexTouchDay } from "./postings";
import { idTableEntry } from "./series_id_table";
import { findSeries, fingerprint, fingerprintHigh, insertSeries, makeSeriesRoom, recordOf, touchSlots } from "./series_table";

const HEAD: usize = 0;
const ID_TABLE: usize = 4;
const ID_MAX: usize = 8;
const SHARD_COUNT: usize = 12;
const SHARD_NUMBER: usize = 16;
const BATCH: usize = 20; // room for a batch, see below
const RUN: usize = 24; // room for a label run and 64 bytes more
const RUN_SIZE_MAX: usize = 28;
const PAIR_OFFSETS: usize = 32; // pair p of the segment is the Label field bytes[offsets[p], offsets[p + 1])
const PAIR_BYTES: usize = 36;
const PAIR_MAP: usize = 40; // by pair of the segment: pair of the live index + 1, 0 if it was not needed yet
const REJECTED: usize = 44;
const ALIASES: usize = 48; // ids of label sets that have another id already
const HIGHEST_ID: usize = 52;
const RECORD: usize = 56; // where seriesLoadRecords() stopped
const ENTRY: usize = 60;

// Head, see head.ts.
const INDEX: usize = 0;
const SERIES_COUNT: usize = 16;
const SERIES_MAX: usize = 20;

// A series of a batch: 0 u64 fingerprintLow | 8 u64 fingerprintHigh | 16 u32 size of its label run | 20 u32 its pair ids or its place in the log | 24 u32 run
const BATCH_SERIES: u32 = 32;
const BATCH_SHIFT: usize = 5;
const TOO_LARGE: u32 = 0xffffffff;

/** What resolve() says of series that it does not know. */
const IS_REJECTED: i32 = -1;
const IS_ELSEWHERE: i32 = -2;
const IS_NEW: i32 = -3;

const RECORD_HEADER: usize = 16;
const TYPE_SERIES: u32 = 2;
const ENTRY_HEADER: usize = 16;

@inline
function batchEntry(load_: usize, i: u32): usize {
  return (load<u32>(load_, BATCH) as usize) + ((i as usize) << BATCH_SHIFT);
}

/** Joins the label fields of a row to a run; its size, or TOO_LARGE. */
@inline
function joinRun(load_: usize, ids: usize, count: u32, run: usize, end: usize): u32 {
  const offsets = load<u32>(load_, PAIR_OFFSETS) as usize;
  const fields = load<u32>(load_, PAIR_BYTES) as usize;
  let to = run;
  for (const stop = ids + ((count as usize) << 2); ids < stop; ids += 4) {
    const place = offsets + ((load<u32>(ids) as usize) << 2);
    const from = load<u32>(place);
    const size = (load<u32>(place, 4) - from) as usize;
    if (size > end - to) return TOO_LARGE;
    copyBytes(to, fields + (from as usize), size);
    to += size;
  }
  return (to - run) as u32;
}

/** Computes the fingerprint of a series of the batch; its size is there. */
@inline
function putFingerprint(load_: usize, entry: usize, run: usize, accountId: u32, projectId: u32): void {
  const size = load<u32>(entry, 16);
  if (size == TOO_LARGE) {
    store<u64>(entry, 0);
    store<u64>(entry, 0, 8);
    return;
  }
  const low = fingerprint(load<u32>(load_, HEAD) as usize, run, size as usize, accountId, projectId);
  store<u64>(entry, low);
  store<u64>(entry, fingerprintHigh, 8);
}

/** The series of a place of the batch, if it is known, or why there is none. Its id is used up in any case. */
@inline
function resolve(load_: usize, entry: usize, id: u32): i32 {
  const head = load<u32>(load_, HEAD) as usize;
  const low = load<u64>(entry);
  const high = load<u64>(entry, 8);
  const shardCount = load<u32>(load_, SHARD_COUNT);
  if (shardCount > 1 && ((((high >> 32) * (shardCount as u64)) >> 32) as u32) != load<u32>(load_, SHARD_NUMBER)) return IS_ELSEWHERE;
  if (id > load<u32>(load_, HIGHEST_ID)) store<u32>(load_, id, HIGHEST_ID);
  if (id == 0 || id > load<u32>(load_, ID_MAX) || load<u32>(entry, 16) == TOO_LARGE) return IS_REJECTED;
  const found = findSeries(head, low, high);
  if (found >= 0) {
    if (load<u32>(recordOf(head, found), 28) != id) store<u32>(load_, load<u32>(load_, ALIASES) + 1, ALIASES);
    return found;
  }
  const seriesIndex = load<u32>(head, SERIES_COUNT);
  return seriesIndex < load<u32>(head, SERIES_MAX) && makeSeriesRoom(head, low) ? IS_NEW : IS_REJECTED;
}

/** Adds the record of a series that the index has just taken. It need not be logged. */
@inline
function addRecord(head: usize, entry: usize, id: u32, seriesIndex: u32): void {
  const record = recordOf(head, seriesIndex);
  store<u64>(record, load<u64>(entry));
  store<u64>(record, load<u64>(entry, 8), 8);
  store<u64>(record, 0, 16);
  store<u32>(record, 0, 24);
  store<u32>(record, id, 28);
  insertSeries(head, load<u64>(entry), seriesIndex);
  store<u32>(head, seriesIndex + 1, SERIES_COUNT);
}

@inline
function reject(load_: usize): void {
  store<u32>(load_, load<u32>(load_, REJECTED) + 1, REJECTED);
}

/**
 * Registers `count` rows: row i has the next counts[i] of the pair ids at `ids`, all of them pairs of the segment, the id seriesIds[i] and the tenant (u32 account,
 * u32 project) at tenants[i]. Their days become [minDay, maxDay], none if minDay is above. The table of ids has pages for them.
 */
export function seriesLoadRows(load_: usize, ids: usize, counts: usize, count: u32, seriesIds: usize, tenants: usize, minDay: u32, maxDay: u32): void {
  const head = load<u32>(load_, HEAD) as usize;
  for (let from: u32 = 0; from < count; ) {
    const batch = joinRows(load_, ids, counts + ((from as usize) << 2), min<u32>(count - from, BATCH_SERIES));
    // In a loop of their own: reading what was just written in other pieces is slow.
    for (let i: u32 = 0; i < batch; i++) {
      const entry = batchEntry(load_, i);
      const tenant = tenants + (((from + i) as usize) << 3);
      putFingerprint(load_, entry, load<u32>(entry, 24) as usize, load<u32>(tenant), load<u32>(tenant, 4));
    }
    touchSlots(head, batchEntry(load_, 0), batch, 1 << BATCH_SHIFT, batchEntry(load_, BATCH_SERIES));
    for (let i: u32 = 0; i < batch; i++) {
      const row = (from + i) as usize;
      const labels = load<u32>(counts + (row << 2));
      const tenant = tenants + (row << 3);
      loadRow(load_, batchEntry(load_, i), labels, load<u32>(seriesIds + (row << 2)), load<u32>(tenant), load<u32>(tenant, 4), minDay, maxDay);
      ids += (labels as usize) << 2;
    }
    from += batch;
  }
}

/** Begins a batch of rows: as many as their label runs fit into the area, at least one. */
@inline
function joinRows(load_: usize, ids: usize, counts: usize, count: u32): u32 {
  let run = load<u32>(load_, RUN) as usize;
  const end = run + (load<u32>(load_, RUN_SIZE_MAX) as usize);
  for (let i: u32 = 0; i < count; i++) {
    const labels = load<u32>(counts + ((i as usize) << 2));
    const size = joinRun(load_, ids, labels, run, end);
    if (size == TOO_LARGE && i != 0) return i;
    const entry = batchEntry(load_, i);
    store<u32>(entry, size, 16);
    store<u32>(entry, ids as u32, 20);
    store<u32>(entry, run as u32, 24);
    if (size == TOO_LARGE) return 1;
    ids += (labels as usize) << 2;
    run += size as usize;
  }
  return count;
}

@inline
function loadRow(load_: usize, entry: usize, labels: u32, id: u32, accountId: u32, projectId: u32, minDay: u32, maxDay: u32): void {
  const head = load<u32>(load_, HEAD) as usize;
  const index = load<u32>(head, INDEX) as usize;
  let seriesIndex = resolve(load_, entry, id);
  if (seriesIndex == IS_ELSEWHERE) return;
  const isNew = seriesIndex == IS_NEW;
  if (isNew) {
    seriesIndex = load<u32>(head, SERIES_COUNT) as i32;
    const error = indexAddRow(
      index, load<u32>(entry, 20) as usize, labels, load<u32>(entry, 16), load<u32>(load_, PAIR_OFFSETS) as usize, load<u32>(load_, PAIR_BYTES) as usize,
      load<u32>(load_, PAIR_MAP) as usize, accountId, projectId, seriesIndex,
    );
    if (error == 0) addRecord(head, entry, id, seriesIndex);
    else seriesIndex = IS_REJECTED;
  }
  if (seriesIndex < 0) {
    reject(load_);
    return;
  }
  store<u32>(idTableEntry(load<u32>(load_, ID_TABLE) as usize, id), seriesIndex + 1);
  if (minDay > maxDay) return;
  if (isNew) indexSetDays(index, seriesIndex, minDay, maxDay);
  else {
    indexTouchDay(index, seriesIndex, minDay);
    indexTouchDay(index, seriesIndex, maxDay);
  }
}

/**
 * Registers the series of whole records of new series that stand one behind the other and end at `end`, from `entry` of `record` on. False: the table of ids needs a page
 * for the series at ENTRY of RECORD, from which the call is to be repeated.
 */
export function seriesLoadRecords(load_: usize, record: usize, entry: usize, end: usize): bool {
  const head = load<u32>(load_, HEAD) as usize;
  const idTable = load<u32>(load_, ID_TABLE) as usize;
  while (record < end) {
    let batch: u32 = 0;
    while (record < end && batch < BATCH_SERIES) {
      const payloadEnd = record + RECORD_HEADER + (load<u32>(record) as usize);
      if (entry + ENTRY_HEADER > payloadEnd) {
        record = alignRecord(payloadEnd);
        entry = record + RECORD_HEADER;
        continue;
      }
      const id = load<u32>(entry);
      const size = load<u32>(entry, 12);
      if (id <= load<u32>(load_, ID_MAX) && idTableEntry(idTable, id) == 0) {
        if (batch != 0) break; // first those before it
        store<u32>(load_, record as u32, RECORD);
        store<u32>(load_, entry as u32, ENTRY);
        return false;
      }
      const batched = batchEntry(load_, batch);
      store<u32>(batched, size, 16);
      store<u32>(batched, entry as u32, 20);
      putFingerprint(load_, batched, entry + ENTRY_HEADER, load<u32>(entry, 4), load<u32>(entry, 8));
      entry += ENTRY_HEADER + ((size as usize + 7) & ~7);
      batch++;
    }
    touchSlots(head, batchEntry(load_, 0), batch, 1 << BATCH_SHIFT, batchEntry(load_, BATCH_SERIES));
    for (let i: u32 = 0; i < batch; i++) loadEntry(load_, batchEntry(load_, i));
  }
  return true;
}

@inline
function alignRecord(payloadEnd: usize): usize {
  return (payloadEnd + 7) & ~7;
}

@inline
function loadEntry(load_: usize, batched: usize): void {
  const head = load<u32>(load_, HEAD) as usize;
  const entry = load<u32>(batched, 20) as usize;
  const id = load<u32>(entry);
  let seriesIndex = resolve(load_, batched, id);
  if (seriesIndex == IS_ELSEWHERE) return;
  if (seriesIndex == IS_NEW) {
    seriesIndex = load<u32>(head, SERIES_COUNT) as i32;
    const error = indexAddSeries(
      load<u32>(head, INDEX) as usize, entry + ENTRY_HEADER, load<u32>(batched, 16), load<u32>(entry, 4), load<u32>(entry, 8), seriesIndex,
    );
    if (error == 0) addRecord(head, batched, id, seriesIndex);
    else seriesIndex = IS_REJECTED;
  }
  if (seriesIndex < 0) reject(load_);
  else store<u32>(idTableEntry(load<u32>(load_, ID_TABLE) as usize, id), seriesIndex + 1);
}

/** How many records the last call of seriesLoadScan() has found. */
let scannedRecords: u32 = 0;

export function seriesLoadScanned(): u32 {
  return scannedRecords;
}

/** Bytes of the whole, right and sound records of new series that stand at `pointer` one behind the other, of `available` bytes. */
export function seriesLoadScan(pointer: usize, available: usize): u32 {
  const end = pointer + available;
  let at = pointer;
  scannedRecords = 0;
  while (end - at >= RECORD_HEADER && (load<u8>(at, 8) as u32) == TYPE_SERIES) {
    const size = logCheckRecord(at, end - at);
    if (size <= 0 || !areSoundSeries(at + RECORD_HEADER, load<u32>(at) as usize)) break;
    at += size;
    scannedRecords++;
  }
  return (at - pointer) as u32;
}

/** Whether the series of a payload end where it ends. */
@inline
function areSoundSeries(payload: usize, size: usize): bool {
  let at: usize = 0;
  while (at + ENTRY_HEADER <= size) {
    const labels = load<u32>(payload + at, 12) as usize;
    if (labels > size - at - ENTRY_HEADER) return false;
    at += ENTRY_HEADER + ((labels + 7) & ~7);
  }
  return at == size;
}
