// Kernels over column pairs (f64 timestampsMs, f64 values).

/** Whether no timestamp is less than the one before it: what is read mostly is in order, so this takes eight at a time. REQUIRES: count > 0. */
function isAscending(timestamps: usize, count: u32): bool {
  const end = timestamps + ((count as usize) << 3);
  let at = timestamps + 8;
  for (; at + 64 <= end; at += 64) {
    const first = v128.or(f64x2.lt(v128.load(at), v128.load(at - 8)), f64x2.lt(v128.load(at, 16), v128.load(at, 8)));
    const second = v128.or(f64x2.lt(v128.load(at, 32), v128.load(at, 24)), f64x2.lt(v128.load(at, 48), v128.load(at, 40)));
    if (v128.any_true(v128.or(first, second))) return false;
  }
  for (; at < end; at += 8) if (load<f64>(at) < load<f64>(at - 8)) return false;
  return true;
}

/**
 * Sorts a column pair by timestamp, stable, with bottom-up merges of natural runs.
 * `scratch` has room for 16 bytes a sample plus 4 bytes a run (at most count + 1 runs).
 */
export function columnsSort(timestamps: usize, values: usize, count: u32, scratch: usize): void {
  if (count < 2 || isAscending(timestamps, count)) return;
  const runs = scratch + ((count as usize) << 4);
  let runCount: u32 = 1;
  store<u32>(runs, 0);
  let previousMs = load<f64>(timestamps);
  for (let i: u32 = 1; i < count; i++) {
    const timestampMs = load<f64>(timestamps + ((i as usize) << 3));
    if (timestampMs < previousMs) {
      store<u32>(runs + ((runCount as usize) << 2), i);
      runCount++;
    }
    previousMs = timestampMs;
  }
  while (runCount > 1) {
    let merged: u32 = 0;
    for (let i: u32 = 0; i < runCount; i += 2) {
      const from = load<u32>(runs + ((i as usize) << 2));
      if (i + 1 < runCount) {
        const middle = load<u32>(runs + (((i + 1) as usize) << 2));
        const to = i + 2 < runCount ? load<u32>(runs + (((i + 2) as usize) << 2)) : count;
        mergeRuns(timestamps, values, from as usize, middle as usize, to as usize, scratch);
      }
      store<u32>(runs + ((merged as usize) << 2), from);
      merged++;
    }
    runCount = merged;
  }
}

/** Merges the sorted runs [from, middle) and [middle, to) in place; the left one moves to scratch. */
function mergeRuns(timestamps: usize, values: usize, from: usize, middle: usize, to: usize, scratch: usize): void {
  const leftCount = middle - from;
  const leftTimestamps = scratch;
  const leftValues = scratch + (leftCount << 3);
  memory.copy(leftTimestamps, timestamps + (from << 3), leftCount << 3);
  memory.copy(leftValues, values + (from << 3), leftCount << 3);
  let left: usize = 0;
  let right = middle;
  let out = from;
  while (left < leftCount && right < to) {
    const leftMs = load<f64>(leftTimestamps + (left << 3));
    const rightMs = load<f64>(timestamps + (right << 3));
    if (rightMs < leftMs) {
      store<f64>(timestamps + (out << 3), rightMs);
      store<u64>(values + (out << 3), load<u64>(values + (right << 3)));
      right++;
    } else {
      store<f64>(timestamps + (out << 3), leftMs);
      store<u64>(values + (out << 3), load<u64>(leftValues + (left << 3)));
      left++;
    }
    out++;
  }
  memory.copy(timestamps + (out << 3), leftTimestamps + (left << 3), (leftCount - left) << 3);
  memory.copy(values + (out << 3), leftValues + (left << 3), (leftCount - left) << 3);
}

/** Keeps the samples within [minMs, maxMs] of the sorted stretch [from, to), moved to `from`; returns the new end. */
export function clipColumns(timestamps: usize, values: usize, from: usize, to: usize, minMs: f64, maxMs: f64): usize {
  return moveClipped(timestamps, values, from, from, to, minMs, maxMs);
}

/** The first of the sorted stretch [from, to) that is not before a time. */
@inline
export function firstFrom(timestamps: usize, from: usize, to: usize, timeMs: f64): usize {
  if (from == to || load<f64>(timestamps + (from << 3)) >= timeMs) return from;
  let low = from + 1, high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f64>(timestamps + (middle << 3)) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first of the sorted stretch [from, to) that is after a time. */
@inline
export function firstAfter(timestamps: usize, from: usize, to: usize, timeMs: f64): usize {
  if (from == to || load<f64>(timestamps + ((to - 1) << 3)) <= timeMs) return to;
  let low = from, high = to - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f64>(timestamps + (middle << 3)) <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Moves the samples within [minMs, maxMs] of the sorted stretch [from, to) down to `target`; returns the end of what was moved. */
function moveClipped(timestamps: usize, values: usize, target: usize, from: usize, to: usize, minMs: f64, maxMs: f64): usize {
  const first = firstFrom(timestamps, from, to, minMs);
  const stop = firstAfter(timestamps, first, to, maxMs);
  if (target != first) {
    memory.copy(timestamps + (target << 3), timestamps + (first << 3), (stop - first) << 3);
    memory.copy(values + (target << 3), values + (first << 3), (stop - first) << 3);
  }
  return target + (stop - first);
}

/**
 * Finishes a batch of series whose samples stand at [sampleFrom[i], sampleFrom[i + 1]): sorts each by time, keeps what lies within
 * [minMs, maxMs], closes the gaps and rewrites sampleFrom. Returns the number of samples left.
 */
export function columnsFinish(
  sampleFrom: usize, seriesCount: u32, timestamps: usize, values: usize, minMs: f64, maxMs: f64, scratch: usize,
): u32 {
  let end: usize = 0;
  let from = load<u32>(sampleFrom) as usize;
  for (let i: u32 = 0; i < seriesCount; i++) {
    const next = sampleFrom + (((i + 1) as usize) << 2);
    const to = load<u32>(next) as usize;
    columnsSort(timestamps + (from << 3), values + (from << 3), (to - from) as u32, scratch);
    end = moveClipped(timestamps, values, end, from, to, minMs, maxMs);
    store<u32>(next, end as u32);
    from = to;
  }
  store<u32>(sampleFrom, 0);
  return end as u32;
}
