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
import type { SeriesBatch, TimeRange } from "../model/store.ts";
import { labelsKey } from "../query/series.ts";
import type { PromContext } from "./context.ts";
import { floatSamples, type SampleColumns } from "./samples.ts";

/** `samples` are valid during the call only. */
type SeriesFunction<T> = (labels: Labels, samples: SampleColumns) => T | undefined;

interface JoinedSeries {
  readonly labels: Labels;
  readonly components: ComponentColumns[];
}

/** What `compute` makes of each series that has samples in the range (bounds inclusive); undefined is left out. */
export async function mapSeries<T>(context: PromContext, filters: readonly Matcher[], range: TimeRange, compute: SeriesFunction<T>): Promise<T[]> {
  if (filters.length === 0 || range.minMs > range.maxMs) return [];
  const results: T[] = [];
  const sources: Labels[] = [];
  const gathered = new Map<string, JoinedSeries>();
  await readBatches(context, [filters], range, (batch, i) => {
    const labels = batch.labels(i);
    const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
    const split = splitHistogramLabel(labels);
    if (split !== undefined) {
      gatherComponent(gathered, split.labels, { component: split.component, timestampsMs: batch.timestampsMs.slice(from, to), values: batch.values.slice(from, to) });
      return;
    }
    const result = compute(labels, floatSamples(batch.timestampsMs.subarray(from, to), batch.values.subarray(from, to)));
    if (result === undefined) return;
    results.push(result);
    sources.push(labels);
  });
  if (gathered.size === 0) return results;
  const floats = await readFloats(context, filters, range, gathered);
  const onlyFloats = floats.size === 0 ? results : results.filter((_, i) => !floats.has(labelsKey(sources[i])));
  return [...onlyFloats, ...mapHistograms(gathered, floats, compute)];
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
  }
  if (found.isPartial()) context.isPartial = true;
}

function gatherComponent(gathered: Map<string, JoinedSeries>, labels: Labels, component: ComponentColumns): void {
  const key = labelsKey(labels);
  const series = gathered.get(key);
  if (series === undefined) gathered.set(key, { labels, components: [component] });
  else series.components.push(component);
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

function mapHistograms<T>(gathered: ReadonlyMap<string, JoinedSeries>, floats: ReadonlyMap<string, SampleColumns>, compute: SeriesFunction<T>): T[] {
  const noFloats = floatSamples(new Float64Array(0), new Float64Array(0));
  const results: T[] = [];
  for (const [key, { labels, components }] of gathered) {
    const { timestampsMs, histograms } = joinHistograms(components);
    const result = compute(labels, { ...(floats.get(key) ?? noFloats), histogramTimesMs: timestampsMs, histograms });
    if (result !== undefined) results.push(result);
  }
  return results;
}
