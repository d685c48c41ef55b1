/** Series ids by page of 32,768: u32 words of bits. Plain data: it can be posted to another thread. */
export type SeriesPages = Map<number, Uint32Array>;

const pageShift = 15;
const pageWords = (1 << pageShift) / 32;
const emptyPage = new Uint32Array(0);

/**
 * A growing set of series ids, in pages of bits: ids ascend as series come, so those of a month lie together, however many were given away before.
 */
export class SeriesSet {
  /** To be handed to another thread. */
  readonly pages: SeriesPages;
  /** The page that was asked for last: neighbours are asked for together. */
  #number = -1;
  #page: Uint32Array | undefined;

  constructor(pages: SeriesPages = new Map()) {
    this.pages = pages;
  }

  has(seriesId: number): boolean {
    const page = this.#find(seriesId);
    return page !== undefined && (page[(seriesId >>> 5) & (pageWords - 1)] & (1 << (seriesId & 31))) !== 0;
  }

  add(seriesId: number): void {
    let page = this.#find(seriesId);
    if (page === undefined) {
      page = new Uint32Array(pageWords);
      this.pages.set(seriesId >>> pageShift, page);
      this.#page = page;
    }
    page[(seriesId >>> 5) & (pageWords - 1)] |= 1 << (seriesId & 31);
  }

  addAll(seriesIds: Iterable<number>): void {
    for (const seriesId of seriesIds) this.add(seriesId);
  }

  /** As addAll, for many ids: those of a page are mostly together. */
  addArray(seriesIds: Uint32Array): void {
    let number = -1;
    let page: Uint32Array = emptyPage;
    for (let i = 0; i < seriesIds.length; i++) {
      const seriesId = seriesIds[i];
      if (seriesId >>> pageShift !== number) {
        this.add(seriesId);
        number = this.#number;
        page = this.#page ?? page;
      }
      page[(seriesId >>> 5) & (pageWords - 1)] |= 1 << (seriesId & 31);
    }
  }

  #find(seriesId: number): Uint32Array | undefined {
    const number = seriesId >>> pageShift;
    if (number !== this.#number) {
      this.#number = number;
      this.#page = this.pages.get(number);
    }
    return this.#page;
  }
}
