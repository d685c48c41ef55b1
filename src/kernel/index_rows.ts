/**
 * Doors to the kernels that bring series of a live index to an index segment: LiveRows copies rows and keys of pairs out of the shard's memory
 * (src/wasm/postings.ts) piece by piece through a scratch area, and SegmentPairs numbers and sorts pairs and strings and writes postings in the
 * memory of the thread that does it (src/wasm/index_rows.ts).
 */
import { assert } from "../base/assert.ts";
import { blockSampleCountMax, codecScratchBytes, encodedSizeMax } from "./codec.ts";
import type { Kernel } from "./kernel.ts";
import { IndexKernel } from "./postings.ts";

const entryBytes = 24;
/** Rows or pairs copied at a time. */
const batchCountMax = 4096;
/** Ids numbered, entries merged, pairs encoded between two steps: some milliseconds. */
const idsPerStep = 1 << 19;
const entriesPerStep = 1 << 16;
const postingBytesPerStep = 1 << 17;
/** Batches whose bytes are counted between two steps. */
const countedPerStep = 4;

/** Rows of series of a live index, in the memory of `kernel`. */
export interface CopiedRows {
  readonly rowCount: number;
  /** u32 each: pair ids of the live index, one row after the other. */
  readonly ids: number;
  readonly idCount: number;
  /** u32 each: ids of each row. */
  readonly counts: number;
  /** u32 account and u32 project of each row. */
  readonly tenants: number;
}

/** Copies out of a live index through a scratch area of its memory. The writer may register further series meanwhile. */
export class LiveRows {
  readonly #live: Kernel;
  readonly #index: IndexKernel;
  readonly #scratch: number;
  readonly #scratchEnd: number;

  /** `scratch`: an area of the index's memory that nobody else uses until the copies are made; a megabyte or two. */
  constructor(live: Kernel, indexContext: number, scratch: { readonly pointer: number; readonly sizeBytes: number }) {
    assert(scratch.sizeBytes >= batchCountMax * 32, "the scratch area takes a batch");
    this.#live = live;
    this.#index = new IndexKernel(live, indexContext);
    this.#scratch = scratch.pointer;
    this.#scratchEnd = scratch.pointer + scratch.sizeBytes;
  }

  /** No pair id is above. */
  get pairCount(): number {
    return this.#index.pairCount;
  }

  /** No id of a name is above. */
  get nameCount(): number {
    return this.#index.nameCount;
  }

