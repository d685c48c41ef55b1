/** The times at which a range query is evaluated, as it asks for them. */
import { LimitError } from "../base/errors.ts";

export interface QueryGrid {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Points per series. */
export function gridPoints({ startMs, endMs, stepMs }: QueryGrid): number {
  return Math.floor((endMs - startMs) / stepMs) + 1;
}

/** Throws LimitError when the grid has more points than allowed. */
export function checkGrid(grid: QueryGrid, pointsMax: number): void {
  const points = gridPoints(grid);
  if (points <= pointsMax) return;
  throw new LimitError("too_many_points", `the query asks for ${points} points per series, the limit is ${pointsMax} (-search.maxPointsPerTimeseries); use a larger step or a shorter range`);
}
