/**
 * Messages between the main thread and a query thread. The query thread evaluates; the main thread, which owns the indexes, selects series
 * and pins what is read (openSnapshot), and gets the answer's bytes by transfer. Questions about labels of old months come with their snapshot.
 */
import type { MessagePort } from "node:worker_threads";
import type { Dialect } from "../metricsql/parser.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import type { QueryLimits } from "../query/limits.ts";
import type { QueryStats } from "../query/query_context.ts";
import type { TraceNode } from "../query/query_trace.ts";
import type { SegmentCacheStats } from "../storage/segment_cache.ts";
import type { LabelAnswer, LabelQuestion } from "../storage/segment_labels.ts";
import type { ShardLayout } from "../storage/shard.ts";
import type { Snapshot, SnapshotRequest } from "../storage/snapshot.ts";
import type { ErrorMessage } from "./error_message.ts";
import type { SlicePlan } from "./rollup_slices.ts";

/** Worker data: enough to load and compile everything while the store is being opened. */
export interface QueryWorkerStart {
  readonly role: "query";
  readonly module: WebAssembly.Module;
}

/** First message. */
export interface QueryWorkerSetup {
  readonly shards: readonly ShardLayout[];
  readonly scratchNumber: number;
  readonly limits: QueryLimits;
  readonly indexCacheBytes: number | undefined;
  readonly resultCache: ResultCacheSetup | undefined;
  /** This thread among all that there may be. */
  readonly threadNumber: number;
  /** Of ThreadActivity. */
  readonly activity: SharedArrayBuffer;
  readonly slices: SlicePlan;
}

/** The cache of results of one thread; undefined: it has none. */
export interface ResultCacheSetup {
  readonly bytesMax: number;
  /** Samples younger than this are not final. */
  readonly offsetMs: number;
  /** Windows of instant queries from which on their samples are kept. */
  readonly windowMinMs: number;
  /** Of ResultCacheCounts, which all threads share. */
  readonly counts: SharedArrayBuffer;
}

/** A query as it is evaluated; `endMs` and `stepMs` of an instant query are its time and step. */
export interface WorkerQuery {
  readonly kind: "instant" | "range";
  readonly tenant: Tenant;
  /** The language of the query. */
  readonly dialect: Dialect;
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly lookbackMs: number;
  readonly seriesLimit: number;
  readonly enforcedFilters: Selector;
  readonly roundDigits: number | undefined;
  /** Whether the answer must not be made from earlier ones (nocache=1). */
  readonly skipsCaches?: boolean;
  /** PromQL: names are dropped when the whole query is evaluated, not by each operation (delayed_name_removal=1). */
  readonly delaysNameRemoval?: boolean;
  /** Whether the answer comes with what the query did. */
  readonly isTraced: boolean;
}

/** What comes of a query. */
export interface WorkerAnswer {
  /** The JSON document. */
  readonly body: Uint8Array;
  readonly stats: Readonly<QueryStats>;
  readonly trace?: TraceNode;
  /** The samples that the answer depends on; undefined if it depends on something else, or on no samples at all. */
  readonly readRange?: TimeRange | undefined;
}

export type QueryWorkerRequest =
  | { readonly kind: "query"; readonly requestId: number; readonly query: WorkerQuery }
  | { readonly kind: "labels"; readonly requestId: number; readonly question: LabelQuestion }
  | { readonly kind: "cancel"; readonly requestId: number }
  /** Another query thread has started; `port` is for PeerMessages. */
  | { readonly kind: "peer"; readonly threadNumber: number; readonly port: MessagePort }
  /** Another query thread has ended. To be answered with "left" when nothing is read for it any more. */
  | { readonly kind: "leave"; readonly threadNumber: number; readonly requestId: number }
  | { readonly kind: "snapshot"; readonly snapshotId: number; readonly snapshot?: Snapshot; readonly error?: ErrorMessage };

export type QueryWorkerReply =
  | { readonly kind: "openSnapshot"; readonly snapshotId: number; readonly request: SnapshotRequest }
  | { readonly kind: "releaseSnapshot"; readonly pin: number }
  | { readonly kind: "answer"; readonly requestId: number; readonly answer: WorkerAnswer }
  | { readonly kind: "labels"; readonly requestId: number; readonly answer: LabelAnswer }
  | { readonly kind: "failed"; readonly requestId: number; readonly error: ErrorMessage }
  | { readonly kind: "left"; readonly requestId: number }
  /** A large query found fewer idle threads than could help. */
  | { readonly kind: "helpWanted" }
  | { readonly kind: "segmentStats"; readonly stats: SegmentCacheStats }
  | { readonly kind: "unreadable"; readonly path: string; readonly message: string };
