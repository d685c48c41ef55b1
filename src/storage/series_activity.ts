/** When series have samples in a partition: learnt by a merge of all its parts, for the rows of its index. Columns that grow, ascending by series id. */
import type { ColumnRun } from "./column_run.ts";
import type { Partition } from "./partition.ts";

const dayMs = 86_400_000;

export class SeriesActivity {
  readonly #partition: Partition;
  #count = 0;
  #seriesIds = new Uint32Array(1024);
  #minMs = new Float64Array(1024);
  #maxMs = new Float64Array(1024);
  #activeDays = new Uint32Array(1024);

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /** Series known so far. */
  get count(): number {
    return this.#count;
  }

  get seriesIds(): Uint32Array {
    return this.#seriesIds.subarray(0, this.#count);
  }

  /** Times of the first and last sample of each series. */
  get minMs(): Float64Array {
    return this.#minMs.subarray(0, this.#count);
  }

  get maxMs(): Float64Array {
    return this.#maxMs.subarray(0, this.#count);
  }

  /** Days of the month with samples, bit 0 is the first. */
  get activeDays(): Uint32Array {
    return this.#activeDays.subarray(0, this.#count);
  }

  /** Adds sorted samples of series in ascending order; a series may be continued by the next run. */
  add({ seriesCount, seriesIds, sampleFrom, timestampsMs }: ColumnRun): void {
    for (let i = 0; i < seriesCount; i++) {
      const [from, to] = [sampleFrom[i], sampleFrom[i + 1]];
      if (from === to) continue;
      let at = this.#count - 1;
      if (at < 0 || this.#seriesIds[at] !== seriesIds[i]) {
        at = this.#append(seriesIds[i], timestampsMs[from]);
      }
      this.#maxMs[at] = timestampsMs[to - 1];
      this.#activeDays[at] |= daysOfSamples(this.#partition.minMs, timestampsMs, from, to);
    }
  }

  #append(seriesId: number, minMs: number): number {
    if (this.#count === this.#seriesIds.length) this.#grow(this.#count * 2);
    const at = this.#count++;
    this.#seriesIds[at] = seriesId;
    this.#minMs[at] = minMs;
    this.#activeDays[at] = 0;
    return at;
  }

  #grow(length: number): void {
    const grown = <T extends Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from as never);
      return to;
    };
    this.#seriesIds = grown(this.#seriesIds, new Uint32Array(length));
    this.#minMs = grown(this.#minMs, new Float64Array(length));
    this.#maxMs = grown(this.#maxMs, new Float64Array(length));
    this.#activeDays = grown(this.#activeDays, new Uint32Array(length));
  }

  /** Position of a series, or -1. Faster when asked for in ascending order, from the position before. */
  find(seriesId: number, from = 0): number {
    let low = from;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.#seriesIds[middle] === seriesId) return middle;
      if (this.#seriesIds[middle] < seriesId) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

/** Days with samples among the sorted [from, to): goes from day to day, not from sample to sample. */
function daysOfSamples(monthMs: number, timestampsMs: Float64Array, from: number, to: number): number {
  let days = 0;
  for (let i = from; i < to; ) {
    const day = Math.floor((timestampsMs[i] - monthMs) / dayMs);
    days |= 2 ** day;
    const nextDayMs = monthMs + (day + 1) * dayMs;
    if (timestampsMs[to - 1] < nextDayMs) break;
    let low = i + 1;
    let high = to - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (timestampsMs[middle] < nextDayMs) low = middle + 1;
      else high = middle;
    }
    i = low;
  }
  return days >>> 0;
}
