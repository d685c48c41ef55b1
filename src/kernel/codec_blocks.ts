/**
 * Door to the kernels that encode and decode many blocks per call (src/wasm/codec_blocks.ts). A RunEncoder owns the memory in which
 * the frames of a part and the rows of its block headers come into being; storage/part_writer.ts empties them into the file.
 */
import { codecScratchBytes, encodedSizeMax, blockSampleCountMax, type CodecEffort } from "./codec.ts";
import type { Kernel } from "./kernel.ts";

/** u32 slots of the context; src/wasm/codec_blocks.ts has the same table. */
const slots = {
  seriesIds: 0,
  sampleFrom: 1,
  timestamps: 2,
  values: 3,
  sampleBase: 4,
  seriesCount: 5,
  seriesCursor: 6,
  sampleCursor: 7,
  valuesFrame: 8,
  valuesSize: 9,
  timestampsFrame: 10,
  timestampsSize: 11,
  frameTarget: 12,
  rows: 13,
  rowCount: 14,
  rowCapacity: 15,
  aggregateCount: 16,
  sequences: 17,
  sequenceMask: 18,
  scratch: 19,
  timestampsOrdinal: 20,
  valuesOrdinal: 21,
  kind: 22,
  aggregateMin: 23,
  isCompact: 24,
} as const;
const slotCount = 25;

/** Columns of the header rows, in the order in which the kernel writes them. */
export const blockRowColumns = [
  "seriesId",
  "kind",
  "sampleCount",
  "minMs",
  "spanMs",
  "valuesOrdinal",
  "valuesSize",
  "timestampsOrdinal",
  "timestampsOffset",
  "timestampsSize",
  "sum",
  "min",
  "max",
  "first",
  "last",
] as const;
export type BlockRowColumn = (typeof blockRowColumns)[number];

/** Pointers to a run in the kernel's memory; sampleFrom counts from `sampleBase`, the sample at the two column pointers. */
export interface RunPointers {
  readonly seriesCount: number;
  readonly seriesIds: number;
  readonly sampleFrom: number;
  readonly timestamps: number;
  readonly values: number;
  readonly sampleBase: number;
}

export interface RunEncoderOptions {
  /** A frame is full once it has so many bytes. */
  readonly frameBytes: number;
  /** Header rows held at most. */
  readonly rowCapacity: number;
  /** Blocks with fewer samples carry no aggregates. */
  readonly aggregateSampleCountMin: number;
  /** Remembered sequences of timestamps, a power of two. */
  readonly sequenceCapacity: number;
  /** Default "fast". */
  readonly effort?: CodecEffort;
}

const sequenceBytes = 32;

export class RunEncoder {
  readonly #kernel: Kernel;
  readonly #context: number;
  readonly #rowCapacity: number;
  readonly #rows: number;
  readonly valuesFrame: number;
  readonly timestampsFrame: number;

  /** Takes its memory (about 700 KB) from the kernel's arena; the caller resets the arena when it is done. */
  constructor(kernel: Kernel, options: RunEncoderOptions) {
    this.#kernel = kernel;
    this.#rowCapacity = options.rowCapacity;
    const frameCapacity = options.frameBytes + encodedSizeMax(blockSampleCountMax);
    this.#context = kernel.allocate(slotCount * 4);
    this.#rows = kernel.allocate(options.rowCapacity * 8 * blockRowColumns.length);
    this.valuesFrame = kernel.allocate(frameCapacity);
    this.timestampsFrame = kernel.allocate(frameCapacity);
    const sequences = kernel.allocate(options.sequenceCapacity * sequenceBytes);
    const scratch = kernel.allocate(codecScratchBytes(kernel));
    kernel.u8.fill(0, sequences, sequences + options.sequenceCapacity * sequenceBytes);
    kernel.u32.fill(0, this.#context / 4, this.#context / 4 + slotCount);
    this.#set("valuesFrame", this.valuesFrame);
    this.#set("timestampsFrame", this.timestampsFrame);
    this.#set("frameTarget", options.frameBytes);
    this.#set("rows", this.#rows);
    this.#set("rowCapacity", options.rowCapacity);
    this.#set("sequences", sequences);
    this.#set("sequenceMask", options.sequenceCapacity - 1);
    this.#set("scratch", scratch);
    this.#set("aggregateMin", options.aggregateSampleCountMin);
    this.#set("isCompact", options.effort === "compact" ? 1 : 0);
  }

  #set(slot: keyof typeof slots, value: number): void {
    this.#kernel.u32[this.#context / 4 + slots[slot]] = value;
  }

