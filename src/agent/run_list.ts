/** Label runs one behind the other: the series of one scrape. Refilled for each scrape, keeping its memory. */
import { type RowBatch, seriesRow } from "../model/row_batch.ts";

export class RunList {
  #bytes = Buffer.alloc(64 << 10);
  #bytesSize = 0;
  #sizes = new Uint32Array(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#bytesSize);
  }

  get sizes(): Uint32Array {
    return this.#sizes.subarray(0, this.#count);
  }

  clear(): void {
    if (this.#bytes.length > 8 << 20) this.#bytes = Buffer.alloc(64 << 10);
    this.#bytesSize = 0;
    this.#count = 0;
  }

  /** Appends the runs of all rows of a batch. */
  add({ seriesCount, seriesRows, labelBytes }: RowBatch): void {
    let sizeBytes = 0;
    for (let i = 0; i < seriesCount; i++) sizeBytes += seriesRows[i * seriesRow.slots + seriesRow.labelsSize];
    this.#reserve(this.#bytesSize + sizeBytes, this.#count + seriesCount);
    // Runs mostly follow each other, so that they are copied in few pieces.
    let pieceFrom = 0;
    let pieceTo = 0;
    for (let i = 0; i < seriesCount; i++) {
      const from = seriesRows[i * seriesRow.slots + seriesRow.labelsOffset];
      const size = seriesRows[i * seriesRow.slots + seriesRow.labelsSize];
      this.#sizes[this.#count++] = size;
      if (from !== pieceTo) {
        this.#append(labelBytes, pieceFrom, pieceTo);
        pieceFrom = from;
      }
      pieceTo = from + size;
    }
    this.#append(labelBytes, pieceFrom, pieceTo);
  }

  #append(source: Uint8Array, from: number, to: number): void {
    this.#bytes.set(source.subarray(from, to), this.#bytesSize);
    this.#bytesSize += to - from;
  }

  #reserve(bytesSize: number, count: number): void {
    if (bytesSize > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(bytesSize, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#bytesSize);
      this.#bytes = larger;
    }
    if (count > this.#sizes.length) {
      const larger = new Uint32Array(Math.max(count, this.#sizes.length * 2));
      larger.set(this.#sizes);
      this.#sizes = larger;
    }
  }
}
