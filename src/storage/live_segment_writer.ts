/**
 * Writes series of a live index as an index segment (docs/formats/partition_index.md), for seals: rows are copied out of the live index as pair ids, so
 * that no label run is put together, and everything that is done for each series or pair is done by kernels (src/wasm/index_rows.ts).
 * IndexSegmentWriter, which takes label runs from anywhere, writes the same bytes.
 *
 *   series of the seal --copy--> rows of live pair ids --number, sort strings and pairs--> rows of places --> row groups, postings
 */
import type { FileSystem } from "../disk/file_system.ts";
import { packLabelRows } from "../kernel/codec_label_rows.ts";
import { type CopiedRows, encodeSegmentPostings, LiveRows, sortSegmentPairs } from "../kernel/index_rows.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { ByteBuffer, encodeTable, encodeTableInSteps } from "./block_table.ts";
import { daysOf, type Partition } from "./partition.ts";
import { groupRowCount, pairIdBytes, sectionKinds } from "./partition_index_format.ts";
import { SectionFile } from "./partition_index_sections.ts";
import type { ShardReader } from "./shard.ts";
import type { Steps } from "./steps.ts";

/** Series of a live index and their times, ascending by series id, each once. */
export interface LiveSeries {
  readonly seriesIds: Uint32Array;
  readonly seriesIndexes: Uint32Array;
  readonly minMs: Float64Array;
  readonly maxMs: Float64Array;
}

/**
 * Writes the segment and makes it and its name durable, in steps; returns its size. Uses the shard's scratch area and the kernel's arena, and gives the
 * latter back.
 */
export function* writeLiveSegment(files: FileSystem, path: string, partition: Partition, shard: ShardReader, kernel: Kernel, series: LiveSeries): Steps<number> {
  const mark = kernel.mark();
  const live = new LiveRows(shard.kernel, shard.indexContext, shard.scratch);
  const rows = yield* live.copyRows(kernel, series.seriesIndexes);
  const pairs = yield* sortSegmentPairs(kernel, live, rows);
  const out = new SectionFile(kernel, files, path);
  let isFinished = false;
  try {
    out.add(sectionKinds.strings, yield* encodeTableInSteps(kernel, [pairs.sharedBytes, pairs.ownBytes]));
    yield;
    out.addBytes(sectionKinds.stringBytes, pairs.suffixes);
    yield;
    out.add(sectionKinds.pairs, yield* encodeTableInSteps(kernel, [pairs.nameStrings, pairs.valueStrings]));
    yield;
    yield* writeRows(out, kernel, partition, series, rows, pairs.pairCount);
    yield* writePostings(out, kernel, rows, pairs.pairCount);
    const sizeBytes = yield* out.finishInSteps(rows.rowCount);
    isFinished = true;
    kernel.reset(mark);
    return sizeBytes;
  } finally {
    if (!isFinished) out.abort();
  }
}

function* writeRows(out: SectionFile, kernel: Kernel, partition: Partition, series: LiveSeries, rows: CopiedRows, pairCount: number): Generator<void> {
  const { minMs, maxMs } = series;
  const idBytes = pairIdBytes(pairCount);
  let idFrom = rows.ids / 4;
  for (let from = 0; from < rows.rowCount; from += groupRowCount) {
    const to = Math.min(from + groupRowCount, rows.rowCount);
    const tenants = kernel.u32.subarray(rows.tenants / 4 + from * 2, rows.tenants / 4 + to * 2);
    const columns = {
      seriesIds: Float64Array.from(series.seriesIds.subarray(from, to)),
      accountIds: new Float64Array(to - from),
      projectIds: new Float64Array(to - from),
      spansMs: new Float64Array(to - from),
      activeDays: new Float64Array(to - from),
    };
    for (let i = 0; i < to - from; i++) {
      columns.accountIds[i] = tenants[i * 2];
      columns.projectIds[i] = tenants[i * 2 + 1];
      columns.spansMs[i] = maxMs[from + i] - minMs[from + i];
      columns.activeDays[i] = daysOf(partition, minMs[from + i], maxMs[from + i]);
    }
    out.add(sectionKinds.rows, encodeTable(kernel, [columns.seriesIds, columns.accountIds, columns.projectIds, minMs.subarray(from, to), columns.spansMs, columns.activeDays]));
    const counts = kernel.u32.subarray(rows.counts / 4 + from, rows.counts / 4 + to);
    let idTo = idFrom;
    for (let i = 0; i < counts.length; i++) idTo += counts[i];
    out.addBytes(sectionKinds.rowLabels, packLabelRows(kernel, kernel.u32.subarray(idFrom, idTo), counts, idBytes));
    idFrom = idTo;
    yield;
  }
}

function* writePostings(out: SectionFile, kernel: Kernel, rows: CopiedRows, pairCount: number): Generator<void> {
  const bytes = new ByteBuffer(1 << 16);
  const { rowCounts, sizes } = yield* encodeSegmentPostings(kernel, rows, pairCount, (some) => bytes.append(some));
  out.add(sectionKinds.postings, yield* encodeTableInSteps(kernel, [rowCounts, sizes]));
  yield;
  out.addBytes(sectionKinds.postingBytes, bytes.bytes);
  yield;
}
