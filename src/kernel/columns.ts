/** Typed door to wasm/columns.ts, and the plain twin used by its tests. */
import type { Kernel } from "./kernel.ts";

export interface ColumnKernels {
  columnsSort(timestamps: number, values: number, count: number, scratch: number): void;
  columnsFinish(
    sampleFrom: number, seriesCount: number, timestamps: number, values: number, minMs: number, maxMs: number, scratch: number,
  ): number;
}

export function columnKernels(kernel: Kernel): ColumnKernels {
  return kernel.exports as unknown as ColumnKernels;
}

/** Bytes of scratch that sorting `count` samples needs. */
export function sortScratchBytes(count: number): number {
  return count * 20 + 64;
}

export interface Columns {
  readonly sampleFrom: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** The clear version of columnsFinish: each series stably sorted by time and clipped to [minMs, maxMs]. Values move as 64-bit words. */
export function finishColumnsReference(columns: Columns, minMs: number, maxMs: number): Columns {
  const words = new BigUint64Array(columns.values.buffer, columns.values.byteOffset, columns.values.length);
  const sampleFrom = new Uint32Array(columns.sampleFrom.length);
  const order: number[] = [];
  for (let series = 0; series + 1 < columns.sampleFrom.length; series++) {
    const positions: number[] = [];
    for (let i = columns.sampleFrom[series]; i < columns.sampleFrom[series + 1]; i++) positions.push(i);
    positions.sort((a, b) => columns.timestampsMs[a] - columns.timestampsMs[b] || a - b);
    for (const i of positions) if (columns.timestampsMs[i] >= minMs && columns.timestampsMs[i] <= maxMs) order.push(i);
    sampleFrom[series + 1] = order.length;
  }
  const sortedWords = BigUint64Array.from(order, (i) => words[i]);
  return { sampleFrom, timestampsMs: Float64Array.from(order, (i) => columns.timestampsMs[i]), values: new Float64Array(sortedWords.buffer) };
}
