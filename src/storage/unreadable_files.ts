/**
 * What readers report as unreadable: said once for each file, and asked of the table now and then, which takes a file out of service if it cannot read
 * it either.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { TableClient, TableVersion } from "./table_client.ts";

export interface UnreadableFilesOptions {
  readonly table: TableClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes over the version without the file. */
  readonly publish: (version: TableVersion) => void;
}

/** The table is asked about a file once in so long. */
const askIntervalMs = 30_000;
const pathsMax = 10_000;

export class UnreadableFiles {
  readonly #options: UnreadableFilesOptions;
  /** When the table was asked last, by path. */
  readonly #askedMs = new Map<string, number>();
  #count = 0;

  constructor(options: UnreadableFilesOptions) {
    this.#options = options;
  }

  /** Reports so far: reads that left something out. */
  get count(): number {
    return this.#count;
  }

  /** A reader could not read the part or index segment at `path`, or some of it. */
  report(path: string, error: unknown): void {
    this.#count++;
    const { clock, logger, table, publish } = this.#options;
    const nowMs = clock.monotonicMs();
    const askedMs = this.#askedMs.get(path);
    if (askedMs === undefined) {
      logger.error(`cannot read all of ${path}, answers that need it are partial: ${String(error)}`);
      if (this.#askedMs.size >= pathsMax) this.#askedMs.clear();
    } else if (nowMs - askedMs < askIntervalMs) return;
    this.#askedMs.set(path, nowMs);
    const place = /\/partitions\/([\w-]+)\/(?:parts\/(\d+)|index\/(\d+)\.idx)$/.exec(path);
    if (place === null) return;
    table.quarantine(place[1], Number(place[2] ?? place[3]), String(error)).then(publish, (cause: unknown) => {
      logger.warn(`cannot take ${path} out of service: ${String(cause)}`);
    });
  }
}
