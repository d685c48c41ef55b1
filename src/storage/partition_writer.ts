/** Writes what a seal adds to one partition: a part, and an index segment with the series that the partition's index lacks. */
import { type FileSystem, makeDirectoryDurable } from "../disk/file_system.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ColumnRun } from "./column_run.ts";
import { type LiveSeries, writeLiveSegment } from "./live_segment_writer.ts";
import type { Partition } from "./partition.ts";
import type { ManifestIndexSegment, ManifestPart } from "./manifest_state.ts";
import { partFiles, PartWriter } from "./part_writer.ts";
import type { GatheredRun } from "./seal_gather.ts";
import type { SeriesSet } from "./series_set.ts";
import type { ShardReader } from "./shard.ts";
import type { Steps } from "./steps.ts";

export interface WrittenPartition {
  readonly part: ManifestPart;
  readonly indexSegment: ManifestIndexSegment | undefined;
  readonly maxLogRow: number;
  /** Series that the partition's index did not have. */
  readonly newSeries: Uint32Array;
}

/** The series that the partition's index lacks, ascending by id: columns that grow. */
class NewSeries implements LiveSeries {
  count = 0;
  seriesIds = new Uint32Array(256);
  seriesIndexes = new Uint32Array(256);
  minMs = new Float64Array(256);
  maxMs = new Float64Array(256);

  add(seriesId: number, seriesIndex: number, minMs: number, maxMs: number): void {
    if (this.count === this.seriesIds.length) this.#resize(this.count * 2);
    this.seriesIds[this.count] = seriesId;
    this.seriesIndexes[this.count] = seriesIndex;
    this.minMs[this.count] = minMs;
    this.maxMs[this.count] = maxMs;
    this.count++;
  }

  /** Gives the columns the length of what was added. */
  trim(): void {
    if (this.seriesIds.length !== this.count) this.#resize(this.count);
  }

  #resize(length: number): void {
    const resized = <T extends Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from.subarray(0, length) as never);
      return to;
    };
    this.seriesIds = resized(this.seriesIds, new Uint32Array(length));
    this.seriesIndexes = resized(this.seriesIndexes, new Uint32Array(length));
    this.minMs = resized(this.minMs, new Float64Array(length));
    this.maxMs = resized(this.maxMs, new Float64Array(length));
  }
}

export class PartitionWriter {
  readonly #partition: Partition;
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #partId: number;
  readonly #indexId: number;
  readonly #known: SeriesSet;
  readonly #shard: ShardReader;
  readonly #kernel: Kernel;
  readonly #part: PartWriter;
  readonly #newSeries = new NewSeries();
  #maxLogRow = 0;

  /** `known`: the series in the partition's index. The writer leaves memory in the kernel's arena, which is reset when all of a seal's writers are done. */
  constructor(options: { files: FileSystem; partition: Partition; path: string; partId: number; indexId: number; kernel: Kernel; known: SeriesSet; shard: ShardReader }) {
    this.#files = options.files;
    this.#partition = options.partition;
    this.#path = options.path;
    this.#partId = options.partId;
    this.#indexId = options.indexId;
    this.#known = options.known;
    this.#shard = options.shard;
    this.#kernel = options.kernel;
    makeDirectoryDurable(options.files, `${options.path}/parts`);
    this.#part = PartWriter.create(options.files, `${options.path}/parts/${options.partId}`, options.kernel);
  }

  /** Appends the partition's share of a gathered run. */
  append(run: ColumnRun, gathered: GatheredRun): void {
    this.#part.append(run);
    const { seriesCount, seriesIds, sampleFrom, lastLogRows, timestampsMs } = run;
    const known = this.#known;
    const added = this.#newSeries;
    let maxLogRow = this.#maxLogRow;
    let position = 0;
    for (let i = 0; i < seriesCount; i++) {
      if (lastLogRows[i] > maxLogRow) maxLogRow = lastLogRows[i];
      const seriesId = seriesIds[i];
      if (known.has(seriesId) || sampleFrom[i] === sampleFrom[i + 1]) continue;
      while (gathered.seriesIds[position] !== seriesId) position++;
      const maxMs = timestampsMs[sampleFrom[i + 1] - 1];
      if (added.count > 0 && added.seriesIds[added.count - 1] === seriesId) added.maxMs[added.count - 1] = maxMs;
      else added.add(seriesId, gathered.seriesIndexes[position], timestampsMs[sampleFrom[i]], maxMs);
    }
    this.#maxLogRow = maxLogRow;
  }

  /** Completes the files, in steps; nothing refers to them before the manifest does. */
  *finish(): Steps<WrittenPartition> {
    const summary = yield* this.#part.finishInSteps();
    this.#newSeries.trim();
    const indexSegment = this.#newSeries.count === 0 ? undefined : yield* this.#writeIndex();
    const names = this.#maxLogRow > 0 ? [partFiles.blocks, partFiles.logRows] : [partFiles.blocks];
    return {
      part: {
        id: this.#partId,
        files: names.map((name) => `parts/${this.#partId}/${name}`),
        seriesCount: summary.seriesCount,
        sampleCount: summary.sampleCount,
        minMs: summary.minMs,
        maxMs: summary.maxMs,
        sizeBytes: summary.sizeBytes,
        ...(this.#maxLogRow > 0 && { maxLogRow: this.#maxLogRow }),
      },
      indexSegment,
      maxLogRow: this.#maxLogRow,
      newSeries: this.#newSeries.seriesIds,
    };
  }

  *#writeIndex(): Steps<ManifestIndexSegment> {
    const file = `index/${this.#indexId}.idx`;
    makeDirectoryDurable(this.#files, `${this.#path}/index`);
    const sizeBytes = yield* writeLiveSegment(this.#files, `${this.#path}/${file}`, this.#partition, this.#shard, this.#kernel, this.#newSeries);
    return { id: this.#indexId, files: [file], seriesCount: this.#newSeries.count, sizeBytes };
  }

  abort(): void {
    this.#part.abort();
  }
}
