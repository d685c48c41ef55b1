/**
 * Reads a whole part and says what is wrong with it: for `tidemark ctl verify` and tests. Every header group, every frame and every block is read;
 * what the headers say is compared with the decoded samples, and the groups and frames must fill the file without a gap.
 */
import { Kernel } from "../kernel/kernel.ts";
import { type BlockAggregate, blockAggregates, type BlockList, hasAggregate, sampleCountOf } from "./block_list.ts";
import { checksumBytes } from "./block_table.ts";
import { DamagedBlocksError } from "./part_error.ts";
import { partHeaderBytes } from "./part_footer.ts";
import type { Part } from "./part.ts";

export interface PartProblem {
  /** Number of the header group; undefined if it is about the whole part. */
  readonly group: number | undefined;
  readonly message: string;
  /** Where in the block file. */
  readonly offset?: number;
  readonly sizeBytes?: number;
  /** What is lost by it. */
  readonly lost?: PartLoss;
}

export interface PartLoss {
  /** 0 if that is not known, because the headers are lost. */
  readonly blockCount: number;
  readonly sampleCount: number;
  /** Inclusive; the last one is not known for the last group. */
  readonly firstSeriesId: number;
  readonly lastSeriesId: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Told about the blocks of each group whose headers can be read, in order. */
export type GroupVisitor = (list: BlockList) => void;

/** Decodes everything; an empty list means that the part is sound. */
export function verifyPart(part: Part): PartProblem[] {
  const problems: PartProblem[] = [];
  const steps = verifyPartSteps(part, (problem) => problems.push(problem));
  while (steps.next().done !== true);
  return problems;
}

/** The same group by group; yields the place in the file that has been reached. Memory is bounded but for 16 bytes for each frame. */
export function* verifyPartSteps(part: Part, report: (problem: PartProblem) => void, visitGroup?: GroupVisitor): Generator<number, void> {
  const kernel = new Kernel();
  const verifier = new PartVerifier(part, kernel, report);
  for (let group = 0; group < part.groupCount; group++) {
    const list = verifier.readGroup(group);
    if (list !== undefined) {
      visitGroup?.(list);
      verifier.checkGroup(group, list);
    }
    const { offset, sizeBytes } = part.groupAt(group);
    yield offset + sizeBytes;
  }
  verifier.checkTotals();
}

/** Samples decoded at a time. */
const stepSamples = 1 << 18;

/** The newest block of a series and column, to compare the next one with. */
interface Predecessor {
  readonly seriesId: number;
  readonly columnId: number;
  readonly maxMs: number;
}

class PartVerifier {
  readonly #part: Part;
  readonly #kernel: Kernel;
  readonly #report: (problem: PartProblem) => void;
  readonly #timestamps: number;
  readonly #values: number;
  /** Size by offset of what headers and directory name: frames with their checksum, header groups. */
  readonly #places = new Map<number, number>();
  #predecessor: Predecessor = { seriesId: -1, columnId: 0, maxMs: -Infinity };
  #problemCount = 0;
  #seriesCount = 0;
  #blockCount = 0;
  #sampleCount = 0;
  #minMs = Infinity;
  #maxMs = -Infinity;

  constructor(part: Part, kernel: Kernel, report: (problem: PartProblem) => void) {
    this.#part = part;
    this.#kernel = kernel;
    this.#report = report;
    this.#timestamps = kernel.allocate(stepSamples * 8);
    this.#values = kernel.allocate(stepSamples * 8);
  }

  #add(problem: PartProblem): void {
    this.#problemCount++;
    this.#report(problem);
  }

  /** The headers of a group, or undefined if they cannot be read. */
  readGroup(group: number): BlockList | undefined {
    const { offset, sizeBytes, firstSeriesId, minMs, maxMs } = this.#part.groupAt(group);
    this.#places.set(offset, sizeBytes);
    try {
      return this.#part.readGroup(group);
    } catch (error) {
      const lastSeriesId = group + 1 < this.#part.groupCount ? this.#part.groupAt(group + 1).firstSeriesId : Infinity;
      this.#add({ group, message: messageOf(error), offset, sizeBytes, lost: { blockCount: 0, sampleCount: 0, firstSeriesId, lastSeriesId, minMs, maxMs } });
      return undefined;
    }
  }

