/**
 * TableFiles: the live files of a data directory: each change of the manifest makes a new version; files that are no longer named are removed when no
 * reader of an older version is left. Everything here is on the thread that owns the files.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { Manifest } from "./manifest.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition, ManifestState } from "./manifest_state.ts";
import { partitionPath } from "./table_version.ts";

/** Files that the manifest does not name any more. */
interface Removal {
  /** Readers of versions before this one may still use them. */
  readonly version: number;
  readonly paths: readonly string[];
  /** A partition that was dropped: its directory goes too, unless the partition has come back. */
  readonly partition: string | undefined;
}

export class TableFiles {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Partitions that the running seal writes to, and the id of the part that it makes there. */
  readonly sealing = new Map<string, number>();
  readonly #manifest: Manifest;
  readonly #removals: Removal[] = [];
  /** What another thread is removing. */
  readonly #removing = new Set<string>();
  #versionNumber = 1;
  #releasedVersion = 0;
  #nextFileId: number;

  constructor(files: FileSystem, directory: string, manifest: Manifest, clock: Clock, logger: Logger) {
    this.files = files;
    this.directory = directory;
    this.clock = clock;
    this.logger = logger;
    this.#manifest = manifest;
    this.#nextFileId = manifest.state.nextPartId;
  }

  get state(): ManifestState {
    return this.#manifest.state;
  }

  /** Counts up with every commit. */
  get versionNumber(): number {
    return this.#versionNumber;
  }

  /** An id for a part or an index segment; never used again. */
  takeFileId(): number {
    return this.#nextFileId++;
  }

  path(partition: string): string {
    return partitionPath(this.directory, partition);
  }

  commit(state: ManifestState): void {
    this.#manifest.commit({ ...state, nextPartId: this.#nextFileId });
    this.#versionNumber++;
  }

  /** Removes files, after the commit that no longer names them, when nobody reads them any more. */
  removeLater(partition: string, parts: readonly ManifestPart[], indexSegments: readonly ManifestIndexSegment[], options: { isDropped?: boolean } = {}): void {
    const base = this.path(partition);
    const paths = [...parts.map(({ id }) => `${base}/parts/${id}`), ...indexSegments.flatMap(({ files }) => files.map((file) => `${base}/${file}`))];
    this.#removals.push({ version: this.#versionNumber, paths, partition: options.isDropped === true ? partition : undefined });
  }

  /** Removes files that left the table in versions up to this one; Infinity: there are no readers any more. */
  releaseVersion(version: number): void {
    this.#releasedVersion = Math.max(this.#releasedVersion, version);
    while (this.#removals.length > 0 && this.#removals[0].version <= version) {
      const { paths, partition } = this.#removals[0];
      this.#removals.shift();
      if (partition === undefined || this.#isInUse(partition)) for (const path of paths) this.#startRemoval(path);
      else this.#removeDropped(partition);
    }
  }

  #isInUse(partition: string): boolean {
    return this.sealing.has(partition) || this.state.partitions.some(({ name }) => name === partition);
  }

  /** Under another name, because the partition may come back while the disk is still removing it. */
  #removeDropped(partition: string): void {
    const path = this.path(partition);
    const gonePath = `${path}.gone-${this.#versionNumber}`;
    this.quietly(() => {
      if (this.files.exists(path)) this.files.rename(path, gonePath);
    });
    this.#startRemoval(gonePath);
  }

  #startRemoval(path: string): void {
    this.quietly(() => {
      const removing = this.files.startRemoveTree(path);
      if (removing === undefined) return;
      this.#removing.add(path);
      removing.catch((error: unknown) => this.#warn(error)).finally(() => this.#removing.delete(path));
    });
  }

  /** Removes all that was released, and finishes what is being removed. What a reader may still read stays: the next start removes it. */
  close(): void {
    this.releaseVersion(this.#releasedVersion);
    for (const path of this.#removing) this.quietly(() => this.files.removeTree(path));
  }

  /** For removing, which is of no consequence: what stays belongs to nothing, and the next start removes it. */
  quietly(remove: () => void): void {
    try {
      remove();
    } catch (error) {
      if (fileErrorCode(error) === undefined) throw error;
      this.#warn(error);
    }
  }

  #warn(error: unknown): void {
    this.logger.warn(`cannot remove what is no longer needed: ${String(error)}`);
  }
}

/** The state with one partition changed, or added in its place. */
export function withPartition(state: ManifestState, name: string, change: (old: ManifestPartition) => ManifestPartition): ManifestState {
  const old = state.partitions.find((partition) => partition.name === name) ?? { name, parts: [], indexSegments: [] };
  const others = state.partitions.filter((partition) => partition.name !== name);
  const partitions = [...others, change(old)].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return { ...state, partitions };
}
