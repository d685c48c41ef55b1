/**
 * LocalReader: reads the series of a Snapshot: head chunks from shared memory, blocks from part files, joined per series and sorted
 * by time. Each reading thread has one, with a private Kernel; batches are views on that kernel's memory.
 *
 *   live series, rows of old index segments ──> lists of series, each label set once
 *   group of series ──> block lists of all parts, copy of the head ──> batches of bounded size
 *   batch ──> decode part by part, to the places of the series ──> sort, clip ──> SeriesBatch
 */
import { assert } from "../base/assert.ts";
import { LimitError } from "../base/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { columnKernels } from "../kernel/columns.ts";
import { headContext } from "../kernel/head.ts";
import { Kernel } from "../kernel/kernel.ts";
import { HistogramView } from "../model/histogram_view.ts";
import { compareLabels, type Labels } from "../model/labels.ts";
import { withoutEmptySeries } from "../model/series_batch.ts";
import type { LabelSpace, SearchRequest, SearchResult, SeriesBatch, TimeRange } from "../model/store.ts";
import { BatchAreas, type BatchTarget, closeGaps, copySamples, readRows, type GroupRows, Joins, type PartBlocks } from "./batch_target.ts";
import { type BlockList, type BlockListBuilder, wantedCounts } from "./block_list.ts";
import { joinedBlocks, knownBlocks } from "./joined_blocks.ts";
import type { FrameCacheStats } from "./frame_cache.ts";
import { HeadCopy, type HeadColumns, headCopySeriesMax } from "./head_copy.ts";
import { LargeKernel } from "./large_kernel.ts";
import type { Part } from "./part.ts";
import { PartCache } from "./part_cache.ts";
import { NotInlineError } from "./part_error.ts";
import { SegmentCache, type SegmentCacheStats } from "./segment_cache.ts";
import { encodeSeries, type LabelAnswer, type LabelQuestion, type LabelSource, searchStrings } from "./segment_labels.ts";
import { type JoinedSeries, searchSegments, tooManySeries } from "./segment_search.ts";
import type { ShardReader } from "./shard.ts";
import type { Snapshot } from "./snapshot.ts";
import type { IndexSegmentRef } from "./table_client.ts";

/** Samples that a batch aims at; a single series may have more. */
const batchSamples = 1 << 16;
/** Samples of the head that a group aims at. */
const groupHeadSamples = 1 << 20;
const freeAreasMax = 3;
/** So many samples outside of a search's range are worth a look at the timestamps of the blocks that the range cuts, so that they are not decoded. */
const clippedSamplesMin = 1 << 14;
/** Label sets that are resolved between two turns of the event loop. */
const labelSliceCount = 8192;
const noSamples = new Float64Array(0);

/** Series that are read together, from one shard's head or from parts alone. */
interface SeriesList {
  readonly count: number;
  /** The shard whose head has samples of them, and where. */
  readonly live: { readonly shard: number; readonly seriesIndexes: Uint32Array } | undefined;
  /** Series ids of [from, to): one each, or several, those of series i being ids[idFrom[i] .. idFrom[i + 1]). Left out: those of the live series. */
  readonly ids?: (from: number, to: number) => { readonly ids: Uint32Array; readonly idFrom?: Uint32Array };
  labels(position: number): Labels;
  /** For live series. */
  readonly numbered?: NumberedLabels;
}

/** Labels as pair ids of a shard's index. */
interface NumberedLabels {
  readonly space: LabelSpace;
  ids(position: number, target: number[]): number;
}

/**
 * Everything known about a group before anything is decoded. Series have an order in which they are read, which is that of their ids when each has one;
 * `order[i]` is the position of the i-th of them in the list.
 */
interface Group {
  readonly seriesCount: number;
  readonly order: Uint32Array;
  readonly rows: GroupRows;
  readonly parts: readonly PartBlocks[];
  readonly head: HeadColumns;
  /** Samples by series in reading order, as they are decoded: before what is left outside of the range goes. */
  readonly sampleCounts: Uint32Array;
  labels(position: number): Labels;
  readonly numbered: NumberedLabels | undefined;
}

/** What one search decodes into: areas for the usual batches, and a memory for a series with more samples. */
interface SearchAreas {
  readonly usual: BatchAreas;
  readonly large: LargeKernel;
}

/** What is read together. */
export interface GroupSize {
  readonly seriesCount: number;
  /** Samples that are decoded, and about how many of them are in the range. */
  readonly decodedSamples: number;
  readonly samplesInRange: number;
}

