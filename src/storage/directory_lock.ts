/**
 * A data directory belongs to one process. The owner is named in the file `lock` of the directory:
 *
 *   {"pid":123,"processStart":"<boot id>/<start in clock ticks>","sinceMs":1767225600000,"token":"<random>"}
 *
 * A process that died leaves its lock behind; the process start time tells it from a later process with the same pid. The file is made
 * whole under another name and then linked to its own, which succeeds for exactly one of several processes. To take over a stale lock, a
 * process first claims it: it links its own record to `lock.claim-<token of the stale lock>`, which again succeeds for exactly one, and
 * only the claimant replaces the lock. If the claimant dies in between, its claim is claimed in the same way.
 *
 * Not covered: two machines that share the directory over a network, and two containers with separate process lists.
 */
import { readFileSync } from "node:fs";
import { StorageError } from "../base/errors.ts";
import { fileErrorCode, storageErrorOf } from "../disk/file_error.ts";
import { makeDirectoryDurable, readFile } from "../disk/file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";

/** The processes of this machine, as far as locking needs them; simulated in tests. */
export interface ProcessTable {
  readonly pid: number;
  /** Tells processes with the same pid apart; undefined if no such process is alive. */
  startOf(pid: number): string | undefined;
}

export interface DirectoryLockOptions {
  readonly processes: ProcessTable;
  readonly nowMs: number;
  /** Unique for each lock taken. */
  readonly token: string;
}

/** Holds the directory until it is closed. Closing twice is fine. */
export class DirectoryLock implements Disposable {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #token: string;
  #held = true;

  constructor(files: FileSystem, directory: string, token: string) {
    this.#files = files;
    this.#directory = directory;
    this.#token = token;
  }

