/** What fills a live index: which names and pairs have the most series, which names the most values. */
import type { IndexKernel } from "../kernel/postings.ts";
import { metricNameLabel } from "../model/labels.ts";
import type { SeriesLabels } from "./series_labels.ts";

/** A name (or `name=value`) and how many series or values it stands for. */
export interface NamedCount {
  readonly name: string;
  readonly count: number;
}

export interface Cardinality {
  readonly seriesCount: number;
  readonly labelPairCount: number;
  readonly labelNameCount: number;
  /** Each list: the largest first. */
  readonly seriesCountByMetricName: readonly NamedCount[];
  readonly seriesCountByLabelName: readonly NamedCount[];
  readonly seriesCountByLabelPair: readonly NamedCount[];
  readonly labelValueCountByLabelName: readonly NamedCount[];
}

/** Counts over all pairs; `countOf` says how many of the `seriesCount` series have a pair. */
export function cardinalityOf(index: IndexKernel, labels: SeriesLabels, seriesCount: number, countOf: (pairId: number) => number, topCount: number): Cardinality {
  const byMetricName = new TopCounts(topCount);
  const byLabelName = new TopCounts(topCount);
  const byPair = new TopCounts(topCount);
  const valuesByName = new TopCounts(topCount);
  let labelPairCount = 0;
  let labelNameCount = 0;
  for (let nameId = 1; nameId < index.nameCount; nameId++) {
    const name = labels.nameText(nameId);
    let seriesOfName = 0;
    let valueCount = 0;
    for (let pairId = index.lastPairOfName(nameId); pairId >= 0; pairId = index.pairBefore(pairId)) {
      const count = countOf(pairId);
      if (count === 0) continue;
      seriesOfName += count;
      valueCount++;
      if (name === metricNameLabel) byMetricName.offer(count, () => labels.valueText(pairId));
      byPair.offer(count, () => `${name}=${labels.valueText(pairId)}`);
    }
    if (valueCount === 0) continue;
    labelNameCount++;
    labelPairCount += valueCount;
    byLabelName.offer(seriesOfName, () => name);
    valuesByName.offer(valueCount, () => name);
  }
  return {
    seriesCount,
    labelPairCount,
    labelNameCount,
    seriesCountByMetricName: byMetricName.items,
    seriesCountByLabelName: byLabelName.items,
    seriesCountByLabelPair: byPair.items,
    labelValueCountByLabelName: valuesByName.items,
  };
}

/** Keeps the largest counts, the largest first. */
class TopCounts {
  readonly items: NamedCount[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes a count in if it is among the largest so far; only then the name is asked for. */
  offer(count: number, name: () => string): void {
    const { items } = this;
    if (items.length >= this.#max && (this.#max === 0 || count <= items[this.#max - 1].count)) return;
    let at = items.length;
    while (at > 0 && items[at - 1].count < count) at--;
    items.splice(at, 0, { name: name(), count });
    if (items.length > this.#max) items.pop();
  }
}
