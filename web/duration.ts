/** Durations as people and URLs write them: 1h30m, 45s, 250ms, 1.5d. */

const unitMs: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000,
};

/** Milliseconds of a duration; a bare number counts seconds. Undefined if `text` is none, or not above 0. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.length > 64) return undefined;
  if (/^\d+(\.\d+)?$/.test(trimmed)) return positive(Number(trimmed) * 1000);
  if (!/^(\d+(\.\d+)?\s*(ms|[smhdwy])\s*)+$/.test(trimmed)) return undefined;
  let totalMs = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[smhdwy])/g)) totalMs += Number(count) * unitMs[unit];
  return positive(totalMs);
}

function positive(durationMs: number): number | undefined {
  const wholeMs = Math.round(durationMs);
  return wholeMs > 0 && Number.isSafeInteger(wholeMs) ? wholeMs : undefined;
}

/** Shortest exact form with whole numbers, such as 1h30m or 90d. */
export function printDuration(durationMs: number): string {
  let restMs = Math.round(durationMs);
  let text = "";
  for (const unit of restMs % unitMs.y === 0 ? ["y"] : ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(restMs / unitMs[unit]);
    if (count > 0) text += `${count}${unit}`;
    restMs -= count * unitMs[unit];
  }
  return text === "" ? "0s" : text;
}
