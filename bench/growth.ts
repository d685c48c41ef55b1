/**
 * What growth costs: measures the units (bytes and CPU per series, sample, month) and calculates from them what 10 and 100 million active series with
 * ten years of retention need. docs/growth.md has the figures of one run and what they mean. `npm run bench:growth`.
 */
import { fork, spawnSync } from "node:child_process";
import { on } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { PhaseFigures, PhaseOptions } from "./growth_phases.ts";
import type { GoMessage, LoadMessage, LoadOptions } from "./load_messages.ts";
import { ServerProcess } from "./server_process.ts";

const help = `npm run bench:growth -- [options]

Measures what a series, a sample and a month cost, and calculates 10 and 100 million active series with ten years of retention from it.

  --series=1000000       series of the measurements
  --load=200000          series of the steady load on a whole server, and
  --samples=20000000     its samples
  --shards=1,2,4         measures the load with so many shards each, if the server has the flag
  --data=DIR             folder for the data directories (default: the system's folder for temporary files)
  --json                 print the figures as JSON as well
`;

/** What one load on a whole server cost. */
interface LoadFigures {
  readonly shards: number;
  readonly samplesPerCpuSecond: number;
  /** Of the thread that parses and writes; its limit is what one process can take. */
  readonly mainThreadCpuPerSample: number;
  readonly samplesPerSecond: number;
  readonly residentBytesPerSeries: number;
  readonly idleResidentBytes: number;
}

