/**
 * SampleWatch: what an evaluation has seen of the samples around its windows, as far as it decides whether its points may be joined with those
 * of another evaluation.
 *
 * Functions such as rate() and increase() take the last sample before the window into account, and give 0 for an empty window if the series goes
 * on. Both are the same in every evaluation as long as a series has no long gap: what is read begins 5 minutes before the first window, and
 * points are kept only up to 5 minutes before the end. Where a series has a gap, begins or ends, one evaluation may know of a sample that another
 * does not. Those few series are remembered: gaps by their times, ends and beginnings by the labels of the series.
 *
 * How far a value reaches is estimated from the last 20 intervals of a series. Of one that has ended, an evaluation that begins shortly before its end
 * sees fewer: where those do not agree any more, or none is left, it estimates something else. These beginnings are remembered as well.
 */
import type { Kernel } from "../kernel/kernel.ts";
import type { SampleColumns } from "../kernel/rollup.ts";
import { type SampleGapKernels, sampleGapKernels, sampleGapsScratchBytes } from "../kernel/sample_gaps.ts";
import type { Labels } from "../model/labels.ts";
import type { TimeRange } from "../model/store.ts";
import { labelsKey } from "./series.ts";

/** With more than this, results are not joined. */
export const notedMax = 4096;
const gapsPerSeriesMax = 64;
/** Of the time that is read before the first window: a longer gap may hide a sample. */
const gapShare = 0.8;

/** Two times; of a gap in some series the last sample before and the first one after. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface SampleWatchOptions {
  /** How much more is read before the first window; 0 if samples outside of windows do not matter. */
  readonly silenceMs: number;
  /** Only points up to here are to be kept. */
  readonly finalMs: number;
  readonly keepsSpans: boolean;
}

/** What a watch has seen. Plain data. */
export interface SeenSamples {
  readonly started: readonly string[];
  readonly ended: readonly string[];
  readonly gaps: readonly TimeSpan[];
  readonly unsettled: readonly TimeSpan[];
  readonly spans: readonly TimeSpan[];
  readonly noted: number;
}

export class SampleWatch {
  /** Series whose first sample may not be the first there is. */
  readonly started = new Set<string>();
  /** Series whose last sample may not be the last one. */
  readonly ended = new Set<string>();
  readonly gaps: TimeSpan[] = [];
  /** Reading that begins after `fromMs` and not after `toMs` sees too little of a series that has ended there. */
  readonly unsettled: TimeSpan[] = [];
  /** Times of the first and the last sample of each series of the result; empty unless asked for. */
  readonly spans: TimeSpan[] = [];
  readonly options: SampleWatchOptions;
  readonly #keepsSpans: boolean;
  readonly #kernel: Kernel;
  readonly #kernels: SampleGapKernels;
  readonly #silenceMs: number;
  readonly #finalMs: number;
  /** 0: neighbours do not matter. */
  readonly #scratch: number;
  #range: TimeRange = { minMs: Infinity, maxMs: -Infinity };
  #noted = 0;
  #startsLate = false;
  #endsEarly = false;

  constructor(kernel: Kernel, options: SampleWatchOptions, reserve: (size: number) => number) {
    const { silenceMs, finalMs, keepsSpans } = options;
    this.options = options;
    this.#keepsSpans = keepsSpans;
    this.#kernel = kernel;
    this.#kernels = sampleGapKernels(kernel);
    this.#silenceMs = silenceMs;
    this.#finalMs = finalMs;
    this.#scratch = silenceMs > 0 ? reserve(sampleGapsScratchBytes(gapsPerSeriesMax)) : 0;
  }

  /** What was read. */
  get range(): TimeRange {
    return this.#range;
  }

  /** Whether gaps between samples matter, so that a Store must not put samples together. */
  get needsAllSamples(): boolean {
    return this.#silenceMs > 0;
  }

  /** Whether there is so much to remember that it is not worth it. */
  get isTooMuch(): boolean {
    return this.#noted > notedMax;
  }

