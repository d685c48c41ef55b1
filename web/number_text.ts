/** Numbers as text: short for axes and legends, exact for tables. */

const suffixes: readonly { readonly factor: number; readonly suffix: string }[] = [
  { factor: 1e18, suffix: "E" }, { factor: 1e15, suffix: "P" }, { factor: 1e12, suffix: "T" },
  { factor: 1e9, suffix: "G" }, { factor: 1e6, suffix: "M" }, { factor: 1e3, suffix: "k" },
];

/** About `digits` significant digits with a suffix k to E: 1.234k, 56.7M, 0.00123, 1.2e-9. */
export function printShort(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return printSpecial(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e21) return value.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e").replace("e+", "e");
  // 999.96 rounds to 1000, which is printed as 1k: round first, then choose the suffix.
  const rounded = Number(value.toPrecision(digits));
  const unit = suffixes.find(({ factor }) => Math.abs(rounded) >= factor);
  return unit === undefined ? String(rounded) : `${Number((rounded / unit.factor).toPrecision(digits))}${unit.suffix}`;
}

/** All digits, as the server gave them; exponents only where plain digits would be unreadable. */
export function printExact(value: number): string {
  return Number.isFinite(value) ? String(value) : printSpecial(value);
}

function printSpecial(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

/** Labels of an axis whose ticks are `increment` apart: enough digits to tell neighbours apart, and no more. */
export function printAxisValues(values: readonly number[], increment: number): string[] {
  const largest = Math.max(...values.map(Math.abs), 0);
  if (largest === 0 || !Number.isFinite(largest)) return values.map((value) => printShort(value));
  const digits = Math.ceil(Math.log10(largest / increment) - 1e-9) + 1;
  return values.map((value) => printShort(Math.abs(value) < increment / 1e6 ? 0 : value, Math.min(15, Math.max(2, digits))));
}

/** 12,345: counts of things, grouped the same way in every locale. */
export function printCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 12 ms, 1.4 s */
export function printElapsed(elapsedMs: number): string {
  return elapsedMs < 1000 ? `${Math.round(elapsedMs)} ms` : `${(elapsedMs / 1000).toPrecision(2)} s`;
}

/** 512 B, 1.3 MiB */
export function printSize(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  const power = Math.min(3, Math.floor(Math.log2(sizeBytes) / 10));
  return `${(sizeBytes / 1024 ** power).toPrecision(3)} ${["KiB", "MiB", "GiB"][power - 1]}`;
}
