// Long windows of instant queries: whatever is written in between, early or late, queries that use what earlier ones have read answer the same.
// Over the naive store, which gives all samples, and over a LocalStore, which leaves out those that are known.
import assert from "node:assert/strict";
import test from "node:test";
import { compareResults, WatchedStore } from "../../testkit/kept_results.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { SimulatedClock } from "../base/clock.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { ChangeWatch } from "../model/change_watch.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { Store } from "../model/store.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./result.ts";
import { ResultCache } from "./result_cache.ts";
import { ResultCacheCounts } from "./result_cache_counts.ts";

const scrapeMs = 15_000;
const startMs = Math.floor(1_700_000_000_000 / 3_600_000) * 3_600_000;
const offsetMs = 300_000;

const queries = [
  "increase(m[1h])", "rate(m[1h])", "increase_pure(m[1h])", "delta(m[1h])", "resets(m[1h])", "increase_prometheus(m[1h])", "rate_prometheus(m[1h])", "sum(increase(m[1h]))",
  "sum by (job) (rate(m[2h]))", "increase(m[1h] offset 20m)", "max_over_time(m[1h])", "min_over_time(m[1h])", "max(max_over_time(m[40m]))", "count_over_time(m[1h])", "sum(count_over_time(m[40m]))",
  "sum_over_time(m[1h])", "avg_over_time(m[1h])", "avg by (job) (avg_over_time(m[40m]))", "rate_over_sum(m[1h])", "first_over_time(m[1h])", "last_over_time(m[1h])", "present_over_time(m[1h])",
  "tlast_over_time(m[1h])", "tfirst_over_time(m[40m])", "sum(increase(m[1h])) / sum(count_over_time(m[1h]))", "increase(m[1h]) > 100", "topk(2, rate(m[1h]))", "quantile_over_time(0.5, m[1h])", "rate(m{job='a'}[1h])",
  "sum_over_time(f[1h])", "avg_over_time(f[1h])", "increase(f[1h])", "max_over_time(f[1h])", "min_over_time(f[40m])", "stddev_over_time(m[1h])", "changes(m[1h])", "increase(m[1h]) @ end()",
];

/** A series that is scraped, misses a scrape now and then, and ends and goes on. */
interface Target {
  readonly labels: Record<string, string>;
  value: number;
  isUp: boolean;
  readonly missedMs: number[];
}

class Simulation {
  readonly store: Store;
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly plain: Engine;
  readonly cached: Engine;
  readonly counts = new ResultCacheCounts();
  readonly #targets: Target[] = [];
  readonly #queries: readonly string[];
  nextMs = startMs;

  constructor(store: Store, watch: ChangeWatch, clock: SimulatedClock, random: Random, texts = queries) {
    this.store = store;
    this.random = random;
    this.clock = clock;
    this.#queries = Array.from({ length: Math.min(6, texts.length) }, () => texts[Math.floor(random.next() * texts.length)]);
    const common = { store, nowMs: () => clock.nowMs() };
    this.plain = new Engine({ ...common, kernel: new Kernel() });
    this.cached = new Engine({ ...common, kernel: new Kernel(), results: new ResultCache({ watch, offsetMs, bytesMax: 8 << 20, counts: this.counts, windowMinMs: 600_000 }) });
    for (let i = 0; i < 5; i++) this.#addTarget();
  }