interface Units {
  readonly prepare: PhaseFigures;
  readonly columns: PhaseFigures;
  readonly partitions: PhaseFigures;
  readonly recent: PhaseFigures;
  readonly old: PhaseFigures;
  readonly empty: PhaseFigures;
  readonly replay: PhaseFigures;
  /** Many series with few samples, for memory. */
  readonly wide: LoadFigures;
  /** Few series with many samples, by number of shards. */
  readonly steady: readonly LoadFigures[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      series: { type: "string", default: "1000000" },
      load: { type: "string", default: "200000" },
      samples: { type: "string", default: "20000000" },
      shards: { type: "string", default: "1" },
      data: { type: "string", default: tmpdir() },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const folder = mkdtempSync(join(values.data, "bench-growth-"));
  try {
    const series = Number(values.series);
    const units = await measureUnits(folder, series, { load: Number(values.load), samples: Number(values.samples), shards: values.shards.split(",").map(Number) });
    process.stdout.write(`${printUnits(units, series)}\n${printGrowth(units, series)}`);
    if (values.json) process.stdout.write(`${JSON.stringify(units, undefined, 2)}\n`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureUnits(folder: string, series: number, load: { load: number; samples: number; shards: readonly number[] }): Promise<Units> {
  const phase = (name: string, options: PhaseOptions = { folder, series }): PhaseFigures => {
    process.stderr.write(`${name}\n`);
    const script = join(import.meta.dirname, "growth_phases.ts");
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", "--disable-warning=ExperimentalWarning", script, name, JSON.stringify(options)], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${name} failed:\n${stderr}`);
    return JSON.parse(stdout) as PhaseFigures;
  };
  const prepare = phase("prepare");
  const opened = (name: string): PhaseFigures => phase("open", { folder: join(folder, name), series });
  const units = { prepare, empty: opened("empty"), recent: opened("recent"), old: opened("old"), replay: phase("replay"), columns: phase("columns"), partitions: phase("partitions") };
  for (const name of ["recent", "old", "empty", "log", "months", "gauge", "counter"]) rmSync(join(folder, name), { recursive: true, force: true });
  const wide = await measureLoad(folder, { series, steps: 12 }, load.shards[0]);
  const steady: LoadFigures[] = [];
  for (const shards of load.shards) steady.push(await measureLoad(folder, { series: load.load, steps: Math.max(6, Math.round(load.samples / load.load)) }, shards));
  return { ...units, wide, steady };
}

/** Loads a server of its own with remote write. */
async function measureLoad(folder: string, { series, steps }: { series: number; steps: number }, shards: number): Promise<LoadFigures> {
  process.stderr.write(`load: ${series} series, ${series * steps} samples, ${shards} shard(s)\n`);
  const options: LoadOptions = { series, steps, perRequest: 10_000, connections: 4, stepMs: 10_000, endMs: Date.now() - 60_000 };
  const generator = fork(new URL("./load.ts", import.meta.url), [JSON.stringify(options)], { serialization: "advanced" });
  const serverFolder = join(folder, "server");
  mkdirSync(serverFolder);
  try {
    const messages = on(generator, "message", { close: ["exit"] });
    await messages.next();
    const command = [join(import.meta.dirname, "..", "bin", "tidemark"), "-httpListenAddr=127.0.0.1:{port}", "-storageDataPath={data}", "-retentionPeriod=100y", "-loggerLevel=WARN", "-selfScrapeInterval=0"];
    if (shards > 1) command.push(`-storage.shards=${shards}`);
    await using server = await ServerProcess.start({ name: "tidemark", command }, serverFolder);
    await sleep(2000);
    const idle = { cpu: server.cpuSeconds(), main: server.mainThreadCpuSeconds(), resident: server.memoryBytes().resident };
    generator.send({ kind: "go", port: server.port } satisfies GoMessage);
    const done = await lastMessage(messages as AsyncIterableIterator<[LoadMessage]>);
    await sleep(2000);
    const resident = server.memoryBytes().resident;
    await server.get("/internal/force_flush");
    await server.get("/internal/force_merge");
    await sleep(1000);
    return {
      shards,
      samplesPerCpuSecond: done.samples / (server.cpuSeconds() - idle.cpu),
      mainThreadCpuPerSample: (server.mainThreadCpuSeconds() - idle.main) / done.samples,
      samplesPerSecond: (done.samples / done.wallMs) * 1000,
      residentBytesPerSeries: (resident - idle.resident) / series,
      idleResidentBytes: idle.resident,
    };
  } finally {
    generator.kill();
    rmSync(serverFolder, { recursive: true, force: true });
  }
}

async function lastMessage(messages: AsyncIterableIterator<[LoadMessage]>): Promise<Extract<LoadMessage, { kind: "done" }>> {
  for await (const [message] of messages) {
    if (message.kind === "failed") throw new Error(message.message);
    if (message.kind === "done") return message;
  }
  throw new Error("the load generator ended too early");
}

type Row = readonly [name: string, ...cells: string[]];

function printTable(title: string, rows: readonly Row[]): string {
  const widths = rows[0].map((_cell, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(" | ")} |`);
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return `\n${title}\n\n${[lines[0], rule, ...lines.slice(1)].join("\n")}\n`;
}

const shown = (value: number, digits = 3): string => value.toLocaleString("en", { maximumSignificantDigits: digits });
const nanoseconds = (seconds: number): string => `${shown(seconds * 1e9)} ns`;
const microseconds = (seconds: number): string => `${shown(seconds * 1e6)} µs`;
const bytes = (size: number): string => `${shown(size)} B`;

/** Resident bytes that opening a directory adds, for each of its series. */
function openedBytes(opened: PhaseFigures, { empty }: Units, series: number): number {
  return (opened["residentBytes"] - empty["residentBytes"]) / series;
}

function printUnits(units: Units, series: number): string {
  const { prepare, columns, partitions, recent, old, replay, wide, steady, empty } = units;
  // A difference of two processes: it may come out below nothing.
  const open = (opened: PhaseFigures): string => `${shown(((opened["cpu"] - empty["cpu"]) / series) * 1e6)} s CPU`;
  const rows: Row[] = [
    ["unit", "measured"],
    [`active series, resident, whole server (${shown(series)} series)`, bytes(wide.residentBytesPerSeries)],
    ["series of this month without new samples, resident (opened)", bytes(openedBytes(recent, units, series))],
    ["series of an older month, resident (opened)", bytes(openedBytes(old, units, series))],
    ["head chunks of a series with up to 8 samples", bytes(prepare["headBytesPerSeries"])],
    ["index of a month on disk, a series", bytes(prepare["indexBytesPerSeries"])],
    ["registering a new series and logging it", microseconds(prepare["registerCpuPerSeries"])],
    ["flush of a new series with 7 samples", microseconds(prepare["flushCpuPerNewSeries"])],
    ["whole numbers that walk: sealed / merged, a sample", `${bytes(columns["gaugeSealedBytes"])} / ${bytes(columns["gaugeMergedBytes"])}`],
    ["decimals that grow: sealed / merged, a sample", `${bytes(columns["counterSealedBytes"])} / ${bytes(columns["counterMergedBytes"])}`],
    ["log, a sample", bytes(columns["gaugeLogBytes"])],
    ["log, a new series with 7 samples", bytes(7 * replay["logBytesPerRow"])],
    ["sealing, a sample (both kinds)", `${nanoseconds(columns["gaugeSealCpu"])} / ${nanoseconds(columns["counterSealCpu"])}`],
    ["merging, a sample and pass (both kinds)", `${nanoseconds(columns["gaugeMergeCpu"])} / ${nanoseconds(columns["counterMergeCpu"])}`],
    ["start, a million series of this month", open(recent)],
    ["start, a million series of an older month", open(old)],
    ["replay of the log", `${shown(replay["rows"] / Math.max(1e-3, replay["cpu"] - empty["cpu"]))} rows/s CPU`],
    ["start, 120 months with one part each", `${shown(partitions["openCpu"])} s CPU`],
    ["flush into one part, 120 months in the manifest", `${shown(partitions["flushCpu"] * 1e3)} ms CPU`],
    ["manifest, a month with one part", bytes(partitions["manifestBytes"] / partitions["months"])],
  ];
  const loads: Row[] = [["shards", "samples / CPU second", "samples / second", "CPU a sample", "of that first thread", "first thread alone: samples / second"]];
  for (const one of steady) {
    loads.push([
      String(one.shards), shown(one.samplesPerCpuSecond), shown(one.samplesPerSecond), nanoseconds(1 / one.samplesPerCpuSecond), nanoseconds(one.mainThreadCpuPerSample), shown(1 / one.mainThreadCpuPerSample),
    ]);
  }
  return printTable("Units", rows) + printTable("Whole server under steady load, flush and merge included", loads);
}

const scrapeSeconds = 15;
const yearSeconds = 365.25 * 86_400;
const years = 10;
const monthsKept = years * 12;
const shardBytesMax = 4 * 2 ** 30;
/** How full memories and threads are planned. */
const planned = 0.75;
/** Rows in the log after which everything is sealed (src/storage/local_store.ts; bytes come first only with more than 16 of them a row), and parts in one merge (src/storage/table_merge.ts). */
const checkpointLogRows = 32 << 20;
const partsPerMerge = 8;

/**
 * How many processes take the rate, and their CPU: by the busier of the first thread and the others (the storage thread: log, seals, merges). More shards in a
 * process cost more, so the load is that measured with at least as many shards as a process has, as far as that was measured.
 */
function processesFor(rate: number, shards: number, loads: readonly LoadFigures[]): { nodes: number; cores: number } {
  for (let nodes = 1; ; nodes++) {
    const load = loads.find((one) => one.shards >= Math.ceil(shards / nodes)) ?? loads[loads.length - 1];
    const cores = rate / load.samplesPerCpuSecond;
    const firstThreads = rate * load.mainThreadCpuPerSample;
    if (Math.max(firstThreads, cores - firstThreads) <= nodes * planned) return { nodes, cores };
  }
}

/** Calculates a fleet from the units. Half of the series are of each kind of column. */
function growthOf(activeSeries: number, units: Units, series: number): Record<string, string> {
  const { prepare, columns, recent, wide, steady, replay, empty } = units;
  const rate = activeSeries / scrapeSeconds;
  const mean = (name: string): number => (columns[`gauge${name}`] + columns[`counter${name}`]) / 2;
  const activeBytes = activeSeries * wide.residentBytesPerSeries;
  // As much again of this month's series is idle: pods that were replaced.
  const idleBytes = activeSeries * openedBytes(recent, units, series);
  const shards = Math.ceil((activeBytes + idleBytes) / (shardBytesMax * planned));
  const { nodes, cores } = processesFor(rate, shards, steady);
  const sampleBytes = rate * yearSeconds * years * mean("MergedBytes");
  const indexBytes = 2 * activeSeries * prepare["indexBytesPerSeries"] * monthsKept;
  const sealsPerMonth = (rate * (yearSeconds / 12)) / checkpointLogRows / nodes;
  const passes = Math.max(1, Math.ceil(Math.log(sealsPerMonth) / Math.log(partsPerMerge)));
  const written = mean("LogBytes") + mean("SealedBytes") + passes * mean("MergedBytes");
  const startCpu = ((2 * activeSeries) / series) * (recent["cpu"] - empty["cpu"]) + checkpointLogRows * nodes * ((replay["cpu"] - empty["cpu"]) / replay["rows"]);
  return {
    "samples per second": shown(rate),
    "CPU cores for ingest, seals and merges": shown(cores),
    "  of which merges": shown(rate * passes * mean("MergeCpu")),
    [`processes, by their busiest thread (${planned * 100} %)`]: String(nodes),
    [`shards, by 4 GiB each (${planned * 100} % full)`]: String(Math.max(shards, nodes)),
    "memory: active series": gigabytes(activeBytes),
    "memory: as many idle series of this month": gigabytes(idleBytes),
    "disk: samples of ten years": gigabytes(sampleBytes),
    "disk: indexes of 120 months, each series renamed once a month": gigabytes(indexBytes),
    "disk written, bytes a sample": shown(written),
    "  written for each byte that stays": shown(written / mean("MergedBytes")),
    "  MB/s": shown((rate * written) / 1e6),
    "merge passes of a sample": String(passes),
    "start after a kill, CPU seconds for each process": shown(startCpu / nodes),
  };
}

function gigabytes(size: number): string {
  return size >= 1e12 ? `${shown(size / 1e12)} TB` : `${shown(size / 1e9)} GB`;
}

function printGrowth(units: Units, series: number): string {
  const sizes = [1e6, 1e7, 1e8];
  const columns = sizes.map((size) => growthOf(size, units, series));
  const rows: Row[] = [["active series", ...sizes.map((size) => size.toLocaleString("en"))], ...Object.keys(columns[0]).map((name): Row => [name, ...columns.map((column) => column[name])])];
  return printTable(`Calculated: a sample every ${scrapeSeconds} s, ${years} years`, rows);
}

process.exitCode = await main().catch((cause: unknown) => {
  process.stderr.write(`bench: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
  return 1;
});
