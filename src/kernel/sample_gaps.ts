/** Typed door to wasm/sample_gaps.ts: gaps between the samples of one series. */
import type { Kernel } from "./kernel.ts";

/** Bytes of scratch that the kernels need, if at most so many gaps are asked for. */
export function sampleGapsScratchBytes(gapsMax: number): number {
  return Math.max(20 * 8, gapsMax * 16);
}

export interface SampleGapKernels {
  /** Writes the first gaps of more than `gapMs` as pairs of f64, the times before and after; returns how many there are. */
  sampleGaps(timestamps: number, count: number, gapMs: number, target: number, gapsMax: number): number;
  /** 1 if the last intervals agree about how often the series has samples, and that is at least every `maxMs`. */
  sampleIntervalIsSettled(timestamps: number, count: number, maxMs: number, scratch: number): number;
}

export function sampleGapKernels(kernel: Kernel): SampleGapKernels {
  return kernel.exports as unknown as SampleGapKernels;
}
