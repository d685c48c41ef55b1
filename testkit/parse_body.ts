/** Runs a SliceParser over a whole body and collects what it handed out, checking the invariants of its batches. */
import { assert } from "../src/base/assert.ts";
import type { Kernel } from "../src/kernel/kernel.ts";
import { bodySlackBytes } from "../src/kernel/label_run.ts";
import { decodeLabelRun, type Labels, labelsToRecord } from "../src/model/labels.ts";
import { defaultTenant } from "../src/model/matcher.ts";
import { type MetricMetadata, type RowBatch, seriesRow } from "../src/model/row_batch.ts";
import type { ParseReport, SliceParser } from "../src/protocol/slice_parser.ts";

export interface CollectedSeries {
  readonly labelRun: Uint8Array;
  readonly timestampsMs: number[];
  readonly valueBits: bigint[];
}

export interface CollectedBody {
  /** In the order of arrival; rows with equal labels that follow each other are joined. */
  readonly series: CollectedSeries[];
  readonly metadata: MetricMetadata[];
  readonly report: ParseReport;
  readonly batchCount: number;
}

/** A kernel with room for bodies of up to `bodyBytes` and the parsers made by `create`. */
export class BodyParser {
  readonly kernel: Kernel;
  readonly bodyPointer: number;
  readonly #bodyBytes: number;

  constructor(kernel: Kernel, bodyBytes = 1 << 20) {
    this.kernel = kernel;
    this.#bodyBytes = bodyBytes;
    this.bodyPointer = kernel.allocate(bodyBytes + bodySlackBytes);
  }

  /** Parses `bytes`; behind them lies garbage that must not be acted on. */
  parse(parser: SliceParser, bytes: Uint8Array, options: { extraLabels?: Labels; nowMs?: number; garbage?: number } = {}): CollectedBody {
    assert(bytes.length <= this.#bodyBytes);
    this.kernel.u8.fill(options.garbage ?? 0x0a, this.bodyPointer, this.bodyPointer + Math.min(this.#bodyBytes, bytes.length + 4096));
    this.kernel.u8.set(bytes, this.bodyPointer);
    parser.start(this.bodyPointer, bytes.length, { tenant: defaultTenant, extraLabels: options.extraLabels ?? [], nowMs: options.nowMs ?? 0 });
    const series: CollectedSeries[] = [];
    const metadata: MetricMetadata[] = [];
    let batchCount = 0;
    for (let batch = parser.next(); batch !== undefined; batch = parser.next()) {
      assert(++batchCount < 10_000, "the parser does not come to an end");
      collectBatch(batch, series);
      metadata.push(...batch.metadata);
    }
    return { series, metadata, report: parser.report, batchCount };
  }
}

/** Appends copies of the rows of a batch to `series`. */
export function collectBatch(batch: RowBatch, series: CollectedSeries[]): void {
  const bits = new BigUint64Array(batch.values.buffer, batch.values.byteOffset, batch.sampleCount);
  assert(batch.timestampsMs.length === batch.sampleCount && batch.seriesRows.length === batch.seriesCount * seriesRow.slots);
  let sampleTotal = 0;
  for (let i = 0; i < batch.seriesCount; i++) {
    const row = batch.seriesRows.subarray(i * seriesRow.slots, (i + 1) * seriesRow.slots);
    const from = row[seriesRow.sampleFrom];
    const to = from + row[seriesRow.sampleCount];
    assert(from === sampleTotal && to > from, "rows own their samples one after the other");
    sampleTotal = to;
    const offset = row[seriesRow.labelsOffset];
    const labelRun = batch.labelBytes.slice(offset, offset + row[seriesRow.labelsSize]);
    assert(labelRun.length === row[seriesRow.labelsSize] && labelRun.length > 0);
    let last = series[series.length - 1];
    if (last === undefined || Buffer.compare(last.labelRun, labelRun) !== 0) {
      last = { labelRun, timestampsMs: [], valueBits: [] };
      series.push(last);
    }
    for (let at = from; at < to; at++) {
      last.timestampsMs.push(batch.timestampsMs[at]);
      last.valueBits.push(bits[at]);
    }
  }
  assert(sampleTotal === batch.sampleCount);
}

/** A collected series in the words of the conformance data. */
export function describeSeries(series: CollectedSeries): { labels: Record<string, string>; timestamps: number[]; values: number[] } {
  return {
    labels: labelsToRecord(decodeLabelRun(series.labelRun, 0, series.labelRun.length)),
    timestamps: series.timestampsMs,
    values: [...new Float64Array(BigUint64Array.from(series.valueBits).buffer)],
  };
}

/** Rows joined as collectBatch does, for comparing a twin's result. */
export function joinSeries(rows: readonly CollectedSeries[]): CollectedSeries[] {
  const joined: CollectedSeries[] = [];
  for (const row of rows) {
    const last = joined[joined.length - 1];
    if (last !== undefined && Buffer.compare(last.labelRun, row.labelRun) === 0) {
      for (const timestampMs of row.timestampsMs) last.timestampsMs.push(timestampMs);
      for (const bits of row.valueBits) last.valueBits.push(bits);
    } else joined.push({ labelRun: row.labelRun, timestampsMs: [...row.timestampsMs], valueBits: [...row.valueBits] });
  }
  return joined;
}

/** Some random changes to a body: flipped bits, removed, doubled or inserted bytes, a cut end. */
export function mutate(bytes: Uint8Array, random: { int(limit: number): number }): Uint8Array {
  let result = Buffer.from(bytes);
  for (let change = random.int(4); change >= 0; change--) {
    if (result.length === 0) return result;
    const at = random.int(result.length);
    const kind = random.int(6);
    if (kind === 0) result = result.subarray(0, at) as typeof result;
    else if (kind === 1) result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + random.int(4))]);
    else if (kind === 2) result = Buffer.concat([result.subarray(0, at), Buffer.from([random.int(256), random.int(256)]), result.subarray(at)]);
    else if (kind === 3) result = Buffer.concat([result.subarray(0, at), result.subarray(Math.max(0, at - random.int(40)))]);
    else result[at] = kind === 4 ? random.int(256) : result[at] ^ (1 << random.int(8));
  }
  return result;
}
