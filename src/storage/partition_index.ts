/**
 * IndexSegment: reads an immutable file of the series first seen in a partition (docs/formats/partition_index.md): all rows batch by batch, with their
 * label runs rebuilt, to load them at start or to merge segments; and the rows under one label pair. Strings and pairs are decoded when they
 * are first needed. Errors about contents are StorageError("corrupt_index").
 */
import { StorageError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax, codecErrors, codecScratchBytes, decodeColumn } from "../kernel/codec.ts";
import { expandLabelRows, type PairPointers } from "../kernel/codec_label_rows.ts";
import { Kernel } from "../kernel/kernel.ts";
import { encodeLabelRun } from "../model/labels.ts";
import { checksumBytes, isChecksummed, TableReader } from "./block_table.ts";
import { readFully } from "./part_frames.ts";
import { decodeIndexEnds, groupRowCount, indexFooterBytes, indexHeaderBytes, type IndexRows, pairIdBytes, sectionKinds } from "./partition_index_format.ts";

export interface Section {
  readonly kind: number;
  readonly offset: number;
  readonly size: number;
}

/** Strings as one run of bytes: string i is bytes[offsets[i], offsets[i + 1]). */
interface Strings {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

interface Pairs {
  readonly count: number;
  readonly nameIds: Float64Array;
  readonly valueIds: Float64Array;
  /** Each pair as a Label field, in the segment's own memory. */
  readonly pointers: PairPointers;
}

/** Limits against files that are damaged in a way that checksums do not notice. */
const stringBytesMax = 2 ** 30;
const groupLabelBytesMax = 2 ** 28;

export class IndexSegment implements Disposable {
  readonly path: string;
  readonly rowCount: number;
  readonly sizeBytes: number;
  /** Where the sections end in the file. */
  readonly directoryOffset: number;
  readonly #file: FileHandle;
  readonly #kernel = new Kernel();
  readonly #sections: readonly Section[];
  #pairs: Pairs | undefined;
  #strings: Strings | undefined;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.path = path;
    this.sizeBytes = file.size();
    const header = new Uint8Array(indexHeaderBytes);
    const footer = new Uint8Array(indexFooterBytes);
    const hasEnds = this.sizeBytes >= indexHeaderBytes + indexFooterBytes && readFully(file, header, 0) && readFully(file, footer, this.sizeBytes - indexFooterBytes);
    if (!hasEnds) this.#fail(`it has only ${this.sizeBytes} bytes`);
    const ends = decodeIndexEnds(this.#kernel, header, footer, this.sizeBytes);
    if (typeof ends === "string") this.#fail(ends);
    this.rowCount = ends.rowCount;
    this.directoryOffset = ends.directoryOffset;
    this.#sections = this.#readDirectory(ends.directoryOffset, ends.directorySize);
  }

