/** Numbers as Go prints them, where that is part of an answer: label values of count_values and histogram_quantiles, annotations. */

/** `%g` takes an exponent from 10 to this power on. */
const plainExponentMax = 6;

/** `%g`: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e6 on. */
export function formatG(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const { sign, digits, exponent } = decimalOf(value);
  if (exponent >= -4 && exponent < plainExponentMax) return formatPlain(value);
  return sign + withPoint(digits) + exponentText(exponent);
}

/** `%.2g` and the like: `precision` significant digits, without zeros at the end. */
export function formatPrecise(value: number, precision: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const [mantissa, exponentPart] = value.toExponential(precision - 1).split("e");
  const exponent = Number(exponentPart);
  if (exponent < -4 || exponent >= precision) return trimmed(mantissa) + exponentText(exponent);
  return trimmed(value.toFixed(Math.max(0, precision - 1 - exponent)));
}

/** `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest digits, never an exponent. */
export function formatPlain(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const { sign, digits, exponent } = decimalOf(value);
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, "0");
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** As OpenMetrics writes label values that are numbers: `1.0`, `0.25`, `1e+06`. */
export function formatOpenMetrics(value: number): string {
  const text = formatG(value);
  return /[.eIN]/.test(text) ? text : `${text}.0`;
}

/** Parses what `strconv.ParseFloat` takes for a bucket bound; undefined if malformed. */
export function parseGoFloat(text: string): number | undefined {
  if (/^[+-]?(?:inf|infinity)$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return NaN;
  if (!/^[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?$/.test(text) || text.includes("_")) return undefined;
  return Number(text);
}

function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  return undefined;
}

/** The sign, the shortest digits, and the power of ten of the first of them. */
function decimalOf(value: number): { sign: string; digits: string; exponent: number } {
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  return { sign: value < 0 ? "-" : "", digits: mantissa.replace(".", ""), exponent: Number(exponent) };
}

function withPoint(digits: string): string {
  return digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
