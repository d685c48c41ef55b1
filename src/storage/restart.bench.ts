/**
 * Benchmark of the start: milliseconds until a data directory is open. `node src/storage/restart.bench.ts [seriesCount] [logMegabytes] [directory]`. A store
 * with `seriesCount` series of a node_exporter-like fleet (six samples each) is closed and opened; then `logMegabytes` of log are written and it is
 * opened as after a kill -9. At last the same with a new store, so that the log registers all series.
 */
import { cpSync, rmSync, statSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { RowBatch } from "../model/row_batch.ts";
import { DirectTableClient } from "./direct_table_client.ts";
import type { LocalStore } from "./local_store.ts";
import { openLocalStore } from "./open_local_store.ts";
import { TableWriter } from "./table_writer.ts";

const metricsPerTarget = 853;
const rowsPerBatch = 10_000;
const files = new RealFileSystem();

function open(directory: string, seriesCount: number, logger: Logger): Promise<LocalStore> {
  return openLocalStore({
    files, directory, clock: systemClock, logger, processes: { pid: process.pid, startOf: () => undefined }, randomBytes: (size) => randomBytes(size), shardCount: 1,
    seriesMax: seriesCount + 65_536, sealChunksMax: 262_144, chunkBytesMax: 1 << 30, chunkBudgetBytes: 256 << 20, checkpointLogBytes: 2 ** 40,
    checkpointIntervalMs: 2 ** 40, retentionMs: 2 ** 40, fsyncIntervalMs: 1000, readerThreads: 0,
    startTable: (setup) => new DirectTableClient(TableWriter.open(files, setup, systemClock, logger)),
  });
}

/** Label runs of the fleet. */
function labelRuns(seriesCount: number): Uint8Array[] {
  return Array.from({ length: seriesCount }, (_, i) => {
    const metric = i % metricsPerTarget;
    const record: Record<string, string> = { __name__: `node_metric_${metric >> 3}_total`, instance: `host-${Math.floor(i / metricsPerTarget)}:9100`, job: "card" };
    if ((metric & 7) > 0) record["device"] = `sd${metric & 7}`;
    if ((metric & 7) > 3) record["mode"] = `mode_${metric & 3}`;
    return encodeLabelRun(labelsOf(record));
  });
}

/** One scrape of series [from, to). */
function batchOf(runs: readonly Uint8Array[], from: number, to: number, timeMs: number): RowBatch {
  const count = to - from;
  const seriesRows = new Uint32Array(count * 5);
  let size = 0;
  for (let i = 0; i < count; i++) {
    seriesRows.set([size, runs[from + i].length, i, 1, 0], i * 5);
    size += runs[from + i].length;
  }
  const labelBytes = new Uint8Array(size + 8);
  for (let i = 0; i < count; i++) labelBytes.set(runs[from + i], seriesRows[i * 5]);
  const values = Float64Array.from({ length: count }, (_, i) => (from + i) % 100);
  return { tenant: defaultTenant, seriesCount: count, sampleCount: count, labelBytes, seriesRows, timestampsMs: new Float64Array(count).fill(timeMs), values, metadata: [] };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function timed<T>(lines: string[], what: string, work: () => Promise<T>): Promise<T> {
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  const result = await work();
  lines.push(`${what.padEnd(40)} ${(performance.now() - fromMs).toFixed(0).padStart(6)} ms, ${(cpuMs() - fromCpuMs).toFixed(0).padStart(6)} ms CPU`);
  return result;
}

/** Runs everything once; returns the printed lines. */
export async function runBenchmark(seriesCount: number, logBytes: number, directory: string): Promise<string[]> {
  const lines: string[] = [];
  const logger: Logger = { info: (message) => void lines.push(`    ${message}`), warn: (message) => void lines.push(message), error: (message) => void lines.push(message) };
  let timeMs = Date.now() - 600_000;
  const runs = labelRuns(seriesCount);
  const scrape = async (store: LocalStore, scrapes: number): Promise<void> => {
    for (let i = 0; i < scrapes; i++, timeMs += 15_000) {
      for (let from = 0; from < seriesCount; from += rowsPerBatch) await store.write(batchOf(runs, from, Math.min(from + rowsPerBatch, seriesCount), timeMs));
    }
  };
  const store = await open(directory, seriesCount, logger);
  await timed(lines, "6 scrapes", () => scrape(store, 6));
  await timed(lines, "flush", () => store.flush());
  await store[Symbol.asyncDispose]();
  const again = await timed(lines, "open after SIGTERM", () => open(directory, seriesCount, logger));
  await scrapeAndKill(again, directory, "old");
  await again[Symbol.asyncDispose]();
  await using fresh = await open(`${directory}-fresh`, seriesCount, logger);
  await scrapeAndKill(fresh, `${directory}-fresh`, "new");

  /** Opens a copy of what the store has on the disk, once there is enough of log. */
  async function scrapeAndKill(killed: LocalStore, from: string, what: string): Promise<void> {
    while (filesSize(`${from}/log`) < logBytes) await scrape(killed, 1);
    const copy = `${from}-killed`;
    cpSync(from, copy, { recursive: true });
    try {
      const logSize = (filesSize(`${copy}/log`) / 2 ** 20).toFixed(0);
      const opened = await timed(lines, `open, ${logSize} MiB of log, ${what} series`, () => open(copy, seriesCount, logger));
      await opened[Symbol.asyncDispose]();
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
  return lines;
}

function filesSize(directory: string): number {
  return files.list(directory).reduce((sum, name) => sum + statSync(`${directory}/${name}`).size, 0);
}

if (import.meta.main) {
  const [seriesCount, logMegabytes] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 128)];
  const directory = process.argv[4] ?? `${tmpdir()}/tidemark-restart-bench-${process.pid}`;
  const keepAlive = setInterval(() => undefined, 1000); // the store's own timers do not keep a process alive
  try {
    for (const line of await runBenchmark(seriesCount, logMegabytes * 2 ** 20, directory)) process.stdout.write(`${line}\n`);
  } finally {
    clearInterval(keepAlive);
    for (const path of [directory, `${directory}-fresh`]) rmSync(path, { recursive: true, force: true });
  }
}
