/**
 * The naive Store: all samples in arrays, every search a scan. It is the reference of the conformance suite and the store of tests;
 * nothing is ever thrown away.
 */
import { InputError, LimitError } from "../base/errors.ts";
import { HistogramView } from "../model/histogram_view.ts";
import { histogramLabel } from "../model/histogram_series.ts";
import { compareBytewise, compareLabels, decodeLabelRun, type Labels, labelValue } from "../model/labels.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import { compileMatcher } from "../model/regexp.ts";
import { isStaleMarker, type MetricMetadata, type RowBatch, sampleKindFloat, seriesRow } from "../model/row_batch.ts";
import { joinSamples } from "./joined_samples.ts";
import type { LabelsRequest, SearchRequest, SearchResult, SeriesBatch, Store, StoreCapabilities, TimeRange, WriteResult } from "../model/store.ts";

/** Series handed out at once; small, so that tests see more than one batch. */
const batchSeries = 16;

interface MemorySeries {
  readonly labels: Labels;
  timestampsMs: Float64Array;
  values: Float64Array;
  count: number;
}

interface Columns {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly weights?: Float64Array;
}

export class MemoryStore implements Store {
  readonly capabilities: StoreCapabilities = { canRollup: true, canAggregate: false, canDeleteRange: false };
  readonly #tenants = new Map<string, Map<string, MemorySeries>>();
  readonly #metadata = new Map<string, MetricMetadata>();
  readonly #keepsNaN: boolean;
  #hasHistograms = false;

  /** `keepsNaN`: NaN is stored like any other value. */
  constructor({ keepsNaN = false }: { readonly keepsNaN?: boolean } = {}) {
    this.#keepsNaN = keepsNaN;
  }

