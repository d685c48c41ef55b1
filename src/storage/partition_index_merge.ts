/**
 * Merges index segments of a partition into one (docs/formats/partition_index.md), row by row and pair by pair, in steps:
 *
 *   dictionaries ──sort, join──> merged pairs, and for each segment the place of its pairs among them
 *   rows, a group of each segment at a time ──by series id, pairs replaced──> row groups, and for each segment the numbers that its rows have now
 *   posting lists, pair by pair ──rows replaced, united──> posting lists
 *
 * In memory are the dictionaries, four bytes a row, the encoded posting lists and a group of rows of each segment; label sets are never put together.
 */
import type { FileSystem } from "../disk/file_system.ts";
import { blockSampleCountMax, codecErrors, codecScratchBytes, columnKinds, decodeColumn, encodeColumn, encodedSizeMax } from "../kernel/codec.ts";
import { packLabelRows, unpackLabelRows } from "../kernel/codec_label_rows.ts";
import { type PairKeys, type RankedPairs, sortPairKeys } from "../kernel/index_rows.ts";
import { Kernel } from "../kernel/kernel.ts";
import { bitmapBytes, PostingsKernel } from "../kernel/postings.ts";
import { ByteBuffer, encodeTable } from "./block_table.ts";
import { IndexFile } from "./index_file.ts";
import { type IndexPairs, readIndexPairs, readSize } from "./index_pairs.ts";
import { groupRowCount, pairIdBytes, sectionKinds } from "./partition_index_format.ts";
import { SectionFile } from "./partition_index_sections.ts";
import type { SeriesActivity } from "./series_activity.ts";
import type { Steps } from "./steps.ts";

/** Rows of posting lists between two steps, and pairs. */
const postingsPerStep = 1 << 18;
const pairsPerStep = 2048;
/** Lists with more rows are united by way of a bitmap. */
const sortedRowsMax = 4096;

export interface MergedIndex {
  readonly rowCount: number;
  readonly sizeBytes: number;
}

/** A segment that is merged. */
interface Source {
  readonly file: IndexFile;
  /** Place of each of its pairs among the merged ones, an address of u32, and how many pairs it has. */
  readonly places: number;
  readonly pairCount: number;
  /** The number of each of its rows in the merged segment. */
  readonly rowNumbers: Uint32Array;
}

/**
 * Writes the rows of the segments at `paths` to a new file, in steps. Rows of the same series are joined; the first segment has its labels. Series that
 * `activity` knows have the times that it says. Throws what reading the segments throws; then and when it is left early, what was written is removed.
 */
export function* mergeIndexFiles(files: FileSystem, paths: readonly string[], target: string, activity?: SeriesActivity): Steps<MergedIndex> {
  using open = new DisposableStack();
  const kernel = new Kernel();
  const sourceFiles = paths.map((path) => open.use(IndexFile.open(files, path, kernel)));
  const { pairs, sources } = yield* mergePairs(kernel, sourceFiles);
  const out = new SectionFile(kernel, files, target);
  let isFinished = false;
  try {
    out.add(sectionKinds.strings, encodeTable(kernel, [pairs.sharedBytes, pairs.ownBytes]));
    out.addBytes(sectionKinds.stringBytes, pairs.suffixes);
    out.add(sectionKinds.pairs, encodeTable(kernel, [pairs.nameStrings, pairs.valueStrings]));
    yield;
    const rowCount = yield* mergeRows(out, kernel, sources, pairs.nameStrings.length, activity);
    yield* mergePostings(out, kernel, sources, pairs.nameStrings.length, rowCount);
    const sizeBytes = yield* out.finishInSteps(rowCount);
    isFinished = true;
    return { rowCount, sizeBytes };
  } finally {
    if (!isFinished) out.abort();
  }
}

// ---- dictionaries -----------------------------------------------------------------------------------------------------

