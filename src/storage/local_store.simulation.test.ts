// Simulates a LocalStore on a disk that fails and a machine that crashes: two callers write at the same time, searches are held open across seals,
// merges and drops, the disk fills up and refuses to sync for a while, the process is killed, the power goes, the store is closed and opened again.
// Every sample has a value of its own, so that a plain Map tells what is missing, what is there twice, and what nobody wrote.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { FaultyFileSystem, type FaultPlan } from "../disk/faulty_file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { SearchResult, SeriesBatch } from "../model/store.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { ThreadedTable } from "../../testkit/threaded_table.ts";
import type { LocalStore } from "./local_store.ts";

const startMs = 1_700_000_000_000;
const dayMs = 86_400_000;
const retentionMs = 200 * dayMs;
const jumpDaysMax = 20;
const stepsPerRun = 400;
const callers = 2;

interface Sample {
  readonly name: string;
  readonly timestampMs: number;
}

/** What was written, by value. */
type Samples = Map<number, Sample>;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Faults that last until the next change. All but the last are what full and broken disks do; reads work, as they mostly do. */
const faultPlans: readonly (FaultPlan | undefined)[] = [
  undefined,
  ({ kind }) => (kind === "write" || kind === "open" || kind === "makeDirectory" ? { code: "ENOSPC" } : undefined),
  ({ kind, path }) => (kind === "write" && path.includes("/log/") ? { code: "ENOSPC", keptBytes: 100 } : undefined),
  ({ kind, path }) => (path.includes("/parts/") && (kind === "write" || kind === "open") ? { code: "ENOSPC" } : undefined),
  ({ kind }) => (kind === "sync" ? { code: "EIO" } : undefined),
  ({ kind }) => (kind === "syncDirectory" || kind === "rename" ? { code: "EIO" } : undefined),
  ({ kind, index }) => (kind !== "read" && index % 3 === 0 ? { code: "EIO" } : undefined),
  ({ kind, path }) => ((kind === "removeTree" || kind === "remove") && !path.endsWith(".lock") ? { code: "EACCES" } : undefined),
];

/** A search that is read batch by batch, with other things in between. */
class HeldSearch {
  readonly #batches: AsyncIterator<SeriesBatch>;
  readonly #found: SearchResult;
  readonly #expected: readonly (readonly [number, Sample])[];
  readonly #seen: Samples = new Map();
  readonly #known: Samples;

  /** Whether the disk works, as far as the search may need it. */
  isDiskGood: boolean;

  constructor(found: SearchResult, known: Samples, expected: readonly (readonly [number, Sample])[], isDiskGood: boolean) {
    this.isDiskGood = isDiskGood;
    this.#found = found;
    this.#batches = found.batches[Symbol.asyncIterator]();
    this.#known = known;
    this.#expected = expected;
  }

