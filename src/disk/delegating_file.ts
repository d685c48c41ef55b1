/** A file that passes everything on to another one: the base of those that read in a way of their own. */
import type { FileHandle } from "./file_system.ts";

export class DelegatingFile implements FileHandle {
  readonly path: string;
  protected readonly inner: FileHandle;

  constructor(inner: FileHandle) {
    this.path = inner.path;
    this.inner = inner;
  }

  size(): number {
    return this.inner.size();
  }

  read(target: Uint8Array, position: number): number {
    return this.inner.read(target, position);
  }

  write(source: Uint8Array, position: number): void {
    this.inner.write(source, position);
  }

  truncate(size: number): void {
    this.inner.truncate(size);
  }

  sync(): void {
    this.inner.sync();
  }

  startSync(): Promise<void> | undefined {
    return this.inner.startSync();
  }

  close(): void {
    this.inner.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
