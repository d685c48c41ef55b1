/** The transform functions: one row each. Functions of labels and of histograms stand in files of their own. */
import { InputError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { Column } from "./column_pool.ts";
import { endMsOf } from "./grid.ts";
import { histogramFunctions } from "./histogram_functions.ts";
import { labelFunctions } from "./label_functions.ts";
import { rangeFunctions } from "./range_functions.ts";
import { isScalarVector, labelsKey, noLabels, type Series } from "./series.ts";
import type { TransformCall, TransformFunction } from "./transform_function.ts";

/** A function of one value. */
function perValue(change: (value: number) => number, facts: Partial<TransformFunction> = {}): TransformFunction {
  return {
    ...facts,
    evaluate: (call) => call.mapColumns((values) => {
      for (let i = 0; i < values.length; i++) values[i] = change(values[i]);
    }),
  };
}

/** A function of one column. */
function perColumn(change: (values: Column, call: TransformCall) => void, facts: Partial<TransformFunction> = {}): TransformFunction {
  return { ...facts, evaluate: (call) => call.mapColumns((values) => change(values, call)) };
}

/** A function without arguments: one value for all points. */
function constant(value: (call: TransformCall) => number): TransformFunction {
  return { evaluate: (call) => call.scalarResult(call.context.filled(call.grid, value(call))) };
}

/** A part of the calendar date of each value in seconds, UTC; of the grid's time without an argument. */
function datePart(part: (date: Date) => number): TransformFunction {
  return {
    evaluate: (call) => {
      if (call.args.length === 0) return call.scalarResult(mapDates(timeColumn(call), part));
      return call.mapColumns((values) => mapDates(values, part));
    },
  };
}

function mapDates(values: Column, part: (date: Date) => number): Column {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) values[i] = part(new Date(Math.trunc(values[i]) * 1000));
  }
  return values;
}

function timeColumn(call: TransformCall): Column {
  const { startMs, stepMs } = call.grid;
  const values = call.context.filled(call.grid, 0);
  for (let i = 0; i < values.length; i++) values[i] = (startMs + i * stepMs) / 1000;
  return values;
}

const dayMs = 86_400_000;
const startOfYear = (date: Date): number => Date.UTC(date.getUTCFullYear(), 0, 1);

function clamp(values: Column, low: Column | undefined, high: Column | undefined): void {
  for (let i = 0; i < values.length; i++) {
    if (high !== undefined && values[i] > high[i]) values[i] = high[i];
    else if (low !== undefined && values[i] < low[i]) values[i] = low[i];
  }
}

/** Half away from zero, to a multiple of `nearest`, freed of the digits that binary fractions add. */
function round(values: Column, nearest: Column): void {
  let last = NaN;
  let scale = 1;
  for (let i = 0; i < values.length; i++) {
    const unit = nearest[i];
    if (unit !== last) {
      last = unit;
      scale = 10 ** decimalsOf(unit);
    }
    const moved = values[i] + (values[i] < 0 ? -0.5 : 0.5) * Math.abs(unit);
    values[i] = Math.trunc((moved - (moved % unit)) * scale) / scale;
  }
}

/** The exponent e such that value = digits / 10^e with digits not divisible by 10; negative for multiples of 10. */
function decimalsOf(value: number): number {
  if (!Number.isFinite(value) || value === 0) return 0;
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  return (mantissa.split(".")[1]?.length ?? 0) - Number(exponent);
}

/** 1 where the argument has no value at all. */
function absent(call: TransformCall): readonly Series[] {
  const values = call.context.filled(call.grid, 1);
  for (const series of call.vector(0)) {
    call.context.kernels.columnDropWhere(values.byteOffset, series.values.byteOffset, values.byteOffset, values.length, 0);
  }
  return [{ labels: call.equalLabels, values }];
}

