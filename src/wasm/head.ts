// The head: the newest samples of every active series, in shard memory, written by one thread.
//
//   context (256 bytes)      pointers and counters, offsets below
//   series records           32 bytes each, by seriesIndex:
//       0 u64 fingerprintLow | 8 u64 fingerprintHigh | 16 u32 newestChunk | 20 u32 successor + 1
//      24 u16 activeChunks   | 26 u16 lastDay        | 28 u32 seriesId      (lastDay 0xffff: log the series with its next sample)
//   table of series          from the fingerprint of a label run to its record, see series_table.ts
//   chunks                   128 bytes = two cache lines, 8 samples each, a list from newest to oldest:
//       0 f64 baseMs | 8 f64 lastLogRow | 16 u32 next | 20 u32 count | 24 u32 sealNumber | 28 u32 offsetMs[8] | 60 u32 flags
//      64 f64 value[8]                        (timestamp = baseMs + offsetMs)
//   hand-over entries        12 bytes: u32 seriesIndex, u32 newest chunk, u32 chunk count
//
// Data is stored before the count that publishes it, and a chunk before the pointer to it, so that readers on other threads may
// walk the lists at any time. Chunks leave the lists when their seal is published and no reader needs them any more, and are used again when
// no reader is left that may have been on its way to them (storage/seal_queue.ts).
import { takeChunk } from "./chunks";
import { clipColumns, columnsSort } from "./columns";
import { logSealRecord } from "./log_record";
import { LOG_ROW_ROOM, LOG_ROWS_HEADER, logRowPut } from "./log_rows";
import { indexAddSeries, indexLastDay, indexTouchDay } from "./postings";
import { idTableGet } from "./series_id_table";
import { findSeries, fingerprint, fingerprintHigh, insertSeries, makeSeriesRoom, recordOf } from "./series_table";

const CHUNK_SLOTS: u32 = 8;
const FLAG_SEAL_BOUNDARY: u32 = 1;
const NOT_LOGGED: u32 = 0xffff;
const DAY_MS: f64 = 86400000;
const NONE: u32 = 0xffffffff;
const STALE_MARKER: u64 = 0x7ff0000000000002;

// Context fields. kernel/head.ts holds the same table.
const INDEX: usize = 0;
const SERIES_COUNT: usize = 16;
const SERIES_MAX: usize = 20;
const NEXT_SERIES_ID: usize = 24;
const SERIES_ID_STEP: usize = 28;
const ENTRIES: usize = 64;
const ENTRY_COUNT: usize = 68;
const ENTRY_MAX: usize = 72;
const SEAL_NUMBER: usize = 76;
const SEAL_CHUNKS: usize = 80;
const STATUS: usize = 84;
const RESUME_SAMPLE: usize = 88;
const LOG_POSITION: usize = 92;
const LOG_END: usize = 96;
const SERIES_LOG_POSITION: usize = 100;
const SERIES_LOG_END: usize = 104;
const LOG_RECORD: usize = 108;
const NEXT_LOG_ROW: usize = 112;
const LOG_BASE_MS: usize = 120;
const ACCEPTED: usize = 128;
const DROPPED_OLD: usize = 136;
const DROPPED_FUTURE: usize = 144;
const DROPPED_SERIES: usize = 152;
const DROPPED_KIND: usize = 160;
const NEW_SERIES: usize = 168;
const PREDICTION_MISSES: usize = 176;
const SEALED_CHUNKS: usize = 184;
const RUN_SIZE_MAX: usize = 188;
const DROPPED_LABELS: usize = 192;
const NEW_SERIES_LEFT: usize = 236;
const LOG_NEXT_ID: usize = 240;
const LOG_OFFSET_MS: usize = 244;
const LOG_ROWS_LEFT: usize = 248;
const LATE_WRITES: usize = 252;

const STATUS_DONE: u32 = 0;
const STATUS_NEEDS_CHUNKS: u32 = 1;
const STATUS_ENTRIES_FULL: u32 = 2;
const STATUS_LOG_FULL: u32 = 3;
const STATUS_SERIES_LOG_FULL: u32 = 4;
const STATUS_TURN: u32 = 5;

// Log records, docs/formats/log.md.
const LOG_HEADER: usize = 16;
const LOG_TYPE_SAMPLES: u32 = 1;
const LOG_TYPE_SERIES: u32 = 2;
const LOG_SAMPLES_VERSION: u32 = 2;
const LOG_SERIES_VERSION: u32 = 1;
/** Readers have room for so many. */
const LOG_ROWS_MAX: u32 = 65536;
/** A row of a payload that was expanded. */
const LOG_ROW: usize = 16;

/** Adds the record of a series that is in no table yet, which makeSeriesRoom() has room for; the index has already taken it. */
function addRecord(context: usize, low: u64, high: u64, seriesId: u32): void {
  const seriesIndex = load<u32>(context, SERIES_COUNT);
  const record = recordOf(context, seriesIndex);
  store<u64>(record, low);
  store<u64>(record, high, 8);
  store<u64>(record, 0, 16);
  store<u32>(record, NOT_LOGGED << 16, 24);
  store<u32>(record, seriesId, 28);
  insertSeries(context, low, seriesIndex);
  store<u32>(context, seriesIndex + 1, SERIES_COUNT);
}

