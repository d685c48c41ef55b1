/**
 * The measurements of growth.ts on a store of its own, each in a fresh process so that memory is its own: `growth_phases.ts <phase> <JSON of options>`
 * prints one line of JSON.
 */
import { cpSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../src/base/clock.ts";
import { seededRandom } from "../src/base/random.ts";
import { FaultyFileSystem } from "../src/disk/faulty_file_system.ts";
import type { FileSystem } from "../src/disk/file_system.ts";
import { RealFileSystem } from "../src/disk/real_file_system.ts";
import { encodeLabelRun, labelsOf as sortedLabelsOf } from "../src/model/labels.ts";
import type { RowBatch } from "../src/model/row_batch.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { LocalStore } from "../src/storage/local_store.ts";
import { openTestStore } from "../testkit/local_stores.ts";
import { labelsOf } from "./remote_write_body.ts";

export interface PhaseOptions {
  readonly folder: string;
  readonly series: number;
}

/** Figures by name; each phase says what its are. */
export type PhaseFigures = Record<string, number>;

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 20);
const rowsPerBatch = 10_000;
const phases: Readonly<Record<string, (options: PhaseOptions) => Promise<PhaseFigures>>> = { prepare, open, replay, columns, partitions };

function openStore(files: FileSystem, directory: string, series: number, extra: { nowMs?: number; liveIndexMs?: number } = {}): Promise<LocalStore> {
  return openTestStore(files, {
    directory, nowMs, seriesMax: series + 65_536, sealChunksMax: 262_144, chunkBytesMax: 1 << 30, chunkBudgetBytes: 64 << 20, checkpointLogBytes: 2 ** 40,
    checkpointIntervalMs: 2 ** 40, retentionMs: 2 ** 40, fsyncIntervalMs: 1000, ...extra,
  });
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds of `work`. */
async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const from = cpuSeconds();
  await work();
  return cpuSeconds() - from;
}

const labelRuns = (series: number): Uint8Array[] => Array.from({ length: series }, (_, i) => encodeLabelRun(sortedLabelsOf(Object.fromEntries(labelsOf(i)))));

/** A sample of each series: batches that are made once and get new times and values with each scrape, outside of what is measured. */
class Scrape {
  readonly #batches: RowBatch[] = [];

  constructor(runs: readonly Uint8Array[]) {
    for (let from = 0; from < runs.length; from += rowsPerBatch) {
      const builder = new RowBatchBuilder();
      const [time, value] = [Float64Array.of(0), Float64Array.of(0)];
      for (const run of runs.slice(from, from + rowsPerBatch)) builder.addLabelRun(run, time, value);
      this.#batches.push(builder.build());
    }
  }

  /** CPU seconds of writing one sample of each series. */
  async write(store: LocalStore, timestampMs: number, valueOf: (series: number) => number): Promise<number> {
    for (const [i, batch] of this.#batches.entries()) {
      batch.timestampsMs.fill(timestampMs);
      for (let k = 0; k < batch.sampleCount; k++) batch.values[k] = valueOf(i * rowsPerBatch + k);
    }
    return await cpuOf(async () => {
      for (const batch of this.#batches) await store.write(batch);
    });
  }
}

function bytesBelow(directory: string, pattern: RegExp): number {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) => pattern.test(path));
  return paths.reduce((sum, path) => sum + statSync(join(directory, path)).size, 0);
}

/**
 * Directories for the other phases: `recent` with series of the current month, `old` with the same series three months ago, `log` as a kill leaves it.
 * Figures: CPU of registering, of flushing and of a further sample, index bytes on disk.
 */
async function prepare({ folder, series }: PhaseOptions): Promise<PhaseFigures> {
  const scrape = new Scrape(labelRuns(series));
  const store = await openStore(new RealFileSystem(), `${folder}/recent`, series);
  const sharedEmptyBytes = store.stats().sharedMemoryBytes;
  const registering = await scrape.write(store, nowMs - 60_000, (i) => i % 100);
  const sharedOneBytes = store.stats().sharedMemoryBytes;
  const furtherSteps = 6;
  let appending = 0;
  for (let step = 1; step <= furtherSteps; step++) appending += await scrape.write(store, nowMs - 60_000 + step * 5000, (i) => (i + step) % 100);
  const headBytes = store.stats().headBytes;
  cpSync(`${folder}/recent`, `${folder}/log`, { recursive: true });
  rmSync(`${folder}/log/lock`);
  const flushing = await cpuOf(() => store.flush());
  await store.merge();
  await store[Symbol.asyncDispose]();
  const old = await openStore(new RealFileSystem(), `${folder}/old`, series, { nowMs: nowMs - 90 * dayMs });
  await scrape.write(old, nowMs - 90 * dayMs, (i) => i % 100);
  await old.merge();
  await old[Symbol.asyncDispose]();
  const empty = await openStore(new RealFileSystem(), `${folder}/empty`, series);
  await empty[Symbol.asyncDispose]();
  return {
    registerCpuPerSeries: registering / series,
    flushCpuPerNewSeries: flushing / series,
    appendCpuPerSample: appending / (series * furtherSteps),
    headBytesPerSeries: headBytes / series,
    sharedBytesPerSeries: (sharedOneBytes - sharedEmptyBytes) / series,
    indexBytesPerSeries: bytesBelow(`${folder}/recent/partitions`, /\.idx$/) / series,
  };
}