/** All arguments after each other, each label set once; several scalars stay a list. */
function union(call: TransformCall): readonly Series[] {
  const vectors = call.args.map((arg) => arg.vector);
  if (vectors.length === 0) return call.scalarResult(call.context.filled(call.grid, NaN));
  if (vectors.every(isScalarVector)) return vectors.map((vector) => vector[0]);
  const seen = new Set<string>();
  return vectors.flat().filter((series) => {
    const key = labelsKey(series.labels);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function scalar(call: TransformCall): readonly Series[] {
  const { text, vector } = call.args[0];
  if (text !== undefined) return call.scalarResult(call.context.filled(call.grid, parseFloatStrictly(text)));
  if (vector.length !== 1) return call.scalarResult(call.context.filled(call.grid, NaN));
  return call.scalarResult(vector[0].values);
}

/** The number that a whole text is, NaN if it is none. */
function parseFloatStrictly(text: string): number {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
}

/** By the last value, then the one before and so on; series that have ended come first. */
function sortByValue(direction: 1 | -1): TransformFunction {
  return {
    keepsMetricName: true,
    sortsResult: true,
    evaluate: (call) => [...call.vector(0)].sort((a, b) => compareFromEnd(a.values, b.values, direction)),
  };
}

function compareFromEnd(left: Column, right: Column, direction: 1 | -1): number {
  for (let i = left.length - 1; i >= 0; i--) {
    const l = left[i];
    const r = right[i];
    if (Number.isNaN(l) !== Number.isNaN(r)) return Number.isNaN(l) ? -1 : 1;
    if (l !== r && !Number.isNaN(l)) return (l - r) * direction || (l < r ? -direction : direction);
  }
  return 0;
}

function limitOffset(call: TransformCall): readonly Series[] {
  const limit = call.integer(0);
  const offset = call.integer(1);
  const some = call.vector(2).filter((series) => !call.context.isEmpty(series.values));
  return some.slice(Math.max(0, offset), Math.max(0, offset) + Math.max(0, limit));
}

function bitmap(combine: (left: bigint, right: bigint) => bigint): TransformFunction {
  return {
    evaluate: (call) => {
      const masks = call.scalar(1);
      return call.mapColumns((values) => {
        for (let i = 0; i < values.length; i++) {
          const isSet = Number.isFinite(values[i]) && Number.isFinite(masks[i]);
          values[i] = isSet ? Number(BigInt.asUintN(64, combine(toUint64(values[i]), toUint64(masks[i])))) : NaN;
        }
      });
    },
  };
}

function toUint64(value: number): bigint {
  return BigInt.asUintN(64, BigInt(Math.trunc(value)));
}

/** Random values; with a seed they are the same each time. */
function random(draw: (source: Random) => number): TransformFunction {
  return {
    evaluate: (call) => {
      const source = seededRandom(call.args.length > 0 ? call.integer(0) : call.context.nowMs);
      const values = call.context.filled(call.grid, 0);
      for (let i = 0; i < values.length; i++) values[i] = draw(source);
      return call.scalarResult(values);
    },
  };
}

/** Normally distributed, by Box and Muller. */
function drawNormal(source: Random): number {
  return Math.sqrt(-2 * Math.log(1 - source.next())) * Math.cos(2 * Math.PI * source.next());
}

function timezoneOffset(call: TransformCall): readonly Series[] {
  const zone = call.text(0);
  const values = timeColumn(call);
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone === "Local" ? undefined : zone, timeZoneName: "longOffset" });
  } catch (cause) {
    throw new InputError("bad_arguments", `timezone_offset() does not know the time zone ${JSON.stringify(zone)}`, { cause });
  }
  for (let i = 0; i < values.length; i++) values[i] = offsetSeconds(format, values[i]);
  return call.scalarResult(values);
}

/** Seconds east of UTC: the zone name at the time reads `GMT-05:00`, `GMT+05:53:28` or `GMT`. */
function offsetSeconds(format: Intl.DateTimeFormat, timeS: number): number {
  const text = format.formatToParts(Math.trunc(timeS) * 1000).find((part) => part.type === "timeZoneName")?.value ?? "";
  const match = /([-+])(\d+):(\d+)(?::(\d+))?/.exec(text);
  if (match === null) return 0;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
  return match[1] === "-" ? -seconds : seconds;
}

