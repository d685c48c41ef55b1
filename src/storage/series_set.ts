/** A growing set of series ids, one bit each. */
export class SeriesSet {
  #bits: Uint8Array;

  constructor(bits: Uint8Array = new Uint8Array(1024)) {
    this.#bits = bits;
  }

  has(seriesId: number): boolean {
    return ((this.#bits[seriesId >>> 3] ?? 0) & (1 << (seriesId & 7))) !== 0;
  }

  add(seriesId: number): void {
    const at = seriesId >>> 3;
    if (at >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[at] |= 1 << (seriesId & 7);
  }

  /** The bits, to be handed to another thread. */
  get bits(): Uint8Array {
    return this.#bits;
  }
}