  #get(slot: keyof typeof slots): number {
    return this.#kernel.u32[this.#context / 4 + slots[slot]];
  }

  /** Points the encoder at a run. `kind` is sampleKind | columnId << 8. */
  start(run: RunPointers, kind: number): void {
    this.#set("seriesIds", run.seriesIds);
    this.#set("sampleFrom", run.sampleFrom);
    this.#set("timestamps", run.timestamps);
    this.#set("values", run.values);
    this.#set("sampleBase", run.sampleBase);
    this.#set("seriesCount", run.seriesCount);
    this.#set("seriesCursor", 0);
    this.#set("sampleCursor", 0);
    this.#set("kind", kind);
  }

  /** Encodes until the run is done (true), or a frame or the rows are full (false: empty them and call again). */
  encode(): boolean {
    return this.#kernel.exports.codecEncodeRun(this.#context) === 0;
  }

  get rowCount(): number {
    return this.#get("rowCount");
  }

  get aggregateCount(): number {
    return this.#get("aggregateCount");
  }

  get valuesFrameSize(): number {
    return this.#get("valuesSize");
  }

  get timestampsFrameSize(): number {
    return this.#get("timestampsSize");
  }

  /** A column of the rows so far; a view on the kernel's memory. */
  column(name: BlockRowColumn): Float64Array {
    const at = blockRowColumns.indexOf(name);
    const from = this.#rows / 8 + at * this.#rowCapacity;
    return this.#kernel.f64.subarray(from, from + (at < 10 ? this.rowCount : this.aggregateCount));
  }

  /** Forgets the values frame; blocks that follow are in frame `ordinal`. */
  nextValuesFrame(ordinal: number): void {
    this.#set("valuesSize", 0);
    this.#set("valuesOrdinal", ordinal);
  }

  /** Forgets the timestamps frame; sequences that follow are in frame `ordinal`. */
  nextTimestampsFrame(ordinal: number): void {
    this.#set("timestampsSize", 0);
    this.#set("timestampsOrdinal", ordinal);
  }

  clearRows(): void {
    this.#set("rowCount", 0);
    this.#set("aggregateCount", 0);
  }
}

/** u32 slots of a row that decodeBlocks takes. Samples [from, to) of the block are decoded. */
export const decodeRow = { timestampsPointer: 0, timestampsSize: 1, valuesPointer: 2, valuesSize: 3, sampleCount: 4, place: 5, from: 6, to: 7, slots: 8 } as const;

/** Bytes of scratch for decodeBlocks and clipBlocks. */
export function decodeBlocksScratchBytes(kernel: Kernel): number {
  return kernel.exports.codecDecodeBlocksScratchSize();
}

/**
 * Decodes the blocks of `rowCount` rows (see decodeRow) to their places, counted in samples, in the two targets. Returns how many were good: less than
 * `rowCount` if that one is damaged. REQUIRES: the rows' bytes and the places are inside the memory, and no two places overlap; the bytes
 * themselves are untrusted.
 */
export function decodeBlocks(kernel: Kernel, rowsPointer: number, rowCount: number, timestampsPointer: number, valuesPointer: number, scratchPointer: number): number {
  return kernel.exports.codecDecodeBlocks(rowsPointer, rowCount, timestampsPointer, valuesPointer, scratchPointer) >>> 0;
}

/**
 * Finds which samples of the blocks of `rowCount` rows lie within [minMs, maxMs] and writes them into the rows (`from`, `to`; the same number twice: none).
 * Those of a block whose timestamps cannot be decoded are all taken to be. REQUIRES: the rows' timestamps are inside the memory, untrusted.
 */
export function clipBlocks(kernel: Kernel, rowsPointer: number, rowCount: number, minMs: number, maxMs: number, scratchPointer: number): void {
  kernel.exports.codecClipBlocks(rowsPointer, rowCount, minMs, maxMs, scratchPointer);
}
