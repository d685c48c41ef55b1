/**
 * Micro benchmark of sealing: CPU nanoseconds per sample of a seal's way from handed-over chunks to a part on disk, and per new series for its row in
 * the index segment. `node src/storage/seal.bench.ts [seriesCount] [samplesPerSeries] [directory]`. Series and values are those of hosts that are
 * scraped together: ten labels, mostly small integers. The first seal writes new series, the later ones do not.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SimulatedClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom, type Random } from "../base/random.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { seriesRow } from "../model/row_batch.ts";
import { storageFormats } from "./formats.ts";
import type { BatchPointers } from "./head.ts";
import { openManifest } from "./manifest.ts";
import { gatherScratchBytes } from "./seal_gather.ts";
import { Shard } from "./shard.ts";
import { TableWriter } from "./table_writer.ts";

const metricsPerHost = 100;
const stepMs = 60_000;

/** The rows of one scrape of all series, in shard memory; samples are filled in by `setSamples`. */
function stageBatch(shard: Shard, seriesCount: number): BatchPointers {
  const { kernel } = shard;
  const runs = Array.from({ length: seriesCount }, (_, i) => {
    const host = Math.floor(i / metricsPerHost);
    return encodeLabelRun(labelsOf({
      __name__: `cpu_usage_${i % metricsPerHost}`, arch: host % 3 === 0 ? "x64" : "arm64", datacenter: `eu-west-${host % 9}`, hostname: `host_${host}`, os: "Ubuntu16.10",
      rack: String(host % 97), region: `eu-west-${host % 3}`, service: String(host % 17), service_environment: "production", team: `team-${host % 11}`,
    }));
  });
  const labelBase = kernel.allocate(runs.reduce((sum, run) => sum + run.length, 64));
  const rows = kernel.allocate(seriesCount * seriesRow.slots * 4);
  const timestamps = kernel.allocate(seriesCount * 8);
  const values = kernel.allocate(seriesCount * 8);
  let offset = 0;
  runs.forEach((run, i) => {
    kernel.u8.set(run, labelBase + offset);
    kernel.u32.set([offset, run.length, i, 1, 0], rows / 4 + i * seriesRow.slots);
    offset += run.length;
  });
  return { rows, rowCount: seriesCount, labelBase, timestamps, values, knownSeries: 0, accountId: 0, projectId: 0 };
}

/** Values as random walks of whole numbers in [0, 100], some with decimals, some constant. */
function nextValues(levels: Float64Array, random: Random): void {
  for (let i = 0; i < levels.length; i++) {
    const kind = i % 10;
    if (kind === 9) continue;
    const next = levels[i] + (kind === 8 ? (random.int(201) - 100) / 100 : random.int(3) - 1);
    levels[i] = Math.min(100, Math.max(0, next));
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Seals `rounds` times `samplesPerSeries` samples of all series; returns the printed lines. */
export function runBenchmark(seriesCount: number, samplesPerSeries: number, rounds: number, directory: string): string[] {
  const files = new RealFileSystem();
  mkdirSync(directory, { recursive: true });
  const clock = new SimulatedClock(1_700_000_000_000);
  openManifest(files, directory, { randomBytes: (size) => new Uint8Array(size), shardCount: 1, formats: storageFormats, logger: silentLogger });
  mkdirSync(`${directory}/log`, { recursive: true });
  const shard = new Shard({
    seriesMax: seriesCount + 16, seedLow: 1n, seedHigh: 2n, indexSeed: 3n, nextSeriesId: 1, seriesIdStep: 1, sealChunks: 1000, sealChunksMax: 262_144,
    chunkBytesMax: 2 ** 31, scratchBytes: [gatherScratchBytes],
  });
  const { head, kernel } = shard;
  const logArea = kernel.allocate(seriesCount * 512 + (1 << 20));
  const setLog = (): void => head.setLogAreas({ position: logArea, end: logArea + seriesCount * 17 + 4096 }, { position: logArea + seriesCount * 20 + 8192, end: logArea + seriesCount * 512 });
  setLog();
  head.nextLogRow = 1;
  const batch = stageBatch(shard, seriesCount);
  const setup = { directory, shards: [shard.layout], scratchNumber: 0, log: { nextSegment: 1, previous: undefined, existingBytes: 0 }, knownSeries: new Map(), maxLogRows: new Map(), fsyncIntervalMs: 1000 };
  using writer = TableWriter.open(files, setup, clock, silentLogger);
  const random = seededRandom(1);
  const levels = Float64Array.from({ length: seriesCount }, () => random.int(100));
  let timeMs = 1_700_000_000_000;
  const lines: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const appendFrom = cpuMs();
    let generateMs = 0;
    for (let sample = 0; sample < samplesPerSeries; sample++, timeMs += stepMs) {
      const from = cpuMs();
      nextValues(levels, random);
      kernel.f64.set(levels, batch.values / 8);
      kernel.f64.fill(timeMs, batch.timestamps / 8, batch.timestamps / 8 + seriesCount);
      setLog();
      generateMs += cpuMs() - from;
      head.beginBatch();
      for (let row = 0; ; ) {
        const step = head.append(batch, row, 0, 2 ** 52);
        if (step.stop === "done") break;
        row = step.row;
        setLog();
      }
    }
    const appendMs = cpuMs() - appendFrom - generateMs;
    head.handOver(0, head.seriesCount);
    const sealFrom = cpuMs();
    const seals = head.takeSeals(true);
    let steps = 0;
    let slowestMs = 0;
    let samples = 0;
    for (const seal of seals) {
      let last = performance.now();
      for (const _ of writer.seal(0, seal, head.nextSeriesId)) {
        steps++;
        slowestMs = Math.max(slowestMs, performance.now() - last);
        last = performance.now();
      }
      slowestMs = Math.max(slowestMs, performance.now() - last);
      samples += seal.chunkCount * 8;
    }
    const freeFrom = cpuMs();
    for (const seal of seals) {
      head.unlink(seal, 0, seal.entryCount);
      head.free(seal, 0, seal.entryCount);
    }
    const freeMs = cpuMs() - freeFrom;
    samples = seriesCount * samplesPerSeries;
    const perSample = (ms: number): string => ((ms * 1e6) / samples).toFixed(1).padStart(7);
    lines.push(
      `${round === 0 ? "new series  " : "known series"}  append ${perSample(appendMs)}  seal ${perSample(freeFrom - sealFrom)}  unlink+free ${perSample(freeMs)} ns/sample  ` +
      `${((freeFrom - sealFrom) * 1000 / seriesCount).toFixed(2)} us/series, ${seals.length} seals, ${steps} steps, slowest ${slowestMs.toFixed(1)} ms`,
    );
  }
  return lines;
}

if (import.meta.main) {
  const [seriesCount, samplesPerSeries] = [Number(process.argv[2] ?? 40_000), Number(process.argv[3] ?? 120)];
  const directory = process.argv[4] ?? `${tmpdir()}/tidemark-seal-bench-${process.pid}`;
  try {
    for (const line of runBenchmark(seriesCount, samplesPerSeries, 4, directory)) process.stdout.write(`${line}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
