/**
 * The loop of one target: a scrape at the target's offset in every interval, one at a time. Each scrape adds the automatic series (`up`
 * and its kin) and stale markers for what is gone:
 *
 *   series missing in this scrape         a marker for each, at the time of the scrape
 *   the scrape failed                     a marker for every series of the last one; `up` is 0
 *   the target was removed                a marker for every series and for the automatic ones, now
 *   the program ends                      none: it may be back before anybody notices
 */
import type { Clock } from "../base/clock.ts";
import { encodeLabelRun } from "../model/labels.ts";
import { sampleKindHistogram, writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { type ScrapeClient, ScrapeError } from "./scrape_client.ts";
import { acceptHeader } from "./scrape_accept.ts";
import { protobufFirst, type ScrapeConfig } from "./scrape_config.ts";
import { type PageResult, type ScrapeIngest, TargetIngest } from "./scrape_ingest.ts";
import { SeriesTracker } from "./series_tracker.ts";
import type { Target } from "./target.ts";
import { automaticLabels } from "./target_labels.ts";

/** How a target fares, for /api/v1/targets. */
export interface TargetState {
  readonly health: "up" | "down" | "unknown";
  /** "" if all is well. A target that is up may have one: bad lines, or a store that refuses. */
  readonly lastError: string;
  readonly lastScrapeMs: number | undefined;
  readonly lastDurationMs: number;
  readonly lastSamplesScraped: number;
}

/** What is told about every scrape. */
export interface ScrapeObserver {
  scraped(outcome: ScrapeOutcome): void;
}

export interface ScrapeOutcome {
  readonly target: Target;
  /** undefined: the scrape went well. */
  readonly error: ScrapeError | undefined;
  /** The page was fetched but not stored. */
  readonly storeError: unknown;
  readonly durationMs: number;
  readonly bodyBytes: number;
  readonly page: PageResult | undefined;
  /** Whether the scrape before was well, too; the first one counts as following a good one. */
  readonly wasUp: boolean;
}

export interface ScrapeLoopOptions {
  readonly clock: Clock;
  readonly client: ScrapeClient;
  readonly ingest: ScrapeIngest;
  readonly externalLabels: ScrapeConfig["externalLabels"];
  readonly observer: ScrapeObserver;
  /** Start timestamps of what is scraped are stored. */
  readonly storesStarts: boolean;
}

/** A scheduled time is taken as the time of the scrape if the scrape begins this near to it, in parts of the interval. */
const jitterMax = 0.1;
/** Timers are re-armed at least so often; they cannot wait longer than 24 days. */
const timerMsMax = 86_400_000;

export class ScrapeLoop {
  readonly target: Target;
  readonly #options: ScrapeLoopOptions;
  readonly #ingest: TargetIngest;
  #state: TargetState = { health: "unknown", lastError: "", lastScrapeMs: undefined, lastDurationMs: 0, lastSamplesScraped: 0 };
  #timer: Disposable | undefined;
  #dueMs = 0;
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #isStopped = false;
  readonly #automaticRuns = new Map<string, Uint8Array>();
  #discoveredLabels: Target["discoveredLabels"];

  constructor(target: Target, options: ScrapeLoopOptions) {
    this.target = target;
    this.#discoveredLabels = target.discoveredLabels;
    this.#options = options;
    const { job } = target;
    const labeling = {
      targetLabels: target.labels, honorLabels: job.honorLabels, metricRelabelRules: job.metricRelabelRules, externalLabels: options.externalLabels,
    };
    this.#ingest = new TargetIngest(labeling, target.limits, job.honorTimestamps, job.histograms, new SeriesTracker(), options.storesStarts);
  }

  get state(): TargetState {
    return this.#state;
  }

  get discoveredLabels(): Target["discoveredLabels"] {
    return this.#discoveredLabels;
  }

  /** The same target may be discovered anew with other labels that begin with `__`. */
  updateDiscoveredLabels(labels: Target["discoveredLabels"]): void {
    this.#discoveredLabels = labels;
  }

  /** Resolves when no scrape is running. */
  async idle(): Promise<void> {
    await this.#running;
  }

  start(): void {
    this.#dueMs = this.#nextDueMs(this.#options.clock.nowMs() - 1);
    this.#arm();
  }

  /** Ends the loop and the scrape in flight. `isRemoved`: the target is gone for good, its series become stale. */
  async stop(isRemoved: boolean): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#abort.abort(new ScrapeError("timeout", "the scrape was ended"));
    await this.#running;
    if (isRemoved && this.target.job.sendsStaleMarkers) await this.#markAllStale();
  }

  /** The first time behind `afterMs` that is at the target's offset in the interval. */
  #nextDueMs(afterMs: number): number {
    const { intervalMs, offsetMs } = this.target;
    return Math.floor((afterMs - offsetMs) / intervalMs + 1) * intervalMs + offsetMs;
  }

  #arm(): void {
    // Not longer than the interval, so that a wall clock that is set back does not stop the scrapes.
    const waitMs = Math.min(Math.max(this.#dueMs - this.#options.clock.nowMs(), 0), this.target.intervalMs);
    const isWhole = waitMs <= timerMsMax;
    this.#timer = this.#options.clock.setTimer(Math.min(waitMs, timerMsMax), () => (isWhole ? this.#tick() : this.#arm()));
  }

  #tick(): void {
    const nowMs = this.#options.clock.nowMs();
    const timestampMs = Math.abs(nowMs - this.#dueMs) <= jitterMax * this.target.intervalMs ? this.#dueMs : nowMs;
    this.#running = this.#scrape(timestampMs).finally(() => {
      this.#running = undefined;
      if (this.#isStopped) return;
      this.#dueMs = this.#nextDueMs(Math.max(this.#options.clock.nowMs(), timestampMs));
      this.#arm();
    });
  }

  async #scrape(timestampMs: number): Promise<void> {
    const { clock, client, ingest, observer } = this.#options;
    const { url, job, timeoutMs, limits } = this.target;
    const startMs = clock.monotonicMs();
    const abort = new AbortController();
    const stop = (): void => abort.abort(this.#abort.signal.reason);
    this.#abort.signal.addEventListener("abort", stop);
    const timer = clock.setTimer(timeoutMs, () => abort.abort(new ScrapeError("timeout", `no answer within the timeout of ${timeoutMs / 1000}s`)));
    let page: PageResult | undefined;
    let error: ScrapeError | undefined;
    let storeError: unknown;
    let bodyBytes = 0;
    try {
      const response = await client.get({ url, http: job.http, accept: acceptHeader(job.protocols ?? (this.#options.storesStarts ? protobufFirst : undefined)), timeoutMs, bodyBytesMax: limits.bodyBytesMax, signal: abort.signal });
      bodyBytes = response.body.length;
      page = await ingest.ingest(this.#ingest, response, timestampMs);
    } catch (cause) {
      if (cause instanceof ScrapeError) error = cause;
      else if (bodyBytes > 0) storeError = cause;
      else error = new ScrapeError("connection", cause instanceof Error ? cause.message : String(cause), { cause });
    } finally {
      timer[Symbol.dispose]();
      this.#abort.signal.removeEventListener("abort", stop);
    }
    if (this.#isStopped) return;
    const outcome: ScrapeOutcome = {
      target: this.target, error, storeError, bodyBytes, page, durationMs: clock.monotonicMs() - startMs, wasUp: this.#state.health !== "down",
    };
    try {
      await this.#writeAutomaticSeries(outcome, timestampMs);
    } catch (cause) {
      storeError ??= cause;
    }
    this.#state = stateOf({ ...outcome, storeError }, timestampMs);
    observer.scraped({ ...outcome, storeError });
  }

  async #writeAutomaticSeries(outcome: ScrapeOutcome, timestampMs: number): Promise<void> {
    const builder = new RowBatchBuilder();
    const time = Float64Array.of(timestampMs);
    for (const [name, value] of automaticSeries(this.target, outcome)) {
      builder.addLabelRun(this.#automaticRun(name), time, Float64Array.of(value));
    }
    const vanished = outcome.error === undefined ? (outcome.page?.change.vanished ?? []) : await this.#ingest.tracker.takeAll();
    if (this.target.job.sendsStaleMarkers) addStaleMarkers(builder, vanished, timestampMs);
    await this.#options.ingest.write(builder.build());
  }

  async #markAllStale(): Promise<void> {
    const builder = new RowBatchBuilder();
    const nowMs = this.#options.clock.nowMs();
    addStaleMarkers(builder, await this.#ingest.tracker.takeAll(), nowMs);
    addStaleMarkers(builder, [...this.#automaticRuns.values()], nowMs); // none before the first scrape
    if (builder.sampleCount > 0) await this.#options.ingest.write(builder.build());
  }

  /** The label run of an automatic series. */
  #automaticRun(name: string): Uint8Array {
    let run = this.#automaticRuns.get(name);
    if (run === undefined) this.#automaticRuns.set(name, (run = encodeLabelRun(automaticLabels(name, this.#ingest.labeling))));
    return run;
  }
}

function addStaleMarkers(builder: RowBatchBuilder, runs: readonly Uint8Array[], timestampMs: number): void {
  const time = Float64Array.of(timestampMs);
  const marker = new Float64Array(1);
  writeStaleMarker(marker, 0);
  // Of this kind, because some may be components of native histograms.
  for (const run of runs) builder.addLabelRun(run, time, marker, sampleKindHistogram);
}

/** The series that every scrape has besides those of the page, by name. */
function automaticSeries(target: Target, outcome: ScrapeOutcome): Map<string, number> {
  const { limits, timeoutMs } = target;
  const { page, error, durationMs, bodyBytes } = outcome;
  const series = new Map([
    ["up", error === undefined ? 1 : 0],
    ["scrape_duration_seconds", durationMs / 1000],
    ["scrape_samples_scraped", page?.samplesScraped ?? 0],
    ["scrape_samples_post_metric_relabeling", page?.samplesStored ?? 0],
    ["scrape_series_added", page?.change.addedCount ?? 0],
    ["scrape_timeout_seconds", timeoutMs / 1000],
    ["scrape_response_size_bytes", bodyBytes],
  ]);
  if (limits.sampleLimit > 0) series.set("scrape_samples_limit", limits.sampleLimit);
  if (limits.labelLimit > 0) series.set("scrape_labels_limit", limits.labelLimit);
  return series;
}

function stateOf({ error, storeError, page, durationMs }: ScrapeOutcome, timestampMs: number): TargetState {
  let lastError = error?.message ?? "";
  if (lastError === "" && storeError !== undefined) lastError = `cannot store: ${storeError instanceof Error ? storeError.message : String(storeError)}`;
  if (lastError === "" && page !== undefined && page.skippedLines > 0) lastError = `${page.skippedLines} lines or histograms were left out; the first: ${page.firstError}`;
  return {
    health: error === undefined ? "up" : "down",
    lastError,
    lastScrapeMs: timestampMs,
    lastDurationMs: durationMs,
    lastSamplesScraped: page?.samplesScraped ?? 0,
  };
}
