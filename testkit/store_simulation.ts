/**
 * Simulates a whole LocalStore on a disk that fails and a machine that crashes, from one seed: callers write in and out of order, searches are held open
 * across seals, merges and drops, the disk fills up and refuses for a while, bits flip in files at rest, the process is killed or the power goes at any
 * file operation (while opening, too), months pass, the store is closed and opened again. All answers are compared with a plain model (store_model.ts).
 *
 * Everything that differs between seeds is in the plan (store_simulation_plan.ts). The same seed takes the same way, which `trace` tells: a hash over
 * all file operations and answers.
 */
import assert from "node:assert/strict";
import { SimulatedClock } from "../src/base/clock.ts";
import { UnavailableError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/logger.ts";
import { type Random, seededRandom } from "../src/base/random.ts";
import { FaultyFileSystem, type FaultPlan } from "../src/disk/faulty_file_system.ts";
import { MemoryFileSystem } from "../src/disk/memory_file_system.ts";
import { type Labels, labelsOf } from "../src/model/labels.ts";
import type { Matcher, Selector } from "../src/model/matcher.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { SearchResult, SeriesBatch } from "../src/model/store.ts";
import { DirectTableClient } from "../src/storage/direct_table_client.ts";
import type { LocalStore } from "../src/storage/local_store.ts";
import { TableWriter } from "../src/storage/table_writer.ts";
import { verifyDirectory } from "../src/storage/verify_directory.ts";
import { contentsOf, filesBelow, type Flip, flipBits } from "./file_damage.ts";
import { openTestStore, testProcess } from "./local_stores.ts";
import { type Damage, ModelAnswer, type ModelQuery, type ModelSample, type ModelSeries, seriesKey, StoreModel } from "./store_model.ts";
import { drawStep, drawStorePlan, type StepKind, type StorePlan } from "./store_simulation_plan.ts";
import { ThreadedTable } from "./threaded_table.ts";
import { TraceHash } from "./trace_hash.ts";

const startMs = 1_700_000_000_000; // 2023-11-14
const dayMs = 86_400_000;
const everything = { minMs: 0, maxMs: 4e12 };
/** After a time without faults a write that was answered before is synced. */
const syncSlackMs = 2000;
const heldSearchesMax = 3;
/** Turns without an operation of the disk after which something hangs, and those after which it does so whatever moves: a year of parts takes thousands to merge. */
const idleTurnsMax = 1000;
const turnsMax = 20_000;
const openTriesMax = 20;

export interface SimulationOutcome {
  readonly plan: StorePlan;
  /** The same for every run of a seed. */
  readonly trace: number;
  readonly operationCount: number;
  readonly sampleCount: number;
  /** How often each thing was done, refused, or happened. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Resolves when the seed is through; rejects with the first thing that was wrong. `tell` is given a line for everything that happens. */
export async function simulateStore(seed: number, tell: (line: string) => void = () => undefined): Promise<SimulationOutcome> {
  const simulation = new StoreSimulation(seededRandom(seed), tell);
  try {
    return await simulation.run();
  } catch (error) {
    throw new Error(`seed ${seed}, ${simulation.place}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Faults that last until the next change: what full and broken disks do. */
const faultPlans: readonly { readonly plan: FaultPlan; readonly readsFail?: boolean }[] = [
  { plan: ({ kind }) => (kind === "write" || kind === "open" || kind === "makeDirectory" ? { code: "ENOSPC" } : undefined), readsFail: true },
  { plan: ({ kind, path }) => (kind === "write" && path.includes("/log/") ? { code: "ENOSPC", keptBytes: 100 } : undefined) },
  { plan: ({ kind, path }) => (path.includes("/parts/") && (kind === "write" || kind === "open") ? { code: "ENOSPC" } : undefined), readsFail: true },
  { plan: ({ kind }) => (kind === "sync" ? { code: "EIO" } : undefined) },
  { plan: ({ kind }) => (kind === "syncDirectory" || kind === "rename" ? { code: "EIO" } : undefined) },
  { plan: ({ kind, index }) => (kind !== "read" && index % 3 === 0 ? { code: "EIO" } : undefined), readsFail: true },
  { plan: ({ kind, path }) => ((kind === "removeTree" || kind === "remove") && !path.endsWith(".lock") ? { code: "EACCES" } : undefined) },
  { plan: ({ kind }) => (kind === "read" ? { code: "EIO" } : undefined), readsFail: true },
  { plan: ({ kind, index }) => (kind === "write" && index % 2 === 0 ? { code: "EIO", keptBytes: 700 } : undefined) },
  { plan: ({ kind, index }) => (kind === "sync" && index % 2 === 0 ? { code: "EIO" } : undefined) },
];

/** The disk, the wall clock and the calls of one life of the store: from one opening to the next. */
interface Life {
  readonly number: number;
  readonly disk: MemoryFileSystem;
  readonly files: FaultyFileSystem;
  readonly clock: JumpingClock;
  /** When it began, on its monotonic clock. */
  readonly startMs: number;
  readonly running: Set<Promise<void>>;
  readonly busy: Set<string>;
  readonly tables: ThreadedTable[];
  searches: HeldSearch[];
}

/** A clock that may be set forward: timers do not fall due by that. */
class JumpingClock extends SimulatedClock {
  #jumpedMs = 0;

  jump(byMs: number): void {
    this.#jumpedMs += byMs;
  }

  override nowMs(): number {
    return super.nowMs() + this.#jumpedMs;
  }
}

/** A search that is read batch by batch, with other things in between. */
class HeldSearch {
  readonly #batches: AsyncIterator<SeriesBatch>;
  readonly #found: SearchResult;
  readonly #required: ReadonlyMap<ModelSample, number>;
  readonly answer: ModelAnswer;
  /** Whether reads have failed since it began. */
  hasReadFaults: boolean;

  constructor(found: SearchResult, answer: ModelAnswer, required: ReadonlyMap<ModelSample, number>, hasReadFaults: boolean) {
    this.#found = found;
    this.#batches = found.batches[Symbol.asyncIterator]();
    this.answer = answer;
    this.#required = required;
    this.hasReadFaults = hasReadFaults;
  }

  /** False when all is read and right. `nowMs` tells what is expired by then, `isDamaged` whether files are damaged. */
  async next(nowMs: () => number, isDamaged: () => boolean): Promise<boolean> {
    const { value: batch, done } = await this.#batches.next();
    if (done !== true) {
      this.answer.take(batch);
      return true;
    }
    if (!this.#found.isPartial()) {
      this.answer.check(this.#required, nowMs());
      return false;
    }
    if (!this.hasReadFaults && !isDamaged()) assert.fail("an answer is partial, and nothing is damaged");
    this.answer.checkRepeats();
    return false;
  }

  get isPartial(): boolean {
    return this.#found.isPartial();
  }

  async leave(): Promise<void> {
    await this.#batches.return?.();
  }
}

class StoreSimulation {
  readonly #random: Random;
  readonly #plan: StorePlan;
  readonly #model: StoreModel;
  readonly #trace = new TraceHash();
  readonly #tell: (line: string) => void;
  readonly #counts: Record<string, number> = {};
  readonly #reports: string[] = [];
  readonly #damages: FlippedFile[] = [];
  #life: Life;
  #store: LocalStore | undefined;
  /** What a crash left; the store is to be opened on it. */
  #crashed: MemoryFileSystem | undefined;
  /** Operations until a crash; 0: none is planned. */
  #crashIn = 0;
  #crashIsKill = false;
  /** Reads of this life have failed, or may. */
  #readFaults = false;
  #readFaultCount = 0;
  /** When the disk began to work again, on the monotonic clock, and whether reads had failed before. */
  /** Time before the jump of the clock that is going on. */
  #advancingFromMs: number | undefined;
  #goodSinceMs = 0;
  /**
   * What earlier lives have answered may not be on the disk: after a failed sync, which the kernel forgets, and a kill, the log can be read, and syncing it
   * again does nothing. Until it is sealed, power cuts may take it.
   */
  #syncsHaveFailed = false;
  #failure: unknown;
  #operationCount = 0;
  #nextCall = 1;
  #step = 0;
  #kind: StepKind | "opening" | "end" = "opening";

  constructor(random: Random, tell: (line: string) => void) {
    this.#random = random;
    this.#tell = tell;
    this.#plan = drawStorePlan(random);
    tell(JSON.stringify(this.#plan));
    this.#model = new StoreModel(this.#plan.retentionMs);
    this.#life = this.#newLife(new MemoryFileSystem(this.#plan.isThreaded ? { later: (done) => this.#later(done) } : {}), startMs, 1);
  }

  /** What the disk does on another thread is mostly done before anything else happens. */
  #later(done: () => void): void {
    if (this.#random.int(4) === 0) setImmediate(done);
    else queueMicrotask(done);
  }

  /** Where it is, for messages. */
  get place(): string {
    return `step ${this.#step} (${this.#kind}), life ${this.#life.number}, file operation ${this.#operationCount}`;
  }

  async run(): Promise<SimulationOutcome> {
    await this.#open(this.#life.disk, false);
    for (; this.#step < this.#plan.steps; this.#step++) {
      const kind = drawStep(this.#random, this.#plan.weights);
      this.#kind = kind;
      this.#trace.addText(kind);
      await steps[kind](this);
      for (let turns = this.#random.int(6); turns > 0; turns--) await turn();
      if (this.#random.int(4) === 0) await this.#advance(500);
      this.#checkFailure();
      await this.#reopenAfterCrash();
    }
    this.#kind = "end";
    this.#crashIn = 0;
    await this.closeAndReopen(false);
    await this.#settle(this.#theStore()[Symbol.asyncDispose]());
    if (this.#plan.isVerified) this.#verify(this.#life.disk);
    return { plan: this.#plan, trace: this.#trace.value, operationCount: this.#operationCount, sampleCount: this.#model.samples.size, counts: this.#counts };
  }

  /** What `ctl verify` says of the closed directory: it is sound, nothing is left over, and each file that is still damaged is found. */
  #verify(disk: MemoryFileSystem): void {
    const steps = verifyDirectory({ files: disk, directory: "/data", processes: testProcess(1) });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const damaged = new Set(this.#damages.filter((damage) => damage.isThere(disk)).map(({ path }) => path.slice("/data/".length)));
    for (const { path, kind, status, findings } of step.value.files) {
      const isDamaged = damaged.has(path);
      if (isDamaged && status === "ok") assert.fail(`ctl verify does not find the damage of ${path}`);
      if (this.#damages.length > 0) continue; // quarantine leaves empty directories
      if (kind === "unused") assert.fail(`${path} is left over`);
      // A log that was cut and not yet written to again is empty; after a crash nothing tells that from a lost one.
      if (kind === "log" && status === "warning" && findings.every(({ message }) => message.startsWith("there is no log since the last checkpoint"))) continue;
      if (status !== "ok") assert.fail(`ctl verify finds ${status} in ${path}: ${findings.map(({ message }) => message).join("; ")}`);
    }
  }

  // ---- opening, closing, crashing ---------------------------------------------------------------------------------

  #newLife(disk: MemoryFileSystem, nowMs: number, number: number): Life {
    const files = new FaultyFileSystem(disk);
    disk.capacityBytes = Infinity;
    const life: Life = { number, disk, files, clock: new JumpingClock(nowMs), startMs: nowMs, running: new Set(), busy: new Set(), tables: [], searches: [] };
    files.beforeOperation = (operation) => {
      this.#operationCount++;
      this.#trace.addText(operation.kind);
      this.#trace.addText(operation.path);
      this.#trace.addNumber(operation.sizeBytes);
      if (this.#crashIn > 0 && --this.#crashIn === 0) this.crash(this.#crashIsKill);
    };
    return life;
  }

  /** Opens the store until it is open and has been read whole: refusals and crashes on the way lead to the next try. */
  async #open(disk: MemoryFileSystem, mayFail: boolean): Promise<void> {
    for (let tries = 0; tries < openTriesMax; tries++) {
      this.#crashed = undefined;
      this.#store = undefined;
      this.#life = this.#newLife(disk, this.#life.clock.nowMs() + 1, this.#life.number + 1);
      this.#setGood();
      if (mayFail && tries < 3) this.#troubleOpening();
      const isOpen = await this.#tryOpen(this.#life);
      if (this.#crashed === undefined && isOpen && this.#readFaults) await this.#closeUnread();
      else if (this.#crashed === undefined && isOpen && (await this.#checkAll())) return;
      disk = this.#crashed ?? disk;
    }
    assert.fail(`the store was not open after ${openTriesMax} tries`);
  }

  /** Reads may have failed while the store was opened, so it may lack anything. The next opening must find everything again. */
  async #closeUnread(): Promise<void> {
    this.#setGood();
    this.count("opened badly");
    await this.#settle(this.#theStore()[Symbol.asyncDispose]());
  }

  #troubleOpening(): void {
    const { weights } = this.#plan;
    const random = this.#random;
    if (weights.crashLater > 0 && random.int(4) === 0) this.#planCrash(1 + random.int(120));
    if (weights.faults > 0 && random.int(4) === 0) this.#setFaults(faultPlans);
  }

  /** False when the store was refused by a disk that does not work, or the machine crashed. */
  async #tryOpen(life: Life): Promise<boolean> {
    const { isThreaded, minFreeBytes, liveIndexMs, ...plan } = this.#plan;
    let refusal: unknown;
    const opening = openTestStore(life.files, {
      ...plan,
      liveIndexMs: liveIndexMs === Infinity ? undefined : liveIndexMs,
      clock: life.clock,
      logger: this.#logger(life),
      seriesMax: 2048,
      processes: testProcess(1000 + life.number),
      randomBytes: (size) => Uint8Array.from({ length: size }, () => this.#random.int(256)),
      startTable: (storeSetup) => {
        const setup = { ...storeSetup, minFreeBytes };
        if (!isThreaded) return new DirectTableClient(TableWriter.open(life.files, setup, life.clock, this.#logger(life)));
        const table = new ThreadedTable(life.files, setup, life.clock, this.#logger(life), this.#random);
        life.tables.push(table);
        if (life !== this.#life) table.die();
        return table;
      },
    }).then(
      (store) => {
        if (this.#isCurrent(life)) this.#store = store;
      },
      (error: unknown) => {
        refusal = error;
      },
    );
    if (!(await this.#settle(opening))) return false;
    if (refusal === undefined) return true;
    this.count("opening refused");
    this.#mustBeRefusal(refusal, life);
    return this.#mend(life, refusal);
  }

  /** After a refused opening: the disk works again, and a manifest that was damaged is put back. */
  #mend(life: Life, refusal: unknown): false {
    const manifests = this.#damages.filter(({ path }) => /\/manifest(\.previous)?$/.test(path));
    if (life.files.plan === undefined && manifests.length === 0) throw new Error("a store on a good disk cannot be opened", { cause: refusal });
    for (const damage of manifests) damage.undo(life.disk);
    return false;
  }

  /** A kill, or a power loss, at this moment; the store that was there is never heard of again. */
  crash(isKill: boolean): void {
    const life = this.#life;
    this.#crashIn = 0;
    if (!isKill) {
      this.#makeOldWritesDurable();
      this.#model.losePower();
    }
    life.files.beforeOperation = undefined;
    life.files.plan = undefined;
    for (const table of life.tables) table.die();
    this.#crashed = isKill ? life.disk.killClone() : life.disk.crashClone(this.#random);
    this.count(isKill ? "kill" : "power loss");
  }

  /** What was answered some time ago is synced, if the disk took it. */
  #makeOldWritesDurable(): void {
    const nowMs = this.#advancingFromMs ?? this.#life.clock.monotonicMs();
    if (nowMs < this.#goodSinceMs + syncSlackMs || this.#readFaults || this.#life.files.plan !== undefined) return;
    this.#model.makeDurable(this.#syncsHaveFailed ? this.#life.startMs : -Infinity, nowMs - syncSlackMs);
  }

  #planCrash(operations: number): void {
    this.#crashIn = operations;
    this.#crashIsKill = this.#random.int(2) === 0;
  }

  crashLater(): void {
    this.#planCrash(1 + this.#random.int([10, 100, 400][this.#random.int(3)]));
  }

  async #reopenAfterCrash(): Promise<void> {
    if (this.#crashed === undefined) return;
    if (this.#plan.weights.flip > 0 && this.#random.int(2) === 0) this.#flipOn(this.#crashed);
    await this.#open(this.#crashed, true);
  }

  /** A close in the middle of everything; with `isFaulty` the disk goes on to refuse. */
  async closeAndReopen(isFaulty: boolean): Promise<void> {
    const life = this.#life;
    if (!isFaulty) this.#setGood();
    for (const search of life.searches.splice(0)) await search.leave();
    const closing = this.#theStore()[Symbol.asyncDispose]().catch((error: unknown) => {
      if (!isFaulty) throw error;
    });
    if (!(await this.#settle(Promise.all([...life.running, closing])))) return;
    for (const search of life.searches.splice(0)) await search.leave();
    if (this.#crashed !== undefined) return;
    life.files.beforeOperation = undefined;
    this.count("close");
    if (!isFaulty) this.#syncsHaveFailed = false;
    if (this.#plan.weights.flip > 0 && this.#kind !== "end" && this.#random.int(2) === 0) this.#flipOn(life.disk);
    await this.#open(life.disk, this.#kind !== "end");
  }

  /** Reads everything. What was acknowledged is there, and nothing else will ever be. False when the machine crashed meanwhile. */
  async #checkAll(): Promise<boolean> {
    const life = this.#life;
    const found = new Map<ModelSample, number>();
    let isPartial = false;
    for (const tenant of this.#plan.tenants) {
      const search = await this.#startSearch([[]], { tenant, range: everything, matches: () => true });
      if (search === undefined || !(await this.#settle(this.#readAll(search)))) return false;
      for (const [sample, count] of search.answer.found) {
        found.set(sample, count);
        this.#trace.addNumber(count);
      }
      isPartial ||= search.isPartial;
    }
    // Where an answer is partial, what it lacks may be there again another time.
    const isKept = life.files.plan === undefined;
    if (!isPartial) this.#model.settle(found, life.clock.nowMs(), isKept, isKept && !this.#syncsHaveFailed);
    return true;
  }

  async #startSearch(selector: Selector, query: ModelQuery): Promise<HeldSearch | undefined> {
    const life = this.#life;
    let search: HeldSearch | undefined;
    const required = this.#model.required(query, life.clock.nowMs());
    const start = this.#theStore()
      .search({ tenant: query.tenant, selector, range: query.range })
      .then((found) => {
        search = new HeldSearch(found, new ModelAnswer(this.#model, query), required, this.#readFaults);
      });
    return (await this.#settle(start)) ? search : undefined;
  }

  async #readAll(search: HeldSearch): Promise<void> {
    while (await search.next(() => this.#life.clock.nowMs(), () => this.#damages.length > 0));
  }

  // ---- steps ------------------------------------------------------------------------------------------------------

  write(): void {
    const caller = this.#random.int(this.#plan.callers);
    this.call(`write ${caller}`, async (life) => {
      const tenant = this.#plan.tenants[this.#random.int(this.#plan.tenants.length)];
      const builder = new RowBatchBuilder(tenant);
      const samples: ModelSample[] = [];
      const dropped: Record<string, number> = {};
      const rowCount = 1 + this.#random.int(this.#plan.rowsMax);
      for (let row = 0; row < rowCount; row++) this.#addRow(builder, this.#model.seriesOf(tenant, this.#drawLabels()), samples, dropped);
      for (const sample of samples) sample.attempts++;
      const result = await this.#theStore().write(builder.build());
      if (!this.#isCurrent(life)) return;
      assert.deepEqual(result.droppedSamples, dropped);
      assert.equal(result.acceptedSamples, samples.length);
      for (const sample of samples) {
        sample.acknowledged++;
        if (this.#plan.fsyncIntervalMs === 0) sample.durable = sample.acknowledged;
        sample.acknowledgedMs = life.clock.monotonicMs();
      }
    });
  }

  #drawLabels(): Labels {
    const random = this.#random;
    const number = random.int(this.#plan.seriesNames);
    const generation = this.#plan.churnSteps === Infinity ? 0 : Math.floor(this.#step / this.#plan.churnSteps);
    const record: Record<string, string> = { __name__: `m${number % 7}`, i: String(number), job: ["a", "b", "c"][number % 3] };
    if (generation > 0) record["generation"] = String(generation);
    if (number % 11 === 5) record["long"] = "x".repeat(number * 3);
    return labelsOf(record);
  }

  #addRow(builder: RowBatchBuilder, series: ModelSeries, samples: ModelSample[], dropped: Record<string, number>): void {
    const random = this.#random;
    const plan = this.#plan;
    const nowMs = this.#life.clock.nowMs();
    const count = random.int(40) === 0 ? random.int(600) : 1 + random.int(plan.samplesMax);
    // The clock may jump twice before the batch is taken.
    const oldestMs = nowMs - plan.retentionMs + 2 * plan.jumpDaysMax * dayMs;
    const isLate = random.next() < plan.lateChance;
    const fromMs = isLate ? oldestMs + random.int(nowMs - oldestMs) : nowMs - random.int(100_000);
    const stepMs = [1, 1000, 15_000, -1000, 40_000_000][random.int(5)];
    const lots: ModelSample[] = [];
    for (let i = 0; i < count; i++) {
      const timestampMs = Math.min(Math.max(fromMs + i * stepMs, oldestMs), nowMs);
      lots.push(this.#model.newSample(series, timestampMs));
      if (random.int(30) === 0) lots.push(lots[random.int(lots.length)]); // the same once more
    }
    samples.push(...lots);
    const timestampsMs = lots.map(({ timestampMs }) => timestampMs);
    const values = lots.map(({ value }) => value);
    if (random.int(15) === 0) this.#addDropped(timestampsMs, values, dropped, nowMs);
    builder.addSeries(series.labels, Float64Array.from(timestampsMs), Float64Array.from(values));
  }

  #addDropped(timestampsMs: number[], values: number[], dropped: Record<string, number>, nowMs: number): void {
    const isOld = this.#random.int(2) === 0;
    const reason = isOld ? "too_old" : "too_far_in_future";
    timestampsMs.push(isOld ? nowMs - this.#plan.retentionMs - 1000 : nowMs + 1000 * dayMs);
    values.push(-1);
    dropped[reason] = (dropped[reason] ?? 0) + 1;
  }

  search(): void {
    const life = this.#life;
    if (life.searches.length >= heldSearchesMax) return;
    const { selector, query } = this.#drawQuery();
    this.call("search", async () => {
      const required = this.#model.required(query, life.clock.nowMs());
      const found = await this.#theStore().search({ tenant: query.tenant, selector, range: query.range });
      if (this.#isCurrent(life)) life.searches.push(new HeldSearch(found, new ModelAnswer(this.#model, query), required, this.#readFaults));
    });
  }

  #drawQuery(): { selector: Selector; query: ModelQuery } {
    const random = this.#random;
    const tenant = this.#plan.tenants[random.int(this.#plan.tenants.length)];
    const { matchers, matches } = matcherRows[random.int(matcherRows.length)](random);
    const nowMs = this.#life.clock.nowMs();
    const fromMs = nowMs - Math.floor(random.next() ** 3 * this.#plan.retentionMs);
    const range = random.int(3) === 0 ? everything : { minMs: fromMs, maxMs: fromMs + random.int(nowMs - fromMs + 1) };
    return { selector: [matchers], query: { tenant, range, matches: ({ record }) => matches(record) } };
  }

  /** One more batch of a held search, or none any more. */
  readOn(): void {
    const life = this.#life;
    const search = life.searches.shift();
    if (search === undefined) return;
    const isLeft = this.#random.int(8) === 0;
    this.call(`read ${this.#nextCall++}`, async () => {
      if (isLeft) await search.leave();
      else if (await search.next(() => life.clock.nowMs(), () => this.#damages.length > 0)) life.searches.push(search);
    });
  }

  /** Label queries know all series that have samples in the range, and none that was never written. */
  askLabels(): void {
    const { selector, query } = this.#drawQuery();
    this.call("labels", async (life) => {
      const required = this.#readFaults ? new Map<ModelSample, number>() : this.#model.required(query, life.clock.nowMs());
      const faultsBefore = this.#readFaultCount;
      const request = { tenant: query.tenant, selector, range: query.range, limit: 0 };
      const series = await this.#theStore().series(request);
      const values = await this.#theStore().labelValues("i", request);
      const names = await this.#theStore().labelNames(request);
      if (!this.#isCurrent(life)) return;
      const keys = new Set(series.map((labels) => seriesKey(query.tenant, labels)));
      assert.equal(keys.size, series.length, "a series is listed twice");
      for (const key of keys) assert.ok(this.#model.series.has(key) && query.matches(this.#model.series.get(key)!), `${key} was not asked for`);
      if (this.#readFaultCount > faultsBefore) return;
      for (const { series: wanted, damage, timestampMs } of required.keys()) {
        if (damage.length > 0 || timestampMs < life.clock.nowMs() - this.#plan.retentionMs) continue;
        assert.ok(keys.has(wanted.key), `${wanted.key} is not listed for ${query.range.minMs} to ${query.range.maxMs} and has a sample at ${timestampMs}`);
        assert.ok(values.includes(wanted.record["i"]), `the value ${wanted.record["i"]} is not listed`);
        for (const name of Object.keys(wanted.record)) assert.ok(names.includes(name), `the label ${name} is not listed`);
      }
    });
  }

  flush(): void {
    const acknowledged = [...this.#model.samples.values()].filter((sample) => sample.acknowledged > sample.durable);
    const counts = acknowledged.map((sample) => sample.acknowledged);
    this.call("flush", async (life) => {
      await this.#theStore().flush();
      if (this.#isCurrent(life)) acknowledged.forEach((sample, i) => (sample.durable = Math.max(sample.durable, Math.min(counts[i], sample.acknowledged))));
    });
  }

  merge(): void {
    this.call("merge", () => this.#theStore().merge());
  }

  changeFaults(): void {
    if (this.#random.int(2) === 0) this.#setGood();
    else if (this.#random.int(6) === 0) this.#fillDisk();
    else this.#setFaults(faultPlans);
  }

  #setFaults(plans: typeof faultPlans): void {
    const { plan, readsFail } = plans[this.#random.int(plans.length)];
    this.#makeOldWritesDurable();
    this.#life.files.plan = plan;
    this.#syncsHaveFailed = true;
    this.count("faults");
    if (readsFail !== true) return;
    this.#readFaults = true;
    this.#readFaultCount++;
    for (const search of this.#life.searches) search.hasReadFaults = true;
  }

  #fillDisk(): void {
    const { disk } = this.#life;
    this.#makeOldWritesDurable();
    disk.capacityBytes = disk.usedBytes() + this.#random.int(20_000);
    this.#goodSinceMs = Infinity;
    this.#syncsHaveFailed = true;
    this.count("full disk");
  }

  #setGood(): void {
    const { files, disk, clock } = this.#life;
    files.plan = undefined;
    disk.capacityBytes = Infinity;
    this.#readFaults = false;
    this.#goodSinceMs = clock.monotonicMs();
  }

  wait(): Promise<void> {
    // Sometimes so long that silent series leave the head.
    return this.#advance(this.#random.int(4) === 0 ? 400_000 : this.#random.int(60_000));
  }

  /** Syncs that fell due meanwhile are done on another thread, a turn later; until then it is as if the disk had had no time for them. */
  async #advance(byMs: number): Promise<void> {
    this.#advancingFromMs = this.#life.clock.monotonicMs();
    this.#life.clock.advance(byMs);
    await turn();
    await turn();
    this.#advancingFromMs = undefined;
  }

  jump(): void {
    this.#life.clock.jump(this.#random.int(this.#plan.jumpDaysMax * dayMs));
    this.call("drop", () => this.#theStore().dropExpired());
  }

  flip(): void {
    this.#flipOn(this.#life.disk);
  }

  #flipOn(disk: MemoryFileSystem): void {
    const paths = filesBelow(disk, "/data").filter((path) => !/lock/.test(path) && disk.size(path) > 0);
    if (paths.length === 0) return;
    const path = paths[this.#random.int(paths.length)];
    const contents = contentsOf(disk, path);
    if (contents === undefined) return;
    const flip = flipBits(disk, path, this.#random);
    const reportsBefore = this.#reports.length;
    const isReported = (): boolean => this.#reports.slice(reportsBefore).some((line) => contents.reportedAs.some((name) => line.includes(name)));
    const damage = new FlippedFile(path, contents.mayRepeat, isReported, flip);
    this.#damages.push(damage);
    for (const series of this.#model.series.values()) if (contents.isEverything || contents.seriesKeys.has(series.key)) series.damage = [...series.damage, damage];
    for (const sample of this.#model.samples.values()) {
      if (contents.isEverything || contents.values.has(sample.value) || contents.seriesKeys.has(sample.series.key)) sample.damage = [...sample.damage, damage];
    }
    this.#trace.addText(path);
    this.#tell(`${this.place}: ${path} is damaged at byte ${flip.position}: ${contents.values.size} samples, ${contents.seriesKeys.size} series`);
    this.count("flip");
  }

  // ---- calls ------------------------------------------------------------------------------------------------------

  /** Starts something; the same thing once at a time. It may be refused, but it must end. */
  call(what: string, work: (life: Life) => Promise<void>): void {
    const life = this.#life;
    if (life.busy.has(what) || !this.#isCurrent(life)) return;
    life.busy.add(what);
    const name = what.split(" ")[0];
    this.count(name);
    const call = work(life)
      .catch((error: unknown) => {
        if (!this.#isCurrent(life)) return;
        this.#mustBeRefusal(error, life);
        this.count(`${name} refused`);
      })
      .finally(() => {
        life.busy.delete(what);
        life.running.delete(call);
      });
    life.running.add(call);
  }

  /** Errors that tell of a bad disk or a store that closes; all others are bugs. */
  #mustBeRefusal(error: unknown, life: Life): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const isDisk = ["disk_full", "disk_error", "closed", "ENOSPC", "EIO", "EACCES"].includes(code);
    const isDamage = this.#damages.length > 0 && /^(corrupt|damaged|missing|unsupported)_/.test(code);
    if (error instanceof UnavailableError || isDisk || isDamage) return;
    if (this.#isCurrent(life)) this.#failure ??= error;
  }

  /** Waits as long as anything moves; time goes on meanwhile. False when the machine crashed. */
  async #settle(work: Promise<unknown>): Promise<boolean> {
    const life = this.#life;
    let isDone = false;
    work
      .catch((error: unknown) => {
        if (this.#isCurrent(life)) this.#failure ??= error;
      })
      .finally(() => (isDone = true));
    let operations = this.#operationCount;
    for (let turns = 0, idleTurns = 0; !isDone && this.#isCurrent(life); turns++) {
      idleTurns = operations === this.#operationCount ? idleTurns + 1 : 0;
      operations = this.#operationCount;
      assert.ok(idleTurns < idleTurnsMax && turns < turnsMax, `something hangs: ${[...life.busy].join(", ") || "opening or closing"}`);
      await turn();
      if (turns % 10 === 9) life.clock.advance(500);
    }
    this.#checkFailure();
    return this.#isCurrent(life);
  }

  #isCurrent(life: Life): boolean {
    return life === this.#life && this.#crashed === undefined;
  }

  #theStore(): LocalStore {
    assert.ok(this.#store !== undefined, "the store is open");
    return this.#store;
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #logger(life: Life): Logger {
    const report = (message: string): void => {
      if (!this.#isCurrent(life)) return;
      this.#reports.push(message);
      this.#tell(`${this.place}: ${message}`);
    };
    return { info: () => undefined, warn: report, error: report };
  }

  count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
    this.#trace.addText(what);
    this.#tell(`${this.place}: ${what}`);
  }

  get random(): Random {
    return this.#random;
  }
}

class FlippedFile implements Damage {
  readonly path: string;
  readonly mayRepeat: boolean;
  readonly isReported: () => boolean;
  readonly #flip: Flip;

  constructor(path: string, mayRepeat: boolean, isReported: () => boolean, flip: Flip) {
    this.path = path;
    this.mayRepeat = mayRepeat;
    this.isReported = isReported;
    this.#flip = flip;
  }

  /** Whether the damaged file is still in its place. */
  isThere(disk: MemoryFileSystem): boolean {
    return this.#flip.isThere(disk);
  }

  /** Puts the bytes back that were there before, if the file is still the one that was damaged. */
  undo(disk: MemoryFileSystem): void {
    if (this.isThere(disk)) disk.corrupt(this.path, this.#flip.position, this.#flip.mask);
  }
}

/** What each kind of step does. Deletions of series get a row here when stores know them. */
const steps: Readonly<Record<StepKind, (simulation: StoreSimulation) => void | Promise<void>>> = {
  write: (simulation) => simulation.write(),
  search: (simulation) => simulation.search(),
  read: (simulation) => simulation.readOn(),
  labels: (simulation) => simulation.askLabels(),
  flush: (simulation) => simulation.flush(),
  merge: (simulation) => simulation.merge(),
  faults: (simulation) => simulation.changeFaults(),
  wait: (simulation) => simulation.wait(),
  jump: (simulation) => simulation.jump(),
  crash: (simulation) => simulation.crash(simulation.random.int(2) === 0),
  crashLater: (simulation) => simulation.crashLater(),
  close: (simulation) => simulation.closeAndReopen(simulation.random.int(2) === 0),
  flip: (simulation) => simulation.flip(),
};

interface MatcherRow {
  readonly matchers: readonly Matcher[];
  readonly matches: (record: Readonly<Record<string, string>>) => boolean;
}

/** Selectors with their plain meaning. */
const matcherRows: readonly ((random: Random) => MatcherRow)[] = [
  () => ({ matchers: [], matches: () => true }),
  (random) => {
    const name = `m${random.int(8)}`;
    return { matchers: [{ name: "__name__", op: "=", value: name }], matches: (record) => record["__name__"] === name };
  },
  () => ({ matchers: [{ name: "job", op: "=~", value: "a|b" }], matches: (record) => record["job"] !== "c" }),
  () => ({ matchers: [{ name: "generation", op: "=", value: "" }], matches: (record) => record["generation"] === undefined }),
  (random) => {
    const i = String(random.int(20));
    return { matchers: [{ name: "i", op: "!=", value: i }, { name: "job", op: "!~", value: "b" }], matches: (record) => record["i"] !== i && record["job"] !== "b" };
  },
];

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
