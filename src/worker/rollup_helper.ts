/**
 * RollupHelper: what a query thread without a query of its own does for others. It reads and rolls up slices, one after the other, as long as there are some
 * and nobody asks it for anything else.
 */
import { systemClock } from "../base/clock.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { RollupShare } from "../query/rollup_share.ts";
import type { SearchedStore } from "../query/traced_store.ts";
import type { LocalReader } from "../storage/local_reader.ts";
import type { HelpedPart, HelpReply, HelpRequest } from "./help_messages.ts";
import { slicedSnapshot } from "./rollup_slices.ts";
import { SliceClaims } from "./slice_claims.ts";

export interface RollupHelperOptions {
  readonly thread: number;
  readonly reader: LocalReader;
  readonly store: SearchedStore;
  /** The memory that queries of this thread use too. */
  readonly kernel: () => Kernel;
  /** Whether this thread has nothing else to do. */
  readonly isFree: () => boolean;
}

export class RollupHelper {
  readonly #options: RollupHelperOptions;
  /** The slice that is being read. */
  #slice: Promise<unknown> = Promise.resolve();

  constructor(options: RollupHelperOptions) {
    this.#options = options;
  }

  /** Helps until nothing is left to claim, or this thread has something else to do. REQUIRES: no query of this thread is at work. */
  async help(request: HelpRequest, reply: (answer: HelpReply) => void): Promise<void> {
    const { thread, kernel, store, isFree } = this.#options;
    const claims = new SliceClaims(request.claims);
    if (!isFree() || claims.isEmpty) return;
    using share = new RollupShare(kernel(), store, request.work);
    while (isFree()) {
      const slice = claims.claimLast(thread);
      if (slice === undefined) return;
      const rolling = this.#rollUp(share, request, slice);
      this.#slice = rolling;
      const part = await rolling;
      reply({ kind: "helped", jobId: request.jobId, slice, part });
      if (part === undefined) return;
      // A query may have arrived.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when the slice that is being read has been read. */
  async idle(): Promise<void> {
    await this.#slice;
  }

  /** undefined if it failed: the thread that asks does the slice itself, and reports what is wrong with it. */
  async #rollUp(share: RollupShare, { window, snapshot, request, work, columns }: HelpRequest, slice: number): Promise<HelpedPart | undefined> {
    const beginMs = systemClock.monotonicMs();
    const { points } = work.grid;
    const [from, to] = [window.columnFrom[slice] * points, window.columnFrom[slice + 1] * points];
    try {
      const found = this.#options.reader.search(slicedSnapshot(snapshot, window.slices[slice]), request);
      const made = await share.rollUp(found.batches, new Float64Array(columns, from * 8, to - from));
      return { ...made, isPartial: found.isPartial(), tookMs: systemClock.monotonicMs() - beginMs };
    } catch {
      return undefined;
    }
  }
}
