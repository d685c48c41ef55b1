/** The Store of an engine: it searches snapshots that the main thread opens for it. Everything but search belongs to the main thread's store. */
import { UnsupportedError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";
import type { MetricMetadata } from "../model/row_batch.ts";
import type { SearchRequest, SearchResult, Store, StoreCapabilities, WriteResult } from "../model/store.ts";
import type { LocalReader } from "../storage/local_reader.ts";
import { ReleasingBatches } from "../storage/releasing_batches.ts";
import type { Snapshot, SnapshotRequest } from "../storage/snapshot.ts";

export interface SnapshotSource {
  open(request: SnapshotRequest): Promise<Snapshot> | Snapshot;
  release(pin: number): void;
}

export class SnapshotStore implements Store {
  readonly capabilities: StoreCapabilities = { canRollup: true, canAggregate: false, canDeleteRange: false };
  readonly #reader: LocalReader;
  readonly #source: SnapshotSource;

  constructor(reader: LocalReader, source: SnapshotSource) {
    this.#reader = reader;
    this.#source = source;
  }

  async search(request: SearchRequest): Promise<SearchResult> {
    const { tenant, selector, range, viewsHistograms = false } = request;
    return this.searchSnapshot(await this.#source.open({ tenant, selector, range, viewsHistograms }), request);
  }

  /** Reads a snapshot, and releases it at the end. */
  protected searchSnapshot(snapshot: Snapshot, request: SearchRequest): SearchResult {
    const found = this.#reader.search(snapshot, request);
    return { batches: new ReleasingBatches(found.batches, () => this.#source.release(snapshot.pin), request.signal), isPartial: found.isPartial };
  }

  write(): Promise<WriteResult> {
    return Promise.reject(mainThreadOnly("write"));
  }

  labelNames(): Promise<string[]> {
    return Promise.reject(mainThreadOnly("labelNames"));
  }

  labelValues(): Promise<string[]> {
    return Promise.reject(mainThreadOnly("labelValues"));
  }

  series(): Promise<Labels[]> {
    return Promise.reject(mainThreadOnly("series"));
  }

  metadata(): Promise<MetricMetadata[]> {
    return Promise.reject(mainThreadOnly("metadata"));
  }

  flush(): Promise<void> {
    return Promise.reject(mainThreadOnly("flush"));
  }

  merge(): Promise<void> {
    return Promise.reject(mainThreadOnly("merge"));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function mainThreadOnly(call: string): UnsupportedError {
  return new UnsupportedError(call, `${call} belongs to the main thread`);
}
