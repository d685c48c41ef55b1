/** Calls back once when a thread has had nothing to do for some time. Starting and stopping it costs nothing, since the timer itself runs on. */
export class IdleTimer {
  readonly #delayMs: number;
  readonly #callback: () => void;
  #isArmed = false;
  #isIdle = false;
  /** Whether nothing was begun since the timer was set. */
  #wasQuiet = false;

  constructor(delayMs: number, callback: () => void) {
    this.#delayMs = delayMs;
    this.#callback = callback;
  }

  /** There is nothing to do. */
  start(): void {
    this.#isIdle = true;
    if (!this.#isArmed) this.#arm();
  }

  /** There is something to do. */
  stop(): void {
    this.#isIdle = false;
    this.#wasQuiet = false;
  }

  #arm(): void {
    this.#isArmed = true;
    this.#wasQuiet = true;
    setTimeout(() => this.#look(), this.#delayMs).unref();
  }

  #look(): void {
    this.#isArmed = false;
    if (!this.#isIdle) return;
    if (this.#wasQuiet) this.#callback();
    else this.#arm();
  }
}
