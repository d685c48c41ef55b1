/**
 * Remote write 1.0 bodies of a fleet of hosts: ten metrics per host, ten labels per series (the metric name included), integers that walk
 * between 0 and 100. All bodies of one group of series differ in times and values only, which have a fixed width, so that a body is
 * made by overwriting those in a template and compressing it.
 */
import { encodeSnappy, maximumEncodedBytes } from "./snappy_encoder.ts";

const metrics = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"].map((name) => `cpu_usage_${name}`);
const regions = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1", "sa-east-1"];
const teams = ["CHI", "LON", "NYC", "SF"];
const text = new TextEncoder();

/** The labels of a series, sorted by name. */
export function labelsOf(seriesNumber: number): [name: string, value: string][] {
  const host = Math.floor(seriesNumber / metrics.length);
  const region = regions[host % regions.length];
  return [
    ["__name__", metrics[seriesNumber % metrics.length]],
    ["arch", host % 3 === 0 ? "x86" : "x64"],
    ["datacenter", `${region}${"abc"[host % 7 % 3]}`],
    ["hostname", `host_${host}`],
    ["os", host % 2 === 0 ? "Ubuntu22.04LTS" : "Debian12"],
    ["rack", String(host % 97)],
    ["region", region],
    ["service", String(host % 19)],
    ["service_environment", host % 5 === 0 ? "staging" : "production"],
    ["team", teams[host % teams.length]],
  ];
}

/** Makes the bodies of the series [fromSeries, toSeries), one sample each. */
export class BodyTemplate {
  readonly #raw: Uint8Array;
  readonly #view: DataView;
  /** Where each series has its value; its time follows after one byte. */
  readonly #valueOffsets: Uint32Array;
  readonly #levels: Float64Array;
  #random: number;

  constructor(fromSeries: number, toSeries: number) {
    const parts: Uint8Array[] = [];
    this.#valueOffsets = new Uint32Array(toSeries - fromSeries);
    this.#levels = new Float64Array(toSeries - fromSeries);
    this.#random = (fromSeries + 1) | 1;
    let size = 0;
    for (let series = fromSeries; series < toSeries; series++) {
      const part = encodeSeries(series);
      parts.push(part);
      size += part.length;
      this.#valueOffsets[series - fromSeries] = size - 15;
      this.#levels[series - fromSeries] = 50;
    }
    this.#raw = new Uint8Array(size);
    this.#view = new DataView(this.#raw.buffer);
    let position = 0;
    for (const part of parts) {
      this.#raw.set(part, position);
      position += part.length;
    }
  }

  /** Size of a body before it is compressed. */
  get rawBytes(): number {
    return this.#raw.length;
  }

  /** Sets the time and new values; the result is valid until the next call. */
  encode(timestampMs: number): Uint8Array {
    for (let i = 0; i < this.#valueOffsets.length; i++) {
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0;
      const level = Math.min(100, Math.max(0, this.#levels[i] + ((this.#random >>> 16) % 3) - 1));
      this.#levels[i] = level;
      this.#view.setFloat64(this.#valueOffsets[i], level, true);
      writeTime(this.#raw, this.#valueOffsets[i] + 9, timestampMs);
    }
    return this.#raw;
  }

  /** The compressed body for one time. */
  body(timestampMs: number): Uint8Array {
    const raw = this.encode(timestampMs);
    const target = new Uint8Array(maximumEncodedBytes(raw.length));
    return target.slice(0, encodeSnappy(raw, target));
  }
}

/** WriteRequest.timeseries (1): labels (1) of name (1) and value (2), one sample (2) of value (1, double) and time (2, int64). */
function encodeSeries(seriesNumber: number): Uint8Array {
  const labels = labelsOf(seriesNumber).map(([name, value]) => field(1, concatenate(field(1, text.encode(name)), field(2, text.encode(value)))));
  const sample = new Uint8Array(16);
  sample[0] = 0x09;
  sample[9] = 0x10;
  return field(1, concatenate(...labels, field(2, sample)));
}

/** Times between 2004 and 2109 take six bytes. */
function writeTime(target: Uint8Array, position: number, timestampMs: number): void {
  let rest = timestampMs;
  for (let i = 0; i < 5; i++) {
    target[position + i] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  target[position + 5] = rest;
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  const size = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return concatenate(Uint8Array.of((number << 3) | 2, ...size), bytes);
}

function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
