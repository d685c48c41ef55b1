/** Which rollups a Store may prepare: those of samples that can be put together without changing the result, in windows that are known before reading. */
import type { RollupName } from "../kernel/rollup.ts";
import type { RollupPushDown } from "../model/store.ts";
import type { Grid } from "./grid.ts";
import type { RollupPlan } from "./plan.ts";

const pushedFunctions: Partial<Record<RollupName, RollupPushDown["function"]>> = {
  Sum: "sum", Count: "count", Avg: "avg", Min: "min", Max: "max", First: "first", Last: "last", Present: "present",
};

/** What a Store is told of a rollup whose windows are `windowMs` long; undefined if it has to be computed from all samples. */
export function rollupPushDown({ function: row, outputs }: RollupPlan, grid: Grid, windowMs: number): RollupPushDown | undefined {
  const name = outputs.length === 1 ? pushedFunctions[outputs[0].kernel] : undefined;
  if (name === undefined || row.counts !== undefined || row.input !== undefined || row.removesResets === true || row.isAbsent === true) return undefined;
  return { function: name, startMs: grid.startMs, stepMs: grid.stepMs, points: grid.points, windowMs };
}
