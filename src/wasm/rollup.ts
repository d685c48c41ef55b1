// Rollups: one call per series computes a function over every window of the grid. Twin: kernel/rollup_reference.ts.
//
// A call takes a context (kernel/rollup.ts writes it), so that all functions have one shape and are chosen outside the loop:
//
//    0 u32 timestamps (f64, ascending)   4 u32 values (f64)          8 u32 sample count      12 u32 points
//   16 u32 lo   20 u32 hi                first and one past the last sample of the window of each point (i32 each)
//   24 u32 prev                          sample before the window if it is near enough, else -1
//   28 u32 realPrev                      sample before the window however far (but for the lookback limit), else -1
//   32 u32 arg 0  36 u32 arg 1           f64 per point
//   40 u32 target (f64 per point)        44 u32 scratch (2 f64 per sample)
//   48 f64 startMs   56 f64 stepMs   64 f64 windowMs
//
// Samples of a window are (t - window, t]. Values hold no NaN but for the stale markers that default_rollup and
// stale_samples_over_time want to see; a previous value that is NaN counts as none. An empty window gives NaN unless stated.

@inline function timestampsOf(c: usize): usize { return load<u32>(c) as usize; }
@inline function valuesOf(c: usize): usize { return load<u32>(c, 4) as usize; }
@inline function countOf(c: usize): i32 { return load<u32>(c, 8) as i32; }
@inline function pointsOf(c: usize): i32 { return load<u32>(c, 12) as i32; }
@inline function loAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 16) as usize) + (p << 2)); }
@inline function hiAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 20) as usize) + (p << 2)); }
@inline function prevAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 24) as usize) + (p << 2)); }
@inline function realPrevAt(c: usize, p: i32): i32 { return load<i32>((load<u32>(c, 28) as usize) + (p << 2)); }
@inline function arg0At(c: usize, p: i32): f64 { return load<f64>((load<u32>(c, 32) as usize) + (p << 3)); }
@inline function arg1At(c: usize, p: i32): f64 { return load<f64>((load<u32>(c, 36) as usize) + (p << 3)); }
@inline function targetOf(c: usize): usize { return load<u32>(c, 40) as usize; }
@inline function scratchOf(c: usize): usize { return load<u32>(c, 44) as usize; }
@inline function timeAt(c: usize, p: i32): f64 { return load<f64>(c, 48) + load<f64>(c, 56) * (p as f64); }
@inline function windowOf(c: usize): f64 { return load<f64>(c, 64); }
@inline function at(column: usize, i: i32): f64 { return load<f64>(column + ((i as usize) << 3)); }
@inline function put(column: usize, i: i32, v: f64): void { store<f64>(column + ((i as usize) << 3), v); }
/** Value of the previous sample, NaN if there is none. */
@inline function valueOrNaN(v: usize, i: i32): f64 { return i >= 0 ? at(v, i) : NaN; }

// ---- preparation ----

/** Bit 0: some value is NaN. Bit 1: some value is below its predecessor. */
export function rollupScan(values: usize, count: i32): i32 {
  let nan = i64x2.splat(0), falls = i64x2.splat(0);
  let i = 0;
  for (; i + 3 <= count; i += 2) {
    const x = v128.load(values + ((i as usize) << 3));
    const y = v128.load(values + ((i as usize) << 3), 8);
    nan = v128.or(nan, f64x2.ne(x, x));
    falls = v128.or(falls, f64x2.lt(y, x));
  }
  let flags = (v128.any_true(nan) ? 1 : 0) | (v128.any_true(falls) ? 2 : 0);
  for (; i < count; i++) {
    const x = at(values, i);
    if (x != x) flags |= 1;
    if (i + 1 < count && at(values, i + 1) < x) flags |= 2;
  }
  return flags;
}

/** Copies the samples whose value is not NaN; returns how many. */
export function rollupDropNaN(timestamps: usize, values: usize, count: i32, targetTimestamps: usize, targetValues: usize): i32 {
  let n = 0;
  for (let i = 0; i < count; i++) {
    const v = at(values, i);
    put(targetTimestamps, n, at(timestamps, i));
    put(targetValues, n, v);
    n += v == v ? 1 : 0;
  }
  return n;
}

