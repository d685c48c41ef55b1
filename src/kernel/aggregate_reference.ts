/** The clear version of wasm/aggregate.ts: what stands at one point of the grid, given the values there (NaN = none). */

const present = (values: readonly number[]): number[] => values.filter((v) => !Number.isNaN(v));
const ascending = (values: readonly number[]): number[] => present(values).sort((a, b) => a - b);

/** Linear interpolation between the two nearest ranks; -Inf and +Inf for phi outside of [0, 1]. */
export function quantileReference(values: readonly number[], phi: number): number {
  const sorted = ascending(values);
  if (sorted.length === 0 || Number.isNaN(phi)) return NaN;
  if (phi < 0) return -Infinity;
  if (phi > 1) return Infinity;
  const rank = phi * (sorted.length - 1);
  const low = Math.floor(rank);
  const weight = rank - low;
  return sorted[low] * (1 - weight) + sorted[Math.min(low + 1, sorted.length - 1)] * weight;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const v of values) total += v;
  return total;
}

function variance(values: readonly number[]): number {
  let mean = 0;
  let squares = 0;
  values.forEach((v, i) => {
    const next = mean + (v - mean) / (i + 1);
    squares += (v - mean) * (v - next);
    mean = next;
  });
  return squares / values.length;
}

function mode(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const v of ascending(values)) counts.set(v, (counts.get(v) ?? 0) + 1);
  let best = NaN;
  for (const [v, count] of counts) if (count > (counts.get(best) ?? 0)) best = v;
  return best;
}

/** An aggregate of the values at one point; NaN if there are none. */
export const aggregateReference: Readonly<Record<string, (values: readonly number[]) => number>> = {
  sum: (values) => sum(values),
  sum2: (values) => sum(values.map((v) => v * v)),
  product: (values) => values.reduce((a, b) => a * b, 1),
  count: (values) => values.length,
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  group: () => 1,
  avg: (values) => sum(values) / values.length,
  stdvar: variance,
  mad: (values) => {
    const median = quantileReference(values, 0.5);
    return quantileReference(values.map((v) => Math.abs(v - median)), 0.5);
  },
  distinct: (values) => new Set(values).size,
  mode,
};

/** Applies a row of aggregateReference to the values at one point. */
export function aggregatePointReference(name: string, values: readonly number[]): number {
  const some = present(values);
  return some.length === 0 ? NaN : aggregateReference[name](some);
}

/** The values at one point with all but the k greatest (or smallest) replaced by NaN; of equal values the later ones stay. */
export function topkReference(values: readonly number[], k: number, sign: 1 | -1): number[] {
  const order = values.map((_, i) => i).filter((i) => !Number.isNaN(values[i]));
  order.sort((a, b) => (values[b] - values[a]) * sign || b - a);
  const kept = new Set(order.slice(0, Math.max(0, Math.floor(k) || 0)));
  return values.map((v, i) => (kept.has(i) ? v : NaN));
}

/** What two values at one point give; `bool` as in `a > bool b`. */
export const combineReference: Readonly<Record<string, (left: number, right: number, bool: boolean) => number>> = {
  Add: (l, r) => l + r,
  Subtract: (l, r) => l - r,
  Multiply: (l, r) => l * r,
  Divide: (l, r) => l / r,
  Equal: (l, r, bool) => compared(l, l === r, bool),
  NotEqual: (l, r, bool) => compared(l, l !== r, bool),
  Less: (l, r, bool) => compared(l, l < r, bool),
  LessOrEqual: (l, r, bool) => compared(l, l <= r, bool),
  Greater: (l, r, bool) => compared(l, l > r, bool),
  GreaterOrEqual: (l, r, bool) => compared(l, l >= r, bool),
  KeepWhere: (l, r) => (Number.isNaN(r) ? NaN : l),
  DropWhere: (l, r) => (Number.isNaN(r) ? l : NaN),
  FillGaps: (l, r) => (Number.isNaN(l) ? r : l),
};

function compared(left: number, holds: boolean, bool: boolean): number {
  if (!bool) return holds ? left : NaN;
  if (Number.isNaN(left)) return NaN;
  return holds ? 1 : 0;
}
