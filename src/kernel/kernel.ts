/**
 * The door to the WebAssembly module: one `Kernel` is one instance on one memory.
 *
 * There are two kinds (ARCHITECTURE.md, "Memories"): the *shard memory* is shared between threads and long-lived; every
 * thread besides has a *private memory* for decoding, roll-ups and output, used as an arena and dropped when it grew large.
 * The module has no mutable static data, so a second instance on the same memory does not disturb the first.
 *
 * Pointers above 2 GiB come back from WebAssembly as negative numbers: apply `>>> 0` to every returned pointer or size.
 * Views go stale when a memory grows: take them from `u8`, `u32`, `f64` at each use and never keep them across a call that
 * may grow the memory.
 */
import { readFileSync } from "node:fs";
import { assert } from "../base/assert.ts";

const pageBytes = 65536;

let compiled: WebAssembly.Module | undefined;

/** The compiled module, loaded once per thread; a worker may be handed the one of its parent with `useModule`. */
export function kernelModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("../../build/tidemark.wasm", import.meta.url)));
  return compiled;
}

/** Uses a module that another thread has compiled. */
export function useModule(module: WebAssembly.Module): void {
  compiled = module;
}

/** Makes a memory that may be shared between threads. */
export function createMemory(initialBytes: number, maximumBytes = 65536 * pageBytes): WebAssembly.Memory {
  return new WebAssembly.Memory({
    initial: Math.max(16, Math.ceil(initialBytes / pageBytes)),
    maximum: Math.ceil(maximumBytes / pageBytes),
    shared: true,
  });
}

/** Every kernel is a function of numbers; 64-bit integers travel as bigint and are kept out of hot paths. */
export type KernelFunction = (...args: number[]) => number;

/** Rounds up to a multiple of 64; plain arithmetic because addresses reach 2^32. */
function ceil64(value: number): number {
  return Math.ceil(value / 64) * 64;
}

export class Kernel {
  readonly memory: WebAssembly.Memory;
  /** All exported kernels; the typed doors in kernel/ narrow them. */
  readonly exports: Readonly<Record<string, KernelFunction>>;
  /** First byte not used by constants of the module. */
  readonly heapBase: number;
  #buffer: ArrayBufferLike;
  #u8: Uint8Array;
  #u32: Uint32Array;
  #f64: Float64Array;
  #arenaTop: number;

  constructor(memory: WebAssembly.Memory = createMemory(1 << 20)) {
    this.memory = memory;
    const instance = new WebAssembly.Instance(kernelModule(), { env: { memory } });
    this.exports = instance.exports as unknown as Record<string, KernelFunction>;
    this.heapBase = ceil64(this.exports["heapBase"]() >>> 0);
    this.#arenaTop = this.heapBase;
    this.#buffer = memory.buffer;
    this.#u8 = new Uint8Array(this.#buffer);
    this.#u32 = new Uint32Array(this.#buffer);
    this.#f64 = new Float64Array(this.#buffer);
  }

  get u8(): Uint8Array {
    if (this.memory.buffer !== this.#buffer) this.#refresh();
    return this.#u8;
  }

  get u32(): Uint32Array {
    if (this.memory.buffer !== this.#buffer) this.#refresh();
    return this.#u32;
  }

  get f64(): Float64Array {
    if (this.memory.buffer !== this.#buffer) this.#refresh();
    return this.#f64;
  }

  #refresh(): void {
    this.#buffer = this.memory.buffer;
    this.#u8 = new Uint8Array(this.#buffer);
    this.#u32 = new Uint32Array(this.#buffer);
    this.#f64 = new Float64Array(this.#buffer);
  }

  /**
   * Reserves `size` bytes, aligned to 64, growing the memory if needed. The arena is a stack: take `mark()` before and
   * `reset(mark)` after. Not for shard memories that other threads allocate from.
   */
  allocate(size: number): number {
    const pointer = this.#arenaTop;
    const end = ceil64(pointer + size);
    this.ensure(end);
    this.#arenaTop = end;
    return pointer;
  }

  mark(): number {
    return this.#arenaTop;
  }

  reset(mark: number): void {
    assert(mark <= this.#arenaTop, "arena marks are released in reverse order");
    this.#arenaTop = mark;
  }

  /** Grows the memory so that addresses below `endPointer` exist. Throws RangeError at the 4 GiB limit. */
  ensure(endPointer: number): void {
    const missingBytes = endPointer - this.memory.buffer.byteLength;
    if (missingBytes > 0) this.memory.grow(Math.ceil(missingBytes / pageBytes));
  }

  /** Bytes that the memory has now. */
  get sizeBytes(): number {
    return this.memory.buffer.byteLength;
  }
}
