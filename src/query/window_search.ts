/**
 * The search of a long window of an instant query: samples that are final come thinned from a KeptWindow (kept_window.ts), the others from the Store.
 *
 *   the first query      is evaluated as it is
 *   the second query     reads all samples of the window, and keeps them thinned
 *   further ones         read what is not kept; now and then a slice has become final, or is cut by the beginning of the window: then it is kept anew
 *
 * The rollup sees samples of all series that a full search finds, in its order, and gives the same. Where that cannot be (see window_thinning.ts), the
 * search fails with a WindowMisfitError, and the query has to be evaluated again without what is kept.
 */
import { assert } from "../base/assert.ts";
import { durationMs } from "../metricsql/duration.ts";
import type { LabelSpace, SearchRequest, SearchResult, SeriesBatch } from "../model/store.ts";
import type { Column } from "./column_pool.ts";
import { endMsOf, type Grid } from "./grid.ts";
import { type KeptWindow, sliceMsOf, sliceOf, type SliceSpan, WindowBuilder } from "./kept_window.ts";
import type { RollupPlan } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import type { SeriesKey } from "./row_labels.ts";
import { labelsKey } from "./series.ts";
import { printSelector } from "./selector_text.ts";
import { WindowMisfitError, type WindowPlace } from "./window_place.ts";
import { isExact, thin, type Thinning, thinningOf } from "./window_thinning.ts";

export interface WindowCall {
  readonly plan: RollupPlan;
  readonly grid: Grid;
  readonly windowMs: number;
}

/** Shorter windows have nothing to gain. */
const windowMsFloor = 600_000;

/** Searches for a window; undefined, before anything was read, if it is one to be evaluated as it is. */
export async function searchWindow(context: QueryContext, call: WindowCall, request: SearchRequest): Promise<SearchResult | undefined> {
  const place = context.windowPlace;
  const { plan, grid, windowMs } = call;
  if (place === undefined || grid.points !== 1 || plan.at !== undefined || context.lookbackMs > 0) return undefined;
  if (windowMs < Math.max(place.cache.windowMinMs, windowMsFloor) || windowMs < grid.stepMs) return undefined;
  const thinning = thinningOf(plan);
  if (thinning === undefined) return undefined;
  const offsetMs = plan.offset === undefined ? 0 : durationMs(plan.offset, grid.stepMs);
  const key = `window ${place.keyPrefix}${thinning} ${windowMs} ${offsetMs} ${printSelector(request.selector)}`;
  return openWindow({ context, place, request, thinning, key, windowMs, endMs: endMsOf(grid) });
}

interface WindowOptions {
  readonly context: QueryContext;
  readonly place: WindowPlace;
  readonly request: SearchRequest;
  readonly thinning: Thinning;
  readonly key: string;
  readonly windowMs: number;
  readonly endMs: number;
}

async function openWindow(options: WindowOptions): Promise<SearchResult | undefined> {
  const { context, place: { cache, nowMs }, request, key, windowMs, endMs } = options;
  const ticket = cache.begin(nowMs);
  const entry = cache.window(key);
  const sliceMs = sliceMsOf(windowMs);
  const wanted = { from: sliceOf(request.range.minMs, sliceMs), to: Math.floor(Math.min(endMs, ticket.finalMs) / sliceMs) };
  if (entry === undefined || endMs < entry.skipsUntilMs || wanted.to - wanted.from < 2) {
    if (entry === undefined) cache.setWindow(key, { kept: undefined, skipsUntilMs: -Infinity });
    cache.counts.add("misses");
    context.trace?.note("window cache: nothing that can be used");
    return undefined;
  }
  const { kept } = entry;
  const known = kept === undefined ? undefined : knownSlices(kept, options, cache.watch.firstChangeMs(kept.epoch, kept.span.from * sliceMs + 1, kept.span.to * sliceMs));
  cache.counts.add(known === undefined ? "misses" : "partialHits");
  context.trace?.note(known === undefined ? "window cache: to be kept" : `window cache: samples from ${known.from * sliceMs + 1} to ${known.to * sliceMs} ms`);
  const isRebuilt = known === undefined || known.to < wanted.to || known.from > wanted.from;
  const minMs = isRebuilt && known?.from !== wanted.from ? wanted.from * sliceMs + 1 : request.range.minMs;
  const found = await context.store.search({
    ...request,
    rollup: undefined,
    range: { minMs, maxMs: request.range.maxMs },
    ...(known === undefined ? {} : { known: { minMs: known.from * sliceMs + 1, maxMs: known.to * sliceMs } }),
  });
  const batches = new WindowBatches(options, found, { kept: known === undefined ? undefined : kept, known, wanted: isRebuilt ? wanted : undefined, epoch: ticket.epoch });
  return { batches: { [Symbol.asyncIterator]: () => batches }, isPartial: found.isPartial };
}

