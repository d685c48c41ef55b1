/**
 * Samples of fresh parts whose log rows cannot be read: without these nothing tells which rows of the log are in the part. So its samples are compared with the log
 * one by one, and rows that are in the part are struck from the log's records before they are replayed. Of samples that were written twice with the same
 * time and value, one may be taken for the other.
 */
import { Kernel } from "../kernel/kernel.ts";
import { expandedLogRowBytes, logRowsHeaderBytes } from "../kernel/log_rows.ts";
import { sampleCountOf } from "./block_list.ts";
import type { Part } from "./part.ts";

/** About 100 bytes of memory each. */
const samplesMax = 2_000_000;

export class SealedSamples {
  /** How often a sample is in the parts, by series id, time and bits of the value. */
  readonly #counts = new Map<string, number>();

  /** Takes a part; false if it has too many samples. Throws StorageError if it cannot be read. */
  add(part: Part): boolean {
    if (this.#counts.size + part.totals.sampleCount > samplesMax) return false;
    const kernel = new Kernel();
    for (let group = 0; group < part.groupCount; group++) {
      kernel.reset(kernel.heapBase);
      const list = part.readGroup(group);
      const count = sampleCountOf(list);
      const timestamps = kernel.allocate((count + 16) * 8);
      const values = kernel.allocate((count + 16) * 8);
      part.readBlocks(kernel, list, 0, list.count, timestamps, values, count);
      let sample = 0;
      for (let block = 0; block < list.count; block++) {
        for (const end = sample + list.sampleCounts[block]; sample < end; sample++) {
          const word = values / 4 + sample * 2;
          const key = keyOf(list.seriesIds[block], kernel.f64[timestamps / 8 + sample], kernel.u32[word], kernel.u32[word + 1]);
          this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
        }
      }
    }
    return true;
  }

  /**
   * Gives rows of a samples record (in the kernel's memory) that are in the parts the series id 0, which replay skips. `isReplayed` tells of a row whether it
   * would be replayed: rows of other parts are not, and must not be taken for those of these.
   */
  strike(kernel: Kernel, payload: number, size: number, isReplayed: (seriesId: number, logRow: number) => boolean): void {
    if (this.#counts.size === 0 || size < logRowsHeaderBytes) return;
    const { u32 } = kernel;
    const firstLogRow = kernel.f64[payload / 8];
    const baseMs = kernel.f64[payload / 8 + 1];
    const count = Math.min(u32[payload / 4 + 4], Math.floor((size - logRowsHeaderBytes) / expandedLogRowBytes));
    for (let row = 0; row < count; row++) {
      const at = (payload + logRowsHeaderBytes + row * expandedLogRowBytes) / 4;
      const key = keyOf(u32[at], baseMs + (u32[at + 1] | 0), u32[at + 2], u32[at + 3]);
      const left = this.#counts.get(key) ?? 0;
      if (left === 0 || !isReplayed(u32[at], firstLogRow + row)) continue;
      this.#counts.set(key, left - 1);
      u32[at] = 0;
    }
  }
}

function keyOf(seriesId: number, timestampMs: number, low: number, high: number): string {
  return `${seriesId} ${timestampMs} ${low} ${high}`;
}
