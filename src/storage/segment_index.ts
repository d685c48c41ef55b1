/**
 * SegmentIndex: answers selectors from an index segment's file (docs/formats/partition_index.md). It loads what a question needs and keeps it in a memory
 * that it shares with other segments: the dictionary (pairs sorted by name and value, so that a name and a prefix are ranges), all postings as they are in the
 * file (decoded when asked for), and groups of rows. What is loaded stays until close(). Errors about contents are StorageError("corrupt_index").
 *
 * Tenants have no postings here; rows are told apart by tenant when they are looked at. To a Selection all rows have one more pair.
 */
import type { FileSystem } from "../disk/file_system.ts";
import type { PairDictionary } from "../index/condition.ts";
import type { SelectionCosts, SelectionIndex, SelectionSource } from "../index/selection.ts";
import { blockSampleCountMax, codecErrors, decodeColumn } from "../kernel/codec.ts";
import type { PairPointers } from "../kernel/codec_label_rows.ts";
import { PostingsKernel } from "../kernel/postings.ts";
import type { UnpackedRows } from "../kernel/segment_index.ts";
import type { Label, Labels } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import type { AnchoredRegexp } from "../model/regexp.ts";
import { RegexpMeter } from "../model/regexp_meter.ts";
import { IndexFile, type Section } from "./index_file.ts";
import { readIndexPairs, readSize } from "./index_pairs.ts";
import { groupRowCount, pairIdBytes, sectionKinds } from "./partition_index_format.ts";
import type { SegmentMemory } from "./segment_memory.ts";
import type { IndexSegmentRef } from "./table_client.ts";

/** Pairs of one name: [from, to). */
interface NamePairs {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

interface Postings {
  /** u32 for each pair: its rows, and where its list begins (and the end of the last one) in `bytes`. */
  readonly counts: number;
  readonly offsets: number;
  readonly bytes: number;
}

/** Columns of a group: u32 each, by position in the group. */
export interface RowGroup {
  readonly rowCount: number;
  readonly seriesIds: number;
  readonly activeDays: number;
  /** Milliseconds since the beginning of the month. */
  readonly minMs: number;
  readonly maxMs: number;
  /** The tenant of all rows, or columns if there are several. */
  readonly tenant: Tenant | { readonly accountIds: number; readonly projectIds: number };
}

/** Decoded labels that are kept for each segment. */
const cachedLabelsMax = 1 << 14;
/** Of unpacking a group, measured. */
const unpackNs = 100_000;

export interface SegmentIndexOptions {
  readonly files: FileSystem;
  readonly memory: SegmentMemory;
  readonly ref: IndexSegmentRef;
  readonly regexp: (pattern: string) => AnchoredRegexp;
}

export class SegmentIndex implements SelectionIndex, SelectionSource {
  readonly ref: IndexSegmentRef;
  readonly index = this;
  readonly rowCount: number;
  readonly costs: SelectionCosts;
  readonly regexp: (pattern: string) => AnchoredRegexp;
  readonly #files: FileSystem;
  readonly #memory: SegmentMemory;
  readonly #areas: number[] = [];
  readonly #names: readonly NamePairs[];
  readonly #nameOf: ReadonlyMap<string, NamePairs>;
  readonly #pairs: PairPointers;
  readonly #rowSections: readonly Section[];
  readonly #labelSections: readonly Section[];
  readonly #groups: (RowGroup | undefined)[] = [];
  readonly #packed: ({ pointer: number; size: number } | undefined)[] = [];
  #file: IndexFile | undefined;
  #postings: Postings | undefined;
  #labels = new Map<number, Label>();
  #sizeBytes = 0;

