/**
 * SliceClaims: who computes which slices of a window. The query's thread claims them from the front, so that it can use what it reads at once; helping
 * threads claim them from the back. A slice is claimed once, wherever the threads meet.
 *
 *   int32 0       slices claimed from the front, and 65536 times the first one claimed from the back
 *   int32 1 + i   number of the thread that claimed slice i from the back, + 1; 0 if none has noted that it did
 */
export class SliceClaims {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Nothing is claimed. REQUIRES: 1 to 32767 slices. */
  static create(count: number): SliceClaims {
    const claims = new SliceClaims(new SharedArrayBuffer((1 + count) * 4));
    claims.#words[0] = count << 16;
    return claims;
  }

  /** The next slice from the front; undefined if all are claimed. */
  claimFirst(): number | undefined {
    for (;;) {
      const word = Atomics.load(this.#words, 0);
      const [front, back] = [word & 0xffff, word >>> 16];
      if (front === back) return undefined;
      if (Atomics.compareExchange(this.#words, 0, word, word + 1) === word) return front;
    }
  }

  /** The next slice from the back, for a helping thread; undefined if all are claimed. */
  claimLast(thread: number): number | undefined {
    for (;;) {
      const word = Atomics.load(this.#words, 0);
      const [front, back] = [word & 0xffff, word >>> 16];
      if (front === back) return undefined;
      if (Atomics.compareExchange(this.#words, 0, word, word - 0x10000) !== word) continue;
      Atomics.store(this.#words, back, thread + 1);
      return back - 1;
    }
  }

  /** Whether nothing is left to be claimed. */
  get isEmpty(): boolean {
    const word = Atomics.load(this.#words, 0);
    return (word & 0xffff) === word >>> 16;
  }

  /** Leaves nothing to be claimed. */
  close(): void {
    while (this.claimFirst() !== undefined);
  }

  /** The first slice that a helping thread has claimed; those behind it are claimed too. REQUIRES: nothing is left to be claimed. */
  get firstFromBack(): number {
    return Atomics.load(this.#words, 0) >>> 16;
  }

  /** The helping thread that has a slice; undefined if that is not known. */
  ownerOf(slice: number): number | undefined {
    const owner = Atomics.load(this.#words, 1 + slice);
    return owner === 0 ? undefined : owner - 1;
  }
}
