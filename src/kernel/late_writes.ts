/**
 * LateWrites: the times at which samples were written that somebody had already taken for final; so caches of results on all threads know
 * what has become stale. In shared memory: caches look, nobody is sent a message, and the append pays one comparison per sample
 * (wasm/head.ts marks). Each shard has an area:
 *
 *    0 i64 finalMs     every time up to here was taken for final by some cache; only goes up
 *    8 i64 epoch       number of the last evaluation whose result was to be kept
 *   16 i64 cleared     everything before this epoch is void
 *   64 f64 slot[8192]  epoch of the last late write within this span of 2^19 ms (8.7 minutes), modulo 49.7 days
 *
 * A late write stores the epoch of its moment. A result of epoch e is stale if a slot of the times it was made from has e or more: marks of
 * writes before e are smaller. Slots are shared by times 49.7 days apart, so a result may be dropped for nothing, but never kept.
 *
 * finalMs and epoch are changed by any thread, with atomic operations; slots by the writing thread alone.
 */

const slotCount = 8192;
const slotMs = 2 ** 19;
const slotsOffset = 64;
export const lateWritesBytes = slotsOffset + slotCount * 8;

/** One shard's area. */
export interface LateWritesArea {
  readonly memory: WebAssembly.Memory;
  readonly lateWrites: number;
}

const finalField = 0;
const epochField = 1;
const clearedField = 2;

interface AreaViews {
  readonly fields: BigInt64Array;
  readonly slots: Float64Array;
}

/** Is a ChangeWatch (model/change_watch.ts), where the rules of its use stand. */
export class LateWrites {
  /** Views stay valid when the memory grows, because it is a shared one. */
  readonly #areas: readonly AreaViews[];

  constructor(areas: readonly LateWritesArea[]) {
    this.#areas = areas.map(({ memory, lateWrites }) => ({
      fields: new BigInt64Array(memory.buffer, lateWrites, 3),
      slots: new Float64Array(memory.buffer, lateWrites + slotsOffset, slotCount),
    }));
  }

  /** Takes all times up to `finalMs` for final from now on; returns the epoch that changes are counted from. */
  begin(finalMs: number): number {
    for (const { fields } of this.#areas) raise(fields, finalField, BigInt(Math.trunc(finalMs)));
    const epoch = Atomics.add(this.#areas[0].fields, epochField, 1n) + 1n;
    for (const { fields } of this.#areas) raise(fields, epochField, epoch);
    return Number(epoch);
  }

  /** Where within [minMs, maxMs] something may have changed since the epoch: at this time or later; Infinity if nothing has. */
  firstChangeMs(epoch: number, minMs: number, maxMs: number): number {
    let firstMs = Infinity;
    for (const { fields, slots } of this.#areas) {
      if (Number(Atomics.load(fields, clearedField)) >= epoch) return minMs;
      firstMs = Math.min(firstMs, firstMarked(slots, epoch, minMs, maxMs));
    }
    return firstMs;
  }

  /** All results kept so far are stale. */
  clear(): void {
    for (const { fields } of this.#areas) raise(fields, clearedField, Atomics.load(fields, epochField));
  }

  /** As if something had been written in all of [minMs, maxMs]. For the writing thread only. */
  markRange(minMs: number, maxMs: number): void {
    const from = Math.max(0, Math.floor(minMs / slotMs));
    const to = Math.min(Math.floor(maxMs / slotMs), from + slotCount - 1);
    for (const { fields, slots } of this.#areas) {
      const epoch = Number(Atomics.load(fields, epochField));
      for (let i = from; i <= to; i++) slots[i % slotCount] = epoch;
    }
  }
}

function firstMarked(slots: Float64Array, epoch: number, minMs: number, maxMs: number): number {
  const from = Math.max(0, Math.floor(minMs / slotMs));
  const to = Math.min(Math.floor(maxMs / slotMs), from + slotCount - 1);
  for (let i = from; i <= to; i++) if (slots[i % slotCount] >= epoch) return Math.max(minMs, i * slotMs);
  return Infinity;
}

function raise(fields: BigInt64Array, field: number, value: bigint): void {
  for (let found = Atomics.load(fields, field); found < value;) {
    const before = Atomics.compareExchange(fields, field, found, value);
    if (before === found) return;
    found = before;
  }
}
