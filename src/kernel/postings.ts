/**
 * Door to the kernels of the live series index (wasm/postings.ts): label pairs -> postings, series -> row of pair ids.
 *
 * The index stands at a *context pointer* in shard memory. One thread registers series; other threads may read the rows, pair
 * states and strings of series they were told about, because all of these are only appended to and published before the series
 * count. Areas are reserved once at their final size: memory that is never touched costs address space, not memory.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";

/** Sizes of an index. What is left out follows from `seriesMax`. */
export interface IndexSizes {
  readonly seriesMax: number;
  /** Distinct label pairs. */
  readonly pairMax?: number;
  /** Distinct label names. */
  readonly nameMax?: number;
  readonly stringsMaxBytes?: number;
  readonly rowsMaxBytes?: number;
  readonly chunksMaxBytes?: number;
}

/** Answers of indexAddSeries other than 0, in words. Nothing was changed in these cases. */
export const addSeriesErrors: Readonly<Record<number, string>> = {
  [-1]: "the number of series",
  [-2]: "series registered out of order",
  [-3]: "the number of distinct label pairs",
  [-4]: "the space for label strings",
  [-5]: "the space for series rows",
  [-6]: "the space for postings",
  [-7]: "the number of distinct label names",
  [-8]: "malformed label run",
};

/** u32 slots of the context. */
const field = {
  seriesMax: 0,
  seriesCount: 1,
  seed: 2,
  pairTable: 4,
  nameTable: 8,
  pairStates: 12,
  pairCount: 13,
  pairMax: 14,
  nameStates: 15,
  nameCount: 16,
  nameMax: 17,
  strings: 18,
  stringsSize: 19,
  stringsMax: 20,
  rows: 21,
  rowsSize: 22,
  rowsMax: 23,
  rowOffsets: 24,
  chunks: 25,
  chunksSize: 26,
  chunksMax: 27,
  days: 28,
  changes: 29,
} as const;

const contextBytes = 192;
const pairStateSlots = 11;
const nameStateSlots = 4;
const firstTableBits = 10;
/** The name of the tenant's hidden pair. */
export const tenantNameId = 0;

/** Reserves the areas of an index in the kernel's memory and returns its context pointer. */
export function createIndex(kernel: Kernel, sizes: IndexSizes, seed: bigint): number {
  const { seriesMax } = sizes;
  assert(Number.isSafeInteger(seriesMax) && seriesMax >= 1 && seriesMax < 2 ** 31, "seriesMax of an index");
  const pairMax = sizes.pairMax ?? seriesMax + 65_536;
  const nameMax = sizes.nameMax ?? Math.min(pairMax, 1 << 17);
  const stringsMax = sizes.stringsMaxBytes ?? seriesMax * 48 + (4 << 20);
  const rowsMax = sizes.rowsMaxBytes ?? seriesMax * 64 + (1 << 20);
  const chunksMax = sizes.chunksMaxBytes ?? seriesMax * 48 + (4 << 20);

  const context = kernel.allocate(contextBytes);
  const pairTable = allocateTable(kernel, pairMax);
  const nameTable = allocateTable(kernel, nameMax);
  const pointers = {
    pairStates: kernel.allocate(pairMax * pairStateSlots * 4),
    nameStates: kernel.allocate(nameMax * nameStateSlots * 4),
    strings: kernel.allocate(stringsMax + 64),
    rows: kernel.allocate(rowsMax),
    rowOffsets: kernel.allocate((seriesMax + 1) * 4),
    chunks: kernel.allocate(chunksMax),
    days: kernel.allocate(seriesMax * 4),
  };

  const u32 = kernel.u32;
  const base = context >>> 2;
  u32.fill(0, base, base + contextBytes / 4);
  const set = (name: keyof typeof field, value: number): void => void (u32[base + field[name]] = value);
  for (const [name, pointer] of Object.entries(pointers)) set(name as keyof typeof pointers, pointer);
  set("seriesMax", seriesMax);
  set("pairMax", pairMax);
  set("nameMax", nameMax);
  set("stringsMax", stringsMax);
  set("rowsMax", rowsMax);
  set("chunksMax", chunksMax);
  set("chunksSize", 16); // link 0 is none
  set("nameCount", 1); // name 0 is the tenant's
  u32.set(pairTable, base + field.pairTable);
  u32.set(nameTable, base + field.nameTable);
  u32[base + field.seed] = Number(seed & 0xffffffffn);
  u32[base + field.seed + 1] = Number((seed >> 32n) & 0xffffffffn);
  u32.fill(0, pointers.nameStates >>> 2, (pointers.nameStates >>> 2) + nameStateSlots);
  u32[pointers.rowOffsets >>> 2] = 0;
  return context;
}

/** Two areas that take turns when the table doubles, the first bits, and the last ones. */
function allocateTable(kernel: Kernel, keyMax: number): [number, number, number, number] {
  let bitsMax = firstTableBits;
  while (2 ** bitsMax * 3 < (keyMax + 1) * 4) bitsMax++;
  const areaA = kernel.allocate(2 ** bitsMax * 8);
  const areaB = kernel.allocate(2 ** (bitsMax - 1) * 8);
  const first = ((bitsMax - firstTableBits) & 1) === 1 ? areaB : areaA;
  kernel.u8.fill(0, first, first + 2 ** firstTableBits * 8);
  return [areaA, areaB, firstTableBits, bitsMax];
}

