/**
 * FrameSet: the frames that some blocks need, read with few calls: neighbours in the file are read together, then each frame is checked
 * against its checksum. Frames lie in the kernel's arena until the caller resets it.
 */
import type { FileHandle } from "../disk/file_system.ts";
import { storeChecksum64 } from "../kernel/checksum.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checksumBytes } from "./block_table.ts";

/** Reading so many bytes in vain is cheaper than a second call. */
const gapBytesMax = 16384;
const readBytesMax = 1 << 20;

/** Reads `target.length` bytes at `position`; false if the file ends before. */
export function readFully(file: FileHandle, target: Uint8Array, position: number): boolean {
  let done = 0;
  while (done < target.length) {
    const count = file.read(target.subarray(done), position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

export class FrameSet {
  readonly #offsets: number[] = [];
  readonly #sizes: number[] = [];
  readonly #indexes = new Map<number, number>();
  /** Address of each frame, 0 if it could not be read or its checksum is wrong. */
  #pointers = new Float64Array(0);
  /** Bytes of the frames, with checksums. */
  sizeBytes = 0;

  get count(): number {
    return this.#offsets.length;
  }

  /** Adds a frame, if it is not there yet, and returns its index. */
  add(offset: number, size: number): number {
    const known = this.#indexes.get(offset);
    if (known !== undefined) {
      // Frames do not overlap, so the same offset has one size; a damaged header that says otherwise gets the larger one.
      this.#sizes[known] = Math.max(this.#sizes[known], size);
      return known;
    }
    const index = this.#offsets.length;
    this.#offsets.push(offset);
    this.#sizes.push(size);
    this.#indexes.set(offset, index);
    this.sizeBytes += size + checksumBytes;
    return index;
  }

  /** Reads and checks all frames. */
  load(kernel: Kernel, file: FileHandle): void {
    this.#pointers = new Float64Array(this.count);
    const order = Uint32Array.from(this.#offsets, (_, i) => i).sort((a, b) => this.#offsets[a] - this.#offsets[b]);
    for (let from = 0; from < order.length; ) {
      const start = this.#offsets[order[from]];
      let end = this.#endOf(order[from]);
      let to = from + 1;
      for (; to < order.length; to++) {
        const offset = this.#offsets[order[to]];
        const nextEnd = Math.max(end, this.#endOf(order[to]));
        if (offset - end > gapBytesMax || nextEnd - start > readBytesMax) break;
        end = nextEnd;
      }
      const pointer = kernel.allocate(end - start);
      const isRead = readFully(file, kernel.u8.subarray(pointer, pointer + end - start), start);
      for (let i = from; i < to && isRead; i++) this.#check(kernel, order[i], pointer + this.#offsets[order[i]] - start);
      from = to;
    }
  }

  #endOf(index: number): number {
    return this.#offsets[index] + this.#sizes[index] + checksumBytes;
  }

  #check(kernel: Kernel, index: number, pointer: number): void {
    const size = this.#sizes[index];
    const mark = kernel.mark();
    const target = kernel.allocate(checksumBytes);
    storeChecksum64(kernel, pointer, size, 0, target);
    const bytes = kernel.u8;
    let isEqual = true;
    for (let i = 0; i < checksumBytes; i++) isEqual &&= bytes[pointer + size + i] === bytes[target + i];
    kernel.reset(mark);
    if (isEqual) this.#pointers[index] = pointer;
  }

  /** Address of a frame after load(), 0 if it is damaged. */
  pointer(index: number): number {
    return this.#pointers[index];
  }
}
