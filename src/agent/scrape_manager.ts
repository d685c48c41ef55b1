/**
 * The scrape manager: from a configuration to running loops. A new configuration stops the loops of targets that are gone or whose
 * settings have changed, and leaves all others running; so do changed files of file_sd_configs.
 *
 *   const manager = new ScrapeManager({ sink: store, clock, logger, files });
 *   manager.applyConfig(parseScrapeConfig(text, path));
 *   manager.targets();
 *   await manager.close();
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { MetricRegistry } from "../base/metrics.ts";
import type { FileSystem } from "../disk/file_system.ts";
import type { IntakeRules } from "../kernel/label_run.ts";
import { labelsToRecord } from "../model/labels.ts";
import { printDuration } from "../pipeline/config_duration.ts";
import { FileDiscoverer, type WatchFolder } from "./file_sd.ts";
import { HttpScrapeClient } from "./http_scrape_client.ts";
import type { ScrapeClient } from "./scrape_client.ts";
import type { ScrapeConfig, ScrapeJob } from "./scrape_config.ts";
import { ScrapeIngest, type ScrapeSink } from "./scrape_ingest.ts";
import { ScrapeLoop, type ScrapeOutcome } from "./scrape_loop.ts";
import { ScrapeMetrics, type TargetCount } from "./scrape_metrics.ts";
import { discoveredLabels, type DroppedTarget, isDropped, makeTarget, type Target } from "./target.ts";
import type { TargetGroup } from "./target_group.ts";
import { watchFolder } from "./watch_folder.ts";

export interface ScrapeManagerOptions {
  /** Where samples go; a Store is one. */
  readonly sink: ScrapeSink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Holds the files of file_sd_configs and the secrets that a configuration names. */
  readonly files: FileSystem;
  readonly metrics?: MetricRegistry;
  /** Series over these are dropped. */
  readonly labelLimits?: IntakeRules;
  /** Start timestamps of what is scraped are stored, and protobuf, which has them, is asked for first; false without it. */
  readonly storesStarts?: boolean;
  /** Default: HTTP. The manager closes it. */
  readonly client?: ScrapeClient;
  /** Default: that of the machine. */
  readonly watchFolder?: WatchFolder;
}

/** A target in the words of the Prometheus API. */
export interface ActiveTarget {
  readonly discoveredLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly globalUrl: string;
  readonly lastError: string;
  /** RFC 3339; the year 1 before the first scrape. */
  readonly lastScrape: string;
  /** Seconds. */
  readonly lastScrapeDuration: number;
  readonly lastSamplesScraped: number;
  readonly health: "up" | "down" | "unknown";
  readonly scrapeInterval: string;
  readonly scrapeTimeout: string;
}

export interface TargetList {
  readonly activeTargets: readonly ActiveTarget[];
  readonly droppedTargets: readonly { readonly discoveredLabels: Readonly<Record<string, string>>; readonly scrapePool: string }[];
}

/** As in VictoriaMetrics. */
const droppedTargetsMax = 10_000;
const complaintsMax = 1_000;

export class ScrapeManager implements AsyncDisposable {
  readonly #options: ScrapeManagerOptions;
  readonly #client: ScrapeClient;
  readonly #ingest: ScrapeIngest;
  readonly #metrics: ScrapeMetrics | undefined;
  #config: ScrapeConfig | undefined;
  #discoverers = new Map<ScrapeJob, FileDiscoverer[]>();
  /** By Target.key, in the order of the configuration. */
  #loops = new Map<string, ScrapeLoop>();
  #dropped: { readonly target: DroppedTarget; readonly scrapePool: string }[] = [];
  readonly #stopping = new Set<Promise<void>>();
  /** What was said about targets that cannot be used, so that it is said once. */
  #complaints = new Set<string>();
  #closed: Promise<void> | undefined;

  constructor(options: ScrapeManagerOptions) {
    this.#options = options;
    this.#client = options.client ?? new HttpScrapeClient(options.files);
    this.#ingest = new ScrapeIngest(options.sink, options.labelLimits);
    this.#metrics = options.metrics && new ScrapeMetrics(options.metrics, () => this.#countTargets());
  }

