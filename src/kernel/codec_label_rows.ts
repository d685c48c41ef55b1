/**
 * Door to the kernels for label sets of many series (src/wasm/codec_label_rows.ts): PairInterner turns canonical label runs into rows of pair ids,
 * LabelRowDecoder turns packed rows back into label runs. A pair is one Label field of a run, as its bytes.
 */
import { assert } from "../base/assert.ts";
import { InputError } from "../base/errors.ts";
import type { Kernel } from "./kernel.ts";

/** u32 slots of the context; src/wasm/codec_label_rows.ts has the same table. */
const slots = {
  table: 0,
  tableMask: 1,
  pairCount: 2,
  pairOffsets: 3,
  pairCapacity: 4,
  pairBytes: 5,
  pairBytesCapacity: 6,
  ids: 7,
  idCount: 8,
  idCapacity: 9,
} as const;
const slotCount = 10;

const statuses = ["done", "tableFull", "bytesFull", "idsFull", "malformed"] as const;

/**
 * Collects rows of pair ids. Owns its kernel: areas that have become too small stay behind in the arena, at most as much again as is used, and
 * all goes with the interner.
 */
export class PairInterner {
  readonly #kernel: Kernel;
  readonly #context: number;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#context = kernel.allocate(slotCount * 4);
    kernel.u32.fill(0, this.#context / 4, this.#context / 4 + slotCount);
    this.#growTable(1 << 12);
    this.#growBytes(1 << 18);
    this.#growIds(1 << 16);
  }

  #set(slot: keyof typeof slots, value: number): void {
    this.#kernel.u32[this.#context / 4 + slots[slot]] = value;
  }

  #get(slot: keyof typeof slots): number {
    return this.#kernel.u32[this.#context / 4 + slots[slot]];
  }

  get pairCount(): number {
    return this.#get("pairCount");
  }

  /** Start of each pair in pairBytes(), and the end of the last one. A view. */
  pairOffsets(): Uint32Array {
    const at = this.#get("pairOffsets") / 4;
    return this.#kernel.u32.subarray(at, at + this.pairCount + 1);
  }

  /** The Label fields, one after the other. A view. */
  pairBytes(): Uint8Array {
    const at = this.#get("pairBytes");
    return this.#kernel.u8.subarray(at, at + this.pairOffsets()[this.pairCount]);
  }

  /** Pair ids of all rows, one after the other. A view. */
  ids(): Uint32Array {
    const at = this.#get("ids") / 4;
    return this.#kernel.u32.subarray(at, at + this.#get("idCount"));
  }

  /**
   * Adds `rowCount` rows; row i has the label run labels[offsets[i], offsets[i + 1]). Returns the number of labels of each row.
   * Throws InputError if a run is not one.
   */
  add(labels: Uint8Array, offsets: Uint32Array, rowCount: number): Uint32Array {
    const kernel = this.#kernel;
    const base = offsets[0];
    const size = offsets[rowCount] - base;
    assert(offsets.length > rowCount && offsets[rowCount] <= labels.length, "label offsets are out of range");
    // Growing takes arena memory for good, so the input lies in a memory of its own size only while nothing has to grow.
    let row = 0;
    const counts = new Uint32Array(rowCount);
    while (row < rowCount) {
      const mark = kernel.mark();
      const labelsPointer = kernel.allocate(size + 8);
      const offsetsPointer = kernel.allocate((rowCount + 1) * 4);
      const countsPointer = kernel.allocate(rowCount * 4 + 4);
      kernel.u8.set(labels.subarray(base, base + size), labelsPointer);
      for (let i = 0; i <= rowCount; i++) kernel.u32[offsetsPointer / 4 + i] = offsets[i] - base;
      const status = statuses[kernel.exports.codecInternLabels(this.#context, labelsPointer, offsetsPointer, row, rowCount, countsPointer)];
      const done = kernel.exports.codecInternedRows() >>> 0;
      counts.set(kernel.u32.subarray(countsPointer / 4 + row, countsPointer / 4 + done), row);
      kernel.reset(mark);
      row = done;
      if (status === "malformed") throw new InputError("malformed_labels", `the label run of row ${row} is malformed`);
      if (status === "tableFull") this.#growTable(this.#get("pairCapacity") * 4);
      if (status === "bytesFull") this.#growBytes(Math.max(this.#get("pairBytesCapacity") * 2, this.#get("pairBytesCapacity") + size));
      if (status === "idsFull") this.#growIds(this.#get("idCapacity") * 2);
    }
    return counts;
  }

  /** Table of 4 slots for each 2 pairs. */
  #growTable(pairCapacity: number): void {
    const kernel = this.#kernel;
    const tableSlots = pairCapacity * 2;
    const table = kernel.allocate(tableSlots * 4);
    kernel.u32.fill(0, table / 4, table / 4 + tableSlots);
    const offsets = kernel.allocate((pairCapacity + 1) * 4);
    kernel.u32[offsets / 4] = 0;
    const known = this.#get("pairOffsets") / 4;
    if (known > 0) kernel.u32.copyWithin(offsets / 4, known, known + this.pairCount + 1);
    this.#set("table", table);
    this.#set("tableMask", tableSlots - 1);
    this.#set("pairOffsets", offsets);
    this.#set("pairCapacity", pairCapacity);
    kernel.exports.codecRehashPairs(this.#context);
  }

  #growBytes(capacity: number): void {
    const bytes = this.#kernel.allocate(capacity);
    const known = this.#get("pairBytes");
    if (known > 0) this.#kernel.u8.copyWithin(bytes, known, known + this.#get("pairBytesCapacity"));
    this.#set("pairBytes", bytes);
    this.#set("pairBytesCapacity", capacity);
  }

  #growIds(capacity: number): void {
    const ids = this.#kernel.allocate(capacity * 4);
    const known = this.#get("ids") / 4;
    if (known > 0) this.#kernel.u32.copyWithin(ids / 4, known, known + this.#get("idCount"));
    this.#set("ids", ids);
    this.#set("idCapacity", capacity);
  }
}

