/**
 * Type, help and unit by metric family. Each change is a log record of its own; a checkpoint writes the whole table to
 * `metadata.json` before the log that held the records is removed. Payload of record and file: JSON, one array
 * [metricFamily, type, help, unit] in a record, an array of such arrays in the file.
 */
import { logHeaderBytes, logRecordSize, sealLogRecord } from "../kernel/log_record.ts";
import type { MetricMetadata } from "../model/row_batch.ts";
import { logRecordType } from "./log_record_type.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** More families than this are not remembered: metadata is a help, not data, and comes from outside. */
const familiesMax = 100_000;
const helpLengthMax = 4096;

export class MetadataTable {
  readonly #byFamily = new Map<string, MetricMetadata>();

  /** Remembers metadata; returns a log record if it is new or changed. */
  put(metadata: MetricMetadata): Uint8Array | undefined {
    const known = this.#byFamily.get(metadata.metricFamily);
    const help = metadata.help.slice(0, helpLengthMax);
    if (known !== undefined && known.type === metadata.type && known.help === help && known.unit === metadata.unit) return undefined;
    if (known === undefined && this.#byFamily.size >= familiesMax) return undefined;
    const kept = { ...metadata, help };
    this.#byFamily.set(metadata.metricFamily, kept);
    return encodeRecord(kept);
  }

  /** Takes over a record's payload. */
  replay(payload: Uint8Array): void {
    const metadata = decodeRow(JSON.parse(decoder.decode(payload)));
    if (metadata !== undefined) this.#byFamily.set(metadata.metricFamily, metadata);
  }

  /** Takes over the content of `metadata.json`. */
  load(bytes: Uint8Array): void {
    const rows: unknown = JSON.parse(decoder.decode(bytes));
    if (!Array.isArray(rows)) return;
    for (const row of rows) {
      const metadata = decodeRow(row);
      if (metadata !== undefined) this.#byFamily.set(metadata.metricFamily, metadata);
    }
  }

  /** The content of `metadata.json`. */
  encode(): Uint8Array {
    return encoder.encode(JSON.stringify(this.list().map((metadata) => [metadata.metricFamily, metadata.type, metadata.help, metadata.unit])));
  }

  list(): MetricMetadata[] {
    return [...this.#byFamily.values()];
  }
}

function encodeRecord(metadata: MetricMetadata): Uint8Array {
  const payload = encoder.encode(JSON.stringify([metadata.metricFamily, metadata.type, metadata.help, metadata.unit]));
  const bytes = new Uint8Array(logRecordSize(payload.length));
  bytes.set(payload, logHeaderBytes);
  sealLogRecord(bytes, 0, payload.length, logRecordType.metadata, 1);
  return bytes;
}

const types: readonly string[] = ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"];

function decodeRow(row: unknown): MetricMetadata | undefined {
  if (!Array.isArray(row) || row.length !== 4 || !row.every((field) => typeof field === "string")) return undefined;
  const [metricFamily, type, help, unit] = row as [string, string, string, string];
  return { metricFamily, type: types.includes(type) ? (type as MetricMetadata["type"]) : "unknown", help, unit };
}
