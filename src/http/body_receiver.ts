/**
 * Receives the body of a write request: limits are enforced while bytes arrive, gzip, deflate and zstd are decoded on the way (in
 * Node.js' thread pool), snappy stays as it is. A body that is refused or whose client goes away leaves nothing behind.
 */
import type { Transform } from "node:stream";
import { InputError, LimitError } from "../base/errors.ts";
import type { ByteBudget } from "./byte_budget.ts";
import { ChunkList } from "./chunk_list.ts";
import { type ContentEncoding, createDecoder } from "./content_encoding.ts";
import type { Exchange } from "./exchange.ts";

/** A received body; it holds bytes of the budget until it is disposed of. */
export class ReceivedBody implements Disposable {
  readonly encoding: ContentEncoding;
  readonly chunks = new ChunkList();
  readonly #budget: ByteBudget;
  #takenBytes = 0;

  constructor(encoding: ContentEncoding, budget: ByteBudget) {
    this.encoding = encoding;
    this.#budget = budget;
  }

  /** Throws UnavailableError when the budget is used up. */
  append(chunk: Buffer): void {
    this.#budget.take(chunk.length);
    this.#takenBytes += chunk.length;
    this.chunks.append(chunk);
  }

  [Symbol.dispose](): void {
    this.#budget.give(this.#takenBytes);
    this.#takenBytes = 0;
    this.chunks.clear();
  }
}

export interface ReceiveOptions {
  readonly encoding: ContentEncoding;
  /** For the body as received and as decoded. */
  readonly limitBytes: number;
  readonly limitFlag: string;
  readonly budget: ByteBudget;
}

/** Resolves when the body is there. Rejects with LimitError "body_too_large", InputError "corrupt_<encoding>" or "canceled", UnavailableError. */
export async function receiveBody(exchange: Exchange, options: ReceiveOptions): Promise<ReceivedBody> {
  const { request } = exchange;
  const announcedBytes = Number(request.headers["content-length"] ?? 0);
  if (announcedBytes > options.limitBytes) throw tooLarge("is", announcedBytes, options);
  options.budget.check(announcedBytes);
  exchange.wantBody();
  const body = new ReceivedBody(options.encoding, options.budget);
  const decoder = createDecoder(options.encoding);
  try {
    await (decoder === undefined ? receivePlain(exchange, body, options) : receiveDecoded(exchange, decoder, body, options));
    return body;
  } catch (error) {
    body[Symbol.dispose]();
    request.removeAllListeners("data");
    decoder?.destroy();
    request.resume(); // what still comes is read and forgotten, until the connection is cut
    throw error;
  }
}

function receivePlain({ request }: Exchange, body: ReceivedBody, options: ReceiveOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request.on("data", (chunk: Buffer) => {
    try {
      if (body.chunks.sizeBytes + chunk.length > options.limitBytes) throw tooLarge("has more than", options.limitBytes, options);
      body.append(chunk);
    } catch (error) {
      request.pause();
      reject(error);
    }
  });
  request.once("end", resolve);
  request.once("close", () => {
    if (!request.complete) reject(clientGone());
  });
  return promise;
}

function receiveDecoded({ request }: Exchange, decoder: Transform, body: ReceivedBody, options: ReceiveOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let receivedBytes = 0;
  request.on("data", (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (receivedBytes > options.limitBytes) reject(tooLarge("has more than", options.limitBytes, options));
  });
  request.once("close", () => {
    if (!request.complete) reject(clientGone());
  });
  decoder.on("data", (chunk: Buffer) => {
    try {
      if (body.chunks.sizeBytes + chunk.length > options.limitBytes) throw tooLarge("decodes to more than", options.limitBytes, options);
      body.append(chunk);
    } catch (error) {
      request.unpipe(decoder);
      decoder.destroy();
      reject(error);
    }
  });
  decoder.once("end", resolve);
  decoder.once("error", (cause) => reject(corrupt(options.encoding, cause)));
  request.pipe(decoder);
  return promise;
}

function tooLarge(how: string, sizeBytes: number, options: ReceiveOptions): LimitError {
  const actual = how === "is" ? `${sizeBytes} bytes long` : `${sizeBytes} bytes`;
  return new LimitError("body_too_large", `the body ${how} ${actual}, the limit is ${options.limitBytes} (${options.limitFlag})`);
}

function corrupt(encoding: ContentEncoding, cause: Error): InputError {
  return new InputError(`corrupt_${encoding}`, `corrupt ${encoding} body: ${cause.message}`, { cause });
}

function clientGone(): InputError {
  return new InputError("canceled", "the client closed the connection before its request was complete");
}