  /** Opens the file and loads the dictionary. */
  constructor({ files, memory, ref, regexp }: SegmentIndexOptions) {
    this.#files = files;
    this.#memory = memory;
    this.ref = ref;
    this.regexp = regexp;
    try {
      const file = this.#open();
      this.rowCount = file.rowCount;
      this.#rowSections = file.sectionsOf(sectionKinds.rows);
      this.#labelSections = file.sectionsOf(sectionKinds.rowLabels);
      const groupCount = Math.ceil(this.rowCount / groupRowCount);
      if (this.#rowSections.length !== groupCount || this.#labelSections.length !== groupCount) file.fail("groups of rows are missing");
      const { count, nameIds, strings, fields, fieldOffsets } = readIndexPairs(file);
      this.#names = namesOf(nameIds, strings);
      this.#nameOf = new Map(this.#names.map((name) => [name.name, name]));
      this.#pairs = { count, offsets: this.#keep(fieldOffsets.length * 4), bytes: this.#keep(fields.length + 64) };
      memory.kernel.u32.set(fieldOffsets, this.#pairs.offsets / 4);
      memory.kernel.u8.set(fields, this.#pairs.bytes);
      const rowsNs = (rows: number): number => Math.min(rows, groupCount) * unpackNs + rows * 10;
      this.costs = { postingEntry: 2, pairCall: 600, rowsNs, scanNs: rowsNs(this.rowCount) };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The file, which stays open until closeFile(). */
  #open(): IndexFile {
    this.#file ??= IndexFile.open(this.#files, this.ref.path, this.#memory.kernel);
    return this.#file;
  }

  /** To be called after each piece of work. */
  closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Bytes loaded. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Gives the memory back. The segment is of no use afterwards. */
  close(): void {
    this.closeFile();
    for (const pointer of this.#areas) this.#memory.areas.free(pointer);
    this.#areas.length = 0;
  }

  #keep(sizeBytes: number): number {
    const { areas } = this.#memory;
    const pointer = areas.allocate(sizeBytes);
    this.#areas.push(pointer);
    this.#sizeBytes += areas.sizeOf(pointer);
    return pointer;
  }

  /** Keeps the plain bytes of a section. */
  #keepBytes(file: IndexFile, section: Section, what: string): { pointer: number; size: number } {
    const pointer = this.#keep(section.size + 64);
    return file.inArena(() => {
      const bytes = file.bytes(section, what);
      this.#memory.kernel.u8.copyWithin(pointer, bytes.pointer, bytes.pointer + bytes.size);
      return { pointer, size: bytes.size };
    });
  }

  #fail(reason: string): never {
    return this.#open().fail(reason);
  }

  // ---- dictionary ---------------------------------------------------------------------------------------------------

  /** Names of all labels, sorted bytewise. */
  get names(): readonly string[] {
    return this.#names.map(({ name }) => name);
  }

  /** Numbers of the pairs of a name: [from, to), ascending by value. */
  pairsOf(name: string): { readonly from: number; readonly to: number } {
    return this.#nameOf.get(name) ?? { from: 0, to: 0 };
  }

  /** The value of a pair. */
  valueText(pairId: number): string {
    const [from, to] = this.#valueBytes(pairId);
    return this.#memory.text(from, to);
  }

  /** Where the value of a pair stands in the memory. */
  #valueBytes(pairId: number): [from: number, to: number] {
    const { u8, u32 } = this.#memory.kernel;
    const at = this.#pairs.offsets / 4 + pairId;
    let position = this.#pairs.bytes + u32[at] + 1; // behind the tag of the field
    while (u8[position++] >= 128); // behind its size
    const [nameSize, nameFrom] = readSize(u8, position + 1);
    position = nameFrom + nameSize + 1;
    while (u8[position++] >= 128);
    return [position, this.#pairs.bytes + u32[at + 1]];
  }

  findPair(name: string, value: string): number {
    const { from, to } = this.pairsOf(name);
    const bytes = Buffer.from(value);
    const pairId = this.#lowerBound(from, to, bytes);
    return pairId < to && this.#compareValue(pairId, bytes) === 0 ? pairId : -1;
  }

  dictionary(name: string): PairDictionary | undefined {
    const pairs = this.#nameOf.get(name);
    if (pairs === undefined) return undefined;
    return {
      get pairIds() {
        return integersFrom(pairs.from, pairs.to);
      },
      matching: (regexp) => this.#matching(pairs, regexp),
    };
  }

  /** Pairs of a name whose values match, ascending. */
  #matching({ from, to }: NamePairs, regexp: AnchoredRegexp): readonly number[] {
    if (regexp.matchesNonEmpty) return integersFrom(from, to);
    const pairIds: number[] = [];
    const meter = new RegexpMeter(regexp);
    for (const prefix of regexp.prefixes) {
      const [begin, end] = prefix === "" ? [from, to] : this.#prefixRange(from, to, Buffer.from(prefix));
      for (let pairId = begin; pairId < end; pairId++) if (regexp.prefixesSuffice || meter.test(this.valueText(pairId))) pairIds.push(pairId);
    }
    return pairIds;
  }

  /** The pairs of [from, to) whose values start with the bytes. */
  #prefixRange(from: number, to: number, prefix: Uint8Array): [number, number] {
    const begin = this.#lowerBound(from, to, prefix);
    let end = begin;
    for (let size = to - begin; size > 0; ) {
      const middle = end + (size >> 1);
      if (this.#startsWith(middle, prefix)) [end, size] = [middle + 1, size - (size >> 1) - 1];
      else size >>= 1;
    }
    return [begin, end];
  }

  #startsWith(pairId: number, prefix: Uint8Array): boolean {
    const [from, to] = this.#valueBytes(pairId);
    if (to - from < prefix.length) return false;
    const { u8 } = this.#memory.kernel;
    for (let i = 0; i < prefix.length; i++) if (u8[from + i] !== prefix[i]) return false;
    return true;
  }

