// All column codecs on the same columns: bytes per sample, nanoseconds of CPU per sample to encode and to decode, medians with the lowest and
// the highest of the rounds. docs/decisions/codecs.md has a table of it.
//   node src/kernel/codec_comparison.bench.ts [samples of a block, ...]
// codec_comparison.test.ts runs it small.
import { seededRandom } from "../base/random.ts";
import { type ClassicCodec, classicEncodedSizeMax, classicScratchBytes, decodeClassic, encodeClassic } from "./classic_codecs.ts";
import { type CodecEffort, codecErrors, codecScratchBytes, decodeColumn, encodeColumn, encodedSizeMax } from "./codec.ts";
import { type ColumnGenerator, typicalColumns } from "./codec_columns.ts";
import { Kernel } from "./kernel.ts";

export interface ComparedCodec {
  readonly name: string;
  /** Encodes `count` doubles and returns the size. */
  readonly encode: (kernel: Kernel, values: number, count: number, column: ColumnGenerator, target: number, scratch: number) => number;
  /** Decodes and returns an index into codecErrors. */
  readonly decode: (kernel: Kernel, source: number, size: number, count: number, target: number, scratch: number) => number;
}

function classic(name: string, codec: ClassicCodec): ComparedCodec {
  return {
    name,
    encode: (kernel, values, count, _, target, scratch) => encodeClassic(kernel, codec, values, count, target, scratch),
    decode: (kernel, source, size, count, target) => decodeClassic(kernel, codec, source, size, count, target),
  };
}

function ours(effort: CodecEffort): ComparedCodec {
  return { name: effort, encode: (kernel, values, count, { kind }, target, scratch) => encodeColumn(kernel, values, count, kind, target, scratch, effort), decode: decodeColumn };
}

export const comparedCodecs: readonly ComparedCodec[] = [
  classic("delta", "delta"),
  classic("delta of delta", "deltaOfDelta"),
  classic("Gorilla", "gorilla"),
  classic("Chimp", "chimp"),
  classic("Chimp128", "chimp128"),
  ours("fast"),
  ours("compact"),
];

/** A median with the lowest and the highest figure. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface ComparedFigures {
  readonly codec: string;
  readonly column: string;
  readonly blockCount: number;
  readonly bytesPerSample: number;
  readonly encodeNs: Spread;
  readonly decodeNs: Spread;
}

function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], min: sorted[0], max: sorted[sorted.length - 1] };
}

/** CPU nanoseconds per sample of one call of `run`. */
function nanosecondsPerSample(sampleCount: number, run: () => void): number {
  const before = process.cpuUsage();
  run();
  const used = process.cpuUsage(before);
  return ((used.user + used.system) * 1000) / sampleCount;
}

/**
 * Measures all codecs on the same blocks of `blockCount` samples. Rounds alternate between the codecs, so that what else the machine does
 * meets all of them alike; each takes about `sampleCount` samples.
 */
export function compareCodecs(column: ColumnGenerator, blockCount: number, sampleCount: number, rounds: number): ComparedFigures[] {
  const kernel = new Kernel();
  const random = seededRandom(1);
  const blocks = Math.max(1, Math.floor(65536 / blockCount));
  const stride = Math.max(classicEncodedSizeMax(blockCount), encodedSizeMax(blockCount));
  const source = kernel.allocate(blocks * blockCount * 8);
  const target = kernel.allocate(blockCount * 8);
  const encoded = kernel.allocate(blocks * stride);
  const scratch = kernel.allocate(Math.max(codecScratchBytes(kernel), classicScratchBytes(kernel)));
  for (let i = 0; i < blocks; i++) kernel.f64.set(column.make(blockCount, random), source / 8 + i * blockCount);
  const repeats = Math.max(1, Math.round(sampleCount / (blocks * blockCount)));
  const sizes = new Uint32Array(blocks);
  const encodeAll = (codec: ComparedCodec): void => {
    for (let i = 0; i < blocks; i++) sizes[i] = codec.encode(kernel, source + i * blockCount * 8, blockCount, column, encoded + i * stride, scratch);
  };
  const decodeAll = (codec: ComparedCodec): void => {
    for (let i = 0; i < blocks; i++) {
      const error = codec.decode(kernel, encoded + i * stride, sizes[i], blockCount, target, scratch);
      if (error !== 0) throw new Error(`${codec.name} cannot decode ${column.name}: ${codecErrors[error]}`);
    }
  };
  const repeated = (run: () => void): void => {
    for (let repeat = 0; repeat < repeats; repeat++) run();
  };
  const rows = comparedCodecs.map((codec) => ({ codec, bytes: 0, encodeNs: [] as number[], decodeNs: [] as number[] }));
  for (let round = -1; round < rounds; round++) {
    for (const row of rows) {
      const encodeNs = nanosecondsPerSample(repeats * blocks * blockCount, () => repeated(() => encodeAll(row.codec)));
      const decodeNs = nanosecondsPerSample(repeats * blocks * blockCount, () => repeated(() => decodeAll(row.codec)));
      row.bytes = sizes.reduce((sum, size) => sum + size, 0);
      if (round < 0) continue; // warming up
      row.encodeNs.push(encodeNs);
      row.decodeNs.push(decodeNs);
    }
  }
  return rows.map(({ codec, bytes, encodeNs, decodeNs }) => ({
    codec: codec.name,
    column: column.name,
    blockCount,
    bytesPerSample: bytes / (blocks * blockCount),
    encodeNs: spreadOf(encodeNs),
    decodeNs: spreadOf(decodeNs),
  }));
}

function printSpread({ median, min, max }: Spread): string {
  return `${median.toFixed(2).padStart(7)} (${min.toFixed(2)} to ${max.toFixed(2)})`.padEnd(24);
}

/** One line of figures. */
export function printComparison(figures: ComparedFigures): string {
  const { codec, column, blockCount, bytesPerSample, encodeNs, decodeNs } = figures;
  return `${column.padEnd(34)} ${String(blockCount).padStart(5)} ${codec.padEnd(15)}${bytesPerSample.toFixed(3).padStart(7)} B  encode ns ${printSpread(encodeNs)}  decode ns ${printSpread(decodeNs)}`.trimEnd();
}

/** The mean over columns of the same weight, one line for each codec. */
export function printMeans(figures: readonly ComparedFigures[], what: string): string[] {
  return comparedCodecs.map(({ name }) => {
    const rows = figures.filter(({ codec }) => codec === name);
    const mean = (figure: (row: ComparedFigures) => number): string => (rows.reduce((sum, row) => sum + figure(row), 0) / rows.length).toFixed(2).padStart(7);
    const { blockCount } = rows[0];
    return `${what.padEnd(34)} ${String(blockCount).padStart(5)} ${name.padEnd(15)}${mean((row) => row.bytesPerSample)} B  encode ns ${mean((row) => row.encodeNs.median)}  decode ns ${mean((row) => row.decodeNs.median)}`;
  });
}

if (import.meta.main) {
  const blockCounts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [8192, 240];
  for (const blockCount of blockCounts) {
    const all = typicalColumns.flatMap((column) => {
      const figures = compareCodecs(column, blockCount, 1 << 19, 5);
      for (const row of figures) process.stdout.write(printComparison(row) + "\n");
      return figures;
    });
    const isTimestamps = ({ column }: ComparedFigures): boolean => column.startsWith("timestamps");
    for (const line of printMeans(all.filter((row) => !isTimestamps(row)), "mean of all columns of values")) process.stdout.write(line + "\n");
    for (const line of printMeans(all.filter(isTimestamps), "mean of all columns of timestamps")) process.stdout.write(line + "\n");
  }
}
