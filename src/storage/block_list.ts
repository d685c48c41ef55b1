/**
 * Headers of blocks as columns: what Part.findBlocks answers and Part.readBlocks takes. Blocks are in the order of the part's file:
 * by series, column and time. Arrays may be longer than `count`.
 */
export interface BlockList {
  readonly count: number;
  readonly seriesIds: Uint32Array;
  /** sampleKind | columnId << 8 | aggregate flags << 16. */
  readonly kinds: Uint32Array;
  /** Samples, 1 to 8192. */
  readonly sampleCounts: Uint32Array;
  readonly minMs: Float64Array;
  readonly maxMs: Float64Array;
  /** Where the frame with the values begins in the file, its size without checksum, and the place of the values in it. */
  readonly valuesFrames: Float64Array;
  readonly valuesFrameSizes: Uint32Array;
  readonly valuesOffsets: Uint32Array;
  readonly valuesSizes: Uint32Array;
  /** The same for the timestamps. Blocks with equal places have equal timestamps. */
  readonly timestampsFrames: Float64Array;
  readonly timestampsFrameSizes: Uint32Array;
  readonly timestampsOffsets: Uint32Array;
  readonly timestampsSizes: Uint32Array;
  /** Row of the block in the aggregate columns, -1 if it has none. */
  readonly aggregateRows: Int32Array;
  readonly aggregates: Readonly<Record<BlockAggregate, Float64Array>>;
  /** Left out: all samples are wanted. */
  readonly clips?: BlockClips;
}

/** Samples of each block that are wanted: `counts[i]`, which may be 0, from the `from[i]`-th on. */
export interface BlockClips {
  readonly from: Uint32Array;
  readonly counts: Uint32Array;
}

/** Aggregates over all values of a block; blocks with NaN (stale markers too) and short blocks have none. */
export const blockAggregates = ["sum", "min", "max", "first", "last"] as const;
export type BlockAggregate = (typeof blockAggregates)[number];

/** Whether block `index` carries `aggregate`. */
export function hasAggregate(list: BlockList, index: number, aggregate: BlockAggregate): boolean {
  return ((list.kinds[index] >>> 16) & (1 << blockAggregates.indexOf(aggregate))) !== 0;
}

/** How many samples of each block are wanted. */
export function wantedCounts({ clips, sampleCounts }: BlockList): Uint32Array {
  return clips === undefined ? sampleCounts : clips.counts;
}

/** The samples of blocks [fromIndex, toIndex) that are wanted. */
export function sampleCountOf(list: BlockList, fromIndex = 0, toIndex = list.count): number {
  const counts = wantedCounts(list);
  let sampleCount = 0;
  for (let i = fromIndex; i < toIndex; i++) sampleCount += counts[i];
  return sampleCount;
}

const doubleColumns = ["minMs", "maxMs", "valuesFrames", "timestampsFrames"] as const;
const wordColumns = [
  "seriesIds", "kinds", "sampleCounts", "valuesFrameSizes", "valuesOffsets", "valuesSizes", "timestampsFrameSizes", "timestampsOffsets", "timestampsSizes",
] as const;

const none = new Float64Array(0);

/** A copy in one buffer of its own, which is exactly as large as it has to be. */
export function copyBlockList(source: BlockList): BlockList {
  const { count } = source;
  let aggregateCount = 0;
  for (let i = 0; i < count; i++) aggregateCount = Math.max(aggregateCount, source.aggregateRows[i] + 1);
  const doubles = new Float64Array(count * doubleColumns.length + aggregateCount * blockAggregates.length + Math.ceil((count * (wordColumns.length + 1)) / 2));
  let at = 0;
  const copyDoubles = (column: Float64Array, rows: number): Float64Array => {
    const copy = doubles.subarray(at, at + rows);
    copy.set(column.subarray(0, rows));
    at += rows;
    return copy;
  };
  const [minMs, maxMs, valuesFrames, timestampsFrames] = doubleColumns.map((name) => copyDoubles(source[name], count));
  const [sum, min, max, first, last] = blockAggregates.map((name) => copyDoubles(source.aggregates[name], aggregateCount));
  let wordsAt = at * 8;
  const copyWords = (column: Uint32Array): Uint32Array => {
    const copy = new Uint32Array(doubles.buffer, wordsAt, count);
    copy.set(column.subarray(0, count));
    wordsAt += count * 4;
    return copy;
  };
  const [seriesIds, kinds, sampleCounts, valuesFrameSizes, valuesOffsets, valuesSizes, timestampsFrameSizes, timestampsOffsets, timestampsSizes] = wordColumns.map((name) => copyWords(source[name]));
  const aggregateRows = new Int32Array(doubles.buffer, wordsAt, count);
  aggregateRows.set(source.aggregateRows.subarray(0, count));
  return {
    count, seriesIds, kinds, sampleCounts, minMs, maxMs, valuesFrames, valuesFrameSizes, valuesOffsets, valuesSizes, timestampsFrames, timestampsFrameSizes,
    timestampsOffsets, timestampsSizes, aggregateRows, aggregates: { sum, min, max, first, last },
  };
}

/** Bytes of a list that copyBlockList() has made. */
export function ownedBytesOf(list: BlockList): number {
  return list.seriesIds.buffer.byteLength;
}

