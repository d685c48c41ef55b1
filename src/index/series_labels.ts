/**
 * Labels of the series of a live index, for any thread that has a Kernel on the same memory. Rows, pair states and strings are
 * only appended to and are written before a series is announced, so a reader that was told a seriesIndex needs no lock.
 */
import type { Kernel } from "../kernel/kernel.ts";
import { IndexKernel, tenantNameId } from "../kernel/postings.ts";
import type { Label, Labels } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import type { LabelSpace } from "../model/store.ts";

const pageBits = 10;
/** Decoded pairs that are kept; beyond this the cache starts anew. */
const cachedPairsMax = 1 << 18;

export class SeriesLabels implements LabelSpace {
  readonly #index: IndexKernel;
  /** pairId -> Label, in pages. */
  #pages: (Label | undefined)[][] = [];
  #cachedPairs = 0;
  readonly #row: number[] = [];
  #text: Buffer = Buffer.alloc(0);

  constructor(kernel: Kernel, contextPointer: number) {
    this.#index = new IndexKernel(kernel, contextPointer);
  }

  /** The labels of a series, sorted bytewise by name. */
  labels(seriesIndex: number): Labels {
    const count = this.#index.readRow(seriesIndex, this.#row);
    const labels: Label[] = [];
    for (let i = 1; i < count; i++) labels.push(this.pair(this.#row[i]));
    return labels;
  }

  /** Writes the pair ids of the labels of a series to `target`, in the order of labels(); returns how many. */
  labelIds(seriesIndex: number, target: number[]): number {
    const count = this.#index.readRow(seriesIndex, target);
    // The first pair is the tenant's.
    for (let i = 1; i < count; i++) target[i - 1] = target[i];
    return count - 1;
  }

  labelName(pairId: number): string {
    return this.nameText(this.#index.pairName(pairId));
  }

  /** Name and value of a pair. */
  label(pairId: number): Label {
    return this.pair(pairId);
  }

  /** The canonical label run of a series, copied out. */
  labelRun(seriesIndex: number): Uint8Array {
    const count = this.#index.readRow(seriesIndex, this.#row);
    let size = 0;
    for (let i = 1; i < count; i++) {
      const keySize = this.#index.pairKey(this.#row[i])[1];
      size += 1 + varintSize(keySize) + keySize;
    }
    const run = new Uint8Array(size);
    const u8 = this.#index.kernel.u8;
    let position = 0;
    for (let i = 1; i < count; i++) {
      const [pointer, keySize] = this.#index.pairKey(this.#row[i]);
      run[position++] = 0x0a;
      for (let rest = keySize; ; rest >>>= 7) {
        run[position++] = rest < 128 ? rest : (rest & 127) | 128;
        if (rest < 128) break;
      }
      run.set(u8.subarray(pointer, pointer + keySize), position);
      position += keySize;
    }
    return run;
  }

  /** The value of one label of a series, "" if it has none. */
  valueOf(seriesIndex: number, labelName: string): string {
    const count = this.#index.readRow(seriesIndex, this.#row);
    for (let i = 1; i < count; i++) {
      const label = this.pair(this.#row[i]);
      if (label.name === labelName) return label.value;
    }
    return "";
  }

  tenant(seriesIndex: number): Tenant {
    this.#index.readRow(seriesIndex, this.#row);
    const [pointer] = this.#index.pairKey(this.#row[0]);
    const view = new DataView(this.#index.kernel.u8.buffer, pointer + 2, 8);
    return { accountId: view.getUint32(0, true), projectId: view.getUint32(4, true) };
  }

  /** Name and value of a pair (not of a tenant's hidden one). The same object for the same pair while it is cached. */
  pair(pairId: number): Label {
    const page = (this.#pages[pairId >>> pageBits] ??= []);
    return (page[pairId & ((1 << pageBits) - 1)] ??= this.#decodePair(pairId));
  }

  #decodePair(pairId: number): Label {
    if (++this.#cachedPairs > cachedPairsMax) {
      this.#pages = [];
      this.#cachedPairs = 1;
    }
    return Object.freeze({ name: this.nameText(this.#index.pairName(pairId)), value: this.valueText(pairId) });
  }

  readonly #names: string[] = [];

  /** The text of a label name by its id. */
  nameText(nameId: number): string {
    if (nameId === tenantNameId) return "";
    const [pointer, size] = this.#index.nameBytes(nameId);
    return (this.#names[nameId] ??= this.#decodeText(pointer, pointer + size));
  }

  /** The value of a pair, decoded anew. */
  valueText(pairId: number): string {
    const [pointer, size] = this.#index.pairKey(pairId);
    const u8 = this.#index.kernel.u8;
    // { 0x0a, varint nameSize, name, 0x12, varint valueSize, value }: the value is the rest behind the name and its size.
    let position = pointer + 1;
    let nameSize = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = u8[position++];
      nameSize |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    position += nameSize + 1;
    while (u8[position++] >= 128);
    return this.#decodeText(position, pointer + size);
  }

  #decodeText(fromPointer: number, toPointer: number): string {
    const u8 = this.#index.kernel.u8;
    if (this.#text.buffer !== u8.buffer) this.#text = Buffer.from(u8.buffer);
    return this.#text.toString("utf8", fromPointer, toPointer);
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (; value >= 128; value >>>= 7) size++;
  return size;
}
