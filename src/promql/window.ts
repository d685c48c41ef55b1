/**
 * Functions over ranges: `rate(m[5m])` and its kin. For every point of the grid the samples of the window (end - range, end] are told to the
 * function by two indexes that only move forward; samples are not copied.
 */
import type { Labels } from "../model/labels.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { Annotations } from "./annotations.ts";
import type { HistogramReport } from "./histogram_report.ts";
import type { SampleColumns, StartColumn } from "./samples.ts";
import { type StartedSamples, startsOf } from "./start_times.ts";
import { metricNameOf } from "./series_labels.ts";
import { floatPoint, histogramPoint, noPoint, SeriesBuilder } from "./vector.ts";

/** The windows of all points: where they end, how long they are and how far beyond them samples are wanted. */
export interface WindowPlan {
  readonly points: number;
  /** Time of evaluation of the first point; the others follow every stepMs. */
  readonly startMs: number;
  readonly stepMs: number;
  /** End of the first window. */
  readonly endMs: number;
  /** From the end of one window to that of the next: stepMs, or 0 if `@` pins them all. */
  readonly endStepMs: number;
  readonly rangeMs: number;
  /** Samples before and after the window that the function wants to see (of `anchored` and `smoothed` ranges). */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly modifier: "anchored" | "smoothed" | undefined;
  /** Arguments besides the range, by point. */
  readonly args: readonly Float64Array[];
  readonly annotations: Annotations;
  /** Where the range, and the other arguments, begin in the query. */
  readonly position: number;
  readonly argPositions: readonly number[];
}

/** Gives the value for the window, or calls `nothing()` or `give()`. Not called for a window without samples. */
export type WindowFunction = (window: Window) => number;

/** The window that a function looks at; the same object for all points of a series. */
export class Window {
  readonly plan: WindowPlan;
  readonly metricName: string;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly histogramTimesMs: Float64Array;
  readonly histograms: readonly FloatHistogram[];
  /** Floats [from, to) and histograms [histogramFrom, histogramTo). */
  from = 0;
  to = 0;
  histogramFrom = 0;
  histogramTo = 0;
  /** Samples of the range are later than startMs and not later than endMs. */
  startMs = 0;
  endMs = 0;
  /** Time of evaluation. */
  timeMs = 0;
  point = 0;
  kind = noPoint;
  histogram: FloatHistogram | undefined = undefined;
  /** How many values up to each one are less than the one before it. */
  #resets: Uint32Array | undefined;
  readonly #hasDecreases: boolean;
  readonly #startColumn: StartColumn | undefined;
  #startedFloats: StartedSamples | undefined;
  #startedHistograms: StartedSamples | undefined;

  constructor(plan: WindowPlan, metricName: string, samples: SampleColumns) {
    this.plan = plan;
    this.metricName = metricName;
    this.timestampsMs = samples.timestampsMs;
    this.values = samples.values;
    this.histogramTimesMs = samples.histogramTimesMs;
    this.histograms = samples.histograms;
    this.#hasDecreases = samples.hasDecreases ?? true;
    this.#startColumn = plan.modifier === undefined ? samples.starts : undefined;
  }

  /** All floats with their start timestamps; undefined if there are none. `anchored` and `smoothed` ranges know none, as in Prometheus. */
  get startedFloats(): StartedSamples | undefined {
    if (this.#startColumn === undefined) return undefined;
    return (this.#startedFloats ??= { timestampsMs: this.timestampsMs, starts: startsOf(this.timestampsMs, this.#startColumn) });
  }

  /** The same of histograms. */
  get startedHistograms(): StartedSamples | undefined {
    if (this.#startColumn === undefined) return undefined;
    return (this.#startedHistograms ??= { timestampsMs: this.histogramTimesMs, starts: startsOf(this.histogramTimesMs, this.#startColumn) });
  }

  /** Whether a value within the window is less than the one before. */
  hasReset(): boolean {
    if (!this.#hasDecreases) return false;
    const resets = (this.#resets ??= countDecreases(this.values));
    return resets[this.to - 1] !== resets[this.from];
  }

  /** For what histograms give rise to. */
  get report(): HistogramReport {
    return { annotations: this.plan.annotations, metricName: this.metricName, position: this.plan.position };
  }

  get floatCount(): number {
    return this.to - this.from;
  }

  get histogramCount(): number {
    return this.histogramTo - this.histogramFrom;
  }

  /** The function has no value for this window. */
  nothing(): number {
    this.kind = noPoint;
    return NaN;
  }

  /** The value for this window is a histogram. */
  give(histogram: FloatHistogram): number {
    this.kind = histogramPoint;
    this.histogram = histogram;
    return NaN;
  }

  /** Argument `index` besides the range, at this point. */
  argument(index: number): number {
    return this.plan.args[index][this.point];
  }

  /** Moves on to the window of `point`; points must not go back. */
  moveTo(point: number): void {
    const { plan } = this;
    this.point = point;
    this.timeMs = plan.startMs + point * plan.stepMs;
    this.endMs = plan.endMs + point * plan.endStepMs;
    this.startMs = this.endMs - plan.rangeMs;
    const afterMs = this.startMs - plan.beforeMs;
    const untilMs = this.endMs + plan.afterMs;
    this.from = firstAfter(this.timestampsMs, afterMs, this.from);
    this.to = firstAfter(this.timestampsMs, untilMs, Math.max(this.to, this.from));
    if (this.histogramTimesMs.length === 0) return;
    this.histogramFrom = firstAfter(this.histogramTimesMs, afterMs, this.histogramFrom);
    this.histogramTo = firstAfter(this.histogramTimesMs, untilMs, Math.max(this.histogramTo, this.histogramFrom));
  }
}

function countDecreases(values: Float64Array): Uint32Array {
  const counts = new Uint32Array(values.length);
  let count = 0;
  for (let i = 1; i < values.length; i++) {
    if (values[i] < values[i - 1]) count++;
    counts[i] = count;
  }
  return counts;
}

/** The first index from `index` on with a time after `timeMs`. */
function firstAfter(timestampsMs: Float64Array, timeMs: number, index: number): number {
  while (index < timestampsMs.length && timestampsMs[index] <= timeMs) index++;
  return index;
}

/** What becomes of the labels of a series. */
export interface ResultLabels {
  readonly labels: Labels;
  readonly dropsName: boolean;
}

/** The function's values for a series at all points; undefined if it has none. `source` are the labels of the samples. */
export function evaluateWindows(plan: WindowPlan, run: WindowFunction, source: Labels, samples: SampleColumns, { labels, dropsName }: ResultLabels): SeriesBuilder | undefined {
  const target = new SeriesBuilder(labels, plan.points, dropsName);
  const window = new Window(plan, metricNameOf(source), samples);
  let hasPoint = false;
  for (let point = 0; point < plan.points; point++) {
    window.moveTo(point);
    if (window.from === window.to && window.histogramFrom === window.histogramTo) continue;
    window.kind = floatPoint;
    const value = run(window);
    if (window.kind === noPoint) continue;
    hasPoint = true;
    if (window.kind === floatPoint) target.setFloat(point, value);
    else if (window.histogram !== undefined) target.setHistogram(point, window.histogram);
  }
  return hasPoint ? target : undefined;
}
