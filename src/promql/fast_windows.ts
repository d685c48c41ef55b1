/**
 * Functions of ranges, and selectors, of series that have floats only: by kernels (wasm/promql_windows.ts) instead of point by point. Everything else,
 * and sums that are not finite, is left to window.ts and instant_selector.ts, which give the same bits.
 */
import type { Kernel } from "../kernel/kernel.ts";
import { isInKernel, PromqlWindows, type PromqlWindowFunction, promqlWindowFunctions, scanSamples } from "../kernel/promql_windows.ts";
import type { LookTimes } from "./instant_selector.ts";
import type { SampleColumns } from "./samples.ts";
import type { PromSeries } from "./vector.ts";
import type { ResultLabels, WindowPlan } from "./window.ts";

const slabSeriesMax = 64;

const functionNames: ReadonlySet<string> = new Set(promqlWindowFunctions);

/** One function over one grid; for all series of a selector. */
export class FastWindows {
  readonly #name: PromqlWindowFunction;
  readonly #windows: PromqlWindows;
  readonly #points: number;
  /** Columns are cut from slabs, of one series first and then of more. */
  #slabSeries = 0;
  #slabUsed = 0;
  #values = new Float64Array(0);
  #present = new Uint8Array(0);

  private constructor(kernel: Kernel, name: PromqlWindowFunction, grid: ConstructorParameters<typeof PromqlWindows>[1]) {
    this.#name = name;
    this.#windows = new PromqlWindows(kernel, grid);
    this.#points = grid.points;
  }

  /** undefined if there is no kernel for the function or the plan. */
  static ofRange(kernel: Kernel | undefined, name: string, { modifier, points, endMs, endStepMs, rangeMs }: WindowPlan): FastWindows | undefined {
    if (kernel === undefined || modifier !== undefined || !functionNames.has(name)) return undefined;
    return new FastWindows(kernel, name as PromqlWindowFunction, { points, endMs, endStepMs, lengthMs: rangeMs });
  }

  /** The values of a selector. */
  static ofSelector(kernel: Kernel | undefined, { points, startMs, stepMs }: LookTimes, lookbackMs: number): FastWindows | undefined {
    if (kernel === undefined) return undefined;
    return new FastWindows(kernel, "latest", { points, endMs: startMs, endStepMs: stepMs, lengthMs: lookbackMs });
  }

  /**
   * The series, "empty" if it has no point, undefined if it has to be computed otherwise. Borrowed columns are valid until the next call.
   * REQUIRES for functions of ranges: samples that rangeSamples has cleaned.
   */
  evaluate(samples: SampleColumns, { labels, dropsName }: ResultLabels, borrows: boolean): PromSeries | "empty" | undefined {
    if (samples.histograms.length > 0 || samples.starts !== undefined) return undefined;
    const count = this.#windows.run(this.#name, samples.timestampsMs, samples.values, samples.hasDecreases !== false);
    if (count < 0) return undefined;
    if (count === 0) return "empty";
    const { values, present } = this.#windows;
    if (borrows) return { labels, values, present, histograms: undefined, dropsName };
    return { labels, ...this.#ownColumns(values, present), histograms: undefined, dropsName };
  }

  /** Copies of both columns. */
  #ownColumns(values: Float64Array, present: Uint8Array): { values: Float64Array; present: Uint8Array } {
    if (this.#slabUsed === this.#slabSeries) {
      this.#slabSeries = Math.min(slabSeriesMax, Math.max(1, this.#slabSeries * 2));
      this.#slabUsed = 0;
      this.#values = new Float64Array(this.#slabSeries * this.#points);
      this.#present = new Uint8Array(this.#slabSeries * this.#points);
    }
    const from = this.#slabUsed++ * this.#points;
    this.#values.set(values, from);
    this.#present.set(present, from);
    return { values: this.#values.subarray(from, from + this.#points), present: this.#present.subarray(from, from + this.#points) };
  }
}

/** What samples.ts has to know of a series, found by a kernel; undefined if its samples are not in the kernel's memory. */
export function scanOf(kernel: Kernel | undefined, { timestampsMs, values }: SampleColumns): number | undefined {
  return kernel !== undefined && isInKernel(kernel, timestampsMs, values) ? scanSamples(kernel, timestampsMs, values) : undefined;
}
