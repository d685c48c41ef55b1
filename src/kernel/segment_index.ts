/**
 * Door to the kernels for searches in index segments (src/wasm/segment_index.ts): postings as bitmaps and lists, questions to the rows of a group, and
 * series joined by fingerprint. Pointers are addresses in one kernel's memory.
 */
import type { Kernel } from "./kernel.ts";
import type { PairPointers } from "./codec_label_rows.ts";

/** Rows of a group as pair ids: row r of the group has ids[offsets[r] .. offsets[r + 1]), u32 each. */
export interface UnpackedRows {
  readonly ids: number;
  readonly offsets: number;
  /** Number of the group's first row in its segment. */
  readonly groupFrom: number;
  readonly rowCount: number;
}

/** The kernels on one memory. Lists are ascending u32 row numbers of the whole segment, all in the group. */
export class SegmentKernel {
  readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /**
   * Unpacks a group (untrusted) to `ids` (room for `idCapacity`) and `offsets` (room for rowCount + 1). Returns false if the rows are malformed.
   */
  unpackRows(pointer: number, size: number, target: UnpackedRows, idBytes: number, pairCount: number, idCapacity: number): boolean {
    const { exports } = this.kernel;
    const count = exports["codecUnpackLabelRows"](pointer, size, target.rowCount, idBytes, pairCount, target.ids, idCapacity, target.offsets);
    if (count < 0) return false;
    exports["segmentRowOffsets"](target.offsets, target.rowCount);
    return true;
  }

  /** Sets bits of decoded row numbers (doubles, untrusted); false if one is none. */
  rowsToBitmap(rows: number, count: number, rowCount: number, bitmap: number): boolean {
    return this.kernel.exports["segmentRowsToBitmap"](rows, count, rowCount, bitmap) === 0;
  }

  /** Decoded row numbers (doubles, untrusted) as u32; false if they are not ascending from `minimum` on. */
  rowsToList(rows: number, count: number, minimum: number, rowCount: number, target: number): boolean {
    return this.kernel.exports["segmentRowsToList"](rows, count, minimum, rowCount, target) === 0;
  }

  /** Keeps the rows of a list that have (or have not) one of the pairs; `target` may be `list`. */
  filterRows(rows: UnpackedRows, list: number, count: number, pairBitmap: number, wanted: boolean, target: number): number {
    return this.kernel.exports["segmentFilterRows"](rows.ids, rows.offsets, rows.groupFrom, list, count, pairBitmap, wanted ? 1 : 0, target) >>> 0;
  }

  /** Sets the bits of the group's rows that have one of the pairs. */
  scanRows(rows: UnpackedRows, pairBitmap: number, bitmap: number): void {
    this.kernel.exports["segmentScanRows"](rows.ids, rows.offsets, rows.groupFrom, rows.rowCount, pairBitmap, bitmap);
  }

  /** Sets the bits of all pairs of the rows of a list. */
  collectPairs(rows: UnpackedRows, list: number, count: number, pairBitmap: number): void {
    this.kernel.exports["segmentCollectPairs"](rows.ids, rows.offsets, rows.groupFrom, list, count, pairBitmap);
  }

  /** Copies the pair ids of the rows of a list, and their numbers; returns the number of ids. */
  gatherRows(rows: UnpackedRows, list: number, count: number, ids: number, counts: number): number {
    return this.kernel.exports["segmentGatherRows"](rows.ids, rows.offsets, rows.groupFrom, list, count, ids, counts) >>> 0;
  }

  /** Label runs of rows of pair ids at `target` (0: only measure), their offsets (rowCount + 1 u32) at `offsets`; returns the size, -1 above 2 GiB. */
  expandRows(ids: number, counts: number, rowCount: number, pairs: PairPointers, offsets: number, target: number): number {
    return this.kernel.exports["codecExpandLabelRows"](ids, counts, rowCount, pairs.offsets, pairs.bytes, offsets, target);
  }

  /** For each of `count` fingerprints (16 bytes) the position of the first equal one, at `leaders`; returns the number of different ones. */
  join(fingerprints: number, count: number, table: number, slots: number, leaders: number): number {
    this.kernel.u32.fill(0, table >>> 2, (table >>> 2) + slots);
    return this.kernel.exports["segmentJoin"](fingerprints, count, table, slots - 1, leaders) >>> 0;
  }
}

/** Slots of the table for joining `count` fingerprints. */
export function joinSlots(count: number): number {
  return 2 ** Math.ceil(Math.log2(count * 2 + 2));
}
