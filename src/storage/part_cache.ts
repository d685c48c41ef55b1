/** Parts kept open by a reader, by path; those that left the table are closed. */
import type { FileSystem } from "../disk/file_system.ts";
import { Part } from "./part.ts";

export class PartCache {
  readonly #files: FileSystem;
  readonly #open = new Map<string, Part>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** The open part; opened now if need be. */
  open(path: string): Part {
    let part = this.#open.get(path);
    if (part === undefined) {
      part = Part.open(this.#files, path);
      this.#open.set(path, part);
    }
    return part;
  }

  /** Closes parts that are not among these. REQUIRES: nobody reads them. */
  retain(paths: ReadonlySet<string>): void {
    for (const [path, part] of this.#open) {
      if (paths.has(path)) continue;
      this.#open.delete(path);
      part[Symbol.dispose]();
    }
  }
}
