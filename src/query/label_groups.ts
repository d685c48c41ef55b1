/**
 * Numbers for the groups of an aggregate. Where the Store numbers its labels, a series finds its group by these numbers, and label sets are made
 * once per group; else by its labels.
 */
import { type Labels, metricNameLabel } from "../model/labels.ts";
import type { LabelSpace } from "../model/store.ts";
import { compileGrouping, type Grouping } from "./aggregate_call.ts";
import type { SeriesNames } from "./column_store.ts";
import { dropLabel, labelsKey } from "./series.ts";

/** What is known of the labels of one space. */
interface SpaceGroups {
  /** By label number: 0 not seen yet, 1 kept by the grouping, 2 not. */
  kept: Uint8Array;
  /** Groups by the labels that are kept. */
  readonly byIds: IdTable;
}

const nothingKept = new Uint8Array(0);

export class LabelGroups {
  /** The labels of each group. */
  readonly labels: Labels[] = [];
  readonly #limit: number;
  readonly #groupLabels: (labels: Labels) => Labels;
  readonly #keeps: (name: string) => boolean;
  readonly #keepsNothing: boolean;
  /** By labelsKey; made when labels come from several places. */
  #byKey: Map<string, number> | undefined;
  #source: unknown;
  /** For series that keep their metric names, and for those that do not. */
  readonly #spaces = [new Map<LabelSpace, SpaceGroups>(), new Map<LabelSpace, SpaceGroups>()];
  readonly #ids: number[] = [];

  /** `limit` groups at most, 0 for no limit. */
  constructor(grouping: Grouping, limit: number) {
    this.#limit = limit;
    this.#groupLabels = compileGrouping(grouping);
    const listed = new Set(grouping.op === "without" ? [...grouping.labels, metricNameLabel] : grouping.labels);
    this.#keeps = grouping.op === "by" ? (name) => listed.has(name) : (name) => !listed.has(name);
    this.#keepsNothing = grouping.op === "by" && listed.size === 0;
  }

  /** The group of these labels; -1 if there are as many groups as there may be. */
  groupOf(labels: Labels): number {
    this.#noteSource(this);
    return this.#groupOfLabels(this.#groupLabels(labels));
  }

  /** The group of a series of a batch, whose metric name may be `dropped` before; -1 if there are as many groups as there may be. */
  groupOfSeries(batch: SeriesNames, index: number, dropped: boolean): number {
    if (this.#keepsNothing) {
      if (this.labels.length === 0) this.labels.push([]);
      return 0;
    }
    if (batch.labelSpace === undefined || batch.labelIds === undefined) {
      const labels = batch.labels(index);
      return this.groupOf(dropped ? dropLabel(labels, metricNameLabel) : labels);
    }
    const space = this.#spaceGroups(batch.labelSpace, dropped);
    const ids = this.#ids;
    const count = this.#keepIds(batch.labelSpace, space, batch.labelIds(index, ids), dropped);
    const slot = space.byIds.find(ids, count);
    const group = space.byIds.groupAt(slot);
    if (group >= 0) return group;
    const added = this.#groupOfIds(batch.labelSpace, count);
    if (added >= 0) space.byIds.add(slot, ids, count, added);
    return added;
  }

  /** Moves those of the first `count` numbers to the front that the grouping keeps; returns how many. */
  #keepIds(space: LabelSpace, groups: SpaceGroups, count: number, dropped: boolean): number {
    const ids = this.#ids;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const id = ids[i];
      if (id >= groups.kept.length) groups.kept = grown(groups.kept, Math.max(id + 1, groups.kept.length * 2));
      if (groups.kept[id] === 0) groups.kept[id] = this.#isKept(space.labelName(id), dropped) ? 1 : 2;
      if (groups.kept[id] === 1) ids[kept++] = id;
    }
    return kept;
  }

  #isKept(name: string, dropped: boolean): boolean {
    return this.#keeps(name) && !(dropped && name === metricNameLabel);
  }

  #spaceGroups(space: LabelSpace, dropped: boolean): SpaceGroups {
    const spaces = this.#spaces[dropped ? 1 : 0];
    let groups = spaces.get(space);
    if (groups === undefined) {
      groups = { kept: nothingKept, byIds: new IdTable() };
      spaces.set(space, groups);
      this.#noteSource(groups);
    }
    return groups;
  }

  #groupOfIds(space: LabelSpace, count: number): number {
    return this.#groupOfLabels(this.#ids.slice(0, count).map((id) => space.label(id)));
  }

  #groupOfLabels(labels: Labels): number {
    const key = this.#byKey === undefined ? "" : labelsKey(labels);
    const known = this.#byKey?.get(key);
    if (known !== undefined) return known;
    const group = this.labels.length;
    if (this.#limit > 0 && group >= this.#limit) return -1;
    this.#byKey?.set(key, group);
    this.labels.push(labels);
    return group;
  }

  /** Within one space equal numbers are equal labels. What comes from several is compared by its labels. */
  #noteSource(source: unknown): void {
    if (this.#byKey !== undefined || this.#source === source) return;
    if (this.#source !== undefined || source === this) this.#byKey = new Map(this.labels.map((labels, group) => [labelsKey(labels), group]));
    this.#source = source;
  }
}

/** Lists of label numbers to groups: an open hash table. */
class IdTable {
  #slots = new Int32Array(64).fill(-1);
  #count = 0;
  /** List i is ids[from[i] .. from[i + 1]). */
  #ids = new Uint32Array(128);
  #from = new Uint32Array(32);
  #groups = new Int32Array(32);

  /** The slot of a list: the one that has it, or the empty one that it would take. */
  find(ids: readonly number[], count: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(ids, count) & mask;
    while (this.#slots[slot] >= 0 && !this.#isEqual(this.#slots[slot], ids, count)) slot = (slot + 1) & mask;
    return slot;
  }

  /** The group in a slot, -1 if it is empty. */
  groupAt(slot: number): number {
    return this.#slots[slot] < 0 ? -1 : this.#groups[this.#slots[slot]];
  }

  /** Puts a list into the empty slot that was found for it. */
  add(slot: number, ids: readonly number[], count: number, group: number): void {
    const list = this.#count++;
    const from = this.#from[list];
    if (from + count > this.#ids.length) this.#ids = grown(this.#ids, Math.max(from + count, this.#ids.length * 2));
    if (list + 1 >= this.#from.length) {
      this.#from = grown(this.#from, this.#from.length * 2);
      this.#groups = grown(this.#groups, this.#groups.length * 2);
    }
    for (let i = 0; i < count; i++) this.#ids[from + i] = ids[i];
    this.#from[list + 1] = from + count;
    this.#groups[list] = group;
    this.#slots[slot] = list;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
  }

  #isEqual(list: number, ids: readonly number[], count: number): boolean {
    const from = this.#from[list];
    if (this.#from[list + 1] - from !== count) return false;
    for (let i = 0; i < count; i++) if (this.#ids[from + i] !== ids[i]) return false;
    return true;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4).fill(-1);
    const mask = slots.length - 1;
    for (let list = 0; list < this.#count; list++) {
      const ids = this.#ids.subarray(this.#from[list], this.#from[list + 1]);
      let slot = hashOf(ids, ids.length) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = list;
    }
    this.#slots = slots;
  }
}

function hashOf(ids: ArrayLike<number>, count: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < count; i++) hash = Math.imul(hash ^ ids[i], 0x9e3779b1) ^ (hash >>> 15);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function grown<T extends Uint8Array | Uint32Array | Int32Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array as never);
  return larger;
}