  /** The first pair of [from, to) whose value is not before the bytes. */
  #lowerBound(from: number, to: number, bytes: Uint8Array): number {
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#compareValue(middle, bytes) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #compareValue(pairId: number, bytes: Uint8Array): number {
    const [from, to] = this.#valueBytes(pairId);
    const { u8 } = this.#memory.kernel;
    const size = Math.min(to - from, bytes.length);
    for (let i = 0; i < size; i++) if (u8[from + i] !== bytes[i]) return u8[from + i] - bytes[i];
    return to - from - bytes.length;
  }

  // ---- postings: what a Selection asks ------------------------------------------------------------------------------

  get seriesCount(): number {
    return this.rowCount;
  }

  get seriesMax(): number {
    return this.rowCount;
  }

  /** With the one that all rows have. */
  get pairCount(): number {
    return this.#pairs.count + 1;
  }

  get pairMax(): number {
    return this.pairCount;
  }

  /** The pair that stands for every tenant: all rows have it. */
  findTenant(): number {
    return this.#pairs.count;
  }

  /** Position of the pair's name, counted from 1. */
  pairName(pairId: number): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#names[middle].from <= pairId) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  postingCount(pairId: number): number {
    if (pairId === this.#pairs.count) return this.rowCount;
    return this.#memory.kernel.u32[this.#loadPostings().counts / 4 + pairId];
  }

