/** The dictionary of an index segment: strings and pairs as they are read from its file. */
import type { IndexFile } from "./index_file.ts";
import { sectionKinds } from "./partition_index_format.ts";

/** Strings as one run of bytes: string i is bytes[offsets[i], offsets[i + 1]). */
interface Strings {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** Pairs, ascending by name and value. */
export interface IndexPairs {
  readonly count: number;
  /** Numbers of strings, which are ascending bytewise. */
  readonly nameIds: Float64Array;
  readonly valueIds: Float64Array;
  readonly strings: Strings;
  /** Each pair as a Label field: pair p is fields[fieldOffsets[p], fieldOffsets[p + 1]). */
  readonly fields: Uint8Array;
  readonly fieldOffsets: Uint32Array;
}

/** Limits against files that are damaged in a way that checksums do not notice. */
const stringBytesMax = 2 ** 30;
const fieldBytesMax = 2 ** 31;

/** Reads strings and pairs; the kernel's arena is used and given back. */
export function readIndexPairs(file: IndexFile): IndexPairs {
  const strings = readStrings(file);
  const [nameIds, valueIds] = file.inArena(() => {
    const reader = file.table(file.section(sectionKinds.pairs), "the table of pairs");
    const names = reader.column(2 ** 30);
    const stringMax = Math.max(strings.offsets.length - 2, 0);
    reader.check(names, 0, stringMax);
    return [names, reader.integers(names.length, 0, stringMax)];
  });
  if (!areAscending(nameIds, valueIds)) file.fail("the pairs are out of order");
  const { bytes, offsets } = labelFields(strings, nameIds, valueIds) ?? file.fail("the pairs are too large");
  return { count: nameIds.length, nameIds, valueIds, strings, fields: bytes, fieldOffsets: offsets };
}

/** Distinct names and values, bytewise ascending. */
function readStrings(file: IndexFile): Strings {
  return file.inArena(() => {
    const reader = file.table(file.section(sectionKinds.strings), "the table of strings");
    const shared = reader.column(2 ** 26);
    reader.check(shared, 0, stringBytesMax);
    const own = reader.integers(shared.length, 0, stringBytesMax);
    const suffixes = file.bytes(file.section(sectionKinds.stringBytes), "the strings");
    const source = file.kernel.u8.subarray(suffixes.pointer, suffixes.pointer + suffixes.size);
    return joinStrings(shared, own, source) ?? file.fail("the strings do not fit together");
  });
}

function areAscending(nameIds: Float64Array, valueIds: Float64Array): boolean {
  for (let i = 1; i < nameIds.length; i++) {
    if (nameIds[i] < nameIds[i - 1] || (nameIds[i] === nameIds[i - 1] && valueIds[i] <= valueIds[i - 1])) return false;
  }
  return true;
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

/** All pairs as Label fields, one after the other: 0x0a size, 0x0a size name, 0x12 size value; undefined if they are too large. */
function labelFields(strings: Strings, nameIds: Float64Array, valueIds: Float64Array): { bytes: Uint8Array; offsets: Uint32Array } | undefined {
  const sizeOf = (id: number): number => strings.offsets[id + 1] - strings.offsets[id];
  const offsets = new Uint32Array(nameIds.length + 1);
  const innerSize = (i: number): number => {
    const [nameSize, valueSize] = [sizeOf(nameIds[i]), sizeOf(valueIds[i])];
    return 2 + sizeOfSize(nameSize) + nameSize + sizeOfSize(valueSize) + valueSize;
  };
  for (let i = 0; i < nameIds.length; i++) {
    const inner = innerSize(i);
    const end = offsets[i] + 1 + sizeOfSize(inner) + inner;
    if (end > fieldBytesMax) return undefined;
    offsets[i + 1] = end;
  }
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

/** [number, position after it] of a varint. */
export function readSize(bytes: Uint8Array, position: number): [number, number] {
  let value = 0;
  for (let scale = 1; scale < 2 ** 35; scale *= 128) {
    const byte = bytes[position++];
    value += (byte & 127) * scale;
    if (byte < 128) break;
  }
  return [value, position];
}