  close(): void {
    if (!this.#held) return;
    this.#held = false;
    const path = lockPath(this.#directory);
    try {
      // Not ours any more only if somebody removed the file by hand.
      if (readOwner(this.#files, path)?.token === this.#token) this.#files.remove(path);
    } catch (error) {
      throw storageErrorOf(error, `cannot remove ${path}`);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes the directory if needed and takes its lock. Throws StorageError "directory_locked" if another owner (or this process itself) holds
 * it; the message says which and since when.
 */
export function lockDirectory(files: FileSystem, directory: string, options: DirectoryLockOptions): DirectoryLock {
  const { processes, nowMs, token } = options;
  const owner: Owner = { pid: processes.pid, processStart: processes.startOf(processes.pid) ?? "", sinceMs: nowMs, token };
  const ownPath = `${lockPath(directory)}.${token}`;
  try {
    makeDirectoryDurable(files, directory);
    writeOwner(files, ownPath, owner);
    try {
      acquire(files, directory, owner, ownPath, processes);
    } finally {
      removeIfThere(files, ownPath);
    }
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw storageErrorOf(error, `cannot lock data directory ${directory}`);
  }
  return new DirectoryLock(files, directory, token);
}

/** The process that has the directory now, for those who only want to read it; undefined if there is none, or the one that locked it is dead. */
export function ownerOf(files: FileSystem, directory: string, processes: ProcessTable): { readonly pid: number; readonly sinceMs: number } | undefined {
  const owner = readOwner(files, lockPath(directory));
  return owner !== undefined && isAlive(owner, processes) ? owner : undefined;
}

/** The processes of a Linux machine from /proc; elsewhere start times are not known, and a live pid holds its lock. */
export const systemProcesses: ProcessTable = {
  pid: process.pid,
  startOf(pid) {
    try {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      // The name of the program, in parentheses, may hold anything; the fields after it are plain. Start time is field 22.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" || fields[0] === "X" ? undefined : `${boot}/${fields[19]}`;
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      return process.platform === "linux" ? undefined : startWithoutProc(pid);
    }
  },
};

interface Owner {
  readonly pid: number;
  readonly processStart: string;
  readonly sinceMs: number;
  readonly token: string;
}

/** Each round, another process has made progress; so many in a row means that something else is wrong. */
const roundsMax = 100;

function acquire(files: FileSystem, directory: string, owner: Owner, ownPath: string, processes: ProcessTable): void {
  const path = lockPath(directory);
  for (let round = 0; round < roundsMax; round++) {
    if (tryLink(files, ownPath, path)) return;
    const held = readOwner(files, path);
    if (held === undefined) continue; // released meanwhile
    const claimPath = takeOver(files, directory, held, ownPath, processes);
    if (claimPath === undefined) continue;
    // Only the claimant replaces a lock, so what stands there now stays until we do.
    if (readOwner(files, path)?.token === held.token) {
      files.rename(ownPath, path);
      removeLeftovers(files, directory, processes);
      return;
    }
    removeIfThere(files, claimPath); // the lock was replaced before our claim
  }
  throw new StorageError("directory_locked", `data directory ${directory}: its lock keeps changing hands; owner ${owner.pid} gave up`);
}

/** Claims a stale lock; returns the path of our claim, undefined if another one came first. Throws if the owner or a claimant is alive. */
function takeOver(files: FileSystem, directory: string, held: Owner, ownPath: string, processes: ProcessTable): string | undefined {
  let stale = held;
  for (;;) {
    if (isAlive(stale, processes)) throw lockedError(directory, stale, processes);
    const claimPath = `${lockPath(directory)}.claim-${stale.token}`;
    if (tryLink(files, ownPath, claimPath)) return claimPath;
    const claimant = readOwner(files, claimPath);
    if (claimant === undefined) return undefined;
    if (claimant.token === stale.token) removeIfThere(files, claimPath); // torn by a power loss, as the lock was
    stale = claimant;
  }
}

function isAlive(owner: Owner, processes: ProcessTable): boolean {
  const start = processes.startOf(owner.pid);
  return start !== undefined && start === owner.processStart;
}

function lockedError(directory: string, owner: Owner, processes: ProcessTable): StorageError {
  const who = owner.pid === processes.pid ? `this process (${owner.pid})` : `process ${owner.pid}`;
  const since = new Date(owner.sinceMs).toISOString();
  return new StorageError("directory_locked", `data directory ${directory} is in use by ${who} since ${since}; stop it or choose another data path`);
}

/** Claims, which are void now, and records of processes that died while they waited. */
function removeLeftovers(files: FileSystem, directory: string, processes: ProcessTable): void {
  for (const name of files.list(directory)) {
    if (!name.startsWith("lock.")) continue;
    const owner = readOwner(files, `${directory}/${name}`);
    // A record that cannot be read may be one that its process is writing just now.
    const isDead = owner !== undefined && owner.pid !== 0 && !isAlive(owner, processes);
    if (isDead || name.startsWith("lock.claim-")) removeIfThere(files, `${directory}/${name}`);
  }
}

function removeIfThere(files: FileSystem, path: string): void {
  try {
    files.remove(path);
  } catch (error) {
    if (fileErrorCode(error) !== "ENOENT") throw error;
  }
}

function tryLink(files: FileSystem, fromPath: string, toPath: string): boolean {
  try {
    files.hardLink(fromPath, toPath);
    return true;
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "EEXIST") return false;
    if (code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS") return tryCreate(files, fromPath, toPath);
    throw error;
  }
}

/** For file systems without hard links: the name is taken atomically too, but another process may see the file before its content. */
function tryCreate(files: FileSystem, fromPath: string, toPath: string): boolean {
  try {
    using file = files.open(toPath, "exclusive");
    file.write(readFile(files, fromPath), 0);
    return true;
  } catch (error) {
    if (fileErrorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function writeOwner(files: FileSystem, path: string, owner: Owner): void {
  using file = files.open(path, "create");
  file.write(new TextEncoder().encode(JSON.stringify(owner) + "\n"), 0);
  file.sync();
}

/** Undefined if there is no such file. One that was torn by a crash reads as an owner that is not alive. */
function readOwner(files: FileSystem, path: string): Owner | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFile(files, path);
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isOwner(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { pid: 0, processStart: "", sinceMs: 0, token: "unknown" };
}

/** Dates do not go further. */
const timeMsMax = 8.64e15;

function isOwner(value: unknown): value is Owner {
  if (typeof value !== "object" || value === null) return false;
  const { pid, processStart, sinceMs, token } = value as Record<string, unknown>;
  const isProcess = Number.isInteger(pid) && (pid as number) >= 0 && (pid as number) <= 2 ** 31 && typeof processStart === "string";
  return isProcess && Number.isFinite(sinceMs) && Math.abs(sinceMs as number) <= timeMsMax && typeof token === "string" && /^[\w-]+$/.test(token);
}

function startWithoutProc(pid: number): string | undefined {
  try {
    process.kill(pid, 0); // signal 0 only asks
    return "";
  } catch (error) {
    return fileErrorCode(error) === "EPERM" ? "" : undefined;
  }
}

function lockPath(directory: string): string {
  return `${directory}/lock`;
}
