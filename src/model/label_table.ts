/**
 * Many label sets as rows of numbers: each label stands once in a list, a set is the positions of its labels there. So sets are ordered and compared by small
 * integers, and what is made of a label (its JSON) is made once.
 *
 *   labels    [job="a", instance="1", instance="2"]
 *   numbers   0 1   0 2       set i: numbers[from[i] .. from[i + 1])
 */
import { assert } from "../base/assert.ts";
import { compareBytewise, type Label, type Labels, metricNameLabel } from "./labels.ts";

export interface LabelTable {
  readonly count: number;
  /** The same label may stand there twice, as two objects. */
  readonly labels: readonly Label[];
  readonly numbers: Uint32Array;
  readonly from: Uint32Array;
}

/** The label sets as a table. Sets that follow each other mostly share labels: what stands at the same place is looked at before the others. */
export function labelTableOf(sets: readonly Labels[]): LabelTable {
  const from = new Uint32Array(sets.length + 1);
  for (let i = 0; i < sets.length; i++) from[i + 1] = from[i] + sets[i].length;
  const numbers = new Uint32Array(from[sets.length]);
  const known = new Map<Label, number>();
  const labels: Label[] = [];
  let previous: Labels = [];
  for (let i = 0, at = 0; i < sets.length; i++) {
    const set = sets[i];
    const before = at - previous.length;
    for (let j = 0; j < set.length; j++, at++) {
      const label = set[j];
      if (j < previous.length && previous[j] === label) {
        numbers[at] = numbers[before + j];
        continue;
      }
      let number = known.get(label);
      if (number === undefined) {
        number = labels.length;
        labels.push(label);
        known.set(label, number);
      }
      numbers[at] = number;
    }
    previous = set;
  }
  return { count: sets.length, labels, numbers, from };
}

/** Label set i. */
export function labelSetOf({ labels, numbers, from }: LabelTable, i: number): Labels {
  const set: Label[] = [];
  for (let at = from[i]; at < from[i + 1]; at++) set.push(labels[numbers[at]]);
  return set;
}

/** Labels by id; equal ones have the same id. See LabelSpace. */
interface NumberedLabels {
  label(id: number): Label;
}

/** Makes a table of label sets that are given by ids, without making the sets. */
export class LabelTableBuilder {
  readonly #labels: Label[] = [];
  readonly #from: Uint32Array;
  #numbers: Uint32Array;
  #count = 0;
  #space: NumberedLabels | undefined;
  #known = new Map<number, number>();
  /** Ids of the set before, of the same space; it has the last numbers. */
  readonly #previous: number[] = [];
  #previousCount = 0;

  constructor(countMax: number) {
    this.#from = new Uint32Array(countMax + 1);
    this.#numbers = new Uint32Array(countMax * 8 + 64);
  }

  /** Where the ids of the following sets belong. */
  useSpace(space: NumberedLabels): void {
    this.#space = space;
    this.#known = new Map();
    this.#previousCount = 0;
  }

  /** Whether there are as many sets as there may be. */
  get isFull(): boolean {
    return this.#count + 1 === this.#from.length;
  }

