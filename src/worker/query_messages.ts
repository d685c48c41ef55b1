/**
 * Messages between the main thread and a query thread. The query thread evaluates; the main thread, which owns the indexes, selects series
 * and pins what is read (openSnapshot), and gets the answer's bytes by transfer. Questions about labels of old months come with their snapshot.
 */
import type { Dialect } from "../metricsql/parser.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { QueryLimits } from "../query/limits.ts";
import type { SegmentCacheStats } from "../storage/segment_cache.ts";
import type { LabelAnswer, LabelQuestion } from "../storage/segment_labels.ts";
import type { ShardLayout } from "../storage/shard.ts";
import type { Snapshot, SnapshotRequest } from "../storage/snapshot.ts";
import type { ErrorMessage } from "./error_message.ts";

/** First message, as worker data. */
export interface QueryWorkerSetup {
  readonly role: "query";
  readonly module: WebAssembly.Module;
  readonly shards: readonly ShardLayout[];
  readonly scratchNumber: number;
  readonly limits: QueryLimits;
  readonly indexCacheBytes: number | undefined;
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
}

export type QueryWorkerRequest =
  | { readonly kind: "query"; readonly requestId: number; readonly query: WorkerQuery }
  | { readonly kind: "labels"; readonly requestId: number; readonly question: LabelQuestion }
  | { readonly kind: "cancel"; readonly requestId: number }
  | { readonly kind: "snapshot"; readonly snapshotId: number; readonly snapshot?: Snapshot; readonly error?: ErrorMessage };

export type QueryWorkerReply =
  | { readonly kind: "openSnapshot"; readonly snapshotId: number; readonly request: SnapshotRequest }
  | { readonly kind: "releaseSnapshot"; readonly pin: number }
  | { readonly kind: "answer"; readonly requestId: number; readonly body: Uint8Array }
  | { readonly kind: "labels"; readonly requestId: number; readonly answer: LabelAnswer }
  | { readonly kind: "failed"; readonly requestId: number; readonly error: ErrorMessage }
  | { readonly kind: "segmentStats"; readonly stats: SegmentCacheStats }
  | { readonly kind: "unreadable"; readonly path: string; readonly message: string };