  decodePosting(pairId: number, target: number): number {
    let minimum = 0;
    const { kernel, rows } = this.#memory;
    if (pairId === this.#pairs.count) {
      for (let row = 0; row < this.rowCount; row++) kernel.u32[target / 4 + row] = row;
      return this.rowCount;
    }
    return this.#visitPosting(pairId, (decoded, count, done) => {
      const to = target + done * 4;
      const isList = rows.rowsToList(decoded, count, minimum, this.rowCount, to);
      minimum = kernel.u32[to / 4 + count - 1] + 1;
      return isList;
    });
  }

  postingToBitmap(pairId: number, bitmap: number): number {
    const { kernel, rows } = this.#memory;
    if (pairId !== this.#pairs.count) return this.#visitPosting(pairId, (decoded, count) => rows.rowsToBitmap(decoded, count, this.rowCount, bitmap));
    new PostingsKernel(kernel).fill(bitmap, this.rowCount);
    return this.rowCount;
  }

  /** Decodes the list of a pair piece by piece; `take` says whether a piece is well-formed. Returns the number of rows. */
  #visitPosting(pairId: number, take: (decoded: number, count: number, done: number) => boolean): number {
    const { kernel, decoded, codecScratch } = this.#memory;
    const { counts, offsets, bytes } = this.#loadPostings();
    const { u8, u32 } = kernel;
    const count = u32[counts / 4 + pairId];
    const end = bytes + u32[offsets / 4 + pairId + 1];
    let pointer = bytes + u32[offsets / 4 + pairId];
    for (let done = 0; done < count; done += blockSampleCountMax) {
      const pieceCount = Math.min(count - done, blockSampleCountMax);
      let size = end - pointer;
      if (count > blockSampleCountMax) [size, pointer] = readSize(u8, pointer);
      if (!(size <= end - pointer)) this.#fail("a posting list is cut");
      const error = decodeColumn(kernel, pointer, size, pieceCount, decoded, codecScratch);
      if (error !== 0) this.#fail(codecErrors[error]);
      if (!take(decoded, pieceCount, done)) this.#fail("a posting list names rows that are none");
      pointer += size;
    }
    return count;
  }

  #loadPostings(): Postings {
    if (this.#postings !== undefined) return this.#postings;
    const file = this.#open();
    const pairCount = this.#pairs.count;
    const [counts, sizes] = file.inArena(() => {
      const reader = file.table(file.section(sectionKinds.postings), "the table of postings");
      return [reader.integers(pairCount, 1, this.rowCount), reader.integers(pairCount, 1, 2 ** 31)];
    });
    const { pointer, size } = this.#keepBytes(file, file.section(sectionKinds.postingBytes), "the postings");
    const postings = { counts: this.#keep(pairCount * 4), offsets: this.#keep((pairCount + 1) * 4), bytes: pointer };
    const { u32 } = this.#memory.kernel;
    u32.set(counts, postings.counts / 4);
    let offset = 0;
    for (let pairId = 0; pairId < pairCount; pairId++) {
      u32[postings.offsets / 4 + pairId] = offset;
      offset += sizes[pairId];
    }
    u32[postings.offsets / 4 + pairCount] = offset;
    if (offset !== size) file.fail("the posting lists do not fit together");
    this.#postings = postings;
    return postings;
  }

  filterRows(list: number, count: number, pairBitmap: number, wanted: boolean, target: number): number {
    let kept = 0;
    this.visitGroups(list, count, (group, from, groupCount) => {
      kept += this.#memory.rows.filterRows(this.#unpack(group), from, groupCount, pairBitmap, wanted, target + kept * 4);
    });
    return kept;
  }

  scanRows(pairBitmap: number, bitmap: number): void {
    for (let group = 0; group < this.#rowSections.length; group++) this.#memory.rows.scanRows(this.#unpack(group), pairBitmap, bitmap);
  }

  collectPairs(list: number, count: number, pairBitmap: number): void {
    this.visitGroups(list, count, (group, from, groupCount) => this.#memory.rows.collectPairs(this.#unpack(group), from, groupCount, pairBitmap));
  }

  // ---- rows ---------------------------------------------------------------------------------------------------------

  /** Cuts a list of rows by group: `visit` gets the group and the stretch of the list, by address and count. */
  visitGroups(list: number, count: number, visit: (group: number, list: number, count: number) => void): void {
    for (let from = 0; from < count; ) {
      const { u32 } = this.#memory.kernel;
      const group = Math.floor(u32[list / 4 + from] / groupRowCount);
      const groupEnd = (group + 1) * groupRowCount;
      let to = Math.min(count, from + groupRowCount);
      for (let low = from + 1; low < to; ) {
        const middle = (low + to) >>> 1;
        if (u32[list / 4 + middle] < groupEnd) low = middle + 1;
        else to = middle;
      }
      visit(group, list + from * 4, to - from);
      from = to;
    }
  }

  /** The columns of a group of rows. */
  group(group: number): RowGroup {
    return (this.#groups[group] ??= this.#loadGroup(group));
  }

  /** Whether all rows are of this tenant. */
  belongsTo({ accountId, projectId }: Tenant): boolean {
    for (let group = 0; group < this.#rowSections.length; group++) {
      const { tenant } = this.group(group);
      if (!("accountId" in tenant) || tenant.accountId !== accountId || tenant.projectId !== projectId) return false;
    }
    return true;
  }

  #loadGroup(group: number): RowGroup {
    const file = this.#open();
    const rowCount = this.#rowsOf(group);
    const { minMs: monthMs } = this.ref;
    const sinceMonth = (timeMs: number): number => Math.min(Math.max(timeMs - monthMs, 0), 2 ** 32 - 1);
    const columns = file.inArena(() => {
      const reader = file.table(this.#rowSections[group], "a group of rows");
      const seriesIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
      const accountIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
      const projectIds = reader.integers(rowCount, 0, 2 ** 32 - 1);
      const minMs = reader.integers(rowCount, -8.64e15, 8.64e15);
      const maxMs = reader.integers(rowCount, 0, 1.8e16);
      const activeDays = reader.integers(rowCount, 0, 2 ** 31 - 1);
      for (let i = 0; i < rowCount; i++) {
        maxMs[i] = sinceMonth(minMs[i] + maxMs[i]);
        minMs[i] = sinceMonth(minMs[i]);
      }
      const tenants = isConstant(accountIds) && isConstant(projectIds) ? [] : [accountIds, projectIds];
      return { kept: [seriesIds, activeDays, minMs, maxMs, ...tenants], first: { accountId: accountIds[0], projectId: projectIds[0] } };
    });
    const pointer = this.#keep(rowCount * 4 * columns.kept.length);
    columns.kept.forEach((column, i) => this.#memory.kernel.u32.set(column, pointer / 4 + i * rowCount));
    const [seriesIds, activeDays, minMs, maxMs, accountIds, projectIds] = columns.kept.map((_, i) => pointer + i * rowCount * 4);
    return { rowCount, seriesIds, activeDays, minMs, maxMs, tenant: accountIds === undefined ? columns.first : { accountIds, projectIds } };
  }

  #rowsOf(group: number): number {
    return Math.min(groupRowCount, this.rowCount - group * groupRowCount);
  }

  /** The pair ids of a group's rows, valid until another group (of any segment) is unpacked. */
  #unpack(group: number): UnpackedRows {
    const memory = this.#memory;
    const rowCount = this.#rowsOf(group);
    if (memory.unpackedOwner === this && memory.unpackedGroup === group) return { ids: memory.rowIds, offsets: memory.rowOffsets, groupFrom: group * groupRowCount, rowCount };
    const packed = (this.#packed[group] ??= this.#loadPacked(group));
    const idBytes = pairIdBytes(this.#pairs.count);
    memory.unpackedOwner = undefined;
    for (;;) {
      const rows = { ids: memory.rowIds, offsets: memory.rowOffsets, groupFrom: group * groupRowCount, rowCount };
      if (memory.rows.unpackRows(packed.pointer, packed.size, rows, idBytes, this.#pairs.count, memory.rowIdCapacity)) {
        memory.unpackedOwner = this;
        memory.unpackedGroup = group;
        return rows;
      }
      // A row of n labels takes n bits at least.
      if (memory.rowIdCapacity >= packed.size * 8) this.#fail("the labels of a group of rows are malformed");
      memory.growRowIds(Math.min(memory.rowIdCapacity * 4, packed.size * 8));
    }
  }

  #loadPacked(group: number): { pointer: number; size: number } {
    return this.#keepBytes(this.#open(), this.#labelSections[group], "the labels of a group of rows");
  }

  /**
   * Writes the fingerprints (16 bytes each) of the rows of a list, all of one tenant, to `target`. `list` and `target` are areas of this memory.
   */
  fingerprints(list: number, count: number, accountId: number, projectId: number, target: number): void {
    const { areas, kernel } = this.#memory;
    const owners = areas.allocate(groupRowCount * 8);
    kernel.u32.fill(accountId, owners / 4, owners / 4 + groupRowCount);
    kernel.u32.fill(projectId, owners / 4 + groupRowCount, owners / 4 + groupRowCount * 2);
    try {
      let done = 0;
      this.visitGroups(list, count, (group, from, groupCount) => {
        this.#fingerprintGroup(group, from, groupCount, owners, target + done * 16);
        done += groupCount;
      });
    } finally {
      areas.free(owners);
    }
  }

  #fingerprintGroup(group: number, list: number, count: number, owners: number, target: number): void {
    const { areas, rows, head, seedContext } = this.#memory;
    const unpacked = this.#unpack(group);
    using scratch = new DisposableStack();
    const area = (sizeBytes: number): number => scratch.adopt(areas.allocate(sizeBytes), (pointer) => areas.free(pointer));
    const [ids, counts, offsets] = [area(this.#memory.rowIdCapacity * 4), area(count * 4), area((count + 1) * 4)];
    rows.gatherRows(unpacked, list, count, ids, counts);
    const size = rows.expandRows(ids, counts, count, this.#pairs, offsets, 0);
    if (size < 0) this.#fail("the labels of a group of rows are too large");
    const runs = area(size + 64);
    rows.expandRows(ids, counts, count, this.#pairs, offsets, runs);
    head.headFingerprintRuns(seedContext, runs, offsets, count, owners, owners + groupRowCount * 4, target);
  }

  /** The labels of a row. */
  labels(row: number): Labels {
    const { ids, offsets, groupFrom } = this.#unpack(Math.floor(row / groupRowCount));
    const { u32 } = this.#memory.kernel;
    const at = offsets / 4 + row - groupFrom;
    return Array.from(u32.subarray(ids / 4 + u32[at], ids / 4 + u32[at + 1]), (pairId) => this.#label(pairId));
  }

  #label(pairId: number): Label {
    let label = this.#labels.get(pairId);
    if (label === undefined) {
      if (this.#labels.size >= cachedLabelsMax) this.#labels = new Map();
      label = Object.freeze({ name: this.#names[this.pairName(pairId) - 1].name, value: this.valueText(pairId) });
      this.#labels.set(pairId, label);
    }
    return label;
  }
}

function namesOf(nameIds: Float64Array, strings: { bytes: Uint8Array; offsets: Uint32Array }): NamePairs[] {
  const names: NamePairs[] = [];
  const text = Buffer.from(strings.bytes.buffer, strings.bytes.byteOffset, strings.bytes.byteLength);
  for (let from = 0; from < nameIds.length; ) {
    let to = from + 1;
    while (to < nameIds.length && nameIds[to] === nameIds[from]) to++;
    names.push({ name: text.toString("utf8", strings.offsets[nameIds[from]], strings.offsets[nameIds[from] + 1]), from, to });
    from = to;
  }
  return names;
}

function isConstant(column: Float64Array): boolean {
  return column.every((value) => value === column[0]);
}

function integersFrom(from: number, to: number): number[] {
  const integers: number[] = [];
  for (let i = from; i < to; i++) integers.push(i);
  return integers;
}
