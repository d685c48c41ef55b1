/**
 * Where a batch of series comes into being: areas of a kernel's memory, into which the blocks of parts are decoded, each to the next place of its series;
 * damaged blocks leave gaps, which are closed, and samples that stand for whole blocks have weights.
 */
import { assert } from "../base/assert.ts";
import { columnKernels, sortScratchBytes } from "../kernel/columns.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { RollupPushDown, SearchRequest } from "../model/store.ts";
import { type BlockList, wantedCounts } from "./block_list.ts";
import { headCopySeriesMax } from "./head_copy.ts";
import { joinedSample } from "./joined_blocks.ts";
import type { Part } from "./part.ts";
import { DamagedBlocksError, NotInlineError } from "./part_error.ts";

/** Blocks of one part for a group; `firstBlock[i]` is the first block of the group's i-th series id. */
export interface PartBlocks {
  readonly part: Part;
  readonly path: string;
  readonly list: BlockList;
  readonly firstBlock: Uint32Array;
  /** Not 0 for blocks that are not decoded: 1 if one sample stands for them, 2 if they are left out. */
  readonly joined: Uint8Array | undefined;
}

/** The series ids of a group, ascending, and whose they are; without `seriesOf` the i-th is that of the i-th series in reading order. */
export interface GroupRows {
  readonly sortedIds: Uint32Array;
  readonly seriesOf?: Uint32Array;
  /** Rows by series. */
  readonly rowsOf?: readonly (readonly number[])[];
}

/** Areas for one batch in a kernel's memory. */
export class BatchAreas {
  readonly kernel: Kernel;
  readonly samples: number;
  readonly timestamps: number;
  readonly values: number;
  readonly scratch: number;
  readonly sampleFrom: number;
  /** How many samples each one stands for; and what putting them into the order of the samples needs. */
  readonly weights: number;
  readonly weightTimestamps: number;
  readonly weightFrom: number;

  constructor(kernel: Kernel, samples: number) {
    this.kernel = kernel;
    this.samples = samples;
    const columnBytes = (samples + 16) * 8;
    this.timestamps = kernel.allocate(columnBytes);
    this.values = kernel.allocate(columnBytes);
    this.scratch = kernel.allocate(sortScratchBytes(samples));
    this.sampleFrom = kernel.allocate((headCopySeriesMax + 1) * 4);
    this.weights = kernel.allocate(columnBytes);
    this.weightTimestamps = kernel.allocate(columnBytes);
    this.weightFrom = kernel.allocate((headCopySeriesMax + 1) * 4);
  }
}

/** Where a batch comes into being. */
export interface BatchTarget {
  readonly areas: BatchAreas;
  /** Its first series in reading order. */
  readonly fromSeries: number;
  /** Next free place of each series. */
  readonly places: Uint32Array;
  readonly joins: Joins;
  /** Whether blocks were left out, so that series may end before the room that they were given. */
  hasGaps: boolean;
}

/** Reads a part's blocks of rows [fromRow, toRow) to the next places of their series. */
export function readRows(blocks: PartBlocks, { seriesOf }: GroupRows, fromRow: number, toRow: number, target: BatchTarget, report: (error: unknown) => void): void {
  const { list, firstBlock, joined } = blocks;
  const { places, fromSeries, joins } = target;
  const first = firstBlock[fromRow];
  const end = firstBlock[toRow];
  // Of each block from the first one on: the series that it belongs to.
  const owners = new Uint32Array(end - first);
  for (let row = fromRow; row < toRow; row++) {
    const series = (seriesOf === undefined ? row : seriesOf[row]) - fromSeries;
    for (let block = firstBlock[row]; block < firstBlock[row + 1]; block++) owners[block - first] = series;
  }
  for (let from = first; from < end; ) {
    if (joined !== undefined && joined[from] !== 0) {
      if (joined[from] === 1) joins.add(list, from, places[owners[from - first]]++);
      from++;
      continue;
    }
    const to = stretchEnd(joined, from, end);
    decodeStretch(blocks, from, to, owners.subarray(from - first, to - first), target, report);
    from = to;
  }
}

