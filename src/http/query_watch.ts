/**
 * What can end a query before its time, and shows it to others: its place in the list of active queries, the time limit, the client that goes away. A query on
 * the main thread is over within the turn of the event loop in which it came, when none of that can happen; so it begins with the next turn.
 */
import { UnavailableError } from "../base/errors.ts";
import type { QueryFacts } from "./active_queries.ts";
import type { Api } from "./api.ts";
import type { QueryRecord } from "./query_record.ts";

export class QueryWatch implements Disposable {
  readonly #api: Api;
  readonly #facts: QueryFacts;
  readonly #record: QueryRecord;
  readonly #timeoutMs: number;
  readonly #nextTurn: NodeJS.Immediate;
  #started: DisposableStack | undefined;
  #giveUp: ((reason: unknown) => void) | undefined;

  constructor(api: Api, facts: QueryFacts, record: QueryRecord, timeoutMs: number) {
    this.#api = api;
    this.#facts = facts;
    this.#record = record;
    this.#timeoutMs = timeoutMs;
    this.#nextTurn = setImmediate(() => this.start());
  }

  /** Begins now. */
  start(): void {
    clearImmediate(this.#nextTurn);
    if (this.#started !== undefined) return;
    const { clock, activeQueries } = this.#api;
    const { exchange, startedMs } = this.#record;
    const started = new DisposableStack();
    this.#started = started;
    started.use(activeQueries.add(this.#facts, exchange, startedMs));
    // Whole, since timers cut fractions off: not before its time.
    const leftMs = Math.max(0, Math.ceil(startedMs + this.#timeoutMs - clock.monotonicMs()));
    started.use(clock.setTimer(leftMs, () => {
      exchange.abort(new UnavailableError("query_timeout", `the query took longer than ${this.#timeoutMs / 1000}s (argument timeout, -search.maxQueryDuration)`));
    }));
    this.#listen();
  }

  /** The result of `work`, or rejects before with the reason why the query was given up. */
  firstOf<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      if (this.#started !== undefined) this.#listen();
      work.then(resolve, reject);
    });
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#nextTurn);
    this.#started?.dispose();
  }

  #listen(): void {
    const { signal } = this.#record.exchange;
    const giveUp = this.#giveUp;
    if (giveUp === undefined) return;
    const onAbort = (): void => giveUp(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#started?.defer(() => signal.removeEventListener("abort", onAbort));
  }
}