export interface LocalReaderOptions {
  readonly files: FileSystem;
  readonly kernel: Kernel;
  readonly shards: readonly ShardReader[];
  readonly onUnreadable: (path: string, error: unknown) => void;
  /** Bytes of old index segments that are kept in memory. */
  readonly indexCacheBytes?: number;
  /** Bytes of block headers that are kept decoded. */
  readonly headerCacheBytes?: number;
  /** Bytes of encoded blocks that are kept. */
  readonly frameCacheBytes?: number;
  /** Told what a group of series takes before it is decoded; what it throws ends the search. */
  readonly onGroup?: (group: GroupSize) => void;
}

const defaultIndexCacheBytes = 64 << 20;
const defaultHeaderCacheBytes = 16 << 20;
const defaultFrameCacheBytes = 32 << 20;

export class LocalReader implements LabelSource, Disposable {
  readonly #shards: readonly ShardReader[];
  readonly #heads: readonly HeadCopy[];
  readonly #parts: PartCache;
  readonly #segments: SegmentCache;
  /** Areas that no search is using; overlapping searches get one each. */
  readonly #freeAreas: SearchAreas[];
  readonly #onUnreadable: (path: string, error: unknown) => void;
  readonly #onGroup: ((group: GroupSize) => void) | undefined;

