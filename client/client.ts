/** Client of the Prometheus HTTP API, as Tidemark, VictoriaMetrics and Prometheus serve it. No dependencies; browsers and Node.js. */
import { parseQueryAnswer } from "./answer_parser.ts";
import type { QueryAnswer } from "./answer_parser.ts";
import { AnswerError, ApiError, ConnectionError } from "./errors.ts";
import { runInSlices } from "./time_slice.ts";

/** How to reach a server. */
export interface ClientOptions {
  /** What paths such as "api/v1/query" are appended to, e.g. "http://localhost:8428/". */
  readonly baseUrl: string | URL;
  /** Sent with every request, e.g. Authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A request without an answer fails after this time; default 2 minutes. */
  readonly timeoutMs?: number;
  /** Instead of the global fetch, for tests. */
  readonly fetch?: typeof fetch;
}

/** What every request takes. */
export interface RequestOptions {
  readonly signal?: AbortSignal;
}

/** A query at one point in time; without `timeMs` it is now. */
export interface InstantQuery extends RequestOptions {
  readonly query: string;
  readonly timeMs?: number;
}

/** A query at every `stepMs` from `startMs` to `endMs`, both included. */
export interface RangeQuery extends RequestOptions {
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Which series to look at: those that match any of `match`, within a time range; the server may cut the list at `limit`. */
export interface SeriesQuery extends RequestOptions {
  readonly match?: readonly string[];
  readonly startMs?: number;
  readonly endMs?: number;
  readonly limit?: number;
}

/** What is known about a metric name. */
export interface MetricMetadata {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

type Parameters = Iterable<readonly [string, string]>;

const defaultTimeoutMs = 120_000;
/** Longer requests are posted: proxies and servers refuse long URLs. */
const maxUrlSize = 2000;

/** One server. All methods reject with ApiError, ConnectionError or AnswerError, or with the reason of the signal. */
export class Client {
  readonly #options: ClientOptions;
  constructor(options: ClientOptions) {
    this.#options = options;
  }

  query(request: InstantQuery): Promise<QueryAnswer> {
    return this.#queryAnswer("api/v1/query", [["query", request.query], ...timeParameter("time", request.timeMs)], request.signal);
  }

  queryRange(request: RangeQuery): Promise<QueryAnswer> {
    const parameters: Parameters = [
      ["query", request.query],
      ["start", seconds(request.startMs)],
      ["end", seconds(request.endMs)],
      ["step", seconds(request.stepMs)],
    ];
    return this.#queryAnswer("api/v1/query_range", parameters, request.signal);
  }

  labels(request: SeriesQuery = {}): Promise<string[]> {
    return this.#json<string[]>("api/v1/labels", seriesParameters(request), request.signal);
  }

  labelValues(label: string, request: SeriesQuery = {}): Promise<string[]> {
    return this.#json<string[]>(`api/v1/label/${encodeURIComponent(label)}/values`, seriesParameters(request), request.signal);
  }

  series(request: SeriesQuery): Promise<Record<string, string>[]> {
    return this.#json<Record<string, string>[]>("api/v1/series", seriesParameters(request), request.signal);
  }

  metadata(request: RequestOptions & { readonly metric?: string; readonly limit?: number } = {}): Promise<Record<string, MetricMetadata[]>> {
    const parameters: [string, string][] = [];
    if (request.metric !== undefined) parameters.push(["metric", request.metric]);
    if (request.limit !== undefined) parameters.push(["limit", String(request.limit)]);
    return this.#json<Record<string, MetricMetadata[]>>("api/v1/metadata", parameters, request.signal);
  }

  buildInfo(request: RequestOptions = {}): Promise<Record<string, string>> {
    return this.#json<Record<string, string>>("api/v1/status/buildinfo", [], request.signal);
  }

  async #queryAnswer(path: string, parameters: Parameters, signal: AbortSignal | undefined): Promise<QueryAnswer> {
    const bytes = await this.#request(path, parameters, signal);
    return runInSlices(parseQueryAnswer(bytes), signal);
  }

  /** The `data` of an answer. Its shape is the server's word. */
  async #json<T>(path: string, parameters: Parameters, signal: AbortSignal | undefined): Promise<T> {
    const bytes = await this.#request(path, parameters, signal);
    const envelope = parseEnvelope(bytes);
    if (envelope?.status !== "success" || envelope.data === undefined) throw new AnswerError(`the answer of ${path} is not what this API gives`);
    return envelope.data as T;
  }

  async #request(path: string, parameters: Parameters, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const timeoutMs = this.#options.timeoutMs ?? defaultTimeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await this.#send(path, parameters, signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (!response.ok) throw apiError(response.status, response.statusText, bytes);
      return bytes;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      signal?.throwIfAborted();
      if (timeout.aborted) throw new ConnectionError(`no answer after ${timeoutMs / 1000} s`, { cause: error });
      throw new ConnectionError(`cannot reach the server: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  #send(path: string, parameters: Parameters, signal: AbortSignal): Promise<Response> {
    const call = this.#options.fetch ?? fetch;
    const url = new URL(path, this.#options.baseUrl);
    const form = new URLSearchParams([...parameters].map(([key, value]) => [key, value]));
    const text = form.toString();
    const headers = { accept: "application/json", ...this.#options.headers };
    if (url.href.length + text.length > maxUrlSize) return call(url, { method: "POST", headers, body: form, signal });
    url.search = text;
    return call(url, { headers, signal });
  }
}

/** Seconds with milliseconds, as the API takes times and durations. */
function seconds(timeMs: number): string {
  return String(Math.round(timeMs) / 1000);
}

function timeParameter(name: string, timeMs: number | undefined): [string, string][] {
  return timeMs === undefined ? [] : [[name, seconds(timeMs)]];
}

function seriesParameters(request: SeriesQuery): [string, string][] {
  const parameters: [string, string][] = (request.match ?? []).map((selector) => ["match[]", selector]);
  parameters.push(...timeParameter("start", request.startMs), ...timeParameter("end", request.endMs));
  if (request.limit !== undefined) parameters.push(["limit", String(request.limit)]);
  return parameters;
}

interface Envelope {
  readonly status?: unknown;
  readonly data?: unknown;
  readonly errorType?: unknown;
  readonly error?: unknown;
  /** Character of the query at which it went wrong; Tidemark only. */
  readonly position?: unknown;
}

function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined; // plain text of a proxy, for example: the caller says what it expected
  }
}

const maxPlainMessageSize = 500;

function apiError(status: number, statusText: string, bytes: Uint8Array): ApiError {
  const envelope = parseEnvelope(bytes);
  if (typeof envelope?.error === "string") {
    const offset = typeof envelope.position === "number" ? envelope.position : undefined;
    return new ApiError(status, String(envelope.errorType ?? `http_${status}`), envelope.error, offset);
  }
  const plain = new TextDecoder().decode(bytes.subarray(0, maxPlainMessageSize)).trim();
  const detail = plain === "" || plain.startsWith("<") ? statusText : plain;
  return new ApiError(status, `http_${status}`, `the server answered ${status} ${detail}`.trim());
}
