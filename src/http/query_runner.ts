/**
 * QueryRunner: what the query endpoints ask. It takes a query's text and gives the finished JSON document, so that parsing, evaluation and
 * encoding may happen on another thread.
 */
import type { Dialect } from "../metricsql/parser.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import type { QueryStats } from "../query/query_context.ts";
import type { TraceNode } from "../query/query_trace.ts";

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
  /** Whether the answer must not be made from earlier ones (nocache=1). */
  readonly skipsCaches?: boolean;
  /** PromQL: names are dropped when the whole query is evaluated, not by each operation (delayed_name_removal=1). */
  readonly delaysNameRemoval?: boolean;
  /** Whether the answer is to come with what the query did. */
  readonly isTraced: boolean;
  /** Aborted when the client goes away or time is up; the reason is the error to answer with. Made when it is asked for: most queries are over before. */
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
  /** What it took; undefined where nobody knows. */
  readonly stats?: Readonly<QueryStats>;
  readonly trace?: TraceNode;
  /** The samples that the answer depends on; undefined if it depends on something else, or on no samples at all. */
  readonly readRange?: TimeRange | undefined;
}

/** Answers at once where it can. */
export interface QueryRunner {
  instant(request: InstantRequest): Promise<EncodedAnswer> | EncodedAnswer;
  range(request: RangeRequest): Promise<EncodedAnswer> | EncodedAnswer;
}
