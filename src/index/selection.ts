/**
 * Evaluates selectors over an index: the live one, or a segment of a partition. A group of matchers becomes conditions on label pairs. The
 * rarest positive condition gives the candidates; the others cut them down, each in the way that is cheapest for its size: posting
 * lists by gallop, bitmaps, or a look at the rows of the candidates. Candidates are a list when few and a bitmap when many.
 *
 * Lists and bitmaps live in scratch areas of the index' memory, reserved once; the outcome of a selection is the list at
 * `list`, valid until the next selection.
 */
import type { Kernel } from "../kernel/kernel.ts";
import { bitmapBytes, PostingsKernel, tenantNameId } from "../kernel/postings.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import { type Condition, condition, conditionOf, type ConditionSource } from "./condition.ts";

/** Postings and rows of an index. Lists are ascending u32, lists and bitmaps stand at addresses in the index' memory. */
export interface SelectionIndex {
  readonly seriesCount: number;
  readonly seriesMax: number;
  readonly pairCount: number;
  readonly pairMax: number;
  /** How many series have the pair. */
  postingCount(pairId: number): number;
  /** The pair that all series of a tenant have, or -1. */
  findTenant(accountId: number, projectId: number): number;
  pairName(pairId: number): number;
  /** The series of a pair as a list at `target` (16 spare bytes behind). */
  decodePosting(pairId: number, target: number): number;
  postingToBitmap(pairId: number, bitmap: number): number;
  /** Keeps the series of a list whose row has (or has not) a pair of the pair bitmap; `target` may be `list`. */
  filterRows(list: number, count: number, pairBitmap: number, wanted: boolean, target: number): number;
  /** Sets the bits of all series whose row has a pair of the pair bitmap. Only called if `costs.scanNs` is finite. */
  scanRows?(pairBitmap: number, bitmap: number): void;
  /** Sets the bits of all pairs of the series of a list. */
  collectPairs(list: number, count: number, pairBitmap: number): void;
}

export interface SelectionSource extends ConditionSource {
  readonly index: SelectionIndex;
}

/** Estimated costs in nanoseconds; only their ratios matter. */
export interface SelectionCosts {
  readonly postingEntry: number;
  readonly pairCall: number;
  /** Of looking at the rows of so many series of a list. */
  rowsNs(count: number): number;
  /** Of looking at all rows. */
  readonly scanNs: number;
}

/** Measured at 1 M series in random order. */
export const cost = { rowCheck: 70, postingEntry: 5, pairCall: 80, bitTest: 2.5, gallopStep: 25, bitmapByte: 0.1 } as const;
const liveCosts: SelectionCosts = { postingEntry: cost.postingEntry, pairCall: cost.pairCall, rowsNs: (count) => count * cost.rowCheck, scanNs: Infinity };
/** Candidates are a list up to one series in so many. */
const listDensity = 32;
const dayMs = 86_400_000;

export interface SelectionOptions {
  readonly costs?: SelectionCosts;
  /** Gives scratch areas; the kernel's arena if it is left out. */
  readonly allocate?: (sizeBytes: number) => number;
}

interface Candidates {
  readonly form: "list" | "bitmap";
  readonly count: number;
}

export class Selection {
  /** Pointer of the selected series: ascending u32. */
  readonly list: number;
  readonly #kernel: Kernel;
  readonly #index: SelectionIndex;
  readonly #source: SelectionSource;
  readonly #costs: SelectionCosts;
  readonly #postings: PostingsKernel;
  readonly #otherList: number;
  readonly #bitmap: number;
  readonly #otherBitmap: number;
  readonly #unionBitmap: number;
  readonly #pairBitmap: number;

  constructor(kernel: Kernel, source: SelectionSource, { costs = liveCosts, allocate = (size) => kernel.allocate(size) }: SelectionOptions = {}) {
    this.#kernel = kernel;
    this.#index = source.index;
    this.#source = source;
    this.#costs = costs;
    this.#postings = new PostingsKernel(kernel);
    const { seriesMax, pairMax } = source.index;
    this.list = allocate(seriesMax * 4 + 64);
    this.#otherList = allocate(seriesMax * 4 + 64);
    this.#bitmap = allocate(bitmapBytes(seriesMax));
    this.#otherBitmap = allocate(bitmapBytes(seriesMax));
    this.#unionBitmap = allocate(bitmapBytes(seriesMax));
    this.#pairBitmap = allocate(bitmapBytes(pairMax));
  }

