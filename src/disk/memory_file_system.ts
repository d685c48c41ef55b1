/**
 * A disk in memory that knows which bytes and names would survive a power loss, for tests and simulations.
 *
 *   file       what programs see now | what is durable | changes since the last sync (writes and truncations, in order)
 *   directory  what programs see now | what is durable;  one list of changes of all directories that are not yet durable
 *
 * sync() makes the bytes of a file durable but not its name; syncDirectory() makes the names in one directory durable. That is
 * as little as POSIX promises and less than most file systems do. A rename between directories is one change: it survives
 * whole or not at all.
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { FileError } from "./file_error.ts";
import type { FileHandle, FileSystem, OpenMode } from "./file_system.ts";
import { MemoryFile } from "./memory_file.ts";

type Entry = MemoryFile | MemoryDirectory;

class MemoryDirectory {
  current = new Map<string, Entry>();
  durable = new Map<string, Entry>();
}

/** One atomic change of names: each sets a name to an entry or removes it. */
type DirectoryChange = readonly { readonly directory: MemoryDirectory; readonly name: string; readonly entry: Entry | undefined }[];

export interface MemoryFileSystemOptions {
  /** Writes beyond it fail with ENOSPC after the part that fits, as on Linux. Default: no limit. */
  readonly capacityBytes?: number;
  /** Makes startSync() and startSyncDirectory() take until it calls back, as if another thread did them. Default: they are done at once. */
  readonly later?: (callback: () => void) => void;
}

export class MemoryFileSystem implements FileSystem {
  /** May be changed at any time: a disk that fills up and gets space back. */
  capacityBytes: number;
  readonly #later: ((callback: () => void) => void) | undefined;
  #root = new MemoryDirectory();
  #unsyncedChanges: DirectoryChange[] = [];

  constructor(options: MemoryFileSystemOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.#later = options.later;
  }

  open(path: string, mode: OpenMode): FileHandle {
    const { directory, name, entry } = this.#locate(path, "open");
    if (entry instanceof MemoryDirectory) throw new FileError("EISDIR", "open", path);
    if (entry !== undefined && mode === "exclusive") throw new FileError("EEXIST", "open", path);
    if (entry === undefined && mode === "read") throw new FileError("ENOENT", "open", path);
    const file = entry ?? new MemoryFile();
    if (entry === undefined) this.#change([{ directory, name, entry: file }]);
    else if (mode === "create") file.truncate(0);
    return new MemoryFileHandle(path, file, mode !== "read", (growthBytes) => this.#room(growthBytes), this.#later);
  }

  exists(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  list(path: string): string[] {
    return [...this.#directory(path, "scandir").current.keys()].toSorted();
  }

  makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of namesOf(path)) {
      let entry = directory.current.get(name);
      if (entry === undefined) this.#change([{ directory, name, entry: (entry = new MemoryDirectory()) }]);
      if (entry instanceof MemoryFile) throw new FileError(entry === this.#find(path) ? "EEXIST" : "ENOTDIR", "mkdir", path);
      directory = entry;
    }
  }

  rename(fromPath: string, toPath: string): void {
    const source = this.#locate(fromPath, "rename");
    const target = this.#locate(toPath, "rename");
    if (source.entry === undefined) throw new FileError("ENOENT", "rename", fromPath);
    if (source.entry === target.entry) return; // two names of one file: nothing happens, as POSIX asks for
    if (source.entry instanceof MemoryDirectory) {
      if (target.entry instanceof MemoryFile) throw new FileError("ENOTDIR", "rename", toPath);
      if (target.entry !== undefined && target.entry.current.size > 0) throw new FileError("ENOTEMPTY", "rename", toPath);
      if (isInside(namesOf(toPath), namesOf(fromPath))) throw new FileError("EINVAL", "rename", toPath);
    } else if (target.entry instanceof MemoryDirectory) {
      throw new FileError("EISDIR", "rename", toPath);
    }
    this.#change([
      { directory: source.directory, name: source.name, entry: undefined },
      { directory: target.directory, name: target.name, entry: source.entry },
    ]);
  }

  remove(path: string): void {
    const { directory, name, entry } = this.#locate(path, "unlink");
    if (entry === undefined) throw new FileError("ENOENT", "unlink", path);
    if (entry instanceof MemoryDirectory) throw new FileError("EISDIR", "unlink", path);
    this.#change([{ directory, name, entry: undefined }]);
  }

  removeTree(path: string): void {
    const entry = this.#find(path);
    if (entry === undefined) return;
    if (entry instanceof MemoryDirectory) for (const name of this.list(path)) this.removeTree(path + "/" + name);
    const { directory, name } = this.#locate(path, "rm");
    this.#change([{ directory, name, entry: undefined }]);
  }

  startRemoveTree(path: string): undefined {
    this.removeTree(path);
  }