/**
 * Registers a series with a known id (loading an index, replaying the log), which need not be logged. Returns its seriesIndex, or -1 if an area is full.
 */
export function headRegister(context: usize, run: usize, size: usize, accountId: u32, projectId: u32, seriesId: u32): i32 {
  const low = fingerprint(context, run, size, accountId, projectId);
  const found = findSeries(context, low, fingerprintHigh);
  if (found >= 0) return found;
  const seriesIndex = load<u32>(context, SERIES_COUNT);
  if (seriesIndex >= load<u32>(context, SERIES_MAX)) return -1;
  if (!makeSeriesRoom(context, low)) return -1;
  if (indexAddSeries(load<u32>(context, INDEX), run, size as u32, accountId, projectId, seriesIndex) != 0) return -1;
  addRecord(context, low, fingerprintHigh, seriesId);
  store<u16>(recordOf(context, seriesIndex), 0, 26);
  return seriesIndex as i32;
}

/** Series of [fromSeries, toSeries) without samples on `beforeDay` or later are logged again with their next sample. */
export function headForgetLogged(context: usize, fromSeries: u32, toSeries: u32, beforeDay: u32): void {
  const index = load<u32>(context, INDEX) as usize;
  for (let i = fromSeries; i < toSeries; i++) {
    if (indexLastDay(index, i) < beforeDay) store<u16>(recordOf(context, i), NOT_LOGGED, 26);
  }
}

/** The shard that a series belongs to, for several shards: the fingerprint's top bits, scaled. */
export function headShardOf(context: usize, run: usize, size: usize, accountId: u32, projectId: u32, shardCount: u32): u32 {
  fingerprint(context, run, size, accountId, projectId);
  return (((fingerprintHigh >> 32) * (shardCount as u64)) >> 32) as u32;
}

/** Hands the active chunks of a series over to sealing. False: the entry list is full. */
function handOver(context: usize, record: usize, seriesIndex: u32): bool {
  const count = load<u32>(context, ENTRY_COUNT);
  if (count >= load<u32>(context, ENTRY_MAX)) return false;
  const chunk = load<u32>(record, 16) as usize;
  const chunks = load<u16>(record, 24) as u32;
  const entry = (load<u32>(context, ENTRIES) as usize) + (count as usize) * 12;
  store<u32>(entry, seriesIndex);
  store<u32>(entry, chunk as u32, 4);
  store<u32>(entry, chunks, 8);
  store<u32>(chunk, load<u32>(context, SEAL_NUMBER), 24);
  store<u32>(chunk, load<u32>(chunk, 60) | FLAG_SEAL_BOUNDARY, 60);
  store<u16>(record, 0, 24);
  store<u32>(context, count + 1, ENTRY_COUNT);
  store<u32>(context, load<u32>(context, SEALED_CHUNKS) + chunks, SEALED_CHUNKS);
  return true;
}

/** Appends one sample to the newest chunk of a series, or to a new one. Returns a status. */
@inline
function appendSample(context: usize, record: usize, seriesIndex: u32, timestampMs: f64, value: f64, logRow: f64): u32 {
  let chunk = load<u32>(record, 16) as usize;
  const active = load<u16>(record, 24) as u32;
  if (active != 0) {
    const offset = timestampMs - load<f64>(chunk);
    const count = load<u32>(chunk, 20);
    if (count < CHUNK_SLOTS && offset >= 0 && offset <= 4294967295.0) {
      const slot = chunk + ((count as usize) << 2);
      store<u32>(slot, offset as u32, 28);
      store<f64>(chunk + ((count as usize) << 3), value, 64);
      store<f64>(chunk, logRow, 8);
      store<u32>(chunk, count + 1, 20);
      return STATUS_DONE;
    }
    if (active >= load<u32>(context, SEAL_CHUNKS)) {
      if (!handOver(context, record, seriesIndex)) return STATUS_ENTRIES_FULL;
    }
  }
  const previous = chunk;
  chunk = takeChunk(context);
  if (chunk == 0) return STATUS_NEEDS_CHUNKS;
  store<f64>(chunk, timestampMs);
  store<f64>(chunk, logRow, 8);
  store<u32>(chunk, previous as u32, 16);
  store<u32>(chunk, 0, 24);
  store<u32>(chunk, 0, 28);
  store<u32>(chunk, 0, 60);
  store<f64>(chunk, value, 64);
  store<u32>(chunk, 1, 20);
  store<u16>(record, (load<u16>(record, 24) + 1) as u16, 24);
  store<u32>(record, chunk as u32, 16);
  return STATUS_DONE;
}

@inline
function touchDay(context: usize, record: usize, seriesIndex: u32, timestampMs: f64): void {
  const day = (timestampMs / DAY_MS) as u32;
  if ((load<u16>(record, 26) as u32) != day) {
    store<u16>(record, day as u16, 26);
    indexTouchDay(load<u32>(context, INDEX), seriesIndex, day);
  }
}

// ---- log -------------------------------------------------------------------------------------------------------------

