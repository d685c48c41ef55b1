/**
 * A stream of remote writes from several connections whose every sample can be computed from its place, so that what was acknowledged is a
 * set of small numbers: request `number` of connection `connection`. After a restart the exported samples are compared with it.
 *
 * A request carries one sample for each of 40 series. Series change every 8 requests, so that new ones are always being made. The
 * last connection sends its requests in swapped pairs: its samples come out of order.
 */
import assert from "node:assert/strict";
import type { BodySeries } from "../remote_write_body.ts";
import type { Answer, ServerProcess } from "./server_process.ts";

const seriesPerRequest = 40;
const requestsPerGeneration = 8;
const intervalMs = 1000;

export interface StreamOptions {
  readonly connections: number;
  /** Time of the first request. */
  readonly startMs: number;
  /** Tells streams into one directory apart. */
  readonly name: string;
  /** How requests are sent. Default: remote write. */
  readonly protocol?: "remote_write" | "text";
}

export class AcknowledgedStream {
  readonly #options: StreamOptions;
  /** Requests that were answered with 2xx, by connection. */
  readonly #acknowledged: Set<number>[];
  readonly #sent: number[];
  /** Requests that were answered with something else, by connection. */
  readonly #refused: Set<number>[];
  readonly #sentTwice: Set<number>[];
  /** Answers other than 2xx, and how often they came. */
  readonly refusals = new Map<string, number>();
  #running: Promise<void>[] = [];
  #stopping = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#acknowledged = Array.from({ length: options.connections }, () => new Set<number>());
    this.#refused = Array.from({ length: options.connections }, () => new Set<number>());
    this.#sentTwice = Array.from({ length: options.connections }, () => new Set<number>());
    this.#sent = Array.from({ length: options.connections }, () => 0);
  }

  get refusedRequests(): number {
    return this.#refused.reduce((sum, numbers) => sum + numbers.size, 0);
  }

  get acknowledgedSamples(): number {
    return this.acknowledgedRequests * seriesPerRequest;
  }

  get acknowledgedRequests(): number {
    return this.#acknowledged.reduce((sum, numbers) => sum + numbers.size, 0);
  }

  /** Starts sending on all connections, on until stop() or until the server no longer answers. */
  run(server: ServerProcess): void {
    this.#stopping = false;
    this.#running = this.#sent.map((_, connection) => this.#send(server, connection));
  }

  /** Stops sending and waits for the answers of what was sent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  /** Sends `count` requests on one connection; returns the status of each. */
  async sendSome(server: ServerProcess, connection: number, count: number): Promise<number[]> {
    const statuses: number[] = [];
    for (let i = 0; i < count; i++) statuses.push(await this.#sendNext(server, connection));
    return statuses;
  }

  /**
   * Sends what was refused again, as a client does that has been told to try later; all of it has to be accepted now. A refused request
   * may have been taken into memory before the log failed, and samples that come twice are kept: these may be there twice.
   */
  async resendRefused(server: ServerProcess): Promise<void> {
    for (const [connection, numbers] of this.#refused.entries()) {
      for (const number of numbers) {
        const { status, text } = await this.#post(server, this.#seriesOf(connection, number));
        assert.equal(status, 204, text);
        this.#acknowledged[connection].add(number);
        this.#sentTwice[connection].add(number);
      }
      numbers.clear();
    }
  }

  /** Every acknowledged sample is in the server exactly once, and nothing else is but samples that were sent. */
  async check(server: ServerProcess): Promise<void> {
    const lines = await server.exportLines(`{stream=${JSON.stringify(this.#options.name)}}`);
    const found = this.#acknowledged.map(() => new Map<number, number>());
    const timesByLabels = new Map<string, Set<number>>();
    for (const { metric, values, timestamps } of lines) {
      const key = JSON.stringify(metric);
      const times = timesByLabels.get(key) ?? new Set<number>();
      timesByLabels.set(key, times);
      const connection = Number(metric["connection"]);
      for (const [i, timestampMs] of timestamps.entries()) {
        const number = this.#requestAt(timestampMs, connection);
        const isAgain = times.has(timestampMs);
        assert.ok(!isAgain || this.#sentTwice[connection].has(number), `${key} has a sample twice at ${timestampMs}`);
        times.add(timestampMs);
        assert.ok(number < this.#sent[connection], `${key} at ${timestampMs} was never sent`);
        assert.equal(metric["generation"], String(Math.floor(number / requestsPerGeneration)), `${key} at ${timestampMs} belongs to another series`);
        assert.equal(values[i], valueOf(connection, number, Number(metric["series"])), `${key} at ${timestampMs} has another value`);
        if (!isAgain) found[connection].set(number, (found[connection].get(number) ?? 0) + 1);
      }
    }
    for (const [connection, numbers] of this.#acknowledged.entries()) {
      for (const number of numbers) {
        const count = found[connection].get(number) ?? 0;
        assert.equal(count, seriesPerRequest, `request ${number} of connection ${connection} was acknowledged; ${count} of its ${seriesPerRequest} samples are there (${this.acknowledgedRequests} requests acknowledged)`);
      }
    }
  }

  async #send(server: ServerProcess, connection: number): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#sendNext(server, connection);
      } catch {
        return; // the server is gone, and nothing was acknowledged
      }
    }
  }

  async #sendNext(server: ServerProcess, connection: number): Promise<number> {
    const number = this.#sent[connection]++;
    const { status, text } = await this.#post(server, this.#seriesOf(connection, number));
    if (status >= 200 && status < 300) {
      this.#acknowledged[connection].add(number);
      return status;
    }
    this.#refused[connection].add(number);
    this.refusals.set(`${status} ${text}`, (this.refusals.get(`${status} ${text}`) ?? 0) + 1);
    return status;
  }

  #post(server: ServerProcess, series: readonly BodySeries[]): Promise<Answer> {
    return this.#options.protocol === "text" ? server.post("/api/v1/import/prometheus", textOf(series)) : server.write(series);
  }

  #seriesOf(connection: number, number: number): BodySeries[] {
    const timestampMs = this.#options.startMs + this.#slot(number, connection) * intervalMs;
    return Array.from({ length: seriesPerRequest }, (_, series) => ({
      labels: [
        { name: "__name__", value: "crash_test" },
        { name: "connection", value: String(connection) },
        { name: "generation", value: String(Math.floor(number / requestsPerGeneration)) },
        { name: "series", value: String(series) },
        { name: "stream", value: this.#options.name },
      ],
      timestampsMs: [timestampMs],
      values: Float64Array.of(valueOf(connection, number, series)),
    }));
  }

  #requestAt(timestampMs: number, connection: number): number {
    return this.#slot((timestampMs - this.#options.startMs) / intervalMs, connection);
  }

  /** Its own inverse. */
  #slot(number: number, connection: number): number {
    return connection === this.#options.connections - 1 ? number ^ 1 : number;
  }
}

function valueOf(connection: number, number: number, series: number): number {
  return number * 1000 + series + connection / 8;
}

/** Prometheus text; the first label is the name. */
function textOf(series: readonly BodySeries[]): string {
  const lines = series.map(({ labels: [name, ...labels], values, timestampsMs }) => {
    return `${name.value}{${labels.map((label) => `${label.name}="${label.value}"`).join()}} ${values[0]} ${timestampsMs[0]}\n`;
  });
  return lines.join("");
}
