/** The bytes of one file of a MemoryFileSystem: what programs see, what is durable, and the changes between the two. */
import type { Random } from "../base/random.ts";

/** Disks write whole sectors of at least so many bytes; the sectors of one write reach the disk in any order. */
const sectorBytes = 512;

type Change = { readonly kind: "write"; readonly position: number; readonly bytes: Uint8Array } | { readonly kind: "truncate"; readonly size: number };

export class MemoryFile {
  #current = new Content();
  #durable = new Content();
  #unsynced: Change[] = [];
  /** Changes that are not among the unsynced any more. */
  #settledCount = 0;

  get size(): number {
    return this.#current.size;
  }

  read(target: Uint8Array, position: number): number {
    const bytes = this.#current.view().subarray(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  write(source: Uint8Array, position: number): void {
    this.#add({ kind: "write", position, bytes: new Uint8Array(source) });
  }

  truncate(size: number): void {
    this.#add({ kind: "truncate", size });
  }

  /** Changes so far. */
  get changeCount(): number {
    return this.#settledCount + this.#unsynced.length;
  }

  /** Makes the first so many of all changes durable, by default all. */
  sync(count = this.changeCount): void {
    const settled = this.#unsynced.splice(0, Math.max(0, count - this.#settledCount));
    for (const change of settled) this.#durable.apply(change);
    this.#settledCount += settled.length;
  }

  loseUnsynced(): void {
    this.#settledCount = this.changeCount;
    this.#unsynced = [];
  }

  corrupt(position: number, mask: number): void {
    for (const content of [this.#current, this.#durable]) if (position < content.size) content.view()[position] ^= mask;
  }

  clone(): MemoryFile {
    const clone = new MemoryFile();
    clone.#current = this.#current.clone();
    clone.#durable = this.#durable.clone();
    clone.#unsynced = [...this.#unsynced];
    clone.#settledCount = this.#settledCount;
    return clone;
  }

  /** The file after a power loss. */
  afterCrash(random: Random): MemoryFile {
    const content = this.#durable.clone();
    if (this.#unsynced.length > 0) crashOutcomes[random.int(crashOutcomes.length)](content, this.#unsynced, random);
    const file = new MemoryFile();
    file.#current = content;
    file.#durable = content.clone();
    return file;
  }

  #add(change: Change): void {
    this.#current.apply(change);
    this.#unsynced.push(change);
  }
}

/** What may become of the changes that were not synced; each is as likely. */
const crashOutcomes: readonly ((content: Content, changes: readonly Change[], random: Random) => void)[] = [
  function loseAll() {},
  function keepAll(content, changes) {
    for (const change of changes) content.apply(change);
  },
  function keepFirst(content, changes, random) {
    const count = random.int(changes.length);
    for (const change of changes.slice(0, count)) content.apply(change);
    const torn = changes[count];
    if (torn.kind === "write") content.write(torn.bytes.subarray(0, random.int(torn.bytes.length + 1)), torn.position);
  },
  function keepSectors(content, changes, random) {
    const sizeIsWritten = random.next() < 0.5;
    let size = content.size;
    for (const change of changes) {
      size = change.kind === "truncate" ? change.size : Math.max(size, change.position + change.bytes.length);
      if (change.kind === "write") writeSomeSectors(content, change.position, change.bytes, random);
      else if (random.next() < 0.5) content.truncate(change.size);
    }
    // The length of a file may reach the disk before its bytes do: the gap reads as zeros.
    if (sizeIsWritten) content.truncate(size);
  },
];

function writeSomeSectors(content: Content, position: number, bytes: Uint8Array, random: Random): void {
  const keepChance = [0, 0.5, 1][random.int(3)];
  const end = position + bytes.length;
  for (let from = position; from < end; ) {
    const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
    if (random.next() < keepChance) content.write(bytes.subarray(from - position, to - position), from);
    from = to;
  }
}

/** Bytes that grow. */
class Content {
  size = 0;
  #bytes = new Uint8Array(0);

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  apply(change: Change): void {
    if (change.kind === "write") this.write(change.bytes, change.position);
    else this.truncate(change.size);
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    if (position + bytes.length > this.size) this.truncate(position + bytes.length);
    this.#bytes.set(bytes, position);
  }

  truncate(size: number): void {
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, this.#bytes.length * 2, 256));
      grown.set(this.view());
      this.#bytes = grown;
    } else if (size < this.size) {
      this.#bytes.fill(0, size, this.size);
    }
    this.size = size;
  }

  clone(): Content {
    const clone = new Content();
    clone.#bytes = this.view().slice();
    clone.size = this.size;
    return clone;
  }
}
