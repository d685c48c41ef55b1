/**
 * Decoded header groups of the parts that a reader has open, under a budget of bytes: small queries ask for the same few groups again and again, and
 * decoding one costs more than all else that they do with it. The least recently used are dropped when the budget is exceeded.
 */
import { type BlockList, copyBlockList, ownedBytesOf } from "./block_list.ts";

/** Groups of one part have consecutive keys; no part has so many. */
const keysPerPart = 2 ** 32;

export class HeaderCache {
  readonly #budgetBytes: number;
  /** Least recently used first. */
  readonly #lists = new Map<number, BlockList>();
  #sizeBytes = 0;
  #nextPart = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  /** Bytes held. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The first key of a part that was opened; its groups have this key and those after it. */
  addPart(): number {
    return this.#nextPart++ * keysPerPart;
  }

  /** The headers of a group, or undefined. Their arrays have no rows but theirs. */
  get(key: number): BlockList | undefined {
    const list = this.#lists.get(key);
    if (list === undefined) return undefined;
    this.#lists.delete(key);
    this.#lists.set(key, list);
    return list;
  }

  /** Keeps a copy of what was decoded, and returns it. */
  add(key: number, decoded: BlockList): BlockList {
    const list = copyBlockList(decoded);
    this.#lists.set(key, list);
    this.#sizeBytes += ownedBytesOf(list);
    for (const [oldest, other] of this.#lists) {
      if (this.#sizeBytes <= this.#budgetBytes || oldest === key) break;
      this.#drop(oldest, other);
    }
    return list;
  }

  /** Forgets all groups of a part. */
  dropPart(firstKey: number): void {
    for (const [key, list] of this.#lists) if (key >= firstKey && key < firstKey + keysPerPart) this.#drop(key, list);
  }

  #drop(key: number, list: BlockList): void {
    this.#lists.delete(key);
    this.#sizeBytes -= ownedBytesOf(list);
  }
}
