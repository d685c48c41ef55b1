/**
 * Small queries are evaluated on the main thread: two messages and two turns of another thread cost more than they do. What a query costs is estimated
 * when its series are selected and again when their blocks are known (inline_cost.ts). One that turns out large is given up, and a query thread starts it
 * anew; so it is with one that would read files that may not be in memory (storage/warm_files.ts). Nothing here waits for anything, so that a query is
 * over when the microtasks are; the event loop is held for about 2 ms at most, by one query in each of its turns.
 */
import type { Clock } from "../base/clock.ts";
import { LimitError } from "../base/errors.ts";
import { Kernel } from "../kernel/kernel.ts";
import { Engine } from "../query/engine.ts";
import { gridBetween } from "../query/grid.ts";
import type { QueryLimits } from "../query/limits.ts";
import { LocalReader } from "../storage/local_reader.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { ownScratch } from "../storage/open_local_store.ts";
import { NotInlineError } from "../storage/part_error.ts";
import { ShardReader } from "../storage/shard.ts";
import type { Snapshot, SnapshotRequest } from "../storage/snapshot.ts";
import { WarmFiles } from "../storage/warm_files.ts";
import { type QueryShape, readCostUs, searchCostUs, shapeOf, startCostUs } from "./inline_cost.ts";
import type { WorkerAnswer, WorkerQuery } from "./query_messages.ts";
import { evaluateEncoded, narrowedText } from "./query_worker.ts";
import { SnapshotStore } from "./snapshot_store.ts";

export interface InlineQueriesOptions {
  readonly store: LocalStore;
  readonly limits: QueryLimits;
  readonly clock: Clock;
}

/** What a query may cost. */
const budgetUs = 1800;
/** Columns that a query may hold. */
const columnBytesMax = 16 << 20;
const headerCacheBytes = 16 << 20;
const frameCacheBytes = 16 << 20;
/** Queries that wait for a turn of the event loop; more go to a query thread. */
const waitingMax = 16;
const closeUnusedMs = 60_000;
/** How long, and of how many queries, it is known that they are too large. */
const largeForMs = 60_000;
const largeQueriesMax = 512;

interface LargeQuery {
  readonly spanMs: number;
  readonly points: number;
  readonly untilMs: number;
}

export class InlineQueries implements Disposable {
  readonly #store: LocalStore;
  readonly #clock: Clock;
  readonly #kernel = new Kernel();
  readonly #files: WarmFiles;
  readonly #reader: LocalReader;
  readonly #engine: Engine;
  readonly #large = new Map<string, LargeQuery>();
  #shape: QueryShape = { stages: 0, points: 0, visits: 0 };
  #costUs = 0;
  #waiting = 0;
  #isTurnTaken = false;
  #closing: Disposable | undefined;

  constructor({ store, limits, clock }: InlineQueriesOptions) {
    this.#store = store;
    this.#clock = clock;
    const old = new Set(store.parts.map(({ path }) => path));
    this.#files = new WarmFiles((path) => !old.has(path.slice(0, path.lastIndexOf("/"))), clock.monotonicMs);
    this.#reader = new LocalReader({
      files: this.#files,
      kernel: this.#kernel,
      shards: store.layouts.map((layout) => new ShardReader(layout, ownScratch)),
      onUnreadable: (path, error) => store.reportUnreadable(path, error),
      headerCacheBytes,
      frameCacheBytes,
      onGroup: (group) => this.#spend(readCostUs(group, this.#shape)),
    });
    const source = { open: (request: SnapshotRequest) => this.#open(request), release: (pin: number) => store.releaseSnapshot(pin) };
    this.#engine = new Engine({
      store: new SnapshotStore(this.#reader, source), kernel: this.#kernel, nowMs: clock.nowMs, monotonicMs: clock.monotonicMs,
      limits: { ...limits, memoryBytesMax: Math.min(limits.memoryBytesMax, columnBytesMax) },
    });
  }

  /** The answer, or undefined if a query thread should give it. Throws what is wrong with the query. */
  async answer(query: WorkerQuery): Promise<WorkerAnswer | undefined> {
    if (query.dialect !== "metricsql" || query.isTraced || this.#waiting >= waitingMax) return undefined;
    const text = narrowedText(query);
    const { expr, plan } = this.#engine.planned(text);
    const { stepMs } = query;
    const { points } = gridBetween(query.startMs, query.endMs, stepMs);
    const shape = shapeOf(plan, points, stepMs);
    // Raw samples are written one by one.
    const isRaw = query.kind === "instant" && expr.kind === "rollup" && expr.window !== undefined;
    if (shape === undefined || isRaw || this.#isLarge(text, query, points)) return undefined;
    while (this.#isTurnTaken) await this.#nextTurn();
    return this.#evaluate(query, text, shape, points);
  }

  /** Closes all files. REQUIRES: no query is being answered. */
  [Symbol.dispose](): void {
    this.#closing?.[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
  }

  async #evaluate(query: WorkerQuery, text: string, shape: QueryShape, points: number): Promise<WorkerAnswer | undefined> {
    this.#takeTurn();
    this.#files.startQuery();
    this.#shape = shape;
    this.#costUs = startCostUs();
    try {
      return await evaluateEncoded({ metricsql: this.#engine }, this.#kernel, query, undefined);
    } catch (error) {
      // The limits here are not those of the flags.
      if (!(error instanceof NotInlineError) && !(error instanceof LimitError)) throw error;
      if (!(error instanceof NotInlineError && error.reason === "cold")) this.#remember(text, query, points);
      return undefined;
    }
  }

  #takeTurn(): void {
    this.#isTurnTaken = true;
    setImmediate(() => (this.#isTurnTaken = false));
    this.#closing ??= this.#clock.setTimer(closeUnusedMs, () => {
      this.#closing = undefined;
      this.#reader.closeUnused();
      this.#files.forgetRemoved();
    });
  }

  async #nextTurn(): Promise<void> {
    this.#waiting++;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#waiting--;
  }

  #open(request: SnapshotRequest): Snapshot {
    const snapshot = this.#store.openSnapshot(request);
    try {
      // Old index segments are read in steps, with turns of the event loop in between.
      if (snapshot.indexSegments.length + snapshot.aliases.length > 0) throw new NotInlineError("large");
      const seriesCount = snapshot.series.reduce((sum, { length }) => sum + length, 0);
      this.#spend(searchCostUs(seriesCount, snapshot.parts.length, this.#shape));
      return snapshot;
    } catch (error) {
      this.#store.releaseSnapshot(snapshot.pin);
      throw error;
    }
  }

  #spend(us: number): void {
    this.#costUs += us;
    if (this.#costUs > budgetUs) throw new NotInlineError("large");
  }

  /** Whether a query that is not larger was too large lately. */
  #isLarge(text: string, { startMs, endMs }: WorkerQuery, points: number): boolean {
    const known = this.#large.get(text);
    if (known === undefined) return false;
    if (this.#clock.monotonicMs() < known.untilMs) return endMs - startMs >= known.spanMs && points >= known.points;
    this.#large.delete(text);
    return false;
  }

  #remember(text: string, { startMs, endMs }: WorkerQuery, points: number): void {
    this.#large.delete(text);
    this.#large.set(text, { spanMs: endMs - startMs, points, untilMs: this.#clock.monotonicMs() + largeForMs });
    if (this.#large.size > largeQueriesMax) this.#large.delete(this.#large.keys().next().value!);
  }
}
