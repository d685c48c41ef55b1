/** Bytes that may be held at once by all requests together; what does not fit is refused, so that a crowd cannot balloon the process. */
import { UnavailableError } from "../base/errors.ts";

export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes `sizeBytes` or throws UnavailableError "overloaded". Every take is given back. */
  take(sizeBytes: number): void {
    this.check(sizeBytes);
    this.#usedBytes += sizeBytes;
  }

  /** Throws as take() would, without taking. */
  check(sizeBytes: number): void {
    if (this.#usedBytes + sizeBytes <= this.limitBytes) return;
    const message = `too many bytes of requests are in flight: ${this.#usedBytes} and ${sizeBytes} more, the limit is ${this.limitBytes} (-insert.maxBytesInFlight)`;
    throw new UnavailableError("overloaded", message, { retryAfterS: 1 });
  }

  give(sizeBytes: number): void {
    this.#usedBytes -= sizeBytes;
  }
}
