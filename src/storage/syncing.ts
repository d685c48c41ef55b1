/** How a writer makes its files durable: on this thread, which then waits for the disk, or on another one, between two steps of its work (steps.ts). */
import type { FileHandle, FileSystem } from "../disk/file_system.ts";

/** A promise is to be waited for; undefined: it is done. */
export interface Syncing {
  file(file: FileHandle): Promise<void> | undefined;
  /** The names in a directory. */
  directory(path: string): Promise<void> | undefined;
}

/** Everything is done when a call returns. */
export function syncingAtOnce(files: FileSystem): Syncing {
  return {
    file(file) {
      file.sync();
      return undefined;
    },
    directory(path) {
      files.syncDirectory(path);
      return undefined;
    },
  };
}

/** On another thread if the disk can. */
export function syncingLater(files: FileSystem): Syncing {
  return { file: (file) => file.startSync(), directory: (path) => files.startSyncDirectory(path) };
}
