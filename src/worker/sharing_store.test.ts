// A rollup that is shared gives bit for bit what one thread gives, with the same figures, whatever the helping side does: help, fail, end, or stop half-way.
// Helping sides stand on ports of the test's own thread, so that it decides what they do and when.
import assert from "node:assert/strict";
import test from "node:test";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { Engine } from "../query/engine.ts";
import { defaultQueryLimits, type QueryLimits } from "../query/limits.ts";
import { QueryTrace, type TraceNode } from "../query/query_trace.ts";
import type { QueryResult } from "../query/result.ts";
import { LocalReader } from "../storage/local_reader.ts";
import type { LocalStore } from "../storage/local_store.ts";
import { firstReaderScratch } from "../storage/open_local_store.ts";
import { ShardReader } from "../storage/shard.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { irregularMs, irregularSeries } from "../../testkit/query_data.ts";
import { randomMetricsqlQuery } from "../../testkit/random_metricsql_query.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { HelpRequest, PeerMessage } from "./help_messages.ts";
import { PeerThreads } from "./peer_threads.ts";
import { RollupHelper } from "./rollup_helper.ts";
import type { SlicePlan } from "./rollup_slices.ts";
import { SharingStore } from "./sharing_store.ts";
import { SliceClaims } from "./slice_claims.ts";
import { SnapshotStore } from "./snapshot_store.ts";
import { ThreadActivity } from "./thread_activity.ts";

const startMs = 1_699_999_200_000 - irregularMs;
/** A few series each, and windows of a few slices. */
const smallSlices: SlicePlan = { searchUsMin: 0, sliceUs: 8, windowBytesMax: 4096, patienceMs: 60_000, aloneMs: 0 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One thread of several that all are this one. */
class TestThread {
  readonly reader: LocalReader;
  readonly kernel = new Kernel();
  readonly peers: PeerThreads;
  readonly engine: Engine;
  readonly activity: ThreadActivity;
  helpWanted = 0;
  isCrowded = false;
  readonly #helper: RollupHelper;

  constructor(store: LocalStore, number: number, activity: SharedArrayBuffer, limits: Partial<QueryLimits> = {}, slices = smallSlices) {
    this.activity = new ThreadActivity(activity, number);
    const shards = store.layouts.map((layout) => new ShardReader(layout, firstReaderScratch + number));
    this.reader = new LocalReader({ files: storeFiles.get(store)!, kernel: this.kernel, shards, onUnreadable: () => undefined });
    const source = { open: store.openSnapshot.bind(store), release: store.releaseSnapshot.bind(store) };
    this.peers = new PeerThreads({
      activity: this.activity, isCrowded: () => this.isCrowded, onHelpWanted: () => void this.helpWanted++, onHelp: (request, reply) => void this.#helper.help(request, reply),
    });
    const sharing = new SharingStore({ reader: this.reader, source, peers: this.peers, slices, labels: shards.map(({ labels }) => labels) });
    this.engine = new Engine({ store: sharing, kernel: this.kernel, nowMs: () => startMs + irregularMs, limits: { ...defaultQueryLimits, ...limits }, takeTurn: turn });
    this.#helper = new RollupHelper({ thread: number, reader: this.reader, store: new SnapshotStore(this.reader, source), kernel: () => this.kernel, isFree: () => true });
  }

  /** Makes a channel to a thread, or to what the test does in its place. */
  connect(number: number): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.peers.add(number, port1);
    port1.unref();
    port2.unref();
    return port2;
  }

  accept(other: number, port: MessagePort): void {
    this.peers.add(other, port);
    port.unref();
  }
}

/** A thread with others that help it. */
function threadWithHelpers(store: LocalStore, helpers: number, limits: Partial<QueryLimits> = {}): TestThread {
  const activity = ThreadActivity.createBuffer(helpers + 1);
  const thread = new TestThread(store, 0, activity, limits);
  for (let number = 1; number <= helpers; number++) new TestThread(store, number, activity).accept(0, thread.connect(number));
  return thread;
}

const storeFiles = new WeakMap<LocalStore, MemoryFileSystem>();

async function openFilled(seed: number, shardCount: number): Promise<LocalStore> {
  const files = new MemoryFileSystem();
  const store = await openTestStore(files, { nowMs: startMs + irregularMs, shardCount, readerThreads: 4 });
  storeFiles.set(store, files);
  const series = irregularSeries(seededRandom(seed), startMs);
  // Some of each in files, some in memory.
  for (const isFirst of [true, false]) {
    const builder = new RowBatchBuilder();
    for (const { labels, timestampsMs, values } of series) {
      const cut = Math.floor(timestampsMs.length * 0.7);
      const [from, to] = isFirst ? [0, cut] : [cut, timestampsMs.length];
      if (to > from) builder.addSeries(labels, Float64Array.from(timestampsMs).subarray(from, to), Float64Array.from(values).subarray(from, to));
    }
    await store.write(builder.build());
    if (isFirst) await store.flush();
  }
  return store;
}