/** Typed reads and calls on one index. Cheap to make; several threads may each have one on the same context. */
export class IndexKernel {
  readonly kernel: Kernel;
  readonly context: number;
  readonly #base: number;
  // Pointers that never change, as u32 slots or bytes.
  readonly #pairStates: number;
  readonly #nameStates: number;
  readonly #rowOffsets: number;
  readonly #days: number;
  readonly #rows: number;
  readonly #strings: number;

  constructor(kernel: Kernel, context: number) {
    this.kernel = kernel;
    this.context = context;
    this.#base = context >>> 2;
    this.#pairStates = this.#get("pairStates") >>> 2;
    this.#nameStates = this.#get("nameStates") >>> 2;
    this.#rowOffsets = this.#get("rowOffsets") >>> 2;
    this.#days = this.#get("days") >>> 2;
    this.#rows = this.#get("rows");
    this.#strings = this.#get("strings");
  }

  get seriesMax(): number {
    return this.#get("seriesMax");
  }
  get seriesCount(): number {
    return this.#get("seriesCount");
  }
  /** Another number whenever a series was added or got another day. */
  get changes(): number {
    return this.#get("changes");
  }
  get pairCount(): number {
    return this.#get("pairCount");
  }
  get pairMax(): number {
    return this.#get("pairMax");
  }
  /** Including the hidden name 0 of the tenants. */
  get nameCount(): number {
    return this.#get("nameCount");
  }
  /** Bytes in use, all areas together. */
  get usedBytes(): number {
    const tableBytes = 12 * 2 ** this.#get("pairTable", 2) + 12 * 2 ** this.#get("nameTable", 2);
    const perSeries = 8 * this.seriesCount; // row offset and days
    return (
      tableBytes + perSeries + this.#get("stringsSize") + this.#get("rowsSize") + this.#get("chunksSize") +
      this.pairCount * pairStateSlots * 4 + this.nameCount * nameStateSlots * 4
    );
  }
  /** Bytes in use by kind, for benchmarks. */
  get usedBytesByKind(): Record<"strings" | "rows" | "postings" | "pairs", number> {
    return {
      strings: this.#get("stringsSize"),
      rows: this.#get("rowsSize"),
      postings: this.#get("chunksSize"),
      pairs: this.pairCount * pairStateSlots * 4 + 12 * 2 ** this.#get("pairTable", 2),
    };
  }

