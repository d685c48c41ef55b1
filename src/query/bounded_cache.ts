/**
 * A map that forgets what was not used for longest when its entries take too many bytes. Entries that were used since they came are in a part of their own,
 * and stay as long as those that nobody asked for again take more than their share: many different queries, each asked once, do not drive out the others.
 */

export interface CacheFigures {
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

/** An entry may take at most this part of all bytes, so that one does not push out all others. */
const entryShareMax = 1 / 4;
/** The part of all bytes that entries which were not used yet have a right to. */
const freshShare = 1 / 4;

interface Entry<T> {
  readonly value: T;
  readonly bytes: number;
}

/** Entries in order of use, the longest unused first. */
class Generation<T> {
  readonly entries = new Map<string, Entry<T>>();
  bytes = 0;

  take(key: string): Entry<T> | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.bytes -= entry.bytes;
    return entry;
  }

  put(key: string, entry: Entry<T>): void {
    this.entries.set(key, entry);
    this.bytes += entry.bytes;
  }

  takeOldest(): void {
    const key = this.entries.keys().next().value;
    if (key !== undefined) this.take(key);
  }
}

export class BoundedCache<T> {
  readonly #bytesMax: number;
  readonly #fresh = new Generation<T>();
  readonly #used = new Generation<T>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get figures(): CacheFigures {
    return { entries: this.#fresh.entries.size + this.#used.entries.size, bytes: this.#bytes, bytesMax: this.#bytesMax };
  }

  get(key: string): T | undefined {
    const entry = this.#used.take(key) ?? this.#fresh.take(key);
    if (entry === undefined) return undefined;
    this.#used.put(key, entry);
    return entry.value;
  }

  /** Whether an entry of so many bytes would be kept. */
  takes(bytes: number): boolean {
    return bytes <= this.#bytesMax * entryShareMax;
  }

  /** Keeps a value in place of the one that the key had; one that is too large is not kept. */
  set(key: string, value: T, bytes: number): void {
    const wasUsed = this.#used.take(key) !== undefined;
    this.#fresh.take(key);
    if (!this.takes(bytes)) return;
    (wasUsed ? this.#used : this.#fresh).put(key, { value, bytes });
    while (this.#bytes > this.#bytesMax) this.#oldest.takeOldest();
  }

  delete(key: string): void {
    this.#used.take(key);
    this.#fresh.take(key);
  }

  clear(): void {
    for (const { entries } of [this.#fresh, this.#used]) entries.clear();
    this.#fresh.bytes = 0;
    this.#used.bytes = 0;
  }

  get #bytes(): number {
    return this.#fresh.bytes + this.#used.bytes;
  }

  /** Where something is forgotten next. */
  get #oldest(): Generation<T> {
    return this.#used.entries.size === 0 || this.#fresh.bytes > this.#bytesMax * freshShare ? this.#fresh : this.#used;
  }
}
