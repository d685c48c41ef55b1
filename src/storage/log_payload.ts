/**
 * What log records hold: one row per record type, and the payloads that plain code reads or writes. Samples and series are written by the
 * head kernels (wasm/head.ts) and replayed there; the functions here serve tests, tools and metadata. All numbers little-endian.
 *
 *   samples     rows, see kernel/log_rows.ts: version 2 is what the head writes, version 1 stood expanded on disk. What is said of rows here is
 *               of the expanded form. The row at index i has log row number firstLogRow + i and timestamp baseMs + offsetMs.
 *   newSeries   repeated: 0 u32 seriesId | 4 u32 accountId | 8 u32 projectId | 12 u32 labelsSize | 16 label run, padded to 8 with zeros
 *   metadata    repeated: 0 u32 accountId | 4 u32 projectId | 8 u8 type | 9 u8 reserved | 10 u16 familySize | 12 u16 helpSize | 14 u16 unitSize
 *               | 16 family, help, unit in UTF-8, padded to 8 with zeros
 *   exemplars   repeated: 0 u32 accountId | 4 u32 projectId | 8 f64 timestampMs | 16 f64 value | 24 u32 labelsSize | 28 u32 exemplarLabelsSize
 *               | 32 label run of the series, label run of the exemplar, padded to 8 with zeros
 *   checkpoint  reserved
 */
import { assert } from "../base/assert.ts";
import { logHeaderBytes, logRecordSize, sealLogRecord } from "../kernel/log_record.ts";
import { encodeLogRows, expandedLogRowBytes, logRowsHeaderBytes } from "../kernel/log_rows.ts";
import { isLabelRun } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import type { MetricMetadata } from "../model/row_batch.ts";

/** A record type is never given another meaning; `version` is that of the payload. */
export const logRecordTypes = {
  samples: { type: 1, version: 2 },
  newSeries: { type: 2, version: 1 },
  metadata: { type: 3, version: 1 },
  exemplars: { type: 4, version: 1 },
  checkpoint: { type: 5, version: 1 },
} as const;

export interface LogSeries {
  readonly seriesId: number;
  readonly tenant: Tenant;
  readonly labels: Uint8Array;
}

const timeMsMax = 8.64e15;

/**
 * Whether the counts and sizes in a payload (expanded, if it is of samples) fit into it and its numbers are possible: the kernels that replay it rely on that. A right checksum says
 * only that it is what was written.
 */
export function isSoundLogPayload(type: number, payload: DataView): boolean {
  if (type === logRecordTypes.samples.type) return areSoundSamples(payload);
  return type !== logRecordTypes.newSeries.type || areSoundSeries(payload);
}

function areSoundSamples(payload: DataView): boolean {
  if (payload.byteLength < logRowsHeaderBytes) return false;
  const firstLogRow = payload.getFloat64(0, true);
  const count = payload.getUint32(16, true);
  const isTime = Math.abs(payload.getFloat64(8, true)) <= timeMsMax;
  return isTime && firstLogRow >= 0 && Number.isSafeInteger(firstLogRow + count) && logRowsHeaderBytes + count * expandedLogRowBytes <= payload.byteLength;
}

function areSoundSeries(payload: DataView): boolean {
  let at = 0;
  while (at + 16 <= payload.byteLength) at += 16 + pad8(payload.getUint32(at + 12, true));
  return at === payload.byteLength;
}

