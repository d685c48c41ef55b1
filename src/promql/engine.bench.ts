// CPU of whole PromQL queries over samples that are already decoded, and of their JSON: as query/engine.bench.ts, whose data it uses.
// `node src/promql/engine.bench.ts [series]`; engine.test.ts runs it small.
import { Kernel } from "../kernel/kernel.ts";
import { intervalMs, RepeatingStore, samples, startMs } from "../query/engine.bench.ts";
import { encodeResult } from "../query/result_encoder.ts";
import { PromqlEngine } from "./engine.ts";

const stepMs = 60_000;

const queries = [
  "sum by (g) (rate(m[5m]))", "count(m)", "max_over_time(m[5m])", "avg by (g) (avg_over_time(m[5m]))", "quantile by (g) (0.9, m)",
  "quantile_over_time(0.99, m[5m])", "topk(10, rate(m[5m]))", "m * 2 > 10", "rate(m[5m]) / on (instance) rate(m[1m])",
];

export interface PromqlFigures {
  readonly query: string;
  /** CPU of the evaluation per sample read. */
  readonly nsPerSample: number;
  /** CPU of the JSON per point of the answer. */
  readonly nsPerPoint: number;
}

/** Median figures of `rounds` runs of each query. */
export async function measurePromql(seriesCount: number, rounds: number): Promise<PromqlFigures[]> {
  const kernel = new Kernel();
  const engine = new PromqlEngine({ store: new RepeatingStore(kernel, seriesCount), nowMs: () => startMs, limits: { memoryBytesMax: 2 ** 36 } });
  const figures: PromqlFigures[] = [];
  for (const query of queries) {
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

if (import.meta.main) {
  for (const { query, nsPerSample, nsPerPoint } of await measurePromql(Number(process.argv[2] ?? 2_000), 5)) {
    process.stdout.write(`${query.padEnd(45)} ${nsPerSample.toFixed(2).padStart(7)} ns/sample ${nsPerPoint.toFixed(1).padStart(7)} ns/point of JSON\n`);
  }
}