/** As rollupDropNaN, but stale markers stay. */
export function rollupDropPlainNaN(timestamps: usize, values: usize, count: i32, targetTimestamps: usize, targetValues: usize): i32 {
  let n = 0;
  for (let i = 0; i < count; i++) {
    const bits = load<u64>(values + ((i as usize) << 3));
    put(targetTimestamps, n, at(timestamps, i));
    store<u64>(targetValues + ((n as usize) << 3), bits);
    n += (bits & 0x7fffffffffffffff) <= 0x7ff0000000000000 || bits == 0x7ff0000000000002 ? 1 : 0;
  }
  return n;
}

/**
 * Makes a counter monotone. A fall by less than an eighth is a partial reset: only the difference is added back.
 * With maxGapMs > 0 a longer gap starts afresh.
 */
export function rollupRemoveResets(timestamps: usize, values: usize, count: i32, target: usize, maxGapMs: f64): void {
  if (count == 0) return;
  let correction: f64 = 0;
  let previous = at(values, 0);
  let last = previous;
  put(target, 0, previous);
  for (let i = 1; i < count; i++) {
    const v = at(values, i);
    const d = v - previous;
    if (d < 0) correction += -d * 8 < previous ? previous - v : previous;
    previous = v;
    if (maxGapMs > 0 && at(timestamps, i) - at(timestamps, i - 1) > maxGapMs) {
      correction = 0;
      last = v;
    } else {
      const corrected = v + correction;
      last = corrected < last ? last : corrected;
    }
    put(target, i, last);
  }
}

/** Each value becomes the difference to the next one; the last repeats. */
export function rollupDeltas(values: usize, count: i32, target: usize): void {
  let delta: f64 = 0;
  for (let i = 0; i + 1 < count; i++) {
    delta = at(values, i + 1) - at(values, i);
    put(target, i, delta);
  }
  if (count > 0) put(target, count - 1, delta);
}

/** Each value becomes the slope per second to the next one; samples with the time of their predecessor repeat its slope. */
export function rollupSlopes(timestamps: usize, values: usize, count: i32, target: usize): void {
  let slope: f64 = 0;
  if (count == 0) return;
  let previous = at(values, 0), previousMs = at(timestamps, 0);
  for (let i = 0; i + 1 < count; i++) {
    const t = at(timestamps, i + 1);
    if (t != previousMs) {
      const v = at(values, i + 1);
      slope = (v - previous) / ((t - previousMs) / 1000);
      previous = v;
      previousMs = t;
    }
    put(target, i, slope);
  }
  put(target, count - 1, slope);
}

/** Each value becomes the seconds since the sample before; the first takes the second's (NaN if it is alone). */
export function rollupIntervals(timestamps: usize, count: i32, target: usize): void {
  for (let i = 1; i < count; i++) put(target, i, at(timestamps, i) / 1000 - at(timestamps, i - 1) / 1000);
  if (count > 0) put(target, 0, count > 1 ? at(target, 1) : NaN);
}

/** The scrape interval in ms: the 0.6-quantile of the last (at most 20) intervals, or `fallbackMs`. Needs 20 f64 of scratch. */
export function rollupScrapeIntervalMs(timestamps: usize, count: i32, fallbackMs: f64, scratch: usize): f64 {
  if (count < 2) return fallbackMs;
  const n = min(20, count - 1);
  for (let k = 0; k < n; k++) {
    const i = count - n + k;
    insertSorted(scratch, k, at(timestamps, i) - at(timestamps, i - 1));
  }
  const interval = trunc(quantileSorted(scratch, n, 0.6));
  return interval > 0 ? interval : fallbackMs;
}

/** Fills lo, hi, prev and realPrev of the context. `lookbackMs` 0 is no limit. */
export function rollupBounds(c: usize, maxPrevIntervalMs: f64, lookbackMs: f64): void {
  const timestamps = timestampsOf(c), n = countOf(c), points = pointsOf(c), window = windowOf(c);
  const lo = load<u32>(c, 16) as usize, hi = load<u32>(c, 20) as usize, prev = load<u32>(c, 24) as usize, realPrev = load<u32>(c, 28) as usize;
  let a = 0, b = 0;
  for (let p = 0; p < points; p++) {
    const t = timeAt(c, p), from = t - window;
    a = seekAfter(timestamps, a, n, from);
    if (b < a) b = a;
    b = seekAfter(timestamps, b, n, t);
    let near = -1, far = -1;
    if (a > 0) {
      const before = at(timestamps, a - 1);
      if (a < n && before > from - maxPrevIntervalMs) near = a - 1;
      if (lookbackMs == 0 || (a < b ? at(timestamps, a) : from) - before < lookbackMs) far = a - 1;
    }
    const o = (p as usize) << 2;
    store<i32>(lo + o, a);
    store<i32>(hi + o, b);
    store<i32>(prev + o, near);
    store<i32>(realPrev + o, far);
  }
}

