/**
 * Which parts and index segments are merged, and when.
 *
 *   tier     parts of similar size, once there are eight of them: a sample's part at least doubles with each merge, usually it becomes eight times as
 *            large, so that a sample is rewritten O(log) times; and without a tier sizes grow so fast that a partition has some thirty parts at most.
 *            While parts keep coming, one after the other, they are let come until there are sixteen
 *   final    all of a month that is over, once
 *   forced   all of a partition
 *
 * What is read most is of months that are not over, so their merged parts have the codec that is decoded fastest; once a month is over they are written
 * compactly, for the years that they are kept (docs/decisions/codecs.md).
 */
import type { CodecEffort } from "../kernel/codec.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition, ManifestState } from "./manifest_state.ts";
import { partitionNamed } from "./partition.ts";

export interface MergePlan {
  readonly kind: "tier" | "final" | "forced";
  readonly partition: string;
  /** In order of arrival. A single one is written anew, compactly. */
  readonly parts: readonly ManifestPart[];
  /** How the merged part is encoded. */
  readonly codec: CodecEffort;
  readonly indexSegments: readonly ManifestIndexSegment[];
}

export interface MergePolicy {
  readonly state: ManifestState;
  /** False for parts that are being merged, or whose rows may still be replayed from the log. */
  readonly isMergeable: (part: ManifestPart) => boolean;
}

export interface TierMergePolicy extends MergePolicy {
  /** Whether no part has come to the partition for mergeSettleMs. Default: yes. */
  readonly isSettled?: (partition: string) => boolean;
}

export interface FinalMergePolicy extends MergePolicy {
  readonly nowMs: number;
  /** When the partition was last written to, as far as known. */
  readonly quietSinceMs: (partition: string) => number;
}

/**
 * Parts that come faster than this are part of one load, which has more to come: merged sixteen at a time, its samples are rewritten less often than
 * eight at a time, and not while it takes all of the machine.
 */
export const mergeSettleMs = 5000;

/** A column that was compact and is written fast takes more, seldom as much as this. */
const unpackedGrowth = 2;

/** So many files of similar size are merged together, at least and at most. */
const tierCountMin = 8;
const tierCountMax = 16;
/** Parts that a forced or final merge opens at once: more are merged in several goes. */
const wholeCountMax = 64;
/** A month counts as over when it is so for this time; it gets its final merge when nothing has come for it either: longer than checkpoints are apart. */
const finalGraceMs = 3_600_000;
const quietMs = 3_600_000;

/** Merges of similar sizes that are worth it, of partitions with many parts first. */
export function tierMerges({ state, isMergeable, isSettled = () => true }: TierMergePolicy): MergePlan[] {
  const plans: { plan: MergePlan; count: number }[] = [];
  for (const { name, parts, indexSegments, finalPartId } of state.partitions) {
    if (parts.length === 0) continue; // expired
    // What comes late for a month that had its final merge gets no other one.
    const codec = finalPartId === undefined ? "fast" : "compact";
    const mergeable = parts.filter(isMergeable);
    if (mergeable.length < tierCountMax && indexSegments.length < tierCountMax && !isSettled(name)) continue;
    const tier = similar(mergeable, (part) => part.sampleCount);
    if (tier.length > 0) plans.push({ plan: { kind: "tier", partition: name, parts: tier, codec, indexSegments: [] }, count: mergeable.length });
    const segments = similar(indexSegments, (segment) => segment.seriesCount);
    if (segments.length > 0) plans.push({ plan: { kind: "tier", partition: name, parts: [], codec, indexSegments: segments }, count: indexSegments.length });
  }
  return plans.toSorted((left, right) => right.count - left.count).map(({ plan }) => plan);
}

