/**
 * The buckets that values are counted in by histogram(): 18 per decade from 1e-9 to 1e18, one below and one above, named
 * `vmrange="8.799e-01...1.000e+00"`.
 */

const bucketsPerDecade = 18;
const lowestExponent = -9;
const highestExponent = 18;
const bucketCount = (highestExponent - lowestExponent) * bucketsPerDecade;
const factor = 10 ** (1 / bucketsPerDecade);

let names: string[] | undefined;

function bucketNames(): string[] {
  if (names !== undefined) return names;
  names = [];
  let bound = 10 ** lowestExponent;
  let low = formatBound(bound);
  for (let i = 0; i < bucketCount; i++) {
    bound *= factor;
    const high = formatBound(bound);
    names.push(`${low}...${high}`);
    low = high;
  }
  return names;
}

/** As Go's %.3e: an exponent of at least two digits. */
function formatBound(value: number): string {
  return padExponent(value.toExponential(3));
}

function padExponent(text: string): string {
  return text.replace(/e([-+])(\d)$/, "e$10$2");
}

/** As Go's %g: the shortest digits, with an exponent below 1e-4 and from 1e21 on. */
export function formatShortExponent(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e21)) return padExponent(value.toExponential());
  return String(value);
}

/** The name of the bucket that a value is in; undefined for negative values and NaN. */
export function vmrangeOf(value: number): string | undefined {
  if (!(value >= 0)) return undefined;
  const position = (Math.log10(value) - lowestExponent) * bucketsPerDecade;
  if (position < 0) return `0...${formatBound(10 ** lowestExponent)}`;
  if (position >= bucketCount) return `${formatBound(10 ** highestExponent)}...+Inf`;
  const index = Math.floor(position);
  // A power of ten is the upper bound of its bucket.
  return bucketNames()[index === position && index > 0 ? index - 1 : index];
}
