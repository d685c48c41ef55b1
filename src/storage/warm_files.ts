/**
 * Files as the main thread reads them: mostly what is likely to be in the page cache. A page that this process neither wrote nor asked for before may take a
 * disk milliseconds, in which nothing else is done. How long such reads take is measured: where they are slow, the first one who wants a page is refused
 * and asks a query thread, which brings it in; where they are fast, a query may read some.
 */
import { DelegatingFile } from "../disk/delegating_file.ts";
import type { FileHandle, OpenMode } from "../disk/file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { NotInlineError } from "./part_error.ts";

const pageBytes = 4096;
/** Of reading cold pages, per query. */
const budgetMs = 1;
/** One read more or less: a busy machine may interrupt a fast one for milliseconds, and a slow disk takes ten. */
const newReadShare = 0.1;
const readMsMax = 20;
/** When all reads are refused, one is tried after this time. */
const probeMs = 30_000;

export class WarmFiles extends RealFileSystem {
  readonly #isNew: (path: string) => boolean;
  readonly #monotonicMs: () => number;
  /** A bit for each page that was asked for, by path. */
  readonly #pages = new Map<string, Uint8Array>();
  /** What a cold read is expected to take, and when that was learned. */
  #coldReadMs = 0.05;
  #learnedMs = -Infinity;
  /** Reads of this query. */
  #readCount = 0;

  /** `isNew` tells whether a file was written by this process. */
  constructor(isNew: (path: string) => boolean, monotonicMs: () => number) {
    super();
    this.#isNew = isNew;
    this.#monotonicMs = monotonicMs;
  }

  /** A query begins, which may read cold pages for a while. */
  startQuery(): void {
    this.#readCount = 0;
  }

  /** For reading. */
  override open(path: string, mode: OpenMode): FileHandle {
    const file = super.open(path, mode);
    if (this.#isNew(path)) return file;
    let pages = this.#pages.get(path);
    if (pages === undefined) this.#pages.set(path, (pages = new Uint8Array(Math.ceil(file.size() / pageBytes / 8))));
    return new WarmFile(file, pages, (read) => this.#readCold(read));
  }

  /** Called now and then: forgets files that are no more. */
  forgetRemoved(): void {
    for (const path of this.#pages.keys()) if (!this.exists(path)) this.#pages.delete(path);
  }

  #readCold(read: () => number): number {
    const startMs = this.#monotonicMs();
    this.#readCount++;
    const isProbe = this.#readCount === 1 && startMs - this.#learnedMs > probeMs;
    if (!isProbe && this.#coldReadMs * this.#readCount > budgetMs) throw new NotInlineError("cold");
    const count = read();
    this.#learnedMs = this.#monotonicMs();
    this.#coldReadMs += (Math.min(readMsMax, this.#learnedMs - startMs) - this.#coldReadMs) * newReadShare;
    return count;
  }
}

class WarmFile extends DelegatingFile {
  readonly #pages: Uint8Array;
  readonly #readCold: (read: () => number) => number;

  constructor(file: FileHandle, pages: Uint8Array, readCold: (read: () => number) => number) {
    super(file);
    this.#pages = pages;
    this.#readCold = readCold;
  }

  /** Throws NotInlineError if it would take long. */
  override read(target: Uint8Array, position: number): number {
    if (this.#mark(position, target.length)) return super.read(target, position);
    return this.#readCold(() => super.read(target, position));
  }

  /** Marks the pages of a stretch; returns whether all were marked before. */
  #mark(position: number, size: number): boolean {
    const lastPage = Math.min(Math.floor((position + size - 1) / pageBytes), this.#pages.length * 8 - 1);
    let wasMarked = true;
    for (let page = Math.floor(position / pageBytes); page <= lastPage; page++) {
      const bit = 1 << (page & 7);
      if ((this.#pages[page >>> 3] & bit) !== 0) continue;
      this.#pages[page >>> 3] |= bit;
      wasMarked = false;
    }
    return wasMarked;
  }
}
