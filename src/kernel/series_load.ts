/**
 * Door to the kernels that register many series at a start (wasm/series_load.ts, which has the layout). Registering them one by one with headRegister makes
 * the same state.
 */
import { type HeadKernels, headKernels } from "./head.ts";
import type { Kernel } from "./kernel.ts";
import type { SeriesIdTable } from "./series_id_table.ts";

/** u32 slots of the state. */
const field = {
  head: 0,
  idTable: 1,
  idMax: 2,
  shardCount: 3,
  shardNumber: 4,
  batch: 5,
  run: 6,
  runSizeMax: 7,
  pairOffsets: 8,
  pairBytes: 9,
  pairMap: 10,
  rejected: 11,
  aliases: 12,
  highestId: 13,
  record: 14,
  entry: 15,
} as const;

const stateBytes = 64;
/** 32 series of a batch, and a place for what nobody reads. */
const batchBytes = 33 * 32;
const recordHeaderBytes = 16;
/** Kernels copy in wide steps, and read behind what they copy. */
const copySlackBytes = 64;

export interface SeriesLoadOptions {
  readonly kernel: Kernel;
  readonly headContext: number;
  readonly ids: SeriesIdTable;
  /** Each shard is given all series and takes its own. */
  readonly shardCount: number;
  readonly shardNumber: number;
  /** Series with a larger label run are rejected. */
  readonly runSizeMax: number;
  /** Gives areas of the kernel's memory. */
  readonly allocate: (sizeBytes: number) => number;
}

/** Label fields of the pairs of an index segment: pair p is fields[fieldOffsets[p], fieldOffsets[p + 1]). */
export interface PairFields {
  readonly count: number;
  readonly fields: Uint8Array;
  readonly fieldOffsets: Uint32Array;
}

/** Addresses of rows, u32 each: pair ids of all rows one after the other, how many each row has, series ids, and account and project of each. */
export interface PairRowPointers {
  readonly pairIds: number;
  readonly counts: number;
  readonly seriesIds: number;
  readonly tenants: number;
}

export class SeriesLoad {
  readonly #options: SeriesLoadOptions;
  readonly #kernel: Kernel;
  readonly #kernels: HeadKernels;
  readonly #state: number;
  /** Area of the pairs in use. */
  #pairs = { pointer: 0, sizeBytes: 0 };

  constructor(options: SeriesLoadOptions) {
    const { kernel, headContext, ids, shardCount, shardNumber, runSizeMax, allocate } = options;
    this.#options = options;
    this.#kernel = kernel;
    this.#kernels = headKernels(kernel);
    this.#state = allocate(stateBytes);
    kernel.u8.fill(0, this.#state, this.#state + stateBytes);
    const values = { head: headContext, idTable: ids.directory, idMax: ids.idMax, shardCount, shardNumber, batch: allocate(batchBytes), run: allocate(runSizeMax + copySlackBytes), runSizeMax };
    for (const [name, value] of Object.entries(values)) this.#set(name as keyof typeof values, value);
  }

  /** Series that were not registered: their id is 0 or too high, or there is no room for them. */
  get rejectedCount(): number {
    return this.#get("rejected");
  }

  /** Ids of label sets that had another id already. */
  get aliasCount(): number {
    return this.#get("aliases");
  }

  /** The highest id that was seen, rejected ones included. */
  get highestId(): number {
    return this.#get("highestId");
  }

  /** Makes room for so many series in an empty table at once. */
  reserve(seriesCount: number): void {
    this.#kernels.seriesTableReserve(this.#options.headContext, Math.min(seriesCount, 2 ** 31));
  }

  /** The next rows are of pairs of this segment. */
  usePairs({ count, fields, fieldOffsets }: PairFields): void {
    const kernel = this.#kernel;
    const bytesAt = 8 * (count + 1);
    const sizeBytes = bytesAt + fields.length + copySlackBytes;
    if (sizeBytes > this.#pairs.sizeBytes) {
      const roomBytes = Math.max(sizeBytes, 2 * this.#pairs.sizeBytes);
      this.#pairs = { pointer: this.#options.allocate(roomBytes), sizeBytes: roomBytes };
    }
    const { pointer } = this.#pairs;
    const map = pointer + 4 * (count + 1);
    kernel.u32.set(fieldOffsets, pointer / 4);
    kernel.u32.fill(0, map / 4, map / 4 + count);
    kernel.u8.set(fields, pointer + bytesAt);
    this.#set("pairOffsets", pointer);
    this.#set("pairMap", map);
    this.#set("pairBytes", pointer + bytesAt);
  }

  /** Registers rows. Their days become [minDay, maxDay], none if minDay is above. REQUIRES: the table of ids has pages for them. */
  loadRows({ pairIds, counts, seriesIds, tenants }: PairRowPointers, count: number, minDay: number, maxDay: number): void {
    this.#kernels.seriesLoadRows(this.#state, pairIds, counts, count, seriesIds, tenants, minDay, maxDay);
  }

  /** Registers the series of whole records of new series that stand one behind the other at [from, to). */
  loadRecords(from: number, to: number): void {
    let record = from;
    let entry = from + recordHeaderBytes;
    while (this.#kernels.seriesLoadRecords(this.#state, record, entry, to) === 0) {
      record = this.#get("record");
      entry = this.#get("entry");
      this.#options.ids.makeRoom(this.#kernel.u32.subarray(entry / 4, entry / 4 + 1));
    }
  }

  #get(name: keyof typeof field): number {
    return this.#kernel.u32[this.#state / 4 + field[name]];
  }

  #set(name: keyof typeof field, value: number): void {
    this.#kernel.u32[this.#state / 4 + field[name]] = value;
  }
}

/** Records of new series, one behind the other. */
export interface SeriesRecords {
  readonly count: number;
  readonly sizeBytes: number;
}

/** The whole, right and sound records of new series that stand one behind the other at `pointer` in the kernel's memory, of `available` bytes. */
export function scanSeriesRecords(kernel: Kernel, pointer: number, available: number): SeriesRecords {
  const sizeBytes = kernel.exports.seriesLoadScan(pointer, available) >>> 0;
  return { count: kernel.exports.seriesLoadScanned() >>> 0, sizeBytes };
}
