/**
 * Areas of a kernel's memory that come and go in any order, where its own arena is a stack. First fit among the free areas, which are kept by address and
 * joined with their neighbours. More memory comes from the arena, so nobody may hold a mark of it across a call of allocate().
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "../kernel/kernel.ts";

const slabBytes = 1 << 20;
const granuleBytes = 64;

interface Free {
  from: number;
  to: number;
}

export class AreaAllocator {
  readonly kernel: Kernel;
  /** By address, never touching each other. */
  readonly #free: Free[] = [];
  readonly #sizes = new Map<number, number>();
  #usedBytes = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Bytes of all areas that are in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** An area of at least so many bytes, aligned to 64. Throws RangeError when the memory cannot grow. */
  allocate(sizeBytes: number): number {
    const size = Math.max(1, Math.ceil(sizeBytes / granuleBytes)) * granuleBytes;
    let at = this.#free.findIndex(({ from, to }) => to - from >= size);
    if (at < 0) {
      const slab = Math.max(size, slabBytes);
      const from = this.kernel.allocate(slab);
      this.#giveBack(from, from + slab);
      at = this.#free.findIndex((free) => free.to - free.from >= size);
    }
    const free = this.#free[at];
    const pointer = free.from;
    free.from += size;
    if (free.from === free.to) this.#free.splice(at, 1);
    this.#sizes.set(pointer, size);
    this.#usedBytes += size;
    return pointer;
  }

  /** Gives an area back. */
  free(pointer: number): void {
    const size = this.#sizes.get(pointer);
    assert(size !== undefined, "an area is given back once");
    this.#sizes.delete(pointer);
    this.#usedBytes -= size;
    this.#giveBack(pointer, pointer + size);
  }

  /** Bytes that the area at this address has. */
  sizeOf(pointer: number): number {
    return this.#sizes.get(pointer) ?? 0;
  }

  #giveBack(from: number, to: number): void {
    const areas = this.#free;
    let low = 0;
    let high = areas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (areas[middle].from < from) low = middle + 1;
      else high = middle;
    }
    const before = areas[low - 1];
    const after = areas[low];
    const joinsAfter = after !== undefined && after.from === to;
    if (before !== undefined && before.to === from) {
      before.to = joinsAfter ? after.to : to;
      if (joinsAfter) areas.splice(low, 1);
    } else if (joinsAfter) after.from = from;
    else areas.splice(low, 0, { from, to });
  }
}