/** Ends the open samples record, if any. */
function closeLogRecord(context: usize): void {
  const record = load<u32>(context, LOG_RECORD) as usize;
  if (record == 0) return;
  const payload = record + LOG_HEADER;
  const end = load<u32>(context, LOG_POSITION) as usize;
  const payloadSize = (end - payload + 7) & ~7;
  store<u64>(end, -1); // the payload is a multiple of 8: its checksum is for the padding too
  store<u32>(payload, LOG_ROWS_MAX - load<u32>(context, LOG_ROWS_LEFT), 16);
  store<u32>(payload, 0, 20);
  logSealRecord(record, payloadSize as u32, LOG_TYPE_SAMPLES, LOG_SAMPLES_VERSION);
  store<u32>(context, (payload + payloadSize) as u32, LOG_POSITION);
  store<u32>(context, 0, LOG_RECORD);
}

/** Makes sure that a samples record is open whose base can hold `timestampMs` and that has room for one row. */
@inline
function openLogRecord(context: usize, timestampMs: f64): bool {
  if (load<u32>(context, LOG_RECORD) != 0) {
    const offset = timestampMs - load<f64>(context, LOG_BASE_MS);
    if (abs(offset) < 2147483647.0 && load<u32>(context, LOG_ROWS_LEFT) != 0) {
      return (load<u32>(context, LOG_POSITION) as usize) + LOG_ROW_ROOM <= (load<u32>(context, LOG_END) as usize);
    }
    closeLogRecord(context);
  }
  return beginLogRecord(context, timestampMs);
}

function beginLogRecord(context: usize, timestampMs: f64): bool {
  const record = load<u32>(context, LOG_POSITION) as usize;
  const rows = record + LOG_HEADER + LOG_ROWS_HEADER;
  if (rows + LOG_ROW_ROOM > (load<u32>(context, LOG_END) as usize)) return false;
  store<u32>(context, record as u32, LOG_RECORD);
  store<f64>(context, timestampMs, LOG_BASE_MS);
  store<f64>(record + LOG_HEADER, load<f64>(context, NEXT_LOG_ROW));
  store<f64>(record + LOG_HEADER, timestampMs, 8);
  store<u32>(context, rows as u32, LOG_POSITION);
  store<u32>(context, 0, LOG_NEXT_ID); // no series has the id 0
  store<i32>(context, 0, LOG_OFFSET_MS);
  store<u32>(context, LOG_ROWS_MAX, LOG_ROWS_LEFT);
  return true;
}

@inline
function appendLogRow(context: usize, seriesId: u32, timestampMs: f64, value: f64): void {
  const offsetMs = (timestampMs - load<f64>(context, LOG_BASE_MS)) as i32;
  const position = load<u32>(context, LOG_POSITION) as usize;
  const end = logRowPut(position, seriesId, offsetMs, value, load<u32>(context, LOG_NEXT_ID), load<i32>(context, LOG_OFFSET_MS));
  store<u32>(context, end as u32, LOG_POSITION);
  store<u32>(context, seriesId + 1, LOG_NEXT_ID);
  store<i32>(context, offsetMs, LOG_OFFSET_MS);
  store<u32>(context, load<u32>(context, LOG_ROWS_LEFT) - 1, LOG_ROWS_LEFT);
  store<f64>(context, load<f64>(context, NEXT_LOG_ROW) + 1, NEXT_LOG_ROW);
}

/** Logs a new series as a record of its own. False: the buffer is full. */
function appendLogSeries(context: usize, run: usize, size: usize, accountId: u32, projectId: u32, seriesId: u32): bool {
  const record = load<u32>(context, SERIES_LOG_POSITION) as usize;
  const payloadSize: usize = 16 + ((size + 7) & ~7);
  if (record + LOG_HEADER + payloadSize > (load<u32>(context, SERIES_LOG_END) as usize)) return false;
  const payload = record + LOG_HEADER;
  store<u32>(payload, seriesId);
  store<u32>(payload, accountId, 4);
  store<u32>(payload, projectId, 8);
  store<u32>(payload, size as u32, 12);
  store<u64>(payload + payloadSize - 8, 0);
  memory.copy(payload + 16, run, size);
  logSealRecord(record, payloadSize as u32, LOG_TYPE_SERIES, LOG_SERIES_VERSION);
  store<u32>(context, (payload + payloadSize) as u32, SERIES_LOG_POSITION);
  return true;
}

// ---- append ----------------------------------------------------------------------------------------------------------

@inline
function count64(context: usize, field: usize, by: u32): void {
  store<f64>(context + field, load<f64>(context + field) + (by as f64));
}

/** The series whose label run is [run, run + size), or -1 if it is new: for parsers whose prediction failed. */
export function headKnownSeries(context: usize, run: usize, size: usize, accountId: u32, projectId: u32): i32 {
  const low = fingerprint(context, run, size, accountId, projectId);
  const found = findSeries(context, low, fingerprintHigh);
  if (found >= 0) count64(context, PREDICTION_MISSES, 1);
  return found;
}

/** Whether any sample of the row lies within [minMs, maxMs]; counts the others when none does. */
function anyInRange(context: usize, timestamps: usize, count: u32, minMs: f64, maxMs: f64): bool {
  let old: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const timestampMs = load<f64>(timestamps + ((i as usize) << 3));
    if (timestampMs >= minMs && timestampMs <= maxMs) return true;
    if (timestampMs < minMs) old++;
  }
  count64(context, DROPPED_OLD, old);
  count64(context, DROPPED_FUTURE, count - old);
  return false;
}