  constructor(options: LocalReaderOptions) {
    const { files, shards } = options;
    this.#shards = shards;
    this.#heads = shards.map((shard) => new HeadCopy(shard));
    this.#parts = new PartCache(files, {
      headerBytes: options.headerCacheBytes ?? defaultHeaderCacheBytes, frameBytes: options.frameCacheBytes ?? defaultFrameCacheBytes,
    });
    this.#segments = new SegmentCache({ files, seeds: seedsOf(shards[0]), budgetBytes: options.indexCacheBytes ?? defaultIndexCacheBytes });
    this.#freeAreas = [{ usual: new BatchAreas(options.kernel, batchSamples), large: new LargeKernel() }];
    this.#onUnreadable = options.onUnreadable;
    this.#onGroup = options.onGroup;
  }

  /** The samples of a snapshot's series. A part that cannot be read is left out, reported, and makes the result partial. */
  search(snapshot: Snapshot, request: SearchRequest): SearchResult {
    let partial = false;
    const unreadable = (path: string, error: unknown): void => {
      partial = true;
      this.#onUnreadable(path, error);
    };
    const view = snapshot.viewsHistograms === true ? new HistogramView(request.selector) : undefined;
    // The view knows no weights: samples are not put together for it, nor left out.
    const batches = this.#batches(snapshot, view === undefined ? request : { ...request, selector: view.selector, rollup: undefined, known: undefined }, unreadable);
    return { batches: view?.view(batches) ?? batches, isPartial: () => partial };
  }

  /** Figures about the old index segments that are loaded. */
  get segmentStats(): SegmentCacheStats {
    return this.#segments.stats();
  }

  /** Figures about the encoded blocks that are kept. */
  get frameStats(): FrameCacheStats {
    return this.#parts.frames.stats;
  }

  async *#batches(snapshot: Snapshot, request: SearchRequest, unreadable: (path: string, error: unknown) => void): AsyncGenerator<SeriesBatch> {
    checkSeriesBudget(snapshot.series.reduce((sum, series) => sum + series.length, 0), request);
    this.#parts.frames.startSearch();
    const areas = this.#freeAreas.pop() ?? { usual: new BatchAreas(new Kernel(), batchSamples), large: new LargeKernel() };
    try {
      yield* this.#read(snapshot, request, areas, unreadable);
    } finally {
      if (this.#freeAreas.length < freeAreasMax) this.#freeAreas.push(areas);
    }
  }

  /** Called now and then: gives back what removed parts and unusually large series hold. */
  closeUnused(): void {
    this.#parts.closeRemoved();
    this.#segments.dropUnused();
    for (const { large } of this.#freeAreas) large.drop();
    for (const head of this.#heads) head.dropSpare();
  }

  /** Decodes into another memory from now on, and gives up those that it had. REQUIRES: no search is going on. */
  useKernel(kernel: Kernel): void {
    this.#freeAreas.splice(0, freeAreasMax, { usual: new BatchAreas(kernel, batchSamples), large: new LargeKernel() });
  }

  /** Closes all files. REQUIRES: no search is going on. */
  [Symbol.dispose](): void {
    this.#parts[Symbol.dispose]();
  }

  async *#read(snapshot: Snapshot, request: SearchRequest, areas: SearchAreas, unreadable: (path: string, error: unknown) => void): AsyncGenerator<SeriesBatch> {
    let samples = 0;
    const lists = snapshot.indexSegments.length + snapshot.aliases.length === 0 ? this.#liveLists(snapshot.series) : await this.#joinedLists(snapshot, request, unreadable);
    for (const list of lists) {
      for (let from = 0; from < list.count; ) {
        const group = this.#openGroup(snapshot, list, from, request, areas.usual.kernel, unreadable);
        this.#onGroup?.(sizeOf(group, request.range));
        from += group.seriesCount;
        for (const [fromSeries, toSeries] of batchBounds(group.sampleCounts, request.known !== undefined)) {
          request.signal?.throwIfAborted();
          const batch = this.#readBatch(group, fromSeries, toSeries, request, areas, unreadable);
          samples += batch.timestampsMs.length;
          checkSampleBudget(samples, request);
          if (request.known !== undefined) yield batch;
          else if (batch.timestampsMs.length > 0) yield withoutEmptySeries(batch);
        }
      }
    }
  }

  #liveLists(series: readonly Uint32Array[]): SeriesList[] {
    return series.map((seriesIndexes, shard) => {
      const { labels } = this.#shards[shard];
      const numbered: NumberedLabels = { space: labels, ids: (position, target) => labels.labelIds(seriesIndexes[position], target) };
      return { count: seriesIndexes.length, live: { shard, seriesIndexes }, labels: (position) => labels.labels(seriesIndexes[position]), numbered };
    });
  }

  /** Live series and those that only old index segments know. */
  async #joinedLists(snapshot: Snapshot, request: SearchRequest, unreadable: (path: string, error: unknown) => void): Promise<SeriesList[]> {
    const live = snapshot.series.map((seriesIndexes, shard) => ({
      seriesIndexes, seriesIds: this.#seriesIds(shard, seriesIndexes), fingerprints: this.#heads[shard].fingerprints(seriesIndexes),
    }));
    const { indexSegments, aliases } = snapshot;
    const found = await runSliced(searchSegments(this.#segments, { live, aliases, indexSegments }, request, unreadable), request.signal);
    checkSeriesBudget(found.count, request);
    const segments = found.segments.map(({ ref, rows, seriesIds }): SeriesList => ({
      count: rows.length, live: undefined, ids: (from, to) => ({ ids: seriesIds.subarray(from, to) }), labels: (position) => this.#rowLabels(ref, rows[position]),
    }));
    return [...this.#liveLists(found.live), ...segments, ...this.#listsOfJoined(found.joined)];
  }

  #rowLabels(ref: IndexSegmentRef, row: number): Labels {
    return this.#segments.use(ref, (segment) => segment.labels(row));
  }

  /** Answers a question about labels. What cannot be read is left out and reported. */
  async answerLabels(question: LabelQuestion, signal: AbortSignal | undefined): Promise<LabelAnswer> {
    if (question.kind !== "series") return { ...encodeSeries([]), strings: await runSliced(searchStrings(this.#segments, question, this.#onUnreadable), signal) };
    const lists = await this.#joinedLists(question.snapshot, { ...question, signal }, this.#onUnreadable);
    const limit = question.limit > 0 ? question.limit : Infinity;
    const series: Labels[] = [];
    for (const list of lists) {
      for (let i = 0; i < list.count && series.length < limit; i++) {
        series.push(list.labels(i));
        if (i % labelSliceCount === labelSliceCount - 1) await nextTurn();
      }
      signal?.throwIfAborted();
    }
    series.sort(compareLabels);
    return encodeSeries(series);
  }

  /** Series with several ids, by the shard that has them in its head; and those that none has. */
  #listsOfJoined(joined: readonly JoinedSeries[]): SeriesList[] {
    return [undefined, ...this.#shards.keys()].map((shard) => {
      const series = joined.filter(({ live }) => live?.shard === shard);
      return {
        count: series.length,
        live: shard === undefined ? undefined : { shard, seriesIndexes: Uint32Array.from(series, ({ live }) => live?.seriesIndex ?? 0) },
        ids: (from, to) => idsOf(series.slice(from, to)),
        labels: (position) => this.#labelsOfJoined(series[position]),
      };
    });
  }

  #labelsOfJoined({ live, row }: JoinedSeries): Labels {
    if (live !== undefined) return this.#shards[live.shard].labels.labels(live.seriesIndex);
    assert(row !== undefined, "a series is live or in a segment");
    return this.#rowLabels(row.ref, row.row);
  }

  #seriesIds(shard: number, seriesIndexes: Uint32Array): Uint32Array {
    const ids = new Uint32Array(seriesIndexes.length);
    for (let from = 0; from < ids.length; from += headCopySeriesMax) ids.set(this.#heads[shard].seriesIds(seriesIndexes.subarray(from, from + headCopySeriesMax)), from);
    return ids;
  }

  /** Opens a group of series from `from` on: as many as a group takes, unless the head has very many samples of them. */
  #openGroup(
    snapshot: Snapshot, list: SeriesList, from: number, request: SearchRequest, kernel: Kernel, unreadable: (path: string, error: unknown) => void,
  ): Group {
    const range = wantedRange(request);
    const head = this.#copyHead(snapshot, list, from, range);
    const { seriesCount } = head;
    const to = from + seriesCount;
    const { order, rows } = this.#sortRows(list, from, to);
    const sampleCounts = new Uint32Array(seriesCount);
    const parts: PartBlocks[] = [];
    for (const { path } of snapshot.parts) {
      try {
        const part = this.#parts.open(path);
        const blocks = part.findBlocks(rows.sortedIds, range, request.columnId ?? 0, request.rollup !== undefined);
        if (blocks.count === 0) continue;
        const joined = request.known !== undefined ? knownBlocks(blocks, request.known) : request.rollup === undefined ? undefined : joinedBlocks(blocks, request.rollup, request.range);
        clipBlocks(part, blocks, joined, range, kernel);
        parts.push({ part, path, list: blocks, joined, firstBlock: firstBlocks(blocks, joined, rows, sampleCounts) });
      } catch (error) {
        if (error instanceof NotInlineError) throw error;
        unreadable(path, error);
      }
    }
    for (let i = 0; i < seriesCount; i++) sampleCounts[i] += head.sampleFrom[order[i] + 1] - head.sampleFrom[order[i]];
    const { numbered } = list;
    return {
      seriesCount, order, rows, parts, head, sampleCounts, labels: (position) => list.labels(from + position),
      numbered: numbered === undefined ? undefined : { space: numbered.space, ids: (position, target) => numbered.ids(from + position, target) },
    };
  }

  #copyHead(snapshot: Snapshot, { live, count }: SeriesList, from: number, range: TimeRange): HeadColumns {
    if (live !== undefined) {
      const wanted = live.seriesIndexes.subarray(from, from + headCopySeriesMax);
      return this.#heads[live.shard].copy(wanted, range, snapshot.publishedSeals[live.shard], groupHeadSamples);
    }
    const seriesCount = Math.min(headCopySeriesMax, count - from);
    return { seriesCount, sampleFrom: new Uint32Array(seriesCount + 1), timestampsMs: noSamples, values: noSamples };
  }

  /** Reading order and ids of a group. */
  #sortRows({ live, ids: idsOfRange }: SeriesList, from: number, to: number): { order: Uint32Array; rows: GroupRows } {
    const { ids, idFrom } = idsOfRange?.(from, to) ?? { ids: live === undefined ? new Uint32Array(0) : this.#heads[live.shard].seriesIds(live.seriesIndexes.subarray(from, to)) };
    const { order, sortedIds } = sortIds(ids);
    if (idFrom === undefined) return { order, rows: { sortedIds } };
    // Series with several ids are read in the order of the list, row by row.
    const owner = new Uint32Array(ids.length);
    for (let i = 0; i < to - from; i++) owner.fill(i, idFrom[i], idFrom[i + 1]);
    const seriesOf = Uint32Array.from(order, (position) => owner[position]);
    const rowsOf: number[][] = Array.from({ length: to - from }, () => []);
    seriesOf.forEach((series, row) => rowsOf[series].push(row));
    return { order: Uint32Array.from({ length: to - from }, (_, i) => i), rows: { sortedIds, seriesOf, rowsOf } };
  }

  /** Reads series [fromSeries, toSeries) of the group, in reading order. */
  #readBatch(
    group: Group, fromSeries: number, toSeries: number, request: SearchRequest, { usual, large }: SearchAreas, unreadable: (path: string, error: unknown) => void,
  ): SeriesBatch {
    let total = 0;
    for (let i = fromSeries; i < toSeries; i++) total += group.sampleCounts[i];
    const areas = total <= usual.samples ? usual : large.use((kernel) => new BatchAreas(kernel, total));
    const { kernel } = areas;
    const kernels = columnKernels(kernel);
    const seriesCount = toSeries - fromSeries;
    // Next free place of each series in the target columns.
    const places = new Uint32Array(seriesCount);
    const sampleFrom = kernel.u32.subarray(areas.sampleFrom / 4, areas.sampleFrom / 4 + seriesCount + 1);
    sampleFrom[0] = 0;
    for (let i = 0; i < seriesCount; i++) {
      places[i] = sampleFrom[i];
      sampleFrom[i + 1] = sampleFrom[i] + group.sampleCounts[fromSeries + i];
    }
    const joins = new Joins(areas, request.rollup);
    const target: BatchTarget = { areas, fromSeries, places, joins, hasGaps: false };
    const runs = rowRuns(group.rows, fromSeries, toSeries);
    for (const partBlocks of group.parts) {
      for (const [fromRow, toRow] of runs) readRows(partBlocks, group.rows, fromRow, toRow, target, (error) => unreadable(partBlocks.path, error));
    }
    for (let i = 0; i < seriesCount; i++) {
      const position = group.order[fromSeries + i];
      const from = group.head.sampleFrom[position];
      const count = group.head.sampleFrom[position + 1] - from;
      if (count === 0) continue;
      copySamples(group.head.timestampsMs, from, count, kernel.f64, areas.timestamps / 8 + places[i]);
      copySamples(group.head.values, from, count, kernel.f64, areas.values / 8 + places[i]);
      places[i] += count;
    }
    const weights = joins.weigh(sampleFrom[seriesCount]);
    if (target.hasGaps) closeGaps(areas, places, weights);
    if (weights !== undefined) joins.finishWeights(seriesCount, request);
    const count = kernels.columnsFinish(
      areas.sampleFrom, seriesCount, areas.timestamps, areas.values, request.range.minMs, request.range.maxMs, areas.scratch,
    ) >>> 0;
    return this.#seriesBatch(group, fromSeries, seriesCount, areas, count, weights);
  }

  #seriesBatch(group: Group, fromSeries: number, seriesCount: number, areas: BatchAreas, count: number, weights: number | undefined): SeriesBatch {
    const { kernel } = areas;
    return {
      seriesCount,
      sampleFrom: kernel.u32.subarray(areas.sampleFrom / 4, areas.sampleFrom / 4 + seriesCount + 1),
      timestampsMs: kernel.f64.subarray(areas.timestamps / 8, areas.timestamps / 8 + count),
      values: kernel.f64.subarray(areas.values / 8, areas.values / 8 + count),
      ...(weights === undefined ? {} : { weights: kernel.f64.subarray(weights / 8, weights / 8 + count) }),
      labels: (index: number): Labels => group.labels(group.order[fromSeries + index]),
      ...(group.numbered === undefined ? {} : { labelSpace: group.numbered.space, labelIds: numberedIds(group, group.numbered, fromSeries) }),
    };
  }
}

