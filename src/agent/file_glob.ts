/** Paths with wildcards: `*`, `?` and `[a-z]` stand for characters of one path segment. */
import type { FileSystem } from "../disk/file_system.ts";

const wildcard = /[*?[]/;

/** Existing files that match an absolute pattern, sorted. Folders that cannot be read match nothing. */
export function expandPattern(files: FileSystem, pattern: string): string[] {
  let paths = [""];
  for (const segment of pattern.split("/").slice(1)) {
    if (!wildcard.test(segment)) {
      paths = paths.map((path) => `${path}/${segment}`);
      continue;
    }
    const matches = segmentPattern(segment);
    paths = paths.flatMap((path) => listOrNothing(files, path || "/").filter((name) => matches.test(name)).map((name) => `${path}/${name}`));
  }
  return paths.filter((path) => files.exists(path)).sort();
}

/** The deepest folder of a pattern that has no wildcard above or in it. */
export function fixedFolder(pattern: string): string {
  const segments = pattern.split("/");
  const first = segments.findIndex((segment) => wildcard.test(segment));
  return segments.slice(0, first < 0 ? -1 : first).join("/") || "/";
}

function segmentPattern(segment: string): RegExp {
  const source = segment.replace(/\[(!?)([^\]/]+)\]|[\s\S]/g, (text, not: string | undefined, members: string | undefined) => {
    if (members !== undefined) return `[${not === "!" ? "^" : ""}${members.replace(/[\\[\]]/g, "\\$&")}]`;
    if (text === "*") return ".*";
    return text === "?" ? "." : text.replace(/[\\^$.|+()[\]{}]/, "\\$&");
  });
  return new RegExp(`^${source}$`, "s");
}

function listOrNothing(files: FileSystem, path: string): string[] {
  try {
    return files.list(path);
  } catch {
    return []; // not there (yet), no folder, or not ours to read: the pattern matches nothing
  }
}