/** Opening `empty`, `recent` or `old` (given as last part of the folder): CPU, time and resident memory. The index of months before this one is not loaded. */
async function open({ folder, series }: PhaseOptions): Promise<PhaseFigures> {
  const fromMs = systemClock.monotonicMs();
  const fromCpu = cpuSeconds();
  const store = await openStore(new RealFileSystem(), folder, series, { liveIndexMs: 0 });
  const figures = { cpu: cpuSeconds() - fromCpu, seconds: (systemClock.monotonicMs() - fromMs) / 1000, residentBytes: residentBytes(), series: store.stats().seriesCount };
  await store[Symbol.asyncDispose]();
  return figures;
}

function residentBytes(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().rss;
}

/** Opening what a kill has left: rows of the log are replayed. */
async function replay({ folder, series }: PhaseOptions): Promise<PhaseFigures> {
  const rows = series * 7;
  const logBytesPerRow = bytesBelow(`${folder}/log/log`, /\.log$/) / rows;
  return { ...(await open({ folder: `${folder}/log`, series })), rows, logBytesPerRow };
}

/** Bytes written, by what they are for. */
class WriteCounter {
  readonly files: FaultyFileSystem;
  readonly bytes = { log: 0, parts: 0, index: 0, other: 0 };

  constructor() {
    this.files = new FaultyFileSystem(new RealFileSystem());
    this.files.beforeOperation = ({ kind, path, sizeBytes }) => {
      if (kind !== "write") return;
      const purpose = path.includes("/log/") ? "log" : path.includes("/parts/") ? "parts" : path.includes("/index/") ? "index" : "other";
      this.bytes[purpose] += sizeBytes;
    };
  }
}

/** Long series of two kinds, sealed eight times and merged once: bytes and CPU per sample. */
async function columns({ folder }: PhaseOptions): Promise<PhaseFigures> {
  const figures: PhaseFigures = {};
  for (const kind of ["gauge", "counter"] as const) Object.assign(figures, await measureColumns(`${folder}/${kind}`, kind));
  return figures;
}

async function measureColumns(directory: string, kind: "gauge" | "counter"): Promise<PhaseFigures> {
  const [series, seals, samplesPerSeal] = [250, 8, 1440]; // two days at 15 s, sealed every six hours
  const counter = new WriteCounter();
  const random = seededRandom(1);
  const levels = Float64Array.from({ length: series }, () => random.int(100));
  // Whole numbers that walk up and down, as CPU percentages do; or seconds with two to three decimals that only grow, at rates that change.
  const next = (i: number): number => (levels[i] = kind === "gauge" ? Math.min(100, Math.max(0, levels[i] + random.int(3) - 1)) : Math.round((levels[i] + random.next() * 15 * ((i % 10) / 10)) * 1000) / 1000);
  const runs = labelRuns(series);
  const store = await openStore(counter.files, directory, series);
  let timeMs = nowMs - 3 * dayMs;
  let sealing = 0;
  for (let seal = 0; seal < seals; seal++) {
    const builder = new RowBatchBuilder();
    const timestampsMs = Float64Array.from({ length: samplesPerSeal }, (_, k) => timeMs + k * 15_000);
    for (let i = 0; i < series; i++) builder.addLabelRun(runs[i], timestampsMs, timestampsMs.map(() => next(i)));
    timeMs += samplesPerSeal * 15_000;
    await store.write(builder.build());
    sealing += await cpuOf(() => store.flush());
  }
  const samples = series * seals * samplesPerSeal;
  const sealedBytes = counter.bytes.parts;
  const merging = await cpuOf(() => store.merge());
  await store[Symbol.asyncDispose]();
  const mergedBytes = bytesBelow(`${directory}/partitions`, /blocks\.tdp$/);
  return {
    [`${kind}LogBytes`]: counter.bytes.log / samples,
    [`${kind}SealedBytes`]: sealedBytes / samples,
    [`${kind}MergedBytes`]: mergedBytes / samples,
    [`${kind}SealCpu`]: sealing / samples,
    [`${kind}MergeCpu`]: merging / samples,
  };
}

/** 120 months with one part each: what a month costs at the start, in memory and with each commit. */
async function partitions({ folder }: PhaseOptions): Promise<PhaseFigures> {
  const months = 120;
  const directory = `${folder}/months`;
  const runs = labelRuns(1000);
  const writing = await openStore(new RealFileSystem(), directory, runs.length);
  const scrape = new Scrape(runs);
  for (let month = months - 1; month >= 0; month--) await scrape.write(writing, Date.UTC(2026, 10 - month, 5), (i) => i);
  await writing.merge();
  await writing[Symbol.asyncDispose]();
  const before = residentBytes();
  const fromMs = systemClock.monotonicMs();
  const fromCpu = cpuSeconds();
  const store = await openStore(new RealFileSystem(), directory, runs.length, { liveIndexMs: 0 });
  const opening = { cpu: cpuSeconds() - fromCpu, seconds: (systemClock.monotonicMs() - fromMs) / 1000, residentBytes: residentBytes() - before };
  const parts = store.stats().partCount;
  const commits = 20;
  const one = new Scrape(runs.slice(0, 1));
  let committing = 0;
  for (let i = 0; i < commits; i++) {
    await one.write(store, nowMs - 60_000 + i * 1000, () => i);
    committing += await cpuOf(() => store.flush());
  }
  const manifestBytes = bytesBelow(directory, /^manifest$/);
  await store[Symbol.asyncDispose]();
  return { months, parts, openCpu: opening.cpu, openSeconds: opening.seconds, manifestBytes, flushCpu: committing / commits };
}

if (import.meta.main) {
  const [, , phase, options] = process.argv;
  process.stdout.write(`${JSON.stringify(await phases[phase](JSON.parse(options) as PhaseOptions))}\n`);
  process.exit(0);
}