  /** Opens a finished segment. */
  static open(files: FileSystem, path: string): IndexSegment {
    const file = files.open(path, "read");
    try {
      return new IndexSegment(file, path);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #fail(reason: string): never {
    throw new StorageError("corrupt_index", `index segment ${this.path} is damaged: ${reason}`);
  }

  #readDirectory(offset: number, size: number): Section[] {
    return this.#inArena(() => {
      const reader = this.#table({ kind: 0, offset, size }, "the directory");
      const kinds = reader.column(2 ** 22);
      const offsets = reader.integers(kinds.length, indexHeaderBytes, offset);
      const sizes = reader.integers(kinds.length, checksumBytes, offset);
      return Array.from(kinds, (kind, i) => ({ kind, offset: offsets[i], size: sizes[i] }));
    });
  }

  /** Gives the arena back afterwards, and turns damage of a table into this segment's error. */
  #inArena<T>(work: () => T): T {
    const mark = this.#kernel.mark();
    try {
      return work();
    } catch (error) {
      if (error instanceof StorageError && error.code === "corrupt_table") throw new StorageError("corrupt_index", `index segment ${this.path}: ${error.message}`, { cause: error });
      throw error;
    } finally {
      this.#kernel.reset(mark);
    }
  }

  /** Reads a section into arena memory. */
  #load(section: Section): number {
    const pointer = this.#kernel.allocate(section.size + 64);
    const target = this.#kernel.u8.subarray(pointer, pointer + section.size);
    if (section.offset + section.size > this.sizeBytes || !readFully(this.#file, target, section.offset)) this.#fail("a section is cut");
    return pointer;
  }

  #table(section: Section, what: string): TableReader {
    return new TableReader(this.#kernel, this.#load(section), section.size, what);
  }

  /** Reads a section of plain bytes into arena memory: its address, and its size without the checksum. */
  #bytes(section: Section, what: string): { pointer: number; size: number } {
    const pointer = this.#load(section);
    const size = section.size - checksumBytes;
    if (!isChecksummed(this.#kernel, pointer, size)) this.#fail(`the checksum of ${what} is wrong`);
    return { pointer, size };
  }

  #section(kind: number): Section {
    const section = this.#sections.find((one) => one.kind === kind);
    return section ?? this.#fail(`section ${kind} is missing`);
  }

  /** Distinct names and values, bytewise ascending. */
  #loadStrings(): Strings {
    this.#strings ??= this.#inArena(() => {
      const reader = this.#table(this.#section(sectionKinds.strings), "the table of strings");
      const shared = reader.column(2 ** 26);
      reader.check(shared, 0, stringBytesMax);
      const own = reader.integers(shared.length, 0, stringBytesMax);
      const suffixes = this.#bytes(this.#section(sectionKinds.stringBytes), "the strings");
      const source = this.#kernel.u8.subarray(suffixes.pointer, suffixes.pointer + suffixes.size);
      return joinStrings(shared, own, source) ?? this.#fail("the strings do not fit together");
    });
    return this.#strings;
  }

  /** Pairs as Label fields in the memory of the segment, where they stay. */
  #loadPairs(): Pairs {
    if (this.#pairs !== undefined) return this.#pairs;
    const strings = this.#loadStrings();
    const [nameIds, valueIds] = this.#inArena(() => {
      const reader = this.#table(this.#section(sectionKinds.pairs), "the table of pairs");
      const names = reader.column(2 ** 30);
      const stringMax = Math.max(strings.offsets.length - 2, 0);
      reader.check(names, 0, stringMax);
      return [names, reader.integers(names.length, 0, stringMax)];
    });
    const { bytes, offsets } = labelFields(strings, nameIds, valueIds);
    const kernel = this.#kernel;
    const pointers = { count: nameIds.length, offsets: kernel.allocate(offsets.length * 4), bytes: kernel.allocate(bytes.length + 64) };
    kernel.u32.set(offsets, pointers.offsets / 4);
    kernel.u8.set(bytes, pointers.bytes);
    this.#pairs = { count: nameIds.length, nameIds, valueIds, pointers };
    return this.#pairs;
  }

  /** Label pairs of the segment. */
  get pairCount(): number {
    return this.#loadPairs().count;
  }

  /** All rows, ascending by series id, some thousand at a time. A batch is valid until the next one is taken; `labels` views the segment's memory. */
  *batches(): Generator<IndexRows> {
    const pairs = this.#loadPairs();
    const groups = this.#sections.filter((section) => section.kind === sectionKinds.rows);
    const labels = this.#sections.filter((section) => section.kind === sectionKinds.rowLabels);
    if (groups.length !== labels.length) this.#fail("groups of rows are missing");
    let rowCount = 0;
    for (let group = 0; group < groups.length; group++) {
      const rows = this.#inArena(() => this.#readGroup(groups[group], labels[group], pairs));
      rowCount += rows.rowCount;
      yield rows;
    }
    if (rowCount !== this.rowCount) this.#fail(`it has ${rowCount} rows instead of ${this.rowCount}`);
  }

  #readGroup(section: Section, labelSection: Section, pairs: Pairs): IndexRows {
    const kernel = this.#kernel;
    const reader = this.#table(section, "a group of rows");
    const seriesIds = reader.column(groupRowCount);
    const rowCount = seriesIds.length;
    reader.check(seriesIds, 0, 2 ** 32 - 1);
    const accountIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
    const projectIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
    const minMs = reader.integers(rowCount, -8.64e15, 8.64e15);
    const maxMs = reader.integers(rowCount, 0, 1.8e16);
    const activeDays = reader.integers(rowCount, 0, 2 ** 31 - 1);
    for (let i = 0; i < rowCount; i++) maxMs[i] += minMs[i];
    const packed = this.#bytes(labelSection, "the labels of a group of rows");
    // A row of n labels takes n bits at least.
    const idCapacity = packed.size * 8;
    const expanded = expandLabelRows(kernel, packed.pointer, packed.size, rowCount, pairIdBytes(pairs.count), pairs.pointers, idCapacity, groupLabelBytesMax);
    if (expanded === undefined) return this.#fail("the labels of a group of rows are malformed");
    return {
      rowCount,
      seriesIds: new Uint32Array(seriesIds),
      accountIds: new Uint32Array(accountIds),
      projectIds: new Uint32Array(projectIds),
      minMs,
      maxMs,
      activeDays: new Uint32Array(activeDays),
      labels: kernel.u8.subarray(expanded.labels, expanded.labels + expanded.labelsSize),
      labelOffsets: kernel.u32.slice(expanded.offsets / 4, expanded.offsets / 4 + rowCount + 1),
    };
  }

  /** Where the sections are in the file, in its order; for verification. */
  get sections(): readonly Section[] {
    return this.#sections;
  }

  /** Every pair, as a Label field, with the numbers of the rows that have it; for verification. The field is valid until the next one. */
  *postingLists(): Generator<{ field: Uint8Array; rows: Uint32Array }> {
    const pairs = this.#loadPairs();
    const kernel = this.#kernel;
    const mark = kernel.mark();
    try {
      const { counts, sizes } = this.#inArena(() => {
        const reader = this.#table(this.#section(sectionKinds.postings), "the table of postings");
        return { counts: reader.integers(pairs.count, 1, this.rowCount), sizes: reader.integers(pairs.count, 1, 2 ** 40) };
      });
      const bytes = this.#bytes(this.#section(sectionKinds.postingBytes), "the postings");
      let from = 0;
      for (let pair = 0; pair < pairs.count; pair++) {
        if (from + sizes[pair] > bytes.size) this.#fail("a posting list is cut");
        const rows = this.#inArena(() => this.#decodePostings(bytes.pointer + from, sizes[pair], counts[pair]));
        from += sizes[pair];
        const offset = pairs.pointers.offsets / 4 + pair;
        yield { field: kernel.u8.subarray(pairs.pointers.bytes + kernel.u32[offset], pairs.pointers.bytes + kernel.u32[offset + 1]), rows };
      }
      if (from !== bytes.size) this.#fail("there are bytes behind the last posting list");
    } finally {
      kernel.reset(mark);
    }
  }

  /** Numbers of the rows (positions among all rows of the segment) that have this label, ascending. */
  postings(name: string, value: string): Uint32Array {
    const pairs = this.#loadPairs();
    const pair = this.#findPair(pairs, encodeLabelRun([{ name, value }]));
    if (pair < 0) return new Uint32Array(0);
    return this.#inArena(() => {
      const reader = this.#table(this.#section(sectionKinds.postings), "the table of postings");
      const counts = reader.integers(pairs.count, 1, this.rowCount);
      const sizes = reader.integers(pairs.count, 1, 2 ** 40);
      let from = 0;
      for (let i = 0; i < pair; i++) from += sizes[i];
      const bytes = this.#bytes(this.#section(sectionKinds.postingBytes), "the postings");
      if (from + sizes[pair] > bytes.size) this.#fail("a posting list is cut");
      return this.#decodePostings(bytes.pointer + from, sizes[pair], counts[pair]);
    });
  }

  /** Pairs are ascending by name and value, but their fields begin with sizes: found by comparing names and values. */
  #findPair(pairs: Pairs, field: Uint8Array): number {
    const kernel = this.#kernel;
    const offsets = kernel.u32.subarray(pairs.pointers.offsets / 4, pairs.pointers.offsets / 4 + pairs.count + 1);
    const wanted = splitField(field, 0);
    let low = 0;
    let high = pairs.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const pair = splitField(kernel.u8, pairs.pointers.bytes + offsets[middle]);
      const order = Buffer.compare(wanted.name, pair.name) || Buffer.compare(wanted.value, pair.value);
      if (order === 0) return middle;
      if (order < 0) high = middle - 1;
      else low = middle + 1;
    }
    return -1;
  }

  #decodePostings(pointer: number, size: number, count: number): Uint32Array {
    const kernel = this.#kernel;
    const target = kernel.allocate(blockSampleCountMax * 8);
    const scratch = kernel.allocate(codecScratchBytes(kernel));
    const rows = new Uint32Array(count);
    const end = pointer + size;
    for (let from = 0; from < count; from += blockSampleCountMax) {
      const chunkCount = Math.min(count - from, blockSampleCountMax);
      let chunkSize = end - pointer;
      if (count > blockSampleCountMax) [chunkSize, pointer] = readSize(kernel.u8, pointer);
      if (chunkSize > end - pointer) this.#fail("a posting list is cut");
      const error = decodeColumn(kernel, pointer, chunkSize, chunkCount, target, scratch);
      if (error !== 0) this.#fail(codecErrors[error]);
      rows.set(kernel.f64.subarray(target / 8, target / 8 + chunkCount), from);
      pointer += chunkSize;
    }
    return rows;
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Strings from the bytes each shares with the one before and those of its own; undefined if sizes do not fit. */
function joinStrings(shared: Float64Array, own: Float64Array, suffixes: Uint8Array): Strings | undefined {
  const offsets = new Uint32Array(shared.length + 1);
  let total = 0;
  let suffixTotal = 0;
  for (let i = 0; i < shared.length; i++) {
    if (shared[i] > (i === 0 ? 0 : total - offsets[i - 1])) return undefined;
    total += shared[i] + own[i];
    suffixTotal += own[i];
    if (total > stringBytesMax || suffixTotal > suffixes.length) return undefined;
    offsets[i + 1] = total;
  }
  if (suffixTotal !== suffixes.length) return undefined;
  const bytes = new Uint8Array(total);
  let suffix = 0;
  for (let i = 0; i < shared.length; i++) {
    if (shared[i] > 0) bytes.copyWithin(offsets[i], offsets[i - 1], offsets[i - 1] + shared[i]);
    bytes.set(suffixes.subarray(suffix, suffix + own[i]), offsets[i] + shared[i]);
    suffix += own[i];
  }
  return { bytes, offsets };
}

