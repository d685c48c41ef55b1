/**
 * Upkeep: what a store does by itself as time goes on: checkpoints when the log has grown or some time has passed, merges, and dropping partitions that are
 * past the retention.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { LocalReader } from "./local_reader.ts";
import { mergeSettleMs } from "./merge_schedule.ts";
import { partitionNamed } from "./partition.ts";
import type { Shard } from "./shard.ts";
import type { SilentSeries } from "./silent_series.ts";
import type { PartRef, TableClient, TableVersion } from "./table_client.ts";

const dayMs = 86_400_000;
/** Series handled between two turns of the event loop: about a millisecond. */
const sliceCount = 32_768;
const periodMs = 1000;
/** How often files are closed, silent series are handed over and retention is looked at. */
const slowPeriodMs = 60_000;

export interface UpkeepOptions {
  readonly shards: readonly Shard[];
  readonly checkpointer: Checkpointer;
  readonly table: TableClient;
  readonly reader: LocalReader;
  readonly silentSeries: SilentSeries;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retentionMs: number;
  /** Log bytes after which everything is sealed and the log cut. */
  readonly checkpointLogBytes: number;
  /** Rows in the log after which the same is done, since small ones take little room there and as long to replay as others. */
  readonly checkpointLogRows: number;
  readonly checkpointIntervalMs: number;
  readonly publish: (version: TableVersion) => void;
  /** The live parts. */
  readonly parts: () => readonly PartRef[];
  /** Told of what is no longer there: samples up to this time. */
  readonly expired: (beforeMs: number) => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #checkpointMs: number;
  #slowMs = 0;
  #isMerging = false;
  /** The live parts when a merge was looked for last. */
  #lookedAt: readonly PartRef[] | undefined;
  /** When those will have settled. */
  #settledMs = Infinity;
  #timer: Disposable | undefined;
  #isClosed = false;

  /** Begins at once; close() ends it. */
  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#checkpointMs = options.clock.monotonicMs();
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(periodMs, () => {
      this.#run(this.#options.clock.monotonicMs());
      this.#schedule();
    });
  }

  #run(nowMs: number): void {
    const { checkpointer, checkpointLogBytes, checkpointLogRows, checkpointIntervalMs } = this.#options;
    const isLong = checkpointer.logBytes >= checkpointLogBytes || checkpointer.logRows >= checkpointLogRows;
    if ((isLong || nowMs - this.#checkpointMs >= checkpointIntervalMs) && !checkpointer.isRunning) {
      this.#checkpointMs = nowMs;
      this.#background("checkpoint", checkpointer.run());
    }
    this.#mergeWhatIsWorthIt(nowMs);
    if (nowMs - this.#slowMs < slowPeriodMs) return;
    this.#slowMs = nowMs;
    this.#lookedAt = undefined; // time alone makes merges worth it, too: a month is over, there is space again
    this.#options.reader.closeUnused();
    this.#background("handing over silent series", this.#options.silentSeries.sweep(nowMs));
    this.#background("retention", this.dropExpired());
  }

  /**
   * Drops partitions whose month is over and past the retention. Their indexes go with them, so that a series may be left that no other
   * partition's index has: such series are logged again with their next sample, and the indexes stay until what was logged before is sealed.
   */
  async dropExpired(): Promise<void> {
    // A day more, so that no sample that was accepted a while ago is for a partition that goes.
    const minMs = this.#options.clock.nowMs() - this.#options.retentionMs - dayMs;
    const expired = this.#options.parts().map((part) => partitionNamed(part.partition)?.maxMs ?? Infinity).filter((maxMs) => maxMs < minMs);
    if (expired.length === 0) return;
    const beforeDay = Math.floor((Math.max(...expired) + 1) / dayMs);
    for (const { head } of this.#options.shards) {
      for (let from = 0; from < head.seriesCount; from += sliceCount) {
        head.forgetLogged(from, Math.min(head.seriesCount, from + sliceCount), beforeDay);
        await nextTurn();
      }
    }
    this.#options.publish(await this.#options.table.dropBefore(minMs));
    this.#options.expired(Math.max(...expired));
    await this.#options.checkpointer.run();
  }

  /** Has the table look for a merge when there are other parts than last time, and when they have settled; one merge at a time. */
  #mergeWhatIsWorthIt(nowMs: number): void {
    const { table, publish, parts } = this.#options;
    const isChanged = this.#lookedAt !== parts();
    if (this.#isMerging || (!isChanged && nowMs < this.#settledMs)) return;
    this.#isMerging = true;
    this.#settledMs = isChanged ? nowMs + mergeSettleMs : Infinity;
    this.#lookedAt = parts();
    this.#background("a merge in the background", table.merge({ force: false }).then(publish).finally(() => (this.#isMerging = false)));
  }

  #background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#isClosed) this.#options.logger.warn(`${what} failed: ${String(error)}`);
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
