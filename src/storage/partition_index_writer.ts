/**
 * IndexSegmentWriter: writes the series first seen in a partition, with their labels, to an immutable file (docs/formats/partition_index.md).
 * Rows may come in any order and batch by batch; they are sorted by series id when the file is written, and rows of the same series
 * are joined (time bounds widened, days united), so that merging segments is adding all their rows.
 */
import { assert } from "../base/assert.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax, codecScratchBytes, columnKinds, encodeColumn, encodedSizeMax } from "../kernel/codec.ts";
import { packLabelRows, PairInterner } from "../kernel/codec_label_rows.ts";
import { Kernel } from "../kernel/kernel.ts";
import { ByteBuffer, encodeTable } from "./block_table.ts";
import { daysOf, type Partition } from "./partition.ts";
import { groupRowCount, type IndexRows, pairIdBytes, sectionKinds } from "./partition_index_format.ts";
import { SectionFile } from "./partition_index_sections.ts";

export interface IndexSegmentSummary {
  readonly rowCount: number;
  readonly pairCount: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly sizeBytes: number;
}

/** Columns of the rows added so far. */
class RowColumns {
  capacity = 1024;
  count = 0;
  seriesIds = new Uint32Array(1024);
  accountIds = new Uint32Array(1024);
  projectIds = new Uint32Array(1024);
  activeDays = new Uint32Array(1024);
  labelCounts = new Uint32Array(1024);
  minMs = new Float64Array(1024);
  maxMs = new Float64Array(1024);

  reserve(added: number): void {
    if (this.count + added <= this.capacity) return;
    this.capacity = Math.max(this.count + added, this.capacity * 2);
    const grow = <T extends Uint32Array | Float64Array>(array: T, larger: T): T => {
      larger.set(array as never);
      return larger;
    };
    this.seriesIds = grow(this.seriesIds, new Uint32Array(this.capacity));
    this.accountIds = grow(this.accountIds, new Uint32Array(this.capacity));
    this.projectIds = grow(this.projectIds, new Uint32Array(this.capacity));
    this.activeDays = grow(this.activeDays, new Uint32Array(this.capacity));
    this.labelCounts = grow(this.labelCounts, new Uint32Array(this.capacity));
    this.minMs = grow(this.minMs, new Float64Array(this.capacity));
    this.maxMs = grow(this.maxMs, new Float64Array(this.capacity));
  }
}

export class IndexSegmentWriter {
  readonly #partition: Partition;
  /** A memory of its own: it grows with the rows and goes with the writer. */
  readonly #kernel = new Kernel();
  readonly #interner = new PairInterner(this.#kernel);
  readonly #rows = new RowColumns();

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  get rowCount(): number {
    return this.#rows.count;
  }