  async scrape(times: number): Promise<void> {
    const { random } = this;
    for (let i = 0; i < times; i++) {
      const builder = new RowBatchBuilder();
      for (const target of this.#targets) {
        if (random.next() < 0.01) target.isUp = !target.isUp;
        if (!target.isUp) continue;
        const fraction = target.labels["__name__"] === "f" ? random.next() : 0;
        target.value = nextValue(target.value, random) + fraction;
        if (random.next() < 0.03) target.missedMs.push(this.nextMs);
        else builder.addSeries(labelsOf(target.labels), Float64Array.of(this.nextMs + Math.floor(random.next() * 20)), Float64Array.of(target.value));
      }
      await this.store.write(builder.build());
      this.nextMs += scrapeMs;
      this.clock.advance(scrapeMs);
    }
    if (random.next() < 0.1 && this.#targets.length < 12) this.#addTarget();
  }

  /** Writes a sample that was missed, or a series that nobody had seen, long after its time. */
  async writeLate(): Promise<void> {
    const { random } = this;
    const target = this.#targets[Math.floor(random.next() * this.#targets.length)];
    const builder = new RowBatchBuilder();
    const missedMs = target.missedMs.pop();
    if (missedMs !== undefined) builder.addSeries(labelsOf(target.labels), Float64Array.of(missedMs), Float64Array.of(Math.floor(random.next() * 100)));
    else {
      const beganMs = startMs + Math.floor(random.next() * ((this.nextMs - startMs) / scrapeMs)) * scrapeMs;
      const count = Math.min(1 + Math.floor(random.next() * 40), (this.nextMs - beganMs) / scrapeMs);
      const labels = { __name__: "m", job: "late", instance: String(Math.floor(random.next() * 1e9)) };
      builder.addSeries(labelsOf(labels), Float64Array.from({ length: count }, (_, i) => beganMs + i * scrapeMs), Float64Array.from({ length: count }, (_, i) => i * 3));
    }
    await this.store.write(builder.build());
  }

  async query(): Promise<void> {
    const { random } = this;
    const query = this.#queries[Math.floor(random.next() * this.#queries.length)];
    const timeMs = random.next() < 0.9 ? this.nextMs - Math.floor(random.next() * 20_000) : startMs + Math.floor(random.next() * (this.nextMs - startMs));
    await this.check(query, timeMs);
  }

  async check(query: string, timeMs: number): Promise<QueryResult> {
    const request = { query, timeMs, ...(this.random.next() < 0.2 ? { stepMs: 15_000 } : {}) };
    const answer = await this.cached.instant(request);
    compareResults(answer, await this.plain.instant(request), `${query} at ${(timeMs - startMs) / 1000} now ${(this.nextMs - startMs) / 1000}`);
    return answer;
  }

  #addTarget(): void {
    const number = this.#targets.length;
    const labels = { __name__: number % 3 === 2 ? "f" : "m", job: number % 2 === 0 ? "a" : "b", instance: String(number) };
    this.#targets.push({ labels, value: 0, isUp: true, missedMs: [] });
  }
}

/** A counter that is reset now and then, a bit or as a whole. */
function nextValue(value: number, random: Random): number {
  const chance = random.next();
  if (chance < 0.01) return 0;
  if (chance < 0.02) return Math.floor(value * 0.9);
  return chance < 0.3 ? value : value + Math.floor(random.next() * 10);
}

async function simulate(store: Store, watch: ChangeWatch, clock: SimulatedClock, seed: number, steps: number): Promise<Simulation> {
  const simulation = new Simulation(store, watch, clock, seededRandom(seed));
  await simulation.scrape(360);
  for (let i = 0; i < steps; i++) {
    const choice = simulation.random.next();
    if (choice < 0.3) await simulation.scrape(1 + Math.floor(simulation.random.next() * 8));
    else if (choice < 0.32) await simulation.writeLate();
    else if (choice < 0.33) await store.flush();
    else if (choice < 0.333) await store.merge();
    else await simulation.query();
  }
  return simulation;
}

const seed = testSeed();

test(`samples of earlier queries change nothing: naive store (seed ${seed})`, async () => {
  const found = { partialHits: 0, misses: 0 };
  for (let i = 0; i < 8; i++) {
    const store = new WatchedStore();
    const { counts } = await simulate(store, store, new SimulatedClock(startMs), seed + i, 150);
    for (const name of ["partialHits", "misses"] as const) found[name] += counts.get(name);
  }
  assert.ok(found.partialHits > 200 && found.misses > 50, JSON.stringify(found));
});

test(`samples of earlier queries change nothing: LocalStore (seed ${seed})`, async () => {
  const found = { partialHits: 0, misses: 0 };
  for (let i = 0; i < 3; i++) {
    const clock = new SimulatedClock(startMs);
    await using store = await openTestStore(new MemoryFileSystem(), { clock });
    const { counts } = await simulate(store, store.lateWrites, clock, seed + 100 + i, 250);
    for (const name of ["partialHits", "misses"] as const) found[name] += counts.get(name);
  }
  assert.ok(found.partialHits > 100, JSON.stringify(found));
});

for (const query of ["increase(m[3h])", "sum(rate(m[3h]))", "max_over_time(m[3h])", "sum_over_time(m[3h])", "count_over_time(m[3h])"]) {
  test(`a query that comes again reads little: ${query}`, async () => {
    const clock = new SimulatedClock(startMs);
    await using store = await openTestStore(new MemoryFileSystem(), { clock });
    const simulation = new Simulation(store, store.lateWrites, clock, seededRandom(seed));
    await simulation.scrape(900);
    const scanned: number[] = [];
    for (let i = 0; i < 6; i++) {
      await simulation.scrape(1);
      scanned.push((await simulation.check(query, simulation.nextMs)).stats.samplesScanned);
    }
    assert.ok(scanned[5] * 2 < scanned[1], scanned.join());
    assert.equal(simulation.counts.get("partialHits"), 4);
  });
}
