/**
 * Remembers what became of a label run: a table from the bytes of one run to the bytes of another, or to "dropped". Senders keep
 * their order, so the entry that followed last time is tried first and costs one comparison of bytes; a hash table answers the rest.
 *
 *   inputs, outputs   the runs, one behind the other
 *   entries           u32 x 6 per entry: offset and size of its input, offset and size of its output (or `droppedSize`), hash, the
 *                     entry that followed last time
 *   slots             hash table of entry + 1, open addressing
 *
 * Entries are not removed one by one: the caller empties a table that is over its bounds, or much larger than what is in use.
 */
const entry = { inputOffset: 0, inputSize: 1, outputOffset: 2, outputSize: 3, hash: 4, next: 5, slots: 6 } as const;
const droppedSize = 0xffffffff;

export class LabelRunCache {
  readonly #inputs = new ByteArena();
  readonly #outputs = new ByteArena();
  #entries = new Uint32Array(64 * entry.slots);
  #count = 0;
  #slots = new Uint32Array(128);
  #last = 0;

  get size(): number {
    return this.#count;
  }

  /** Bytes of memory in use, roughly. */
  get sizeBytes(): number {
    return this.#inputs.capacity + this.#outputs.capacity + this.#entries.byteLength + this.#slots.byteLength;
  }

  /** All output runs lie in here. Valid until the next insert. */
  get bytes(): Uint8Array {
    return this.#outputs.bytes;
  }

  /** The entry of the run bytes[from, from + size), or -1. */
  find(bytes: Buffer, from: number, size: number): number {
    const predicted = this.#count === 0 ? -1 : this.#entries[this.#last * entry.slots + entry.next];
    if (predicted >= 0 && this.#isInput(predicted, bytes, from, size)) {
      this.#last = predicted;
      return predicted;
    }
    const hash = hashBytes(bytes, from, size);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const found = this.#slots[slot] - 1;
      if (this.#entries[found * entry.slots + entry.hash] === hash && this.#isInput(found, bytes, from, size)) return this.#follow(found);
    }
    return -1;
  }

  /** Adds a run that find() has not found; `output` undefined: dropped. Answers its entry. */
  insert(bytes: Buffer, from: number, size: number, output: Uint8Array | undefined): number {
    this.#growEntries();
    const index = this.#count++;
    const at = index * entry.slots;
    const hash = hashBytes(bytes, from, size);
    this.#entries[at + entry.inputOffset] = this.#inputs.append(bytes.subarray(from, from + size));
    this.#entries[at + entry.inputSize] = size;
    this.#entries[at + entry.outputOffset] = output === undefined ? 0 : this.#outputs.append(output);
    this.#entries[at + entry.outputSize] = output === undefined ? droppedSize : output.length;
    this.#entries[at + entry.hash] = hash;
    this.#entries[at + entry.next] = index;
    this.#place(index, hash);
    return this.#follow(index);
  }

  isDropped(index: number): boolean {
    return this.#entries[index * entry.slots + entry.outputSize] === droppedSize;
  }

  /** Where the output run of an entry begins in `bytes`. */
  outputOffset(index: number): number {
    return this.#entries[index * entry.slots + entry.outputOffset];
  }

  outputSize(index: number): number {
    return this.#entries[index * entry.slots + entry.outputSize];
  }

  clear(): void {
    this.#inputs.clear();
    this.#outputs.clear();
    this.#entries = new Uint32Array(64 * entry.slots);
    this.#count = 0;
    this.#slots = new Uint32Array(128);
    this.#last = 0;
  }

  #isInput(index: number, bytes: Buffer, from: number, size: number): boolean {
    const at = index * entry.slots;
    if (this.#entries[at + entry.inputSize] !== size) return false;
    const offset = this.#entries[at + entry.inputOffset];
    return bytes.compare(this.#inputs.bytes, offset, offset + size, from, from + size) === 0;
  }

  /** Notes that `index` came behind the entry before it. */
  #follow(index: number): number {
    this.#entries[this.#last * entry.slots + entry.next] = index;
    this.#last = index;
    return index;
  }

  #place(index: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index + 1;
  }

  #growEntries(): void {
    if ((this.#count + 1) * entry.slots <= this.#entries.length) return;
    const larger = new Uint32Array(this.#entries.length * 2);
    larger.set(this.#entries);
    this.#entries = larger;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let i = 0; i < this.#count; i++) this.#place(i, this.#entries[i * entry.slots + entry.hash]);
  }
}

/** Bytes that are only ever appended. */
class ByteArena {
  #bytes = Buffer.alloc(0);
  #size = 0;

  get bytes(): Buffer {
    return this.#bytes;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Answers the offset of what was appended. */
  append(source: Uint8Array): number {
    const offset = this.#size;
    if (offset + source.length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(offset + source.length, this.#bytes.length * 1.5, 4096));
      this.#bytes.copy(larger, 0, 0, offset);
      this.#bytes = larger;
    }
    this.#bytes.set(source, offset);
    this.#size += source.length;
    return offset;
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.#size = 0;
  }
}

/** FNV-1a with a final mix. */
function hashBytes(bytes: Uint8Array, from: number, size: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < from + size; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
