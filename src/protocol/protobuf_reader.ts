/**
 * Reads the fields of a protobuf message, one after the other, for messages that are not on a hot path:
 *
 *   const reader = new ProtobufReader(bytes);
 *   while (reader.next()) if (reader.field === 3) sum = reader.double();
 *
 * A field that is not asked for is passed over. A message that breaks off, or whose sizes do not fit, throws InputError "corrupt_protobuf".
 */
import { InputError } from "../base/errors.ts";

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const decoder = new TextDecoder();

export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Number of the current field. */
  field = 0;
  #wireType = 0;
  #position: number;
  /** Where the value of the current field begins and ends. */
  #from = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    if (this.#position === this.#bytes.length) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    if (this.field === 0 || tag > 0xffffffff) throw this.#broken();
    this.#from = this.#position;
    if (this.#wireType === wire.varint) this.#skipVarint();
    else if (this.#wireType === wire.fixed64) this.#skip(8);
    else if (this.#wireType === wire.fixed32) this.#skip(4);
    else if (this.#wireType === wire.bytes) {
      const size = this.#varint();
      this.#from = this.#position;
      this.#skip(size);
    } else throw this.#broken();
    return true;
  }

  /** The bytes of a message or string; a view. */
  bytes(): Uint8Array {
    this.#expect(wire.bytes);
    return this.#bytes.subarray(this.#from, this.#position);
  }

  text(): string {
    // slice() copies: a decoder takes no views of shared memory.
    return decoder.decode(this.bytes().slice());
  }

  /** A reader of the message in the current field. */
  message(): ProtobufReader {
    return new ProtobufReader(this.bytes());
  }

  double(): number {
    this.#expect(wire.fixed64);
    return this.#view.getFloat64(this.#from, true);
  }

  /** The bits of a double. */
  doubleBits(): bigint {
    this.#expect(wire.fixed64);
    return this.#view.getBigUint64(this.#from, true);
  }

  /** An unsigned number; above 2^53 the nearest one. */
  unsigned(): number {
    return Number(this.#bits());
  }

  /** int32, int64 and enumerations. */
  signed(): number {
    return Number(BigInt.asIntN(64, this.#bits()));
  }

  /** sint32 and sint64. */
  zigzag(): number {
    return unzigzag(this.#bits());
  }

  /** Appends the numbers of a repeated field, packed or not. */
  appendDoubles(target: number[]): void {
    if (this.#wireType !== wire.bytes) return void target.push(this.double());
    if ((this.#position - this.#from) % 8 !== 0) throw this.#broken();
    for (let at = this.#from; at < this.#position; at += 8) target.push(this.#view.getFloat64(at, true));
  }

  /** As appendDoubles, for sint64. */
  appendZigzags(target: number[]): void {
    if (this.#wireType !== wire.bytes) return void target.push(this.zigzag());
    for (let at = this.#from; at < this.#position; ) {
      const { bits, next } = this.#bitsAt(at, this.#position);
      target.push(unzigzag(bits));
      at = next;
    }
  }

  #bits(): bigint {
    this.#expect(wire.varint);
    return this.#bitsAt(this.#from, this.#position).bits;
  }

  #bitsAt(at: number, end: number): { bits: bigint; next: number } {
    let low = 0;
    for (let i = 0; i < 4 && at + i < end; i++) {
      const byte = this.#bytes[at + i];
      low |= (byte & 127) << (7 * i);
      if (byte < 128) return { bits: BigInt(low), next: at + i + 1 };
    }
    let bits = BigInt(low);
    for (let i = 4; i < 10 && at + i < end; i++) {
      const byte = this.#bytes[at + i];
      bits |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return { bits: BigInt.asUintN(64, bits), next: at + i + 1 };
    }
    throw this.#broken();
  }

  /** A small number: a tag or a size. */
  #varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 50; scale *= 128) {
      if (this.#position >= this.#bytes.length) throw this.#broken();
      const byte = this.#bytes[this.#position++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw this.#broken();
  }

  #skipVarint(): void {
    for (let size = 1; size <= 10; size++) {
      if (this.#position >= this.#bytes.length) throw this.#broken();
      if (this.#bytes[this.#position++] < 128) return;
    }
    throw this.#broken();
  }

  #skip(size: number): void {
    if (size > this.#bytes.length - this.#position) throw this.#broken();
    this.#position += size;
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw this.#broken();
  }

  #broken(): InputError {
    return new InputError("corrupt_protobuf", `a protobuf message is broken at byte ${this.#position} of ${this.#bytes.length}`, { offset: this.#position });
  }
}

function unzigzag(bits: bigint): number {
  return Number((bits >> 1n) ^ -(bits & 1n));
}
