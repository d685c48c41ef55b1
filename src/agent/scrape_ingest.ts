/**
 * From the page of a target to batches in the sink. One page at a time is parsed, in slices, in a memory of its own:
 *
 *   page -> parser, which adds the target's labels -> RowBatch --------------------------------------> sink
 *                                                          \-- labels clash, or metric_relabel_configs:
 *                                                              BatchRelabeler adds them -> RowBatch --> sink
 *
 * A job with limits has its pages parsed twice: nothing of a page over a limit may be stored. So has one that converts classic histograms of text
 * pages or stores start timestamps: page_rewriter.ts has to know the whole page first.
 */
import type { InputError } from "../base/errors.ts";
import { Kernel } from "../kernel/kernel.ts";
import { bodySlackBytes, defaultLabelLimits, type IntakeRules } from "../kernel/label_run.ts";
import { countSamples, splitHistogramLabel, withHistogramLabel } from "../model/histogram_series.ts";
import { decodeLabelRun, type Labels } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { type RowBatch, seriesRow } from "../model/row_batch.ts";
import type { Store } from "../model/store.ts";
import { narrowLabelBytes } from "../pipeline/label_bytes.ts";
import { BatchRelabeler } from "../pipeline/relabel_batch.ts";
import { type HistogramOptions, isPrometheusProtobuf, PrometheusProtobufParser } from "../protocol/prometheus_protobuf.ts";
import { PrometheusTextParser, timestampUnitOf } from "../protocol/prometheus_text.ts";
import type { ParseReport, SliceParser } from "../protocol/slice_parser.ts";
import { PageFamilies, PageRewriter, type RewriteOptions } from "./page_rewriter.ts";
import { RunList } from "./run_list.ts";
import type { ScrapeLimits } from "./scrape_config.ts";
import { ScrapeError, type ScrapeResponse } from "./scrape_client.ts";
import type { SeriesChange, SeriesTracker } from "./series_tracker.ts";
import { mayHaveLabels, storedLabels, type TargetLabeling } from "./target_labels.ts";

/** Where batches go; a Store is one. */
export interface ScrapeSink extends Pick<Store, "write"> {
  /** Resolves when the batches written so far are no longer read; without it they are read until write() resolves. */
  applied?(): Promise<void>;
}

/** What ingesting needs to know of a target and keeps for it between scrapes. */
export class TargetIngest {
  readonly labeling: TargetLabeling;
  readonly limits: ScrapeLimits;
  readonly honorTimestamps: boolean;
  readonly histograms: HistogramOptions;
  readonly tracker: SeriesTracker;
  /** Start timestamps are stored. */
  readonly takesStarts: boolean;
  #relabeler: BatchRelabeler | undefined;

  constructor(labeling: TargetLabeling, limits: ScrapeLimits, honorTimestamps: boolean, histograms: HistogramOptions, tracker: SeriesTracker, takesStarts: boolean) {
    this.labeling = labeling;
    this.limits = limits;
    this.honorTimestamps = honorTimestamps;
    this.histograms = histograms;
    this.tracker = tracker;
    this.takesStarts = takesStarts;
  }

  get relabeler(): BatchRelabeler {
    this.#relabeler ??= new BatchRelabeler((labels) => relabelComponent(labels, (own) => storedLabels(own, this.labeling)));
    return this.#relabeler;
  }
}

export interface PageResult {
  readonly samplesScraped: number;
  readonly samplesStored: number;
  readonly change: SeriesChange;
  /** A page with bad lines, or histograms that cannot be converted, is stored without them. */
  readonly skippedLines: number;
  readonly firstError: string;
}

/** A memory and the parsers in it. */
interface PageParsers {
  readonly kernel: Kernel;
  readonly text: PrometheusTextParser;
  readonly protobuf: PrometheusProtobufParser;
}

/** A memory that has grown beyond this is given back. */
const memoryBytesMax = 128 << 20;

