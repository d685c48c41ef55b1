/**
 * QueryResult to the JSON of the Prometheus HTTP API, as UTF-8 bytes:
 *
 *   {"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[{"metric":{...},"values":[[t,"v"],...]}]},"stats":{...}}
 *
 * Series with values on the grid are written by a kernel, many in one call (series_writer.ts). Raw samples are written series by series; what only PromQL has
 * is written by JavaScript: NaN that is a value, histograms, warnings and infos (histogram_json.ts).
 */
import { cellBytes, type NumberTextKernels, numberTextBytesMax, numberTextKernels, pointBytesMax } from "../kernel/number_text.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { labelTableOf } from "../model/label_table.ts";
import type { Labels } from "../model/labels.ts";
import { histogramJson, histogramPointsJson } from "./histogram_json.ts";
import type { QueryResult, ResultSeries } from "./result.ts";
import { SeriesWriter } from "./series_writer.ts";

/** Bytes of the answer; nothing else is in their buffer, so it can be transferred. Uses scratch at the top of the kernel's arena. */
export function encodeResult(result: QueryResult, kernel: Kernel): Uint8Array<ArrayBuffer> {
  const mark = kernel.mark();
  try {
    const encoder = new ResultEncoder(kernel);
    encoder.addResult(result);
    return encoder.finish();
  } finally {
    kernel.reset(mark);
  }
}

const textEncoder = new TextEncoder();
const openingBracket = 0x5b;

/** Areas for the samples of one series. */
interface RawAreas {
  readonly cell: number;
  readonly times: number;
  readonly values: number;
  readonly text: number;
}

/** Output that grows by doubling, or to an expected size at once. */
class ByteOutput {
  /** Not filled with zeros. */
  #bytes: Uint8Array<ArrayBuffer> = Buffer.allocUnsafeSlow(16_384);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Makes room for a total of `size` bytes. */
  expect(size: number): void {
    if (size > this.#bytes.length) this.#grow(size);
  }

  addText(text: string): void {
    this.#ensure(text.length * 3);
    this.#size += textEncoder.encodeInto(text, this.#bytes.subarray(this.#size)).written;
  }

  /** Copies bytes of the kernel's memory, which Buffer does several times as fast as a typed array: the memory is shared. */
  addBytes(bytes: Buffer): void {
    this.#ensure(bytes.length);
    bytes.copy(this.#bytes, this.#size);
    this.#size += bytes.length;
  }

  /** Puts another byte in place of the one at `index`. */
  replaceByte(index: number, byte: number): void {
    this.#bytes[index] = byte;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size);
  }

  #ensure(more: number): void {
    if (this.#size + more > this.#bytes.length) this.#grow(Math.max(this.#size + more, this.#bytes.length * 2));
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafeSlow(length);
    larger.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = larger;
  }
}

class ResultEncoder {
  readonly #kernel: Kernel;
  readonly #kernels: NumberTextKernels;
  readonly #output = new ByteOutput();
  readonly #names = new Map<string, string>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#kernels = numberTextKernels(kernel);
  }

  addResult(result: QueryResult): void {
    this.#output.addText(`{"status":"success","isPartial":${result.isPartial},"data":{"resultType":"${result.resultType}","result":`);
    if (result.resultType === "matrix") this.#addMatrix(result);
    else if (result.resultType === "vector") this.#addVector(result);
    else this.#addSingle(result);
    const { seriesFetched, executionTimeMs } = result.stats;
    this.#output.addText(`},"stats":{"seriesFetched":"${seriesFetched}","executionTimeMsec":${Math.round(executionTimeMs)}}`);
    if ((result.warnings ?? []).length > 0) this.#output.addText(`,"warnings":${JSON.stringify(result.warnings)}`);
    if ((result.infos ?? []).length > 0) this.#output.addText(`,"infos":${JSON.stringify(result.infos)}`);
    this.#output.addText("}");
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#output.finish();
  }

  #addMatrix(result: QueryResult): void {
    const pointsMax = result.series.reduce((most, series) => Math.max(most, series.timestampsMs?.length ?? 0), 0);
    const areas: RawAreas = {
      cell: this.#kernel.allocate(cellBytes),
      times: this.#kernel.allocate(pointsMax * 8),
      values: this.#kernel.allocate(pointsMax * 8),
      text: this.#kernel.allocate(pointsMax * pointBytesMax + 8),
    };
    this.#addSeries(result, "matrix", isPlainRow, (series) => {
      this.#output.addText(`,{"metric":${this.#metric(series.labels)}`);
      if (hasFloats(series)) {
        this.#output.addText(',"values":');
        if (hasNaN(series) || series.timestampsMs === undefined) this.#addFloats(result, series);
        else this.#addSamples(series, series.timestampsMs, areas);
      }
      this.#output.addText(`${histogramPointsJson(result, series)}}`);
    });
  }

  #addVector(result: QueryResult): void {
    const time = result.timestampsMs[0] / 1000;
    this.#addSeries(result, "vector", isPlainValue, ({ labels, histograms }) => {
      this.#output.addText(`,{"metric":${this.#metric(labels)},"histogram":[${time},${histogramJson(histograms![0]!)}]}`);
    });
  }

  /** The array of all series: runs of plain ones by a kernel, the others by `addOne`, each with a comma in front. */
  #addSeries(result: QueryResult, form: "vector" | "matrix", isPlain: (series: ResultSeries) => boolean, addOne: (series: ResultSeries) => void): void {
    const { series } = result;
    const start = this.#output.size;
    let writer: SeriesWriter | undefined;
    let writtenBytes = 0;
    for (let i = 0; i < series.length; ) {
      if (!isPlain(series[i])) {
        addOne(series[i++]);
        continue;
      }
      const from = i;
      while (i < series.length && isPlain(series[i])) i++;
      writer ??= this.#writer(result, form);
      for (const piece of writer.pieces(from, i)) {
        this.#output.addBytes(piece);
        // What is written tells how large the answer gets; copying while growing would cost more than writing.
        writtenBytes += piece.length;
        this.#output.expect(this.#output.size + Math.ceil((writtenBytes / writer.written) * (i - from - writer.written) * 1.05));
      }
    }
    if (series.length === 0) this.#output.addText("[");
    else this.#output.replaceByte(start, openingBracket);
    this.#output.addText("]");
  }

  #writer({ series, timestampsMs, values: all, table }: QueryResult, form: "vector" | "matrix"): SeriesWriter {
    const points = timestampsMs.length;
    return new SeriesWriter({
      kernel: this.#kernel,
      form,
      table: table ?? labelTableOf(series.map(({ labels }) => labels)),
      timestampsMs,
      copyValues: (from, to, target, at) => {
        if (all !== undefined) target.set(all.subarray(from * points, to * points), at);
        else for (let i = from; i < to; i++) target.set(form === "matrix" ? floatsOf(series[i]) : series[i].values, at + (i - from) * points);
      },
    });
  }

  #addSamples({ values }: ResultSeries, timestampsMs: Float64Array, areas: RawAreas): void {
    this.#kernel.f64.set(timestampsMs, areas.times / 8);
    this.#kernel.f64.set(values, areas.values / 8);
    const end = this.#kernels.numberTextSamples(areas.times, areas.values, values.length, areas.cell, areas.text) >>> 0;
    this.#output.addBytes(Buffer.from(this.#kernel.memory.buffer, areas.text, end - areas.text));
  }

  /** The floats of a series point by point, for those with NaN among them. */
  #addFloats(result: QueryResult, series: ResultSeries): void {
    const times = series.timestampsMs ?? result.timestampsMs;
    let separator = "[";
    series.values.forEach((value, point) => {
      if (series.present?.[point] !== undefined && series.present[point] !== 1) return;
      this.#output.addText(`${separator}[${times[point] / 1000},"${this.#number(value)}"]`);
      separator = ",";
    });
    this.#output.addText("]");
  }

  /** A scalar or a string: MetricsQL gives a string as the name of the one series. */
  #addSingle(result: QueryResult): void {
    const time = result.timestampsMs[0] / 1000;
    const text = result.resultType === "string" ? (result.text ?? result.series[0]?.labels[0]?.value ?? "") : this.#number(result.series[0]?.values[0] ?? NaN);
    this.#output.addText(`[${time},${JSON.stringify(text)}]`);
  }

  #number(value: number): string {
    const mark = this.#kernel.mark();
    const target = this.#kernel.allocate(numberTextBytesMax);
    const end = this.#kernels.numberText(target, value) >>> 0;
    let text = "";
    for (let i = target; i < end; i++) text += String.fromCharCode(this.#kernel.u8[i]);
    this.#kernel.reset(mark);
    return text;
  }

  #metric(labels: Labels): string {
    let text = "{";
    for (const { name, value } of labels) {
      let key = this.#names.get(name);
      if (key === undefined) this.#names.set(name, (key = `${JSON.stringify(name)}:`));
      text += (text.length > 1 ? "," : "") + key + JSON.stringify(value);
    }
    return `${text}}`;
  }
}

