/**
 * Number literals: `12`, `1.5e3`, `.5`, `1_000`, `0x1f`, `0o17`, `017`, `0b101`, `Inf`, `NaN`, and decimal ones with a
 * suffix of any case: K M G T (powers of 1000, also KB ...) and Ki Mi Gi Ti (powers of 1024, also KiB ...).
 */

const literal = /^(\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:([kmgt])(i?)b?|e[+-]?\d+)?$/i;
const misplacedUnderscore = /^_|_$|__|_\.|\._|_[eEkKmMgGtT]/;
const exponents: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4 };

/** The value of an unsigned literal; undefined if it is malformed or too large for a float64. */
export function parseNumber(text: string): number | undefined {
  const lower = text.toLowerCase();
  if (lower === "inf") return Infinity;
  if (lower === "nan") return NaN;
  if (misplacedUnderscore.test(text.replace(/^0[xXoObB]_/, "0x0"))) return undefined;
  const digits = lower.replaceAll("_", "");
  if (/^0(?:x[0-9a-f]+|o[0-7]+|b[01]+)$/.test(digits)) return parseInteger(digits);
  if (/^0[0-7]+$/.test(digits)) return parseInteger("0o" + digits.slice(1));
  const match = literal.exec(lower);
  if (match === null) return undefined;
  const suffix = match[2];
  if (suffix === undefined) return finite(Number(digits));
  return finite(Number(match[1].replaceAll("_", "")) * (match[3] === "i" ? 1024 : 1000) ** exponents[suffix]);
}

function parseInteger(digits: string): number | undefined {
  return finite(digits.length < 12 ? Number(digits) : Number(BigInt(digits)));
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** Prints a number as Go does with format 'g': the shortest digits, with an exponent below 1e-4 and from 1e6 on. */
export function printNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(value);
  return mantissa + (exponent < 0 ? "e-" : "e+") + String(Math.abs(exponent)).padStart(2, "0");
}
