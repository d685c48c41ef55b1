/** Which seriesIndex each series id has, while a store starts: layout in wasm/series_id_table.ts, whose kernels read the same table. */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";

const pageShift = 12;
const pageIds = 1 << pageShift;

export class SeriesIdTable {
  /** Highest id that the table can have. */
  readonly idMax: number;
  /** Address of the directory, for the kernels. */
  readonly directory: number;
  readonly #kernel: Kernel;
  readonly #allocate: (sizeBytes: number) => number;

  /** `allocate` gives zeroed areas of the kernel's memory. */
  constructor(kernel: Kernel, idMax: number, allocate: (sizeBytes: number) => number) {
    assert(idMax >= 0 && idMax < 2 ** 32, "series ids are 32-bit numbers");
    this.idMax = idMax;
    this.#kernel = kernel;
    this.#allocate = allocate;
    this.directory = allocate(((idMax >>> pageShift) + 1) * 4);
  }

  /** seriesIndex of the id, -1 if it is not known. */
  get(seriesId: number): number {
    if (seriesId > this.idMax) return -1;
    const page = this.#page(seriesId);
    return page === 0 ? -1 : this.#kernel.u32[page / 4 + (seriesId & (pageIds - 1))] - 1;
  }

  set(seriesId: number, seriesIndex: number): void {
    this.makeRoom(seriesId);
    this.#kernel.u32[this.#page(seriesId) / 4 + (seriesId & (pageIds - 1))] = seriesIndex + 1;
  }

  /** Makes the page that a kernel will write the id to. REQUIRES: the id is not above idMax. */
  makeRoom(seriesId: number): void {
    assert(seriesId <= this.idMax, `series id ${seriesId} is above ${this.idMax}`);
    if (this.#page(seriesId) === 0) {
      const page = this.#allocate(pageIds * 4);
      this.#kernel.u32[this.directory / 4 + (seriesId >>> pageShift)] = page;
    }
  }

  /** All ids that are known, ascending, with their seriesIndex. */
  *entries(): Generator<[seriesId: number, seriesIndex: number]> {
    for (let number = 0; number <= this.idMax >>> pageShift; number++) {
      const page = this.#kernel.u32[this.directory / 4 + number];
      for (let i = 0; page !== 0 && i < pageIds; i++) {
        const entry = this.#kernel.u32[page / 4 + i];
        if (entry !== 0) yield [number * pageIds + i, entry - 1];
      }
    }
  }

  #page(seriesId: number): number {
    return this.#kernel.u32[this.directory / 4 + (seriesId >>> pageShift)];
  }
}
