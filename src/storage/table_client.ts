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

export interface TableClient extends AsyncDisposable {
  /** Resolves when the records survive a kill of the process (and, with fsyncInterval 0, a power loss). Rejects with StorageError when the disk refuses. */
  appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void>;
  /** Starts a new log segment; resolves with its number. */
  rollLog(): Promise<number>;
  /** Encodes the chunks of a seal into parts and publishes them. */
  seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion>;
  /** Commits a checkpoint and the metadata that the removed log segments held. */
  checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion>;
  /** Merges what is worth it (`force`: all parts of each partition into one). Resolves with the version after the last merge. */
  merge(force: boolean): Promise<TableVersion>;
  /** Drops the parts of partitions whose month ended before `minMs`. Their indexes go with the next checkpoint that begins after this. */
  dropBefore(minMs: number): Promise<TableVersion>;
  /** Files of parts that left the version up to `version` are no longer read. */
  releaseVersion(version: number): void;
}
