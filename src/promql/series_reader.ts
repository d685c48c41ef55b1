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
  const { filters, range } = request;
  if (filters.length === 0 || range.minMs > range.maxMs) return [];
  const results: T[] = [];
  const sources: Labels[] = [];
  const gathered = new Map<string, JoinedSeries>();
  await readBatches(context, [filters], range, (batch, i) => {
    const labels = batch.labels(i);
    if (gather(gathered, labels, batch, i)) return;
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    const result = compute(labels, floatSamples(batch.timestampsMs.subarray(from, to), batch.values.subarray(from, to)));
    if (result === undefined) return;
    results.push(result);
    sources.push(labels);
  });
  if (gathered.size === 0) return results;
  const floats = await readFloats(context, filters, range, gathered);
  const before = await readHistogramsBefore(context, request);
  const onlyFloats = floats.size === 0 ? results : results.filter((_, i) => !floats.has(labelsKey(sources[i])));
  return [...onlyFloats, ...mapHistograms(gathered, { floats, before, tellsResets: request.tellsResets === true }, compute)];
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
function gather(gathered: Map<string, JoinedSeries>, labels: Labels, batch: SeriesBatch, index: number): boolean {
  const split = splitHistogramLabel(labels);
  if (split === undefined) return false;
  const [from, to] = [batch.sampleFrom[index], batch.sampleFrom[index + 1]];
  const component = { component: split.component, timestampsMs: batch.timestampsMs.slice(from, to), values: batch.values.slice(from, to) };
  const key = labelsKey(split.labels);
  const series = gathered.get(key);
  if (series === undefined) gathered.set(key, { labels: split.labels, components: [component] });
  else series.components.push(component);
  return true;
}

/** The floats of the series that have histograms. */
async function readFloats(
  context: PromContext, filters: readonly Matcher[], range: TimeRange, gathered: ReadonlyMap<string, JoinedSeries>,
): Promise<ReadonlyMap<string, SampleColumns>> {
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
  await readBatches(context, [[...filters, summary]], { minMs: range.minMs - context.lookbackMs, maxMs: range.minMs - 1 }, (batch, i) => gather(gathered, batch.labels(i), batch, i));
  const last = new Map<string, FloatHistogram>();
  for (const [key, { components }] of gathered) {
    const histogram = joinHistograms(components).histograms.at(-1);
    if (histogram !== undefined) last.set(key, histogram);
  }
  return last;
}

/** What belongs to the histograms of a request. */
interface Surroundings {
  readonly floats: ReadonlyMap<string, SampleColumns>;
  readonly before: ReadonlyMap<string, FloatHistogram>;
  readonly tellsResets: boolean;
}

function mapHistograms<T>(gathered: ReadonlyMap<string, JoinedSeries>, { floats, before, tellsResets }: Surroundings, compute: SeriesFunction<T>): T[] {
  const noFloats = floatSamples(new Float64Array(0), new Float64Array(0));
  const results: T[] = [];
  for (const [key, { labels, components }] of gathered) {
    const { timestampsMs, histograms } = joinHistograms(components);
    const samples = { histogramTimesMs: timestampsMs, histograms: withDetectedResets(histograms, before.get(key), tellsResets) };
    const result = compute(labels, { ...(floats.get(key) ?? noFloats), ...samples });
    if (result !== undefined) results.push(result);
  }
  return results;
}