  /** False when all is read and right. */
  async next(): Promise<boolean> {
    const { value: batch, done } = await this.#batches.next();
    if (done !== true) {
      take(batch, this.#known, this.#seen);
      return true;
    }
    if (this.#found.isPartial()) {
      assert.equal(this.isDiskGood, false, "nothing is damaged");
      return false;
    }
    for (const [value, { name, timestampMs }] of this.#expected) assert.ok(this.#seen.has(value), `${name} lost sample ${value} of ${timestampMs}`);
    return false;
  }

  async leave(): Promise<void> {
    await this.#batches.return?.();
  }

  get seen(): Samples {
    return this.#seen;
  }
}

function take(batch: SeriesBatch, known: Samples, seen: Samples): void {
  for (let i = 0; i < batch.seriesCount; i++) {
    const name = batch.labels(i)[0].value;
    for (let k = batch.sampleFrom[i]; k < batch.sampleFrom[i + 1]; k++) {
      const value = batch.values[k];
      assert.deepEqual({ name, timestampMs: batch.timestampsMs[k] }, known.get(value), `sample ${value} is as it was written`);
      assert.ok(!seen.has(value), `${name} has sample ${value} twice`);
      assert.ok(k === batch.sampleFrom[i] || batch.timestampsMs[k] >= batch.timestampsMs[k - 1], `${name} is in order`);
      seen.set(value, { name, timestampMs: batch.timestampsMs[k] });
    }
  }
}

class Simulation {
  readonly #random: Random;
  readonly #written: Samples = new Map();
  #acknowledged: Samples = new Map();
  #disk = new MemoryFileSystem();
  #files = new FaultyFileSystem(this.#disk);
  #clock = new SimulatedClock(startMs);
  #tables: ThreadedTable[] = [];
  #store!: LocalStore;
  /** What is going on. */
  #running = new Set<Promise<void>>();
  /** The first thing that went wrong. */
  #failure: unknown;
  readonly counts: Record<string, number> = {};
  #busy = new Set<string>();
  #searches: HeldSearch[] = [];
  /** Counts up with every crash: what earlier stores answer is of no interest. */
  #life = 0;
  readonly #options: Parameters<typeof openTestStore>[1];
  #nextValue = 1;

  constructor(random: Random, shardCount: number) {
    this.#random = random;
    const pick = <T>(of: readonly T[]): T => of[random.int(of.length)];
    this.#options = {
      shardCount,
      randomBytes: (size) => Uint8Array.from({ length: size }, () => random.int(256)),
      retentionMs,
      seriesMax: 2048,
      sealChunksMax: pick([8, 64, 512]),
      chunkBytesMax: pick([1, 3]) << 20,
      chunkBudgetBytes: pick([128, 8192, 1 << 20]),
      logAreas: pick([{ samplesBytes: 1024, seriesBytes: 1024 }, { samplesBytes: 4096, seriesBytes: 16_384 }, { samplesBytes: 1 << 17, seriesBytes: 1 << 17 }]),
      fsyncIntervalMs: pick([0, 1000]),
      checkpointLogBytes: pick([20_000, 1 << 30]),
    };
  }

  async run(): Promise<void> {
    await this.#open();
    for (let step = 0; step < stepsPerRun; step++) {
      await this.#step(this.#random.int(100));
      this.#checkFailure();
      for (let turns = this.#random.int(6); turns > 0; turns--) await turn();
      if (this.#random.int(4) === 0) this.#clock.advance(500);
    }
    await this.#closeAndReopen(false);
    await this.#checkAll();
    await this.#closeAndReopen(false);
    await this.#checkAll();
    await this.#settle([this.#store[Symbol.asyncDispose]()]);
    for (const what of ["write", "search", "read", "flush", "merge"]) assert.ok(this.counts[what] > 0, `no ${what} was simulated`);
  }

  async #step(dice: number): Promise<void> {
    if (dice < 50) this.#write(this.#random.int(callers));
    else if (dice < 62) this.#search();
    else if (dice < 72) this.#readOn();
    else if (dice < 78) this.#call("flush", () => this.#store.flush());
    else if (dice < 82) this.#call("merge", () => this.#store.merge());
    else if (dice < 91) this.#changeDisk(faultPlans[Math.max(0, this.#random.int(2 * faultPlans.length) - faultPlans.length)]);
    else if (dice < 94) this.#clock.advance(this.#random.int(120_000));
    else if (dice < 96) this.#letTimePass();
    else if (dice < 98) await this.#crash();
    else await this.#closeAndReopen(this.#random.int(2) === 0);
  }

  async #open(): Promise<void> {
    this.#clock = new SimulatedClock(this.#clock.nowMs());
    this.#files = new FaultyFileSystem(this.#disk);
    this.#store = await openTestStore(this.#files, {
      ...this.#options,
      clock: this.#clock,
      startTable: (setup) => {
        const table = new ThreadedTable(this.#files, setup, this.#clock, silentLogger, this.#random);
        this.#tables.push(table);
        return table;
      },
    });
  }

  /** Starts something; the same thing once at a time. It may be refused, but it must end. */
  #call(what: string, work: () => Promise<void>): void {
    if (this.#busy.has(what)) return;
    const life = this.#life;
    this.#busy.add(what);
    const call = work()
      .catch((error: unknown) => {
        if (life !== this.#life) return;
        const isDisk = error instanceof Error && "code" in error && ["disk_full", "disk_error", "closed", "ENOSPC", "EIO", "EACCES"].includes(String(error.code));
        if (!(error instanceof UnavailableError) && !isDisk) this.#failure ??= error;
        this.#count(`${what.split(" ")[0]} refused`);
      })
      .finally(() => {
        if (life === this.#life) this.#busy.delete(what);
        this.#running.delete(call);
      });
    this.#running.add(call);
    this.#count(what.split(" ")[0]);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #write(caller: number): void {
    this.#call(`write ${caller}`, async () => {
      const builder = new RowBatchBuilder();
      const samples: Samples = new Map();
      for (let row = this.#random.int(12); row >= 0; row--) this.#addRow(builder, samples, caller);
      for (const [value, sample] of samples) this.#written.set(value, sample);
      const life = this.#life;
      const { acceptedSamples, droppedSamples } = await this.#store.write(builder.build());
      if (life !== this.#life) return;
      assert.deepEqual(droppedSamples, {});
      assert.equal(acceptedSamples, samples.size);
      for (const [value, sample] of samples) this.#acknowledged.set(value, sample);
    });
  }

  #addRow(builder: RowBatchBuilder, samples: Samples, caller: number): void {
    const random = this.#random;
    const nowMs = this.#clock.nowMs();
    const name = random.int(3) === 0 ? `shared${random.int(5)}` : `m${caller}_${random.int(120)}${random.int(5) === 0 ? "x".repeat(random.int(400)) : ""}`;
    const count = random.int(20) === 0 ? random.int(600) : random.int(12);
    // The clock may jump before the batch is taken.
    const oldestMs = nowMs - retentionMs + 2 * jumpDaysMax * dayMs;
    const fromMs = random.int(5) === 0 ? oldestMs + random.int(nowMs - oldestMs) : nowMs - 100_000 + random.int(100_000);
    const stepMs = [1, 1000, 15_000, -1000, 40_000_000][random.int(5)];
    const timestampsMs = new Float64Array(count);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      timestampsMs[i] = Math.min(Math.max(fromMs + i * stepMs, oldestMs), nowMs);
      values[i] = this.#nextValue++;
      samples.set(values[i], { name, timestampMs: timestampsMs[i] });
    }
    builder.addSeries(labelsOf({ __name__: name }), timestampsMs, values);
  }