/** First index from `i` on whose timestamp is after `t`: a few steps, then a gallop. */
@inline function seekAfter(timestamps: usize, i: i32, n: i32, t: f64): i32 {
  let steps = 0;
  while (i < n && at(timestamps, i) <= t) {
    i++;
    if (++steps == 32) return gallopAfter(timestamps, i, n, t);
  }
  return i;
}

function gallopAfter(timestamps: usize, i: i32, n: i32, t: f64): i32 {
  let width = 32;
  while (i + width < n && at(timestamps, i + width) <= t) {
    i += width;
    width <<= 1;
  }
  let high = min(i + width, n);
  while (i < high) {
    const middle = (i + high) >> 1;
    if (at(timestamps, middle) <= t) i = middle + 1;
    else high = middle;
  }
  return i;
}

// ---- one or two samples of the window ----

export function rollupLast(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    put(target, p, b > loAt(c, p) ? at(v, b - 1) : NaN);
  }
}

export function rollupFirst(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p);
    put(target, p, hiAt(c, p) > a ? at(v, a) : NaN);
  }
}

export function rollupCount(c: usize): void {
  const target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const n = hiAt(c, p) - loAt(c, p);
    put(target, p, n > 0 ? (n as f64) : NaN);
  }
}

export function rollupPresent(c: usize): void {
  const target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) put(target, p, hiAt(c, p) > loAt(c, p) ? 1 : NaN);
}

/** 1 for an empty window, nothing for others. */
export function rollupAbsent(c: usize): void {
  const target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) put(target, p, hiAt(c, p) > loAt(c, p) ? NaN : 1);
}

/** (last - previous) / time between them; the first sample of the window if there is no previous one. */
export function rollupRate(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let k = prevAt(c, p);
    if (k >= 0 && at(v, k) != at(v, k)) k = -1;
    let r: f64 = NaN;
    if (b > a) {
      if (k < 0 && b - a > 1) k = a;
      if (k >= 0) r = (at(v, b - 1) - at(v, k)) / ((at(timestamps, b - 1) - at(timestamps, k)) / 1000);
    } else if (k >= 0) r = 0;
    put(target, p, r);
  }
}

/** last - previous; without a previous sample a series that begins small begins at 0. */
export function rollupDelta(c: usize): void {
  const v = valuesOf(c), n = countOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    const previous = valueOrNaN(v, prevAt(c, p));
    let r: f64 = NaN;
    if (previous == previous) r = b > a ? at(v, b - 1) - previous : 0;
    else if (b > a) {
      const far = valueOrNaN(v, realPrevAt(c, p));
      const last = at(v, b - 1);
      if (far == far) r = last - far;
      else {
        const first = at(v, a);
        const next = b - a > 1 ? at(v, a + 1) : b < n ? at(v, b) : NaN;
        const d = next == next ? abs(next - first) : 0;
        if (abs(first) < 10 * (d + 1)) r = last;
        else r = b - a > 1 ? last - first : 0;
      }
    }
    put(target, p, r);
  }
}

/** As delta, but a new series always begins at 0. */
export function rollupIncreasePure(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let previous = valueOrNaN(v, prevAt(c, p));
    let r: f64 = NaN;
    if (previous == previous) r = b > a ? at(v, b - 1) - previous : 0;
    else if (b > a) {
      previous = valueOrNaN(v, realPrevAt(c, p));
      r = at(v, b - 1) - (previous == previous ? previous : 0);
    }
    put(target, p, r);
  }
}

/** last - first of the window; needs two samples. */
export function rollupDeltaPrometheus(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b - a > 1 ? at(v, b - 1) - at(v, a) : NaN);
  }
}

export function rollupRatePrometheus(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c), seconds = windowOf(c) / 1000;
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b - a > 1 && seconds != 0 ? (at(v, b - 1) - at(v, a)) / seconds : NaN);
  }
}

/** last - the sample before it, even if that is before the window. */
export function rollupIdelta(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    const previous = valueOrNaN(v, prevAt(c, p));
    let r: f64 = NaN;
    if (b - a > 1) r = at(v, b - 1) - at(v, b - 2);
    else if (b > a) r = previous == previous ? at(v, a) - previous : at(v, a);
    else if (previous == previous) r = 0;
    put(target, p, r);
  }
}

