/**
 * Messages between two query threads, over a port of their own: one asks the other to help with a rollup, the other sends what it computed, slice by slice.
 * Columns are written to memory that both share.
 */
import type { SearchRequest } from "../model/store.ts";
import type { RollupWork } from "../query/column_store.ts";
import type { ShareColumns } from "../query/rollup_share.ts";
import type { Snapshot } from "../storage/snapshot.ts";
import type { SliceWindow } from "./rollup_slices.ts";

export type PeerMessage = HelpRequest | HelpReply;

export interface HelpRequest {
  readonly kind: "help";
  readonly jobId: number;
  /** Of SliceClaims. */
  readonly claims: SharedArrayBuffer;
  /** Column k of slice i begins at value (columnFrom[i] + k) * points. */
  readonly columns: SharedArrayBuffer;
  readonly window: SliceWindow;
  readonly snapshot: Snapshot;
  readonly request: SearchRequest;
  readonly work: RollupWork;
}

export interface HelpReply {
  readonly kind: "helped";
  readonly jobId: number;
  readonly slice: number;
  /** undefined: it failed. The one who asked does it himself, and sees the same failure if it is one of the slice. */
  readonly part: HelpedPart | undefined;
}

export interface HelpedPart extends ShareColumns {
  readonly isPartial: boolean;
  readonly tookMs: number;
}
