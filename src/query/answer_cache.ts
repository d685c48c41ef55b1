/**
 * AnswerCache: whole answers, for requests that come again exactly as before: dashboards that several people look at, ranges that have ended.
 *
 * An answer is kept only if all samples it depends on are older than the offset (5 minutes), so that it cannot change but by late writes; those are
 * looked for before it is given away (model/change_watch.ts).
 */
import type { ChangeWatch } from "../model/change_watch.ts";
import type { TimeRange } from "../model/store.ts";
import { BoundedCache, type CacheFigures } from "./bounded_cache.ts";

export interface AnswerCacheOptions {
  readonly watch: ChangeWatch;
  readonly nowMs: () => number;
  /** Samples younger than this are not final. */
  readonly offsetMs: number;
  readonly bytesMax: number;
}

/** What an answer is kept with; taken before the query is evaluated. */
export interface AnswerTicket {
  readonly key: string;
  readonly epoch: number;
  readonly finalMs: number;
}

interface KeptAnswer<T> {
  readonly answer: T;
  readonly epoch: number;
  readonly readRange: TimeRange;
}

export interface AnswerCacheCounts {
  requests: number;
  hits: number;
}

export class AnswerCache<T> {
  readonly #options: AnswerCacheOptions;
  readonly #answers: BoundedCache<KeptAnswer<T>>;
  readonly counts: AnswerCacheCounts = { requests: 0, hits: 0 };

  constructor(options: AnswerCacheOptions) {
    this.#options = options;
    this.#answers = new BoundedCache(options.bytesMax);
  }

  get figures(): CacheFigures {
    return this.#answers.figures;
  }

  /** Whether an answer about times up to `endMs` can be final. */
  mayKeep(endMs: number): boolean {
    return endMs <= this.#options.nowMs() - this.#options.offsetMs;
  }

  /** The answer to the same request before, if it is still right. */
  get(key: string): T | undefined {
    this.counts.requests++;
    const kept = this.#answers.get(key);
    if (kept === undefined) return undefined;
    const { minMs, maxMs } = kept.readRange;
    if (this.#options.watch.firstChangeMs(kept.epoch, minMs, maxMs) <= maxMs) {
      this.#answers.delete(key);
      return undefined;
    }
    this.counts.hits++;
    return kept.answer;
  }

  /** To be called before the query is evaluated. */
  begin(key: string): AnswerTicket {
    const finalMs = this.#options.nowMs() - this.#options.offsetMs;
    return { key, finalMs, epoch: this.#options.watch.begin(finalMs) };
  }

  /** Keeps an answer that was made from samples of `readRange`, if they are final. */
  put({ key, epoch, finalMs }: AnswerTicket, answer: T, bytes: number, readRange: TimeRange): void {
    if (readRange.maxMs <= finalMs) this.#answers.set(key, { answer, epoch, readRange }, bytes + key.length * 2 + entryOverheadBytes);
  }

  clear(): void {
    this.#answers.clear();
  }
}

const entryOverheadBytes = 512;
