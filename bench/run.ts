/**
 * Ingestion of remote write by a whole process: CPU, acknowledgement times and memory. Every server gets the same bodies from the same
 * generator, one server at a time. CPU time is that of the server's process tree, in thirds of the load (median and spread), which bears
 * noise of other jobs better than the rate by the clock.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { on } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { largeQueryReport, type LargeQueryOptions, measureLargeQueries } from "./large_queries.ts";
import { latencyReport, type LatencyOptions, measureLatency } from "./latency.ts";
import type { GoMessage, LoadMessage, LoadOptions } from "./load_messages.ts";
import { ServerProcess } from "./server_process.ts";
import type { ServerCommand } from "./server_process.ts";

const help = `npm run bench -- [options]

Loads Tidemark with remote write over loopback (10 labels per series) and prints what it cost. With the path of VictoriaMetrics
in VM_CMD ("tools/get_peers.sh" fetches it), the same load goes to it as well.

  --series=200000        active series
  --samples=10000000     samples to send; at least six per series
  --per-request=10000    samples in a request
  --connections=4        connections
  --only=tidemark|vm     one server only
  --data=DIR             folder for the data directories (default: the system's folder for temporary files)
  --json                 print the figures as JSON as well

  --latency              instead: times of acknowledgements during merges, a checkpoint, and 1,000,000 new series (or --new-series)
  --seconds=20           of each scene of --latency
  --rate=100000          samples per second of --latency

  --queries              instead: queries over all of 1,000,000 series (or --new-series): time, CPU, memory, delay of the event loop

Memory per active series: npm run bench -- --series=1000000
`;

const idleMs = 3000;
const settleMs = 2000;
const queryTimeoutMs = 60_000;

interface Figures {
  readonly server: string;
  readonly samplesPerCpuSecond: { median: number; min: number; max: number };
  readonly samplesPerCpuSecondWithFlush: number;
  readonly samplesPerSecond: number;
  readonly latencyMs: { p50: number; p99: number; max: number };
  readonly refused: number;
  readonly residentIdleBytes: number;
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  readonly bytesPerSeries: number;
  readonly seriesAnswered: number | undefined;
}

process.exitCode = await main().catch((cause: unknown) => {
  process.stderr.write(`bench: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      series: { type: "string", default: "200000" },
      samples: { type: "string", default: "10000000" },
      "per-request": { type: "string", default: "10000" },
      connections: { type: "string", default: "4" },
      latency: { type: "boolean", default: false },
      queries: { type: "boolean", default: false },
      seconds: { type: "string", default: "20" },
      rate: { type: "string", default: "100000" },
      "new-series": { type: "string", default: "1000000" },
      only: { type: "string" },
      data: { type: "string", default: tmpdir() },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.latency) {
    const options: LatencyOptions = {
      series: 10_000,
      newSeries: positive("new-series", values["new-series"]),
      samplesPerSecond: positive("rate", values.rate),
      perRequest: 1000,
      seconds: positive("seconds", values.seconds),
      endMs: Date.now() - 3_600_000,
    };
    const figures = [];
    for (const server of servers(values.only)) figures.push(await measureLatency(server, options, values.data));
    process.stdout.write(latencyReport(options, figures));
    if (values.json) process.stdout.write(`${JSON.stringify({ options, figures }, undefined, 2)}\n`);
    return 0;
  }
  if (values.queries) {
    const options: LargeQueryOptions = { series: positive("new-series", values["new-series"]), rounds: 7, endMs: Date.now() - 60_000 };
    const figures = [];
    for (const server of servers(values.only)) figures.push(await measureLargeQueries(withRoomFor(server, options.series), options, values.data));
    process.stdout.write(largeQueryReport(options, figures));
    if (values.json) process.stdout.write(`${JSON.stringify({ options, figures }, undefined, 2)}\n`);
    return 0;
  }
  const series = positive("series", values.series);
  const options: LoadOptions = {
    series,
    steps: Math.max(6, Math.round(positive("samples", values.samples) / series)),
    perRequest: positive("per-request", values["per-request"]),
    connections: positive("connections", values.connections),
    stepMs: 10_000,
    endMs: Date.now() - 60_000,
  };
  const figures: Figures[] = [];
  for (const server of servers(values.only)) figures.push(await measure(server, options, values.data));
  process.stdout.write(report(options, figures));
  if (values.json) process.stdout.write(`${JSON.stringify({ options, figures }, undefined, 2)}\n`);
  return 0;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} needs a positive whole number, not "${text}"`);
  return value;
}

/** Both refuse queries over very many series unless they are told otherwise. */
function withRoomFor({ name, command }: ServerCommand, series: number): ServerCommand {
  return { name, command: [...command, `-search.maxUniqueTimeseries=${series * 2}`] };
}

