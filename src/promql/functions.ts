/** All functions of instant vectors and scalars, by name. Functions of ranges are in range_functions.ts. */
import type { Expr } from "../metricsql/ast.ts";
import { type Labels, labelsOf, metricNameLabel } from "../model/labels.ts";
import { type Call, scalarArg, vectorArg, vectorOf } from "./call.ts";
import { filtersOf } from "./expression.ts";
import { floatFunctionCalls } from "./float_functions.ts";
import { goMax, goMin } from "./go_math.ts";
import { fractionOfHistograms, histogramNumberCalls, quantileOfHistograms, quantilesOfHistograms } from "./histogram_functions.ts";
import { labelJoin, labelReplace, sortByLabel, sortByValue } from "./label_functions.ts";
import { mergeNameless, namelessLabels } from "./series_labels.ts";
import { floatPoint, noPoint, type PromSeries, type PromValue, SeriesBuilder } from "./vector.ts";

/** Functions whose arguments are evaluated before the call. */
export const instantFunctions: ReadonlyMap<string, (call: Call) => PromValue> = new Map<string, (call: Call) => PromValue>([
  ...floatFunctionCalls,
  ...histogramNumberCalls,
  ["absent", absent],
  ["end", ({ context, grid }) => constant(grid.points, context.endMs / 1000)],
  ["histogram_fraction", fractionOfHistograms],
  ["histogram_quantile", quantileOfHistograms],
  ["histogram_quantiles", quantilesOfHistograms],
  ["label_join", labelJoin],
  ["label_replace", labelReplace],
  ["max_of", (call) => ofScalars(call, goMax)],
  ["min_of", (call) => ofScalars(call, goMin)],
  ["pi", ({ grid }) => constant(grid.points, Math.PI)],
  ["range", ({ context, grid }) => constant(grid.points, (context.endMs - context.startMs) / 1000)],
  ["scalar", scalar],
  ["sort", (call) => sortByValue(call, 1)],
  ["sort_by_label", (call) => sortByLabel(call, 1)],
  ["sort_by_label_desc", (call) => sortByLabel(call, -1)],
  ["sort_desc", (call) => sortByValue(call, -1)],
  ["start", ({ context, grid }) => constant(grid.points, context.startMs / 1000)],
  // Only the samples of a selector have start timestamps; the evaluator gives those.
  ["start_timestamp", () => vectorOf([])],
  ["step", ({ context, grid }) => constant(grid.points, context.stepMs / 1000)],
  ["time", ({ grid }) => ({ kind: "scalar", values: Float64Array.from({ length: grid.points }, (_, point) => (grid.startMs + point * grid.stepMs) / 1000) })],
  ["timestamp", timestamp],
  ["vector", (call) => vectorOf([{ labels: [], values: scalarArg(call, 0), present: new Uint8Array(call.grid.points).fill(floatPoint), histograms: undefined, dropsName: false }])],
]);

function constant(points: number, value: number): PromValue {
  return { kind: "scalar", values: new Float64Array(points).fill(value) };
}

function ofScalars(call: Call, compute: (left: number, right: number) => number): PromValue {
  const right = scalarArg(call, 1);
  return { kind: "scalar", values: scalarArg(call, 0).map((value, point) => compute(value, right[point])) };
}

/** The value of the only float, else NaN. */
function scalar(call: Call): PromValue {
  const values = new Float64Array(call.grid.points).fill(NaN);
  const counts = new Uint8Array(call.grid.points);
  for (const series of vectorArg(call, 0)) {
    for (let point = 0; point < values.length; point++) {
      if (series.present[point] !== floatPoint) continue;
      values[point] = counts[point] === 0 ? series.values[point] : NaN;
      counts[point] = 1;
    }
  }
  return { kind: "scalar", values };
}

function absent(call: Call): PromValue {
  return absentSeries(call.expr.args[0], vectorArg(call, 0), call.grid.points);
}

/** 1 wherever no series has a point, with the labels that the selector asks for by equality. */
export function absentSeries(expr: Expr, all: readonly PromSeries[], points: number): PromValue {
  const target = new SeriesBuilder(absentLabels(expr), points, true);
  for (let point = 0; point < points; point++) if (all.every(({ present }) => present[point] === noPoint)) target.setFloat(point, 1);
  return vectorOf(target.isEmpty ? [] : [target]);
}

/** A label that is asked for twice, or by something else after it was asked for by equality, is not given. */
function absentLabels(expr: Expr): Labels {
  const record: Record<string, string> = {};
  const seen = new Set<string>();
  for (const { name, op, value } of filtersOf(expr) ?? []) {
    if (name === metricNameLabel) continue;
    if (op === "=" && !seen.has(name)) {
      record[name] = value;
      seen.add(name);
    } else {
      delete record[name];
    }
  }
  return labelsOf(record);
}

/** The time of evaluation; of a selector the evaluator gives the times of the samples instead. */
function timestamp(call: Call): PromValue {
  const { context, grid } = call;
  const times = Float64Array.from({ length: grid.points }, (_, point) => (grid.startMs + point * grid.stepMs) / 1000);
  const all = vectorArg(call, 0);
  return vectorOf(mergeNameless(all, all.map((series): PromSeries => ({
    labels: namelessLabels(context, series.labels),
    values: times,
    present: series.present.map((kind) => (kind === noPoint ? noPoint : floatPoint)),
    histograms: undefined,
    dropsName: true,
  }))));
}
