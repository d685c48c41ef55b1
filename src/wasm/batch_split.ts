// Splits a RowBatch (layout in model/row_batch.ts) by the shards that its series belong to, in two passes over its rows: what each shard gets, and after
// the caller has laid out the pieces, the copying.
//
//   shardOfRow   u16 for each row
//   sizes        12 bytes for each shard: u32 rows, u32 bytes of label runs, u32 samples
//   pieces       24 bytes for each shard: u32 addresses of rows, label runs, timestamps, values; u32 bytes of label runs and u32 samples written so far
//
// Door and twin: storage/batch_placement.ts and its test.
import { headShardOf } from "./head";

/** The first pass: fills shardOfRow and sizes, which are clear before. */
export function batchSplitSizes(
  head: usize, rows: usize, rowCount: u32, labelBase: usize, accountId: u32, projectId: u32, shardCount: u32, shardOfRow: usize, sizes: usize,
): void {
  for (let i: usize = 0; i < (rowCount as usize); i++) {
    const row = rows + i * 20;
    const runSize = load<u32>(row, 4);
    const shard = headShardOf(head, labelBase + (load<u32>(row) as usize), runSize as usize, accountId, projectId, shardCount);
    store<u16>(shardOfRow + (i << 1), shard);
    const size = sizes + (shard as usize) * 12;
    store<u32>(size, load<u32>(size) + 1);
    store<u32>(size, load<u32>(size, 4) + runSize, 4);
    store<u32>(size, load<u32>(size, 8) + load<u32>(row, 12), 8);
  }
}

/** The second pass: copies every row with its label run and its samples to the piece of its shard. */
export function batchSplitCopy(rows: usize, rowCount: u32, labelBase: usize, timestamps: usize, values: usize, shardOfRow: usize, pieces: usize): void {
  for (let i: usize = 0; i < (rowCount as usize); i++) {
    const row = rows + i * 20;
    const piece = pieces + (load<u16>(shardOfRow + (i << 1)) as usize) * 24;
    const runSize = load<u32>(row, 4);
    const sampleFrom = (load<u32>(row, 8) as usize) << 3;
    const sampleCount = load<u32>(row, 12);
    const labelsTo = load<u32>(piece, 16);
    const samplesTo = load<u32>(piece, 20);
    const rowTo = load<u32>(piece) as usize;
    store<u32>(rowTo, labelsTo);
    store<u32>(rowTo, runSize, 4);
    store<u32>(rowTo, samplesTo, 8);
    store<u32>(rowTo, sampleCount, 12);
    store<u32>(rowTo, load<u32>(row, 16), 16);
    memory.copy((load<u32>(piece, 4) + labelsTo) as usize, labelBase + (load<u32>(row) as usize), runSize as usize);
    memory.copy(load<u32>(piece, 8) + (samplesTo << 3), timestamps + sampleFrom, (sampleCount as usize) << 3);
    memory.copy(load<u32>(piece, 12) + (samplesTo << 3), values + sampleFrom, (sampleCount as usize) << 3);
    store<u32>(piece, (rowTo + 20) as u32);
    store<u32>(piece, labelsTo + runSize, 16);
    store<u32>(piece, samplesTo + sampleCount, 20);
  }
}
