/**
 * The machine's disk. Synchronous calls: measured 6 times cheaper in Node.js than asynchronous ones; they are made on the
 * storage thread, or for small reads. Targets and sources may view shared memory: node:fs takes such views as they are.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { FileError, fileErrorCode } from "./file_error.ts";
import { parentPath } from "./file_system.ts";
import type { FileHandle, FileSystem, OpenMode } from "./file_system.ts";

const openFlags: Record<OpenMode, number> = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  append: constants.O_RDWR | constants.O_CREAT, // not O_APPEND: with it Linux ignores the position of a write
  exclusive: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

export class RealFileSystem implements FileSystem {
  open(path: string, mode: OpenMode): FileHandle {
    const descriptor = openSync(path, openFlags[mode], 0o644);
    // Linux opens directories for reading; a FileSystem does not.
    if (mode === "read" && fstatSync(descriptor).isDirectory()) {
      closeSync(descriptor);
      throw new FileError("EISDIR", "open", path);
    }
    return new RealFileHandle(path, descriptor);
  }

  exists(path: string): boolean {
    return existsSync(path);
  }

  list(path: string): string[] {
    return readdirSync(path).toSorted();
  }

  makeDirectory(path: string): void {
    // Not mkdirSync's own recursion: it never ends where a directory exists and refuses entries with ENOENT, as /proc does.
    if (existsSync(path) && statSync(path).isDirectory()) return;
    const parent = parentPath(path);
    if (!existsSync(parent)) this.makeDirectory(parent);
    try {
      mkdirSync(path);
    } catch (error) {
      if (fileErrorCode(error) !== "EEXIST" || !statSync(path).isDirectory()) throw error;
    }
  }

  rename(fromPath: string, toPath: string): void {
    renameSync(fromPath, toPath);
  }

  remove(path: string): void {
    unlinkSync(path);
  }

  removeTree(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  startRemoveTree(path: string): Promise<void> {
    return rm(path, { recursive: true, force: true });
  }

  hardLink(fromPath: string, toPath: string): void {
    linkSync(fromPath, toPath);
  }

  syncDirectory(path: string): void {
    if (process.platform === "win32") return; // directories cannot be opened there
    const descriptor = openSync(path, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  startSyncDirectory(path: string): Promise<void> | undefined {
    return process.platform === "win32" ? undefined : syncDirectoryLater(path);
  }

  size(path: string): number {
    return statSync(path).size;
  }

  isDirectory(path: string): boolean {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    const { bsize, bavail, blocks } = statfsSync(path);
    return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
  }
}

async function syncDirectoryLater(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}

class RealFileHandle implements FileHandle {
  readonly path: string;
  #descriptor: number;
  /**
   * For syncs on other threads, opened for the first one: Linux tells each descriptor once that bytes were lost, so two syncs that go on at a time must not
   * have the same one. -1: not open.
   */
  #syncDescriptor = -1;
  /** Syncs on other threads; their descriptor is closed after the last one, so that its number cannot be that of another file. */
  #syncCount = 0;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  size(): number {
    return fstatSync(this.#open("fstat")).size;
  }

  read(target: Uint8Array, position: number): number {
    return readSync(this.#open("read"), target, 0, target.length, position);
  }

  write(source: Uint8Array, position: number): void {
    const descriptor = this.#open("write");
    let written = 0;
    while (written < source.length) {
      const count = writeSync(descriptor, source, written, source.length - written, position + written);
      if (count === 0) throw new FileError("EIO", "write", this.path);
      written += count; // a short write means a full disk or a signal; the next try gives the reason
    }
  }

  truncate(size: number): void {
    ftruncateSync(this.#open("ftruncate"), size);
  }

  sync(): void {
    fdatasyncSync(this.#open("fdatasync"));
  }

  startSync(): Promise<void> | undefined {
    this.#open("fdatasync");
    const descriptor = this.#openForSync();
    if (descriptor === undefined) {
      this.sync();
      return undefined;
    }
    this.#syncCount++;
    return new Promise((resolve, reject) => {
      fdatasync(descriptor, (error) => {
        this.#syncCount--;
        if (this.#descriptor < 0 && this.#syncCount === 0) closeQuietly(descriptor);
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Undefined if there are no more descriptors, or the name has become that of another file. */
  #openForSync(): number | undefined {
    if (this.#syncDescriptor >= 0) return this.#syncDescriptor;
    try {
      const descriptor = openSync(this.path, constants.O_RDWR);
      if (fstatSync(descriptor).ino !== fstatSync(this.#descriptor).ino) {
        closeQuietly(descriptor);
        return undefined;
      }
      this.#syncDescriptor = descriptor;
      return descriptor;
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      return undefined;
    }
  }

  close(): void {
    if (this.#descriptor < 0) return;
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    if (this.#syncCount === 0 && this.#syncDescriptor >= 0) closeQuietly(this.#syncDescriptor);
    closeSync(descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The descriptor; a number of a closed file may already belong to another one, so it is never used again. */
  #open(syscall: string): number {
    if (this.#descriptor < 0) throw new FileError("EBADF", syscall, this.path);
    return this.#descriptor;
  }
}

/** After a sync, what closing says is of no consequence. */
function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch (error) {
    if (fileErrorCode(error) === undefined) throw error;
  }
}
