/**
 * Requests before anybody asks: a process that was just started interprets its program, and V8 compiles a function when it was called some hundred times. Until
 * then a small request takes two to five times as long. So the server asks itself, over a connection of its own and the whole way from the socket to the
 * socket, one request after the other, until it has worked for so long.
 *
 *    client socket ── loopback ── HttpServer of the warm-up ── its own routes, gates, statistics and metrics ── the engine and the store of all
 *
 * Nobody sees these requests. They stop at once when a real one comes, and go on when there was none for a moment: also while a large query is
 * evaluated on another thread. What takes long is asked a few times only.
 */
import { createServer, type Server, type Socket, connect, type AddressInfo } from "node:net";
import type { Clock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { MetricRegistry } from "../base/metrics.ts";
import type { Route } from "./router.ts";
import { HttpServer } from "./server.ts";

export interface WarmUpOptions {
  readonly clock: Clock;
  /** What answers; not those of users. */
  readonly routes: readonly Route[];
  /** Asked in turn, from the first one again when all were asked. */
  readonly requests: readonly string[];
  /** When a real request came or was answered last, on the monotonic clock. */
  readonly lastRequestMs: () => number;
  /** CPU time that the calling thread has taken so far. */
  readonly cpuMs: () => number;
  /** Ends when so much of it was spent. */
  readonly cpuMsMax: number;
}

/** Without a real request for so long, it goes on. */
const quietMs = 10;
/** Ends in any case then: a server that is never quiet gets warm without it. */
const lifetimeMsMax = 120_000;
const requestsMax = 3000;
/** A request that took more of the CPU than this so many times is left out. */
const longMs = 2.5;
const longTimesMax = 4;
const requestTimeoutMs = 10_000;

export class WarmUp implements Disposable {
  readonly #options: Omit<WarmUpOptions, "routes">;
  readonly #server: HttpServer;
  readonly #endsMs: number;
  readonly #longTimes: Uint8Array;
  readonly #finished = Promise.withResolvers<void>();
  #listener: Server | undefined;
  #client: Socket | undefined;
  #timer: Disposable | undefined;
  #isEnded = false;
  #next = 0;
  /** On the CPU's clock. */
  #sentMs = 0;
  #spentMs = 0;
  #answered = 0;
  /** Bytes of the answer that have not come; undefined before its headers. */
  #missingBytes: number | undefined;

  constructor(options: WarmUpOptions) {
    const { routes, ...others } = options;
    const { clock, requests } = others;
    this.#options = others;
    this.#endsMs = clock.monotonicMs() + lifetimeMsMax;
    this.#longTimes = new Uint8Array(requests.length);
    const server = { clock, logger: silentLogger, metrics: new MetricRegistry(), allowCors: true, compressesAnswers: true, requestTimeoutMs, idleTimeoutMs: lifetimeMsMax };
    this.#server = new HttpServer(server);
    this.#server.setRoutes(routes);
    if (requests.length > 0) this.#connect();
    else this.#finish();
  }

  /** Resolves when no more is asked. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Requests that were answered so far. */
  get answered(): number {
    return this.#answered;
  }

  /** Ends it before its time. */
  [Symbol.dispose](): void {
    this.#finish();
  }

  /** Opens the connection. The port takes one connection, ours, and is closed. */
  #connect(): void {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#isEnded || socket.remotePort !== client?.localPort) return void socket.destroy();
      listener.close();
      this.#server.serveConnection(socket);
      this.#ask();
    });
    let client: Socket | undefined;
    this.#listener = listener;
    listener.on("error", () => this.#finish());
    listener.listen({ host: "127.0.0.1", port: 0 }, () => {
      client = connect({ host: "127.0.0.1", port: (listener.address() as AddressInfo).port, noDelay: true });
      client.on("data", (bytes: Buffer) => this.#receive(bytes));
      client.on("error", () => this.#finish());
      client.on("close", () => this.#finish());
      client.unref();
      this.#client = client;
    });
    listener.unref();
  }

  #ask(): void {
    const { clock, requests, lastRequestMs } = this.#options;
    if (this.#isEnded) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - lastRequestMs() < quietMs) {
      this.#timer = clock.setTimer(quietMs, () => this.#ask());
      return;
    }
    const request = this.#nextRequest();
    if (request === undefined || this.#spentMs >= this.#options.cpuMsMax || this.#answered >= requestsMax || nowMs > this.#endsMs) return this.#finish();
    this.#sentMs = this.#options.cpuMs();
    this.#missingBytes = undefined;
    this.#client?.write(requests[request], "latin1");
  }

  /** The next one that does not take long; undefined if all do. */
  #nextRequest(): number | undefined {
    const { requests } = this.#options;
    for (let tried = 0; tried < requests.length; tried++) {
      this.#next = (this.#next + 1) % requests.length;
      if (this.#longTimes[this.#next] < longTimesMax) return this.#next;
    }
    return undefined;
  }

  #receive(bytes: Buffer): void {
    if (this.#missingBytes === undefined) {
      const head = bytes.indexOf("\r\n\r\n");
      const length = /\r\ncontent-length: (\d+)/i.exec(bytes.toString("latin1", 0, Math.max(0, head)))?.[1];
      // Not an answer of the kind that was asked for: a large one, in pieces.
      if (length === undefined) return this.#finish();
      this.#missingBytes = Number(length) + head + 4;
    }
    this.#missingBytes -= bytes.length;
    if (this.#missingBytes > 0) return;
    const tookMs = this.#options.cpuMs() - this.#sentMs;
    this.#answered++;
    this.#spentMs += tookMs;
    if (tookMs > longMs) this.#longTimes[this.#next]++;
    // Not from here: what the server does after an answer comes first.
    setImmediate(() => this.#ask());
  }

  #finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer?.[Symbol.dispose]();
    this.#listener?.close();
    this.#client?.destroy();
    this.#server.closeConnections();
    // What the routes have kept goes with them.
    this.#server.setRoutes([]);
    this.#finished.resolve();
  }
}
