/** /api/v1/query_exemplars: which series are asked for, and the answer in the form of Prometheus. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startHttpNode } from "../../testkit/http_node.ts";
import { labelsOf } from "../model/labels.ts";
import type { ExemplarRequest, SeriesExemplars } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";

class ExemplarStore extends MemoryStore {
  readonly asked: ExemplarRequest[] = [];
  exemplars(request: ExemplarRequest): Promise<SeriesExemplars[]> {
    this.asked.push(request);
    const exemplars = [{ labels: labelsOf({ trace_id: 'a"b' }), value: 0.25, timestampMs: 1_600_000_000_123 }, { labels: [], value: Infinity, timestampMs: 1_600_000_001_000 }];
    return Promise.resolve([{ labels: labelsOf({ __name__: "a_bucket", le: "1" }), exemplars }]);
  }
}

test("selectors of the expression, times, filters, and the answer", async () => {
  const store = new ExemplarStore();
  await using node = await startHttpNode({ api: { store } });
  const get = async (query: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${node.url}/api/v1/query_exemplars?${query}`);
    return { status: response.status, body: await response.text() };
  };
  const query = encodeURIComponent('sum(rate(a_bucket{job="x"}[5m])) / on(job) {__name__=~"b|c"} > 1');
  const answer = await get(`query=${query}&start=1600000000&end=1600000010.5&extra_label=team=t`);
  assert.equal(answer.status, 200);
  assert.equal(answer.body, '{"status":"success","data":[{"seriesLabels":{"__name__":"a_bucket","le":"1"},"exemplars":[{"labels":{"trace_id":"a\\"b"},"value":"0.25","timestamp":1600000000.123},{"labels":{},"value":"+Inf","timestamp":1600000001}]}]}');
  const team = { name: "team", op: "=", value: "t" };
  assert.deepEqual(store.asked[0].selector.map((group) => group.map(({ name, op, value }) => ({ name, op, value }))), [
    [{ name: "__name__", op: "=", value: "a_bucket" }, { name: "job", op: "=", value: "x" }, team],
    [{ name: "__name__", op: "=~", value: "b|c" }, team],
  ]);
  assert.deepEqual(store.asked[0].range, { minMs: 1_600_000_000_000, maxMs: 1_600_000_010_500 });
  assert.equal((await get("query=1%2B1")).body, '{"status":"success","data":[]}');
  assert.equal((await get(`dialect=promql&query=${encodeURIComponent("rate(x[5m]) smoothed")}`)).status, 422);
  assert.equal((await get("query=")).status, 400);
  assert.equal(store.asked.length, 1);
});
