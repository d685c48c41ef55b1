/** Typed door to wasm/series_text.ts. */
import type { Kernel } from "./kernel.ts";

/** What is written of a series: its labels alone, with one value, or with all of its points. */
export const seriesForms = { labels: 0, vector: 1, matrix: 2 } as const;
export type SeriesForm = keyof typeof seriesForms;

export interface SeriesTextKernels {
  /**
   * Writes series [first, count) as far as they fit between `target` and `targetEnd`, each with a comma in front; returns the end, and stores the number of the
   * first one that did not fit at `done`. The labels of series i are numbers[from[i] .. from[i + 1]), the text of label n, with a comma behind it, is
   * texts[textFrom[n] .. textFrom[n + 1]) (16 readable bytes behind the last one); its values are [i * points, (i + 1) * points); `cells` is what
   * numberTextCells has made of the times.
   */
  seriesText(
    numbers: number, from: number, first: number, count: number, texts: number, textFrom: number, form: number, values: number, points: number, cells: number,
    target: number, targetEnd: number, done: number,
  ): number;
}

/** Room that a series takes besides its labels, with what is touched behind its end. */
export function seriesBytesMax(points: number): number {
  return 80 + points * 64;
}

export function seriesTextKernels(kernel: Kernel): SeriesTextKernels {
  return kernel.exports as unknown as SeriesTextKernels;
}
