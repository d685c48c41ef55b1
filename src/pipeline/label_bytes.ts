/** Batches whose label bytes are the bytes of their rows and little else: what a sink copies is what it needs. */
import { type RowBatch, seriesRow } from "../model/row_batch.ts";

/** The same batch on the smallest range of label bytes that holds all runs; the row table is a copy. */
export function narrowLabelBytes(batch: RowBatch): RowBatch {
  const seriesRows = batch.seriesRows.slice(0, batch.seriesCount * seriesRow.slots);
  let from = batch.labelBytes.length;
  let to = 0;
  for (let i = 0; i < seriesRows.length; i += seriesRow.slots) {
    from = Math.min(from, seriesRows[i + seriesRow.labelsOffset]);
    to = Math.max(to, seriesRows[i + seriesRow.labelsOffset] + seriesRows[i + seriesRow.labelsSize]);
  }
  for (let i = 0; i < seriesRows.length; i += seriesRow.slots) seriesRows[i + seriesRow.labelsOffset] -= from;
  return { ...batch, seriesRows, labelBytes: batch.labelBytes.subarray(Math.min(from, to), to) };
}
