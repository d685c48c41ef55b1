/** The node scrapes itself: its own metrics page goes through the text parser into the store, with the series that every scrape has. */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { MetricRegistry } from "../base/metrics.ts";
import { ChunkList } from "../http/chunk_list.ts";
import type { IngestLane } from "../http/ingest_lane.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { SliceParser } from "../protocol/slice_parser.ts";

export interface SelfScrapeOptions {
  readonly intervalMs: number;
  readonly job: string;
  readonly instance: string;
  readonly metrics: MetricRegistry;
  readonly lane: IngestLane;
  readonly parser: SliceParser;
  readonly clock: Clock;
  readonly logger: Logger;
}

const warnIntervalMs = 60_000;

/** Scrapes at once and then at every interval, until it is disposed of. */
export class SelfScrape implements AsyncDisposable {
  readonly #options: SelfScrapeOptions;
  #timer: Disposable | undefined;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  #samplesBefore = 0;
  #warnedMs = -Infinity;

  constructor(options: SelfScrapeOptions) {
    this.#options = options;
    this.#tick();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }

  #tick(): void {
    const startMs = this.#options.clock.monotonicMs();
    this.#running = this.#scrape().catch((error: unknown) => this.#warn(error)).then(() => {
      if (this.#isStopped) return;
      const spentMs = this.#options.clock.monotonicMs() - startMs;
      this.#timer = this.#options.clock.setTimer(Math.max(0, this.#options.intervalMs - spentMs), () => this.#tick());
    });
  }

  async #scrape(): Promise<void> {
    const { metrics, lane, parser, clock, job, instance, intervalMs } = this.#options;
    const nowMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    const page = metrics.print();
    const samples = page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
    const chunks = new ChunkList();
    chunks.append(Buffer.from(page + automaticSeries({
      up: 1,
      scrape_duration_seconds: (clock.monotonicMs() - startMs) / 1000,
      scrape_timeout_seconds: intervalMs / 1000,
      scrape_response_size_bytes: page.length,
      scrape_samples_scraped: samples,
      scrape_samples_post_metric_relabeling: samples,
      scrape_series_added: Math.max(0, samples - this.#samplesBefore),
    })));
    this.#samplesBefore = samples;
    const extraLabels = [{ name: "job", value: job }, { name: "instance", value: instance }];
    await lane.ingest({ chunks, isSnappy: false, parser, tenant: defaultTenant, extraLabels, nowMs });
  }

  #warn(error: unknown): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#warnedMs < warnIntervalMs) return;
    this.#warnedMs = nowMs;
    this.#options.logger.warn(`the own metrics could not be stored: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function automaticSeries(values: Readonly<Record<string, number>>): string {
  return Object.entries(values).map(([name, value]) => `${name} ${value}\n`).join("");
}
