/**
 * Searches index segments for what the live index does not know: selector, tenant and range to rows, and the series of live index and segments joined by
 * label set. One label set may have several series ids (it came back when its id was no longer in memory), and one id is in the index of every month in
 * which it has samples.
 *
 *   segment by segment, newest first ──selection, activity──> rows whose id is new ──> fingerprints of their labels
 *   live series and rows ──equal fingerprints──> SeriesLists
 */
import { LimitError } from "../base/errors.ts";
import { Selection } from "../index/selection.ts";
import { joinSlots } from "../kernel/segment_index.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { SearchBudget, TimeRange } from "../model/store.ts";
import { daysOf, partitionNamed } from "./partition.ts";
import { groupRowCount } from "./partition_index_format.ts";
import type { SegmentCache } from "./segment_cache.ts";
import type { RowGroup, SegmentIndex } from "./segment_index.ts";
import type { SegmentMemory } from "./segment_memory.ts";
import { positionOf, type SeriesAlias } from "./series_aliases.ts";
import { SeriesSet } from "./series_set.ts";
import type { IndexSegmentRef } from "./table_client.ts";

export interface SegmentRequest {
  readonly tenant: Tenant;
  readonly selector: Selector;
  readonly range: TimeRange;
  readonly budget?: SearchBudget;
}

/** Some rows of a segment, ascending, and their series. */
export interface SegmentRows {
  readonly ref: IndexSegmentRef;
  readonly rows: Uint32Array;
  readonly seriesIds: Uint32Array;
}

interface FoundRows extends SegmentRows {
  /** 16 bytes each. */
  readonly fingerprints: Uint8Array;
}

/** Selected series of a shard's live index. */
export interface LiveSeries {
  readonly seriesIndexes: Uint32Array;
  readonly seriesIds: Uint32Array;
  readonly fingerprints: Uint8Array;
}

/** A label set with several series ids. */
export interface JoinedSeries {
  /** Where the live index has it. */
  readonly live: { readonly shard: number; readonly seriesIndex: number } | undefined;
  /** The row that has its labels, when it is not live. */
  readonly row: { readonly ref: IndexSegmentRef; readonly row: number } | undefined;
  readonly seriesIds: readonly number[];
}

/** Every label set once. */
export interface SeriesLists {
  readonly count: number;
  /** By shard: live series with one id. */
  readonly live: readonly Uint32Array[];
  /** Series with one id that the live index does not have. */
  readonly segments: readonly SegmentRows[];
  readonly joined: readonly JoinedSeries[];
}

/** A search is ended when it has found so many times more ids than the series that it may have. */
const idsPerSeriesMax = 4;

/** The error of a search that finds `count` series. */
export function tooManySeries(count: number | string, seriesMax: number, seriesFlag = "-search.maxUniqueTimeseries"): LimitError {
  return new LimitError("too_many_series", `the selector matches ${count} series, the limit is ${seriesMax}: narrow it or raise ${seriesFlag}`);
}

type Unreadable = (path: string, error: unknown) => void;

/** What is live, by shard, and where to search besides. */
export interface SearchSources {
  readonly live: readonly LiveSeries[];
  /** Further ids of some of them. */
  readonly aliases: readonly SeriesAlias[];
  readonly indexSegments: readonly IndexSegmentRef[];
}

/** The search as a generator with a step for each segment. A segment that cannot be read is left out and reported. */
export function* searchSegments(cache: SegmentCache, sources: SearchSources, request: SegmentRequest, unreadable: Unreadable): Generator<void, SeriesLists> {
  const known = new SeriesSet();
  for (const { seriesIds } of sources.live) known.addAll(seriesIds);
  for (const { seriesIds } of sources.aliases) known.addAll(seriesIds);
  const found: FoundRows[] = [];
  let idCount = 0;
  for (const ref of newestFirst(sources.indexSegments)) {
    try {
      const rows = cache.use(ref, (segment) => findRows(cache.memory, segment, request, known));
      known.addAll(rows.seriesIds);
      if (rows.rows.length > 0) found.push(rows);
      idCount += rows.rows.length;
    } catch (error) {
      unreadable(ref.path, error);
    }
    // The exact number of series is known in the end; far above the budget, memory would be used up before.
    const { seriesMax, seriesFlag } = request.budget ?? { seriesMax: Infinity };
    if (idCount > idsPerSeriesMax * seriesMax) throw tooManySeries(`more than ${seriesMax}`, seriesMax, seriesFlag);
    yield;
  }
  return joinSeries(cache.memory, sources, found);
}