  checkGroup(group: number, list: BlockList): void {
    this.#checkOrder(group, list);
    this.#blockCount += list.count;
    this.#sampleCount += sampleCountOf(list);
    for (let i = 0; i < list.count; i++) {
      this.#places.set(list.valuesFrames[i], list.valuesFrameSizes[i] + checksumBytes);
      this.#places.set(list.timestampsFrames[i], list.timestampsFrameSizes[i] + checksumBytes);
    }
    for (let from = 0; from < list.count; ) {
      let to = from;
      for (let samples = 0; to < list.count && samples + list.sampleCounts[to] <= stepSamples; to++) samples += list.sampleCounts[to];
      this.#checkBlocks(group, list, from, to);
      from = to;
    }
  }

  /** Blocks ascend by series, column and time, and the directory says where the group begins and which times it covers. */
  #checkOrder(group: number, list: BlockList): void {
    const { offset, sizeBytes, firstSeriesId, minMs, maxMs } = this.#part.groupAt(group);
    let leastMs = Infinity;
    let greatestMs = -Infinity;
    for (let i = 0; i < list.count; i++) {
      const seriesId = list.seriesIds[i];
      const columnId = (list.kinds[i] >> 8) & 255;
      const before = this.#predecessor;
      const isSame = seriesId === before.seriesId && columnId === before.columnId;
      const isAscending = isSame ? list.minMs[i] >= before.maxMs : seriesId > before.seriesId || (seriesId === before.seriesId && columnId > before.columnId);
      if (!isAscending) this.#add({ group, message: `block ${i} (series ${seriesId}) is out of order`, offset, sizeBytes });
      if (seriesId !== before.seriesId) this.#seriesCount++;
      this.#predecessor = { seriesId, columnId, maxMs: list.maxMs[i] };
      leastMs = Math.min(leastMs, list.minMs[i]);
      greatestMs = Math.max(greatestMs, list.maxMs[i]);
    }
    this.#minMs = Math.min(this.#minMs, leastMs);
    this.#maxMs = Math.max(this.#maxMs, greatestMs);
    if (list.count === 0 || list.seriesIds[0] !== firstSeriesId || leastMs !== minMs || greatestMs !== maxMs) {
      this.#add({ group, message: "the directory says something else about the header group than the group itself", offset, sizeBytes });
    }
  }

  /** Decodes blocks [from, to); around those that are damaged, the others are checked. */
  #checkBlocks(group: number, list: BlockList, from: number, to: number): void {
    if (from >= to) return;
    try {
      this.#part.readBlocks(this.#kernel, list, from, to, this.#timestamps, this.#values, stepSamples);
    } catch (error) {
      if (!(error instanceof DamagedBlocksError)) {
        this.#add({ group, message: messageOf(error), ...placeOf(list, from, to), lost: lossOf(list, from, to) });
        return;
      }
      this.#add({ group, message: error.message, ...placeOf(list, error.fromIndex, error.toIndex), lost: lossOf(list, error.fromIndex, error.toIndex) });
      this.#checkBlocks(group, list, from, error.fromIndex);
      this.#checkBlocks(group, list, error.toIndex, to);
      return;
    }
    const timestampsMs = this.#kernel.f64.subarray(this.#timestamps / 8, this.#timestamps / 8 + stepSamples);
    const values = this.#kernel.f64.subarray(this.#values / 8, this.#values / 8 + stepSamples);
    let sample = 0;
    for (let block = from; block < to; block++) {
      const end = sample + list.sampleCounts[block];
      const message = timesProblem(list, block, timestampsMs, sample, end) ?? aggregatesProblem(list, block, values, sample, end);
      if (message !== undefined) this.#add({ group, message, ...placeOf(list, block, block + 1), lost: lossOf(list, block, block + 1) });
      sample = end;
    }
  }

  /** What the footer says, and whether everything in the file is named by something. Only if everything could be read. */
  checkTotals(): void {
    if (this.#problemCount > 0) return;
    const { seriesCount, blockCount, sampleCount, minMs, maxMs } = this.#part.totals;
    const isCounted = seriesCount === this.#seriesCount && blockCount === this.#blockCount && sampleCount === this.#sampleCount;
    if (!isCounted) {
      const counted = `${this.#seriesCount} series, ${this.#blockCount} blocks, ${this.#sampleCount} samples`;
      this.#add({ group: undefined, message: `the footer counts ${seriesCount} series, ${blockCount} blocks, ${sampleCount} samples, the headers ${counted}` });
    }
    if (blockCount > 0 && (minMs !== this.#minMs || maxMs !== this.#maxMs)) {
      this.#add({ group: undefined, message: `the footer covers ${minMs} to ${maxMs} ms, the headers ${this.#minMs} to ${this.#maxMs} ms` });
    }
    this.#checkPlaces();
  }

  #checkPlaces(): void {
    const offsets = Float64Array.from(this.#places.keys()).sort();
    let end = partHeaderBytes;
    for (const offset of [...offsets, this.#part.dataEnd]) {
      if (offset > end) this.#add({ group: undefined, message: "nothing names these bytes", offset: end, sizeBytes: offset - end });
      if (offset < end) this.#add({ group: undefined, message: "frames or header groups overlap here", offset, sizeBytes: end - offset });
      end = Math.max(end, offset + (this.#places.get(offset) ?? 0));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The frames of the first of some blocks. */
function placeOf(list: BlockList, from: number, to: number): { offset: number; sizeBytes: number } {
  let last = from;
  while (last + 1 < to && list.valuesFrames[last + 1] >= list.valuesFrames[from]) last++;
  return { offset: list.valuesFrames[from], sizeBytes: list.valuesFrames[last] + list.valuesFrameSizes[last] + checksumBytes - list.valuesFrames[from] };
}

function lossOf(list: BlockList, from: number, to: number): PartLoss {
  let minMs = Infinity;
  let maxMs = -Infinity;
  for (let i = from; i < to; i++) {
    minMs = Math.min(minMs, list.minMs[i]);
    maxMs = Math.max(maxMs, list.maxMs[i]);
  }
  return { blockCount: to - from, sampleCount: sampleCountOf(list, from, to), firstSeriesId: list.seriesIds[from], lastSeriesId: list.seriesIds[to - 1], minMs, maxMs };
}

/** Compares the times of a block, samples [from, to), with its header. */
function timesProblem(list: BlockList, block: number, timestampsMs: Float64Array, from: number, to: number): string | undefined {
  let isSound = timestampsMs[from] === list.minMs[block] && timestampsMs[to - 1] === list.maxMs[block];
  for (let i = from + 1; i < to; i++) isSound &&= timestampsMs[i] >= timestampsMs[i - 1];
  return isSound ? undefined : `times of block ${block} (series ${list.seriesIds[block]}) disagree with its header`;
}

/** Computes the aggregates of a block in the order in which the encoder does, so that they must be equal bit for bit. */
function aggregatesProblem(list: BlockList, block: number, values: Float64Array, from: number, to: number): string | undefined {
  const row = list.aggregateRows[block];
  if (row < 0) return undefined;
  let sum = values[from];
  let min = sum;
  let max = sum;
  for (let i = from + 1; i < to; i++) {
    const value = values[i];
    sum += value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  const actual: Record<BlockAggregate, number> = { sum, min, max, first: values[from], last: values[to - 1] };
  const wrong = blockAggregates.find((aggregate) => hasAggregate(list, block, aggregate) && !Object.is(list.aggregates[aggregate][row], actual[aggregate]));
  return wrong === undefined ? undefined : `${wrong} of block ${block} (series ${list.seriesIds[block]}) is ${list.aggregates[wrong][row]} in its header, but ${actual[wrong]}`;
}
