/** Compensated summation (Kahan, in Neumaier's form): a sum and what its roundings lost. */

/** `compensation` after adding `value` to `sum`; the new sum itself is `sum + value`. */
export function compensated(value: number, sum: number, compensation: number): number {
  const total = sum + value;
  if (total === Infinity || total === -Infinity) return 0;
  return Math.abs(sum) >= Math.abs(value) ? compensation + (sum - total + value) : compensation + (value - total + sum);
}

/** A running sum; `sum` may be infinite, `compensation` is not then. */
export class KahanSum {
  sum = 0;
  compensation = 0;

  add(value: number): void {
    this.compensation = compensated(value, this.sum, this.compensation);
    this.sum += value;
  }

  get total(): number {
    return this.sum + this.compensation;
  }
}
