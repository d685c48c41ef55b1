/**
 * The scrape configuration: a Prometheus or VictoriaMetrics file with `global` and `scrape_configs`. All mistakes are reported at once,
 * each with file, line, column, key and what is allowed. Keys that are known but not obeyed are errors if they change what is
 * scraped, and warnings if they do not concern scraping. Described in docs/scraping.md.
 */
import { parseByteSize } from "../base/byte_size.ts";
import { checksumHexOfBytes } from "../kernel/checksum.ts";
import { type Labels, labelsOf } from "../model/labels.ts";
import {
  booleanField,
  type ConfigField,
  ConfigProblems,
  type ConfigRecord,
  type ConfigValue,
  durationField,
  hasKey,
  ignoredField,
  integerField,
  keyPosition,
  listField,
  namesField,
  readMap,
  textField,
  unsupportedField,
  wordField,
} from "../pipeline/config_value.ts";
import { relabelRulesField } from "../pipeline/relabel_config.ts";
import { noRelabelRules, type RelabelRules } from "../pipeline/relabel_rules.ts";
import type { HistogramOptions } from "../protocol/prometheus_protobuf.ts";
import { defaultBucketsMax } from "../protocol/remote_write_series.ts";
import { type HttpSettings, httpFields, readHttpSettings } from "./http_settings.ts";
import { type FileDiscovery, fileDiscoveryField, type TargetGroup, targetGroupField } from "./target_group.ts";
import { parseYamlConfig } from "./yaml_config.ts";

/** The words of scrape_protocols. */
export const scrapeProtocols = ["PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4", "PrometheusText1.0.0"] as const;
export type ScrapeProtocol = (typeof scrapeProtocols)[number];

export interface ScrapeConfig {
  readonly path: string;
  readonly jobs: readonly ScrapeJob[];
  /** Added to every series behind metric relabeling, as VictoriaMetrics does. */
  readonly externalLabels: Labels;
  /** Keys that are ignored, as lines for the log. */
  readonly warnings: readonly string[];
}

/** Limits of one scrape; a scrape over one of them stores nothing but `up` 0 and its kin. 0 is no limit. */
export interface ScrapeLimits {
  readonly sampleLimit: number;
  readonly labelLimit: number;
  readonly labelNameLengthLimit: number;
  readonly labelValueLengthLimit: number;
  /** Of the decompressed body. */
  readonly bodyBytesMax: number;
}

/** One entry of scrape_configs. */
export interface ScrapeJob {
  readonly name: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly metricsPath: string;
  readonly scheme: "http" | "https";
  readonly params: ReadonlyMap<string, readonly string[]>;
  readonly honorLabels: boolean;
  readonly honorTimestamps: boolean;
  readonly sendsStaleMarkers: boolean;
  readonly relabelRules: RelabelRules;
  readonly metricRelabelRules: RelabelRules;
  readonly limits: ScrapeLimits;
  readonly http: HttpSettings;
  /** What is asked for, best first; undefined: the text formats. */
  readonly protocols: readonly ScrapeProtocol[] | undefined;
  readonly histograms: HistogramOptions;
  readonly staticGroups: readonly TargetGroup[];
  readonly fileDiscoveries: readonly FileDiscovery[];
  /** A hash of all settings but the targets: a target keeps its loop over a reload if this and its labels stay the same. */
  readonly settingsKey: string;
}

const defaultIntervalMs = 60_000;
const defaultTimeoutMs = 10_000;
/** As VictoriaMetrics. */
const defaultBodyBytesMax = 16 << 20;
/** What "no limit" means: more would not fit the memory that bodies are parsed in. */
const bodyBytesHardMax = 1 << 30;
const countMax = 0xffffffff;

const positiveDurationField: ConfigField<number> = (value, path, problems) => {
  const durationMs = durationField(value, path, problems);
  if (durationMs === undefined || durationMs > 0) return durationMs;
  return problems.add(value.position, path, "must be more than 0");
};

const byteSizeField: ConfigField<number> = (value, path, problems) => {
  const sizeBytes = value.kind === "scalar" ? parseByteSize(value.text) : undefined;
  return sizeBytes ?? problems.add(value.position, path, "bad size; allowed: bytes such as 1048576, 10MB or 16MiB; 0 is no limit");
};

