// Operations on columns of the grid (one f64 per point, NaN = no value): aggregates across series, arithmetic between two series,
// set operations. Twin: kernel/aggregate_reference.ts. Columns are 16-aligned and padded to an even number of points, so that
// the loops take two points at a time; what stands in the padding does not matter.

@inline function at(column: usize, i: i32): f64 { return load<f64>(column + ((i as usize) << 3)); }
@inline function put(column: usize, i: i32, v: f64): void { store<f64>(column + ((i as usize) << 3), v); }
@inline function bytesOf(points: i32): usize { return (((points + 1) & ~1) as usize) << 3; }
@inline function nan2(): v128 { return f64x2.splat(NaN); }

export function columnFill(target: usize, points: i32, value: f64): void {
  const x = f64x2.splat(value), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) v128.store(target + o, x);
}

/** How many points have a value. */
export function columnCount(values: usize, points: i32): i32 {
  let n = 0;
  for (let i = 0; i < points; i++) {
    const v = at(values, i);
    n += v == v ? 1 : 0;
  }
  return n;
}

/** Whether no point has a value. */
export function columnIsEmpty(values: usize, points: i32): i32 {
  for (let i = 0; i < points; i++) {
    const v = at(values, i);
    if (v == v) return 0;
  }
  return 1;
}

/** At how many points both have a value. */
export function columnOverlap(left: usize, right: usize, points: i32): i32 {
  let n = 0;
  for (let i = 0; i < points; i++) {
    const l = at(left, i), r = at(right, i);
    n += (l == l && r == r) ? 1 : 0;
  }
  return n;
}

// ---- aggregates, one series at a time into the accumulators of its group ----

export function aggregateSum(values: usize, points: i32, sums: usize, counts: usize): void {
  const one = f64x2.splat(1), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o), present = f64x2.eq(x, x);
    v128.store(sums + o, f64x2.add(v128.load(sums + o), v128.and(x, present)));
    v128.store(counts + o, f64x2.add(v128.load(counts + o), v128.and(one, present)));
  }
}

export function aggregateSum2(values: usize, points: i32, sums: usize, counts: usize): void {
  const one = f64x2.splat(1), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o), present = f64x2.eq(x, x);
    v128.store(sums + o, f64x2.add(v128.load(sums + o), v128.and(f64x2.mul(x, x), present)));
    v128.store(counts + o, f64x2.add(v128.load(counts + o), v128.and(one, present)));
  }
}

/** Products begin at 1. */
export function aggregateProduct(values: usize, points: i32, products: usize, counts: usize): void {
  const one = f64x2.splat(1), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o), present = f64x2.eq(x, x);
    v128.store(products + o, f64x2.mul(v128.load(products + o), v128.bitselect(x, one, present)));
    v128.store(counts + o, f64x2.add(v128.load(counts + o), v128.and(one, present)));
  }
}

export function aggregateCount(values: usize, points: i32, counts: usize): void {
  const one = f64x2.splat(1), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o);
    v128.store(counts + o, f64x2.add(v128.load(counts + o), v128.and(one, f64x2.eq(x, x))));
  }
}

/** Minima begin as NaN. */
export function aggregateMin(values: usize, points: i32, minima: usize): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o), m = v128.load(minima + o);
    v128.store(minima + o, v128.bitselect(x, m, v128.or(f64x2.lt(x, m), f64x2.ne(m, m))));
  }
}

export function aggregateMax(values: usize, points: i32, maxima: usize): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o), m = v128.load(maxima + o);
    v128.store(maxima + o, v128.bitselect(x, m, v128.or(f64x2.gt(x, m), f64x2.ne(m, m))));
  }
}

/** Group marks begin as NaN. */
export function aggregateGroup(values: usize, points: i32, marks: usize): void {
  const one = f64x2.splat(1), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const x = v128.load(values + o);
    v128.store(marks + o, v128.bitselect(one, v128.load(marks + o), f64x2.eq(x, x)));
  }
}

/** Welford's running mean and sum of squared distances. */
export function aggregateVariance(values: usize, points: i32, means: usize, squares: usize, counts: usize): void {
  for (let i = 0; i < points; i++) {
    const x = at(values, i);
    if (x != x) continue;
    const n = at(counts, i) + 1, mean = at(means, i), next = mean + (x - mean) / n;
    put(counts, i, n);
    put(means, i, next);
    put(squares, i, at(squares, i) + (x - mean) * (x - next));
  }
}

/** NaN where nothing was counted. */
export function aggregateMask(values: usize, counts: usize, points: i32): void {
  const zero = f64x2.splat(0), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    v128.store(values + o, v128.bitselect(nan2(), v128.load(values + o), f64x2.eq(v128.load(counts + o), zero)));
  }
}