/** A whole record of samples (version 1 on demand), for tests and tools. */
export function encodeLogSamples(
  firstLogRow: number, baseMs: number, seriesIds: ArrayLike<number>, timestampsMs: ArrayLike<number>, values: Float64Array, version: 1 | 2 = 2,
): Uint8Array {
  const expanded = new Uint8Array(logRowsHeaderBytes + seriesIds.length * expandedLogRowBytes);
  const view = new DataView(expanded.buffer);
  view.setFloat64(0, firstLogRow, true);
  view.setFloat64(8, baseMs, true);
  view.setUint32(16, seriesIds.length, true);
  const valueBytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let i = 0; i < seriesIds.length; i++) {
    const at = logRowsHeaderBytes + i * expandedLogRowBytes;
    view.setUint32(at, seriesIds[i], true);
    view.setInt32(at + 4, timestampsMs[i] - baseMs, true);
    expanded.set(valueBytes.subarray(i * 8, i * 8 + 8), at + 8); // as bytes, so that NaN payloads stay
  }
  const payload = version === 1 ? expanded : encodeLogRows(expanded);
  return encodeRecord({ type: logRecordTypes.samples.type, version }, payload.length, (target) => target.set(payload));
}

/** A whole record of new series. */
export function encodeLogSeries(series: readonly LogSeries[]): Uint8Array {
  const payloadSize = series.reduce((sum, { labels }) => sum + 16 + pad8(labels.length), 0);
  return encodeRecord(logRecordTypes.newSeries, payloadSize, (payload, view) => {
    let at = 0;
    for (const { seriesId, tenant, labels } of series) {
      view.setUint32(at, seriesId, true);
      view.setUint32(at + 4, tenant.accountId, true);
      view.setUint32(at + 8, tenant.projectId, true);
      view.setUint32(at + 12, labels.length, true);
      payload.set(labels, at + 16);
      at += 16 + pad8(labels.length);
    }
  });
}

/**
 * Calls `visit` for each series in the payload, with the place of its label run. Returns false if the payload ends within a series: what
 * came before was visited.
 */
export function visitLogSeries(
  payload: Uint8Array,
  visit: (seriesId: number, accountId: number, projectId: number, labelsOffset: number, labelsSize: number) => void,
): boolean {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let at = 0;
  while (at + 16 <= payload.length) {
    const labelsSize = view.getUint32(at + 12, true);
    const end = at + 16 + pad8(labelsSize);
    if (end > payload.length) return false;
    visit(view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true), at + 16, labelsSize);
    at = end;
  }
  return at === payload.length;
}

/** A whole record of metadata; help texts are cut at 64 KiB. */
export function encodeLogMetadata(tenant: Tenant, metadata: readonly MetricMetadata[]): Uint8Array {
  const texts = metadata.map(({ metricFamily, help, unit }) => [metricFamily, help, unit].map(encodeText));
  const payloadSize = texts.reduce((sum, parts) => sum + 16 + pad8(totalSize(parts)), 0);
  return encodeRecord(logRecordTypes.metadata, payloadSize, (payload, view) => {
    let at = 0;
    for (const [i, parts] of texts.entries()) {
      view.setUint32(at, tenant.accountId, true);
      view.setUint32(at + 4, tenant.projectId, true);
      view.setUint8(at + 8, metadataTypes.indexOf(metadata[i].type));
      parts.forEach((part, slot) => view.setUint16(at + 10 + slot * 2, part.length, true));
      let target = at + 16;
      for (const part of parts) {
        payload.set(part, target);
        target += part.length;
      }
      at += 16 + pad8(totalSize(parts));
    }
  });
}

/** Calls `visit` for each entry of the payload; false if it ends within an entry. */
export function visitLogMetadata(payload: Uint8Array, visit: (tenant: Tenant, metadata: MetricMetadata) => void): boolean {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let at = 0;
  while (at + 16 <= payload.length) {
    const sizes = [0, 1, 2].map((slot) => view.getUint16(at + 10 + slot * 2, true));
    const end = at + 16 + pad8(sizes[0] + sizes[1] + sizes[2]);
    if (end > payload.length) return false;
    let from = at + 16;
    // slice() copies: a decoder takes no views of shared memory.
    const [metricFamily, help, unit] = sizes.map((size) => decoder.decode(payload.slice(from, (from += size))));
    const type = metadataTypes[view.getUint8(at + 8)] ?? "unknown";
    visit({ accountId: view.getUint32(at, true), projectId: view.getUint32(at + 4, true) }, { metricFamily, type, help, unit });
    at = end;
  }
  return at === payload.length;
}