const limitFields = {
  sample_limit: integerField(0, countMax),
  label_limit: integerField(0, countMax),
  label_name_length_limit: integerField(0, countMax),
  label_value_length_limit: integerField(0, countMax),
  body_size_limit: byteSizeField,
  max_scrape_size: byteSizeField,
};

const protocolsField: ConfigField<readonly ScrapeProtocol[]> = (value, path, problems) => {
  const protocols = listField(wordField(scrapeProtocols))(value, path, problems);
  if (protocols === undefined) return undefined;
  if (protocols.length === 0) return problems.add(value.position, path, "must not be empty");
  return new Set(protocols).size === protocols.length ? protocols : problems.add(value.position, path, "has a protocol twice");
};

const factorField: ConfigField<number> = (value, path, problems) => {
  const factor = value.kind === "scalar" && value.text !== "" ? Number(value.text) : NaN;
  return factor >= 0 && factor <= 65_536 ? factor : problems.add(value.position, path, "bad factor; allowed: a number from 0 to 65536; 0 is no limit");
};
const unsupportedLimit = unsupportedField();

/** Keys that jobs and `global` have in common and that are not obeyed. */
const commonFields = {
  series_limit: unsupportedLimit,
  target_limit: unsupportedLimit,
  keep_dropped_targets: ignoredField("dropped targets are shown up to a fixed number"),
  scrape_protocols: protocolsField,
  metric_name_validation_scheme: ignoredField("all UTF-8 names are accepted"),
  metric_name_escaping_scheme: ignoredField("names are not escaped"),
  scrape_failure_log_file: ignoredField("failures are shown by /api/v1/targets"),
  scrape_native_histograms: booleanField,
  always_scrape_classic_histograms: booleanField,
  scrape_classic_histograms: booleanField,
  convert_classic_histograms_to_nhcb: booleanField,
  extra_scrape_metrics: ignoredField("the automatic series are fixed"),
};

/** Labels that begin with `__` have a meaning of their own. */
const externalLabelsField: ConfigField<ReadonlyMap<string, string>> = (value, path, problems) => {
  for (const entry of value.kind === "map" ? value.entries : []) {
    if (entry.key === "" || entry.key.startsWith("__")) problems.add(entry.keyPosition, `${path}.${entry.key}`, "bad label name; it must not be empty or begin with __");
  }
  return namesField(textField)(value, path, problems);
};

const globalFields = {
  scrape_interval: positiveDurationField,
  scrape_timeout: positiveDurationField,
  external_labels: externalLabelsField,
  relabel_configs: relabelRulesField,
  metric_relabel_configs: relabelRulesField,
  ...limitFields,
  ...commonFields,
  evaluation_interval: ignoredField("rules are not evaluated yet"),
  rule_query_offset: ignoredField("rules are not evaluated yet"),
  query_log_file: ignoredField("queries are not logged"),
};

/** Service discoveries of Prometheus and VictoriaMetrics that are not there yet. */
const otherDiscoveries = `aws azure consul consulagent digitalocean dns docker dockerswarm ec2 eureka gce hetzner http ionos kubernetes kuma lightsail
  linode marathon nerve nomad oci openstack outscale ovhcloud puppetdb scaleway serverset stackit triton uyuni vultr yandexcloud`.split(/\s+/);

const discoveryFields = Object.fromEntries(
  [...otherDiscoveries.map((name) => `${name}_sd_configs`), "vultr_configs"].map((key) => [key, unsupportedField("use static_configs or file_sd_configs")]),
);