function numberedIds({ order }: Group, { ids }: NumberedLabels, fromSeries: number): (index: number, target: number[]) => number {
  return (index, target) => ids(order[fromSeries + index], target);
}

/** Leaves out of blocks what is outside of the range, if that is much. */
function clipBlocks(part: Part, blocks: BlockListBuilder, joined: Uint8Array | undefined, range: TimeRange, kernel: Kernel): void {
  let outside = 0;
  for (let i = 0; i < blocks.count; i++) if (joined === undefined || joined[i] === 0) outside += blocks.sampleCounts[i] * (1 - shareOf(blocks, i, range));
  if (outside < clippedSamplesMin) return;
  blocks.clips = part.clipsOf(kernel, blocks, range, joined);
}

/** The share of a block's samples in a range; blocks are taken to have their samples evenly over their time. */
function shareOf({ minMs, maxMs }: BlockList, block: number, range: TimeRange): number {
  const inRangeMs = Math.min(maxMs[block], range.maxMs) - Math.max(minMs[block], range.minMs);
  return Math.min(1, (inRangeMs + 1) / (maxMs[block] - minMs[block] + 1));
}

/** The times of a search without those that the caller knows, if they are at its beginning. */
function wantedRange({ range, known }: SearchRequest): TimeRange {
  return known === undefined || known.minMs > range.minMs ? range : { minMs: Math.max(range.minMs, known.maxMs + 1), maxMs: range.maxMs };
}

