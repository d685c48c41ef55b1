/**
 * RowLabels: which row of a KeptWindow is whose. A Store finds the same series in the same order again and again, so the row after the last one found is
 * compared first, number by number; a Map of keys is made only when series do not come in that order.
 */

/** Numbers of the labels of a series in a label space, or its labels as text where the Store has no numbers. */
export type SeriesKey = readonly number[] | string;

export class RowLabels {
  #count = 0;
  /** Numbers of row r: [numbersFrom[r], numbersFrom[r + 1]). */
  #numbers = new Uint32Array(64);
  #numbersFrom = new Uint32Array(16);
  readonly #texts: string[] = [];
  #rows: Map<string, number> | undefined;

  get count(): number {
    return this.#count;
  }

  /** Memory, roughly: with the Map, which may never be made. */
  get bytes(): number {
    return this.#count * 150;
  }

  /** Adds the next row. REQUIRES: all keys are numbers, or all are texts, and none comes twice. */
  add(key: SeriesKey): void {
    const row = this.#count++;
    if (typeof key === "string") {
      this.#texts.push(key);
      return;
    }
    if (row + 1 >= this.#numbersFrom.length) this.#numbersFrom = doubled(this.#numbersFrom, row + 2);
    const from = this.#numbersFrom[row];
    if (from + key.length > this.#numbers.length) this.#numbers = doubled(this.#numbers, from + key.length);
    this.#numbers.set(key, from);
    this.#numbersFrom[row + 1] = from + key.length;
  }

  /** The row of a series, -1 if it has none. `likely` is tried first. REQUIRES: all rows are there. */
  find(key: SeriesKey, likely: number): number {
    if (likely < this.#count && this.#hasKey(likely, key)) return likely;
    this.#rows ??= this.#mapped();
    return this.#rows.get(typeof key === "string" ? key : key.join()) ?? -1;
  }

  #hasKey(row: number, key: SeriesKey): boolean {
    if (typeof key === "string") return this.#texts[row] === key;
    const from = this.#numbersFrom[row];
    if (this.#numbersFrom[row + 1] - from !== key.length) return false;
    for (let i = 0; i < key.length; i++) if (this.#numbers[from + i] !== key[i]) return false;
    return true;
  }

  #mapped(): Map<string, number> {
    const rows = new Map<string, number>();
    const isText = this.#texts.length > 0;
    for (let row = 0; row < this.#count; row++) rows.set(isText ? this.#texts[row] : this.#numbers.subarray(this.#numbersFrom[row], this.#numbersFrom[row + 1]).join(), row);
    return rows;
  }
}

/** A copy with room for `needed` numbers, at least twice as many as before. */
function doubled(source: Uint32Array<ArrayBuffer>, needed: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(Math.max(needed, source.length * 2));
  copy.set(source);
  return copy;
}
