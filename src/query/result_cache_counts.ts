/** Figures of the result caches of all threads, in shared memory, for the metrics of the process. */

const names = ["fullHits", "partialHits", "misses", "entries", "bytes"] as const;
export type ResultCacheCount = (typeof names)[number];

export class ResultCacheCounts {
  /** To be handed to other threads. */
  readonly buffer: SharedArrayBuffer;
  readonly #values: BigInt64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(names.length * 8)) {
    this.buffer = buffer;
    this.#values = new BigInt64Array(buffer);
  }

  add(name: ResultCacheCount, by = 1): void {
    Atomics.add(this.#values, names.indexOf(name), BigInt(by));
  }

  get(name: ResultCacheCount): number {
    return Number(Atomics.load(this.#values, names.indexOf(name)));
  }
}