  hardLink(fromPath: string, toPath: string): void {
    const source = this.#locate(fromPath, "link");
    const target = this.#locate(toPath, "link");
    if (source.entry === undefined) throw new FileError("ENOENT", "link", fromPath);
    if (source.entry instanceof MemoryDirectory) throw new FileError("EPERM", "link", fromPath);
    if (target.entry !== undefined) throw new FileError("EEXIST", "link", toPath);
    this.#change([{ directory: target.directory, name: target.name, entry: source.entry }]);
  }

  startSyncDirectory(path: string): Promise<void> | undefined {
    const later = this.#later;
    if (later === undefined) this.syncDirectory(path);
    else return new Promise<void>((resolve) => later(resolve)).then(() => this.syncDirectory(path));
    return undefined;
  }

  syncDirectory(path: string): void {
    const directories = new Set([this.#directory(path, "fsync")]);
    // Newest first: a change that becomes durable takes along the earlier ones of every directory it touches.
    const durable: DirectoryChange[] = [];
    const rest: DirectoryChange[] = [];
    for (const change of this.#unsyncedChanges.toReversed()) {
      const taken = change.some((part) => directories.has(part.directory));
      if (taken) for (const part of change) directories.add(part.directory);
      (taken ? durable : rest).push(change);
    }
    for (const change of durable.reverse()) for (const part of change) setEntry(part.directory.durable, part.name, part.entry);
    this.#unsyncedChanges = rest.reverse();
  }

  size(path: string): number {
    const entry = this.#find(path);
    if (entry === undefined) throw new FileError("ENOENT", "stat", path);
    return entry instanceof MemoryFile ? entry.size : 0;
  }

  isDirectory(path: string): boolean {
    return this.#find(path) instanceof MemoryDirectory;
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    if (!this.exists(path)) throw new FileError("ENOENT", "statfs", path);
    const totalBytes = Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER);
    return { freeBytes: Math.max(0, totalBytes - this.usedBytes()), totalBytes };
  }

  /** Bytes of all files that have a name. */
  usedBytes(): number {
    const files = new Set<MemoryFile>();
    const visit = (directory: MemoryDirectory): void => {
      for (const entry of directory.current.values()) {
        if (entry instanceof MemoryFile) files.add(entry);
        else visit(entry);
      }
    };
    visit(this.#root);
    return files.values().reduce((sum, file) => sum + file.size, 0);
  }

  /** Changes bits of a file behind everybody's back, durably: `mask` is xor-ed into the byte at `position`. */
  corrupt(path: string, position: number, mask: number): void {
    const entry = this.#find(path);
    assert(entry instanceof MemoryFile, "no such file: " + path);
    entry.corrupt(position, mask);
  }

  /** The disk as it is after `kill -9` of the program: everything written is there, and what was not synced still is not. */
  killClone(): MemoryFileSystem {
    const clone = new MemoryFileSystem({ capacityBytes: this.capacityBytes, later: this.#later });
    const copies = new Map<Entry, Entry>();
    const copyOf = (entry: Entry): Entry => {
      const known = copies.get(entry);
      if (known !== undefined) return known;
      if (entry instanceof MemoryFile) {
        const file = entry.clone();
        copies.set(entry, file);
        return file;
      }
      const directory = new MemoryDirectory();
      copies.set(entry, directory);
      for (const [name, child] of entry.current) directory.current.set(name, copyOf(child));
      for (const [name, child] of entry.durable) directory.durable.set(name, copyOf(child));
      return directory;
    };
    clone.#root = copyOf(this.#root) as MemoryDirectory;
    clone.#unsyncedChanges = this.#unsyncedChanges.map((change) =>
      change.map(({ directory, name, entry }) => ({ directory: copyOf(directory) as MemoryDirectory, name, entry: entry && copyOf(entry) })),
    );
    return clone;
  }

  /**
   * The disk as it may be after a power loss now: synced bytes and names, and a random part of the others. Writes that were not
   * synced are there wholly, partly (torn at any byte, or sector by sector in any order) or not at all. Changes of names in a directory
   * survive in their order up to a random one. Everything on the clone is durable.
   */
  crashClone(random: Random): MemoryFileSystem {
    const names = this.#namesAfterCrash(random);
    const clone = new MemoryFileSystem({ capacityBytes: this.capacityBytes, later: this.#later });
    const files = new Map<MemoryFile, MemoryFile>();
    const copyDirectory = (source: MemoryDirectory, target: MemoryDirectory): void => {
      for (const [name, entry] of names.get(source) ?? source.durable) {
        let copy: Entry;
        if (entry instanceof MemoryFile) {
          copy = files.get(entry) ?? entry.afterCrash(random);
          files.set(entry, copy as MemoryFile);
        } else {
          copy = new MemoryDirectory();
          copyDirectory(entry, copy);
        }
        target.current.set(name, copy);
        target.durable.set(name, copy);
      }
    };
    copyDirectory(this.#root, clone.#root);
    return clone;
  }

  /** The names of every directory with changes, after a crash that keeps a random number of the oldest changes of each. */
  #namesAfterCrash(random: Random): Map<MemoryDirectory, Map<string, Entry>> {
    const names = new Map<MemoryDirectory, Map<string, Entry>>();
    const stopped = new Set<MemoryDirectory>();
    // Most crashes lose all or few; a low chance per change lets long sequences survive too.
    const lossChance = [0, 0.05, 0.5, 1][random.int(4)];
    for (const change of this.#unsyncedChanges) {
      const lost = change.some((part) => stopped.has(part.directory)) || random.next() < lossChance;
      for (const { directory, name, entry } of change) {
        if (lost) stopped.add(directory);
        const copy = names.get(directory) ?? new Map(directory.durable);
        names.set(directory, copy);
        if (!lost) setEntry(copy, name, entry);
      }
    }
    return names;
  }

  #change(change: DirectoryChange): void {
    for (const part of change) setEntry(part.directory.current, part.name, part.entry);
    this.#unsyncedChanges.push(change);
  }

  #room(growthBytes: number): number {
    if (this.capacityBytes === Infinity) return growthBytes;
    return Math.max(0, Math.min(growthBytes, this.capacityBytes - this.usedBytes()));
  }

  #find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (!(entry instanceof MemoryDirectory)) return undefined;
      entry = entry.current.get(name);
    }
    return entry;
  }

  #directory(path: string, syscall: string): MemoryDirectory {
    const entry = this.#find(path);
    if (entry === undefined) throw new FileError("ENOENT", syscall, path);
    if (entry instanceof MemoryFile) throw new FileError("ENOTDIR", syscall, path);
    return entry;
  }

