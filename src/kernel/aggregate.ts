/**
 * Typed door to wasm/aggregate.ts: columns of the grid, one f64 per point, NaN where there is no value. Arguments are addresses; columns
 * are 16-aligned and have room for an even number of points.
 */
import type { Kernel } from "./kernel.ts";

/** Adds one series to the accumulators of its group. */
export type Accumulate = (values: number, points: number, first: number, second: number, third: number) => void;
/** Combines two columns; target may be one of them. The last argument matters to comparisons only: 1 gives 0 or 1 instead of filtering. */
export type CombineColumns = (left: number, right: number, target: number, points: number, bool: number) => void;

export interface AggregateKernels {
  columnFill(target: number, points: number, value: number): void;
  columnCount(values: number, points: number): number;
  columnIsEmpty(values: number, points: number): number;
  columnOverlap(left: number, right: number, points: number): number;

  readonly aggregateSum: Accumulate;
  readonly aggregateSum2: Accumulate;
  readonly aggregateProduct: Accumulate;
  readonly aggregateCount: Accumulate;
  readonly aggregateMin: Accumulate;
  readonly aggregateMax: Accumulate;
  readonly aggregateGroup: Accumulate;
  readonly aggregateVariance: Accumulate;
  aggregateMask(values: number, counts: number, points: number): void;
  aggregateDivide(values: number, counts: number, points: number): void;

  /** `columns` is the address of a u32 address per column; scratch takes one f64 per column. */
  aggregateQuantile(columns: number, columnCount: number, points: number, phis: number, scratch: number, target: number): void;
  aggregateMad(columns: number, columnCount: number, points: number, scratch: number, target: number): void;
  aggregateDistinct(columns: number, columnCount: number, points: number, scratch: number, target: number): void;
  aggregateMode(columns: number, columnCount: number, points: number, scratch: number, target: number): void;
  /** Keeps ks[i] values per point, the greatest (sign 1) or smallest (-1); scratch takes two f64 per column. */
  aggregateTopk(columns: number, columnCount: number, points: number, ks: number, sign: number, scratch: number): void;

  readonly columnAdd: CombineColumns;
  readonly columnSubtract: CombineColumns;
  readonly columnMultiply: CombineColumns;
  readonly columnDivide: CombineColumns;
  readonly columnEqual: CombineColumns;
  readonly columnNotEqual: CombineColumns;
  readonly columnLess: CombineColumns;
  readonly columnLessOrEqual: CombineColumns;
  readonly columnGreater: CombineColumns;
  readonly columnGreaterOrEqual: CombineColumns;
  /** Left where right has a value. */
  readonly columnKeepWhere: CombineColumns;
  /** Left where right has none. */
  readonly columnDropWhere: CombineColumns;
  /** Left, or right in its gaps. */
  readonly columnFillGaps: CombineColumns;
}

export function aggregateKernels(kernel: Kernel): AggregateKernels {
  return kernel.exports as unknown as AggregateKernels;
}
