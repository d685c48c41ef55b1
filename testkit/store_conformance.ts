/**
 * The conformance suite of Store: what src/model/store.ts promises, shown on any implementation. A test file calls storeConformance
 * with a factory; each test opens a store of its own and writes a few samples around `nowMs`.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { compareLabels, encodeLabelRun, type Labels, labelsOf, labelsToRecord } from "../src/model/labels.ts";
import { defaultTenant, type Matcher, type Selector, type Tenant } from "../src/model/matcher.ts";
import { sampleKindHistogram, writeStaleMarker } from "../src/model/row_batch.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { LabelsRequest, SearchRequest, Store } from "../src/model/store.ts";

export interface StoreConformanceOptions {
  /** Name in front of the test names. */
  readonly name: string;
  /** Opens an empty store. The test disposes of it. */
  open(): Promise<Store>;
  /** A time that the store accepts samples at; samples are written up to one hour before it. */
  readonly nowMs?: number;
  /** Called between writing and reading; the suite may be registered once without and once with a flush, for example. */
  settle?(store: Store): Promise<void>;
}

type Series = Readonly<Record<string, string>>;

interface FoundSeries {
  readonly labels: Series;
  readonly timestampsMs: readonly number[];
  /** As 64-bit words, so that NaN payloads and -0 are compared. */
  readonly words: readonly bigint[];
}

const up: Series = { __name__: "up", job: "node", instance: "a:1" };
const series: readonly Series[] = [
  up,
  { __name__: "up", job: "node", instance: "b:1" },
  { __name__: "up", job: "db" },
  { __name__: "requests_total", job: "db", path: "/a.b", code: "200" },
  { __name__: "requests_total", job: "db", path: "/axb", code: "500" },
  { __name__: "Grüße", "label with space": "😀\n", "\uff5e": "x" },
];

const selectorRows: { name: string; selector: Selector; found: readonly number[] }[] = [
  { name: "everything", selector: [[]], found: [0, 1, 2, 3, 4, 5] },
  { name: "no group matches nothing", selector: [], found: [] },
  { name: "=", selector: [[m("__name__", "=", "up")]], found: [0, 1, 2] },
  { name: "= of an unknown value", selector: [[m("__name__", "=", "upp")]], found: [] },
  { name: "= of an unknown label", selector: [[m("nope", "=", "x")]], found: [] },
  { name: "two matchers", selector: [[m("__name__", "=", "up"), m("job", "=", "node")]], found: [0, 1] },
  { name: "!=", selector: [[m("job", "!=", "node")]], found: [2, 3, 4, 5] },
  { name: "= empty: the label is missing", selector: [[m("instance", "=", "")]], found: [2, 3, 4, 5] },
  { name: "!= empty: the label is there", selector: [[m("instance", "!=", "")]], found: [0, 1] },
  { name: "= empty of an unknown label", selector: [[m("nope", "=", "")]], found: [0, 1, 2, 3, 4, 5] },
  { name: "=~ is anchored", selector: [[m("job", "=~", "nod")]], found: [] },
  { name: "=~ with wildcard", selector: [[m("job", "=~", "n.*")]], found: [0, 1] },
  { name: "=~ alternation", selector: [[m("instance", "=~", "a:1|b:1|c:1")]], found: [0, 1] },
  { name: "=~ escaped dot", selector: [[m("path", "=~", "/a\\.b")]], found: [3] },
  { name: "=~ dot", selector: [[m("path", "=~", "/a.b")]], found: [3, 4] },
  { name: "=~ matching empty takes series without the label", selector: [[m("instance", "=~", "a:1|")]], found: [0, 2, 3, 4, 5] },
  { name: "=~ .* matches all", selector: [[m("instance", "=~", ".*")]], found: [0, 1, 2, 3, 4, 5] },
  { name: "=~ .+ needs the label", selector: [[m("instance", "=~", ".+")]], found: [0, 1] },
  { name: "!~", selector: [[m("code", "!~", "5..")]], found: [0, 1, 2, 3, 5] },
  { name: "!~ matching empty needs the label", selector: [[m("code", "!~", "5..|")]], found: [3] },
  { name: "!~ .+: the label is missing", selector: [[m("code", "!~", ".+")]], found: [0, 1, 2, 5] },
  { name: "case-insensitive", selector: [[m("__name__", "=~", "(?i)UP")]], found: [0, 1, 2] },
  { name: "dot matches newline", selector: [[m("label with space", "=~", "..+")]], found: [5] },
  { name: "other scripts", selector: [[m("__name__", "=~", "Gr.ße"), m("label with space", "=", "😀\n")]], found: [5] },
  { name: "or groups", selector: [[m("job", "=", "node")], [m("code", "=", "500")]], found: [0, 1, 4] },
  { name: "or groups that overlap", selector: [[m("job", "=", "node")], [m("instance", "=", "a:1")], [m("nope", "=", "x")]], found: [0, 1] },
  { name: "the same label twice", selector: [[m("job", "!=", "db"), m("job", "!=", "node")]], found: [5] },
];

