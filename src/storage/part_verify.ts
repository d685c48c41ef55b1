/** Reads a whole part and says what is wrong with it: for `tidemark ctl verify` and tests. */
import { Kernel } from "../kernel/kernel.ts";
import { type BlockList, sampleCountOf } from "./block_list.ts";
import { DamagedBlocksError } from "./part_error.ts";
import type { Part } from "./part.ts";

export interface PartProblem {
  /** Number of the header group. */
  readonly group: number;
  /** Blocks of that group that are lost, of how many. */
  readonly lostBlocks: number;
  readonly message: string;
}

/** Decodes everything; an empty list means that the part is sound. */
export function verifyPart(part: Part): PartProblem[] {
  const kernel = new Kernel();
  const problems: PartProblem[] = [];
  let blockCount = 0;
  let sampleCount = 0;
  for (let group = 0; group < part.groupCount; group++) {
    let list: BlockList;
    try {
      list = part.readGroup(group);
    } catch (error) {
      problems.push({ group, lostBlocks: 0, message: messageOf(error) });
      continue;
    }
    blockCount += list.count;
    sampleCount += sampleCountOf(list);
    problems.push(...verifyGroup(kernel, part, group, list));
  }
  if (problems.length === 0 && (blockCount !== part.totals.blockCount || sampleCount !== part.totals.sampleCount)) {
    problems.push({ group: 0, lostBlocks: 0, message: `the footer counts ${part.totals.sampleCount} samples, the headers ${sampleCount}` });
  }
  return problems;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Samples decoded at a time. */
const stepSamples = 1 << 18;

function verifyGroup(kernel: Kernel, part: Part, group: number, list: BlockList): PartProblem[] {
  const problems: PartProblem[] = [];
  const mark = kernel.mark();
  const timestamps = kernel.allocate(stepSamples * 8);
  const values = kernel.allocate(stepSamples * 8);
  for (let from = 0; from < list.count; ) {
    let to = from;
    for (let samples = 0; to < list.count && samples + list.sampleCounts[to] <= stepSamples; to++) samples += list.sampleCounts[to];
    try {
      part.readBlocks(kernel, list, from, to, timestamps, values, stepSamples);
      const message = checkTimes(list, from, to, kernel.f64.subarray(timestamps / 8));
      if (message !== undefined) problems.push({ group, lostBlocks: 0, message });
    } catch (error) {
      if (!(error instanceof DamagedBlocksError)) throw error;
      problems.push({ group, lostBlocks: error.toIndex - error.fromIndex, message: error.message });
      // The blocks before the damaged ones are read again, alone.
      to = error.fromIndex > from ? error.fromIndex : error.toIndex;
      if (to === error.fromIndex) problems.pop();
    }
    from = to;
  }
  kernel.reset(mark);
  return problems;
}

/** Compares the times of blocks with their headers. */
function checkTimes(list: BlockList, from: number, to: number, timestampsMs: Float64Array): string | undefined {
  let sample = 0;
  for (let block = from; block < to; block++) {
    const end = sample + list.sampleCounts[block];
    let isSound = timestampsMs[sample] === list.minMs[block] && timestampsMs[end - 1] === list.maxMs[block];
    for (let i = sample + 1; i < end; i++) isSound &&= timestampsMs[i] >= timestampsMs[i - 1];
    if (!isSound) return `times of block ${block} (series ${list.seriesIds[block]}) disagree with its header`;
    sample = end;
  }
  return undefined;
}