function sizeOf({ seriesCount, parts, head }: Group, range: TimeRange): GroupSize {
  let decodedSamples = head.sampleFrom[seriesCount];
  let samplesInRange = decodedSamples;
  for (const { list, joined } of parts) {
    const counts = wantedCounts(list);
    for (let i = 0; i < list.count; i++) {
      if (joined !== undefined && joined[i] !== 0) continue;
      decodedSamples += counts[i];
      samplesInRange += list.clips === undefined ? counts[i] * shareOf(list, i, range) : counts[i];
    }
  }
  return { seriesCount, decodedSamples, samplesInRange };
}

/** The secret of the fingerprints, which all shards share. */
function seedsOf({ kernel, headContext: context }: ShardReader): Uint8Array {
  return kernel.u8.slice(context + headContext.seedLow, context + headContext.seedHigh + 8);
}

/** Series ids ascending (they are, unless a restart mixed partitions), and which position each came from. */
function sortIds(ids: Uint32Array): { order: Uint32Array; sortedIds: Uint32Array } {
  const order = new Uint32Array(ids.length);
  let ascending = true;
  for (let i = 0; i < ids.length; i++) {
    order[i] = i;
    if (i > 0 && ids[i - 1] >= ids[i]) ascending = false;
  }
  if (!ascending) order.sort((a, b) => ids[a] - ids[b]);
  return { order, sortedIds: ascending ? ids : Uint32Array.from(order, (position) => ids[position]) };
}