  /** Adds rows; they are copied. Throws InputError if a label run is malformed. */
  add(rows: IndexRows): void {
    const { rowCount } = rows;
    const columns = this.#rows;
    columns.reserve(rowCount);
    const from = columns.count;
    columns.labelCounts.set(this.#interner.add(rows.labels, rows.labelOffsets, rowCount), from);
    columns.seriesIds.set(rows.seriesIds.subarray(0, rowCount), from);
    columns.accountIds.set(rows.accountIds.subarray(0, rowCount), from);
    columns.projectIds.set(rows.projectIds.subarray(0, rowCount), from);
    columns.minMs.set(rows.minMs.subarray(0, rowCount), from);
    columns.maxMs.set(rows.maxMs.subarray(0, rowCount), from);
    for (let i = 0; i < rowCount; i++) columns.activeDays[from + i] = rows.activeDays?.[i] ?? daysOf(this.#partition, rows.minMs[i], rows.maxMs[i]);
    columns.count += rowCount;
  }

  /** Writes the file and makes it and its name durable. The writer is of no use afterwards. */
  finish(files: FileSystem, path: string): IndexSegmentSummary {
    const kernel = this.#kernel;
    const dictionary = sortPairs(this.#interner);
    const order = sortedRows(this.#rows.seriesIds.subarray(0, this.#rows.count));
    const rows = joinRows(this.#rows, order, this.#interner.ids(), dictionary.rank);
    const out = new SectionFile(kernel, files, path);
    try {
      out.add(sectionKinds.strings, encodeTable(kernel, stringColumns(dictionary.strings)));
      out.addBytes(sectionKinds.stringBytes, stringSuffixes(dictionary.strings));
      out.add(sectionKinds.pairs, encodeTable(kernel, [dictionary.nameIds, dictionary.valueIds]));
      for (let from = 0; from < rows.count; from += groupRowCount) writeRowGroup(out, kernel, rows, from, Math.min(from + groupRowCount, rows.count), dictionary.rank.length);
      writePostings(out, kernel, rows, dictionary.rank.length);
      const sizeBytes = out.finish(rows.count);
      const minMs = rows.minMs.reduce((left, right) => Math.min(left, right), Infinity);
      const maxMs = rows.maxMs.reduce((left, right) => Math.max(left, right), -Infinity);
      return { rowCount: rows.count, pairCount: dictionary.rank.length, minMs, maxMs, sizeBytes };
    } catch (error) {
      out.abort();
      throw error;
    }
  }
}

interface SortedPairs {
  /** Distinct names and values, bytewise ascending; one character for each byte. */
  readonly strings: readonly string[];
  /** Positions in `strings` of name and value of each pair, pairs ascending by name and value. */
  readonly nameIds: Float64Array;
  readonly valueIds: Float64Array;
  /** Place of each interned pair among the sorted ones. */
  readonly rank: Uint32Array;
}

/** Sorts strings and pairs. Bytes are held as latin1 strings, whose order is the order of the bytes. */
function sortPairs(interner: PairInterner): SortedPairs {
  const { names, values } = splitPairs(interner);
  const strings = [...new Set([...names, ...values])].sort();
  const idOf = new Map(strings.map((string, i) => [string, i]));
  const count = names.length;
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = idOf.get(names[i])! * 2 ** 26 + idOf.get(values[i])!;
  const order = Uint32Array.from(keys, (_, i) => i).sort((a, b) => keys[a] - keys[b]);
  const sorted: SortedPairs = { strings, nameIds: new Float64Array(count), valueIds: new Float64Array(count), rank: new Uint32Array(count) };
  assert(strings.length < 2 ** 26, "an index segment holds fewer than 2^26 strings");
  for (let place = 0; place < count; place++) {
    const pair = order[place];
    sorted.nameIds[place] = Math.floor(keys[pair] / 2 ** 26);
    sorted.valueIds[place] = keys[pair] % 2 ** 26;
    sorted.rank[pair] = place;
  }
  return sorted;
}

function splitPairs(interner: PairInterner): { names: string[]; values: string[] } {
  const offsets = interner.pairOffsets();
  const view = interner.pairBytes();
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const names: string[] = [];
  const values: string[] = [];
  for (let i = 0; i < interner.pairCount; i++) {
    const { nameFrom, nameTo, valueFrom, valueTo } = splitLabelField(bytes, offsets[i], offsets[i + 1]);
    names.push(bytes.toString("latin1", nameFrom, nameTo));
    values.push(bytes.toString("latin1", valueFrom, valueTo));
  }
  return { names, values };
}

/** Where name and value stand in the Label field bytes[from, to): 0x0a size, 0x0a size name, 0x12 size value. */
function splitLabelField(bytes: Uint8Array, from: number, to: number): { nameFrom: number; nameTo: number; valueFrom: number; valueTo: number } {
  const [, inner] = readSize(bytes, from + 1);
  const [nameSize, nameFrom] = readSize(bytes, inner + 1);
  const nameTo = nameFrom + nameSize;
  const [valueSize, valueFrom] = readSize(bytes, nameTo + 1);
  const isCanonical = bytes[inner] === 0x0a && bytes[nameTo] === 0x12 && valueFrom + valueSize === to;
  assert(isCanonical, "a label run is not canonical");
  return { nameFrom, nameTo, valueFrom, valueTo: to };
}

/** [number, position after it] of a varint. */
function readSize(bytes: Uint8Array, position: number): [number, number] {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[position++];
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, position];
  }
  return [Infinity, position];
}

/** Positions of the rows, ascending by series id; rows of the same series stay in their order. */
function sortedRows(seriesIds: Uint32Array): Uint32Array {
  const order = Uint32Array.from(seriesIds, (_, i) => i);
  const isSorted = seriesIds.every((id, i) => i === 0 || seriesIds[i - 1] <= id);
  return isSorted ? order : order.sort((a, b) => seriesIds[a] - seriesIds[b] || a - b);
}

/** Sorted rows without doubles, with sorted pair ids. */
interface SortedRows {
  readonly count: number;
  readonly seriesIds: Float64Array;
  readonly accountIds: Float64Array;
  readonly projectIds: Float64Array;
  readonly minMs: Float64Array;
  readonly maxMs: Float64Array;
  readonly activeDays: Float64Array;
  readonly labelCounts: Uint32Array;
  /** Start of each row's pair ids, and the end of the last one. */
  readonly idFrom: Uint32Array;
  readonly ids: Uint32Array;
}

function joinRows(rows: RowColumns, order: Uint32Array, internedIds: Uint32Array, rank: Uint32Array): SortedRows {
  const starts = new Uint32Array(rows.count + 1);
  for (let i = 0; i < rows.count; i++) starts[i + 1] = starts[i] + rows.labelCounts[i];
  const joined = {
    count: 0,
    seriesIds: new Float64Array(rows.count),
    accountIds: new Float64Array(rows.count),
    projectIds: new Float64Array(rows.count),
    minMs: new Float64Array(rows.count),
    maxMs: new Float64Array(rows.count),
    activeDays: new Float64Array(rows.count),
    labelCounts: new Uint32Array(rows.count),
    idFrom: new Uint32Array(rows.count + 1),
    ids: new Uint32Array(internedIds.length),
  };
  for (const row of order) {
    let at = joined.count - 1;
    if (at < 0 || joined.seriesIds[at] !== rows.seriesIds[row]) {
      at = joined.count++;
      joined.seriesIds[at] = rows.seriesIds[row];
      joined.accountIds[at] = rows.accountIds[row];
      joined.projectIds[at] = rows.projectIds[row];
      joined.minMs[at] = rows.minMs[row];
      joined.maxMs[at] = rows.maxMs[row];
      joined.labelCounts[at] = rows.labelCounts[row];
      let to = joined.idFrom[at];
      for (let i = starts[row]; i < starts[row + 1]; i++) joined.ids[to++] = rank[internedIds[i]];
      joined.idFrom[at + 1] = to;
    }
    joined.minMs[at] = Math.min(joined.minMs[at], rows.minMs[row]);
    joined.maxMs[at] = Math.max(joined.maxMs[at], rows.maxMs[row]);
    joined.activeDays[at] = (joined.activeDays[at] | rows.activeDays[row]) >>> 0;
  }
  for (const column of ["seriesIds", "accountIds", "projectIds", "minMs", "maxMs", "activeDays"] as const) joined[column] = joined[column].subarray(0, joined.count);
  return joined;
}

/** Bytes that each string shares with the one before, and bytes of its own. */
function stringColumns(strings: readonly string[]): Float64Array[] {
  const shared = new Float64Array(strings.length);
  const own = new Float64Array(strings.length);
  for (let i = 0; i < strings.length; i++) {
    shared[i] = i === 0 ? 0 : sharedSize(strings[i - 1], strings[i]);
    own[i] = strings[i].length - shared[i];
  }
  return [shared, own];
}

function sharedSize(left: string, right: string): number {
  const size = Math.min(left.length, right.length);
  let shared = 0;
  while (shared < size && left.charCodeAt(shared) === right.charCodeAt(shared)) shared++;
  return shared;
}

function stringSuffixes(strings: readonly string[]): Uint8Array {
  const suffixes = strings.map((string, i) => string.slice(i === 0 ? 0 : sharedSize(strings[i - 1], string)));
  return Buffer.from(suffixes.join(""), "latin1");
}

function writeRowGroup(out: SectionFile, kernel: Kernel, rows: SortedRows, from: number, to: number, pairCount: number): void {
  const spansMs = rows.maxMs.slice(from, to);
  for (let i = from; i < to; i++) spansMs[i - from] -= rows.minMs[i];
  const columns = [rows.seriesIds, rows.accountIds, rows.projectIds, rows.minMs].map((column) => column.subarray(from, to));
  out.add(sectionKinds.rows, encodeTable(kernel, [...columns, spansMs, rows.activeDays.subarray(from, to)]));
  const ids = rows.ids.subarray(rows.idFrom[from], rows.idFrom[to]);
  out.addBytes(sectionKinds.rowLabels, packLabelRows(kernel, ids, rows.labelCounts.subarray(from, to), pairIdBytes(pairCount)));
}

/** For each pair, in order, the numbers of the rows that have it. */
function writePostings(out: SectionFile, kernel: Kernel, rows: SortedRows, pairCount: number): void {
  const { counts, postings } = invertRows(rows, pairCount);
  const mark = kernel.mark();
  const source = kernel.allocate(blockSampleCountMax * 8);
  const target = kernel.allocate(encodedSizeMax(blockSampleCountMax));
  const scratch = kernel.allocate(codecScratchBytes(kernel));
  const bytes = new ByteBuffer(1 << 16);
  const sizes = new Float64Array(pairCount);
  let from = 0;
  for (let pair = 0; pair < pairCount; pair++) {
    const start = bytes.size;
    const end = from + counts[pair];
    for (; from < end; from += blockSampleCountMax) {
      const chunk = postings.subarray(from, Math.min(from + blockSampleCountMax, end));
      kernel.f64.set(chunk, source / 8);
      const size = encodeColumn(kernel, source, chunk.length, columnKinds.values, target, scratch);
      // Only lists of several chunks need their sizes; one chunk ends where the list ends.
      if (counts[pair] > blockSampleCountMax) bytes.appendVarint(size);
      bytes.append(kernel.u8.subarray(target, target + size));
    }
    from = end;
    sizes[pair] = bytes.size - start;
  }
  kernel.reset(mark);
  out.add(sectionKinds.postings, encodeTable(kernel, [counts, sizes]));
  out.addBytes(sectionKinds.postingBytes, bytes.bytes);
}

function invertRows(rows: SortedRows, pairCount: number): { counts: Float64Array; postings: Float64Array } {
  const counts = new Float64Array(pairCount);
  const idEnd = rows.idFrom[rows.count];
  for (let i = 0; i < idEnd; i++) counts[rows.ids[i]]++;
  const places = new Uint32Array(pairCount);
  for (let pair = 1; pair < pairCount; pair++) places[pair] = places[pair - 1] + counts[pair - 1];
  const postings = new Float64Array(idEnd);
  for (let row = 0; row < rows.count; row++) {
    for (let i = rows.idFrom[row]; i < rows.idFrom[row + 1]; i++) postings[places[rows.ids[i]]++] = row;
  }
  return { counts, postings };
}
