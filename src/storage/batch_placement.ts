/**
 * BatchPlacement: where the rows of a RowBatch lie in the memory of the shard that appends them: where they were built, or in an area that they are
 * copied to. With several shards a kernel sorts the rows into one piece for each (wasm/batch_split.ts), and the pieces are copied to their shards.
 */
import { type BatchSplitKernels, batchSplitKernels, batchSplitPieceBytes, batchSplitSizeBytes } from "../kernel/batch_split.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type RowBatch, seriesRow } from "../model/row_batch.ts";
import type { BatchPointers } from "./head.ts";
import type { Shard } from "./shard.ts";

const rowBytes = seriesRow.slots * 4;
/** Kernels read up to 7 bytes past a label run. */
const labelSlackBytes = 8;

/** What a piece of a batch holds. */
interface PieceSize {
  readonly rowCount: number;
  readonly labelBytes: number;
  readonly sampleCount: number;
}

/** Where the parts of a piece lie from its begin on, and its size. */
interface PieceLayout {
  readonly labels: number;
  readonly timestamps: number;
  readonly values: number;
  readonly sizeBytes: number;
}

export class BatchPlacement {
  readonly #shards: readonly Shard[];
  readonly #kernels: BatchSplitKernels;
  readonly #placed: Area[];
  /** In the first shard: the table of the split, and the pieces. */
  readonly #split: Area;

  constructor(shards: readonly Shard[]) {
    this.#shards = shards;
    this.#kernels = batchSplitKernels(shards[0].kernel);
    this.#placed = shards.map(({ kernel }) => new Area(kernel));
    this.#split = new Area(shards[0].kernel);
  }

  /** Pointers to a batch in the memory of the first shard: in place when it was built there, otherwise copied. Valid until the next call. */
  place(batch: RowBatch): BatchPointers {
    const { accountId, projectId } = batch.tenant;
    const { kernel } = this.#shards[0];
    if (batch.values.buffer === kernel.memory.buffer && batch.labelBytes.buffer === kernel.memory.buffer) {
      return {
        rows: batch.seriesRows.byteOffset,
        rowCount: batch.seriesCount,
        labelBase: batch.labelBytes.byteOffset,
        timestamps: batch.timestampsMs.byteOffset,
        values: batch.values.byteOffset,
        knownSeries: batch.knownSeries?.byteOffset ?? 0,
        accountId,
        projectId,
      };
    }
    const runs = rangeOfRuns(batch);
    const layout = layoutOf({ rowCount: batch.seriesCount, labelBytes: runs.to - runs.from, sampleCount: batch.sampleCount });
    const at = this.#placed[0].ofSize(layout.sizeBytes);
    kernel.u32.set(batch.seriesRows.subarray(0, batch.seriesCount * seriesRow.slots), at / 4);
    kernel.u8.set(batch.labelBytes.subarray(runs.from, runs.to), at + layout.labels);
    kernel.f64.set(batch.timestampsMs.subarray(0, batch.sampleCount), (at + layout.timestamps) / 8);
    kernel.f64.set(batch.values.subarray(0, batch.sampleCount), (at + layout.values) / 8);
    const labelBase = at + layout.labels - runs.from; // addresses wrap in the kernel if it is below 0
    return { rows: at, rowCount: batch.seriesCount, labelBase, timestamps: at + layout.timestamps, values: at + layout.values, knownSeries: 0, accountId, projectId };
  }

