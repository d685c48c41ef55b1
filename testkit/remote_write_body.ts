/** Encodes remote write 1.0 requests for tests and benchmarks: labels and samples -> WriteRequest -> snappy block. */
import { compress } from "snappyjs";
import type { Label } from "../src/model/labels.ts";
import type { MetricMetadata } from "../src/model/row_batch.ts";

/** One TimeSeries. Labels are written as they are, in the given order. */
export interface BodySeries {
  readonly labels: readonly Label[];
  readonly timestampsMs: ArrayLike<number>;
  readonly values: Float64Array;
}

/** A growing buffer of protobuf bytes. */
class ProtobufWriter {
  #bytes = new Uint8Array(1 << 16);
  size = 0;

  reserve(extra: number): void {
    if (this.size + extra <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.size + extra));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
  byte(value: number): void {
    this.reserve(1);
    this.#bytes[this.size++] = value;
  }
  /** Whole numbers from -2^63; negative ones take 10 bytes. */
  varint(value: number): void {
    this.reserve(10);
    if (value < 0 || value > Number.MAX_SAFE_INTEGER) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 128n; rest >>= 7n) this.#bytes[this.size++] = Number(rest & 127n) | 128;
      this.#bytes[this.size++] = Number(rest);
      return;
    }
    for (; value >= 128; value = Math.floor(value / 128)) this.#bytes[this.size++] = (value % 128) | 128;
    this.#bytes[this.size++] = value;
  }
  /** The 8 bytes at `index` of `values`, bit by bit. */
  float64(values: Float64Array, index: number): void {
    this.reserve(8);
    this.#bytes.set(new Uint8Array(values.buffer, values.byteOffset + index * 8, 8), this.size);
    this.size += 8;
  }
  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.#bytes.set(value, this.size);
    this.size += value.length;
  }
  field(tag: number, value: Uint8Array): void {
    this.byte(tag);
    this.varint(value.length);
    this.bytes(value);
  }
  take(): Uint8Array {
    const result = this.#bytes.slice(0, this.size);
    this.size = 0;
    return result;
  }
}

const encoder = new TextEncoder();

function encodeLabel(label: Label, scratch: ProtobufWriter): Uint8Array {
  scratch.field(0x0a, encoder.encode(label.name));
  scratch.field(0x12, encoder.encode(label.value));
  return scratch.take();
}

/** As Prometheus writes it: a value of (positive) zero and a timestamp of 0 are left out. */
function encodeSample(timestampMs: number, values: Float64Array, index: number, scratch: ProtobufWriter): Uint8Array {
  if (!Object.is(values[index], 0)) {
    scratch.byte(0x09);
    scratch.float64(values, index);
  }
  if (timestampMs !== 0) {
    scratch.byte(0x10);
    scratch.varint(timestampMs);
  }
  return scratch.take();
}

function encodeSeries(series: BodySeries, inner: ProtobufWriter, outer: ProtobufWriter): Uint8Array {
  for (const label of series.labels) outer.field(0x0a, encodeLabel(label, inner));
  for (let i = 0; i < series.values.length; i++) outer.field(0x12, encodeSample(series.timestampsMs[i], series.values, i, inner));
  return outer.take();
}

const metadataTypes = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"];

function encodeMetadata(metadata: MetricMetadata, scratch: ProtobufWriter): Uint8Array {
  scratch.byte(0x08);
  scratch.varint(metadataTypes.indexOf(metadata.type));
  scratch.field(0x12, encoder.encode(metadata.metricFamily));
  scratch.field(0x22, encoder.encode(metadata.help));
  scratch.field(0x2a, encoder.encode(metadata.unit));
  return scratch.take();
}

/** The protobuf bytes of a WriteRequest. */
export function encodeWriteRequest(seriesList: readonly BodySeries[], metadata: readonly MetricMetadata[] = []): Uint8Array {
  const inner = new ProtobufWriter();
  const outer = new ProtobufWriter();
  const request = new ProtobufWriter();
  for (const series of seriesList) request.field(0x0a, encodeSeries(series, inner, outer));
  for (const entry of metadata) request.field(0x1a, encodeMetadata(entry, inner));
  return request.take();
}

/** A snappy block of literals only: valid, not smaller. */
export function snappyLiteral(bytes: Uint8Array): Uint8Array {
  const writer = new ProtobufWriter();
  writer.varint(bytes.length);
  for (let from = 0; from < bytes.length; from += 65536) {
    const chunk = bytes.subarray(from, from + 65536);
    writer.byte(61 << 2);
    writer.byte((chunk.length - 1) & 255);
    writer.byte((chunk.length - 1) >> 8);
    writer.bytes(chunk);
  }
  return writer.take();
}

/** A compressed snappy block. */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(compress(bytes));
}

/** The body of a remote write request. */
export function remoteWriteBody(seriesList: readonly BodySeries[], metadata: readonly MetricMetadata[] = []): Uint8Array {
  return snappyCompress(encodeWriteRequest(seriesList, metadata));
}

/**
 * The body that the figures of this project are measured with: `seriesCount` series with one sample and 10 labels, as a
 * fleet of hosts would send them; about 320 bytes a series.
 */
export function fleetSeries(seriesCount: number, timestampMs: number): BodySeries[] {
  return Array.from({ length: seriesCount }, (_, i) => {
    const host = Math.floor(i / 100);
    return {
      labels: [
        { name: "__name__", value: `http_requests_duration_seconds_${i % 50}` },
        { name: "cluster", value: `production-cluster-${host % 4}` },
        { name: "container", value: "application-server" },
        { name: "environment", value: "production" },
        { name: "instance", value: `10.${(host >> 8) & 255}.${host & 255}.17:9100` },
        { name: "job", value: "kubernetes-service-endpoints" },
        { name: "method", value: i % 2 === 0 ? "GET" : "POST" },
        { name: "namespace", value: `team-${host % 20}-services` },
        { name: "pod", value: `application-server-7d8f9c6b5-${(host * 7919).toString(36)}` },
        { name: "status", value: `${200 + (i % 5)}` },
      ],
      timestampsMs: [timestampMs],
      values: Float64Array.of(i * 1.5 + 0.25),
    };
  });
}
