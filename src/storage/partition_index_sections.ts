/** SectionFile: writes the file of an index segment (docs/formats/partition_index.md): checksummed sections, with their directory at the end. */
import { assert } from "../base/assert.ts";
import { type FileHandle, type FileSystem, parentPath } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checksumBytes, checksumOf, encodeTable } from "./block_table.ts";
import { encodeIndexFooter, encodeIndexHeader, indexHeaderBytes } from "./partition_index_format.ts";
import { runAtOnce, type Steps } from "./steps.ts";
import { type Syncing, syncingAtOnce, syncingLater } from "./syncing.ts";

/** A file that comes into being section by section. */
export class SectionFile {
  readonly #kernel: Kernel;
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #kinds: number[] = [];
  readonly #offsets: number[] = [];
  readonly #sizes: number[] = [];
  #position = 0;
  #isOpen = true;

  constructor(kernel: Kernel, files: FileSystem, path: string) {
    this.#kernel = kernel;
    this.#files = files;
    this.#path = path;
    this.#file = files.open(path, "create");
    this.#write(encodeIndexHeader());
    assert(this.#position === indexHeaderBytes);
  }

  #write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Adds a section that carries its checksum. */
  add(kind: number, bytes: Uint8Array): void {
    this.#kinds.push(kind);
    this.#offsets.push(this.#position);
    this.#sizes.push(bytes.length);
    this.#write(bytes);
  }

  /** Adds plain bytes and their checksum. */
  addBytes(kind: number, bytes: Uint8Array): void {
    this.add(kind, bytes);
    this.#write(checksumOf(this.#kernel, bytes));
    this.#sizes[this.#sizes.length - 1] += checksumBytes;
  }

  /** Completes the file, makes it and its name durable, and returns its size. */
  finish(rowCount: number): number {
    return runAtOnce(this.#finish(rowCount, syncingAtOnce(this.#files)));
  }

  /** As finish(), in steps, and synced on another thread. After it has failed, the file must be aborted. */
  finishInSteps(rowCount: number): Steps<number> {
    return this.#finish(rowCount, syncingLater(this.#files));
  }

  *#finish(rowCount: number, syncing: Syncing): Steps<number> {
    const directoryOffset = this.#position;
    const directory = encodeTable(this.#kernel, [this.#kinds, this.#offsets, this.#sizes].map((column) => Float64Array.from(column)));
    this.#write(directory);
    this.#write(encodeIndexFooter(this.#kernel, { rowCount, directoryOffset, directorySize: directory.length }));
    yield syncing.file(this.#file);
    this.#isOpen = false;
    this.#file.close();
    yield syncing.directory(parentPath(this.#path));
    return this.#position;
  }

  /** Removes what has been written. */
  abort(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
    if (this.#files.exists(this.#path)) this.#files.remove(this.#path);
  }
}
