// Shows that the head keeps every sample it is given (readers see them sorted, bit-exact), through hand-over, release and replay of its
// own log records, against a plain Map.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { sortScratchBytes } from "../kernel/columns.ts";
import { headContext, headKernels } from "../kernel/head.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { logHeaderBytes } from "../kernel/log_record.ts";
import { encodeLogRows, expandLogRows, logRowsHeaderBytes } from "../kernel/log_rows.ts";
import { createIndex } from "../kernel/postings.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { SeriesIdTable } from "../kernel/series_id_table.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { testSeed } from "../../testkit/seed.ts";
import { type BatchPointers, Head, type Seal } from "./head.ts";

const seriesMax = 20_000;

function createHead(options: { sealChunks?: number; sealChunksMax?: number; chunkBytesMax?: number } = {}): { head: Head; kernel: Kernel; logFrom: number; seriesLogFrom: number } {
  const kernel = new Kernel(createMemory(1 << 20));
  const indexContext = createIndex(kernel, { seriesMax }, 7n);
  const head = new Head(kernel, {
    indexContext, seriesMax, seedLow: 1n, seedHigh: 2n, nextSeriesId: 1, seriesIdStep: 1,
    sealChunks: options.sealChunks ?? 2, sealChunksMax: options.sealChunksMax ?? 1 << 20, chunkBytesMax: options.chunkBytesMax ?? 1 << 26,
  });
  const logFrom = kernel.allocate(1 << 21);
  const seriesLogFrom = kernel.allocate(1 << 21);
  head.setLogAreas({ position: logFrom, end: logFrom + (1 << 21) }, { position: seriesLogFrom, end: seriesLogFrom + (1 << 21) });
  head.nextLogRow = 1;
  return { head, kernel, logFrom, seriesLogFrom };
}

function place(kernel: Kernel, builder: RowBatchBuilder): BatchPointers {
  const batch = builder.build();
  const rows = kernel.allocate(batch.seriesRows.byteLength);
  const labelBase = kernel.allocate(batch.labelBytes.length + 8);
  const timestamps = kernel.allocate(batch.sampleCount * 8);
  const values = kernel.allocate(batch.sampleCount * 8);
  kernel.u32.set(batch.seriesRows, rows / 4);
  kernel.u8.set(batch.labelBytes, labelBase);
  kernel.f64.set(batch.timestampsMs, timestamps / 8);
  kernel.f64.set(batch.values, values / 8);
  return { rows, rowCount: batch.seriesCount, labelBase, timestamps, values, knownSeries: 0, accountId: 0, projectId: 0 };
}

/** All samples of the head by seriesIndex, as [timestampMs, value bits] in time order. */
function readAll(head: Head, publishedSeal = 0): Map<number, [number, bigint][]> {
  const { kernel } = head;
  const kernels = headKernels(kernel);
  const capacity = 200_000;
  const mark = kernel.mark();
  const list = kernel.allocate(seriesMax * 4);
  const sampleFrom = kernel.allocate((seriesMax + 1) * 4);
  const timestamps = kernel.allocate(capacity * 8);
  const values = kernel.allocate(capacity * 8);
  const scratch = kernel.allocate(sortScratchBytes(capacity));
  const count = head.seriesCount;
  for (let i = 0; i < count; i++) kernel.u32[list / 4 + i] = i;
  assert.equal(kernels.headCopyOut(head.context, list, count, -Infinity, Infinity, publishedSeal, sampleFrom, timestamps, values, capacity, scratch), count);
  const bits = new BigUint64Array(kernel.memory.buffer);
  const result = new Map<number, [number, bigint][]>();
  for (let i = 0; i < count; i++) {
    const samples: [number, bigint][] = [];
    for (let k = kernel.u32[sampleFrom / 4 + i]; k < kernel.u32[sampleFrom / 4 + i + 1]; k++) samples.push([kernel.f64[timestamps / 8 + k], bits[values / 8 + k]]);
    result.set(i, samples);
  }
  kernel.reset(mark);
  return result;
}

const sortSamples = (samples: [number, bigint][]): [number, bigint][] => samples.toSorted((a, b) => a[0] - b[0]);

interface Model {
  /** By series name, in the order of arrival. */
  readonly samples: Map<string, [number, bigint][]>;
  readonly order: string[];
}

