/** Typed errors on their way between threads: structured clones lose the class and its fields. */
import { InputError, LimitError, StorageError, TidemarkError, UnavailableError, UnsupportedError } from "../base/errors.ts";

export interface ErrorMessage {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly offset?: number;
  readonly feature?: string;
  readonly retryAfterS?: number;
}

export function encodeError(error: unknown): ErrorMessage {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof TidemarkError)) return { name: "Error", code: "internal", message: error instanceof Error ? (error.stack ?? message) : message };
  const { name, code } = error;
  if (error instanceof InputError) return { name, code, message, offset: error.offset };
  if (error instanceof UnsupportedError) return { name, code, message, feature: error.feature };
  if (error instanceof UnavailableError) return { name, code, message, retryAfterS: error.retryAfterS };
  return { name, code, message };
}

export function decodeError(error: ErrorMessage): Error {
  switch (error.name) {
    case "InputError":
      return new InputError(error.code, error.message, { offset: error.offset });
    case "LimitError":
      return new LimitError(error.code, error.message);
    case "UnsupportedError":
      return new UnsupportedError(error.feature ?? "", error.message);
    case "UnavailableError":
      return new UnavailableError(error.code, error.message, { retryAfterS: error.retryAfterS });
    case "StorageError":
      return new StorageError(error.code, error.message);
    default:
      return new Error(error.message);
  }
}
