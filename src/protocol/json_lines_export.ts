/**
 * Writes series as JSON lines, the format of /api/v1/export, which json_lines.ts reads back. NaN, the stale marker among
 * them, is null; infinities are "Infinity" and "-Infinity". The numbers are written by the kernel, some thousand at a time.
 */
import { assert } from "../base/assert.ts";
import { jsonLinesWriteValues, jsonValueBytesMax } from "../kernel/json_lines.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { labelValue, type Labels, metricNameLabel } from "../model/labels.ts";

const chunkSamples = 4096;

export class JsonLinesWriter {
  readonly #kernel: Kernel;
  readonly #column: number;
  readonly #text: number;

  /** Takes about 160 KB of the kernel's arena. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#column = kernel.allocate(chunkSamples * 8);
    this.#text = kernel.allocate(chunkSamples * jsonValueBytesMax);
  }

  /**
   * The line of one series and some of its samples, as chunks of bytes that stay valid. A series that comes in several
   * batches becomes several lines. Samples that are none at all make no line.
   */
  *line(labels: Labels, timestampsMs: Float64Array, values: Float64Array): Generator<Uint8Array> {
    assert(timestampsMs.length === values.length);
    if (values.length === 0) return;
    yield Buffer.from(`{"metric":${metricText(labels)},"values":[`);
    yield* this.#numbers(values);
    yield Buffer.from('],"timestamps":[');
    yield* this.#numbers(timestampsMs);
    yield Buffer.from("]}\n");
  }

  *#numbers(column: Float64Array): Generator<Uint8Array> {
    const kernel = this.#kernel;
    for (let from = 0; from < column.length; from += chunkSamples) {
      const count = Math.min(chunkSamples, column.length - from);
      kernel.f64.set(column.subarray(from, from + count), this.#column / 8);
      const end = jsonLinesWriteValues(kernel, this.#column, count, this.#text);
      if (from > 0) yield Buffer.from(",");
      yield kernel.u8.slice(this.#text, end);
    }
  }
}

/** The labels as a JSON object, the metric name first. */
function metricText(labels: Labels): string {
  const name = labelValue(labels, metricNameLabel);
  const others = labels.filter((label) => label.name !== metricNameLabel);
  const sorted = name === "" ? others : [{ name: metricNameLabel, value: name }, ...others];
  return `{${sorted.map((label) => `${JSON.stringify(label.name)}:${JSON.stringify(label.value)}`).join(",")}}`;
}
