/** Sizes in bytes as people write them in flags: `33554432`, `32MB` (powers of 1000), `32MiB` (powers of 1024). */

const units: Readonly<Record<string, number>> = {
  "": 1, B: 1,
  K: 1024, KB: 1e3, KiB: 1024,
  M: 1024 ** 2, MB: 1e6, MiB: 1024 ** 2,
  G: 1024 ** 3, GB: 1e9, GiB: 1024 ** 3,
  T: 1024 ** 4, TB: 1e12, TiB: 1024 ** 4,
};

/** Whole bytes, or undefined if `text` is not a size. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)$/.exec(text.trim());
  const unit = match === null ? undefined : units[match[2]];
  if (match === null || unit === undefined) return undefined;
  const sizeBytes = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** The shortest exact form in powers of 1024: `32MiB`, `1000`. */
export function printByteSize(sizeBytes: number): string {
  for (const name of ["TiB", "GiB", "MiB", "KiB"]) {
    if (sizeBytes >= units[name] && sizeBytes % units[name] === 0) return `${sizeBytes / units[name]}${name}`;
  }
  return String(sizeBytes);
}