/** Packs rows of pair ids (all rows together have ids.length) with `idBytes` bytes for each id. */
export function packLabelRows(kernel: Kernel, ids: Uint32Array, counts: Uint32Array, idBytes: number): Uint8Array {
  const mark = kernel.mark();
  const idsPointer = kernel.allocate(ids.length * 4);
  const countsPointer = kernel.allocate(counts.length * 4);
  const target = kernel.allocate(counts.length * 6 + ids.length * 5 + 8);
  kernel.u32.set(ids, idsPointer / 4);
  kernel.u32.set(counts, countsPointer / 4);
  const size = kernel.exports.codecPackLabelRows(idsPointer, countsPointer, counts.length, idBytes, target);
  const bytes = kernel.u8.slice(target, target + size);
  kernel.reset(mark);
  return bytes;
}

/** Pairs in the kernel's memory: pair p is bytes [u32 offsets[p], offsets[p + 1]) of `bytes`. */
export interface PairPointers {
  readonly count: number;
  readonly offsets: number;
  readonly bytes: number;
}

/** Label sets of some rows in the kernel's memory, by address. */
export interface ExpandedRows {
  /** Pair ids, one row after the other. */
  readonly ids: number;
  readonly idCount: number;
  /** Labels of each row. */
  readonly counts: number;
  /** Start of each row's label run, and the end of the last one (u32 each). */
  readonly offsets: number;
  readonly labels: number;
  readonly labelsSize: number;
}

/** Pair ids of rows in the kernel's memory, by address; u32 each. */
export interface UnpackedRows {
  readonly ids: number;
  readonly idCount: number;
  /** Labels of each row. */
  readonly counts: number;
}

/**
 * Unpacks the pair ids of `rowCount` rows of `size` bytes at `pointer` (untrusted) into arena memory, which the caller resets. Returns undefined if the rows are
 * malformed or name a pair that is not below `pairCount`.
 */
export function unpackLabelRows(kernel: Kernel, pointer: number, size: number, rowCount: number, idBytes: number, pairCount: number): UnpackedRows | undefined {
  // A row of n labels takes n bits at least.
  const idCapacity = size * 8;
  const ids = kernel.allocate(idCapacity * 4 + 4);
  const counts = kernel.allocate(rowCount * 4 + 4);
  const idCount = kernel.exports.codecUnpackLabelRows(pointer, size, rowCount, idBytes, pairCount, ids, idCapacity, counts);
  return idCount < 0 ? undefined : { ids, idCount, counts };
}

/**
 * Unpacks `rowCount` rows at `pointer` (untrusted) into arena memory, which the caller resets. `idCapacity` bounds the pair ids of all rows,
 * `labelsSizeMax` the size of their label runs. Returns undefined if the rows are malformed or too large.
 */
export function expandLabelRows(
  kernel: Kernel,
  pointer: number,
  size: number,
  rowCount: number,
  idBytes: number,
  pairs: PairPointers,
  idCapacity: number,
  labelsSizeMax: number,
): ExpandedRows | undefined {
  const ids = kernel.allocate(idCapacity * 4 + 4);
  const counts = kernel.allocate(rowCount * 4 + 4);
  const offsets = kernel.allocate((rowCount + 1) * 4);
  const idCount = kernel.exports.codecUnpackLabelRows(pointer, size, rowCount, idBytes, pairs.count, ids, idCapacity, counts);
  if (idCount < 0) return undefined;
  const labelsSize = kernel.exports.codecExpandLabelRows(ids, counts, rowCount, pairs.offsets, pairs.bytes, offsets, 0);
  if (labelsSize < 0 || labelsSize > labelsSizeMax) return undefined;
  const labels = kernel.allocate(labelsSize + 64);
  kernel.exports.codecExpandLabelRows(ids, counts, rowCount, pairs.offsets, pairs.bytes, offsets, labels);
  return { ids, idCount, counts, offsets, labels, labelsSize };
}
