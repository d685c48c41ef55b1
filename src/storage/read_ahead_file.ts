/**
 * ReadAheadFile: a file that is read through from its beginning, in many small pieces that are not quite in order: a merge reads the headers of a group of
 * blocks and then, from before them, its frames, of which those of timestamps may stand far before. Four windows of the file are kept, so that most pieces are
 * copied from memory.
 */
import { DelegatingFile } from "../disk/delegating_file.ts";

const windowBytes = 32768;
const windowCount = 4;

interface Window {
  readonly position: number;
  /** Less than a window at the end of the file. */
  readonly size: number;
  readonly bytes: Uint8Array;
}

export class ReadAheadFile extends DelegatingFile {
  /** The one that was used last comes first. */
  readonly #windows: Window[] = [];

  /** As FileHandle.read: may return less than there is, at the end of a window. */
  override read(target: Uint8Array, position: number): number {
    if (target.length >= windowBytes) return super.read(target, position);
    const { bytes, position: from, size } = this.#windowOf(position - (position % windowBytes));
    const end = Math.min(size, position - from + target.length);
    if (end <= position - from) return 0;
    target.set(bytes.subarray(position - from, end));
    return end - (position - from);
  }

  #windowOf(position: number): Window {
    const windows = this.#windows;
    const at = windows.findIndex((one) => one.position === position);
    if (at === 0) return windows[0];
    const window = at > 0 ? windows.splice(at, 1)[0] : this.#load(position);
    windows.unshift(window);
    return window;
  }

  #load(position: number): Window {
    const oldest = this.#windows.length < windowCount ? undefined : this.#windows.pop();
    const bytes = oldest?.bytes ?? new Uint8Array(windowBytes);
    return { position, size: super.read(bytes, position), bytes };
  }

  override write(source: Uint8Array, position: number): void {
    this.#windows.length = 0;
    super.write(source, position);
  }

  override truncate(size: number): void {
    this.#windows.length = 0;
    super.truncate(size);
  }
}
