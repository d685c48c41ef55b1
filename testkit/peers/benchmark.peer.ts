// The queries of the benchmark (TSBS' cpu-only shapes, dashboards over node_exporter, MetricsQL of graphs) over the benchmark's data, against VictoriaMetrics
// and Prometheus: same series, same times, values within 1e-9 of each other; as ranges and instants, at random places, without caches and with.
// TIDEMARK_BENCH_BODIES names a folder of the benchmark's bodies; without it like data is made, smaller. TIDEMARK_BENCH_RUNS asks more often.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { testSeed } from "../seed.ts";
import { compareMetadata, compareShape } from "./benchmark_comparison.ts";
import { type BenchmarkData, bodiesOfFolder, folderOfBodies, smallBenchmarkData } from "./benchmark_data.ts";
import { benchmarkShapes } from "./benchmark_shapes.ts";
import { flush, type LanguageServers, startLanguageServers } from "./language_servers.ts";
import { findPeer } from "./peer_process.ts";

const commands = {
  victoriaMetrics: findPeer("VictoriaMetrics", "VM_CMD", "/usr/bin/victoria-metrics"),
  prometheus: findPeer("prometheus", "PROM_CMD", "/usr/bin/prometheus"),
};
const languages = [{ dialect: "metricsql", peer: "victoriaMetrics" }, { dialect: "promql", peer: "prometheus" }] as const;
const runs = Number(process.env["TIDEMARK_BENCH_RUNS"] ?? 2);
/** Where the data that is made ends. */
const endMs = 1_700_000_000_000;

let folder: string;
let servers: LanguageServers;
let data: BenchmarkData;
let samples = 0;

before(async () => {
  if (commands.victoriaMetrics === undefined && commands.prometheus === undefined) return;
  folder = mkdtempSync(join(tmpdir(), "tidemark-peer-"));
  servers = await startLanguageServers(folder, commands);
  const bodies = folderOfBodies();
  data = bodies === undefined ? smallBenchmarkData(seededRandom(testSeed()), endMs) : bodiesOfFolder(bodies);
  samples = await data.write(servers);
  await flush(servers);
}, { timeout: 1_800_000 });
after(async () => {
  if (folder === undefined) return;
  await servers[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

for (const { dialect, peer } of languages) {
  const skip = commands[peer] === undefined ? `PEER MISSING: ${peer}` : false;
  test(`${dialect}: all shapes of the benchmark are answered as by ${peer}`, { skip, timeout: 1_800_000 }, async (t) => {
    const random = seededRandom(testSeed());
    const shapes = benchmarkShapes.filter(({ isMetricsql }) => dialect === "metricsql" || isMetricsql !== true);
    const pair = { tidemark: servers.tidemark, peer: servers[peer]!, dialect };
    const differences = await compareMetadata(pair, data.sets);
    let [asked, points] = [0, 0];
    for (const shape of shapes) {
      const report = await compareShape(pair, shape, data.sets, random, runs);
      asked += report.asked;
      points += report.points;
      differences.push(...report.differences.map((difference) => `seed ${testSeed()}, ${shape.name}: ${difference}`));
    }
    t.diagnostic(`${samples} samples, ${shapes.length} shapes, ${asked} questions in three ways, ${points} points compared`);
    assert.deepEqual(differences, []);
  });
}
