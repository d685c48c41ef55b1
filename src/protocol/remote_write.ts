/**
 * Prometheus remote write 1.0: the protobuf WriteRequest, already decompressed (see kernel/snappy.ts). The kernel takes floats and leaves
 * series with native histograms or exemplars to remote_write_series.ts. Wire format: docs/protocols/remote_write.md.
 */
import { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { defaultLabelLimits, type IntakeRules, parseStatus } from "../kernel/label_run.ts";
import { remoteWriteParse, seriesNoteFlag } from "../kernel/remote_write.ts";
import type { MetricMetadata, RowBatch } from "../model/row_batch.ts";
import { canonical, KernelSliceParser } from "./kernel_slice_parser.ts";
import { defaultBucketsMax, RemoteWriteSeries } from "./remote_write_series.ts";
import type { ParseReport, SliceOptions } from "./slice_parser.ts";

/** Senders like to put 10,000 series with a sample each into a request: those make one slice. */
export const remoteWriteSliceRowsMax = 10_240;

export class RemoteWriteParser extends KernelSliceParser {
  readonly #series: RemoteWriteSeries;

  constructor(kernel: Kernel, limits: IntakeRules = defaultLabelLimits, head?: number, bucketsMax: number = defaultBucketsMax) {
    super(kernel, limits, head, remoteWriteSliceRowsMax);
    this.#series = new RemoteWriteSeries({ limits, bucketsMax });
  }

  override start(bodyPointer: number, bodySize: number, options: SliceOptions): void {
    super.start(bodyPointer, bodySize, options);
    this.#series.start(options.tenant, canonical(options.extraLabels));
  }

  /** The floats of a slice, then its histograms and exemplars. */
  override next(): RowBatch | undefined {
    return this.#series.next() ?? super.next() ?? this.#series.next();
  }

  override get report(): ParseReport {
    const report = super.report;
    const { dropped, firstError, samples } = this.#series;
    return { ...report, samples: report.samples + samples, firstError: report.firstError ?? firstError, droppedByReason: addCounts(report.droppedByReason, dropped) };
  }

  protected override parseSlice(): number {
    return remoteWriteParse(this.area);
  }

  protected override describeError(status: number): InputError | undefined {
    if (status !== parseStatus.broken) return undefined;
    const offset = this.area.errorOffset;
    return new InputError("corrupt_protobuf", `the protobuf body is broken at byte ${offset}; everything before it was taken`, { offset });
  }

  protected override takeMetadata(): readonly MetricMetadata[] {
    const notes = this.area.notes;
    const metadata: MetricMetadata[] = [];
    for (let i = 0; i < notes.length; i += 2) {
      const isSeries = notes[i + 1] >= seriesNoteFlag;
      const bytes = this.area.kernel.u8.subarray(notes[i], notes[i] + (isSeries ? notes[i + 1] - seriesNoteFlag : notes[i + 1]));
      if (isSeries) {
        this.#series.add(bytes);
        continue;
      }
      const message = decodeMetadata(Buffer.from(bytes));
      if (message !== undefined) metadata.push(message);
    }
    return metadata;
  }
}

function addCounts(left: ParseReport["droppedByReason"], right: ParseReport["droppedByReason"]): ParseReport["droppedByReason"] {
  const sum = { ...left };
  for (const [reason, count] of Object.entries(right) as [keyof typeof sum, number][]) sum[reason] = (sum[reason] ?? 0) + count;
  return sum;
}

/** Numbers of MetricMetadata.MetricType. */
const metricTypes = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"] as const;

/** Reads a MetricMetadata message (type = 1, metric_family_name = 2, help = 4, unit = 5); undefined if it is broken or nameless. */
function decodeMetadata(message: Buffer): MetricMetadata | undefined {
  let position = 0;
  let type = 0;
  const texts: Record<number, string> = {};
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; position < message.length && scale < 2 ** 50; scale *= 128) {
      const byte = message[position++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (position < message.length) {
    const tag = readVarint();
    const number = readVarint();
    if (Number.isNaN(tag) || Number.isNaN(number)) return undefined;
    if ((tag & 7) === 0) {
      if (tag === 0x08) type = number;
    } else if ((tag & 7) === 2 && number <= message.length - position) {
      texts[tag >>> 3] = message.toString("utf8", position, position + number);
      position += number;
    } else return undefined;
  }
  if (!texts[2]) return undefined;
  return { metricFamily: texts[2], type: metricTypes[type] ?? "unknown", help: texts[4] ?? "", unit: texts[5] ?? "" };
}
