/**
 * Evaluates a checked tree on a grid: every expression for all points at once, series by series.
 *
 *   selector            store -> samples -> columns                  instant_selector.ts
 *   rate(m[5m])         store -> samples -> windows -> columns       window.ts
 *   rate(q[1h:1m])      columns on the grid of the subquery -> samples -> windows -> columns
 *   everything else     columns -> columns
 *
 * What is pinned by `@` is evaluated at one point and repeated.
 */
import { assert } from "../base/assert.ts";
import { InputError } from "../base/errors.ts";
import type { AggregateExpr, Expr, FunctionExpr, RollupExpr, SelectorExpr } from "../metricsql/ast.ts";
import { promqlType } from "../metricsql/promql_check.ts";
import { type Labels, metricNameLabel } from "../model/labels.ts";
import type { TimeRange } from "../model/store.ts";
import { type Grid, gridBetween } from "../query/grid.ts";
import { checkLimit } from "../query/limits.ts";
import type { AggregateCall } from "./accumulators.ts";
import { Aggregation, takesSeriesOneByOne } from "./aggregate.ts";
import { aggregateK } from "./aggregate_k.ts";
import { evaluateBinary } from "./binary.ts";
import { type Call, vectorOf } from "./call.ts";
import type { PromContext } from "./context.ts";
import { countValues } from "./count_values.ts";
import { isStepInvariant, placeOf, selectorOf } from "./expression.ts";
import { absentSeries, instantFunctions } from "./functions.ts";
import { extendedSamples } from "./extended_samples.ts";
import { FastWindows, scanOf } from "./fast_windows.ts";
import { addInfoLabels } from "./info.ts";
import { type InstantColumn, instantSeries, type LookTimes } from "./instant_selector.ts";
import { negated } from "./negation.ts";
import { rangeFunctions } from "./range_functions.ts";
import { rangeSamples, type SampleColumns } from "./samples.ts";
import { haveSameMetadata, mergeNameless, metricNameOf, namelessLabels, refuseSameLabels } from "./series_labels.ts";
import { mapSeries, type SeriesRequest, visitSeries } from "./series_reader.ts";
import { smoothedSeries } from "./smoothed_selector.ts";
import { subquerySamples } from "./subquery.ts";
import { lengthMs, shifted } from "./time_shift.ts";
import { floatPoint, type PromSeries, type PromValue, repeatedSeries } from "./vector.ts";
import { evaluateWindows, type WindowPlan } from "./window.ts";

/** The value of `expr` at all points of the grid. REQUIRES: not a range, which only functions take. */
export async function evaluate(context: PromContext, expr: Expr, grid: Grid): Promise<PromValue> {
  const isPinned = grid.points > 1 && expr.kind !== "number" && expr.kind !== "string" && isStepInvariant(expr);
  const before = context.heldBytes;
  const value = await evaluateNode(context, expr, isPinned ? { ...grid, points: 1 } : grid);
  context.keepOnly(before, value, grid.points);
  await context.takeTurns();
  return isPinned ? repeated(value, grid.points) : value;
}

function repeated(value: PromValue, points: number): PromValue {
  if (value.kind === "scalar") return { kind: "scalar", values: new Float64Array(points).fill(value.values[0]) };
  return value.kind === "vector" ? vectorOf(value.series.map((series) => repeatedSeries(series, points))) : value;
}

async function evaluateNode(context: PromContext, expr: Expr, grid: Grid): Promise<PromValue> {
  switch (expr.kind) {
    case "number":
      return { kind: "scalar", values: new Float64Array(grid.points).fill(expr.value) };
    case "string":
      return { kind: "string", text: expr.value };
    case "selector":
    case "rollup":
      return vectorOf(await evaluateSelector(context, expr, grid, "value"));
    case "unary": {
      const operand = await evaluate(context, expr.operand, grid);
      return expr.op === "-" ? negated(context, operand) : operand;
    }
    case "binary": {
      const left = await evaluate(context, expr.left, grid);
      const right = await evaluate(context, expr.right, grid);
      return evaluateBinary(context, expr, left, right, grid.points);
    }
    case "aggregate":
      return evaluateAggregate(context, expr, grid);
    case "function":
      return evaluateFunction(context, expr, grid);
    default:
      throw new InputError("bad_arguments", `PromQL has no expressions of the kind "${expr.kind}"`, { offset: expr.position });
  }
}

// ---- selectors ----

/** Series that are made one by one of what the store has. */
interface SeriesFlow {
  readonly request: SeriesRequest;
  /** undefined: the series has no point. A borrowed one is valid until the next call. */
  readonly compute: (labels: Labels, samples: SampleColumns, borrows: boolean) => PromSeries | undefined;
}

