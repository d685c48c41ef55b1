/** The queries that are being answered, for /api/v1/status/active_queries, and the way to end one before its time. */
import type { Clock } from "../base/clock.ts";
import { InputError } from "../base/errors.ts";
import type { Dialect } from "../metricsql/parser.ts";
import type { Exchange } from "./exchange.ts";

/** A query in the words of its request. Times in milliseconds; an instant query starts where it ends. */
export interface QueryFacts {
  readonly query: string;
  readonly dialect: Dialect;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

export interface ActiveQuery extends QueryFacts, Disposable {
  /** 16 hexadecimal digits, not used again while the process lives. */
  readonly id: string;
  readonly path: string;
  readonly remoteAddress: string;
  /** On the monotonic clock. */
  readonly startedMs: number;
}

/** Ids of one millisecond. */
const idsPerMs = 1024;

export class ActiveQueries {
  readonly #running = new Map<string, ActiveQuery & { readonly exchange: Exchange }>();
  #nextId: number;

  constructor(clock: Clock) {
    // Two processes after each other have different ids.
    this.#nextId = clock.nowMs() * idsPerMs;
  }

  /** A query is listed until the result is disposed of. */
  add(facts: QueryFacts, exchange: Exchange, startedMs: number): ActiveQuery {
    const id = (this.#nextId++).toString(16).toUpperCase().padStart(16, "0");
    const { path, remoteAddress } = exchange;
    const active = { ...facts, id, path, remoteAddress, exchange, startedMs, [Symbol.dispose]: () => void this.#running.delete(id) };
    this.#running.set(id, active);
    return active;
  }

  /** The oldest first. */
  list(): readonly ActiveQuery[] {
    return [...this.#running.values()];
  }

  /** Ends a query; its client is told. Throws InputError "not_found" if it is not there (any more). */
  cancel(id: string): ActiveQuery {
    const active = this.#running.get(id.trim().toUpperCase());
    if (active === undefined) throw new InputError("not_found", `no query with id ${JSON.stringify(id)} is running; it may have ended`);
    active.exchange.abort(new InputError("canceled", `the query ${active.id} was cancelled through /api/v1/status/active_queries`));
    return active;
  }
}
