/** Groups of targets as configuration files list them: under static_configs, and in the files that file_sd_configs names. */
import { dirname, resolve } from "node:path";
import { type ConfigField, durationField, hasKey, listField, namesField, readMap, textField } from "../pipeline/config_value.ts";

/** Addresses with the labels that they have in common. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
}

const addressField: ConfigField<string> = (value, path, problems) => {
  const address = textField(value, path, problems);
  if (address === undefined) return undefined;
  return address !== "" && !/\s/.test(address) ? address : problems.add(value.position, path, "bad address; allowed: host:port or a URL");
};

const groupFields = { targets: listField(addressField), labels: namesField(textField) };

export const targetGroupField: ConfigField<TargetGroup> = (value, path, problems) => {
  const group = readMap(value, groupFields, path, problems);
  return group && { targets: group.targets ?? [], labels: group.labels ?? new Map() };
};

/** One entry of file_sd_configs. */
export interface FileDiscovery {
  /** Absolute paths with wildcards; the file has them relative to its own folder. */
  readonly patterns: readonly string[];
  readonly refreshMs: number;
}

/** As VictoriaMetrics; files are watched besides. */
const defaultRefreshMs = 60_000;

const patternField: ConfigField<string> = (value, path, problems) => {
  const pattern = textField(value, path, problems);
  if (pattern === undefined || /\.(json|ya?ml)$/.test(pattern)) return pattern;
  return problems.add(value.position, path, "bad file name; allowed: paths that end with .json, .yml or .yaml, wildcards * ? [ ]");
};

const discoveryFields = { files: listField(patternField), refresh_interval: durationField };

export const fileDiscoveryField: ConfigField<FileDiscovery> = (value, path, problems) => {
  const record = readMap(value, discoveryFields, path, problems);
  if (record === undefined) return undefined;
  if (!hasKey(value, "files")) return problems.add(value.position, path, "files is missing");
  return { patterns: (record.files ?? []).map((pattern) => resolve(dirname(problems.file), pattern)), refreshMs: Math.max(record.refresh_interval ?? defaultRefreshMs, 1_000) };
};
