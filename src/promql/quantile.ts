/** The quantile of some numbers, between two of them by their weights. NaN sorts before all others. */

/** Up to so many numbers are sorted by insertion. */
const fewMax = 64;
let scratch = new Float64Array(fewMax);

/** The phi-quantile of values[from..to). */
export function quantileOf(phi: number, values: ArrayLike<number>, from = 0, to = values.length): number {
  const count = to - from;
  if (count === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  sortIntoScratch(values, from, count);
  const rank = phi * (count - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(count - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return scratch[lower] * (1 - weight) + scratch[upper] * weight;
}

/** Leaves the numbers in order at the start of the scratch. */
function sortIntoScratch(values: ArrayLike<number>, from: number, count: number): void {
  if (count > scratch.length) scratch = new Float64Array(2 ** Math.ceil(Math.log2(count)));
  if (count <= fewMax) {
    insertSorted(values, from, count);
    return;
  }
  for (let i = 0; i < count; i++) scratch[i] = values[from + i];
  // A typed array sorts NaN to its end.
  const sorted = scratch.subarray(0, count).sort();
  let end = count;
  while (end > 0 && Number.isNaN(sorted[end - 1])) end--;
  if (end === count || end === 0) return;
  sorted.copyWithin(count - end, 0, end);
  sorted.fill(NaN, 0, count - end);
}

function insertSorted(values: ArrayLike<number>, from: number, count: number): void {
  let nanCount = 0;
  for (let i = 0; i < count; i++) {
    const value = values[from + i];
    let place = i;
    if (value === value) {
      for (; place > nanCount && scratch[place - 1] > value; place--) scratch[place] = scratch[place - 1];
    } else {
      scratch.copyWithin(nanCount + 1, nanCount, i);
      place = nanCount++;
    }
    scratch[place] = value;
  }
}
