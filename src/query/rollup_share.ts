/** RollupShare: a thread's share of a rollup of another thread's query. It rolls up series that it reads itself, and keeps nothing but their columns. */
import { assert } from "../base/assert.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { SeriesBatch } from "../model/store.ts";
import { type Column, copyColumn } from "./column_pool.ts";
import type { RollupWork } from "./column_store.ts";
import type { RollupPlan } from "./plan.ts";
import { QueryContext } from "./query_context.ts";
import { placeOf, placeSamples, type RollupCall, SeriesRollup } from "./rollup_operator.ts";
import { SampleWatch, type SeenSamples } from "./sample_watch.ts";
import type { SearchedStore } from "./traced_store.ts";

/** What came of some series. Plain data. */
export interface ShareColumns {
  readonly columnCount: number;
  /** Column i is of the series with the labels labelIds[labelFrom[i] .. labelFrom[i + 1]). */
  readonly labelFrom: Uint32Array<ArrayBuffer>;
  readonly labelIds: Uint32Array<ArrayBuffer>;
  readonly seriesRead: number;
  readonly samplesRead: number;
  readonly seen: SeenSamples | undefined;
}

/** Computes in the memory of this thread's kernel, which is as before when the share is disposed of. */
export class RollupShare implements Disposable {
  readonly #context: QueryContext;
  readonly #skipsEmpty: boolean;
  readonly #watch: SampleWatch | undefined;
  readonly #rollup: SeriesRollup;
  readonly #column: Column;
  readonly #mark: number;

  /** `store` is where the series come from. */
  constructor(kernel: Kernel, store: SearchedStore, work: RollupWork) {
    this.#mark = kernel.mark();
    const { limits, lookbackMs } = work;
    const context = new QueryContext({ kernel, store, tenant: defaultTenant, limits, lookbackMs, nowMs: 0, signal: undefined });
    this.#context = context;
    this.#skipsEmpty = work.skipsEmpty;
    this.#watch = work.watch === undefined ? undefined : new SampleWatch(kernel, work.watch, (size) => context.columns.reserve(size));
    this.#rollup = new SeriesRollup(context, callOf(context, work, this.#watch));
    this.#column = context.columns.allocate(work.grid.points);
  }

  /** Rolls up some series; writes their columns to `target`, one after the other, which has room for all of them. */
  async rollUp(batches: AsyncIterable<SeriesBatch>, target: Float64Array): Promise<ShareColumns> {
    const labels = new LabelLists();
    let seriesRead = 0;
    let samplesRead = 0;
    for await (const batch of batches) {
      seriesRead += batch.seriesCount;
      samplesRead += batch.sampleFrom[batch.seriesCount];
      this.#rollUpBatch(batch, target, labels);
    }
    return { ...labels.take(), seriesRead, samplesRead, seen: this.#watch?.takeSeen() };
  }

  #rollUpBatch(batch: SeriesBatch, target: Float64Array, labels: LabelLists): void {
    const { kernels } = this.#context;
    const samples = placeSamples(this.#context, batch);
    const { byteOffset, length } = this.#column;
    this.#rollup.invalidate();
    for (let i = 0; i < batch.seriesCount; i++) {
      const place = placeOf(samples, batch.sampleFrom, i);
      if (place.count === 0 && !this.#skipsEmpty) continue;
      this.#rollup.compute(place, this.#column);
      this.#watch?.seeSeries(() => batch.labels(i), place, 1);
      if (this.#skipsEmpty && kernels.columnIsEmpty(byteOffset, length) === 1) continue;
      copyColumn(this.#column, target, labels.count * length);
      labels.add(batch, i);
    }
    samples.release();
  }

  [Symbol.dispose](): void {
    const { kernel } = this.#context;
    if (kernel.mark() > this.#mark) kernel.reset(this.#mark);
  }
}

function callOf(context: QueryContext, work: RollupWork, watch: SampleWatch | undefined): RollupCall {
  const placed = (values: Float64Array): Column => {
    const column = context.columns.allocate(values.length);
    column.set(values);
    return column;
  };
  const plan: RollupPlan = {
    kind: "rollup", name: "", function: work.function, outputs: [{ kernel: work.kernel, label: undefined, argument: undefined }], args: [],
    source: { kind: "selector", selector: [], equalLabels: [] }, window: undefined, offset: undefined, at: undefined, keepsMetricName: true, countLabel: "",
  };
  const { grid, windowMs, args, outputArg } = work;
  return { plan, grid, windowMs, args: args.map(placed), outputArgs: [outputArg === undefined ? undefined : placed(outputArg)], watch };
}

/** Numbers of labels, series by series. */
class LabelLists {
  count = 0;
  #from = new Uint32Array(1024);
  #ids = new Uint32Array(8192);
  readonly #some: number[] = [];

  add(batch: SeriesBatch, index: number): void {
    assert(batch.labelIds !== undefined, "series whose labels have numbers are shared");
    const from = this.#from[this.count];
    const size = batch.labelIds(index, this.#some);
    if (from + size > this.#ids.length) this.#ids = grown(this.#ids, (from + size) * 2);
    if (this.count + 2 > this.#from.length) this.#from = grown(this.#from, this.#from.length * 2);
    for (let i = 0; i < size; i++) this.#ids[from + i] = this.#some[i];
    this.#from[++this.count] = from + size;
  }

  take(): Pick<ShareColumns, "columnCount" | "labelFrom" | "labelIds"> {
    return { columnCount: this.count, labelFrom: this.#from.slice(0, this.count + 1), labelIds: this.#ids.slice(0, this.#from[this.count]) };
  }
}

function grown(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length);
  larger.set(array);
  return larger;
}
