/**
 * What caches of results need to know of a Store: whether something was written at times that they have taken for final.
 *
 * A cache says before an evaluation up to which time it will take what it reads for final, and gets a number, the epoch. Whatever is written
 * at or before that time later on is a change since that epoch. Two rules make that exact without any lock:
 *
 * - `begin` comes before the first search of the evaluation, so that what is written meanwhile is either seen by its searches or a change.
 * - A result is kept only as far as it depends on samples up to `finalMs`.
 */
export interface ChangeWatch {
  /** Takes all times up to `finalMs` for final from now on; returns the epoch that changes are counted from. */
  begin(finalMs: number): number;
  /** Where within [minMs, maxMs] something may have changed since the epoch: at this time or later; Infinity if nothing has. */
  firstChangeMs(epoch: number, minMs: number, maxMs: number): number;
}