  #setList(list: Uint32Array): void {
    this.#live.u32.set(list, this.#scratch / 4);
  }

  /** Copies the rows of these series to arena memory of `kernel`. */
  *copyRows(kernel: Kernel, seriesIndexes: Uint32Array): Generator<void, CopiedRows> {
    const { exports } = this.#live;
    const rowCount = seriesIndexes.length;
    let idCount = 0;
    let batchCount = 0;
    for (const list of batchesOf(seriesIndexes)) {
      this.#setList(list);
      idCount += (exports.indexCountRowIds(this.#index.context, this.#scratch, list.length) >>> 0) - list.length;
      if (++batchCount % countedPerStep === 0) yield;
    }
    const ids = kernel.allocate(idCount * 4);
    const counts = kernel.allocate(rowCount * 4);
    const tenants = kernel.allocate(rowCount * 8);
    let row = 0;
    let id = ids / 4;
    for (const list of batchesOf(seriesIndexes)) {
      for (const [from, to, copied] of this.#copyRowBatch(list)) {
        const live = this.#live.u32;
        kernel.u32.set(copied, id);
        kernel.u32.set(live.subarray(this.#countsArea / 4 + from, this.#countsArea / 4 + to), counts / 4 + row + from);
        kernel.u32.set(live.subarray(this.#tenantsArea / 4 + from * 2, this.#tenantsArea / 4 + to * 2), tenants / 4 + (row + from) * 2);
        id += copied.length;
      }
      row += list.length;
      yield;
    }
    assert(id === ids / 4 + idCount, "rows have the ids that were counted");
    return { rowCount, ids, idCount, counts, tenants };
  }

  get #countsArea(): number {
    return this.#scratch + batchCountMax * 4;
  }

  get #tenantsArea(): number {
    return this.#scratch + batchCountMax * 8;
  }

  /** Stretches of the list with their ids, valid until the next one; counts and tenants stand in their areas. */
  *#copyRowBatch(list: Uint32Array): Generator<[from: number, to: number, ids: Uint32Array]> {
    const ids = this.#scratch + batchCountMax * 16;
    const capacity = Math.floor((this.#scratchEnd - ids) / 4);
    for (let from = 0; from < list.length; ) {
      this.#setList(list);
      const to = this.#live.exports.indexCopyRows(this.#index.context, this.#scratch, from, list.length, ids, capacity, this.#countsArea, this.#tenantsArea) >>> 0;
      const { u32 } = this.#live;
      if (to === from) {
        yield [from, from + 1, this.#largeRow(list[from], from)];
        from++;
        continue;
      }
      let count = 0;
      for (let i = from; i < to; i++) count += u32[this.#countsArea / 4 + i];
      yield [from, to, u32.subarray(ids / 4, ids / 4 + count)];
      from = to;
    }
  }

  /** A row with more labels than the area takes. */
  #largeRow(seriesIndex: number, position: number): Uint32Array {
    const row: number[] = [];
    const count = this.#index.readRow(seriesIndex, row);
    const [tenantKey] = this.#index.pairKey(row[0]);
    this.#live.u32[this.#countsArea / 4 + position] = count - 1;
    this.#live.u8.copyWithin(this.#tenantsArea + position * 8, tenantKey + 2, tenantKey + 10);
    return Uint32Array.from({ length: count - 1 }, (_, i) => row[i + 1]);
  }

  /** Copies the keys of these pairs one after the other to arena memory of `kernel`, where the list of them stands. */
  *copyKeys(kernel: Kernel, pairs: number, pairCount: number): Generator<void, PairKeys> {
    const { exports } = this.#live;
    const pairList = kernel.u32.subarray(pairs / 4, pairs / 4 + pairCount);
    let keyBytes = 0;
    let batchCount = 0;
    for (const list of batchesOf(pairList)) {
      this.#setList(list);
      keyBytes += exports.indexCountKeyBytes(this.#index.context, this.#scratch, list.length) >>> 0;
      if (++batchCount % countedPerStep === 0) yield;
    }
    const offsets = kernel.allocate((pairCount + 1) * 4);
    const names = kernel.allocate(pairCount * 4);
    const keys = kernel.allocate(keyBytes + 64);
    let pair = 0;
    let end = 0;
    kernel.u32[offsets / 4] = 0;
    for (const list of batchesOf(pairList)) {
      for (let from = 0; from < list.length; ) {
        const { to, bytes } = this.#copyKeyBatch(list, from);
        kernel.u8.set(bytes, keys + end);
        const live = this.#live.u32;
        const target = kernel.u32;
        for (let i = from; i < to; i++) {
          end += live[this.#countsArea / 4 + i];
          target[offsets / 4 + pair + 1] = end;
          target[names / 4 + pair] = live[this.#tenantsArea / 4 + i];
          pair++;
        }
        from = to;
      }
      yield;
    }
    assert(end === keyBytes, "keys have the bytes that were counted");
    return { pairCount, keys, keyBytes, offsets, names };
  }

  /** The keys of some pairs of the list; sizes and names stand in the areas of counts and tenants. */
  #copyKeyBatch(list: Uint32Array, from: number): { to: number; bytes: Uint8Array } {
    const keys = this.#scratch + batchCountMax * 16;
    this.#setList(list);
    const to = this.#live.exports.indexCopyKeys(this.#index.context, this.#scratch, from, list.length, keys, this.#scratchEnd - keys, this.#countsArea, this.#tenantsArea) >>> 0;
    const { u8, u32 } = this.#live;
    if (to === from) {
      // A key larger than the area.
      const [pointer, size] = this.#index.pairKey(list[from]);
      u32[this.#countsArea / 4 + from] = size;
      u32[this.#tenantsArea / 4 + from] = this.#index.pairName(list[from]);
      return { to: from + 1, bytes: u8.subarray(pointer, pointer + size) };
    }
    let size = 0;
    for (let i = from; i < to; i++) size += u32[this.#countsArea / 4 + i];
    return { to, bytes: u8.subarray(keys, keys + size) };
  }
}

/** Keys of pairs (inner Label messages) in the memory of a kernel. */
export interface PairKeys {
  readonly pairCount: number;
  /** The bytes, 64 spare ones behind; u32 each: where the key of a pair begins in them. */
  readonly keys: number;
  readonly keyBytes: number;
  readonly offsets: number;
  /** u32 each, an id of the pair's name: the same for the same name. */
  readonly names: number;
}

function* batchesOf(list: Uint32Array): Generator<Uint32Array> {
  for (let from = 0; from < list.length; from += batchCountMax) yield list.subarray(from, from + batchCountMax);
}

/** Strings and pairs of a segment, sorted. Columns view the kernel's memory. */
export interface SegmentPairs {
  readonly pairCount: number;
  /** Bytes that each string shares with the one before, and of its own; its own bytes, one after the other. */
  readonly sharedBytes: Float64Array;
  readonly ownBytes: Float64Array;
  readonly suffixes: Uint8Array;
  /** Strings of the name and value of each pair. */
  readonly nameStrings: Float64Array;
  readonly valueStrings: Float64Array;
}

/** With the place of each pair among the sorted ones (u32 each, an address). */
export interface RankedPairs extends SegmentPairs {
  readonly ranks: number;
}

/** Numbers the pairs of the rows, sorts them, and replaces the ids of the rows by the places of their pairs. Takes arena memory, in steps. */
export function* sortSegmentPairs(kernel: Kernel, live: LiveRows, rows: CopiedRows): Generator<void, SegmentPairs> {
  const { exports } = kernel;
  const livePairs = live.pairCount;
  const numbers = kernel.allocate(livePairs * 4);
  const used = kernel.allocate(Math.min(livePairs, rows.idCount) * 4);
  kernel.u32.fill(0, numbers / 4, numbers / 4 + livePairs);
  let pairCount = 0;
  for (let from = 0; from < rows.idCount; from += idsPerStep) {
    pairCount = exports.indexRowsNumber(rows.ids + from * 4, Math.min(idsPerStep, rows.idCount - from), numbers, used, pairCount) >>> 0;
    yield;
  }
  const keys = yield* live.copyKeys(kernel, used, pairCount);
  const sorted = yield* sortPairKeys(kernel, keys, live.nameCount);
  for (let from = 0; from < rows.idCount; from += idsPerStep) {
    exports.indexRowsMap(rows.ids + from * 4, Math.min(idsPerStep, rows.idCount - from), sorted.ranks);
    yield;
  }
  return sorted;
}

/** Sorts strings and pairs, in steps; `nameIdMax` is above all ids of names. Takes arena memory. Equal pairs have places one after the other. */
export function* sortPairKeys(kernel: Kernel, keys: PairKeys, nameIdMax: number): Generator<void, RankedPairs> {
  const { exports } = kernel;
  const { pairCount } = keys;
  const nameNumbers = kernel.allocate(nameIdMax * 4);
  kernel.u32.fill(0, nameNumbers / 4, nameNumbers / 4 + nameIdMax);
  const entryMax = pairCount + Math.min(pairCount, nameIdMax);
  const unsorted = kernel.allocate(entryMax * entryBytes);
  const entryCount = exports.indexRowsStrings(keys.keys, keys.offsets, pairCount, keys.names, nameNumbers, unsorted) >>> 0;
  yield;
  const entries = yield* sortEntries(kernel, keys.keys, unsorted, entryCount);
  const stringNumbers = kernel.allocate(entryCount * 4);
  const shared = kernel.allocate(entryCount * 8);
  const own = kernel.allocate(entryCount * 8);
  const suffixes = kernel.allocate(keys.keyBytes);
  const stringCount = exports.indexRowsNumberStrings(keys.keys, entries, entryCount, stringNumbers, shared, own, suffixes) >>> 0;
  const suffixBytes = exports.indexRowsSuffixBytes() >>> 0;
  yield;
  const ranks = kernel.allocate(pairCount * 4);
  const nameStrings = kernel.allocate(pairCount * 8);
  const valueStrings = kernel.allocate(pairCount * 8);
  const nameCount = entryCount - pairCount;
  const places = kernel.allocate(nameCount * 8);
  exports.indexRowsRankPairs(entries, entryCount, pairCount, keys.names, nameCount, stringNumbers, ranks, nameStrings, valueStrings, places);
  yield;
  const doubles = (pointer: number, count: number): Float64Array => kernel.f64.subarray(pointer / 8, pointer / 8 + count);
  return {
    ranks,
    pairCount,
    sharedBytes: doubles(shared, stringCount),
    ownBytes: doubles(own, stringCount),
    suffixes: kernel.u8.subarray(suffixes, suffixes + suffixBytes),
    nameStrings: doubles(nameStrings, pairCount),
    valueStrings: doubles(valueStrings, pairCount),
  };
}

/** Sorts entries of strings; returns where they are then. */
function* sortEntries(kernel: Kernel, keys: number, unsorted: number, count: number): Generator<void, number> {
  let source = unsorted;
  let target = kernel.allocate(count * entryBytes);
  for (let width = 1; width < count; width *= 2) {
    const step = Math.max(entriesPerStep, width * 2);
    for (let from = 0; from < count; from += step) {
      kernel.exports.indexRowsMergePass(keys, source, target, from, Math.min(count, from + step), count, width);
      yield;
    }
    [source, target] = [target, source];
  }
  return source;
}

/** Rows and bytes of the posting list of each pair, and the lists. Columns view the kernel's memory. */
export interface SegmentPostings {
  readonly rowCounts: Float64Array;
  readonly sizes: Float64Array;
}

/** Encodes the posting lists of all pairs, in order, and gives the bytes piece by piece to `emit`. Takes arena memory, in steps. */
export function* encodeSegmentPostings(kernel: Kernel, rows: CopiedRows, pairCount: number, emit: (bytes: Uint8Array) => void): Generator<void, SegmentPostings> {
  const { exports } = kernel;
  const counts = kernel.allocate(pairCount * 4);
  const places = kernel.allocate(pairCount * 4);
  const postings = kernel.allocate(rows.idCount * 4);
  kernel.u32.fill(0, counts / 4, counts / 4 + pairCount);
  for (let from = 0; from < rows.idCount; from += idsPerStep) {
    exports.indexRowsCountIds(rows.ids + from * 4, Math.min(idsPerStep, rows.idCount - from), counts);
    yield;
  }
  exports.indexRowsPlaces(counts, pairCount, places);
  yield;
  let ids = rows.ids;
  for (let row = 0; row < rows.rowCount; row += batchCountMax) {
    const rowTo = Math.min(row + batchCountMax, rows.rowCount);
    exports.indexRowsInvert(ids, rows.counts + row * 4, row, rowTo, places, postings);
    for (let i = row; i < rowTo; i++) ids += kernel.u32[rows.counts / 4 + i] * 4;
    yield;
  }
  let largest = 0;
  for (let pair = 0; pair < pairCount; pair++) largest = Math.max(largest, kernel.u32[counts / 4 + pair]);
  const capacity = Math.max(postingBytesPerStep, largest * 12 + (Math.floor(largest / blockSampleCountMax) + 1) * 140);
  const out = kernel.allocate(capacity + encodedSizeMax(blockSampleCountMax));
  const rowCounts = kernel.allocate(pairCount * 8);
  const sizes = kernel.allocate(pairCount * 8);
  const staging = kernel.allocate(blockSampleCountMax * 8);
  const scratch = kernel.allocate(codecScratchBytes(kernel));
  let from = 0;
  const encode = (pair: number, pairEnd: number, roomBytes: number): number => {
    return exports.indexRowsEncodePostings(counts, pair, pairEnd, postings + from * 4, out, roomBytes, rowCounts, sizes, staging, scratch) >>> 0;
  };
  for (let pair = 0; pair < pairCount; ) {
    let next = encode(pair, pairCount, postingBytesPerStep);
    if (next === pair) next = encode(pair, pair + 1, capacity); // a long list
    assert(next > pair, "a posting list fits");
    const size = exports.indexRowsPostingBytes() >>> 0;
    emit(kernel.u8.subarray(out, out + size));
    for (; pair < next; pair++) from += kernel.u32[counts / 4 + pair];
    yield;
  }
  return { rowCounts: kernel.f64.subarray(rowCounts / 8, rowCounts / 8 + pairCount), sizes: kernel.f64.subarray(sizes / 8, sizes / 8 + pairCount) };
}
