/** Errors about the files of a part. Both are StorageErrors; the caller quarantines what they name and keeps answering from the rest. */
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
