/** The work of one merge plan: new files beside the old ones. What replaces what is said by the manifest afterwards (table_merger.ts). */
import { assert } from "../base/assert.ts";
import { StorageError } from "../base/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ManifestIndexSegment, ManifestPart } from "./manifest_state.ts";
import { type LostBlocks, mergeIndexSegments, PartMerge } from "./merge.ts";
import type { Part } from "./part.ts";
import { partFiles } from "./part_writer.ts";
import { type Partition, partitionNamed } from "./partition.ts";
import { IndexSegment } from "./partition_index.ts";
import { type MergedIndex, mergeIndexFiles } from "./partition_index_merge.ts";
import { SeriesActivity } from "./series_activity.ts";
import type { Steps } from "./steps.ts";

/** Bytes after which what was written is synced, on another thread: a large sync at the end would hold up the syncs of the log. */
const syncBytes = 8 << 20;

export interface MergedParts {
  /** Undefined: nothing could be read. */
  readonly part: ManifestPart | undefined;
  readonly lost: readonly LostBlocks[];
  readonly activity: SeriesActivity;
}

/** The partition of this name, which is that of a month. */
export function monthNamed(name: string): Partition {
  const partition = partitionNamed(name);
  assert(partition !== undefined, `partition ${name} has a name of a month`);
  return partition;
}

/** Where the part of a merge goes, and how it is encoded. */
export interface MergeTarget {
  /** Directory of the partition. */
  readonly path: string;
  readonly partition: Partition;
  readonly partId: number;
  readonly codec: CodecEffort;
}

/** Merges parts (oldest first) into `parts/<partId>` of the partition. What was written is removed if it fails or is left early. */
export function* mergeSources(files: FileSystem, { path, partition, partId, codec }: MergeTarget, sources: readonly Part[], kernel: Kernel): Steps<MergedParts> {
  const lost: LostBlocks[] = [];
  const activity = new SeriesActivity(partition);
  const merge = new PartMerge(files, kernel, sources, `${path}/parts/${partId}`, { codec, keepLogRows: false, onLost: (one) => lost.push(one), activity });
  let isFinished = false;
  try {
    let syncedBytes = 0;
    let syncing: Promise<void> | undefined;
    while (merge.step()) {
      yield;
      if (merge.writtenBytes - syncedBytes < syncBytes) continue;
      syncedBytes = merge.writtenBytes;
      // The one before has had all this time.
      if (syncing !== undefined) yield syncing;
      syncing = merge.startSync();
      syncing?.catch(() => undefined); // waited for later
    }
    if (syncing !== undefined) yield syncing;
    const { seriesCount, sampleCount, minMs, maxMs, sizeBytes } = yield* merge.finishInSteps();
    isFinished = sampleCount > 0;
    const part: ManifestPart = {
      id: partId, files: [`parts/${partId}/${partFiles.blocks}`], seriesCount, sampleCount, minMs, maxMs, sizeBytes, ...(codec === "compact" ? { codec } : {}),
    };
    return { part: isFinished ? part : undefined, lost, activity };
  } finally {
    if (!isFinished) merge.abort();
  }
}

/**
 * Merges index segments into `index/<indexId>.idx`, with the times of `activity` for the series that it knows. Posting lists that cannot be read do not keep
 * segments from being merged: then they are made anew from the rows, which are all held in memory for that.
 */
export function* mergeIndex(
  files: FileSystem, path: string, partition: Partition, segments: readonly ManifestIndexSegment[], indexId: number, activity: SeriesActivity | undefined,
): Steps<ManifestIndexSegment> {
  const file = `index/${indexId}.idx`;
  const paths = segments.map((segment) => `${path}/${segment.files[0]}`);
  const { rowCount, sizeBytes } = yield* mergeRowByRow(files, paths, `${path}/${file}`, partition, activity);
  return { id: indexId, files: [file], seriesCount: rowCount, sizeBytes };
}

function* mergeRowByRow(files: FileSystem, paths: readonly string[], target: string, partition: Partition, activity: SeriesActivity | undefined): Steps<MergedIndex> {
  try {
    return yield* mergeIndexFiles(files, paths, target, activity);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "corrupt_index") throw error;
    using open = new DisposableStack();
    return mergeIndexSegments(paths.map((one) => open.use(IndexSegment.open(files, one))), partition, files, target, activity);
  }
}
