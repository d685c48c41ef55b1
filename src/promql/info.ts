/** info(v, {...}): adds the labels of info metrics, such as target_info, that have the same instance and job. */
import { assert } from "../base/assert.ts";
import { InputError } from "../base/errors.ts";
import type { FunctionExpr } from "../metricsql/ast.ts";
import { compareBytewise, type Label, type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import type { Matcher } from "../model/matcher.ts";
import { compileMatcher } from "../model/regexp.ts";
import type { Grid } from "../query/grid.ts";
import { labelsKey, setLabel } from "../query/series.ts";
import type { PromContext } from "./context.ts";
import { filtersOf } from "./expression.ts";
import { instantSeries } from "./instant_selector.ts";
import { mergeSameLabels, metricNameOf, printSeriesLabels } from "./series_labels.ts";
import { mapSeries } from "./series_reader.ts";
import { shiftOfFirstSelector } from "./time_shift.ts";
import { histogramPoint, noPoint, type PromSeries, type PromValue, SeriesBuilder } from "./vector.ts";

/** Labels by which a series finds its info series. */
const identifyingLabels: readonly string[] = ["instance", "job"];
const defaultInfoMetric = "target_info";

/** What the second argument asks for. */
interface InfoRequest {
  readonly nameMatchers: readonly Matcher[];
  /** By label; without any, all labels are added. */
  readonly dataMatchers: ReadonlyMap<string, readonly Matcher[]>;
}

/** `base` is the evaluated first argument of `expr`. */
export async function addInfoLabels(context: PromContext, expr: FunctionExpr, base: PromValue, grid: Grid): Promise<PromValue> {
  assert(base.kind === "vector");
  const request = requestOf(expr);
  const isInfo = (labels: Labels): boolean => request.nameMatchers.every(({ op, value }) => compileMatcher(op, value)(metricNameOf(labels)));
  const [plain, enriched] = [base.series.filter(({ labels }) => isInfo(labels)), base.series.filter(({ labels }) => !isInfo(labels))];
  const infos = await readInfos(context, expr, request, enriched, grid);
  const partners = newestByIdentity(infos, grid.points);
  const result = [...plain];
  for (const series of enriched) result.push(...enrich(context, series, partners, request));
  return { kind: "vector", series: mergeSameLabels(result) };
}

function requestOf({ args }: FunctionExpr): InfoRequest {
  const filters = args.length > 1 ? (filtersOf(args[1]) ?? []) : [];
  const nameMatchers = filters.filter(({ name }) => name === metricNameLabel);
  const dataMatchers = new Map<string, Matcher[]>();
  for (const filter of filters) {
    if (filter.name !== metricNameLabel) dataMatchers.set(filter.name, [...(dataMatchers.get(filter.name) ?? []), filter]);
  }
  return { nameMatchers: withInfoMetrics(nameMatchers), dataMatchers };
}

/** Matchers that only exclude names would let all metrics through. */
function withInfoMetrics(matchers: readonly Matcher[]): readonly Matcher[] {
  if (matchers.length === 0) return [{ name: metricNameLabel, op: "=", value: defaultInfoMetric }];
  if (matchers.some(({ op }) => op === "=" || op === "=~")) return matchers;
  return [{ name: metricNameLabel, op: "=~", value: ".+_info" }, ...matchers];
}

/** Info series that may belong to one of `base`; the values are times of samples, since the newest one counts. */
async function readInfos(context: PromContext, expr: FunctionExpr, request: InfoRequest, base: readonly PromSeries[], grid: Grid): Promise<PromSeries[]> {
  const identities = identifyingLabels.flatMap((name): Matcher[] => {
    const values = new Set(base.map(({ labels }) => labelValue(labels, name)).filter((value) => value !== ""));
    return values.size === 0 ? [] : [{ name, op: "=~", value: [...values].map(escapeRegexp).join("|") }];
  });
  if (identities.length === 0) return [];
  const times = { ...shiftOfFirstSelector(context, expr.args[0], grid), points: grid.points };
  const range = { minMs: times.startMs - context.lookbackMs + 1, maxMs: times.startMs + (grid.points - 1) * times.stepMs };
  const filters = [...request.nameMatchers, ...identities, ...[...request.dataMatchers.values()].flat()];
  return mapSeries(context, { filters, range }, (labels, samples) => {
    if (samples.histograms.length > 0 && instantSeries(labels, samples, times, context.lookbackMs, "value")?.present.includes(histogramPoint) === true) {
      throw new InputError("bad_arguments", `this should be an info metric, with float samples: ${printSeriesLabels(labels)}`);
    }
    context.countColumns(1, grid.points);
    return instantSeries(labels, samples, times, context.lookbackMs, "time");
  });
}

function escapeRegexp(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

/** The info metrics by name; of each, by identity, the series whose sample is the newest at each point. */
type Partners = ReadonlyMap<string, ReadonlyMap<string, (PromSeries | undefined)[]>>;

function newestByIdentity(infos: readonly PromSeries[], points: number): Partners {
  const byName = new Map<string, Map<string, (PromSeries | undefined)[]>>();
  for (const info of infos) {
    const name = metricNameOf(info.labels);
    const byIdentity = byName.get(name) ?? new Map<string, (PromSeries | undefined)[]>();
    byName.set(name, byIdentity);
    const identity = identityOf(info.labels);
    const newest: (PromSeries | undefined)[] = byIdentity.get(identity) ?? Array.from({ length: points }, () => undefined);
    byIdentity.set(identity, newest);
    for (let point = 0; point < points; point++) if (info.present[point] !== noPoint) newest[point] = newerOf(newest[point], info, point);
  }
  return new Map([...byName].sort(([left], [right]) => compareBytewise(left, right)));
}

function newerOf(known: PromSeries | undefined, info: PromSeries, point: number): PromSeries {
  if (known === undefined || known.values[point] < info.values[point]) return info;
  if (known.values[point] > info.values[point]) return known;
  const describe = (series: PromSeries): string => `${printSeriesLabels(series.labels)} @ ${series.values[point]}`;
  throw new InputError("duplicate_series", `found duplicate series for info metric: existing ${describe(known)}, new ${describe(info)}`);
}

function identityOf(labels: Labels): string {
  return labelsKey(labels.filter(({ name }) => identifyingLabels.includes(name)));
}

/** A series becomes several where its info changes over time. */
function enrich(context: PromContext, series: PromSeries, partners: Partners, request: InfoRequest): Iterable<PromSeries> {
  const identity = identityOf(series.labels);
  const columns = [...partners.values()].map((byIdentity) => byIdentity.get(identity)).filter((column) => column !== undefined);
  const targets = new Map<string, SeriesBuilder>();
  const canBeMissing = [...request.dataMatchers.values()].flat().every(({ op, value }) => compileMatcher(op, value)(""));
  for (let point = 0; point < series.present.length; point++) {
    if (series.present[point] === noPoint) continue;
    const found = columns.map((column) => column[point]).filter((info) => info !== undefined);
    if (found.length === 0 && !canBeMissing) continue;
    const labels = withInfo(series.labels, found, request);
    const key = labelsKey(labels);
    let target = targets.get(key);
    if (target === undefined) {
      context.countColumns(1, series.present.length);
      targets.set(key, (target = new SeriesBuilder(labels, series.present.length, series.dropsName)));
    }
    target.copyPoint(point, series);
  }
  return targets.values();
}

/** Labels that the series has are kept as they are. */
function withInfo(labels: Labels, infos: readonly PromSeries[], { dataMatchers }: InfoRequest): Labels {
  const added = new Map<string, Label>();
  for (const info of infos) {
    for (const label of info.labels) {
      const { name, value } = label;
      if (name === metricNameLabel || (dataMatchers.size > 0 && !dataMatchers.has(name))) continue;
      const known = added.get(name);
      if (known !== undefined && known.value !== value) throw new InputError("conflicting_label", `conflicting label: ${name}`);
      if (labelValue(labels, name) === "") added.set(name, label);
    }
  }
  return [...added.values()].reduce((result, { name, value }) => setLabel(result, name, value), labels);
}
