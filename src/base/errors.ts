/**
 * Typed errors. `code` is stable and machine-readable; http/ turns it into a status in one place.
 * InputError: the caller sent something wrong. LimitError: well-formed, but over a limit.
 * StorageError: the disk or its contents. UnavailableError: try again later.
 */

export abstract class TidemarkError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Bad input. `offset` is the byte (or character, in a query) at which it went wrong, if known. */
export class InputError extends TidemarkError {
  override readonly name = "InputError";
  readonly offset: number | undefined;
  constructor(code: string, message: string, options?: ErrorOptions & { offset?: number }) {
    super(code, message, options);
    this.offset = options?.offset;
  }
}

/** A well-formed request over a limit; the message names the limit, the actual figure and the flag to change. */
export class LimitError extends TidemarkError {
  override readonly name = "LimitError";
}

/** Known, but not (yet) supported here; `feature` is its name in the user's words. */
export class UnsupportedError extends TidemarkError {
  override readonly name = "UnsupportedError";
  readonly feature: string;
  constructor(feature: string, message: string) {
    super("unsupported", message);
    this.feature = feature;
  }
}

/** The disk failed or holds something unexpected. */
export class StorageError extends TidemarkError {
  override readonly name = "StorageError";
}

/** Overload, shutting down, read-only: the same request may succeed later. */
export class UnavailableError extends TidemarkError {
  override readonly name = "UnavailableError";
  readonly retryAfterS: number;
  constructor(code: string, message: string, options?: ErrorOptions & { retryAfterS?: number }) {
    super(code, message, options);
    this.retryAfterS = options?.retryAfterS ?? 1;
  }
}