/** The slices whose samples may be taken. */
function knownSlices({ sliceMs, span, thinnedFrom }: KeptWindow, { request, windowMs, endMs }: WindowOptions, changedMs: number): SliceSpan | undefined {
  const to = Math.min(span.to, Math.floor(endMs / sliceMs), changedMs === Infinity ? Infinity : sliceOf(changedMs, sliceMs));
  const covered = Math.ceil((endMs - windowMs) / sliceMs);
  const from = Math.max(span.from, covered <= thinnedFrom ? sliceOf(request.range.minMs, sliceMs) : covered);
  return from < to ? { from, to } : undefined;
}

interface WindowState {
  readonly kept: KeptWindow | undefined;
  readonly known: SliceSpan | undefined;
  /** The slices that are kept afterwards; undefined: what is kept stays as it is. */
  readonly wanted: SliceSpan | undefined;
  readonly epoch: number;
}

/** Batches of what the Store gives and what is kept. */
class WindowBatches implements AsyncIterator<SeriesBatch> {
  readonly #options: WindowOptions;
  readonly #found: SearchResult;
  readonly #inner: AsyncIterator<SeriesBatch>;
  readonly #state: WindowState;
  readonly #sliceMs: number;
  /** The largest whole number that any number of samples of the window may have for their sum to be exact. */
  readonly #sumMax: number;
  #builder: WindowBuilder | undefined;
  /** Of the keys of the series; undefined before the first batch. */
  #spaces: { readonly space: LabelSpace | undefined } | undefined;
  #columns: Column[] = [];
  /** Of each series of a batch: where its samples are. */
  #pieces = new Int32Array(0);
  readonly #ids: number[] = [];
  /** The row that the next series probably has in what is kept. */
  #nextRow = 0;

  constructor(options: WindowOptions, found: SearchResult, state: WindowState) {
    this.#options = options;
    this.#found = found;
    this.#inner = found.batches[Symbol.asyncIterator]();
    this.#state = state;
    this.#sliceMs = sliceMsOf(options.windowMs);
    this.#sumMax = Math.floor(2 ** 53 / options.windowMs);
    const { wanted, kept } = state;
    if (wanted !== undefined) this.#builder = new WindowBuilder(wanted.to - wanted.from, this.#isWeighted);
    if (kept !== undefined) this.#spaces = { space: kept.space };
  }

