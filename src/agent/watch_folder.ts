/** Watches folders of the machine's disk. */
import { watch } from "node:fs";
import type { WatchFolder } from "./file_sd.ts";

/** A folder that is not there or cannot be watched is not watched. */
export const watchFolder: WatchFolder = (folder, onChange) => {
  try {
    const watcher = watch(folder, { persistent: false }, () => onChange());
    watcher.on("error", () => watcher.close()); // the folder is gone; polling goes on
    return { [Symbol.dispose]: () => watcher.close() };
  } catch {
    return { [Symbol.dispose]() {} };
  }
};
