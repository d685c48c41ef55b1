/**
 * SilentSeries: what has stopped sending leaves the head. Now and then the chunks of series that got no sample for some minutes, or whose last one is a
 * stale marker, are handed over, so that a series which is only remembered takes no chunk memory. Silent is who sent nothing, not whose samples are
 * old (a backfill is not silent), so the log tells: rows have numbers in the order of arrival.
 *
 * Chunks that are handed over wait for company: a seal of its own is made only of many; fewer go with the next one, at the latest with the checkpoint.
 */
import type { Head } from "./head.ts";
import type { Shard } from "./shard.ts";

/** Series looked at between two turns of the event loop: about a millisecond, since most have a chunk to look into. */
const sliceCount = 8192;
/** Handed-over chunks that are worth a seal: 4 MiB. */
const sealChunksMin = 32_768;
const defaultSilentMs = 5 * 60_000;

export interface SilentSeriesOptions {
  readonly shards: readonly Shard[];
  /** Sends closed seals on their way; with `force` the one that is being filled too. */
  readonly sendSeals: (head: Head, force: boolean) => void;
  /** Without a sample for so long a series is silent. Default: 5 minutes. */
  readonly silentMs?: number;
}

export class SilentSeries {
  readonly #options: SilentSeriesOptions;
  /** For each head the next log row at some times past, oldest first. */
  readonly #marks: { timeMs: number; logRows: number[] }[] = [];
  #isSweeping = false;

  constructor(options: SilentSeriesOptions) {
    this.#options = options;
  }

  /** Hands over what is silent now. To be called every minute or so, since only the times of calls are known later. */
  async sweep(nowMs: number): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      const beforeRows = this.#silentRows(nowMs);
      for (const [shard, { head }] of this.#options.shards.entries()) await this.#sweepHead(head, beforeRows[shard]);
    } finally {
      this.#isSweeping = false;
    }
  }

  /** By head the log row before which a series' newest sample is old enough. */
  #silentRows(nowMs: number): number[] {
    const logRows = this.#options.shards.map(({ head }) => head.nextLogRow);
    const marks = this.#marks;
    marks.push({ timeMs: nowMs, logRows });
    const oldMs = nowMs - (this.#options.silentMs ?? defaultSilentMs);
    while (marks.length > 1 && marks[1].timeMs <= oldMs) marks.shift();
    return marks[0].timeMs <= oldMs ? marks[0].logRows : logRows.map(() => 0);
  }

  async #sweepHead(head: Head, beforeRow: number): Promise<void> {
    const { sendSeals } = this.#options;
    for (let from = 0; from < head.seriesCount; from += sliceCount) {
      const to = Math.min(head.seriesCount, from + sliceCount);
      const reached = head.handOverSilent(from, to, beforeRow);
      sendSeals(head, false);
      if (reached < to) return; // no room to hand over to: the next sweep goes on
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (head.handedOverChunks >= sealChunksMin) sendSeals(head, true);
  }
}
