/**
 * Wraps another FileSystem, counts its operations and makes some of them fail, for tests. A failed operation changes nothing, but
 * a failed write may leave its first bytes (`keptBytes`), and a failed sync of a file in memory loses the bytes that were not synced, as on
 * Linux: they stay readable, and no later sync makes them durable.
 */
import { FileError } from "./file_error.ts";
import type { FileHandle, FileSystem, OpenMode } from "./file_system.ts";

export interface FileOperation {
  /** Counts from 0 over all operations of the disk. */
  readonly index: number;
  readonly kind: FileOperationKind;
  readonly path: string;
  /** Bytes to read or write; 0 for the other kinds. */
  readonly sizeBytes: number;
}

/** exists, isDirectory, close and the size of an open file neither count nor fail. */
export type FileOperationKind =
  | "open"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "list"
  | "makeDirectory"
  | "rename"
  | "remove"
  | "removeTree"
  | "hardLink"
  | "syncDirectory"
  | "size"
  | "space";

export interface Fault {
  readonly code: "EIO" | "ENOSPC" | "EACCES" | "EROFS" | "EMFILE";
  /** How many bytes of a failed write reach the file all the same; default 0. */
  readonly keptBytes?: number;
}

/** Decides before each operation whether it fails. */
export type FaultPlan = (operation: FileOperation) => Fault | undefined;

/** Fails `count` operations from the `index`-th on, then recovers. */
export function failFrom(index: number, fault: Fault, count = 1): FaultPlan {
  return (operation) => (operation.index >= index && operation.index < index + count ? fault : undefined);
}

export class FaultyFileSystem implements FileSystem {
  /** May be changed at any time; undefined lets everything through. */
  plan: FaultPlan | undefined;
  /** Called before each operation, before it is decided whether it fails. */
  beforeOperation: ((operation: FileOperation) => void) | undefined;
  readonly #inner: FileSystem;
  #operationCount = 0;

  constructor(inner: FileSystem, plan?: FaultPlan) {
    this.#inner = inner;
    this.plan = plan;
  }

  /** Operations so far, failed ones too. */
  get operationCount(): number {
    return this.#operationCount;
  }

  open(path: string, mode: OpenMode): FileHandle {
    this.#run("open", path);
    return new FaultyFileHandle(this.#inner.open(path, mode), (kind, sizeBytes) => this.#next(kind, path, sizeBytes));
  }

  exists(path: string): boolean {
    return this.#inner.exists(path);
  }

  list(path: string): string[] {
    this.#run("list", path);
    return this.#inner.list(path);
  }

  makeDirectory(path: string): void {
    this.#run("makeDirectory", path);
    this.#inner.makeDirectory(path);
  }

  rename(fromPath: string, toPath: string): void {
    this.#run("rename", fromPath);
    this.#inner.rename(fromPath, toPath);
  }

  remove(path: string): void {
    this.#run("remove", path);
    this.#inner.remove(path);
  }

  removeTree(path: string): void {
    this.#run("removeTree", path);
    this.#inner.removeTree(path);
  }

  startRemoveTree(path: string): Promise<void> | undefined {
    this.#run("removeTree", path);
    return this.#inner.startRemoveTree(path);
  }

  hardLink(fromPath: string, toPath: string): void {
    this.#run("hardLink", fromPath);
    this.#inner.hardLink(fromPath, toPath);
  }

  syncDirectory(path: string): void {
    this.#run("syncDirectory", path);
    this.#inner.syncDirectory(path);
  }

  startSyncDirectory(path: string): Promise<void> | undefined {
    this.#run("syncDirectory", path);
    return this.#inner.startSyncDirectory(path);
  }

  size(path: string): number {
    this.#run("size", path);
    return this.#inner.size(path);
  }

  isDirectory(path: string): boolean {
    return this.#inner.isDirectory(path);
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    this.#run("space", path);
    return this.#inner.space(path);
  }

  #run(kind: FileOperationKind, path: string): void {
    const fault = this.#next(kind, path, 0);
    if (fault !== undefined) throw new FileError(fault.code, kind, path);
  }

  #next(kind: FileOperationKind, path: string, sizeBytes: number): Fault | undefined {
    const operation: FileOperation = { index: this.#operationCount++, kind, path, sizeBytes };
    this.beforeOperation?.(operation);
    return this.plan?.(operation);
  }
}

class FaultyFileHandle implements FileHandle {
  readonly path: string;
  readonly #inner: FileHandle & { loseUnsynced?: () => void };
  readonly #next: (kind: FileOperationKind, sizeBytes: number) => Fault | undefined;
  /** Of a sync on another thread that a sync on this one has not told of. */
  #untold: FileError | undefined;

  constructor(inner: FileHandle, next: (kind: FileOperationKind, sizeBytes: number) => Fault | undefined) {
    this.path = inner.path;
    this.#inner = inner;
    this.#next = next;
  }

  size(): number {
    return this.#inner.size();
  }

  read(target: Uint8Array, position: number): number {
    this.#run("read", target.length);
    return this.#inner.read(target, position);
  }

  write(source: Uint8Array, position: number): void {
    const fault = this.#next("write", source.length);
    if (fault === undefined) return this.#inner.write(source, position);
    if (fault.keptBytes) this.#inner.write(source.subarray(0, fault.keptBytes), position);
    throw new FileError(fault.code, "write", this.path);
  }

  truncate(size: number): void {
    this.#run("truncate", 0);
    this.#inner.truncate(size);
  }

  sync(): void {
    const fault = this.#next("sync", 0);
    const untold = this.#untold;
    this.#untold = undefined;
    if (fault === undefined && untold === undefined) return this.#inner.sync();
    this.#inner.loseUnsynced?.();
    throw untold ?? new FileError(fault!.code, "sync", this.path);
  }

  /** Fails like sync(): later on a disk that syncs on another thread, at once on one that does not. */
  startSync(): Promise<void> | undefined {
    const fault = this.#next("sync", 0);
    if (fault === undefined) return this.#inner.startSync();
    this.#inner.loseUnsynced?.();
    const error = new FileError(fault.code, "sync", this.path);
    this.#untold = error;
    const syncing = this.#inner.startSync();
    if (syncing === undefined) throw error;
    return syncing.then(() => {
      throw error;
    });
  }

  close(): void {
    this.#inner.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #run(kind: FileOperationKind, sizeBytes: number): void {
    const fault = this.#next(kind, sizeBytes);
    if (fault !== undefined) throw new FileError(fault.code, kind, this.path);
  }
}