function m(name: string, op: Matcher["op"], value: string): Matcher {
  return { name, op, value };
}

/** Registers the tests. */
export function storeConformance(options: StoreConformanceOptions): void {
  const nowMs = options.nowMs ?? Math.floor(Date.now() / 1000) * 1000;
  const range = { minMs: nowMs - 3_600_000, maxMs: nowMs };

  /** Registers a test that opens a store and disposes of it. */
  function storeTest(name: string, body: (store: Store) => Promise<void>): void {
    test(`${options.name}: ${name}`, async () => {
      await using store = await options.open();
      await body(store);
    });
  }

  async function write(store: Store, rows: { labels: Series; samples: [number, number][] }[], tenant: Tenant = defaultTenant): Promise<void> {
    const builder = new RowBatchBuilder(tenant);
    for (const row of rows) {
      builder.addSeries(labelsOf(row.labels), Float64Array.from(row.samples, ([t]) => t), Float64Array.from(row.samples, ([, v]) => v));
    }
    const result = await store.write(builder.build());
    assert.equal(result.acceptedSamples, builder.sampleCount);
    assert.deepEqual(Object.values(result.droppedSamples).filter((count) => count !== 0), []);
    await options.settle?.(store);
  }

  function writeAll(store: Store): Promise<void> {
    return write(store, series.map((labels, i) => ({ labels, samples: [[nowMs - 1000, i], [nowMs, i + 0.5]] })));
  }

  function request(changes: Partial<SearchRequest> = {}): SearchRequest {
    return { tenant: defaultTenant, selector: [[]], range, ...changes };
  }

  function labelsRequest(changes: Partial<LabelsRequest> = {}): LabelsRequest {
    return { tenant: defaultTenant, selector: [[]], range, limit: 0, ...changes };
  }

  for (const row of selectorRows) {
    storeTest(`selector: ${row.name}`, async (store) => {
      await writeAll(store);
      const expected = row.found.map((i) => series[i]);
      const found = await search(store, request({ selector: row.selector }));
      assert.deepEqual(sorted(found.map((one) => one.labels)), sorted(expected));
      const listed = await store.series(labelsRequest({ selector: row.selector }));
      assert.deepEqual(listed.map(labelsToRecord), sorted(expected));
    });
  }

  storeTest("only rows of histogram components begin series with __histogram__; their NaNs are kept", async (store) => {
    const own = labelsOf({ __name__: "h", Job: "a", zone: "b", __histogram__: "sum" });
    const times = Float64Array.of(nowMs);
    const foreign = new RowBatchBuilder().addSeries(own, times, Float64Array.of(1)).addSeries(labelsOf({ __name__: "h" }), times, Float64Array.of(2));
    const refused = await store.write(foreign.build());
    assert.deepEqual([refused.acceptedSamples, refused.droppedSamples["reserved_label"]], [1, 1]);
    const accepted = await store.write(new RowBatchBuilder().addLabelRun(encodeLabelRun(own), times, Float64Array.of(NaN), sampleKindHistogram).build());
    assert.equal(accepted.acceptedSamples, 1);
    await options.settle?.(store);
    const found = await search(store, request({ selector: [[m("__histogram__", "=", "sum")]] }));
    assert.deepEqual(found.map((one) => [one.labels, (one.words[0] & 0x7ff8000000000000n) === 0x7ff8000000000000n]), [[labelsToRecord(own), true]]);
  });

  storeTest("an empty store answers with nothing", async (store) => {
    assert.deepEqual(await search(store, request()), []);
    assert.deepEqual(await store.labelNames(labelsRequest()), []);
    assert.deepEqual(await store.labelValues("job", labelsRequest()), []);
    assert.deepEqual(await store.series(labelsRequest()), []);
    assert.deepEqual(await store.metadata(), []);
  });

  storeTest("samples of several writes are joined and sorted by time", async (store) => {
    await write(store, [{ labels: up, samples: [[nowMs - 3000, 1], [nowMs - 1000, 3]] }]);
    await write(store, [{ labels: up, samples: [[nowMs - 2000, 2], [nowMs - 4000, 0]] }]);
    await write(store, [{ labels: up, samples: [[nowMs, 4]] }]);
    const [found] = await search(store, request());
    assert.deepEqual(found.timestampsMs, [4000, 3000, 2000, 1000, 0].map((ms) => nowMs - ms));
    assert.deepEqual(found.words, wordsOf([0, 1, 2, 3, 4]));
  });

  storeTest("a series in several rows of a batch is one series", async (store) => {
    await write(store, [{ labels: up, samples: [[nowMs - 1000, 1]] }, { labels: series[1], samples: [[nowMs, 5]] }, { labels: up, samples: [[nowMs, 2]] }]);
    const found = await search(store, request({ selector: [[m("instance", "=", "a:1")]] }));
    assert.equal(found.length, 1);
    assert.deepEqual(found[0].words, wordsOf([1, 2]));
  });

  storeTest("duplicates are kept, in the order of arrival", async (store) => {
    await write(store, [{ labels: up, samples: [[nowMs, 3], [nowMs, 1], [nowMs, 1]] }]);
    await write(store, [{ labels: up, samples: [[nowMs, 2]] }]);
    const [found] = await search(store, request());
    assert.deepEqual(found.timestampsMs, [nowMs, nowMs, nowMs, nowMs]);
    assert.deepEqual([...found.words].sort(), [...wordsOf([3, 1, 1, 2])].sort());
  });

  storeTest("ranges include both ends", async (store) => {
    await write(store, [{ labels: up, samples: [[nowMs - 3000, 0], [nowMs - 2000, 1], [nowMs - 1000, 2], [nowMs, 3]] }]);
    const [found] = await search(store, request({ range: { minMs: nowMs - 2000, maxMs: nowMs - 1000 } }));
    assert.deepEqual(found.timestampsMs, [nowMs - 2000, nowMs - 1000]);
    const [one] = await search(store, request({ range: { minMs: nowMs, maxMs: nowMs } }));
    assert.deepEqual(one.words, wordsOf([3]));
    assert.deepEqual(await search(store, request({ range: { minMs: nowMs - 999, maxMs: nowMs - 1 } })), []);
  });

  storeTest("series whose samples lie on both sides of the range are left out", async (store) => {
    const between: [number, number][] = [[nowMs - 3000, 0], [nowMs, 1]];
    const rows = Array.from({ length: 40 }, (_, i) => ({ labels: { __name__: "m", i: String(i) }, samples: i % 3 === 1 ? [...between, [nowMs - 1500, i] as [number, number]] : between }));
    await write(store, rows);
    const found = await search(store, request({ range: { minMs: nowMs - 2000, maxMs: nowMs - 1000 } }));
    assert.deepEqual(found.map(({ labels, words }) => [labels["i"], words]).sort(), rows.flatMap(({ labels: { i } }) => (Number(i) % 3 === 1 ? [[i, wordsOf([Number(i)])]] : [])).sort());
  });

  storeTest("values keep their bits: stale markers, -0, infinities, denormals, full precision", async (store) => {
    const values = Float64Array.of(0, -0, Infinity, -Infinity, 5e-324, 0.1 + 0.2, 1e300, -1.7976931348623157e308, 123456789.12345679);
    writeStaleMarker(values, 0);
    const timestamps = Float64Array.from(values, (_, i) => nowMs - values.length + i);
    const result = await store.write(new RowBatchBuilder().addSeries(labelsOf(up), timestamps, values).build());
    assert.equal(result.acceptedSamples, values.length);
    await options.settle?.(store);
    const [found] = await search(store, request());
    assert.deepEqual(found.words, wordsOf(values));
  });

  storeTest("a NaN that is not the stale marker is dropped and counted, or kept with its payload", async (store) => {
    const values = Float64Array.of(1, NaN, 2);
    new BigUint64Array(values.buffer)[1] = 0x7ff8_0000_0000_beefn;
    const result = await store.write(new RowBatchBuilder().addSeries(labelsOf(up), Float64Array.of(nowMs - 2, nowMs - 1, nowMs), values).build());
    await options.settle?.(store);
    const [found] = await search(store, request());
    const dropped = result.droppedSamples.nan_value ?? 0;
    assert.equal(result.acceptedSamples + dropped, 3);
    assert.deepEqual(found.words, dropped === 1 ? wordsOf([1, 2]) : wordsOf(values));
  });

  storeTest("tenants do not see each other", async (store) => {
    const other: Tenant = { accountId: 7, projectId: 1 };
    await write(store, [{ labels: up, samples: [[nowMs, 1]] }]);
    await write(store, [{ labels: up, samples: [[nowMs, 2]] }, { labels: series[2], samples: [[nowMs, 3]] }], other);
    assert.deepEqual((await search(store, request())).map((one) => one.words[0]), wordsOf([1]));
    assert.equal((await search(store, request({ tenant: other }))).length, 2);
    assert.deepEqual(await search(store, request({ tenant: { accountId: 7, projectId: 2 } })), []);
    assert.deepEqual(await store.labelValues("job", labelsRequest({ tenant: other })), ["db", "node"]);
    assert.deepEqual(await store.labelNames(labelsRequest({ tenant: { accountId: 1, projectId: 7 } })), []);
  });

  storeTest("label names and values are sorted bytewise", async (store) => {
    await writeAll(store);
    assert.deepEqual(await store.labelNames(labelsRequest()), ["__name__", "code", "instance", "job", "label with space", "path", "\uff5e"]);
    assert.deepEqual(await store.labelValues("__name__", labelsRequest()), ["Grüße", "requests_total", "up"]);
    assert.deepEqual(await store.labelValues("nope", labelsRequest()), []);
    const selector = [[m("__name__", "=", "requests_total")]];
    assert.deepEqual(await store.labelNames(labelsRequest({ selector })), ["__name__", "code", "job", "path"]);
    assert.deepEqual(await store.labelValues("code", labelsRequest({ selector })), ["200", "500"]);
    assert.deepEqual(await store.labelValues("job", labelsRequest({ selector: [[m("instance", "!=", "")], [m("code", "=", "500")]] })), ["db", "node"]);
  });

  storeTest("characters above U+FFFF sort after all others", async (store) => {
    const names = ["\u{1f600}", "\uff5e", "z", "é"];
    await write(store, names.map((job) => ({ labels: { __name__: "up", job }, samples: [[nowMs, 1]] })));
    assert.deepEqual(await store.labelValues("job", labelsRequest()), ["z", "é", "\uff5e", "\u{1f600}"]);
    const listed = await store.series(labelsRequest());
    assert.deepEqual(listed.map((labels) => labelsToRecord(labels)["job"]), ["z", "é", "\uff5e", "\u{1f600}"]);
  });

  storeTest("limits cut the lists", async (store) => {
    await writeAll(store);
    assert.deepEqual(await store.labelNames(labelsRequest({ limit: 2 })), ["__name__", "code"]);
    assert.deepEqual(await store.labelValues("job", labelsRequest({ limit: 1 })), ["db"]);
    const all = await store.series(labelsRequest());
    for (const limit of [1, 4, all.length, all.length + 1]) {
      // Any of them, in their order.
      const some = await store.series(labelsRequest({ limit }));
      const texts = new Set(some.map((labels) => JSON.stringify(labels)));
      assert.equal(texts.size, Math.min(limit, all.length));
      assert.deepEqual(some, all.filter((labels) => texts.has(JSON.stringify(labels))));
    }
  });

  storeTest("what answers about labels depend on changes when they do", async (store) => {
    if (store.labelState === undefined) return;
    const range = { minMs: nowMs - 3_600_000, maxMs: nowMs };
    const states = new Set<string>();
    const check = (isNew: boolean): void => {
      const state = store.labelState?.(range);
      assert.ok(state !== undefined);
      assert.equal(states.has(state.version), !isNew);
      states.add(state.version);
      assert.equal(state.range, store.labelState?.({ ...range, minMs: range.minMs + 1 })?.range);
      assert.notEqual(state.range, store.labelState?.({ ...range, minMs: range.minMs - 4 * 86_400_000 })?.range);
    };
    const labels = { __name__: "m", i: "1" };
    check(true);
    await write(store, [{ labels, samples: [[nowMs - 2000, 1]] }]);
    check(true);
    await write(store, [{ labels, samples: [[nowMs - 1000, 2]] }]);
    check(false);
    await write(store, [{ labels, samples: [[nowMs - 3 * 86_400_000, 2]] }]);
    check(true);
    await write(store, [{ labels: { ...labels, i: "2" }, samples: [[nowMs - 1000, 2]] }]);
    check(true);
    await store.flush();
    check(false);
  });

  storeTest("many series come in order, each once", async (store) => {
    const many = Array.from({ length: 700 }, (_, i) => ({ labels: { __name__: "m", i: String(i) }, samples: [[nowMs - 1, i], [nowMs, -i]] as [number, number][] }));
    await write(store, many);
    const found = await search(store, request());
    assert.equal(new Set(found.map((one) => one.labels["i"])).size, 700);
    for (const one of found) assert.deepEqual(one.words, wordsOf([Number(one.labels["i"]), -Number(one.labels["i"])]));
  });

  storeTest("a budget is refused when it does not suffice", async (store) => {
    await writeAll(store);
    await assert.rejects(search(store, request({ budget: { seriesMax: 2, samplesMax: 1e9 } })), { name: "LimitError" });
    await assert.rejects(search(store, request({ budget: { seriesMax: 100, samplesMax: 5 } })), { name: "LimitError" });
    assert.equal((await search(store, request({ budget: { seriesMax: 6, samplesMax: 12 } }))).length, 6);
  });

  storeTest("an aborted signal stops a search", async (store) => {
    await writeAll(store);
    await assert.rejects(search(store, request({ signal: AbortSignal.abort(new Error("stopped")) })));
  });

  storeTest("a bad regular expression is bad input", async (store) => {
    await writeAll(store);
    await assert.rejects(search(store, request({ selector: [[m("job", "=~", "a(")]] })), { name: "InputError" });
    await assert.rejects(store.series(labelsRequest({ selector: [[m("job", "!~", "[")]] })), { name: "InputError" });
  });

  storeTest("a search may overlap with writes", async (store) => {
    await writeAll(store);
    const result = await store.search(request());
    await writeAll(store);
    let seriesCount = 0;
    for await (const batch of result.batches) seriesCount += batch.seriesCount;
    assert.equal(seriesCount, series.length);
    assert.equal(result.isPartial(), false);
  });

  storeTest("metadata by metric family", async (store) => {
    const builder = new RowBatchBuilder();
    builder.addMetadata({ metricFamily: "up", type: "gauge", help: "whether a target is up", unit: "" });
    builder.addMetadata({ metricFamily: "requests", type: "counter", help: "", unit: "1" });
    await store.write(builder.addSeries(labelsOf(up), Float64Array.of(nowMs), Float64Array.of(1)).build());
    await options.settle?.(store);
    const metadata = [...(await store.metadata())].sort((a, b) => (a.metricFamily < b.metricFamily ? -1 : 1));
    assert.deepEqual(metadata.map((one) => [one.metricFamily, one.type, one.help]), [["requests", "counter", ""], ["up", "gauge", "whether a target is up"]]);
  });

  storeTest("flush and merge change nothing", async (store) => {
    await writeAll(store);
    const before = byLabels(await search(store, request()));
    await store.flush();
    assert.deepEqual(byLabels(await search(store, request())), before);
    await write(store, [{ labels: up, samples: [[nowMs - 500, 9]] }]);
    await store.flush();
    await store.merge();
    const after = byLabels(await search(store, request()));
    assert.equal(after.length, before.length);
    assert.deepEqual(after.find((one) => one.labels["instance"] === "a:1")?.words, wordsOf([0, 9, 0.5]));
  });
}

