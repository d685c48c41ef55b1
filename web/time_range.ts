/** The range of time that a screen shows: the last while, or from one moment to another; moving it, and the step that suits it. */

/** `relative` ends now, whenever it is asked for. */
export type TimeRange =
  | { readonly kind: "relative"; readonly durationMs: number }
  | { readonly kind: "absolute"; readonly fromMs: number; readonly toMs: number };

/** A range with its moments resolved. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** The ranges offered in a list, up to a year. */
export const relativeRangesMs: readonly number[] = [
  5 * minute, 15 * minute, 30 * minute, hour, 3 * hour, 6 * hour, 12 * hour,
  day, 2 * day, 7 * day, 30 * day, 90 * day, 365 * day,
];

const minRangeMs = second;
const maxRangeMs = 100 * 365 * day;

/** The moments that a range means now. */
export function resolveRange(range: TimeRange, nowMs: number): TimeWindow {
  if (range.kind === "absolute") return range;
  return { fromMs: nowMs - range.durationMs, toMs: nowMs };
}

/** How long a range is. */
export function rangeDurationMs(range: TimeRange): number {
  return range.kind === "relative" ? range.durationMs : range.toMs - range.fromMs;
}

/** Moves a range by half its length: `direction` -1 is back, 1 forward. Forward stops at now, where it becomes relative again. */
export function shiftRange(range: TimeRange, direction: -1 | 1, nowMs: number): TimeRange {
  const { fromMs, toMs } = resolveRange(range, nowMs);
  const durationMs = toMs - fromMs;
  const movedMs = toMs + (direction * durationMs) / 2;
  if (movedMs >= nowMs && direction > 0) return { kind: "relative", durationMs };
  return absoluteRange(movedMs - durationMs, movedMs);
}

/** Twice the length around the same middle; a relative range keeps its end. */
export function zoomOut(range: TimeRange, nowMs: number): TimeRange {
  const durationMs = Math.min(maxRangeMs, 2 * rangeDurationMs(range));
  if (range.kind === "relative") return { kind: "relative", durationMs };
  const middleMs = (range.fromMs + range.toMs) / 2;
  const toMs = Math.min(middleMs + durationMs / 2, Math.max(nowMs, range.toMs));
  return absoluteRange(toMs - durationMs, toMs);
}

/** A range between two moments in either order, at least a second long, in whole milliseconds. */
export function absoluteRange(oneMs: number, otherMs: number): TimeRange {
  const fromMs = Math.round(Math.min(oneMs, otherMs));
  return { kind: "absolute", fromMs, toMs: Math.max(fromMs + minRangeMs, Math.round(Math.max(oneMs, otherMs))) };
}

const pixelsPerPoint = 3;
const niceStepsMs: readonly number[] = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
].map((steps) => steps * second);

/** The step that gives about one point per three pixels of a graph, rounded up to a familiar number; at least a second. */
export function autoStepMs(durationMs: number, widthPx: number): number {
  const wantedMs = durationMs / Math.max(50, widthPx / pixelsPerPoint);
  return niceStepsMs.find((stepMs) => stepMs >= wantedMs) ?? Math.ceil(wantedMs / day) * day;
}

/** The window moved to whole steps, so that repeated queries ask for the same moments. */
export function alignWindow(window: TimeWindow, stepMs: number): TimeWindow {
  const toMs = Math.floor(window.toMs / stepMs) * stepMs;
  return { fromMs: toMs - Math.max(1, Math.round((window.toMs - window.fromMs) / stepMs)) * stepMs, toMs };
}
