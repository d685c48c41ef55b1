/**
 * Samples of many series as columns: what sealing and merging hand to the writer of a part. The arrays may view the memory of a
 * Kernel; a writer with the same Kernel then reads them in place.
 */
export interface ColumnRun {
  readonly seriesCount: number;
  /** Strictly ascending. */
  readonly seriesIds: Uint32Array;
  /** Series i owns samples [sampleFrom[i], sampleFrom[i + 1]), ascending in time, duplicates kept; seriesCount + 1 numbers. */
  readonly sampleFrom: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  /** The log row of each series' newest sample, 0 if unknown. */
  readonly lastLogRows: Float64Array;
}
