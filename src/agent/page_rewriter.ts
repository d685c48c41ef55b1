/**
 * What is done to the rows of a text page when its job converts classic histograms, or start timestamps are stored. Both need to know more than a
 * row says: its type stands in a comment, the rest of its histogram in other rows, its start in a row `foo_created` of its own that comes
 * later. So such a page is read twice:
 *
 *   const families = new PageFamilies();
 *   for (batch of the page) families.note(batch);
 *   const rewriter = new PageRewriter(families, options);
 *   for (batch of the page) rewriter.rewrite(batch);
 *   rewriter.finish();                        the converted histograms
 *
 * Protobuf pages say all of it at once; their parser does the same.
 */
import { InputError } from "../base/errors.ts";
import { decodeLabelRun, encodeLabelRun, type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { type MetricMetadata, type RowBatch, seriesRow } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { convertClassic } from "../protocol/classic_conversion.ts";
import { ComponentRows } from "../protocol/component_rows.ts";

type FamilyType = MetricMetadata["type"];

/** The suffixes of series that count, by the type of their family. */
const suffixes: Readonly<Partial<Record<FamilyType, readonly string[]>>> = {
  counter: ["_total"], histogram: ["_bucket", "_sum", "_count"], summary: ["_sum", "_count"],
};
const created = "_created";

/** A row and the family that it belongs to. */
interface FamilyRow {
  readonly family: string;
  readonly suffix: string;
  readonly type: FamilyType;
}

/** The families of a page, and since when their series count. */
export class PageFamilies {
  readonly #types = new Map<string, FamilyType>();
  readonly #startsMs = new Map<string, number>();

  note(batch: RowBatch): void {
    for (const { metricFamily, type } of batch.metadata) this.#types.set(metricFamily, type);
    for (const { labels, values } of rowsOf(batch)) {
      const name = labelValue(labels, metricNameLabel);
      if (name.endsWith(created)) this.#startsMs.set(keyOf(name.slice(0, -created.length), labels), Math.floor(values[0] * 1000));
    }
  }

  /** undefined for what is no series that counts. */
  find(name: string): FamilyRow | undefined {
    const at = name.lastIndexOf("_");
    if (at <= 0) return undefined;
    const [family, suffix] = [name.slice(0, at), name.slice(at)];
    const type = this.#types.get(family);
    return type !== undefined && suffixes[type]?.includes(suffix) === true ? { family, suffix, type } : undefined;
  }

  /** Whether a series only says since when others count. */
  isCreated(name: string): boolean {
    return name.endsWith(created) && suffixes[this.#types.get(name.slice(0, -created.length)) ?? "unknown"] !== undefined;
  }

  startMs(family: string, labels: Labels): number | undefined {
    return this.#startsMs.get(keyOf(family, labels));
  }
}

export interface RewriteOptions {
  /** convert_classic_histograms_to_nhcb. */
  readonly convertsClassic: boolean;
  /** always_scrape_classic_histograms: the classic series of converted histograms are kept. */
  readonly keepsClassic: boolean;
  /** Rows `foo_created` become start timestamps of the series of foo. */
  readonly takesStarts: boolean;
  readonly bucketsMax: number;
}

/** A classic histogram of which not all rows have been seen. */
interface OpenHistogram {
  /** With the name of the family. */
  readonly run: Uint8Array;
  readonly timestampMs: number;
  readonly startMs: number | undefined;
  readonly buckets: { bound: number; count: number }[];
  count: number | undefined;
  sum: number;
}

export class PageRewriter {
  /** Histograms that could not be converted, and why not the first. */
  refusedCount = 0;
  firstError: InputError | undefined;
  readonly #families: PageFamilies;
  readonly #options: RewriteOptions;
  readonly #builder = new RowBatchBuilder();
  readonly #components = new ComponentRows(this.#builder);
  readonly #open = new Map<string, OpenHistogram>();

  constructor(families: PageFamilies, options: RewriteOptions) {
    this.#families = families;
    this.#options = options;
  }

  /** The rows that are stored instead; valid until the next call. */
  rewrite(batch: RowBatch): RowBatch {
    this.#builder.clear();
    for (const row of rowsOf(batch)) this.#takeRow(row);
    const { exemplars } = batch;
    return { ...this.#builder.build(), tenant: batch.tenant, metadata: batch.metadata, ...(exemplars !== undefined && { exemplars: exemplars.map((one) => ({ ...one, labelRun: this.#ownerOf(one.labelRun) })) }) };
  }

  /** The histograms that were converted. */
  finish(): RowBatch {
    this.#builder.clear();
    for (const { run, timestampMs, startMs, ...classic } of this.#open.values()) {
      try {
        this.#components.add(run, timestampMs, convertClassic(classic, this.#options.bucketsMax));
        if (startMs !== undefined) this.#components.addStart(run, timestampMs, startMs);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.refusedCount++;
        this.firstError ??= error;
      }
    }
    this.#open.clear();
    return this.#builder.build();
  }

  #takeRow({ labels, run, timestampsMs, values }: Row): void {
    const { convertsClassic, keepsClassic, takesStarts } = this.#options;
    const name = labelValue(labels, metricNameLabel);
    if (takesStarts && this.#families.isCreated(name)) return;
    const found = this.#families.find(name);
    const isConverted = convertsClassic && found?.type === "histogram" && this.#gather(found, labels, timestampsMs[0], values[0]);
    if (isConverted && !keepsClassic) return;
    this.#builder.addLabelRun(run, timestampsMs, values);
    const startMs = takesStarts && found !== undefined ? this.#families.startMs(found.family, labels) : undefined;
    if (startMs !== undefined) this.#components.addStart(run, timestampsMs[0], startMs);
  }

  /** Adds a row to its histogram; false for a bucket without a bound. */
  #gather({ family, suffix }: FamilyRow, labels: Labels, timestampMs: number, value: number): boolean {
    const bound = suffix === "_bucket" ? boundOf(labelValue(labels, "le")) : 0;
    if (Number.isNaN(bound)) return false;
    const key = keyOf(family, labels);
    let open = this.#open.get(key);
    if (open === undefined) {
      const startMs = this.#options.takesStarts ? this.#families.startMs(family, labels) : undefined;
      open = { run: encodeLabelRun(ownerLabels(family, labels)), timestampMs, startMs, buckets: [], count: undefined, sum: 0 };
      this.#open.set(key, open);
    }
    if (suffix === "_bucket") open.buckets.push({ bound, count: value });
    else if (suffix === "_count") open.count = value;
    else open.sum = value;
    return true;
  }

  /** Exemplars of buckets that are not stored are those of the histogram. */
  #ownerOf(labelRun: Uint8Array): Uint8Array {
    const { convertsClassic, keepsClassic } = this.#options;
    if (!convertsClassic || keepsClassic) return labelRun;
    const labels = decodeLabelRun(labelRun, 0, labelRun.length);
    const found = this.#families.find(labelValue(labels, metricNameLabel));
    return found?.type === "histogram" ? encodeLabelRun(ownerLabels(found.family, labels)) : labelRun;
  }
}

interface Row {
  readonly labels: Labels;
  readonly run: Uint8Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

function* rowsOf({ seriesRows, labelBytes, timestampsMs, values }: RowBatch): Generator<Row> {
  for (let row = 0; row < seriesRows.length; row += seriesRow.slots) {
    const offset = seriesRows[row + seriesRow.labelsOffset];
    const end = offset + seriesRows[row + seriesRow.labelsSize];
    const from = seriesRows[row + seriesRow.sampleFrom];
    const to = from + seriesRows[row + seriesRow.sampleCount];
    yield { labels: decodeLabelRun(labelBytes, offset, end), run: labelBytes.subarray(offset, end), timestampsMs: timestampsMs.subarray(from, to), values: values.subarray(from, to) };
  }
}

/** The series of one metric have the same key: their labels but for the name and the bound of a bucket. */
function keyOf(family: string, labels: Labels): string {
  return JSON.stringify([family, ...labels.filter(({ name }) => name !== metricNameLabel && name !== "le").flatMap(({ name, value }) => [name, value])]);
}

/** The labels of the histogram itself. */
function ownerLabels(family: string, labels: Labels): Labels {
  return labels.filter(({ name }) => name !== "le").map((label) => (label.name === metricNameLabel ? { name: metricNameLabel, value: family } : label));
}

function boundOf(text: string): number {
  if (text === "") return NaN;
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}
