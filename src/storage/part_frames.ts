/**
 * FrameSet: the frames that some blocks need. Those that were kept are copied; the others are read with few calls: neighbours in the file are read together,
 * then each frame is checked against its checksum. Frames lie in the kernel's arena until the caller resets it.
 */
import type { FileHandle } from "../disk/file_system.ts";
import { storeChecksum64 } from "../kernel/checksum.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checksumBytes } from "./block_table.ts";
import type { CachedFrame, PartFrames } from "./frame_cache.ts";

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

  /** Reads and checks all frames but those that `kept` has, and gives it the others. */
  load(kernel: Kernel, file: FileHandle, kept?: PartFrames): void {
    this.#pointers = new Float64Array(this.count);
    const order = kept === undefined ? Uint32Array.from(this.#offsets, (_, i) => i) : this.#copyKept(kernel, kept);
    if (order.length === 0) return;
    order.sort((a, b) => this.#offsets[a] - this.#offsets[b]);
    const target = kernel.allocate(checksumBytes);
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
      for (let i = from; i < to && isRead; i++) {
        const frame = pointer + this.#offsets[order[i]] - start;
        const size = this.#sizes[order[i]];
        if (!isRight(kernel, frame, size, target)) continue;
        this.#pointers[order[i]] = frame;
        kept?.add(this.#offsets[order[i]], kernel.u8.subarray(frame, frame + size));
      }
      from = to;
    }
  }

  /** Copies the frames that are kept into the kernel's memory; returns the indexes of the others. */
  #copyKept(kernel: Kernel, kept: PartFrames): Uint32Array {
    const frames: CachedFrame[] = [];
    const found: number[] = [];
    const missing: number[] = [];
    let sizeBytes = 0;
    for (let i = 0; i < this.#offsets.length; i++) {
      const frame = kept.get(this.#offsets[i], this.#sizes[i]);
      if (frame === undefined) {
        missing.push(i);
        continue;
      }
      found.push(i);
      frames.push(frame);
      sizeBytes += frame.size;
    }
    let pointer = kernel.allocate(sizeBytes);
    const bytes = kernel.u8;
    for (let i = 0; i < found.length; i++) {
      const { segment, offset, size } = frames[i];
      bytes.set(segment.bytes.subarray(offset, offset + size), pointer);
      this.#pointers[found[i]] = pointer;
      pointer += size;
    }
    return Uint32Array.from(missing);
  }

  #endOf(index: number): number {
    return this.#offsets[index] + this.#sizes[index] + checksumBytes;
  }

  /** Address of a frame after load(), 0 if it is damaged. */
  pointer(index: number): number {
    return this.#pointers[index];
  }
}

/** Whether the frame at `pointer` is followed by its checksum; `target` is 8 bytes of scratch. */
function isRight(kernel: Kernel, pointer: number, size: number, target: number): boolean {
  storeChecksum64(kernel, pointer, size, 0, target);
  const bytes = kernel.u8;
  for (let i = 0; i < checksumBytes; i++) if (bytes[pointer + size + i] !== bytes[target + i]) return false;
  return true;
}
