export type OpenMode = "read" | "create" | "append" | "exclusive";

/**
 * The disk as storage/ sees it: synchronous calls (6 times cheaper in Node.js than asynchronous ones, and made on a
 * storage thread), small enough to be simulated with torn writes, failed fsyncs and crashes. Implementations: real_file_system.ts,
 * memory_file_system.ts (crash clones), faulty_file_system.ts (wraps another one and injects errors).
 * Paths are absolute, or relative to the working directory, with "/" as separator.
 * Errors carry a Node.js `code` (ENOENT, EEXIST, ENOSPC, EIO ...), from the simulated disks too.
 */
export interface FileSystem {
  /**
   * Opens for reading and writing; "create" makes a new empty file or truncates, "append" keeps what is there, "exclusive" makes a
   * new file and fails with EEXIST if the name is taken. "read" is for reading only; the file must exist.
   */
  open(path: string, mode: OpenMode): FileHandle;
  exists(path: string): boolean;
  /** Names (not paths) in a directory, sorted. */
  list(path: string): string[];
  /** Makes a directory and its missing parents; fine if it is there (see makeDirectoryDurable for the safe form). */
  makeDirectory(path: string): void;
  /** Replaces a file at `toPath`. */
  rename(fromPath: string, toPath: string): void;
  /** Removes a file; fails with ENOENT if it is not there. */
  remove(path: string): void;
  /** Removes a directory and all that is in it; fine if it is not there. */
  removeTree(path: string): void;
  /** As removeTree, on another thread: large files take long. Undefined if the disk does it at once. */
  startRemoveTree(path: string): Promise<void> | undefined;
  /** A second name for a file; fails with EEXIST if the name is taken. */
  hardLink(fromPath: string, toPath: string): void;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string): void;
  /** As syncDirectory of what is there by now, on another thread. Undefined if the disk does it at once. */
  startSyncDirectory(path: string): Promise<void> | undefined;
  size(path: string): number;
  /** False too if nothing is there. */
  isDirectory(path: string): boolean;
  /** Bytes free and in all on the disk that holds `path`. */
  space(path: string): { freeBytes: number; totalBytes: number };
}

export interface FileHandle extends Disposable {
  readonly path: string;
  /** Bytes in the file now. */
  size(): number;
  /** Reads up to `target.length` bytes at `position` into `target` (which may view shared memory); returns the count. */
  read(target: Uint8Array, position: number): number;
  /** Writes all of `source` (which may view shared memory) at `position`; throws on a short write. */
  write(source: Uint8Array, position: number): void;
  truncate(size: number): void;
  /** Makes the written bytes durable (fdatasync). After it has failed once the handle must be closed and not be trusted. */
  sync(): void;
  /**
   * As sync() of what is written by now, on another thread: this one can do other things, with this file too. Undefined if the disk does it at once. The
   * file may be closed meanwhile, but must keep its name until this is done. A sync() meanwhile or later tells of the failure of this one, too.
   */
  startSync(): Promise<void> | undefined;
  close(): void;
}

/** Reads a whole file. */
export function readFile(files: FileSystem, path: string): Uint8Array {
  const file = files.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    return bytes.subarray(0, readFully(file, bytes, 0));
  } finally {
    file.close();
  }
}

/** Reads until `target` is full or the file ends; returns the count. */
export function readFully(file: FileHandle, target: Uint8Array, position: number): number {
  let count = 0;
  while (count < target.length) {
    const read = file.read(target.subarray(count), position + count);
    if (read === 0) break;
    count += read;
  }
  return count;
}

/** Replaces a file so that after a crash either the old or the new content is there: write, sync, rename, sync directory. */
export function writeFileAtomic(files: FileSystem, path: string, bytes: Uint8Array): void {
  const temporaryPath = path + ".tmp";
  const file = files.open(temporaryPath, "create");
  try {
    file.write(bytes, 0);
    file.sync();
  } finally {
    file.close();
  }
  files.rename(temporaryPath, path);
  files.syncDirectory(parentPath(path));
}

/** Makes a directory and its missing parents so that they are there after a crash. */
export function makeDirectoryDurable(files: FileSystem, path: string): void {
  if (files.exists(path)) return;
  const parent = parentPath(path);
  if (parent !== path) makeDirectoryDurable(files, parent);
  files.makeDirectory(path);
  try {
    files.syncDirectory(parent);
  } catch (error) {
    files.removeTree(path); // empty; otherwise the next call would take it for durable
    throw error;
  }
}

/** The directory that holds `path`: "/" or "." for a bare name. */
export function parentPath(path: string): string {
  const end = path.lastIndexOf("/");
  if (end < 0) return ".";
  return path.slice(0, end) || "/";
}
