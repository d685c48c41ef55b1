/**
 * Typed door to wasm/promql_windows.ts: functions of ranges in PromQL. A PromqlWindows owns the record, the bounds of the windows and the columns of
 * the result of one function over one grid; it is filled per series.
 */
import type { Kernel } from "./kernel.ts";

interface PromqlKernels {
  promqlScan(timestamps: number, values: number, count: number): number;
  promqlBounds(record: number): void;
  promqlDelta(record: number, isCounter: number, isRate: number, falls: number): number;
  promqlLastDelta(record: number, isCounter: number): number;
  promqlPairs(record: number, kind: number): number;
  promqlSum(record: number, isMean: number): number;
  promqlExtreme(record: number, isMax: number): number;
  promqlPick(record: number, kind: number): number;
  promqlLatest(record: number): number;
  bytesEqual(left: number, right: number, size: number): number;
}

/** What can be computed; `falls` says that some value may be less than the one before. */
const functions = {
  delta: (kernels: PromqlKernels, record: number, falls: number) => kernels.promqlDelta(record, 0, 0, falls),
  increase: (kernels: PromqlKernels, record: number, falls: number) => kernels.promqlDelta(record, 1, 0, falls),
  rate: (kernels: PromqlKernels, record: number, falls: number) => kernels.promqlDelta(record, 1, 1, falls),
  idelta: (kernels: PromqlKernels, record: number) => kernels.promqlLastDelta(record, 0),
  irate: (kernels: PromqlKernels, record: number) => kernels.promqlLastDelta(record, 1),
  resets: (kernels: PromqlKernels, record: number) => kernels.promqlPairs(record, 0),
  changes: (kernels: PromqlKernels, record: number) => kernels.promqlPairs(record, 1),
  sum_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlSum(record, 0),
  avg_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlSum(record, 1),
  min_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlExtreme(record, 0),
  max_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlExtreme(record, 1),
  count_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlPick(record, 0),
  present_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlPick(record, 1),
  first_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlPick(record, 2),
  last_over_time: (kernels: PromqlKernels, record: number) => kernels.promqlPick(record, 3),
  /** The value of a selector: the window is how far a value reaches. */
  latest: (kernels: PromqlKernels, record: number) => kernels.promqlLatest(record),
};

export type PromqlWindowFunction = keyof typeof functions;

export const promqlWindowFunctions = Object.keys(functions) as readonly PromqlWindowFunction[];

/** Flags of scanSamples. */
export const scanFlag = { repeats: 1, stale: 2, falls: 4 } as const;

/** Whether times repeat, whether there are stale markers, and whether a value is less than the one before or NaN. REQUIRES: isInKernel. */
export function scanSamples(kernel: Kernel, timestampsMs: Float64Array, values: Float64Array): number {
  return (kernel.exports as unknown as PromqlKernels).promqlScan(timestampsMs.byteOffset, values.byteOffset, values.length);
}

export function isInKernel(kernel: Kernel, timestampsMs: Float64Array, values: Float64Array): boolean {
  const { buffer } = kernel.memory;
  return timestampsMs.buffer === buffer && values.buffer === buffer;
}

/** The windows (end - length, end] of a grid, the first of which ends at endMs. */
export interface WindowGrid {
  readonly points: number;
  readonly endMs: number;
  readonly endStepMs: number;
  readonly lengthMs: number;
}

/** Slots of the record, in words; doubles from word 10 on. */
const slot = { timestamps: 0, values: 1, count: 2, points: 3, from: 4, to: 5, target: 6, present: 7, scratch: 8 } as const;
const recordBytes = 64;
const endDouble = 5;

export class PromqlWindows {
  /** Of the last series; valid until the next one. `present` says at which points there is a value. */
  readonly values: Float64Array;
  readonly present: Uint8Array;
  readonly #kernel: Kernel;
  readonly #record: number;
  /** The memory is a shared one, so these views stay what they are when it grows. */
  readonly #words: Uint32Array;
  #roomSamples = 0;
  #area = 0;
  /** The windows are those of so many samples whose times stand at #knownTimes; -1: of none. */
  #knownCount = -1;
  #knownTimes = 0;

  /** Takes memory from the kernel's arena. */
  constructor(kernel: Kernel, { points, endMs, endStepMs, lengthMs }: WindowGrid) {
    this.#kernel = kernel;
    this.#record = kernel.allocate(recordBytes);
    const bounds = kernel.allocate(points * 8);
    const target = kernel.allocate(points * 8);
    const present = kernel.allocate(points);
    this.values = new Float64Array(kernel.memory.buffer, target, points);
    this.present = new Uint8Array(kernel.memory.buffer, present, points);
    this.#words = new Uint32Array(kernel.memory.buffer, this.#record, recordBytes / 4);
    this.#words.set([0, 0, 0, points, bounds, bounds + points * 4, target, present, 0]);
    new Float64Array(kernel.memory.buffer, this.#record, recordBytes / 8).set([endMs, endStepMs, lengthMs], endDouble);
  }

  /** Computes a function of a series; returns how many points have a value, or -1 if that needs more care than is taken here. */
  run(name: PromqlWindowFunction, timestampsMs: Float64Array, values: Float64Array, falls: boolean): number {
    const kernels = this.#kernel.exports as unknown as PromqlKernels;
    this.#place(timestampsMs, values);
    if (name !== "latest") this.#findWindows(kernels);
    return functions[name](kernels, this.#record, falls ? 1 : 0);
  }

  /** Series of one target have their samples at the same times mostly, so those of the series before are kept and compared. */
  #findWindows(kernels: PromqlKernels): void {
    const [times, count] = [this.#words[slot.timestamps], this.#words[slot.count]];
    if (count === this.#knownCount && kernels.bytesEqual(times, this.#knownTimes, count * 8) === 1) return;
    this.#kernel.u8.copyWithin(this.#knownTimes, times, times + count * 8);
    this.#knownCount = count;
    kernels.promqlBounds(this.#record);
  }

  /** Tells the record where the samples are, which are copied unless they are in the kernel's memory. */
  #place(timestampsMs: Float64Array, values: Float64Array): void {
    const count = values.length;
    if (count > this.#roomSamples) {
      this.#roomSamples = 2 ** Math.ceil(Math.log2(Math.max(count, 1024)));
      this.#area = this.#kernel.allocate(this.#roomSamples * 32);
      this.#knownTimes = this.#area + this.#roomSamples * 24;
      this.#knownCount = -1;
    }
    const times = this.#area;
    const numbers = times + this.#roomSamples * 8;
    const isThere = isInKernel(this.#kernel, timestampsMs, values);
    if (!isThere) {
      this.#kernel.f64.set(timestampsMs, times / 8);
      this.#kernel.f64.set(values, numbers / 8);
    }
    this.#words[slot.timestamps] = isThere ? timestampsMs.byteOffset : times;
    this.#words[slot.values] = isThere ? values.byteOffset : numbers;
    this.#words[slot.count] = count;
    this.#words[slot.scratch] = numbers + this.#roomSamples * 8;
  }
}
