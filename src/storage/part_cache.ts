/** Parts kept open by a reader, by path, and what of their headers is kept decoded and of their blocks as it is in the file. */
import type { FileSystem } from "../disk/file_system.ts";
import { FrameCache } from "./frame_cache.ts";
import { HeaderCache } from "./header_cache.ts";
import { Part } from "./part.ts";

/** How much is kept. */
export interface PartCacheSizes {
  readonly headerBytes: number;
  readonly frameBytes: number;
}

export class PartCache implements Disposable {
  readonly #files: FileSystem;
  readonly #headers: HeaderCache;
  readonly frames: FrameCache;
  readonly #open = new Map<string, Part>();

  constructor(files: FileSystem, { headerBytes, frameBytes }: PartCacheSizes) {
    this.#files = files;
    this.#headers = new HeaderCache(headerBytes);
    this.frames = new FrameCache(frameBytes);
  }

  /** The open part; opened now if need be. */
  open(path: string): Part {
    let part = this.#open.get(path);
    if (part === undefined) {
      part = Part.open(this.#files, path, { headers: this.#headers, frames: this.frames });
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