async function evaluateSelector(context: PromContext, expr: Expr, grid: Grid, column: InstantColumn): Promise<PromSeries[]> {
  const { request, compute } = selectorFlow(context, expr, grid, column);
  return mapSeries(context, request, (labels, samples) => {
    context.countColumns(1, grid.points);
    const series = compute(labels, samples, false);
    if (series !== undefined) context.countHistograms(series);
    return series;
  });
}

function selectorFlow(context: PromContext, expr: Expr, grid: Grid, column: InstantColumn): SeriesFlow {
  const rollup = expr.kind === "rollup" ? expr : undefined;
  const selector = selectorOf(expr);
  assert(selector !== undefined);
  const shift = rollup === undefined ? grid : shifted(context, rollup, grid);
  const times: LookTimes = { startMs: shift.startMs, stepMs: shift.stepMs, points: grid.points };
  const { lookbackMs, annotations } = context;
  const isSmoothed = rollup?.modifier === "smoothed";
  const endMs = shift.startMs + (grid.points - 1) * shift.stepMs;
  const range = { minMs: shift.startMs - lookbackMs + 1, maxMs: isSmoothed ? endMs + lookbackMs : endMs };
  const fast = isSmoothed || column !== "value" ? undefined : FastWindows.ofSelector(context.kernel, times, lookbackMs);
  return {
    request: requestOf(context, selector, range, column === "start"),
    compute: (labels, samples, borrows) => {
      if (isSmoothed) return smoothedSeries(labels, rangeSamples(samples), times, lookbackMs, { annotations, metricName: metricNameOf(labels), position: placeOf(expr) });
      const series = fast?.evaluate(samples, { labels, dropsName: false }, borrows) ?? instantSeries(labels, samples, times, lookbackMs, column);
      return series === "empty" ? undefined : series;
    },
  };
}

function requestOf(context: PromContext, selector: SelectorExpr, range: TimeRange, usesStarts: boolean): SeriesRequest {
  return { filters: selector.groups[0] ?? [], range, tellsResets: context.selectorsOfNumbers.has(selector), usesStarts };
}

// ---- aggregates ----

async function evaluateAggregate(context: PromContext, expr: AggregateExpr, grid: Grid): Promise<PromValue> {
  const vectorExpr = expr.args[expr.args.length - 1];
  const parameter = expr.args.length > 1 ? await evaluate(context, expr.args[0], grid) : undefined;
  const call: AggregateCall = {
    context, expr, position: placeOf(vectorExpr), points: grid.points, parameter: parameter?.kind === "scalar" ? parameter.values : undefined,
  };
  if (takesSeriesOneByOne(expr.name)) return vectorOf(await aggregateOneByOne(call, vectorExpr, grid));
  const vector = await evaluate(context, vectorExpr, grid);
  assert(vector.kind === "vector");
  if (expr.name !== "count_values") return vectorOf(aggregateK(call, vector.series));
  return vectorOf(countValues(call, parameter?.kind === "string" ? parameter.text : "", vector.series));
}

/** Without holding the series of the input, if they come straight from the store. */
async function aggregateOneByOne(call: AggregateCall, vectorExpr: Expr, grid: Grid): Promise<PromSeries[]> {
  const { context } = call;
  const flow = await flowOf(context, vectorExpr, grid);
  if (flow !== undefined) {
    const aggregation = new Aggregation(call);
    const isComplete = await visitSeries(context, flow.request, (labels, samples) => {
      const series = flow.compute(labels, samples, true);
      if (series !== undefined) aggregation.add(series);
    });
    if (isComplete) return aggregation.finish();
  }
  const vector = await evaluate(context, vectorExpr, grid);
  assert(vector.kind === "vector");
  const aggregation = new Aggregation(call);
  for (const series of vector.series) aggregation.add(series);
  return aggregation.finish();
}

/** The series of a vector, if each is made of one series of the store. */
async function flowOf(context: PromContext, expr: Expr, grid: Grid): Promise<SeriesFlow | undefined> {
  if (grid.points > 1 && isStepInvariant(expr)) return undefined;
  if (expr.kind === "selector" || expr.kind === "rollup") return selectorFlow(context, expr, grid, "value");
  if (expr.kind !== "function" || expr.name === "absent_over_time") return undefined;
  const range = expr.args.find((arg) => promqlType(arg) === "matrix");
  const selector = range === undefined ? undefined : selectorOf(range);
  if (range?.kind !== "rollup" || selector === undefined) return undefined;
  // Without their names several metrics might have the same labels, which is an error that needs all of them.
  const hasOneName = selector.groups[0]?.some(({ name, op }) => name === metricNameLabel && op === "=") ?? false;
  if (!hasOneName && rangeFunctions.get(expr.name)?.keepsName !== true && !context.delaysNameRemoval) return undefined;
  const { plan, compute } = await planRangeCall(context, expr, range, grid);
  return { request: requestOf(context, selector, windowTimes(plan), usesStarts(expr)), compute: (labels, samples, borrows) => compute(labels, cleaned(context, samples), false, borrows) };
}

