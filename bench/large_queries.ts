/**
 * Queries over all of very many series: their time and CPU, what they do to memory, and how late the event loop of the server's main thread ran meanwhile. The
 * delay is what the server measures itself (perf_hooks monitorEventLoopDelay; tidemark_event_loop_delay_seconds in /metrics); the time by the clock bears
 * the noise of other jobs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BodyTemplate } from "./remote_write_body.ts";
import { type ServerCommand, ServerProcess } from "./server_process.ts";

export interface LargeQueryOptions {
  readonly series: number;
  /** Runs of each query. */
  readonly rounds: number;
  readonly endMs: number;
}

interface QueryFigures {
  readonly query: string;
  readonly p50Ms: number;
  readonly cpuMs: number;
  readonly mainThreadCpuMs: number;
  /** undefined for servers that do not measure it. */
  readonly eventLoopDelayMsMax: number | undefined;
  readonly peakBytes: number;
}

export interface LargeQueryFigures {
  readonly server: string;
  readonly idleBytes: number;
  readonly queries: readonly QueryFigures[];
}

const queries = [
  'count({__name__!=""})', 'sum by (service) (rate({__name__=~".+"}[5m]))', 'count by (__name__) ({__name__=~"cpu_.+"})', 'topk(10, {__name__=~"cpu_.+"})',
];
const samplesPerSeries = 6;
const stepMs = 15_000;
const perRequest = 10_000;
/** The server's figures cover two windows of this length; each ends when they are asked for. */
const delayWindowMs = 15_500;

/** Loads one server and asks it all queries. */
export async function measureLargeQueries(command: ServerCommand, options: LargeQueryOptions, parent: string): Promise<LargeQueryFigures> {
  const folder = mkdtempSync(join(parent, `bench-queries-${command.name}-`));
  try {
    await using server = await ServerProcess.start(command, folder);
    await load(server, options);
    await ask(server, "/internal/force_flush");
    await ask(server, "/internal/force_merge");
    const idleBytes = server.memoryBytes().resident;
    const measured: QueryFigures[] = [];
    for (const query of queries) measured.push(await measure(server, query, options));
    return { server: command.name, idleBytes, queries: measured };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function load(server: ServerProcess, { series, endMs }: LargeQueryOptions): Promise<void> {
  for (let from = 0; from < series; from += perRequest) {
    const template = new BodyTemplate(from, Math.min(series, from + perRequest));
    for (let step = samplesPerSeries - 1; step >= 0; step--) await post(server, template.body(endMs - step * stepMs));
  }
}

async function post(server: ServerProcess, body: Uint8Array): Promise<void> {
  const headers = { "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0" };
  for (;;) {
    const { status } = await fetch(`http://127.0.0.1:${server.port}/api/v1/write`, { method: "POST", headers, body: Uint8Array.from(body) });
    if (status < 300) return;
    if (status !== 429 && status !== 503) throw new Error(`a write was answered with ${status}\n${server.logTail()}`);
    await sleep(100);
  }
}

async function measure(server: ServerProcess, query: string, { rounds, endMs }: LargeQueryOptions): Promise<QueryFigures> {
  for (let window = 0; window < 2; window++) {
    await sleep(delayWindowMs);
    await eventLoopDelayMs(server);
  }
  const times: number[] = [];
  const [cpu, mainThreadCpu] = [server.cpuSeconds(), server.mainThreadCpuSeconds()];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await ask(server, `/api/v1/query?nocache=1&time=${endMs / 1000}&query=${encodeURIComponent(query)}`);
    times.push(performance.now() - startedMs);
  }
  return {
    query,
    p50Ms: times.toSorted((a, b) => a - b)[rounds >> 1],
    cpuMs: ((server.cpuSeconds() - cpu) * 1000) / rounds,
    mainThreadCpuMs: ((server.mainThreadCpuSeconds() - mainThreadCpu) * 1000) / rounds,
    eventLoopDelayMsMax: await eventLoopDelayMs(server),
    peakBytes: server.memoryBytes().peak,
  };
}

async function eventLoopDelayMs(server: ServerProcess): Promise<number | undefined> {
  const found = /^tidemark_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(await ask(server, "/metrics"));
  return found === null ? undefined : Number(found[1]) * 1000;
}

async function ask(server: ServerProcess, path: string): Promise<string> {
  const answer = await server.get(path);
  if (answer?.status !== 200) throw new Error(`${path} was answered with ${answer?.status}: ${answer?.text.slice(0, 300)}\n${server.logTail()}`);
  return answer.text;
}

/** A line for each query and server. */
export function largeQueryReport({ series, rounds }: LargeQueryOptions, figures: readonly LargeQueryFigures[]): string {
  const lines = [`${series} series of ${samplesPerSeries} samples, ${rounds} runs of each query`, ""];
  for (const [i, query] of queries.entries()) {
    for (const { server, queries: measured } of figures) {
      const { p50Ms, cpuMs, mainThreadCpuMs, eventLoopDelayMsMax, peakBytes } = measured[i];
      const delay = eventLoopDelayMsMax === undefined ? "" : `, event loop at most ${eventLoopDelayMsMax.toFixed(1)} ms late, main thread ${mainThreadCpuMs.toFixed(0)} ms of CPU`;
      lines.push(`${query.padEnd(46)} ${server.padEnd(9)} p50 ${p50Ms.toFixed(0)} ms, CPU ${cpuMs.toFixed(0)} ms, peak ${(peakBytes / 2 ** 20).toFixed(0)} MB${delay}`);
    }
  }
  for (const { server, idleBytes } of figures) lines.push(`${server}: ${(idleBytes / 2 ** 20).toFixed(0)} MB before the queries`);
  return `\n${lines.join("\n")}\n`;
}