/** Sorts the pairs of all segments and joins the equal ones. */
function* mergePairs(kernel: Kernel, files: readonly IndexFile[]): Steps<{ pairs: Omit<RankedPairs, "ranks" | "pairCount">; sources: Source[] }> {
  const dictionaries: IndexPairs[] = [];
  for (const file of files) {
    dictionaries.push(readIndexPairs(file));
    yield;
  }
  const keys = copyKeys(kernel, dictionaries);
  yield;
  const ranked = yield* sortPairKeys(kernel, keys.keys, keys.nameCount);
  const { nameStrings, valueStrings, ranks } = ranked;
  const places = new Uint32Array(ranked.pairCount);
  let count = 0;
  for (let rank = 0; rank < places.length; rank++) {
    const isNew = count === 0 || nameStrings[rank] !== nameStrings[count - 1] || valueStrings[rank] !== valueStrings[count - 1];
    if (isNew) {
      nameStrings[count] = nameStrings[rank];
      valueStrings[count] = valueStrings[rank];
      count++;
    }
    places[rank] = count - 1;
  }
  yield;
  let from = 0;
  const sources = files.map((file, i) => {
    const at = ranks + from * 4;
    const pairCount = dictionaries[i].count;
    const { u32 } = kernel;
    for (let pair = at / 4; pair < at / 4 + pairCount; pair++) u32[pair] = places[u32[pair]];
    from += pairCount;
    return { file, places: at, pairCount, rowNumbers: new Uint32Array(file.rowCount) };
  });
  return { pairs: { ...ranked, nameStrings: nameStrings.subarray(0, count), valueStrings: valueStrings.subarray(0, count) }, sources };
}

/** The keys of all pairs, segment after segment. */
function copyKeys(kernel: Kernel, dictionaries: readonly IndexPairs[]): { keys: PairKeys; nameCount: number } {
  const pairCount = dictionaries.reduce((sum, { count }) => sum + count, 0);
  const keyBytes = dictionaries.reduce((sum, { fields }) => sum + fields.length, 0);
  const offsets = kernel.allocate((pairCount + 1) * 4);
  const names = kernel.allocate(pairCount * 4);
  const keys = kernel.allocate(keyBytes + 64);
  const { u8, u32 } = kernel;
  const nameNumbers = new Map<string, number>();
  let pair = 0;
  let base = 0;
  for (const { count, fields, fieldOffsets, nameIds, strings } of dictionaries) {
    u8.set(fields, keys + base);
    let name = -1;
    let number = 0;
    for (let i = 0; i < count; i++, pair++) {
      const [, key] = readSize(fields, fieldOffsets[i] + 1);
      u32[offsets / 4 + pair] = base + key;
      if (nameIds[i] !== name) {
        name = nameIds[i];
        const text = Buffer.from(strings.bytes.buffer, strings.bytes.byteOffset).toString("latin1", strings.offsets[name], strings.offsets[name + 1]);
        number = nameNumbers.get(text) ?? nameNumbers.size;
        nameNumbers.set(text, number);
      }
      u32[names / 4 + pair] = number;
    }
    base += fields.length;
  }
  return { keys: { pairCount, keys, keyBytes, offsets, names }, nameCount: nameNumbers.size };
}

// ---- rows -------------------------------------------------------------------------------------------------------------

/** The next rows of a segment, with the places of their pairs. */
class RowCursor {
  readonly source: Source;
  readonly #kernel: Kernel;
  #group = 0;
  #rowsBefore = 0;
  #index = 0;
  #ids = new Uint32Array(0);
  #idFrom = 0;
  #counts = new Uint32Array(0);
  #columns: readonly Float64Array[] = [new Float64Array(0)];
  seriesId = -1;

  constructor(kernel: Kernel, source: Source) {
    this.#kernel = kernel;
    this.source = source;
    this.#load();
  }

