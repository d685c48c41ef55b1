/**
 * Times of acknowledgements under a steady load, while something else goes on: merges without end, a million new series, a checkpoint. Requests are sent
 * by the clock, whether or not the ones before were answered, so that a stall counts for all that would have been sent meanwhile.
 */
import { Agent, request } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BodyTemplate } from "./remote_write_body.ts";
import { ServerProcess, type ServerCommand } from "./server_process.ts";

export interface LatencyOptions {
  /** Series of the steady load. */
  readonly series: number;
  /** Series that come new. */
  readonly newSeries: number;
  readonly samplesPerSecond: number;
  readonly perRequest: number;
  /** Seconds of each scene. */
  readonly seconds: number;
  readonly endMs: number;
}

export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LatencyFigures {
  readonly server: string;
  /** By scene, milliseconds; undefined for a scene without such requests. */
  readonly scenes: readonly { readonly name: string; readonly steady: Quantiles; readonly newSeries: Quantiles | undefined }[];
  readonly refused: number;
}

/** Milliseconds between two steps of a series; time in the data goes faster than the clock. */
const stepMs = 1000;
const connectionsMax = 64;
const newSeriesPerRequest = 10_000;
const warmUpSteps = 200;

/** Runs all scenes against one server. */
export async function measureLatency(command: ServerCommand, options: LatencyOptions, parent: string): Promise<LatencyFigures> {
  const folder = mkdtempSync(join(parent, `bench-latency-${command.name}-`));
  try {
    await using server = await ServerProcess.start(command, folder);
    return await new LatencyRun(command.name, server, options).run();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class LatencyRun {
  readonly #name: string;
  readonly #server: ServerProcess;
  readonly #options: LatencyOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  readonly #templates: BodyTemplate[] = [];
  #nextBody = 0;
  #refused = 0;

  constructor(name: string, server: ServerProcess, options: LatencyOptions) {
    this.#name = name;
    this.#server = server;
    this.#options = options;
    for (let from = 0; from < options.series; from += options.perRequest) this.#templates.push(new BodyTemplate(from, Math.min(options.series, from + options.perRequest)));
  }

  async run(): Promise<LatencyFigures> {
    progress(`${this.#name}: warming up`);
    for (let body = 0; body < warmUpSteps * this.#templates.length; body++) await this.#post(this.#steadyBody());
    const scenes = [];
    scenes.push(await this.#scene("nothing else", () => sleep(0)));
    scenes.push(await this.#scene("forced merges all the time", (isOver) => this.#mergeUntil(isOver)));
    scenes.push(await this.#scene("a checkpoint", () => this.#get("/internal/force_flush")));
    const bodies = this.#newSeriesBodies();
    scenes.push(await this.#scene("new series", async (_isOver, newSeries) => {
      for (const body of bodies) await this.#timed(body, newSeries);
    }));
    this.#agent.destroy();
    return { server: this.#name, scenes, refused: this.#refused };
  }

  /** Sends the steady load for some seconds, and until `event`, which begins a second later, is over. */
  async #scene(name: string, event: (isOver: () => boolean, newSeries: number[]) => Promise<void>): Promise<LatencyFigures["scenes"][number]> {
    const steady: number[] = [];
    const newSeries: number[] = [];
    const intervalMs = (1000 * this.#options.perRequest) / this.#options.samplesPerSecond;
    const beginMs = performance.now();
    const isOver = (): boolean => performance.now() - beginMs > this.#options.seconds * 1000;
    let isEventOver = false;
    const happening = sleep(1000).then(() => event(isOver, newSeries)).finally(() => (isEventOver = true));
    const pending: Promise<void>[] = [];
    for (let i = 0; !isOver() || !isEventOver; i++) {
      const dueMs = beginMs + i * intervalMs;
      const body = this.#steadyBody();
      if (dueMs > performance.now()) await sleep(dueMs - performance.now());
      pending.push(this.#timed(body, steady));
    }
    await Promise.all([...pending, happening]);
    const result = { name, steady: quantiles(steady), newSeries: newSeries.length === 0 ? undefined : quantiles(newSeries) };
    progress(`${this.#name}: ${name}: ${describe(result.steady)}${result.newSeries === undefined ? "" : `; the new ones ${describe(result.newSeries)}`}`);
    return result;
  }

  #steadyBody(): Uint8Array {
    const { endMs } = this.#options;
    const template = this.#nextBody % this.#templates.length;
    const step = Math.floor(this.#nextBody++ / this.#templates.length);
    return this.#templates[template].body(endMs + step * stepMs);
  }

  async #mergeUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#get("/internal/force_flush");
      await this.#get("/internal/force_merge");
    }
  }

  /** Made before they are sent: it takes long. */
  #newSeriesBodies(): Uint8Array[] {
    const { series, newSeries, endMs } = this.#options;
    const bodies: Uint8Array[] = [];
    for (let at = 0; at < newSeries; at += newSeriesPerRequest) bodies.push(new BodyTemplate(series + at, series + Math.min(newSeries, at + newSeriesPerRequest)).body(endMs));
    return bodies;
  }

  async #timed(body: Uint8Array, latenciesMs: number[]): Promise<void> {
    const sentMs = performance.now();
    await this.#post(body);
    latenciesMs.push(performance.now() - sentMs);
  }

  async #get(path: string): Promise<void> {
    const answer = await this.#server.get(path);
    if (answer?.status !== 200) throw new Error(`${this.#name}: ${path} was answered with ${answer?.status}: ${answer?.text.slice(0, 300)}`);
  }

  /** Sends a body until it is taken. */
  async #post(bytes: Uint8Array): Promise<void> {
    for (;;) {
      const status = await this.#send(bytes);
      if (status < 300) return;
      if (status !== 429 && status !== 503) throw new Error(`${this.#name}: a write was answered with ${status}\n${this.#server.logTail()}`);
      this.#refused++;
      await sleep(100);
    }
  }

  #send(bytes: Uint8Array): Promise<number> {
    const headers = { "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0", "Content-Length": bytes.length };
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, host: "127.0.0.1", port: this.#server.port, path: "/api/v1/write", method: "POST", headers }, (response) => {
        response.on("error", reject);
        response.on("end", () => resolve(response.statusCode!));
        response.resume();
      });
      sent.on("error", (error) => {
        // The server may close a connection that was idle just when it is used again.
        if (sent.reusedSocket) this.#send(bytes).then(resolve, reject);
        else reject(error);
      });
      sent.end(bytes);
    });
  }
}

function quantiles(latenciesMs: readonly number[]): Quantiles {
  const sorted = latenciesMs.toSorted((left, right) => left - right);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function describe({ count, p50, p99, p999, max }: Quantiles): string {
  return `${count} requests, p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, p99.9 ${p999.toFixed(1)}, longest ${max.toFixed(1)} ms`;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A line for each scene and kind of request, a group of columns for each server. */
export function latencyReport(options: LatencyOptions, figures: readonly LatencyFigures[]): string {
  const lines = [`${options.series} series, ${options.samplesPerSecond} samples/s in requests of ${options.perRequest}, ${options.newSeries} new series; milliseconds`, ""];
  for (const [scene, { name }] of figures[0].scenes.entries()) {
    for (const kind of ["steady", "newSeries"] as const) {
      for (const { server, scenes } of figures) {
        const measured = scenes[scene][kind];
        if (measured !== undefined) lines.push(`${(kind === "steady" ? name : `${name}, their own requests`).padEnd(34)} ${server.padEnd(9)} ${describe(measured)}`);
      }
    }
  }
  for (const { server, refused } of figures) lines.push(`${server}: ${refused} requests refused and sent again`);
  return `\n${lines.join("\n")}\n`;
}