/** Slope per second between the last two samples with different times. */
export function rollupIderiv(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let k = prevAt(c, p);
    if (k >= 0 && at(v, k) != at(v, k)) k = -1;
    let r: f64 = NaN;
    if (b > a) {
      const t = at(timestamps, b - 1);
      let i = b - 2;
      while (i >= a && at(timestamps, i) >= t) i--;
      if (i < a) i = k;
      if (i >= 0) r = (at(v, b - 1) - at(v, i)) / ((t - at(timestamps, i)) / 1000);
      else if (b - a > 1) r = 0;
    }
    put(target, p, r);
  }
}

export function rollupFirstTime(c: usize): void {
  const timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p);
    put(target, p, hiAt(c, p) > a ? at(timestamps, a) / 1000 : NaN);
  }
}

export function rollupLastTime(c: usize): void {
  const timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    put(target, p, b > loAt(c, p) ? at(timestamps, b - 1) / 1000 : NaN);
  }
}

/** Time of the last change of value in the window. */
export function rollupLastChangeTime(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let r: f64 = NaN;
    if (b > a) {
      const last = at(v, b - 1);
      let i = b - 2;
      while (i >= a && at(v, i) == last) i--;
      const previous = valueOrNaN(v, prevAt(c, p));
      if (i >= a) r = at(timestamps, i + 1) / 1000;
      else if (previous != last) r = at(timestamps, a) / 1000;
    }
    put(target, p, r);
  }
}

/** Seconds from the last sample to the point. */
export function rollupLag(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    let i = b > loAt(c, p) ? b - 1 : prevAt(c, p);
    if (b <= loAt(c, p) && i >= 0 && at(v, i) != at(v, i)) i = -1;
    put(target, p, i >= 0 ? (timeAt(c, p) - at(timestamps, i)) / 1000 : NaN);
  }
}

/** Seconds between the first (or previous) and the last sample; with `mean`, divided by the number of intervals. */
@inline function spanSeconds(c: usize, mean: bool): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let k = prevAt(c, p);
    if (k >= 0 && at(v, k) != at(v, k)) k = -1;
    const intervals = k >= 0 ? b - a : b - a - 1;
    let r: f64 = NaN;
    if (b > a && intervals > 0) {
      r = (at(timestamps, b - 1) - at(timestamps, k >= 0 ? k : a)) / 1000;
      if (mean) r /= intervals as f64;
    }
    put(target, p, r);
  }
}

export function rollupLifetime(c: usize): void { spanSeconds(c, false); }
export function rollupScrapeInterval(c: usize): void { spanSeconds(c, true); }

// ---- all samples of the window ----

/** Four running sums, added at the end as (0 + 2) + (1 + 3): the twin adds in the same order. */
@inline function sumWindow(v: usize, a: i32, b: i32): f64 {
  let even = f64x2.splat(0), odd = f64x2.splat(0);
  let from = v + ((a as usize) << 3);
  const to = v + ((b as usize) << 3);
  for (; from + 32 <= to; from += 32) {
    even = f64x2.add(even, v128.load(from));
    odd = f64x2.add(odd, v128.load(from, 16));
  }
  even = f64x2.add(even, odd);
  let sum = f64x2.extract_lane(even, 0) + f64x2.extract_lane(even, 1);
  for (; from < to; from += 8) sum += load<f64>(from);
  return sum;
}

export function rollupSum(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? sumWindow(v, a, b) : NaN);
  }
}

export function rollupAvg(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? sumWindow(v, a, b) / ((b - a) as f64) : NaN);
  }
}

export function rollupRateOverSum(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c), seconds = windowOf(c) / 1000;
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? sumWindow(v, a, b) / seconds : NaN);
  }
}

@inline function minWindow(v: usize, a: i32, b: i32): f64 {
  let from = v + ((a as usize) << 3);
  const to = v + ((b as usize) << 3);
  let x = f64x2.splat(load<f64>(from)), y = x;
  for (; from + 32 <= to; from += 32) {
    x = f64x2.pmin(x, v128.load(from));
    y = f64x2.pmin(y, v128.load(from, 16));
  }
  for (; from < to; from += 8) x = f64x2.pmin(x, v128.load64_splat(from));
  x = f64x2.pmin(x, y);
  const left = f64x2.extract_lane(x, 0), right = f64x2.extract_lane(x, 1);
  return right < left ? right : left;
}

