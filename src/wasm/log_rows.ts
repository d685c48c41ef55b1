// Rows of a samples record of the log (docs/formats/log.md, samples version 2): one after the other, each as small as what it has in common with the row before
// it allows. The head writes them (head.ts); readers expand a record to rows of 16 bytes, the form in which version 1 stood on disk.
//
//    payload   0 f64 firstLogRow | 8 f64 baseMs | 16 u32 count | 20 u32 0 | 24 rows | bytes 0xff, which begin no row, up to a multiple of 8
//    row       u8 control, [u32 seriesId], [i32 offsetMs], 0 to 8 bytes of the value
//    control   bits 0..3   bytes of the value, the upper ones of its 64 bits; the lower ones are zero
//              bit 4       the series id follows
//              bit 5       the offset from baseMs follows; otherwise it is that of the row before (of the first row: 0)
//              bit 6       the series id is that of the row before; with neither bit 4 nor 6 it is 1 more (of the first row: 0)
//
// Door and twin: kernel/log_rows.ts.

/** The longest row, and what the store of a value may reach behind it. */
export const LOG_ROW_ROOM: usize = 17 + 8;
export const LOG_ROWS_HEADER: usize = 24;
export const LOG_ROWS_PADDING: u8 = 0xff;

const HAS_ID: u32 = 16;
const HAS_OFFSET: u32 = 32;
const SAME_ID: u32 = 64;
const CONTROL_MAX: u32 = 127;
const VALUE_BYTES: u32 = 15;
const EXPANDED_ROW: usize = 16;

/** Writes a row at `at`, of which LOG_ROW_ROOM bytes are free; `nextId` and `lastOffsetMs` are what the row would have if it repeats the one before. Returns its end. */
@inline
export function logRowPut(at: usize, seriesId: u32, offsetMs: i32, value: f64, nextId: u32, lastOffsetMs: i32): usize {
  const bits = reinterpret<u64>(value);
  const size = 8 - ((ctz(bits) as u32) >> 3);
  let control = size;
  let end = at + 1;
  if (seriesId == nextId - 1) {
    control |= SAME_ID;
  } else if (seriesId != nextId) {
    control |= HAS_ID;
    store<u32>(end, seriesId);
    end += 4;
  }
  if (offsetMs != lastOffsetMs) {
    control |= HAS_OFFSET;
    store<i32>(end, offsetMs);
    end += 4;
  }
  store<u8>(at, control);
  store<u64>(end, bits >> (((8 - size) << 3) as u64)); // a size of 0 shifts by 64, which is by 0: zero all the same
  return end + (size as usize);
}

/**
 * Expands the rows of a payload to { u32 seriesId, i32 offsetMs, f64 value } at `target`, behind a copy of the payload's header. Returns their number, or -1 if
 * they are more than `rowsMax` or not what the payload holds from end to end.
 */
export function logRowsExpand(payload: usize, size: usize, target: usize, rowsMax: u32): i32 {
  if (size < LOG_ROWS_HEADER) return -1;
  const count = load<u32>(payload, 16);
  if (count > rowsMax) return -1;
  memory.copy(target, payload, LOG_ROWS_HEADER);
  const end = payload + size;
  let at = payload + LOG_ROWS_HEADER;
  let row = target + LOG_ROWS_HEADER;
  let seriesId: u32 = 0xffffffff;
  let offsetMs: i32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (at >= end) return -1;
    const control = load<u8>(at) as u32;
    const valueSize = control & VALUE_BYTES;
    if (control > CONTROL_MAX || valueSize > 8 || (control & (HAS_ID | SAME_ID)) == (HAS_ID | SAME_ID)) return -1;
    at++;
    if (at + (((control & HAS_ID) >> 2) + ((control & HAS_OFFSET) >> 3) + valueSize) > end) return -1;
    seriesId += 1 - (control >> 6);
    if ((control & HAS_ID) != 0) {
      seriesId = load<u32>(at);
      at += 4;
    }
    if ((control & HAS_OFFSET) != 0) {
      offsetMs = load<i32>(at);
      at += 4;
    }
    store<u32>(row, seriesId);
    store<i32>(row, offsetMs, 4);
    store<u64>(row, valueBits(at, end, valueSize), 8);
    at += valueSize as usize;
    row += EXPANDED_ROW;
  }
  if (end - at >= 8) return -1;
  for (; at < end; at++) if (load<u8>(at) != LOG_ROWS_PADDING) return -1;
  return count as i32;
}

@inline
function valueBits(at: usize, end: usize, size: u32): u64 {
  if (size == 0) return 0;
  if (at + 8 <= end) return load<u64>(at) << (((8 - size) << 3) as u64);
  let bits: u64 = 0;
  for (let i: u32 = 0; i < size; i++) bits |= (load<u8>(at + (i as usize)) as u64) << (((8 - size + i) << 3) as u64);
  return bits;
}
