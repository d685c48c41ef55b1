/**
 * CPU nanoseconds per sample of merging parts, by the shape of the parts. `node src/storage/merge.bench.ts [samples] [directory]`; merge.test.ts runs it small.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { seededRandom } from "../base/random.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { typicalColumns } from "../kernel/codec_columns.ts";
import { type CodecEffort, columnKinds } from "../kernel/codec.ts";
import { Kernel } from "../kernel/kernel.ts";
import { mergeParts } from "./merge.ts";
import { Part } from "./part.ts";
import { PartWriter } from "./part_writer.ts";

export interface MergeShape {
  readonly name: string;
  readonly parts: number;
  /** Samples of a series in each part. */
  readonly samplesPerSeries: number;
  /** Only every so many parts have a series: 1, all do. */
  readonly sparsity: number;
}

export const mergeShapes: readonly MergeShape[] = [
  { name: "new parts: 120 samples each", parts: 8, samplesPerSeries: 120, sparsity: 1 },
  { name: "merged once: 1000 samples each", parts: 8, samplesPerSeries: 1000, sparsity: 1 },
  { name: "merged twice: 8000 samples each", parts: 4, samplesPerSeries: 8000, sparsity: 1 },
  { name: "many series: 16 samples each", parts: 8, samplesPerSeries: 16, sparsity: 1 },
  { name: "churn: 60 samples, one part each", parts: 8, samplesPerSeries: 60, sparsity: 8 },
];

export interface MergeFigures {
  readonly name: string;
  readonly nsPerSample: number;
  readonly bytesPerSample: number;
}

const columns = typicalColumns.filter(({ kind }) => kind === columnKinds.values);
const stepMs = 15_000;

/** Merges parts with about `sampleCount` samples in all; the median of `rounds`. */
export function measureMerge(shape: MergeShape, codec: CodecEffort, sampleCount: number, rounds: number, directory: string): MergeFigures {
  const files = new RealFileSystem();
  const root = `${directory}/merge-bench-${process.pid}`;
  mkdirSync(root, { recursive: true });
  try {
    const kernel = new Kernel();
    for (let part = 0; part < shape.parts; part++) writePart(files, kernel, `${root}/${part}`, shape, part, sampleCount);
    const used: number[] = [];
    let figures = { samples: 0, bytes: 0 };
    for (let round = 0; round < rounds; round++) {
      const parts = Array.from({ length: shape.parts }, (_, part) => Part.openInOrder(files, `${root}/${part}`));
      const before = process.cpuUsage();
      const summary = mergeParts(files, kernel, parts, `${root}/merged-${round}`, { codec, keepLogRows: false });
      const { user, system } = process.cpuUsage(before);
      used.push((user + system) * 1000);
      figures = { samples: summary.sampleCount, bytes: summary.sizeBytes };
      for (const part of parts) part.close();
    }
    return { name: shape.name, nsPerSample: used.toSorted((left, right) => left - right)[rounds >> 1] / figures.samples, bytesPerSample: figures.bytes / figures.samples };
  } finally {
    rmSync(root, { recursive: true });
  }
}

function writePart(files: RealFileSystem, kernel: Kernel, path: string, { parts, samplesPerSeries, sparsity }: MergeShape, part: number, sampleCount: number): void {
  const mark = kernel.mark();
  const writer = PartWriter.create(files, path, kernel);
  const random = seededRandom(part + 1);
  const seriesCount = Math.max(sparsity, Math.ceil(sampleCount / samplesPerSeries / parts));
  for (let from = 0; from < seriesCount; from += 256) {
    const count = Math.min(256, seriesCount - from);
    const timestampsMs = new Float64Array(count * samplesPerSeries);
    const values = new Float64Array(count * samplesPerSeries);
    for (let i = 0; i < count; i++) {
      values.set(columns[(from + i) % columns.length].make(samplesPerSeries, random), i * samplesPerSeries);
      // Ten neighbours are scraped together.
      const jitterMs = Math.floor((from + i) / 10) % 1000;
      for (let k = 0; k < samplesPerSeries; k++) timestampsMs[i * samplesPerSeries + k] = 1_700_000_000_000 + (part * samplesPerSeries + k) * stepMs + jitterMs;
    }
    writer.append({
      seriesCount: count,
      seriesIds: Uint32Array.from({ length: count }, (_, i) => (from + i) * sparsity + (part % sparsity)),
      sampleFrom: Uint32Array.from({ length: count + 1 }, (_, i) => i * samplesPerSeries),
      timestampsMs,
      values,
      lastLogRows: new Float64Array(count),
    });
  }
  writer.finish();
  kernel.reset(mark);
}

if (import.meta.main) {
  const [sampleCount = 8_000_000, directory = tmpdir()] = [Number(process.argv[2] ?? 8_000_000), process.argv[3]];
  for (const shape of mergeShapes) {
    for (const codec of ["fast", "compact"] as const) {
      const { name, nsPerSample, bytesPerSample } = measureMerge(shape, codec, sampleCount, 3, directory);
      process.stdout.write(`${name.padEnd(36)} ${codec.padEnd(8)} ${nsPerSample.toFixed(1).padStart(8)} ns/sample ${bytesPerSample.toFixed(2).padStart(6)} B/sample\n`);
    }
  }
}
