/**
 * QueryResult to the JSON of the Prometheus HTTP API, as UTF-8 bytes:
 *
 *   {"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[{"metric":{...},"values":[[t,"v"],...]}]},"stats":{...}}
 *
 * Points are written by a kernel, series by series; in front of each value goes a cell with its timestamp that is made once per grid. What only
 * PromQL has is written by JavaScript: NaN that is a value, histograms, warnings and infos (histogram_json.ts).
 */
import { cellBytes, type NumberTextKernels, numberTextBytesMax, numberTextKernels, pointBytesMax } from "../kernel/number_text.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Labels } from "../model/labels.ts";
import { histogramJson, histogramPointsJson } from "./histogram_json.ts";
import type { QueryResult, ResultSeries } from "./result.ts";

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

/** Series after which the size of the answer is estimated. */
const sampledSeries = 15;

const textEncoder = new TextEncoder();

/** Output that grows by doubling, or to an expected size at once. */
class ByteOutput {
  #bytes = new Uint8Array(16_384);
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

  addBytes(bytes: Uint8Array): void {
    this.#ensure(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size);
  }

  #ensure(more: number): void {
    if (this.#size + more > this.#bytes.length) this.#grow(Math.max(this.#size + more, this.#bytes.length * 2));
  }

  #grow(length: number): void {
    const larger = new Uint8Array(length);
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
    const gridPoints = result.timestampsMs.length;
    const pointsMax = result.series.reduce((most, series) => Math.max(most, series.values.length), gridPoints);
    const cells = this.#kernel.allocate(Math.max(1, gridPoints) * cellBytes);
    const times = this.#kernel.allocate(pointsMax * 8);
    const values = this.#kernel.allocate(pointsMax * 8);
    const text = this.#kernel.allocate(pointsMax * pointBytesMax + 8);
    this.#kernel.f64.set(result.timestampsMs, times / 8);
    this.#kernels.numberTextCells(times, gridPoints, cells);
    this.#output.addText("[");
    result.series.forEach((series, i) => {
      this.#output.addText(`${i > 0 ? "," : ""}{"metric":${this.#metric(series.labels)}`);
      if (hasFloats(series)) {
        this.#output.addText(',"values":');
        this.#kernel.f64.set(floatsOf(series), values / 8);
        if (hasNaN(series)) this.#addFloats(result, series);
        else this.#output.addBytes(this.#kernel.u8.subarray(text, this.#writePoints(series, times, values, cells, text)));
      }
      this.#output.addText(`${histogramPointsJson(result, series)}}`);
      // The first series tell how large the answer gets; copying while growing would cost more than writing.
      if (i === sampledSeries) this.#output.expect(Math.ceil((this.#output.size / (i + 1)) * result.series.length * 1.1));
    });
    this.#output.addText("]");
  }

  #writePoints(series: ResultSeries, times: number, values: number, cells: number, text: number): number {
    const count = series.values.length;
    if (series.timestampsMs === undefined) return this.#kernels.numberTextValues(values, count, cells, text) >>> 0;
    this.#kernel.f64.set(series.timestampsMs, times / 8);
    return this.#kernels.numberTextSamples(times, values, count, cells, text) >>> 0;
  }

  #addVector(result: QueryResult): void {
    const time = result.timestampsMs[0] / 1000;
    this.#output.addText("[");
    result.series.forEach((series, i) => {
      const histogram = series.present?.[0] === 2 ? series.histograms?.[0] : undefined;
      const value = histogram === undefined ? `"value":[${time},"${this.#number(series.values[0])}"]` : `"histogram":[${time},${histogramJson(histogram)}]`;
      this.#output.addText(`${i > 0 ? "," : ""}{"metric":${this.#metric(series.labels)},${value}}`);
    });
    this.#output.addText("]");
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