/** Ids are never given twice: when they have come this far, no new series is accepted. */
const SERIES_IDS_END: u32 = 0xffff0000;

/** resolveSeries: the row's series is new, and no more are taken in this call. */
const LATER: i32 = -2;

/** Whether a canonical run has the label __histogram__, which only rows of histogram components may bring (kind 1). */
function hasHistogramLabel(run: usize, size: usize): bool {
  const end = run + size;
  while (run < end) {
    run = labelEnd(run + 1);
    const name = labelEndName;
    if (labelEndNameSize == 13 && load<u64>(name) == 0x676f747369685f5f && load<u32>(name, 8) == 0x5f6d6172 && load<u8>(name, 12) == 0x5f) return true;
  }
  return false;
}

// The name of the label just passed by labelEnd.
let labelEndName: usize = 0;
let labelEndNameSize: u32 = 0;

/** The end of the label whose size stands at `pointer`. */
function labelEnd(pointer: usize): usize {
  let size: u32 = 0;
  let shift: u32 = 0;
  let byte: u32;
  do {
    byte = load<u8>(pointer++);
    size |= (byte & 127) << shift;
    shift += 7;
  } while (byte >= 128 && shift < 28);
  const end = pointer + (size as usize);
  pointer++; // the tag of the name
  size = 0;
  shift = 0;
  do {
    byte = load<u8>(pointer++);
    size |= (byte & 127) << shift;
    shift += 7;
  } while (byte >= 128 && shift < 28);
  labelEndName = pointer;
  labelEndNameSize = size;
  return end;
}

/** The series of a row: predicted, found, or newly registered; -1 when the row is dropped, and counted; or LATER. */
function resolveSeries(
  context: usize, run: usize, size: usize, kind: u32, accountId: u32, projectId: u32, previous: u32, timestamps: usize, sampleCount: u32, minMs: f64, maxMs: f64,
): i32 {
  const low = fingerprint(context, run, size, accountId, projectId);
  const high = fingerprintHigh;
  if (previous != NONE) {
    const predicted = load<u32>(recordOf(context, previous), 20) - 1;
    if (predicted != NONE) {
      const record = recordOf(context, predicted);
      if (load<u64>(record) == low && load<u64>(record, 8) == high) return predicted as i32;
    }
  }
  count64(context, PREDICTION_MISSES, 1);
  const found = findSeries(context, low, high);
  if (found >= 0) return found;
  if (!anyInRange(context, timestamps, sampleCount, minMs, maxMs)) return -1;
  if (size > (load<u32>(context, RUN_SIZE_MAX) as usize)) {
    count64(context, DROPPED_LABELS, sampleCount);
    return -1;
  }
  if (kind == 0 && hasHistogramLabel(run, size)) {
    count64(context, DROPPED_KIND, sampleCount);
    return -1;
  }
  const seriesIndex = load<u32>(context, SERIES_COUNT);
  if (seriesIndex < load<u32>(context, SERIES_MAX) && load<u32>(context, NEXT_SERIES_ID) < SERIES_IDS_END) {
    const left = load<u32>(context, NEW_SERIES_LEFT);
    if (left == 0) return LATER;
    store<u32>(context, left - 1, NEW_SERIES_LEFT);
    if (makeSeriesRoom(context, low) && indexAddSeries(load<u32>(context, INDEX), run, size as u32, accountId, projectId, seriesIndex) == 0) {
      const seriesId = load<u32>(context, NEXT_SERIES_ID);
      store<u32>(context, seriesId + load<u32>(context, SERIES_ID_STEP), NEXT_SERIES_ID);
      addRecord(context, low, high, seriesId);
      count64(context, NEW_SERIES, 1);
      return seriesIndex as i32;
    }
  }
  count64(context, DROPPED_SERIES, sampleCount);
  return -1;
}

/**
 * Logs a series that is not in the log, and may be in no index on disk, before its next sample is. Its record says so until the sample is there. False: the
 * buffer is full.
 */
function logBeforeSamples(
  context: usize, seriesIndex: u32, run: usize, size: usize, accountId: u32, projectId: u32, timestamps: usize, sampleCount: u32, minMs: f64, maxMs: f64,
): bool {
  for (let i: u32 = 0; i < sampleCount; i++) {
    const timestampMs = load<f64>(timestamps + ((i as usize) << 3));
    if (timestampMs >= minMs && timestampMs <= maxMs) {
      return appendLogSeries(context, run, size, accountId, projectId, load<u32>(recordOf(context, seriesIndex), 28));
    }
  }
  return true;
}

// The area of late writes, kernel/late_writes.ts.
const LATE_EPOCH: usize = 8;
const LATE_SLOTS: usize = 64;
const LATE_SLOT_SHIFT: u64 = 19;
const LATE_SLOT_MASK: u64 = 8191;

