/**
 * Typed errors to HTTP answers, in this one place. The body is the Prometheus envelope
 *
 *   {"status":"error","errorType":"bad_data","error":"...","position":17}      position: character in the query, if known
 *
 * | error            | status                                                                        |
 * |------------------|-------------------------------------------------------------------------------|
 * | InputError       | 400; 422 for what is wrong with a query; 404, 405, 413, 415 by code           |
 * | LimitError       | 422; 413 for bodies                                                           |
 * | UnsupportedError | 422                                                                           |
 * | UnavailableError | 503 with Retry-After; 429 when it is this client's turn that did not come     |
 * | anything else    | 500, logged                                                                   |
 */
import { InputError, LimitError, TidemarkError, UnavailableError, UnsupportedError } from "../base/errors.ts";

/** What goes to the client. */
export interface ErrorResponse {
  readonly status: number;
  readonly errorType: string;
  readonly message: string;
  readonly position: number | undefined;
  readonly retryAfterS: number | undefined;
  /** Not the client's doing: to be logged with its stack. */
  readonly isInternal: boolean;
}

interface CodeFacts {
  readonly status: number;
  readonly errorType: string;
}

const badData: CodeFacts = { status: 400, errorType: "bad_data" };
const badQuery: CodeFacts = { status: 422, errorType: "bad_data" };

/** Codes that are not answered like the other errors of their class. */
const factsByCode: Readonly<Record<string, CodeFacts>> = {
  parse_error: badQuery,
  bad_regexp: badQuery,
  bad_arguments: badQuery,
  bad_step: badQuery,
  bad_window: badQuery,
  bad_range: badQuery,
  bad_at: badQuery,
  bad_limit: badQuery,
  duplicate_series: { status: 422, errorType: "execution" },
  not_found: { status: 404, errorType: "not_found" },
  method_not_allowed: { status: 405, errorType: "bad_data" },
  body_too_large: { status: 413, errorType: "bad_data" },
  unsupported_encoding: { status: 415, errorType: "bad_data" },
  unsupported_content_type: { status: 415, errorType: "bad_data" },
  too_many_requests: { status: 429, errorType: "unavailable" },
  query_timeout: { status: 503, errorType: "timeout" },
  canceled: { status: 499, errorType: "canceled" },
};

/** The answer to `error`. */
export function describeError(error: unknown): ErrorResponse {
  const facts = error instanceof TidemarkError ? (factsByCode[error.code] ?? factsOfClass(error)) : undefined;
  if (facts === undefined) {
    const message = error instanceof Error ? error.message : String(error);
    return { status: 500, errorType: "internal", message, position: undefined, retryAfterS: undefined, isInternal: true };
  }
  return {
    ...facts,
    message: (error as TidemarkError).message,
    position: error instanceof InputError && facts.status === 422 ? error.offset : undefined,
    retryAfterS: error instanceof UnavailableError ? error.retryAfterS : undefined,
    isInternal: false,
  };
}

/** The body of the answer. */
export function errorBody(response: ErrorResponse): string {
  const { errorType, message, position } = response;
  return JSON.stringify({ status: "error", errorType, error: message, position });
}

function factsOfClass(error: TidemarkError): CodeFacts | undefined {
  if (error instanceof InputError) return badData;
  if (error instanceof LimitError || error instanceof UnsupportedError) return { status: 422, errorType: "execution" };
  return error instanceof UnavailableError ? { status: 503, errorType: "unavailable" } : undefined;
}
