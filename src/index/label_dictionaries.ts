/** Label names, pairs and values of a live index by their texts, with the dictionaries and compiled patterns that are worth keeping. */
import type { Kernel } from "../kernel/kernel.ts";
import type { IndexKernel } from "../kernel/postings.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { Dictionary } from "./dictionary.ts";
import type { SelectionSource } from "./selection.ts";
import type { SeriesLabels } from "./series_labels.ts";

const regexpsMax = 256;
/** Decoded label values kept for regular expressions and sorting, all names together. */
const decodedValuesMax = 2_000_000;
/** Longer names and values than this cannot be looked up: they match nothing. */
const keyBytesMax = 1 << 17;

export class LabelDictionaries implements SelectionSource {
  readonly index: IndexKernel;
  readonly #kernel: Kernel;
  readonly #labels: SeriesLabels;
  /** Least recently used first, as are the patterns. */
  readonly #dictionaries = new Map<number, Dictionary>();
  readonly #regexps = new Map<string, AnchoredRegexp>();
  readonly #nameIds = new Map<string, number>();
  readonly #keyScratch: number;

  constructor(kernel: Kernel, index: IndexKernel, labels: SeriesLabels) {
    this.index = index;
    this.#kernel = kernel;
    this.#labels = labels;
    this.#keyScratch = kernel.allocate(keyBytesMax);
  }

  /** Puts bytes into scratch memory and returns their pointer, valid until the next call here; -1 if they are too long. */
  stage(bytes: Uint8Array): number {
    if (bytes.length > keyBytesMax) return -1;
    this.#kernel.u8.set(bytes, this.#keyScratch);
    return this.#keyScratch;
  }

  findPair(name: string, value: string): number {
    const nameBytes = Buffer.from(name);
    const valueBytes = Buffer.from(value);
    if (nameBytes.length + valueBytes.length + 16 > keyBytesMax) return -1;
    const end = writeKey(this.#kernel.u8, this.#keyScratch, nameBytes, valueBytes);
    return this.index.findPair(this.#keyScratch, end - this.#keyScratch);
  }

  /** Name id, or -1. */
  findName(name: string): number {
    const known = this.#nameIds.get(name);
    if (known !== undefined) return known;
    const bytes = Buffer.from(name);
    const nameId = bytes.length > keyBytesMax ? -1 : this.index.findName(this.stage(bytes), bytes.length);
    if (nameId >= 0) this.#nameIds.set(name, nameId);
    return nameId;
  }

  dictionary(name: string): Dictionary | undefined {
    const nameId = this.findName(name);
    return nameId < 0 ? undefined : this.dictionaryOf(nameId);
  }

  /** The dictionary of a name id, up to date. */
  dictionaryOf(nameId: number): Dictionary {
    const dictionary = this.#dictionaries.get(nameId) ?? new Dictionary(this.index, this.#labels, nameId);
    dictionary.sync();
    this.#dictionaries.delete(nameId);
    this.#dictionaries.set(nameId, dictionary);
    this.#dropOldDictionaries();
    return dictionary;
  }

  /** The compiled pattern. Throws InputError. */
  regexp(pattern: string): AnchoredRegexp {
    const regexp = this.#regexps.get(pattern) ?? new AnchoredRegexp(pattern);
    this.#regexps.delete(pattern);
    this.#regexps.set(pattern, regexp);
    if (this.#regexps.size > regexpsMax) this.#regexps.delete(this.#regexps.keys().next().value!);
    return regexp;
  }

  #dropOldDictionaries(): void {
    let decoded = 0;
    for (const dictionary of this.#dictionaries.values()) decoded += dictionary.decodedCount;
    for (const [nameId, dictionary] of this.#dictionaries) {
      if (decoded <= decodedValuesMax || this.#dictionaries.size === 1) return;
      decoded -= dictionary.decodedCount;
      this.#dictionaries.delete(nameId);
    }
  }
}

/** Writes the inner Label message of a pair; returns the pointer behind it. */
function writeKey(u8: Uint8Array, pointer: number, name: Uint8Array, value: Uint8Array): number {
  for (const [tag, bytes] of [[0x0a, name], [0x12, value]] as const) {
    u8[pointer++] = tag;
    let size = bytes.length;
    for (; size >= 128; size >>>= 7) u8[pointer++] = (size & 127) | 128;
    u8[pointer++] = size;
    u8.set(bytes, pointer);
    pointer += bytes.length;
  }
  return pointer;
}
