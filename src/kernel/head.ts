/**
 * Typed door to the head kernels (wasm/head.ts): the context's fields, and the calls. What the parts mean stands there; who calls
 * what, and when chunks may be freed, in storage/head.ts.
 */
import type { Kernel } from "./kernel.ts";

/** Byte offsets of context fields (u32 unless said otherwise). */
export const headContext = {
  index: 0,
  records: 4,
  /** The table of series, see wasm/series_table.ts. */
  segments: 8,
  segmentCount: 12,
  seriesCount: 16,
  seriesMax: 20,
  nextSeriesId: 24,
  seriesIdStep: 28,
  /** u64 each. */
  seedLow: 32,
  seedHigh: 40,
  freeCursor: 48,
  chunkBump: 52,
  chunkEnd: 56,
  chunksUsed: 60,
  entries: 64,
  entryCount: 68,
  entryMax: 72,
  sealNumber: 76,
  sealChunks: 80,
  status: 84,
  resumeSample: 88,
  logPosition: 92,
  logEnd: 96,
  seriesLogPosition: 100,
  seriesLogEnd: 104,
  logRecord: 108,
  /** f64 from here on, but for sealedChunks. */
  nextLogRow: 112,
  logBaseMs: 120,
  accepted: 128,
  droppedOld: 136,
  droppedFuture: 144,
  droppedSeries: 152,
  droppedKind: 160,
  newSeries: 168,
  predictionMisses: 176,
  /** u32: chunks handed over in the current seal. */
  sealedChunks: 184,
  /** u32: bytes of the largest label run that the log takes. */
  runSizeMax: 188,
  droppedLabels: 192,
  /** u32 from here on: the bitmap of free chunks, see wasm/chunks.ts. */
  freeMap: 200,
  freeSummary: 204,
  freeCount: 208,
  /** The table of series again. */
  segmentMax: 212,
  directory: 216,
  directoryDepth: 220,
  directoryDepthMax: 224,
  segmentStates: 228,
  splitScratch: 232,
  /** New series that the next append may register before it stops. */
  newSeriesLeft: 236,
  /** The area of late writes, see late_writes.ts. */
  lateWrites: 252,
  sizeBytes: 256,
} as const;

export const headStatus = { done: 0, needsChunks: 1, entriesFull: 2, logFull: 3, seriesLogFull: 4, turn: 5 } as const;

export const headRecordBytes = 32;
/** Offset of the seriesId (u32) in a series record. */
export const headRecordSeriesId = 28;
export const headChunkBytes = 128;
export const headChunkSlots = 8;
/** One segment of the table of series. They are split at 768 series, so that one has 384 or more, but for chance. */
export const headSegmentBytes = 8192;
export const headSegmentSeriesMin = 320;
/** A directory entry of the table of series takes 4 bytes, and more than 22 bits of a tag are not used for it. */
export const headDirectoryDepthMax = 22;
/** Areas of the bitmap of free chunks, cleared. */
export const headFreeMapBytes = 4 << 20;
export const headFreeSummaryBytes = 64 << 10;
/** One hand-over entry: u32 seriesIndex, u32 newest chunk, u32 chunk count. */
export const headEntryBytes = 12;

/** The kernels of wasm/head.ts, series_table.ts and series_load.ts on one memory. Pointers are byte addresses. */
export interface HeadKernels {
  headRegister(context: number, run: number, size: number, accountId: number, projectId: number, seriesId: number): number;
  seriesTableReserve(context: number, seriesCount: number): void;
  seriesLoadRows(load: number, pairIds: number, counts: number, count: number, seriesIds: number, tenants: number, minDay: number, maxDay: number): void;
  seriesLoadRecords(load: number, record: number, entry: number, end: number): number;
  headForgetLogged(context: number, fromSeries: number, toSeries: number, beforeDay: number): void;
  headShardOf(context: number, run: number, size: number, accountId: number, projectId: number, shardCount: number): number;
  headGiveChunks(context: number, from: number, to: number): void;
  headAppend(
    context: number, rows: number, fromRow: number, rowCount: number, labelBase: number, timestamps: number, values: number, knownSeries: number,
    accountId: number, projectId: number, minMs: number, maxMs: number,
  ): number;
  headReplay(context: number, payload: number, fromRow: number, idTable: number, idMax: number, persisted: number): number;
  headHandOver(context: number, fromSeries: number, toSeries: number): number;
  headHandOverSilent(context: number, fromSeries: number, toSeries: number, beforeRow: number): number;
  headUnlink(context: number, entries: number, fromEntry: number, toEntry: number, cutSeries: number): void;
  headFree(context: number, entries: number, fromEntry: number, toEntry: number): void;
  headCopyOut(
    context: number, list: number, count: number, minMs: number, maxMs: number, publishedSeal: number,
    sampleFrom: number, timestamps: number, values: number, capacity: number, scratch: number,
  ): number;
  headGather(
    context: number, entries: number, order: number, fromEntry: number, toEntry: number, seriesIndexes: number, seriesIds: number, sampleFrom: number,
    lastLogRows: number, timestamps: number, values: number, capacity: number, scratch: number, seriesCountOut: number,
  ): number;
  headCopyChunks(
    context: number, seriesIndex: number, chunk: number, publishedSeal: number, timestamps: number, values: number, capacity: number, nextChunkOut: number,
  ): number;
  headGatherEntries(
    entries: number, order: number, fromEntry: number, toEntry: number, timestamps: number, values: number, capacity: number, samplesOut: number,
  ): number;
  headSeriesIds(context: number, list: number, count: number, target: number): void;
  headFingerprints(context: number, list: number, count: number, target: number): void;
  headFingerprintRuns(context: number, runs: number, offsets: number, count: number, accountIds: number, projectIds: number, target: number): void;
}

/** The head kernels of an instance. */
export function headKernels(kernel: Kernel): HeadKernels {
  return kernel.exports as unknown as HeadKernels;
}