export class ScrapeIngest {
  readonly #sink: ScrapeSink;
  readonly #labelLimits: IntakeRules;
  readonly #runs = new RunList();
  #parsers: PageParsers | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(sink: ScrapeSink, labelLimits: IntakeRules = defaultLabelLimits) {
    this.#sink = sink;
    this.#labelLimits = labelLimits;
  }

  /** Stores a page. Throws ScrapeError for a page over a limit or without a single good line, and what the sink throws. */
  ingest(target: TargetIngest, response: ScrapeResponse, timestampMs: number): Promise<PageResult> {
    return this.#inTurn(() => this.#ingest(target, response, timestampMs));
  }

  /** Writes a batch that lies in memory of its own. */
  async write(batch: RowBatch): Promise<void> {
    await this.#sink.write(batch);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #ingest(target: TargetIngest, response: ScrapeResponse, timestampMs: number): Promise<PageResult> {
    const { kernel, text, protobuf } = this.#takeParsers();
    const mark = kernel.mark();
    try {
      const body = kernel.allocate(response.body.length + bodySlackBytes);
      kernel.u8.set(response.body, body);
      const isProtobuf = isPrometheusProtobuf(response.contentType);
      const parse = pageParse(target, response, timestampMs, isProtobuf);
      const parser: SliceParser = isProtobuf ? protobuf : text;
      const start = (): void => (isProtobuf ? protobuf : text).start(body, response.body.length, { ...parse.options, histograms: target.histograms, takesStarts: target.takesStarts });
      const page = new PageReader(parser, start, isProtobuf ? undefined : rewriteOptions(target, response.contentType));
      const { limits } = target;
      if (limits.sampleLimit > 0 || limits.labelLimit > 0 || limits.labelNameLengthLimit > 0 || limits.labelValueLengthLimit > 0) {
        await this.#check(page, target, parse.relabels);
      }
      const samplesStored = await this.#store(page, target, parse.relabels, timestampMs);
      const { report } = parser;
      if (report.broken) throw new ScrapeError("no_samples", report.firstError?.message ?? "the page is broken");
      if (report.samples === 0 && report.skippedLines > 0) throw new ScrapeError("no_samples", `no line can be read: ${report.firstError?.message ?? ""}`);
      const change = await target.tracker.replace(this.#runs);
      if (parse.relabels) target.relabeler.trim(this.#runs.count);
      return {
        samplesScraped: samplesScraped(report), samplesStored, change,
        skippedLines: report.skippedLines + page.refusedCount, firstError: (report.firstError ?? page.firstError)?.message ?? "",
      };
    } finally {
      kernel.reset(mark);
      if (kernel.sizeBytes > memoryBytesMax) this.#parsers = undefined;
    }
  }

  #takeParsers(): PageParsers {
    if (this.#parsers === undefined) {
      const kernel = new Kernel();
      this.#parsers = { kernel, text: new PrometheusTextParser(kernel, this.#labelLimits), protobuf: new PrometheusProtobufParser(kernel, this.#labelLimits) };
    }
    return this.#parsers;
  }

  /** Looks at all rows as they would be stored. */
  async #check(page: PageReader, { limits, relabeler }: TargetIngest, relabels: boolean): Promise<void> {
    const checksLabels = limits.labelLimit > 0 || limits.labelNameLengthLimit > 0 || limits.labelValueLengthLimit > 0;
    let samples = 0;
    for (const batch of page.batches()) {
      const stored = relabels ? relabeler.apply(batch) : batch;
      samples += countSamples(stored);
      if (checksLabels) checkLabels(stored, limits);
      await turn();
    }
    if (limits.sampleLimit > 0 && samples > limits.sampleLimit) throw new ScrapeError("over_limit", `the page has ${samples} samples, more than sample_limit ${limits.sampleLimit}`);
  }

  async #store(page: PageReader, target: TargetIngest, relabels: boolean, timestampMs: number): Promise<number> {
    const writes: Promise<unknown>[] = [];
    this.#runs.clear();
    let samples = 0;
    try {
      for (const batch of page.batches()) {
        const stored = relabels ? target.relabeler.apply(batch) : batch;
        if (!target.honorTimestamps) stored.timestampsMs.fill(timestampMs);
        this.#runs.add(stored);
        samples += countSamples(stored);
        writes.push(this.#sink.write(narrowLabelBytes(stored)));
        writes.at(-1)!.catch(() => undefined); // looked at below
        await (this.#sink.applied === undefined ? writes.at(-1) : this.#sink.applied());
        await turn();
      }
      await Promise.all(writes);
    } finally {
      await Promise.allSettled(writes);
    }
    return samples;
  }
}

/** Reads a page, as often as it is asked to. */
class PageReader {
  /** Of the last reading: histograms that could not be converted, and why not the first. */
  refusedCount = 0;
  firstError: InputError | undefined;
  readonly #parser: SliceParser;
  readonly #start: () => void;
  readonly #rewriting: RewriteOptions | undefined;
  #families: PageFamilies | undefined;