  /** Pointers to the rows of each shard, in its memory. Valid until the next call. */
  split(batch: RowBatch): BatchPointers[] {
    const source = this.place(batch);
    const { kernel } = this.#shards[0];
    const shardCount = this.#shards.length;
    const { rows, rowCount, labelBase, timestamps, values, accountId, projectId } = source;
    const tableBytes = ceil8(rowCount * 2) + ceil8(shardCount * batchSplitSizeBytes) + ceil8(shardCount * batchSplitPieceBytes);
    let table = this.#split.ofSize(tableBytes);
    let sizes = table + ceil8(rowCount * 2);
    kernel.u8.fill(0, sizes, sizes + shardCount * batchSplitSizeBytes);
    this.#kernels.batchSplitSizes(this.#shards[0].head.context, rows, rowCount, labelBase, accountId, projectId, shardCount, table, sizes);
    const pieceSizes = this.#shards.map((_, shard): PieceSize => {
      const [pieceRows, labelBytes, sampleCount] = kernel.u32.subarray(sizes / 4 + shard * 3, sizes / 4 + shard * 3 + 3);
      return { rowCount: pieceRows, labelBytes, sampleCount };
    });
    const layouts = pieceSizes.map(layoutOf);
    const total = layouts.reduce((sum, { sizeBytes }) => sum + sizeBytes, tableBytes);
    const whole = this.#split.ofSize(total);
    kernel.u8.copyWithin(whole, table, table + ceil8(rowCount * 2));
    table = whole;
    sizes = table + ceil8(rowCount * 2);
    const pieces = sizes + ceil8(shardCount * batchSplitSizeBytes);
    let at = table + tableBytes;
    const begins = layouts.map(({ sizeBytes }) => (at += sizeBytes) - sizeBytes);
    layouts.forEach((layout, shard) => {
      const begin = begins[shard];
      kernel.u32.set([begin, begin + layout.labels, begin + layout.timestamps, begin + layout.values, 0, 0], pieces / 4 + shard * (batchSplitPieceBytes / 4));
    });
    this.#kernels.batchSplitCopy(rows, rowCount, labelBase, timestamps, values, table, pieces);
    return layouts.map((layout, shard) => {
      const begin = this.#toShard(shard, begins[shard], layout.sizeBytes);
      return {
        rows: begin, rowCount: pieceSizes[shard].rowCount, labelBase: begin + layout.labels, timestamps: begin + layout.timestamps, values: begin + layout.values,
        knownSeries: 0, accountId, projectId,
      };
    });
  }

  /** Copies a piece from the first shard's memory to that of another one. */
  #toShard(shard: number, from: number, sizeBytes: number): number {
    if (shard === 0) return from;
    const at = this.#placed[shard].ofSize(sizeBytes);
    this.#shards[shard].kernel.u8.set(this.#shards[0].kernel.u8.subarray(from, from + sizeBytes), at);
    return at;
  }
}

/** An area of a kernel's memory that is kept for the next use, and grows. */
class Area {
  readonly #kernel: Kernel;
  #pointer = 0;
  #sizeBytes = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Its address; what it held is lost when it has to grow. */
  ofSize(sizeBytes: number): number {
    if (sizeBytes > this.#sizeBytes) {
      this.#sizeBytes = 2 ** Math.ceil(Math.log2(Math.max(sizeBytes, 65_536)));
      this.#pointer = this.#kernel.allocate(this.#sizeBytes);
    }
    return this.#pointer;
  }
}

function layoutOf({ rowCount, labelBytes, sampleCount }: PieceSize): PieceLayout {
  const labels = ceil8(rowCount * rowBytes);
  const timestamps = labels + ceil8(labelBytes + labelSlackBytes);
  const values = timestamps + sampleCount * 8;
  return { labels, timestamps, values, sizeBytes: values + sampleCount * 8 };
}

/** The part of labelBytes that the rows point into: a parser's batch has all of its memory there. */
function rangeOfRuns({ seriesRows, seriesCount }: RowBatch): { from: number; to: number } {
  let from = Infinity;
  let to = 0;
  for (let at = 0; at < seriesCount * seriesRow.slots; at += seriesRow.slots) {
    const offset = seriesRows[at + seriesRow.labelsOffset];
    from = Math.min(from, offset);
    to = Math.max(to, offset + seriesRows[at + seriesRow.labelsSize]);
  }
  return to === 0 ? { from: 0, to: 0 } : { from, to };
}

function ceil8(size: number): number {
  return Math.ceil(size / 8) * 8;
}