  write(batch: RowBatch): Promise<WriteResult> {
    const all = this.#tenant(batch.tenant);
    let acceptedSamples = 0;
    const dropped: Record<string, number> = {};
    for (let row = 0; row < batch.seriesCount; row++) {
      const slot = row * seriesRow.slots;
      const from = batch.seriesRows[slot + seriesRow.labelsOffset];
      const size = batch.seriesRows[slot + seriesRow.labelsSize];
      const sampleFrom = batch.seriesRows[slot + seriesRow.sampleFrom];
      const count = batch.seriesRows[slot + seriesRow.sampleCount];
      const isFloat = batch.seriesRows[slot + seriesRow.sampleKind] === sampleKindFloat;
      const isReserved = isFloat && decodeLabelRun(batch.labelBytes, from, from + size).some(({ name }) => name === histogramLabel);
      const reason = size === 0 ? "no_labels" : isReserved ? "reserved_label" : undefined;
      if (reason !== undefined) {
        dropped[reason] = (dropped[reason] ?? 0) + count;
        continue;
      }
      const run = batch.labelBytes.slice(from, from + size);
      const key = Buffer.from(run).toString("latin1");
      let series = all.get(key);
      if (series === undefined) {
        series = { labels: decodeLabelRun(run, 0, size), timestampsMs: new Float64Array(4), values: new Float64Array(4), count: 0 };
        all.set(key, series);
        if (!isFloat) this.#hasHistograms = true;
      }
      const accepted = append(series, batch, sampleFrom, count, isFloat && !this.#keepsNaN);
      acceptedSamples += accepted;
      if (accepted < count) dropped["nan_value"] = (dropped["nan_value"] ?? 0) + count - accepted;
    }
    for (const metadata of batch.metadata) this.#metadata.set(metadata.metricFamily, metadata);
    return Promise.resolve({ acceptedSamples, droppedSamples: dropped });
  }

  search(request: SearchRequest): Promise<SearchResult> {
    const view = request.viewsHistograms === true && this.#hasHistograms ? new HistogramView(request.selector) : undefined;
    // The view knows no weights: samples are not put together for it.
    const found = batches(this.#select(request.tenant, view?.selector ?? request.selector), view === undefined ? request : { ...request, rollup: undefined });
    return Promise.resolve({ batches: view?.view(found) ?? found, isPartial: () => false });
  }

  async labelNames(request: LabelsRequest): Promise<string[]> {
    const names = new Set<string>();
    for (const labels of await this.#labelsInRange(request)) for (const label of labels) names.add(label.name);
    return limited([...names].sort(compareBytewise), request.limit);
  }

  async labelValues(name: string, request: LabelsRequest): Promise<string[]> {
    const values = new Set<string>();
    for (const labels of await this.#labelsInRange(request)) values.add(labelValue(labels, name));
    values.delete("");
    return limited([...values].sort(compareBytewise), request.limit);
  }

  async series(request: LabelsRequest): Promise<Labels[]> {
    return limited(await this.#labelsInRange(request), request.limit);
  }

  metadata(): Promise<MetricMetadata[]> {
    return Promise.resolve([...this.#metadata.values()].sort((a, b) => compareBytewise(a.metricFamily, b.metricFamily)));
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  merge(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #tenant(tenant: Tenant): Map<string, MemorySeries> {
    const key = `${tenant.accountId}:${tenant.projectId}`;
    let all = this.#tenants.get(key);
    if (all === undefined) this.#tenants.set(key, (all = new Map()));
    return all;
  }

  /** Matching series, sorted by labels. */
  #select(tenant: Tenant, selector: Selector): MemorySeries[] {
    const matches = compileSelector(selector);
    const found = [...this.#tenant(tenant).values()].filter((series) => matches(series.labels));
    return found.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  async #labelsInRange(request: LabelsRequest): Promise<Labels[]> {
    const found = this.#select(request.tenant, request.selector);
    request.signal?.throwIfAborted();
    return found.filter((series) => clip(series, request.range).timestampsMs.length > 0).map((series) => series.labels);
  }
}

/** Whether labels match: all matchers of at least one group. A missing label has the value "". */
export function compileSelector(selector: Selector): (labels: Labels) => boolean {
  const groups = selector.map((group) => group.map(({ name, op, value }) => ({ name, matches: compileMatcher(op, value) })));
  return (labels) => groups.some((group) => group.every(({ name, matches }) => matches(labelValue(labels, name))));
}

/** Appends samples, leaving out NaNs that are not stale markers; returns how many were kept. */
function append(series: MemorySeries, batch: RowBatch, from: number, count: number, dropsNaN: boolean): number {
  const needed = series.count + count;
  if (needed > series.timestampsMs.length) {
    series.timestampsMs = grown(series.timestampsMs, needed);
    series.values = grown(series.values, needed);
  }
  const before = series.count;
  for (let i = from; i < from + count; i++) {
    if (dropsNaN && Number.isNaN(batch.values[i]) && !isStaleMarker(batch.values, i)) continue;
    series.timestampsMs[series.count] = batch.timestampsMs[i];
    series.values.set(batch.values.subarray(i, i + 1), series.count); // keeps the bits of the marker
    series.count++;
  }
  return series.count - before;
}

function grown(column: Float64Array, length: number): Float64Array {
  const larger = new Float64Array(Math.max(length, column.length * 2));
  larger.set(column);
  return larger;
}

/** The samples of a series within the range, in ascending time, of equal times in the order of arrival. */
function clip(series: MemorySeries, range: TimeRange): Columns {
  const order: number[] = [];
  for (let i = 0; i < series.count; i++) if (series.timestampsMs[i] >= range.minMs && series.timestampsMs[i] <= range.maxMs) order.push(i);
  order.sort((a, b) => series.timestampsMs[a] - series.timestampsMs[b] || a - b);
  const words = new BigUint64Array(series.values.buffer, 0, series.count);
  return {
    timestampsMs: Float64Array.from(order, (i) => series.timestampsMs[i]),
    values: new Float64Array(BigUint64Array.from(order, (i) => words[i]).buffer),
  };
}

async function* batches(found: readonly MemorySeries[], request: SearchRequest): AsyncGenerator<SeriesBatch> {
  let seriesCount = 0;
  let sampleCount = 0;
  for (let from = 0; from < found.length; from += batchSeries) {
    request.signal?.throwIfAborted();
    const group = found.slice(from, from + batchSeries).map((series) => ({ labels: series.labels, ...clip(series, request.range) }));
    const some = group.filter((series) => series.timestampsMs.length > 0);
    if (some.length === 0) continue;
    seriesCount += some.length;
    for (const series of some) sampleCount += series.timestampsMs.length;
    checkBudget(request, seriesCount, sampleCount);
    const { rollup } = request;
    yield joinSeries(rollup === undefined ? some : some.map(({ labels, timestampsMs, values }) => ({ labels, ...joinSamples(timestampsMs, values, rollup) })));
  }
}

function checkBudget({ budget }: SearchRequest, seriesCount: number, sampleCount: number): void {
  if (budget === undefined) return;
  if (seriesCount > budget.seriesMax) throw overLimit("series", seriesCount, budget.seriesMax, budget.seriesFlag?.slice(1) ?? "search.maxUniqueTimeseries");
  if (sampleCount > budget.samplesMax) throw overLimit("samples", sampleCount, budget.samplesMax, "search.maxSamplesPerQuery");
}

function overLimit(what: "series" | "samples", actual: number, limit: number, flag: string): LimitError {
  return new LimitError(`too_many_${what}`, `too many ${what} read by the query: ${actual} is over the limit of ${limit}; select less or raise -${flag}`);
}

function joinSeries(group: readonly (Columns & { labels: Labels })[]): SeriesBatch {
  const sampleFrom = new Uint32Array(group.length + 1);
  group.forEach((series, i) => (sampleFrom[i + 1] = sampleFrom[i] + series.timestampsMs.length));
  const timestampsMs = new Float64Array(sampleFrom[group.length]);
  const values = new Float64Array(sampleFrom[group.length]);
  const weights = group[0].weights === undefined ? undefined : new Float64Array(sampleFrom[group.length]);
  group.forEach((series, i) => {
    timestampsMs.set(series.timestampsMs, sampleFrom[i]);
    values.set(series.values, sampleFrom[i]);
    if (series.weights !== undefined) weights?.set(series.weights, sampleFrom[i]);
  });
  return { seriesCount: group.length, sampleFrom, timestampsMs, values, ...(weights === undefined ? {} : { weights }), labels: (index) => group[index].labels };
}

function limited<T>(items: T[], limit: number): T[] {
  if (limit < 0) throw new InputError("bad_limit", `limit must not be negative, found ${limit}`);
  return limit === 0 ? items : items.slice(0, limit);
}