/** The smallest eight to sixteen entries of which the largest is not more than the others together, in their order; none if there are no such. */
function similar<T>(entries: readonly T[], sizeOf: (entry: T) => number): readonly T[] {
  const bySize = entries.toSorted((left, right) => sizeOf(left) - sizeOf(right));
  for (let from = 0; from + tierCountMin <= bySize.length; from++) {
    for (let count = Math.min(tierCountMax, bySize.length - from); count >= tierCountMin; count--) {
      const tier = bySize.slice(from, from + count);
      const others = tier.slice(0, -1).reduce((sum, entry) => sum + sizeOf(entry), 0);
      if (sizeOf(tier[count - 1]) <= others) return entries.filter((entry) => tier.includes(entry));
    }
  }
  return [];
}

/** Merges of whole months that are over and quiet, and have not had theirs; oldest first. */
export function finalMerges(policy: FinalMergePolicy): MergePlan[] {
  return policy.state.partitions.filter((partition) => isFinalDue(partition, policy)).map((partition) => {
    // Nothing is left to do but to say so.
    if (isWhole(partition)) return { kind: "final", partition: partition.name, parts: [], codec: "compact", indexSegments: [] };
    return wholeMerge("final", partition, partition.parts, "compact");
  });
}

/** Whether there is one compact part, and one index segment that knows its times. */
function isWhole({ parts, indexSegments }: ManifestPartition): boolean {
  const isOne = parts.length === 1 && parts[0].codec === "compact" && indexSegments.length <= 1;
  return isOne && indexSegments.every(({ activityPartId }) => (activityPartId ?? 0) >= parts[0].id);
}

function isFinalDue({ name, parts, finalPartId }: ManifestPartition, { nowMs, quietSinceMs, isMergeable }: FinalMergePolicy): boolean {
  if (finalPartId !== undefined || parts.length === 0 || !isOver(name, nowMs)) return false;
  return nowMs - quietSinceMs(name) >= quietMs && parts.every(isMergeable);
}

/** Whether no more samples are to be expected for a month, but late ones. */
function isOver(partition: string, nowMs: number): boolean {
  return nowMs - (partitionNamed(partition)?.maxMs ?? Infinity) >= finalGraceMs;
}

/** The merge of all that can be merged in a partition; undefined if there is nothing to do. */
export function forcedMerge(partition: ManifestPartition, isMergeable: MergePolicy["isMergeable"], nowMs: number): MergePlan | undefined {
  const parts = partition.parts.filter(isMergeable);
  if (partition.parts.length === 0) return undefined; // expired
  const codec = isOver(partition.name, nowMs) ? "compact" : "fast";
  // A single one is written anew only where it gets smaller.
  const isOne = parts.length === 0 || (parts.length === 1 && (codec === "fast" || parts[0].codec === "compact"));
  const plan = wholeMerge("forced", partition, isOne ? [] : parts, codec);
  return plan.parts.length === 0 && plan.indexSegments.length === 0 ? undefined : plan;
}

/** With very many parts the smallest ones only, so that not too many files are open at once; the rest with the next merge. */
function wholeMerge(kind: MergePlan["kind"], partition: ManifestPartition, parts: readonly ManifestPart[], codec: CodecEffort): MergePlan {
  const { name, indexSegments } = partition;
  const rewrites = kind === "final" || (parts.length === partition.parts.length && indexSegments.some((segment) => segment.activityPartId === undefined));
  const segments = indexSegments.length > 1 || (rewrites && parts.length > 0) ? indexSegments : [];
  if (parts.length <= wholeCountMax) return { kind, partition: name, parts, codec, indexSegments: segments };
  const smallest = new Set(parts.toSorted((left, right) => left.sampleCount - right.sampleCount).slice(0, wholeCountMax));
  return { kind: "tier", partition: name, parts: parts.filter((part) => smallest.has(part)), codec: "fast", indexSegments: [] };
}

/** Bytes that the output is going to take, at most: nothing grows by merging, but for a few headers, and for compact parts that get fast columns. */
export function planBytes({ parts, codec, indexSegments }: MergePlan): number {
  const partBytes = parts.reduce((sum, part) => sum + part.sizeBytes * (codec === "fast" && part.codec === "compact" ? unpackedGrowth : 1), 0);
  return indexSegments.reduce((sum, { sizeBytes }) => sum + sizeBytes, partBytes);
}
