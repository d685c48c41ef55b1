/**
 * Fetches pages with HTTP/1.1: connections are kept, gzip is accepted, redirects are followed (credentials stay with their host), bodies
 * are bounded before and after decompression.
 */
import type { Agent, IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { HttpAgent, httpRequest, nodeHttps } from "../base/node_http.ts";
import { type FileSystem, readFile } from "../disk/file_system.ts";
import type { Authorization, HttpSettings, Secret, TlsSettings } from "./http_settings.ts";
import { type ScrapeClient, ScrapeError, type ScrapeRequest, type ScrapeResponse } from "./scrape_client.ts";

const redirectsMax = 10;
const textFormats = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.1";
const decompress = promisify(gunzip);

interface RawResponse {
  readonly status: number;
  readonly statusText: string;
  readonly location: string | undefined;
  readonly contentType: string;
  readonly encoding: string;
  readonly body: Buffer;
}

export class HttpScrapeClient implements ScrapeClient {
  readonly #files: FileSystem;
  readonly #agents = new Map<string, Agent>();

  /** `files` holds the secrets that settings name. */
  constructor(files: FileSystem) {
    this.#files = files;
  }

  async get(request: ScrapeRequest): Promise<ScrapeResponse> {
    const first = new URL(request.url);
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(url, request, url.host === first.host && url.protocol === first.protocol);
      if (response.status === 200) return { contentType: response.contentType, body: await decode(response, request.bodyBytesMax) };
      if (!isRedirect(response) || !request.http.followsRedirects) throw statusError(response);
      if (redirects === redirectsMax) throw new ScrapeError("status", `more than ${redirectsMax} redirects`);
      url = redirected(url, response.location!);
    }
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  /** One request; once more on a new connection if a kept one turns out to be closed. */
  async #send(url: URL, request: ScrapeRequest, withCredentials: boolean): Promise<RawResponse> {
    const headers = this.#headers(request, withCredentials);
    const agent = this.#agent(url, request.http);
    for (;;) {
      try {
        return await exchange(url, headers, agent, request);
      } catch (error) {
        if (request.signal.aborted) throw request.signal.reason;
        if (error instanceof ScrapeError) throw error;
        if (error instanceof StaleConnection) continue;
        throw new ScrapeError("connection", `cannot scrape: ${error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error)}`, { cause: error });
      }
    }
  }

  #headers({ http, timeoutMs, accept = textFormats }: ScrapeRequest, withCredentials: boolean): Record<string, string> {
    const headers: Record<string, string> = {
      "Accept": accept,
      "Accept-Encoding": http.acceptsGzip ? "gzip" : "identity",
      "User-Agent": "Tidemark",
      "X-Prometheus-Scrape-Timeout-Seconds": String(timeoutMs / 1000),
    };
    if (!withCredentials) return headers;
    for (const { name, value } of http.headers) headers[name] = this.#secret(value);
    const authorization = this.#authorization(http.authorization);
    if (authorization !== undefined) headers["Authorization"] = authorization;
    return headers;
  }

  #authorization(authorization: Authorization): string | undefined {
    if (authorization.kind === "none") return undefined;
    if (authorization.kind === "header") return `${authorization.type} ${this.#secret(authorization.credentials)}`;
    const pair = `${this.#secret(authorization.username)}:${this.#secret(authorization.password)}`;
    return `Basic ${Buffer.from(pair).toString("base64")}`;
  }

  #secret(secret: Secret): string {
    if ("text" in secret) return secret.text;
    try {
      return Buffer.from(readFile(this.#files, secret.file)).toString("utf8").trim();
    } catch (cause) {
      throw new ScrapeError("secret", `cannot read ${secret.file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }

  #agent(url: URL, { tls, keepsAlive }: HttpSettings): Agent {
    const isSecure = url.protocol === "https:";
    const key = JSON.stringify([isSecure, keepsAlive, isSecure ? tls : undefined]);
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = isSecure ? new (nodeHttps().Agent)({ keepAlive: keepsAlive, ...this.#tlsOptions(tls) }) : new HttpAgent({ keepAlive: keepsAlive });
      this.#agents.set(key, agent);
    }
    return agent;
  }

  #tlsOptions(tls: TlsSettings): Record<string, unknown> {
    const secret = (value: Secret | undefined): string | undefined => value && this.#secret(value);
    const options = { ca: secret(tls.ca), cert: secret(tls.cert), key: secret(tls.key), servername: tls.serverName, minVersion: tls.minVersion };
    return { rejectUnauthorized: !tls.skipsVerification, ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) };
  }
}

/** The server had closed a kept connection before it saw the request. */
class StaleConnection extends Error {}

function exchange(url: URL, headers: Record<string, string>, agent: Agent, { signal, bodyBytesMax }: ScrapeRequest): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? nodeHttps().request : httpRequest;
    const request = send(url, { agent, headers, signal }, (response) => {
      receive(response, bodyBytesMax).then(
        (body) =>
          resolve({
            status: response.statusCode ?? 0,
            statusText: response.statusMessage ?? "",
            location: response.headers.location,
            contentType: response.headers["content-type"] ?? "",
            encoding: (response.headers["content-encoding"] ?? "identity").trim().toLowerCase(),
            body,
          }),
        reject,
      );
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      const isStale = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(isStale ? new StaleConnection() : error);
    });
    request.end();
  });
}

function receive(response: IncomingMessage, bodyBytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    response.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes > bodyBytesMax) response.destroy(tooLarge(bodyBytesMax));
      else chunks.push(chunk);
    });
    response.on("end", () => resolve(Buffer.concat(chunks, sizeBytes)));
    response.on("error", reject);
    response.on("aborted", () => reject(new ScrapeError("connection", "the target closed the connection before the end of the body")));
  });
}

async function decode({ encoding, body }: RawResponse, bodyBytesMax: number): Promise<Uint8Array> {
  if (encoding === "identity" || encoding === "") return body;
  if (encoding !== "gzip" && encoding !== "x-gzip") throw new ScrapeError("encoding", `the target answers with Content-Encoding ${JSON.stringify(encoding)}; gzip was offered`);
  try {
    return await decompress(body, { maxOutputLength: bodyBytesMax });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(bodyBytesMax);
    throw new ScrapeError("encoding", `the gzip body is broken: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function tooLarge(bodyBytesMax: number): ScrapeError {
  return new ScrapeError("too_large", `the body is larger than ${bodyBytesMax} bytes; raise max_scrape_size (or body_size_limit) of the job, or scrape less`);
}

function isRedirect({ status, location }: RawResponse): boolean {
  return [301, 302, 303, 307, 308].includes(status) && location !== undefined;
}

function redirected(from: URL, location: string): URL {
  const url = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new ScrapeError("status", `bad redirect to ${JSON.stringify(location)}`);
}

function statusError({ status, statusText, encoding, body }: RawResponse): ScrapeError {
  const text = encoding === "identity" ? body.subarray(0, 200).toString("utf8").trim() : "";
  return new ScrapeError("status", `the target answers ${status} ${statusText}${text === "" ? "" : `: ${text}`}`);
}
