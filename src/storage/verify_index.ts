/**
 * Reads a whole index segment and says what is wrong with it: every section with its checksum, all rows, all posting lists, and whether the lists are
 * those of the rows. The sections must fill the file without a gap.
 */
import { StorageError } from "../base/errors.ts";
import type { IndexSegment } from "./partition_index.ts";
import { indexHeaderBytes, type IndexRows } from "./partition_index_format.ts";

export interface IndexProblem {
  readonly message: string;
  /** Where in the file, if it is about one place. */
  readonly offset?: number;
  readonly sizeBytes?: number;
}

/** Told about row `row` of a batch; equal tenant and labels have an equal hash (32 bits). */
export type IndexRowVisitor = (batch: IndexRows, row: number, labelsHash: number) => void;

/** Yields every few thousand rows. Memory is that of the segment's strings, pairs and posting bytes. */
export function* verifyIndexSteps(segment: IndexSegment, report: (problem: IndexProblem) => void, visitRow: IndexRowVisitor): Generator<void, void> {
  checkSections(segment, report);
  try {
    const rows = new PostingSum();
    let rowNumber = 0;
    let lastSeriesId = 0;
    for (const batch of segment.batches()) {
      for (let i = 0; i < batch.rowCount; i++, rowNumber++) {
        const seriesId = batch.seriesIds[i];
        if (seriesId <= lastSeriesId) report({ message: `row ${rowNumber} has series id ${seriesId} after ${lastSeriesId}` });
        if (!(batch.minMs[i] <= batch.maxMs[i])) report({ message: `series ${seriesId} ends before it begins` });
        lastSeriesId = seriesId;
        visitRow(batch, i, addRow(rows, rowNumber, batch, i));
      }
      yield;
    }
    const lists = new PostingSum();
    let pair = 0;
    let before: PairText | undefined;
    for (const { field, rows: rowNumbers } of segment.postingLists()) {
      const text = splitField(field);
      if (before !== undefined && comparePairs(before, text) >= 0) report({ message: `pair ${pair} is out of order` });
      before = { name: text.name.slice(), value: text.value.slice() };
      const hash = hashBytes(field, 0, field.length);
      for (let i = 0; i < rowNumbers.length; i++) {
        if (i > 0 && rowNumbers[i] <= rowNumbers[i - 1]) report({ message: `the posting list of pair ${pair} is out of order` });
        lists.add(hash, rowNumbers[i]);
      }
      if (++pair % 4096 === 0) yield;
    }
    if (!rows.equals(lists)) report({ message: "the posting lists are not those of the rows" });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    report({ message: error.message });
  }
}

function checkSections(segment: IndexSegment, report: (problem: IndexProblem) => void): void {
  let end = indexHeaderBytes;
  for (const { offset, size } of segment.sections.toSorted((left, right) => left.offset - right.offset)) {
    if (offset !== end) report({ message: offset > end ? "no section holds these bytes" : "sections overlap here", offset: Math.min(end, offset), sizeBytes: Math.abs(offset - end) });
    end = Math.max(end, offset + size);
  }
  if (end !== segment.directoryOffset) report({ message: "the sections do not end where the directory begins", offset: end });
}

/** A sum over (label, row) pairs that does not depend on their order: equal for rows and their posting lists. */
class PostingSum {
  #low = 0;
  #high = 0;
  #count = 0;

  add(labelHash: number, row: number): void {
    const mixed = mix(labelHash ^ Math.imul(row + 1, 0x9e3779b1));
    this.#low = (this.#low + mixed) >>> 0;
    this.#high = (this.#high + mix(mixed ^ labelHash)) >>> 0;
    this.#count++;
  }

  equals(other: PostingSum): boolean {
    return this.#low === other.#low && this.#high === other.#high && this.#count === other.#count;
  }
}

/** Adds the labels of a row; returns a hash of its tenant and labels. */
function addRow(sum: PostingSum, rowNumber: number, batch: IndexRows, i: number): number {
  const end = batch.labelOffsets[i + 1];
  let hash = mix(batch.accountIds[i] ^ mix(batch.projectIds[i]));
  for (let at = batch.labelOffsets[i]; at < end; ) {
    const fieldEnd = endOfField(batch.labels, at);
    const fieldHash = hashBytes(batch.labels, at, fieldEnd);
    sum.add(fieldHash, rowNumber);
    hash = mix(hash ^ fieldHash);
    at = fieldEnd;
  }
  return hash >>> 0;
}

interface PairText {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

function comparePairs(left: PairText, right: PairText): number {
  return Buffer.compare(left.name, right.name) || Buffer.compare(left.value, right.value);
}

/** Name and value of a Label field. */
function splitField(field: Uint8Array): PairText {
  const [, inner] = readVarint(field, 1);
  const [nameSize, nameFrom] = readVarint(field, inner + 1);
  const [valueSize, valueFrom] = readVarint(field, nameFrom + nameSize + 1);
  return { name: field.subarray(nameFrom, nameFrom + nameSize), value: field.subarray(valueFrom, valueFrom + valueSize) };
}

function endOfField(bytes: Uint8Array, from: number): number {
  const [size, inner] = readVarint(bytes, from + 1);
  return inner + size;
}

/** [number, position after it]. */
function readVarint(bytes: Uint8Array, position: number): [number, number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[position++];
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return [value >>> 0, position];
}

/** FNV-1a, mixed. */
function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return mix(hash);
}

/** The finalizer of MurmurHash3. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
