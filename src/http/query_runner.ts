/**
 * QueryRunner: what the query endpoints ask. It takes a query's text and gives the finished JSON document, so that parsing, evaluation and
 * encoding may happen on another thread.
 */
import type { Dialect } from "../metricsql/parser.ts";
import type { Selector, Tenant } from "../model/matcher.ts";

interface QueryRequest {
  readonly tenant: Tenant;
  /** The language of the query. */
  readonly dialect: Dialect;
  readonly query: string;
  /** Given with the answer's series when it is not 0: at most so many. */
  readonly seriesLimit: number;
  /** Every selector of the query is narrowed by it; `[[]]` leaves it as it is. */
  readonly enforcedFilters: Selector;
  /** How far a value may reach; 0: as the flags say, for queries in MetricsQL. */
  readonly lookbackMs: number;
  /** Digits after the point that values are rounded to; undefined: none. */
  readonly roundDigits: number | undefined;
  /** Aborted when the client goes away or time is up; the reason is the error to answer with. */
  readonly signal: AbortSignal;
}

export interface InstantRequest extends QueryRequest {
  readonly timeMs: number;
  readonly stepMs: number;
}

export interface RangeRequest extends QueryRequest {
  /** Inclusive, already aligned. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

export interface EncodedAnswer {
  /** The whole document: {"status":"success","data":...}. */
  readonly body: Uint8Array;
}

export interface QueryRunner {
  instant(request: InstantRequest): Promise<EncodedAnswer>;
  range(request: RangeRequest): Promise<EncodedAnswer>;
}