/** Marks the time of a sample that comes after its time was taken for final. */
function markLate(late: usize, timestampMs: f64): void {
  const slot = ((timestampMs as u64) >> LATE_SLOT_SHIFT) & LATE_SLOT_MASK;
  store<f64>(late + LATE_SLOTS + ((slot as usize) << 3), load<i64>(late, LATE_EPOCH) as f64);
}

/** Appends and logs the samples of one row from the context's resume point on. Returns a status; what is left is remembered. */
function appendRow(context: usize, seriesIndex: u32, timestamps: usize, values: usize, sampleCount: u32, minMs: f64, maxMs: f64): u32 {
  const record = recordOf(context, seriesIndex);
  const seriesId = load<u32>(record, 28);
  const late = load<u32>(context, LATE_WRITES) as usize;
  const finalMs = load<i64>(late) as f64;
  let accepted: u32 = 0;
  let status: u32 = STATUS_DONE;
  let sample = load<u32>(context, RESUME_SAMPLE);
  for (; sample < sampleCount; sample++) {
    const timestampMs = floor<f64>(load<f64>(timestamps + ((sample as usize) << 3)));
    if (!(timestampMs >= minMs)) {
      count64(context, DROPPED_OLD, 1);
      continue;
    }
    if (timestampMs > maxMs) {
      count64(context, DROPPED_FUTURE, 1);
      continue;
    }
    if (!openLogRecord(context, timestampMs)) {
      status = STATUS_LOG_FULL;
      break;
    }
    if (timestampMs <= finalMs) markLate(late, timestampMs);
    const value = load<f64>(values + ((sample as usize) << 3));
    status = appendSample(context, record, seriesIndex, timestampMs, value, load<f64>(context, NEXT_LOG_ROW));
    if (status != STATUS_DONE) break;
    touchDay(context, record, seriesIndex, timestampMs);
    appendLogRow(context, seriesId, timestampMs, value);
    accepted++;
  }
  store<u32>(context, status == STATUS_DONE ? 0 : sample, RESUME_SAMPLE);
  count64(context, ACCEPTED, accepted);
  return status;
}

/**
 * Appends rows [fromRow, rowCount) of a RowBatch (layout in model/row_batch.ts) and logs them. `knownSeries` is 0, or the address of a column that has
 * seriesIndex + 1 of the rows whose series the parser knows, else 0. Returns the row at which it stopped;
 * the context's status says why: 0 = all done, otherwise what is missing, after which the call is repeated from that row.
 */
export function headAppend(
  context: usize, rows: usize, fromRow: u32, rowCount: u32, labelBase: usize, timestamps: usize, values: usize, knownSeries: usize,
  accountId: u32, projectId: u32, minMs: f64, maxMs: f64,
): u32 {
  let previous: u32 = NONE;
  let row = fromRow;
  let status: u32 = STATUS_DONE;
  for (; row < rowCount; row++) {
    const at = rows + (row as usize) * 20;
    const sampleFrom = (load<u32>(at, 8) as usize) << 3;
    const sampleCount = load<u32>(at, 12);
    const kind = load<u32>(at, 16);
    if (kind > 1) {
      count64(context, DROPPED_KIND, sampleCount);
      continue;
    }
    const run = labelBase + (load<u32>(at) as usize);
    let seriesIndex: u32 = knownSeries != 0 ? load<u32>(knownSeries + ((row as usize) << 2)) - 1 : NONE;
    if (seriesIndex == NONE) {
      const found = resolveSeries(context, run, load<u32>(at, 4) as usize, kind, accountId, projectId, previous, timestamps + sampleFrom, sampleCount, minMs, maxMs);
      if (found == LATER) {
        status = STATUS_TURN;
        break;
      }
      if (found < 0) continue;
      seriesIndex = found as u32;
    }
    if (previous != NONE && load<u32>(recordOf(context, previous), 20) != seriesIndex + 1) store<u32>(recordOf(context, previous), seriesIndex + 1, 20);
    previous = seriesIndex;
    if (load<u16>(recordOf(context, seriesIndex), 26) == NOT_LOGGED) {
      const isLogged = logBeforeSamples(
        context, seriesIndex, run, load<u32>(at, 4) as usize, accountId, projectId, timestamps + sampleFrom, sampleCount, minMs, maxMs,
      );
      if (!isLogged) {
        status = STATUS_SERIES_LOG_FULL;
        break;
      }
    }
    status = appendRow(context, seriesIndex, timestamps + sampleFrom, values + sampleFrom, sampleCount, minMs, maxMs);
    if (status != STATUS_DONE) break;
  }
  discardEmptyLogRecord(context);
  closeLogRecord(context);
  store<u32>(context, status, STATUS);
  return row;
}

/** Takes back a samples record that was opened, but got no row. */
function discardEmptyLogRecord(context: usize): void {
  const record = load<u32>(context, LOG_RECORD) as usize;
  if (record == 0 || (load<u32>(context, LOG_POSITION) as usize) != record + LOG_HEADER + LOG_ROWS_HEADER) return;
  store<u32>(context, record as u32, LOG_POSITION);
  store<u32>(context, 0, LOG_RECORD);
}

/**
 * Replays the expanded payload of a samples record (log_rows.ts) into the head, without logging. The table of ids (series_id_table.ts) reaches to `idMax`; rows of series that it does
 * not know are skipped, and their ids not given away. `persisted` holds by seriesIndex the log row up to which samples are in parts (0 = none). Starts at row `fromRow`; returns the row at which it stopped, status as in headAppend.
 */