export const transformFunctions: Readonly<Record<string, TransformFunction>> = {
  ...labelFunctions,
  ...histogramFunctions,
  ...rangeFunctions,
  abs: perValue(Math.abs),
  absent: { evaluate: absent },
  acos: perValue(Math.acos),
  acosh: perValue(Math.acosh),
  asin: perValue(Math.asin),
  asinh: perValue(Math.asinh),
  atan: perValue(Math.atan),
  atanh: perValue(Math.atanh),
  bitmap_and: bitmap((a, b) => a & b),
  bitmap_or: bitmap((a, b) => a | b),
  bitmap_xor: bitmap((a, b) => a ^ b),
  ceil: perValue(Math.ceil, { keepsMetricName: true }),
  clamp: perColumn((values, call) => clamp(values, call.scalar(1), call.scalar(2)), { keepsMetricName: true }),
  clamp_max: perColumn((values, call) => clamp(values, undefined, call.scalar(1)), { keepsMetricName: true }),
  clamp_min: perColumn((values, call) => clamp(values, call.scalar(1), undefined), { keepsMetricName: true }),
  cos: perValue(Math.cos),
  cosh: perValue(Math.cosh),
  day_of_month: datePart((date) => date.getUTCDate()),
  day_of_week: datePart((date) => date.getUTCDay()),
  day_of_year: datePart((date) => Math.floor((date.getTime() - startOfYear(date)) / dayMs) + 1),
  days_in_month: datePart((date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()),
  deg: perValue((v) => (v * 180) / Math.PI),
  drop_empty_series: { keepsMetricName: true, evaluate: (call) => call.vector(0).filter((series) => !call.context.isEmpty(series.values)) },
  end: constant((call) => endMsOf(call.grid) / 1000),
  exp: perValue(Math.exp),
  floor: perValue(Math.floor, { keepsMetricName: true }),
  hour: datePart((date) => date.getUTCHours()),
  limit_offset: { keepsMetricName: true, sortsResult: true, evaluate: limitOffset },
  ln: perValue(Math.log),
  log10: perValue(Math.log10),
  log2: perValue(Math.log2),
  minute: datePart((date) => date.getUTCMinutes()),
  month: datePart((date) => date.getUTCMonth() + 1),
  now: constant((call) => call.context.nowMs / 1000),
  pi: constant(() => Math.PI),
  rad: perValue((v) => (v * Math.PI) / 180),
  rand: random((source) => source.next()),
  rand_exponential: random((source) => -Math.log(1 - source.next())),
  rand_normal: random(drawNormal),
  round: perColumn((values, call) => round(values, call.args.length > 1 ? call.scalar(1) : call.context.filled(call.grid, 1)), { keepsMetricName: true }),
  scalar: { evaluate: scalar },
  sgn: perValue((v) => (v < 0 ? -1 : v > 0 ? 1 : 0)),
  sin: perValue(Math.sin),
  sinh: perValue(Math.sinh),
  sort: sortByValue(1),
  sort_desc: sortByValue(-1),
  sqrt: perValue(Math.sqrt),
  start: constant((call) => call.grid.startMs / 1000),
  step: constant((call) => call.grid.stepMs / 1000),
  tan: perValue(Math.tan),
  tanh: perValue(Math.tanh),
  time: { evaluate: (call) => [{ labels: noLabels, values: timeColumn(call) }] },
  timezone_offset: { evaluate: timezoneOffset },
  union: { keepsMetricName: true, evaluate: union },
  vector: { keepsMetricName: true, evaluate: (call) => call.vector(0) },
  year: datePart((date) => date.getUTCFullYear()),
};

/** The row of a transform or label function; undefined if it is not computed here. */
export function findTransformFunction(name: string): TransformFunction | undefined {
  return Object.hasOwn(transformFunctions, name) ? transformFunctions[name] : undefined;
}
