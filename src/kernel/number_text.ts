/** Typed door to wasm/number_text.ts. */
import type { Kernel } from "./kernel.ts";

export interface NumberTextKernels {
  /** Writes one value; returns the end. Touches at most numberTextBytesMax bytes. */
  numberText(target: number, value: number): number;
  /** Fills one cell of cellBytes per timestamp: the bytes in front of the value in a range answer. */
  numberTextCells(timestampsMs: number, points: number, cells: number): void;
  /** Writes the JSON array of all points that have a value; returns the end. Touches at most pointBytesMax per point + 8. */
  numberTextValues(values: number, points: number, cells: number, target: number): number;
  /** As numberTextValues, for samples with their own timestamps; `cell` is scratch of cellBytes. */
  numberTextSamples(timestampsMs: number, values: number, count: number, cell: number, target: number): number;
}

/** Bytes of one timestamp cell. */
export const cellBytes = 32;
/** Upper bound of the bytes touched for one value. */
export const numberTextBytesMax = 32;
/** Upper bound of the bytes touched for one point. */
export const pointBytesMax = 64;

export function numberTextKernels(kernel: Kernel): NumberTextKernels {
  return kernel.exports as unknown as NumberTextKernels;
}
