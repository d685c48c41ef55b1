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
    assert(seriesId <= this.idMax, `series id ${seriesId} is above ${this.idMax}`);
    if (this.#page(seriesId) === 0) this.#makePage(seriesId);
    this.#kernel.u32[this.#page(seriesId) / 4 + (seriesId & (pageIds - 1))] = seriesIndex + 1;
  }

  /** Makes the pages that a kernel will write the ids to; ids above idMax have none. */
  makeRoom(seriesIds: Uint32Array): void {
    let last = -1;
    for (let i = 0; i < seriesIds.length; i++) {
      const number = seriesIds[i] >>> pageShift;
      if (number === last || seriesIds[i] > this.idMax) continue;
      last = number;
      if (this.#page(seriesIds[i]) === 0) this.#makePage(seriesIds[i]);
    }
  }

  #makePage(seriesId: number): void {
    const page = this.#allocate(pageIds * 4);
    this.#kernel.u32[this.directory / 4 + (seriesId >>> pageShift)] = page;
  }

  /** Calls `visit` for all ids that are known, ascending, with their seriesIndex. */
  visit(visit: (seriesId: number, seriesIndex: number) => void): void {
    const { u32 } = this.#kernel;
    for (let number = 0; number <= this.idMax >>> pageShift; number++) {
      const page = u32[this.directory / 4 + number] / 4;
      for (let i = 0; page !== 0 && i < pageIds; i++) {
        const entry = u32[page + i];
        if (entry !== 0) visit(number * pageIds + i, entry - 1);
      }
    }
  }

  #page(seriesId: number): number {
    return this.#kernel.u32[this.directory / 4 + (seriesId >>> pageShift)];
  }
}
