/**
 * Time and duration arguments of the HTTP API, as VictoriaMetrics reads them:
 *
 *   1562529662, 1562529662.678, 1.5e9   Unix time; seconds, milliseconds, microseconds or nanoseconds by its size
 *   2026, 2026-08, ... 2026-08-20T04:57:43.123Z, any of them with +02:00    a date in UTC or with an offset
 *   now, now-1h30m, -1h30m, 1h30m       relative to now, always back in time
 *
 * They are read exactly, in nanoseconds, and then cut to the whole milliseconds that Tidemark works with. In requests of PromQL a number is seconds,
 * whatever its size, as Prometheus has it: 1784 is half an hour after 1970 began and no year. All else is read in both.
 */
import { InputError } from "../base/errors.ts";
import { durationMs, parseDuration } from "../metricsql/duration.ts";
import type { Dialect } from "../metricsql/parser.ts";

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);
const nanosecondsPerMs = 1_000_000n;
const secondsLimit = 2n ** 31n;
/** The last millisecond that an int64 of nanoseconds can say: in the year 2262. */
export const timeMaxMs = 9_223_372_036_854;
const minutesPerDay = 1440;

/** What nearly all clients send: whole seconds, from 1973 to 2033. */
const plainSeconds = /^(?:[1-9]\d{8}|1\d{9})$/;

/** A time in whole milliseconds, from 0 to timeMaxMs; times outside are moved to the nearest of these. Throws InputError "bad_argument". */
export function parseTimeArgument(name: string, text: string, nowMs: number, dialect: Dialect = "metricsql"): number {
  if (plainSeconds.test(text)) return Number(text) * 1000;
  if (dialect === "promql" && /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return clamped(msOfSeconds(Number(text)));
  const timeNs = parseTimeNs(text, BigInt(Math.floor(nowMs)) * nanosecondsPerMs);
  if (timeNs === undefined) {
    const message = `bad time ${JSON.stringify(text)} in argument "${name}"; allowed: Unix time in s, ms, us or ns, RFC 3339 or a part of it, now-1h, -1h`;
    throw new InputError("bad_argument", message);
  }
  return clamped(Number(floorDivide(timeNs, nanosecondsPerMs)));
}

function clamped(timeMs: number): number {
  return Math.max(0, Math.min(timeMaxMs, timeMs));
}

/** Rounded to milliseconds, as Prometheus does, where the nanoseconds of VictoriaMetrics are cut. */
function msOfSeconds(seconds: number): number {
  const whole = Math.trunc(seconds);
  return Number.isFinite(whole) ? whole * 1000 + Math.round((seconds - whole) * 1000) : whole;
}

/** A duration in whole milliseconds; a bare number counts seconds. Throws InputError "bad_argument". */
export function parseDurationArgument(name: string, text: string): number {
  const durationNs = parseDurationNs(text);
  if (durationNs !== undefined) return Number(durationNs / nanosecondsPerMs);
  throw new InputError("bad_argument", `bad duration ${JSON.stringify(text)} in argument "${name}"; allowed: seconds, or a duration such as 15s, 1m30s, 1h`);
}

/** Nanoseconds since 1970, or undefined if `text` is no time. */
export function parseTimeNs(text: string, nowNs: bigint): bigint | undefined {
  if (text.length > 64) return undefined;
  if (text === "now") return nowNs;
  const { rest, offsetMinutes } = splitZone(text);
  if (offsetMinutes === undefined) return undefined;
  if (/[^0-9]$/.test(rest) || rest.startsWith("-") || rest.startsWith("now")) return offsetMinutes === 0 ? relativeTimeNs(rest, nowNs) : undefined;
  if (/^\d{4}$/.test(rest) || rest.includes("-")) return dateNs(rest, offsetMinutes);
  return offsetMinutes === 0 ? parseUnixNs(rest) : undefined;
}

/** Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by size; undefined if it is no number or too large. */
export function parseUnixNs(text: string): bigint | undefined {
  const match = /^([+-]?)(\d{1,40})(?:\.(\d{0,40}))?(?:e([+-]?\d{1,2}))?$/i.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  // The value is digits * 10^scale.
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  const scale = Number(exponent) - fraction.length;
  const value = scaled(digits, scale);
  const unitDigits = isBelow(value, secondsLimit) ? 9 : isBelow(value, secondsLimit * 1000n) ? 6 : isBelow(value, secondsLimit * 1_000_000n) ? 3 : 0;
  const timeNs = scaled(digits, scale + unitDigits);
  return timeNs > int64Max || timeNs < int64Min ? undefined : timeNs;
}

/** A duration in nanoseconds, or undefined if it is none or does not fit. */
export function parseDurationNs(text: string): bigint | undefined {
  const duration = parseDuration(text);
  if (duration === undefined || duration.steps !== 0) return undefined;
  const lengthNs = BigInt(durationMs(duration, 0)) * nanosecondsPerMs;
  return lengthNs > int64Max || lengthNs < int64Min ? undefined : lengthNs;
}

/** digits * 10^scale, cut towards zero. */
function scaled(digits: bigint, scale: number): bigint {
  return scale >= 0 ? digits * 10n ** BigInt(scale) : digits / 10n ** BigInt(-scale);
}

function isBelow(value: bigint, limit: bigint): boolean {
  return value < limit && value >= -limit;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

/** Cuts off `Z` or `+02:00`; the offset is undefined when it is not a time of day. */
function splitZone(text: string): { rest: string; offsetMinutes: number | undefined } {
  if (text.endsWith("Z")) return { rest: text.slice(0, -1), offsetMinutes: 0 };
  const match = /^(.+)([+-])(\d\d):(\d\d)$/.exec(text);
  if (match === null) return { rest: text, offsetMinutes: 0 };
  const minutes = Number(match[3]) * 60 + Number(match[4]);
  if (minutes >= minutesPerDay || Number(match[4]) >= 60) return { rest: match[1], offsetMinutes: undefined };
  return { rest: match[1], offsetMinutes: match[2] === "-" ? -minutes : minutes };
}

function relativeTimeNs(text: string, nowNs: bigint): bigint | undefined {
  const durationNs = parseDurationNs(text.startsWith("now") ? text.slice(3) : text);
  if (durationNs === undefined) return undefined;
  return nowNs - (durationNs < 0n ? -durationNs : durationNs);
}

const datePattern = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?$/;

function dateNs(text: string, offsetMinutes: number): bigint | undefined {
  const match = datePattern.exec(text);
  if (match === null) return undefined;
  const [year, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((part) => (part === undefined ? undefined : Number(part)));
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  date.setUTCFullYear(year as number, month - 1, day); // Date.UTC takes years below 100 for 19xx
  const isCalendarDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isCalendarDate) return undefined;
  return BigInt(date.getTime() - offsetMinutes * 60_000) * nanosecondsPerMs + BigInt((match[7] ?? "").padEnd(9, "0"));
}
