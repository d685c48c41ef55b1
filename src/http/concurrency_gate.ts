/** Lets so many in at once; the others wait in order, for a limited time. */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";

export interface ConcurrencyGateOptions {
  readonly clock: Clock;
  readonly concurrentMax: number;
  readonly waitMsMax: number;
  /** How the limits are named in the message. */
  readonly concurrentFlag: string;
  readonly waitFlag: string;
}

/** Those waiting at once; more are refused right away. */
const waitingMax = 1000;

export class ConcurrencyGate {
  readonly #options: ConcurrencyGateOptions;
  #current = 0;
  readonly #waiting = new Set<() => void>();

  constructor(options: ConcurrencyGateOptions) {
    this.#options = options;
  }

  get current(): number {
    return this.#current;
  }

  get capacity(): number {
    return this.#options.concurrentMax;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a place if one is free; the caller gives it back with leave(). */
  tryEnter(): boolean {
    if (this.#current >= this.#options.concurrentMax) return false;
    this.#current++;
    return true;
  }

  /** Gives back a place that tryEnter() took. The first one that waits has it then: #current stays as it is. */
  leave(): void {
    for (const admit of this.#waiting) return admit();
    this.#current--;
  }

  /** Resolves when it is the caller's turn; disposing of the result lets the next one in. Rejects with UnavailableError "too_many_requests". */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (!this.tryEnter()) await this.#wait(signal);
    let isInside = true;
    return {
      [Symbol.dispose]: () => {
        if (isInside) this.leave();
        isInside = false;
      },
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { clock, waitMsMax } = this.#options;
    if (this.#waiting.size >= waitingMax) throw this.#refusal("");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const admit = (): void => {
      this.#waiting.delete(admit);
      resolve();
    };
    const giveUp = (reason: unknown): void => {
      if (this.#waiting.delete(admit)) reject(reason);
    };
    const onAbort = (): void => giveUp(signal.reason);
    this.#waiting.add(admit);
    signal.addEventListener("abort", onAbort, { once: true });
    using _timer = clock.setTimer(waitMsMax, () => giveUp(this.#refusal(` for ${waitMsMax / 1000}s (${this.#options.waitFlag})`)));
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #refusal(waited: string): UnavailableError {
    const { concurrentMax, concurrentFlag, waitMsMax } = this.#options;
    const message = `${concurrentMax} requests are at work (${concurrentFlag}) and ${this.#waiting.size} wait; this one had no turn${waited}`;
    return new UnavailableError("too_many_requests", message, { retryAfterS: Math.max(1, Math.ceil(waitMsMax / 1000)) });
  }
}