/** Views on one buffer: a search makes a few of these, and each buffer costs more than all views. */
function columnsOf(capacity: number) {
  const buffer = new ArrayBuffer(capacity * (doubleColumns.length * 8 + (wordColumns.length + 1) * 4));
  const doubles = (i: number): Float64Array => new Float64Array(buffer, i * capacity * 8, capacity);
  const words = (i: number): Uint32Array => new Uint32Array(buffer, (doubleColumns.length * 2 + i) * capacity * 4, capacity);
  return {
    minMs: doubles(0), maxMs: doubles(1), valuesFrames: doubles(2), timestampsFrames: doubles(3),
    seriesIds: words(0), kinds: words(1), sampleCounts: words(2), valuesFrameSizes: words(3), valuesOffsets: words(4), valuesSizes: words(5),
    timestampsFrameSizes: words(6), timestampsOffsets: words(7), timestampsSizes: words(8), aggregateRows: new Int32Array(words(9).buffer, words(9).byteOffset, capacity),
  };
}

type BlockColumns = ReturnType<typeof columnsOf>;

/** A BlockList that grows: block by block from other lists. */
export class BlockListBuilder implements BlockList, BlockColumns {
  count = 0;
  seriesIds: Uint32Array;
  kinds: Uint32Array;
  sampleCounts: Uint32Array;
  minMs: Float64Array;
  maxMs: Float64Array;
  valuesFrames: Float64Array;
  valuesFrameSizes: Uint32Array;
  valuesOffsets: Uint32Array;
  valuesSizes: Uint32Array;
  timestampsFrames: Float64Array;
  timestampsFrameSizes: Uint32Array;
  timestampsOffsets: Uint32Array;
  timestampsSizes: Uint32Array;
  aggregateRows: Int32Array;
  clips: BlockClips | undefined;
  aggregates: Record<BlockAggregate, Float64Array> = { sum: none, min: none, max: none, first: none, last: none };
  #aggregateCount = 0;

  constructor(capacity = 16) {
    const columns = columnsOf(capacity);
    this.seriesIds = columns.seriesIds;
    this.kinds = columns.kinds;
    this.sampleCounts = columns.sampleCounts;
    this.minMs = columns.minMs;
    this.maxMs = columns.maxMs;
    this.valuesFrames = columns.valuesFrames;
    this.valuesFrameSizes = columns.valuesFrameSizes;
    this.valuesOffsets = columns.valuesOffsets;
    this.valuesSizes = columns.valuesSizes;
    this.timestampsFrames = columns.timestampsFrames;
    this.timestampsFrameSizes = columns.timestampsFrameSizes;
    this.timestampsOffsets = columns.timestampsOffsets;
    this.timestampsSizes = columns.timestampsSizes;
    this.aggregateRows = columns.aggregateRows;
  }

  /** Forgets all blocks. */
  clear(): void {
    this.count = 0;
    this.#aggregateCount = 0;
    this.clips = undefined;
  }

  /** Appends blocks [fromIndex, toIndex) of `source`, with their aggregates or without. Stretches are short, so elements are cheaper than subarrays. */
  append(source: BlockList, fromIndex: number, toIndex: number, hasAggregates = true): void {
    if (this.count + toIndex - fromIndex > this.seriesIds.length) this.#grow(this.count + toIndex - fromIndex);
    for (let i = fromIndex, at = this.count; i < toIndex; i++, at++) {
      this.seriesIds[at] = source.seriesIds[i];
      this.kinds[at] = source.kinds[i];
      this.sampleCounts[at] = source.sampleCounts[i];
      this.minMs[at] = source.minMs[i];
      this.maxMs[at] = source.maxMs[i];
      this.valuesFrames[at] = source.valuesFrames[i];
      this.valuesFrameSizes[at] = source.valuesFrameSizes[i];
      this.valuesOffsets[at] = source.valuesOffsets[i];
      this.valuesSizes[at] = source.valuesSizes[i];
      this.timestampsFrames[at] = source.timestampsFrames[i];
      this.timestampsFrameSizes[at] = source.timestampsFrameSizes[i];
      this.timestampsOffsets[at] = source.timestampsOffsets[i];
      this.timestampsSizes[at] = source.timestampsSizes[i];
      const row = source.aggregateRows[i];
      this.aggregateRows[at] = row < 0 || !hasAggregates ? -1 : this.#appendAggregates(source, row);
    }
    this.count += toIndex - fromIndex;
  }

  #appendAggregates({ aggregates: source }: BlockList, row: number): number {
    const at = this.#aggregateCount++;
    if (at === this.aggregates.sum.length) this.#growAggregates(Math.max(this.seriesIds.length, at * 2));
    const { aggregates } = this;
    aggregates.sum[at] = source.sum[row];
    aggregates.min[at] = source.min[row];
    aggregates.max[at] = source.max[row];
    aggregates.first[at] = source.first[row];
    aggregates.last[at] = source.last[row];
    return at;
  }

  #growAggregates(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * 8 * blockAggregates.length);
    for (const [i, aggregate] of blockAggregates.entries()) {
      const larger = new Float64Array(buffer, i * capacity * 8, capacity);
      larger.set(this.aggregates[aggregate]);
      this.aggregates[aggregate] = larger;
    }
  }

  #grow(size: number): void {
    const larger = columnsOf(Math.max(size, this.seriesIds.length * 2));
    for (const name of doubleColumns) larger[name].set(this[name]);
    for (const name of wordColumns) larger[name].set(this[name]);
    larger.aggregateRows.set(this.aggregateRows);
    Object.assign(this, larger);
  }
}