/** For each row the number of its first block (n + 1 numbers); adds the blocks' samples to `sampleCounts` of its series. */
function firstBlocks(list: BlockList, joined: Uint8Array | undefined, { sortedIds, seriesOf }: GroupRows, sampleCounts: Uint32Array): Uint32Array {
  const first = new Uint32Array(sortedIds.length + 1);
  const counts = wantedCounts(list);
  let block = 0;
  for (let row = 0; row < sortedIds.length; row++) {
    first[row] = block;
    const series = seriesOf === undefined ? row : seriesOf[row];
    for (; block < list.count && list.seriesIds[block] === sortedIds[row]; block++) sampleCounts[series] += samplesOf(counts, joined, block);
  }
  first[sortedIds.length] = block;
  return first;
}

/** How many samples a block gives. */
function samplesOf(counts: Uint32Array, joined: Uint8Array | undefined, block: number): number {
  if (joined === undefined || joined[block] === 0) return counts[block];
  return joined[block] === 1 ? 1 : 0;
}

/** The rows of series [fromSeries, toSeries), as stretches of neighbours. */
function rowRuns({ rowsOf }: GroupRows, fromSeries: number, toSeries: number): [number, number][] {
  if (rowsOf === undefined) return [[fromSeries, toSeries]];
  const runs: [number, number][] = [];
  for (const row of rowsOf.slice(fromSeries, toSeries).flat().sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === row) last[1]++;
    else runs.push([row, row + 1]);
  }
  return runs;
}

function idsOf(series: readonly JoinedSeries[]): { ids: Uint32Array; idFrom: Uint32Array } {
  const idFrom = new Uint32Array(series.length + 1);
  series.forEach(({ seriesIds }, i) => (idFrom[i + 1] = idFrom[i] + seriesIds.length));
  return { ids: Uint32Array.from(series.flatMap(({ seriesIds }) => seriesIds)), idFrom };
}

/** Stretches of series whose samples fit a batch together; a larger series stands alone. `takesAll`: also series without samples behind all others. */
function* batchBounds(sampleCounts: Uint32Array, takesAll: boolean): Generator<[number, number]> {
  let from = 0;
  let total = 0;
  for (let i = 0; i < sampleCounts.length; i++) {
    if (i > from && total + sampleCounts[i] > batchSamples) {
      yield [from, i];
      from = i;
      total = 0;
    }
    total += sampleCounts[i];
  }
  if (total > 0 || (takesAll && from < sampleCounts.length)) yield [from, sampleCounts.length];
}

/** Does all steps, with turns of the event loop in between. */
async function runSliced<T>(steps: Generator<void, T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await nextTurn();
    signal?.throwIfAborted();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function checkSeriesBudget(count: number, { budget }: SearchRequest): void {
  if (budget !== undefined && count > budget.seriesMax) throw tooManySeries(count, budget.seriesMax, budget.seriesFlag);
}

function checkSampleBudget(samples: number, request: SearchRequest): void {
  const max = request.budget?.samplesMax ?? Infinity;
  if (samples > max) throw new LimitError("too_many_samples", `the query reads more than ${max} raw samples: shorten the range, narrow the selector, or raise -search.maxSamplesPerQuery`);
}
