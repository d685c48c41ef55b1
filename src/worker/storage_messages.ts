/** Messages between the main thread and the storage thread. Both sides import this file; every request is answered, in any order. */
import type { LogPiece, Checkpoint, MergeRequest, TableStats, TableVersion } from "../storage/table_client.ts";
import type { Seal } from "../storage/head.ts";
import type { TableSetup } from "../storage/table_writer.ts";
import type { LogLevel } from "../base/logger.ts";

/** First message, as worker data. */
export interface StorageWorkerSetup {
  readonly role: "storage";
  readonly module: WebAssembly.Module;
  readonly table: TableSetup;
  readonly logLevel: LogLevel;
}

export type StorageRequest =
  | { readonly kind: "appendLog"; readonly requestId: number; readonly pieces: readonly LogPiece[]; readonly extraRecords: Uint8Array | undefined }
  | { readonly kind: "rollLog"; readonly requestId: number }
  | { readonly kind: "seal"; readonly requestId: number; readonly shard: number; readonly seal: Seal; readonly nextSeriesId: number }
  | { readonly kind: "checkpoint"; readonly requestId: number; readonly checkpoint: Checkpoint; readonly metadata: Uint8Array }
  | { readonly kind: "merge"; readonly requestId: number; readonly request: MergeRequest }
  | { readonly kind: "quarantine"; readonly requestId: number; readonly partition: string; readonly id: number; readonly reason: string }
  | { readonly kind: "dropBefore"; readonly requestId: number; readonly minMs: number }
  | { readonly kind: "releaseVersion"; readonly requestId: number; readonly version: number }
  | { readonly kind: "close"; readonly requestId: number };

/** A request as its sender writes it: the client adds the number. */
export type WithoutRequestId<T> = T extends { readonly requestId: number } ? Omit<T, "requestId"> : never;

export type StorageReply =
  | { readonly kind: "done"; readonly requestId: number; readonly version?: TableVersion; readonly segment?: number }
  | { readonly kind: "failed"; readonly requestId: number; readonly code: string; readonly message: string }
  | { readonly kind: "stats"; readonly stats: TableStats }
  | { readonly kind: "log"; readonly level: "info" | "warn" | "error"; readonly message: string };
