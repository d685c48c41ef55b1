/**
 * What of a snapshot's series is read and rolled up together when threads share the work. Slices depend on nothing but the snapshot and the grid, so that
 * an answer is the same however many threads there are; a small search has none.
 */
import type { SearchRequest, TimeRange } from "../model/store.ts";
import type { Snapshot } from "../storage/snapshot.ts";

/** Series [fromIndex, toIndex) of a shard. */
export interface RollupSlice {
  readonly shard: number;
  readonly fromIndex: number;
  readonly toIndex: number;
}

/** Slices whose columns are held at once. */
export interface SliceWindow {
  readonly slices: readonly RollupSlice[];
  /** Series of each slice and those before it in the window: columns of slice i begin at columnFrom[i]. */
  readonly columnFrom: readonly number[];
}

export interface SlicePlan {
  /** A search that takes less is not sliced. */
  readonly searchUsMin: number;
  /** What a slice should take. */
  readonly sliceUs: number;
  readonly windowBytesMax: number;
  /** How much longer than the query's thread a helper may take for a slice. */
  readonly patienceMs: number;
  /** After a helper took longer, nobody is asked for so long: the cores have other things to do. */
  readonly aloneMs: number;
}

/** Of a thread that has done such work before: a slice takes about a millisecond and a half. */
export const usualSlicePlan: SlicePlan = { searchUsMin: 4000, sliceUs: 1500, windowBytesMax: 16 << 20, patienceMs: 1, aloneMs: 500 };

const cost = { series: 1, sample: 0.0035, point: 0.004 } as const;
/** Of the samples that a Store may put together, it does so with most. */
const decodedShare = 0.25;
/** Series that a LocalReader reads as one group. */
const sliceSeriesMax = 2048;

/** undefined: not worth it, or not all series are live ones of their own. */
export function sliceSnapshot(snapshot: Snapshot, { range, rollup }: SearchRequest, points: number, { searchUsMin, sliceUs }: SlicePlan): readonly RollupSlice[] | undefined {
  if (snapshot.viewsHistograms === true || snapshot.indexSegments.length + snapshot.aliases.length > 0) return undefined;
  const seriesCount = snapshot.series.reduce((sum, { length }) => sum + length, 0);
  const decoded = samplesPerSeries(snapshot, range) * (rollup === undefined ? 1 : decodedShare);
  const seriesUs = cost.series + decoded * cost.sample + points * cost.point;
  if (seriesCount < 2 || seriesCount * seriesUs < searchUsMin) return undefined;
  const count = Math.max(1, Math.min(sliceSeriesMax, Math.round(sliceUs / seriesUs)));
  return snapshot.series.flatMap(({ length }, shard) => {
    // Of about the same size.
    const slices = Math.ceil(length / count);
    return Array.from({ length: slices }, (_, i) => ({ shard, fromIndex: Math.floor((length * i) / slices), toIndex: Math.floor((length * (i + 1)) / slices) }));
  });
}

/** Slices in their order, with columns of `points` points that fit into the bytes of a window; a window has at least one slice. */
export function sliceWindows(slices: readonly RollupSlice[], points: number, { windowBytesMax }: SlicePlan): readonly SliceWindow[] {
  const windows: { slices: RollupSlice[]; columnFrom: number[] }[] = [];
  for (const slice of slices) {
    const columns = slice.toIndex - slice.fromIndex;
    const last = windows.at(-1);
    if (last === undefined || (last.columnFrom.at(-1)! + columns) * points * 8 > windowBytesMax || last.slices.length === windowSlicesMax) {
      windows.push({ slices: [slice], columnFrom: [0, columns] });
    } else {
      last.slices.push(slice);
      last.columnFrom.push(last.columnFrom.at(-1)! + columns);
    }
  }
  return windows;
}

/** So many that their numbers fit SliceClaims. */
const windowSlicesMax = 4096;

/** The part of a snapshot that a slice is. */
export function slicedSnapshot(snapshot: Snapshot, { shard, fromIndex, toIndex }: RollupSlice): Snapshot {
  return { ...snapshot, series: snapshot.series.map((series, i) => (i === shard ? series.subarray(fromIndex, toIndex) : series.subarray(0, 0))) };
}

/** About how many samples in files each series has in the range: those of a part are taken to be evenly over its time and its series. */
function samplesPerSeries({ parts }: Snapshot, { minMs, maxMs }: TimeRange): number {
  let samples = 0;
  for (const part of parts) {
    const inRangeMs = Math.min(part.maxMs, maxMs) - Math.max(part.minMs, minMs);
    if (inRangeMs >= 0) samples += ((part.sampleCount / Math.max(1, part.seriesCount)) * (inRangeMs + 1)) / (part.maxMs - part.minMs + 1);
  }
  return samples;
}
