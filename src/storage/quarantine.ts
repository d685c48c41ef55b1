/**
 * Quarantine of parts and index segments: their files get a second name below `quarantine/<partition>-<id>/`, with the reason beside them, before the manifest
 * no longer names them. Nothing reads or removes what is there.
 */
import { storageErrorOf } from "../disk/file_error.ts";
import { type FileSystem, makeDirectoryDurable, writeFileAtomic } from "../disk/file_system.ts";
import { quarantineName } from "./manifest_orphans.ts";

/** Keeps `paths` (files, or directories of files) of an entry of a partition; what is missing is left out. Throws StorageError if the disk refuses. */
export function keepInQuarantine(files: FileSystem, directory: string, name: string, paths: readonly string[], reason: string): string {
  const target = `${directory}/${quarantineName}/${name}`;
  try {
    makeDirectoryDurable(files, target);
    for (const path of paths.flatMap((one) => filesAt(files, one))) keepFile(files, path, `${target}/${path.slice(path.lastIndexOf("/") + 1)}`);
    writeFileAtomic(files, `${target}/reason.txt`, new TextEncoder().encode(`${reason}\n`));
  } catch (error) {
    throw storageErrorOf(error, `cannot keep ${name} in the quarantine`);
  }
  return target;
}

function filesAt(files: FileSystem, path: string): string[] {
  if (files.isDirectory(path)) return files.list(path).map((name) => `${path}/${name}`);
  return files.exists(path) ? [path] : [];
}

/** A second name; on a disk without hard links the file is moved, which old readers notice as a part that cannot be read. */
function keepFile(files: FileSystem, path: string, target: string): void {
  if (files.exists(target)) return; // from an attempt before
  try {
    files.hardLink(path, target);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
    files.rename(path, target);
  }
}