/** Whether a series of a matrix has values on the grid and nothing else, NaN being none of them. */
function isPlainRow(series: ResultSeries): boolean {
  const { timestampsMs, present, isExact, histograms, rawHistograms } = series;
  if (timestampsMs !== undefined || isExact === true || histograms !== undefined || rawHistograms !== undefined) return false;
  return present === undefined || (present.includes(1) && !hasNaN(series));
}

/** Whether a series of a vector has a number. */
function isPlainValue({ present, histograms }: ResultSeries): boolean {
  return present?.[0] !== 2 || histograms?.[0] === undefined;
}

/** Whether a series gets "values"; where nothing tells which points there are, it always does. */
function hasFloats({ present, values, rawHistograms }: ResultSeries): boolean {
  if (rawHistograms !== undefined) return values.length > 0;
  return present === undefined || present.includes(1);
}

/** The values with NaN for points that are no floats, which the kernel leaves out. */
function floatsOf({ values, present }: ResultSeries): Float64Array {
  if (present === undefined || isAllFloats(present)) return values;
  const floats = new Float64Array(values.length).fill(NaN);
  for (let point = 0; point < values.length; point++) if (present[point] === 1) floats[point] = values[point];
  return floats;
}

function isAllFloats(present: Uint8Array): boolean {
  for (let point = 0; point < present.length; point++) if (present[point] !== 1) return false;
  return true;
}

/** Whether NaN is a value of the series. */
function hasNaN({ values, present, isExact }: ResultSeries): boolean {
  if (present === undefined && isExact !== true) return false;
  for (let point = 0; point < values.length; point++) if (Number.isNaN(values[point]) && (present === undefined || present[point] === 1)) return true;
  return false;
}