export function headReplay(context: usize, payload: usize, fromRow: u32, idTable: usize, idMax: u32, persisted: usize): u32 {
  const firstLogRow = load<f64>(payload);
  const baseMs = load<f64>(payload, 8);
  const count = load<u32>(payload, 16);
  let status: u32 = STATUS_DONE;
  let row = fromRow;
  for (; row < count; row++) {
    const at = payload + LOG_ROWS_HEADER + (row as usize) * LOG_ROW;
    const logRow = firstLogRow + (row as f64);
    const seriesId = load<u32>(at);
    if (seriesId == 0) continue;
    const seriesIndex = seriesId <= idMax ? idTableGet(idTable, seriesId) - 1 : NONE;
    if (seriesIndex == NONE) {
      // Its series is lost; nobody else may get the id.
      if (seriesId >= load<u32>(context, NEXT_SERIES_ID) && seriesId < SERIES_IDS_END) store<u32>(context, seriesId + 1, NEXT_SERIES_ID);
      continue;
    }
    if (logRow <= load<f64>(persisted + ((seriesIndex as usize) << 3))) continue;
    const record = recordOf(context, seriesIndex);
    const timestampMs = baseMs + (load<i32>(at, 4) as f64);
    status = appendSample(context, record, seriesIndex, timestampMs, load<f64>(at, 8), logRow);
    if (status != STATUS_DONE) break;
    touchDay(context, record, seriesIndex, timestampMs);
  }
  if (firstLogRow + (count as f64) > load<f64>(context, NEXT_LOG_ROW)) store<f64>(context, firstLogRow + (count as f64), NEXT_LOG_ROW);
  store<u32>(context, status, STATUS);
  return row;
}

// ---- hand-over and release -------------------------------------------------------------------------------------------

/** Hands over the active chunks of series [fromSeries, toSeries); returns the series at which it stopped (entry list full) or toSeries. */
export function headHandOver(context: usize, fromSeries: u32, toSeries: u32): u32 {
  for (let i = fromSeries; i < toSeries; i++) {
    const record = recordOf(context, i);
    if (load<u16>(record, 24) != 0 && !handOver(context, record, i)) return i;
  }
  return toSeries;
}

/** As headHandOver, for those series only whose newest sample has a log row before `beforeRow`, or is a stale marker. */
export function headHandOverSilent(context: usize, fromSeries: u32, toSeries: u32, beforeRow: f64): u32 {
  for (let i = fromSeries; i < toSeries; i++) {
    const record = recordOf(context, i);
    if (load<u16>(record, 24) == 0) continue;
    const chunk = load<u32>(record, 16) as usize;
    const lastValue = load<u64>(chunk + ((load<u32>(chunk, 20) as usize) << 3), 56);
    if ((load<f64>(chunk, 8) < beforeRow || lastValue == STALE_MARKER) && !handOver(context, record, i)) return i;
  }
  return toSeries;
}

/**
 * Takes the chunks of entries [fromEntry, toEntry) of a published seal out of their series' lists, last entry first. The list of a series ends before the
 * chunks of its newest entry, so its older ones need no walk: `cutSeries`, a bitmap that is clear before the first call for a seal, knows them.
 * REQUIRES: seals in the order of their numbers, calls for a seal from its last entries to its first; no reader needs the chunks.
 */
export function headUnlink(context: usize, entries: usize, fromEntry: u32, toEntry: u32, cutSeries: usize): void {
  for (let i = toEntry; i > fromEntry; i--) {
    const entry = entries + ((i - 1) as usize) * 12;
    const seriesIndex = load<u32>(entry);
    const word = cutSeries + ((seriesIndex >> 5) << 2);
    const bit: u32 = 1 << (seriesIndex & 31);
    if ((load<u32>(word) & bit) != 0) continue;
    store<u32>(word, load<u32>(word) | bit);
    const record = recordOf(context, seriesIndex);
    const target = load<u32>(entry, 4);
    let before = load<u32>(record, 16) as usize;
    if ((before as u32) == target) store<u32>(record, 0, 16);
    else {
      while (load<u32>(before, 16) != target) before = load<u32>(before, 16) as usize;
      store<u32>(before, 0, 16);
    }
  }
}

// ---- readers (any thread) --------------------------------------------------------------------------------------------

/** Copies the samples of one chunk to position `to` of the columns. */
@inline
function copyChunk(chunk: usize, count: u32, timestamps: usize, values: usize, to: usize): void {
  const baseMs = load<f64>(chunk);
  for (let i: u32 = 0; i < count; i++) {
    store<f64>(timestamps + ((to + (i as usize)) << 3), baseMs + (load<u32>(chunk + ((i as usize) << 2), 28) as f64));
  }
  memory.copy(values + (to << 3), chunk + 64, (count as usize) << 3);
}

/**
 * Copies the head's samples within [minMs, maxMs] of the listed series, sorted by time, to columns. Chunks of seals up to `publishedSeal` are
 * left out: the reader has their parts. Writes sampleFrom[0..n] and returns n, the number of series done before `capacity` samples were
 * reached; 0 when already the first does not fit (the needed capacity is then in sampleFrom[1]). `scratch` has room for 16 bytes a sample.
 */
