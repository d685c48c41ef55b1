/**
 * What LocalStore asks of the side that owns the files: the log, the parts, the manifest. Implementations: TableWriter called in the same
 * thread (direct_table_client.ts), or behind messages on the storage thread (worker/storage_client.ts).
 */
import type { Seal } from "./head.ts";

/** A part as readers know it. The files stay until the table is told that nobody reads them any more. */
export interface PartRef {
  readonly partition: string;
  readonly name: string;
  readonly path: string;
  readonly minMs: number;
  readonly maxMs: number;
  readonly seriesCount: number;
  readonly sampleCount: number;
  readonly sizeBytes: number;
}

/** A segment of the index of a partition as readers know it; its file stays as long as those of parts. */
export interface IndexSegmentRef {
  readonly partition: string;
  readonly path: string;
  /** Bounds of the partition's month, inclusive. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly rowCount: number;
  readonly sizeBytes: number;
  /** Whether times and days of its rows hold for all parts of the partition; otherwise they are a hint. */
  readonly isActivityExact: boolean;
}

/** All live files at one moment; versions count up with every change. */
export interface TableVersion {
  readonly version: number;
  readonly parts: readonly PartRef[];
  readonly indexSegments: readonly IndexSegmentRef[];
  /** By shard: the seals up to this number are in the parts. */
  readonly sealNumbers: readonly number[];
}

/** Log records ready in shard memory, to be written in this order. */
export interface LogPiece {
  readonly shard: number;
  readonly pointer: number;
  readonly size: number;
}

/** The log before `segment` is no longer needed: every row up to `logRow` is in parts. */
export interface Checkpoint {
  readonly segment: number;
  readonly logRow: number;
}

/** What is to be merged. */
export interface MergeRequest {
  /** All parts and all index segments of each partition into one, at full speed; else one merge, if one is worth it. */
  readonly force: boolean;
  /** Of a forced merge: only partitions whose name ("2026_11") begins so. */
  readonly partitionPrefix?: string;
}

/** Figures about the files, for self-monitoring; counted since the start. */
export interface TableStats {
  readonly mergesActive: number;
  readonly mergesDone: number;
  readonly samplesMerged: number;
  /** Merges that were put off because the disk has too little room. */
  readonly mergesPutOff: number;
  readonly quarantinedParts: number;
  readonly quarantinedIndexSegments: number;
  /** Blocks that merges have left out because they are damaged. */
  readonly damagedBlocks: number;
  readonly freeBytes: number;
  readonly minFreeBytes: number;
  /** Why writes are refused; empty: they are not. */
  readonly readOnlyReason: string;
  /** Milliseconds of the longest step of a seal or merge lately: so long a write may have waited for it. */
  readonly longestStepMs: number;
}

export const noTableStats: TableStats = {
  mergesActive: 0, mergesDone: 0, samplesMerged: 0, mergesPutOff: 0, quarantinedParts: 0, quarantinedIndexSegments: 0, damagedBlocks: 0,
  freeBytes: 0, minFreeBytes: 0, readOnlyReason: "", longestStepMs: 0,
};

export interface TableClient extends AsyncDisposable {
  /** As of a moment ago. */
  readonly stats: TableStats;
  /** Resolves when the records survive a kill of the process (and, with fsyncInterval 0, a power loss). Rejects with StorageError when the disk refuses. */
  appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void>;
  /** Starts a new log segment; resolves with its number. */
  rollLog(): Promise<number>;
  /** Encodes the chunks of a seal into parts and publishes them. */
  seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion>;
  /** Commits a checkpoint and the metadata that the removed log segments held. */
  checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion>;
  /** Merges what is asked for. Resolves with the version afterwards; the same version: there was nothing to do. */
  merge(request: MergeRequest): Promise<TableVersion>;
  /**
   * Takes a part (or index segment; ids are shared) out of service that cannot be read: its files go to `quarantine/<partition>-<id>/` with the reason. It
   * is tried once more before, and stays if it can be read now, or if the error may pass.
   */
  quarantine(partition: string, id: number, reason: string): Promise<TableVersion>;
  /** Drops the parts of partitions whose month ended before `minMs`. Their indexes go with the next checkpoint that begins after this. */
  dropBefore(minMs: number): Promise<TableVersion>;
  /** Files of parts that left the version up to `version` are no longer read. */
  releaseVersion(version: number): void;
}
