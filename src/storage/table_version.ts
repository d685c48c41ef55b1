/** The live files of a manifest, as readers know them. */
import type { ManifestState } from "./manifest_state.ts";
import { partitionNamed } from "./partition.ts";
import type { IndexSegmentRef, PartRef, TableVersion } from "./table_client.ts";

/** The directory of a partition. */
export function partitionPath(directory: string, partition: string): string {
  return `${directory}/partitions/${partition}`;
}

/** What is live in this state of the manifest. */
export function tableVersion(directory: string, state: ManifestState, version: number, sealNumbers: readonly number[]): TableVersion {
  return { version, parts: partRefs(directory, state), indexSegments: indexSegmentRefs(directory, state), sealNumbers: [...sealNumbers] };
}

function partRefs(directory: string, state: ManifestState): PartRef[] {
  return state.partitions.flatMap(({ name, parts }) =>
    parts.map(({ id, minMs, maxMs, seriesCount, sampleCount, sizeBytes }) => ({
      partition: name, name: String(id), path: `${partitionPath(directory, name)}/parts/${id}`, minMs, maxMs, seriesCount, sampleCount, sizeBytes,
    })),
  );
}

function indexSegmentRefs(directory: string, state: ManifestState): IndexSegmentRef[] {
  return state.partitions.flatMap(({ name, parts, indexSegments }) => {
    const { minMs, maxMs } = partitionNamed(name) ?? { minMs: -Infinity, maxMs: Infinity };
    const path = partitionPath(directory, name);
    const newestPartId = parts.reduce((newest, { id }) => Math.max(newest, id), 0);
    return indexSegments.map(({ files, seriesCount, sizeBytes, activityPartId }) => ({
      partition: name, path: `${path}/${files[0]}`, minMs, maxMs, rowCount: seriesCount, sizeBytes, isActivityExact: newestPartId <= (activityPartId ?? 0),
    }));
  });
}