// ---- functions ----

async function evaluateFunction(context: PromContext, expr: FunctionExpr, grid: Grid): Promise<PromValue> {
  const range = expr.args.find((arg) => promqlType(arg) === "matrix");
  if (range?.kind === "rollup") return evaluateRangeFunction(context, expr, range, grid);
  if (expr.name === "info") return addInfoLabels(context, expr, await evaluate(context, expr.args[0], grid), grid);
  const times = timeColumns.get(expr.name);
  if (times !== undefined && isSelectorWith(expr.args[0], times)) return evaluateTimes(context, expr, grid, times);
  const args: PromValue[] = [];
  for (const arg of expr.args) args.push(await evaluate(context, arg, grid));
  const run = instantFunctions.get(expr.name);
  assert(run !== undefined);
  const call: Call = { context, grid, expr, args };
  return run(call);
}

/** Start timestamps of a `smoothed` selector, whose values are not those of samples, are not known. */
function isSelectorWith(expr: Expr, column: InstantColumn): boolean {
  return selectorOf(expr) !== undefined && !(column === "start" && expr.kind === "rollup" && expr.modifier !== undefined);
}

const timeColumns: ReadonlyMap<string, InstantColumn> = new Map([["timestamp", "time"], ["start_timestamp", "start"]]);

/** timestamp() of a selector: when its samples were taken; start_timestamp(): since when they count. */
async function evaluateTimes(context: PromContext, expr: FunctionExpr, grid: Grid, column: InstantColumn): Promise<PromValue> {
  const all = await evaluateSelector(context, expr.args[0], grid, column);
  return vectorOf(mergeNameless(all, all.map((series): PromSeries => ({
    ...series, labels: namelessLabels(context, series.labels), values: series.values.map((timeMs) => timeMs / 1000), dropsName: true,
  }))));
}

async function evaluateRangeFunction(context: PromContext, expr: FunctionExpr, range: RollupExpr, grid: Grid): Promise<PromValue> {
  const { plan, dropsName, compute } = await planRangeCall(context, expr, range, grid);
  const sources: Labels[] = [];
  const all = await mapRange(context, range, plan, usesStarts(expr), (labels, samples, isNameless) => {
    context.countColumns(1, grid.points);
    const series = compute(labels, samples, isNameless);
    if (series === undefined) return undefined;
    context.countHistograms(series);
    sources.push(labels);
    return series;
  });
  if (expr.name === "absent_over_time") return absentSeries(range, all, grid.points);
  if (!context.delaysNameRemoval && dropsName && !haveSameMetadata(sources)) refuseSameLabels(all);
  return vectorOf(all);
}

function usesStarts({ name }: FunctionExpr): boolean {
  return rangeFunctions.get(name)?.usesStarts === true;
}

/** A function of a range with its other arguments evaluated. */
interface RangeCall {
  readonly plan: WindowPlan;
  readonly dropsName: boolean;
  /** A borrowed series is valid until the next call. */
  readonly compute: (labels: Labels, samples: SampleColumns, isNameless: boolean, borrows?: boolean) => PromSeries | undefined;
}

async function planRangeCall(context: PromContext, expr: FunctionExpr, range: RollupExpr, grid: Grid): Promise<RangeCall> {
  const facts = rangeFunctions.get(expr.name);
  assert(facts !== undefined);
  const others = expr.args.filter((arg) => arg !== range);
  const args: Float64Array[] = [];
  for (const other of others) {
    const value = await evaluate(context, other, grid);
    assert(value.kind === "scalar");
    args.push(value.values);
  }
  const plan = planWindows(context, range, grid, args, others.map(placeOf));
  const dropsName = facts.keepsName !== true;
  const reported = new Set<string>();
  const fast = FastWindows.ofRange(context.kernel, expr.name, plan);
  return {
    plan,
    dropsName,
    compute: (labels, samples, isNameless, borrows = false) => {
      const kept = { labels: dropsName ? namelessLabels(context, labels) : labels, dropsName: dropsName || isNameless };
      const found = fast?.evaluate(samples, kept, borrows) ?? evaluateWindows(plan, facts.run, labels, samples, kept);
      const series = found === "empty" ? undefined : found;
      if (facts.needsCounter === true && series?.present.includes(floatPoint) === true) reportNonCounter(context, metricNameOf(labels), plan.position, reported);
      return series;
    },
  };
}

