/** The kinds of values that flags take: how each is read, and what a message says is allowed. */
import { parseByteSize, printByteSize } from "../base/byte_size.ts";
import { durationMs, parseDuration } from "../metricsql/duration.ts";

export interface FlagType<T> {
  /** Shown in the help after the name: `-flag=<placeholder>`; "" for switches. */
  readonly placeholder: string;
  /** Completes "allowed: ...". */
  readonly allowed: string;
  /** The value, or undefined if `text` is none. */
  parse(text: string): T | undefined;
}

export interface ListenAddress {
  /** undefined: every address of the machine. */
  readonly host: string | undefined;
  readonly port: number;
}

const dayMs = 86_400_000;
/** What VictoriaMetrics counts for a month and a year. */
const retentionUnitMs: Readonly<Record<string, number>> = { h: 3_600_000, d: dayMs, w: 7 * dayMs, M: 31 * dayMs, y: 365 * dayMs };

export const stringType: FlagType<string> = { placeholder: "string", allowed: "any text", parse: (text) => text };

export const booleanType: FlagType<boolean> = {
  placeholder: "",
  allowed: "true or false",
  parse(text) {
    if (/^(true|t|1)$/i.test(text)) return true;
    return /^(false|f|0)$/i.test(text) ? false : undefined;
  },
};

export const addressType: FlagType<ListenAddress> = {
  placeholder: "address",
  allowed: "host:port or :port, such as :8428, 127.0.0.1:8428, [::1]:8428",
  parse(text) {
    const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
    if (match === null || Number(match[3]) > 65535) return undefined;
    return { host: match[1] ?? (match[2] === "" ? undefined : match[2]), port: Number(match[3]) };
  },
};

/** Milliseconds, between two bounds. */
function durationBetween(minMs: number, maxMs: number, bounds: string): FlagType<number> {
  return {
    placeholder: "duration",
    allowed: `${minMs === 0 ? "0 or " : ""}a duration with unit, such as 500ms, 15s, 1m30s, 2h, 1d${bounds}`,
    parse(text) {
      if (text === "0") return minMs === 0 ? 0 : undefined;
      const duration = /[a-z]$/i.test(text) ? parseDuration(text) : undefined;
      if (duration === undefined || duration.steps !== 0) return undefined;
      const lengthMs = durationMs(duration, 0);
      return lengthMs >= minMs && lengthMs <= maxMs ? lengthMs : undefined;
    },
  };
}

/** Timers of Node.js count to 2^31 milliseconds. */
const timerMsMax = 24 * dayMs;

/** Milliseconds. */
export const durationType = durationBetween(0, 1e15, "");
/** Milliseconds that a timer waits; 0 is allowed. */
export const intervalType = durationBetween(0, timerMsMax, "; at most 24d");
/** Milliseconds that a timer waits. */
export const timeoutType = durationBetween(1, timerMsMax, "; at most 24d");

/** Milliseconds; at least a day. */
export const retentionType: FlagType<number> = {
  placeholder: "period",
  allowed: "a number of months, or a number with one of the units h d w M y, such as 6, 30d, 1y; at least 1d",
  parse(text) {
    const match = /^(\d+(?:\.\d+)?)([hdwMy]?)$/.exec(text);
    if (match === null) return undefined;
    const periodMs = Number(match[1]) * retentionUnitMs[match[2] || "M"];
    return periodMs >= dayMs && periodMs < 1e15 ? Math.floor(periodMs) : undefined;
  },
};

/** A size in bytes between two bounds. */
export function sizeType(minBytes: number, maxBytes: number): FlagType<number> {
  return {
    placeholder: "size",
    allowed: `a size between ${printByteSize(minBytes)} and ${printByteSize(maxBytes)}, such as 33554432, 32MiB, 32MB`,
    parse(text) {
      const sizeBytes = parseByteSize(text);
      return sizeBytes !== undefined && sizeBytes >= minBytes && sizeBytes <= maxBytes ? sizeBytes : undefined;
    },
  };
}

/** A whole number between two bounds. */
export function integerType(min: number, max: number): FlagType<number> {
  return {
    placeholder: "number",
    allowed: `a whole number from ${min} to ${max}`,
    parse(text) {
      const value = /^\d+(e\d)?$/i.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** A number above `min` and at most `max`. */
export function decimalType(min: number, max: number): FlagType<number> {
  return {
    placeholder: "number",
    allowed: `a number above ${min}, at most ${max}`,
    parse(text) {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      return value > min && value <= max ? value : undefined;
    },
  };
}

/** One word of a list. */
export function wordType<W extends string>(words: readonly W[]): FlagType<W> {
  return {
    placeholder: words.join("|"),
    allowed: words.join(", "),
    parse: (text) => words.find((word) => word === text),
  };
}
