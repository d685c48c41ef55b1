/**
 * Start timestamps: since when the sample of a counter counts. They tell a reset that the values do not show, make a rate of samples that
 * each count for themselves (deltas), and say how far the first sample of a window reaches back. 0 means that nothing is known.
 *
 * The rules are those of Prometheus with the feature use-start-timestamps; see docs/decisions/promql.md.
 */
import type { StartColumn } from "./samples.ts";

/** The start timestamp of each of the samples at `timestampsMs`, 0 where it is unknown. */
export function startsOf(timestampsMs: Float64Array, column: StartColumn | undefined): Float64Array {
  const starts = new Float64Array(timestampsMs.length);
  if (column === undefined) return starts;
  let next = 0;
  for (let i = 0; i < starts.length; i++) {
    while (next < column.timestampsMs.length && column.timestampsMs[next] <= timestampsMs[i]) next++;
    // A stale marker says that starts are no longer known.
    if (next > 0 && column.timestampsMs[next - 1] === timestampsMs[i] && !Number.isNaN(column.values[next - 1])) starts[i] = column.values[next - 1];
  }
  return starts;
}

/** Times of samples and their start timestamps. */
export interface StartedSamples {
  readonly timestampsMs: Float64Array;
  readonly starts: Float64Array;
}

/** Whether the counter began anew between sample `later - 1` and sample `later`. */
export function isStartReset({ timestampsMs, starts }: StartedSamples, later: number): boolean {
  return isResetBetween(starts[later - 1], timestampsMs[later - 1], starts[later], timestampsMs[later]);
}

/** The same of any two samples. */
export function isResetBetween(earlierStartMs: number, earlierMs: number, laterStartMs: number, laterMs: number): boolean {
  // A start at the time of the sample is OpenTelemetry's unknown start, a later one is wrong.
  if (laterStartMs === 0 || laterStartMs >= laterMs) return false;
  if (laterStartMs !== earlierMs) return laterStartMs > earlierMs;
  // A delta begins where the one before ends; a cumulative counter of unknown start points to its first sample, whose own start says nothing.
  return earlierStartMs !== 0 && earlierStartMs < earlierMs;
}

/** Whether a sample among those after `from` and before `to` starts before the one before it ends, with another start than that one. */
export function hasOverlap({ timestampsMs, starts }: StartedSamples, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (starts[i] !== 0 && starts[i] < timestampsMs[i - 1] && starts[i] !== starts[i - 1]) return true;
  return false;
}

/** The start of the first sample of a window if it is within the window and before the sample, else NaN. The value was 0 then. */
export function startWithin({ timestampsMs, starts }: StartedSamples, first: number, windowStartMs: number): number {
  const startMs = starts[first];
  return startMs !== 0 && startMs > windowStartMs && startMs < timestampsMs[first] ? startMs : NaN;
}
