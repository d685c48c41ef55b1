/**
 * The order in which the entries of a seal are gathered: by series id, and by hand-over within a series. A seal may have a million entries, so it is made in
 * steps: slices of keys are filled and sorted, then merged two by two until one is left.
 */
import { assert } from "../base/assert.ts";
import { headContext, headEntryBytes, headRecordBytes } from "../kernel/head.ts";
import type { Seal } from "./head.ts";
import type { ShardReader } from "./shard.ts";

/** Columns of the entries, in order. */
export interface SealOrder {
  readonly length: number;
  /** Place in the seal. */
  readonly entries: Uint32Array;
  readonly seriesIndexes: Uint32Array;
  /** Upper bounds. */
  readonly sampleCounts: Uint32Array;
}

/** Entries of a slice, each some cache misses; about two milliseconds. */
const entriesPerSlice = 1 << 14;
/** A multiple of it that is merged between two steps. */
const entriesPerMergeStep = 1 << 17;
/** Keys are series id * this + entry: below 2^53. */
const entryLimit = 2 ** 21;

/** Puts the entries of a seal in order, in steps. */
export function* orderOfSeal(shard: ShardReader, seal: Seal): Generator<void, SealOrder> {
  const length = seal.entryCount;
  assert(length <= entryLimit, "entries of a seal");
  const keys = yield* mergedSlices(yield* sortedSlices(shard, seal));
  const order: SealOrder = { length, entries: new Uint32Array(length), seriesIndexes: new Uint32Array(length), sampleCounts: new Uint32Array(length) };
  for (let from = 0; from < length; from += entriesPerSlice) {
    fillColumns(shard.kernel.u32, seal, keys, order, from, Math.min(length, from + entriesPerSlice));
    yield;
  }
  return order;
}

function fillColumns(u32: Uint32Array, seal: Seal, keys: Float64Array, { entries, seriesIndexes, sampleCounts }: SealOrder, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const entry = keys[i] % entryLimit;
    const word = (seal.entries + entry * headEntryBytes) / 4;
    entries[i] = entry;
    seriesIndexes[i] = u32[word];
    sampleCounts[i] = u32[word + 2] * 8;
  }
}

/** Keys of all entries, each slice ascending. */
function* sortedSlices(shard: ShardReader, seal: Seal): Generator<void, Float64Array> {
  const keys = new Float64Array(seal.entryCount);
  for (let from = 0; from < keys.length; from += entriesPerSlice) {
    const slice = keys.subarray(from, from + entriesPerSlice);
    if (!fillKeys(shard, seal, slice, from)) slice.sort();
    yield;
  }
  return keys;
}

/** Returns whether the keys ascend. */
function fillKeys(shard: ShardReader, seal: Seal, slice: Float64Array, firstEntry: number): boolean {
  const { u32 } = shard.kernel;
  const records = u32[(shard.headContext + headContext.records) / 4];
  let isAscending = true;
  let last = -1;
  for (let i = 0; i < slice.length; i++) {
    const seriesIndex = u32[(seal.entries + (firstEntry + i) * headEntryBytes) / 4];
    const key = u32[(records + seriesIndex * headRecordBytes) / 4 + 7] * entryLimit + firstEntry + i;
    if (key < last) isAscending = false;
    slice[i] = key;
    last = key;
  }
  return isAscending;
}

/** Merges ascending slices until all keys ascend. */
function* mergedSlices(keys: Float64Array): Generator<void, Float64Array> {
  let source = keys;
  let target: Float64Array | undefined;
  for (let width = entriesPerSlice; width < keys.length; width *= 2) {
    if (isAscending(source, width)) break;
    target ??= new Float64Array(keys.length);
    let mergedCount = 0;
    for (let from = 0; from < keys.length; from += width * 2) {
      const middle = Math.min(keys.length, from + width);
      const to = Math.min(keys.length, middle + width);
      for (const merge = new Merge(source, target, from, middle, to); !merge.isDone; ) {
        mergedCount += merge.some(entriesPerMergeStep);
        if (mergedCount < entriesPerMergeStep) continue;
        mergedCount = 0;
        yield;
      }
    }
    yield;
    [source, target] = [target, source];
  }
  return source;
}

/** Whether slices of this width, ascending each, ascend as a whole. */
function isAscending(keys: Float64Array, width: number): boolean {
  for (let at = width; at < keys.length; at += width) if (keys[at - 1] > keys[at]) return false;
  return true;
}

/** Merges [from, middle) and [middle, to) of `source` to [from, to) of `target`, some at a time. */
class Merge {
  readonly #source: Float64Array;
  readonly #target: Float64Array;
  readonly #middle: number;
  readonly #to: number;
  #left: number;
  #right: number;
  #end: number;

  constructor(source: Float64Array, target: Float64Array, from: number, middle: number, to: number) {
    this.#source = source;
    this.#target = target;
    this.#middle = middle;
    this.#to = to;
    this.#left = from;
    this.#right = middle;
    this.#end = from;
  }

  get isDone(): boolean {
    return this.#end === this.#to;
  }

  /** Returns how many it were. */
  some(countMax: number): number {
    const [source, target, middle, to] = [this.#source, this.#target, this.#middle, this.#to];
    const first = this.#end;
    const last = Math.min(to, first + countMax);
    let [left, right, end] = [this.#left, this.#right, first];
    while (end < last) {
      const isLeft = right === to || (left < middle && source[left] < source[right]);
      target[end++] = isLeft ? source[left++] : source[right++];
    }
    [this.#left, this.#right, this.#end] = [left, right, end];
    return last - first;
  }
}
