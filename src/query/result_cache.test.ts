// The result cache against plain evaluation: whatever is written in between, early or late, queries that use earlier results answer the same.
// Several engines on one store stand for threads. Over the naive store and over a LocalStore, whose kernels mark late writes.
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
import { ResultCache } from "./result_cache.ts";
import { ResultCacheCounts } from "./result_cache_counts.ts";

const scrapeMs = 15_000;
const startMs = Math.floor(1_700_000_000_000 / 3_600_000) * 3_600_000;
const offsetMs = 300_000;

const queries = [
  "m", "m offset 10m", "sum(m)", "sum by (job) (m)", "sum(rate(m[1m]))", "rate(m[2m])", "rate(m[10s])", "sum by (job) (increase(m[1m]))", "increase(m[5m])", "irate(m)", "rate(m)", "delta(m[1m])",
  "changes(m[2m])", "lag(m[2m])", "idelta(m[30s])", "max_over_time(m[3m])", "avg by (job) (avg_over_time(m[1m]))", "count(m)", "count_over_time(m[10m] offset 3m)",
  "sum(increase(m[1m])) / sum(count_over_time(m[1m]))", "topk(2, rate(m[1m]))", "quantile(0.5, m)", "rate(m[1m]) default 0", "count(m) or vector(0)", "range_max(m)", "running_sum(m)",
  "deriv(m[5m])", "absent(m{job='x'})", "quantile_over_time(0.9, m[2m])", "mode_over_time(m[1m])", "sum(m) - sum(m offset 1m)", "rate(m[1m]) @ end()", "rollup_rate(m[1m])", "max_over_time(rate(m[1m])[3m:30s])",
  "increase_pure(m[1m])", "sum(max_over_time(m[1m])) by (job) > 5", "integrate(m[1m])", "stddev(m)", "any(m)", "sum(m) by (instance) limit 2", "scalar(sum(m))", "resets(m[3m])",
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
  readonly cached: readonly Engine[];
  readonly counts = new ResultCacheCounts();
  readonly #targets: Target[] = [];
  #nextMs = startMs;
  readonly #queries: readonly string[];

  constructor(store: Store, watch: ChangeWatch, clock: SimulatedClock, random: Random) {
    this.store = store;
    this.random = random;
    this.#queries = Array.from({ length: 6 }, () => queries[Math.floor(random.next() * queries.length)]);
    this.clock = clock;
    const common = { store, nowMs: () => clock.nowMs() };
    this.plain = new Engine({ ...common, kernel: new Kernel() });
    this.cached = [0, 1].map(() => new Engine({ ...common, kernel: new Kernel(), results: new ResultCache({ watch, offsetMs, bytesMax: 1 << 20, counts: this.counts }) }));
    for (let i = 0; i < 5; i++) this.#addTarget();
  }

  /** Scrapes until so much time has gone by. */
  async scrape(times: number): Promise<void> {
    const { random } = this;
    for (let i = 0; i < times; i++) {
      const builder = new RowBatchBuilder();
      for (const target of this.#targets) {
        if (random.next() < 0.01) target.isUp = !target.isUp;
        if (!target.isUp) continue;
        target.value = random.next() < 0.02 ? 0 : target.value + Math.floor(random.next() * 10);
        if (random.next() < 0.03) target.missedMs.push(this.#nextMs);
        else builder.addSeries(labelsOf(target.labels), Float64Array.of(this.#nextMs), Float64Array.of(target.value));
      }
      await this.store.write(builder.build());
      this.#nextMs += scrapeMs;
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
      const beganMs = startMs + Math.floor(random.next() * ((this.#nextMs - startMs) / scrapeMs)) * scrapeMs;
      const count = Math.min(1 + Math.floor(random.next() * 40), (this.#nextMs - beganMs) / scrapeMs);
      const labels = { __name__: "m", job: "late", instance: String(Math.floor(random.next() * 1e9)) };
      builder.addSeries(labelsOf(labels), Float64Array.from({ length: count }, (_, i) => beganMs + i * scrapeMs), Float64Array.from({ length: count }, (_, i) => i * 3));
    }
    await this.store.write(builder.build());
  }

  async query(): Promise<void> {
    const { random } = this;
    const stepMs = random.next() < 0.7 ? 30_000 : [15_000, 60_000][Math.floor(random.next() * 2)];
    const lastMs = random.next() < 0.6 ? this.#nextMs : startMs + Math.floor(random.next() * ((this.#nextMs - startMs) / 900_000)) * 900_000;
    const points = random.next() < 0.7 ? 60 : 4 + Math.floor(random.next() * 60);
    const endMs = Math.floor(lastMs / stepMs) * stepMs;
    const request = { query: this.#queries[Math.floor(random.next() * this.#queries.length)], startMs: endMs - points * stepMs, endMs, stepMs };
    const engine = this.cached[random.next() < 0.8 ? 0 : 1];
    const label = `${request.query} from ${(request.startMs - startMs) / 1000} to ${(endMs - startMs) / 1000} step ${stepMs / 1000} at ${(this.#nextMs - startMs) / 1000}`;
    compareResults(await engine.range(request), await this.plain.range(request), label);
  }

  #addTarget(): void {
    const number = this.#targets.length;
    this.#targets.push({ labels: { __name__: "m", job: number % 2 === 0 ? "a" : "b", instance: String(number) }, value: 0, isUp: true, missedMs: [] });
  }
}

async function simulate(store: Store, watch: ChangeWatch, clock: SimulatedClock, seed: number, steps: number): Promise<Simulation> {
  const simulation = new Simulation(store, watch, clock, seededRandom(seed));
  await simulation.scrape(240);
  for (let i = 0; i < steps; i++) {
    const choice = simulation.random.next();
    if (choice < 0.25) await simulation.scrape(1 + Math.floor(simulation.random.next() * 12));
    else if (choice < 0.29) await simulation.writeLate();
    else if (choice < 0.295) await store.flush();
    else await simulation.query();
  }
  return simulation;
}

const seed = testSeed();

test(`earlier results change nothing: naive store (seed ${seed})`, async () => {
  const found = { partialHits: 0, misses: 0 };
  for (let i = 0; i < 8; i++) {
    const store = new WatchedStore();
    const { counts } = await simulate(store, store, new SimulatedClock(startMs), seed + i, 160);
    for (const name of ["partialHits", "misses"] as const) found[name] += counts.get(name);
  }
  assert.ok(found.partialHits > 30 && found.misses > 100, JSON.stringify(found));
});

test("points that are all kept are not evaluated again", async () => {
  const store = new WatchedStore();
  const simulation = new Simulation(store, store, new SimulatedClock(startMs), seededRandom(seed));
  await simulation.scrape(240);
  const request = { query: "max_over_time(m[2m])", startMs: startMs + 600_000, endMs: startMs + 1_800_000, stepMs: 15_000 };
  const [engine] = simulation.cached;
  const first = await engine.range(request);
  for (const part of [request, { ...request, startMs: request.startMs + 300_000, endMs: request.endMs - 300_000 }]) {
    const again = await engine.range(part);
    assert.equal(again.stats.samplesScanned, 0);
    compareResults(again, await simulation.plain.range(part), "kept");
  }
  assert.ok(first.stats.samplesScanned > 0);
  assert.equal(simulation.counts.get("fullHits"), 2);
});

test("a series that ended soon after a gap: a later beginning sees fewer intervals, so the value reaches further", async () => {
  const store = new WatchedStore();
  const clock = new SimulatedClock(startMs);
  const { plain, cached: [engine] } = new Simulation(store, store, clock, seededRandom(seed));
  const seconds = (from: number, to: number): number[] => Array.from({ length: (to - from) / 15 + 1 }, (_, i) => startMs + (from + i * 15) * 1000);
  const builder = new RowBatchBuilder();
  for (const [instance, times] of [["live", seconds(0, 5250)], ["ended", [...seconds(0, 3120), ...seconds(3645, 3675)]]] as const) {
    builder.addSeries(labelsOf({ __name__: "m", instance }), Float64Array.from(times), new Float64Array(times.length));
  }
  await store.write(builder.build());
  clock.advance(5_130_000);
  for (const [fromS, toS] of [[3330, 5130], [3450, 5250]]) {
    const request = { query: "count(m)", startMs: startMs + fromS * 1000, endMs: startMs + toS * 1000, stepMs: 30_000 };
    compareResults(await engine.range(request), await plain.range(request), `from ${fromS}`);
    clock.advance(120_000);
  }
});

test(`earlier results change nothing: LocalStore (seed ${seed})`, async () => {
  let partialHits = 0;
  for (let i = 0; i < 4; i++) {
    const clock = new SimulatedClock(startMs);
    await using store = await openTestStore(new MemoryFileSystem(), { clock });
    const { counts } = await simulate(store, store.lateWrites, clock, seed + 100 + i, 200);
    partialHits += counts.get("partialHits");
  }
  assert.ok(partialHits > 5, String(partialHits));
});
