/** Files of a data directory that its manifest does not name, and the quarantine. */
import { makeDirectoryDurable, parentPath } from "../disk/file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { ManifestState } from "./manifest_state.ts";

export const partitionsName = "partitions";
export const quarantineName = "quarantine";

/** Paths, relative to the directory, of files and whole directories below `partitions/` that hold nothing live. */
export function findOrphans(files: FileSystem, directory: string, state: ManifestState): string[] {
  const live = livePaths(state);
  const orphans: string[] = [];
  const visit = (path: string): void => {
    if (!live.has(path)) orphans.push(path);
    else if (files.isDirectory(`${directory}/${path}`)) for (const name of files.list(`${directory}/${path}`)) visit(`${path}/${name}`);
  };
  if (!files.isDirectory(`${directory}/${partitionsName}`)) return [];
  for (const name of files.list(`${directory}/${partitionsName}`)) visit(`${partitionsName}/${name}`);
  return orphans;
}

/**
 * Moves a file or directory (path relative to the data directory) to `quarantine/`, where nothing reads or removes it. Returns its new path:
 * the old one with "/" as "-", and a number if that is taken.
 */
export function moveToQuarantine(files: FileSystem, directory: string, path: string): string {
  makeDirectoryDurable(files, `${directory}/${quarantineName}`);
  const base = `${quarantineName}/${path.replaceAll("/", "-")}`;
  let target = base;
  for (let copy = 2; files.exists(`${directory}/${target}`); copy++) target = `${base}.${copy}`;
  files.rename(`${directory}/${path}`, `${directory}/${target}`);
  files.syncDirectory(`${directory}/${quarantineName}`);
  files.syncDirectory(parentPath(`${directory}/${path}`));
  return target;
}

/** All live files and the directories on the way to them, relative to the data directory. */
function livePaths(state: ManifestState): Set<string> {
  const live = new Set<string>();
  for (const { name, parts, indexSegments } of state.partitions) {
    const partition = `${partitionsName}/${name}`;
    live.add(partition);
    for (const file of [...parts, ...indexSegments].flatMap((entry) => entry.files)) {
      for (let path = `${partition}/${file}`; path !== partition && !live.has(path); path = parentPath(path)) live.add(path);
    }
  }
  return live;
}
