/**
 * The manifest: the one truth about which files of a data directory are live. It is a small file, replaced as a whole by each commit, so
 * that after a crash the directory is in the state before or after a change, never between. The copy before the last one is kept:
 *
 *   <directory>/manifest             the state; text in manifest_state.ts
 *   <directory>/manifest.previous    the state before, used if the newer one is damaged
 *   <directory>/quarantine/          what was damaged or belonged to nothing known
 *
 * Files are written and synced before the commit that names them, and removed after the commit that no longer does. What a crash leaves
 * over (orphans) is found by removeOrphans().
 */
import { assert } from "../base/assert.ts";
import { StorageError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { silentLogger } from "../base/logger.ts";
import { fileErrorCode, storageErrorOf } from "../disk/file_error.ts";
import { makeDirectoryDurable, readFile } from "../disk/file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { currentVersions, formatProblem, type StorageFormats } from "./formats.ts";
import { findOrphans, moveToQuarantine } from "./manifest_orphans.ts";
import { decodeManifest, encodeManifest, manifestProblem } from "./manifest_state.ts";
import type { ManifestState } from "./manifest_state.ts";

export interface OpenManifestOptions {
  /** Unpredictable bytes for the identity and fingerprint seed of a new directory. */
  readonly randomBytes: (size: number) => Uint8Array;
  /** Of a new directory; an existing one keeps its own. */
  readonly shardCount: number;
  /** Format versions that this program reads and writes, by kind of file. A commit names the ones that it writes. */
  readonly formats: StorageFormats;
  readonly logger?: Logger;
}

const fileName = "manifest";
const previousName = "manifest.previous";

/**
 * Loads the manifest of a data directory, or makes a new directory. Throws StorageError: "unsupported_format" (written by a newer
 * program), "corrupt_manifest" (neither copy can be used), "missing_manifest" (there is data, but no manifest), "disk_full", "disk_error".
 * REQUIRES: this process holds the directory's lock.
 */
export function openManifest(files: FileSystem, directory: string, options: OpenManifestOptions): Manifest {
  const logger = options.logger ?? silentLogger;
  try {
    const loaded = load(files, directory, options.formats, logger);
    if (loaded !== undefined) {
      const { shardCount } = loaded.state;
      if (shardCount !== options.shardCount) logger.warn(`${directory} was made with ${shardCount} shard(s) and keeps them; ${options.shardCount} would need a new directory`);
      return loaded;
    }
    checkIsNew(files, directory);
    makeDirectoryDurable(files, directory);
    const manifest = new Manifest(files, directory, options.formats, logger, newState(options), "created");
    manifest.commit(manifest.state);
    return manifest;
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw storageErrorOf(error, `cannot open data directory ${directory}`);
  }
}

export class Manifest {
  /** `previous`: the newer copy was damaged; changes since the one before are forgotten. */
  readonly loadedFrom: "created" | "current" | "previous";
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #formats: StorageFormats;
  readonly #logger: Logger;
  #state: ManifestState;

  constructor(files: FileSystem, directory: string, formats: StorageFormats, logger: Logger, state: ManifestState, loadedFrom: "created" | "current" | "previous") {
    this.#files = files;
    this.#directory = directory;
    this.#formats = formats;
    this.#logger = logger;
    this.#state = state;
    this.loadedFrom = loadedFrom;
  }

  /** The last committed state. Of a directory that an older program has written, it names that program's formats until the first commit. */
  get state(): ManifestState {
    return this.#state;
  }

  /**
   * Replaces the state, durably; `formats` become those that this program writes. REQUIRES: all files that `wanted` names are written and synced, with their directories. Throws StorageError
   * "disk_full" or "disk_error"; then either state may be on the disk, so no file of either is removed before a later commit succeeds.
   */
  commit(wanted: ManifestState): void {
    const next = { ...wanted, formats: currentVersions(this.#formats) };
    const problem = manifestProblem(next) ?? successionProblem(this.#state, next);
    assert(problem === undefined, `manifest: ${problem}`);
    const path = `${this.#directory}/${fileName}`;
    try {
      writeSynced(this.#files, path + ".tmp", encodeManifest(next));
      this.#keepPrevious(path);
      this.#files.rename(path + ".tmp", path);
      this.#files.syncDirectory(this.#directory);
    } catch (error) {
      throw storageErrorOf(error, `cannot write ${path}`);
    }
    this.#state = next;
  }

  /**
   * Removes what stands in the partitions and is not named by the state: left over by a crash. After a load of the previous copy it is moved
   * to the quarantine instead, because the damaged copy may have named it. Returns the paths, relative to the directory. Called once after
   * opening, before anything new is written.
   */
  removeOrphans(): string[] {
    const orphans = findOrphans(this.#files, this.#directory, this.#state);
    const removed: string[] = [];
    for (const orphan of orphans) {
      try {
        if (this.loadedFrom === "previous") moveToQuarantine(this.#files, this.#directory, orphan);
        else this.#files.removeTree(`${this.#directory}/${orphan}`);
        removed.push(orphan);
      } catch (error) {
        if (fileErrorCode(error) === undefined) throw error;
        this.#logger.warn(`cannot remove ${orphan}, which belongs to nothing: ${String(error)}`); // the next start tries again
      }
    }
    const done = this.loadedFrom === "previous" ? "moved to the quarantine" : "left over by a crash and removed";
    if (removed.length > 0) this.#logger.info(`${removed.length} files or directories ${done}: ${removed.slice(0, 10).join(", ")}`);
    return removed;
  }

  /** Gives the current copy a second name. It is a safety net only, so a file system without hard links goes without. */
  #keepPrevious(path: string): void {
    if (!this.#files.exists(path)) return;
    const target = `${this.#directory}/${previousName}`;
    if (this.#files.exists(target + ".tmp")) this.#files.remove(target + ".tmp");
    try {
      this.#files.hardLink(path, target + ".tmp");
    } catch (error) {
      const code = fileErrorCode(error);
      if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
      this.#logger.warn(`no copy of ${path} is kept, because this file system has no hard links: ${String(error)}`);
      return;
    }
    this.#files.rename(target + ".tmp", target);
  }
}

/** Undefined if there is neither copy. */
function load(files: FileSystem, directory: string, formats: StorageFormats, logger: Logger): Manifest | undefined {
  const current = tryDecode(files, `${directory}/${fileName}`, formats);
  if (current !== undefined && !(current instanceof StorageError)) return new Manifest(files, directory, formats, logger, current, "current");
  const previous = tryDecode(files, `${directory}/${previousName}`, formats);
  if (previous === undefined) {
    if (current !== undefined) throw current;
    return undefined;
  }
  if (previous instanceof StorageError) throw current ?? previous;
  const reason = current === undefined ? `${directory}/${fileName} is missing` : current.message;
  logger.error(`${reason}; going on with ${previousName}: changes since then are forgotten, files that it does not name go to the quarantine`);
  if (current !== undefined) moveToQuarantine(files, directory, fileName);
  return new Manifest(files, directory, formats, logger, previous, "previous");
}

/** The state, the StorageError "corrupt_manifest" that says why not, or undefined if there is no such file. Throws "unsupported_format". */
function tryDecode(files: FileSystem, path: string, formats: StorageFormats): ManifestState | StorageError | undefined {
  if (!files.exists(path)) return undefined;
  try {
    const state = decodeManifest(readFile(files, path), path);
    const problem = formatProblem(state.formats, formats);
    if (problem !== undefined) throw new StorageError("unsupported_format", `${path} says that the directory has ${problem}`);
    return state;
  } catch (error) {
    if (error instanceof StorageError && error.code === "corrupt_manifest") return error;
    throw error;
  }
}

function checkIsNew(files: FileSystem, directory: string): void {
  for (const name of ["log", "partitions"]) {
    if (files.exists(`${directory}/${name}`) && files.list(`${directory}/${name}`).length > 0) {
      throw new StorageError("missing_manifest", `${directory} holds data in ${name}/, but has no manifest: it was moved or removed; put it back, or choose another data path`);
    }
  }
}

function newState(options: OpenManifestOptions): ManifestState {
  const hex = (size: number): string => Buffer.from(options.randomBytes(size)).toString("hex");
  return {
    directoryId: hex(16),
    fingerprintSeed: [hex(8), hex(8)],
    shardCount: options.shardCount,
    nextPartId: 1,
    nextSeriesId: 1,
    checkpoint: { segment: 1, logRow: 0 },
    formats: currentVersions(options.formats),
    partitions: [],
  };
}

/** Numbers that are never reused only grow; the identity stays. */
function successionProblem(state: ManifestState, next: ManifestState): string | undefined {
  if (next.directoryId !== state.directoryId || next.fingerprintSeed.join() !== state.fingerprintSeed.join()) return "the identity of the directory changes";
  if (next.nextPartId < state.nextPartId) return "nextPartId goes back";
  if (next.nextSeriesId < state.nextSeriesId) return "nextSeriesId goes back";
  if (next.checkpoint.segment < state.checkpoint.segment || next.checkpoint.logRow < state.checkpoint.logRow) return "the checkpoint goes back";
  for (const { parts, indexSegments } of next.partitions) {
    for (const { id } of [...parts, ...indexSegments]) if (id >= next.nextPartId) return `id ${id} is not below nextPartId`;
  }
  return undefined;
}

function writeSynced(files: FileSystem, path: string, bytes: Uint8Array): void {
  using file = files.open(path, "create");
  file.write(bytes, 0);
  file.sync();
}