function randomBatch(random: Random, model: Model): RowBatchBuilder {
  const builder = new RowBatchBuilder();
  const rowCount = 1 + random.int(30);
  for (let row = 0; row < rowCount; row++) {
    const name = `series_${random.int(40)}`;
    const count = random.int(12);
    const timestampsMs = new Float64Array(count);
    const bits = new BigUint64Array(count);
    for (let i = 0; i < count; i++) {
      timestampsMs[i] = random.int(5) === 0 ? random.int(1_000_000_000) : 1_700_000_000_000 + random.int(100_000);
      bits[i] = random.int(3) === 0 ? 0x7ff0000000000002n : BigInt(random.int(1 << 30)) << 22n;
    }
    builder.addSeries(labelsOf({ __name__: name, job: "x" }), timestampsMs, new Float64Array(bits.buffer));
    if (count > 0 && !model.samples.has(name)) {
      model.samples.set(name, []);
      model.order.push(name);
    }
    for (let i = 0; i < count; i++) model.samples.get(name)?.push([timestampsMs[i], bits[i]]);
  }
  return builder;
}

function appendAll(head: Head, pointers: BatchPointers): void {
  let step = head.append(pointers, 0, 0, Infinity);
  while (step.stop === "turn") step = head.append(pointers, step.row, 0, Infinity);
  assert.equal(step.stop, "done");
}

function expectModel(actual: Map<number, [number, bigint][]>, model: Model, seed: number): void {
  assert.equal(actual.size, model.order.length, `seed ${seed}`);
  model.order.forEach((name, i) => assert.deepEqual(actual.get(i), sortSamples(model.samples.get(name) ?? []), `seed ${seed}, ${name}`));
}

test("head: readers see what was appended, sorted", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const { head, kernel } = createHead();
    const model: Model = { samples: new Map(), order: [] };
    for (let i = 0; i < 20; i++) appendAll(head, place(kernel, randomBatch(random, model)));
    expectModel(readAll(head), model, seed);
  }
});

/** Gathers a seal as the storage thread does: [seriesIndex, samples] rows. */
function gather(head: Head, seal: Seal): Map<number, [number, bigint][]> {
  const { kernel } = head;
  const kernels = headKernels(kernel);
  const mark = kernel.mark();
  const order = kernel.allocate(seal.entryCount * 4);
  const entries = Array.from({ length: seal.entryCount }, (_, i) => i);
  const seriesOf = (entry: number): number => kernel.u32[seal.entries / 4 + entry * 3];
  entries.sort((a, b) => seriesOf(a) - seriesOf(b) || a - b);
  kernel.u32.set(entries, order / 4);
  const capacity = 4096;
  const n = seal.entryCount;
  const seriesIndexes = kernel.allocate(n * 4);
  const seriesIds = kernel.allocate(n * 4);
  const sampleFrom = kernel.allocate((n + 1) * 4);
  const lastLogRows = kernel.allocate(n * 8);
  const timestamps = kernel.allocate(capacity * 8);
  const values = kernel.allocate(capacity * 8);
  const scratch = kernel.allocate(sortScratchBytes(capacity));
  const countOut = kernel.allocate(8);
  const result = new Map<number, [number, bigint][]>();
  for (let from = 0; from < n; ) {
    from = kernels.headGather(head.context, seal.entries, order, from, n, seriesIndexes, seriesIds, sampleFrom, lastLogRows, timestamps, values, capacity, scratch, countOut);
    const bits = new BigUint64Array(kernel.memory.buffer);
    for (let s = 0; s < kernel.u32[countOut / 4]; s++) {
      const seriesIndex = kernel.u32[seriesIndexes / 4 + s];
      assert.equal(kernel.u32[seriesIds / 4 + s], seriesIndex + 1);
      const samples = result.get(seriesIndex) ?? [];
      for (let k = kernel.u32[sampleFrom / 4 + s]; k < kernel.u32[sampleFrom / 4 + s + 1]; k++) samples.push([kernel.f64[timestamps / 8 + k], bits[values / 8 + k]]);
      result.set(seriesIndex, samples);
    }
  }
  kernel.reset(mark);
  return result;
}

test("head: what is handed over and what stays is everything, before and after release", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const { head, kernel } = createHead({ sealChunks: 1 + random.int(3), sealChunksMax: 20 });
    const model: Model = { samples: new Map(), order: [] };
    const sealed = new Map<number, [number, bigint][]>();
    const seals: Seal[] = [];
    for (let i = 0; i < 15; i++) {
      appendAll(head, place(kernel, randomBatch(random, model)));
      if (random.int(4) === 0) head.handOver(0, head.seriesCount);
      seals.push(...head.takeSeals(random.int(2) === 0));
      expectModel(readAll(head), { ...model, samples: minus(model, sealed) }, seed);
      while (seals.length > 1) {
        const seal = seals.shift();
        if (seal === undefined) break;
        for (const [series, samples] of gather(head, seal)) sealed.set(series, [...(sealed.get(series) ?? []), ...samples]);
        const expected = { ...model, samples: minus(model, sealed) };
        expectModel(readAll(head, seal.sealNumber), expected, seed);
        head.unlink(seal, 0, seal.entryCount);
        head.free(seal, 0, seal.entryCount);
        expectModel(readAll(head), expected, seed);
      }
    }
  }
});