  /** Reads the next group if this one is done. */
  #load(): void {
    const { file } = this.source;
    const before = this.seriesId;
    while (this.#index === this.#columns[0].length) {
      this.#rowsBefore += this.#columns[0].length;
      const sections = file.sectionsOf(sectionKinds.rows);
      if (this.#group === sections.length) {
        if (this.#rowsBefore !== file.rowCount) file.fail(`it has ${this.#rowsBefore} rows instead of ${file.rowCount}`);
        this.seriesId = Infinity;
        return;
      }
      const labels = file.sectionsOf(sectionKinds.rowLabels);
      if (labels.length !== sections.length) file.fail("groups of rows are missing");
      file.inArena(() => this.#readGroup(sections[this.#group], labels[this.#group]));
      this.#group++;
      this.#index = 0;
      this.#idFrom = 0;
    }
    this.seriesId = this.#columns[0][this.#index];
    if (this.seriesId <= before) file.fail("rows are out of order");
    if (this.#rowsBefore + this.#index >= file.rowCount) file.fail(`it has more rows than ${file.rowCount}`);
  }

  #readGroup(section: IndexFile["sections"][number], labelSection: IndexFile["sections"][number]): void {
    const { file, places, pairCount } = this.source;
    const kernel = this.#kernel;
    const reader = file.table(section, "a group of rows");
    const seriesIds = reader.column(groupRowCount);
    const rowCount = seriesIds.length;
    reader.check(seriesIds, 0, 2 ** 32 - 1);
    const tenants = [reader.integers(rowCount, 0, 2 ** 32 - 1), reader.integers(rowCount, 0, 2 ** 32 - 1)];
    const minMs = reader.integers(rowCount, -8.64e15, 8.64e15);
    const maxMs = reader.integers(rowCount, 0, 1.8e16);
    for (let i = 0; i < rowCount; i++) maxMs[i] += minMs[i];
    this.#columns = [seriesIds, ...tenants, minMs, maxMs, reader.integers(rowCount, 0, 2 ** 31 - 1)];
    const packed = file.bytes(labelSection, "the labels of a group of rows");
    const rows = unpackLabelRows(kernel, packed.pointer, packed.size, rowCount, pairIdBytes(pairCount), pairCount) ?? file.fail("the labels of a group of rows are malformed");
    kernel.exports.indexRowsMap(rows.ids, rows.idCount, places);
    this.#ids = kernel.u32.slice(rows.ids / 4, rows.ids / 4 + rows.idCount);
    this.#counts = kernel.u32.slice(rows.counts / 4, rows.counts / 4 + rowCount);
  }

  /** A column of the current row: account, project, first ms, last ms, days. */
  value(column: 1 | 2 | 3 | 4 | 5): number {
    return this.#columns[column][this.#index];
  }

  get labelCount(): number {
    return this.#counts[this.#index];
  }

  /** Places of the pairs of the current row. A view. */
  pairs(): Uint32Array {
    return this.#ids.subarray(this.#idFrom, this.#idFrom + this.labelCount);
  }

  /** Goes on to the next row; the current one has this number from now on. */
  next(rowNumber: number): void {
    this.source.rowNumbers[this.#rowsBefore + this.#index] = rowNumber;
    this.#idFrom += this.labelCount;
    this.#index++;
    this.#load();
  }
}

/** Rows that are written together. */
class RowGroup {
  count = 0;
  idCount = 0;
  ids = new Uint32Array(groupRowCount * 16);
  readonly labelCounts = new Uint32Array(groupRowCount);
  readonly columns = Array.from({ length: 6 }, () => new Float64Array(groupRowCount));

  add(cursor: RowCursor): void {
    const pairs = cursor.pairs();
    if (this.idCount + pairs.length > this.ids.length) {
      const larger = new Uint32Array((this.idCount + pairs.length) * 2);
      larger.set(this.ids);
      this.ids = larger;
    }
    for (let i = 0; i < pairs.length; i++) this.ids[this.idCount + i] = pairs[i];
    this.idCount += pairs.length;
    this.labelCounts[this.count] = pairs.length;
    this.columns[0][this.count] = cursor.seriesId;
    for (const column of [1, 2, 3, 4, 5] as const) this.columns[column][this.count] = cursor.value(column);
    this.count++;
  }

  /** Widens the times of the last row by those of another row of its series. */
  join(cursor: RowCursor): void {
    const at = this.count - 1;
    const [, , , minMs, maxMs, days] = this.columns;
    minMs[at] = Math.min(minMs[at], cursor.value(3));
    maxMs[at] = Math.max(maxMs[at], cursor.value(4));
    days[at] = (days[at] | cursor.value(5)) >>> 0;
  }

  write(out: SectionFile, kernel: Kernel, idBytes: number): void {
    const [seriesIds, accountIds, projectIds, minMs, maxMs, days] = this.columns.map((column) => column.subarray(0, this.count));
    for (let i = 0; i < this.count; i++) maxMs[i] -= minMs[i];
    out.add(sectionKinds.rows, encodeTable(kernel, [seriesIds, accountIds, projectIds, minMs, maxMs, days]));
    out.addBytes(sectionKinds.rowLabels, packLabelRows(kernel, this.ids.subarray(0, this.idCount), this.labelCounts.subarray(0, this.count), idBytes));
    this.count = 0;
    this.idCount = 0;
  }
}

/** Writes the rows of all segments by series id; returns how many there are. */
function* mergeRows(
  out: SectionFile, kernel: Kernel, sources: readonly Source[], pairCount: number, activity: SeriesActivity | undefined,
): Steps<number> {
  const cursors = sources.map((source) => new RowCursor(kernel, source));
  const group = new RowGroup();
  const idBytes = pairIdBytes(pairCount);
  let rowCount = 0;
  let known = 0;
  for (;;) {
    let first = cursors[0];
    for (const cursor of cursors) if (cursor.seriesId < first.seriesId) first = cursor;
    const { seriesId } = first;
    if (seriesId === Infinity) break;
    group.add(first);
    for (const cursor of cursors) {
      if (cursor.seriesId !== seriesId) continue;
      if (cursor !== first) group.join(cursor);
      cursor.next(rowCount);
    }
    const at = activity?.find(seriesId, known) ?? -1;
    if (activity !== undefined && at >= 0) {
      known = at;
      const [, , , minMs, maxMs, days] = group.columns;
      minMs[group.count - 1] = activity.minMs[at];
      maxMs[group.count - 1] = activity.maxMs[at];
      days[group.count - 1] = activity.activeDays[at];
    }
    rowCount++;
    if (group.count < groupRowCount) continue;
    group.write(out, kernel, idBytes);
    yield;
  }
  if (group.count > 0) group.write(out, kernel, idBytes);
  yield;
  return rowCount;
}

// ---- posting lists ------------------------------------------------------------------------------------------------------

/** The posting lists of a segment, read in the order of its pairs. */
class PostingCursor {
  readonly #source: Source;
  readonly #kernel: Kernel;
  readonly #counts: Float64Array;
  readonly #sizes: Float64Array;
  readonly #target: number;
  readonly #scratch: number;
  #position: number;
  readonly #end: number;
  #pair = 0;

  /** Loads the encoded lists into arena memory. */
  constructor(kernel: Kernel, source: Source, target: number, scratch: number) {
    const { file, pairCount } = source;
    this.#kernel = kernel;
    this.#source = source;
    this.#target = target;
    this.#scratch = scratch;
    [this.#counts, this.#sizes] = file.inArena(() => {
      const reader = file.table(file.section(sectionKinds.postings), "the table of postings");
      return [reader.integers(pairCount, 1, file.rowCount), reader.integers(pairCount, 1, 2 ** 40)];
    });
    const { pointer, size } = file.bytes(file.section(sectionKinds.postingBytes), "the postings");
    this.#position = pointer;
    this.#end = pointer + size;
  }

  /** The place of the next pair, Infinity behind the last. */
  get place(): number {
    return this.#pair < this.#source.pairCount ? this.#kernel.u32[this.#source.places / 4 + this.#pair] : Infinity;
  }

  get count(): number {
    return this.#counts[this.#pair];
  }

  /** Writes the numbers that the rows of the next pair have now, ascending, to `rows` from `at` on. */
  read(rows: Uint32Array, at: number): void {
    const { file, rowNumbers } = this.#source;
    const kernel = this.#kernel;
    const count = this.count;
    const end = this.#position + this.#sizes[this.#pair];
    if (end > this.#end) file.fail("a posting list is cut");
    for (let from = 0; from < count; from += blockSampleCountMax) {
      const chunkCount = Math.min(count - from, blockSampleCountMax);
      let size = end - this.#position;
      if (count > blockSampleCountMax) [size, this.#position] = readSize(kernel.u8, this.#position);
      if (size > end - this.#position) file.fail("a posting list is cut");
      const error = decodeColumn(kernel, this.#position, size, chunkCount, this.#target, this.#scratch);
      if (error !== 0) file.fail(codecErrors[error]);
      const { f64 } = kernel;
      for (let i = 0; i < chunkCount; i++) {
        const row = f64[this.#target / 8 + i];
        if (!(row < rowNumbers.length)) file.fail("a posting list names a row that is not there");
        rows[at + from + i] = rowNumbers[row];
      }
      this.#position += size;
    }
    this.#position = end;
    this.#pair++;
  }
}

/** Unites ascending lists of row numbers. */
class RowUnion {
  readonly #kernel: Kernel;
  readonly #postings: PostingsKernel;
  readonly #bitmap: number;
  readonly #bitmapBytes: number;
  readonly #list: number;
  rows = new Uint32Array(1024);

  constructor(kernel: Kernel, rowCount: number) {
    this.#kernel = kernel;
    this.#postings = new PostingsKernel(kernel);
    this.#bitmapBytes = bitmapBytes(rowCount);
    this.#bitmap = kernel.allocate(this.#bitmapBytes);
    this.#list = kernel.allocate(rowCount * 4 + 64);
  }

  reserve(count: number): void {
    if (count > this.rows.length) this.rows = new Uint32Array(Math.max(count, this.rows.length * 2));
  }

  /** The distinct ones among the first `count` of `rows`, ascending; valid until the next call. */
  united(count: number): Uint32Array {
    const all = this.rows.subarray(0, count);
    if (count > sortedRowsMax) return this.#byBitmap(all);
    all.sort();
    let distinct = 1;
    for (let i = 1; i < count; i++) if (all[i] !== all[distinct - 1]) all[distinct++] = all[i];
    return all.subarray(0, distinct);
  }

  #byBitmap(all: Uint32Array): Uint32Array {
    const { u32 } = this.#kernel;
    this.#postings.clear(this.#bitmap, this.#bitmapBytes);
    const words = this.#bitmap / 4;
    for (let i = 0; i < all.length; i++) u32[words + (all[i] >>> 5)] |= 1 << (all[i] & 31);
    const count = this.#postings.bitmapToList(this.#bitmap, this.#bitmapBytes, this.#list);
    return u32.subarray(this.#list / 4, this.#list / 4 + count);
  }
}

/** For each pair, in order, the rows that have it. */
function* mergePostings(out: SectionFile, kernel: Kernel, sources: readonly Source[], pairCount: number, rowCount: number): Steps<void> {
  const target = kernel.allocate(blockSampleCountMax * 8);
  const scratch = kernel.allocate(codecScratchBytes(kernel));
  const encoded = kernel.allocate(encodedSizeMax(blockSampleCountMax));
  const cursors = sources.map((source) => new PostingCursor(kernel, source, target, scratch));
  const union = new RowUnion(kernel, rowCount);
  const counts = new Float64Array(pairCount);
  const sizes = new Float64Array(pairCount);
  const bytes = new ByteBuffer(1 << 16);
  let postings = 0;
  for (let pair = 0; pair < pairCount; pair++) {
    let count = 0;
    let lists = 0;
    for (const cursor of cursors) {
      if (cursor.place !== pair) continue;
      count += cursor.count;
      lists++;
    }
    union.reserve(count);
    let at = 0;
    for (const cursor of cursors) {
      if (cursor.place !== pair) continue;
      const listCount = cursor.count;
      cursor.read(union.rows, at);
      at += listCount;
    }
    const rows = lists === 1 ? union.rows.subarray(0, count) : union.united(count);
    const start = bytes.size;
    for (let from = 0; from < rows.length; from += blockSampleCountMax) {
      const chunk = rows.subarray(from, from + blockSampleCountMax);
      kernel.f64.set(chunk, target / 8);
      const size = encodeColumn(kernel, target, chunk.length, columnKinds.values, encoded, scratch);
      // Only lists of several chunks need their sizes; one chunk ends where the list ends.
      if (rows.length > blockSampleCountMax) bytes.appendVarint(size);
      bytes.append(kernel.u8.subarray(encoded, encoded + size));
    }
    counts[pair] = rows.length;
    sizes[pair] = bytes.size - start;
    postings += count;
    if (postings < postingsPerStep && pair % pairsPerStep !== pairsPerStep - 1) continue;
    postings = 0;
    yield;
  }
  out.add(sectionKinds.postings, encodeTable(kernel, [counts, sizes]));
  out.addBytes(sectionKinds.postingBytes, bytes.bytes);
}
