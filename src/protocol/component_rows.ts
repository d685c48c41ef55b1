/** Writes native histograms as rows of their components (model/histogram_series.ts) to a batch. */
import { histogramLabel, staleComponents, startComponent, visitComponents } from "../model/histogram_series.ts";
import { type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";
import { sampleKindHistogram, writeStaleMarker } from "../model/row_batch.ts";
import type { RowBatchBuilder } from "../model/row_batch_builder.ts";

const encoder = new TextEncoder();
const labelName = encoder.encode(histogramLabel);
/** What a label that is not long takes besides its name and value: three tags and three sizes. */
const labelOverheadBytes = 6;

export class ComponentRows {
  readonly #builder: RowBatchBuilder;
  #run = new Uint8Array(1024);
  readonly #timestampsMs = new Float64Array(1);
  readonly #values = new Float64Array(1);

  constructor(builder: RowBatchBuilder) {
    this.#builder = builder;
  }

  /** Appends a histogram of the series with the canonical run `labelRun`, which must not have the label itself. */
  add(labelRun: Uint8Array, timestampMs: number, histogram: FloatHistogram): void {
    const at = componentLabelPosition(labelRun);
    if (histogram === staleHistogram) {
      writeStaleMarker(this.#values, 0);
      for (const component of staleComponents) this.#addRow(labelRun, at, component, timestampMs);
      return;
    }
    visitComponents(histogram, (component, value) => {
      this.#values[0] = value;
      this.#addRow(labelRun, at, component, timestampMs);
    });
  }

  /** Appends the start timestamp of the sample of `labelRun` at `timestampMs`. */
  addStart(labelRun: Uint8Array, timestampMs: number, startMs: number): void {
    this.#values[0] = startMs;
    this.#addRow(labelRun, componentLabelPosition(labelRun), startComponent, timestampMs);
  }

  #addRow(labelRun: Uint8Array, at: number, component: string, timestampMs: number): void {
    const sizeMax = labelRun.length + labelName.length + component.length + labelOverheadBytes;
    if (this.#run.length < sizeMax) this.#run = new Uint8Array(sizeMax * 2);
    const run = this.#run;
    run.set(labelRun.subarray(0, at));
    let end = at;
    run[end++] = 0x0a;
    run[end++] = 4 + labelName.length + component.length;
    run[end++] = 0x0a;
    run[end++] = labelName.length;
    run.set(labelName, end);
    end += labelName.length;
    run[end++] = 0x12;
    run[end++] = component.length;
    for (let i = 0; i < component.length; i++) run[end++] = component.charCodeAt(i); // components are ASCII and short
    run.set(labelRun.subarray(at), end);
    end += labelRun.length - at;
    this.#timestampsMs[0] = timestampMs;
    this.#builder.addLabelRun(run.subarray(0, end), this.#timestampsMs, this.#values, sampleKindHistogram);
  }
}

/** Where the label __histogram__ belongs in a canonical run. */
function componentLabelPosition(run: Uint8Array): number {
  let position = 0;
  const readSize = (): number => {
    for (let size = 0, shift = 0; ; shift += 7) {
      const byte = run[position++];
      size |= (byte & 127) << shift;
      if (byte < 128) return size;
    }
  };
  while (position < run.length) {
    const start = position++;
    const end = readSize() + position;
    position++;
    const nameSize = readSize();
    if (Buffer.compare(run.subarray(position, position + nameSize), labelName) > 0) return start;
    position = end;
  }
  return run.length;
}
