/**
 * Shard: one shared memory with its live index and head. The writer thread owns a Shard; other threads get its `layout` (which can
 * be posted to a worker) and read through a ShardReader.
 */
import type { HeadKernels } from "../kernel/head.ts";
import { headKernels } from "../kernel/head.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { SeriesIndex } from "../index/series_index.ts";
import { SeriesLabels } from "../index/series_labels.ts";
import { Head, type HeadOptions } from "./head.ts";

/** What another thread needs to read a shard. */
export interface ShardLayout {
  readonly memory: WebAssembly.Memory;
  readonly headContext: number;
  readonly indexContext: number;
  /** Where late writes are marked, see kernel/late_writes.ts. */
  readonly lateWrites: number;
  /** Scratch areas in shard memory, one for each reading thread. */
  readonly scratchAreas: readonly ScratchArea[];
}

export interface ScratchArea {
  readonly pointer: number;
  readonly sizeBytes: number;
}

export interface ShardOptions extends Omit<HeadOptions, "indexContext"> {
  readonly indexSeed: bigint;
  /** One scratch area each. */
  readonly scratchBytes: readonly number[];
}

export class Shard {
  readonly kernel: Kernel;
  readonly index: SeriesIndex;
  readonly head: Head;
  readonly layout: ShardLayout;

  constructor(options: ShardOptions) {
    this.kernel = new Kernel(createMemory(1 << 20));
    this.index = new SeriesIndex(this.kernel, { seriesMax: options.seriesMax, seed: options.indexSeed });
    this.head = new Head(this.kernel, { ...options, indexContext: this.index.contextPointer });
    this.layout = {
      memory: this.kernel.memory,
      headContext: this.head.context,
      indexContext: this.index.contextPointer,
      lateWrites: this.head.lateWrites,
      scratchAreas: options.scratchBytes.map((sizeBytes) => ({ pointer: this.kernel.allocate(sizeBytes), sizeBytes })),
    };
  }
}

/** A shard as a reading thread sees it: an instance of its own on the shared memory, with its own scratch area. */
export class ShardReader {
  readonly kernel: Kernel;
  readonly kernels: HeadKernels;
  readonly headContext: number;
  readonly indexContext: number;
  readonly labels: SeriesLabels;
  readonly scratch: ScratchArea;

  constructor(layout: ShardLayout, scratchNumber: number) {
    this.kernel = new Kernel(layout.memory);
    this.kernels = headKernels(this.kernel);
    this.headContext = layout.headContext;
    this.indexContext = layout.indexContext;
    this.labels = new SeriesLabels(this.kernel, layout.indexContext);
    this.scratch = layout.scratchAreas[scratchNumber];
  }
}
