/** What fetches the pages of targets: http_scrape_client.ts over the network, a fake one in tests. */
import { TidemarkError } from "../base/errors.ts";
import type { HttpSettings } from "./http_settings.ts";

export interface ScrapeRequest {
  readonly url: string;
  readonly http: HttpSettings;
  /** The Accept header; undefined: the text formats. */
  readonly accept?: string | undefined;
  /** The target is told; the signal ends it. */
  readonly timeoutMs: number;
  /** Of the decompressed body. */
  readonly bodyBytesMax: number;
  readonly signal: AbortSignal;
}

export interface ScrapeResponse {
  readonly contentType: string;
  /** Decompressed. */
  readonly body: Uint8Array;
}

export interface ScrapeClient extends Disposable {
  /** Throws ScrapeError; rejects when the signal is aborted. */
  get(request: ScrapeRequest): Promise<ScrapeResponse>;
}

export type ScrapeErrorCode = "timeout" | "connection" | "status" | "too_large" | "encoding" | "secret" | "over_limit" | "no_samples";

/** Why a scrape failed; the message is shown as lastError of the target. */
export class ScrapeError extends TidemarkError {
  override readonly name = "ScrapeError";
  declare readonly code: ScrapeErrorCode;
  constructor(code: ScrapeErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