export function headCopyOut(
  context: usize, list: usize, count: u32, minMs: f64, maxMs: f64, publishedSeal: u32,
  sampleFrom: usize, timestamps: usize, values: usize, capacity: u32, scratch: usize,
): u32 {
  let end: usize = 0;
  store<u32>(sampleFrom, 0);
  for (let i: u32 = 0; i < count; i++) {
    const record = recordOf(context, load<u32>(list + ((i as usize) << 2)));
    const newest = load<u32>(record, 16) as usize;
    let total: u32 = 0;
    let last: usize = 0;
    // The newest chunk may grow meanwhile: its count is read once.
    const newestCount = newest != 0 ? load<u32>(newest, 20) : 0;
    for (let chunk = newest; chunk != 0; chunk = load<u32>(chunk, 16) as usize) {
      if ((load<u32>(chunk, 60) & FLAG_SEAL_BOUNDARY) != 0 && load<u32>(chunk, 24) <= publishedSeal) break;
      total += chunk == newest ? newestCount : load<u32>(chunk, 20);
      last = chunk;
    }
    if (end + (total as usize) > (capacity as usize)) {
      if (i == 0) store<u32>(sampleFrom, total, 4);
      return i;
    }
    let to = end + (total as usize);
    if (last != 0) {
      for (let chunk = newest; ; chunk = load<u32>(chunk, 16) as usize) {
        const samples = chunk == newest ? newestCount : load<u32>(chunk, 20);
        to -= samples as usize;
        copyChunk(chunk, samples, timestamps, values, to);
        if (chunk == last) break;
      }
    }
    columnsSort(timestamps + (end << 3), values + (end << 3), total, scratch);
    end = clipColumns(timestamps, values, end, end + (total as usize), minMs, maxMs);
    store<u32>(sampleFrom + (((i + 1) as usize) << 2), end as u32);
  }
  return count;
}

/**
 * Copies samples of one series that has more than headCopyOut can take: from `chunk` (0: the newest) on to older ones while they fit. They are written to
 * the end of the columns, oldest first. Returns their number; the chunk to go on from, or 0, is stored at `nextChunkOut`.
 */
export function headCopyChunks(
  context: usize, seriesIndex: u32, chunk: usize, publishedSeal: u32, timestamps: usize, values: usize, capacity: u32, nextChunkOut: usize,
): u32 {
  let to = capacity as usize;
  if (chunk == 0) chunk = load<u32>(recordOf(context, seriesIndex), 16) as usize;
  while (chunk != 0) {
    if ((load<u32>(chunk, 60) & FLAG_SEAL_BOUNDARY) != 0 && load<u32>(chunk, 24) <= publishedSeal) {
      chunk = 0;
      break;
    }
    // The newest chunk may grow meanwhile: its count is read once.
    const samples = load<u32>(chunk, 20);
    if (to < (samples as usize)) break;
    to -= samples as usize;
    copyChunk(chunk, samples, timestamps, values, to);
    chunk = load<u32>(chunk, 16) as usize;
  }
  store<u32>(nextChunkOut, chunk as u32);
  return capacity - (to as u32);
}

/** As headCopyChunks for the chunks of entries [fromEntry, toEntry) of the order, all of one series: copies entry after entry while they fit; returns
 * the number of entries copied, and stores the number of samples and the log row of the last one at `samplesOut`. */
export function headGatherEntries(
  entries: usize, order: usize, fromEntry: u32, toEntry: u32, timestamps: usize, values: usize, capacity: u32, samplesOut: usize,
): u32 {
  let end: usize = 0;
  let i = fromEntry;
  for (; i < toEntry; i++) {
    const entry = entryAt(entries, order, i);
    const samples = entrySamples(entry) as usize;
    if (end + samples > (capacity as usize)) break;
    copyEntry(entry, timestamps, values, end + samples);
    store<f64>(samplesOut, load<f64>(load<u32>(entry, 4) as usize, 8), 8);
    end += samples;
  }
  store<u32>(samplesOut, end as u32);
  return i - fromEntry;
}

/** Copies the samples of an entry to the places before `to`. */
@inline
function copyEntry(entry: usize, timestamps: usize, values: usize, to: usize): void {
  let chunk = load<u32>(entry, 4) as usize;
  for (let left = load<u32>(entry, 8); left != 0; left--) {
    const samples = load<u32>(chunk, 20);
    to -= samples as usize;
    copyChunk(chunk, samples, timestamps, values, to);
    chunk = load<u32>(chunk, 16) as usize;
  }
}

/**
 * Gathers handed-over chunks for sealing. `order` lists entry numbers so that entries of one series stand together in hand-over order.
 * Writes one row per distinct series: seriesIndexes, seriesIds, sampleFrom (n + 1), lastLogRows, and the samples sorted by time. Returns the number of
 * entries consumed before `capacity` samples were reached (whole series only, at least one entry: an entry never exceeds 1024 samples);
 * the number of series rows is stored at `seriesCountOut`.
 */
