/** Bounds the time that one regular expression takes over the values of a label: they are tested at one go, where other requests wait. */
import { systemClock } from "../base/clock.ts";
import { LimitError } from "../base/errors.ts";
import type { AnchoredRegexp } from "./regexp.ts";

/** Patterns that people write take some microseconds a value; over millions of values that is a second. */
const matchingMsMax = 5_000;
/** Those made to be slow take some milliseconds a value: they are known after less. */
const slowMatchingMsMax = 250;
const slowValueMs = 0.25;
const valuesPerCheck = 16;
const shownLength = 200;

/** Tests values for one search. */
export class RegexpMeter {
  readonly #regexp: AnchoredRegexp;
  readonly #monotonicMs: () => number;
  readonly #startedMs: number;
  #count = 0;

  constructor(regexp: AnchoredRegexp, monotonicMs: () => number = systemClock.monotonicMs) {
    this.#regexp = regexp;
    this.#monotonicMs = monotonicMs;
    this.#startedMs = monotonicMs();
  }

  /** Whether the value matches. Throws LimitError when all values together have taken too long. */
  test(value: string): boolean {
    if (++this.#count % valuesPerCheck === 0) this.#checkTime(this.#monotonicMs() - this.#startedMs);
    return this.#regexp.test(value);
  }

  #checkTime(takenMs: number): void {
    if (takenMs > matchingMsMax || (takenMs > slowMatchingMsMax && takenMs > this.#count * slowValueMs)) throw this.#tooSlow(takenMs);
  }

  #tooSlow(takenMs: number): LimitError {
    const { pattern } = this.#regexp;
    const shown = pattern.length <= shownLength ? pattern : `${pattern.slice(0, shownLength)}...`;
    return new LimitError("regexp_too_slow", `the regular expression ${JSON.stringify(shown)} took ${Math.round(takenMs)} ms over ${this.#count} values of its label; use fewer alternatives and quantifiers`);
  }
}
