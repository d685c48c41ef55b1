/** What a decoder promises about what it accepts. */

/** A decoder accepted what it must not, or said what is not so. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** Throws BrokenPromise unless `condition` holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BrokenPromise(message);
}