  async next(): Promise<IteratorResult<SeriesBatch>> {
    for (const column of this.#columns) this.#options.context.columns.release(column);
    this.#columns = [];
    const { value: batch, done } = await this.#inner.next();
    if (done === true) {
      this.#finish();
      return { done, value: undefined };
    }
    return { done: false, value: this.#joined(batch) };
  }

  async return(): Promise<IteratorResult<SeriesBatch>> {
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  get #isWeighted(): boolean {
    return this.#options.thinning === "count" || this.#options.thinning === "sum";
  }

  #joined(batch: SeriesBatch): SeriesBatch {
    const { kept } = this.#state;
    this.#spaces ??= { space: batch.labelSpace };
    if (this.#spaces.space !== batch.labelSpace) {
      if (kept !== undefined) throw this.#misfit();
      this.#builder = undefined;
    }
    const { seriesCount } = batch;
    const sampleFrom = this.#findPieces(batch);
    const total = sampleFrom[seriesCount];
    const [times, values] = [this.#column(total), this.#column(total)];
    const weights = this.#isWeighted ? this.#column(total) : undefined;
    weights?.fill(1, 0, total);
    for (let i = 0; i < seriesCount; i++) this.#copyPieces(batch, i, sampleFrom[i], times, values, weights);
    const { labelSpace } = batch;
    return {
      seriesCount, sampleFrom, timestampsMs: times.subarray(0, total), values: values.subarray(0, total),
      ...(weights === undefined ? {} : { weights: weights.subarray(0, total) }),
      labels: (index) => batch.labels(index),
      ...(labelSpace === undefined ? {} : { labelSpace, labelIds: (index: number, target: number[]) => batch.labelIds?.(index, target) ?? 0 }),
    };
  }

  /** Notes where the samples of each series are: [left, leftEnd) and [right, rightEnd) of the batch, with [middle, middleEnd) of what is kept between them. */
  #findPieces(batch: SeriesBatch): Uint32Array {
    const { seriesCount } = batch;
    if (this.#pieces.length < seriesCount * 6) this.#pieces = new Int32Array(seriesCount * 6);
    const sampleFrom = new Uint32Array(seriesCount + 1);
    for (let i = 0; i < seriesCount; i++) {
      const key = this.#state.kept === undefined && this.#builder === undefined ? "" : this.#keyOf(batch, i);
      const row = this.#state.kept?.rows.find(key, this.#nextRow) ?? -1;
      if (row >= 0) this.#nextRow = row + 1;
      this.#findPiecesOf(batch, i, row);
      this.#record(batch, i, row, key);
      const at = i * 6;
      const p = this.#pieces;
      sampleFrom[i + 1] = sampleFrom[i] + p[at + 1] - p[at] + p[at + 3] - p[at + 2] + p[at + 5] - p[at + 4];
    }
    return sampleFrom;
  }

  #findPiecesOf({ timestampsMs, values, sampleFrom }: SeriesBatch, i: number, row: number): void {
    const { kept, known } = this.#state;
    const { minMs } = this.#options.request.range;
    const at = i * 6;
    const end = sampleFrom[i + 1];
    const left = firstAfter(timestampsMs, sampleFrom[i], end, minMs - 1);
    const leftEnd = known === undefined ? end : firstAfter(timestampsMs, left, end, known.from * this.#sliceMs);
    const right = known === undefined ? end : firstAfter(timestampsMs, leftEnd, end, known.to * this.#sliceMs);
    this.#pieces.fill(0, at, at + 6);
    this.#pieces[at] = left;
    this.#pieces[at + 1] = leftEnd;
    this.#pieces[at + 4] = right;
    this.#pieces[at + 5] = end;
    if (kept === undefined || known === undefined) return;
    if (!isExact(this.#options.thinning, values, left, leftEnd, this.#sumMax) || !isExact(this.#options.thinning, values, right, end, this.#sumMax)) throw this.#misfit();
    if (row < 0) return;
    const middleEnd = kept.sampleFrom[placeIn(kept, row, known.to)];
    this.#pieces[at + 2] = firstAfter(kept.timestampsMs, kept.sampleFrom[placeIn(kept, row, known.from)], middleEnd, minMs - 1);
    this.#pieces[at + 3] = middleEnd;
  }

  #copyPieces(batch: SeriesBatch, i: number, place: number, times: Float64Array, values: Float64Array, weights: Float64Array | undefined): void {
    const { kept } = this.#state;
    const at = i * 6;
    const p = this.#pieces;
    const [left, leftEnd, middle, middleEnd, right, rightEnd] = [p[at], p[at + 1], p[at + 2], p[at + 3], p[at + 4], p[at + 5]];
    copySamples(batch.timestampsMs, left, leftEnd, times, place);
    copySamples(batch.values, left, leftEnd, values, place);
    const middleAt = place + leftEnd - left;
    if (kept !== undefined && middleEnd > middle) {
      copySamples(kept.timestampsMs, middle, middleEnd, times, middleAt);
      copySamples(kept.values, middle, middleEnd, values, middleAt);
      if (weights !== undefined && kept.weights !== undefined) copySamples(kept.weights, middle, middleEnd, weights, middleAt);
    }
    copySamples(batch.timestampsMs, right, rightEnd, times, middleAt + middleEnd - middle);
    copySamples(batch.values, right, rightEnd, values, middleAt + middleEnd - middle);
  }

  /** Adds a row to what is to be kept. */
  #record({ timestampsMs, values, sampleFrom }: SeriesBatch, i: number, row: number, key: SeriesKey): void {
    const { wanted, known, kept } = this.#state;
    const builder = this.#builder;
    if (builder === undefined || wanted === undefined) return;
    builder.startRow(key);
    const end = sampleFrom[i + 1];
    let from = sampleFrom[i];
    let isFit = true;
    for (let slice = wanted.from; slice < wanted.to && isFit; slice++) {
      if (known !== undefined && kept !== undefined && slice === Math.max(known.from, wanted.from)) {
        const to = Math.min(known.to, wanted.to);
        builder.addSlices(kept, row < 0 ? -1 : placeIn(kept, row, slice), to - slice);
        from = firstAfter(timestampsMs, from, end, to * this.#sliceMs);
        slice = to - 1;
        continue;
      }
      const fromIndex = firstAfter(timestampsMs, from, end, slice * this.#sliceMs);
      from = firstAfter(timestampsMs, fromIndex, end, (slice + 1) * this.#sliceMs);
      isFit = this.#recordSlice(builder, slice, timestampsMs, values, fromIndex, from);
    }
    if (!isFit || !this.#options.place.cache.takes(builder.bytes)) this.#giveUp();
  }

  #recordSlice(builder: WindowBuilder, slice: number, times: Float64Array, values: Float64Array, from: number, to: number): boolean {
    const { thinning } = this.#options;
    const isFit = isExact(thinning, values, from, to, this.#sumMax);
    if (isFit && slice >= this.#thinnedFrom) thin(thinning, times, values, from, to, builder);
    else if (isFit) builder.addAll(times, values, undefined, from, to);
    builder.endSlice();
    return isFit;
  }

  /** The first slice that the window covers. */
  get #thinnedFrom(): number {
    return Math.ceil((this.#options.endMs - this.#options.windowMs) / this.#sliceMs);
  }

  #finish(): void {
    const { place: { cache }, key, context } = this.#options;
    const { wanted, epoch } = this.#state;
    if (this.#builder === undefined || wanted === undefined) return;
    if (this.#found.isPartial() || context.isPartial) return;
    const columns = this.#builder.finish();
    const kept = { sliceMs: this.#sliceMs, span: wanted, thinnedFrom: this.#thinnedFrom, epoch, space: this.#spaces?.space, ...columns };
    cache.setWindow(key, { kept, skipsUntilMs: -Infinity });
  }

  #misfit(): WindowMisfitError {
    this.#giveUp();
    return new WindowMisfitError("what is kept of a window does not fit");
  }

  /** Nothing is kept for some time. */
  #giveUp(): void {
    const { place: { cache }, key, endMs, windowMs } = this.#options;
    this.#builder = undefined;
    cache.setWindow(key, { kept: undefined, skipsUntilMs: endMs + windowMs / 4 });
  }

  /** Valid until the next call. */
  #keyOf(batch: SeriesBatch, i: number): SeriesKey {
    if (batch.labelSpace === undefined || batch.labelIds === undefined) return labelsKey(batch.labels(i));
    const count = batch.labelIds(i, this.#ids);
    this.#ids.length = count;
    return this.#ids;
  }

  /** A column with room for `count` numbers, until the next batch; sizes in powers of two, so that batches share columns. */
  #column(count: number): Column {
    const column = this.#options.context.columns.allocate(2 ** Math.ceil(Math.log2(Math.max(count, 1024))));
    this.#columns.push(column);
    return column;
  }
}

/** Where the first sample of a slice is noted. */
function placeIn({ span }: KeptWindow, row: number, slice: number): number {
  assert(slice >= span.from && slice <= span.to);
  return row * (span.to - span.from) + slice - span.from;
}

/** The first index of [from, to) whose time is after `timeMs`. */
function firstAfter(timestampsMs: Float64Array, from: number, to: number, timeMs: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timestampsMs[middle] <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Few samples are copied faster one by one. */
function copySamples(source: Float64Array, from: number, to: number, target: Float64Array, at: number): void {
  if (to - from > 32) target.set(source.subarray(from, to), at);
  else for (let i = from; i < to; i++) target[at + i - from] = source[i];
}
