/**
 * Type, help and unit by metric family. Each change is a log record; a checkpoint writes the whole table again to the segment that stays,
 * so the log is the only place where metadata is kept on disk.
 */
import { defaultTenant } from "../model/matcher.ts";
import type { MetricMetadata } from "../model/row_batch.ts";
import { encodeLogMetadata, visitLogMetadata } from "./log_payload.ts";

/** More families than this are not remembered: metadata is a help, not data, and comes from outside. */
const familiesMax = 100_000;
const helpLengthMax = 4096;
/** Longer names of families and units are nobody's metadata. */
const nameLengthMax = 1024;
const entriesPerRecord = 128;

export class MetadataTable {
  readonly #byFamily = new Map<string, MetricMetadata>();

  /** Remembers metadata; returns a log record if it is new or changed. */
  put(metadata: MetricMetadata): Uint8Array | undefined {
    if (metadata.metricFamily.length > nameLengthMax || metadata.unit.length > nameLengthMax) return undefined;
    const known = this.#byFamily.get(metadata.metricFamily);
    const help = metadata.help.slice(0, helpLengthMax);
    if (known !== undefined && known.type === metadata.type && known.help === help && known.unit === metadata.unit) return undefined;
    if (known === undefined && this.#byFamily.size >= familiesMax) return undefined;
    const kept = { ...metadata, help };
    this.#byFamily.set(metadata.metricFamily, kept);
    return encodeLogMetadata(defaultTenant, [kept]);
  }

  /** Takes over the payload of a record. */
  replay(payload: Uint8Array): void {
    visitLogMetadata(payload, (_, metadata) => this.#byFamily.set(metadata.metricFamily, metadata));
  }

  /** The whole table as log records. */
  encode(): Uint8Array {
    const list = this.list();
    const records: Uint8Array[] = [];
    for (let i = 0; i < list.length; i += entriesPerRecord) records.push(encodeLogMetadata(defaultTenant, list.slice(i, i + entriesPerRecord)));
    return Buffer.concat(records);
  }

  list(): MetricMetadata[] {
    return [...this.#byFamily.values()];
  }
}