function sizeOfSize(size: number): number {
  return size < 128 ? 1 : size < 1 << 14 ? 2 : size < 1 << 21 ? 3 : 4;
}

/** All pairs as Label fields, one after the other: 0x0a size, 0x0a size name, 0x12 size value. */
function labelFields(strings: Strings, nameIds: Float64Array, valueIds: Float64Array): { bytes: Uint8Array; offsets: Uint32Array } {
  const sizeOf = (id: number): number => strings.offsets[id + 1] - strings.offsets[id];
  const offsets = new Uint32Array(nameIds.length + 1);
  const innerSize = (i: number): number => {
    const [nameSize, valueSize] = [sizeOf(nameIds[i]), sizeOf(valueIds[i])];
    return 2 + sizeOfSize(nameSize) + nameSize + sizeOfSize(valueSize) + valueSize;
  };
  for (let i = 0; i < nameIds.length; i++) offsets[i + 1] = offsets[i] + 1 + sizeOfSize(innerSize(i)) + innerSize(i);
  const bytes = new Uint8Array(offsets[nameIds.length]);
  let at = 0;
  const putSize = (tag: number, size: number): void => {
    bytes[at++] = tag;
    for (; size >= 128; size >>>= 7) bytes[at++] = (size & 127) | 128;
    bytes[at++] = size;
  };
  const putString = (tag: number, id: number): void => {
    putSize(tag, sizeOf(id));
    bytes.set(strings.bytes.subarray(strings.offsets[id], strings.offsets[id + 1]), at);
    at += sizeOf(id);
  };
  for (let i = 0; i < nameIds.length; i++) {
    putSize(0x0a, innerSize(i));
    putString(0x0a, nameIds[i]);
    putString(0x12, valueIds[i]);
  }
  return { bytes, offsets };
}

/** Name and value of the Label field at `position`. */
function splitField(bytes: Uint8Array, position: number): { name: Uint8Array; value: Uint8Array } {
  const [, inner] = readSize(bytes, position + 1);
  const [nameSize, nameFrom] = readSize(bytes, inner + 1);
  const [valueSize, valueFrom] = readSize(bytes, nameFrom + nameSize + 1);
  return { name: bytes.subarray(nameFrom, nameFrom + nameSize), value: bytes.subarray(valueFrom, valueFrom + valueSize) };
}

/** [number, position after it] of a varint. */
function readSize(bytes: Uint8Array, position: number): [number, number] {
  let value = 0;
  for (let scale = 1; scale < 2 ** 35; scale *= 128) {
    const byte = bytes[position++];
    value += (byte & 127) * scale;
    if (byte < 128) break;
  }
  return [value, position];
}
