/** Exemplars: rings and bounds, what counts as known, selection, and that they survive checkpoints, restarts and kills. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { SimulatedClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import type { SeriesExemplar } from "../model/exemplar.ts";
import { encodeLabelRun, labelsOf, labelValue } from "../model/labels.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { SeriesExemplars } from "../model/store.ts";
import { ExemplarTable } from "./exemplar_table.ts";
import { encodeLogExemplars, visitLogExemplars } from "./log_payload.ts";

function exemplar(name: string, trace: string, timestampMs: number, value = 1): SeriesExemplar {
  return { labelRun: encodeLabelRun(labelsOf({ __name__: name, job: "j" })), labels: labelsOf(trace === "" ? {} : { trace_id: trace }), value, timestampMs };
}

const all: Selector = [[]];

function texts(found: readonly SeriesExemplars[]): string[] {
  return found.flatMap(({ labels, exemplars }) => exemplars.map((one) => `${labelValue(labels, "__name__")} ${labelValue(one.labels, "trace_id")} ${one.value}@${one.timestampMs}`));
}

async function list(table: ExemplarTable, selector: Selector = all, minMs = 0, maxMs = 1e15): Promise<string[]> {
  return texts(await table.select({ tenant: defaultTenant, selector, range: { minMs, maxMs } }));
}

test("a series keeps its newest ones, in order of time; known ones and those that are too old are not taken", async () => {
  const table = new ExemplarTable({ perSeriesMax: 3, totalMax: 100 });
  assert(table.put([exemplar("a", "1", 10), exemplar("a", "2", 30), exemplar("a", "3", 20)]).length > 0);
  assert.deepEqual(await list(table), ["a 1 1@10", "a 3 1@20", "a 2 1@30"]);
  assert.equal(table.put([exemplar("a", "3", 20), exemplar("a", "2", 35), exemplar("a", "0", 5)]).length, 0);
  assert(table.put([exemplar("a", "2", 35, 2)]).length > 0);
  assert.deepEqual(await list(table), ["a 3 1@20", "a 2 1@30", "a 2 2@35"]);
  assert.equal(table.count, 3);
});

test("over the limit of all series those that came first go", async () => {
  const table = new ExemplarTable({ perSeriesMax: 10, totalMax: 4 });
  for (let i = 0; i < 6; i++) table.put([exemplar(`m${i % 2}`, String(i), i)]);
  assert.deepEqual(await list(table), ["m0 2 1@2", "m0 4 1@4", "m1 3 1@3", "m1 5 1@5"]);
  for (let i = 0; i < 4; i++) table.put([exemplar("other", String(i), i)]);
  assert.deepEqual(await list(table, [[{ name: "__name__", op: "=~", value: "m.*" }]]), []);
  const none = new ExemplarTable({ perSeriesMax: 10, totalMax: 0 });
  assert.equal(none.put([exemplar("a", "1", 1)]).length, 0);
});

test("selected by matchers and time, sorted by labels", async () => {
  const table = new ExemplarTable();
  table.put([exemplar("b", "1", 10), exemplar("a", "2", 20), exemplar("c", "", 30, -0.5)]);
  assert.deepEqual(await list(table, [[{ name: "__name__", op: "=", value: "a" }], [{ name: "__name__", op: "=", value: "b" }]]), ["a 2 1@20", "b 1 1@10"]);
  assert.deepEqual(await list(table, [[{ name: "__name__", op: "=", value: "a" }, { name: "job", op: "!=", value: "j" }]]), []);
  assert.deepEqual(await list(table, all, 20, 30), ["a 2 1@20", "c  -0.5@30"]);
  assert.deepEqual(await list(table, []), []);
});

test("records of exemplars are read back, and damaged ones refused", () => {
  const entries = [exemplar("a", "x", 1.5e12), exemplar("bb", "", 2, Infinity)].map(({ labelRun, labels, value, timestampMs }) => ({ labelRun, exemplarRun: encodeLabelRun(labels), value, timestampMs }));
  const payload = encodeLogExemplars(defaultTenant, entries).subarray(16);
  const seen: unknown[] = [];
  assert.equal(visitLogExemplars(payload, (tenant, entry) => seen.push([tenant, entry])), true);
  assert.deepEqual(seen, entries.map((entry) => [defaultTenant, entry]));
  const random = seededRandom(testSeed());
  for (let round = 0; round < 2000; round++) {
    const broken = payload.slice(0, random.int(payload.length + 1));
    for (let i = random.int(4); i > 0 && broken.length > 0; i--) broken[random.int(broken.length)] = random.int(256);
    new ExemplarTable().replay(broken);
  }
});

test("many of them: random puts never go over the limits, and a copy through the log is equal", async () => {
  const random = seededRandom(testSeed());
  const table = new ExemplarTable({ perSeriesMax: 5, totalMax: 200 });
  const copy = new ExemplarTable({ perSeriesMax: 5, totalMax: 200 });
  for (let i = 0; i < 5000; i++) {
    const records = table.put([exemplar(`m${random.int(100)}`, String(random.int(1000)), random.int(1_000_000))]);
    if (records.length > 0) copy.replay(records.subarray(16));
    assert(table.count <= 200);
  }
  assert.deepEqual(await list(copy), await list(table));
  const restored = new ExemplarTable({ perSeriesMax: 5, totalMax: 200 });
  restored.replay(table.encode(0).subarray(16));
  assert.deepEqual(await list(restored), await list(table));
  table.encode(500_000);
  assert((await list(table)).every((text) => Number(text.split("@")[1]) >= 500_000));
});

test("a store gives them back after a kill, a checkpoint and a restart", async () => {
  const nowMs = 1_700_000_000_000;
  const files = new MemoryFileSystem();
  const write = async (store: Awaited<ReturnType<typeof openTestStore>>, name: string): Promise<void> => {
    const batch = new RowBatchBuilder().addSeries(labelsOf({ __name__: name, job: "j" }), Float64Array.of(nowMs), Float64Array.of(1)).addExemplar(exemplar(name, `t-${name}`, nowMs)).build();
    assert.equal((await store.write(batch)).acceptedSamples, 1);
  };
  const found = async (store: Awaited<ReturnType<typeof openTestStore>>): Promise<string[]> => texts(await store.exemplars({ tenant: defaultTenant, selector: all, range: { minMs: 0, maxMs: nowMs } }));
  const first = await openTestStore(files, { nowMs });
  await write(first, "a");
  const killed = files.crashClone(seededRandom(testSeed()));
  await using second = await openTestStore(killed, { nowMs });
  assert.deepEqual(await found(second), [`a t-a 1@${nowMs}`]);
  await first.flush();
  await write(first, "b");
  await first[Symbol.asyncDispose]();
  const third = await openTestStore(files, { nowMs });
  assert.deepEqual(await found(third), [`a t-a 1@${nowMs}`, `b t-b 1@${nowMs}`]);
  await third[Symbol.asyncDispose]();
  await using late = await openTestStore(files, { clock: new SimulatedClock(nowMs + 2 * 86_400_000), retentionMs: 86_400_000 });
  await late.flush();
  assert.deepEqual(await found(late), []);
});
