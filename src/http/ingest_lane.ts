/**
 * The ingest lane: bodies are parsed one after the other, on this thread, in slices of at most about 2 ms with a turn of the event loop
 * between them. A body is copied (or decoded, if it is snappy) into the memory of the kernel, whose parsers make RowBatches there; with
 * the kernel of the store's own memory, the store takes them where they are.
 *
 *   received chunks ──> body area ──> parser.next() ──> RowBatch ──> target.write() ... ──> all written ──> answer
 *
 * The lane is free for the next body when the store no longer reads the batches of this one; the answer waits until they are safe.
 */
import type { Clock } from "../base/clock.ts";
import type { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { bodySlackBytes } from "../kernel/label_run.ts";
import { snappyDecode, snappyDecodedSize, snappySourceSlackBytes, snappyTargetSlackBytes } from "../kernel/snappy.ts";
import type { Labels } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import type { RowBatch } from "../model/row_batch.ts";
import type { DropReason, WriteResult } from "../model/store.ts";
import type { SliceParser } from "../protocol/slice_parser.ts";
import type { ChunkList } from "./chunk_list.ts";

/** Where batches go; a Store is one. */
export interface IngestTarget {
  write(batch: RowBatch): Promise<WriteResult>;
  /**
   * Resolves when the batches given to write() so far are no longer read, which may be long before they are safe. A target without it
   * reads them until write() resolves.
   */
  applied?(): Promise<void>;
}

/** The lane works so long before it lets the event loop turn; a slice takes up to about 2 ms more. */
const turnMs = 1;

export interface IngestLaneOptions {
  readonly kernel: Kernel;
  readonly target: IngestTarget;
  readonly clock: Clock;
  /** Largest body, as received and decoded. */
  readonly bodyBytesMax: number;
  readonly bodyLimitFlag: string;
}

export interface IngestRequest {
  readonly chunks: ChunkList;
  readonly isSnappy: boolean;
  readonly parser: SliceParser;
  readonly tenant: Tenant;
  readonly extraLabels: Labels;
  /** The time of samples that carry none. */
  readonly nowMs: number;
  /** A body whose sender is gone before its turn is not parsed. */
  readonly signal?: AbortSignal;
}

/** What became of a body. */
export interface IngestResult {
  readonly acceptedSamples: number;
  readonly droppedSamples: Partial<Record<DropReason, number>>;
  readonly skippedLines: number;
  readonly firstError: InputError | undefined;
  /** A framed body broke off; what was before the break is stored. */
  readonly broken: boolean;
}

export class IngestLane {
  readonly #options: IngestLaneOptions;
  /** Reserved once; pages that no body has reached are not resident. */
  readonly #compressedArea: number;
  readonly #bodyArea: number;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #turnStartMs = -Infinity;

  constructor(options: IngestLaneOptions) {
    const { kernel, bodyBytesMax } = options;
    this.#options = options;
    this.#compressedArea = kernel.allocate(bodyBytesMax + snappySourceSlackBytes);
    this.#bodyArea = kernel.allocate(bodyBytesMax + Math.max(snappyTargetSlackBytes, bodySlackBytes));
  }

  /** Bodies in the lane, the one at work included. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Parses a body and writes its rows. Throws what the decoder and the target throw; rows written before stay. */
  async ingest(request: IngestRequest): Promise<IngestResult> {
    const writes: Promise<WriteResult>[] = [];
    this.#waiting++;
    try {
      const report = await this.#inTurn(() => this.#parse(request, writes));
      const results = await Promise.all(writes);
      return { ...sumResults(results, report.droppedByReason), skippedLines: report.skippedLines, firstError: report.firstError, broken: report.broken };
    } finally {
      this.#waiting--;
      await Promise.allSettled(writes);
    }
  }

  /** Resolves when no body is being parsed. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #parse(request: IngestRequest, writes: Promise<WriteResult>[]): Promise<SliceParser["report"]> {
    const { target } = this.#options;
    const { parser, tenant, extraLabels, nowMs } = request;
    request.signal?.throwIfAborted();
    const sizeBytes = this.#place(request);
    request.chunks.clear();
    parser.start(this.#bodyArea, sizeBytes, { tenant, extraLabels, nowMs });
    for (let batch = parser.next(); batch !== undefined; batch = parser.next()) {
      const write = target.write(batch);
      writes.push(write);
      write.catch(() => undefined); // looked at by ingest()
      await (target.applied === undefined ? write : target.applied());
      await this.#yieldTurn();
    }
    return parser.report;
  }

  /** Lets the event loop turn when the lane has been at work for a while, be it with one large body or many small ones. */
  async #yieldTurn(): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#turnStartMs < turnMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnStartMs = clock.monotonicMs();
  }

  /** Brings the plain body into the body area; returns its size. */
  #place({ chunks, isSnappy }: IngestRequest): number {
    const { kernel, bodyBytesMax, bodyLimitFlag } = this.#options;
    const sizeBytes = chunks.sizeBytes;
    chunks.copyTo(kernel.u8, isSnappy ? this.#compressedArea : this.#bodyArea);
    if (!isSnappy) return sizeBytes;
    const decodedBytes = snappyDecodedSize(kernel, this.#compressedArea, sizeBytes, bodyBytesMax, bodyLimitFlag);
    snappyDecode(kernel, this.#compressedArea, sizeBytes, this.#bodyArea);
    return decodedBytes;
  }
}

function sumResults(results: readonly WriteResult[], droppedByParser: Partial<Record<DropReason, number>>): Pick<IngestResult, "acceptedSamples" | "droppedSamples"> {
  let acceptedSamples = 0;
  const droppedSamples = { ...droppedByParser };
  for (const result of results) {
    acceptedSamples += result.acceptedSamples;
    for (const [reason, count] of Object.entries(result.droppedSamples) as [DropReason, number][]) droppedSamples[reason] = (droppedSamples[reason] ?? 0) + count;
  }
  return { acceptedSamples, droppedSamples };
}
