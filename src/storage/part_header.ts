/**
 * Header groups: the headers of up to 256 blocks as a table (block_table.ts), readable and checked on their own, so that opening a part reads
 * none of them. A million small blocks take a few bytes each: most columns are constant or steady within a group. docs/formats/part.md
 */
import { StorageError } from "../base/errors.ts";
import { HeaderDecoder, headerRowsMax } from "../kernel/codec_headers.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { blockAggregates, type BlockAggregate, type BlockList } from "./block_list.ts";
import { checksumBytes, encodeTable, isChecksummed } from "./block_table.ts";

/** Headers of one group at most. */
export const headerGroupCountMax = headerRowsMax;
/** A frame is closed when it has so many bytes: one checksum (8 bytes) for about 4 KB of tiny blocks, one read for a small query. */
export const frameBytes = 4096;
/** Blocks with fewer samples carry no aggregates: they would cost up to 40 bytes, and decoding so few samples is as cheap. */
export const aggregateSampleCountMin = 512;

/** Columns of a header group, one number for each block (see BlockList; values follow each other in a frame, so they need no offset). */
export interface HeaderColumns {
  readonly seriesIds: Float64Array;
  readonly kinds: Float64Array;
  readonly sampleCounts: Float64Array;
  readonly minMs: Float64Array;
  readonly spansMs: Float64Array;
  readonly valuesFrames: Float64Array;
  readonly valuesFrameSizes: Float64Array;
  readonly valuesSizes: Float64Array;
  readonly timestampsFrames: Float64Array;
  readonly timestampsFrameSizes: Float64Array;
  readonly timestampsOffsets: Float64Array;
  readonly timestampsSizes: Float64Array;
  /** For the blocks that have aggregates. */
  readonly aggregates: Readonly<Record<BlockAggregate, Float64Array>>;
}

/** Encodes a header group. */
export function encodeHeaderGroup(kernel: Kernel, columns: HeaderColumns): Uint8Array {
  return encodeTable(kernel, [
    columns.seriesIds,
    columns.kinds,
    columns.sampleCounts,
    columns.minMs,
    columns.spansMs,
    columns.valuesFrames,
    columns.valuesFrameSizes,
    columns.valuesSizes,
    columns.timestampsFrames,
    columns.timestampsFrameSizes,
    columns.timestampsOffsets,
    columns.timestampsSizes,
    ...blockAggregates.map((aggregate) => columns.aggregates[aggregate]),
  ]);
}

/** Decodes header groups in a memory of its own; each thread needs one. */
export class HeaderReader {
  readonly kernel: Kernel;
  readonly #decoder: HeaderDecoder;
  readonly #list: { count: number } & BlockList;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.#decoder = new HeaderDecoder(kernel);
    const { sum, min, max, first, last, ...places } = this.#decoder.doubles;
    this.#list = { count: 0, ...places, ...this.#decoder.words, aggregateRows: this.#decoder.aggregateRows, aggregates: { sum, min, max, first, last } };
  }

  /**
   * Decodes a header group of `sizeBytes` (untrusted) in the kernel's memory. `dataEnd` is where the frames of the file end. The list is valid
   * until the next call. Throws StorageError; every place that the result names is inside the file and inside its frame.
   */
  decode(pointer: number, sizeBytes: number, dataEnd: number, what: string): BlockList {
    if (sizeBytes < checksumBytes || !isChecksummed(this.kernel, pointer, sizeBytes - checksumBytes)) {
      throw new StorageError("corrupt_table", `${what} is damaged: its checksum is wrong`);
    }
    const count = this.#decoder.decode(pointer, sizeBytes - checksumBytes, dataEnd);
    if (count < 0) throw new StorageError("corrupt_table", `${what} is damaged: it holds impossible numbers`);
    this.#list.count = count;
    return this.#list;
  }
}