  /** Throws InputError for a bad regular expression. */
  check(selector: Selector): void {
    for (const group of selector) for (const matcher of group) conditionOf(this.#source, matcher);
  }

  /** Puts the series of the tenant that match into `list`; returns how many. Throws InputError for a bad regular expression. */
  select(tenant: Tenant, selector: Selector): number {
    // Conditions are made first: a bad regular expression is an error even if no series could match.
    const groups = selector.map((group) => group.map((matcher) => conditionOf(this.#source, matcher)));
    const tenantPair = this.#index.findTenant(tenant.accountId, tenant.projectId);
    if (tenantPair < 0 || groups.length === 0) return 0;
    const ofTenant = condition(this.#source, [tenantPair], false);
    return groups.length === 1 ? this.#selectGroup(groups[0], ofTenant) : this.#selectUnion(groups, ofTenant);
  }

  #selectUnion(groups: readonly (readonly Condition[])[], ofTenant: Condition): number {
    const bytes = this.#bitmapBytes();
    this.#postings.clear(this.#unionBitmap, bytes);
    for (const group of groups) this.#postings.listToBitmap(this.list, this.#selectGroup(group, ofTenant), this.#unionBitmap);
    return this.#postings.bitmapToList(this.#unionBitmap, bytes, this.list);
  }

  #selectGroup(group: readonly Condition[], ofTenant: Condition): number {
    const { seriesCount } = this.#index;
    const positive = group.filter((one) => !one.negative);
    const negative = group.filter((one) => one.negative && one.seriesCount > 0);
    // The tenant of all series need not be checked where another condition gives the candidates.
    if (positive.length === 0 || ofTenant.seriesCount < seriesCount) positive.push(ofTenant);
    positive.sort((a, b) => a.seriesCount - b.seriesCount);
    negative.sort((a, b) => a.seriesCount - b.seriesCount);
    if (positive[0].seriesCount === 0) return 0;
    let candidates = this.#firstCandidates(positive[0]);
    for (const next of [...positive.slice(1), ...negative]) {
      if (candidates.count === 0) return 0;
      if (!next.negative && next.seriesCount === seriesCount) continue;
      candidates = candidates.form === "list" ? this.#filterList(candidates.count, next) : this.#filterBitmap(next);
    }
    if (candidates.form === "list") return candidates.count;
    return this.#postings.bitmapToList(this.#bitmap, this.#bitmapBytes(), this.list);
  }

  #firstCandidates(first: Condition): Candidates {
    if (first.pairIds.length === 1 && this.#isSparse(first.seriesCount)) {
      return { form: "list", count: this.#index.decodePosting(first.pairIds[0], this.list) };
    }
    this.#conditionToBitmap(first, this.#bitmap);
    return this.#settle(first.seriesCount);
  }

  /** Turns the bitmap of candidates into a list if they are few. */
  #settle(count: number): Candidates {
    if (!this.#isSparse(count)) return { form: "bitmap", count };
    return { form: "list", count: this.#postings.bitmapToList(this.#bitmap, this.#bitmapBytes(), this.list) };
  }

  #isSparse(count: number): boolean {
    return count * listDensity <= this.#index.seriesCount;
  }

  #filterBitmap(one: Condition): Candidates {
    this.#conditionToBitmap(one, this.#otherBitmap);
    const combine = one.negative ? this.#postings.andNot : this.#postings.and;
    return this.#settle(combine.call(this.#postings, this.#bitmap, this.#otherBitmap, this.#bitmap, this.#bitmapBytes()));
  }

  #filterList(count: number, one: Condition): Candidates {
    const costs = this.#costs;
    const rowsNs = costs.rowsNs(count) + one.pairIds.length * 2;
    const postingsNs = one.seriesCount * costs.postingEntry;
    const bitmapNs = Math.min(costs.scanNs, postingsNs + one.pairIds.length * costs.pairCall) + this.#bitmapBytes() * cost.bitmapByte + count * cost.bitTest;
    const gallopNs = !one.negative && one.pairIds.length === 1 ? postingsNs + count * cost.gallopStep : Infinity;
    const { list } = this;
    if (rowsNs <= bitmapNs && rowsNs <= gallopNs) {
      this.#setPairBits(one.pairIds);
      return { form: "list", count: this.#index.filterRows(list, count, this.#pairBitmap, !one.negative, list) };
    }
    if (gallopNs <= bitmapNs) {
      const otherCount = this.#index.decodePosting(one.pairIds[0], this.#otherList);
      return { form: "list", count: this.#postings.intersect(list, count, this.#otherList, otherCount, list) };
    }
    this.#conditionToBitmap(one, this.#otherBitmap);
    return { form: "list", count: this.#postings.filterByBitmap(list, count, this.#otherBitmap, !one.negative, list) };
  }

  #conditionToBitmap(one: Condition, bitmap: number): void {
    this.#postings.clear(bitmap, this.#bitmapBytes());
    if (one.seriesCount === this.#index.seriesCount) return this.#setAllBits(bitmap);
    const { postingEntry, pairCall, scanNs } = this.#costs;
    if (scanNs < one.seriesCount * postingEntry + one.pairIds.length * pairCall) {
      this.#setPairBits(one.pairIds);
      this.#index.scanRows?.(this.#pairBitmap, bitmap);
      return;
    }
    for (let i = 0; i < one.pairIds.length; i++) this.#index.postingToBitmap(one.pairIds[i], bitmap);
  }

  /** All series have one of the pairs of the condition, so there is nothing to look up. */
  #setAllBits(bitmap: number): void {
    const { seriesCount } = this.#index;
    const { u8 } = this.#kernel;
    const wholeBytes = seriesCount >>> 3;
    u8.fill(255, bitmap, bitmap + wholeBytes);
    if ((seriesCount & 7) > 0) u8[bitmap + wholeBytes] = (1 << (seriesCount & 7)) - 1;
  }

  #bitmapBytes(): number {
    return bitmapBytes(this.#index.seriesCount);
  }

  #setPairBits(pairIds: readonly number[]): void {
    this.#postings.clear(this.#pairBitmap, bitmapBytes(this.#index.pairCount));
    const u32 = this.#kernel.u32;
    const base = this.#pairBitmap >>> 2;
    for (let i = 0; i < pairIds.length; i++) u32[base + (pairIds[i] >>> 5)] |= 1 << (pairIds[i] & 31);
  }

  // ---- questions about the first `count` series of `list`, after a selection ----

  /** A test whether one of them has a pair, by their rows: costs once per series. */
  pairTestByRows(count: number): (pairId: number) => boolean {
    this.#collectPairs(count);
    const u32 = this.#kernel.u32;
    const base = this.#pairBitmap >>> 2;
    return (pairId) => ((u32[base + (pairId >>> 5)] >>> (pairId & 31)) & 1) === 1;
  }

  /** A bitmap of them, valid until the next selection. */
  toBitmap(count: number): number {
    this.#postings.clear(this.#bitmap, this.#bitmapBytes());
    this.#postings.listToBitmap(this.list, count, this.#bitmap);
    return this.#bitmap;
  }

  /** Name ids that occur in their rows. */
  nameIdsByRows(count: number): Set<number> {
    this.#collectPairs(count);
    const nameIds = new Set<number>();
    const pairCount = this.#index.pairCount;
    const u32 = this.#kernel.u32;
    const base = this.#pairBitmap >>> 2;
    for (let word = 0; word * 32 < pairCount; word++) {
      for (let bits = u32[base + word]; bits !== 0; bits &= bits - 1) {
        nameIds.add(this.#index.pairName(word * 32 + 31 - Math.clz32(bits & -bits)));
      }
    }
    nameIds.delete(tenantNameId);
    return nameIds;
  }

  #collectPairs(count: number): void {
    this.#postings.clear(this.#pairBitmap, bitmapBytes(this.#index.pairCount));
    this.#index.collectPairs(this.list, count, this.#pairBitmap);
  }
}

/** Day since 1970 of a timestamp, in the bounds of what the index keeps. */
export function dayOf(timestampMs: number): number {
  return Math.min(Math.max(Math.floor(timestampMs / dayMs), 0), 0xffff);
}
