// Functions of ranges as PromQL computes them: one call per series, all windows of the grid. Twin: kernel/promql_windows_reference.ts.
//
// A call takes a record (kernel/promql_windows.ts writes it):
//
//    0 u32 timestamps (f64, ascending, each once)   4 u32 values (f64, no stale markers)   8 u32 sample count   12 u32 points
//   16 u32 from   20 u32 to        first and one past the last sample of the window of each point (i32 each)
//   24 u32 target (f64 per point)  28 u32 present (u8 per point: 0 no value, 1 a value)
//   32 u32 scratch (8 bytes per sample)
//   40 f64 end of the first window   48 f64 from one end to the next   56 f64 length of the windows
//
// Samples of a window are (end - length, end]. All arithmetic is Prometheus', operation by operation. Functions return how many points have a value.

@inline function timestampsOf(c: usize): usize { return load<u32>(c) as usize; }
@inline function valuesOf(c: usize): usize { return load<u32>(c, 4) as usize; }
@inline function countOf(c: usize): i32 { return load<u32>(c, 8) as i32; }
@inline function pointsOf(c: usize): i32 { return load<u32>(c, 12) as i32; }
@inline function fromAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 16) as usize) + ((p as usize) << 2)); }
@inline function toAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 20) as usize) + ((p as usize) << 2)); }
@inline function scratchOf(c: usize): usize { return load<u32>(c, 32) as usize; }
@inline function endAt(c: usize, p: i32): f64 { return load<f64>(c, 40) + (p as f64) * load<f64>(c, 48); }
@inline function lengthOf(c: usize): f64 { return load<f64>(c, 56); }
@inline function at(column: usize, i: i32): f64 { return load<f64>(column + ((i as usize) << 3)); }
@inline function indexAt(column: usize, i: i32): i32 { return load<i32>(column + ((i as usize) << 2)); }
@inline function putIndex(column: usize, i: i32, index: i32): void { store<i32>(column + ((i as usize) << 2), index); }
@inline function give(c: usize, p: i32, value: f64): void {
  store<f64>((load<u32>(c, 24) as usize) + ((p as usize) << 3), value);
  store<u8>((load<u32>(c, 28) as usize) + (p as usize), 1);
}
@inline function giveNothing(c: usize, p: i32): void { store<u8>((load<u32>(c, 28) as usize) + (p as usize), 0); }
@inline function isStale(column: usize, i: i32): bool { return load<u64>(column + ((i as usize) << 3)) == 0x7ff0000000000002; }

// ---- preparation ----

/** Bit 0: a time is there twice. Bit 1: there is a stale marker. Bit 2: a value is not at least the one before, or the first is NaN. */
export function promqlScan(timestamps: usize, values: usize, count: i32): i32 {
  let repeats = i64x2.splat(0), falls = i64x2.splat(0);
  let i = 1;
  for (; i + 2 <= count; i += 2) {
    const t = timestamps + ((i as usize) << 3), v = values + ((i as usize) << 3);
    repeats = v128.or(repeats, f64x2.eq(v128.load(t), v128.load(t - 8)));
    falls = v128.or(falls, v128.not(f64x2.ge(v128.load(v), v128.load(v - 8))));
  }
  let flags = (v128.any_true(repeats) ? 1 : 0) | (v128.any_true(falls) ? 4 : 0);
  for (; i < count; i++) {
    if (at(timestamps, i) == at(timestamps, i - 1)) flags |= 1;
    if (!(at(values, i) >= at(values, i - 1))) flags |= 4;
  }
  if (count > 0 && at(values, 0) != at(values, 0)) flags |= 4;
  if ((flags & 4) != 0) for (i = 0; i < count; i++) if (isStale(values, i)) return flags | 2;
  return flags;
}

/** Finds the samples of all windows. */
export function promqlBounds(c: usize): void {
  const timestamps = timestampsOf(c), count = countOf(c), points = pointsOf(c);
  const fromColumn = load<u32>(c, 16) as usize, toColumn = load<u32>(c, 20) as usize;
  let from = 0, to = 0;
  for (let p = 0; p < points; p++) {
    const end = endAt(c, p), start = end - lengthOf(c);
    while (from < count && at(timestamps, from) <= start) from++;
    if (to < from) to = from;
    while (to < count && at(timestamps, to) <= end) to++;
    putIndex(fromColumn, p, from);
    putIndex(toColumn, p, to);
  }
}

