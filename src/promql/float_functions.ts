/** Functions that compute a float from a float: mathematics, dates, clamping. One row each. */
import { type Call, mapFloats, scalarArg, vectorOf } from "./call.ts";
import { goMax, goMin } from "./go_math.ts";
import { constantSeries, noPoint, type PromSeries, type PromValue } from "./vector.ts";

type FloatFunction = (value: number) => number;

const floatFunctions: Readonly<Record<string, FloatFunction>> = {
  abs: Math.abs,
  acos: Math.acos,
  acosh: Math.acosh,
  asin: Math.asin,
  asinh: Math.asinh,
  atan: Math.atan,
  atanh: Math.atanh,
  ceil: Math.ceil,
  cos: Math.cos,
  cosh: Math.cosh,
  deg: (value) => (value * 180) / Math.PI,
  exp: Math.exp,
  floor: Math.floor,
  ln: Math.log,
  log10: Math.log10,
  log2: Math.log2,
  rad: (value) => (value * Math.PI) / 180,
  sgn: (value) => (value < 0 ? -1 : value > 0 ? 1 : value),
  sin: Math.sin,
  sinh: Math.sinh,
  sqrt: Math.sqrt,
  tan: Math.tan,
  tanh: Math.tanh,
};

/** Parts of a date in UTC. */
const dateFunctions: Readonly<Record<string, (date: Date) => number>> = {
  day_of_month: (date) => date.getUTCDate(),
  day_of_week: (date) => date.getUTCDay(),
  day_of_year: (date) => (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000 + 1,
  days_in_month: (date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate(),
  hour: (date) => date.getUTCHours(),
  minute: (date) => date.getUTCMinutes(),
  month: (date) => date.getUTCMonth() + 1,
  year: (date) => date.getUTCFullYear(),
};

/** The rows of all functions of floats, by name. */
export const floatFunctionCalls: ReadonlyMap<string, (call: Call) => PromValue> = new Map([
  ...Object.entries(floatFunctions).map(([name, compute]) => [name, (call: Call) => mapFloats(call, compute)] as const),
  ...Object.entries(dateFunctions).map(([name, part]) => [name, (call: Call) => datePart(call, part)] as const),
  ["clamp", (call: Call) => clamp(call, (point) => scalarArg(call, 1)[point], (point) => scalarArg(call, 2)[point])] as const,
  ["clamp_max", (call: Call) => clamp(call, () => -Infinity, (point) => scalarArg(call, 1)[point])] as const,
  ["clamp_min", (call: Call) => clamp(call, (point) => scalarArg(call, 1)[point], () => Infinity)] as const,
  ["round", round] as const,
]);

/** Without an argument it is a part of the time of evaluation. */
function datePart(call: Call, part: (date: Date) => number): PromValue {
  const compute = (seconds: number): number => part(new Date(Math.trunc(seconds) * 1000));
  if (call.args.length > 0) return mapFloats(call, compute);
  const series = constantSeries([], call.grid.points, 0);
  for (let point = 0; point < series.values.length; point++) series.values[point] = compute((call.grid.startMs + point * call.grid.stepMs) / 1000);
  return vectorOf([series]);
}

/** Where the upper limit is below the lower one there is no value. */
function clamp(call: Call, lowerAt: (point: number) => number, upperAt: (point: number) => number): PromValue {
  const clamped = mapFloats(call, (value, point) => goMax(lowerAt(point), goMin(upperAt(point), value)));
  if (clamped.kind !== "vector") return clamped;
  const isEmptyAt = (point: number): boolean => upperAt(point) < lowerAt(point);
  const all = clamped.series.map((series): PromSeries => ({ ...series, present: series.present.map((kind, point) => (isEmptyAt(point) ? noPoint : kind)) }));
  return vectorOf(all.filter(({ present }) => present.some((kind) => kind !== noPoint)));
}

/** To the nearest multiple; what is in the middle goes up. */
function round(call: Call): PromValue {
  const nearest = call.args.length > 1 ? scalarArg(call, 1) : undefined;
  return mapFloats(call, (value, point) => {
    // The inverse, since it keeps the results of 0.1 and the like short.
    const inverse = 1 / (nearest === undefined ? 1 : nearest[point]);
    return Math.floor(value * inverse + 0.5) / inverse;
  });
}
