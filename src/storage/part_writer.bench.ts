/**
 * CPU nanoseconds per sample of writing a part and of reading it back, headers, checksums and files included, by codec and samples per series.
 * `node src/storage/part_writer.bench.ts [directory]`; part.test.ts runs it small. Values are random walks of whole numbers in [0, 100], as a host's
 * metrics are; the series share their timestamps.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { seededRandom } from "../base/random.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import type { CodecEffort } from "../kernel/codec.ts";
import { Kernel } from "../kernel/kernel.ts";
import { sampleCountOf } from "./block_list.ts";
import type { ColumnRun } from "./column_run.ts";
import { Part } from "./part.ts";
import { PartWriter } from "./part_writer.ts";

export interface PartFigures {
  readonly codec: CodecEffort;
  readonly samplesPerSeries: number;
  readonly bytesPerSample: number;
  readonly writeNs: number;
  readonly readNs: number;
}

const samplesPerRun = 1 << 16;
const blocksPerRead = 64;

/** A run in the kernel's memory, whose series are named anew for each append. */
function stageRun(kernel: Kernel, samplesPerSeries: number): ColumnRun {
  const random = seededRandom(1);
  const seriesCount = Math.max(1, Math.floor(samplesPerRun / samplesPerSeries));
  const sampleCount = seriesCount * samplesPerSeries;
  const [timestamps, values] = [kernel.allocate(sampleCount * 8), kernel.allocate(sampleCount * 8)];
  kernel.ensure(kernel.mark() + (4 << 20));
  const timestampsMs = kernel.f64.subarray(timestamps / 8, timestamps / 8 + sampleCount);
  const levels = kernel.f64.subarray(values / 8, values / 8 + sampleCount);
  let level = 50;
  for (let i = 0; i < sampleCount; i++) {
    timestampsMs[i] = 1_700_000_000_000 + (i % samplesPerSeries) * 15_000;
    level = i % samplesPerSeries === 0 ? random.int(101) : Math.min(100, Math.max(0, level + random.int(5) - 2));
    levels[i] = level;
  }
  return {
    seriesCount,
    seriesIds: new Uint32Array(seriesCount),
    sampleFrom: Uint32Array.from({ length: seriesCount + 1 }, (_, i) => i * samplesPerSeries),
    timestampsMs,
    values: levels,
    lastLogRows: new Float64Array(seriesCount).fill(1),
  };
}

function readAll(kernel: Kernel, part: Part): void {
  const mark = kernel.mark();
  for (let group = 0; group < part.groupCount; group++) {
    const list = part.readGroup(group);
    for (let from = 0; from < list.count; from += blocksPerRead) {
      const to = Math.min(list.count, from + blocksPerRead);
      const capacity = sampleCountOf(list, from, to);
      part.readBlocks(kernel, list, from, to, kernel.allocate(capacity * 8), kernel.allocate(capacity * 8), capacity);
      kernel.reset(mark);
    }
  }
}

/** Median of `rounds` over parts of about `sampleCount` samples. */
export function measurePart(codec: CodecEffort, samplesPerSeries: number, sampleCount: number, rounds: number, directory: string): PartFigures {
  const files = new RealFileSystem();
  const root = `${directory}/part-writer-bench-${process.pid}`;
  mkdirSync(root, { recursive: true });
  const kernel = new Kernel();
  const run = stageRun(kernel, samplesPerSeries);
  const runCount = Math.max(1, Math.round(sampleCount / run.values.length));
  const [writes, reads]: number[][] = [[], []];
  let bytesPerSample = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const mark = kernel.mark();
      const started = process.cpuUsage();
      const writer = PartWriter.create(files, `${root}/${round}`, kernel, { codec });
      for (let i = 0; i < runCount; i++) {
        for (let series = 0; series < run.seriesCount; series++) run.seriesIds[series] = i * run.seriesCount + series;
        writer.append(run);
      }
      const summary = writer.finish();
      const written = process.cpuUsage(started);
      kernel.reset(mark);
      using part = Part.open(files, `${root}/${round}`);
      readAll(kernel, part);
      const read = process.cpuUsage(started);
      writes.push(((written.user + written.system) * 1000) / summary.sampleCount);
      reads.push(((read.user + read.system - written.user - written.system) * 1000) / summary.sampleCount);
      bytesPerSample = summary.sizeBytes / summary.sampleCount;
    }
  } finally {
    rmSync(root, { recursive: true });
  }
  const median = (figures: number[]): number => figures.sort((a, b) => a - b)[figures.length >> 1];
  return { codec, samplesPerSeries, bytesPerSample, writeNs: median(writes), readNs: median(reads) };
}

if (import.meta.main) {
  for (const samplesPerSeries of [4, 16, 120, 720, 8192]) {
    for (const codec of ["fast", "compact"] as const) {
      const figures = measurePart(codec, samplesPerSeries, 4_000_000, 5, process.argv[2] ?? tmpdir());
      const { bytesPerSample, writeNs, readNs } = figures;
      const cells = `${bytesPerSample.toFixed(3)} B ${writeNs.toFixed(1).padStart(6)} ns write ${readNs.toFixed(1).padStart(6)} ns read`;
      process.stdout.write(`${String(samplesPerSeries).padStart(5)} samples per series, ${codec.padEnd(7)} ${cells} per sample\n`);
    }
  }
}