/** Counts in scratch (i32 per sample) how many values up to each are less than the one before (kind 0) or differ from it (kind 1). */
function countPairs(c: usize, kind: i32): usize {
  const values = valuesOf(c), count = countOf(c), scratch = scratchOf(c);
  let pairs = 0;
  if (count > 0) putIndex(scratch, 0, 0);
  for (let i = 1; i < count; i++) {
    const earlier = at(values, i - 1), later = at(values, i);
    if (kind == 0 ? later < earlier : earlier != later && !(earlier != earlier && later != later)) pairs++;
    putIndex(scratch, i, pairs);
  }
  return scratch;
}

// ---- differences ----

/** delta, increase (isCounter) and rate (isCounter, isRate). Without `falls` no value is less than the one before. */
export function promqlDelta(c: usize, isCounter: i32, isRate: i32, falls: i32): i32 {
  const timestamps = timestampsOf(c), values = valuesOf(c), points = pointsOf(c), length = lengthOf(c);
  const resets: usize = isCounter != 0 && falls != 0 ? countPairs(c, 0) : 0;
  let given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (to - from < 2) {
      giveNothing(c, p);
      continue;
    }
    const first = at(values, from);
    let difference = at(values, to - 1) - first;
    if (resets != 0 && indexAt(resets, to - 1) != indexAt(resets, from)) {
      for (let i = from + 1; i < to; i++) if (at(values, i) < at(values, i - 1)) difference += at(values, i - 1);
    }
    const share: f64 = isCounter != 0 && difference > 0 && first >= 0 ? first / difference : NaN;
    const end = endAt(c, p);
    const factor = extrapolation(end - length, end, at(timestamps, from), at(timestamps, to - 1), to - from, share);
    give(c, p, difference * (isRate != 0 ? factor / (length / 1000) : factor));
    given++;
  }
  return given;
}

/** What the difference of samples is multiplied by, which are taken to go on to the bounds of the window or half an interval. */
@inline function extrapolation(start: f64, end: f64, firstMs: f64, lastMs: f64, count: i32, firstShare: f64): f64 {
  const sampled = (lastMs - firstMs) / 1000;
  const interval = sampled / ((count - 1) as f64);
  const far = interval * 1.1;
  let toStart = (firstMs - start) / 1000;
  let toEnd = (end - lastMs) / 1000;
  if (toStart >= far) toStart = interval / 2;
  if (firstShare == firstShare) toStart = min<f64>(toStart, sampled * firstShare);
  if (toEnd >= far) toEnd = interval / 2;
  return sampled == 0 ? 1 : (sampled + toStart + toEnd) / sampled;
}

/** irate (isCounter) and idelta. */
export function promqlLastDelta(c: usize, isCounter: i32): i32 {
  const timestamps = timestampsOf(c), values = valuesOf(c), points = pointsOf(c);
  let given = 0;
  for (let p = 0; p < points; p++) {
    const to = toAt(c, p);
    if (to - fromAt(c, p) < 2) {
      giveNothing(c, p);
      continue;
    }
    const earlier = at(values, to - 2), later = at(values, to - 1);
    if (isCounter != 0) give(c, p, (later < earlier ? later : later - earlier) / ((at(timestamps, to - 1) - at(timestamps, to - 2)) / 1000));
    else give(c, p, later - earlier);
    given++;
  }
  return given;
}

/** resets (kind 0) and changes (kind 1). */
export function promqlPairs(c: usize, kind: i32): i32 {
  const pairs = countPairs(c, kind), points = pointsOf(c);
  let given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (to == from) {
      giveNothing(c, p);
      continue;
    }
    give(c, p, (indexAt(pairs, to - 1) - indexAt(pairs, from)) as f64);
    given++;
  }
  return given;
}

// ---- over time ----

