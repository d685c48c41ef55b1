/** Memories for encoding and merging, used again by the next seal or merge: one that is dropped stays resident until the garbage collector finds it. */
import { Kernel } from "../kernel/kernel.ts";

const keptMax = 2;
const keptBytesMax = 64 << 20;

export class KernelPool {
  readonly #kernels: Kernel[] = [];

  take(): Kernel {
    return this.#kernels.pop() ?? new Kernel();
  }

  giveBack(kernel: Kernel): void {
    kernel.reset(kernel.heapBase);
    if (this.#kernels.length < keptMax && kernel.sizeBytes <= keptBytesMax) this.#kernels.push(kernel);
  }
}
