/** What the parsers share that let a kernel fill the columns of a ParseArea. */
import type { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { defaultLabelLimits, droppedReasons, type IntakeRules, ParseArea, parseStatus, timestampUnit } from "../kernel/label_run.ts";
import type { SeriesExemplar } from "../model/exemplar.ts";
import { compareBytewise, encodeLabelRun, type Labels } from "../model/labels.ts";
import { defaultTenant, type Tenant } from "../model/matcher.ts";
import type { MetricMetadata, RowBatch } from "../model/row_batch.ts";
import type { DropReason } from "../model/store.ts";
import type { ParseReport, SliceOptions, SliceParser } from "./slice_parser.ts";

export abstract class KernelSliceParser implements SliceParser {
  protected readonly area: ParseArea;
  /** Address of a head in the kernel's memory, which is asked for the series of rows; undefined: there is none. */
  readonly #head: number | undefined;
  #tenant: Tenant = defaultTenant;
  #status: number = parseStatus.done;
  #samples = 0;
  #firstError: InputError | undefined;

  constructor(kernel: Kernel, limits: IntakeRules = defaultLabelLimits, head?: number, sliceRowsMax?: number) {
    this.area = new ParseArea(kernel, limits, sliceRowsMax);
    this.#head = head;
  }

  /** Runs the kernel for one slice. */
  protected abstract parseSlice(): number;
  /** Decodes the notes of the slice; `finished` is true at the last one. */
  protected abstract takeMetadata(finished: boolean): readonly MetricMetadata[];
  /** Exemplars in the notes of the slice; asked for behind takeMetadata(). */
  protected takeExemplars(): readonly SeriesExemplar[] {
    return [];
  }
  /** The error that the area describes, when it describes one. */
  protected abstract describeError(status: number): InputError | undefined;
  /** One of timestampUnit. */
  protected timestampUnit(): number {
    return timestampUnit.auto;
  }

  start(bodyPointer: number, bodySize: number, options: SliceOptions): void {
    const extraLabels = canonical(options.extraLabels);
    const nameSizes = extraLabels.map((label) => Buffer.byteLength(label.name));
    this.area.start(bodyPointer, bodySize, encodeLabelRun(extraLabels), nameSizes, options.nowMs, this.timestampUnit());
    if (this.#head !== undefined) this.area.askHead(this.#head, options.tenant.accountId, options.tenant.projectId);
    this.#tenant = options.tenant;
    this.#status = parseStatus.full;
    this.#samples = 0;
    this.#firstError = undefined;
  }

  next(): RowBatch | undefined {
    const area = this.area;
    if (this.#status !== parseStatus.full) return undefined;
    this.#status = this.parseSlice();
    this.#firstError ??= this.describeError(this.#status);
    const metadata = this.takeMetadata(this.#status !== parseStatus.full);
    const exemplars = this.takeExemplars();
    const sampleCount = area.sampleCount;
    this.#samples += sampleCount;
    if (this.#status !== parseStatus.full && sampleCount === 0 && metadata.length === 0) return undefined;
    return {
      tenant: this.#tenant,
      seriesCount: area.rowCount,
      sampleCount,
      labelBytes: area.kernel.u8,
      seriesRows: area.seriesRows,
      timestampsMs: area.timestampsMs,
      values: area.values,
      ...(this.#head !== undefined && { knownSeries: area.knownSeries }),
      metadata,
      ...(exemplars.length > 0 && { exemplars }),
    };
  }

  get report(): ParseReport {
    const droppedByReason: Partial<Record<DropReason, number>> = {};
    droppedReasons.forEach((reason, index) => {
      const count = reason === "" ? 0 : this.area.droppedSamples(index);
      if (reason !== "" && count > 0) droppedByReason[reason] = count;
    });
    return {
      samples: this.#samples,
      skippedLines: this.area.skippedLines,
      firstError: this.#firstError,
      broken: this.#status === parseStatus.broken,
      droppedByReason,
    };
  }
}

/** Sorted, without empty values; of equal names the last one. */
export function canonical(labels: Labels): Labels {
  const byName = new Map(labels.map((label) => [label.name, label]));
  return [...byName.values()].filter((label) => label.name !== "" && label.value !== "").sort((a, b) => compareBytewise(a.name, b.name));
}
