/**
 * A kernel that notices every byte a decoder reads or writes where it may not: the input lies at the very end of a memory that cannot grow, so
 * that reading behind it traps; all memory but the input and the areas for output is filled with a pattern and compared afterwards.
 *
 *   | static tables | pattern | area | pattern | area | ... | pattern | input | slack |
 */
import { createMemory, Kernel } from "../../src/kernel/kernel.ts";

const patternByte = 0xa5;
const gapBytes = 256;
const nearAreaBytes = 4096;
const wholeCheckEvery = 16;

/** A decoder touched what it may not; not a TidemarkError, so that the harness reports it. */
export class OutOfBoundsWrite extends Error {
  override readonly name = "OutOfBoundsWrite";
}

export class GuardedKernel {
  readonly kernel: Kernel;
  readonly #tables: Uint8Array;
  readonly #areas: { readonly from: number; readonly to: number }[] = [];
  readonly #pattern: Uint8Array;
  #checks = 0;
  /** What the memory behind the areas has to hold. */
  #inputFrom: number;
  #input: Uint8Array = new Uint8Array(0);

  constructor(sizeBytes: number) {
    this.kernel = new Kernel(createMemory(sizeBytes, sizeBytes));
    this.#pattern = new Uint8Array(this.kernel.sizeBytes).fill(patternByte);
    this.#tables = this.kernel.u8.slice(0, this.kernel.heapBase);
    this.kernel.u8.fill(patternByte, this.kernel.heapBase);
    this.#inputFrom = this.kernel.sizeBytes;
    this.kernel.allocate(gapBytes);
  }

  /** An area that decoders may write. */
  area(size: number): number {
    const pointer = this.kernel.allocate(size);
    this.kernel.allocate(gapBytes);
    this.#areas.push({ from: pointer, to: pointer + size });
    return pointer;
  }

  /** Areas that `make` takes from the arena, which decoders may write. */
  claim<T>(make: () => T): T {
    const from = this.kernel.mark();
    const made = make();
    this.#areas.push({ from, to: this.kernel.mark() });
    this.kernel.allocate(gapBytes);
    return made;
  }

  /** The rest of the arena, `size` bytes of it: for decoders that take memory. Reset the arena to its beginning before each input. */
  workArea(size: number): number {
    const from = this.kernel.mark();
    this.#areas.push({ from, to: from + size });
    return from;
  }

  /** Puts the input where `slackBytes` behind it are the end of the memory, and returns its address. Areas are not cleared. */
  place(input: Uint8Array, slackBytes = 0, alignment = 1): number {
    const end = this.kernel.sizeBytes;
    this.kernel.u8.fill(patternByte, this.#inputFrom, end);
    const pointer = Math.floor((end - slackBytes - input.length) / alignment) * alignment;
    this.kernel.u8.set(input, pointer);
    this.#inputFrom = pointer;
    this.#input = input;
    return pointer;
  }

  /**
   * Throws OutOfBoundsWrite if anything outside of the areas has changed: near them at once, elsewhere at every sixteenth call, since comparing megabytes
   * takes longer than most inputs.
   */
  check(): void {
    const nearBytes = this.#checks++ % wholeCheckEvery === 0 ? Infinity : nearAreaBytes;
    const bytes = this.kernel.u8;
    if (Buffer.compare(this.#tables, bytes.subarray(0, this.#tables.length)) !== 0) throw new OutOfBoundsWrite("a constant table was overwritten");
    let from = this.#tables.length;
    for (const area of [...this.#areas, { from: this.#inputFrom, to: this.#inputFrom }]) {
      this.#expectPattern(from, Math.min(from + nearBytes, area.from));
      this.#expectPattern(Math.max(area.from - nearBytes, from), area.from);
      from = area.to;
    }
    const inputEnd = this.#inputFrom + this.#input.length;
    if (Buffer.compare(this.#input, bytes.subarray(this.#inputFrom, inputEnd)) !== 0) throw new OutOfBoundsWrite("the input was changed");
    this.#expectPattern(inputEnd, this.kernel.sizeBytes);
  }

  /** Throws OutOfBoundsWrite unless [from, to) still holds the pattern. */
  #expectPattern(from: number, to: number): void {
    const bytes = this.kernel.u8.subarray(from, to);
    if (Buffer.compare(bytes, this.#pattern.subarray(0, bytes.length)) === 0) return;
    const first = bytes.findIndex((byte) => byte !== patternByte);
    throw new OutOfBoundsWrite(`address ${from + first} was written, ${first} bytes behind an area, ${to - from - first} before the next`);
  }

  /** Fills an area with the pattern, so that expectUntouched() can tell what was written. */
  clear(from: number, to: number): void {
    this.kernel.u8.fill(patternByte, from, to);
  }

  /** Throws OutOfBoundsWrite unless this part of an area, cleared before, was left alone. */
  expectUntouched(from: number, to: number): void {
    this.#expectPattern(from, to);
  }
}
