/**
 * Rollups: functions over the windows of series. The samples come from the Store (SelectorRollupOperator) or from an expression on a
 * finer grid (SubqueryRollupOperator); SeriesRollup computes the columns of one series after the other.
 */
import { metricNameLabel } from "../model/labels.ts";
import type { Labels } from "../model/labels.ts";
import type { RollupPushDown, SearchRequest, SeriesBatch } from "../model/store.ts";
import { RollupContext, type RollupKernel, rollupKernel, rollupKernels, type SampleColumns } from "../kernel/rollup.ts";
import { printNumber } from "../metricsql/number.ts";
import { type Column, copyValues } from "./column_pool.ts";
import { type ColumnBatch, isColumnBatch, type RollupWork } from "./column_store.ts";
import { bucketIndexOf, bucketName } from "./log_buckets.ts";
import { alignOutwards, endMsOf, type Grid, gridBetween } from "./grid.ts";
import { checkLimit } from "./limits.ts";
import { BlockingOperator, collect, type ColumnSink, type Operator } from "./operator.ts";
import type { RollupPlan, SelectorSource } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import { rollupPushDown } from "./rollup_push_down.ts";
import type { SampleWatch } from "./sample_watch.ts";
import { dropLabel, type Series, setLabel } from "./series.ts";
import { searchWindow } from "./window_search.ts";

/** Points of columns that are computed between two pauses: a few milliseconds for most functions. */
const pausePoints = 1 << 18;

/** Values of others' columns that are copied at once. */
const copiedValues = 8192;

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
  /** Told of the samples that are read. */
  readonly watch: SampleWatch | undefined;
}

/** Samples, and the address of how many each of them stands for, if that is not one. */
interface WeightedSamples extends SampleColumns {
  readonly weights?: number;
}

/** Computes the columns of one series after the other. Bounds are computed again only when the timestamps change. */
export class SeriesRollup {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #record: RollupContext;
  readonly #outputs: readonly { run: RollupKernel; argument: number; second: number; labels: (labels: Labels) => Labels }[];
  readonly #kernels: ReturnType<typeof rollupKernels>;
  readonly #intervals: number;
  readonly #sum: RollupKernel;
  /** Whether it matters how many samples one stands for. */
  readonly #weighs: boolean;
  #scratch = { samples: 0, timestamps: 0, values: 0, weights: 0, sorted: 0 };
  #boundsOf: SampleColumns | undefined;