@inline function maxWindow(v: usize, a: i32, b: i32): f64 {
  let from = v + ((a as usize) << 3);
  const to = v + ((b as usize) << 3);
  let x = f64x2.splat(load<f64>(from)), y = x;
  for (; from + 32 <= to; from += 32) {
    x = f64x2.pmax(x, v128.load(from));
    y = f64x2.pmax(y, v128.load(from, 16));
  }
  for (; from < to; from += 8) x = f64x2.pmax(x, v128.load64_splat(from));
  x = f64x2.pmax(x, y);
  const left = f64x2.extract_lane(x, 0), right = f64x2.extract_lane(x, 1);
  return right > left ? right : left;
}

export function rollupMin(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? minWindow(v, a, b) : NaN);
  }
}

export function rollupMax(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? maxWindow(v, a, b) : NaN);
  }
}

export function rollupRange(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? maxWindow(v, a, b) - minWindow(v, a, b) : NaN);
  }
}

/** Time of the last minimum (sign 1) or maximum (sign -1). */
@inline function extremeTime(c: usize, sign: f64): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let best = a;
    for (let i = a + 1; i < b; i++) if (at(v, i) * sign <= at(v, best) * sign) best = i;
    put(target, p, b > a ? at(timestamps, best) / 1000 : NaN);
  }
}

export function rollupMinTime(c: usize): void { extremeTime(c, 1); }
export function rollupMaxTime(c: usize): void { extremeTime(c, -1); }

export function rollupSum2(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let sum: f64 = 0;
    for (let i = a; i < b; i++) sum += at(v, i) * at(v, i);
    put(target, p, b > a ? sum : NaN);
  }
}

export function rollupGeomean(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let product: f64 = 1;
    for (let i = a; i < b; i++) product *= at(v, i);
    put(target, p, b > a ? NativeMath.pow(product, 1 / ((b - a) as f64)) : NaN);
  }
}

/** Population variance (Welford); exactly 0 for one sample. */
@inline function varianceWindow(v: usize, a: i32, b: i32): f64 {
  let mean: f64 = 0, squares: f64 = 0, n: f64 = 0;
  for (let i = a; i < b; i++) {
    const x = at(v, i);
    n++;
    const next = mean + (x - mean) / n;
    squares += (x - mean) * (x - next);
    mean = next;
  }
  return b - a == 1 ? 0 : squares / n;
}

export function rollupStdvar(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? varianceWindow(v, a, b) : NaN);
  }
}

export function rollupStddev(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    put(target, p, b > a ? sqrt(varianceWindow(v, a, b)) : NaN);
  }
}

/** (last - mean) / standard deviation; nothing if the last sample is older than the mean interval. */
export function rollupZscore(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let k = prevAt(c, p);
    if (k >= 0 && at(v, k) != at(v, k)) k = -1;
    const intervals = k >= 0 ? b - a : b - a - 1;
    let r: f64 = NaN;
    if (b > a && intervals > 0) {
      const lastMs = at(timestamps, b - 1);
      const interval = (lastMs - at(timestamps, k >= 0 ? k : a)) / 1000 / (intervals as f64);
      if ((timeAt(c, p) - lastMs) / 1000 <= interval) {
        const d = at(v, b - 1) - sumWindow(v, a, b) / ((b - a) as f64);
        r = d == 0 ? 0 : d / sqrt(varianceWindow(v, a, b));
      }
    }
    put(target, p, r);
  }
}

/** Number of steps. kind 0: any change, 1: up, 2: down. Relative changes below 1e-12 are rounding, not steps. */
@inline function isStep(x: f64, previous: f64, kind: i32): bool {
  const differs = kind == 0 ? x != previous : kind == 1 ? x > previous : x < previous;
  return differs && !(abs(x - previous) < 1e-12 * abs(x));
}

/** A new series counts as a change, unless an older sample is known. */
export function rollupChanges(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    let a = loAt(c, p);
    let previous = valueOrNaN(v, prevAt(c, p));
    let n: f64 = 0;
    if (previous != previous) {
      if (b <= a) n = NaN;
      else {
        previous = valueOrNaN(v, realPrevAt(c, p));
        if (previous != previous) {
          previous = at(v, a++);
          n = 1;
        }
      }
    }
    for (let i = a; i < b; i++) {
      const x = at(v, i);
      if (isStep(x, previous, 0)) {
        n++;
        previous = x;
      }
    }
    put(target, p, n);
  }
}

export function rollupChangesPrometheus(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let n: f64 = NaN;
    if (b > a) {
      let previous = at(v, a);
      n = 0;
      for (let i = a + 1; i < b; i++) {
        const x = at(v, i);
        if (isStep(x, previous, 0)) {
          n++;
          previous = x;
        }
      }
    }
    put(target, p, n);
  }
}

