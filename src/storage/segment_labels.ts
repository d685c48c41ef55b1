/**
 * Questions about labels that need the index segments of old months, on whichever thread reads files: the names of labels, the values of one, whole label
 * sets. Question and answer are plain data: they can be posted to a worker.
 */
import { compareBytewise, encodeLabelRun, type Labels } from "../model/labels.ts";
import type { SegmentCache, SegmentCacheStats } from "./segment_cache.ts";
import type { SegmentIndex } from "./segment_index.ts";
import { type SegmentRequest, withMatchingRows } from "./segment_search.ts";
import type { Snapshot } from "./snapshot.ts";
import type { IndexSegmentRef } from "./table_client.ts";

export interface LabelQuestion extends SegmentRequest {
  /** names and values: those of the snapshot's index segments alone. series: all label sets, of live series too. */
  readonly kind: "names" | "values" | "series";
  /** Whose values are asked for. */
  readonly name: string;
  /** At most so many, of series any; 0 is no limit. */
  readonly limit: number;
  readonly snapshot: Snapshot;
}

export interface LabelAnswer {
  /** Names or values, sorted bytewise. */
  readonly strings: readonly string[];
  /** Label sets, sorted: run i is runs[runOffsets[i], runOffsets[i + 1]). */
  readonly runs: Uint8Array;
  readonly runOffsets: Uint32Array;
}

/** Who answers; the store's own reader, or a query thread. */
export interface LabelSource {
  answerLabels(question: LabelQuestion, signal: AbortSignal | undefined): Promise<LabelAnswer>;
  /** What it has loaded of old index segments. */
  readonly segmentStats: SegmentCacheStats;
}

/** The names or values of a question, with a step for each segment. A segment that cannot be read is left out and reported. */
export function* searchStrings(cache: SegmentCache, question: LabelQuestion, unreadable: (path: string, error: unknown) => void): Generator<void, string[]> {
  const strings = new Set<string>();
  for (const ref of question.snapshot.indexSegments) {
    try {
      // All or nothing of a segment.
      for (const text of stringsOf(cache, ref, question)) strings.add(text);
    } catch (error) {
      unreadable(ref.path, error);
    }
    yield;
  }
  const sorted = [...strings].sort(compareBytewise);
  return question.limit > 0 ? sorted.slice(0, question.limit) : sorted;
}

function stringsOf(cache: SegmentCache, ref: IndexSegmentRef, question: LabelQuestion): string[] {
  return cache.use(ref, (segment) => (question.kind === "names" ? namesOf(cache, segment, question) : valuesOf(cache, segment, question)));
}

function namesOf(cache: SegmentCache, segment: SegmentIndex, question: LabelQuestion): string[] {
  if (wantsAll(segment, question)) return [...segment.names];
  return withMatchingRows(cache.memory, segment, question, (selection, _list, count) => {
    const { names } = segment;
    return [...selection.nameIdsByRows(count)].map((nameId) => names[nameId - 1]);
  });
}

function valuesOf(cache: SegmentCache, segment: SegmentIndex, question: LabelQuestion): string[] {
  const { from, to } = segment.pairsOf(question.name);
  if (from === to) return [];
  if (wantsAll(segment, question)) return Array.from({ length: to - from }, (_, i) => segment.valueText(from + i));
  return withMatchingRows(cache.memory, segment, question, (selection, _list, count) => {
    const isPresent = selection.pairTestByRows(count);
    const values: string[] = [];
    for (let pairId = from; pairId < to; pairId++) if (isPresent(pairId)) values.push(segment.valueText(pairId));
    return values;
  });
}

/** Whether the question is about all rows of the segment: then the dictionary answers it. */
function wantsAll(segment: SegmentIndex, { tenant, selector, range }: LabelQuestion): boolean {
  const { isActivityExact, minMs, maxMs } = segment.ref;
  if (selector.length !== 1 || selector[0].length !== 0 || (isActivityExact && (range.minMs > minMs || range.maxMs < maxMs))) return false;
  return segment.belongsTo(tenant);
}

/** Sorted label sets as an answer. */
export function encodeSeries(series: readonly Labels[]): LabelAnswer {
  const runs = series.map(encodeLabelRun);
  const runOffsets = new Uint32Array(runs.length + 1);
  runs.forEach((run, i) => (runOffsets[i + 1] = runOffsets[i] + run.length));
  const bytes = new Uint8Array(runOffsets[runs.length]);
  runs.forEach((run, i) => bytes.set(run, runOffsets[i]));
  return { strings: [], runs: bytes, runOffsets };
}

/** Two sorted lists as one, without doubles, at most `limit` items (0: all). */
export function mergeSorted(left: readonly string[], right: readonly string[], limit: number): string[] {
  const merged: string[] = [];
  const max = limit > 0 ? limit : Infinity;
  for (let i = 0, j = 0; (i < left.length || j < right.length) && merged.length < max; ) {
    const order = i === left.length ? 1 : j === right.length ? -1 : compareBytewise(left[i], right[j]);
    merged.push(order <= 0 ? left[i] : right[j]);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return merged;
}
