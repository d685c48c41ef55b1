/**
 * Who still reads. A reader takes a pin before it looks at anything; what leaves the store afterwards (chunks, files) is given to
 * `whenUnread`, and is done when all readers that started before are gone, in the order it was given.
 */
export class ReaderPins {
  #epoch = 0;
  #pins = new Map<number, number>();
  #nextPin = 1;
  #queue: { epoch: number; action: () => void }[] = [];

  acquire(): number {
    const pin = this.#nextPin++;
    this.#pins.set(pin, this.#epoch);
    return pin;
  }

  release(pin: number): void {
    if (this.#pins.delete(pin)) this.#drain();
  }

  /** Calls `action` once every pin taken until now is released; at once if there is none. */
  whenUnread(action: () => void): void {
    this.#queue.push({ epoch: this.#epoch, action });
    this.#epoch++;
    this.#drain();
  }

  get count(): number {
    return this.#pins.size;
  }

  #drain(): void {
    let oldest = Infinity;
    for (const epoch of this.#pins.values()) oldest = Math.min(oldest, epoch);
    while (this.#queue.length > 0 && this.#queue[0].epoch < oldest) {
      const entry = this.#queue.shift();
      entry?.action();
    }
  }
}
