/**
 * Content-Encoding: of request bodies, which there are and their streaming decoders (snappy is decoded in one go by the kernel); of answers, what a client
 * takes and how it is made.
 */
import type { Transform } from "node:stream";
import { constants, createGunzip, createGzip, createInflate, createZstdCompress, createZstdDecompress, gzipSync, zstdCompressSync } from "node:zlib";
import { InputError } from "../base/errors.ts";

export type ContentEncoding = "identity" | "gzip" | "deflate" | "zstd" | "snappy";

const outputBytes = 64 << 10;
/** Larger zstd windows would let a few bytes ask for much memory; 8 MiB is what every decoder has to support. */
const zstdWindowLogMax = 23;

const encodings: ReadonlyMap<string, ContentEncoding> = new Map([
  ["identity", "identity"], ["gzip", "gzip"], ["x-gzip", "gzip"], ["deflate", "deflate"], ["zstd", "zstd"], ["snappy", "snappy"],
]);

/** The encoding that a header names. Throws InputError "unsupported_encoding" (415). */
export function parseContentEncoding(header: string, defaultEncoding: ContentEncoding): ContentEncoding {
  if (header === "") return defaultEncoding;
  const encoding = encodings.get(header.trim().toLowerCase());
  if (encoding !== undefined) return encoding;
  throw new InputError("unsupported_encoding", `Content-Encoding ${JSON.stringify(header)} is not supported; supported: gzip, deflate, zstd, snappy, identity`);
}

/** A decoder, or undefined if there is nothing to decode while receiving. */
export function createDecoder(encoding: ContentEncoding): Transform | undefined {
  switch (encoding) {
    case "gzip": return createGunzip({ chunkSize: outputBytes });
    case "deflate": return createInflate({ chunkSize: outputBytes });
    case "zstd": return createZstdDecompress({ chunkSize: outputBytes, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax } });
    default: return undefined;
  }
}

/** How an answer may be encoded. */
export type AnswerEncoding = "zstd" | "gzip";

/** Fast levels: answers are made anew each time, and networks are seldom what is short. zstd takes half the CPU of gzip, and less room. */
const gzipOptions = { level: 1, chunkSize: outputBytes };
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: outputBytes };

let lastHeader = "";
let lastChoice: AnswerEncoding | undefined;

/** The encoding that an Accept-Encoding header (in lower case) likes best; zstd of two that it likes equally; undefined for none. */
export function chooseEncoding(acceptEncoding: string): AnswerEncoding | undefined {
  // Clients send the same header each time.
  if (acceptEncoding !== lastHeader) {
    lastChoice = choiceOf(acceptEncoding);
    lastHeader = acceptEncoding;
  }
  return lastChoice;
}

function choiceOf(acceptEncoding: string): AnswerEncoding | undefined {
  const weights = new Map<string, number>();
  for (const item of acceptEncoding.split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, "");
    weights.set(name === "x-gzip" ? "gzip" : name, weight === undefined ? 1 : Number(weight) || 0);
  }
  const gzip = weights.get("gzip") ?? weights.get("*") ?? 0;
  // Not for "*": old clients that say so do not know zstd.
  const zstd = weights.get("zstd") ?? 0;
  if (zstd <= 0 && gzip <= 0) return undefined;
  return zstd >= gzip ? "zstd" : "gzip";
}

/** Encodes a small body at once: for up to about 64 KB that is a fraction of a millisecond, less than handing it to another thread takes. */
export function encodeNow(encoding: AnswerEncoding, body: Uint8Array): Uint8Array {
  return encoding === "zstd" ? zstdCompressSync(body, zstdOptions) : gzipSync(body, gzipOptions);
}

/** Encodes piece by piece, on threads of the runtime. */
export function createEncoder(encoding: AnswerEncoding): Transform {
  return encoding === "zstd" ? createZstdCompress(zstdOptions) : createGzip(gzipOptions);
}
