// CPU of whole queries over samples that are already decoded: rollups, aggregates and the JSON of the answer. Counters scraped every 15 s for
// 6 hours, step 60 s. `node src/query/engine.bench.ts [series]`; engine.test.ts runs it small.
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import type { SearchResult, SeriesBatch } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";
import { encodeResult } from "./result_encoder.ts";

const samples = 1440;
const intervalMs = 15_000;
const stepMs = 60_000;
const batchSeries = 64;
export const startMs = 1_700_000_040_000;

/** In both languages. */
export const sharedQueries = [
  "sum by (g) (rate(m[5m]))", "count(m)", "max_over_time(m[5m])", "avg by (g) (avg_over_time(m[5m]))", "quantile by (g) (0.9, m)",
  "quantile_over_time(0.99, m[5m])", "topk(10, rate(m[5m]))", "m * 2 > 10",
];

export interface QueryFigures {
  readonly query: string;
  /** CPU of the evaluation per sample read. */
  readonly nsPerSample: number;
  /** CPU of the JSON per point of the answer. */
  readonly nsPerPoint: number;
}

/** A Store whose series all have the samples of one of a few batches, in the engine's memory. */
export class RepeatingStore extends MemoryStore {
  constructor(kernel: Kernel, seriesCount: number) {
    super();
    const area = kernel.allocate(batchSeries * samples * 16);
    const random = seededRandom(1);
    const labels = Array.from({ length: seriesCount }, (_, i) => labelsOf({ __name__: "m", g: String(i % 100), instance: `host-${i}`, job: "bench" }));
    const sampleFrom = Uint32Array.from({ length: batchSeries + 1 }, (_, i) => i * samples);
    const columns = (): { timestampsMs: Float64Array; values: Float64Array } => ({
      timestampsMs: new Float64Array(kernel.memory.buffer, area, batchSeries * samples),
      values: new Float64Array(kernel.memory.buffer, area + batchSeries * samples * 8, batchSeries * samples),
    });
    const { timestampsMs, values } = columns();
    for (let i = 0; i < values.length; i++) {
      timestampsMs[i] = startMs + (i % samples) * intervalMs + 3;
      values[i] = (i % samples === 0 ? 0 : values[i - 1]) + random.int(1000);
    }
    async function* batches(): AsyncGenerator<SeriesBatch> {
      for (let from = 0; from < seriesCount; from += batchSeries) {
        yield { seriesCount: Math.min(batchSeries, seriesCount - from), sampleFrom, ...columns(), labels: (i) => labels[from + i] };
      }
    }
    this.search = (): Promise<SearchResult> => Promise.resolve({ batches: batches(), isPartial: () => false });
  }
}

/** Median figures of `rounds` runs of each query. */
export function measureQueries(seriesCount: number, rounds: number): Promise<QueryFigures[]> {
  const kernel = new Kernel();
  return measureEngine(new Engine({ store: new RepeatingStore(kernel, seriesCount), kernel, nowMs: () => startMs }), kernel, sharedQueries, seriesCount, rounds);
}

/** The same of any engine over a RepeatingStore. */
export async function measureEngine(
  engine: { range(request: { query: string; startMs: number; endMs: number; stepMs: number }): Promise<QueryResult> }, kernel: Kernel, of: readonly string[], seriesCount: number, rounds: number,
): Promise<QueryFigures[]> {
  const figures: QueryFigures[] = [];
  for (const query of of) {
    const evaluations: number[] = [];
    const encodings: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const before = process.cpuUsage();
      const result = await engine.range({ query, startMs, endMs: startMs + samples * intervalMs, stepMs });
      evaluations.push((cpuUs(before) * 1000) / seriesCount / samples);
      const evaluated = process.cpuUsage();
      encodeResult(result, kernel);
      encodings.push((cpuUs(evaluated) * 1000) / (result.series.length * result.timestampsMs.length));
    }
    figures.push({ query, nsPerSample: median(evaluations), nsPerPoint: median(encodings) });
  }
  return figures;
}

function cpuUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

export function printFigures(figures: readonly QueryFigures[]): void {
  for (const { query, nsPerSample, nsPerPoint } of figures) {
    process.stdout.write(`${query.padEnd(45)} ${nsPerSample.toFixed(2).padStart(7)} ns/sample ${nsPerPoint.toFixed(1).padStart(7)} ns/point of JSON\n`);
  }
}

if (import.meta.main) printFigures(await measureQueries(Number(process.argv[2] ?? 10_000), 5));
