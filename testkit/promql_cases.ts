/** Loads the groups of conformance/promql-cases.json into a Store, and compares answers with what the cases expect. */
import { readFileSync } from "node:fs";
import { encodeLabelRun, labelsOf, labelsToRecord } from "../src/model/labels.ts";
import { startComponent, visitComponents, withHistogramLabel } from "../src/model/histogram_series.ts";
import { bucketsOfSpans, compactHistogram, type CounterResetHint, createHistogram, type FloatHistogram } from "../src/model/native_histogram.ts";
import { sampleKindHistogram, writeStaleMarker } from "../src/model/row_batch.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { Store } from "../src/model/store.ts";
import type { QueryResult, ResultSeries } from "../src/query/result.ts";

export interface CaseHistogram {
  readonly schema: number;
  readonly count: CaseNumber;
  readonly sum: CaseNumber;
  readonly zero_count: CaseNumber;
  readonly zero_threshold: number;
  readonly counter_reset_hint: CounterResetHint;
  readonly hint_set?: boolean;
  readonly positive_spans: [number, number][];
  readonly positive_buckets: CaseNumber[];
  readonly negative_spans: [number, number][];
  readonly negative_buckets: CaseNumber[];
  readonly custom_values?: CaseNumber[];
}

type CaseNumber = number | string;
type CaseValue = CaseNumber | CaseHistogram;

interface CaseSeries {
  readonly metric: Record<string, string>;
  readonly values?: string;
  readonly samples?: [number, CaseValue][];
  /** Since when each sample counts, as a duration from it; the notation of values. */
  readonly start_timestamps?: string;
}

export interface CaseLoad {
  readonly interval_ms: number;
  readonly series: CaseSeries[];
  readonly nhcb_series?: CaseSeries[];
}

export interface CaseGroup {
  readonly id: string;
  readonly loads: CaseLoad[];
}

interface ExpectedSeries {
  readonly metric: Record<string, string>;
  readonly value?: CaseValue;
  readonly values?: (CaseValue | null)[];
}

export interface PromqlCase {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly group: string;
  readonly loads: number;
  readonly query: string;
  readonly kind: "instant" | "range";
  readonly at: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly expected: { readonly type: string; readonly value?: CaseNumber; readonly series: ExpectedSeries[]; readonly start?: number; readonly step?: number };
  readonly fail?: true | { readonly msg?: string; readonly regex?: string };
  readonly ordered?: boolean;
  readonly native_histogram?: boolean;
  readonly features?: string[];
  readonly annotations?: { readonly type: string; readonly msg?: string; readonly regex?: string }[];
}

export function readPromqlCases(): { groups: CaseGroup[]; cases: PromqlCase[] } {
  return JSON.parse(readFileSync(new URL("../conformance/promql-cases.json", import.meta.url), "utf8")) as { groups: CaseGroup[]; cases: PromqlCase[] };
}

// ---- loading ----

export async function loadSeries(store: Store, load: CaseLoad): Promise<void> {
  const builder = new RowBatchBuilder();
  for (const series of [...load.series, ...(load.nhcb_series ?? [])]) addSeries(builder, series, load.interval_ms);
  await store.write(builder.build());
}

function addSeries(builder: RowBatchBuilder, series: CaseSeries, intervalMs: number): void {
  const labels = labelsOf(series.metric);
  const samples = series.samples ?? expandValues(series.values ?? "").flatMap((value, i): [number, CaseNumber][] => (value === undefined ? [] : [[i * intervalMs, value]]));
  const columns = new Map<string, [number, CaseNumber][]>();
  const add = (component: string, timeMs: number, value: CaseNumber): void => {
    const column = columns.get(component) ?? [];
    columns.set(component, column);
    column.push([timeMs, value]);
  };
  for (const [timeMs, value] of samples) {
    if (typeof value === "object") visitComponents(histogramOf(value), (component, part) => add(component, timeMs, part));
    else add("", timeMs, value);
  }
  expandStarts(series.start_timestamps ?? "").forEach((offsetMs, i) => {
    if (offsetMs !== undefined) add(startComponent, i * intervalMs, i * intervalMs + offsetMs);
  });
  for (const [component, column] of columns) {
    const values = Float64Array.from(column, ([, value]) => numberOf(value));
    column.forEach(([, value], i) => {
      if (value === "stale") writeStaleMarker(values, i);
    });
    const timestampsMs = Float64Array.from(column, ([timeMs]) => timeMs);
    if (component === "") builder.addSeries(labels, timestampsMs, values);
    else builder.addLabelRun(encodeLabelRun(withHistogramLabel(labels, component)), timestampsMs, values, sampleKindHistogram);
  }
}