@inline function countSteps(c: usize, kind: i32): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    let a = loAt(c, p);
    let previous = valueOrNaN(v, prevAt(c, p));
    let n: f64 = 0;
    if (previous != previous) {
      if (b > a) previous = at(v, a++);
      else n = NaN;
    }
    for (let i = a; i < b; i++) {
      const x = at(v, i);
      if (isStep(x, previous, kind)) {
        n++;
        previous = x;
      } else if (!(kind == 1 ? x > previous : x < previous)) previous = x;
    }
    put(target, p, n);
  }
}

export function rollupIncreases(c: usize): void { countSteps(c, 1); }
export function rollupResets(c: usize): void { countSteps(c, 2); }

/** Sum of the upward (sign 1) or downward (sign -1) steps. */
@inline function sumSteps(c: usize, sign: f64): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p);
    let a = loAt(c, p);
    let previous = valueOrNaN(v, prevAt(c, p));
    let sum: f64 = 0;
    if (previous != previous) {
      if (b > a) previous = at(v, a++);
      else sum = NaN;
    }
    for (let i = a; i < b; i++) {
      const d = (at(v, i) - previous) * sign;
      if (d > 0) sum += d;
      previous = at(v, i);
    }
    put(target, p, sum);
  }
}

export function rollupAscent(c: usize): void { sumSteps(c, 1); }
export function rollupDescent(c: usize): void { sumSteps(c, -1); }

/** Least squares line through the window; kind 0: its slope per second, 1: its value arg 0 seconds after the point. */
@inline function regression(c: usize, kind: i32): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    if (b <= a) {
      put(target, p, NaN);
      continue;
    }
    const first = at(v, a), t0 = timeAt(c, p);
    let constant = true;
    let vSum: f64 = 0, tSum: f64 = 0, tvSum: f64 = 0, ttSum: f64 = 0;
    for (let i = a; i < b; i++) {
      const x = at(v, i), t = (at(timestamps, i) - t0) / 1000;
      if (x != first) constant = false;
      vSum += x;
      tSum += t;
      tvSum += t * x;
      ttSum += t * t;
    }
    let slope: f64 = 0, value = first;
    if (!constant) {
      const n = (b - a) as f64;
      const spread = ttSum - tSum * tSum / n;
      if (abs(spread) >= 1e-6) slope = (tvSum - tSum * vSum / n) / spread;
      value = vSum / n - slope * tSum / n;
    }
    put(target, p, kind == 0 ? slope : value + slope * arg0At(c, p));
  }
}

export function rollupDeriv(c: usize): void { regression(c, 0); }
export function rollupPredictLinear(c: usize): void { regression(c, 1); }

/** Sum of previous value x seconds, as a step function over the window; up to the point only while the series goes on. */
export function rollupIntegrate(c: usize): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), n = countOf(c), target = targetOf(c), points = pointsOf(c), window = windowOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p), t = timeAt(c, p);
    let a = loAt(c, p);
    let previous = valueOrNaN(v, prevAt(c, p));
    let previousMs = t - window;
    let sum: f64 = 0;
    if (previous != previous) {
      if (b <= a) sum = NaN;
      else {
        previous = at(v, a);
        previousMs = at(timestamps, a++);
      }
    }
    for (let i = a; i < b; i++) {
      sum += previous * ((at(timestamps, i) - previousMs) / 1000);
      previousMs = at(timestamps, i);
      previous = at(v, i);
    }
    if (b < n) sum += previous * ((t - previousMs) / 1000);
    put(target, p, sum);
  }
}

/** Sum of the intervals that are at most arg 0 seconds long. */
export function rollupDuration(c: usize): void {
  const timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p), most = trunc(arg0At(c, p) * 1000);
    let sum: f64 = 0;
    for (let i = a + 1; i < b; i++) {
      const d = at(timestamps, i) - at(timestamps, i - 1);
      if (d <= most) sum += d;
    }
    put(target, p, b > a ? sum / 1000 : NaN);
  }
}

/** result 0: how many samples compare to arg 0, 1: their share, 2: their sum. compare 0: =, 1: !=, 2: <=, 3: >. */
@inline function filtered(c: usize, compare: i32, result: i32): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p), limit = arg0At(c, p);
    let r: f64 = 0;
    for (let i = a; i < b; i++) {
      const x = at(v, i);
      const matches = compare == 0 ? x == limit : compare == 1 ? x != limit : compare == 2 ? x <= limit : x > limit;
      if (matches) r += result == 2 ? x : 1;
    }
    if (result == 1) r /= (b - a) as f64;
    put(target, p, b > a ? r : NaN);
  }
}