export function headGather(
  context: usize, entries: usize, order: usize, fromEntry: u32, toEntry: u32,
  seriesIndexes: usize, seriesIds: usize, sampleFrom: usize, lastLogRows: usize, timestamps: usize, values: usize, capacity: u32, scratch: usize,
  seriesCountOut: usize,
): u32 {
  let end: usize = 0;
  let series: u32 = 0;
  let i = fromEntry;
  let touched = fromEntry;
  store<u32>(sampleFrom, 0);
  while (i < toEntry) {
    if (i >= touched) touched = touchEntries(entries, order, i, toEntry, scratch);
    const seriesIndex = load<u32>(entryAt(entries, order, i));
    let stop = i;
    let total: u32 = 0;
    while (stop < toEntry) {
      const entry = entryAt(entries, order, stop);
      if (load<u32>(entry) != seriesIndex) break;
      const samples = entrySamples(entry);
      if (stop > i && end + (total as usize) + (samples as usize) > (capacity as usize)) break;
      total += samples;
      stop++;
    }
    if (i > fromEntry && end + (total as usize) > (capacity as usize)) break;
    let from = end;
    let lastLogRow: f64 = 0;
    for (let k = i; k < stop; k++) {
      const entry = entryAt(entries, order, k);
      lastLogRow = load<f64>(load<u32>(entry, 4) as usize, 8);
      from += entrySamples(entry) as usize;
      copyEntry(entry, timestamps, values, from);
    }
    columnsSort(timestamps + (end << 3), values + (end << 3), total, scratch);
    store<u32>(seriesIndexes + ((series as usize) << 2), seriesIndex);
    store<u32>(seriesIds + ((series as usize) << 2), load<u32>(recordOf(context, seriesIndex), 28));
    store<f64>(lastLogRows + ((series as usize) << 3), lastLogRow);
    end += total as usize;
    series++;
    store<u32>(sampleFrom + ((series as usize) << 2), end as u32);
    i = stop;
  }
  store<u32>(seriesCountOut, series);
  return i;
}

/** Entries whose chunks are read ahead together: with 15 chunks each they fill the first cache. */
const entriesAtOnce: u32 = 16;

/**
 * Follows the lists of the next entries side by side, so that the processor waits for their cache misses at once instead of one after the other. Returns
 * where it ended. `scratch` has room for 8 bytes for each of them and 8 more.
 */
function touchEntries(entries: usize, order: usize, fromEntry: u32, toEntry: u32, scratch: usize): u32 {
  const stop = min<u32>(toEntry, fromEntry + entriesAtOnce);
  const end = scratch + (((stop - fromEntry) as usize) << 3);
  for (let i = fromEntry, at = scratch; i < stop; i++, at += 8) store<u64>(at, load<u64>(entryAt(entries, order, i), 4));
  let left: u32 = 1;
  while (left != 0) {
    left = 0;
    for (let at = scratch; at < end; at += 8) {
      const count = load<u32>(at, 4);
      if (count == 0) continue;
      const chunk = load<u32>(at) as usize;
      store<u32>(end, load<u32>(chunk, 64)); // the values stand in the second cache line
      store<u32>(at, load<u32>(chunk, 16));
      store<u32>(at, count - 1, 4);
      left |= count - 1;
    }
  }
  return stop;
}

@inline
function entryAt(entries: usize, order: usize, position: u32): usize {
  return entries + (load<u32>(order + ((position as usize) << 2)) as usize) * 12;
}

function entrySamples(entry: usize): u32 {
  let chunk = load<u32>(entry, 4) as usize;
  let samples: u32 = 0;
  for (let left = load<u32>(entry, 8); left != 0; left--) {
    samples += load<u32>(chunk, 20);
    chunk = load<u32>(chunk, 16) as usize;
  }
  return samples;
}

/** Writes seriesIds of the listed seriesIndexes. */
export function headSeriesIds(context: usize, list: usize, count: u32, target: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(target + ((i as usize) << 2), load<u32>(recordOf(context, load<u32>(list + ((i as usize) << 2))), 28));
  }
}

/** Writes the fingerprints (16 bytes: low, high) of the listed series. */
export function headFingerprints(context: usize, list: usize, count: u32, target: usize): void {
  for (let i: usize = 0; i < (count as usize); i++) memory.copy(target + (i << 4), recordOf(context, load<u32>(list + (i << 2))), 16);
}

/**
 * Writes the fingerprints of `count` label runs: run i is bytes [offsets[i], offsets[i + 1]) of `runs` (7 bytes behind the last one may be read), of the
 * tenant accountIds[i], projectIds[i]. Of the context only the seeds are read.
 */
export function headFingerprintRuns(context: usize, runs: usize, offsets: usize, count: u32, accountIds: usize, projectIds: usize, target: usize): void {
  for (let i: usize = 0; i < (count as usize); i++) {
    const from = load<u32>(offsets + (i << 2)) as usize;
    const size = (load<u32>(offsets + (i << 2), 4) as usize) - from;
    store<u64>(target + (i << 4), fingerprint(context, runs + from, size, load<u32>(accountIds + (i << 2)), load<u32>(projectIds + (i << 2))));
    store<u64>(target + (i << 4), fingerprintHigh, 8);
  }
}
