/**
 * RowBatch: what every protocol parser makes and every sink takes: columns, no object per sample.
 *
 * A batch is a view on some memory (often WebAssembly memory, often shared). It stays valid until the next call on the
 * object that handed it out. Series rows come in the order of arrival; the same label set may occur in several rows.
 *
 *   labelBytes                     bytes that hold the label runs (see labels.ts); rows point into them
 *   seriesRows    u32 x 5 per row  labelsOffset (into labelBytes), labelsSize, sampleFrom, sampleCount, sampleKind
 *   timestampsMs  f64 per sample   whole milliseconds; rows own [sampleFrom, sampleFrom + sampleCount)
 *   values        f64 per sample   bit-exact; the stale marker is NaN 0x7ff0000000000002. Move them as bytes or as
 *                                  Float64Array.set(), never through a plain JavaScript array, which may lose the payload
 *
 * The same layout framed (offsets relative, checksum) is the message between processes: docs/formats/row_batch.md.
 */
import type { SeriesExemplar } from "./exemplar.ts";
import type { Tenant } from "./matcher.ts";

export const sampleKindFloat = 0;
/** A component of a native histogram (histogram_series.ts): floats like the others, but only such rows may begin series with the label __histogram__. */
export const sampleKindHistogram = 1;

/** u32 slots of one row in `seriesRows`. */
export const seriesRow = { labelsOffset: 0, labelsSize: 1, sampleFrom: 2, sampleCount: 3, sampleKind: 4, slots: 5 } as const;

export interface RowBatch {
  readonly tenant: Tenant;
  readonly seriesCount: number;
  readonly sampleCount: number;
  readonly labelBytes: Uint8Array;
  readonly seriesRows: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  /** By row, which series it is in the head whose memory the batch lies in: seriesIndex + 1, 0 if the parser does not know. A hint for that head only. */
  readonly knownSeries?: Uint32Array;
  /** Type, help and unit by metric family, where the protocol carries them. */
  readonly metadata: readonly MetricMetadata[];
  /** Where the protocol carries them. */
  readonly exemplars?: readonly SeriesExemplar[];
}

export interface MetricMetadata {
  readonly metricFamily: string;
  readonly type: "counter" | "gauge" | "histogram" | "gaugehistogram" | "summary" | "info" | "stateset" | "unknown";
  readonly help: string;
  readonly unit: string;
}

export const staleMarkerBits = 0x7ff0000000000002n;

/** Writes the stale marker at `index`; assignment of a NaN number would lose the payload. */
export function writeStaleMarker(values: Float64Array, index: number): void {
  new DataView(values.buffer, values.byteOffset + index * 8, 8).setBigUint64(0, staleMarkerBits, true);
}

/** Whether the value at `index` is the stale marker. */
export function isStaleMarker(values: Float64Array, index: number): boolean {
  if (!Number.isNaN(values[index])) return false;
  return new DataView(values.buffer, values.byteOffset + index * 8, 8).getBigUint64(0, true) === staleMarkerBits;
}
