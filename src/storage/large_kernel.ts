/**
 * A memory for the rare work that needs much of it. It is used again by the next such work, because a WebAssembly memory that is dropped stays resident
 * until the garbage collector finds it, and it finds gigabytes of them late. What is very large is dropped all the same.
 */
import { Kernel } from "../kernel/kernel.ts";

const keptBytesMax = 256 << 20;

export class LargeKernel {
  #kernel: Kernel | undefined;

  /** Calls `work` with a kernel whose arena is empty. What it leaves in the memory is valid until the next call. */
  use<T>(work: (kernel: Kernel) => T): T {
    if (this.#kernel !== undefined && this.#kernel.sizeBytes > keptBytesMax) this.#kernel = undefined;
    this.#kernel ??= new Kernel();
    const kernel = this.#kernel;
    kernel.reset(kernel.heapBase);
    return work(kernel);
  }

  /** Gives the memory to the garbage collector, after some time without work. */
  drop(): void {
    this.#kernel = undefined;
  }
}
