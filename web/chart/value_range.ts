/** The range of values that a graph shows. */

/** A closed range. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/** Series by their statistics; infinite ones do not stretch the axis. */
export type Bounded = { readonly min: number; readonly max: number };

/**
 * The range of all series with a little room. Zero is included when it is near, since a graph that begins at zero is easier to read; a
 * flat line gets room on both sides.
 */
export function valueRange(series: Iterable<Bounded>): ValueRange {
  let min = Infinity;
  let max = -Infinity;
  for (const { min: low, max: high } of series) {
    if (Number.isFinite(low) && low < min) min = low;
    if (Number.isFinite(high) && high > max) max = high;
  }
  if (max < min) return Number.isFinite(min) ? valueRange([{ min, max: min }]) : Number.isFinite(max) ? valueRange([{ min: max, max }]) : { min: 0, max: 1 };
  if (min === max) return flatRange(min);
  const room = (max - min) * 0.06;
  const nearZero = min > 0 && min < (max - min) * 0.6;
  const belowZero = max < 0 && -max < (max - min) * 0.6;
  return { min: nearZero ? 0 : min === 0 ? 0 : min - room, max: belowZero ? 0 : max === 0 ? 0 : max + room };
}

function flatRange(value: number): ValueRange {
  if (value === 0) return { min: -1, max: 1 };
  if (value > 0 && value <= 1) return { min: 0, max: value * 1.5 };
  const room = Math.abs(value) * 0.1;
  return { min: value - room, max: value + room };
}
