/** Typed door to wasm/batch_split.ts, which sorts the rows of a batch into one piece for each shard. */
import type { Kernel } from "./kernel.ts";

/** Bytes for each shard in the tables of sizes and of pieces. */
export const batchSplitSizeBytes = 12;
export const batchSplitPieceBytes = 24;

export interface BatchSplitKernels {
  batchSplitSizes(
    head: number, rows: number, rowCount: number, labelBase: number, accountId: number, projectId: number, shardCount: number, shardOfRow: number, sizes: number,
  ): void;
  batchSplitCopy(rows: number, rowCount: number, labelBase: number, timestamps: number, values: number, shardOfRow: number, pieces: number): void;
}

export function batchSplitKernels(kernel: Kernel): BatchSplitKernels {
  return kernel.exports as unknown as BatchSplitKernels;
}
