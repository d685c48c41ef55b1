/**
 * Format versions of the files of a data directory, by kind. The manifest records those that may occur in the directory, so that a program that does
 * not know one refuses the directory before it touches anything.
 *
 * A new version: raise `current`, let the readers take every version from `min` on, and add a golden directory to conformance/. The manifest of an
 * older directory names the new version from the first commit on; an older program refuses it from then on.
 */

export interface FormatRange {
  /** The oldest version that this program reads. */
  readonly min: number;
  /** The newest one, which it writes. */
  readonly current: number;
}

export type StorageFormats = Readonly<Record<string, FormatRange>>;

export const storageFormats: StorageFormats = {
  log: { min: 1, current: 2 },
  part: { min: 1, current: 2 },
  index: { min: 1, current: 1 },
};

/** What this program writes, as the manifest names it. */
export function currentVersions(formats: StorageFormats): Record<string, number> {
  return Object.fromEntries(Object.entries(formats).map(([kind, { current }]) => [kind, current]));
}

/** Why a directory with files of these versions cannot be read, or undefined. */
export function formatProblem(versions: Readonly<Record<string, number>>, formats: StorageFormats): string | undefined {
  for (const [kind, version] of Object.entries(versions)) {
    const range = formats[kind];
    if (range === undefined) return `${kind} format ${version}, which this program does not know: a newer one has written it`;
    if (version > range.current) return `${kind} format ${version}; this program reads ${kind} ${printRange(range)}: a newer one has written it`;
    if (version < range.min) return `${kind} format ${version}; this program reads ${kind} ${printRange(range)}: open the directory once with an older one that reads both`;
  }
  return undefined;
}

function printRange({ min, current }: FormatRange): string {
  return min === current ? `format ${min}` : `formats ${min} to ${current}`;
}
