/**
 * Rollups: functions over the windows of series. The samples come from the Store (SelectorRollupOperator) or from an expression on a
 * finer grid (SubqueryRollupOperator); SeriesRollup computes the columns of one series after the other.
 */
import { metricNameLabel } from "../model/labels.ts";
import type { Labels } from "../model/labels.ts";
import type { SeriesBatch } from "../model/store.ts";
import { RollupContext, type RollupKernel, rollupKernel, rollupKernels, type SampleColumns } from "../kernel/rollup.ts";
import { printNumber } from "../metricsql/number.ts";
import type { Column } from "./column_pool.ts";
import { bucketIndexOf, bucketName } from "./log_buckets.ts";
import { alignOutwards, endMsOf, type Grid, gridBetween } from "./grid.ts";
import { checkLimit } from "./limits.ts";
import { BlockingOperator, collect, type Operator } from "./operator.ts";
import type { RollupPlan, SelectorSource } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import { dropLabel, type Series, setLabel } from "./series.ts";

/** How far before the window a sample may be that still counts as the one before it, when no limit is set. */
const silenceMs = 300_000;

/** A rollup ready to run: window and arguments are known. */
export interface RollupCall {
  readonly plan: RollupPlan;
  readonly grid: Grid;
  /** 0: no window was written. */
  readonly windowMs: number;
  /** Arguments of all outputs. */
  readonly args: readonly Column[];
  /** First argument of single outputs. */
  readonly outputArgs: readonly (Column | undefined)[];
}

/** Computes the columns of one series after the other. Bounds are computed again only when the timestamps change. */
class SeriesRollup {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #record: RollupContext;
  readonly #outputs: readonly { run: RollupKernel; argument: number; second: number; labels: (labels: Labels) => Labels }[];
  readonly #kernels: ReturnType<typeof rollupKernels>;
  readonly #intervals: number;
  #scratch = { samples: 0, timestamps: 0, values: 0, sorted: 0 };
  #boundsOf: SampleColumns | undefined;