/** Label sets look newer where the newest segment has them, and what is asked for together is found in few segments. */
function newestFirst(refs: readonly IndexSegmentRef[]): IndexSegmentRef[] {
  return refs.toSorted((left, right) => right.minMs - left.minMs || right.rowCount - left.rowCount);
}

/**
 * Runs `work` with the matching rows of a segment as a list in its memory; times and days of rows count only where they are exact. The selection can be asked
 * further questions about the list.
 */
export function withMatchingRows<T>(
  memory: SegmentMemory, segment: SegmentIndex, { tenant, selector, range }: SegmentRequest, work: (selection: Selection, list: number, count: number) => T,
): T {
  using scratch = new DisposableStack();
  const allocate = (sizeBytes: number): number => scratch.adopt(memory.areas.allocate(sizeBytes), (pointer) => memory.areas.free(pointer));
  const selection = new Selection(memory.kernel, segment, { costs: segment.costs, allocate });
  const selected = segment.rowCount === 0 ? 0 : selection.select(tenant, selector);
  const isActive = activityTest(memory, segment.ref, range);
  let count = 0;
  segment.visitGroups(selection.list, selected, (groupNumber, list, listCount) => {
    const group = segment.group(groupNumber);
    const { u32 } = memory.kernel;
    const isOwn = tenantTest(memory, group, tenant);
    for (let i = 0; i < listCount; i++) {
      const row = u32[list / 4 + i];
      const at = row - groupNumber * groupRowCount;
      if (isOwn(at) && isActive(group, at)) u32[selection.list / 4 + count++] = row;
    }
  });
  return work(selection, selection.list, count);
}

/** Whether a row of a group is the tenant's. */
function tenantTest({ kernel }: SegmentMemory, { tenant: owner }: RowGroup, { accountId, projectId }: Tenant): (at: number) => boolean {
  if ("accountId" in owner) {
    const isOwn = owner.accountId === accountId && owner.projectId === projectId;
    return () => isOwn;
  }
  const { accountIds, projectIds } = owner;
  return (at) => kernel.u32[accountIds / 4 + at] === accountId && kernel.u32[projectIds / 4 + at] === projectId;
}

/** Whether a row of a group had samples in the range. */
function activityTest({ kernel }: SegmentMemory, ref: IndexSegmentRef, range: TimeRange): (group: RowGroup, at: number) => boolean {
  const partition = partitionNamed(ref.partition);
  if (!ref.isActivityExact || partition === undefined) return () => true;
  const days = daysOf(partition, range.minMs, range.maxMs);
  const [minMs, maxMs] = [range.minMs - ref.minMs, range.maxMs - ref.minMs];
  return (group, at) => {
    const { u32 } = kernel;
    return (u32[group.activeDays / 4 + at] & days) !== 0 && u32[group.minMs / 4 + at] <= maxMs && u32[group.maxMs / 4 + at] >= minMs;
  };
}

/** The matching rows of a segment whose ids are not known yet. */
function findRows(memory: SegmentMemory, segment: SegmentIndex, request: SegmentRequest, known: SeriesSet): FoundRows {
  return withMatchingRows(memory, segment, request, (_selection, list, count) => {
    const seriesIds = new Uint32Array(count);
    let kept = 0;
    segment.visitGroups(list, count, (groupNumber, from, groupCount) => {
      const group = segment.group(groupNumber);
      const { u32 } = memory.kernel;
      for (let i = 0; i < groupCount; i++) {
        const row = u32[from / 4 + i];
        const seriesId = u32[group.seriesIds / 4 + row - groupNumber * groupRowCount];
        if (known.has(seriesId)) continue;
        u32[list / 4 + kept] = row;
        seriesIds[kept++] = seriesId;
      }
    });
    const rows = memory.kernel.u32.slice(list / 4, list / 4 + kept);
    return { ref: segment.ref, rows, seriesIds: seriesIds.slice(0, kept), fingerprints: fingerprintsOf(memory, segment, request.tenant, list, kept) };
  });
}

