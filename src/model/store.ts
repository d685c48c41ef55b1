/**
 * Store: the one interface for data. Everything that holds samples implements it; everything that reads or writes samples
 * uses only it. testkit/store_conformance.ts runs against every implementation; stores/memory_store.ts is the naive twin.
 */
import type { Exemplar } from "./exemplar.ts";
import type { LabelTable } from "./label_table.ts";
import type { Label, Labels } from "./labels.ts";
import type { Selector, Tenant } from "./matcher.ts";
import type { MetricMetadata, RowBatch } from "./row_batch.ts";

/** Why samples of a batch were not stored; reasons are stable words used in metrics, headers and logs. */
export type DropReason = "too_old" | "too_far_in_future" | "nan_value" | "series_limit" | "too_many_labels" | "label_too_long" | "no_labels" | "invalid_histogram" | "reserved_label";

export interface WriteResult {
  readonly acceptedSamples: number;
  readonly droppedSamples: Partial<Record<DropReason, number>>;
}

export interface TimeRange {
  /** Inclusive bounds, whole milliseconds. */
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SearchRequest {
  readonly tenant: Tenant;
  readonly selector: Selector;
  readonly range: TimeRange;
  /** Which value column of a series is wanted; 0 is the raw value (others come with downsampling). */
  readonly columnId?: number;
  readonly signal?: AbortSignal;
  readonly budget?: SearchBudget;
  /** Native histograms appear as MetricsQL sees them (histogram_view.ts); otherwise their components are series like others. */
  readonly viewsHistograms?: boolean;
  /** What the caller is going to compute; a Store that canRollup may do a part of it. */
  readonly rollup?: RollupPushDown;
  /** Samples of these times may be left out: the caller has them. Series that have no others are found nevertheless, without samples. */
  readonly known?: TimeRange;
}

/**
 * A function of the samples in each of the windows (t - windowMs, t] for the times t = startMs, startMs + stepMs, ..., `points` of them. A Store may answer with
 * one sample in place of several of a series that lie in the same windows:
 *
 *   sum, avg     their sum, and how many they are (SeriesBatch.weights)
 *   count        any value, and how many they are
 *   present      any value
 *   min, max     the least or greatest of them
 *   first, last  the first or last of them, at its time
 *
 * It stands within the same windows as they. For first only the beginnings of windows matter (and samples behind the first may be left out up to the next
 * beginning), for last only their ends. NaN (stale markers) stays as it is. Results are the same, but for the order in which sum and avg add.
 */
export interface RollupPushDown {
  readonly function: "sum" | "count" | "avg" | "min" | "max" | "first" | "last" | "present";
  readonly startMs: number;
  readonly stepMs: number;
  readonly points: number;
  readonly windowMs: number;
}

export interface SearchBudget {
  readonly seriesMax: number;
  readonly samplesMax: number;
  /** The flag to raise when seriesMax does not suffice; -search.maxUniqueTimeseries if it is not given. */
  readonly seriesFlag?: string;
}

/**
 * Some series with their samples as columns. Valid until the next batch is asked for.
 * Series i owns samples [sampleFrom[i], sampleFrom[i + 1]) with ascending timestamps, duplicates kept; stale markers are included.
 * Each series has at least one sample, unless some may be left out (SearchRequest.known): those without any in the range are not there.
 * A Store that decodes into WebAssembly memory hands out views on that memory, so kernels can work in place.
 */
export interface SeriesBatch {
  readonly seriesCount: number;
  readonly sampleFrom: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  /** How many samples each one stands for, if a rollup was pushed down and it is not one each. */
  readonly weights?: Float64Array;
  /** Labels of series i, resolved only when asked. */
  labels(index: number): Labels;
  /** Where the numbers of labelIds belong, if the Store numbers its labels. */
  readonly labelSpace?: LabelSpace;
  /** Writes the numbers of the labels of series i to `target`, in the order of labels(i); returns how many. */
  labelIds?(index: number, target: number[]): number;
}

/** Labels by number. Equal labels have equal numbers, so label sets of one space can be compared and grouped without being made. */
export interface LabelSpace {
  labelName(id: number): string;
  label(id: number): Label;
}

export interface SearchResult {
  readonly batches: AsyncIterable<SeriesBatch>;
  /** Known once all batches have been taken: true when a part of the data could not be read. */
  isPartial(): boolean;
}

export interface LabelsRequest {
  readonly tenant: Tenant;
  /** `[[]]` for all series. */
  readonly selector: Selector;
  readonly range: TimeRange;
  /** At most so many strings or series; 0 is no limit. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface ExemplarRequest {
  readonly tenant: Tenant;
  readonly selector: Selector;
  readonly range: TimeRange;
  readonly signal?: AbortSignal;
}

/** The exemplars of one series, ascending in time. */
export interface SeriesExemplars {
  readonly labels: Labels;
  readonly exemplars: readonly Exemplar[];
}

export interface StoreCapabilities {
  /** Whether SearchRequest.rollup is looked at. */
  readonly canRollup: boolean;
  readonly canAggregate: boolean;
  readonly canDeleteRange: boolean;
}

/** What answers about labels depend on, besides the question. */
export interface LabelState {
  /** Another text whenever an answer may be another one. */
  readonly version: string;
  /** The same text for ranges that have the same answers. */
  readonly range: string;
}

/** REQUIRES: batches of one Store are written one after the other by one caller per connection; search may overlap with everything. */
export interface Store extends AsyncDisposable {
  readonly capabilities: StoreCapabilities;
  /** Resolves when the samples survive a kill of the process. The batch is not used after the promise resolves. */
  write(batch: RowBatch): Promise<WriteResult>;
  search(request: SearchRequest): Promise<SearchResult>;
  /** Sorted bytewise. */
  labelNames(request: LabelsRequest): Promise<string[]>;
  labelValues(name: string, request: LabelsRequest): Promise<string[]>;
  /** Label sets, sorted; with a limit, any of them. */
  series(request: LabelsRequest): Promise<Labels[]>;
  /** As series(). A Store that numbers its labels does it without making the sets. */
  seriesTable?(request: LabelsRequest): Promise<LabelTable>;
  /** For who keeps answers about labels. undefined if the Store does not know now. */
  labelState?(range: TimeRange): LabelState | undefined;
  metadata(): Promise<MetricMetadata[]>;
  /** Exemplars within the range of the series that match, sorted by labels. A Store that keeps none does without it. */
  exemplars?(request: ExemplarRequest): Promise<SeriesExemplars[]>;
  /** Seals what is in memory into parts on disk. */
  flush(): Promise<void>;
  /** Merges the parts of every partition into one. */
  merge(partitionPrefix?: string): Promise<void>;
}