const jobFields = {
  job_name: textField,
  scrape_interval: positiveDurationField,
  scrape_timeout: positiveDurationField,
  metrics_path: textField,
  scheme: wordField(["http", "https"]),
  params: namesField(listField(textField)),
  honor_labels: booleanField,
  honor_timestamps: booleanField,
  no_stale_markers: booleanField,
  relabel_configs: relabelRulesField,
  metric_relabel_configs: relabelRulesField,
  static_configs: listField(targetGroupField),
  file_sd_configs: listField(fileDiscoveryField),
  ...limitFields,
  ...httpFields,
  ...discoveryFields,
  ...commonFields,
  scrape_align_interval: unsupportedField(),
  scrape_offset: unsupportedField(),
  stream_parse: ignoredField("bodies are always parsed in slices"),
  track_timestamps_staleness: ignoredField("staleness is tracked for series with timestamps, too"),
  fallback_scrape_protocol: ignoredField("a page without a known Content-Type is read as text"),
  native_histogram_bucket_limit: integerField(0, countMax),
  native_histogram_min_bucket_factor: factorField,
  relabel_debug: ignoredField("there is no relabel debugger yet"),
  metric_relabel_debug: ignoredField("there is no relabel debugger yet"),
};

const noRemote = ignoredField("data is not sent to or read from other systems yet");
const noRules = ignoredField("rules are not evaluated yet");
const serverSetting = ignoredField("set by flags here");

const fileFields = {
  global: (value, path, problems) => readMap(value, globalFields, path, problems) && value,
  scrape_configs: listField((value) => value),
  scrape_config_files: unsupportedField(),
  rule_files: noRules,
  alerting: noRules,
  remote_write: noRemote,
  remote_read: noRemote,
  otlp: serverSetting,
  storage: serverSetting,
  tracing: serverSetting,
  runtime: serverSetting,
} satisfies Record<string, ConfigField<unknown>>;

type GlobalRecord = ConfigRecord<typeof globalFields>;
type JobRecord = ConfigRecord<typeof jobFields>;

/** Where `%{NAME}` in the file takes its text from. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Parses the text of the file at `path`, which is named in messages. Throws InputError `bad_config` with one line for everything that
 * is wrong.
 */
export function parseScrapeConfig(text: string, path: string, environment: Environment = {}): ScrapeConfig {
  const problems = new ConfigProblems(path);
  const value = parseYamlConfig(expandEnvironment(text, environment, problems), problems);
  const file = value && readMap(value, fileFields, "", problems);
  // `global` has been checked by its field; it is read again for its content.
  const globals = file?.global && readMap(file.global, globalFields, "global", new ConfigProblems(path));
  const jobs = (file?.scrape_configs ?? []).map((job, i) => readJob(job, `scrape_configs[${i}]`, globals, problems));
  checkNames(jobs, problems);
  problems.throwIfAny();
  return {
    path,
    jobs: jobs.flatMap((job) => job?.job ?? []),
    externalLabels: labelsOf(Object.fromEntries(globals?.external_labels ?? [])),
    warnings: problems.warnings,
  };
}

/** Puts environment variables in place of `%{NAME}`. */
function expandEnvironment(text: string, environment: Environment, problems: ConfigProblems): string {
  return text.replace(/%\{([^{}\n]*)\}/g, (whole, name: string, offset: number) => {
    const value = environment[name];
    if (value !== undefined) return value;
    const before = text.slice(0, offset);
    problems.add({ line: before.split("\n").length, column: offset - before.lastIndexOf("\n") }, "", `there is no environment variable ${JSON.stringify(name)}`);
    return whole.replaceAll(/[%{}]/g, "_");
  });
}

function readJob(value: ConfigValue, path: string, globals: GlobalRecord | undefined, problems: ConfigProblems): { job: ScrapeJob; value: ConfigValue; path: string } | undefined {
  const record = readMap(value, jobFields, path, problems);
  if (record === undefined) return undefined;
  if (!hasKey(value, "job_name") || record.job_name === "") problems.add(keyPosition(value, "job_name"), path, "job_name is missing or empty");
  const http = readHttpSettings(value, record, path, problems);
  const { intervalMs, timeoutMs } = readTimes(value, record, path, globals, problems);
  const settings = {
    name: record.job_name ?? "",
    intervalMs,
    timeoutMs,
    metricsPath: record.metrics_path ?? "/metrics",
    scheme: record.scheme ?? "http",
    params: record.params ?? new Map<string, readonly string[]>(),
    honorLabels: record.honor_labels ?? false,
    honorTimestamps: record.honor_timestamps ?? false,
    sendsStaleMarkers: record.no_stale_markers !== true,
    limits: limitsOf(record, globals),
    http,
    ...histogramSettings(record, globals),
  };
  const job: ScrapeJob = {
    ...settings,
    relabelRules: (globals?.relabel_configs ?? noRelabelRules).concat(record.relabel_configs ?? noRelabelRules),
    metricRelabelRules: (globals?.metric_relabel_configs ?? noRelabelRules).concat(record.metric_relabel_configs ?? noRelabelRules),
    staticGroups: record.static_configs ?? [],
    fileDiscoveries: record.file_sd_configs ?? [],
    settingsKey: hashOf([{ ...settings, params: [...settings.params] }, globals?.metric_relabel_configs?.source, record.metric_relabel_configs?.source, [...(globals?.external_labels ?? [])]]),
  };
  return { job, value, path };
}

