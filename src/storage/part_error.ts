/** Errors about reading the files of a part. Those about damage are StorageErrors; the caller quarantines what they name and keeps answering from the rest. */
import { StorageError } from "../base/errors.ts";

/** A part cannot be opened, or its headers cannot be read: code "corrupt_part". */
export class DamagedPartError extends StorageError {
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super("corrupt_part", `part ${path} is damaged: ${reason}`, options);
    this.path = path;
  }
}

/** Blocks [fromIndex, toIndex) of the list given to Part.readBlocks cannot be read, the others may: code "corrupt_block". */
export class DamagedBlocksError extends StorageError {
  readonly path: string;
  readonly fromIndex: number;
  readonly toIndex: number;

  constructor(path: string, fromIndex: number, toIndex: number, reason: string) {
    super("corrupt_block", `${toIndex - fromIndex} blocks of part ${path} are damaged: ${reason}`);
    this.path = path;
    this.fromIndex = fromIndex;
    this.toIndex = toIndex;
  }
}

/** Not about damage: a reader that must not take long gives up, because of what it would read or because it may not be in memory, and its caller asks one that may. */
export class NotInlineError extends Error {
  readonly reason: "large" | "cold";

  constructor(reason: "large" | "cold") {
    super(`not to be read at once: ${reason}`);
    this.reason = reason;
  }
}
