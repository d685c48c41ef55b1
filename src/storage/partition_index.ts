/**
 * IndexSegment: reads an immutable file of the series first seen in a partition (docs/formats/partition_index.md): all rows batch by batch, with their
 * label runs rebuilt, to load them at start or to merge segments; and the rows under one label pair. Strings and pairs are decoded when they
 * are first needed. Errors about contents are StorageError("corrupt_index").
 */
import type { FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax, codecErrors, codecScratchBytes, decodeColumn } from "../kernel/codec.ts";
import { expandLabelRows, type PairPointers, unpackLabelRows } from "../kernel/codec_label_rows.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { PairFields } from "../kernel/series_load.ts";
import { encodeLabelRun } from "../model/labels.ts";
import { IndexFile, type Section } from "./index_file.ts";
import type { TableReader } from "./block_table.ts";
import { readIndexPairs, readSize } from "./index_pairs.ts";
import { groupRowCount, type IndexRows, pairIdBytes, sectionKinds } from "./partition_index_format.ts";

interface Pairs {
  readonly count: number;
  /** Each pair as a Label field, in the segment's own memory. */
  readonly pointers: PairPointers;
}

/** Rows whose labels are pairs of the segment: row i has the next counts[i] of the pairIds, which are below the number of pairs. */
export interface PairRows {
  readonly rowCount: number;
  readonly seriesIds: Uint32Array;
  readonly accountIds: Uint32Array;
  readonly projectIds: Uint32Array;
  readonly pairIds: Uint32Array;
  readonly counts: Uint32Array;
}

/** Limit against files that are damaged in a way that checksums do not notice. */
const groupLabelBytesMax = 2 ** 28;

export class IndexSegment implements Disposable {
  readonly #file: IndexFile;
  readonly #kernel: Kernel;
  #pairs: Pairs | undefined;

  private constructor(file: IndexFile) {
    this.#file = file;
    this.#kernel = file.kernel;
  }

  /** Opens a finished segment. */
  static open(files: FileSystem, path: string): IndexSegment {
    return new IndexSegment(IndexFile.open(files, path, new Kernel()));
  }

  get path(): string {
    return this.#file.path;
  }

  get rowCount(): number {
    return this.#file.rowCount;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** Where the directory begins and the sections end. */
  get directoryOffset(): number {
    return this.#file.directoryOffset;
  }

  /** Pairs as Label fields in the memory of the segment, where they stay. */
  #loadPairs(): Pairs {
    if (this.#pairs !== undefined) return this.#pairs;
    const { count, fields, fieldOffsets } = readIndexPairs(this.#file);
    const kernel = this.#kernel;
    const pointers = { count, offsets: kernel.allocate(fieldOffsets.length * 4), bytes: kernel.allocate(fields.length + 64) };
    kernel.u32.set(fieldOffsets, pointers.offsets / 4);
    kernel.u8.set(fields, pointers.bytes);
    this.#pairs = { count, pointers };
    return this.#pairs;
  }

  /** Label pairs of the segment. */
  get pairCount(): number {
    return this.#loadPairs().count;
  }

  /** All rows, ascending by series id, some thousand at a time. A batch is valid until the next one is taken; `labels` views the segment's memory. */
  *batches(): Generator<IndexRows> {
    const pairs = this.#loadPairs();
    const groups = this.#file.sectionsOf(sectionKinds.rows);
    const labels = this.#file.sectionsOf(sectionKinds.rowLabels);
    if (groups.length !== labels.length) this.#file.fail("groups of rows are missing");
    let rowCount = 0;
    for (let group = 0; group < groups.length; group++) {
      const rows = this.#file.inArena(() => this.#readGroup(groups[group], labels[group], pairs));
      rowCount += rows.rowCount;
      yield rows;
    }
    if (rowCount !== this.rowCount) this.#file.fail(`it has ${rowCount} rows instead of ${this.rowCount}`);
  }

  /** Each pair as a Label field, in the order of their numbers. */
  pairFields(): PairFields {
    return readIndexPairs(this.#file);
  }

  /** As batches(), without times, and with labels as numbers of the `pairCount` pairs of pairFields(). `pairIds` and `counts` view the segment's memory. */
  *pairRows(pairCount: number): Generator<PairRows> {
    const groups = this.#file.sectionsOf(sectionKinds.rows);
    const labels = this.#file.sectionsOf(sectionKinds.rowLabels);
    if (groups.length !== labels.length) this.#file.fail("groups of rows are missing");
    let rowCount = 0;
    for (let group = 0; group < groups.length; group++) {
      const rows = this.#file.inArena(() => this.#readPairRows(groups[group], labels[group], pairCount));
      rowCount += rows.rowCount;
      yield rows;
    }
    if (rowCount !== this.rowCount) this.#file.fail(`it has ${rowCount} rows instead of ${this.rowCount}`);
  }

  #readPairRows(section: Section, labelSection: Section, pairCount: number): PairRows {
    const kernel = this.#kernel;
    const reader = this.#file.table(section, "a group of rows");
    const seriesIds = this.#unsigned(reader, groupRowCount);
    const rowCount = seriesIds.length;
    const accountIds = this.#unsigned(reader, rowCount);
    const projectIds = this.#unsigned(reader, rowCount);
    if (accountIds.length !== rowCount || projectIds.length !== rowCount) this.#file.fail("columns of a group of rows differ in their lengths");
    const packed = this.#file.bytes(labelSection, "the labels of a group of rows");
    const unpacked = unpackLabelRows(kernel, packed.pointer, packed.size, rowCount, pairIdBytes(pairCount), pairCount);
    if (unpacked === undefined) return this.#file.fail("the labels of a group of rows are malformed");
    const { ids, idCount, counts } = unpacked;
    return { rowCount, seriesIds, accountIds, projectIds, pairIds: kernel.u32.subarray(ids / 4, ids / 4 + idCount), counts: kernel.u32.subarray(counts / 4, counts / 4 + rowCount) };
  }

  /** The next column, of at most `rowsMax` numbers of 32 bits. */
  #unsigned(reader: TableReader, rowsMax: number): Uint32Array {
    const values = reader.column(rowsMax);
    const numbers = new Uint32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      numbers[i] = values[i];
      if (numbers[i] !== values[i]) this.#file.fail(`${values[i]} at row ${i} of a group is no number of 32 bits`);
    }
    return numbers;
  }

