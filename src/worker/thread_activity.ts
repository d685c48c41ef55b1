/** Which query threads have something to do, seen by all of them: an int32 for each. */
export class ThreadActivity {
  readonly #busy: Int32Array;
  readonly #thread: number;

  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#busy = new Int32Array(buffer);
    this.#thread = thread;
  }

  static createBuffer(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * 4);
  }

  /** Threads that there may be. */
  get threads(): number {
    return this.#busy.length;
  }

  /** This thread begins something. */
  begin(): void {
    Atomics.add(this.#busy, this.#thread, 1);
  }

  end(): void {
    Atomics.sub(this.#busy, this.#thread, 1);
  }

  isIdle(thread: number): boolean {
    return Atomics.load(this.#busy, thread) === 0;
  }

  /** The thread has ended. */
  clear(): void {
    Atomics.store(this.#busy, this.#thread, 0);
  }
}