  /** What was seen since the last call, for the watch of another thread. */
  takeSeen(): SeenSamples {
    const seen = { started: [...this.started], ended: [...this.ended], gaps: this.gaps.splice(0), unsettled: this.unsettled.splice(0), spans: this.spans.splice(0), noted: this.#noted };
    this.started.clear();
    this.ended.clear();
    this.#noted = 0;
    return seen;
  }

  /** Adds what another watch has seen of the next series. */
  addSeen({ started, ended, gaps, unsettled, spans, noted }: SeenSamples): void {
    for (const key of started) this.started.add(key);
    for (const key of ended) this.ended.add(key);
    this.gaps.push(...gaps);
    this.unsettled.push(...unsettled);
    for (const span of spans) this.spans.push(span);
    this.#noted += noted;
  }

  reads({ minMs, maxMs }: TimeRange): void {
    this.#range = { minMs: Math.min(minMs, this.#range.minMs), maxMs: Math.max(maxMs, this.#range.maxMs) };
  }

  /** The times of the samples of the next series. */
  seeTimes({ timestamps, count }: SampleColumns): void {
    if (this.#silenceMs === 0) return;
    const { f64 } = this.#kernel;
    // A series without samples here is one that was found by the day: for this evaluation it is not there.
    this.#startsLate = count > 0 && f64[timestamps / 8] > this.#range.minMs + this.#silenceMs;
    this.#endsEarly = count > 0 && f64[timestamps / 8 + count - 1] < this.#range.maxMs - this.#silenceMs;
    const gapMs = this.#silenceMs * gapShare;
    // How far a value reaches is estimated from the last intervals, by each evaluation: kept points have to agree with what a later one estimates.
    const isFinal = count > 0 && f64[timestamps / 8] <= this.#finalMs;
    if (isFinal && this.#kernels.sampleIntervalIsSettled(timestamps, count, gapMs, this.#scratch) === 0) this.#noted = Infinity;
    if (this.#endsEarly && !this.isTooMuch) this.#noteUnsettled(timestamps, count, gapMs);
    const found = this.#kernels.sampleGaps(timestamps, count, gapMs, this.#scratch, gapsPerSeriesMax);
    if (found > gapsPerSeriesMax) this.#noted = Infinity;
    for (let i = 0; i < Math.min(found, gapsPerSeriesMax) && !this.isTooMuch; i++) {
      this.gaps.push({ fromMs: f64[this.#scratch / 8 + i * 2], toMs: f64[this.#scratch / 8 + i * 2 + 1] });
      this.#noted++;
    }
  }

  /** Notes from where on the last intervals of a series that has ended no longer agree. */
  #noteUnsettled(timestamps: number, count: number, gapMs: number): void {
    const { f64 } = this.#kernel;
    const first = timestamps / 8;
    const last = first + count - 1;
    let intervals = Math.min(20, count - 1);
    while (intervals > 0 && this.#kernels.sampleIntervalIsSettled((last - intervals) * 8, intervals + 1, gapMs, this.#scratch) === 1) intervals--;
    this.unsettled.push({ fromMs: f64[Math.max(first, last - intervals - 1)], toMs: f64[last] });
    this.#noted++;
  }

  /** A series that has the times seen last: its labels, all its samples with stale markers, and how many series of the result it makes. */
  seeSeries(labels: () => Labels, { timestamps, count }: SampleColumns, resultCount: number): void {
    if (this.#keepsSpans) {
      const { f64 } = this.#kernel;
      const span = count === 0 ? { fromMs: Infinity, toMs: -Infinity } : { fromMs: f64[timestamps / 8], toMs: f64[timestamps / 8 + count - 1] };
      for (let i = 0; i < resultCount; i++) this.spans.push(span);
    }
    if ((!this.#startsLate && !this.#endsEarly) || this.isTooMuch) return;
    const key = labelsKey(labels());
    if (this.#startsLate) this.started.add(key);
    if (this.#endsEarly) this.ended.add(key);
    this.#noted++;
  }
}