/** sum_over_time and avg_over_time (isMean), compensated. Returns -1 if a sum is not finite; it has to be computed with more care then. */
export function promqlSum(c: usize, isMean: i32): i32 {
  const values = valuesOf(c), points = pointsOf(c);
  let given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (to == from) {
      giveNothing(c, p);
      continue;
    }
    let sum: f64 = 0, rest: f64 = 0;
    for (let i = from; i < to; i++) {
      const value = at(values, i);
      const next = sum + value;
      const added = next - sum;
      rest += sum - (next - added) + (value - added);
      sum = next;
    }
    if (!(abs<f64>(sum + rest) < Infinity)) return -1;
    const count = (to - from) as f64;
    give(c, p, isMean != 0 ? sum / count + rest / count : sum + rest);
    given++;
  }
  return given;
}

/** min_over_time and max_over_time (isMax). NaN is beaten by every value; of equal values the first counts (0 and -0). */
export function promqlExtreme(c: usize, isMax: i32): i32 {
  const points = pointsOf(c);
  let visits: i64 = 0;
  for (let p = 0; p < points; p++) visits += (toAt(c, p) - fromAt(c, p)) as i64;
  // Windows that overlap much are gone through once, with a queue of the values that may still win.
  if (visits > ((countOf(c) as i64) << 3)) return extremeByQueue(c, isMax);
  return isMax != 0 ? extremeByScan(c, true) : extremeByScan(c, false);
}

/** The first sample of a window that is not NaN, or the last one if all are. */
@inline function firstNumber(values: usize, from: i32, to: i32): i32 {
  let i = from;
  while (i < to - 1 && at(values, i) != at(values, i)) i++;
  return i;
}

/** Inlined for each of the two comparisons. */
@inline function extremeByScan(c: usize, isMax: bool): i32 {
  const values = valuesOf(c), points = pointsOf(c);
  let given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (to == from) {
      giveNothing(c, p);
      continue;
    }
    let i = firstNumber(values, from, to);
    let best = at(values, i);
    for (i++; i < to; i++) {
      const value = at(values, i);
      best = select<f64>(value, best, isMax ? value > best : value < best);
    }
    give(c, p, best);
    given++;
  }
  return given;
}

/** The queue holds indexes of values in scratch, each worse than the one before it or equal; NaN is not in it. */
function extremeByQueue(c: usize, isMax: i32): i32 {
  const values = valuesOf(c), points = pointsOf(c), queue = scratchOf(c);
  const sign: f64 = isMax != 0 ? -1 : 1;
  let head = 0, tail = 0, next = 0, given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (next < from) next = from;
    for (; next < to; next++) {
      const value = at(values, next) * sign;
      if (value != value) continue;
      while (tail > head && value < at(values, indexAt(queue, tail - 1)) * sign) tail--;
      putIndex(queue, tail++, next);
    }
    while (head < tail && indexAt(queue, head) < from) head++;
    if (to == from) {
      giveNothing(c, p);
      continue;
    }
    give(c, p, at(values, head < tail ? indexAt(queue, head) : to - 1));
    given++;
  }
  return given;
}

/** count_over_time (kind 0), present_over_time (1), first_over_time (2), last_over_time (3). */
export function promqlPick(c: usize, kind: i32): i32 {
  const values = valuesOf(c), points = pointsOf(c);
  let given = 0;
  for (let p = 0; p < points; p++) {
    const from = fromAt(c, p), to = toAt(c, p);
    if (to == from) {
      giveNothing(c, p);
      continue;
    }
    give(c, p, kind == 0 ? (to - from) as f64 : kind == 1 ? 1 : at(values, kind == 2 ? from : to - 1));
    given++;
  }
  return given;
}

/** A selector: at each point, which is the end of a window, the last value in it; none if that is a stale marker. Times may be there twice. */
export function promqlLatest(c: usize): i32 {
  const timestamps = timestampsOf(c), values = valuesOf(c), count = countOf(c), points = pointsOf(c), length = lengthOf(c);
  let next = 0, given = 0;
  for (let p = 0; p < points; p++) {
    const time = endAt(c, p);
    while (next < count && at(timestamps, next) <= time) next++;
    if (next == 0 || at(timestamps, next - 1) <= time - length || isStale(values, next - 1)) {
      giveNothing(c, p);
      continue;
    }
    give(c, p, at(values, next - 1));
    given++;
  }
  return given;
}
