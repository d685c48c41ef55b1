/**
 * What an index segment says about when its series have samples, to be compared with the blocks of parts: queries of old months leave out series by it. It is
 * exact for the parts that were merged together with the segment, and a hint for others (docs/formats/partition_index.md). 16 bytes for each series.
 */
import type { BlockList } from "./block_list.ts";
import { daysOf, type Partition } from "./partition.ts";
import type { IndexRows } from "./partition_index_format.ts";

export class SegmentActivity {
  readonly #partition: Partition;
  /** Exact for parts with ids up to this one. */
  readonly partIdMax: number;
  readonly #seriesIds: Uint32Array;
  /** Milliseconds since the begin of the month. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #days: Uint32Array;
  #count = 0;

  constructor(partition: Partition, partIdMax: number, rowCount: number) {
    this.#partition = partition;
    this.partIdMax = partIdMax;
    this.#seriesIds = new Uint32Array(rowCount);
    this.#from = new Uint32Array(rowCount);
    this.#to = new Uint32Array(rowCount);
    this.#days = new Uint32Array(rowCount);
  }

  /** Takes a row; ids ascend. */
  add(rows: IndexRows, row: number): void {
    const at = this.#count++;
    if (at >= this.#seriesIds.length) return; // more rows than the segment says that it has, which is reported elsewhere
    const { minMs, maxMs } = this.#partition;
    this.#seriesIds[at] = rows.seriesIds[row];
    this.#from[at] = Math.max(rows.minMs[row], minMs) - minMs;
    this.#to[at] = Math.min(rows.maxMs[row], maxMs) - minMs;
    this.#days[at] = rows.activeDays?.[row] ?? daysOf(this.#partition, rows.minMs[row], rows.maxMs[row]);
  }

  /** Calls `report` for each block of an ascending list whose first or last sample is at a time at which its series is said to have none. */
  check(list: BlockList, report: (seriesId: number) => void): void {
    let at = this.#firstAtOrAfter(list.seriesIds[0] ?? 0);
    const end = Math.min(this.#count, this.#seriesIds.length);
    for (let i = 0; i < list.count; i++) {
      while (at < end && this.#seriesIds[at] < list.seriesIds[i]) at++;
      if (at === end) return;
      if (this.#seriesIds[at] !== list.seriesIds[i]) continue;
      const [fromMs, toMs] = [list.minMs[i], list.maxMs[i]];
      const isInside = fromMs - this.#partition.minMs >= this.#from[at] && toMs - this.#partition.minMs <= this.#to[at];
      const days = (daysOf(this.#partition, fromMs, fromMs) | daysOf(this.#partition, toMs, toMs)) >>> 0;
      if (!isInside || (days & ~this.#days[at]) !== 0) report(list.seriesIds[i]);
    }
  }

  #firstAtOrAfter(seriesId: number): number {
    let low = 0;
    let high = Math.min(this.#count, this.#seriesIds.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#seriesIds[middle] < seriesId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
