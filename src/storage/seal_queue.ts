/**
 * Seals on their way out of memory, in the order of their numbers:
 *
 *   send ──> TableClient.seal, again and again until the disk takes it ──> new TableVersion
 *        ──> chunks unlinked, when no reader needs them any more ──> chunks freed, when no reader is left that may have been on its way to them
 *
 * A seal that fails for good, because the store closes, takes all later ones with it: a part must not hold newer samples of a series than one
 * that is missing, because replay takes a series' newest log row in the parts for the end of what is in parts.
 */
import type { Clock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Head, Seal } from "./head.ts";
import type { ReaderPins } from "./reader_pins.ts";
import type { TableClient, TableVersion } from "./table_client.ts";

const retryMs = 1000;
/** Chunks unlinked or freed between two turns of the event loop: each is two cache misses, together a millisecond or two. */
const chunksPerTurn = 8192;

export interface SealQueueOptions {
  readonly table: TableClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pins: ReaderPins;
  /** Takes over the version that has the seal's parts. */
  readonly publish: (version: TableVersion) => void;
}

export class SealQueue {
  readonly #options: SealQueueOptions;
  readonly #closing = Promise.withResolvers<void>();
  #isClosing = false;
  /** Rejects from the first seal on that failed for good. */
  #sealed: Promise<void> = Promise.resolve();
  #unlinked: Promise<void> = Promise.resolve();
  #freed: Promise<void> = Promise.resolve();
  #pendingCount = 0;
  #failure: unknown;
  #changed = Promise.withResolvers<void>();

  constructor(options: SealQueueOptions) {
    this.#options = options;
  }

  /** Seals that are not published. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Why sealing fails at the moment, undefined if it does not. */
  get failure(): unknown {
    return this.#failure;
  }

  send(shardNumber: number, head: Head, seal: Seal, nextSeriesId: number): void {
    this.#pendingCount++;
    this.#sealed = this.#sealed.then(() => this.#seal(shardNumber, head, seal, nextSeriesId));
    this.#sealed.catch(() => undefined).finally(() => {
      this.#pendingCount--;
      this.#notify();
    });
  }

  /** Resolves when a seal is published, fails, or its chunks are free. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Resolves when all seals sent until now are published; rejects when one of them failed for good. */
  drained(): Promise<void> {
    return this.#sealed;
  }

  /** Seals that fail are not tried again from now on; those that wait for another try get their last one. Whoever waits for a change looks again. */
  close(): void {
    this.#isClosing = true;
    this.#closing.resolve();
    this.#notify();
  }

  /** Resolves when nothing of this is going on. What readers still hold is not waited for. */
  async settled(): Promise<void> {
    await this.#sealed.catch(() => undefined);
    await this.#unlinked;
    await this.#freed;
  }

  async #seal(shardNumber: number, head: Head, seal: Seal, nextSeriesId: number): Promise<void> {
    const { pins, publish } = this.#options;
    publish(await this.#sealUntilDone(shardNumber, seal, nextSeriesId));
    pins.whenUnread(() => {
      this.#unlinked = this.#unlinked.then(() => this.#unlink(head, seal));
    });
  }

  /** A full disk must not lose a seal: its chunks stay readable and it is tried again. */
  async #sealUntilDone(shardNumber: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    const { table, logger } = this.#options;
    for (;;) {
      try {
        const version = await table.seal(shardNumber, seal, nextSeriesId);
        if (this.#failure !== undefined) logger.info("sealing works again");
        this.#failure = undefined;
        return version;
      } catch (error) {
        if (this.#failure === undefined) logger.error(`cannot seal, trying again every ${retryMs} ms: ${String(error)}`);
        this.#failure = error;
        this.#notify();
        if (this.#isClosing) throw new UnavailableError("shutting_down", `the store closes and cannot seal: ${String(error)}`, { cause: error });
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    using _timer = this.#options.clock.setTimer(retryMs, waiting.resolve);
    await Promise.race([waiting.promise, this.#closing.promise]);
  }

  /** Last entries first, as Head.unlink asks. */
  async #unlink(head: Head, seal: Seal): Promise<void> {
    const slice = entriesPerTurn(seal);
    for (let to = seal.entryCount; to > 0; to -= slice) {
      head.unlink(seal, Math.max(0, to - slice), to);
      if (to > slice) await nextTurn();
    }
    this.#options.pins.whenUnread(() => {
      this.#freed = this.#freed.then(() => this.#free(head, seal));
    });
  }

  async #free(head: Head, seal: Seal): Promise<void> {
    const slice = entriesPerTurn(seal);
    for (let from = 0; from < seal.entryCount; from += slice) {
      head.free(seal, from, Math.min(seal.entryCount, from + slice));
      if (from + slice < seal.entryCount) await nextTurn();
    }
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function entriesPerTurn(seal: Seal): number {
  return Math.max(1, Math.floor((chunksPerTurn * seal.entryCount) / seal.chunkCount));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
