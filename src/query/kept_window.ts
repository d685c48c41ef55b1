/**
 * KeptWindow: the samples of long windows of instant queries, thinned, by slices of fixed time, so that the next query a moment later reads only what is new.
 * Slice k has the times of (k * sliceMs, (k + 1) * sliceMs].
 *
 *     read before the window   beginning of the window                    final           time of the query
 *             |                        |                                    |                    |
 *   [ all samples ][ all samples ][ thinned ][ thinned ] ... [ thinned ]    read from the Store
 *
 * A slice that a window covers as a whole need only have the samples that the function needs (window_thinning.ts). The first ones, in which windows
 * begin, have all. When windows begin within the first thinned slice, that one is read again.
 */
import type { LabelSpace } from "../model/store.ts";
import { RowLabels, type SeriesKey } from "./row_labels.ts";

/** Slices of a window, at least; twice as many at most. */
const slicesMin = 32;

/** Takes samples, and how many each of them stands for. */
export interface SampleSink {
  add(timestampMs: number, value: number, weight: number): void;
}

export interface SliceSpan {
  /** Number of the first slice, and of the one after the last. */
  readonly from: number;
  readonly to: number;
}

/** Samples by series and slice, in columns: those of slice s of row r are [sampleFrom[r * slices + s], sampleFrom[r * slices + s + 1]). */
export interface KeptWindow {
  readonly sliceMs: number;
  readonly span: SliceSpan;
  /** Slices before this one have all their samples. */
  readonly thinnedFrom: number;
  /** Samples of these times have not changed until here. */
  readonly epoch: number;
  /** Where the numbers of `rows` belong; undefined for texts. */
  readonly space: LabelSpace | undefined;
  readonly rows: RowLabels;
  readonly sampleFrom: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  /** How many samples each one stands for; undefined if that does not matter. */
  readonly weights: Float64Array | undefined;
}

/** What is known of a window that was asked for before. */
export interface WindowEntry {
  readonly kept: KeptWindow | undefined;
  /** Queries before this time are evaluated as they are: the samples cannot be thinned, or are too many. */
  readonly skipsUntilMs: number;
}

/** The length of the slices of a window: a power of two, so that windows at other times have the same ones. */
export function sliceMsOf(windowMs: number): number {
  return 2 ** Math.floor(Math.log2(windowMs / slicesMin));
}

/** The slice that a time belongs to. */
export function sliceOf(timeMs: number, sliceMs: number): number {
  return Math.ceil(timeMs / sliceMs) - 1;
}

/** Memory of an entry, roughly. */
export function bytesOfWindow({ kept }: WindowEntry): number {
  if (kept === undefined) return 256;
  const { rows, sampleFrom, timestampsMs, weights } = kept;
  return rows.bytes + sampleFrom.byteLength + timestampsMs.byteLength * (weights === undefined ? 2 : 3) + 1024;
}

/** Makes the columns of a KeptWindow, row by row and slice by slice. */
export class WindowBuilder implements SampleSink {
  readonly rows = new RowLabels();
  readonly #slices: number;
  #sampleFrom: Uint32Array;
  #timestampsMs = new Float64Array(1024);
  #values = new Float64Array(1024);
  #weights: Float64Array | undefined;
  #count = 0;
  #ends = 0;

  constructor(slices: number, isWeighted: boolean) {
    this.#slices = slices;
    this.#sampleFrom = new Uint32Array(slices * 16 + 1);
    this.#weights = isWeighted ? new Float64Array(1024) : undefined;
  }

  get bytes(): number {
    return this.#count * (this.#weights === undefined ? 16 : 24) + this.#ends * 4 + this.rows.bytes;
  }

  /** Begins a row. REQUIRES: the one before has all its slices. */
  startRow(key: SeriesKey): void {
    this.rows.add(key);
    const ends = this.rows.count * this.#slices;
    if (ends >= this.#sampleFrom.length) this.#sampleFrom = grown(Uint32Array, this.#sampleFrom, ends + 1);
  }

  add(timestampMs: number, value: number, weight: number): void {
    this.#ensure(1);
    this.#timestampsMs[this.#count] = timestampMs;
    this.#values[this.#count] = value;
    if (this.#weights !== undefined) this.#weights[this.#count] = weight;
    this.#count++;
  }

  /** Adds samples [from, to) as they are; each stands for one if there are no weights. */
  addAll(times: Float64Array, values: Float64Array, weights: Float64Array | undefined, from: number, to: number): void {
    const count = to - from;
    this.#ensure(count);
    this.#timestampsMs.set(times.subarray(from, to), this.#count);
    this.#values.set(values.subarray(from, to), this.#count);
    if (this.#weights !== undefined && weights !== undefined) this.#weights.set(weights.subarray(from, to), this.#count);
    else this.#weights?.fill(1, this.#count, this.#count + count);
    this.#count += count;
  }

  endSlice(): void {
    this.#sampleFrom[++this.#ends] = this.#count;
  }

  /** Adds so many slices of what was kept before from a place in its `sampleFrom` on; empty ones if that is negative. */
  addSlices(kept: KeptWindow, place: number, count: number): void {
    const first = place < 0 ? 0 : kept.sampleFrom[place];
    const shift = this.#count - first;
    if (place >= 0) this.addAll(kept.timestampsMs, kept.values, kept.weights, first, kept.sampleFrom[place + count]);
    for (let i = 1; i <= count; i++) this.#sampleFrom[++this.#ends] = place < 0 ? this.#count : kept.sampleFrom[place + i] + shift;
  }

  finish(): Pick<KeptWindow, "rows" | "sampleFrom" | "timestampsMs" | "values" | "weights"> {
    const count = this.#count;
    return {
      rows: this.rows, sampleFrom: this.#sampleFrom.slice(0, this.#ends + 1), timestampsMs: this.#timestampsMs.slice(0, count),
      values: this.#values.slice(0, count), weights: this.#weights?.slice(0, count),
    };
  }

  #ensure(count: number): void {
    const needed = this.#count + count;
    if (needed <= this.#values.length) return;
    this.#timestampsMs = grown(Float64Array, this.#timestampsMs, needed);
    this.#values = grown(Float64Array, this.#values, needed);
    if (this.#weights !== undefined) this.#weights = grown(Float64Array, this.#weights, needed);
  }
}

/** A copy with room for `needed` numbers and half as many again. */
function grown<T extends Float64Array | Uint32Array>(make: new (length: number) => T, source: T, needed: number): T {
  const copy = new make(Math.ceil(needed * 1.5));
  copy.set(source);
  return copy;
}
