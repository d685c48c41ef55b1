/** Plain twin of the building of label runs, and the result type of the parsers' twins. */
import type { LabelLimits } from "./label_run.ts";

export interface LabelPair {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export interface ParsedSeries {
  labelRun: Uint8Array;
  readonly timestampsMs: number[];
  /** The 64 bits of each value. */
  readonly valueBits: bigint[];
}

const staleMarkerBits = 0x7ff0000000000002n;

/** Everything a parser got out of a body. */
export class ParsedBody {
  readonly series: ParsedSeries[] = [];
  readonly dropped: Record<string, number> = {};
  readonly notes: Uint8Array[] = [];
  /** Remote write: series that have more than floats. */
  readonly seriesNotes: Uint8Array[] = [];
  errorOffset: number | undefined;
  skippedLines = 0;
  readonly #keepsNaN: boolean;

  constructor({ keepsNaN = false }: { readonly keepsNaN?: boolean } = {}) {
    this.#keepsNaN = keepsNaN;
  }

  drop(reason: string, count: number): void {
    if (count > 0) this.dropped[reason] = (this.dropped[reason] ?? 0) + count;
  }

  /** Adds a series with the run it has, or drops its samples for the reason given instead of one. */
  addSeries(run: Uint8Array | string, series: ParsedSeries): void {
    if (typeof run === "string") {
      this.drop(run, series.valueBits.length);
      return;
    }
    const kept: ParsedSeries = { labelRun: run, timestampsMs: [], valueBits: [] };
    series.valueBits.forEach((bits, i) => {
      if (!this.#keepsNaN && (bits & 0x7fffffffffffffffn) > 0x7ff0000000000000n && bits !== staleMarkerBits) return this.drop("nan_value", 1);
      kept.timestampsMs.push(series.timestampsMs[i]);
      kept.valueBits.push(bits);
    });
    if (kept.valueBits.length > 0) this.series.push(kept);
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  for (; value >= 128; value >>>= 7) out.push((value & 127) | 128);
  out.push(value);
  return out;
}

/** The canonical run of labels in any order (extra labels override), or the reason to drop the series. */
export function buildLabelRun(labels: readonly LabelPair[], extra: readonly LabelPair[], limits: LabelLimits): Uint8Array | string {
  const extraNames = new Set(extra.map((label) => Buffer.from(label.name).toString("latin1")));
  const own = labels.filter((label) => label.name.length > 0 && label.value.length > 0 && !extraNames.has(Buffer.from(label.name).toString("latin1")));
  const byName = new Map<string, LabelPair>();
  let count = 0;
  for (const label of [...extra, ...own]) {
    if (label.name.length > limits.nameSizeMax || label.value.length > limits.valueSizeMax) return "label_too_long";
    if (++count > limits.labelsMax) return "too_many_labels";
    byName.set(Buffer.from(label.name).toString("latin1"), label);
  }
  const sorted = [...byName.values()].sort((a, b) => Buffer.compare(a.name, b.name));
  if (sorted.length === 0) return "no_labels";
  const out: number[] = [];
  for (const { name, value } of sorted) {
    const body = [0x0a, ...varint(name.length), ...name, 0x12, ...varint(value.length), ...value];
    out.push(0x0a, ...varint(body.length), ...body);
  }
  return Uint8Array.from(out);
}

/** The 64 bits of a float64; NaN in its plain form. */
export function floatBits(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}
