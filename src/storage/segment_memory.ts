/**
 * The memory that the index segments of a reading thread share: what is loaded of them, and scratch areas for one piece of work at a time. It does not
 * shrink, so it is replaced as a whole when it is too large for what is kept.
 */
import { blockSampleCountMax, codecScratchBytes } from "../kernel/codec.ts";
import { headContext, type HeadKernels, headKernels } from "../kernel/head.ts";
import { Kernel } from "../kernel/kernel.ts";
import { SegmentKernel } from "../kernel/segment_index.ts";
import { AreaAllocator } from "./area_allocator.ts";
import { groupRowCount } from "./partition_index_format.ts";

/** The secret of the fingerprints of a data directory, 16 bytes. */
export type FingerprintSeeds = Uint8Array;

export class SegmentMemory {
  readonly kernel = new Kernel();
  readonly areas = new AreaAllocator(this.kernel);
  readonly rows = new SegmentKernel(this.kernel);
  readonly head: HeadKernels = headKernels(this.kernel);
  /** Where headFingerprintRuns finds the seeds. */
  readonly seedContext: number;
  /** Decoded values of one column, and the decoder's scratch. */
  readonly decoded: number;
  readonly codecScratch: number;
  /** Where the rows of a group are unpacked to: offsets, and ids that grow with need. */
  readonly rowOffsets: number;
  /** Whose rows are unpacked there: a segment and the number of a group. */
  unpackedOwner: unknown;
  unpackedGroup = -1;
  #rowIds = 0;
  #rowIdCapacity = 0;
  #text: Buffer = Buffer.alloc(0);
  readonly #scratchBytes: number;

  constructor(seeds: FingerprintSeeds) {
    this.seedContext = this.areas.allocate(headContext.sizeBytes);
    this.kernel.u8.set(seeds, this.seedContext + headContext.seedLow);
    this.decoded = this.areas.allocate(blockSampleCountMax * 8 + 64);
    this.codecScratch = this.areas.allocate(codecScratchBytes(this.kernel) + 64);
    this.rowOffsets = this.areas.allocate((groupRowCount + 1) * 4);
    this.growRowIds(1 << 16);
    this.#scratchBytes = this.areas.usedBytes;
  }

  get rowIds(): number {
    return this.#rowIds;
  }

  get rowIdCapacity(): number {
    return this.#rowIdCapacity;
  }

  /** Makes room for so many ids; what was there is lost. */
  growRowIds(capacity: number): void {
    if (this.#rowIdCapacity > 0) this.areas.free(this.#rowIds);
    this.unpackedOwner = undefined;
    this.#rowIds = this.areas.allocate(capacity * 4 + 64);
    this.#rowIdCapacity = capacity;
  }

  /** The UTF-8 text at [from, to). */
  text(from: number, to: number): string {
    const { buffer } = this.kernel.u8;
    if (this.#text.buffer !== buffer) this.#text = Buffer.from(buffer);
    return this.#text.toString("utf8", from, to);
  }

  /** Bytes in use besides the scratch areas that every memory has. */
  get usedBytes(): number {
    return this.areas.usedBytes - this.#scratchBytes;
  }
}