/** Names in `reported` have been looked at. */
function reportNonCounter(context: PromContext, metricName: string, position: number, reported: Set<string>): void {
  if (reported.has(metricName)) return;
  reported.add(metricName);
  if (metricName !== "" && !/_(?:total|sum|count|bucket)$/.test(metricName)) context.annotations.possibleNonCounter(metricName, position);
}

function planWindows(context: PromContext, range: RollupExpr, grid: Grid, args: readonly Float64Array[], argPositions: readonly number[]): WindowPlan {
  assert(range.window !== undefined);
  const shift = shifted(context, range, grid);
  return {
    points: grid.points,
    startMs: grid.startMs,
    stepMs: grid.stepMs,
    endMs: shift.startMs,
    endStepMs: shift.stepMs,
    rangeMs: lengthMs(context, range.window),
    beforeMs: range.modifier === undefined ? 0 : context.lookbackMs,
    afterMs: range.modifier === "smoothed" ? context.lookbackMs : 0,
    modifier: range.modifier,
    args,
    annotations: context.annotations,
    position: placeOf(range),
    argPositions,
  };
}

/** `isNameless`: the name is to be left out of the answer in any case. */
type RangeMapper = (labels: Labels, samples: SampleColumns, isNameless: boolean) => PromSeries | undefined;

/** What `compute` makes of each series of a range; samples are without stale markers. */
async function mapRange(context: PromContext, range: RollupExpr, plan: WindowPlan, looksAtStarts: boolean, compute: RangeMapper): Promise<PromSeries[]> {
  const selector = selectorOf(range);
  if (selector !== undefined) return mapSeries(context, requestOf(context, selector, windowTimes(plan), looksAtStarts), (labels, samples) => compute(labels, cleaned(context, samples), false));
  const { minMs, maxMs } = windowTimes(plan);
  const inner = subqueryGrid(context, range, minMs - 1, maxMs);
  if (inner.points <= 0) return [];
  const value = await evaluate(context, range.inner, inner);
  assert(value.kind === "vector");
  return value.series.map((series) => compute(series.labels, subquerySamples(series, inner), series.dropsName)).filter((series) => series !== undefined);
}

function cleaned({ kernel }: PromContext, samples: SampleColumns): SampleColumns {
  return rangeSamples(samples, scanOf(kernel, samples));
}

/** The times of the samples that the windows need. */
function windowTimes(plan: WindowPlan): TimeRange {
  return { minMs: plan.endMs - plan.rangeMs - plan.beforeMs + 1, maxMs: plan.endMs + (plan.points - 1) * plan.endStepMs + plan.afterMs };
}

/** The multiples of the step that are later than the start of the first window. */
function subqueryGrid(context: PromContext, range: RollupExpr, firstMs: number, lastMs: number): Grid {
  const stepMs = range.step === undefined ? context.subqueryStepMs : lengthMs(context, range.step);
  let startMs = stepMs * Math.trunc(firstMs / stepMs);
  if (startMs <= firstMs) startMs += stepMs;
  const grid = gridBetween(startMs, lastMs, stepMs);
  checkLimit("too_many_points", "points per series of a subquery", grid.points, context.limits.subqueryPointsMax, "search.maxPointsSubqueryPerTimeseries");
  return grid;
}

/** The samples of a range expression at one time, as an instant query gives them. */
export async function evaluateRange(context: PromContext, range: RollupExpr, grid: Grid): Promise<readonly { labels: Labels; samples: SampleColumns }[]> {
  const plan = planWindows(context, range, grid, [], []);
  const found: { labels: Labels; samples: SampleColumns }[] = [];
  await mapRange(context, range, plan, false, (labels, samples) => {
    const report = { annotations: context.annotations, metricName: metricNameOf(labels), position: plan.position };
    const bounds = { startMs: plan.endMs - plan.rangeMs, endMs: plan.endMs, isSmoothed: plan.modifier === "smoothed" };
    found.push({ labels, samples: plan.modifier === undefined ? copied(samples) : extendedSamples(samples, bounds, report) });
    return undefined;
  });
  return found.filter(({ samples }) => samples.timestampsMs.length + samples.histogramTimesMs.length > 0);
}

function copied(samples: SampleColumns): SampleColumns {
  return { ...samples, timestampsMs: samples.timestampsMs.slice(), values: samples.values.slice() };
}

