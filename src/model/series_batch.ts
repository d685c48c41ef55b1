/** What Stores do to a batch of series before they give it away. */
import type { SeriesBatch } from "./store.ts";

/**
 * The batch without the series that have no samples: they were found by the times of their blocks, and no sample lies in the range. Columns stay where they
 * are; a batch without such series is the same object.
 */
export function withoutEmptySeries(batch: SeriesBatch): SeriesBatch {
  const { seriesCount, sampleFrom } = batch;
  let keptCount = 0;
  for (let i = 0; i < seriesCount; i++) if (sampleFrom[i + 1] > sampleFrom[i]) keptCount++;
  if (keptCount === seriesCount) return batch;
  const kept = new Uint32Array(keptCount);
  const from = new Uint32Array(keptCount + 1);
  for (let i = 0, k = 0; i < seriesCount; i++) {
    if (sampleFrom[i + 1] === sampleFrom[i]) continue;
    kept[k++] = i;
    from[k] = sampleFrom[i + 1];
  }
  const { labelIds } = batch;
  return {
    ...batch,
    seriesCount: keptCount,
    sampleFrom: from,
    labels: (index) => batch.labels(kept[index]),
    ...(labelIds === undefined ? {} : { labelIds: (index, target) => labelIds(kept[index], target) }),
  };
}