function byLabels(found: FoundSeries[]): FoundSeries[] {
  return found.sort((a, b) => compareLabels(labelsOf(a.labels), labelsOf(b.labels)));
}

/** Takes all batches of a search. */
async function search(store: Store, request: SearchRequest): Promise<FoundSeries[]> {
  const found: FoundSeries[] = [];
  const result = await store.search(request);
  for await (const batch of result.batches) {
    assert.equal(batch.sampleFrom[0], 0);
    for (let i = 0; i < batch.seriesCount; i++) {
      const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
      assert.ok(to > from, "a series without samples in the range is left out");
      found.push({
        labels: labelsToRecord(batch.labels(i)),
        timestampsMs: [...batch.timestampsMs.subarray(from, to)],
        words: wordsOf(batch.values.slice(from, to)),
      });
    }
  }
  return found;
}

/** Label sets in the order of compareLabels, with the keys of each sorted, so that deepEqual compares sets. */
function sorted(records: readonly Series[]): Series[] {
  const all: Labels[] = records.map((record) => labelsOf(record));
  return all.sort(compareLabels).map(labelsToRecord);
}

function wordsOf(values: ArrayLike<number>): bigint[] {
  const column = values instanceof Float64Array ? values.slice() : Float64Array.from(values);
  return [...new BigUint64Array(column.buffer, column.byteOffset, column.length)];
}
