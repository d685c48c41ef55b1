/** What can go wrong when asking a server. A request that was cancelled through its signal rejects with the reason of the signal instead. */
import { findErrorPosition, offsetOfPosition } from "./error_position.ts";
import type { ErrorPosition } from "./error_position.ts";

/** Base of all errors of the client. `code` is stable; `isRetryable` says that the same request may succeed later. */
export abstract class ClientError extends Error {
  readonly code: string;
  readonly isRetryable: boolean;
  constructor(code: string, message: string, isRetryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.isRetryable = isRetryable;
  }
}

/** The server answered with an error. `errorType` is the one of the Prometheus envelope, or "http_<status>" if there was none. */
export class ApiError extends ClientError {
  override readonly name = "ApiError";
  readonly status: number;
  readonly errorType: string;
  /** Where in the query the error is, if the message says so. */
  readonly position: ErrorPosition | undefined;
  /** The same as a number of characters, if the server gives it. */
  readonly offset: number | undefined;
  constructor(status: number, errorType: string, message: string, offset?: number) {
    super(errorType, message, status === 429 || status >= 500);
    this.status = status;
    this.errorType = errorType;
    this.position = findErrorPosition(message);
    this.offset = offset;
  }
}

/** The character of `query` at which the error is, counted from 0; undefined if nobody said so. */
export function errorOffset(query: string, error: ApiError): number | undefined {
  if (error.offset !== undefined) return Math.max(0, Math.min(query.length, error.offset));
  return error.position === undefined ? undefined : offsetOfPosition(query, error.position);
}

/** The server could not be reached, or the connection broke. */
export class ConnectionError extends ClientError {
  override readonly name = "ConnectionError";
  constructor(message: string, options?: ErrorOptions) {
    super("connection", message, true, options);
  }
}

/** The server answered something that is not the answer of this API. */
export class AnswerError extends ClientError {
  override readonly name = "AnswerError";
  constructor(message: string, options?: ErrorOptions) {
    super("answer", message, false, options);
  }
}
