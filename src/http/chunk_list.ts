/**
 * The bytes of a body in the pieces in which they arrived. Pieces are kept as they are, without copying; small ones are gathered, because
 * a body sent byte by byte would otherwise hold an object for each byte.
 *
 * REQUIRES: nobody else uses a buffer that is given to it. clear() returns their memory at once: V8 would keep it until it collects garbage, which a steady load of
 * large bodies makes rare, and the next body would take other memory, out of all caches.
 */
import { assert } from "../base/assert.ts";

const gatherBytes = 64 << 10;
const smallBytesMax = 8 << 10;

export class ChunkList {
  readonly #chunks: Buffer[] = [];
  #sizeBytes = 0;
  /** Small pieces are gathered here; the last of #chunks is its filled part. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Number of buffers held. */
  get chunkCount(): number {
    return this.#chunks.length;
  }

  append(chunk: Buffer): void {
    this.#sizeBytes += chunk.length;
    if (chunk.length > smallBytesMax || this.#chunks.length === 0) {
      this.#gathered = undefined;
      this.#chunks.push(chunk);
      return;
    }
    if (this.#gathered === undefined || this.#gatheredBytes + chunk.length > gatherBytes) {
      this.#gathered = Buffer.alloc(gatherBytes);
      this.#gatheredBytes = 0;
      this.#chunks.push(this.#gathered);
    }
    this.#gathered.set(chunk, this.#gatheredBytes);
    this.#gatheredBytes += chunk.length;
    this.#chunks[this.#chunks.length - 1] = this.#gathered.subarray(0, this.#gatheredBytes);
  }

  /** Copies everything to `target` from `index` on. Into shared memory, Buffer.copy() is four times as fast as TypedArray.set(), which copies word by word there. */
  copyTo(target: Uint8Array, index: number): void {
    assert(index + this.#sizeBytes <= target.length, "the body fits its area"); // copy() would cut it
    let position = index;
    for (const chunk of this.#chunks) {
      chunk.copy(target, position);
      position += chunk.length;
    }
  }

  /** Forgets everything, and detaches the buffers that pieces filled alone. */
  clear(): void {
    for (const { buffer, length } of this.#chunks) {
      if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0);
    }
    this.#chunks.length = 0;
    this.#gathered = undefined;
    this.#sizeBytes = 0;
  }
}
