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

/** A BlockList that grows: block by block from other lists. */
export class BlockListBuilder implements BlockList {
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
  aggregates = { sum: new Float64Array(0), min: new Float64Array(0), max: new Float64Array(0), first: new Float64Array(0), last: new Float64Array(0) };
  #aggregateCount = 0;

  constructor(capacity = 16) {
    this.seriesIds = new Uint32Array(capacity);
    this.kinds = new Uint32Array(capacity);
    this.sampleCounts = new Uint32Array(capacity);
    this.minMs = new Float64Array(capacity);
    this.maxMs = new Float64Array(capacity);
    this.valuesFrames = new Float64Array(capacity);
    this.valuesFrameSizes = new Uint32Array(capacity);
    this.valuesOffsets = new Uint32Array(capacity);
    this.valuesSizes = new Uint32Array(capacity);
    this.timestampsFrames = new Float64Array(capacity);
    this.timestampsFrameSizes = new Uint32Array(capacity);
    this.timestampsOffsets = new Uint32Array(capacity);
    this.timestampsSizes = new Uint32Array(capacity);
    this.aggregateRows = new Int32Array(capacity);
  }

  /** Forgets all blocks. */
  clear(): void {
    this.count = 0;
    this.#aggregateCount = 0;
    this.clips = undefined;
  }

  /** Appends blocks [fromIndex, toIndex) of `source`. Stretches are short, so elements are cheaper than subarrays. */
  append(source: BlockList, fromIndex: number, toIndex: number): void {
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
      this.aggregateRows[at] = row < 0 ? -1 : this.#appendAggregates(source, row);
    }
    this.count += toIndex - fromIndex;
  }

  #appendAggregates(source: BlockList, row: number): number {
    const at = this.#aggregateCount++;
    for (const aggregate of blockAggregates) {
      if (at === this.aggregates[aggregate].length) this.aggregates[aggregate] = grown(this.aggregates[aggregate], Math.max(16, at * 2));
      this.aggregates[aggregate][at] = source.aggregates[aggregate][row];
    }
    return at;
  }

  #grow(size: number): void {
    const capacity = Math.max(size, this.seriesIds.length * 2);
    this.seriesIds = grown(this.seriesIds, capacity);
    this.kinds = grown(this.kinds, capacity);
    this.sampleCounts = grown(this.sampleCounts, capacity);
    this.minMs = grown(this.minMs, capacity);
    this.maxMs = grown(this.maxMs, capacity);
    this.valuesFrames = grown(this.valuesFrames, capacity);
    this.valuesFrameSizes = grown(this.valuesFrameSizes, capacity);
    this.valuesOffsets = grown(this.valuesOffsets, capacity);
    this.valuesSizes = grown(this.valuesSizes, capacity);
    this.timestampsFrames = grown(this.timestampsFrames, capacity);
    this.timestampsFrameSizes = grown(this.timestampsFrameSizes, capacity);
    this.timestampsOffsets = grown(this.timestampsOffsets, capacity);
    this.timestampsSizes = grown(this.timestampsSizes, capacity);
    this.aggregateRows = grown(this.aggregateRows, capacity);
  }
}

function grown<T extends Uint32Array | Int32Array | Float64Array>(array: T, capacity: number): T {
  const larger = new (array.constructor as new (length: number) => T)(capacity);
  larger.set(array as never);
  return larger;
}
