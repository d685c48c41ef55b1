/**
 * Door to the kernel that decodes a group of block headers (src/wasm/codec_headers.ts). The columns lie at fixed places in the kernel's memory, so
 * their views are made once.
 */
import { codecScratchBytes } from "./codec.ts";
import type { Kernel } from "./kernel.ts";

/** Rows of a group at most. */
export const headerRowsMax = 256;

/** Columns of doubles and of u32, in the order in which the kernel lays them out. */
const doubleColumns = ["minMs", "maxMs", "valuesFrames", "timestampsFrames", "sum", "min", "max", "first", "last"] as const;
const wordColumns = [
  "seriesIds",
  "kinds",
  "sampleCounts",
  "valuesFrameSizes",
  "valuesOffsets",
  "valuesSizes",
  "timestampsFrameSizes",
  "timestampsOffsets",
  "timestampsSizes",
] as const;

export type HeaderDoubles = Readonly<Record<(typeof doubleColumns)[number], Float64Array>>;
export type HeaderWords = Readonly<Record<(typeof wordColumns)[number], Uint32Array>>;

export class HeaderDecoder {
  readonly #kernel: Kernel;
  readonly #target: number;
  readonly #scratch: number;
  /** The decoded columns, 256 rows each; valid until the next decode(). */
  readonly doubles: HeaderDoubles;
  readonly words: HeaderWords;
  readonly aggregateRows: Int32Array;

  /** Takes some 250 KB of the kernel's arena for good. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#target = kernel.allocate(kernel.exports.codecHeaderColumnsSize());
    this.#scratch = kernel.allocate(codecScratchBytes(kernel) + 4096);
    const buffer = kernel.memory.buffer;
    const wordsAt = this.#target + doubleColumns.length * headerRowsMax * 8;
    const words = (i: number): Uint32Array => new Uint32Array(buffer, wordsAt + i * headerRowsMax * 4, headerRowsMax);
    this.doubles = recordOf(doubleColumns, (i) => new Float64Array(buffer, this.#target + i * headerRowsMax * 8, headerRowsMax));
    this.words = recordOf(wordColumns, words);
    this.aggregateRows = new Int32Array(buffer, wordsAt + wordColumns.length * headerRowsMax * 4, headerRowsMax);
  }

  /** Decodes the `size` untrusted bytes at `pointer`, all places of which must end before `dataEnd`. Returns the rows, or -1 if they are malformed. */
  decode(pointer: number, size: number, dataEnd: number): number {
    return this.#kernel.exports.codecDecodeHeaders(pointer, size, dataEnd, this.#target, this.#scratch);
  }
}

function recordOf<Name extends string, Value>(names: readonly Name[], make: (i: number) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name, i) => [name, make(i)])) as Record<Name, Value>;
}
