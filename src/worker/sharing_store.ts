/**
 * SharingStore: the Store of a query thread that has others help with large rollups. A window of slices is claimed from both ends:
 *
 *   this thread   slice 0, slice 1, ... read, and rolled up by the operator that asked ──> ... then the columns of the others' slices, in order
 *   another one   slice n - 1, slice n - 2, ... read and rolled up into shared memory
 *
 * The snapshot is released when nobody reads it any more.
 */
import { systemClock } from "../base/clock.ts";
import type { Label } from "../model/labels.ts";
import type { LabelSpace, SearchRequest, SeriesBatch } from "../model/store.ts";
import type { ColumnBatch, ColumnSearchResult, ColumnStore, RollupWork, SeriesNames } from "../query/column_store.ts";
import type { LocalReader } from "../storage/local_reader.ts";
import { ReleasingBatches } from "../storage/releasing_batches.ts";
import { tooManySeries } from "../storage/segment_search.ts";
import type { Snapshot } from "../storage/snapshot.ts";
import type { HelpedPart } from "./help_messages.ts";
import type { PeerThreads, SharedWindow } from "./peer_threads.ts";
import { type RollupSlice, slicedSnapshot, type SlicePlan, sliceSnapshot, type SliceWindow, sliceWindows } from "./rollup_slices.ts";
import { SnapshotStore, type SnapshotSource } from "./snapshot_store.ts";

export interface SharingStoreOptions {
  readonly reader: LocalReader;
  readonly source: SnapshotSource;
  readonly peers: PeerThreads;
  readonly slices: SlicePlan;
  /** Labels by their numbers, by shard. */
  readonly labels: readonly LabelSpace[];
}

/** A search under way. */
interface SharedSearch {
  readonly snapshot: Snapshot;
  readonly request: SearchRequest;
  readonly work: RollupWork;
  readonly slices: readonly RollupSlice[];
  /** The snapshot as it is posted to other threads. */
  posted?: Snapshot;
  isPartial: boolean;
  /** The windows that helping threads may be reading. */
  readonly shared: Set<SharedWindow>;
}

export class SharingStore extends SnapshotStore implements ColumnStore {
  readonly #options: SharingStoreOptions;
  /** Memory for the columns of a window that nobody uses. */
  #spareColumns: SharedArrayBuffer | undefined;
  #aloneUntilMs = -Infinity;

  constructor(options: SharingStoreOptions) {
    super(options.reader, options.source);
    this.#options = options;
  }

  /** Gives memory back that only large queries need. */
  dropSpare(): void {
    this.#spareColumns = undefined;
  }

  async searchColumns(request: SearchRequest, work: RollupWork): Promise<ColumnSearchResult> {
    const { source, slices: plan } = this.#options;
    const { tenant, selector, range, viewsHistograms = false } = request;
    const snapshot = await source.open({ tenant, selector, range, viewsHistograms });
    const slices = sliceSnapshot(snapshot, request, work.grid.points, plan);
    if (slices === undefined) return this.searchSnapshot(snapshot, request);
    const search: SharedSearch = { snapshot, request, work, slices, isPartial: false, shared: new Set() };
    const release = async (): Promise<void> => {
      await Promise.all([...search.shared].map((window) => window.end()));
      source.release(snapshot.pin);
    };
    return { batches: new ReleasingBatches(this.#batches(search), () => void release(), request.signal), isPartial: () => search.isPartial };
  }

  async *#batches(search: SharedSearch): AsyncGenerator<SeriesBatch | ColumnBatch> {
    const { slices, snapshot: { series }, work: { grid }, request: { budget } } = search;
    const count = series.reduce((sum, { length }) => sum + length, 0);
    if (budget !== undefined && count > budget.seriesMax) throw tooManySeries(count, budget.seriesMax, budget.seriesFlag);
    for (const window of sliceWindows(slices, grid.points, this.#options.slices)) yield* this.#window(search, window);
  }

  async *#window(search: SharedSearch, window: SliceWindow): AsyncGenerator<SeriesBatch | ColumnBatch> {
    const { request, work } = search;
    request.signal?.throwIfAborted();
    const bytes = window.columnFrom.at(-1)! * work.grid.points * 8;
    let columns: SharedArrayBuffer | undefined;
    const isAlone = systemClock.monotonicMs() < this.#aloneUntilMs;
    const shared = isAlone ? undefined : this.#options.peers.share(() => {
      columns = this.#takeColumns(bytes);
      return { columns, window, snapshot: (search.posted ??= postable(search.snapshot)), request: { ...request, signal: undefined }, work };
    });
    if (shared === undefined || columns === undefined) {
      for (const slice of window.slices) yield* this.#read(search, slice);
      return;
    }
    search.shared.add(shared);
    const beginMs = systemClock.monotonicMs();
    for (let i = shared.claims.claimFirst(); i !== undefined; i = shared.claims.claimFirst()) yield* this.#read(search, window.slices[i]);
    const first = shared.claims.firstFromBack;
    const sliceMs = (systemClock.monotonicMs() - beginMs) / Math.max(1, first);
    for (let i = first; i < window.slices.length; i++) {
      const part = await this.#soonPart(shared, i, sliceMs);
      if (part === undefined) yield* this.#read(search, window.slices[i]);
      else yield this.#columnBatch(search, window, i, part, columns);
    }
    // A helper that was not waited for may still write.
    if (!shared.isSettled) return;
    await shared.end();
    search.shared.delete(shared);
    this.#spareColumns = columns;
  }