/** The model's samples that are not in `sealed`. */
function minus(model: Model, sealed: ReadonlyMap<number, [number, bigint][]>): Map<string, [number, bigint][]> {
  const rest = new Map<string, [number, bigint][]>();
  model.order.forEach((name, series) => {
    const gone = new Map<string, number>();
    for (const sample of sealed.get(series) ?? []) gone.set(sample.join(), (gone.get(sample.join()) ?? 0) + 1);
    const kept = (model.samples.get(name) ?? []).filter((sample) => {
      const left = gone.get(sample.join()) ?? 0;
      if (left > 0) gone.set(sample.join(), left - 1);
      return left === 0;
    });
    rest.set(name, kept);
  });
  return rest;
}

test("head: its log records replay to the same head, but for rows already in parts", () => {
  const random = seededRandom(5);
  const { head, kernel, logFrom, seriesLogFrom } = createHead();
  const model: Model = { samples: new Map(), order: [] };
  for (let i = 0; i < 10; i++) appendAll(head, place(kernel, randomBatch(random, model)));
  const copy = createHead();
  const u8 = kernel.u8;
  const records = (from: number, to: number): Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      const payloadSize = kernel.u32[at / 4];
      found.push(u8.slice(at + logHeaderBytes, at + logHeaderBytes + payloadSize));
      at += logHeaderBytes + Math.ceil(payloadSize / 8) * 8;
    }
    return found;
  };
  const target = copy.kernel.allocate(1 << 20);
  for (const payload of records(seriesLogFrom, head.seriesLogPosition)) {
    const words = new Uint32Array(payload.buffer, 0, 4);
    copy.kernel.u8.set(payload.subarray(16, 16 + words[3]), target);
    copy.head.register(target, words[3], words[1], words[2], words[0]);
  }
  const ids = new SeriesIdTable(copy.kernel, seriesMax, (sizeBytes) => copy.kernel.allocate(sizeBytes));
  const persisted = copy.kernel.allocate(seriesMax * 8);
  for (let i = 0; i < copy.head.seriesCount; i++) ids.set(i + 1, i);
  copy.kernel.f64[persisted / 8] = Infinity; // the first series is wholly in parts
  for (const payload of records(logFrom, head.logPosition)) {
    const rows = expandLogRows(payload)!;
    assert.deepEqual(encodeLogRows(rows), payload);
    copy.kernel.u8.set(rows, target);
    assert.equal(copy.head.replay(target, 0, ids, persisted).stop, "done");
  }
  const original = readAll(head);
  original.set(0, []);
  assert.deepEqual(readAll(copy.head), original);
  assert.equal(copy.head.nextLogRow, head.nextLogRow);
});

test("head: out of range samples are counted, and a series of nothing else is not created", () => {
  const { head, kernel } = createHead();
  const builder = new RowBatchBuilder()
    .addSeries(labelsOf({ __name__: "old" }), Float64Array.of(1, 2), Float64Array.of(1, 2))
    .addSeries(labelsOf({ __name__: "new" }), Float64Array.of(9000, 500), Float64Array.of(1, 2))
    .addSeries(labelsOf({ __name__: "good" }), Float64Array.of(500, 1), Float64Array.of(1, 2));
  assert.equal(head.append(place(kernel, builder), 0, 100, 1000).stop, "done");
  const { accepted, droppedOld, droppedFuture, newSeries } = head.counters();
  assert.deepEqual({ accepted, droppedOld, droppedFuture, newSeries }, { accepted: 2, droppedOld: 3, droppedFuture: 1, newSeries: 2 });
});

test("head: the table grows with the series, and later appends find them by prediction", () => {
  const { head, kernel, logFrom } = createHead();
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 10_000; i++) builder.addLabelRun(encodeLabelRun(labelsOf({ __name__: "m", i: String(i) })), Float64Array.of(1000 + i), Float64Array.of(i));
  const pointers = place(kernel, builder);
  for (let round = 0; round < 3; round++) {
    appendAll(head, pointers);
    const series = { position: head.seriesLogPosition, end: head.seriesLogPosition + 1 };
    head.setLogAreas({ position: logFrom, end: logFrom + (1 << 21) }, series);
  }
  assert.equal(head.seriesCount, 10_000);
  assert.ok(head.counters().predictionMisses < 10_040, String(head.counters().predictionMisses));
});

