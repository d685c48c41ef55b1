/**
 * Reads the series of a selector from the Store, one after the other.
 *
 * Native histograms are stored as several series each (model/histogram_series.ts). They are gathered while the others are worked on, and
 * joined at the end. A series may have floats as well, and both belong together; so where there are histograms, floats are asked for once
 * more.
 *
 * Start timestamps are stored as a component, too. Who looks at them needs them with the first sample, so they are read before all else; but only
 * once one has been seen in the Store, since most have none. Until then the first one that turns up makes everything begin anew.
 */
import { type ComponentColumns, histogramLabel, joinHistograms, splitHistogramLabel, startComponent } from "../model/histogram_series.ts";
import type { Labels } from "../model/labels.ts";
import type { Matcher, Selector } from "../model/matcher.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";
import type { SeriesBatch, TimeRange } from "../model/store.ts";
import { labelsKey } from "../query/series.ts";
import type { PromContext } from "./context.ts";
import { withDetectedResets } from "./reset_hints.ts";
import { floatSamples, type SampleColumns, type StartColumn } from "./samples.ts";

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
  /** Samples come with their start timestamps. */
  readonly usesStarts?: boolean;
}

/** What stands beside the floats of a selector. */
interface Beside {
  readonly starts: ReadonlyMap<string, StartColumn>;
  /** The histograms, by the key of their labels. */
  readonly gathered: Map<string, JoinedSeries>;
}

/** What `compute` makes of each series that has samples in the range; undefined is left out. */
export async function mapSeries<T>(context: PromContext, request: SeriesRequest, compute: SeriesFunction<T>): Promise<T[]> {
  const results: T[] = [];
  const sources: Labels[] = [];
  const beside = await readSeries(context, request, (labels, samples) => {
    const result = compute(labels, samples);
    if (result === undefined) return;
    results.push(result);
    sources.push(labels);
  });
  if (beside === undefined) return mapSeries(context, request, compute);
  if (beside.gathered.size === 0) return results;
  const floats = await readFloats(context, request, beside.gathered);
  const onlyFloats = floats.size === 0 ? results : results.filter((_, i) => !floats.has(labelsKey(sources[i])));
  return [...onlyFloats, ...(await mapHistograms(context, request, beside, floats, compute))];
}

/**
 * Calls `visit` for each series, holding none. Resolves with false if that went wrong, because a series turned out to have floats and
 * histograms, or start timestamps, which have not been seen together then: mapSeries gives them as they are.
 */
export async function visitSeries(context: PromContext, request: SeriesRequest, visit: (labels: Labels, samples: SampleColumns) => void): Promise<boolean> {
  const beside = await readSeries(context, request, visit);
  if (beside === undefined) return false;
  if (beside.gathered.size === 0) return true;
  const floats = await readFloats(context, request, beside.gathered);
  if (floats.size > 0) return false;
  await mapHistograms(context, request, beside, floats, (labels, samples) => void visit(labels, samples));
  return true;
}

/** Visits the floats of all series, and gathers the components of histograms. undefined: without start timestamps that were to be looked at. */
async function readSeries(context: PromContext, request: SeriesRequest, visit: (labels: Labels, samples: SampleColumns) => void): Promise<Beside | undefined> {
  const { filters, range } = request;
  const gathered = new Map<string, JoinedSeries>();
  if (filters.length === 0 || range.minMs > range.maxMs) return { starts: noStarts, gathered };
  const usesStarts = request.usesStarts === true;
  const starts = usesStarts && context.startTimes.wereSeen ? await readStarts(context, request) : noStarts;
  await readBatches(context, [filters], range, (batch, i) => {
    const labels = batch.labels(i);
    if (gather(context, gathered, labels, batch, i)) return;
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    const samples = floatSamples(batch.timestampsMs.subarray(from, to), batch.values.subarray(from, to));
    visit(labels, starts.size === 0 ? samples : withStarts(samples, starts.get(labelsKey(labels))));
  });
  const isWithout = starts === noStarts && context.startTimes.wereSeen;
  return usesStarts && isWithout ? undefined : { starts, gathered };
}

const noStarts: ReadonlyMap<string, StartColumn> = new Map();

function withStarts(samples: SampleColumns, starts: StartColumn | undefined): SampleColumns {
  return starts === undefined ? samples : { ...samples, starts };
}

/** The start timestamps by the key of the series' labels. */
async function readStarts(context: PromContext, { filters, range }: SeriesRequest): Promise<ReadonlyMap<string, StartColumn>> {
  const starts = new Map<string, StartColumn>();
  await readBatches(context, [[...filters, { name: histogramLabel, op: "=", value: startComponent }]], range, (batch, i) => {
    const split = splitHistogramLabel(batch.labels(i));
    if (split === undefined) return;
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    context.countBytes((to - from) * sampleBytes);
    starts.set(labelsKey(split.labels), { timestampsMs: batch.timestampsMs.slice(from, to), values: batch.values.slice(from, to) });
  });
  return starts;
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

/** Copies a series of the batch if it is a component of histograms; start timestamps are only noted. */
function gather(context: PromContext, gathered: Map<string, JoinedSeries>, labels: Labels, batch: SeriesBatch, index: number): boolean {
  const split = splitHistogramLabel(labels);
  if (split === undefined) return false;
  if (split.component === startComponent) {
    context.startTimes.wereSeen = true;
    return true;
  }
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
  context: PromContext, request: SeriesRequest, { gathered, starts }: Beside, floats: ReadonlyMap<string, SampleColumns>, compute: SeriesFunction<T>,
): Promise<T[]> {
  const before = await readHistogramsBefore(context, request);
  const noFloats = floatSamples(new Float64Array(0), new Float64Array(0));
  const results: T[] = [];
  for (const [key, { labels, components }] of gathered) {
    await context.takeTurns();
    const { timestampsMs, histograms } = joinHistograms(components);
    const samples = { histogramTimesMs: timestampsMs, histograms: withDetectedResets(histograms, before.get(key), request.tellsResets === true) };
    const result = compute(labels, withStarts({ ...(floats.get(key) ?? noFloats), ...samples }, starts.get(key)));
    if (result !== undefined) results.push(result);
  }
  return results;
}
