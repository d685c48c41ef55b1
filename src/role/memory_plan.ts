/** What the allowed memory is planned for: one place for the sizes that follow from -memory.allowedPercent. */
import { defaultQueryLimits } from "../query/limits.ts";

export interface MemoryPlan {
  readonly allowedBytes: number;
  /** Active series that the head has room for; the room is reserved, but pages that are not used are not resident. */
  readonly seriesMax: number;
  /** Bytes of head chunks aimed at, and at most. */
  readonly chunkBudgetBytes: number;
  readonly chunkBytesMax: number;
  /** Bytes of request bodies held at once. */
  readonly insertBytesInFlight: number;
  /** Series and bytes of columns of one query. */
  readonly querySeriesMax: number;
  readonly queryBytesMax: number;
  /** Index segments of old months that are kept in memory, all reading threads together. */
  readonly indexCacheBytes: number;
  /** Results of queries that are kept, all caches together. */
  readonly resultCacheBytes: number;
}

/** Memory that one active series takes, all in. */
const seriesBytes = 400;

export function planMemory(machineBytes: number, allowedPercent: number, shardCount = 1): MemoryPlan {
  const allowedBytes = Math.floor((machineBytes * allowedPercent) / 100);
  const share = (part: number, minBytes: number, maxBytes: number): number => Math.floor(Math.min(maxBytes, Math.max(minBytes, allowedBytes * part)));
  return {
    allowedBytes,
    seriesMax: Math.floor(Math.min(6e6 * shardCount, Math.max(1e5, allowedBytes / seriesBytes))),
    chunkBudgetBytes: share(1 / 16, 16 << 20, 256 << 20),
    chunkBytesMax: share(1 / 4, 64 << 20, 1 << 30),
    insertBytesInFlight: share(1 / 4, 64 << 20, 1 << 30),
    querySeriesMax: Math.floor(Math.min(5e6, Math.max(defaultQueryLimits.seriesMax, allowedBytes / 4096))),
    queryBytesMax: share(1 / 8, 64 << 20, 3 * 2 ** 30),
    indexCacheBytes: share(1 / 32, 32 << 20, 512 << 20),
    resultCacheBytes: share(1 / 16, 16 << 20, 1 << 30),
  };
}
