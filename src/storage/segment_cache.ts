/**
 * What a reading thread has loaded of index segments, under a budget of bytes: the least recently used segments are dropped when it is exceeded. While
 * one segment is worked on it may exceed the budget alone. Files are open only while they are read, so one that was removed takes no room.
 */
import type { FileSystem } from "../disk/file_system.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { SegmentIndex } from "./segment_index.ts";
import { type FingerprintSeeds, SegmentMemory } from "./segment_memory.ts";
import type { IndexSegmentRef } from "./table_client.ts";

export interface SegmentCacheOptions {
  readonly files: FileSystem;
  readonly seeds: FingerprintSeeds;
  readonly budgetBytes: number;
}

/** Figures for self-monitoring; loads and evictions are counted since the start. */
export interface SegmentCacheStats {
  readonly loadedBytes: number;
  readonly segments: number;
  readonly loads: number;
  readonly evictions: number;
}

export const noSegmentStats: SegmentCacheStats = { loadedBytes: 0, segments: 0, loads: 0, evictions: 0 };

/** The figures of two caches together. */
export function addSegmentStats(left: SegmentCacheStats, right: SegmentCacheStats): SegmentCacheStats {
  return {
    loadedBytes: left.loadedBytes + right.loadedBytes, segments: left.segments + right.segments, loads: left.loads + right.loads, evictions: left.evictions + right.evictions,
  };
}

const regexpsMax = 64;
/** The memory is replaced when nothing is loaded and it is larger than this and the budget. */
const keptMemoryBytes = 16 << 20;

export class SegmentCache {
  readonly #options: SegmentCacheOptions;
  /** By path, least recently used first. */
  readonly #segments = new Map<string, SegmentIndex>();
  readonly #regexps = new Map<string, AnchoredRegexp>();
  #memory: SegmentMemory | undefined;
  /** Of all segments. */
  #loadedBytes = 0;
  #loads = 0;
  #evictions = 0;
  #wasUsed = false;

  constructor(options: SegmentCacheOptions) {
    this.#options = options;
  }

  /** The memory that segments are loaded into. */
  get memory(): SegmentMemory {
    this.#memory ??= new SegmentMemory(this.#options.seeds);
    return this.#memory;
  }

  stats(): SegmentCacheStats {
    return { loadedBytes: this.#loadedBytes, segments: this.#segments.size, loads: this.#loads, evictions: this.#evictions };
  }

  /**
   * Works on a segment, which is opened if need be; nothing of it may be used after `work` has returned. When the work fails, what is loaded of the segment is
   * dropped. Throws what opening and reading throw: StorageError and errors of the file system.
   */
  use<T>(ref: IndexSegmentRef, work: (segment: SegmentIndex) => T): T {
    this.#wasUsed = true;
    const segment = this.#take(ref);
    const loadedBefore = segment.sizeBytes;
    try {
      const result = work(segment);
      segment.closeFile();
      this.#loadedBytes += segment.sizeBytes - loadedBefore;
      return result;
    } catch (error) {
      this.#segments.delete(ref.path);
      this.#loadedBytes -= loadedBefore;
      segment.close();
      throw error;
    } finally {
      this.#trim();
    }
  }

  #take(ref: IndexSegmentRef): SegmentIndex {
    let segment = this.#segments.get(ref.path);
    if (segment === undefined) {
      segment = new SegmentIndex({ files: this.#options.files, memory: this.memory, ref, regexp: (pattern) => this.#regexp(pattern) });
      this.#loads++;
      this.#loadedBytes += segment.sizeBytes;
    }
    this.#segments.delete(ref.path);
    this.#segments.set(ref.path, segment);
    return segment;
  }

  #trim(): void {
    if (this.#loadedBytes <= this.#options.budgetBytes) return;
    for (const [path, segment] of this.#segments) {
      if (this.#loadedBytes <= this.#options.budgetBytes) break;
      this.#drop(path, segment);
    }
    const memory = this.#memory;
    if (this.#segments.size === 0 && memory !== undefined && memory.kernel.sizeBytes > keptMemoryBytes + this.#options.budgetBytes) this.#memory = undefined;
  }

  #drop(path: string, segment: SegmentIndex): void {
    this.#segments.delete(path);
    this.#loadedBytes -= segment.sizeBytes;
    segment.close();
    this.#evictions++;
  }

  /** Called now and then: drops everything, and the memory, if nothing was asked for since the last call. */
  dropUnused(): void {
    if (!this.#wasUsed) {
      for (const [path, segment] of this.#segments) this.#drop(path, segment);
      this.#memory = undefined;
    }
    this.#wasUsed = false;
  }

  #regexp(pattern: string): AnchoredRegexp {
    const regexp = this.#regexps.get(pattern) ?? new AnchoredRegexp(pattern);
    this.#regexps.delete(pattern);
    this.#regexps.set(pattern, regexp);
    if (this.#regexps.size > regexpsMax) this.#regexps.delete(this.#regexps.keys().next().value!);
    return regexp;
  }
}
