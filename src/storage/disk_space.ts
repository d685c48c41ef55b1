/**
 * Free space of the disk, asked for at most once a second; in between, what is written is subtracted. Below the minimum nothing new is taken and nothing is
 * merged, until there is space again. Without a minimum only the disk itself refuses writes: its word is the truth, the count between two looks is not.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import type { FileSystem } from "../disk/file_system.ts";

const askIntervalMs = 1000;

export class DiskSpace {
  readonly minFreeBytes: number;
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #freeBytes = Infinity;
  #askedMs = -Infinity;
  #isLow = false;
  #isUnknown = false;

  constructor(files: FileSystem, directory: string, minFreeBytes: number, clock: Clock, logger: Logger) {
    this.#files = files;
    this.#directory = directory;
    this.minFreeBytes = minFreeBytes;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Infinity if the disk does not tell. */
  get freeBytes(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#askedMs >= askIntervalMs) {
      this.#askedMs = nowMs;
      this.#freeBytes = this.#ask();
    }
    return this.#freeBytes;
  }

  #ask(): number {
    try {
      const { freeBytes } = this.#files.space(this.#directory);
      this.#isUnknown = false;
      return freeBytes;
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      if (!this.#isUnknown) this.#logger.warn(`the free space of ${this.#directory} is unknown, so it is not watched: ${String(error)}`);
      this.#isUnknown = true;
      return Infinity;
    }
  }

  /** So many bytes were written; what was written before may have been freed again, so more may be written than is known to be free. */
  take(bytes: number): void {
    this.#freeBytes = Math.max(0, this.#freeBytes - bytes);
  }

  /** Why nothing may be written; empty if it may. Says so in the log when that changes. */
  get shortage(): string {
    const { freeBytes, minFreeBytes } = this;
    const isLow = freeBytes < minFreeBytes;
    const state = `${Math.floor(freeBytes)} bytes are free on the disk of ${this.#directory}, the minimum is ${minFreeBytes} (-storage.minFreeDiskSpaceBytes)`;
    if (isLow && !this.#isLow) this.#logger.error(`read-only: ${state}`);
    if (!isLow && this.#isLow) this.#logger.info(`writable again: ${state}`);
    this.#isLow = isLow;
    return isLow ? state : "";
  }

  /** Whether so many bytes can be written without going below the minimum. */
  hasRoomFor(bytes: number): boolean {
    return this.freeBytes - bytes >= this.minFreeBytes;
  }
}
