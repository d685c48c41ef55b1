/**
 * What a query will cost, before it is evaluated: from its plan and grid how often each sample and point is looked at, and then, search by search, from
 * the number of series and samples. Figures are estimates in microseconds; they need not be exact, since what
 * matters is that nothing large looks small.
 */
import { durationMs } from "../metricsql/duration.ts";
import { inputsOf, type Plan, type RollupPlan } from "../query/plan.ts";

/** What of a query's cost does not depend on the data. */
export interface QueryShape {
  /** Columns with their points, of the stages that each series goes through. */
  readonly stages: number;
  /** Points of the longest grid. */
  readonly points: number;
  /** How often a sample is looked at by the rollup that looks at it most often. */
  readonly visits: number;
}

/** Of one search. */
export interface SearchSize {
  readonly seriesCount: number;
  readonly decodedSamples: number;
  readonly samplesInRange: number;
}

const cost = { query: 60, search: 25, part: 4, series: 4, stagePoint: 0.012, decodedSample: 0.006, visitedSample: 0.003 } as const;
/** A window that is sorted for each point costs so many visits. */
const sortingVisits = 16;
/** Points of subqueries. */
const innerPointsMax = 5000;

/** Before anything is read. */
export function startCostUs(): number {
  return cost.query;
}

/** Of selecting series and looking for their blocks. */
export function searchCostUs(seriesCount: number, partCount: number, shape: QueryShape): number {
  return cost.search + partCount * cost.part + seriesCount * (cost.series + shape.stages * shape.points * cost.stagePoint);
}

/** Of reading and rolling up what searchCostUs() was told of. */
export function readCostUs({ decodedSamples, samplesInRange }: SearchSize, shape: QueryShape): number {
  return decodedSamples * cost.decodedSample + samplesInRange * shape.visits * cost.visitedSample;
}

/** The shape of a plan on a grid; undefined if the query may be large whatever it reads. */
export function shapeOf(plan: Plan, points: number, stepMs: number): QueryShape | undefined {
  const shape = { stages: hasAggregate(plan) ? 0 : outputStages, points, visits: 1 };
  return addStage(plan, points, stepMs, shape) ? shape : undefined;
}

/** Writing a point costs as much as so many stages. */
const outputStages = 6;

function hasAggregate(plan: Plan): boolean {
  return plan.kind === "aggregate" || inputsOf(plan).some(hasAggregate);
}

function addStage(plan: Plan, points: number, stepMs: number, shape: { stages: number; points: number; visits: number }): boolean {
  if (points > shape.points) shape.points = points;
  if (plan.kind !== "constant" && plan.kind !== "duration" && plan.kind !== "string") shape.stages++;
  if (plan.kind !== "rollup") return inputsOf(plan).every((input) => addStage(input, points, stepMs, shape));
  // One series for each value that occurs.
  if (plan.function.counts !== undefined) return false;
  const windowMs = plan.window === undefined ? 0 : durationMs(plan.window, stepMs);
  const inner = plan.source.kind === "subquery" ? innerStepMs(plan, stepMs) : undefined;
  const visits = Math.min(points, Math.max(1, windowMs / stepMs)) * plan.outputs.length * (plan.function.sortsWindow === true ? sortingVisits : 1);
  shape.stages += plan.outputs.length - 1;
  if (inner === undefined || plan.source.kind !== "subquery") {
    shape.visits = Math.max(shape.visits, visits);
    return inputsOf(plan).every((input) => addStage(input, points, stepMs, shape));
  }
  // Its samples are points.
  shape.stages += visits * (cost.visitedSample / cost.stagePoint);
  const innerPoints = Math.ceil((points * stepMs + windowMs + silenceMs) / inner) + 2;
  if (!(innerPoints <= innerPointsMax)) return false;
  return addStage(plan.source.inner, innerPoints, inner, shape) && plan.args.every((input) => addStage(input, points, stepMs, shape));
}

/** How far a subquery looks back further than its window. */
const silenceMs = 300_000;

function innerStepMs(plan: RollupPlan, stepMs: number): number {
  const step = plan.source.kind === "subquery" && plan.source.step !== undefined ? durationMs(plan.source.step, stepMs) : stepMs;
  return step > 0 ? step : stepMs;
}
