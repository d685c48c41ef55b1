/**
 * Durations: parts of a number and a unit without spaces, `1h30m`, `1.5d`, `500ms`, `2h-5m`. Units are ms s m h d w y of
 * any case (but `M` is a number suffix) and `i`, the step of the query. Once a part is negative, the later ones are too:
 * `-1h30m` is -(1h30m). A bare number counts seconds. `$__interval` and its kin of Grafana are one step.
 */
import { parseNumber } from "./number.ts";

/** lengthMs = fixedMs + steps * stepMs. */
export interface DurationLength {
  readonly fixedMs: number;
  readonly steps: number;
}

const partPattern = /(-?)(\d+(?:\.\d*)?|\.\d+)([mM][sS]|m(?![iIbB])|[sShHdDwWyYiI])/y;
const unitMs: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000,
};
const variables: ReadonlySet<string> = new Set(["$__interval", "$__rate_interval", "$__range"]);
const limitMs = 2 ** 63;

/** Whether `text` is a variable that stands for one step. */
export function isIntervalVariable(text: string): boolean {
  return variables.has(text);
}

/** Where the duration that starts at `index` of `text` ends; `index` if there is none. Its first part is not negative. */
export function scanDuration(text: string, index: number): number {
  partPattern.lastIndex = index;
  if (text[index] === "-" || !partPattern.test(text)) return index;
  let end = partPattern.lastIndex;
  while (partPattern.test(text)) end = partPattern.lastIndex;
  return end;
}

/** Parses a whole duration, which may be negative; undefined if malformed. */
export function parseDuration(text: string): DurationLength | undefined {
  if (variables.has(text)) return { fixedMs: 0, steps: 1 };
  return parseSeconds(text) ?? parseParts(text);
}

function parseSeconds(text: string): DurationLength | undefined {
  if (!/^-?[\d._]+(?:[eE][+-]?\d+)?$/.test(text)) return undefined;
  const isNegative = text.startsWith("-");
  // Unlike a number a duration has no octal form: leading zeros mean nothing.
  const seconds = parseNumber((isNegative ? text.slice(1) : text).replace(/^0+(?=\d)/, ""));
  if (seconds === undefined) return undefined;
  return { fixedMs: Math.trunc((isNegative ? -seconds : seconds) * 1000) + 0, steps: 0 };
}

function parseParts(text: string): DurationLength | undefined {
  let fixedMs = 0;
  let steps = 0;
  let isNegative = false;
  let end = 0;
  while (end < text.length) {
    partPattern.lastIndex = end;
    const match = partPattern.exec(text);
    if (match === null) return undefined;
    end = partPattern.lastIndex;
    isNegative ||= match[1] === "-" && Number(match[2]) !== 0;
    const count = isNegative ? -Number(match[2]) : Number(match[2]);
    const unit = match[3].toLowerCase();
    if (unit === "i") steps += count;
    else fixedMs += count * unitMs[unit];
  }
  if (end === 0) return undefined;
  // Adding 0 makes 0 of -0.
  return { fixedMs: (steps === 0 ? Math.trunc(fixedMs) : fixedMs) + 0, steps: steps + 0 };
}

/** The length in whole milliseconds at a given step, cut to what an int64 holds. */
export function durationMs(duration: DurationLength, stepMs: number): number {
  const lengthMs = Math.trunc(duration.fixedMs + duration.steps * stepMs);
  return Math.max(-limitMs, Math.min(limitMs, lengthMs));
}

/** Prints a length: `1h30m`, `-5m2i`. parseDuration reads it back to the same length. */
export function printDuration(duration: DurationLength): string {
  const { fixedMs, steps } = duration;
  if (fixedMs === 0 && steps === 0) return "0s";
  // A negative part makes the parts after it negative, so what is positive goes first and the sign is written once.
  const fixed = fixedMs === 0 ? "" : printFixed(Math.abs(fixedMs));
  const stepPart = steps === 0 ? "" : decimal(Math.abs(steps)) + "i";
  if (fixedMs < 0 && steps < 0) return `-${fixed}${stepPart}`;
  if (fixedMs < 0) return `${stepPart}-${fixed}`;
  return steps < 0 ? `${fixed}-${stepPart}` : fixed + stepPart;
}

function printFixed(lengthMs: number): string {
  let text = "";
  let restMs = lengthMs;
  for (const unit of ["d", "h", "m", "s"]) {
    const count = Math.floor(restMs / unitMs[unit]);
    if (count === 0) continue;
    text += decimal(count) + unit;
    restMs -= count * unitMs[unit];
  }
  return restMs === 0 ? text : text + decimal(restMs) + "ms";
}

/** Digits without an exponent, which durations do not have. */
function decimal(value: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  return value >= 1 ? BigInt(value).toString() : value.toFixed(20).replace(/0+$/, "");
}