/** Everything but the times and memory that it took. */
function plain({ resultType, timestampsMs, series, isPartial, stats }: QueryResult): unknown {
  const bits = (values: Float64Array): string => Buffer.from(values.slice().buffer).toString("base64");
  return {
    resultType, times: bits(timestampsMs), series: series.map(({ labels, values }) => ({ labels, values: bits(values) })), isPartial, samples: stats.samplesScanned, read: stats.seriesFetched,
  };
}

interface Ask {
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Most of what there is. */
const wide: Ask = { query: 'sum by (job) (rate({__name__=~".+"}[5m]))', startMs: startMs + 600_000, endMs: startMs + irregularMs, stepMs: 60_000 };

async function outcome(engine: Engine, ask: Ask): Promise<unknown> {
  try {
    return plain(await engine.range(ask));
  } catch (error) {
    return String(error);
  }
}

function randomAsk(seed: number): Ask {
  const random = seededRandom(seed);
  const query = randomMetricsqlQuery(random, 1 + random.int(3));
  const fromMs = startMs + random.int(irregularMs / 2);
  return { query, startMs: fromMs, endMs: fromMs + random.int(irregularMs / 2), stepMs: [15_000, 60_000, 300_000][random.int(3)] };
}

/** Slices that other threads did for a query, by its trace. */
function helpedIn(node: TraceNode): number {
  const own = Number(/meanwhile on other threads: .* in (\d+) parts/.exec(node.message)?.[1] ?? 0);
  return own + (node.children ?? []).reduce((sum, child) => sum + helpedIn(child), 0);
}

test("sharing: random queries give the same with no, one and two helping threads", { timeout: 120_000 }, async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (const shardCount of [1, 2]) {
    await using store = await openFilled(random.int(1 << 30), shardCount);
    const [alone, ...others] = [0, 1, 2].map((helpers) => threadWithHelpers(store, helpers));
    for (let round = 0; round < 100; round++) {
      const ask = randomAsk(random.int(1 << 30));
      const expected = await outcome(alone.engine, ask);
      for (const [i, { engine }] of others.entries()) assert.deepEqual(await outcome(engine, ask), expected, `${ask.query} with ${i + 1} helping, seed ${seed}`);
    }
    for (const { engine } of others) {
      const trace = new QueryTrace("", () => 0);
      await engine.range({ ...wide, trace });
      assert.ok(helpedIn(trace.root.node()) > 0, "nobody helped");
    }
    assert.equal(store.stats().readers, 0, "every snapshot was released");
  }
});

/** What stands in the place of a helping thread; resolves when it is through with a request. */
type Stranger = (request: HelpRequest, port: MessagePort) => Promise<void>;

/** A thread whose helper is a stranger. */
function withStranger(store: LocalStore, stranger: Stranger, slices = smallSlices): TestThread {
  const thread = new TestThread(store, 0, ThreadActivity.createBuffer(2), {}, slices);
  const port = thread.connect(1);
  port.on("message", (message: PeerMessage) => {
    if (message.kind === "help") void stranger(message, port);
  });
  port.unref();
  return thread;
}

const faults: { readonly name: string; readonly stranger: Stranger; readonly slices?: SlicePlan }[] = [
  {
    name: "fails at its first slice",
    stranger: async ({ claims, jobId }, port) => {
      const slice = new SliceClaims(claims).claimLast(1);
      if (slice !== undefined) port.postMessage({ kind: "helped", jobId, slice, part: undefined } satisfies PeerMessage);
    },
  },
  {
    name: "ends after it claimed two slices",
    stranger: async ({ claims }, port) => {
      const shared = new SliceClaims(claims);
      shared.claimLast(1);
      shared.claimLast(1);
      port.close();
    },
  },
  { name: "never does anything", stranger: async () => undefined },
  {
    name: "takes ages for a slice",
    slices: { ...smallSlices, patienceMs: 1, aloneMs: 60_000 },
    stranger: async ({ claims, jobId }, port) => {
      const slice = new SliceClaims(claims).claimLast(1);
      for (let turns = 0; turns < 2000; turns++) await turn();
      if (slice !== undefined) port.postMessage({ kind: "helped", jobId, slice, part: undefined } satisfies PeerMessage);
    },
  },
];