function fingerprintsOf({ areas, kernel }: SegmentMemory, segment: SegmentIndex, { accountId, projectId }: Tenant, list: number, count: number): Uint8Array {
  const target = areas.allocate(count * 16);
  try {
    segment.fingerprints(list, count, accountId, projectId, target);
    return kernel.u8.slice(target, target + count * 16);
  } finally {
    areas.free(target);
  }
}

/** Brings together what has the same labels. */
function joinSeries(memory: SegmentMemory, { live, aliases }: SearchSources, found: readonly FoundRows[]): SeriesLists {
  const { leaders, different } = findLeaders(memory, [...live, ...found].map(({ fingerprints }) => fingerprints));
  const isAlone = loners(leaders);
  const liveFrom = live.map((_, shard) => sum(live.slice(0, shard), ({ seriesIndexes }) => seriesIndexes.length));
  const entryOf = ({ shard, seriesIndex }: SeriesAlias): number => liveFrom[shard] + positionOf(live[shard].seriesIndexes, seriesIndex);
  for (const alias of aliases) isAlone[entryOf(alias)] = 0;
  let base = 0;
  const cut = (size: number): { from: number; alone: Uint8Array } => {
    const from = base;
    base += size;
    return { from, alone: isAlone.subarray(from, from + size) };
  };
  const groups = new Map<number, { live?: JoinedSeries["live"]; row?: JoinedSeries["row"]; seriesIds: number[] }>();
  const groupOf = (entry: number): { live?: JoinedSeries["live"]; row?: JoinedSeries["row"]; seriesIds: number[] } => {
    const group = groups.get(leaders[entry]) ?? { seriesIds: [] };
    groups.set(leaders[entry], group);
    return group;
  };
  const liveLists = live.map(({ seriesIndexes, seriesIds }, shard) => {
    const { from, alone } = cut(seriesIndexes.length);
    forOthers(alone, (i) => {
      const group = groupOf(from + i);
      group.live ??= { shard, seriesIndex: seriesIndexes[i] };
      group.seriesIds.push(seriesIds[i]);
    });
    return seriesIndexes.filter((_, i) => alone[i] === 1);
  });
  const segments = found.map(({ ref, rows, seriesIds }) => {
    const { from, alone } = cut(rows.length);
    forOthers(alone, (i) => {
      const group = groupOf(from + i);
      group.row ??= { ref, row: rows[i] };
      group.seriesIds.push(seriesIds[i]);
    });
    return { ref, rows: rows.filter((_, i) => alone[i] === 1), seriesIds: seriesIds.filter((_, i) => alone[i] === 1) };
  });
  for (const alias of aliases) groupOf(entryOf(alias)).seriesIds.push(...alias.seriesIds);
  const joined = Array.from(groups.values(), ({ live: own, row, seriesIds }) => ({ live: own, row, seriesIds }));
  return { count: different, live: liveLists, segments, joined };
}

/** For each fingerprint the position of the first equal one among all. */
function findLeaders({ areas, kernel, rows }: SegmentMemory, lists: readonly Uint8Array[]): { leaders: Uint32Array; different: number } {
  const count = sum(lists, ({ length }) => length / 16);
  const slots = joinSlots(count);
  using scratch = new DisposableStack();
  const area = (sizeBytes: number): number => scratch.adopt(areas.allocate(sizeBytes), (pointer) => areas.free(pointer));
  const [fingerprints, table, leaders] = [area(count * 16), area(slots * 4), area(count * 4)];
  let at = fingerprints;
  for (const list of lists) {
    kernel.u8.set(list, at);
    at += list.length;
  }
  const different = rows.join(fingerprints, count, table, slots, leaders);
  return { leaders: kernel.u32.slice(leaders / 4, leaders / 4 + count), different };
}

/** 1 for each entry that no other one is equal to. */
function loners(leaders: Uint32Array): Uint8Array {
  const isAlone = new Uint8Array(leaders.length).fill(1);
  for (let i = 0; i < leaders.length; i++) {
    if (leaders[i] === i) continue;
    isAlone[i] = 0;
    isAlone[leaders[i]] = 0;
  }
  return isAlone;
}

function forOthers(isAlone: Uint8Array, visit: (i: number) => void): void {
  for (let i = 0; i < isAlone.length; i++) if (isAlone[i] === 0) visit(i);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
