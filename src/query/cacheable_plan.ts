/**
 * Which parts of a plan may be put together from evaluations on several grids: those whose value at a point depends on nothing but the samples
 * around that point. These are rollups of stored samples, and aggregates over them that take the points of all series of a group one by one. Whatever
 * is above them in the plan (binary operators, functions that look at the whole range, sorting) is computed anew from their series.
 *
 * Not among them: what makes series of what it finds in the range (count_values_over_time), what looks at the sample after the point
 * (rollup_rate and the like), what takes a sample before the window into account without reading further back for it, @, arguments that are not
 * constants, windows of unknown width that nothing is read for, `limit`, and any(), whose labels are those of the first series found.
 */
import { durationMs } from "../metricsql/duration.ts";
import type { RollupName } from "../kernel/rollup.ts";
import type { AggregatePlan, Plan, RollupPlan } from "./plan.ts";

export interface CacheablePlan {
  /** Equal for plans that have the same values on the same grid. */
  readonly key: string;
  /** The window in ms; 0 if none was written. */
  readonly windowMs: number;
  /** How long before a point the samples of its window end. */
  readonly offsetMs: number;
  /** Whether samples next to the window count, so that gaps in a series matter. */
  readonly seesNeighbours: boolean;
  /** Aggregates have no series without values; rollups have one for each series that has any samples. */
  readonly isAggregate: boolean;
}

const pointwiseAggregates: ReadonlySet<string> = new Set(["sum", "min", "max", "avg", "count", "sum2", "geomean", "group", "stddev", "stdvar"]);
/** They look at the sample before the window if there happens to be one. */
const peekingKernels: ReadonlySet<RollupName> = new Set<RollupName>(["HoltWinters", "Zscore", "ChangesPrometheus", "Mode"]);

export function cacheablePlan(plan: Plan, stepMs: number): CacheablePlan | undefined {
  let rollup = plan;
  while (rollup.kind === "aggregate" && isPointwise(rollup)) rollup = rollup.args[0];
  if (rollup.kind !== "rollup" || !isReadAtPoints(rollup)) return undefined;
  const offsetMs = rollup.offset === undefined ? 0 : durationMs(rollup.offset, stepMs);
  const windowMs = rollup.window === undefined ? 0 : durationMs(rollup.window, stepMs);
  if (offsetMs < 0 || windowMs < 0 || (windowMs === 0 && rollup.function.widensWindow === true && rollup.function.usesPrevious !== true)) return undefined;
  return { key: keyOf(plan), windowMs, offsetMs, seesNeighbours: rollup.function.usesPrevious === true, isAggregate: plan.kind === "aggregate" };
}

function isPointwise(plan: AggregatePlan): boolean {
  return pointwiseAggregates.has(plan.name) && plan.function.accumulator !== undefined && plan.args.length === 1 && plan.limit === 0;
}

function isReadAtPoints(plan: RollupPlan): boolean {
  const { function: row, source, outputs } = plan;
  if (source.kind !== "selector" || source.selector.length === 0 || plan.at !== undefined || plan.name === "aggr_over_time") return false;
  if (row.isAbsent === true || row.counts !== undefined || row.input !== undefined || row.shiftsByStep === true) return false;
  return outputs.every(({ kernel, argument }) => !peekingKernels.has(kernel) && isConstant(argument)) && plan.args.every(isConstant);
}

function isConstant(plan: Plan | undefined): boolean {
  return plan === undefined || plan.kind === "constant" || plan.kind === "duration";
}

/** Plans are used again, too. */
const keys = new WeakMap<Plan, string>();

function keyOf(plan: Plan): string {
  let key = keys.get(plan);
  if (key === undefined) keys.set(plan, (key = JSON.stringify(plan, withoutPositions)));
  return key;
}

/** Where something stood in the text does not matter, and JSON has no NaN. */
function withoutPositions(name: string, value: unknown): unknown {
  if (name === "position") return undefined;
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
