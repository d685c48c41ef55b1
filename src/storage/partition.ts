/** Partitions: the parts and index segments of one calendar month, UTC. Retention drops whole partitions; every part lies in one. */
import { assert } from "../base/assert.ts";
import type { ColumnRun } from "./column_run.ts";

export interface Partition {
  /** "YYYY_MM", the name of its directory. */
  readonly name: string;
  /** Inclusive bounds. */
  readonly minMs: number;
  readonly maxMs: number;
}

const dayMs = 86_400_000;

/** The partition that holds `timestampMs`. */
export function partitionOf(timestampMs: number): Partition {
  const date = new Date(timestampMs);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  assert(Number.isFinite(year), "timestamp is out of range");
  const name = `${String(year).padStart(4, "0")}_${String(month + 1).padStart(2, "0")}`;
  return { name, minMs: Date.UTC(year, month, 1), maxMs: Date.UTC(year, month + 1, 1) - 1 };
}

/** The partition with this directory name, or undefined if it is none. */
export function partitionNamed(name: string): Partition | undefined {
  const match = /^(\d{4})_(0[1-9]|1[0-2])$/.exec(name);
  return match === null ? undefined : partitionOf(Date.UTC(Number(match[1]), Number(match[2]) - 1, 1));
}

/** Days of the partition that [minMs, maxMs] touches: bit 0 is the first day of the month. */
export function daysOf(partition: Partition, minMs: number, maxMs: number): number {
  const first = Math.floor((Math.max(minMs, partition.minMs) - partition.minMs) / dayMs);
  const last = Math.floor((Math.min(maxMs, partition.maxMs) - partition.minMs) / dayMs);
  // 31 days fit; shifting by 32 would be shifting by 0.
  return last < first ? 0 : ((2 ** (last + 1) - 2 ** first) >>> 0);
}

export interface PartitionRun {
  readonly partition: Partition;
  readonly run: ColumnRun;
}

/**
 * The run cut by month, oldest first. Usually that is the run itself; at the turn of a month, and for samples sent late, its samples are
 * copied into one run for each month.
 */
export function splitByPartition(run: ColumnRun): PartitionRun[] {
  let minMs = Infinity;
  let maxMs = -Infinity;
  for (let i = 0; i < run.seriesCount; i++) {
    if (run.sampleFrom[i] === run.sampleFrom[i + 1]) continue;
    minMs = Math.min(minMs, run.timestampsMs[run.sampleFrom[i]]);
    maxMs = Math.max(maxMs, run.timestampsMs[run.sampleFrom[i + 1] - 1]);
  }
  if (minMs > maxMs) return [];
  const runs: PartitionRun[] = [];
  for (let partition = partitionOf(minMs); ; partition = partitionOf(minMs)) {
    if (minMs >= partition.minMs && maxMs <= partition.maxMs && runs.length === 0) return [{ partition, run }];
    const { run: cut, nextMs } = cutRun(run, partition);
    runs.push({ partition, run: cut });
    // The next month that has samples: decades may lie between.
    if (nextMs === Infinity) return runs;
    minMs = nextMs;
  }
}

/** The samples of the run inside of the partition, and the time of the first one after it (Infinity if there is none). */
function cutRun(run: ColumnRun, partition: Partition): { run: ColumnRun; nextMs: number } {
  const series: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  let sampleCount = 0;
  let nextMs = Infinity;
  for (let i = 0; i < run.seriesCount; i++) {
    const begin = firstAtOrAfter(run.timestampsMs, run.sampleFrom[i], run.sampleFrom[i + 1], partition.minMs);
    const end = firstAtOrAfter(run.timestampsMs, begin, run.sampleFrom[i + 1], partition.maxMs + 1);
    if (end < run.sampleFrom[i + 1]) nextMs = Math.min(nextMs, run.timestampsMs[end]);
    if (begin === end) continue;
    series.push(i);
    from.push(begin);
    to.push(end);
    sampleCount += end - begin;
  }
  const cut = {
    seriesCount: series.length,
    seriesIds: Uint32Array.from(series, (i) => run.seriesIds[i]),
    sampleFrom: new Uint32Array(series.length + 1),
    timestampsMs: new Float64Array(sampleCount),
    values: new Float64Array(sampleCount),
    lastLogRows: Float64Array.from(series, (i) => run.lastLogRows[i]),
  };
  for (let i = 0; i < series.length; i++) {
    cut.timestampsMs.set(run.timestampsMs.subarray(from[i], to[i]), cut.sampleFrom[i]);
    cut.values.set(run.values.subarray(from[i], to[i]), cut.sampleFrom[i]);
    cut.sampleFrom[i + 1] = cut.sampleFrom[i] + to[i] - from[i];
  }
  return { run: cut, nextMs };
}

/** The first position in [from, to) whose time is at least `timeMs`, or `to`. */
function firstAtOrAfter(timestampsMs: Float64Array, from: number, to: number, timeMs: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timestampsMs[middle] < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
