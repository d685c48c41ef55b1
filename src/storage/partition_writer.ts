/** Writes what a seal adds to one partition: a part, and an index segment with the series that the partition's index lacks. */
import { type FileSystem, makeDirectoryDurable } from "../disk/file_system.ts";
import type { SeriesLabels } from "../index/series_labels.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ColumnRun } from "./column_run.ts";
import type { Partition } from "./partition.ts";
import type { IndexRows } from "./partition_index_format.ts";
import { IndexSegmentWriter } from "./partition_index_writer.ts";
import type { ManifestIndexSegment, ManifestPart } from "./manifest_state.ts";
import { partFiles, PartWriter } from "./part_writer.ts";
import type { GatheredRun } from "./seal_gather.ts";
import type { SeriesSet } from "./series_set.ts";

export interface WrittenPartition {
  readonly part: ManifestPart;
  readonly indexSegment: ManifestIndexSegment | undefined;
  readonly maxLogRow: number;
  readonly newSeries: readonly number[];
}

interface NewSeries {
  readonly seriesId: number;
  readonly seriesIndex: number;
  readonly minMs: number;
  maxMs: number;
}

const rowsPerBatch = 4096;

export class PartitionWriter {
  readonly #partition: Partition;
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #partId: number;
  readonly #indexId: number;
  readonly #known: SeriesSet;
  readonly #labels: SeriesLabels;
  readonly #part: PartWriter;
  readonly #newSeries: NewSeries[] = [];
  #maxLogRow = 0;

  /** `known`: the series in the partition's index. The writer leaves memory in the kernel's arena, which is reset when all of a seal's writers are done. */
  constructor(options: { files: FileSystem; partition: Partition; path: string; partId: number; indexId: number; kernel: Kernel; known: SeriesSet; labels: SeriesLabels }) {
    this.#files = options.files;
    this.#partition = options.partition;
    this.#path = options.path;
    this.#partId = options.partId;
    this.#indexId = options.indexId;
    this.#known = options.known;
    this.#labels = options.labels;
    makeDirectoryDurable(options.files, `${options.path}/parts`);
    this.#part = PartWriter.create(options.files, `${options.path}/parts/${options.partId}`, options.kernel);
  }

  /** Appends the partition's share of a gathered run. */
  append(run: ColumnRun, gathered: GatheredRun): void {
    this.#part.append(run);
    let position = 0;
    for (let i = 0; i < run.seriesCount; i++) {
      this.#maxLogRow = Math.max(this.#maxLogRow, run.lastLogRows[i]);
      const seriesId = run.seriesIds[i];
      if (this.#known.has(seriesId) || run.sampleFrom[i] === run.sampleFrom[i + 1]) continue;
      while (gathered.seriesIds[position] !== seriesId) position++;
      const minMs = run.timestampsMs[run.sampleFrom[i]];
      const maxMs = run.timestampsMs[run.sampleFrom[i + 1] - 1];
      const last = this.#newSeries.at(-1);
      if (last?.seriesId === seriesId) last.maxMs = maxMs;
      else this.#newSeries.push({ seriesId, seriesIndex: gathered.seriesIndexes[position], minMs, maxMs });
    }
  }

  /** Completes the files, in steps; nothing refers to them before the manifest does. */
  *finish(): Generator<void, WrittenPartition> {
    const summary = this.#part.finish();
    const indexSegment = this.#newSeries.length === 0 ? undefined : yield* this.#writeIndex();
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
      },
      indexSegment,
      maxLogRow: this.#maxLogRow,
      newSeries: this.#newSeries.map(({ seriesId }) => seriesId),
    };
  }

  /** Writes the rows of the new series, some thousand at a time. */
  *#writeIndex(): Generator<void, ManifestIndexSegment> {
    const file = `index/${this.#indexId}.idx`;
    const writer = new IndexSegmentWriter(this.#partition);
    for (let from = 0; from < this.#newSeries.length; from += rowsPerBatch) {
      writer.add(this.#indexRows(this.#newSeries.slice(from, from + rowsPerBatch)));
      yield;
    }
    makeDirectoryDurable(this.#files, `${this.#path}/index`);
    const { rowCount, sizeBytes } = writer.finish(this.#files, `${this.#path}/${file}`);
    this.#files.syncDirectory(`${this.#path}/index`);
    return { id: this.#indexId, files: [file], seriesCount: rowCount, sizeBytes };
  }

  #indexRows(series: readonly NewSeries[]): IndexRows {
    const runs = series.map(({ seriesIndex }) => this.#labels.labelRun(seriesIndex));
    const tenants = series.map(({ seriesIndex }) => this.#labels.tenant(seriesIndex));
    const labelOffsets = new Uint32Array(series.length + 1);
    runs.forEach((run, i) => (labelOffsets[i + 1] = labelOffsets[i] + run.length));
    const labels = new Uint8Array(labelOffsets[series.length]);
    runs.forEach((run, i) => labels.set(run, labelOffsets[i]));
    return {
      rowCount: series.length,
      seriesIds: Uint32Array.from(series, ({ seriesId }) => seriesId),
      accountIds: Uint32Array.from(tenants, ({ accountId }) => accountId),
      projectIds: Uint32Array.from(tenants, ({ projectId }) => projectId),
      minMs: Float64Array.from(series, ({ minMs }) => minMs),
      maxMs: Float64Array.from(series, ({ maxMs }) => maxMs),
      labels,
      labelOffsets,
    };
  }

  abort(): void {
    this.#part.abort();
  }
}