export function rollupCountEq(c: usize): void { filtered(c, 0, 0); }
export function rollupCountNe(c: usize): void { filtered(c, 1, 0); }
export function rollupCountLe(c: usize): void { filtered(c, 2, 0); }
export function rollupCountGt(c: usize): void { filtered(c, 3, 0); }
export function rollupShareEq(c: usize): void { filtered(c, 0, 1); }
export function rollupShareLe(c: usize): void { filtered(c, 2, 1); }
export function rollupShareGt(c: usize): void { filtered(c, 3, 1); }
export function rollupSumEq(c: usize): void { filtered(c, 0, 2); }
export function rollupSumLe(c: usize): void { filtered(c, 2, 2); }
export function rollupSumGt(c: usize): void { filtered(c, 3, 2); }

/** Number of stale markers. */
export function rollupStaleSamples(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p);
    let n: f64 = 0;
    for (let i = a; i < b; i++) if (load<u64>(v + ((i as usize) << 3)) == 0x7ff0000000000002) n++;
    put(target, p, b > a ? n : NaN);
  }
}

/** Mean + sign x Hoeffding bound at confidence arg 0. */
@inline function hoeffding(c: usize, sign: f64): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const a = loAt(c, p), b = hiAt(c, p), phi = arg0At(c, p), n = (b - a) as f64;
    let r: f64 = NaN;
    if (b > a) {
      r = sumWindow(v, a, b) / n;
      const range = maxWindow(v, a, b) - minWindow(v, a, b);
      if (range > 0) {
        if (phi >= 1) r = sign * Infinity;
        else if (phi > 0) r += sign * (range * sqrt(NativeMath.log(1 / (1 - phi)) / (2 * n)));
        else if (phi != phi) r = NaN;
      }
    }
    put(target, p, r);
  }
}

export function rollupHoeffdingLower(c: usize): void { hoeffding(c, -1); }
export function rollupHoeffdingUpper(c: usize): void { hoeffding(c, 1); }

/** Double exponential smoothing with factors arg 0 (level) and arg 1 (trend). */
export function rollupHoltWinters(c: usize): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c);
  for (let p = 0; p < points; p++) {
    const b = hiAt(c, p), sf = arg0At(c, p), tf = arg1At(c, p);
    let a = loAt(c, p);
    let level: f64 = NaN;
    if (b > a && !(sf < 0 || sf > 1 || tf < 0 || tf > 1)) {
      level = valueOrNaN(v, prevAt(c, p));
      if (level != level) level = at(v, a++);
      if (b > a) {
        let trend = at(v, a) - level;
        for (let i = a; i < b; i++) {
          const next = sf * at(v, i) + (1 - sf) * (level + trend);
          trend = tf * (next - level) + (1 - tf) * trend;
          level = next;
        }
      }
    }
    put(target, p, level);
  }
}

// ---- candlesticks: the sample at the right edge is excluded, the one just before the window included ----

/** kind 0: open, 1: close, 2: low, 3: high. */
@inline function candle(c: usize, kind: i32): void {
  const v = valuesOf(c), timestamps = timestampsOf(c), target = targetOf(c), points = pointsOf(c), window = windowOf(c);
  for (let p = 0; p < points; p++) {
    const t = timeAt(c, p), a = loAt(c, p), k = prevAt(c, p);
    let b = hiAt(c, p);
    while (b > a && at(timestamps, b - 1) >= t) b--;
    let first: f64 = k >= 0 && at(timestamps, k) + window >= t ? at(v, k) : NaN;
    if (kind == 1) first = b > a ? at(v, b - 1) : first;
    else {
      let i = a;
      if (first != first && b > a) first = at(v, i++);
      if (kind == 2) for (; i < b; i++) first = at(v, i) < first ? at(v, i) : first;
      if (kind == 3) for (; i < b; i++) first = at(v, i) > first ? at(v, i) : first;
    }
    put(target, p, first);
  }
}

export function rollupOpen(c: usize): void { candle(c, 0); }
export function rollupClose(c: usize): void { candle(c, 1); }
export function rollupLow(c: usize): void { candle(c, 2); }
export function rollupHigh(c: usize): void { candle(c, 3); }

