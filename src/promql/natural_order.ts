/** The order of texts with numbers in them: "a9" before "a10". */
import { compareBytewise } from "../model/labels.ts";

/** Compares runs of digits by their value and everything else bytewise. */
export function compareNaturally(left: string, right: string): number {
  const leftRuns = left.match(/\d+|\D+/g) ?? [];
  const rightRuns = right.match(/\d+|\D+/g) ?? [];
  const count = Math.min(leftRuns.length, rightRuns.length);
  for (let i = 0; i < count; i++) {
    const order = compareRuns(leftRuns[i], rightRuns[i]);
    if (order !== 0) return order;
  }
  return leftRuns.length - rightRuns.length;
}

function compareRuns(left: string, right: string): number {
  if (!/^\d/.test(left) || !/^\d/.test(right)) return compareBytewise(left, right);
  const [a, b] = [BigInt(left), BigInt(right)];
  return a < b ? -1 : a > b ? 1 : 0;
}