/** `1 2+3x4 _ stale`: numbers, repetitions, gaps. */
function expandValues(text: string): (CaseNumber | undefined)[] {
  return text.split(/\s+/).filter((token) => token !== "").flatMap((token): (CaseNumber | undefined)[] => {
    const [, base, step, times] = /^(_|stale|[+-]?(?:[\d.]+(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN]))([+-](?:[\d.]+(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN]))?(?:x(\d+))?$/.exec(token) ?? [];
    if (base === undefined) throw new Error(`bad series notation: ${token}`);
    const count = times === undefined ? 1 : Number(times) + (base === "_" ? 0 : 1);
    if (base === "_") return Array.from({ length: count }, () => undefined);
    if (base === "stale") return Array.from({ length: count }, () => "stale");
    const values: number[] = [numberOf(base)];
    while (values.length < count) values.push(step === undefined ? values[0] : values[values.length - 1] + numberOf(step));
    return values;
  });
}

/** `_ -1m -30s-1mx2`: gaps, and milliseconds from the sample to its start. */
function expandStarts(text: string): (number | undefined)[] {
  return text.split(/\s+/).filter((token) => token !== "").flatMap((token): (number | undefined)[] => {
    const [, first, step = "0", times] = /^(_|[+-]?\d+(?:ms|[smhd])?)([+-]\d+(?:ms|[smhd])?)?(?:x(\d+))?$/.exec(token) ?? [];
    if (first === undefined) throw new Error(`bad notation of start timestamps: ${token}`);
    if (first === "_") return Array.from({ length: Number(times ?? 1) }, () => undefined);
    return Array.from({ length: Number(times ?? 0) + 1 }, (_, i) => offsetOf(first) + i * offsetOf(step));
  });
}