  #locate(path: string, syscall: string): { directory: MemoryDirectory; name: string; entry: Entry | undefined } {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new FileError("EISDIR", syscall, path);
    let directory = this.#root;
    for (const step of names) {
      const next = directory.current.get(step);
      if (next === undefined) throw new FileError("ENOENT", syscall, path);
      if (next instanceof MemoryFile) throw new FileError("ENOTDIR", syscall, path);
      directory = next;
    }
    return { directory, name, entry: directory.current.get(name) };
  }
}

/** A file of a MemoryFileSystem. */
export class MemoryFileHandle implements FileHandle {
  readonly path: string;
  readonly #file: MemoryFile;
  readonly #writable: boolean;
  readonly #room: (growthBytes: number) => number;
  readonly #later: ((callback: () => void) => void) | undefined;
  #open = true;

  constructor(path: string, file: MemoryFile, writable: boolean, room: (growthBytes: number) => number, later: ((callback: () => void) => void) | undefined) {
    this.path = path;
    this.#file = file;
    this.#writable = writable;
    this.#room = room;
    this.#later = later;
  }

  size(): number {
    this.#check("fstat", false);
    return this.#file.size;
  }

  read(target: Uint8Array, position: number): number {
    this.#check("read", false);
    return this.#file.read(target, position);
  }

  write(source: Uint8Array, position: number): void {
    this.#check("write", true);
    const growthBytes = Math.max(0, position + source.length - this.#file.size);
    const missingBytes = growthBytes - this.#room(growthBytes);
    const fits = Math.max(0, source.length - missingBytes);
    if (fits > 0) this.#file.write(source.subarray(0, fits), position);
    if (missingBytes > 0) throw new FileError("ENOSPC", "write", this.path);
  }

  truncate(size: number): void {
    this.#check("ftruncate", true);
    this.#file.truncate(size);
  }

  sync(): void {
    this.#check("fdatasync", false);
    this.#file.sync();
  }

  startSync(): Promise<void> | undefined {
    this.#check("fdatasync", false);
    const file = this.#file;
    const { changeCount } = file;
    const later = this.#later;
    if (later === undefined) file.sync();
    else return new Promise<void>((resolve) => later(resolve)).then(() => file.sync(changeCount));
    return undefined;
  }

  /** What a failed fsync does on Linux: what was not synced stays readable, but no later sync makes it durable. */
  loseUnsynced(): void {
    this.#check("fdatasync", false);
    this.#file.loseUnsynced();
  }

  close(): void {
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(syscall: string, writes: boolean): void {
    if (!this.#open || (writes && !this.#writable)) throw new FileError("EBADF", syscall, this.path);
  }
}

function setEntry(entries: Map<string, Entry>, name: string, entry: Entry | undefined): void {
  if (entry === undefined) entries.delete(name);
  else entries.set(name, entry);
}

/** The names on the way to `path`; relative paths start at the root. */
function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

function isInside(names: readonly string[], parents: readonly string[]): boolean {
  return names.length > parents.length && parents.every((name, i) => names[i] === name);
}
