/** Errors of the disk: all implementations of FileSystem throw Errors with a Node.js `code`; storage/ turns them into StorageErrors. */
import { StorageError } from "../base/errors.ts";

/** What Node.js throws too: an Error with `code`, `syscall` and `path`. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: string;
  readonly syscall: string;
  readonly path: string;
  constructor(code: string, syscall: string, path: string) {
    super(`${code}: ${reasons[code] ?? "error"}, ${syscall} '${path}'`);
    this.code = code;
    this.syscall = syscall;
    this.path = path;
  }
}

/** The Node.js code of a disk error (ENOENT, EIO ...); undefined for everything else, such as a failed assertion. */
export function fileErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/**
 * A StorageError "disk_full" or "disk_error" for an error of the disk. Other errors are bugs or StorageErrors already and are
 * thrown again.
 */
export function storageErrorOf(error: unknown, message: string): StorageError {
  const code = fileErrorCode(error);
  if (code === undefined) throw error;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new StorageError(full ? "disk_full" : "disk_error", `${message}: ${(error as Error).message}`, { cause: error });
}

const reasons: Record<string, string> = {
  EBADF: "bad file descriptor",
  EEXIST: "file already exists",
  EINVAL: "invalid argument",
  EIO: "i/o error",
  EISDIR: "illegal operation on a directory",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  EPERM: "operation not permitted",
};
