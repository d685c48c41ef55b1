/**
 * Reads the series of a selector from the Store, one after the other.
 *
 * Native histograms are stored as several series each (model/histogram_series.ts). They are gathered while the others are worked on, and
 * joined at the end. A series may have floats as well, and both belong together; so where there are histograms, floats are asked for once
 * more.
 */
import { type ComponentColumns, histogramLabel, joinHistograms, splitHistogramLabel } from "../model/histogram_series.ts";
import type { Labels } from "../model/labels.ts";
import type { Matcher, Selector } from "../model/matcher.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { SeriesBatch, TimeRange } from "../model/store.ts";
import { labelsKey } from "../query/series.ts";
import type { PromContext } from "./context.ts";
import { withDetectedResets } from "./reset_hints.ts";
import { floatSamples, type SampleColumns } from "./samples.ts";

/** `samples` are valid during the call only. */
type SeriesFunction<T> = (labels: Labels, samples: SampleColumns) => T | undefined;

/** Bytes that a sample of a component takes. */
const sampleBytes = 16;

interface JoinedSeries {
  readonly labels: Labels;
  readonly components: ComponentColumns[];
}

/** What is read. */
export interface SeriesRequest {
  readonly filters: readonly Matcher[];
  /** Bounds are inclusive. */
  readonly range: TimeRange;
  /** Histograms say where counters were reset; see reset_hints.ts. */
  readonly tellsResets?: boolean;
}

/** What `compute` makes of each series that has samples in the range; undefined is left out. */
export async function mapSeries<T>(context: PromContext, request: SeriesRequest, compute: SeriesFunction<T>): Promise<T[]> {
  const results: T[] = [];
  const sources: Labels[] = [];
  const gathered = await readSeries(context, request, (labels, samples) => {
    const result = compute(labels, samples);
    if (result === undefined) return;
    results.push(result);
    sources.push(labels);
  });
  if (gathered.size === 0) return results;
  const floats = await readFloats(context, request, gathered);
  const onlyFloats = floats.size === 0 ? results : results.filter((_, i) => !floats.has(labelsKey(sources[i])));
  return [...onlyFloats, ...(await mapHistograms(context, request, gathered, floats, compute))];
}

/**
 * Calls `visit` for each series, holding none. Resolves with false if a series turned out to have floats and histograms, which have not been
 * seen together then: mapSeries gives them as they are.
 */
export async function visitSeries(context: PromContext, request: SeriesRequest, visit: (labels: Labels, samples: SampleColumns) => void): Promise<boolean> {
  const gathered = await readSeries(context, request, visit);
  if (gathered.size === 0) return true;
  const floats = await readFloats(context, request, gathered);
  if (floats.size > 0) return false;
  await mapHistograms(context, request, gathered, floats, (labels, samples) => void visit(labels, samples));
  return true;
}

/** Visits the floats of all series, and gathers the components of histograms. */
async function readSeries(context: PromContext, { filters, range }: SeriesRequest, visit: (labels: Labels, samples: SampleColumns) => void): Promise<Map<string, JoinedSeries>> {
  const gathered = new Map<string, JoinedSeries>();
  if (filters.length === 0 || range.minMs > range.maxMs) return gathered;
  await readBatches(context, [filters], range, (batch, i) => {
    const labels = batch.labels(i);
    if (gather(context, gathered, labels, batch, i)) return;
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    visit(labels, floatSamples(batch.timestampsMs.subarray(from, to), batch.values.subarray(from, to)));
  });
  return gathered;
}

async function readBatches(context: PromContext, selector: Selector, range: TimeRange, visit: (batch: SeriesBatch, index: number) => void): Promise<void> {
  const { limits, signal, tenant, store, enforcedFilters } = context;
  const narrowed = selector.flatMap((group) => enforcedFilters.map((filters) => [...group, ...filters]));
  const found = await store.search({
    tenant, selector: narrowed, range, budget: { seriesMax: limits.seriesMax, samplesMax: limits.samplesMax }, ...(signal === undefined ? {} : { signal }),
  });
  for await (const batch of found.batches) {
    context.countRead(batch.seriesCount, batch.sampleFrom[batch.seriesCount]);
    for (let i = 0; i < batch.seriesCount; i++) visit(batch, i);
    await context.takeTurns();
  }
  if (found.isPartial()) context.isPartial = true;
}

/** Copies a series of the batch if it is a component of histograms. */
function gather(context: PromContext, gathered: Map<string, JoinedSeries>, labels: Labels, batch: SeriesBatch, index: number): boolean {
  const split = splitHistogramLabel(labels);
  if (split === undefined) return false;
  const [from, to] = [batch.sampleFrom[index], batch.sampleFrom[index + 1]];
  context.countBytes((to - from) * sampleBytes);
  const component = { component: split.component, timestampsMs: batch.timestampsMs.slice(from, to), values: batch.values.slice(from, to) };
  const key = labelsKey(split.labels);
  const series = gathered.get(key);
  if (series === undefined) gathered.set(key, { labels: split.labels, components: [component] });
  else series.components.push(component);
  return true;
}

/** The floats of the series that have histograms. */
async function readFloats(context: PromContext, { filters, range }: SeriesRequest, gathered: ReadonlyMap<string, JoinedSeries>): Promise<ReadonlyMap<string, SampleColumns>> {
  const floats = new Map<string, SampleColumns>();
  const noHistograms: Matcher = { name: histogramLabel, op: "=", value: "" };
  await readBatches(context, [[...filters, noHistograms]], range, (batch, i) => {
    const key = labelsKey(batch.labels(i));
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    if (gathered.has(key)) floats.set(key, floatSamples(batch.timestampsMs.slice(from, to), batch.values.slice(from, to)));
  });
  return floats;
}

/**
 * The last histogram of each series before the range, without its buckets: the first one in the range goes on from it if their counts do. It
 * is looked for as far back as values reach.
 */
async function readHistogramsBefore(context: PromContext, { filters, range }: SeriesRequest): Promise<ReadonlyMap<string, FloatHistogram>> {
  const gathered = new Map<string, JoinedSeries>();
  const summary: Matcher = { name: histogramLabel, op: "=~", value: "schema|count|sum|z:.*" };
  await readBatches(context, [[...filters, summary]], { minMs: range.minMs - context.lookbackMs, maxMs: range.minMs - 1 }, (batch, i) => gather(context, gathered, batch.labels(i), batch, i));
  const last = new Map<string, FloatHistogram>();
  for (const [key, { components }] of gathered) {
    const histogram = joinHistograms(components).histograms.at(-1);
    if (histogram !== undefined) last.set(key, histogram);
  }
  return last;
}

async function mapHistograms<T>(
  context: PromContext, request: SeriesRequest, gathered: ReadonlyMap<string, JoinedSeries>, floats: ReadonlyMap<string, SampleColumns>, compute: SeriesFunction<T>,
): Promise<T[]> {
  const before = await readHistogramsBefore(context, request);
  const noFloats = floatSamples(new Float64Array(0), new Float64Array(0));
  const results: T[] = [];
  for (const [key, { labels, components }] of gathered) {
    await context.takeTurns();
    const { timestampsMs, histograms } = joinHistograms(components);
    const samples = { histogramTimesMs: timestampsMs, histograms: withDetectedResets(histograms, before.get(key), request.tellsResets === true) };
    const result = compute(labels, { ...(floats.get(key) ?? noFloats), ...samples });
    if (result !== undefined) results.push(result);
  }
  return results;
}