/** Decodes blocks [from, to). Damaged ones are reported and left out; those before and after them are decoded all the same. */
function decodeStretch({ part, list }: PartBlocks, from: number, to: number, owners: Uint32Array, target: BatchTarget, report: (error: unknown) => void): void {
  const { areas, places } = target;
  const counts = wantedCounts(list);
  const blockPlaces = new Uint32Array(to - from);
  const read = (fromBlock: number, toBlock: number): void => {
    part.readBlocks(areas.kernel, list, fromBlock, toBlock, areas.timestamps, areas.values, areas.samples, blockPlaces.subarray(fromBlock - from));
  };
  for (let block = from; block < to; ) {
    for (let i = block; i < to; i++) {
      const owner = owners[i - from];
      blockPlaces[i - from] = places[owner];
      places[owner] += counts[i];
    }
    try {
      return read(block, to);
    } catch (error) {
      if (error instanceof NotInlineError) throw error;
      report(error);
      target.hasGaps = true;
      const { fromIndex, toIndex } = error instanceof DamagedBlocksError ? error : { fromIndex: block, toIndex: to };
      for (let i = fromIndex; i < to; i++) places[owners[i - from]] -= counts[i];
      // What stood before the damage is decoded again: the failed call may have stopped anywhere.
      if (fromIndex > block) read(block, fromIndex);
      block = toIndex;
    }
  }
}

/** Few samples are copied faster one by one. */
export function copySamples(source: Float64Array, from: number, count: number, target: Float64Array, to: number): void {
  if (count > 64) return target.set(source.subarray(from, from + count), to);
  for (let i = 0; i < count; i++) target[to + i] = source[from + i];
}

/** The end of the blocks from `from` on that are decoded together, which is `to` at most. */
function stretchEnd(joined: Uint8Array | undefined, from: number, to: number): number {
  if (joined === undefined) return to;
  let end = from;
  while (end < to && joined[end] === 0) end++;
  return end;
}

/** The samples of a batch that stand for whole blocks, and the weights of all samples. */
export class Joins {
  readonly #areas: BatchAreas;
  readonly #rollup: RollupPushDown | undefined;
  /** Places, and how many samples each stands for. */
  readonly #places: number[] = [];
  readonly #counts: number[] = [];

  constructor(areas: BatchAreas, rollup: RollupPushDown | undefined) {
    this.#areas = areas;
    this.#rollup = rollup;
  }

  /** Puts the sample of a block at its place. */
  add(list: BlockList, block: number, place: number): void {
    assert(this.#rollup !== undefined, "blocks are joined for a rollup");
    const { kernel, timestamps, values } = this.#areas;
    const { timestampMs, value } = joinedSample(list, block, this.#rollup);
    kernel.f64[timestamps / 8 + place] = timestampMs;
    kernel.f64[values / 8 + place] = value;
    this.#places.push(place);
    this.#counts.push(list.sampleCounts[block]);
  }

  /** Writes the weights of `count` samples, if there are some and the rollup wants to know; returns where. REQUIRES: everything is decoded. */
  weigh(count: number): number | undefined {
    if (this.#places.length === 0 || (this.#rollup?.function !== "avg" && this.#rollup?.function !== "count")) return undefined;
    const { kernel, weights } = this.#areas;
    const at = weights / 8;
    kernel.f64.fill(1, at, at + count);
    for (let i = 0; i < this.#places.length; i++) kernel.f64[at + this.#places[i]] = this.#counts[i];
    return weights;
  }

  /** Orders and clips the weights as columnsFinish is going to do with the values. */
  finishWeights(seriesCount: number, { range }: SearchRequest): void {
    const { kernel, sampleFrom, timestamps, weightFrom, weightTimestamps, weights, scratch } = this.#areas;
    const bounds = kernel.u32.subarray(sampleFrom / 4, sampleFrom / 4 + seriesCount + 1);
    kernel.u32.set(bounds, weightFrom / 4);
    kernel.f64.copyWithin(weightTimestamps / 8, timestamps / 8, timestamps / 8 + bounds[seriesCount]);
    columnKernels(kernel).columnsFinish(weightFrom, seriesCount, weightTimestamps, weights, range.minMs, range.maxMs, scratch);
  }
}

/** Where a part could not be read, the samples that are there move together: series i has [its start, places[i]). */
export function closeGaps(areas: BatchAreas, places: Uint32Array, weights: number | undefined): void {
  const { kernel } = areas;
  const sampleFrom = areas.sampleFrom / 4;
  const columns = [areas.timestamps / 8, areas.values / 8, ...(weights === undefined ? [] : [weights / 8])];
  let end = 0;
  for (let i = 0; i < places.length; i++) {
    const from = kernel.u32[sampleFrom + i];
    for (const column of columns) kernel.f64.copyWithin(column + end, column + from, column + places[i]);
    kernel.u32[sampleFrom + i] = end;
    end += places[i] - from;
  }
  kernel.u32[sampleFrom + places.length] = end;
}