/** values / counts; NaN where nothing was counted. */
export function aggregateDivide(values: usize, counts: usize, points: i32): void {
  const zero = f64x2.splat(0), size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const n = v128.load(counts + o);
    v128.store(values + o, v128.bitselect(nan2(), f64x2.div(v128.load(values + o), n), f64x2.eq(n, zero)));
  }
}

// ---- aggregates of all series of a group at once; `columns` are u32 addresses ----

@inline function columnAt(columns: usize, k: i32): usize { return load<u32>(columns + ((k as usize) << 2)) as usize; }

/** Collects the values at point `i`, sorted, into `sorted`; returns how many there are. */
function gatherSorted(columns: usize, columnCount: i32, i: i32, sorted: usize): i32 {
  let n = 0;
  for (let k = 0; k < columnCount; k++) {
    const x = at(columnAt(columns, k), i);
    if (x == x) put(sorted, n++, x);
  }
  sortValues(sorted, n);
  return n;
}

/** Heap sort, insertion sort for few. */
function sortValues(values: usize, n: i32): void {
  if (n <= 24) {
    for (let i = 1; i < n; i++) {
      const x = at(values, i);
      let j = i - 1;
      for (; j >= 0 && at(values, j) > x; j--) put(values, j + 1, at(values, j));
      put(values, j + 1, x);
    }
    return;
  }
  for (let i = (n >> 1) - 1; i >= 0; i--) siftDown(values, i, n);
  for (let end = n - 1; end > 0; end--) {
    const x = at(values, 0);
    put(values, 0, at(values, end));
    put(values, end, x);
    siftDown(values, 0, end);
  }
}

function siftDown(values: usize, i: i32, n: i32): void {
  const x = at(values, i);
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && at(values, child + 1) > at(values, child)) child++;
    if (at(values, child) <= x) break;
    put(values, i, at(values, child));
    i = child;
  }
  put(values, i, x);
}

@inline function quantileSorted(sorted: usize, n: i32, phi: f64): f64 {
  if (n == 0 || phi != phi) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const rank = phi * ((n - 1) as f64), low = floor(rank), weight = rank - low;
  const i = low as i32;
  return at(sorted, i) * (1 - weight) + at(sorted, min(i + 1, n - 1)) * weight;
}

/** The quantile `phis[i]` at each point. `scratch` takes one f64 per column. */
export function aggregateQuantile(columns: usize, columnCount: i32, points: i32, phis: usize, scratch: usize, target: usize): void {
  for (let i = 0; i < points; i++) {
    const n = gatherSorted(columns, columnCount, i, scratch);
    put(target, i, quantileSorted(scratch, n, at(phis, i)));
  }
}

/** The median distance from the median at each point. */
export function aggregateMad(columns: usize, columnCount: i32, points: i32, scratch: usize, target: usize): void {
  for (let i = 0; i < points; i++) {
    const n = gatherSorted(columns, columnCount, i, scratch), median = quantileSorted(scratch, n, 0.5);
    let m = 0;
    for (let k = 0; k < n; k++) {
      const distance = abs(at(scratch, k) - median);
      if (distance == distance) put(scratch, m++, distance);
    }
    sortValues(scratch, m);
    put(target, i, quantileSorted(scratch, m, 0.5));
  }
}

/** How many distinct values there are at each point. */
export function aggregateDistinct(columns: usize, columnCount: i32, points: i32, scratch: usize, target: usize): void {
  for (let i = 0; i < points; i++) {
    const n = gatherSorted(columns, columnCount, i, scratch);
    let distinct: f64 = n > 0 ? 1 : NaN;
    for (let k = 1; k < n; k++) if (at(scratch, k) != at(scratch, k - 1)) distinct++;
    put(target, i, distinct);
  }
}

/** The most frequent value at each point, the smallest of several. */
export function aggregateMode(columns: usize, columnCount: i32, points: i32, scratch: usize, target: usize): void {
  for (let i = 0; i < points; i++) {
    const n = gatherSorted(columns, columnCount, i, scratch);
    let mode: f64 = NaN, most = 0, start = 0;
    for (let k = 1; k <= n; k++) {
      if (k < n && at(scratch, k) == at(scratch, start)) continue;
      if (k - start > most) {
        most = k - start;
        mode = at(scratch, start);
      }
      start = k;
    }
    put(target, i, mode);
  }
}

/**
 * Keeps the floor(ks[i]) greatest values (sign 1) or smallest (sign -1) of each point and makes the others NaN. Of equal values
 * the later columns win. `scratch` takes 2 f64 per column.
 */
