/** The scraper's own metrics, under the names that VictoriaMetrics gives them and its dashboards read. */
import type { Counter, Histogram, MetricRegistry } from "../base/metrics.ts";
import type { ScrapeOutcome } from "./scrape_loop.ts";

const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const sizeBounds = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
const sampleBounds = [10, 100, 1e3, 1e4, 1e5, 1e6];

export interface TargetCount {
  readonly up: number;
  readonly down: number;
  readonly byPool: ReadonlyMap<string, number>;
}

export class ScrapeMetrics {
  readonly #scrapes: Counter;
  readonly #failed: Counter;
  readonly #timedOut: Counter;
  readonly #tooLarge: Counter;
  readonly #dialErrors: Counter;
  readonly #gunzipFailed: Counter;
  readonly #bytesRead: Counter;
  readonly #rowsInserted: Counter;
  readonly #rowsInvalid: Counter;
  readonly #duration: Histogram;
  readonly #sizes: Histogram;
  readonly #samples: Histogram;

  constructor(metrics: MetricRegistry, countTargets: () => TargetCount) {
    const counter = (name: string, help: string): Counter => metrics.counter(`vm_promscrape_${name}`, help);
    this.#scrapes = counter("scrapes_total", "Scrapes.");
    this.#failed = counter("scrapes_failed_total", "Scrapes that failed for any reason.");
    this.#timedOut = counter("scrapes_timed_out_total", "Scrapes that were not done within their timeout.");
    this.#tooLarge = counter("max_scrape_size_exceeded_errors_total", "Scrapes whose body was larger than max_scrape_size.");
    this.#dialErrors = counter("dial_errors_total", "Scrapes whose connection could not be made or broke.");
    this.#gunzipFailed = counter("scrapes_gunzip_failed_total", "Scrapes whose body could not be decompressed.");
    this.#bytesRead = counter("conn_bytes_read_total", "Bytes of scraped bodies, decompressed.");
    this.#rowsInserted = metrics.counter("vm_rows_inserted_total", "Samples received.", { type: "promscrape" });
    this.#rowsInvalid = metrics.counter("vm_rows_invalid_total", "Lines that could not be read.", { type: "promscrape" });
    this.#duration = metrics.histogram("vm_promscrape_scrape_duration_seconds", "Duration of scrapes.", durationBounds);
    this.#sizes = metrics.histogram("vm_promscrape_scrape_response_size_bytes", "Size of scraped bodies, decompressed.", sizeBounds);
    this.#samples = metrics.histogram("vm_promscrape_scraped_samples", "Samples per scrape.", sampleBounds);
    metrics.gauge("vm_promscrape_targets", "Targets that are scraped.", { type: "static", status: "up" }, () => countTargets().up);
    metrics.gauge("vm_promscrape_targets", "Targets that are scraped.", { type: "static", status: "down" }, () => countTargets().down);
    const pools = new Set<string>();
    metrics.onCollect(() => {
      const { byPool } = countTargets();
      for (const name of byPool.keys()) pools.add(name);
      for (const name of pools) metrics.gauge("vm_promscrape_scrape_pool_targets", "Targets by job.", { scrape_job: name, status: "active" }).set(byPool.get(name) ?? 0);
    });
  }

  count({ error, page, durationMs, bodyBytes }: ScrapeOutcome): void {
    this.#scrapes.increment();
    this.#bytesRead.increment(bodyBytes);
    this.#duration.observe(durationMs / 1000);
    if (bodyBytes > 0) this.#sizes.observe(bodyBytes);
    if (page !== undefined) {
      this.#samples.observe(page.samplesScraped);
      this.#rowsInserted.increment(page.samplesStored);
      this.#rowsInvalid.increment(page.skippedLines);
    }
    if (error === undefined) return;
    this.#failed.increment();
    if (error.code === "timeout") this.#timedOut.increment();
    if (error.code === "too_large") this.#tooLarge.increment();
    if (error.code === "connection") this.#dialErrors.increment();
    if (error.code === "encoding") this.#gunzipFailed.increment();
  }
}
