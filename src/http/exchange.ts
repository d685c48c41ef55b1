/** One request and its answer: what endpoints work with instead of the objects of node:http. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Transform } from "node:stream";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { InputError, LimitError, UnavailableError } from "../base/errors.ts";
import { type AnswerEncoding, chooseEncoding, createEncoder, encodeNow } from "./content_encoding.ts";
import { RequestArguments } from "./request_arguments.ts";

const compressBytesMin = 1024;
/** Larger bodies are compressed in pieces on other threads. */
const compressNowBytesMax = 64 << 10;
/** Larger ones are sent in pieces: the kernel copies what is written at once for as long as the client keeps up, and the thread does nothing else meanwhile. */
const sendNowBytesMax = 1 << 20;
const pieceBytes = 256 << 10;
const formBytesMax = 4 << 20;

/** A connection whose request was not read to its end is closed this long after the answer. */
const unreadBodyGraceMs = 2000;
/** A client that takes none of a streamed answer for this long is cut off. */
const slowReaderMs = 60_000;

export interface ExchangeOptions {
  /** The client waits for a word before it sends the body. */
  readonly expectsContinue?: boolean;
  /** Whether answers may be compressed. */
  readonly compresses?: boolean;
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: Clock;
  /** As the client wrote it, without the query string. */
  readonly path: string;
  /** Parts of the path that the route leaves open, decoded. */
  variables: readonly string[] = [];
  readonly #queryText: string;
  #query: URLSearchParams | undefined;
  #abort: AbortController | undefined;
  #expectsContinue: boolean;
  readonly #compresses: boolean;
  /** Names and values in turn, for every answer. */
  readonly #headers: string[] = [];
  /** Of a streamed answer. */
  #encoder: Transform | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, clock: Clock, { expectsContinue = false, compresses = true }: ExchangeOptions = {}) {
    this.request = request;
    this.response = response;
    this.clock = clock;
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.#queryText = mark < 0 ? "" : url.slice(mark + 1);
    this.#expectsContinue = expectsContinue;
    this.#compresses = compresses;
  }

  /** A header that the answer gets, whatever it is. */
  addHeader(name: string, value: string): void {
    this.#headers.push(name, value);
  }

  get method(): string {
    return this.request.method ?? "GET";
  }

  /** The query string without "?". */
  get queryText(): string {
    return this.#queryText;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText);
    return this.#query;
  }

  /** A header in lower case; "" if it is missing. */
  header(name: string): string {
    const value = this.request.headers[name];
    return (Array.isArray(value) ? value.join(",") : (value ?? "")).toLowerCase();
  }

  /** Aborted when the client goes away before it has its answer, or by abort(). */
  get signal(): AbortSignal {
    return this.#controller().signal;
  }

  /** Gives the request up; the reason is the error to answer with. */
  abort(reason: Error): void {
    this.#controller().abort(reason);
  }

  /** The client, and what proxies say about theirs, as VictoriaMetrics writes it. */
  get remoteAddress(): string {
    const { remoteAddress, remotePort } = this.request.socket;
    const host = remoteAddress?.includes(":") === true ? `[${remoteAddress}]` : (remoteAddress ?? "unknown");
    const forwardedFor = this.header("x-forwarded-for");
    return `${host}:${remotePort ?? 0}${forwardedFor === "" ? "" : `, X-Forwarded-For: ${forwardedFor}`}`;
  }

  /** Tells a client that waits for it to send the body; whoever reads the body calls this first. */
  wantBody(): void {
    if (this.#expectsContinue) this.response.writeContinue();
    this.#expectsContinue = false;
  }

  /** Arguments from the query string and, if the body is a form, from there. */
  async arguments(): Promise<RequestArguments> {
    if (this.method !== "POST" || !this.header("content-type").startsWith("application/x-www-form-urlencoded")) return new RequestArguments(this.#queryText);
    return new RequestArguments(this.#queryText, await this.#readForm());
  }

  /** Answers with a JSON document, compressed if it is worth it and the client takes it. */
  async sendJson(document: unknown, status = 200): Promise<void> {
    await this.send(status, "application/json", JSON.stringify(document));
  }

  /** Answers with a whole body, compressed if it is worth it and the client takes it. */
  async send(status: number, contentType: string, body: string | Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<void> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const encoding = bytes.length < compressBytesMin ? undefined : this.#encoding();
    const isInPieces = bytes.length > (encoding === undefined ? sendNowBytesMax : compressNowBytesMax) && this.method !== "HEAD";
    if (!isInPieces && encoding === undefined) return this.#end(status, { ...headers, "Content-Type": contentType }, bytes);
    if (!isInPieces && encoding !== undefined) {
      return this.#end(status, { ...headers, "Content-Type": contentType, "Content-Encoding": encoding, Vary: "Accept-Encoding" }, encodeNow(encoding, bytes));
    }
    if (this.response.closed || this.response.destroyed) return;
    this.startStream(status, contentType, encoding === undefined ? { ...headers, "Content-Length": bytes.length } : headers);
    for (let from = 0; from < bytes.length; from += pieceBytes) await this.writeStream(bytes.subarray(from, from + pieceBytes));
    this.endStream();
  }

  /** Answers with bytes as they are; the caller has chosen the headers. */
  sendBytes(status: number, bytes: Uint8Array, headers: OutgoingHttpHeaders): void {
    this.#end(status, headers, bytes);
  }

  /** Answers without a body. */
  sendEmpty(status: number, headers: OutgoingHttpHeaders = {}): void {
    this.#end(status, headers, undefined);
  }

  /** Begins an answer of unknown length, compressed if the client takes it. */
  startStream(status: number, contentType: string, headers: OutgoingHttpHeaders = {}): void {
    const encoding = this.#encoding();
    const { response } = this;
    response.writeHead(status, this.#allHeaders({ ...headers, "Content-Type": contentType, ...(encoding === undefined ? {} : { "Content-Encoding": encoding, Vary: "Accept-Encoding" }) }));
    if (encoding === undefined) return;
    const encoder = createEncoder(encoding);
    this.#encoder = encoder;
    encoder.on("error", () => response.destroy());
    encoder.pipe(response);
    response.once("close", () => encoder.destroy());
  }

  /** Sends a piece of a streamed answer; waits while the client is slow and gives it up in the end. */
  async writeStream(piece: Uint8Array | string): Promise<void> {
    this.signal.throwIfAborted();
    const target = this.#encoder ?? this.response;
    if (target.write(piece)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { signal, response } = this;
    const onAbort = (): void => reject(signal.reason);
    using _timer = this.clock.setTimer(slowReaderMs, () => {
      response.destroy();
      reject(new UnavailableError("slow_client", "the client does not read its answer"));
    });
    target.once("drain", resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      target.off("drain", resolve);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Ends a streamed answer. */
  endStream(): void {
    (this.#encoder ?? this.response).end();
  }

  acceptsGzip(): boolean {
    return this.#compresses && chooseEncoding(this.header("accept-encoding").replaceAll("zstd", "")) === "gzip";
  }

  #encoding(): AnswerEncoding | undefined {
    return this.#compresses ? chooseEncoding(this.header("accept-encoding")) : undefined;
  }

  #controller(): AbortController {
    if (this.#abort !== undefined) return this.#abort;
    const controller = new AbortController();
    this.#abort = controller;
    const onClose = (): void => {
      if (!this.response.writableFinished) controller.abort(new InputError("canceled", "the client closed the connection"));
    };
    if (this.response.closed) onClose();
    else this.response.once("close", onClose);
    return controller;
  }

  #end(status: number, headers: OutgoingHttpHeaders, body: Uint8Array | undefined): void {
    const { response, request } = this;
    if (response.closed || response.destroyed) return;
    assert(!response.headersSent, "a request is answered once");
    const isUnread = !request.complete && this.#hasBody();
    if (isUnread) response.setHeader("Connection", "close");
    const list = this.#allHeaders(headers);
    if (status !== 204 && status !== 304) list.push("Content-Length", String(body?.length ?? 0));
    response.writeHead(status, list);
    if (isUnread && !this.#expectsContinue && !request.destroyed) this.#endWhenBodyIsRead(body);
    else response.end(body);
  }

  /** As a list: node:http takes it as it is, unless setHeader was called too. */
  #allHeaders(headers: OutgoingHttpHeaders): string[] {
    const list = [...this.#headers];
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined) list.push(name, String(value));
    }
    return list;
  }

  /** `complete` alone does not tell: it is not set yet when a request without body is answered at once. */
  #hasBody(): boolean {
    const { headers } = this.request;
    return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  }

  /**
   * The client may go on sending a body that nobody wants. Closing the connection with bytes of it unread would reset it, and the client
   * would see the reset instead of the answer. So the answer is sent, what still comes is thrown away for a while, and only then the
   * answer is ended, which closes the connection.
   */
  #endWhenBodyIsRead(body: Uint8Array | undefined): void {
    const { response, request, clock } = this;
    if (body === undefined || body.length === 0) response.flushHeaders();
    else response.write(body);
    const end = (): void => {
      timer[Symbol.dispose]();
      response.end();
    };
    const timer = clock.setTimer(unreadBodyGraceMs, end);
    request.once("close", end);
    request.resume();
  }

  async #readForm(): Promise<string> {
    this.wantBody();
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of this.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > formBytesMax) throw new LimitError("body_too_large", `the form is larger than ${formBytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }
}
