// Snappy block format: a varint with the decoded size, then literals and back-references.
// Every tag is checked against both ends before it is acted on. Copies move 16 bytes at a time, so up to 64 bytes behind
// the decoded data are overwritten and up to 16 bytes behind the source are read: both ends have that slack.

/** Position at which `snappyDecode` stopped on corrupt input, relative to the source. */
let failedAt: u32 = 0;

/** Reads the preamble: decoded size in the low 32 bits, its own size in the high ones; -1 if it is not a 32-bit varint. */
@inline function readPreamble(source: usize, size: usize): i64 {
  let value: u64 = 0;
  for (let i: usize = 0; i < 5; i++) {
    if (i >= size) return -1;
    const byte = load<u8>(source + i) as u64;
    value |= (byte & 127) << (7 * i);
    if (byte < 128) return value > 0xffffffff ? -1 : (value | (((i + 1) as u64) << 32)) as i64;
  }
  return -1;
}

/** The size that the block claims to decode to, or -1 when the preamble is corrupt. As f64, so that 4 GiB is not negative. */
export function snappyDecodedSize(source: usize, size: usize): f64 {
  const preamble = readPreamble(source, size);
  return preamble < 0 ? -1 : ((preamble as u32) as f64);
}

/** Where the last `snappyDecode` that returned 0 stopped, in bytes from the start of the source. */
export function snappyFailedAt(): u32 {
  return failedAt;
}

/** Decodes into `target`, which holds at least the claimed size and 64 bytes more. 1 if the block is whole, else 0. */
export function snappyDecode(source: usize, size: usize, target: usize): u32 {
  const preamble = readPreamble(source, size);
  failedAt = 0;
  if (preamble < 0) return 0;
  const sourceEnd = source + size;
  const targetEnd = target + ((preamble as u32) as usize);
  let from = source + ((preamble >> 32) as usize);
  let to = target;
  while (from < sourceEnd) {
    const tag = load<u8>(from) as u32;
    failedAt = (from - source) as u32;
    let length: usize;
    let distance: usize;
    if ((tag & 3) == 0) {
      length = tag >> 2;
      from++;
      if (length >= 60) {
        const sizeBytes = (length as u32) - 59;
        if (sizeBytes > ((sourceEnd - from) as u32)) return 0;
        length = load<u32>(from) & ((0xffffffff as u32) >>> ((4 - sizeBytes) << 3));
        from += sizeBytes;
        if (length == 0xffffffff) return 0;
      }
      length++;
      if (length > targetEnd - to || length > sourceEnd - from) return 0;
      if (length <= 16) v128.store(to, v128.load(from));
      else memory.copy(to, from, length);
      to += length;
      from += length;
      continue;
    }
    if ((tag & 3) != 3) {
      // Copies with one and two bytes of distance take turns in no order that a processor could foresee, so both are read and one is chosen.
      const isWide = (tag & 2) >> 1;
      const wide = load<u16>(from, 1) as u32;
      length = select((tag >> 2) + 1, ((tag >> 2) & 7) + 4, isWide) as usize;
      distance = select(wide, ((tag >> 5) << 8) | (wide & 255), isWide) as usize;
      from += 2 + (isWide as usize);
    } else {
      length = (tag >> 2) + 1;
      distance = load<u32>(from, 1);
      from += 5;
    }
    if (from > sourceEnd || distance - 1 >= to - target || length > targetEnd - to) return 0;
    const back = to - distance;
    if (distance >= 16) {
      // Nor are lengths foreseen.
      v128.store(to, v128.load(back));
      v128.store(to, v128.load(back, 16), 16);
      v128.store(to, v128.load(back, 32), 32);
      v128.store(to, v128.load(back, 48), 48);
    } else if (distance >= 8) {
      for (let i: usize = 0; i < length; i += 8) store<u64>(to + i, load<u64>(back + i));
    } else {
      for (let i: usize = 0; i < length; i++) store<u8>(to + i, load<u8>(back + i));
    }
    to += length;
  }
  failedAt = size as u32;
  return to == targetEnd ? 1 : 0;
}
