/**
 * The live index of a shard, on the thread that writes it: registers series and answers selectors with sorted seriesIndexes,
 * label names and label values. Other threads read labels with SeriesLabels. See docs/decisions/index.md.
 */
import { assert } from "../base/assert.ts";
import { LimitError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { addSeriesErrors, createIndex, IndexKernel, type IndexSizes } from "../kernel/postings.ts";
import { compareBytewise, type Label, type Labels } from "../model/labels.ts";
import type { Selector, Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import { type Cardinality, cardinalityOf } from "./cardinality.ts";
import { condition } from "./condition.ts";
import { LabelDictionaries } from "./label_dictionaries.ts";
import { cost, dayOf, Selection } from "./selection.ts";
import { SeriesLabels } from "./series_labels.ts";

export interface SeriesIndexOptions extends IndexSizes {
  /** Secret of the hash of label pairs (64 bits). */
  readonly seed: bigint;
}

export interface SelectOptions {
  /** Only series with samples on the days of the range. */
  readonly range?: TimeRange;
  /** At most so many; 0 or undefined is no limit. */
  readonly limit?: number;
}

export interface LabelsOptions extends SelectOptions {
  /** Only of series that match; `[[]]` (the default) is all. */
  readonly selector?: Selector;
}

const everything: Selector = [[]];
/** Series whose rows are looked at before label names are searched by postings. */
const sampledRows = 2_000;

export class SeriesIndex {
  /** Where the state of the index stands: for `indexAddSeries` and `indexTouchDay` in WebAssembly, and for SeriesLabels. */
  readonly contextPointer: number;
  readonly #kernel: Kernel;
  readonly #index: IndexKernel;
  readonly #labels: SeriesLabels;
  readonly #dictionaries: LabelDictionaries;
  readonly #selection: Selection;

  /** Reserves all areas. REQUIRES: nobody else allocates from this kernel at the same time. */
  constructor(kernel: Kernel, options: SeriesIndexOptions) {
    this.#kernel = kernel;
    this.contextPointer = createIndex(kernel, options, options.seed);
    this.#index = new IndexKernel(kernel, this.contextPointer);
    this.#labels = new SeriesLabels(kernel, this.contextPointer);
    this.#dictionaries = new LabelDictionaries(kernel, this.#index, this.#labels);
    this.#selection = new Selection(kernel, this.#dictionaries);
  }

  get seriesCount(): number {
    return this.#index.seriesCount;
  }

  /** As long as it stays the same, so do the answers to all questions about series and labels whose ranges are the same days. */
  get changes(): number {
    return this.#index.changes;
  }

  /** Distinct label pairs of all tenants, each tenant counting as one more. */
  get pairCount(): number {
    return this.#index.pairCount;
  }

  /** Bytes of index data in use. */
  get usedBytes(): number {
    return this.#index.usedBytes;
  }

  /** Registers a series that is not there yet and returns its seriesIndex. (The head does the same from WebAssembly.) */
  add(tenant: Tenant, labelRun: Uint8Array): number {
    const seriesIndex = this.#index.seriesCount;
    const run = this.#dictionaries.stage(labelRun);
    if (run < 0) throw new LimitError("series_limit", `a label set of ${labelRun.length} bytes is too large`);
    const error = this.#index.addSeries(run, labelRun.length, tenant.accountId, tenant.projectId, seriesIndex);
    assert(error !== -2 && error !== -8, addSeriesErrors[error]);
    if (error !== 0) throw new LimitError("series_limit", `the live index is full: ${addSeriesErrors[error]} reached its limit at ${seriesIndex} series`);
    return seriesIndex;
  }

  /** Notes that a series has samples on a day (since 1970). */
  touchDay(seriesIndex: number, day: number): void {
    this.#index.touchDay(seriesIndex, day);
  }

  labels(seriesIndex: number): Labels {
    return this.#labels.labels(seriesIndex);
  }

  /** The numbers of the labels of a series, in the order of labels(); see SeriesLabels. */
  labelIds(seriesIndex: number, target: number[]): number {
    return this.#labels.labelIds(seriesIndex, target);
  }

  label(id: number): Label {
    return this.#labels.label(id);
  }

  labelRun(seriesIndex: number): Uint8Array {
    return this.#labels.labelRun(seriesIndex);
  }

  /** The series of a tenant that match, ascending. Throws InputError for a bad regular expression. */
  select(tenant: Tenant, selector: Selector, options: SelectOptions = {}): Uint32Array {
    const count = Math.min(this.#select(tenant, selector, options.range), options.limit || Infinity);
    const from = this.#selection.list >>> 2;
    return this.#kernel.u32.slice(from, from + count);
  }

  /** Whether a series has, or had, a label of this name. */
  hasLabelName(name: string): boolean {
    return this.#dictionaries.findName(name) >= 0;
  }

  /** Names of the labels that the selected series have, sorted bytewise. */
  labelNames(tenant: Tenant, options: LabelsOptions = {}): string[] {
    const nameIds = this.#coversAll(tenant, options) ? this.#allNameIds() : this.#selectedNameIds(tenant, options);
    const names = nameIds.map((nameId) => this.#labels.nameText(nameId)).sort(compareBytewise);
    return names.slice(0, options.limit || names.length);
  }

  /** Values that the label `name` has in the selected series, sorted bytewise. */
  labelValues(tenant: Tenant, name: string, options: LabelsOptions = {}): string[] {
    const { selector } = options;
    const dictionary = this.#dictionaries.dictionary(name);
    if (dictionary === undefined) {
      // Whether the question is a right one does not depend on what is stored.
      if (selector !== undefined) this.#selection.check(selector);
      return [];
    }
    const isPresent = this.#coversAll(tenant, options) ? () => true : this.#presenceTest(name, tenant, options);
    const limit = options.limit || Infinity;
    const values: string[] = [];
    for (const position of dictionary.sortedPositions()) {
      if (values.length >= limit) break;
      if (isPresent(dictionary.pairIds[position])) values.push(dictionary.value(position));
    }
    return values;
  }

  /** How many series of a tenant there are, and which names and pairs have most of them. */
  cardinality(tenant: Tenant, topCount: number): Cardinality {
    const count = this.#selection.select(tenant, everything);
    const isAll = count === this.#index.seriesCount;
    const countOf = isAll ? (pairId: number) => this.#index.postingCount(pairId) : this.#pairCountByPosting(count, 0xffffffff);
    return cardinalityOf(this.#index, this.#labels, count, countOf, topCount);
  }

  /** Puts the selected series with samples on the days of the range into the selection's list; returns how many. */
  #select(tenant: Tenant, selector: Selector, range: TimeRange | undefined): number {
    const count = this.#selection.select(tenant, selector);
    if (range === undefined) return count;
    const { list } = this.#selection;
    return this.#index.filterDays(list, count, dayOf(range.minMs), dayOf(range.maxMs), list);
  }

  /** How many of the first `count` selected series have a pair (counting to `countMax`), by the pair's posting: costs once per pair. */
  #pairCountByPosting(count: number, countMax: number): (pairId: number) => number {
    const bitmap = this.#selection.toBitmap(count);
    return (pairId) => this.#index.countInBitmap(pairId, bitmap, countMax);
  }

  /** Whether the options pick all series of the index, and all are of this tenant. */
  #coversAll(tenant: Tenant, options: LabelsOptions): boolean {
    const { selector = everything, range } = options;
    if (range !== undefined && (dayOf(range.minMs) > 0 || dayOf(range.maxMs) < 0xffff)) return false;
    if (selector.length !== 1 || selector[0].length !== 0) return false;
    const tenantPair = this.#index.findTenant(tenant.accountId, tenant.projectId);
    return tenantPair >= 0 && this.#index.postingCount(tenantPair) === this.#index.seriesCount;
  }

  /** A test whether a pair of a name occurs in the selection: by rows or by postings, whichever is cheaper. */
  #presenceTest(name: string, tenant: Tenant, options: LabelsOptions): (pairId: number) => boolean {
    const count = this.#select(tenant, options.selector ?? everything, options.range);
    const nameId = this.#dictionaries.findName(name);
    if (nameId < 0 || count === 0) return () => false;
    if (count * cost.rowCheck <= this.#postingsNs(nameId)) return this.#selection.pairTestByRows(count);
    const countOf = this.#pairCountByPosting(count, 1);
    return (pairId) => countOf(pairId) > 0;
  }

  #allNameIds(): number[] {
    return Array.from({ length: this.#index.nameCount - 1 }, (_, i) => i + 1);
  }

  /** Most names are in the rows of the first few series; the others are searched for in the way that is cheaper. */
  #selectedNameIds(tenant: Tenant, options: LabelsOptions): number[] {
    const count = this.#select(tenant, options.selector ?? everything, options.range);
    const found = this.#selection.nameIdsByRows(Math.min(count, sampledRows));
    if (count <= sampledRows) return [...found];
    const others = this.#allNameIds().filter((nameId) => !found.has(nameId));
    const postingsNs = others.reduce((sum, nameId) => sum + this.#postingsNs(nameId), 0);
    if (count * cost.rowCheck <= postingsNs) return [...this.#selection.nameIdsByRows(count)];
    const countOf = this.#pairCountByPosting(count, 1);
    return [...found, ...others.filter((nameId) => this.#dictionaries.dictionaryOf(nameId).pairIds.some((pairId) => countOf(pairId) > 0))];
  }

  /** Estimated cost of going through the postings of all pairs of a name. */
  #postingsNs(nameId: number): number {
    const { pairIds } = this.#dictionaries.dictionaryOf(nameId);
    return pairIds.length * cost.pairCall + condition(this.#dictionaries, pairIds, false).seriesCount * cost.postingEntry;
  }
}