  constructor(context: QueryContext, call: RollupCall) {
    this.#context = context;
    this.#call = call;
    this.#kernels = rollupKernels(context.kernel);
    this.#record = new RollupContext(context.kernel, call.grid.points, call.grid.startMs, call.grid.stepMs);
    this.#intervals = context.columns.reserve(20 * 8);
    const { plan } = call;
    const keepsName = plan.keepsMetricName;
    this.#outputs = plan.outputs.map(({ kernel, label }, i) => ({
      run: rollupKernel(context.kernel, kernel),
      argument: (call.outputArgs[i] ?? call.args[0])?.byteOffset ?? 0,
      second: call.args[1]?.byteOffset ?? 0,
      labels: (labels) => {
        const named = keepsName ? labels : dropLabel(labels, metricNameLabel);
        return label === undefined ? named : setLabel(named, label.name, label.value);
      },
    }));
  }

  /** Forgets what it knows of the samples' memory; to be called when that is used for something else. */
  invalidate(): void {
    this.#boundsOf = undefined;
  }

  /** Appends the series that the samples give to `target`; `labels` is called only once. */
  add(samples: SampleColumns, labels: () => Labels, target: Series[]): void {
    this.#ensureScratch(samples.count);
    const prepared = this.#prepare(samples);
    this.#record.setSamples(prepared);
    if (!this.#hasBounds(prepared)) this.#computeBounds(prepared);
    if (this.#call.plan.function.sortsWindow === true) this.#record.setScratch(this.#scratch.sorted);
    const all = labels();
    if (this.#call.plan.function.counts !== undefined) this.#addCounts(prepared, all, target);
    for (const output of this.#outputs) {
      const values = this.#context.columns.allocate(this.#call.grid.points);
      this.#record.setArguments(output.argument, output.second);
      this.#record.setTarget(values.byteOffset);
      output.run(this.#record.pointer);
      target.push({ labels: output.labels(all), values });
    }
  }

  /** One series per distinct value or bucket, with the number of samples of each window that have it. */
  #addCounts(samples: SampleColumns, labels: Labels, target: Series[]): void {
    const context = this.#context;
    const { plan, grid } = this.#call;
    const values = context.kernel.f64.slice(samples.values / 8, samples.values / 8 + samples.count);
    const isBuckets = plan.function.counts === "buckets";
    const numbers = isBuckets ? values.map((v) => bucketIndexOf(v) ?? NaN) : values;
    const named = plan.keepsMetricName ? labels : dropLabel(labels, metricNameLabel);
    const { aggregateSeriesMax } = context.limits;
    const columns = new Map<number, Column>();
    for (let point = 0; point < grid.points; point++) {
      const { from, to } = this.#record.bounds(point);
      for (let i = from; i < to; i++) {
        const number = numbers[i];
        if (Number.isNaN(number)) continue;
        let counts = columns.get(number);
        if (counts === undefined) {
          checkLimit("too_many_aggregates", `series made by ${plan.name}()`, target.length + 1, aggregateSeriesMax, "search.maxSeriesPerAggrFunc");
          counts = context.filled(grid, NaN);
          columns.set(number, counts);
          target.push({ labels: setLabel(named, plan.countLabel, isBuckets ? bucketName(number) : printNumber(number)), values: counts });
        }
        counts[point] = Number.isNaN(counts[point]) ? 1 : counts[point] + 1;
      }
    }
  }

  #ensureScratch(count: number): void {
    if (count <= this.#scratch.samples) return;
    const samples = Math.ceil(count * 1.5);
    const { columns } = this.#context;
    const sorted = this.#call.plan.function.sortsWindow === true ? columns.reserve(samples * 16) : 0;
    this.#scratch = { samples, timestamps: columns.reserve(samples * 8), values: columns.reserve(samples * 8), sorted };
    this.#boundsOf = undefined;
  }

  /** Samples as the function wants to see them: without stale markers, monotone, as differences. */
  #prepare(samples: SampleColumns): SampleColumns {
    const { removesResets, input, seesStaleMarkers } = this.#call.plan.function;
    const { timestamps, values } = this.#scratch;
    let result = samples;
    const flags = this.#kernels.rollupScan(samples.values, samples.count);
    if ((flags & 1) !== 0 && seesStaleMarkers !== true) {
      const count = this.#kernels.rollupDropNaN(samples.timestamps, samples.values, samples.count, timestamps, values);
      result = { timestamps, values, count };
      this.#boundsOf = undefined;
    }
    if (removesResets === true && (flags & 3) !== 0) {
      this.#kernels.rollupRemoveResets(result.timestamps, result.values, result.count, values, this.#resetGapMs());
      result = { ...result, values };
    }
    if (input === "deltas") this.#kernels.rollupDeltas(result.values, result.count, values);
    if (input === "slopes") this.#kernels.rollupSlopes(result.timestamps, result.values, result.count, values);
    if (input === "intervals") this.#kernels.rollupIntervals(result.timestamps, result.count, values);
    return input === undefined ? result : { ...result, values };
  }

  /** Gaps after which the correction of resets starts afresh; 0 for never. */
  #resetGapMs(): number {
    const { lookbackMs } = this.#context;
    return lookbackMs === 0 ? 0 : lookbackMs + this.#call.windowMs;
  }

  /** Whether the bounds of the series before hold for these timestamps too. */
  #hasBounds(samples: SampleColumns): boolean {
    const known = this.#boundsOf;
    if (known === undefined || known.count !== samples.count) return false;
    return known.timestamps === samples.timestamps || this.#kernels.bytesEqual(known.timestamps, samples.timestamps, samples.count * 8) !== 0;
  }

  #computeBounds(samples: SampleColumns): void {
    const { grid, plan, windowMs } = this.#call;
    const { lookbackMs } = this.#context;
    const maxPrevMs = this.#maxPrevIntervalMs(samples);
    let window = windowMs;
    if (window <= 0) {
      window = grid.stepMs;
      if (plan.function.widensWindow === true) window = Math.max(window, maxPrevMs);
      if (plan.function.limitsWindow === true && lookbackMs > 0) window = Math.min(window, lookbackMs);
    }
    this.#record.computeBounds(window, maxPrevMs, lookbackMs);
    // Samples in scratch are overwritten by the next series.
    this.#boundsOf = samples.timestamps === this.#scratch.timestamps ? undefined : samples;
  }

  /** How far before the window the previous sample may be: a bit more than the scrape interval, or the step for a single point. */
  #maxPrevIntervalMs(samples: SampleColumns): number {
    const { grid } = this.#call;
    const { limits, lookbackMs } = this.#context;
    let intervalMs = grid.stepMs;
    if (grid.points > 1) {
      const scrapeMs = (this.#kernels.rollupScrapeIntervalMs as unknown as (...args: number[]) => number)(
        samples.timestamps, samples.count, grid.stepMs, this.#intervals,
      );
      intervalMs = inflated(scrapeMs);
    }
    if (lookbackMs > 0) intervalMs = Math.min(intervalMs, lookbackMs);
    return limits.minStalenessIntervalMs > 0 ? Math.max(intervalMs, limits.minStalenessIntervalMs) : intervalMs;
  }
}

