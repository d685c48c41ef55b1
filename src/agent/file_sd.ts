/**
 * Target groups out of files (file_sd_configs): lists of `{targets, labels}` in JSON or YAML. Files are read again when their folder
 * changes and at the refresh interval. A file that is broken keeps the groups it had before, and is complained about once; a file
 * that is gone takes its targets with it.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { type FileSystem, readFile } from "../disk/file_system.ts";
import { ConfigProblems, type ConfigValue, listField } from "../pipeline/config_value.ts";
import { expandPattern, fixedFolder } from "./file_glob.ts";
import { type FileDiscovery, type TargetGroup, targetGroupField } from "./target_group.ts";
import { parseYamlConfig } from "./yaml_config.ts";

/** Calls back when something in the folder changes, soon and maybe more than once. Watching may fail silently: files are polled, too. */
export type WatchFolder = (folder: string, onChange: () => void) => Disposable;

export interface FileDiscovererOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly watchFolder: WatchFolder;
  readonly logger: Logger;
  /** The groups have changed. */
  readonly onChange: () => void;
}

interface ReadFile {
  readonly text: string;
  readonly groups: readonly TargetGroup[];
}

/** Changes within this time after the first are taken together: editors write files in several steps. */
const settleMs = 100;
const fileBytesMax = 64 << 20;
const filePathLabel = "__meta_filepath";

export class FileDiscoverer implements Disposable {
  readonly #discovery: FileDiscovery;
  readonly #options: FileDiscovererOptions;
  readonly #watches: Disposable[] = [];
  #read = new Map<string, ReadFile>();
  /** The last complaint about each file. */
  readonly #complaints = new Map<string, string>();
  #refreshTimer: Disposable | undefined;
  #settleTimer: Disposable | undefined;

  /** Reads the files for the first time. */
  constructor(discovery: FileDiscovery, options: FileDiscovererOptions) {
    this.#discovery = discovery;
    this.#options = options;
    this.#readAll();
    const folders = new Set(discovery.patterns.map(fixedFolder));
    for (const folder of folders) this.#watches.push(options.watchFolder(folder, () => this.#settle()));
    this.#armRefresh();
  }

  /** Groups of all files, with the path of their file as a label. */
  groups(): readonly TargetGroup[] {
    return [...this.#read].flatMap(([path, { groups }]) => groups.map(({ targets, labels }) => ({ targets, labels: new Map([[filePathLabel, path], ...labels]) })));
  }

  [Symbol.dispose](): void {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#refreshTimer?.[Symbol.dispose]();
    this.#settleTimer?.[Symbol.dispose]();
  }

  #armRefresh(): void {
    this.#refreshTimer = this.#options.clock.setTimer(Math.min(this.#discovery.refreshMs, 86_400_000), () => {
      this.#refresh();
      this.#armRefresh();
    });
  }

  #settle(): void {
    this.#settleTimer ??= this.#options.clock.setTimer(settleMs, () => {
      this.#settleTimer = undefined;
      this.#refresh();
    });
  }

  #refresh(): void {
    if (this.#readAll()) this.#options.onChange();
  }

  /** Whether anything has changed. */
  #readAll(): boolean {
    const before = this.#read;
    const now = new Map<string, ReadFile>();
    for (const path of new Set(this.#discovery.patterns.flatMap((pattern) => expandPattern(this.#options.files, pattern)))) {
      const read = this.#readOne(path, before.get(path));
      if (read !== undefined) now.set(path, read);
    }
    this.#read = now;
    return now.size !== before.size || [...now].some(([path, read]) => before.get(path) !== read);
  }

  /** The same object if the groups are still the same. */
  #readOne(path: string, before: ReadFile | undefined): ReadFile | undefined {
    const problems = new ConfigProblems(path);
    try {
      if (this.#options.files.size(path) > fileBytesMax) throw new Error(`${path} is larger than ${fileBytesMax} bytes`);
      const text = Buffer.from(readFile(this.#options.files, path)).toString("utf8");
      if (before?.text === text) return before;
      const value = parseYamlConfig(text, problems);
      const groups = value && groupsOf(value, problems);
      problems.throwIfAny();
      this.#complaints.delete(path);
      return { text, groups: groups ?? [] };
    } catch (error) {
      this.#complain(path, error instanceof Error ? error.message : String(error), before !== undefined);
      return before;
    }
  }

  #complain(path: string, message: string, hasOldGroups: boolean): void {
    if (this.#complaints.get(path) === message) return;
    this.#complaints.set(path, message);
    this.#options.logger.error(`cannot use the targets of ${path}${hasOldGroups ? ", the old ones stay" : ""}: ${message}`);
  }
}

const groupsField = listField(targetGroupField);

function groupsOf(value: ConfigValue, problems: ConfigProblems): readonly TargetGroup[] | undefined {
  const isEmptyFile = value.kind === "map" && value.entries.length === 0 || value.kind === "scalar" && value.value === null;
  return isEmptyFile ? [] : groupsField(value, "", problems);
}
