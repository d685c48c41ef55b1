/**
 * Frames of the parts that a reader has open, as they are in the file and checked, under a budget of bytes: blocks that are asked for again need no
 * call to read them and no checksum. Frames lie in segments, which are filled one after the other:
 *
 *   oldest segment ──frames that were used since they came: once more──> newest segment <── frames that were read
 *         └── the others are forgotten, and the segment with them
 *
 * While there is room everything is kept. After that a search may drive out a quarter of the budget, so that one that reads more than there is room for
 * leaves most of what small searches come back for. Searches of one thread that go on at the same time share that quarter.
 */
import { assert } from "../base/assert.ts";

/** A frame is 69,633 bytes at most. */
const segmentBytesMax = 1 << 18;
const segmentsMin = 4;

interface Segment {
  readonly bytes: Uint8Array;
  usedBytes: number;
  /** Frames in it that are not forgotten. */
  liveCount: number;
  readonly frames: CachedFrame[];
}

/** A frame that is kept: bytes [offset, offset + size) of the segment's. */
export interface CachedFrame {
  readonly segment: Segment;
  readonly part: PartFrames;
  readonly position: number;
  readonly offset: number;
  readonly size: number;
  isUsed: boolean;
}

export interface FrameCacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly sizeBytes: number;
}

export class FrameCache {
  readonly #segmentBytes: number;
  readonly #segmentsMax: number;
  /** The oldest first; the newest is being filled. */
  readonly #segments: Segment[] = [];
  #spare: Segment | undefined;
  /** Segments that this search has driven out. */
  #drivenOut = 0;
  #hits = 0;
  #misses = 0;

  /** Less than 4 KB is no cache. */
  constructor(budgetBytes: number) {
    this.#segmentBytes = Math.min(segmentBytesMax, Math.floor(budgetBytes / segmentsMin));
    // One more is there while frames move.
    this.#segmentsMax = this.#segmentBytes < 1024 ? 0 : Math.floor(budgetBytes / this.#segmentBytes) - 1;
  }

  get stats(): FrameCacheStats {
    const segmentCount = this.#segments.length + (this.#spare === undefined ? 0 : 1);
    return { hits: this.#hits, misses: this.#misses, sizeBytes: segmentCount * this.#segmentBytes };
  }

  /** A search begins. */
  startSearch(): void {
    this.#drivenOut = 0;
  }

  /** The frames of a part that was opened. */
  addPart(): PartFrames {
    return new PartFrames(this);
  }

  /** For PartFrames. */
  count(frame: CachedFrame | undefined): void {
    if (frame === undefined) this.#misses++;
    else this.#hits++;
  }

  /** For PartFrames: keeps a copy of the bytes, if there is room; undefined if not. */
  keep(part: PartFrames, position: number, bytes: Uint8Array): CachedFrame | undefined {
    const size = bytes.length;
    if (size > this.#segmentBytes || this.#segmentsMax === 0) return undefined;
    let segment = this.#segments.at(-1);
    if (segment === undefined || segment.usedBytes + size > this.#segmentBytes) segment = this.#nextSegment(size);
    return segment === undefined ? undefined : place(segment, part, position, bytes);
  }

  /** A segment that takes `size` bytes; undefined if this search has driven out enough. */
  #nextSegment(size: number): Segment | undefined {
    while (this.#segments.length >= this.#segmentsMax) {
      if (this.#drivenOut >= this.#segmentsMax / 4) return undefined;
      this.#drivenOut++;
      const oldest = this.#segments.shift();
      assert(oldest !== undefined, "there is a segment");
      this.#keepUsed(oldest);
      const newest = this.#segments.at(-1);
      if (newest !== undefined && newest.usedBytes + size <= this.#segmentBytes) return newest;
    }
    return this.#addSegment();
  }

  #addSegment(): Segment {
    const segment = this.#spare ?? { bytes: new Uint8Array(this.#segmentBytes), usedBytes: 0, liveCount: 0, frames: [] };
    this.#spare = undefined;
    this.#segments.push(segment);
    return segment;
  }

  /** Forgets a segment's frames, but for those that were used, which move to the newest segment. They are not more than what goes. */
  #keepUsed(oldest: Segment): void {
    const used: CachedFrame[] = [];
    for (const frame of oldest.frames) {
      if (frame.part.forget(frame) && frame.isUsed) used.push(frame);
    }
    for (const { part, position, offset, size } of used) {
      let segment = this.#segments.at(-1);
      if (segment === undefined || segment.usedBytes + size > this.#segmentBytes) segment = this.#addSegment();
      part.remember(place(segment, part, position, oldest.bytes.subarray(offset, offset + size)));
    }
    oldest.frames.length = 0;
    oldest.usedBytes = 0;
    oldest.liveCount = 0;
    this.#spare = oldest;
  }

  /** For PartFrames: gives back segments in which nothing is left. */
  dropEmpty(): void {
    this.#spare = undefined;
    for (let i = this.#segments.length - 1; i >= 0; i--) if (this.#segments[i].liveCount === 0) this.#segments.splice(i, 1);
  }
}

function place(segment: Segment, part: PartFrames, position: number, bytes: Uint8Array): CachedFrame {
  const frame: CachedFrame = { segment, part, position, offset: segment.usedBytes, size: bytes.length, isUsed: false };
  segment.bytes.set(bytes, segment.usedBytes);
  segment.usedBytes += bytes.length;
  segment.liveCount++;
  segment.frames.push(frame);
  return frame;
}

/** The frames of one open part, by their position in its file. */
export class PartFrames {
  readonly #cache: FrameCache;
  readonly #frames = new Map<number, CachedFrame>();

  constructor(cache: FrameCache) {
    this.#cache = cache;
  }

  /** The frame at a position, if it is kept and as large as this; valid until the next add(). */
  get(position: number, size: number): CachedFrame | undefined {
    const known = this.#frames.get(position);
    const frame = known?.size === size ? known : undefined;
    this.#cache.count(frame);
    if (frame !== undefined) frame.isUsed = true;
    return frame;
  }

  /** Keeps a copy of a frame, without its checksum, if there is room. REQUIRES: the bytes were checked. */
  add(position: number, bytes: Uint8Array): void {
    if (this.#frames.has(position)) return;
    const frame = this.#cache.keep(this, position, bytes);
    if (frame !== undefined) this.#frames.set(position, frame);
  }

  /** For the cache. */
  remember(frame: CachedFrame): void {
    this.#frames.set(frame.position, frame);
  }

  /** For the cache: whether the frame was there. */
  forget(frame: CachedFrame): boolean {
    return this.#frames.get(frame.position) === frame && this.#frames.delete(frame.position);
  }

  /** The part was closed. */
  drop(): void {
    for (const { segment } of this.#frames.values()) segment.liveCount--;
    this.#frames.clear();
    this.#cache.dropEmpty();
  }
}