/** The scrape interval with room for jitter, more for short ones. */
function inflated(scrapeMs: number): number {
  if (scrapeMs <= 2000) return scrapeMs * 5;
  if (scrapeMs <= 4000) return scrapeMs * 3;
  if (scrapeMs <= 8000) return scrapeMs * 2;
  if (scrapeMs <= 16_000) return scrapeMs + Math.trunc(scrapeMs / 2);
  if (scrapeMs <= 32_000) return scrapeMs + Math.trunc(scrapeMs / 4);
  return scrapeMs + Math.trunc(scrapeMs / 8);
}

function silenceMsOf(context: QueryContext): number {
  return context.limits.minStalenessIntervalMs > 0 ? context.limits.minStalenessIntervalMs : silenceMs;
}

/** Reads series from the Store, batch by batch. */
export class SelectorRollupOperator implements Operator {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #source: SelectorSource;
  #rollup: SeriesRollup | undefined;
  #batches: AsyncIterator<SeriesBatch> | undefined;
  #isPartial: () => boolean = () => false;

  constructor(context: QueryContext, call: RollupCall, source: SelectorSource) {
    this.#context = context;
    this.#call = call;
    this.#source = source;
  }

  async next(): Promise<readonly Series[] | undefined> {
    this.#rollup ??= new SeriesRollup(this.#context, this.#call);
    this.#batches ??= await this.#open();
    const { value: batch, done } = await this.#batches.next();
    if (done === true) {
      if (this.#isPartial()) this.#context.isPartial = true;
      return undefined;
    }
    return this.#rollUp(batch, this.#rollup);
  }

  async #open(): Promise<AsyncIterator<SeriesBatch>> {
    const context = this.#context;
    const { grid, windowMs, plan } = this.#call;
    const beforeMs = Math.max(windowMs, grid.stepMs) + (plan.function.usesPrevious === true ? silenceMsOf(context) : 0);
    const result = await context.store.search({
      tenant: context.tenant,
      selector: this.#source.selector,
      range: { minMs: grid.startMs - beforeMs, maxMs: endMsOf(grid) },
      budget: { seriesMax: context.limits.seriesMax, samplesMax: context.limits.samplesMax },
      viewsHistograms: true,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    });
    this.#isPartial = () => result.isPartial();
    const batches = result.batches[Symbol.asyncIterator]();
    // A query that fails half-way does not take the remaining batches; the Store has to know.
    context.closeAtEnd(async () => batches.return?.());
    return batches;
  }

