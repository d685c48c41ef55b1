// Answers about labels that are kept are given again only while they are what the store would answer: not after a new series, nor after a new day of a series.
// And lists of label sets are written as JSON.stringify writes them, in slices.
import assert from "node:assert/strict";
import test from "node:test";
import { openTestStore } from "../../testkit/local_stores.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelTableOf } from "../model/label_table.ts";
import { type Labels, labelsOf, labelsToRecord } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { LabelsRequest, Store } from "../model/store.ts";
import { LabelAnswers, stringsBody } from "./label_answers.ts";
import { LabelSetsWriter } from "./labels_json.ts";

const nowMs = 1_700_000_000_000;
const dayMs = 86_400_000;

async function write(store: Store, labels: Record<string, string>, timestampMs: number): Promise<void> {
  await store.write(new RowBatchBuilder(defaultTenant).addSeries(labelsOf(labels), Float64Array.of(timestampMs), Float64Array.of(1)).build());
}

test("an answer is kept until the store has another one", async () => {
  await using store = await openTestStore(new MemoryFileSystem());
  const answers = new LabelAnswers(store, false);
  let made = 0;
  const ask = async (request: Partial<LabelsRequest> = {}): Promise<string> => {
    const whole = { tenant: defaultTenant, selector: [[]], range: { minMs: nowMs - 3_600_000, maxMs: nowMs }, limit: 0, ...request };
    const body = await answers.get(["values", "i"], whole, async () => {
      made++;
      return stringsBody(await store.labelValues("i", whole));
    });
    return Buffer.from(body).toString();
  };
  const old = { minMs: nowMs - 5 * dayMs, maxMs: nowMs - 4 * dayMs };
  const rows: { name: string; change?: () => Promise<unknown>; request?: Partial<LabelsRequest>; data: string; isMade: boolean }[] = [
    { name: "nothing stored", data: "[]", isMade: true },
    { name: "asked again", data: "[]", isMade: false },
    { name: "a series", change: () => write(store, { __name__: "m", i: "1" }, nowMs - 1000), data: '["1"]', isMade: true },
    { name: "asked again", data: '["1"]', isMade: false },
    { name: "more samples", change: () => write(store, { __name__: "m", i: "1" }, nowMs), data: '["1"]', isMade: false },
    { name: "another range of the same day", request: { range: { minMs: nowMs - 3_000_000, maxMs: nowMs - 1 } }, data: '["1"]', isMade: false },
    { name: "other days", request: { range: old }, data: "[]", isMade: true },
    { name: "another selector", request: { selector: [[{ name: "i", op: "=", value: "2" }]] }, data: "[]", isMade: true },
    { name: "the first question", data: '["1"]', isMade: false },
    { name: "a sample on another day", change: () => write(store, { __name__: "m", i: "1" }, nowMs - 4.5 * dayMs), request: { range: old }, data: '["1"]', isMade: true },
    { name: "another series", change: () => write(store, { __name__: "m", i: "2" }, nowMs), data: '["1","2"]', isMade: true },
    { name: "another limit", request: { limit: 1 }, data: '["1"]', isMade: true },
    { name: "a flush", change: () => store.flush(), data: '["1","2"]', isMade: false },
  ];
  for (const { name, change, request, data, isMade } of rows) {
    await change?.();
    made = 0;
    assert.equal(await ask(request), `{"status":"success","data":${data}}`, name);
    assert.equal(made, isMade ? 1 : 0, name);
  }
});

test("a series that is written while an answer is made is in the next one", async () => {
  await using store = await openTestStore(new MemoryFileSystem());
  const answers = new LabelAnswers(store, false);
  const request = { tenant: defaultTenant, selector: [[]], range: { minMs: nowMs - 3_600_000, maxMs: nowMs }, limit: 0 };
  const ask = (meanwhile: () => Promise<void>): Promise<Uint8Array> => answers.get(["values"], request, async () => {
    const values = await store.labelValues("i", request);
    await meanwhile();
    return stringsBody(values);
  });
  await ask(() => write(store, { __name__: "m", i: "1" }, nowMs));
  assert.deepEqual(await ask(() => Promise.resolve()), stringsBody(["1"]));
});

test("nothing is kept when caches are off, or when the store cannot tell", async () => {
  await using store = await openTestStore(new MemoryFileSystem());
  const request = { tenant: defaultTenant, selector: [[]], range: { minMs: 0, maxMs: nowMs }, limit: 0 };
  const unknown = { ...store, labelState: undefined } as unknown as Store;
  for (const answers of [new LabelAnswers(store, true), new LabelAnswers(unknown, false)]) {
    let made = 0;
    for (let i = 0; i < 2; i++) await answers.get([], request, () => Promise.resolve(stringsBody([String(made++)])));
    assert.equal(made, 2);
  }
});

test("lists of label sets are what JSON.stringify writes", async () => {
  const seed = testSeed();
  const writer = new LabelSetsWriter();
  const texts = ["a", "é", "😀", "\ud800", '"', "\\", "\n\0", "x".repeat(200), "job", "1"];
  const lists = Array.from({ length: 12 }, (_, round): Labels[] => {
    const random = seededRandom(seed + round);
    const text = (): string => texts[random.int(texts.length)];
    return Array.from({ length: [0, 1, 50, 9000][round % 4] }, () => (random.int(10) === 0 ? [] : labelsOf({ __name__: text(), [`l${text()}`]: text(), m: text() + text() })));
  });
  // All at once: they take turns.
  const documents = await Promise.all(lists.map((sets) => writer.document(labelTableOf(sets), undefined)));
  documents.forEach((document, i) => assert.equal(Buffer.from(document).toString(), JSON.stringify({ status: "success", data: lists[i].map(labelsToRecord) }), `seed ${seed}`));
});
