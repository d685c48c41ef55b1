/** Durations in configuration files: `15s`, `1m30s`, `1.5h`, `500ms`; a bare number counts seconds, as in VictoriaMetrics. */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 };

/** Whole milliseconds, or undefined if `text` is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+$/.test(text)) return undefined;
  let sumMs = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)) sumMs += Number(count) * unitMs[unit];
  return Math.round(sumMs);
}

/** The shortest usual way to write it: `1m30s`, `15s`, `0s`. */
export function printDuration(durationMs: number): string {
  if (durationMs === 0) return "0s";
  let restMs = durationMs;
  let text = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const count = Math.floor(restMs / unitMs[unit]);
    if (count > 0) text += `${count}${unit}`;
    restMs -= count * unitMs[unit];
  }
  return text;
}