  #rollUp(batch: SeriesBatch, rollup: SeriesRollup): Series[] {
    const samples = placeSamples(this.#context, batch);
    rollup.invalidate();
    this.#context.countRead(batch.seriesCount, batch.sampleFrom[batch.seriesCount]);
    const target: Series[] = [];
    for (let i = 0; i < batch.seriesCount; i++) {
      const from = batch.sampleFrom[i];
      if (batch.sampleFrom[i + 1] === from) continue;
      const place = { timestamps: samples.timestamps + from * 8, values: samples.values + from * 8, count: batch.sampleFrom[i + 1] - from };
      rollup.add(place, () => batch.labels(i), target);
    }
    samples.release();
    return target;
  }
}

/** Where the samples of a batch are in the kernel's memory: in place if the Store decoded them there, else copied. */
function placeSamples(context: QueryContext, batch: SeriesBatch): { timestamps: number; values: number; release(): void } {
  const { buffer } = context.kernel.memory;
  if (batch.timestampsMs.buffer === buffer && batch.values.buffer === buffer) {
    return { timestamps: batch.timestampsMs.byteOffset, values: batch.values.byteOffset, release: () => undefined };
  }
  const count = batch.sampleFrom[batch.seriesCount];
  // Sizes in powers of two, so that batches share columns.
  const size = 2 ** Math.ceil(Math.log2(Math.max(count, 1024)));
  const timestamps = context.columns.allocate(size);
  const values = context.columns.allocate(size);
  timestamps.set(batch.timestampsMs.subarray(0, count));
  values.set(batch.values.subarray(0, count));
  return {
    timestamps: timestamps.byteOffset,
    values: values.byteOffset,
    release: () => {
      context.columns.release(timestamps);
      context.columns.release(values);
    },
  };
}

/** The grid that a subquery is evaluated on. */
export function subqueryGrid(context: QueryContext, grid: Grid, windowMs: number, stepMs: number): Grid {
  const before = windowMs + stepMs + silenceMsOf(context);
  const { startMs, endMs } = alignOutwards(grid.startMs - before, endMsOf(grid) + stepMs, stepMs);
  const inner = gridBetween(startMs, endMs, stepMs);
  checkLimit("too_many_points", "points per series of a subquery", inner.points, context.limits.subqueryPointsMax, "search.maxPointsSubqueryPerTimeseries");
  return inner;
}

/** Takes the points of an expression on a finer grid for samples. */
export class SubqueryRollupOperator extends BlockingOperator {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #inner: Operator;
  readonly #innerGrid: Grid;

  constructor(context: QueryContext, call: RollupCall, inner: Operator, innerGrid: Grid) {
    super();
    this.#context = context;
    this.#call = call;
    this.#inner = inner;
    this.#innerGrid = innerGrid;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { columns, signal } = this.#context;
    const rollup = new SeriesRollup(this.#context, this.#call);
    const times = columns.allocate(this.#innerGrid.points);
    for (let i = 0; i < times.length; i++) times[i] = this.#innerGrid.startMs + i * this.#innerGrid.stepMs;
    const target: Series[] = [];
    const kernels = rollupKernels(this.#context.kernel);
    const [someTimes, someValues] = [columns.allocate(times.length), columns.allocate(times.length)];
    for (const { labels, values } of await collect(this.#inner)) {
      signal?.throwIfAborted();
      const hasGaps = (kernels.rollupScan(values.byteOffset, values.length) & 1) !== 0;
      let samples: SampleColumns = { timestamps: times.byteOffset, values: values.byteOffset, count: values.length };
      if (hasGaps) {
        const count = kernels.rollupDropNaN(times.byteOffset, values.byteOffset, values.length, someTimes.byteOffset, someValues.byteOffset);
        samples = { timestamps: someTimes.byteOffset, values: someValues.byteOffset, count };
        rollup.invalidate();
      }
      rollup.add(samples, () => labels, target);
      if (hasGaps) rollup.invalidate();
      columns.release(values);
    }
    return target;
  }
}
