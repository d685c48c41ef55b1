/** Which parts are merged when, and the merge of one plan. */
import { assert } from "../base/assert.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestState } from "./manifest_state.ts";
import { mergeIndexSegments, PartMerge } from "./merge.ts";
import { Part } from "./part.ts";
import { partFiles } from "./part_writer.ts";
import { partitionNamed } from "./partition.ts";
import { IndexSegment } from "./partition_index.ts";

export interface MergePlan {
  readonly partition: string;
  /** Oldest first. */
  readonly parts: readonly ManifestPart[];
  readonly indexSegments: readonly ManifestIndexSegment[];
}

export interface MergePolicy {
  /** One part and one index segment for each partition. */
  readonly force: boolean;
  readonly isMergeable: (part: ManifestPart) => boolean;
}

/** So many parts of similar size are merged together. */
const partsPerMerge = 8;

/**
 * What is worth merging, most urgent first. Size-tiered: the smallest parts of a partition are merged once there are `partsPerMerge` of them of
 * which the largest is not more than the others together, so that a sample is rewritten about log8(parts) times.
 */
export function chooseMerges(state: ManifestState, policy: MergePolicy): MergePlan[] {
  const plans: MergePlan[] = [];
  for (const partition of state.partitions) {
    const mergeable = partition.parts.filter(policy.isMergeable);
    const parts = policy.force ? mergeable : smallestTier(mergeable);
    if (partition.parts.length === 0) continue; // expired
    const indexSegments = policy.force || partition.indexSegments.length >= partsPerMerge ? partition.indexSegments : [];
    if (parts.length < 2 && indexSegments.length < 2) continue;
    // The order of arrival decides between samples of the same time.
    const inOrder = partition.parts.filter((part) => parts.length > 1 && parts.includes(part));
    plans.push({ partition: partition.name, parts: inOrder, indexSegments: indexSegments.length > 1 ? indexSegments : [] });
  }
  return plans.toSorted((left, right) => right.parts.length - left.parts.length);
}

function smallestTier(parts: readonly ManifestPart[]): readonly ManifestPart[] {
  const bySize = parts.toSorted((left, right) => left.sampleCount - right.sampleCount);
  for (let count = bySize.length; count >= partsPerMerge; count--) {
    const tier = bySize.slice(0, count);
    const others = tier.slice(0, -1).reduce((sum, part) => sum + part.sampleCount, 0);
    if (tier[count - 1].sampleCount <= others) return tier;
  }
  return [];
}

export interface MergedPartition {
  readonly part: ManifestPart | undefined;
  readonly indexSegment: ManifestIndexSegment | undefined;
}

/** Merges as planned into new files `partId` and `indexId` of the partition's directory. What was written is removed if it fails or is left early. */
export function* mergePartition(
  files: FileSystem, path: string, plan: MergePlan, ids: { partId: number; indexId: number }, kernel: Kernel,
): Generator<void, MergedPartition> {
  const part = plan.parts.length === 0 ? undefined : yield* mergeBlocks(files, path, plan.parts, ids.partId, kernel);
  const indexSegment = plan.indexSegments.length === 0 ? undefined : mergeIndex(files, path, plan, ids.indexId);
  return { part, indexSegment };
}

function* mergeBlocks(files: FileSystem, path: string, parts: readonly ManifestPart[], partId: number, kernel: Kernel): Generator<void, ManifestPart> {
  using open = new DisposableStack();
  const sources = parts.map(({ id }) => open.use(Part.open(files, `${path}/parts/${id}`)));
  const merge = new PartMerge(files, kernel, sources, `${path}/parts/${partId}`, { keepLogRows: false });
  let finished = false;
  try {
    while (merge.step()) yield;
    const { seriesCount, sampleCount, minMs, maxMs, sizeBytes } = merge.finish();
    finished = true;
    return { id: partId, files: [`parts/${partId}/${partFiles.blocks}`], seriesCount, sampleCount, minMs, maxMs, sizeBytes };
  } finally {
    if (!finished) merge.abort();
  }
}

function mergeIndex(files: FileSystem, path: string, plan: MergePlan, indexId: number): ManifestIndexSegment {
  const partition = partitionNamed(plan.partition);
  assert(partition !== undefined, `partition ${plan.partition} has a name of a month`);
  using open = new DisposableStack();
  const sources = plan.indexSegments.map((segment) => open.use(IndexSegment.open(files, `${path}/${segment.files[0]}`)));
  const file = `index/${indexId}.idx`;
  const { rowCount, sizeBytes } = mergeIndexSegments(sources, partition, files, `${path}/${file}`);
  files.syncDirectory(`${path}/index`);
  return { id: indexId, files: [file], seriesCount: rowCount, sizeBytes };
}
