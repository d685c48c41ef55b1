// Bytes and nanoseconds per sample of the column codec, by kind of column and size of block. `node src/kernel/codec.bench.ts`;
// codec.test.ts runs it small.
import { seededRandom } from "../base/random.ts";
import { codecScratchBytes, decodeColumn, encodeColumn, encodedSizeMax, type CodecEffort } from "./codec.ts";
import { typicalColumns, type ColumnGenerator } from "./codec_columns.ts";
import { Kernel } from "./kernel.ts";

export interface CodecFigures {
  readonly name: string;
  readonly effort: CodecEffort;
  readonly blockCount: number;
  readonly bytesPerSample: number;
  readonly encodeNs: number;
  readonly decodeNs: number;
}

/** Median over `rounds` of the CPU nanoseconds that `run` takes per sample. */
function nanosecondsPerSample(rounds: number, sampleCount: number, run: () => void): number {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    run();
    const used = process.cpuUsage(before);
    figures.push(((used.user + used.system) * 1000) / sampleCount);
  }
  return figures.sort((a, b) => a - b)[rounds >> 1];
}

/** Measures blocks of `blockCount` samples cut from columns of `generator`, `sampleCount` samples a round. */
export function measureCodec(generator: ColumnGenerator, effort: CodecEffort, blockCount: number, sampleCount: number, rounds: number): CodecFigures {
  const kernel = new Kernel();
  const random = seededRandom(1);
  const blocks = Math.max(1, Math.floor(65536 / blockCount));
  const source = kernel.allocate(blocks * blockCount * 8);
  const target = kernel.allocate(blocks * blockCount * 8);
  const encoded = kernel.allocate(blocks * encodedSizeMax(blockCount));
  const scratch = kernel.allocate(codecScratchBytes(kernel));
  for (let i = 0; i < blocks; i++) kernel.f64.set(generator.make(blockCount, random), source / 8 + i * blockCount);
  const repeats = Math.max(1, Math.round(sampleCount / (blocks * blockCount)));
  const sizes = new Uint32Array(blocks);
  const encode = (): void => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (let i = 0; i < blocks; i++) {
        const [from, to] = [source + i * blockCount * 8, encoded + i * encodedSizeMax(blockCount)];
        sizes[i] = encodeColumn(kernel, from, blockCount, generator.kind, to, scratch, effort);
      }
    }
  };
  const decode = (): void => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (let i = 0; i < blocks; i++) decodeColumn(kernel, encoded + i * encodedSizeMax(blockCount), sizes[i], blockCount, target + i * blockCount * 8, scratch);
    }
  };
  const total = repeats * blocks * blockCount;
  const encodeNs = nanosecondsPerSample(rounds, total, encode);
  const decodeNs = nanosecondsPerSample(rounds, total, decode);
  const bytesPerSample = sizes.reduce((sum, size) => sum + size, 0) / (blocks * blockCount);
  return { name: generator.name, effort, blockCount, bytesPerSample, encodeNs, decodeNs };
}

/** A line with the figures of one column and block size, by effort. */
export function printFigures(figures: readonly CodecFigures[]): string {
  const cells = figures.map(({ effort, bytesPerSample, encodeNs, decodeNs }) => {
    return `${effort} ${bytesPerSample.toFixed(4).padStart(7)} B ${encodeNs.toFixed(2).padStart(6)} ns encode ${decodeNs.toFixed(2).padStart(6)} ns decode`;
  });
  return `${figures[0].name.padEnd(33)} ${String(figures[0].blockCount).padStart(5)} | ${cells.join(" | ")}`;
}

if (import.meta.main) {
  for (const blockCount of [8192, 1024, 240, 120, 4]) {
    for (const generator of typicalColumns) {
      process.stdout.write(printFigures([measureCodec(generator, "fast", blockCount, 1 << 20, 5), measureCodec(generator, "compact", blockCount, 1 << 20, 5)]) + "\n");
    }
  }
}
