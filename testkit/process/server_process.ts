/**
 * A real Tidemark for process tests: bin/tidemark on a directory of its own and a free port, spoken to over HTTP only. Ready means that it
 * said so; stopped means that the process is gone. A test that fails or is cut off leaves no process behind.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BodySeries, remoteWriteBody } from "../remote_write_body.ts";

const program = fileURLToPath(new URL("../../bin/tidemark", import.meta.url));
/** No answer may take longer, whatever the test does. */
const requestMsMax = 30_000;
const startMsMax = 30_000;
const stopMsMax = 20_000;

/** How a process ended, and all that it said. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** A series in an answer to a query: its labels and points in seconds, values as text. */
export interface QuerySeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** A line of /api/v1/export. */
export interface ExportLine {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (number | string | null)[];
  readonly timestamps: readonly number[];
}

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A folder that is gone at the end of its scope. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tidemark-process-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs the program to its end. */
export async function runProgram(commandArguments: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Outcome> {
  const running = new RunningProgram(commandArguments, options);
  return running.outcomeWithin(startMsMax);
}

/** Starts the program and collects what it says. */
class RunningProgram {
  readonly child: ChildProcess;
  readonly #ended: Promise<Outcome>;
  output = "";
  errors = "";

  constructor(commandArguments: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(program, commandArguments, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout!.on("data", (bytes: Buffer) => (this.output += bytes.toString()));
    this.child.stderr!.on("data", (bytes: Buffer) => (this.errors += bytes.toString()));
    const cleanUp = (): void => void this.child.kill("SIGKILL");
    process.once("exit", cleanUp);
    this.#ended = once(this.child, "close").then(([code, signal]) => {
      process.off("exit", cleanUp);
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, output: this.output, errors: this.errors };
    });
  }

  /** The end of the process; a process that is not done in time is killed and fails the test. */
  async outcomeWithin(limitMs: number): Promise<Outcome> {
    const late = Symbol("late");
    const { promise, resolve } = Promise.withResolvers<typeof late>();
    const timer = setTimeout(() => resolve(late), limitMs);
    const outcome = await Promise.race([this.#ended, promise]);
    clearTimeout(timer);
    if (outcome !== late) return outcome;
    this.child.kill("SIGKILL");
    await this.#ended;
    assert.fail(`the process was still there after ${limitMs} ms:\n${this.errors}`);
  }

  /** Resolves with the match of `pattern` in the output. */
  async says(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) assert.fail(`the process ended with ${this.child.exitCode ?? this.child.signalCode}:\n${(await this.#ended).errors}`);
      if (performance.now() > endMs) {
        this.child.kill("SIGKILL");
        assert.fail(`not ready after ${limitMs} ms:\n${this.errors}`);
      }
      await Promise.race([this.#ended, pause(10)]);
    }
  }
}

/** A running server; `await using` kills it if the test did not stop it. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly directory: string;
  readonly #program: RunningProgram;

  private constructor(running: RunningProgram, url: string, directory: string) {
    this.#program = running;
    this.url = url;
    this.directory = directory;
  }

  /** Starts a server on `directory` and resolves when it is ready. It keeps 100 years and does not scrape itself unless `flags` say so. */
  static async start(directory: string, flags: readonly string[] = []): Promise<ServerProcess> {
    const running = new RunningProgram([`-storageDataPath=${directory}`, "-httpListenAddr=127.0.0.1:0", "-selfScrapeInterval=0", "-retentionPeriod=100y", ...flags]);
    const [, url] = await running.says(/ready: .*(http:\/\/[\d.:]+)\//, startMsMax);
    return new ServerProcess(running, url, directory);
  }

  /** Starts a server and kills it after some time, ready or not. */
  static async startAndKill(directory: string, flags: readonly string[], afterMs: number): Promise<void> {
    const running = new RunningProgram([`-storageDataPath=${directory}`, "-httpListenAddr=127.0.0.1:0", "-selfScrapeInterval=0", "-retentionPeriod=100y", ...flags]);
    await pause(afterMs);
    running.child.kill("SIGKILL");
    await running.outcomeWithin(stopMsMax);
  }

  get pid(): number {
    return this.#program.child.pid!;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** All that it has logged. */
  get errors(): string {
    return this.#program.errors;
  }

  /** Sends a signal to this process only. */
  signal(signal: NodeJS.Signals): void {
    this.#program.child.kill(signal);
  }

  /** Sends a signal and waits for the end of the process. */
  async stop(signal: NodeJS.Signals = "SIGTERM", limitMs = stopMsMax): Promise<Outcome> {
    this.signal(signal);
    return this.ended(limitMs);
  }

  /** Waits for the end of the process. */
  ended(limitMs = stopMsMax): Promise<Outcome> {
    return this.#program.outcomeWithin(limitMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }

  /** Resident memory of the process. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Any request. Rejects when there is no answer. */
  async request(path: string, options: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(requestMsMax), ...options });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  post(path: string, body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request(path, { method: "POST", body: typeof body === "string" ? body : new Uint8Array(body), headers });
  }

  /** Sends remote write; the answer may be an error. */
  write(series: readonly BodySeries[]): Promise<Answer> {
    return this.post("/api/v1/write", remoteWriteBody(series), { "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf" });
  }

  /** Imports Prometheus text, which has to be accepted whole. */
  async importText(text: string): Promise<void> {
    const answer = await this.post("/api/v1/import/prometheus", text);
    assert.equal(answer.status, 204, answer.text);
    assert.equal(answer.headers.get("X-Tidemark-Dropped-Rows"), null);
  }

  /** The value of each series of an instant query, by its labels as JSON. */
  async query(query: string, timeMs: number): Promise<Map<string, string>> {
    const answer = await this.request(`/api/v1/query?${new URLSearchParams({ query, time: String(timeMs / 1000) })}`);
    assert.equal(answer.status, 200, answer.text);
    const { data } = JSON.parse(answer.text) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } };
    return new Map(data.result.map(({ metric, value }) => [JSON.stringify(metric), value[1]]));
  }

  async queryRange(query: string, startMs: number, endMs: number, stepMs: number): Promise<QuerySeries[]> {
    const range = { query, start: String(startMs / 1000), end: String(endMs / 1000), step: String(stepMs / 1000), nocache: "1" };
    const answer = await this.request(`/api/v1/query_range?${new URLSearchParams(range)}`);
    assert.equal(answer.status, 200, answer.text);
    return (JSON.parse(answer.text) as { data: { result: QuerySeries[] } }).data.result;
  }

  /** All samples of the series that `selector` picks. */
  async exportLines(selector: string): Promise<ExportLine[]> {
    const range = { "match[]": selector, start: "0", end: "2100-01-01T00:00:00Z" };
    const answer = await this.request(`/api/v1/export?${new URLSearchParams(range)}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as ExportLine);
  }

  async flush(): Promise<void> {
    const answer = await this.request("/internal/force_flush");
    assert.equal(answer.status, 200, answer.text);
  }

  async merge(): Promise<void> {
    const answer = await this.request("/internal/force_merge");
    assert.equal(answer.status, 200, answer.text);
  }

  /** The value of one own metric, as /metrics writes it. */
  async metric(name: string): Promise<number> {
    const { text } = await this.request("/metrics");
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    assert.ok(line !== undefined, `/metrics has no ${name}`);
    return Number(line.slice(name.length + 1));
  }
}

/** Resolves when `condition` holds; asked every 50 ms, fails after `limitMs`. */
export async function waitUntil(what: string, limitMs: number, condition: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) assert.fail(`waited ${limitMs} ms in vain: ${what}`);
    await pause(50);
  }
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
