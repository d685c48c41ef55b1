// CPU of whole PromQL queries over samples that are already decoded, and of their JSON: as query/engine.bench.ts, whose data it uses.
// `node src/promql/engine.bench.ts [series]`; engine.test.ts runs it small.
import { Kernel } from "../kernel/kernel.ts";
import { measureEngine, printFigures, type QueryFigures, RepeatingStore, sharedQueries, startMs } from "../query/engine.bench.ts";
import { PromqlEngine } from "./engine.ts";

/** Median figures of `rounds` runs of each query. */
export function measurePromql(seriesCount: number, rounds: number): Promise<QueryFigures[]> {
  const kernel = new Kernel();
  const engine = new PromqlEngine({ kernel, store: new RepeatingStore(kernel, seriesCount), nowMs: () => startMs, limits: { memoryBytesMax: 2 ** 36 } });
  return measureEngine(engine, kernel, [...sharedQueries, "rate(m[5m]) / on (instance) rate(m[1m])"], seriesCount, rounds);
}

if (import.meta.main) printFigures(await measurePromql(Number(process.argv[2] ?? 2_000), 5));