  /** Adds the set of the first `count` ids. */
  add(ids: readonly number[], count: number): void {
    let at = this.#from[this.#count];
    const before = at - this.#previousCount;
    if (at + count > this.#numbers.length) this.#grow(at + count);
    const previous = this.#previous;
    for (let i = 0; i < count; i++, at++) {
      const id = ids[i];
      this.#numbers[at] = i < this.#previousCount && previous[i] === id ? this.#numbers[before + i] : this.#numberOf(id);
      previous[i] = id;
    }
    this.#previousCount = count;
    this.#from[++this.#count] = at;
  }

  finish(): LabelTable {
    return { count: this.#count, labels: this.#labels, numbers: this.#numbers.subarray(0, this.#from[this.#count]), from: this.#from.subarray(0, this.#count + 1) };
  }

  #numberOf(id: number): number {
    let number = this.#known.get(id);
    if (number === undefined) {
      assert(this.#space !== undefined, "ids belong to a space");
      number = this.#labels.length;
      this.#labels.push(this.#space.label(id));
      this.#known.set(id, number);
    }
    return number;
  }

  #grow(length: number): void {
    const larger = new Uint32Array(Math.max(length, this.#numbers.length * 2));
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** The label sets at the positions that `order` lists. */
export function reorderLabelTable({ labels, numbers, from }: LabelTable, order: Uint32Array): LabelTable {
  const orderedFrom = new Uint32Array(order.length + 1);
  for (let i = 0; i < order.length; i++) orderedFrom[i + 1] = orderedFrom[i] + from[order[i] + 1] - from[order[i]];
  const ordered = new Uint32Array(orderedFrom[order.length]);
  for (let i = 0, to = 0; i < order.length; i++) for (let at = from[order[i]]; at < from[order[i] + 1]; at++) ordered[to++] = numbers[at];
  return { count: order.length, labels, numbers: ordered, from: orderedFrom };
}

/** Positions of the label sets in their order, and whether two are equal. */
export interface LabelOrder {
  readonly order: Uint32Array;
  /** Position in `order` of a set that equals the one before it; -1 if all differ. */
  readonly repeated: number;
}

/**
 * The order of label sets by their labels, pair by pair and bytewise, as compareLabels gives it; with `nameFirst` by metric name before the other labels. A
 * missing name is the empty one.
 */
export function orderLabelTable(table: LabelTable, nameFirst: boolean): LabelOrder {
  const rows = rankedRows(table, nameFirst);
  const order = Uint32Array.from({ length: table.count }, (_, i) => i);
  if (table.count <= compareCountMax) order.sort((a, b) => compareRows(rows, a, b));
  else sortByColumns(rows, order);
  for (let i = 1; i < order.length; i++) if (compareRows(rows, order[i - 1], order[i]) === 0) return { order, repeated: i };
  return { order, repeated: -1 };
}

/** Few sets are compared with each other; many are sorted column by column. */
const compareCountMax = 64;

/** Sets as ranks of their labels, all of them above 0. With the metric name in front (0 for none), or in the order of the labels. */
interface RankedRows {
  readonly ranks: Uint32Array;
  readonly from: Uint32Array;
}

function rankedRows({ count, labels, numbers, from }: LabelTable, nameFirst: boolean): RankedRows {
  const rankOf = labelRanks(labels);
  if (!nameFirst) return { ranks: numbers.map((number) => rankOf[number]), from };
  const isName = Uint8Array.from(labels, ({ name }) => (name === metricNameLabel ? 1 : 0));
  const ranks = new Uint32Array(numbers.length + count);
  const rankFrom = new Uint32Array(count + 1);
  for (let i = 0, to = 0; i < count; i++) {
    const first = to++;
    for (let at = from[i]; at < from[i + 1]; at++) {
      const number = numbers[at];
      if (isName[number] === 0) ranks[to++] = rankOf[number];
      else if (labels[number].value !== "") ranks[first] = rankOf[number];
    }
    rankFrom[i + 1] = to;
  }
  return { ranks, from: rankFrom };
}

/** Text that does not compare as its UTF-8 bytes do. */
const unusual = /[\ud800-\uffff]/;

/** By position in `labels`: the rank by name and value, from 1 on; equal labels have the same one. */
function labelRanks(labels: readonly Label[]): Uint32Array {
  const isUsual = labels.every(({ name, value }) => !unusual.test(value) && !unusual.test(name));
  const compareTexts = isUsual ? compareUtf16 : compareBytewise;
  const byName = new Map<string, number[]>();
  labels.forEach(({ name }, number) => {
    const numbers = byName.get(name);
    if (numbers === undefined) byName.set(name, [number]);
    else numbers.push(number);
  });
  const ranks = new Uint32Array(labels.length);
  let rank = 0;
  for (const name of [...byName.keys()].sort(compareTexts)) {
    const numbers = (byName.get(name) ?? []).sort((a, b) => compareTexts(labels[a].value, labels[b].value));
    for (let i = 0; i < numbers.length; i++) {
      if (i === 0 || labels[numbers[i]].value !== labels[numbers[i - 1]].value) rank++;
      ranks[numbers[i]] = rank;
    }
  }
  return ranks;
}

function compareUtf16(left: string, right: string): number {
  return left < right ? -1 : left === right ? 0 : 1;
}

function compareRows({ ranks, from }: RankedRows, left: number, right: number): number {
  const leftFrom = from[left];
  const rightFrom = from[right];
  const leftCount = from[left + 1] - leftFrom;
  const rightCount = from[right + 1] - rightFrom;
  const count = Math.min(leftCount, rightCount);
  for (let i = 0; i < count; i++) {
    const difference = ranks[leftFrom + i] - ranks[rightFrom + i];
    if (difference !== 0) return difference;
  }
  return leftCount - rightCount;
}

/** A stable sort by each column, the last one first. A column that is in order already, as one that is the same in all sets, is only looked at. */
function sortByColumns({ ranks, from }: RankedRows, order: Uint32Array): void {
  const count = order.length;
  let width = 0;
  for (let i = 0; i < count; i++) width = Math.max(width, from[i + 1] - from[i]);
  const keys = new Uint32Array(count);
  const spare = new Uint32Array(count);
  for (let column = width - 1; column >= 0; column--) {
    let least = 0xffffffff;
    let most = 0;
    let isOrdered = true;
    for (let i = 0, before = 0; i < count; i++) {
      const at = from[order[i]] + column;
      // Behind its last label a set has 0, so that it stands before those that go on.
      const key = at < from[order[i] + 1] ? ranks[at] : 0;
      keys[i] = key;
      if (key < before) isOrdered = false;
      before = key;
      if (key < least) least = key;
      if (key > most) most = key;
    }
    if (!isOrdered) sortByKeys(order, keys, spare, least, most);
  }
}

/** Sorts by the keys, position by position, keeping the order of equal ones; by counting, unless the keys are spread too far. */
function sortByKeys(order: Uint32Array, keys: Uint32Array, spare: Uint32Array, least: number, most: number): void {
  const count = order.length;
  spare.set(order);
  if (most - least > count * 8 + 1024) {
    const positions = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => keys[a] - keys[b]);
    for (let i = 0; i < count; i++) order[i] = spare[positions[i]];
    return;
  }
  const starts = new Uint32Array(most - least + 2);
  for (let i = 0; i < count; i++) starts[keys[i] - least + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  for (let i = 0; i < count; i++) order[starts[keys[i] - least]++] = spare[i];
}
