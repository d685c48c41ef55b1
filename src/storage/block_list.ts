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
}

/** Aggregates over all values of a block; blocks with NaN (stale markers too) and short blocks have none. */
export const blockAggregates = ["sum", "min", "max", "first", "last"] as const;
export type BlockAggregate = (typeof blockAggregates)[number];

/** Whether block `index` carries `aggregate`. */
export function hasAggregate(list: BlockList, index: number, aggregate: BlockAggregate): boolean {
  return ((list.kinds[index] >>> 16) & (1 << blockAggregates.indexOf(aggregate))) !== 0;
}

/** The samples of blocks [fromIndex, toIndex). */
export function sampleCountOf(list: BlockList, fromIndex = 0, toIndex = list.count): number {
  let sampleCount = 0;
  for (let i = fromIndex; i < toIndex; i++) sampleCount += list.sampleCounts[i];
  return sampleCount;
}

type Column = "seriesIds" | "kinds" | "sampleCounts" | "minMs" | "maxMs" | "valuesFrames" | "valuesFrameSizes" | "valuesOffsets" | "valuesSizes";
type TimestampsColumn = "timestampsFrames" | "timestampsFrameSizes" | "timestampsOffsets" | "timestampsSizes";
const columns: readonly (Column | TimestampsColumn)[] = [
  "seriesIds",
  "kinds",
  "sampleCounts",
  "minMs",
  "maxMs",
  "valuesFrames",
  "valuesFrameSizes",
  "valuesOffsets",
  "valuesSizes",
  "timestampsFrames",
  "timestampsFrameSizes",
  "timestampsOffsets",
  "timestampsSizes",
];

/** A BlockList that grows: block by block from other lists. */
export class BlockListBuilder implements BlockList {
  count = 0;
  seriesIds = new Uint32Array(0);
  kinds = new Uint32Array(0);
  sampleCounts = new Uint32Array(0);
  minMs = new Float64Array(0);
  maxMs = new Float64Array(0);
  valuesFrames = new Float64Array(0);
  valuesFrameSizes = new Uint32Array(0);
  valuesOffsets = new Uint32Array(0);
  valuesSizes = new Uint32Array(0);
  timestampsFrames = new Float64Array(0);
  timestampsFrameSizes = new Uint32Array(0);
  timestampsOffsets = new Uint32Array(0);
  timestampsSizes = new Uint32Array(0);
  aggregateRows = new Int32Array(0);
  aggregates = { sum: new Float64Array(0), min: new Float64Array(0), max: new Float64Array(0), first: new Float64Array(0), last: new Float64Array(0) };
  #aggregateCount = 0;

  /** Appends blocks [fromIndex, toIndex) of `source`. */
  append(source: BlockList, fromIndex: number, toIndex: number): void {
    const added = toIndex - fromIndex;
    if (this.count + added > this.seriesIds.length) this.#grow(this.count + added);
    for (const column of columns) this[column].set(source[column].subarray(fromIndex, toIndex), this.count);
    for (let i = 0; i < added; i++) {
      const row = source.aggregateRows[fromIndex + i];
      this.aggregateRows[this.count + i] = row < 0 ? -1 : this.#appendAggregates(source, row);
    }
    this.count += added;
  }

  #appendAggregates(source: BlockList, row: number): number {
    const at = this.#aggregateCount++;
    for (const aggregate of blockAggregates) {
      const values = this.aggregates[aggregate];
      if (at === values.length) {
        this.aggregates[aggregate] = new Float64Array(Math.max(64, at * 2));
        this.aggregates[aggregate].set(values);
      }
      // By set(): a NaN keeps its payload.
      this.aggregates[aggregate].set(source.aggregates[aggregate].subarray(row, row + 1), at);
    }
    return at;
  }

  #grow(size: number): void {
    const capacity = Math.max(size, this.seriesIds.length * 2);
    for (const column of columns) {
      const larger = this[column] instanceof Float64Array ? new Float64Array(capacity) : new Uint32Array(capacity);
      larger.set(this[column].subarray(0, this.count));
      (this as Record<string, unknown>)[column] = larger;
    }
    const aggregateRows = new Int32Array(capacity);
    aggregateRows.set(this.aggregateRows.subarray(0, this.count));
    this.aggregateRows = aggregateRows;
  }
}
