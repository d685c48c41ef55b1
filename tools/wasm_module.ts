/**
 * Reads the few facts about a WebAssembly module that the JavaScript API does not give: its data segments. Format: "\0asm", version,
 * then sections of (id byte, size as LEB128, payload); section 11 holds the segments.
 */
import assert from "node:assert/strict";

/** Bytes that an instantiation writes to the memory. */
export interface DataSegment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const dataSectionId = 11;
const opcodeI32Const = 0x41;
const opcodeEnd = 0x0b;

/** The active data segments of a module, in the order of the file. Passive segments are refused. */
export function dataSegmentsOf(module: Uint8Array): DataSegment[] {
  const reader = new Reader(module, 8);
  const segments: DataSegment[] = [];
  while (reader.position < module.length) {
    const id = reader.byte();
    const size = reader.unsigned();
    const end = reader.position + size;
    if (id === dataSectionId) {
      for (let count = reader.unsigned(); count > 0; count--) segments.push(readSegment(reader));
      assert.equal(reader.position, end, "the data section ends where it says");
    }
    reader.position = end;
  }
  return segments;
}

function readSegment(reader: Reader): DataSegment {
  assert.equal(reader.unsigned(), 0, "segments are active, in memory 0");
  assert.equal(reader.byte(), opcodeI32Const, "offsets are constants");
  const offset = reader.signed() >>> 0;
  assert.equal(reader.byte(), opcodeEnd);
  return { offset, bytes: reader.take(reader.unsigned()) };
}

class Reader {
  readonly #bytes: Uint8Array;
  position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  byte(): number {
    assert.ok(this.position < this.#bytes.length, "the module is truncated");
    return this.#bytes[this.position++];
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  signed(): number {
    let value = 0;
    for (let shift = 0; ; ) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) return shift < 32 && (byte & 0x40) !== 0 ? value | (-1 << shift) : value;
    }
  }

  take(size: number): Uint8Array {
    const begin = this.position;
    this.position += size;
    return this.#bytes.subarray(begin, this.position);
  }
}
