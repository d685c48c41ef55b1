/**
 * Remembers which series the last scrape of a target had, to tell which are new and which are gone. A target mostly has the same series
 * in the same order, so a digest of their label runs answers most scrapes; the runs themselves are kept compressed (about 10 bytes a
 * series) and only looked at when the digest has changed.
 *
 *   packed = zstd of: u32 size of each run | the runs
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { RunList } from "./run_list.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** So many series are compared before the event loop gets a turn. */
const seriesPerTurn = 8_192;

export interface SeriesChange {
  readonly addedCount: number;
  /** Label runs of the series that are gone. */
  readonly vanished: readonly Uint8Array[];
}

interface Image {
  readonly digest: string;
  readonly packed: Uint8Array;
  readonly count: number;
}

const empty: Image = { digest: "", packed: new Uint8Array(0), count: 0 };

export class SeriesTracker {
  #image = empty;

  /** Series of the last scrape. */
  get count(): number {
    return this.#image.count;
  }

  /** Takes the series of a new scrape; `runs` may be reused after the promise resolves. */
  async replace(runs: RunList): Promise<SeriesChange> {
    const digest = digestOf(runs);
    if (digest === this.#image.digest) return { addedCount: 0, vanished: [] };
    const change = this.#image.count === 0 ? { addedCount: runs.count, vanished: [] } : await compare(await unpack(this.#image), runs);
    this.#image = { digest, count: runs.count, packed: await pack(runs) };
    return change;
  }

  /** Forgets the last scrape and answers its series. */
  async takeAll(): Promise<readonly Uint8Array[]> {
    const image = this.#image;
    this.#image = empty;
    return unpack(image);
  }
}

function digestOf(runs: RunList): string {
  return createHash("sha1").update(runs.sizes).update(runs.bytes).digest("latin1");
}

async function pack(runs: RunList): Promise<Uint8Array> {
  const { sizes } = runs;
  const packed = await compress(Buffer.concat([Buffer.from(sizes.buffer, sizes.byteOffset, sizes.byteLength), runs.bytes]));
  return new Uint8Array(packed); // a copy of its own: zlib and Buffer hand out small pieces of large memory
}

async function unpack({ packed, count }: Image): Promise<Uint8Array[]> {
  if (count === 0) return [];
  const bytes = await decompress(packed);
  const runs: Uint8Array[] = [];
  let from = count * 4;
  for (let i = 0; i < count; i++) {
    const size = bytes.readUInt32LE(i * 4);
    runs.push(bytes.subarray(from, from + size));
    from += size;
  }
  return runs;
}

async function compare(before: readonly Uint8Array[], now: RunList): Promise<SeriesChange> {
  const isOld = new Map<string, boolean>();
  const { bytes, sizes } = now;
  let from = 0;
  for (let i = 0; i < sizes.length; i++) {
    isOld.set(bytes.toString("latin1", from, from + sizes[i]), false);
    from += sizes[i];
    if (i % seriesPerTurn === seriesPerTurn - 1) await turn();
  }
  const vanished: Uint8Array[] = [];
  let keptCount = 0;
  for (let i = 0; i < before.length; i++) {
    const key = Buffer.from(before[i].buffer, before[i].byteOffset, before[i].length).toString("latin1");
    const seen = isOld.get(key);
    if (seen === undefined) vanished.push(before[i]);
    else if (!seen) {
      keptCount++;
      isOld.set(key, true);
    }
    if (i % seriesPerTurn === seriesPerTurn - 1) await turn();
  }
  return { addedCount: isOld.size - keptCount, vanished };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
