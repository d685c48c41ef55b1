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

  /**
   * Takes the sum of values[from..to). The rounding error of an addition is exact however it is computed, so here it is computed without
   * comparing; where something is not finite it has to be done value by value.
   */
  setRange(values: Float64Array, from: number, to: number): void {
    let sum = 0;
    let rest = 0;
    for (let i = from; i < to; i++) {
      const value = values[i];
      const next = sum + value;
      const added = next - sum;
      rest += sum - (next - added) + (value - added);
      sum = next;
    }
    if (Number.isFinite(sum + rest)) {
      this.sum = sum;
      this.compensation = rest;
      return;
    }
    this.sum = 0;
    this.compensation = 0;
    for (let i = from; i < to; i++) this.add(values[i]);
  }

  add(value: number): void {
    this.compensation = compensated(value, this.sum, this.compensation);
    this.sum += value;
  }

  get total(): number {
    return this.sum + this.compensation;
  }
}