function servers(only: string | undefined): ServerCommand[] {
  const common = ["-httpListenAddr=127.0.0.1:{port}", "-storageDataPath={data}", "-retentionPeriod=100y", "-loggerLevel=WARN"];
  const tidemark = join(import.meta.dirname, "..", "bin", "tidemark");
  const all = [{ name: "tidemark", command: [tidemark, ...common, "-selfScrapeInterval=0"] }];
  const vm = process.env["VM_CMD"];
  if (vm !== undefined && vm !== "") all.push({ name: "vm", command: [vm, ...common] });
  const chosen = all.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) throw new Error(`--only=${only}: there are ${all.map(({ name }) => name).join(", ")} (vm needs VM_CMD)`);
  return chosen;
}

async function measure(command: ServerCommand, options: LoadOptions, parent: string): Promise<Figures> {
  const folder = mkdtempSync(join(parent, `bench-${command.name}-`));
  const generator = fork(new URL("./load.ts", import.meta.url), [JSON.stringify(options)], { serialization: "advanced" });
  try {
    progress(`${command.name}: preparing ${count(options.series * options.steps)} samples`);
    const messages = messagesOf(generator);
    const prepared = await next(messages);
    if (prepared.kind !== "prepared") throw new Error(`unexpected message ${prepared.kind}`);
    progress(`${prepared.bodies} requests, ${Math.round(prepared.bodyBytes / prepared.bodies / 1000)} kB each (${(prepared.rawBytes / prepared.bodyBytes).toFixed(1)} times that before snappy)`);
    await using server = await ServerProcess.start(command, folder);
    await sleep(idleMs);
    const idle = { residentBytes: server.memoryBytes().resident, cpuSeconds: server.cpuSeconds() };
    generator.send({ kind: "go", port: server.port } satisfies GoMessage);
    return await follow(command.name, server, idle, messages, options);
  } finally {
    generator.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The server before the load. */
interface Idle {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** Follows a load that was just started to its end. */
async function follow(name: string, server: ServerProcess, idle: Idle, messages: AsyncIterator<LoadMessage>, options: LoadOptions): Promise<Figures> {
  const rates: number[] = [];
  let last = { samples: 0, cpuSeconds: idle.cpuSeconds };
  for (;;) {
    const message = await next(messages);
    if (message.kind === "failed") throw new Error(`${name}: ${message.message}\n${server.logTail()}`);
    if (message.kind === "prepared") continue;
    const now = { samples: message.samples, cpuSeconds: server.cpuSeconds() };
    rates.push((now.samples - last.samples) / (now.cpuSeconds - last.cpuSeconds));
    progress(`${name}: ${count(now.samples)} samples, ${count(rates.at(-1)!)} per CPU second`);
    last = now;
    if (message.kind === "done") return finish(name, server, idle, rates, message, options);
  }
}

async function finish(
  name: string,
  server: ServerProcess,
  idle: Idle,
  rates: readonly number[],
  done: Extract<LoadMessage, { kind: "done" }>,
  options: LoadOptions,
): Promise<Figures> {
  await sleep(settleMs);
  const memory = server.memoryBytes();
  await server.get("/internal/force_flush");
  await sleep(settleMs);
  const [min, median, max] = rates.toSorted((left, right) => left - right);
  return {
    server: name,
    samplesPerCpuSecond: { median, min, max },
    samplesPerCpuSecondWithFlush: done.samples / (server.cpuSeconds() - idle.cpuSeconds),
    samplesPerSecond: (done.samples / done.wallMs) * 1000,
    latencyMs: { p50: done.latencyMsP50, p99: done.latencyMsP99, max: done.latencyMsMax },
    refused: done.refused,
    residentIdleBytes: idle.residentBytes,
    residentBytes: memory.resident,
    residentPeakBytes: memory.peak,
    bytesPerSeries: (memory.resident - idle.residentBytes) / options.series,
    seriesAnswered: await countSeries(server, options.endMs),
  };
}

/** How many series a query finds at the last step: acknowledged must mean stored. */
async function countSeries(server: ServerProcess, timestampMs: number): Promise<number | undefined> {
  const query = encodeURIComponent('sum(count({__name__=~"cpu_usage_.*"}) by (__name__))');
  const answer = await Promise.race([server.get(`/api/v1/query?query=${query}&time=${timestampMs / 1000}&nocache=1`), sleep(queryTimeoutMs, undefined)]);
  if (answer?.status !== 200) {
    progress(`the query for the number of series failed: ${answer === undefined ? "no answer" : `${answer.status} ${answer.text.slice(0, 300)}`}`);
    return undefined;
  }
  const body = JSON.parse(answer.text) as { data: { result: { value: [number, string] }[] } };
  return Number(body.data.result[0]?.value[1] ?? 0);
}

/** What the generator says, queued until it is asked for; ends when the generator does. */
async function* messagesOf(generator: ChildProcess): AsyncGenerator<LoadMessage, void> {
  for await (const [message] of on(generator, "message", { close: ["exit"] })) yield message as LoadMessage;
}

async function next(messages: AsyncIterator<LoadMessage>): Promise<LoadMessage> {
  const { value, done } = await messages.next();
  if (done === true) throw new Error("the load generator ended too early");
  return value as LoadMessage;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One row per measure, one column per server, and how many times better the first one is than the second. */
function report(options: LoadOptions, figures: readonly Figures[]): string {
  const rows: [name: string, value: (one: Figures) => string, ratio?: (one: Figures, other: Figures) => number][] = [
    ["samples per CPU second, median of thirds", (one) => count(one.samplesPerCpuSecond.median), (one, other) => one.samplesPerCpuSecond.median / other.samplesPerCpuSecond.median],
    ["  lowest and highest third", (one) => `${count(one.samplesPerCpuSecond.min)} - ${count(one.samplesPerCpuSecond.max)}`],
    ["  whole load, flush included", (one) => count(one.samplesPerCpuSecondWithFlush), (one, other) => one.samplesPerCpuSecondWithFlush / other.samplesPerCpuSecondWithFlush],
    ["samples per second", (one) => count(one.samplesPerSecond), (one, other) => one.samplesPerSecond / other.samplesPerSecond],
    ["acknowledgement p50, ms", (one) => one.latencyMs.p50.toFixed(1), (one, other) => other.latencyMs.p50 / one.latencyMs.p50],
    ["acknowledgement p99, ms", (one) => one.latencyMs.p99.toFixed(1), (one, other) => other.latencyMs.p99 / one.latencyMs.p99],
    ["acknowledgement longest, ms", (one) => one.latencyMs.max.toFixed(1), (one, other) => other.latencyMs.max / one.latencyMs.max],
    ["requests refused and sent again", (one) => count(one.refused)],
    ["resident when idle and empty, MB", (one) => megabytes(one.residentIdleBytes), (one, other) => other.residentIdleBytes / one.residentIdleBytes],
    ["resident after the load, MB", (one) => megabytes(one.residentBytes), (one, other) => other.residentBytes / one.residentBytes],
    ["resident at its highest, MB", (one) => megabytes(one.residentPeakBytes), (one, other) => other.residentPeakBytes / one.residentPeakBytes],
    ["bytes per active series (after less idle)", (one) => count(one.bytesPerSeries), (one, other) => other.bytesPerSeries / one.bytesPerSeries],
    ["series that a query finds", (one) => (one.seriesAnswered === undefined ? "not answered" : count(one.seriesAnswered))],
  ];
  const [first, second] = figures;
  const lines = [["", ...figures.map((one) => one.server), ...(second === undefined ? [] : ["times better"])]];
  for (const [name, value, ratio] of rows) {
    lines.push([name, ...figures.map(value), ...(second === undefined ? [] : [ratio === undefined ? "" : ratio(first, second).toFixed(2)])]);
  }
  const widths = lines[0].map((_cell, column) => Math.max(...lines.map((line) => line[column].length)));
  const table = lines.map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "));
  return `\n${count(options.series)} series, ${count(options.series * options.steps)} samples, ${count(options.perRequest)} per request, ${options.connections} connections\n\n${table.join("\n")}\n`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
