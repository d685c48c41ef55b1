/**
 * The disk as storage/ sees it: synchronous calls (6 times cheaper in Node.js than asynchronous ones, and made on a
 * storage thread), small enough to be simulated with torn writes, failed fsyncs and crashes. Implementations: real_file_system.ts,
 * memory_file_system.ts (crash clones), faulty_file_system.ts (wraps another one and injects errors).
 * Paths are absolute, or relative to the working directory, with "/" as separator.
 * Errors carry a Node.js `code` (ENOENT, EEXIST, ENOSPC, EIO ...), from the simulated disks too.
 */
export interface FileSystem {
  /** Opens for reading and writing; "create" makes a new empty file or truncates, "append" keeps what is there, "read" must exist. */
  open(path: string, mode: "read" | "create" | "append"): FileHandle;
  exists(path: string): boolean;
  /** Names (not paths) in a directory, sorted. */
  list(path: string): string[];
  makeDirectory(path: string): void;
  rename(fromPath: string, toPath: string): void;
  /** Removes a file; fails with ENOENT if it is not there. */
  remove(path: string): void;
  /** Removes a directory and all that is in it; fine if it is not there. */
  removeTree(path: string): void;
  hardLink(fromPath: string, toPath: string): void;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string): void;
  size(path: string): number;
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
  close(): void;
}

/** Reads a whole file. */
export function readFile(files: FileSystem, path: string): Uint8Array {
  const file = files.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    let position = 0;
    while (position < bytes.length) {
      const count = file.read(bytes.subarray(position), position);
      if (count === 0) break;
      position += count;
    }
    return bytes.subarray(0, position);
  } finally {
    file.close();
  }
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
  files.syncDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
}