  constructor(parser: SliceParser, start: () => void, rewriting: RewriteOptions | undefined) {
    this.#parser = parser;
    this.#start = start;
    this.#rewriting = rewriting;
  }

  /** All rows, those that are made of others included; a batch is valid until the next one. */
  *batches(): Generator<RowBatch, void, void> {
    if (this.#rewriting === undefined) return yield* this.#parsed();
    const rewriter = new PageRewriter((this.#families ??= this.#readFamilies()), this.#rewriting);
    for (const batch of this.#parsed()) yield rewriter.rewrite(batch);
    yield rewriter.finish();
    this.refusedCount = rewriter.refusedCount;
    this.firstError = rewriter.firstError;
  }

  *#parsed(): Generator<RowBatch, void, void> {
    this.#start();
    for (let batch = this.#parser.next(); batch !== undefined; batch = this.#parser.next()) yield batch;
  }

  #readFamilies(): PageFamilies {
    const families = new PageFamilies();
    for (const batch of this.#parsed()) families.note(batch);
    return families;
  }
}

/** Rows `foo_created` mean something in OpenMetrics only. */
function rewriteOptions({ histograms, takesStarts: storesStarts }: TargetIngest, contentType: string): RewriteOptions | undefined {
  const takesStarts = storesStarts && timestampUnitOf(contentType) === "seconds";
  if (!histograms.convertsClassic && !takesStarts) return undefined;
  return { convertsClassic: histograms.convertsClassic, keepsClassic: histograms.takesClassicBesides, takesStarts, bucketsMax: histograms.bucketsMax };
}

/** How the parser is to be started, and whether its rows go through the relabeler, which then adds the target's labels. */
function pageParse(target: TargetIngest, { body, contentType }: ScrapeResponse, nowMs: number, isProtobuf: boolean): { relabels: boolean; options: Parameters<PrometheusTextParser["start"]>[2] } {
  const { targetLabels, externalLabels, metricRelabelRules } = target.labeling;
  const own = new Set(targetLabels.map(({ name }) => name));
  const clash = externalLabels.some(({ name }) => own.has(name));
  const added: Labels = [...targetLabels, ...externalLabels];
  const relabels = !metricRelabelRules.isEmpty || clash || isProtobuf || mayHaveLabels(body, added.map(({ name }) => name));
  const extraLabels = relabels ? [] : added;
  return { relabels, options: { tenant: defaultTenant, extraLabels, nowMs, unit: timestampUnitOf(contentType) } };
}

/** What relabeling does to the labels of a native histogram, which its components have in common. */
function relabelComponent(labels: Labels, relabel: (labels: Labels) => Labels | undefined): Labels | undefined {
  const split = splitHistogramLabel(labels);
  if (split === undefined) return relabel(labels);
  const stored = relabel(split.labels);
  return stored && withHistogramLabel(stored, split.component);
}

function checkLabels({ seriesCount, seriesRows, labelBytes }: RowBatch, limits: ScrapeLimits): void {
  for (let i = 0; i < seriesCount; i++) {
    const from = seriesRows[i * seriesRow.slots + seriesRow.labelsOffset];
    const run = decodeLabelRun(labelBytes, from, from + seriesRows[i * seriesRow.slots + seriesRow.labelsSize]);
    const labels = splitHistogramLabel(run)?.labels ?? run;
    const metric = labels.find(({ name }) => name === "__name__")?.value ?? "";
    if (limits.labelLimit > 0 && labels.length > limits.labelLimit) {
      throw new ScrapeError("over_limit", `a series of ${metric} has ${labels.length} labels, more than label_limit ${limits.labelLimit}`);
    }
    for (const { name, value } of labels) {
      if (limits.labelNameLengthLimit > 0 && Buffer.byteLength(name) > limits.labelNameLengthLimit) {
        throw new ScrapeError("over_limit", `label ${name} of ${metric} is longer than label_name_length_limit ${limits.labelNameLengthLimit}`);
      }
      if (limits.labelValueLengthLimit > 0 && Buffer.byteLength(value) > limits.labelValueLengthLimit) {
        throw new ScrapeError("over_limit", `the value of label ${name} of ${metric} is longer than label_value_length_limit ${limits.labelValueLengthLimit}`);
      }
    }
  }
}

/** Samples that the page has, those without a place in the store included. */
function samplesScraped(report: ParseReport): number {
  return Object.values(report.droppedByReason).reduce((sum, count) => sum + count, report.samples);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
