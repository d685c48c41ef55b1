/** A function call whose arguments have been evaluated, and helpers for what most functions do. */
import { assert } from "../base/assert.ts";
import type { FunctionExpr } from "../metricsql/ast.ts";
import type { Grid } from "../query/grid.ts";
import type { PromContext } from "./context.ts";
import { mergeNameless, namelessLabels } from "./series_labels.ts";
import { floatPoint, noPoint, type PromSeries, type PromValue } from "./vector.ts";

export interface Call {
  readonly context: PromContext;
  readonly grid: Grid;
  readonly expr: FunctionExpr;
  readonly args: readonly PromValue[];
}

/** Argument `index` as a vector; the tree has been checked. */
export function vectorArg(call: Call, index: number): readonly PromSeries[] {
  const value = call.args[index];
  assert(value.kind === "vector");
  return value.series;
}

export function scalarArg(call: Call, index: number): Float64Array {
  const value = call.args[index];
  assert(value.kind === "scalar");
  return value.values;
}

export function stringArg(call: Call, index: number): string {
  const value = call.args[index];
  assert(value.kind === "string");
  return value.text;
}

export function vectorOf(series: readonly PromSeries[]): PromValue {
  return { kind: "vector", series };
}

/** A function of the floats of a vector, point by point. Histograms are left out, and so is the metric name. */
export function mapFloats(call: Call, compute: (value: number, point: number) => number): PromValue {
  const result: PromSeries[] = [];
  for (const series of vectorArg(call, 0)) {
    call.context.countColumns(1, call.grid.points);
    const mapped = mappedFloats(series, compute);
    if (mapped !== undefined) result.push({ ...mapped, labels: namelessLabels(call.context, series.labels), dropsName: true });
  }
  return vectorOf(mergeNameless(vectorArg(call, 0), result));
}

function mappedFloats(series: PromSeries, compute: (value: number, point: number) => number): PromSeries | undefined {
  const values = new Float64Array(series.values.length);
  const hasHistograms = series.histograms !== undefined;
  const present = hasHistograms ? series.present.map((kind) => (kind === floatPoint ? floatPoint : noPoint)) : series.present;
  let count = 0;
  for (let point = 0; point < values.length; point++) {
    if (present[point] === noPoint) continue;
    values[point] = compute(series.values[point], point);
    count++;
  }
  return count === 0 ? undefined : { ...series, values, present, histograms: undefined };
}
