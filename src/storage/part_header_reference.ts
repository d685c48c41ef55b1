/** The plain twin of the kernel that decodes header groups (src/wasm/codec_headers.ts), for tests. */
import { StorageError } from "../base/errors.ts";
import { blockSampleCountMax } from "../kernel/codec.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { blockAggregates, type BlockList } from "./block_list.ts";
import { checksumBytes, TableReader } from "./block_table.ts";
import { partHeaderBytes } from "./part_footer.ts";
import { frameBytes, headerGroupCountMax } from "./part_header.ts";

/** No frame is larger: the target, and one block that does not compress. */
const frameBytesMax = frameBytes + blockSampleCountMax * 8 + 1;
/** Times are whole milliseconds within what a Date can hold. */
const timeMsMax = 8.64e15;

/**
 * Decodes a header group of `sizeBytes` in the kernel's memory. `dataEnd` is where the frames of the file end. Throws StorageError. Every
 * place that the result names is inside the file and inside its frame.
 */
export function decodeHeaderGroupReference(kernel: Kernel, pointer: number, sizeBytes: number, dataEnd: number, what: string): BlockList {
  const mark = kernel.mark();
  const reader = new TableReader(kernel, pointer, sizeBytes, what);
  const seriesIds = reader.column(headerGroupCountMax);
  const count = seriesIds.length;
  reader.check(seriesIds, 0, 2 ** 32 - 1);
  const kinds = reader.integers(count, 0, 2 ** 21 - 1);
  const sampleCounts = reader.integers(count, 1, blockSampleCountMax);
  const minMs = reader.integers(count, -timeMsMax, timeMsMax);
  const spansMs = reader.integers(count, 0, timeMsMax * 2);
  const valuesFrames = reader.integers(count, partHeaderBytes, dataEnd);
  const valuesFrameSizes = reader.integers(count, 1, frameBytesMax);
  const valuesSizes = reader.integers(count, 1, frameBytesMax);
  const timestampsFrames = reader.integers(count, partHeaderBytes, dataEnd);
  const timestampsFrameSizes = reader.integers(count, 1, frameBytesMax);
  const timestampsOffsets = reader.integers(count, 0, frameBytesMax);
  const timestampsSizes = reader.integers(count, 1, frameBytesMax);
  const aggregateRows = new Int32Array(count);
  let aggregateCount = 0;
  for (let i = 0; i < count; i++) aggregateRows[i] = kinds[i] >= 65536 ? aggregateCount++ : -1;
  const [sum, min, max, first, last] = blockAggregates.map(() => reader.column(aggregateCount));
  if (last.length !== aggregateCount || !reader.isAtEnd) throw new StorageError("corrupt_table", `${what} is damaged: its columns do not fit together`);
  kernel.reset(mark);

  const places = {
    valuesFrames,
    valuesFrameSizes: new Uint32Array(valuesFrameSizes),
    valuesOffsets: new Uint32Array(count),
    valuesSizes: new Uint32Array(valuesSizes),
    timestampsFrames,
    timestampsFrameSizes: new Uint32Array(timestampsFrameSizes),
    timestampsOffsets: new Uint32Array(timestampsOffsets),
    timestampsSizes: new Uint32Array(timestampsSizes),
  };
  const maxMs = spansMs;
  for (let i = 0; i < count; i++) maxMs[i] += minMs[i];
  const bad = badHeader(new Uint32Array(seriesIds), places, dataEnd);
  if (bad >= 0) throw new StorageError("corrupt_table", `${what} is damaged: header ${bad} holds impossible numbers`);
  return {
    count,
    seriesIds: new Uint32Array(seriesIds),
    kinds: new Uint32Array(kinds),
    sampleCounts: new Uint32Array(sampleCounts),
    minMs,
    maxMs,
    ...places,
    aggregateRows,
    aggregates: { sum, min, max, first, last },
  };
}

type Places = Pick<
  BlockList,
  "valuesFrames" | "valuesFrameSizes" | "valuesOffsets" | "valuesSizes" | "timestampsFrames" | "timestampsFrameSizes" | "timestampsOffsets" | "timestampsSizes"
>;

/** Fills in the offsets of the values; returns the first header whose places are not inside of file and frame, or -1. */
function badHeader(seriesIds: Uint32Array, places: Places, dataEnd: number): number {
  const { valuesFrames, valuesFrameSizes, valuesOffsets, valuesSizes, timestampsFrames, timestampsFrameSizes, timestampsOffsets, timestampsSizes } = places;
  for (let i = 0; i < seriesIds.length; i++) {
    if (i > 0 && seriesIds[i] < seriesIds[i - 1]) return i;
    if (i > 0 && valuesFrames[i] === valuesFrames[i - 1]) {
      valuesOffsets[i] = valuesOffsets[i - 1] + valuesSizes[i - 1];
      if (valuesFrameSizes[i] !== valuesFrameSizes[i - 1]) return i;
    }
    if (valuesOffsets[i] + valuesSizes[i] > valuesFrameSizes[i] || timestampsOffsets[i] + timestampsSizes[i] > timestampsFrameSizes[i]) return i;
    if (valuesFrames[i] + valuesFrameSizes[i] + checksumBytes > dataEnd || timestampsFrames[i] + timestampsFrameSizes[i] + checksumBytes > dataEnd) return i;
  }
  return -1;
}