export function aggregateTopk(columns: usize, columnCount: i32, points: i32, ks: usize, sign: f64, scratch: usize): void {
  for (let i = 0; i < points; i++) {
    const asked = at(ks, i);
    const k = asked >= 1 ? (asked >= (columnCount as f64) ? columnCount : (asked as i32)) : 0;
    if (k == columnCount) continue;
    let size = 0;
    for (let j = 0; j < columnCount; j++) {
      const column = columnAt(columns, j), x = at(column, i);
      put(column, i, NaN);
      if (x != x || k == 0) continue;
      if (size == k) {
        if (at(scratch, 0) > x * sign) continue;
        removeLeast(scratch, size--);
      }
      addToHeap(scratch, size++, x * sign, j);
    }
    for (let j = 0; j < size; j++) put(columnAt(columns, load<i32>(scratch + ((j as usize) << 4), 8)), i, at(scratch, 2 * j) * sign);
  }
}

// A heap of (key, column) pairs with the least key on top, of equal keys the earliest column.

@inline function pairIsLess(heap: usize, i: i32, key: f64, column: i32): bool {
  const other = load<f64>(heap + ((i as usize) << 4));
  return other < key || (other == key && load<i32>(heap + ((i as usize) << 4), 8) < column);
}

function addToHeap(heap: usize, size: i32, key: f64, column: i32): void {
  let i = size;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (pairIsLess(heap, parent, key, column)) break;
    memory.copy(heap + ((i as usize) << 4), heap + ((parent as usize) << 4), 16);
    i = parent;
  }
  store<f64>(heap + ((i as usize) << 4), key);
  store<i32>(heap + ((i as usize) << 4), column, 8);
}

function removeLeast(heap: usize, size: i32): void {
  const n = size - 1;
  const key = load<f64>(heap + ((n as usize) << 4)), column = load<i32>(heap + ((n as usize) << 4), 8);
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    const right = heap + (((child + 1) as usize) << 4);
    if (child + 1 < n && !pairIsLess(heap, child, load<f64>(right), load<i32>(right, 8))) child++;
    if (!pairIsLess(heap, child, key, column)) break;
    memory.copy(heap + ((i as usize) << 4), heap + ((child as usize) << 4), 16);
    i = child;
  }
  store<f64>(heap + ((i as usize) << 4), key);
  store<i32>(heap + ((i as usize) << 4), column, 8);
}

// ---- two columns into one; target may be one of them ----

export function columnAdd(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) v128.store(target + o, f64x2.add(v128.load(left + o), v128.load(right + o)));
}

export function columnSubtract(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) v128.store(target + o, f64x2.sub(v128.load(left + o), v128.load(right + o)));
}

export function columnMultiply(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) v128.store(target + o, f64x2.mul(v128.load(left + o), v128.load(right + o)));
}

export function columnDivide(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) v128.store(target + o, f64x2.div(v128.load(left + o), v128.load(right + o)));
}

/** compare 0: ==, 1: !=, 2: <, 3: <=, 4: >, 5: >=. `bool` gives 0 or 1 where left has a value, else left is filtered. */
@inline function compareColumns(left: usize, right: usize, target: usize, points: i32, bool: i32, compare: i32): void {
  const size = bytesOf(points), one = f64x2.splat(1);
  for (let o: usize = 0; o < size; o += 16) {
    const l = v128.load(left + o), r = v128.load(right + o);
    const holds = compare == 0 ? f64x2.eq(l, r) : compare == 1 ? f64x2.ne(l, r) : compare == 2 ? f64x2.lt(l, r)
      : compare == 3 ? f64x2.le(l, r) : compare == 4 ? f64x2.gt(l, r) : f64x2.ge(l, r);
    v128.store(target + o, bool ? v128.bitselect(v128.and(one, holds), nan2(), f64x2.eq(l, l)) : v128.bitselect(l, nan2(), holds));
  }
}

export function columnEqual(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 0); }
export function columnNotEqual(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 1); }
export function columnLess(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 2); }
export function columnLessOrEqual(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 3); }
export function columnGreater(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 4); }
export function columnGreaterOrEqual(left: usize, right: usize, target: usize, points: i32, bool: i32): void { compareColumns(left, right, target, points, bool, 5); }

/** Left where right has a value. */
export function columnKeepWhere(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const r = v128.load(right + o);
    v128.store(target + o, v128.bitselect(v128.load(left + o), nan2(), f64x2.eq(r, r)));
  }
}

/** Left where right has no value. */
export function columnDropWhere(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const r = v128.load(right + o);
    v128.store(target + o, v128.bitselect(v128.load(left + o), nan2(), f64x2.ne(r, r)));
  }
}

/** Left, or right where left has no value. */
export function columnFillGaps(left: usize, right: usize, target: usize, points: i32): void {
  const size = bytesOf(points);
  for (let o: usize = 0; o < size; o += 16) {
    const l = v128.load(left + o);
    v128.store(target + o, v128.bitselect(l, v128.load(right + o), f64x2.eq(l, l)));
  }
}
