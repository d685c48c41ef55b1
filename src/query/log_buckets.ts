/**
 * The buckets that values are counted in by histogram(): 18 per decade from 1e-9 to 1e18, one below and one above, named
 * `vmrange="8.799e-01...1.000e+00"`.
 */

const bucketsPerDecade = 18;
const lowestExponent = -9;
const highestExponent = 18;
const bucketCount = (highestExponent - lowestExponent) * bucketsPerDecade;
const belowAll = -1;
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

/** The number of the bucket that a value is in; undefined for negative values and NaN. */
export function bucketIndexOf(value: number): number | undefined {
  if (!(value >= 0)) return undefined;
  const position = (Math.log10(value) - lowestExponent) * bucketsPerDecade;
  if (position < 0) return belowAll;
  if (position >= bucketCount) return bucketCount;
  const index = Math.floor(position);
  // A power of ten is the upper bound of its bucket.
  return index === position && index > 0 ? index - 1 : index;
}

/** The `vmrange` of a bucket. */
export function bucketName(index: number): string {
  if (index === belowAll) return `0...${formatBound(10 ** lowestExponent)}`;
  if (index === bucketCount) return `${formatBound(10 ** highestExponent)}...+Inf`;
  return bucketNames()[index];
}
