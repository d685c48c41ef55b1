/**
 * Writes many series as JSON, through a kernel: the text of each label is made once, and a call of the kernel joins the labels and points of as many series as
 * fit into a bounded area. See wasm/series_text.ts for the text.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { cellBytes, numberTextKernels } from "../kernel/number_text.ts";
import { seriesBytesMax, type SeriesForm, seriesForms, seriesTextKernels, type SeriesTextKernels } from "../kernel/series_text.ts";
import type { LabelTable } from "../model/label_table.ts";
import type { Label } from "../model/labels.ts";

/** Written before it is handed on; a series that takes more gets more. */
const areaBytes = 256 << 10;
/** Series, and values, that are given to the kernel at once. */
const blockSeriesMax = 4096;
const blockValuesMax = 1 << 17;

export interface SeriesWriterOptions {
  /** The areas are taken from its arena; the caller resets it. */
  readonly kernel: Kernel;
  readonly form: SeriesForm;
  readonly table: LabelTable;
  /** Times of the points; empty for labels. */
  readonly timestampsMs: Float64Array;
  /** Copies the values of series [from, to), one behind the other, to the target from `at` on. Not called for labels. */
  readonly copyValues?: (from: number, to: number, target: Float64Array, at: number) => void;
}

export class SeriesWriter {
  readonly #options: SeriesWriterOptions;
  readonly #kernels: SeriesTextKernels;
  readonly #points: number;
  readonly #blockSeries: number;
  readonly #textFrom: Uint32Array;
  /** Addresses. */
  readonly #areas: Record<"texts" | "textFrom" | "cells" | "from" | "numbers" | "values" | "done" | "target", number>;
  readonly #targetBytes: number;
  readonly #labelSetBytes: number;
  #written = 0;

  constructor(options: SeriesWriterOptions) {
    const { kernel, table, form, timestampsMs } = options;
    this.#options = options;
    this.#kernels = seriesTextKernels(kernel);
    this.#points = form === "labels" ? 0 : timestampsMs.length;
    this.#blockSeries = Math.min(blockSeriesMax, Math.max(1, Math.floor(blockValuesMax / Math.max(1, this.#points))), Math.max(1, table.count));
    const { bytes, textFrom } = labelTexts(table.labels);
    this.#textFrom = textFrom;
    const { labelBytes, labelBytesMax, labelCountMax } = this.#measure(table);
    // A brace takes the place of the comma behind the last label, or is there besides.
    this.#labelSetBytes = labelBytes + table.count * 3;
    this.#targetBytes = Math.max(areaBytes, labelBytesMax + seriesBytesMax(this.#points));
    const texts = kernel.allocate(bytes.length + 16);
    Buffer.from(kernel.memory.buffer).set(bytes, texts);
    this.#areas = {
      texts,
      textFrom: placeNumbers(kernel, textFrom),
      cells: placeCells(kernel, timestampsMs),
      from: kernel.allocate((this.#blockSeries + 1) * 4),
      numbers: kernel.allocate(labelCountMax * 4),
      values: kernel.allocate(this.#blockSeries * this.#points * 8),
      done: kernel.allocate(4),
      target: kernel.allocate(this.#targetBytes + 64),
    };
  }

  /** What all label sets take without points, commas and braces included. */
  get labelSetBytes(): number {
    return this.#labelSetBytes;
  }

  /** How many series have been written; all pieces together. */
  get written(): number {
    return this.#written;
  }

  /** The text of series [from, to) in pieces; each is valid until the next one is asked for. Every series has a comma in front. */
  *pieces(from: number, to: number): Generator<Buffer> {
    for (let first = from; first < to; first += this.#blockSeries) yield* this.#block(first, Math.min(to, first + this.#blockSeries));
  }

  *#block(first: number, end: number): Generator<Buffer> {
    const { kernel, table, form, copyValues } = this.#options;
    const areas = this.#areas;
    const numbersFrom = table.from[first];
    kernel.u32.set(table.numbers.subarray(numbersFrom, table.from[end]), areas.numbers / 4);
    for (let i = first; i <= end; i++) kernel.u32[areas.from / 4 + i - first] = table.from[i] - numbersFrom;
    copyValues?.(first, end, kernel.f64, areas.values / 8);
    const { target } = areas;
    for (let series = 0; series < end - first; ) {
      const written = this.#kernels.seriesText(
        areas.numbers, areas.from, series, end - first, areas.texts, areas.textFrom, seriesForms[form], areas.values, this.#points, areas.cells,
        target, target + this.#targetBytes, areas.done,
      ) >>> 0;
      assert(written > target, "there is room for each series");
      const done = kernel.u32[areas.done / 4];
      this.#written += done - series;
      series = done;
      yield Buffer.from(kernel.memory.buffer, target, written - target);
    }
  }

  /** What the labels of all series, of one, and of one block take (at most). */
  #measure({ count, numbers, from }: LabelTable): { labelBytes: number; labelBytesMax: number; labelCountMax: number } {
    let labelBytes = 0;
    let labelBytesMax = 0;
    let labelCountMax = 0;
    for (let i = 0; i < count; i++) {
      let bytes = 0;
      for (let at = from[i]; at < from[i + 1]; at++) bytes += this.#textFrom[numbers[at] + 1] - this.#textFrom[numbers[at]];
      labelBytes += bytes;
      labelBytesMax = Math.max(labelBytesMax, bytes);
    }
    // Series are written from any one on.
    for (let i = 0; i < count; i++) labelCountMax = Math.max(labelCountMax, from[Math.min(count, i + this.#blockSeries)] - from[i]);
    return { labelBytes, labelBytesMax, labelCountMax };
  }
}

/** The texts `"name":"value",` of the labels: label i is bytes[textFrom[i] .. textFrom[i + 1]). */
function labelTexts(labels: readonly Label[]): { bytes: Uint8Array; textFrom: Uint32Array } {
  const names = new Map<string, string>();
  const texts = labels.map(({ name, value }) => {
    let key = names.get(name);
    if (key === undefined) names.set(name, (key = `${JSON.stringify(name)}:`));
    return `${key}${JSON.stringify(value)},`;
  });
  const text = texts.join("");
  const bytes = Buffer.from(text);
  const isAscii = bytes.length === text.length;
  const textFrom = new Uint32Array(texts.length + 1);
  for (let i = 0; i < texts.length; i++) textFrom[i + 1] = textFrom[i] + (isAscii ? texts[i].length : Buffer.byteLength(texts[i]));
  return { bytes, textFrom };
}

function placeNumbers(kernel: Kernel, numbers: Uint32Array): number {
  const pointer = kernel.allocate(numbers.length * 4);
  kernel.u32.set(numbers, pointer / 4);
  return pointer;
}

function placeCells(kernel: Kernel, timestampsMs: Float64Array): number {
  const cells = kernel.allocate(timestampsMs.length * cellBytes);
  const mark = kernel.mark();
  const times = kernel.allocate(timestampsMs.length * 8);
  kernel.f64.set(timestampsMs, times / 8);
  numberTextKernels(kernel).numberTextCells(times, timestampsMs.length, cells);
  kernel.reset(mark);
  return cells;
}