  #readGroup(section: Section, labelSection: Section, pairs: Pairs): IndexRows {
    const kernel = this.#kernel;
    const reader = this.#file.table(section, "a group of rows");
    const seriesIds = reader.column(groupRowCount);
    const rowCount = seriesIds.length;
    reader.check(seriesIds, 0, 2 ** 32 - 1);
    const accountIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
    const projectIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
    const minMs = reader.integers(rowCount, -8.64e15, 8.64e15);
    const maxMs = reader.integers(rowCount, 0, 1.8e16);
    const activeDays = reader.integers(rowCount, 0, 2 ** 31 - 1);
    for (let i = 0; i < rowCount; i++) maxMs[i] += minMs[i];
    const packed = this.#file.bytes(labelSection, "the labels of a group of rows");
    // A row of n labels takes n bits at least.
    const idCapacity = packed.size * 8;
    const expanded = expandLabelRows(kernel, packed.pointer, packed.size, rowCount, pairIdBytes(pairs.count), pairs.pointers, idCapacity, groupLabelBytesMax);
    if (expanded === undefined) return this.#file.fail("the labels of a group of rows are malformed");
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
    return this.#file.sections;
  }

  /** Every pair, as a Label field, with the numbers of the rows that have it; for verification. The field is valid until the next one. */
  *postingLists(): Generator<{ field: Uint8Array; rows: Uint32Array }> {
    const pairs = this.#loadPairs();
    const kernel = this.#kernel;
    const mark = kernel.mark();
    try {
      const { counts, sizes } = this.#file.inArena(() => {
        const reader = this.#file.table(this.#file.section(sectionKinds.postings), "the table of postings");
        return { counts: reader.integers(pairs.count, 1, this.rowCount), sizes: reader.integers(pairs.count, 1, 2 ** 40) };
      });
      const bytes = this.#file.bytes(this.#file.section(sectionKinds.postingBytes), "the postings");
      let from = 0;
      for (let pair = 0; pair < pairs.count; pair++) {
        if (from + sizes[pair] > bytes.size) this.#file.fail("a posting list is cut");
        const rows = this.#file.inArena(() => this.#decodePostings(bytes.pointer + from, sizes[pair], counts[pair]));
        from += sizes[pair];
        const offset = pairs.pointers.offsets / 4 + pair;
        yield { field: kernel.u8.subarray(pairs.pointers.bytes + kernel.u32[offset], pairs.pointers.bytes + kernel.u32[offset + 1]), rows };
      }
      if (from !== bytes.size) this.#file.fail("there are bytes behind the last posting list");
    } finally {
      kernel.reset(mark);
    }
  }

  /** Numbers of the rows (positions among all rows of the segment) that have this label, ascending. */
  postings(name: string, value: string): Uint32Array {
    const pairs = this.#loadPairs();
    const pair = this.#findPair(pairs, encodeLabelRun([{ name, value }]));
    if (pair < 0) return new Uint32Array(0);
    return this.#file.inArena(() => {
      const reader = this.#file.table(this.#file.section(sectionKinds.postings), "the table of postings");
      const counts = reader.integers(pairs.count, 1, this.rowCount);
      const sizes = reader.integers(pairs.count, 1, 2 ** 40);
      let from = 0;
      for (let i = 0; i < pair; i++) from += sizes[i];
      const bytes = this.#file.bytes(this.#file.section(sectionKinds.postingBytes), "the postings");
      if (from + sizes[pair] > bytes.size) this.#file.fail("a posting list is cut");
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
      if (chunkSize > end - pointer) this.#file.fail("a posting list is cut");
      const error = decodeColumn(kernel, pointer, chunkSize, chunkCount, target, scratch);
      if (error !== 0) this.#file.fail(codecErrors[error]);
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

/** Name and value of the Label field at `position`. */
function splitField(bytes: Uint8Array, position: number): { name: Uint8Array; value: Uint8Array } {
  const [, inner] = readSize(bytes, position + 1);
  const [nameSize, nameFrom] = readSize(bytes, inner + 1);
  const [valueSize, valueFrom] = readSize(bytes, nameFrom + nameSize + 1);
  return { name: bytes.subarray(nameFrom, nameFrom + nameSize), value: bytes.subarray(valueFrom, valueFrom + valueSize) };
}
