/** A map that forgets what was not used for longest when its entries take too many bytes. */

export interface CacheFigures {
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

/** An entry may take at most this part of all bytes, so that one does not push out all others. */
const entryShareMax = 1 / 4;

export class BoundedCache<T> {
  readonly #bytesMax: number;
  /** In order of use, the longest unused first. */
  readonly #entries = new Map<string, { readonly value: T; readonly bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get figures(): CacheFigures {
    return { entries: this.#entries.size, bytes: this.#bytes, bytesMax: this.#bytesMax };
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Whether an entry of so many bytes would be kept. */
  takes(bytes: number): boolean {
    return bytes <= this.#bytesMax * entryShareMax;
  }

  /** Keeps a value in place of the one that the key had; one that is too large is not kept. */
  set(key: string, value: T, bytes: number): void {
    this.delete(key);
    if (!this.takes(bytes)) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#entries.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