/** An exemplar with both label sets as runs. */
export interface LogExemplar {
  readonly labelRun: Uint8Array;
  readonly exemplarRun: Uint8Array;
  readonly value: number;
  readonly timestampMs: number;
}

const exemplarHeaderBytes = 32;

/** A whole record of exemplars. */
export function encodeLogExemplars(tenant: Tenant, exemplars: readonly LogExemplar[]): Uint8Array {
  const payloadSize = exemplars.reduce((sum, { labelRun, exemplarRun }) => sum + exemplarHeaderBytes + pad8(labelRun.length + exemplarRun.length), 0);
  return encodeRecord(logRecordTypes.exemplars, payloadSize, (payload, view) => {
    let at = 0;
    for (const { labelRun, exemplarRun, value, timestampMs } of exemplars) {
      view.setUint32(at, tenant.accountId, true);
      view.setUint32(at + 4, tenant.projectId, true);
      view.setFloat64(at + 8, timestampMs, true);
      view.setFloat64(at + 16, value, true);
      view.setUint32(at + 24, labelRun.length, true);
      view.setUint32(at + 28, exemplarRun.length, true);
      payload.set(labelRun, at + exemplarHeaderBytes);
      payload.set(exemplarRun, at + exemplarHeaderBytes + labelRun.length);
      at += exemplarHeaderBytes + pad8(labelRun.length + exemplarRun.length);
    }
  });
}

/** Calls `visit` for each exemplar of the payload, with views on it; false if the payload is malformed: what came before was visited. */
export function visitLogExemplars(payload: Uint8Array, visit: (tenant: Tenant, exemplar: LogExemplar) => void): boolean {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let at = 0;
  while (at + exemplarHeaderBytes <= payload.length) {
    const [labelsSize, exemplarSize] = [view.getUint32(at + 24, true), view.getUint32(at + 28, true)];
    const labelsFrom = at + exemplarHeaderBytes;
    const exemplarFrom = labelsFrom + labelsSize;
    const end = labelsFrom + pad8(labelsSize + exemplarSize);
    const [timestampMs, value] = [view.getFloat64(at + 8, true), view.getFloat64(at + 16, true)];
    if (end > payload.length || !(Math.abs(timestampMs) <= timeMsMax)) return false;
    if (!isLabelRun(payload, labelsFrom, exemplarFrom) || !(exemplarSize === 0 || isLabelRun(payload, exemplarFrom, exemplarFrom + exemplarSize))) return false;
    const tenant = { accountId: view.getUint32(at, true), projectId: view.getUint32(at + 4, true) };
    visit(tenant, { labelRun: payload.subarray(labelsFrom, exemplarFrom), exemplarRun: payload.subarray(exemplarFrom, exemplarFrom + exemplarSize), value, timestampMs });
    at = end;
  }
  return at === payload.length;
}

/** Position = number on disk. */
const metadataTypes: readonly MetricMetadata["type"][] = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"];

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const textBytesMax = 65535;

function encodeText(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= textBytesMax) return bytes;
  let end = textBytesMax;
  while ((bytes[end] & 0xc0) === 0x80) end--; // not within a character
  return bytes.subarray(0, end);
}

function encodeRecord(
  kind: { readonly type: number; readonly version: number },
  payloadSize: number,
  fill: (payload: Uint8Array, view: DataView) => void,
): Uint8Array {
  const bytes = new Uint8Array(logRecordSize(payloadSize));
  fill(bytes.subarray(logHeaderBytes), new DataView(bytes.buffer, logHeaderBytes));
  assert(sealLogRecord(bytes, 0, payloadSize, kind.type, kind.version) > 0, "a log record holds at most 4 MiB");
  return bytes;
}

function totalSize(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function pad8(size: number): number {
  return Math.ceil(size / 8) * 8;
}
