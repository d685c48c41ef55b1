/**
 * Blocks that a search need not decode, because the caller computes a rollup for which the aggregates in the block's header are enough: all samples of the block
 * lie in the same windows, so one sample stands for them.
 *
 *            block          A boundary of a window (its end t, or t - window) between two samples of a block separates them.
 *      [min ........ max]   The sample at a boundary belongs to what is on its left, so what counts is min <= boundary < max.
 *   --|--------------|----
 */
import type { RollupPushDown, TimeRange } from "../model/store.ts";
import { type BlockAggregate, type BlockList, hasAggregate } from "./block_list.ts";

/** What stands for the values of a block. Any aggregate says that none of them is NaN. */
const aggregateOf: Readonly<Record<RollupPushDown["function"], BlockAggregate>> = {
  sum: "sum", avg: "sum", count: "last", present: "last", min: "min", max: "max", first: "first", last: "last",
};

/** For each block 1 if one sample may stand for it; undefined if that is so for none. */
export function joinedBlocks(list: BlockList, rollup: RollupPushDown, range: TimeRange): Uint8Array | undefined {
  let joined: Uint8Array | undefined;
  for (let block = 0; block < list.count; block++) {
    if (list.aggregateRows[block] < 0 || !hasAggregate(list, block, aggregateOf[rollup.function])) continue;
    if (!isJoined(rollup, range, list.minMs[block], list.maxMs[block])) continue;
    joined ??= new Uint8Array(list.count);
    joined[block] = 1;
  }
  return joined;
}

/** For each block 2 if the caller knows all its samples; undefined if that is so for none. */
export function knownBlocks({ count, minMs, maxMs }: BlockList, known: TimeRange): Uint8Array | undefined {
  let left: Uint8Array | undefined;
  for (let block = 0; block < count; block++) {
    if (minMs[block] < known.minMs || maxMs[block] > known.maxMs) continue;
    left ??= new Uint8Array(count);
    left[block] = 2;
  }
  return left;
}

/** Time and value of the sample that stands for a block. */
export function joinedSample(list: BlockList, block: number, { function: name }: RollupPushDown): { timestampMs: number; value: number } {
  const value = list.aggregates[aggregateOf[name]][list.aggregateRows[block]];
  return { timestampMs: name === "first" ? list.minMs[block] : list.maxMs[block], value };
}

function isJoined(rollup: RollupPushDown, range: TimeRange, minMs: number, maxMs: number): boolean {
  const { startMs, windowMs } = rollup;
  switch (rollup.function) {
    // Where windows begin does not matter to the last sample of a block, nor where they end to the first.
    case "last":
      return maxMs >= range.minMs && maxMs <= range.maxMs && !hasBoundary(rollup, startMs, minMs, maxMs);
    case "first":
      return minMs >= range.minMs && minMs <= range.maxMs && !hasBoundary(rollup, startMs - windowMs, minMs, maxMs);
    default:
      return minMs >= range.minMs && maxMs <= range.maxMs && !hasBoundary(rollup, startMs, minMs, maxMs) && !hasBoundary(rollup, startMs - windowMs, minMs, maxMs);
  }
}

/** Whether one of the times fromMs, fromMs + step, ... lies in [minMs, maxMs). */
function hasBoundary({ stepMs, points }: RollupPushDown, fromMs: number, minMs: number, maxMs: number): boolean {
  const next = Math.max(0, Math.ceil((minMs - fromMs) / stepMs));
  return next < points && fromMs + next * stepMs < maxMs;
}