for (const { name, stranger, slices } of faults) {
  test(`sharing: a helper that ${name} changes nothing`, { timeout: 60_000 }, async () => {
    await using store = await openFilled(testSeed(), 1);
    const expected = await outcome(new TestThread(store, 0, ThreadActivity.createBuffer(1)).engine, wide);
    let asked = 0;
    const thread = withStranger(store, async (request, port) => {
      asked++;
      await stranger(request, port);
    }, slices);
    assert.deepEqual(await outcome(thread.engine, wide), expected);
    assert.deepEqual(await outcome(thread.engine, wide), expected);
    if (slices === undefined) assert.ok(asked > 0);
    else assert.equal(asked, 1, "who is late is not asked again soon");
    while (store.stats().readers > 0) await turn();
  });
}

test("sharing: the snapshot of a cancelled query stays until its helper has left it", { timeout: 60_000 }, async () => {
  await using store = await openFilled(testSeed(), 1);
  const leave = Promise.withResolvers<void>();
  const controller = new AbortController();
  const reason = new Error("given up");
  const thread = withStranger(store, async ({ claims, jobId }, port) => {
    const slice = new SliceClaims(claims).claimLast(1);
    controller.abort(reason);
    await leave.promise;
    if (slice !== undefined) port.postMessage({ kind: "helped", jobId, slice, part: undefined } satisfies PeerMessage);
  });
  const rejected = assert.rejects(thread.engine.range({ ...wide, signal: controller.signal }), reason);
  while (!controller.signal.aborted) await turn();
  for (let turns = 0; turns < 50; turns++) await turn();
  assert.equal(store.stats().readers, 1);
  leave.resolve();
  await rejected;
  while (store.stats().readers > 0) await turn();
});

test("sharing: limits count what all threads read", { timeout: 60_000 }, async () => {
  await using store = await openFilled(testSeed(), 1);
  const full = await new TestThread(store, 0, ThreadActivity.createBuffer(1)).engine.range(wide);
  const { samplesScanned, seriesFetched } = full.stats;
  const rows: { readonly limits: Partial<QueryLimits>; readonly error: RegExp | undefined }[] = [
    { limits: { samplesMax: samplesScanned }, error: undefined },
    { limits: { samplesMax: samplesScanned - 1 }, error: /samples/ },
    { limits: { seriesMax: 2 }, error: /matches \d+ series, the limit is 2/ },
    { limits: { seriesMax: seriesFetched + 1000 }, error: undefined },
  ];
  for (const { limits, error } of rows) {
    const thread = threadWithHelpers(store, 1, limits);
    if (error === undefined) await thread.engine.range(wide);
    else await assert.rejects(thread.engine.range(wide), error);
    while (store.stats().readers > 0) await turn();
  }
});

test("sharing: threads that are busy are not asked, and further ones are wanted", { timeout: 60_000 }, async () => {
  await using store = await openFilled(testSeed(), 1);
  const activity = ThreadActivity.createBuffer(3);
  const thread = new TestThread(store, 0, activity);
  const busy = new TestThread(store, 1, activity);
  let asked = 0;
  thread.connect(1).on("message", () => asked++).unref();
  busy.activity.begin();
  await thread.engine.range(wide);
  assert.equal(asked, 0);
  assert.ok(thread.helpWanted > 0);
  busy.activity.end();
  thread.isCrowded = true;
  await thread.engine.range(wide);
  await turn();
  assert.equal(asked, 0, "not while queries wait");
  thread.isCrowded = false;
  await thread.engine.range(wide);
  await turn();
  assert.ok(asked > 0);
});

test("sharing: a part that cannot be read makes the answer partial, whoever reads it", { timeout: 60_000 }, async () => {
  await using store = await openFilled(testSeed(), 1);
  const [part] = store.parts;
  const files = storeFiles.get(store)!;
  for (const name of files.list(part.path)) files.remove(`${part.path}/${name}`);
  const result = await threadWithHelpers(store, 1).engine.range(wide);
  assert.equal(result.isPartial, true);
});

test("sharing: label sets of shared series are those of the store", { timeout: 60_000 }, async () => {
  await using store = await openFilled(testSeed(), 2);
  const { series } = await threadWithHelpers(store, 1).engine.range({ ...wide, startMs, query: 'last_over_time({__name__=~".+"}[1h])' });
  const written = irregularSeries(seededRandom(testSeed()), startMs).map(({ labels }) => JSON.stringify(labels));
  assert.deepEqual(series.map(({ labels }) => JSON.stringify(labels)).sort(), [...new Set(written)].sort());
});
