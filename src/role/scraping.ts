/** The scrape configuration of the command line and the manager that follows it. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseScrapeConfig, type ScrapeConfig } from "../agent/scrape_config.ts";
import { ScrapeManager, type ScrapeManagerOptions } from "../agent/scrape_manager.ts";
import { InputError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";

/** Reads a file of scrape_configs. Throws InputError "bad_config" that names file, line and column, or why it cannot be read. */
export function readScrapeConfig(path: string): ScrapeConfig {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new InputError("bad_config", `cannot read ${path} (-promscrape.config): ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  return parseScrapeConfig(text, resolve(path), process.env);
}

/** Scraping as the file at `path` says; reload() follows a changed file, or throws and leaves everything as it is. Both are logged. */
export class Scraping implements AsyncDisposable {
  readonly manager: ScrapeManager;
  readonly #path: string;
  readonly #logger: Logger;

  constructor(path: string, config: ScrapeConfig, options: ScrapeManagerOptions) {
    this.#path = path;
    this.#logger = options.logger;
    this.manager = new ScrapeManager(options);
    this.#apply(config, "read");
  }

  reload(): void {
    try {
      this.#apply(readScrapeConfig(this.#path), "read again");
    } catch (error) {
      this.#logger.error(`the configuration is refused, the old one stays: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.manager.close();
  }

  #apply(config: ScrapeConfig, how: string): void {
    this.manager.applyConfig(config);
    this.#logger.info(`${this.#path} ${how}: jobs=${config.jobs.length} targets=${this.manager.activeTargets().length}`);
  }
}