  /** What a search that starts now has to find. */
  #expected(): (readonly [number, Sample])[] {
    const minMs = this.#clock.nowMs() - retentionMs;
    return [...this.#acknowledged].filter(([, { timestampMs }]) => timestampMs >= minMs);
  }

  #search(): void {
    if (this.#searches.length >= 3) return;
    this.#call("search", async () => {
      const expected = this.#expected();
      const found = await this.#store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 4e12 } });
      this.#searches.push(new HeldSearch(found, this.#written, expected, this.#files.plan === undefined));
    });
  }

  #changeDisk(plan: FaultPlan | undefined): void {
    this.#files.plan = plan;
    if (plan !== undefined) for (const search of this.#searches) search.isDiskGood = false;
  }

  /** One more batch of a held search, or none any more. */
  #readOn(): void {
    const search = this.#searches.shift();
    if (search === undefined) return;
    const isLeft = this.#random.int(8) === 0;
    this.#call(`read ${this.#nextValue++}`, async () => {
      if (isLeft) await search.leave();
      else if (await search.next()) this.#searches.push(search);
    });
  }

  #letTimePass(): void {
    const days = this.#random.int(jumpDaysMax);
    // A clock that jumps: the next life begins later. Within one, timers would fall due a million times.
    this.#clock = Object.assign(this.#clock, { nowMs: ((from: number) => () => from + days * dayMs)(this.#clock.nowMs()) });
    this.#call("drop", () => this.#store.dropExpired());
  }

  /** A kill, or a power loss; the store that was there before is never heard of again. */
  async #crash(): Promise<void> {
    const isKill = this.#random.int(2) === 0;
    this.#forgetEverythingRunning();
    this.#disk = isKill ? this.#disk.killClone() : this.#disk.crashClone(this.#random);
    await this.#open();
    await this.#checkAll(isKill || this.#options?.fsyncIntervalMs === 0);
  }

  #forgetEverythingRunning(): void {
    this.#life++;
    for (const table of this.#tables) table.die();
    this.#tables = [];
    this.#running.clear();
    this.#busy.clear();
    this.#searches = [];
  }

  /** A close in the middle of everything; with `isFaulty` the disk goes on to refuse. */
  async #closeAndReopen(isFaulty: boolean): Promise<void> {
    if (!isFaulty) this.#files.plan = undefined;
    for (const search of this.#searches.splice(0)) await search.leave();
    const closing = this.#store[Symbol.asyncDispose]().catch((error: unknown) => {
      if (!isFaulty) throw error;
    });
    await this.#settle([...this.#running, closing]);
    this.#files.plan = undefined;
    this.#tables = [];
    for (const search of this.#searches.splice(0)) await search.leave();
    await this.#open();
    await this.#checkAll();
  }

  /** Waits as long as anything moves; time goes on meanwhile. */
  async #settle(work: readonly Promise<unknown>[]): Promise<void> {
    let isDone = false;
    const all = Promise.all(work)
      .catch((error: unknown) => (this.#failure ??= error))
      .finally(() => (isDone = true));
    for (let turns = 0; !isDone; turns++) {
      assert.ok(turns < 5000, `something hangs: ${[...this.#busy].join(", ") || "closing"}`);
      await turn();
      if (turns % 10 === 9) this.#clock.advance(500);
    }
    await all;
    this.#checkFailure();
  }

  /** Reads everything. What was acknowledged is there, or, if `mustHaveAll` is false, is forgotten. */
  async #checkAll(mustHaveAll = true): Promise<void> {
    const found = await this.#store.search({ tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: 4e12 } });
    const search = new HeldSearch(found, this.#written, mustHaveAll ? this.#expected() : [], true);
    while (await search.next());
    this.#acknowledged = new Map([...this.#acknowledged].filter(([value]) => search.seen.has(value)));
  }
}

const firstSeed = testSeed();
for (const shardCount of [1, 2]) {
  for (let seed = firstSeed; seed < firstSeed + 6; seed++) {
    test(`local store: simulation, ${shardCount} shard(s), TIDEMARK_TEST_SEED=${seed}`, { timeout: 60_000 }, () => new Simulation(seededRandom(seed), shardCount).run());
  }
}
