/** Plain twin of wasm/sample_gaps.ts. */

/** All gaps of more than `gapMs`: the times before and after. */
export function sampleGapsReference(timestampsMs: Float64Array, gapMs: number): [number, number][] {
  const gaps: [number, number][] = [];
  for (let i = 1; i < timestampsMs.length; i++) if (timestampsMs[i] - timestampsMs[i - 1] > gapMs) gaps.push([timestampsMs[i - 1], timestampsMs[i]]);
  return gaps;
}

/** Whether the last 20 intervals agree: those from the 0.3- to the 0.85-quantile differ by at most a fifth, and are at most `maxMs`. */
export function sampleIntervalIsSettledReference(timestampsMs: Float64Array, maxMs: number): boolean {
  const last = timestampsMs.slice(-21);
  const intervals = Float64Array.from({ length: Math.max(0, last.length - 1) }, (_, i) => last[i + 1] - last[i]).sort();
  if (intervals.length === 0) return true;
  const low = intervals[Math.floor((intervals.length - 1) * 0.3 + 1e-9)];
  const high = intervals[Math.ceil((intervals.length - 1) * 0.85 - 1e-9)];
  return low <= maxMs && high <= low * 1.2;
}