  /** Registers a series whose canonical label run lies in the kernel's memory; 0 or an error (`addSeriesErrors`). */
  addSeries(runPointer: number, runSize: number, accountId: number, projectId: number, seriesIndex: number): number {
    return this.kernel.exports["indexAddSeries"](this.context, runPointer, runSize, accountId, projectId, seriesIndex);
  }
  /** Widens the days (since 1970) in which the series has samples. */
  touchDay(seriesIndex: number, day: number): void {
    this.kernel.exports["indexTouchDay"](this.context, seriesIndex, day);
  }
  /** First and last day with samples; first > last when there were none. */
  dayRange(seriesIndex: number): { minDay: number; maxDay: number } {
    const range = this.kernel.u32[this.#days + seriesIndex];
    return { minDay: range & 0xffff, maxDay: range >>> 16 };
  }

  /** Pair id of the key (an inner Label message) in memory, or -1. */
  findPair(keyPointer: number, keySize: number): number {
    return this.kernel.exports["indexFindPair"](this.context, keyPointer, keySize);
  }
  findTenant(accountId: number, projectId: number): number {
    return this.kernel.exports["indexFindTenant"](this.context, accountId, projectId);
  }
  /** Name id of the UTF-8 name in memory, or -1. */
  findName(namePointer: number, nameSize: number): number {
    return this.kernel.exports["indexFindName"](this.context, namePointer, nameSize);
  }

  /** How many series have the pair. */
  postingCount(pairId: number): number {
    return this.#pair(pairId, 4);
  }
  pairName(pairId: number): number {
    return this.#pair(pairId, 2);
  }
  /** The pair of the same name registered before this one, or -1. */
  pairBefore(pairId: number): number {
    return this.#pair(pairId, 3) - 1;
  }
  /** Key bytes of the pair (the inner Label message): [pointer, size]. */
  pairKey(pairId: number): readonly [pointer: number, size: number] {
    return [this.#strings + this.#pair(pairId, 0), this.#pair(pairId, 1)];
  }
  /** UTF-8 bytes of a name: [pointer, size]. */
  nameBytes(nameId: number): readonly [pointer: number, size: number] {
    const state = this.#nameStates + nameId * nameStateSlots;
    return [this.#strings + this.kernel.u32[state], this.kernel.u32[state + 1]];
  }
  /** The newest pair of a name, or -1; `pairBefore` leads to the others. */
  lastPairOfName(nameId: number): number {
    return this.kernel.u32[this.#nameStates + nameId * nameStateSlots + 2] - 1;
  }
  pairCountOfName(nameId: number): number {
    return this.kernel.u32[this.#nameStates + nameId * nameStateSlots + 3];
  }

  /** Pair ids of the series: the tenant's, then the labels in order. Written to `target` (plain array, reused); returns how many. */
  readRow(seriesIndex: number, target: number[]): number {
    const u8 = this.kernel.u8;
    const u32 = this.kernel.u32;
    const rows = this.#rows;
    const offset = this.#rowOffsets + seriesIndex;
    let position = rows + u32[offset];
    const end = rows + u32[offset + 1];
    let count = 0;
    while (position < end) {
      let value = 0;
      let shift = 0;
      let byte = 0;
      do {
        byte = u8[position++];
        value |= (byte & 127) << shift;
        shift += 7;
      } while (byte >= 128);
      target[count++] = value >>> 0;
    }
    return count;
  }

  /** The series of a pair as an ascending list at `target` (16 spare bytes behind). */
  decodePosting(pairId: number, target: number): number {
    return this.kernel.exports["indexDecodePosting"](this.context, pairId, target) >>> 0;
  }
  /** Sets the bits of the series of a pair. */
  postingToBitmap(pairId: number, bitmap: number): number {
    return this.kernel.exports["indexPostingToBitmap"](this.context, pairId, bitmap) >>> 0;
  }
  /** How many series of a pair have their bit set, counting to `countMax`. */
  countInBitmap(pairId: number, bitmap: number, countMax: number): number {
    return this.kernel.exports["indexCountInBitmap"](this.context, pairId, bitmap, countMax) >>> 0;
  }
  /** Keeps the series of a list whose row has (or has not) a pair of the pair bitmap; `target` may be `list`. */
  filterRows(list: number, count: number, pairBitmap: number, wanted: boolean, target: number): number {
    return this.kernel.exports["indexFilterRows"](this.context, list, count, pairBitmap, wanted ? 1 : 0, target) >>> 0;
  }
  /** Sets the bits of all pairs of the series of a list. */
  collectPairs(list: number, count: number, pairBitmap: number): void {
    this.kernel.exports["indexCollectPairs"](this.context, list, count, pairBitmap);
  }
  /** Keeps the series of a list with samples in [minDay, maxDay]; `target` may be `list`. */
  filterDays(list: number, count: number, minDay: number, maxDay: number, target: number): number {
    return this.kernel.exports["indexFilterDays"](this.context, list, count, minDay, maxDay, target) >>> 0;
  }

  #get(name: keyof typeof field, slot = 0): number {
    return this.kernel.u32[this.#base + field[name] + slot];
  }
  #pair(pairId: number, slot: number): number {
    return this.kernel.u32[this.#pairStates + pairId * pairStateSlots + slot];
  }
}

/** Operations on bitmaps (whole multiples of 16 bytes) and on ascending u32 lists, by pointer. */
export class PostingsKernel {
  readonly #kernel: Kernel;
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }
  /** target = left AND right; returns the number of bits set. */
  and(left: number, right: number, target: number, bytes: number): number {
    return this.#kernel.exports["postingsAndBitmaps"](left, right, target, bytes) >>> 0;
  }
  /** target = left OR right; returns the number of bits set. */
  or(left: number, right: number, target: number, bytes: number): number {
    return this.#kernel.exports["postingsOrBitmaps"](left, right, target, bytes) >>> 0;
  }
  /** target = left AND NOT right; returns the number of bits set. */
  andNot(left: number, right: number, target: number, bytes: number): number {
    return this.#kernel.exports["postingsAndNotBitmaps"](left, right, target, bytes) >>> 0;
  }
  clear(bitmap: number, bytes: number): void {
    this.#kernel.exports["postingsClearBitmap"](bitmap, bytes);
  }
  /** Sets bits [0, count) of a cleared bitmap. */
  fill(bitmap: number, count: number): void {
    this.#kernel.exports["postingsFillBitmap"](bitmap, count);
  }
  listToBitmap(list: number, count: number, bitmap: number): void {
    this.#kernel.exports["postingsListToBitmap"](list, count, bitmap);
  }
  bitmapToList(bitmap: number, bytes: number, target: number): number {
    return this.#kernel.exports["postingsBitmapToList"](bitmap, bytes, target) >>> 0;
  }
  /** Keeps the entries of a list whose bit is set (or not set); `target` may be `list`. */
  filterByBitmap(list: number, count: number, bitmap: number, wanted: boolean, target: number): number {
    return this.#kernel.exports["postingsFilterByBitmap"](list, count, bitmap, wanted ? 1 : 0, target) >>> 0;
  }
  /** What is in both lists, by gallop through the longer one; `target` may be `short`. */
  intersect(short: number, shortCount: number, long: number, longCount: number, target: number): number {
    return this.#kernel.exports["postingsIntersect"](short, shortCount, long, longCount, target) >>> 0;
  }
}

/** Bytes of a bitmap of `count` bits. */
export function bitmapBytes(count: number): number {
  return Math.ceil(count / 128) * 16;
}
