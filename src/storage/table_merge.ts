/** Which parts are merged when, and the merge of one plan. */
import type { FileSystem } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestState } from "./manifest_state.ts";

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

/** Placeholder until the streaming merge stands. */
export function* mergeParts(files: FileSystem, path: string, plan: MergePlan, id: number, kernel: Kernel): Generator<void, { part: ManifestPart | undefined; indexSegment: ManifestIndexSegment | undefined }> {
  throw new Error("merge " + path + plan.partition + id + String(files) + String(kernel));
}
