/**
 * IndexFile: the sections of an index segment's file (docs/formats/partition_index.md). Header, footer and directory are checked when it is opened, a
 * section when it is read: into the arena of the kernel that was given. Errors about contents are StorageError("corrupt_index").
 */
import { StorageError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { checksumBytes, isChecksummed, TableReader } from "./block_table.ts";
import { readFully } from "./part_frames.ts";
import { decodeIndexEnds, groupRowCount, indexFooterBytes, indexHeaderBytes, sectionKinds } from "./partition_index_format.ts";

/** Where a section is in the file. */
export interface Section {
  readonly kind: number;
  readonly offset: number;
  readonly size: number;
}

export class IndexFile implements Disposable {
  readonly path: string;
  readonly kernel: Kernel;
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly directoryOffset: number;
  /** In the order of the file. */
  readonly sections: readonly Section[];
  readonly #file: FileHandle;

  private constructor(file: FileHandle, path: string, kernel: Kernel) {
    this.#file = file;
    this.path = path;
    this.kernel = kernel;
    this.sizeBytes = file.size();
    const header = new Uint8Array(indexHeaderBytes);
    const footer = new Uint8Array(indexFooterBytes);
    const hasEnds = this.sizeBytes >= indexHeaderBytes + indexFooterBytes && readFully(file, header, 0) && readFully(file, footer, this.sizeBytes - indexFooterBytes);
    if (!hasEnds) this.fail(`it has only ${this.sizeBytes} bytes`);
    const ends = decodeIndexEnds(kernel, header, footer, this.sizeBytes);
    if (typeof ends === "string") this.fail(ends);
    this.rowCount = ends.rowCount;
    this.directoryOffset = ends.directoryOffset;
    this.sections = this.#readDirectory(ends.directoryOffset, ends.directorySize);
    if (this.rowCount > this.sectionsOf(sectionKinds.rows).length * groupRowCount) this.fail(`it has no room for ${this.rowCount} rows`);
  }

  /** Opens a finished file. */
  static open(files: FileSystem, path: string, kernel: Kernel): IndexFile {
    const file = files.open(path, "read");
    try {
      return new IndexFile(file, path, kernel);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  fail(reason: string): never {
    throw new StorageError("corrupt_index", `index segment ${this.path} is damaged: ${reason}`);
  }

  #readDirectory(offset: number, size: number): Section[] {
    return this.inArena(() => {
      const reader = this.table({ kind: 0, offset, size }, "the directory");
      const kinds = reader.column(2 ** 22);
      const offsets = reader.integers(kinds.length, indexHeaderBytes, offset);
      const sizes = reader.integers(kinds.length, checksumBytes, offset);
      return Array.from(kinds, (kind, i) => ({ kind, offset: offsets[i], size: sizes[i] }));
    });
  }

  /** Gives the arena back afterwards, and turns damage of a table into this file's error. */
  inArena<T>(work: () => T): T {
    const mark = this.kernel.mark();
    try {
      return work();
    } catch (error) {
      if (error instanceof StorageError && error.code === "corrupt_table") throw new StorageError("corrupt_index", `index segment ${this.path}: ${error.message}`, { cause: error });
      throw error;
    } finally {
      this.kernel.reset(mark);
    }
  }

  /** Reads a section into arena memory. */
  #load(section: Section): number {
    if (section.offset + section.size > this.sizeBytes) this.fail("a section is cut");
    const pointer = this.kernel.allocate(section.size + 64);
    if (!readFully(this.#file, this.kernel.u8.subarray(pointer, pointer + section.size), section.offset)) this.fail("a section is cut");
    return pointer;
  }

  /** Reads a table into arena memory. */
  table(section: Section, what: string): TableReader {
    return new TableReader(this.kernel, this.#load(section), section.size, what);
  }

  /** Reads a section of plain bytes into arena memory: its address, and its size without the checksum. */
  bytes(section: Section, what: string): { pointer: number; size: number } {
    const pointer = this.#load(section);
    const size = section.size - checksumBytes;
    if (!isChecksummed(this.kernel, pointer, size)) this.fail(`the checksum of ${what} is wrong`);
    return { pointer, size };
  }

  section(kind: number): Section {
    const section = this.sections.find((one) => one.kind === kind);
    return section ?? this.fail(`section ${kind} is missing`);
  }

  sectionsOf(kind: number): Section[] {
    return this.sections.filter((section) => section.kind === kind);
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