function offsetOf(text: string): number {
  const [, number, unit = "s"] = /^([+-]?\d+)(\D*)$/.exec(text) ?? [];
  const unitMs: Readonly<Record<string, number>> = { "": 1000, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return Number(number) * unitMs[unit];
}

export function numberOf(value: CaseNumber): number {
  if (typeof value === "number") return value;
  const text = value.toLowerCase().replace("infinity", "inf");
  if (text === "nan" || text === "stale") return NaN;
  return text.endsWith("inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
}

function histogramOf(from: CaseHistogram): FloatHistogram {
  return createHistogram({
    schema: from.schema,
    count: numberOf(from.count),
    sum: numberOf(from.sum),
    zeroCount: numberOf(from.zero_count),
    zeroThreshold: from.zero_threshold,
    resetHint: from.counter_reset_hint,
    positive: bucketsOfSpans(from.positive_spans, Float64Array.from(from.positive_buckets, numberOf)),
    negative: bucketsOfSpans(from.negative_spans, Float64Array.from(from.negative_buckets, numberOf)),
    customBounds: Float64Array.from(from.custom_values ?? [], numberOf),
  });
}

// ---- comparing ----

/** What differs between an answer and what a case expects; undefined if nothing does. */
export function differenceOf(row: PromqlCase, result: QueryResult): string | undefined {
  return annotationDifference(row, result) ?? valueDifference(row, result);
}

/** What differs at the time of an instant query, if it is the middle of a range query; annotations are left out. */
export function differenceInRange(row: PromqlCase, result: QueryResult): string | undefined {
  const middle = Math.floor(result.timestampsMs.length / 2);
  const series = result.series.flatMap((one): ResultSeries[] => {
    const kind = one.present?.[middle] ?? 1;
    if (kind === 0) return [];
    const histogram = one.histograms?.[middle];
    return [{ labels: one.labels, values: one.values.slice(middle, middle + 1), present: Uint8Array.of(kind), ...(histogram === undefined ? {} : { histograms: [histogram] }) }];
  });
  const { type } = row.expected;
  return valueDifference({ ...row, ordered: false }, { ...result, resultType: type === "scalar" ? "scalar" : "vector", timestampsMs: Float64Array.of(row.at), series });
}

function annotationDifference({ annotations = [] }: PromqlCase, { warnings = [], infos = [] }: QueryResult): string | undefined {
  for (const { type, msg, regex } of annotations) {
    const list = type.endsWith("warn") ? warnings : infos;
    if (type.startsWith("no_")) {
      if (list.length > 0) return `unexpected annotation: ${list[0]}`;
    } else if (!list.some((text) => (msg === undefined || text === msg) && (regex === undefined || new RegExp(regex).test(text)))) {
      return `missing annotation ${type} ${msg ?? regex ?? ""}, got ${JSON.stringify([...warnings, ...infos])}`;
    }
  }
  return undefined;
}

function valueDifference(row: PromqlCase, result: QueryResult): string | undefined {
  const { expected } = row;
  if (result.resultType !== expected.type && !(row.kind === "range" && result.resultType === "matrix")) return `expected a ${expected.type}, got a ${result.resultType}`;
  if (expected.type === "string") return result.text === expected.value ? undefined : `expected ${expected.value}, got ${result.text}`;
  if (expected.type === "scalar") return pointDifference(expected.value ?? NaN, result.series[0].values[0]);
  return seriesDifference(row, result);
}

type Point = number | FloatHistogram;

function seriesDifference(row: PromqlCase, result: QueryResult): string | undefined {
  const keyOf = (record: Record<string, string>): string => JSON.stringify(Object.entries(record).sort());
  const actual = result.series.map((series) => ({ key: keyOf(labelsToRecord(series.labels)), points: pointsOf(result, series) }));
  const expected = row.expected.series.map((series) => ({ key: keyOf(series.metric), points: expectedPoints(row, series) })).filter(({ points }) => points.size > 0);
  if (row.ordered === true && actual.map(({ key }) => key).join() !== expected.map(({ key }) => key).join()) {
    return `wrong order: ${actual.map(({ key }) => key).join(" ")}`;
  }
  const byKey = new Map(actual.map((series) => [series.key, series.points]));
  if (byKey.size < actual.length) return "the same labels twice";
  for (const { key, points } of expected) {
    const found = byKey.get(key);
    if (found === undefined) return `no series ${key}, got ${[...byKey.keys()].slice(0, 4).join(" ") || "nothing"}`;
    byKey.delete(key);
    for (const timeMs of new Set([...points.keys(), ...found.keys()])) {
      const difference = pointDifference(points.get(timeMs), found.get(timeMs));
      if (difference !== undefined) return `${key} at ${timeMs}: ${difference}`;
    }
  }
  return byKey.size === 0 ? undefined : `unexpected series ${[...byKey.keys()].slice(0, 4).join(" ")}`;
}

function expectedPoints(row: PromqlCase, series: ExpectedSeries): Map<number, CaseValue> {
  if (row.expected.type === "vector") return new Map([[row.at, series.value ?? NaN]]);
  const [startMs, stepMs] = [row.expected.start ?? row.start, row.expected.step ?? row.step];
  return new Map((series.values ?? []).flatMap((value, i): [number, CaseValue][] => (value === null ? [] : [[startMs + i * stepMs, value]])));
}

/** The points of a series by time. */
function pointsOf(result: QueryResult, series: ResultSeries): Map<number, Point> {
  const times = series.timestampsMs ?? result.timestampsMs;
  const points = new Map<number, Point>();
  series.values.forEach((value, i) => {
    const kind = series.present?.[i] ?? 1;
    const histogram = series.histograms?.[i];
    if (kind === 1) points.set(times[i], value);
    else if (kind === 2 && histogram !== undefined) points.set(times[i], histogram);
  });
  series.rawHistograms?.histograms.forEach((histogram, i) => points.set(series.rawHistograms!.timestampsMs[i], histogram));
  return points;
}

function pointDifference(expected: CaseValue | undefined, actual: Point | undefined): string | undefined {
  const isHistogram = typeof expected === "object";
  if (expected === undefined || actual === undefined || isHistogram !== (typeof actual === "object")) {
    return expected === actual ? undefined : `expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
  }
  if (typeof actual === "number") return isClose(numberOf(expected as CaseNumber), actual) ? undefined : `expected ${String(expected)}, got ${actual}`;
  return sameHistogram(expected as CaseHistogram, actual) ? undefined : `expected ${JSON.stringify(expected)}, got ${printFields(actual)}`;
}

function printFields(histogram: FloatHistogram): string {
  return JSON.stringify(histogram, (_key, value: unknown) => (value instanceof Float64Array || value instanceof Int32Array ? [...value] : value));
}

function sameHistogram(from: CaseHistogram, right: FloatHistogram): boolean {
  const left = compactHistogram(histogramOf(from));
  const actual = compactHistogram(right);
  if (from.hint_set === true && from.counter_reset_hint !== right.resetHint) return false;
  const numbers = ({ schema, count, sum, zeroCount, zeroThreshold, positive, negative, customBounds }: FloatHistogram): number[] => [
    schema, count, sum, zeroCount, zeroThreshold, positive.counts.length, negative.counts.length,
    ...positive.indexes, ...positive.counts, ...negative.indexes, ...negative.counts, ...customBounds,
  ];
  const [a, b] = [numbers(left), numbers(actual)];
  return a.length === b.length && a.every((value, i) => isClose(value, b[i]));
}

function isClose(expected: number, actual: number): boolean {
  if (Object.is(expected, actual) || expected === actual) return true;
  if (expected === 0 || actual === 0) return Math.abs(expected - actual) < 1e-12;
  return Math.abs(expected - actual) <= 1e-6 * Math.max(Math.abs(expected), Math.abs(actual)) && Number.isFinite(expected) && Number.isFinite(actual);
}