  /** Takes over a configuration; targets that it has in common with the one before are not disturbed. */
  applyConfig(config: ScrapeConfig): void {
    if (this.#closed !== undefined) return;
    const before = [...this.#discoverers.values()].flat();
    this.#config = config;
    this.#discoverers = new Map(config.jobs.map((job) => [job, this.#discover(job)]));
    for (const discoverer of before) discoverer[Symbol.dispose]();
    for (const warning of config.warnings) this.#options.logger.warn(warning);
    this.#sync();
  }

  targets(): TargetList {
    return { activeTargets: this.activeTargets(), droppedTargets: this.droppedTargets() };
  }

  activeTargets(): readonly ActiveTarget[] {
    return Array.from(this.#loops.values(), describeTarget);
  }

  /** At most 10,000. */
  droppedTargets(): TargetList["droppedTargets"] {
    return this.#dropped.map(({ target, scrapePool }) => ({ discoveredLabels: target.discoveredLabels, scrapePool }));
  }

  /** Resolves when no scrape is running and all targets that were removed have been marked stale. */
  async idle(): Promise<void> {
    await Promise.all([...Array.from(this.#loops.values(), (loop) => loop.idle()), ...this.#stopping]);
  }

  /** Stops all loops; a scrape in flight is dropped. Series are not marked stale. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const discoverer of [...this.#discoverers.values()].flat()) discoverer[Symbol.dispose]();
    await Promise.all([...Array.from(this.#loops.values(), (loop) => loop.stop(false)), ...this.#stopping]);
    this.#client[Symbol.dispose]();
  }

  #discover(job: ScrapeJob): FileDiscoverer[] {
    const { files, clock, logger } = this.#options;
    const options = { files, clock, logger, watchFolder: this.#options.watchFolder ?? watchFolder, onChange: () => this.#sync() };
    return job.fileDiscoveries.map((discovery) => new FileDiscoverer(discovery, options));
  }

  /** Starts and stops loops, so that they are those of the configuration and its files. */
  #sync(): void {
    if (this.#closed !== undefined || this.#config === undefined) return;
    const { externalLabels } = this.#config;
    const targets = this.#findTargets(this.#config);
    const before = this.#loops;
    this.#loops = new Map();
    for (const [key, target] of targets) {
      const running = before.get(key);
      if (running !== undefined) running.updateDiscoveredLabels(target.discoveredLabels);
      this.#loops.set(key, running ?? new ScrapeLoop(target, { clock: this.#options.clock, client: this.#client, ingest: this.#ingest, externalLabels, observer: this.#observer, storesStarts: this.#options.storesStarts ?? false }));
    }
    for (const [key, loop] of before) if (!targets.has(key)) this.#remove(loop);
    for (const [key, loop] of this.#loops) if (!before.has(key)) loop.start();
  }

  #remove(loop: ScrapeLoop): void {
    const stopping = loop.stop(true).catch((error: unknown) => {
      this.#options.logger.error(`cannot mark the series of ${loop.target.url} stale: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.#stopping.add(stopping);
    void stopping.then(() => this.#stopping.delete(stopping));
  }

  /** All targets by key, in the order of the configuration; fills the list of dropped ones. */
  #findTargets(config: ScrapeConfig): Map<string, Target> {
    const targets = new Map<string, Target>();
    this.#dropped = [];
    for (const job of config.jobs) {
      for (const group of this.#groups(job)) {
        for (const address of group.targets) {
          const target = makeTarget(job, discoveredLabels(job, address, group.labels));
          if (isDropped(target)) this.#drop(job, target);
          else if (targets.has(target.key)) this.#complain(`job ${job.name} has the target ${target.url} with the same labels twice; it is scraped once`);
          else targets.set(target.key, target);
        }
      }
    }
    return targets;
  }

  #groups(job: ScrapeJob): readonly TargetGroup[] {
    return [...job.staticGroups, ...(this.#discoverers.get(job) ?? []).flatMap((discoverer) => discoverer.groups())];
  }

  #drop(job: ScrapeJob, target: DroppedTarget): void {
    if (target.problem !== undefined) this.#complain(`job ${job.name} cannot scrape ${target.discoveredLabels["__address__"] ?? "a target"}: ${target.problem}`);
    if (this.#dropped.length < droppedTargetsMax) this.#dropped.push({ target, scrapePool: job.name });
  }

  #complain(message: string): void {
    if (this.#complaints.has(message)) return;
    if (this.#complaints.size >= complaintsMax) this.#complaints = new Set();
    this.#complaints.add(message);
    this.#options.logger.warn(message);
  }

  readonly #observer = {
    scraped: (outcome: ScrapeOutcome): void => {
      this.#metrics?.count(outcome);
      const { target, error, storeError, wasUp } = outcome;
      if (error !== undefined && wasUp) this.#options.logger.warn(`scrape of ${target.url} (job ${target.job.name}) failed: ${error.message}`);
      if (error === undefined && !wasUp) this.#options.logger.info(`scrape of ${target.url} (job ${target.job.name}) works again`);
      if (storeError !== undefined) this.#complain(`cannot store the scrape of ${target.url}: ${storeError instanceof Error ? storeError.message : String(storeError)}`);
    },
  };

  #countTargets(): TargetCount {
    const byPool = new Map<string, number>((this.#config?.jobs ?? []).map(({ name }) => [name, 0]));
    let up = 0;
    for (const { target, state } of this.#loops.values()) {
      byPool.set(target.job.name, (byPool.get(target.job.name) ?? 0) + 1);
      if (state.health === "up") up++;
    }
    return { up, down: this.#loops.size - up, byPool };
  }
}

function describeTarget({ target, state, discoveredLabels: discovered }: ScrapeLoop): ActiveTarget {
  return {
    discoveredLabels: discovered,
    labels: labelsToRecord(target.labels),
    scrapePool: target.job.name,
    scrapeUrl: target.url,
    globalUrl: target.url,
    lastError: state.lastError,
    lastScrape: state.lastScrapeMs === undefined ? "0001-01-01T00:00:00Z" : new Date(state.lastScrapeMs).toISOString(),
    lastScrapeDuration: state.lastDurationMs / 1000,
    lastSamplesScraped: state.lastSamplesScraped,
    health: state.health,
    scrapeInterval: printDuration(target.intervalMs),
    scrapeTimeout: printDuration(target.timeoutMs),
  };
}
