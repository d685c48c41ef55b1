/**
 * Further ids of live series. A label set that came back when its id was no longer in memory has got a new id; when the indexes of both months are loaded
 * at a later start, there is one live series, and the samples under its other ids belong to it.
 */

/** A live series and its further ids. Plain data. */
export interface SeriesAlias {
  readonly shard: number;
  readonly seriesIndex: number;
  readonly seriesIds: readonly number[];
}

export class SeriesAliases {
  readonly #shards: readonly Map<number, SeriesAlias & { readonly seriesIds: number[] }>[];

  constructor(shardCount: number) {
    this.#shards = Array.from({ length: shardCount }, () => new Map());
  }

  get count(): number {
    return this.#shards.reduce((sum, { size }) => sum + size, 0);
  }

  add(shard: number, seriesIndex: number, seriesId: number): void {
    const aliases = this.#shards[shard];
    const alias = aliases.get(seriesIndex) ?? { shard, seriesIndex, seriesIds: [] };
    alias.seriesIds.push(seriesId);
    aliases.set(seriesIndex, alias);
  }

  /** Those of the selected series (ascending seriesIndexes by shard). */
  of(selected: readonly Uint32Array[]): SeriesAlias[] {
    return this.#shards.flatMap((aliases, shard) => {
      const series = selected[shard];
      if (aliases.size <= series.length) return [...aliases.values()].filter(({ seriesIndex }) => positionOf(series, seriesIndex) >= 0);
      const found: SeriesAlias[] = [];
      for (const seriesIndex of series) {
        const alias = aliases.get(seriesIndex);
        if (alias !== undefined) found.push(alias);
      }
      return found;
    });
  }
}

/** Where an ascending list has this number, or -1. */
export function positionOf(list: Uint32Array, wanted: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return list[low] === wanted ? low : -1;
}
