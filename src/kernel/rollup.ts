/**
 * Typed door to wasm/rollup.ts. A RollupContext owns the context record, the window bounds and scratch of one rollup over a grid; it
 * is filled per series and handed to a rollup function, which writes one column.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";

/** Computes one column from a filled context. */
export type RollupKernel = (context: number) => void;

const rollupNames = [
  "Last", "First", "Count", "Present", "Absent", "Rate", "Delta", "IncreasePure", "DeltaPrometheus", "RatePrometheus", "Idelta", "Ideriv", "FirstTime",
  "LastTime", "LastChangeTime", "Lag", "Lifetime", "ScrapeInterval", "Sum", "Avg", "RateOverSum", "Min", "Max", "Range", "MinTime", "MaxTime",
  "Sum2", "Geomean", "Stdvar", "Stddev", "Zscore", "Changes", "ChangesPrometheus", "Increases", "Resets", "Ascent", "Descent", "Deriv",
  "PredictLinear", "Integrate", "Duration", "CountEq", "CountNe", "CountLe", "CountGt", "ShareEq", "ShareLe", "ShareGt", "SumEq", "SumLe",
  "SumGt", "StaleSamples", "HoeffdingLower", "HoeffdingUpper", "HoltWinters", "Open", "Close", "Low", "High", "Quantile", "Distinct", "Mode",
  "Mad", "OutlierIqr",
] as const;

/** Name of a rollup kernel: `Rate` is the export `rollupRate`. */
export type RollupName = (typeof rollupNames)[number];

interface RollupKernels {
  rollupScan(values: number, count: number): number;
  rollupDropNaN(timestamps: number, values: number, count: number, targetTimestamps: number, targetValues: number): number;
  rollupDropPlainNaN(timestamps: number, values: number, count: number, targetTimestamps: number, targetValues: number): number;
  rollupRemoveResets(timestamps: number, values: number, count: number, target: number, maxGapMs: number): void;
  rollupDeltas(values: number, count: number, target: number): void;
  rollupSlopes(timestamps: number, values: number, count: number, target: number): void;
  rollupIntervals(timestamps: number, count: number, target: number): void;
  rollupScrapeIntervalMs(timestamps: number, count: number, fallbackMs: number, scratch: number): number;
  rollupBounds(context: number, maxPrevIntervalMs: number, lookbackMs: number): void;
  bytesEqual(left: number, right: number, size: number): number;
}

/** The kernel function of a name. */
export function rollupKernel(kernel: Kernel, name: RollupName): RollupKernel {
  return kernel.exports[`rollup${name}`] as unknown as RollupKernel;
}

/** All names, for tests. */
export const allRollupNames: readonly RollupName[] = rollupNames;

export function rollupKernels(kernel: Kernel): RollupKernels {
  return kernel.exports as unknown as RollupKernels;
}

/** Where the samples of one series are, as addresses of f64 columns. */
export interface SampleColumns {
  readonly timestamps: number;
  readonly values: number;
  readonly count: number;
}

/** Slots of the context record, see wasm/rollup.ts. */
const slot = { timestamps: 0, values: 1, count: 2, points: 3, lo: 4, hi: 5, prev: 6, realPrev: 7, arg0: 8, arg1: 9, target: 10, scratch: 11 } as const;
const numberSlot = { startMs: 6, stepMs: 7, windowMs: 8 } as const;
const contextBytes = 72;

/** The record in kernel memory. Valid as long as the arena region it was allocated in. */
export class RollupContext {
  readonly pointer: number;
  readonly #kernel: Kernel;
  readonly #points: number;
  /** The memory as it was when the record was made: it is a shared one, so this stays what it is when it grows. */
  readonly #words: Uint32Array;
  readonly #base: number;

  /** Allocates the record and the window bounds of `points` points from the kernel's arena. */
  constructor(kernel: Kernel, points: number, startMs: number, stepMs: number) {
    this.#kernel = kernel;
    this.#points = points;
    this.pointer = kernel.allocate(contextBytes);
    const bounds = kernel.allocate(points * 16);
    const words = kernel.u32;
    const base = this.pointer / 4;
    this.#words = words;
    this.#base = base;
    words.fill(0, base, base + contextBytes / 4);
    words[base + slot.points] = points;
    for (let i = 0; i < 4; i++) words[base + slot.lo + i] = bounds + i * points * 4;
    kernel.f64[this.pointer / 8 + numberSlot.startMs] = startMs;
    kernel.f64[this.pointer / 8 + numberSlot.stepMs] = stepMs;
  }

  setSamples(samples: SampleColumns): void {
    this.#words[this.#base + slot.timestamps] = samples.timestamps;
    this.#words[this.#base + slot.values] = samples.values;
    this.#words[this.#base + slot.count] = samples.count;
  }

  /** Columns with the arguments of the function, one f64 per point; 0 for none. */
  setArguments(first: number, second: number): void {
    this.#words[this.#base + slot.arg0] = first;
    this.#words[this.#base + slot.arg1] = second;
  }

  /** Scratch of two f64 per sample, for functions of the sorted window. */
  setScratch(pointer: number): void {
    this.#words[this.#base + slot.scratch] = pointer;
  }

  setTarget(pointer: number): void {
    this.#words[this.#base + slot.target] = pointer;
  }

  /** Computes the bounds of all windows for the timestamps set before. */
  computeBounds(windowMs: number, maxPrevIntervalMs: number, lookbackMs: number): void {
    this.#kernel.f64[this.pointer / 8 + numberSlot.windowMs] = windowMs;
    rollupKernels(this.#kernel).rollupBounds(this.pointer, maxPrevIntervalMs, lookbackMs);
  }

  /** The samples of the window of one point: from `from` up to `to`, exclusive. */
  bounds(point: number): { readonly from: number; readonly to: number } {
    const words = this.#kernel.u32;
    const base = words[this.pointer / 4 + slot.lo] / 4 + point;
    return { from: words[base], to: words[base + this.#points] };
  }

  /** Sets the bounds of one point by hand; for tests of single windows. */
  setBounds(point: number, lo: number, hi: number, prev: number, realPrev: number): void {
    assert(point < this.#points);
    const words = this.#kernel.u32;
    const base = words[this.pointer / 4 + slot.lo] / 4 + point;
    words.set([lo], base);
    words.set([hi], base + this.#points);
    words.set([prev >>> 0], base + 2 * this.#points);
    words.set([realPrev >>> 0], base + 3 * this.#points);
  }

  setWindow(windowMs: number): void {
    this.#kernel.f64[this.pointer / 8 + numberSlot.windowMs] = windowMs;
  }
}
