/**
 * Columns of the grid in the memory of the query's kernel: one f64 per point. A column is a Float64Array whose byteOffset is its address
 * for kernels. Views stay valid when the memory grows, because it is a shared one. Released columns are used again.
 *
 * The pool takes slabs from the kernel's arena and gives nothing back; the engine resets the arena at the end of the query. A Store that
 * decodes into the same memory must therefore not move the arena's mark down while a query runs: it allocates its areas before, once.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checkLimit } from "./limits.ts";

/** An f64 per point, 16-aligned, with room for an even number of points; NaN is no value. */
export type Column = Float64Array;

const slabBytesMin = 1 << 16;
const slabBytesMax = 1 << 20;

export class ColumnPool {
  readonly #kernel: Kernel;
  readonly #bytesMax: number;
  readonly #free = new Map<number, Column[]>();
  #slabTop = 0;
  #slabEnd = 0;
  #slabBytes = slabBytesMin;
  #bytesHeld = 0;

  constructor(kernel: Kernel, bytesMax: number) {
    this.#kernel = kernel;
    this.#bytesMax = bytesMax;
  }

  /** Bytes of all columns that were made, also of those released since. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /** A column with whatever it holds. */
  allocate(points: number): Column {
    const column = this.#free.get(points)?.pop();
    if (column !== undefined) return column;
    const pointer = this.reserve(points * 8);
    return new Float64Array(this.#kernel.memory.buffer, pointer, points);
  }

  /** Gives a column back; the caller has no other use of it. */
  release(column: Column): void {
    const free = this.#free.get(column.length);
    if (free === undefined) this.#free.set(column.length, [column]);
    else free.push(column);
  }

  /** Address of `size` bytes, 16-aligned, kept until the end of the query. */
  reserve(size: number): number {
    const bytes = Math.ceil(size / 16) * 16;
    this.#bytesHeld += bytes;
    checkLimit("too_much_memory", "bytes held by the query", this.#bytesHeld, this.#bytesMax, "search.maxMemoryPerQuery");
    if (this.#slabTop + bytes > this.#slabEnd) this.#addSlab(bytes);
    const pointer = this.#slabTop;
    this.#slabTop += bytes;
    return pointer;
  }

  #addSlab(bytes: number): void {
    assert(this.#kernel.mark() >= this.#slabEnd, "the arena of the kernel was reset while a query ran");
    const size = Math.max(bytes, this.#slabBytes);
    this.#slabBytes = Math.min(slabBytesMax, this.#slabBytes * 2);
    this.#slabTop = this.#kernel.allocate(size);
    this.#slabEnd = this.#slabTop + size;
  }
}

/** Copies the values of a column. Few are copied faster one by one. */
export function copyColumn(source: Float64Array, target: Float64Array, at: number): void {
  if (source.length > 32) target.set(source, at);
  else for (let i = 0; i < source.length; i++) target[at + i] = source[i];
}

/** Fills a column with values from `from` on. */
export function copyValues(source: Float64Array, from: number, target: Float64Array): void {
  const { length } = target;
  if (length > 32) target.set(source.subarray(from, from + length));
  else for (let i = 0; i < length; i++) target[i] = source[from + i];
}
