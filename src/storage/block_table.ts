/**
 * Tables of numbers, as block headers, directories and index segments keep them: columns of doubles, each with its own length, encoded by
 * the same codec as samples and checked as a whole. Layout (docs/formats/part.md, "Tables"):
 *
 *   for each column: varint rows, then for each 8192 rows (or the rest) varint size, that many bytes of an encoded column
 *   u64   xxHash64 of all before it
 */
import { StorageError } from "../base/errors.ts";
import { storeChecksum64 } from "../kernel/checksum.ts";
import { blockSampleCountMax, codecErrors, codecScratchBytes, columnKinds, decodeColumn, encodeColumn, encodedSizeMax } from "../kernel/codec.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Bytes of the checksum at the end of frames and tables. */
export const checksumBytes = 8;

/** Bytes that grow. */
export class ByteBuffer {
  #bytes: Uint8Array;
  size = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** The bytes so far; valid until the next change. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  appendVarint(value: number): void {
    this.#reserve(8);
    while (value >= 128) {
      this.#bytes[this.size++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    this.#bytes[this.size++] = value;
  }

  clear(): void {
    this.size = 0;
  }

  #reserve(size: number): void {
    if (this.size + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.size + size, this.#bytes.length * 2));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

/** Encodes the columns of a table. The kernel's arena is used and given back. */
export function encodeTable(kernel: Kernel, columns: readonly Float64Array[]): Uint8Array {
  const mark = kernel.mark();
  const encoder = new ColumnEncoder(kernel);
  const out = new ByteBuffer();
  for (const column of columns) {
    out.appendVarint(column.length);
    for (let from = 0; from < column.length; from += blockSampleCountMax) encoder.append(column.subarray(from, from + blockSampleCountMax), out);
  }
  kernel.reset(mark);
  out.append(checksumOf(kernel, out.bytes));
  return out.bytes;
}

/** As encodeTable, for long columns: in steps. */
export function* encodeTableInSteps(kernel: Kernel, columns: readonly Float64Array[]): Generator<void, Uint8Array> {
  const mark = kernel.mark();
  const encoder = new ColumnEncoder(kernel);
  const out = new ByteBuffer(1 << 16);
  let chunkCount = 0;
  for (const column of columns) {
    out.appendVarint(column.length);
    for (let from = 0; from < column.length; from += blockSampleCountMax) {
      encoder.append(column.subarray(from, from + blockSampleCountMax), out);
      if (++chunkCount % chunksPerStep === 0) yield;
    }
  }
  kernel.reset(mark);
  out.append(checksumOf(kernel, out.bytes));
  return out.bytes;
}

/** Chunks of 8192 rows that are encoded between two steps: a millisecond or two. */
const chunksPerStep = 8;

/** Encodes chunks of columns, in arena memory. */
class ColumnEncoder {
  readonly #kernel: Kernel;
  readonly #source: number;
  readonly #target: number;
  readonly #scratch: number;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#source = kernel.allocate(blockSampleCountMax * 8);
    this.#target = kernel.allocate(encodedSizeMax(blockSampleCountMax));
    this.#scratch = kernel.allocate(codecScratchBytes(kernel));
  }

  /** Appends the size and the bytes of a chunk. */
  append(chunk: Float64Array, out: ByteBuffer): void {
    const kernel = this.#kernel;
    kernel.f64.set(chunk, this.#source / 8);
    const size = encodeColumn(kernel, this.#source, chunk.length, columnKinds.values, this.#target, this.#scratch);
    out.appendVarint(size);
    out.append(kernel.u8.subarray(this.#target, this.#target + size));
  }
}

/** xxHash64 of bytes outside or inside of the kernel's memory, as 8 bytes. */
export function checksumOf(kernel: Kernel, bytes: Uint8Array): Uint8Array {
  const mark = kernel.mark();
  const target = kernel.allocate(checksumBytes);
  const pointer = kernel.allocate(bytes.length);
  kernel.u8.set(bytes, pointer);
  storeChecksum64(kernel, pointer, bytes.length, 0, target);
  const checksum = kernel.u8.slice(target, target + checksumBytes);
  kernel.reset(mark);
  return checksum;
}

/** Whether the `size` bytes at `pointer` are followed by their checksum. Takes 8 bytes of the arena. */
export function isChecksummed(kernel: Kernel, pointer: number, size: number): boolean {
  const mark = kernel.mark();
  const target = kernel.allocate(checksumBytes);
  storeChecksum64(kernel, pointer, size, 0, target);
  let isEqual = true;
  for (let i = 0; i < checksumBytes; i++) isEqual &&= kernel.u8[pointer + size + i] === kernel.u8[target + i];
  kernel.reset(mark);
  return isEqual;
}

/**
 * Reads the columns of a table that lies in the kernel's memory, one after the other. Takes arena memory in the constructor; the
 * caller resets the arena. Columns are copies outside of the kernel.
 */
export class TableReader {
  readonly #kernel: Kernel;
  readonly #what: string;
  readonly #end: number;
  readonly #target: number;
  readonly #scratch: number;
  #position: number;

  /** `what` names the table in errors, which are StorageError("corrupt_table"). */
  constructor(kernel: Kernel, pointer: number, sizeBytes: number, what: string) {
    this.#kernel = kernel;
    this.#what = what;
    this.#position = pointer;
    this.#end = pointer + sizeBytes - checksumBytes;
    if (sizeBytes < checksumBytes) this.#fail("it is too short");
    if (!isChecksummed(kernel, pointer, sizeBytes - checksumBytes)) this.#fail("its checksum is wrong");
    this.#target = kernel.allocate(blockSampleCountMax * 8);
    this.#scratch = kernel.allocate(codecScratchBytes(kernel));
  }

  #fail(reason: string): never {
    throw new StorageError("corrupt_table", `${this.#what} is damaged: ${reason}`);
  }

  /** Whether all columns have been read. */
  get isAtEnd(): boolean {
    return this.#position === this.#end;
  }

  /** The next column, which has at most `rowsMax` rows. */
  column(rowsMax: number): Float64Array {
    const rows = this.#varint();
    if (rows > rowsMax) this.#fail(`${rows} rows where at most ${rowsMax} are possible`);
    // Each 8192 rows take two bytes at least: memory is taken only for rows that may be there.
    if (rows > ((this.#end - this.#position) / 2) * blockSampleCountMax) this.#fail("a column is cut");
    const values = new Float64Array(rows);
    for (let from = 0; from < rows; from += blockSampleCountMax) {
      const count = Math.min(rows - from, blockSampleCountMax);
      const size = this.#varint();
      if (size > this.#end - this.#position) this.#fail("a column is cut");
      const error = decodeColumn(this.#kernel, this.#position, size, count, this.#target, this.#scratch);
      if (error !== 0) this.#fail(codecErrors[error]);
      values.set(this.#kernel.f64.subarray(this.#target / 8, this.#target / 8 + count), from);
      this.#position += size;
    }
    return values;
  }

  /** The next column, which has exactly `rows` rows of whole numbers in [minimum, maximum]. */
  integers(rows: number, minimum: number, maximum: number): Float64Array {
    const values = this.column(rows);
    if (values.length !== rows) this.#fail(`${values.length} rows instead of ${rows}`);
    this.check(values, minimum, maximum);
    return values;
  }

  /** Throws unless all are whole numbers in [minimum, maximum]. */
  check(values: Float64Array, minimum: number, maximum: number): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (!(value >= minimum && value <= maximum) || Math.floor(value) !== value) this.#fail(`${value} at row ${i} is out of range`);
    }
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 50; scale *= 128) {
      if (this.#position >= this.#end) this.#fail("a number is cut");
      const byte = this.#kernel.u8[this.#position++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return this.#fail("a number is too long");
  }
}

/** Copies `bytes` into arena memory and returns their address. */
export function copyIn(kernel: Kernel, bytes: Uint8Array): number {
  const pointer = kernel.allocate(Math.max(bytes.length, 1));
  kernel.u8.set(bytes, pointer);
  return pointer;
}