// ---- functions of the sorted window, which is kept up to date from point to point ----

@inline function lowerBound(sorted: usize, n: i32, x: f64): i32 {
  let low = 0, high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(sorted, middle) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

@inline function insertSorted(sorted: usize, n: i32, x: f64): void {
  const i = lowerBound(sorted, n, x);
  const from = sorted + ((i as usize) << 3);
  memory.copy(from + 8, from, (n - i) << 3);
  store<f64>(from, x);
}

@inline function removeSorted(sorted: usize, n: i32, x: f64): void {
  const from = sorted + ((lowerBound(sorted, n, x) as usize) << 3);
  const to = sorted + ((n as usize) << 3);
  if (from < to) memory.copy(from, from + 8, to - from - 8);
}

@inline function quantileSorted(sorted: usize, n: i32, phi: f64): f64 {
  if (n == 0 || phi != phi) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const rank = phi * ((n - 1) as f64), low = floor(rank), weight = rank - low;
  const i = low as i32;
  return at(sorted, i) * (1 - weight) + at(sorted, min(i + 1, n - 1)) * weight;
}

/** The most frequent value, the smallest of several; `previous` (if not NaN) is one more occurrence in front. */
function modeSorted(sorted: usize, n: i32, previous: f64): f64 {
  if (n == 0) return previous;
  let mode = previous, most = 0, start = -1;
  let current = previous;
  for (let i = 0; i < n; i++) {
    const x = at(sorted, i);
    if (x == current) continue;
    if (i - start > most || mode != mode) {
      most = i - start;
      mode = current;
    }
    start = i;
    current = x;
  }
  return n - start > most || mode != mode ? current : mode;
}

/** Median of the distances to the median: both halves are already sorted, so they are merged. `other` takes n f64. */
function madSorted(sorted: usize, n: i32, other: usize): f64 {
  const median = quantileSorted(sorted, n, 0.5);
  // The distance of an infinity from itself is no number and does not count.
  if (!(abs(median) < Infinity)) return at(sorted, 0) != at(sorted, n - 1) && median == median ? Infinity : NaN;
  let right = lowerBound(sorted, n, median), left = right - 1;
  for (let k = 0; k < n; k++) {
    const l: f64 = left >= 0 ? median - at(sorted, left) : Infinity;
    const r: f64 = right < n ? at(sorted, right) - median : Infinity;
    if (l <= r && left >= 0) {
      put(other, k, l);
      left--;
    } else {
      put(other, k, r);
      right++;
    }
  }
  return quantileSorted(other, n, 0.5);
}

/** kind 0: quantile arg 0, 1: distinct values, 2: mode, 3: median absolute deviation, 4: last value if outside the IQR fence. */
@inline function sortedWindow(c: usize, kind: i32): void {
  const v = valuesOf(c), target = targetOf(c), points = pointsOf(c), sorted = scratchOf(c);
  const other = sorted + ((countOf(c) as usize) << 3);
  let a = 0, b = 0, n = 0;
  for (let p = 0; p < points; p++) {
    const from = loAt(c, p), to = hiAt(c, p);
    if (from >= b) {
      n = 0;
      a = b = from;
    }
    for (; a < from; a++) removeSorted(sorted, n--, at(v, a));
    for (; b < to; b++) insertSorted(sorted, n++, at(v, b));
    let r: f64 = NaN;
    if (kind == 0) r = quantileSorted(sorted, n, arg0At(c, p));
    else if (kind == 1) {
      if (n > 0) {
        r = 1;
        for (let i = 1; i < n; i++) if (at(sorted, i) != at(sorted, i - 1)) r++;
      }
    } else if (kind == 2) r = modeSorted(sorted, n, valueOrNaN(v, prevAt(c, p)));
    else if (kind == 3) r = n > 0 ? madSorted(sorted, n, other) : NaN;
    else if (n > 1) {
      const low = quantileSorted(sorted, n, 0.25), high = quantileSorted(sorted, n, 0.75), fence = 1.5 * (high - low);
      const last = at(v, to - 1);
      if (last > high + fence || last < low - fence) r = last;
    }
    put(target, p, r);
  }
}

export function rollupQuantile(c: usize): void { sortedWindow(c, 0); }
export function rollupDistinct(c: usize): void { sortedWindow(c, 1); }
export function rollupMode(c: usize): void { sortedWindow(c, 2); }
export function rollupMad(c: usize): void { sortedWindow(c, 3); }
export function rollupOutlierIqr(c: usize): void { sortedWindow(c, 4); }
