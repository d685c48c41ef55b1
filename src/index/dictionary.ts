/**
 * The values of one label name in a live index: pair ids in order of registration, their texts decoded when first asked for, and
 * a sorted view that is repaired by merging the newly registered ones. Answers of regular expressions are remembered, so that a
 * pattern asked again tests only the values that came since.
 */
import type { IndexKernel } from "../kernel/postings.ts";
import { compareBytewise } from "../model/labels.ts";
import type { AnchoredRegexp } from "../model/regexp.ts";
import { RegexpMeter } from "../model/regexp_meter.ts";
import type { SeriesLabels } from "./series_labels.ts";

/** Patterns remembered per name, and pair ids per pattern. */
const patternsMax = 64;
const rememberedPairsMax = 50_000;

interface Answer {
  /** So many values, in order of registration, have been tested. */
  testedCount: number;
  readonly pairIds: number[];
}

export class Dictionary {
  readonly #index: IndexKernel;
  readonly #labels: SeriesLabels;
  readonly #nameId: number;
  /** In order of registration. */
  readonly pairIds: number[] = [];
  readonly #values: string[] = [];
  /** Positions in pairIds, sorted by value; covers the first `length` values. */
  #order = new Uint32Array(0);
  /** The engine's own order, which is faster, until a value is seen for which it is not bytewise. */
  #compareTexts: (left: string, right: string) => number = compareUtf16;
  readonly #answers = new Map<string, Answer>();

  constructor(index: IndexKernel, labels: SeriesLabels, nameId: number) {
    this.#index = index;
    this.#labels = labels;
    this.#nameId = nameId;
    this.sync();
  }

  /** Takes in the pairs registered since the last call. */
  sync(): void {
    const known = this.pairIds.length;
    const added = this.#index.pairCountOfName(this.#nameId) - known;
    let pairId = added > 0 ? this.#index.lastPairOfName(this.#nameId) : -1;
    for (let i = known + added - 1; i >= known; i--) {
      this.pairIds[i] = pairId;
      pairId = this.#index.pairBefore(pairId);
    }
  }

  /** How many values have been decoded: a measure of the memory held. */
  get decodedCount(): number {
    return this.#values.length;
  }

  /** The value at a position of `pairIds`. */
  value(position: number): string {
    if (position >= this.#values.length) this.#decode();
    return this.#values[position];
  }

  /** Positions in `pairIds` in bytewise order of the values. */
  sortedPositions(): Uint32Array {
    this.#decode();
    const values = this.#values;
    const sorted = this.#order;
    if (sorted.length === values.length) return sorted;
    const compareTexts = this.#compareTexts;
    const compare = (a: number, b: number): number => compareTexts(values[a], values[b]);
    const added = Uint32Array.from({ length: values.length - sorted.length }, (_, i) => sorted.length + i).sort(compare);
    const merged = new Uint32Array(values.length);
    let i = 0;
    let j = 0;
    for (let to = 0; to < merged.length; to++) {
      merged[to] = j >= added.length || (i < sorted.length && compare(sorted[i], added[j]) <= 0) ? sorted[i++] : added[j++];
    }
    this.#order = merged;
    return merged;
  }

  /** Pair ids of the values that match; valid until the next call. Throws LimitError if the expression is too slow. */
  matching(regexp: AnchoredRegexp): readonly number[] {
    if (regexp.matchesNonEmpty) return this.pairIds;
    const remembered = this.#answers.get(regexp.pattern);
    const meter = new RegexpMeter(regexp);
    const answer = remembered ?? this.#firstAnswer(regexp, meter);
    for (; answer.testedCount < this.pairIds.length; answer.testedCount++) {
      if (meter.test(this.value(answer.testedCount))) answer.pairIds.push(this.pairIds[answer.testedCount]);
    }
    this.#answers.delete(regexp.pattern);
    if (answer.pairIds.length <= rememberedPairsMax) this.#answers.set(regexp.pattern, answer);
    if (this.#answers.size > patternsMax) this.#answers.delete(this.#answers.keys().next().value!);
    return answer.pairIds;
  }

  #firstAnswer(regexp: AnchoredRegexp, meter: RegexpMeter): Answer {
    if (regexp.prefixes[0] === "") return { testedCount: 0, pairIds: [] };
    const order = this.sortedPositions();
    const pairIds: number[] = [];
    for (const prefix of regexp.prefixes) {
      for (let i = this.#lowerBound(order, prefix); i < order.length && this.#values[order[i]].startsWith(prefix); i++) {
        if (regexp.prefixesSuffice || meter.test(this.#values[order[i]])) pairIds.push(this.pairIds[order[i]]);
      }
    }
    return { testedCount: order.length, pairIds };
  }

  /** The first position in the order whose value is not before `text`. */
  #lowerBound(order: Uint32Array, text: string): number {
    let from = 0;
    let to = order.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#compareTexts(this.#values[order[middle]], text) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #decode(): void {
    for (let i = this.#values.length; i < this.pairIds.length; i++) {
      const value = this.#labels.valueText(this.pairIds[i]);
      this.#values.push(value);
      if (this.#compareTexts === compareUtf16 && fromSurrogates.test(value)) this.#compareTexts = compareBytewise;
    }
  }
}

/** Where the order of UTF-16 is not that of UTF-8. */
const fromSurrogates = /[\ud800-\uffff]/;

function compareUtf16(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
