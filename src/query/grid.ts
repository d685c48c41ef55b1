/** The grid: the points in time that a query, or a part of it, is evaluated at. */

/** `points` times from startMs on, stepMs apart. Immutable; parts of a plan that look at other times have other grids. */
export interface Grid {
  readonly startMs: number;
  readonly stepMs: number;
  readonly points: number;
}

/** The grid from startMs to at most endMs. */
export function gridBetween(startMs: number, endMs: number, stepMs: number): Grid {
  return { startMs, stepMs, points: Math.floor((endMs - startMs) / stepMs) + 1 };
}

export function endMsOf(grid: Grid): number {
  return grid.startMs + (grid.points - 1) * grid.stepMs;
}

/** Its times, in ms. */
export function timesOf({ startMs, stepMs, points }: Grid): Float64Array {
  const timesMs = new Float64Array(points);
  for (let point = 0; point < points; point++) timesMs[point] = startMs + point * stepMs;
  return timesMs;
}

/** The same grid, moved. */
export function shiftedGrid(grid: Grid, byMs: number): Grid {
  return { ...grid, startMs: grid.startMs + byMs };
}

/** Points from which on adjustStartEnd aligns. */
const alignedPointsMin = 50;

/**
 * Moves the bounds of a range query onto multiples of the step when 50 or more points are asked for, keeping their number; so that the
 * same graph a moment later has the same points. The HTTP layer calls it, unless caching is switched off for the request.
 */
export function adjustStartEnd(startMs: number, endMs: number, stepMs: number): { startMs: number; endMs: number } {
  const points = Math.floor((endMs - startMs) / stepMs) + 1;
  if (points < alignedPointsMin) return { startMs, endMs };
  const alignedStartMs = startMs - (startMs % stepMs);
  return { startMs: alignedStartMs, endMs: alignedStartMs + (points - 1) * stepMs };
}

/** Bounds moved outwards onto multiples of the step, as subqueries have them. */
export function alignOutwards(startMs: number, endMs: number, stepMs: number): { startMs: number; endMs: number } {
  const over = endMs % stepMs;
  return { startMs: startMs - (startMs % stepMs), endMs: over > 0 ? endMs + stepMs - over : endMs };
}