function hashOf(data: unknown): string {
  return checksumHexOfBytes(Buffer.from(JSON.stringify(data)));
}

function readTimes(value: ConfigValue, record: JobRecord, path: string, globals: GlobalRecord | undefined, problems: ConfigProblems): { intervalMs: number; timeoutMs: number } {
  const intervalMs = record.scrape_interval ?? globals?.scrape_interval ?? defaultIntervalMs;
  const timeoutMs = record.scrape_timeout ?? Math.min(globals?.scrape_timeout ?? defaultTimeoutMs, intervalMs);
  if (timeoutMs > intervalMs) {
    problems.add(keyPosition(value, "scrape_timeout"), `${path}.scrape_timeout`, `must not be longer than scrape_interval (${intervalMs / 1000}s)`);
  }
  return { intervalMs, timeoutMs };
}

function limitsOf(record: JobRecord, globals: GlobalRecord | undefined): ScrapeLimits {
  const sizes = [record.body_size_limit ?? record.max_scrape_size, globals?.body_size_limit ?? globals?.max_scrape_size];
  const bodyBytesMax = sizes.find((size) => size !== undefined) ?? defaultBodyBytesMax;
  return {
    sampleLimit: record.sample_limit ?? globals?.sample_limit ?? 0,
    labelLimit: record.label_limit ?? globals?.label_limit ?? 0,
    labelNameLengthLimit: record.label_name_length_limit ?? globals?.label_name_length_limit ?? 0,
    labelValueLengthLimit: record.label_value_length_limit ?? globals?.label_value_length_limit ?? 0,
    bodyBytesMax: bodyBytesMax === 0 ? bodyBytesHardMax : Math.min(bodyBytesMax, bodyBytesHardMax),
  };
}

/** As in Prometheus: native histograms are asked for before all else, unless the protocols are given. */
function histogramSettings(record: JobRecord, globals: GlobalRecord | undefined): Pick<ScrapeJob, "protocols" | "histograms"> {
  const takesNative = record.scrape_native_histograms ?? globals?.scrape_native_histograms ?? false;
  const classic = [record.always_scrape_classic_histograms, record.scrape_classic_histograms, globals?.always_scrape_classic_histograms, globals?.scrape_classic_histograms];
  const protocols = record.scrape_protocols ?? globals?.scrape_protocols;
  return {
    protocols: protocols ?? (takesNative ? protobufFirst : undefined),
    histograms: {
      takesNative,
      takesClassicBesides: classic.find((flag) => flag !== undefined) ?? false,
      bucketsMax: record.native_histogram_bucket_limit || defaultBucketsMax,
      minBucketFactor: record.native_histogram_min_bucket_factor ?? 0,
      convertsClassic: record.convert_classic_histograms_to_nhcb ?? globals?.convert_classic_histograms_to_nhcb ?? false,
    },
  };
}

/** Only protobuf pages have native histograms, and start timestamps of all that counts. */
export const protobufFirst: readonly ScrapeProtocol[] = ["PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];

function checkNames(jobs: readonly ReturnType<typeof readJob>[], problems: ConfigProblems): void {
  const lines = new Map<string, number>();
  for (const read of jobs) {
    if (read === undefined || read.job.name === "") continue;
    const { line } = keyPosition(read.value, "job_name");
    const before = lines.get(read.job.name);
    if (before === undefined) lines.set(read.job.name, line);
    else problems.add(keyPosition(read.value, "job_name"), `${read.path}.job_name`, `there is a job ${JSON.stringify(read.job.name)} in line ${before} already`);
  }
}
