/** Parts kept open by a reader, by path, and what of their headers is kept decoded. */
import type { FileSystem } from "../disk/file_system.ts";
import { HeaderCache } from "./header_cache.ts";
import { Part } from "./part.ts";

export class PartCache implements Disposable {
  readonly #files: FileSystem;
  readonly #headers: HeaderCache;
  readonly #open = new Map<string, Part>();

  constructor(files: FileSystem, headerCacheBytes: number) {
    this.#files = files;
    this.#headers = new HeaderCache(headerCacheBytes);
  }

  /** The open part; opened now if need be. */
  open(path: string): Part {
    let part = this.#open.get(path);
    if (part === undefined) {
      part = Part.open(this.#files, path, this.#headers);
      this.#open.set(path, part);
    }
    return part;
  }

  /** Closes parts whose files were removed, so that the disk gets its space back. A part is not removed before its last reader is gone. */
  closeRemoved(): void {
    this.#closeIf((path) => !this.#files.exists(path));
  }

  [Symbol.dispose](): void {
    this.#closeIf(() => true);
  }

  #closeIf(isOver: (path: string) => boolean): void {
    for (const [path, part] of this.#open) {
      if (!isOver(path)) continue;
      this.#open.delete(path);
      part.close();
    }
  }
}