  async *#read(search: SharedSearch, slice: RollupSlice): AsyncGenerator<SeriesBatch> {
    search.request.signal?.throwIfAborted();
    const found = this.#options.reader.search(slicedSnapshot(search.snapshot, slice), search.request);
    yield* found.batches;
    if (found.isPartial()) search.isPartial = true;
  }

  /** What a helper has made of a slice; undefined if it failed, or if doing the slice here ends sooner than waiting for a thread that does not get on. */
  async #soonPart(shared: SharedWindow, slice: number, usualMs: number): Promise<HelpedPart | undefined> {
    // What was sent while this thread was at work is received first.
    if (!shared.hasPart(slice)) await new Promise((resolve) => setImmediate(resolve));
    if (shared.hasPart(slice)) return shared.part(slice);
    const { patienceMs, aloneMs } = this.#options.slices;
    const late = Promise.withResolvers<undefined>();
    using _timer = systemClock.setTimer(usualMs + patienceMs, () => {
      this.#aloneUntilMs = systemClock.monotonicMs() + aloneMs;
      late.resolve(undefined);
    });
    return await Promise.race([shared.part(slice), late.promise]);
  }

  #columnBatch(search: SharedSearch, { slices, columnFrom }: SliceWindow, slice: number, part: HelpedPart, columns: SharedArrayBuffer): ColumnBatch {
    search.request.signal?.throwIfAborted();
    if (part.isPartial) search.isPartial = true;
    const { points } = search.work.grid;
    const { columnCount, seriesRead, samplesRead, seen, tookMs } = part;
    return {
      columns: new Float64Array(columns, columnFrom[slice] * points * 8, columnCount * points),
      columnCount, names: namesOf(part, this.#options.labels[slices[slice].shard]), seriesRead, samplesRead, seen, tookMs,
    };
  }

  #takeColumns(bytes: number): SharedArrayBuffer {
    const spare = this.#spareColumns;
    this.#spareColumns = undefined;
    return spare !== undefined && spare.byteLength >= bytes ? spare : new SharedArrayBuffer(bytes);
  }
}

/** With lists of series that are not copied each time. */
function postable(snapshot: Snapshot): Snapshot {
  const series = snapshot.series.map((indexes) => {
    const shared = new Uint32Array(new SharedArrayBuffer(indexes.byteLength));
    shared.set(indexes);
    return shared;
  });
  return { ...snapshot, series };
}

function namesOf({ labelFrom, labelIds }: HelpedPart, labelSpace: LabelSpace): SeriesNames {
  return {
    labelSpace,
    labels(index) {
      const labels: Label[] = [];
      for (let i = labelFrom[index]; i < labelFrom[index + 1]; i++) labels.push(labelSpace.label(labelIds[i]));
      return labels;
    },
    labelIds: (index, target) => {
      const from = labelFrom[index];
      const count = labelFrom[index + 1] - from;
      for (let i = 0; i < count; i++) target[i] = labelIds[from + i];
      return count;
    },
  };
}