const dayMs = 86_400_000;
const orders: { name: string; timesMs: number[]; chunks: number }[] = [
  { name: "in order", timesMs: [0, 1, 2, 3, 4, 5, 6, 7, 8], chunks: 2 },
  { name: "duplicates", timesMs: [5, 5, 5, 6, 6], chunks: 1 },
  { name: "late, but not before the chunk began", timesMs: [5, 9, 6, 8, 7], chunks: 1 },
  { name: "before the chunk began", timesMs: [5, 4, 6, 7], chunks: 2 },
  { name: "backwards", timesMs: [4, 3, 2, 1], chunks: 4 },
  { name: "two senders, one of them years behind", timesMs: [0, 1, 2, 3].flatMap((i) => [i, i - 1000 * dayMs]), chunks: 8 },
  { name: "a jump of more than a chunk spans", timesMs: [0, 60 * dayMs, 1, 61 * dayMs], chunks: 4 },
];
for (const { name, timesMs, chunks } of orders) {
  test(`head: samples ${name} are kept, equal times in the order of arrival`, () => {
    const { head, kernel } = createHead({ sealChunks: 100 });
    const times = timesMs.map((timeMs) => 1_700_000_000_000 + timeMs);
    const values = BigUint64Array.from(times, (_, i) => BigInt(i));
    for (let i = 0; i < times.length; i++) {
      const builder = new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), Float64Array.of(times[i]), new Float64Array(values.buffer, i * 8, 1));
      appendAll(head, place(kernel, builder));
    }
    assert.deepEqual(readAll(head).get(0), sortSamples(times.map((timeMs, i) => [timeMs, BigInt(i)])));
    assert.equal(head.counters().accepted, times.length);
    assert.equal(head.usedBytes, chunks * 128);
  });
}

test("head: a batch of many new series is taken in turns", () => {
  const { head, kernel } = createHead();
  const builder = new RowBatchBuilder();
  for (let i = 0; i < 5000; i++) builder.addLabelRun(encodeLabelRun(labelsOf({ __name__: "m", i: String(i) })), Float64Array.of(1000 + i, 2000), Float64Array.of(i, i));
  const pointers = place(kernel, builder);
  const stops = [];
  for (let row = 0; ; ) {
    const before = head.seriesCount;
    const step = head.append(pointers, row, 0, Infinity);
    assert.ok(head.seriesCount - before <= 1024);
    assert.equal(head.seriesCount, step.row);
    stops.push(step.stop);
    row = step.row;
    if (step.stop === "done") break;
  }
  assert.deepEqual(stops, ["turn", "turn", "turn", "turn", "done"]);
  assert.equal(head.counters().accepted, 10_000);
});

test("head: series are found while their table grows", () => {
  const { head, kernel } = createHead();
  const random = seededRandom(testSeed());
  const run = kernel.allocate(512);
  const byRun = new Map<string, number>();
  for (let i = 0; i < 30_000; i++) {
    const name = `${"x".repeat(random.int(90))}${random.int(18_000)}`;
    const bytes = encodeLabelRun(labelsOf({ __name__: name }));
    kernel.u8.set(bytes, run);
    const expected = byRun.get(name) ?? byRun.size;
    byRun.set(name, expected);
    assert.equal(head.register(run, bytes.length, 0, 0, i + 1), expected < seriesMax ? expected : -1);
    if (expected >= seriesMax) byRun.delete(name);
  }
  assert.equal(head.seriesCount, Math.min(seriesMax, byRun.size));
});

test("head: it stops for log room and goes on where it stopped", () => {
  const { head, kernel, logFrom } = createHead();
  const builder = new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), Float64Array.from({ length: 100 }, (_, i) => i), new Float64Array(100));
  const pointers = place(kernel, builder);
  const rowBytes = 5; // of these rows, as they are written
  const longestRowBytes = 25; // free before a row is
  let row = 0;
  let stops = 0;
  const series = { position: kernel.u32[(head.context + headContext.seriesLogPosition) / 4], end: kernel.u32[(head.context + headContext.seriesLogEnd) / 4] };
  for (;;) {
    head.setLogAreas({ position: logFrom, end: logFrom + logHeaderBytes + logRowsHeaderBytes + 29 * rowBytes + longestRowBytes }, series);
    const step = head.append(pointers, row, 0, Infinity);
    row = step.row;
    if (step.stop === "done") break;
    assert.equal(step.stop, "log");
    stops++;
  }
  assert.equal(stops, 3);
  assert.equal(readAll(head).get(0)?.length, 100);
});
