/**
 * The bytes of a body in the pieces in which they arrived. Pieces are kept as they are, without copying; small ones are gathered, because
 * a body sent byte by byte would otherwise hold an object for each byte.
 */

const gatherBytes = 64 << 10;
const smallBytesMax = 8 << 10;

export class ChunkList {
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;
  /** Small pieces are gathered here; the last of #chunks is its filled part. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Number of buffers held. */
  get chunkCount(): number {
    return this.#chunks.length;
  }

  append(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.length;
    if (chunk.length > smallBytesMax || this.#chunks.length === 0) {
      this.#gathered = undefined;
      this.#chunks.push(chunk);
      return;
    }
    if (this.#gathered === undefined || this.#gatheredBytes + chunk.length > gatherBytes) {
      this.#gathered = new Uint8Array(gatherBytes);
      this.#gatheredBytes = 0;
      this.#chunks.push(this.#gathered);
    }
    this.#gathered.set(chunk, this.#gatheredBytes);
    this.#gatheredBytes += chunk.length;
    this.#chunks[this.#chunks.length - 1] = this.#gathered.subarray(0, this.#gatheredBytes);
  }

  /** Copies everything to `target` from `index` on. */
  copyTo(target: Uint8Array, index: number): void {
    let position = index;
    for (const chunk of this.#chunks) {
      target.set(chunk, position);
      position += chunk.length;
    }
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#gathered = undefined;
    this.#sizeBytes = 0;
  }
}
