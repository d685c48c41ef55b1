/** Moments as text: ISO dates and a 24-hour clock, in UTC or in the zone of the browser. */
import { parseDuration } from "./duration.ts";

/** Which clock is shown. */
export type TimeZone = "utc" | "local";

interface ClockTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly ms: number;
}

function clockTime(timeMs: number, zone: TimeZone): ClockTime {
  const date = new Date(timeMs);
  if (zone === "utc") {
    return {
      year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(),
      hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(), ms: date.getUTCMilliseconds(),
    };
  }
  return {
    year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate(),
    hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds(), ms: date.getMilliseconds(),
  };
}

function padded(value: number, size = 2): string {
  return String(value).padStart(size, "0");
}

/** 2026-11-21 10:07:24, with .123 if the moment is not a whole second. */
export function printTime(timeMs: number, zone: TimeZone): string {
  return `${printDate(timeMs, zone)} ${printClock(timeMs, zone)}`;
}

/** 2026-11-21 */
export function printDate(timeMs: number, zone: TimeZone): string {
  const time = clockTime(timeMs, zone);
  return `${padded(time.year, 4)}-${padded(time.month)}-${padded(time.day)}`;
}

/** 10:07:24, with .123 if the moment is not a whole second. */
export function printClock(timeMs: number, zone: TimeZone): string {
  const time = clockTime(timeMs, zone);
  return `${padded(time.hour)}:${padded(time.minute)}:${padded(time.second)}${time.ms === 0 ? "" : `.${padded(time.ms, 3)}`}`;
}

const dayMs = 86_400_000;

/** The two lines of a label on a time axis whose labels are `stepMs` apart; the date only where it is new. */
export function printAxisTime(timeMs: number, previousMs: number | undefined, stepMs: number, zone: TimeZone): string {
  const date = printDate(timeMs, zone);
  if (stepMs >= dayMs) return date.slice(5) + yearLine(date, previousMs, zone);
  const clock = printClock(timeMs, zone);
  const short = stepMs >= 60_000 ? clock.slice(0, 5) : clock;
  return previousMs !== undefined && printDate(previousMs, zone) === date ? short : `${short}\n${date}`;
}

function yearLine(date: string, previousMs: number | undefined, zone: TimeZone): string {
  const year = date.slice(0, 4);
  return previousMs !== undefined && printDate(previousMs, zone).startsWith(year) ? "" : `\n${year}`;
}

/** The zone as it is written beside times: UTC, or UTC+02:00 for the browser's at that moment. */
export function printZone(timeMs: number, zone: TimeZone): string {
  const offsetMinutes = zone === "utc" ? 0 : -new Date(timeMs).getTimezoneOffset();
  if (offsetMinutes === 0) return "UTC";
  const size = Math.abs(offsetMinutes);
  return `UTC${offsetMinutes < 0 ? "-" : "+"}${padded(Math.floor(size / 60))}:${padded(size % 60)}`;
}

const timePattern = /^(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,3})\d*)?)?)?)?)?(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * A moment that somebody typed or a link carries: a date with or without time (in `zone` unless it names one), Unix time in seconds or
 * milliseconds, now, or now-1h. Undefined if it is none of these.
 */
export function parseTime(text: string, zone: TimeZone, nowMs: number): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "now") return nowMs;
  const relative = /^now\s*-\s*(.+)$/.exec(trimmed);
  if (relative !== null) {
    const durationMs = parseDuration(relative[1]);
    return durationMs === undefined ? undefined : nowMs - durationMs;
  }
  if (/^\d{9,13}(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * (Number(trimmed) < 1e11 ? 1000 : 1));
  return parseDate(trimmed, zone);
}

function parseDate(text: string, zone: TimeZone): number | undefined {
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part, i) => Number(part ?? (i === 2 ? 1 : 0)));
  const ms = Number((match[7] ?? "0").padEnd(3, "0"));
  const inUtcMs = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  const back = clockTime(inUtcMs, "utc");
  if (back.month !== month || back.day !== day || hour > 23 || minute > 59 || second > 59) return undefined;
  const suffix = match[8];
  if (suffix === undefined) return zone === "utc" ? inUtcMs : new Date(year, month - 1, day, hour, minute, second, ms).getTime();
  if (/^z$/i.test(suffix)) return inUtcMs;
  const offsetMinutes = Number(suffix.slice(1, 3)) * 60 + Number(suffix.slice(-2));
  return inUtcMs - (suffix.startsWith("-") ? -1 : 1) * offsetMinutes * 60_000;
}
