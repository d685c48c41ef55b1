/**
 * The HTTP server: node:http with limits, the routes, counting and the answers to errors. Routes are set when the parts behind them
 * are there: while the log is replayed, a short list answers (see starting_routes.ts).
 *
 * Slow and hostile clients: headers are limited in size and time, a whole request in time, an idle connection is closed, a request whose
 * body nobody wants is cut off (exchange.ts), as is a client that does not read its answer.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { InputError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Counter, MetricRegistry, Summary } from "../base/metrics.ts";
import { createServer } from "../base/node_http.ts";
import { describeError, errorBody } from "./error_response.ts";
import { Exchange } from "./exchange.ts";
import { type Route, Router } from "./router.ts";

export interface HttpServerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricRegistry;
  /** Let pages of other origins read answers. */
  readonly allowCors: boolean;
  /** Compress answers for clients that take it. */
  readonly compressesAnswers: boolean;
  /** Longest time from the first to the last byte of a request. */
  readonly requestTimeoutMs: number;
  /** A connection without a byte in either direction for this long is closed; more than the longest query takes. */
  readonly idleTimeoutMs: number;
}

interface RouteMetrics {
  readonly requests: Counter;
  readonly errors: Counter;
  readonly duration: Summary;
}

const headerBytesMax = 64 << 10;
const headersTimeoutMs = 20_000;
const keepAliveTimeoutMs = 75_000;
const unknownPathLabel = "*";

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  #lastRequestMs = -Infinity;
  #router = new Router([]);
  #routeMetrics = new Map<Route | undefined, RouteMetrics>();
  #isClosing = false;
  #closed: Promise<void> | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const server = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: Math.min(headersTimeoutMs, options.requestTimeoutMs),
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(5000, options.requestTimeoutMs),
      noDelay: true,
    });
    server.timeout = options.idleTimeoutMs;
    server.on("request", (request, response) => void this.#serve(request, response, false));
    server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response, true));
    this.#server = server;
    const { metrics } = options;
    const accepts = metrics.counter("vm_tcplistener_accepts_total", "Connections accepted.", { name: "http" });
    const connections = metrics.gauge("vm_tcplistener_conns", "Open connections.", { name: "http" });
    server.on("connection", (socket) => {
      accepts.increment();
      connections.add(1);
      socket.once("close", () => connections.add(-1));
    });
    this.setRoutes([]);
  }

  /** What is served from now on. */
  setRoutes(routes: readonly Route[]): void {
    this.#router = new Router(routes);
    this.#routeMetrics = new Map([undefined, ...routes].map((route) => [route, this.#metricsOf(route?.path ?? unknownPathLabel)]));
  }

  /** Starts listening; resolves with the address in use. Rejects if it is taken. */
  async listen(address: { host: string | undefined; port: number }): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host: address.host, port: address.port, backlog: 1024 }, resolve);
    await promise;
    this.#server.off("error", reject);
    this.#server.on("error", (error) => this.#options.logger.error(`HTTP server: ${error.message}`));
    return this.#server.address() as AddressInfo;
  }

  /** Serves a connection that was accepted elsewhere, with or without listening. */
  serveConnection(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  /** Cuts all connections. */
  closeConnections(): void {
    this.#server.closeAllConnections();
  }

  /** When a request came or was answered last, on the monotonic clock; -Infinity before the first one. */
  get lastRequestMs(): number {
    return this.#lastRequestMs;
  }

  /** Stops accepting, lets requests in flight finish for at most `graceMs`, then cuts what is left. */
  close(graceMs = 15_000): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    using _cut = this.#options.clock.setTimer(graceMs, () => {
      this.#options.logger.warn("requests still in flight are cut off");
      this.#server.closeAllConnections();
    });
    this.#server.closeIdleConnections();
    await promise;
  }

  #metricsOf(path: string): RouteMetrics {
    const { metrics } = this.#options;
    return {
      requests: metrics.counter("vm_http_requests_total", "Requests by path.", { path }),
      errors: metrics.counter("vm_http_request_errors_total", "Requests answered with an error, by path.", { path }),
      duration: metrics.summary("vm_request_duration_seconds", "Time from the headers of a request to the end of its answer.", { path }),
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const { clock, allowCors } = this.#options;
    const startMs = clock.monotonicMs();
    this.#lastRequestMs = startMs;
    const exchange = new Exchange(request, response, clock, { expectsContinue, compresses: this.#options.compressesAnswers });
    let metrics = this.#routeMetrics.get(undefined)!;
    response.once("close", () => {
      this.#lastRequestMs = clock.monotonicMs();
      metrics.duration.observe((this.#lastRequestMs - startMs) / 1000);
      if (this.#isClosing) setImmediate(() => this.#server.closeIdleConnections());
    });
    // Without a listener, a connection reset while a body arrives would be an uncaught error.
    request.on("error", ignore);
    response.on("error", ignore);
    if (this.#isClosing) response.setHeader("Connection", "close");
    if (allowCors) exchange.addHeader("Access-Control-Allow-Origin", "*");
    try {
      const match = this.#router.find(exchange.path);
      if (match !== undefined) metrics = this.#routeMetrics.get(match.route)!;
      metrics.requests.increment();
      if (exchange.method === "OPTIONS") return this.#answerOptions(exchange);
      const { route, variables } = this.#router.checked(match, exchange.path, exchange.method);
      exchange.variables = variables;
      await route.handle(exchange);
    } catch (error) {
      metrics.errors.increment();
      this.#answerError(exchange, error);
    }
  }

  #answerOptions(exchange: Exchange): void {
    const methods = this.#router.find(exchange.path)?.route.methods ?? [];
    const allowed = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    exchange.sendEmpty(204, { Allow: allowed, "Access-Control-Allow-Methods": allowed, "Access-Control-Allow-Headers": "*", "Access-Control-Max-Age": "86400" });
  }

  #answerError(exchange: Exchange, error: unknown): void {
    const { response, path, method } = exchange;
    const description = describeError(error);
    if (description.isInternal) this.#options.logger.error(`${method} ${path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    if (response.closed || response.destroyed) return;
    if (response.headersSent) {
      // The answer has begun: cutting the connection is the only way to say that it is not whole.
      response.destroy();
      return;
    }
    if (description.retryAfterS !== undefined) response.setHeader("Retry-After", String(description.retryAfterS));
    if (error instanceof InputError && error.code === "method_not_allowed") response.setHeader("Allow", this.#router.find(path)?.route.methods.join(", ") ?? "");
    void exchange.send(description.status, "application/json", errorBody(description)).catch(() => response.destroy());
  }
}

function ignore(): void {}
