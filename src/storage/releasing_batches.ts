/**
 * Batches of a search that give back what the search holds: when they end, fail, or are left early, also before the first one was asked for,
 * and when the search is aborted. (The `finally` of a generator that was never started does not run.)
 */
import type { SeriesBatch } from "../model/store.ts";

export class ReleasingBatches<T = SeriesBatch> implements AsyncIterableIterator<T> {
  readonly #batches: AsyncIterator<T>;
  readonly #signal: AbortSignal | undefined;
  #release: (() => void) | undefined;

  constructor(batches: AsyncIterable<T>, release: () => void, signal?: AbortSignal) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#release = release;
    this.#signal = signal;
    if (signal?.aborted === true) this.#end();
    else signal?.addEventListener("abort", this.#end, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T>> {
    this.#signal?.throwIfAborted();
    if (this.#release === undefined) return { done: true, value: undefined };
    try {
      const result = await this.#batches.next();
      if (result.done === true) this.#end();
      return result;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T>> {
    try {
      await this.#batches.return?.();
    } finally {
      this.#end();
    }
    return { done: true, value: undefined };
  }

  readonly #end = (): void => {
    const release = this.#release;
    if (release === undefined) return;
    this.#release = undefined;
    this.#signal?.removeEventListener("abort", this.#end);
    // An aborted search is left where it is; a reader that is between two batches reads nothing.
    this.#batches.return?.()?.catch(() => undefined);
    release();
  };
}
