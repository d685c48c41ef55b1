/**
 * What is fuzzed: a decoder of bytes that come from a disk or a network, with a maker of valid encodings. The harness (fuzz_loop.ts)
 * damages these and expects an answer or a TidemarkError, in little time and memory.
 */
import { type Random, seededRandom } from "../../src/base/random.ts";

/** A valid encoding. */
export interface FuzzSeed {
  readonly bytes: Uint8Array;
  /** Makes the checksums right again after bytes were changed in place, so that damage gets past them. */
  readonly seal?: (bytes: Uint8Array) => void;
  /** False: the encoding holds impossible numbers already, behind right checksums. */
  readonly isValid?: boolean;
}

export interface FuzzTarget {
  readonly name: string;
  /** The exported functions and classes that it runs; a test compares them with the sources. */
  readonly covers: readonly string[];
  readonly make: (random: Random) => FuzzSeed;
  /** Decodes the input. Throws a TidemarkError for bad input; anything else it throws is a finding. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
  /** Words that are put into texts. */
  readonly words?: readonly string[];
  /** Bytes of memory that an input of so many bytes may take; the harness has a default. */
  /** CPU milliseconds that every input may take, whatever its size; the harness has a default. */
  readonly cpuMsMax?: number;
  readonly memoryBytesMax?: (sizeBytes: number) => number;
}

const poolSize = 64;

/** One of some values that are dear to make; which one depends on `random` only, and the value on nothing else. */
export function pooled<T>(make: (random: Random) => T): (random: Random) => T {
  const made: T[] = [];
  return (random) => {
    const number = random.int(poolSize);
    return (made[number] ??= make(seededRandom(number)));
  };
}

/** A value that is made when it is first needed: targets that do not run cost nothing. */
export function once<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}
