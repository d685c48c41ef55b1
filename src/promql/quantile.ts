/** The quantile of some numbers, between two of them by their weights. NaN sorts before all others. */
export function quantileOf(phi: number, values: ArrayLike<number>): number {
  if (values.length === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const sorted = sortedNaNFirst(values);
  const rank = phi * (sorted.length - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(sorted.length - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return sorted[lower] * (1 - weight) + sorted[upper] * weight;
}

/** A typed array sorts numbers fast, but NaN to the end. */
function sortedNaNFirst(values: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(values).sort();
  let end = sorted.length;
  while (end > 0 && Number.isNaN(sorted[end - 1])) end--;
  const count = sorted.length - end;
  if (count === 0) return sorted;
  sorted.copyWithin(count, 0, end);
  return sorted.fill(NaN, 0, count);
}
