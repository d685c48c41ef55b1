/** Content-Encoding of request bodies: which there are, and their streaming decoders. Snappy is decoded in one go by the kernel. */
import type { Transform } from "node:stream";
import { constants, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
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
