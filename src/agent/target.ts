/**
 * A target: what is scraped, how often, and with which labels. It is made of an address with labels as discovered, which relabeling
 * may change or drop.
 */
import { checksumHexOfBytes } from "../kernel/checksum.ts";
import { type Labels, labelsToRecord } from "../model/labels.ts";
import { parseDurationMs, printDuration } from "../pipeline/config_duration.ts";
import { dropInternalLabels, labelsOfMap } from "../pipeline/relabel_rules.ts";
import type { LabelMap } from "../pipeline/replacement_template.ts";
import type { ScrapeJob, ScrapeLimits } from "./scrape_config.ts";
import { scrapeUrlOf } from "./scrape_url.ts";

export interface Target {
  readonly job: ScrapeJob;
  readonly url: string;
  /** Of every series that is scraped. */
  readonly labels: Labels;
  /** Before relabeling, with all that begins with `__`. */
  readonly discoveredLabels: Readonly<Record<string, string>>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly limits: ScrapeLimits;
  /** Equal keys: the same target with the same settings. */
  readonly key: string;
  /** Where in the interval it is scraped: the same for the same target, spread evenly over all targets. */
  readonly offsetMs: number;
}

export interface DroppedTarget {
  readonly discoveredLabels: Readonly<Record<string, string>>;
  /** Why, if it is a mistake and not the wish of a rule. */
  readonly problem: string | undefined;
}

/** The labels of an address before relabeling; labels of its group win over those of the job. */
export function discoveredLabels(job: ScrapeJob, address: string, groupLabels: ReadonlyMap<string, string>): LabelMap {
  const labels: LabelMap = new Map([
    ["job", job.name],
    ["__address__", address],
    ["__scheme__", job.scheme],
    ["__metrics_path__", job.metricsPath],
    ["__scrape_interval__", printDuration(job.intervalMs)],
    ["__scrape_timeout__", printDuration(job.timeoutMs)],
  ]);
  for (const [name, values] of job.params) if (values.length > 0) labels.set(`__param_${name}`, values[0]);
  for (const [name, value] of groupLabels) labels.set(name, value);
  return labels;
}

/** Relabels an address into a target. */
export function makeTarget(job: ScrapeJob, discovered: LabelMap): Target | DroppedTarget {
  const discoveredRecord = labelsToRecord(labelsOfMap(discovered));
  const dropped = (problem?: string): DroppedTarget => ({ discoveredLabels: discoveredRecord, problem });
  const labels: LabelMap = new Map(discovered);
  if (!job.relabelRules.apply(labels)) return dropped();
  const scrapeUrl = scrapeUrlOf(labels, job.params);
  if (scrapeUrl === undefined) return dropped();
  if (!URL.canParse(scrapeUrl.url)) return dropped(`bad URL ${scrapeUrl.url}`);
  const settings = settingsOf(job, labels);
  if (typeof settings === "string") return dropped(settings);
  dropInternalLabels(labels);
  labels.delete("__name__");
  if (!labels.get("instance")) labels.set("instance", scrapeUrl.address);
  const targetLabels = labelsOfMap(labels);
  const identity = JSON.stringify([scrapeUrl.url, targetLabels]);
  return {
    job, url: scrapeUrl.url, labels: targetLabels, discoveredLabels: discoveredRecord, ...settings,
    key: JSON.stringify([identity, settings, job.settingsKey]),
    offsetMs: Math.floor((settings.intervalMs * Number.parseInt(checksumHexOfBytes(Buffer.from(identity)).slice(0, 8), 16)) / 2 ** 32),
  };
}

export function isDropped(target: Target | DroppedTarget): target is DroppedTarget {
  return !("job" in target);
}

/** Interval, timeout and limits, which relabeling may have changed; a text says what is wrong. */
function settingsOf(job: ScrapeJob, labels: LabelMap): Pick<Target, "intervalMs" | "timeoutMs" | "limits"> | string {
  const intervalMs = parseDurationMs(labels.get("__scrape_interval__") ?? "");
  const timeoutMs = parseDurationMs(labels.get("__scrape_timeout__") ?? "");
  if (!intervalMs) return `bad __scrape_interval__ ${JSON.stringify(labels.get("__scrape_interval__"))}`;
  if (!timeoutMs) return `bad __scrape_timeout__ ${JSON.stringify(labels.get("__scrape_timeout__"))}`;
  const sampleLimit = Number(labels.get("__sample_limit__") ?? job.limits.sampleLimit);
  const labelLimit = Number(labels.get("__label_limit__") ?? job.limits.labelLimit);
  if (!Number.isSafeInteger(sampleLimit) || sampleLimit < 0) return `bad __sample_limit__ ${JSON.stringify(labels.get("__sample_limit__"))}`;
  if (!Number.isSafeInteger(labelLimit) || labelLimit < 0) return `bad __label_limit__ ${JSON.stringify(labels.get("__label_limit__"))}`;
  return { intervalMs, timeoutMs: Math.min(timeoutMs, intervalMs), limits: { ...job.limits, sampleLimit, labelLimit } };
}
