/** Binary operations with a scalar, and the set operators. Arithmetic and comparison of two vectors are in vector_matching.ts. */
import { assert } from "../base/assert.ts";
import type { BinaryExpr } from "../metricsql/ast.ts";
import { arithmetic, type BinaryCall, comparisons, computeBinary } from "./binary_element.ts";
import type { PromContext } from "./context.ts";
import { placeOf } from "./expression.ts";
import { mergeNameless, mergeSameLabels, withoutMetadata } from "./series_labels.ts";
import { floatPoint, histogramAt, noPoint, type PromSeries, type PromValue, SeriesBuilder } from "./vector.ts";
import { matchVectors, signatureOf } from "./vector_matching.ts";

/** REQUIRES: operands of the types that checkPromql allows. */
export function evaluateBinary(context: PromContext, expr: BinaryExpr, left: PromValue, right: PromValue, points: number): PromValue {
  const call: BinaryCall = { op: expr.op, annotations: context.annotations, position: placeOf(expr) };
  if (left.kind === "scalar" && right.kind === "scalar") return { kind: "scalar", values: computeScalars(expr, left.values, right.values) };
  if (left.kind === "vector" && right.kind === "vector") {
    return { kind: "vector", series: mergeSameLabels(combineVectors(context, expr, call, left.series, right.series, points)) };
  }
  if (left.kind === "vector" && right.kind === "scalar") return withScalar(context, expr, call, left.series, right.values, false);
  assert(left.kind === "scalar" && right.kind === "vector");
  return withScalar(context, expr, call, right.series, left.values, true);
}

function computeScalars(expr: BinaryExpr, left: Float64Array, right: Float64Array): Float64Array {
  const compute = arithmetic[expr.op];
  if (compute !== undefined) return left.map((value, i) => compute(value, right[i]));
  const compare = comparisons[expr.op];
  assert(compare !== undefined);
  return left.map((value, i) => (compare(value, right[i]) ? 1 : 0));
}

function combineVectors(
  context: PromContext, expr: BinaryExpr, call: BinaryCall, left: readonly PromSeries[], right: readonly PromSeries[], points: number,
): readonly PromSeries[] {
  switch (expr.op) {
    case "and":
      return masked(left, expr, presenceOf(right, expr, points), true);
    case "unless":
      return masked(left, expr, presenceOf(right, expr, points), false);
    case "or":
      return [...left, ...masked(right, expr, presenceOf(left, expr, points), false)];
    default:
      return matchVectors(context, expr, call, left, right, points);
  }
}

// ---- set operators ----

/** Where the series of each signature have points. */
function presenceOf(all: readonly PromSeries[], expr: BinaryExpr, points: number): ReadonlyMap<string, Uint8Array> {
  const presence = new Map<string, Uint8Array>();
  const signature = signatureOf(expr.matching);
  for (const { labels, present } of all) {
    const key = signature(labels);
    let some = presence.get(key);
    if (some === undefined) presence.set(key, (some = new Uint8Array(points)));
    for (let point = 0; point < points; point++) some[point] |= present[point];
  }
  return presence;
}

/** The points where the other side has the same signature, or has not. */
function masked(all: readonly PromSeries[], expr: BinaryExpr, presence: ReadonlyMap<string, Uint8Array>, wanted: boolean): PromSeries[] {
  const signature = signatureOf(expr.matching);
  const result: PromSeries[] = [];
  for (const series of all) {
    const other = presence.get(signature(series.labels));
    if (other === undefined) {
      if (!wanted) result.push(series);
      continue;
    }
    const present = series.present.map((kind, point) => ((other[point] !== noPoint) === wanted ? kind : noPoint));
    if (present.some((kind) => kind !== noPoint)) result.push({ ...series, present });
  }
  return result;
}

// ---- vector and scalar ----

/** `isSwapped`: the scalar is on the left. A comparison keeps the value of the vector in any case. */
function withScalar(context: PromContext, expr: BinaryExpr, call: BinaryCall, all: readonly PromSeries[], scalar: Float64Array, isSwapped: boolean): PromValue {
  const compare = comparisons[expr.op];
  const dropsName = arithmetic[expr.op] !== undefined || expr.bool;
  const result: PromSeries[] = [];
  for (const series of all) {
    context.countColumns(1, scalar.length);
    const labels = dropsName && !context.delaysNameRemoval ? withoutMetadata(series.labels) : series.labels;
    const target = new SeriesBuilder(labels, scalar.length, dropsName || series.dropsName);
    if (compare !== undefined) compareWithScalar(target, series, scalar, compare, expr.bool, isSwapped);
    else computeWithScalar(target, series, scalar, call, isSwapped);
    if (series.histograms !== undefined) computeHistograms(target, series, scalar, call, expr.bool, isSwapped);
    if (!target.isEmpty) result.push(target);
  }
  return { kind: "vector", series: dropsName ? mergeNameless(all, result) : result };
}

function computeWithScalar(target: SeriesBuilder, series: PromSeries, scalar: Float64Array, call: BinaryCall, isSwapped: boolean): void {
  const compute = arithmetic[call.op];
  const { values, present } = series;
  for (let point = 0; point < scalar.length; point++) {
    if (present[point] !== floatPoint) continue;
    if (compute === undefined) computeBinary(call, values[point], scalar[point]);
    else target.setFloat(point, isSwapped ? compute(scalar[point], values[point]) : compute(values[point], scalar[point]));
  }
}

function compareWithScalar(
  target: SeriesBuilder, series: PromSeries, scalar: Float64Array, compare: (left: number, right: number) => boolean, isBool: boolean, isSwapped: boolean,
): void {
  const { values, present } = series;
  for (let point = 0; point < scalar.length; point++) {
    if (present[point] !== floatPoint) continue;
    const holds = isSwapped ? compare(scalar[point], values[point]) : compare(values[point], scalar[point]);
    if (isBool) target.setFloat(point, holds ? 1 : 0);
    else if (holds) target.setFloat(point, values[point]);
  }
}

function computeHistograms(target: SeriesBuilder, series: PromSeries, scalar: Float64Array, call: BinaryCall, isBool: boolean, isSwapped: boolean): void {
  for (let point = 0; point < scalar.length; point++) {
    const histogram = histogramAt(series, point);
    if (histogram === undefined) continue;
    const result = isSwapped ? computeBinary(call, scalar[point], histogram) : computeBinary(call, histogram, scalar[point]);
    if (result === undefined) continue;
    if (isBool) target.setFloat(point, result.holds ? 1 : 0);
    else if (typeof result.value === "number") target.setFloat(point, result.value);
    else target.setHistogram(point, result.value);
  }
}