  constructor(context: QueryContext, call: RollupCall) {
    this.#context = context;
    this.#call = call;
    this.#kernels = rollupKernels(context.kernel);
    this.#sum = rollupKernel(context.kernel, "Sum");
    this.#weighs = call.plan.outputs.length === 1 && (call.plan.outputs[0].kernel === "Avg" || call.plan.outputs[0].kernel === "Count");
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
  add(samples: WeightedSamples, labels: () => Labels, target: Series[]): void {
    if (samples.weights !== undefined && this.#weighs) {
      const values = this.#context.columns.allocate(this.#call.grid.points);
      this.compute(samples, values);
      this.#call.watch?.seeSeries(labels, samples, 1);
      target.push({ labels: this.#outputs[0].labels(labels()), values });
      return;
    }
    this.#ensureScratch(samples.count);
    const prepared = this.#prepare(samples);
    this.#record.setSamples(prepared);
    if (!this.#hasBounds(prepared)) this.#computeBounds(prepared);
    if (this.#call.plan.function.sortsWindow === true) this.#record.setScratch(this.#scratch.sorted);
    const all = labels();
    this.#call.watch?.seeSeries(() => all, samples, this.#outputs.length);
    if (this.#call.plan.function.counts !== undefined) this.#addCounts(prepared, all, target);
    for (const output of this.#outputs) {
      const values = this.#context.columns.allocate(this.#call.grid.points);
      this.#record.setArguments(output.argument, output.second);
      this.#record.setTarget(values.byteOffset);
      output.run(this.#record.pointer);
      target.push({ labels: output.labels(all), values });
    }
  }

  /** Whether a series gives exactly one, whose labels are its own but for the name. */
  get givesOneEach(): boolean {
    return this.#call.plan.function.counts === undefined && this.#outputs.length === 1 && this.#call.plan.outputs[0].label === undefined;
  }

  /** The labels of the one series that a series gives. REQUIRES: givesOneEach. */
  labelsOf(labels: Labels): Labels {
    return this.#outputs[0].labels(labels);
  }

  /** Writes the one column that the samples give to `target`. REQUIRES: givesOneEach. */
  compute(samples: WeightedSamples, target: Column): void {
    this.#ensureScratch(samples.count);
    if (samples.weights !== undefined && this.#weighs) return this.#computeWeighted(samples, target);
    const prepared = this.#prepare(samples);
    const record = this.#record;
    record.setSamples(prepared);
    if (!this.#hasBounds(prepared)) this.#computeBounds(prepared);
    if (this.#call.plan.function.sortsWindow === true) record.setScratch(this.#scratch.sorted);
    const output = this.#outputs[0];
    record.setArguments(output.argument, output.second);
    record.setTarget(target.byteOffset);
    output.run(record.pointer);
  }

  /** Count or average of samples that stand for several. */
  #computeWeighted(samples: WeightedSamples, target: Column): void {
    const [scratch, record] = [this.#scratch, this.#record];
    let { timestamps, values, count, weights = 0 } = samples;
    if ((this.#kernels.rollupScan(values, count) & 1) !== 0) {
      this.#kernels.rollupDropNaN(weights, values, count, scratch.weights, scratch.values);
      count = this.#kernels.rollupDropNaN(timestamps, values, count, scratch.timestamps, scratch.values);
      [timestamps, values, weights] = [scratch.timestamps, scratch.values, scratch.weights];
      this.#boundsOf = undefined;
    }
    const sum = (of: number, column: Column): void => {
      record.setSamples({ timestamps, values: of, count });
      if (!this.#hasBounds({ timestamps, values: of, count })) this.#computeBounds({ timestamps, values: of, count });
      record.setTarget(column.byteOffset);
      this.#sum(record.pointer);
    };
    sum(weights, target);
    if (this.#call.plan.outputs[0].kernel !== "Avg") return;
    const { columns, kernels } = this.#context;
    const sums = columns.allocate(target.length);
    sum(values, sums);
    kernels.columnDivide(sums.byteOffset, target.byteOffset, target.byteOffset, target.length, 0);
    columns.release(sums);
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
    const weights = this.#weighs ? columns.reserve(samples * 8) : 0;
    this.#scratch = { samples, timestamps: columns.reserve(samples * 8), values: columns.reserve(samples * 8), weights, sorted };
    this.#boundsOf = undefined;
  }

  /** Samples as the function wants to see them: without NaNs (whether stale markers, too, depends on it), monotone, as differences. */
  #prepare(samples: SampleColumns): SampleColumns {
    const { removesResets, input, seesStaleMarkers } = this.#call.plan.function;
    const { timestamps, values } = this.#scratch;
    let result = samples;
    const flags = this.#kernels.rollupScan(samples.values, samples.count);
    if ((flags & 1) !== 0) {
      const drop = seesStaleMarkers === true ? "rollupDropPlainNaN" : "rollupDropNaN";
      const count = this.#kernels[drop](samples.timestamps, samples.values, samples.count, timestamps, values);
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
    const maxPrevMs = this.#maxPrevIntervalMs(samples);
    this.#record.computeBounds(windowOf(this.#context, this.#call, maxPrevMs), maxPrevMs, this.#context.lookbackMs);
    this.#call.watch?.seeTimes(samples);
    // Samples in scratch are overwritten by the next series.
    this.#boundsOf = samples.timestamps === this.#scratch.timestamps ? undefined : samples;
  }

  /** How far before the window the previous sample may be: a bit more than the scrape interval, or the step for a single point. */
  #maxPrevIntervalMs(samples: SampleColumns): number {
    const { grid } = this.#call;
    if (grid.points === 1) return limitedInterval(this.#context, grid.stepMs);
    const scrapeMs = (this.#kernels.rollupScrapeIntervalMs as unknown as (...args: number[]) => number)(
      samples.timestamps, samples.count, grid.stepMs, this.#intervals,
    );
    return limitedInterval(this.#context, inflated(scrapeMs));
  }
}

function limitedInterval({ limits, lookbackMs }: QueryContext, intervalMs: number): number {
  const interval = lookbackMs > 0 ? Math.min(intervalMs, lookbackMs) : intervalMs;
  return limits.minStalenessIntervalMs > 0 ? Math.max(interval, limits.minStalenessIntervalMs) : interval;
}

/** The window as it was written; a missing one is the step, or what a previous sample may be away. */
function windowOf({ lookbackMs }: QueryContext, { grid, plan, windowMs }: RollupCall, maxPrevMs: number): number {
  if (windowMs > 0) return windowMs;
  const window = plan.function.widensWindow === true ? Math.max(grid.stepMs, maxPrevMs) : grid.stepMs;
  return plan.function.limitsWindow === true && lookbackMs > 0 ? Math.min(window, lookbackMs) : window;
}

/** What a Store is told of the rollup. Windows that are widened to the scrape interval of a series are not known before; who watches the neighbours of windows wants to see all samples. */
function pushDownOf(context: QueryContext, call: RollupCall): RollupPushDown | undefined {
  const { grid, plan, windowMs } = call;
  if (call.watch?.needsAllSamples === true || !context.store.capabilities.canRollup || (windowMs <= 0 && plan.function.widensWindow === true && grid.points > 1)) return undefined;
  return rollupPushDown(plan, grid, windowOf(context, call, limitedInterval(context, grid.stepMs)));
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

/** How much more is read before the first window. */
export function silenceMsOf(context: QueryContext): number {
  return context.limits.minStalenessIntervalMs > 0 ? context.limits.minStalenessIntervalMs : silenceMs;
}

/** Reads series from the Store, batch by batch. */
export class SelectorRollupOperator implements Operator {
  readonly #context: QueryContext;
  readonly #call: RollupCall;
  readonly #source: SelectorSource;
  /** Series after which a batch is left for a moment. */
  readonly #pauseEvery: number;
  #rollup: SeriesRollup | undefined;
  #batches: AsyncIterator<SeriesBatch | ColumnBatch> | undefined;
  #isPartial: () => boolean = () => false;

  constructor(context: QueryContext, call: RollupCall, source: SelectorSource) {
    this.#context = context;
    this.#call = call;
    this.#source = source;
    this.#pauseEvery = Math.max(1, Math.floor(pausePoints / call.grid.points));
  }

  async next(): Promise<readonly Series[] | undefined> {
    this.#rollup ??= new SeriesRollup(this.#context, this.#call);
    this.#batches ??= await this.#open(this.#rollup, false);
    await this.#context.pause();
    const { value: batch, done } = await this.#batches.next();
    if (done === true) {
      if (this.#isPartial()) this.#context.isPartial = true;
      return undefined;
    }
    return isColumnBatch(batch) ? this.#takeColumns(batch, this.#rollup) : this.#rollUp(batch, this.#rollup);
  }

  async feed(sink: ColumnSink): Promise<boolean> {
    const rollup = new SeriesRollup(this.#context, this.#call);
    if (!rollup.givesOneEach) return false;
    const batches = await this.#open(rollup, true);
    const column = this.#context.columns.allocate(this.#call.grid.points);
    for (;;) {
      await this.#context.pause();
      const { value: batch, done } = await batches.next();
      if (done === true) break;
      if (isColumnBatch(batch)) await this.#feedColumns(batch, sink);
      else await this.#feedBatch(batch, rollup, column, sink);
    }
    this.#context.columns.release(column);
    if (this.#isPartial()) this.#context.isPartial = true;
    return true;
  }

  async #feedBatch(batch: SeriesBatch, rollup: SeriesRollup, column: Column, { groups, add }: ColumnSink): Promise<void> {
    const context = this.#context;
    const samples = placeSamples(context, batch);
    rollup.invalidate();
    context.countRead(batch.seriesCount, batch.sampleFrom[batch.seriesCount]);
    const dropped = !this.#call.plan.keepsMetricName;
    const { byteOffset, length } = column;
    for (let i = 0; i < batch.seriesCount; i++) {
      if (i % this.#pauseEvery === this.#pauseEvery - 1) await context.pause();
      const place = placeOf(samples, batch.sampleFrom, i);
      rollup.compute(place, column);
      this.#call.watch?.seeSeries(() => batch.labels(i), place, 1);
      if (context.kernels.columnIsEmpty(byteOffset, length) === 1) continue;
      const group = groups.groupOfSeries(batch, i, dropped);
      if (group >= 0) add(group, byteOffset);
    }
    samples.release();
  }

  /** Columns that another thread has computed. */
  async #feedColumns(batch: ColumnBatch, { groups, add }: ColumnSink): Promise<void> {
    this.#countColumns(batch);
    const { points } = this.#call.grid;
    const dropped = !this.#call.plan.keepsMetricName;
    // Many at once: a copy of a short column takes longer than its values.
    const some = Math.max(1, Math.floor(copiedValues / points));
    const copies = this.#context.columns.allocate(some * points);
    for (let from = 0; from < batch.columnCount; from += some) {
      await this.#context.pause();
      const to = Math.min(from + some, batch.columnCount);
      copies.set(batch.columns.subarray(from * points, to * points));
      for (let i = from; i < to; i++) {
        const group = groups.groupOfSeries(batch.names, i, dropped);
        if (group >= 0) add(group, copies.byteOffset + (i - from) * points * 8);
      }
    }
    this.#context.columns.release(copies);
  }

  #countColumns({ seriesRead, samplesRead, seen }: ColumnBatch): void {
    this.#context.countRead(seriesRead, samplesRead);
    if (seen !== undefined) this.#call.watch?.addSeen(seen);
  }

  async #takeColumns(batch: ColumnBatch, rollup: SeriesRollup): Promise<Series[]> {
    this.#countColumns(batch);
    const { points } = this.#call.grid;
    const target: Series[] = [];
    for (let i = 0; i < batch.columnCount; i++) {
      if (i % this.#pauseEvery === this.#pauseEvery - 1) await this.#context.pause();
      const values = this.#context.columns.allocate(points);
      copyValues(batch.columns, i * points, values);
      target.push({ labels: rollup.labelsOf(batch.names.labels(i)), values });
    }
    return target;
  }

  async #open(seriesRollup: SeriesRollup, skipsEmpty: boolean): Promise<AsyncIterator<SeriesBatch | ColumnBatch>> {
    const context = this.#context;
    const { grid, windowMs, plan } = this.#call;
    const beforeMs = Math.max(windowMs, grid.stepMs) + (plan.function.usesPrevious === true ? silenceMsOf(context) : 0);
    const rollup = pushDownOf(context, this.#call);
    const range = { minMs: grid.startMs - beforeMs, maxMs: endMsOf(grid) };
    this.#call.watch?.reads(range);
    const request: SearchRequest = {
      tenant: context.tenant,
      selector: this.#source.selector,
      range,
      budget: { seriesMax: context.limits.seriesMax, samplesMax: context.limits.samplesMax },
      ...(rollup === undefined ? {} : { rollup }),
      viewsHistograms: true,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    };
    const { store } = context;
    const kept = await searchWindow(context, this.#call, request);
    const result = kept ?? (store.searchColumns !== undefined && seriesRollup.givesOneEach ? await store.searchColumns(request, this.#work(skipsEmpty)) : await store.search(request));
    this.#isPartial = () => result.isPartial();
    const batches = result.batches[Symbol.asyncIterator]();
    // A query that fails half-way does not take the remaining batches; the Store has to know.
    context.closeAtEnd(async () => batches.return?.());
    return batches;
  }

  /** What another thread has to know to compute columns. REQUIRES: a series gives one. */
  #work(skipsEmpty: boolean): RollupWork {
    const { limits, lookbackMs } = this.#context;
    const { plan, grid, windowMs, args, outputArgs, watch } = this.#call;
    return {
      function: plan.function, kernel: plan.outputs[0].kernel, grid, windowMs, args: args.map((column) => column.slice()), outputArg: outputArgs[0]?.slice(),
      limits, lookbackMs, watch: watch?.options, skipsEmpty,
    };
  }

  async #rollUp(batch: SeriesBatch, rollup: SeriesRollup): Promise<Series[]> {
    const samples = placeSamples(this.#context, batch);
    rollup.invalidate();
    this.#context.countRead(batch.seriesCount, batch.sampleFrom[batch.seriesCount]);
    const target: Series[] = [];
    for (let i = 0; i < batch.seriesCount; i++) {
      // A Store may find series by the day; one without samples where it is looked for is not there.
      if (batch.sampleFrom[i + 1] === batch.sampleFrom[i]) continue;
      if (i % this.#pauseEvery === this.#pauseEvery - 1) await this.#context.pause();
      rollup.add(placeOf(samples, batch.sampleFrom, i), () => batch.labels(i), target);
    }
    samples.release();
    return target;
  }
}

/** Where the samples of a batch are in the kernel's memory. */
interface PlacedSamples {
  readonly timestamps: number;
  readonly values: number;
  /** undefined if each sample stands for itself. */
  readonly weights: number | undefined;
  release(): void;
}

/** In place if the Store decoded the samples there, else copied. */
export function placeSamples(context: QueryContext, { timestampsMs, values, weights, sampleFrom, seriesCount }: SeriesBatch): PlacedSamples {
  const { buffer } = context.kernel.memory;
  if (timestampsMs.buffer === buffer && values.buffer === buffer && (weights === undefined || weights.buffer === buffer)) {
    return { timestamps: timestampsMs.byteOffset, values: values.byteOffset, weights: weights?.byteOffset, release: () => undefined };
  }
  const count = sampleFrom[seriesCount];
  // Sizes in powers of two, so that batches share columns.
  const size = 2 ** Math.ceil(Math.log2(Math.max(count, 1024)));
  const copies = [timestampsMs, values, ...(weights === undefined ? [] : [weights])].map((source) => {
    const column = context.columns.allocate(size);
    column.set(source.subarray(0, count));
    return column;
  });
  const release = (): void => copies.forEach((column) => context.columns.release(column));
  return { timestamps: copies[0].byteOffset, values: copies[1].byteOffset, weights: copies.at(2)?.byteOffset, release };
}

/** The samples of series i. */
export function placeOf({ timestamps, values, weights }: PlacedSamples, sampleFrom: Uint32Array, i: number): WeightedSamples {
  const from = sampleFrom[i];
  const place = { timestamps: timestamps + from * 8, values: values + from * 8, count: sampleFrom[i + 1] - from };
  return weights === undefined ? place : { ...place, weights: weights + from * 8 };
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
    const { columns } = this.#context;
    const rollup = new SeriesRollup(this.#context, this.#call);
    const times = columns.allocate(this.#innerGrid.points);
    for (let i = 0; i < times.length; i++) times[i] = this.#innerGrid.startMs + i * this.#innerGrid.stepMs;
    const target: Series[] = [];
    const kernels = rollupKernels(this.#context.kernel);
    const [someTimes, someValues] = [columns.allocate(times.length), columns.allocate(times.length)];
    for (const { labels, values } of await collect(this.#inner)) {
      await this.#context.pause();
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
